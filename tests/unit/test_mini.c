/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The smallest node beside a full one, over one region, each test in both roles: what the one says the
 * other understands, and whatever the peer's memory holds, the smallest node says why it stopped.
 */
#define RPR_PORT_HEADER "unit/barrier_port.h"
#include "core_fixture.h"

#include "../../src/mini/node.c" /* as shipped, on a port that tells of its full barriers */

#define NUM     8u
#define PAYLOAD 112u
#define DA      UINT64_C(0x40000000)

static struct {
    struct world world;
    struct rpr_node *node; /* the full one */
    struct rpr_link *link;
    struct rpr_device *device;
    struct rpr_mini *mini;
    struct rpr_mini_memory memory[RPR_MINI_MEMORY(2 * NUM)];
    struct rpr_mini_config config;
    uint8_t *region;
    unsigned n_rings; /* doorbells of the smallest node */
    unsigned n_rings_back;
    bool wanted;
} t;

/* ---- the smallest node's application -------------------------------------------------------------- */

struct app {
    struct rpr_mini_ept ept;
    const char *tag;
    enum rpr_rx_result result;
    struct rpr_mini_msg held[NUM];
    unsigned n_held, n_rx;
    const struct rpr_mini_ops *ops;
    unsigned reopen; /* so many times, when closed */
    bool echo;
    bool close_in_rx, close_in_bound;
    int error; /* of the last echo */
};

static struct app *app_of(struct rpr_mini_ept *ept)
{
    return RPR_CONTAINER(ept, struct app, ept);
}

static enum rpr_rx_result app_rx(struct rpr_mini_ept *ept, const struct rpr_mini_msg *msg)
{
    struct app *a = app_of(ept);

    a->n_rx++;
    if (a->echo)
        a->error = rpr_mini_send(ept, msg->data, msg->len);
    else
        note(&t.world, "%s:rx %.*s;", a->tag, (int)msg->len, (const char *)msg->data);
    if (a->close_in_rx)
        rpr_mini_ept_close(ept);
    if (a->result == RPR_HOLD)
        a->held[a->n_held++] = *msg;
    return a->result;
}

static void app_bound(struct rpr_mini_ept *ept)
{
    note(&t.world, "%s:bound;", app_of(ept)->tag);
    if (app_of(ept)->close_in_bound)
        rpr_mini_ept_close(ept);
}

static void app_unbound(struct rpr_mini_ept *ept, enum rpr_unbound_reason reason)
{
    note(&t.world, "%s:unbound %s;", app_of(ept)->tag,
         reason == RPR_UNBOUND_LOST ? "lost" : "closed");
}

static void app_writable(struct rpr_mini_ept *ept)
{
    note(&t.world, "%s:writable;", app_of(ept)->tag);
}

static void app_closed(struct rpr_mini_ept *ept)
{
    struct rpr_mini *node = ept->node;
    struct app *a = app_of(ept);

    note(&t.world, "%s:closed;", a->tag);
    memset(ept, 0xdd, sizeof *ept); /* it is the application's again */
    if (!a->reopen)
        return;
    a->reopen--;
    *ept = (struct rpr_mini_ept){
        .name = "echo", .ops = a->ops, .addr = RPR_ADDR_ANY, .dest = RPR_ADDR_ANY};
    assert_int_equal(rpr_mini_ept_open(node, ept), 0);
}

static const struct rpr_mini_ops app_ops = {app_rx, app_bound, app_unbound, app_writable,
                                            app_closed};

#define APP(name_, tag_)          \
    {                             \
        .tag = (tag_), .ept = {   \
            .name = (name_),      \
            .ops = &app_ops,      \
            .addr = RPR_ADDR_ANY, \
            .dest = RPR_ADDR_ANY  \
        }                         \
    }

static struct app answer; /* opened for what the peer announces */

static void on_created(struct rpr_mini *node, const char *name, uint32_t addr)
{
    note(&t.world, "created %s;", name);
    if (strcmp(name, answer.ept.name) != 0 || answer.ept.node)
        return;
    answer.ept.dest = addr;
    assert_int_equal(rpr_mini_ept_open(node, &answer.ept), 0);
}

/* ---- two nodes ------------------------------------------------------------------------------------- */

static void on_open(void *ctx)
{
    (void)ctx;
    t.wanted = true;
}

static void on_close(void *ctx)
{
    (void)ctx;
    t.wanted = false;
}

static void ring_node(void *ctx, bool to_tx_ring)
{
    (void)ctx;
    (void)to_tx_ring;
    t.n_rings++;
    rpr_link_ready(t.link);
}

static void ring_mini(void *ctx, bool to_tx_ring)
{
    (void)ctx;
    (void)to_tx_ring;
    t.n_rings_back++;
}

static void (*at_barrier)(void); /* what the peer does at the next one */

void full_barrier(void)
{
    void (*call)(void) = at_barrier;

    atomic_thread_fence(memory_order_seq_cst);
    at_barrier = NULL;
    if (call)
        call();
}

static bool mini_is_driver(void)
{
    return t.config.session.role == RPR_VRING_DRIVER;
}

