/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A service that both ends open alike: an endpoint on each device of its scope, now and as devices
 * come; where there was no memory for one, again a second later. And, for every service, what
 * becomes of a peer that breaks the rules.
 *
 * What belongs to one device is a *target*: a struct of the service that begins with a struct
 * spread_target, and is the ctx of the endpoint's callbacks. It stays while its endpoint is closed
 * for a breach, and at last until the endpoint's `closed`, which outlives the service if messages are
 * still held.
 */
#ifndef SERVICE_SPREAD_H
#define SERVICE_SPREAD_H

#include <rpr/service.h>

/* ---- a peer that breaks the rules --------------------------------------------------------------------- */

/* Its endpoint is closed, with the reason in the log, and may be opened again after a second, doubling
 * to 64 with each further time; or at once in the next session. One that was honest for 64 s begins
 * with a second. */
struct breach {
    const char *reason; /* static text; NULL: none, or it is over */
    uint64_t until_ns, wait_ns;
    uint32_t session; /* of its device, then */
};

/* The log is told, and `breach` says when it is over. The caller closes the endpoint. */
void breach_begin(struct breach *breach, struct rpr_device *device, const char *service,
                  const char *reason);

/* May there be an endpoint? Forgets the reason if so, but not how long it was. */
bool breach_over(struct breach *breach, struct rpr_device *device);

/* False: there is none. */
bool breach_show(const struct breach *breach, struct rpr_device *device,
                 struct rpr_service_closed *info);

/* ---- targets -------------------------------------------------------------------------------------------- */

struct spread;

struct spread_target {
    struct spread_target *next;
    struct spread *spread; /* NULL: no longer of the service, which may be gone */
    struct rpr_device *device;
    rpr_ept_t ept;
    bool open;   /* the endpoint: until `closed` */
    bool broken; /* it is being closed for a breach */
    bool gone;   /* the device is */
    struct breach breach;
};

struct spread_config {
    const char *service;
    size_t target_bytes;
    uint32_t quota, reserve; /* struct rpr_ept_config */
    /* `closed` must end with spread_closed(). */
    const struct rpr_ept_ops *ops;
    /* What the service has going on with that peer ends, for that reason: -RPR_ESTALE: the service
     * leaves it; -RPR_ENOTCONN: the peer, or its endpoint, goes. The target is as new afterwards. */
    void (*leave)(struct spread_target *target, int error);
};

struct spread {
    struct rpr_node *node;
    const struct spread_config *config; /* outlives it */
    struct rpr_service_scope scope;
    struct rpr_observer observer;
    struct rpr_timer retry;
    struct spread_target *targets;
    uint64_t quiet_until_ns; /* spread_complain() says nothing before */
};

void spread_open(struct spread *spread, struct rpr_node *node, const struct spread_config *config,
                 const struct rpr_service_scope *scope);

/* `leave` for each target; the endpoints are closed. The memory of `spread` is free then. */
void spread_close(struct spread *spread);

/* Asks the scope again. */
void spread_look(struct spread *spread);

/* The target on that device, or NULL. */
struct spread_target *spread_find(const struct spread *spread, const struct rpr_device *device);

/* The peer broke the rules: `leave`, and its endpoint is closed for a while. The last thing that a
 * callback of the endpoint does: the service may be gone afterwards. */
void spread_break(struct spread_target *target, const char *reason);

/* The n-th of the devices whose endpoint is closed for a breach; false: there are not so many. */
bool spread_broken(const struct spread *spread, unsigned n, struct rpr_service_closed *info);

/* What the peer sent is allowed, and wrong: to the log, at most once a second of all devices. */
void spread_complain(const struct spread_target *target, const char *what);

/* The endpoint is closed: `leave` if the service did not ask for it. The target's memory goes, unless
 * it is to be opened again. */
void spread_closed(struct spread_target *target, size_t target_bytes);

/* Is the service to be on that device? Private links of local programs have no CPU name. */
bool scope_wants(const struct rpr_service_scope *scope, const struct rpr_device *device);

#endif
