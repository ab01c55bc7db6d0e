/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The hub: which links are joined with which. Pairs are configured by name and come to life when
 * both links exist.
 */
#include "router/pair.h"

#define RETRY_NS UINT64_C(1000000000) /* until there may be memory for a pair */

static bool same(const char *a, const char *b)
{
    return !text_differs(a, b);
}

/* Whole: "cp" is not "cp2". */
static bool is_named(const char *cpu, const char *name)
{
    return same(cpu, name) || (MUTANT(cpu_is_matched_by_prefix) &&
                               !memcmp(cpu, name, text_length(cpu, ROUTER_CPU_MAX)));
}

static struct pair *find_pair(struct rpr_hub *hub, const char *a, const char *b)
{
    struct pair *p;

    for (p = hub->pairs; p; p = p->next)
        if ((same(p->side[0].cpu, a) && same(p->side[1].cpu, b)) ||
            (same(p->side[0].cpu, b) && same(p->side[1].cpu, a)))
            return p;
    return NULL;
}

/* The side of the pair that joins `device` with `cpu`, by index; NULL: there is none. */
static struct pair *find_side(struct rpr_hub *hub, const struct rpr_device *device, const char *cpu,
                              unsigned *index)
{
    struct pair *p;

    for (p = hub->pairs; p; p = p->next) {
        for (unsigned i = 0; i < 2; i++) {
            if (p->side[i].device == device && is_named(p->side[!i].cpu, cpu)) {
                *index = i;
                return p;
            }
        }
    }
    return NULL;
}

/* ---- name service of routed names --------------------------------------------------------------- */

static bool match(void *ctx, struct rpr_device *device, const char *name)
{
    char cpu[ROUTER_CPU_MAX + 1], service[ROUTER_SERVICE_MAX + 1];
    unsigned i;

    return route_parse(name, cpu, service) && find_side(ctx, device, cpu, &i);
}

static int on_ns(void *ctx, struct rpr_device *device, const char *name, uint32_t addr,
                 uint32_t flags)
{
    char cpu[ROUTER_CPU_MAX + 1], service[ROUTER_SERVICE_MAX + 1];
    struct pair *pair;
    unsigned i;

    if (!route_parse(name, cpu, service))
        return 0;
    pair = find_side(ctx, device, cpu, &i);
    return pair ? pair_ns(pair, i, service, addr, flags) : 0;
}

static const struct rpr_service_ops ns_ops = {.match = match, .ns = on_ns};

/* ---- links come and go ------------------------------------------------------------------------------ */

static bool routable(const struct rpr_device *device)
{
    struct rpr_device_info info;

    rpr_device_info(device, &info);
    return info.kind == RPR_DEVICE_LINK && cpu_name_valid(info.name, ROUTER_CPU_MAX);
}

static void add_pair(struct rpr_hub *hub, struct pair *pair)
{
    pair->next = hub->pairs;
    hub->pairs = pair;
    for (unsigned i = 0; i < 2; i++) {
        struct rpr_device *device = rpr_device_find(hub->node, pair->side[i].cpu);

        if (device && routable(device))
            pair_place(pair, i, device);
    }
}

/* With "every pair": those of this link that have no settings of their own. */
static void join_with_all(struct rpr_hub *hub, struct rpr_device *device)
{
    struct rpr_device *d;

    for (d = rpr_device_next(hub->node, NULL); d; d = rpr_device_next(hub->node, d)) {
        const char *a = rpr_device_name(device);
        const char *b = rpr_device_name(d);
        struct pair *pair;

        if (d == device || !routable(d) || find_pair(hub, a, b) ||
            (hub->pairs && MUTANT(third_edge_is_not_joined)))
            continue;
        pair = pair_like(hub->all, a, b);
        if (pair)
            add_pair(hub, pair);
        else
            hub_complete_later(hub);
    }
}

static void link_is_there(struct rpr_hub *hub, struct rpr_device *device)
{
    struct pair *p;

    if (!routable(device))
        return;
    for (p = hub->pairs; p; p = p->next)
        for (unsigned i = 0; i < 2; i++)
            if (!p->side[i].device && same(p->side[i].cpu, rpr_device_name(device)))
                pair_place(p, i, device);
    if (hub->all && !hub->stopping)
        join_with_all(hub, device);
}