static void attach_node(void)
{
    struct rpr_vring_session session = t.config.session;

    session.role = mini_is_driver() ? RPR_VRING_DEVICE : RPR_VRING_DRIVER;
    session.ring = ring_mini;
    assert_true(t.wanted);
    assert_int_equal(rpr_vring_attach(t.link, &session), 0);
}

static void begin_mini(void)
{
    int (*open)(struct rpr_mini **, struct rpr_mini_memory *, size_t,
                const struct rpr_mini_config *) =
        mini_is_driver() ? rpr_mini_open_driver : rpr_mini_open_device;

    if (t.mini)
        rpr_mini_restart(t.mini);
    else
        assert_int_equal(open(&t.mini, t.memory, sizeof t.memory, &t.config), 0);
}

/* The driver begins. */
static void connect(void)
{
    if (mini_is_driver())
        begin_mini();
    attach_node();
    if (!mini_is_driver())
        begin_mini();
}

static void begin(enum rpr_vring_role role, enum rpr_dialect dialect)
{
    struct rpr_vring_config link = {
        .remote = "mini", .kind = "test", .port = {.open = on_open, .close = on_close}};

    memset(&t, 0, sizeof t);
    memset(&answer, 0, sizeof answer);
    answer = (struct app)APP("wanted", "w");
    world_init(&t.world);
    t.config = (struct rpr_mini_config){
        .session = {.role = role, .base_da = DA, .dialect = dialect, .ring = ring_node},
        .created = on_created};
    assert_int_equal(rpr_vring_layout_local(&t.config.session.layout, NUM, PAYLOAD), 0);
    t.region = calloc(1, t.config.session.layout.bytes);
    t.config.session.base = t.region;
    t.node = world_node(&t.world, "full");
    assert_int_equal(rpr_vring_open(t.node, &link, &t.link), 0);
    t.device = rpr_device_find(t.node, "mini");
    connect();
}

static void end(void)
{
    rpr_node_close(t.node);
    assert_int_equal(t.world.n_live, 0);
    free(t.region);
}

/* Until neither has anything to do. */
static void run(void)
{
    for (unsigned i = 0; i < 100; i++) {
        int n = rpr_mini_poll(t.mini);

        settle(&t.world, t.node);
        if (n <= 0 && rpr_mini_arm(t.mini))
            return;
    }
    fail_msg("they never come to rest");
}

static struct ept peer;

/* Both are bound: `a` of the smallest node, `peer` of the full one. */
static void bind_both(struct app *a)
{
    peer = (struct ept)EPT(&t.world, "p");
    ept_open(&peer, t.device, a->ept.name);
    assert_int_equal(rpr_mini_ept_open(t.mini, &a->ept), 0);
    run();
    assert_int_not_equal(a->ept.dest, RPR_ADDR_ANY);
    t.world.events[0] = '\0';
}

#define FOR_BOTH(role) for (enum rpr_vring_role role = RPR_VRING_DRIVER; role < 2; role++)

/* ---- what it does ------------------------------------------------------------------------------------ */

static int serve(void *ctx, struct rpr_device *device, const char *name, uint32_t addr)
{
    return ept_open_as(ctx, device,
                       (struct rpr_ept_config){.name = name, .addr = RPR_ADDR_ANY, .dest = addr});
}

static void test_announces(void **state)
{
    static const struct rpr_service_ops ops = {.bind = serve};

    (void)state;
    FOR_BOTH(role)
    {
        struct app a = APP("echo", "a");
        struct rpr_service *service;

        begin(role, RPR_DIALECT_RPR);
        peer = (struct ept)EPT(&t.world, "p");
        assert_int_equal(
            rpr_service_open(
                t.node, &(struct rpr_service_config){.name = "echo", .ops = &ops, .ctx = &peer},
                &service),
            0);
        assert_int_equal(rpr_mini_ept_open(t.mini, &a.ept), 0);
        assert_int_equal(rpr_mini_send(&a.ept, "x", 1), -RPR_ENOTCONN);
        run();
        assert_string_equal(t.world.events, "p:bound 1024;a:bound;");
        rpr_mini_ept_close(&a.ept);
        assert_int_equal(rpr_mini_send(&a.ept, "x", 1), -RPR_ESTALE);
        run();
        assert_string_equal(t.world.events, "p:bound 1024;a:bound;a:closed;p:unbound closed;");
        end();
    }
}

static void test_is_announced_to(void **state)
{
    (void)state;
    FOR_BOTH(role)
    {
        begin(role, RPR_DIALECT_RPR);
        peer = (struct ept)EPT(&t.world, "p");
        ept_open(&peer, t.device, "wanted");
        run();
        assert_string_equal(t.world.events, "created wanted;w:bound;p:bound 1024;");
        ept_send(&peer, "hello");
        run();
        assert_int_equal(rpr_mini_send(&answer.ept, "you too", 7), 0);
        run();
        rpr_ept_close(peer.h);
        run();
        assert_string_equal(t.world.events + strlen("created wanted;w:bound;p:bound 1024;"),
                            "w:rx hello;p:rx you too;p:closed;w:unbound closed;");
        t.world.events[0] = '\0';
        peer = (struct ept)EPT(&t.world, "p");
        ept_open(&peer, t.device, "wanted"); /* is not for one that waits to be closed */
        run();
        assert_events(&t.world, "created wanted;");
        rpr_mini_ept_close(&answer.ept);
        end();
    }
}

