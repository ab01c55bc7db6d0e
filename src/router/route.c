/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A route: two endpoints of this node, on two devices, joined. What arrives at one leaves at the
 * other.
 *
 * What each remote wishes (an announcement: name and address) is kept as it was said, and the
 * halves are derived from the wishes by route_settle(): whatever order events come in, they end in
 * the same place. With sides i and o:
 *
 *   half i is announced to i while o has a wish (somebody on o looks for somebody on i);
 *   half i is bound to i's wish, or to who acknowledged the announcement;
 *   half o is bound to o's wish as soon as half i is bound: then the route is joined.
 *
 * The end of a remote is in band. What it had sent may still be parked in its half: the other side
 * hears the end (DESTROY) after that. Until then the route is *ending* and nothing is derived.
 */
#include "router/router.h"

#define AGAIN_FIRST_MS 10u
#define AGAIN_LAST_MS  5000u
#define LASTING_NS     UINT64_C(1000000000)
#define RESERVED_SLOTS 4u                   /* of each half, so that credit can be given at once */
#define RETRY_NS       UINT64_C(1000000000) /* where there was no address or memory for a half */

static void finish_ending(struct route *route);

struct route *route_first(struct rpr_node *node)
{
    return rpr_node_part(node, RPR_PART_ROUTES);
}

bool route_joined(const struct route *route)
{
    return route->side[0].bound && route->side[1].bound;
}

bool route_idle(const struct route *route)
{
    return !route->ending && route->side[0].wish == RPR_ADDR_ANY &&
           route->side[1].wish == RPR_ADDR_ANY && !route->side[0].open && !route->side[1].open;
}

static struct route_side *other(struct route_side *side)
{
    struct route *route = side->route;

    return &route->side[side == &route->side[0]];
}

static void tell(struct route *route, const char *what)
{
    struct rpr_event event = {.kind = RPR_EVENT_ROUTE,
                              .device = route->side[0].device,
                              .peer = route->side[1].device,
                              .name = route->service,
                              .addr = RPR_ADDR_ANY,
                              .dest = RPR_ADDR_ANY,
                              .reason = what};

    rpr_event_emit(route->node, &event);
}

/* ---- messages ---------------------------------------------------------------------------------- */

static void log_too_long(struct route_side *from, uint32_t len)
{
    const struct rpr_platform *platform = rpr_node_platform(from->route->node);
    struct route_side *to = other(from);
    char line[160];
    struct text text = text_start(line, sizeof line);

    if (from->too_long_logged || !platform->log)
        return;
    from->too_long_logged = true;
    text_add(&text, "route ");
    text_add(&text, from->route->service);
    text_add(&text, ": message of ");
    text_add_number(&text, len);
    text_add(&text, " bytes dropped, ");
    text_add(&text, rpr_device_name(to->device));
    text_add(&text, " takes ");
    text_add_number(&text, rpr_device_tx_len(to->device));
    platform->log(platform->ctx, RPR_LOG_WARNING, line);
}

/* Some peers do not acknowledge: they are known by what they send first (WIRE 1.3). Not behind a
 * hub, where the sender's address means nothing. */
static __attribute__((noinline)) void learn_peer(struct route_side *from, uint32_t src)
{
    struct rpr_device_info info;

    if (!from->route->keep_lost || src == RPR_ADDR_ANY)
        return;
    rpr_device_info(from->device, &info);
    if (info.kind == RPR_DEVICE_LINK && !info.acknowledges)
        route_ack(from->route, (unsigned)(from - from->route->side), src);
}

/* It has answered, and the other end has not been told yet: the link takes nothing, or its edge has
 * just said HELLO. What comes first waits, and nothing is lost. */
static bool is_early(struct route_side *from)
{
    return from->bound && !other(from)->bound && !from->route->ending;
}

/* The one copy of a hop: from the buffer of one link to that of the other. If that takes none now,
 * the core parks it within our quota, and what comes after it queues behind. */
