/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The edge: a hub announces "router:CPU" on its link; we acknowledge, and once it says CREATE there
 * the routed device CPU exists until it says DESTROY or its link is lost. Each CREATE is answered
 * with HELLO, before anything is said about routes: a hub of ours then knows that what it hears
 * from us belongs to this session, and that we take part in flow control. A NuttX hub ignores it.
 *
 * Two hubs may offer the same CPU, and the first one gets its name: the other offer is refused, and
 * taken up when the first one ends. The far end chooses for itself; that it chose the hub that was refused
 * here shows when it announces something there. Then one of the two goes over to the other: the one
 * that has no endpoint on its device, or, of two that have, the one whose hub's name is greater.
 */
#include "router/router.h"

#define RETRY_NS UINT64_C(1000000000)

struct rpr_edge {
    struct rpr_node *node;
    struct rpr_service *service;
    struct rpr_observer observer;
    struct control *controls;
    struct rpr_timer retry; /* a name that was refused may be free */
};

/* Our end of one "router:CPU". */
struct control {
    struct control *next;
    struct rpr_edge *edge; /* NULL: the edge is closed */
    struct rpr_device *hub;
    struct rpr_device *device; /* what it made, or NULL */
    rpr_ept_t ept;
    bool closing;
    bool created;    /* the hub wants the device to exist */
    bool hello_due;  /* CREATE has not been answered yet */
    bool refused;    /* the name is taken by somebody else */
    bool far_sleeps; /* the hub says so of the CPU */
    bool hub_is_ours;
    bool power_due; /* the hub must still be told `running` */
    bool running;
    uint32_t tx_len, rx_len;
    uint32_t session; /* number of the hub's last CREATE here */
    char cpu[ROUTER_CPU_MAX + 1];
};

static void log_line(struct control *c, const char *what)
{
    const struct rpr_platform *platform = rpr_node_platform(rpr_device_node(c->hub));
    char line[160];
    struct text text = text_start(line, sizeof line);

    text_add(&text, "routed device ");
    text_add(&text, c->cpu);
    text_add(&text, " of hub ");
    text_add(&text, rpr_device_name(c->hub));
    text_add(&text, ": ");
    text_add(&text, what);
    if (platform->log)
        platform->log(platform->ctx, RPR_LOG_WARNING, line);
}

/* ---- the routed device ------------------------------------------------------------------------- */

static int say(struct control *c, const struct router_message *message)
{
    uint8_t bytes[ROUTER_LONG_BYTES];
    size_t len = router_encode(bytes, message);

    return rpr_send(c->ept, bytes, len, 0);
}

static int on_power(void *priv, bool running)
{
    struct control *c = priv;
    struct router_message message = {.cmd = running ? ROUTER_RESUME : ROUTER_SUSPEND};
    int error;

    if (!c->hub_is_ours)
        return -RPR_ENOTSUP; /* to a NuttX hub an edge says nothing */
    error = say(c, &message);
    c->running = running;
    /* The last state wins, and leaves when it can. */
    c->power_due = error == -RPR_EAGAIN && !MUTANT(edge_forgets_its_power_state);
    return c->power_due ? 0 : error;
}

static void look_again(struct rpr_edge *edge, uint64_t at_ns)
{
    if (!edge->retry.active || edge->retry.at_ns > at_ns)
        rpr_timer_start(edge->node, &edge->retry, at_ns);
}

/* It is a CPU that sleeps: what any hub says of it is shown on the device of its name. */
static void settle_power(struct rpr_edge *edge, const char *cpu)
{
    struct rpr_device *device = NULL;
    struct control *c;
    bool sleeps = false;

    for (c = edge ? edge->controls : NULL; c; c = c->next) {
        if (text_differs(c->cpu, cpu))
            continue;
        sleeps |= c->far_sleeps;
        if (c->device)
            device = c->device;
    }
    if (device)
        rpr_routed_power(device, !sleeps);
}