static void test_echoes(void **state)
{
    (void)state;
    FOR_BOTH(role)
    {
        struct app a = APP("echo", "a");
        unsigned n_rings;

        begin(role, RPR_DIALECT_RPR);
        a.echo = true;
        bind_both(&a);
        n_rings = t.n_rings;
        for (unsigned i = 0; i < 1000; i++) {
            char text[16];

            snprintf(text, sizeof text, "%u", i);
            assert_int_equal(ept_send(&peer, text), 0);
            run();
            snprintf(text, sizeof text, "p:rx %u;", i);
            assert_events(&t.world, text);
        }
        assert_int_equal(a.n_rx, 1000);
        assert_in_range(t.n_rings - n_rings, 1000, 2000); /* the peer slept: it was rung */
        end();
    }
}

/* One is left for the name service; who waited is told, and nothing is lost or out of order. */
static void test_waits_for_buffers(void **state)
{
    (void)state;
    FOR_BOTH(role)
    {
        struct app a = APP("echo", "a"), late = APP("late", "l");
        char text[4] = "0";

        begin(role, RPR_DIALECT_RPR);
        bind_both(&a);
        for (; rpr_mini_send(&a.ept, text, 1) == 0; text[0]++)
            ;
        assert_string_equal(text, "7");
        assert_int_equal(rpr_mini_ept_open(t.mini, &late.ept), 0);
        assert_int_equal(rpr_mini_poll(t.mini), 0);
        assert_events(&t.world, "");
        settle(&t.world, t.node);
        assert_events(&t.world, "p:rx 0;p:rx 1;p:rx 2;p:rx 3;p:rx 4;p:rx 5;p:rx 6;");
        assert_false(rpr_mini_arm(t.mini)); /* there are buffers for who waits */
        run();
        assert_events(&t.world, "a:writable;");
        end();
    }
}

static void test_says_the_end_when_it_can(void **state)
{
    (void)state;
    FOR_BOTH(role)
    {
        struct app a = APP("echo", "a"), b = APP("b", "b");

        begin(role, RPR_DIALECT_RPR);
        bind_both(&a);
        while (rpr_mini_send(&a.ept, "x", 1) == 0)
            ;
        assert_int_equal(rpr_mini_ept_open(t.mini, &b.ept), 0); /* the last buffer */
        rpr_mini_ept_close(&a.ept);
        assert_events(&t.world, "");
        settle(&t.world, t.node);
        t.world.events[0] = '\0';
        run();
        assert_events(&t.world, "a:closed;p:unbound closed;");
        end();
    }
}

static void test_holds(void **state)
{
    (void)state;
    FOR_BOTH(role)
    {
        struct app a = APP("echo", "a");
        struct rpr_mini_msg old;

        begin(role, RPR_DIALECT_RPR);
        a.result = RPR_HOLD;
        bind_both(&a);
        while (a.n_held < NUM - 1) {
            assert_int_equal(ept_send(&peer, "x"), 0);
            run();
        }
        assert_int_equal(ept_send(&peer, "x"), -RPR_EAGAIN); /* all but one are held */
        rpr_mini_release(t.mini, &a.held[3]);
        rpr_mini_release(t.mini, &a.held[3]);
        run();
        a.n_held = 3;
        assert_int_equal(ept_send(&peer, "y"), 0);
        assert_int_equal(ept_send(&peer, "y"), -RPR_EAGAIN);
        run();
        assert_memory_equal(a.held[3].data, "y", 1);
        old = a.held[0];
        rpr_vring_detach(t.link, "over", false);
        connect();
        run();
        a.n_held = 0;
        for (unsigned i = 0; i < NUM - 1; i++) {
            assert_int_equal(ept_send(&peer, "z"), 0);
            run();
        }
        old.id = a.held[0].id;
        rpr_mini_release(t.mini, &old); /* of a session that is over */
        run();
        assert_int_equal(ept_send(&peer, "z"), -RPR_EAGAIN);
        assert_null(rpr_mini_reason(t.mini));
        end();
    }
}

/* ---- at a barrier one of the two sees the other -------------------------------------------------------- */

static void peer_sends(void)
{
    assert_int_equal(ept_send(&peer, "x"), 0);
    settle(&t.world, t.node);
}

static void test_hears_what_comes_while_it_arms(void **state)
{
    (void)state;
    FOR_BOTH(role)
    {
        struct app a = APP("echo", "a");

        begin(role, RPR_DIALECT_RPR);
        bind_both(&a);
        assert_int_equal(rpr_mini_poll(t.mini), 0);
        t.n_rings_back = 0;
        at_barrier = peer_sends;
        assert_false(rpr_mini_arm(t.mini));
        assert_int_equal(t.n_rings_back, 1);
        run();
        assert_events(&t.world, "a:rx x;");
        end();
    }
}

static void peer_arms(void)
{
    assert_false(rpr_node_arm(t.node));
}

static void test_the_peer_that_arms_sees_what_was_sent(void **state)
{
    (void)state;
    FOR_BOTH(role)
    {
        struct app a = APP("echo", "a");

        begin(role, RPR_DIALECT_RPR);
        bind_both(&a);
        rpr_link_ready(t.link); /* it is awake */
        (void)rpr_node_poll(t.node, t.world.now, 0);
        at_barrier = peer_arms;
        assert_int_equal(rpr_mini_send(&a.ept, "y", 1), 0);
        assert_null(at_barrier);
        run();
        assert_events(&t.world, "p:rx y;");
        end();
    }
}