static enum rpr_rx_result on_rx(void *ctx, rpr_ept_t ept, const struct rpr_msg *msg)
{
    struct route_side *from = ctx;
    struct route *route = from->route;
    struct route_side *to = other(from);
    int error;

    (void)ept;
    if (RPR_UNLIKELY(!from->bound))
        learn_peer(from, msg->src);
    if (RPR_UNLIKELY(route->ending) && to == &route->side[route->gone])
        error = -RPR_ENOTCONN;
    else
        error = rpr_send(to->half, msg->data, msg->len, 0);
    if (RPR_LIKELY(error == 0)) {
        from->forwarded++;
        return RPR_DONE;
    }
    if (error == -RPR_EAGAIN || is_early(from) || MUTANT(message_waits_for_a_dead_half))
        return RPR_LATER;
    if (error == -RPR_EMSGSIZE)
        log_too_long(from, msg->len);
    from->dropped += !MUTANT(route_drops_are_not_counted);
    return RPR_DONE;
}

static uint32_t parked(const struct route_side *side)
{
    struct rpr_ept_info info;

    return side->open && !rpr_ept_info(side->half, &info) ? info.n_kept : 0;
}

/* The egress takes messages (again): what is parked for it goes first. */
static void resume(struct route_side *from)
{
    struct route *route = from->route;

    if (!from->open)
        return;
    (void)rpr_ept_resume(from->half);
    if (from->block.active && !parked(from))
        rpr_timer_stop(route->node, &from->block);
    if (from->open && route->policy == RPR_POLICY_BLOCK && !parked(from))
        (void)rpr_ept_overflow(from->half, RPR_STOP_LINK);
    if (route->ending && from == &route->side[route->gone] && !parked(from))
        finish_ending(route);
}

static void on_writable(void *ctx, rpr_ept_t ept)
{
    (void)ept;
    resume(other(ctx));
}

/* Policy block: the ingress link is left unread, but not for longer than this. */
static void on_stopped(void *ctx, rpr_ept_t ept)
{
    struct route_side *from = ctx;
    struct rpr_node *node = from->route->node;

    (void)ept;
    if (!from->block.active && !MUTANT(block_has_no_end))
        rpr_timer_start(node, &from->block,
                        rpr_node_now(node) + from->route->block_ms * UINT64_C(1000000));
}

static void block_fired(struct rpr_timer *timer, uint64_t now_ns)
{
    struct route_side *from = RPR_CONTAINER(timer, struct route_side, block);

    (void)now_ns;
    if (from->open)
        (void)rpr_ept_overflow(from->half, RPR_DROP_NEWEST);
}

/* ---- halves -------------------------------------------------------------------------------------- */

static void on_unbound(void *ctx, rpr_ept_t ept, enum rpr_unbound_reason reason)
{
    struct route_side *side = ctx;

    (void)ept;
    if (reason == RPR_UNBOUND_LOST)
        route_lost(side->route, (unsigned)(side - side->route->side));
}

static void destroy(struct route *route)
{
    struct rpr_node *node = route->node;
    struct route *first = route_first(node);
    struct route **at = &first;
    void (*freed)(void *) = route->ops->freed;
    void *owner = route->owner;

    while (*at != route)
        at = &(*at)->next;
    *at = route->next;
    rpr_node_set_part(node, RPR_PART_ROUTES, first);
    router_free(node, route, sizeof *route);
    if (freed)
        freed(owner);
}

/* The route stays while something of ours goes on that may call observers: they may do anything. */
static void hold(struct route *route)
{
    route->n_users++;
}

static void let_go(struct route *route)
{
    if (--route->n_users == 0 && route->dead)
        destroy(route);
}

static void on_closed(void *ctx)
{
    let_go(((struct route_side *)ctx)->route);
}

static const struct rpr_ept_ops half_ops = {.rx = on_rx,
                                            .writable = on_writable,
                                            .unbound = on_unbound,
                                            .stopped = on_stopped,
                                            .closed = on_closed};