static void take_up(struct control *c)
{
    struct rpr_routed_config config = {.name = c->cpu,
                                       .via = c->hub,
                                       .tx_len = c->tx_len,
                                       .rx_len = c->rx_len,
                                       .power = on_power,
                                       .priv = c};
    int error = rpr_routed_up(rpr_device_node(c->hub), &config, &c->device);
    bool was_refused = c->refused;

    c->refused = error != 0;
    if (!error) {
        settle_power(c->edge, c->cpu);
        return;
    }
    c->device = NULL;
    if (error != -RPR_EEXIST) /* no memory: it may come back */
        look_again(c->edge, rpr_node_now(c->edge->node) + RETRY_NS);
    else if (!was_refused)
        look_again(c->edge, rpr_node_now(c->edge->node));
    if (!was_refused)
        log_line(c, error == -RPR_EEXIST ? "refused, a link or another hub has that name"
                                         : rpr_strerror(error));
}

static void take_down(struct control *c, const char *reason)
{
    struct rpr_device *device = c->device;

    c->created = c->hello_due = c->refused = c->power_due = c->far_sleeps = false;
    c->device = NULL;
    if (!MUTANT(kept_announcement_outlives_its_cpu))
        rpr_routed_forget(c->hub, c->cpu); /* what was announced to a device that was never there */
    if (device)
        rpr_routed_down(device, reason);
    else
        settle_power(c->edge, c->cpu);
}

/* HELLO first, then the device with everything that is announced on it. */
static void answer_create(struct control *c)
{
    struct router_message hello = {.cmd = ROUTER_HELLO,
                                   .version = ROUTER_HELLO_VERSION,
                                   .caps = ROUTER_CAP_CREDIT,
                                   .session = c->session};

    if (c->hello_due) {
        if (say(c, &hello))
            return; /* when it is writable */
        c->hello_due = false;
    }
    take_up(c);
}

/* ---- what the hub says ----------------------------------------------------------------------------- */

static void on_create(struct control *c, const struct router_message *message)
{
    uint32_t session = message->session ? message->session : c->session + 1;

    if (c->created && message->session && session != c->session)
        take_down(c, "the remote CPU was gone meanwhile"); /* what said so is lost */
    c->session = session;
    c->tx_len = message->tx_len; /* can be garbage (H-22): clamped to what the link takes */
    c->rx_len = message->rx_len;
    if (text_differs(message->cpuname, rpr_node_name(rpr_device_node(c->hub))))
        log_line(c, "the hub knows this node by another name");
    c->far_sleeps = false;
    c->hello_due = !c->created || !MUTANT(hello_answers_only_the_first_create);
    c->created = true;
    settle_power(c->edge, c->cpu);
    answer_create(c);
}

static void on_hello(struct control *c, const struct router_message *message)
{
    struct rpr_link *link = rpr_device_link(c->hub);

    c->hub_is_ours = true;
    if (link && (message->caps & ROUTER_CAP_CREDIT))
        rpr_link_credit(link);
}

static void on_message(struct control *c, const struct router_message *message)
{
    switch (message->cmd) {
    case ROUTER_CREATE:
        on_create(c, message);
        break;
    case ROUTER_DESTROY:
        RPR_ASSERT(c->created || !MUTANT(destroy_of_nobody_is_an_error));
        take_down(c, "the remote CPU is gone");
        break;
    case ROUTER_SUSPEND:
    case ROUTER_RESUME:
        RPR_ASSERT(c->device || !MUTANT(asserts_what_a_hub_says));
        c->far_sleeps = message->cmd == ROUTER_SUSPEND;
        settle_power(c->edge, c->cpu);
        break;
    default:
        on_hello(c, message);
        break;
    }
}

static void close_control(struct control *c, const char *reason)
{
    if (c->closing)
        return;
    c->closing = true;
    take_down(c, reason);
    (void)rpr_ept_close(c->ept);
}

static enum rpr_rx_result on_rx(void *ctx, rpr_ept_t ept, const struct rpr_msg *msg)
{
    struct control *c = ctx;
    struct router_message message;
    int result;

    (void)ept;
    if (c->closing)
        return RPR_DONE;
    result = router_decode(&message, msg->data, msg->len);
    if (result == ROUTER_OK) {
        on_message(c, &message);
    } else if (result == ROUTER_BAD_LENGTH) {
        log_line(c, "the hub sent a router message that is too short, closed");
        close_control(c, "the hub sent a router message that is too short");
    }
    return RPR_DONE;
}