static void test_drops_what_it_cannot_keep(void **state)
{
    (void)state;
    FOR_BOTH(role)
    {
        struct app a = APP("echo", "a");

        begin(role, RPR_DIALECT_RPR);
        a.result = RPR_LATER;
        bind_both(&a);
        for (unsigned i = 0; i < 3 * NUM; i++) {
            assert_int_equal(ept_send(&peer, "x"), 0);
            run();
        }
        assert_int_equal(rpr_mini_counters(t.mini)->dropped, 3 * NUM);
        end();
    }
}

static void test_begins_again(void **state)
{
    (void)state;
    FOR_BOTH(role)
    {
        struct app a = APP("echo", "a");
        uint32_t addr;

        begin(role, RPR_DIALECT_RPR);
        bind_both(&a);
        addr = a.ept.addr;
        for (unsigned i = 0; i < 5; i++) { /* indices that the next session must not go on from */
            assert_int_equal(ept_send(&peer, "x"), 0);
            assert_int_equal(rpr_mini_send(&a.ept, "y", 1), 0);
            run();
        }
        t.world.events[0] = '\0';
        rpr_vring_detach(t.link, "over", false);
        connect();
        run();
        assert_events(&t.world, "p:unbound lost;a:unbound lost;p:bound 1025;a:bound;");
        assert_int_not_equal(a.ept.addr, addr);
        assert_int_equal(rpr_mini_send(&a.ept, "y", 1), 0);
        run();
        assert_events(&t.world, "p:rx y;");
        end();
    }
}

static void test_refuses(void **state)
{
    struct app a = APP("echo", "a"), b = APP("12345678901234567890123456789012", "b"),
               c = APP("c", "c"), d = APP("d", "d");
    uint8_t big[PAYLOAD + 1] = {0};

    (void)state;
    begin(RPR_VRING_DEVICE, RPR_DIALECT_RPR);
    bind_both(&a);
    assert_int_equal(rpr_mini_send(&a.ept, big, PAYLOAD + 1), -RPR_EMSGSIZE);
    assert_int_equal(rpr_mini_send(&a.ept, big, PAYLOAD), 0);
    assert_int_equal(rpr_mini_ept_open(t.mini, &b.ept), -RPR_ENAMETOOLONG);
    c.ept.addr = d.ept.addr = 60;
    assert_int_equal(rpr_mini_ept_open(t.mini, &c.ept), 0);
    assert_int_equal(rpr_mini_ept_open(t.mini, &d.ept), -RPR_EEXIST);
    d.ept.addr = 53;
    assert_int_equal(rpr_mini_ept_open(t.mini, &d.ept), -RPR_EEXIST);
    d.ept.addr = 1024;
    assert_int_equal(rpr_mini_ept_open(t.mini, &d.ept), -RPR_EINVAL);
    assert_int_equal(rpr_mini_open_driver(&t.mini, t.memory, sizeof t.memory, &t.config),
                     -RPR_EINVAL);
    assert_int_equal(rpr_mini_open_device(&t.mini, t.memory, sizeof t.memory - 8, &t.config),
                     -RPR_ENOMEM);
    end();
}

/* An address is never given twice; what was on its way to a former endpoint reaches nobody. */
static void test_late_messages(void **state)
{
    (void)state;
    FOR_BOTH(role)
    {
        struct app a = APP("echo", "a"), again = APP("echo", "b");

        begin(role, RPR_DIALECT_RPR);
        bind_both(&a);
        assert_int_equal(ept_send(&peer, "x"), 0);
        rpr_mini_ept_close(&a.ept);
        assert_int_equal(rpr_mini_ept_open(t.mini, &again.ept), 0);
        run();
        assert_int_equal(a.n_rx + again.n_rx, 0);
        assert_int_equal(rpr_mini_counters(t.mini)->late, 1);
        assert_null(rpr_mini_reason(t.mini));
        end();
    }
}

/* Callbacks may close their own endpoint, and open it again in the last one. */
static void test_closes_inside_callbacks(void **state)
{
    (void)state;
    FOR_BOTH(role)
    {
        struct app a = APP("echo", "a");

        begin(role, RPR_DIALECT_RPR);
        a.ops = &app_ops;
        bind_both(&a);
        a.close_in_rx = true;
        a.reopen = 2;
        for (unsigned i = 0; i < 2; i++) {
            assert_int_equal(ept_send(&peer, "x"), 0);
            run();
            assert_non_null(strstr(t.world.events, "a:rx x;a:closed;"));
            assert_non_null(strstr(t.world.events, "a:bound;")); /* once more */
            t.world.events[0] = '\0';
        }
        a.close_in_bound = true;
        a.reopen = 1;
        rpr_mini_ept_close(&a.ept);
        run();
        assert_non_null(strstr(t.world.events, "a:bound;a:closed;"));
        assert_int_equal(a.n_rx, 2);
        assert_null(rpr_mini_reason(t.mini));
        end();
    }
}

/* ---- how peers differ ----------------------------------------------------------------------------------- */