static enum rpr_overflow overflow_of(enum rpr_policy policy)
{
    switch (policy) {
    case RPR_POLICY_DROP_OLDEST:
        return RPR_DROP_OLDEST;
    case RPR_POLICY_BLOCK:
        return RPR_STOP_LINK;
    default:
        return MUTANT(full_link_stops_the_other_one) ? RPR_STOP_LINK : RPR_DROP_NEWEST;
    }
}

static bool has_credit(const struct rpr_device *device)
{
    struct rpr_device_info info;

    rpr_device_info(device, &info);
    return info.credit;
}

/* Did somebody ask for messages to be lost? Then the sender is never stopped. */
static bool drops(const struct route *route)
{
    return route->policy != RPR_POLICY_DEFAULT && route->policy != RPR_POLICY_CREDIT;
}

/* As it applies to what comes from there now: an edge may say only later that it is one of ours. */
static enum rpr_policy policy_of(const struct route *route, const struct rpr_device *from)
{
    if (drops(route))
        return route->policy;
    return !from || has_credit(from) ? RPR_POLICY_CREDIT : RPR_POLICY_DROP_NEWEST;
}

/* A peer of another kind has 128 addresses, and gives one to each half of ours. */
static bool addresses_left(struct rpr_node *node, const struct rpr_device *device)
{
    const struct route *r;
    struct rpr_device_info info;
    unsigned n = 0;

    rpr_device_info(device, &info);
    if (!text_differs(info.dialect, "rpr"))
        return true;
    for (r = route_first(node); r; r = r->next)
        for (unsigned i = 0; i < 2; i++)
            n += r->side[i].open && r->side[i].device == device;
    return n < PEER_ADDRESSES_MAX || MUTANT(peer_has_addresses_without_end);
}

static int open_endpoint(struct route_side *side, bool announce)
{
    struct route *route = side->route;
    struct rpr_ept_config config = {.name = side->name,
                                    .addr = RPR_ADDR_ANY,
                                    .dest = RPR_ADDR_ANY,
                                    .quota = route->quota,
                                    .reserve = RESERVED_SLOTS,
                                    .shared = side->quota,
                                    .flags = RPR_EPT_NO_NS | RPR_EPT_MANUAL,
                                    .overflow = overflow_of(route->policy),
                                    .ops = &half_ops,
                                    .ctx = side};

    if (drops(route))
        config.flags |= RPR_EPT_NO_LIMIT;
    if (announce)
        config.flags |= RPR_EPT_ANNOUNCE;
    return rpr_ept_open(side->device, &config, &side->half);
}

static void cannot_open(struct route_side *side, const char *reason)
{
    struct rpr_node *node = side->route->node;

    side->reason = reason;
    rpr_timer_start(node, &side->again, rpr_node_now(node) + RETRY_NS);
}

static bool open_half(struct route_side *side, bool announce)
{
    int error;

    if (side->open)
        return true;
    if (!addresses_left(side->route->node, side->device)) {
        cannot_open(side, "96 of the peer's 128 addresses are in use");
        return false;
    }
    error = open_endpoint(side, announce);
    if (error) {
        cannot_open(side, rpr_strerror(error));
        return false;
    }
    rpr_timer_stop(side->route->node, &side->again);
    side->reason = NULL;
    side->open = true;
    side->bound = false;
    side->announced = announce;
    hold(side->route);
    return true;
}

/* Closes the half; what is parked in it is dropped and counted. `inform`: with DESTROY. */
static void close_half(struct route_side *side, bool inform)
{
    struct rpr_node *node = side->route->node;
    rpr_ept_t half = side->half;
    struct rpr_ept_info info;

    rpr_timer_stop(node, &side->again);
    rpr_timer_stop(node, &side->block);
    if (!side->open)
        return;
    if (!rpr_ept_info(half, &info))
        side->dropped += info.dropped + info.n_kept;
    side->open = side->bound = false;
    if (inform)
        (void)rpr_ept_close(half);
    else
        (void)rpr_ept_abandon(half);
}