static void on_unbound(void *ctx, rpr_ept_t ept, enum rpr_unbound_reason reason)
{
    (void)ept;
    close_control(ctx, reason == RPR_UNBOUND_LOST ? "the link to its hub is down"
                                                  : "its hub does not route to it any more");
}

static void on_writable(void *ctx, rpr_ept_t ept)
{
    struct control *c = ctx;

    (void)ept;
    if (c->created && c->hello_due)
        answer_create(c);
    if (c->power_due)
        (void)on_power(c, c->running);
}

static void on_closed(void *ctx)
{
    struct control *c = ctx;
    struct control **at;

    if (c->edge) {
        for (at = &c->edge->controls; *at != c; at = &(*at)->next)
            ;
        *at = c->next;
    }
    router_free(rpr_device_node(c->hub), c, sizeof *c);
}

static const struct rpr_ept_ops control_ops = {
    .rx = on_rx, .unbound = on_unbound, .writable = on_writable, .closed = on_closed};

/* ---- two hubs, one CPU ---------------------------------------------------------------------------- */

struct search {
    const char *cpu;
    bool found;
};

static bool is_of_cpu(void *ctx, const char *name, uint32_t addr)
{
    struct search *search = ctx;
    char cpu[ROUTER_CPU_MAX + 1], service[ROUTER_SERVICE_MAX + 1];

    (void)addr;
    search->found = route_parse(name, cpu, service) && !text_differs(cpu, search->cpu);
    return !search->found;
}

/* What the CPU announced through that hub, and nobody took: it has chosen this one. */
static bool is_used(const struct control *c)
{
    struct search search = {.cpu = c->cpu};

    rpr_device_announcements(c->hub, is_of_cpu, &search);
    return search.found;
}

static bool is_before(const char *a, const char *b)
{
    while (*a && *a == *b)
        a++, b++;
    return (unsigned char)*a < (unsigned char)*b;
}

/* The one whose device has the name of this one's, if that one should give way. */
static struct control *who_gives_way(const struct control *c)
{
    struct control *other = c->edge->controls;
    struct rpr_device_info info;

    while (other && (!other->device || text_differs(other->cpu, c->cpu)))
        other = other->next;
    if (!other || !is_used(c))
        return NULL;
    rpr_device_info(other->device, &info);
    return !info.n_endpoints || is_before(rpr_device_name(c->hub), info.via) ? other : NULL;
}

/* ---- hubs announce themselves --------------------------------------------------------------------------- */

static bool match(void *ctx, struct rpr_device *device, const char *name)
{
    char cpu[ROUTER_CPU_MAX + 1], service[ROUTER_SERVICE_MAX + 1];
    struct rpr_edge *edge = ctx;

    if (route_parse(name, cpu, service)) /* of a device that was refused, perhaps */
        look_again(edge, rpr_node_now(edge->node));
    /* a local program on a private link is no hub: its device has no CPU's name */
    return cpu_name_valid(rpr_device_name(device), RPR_NAME_MAX) && router_control_parse(name, cpu);
}

/* A hub that announces itself from a new address has restarted without a word. And what it announced of
 * that CPU's endpoints before it heard that we closed its former one ended with that. */
static void close_former(struct rpr_edge *edge, const struct control *now)
{
    struct control *c = edge->controls;

    while (c && (c->closing || c->hub != now->hub || text_differs(c->cpu, now->cpu)))
        c = c->next;
    if (c)
        close_control(c, "its hub has started anew");
    if (!MUTANT(former_offer_leaves_announcements))
        rpr_routed_forget(now->hub, now->cpu);
}

