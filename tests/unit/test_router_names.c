/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One name, one device: a direct link wins over a routed device, and the first hub over the second.
 * Who lost is refused, shown, and taken up when the name is free. And names that cannot be joined.
 */
#include "router_fixture.h"

struct clash {
    struct net net;
    struct rpr_node *node;
    struct rpr_edge *edge;
    struct peer *hub[2]; /* "ap" and "bp": both offer "droid" */
    struct peer *direct; /* a link to "droid" itself */
    struct ept e;
    char refused[128];
};

static bool note_refused(void *ctx, const char *cpu, const char *hub)
{
    struct clash *c = ctx;
    size_t n = strlen(c->refused);

    snprintf(c->refused + n, sizeof c->refused - n, "%s by %s;", cpu, hub);
    return true;
}

static const char *refused(struct clash *c)
{
    c->refused[0] = '\0';
    rpr_edge_refused(c->node, note_refused, c);
    return c->refused;
}

static void clash_init(struct clash *c)
{
    static const char *const name[2] = {"ap", "bp"};

    memset(c, 0, sizeof *c);
    net_init(&c->net);
    c->node = net_node(&c->net, "audio");
    assert_int_equal(rpr_edge_open(c->node, &c->edge), 0);
    for (unsigned i = 0; i < 2; i++)
        c->hub[i] = peer_new(&c->net, c->node, name[i]);
    c->e = (struct ept)EPT(&c->net.w, "e");
}

static void clash_close(struct clash *c)
{
    rpr_edge_close(c->edge);
    assert_net_closed(&c->net);
    for (unsigned i = 0; i < 2; i++)
        peer_free(c->hub[i]);
    if (c->direct)
        peer_free(c->direct);
}

static void hub_offers(struct clash *c, unsigned i)
{
    struct peer *hub = c->hub[i];

    peer_up(hub, RPR_DIALECT_NUTTX);
    peer_create(hub, "router:droid", 1024);
    (void)net_settle(&c->net);
    assert_peer_said(hub, "ACK router:droid;");
    peer_router(hub, 1024, "router:droid",
                (struct router_message){
                    .cmd = ROUTER_CREATE, .tx_len = 400 + i, .rx_len = 400, .cpuname = "audio"});
    (void)net_settle(&c->net);
}

static void hub_withdraws(struct clash *c, unsigned i)
{
    peer_router(c->hub[i], 1024, "router:droid", (struct router_message){.cmd = ROUTER_DESTROY});
    (void)net_settle(&c->net);
}

static void assert_device(struct clash *c, enum rpr_device_kind kind, enum rpr_device_state state,
                          const char *via)
{
    struct rpr_device_info info;

    rpr_device_info(device_of(c->node, "droid"), &info);
    assert_int_equal(info.kind, kind);
    assert_int_equal(info.state, state);
    if (via)
        assert_string_equal(info.via, via);
}

static void link_was_there_first(void **state)
{
    struct clash c;

    (void)state;
    clash_init(&c);
    c.direct = peer_new(&c.net, c.node, "droid");
    peer_up(c.direct, RPR_DIALECT_NUTTX);
    hub_offers(&c, 0);
    assert_device(&c, RPR_DEVICE_LINK, RPR_DEVICE_UP, NULL);
    assert_string_equal(refused(&c), "droid by ap;");
    assert_non_null(strstr(c.net.w.log, "a link or another hub has that name"));
    c.net.w.log[0] = '\0';
    peer_down(c.direct); /* the name is still the link's */
    (void)net_settle(&c.net);
    peer_up(c.direct, RPR_DIALECT_NUTTX);
    (void)net_settle(&c.net);
    assert_string_equal(refused(&c), "droid by ap;");
    assert_string_equal(c.net.w.log, ""); /* said once */
    rpr_link_unregister(&c.direct->wire->link);
    net_pass(&c.net, MS(10));
    assert_device(&c, RPR_DEVICE_ROUTED, RPR_DEVICE_UP, "ap");
    assert_string_equal(refused(&c), "");
    clash_close(&c);
}

