/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two links of a hub, joined (WIRE 5.3). Each edge gets a control endpoint named after the other;
 * when both have acknowledged theirs a *session* begins: both are told CREATE, and routes may be
 * made. When either is lost the session ends: the other is told DESTROY, before anything else, so
 * that it sees the loss of a CPU and not the close of each endpoint.
 */
#include "router/pair.h"

#include "wire/ns.h"

static void destroy(struct pair *pair)
{
    struct rpr_node *node = pair->node;

    if (pair->services && !pair->from_all)
        router_free(node, pair->services, (pair->n_services + 1) * sizeof *pair->services);
    router_free(node, pair, sizeof *pair);
}

static const char *name_of(const struct pair_side *side)
{
    return side->cpu;
}

static struct pair_side *other(struct pair_side *side)
{
    return &side->pair->side[side == &side->pair->side[0]];
}

static unsigned index_of(const struct pair_side *side)
{
    return (unsigned)(side - side->pair->side);
}

/* ---- what an edge is told --------------------------------------------------------------------- */

static uint32_t smaller(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

static struct router_message create_message(struct pair_side *side)
{
    struct router_message message = {.cmd = ROUTER_CREATE};
    struct rpr_device_info own, far;

    rpr_device_info(side->device, &own);
    rpr_device_info(other(side)->device, &far);
    message.tx_len = smaller(own.rx_len, far.tx_len); /* as the edge sees it */
    message.rx_len = smaller(own.tx_len, far.rx_len);
    text_copy(message.cpuname, sizeof message.cpuname, name_of(side));
    return message;
}

static bool send_message(struct pair_side *side, const struct router_message *message)
{
    uint8_t bytes[ROUTER_LONG_BYTES];
    size_t len = router_encode(bytes, message);

    return rpr_send(side->control, bytes, len, 0) == 0;
}

static bool send_command(struct pair_side *side, enum router_cmd cmd)
{
    return send_message(side, &(struct router_message){.cmd = cmd});
}

static bool send_hello(struct pair_side *side)
{
    return send_message(side, &(struct router_message){.cmd = ROUTER_HELLO,
                                                       .version = ROUTER_HELLO_VERSION,
                                                       .caps = ROUTER_CAP_CREDIT});
}

static bool far_sleeps(struct pair_side *side)
{
    struct pair_side *far = other(side);

    if (!far->device || !device_up(far->device))
        return side->told_sleeps; /* of one that is being lost nothing more is said but that */
    return far->sleeps || rpr_device_state(far->device) == RPR_DEVICE_SUSPENDED;
}

/* What it says about routes counts. */
static bool in_session(const struct pair_side *side)
{
    return side->bound && side->session && side->told == side->session && !side->hello_due;
}

/* It may be told about routes: one of ours has heard by then that we are. */
static bool is_ready(const struct pair_side *side)
{
    return in_session(side) && !side->answer_hello;
}

static void hold(struct pair *pair)
{
    pair->n_users++;
}

static void let_go(struct pair *pair)
{
    if (--pair->n_users == 0 && pair->dead)
        destroy(pair);
}

/* A link that loses messages, to a node of ours. */
static bool is_numbered(const struct pair_side *side)
{
    const struct rpr_link *link = rpr_device_link(side->device);

    return link && rpr_link_numbered(link);
}

/* One of ours is told which CREATE this is; NuttX would not mind the number, and does not get it. */
static bool send_create(struct pair_side *side, uint32_t number)
{
    bool numbered = is_numbered(side);
    struct router_message create = create_message(side);

    create.session = side->ours || numbered ? number : 0;
    if (!send_message(side, &create))
        return false;
    /* The first one said again: what the edge has said belongs to it, heard or not. */
    side->hello_due = (side->ours || numbered) && (number > 1 || number > side->n_creates) &&
                      !MUTANT(edge_is_believed_before_its_hello);
    side->n_creates = number;
    side->unnumbered = !numbered;
    return true;
}

/* The next thing to be told, if it leaves. False: nothing is due, or the link takes nothing now. */
static bool tell_next(struct pair_side *side)
{
    bool sleeps = far_sleeps(side);

    if (!side->bound)
        return false;
    if (side->answer_hello) {
        side->answer_hello = !send_hello(side);
        return !side->answer_hello;
    }
    if (side->told && side->told != side->session &&
        !(side->session && MUTANT(loss_is_forgotten_at_the_return))) {
        if (!send_command(side, ROUTER_DESTROY))
            return false;
        side->told = 0;
        side->unnumbered = !is_numbered(side);
        return true;
    }
    if (!side->told && side->session) {
        if (!send_create(side, side->n_creates + 1))
            return false;
        side->told = side->session;
        side->told_sleeps = false;
        return true;
    }
    if (side->unnumbered && is_numbered(side)) {
        side->unnumbered = side->told ? !send_create(side, side->n_creates)
                                      : side->n_creates && !send_command(side, ROUTER_DESTROY);
        return !side->unnumbered;
    }
    if ((!side->told && !MUTANT(power_is_told_before_create)) || sleeps == side->told_sleeps ||
        (!send_command(side, sleeps ? ROUTER_SUSPEND : ROUTER_RESUME) &&
         !MUTANT(power_is_lost_without_a_buffer)))
        return false;
    side->told_sleeps = sleeps;
    return true;
}

static struct route *first_unready(struct pair_side *side, bool ready)
{
    struct route *route = side->pair->routes;

    while (route && route->side[index_of(side)].ready == ready)
        route = route->sibling;
    return route;
}

static void tell(struct pair_side *side)
{
    struct route *route;

    while (tell_next(side))
        ;
    while ((route = first_unready(side, is_ready(side))))
        route_ready(route, index_of(side), is_ready(side));
}

bool pair_side_settled(const struct pair_side *side)
{
    return !side->bound || side->told == side->session;
}

static void drop_route(struct pair *pair, struct route *route, bool inform)
{
    struct route **at = &pair->routes;

    while (*at != route)
        at = &(*at)->sibling;
    *at = route->sibling;
    route_free(route, inform);
}

/* ---- sessions ----------------------------------------------------------------------------------- */

/* The session is over before anybody is told: what callbacks do in here (take the other link down,
 * close the pair) finds none to end, and no route can be made; so it is never entered twice for one
 * session, and each turn of the loop takes a route away. */
static void end_session(struct pair *pair, unsigned lost)
{
    struct route *route;

    pair->side[0].session = pair->side[1].session = 0;
    pair->side[0].sleeps = pair->side[1].sleeps = false;
    if (!MUTANT(routes_end_before_their_cpu))
        tell(&pair->side[!lost]); /* ROUTER_DESTROY goes first */
    tell(&pair->side[lost]);
    while ((route = pair->routes)) {
        bool unused = !route->side[0].forwarded;

        route_lost(route, lost);
        /* The far end forgets its wishes with the device. */
        if (pair->routes == route || (unused && MUTANT(route_is_freed_twice)))
            drop_route(pair, route, false);
    }
    for (unsigned i = 0; i < 2; i++) /* nor does a wish outlive it for which there was no memory */
        if (pair->side[i].device)
            rpr_routed_forget(pair->side[i].device, name_of(other(&pair->side[i])));
}

bool pair_takes_part(const struct pair_side *side)
{
    return side->bound && !side->leaving;
}

void pair_update(struct pair *pair)
{
    struct pair_side *side = pair->side;
    bool both = pair_takes_part(&side[0]) && pair_takes_part(&side[1]) && !pair->hub->stopping;

    hold(pair);
    if (both && !side[0].session)
        side[0].session = side[1].session = ++pair->n_sessions;
    else if (!both && side[0].session)
        end_session(pair, pair_takes_part(&side[0]));
    tell(&side[0]);
    tell(&side[1]);
    let_go(pair);
}

void pair_leave(struct pair *pair, unsigned i)
{
    pair->side[i].leaving = true;
    pair_update(pair);
}

/* ---- control endpoints ------------------------------------------------------------------------------ */

static void on_bound(void *ctx, rpr_ept_t ept, uint32_t dest)
{
    struct pair_side *side = ctx;

    (void)ept;
    (void)dest;
    side->bound = true;
    side->told = side->n_creates = 0;
    side->answer_hello = MUTANT(hello_is_said_to_everybody);
    pair_update(side->pair);
}

/* Whoever is bound next has heard nothing. */
static void forget(struct pair_side *side)
{
    side->bound = side->leaving = false;
    side->told = side->n_creates = 0;
    side->hello_due = side->answer_hello = side->unnumbered = false;
    side->ours = side->ours && MUTANT(hello_outlives_its_link);
}

static void on_unbound(void *ctx, rpr_ept_t ept, enum rpr_unbound_reason reason)
{
    struct pair_side *side = ctx;

    (void)ept;
    (void)reason;
    forget(side);
    pair_update(side->pair);
}

static void on_writable(void *ctx, rpr_ept_t ept)
{
    (void)ept;
    tell(ctx);
}

static void on_hello(struct pair_side *side, const struct router_message *message)
{
    struct rpr_link *link = rpr_device_link(side->device);

    side->ours = true;
    side->hello_due = message->session && message->session != side->n_creates &&
                      !MUTANT(hello_of_a_former_session_is_believed);
    if (!side->hello_due && side->told)
        side->unnumbered = false;
    side->answer_hello = true;
    if (link && (message->caps & ROUTER_CAP_CREDIT))
        rpr_link_credit(link);
    tell(side);
}

static void close_control(struct pair_side *side)
{
    side->lacks_control = false;
    if (!side->open)
        return;
    side->open = false;
    forget(side);
    (void)rpr_ept_close(side->control);
}

/* What cannot be decoded ends this control endpoint, and nothing else; the next life of the link
 * begins anew. */
static void refuse(struct pair_side *side)
{
    const struct rpr_platform *platform = rpr_node_platform(side->pair->hub->node);
    char line[128];
    struct text text = text_start(line, sizeof line);

    text_add(&text, "hub: ");
    text_add(&text, name_of(side));
    text_add(&text, " sent a router message that is too short: its routes to ");
    text_add(&text, name_of(other(side)));
    text_add(&text, " are closed");
    if (platform->log)
        platform->log(platform->ctx, RPR_LOG_WARNING, line);
    close_control(side);
    pair_update(side->pair);
}

static enum rpr_rx_result on_rx(void *ctx, rpr_ept_t ept, const struct rpr_msg *msg)
{
    struct pair_side *side = ctx;
    struct router_message message;
    int result;

    (void)ept;
    result = router_decode(&message, msg->data, msg->len);
    RPR_ASSERT(result != ROUTER_BAD_CMD || !MUTANT(asserts_what_an_edge_says));
    if (result == ROUTER_BAD_LENGTH) {
        refuse(side);
    } else if (result == ROUTER_OK && message.cmd == ROUTER_HELLO) {
        on_hello(side, &message);
    } else if (result == ROUTER_OK && side->ours && in_session(side) &&
               (message.cmd == ROUTER_SUSPEND || message.cmd == ROUTER_RESUME)) {
        side->sleeps = message.cmd == ROUTER_SUSPEND;
        tell(other(side));
    }
    return RPR_DONE;
}

static void on_closed(void *ctx)
{
    let_go(((struct pair_side *)ctx)->pair);
}

static const struct rpr_ept_ops control_ops = {.rx = on_rx,
                                               .bound = on_bound,
                                               .unbound = on_unbound,
                                               .writable = on_writable,
                                               .closed = on_closed};

/* A NuttX edge gives what it hears of power to its end of this, as a message at NULL, which it reads. */
static bool open_control(struct pair_side *side)
{
    char name[ROUTER_NAME_BYTES];
    struct rpr_ept_config config = {.name = name,
                                    .addr = RPR_ADDR_ANY,
                                    .dest = RPR_ADDR_ANY,
                                    .flags = RPR_EPT_CONTROL | RPR_EPT_NO_POWER,
                                    .ops = &control_ops,
                                    .ctx = side};

    side->lacks_control = false;
    if (side->open || router_control_name(name, name_of(other(side))))
        return true;
    if (rpr_ept_open(side->device, &config, &side->control)) {
        side->lacks_control = true;
        hub_complete_later(side->pair->hub);
        return false;
    }
    side->open = true;
    hold(side->pair);
    return true;
}

bool pair_lacks_control(const struct pair_side *side)
{
    return side->lacks_control;
}

bool pair_open_control(struct pair *pair, unsigned i)
{
    return open_control(&pair->side[i]);
}

/* ---- routes of the pair --------------------------------------------------------------------------------- */

static struct route *find_route(struct pair *pair, const char *service)
{
    struct route *route = pair->routes;

    while (route && text_differs(route->service, service))
        route = route->sibling;
    return route;
}

static void route_ended(struct route *route, unsigned gone, bool lost)
{
    (void)gone;
    (void)lost;
    if (route_idle(route) && !(MUTANT(unused_route_is_kept) && !route->side[0].forwarded))
        drop_route(route->owner, route, true);
    else
        route_settle(route);
}

static void route_freed(void *owner)
{
    let_go(owner);
}

static const struct route_ops pair_route_ops = {.ended = route_ended, .freed = route_freed};

static bool allowed(const struct pair *pair, const char *service)
{
    if (!pair->services || MUTANT(allow_list_is_ignored))
        return true;
    for (uint32_t i = 0; i < pair->n_services; i++)
        if (!text_differs(pair->services[i], service))
            return true;
    return false;
}

/* Routes that wait for an answer are bounded per edge: announcements cannot exhaust memory. */
static bool may_wait(struct pair *pair, const struct rpr_device *device)
{
    const struct route *route;
    unsigned n = 0;

    for (route = route_first(pair->hub->node); route; route = route->next)
        n += !route_joined(route) &&
             ((route->side[0].device == device && route->side[0].wish != RPR_ADDR_ANY) ||
              (route->side[1].device == device && route->side[1].wish != RPR_ADDR_ANY));
    return n < ROUTE_WAITING_MAX || MUTANT(waiting_routes_are_unbounded);
}

static struct route *make_route(struct pair *pair, const char *service)
{
    struct route_config config = {.node = pair->hub->node,
                                  .ops = &pair_route_ops,
                                  .owner = pair,
                                  .service = service,
                                  .quota = pair->quota,
                                  .block_ms = pair->block_ms,
                                  .policy = pair->policy};
    struct route *route = route_new(&config);

    if (!route)
        return NULL;
    for (unsigned i = 0; i < 2; i++) {
        struct pair_side *side = &pair->side[i];
        char name[ROUTER_NAME_BYTES] = "";

        (void)route_name(name, name_of(other(side)), service);
        route_place(route, i, side->device, name, &side->quota);
        route->side[i].ready = is_ready(side);
    }
    route->sibling = pair->routes;
    pair->routes = route;
    hold(pair);
    return route;
}

static void refuse_service(struct pair *pair, unsigned i, const char *service, const char *why)
{
    struct rpr_event event = {.kind = RPR_EVENT_ROUTE,
                              .device = pair->side[i].device,
                              .peer = pair->side[!i].device,
                              .name = service,
                              .addr = RPR_ADDR_ANY,
                              .dest = RPR_ADDR_ANY,
                              .reason = why};

    rpr_event_emit(pair->hub->node, &event);
}

int pair_ns(struct pair *pair, unsigned i, const char *service, uint32_t addr, uint32_t flags)
{
    struct route *route = find_route(pair, service);

    if (!in_session(&pair->side[i]))
        return 0; /* said before it heard of the session's end */
    if (flags == NS_CREATE) {
        if (!allowed(pair, service)) {
            refuse_service(pair, i, service, "refused: not in the route's services");
            return 0;
        }
        if (!route && !may_wait(pair, pair->side[i].device)) {
            refuse_service(pair, i, service, "refused: 256 routes of this edge wait already");
            return 0;
        }
        if (!route)
            route = make_route(pair, service);
        if (!route) {
            refuse_service(pair, i, service, "waits: out of memory");
            return -RPR_ENOMEM;
        }
        route_create(route, i, addr);
    } else if (route && flags == NS_CREATE_ACK) {
        route_ack(route, i, addr);
    } else if (route) {
        route_destroy(route, i, addr);
    }
    return 0;
}

/* ---- life ---------------------------------------------------------------------------------------------------- */

static void is_edge(const struct pair_side *side, bool edge)
{
    if (side->device)
        rpr_device_edge(side->device, edge);
}

/* NULL: gone. Control endpoints exist while both links do. */
void pair_place(struct pair *pair, unsigned i, struct rpr_device *device)
{
    struct pair_side *side = &pair->side[i];

    if (!device)
        close_control(side);
    is_edge(side, false);
    side->device = device;
    is_edge(side, true);
    pair_update(pair); /* the other one hears of the loss first */
    if (pair->side[0].device && pair->side[1].device) {
        (void)open_control(&pair->side[0]);
        (void)open_control(&pair->side[1]);
    } else {
        close_control(other(side));
    }
    pair_update(pair);
}

struct pair *pair_like(const struct pair *settings, const char *a, const char *b)
{
    struct pair *pair = router_alloc(settings->hub->node, sizeof *pair);

    if (!pair)
        return NULL;
    *pair = (struct pair){.hub = settings->hub,
                          .node = settings->hub->node,
                          .policy = settings->policy,
                          .quota = settings->quota,
                          .block_ms = settings->block_ms,
                          .services = settings->services,
                          .n_services = settings->n_services,
                          .from_all = true};
    for (unsigned i = 0; i < 2; i++) {
        pair->side[i].pair = pair;
        pair->side[i].quota.limit = settings->side[0].quota.limit;
        text_copy(pair->side[i].cpu, sizeof pair->side[i].cpu, i ? b : a);
    }
    return pair;
}

static int copy_services(struct pair *pair, const char *const *services)
{
    uint32_t n = 0;

    while (services[n])
        n++;
    pair->n_services = n;
    pair->services = router_alloc(pair->hub->node, (n + 1) * sizeof *pair->services);
    if (!pair->services)
        return -RPR_ENOMEM;
    for (uint32_t i = 0; i < n; i++)
        text_copy(pair->services[i], sizeof pair->services[i], services[i]);
    return 0;
}

#define DEFAULT_QUOTA      256u
#define DEFAULT_PAIR_QUOTA 1024u
#define DEFAULT_BLOCK_MS   100u

struct pair *pair_new(struct rpr_hub *hub, const struct rpr_pair_config *config, const char *a,
                      const char *b)
{
    struct pair settings = {
        .hub = hub,
        .policy = config->policy,
        .quota = config->quota ? config->quota : DEFAULT_QUOTA,
        .block_ms = config->block_ms ? config->block_ms : DEFAULT_BLOCK_MS,
    };
    struct pair *pair;

    settings.side[0].quota.limit = config->pair_quota ? config->pair_quota : DEFAULT_PAIR_QUOTA;
    pair = pair_like(&settings, a, b);
    if (!pair)
        return NULL;
    pair->from_all = false;
    if (config->services && copy_services(pair, config->services)) {
        router_free(hub->node, pair, sizeof *pair);
        return NULL;
    }
    return pair;
}

/* Both edges hear that the other CPU is gone before they hear of anything else: a NuttX edge does
 * not survive the end of its control endpoint with routed endpoints left (H-32). */
void pair_free(struct pair *pair)
{
    pair->dead = true;
    hold(pair);
    if (pair->side[0].session && !MUTANT(control_endpoint_ends_before_its_cpu))
        end_session(pair, 0);
    close_control(&pair->side[0]);
    close_control(&pair->side[1]);
    is_edge(&pair->side[0], false);
    is_edge(&pair->side[1], false);
    let_go(pair);
}
