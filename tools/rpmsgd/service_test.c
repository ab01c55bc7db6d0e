/* SPDX-License-Identifier: Apache-2.0 */
/* rpmsg-test, for `rpmsg test`. Off by default: its peer may hold up buffers of the link. */
#include <rpr/test.h>

#include "daemon.h"
#include "service.h"

static void *open_test(struct daemon *daemon, const struct config_service *service,
                       const struct rpr_service_scope *scope, char error[CONFIG_ERROR_BYTES])
{
    struct rpr_test *test = NULL;
    int result = rpr_test_open(daemon->node, scope, &test);

    if (result != 0)
        config_error(error, service->where, "%s", rpr_strerror(result));
    return test;
}

static void look(void *instance)
{
    rpr_test_look(instance);
}

static void close_test(void *instance)
{
    rpr_test_close(instance);
}

static bool closed(const void *instance, unsigned n, struct rpr_service_closed *info)
{
    return rpr_test_closed(instance, n, info);
}

static void stats(void *instance, json_t *object)
{
    struct rpr_test_counters counters;

    rpr_test_counters(instance, &counters);
#define SHOW(name) service_stat(object, "test", #name, counters.name);
    RPR_TEST_COUNTERS(SHOW)
#undef SHOW
}

const struct service_kind service_test = {
    .name = "test",
    .endpoint = "rpmsg-test",
    .open = open_test,
    .look = look,
    .close = close_test,
    .closed = closed,
    .stats = stats,
};
