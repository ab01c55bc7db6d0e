/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory that runs out: the n-th allocation fails, for every n, while a hub, two edges, a service,
 * a route, a client route and pings are made and used. Whoever called hears of it, nothing crashes,
 * nothing is kept; and where nobody called, it is made up for when there is memory again.
 */
#include "router_fixture.h"

#include <rpr/ping.h>

enum { AP, E0, E1, PROGRAM, N_NODES };
enum { TO_E0, TO_E1, TO_PROGRAM, N_CABLES };

struct town {
    struct net net;
    struct rpr_node *node[N_NODES];
    struct rpr_cable *cable[N_CABLES];
    struct rpr_hub *hub;
    struct rpr_edge *edge[2];
    struct rpr_ping *ping[2];
    struct rpr_client_route *route;
    struct rpr_ping_run *run;
    struct ept x, y, prog, far;
    bool refused; /* a call of ours has failed */
    bool closed, pinged;
    unsigned answered;
};

/* Every call that can fail: once one has, the rest is left out. */
#define TRY(t, call)                                       \
    do {                                                   \
        if (!(t)->refused) {                               \
            int error_ = (call);                           \
                                                           \
            (t)->refused = error_ != 0;                    \
            assert_true(!error_ || error_ == -RPR_ENOMEM); \
        }                                                  \
    } while (0)

static int open_node(struct town *t, unsigned i, const char *name)
{
    int error = rpr_node_open(
        &t->node[i],
        &(struct rpr_node_config){.name = name, .platform = &t->net.w.platform, .slots = 32});

    if (!error)
        t->net.node[t->net.n++] = t->node[i];
    return error;
}

static void open_cable(struct town *t, unsigned i, unsigned a, unsigned b)
{
    TRY(t, rpr_cable_open(&t->cable[i],
                          &(struct rpr_cable_config){
                              .credit = true, .buffers = 16, .platform = &t->net.w.platform}));
    TRY(t, rpr_cable_join(t->cable[i], RPR_CABLE_A, t->node[a], rpr_node_name(t->node[b])));
    TRY(t, rpr_cable_join(t->cable[i], RPR_CABLE_B, t->node[b], rpr_node_name(t->node[a])));
}

static int open_ept(struct town *t, struct ept *e, const char *tag, unsigned node,
                    const char *device, const char *name)
{
    struct rpr_device *d = rpr_device_find(t->node[node], device);

    *e = (struct ept)EPT(&t->net.w, tag);
    if (!d)
        return -RPR_ENOMEM; /* a routed device that could not be had yet */
    return ept_open_as(e, d,
                       (struct rpr_ept_config){
                           .name = name, .addr = RPR_ADDR_ANY, .dest = RPR_ADDR_ANY, .quota = 8});
}

static void on_closed(void *ctx)
{
    ((struct town *)ctx)->closed = true;
}

static void on_pinged(void *ctx, const struct rpr_ping_result *result)
{
    struct town *t = ctx;

    t->pinged = true;
    t->answered = (unsigned)result->n_rtt;
}

static int open_route(struct town *t)
{
    struct rpr_device *client = rpr_device_find(t->node[AP], "#1");

    return rpr_client_route_open(
        t->node[AP],
        &(struct rpr_client_config){
            .client = client, .service = "file", .device = "e0", .closed = on_closed, .ctx = t},
        &t->route);
}

