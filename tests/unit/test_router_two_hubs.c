/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two edges of the same two hubs: whichever hub each of them found the other through first, they
 * meet in the end.
 */
#include "router_fixture.h"

struct town {
    struct net net;
    struct rpr_node *hub_node[2], *node[2];
    struct rpr_hub *hub[2];
    struct rpr_edge *edge[2];
    struct rpr_cable *cable[4];
    struct ept x, y;
};

static const char *via(struct town *t, unsigned i)
{
    struct rpr_device_info info;

    rpr_device_info(device_of(t->node[i], i ? "e" : "f"), &info);
    return info.via;
}

static void put_up(struct town *t)
{
    static const char *const hubs[] = {"h0", "h1"}, *const edges[] = {"e", "f"};

    memset(t, 0, sizeof *t);
    net_init(&t->net);
    for (unsigned i = 0; i < 2; i++) {
        t->hub_node[i] = net_node(&t->net, hubs[i]);
        assert_int_equal(rpr_hub_open(t->hub_node[i], &t->hub[i]), 0);
    }
    for (unsigned i = 0; i < 2; i++) {
        t->node[i] = net_node(&t->net, edges[i]);
        assert_int_equal(rpr_edge_open(t->node[i], &t->edge[i]), 0);
    }
}

static void turn(struct town *t, struct rpr_node *node)
{
    for (unsigned i = 0; i < 3; i++)
        (void)rpr_node_poll(node, t->net.w.now, 0);
    (void)rpr_node_arm(node);
}

/* One edge has heard of the first hub's CREATE before the second hub says its own; the other edge hears
 * both at once, the later one first. */
static void split(struct town *t, unsigned first)
{
    for (unsigned edge = 0; edge < 2; edge++)
        for (unsigned hub = 0; hub < 2; hub++)
            t->cable[edge * 2 + hub] =
                net_cable(&t->net, t->node[edge], t->hub_node[hub], (struct rpr_cable_config){0});
    net_pass(&t->net, MS(20));
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(rpr_hub_pair_add(t->hub[i], &(struct rpr_pair_config){0}), 0);
        turn(t, t->hub_node[i]);
    }
    turn(t, t->node[0]);
    turn(t, t->node[1]);
    turn(t, t->hub_node[first]);
    turn(t, t->node[0]);
    turn(t, t->hub_node[!first]);
    turn(t, t->node[1]);
    net_pass(&t->net, MS(50));
}

static void take_down(struct town *t)
{
    for (unsigned i = 0; i < 2; i++) {
        rpr_edge_close(t->edge[i]);
        rpr_hub_close(t->hub[i]);
    }
    net_close(&t->net);
    for (unsigned i = 0; i < 4; i++)
        rpr_cable_close(t->cable[i]);
    assert_int_equal(t->net.w.n_live, 0);
}

static void open_both(struct town *t)
{
    t->x = (struct ept)EPT(&t->net.w, "x");
    t->y = (struct ept)EPT(&t->net.w, "y");
    ept_open(&t->x, device_of(t->node[0], "f"), "svc");
    ept_open(&t->y, device_of(t->node[1], "e"), "svc");
    net_pass(&t->net, MS(1000));
}

static void they_meet(void **state)
{
    unsigned n_split = 0;

    (void)state;
    for (unsigned first = 0; first < 2; first++) {
        struct town t;
        struct rpr_ept_info info;

        put_up(&t);
        split(&t, first);
        n_split += strcmp(via(&t, 0), via(&t, 1)) != 0;
        open_both(&t);
        assert_int_equal(rpr_ept_info(t.x.h, &info), 0);
        assert_int_equal(info.state, RPR_EPT_BOUND);
        assert_int_equal(rpr_ept_info(t.y.h, &info), 0);
        assert_int_equal(info.state, RPR_EPT_BOUND);
        assert_string_equal(via(&t, 0), via(&t, 1));
        take_down(&t);
    }
    assert_true(n_split > 0); /* else this test shows nothing */
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(they_meet)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