static void link_comes_later(void **state)
{
    struct clash c;

    (void)state;
    clash_init(&c);
    hub_offers(&c, 0);
    assert_device(&c, RPR_DEVICE_ROUTED, RPR_DEVICE_UP, "ap");
    ept_open(&c.e, device_of(c.node, "droid"), "svc");
    (void)net_settle(&c.net);
    assert_peer_said(c.hub[0], "1024:HELLO;CREATE r:droid:svc;");
    peer_ack(c.hub[0], "r:droid:svc", 1050);
    (void)net_settle(&c.net);
    assert_events(&c.net.w, "e:bound 1050;");
    c.direct = peer_new(&c.net, c.node, "droid");
    (void)net_settle(&c.net);
    assert_events(&c.net.w, "e:unbound lost;");
    assert_device(&c, RPR_DEVICE_LINK, RPR_DEVICE_CONNECTING, "");
    assert_string_equal(refused(&c), "droid by ap;");
    peer_up(c.direct, RPR_DIALECT_NUTTX);
    (void)net_settle(&c.net);
    assert_peer_said(c.direct, "CREATE svc;"); /* the endpoint lives on, over the link */
    rpr_link_unregister(&c.direct->wire->link);
    net_pass(&c.net, MS(10));
    assert_events(&c.net.w, "e:closed;");
    assert_device(&c, RPR_DEVICE_ROUTED, RPR_DEVICE_UP, "ap");
    assert_string_equal(refused(&c), "");
    clash_close(&c);
}

static void field_4_12_first_hub_wins(void **state)
{
    struct clash c;

    (void)state;
    clash_init(&c);
    hub_offers(&c, 0);
    ept_open(&c.e, device_of(c.node, "droid"), "svc");
    (void)net_settle(&c.net);
    (void)peer_said(c.hub[0]);
    peer_ack(c.hub[0], "r:droid:svc", 1050);
    hub_offers(&c, 1);
    assert_events(&c.net.w, "e:bound 1050;");
    assert_string_equal(refused(&c), "droid by bp;");
    assert_peer_said(c.hub[1], "1024:HELLO;");
    hub_withdraws(&c, 0);
    net_pass(&c.net, MS(10));
    assert_events(&c.net.w, "e:unbound lost;");
    assert_string_equal(refused(&c), "");
    assert_device(&c, RPR_DEVICE_ROUTED, RPR_DEVICE_UP, "bp");
    assert_int_equal(rpr_device_tx_len(device_of(c.node, "droid")), 401);
    assert_peer_said(c.hub[1], "CREATE r:droid:svc;");
    peer_ack(c.hub[1], "r:droid:svc", 1060);
    (void)net_settle(&c.net);
    assert_events(&c.net.w, "e:bound 1060;");
    assert_int_equal(ept_send(&c.e, "x"), 0);
    assert_peer_said(c.hub[1], "1060:x;");
    peer_router(c.hub[0], 1024, "router:droid",
                (struct router_message){.cmd = ROUTER_CREATE, .cpuname = "audio"});
    (void)net_settle(&c.net);
    assert_string_equal(refused(&c), "droid by ap;");
    peer_down(c.hub[1]); /* by the loss of its link, this time */
    net_pass(&c.net, MS(10));
    assert_events(&c.net.w, "e:unbound lost;");
    assert_device(&c, RPR_DEVICE_ROUTED, RPR_DEVICE_UP, "ap");
    assert_peer_said(c.hub[0], "1024:HELLO;CREATE r:droid:svc;");
    clash_close(&c);
}

/* What was refused is forgotten with the hub that offered it. */
static void refused_one_goes(void **state)
{
    struct clash c;

    (void)state;
    clash_init(&c);
    hub_offers(&c, 0);
    hub_offers(&c, 1);
    hub_withdraws(&c, 1);
    assert_string_equal(refused(&c), "");
    hub_withdraws(&c, 0);
    net_pass(&c.net, MS(10));
    assert_device(&c, RPR_DEVICE_ROUTED, RPR_DEVICE_DOWN, NULL);
    clash_close(&c);
}

