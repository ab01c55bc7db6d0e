/* SPDX-License-Identifier: Apache-2.0 */
#include "service/spread.h"

#include "base/check.h"
#include "wire/router.h"

#define RETRY_NS UINT64_C(1000000000)

bool scope_wants(const struct rpr_service_scope *scope, const struct rpr_device *device)
{
    if (!cpu_name_valid(rpr_device_name(device), RPR_NAME_MAX))
        return false;
    return !scope->wants || scope->wants(scope->ctx, device);
}

struct spread_target *spread_find(const struct spread *spread, const struct rpr_device *device)
{
    struct spread_target *t = spread->targets;

    while (t && t->device != device)
        t = t->next;
    return t;
}

static void unlink_target(struct spread_target *target)
{
    struct spread_target **at = &target->spread->targets;

    while (*at != target)
        at = &(*at)->next;
    *at = target->next;
}

/* No longer of the service: what it began with the target ends. */
static void leave(struct spread_target *target)
{
    const struct spread_config *config = target->spread->config;

    if (config->leave)
        config->leave(target);
    unlink_target(target);
    target->spread = NULL;
}

void spread_closed(struct spread_target *target, size_t target_bytes)
{
    const struct rpr_platform *platform = rpr_node_platform(rpr_device_node(target->device));

    if (target->spread)
        leave(target);
    platform->free(platform->ctx, target, target_bytes);
}

static void try_later(struct spread *spread)
{
    rpr_timer_start(spread->node, &spread->retry, rpr_node_now(spread->node) + RETRY_NS);
}

static void open_target(struct spread *spread, struct rpr_device *device)
{
    const struct spread_config *config = spread->config;
    const struct rpr_platform *platform = rpr_node_platform(spread->node);
    struct spread_target *t = platform->alloc(platform->ctx, config->target_bytes);
    struct rpr_ept_config ept = {.name = config->service,
                                 .addr = RPR_ADDR_ANY,
                                 .dest = RPR_ADDR_ANY,
                                 .quota = config->quota,
                                 .reserve = config->reserve,
                                 .ops = config->ops,
                                 .ctx = t};

    if (!t) {
        try_later(spread);
        return;
    }
    t->spread = spread;
    t->device = device;
    t->next = spread->targets;
    spread->targets = t;
    if (rpr_ept_open(device, &ept, &t->ept)) {
        spread->targets = t->next;
        platform->free(platform->ctx, t, config->target_bytes);
        try_later(spread);
    }
}

static void look_at(struct spread *spread, struct rpr_device *device)
{
    struct spread_target *t = spread_find(spread, device);
    bool wanted = scope_wants(&spread->scope, device);

    if (wanted && !t)
        open_target(spread, device);
    else if (!wanted && t) {
        leave(t);
        (void)rpr_ept_close(t->ept);
    }
}

void spread_look(struct spread *spread)
{
    struct rpr_device *d;

    for (d = rpr_device_next(spread->node, NULL); d; d = rpr_device_next(spread->node, d))
        look_at(spread, d);
}

static void retry_fired(struct rpr_timer *timer, uint64_t now_ns)
{
    (void)now_ns;
    spread_look(RPR_CONTAINER(timer, struct spread, retry));
}

static void on_event(void *ctx, const struct rpr_event *event)
{
    if (event->kind == RPR_EVENT_DEVICE_ADDED)
        look_at(ctx, event->device);
}

void spread_open(struct spread *spread, struct rpr_node *node, const struct spread_config *config,
                 const struct rpr_service_scope *scope)
{
    spread->node = node;
    spread->config = config;
    if (scope)
        spread->scope = *scope;
    spread->observer.event = on_event;
    spread->observer.ctx = spread;
    rpr_observer_add(node, &spread->observer);
    spread->retry.fire = retry_fired;
    spread_look(spread);
}

void spread_close(struct spread *spread)
{
    rpr_observer_remove(spread->node, &spread->observer);
    rpr_timer_stop(spread->node, &spread->retry);
    while (spread->targets) {
        struct spread_target *t = spread->targets;

        leave(t);
        (void)rpr_ept_close(t->ept);
    }
}