/* Up, down, suspended or running. */
static void link_changed(struct rpr_hub *hub, struct rpr_device *device)
{
    struct pair *p;

    for (p = hub->pairs; p; p = p->next) {
        for (unsigned i = 0; i < 2; i++) {
            if (p->side[i].device != device)
                continue;
            if (p->side[i].open)
                pair_update(p);
            else
                pair_place(p, i, device);
        }
    }
}

static void link_is_gone(struct rpr_hub *hub, const struct rpr_device *device)
{
    struct pair **at = &hub->pairs;

    while (*at) {
        struct pair *p = *at;
        bool gone = false;

        for (unsigned i = 0; i < 2; i++) {
            if (p->side[i].device == device) {
                pair_place(p, i, NULL);
                gone = true;
            }
        }
        if (gone && p->from_all) {
            *at = p->next;
            pair_free(p);
        } else {
            at = &p->next;
        }
    }
}

static void on_event(void *ctx, const struct rpr_event *event)
{
    struct rpr_hub *hub = ctx;

    if (event->kind == RPR_EVENT_DEVICE_ADDED) {
        link_is_there(hub, event->device);
    } else if (event->kind == RPR_EVENT_DEVICE_STATE) {
        link_changed(hub, event->device);
    } else if (event->kind == RPR_EVENT_DEVICE_REMOVED) {
        link_is_gone(hub, event->device);
    }
}

/* ---- without memory ---------------------------------------------------------------------------------- */

void hub_complete_later(struct rpr_hub *hub)
{
    if (!hub->retry.active && !MUTANT(pair_without_memory_waits_for_an_event))
        rpr_timer_start(hub->node, &hub->retry, rpr_node_now(hub->node) + RETRY_NS);
}

/* A pair with such a side at `device` (NULL: anywhere), and that side's index; NULL: there is none. */
static struct pair *find_such(struct rpr_hub *hub, const struct rpr_device *device,
                              bool (*such)(const struct pair_side *side), unsigned *index)
{
    struct pair *p;

    for (p = hub->pairs; p; p = p->next) {
        for (unsigned i = 0; i < 2; i++) {
            if ((!device || p->side[i].device == device) && such(&p->side[i])) {
                *index = i;
                return p;
            }
        }
    }
    return NULL;
}

/* What there was no memory for is made now: control endpoints, and pairs of "every pair". */
static void retry_fired(struct rpr_timer *timer, uint64_t now_ns)
{
    struct rpr_hub *hub = RPR_CONTAINER(timer, struct rpr_hub, retry);
    struct rpr_device *d;
    struct pair *pair;
    unsigned i;

    (void)now_ns;
    while ((pair = find_such(hub, NULL, pair_lacks_control, &i)) && pair_open_control(pair, i))
        ; /* each turn looks anew: observers may have removed any */
    for (d = rpr_device_next(hub->node, NULL); d && hub->all && !hub->stopping;
         d = rpr_device_next(hub->node, d))
        if (routable(d))
            join_with_all(hub, d);
}

/* ---- interface ---------------------------------------------------------------------------------------- */

int rpr_hub_open(struct rpr_node *node, struct rpr_hub **result)
{
    struct rpr_hub *hub = router_alloc(node, sizeof *hub);
    struct rpr_service_config config = {.ops = &ns_ops, .ctx = hub};
    int error;

    if (!hub)
        return -RPR_ENOMEM;
    hub->node = node;
    hub->observer.event = on_event;
    hub->observer.ctx = hub;
    hub->retry.fire = retry_fired;
    error = rpr_service_open(node, &config, &hub->service);
    if (error) {
        router_free(node, hub, sizeof *hub);
        return error;
    }
    rpr_observer_add(node, &hub->observer);
    rpr_node_set_part(node, RPR_PART_HUB, hub);
    *result = hub;
    return 0;
}

