/* SPDX-License-Identifier: Apache-2.0 */
/* Answers rpmsg-ping, and lets `rpmsg ping` measure. */
#include <rpr/ping.h>

#include "daemon.h"
#include "service.h"

static void *open_ping(struct daemon *daemon, const struct config_service *service,
                       const struct rpr_service_scope *scope, char error[CONFIG_ERROR_BYTES])
{
    struct rpr_ping *ping = NULL;
    int result = rpr_ping_open(daemon->node, scope, &ping);

    if (result != 0)
        config_error(error, service->where, "%s", rpr_strerror(result));
    return ping;
}

static void look(void *instance)
{
    rpr_ping_look(instance);
}

static void close_ping(void *instance)
{
    rpr_ping_close(instance);
}

static bool closed(const void *instance, unsigned n, struct rpr_service_closed *info)
{
    return rpr_ping_closed(instance, n, info);
}

static void stats(void *instance, json_t *object)
{
    struct rpr_ping_counters counters;

    rpr_ping_counters(instance, &counters);
#define SHOW(name) service_stat(object, "ping", #name, counters.name);
    RPR_PING_COUNTERS(SHOW)
#undef SHOW
}

const struct service_kind service_ping = {
    .name = "ping",
    .endpoint = "rpmsg-ping",
    .by_default = true,
    .open = open_ping,
    .look = look,
    .close = close_ping,
    .closed = closed,
    .stats = stats,
};