static void test_peers_that_do_not_acknowledge(void **state)
{
    static const enum rpr_dialect dialects[] = {RPR_DIALECT_OPENAMP, RPR_DIALECT_LITE};

    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        struct app a = APP("echo", "a");

        begin(RPR_VRING_DEVICE, dialects[i]);
        bind_both(&a);
        assert_int_equal(rpr_mini_send(&a.ept, "y", 1), 0);
        run();
        assert_events(&t.world, "p:rx y;");
        end();
    }
}

/* Linux announces nothing that it was announced: who writes first is the peer. */
static void test_latches(void **state)
{
    struct app a = APP("echo", "a");

    (void)state;
    begin(RPR_VRING_DEVICE, RPR_DIALECT_LINUX);
    peer = (struct ept)EPT(&t.world, "p");
    assert_int_equal(rpr_mini_ept_open(t.mini, &a.ept), 0);
    assert_int_equal(ept_open_as(&peer, t.device,
                                 (struct rpr_ept_config){.addr = RPR_ADDR_ANY, .dest = a.ept.addr}),
                     0);
    t.world.events[0] = '\0';
    assert_int_equal(ept_send(&peer, "hi"), 0);
    run();
    assert_events(&t.world, "a:bound;a:rx hi;");
    assert_int_equal(a.ept.dest, ept_addr(&peer));
    end();
}

/* Words of the name service that come when they should not. */
static void say(const void *payload, size_t len)
{
    assert_int_equal(rpr_send_to(peer.h, RPMSG_ADDR_NS, payload, len, 0), 0);
    run();
}

static void say_word(const char *name, uint32_t addr, uint32_t flags)
{
    uint8_t payload[RPMSG_NS_BYTES];

    ns_put(payload, name, addr, flags);
    say(payload, sizeof payload);
}

static void test_words_out_of_turn(void **state)
{
    (void)state;
    FOR_BOTH(role)
    {
        struct app a = APP("echo", "a"), b = APP("b", "b"), c = APP("c", "c");

        begin(role, RPR_DIALECT_RPR);
        bind_both(&a);
        say_word("echo", ept_addr(&peer), NS_CREATE); /* bound to it already */
        assert_events(&t.world, "");
        assert_int_equal(rpr_mini_ept_open(t.mini, &c.ept), 0);
        settle(&t.world, t.node);
        while (rpr_mini_send(&a.ept, "x", 1) == 0)
            ;
        rpr_mini_announce(&c.ept);                              /* the last buffer */
        assert_int_equal(rpr_mini_ept_open(t.mini, &b.ept), 0); /* CREATE has not left */
        {
            uint8_t payload[RPMSG_NS_BYTES];

            ns_put(payload, "b", 5000, NS_CREATE_ACK);
            assert_int_equal(rpr_send_to(peer.h, RPMSG_ADDR_NS, payload, sizeof payload, 0), 0);
        }
        (void)rpr_mini_poll(t.mini);
        assert_int_equal(b.ept.dest, RPR_ADDR_ANY); /* it is for a former one of that name */
        assert_int_equal(rpr_mini_counters(t.mini)->late, 1);
        end();
    }
}

static void test_destroy_matches_name_and_address(void **state)
{
    (void)state;
    FOR_BOTH(role)
    {
        struct app a = APP("echo", "a");

        begin(role, RPR_DIALECT_RPR);
        bind_both(&a);
        say_word("echo", ept_addr(&peer) + 1, NS_DESTROY);
        say_word("ech", ept_addr(&peer), NS_DESTROY);
        assert_events(&t.world, "");
        assert_int_equal(rpr_mini_counters(t.mini)->late, 2);
        say_word("echo", ept_addr(&peer), NS_DESTROY);
        assert_events(&t.world, "a:unbound closed;");
        end();
    }
}

/* It is still there, because there is no buffer to say that it is not. */
static void test_a_closed_one_is_bound_to_nobody(void **state)
{
    (void)state;
    FOR_BOTH(role)
    {
        struct app a = APP("echo", "a"), b = APP("b", "b"), c = APP("c", "c");
        uint8_t payload[RPMSG_NS_BYTES];

        begin(role, RPR_DIALECT_RPR);
        bind_both(&a);
        assert_int_equal(rpr_mini_ept_open(t.mini, &c.ept), 0);
        settle(&t.world, t.node);
        while (rpr_mini_send(&a.ept, "x", 1) == 0)
            ;
        assert_int_equal(rpr_mini_ept_open(t.mini, &b.ept), 0); /* the last buffer */
        rpr_mini_ept_close(&c.ept);
        ns_put(payload, "c", 5000, NS_CREATE);
        assert_int_equal(rpr_send_to(peer.h, RPMSG_ADDR_NS, payload, sizeof payload, 0), 0);
        (void)rpr_mini_poll(t.mini);
        assert_events(&t.world, "created c;");
        run();
        assert_non_null(strstr(t.world.events, "c:closed;"));
        assert_null(strstr(t.world.events, "c:bound;"));
        end();
    }
}