static void bind_half(struct route_side *side, uint32_t addr, bool ack)
{
    side->bound = true;
    if (rpr_ept_bind(side->half, addr, ack)) { /* a stale ACK (H-29): the true one will come */
        side->bound = false;
        return;
    }
    rpr_timer_stop(side->route->node, &side->again);
    side->answered = ack;
    side->bound_at_ns = rpr_node_now(side->route->node);
}

/* ---- announcing again ------------------------------------------------------------------------------ */

static void again_fired(struct rpr_timer *timer, uint64_t now_ns)
{
    struct route_side *side = RPR_CONTAINER(timer, struct route_side, again);

    (void)now_ns;
    if (side->open && !side->bound) {
        side->announced = true;
        (void)rpr_ept_unbind(side->half, true);
    } else {
        route_settle(side->route);
    }
}

/* Who closes each time somebody looks for him is asked less and less often. */
static void announce_later(struct route_side *side)
{
    struct rpr_node *node = side->route->node;
    uint64_t now = rpr_node_now(node);

    if (!side->again_ms || now - side->bound_at_ns >= LASTING_NS)
        side->again_ms = AGAIN_FIRST_MS;
    rpr_timer_start(node, &side->again, now + side->again_ms * UINT64_C(1000000));
    if (!MUTANT(hub_announces_again_at_once))
        side->again_ms = side->again_ms * 2 > AGAIN_LAST_MS ? AGAIN_LAST_MS : side->again_ms * 2;
}

/* ---- from wishes to halves --------------------------------------------------------------------------- */

static bool usable(const struct route_side *side)
{
    return side->device && side->ready && device_up(side->device);
}

/* Nobody is told that he has a peer unless both halves are there. */
static bool open_both(struct route *route)
{
    bool fresh = !route->side[0].open;

    if (!open_half(&route->side[0], false))
        return false;
    if (open_half(&route->side[1], false))
        return true;
    if (fresh)
        close_half(&route->side[0], false);
    return false;
}

/* Half i, as far as the wishes call for it. */
static void settle_side(struct route *route, unsigned i)
{
    struct route_side *side = &route->side[i];
    struct route_side *o = &route->side[!i];
    bool looked_for = o->wish != RPR_ADDR_ANY;

    if (side->open && !side->bound && !device_up(side->device))
        close_half(side, false); /* its announcement went with the link */
    if (!usable(side) || !usable(o) || side->bound)
        return;
    if (side->wish == RPR_ADDR_ANY) {
        if (looked_for && !side->mute)
            (void)open_half(side, true);
    } else if ((looked_for || o->bound) && open_both(route)) {
        bind_half(side, side->wish, true);
    }
}

static unsigned progress(const struct route *route)
{
    const struct route_side *s = route->side;

    return (unsigned)s[0].open | (unsigned)s[0].bound << 1 | (unsigned)s[1].open << 2 |
           (unsigned)s[1].bound << 3;
}

static void derive(struct route *route)
{
    bool joined = route_joined(route);
    unsigned before;

    do { /* each may wait for the other, and for memory, which may come at any moment */
        before = progress(route);
        settle_side(route, 0);
        settle_side(route, 1);
    } while (progress(route) != before && !MUTANT(second_half_is_not_looked_at_again));
    if (joined || !route_joined(route))
        return;
    tell(route, "joined");
    for (unsigned i = 0; i < 2; i++)
        if (parked(&route->side[i]))
            resume(&route->side[i]);
}

/* Callbacks of what is done here may ask for it again: once more afterwards. */
void route_settle(struct route *route)
{
    route->again = true;
    if (route->settling || route->ending || route->dead)
        return;
    route->settling = true;
    hold(route);
    while (route->again && !route->ending && !route->dead) {
        route->again = false;
        derive(route);
    }
    route->settling = false;
    let_go(route);
}

void route_ready(struct route *route, unsigned i, bool ready)
{
    route->side[i].ready = ready;
    if (ready)
        route_settle(route);
}