static int bind(void *ctx, struct rpr_device *device, const char *name, uint32_t addr)
{
    struct rpr_edge *edge = ctx;
    struct control *c = router_alloc(edge->node, sizeof *c);
    struct rpr_ept_config config = {.name = name,
                                    .addr = RPR_ADDR_ANY,
                                    .dest = addr,
                                    .flags = RPR_EPT_CONTROL,
                                    .ops = &control_ops,
                                    .ctx = c};
    int error;

    if (!c)
        return -RPR_ENOMEM;
    c->edge = edge;
    c->hub = device;
    (void)router_control_parse(name, c->cpu);
    close_former(edge, c);
    c->next = edge->controls;
    edge->controls = c;
    error = rpr_ept_open(device, &config, &c->ept);
    if (error) {
        edge->controls = c->next;
        router_free(edge->node, c, sizeof *c);
    }
    return error;
}

static const struct rpr_service_ops service_ops = {.match = match, .bind = bind};

/* Not inside the event: whoever has the name is in the middle of losing it. Each turn looks anew, since
 * callbacks may do anything. */
static void retry_fired(struct rpr_timer *timer, uint64_t now_ns)
{
    struct rpr_edge *edge = RPR_CONTAINER(timer, struct rpr_edge, retry);
    struct control *c;

    (void)now_ns;
    for (c = edge->controls; c; c = c->next) {
        struct control *other = c->refused && !c->closing ? who_gives_way(c) : NULL;

        if (other) {
            close_control(other, "the remote CPU is found through another hub");
            look_again(edge, rpr_node_now(edge->node));
            return;
        }
        if (c->refused && !c->closing)
            take_up(c);
    }
}

/* A name that was taken may be free now; or a link has taken one of ours; or the last endpoint of one is
 * closed (who_gives_way()). */
static void on_event(void *ctx, const struct rpr_event *event)
{
    struct rpr_edge *edge = ctx;
    struct control *c;

    if (event->kind != RPR_EVENT_EPT_CLOSED && event->kind != RPR_EVENT_DEVICE_REMOVED &&
        event->kind != RPR_EVENT_DEVICE_STATE && event->kind != RPR_EVENT_DEVICE_ADDED)
        return;
    for (c = edge->controls; c; c = c->next) {
        if (c->device == event->device &&
            (event->kind == RPR_EVENT_DEVICE_REMOVED || event->kind == RPR_EVENT_DEVICE_ADDED)) {
            c->device = NULL;
            c->refused = true;
        }
        if (c->refused && !text_differs(c->cpu, rpr_device_name(event->device)))
            look_again(edge, rpr_node_now(edge->node));
    }
}

/* ---- interface --------------------------------------------------------------------------------------------- */

int rpr_edge_open(struct rpr_node *node, struct rpr_edge **result)
{
    struct rpr_edge *edge = router_alloc(node, sizeof *edge);
    struct rpr_service_config config = {.ops = &service_ops, .ctx = edge};
    int error;

    if (!edge)
        return -RPR_ENOMEM;
    edge->node = node;
    edge->observer.event = on_event;
    edge->observer.ctx = edge;
    edge->retry.fire = retry_fired;
    error = rpr_service_open(node, &config, &edge->service);
    if (error) {
        router_free(node, edge, sizeof *edge);
        return error;
    }
    rpr_observer_add(node, &edge->observer);
    rpr_node_set_part(node, RPR_PART_EDGE, edge);
    *result = edge;
    return 0;
}

void rpr_edge_close(struct rpr_edge *edge)
{
    rpr_observer_remove(edge->node, &edge->observer);
    rpr_service_close(edge->service);
    rpr_timer_stop(edge->node, &edge->retry);
    while (edge->controls) {
        struct control *c = edge->controls;

        edge->controls = c->next;
        c->edge = NULL;
        close_control(c, "the edge is closed");
    }
    rpr_node_set_part(edge->node, RPR_PART_EDGE, NULL);
    router_free(edge->node, edge, sizeof *edge);
}

void rpr_edge_refused(struct rpr_node *node,
                      bool (*each)(void *ctx, const char *cpu, const char *hub), void *ctx)
{
    struct rpr_edge *edge = rpr_node_part(node, RPR_PART_EDGE);
    struct control *c;

    for (c = edge ? edge->controls : NULL; c; c = c->next)
        if (c->refused && !each(ctx, c->cpu, rpr_device_name(c->hub)))
            return;
}