/* What has not been said yet is said before the data that follows it. */
static void test_acknowledges_before_data(void **state)
{
    (void)state;
    FOR_BOTH(role)
    {
        struct app a = APP("echo", "a"), b = APP("b", "b");
        struct ept asker = EPT(&t.world, "q");

        begin(role, RPR_DIALECT_RPR);
        bind_both(&a);
        ept_open(&asker, t.device, "wanted");
        settle(&t.world, t.node);
        while (rpr_mini_send(&a.ept, "x", 1) == 0)
            ;
        assert_int_equal(rpr_mini_ept_open(t.mini, &b.ept), 0); /* the last buffer */
        (void)rpr_mini_poll(t.mini);
        assert_events(&t.world, "created wanted;w:bound;");
        settle(&t.world, t.node);
        t.world.events[0] = '\0';
        assert_int_equal(rpr_mini_send(&answer.ept, "first", 5), 0);
        settle(&t.world, t.node);
        assert_events(&t.world, "a:writable;q:bound 1026;q:rx first;");
        end();
    }
}

/* The peer of a new session knows nobody: nobody's end has to be told. */
static void test_closes_before_it_was_announced(void **state)
{
    struct app a = APP("echo", "a");

    (void)state;
    begin(RPR_VRING_DEVICE, RPR_DIALECT_RPR);
    bind_both(&a);
    rpr_vring_detach(t.link, "over", false);
    memset(t.region, 0, t.config.session.layout.bytes); /* the driver has not begun */
    t.world.events[0] = '\0';
    rpr_mini_restart(t.mini);
    rpr_mini_ept_close(&a.ept);
    assert_events(&t.world, "a:unbound lost;a:closed;");
    end();
}

/* An endpoint without a name is bound to whom it was opened for, and neither end is told. */
static void test_says_nothing_without_a_name(void **state)
{
    struct app a = APP("echo", "a"), nameless = APP("", "n");

    (void)state;
    begin(RPR_VRING_DEVICE, RPR_DIALECT_RPR);
    bind_both(&a);
    while (rpr_mini_send(&a.ept, "x", 1) == 0)
        ;
    rpr_mini_announce(&a.ept); /* is bound: there is nothing to say */
    nameless.ept.dest = ept_addr(&peer);
    assert_int_equal(rpr_mini_ept_open(t.mini, &nameless.ept), 0);
    settle(&t.world, t.node);
    t.world.events[0] = '\0';
    assert_int_equal(rpr_mini_send(&nameless.ept, "n", 1), 0);
    rpr_mini_ept_close(&nameless.ept);
    run();
    assert_events(&t.world, "a:writable;n:closed;p:rx n;");
    {
        struct rpr_device_info info;

        rpr_device_info(t.device, &info);
        assert_int_equal(info.counters.errors, 0);
    }
    end();
}

/* ---- what a peer can do to it ---------------------------------------------------------------------------- */

static const struct rpr_vring_ring *rx_ring(void)
{
    return &t.config.session.layout.ring[mini_is_driver() ? 0 : 1];
}

static const struct rpr_vring_ring *tx_ring(void)
{
    return &t.config.session.layout.ring[mini_is_driver() ? 1 : 0];
}

/* The half of the peer, and its last entry. */
static uint8_t *peers(const struct rpr_vring_ring *r)
{
    return t.region + (mini_is_driver() ? r->used : r->avail);
}

static uint8_t *last_entry(const struct rpr_vring_ring *r)
{
    uint8_t *half = peers(r);
    uint32_t at = (uint16_t)(get_le16(half + 2) - 1u) % NUM;

    return half + 4 + at * (mini_is_driver() ? 8 : 2);
}

static uint8_t *descriptor(const struct rpr_vring_ring *r)
{
    return t.region + r->desc + 16u * get_le16(last_entry(r));
}

static void bad_index(void)
{
    put_le16(peers(rx_ring()) + 2, (uint16_t)(get_le16(peers(rx_ring()) + 2) + NUM + 1));
}

static void bad_id(void)
{
    put_le16(last_entry(rx_ring()), NUM);
}

static void bad_length(void)
{
    put_le32(last_entry(rx_ring()) + 4, PAYLOAD + 17);
}

static void short_length(void)
{
    put_le32(last_entry(rx_ring()) + 4, 15);
}

static void desc_outside(void)
{
    put_le64(descriptor(rx_ring()), DA + t.config.session.layout.bytes - 16);
}

static void desc_below(void)
{
    put_le64(descriptor(rx_ring()), DA - 4);
}

static void desc_high(void)
{
    put_le32(descriptor(rx_ring()) + 4, 1); /* 4 GiB further up */
}

static void desc_unaligned(void)
{
    put_le64(descriptor(rx_ring()), get_le64(descriptor(rx_ring())) + 2);
}

static void desc_short(void)
{
    put_le32(descriptor(rx_ring()) + 8, 15);
}

static void desc_chained(void)
{
    put_le16(descriptor(rx_ring()) + 12, 1);
}

/* The message that has come says that it is longer than its buffer. */
static void message_length(void)
{
    uint32_t id = get_le16(last_entry(rx_ring()));

    put_le16(t.region + rx_ring()->buffers + id * rx_ring()->stride + 12, PAYLOAD + 1);
}

struct forgery {
    void (*forge)(void);
    int role; /* of the victim; -1: both */
    const char *reason;
};