/* ---- ends ---------------------------------------------------------------------------------------------- */

/* The half of a remote that has closed. It knows that; but where our CREATE_ACK may still be on its
 * way, the ACK will bind the next endpoint of that name there (H-29), which must be told. Whoever
 * sent us anything has read the ACK, unless we had announced ourselves too: he may have bound himself by
 * that before. An announcement that is left over would bind the next one as well; but that a peer of
 * another kind is not told of, which may take a late DESTROY for the end of an endpoint that has no
 * peer yet. */
static bool must_hear(const struct route_side *side)
{
    struct rpr_ept_info info;

    if (!side->open || !side->bound || rpr_ept_info(side->half, &info))
        return false;
    if (side->answered)
        return (side->announced || info.rx + info.dropped + info.n_kept == 0) &&
               !MUTANT(stale_answer_binds_the_next);
    return side->announced && has_credit(side->device);
}

static void close_left(struct route_side *side, bool lost)
{
    close_half(side, !lost && must_hear(side));
}

/* Everything that side `gone` had sent is with the other side: that one hears the end now. */
static void finish_ending(struct route *route)
{
    struct route_side *gone = &route->side[route->gone];
    struct route_side *o = other(gone);
    bool was_joined = route_joined(route);
    bool lost = route->lost;

    hold(route);
    route->ending = route->lost = false;
    /* Of a lost CPU the far end has heard by ROUTER_DESTROY; a local program hears that its remote
     * is lost by the end of its link; but a remote hears of a lost program as of a close. */
    if (gone->forwarded || !MUTANT(half_waits_for_an_answer_to_destroy))
        close_half(o, !lost || (route->keep_lost && route->gone == 0));
    if (gone->open && !lost && !gone->mute && gone->wish == RPR_ADDR_ANY &&
        o->wish != RPR_ADDR_ANY) {
        gone->bound = false;
        (void)rpr_ept_unbind(gone->half,
                             false); /* keeps its address: an answer may be on its way */
        announce_later(gone);
    } else {
        close_left(gone, lost);
    }
    if (was_joined)
        tell(route, lost ? "lost" : "ended");
    if (!route->dead)
        route->ops->ended(route, route->gone, lost);
    let_go(route);
}

static void end_side(struct route *route, unsigned i, bool lost)
{
    if (route->ending) {
        if (route->gone == i && parked(&route->side[i]))
            return;
        /* the other one is gone too: nobody is left to give anything to */
        close_left(&route->side[0], lost);
        close_left(&route->side[1], lost);
        finish_ending(route);
        return;
    }
    route->ending = true;
    route->gone = i;
    route->lost = lost;
    if (!route->side[!i].bound || !parked(&route->side[i]) || (lost && !route->keep_lost) ||
        MUTANT(end_overtakes_what_is_parked))
        finish_ending(route);
    else
        tell(route, "ending");
}

void route_withdraw(struct route *route, unsigned i)
{
    route->side[i].wish = RPR_ADDR_ANY;
    end_side(route, i, false);
}

void route_lost(struct route *route, unsigned i)
{
    if (route->dead)
        return;
    route->side[i].wish = RPR_ADDR_ANY;
    route->side[i].again_ms = 0;
    end_side(route, i, true);
}

/* ---- the name service of a side ---------------------------------------------------------------------------- */

static uint32_t bound_to(const struct route_side *side)
{
    struct rpr_ept_info info;

    return side->open && side->bound && !rpr_ept_info(side->half, &info) ? info.dest : RPR_ADDR_ANY;
}

void route_create(struct route *route, unsigned i, uint32_t addr)
{
    struct route_side *side = &route->side[i];
    bool stale = side->bound && bound_to(side) != addr && !MUTANT(changed_address_is_not_seen);

    side->wish = addr;
    if (stale)
        end_side(route, i, false); /* it was made anew, and its DESTROY never came */
    else
        route_settle(route);
}

