/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A service that both ends open alike: an endpoint on each device of its scope, now and as devices
 * come; where there was no memory for one, again a second later.
 *
 * What belongs to one device is a *target*: a struct of the service that begins with a struct
 * spread_target, and is the ctx of the endpoint's callbacks. It lives until the endpoint's `closed`,
 * which outlives the service if messages are still held.
 */
#ifndef SERVICE_SPREAD_H
#define SERVICE_SPREAD_H

#include <rpr/service.h>

struct spread;

struct spread_target {
    struct spread_target *next;
    struct spread *spread; /* NULL: no longer of the service, which may be gone */
    struct rpr_device *device;
    rpr_ept_t ept;
};

struct spread_config {
    const char *service;
    size_t target_bytes;
    uint32_t quota, reserve; /* struct rpr_ept_config */
    /* `closed` must end with spread_closed(). */
    const struct rpr_ept_ops *ops;
    void (*leave)(struct spread_target *target); /* about to be closed; NULL: nothing to do */
};

struct spread {
    struct rpr_node *node;
    const struct spread_config *config; /* outlives it */
    struct rpr_service_scope scope;
    struct rpr_observer observer;
    struct rpr_timer retry;
    struct spread_target *targets;
};

void spread_open(struct spread *spread, struct rpr_node *node, const struct spread_config *config,
                 const struct rpr_service_scope *scope);

/* `leave` for each target; the endpoints are closed. The memory of `spread` is free then. */
void spread_close(struct spread *spread);

/* Asks the scope again. */
void spread_look(struct spread *spread);

/* The target on that device, or NULL. */
struct spread_target *spread_find(const struct spread *spread, const struct rpr_device *device);

/* The endpoint is closed: `leave` if the service did not ask for it, and the target's memory goes. */
void spread_closed(struct spread_target *target, size_t target_bytes);

/* Is the service to be on that device? Private links of local programs have no CPU name. */
bool scope_wants(const struct rpr_service_scope *scope, const struct rpr_device *device);

#endif