static const struct forgery forgeries[] = {
    {bad_index, -1, "a ring index out of range"},
    {bad_id, -1, "a buffer id out of range"},
    {bad_length, RPR_VRING_DRIVER, "a length over the buffer"},
    {short_length, RPR_VRING_DRIVER, "a message's length is over its buffer"},
    {desc_outside, RPR_VRING_DEVICE, "a wrong descriptor"},
    {desc_below, RPR_VRING_DEVICE, "a wrong descriptor"},
    {desc_high, RPR_VRING_DEVICE, "a wrong descriptor"},
    {desc_unaligned, RPR_VRING_DEVICE, "a wrong descriptor"},
    {desc_short, RPR_VRING_DEVICE, "a wrong descriptor"},
    {desc_chained, RPR_VRING_DEVICE, "a wrong descriptor"},
    {message_length, -1, "a message's length is over its buffer"},
};

static void test_breaks_and_comes_back(void **state)
{
    (void)state;
    for (unsigned i = 0; i < sizeof forgeries / sizeof *forgeries; i++) {
        FOR_BOTH(role)
        {
            const struct forgery *f = &forgeries[i];
            struct app a = APP("echo", "a");

            if (f->role >= 0 && f->role != (int)role)
                continue;
            begin(role, RPR_DIALECT_RPR);
            bind_both(&a);
            assert_int_equal(ept_send(&peer, "x"), 0);
            f->forge();
            assert_int_equal(rpr_mini_poll(t.mini), -RPR_EPROTO);
            assert_string_equal(rpr_mini_reason(t.mini), f->reason);
            assert_int_equal(a.n_rx, 0);
            assert_int_equal(rpr_mini_send(&a.ept, "x", 1), -RPR_ENOTCONN);
            assert_int_equal(rpr_mini_poll(t.mini), -RPR_EPROTO);
            assert_true(rpr_mini_arm(t.mini));
            rpr_vring_detach(t.link, "over", false);
            connect();
            run();
            assert_int_equal(rpr_mini_send(&a.ept, "y", 1), 0);
            run();
            assert_non_null(strstr(t.world.events, "p:rx y;"));
            end();
        }
    }
}

/* One that the victim itself holds, or was given back already. */
static void test_breaks_at_a_buffer_that_it_has(void **state)
{
    (void)state;
    FOR_BOTH(role)
    {
        struct app a = APP("echo", "a");
        uint16_t id;

        begin(role, RPR_DIALECT_RPR);
        a.result = RPR_HOLD;
        bind_both(&a);
        assert_int_equal(ept_send(&peer, "x"), 0);
        id = get_le16(last_entry(rx_ring()));
        run();
        assert_int_equal(ept_send(&peer, "y"), 0);
        put_le16(last_entry(rx_ring()), id);
        assert_int_equal(rpr_mini_poll(t.mini), -RPR_EPROTO);
        assert_string_equal(rpr_mini_reason(t.mini), "a buffer that was not outstanding");
        end();
    }
}

/* A send meets the peer's nonsense: no message, and the poll says why; also from inside `rx`. */
static void test_breaks_while_sending(void **state)
{
    (void)state;
    FOR_BOTH(role)
    {
        struct app a = APP("echo", "a");

        for (unsigned inside = 0; inside < 2; inside++) {
            begin(role, RPR_DIALECT_RPR);
            a = (struct app)APP("echo", "a");
            a.echo = true;
            bind_both(&a);
            assert_int_equal(ept_send(&peer, "x"), 0);
            put_le16(peers(tx_ring()) + 2, (uint16_t)(get_le16(peers(tx_ring()) + 2) + 100));
            if (!inside)
                assert_int_equal(rpr_mini_send(&a.ept, "x", 1), -RPR_EAGAIN);
            assert_int_equal(rpr_mini_poll(t.mini), -RPR_EPROTO);
            assert_int_equal(a.n_rx, inside);
            assert_int_equal(a.error, inside ? -RPR_EAGAIN : 0);
            assert_string_equal(rpr_mini_reason(t.mini), "a ring index out of range");
            end();
        }
    }
}

static void test_counts_what_is_malformed(void **state)
{
    (void)state;
    FOR_BOTH(role)
    {
        struct app a = APP("echo", "a");
        const struct rpr_mini_counters *c;
        uint8_t zeroes[RPMSG_NS_BYTES + 1] = {0};

        begin(role, RPR_DIALECT_RPR);
        bind_both(&a);
        c = rpr_mini_counters(t.mini);
        say(zeroes, RPMSG_NS_BYTES - 1);
        say(zeroes, RPMSG_NS_BYTES + 1);
        say(zeroes, 0);
        say_word("", 5000, NS_CREATE);
        say_word("x", RPR_ADDR_ANY, NS_CREATE);
        say_word("x", 5000, 3);
        assert_int_equal(c->errors, 6);
        say_word("x", 5000, NS_CREATE_ACK);
        say_word("echo", 5000, NS_DESTROY); /* not the address that it is bound to */
        assert_int_equal(rpr_send_to(peer.h, 4711, "x", 1, 0), 0);
        run();
        assert_int_equal(c->errors, 6);
        assert_int_equal(c->late, 3);
        assert_events(&t.world, "");
        assert_null(rpr_mini_reason(t.mini));
        end();
    }
}

/* ---- anything at any moment ----------------------------------------------------------------------------- */