void route_ack(struct route *route, unsigned i, uint32_t addr)
{
    struct route_side *side = &route->side[i];

    if (!side->open || (side->bound && !MUTANT(second_ack_binds_again)) || route->ending)
        return;
    hold(route);
    bind_half(side, addr, false);
    route_settle(route);
    let_go(route);
}

/* Ends exactly what has this address; a half whose peer is unknown is never touched. */
void route_destroy(struct route *route, unsigned i, uint32_t addr)
{
    struct route_side *side = &route->side[i];
    bool bound = bound_to(side) == addr;

    if (MUTANT(destroy_ends_the_wish_of_the_other))
        other(side)->wish = RPR_ADDR_ANY;
    if (side->wish == addr || MUTANT(late_destroy_ends_the_next_wish))
        side->wish = RPR_ADDR_ANY;
    else if (!bound)
        return;
    if (bound || (!side->bound && !MUTANT(half_outlives_its_client)))
        end_side(route, i, false);
}

/* ---- life ------------------------------------------------------------------------------------------------------ */

struct route *route_new(const struct route_config *config)
{
    struct route *route = router_alloc(config->node, sizeof *route);

    if (!route)
        return NULL;
    route->node = config->node;
    route->ops = config->ops;
    route->owner = config->owner;
    route->quota = config->quota;
    route->block_ms = config->block_ms;
    route->policy = config->policy;
    route->keep_lost = config->keep_lost;
    text_copy(route->service, sizeof route->service, config->service);
    for (unsigned i = 0; i < 2; i++) {
        struct route_side *side = &route->side[i];

        side->route = route;
        side->wish = RPR_ADDR_ANY;
        side->again.fire = again_fired;
        side->block.fire = block_fired;
    }
    route->next = route_first(config->node);
    rpr_node_set_part(config->node, RPR_PART_ROUTES, route);
    return route;
}

void route_place(struct route *route, unsigned i, struct rpr_device *device, const char *name,
                 struct rpr_quota *quota)
{
    struct route_side *side = &route->side[i];

    side->device = device;
    side->quota = quota;
    text_copy(side->name, sizeof side->name, name);
}

void route_free(struct route *route, bool inform)
{
    if (route->dead)
        return;
    route->dead = true;
    hold(route);
    close_half(&route->side[0], inform);
    close_half(&route->side[1], inform);
    let_go(route);
}

/* ---- what is shown ------------------------------------------------------------------------------------------------ */

static enum rpr_route_state state_of(const struct route *route)
{
    if (route->ending)
        return RPR_ROUTE_ENDING;
    if (route_joined(route))
        return RPR_ROUTE_JOINED;
    return route->side[0].open || route->side[1].open ? RPR_ROUTE_ANNOUNCED : RPR_ROUTE_WAITING;
}

static const char *cpu_of(const struct route_side *side)
{
    return side->device ? rpr_device_name(side->device) : "";
}

static const char *reason_of(const struct route *route)
{
    for (unsigned i = 0; i < 2; i++)
        if (route->side[i].reason)
            return route->side[i].reason;
    return route_joined(route) ? "" : "the other end has not answered";
}

void rpr_routes(struct rpr_node *node, bool (*each)(void *ctx, const struct rpr_route_info *info),
                void *ctx)
{
    const struct route *route;

    for (route = route_first(node); route; route = route->next) {
        for (unsigned i = 0; i < 2; i++) {
            const struct route_side *from = &route->side[i];
            struct rpr_ept_info ept = {0};
            struct rpr_route_info info = {.from = cpu_of(from),
                                          .to = cpu_of(&route->side[!i]),
                                          .service = route->service,
                                          .state = state_of(route),
                                          .policy = policy_of(route, from->device),
                                          .client = route->keep_lost,
                                          .forwarded = from->forwarded,
                                          .dropped = from->dropped,
                                          .reason = reason_of(route)};

            if (from->open && !rpr_ept_info(from->half, &ept)) {
                info.parked = ept.n_kept;
                info.dropped += ept.dropped;
            }
            if (!each(ctx, &info))
                return;
        }
    }
}
