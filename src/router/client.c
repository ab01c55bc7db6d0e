/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Client routes: the endpoint of a local program, on its private link, joined with an endpoint of
 * this node on a device. Side 0 is the program, side 1 the device.
 */
#include "router/router.h"

#include "wire/ns.h"

enum { CLIENT = 0, REMOTE = 1 };

#define DEFAULT_QUOTA 256u
#define RETRY_NS      UINT64_C(1000000000)

struct rpr_client_route {
    struct rpr_node *node;
    struct route *route;
    struct rpr_service *of_client, *of_remote;
    struct rpr_observer observer;
    struct rpr_timer free_timer; /* not inside the callbacks that find out */
    struct rpr_timer
        offer_timer; /* kept announcements are looked at again: one may be served now */
    bool serves;     /* whichever remote announces */
    bool closing, closed;
    void (*ended)(void *ctx, bool lost);
    void (*closed_call)(void *ctx);
    void *ctx;
};

static const char *service_of(const struct rpr_client_route *c)
{
    return c->route->service;
}

/* ---- name service --------------------------------------------------------------------------------- */

static bool match_client(void *ctx, struct rpr_device *device, const char *name)
{
    struct rpr_client_route *c = ctx;

    return device == c->route->side[CLIENT].device && !text_differs(name, service_of(c));
}

static bool is_cpu(const struct rpr_device *device)
{
    return cpu_name_valid(rpr_device_name(device), RPR_NAME_MAX);
}

/* One that serves takes the first remote once its program is there, and leaves what others announce
 * to be kept. */
static bool match_remote(void *ctx, struct rpr_device *device, const char *name)
{
    struct rpr_client_route *c = ctx;
    const struct route_side *side = c->route->side;

    if (text_differs(name, service_of(c)) || (c->closing && !c->route->ending))
        return false;
    if (side[REMOTE].device || !c->serves)
        return side[REMOTE].device == device;
    return side[CLIENT].wish != RPR_ADDR_ANY && is_cpu(device);
}

static void offer_kept(struct rpr_client_route *c, uint64_t at_ns)
{
    if (c->serves && !c->closing && !c->route->side[REMOTE].device)
        rpr_timer_start(c->node, &c->offer_timer, at_ns);
}

static void ns_of(struct rpr_client_route *c, unsigned i, uint32_t addr, uint32_t flags)
{
    if (flags == NS_CREATE)
        route_create(c->route, i, addr);
    else if (flags == NS_CREATE_ACK)
        route_ack(c->route, i, addr);
    else
        route_destroy(c->route, i, addr);
}

static int ns_client(void *ctx, struct rpr_device *device, const char *name, uint32_t addr,
                     uint32_t flags)
{
    (void)device;
    (void)name;
    ns_of(ctx, CLIENT, addr, flags);
    offer_kept(ctx, rpr_node_now(((struct rpr_client_route *)ctx)->node));
    return 0;
}

static int ns_remote(void *ctx, struct rpr_device *device, const char *name, uint32_t addr,
                     uint32_t flags)
{
    struct rpr_client_route *c = ctx;

    (void)name;
    if (!c->route->side[REMOTE].device) {
        if (flags != NS_CREATE)
            return 0;
        route_place(c->route, REMOTE, device, service_of(c), NULL);
    }
    ns_of(c, REMOTE, addr, flags);
    return 0;
}

static const struct rpr_service_ops client_ns = {.match = match_client, .ns = ns_client};
static const struct rpr_service_ops remote_ns = {.match = match_remote, .ns = ns_remote};
static const struct rpr_service_ops one_remote_ns = {
    .match = match_remote, .ns = ns_remote, .yields = true};

/* A service that is opened is offered what was announced before. */
static void offer_fired(struct rpr_timer *timer, uint64_t now_ns)
{
    struct rpr_client_route *c = RPR_CONTAINER(timer, struct rpr_client_route, offer_timer);
    struct rpr_service_config config = {.ops = &remote_ns, .ctx = c};
    struct rpr_service *former = c->of_remote;

    if (rpr_service_open(c->node, &config, &c->of_remote))
        offer_kept(c, now_ns + RETRY_NS);
    else
        rpr_service_close(former);
}

/* ---- ends ---------------------------------------------------------------------------------------------- */

static void free_fired(struct rpr_timer *timer, uint64_t now_ns)
{
    struct rpr_client_route *c = RPR_CONTAINER(timer, struct rpr_client_route, free_timer);
    void (*closed)(void *) = c->closed_call;
    void *ctx = c->ctx;

    (void)now_ns;
    rpr_observer_remove(c->node, &c->observer);
    rpr_service_close(c->of_client);
    rpr_service_close(c->of_remote);
    route_free(c->route, true);
    router_free(c->node, c, sizeof *c);
    if (closed)
        closed(ctx);
}

static void finish(struct rpr_client_route *c)
{
    if (c->closed)
        return;
    c->closed = true;
    rpr_timer_start(c->node, &c->free_timer, rpr_node_now(c->node));
}

static void on_ended(struct route *route, unsigned gone, bool lost)
{
    struct rpr_client_route *c = route->owner;

    if (gone == REMOTE && c->serves && route->side[REMOTE].wish == RPR_ADDR_ANY)
        route->side[REMOTE].device = NULL;
    if (c->closing)
        finish(c);
    else if (gone == REMOTE && c->ended)
        c->ended(c->ctx, lost);
    offer_kept(c, rpr_node_now(c->node));
}

static const struct route_ops client_route_ops = {.ended = on_ended};