static int check_names(struct rpr_hub *hub, const char *a, const char *b)
{
    if (!a || !b || !cpu_name_valid(a, RPR_NAME_MAX) || !cpu_name_valid(b, RPR_NAME_MAX) ||
        same(a, b))
        return -RPR_EINVAL;
    if (!cpu_name_valid(a, ROUTER_CPU_MAX) || !cpu_name_valid(b, ROUTER_CPU_MAX))
        return -RPR_ENAMETOOLONG;
    return find_pair(hub, a, b) && !find_pair(hub, a, b)->from_all ? -RPR_EEXIST : 0;
}

static int check_services(const char *const *services)
{
    for (; services && *services; services++) {
        size_t length = text_length(*services, RPR_ROUTED_SERVICE_MAX + 1);

        if (!length)
            return -RPR_EINVAL;
        if (length > RPR_ROUTED_SERVICE_MAX)
            return -RPR_ENAMETOOLONG;
    }
    return 0;
}

static int set_all(struct rpr_hub *hub, const struct rpr_pair_config *config)
{
    struct rpr_device *d;

    if (hub->all)
        return -RPR_EEXIST;
    hub->all = pair_new(hub, config, "", "");
    if (!hub->all)
        return -RPR_ENOMEM;
    for (d = rpr_device_next(hub->node, NULL); d; d = rpr_device_next(hub->node, d))
        link_is_there(hub, d);
    return 0;
}

static void remove_pair(struct rpr_hub *hub, struct pair *pair)
{
    struct pair **at = &hub->pairs;

    while (*at != pair)
        at = &(*at)->next;
    *at = pair->next;
    pair_free(pair);
}

int rpr_hub_pair_add(struct rpr_hub *hub, const struct rpr_pair_config *config)
{
    int error = check_services(config->services);
    struct pair *pair;

    if (error)
        return error;
    if (!config->a && !config->b)
        return set_all(hub, config);
    error = check_names(hub, config->a, config->b);
    if (error)
        return error;
    pair = pair_new(hub, config, config->a, config->b);
    if (!pair)
        return -RPR_ENOMEM;
    if (find_pair(hub, config->a, config->b))
        remove_pair(hub, find_pair(hub, config->a, config->b)); /* of "every pair" */
    add_pair(hub, pair);
    return 0;
}

int rpr_hub_pair_remove(struct rpr_hub *hub, const char *a, const char *b)
{
    struct pair *pair = a && b ? find_pair(hub, a, b) : NULL;

    if (!a && !b && hub->all) {
        struct pair *p = hub->pairs;

        while (p) {
            struct pair *next = p->next;

            if (p->from_all)
                remove_pair(hub, p);
            p = next;
        }
        pair_free(hub->all);
        hub->all = NULL;
        return 0;
    }
    if (!pair)
        return -RPR_ENOENT;
    remove_pair(hub, pair);
    if (hub->all && rpr_device_find(hub->node, a))
        link_is_there(hub, rpr_device_find(hub->node, a)); /* falls back to "every pair" */
    return 0;
}

static bool is_unsettled(const struct pair_side *side)
{
    return !pair_side_settled(side);
}

/* Each turn looks anew: observers may have removed any pair. */
static bool leave(struct rpr_hub *hub, const struct rpr_device *device)
{
    struct pair *pair;
    unsigned i;

    while ((pair = find_such(hub, device, pair_takes_part, &i)))
        pair_leave(pair, i);
    return !find_such(hub, device, is_unsettled, &i);
}

bool rpr_hub_stop(struct rpr_hub *hub)
{
    hub->stopping = true;
    return leave(hub, NULL);
}

bool rpr_hub_leave(struct rpr_hub *hub, const struct rpr_device *device)
{
    return leave(hub, device);
}

void rpr_hub_close(struct rpr_hub *hub)
{
    hub->stopping = true;
    rpr_observer_remove(hub->node, &hub->observer);
    rpr_timer_stop(hub->node, &hub->retry);
    while (hub->pairs)
        remove_pair(hub, hub->pairs);
    if (hub->all)
        pair_free(hub->all);
    rpr_service_close(hub->service);
    rpr_node_set_part(hub->node, RPR_PART_HUB, NULL);
    router_free(hub->node, hub, sizeof *hub);
}