/* What a hub announces while its device is refused is heard once that is taken up. */
static void announced_while_refused(void **state)
{
    struct clash c;

    (void)state;
    clash_init(&c);
    hub_offers(&c, 0);
    ept_open(&c.e, device_of(c.node, "droid"), "svc");
    (void)net_settle(&c.net);
    assert_peer_said(c.hub[0], "1024:HELLO;CREATE r:droid:svc;");
    hub_offers(&c, 1);
    assert_peer_said(c.hub[1], "1024:HELLO;");
    peer_create(c.hub[1], "r:droid:svc", 1100);
    (void)net_settle(&c.net);
    assert_events(&c.net.w, "");
    hub_withdraws(&c, 0);
    net_pass(&c.net, MS(10));
    assert_events(&c.net.w, "e:bound 1100;");
    assert_peer_said(c.hub[1], "ACK r:droid:svc;");
    clash_close(&c);
}

/* A hub that is refused says of that CPU that it sleeps, and that ends with its session. */
static void asleep_by_who_is_refused(void **state)
{
    struct clash c;

    (void)state;
    clash_init(&c);
    hub_offers(&c, 0);
    hub_offers(&c, 1);
    peer_router(c.hub[1], 1024, "router:droid", (struct router_message){.cmd = ROUTER_SUSPEND});
    (void)net_settle(&c.net);
    assert_device(&c, RPR_DEVICE_ROUTED, RPR_DEVICE_SUSPENDED, "ap");
    peer_router(c.hub[1], 1024, "router:droid",
                (struct router_message){.cmd = ROUTER_CREATE, .cpuname = "audio"});
    (void)net_settle(&c.net);
    assert_device(&c, RPR_DEVICE_ROUTED, RPR_DEVICE_UP, "ap");
    clash_close(&c);
}

/* What a hub announces before it hears that its offer was given up is of nobody once it offers anew:
 * it says of that what still holds. */
static void announced_while_given_up(void **state)
{
    struct rpr_device_info info;
    struct clash c;

    (void)state;
    clash_init(&c);
    hub_offers(&c, 0);
    hub_offers(&c, 1);
    peer_create(c.hub[1], "r:droid:svc",
                1100); /* droid has chosen that hub, and nobody needs the other */
    net_pass(&c.net, MS(10));
    assert_device(&c, RPR_DEVICE_ROUTED, RPR_DEVICE_UP, "bp");
    assert_peer_said(c.hub[0], "1024:HELLO;DESTROY router:droid;");
    peer_create(c.hub[0], "r:droid:gone", 1050);
    (void)net_settle(&c.net);
    peer_down(c.hub[1]);
    peer_create(c.hub[0], "router:droid", 1025);
    (void)net_settle(&c.net);
    assert_peer_said(c.hub[0], "ACK router:droid;");
    peer_create(c.hub[0], "r:droid:svc", 1051);
    peer_router(c.hub[0], 1025, "router:droid",
                (struct router_message){.cmd = ROUTER_CREATE, .cpuname = "audio"});
    net_pass(&c.net, MS(10));
    assert_device(&c, RPR_DEVICE_ROUTED, RPR_DEVICE_UP, "ap");
    rpr_device_info(device_of(c.node, "droid"), &info);
    assert_int_equal(info.n_announcements, 1);
    ept_open(&c.e, device_of(c.node, "droid"), "svc");
    assert_events(&c.net.w, "e:bound 1051;");
    clash_close(&c);
}

/* The edge goes before the hubs do, with a name refused. */
static void edge_closes_with_a_name_refused(void **state)
{
    struct clash c;

    (void)state;
    clash_init(&c);
    hub_offers(&c, 0);
    hub_offers(&c, 1);
    hub_withdraws(&c, 0);
    rpr_edge_close(c.edge);
    (void)net_settle(&c.net);
    assert_device(&c, RPR_DEVICE_ROUTED, RPR_DEVICE_DOWN, NULL);
    rpr_edge_refused(c.node, note_refused, &c); /* there is none */
    assert_int_equal(rpr_edge_open(c.node, &c.edge), 0);
    clash_close(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(link_was_there_first),
        cmocka_unit_test(link_comes_later),
        cmocka_unit_test(field_4_12_first_hub_wins),
        cmocka_unit_test(refused_one_goes),
        cmocka_unit_test(announced_while_refused),
        cmocka_unit_test(asleep_by_who_is_refused),
        cmocka_unit_test(announced_while_given_up),
        cmocka_unit_test(edge_closes_with_a_name_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