static uint32_t next_random(uint32_t *seed)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 17;
    return *seed ^= *seed << 5;
}

static struct mini_side {
    struct rpr_mini *node;
    struct rpr_mini_memory memory[RPR_MINI_MEMORY(2 * NUM)];
    struct rpr_mini_config config;
    struct app app;
} sides[2];

static void ring_nobody(void *ctx, bool to_tx_ring)
{
    (void)ctx;
    (void)to_tx_ring;
}

static void open_side(enum rpr_vring_role role, uint8_t *region)
{
    struct mini_side *s = &sides[role];

    s->config.session = (struct rpr_vring_session){
        .role = role, .base = region, .base_da = DA, .ring = ring_nobody};
    assert_int_equal(rpr_vring_layout_local(&s->config.session.layout, NUM, PAYLOAD), 0);
    s->app = (struct app)APP("echo", "a");
    s->app.echo = true;
    assert_int_equal((role == RPR_VRING_DRIVER ? rpr_mini_open_driver : rpr_mini_open_device)(
                         &s->node, s->memory, sizeof s->memory, &s->config),
                     0);
    assert_int_equal(rpr_mini_ept_open(s->node, &s->app.ept), 0);
}

/* Writes somewhere, near the truth more often than not. */
static void scribble(uint8_t *region, uint32_t *seed)
{
    const struct rpr_vring_layout *l = &sides[0].config.session.layout;
    uint32_t at = next_random(seed) % (next_random(seed) % 2 ? l->bytes : l->ring[0].buffers);
    uint32_t how = next_random(seed) % 4;

    if (how == 0)
        region[at] = (uint8_t)next_random(seed);
    else
        region[at] = (uint8_t)(region[at] + how - 2);
}

static void test_survives_anything(void **state)
{
    struct rpr_vring_layout layout;
    unsigned n_broken = 0, n_rx = 0;

    (void)state;
    memset(&t, 0, sizeof t);
    assert_int_equal(rpr_vring_layout_local(&layout, NUM, PAYLOAD), 0);
    for (uint32_t first = 1; first <= 500; first++) {
        uint32_t seed = first * 2654435761u;
        uint8_t *region = calloc(1, layout.bytes); /* no slack: a sanitizer sees one byte */

        memset(sides, 0, sizeof sides);
        open_side(RPR_VRING_DRIVER, region);
        open_side(RPR_VRING_DEVICE, region);
        for (unsigned i = 0; i < 400; i++) {
            struct mini_side *s = &sides[i % 2];

            if (next_random(&seed) % 8 == 0)
                scribble(region, &seed);
            if (next_random(&seed) % 4 == 0)
                (void)rpr_mini_send(&s->app.ept, "0123456789", next_random(&seed) % 10);
            if (rpr_mini_poll(s->node) >= 0)
                continue;
            assert_non_null(rpr_mini_reason(s->node));
            n_broken++;
            rpr_mini_restart(sides[RPR_VRING_DRIVER].node);
            rpr_mini_restart(sides[RPR_VRING_DEVICE].node);
        }
        rpr_mini_restart(sides[RPR_VRING_DRIVER].node); /* whatever was: it goes on */
        rpr_mini_restart(sides[RPR_VRING_DEVICE].node);
        for (unsigned i = 0; i < 8; i++)
            assert_return_code(rpr_mini_poll(sides[i % 2].node), 0);
        assert_int_not_equal(sides[0].app.ept.dest, RPR_ADDR_ANY);
        n_rx += sides[0].app.n_rx + sides[1].app.n_rx;
        free(region);
    }
    assert_in_range(n_broken, 500, 500 * 400); /* it did something, and was not all there was */
    assert_in_range(n_rx, 10000, UINT32_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_announces),
        cmocka_unit_test(test_is_announced_to),
        cmocka_unit_test(test_echoes),
        cmocka_unit_test(test_waits_for_buffers),
        cmocka_unit_test(test_says_the_end_when_it_can),
        cmocka_unit_test(test_holds),
        cmocka_unit_test(test_hears_what_comes_while_it_arms),
        cmocka_unit_test(test_the_peer_that_arms_sees_what_was_sent),
        cmocka_unit_test(test_drops_what_it_cannot_keep),
        cmocka_unit_test(test_begins_again),
        cmocka_unit_test(test_refuses),
        cmocka_unit_test(test_late_messages),
        cmocka_unit_test(test_closes_inside_callbacks),
        cmocka_unit_test(test_peers_that_do_not_acknowledge),
        cmocka_unit_test(test_latches),
        cmocka_unit_test(test_breaks_and_comes_back),
        cmocka_unit_test(test_breaks_at_a_buffer_that_it_has),
        cmocka_unit_test(test_breaks_while_sending),
        cmocka_unit_test(test_counts_what_is_malformed),
        cmocka_unit_test(test_words_out_of_turn),
        cmocka_unit_test(test_destroy_matches_name_and_address),
        cmocka_unit_test(test_a_closed_one_is_bound_to_nobody),
        cmocka_unit_test(test_acknowledges_before_data),
        cmocka_unit_test(test_closes_before_it_was_announced),
        cmocka_unit_test(test_says_nothing_without_a_name),
        cmocka_unit_test(test_survives_anything),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
