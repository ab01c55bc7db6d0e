/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the services that come with the library have in common (WIRE 6). Each has a header of its
 * own: <rpr/ping.h>, <rpr/test.h>, <rpr/syslog.h>, ...
 */
#ifndef RPR_SERVICE_H
#define RPR_SERVICE_H

#include <rpr/rpr.h>

#ifdef __cplusplus
extern "C" {
#endif

/* On which devices a service is: asked for each device as it comes, and for all of them when the
 * service is told to look again (rpr_NAME_look()). Private links of local programs have no CPU name
 * and are never asked for. {0}: on every device. */
struct rpr_service_scope {
    bool (*wants)(void *ctx, const struct rpr_device *device);
    void *ctx;
};

/* A device at which a service has closed its endpoint, because the peer sent there what it must not:
 * for 1 s, doubling to 64 s with each further time, or until the next session. It is logged, too.
 * rpr_NAME_closed() tells of each. */
struct rpr_service_closed {
    struct rpr_device *device;
    const char *reason; /* static text */
    uint64_t wait_ns;   /* until the endpoint is opened again */
};

#ifdef __cplusplus
}
#endif
#endif