/* A device that comes up may be looked for. */
static void on_event(void *ctx, const struct rpr_event *event)
{
    struct rpr_client_route *c = ctx;
    struct route_side *remote = &c->route->side[REMOTE];

    if (event->kind == RPR_EVENT_DEVICE_REMOVED && event->device == remote->device) {
        route_lost(c->route, REMOTE);
        remote->device = NULL;
    } else if (event->kind == RPR_EVENT_DEVICE_STATE && event->device == remote->device) {
        route_settle(c->route);
    }
}

/* ---- interface --------------------------------------------------------------------------------------------- */

static bool is_half(struct rpr_node *node, rpr_ept_t ept)
{
    const struct route *r;

    for (r = route_first(node); r; r = r->next)
        for (unsigned i = 0; i < 2; i++)
            if (r->side[i].open && r->side[i].half.endpoint == ept.endpoint)
                return true;
    return false;
}

/* Has the node an endpoint of that name there, beside which there can be no other? Halves of routes are
 * looked at by themselves. One that was made for who had announced himself is told from another by his
 * address, if the link is direct: behind a hub there is one route for a name between two CPUs. */
static bool name_taken(struct rpr_device *device, const char *service, bool announces)
{
    struct rpr_device_info at;
    struct rpr_ept_info info;
    rpr_ept_t ept = {0};

    rpr_device_info(device, &at);
    for (ept = rpr_ept_next(device, ept); ept.endpoint; ept = rpr_ept_next(device, ept))
        if (!rpr_ept_info(ept, &info) && !text_differs(info.name, service) &&
            (info.announces || !announces || at.kind == RPR_DEVICE_ROUTED) &&
            !is_half(rpr_device_node(device), ept))
            return true;
    return false;
}

/* The name service has little but the name to tell who is meant. */
static int service_taken(struct rpr_node *node, const char *service, struct rpr_device *remote)
{
    struct rpr_device *d;
    const struct route *r;

    for (d = rpr_device_next(node, NULL); d; d = rpr_device_next(node, d))
        if ((remote ? d == remote : is_cpu(d)) && name_taken(d, service, remote != NULL))
            return -RPR_ENOTSUP;
    for (r = route_first(node); r; r = r->next) {
        const struct rpr_client_route *c = r->owner;

        if (!r->keep_lost || r->dead || c->closing || text_differs(r->service, service))
            continue;
        if (remote ? r->side[REMOTE].device == remote : c->serves)
            return -RPR_EEXIST;
    }
    return 0;
}

static size_t longest_name(const struct rpr_device *remote)
{
    struct rpr_device_info info;

    if (!remote)
        return RPR_NAME_MAX;
    rpr_device_info(remote, &info);
    return info.kind == RPR_DEVICE_ROUTED ? RPR_ROUTED_SERVICE_MAX : RPR_NAME_MAX;
}

static int check(struct rpr_node *node, const struct rpr_client_config *config,
                 struct rpr_device **remote)
{
    size_t length = text_length(config->service, RPR_NAME_MAX + 1);

    *remote = config->device ? rpr_device_find(node, config->device) : NULL;
    if (!length)
        return -RPR_EINVAL;
    if (config->device && !*remote)
        return -RPR_ENOENT;
    if (length > longest_name(*remote))
        return -RPR_ENAMETOOLONG;
    return service_taken(node, config->service, *remote);
}

static int open_services(struct rpr_client_route *c)
{
    struct rpr_service_config config = {.ops = &client_ns, .ctx = c};
    int error = rpr_service_open(c->node, &config, &c->of_client);

    if (error)
        return error;
    config.ops = c->serves ? &remote_ns : &one_remote_ns;
    error = rpr_service_open(c->node, &config, &c->of_remote);
    if (error)
        rpr_service_close(c->of_client);
    return error;
}

int rpr_client_route_open(struct rpr_node *node, const struct rpr_client_config *config,
                          struct rpr_client_route **result)
{
    struct rpr_device *remote;
    int error = check(node, config, &remote);
    struct rpr_client_route *c;
    struct route_config rc = {.node = node,
                              .ops = &client_route_ops,
                              .service = config->service,
                              .quota = config->quota ? config->quota : DEFAULT_QUOTA,
                              .policy = RPR_POLICY_DEFAULT,
                              .keep_lost = true};

    if (error)
        return error;
    c = router_alloc(node, sizeof *c);
    if (!c)
        return -RPR_ENOMEM;
    rc.owner = c;
    c->node = node;
    c->serves = !remote;
    c->ended = config->ended;
    c->closed_call = config->closed;
    c->ctx = config->ctx;
    c->free_timer.fire = free_fired;
    c->offer_timer.fire = offer_fired;
    c->observer.event = on_event;
    c->observer.ctx = c;
    c->route = route_new(&rc);
    if (!c->route) {
        router_free(node, c, sizeof *c);
        return -RPR_ENOMEM;
    }
    route_place(c->route, CLIENT, config->client, config->service, NULL);
    route_place(c->route, REMOTE, remote, config->service, NULL);
    c->route->side[CLIENT].ready = c->route->side[REMOTE].ready = true;
    c->route->side[CLIENT].mute = true;
    c->route->side[REMOTE].mute = c->serves;
    error = open_services(c);
    if (error) {
        rpr_timer_stop(node, &c->offer_timer);
        route_free(c->route, true);
        router_free(node, c, sizeof *c);
        return error;
    }
    rpr_observer_add(node, &c->observer);
    *result = c;
    route_settle(c->route);
    return 0;
}

void rpr_client_route_close(struct rpr_client_route *route)
{
    if (route->closing)
        return;
    route->closing = true;
    rpr_timer_stop(route->node, &route->offer_timer);
    route_withdraw(route->route, CLIENT);
}