static void build(struct town *t)
{
    static const char *const names[] = {"ap", "e0", "e1", "#1"};
    static const char *const services[] = {"svc", "rpmsg-ping", NULL};

    for (unsigned i = 0; i < N_NODES; i++)
        TRY(t, open_node(t, i, names[i]));
    TRY(t, rpr_hub_open(t->node[AP], &t->hub));
    TRY(t, rpr_hub_pair_add(t->hub,
                            &(struct rpr_pair_config){.a = "e0", .b = "e1", .services = services}));
    for (unsigned i = 0; i < 2; i++) {
        TRY(t, rpr_edge_open(t->node[E0 + i], &t->edge[i]));
        TRY(t, rpr_ping_open(t->node[E0 + i], NULL, &t->ping[i]));
    }
    open_cable(t, TO_E0, AP, E0);
    open_cable(t, TO_E1, AP, E1);
    open_cable(t, TO_PROGRAM, AP, PROGRAM);
    net_pass(&t->net, S(4));
    TRY(t, open_ept(t, &t->x, "x", E0, "e1", "svc"));
    TRY(t, open_ept(t, &t->far, "far", E0, "ap", "file"));
    TRY(t, open_route(t));
    net_pass(&t->net, MS(1));
    TRY(t, open_ept(t, &t->y, "y", E1, "e0", "svc"));
    TRY(t, open_ept(t, &t->prog, "prog", PROGRAM, "ap", "file"));
    net_pass(&t->net, S(4));
}

/* Everything that was asked for works. */
static void check_all(struct town *t)
{
    struct rpr_ping_config ping = {.times = 3, .flags = RPR_PING_ACK, .done = on_pinged, .ctx = t};

    assert_int_equal(ept_send(&t->x, "x"), 0);
    assert_int_equal(ept_send(&t->y, "y"), 0);
    assert_int_equal(ept_send(&t->prog, "prog"), 0);
    assert_int_equal(ept_send(&t->far, "far"), 0);
    net_pass(&t->net, MS(1));
    assert_int_equal(t->x.n_rx, 1);
    assert_int_equal(t->y.n_rx, 1);
    assert_int_equal(t->prog.n_rx, 1);
    assert_int_equal(t->far.n_rx, 1);
    ping.device = rpr_device_find(t->node[E0], "e1");
    TRY(t, rpr_ping_start(t->ping[0], &ping, &t->run));
    net_pass(&t->net, S(1));
    assert_true(t->refused || t->answered == 3);
}

static void tear_down(struct town *t)
{
    if (t->route) {
        rpr_client_route_close(t->route);
        net_pass(&t->net, S(1));
        assert_true(t->closed);
    }
    if (t->hub)
        rpr_hub_close(t->hub);
    for (unsigned i = 0; i < 2; i++) {
        if (t->ping[i])
            rpr_ping_close(t->ping[i]);
        if (t->edge[i])
            rpr_edge_close(t->edge[i]);
    }
    net_close(&t->net);
    for (unsigned i = 0; i < N_CABLES; i++)
        if (t->cable[i])
            rpr_cable_close(t->cable[i]);
}

/* How many fail, one after the other. */
static unsigned n_failures;

static void *alloc_or_not(void *ctx, size_t bytes)
{
    struct world *w = ctx;
    unsigned fail_in = w->fail_in;
    void *memory = world_alloc(ctx, bytes);

    if (!memory && fail_in == 1 && --n_failures)
        w->fail_in = 1;
    return memory;
}

/* Returns how many allocations there were. */
static unsigned one_life(unsigned fail_in, unsigned n_fail)
{
    struct town *t = calloc(1, sizeof *t);
    unsigned n;

    net_init(&t->net);
    t->net.w.fail_in = fail_in;
    n_failures = n_fail;
    t->net.w.platform.alloc = alloc_or_not;
    build(t);
    net_pass(&t->net, S(n_fail)); /* each try may need one allocation more */
    if (!t->refused)
        check_all(t);
    n = t->net.w.n_allocs;
    tear_down(t);
    if (t->net.w.n_live)
        fail_msg("%u blocks kept, allocation %u failed", t->net.w.n_live, fail_in);
    free(t);
    return n;
}

static void each_allocation_fails_once(void **state)
{
    unsigned n = one_life(0, 0);

    (void)state;
    assert_true(n > 40);
    for (unsigned i = 1; i <= n; i++)
        (void)one_life(i, 1);
}

static void memory_is_out_for_a_while(void **state)
{
    unsigned n = one_life(0, 0);

    (void)state;
    for (unsigned i = 1; i <= n; i++)
        for (unsigned k = 2; k < 12; k += 3)
            (void)one_life(i, k);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_allocation_fails_once),
        cmocka_unit_test(memory_is_out_for_a_while),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
