/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The services that a node can have, one struct service_kind each in a file service_NAME.c of its
 * own, all of them in the table of service.c. What is said of them in the configuration:
 * config_service.h.
 *
 * Everything here runs on the owner. A service whose work can block gives it to a thread of its own.
 */
#ifndef RPMSGD_SERVICE_H
#define RPMSGD_SERVICE_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include <rpr/service.h>

#include "config.h"

struct daemon;

#define SERVICE_KEYS_MAX 8u

struct service_key {
    const char *name;
    /* Is that a value of it? False: `why` says what would be. NULL: any that is not empty. */
    bool (*check)(const char *value, char why[CONFIG_ERROR_BYTES]);
};

struct service_kind {
    const char *name;     /* of --service and [service NAME] */
    const char *endpoint; /* what it is on the wire */
    bool by_default;      /* on every device unless something is said of it */
    bool programs;        /* are peers of it too: `attach` with `own`; `look` finds them */
    struct service_key keys[SERVICE_KEYS_MAX]; /* as many as have a name */

    /* Do the values go together? NULL: always. */
    bool (*check)(const struct config_service *service, char error[CONFIG_ERROR_BYTES]);

    /* Opens it on the devices of `scope`, which the instance may copy. NULL: `error` is one line
     * that begins with service->where. */
    void *(*open)(struct daemon *daemon, const struct config_service *service,
                  const struct rpr_service_scope *scope, char error[CONFIG_ERROR_BYTES]);

    /* The scope says something else of some device: ask it again, disturb no other. */
    void (*look)(void *instance);

    /* Keys have changed: takes them up without disturbing a peer. False, with `error`: it goes on
     * as it was. NULL: it is closed and opened again. */
    bool (*reconfigure)(void *instance, const struct config_service *service,
                        char error[CONFIG_ERROR_BYTES]);

    /* Begins to end in order: peers hear of it, what they sent is dealt with. NULL: nothing to do. */
    void (*stop)(void *instance);
    bool (*stopped)(void *instance); /* asked again and again after `stop`, for half a second */
    void (*close)(void *instance);

    /* The n-th device at which its endpoint is closed since the peer broke the rules. False: there
     * are not so many. */
    bool (*closed)(const void *instance, unsigned n, struct rpr_service_closed *closed);

    /* For the command `stats`: service_stat() for each counter. NULL: none. */
    void (*stats)(void *instance, json_t *object);
};

/* Every kind: NULL after the last. */
const struct service_kind *service_kind_at(size_t index);
size_t service_n_kinds(void);

/* ---- of a running node ---------------------------------------------------------------------------- */

/* Opens what the configuration says. False: `error` is one line. */
bool services_open(struct daemon *daemon, char error[CONFIG_ERROR_BYTES]);

/* The daemon's configuration is another one now; `before` was the last. What cannot be done is
 * logged. */
void services_change(struct daemon *daemon, const struct config *before);

void services_stop(struct daemon *daemon);
bool services_stopped(struct daemon *daemon);
void services_close(struct daemon *daemon);

/* What runs as that kind, or NULL: it is off. */
void *service_instance(const struct daemon *daemon, const struct service_kind *kind);

/* The kind of that name on the wire, or NULL. */
const struct service_kind *service_kind_find(const char *endpoint);

/* Is it closed at that device? */
bool service_closed_at(const struct daemon *daemon, const struct service_kind *kind,
                       const struct rpr_device *device, struct rpr_service_closed *closed);

/* Those that are on: [{"name","endpoint","on","keys","closed"}] (docs/CONTROL.md). */
json_t *services_show(const struct daemon *daemon);

/* Counters of all that are on, into the flat object of `stats`; and for the kinds, one of them. */
void services_stats(const struct daemon *daemon, json_t *object);
void service_stat(json_t *object, const char *service, const char *counter, uint64_t value);

/* The service's value of a key, or NULL: not given. */
const char *service_value(const struct config_service *service, const char *key);

/* ---- the kinds ------------------------------------------------------------------------------------- */

extern const struct service_kind service_ping, service_test, service_syslog, service_sensor;

#endif
