/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What hub and edge put on the wire, byte for byte, against a scripted peer that behaves as NuttX
 * does; and what they make of what such a peer sends, right or wrong.
 */
#include "router_fixture.h"

#include "wire_vectors.h"

#define ADDR_AT 32u /* in a name service message */

/* The next message of the node is this one, but for the address (which is returned). */
static uint32_t assert_ns_bytes(struct peer *p, const uint8_t vector[RPMSG_NS_BYTES])
{
    struct wire_message m;
    uint8_t expected[RPMSG_NS_BYTES];
    uint32_t addr;

    assert_true(wire_get(p->wire, &m, true));
    assert_int_equal(m.dst, RPMSG_ADDR_NS);
    assert_int_equal(m.len, RPMSG_NS_BYTES);
    addr = get_le32(m.data + ADDR_AT);
    assert_int_equal(m.src, addr);
    assert_true((addr & ADDR_SHOWN) >= RPMSG_ADDR_DYNAMIC);
    memcpy(expected, vector, sizeof expected);
    put_le32(expected + ADDR_AT, addr);
    assert_memory_equal(m.data, expected, sizeof expected);
    return addr;
}

static void assert_bytes(struct peer *p, uint32_t src, uint32_t dst, const uint8_t *bytes,
                         size_t len)
{
    struct wire_message m;

    assert_true(wire_get(p->wire, &m, true));
    assert_int_equal(m.src, src);
    assert_int_equal(m.dst, dst);
    assert_int_equal(m.len, len);
    assert_memory_equal(m.data, bytes, len);
}

/* A name service message of the vectors, from the peer. */
static uint32_t put_ns_bytes(struct peer *p, const uint8_t vector[RPMSG_NS_BYTES])
{
    uint32_t addr = get_le32(vector + ADDR_AT);

    wire_put(p->wire, addr, RPMSG_ADDR_NS, vector, RPMSG_NS_BYTES);
    return addr;
}

/* ---- the hub ---------------------------------------------------------------------------------- */

/* R1 to R4, R8 to R11, R13, R14: from two links that come up to a message that is forwarded. */
static void hub_speaks_the_vectors(void **state)
{
    struct star s;
    struct peer *audio, *droid;
    uint32_t to_audio, to_droid, svc_droid, svc_audio;
    uint8_t data[18];

    (void)state;
    star_init(&s, (struct rpr_pair_config){0});
    audio = s.edge[0];
    droid = s.edge[1];
    peer_up_as(audio,
               (struct peer_config){.dialect = RPR_DIALECT_NUTTX, .tx_len = 2008, .rx_len = 2008});
    star_settle(&s);
    to_audio = assert_ns_bytes(audio, vector_r1);
    assert_peer_said(audio, "");
    assert_int_equal(put_ns_bytes(audio, vector_r2), 1027);
    star_settle(&s);
    assert_peer_said(audio, ""); /* CREATE waits for the other one */
    peer_up_as(droid,
               (struct peer_config){.dialect = RPR_DIALECT_NUTTX, .tx_len = 1520, .rx_len = 2008});
    star_settle(&s);
    assert_peer_said(droid, "CREATE router:audio;");
    to_droid = peer_addr(droid, "router:audio");
    peer_ack(droid, "router:audio", 1033);
    star_settle(&s);
    assert_bytes(audio, to_audio, 1027, vector_r3, sizeof vector_r3);
    assert_bytes(droid, to_droid, 1033, vector_r4, sizeof vector_r4);
    assert_peer_said(audio, "");
    assert_peer_said(droid, "");

    put_ns_bytes(audio, vector_r8);
    star_settle(&s);
    assert_peer_said(audio, ""); /* nothing is promised before somebody is there */
    svc_droid = assert_ns_bytes(droid, vector_r9);
    put_ns_bytes(droid, vector_r10);
    star_settle(&s);
    svc_audio = assert_ns_bytes(audio, vector_r11);
    assert_peer_said(droid, "");

    memcpy(data, vector_r13, sizeof data);
    put_le32(data + 4, svc_audio);
    wire_put(audio->wire, get_le32(data), get_le32(data + 4), data + 16, 2);
    star_settle(&s);
    assert_bytes(droid, svc_droid, 1031, vector_r14 + 16, 2);
    wire_text(droid->wire, 77, svc_droid, "back"); /* src is nobody's business */
    star_settle(&s);
    assert_bytes(audio, svc_audio, 1028, (const uint8_t *)"back", 4);
    star_close(&s);
}

/* Name, and what the sizes are where link sizes differ: R12 is the longest name there is. */
static void hub_forwards_the_longest_name(void **state)
{
    struct net net;
    struct rpr_hub *hub;
    struct peer *a, *b;
    struct rpr_node *ap;

    (void)state;
    net_init(&net);
    ap = net_node(&net, "ap");
    assert_int_equal(rpr_hub_open(ap, &hub), 0);
    assert_int_equal(rpr_hub_pair_add(hub, &(struct rpr_pair_config){.a = "cpuname", .b = "droid"}),
                     0);
    a = peer_new(&net, ap, "cpuname");
    b = peer_new(&net, ap, "droid");
    peer_up(a, RPR_DIALECT_NUTTX);
    peer_up(b, RPR_DIALECT_NUTTX);
    (void)net_settle(&net);
    peer_ack(a, "router:droid", 1040);
    peer_ack(b, "router:cpuname", 1041);
    (void)net_settle(&net);
    (void)peer_said(a);
    (void)peer_said(b);
    peer_create(a, "r:droid:uuuuuuuuuuuuuuuuuuuuu", 1050);
    (void)net_settle(&net);
    (void)assert_ns_bytes(b, vector_r12);
    rpr_hub_close(hub);
    assert_net_closed(&net);
    peer_free(a);
    peer_free(b);
}

/* R5 to R7: the other edge sleeps, wakes, and is lost. */
static void field_3_7_power_is_told_to_who_is_ready(void **state)
{
    struct star s;
    uint32_t from;

    (void)state;
    star_nuttx(&s);
    from = peer_addr(s.edge[0], "router:droid");
    rpr_link_power(&s.edge[1]->wire->link, false);
    star_settle(&s);
    assert_bytes(s.edge[0], from, 1040, vector_r6, sizeof vector_r6);
    rpr_link_power(&s.edge[1]->wire->link, true);
    star_settle(&s);
    assert_bytes(s.edge[0], from, 1040, vector_r7, sizeof vector_r7);
    rpr_link_power(&s.edge[1]->wire->link, false);
    star_settle(&s);
    assert_peer_said(s.edge[0], "1040:SUSPEND;");
    peer_down(s.edge[1]);
    star_settle(&s);
    assert_bytes(s.edge[0], from, 1040, vector_r5, sizeof vector_r5);
    assert_peer_said(s.edge[0], "");
    peer_up(s.edge[1], RPR_DIALECT_NUTTX); /* asleep before it is known again */
    rpr_link_power(&s.edge[1]->wire->link, false);
    star_settle(&s);
    assert_peer_said(s.edge[0], "");
    peer_said(s.edge[1]);
    peer_ack(s.edge[1], star_control[1], 1042);
    star_settle(&s);
    assert_peer_said(s.edge[0], "1040:CREATE;1040:SUSPEND;"); /* in this order */
    assert_peer_said(s.edge[1], "1042:CREATE;");
    star_close(&s);
}

/* Nothing that is ours goes to an edge that is not: it takes any other command for CREATE. */
static void hub_says_hello_only_to_who_said_it(void **state)
{
    struct star s;

    (void)state;
    star_nuttx(&s);
    assert_peer_said(s.edge[0], "");
    peer_hello(s.edge[0], 1040, star_control[0]);
    star_settle(&s);
    assert_peer_said(s.edge[0], "1040:HELLO;");
    assert_peer_said(s.edge[1], "");
    peer_down(s.edge[0]);
    peer_up(s.edge[0], RPR_DIALECT_NUTTX); /* in its new life it is not ours until it says so */
    star_settle(&s);
    assert_peer_said(s.edge[0], "CREATE router:droid;");
    peer_ack(s.edge[0], star_control[0], 1043);
    star_settle(&s);
    assert_peer_said(s.edge[0], "1043:CREATE;");
    assert_peer_said(s.edge[1], "1041:DESTROY;1041:CREATE;");
    peer_create(s.edge[0], "r:droid:svc", 1060);
    star_settle(&s);
    assert_peer_said(s.edge[1], "CREATE r:audio:svc;");
    star_close(&s);
}

/* One of ours hears HELLO before anything of routes: it knows then what is agreed. */
static void hub_says_hello_before_routes(void **state)
{
    struct star s;

    (void)state;
    star_nuttx(&s);
    s.edge[0]->wire->n_free = 0;
    peer_hello(s.edge[0], 1040, star_control[0]);
    star_settle(&s);
    peer_create(s.edge[1], "r:audio:svc", 1200);
    star_settle(&s);
    for (unsigned i = 0; i < 4; i++)
        s.edge[0]->wire->free[s.edge[0]->wire->n_free++] = i;
    star_pass_ms(&s, 10);
    assert_peer_said(s.edge[0], "1040:HELLO;CREATE r:droid:svc;");
    star_close(&s);
}

/* droid answers while audio cannot be told: HELLO has just come from there, and ours finds no buffer.
 * What droid sends at once waits for audio's ACK. */
static void data_before_the_other_end_is_told(void **state)
{
    struct star s;

    (void)state;
    star_nuttx(&s);
    peer_create(s.edge[0], "r:droid:svc", 1100);
    star_settle(&s);
    assert_peer_said(s.edge[1], "CREATE r:audio:svc;");
    s.edge[0]->wire->n_free = 0;
    peer_hello(s.edge[0], 1040, "router:droid");
    star_settle(&s);
    peer_ack(s.edge[1], "r:audio:svc", 1200);
    peer_send(s.edge[1], 1, "r:audio:svc", "one");
    peer_send(s.edge[1], 1, "r:audio:svc", "two");
    star_settle(&s);
    assert_peer_said(s.edge[0], "");
    for (uint32_t i = 0; i < 16; i++)
        s.edge[0]->wire->free[s.edge[0]->wire->n_free++] = i;
    star_pass_ms(&s, 10);
    assert_peer_said(s.edge[0], "1040:HELLO;ACK r:droid:svc;1100:one;1100:two;");
    assert_int_equal(routes_of(s.ap, "svc", NULL).dropped, 0);
    star_close(&s);
}

/* What one of ours says about routes before it answers CREATE belongs to the session before. */
static void hub_ignores_what_is_older_than_hello(void **state)
{
    struct star s;

    (void)state;
    star_nuttx(&s);
    peer_hello(s.edge[0], 1040, star_control[0]);
    star_settle(&s);
    (void)peer_said(s.edge[0]);
    peer_down(s.edge[1]);
    peer_up(s.edge[1], RPR_DIALECT_NUTTX);
    star_settle(&s);
    (void)peer_said(s.edge[1]);
    peer_ack(s.edge[1], star_control[1], 1042);
    star_settle(&s);
    assert_peer_said(s.edge[0], "1040:DESTROY;1040:CREATE;");
    (void)peer_said(s.edge[1]);
    peer_create(s.edge[0], "r:droid:old", 1060);
    star_settle(&s);
    assert_peer_said(s.edge[1], "");
    peer_hello(s.edge[0], 1040, star_control[0]);
    peer_create(s.edge[0], "r:droid:new", 1061);
    star_settle(&s);
    assert_peer_said(s.edge[0], "1040:HELLO;");
    assert_peer_said(s.edge[1], "CREATE r:audio:new;");
    star_close(&s);
}

/* So does what it said of its power: the edge of the next session has not said that it sleeps. */
static void power_ends_with_its_session(void **state)
{
    struct star s;

    (void)state;
    star_nuttx(&s);
    peer_hello(s.edge[0], 1040, star_control[0]);
    star_settle(&s);
    (void)peer_said(s.edge[0]);
    peer_down(s.edge[1]);
    peer_up(s.edge[1], RPR_DIALECT_NUTTX);
    star_settle(&s);
    (void)peer_said(s.edge[1]);
    peer_ack(s.edge[1], star_control[1], 1042);
    star_settle(&s);
    assert_peer_said(s.edge[0], "1040:DESTROY;1040:CREATE;");
    assert_peer_said(s.edge[1], "1042:CREATE;");
    peer_router(s.edge[0], 1040, star_control[0], (struct router_message){.cmd = ROUTER_SUSPEND});
    peer_hello(s.edge[0], 1040, star_control[0]);
    star_settle(&s);
    assert_peer_said(s.edge[1], "");
    peer_router(s.edge[0], 1040, star_control[0], (struct router_message){.cmd = ROUTER_SUSPEND});
    star_settle(&s);
    assert_peer_said(s.edge[1], "1042:SUSPEND;");
    star_close(&s);
}

/* The same where a session ended before the hub had read its first HELLO: that is none for the next. */
static void hub_knows_which_create_a_hello_answers(void **state)
{
    struct star s;

    (void)state;
    star_nuttx(&s);
    for (unsigned i = 0; i < 2; i++) { /* the other edge comes and goes twice */
        peer_down(s.edge[1]);
        peer_up(s.edge[1], RPR_DIALECT_NUTTX);
        star_settle(&s);
        (void)peer_said(s.edge[1]);
        peer_ack(s.edge[1], star_control[1], 1042 + i);
        star_settle(&s);
        assert_peer_said(s.edge[0], "1040:DESTROY;1040:CREATE;");
        (void)peer_said(s.edge[1]);
    }
    peer_hello_to(s.edge[0], 1040, star_control[0], 1);
    peer_create(s.edge[0], "r:droid:first", 1060);
    peer_hello_to(s.edge[0], 1040, star_control[0], 2);
    peer_create(s.edge[0], "r:droid:second", 1061);
    star_settle(&s);
    assert_peer_said(s.edge[1], "");
    assert_peer_said(s.edge[0], "1040:HELLO;1040:HELLO;");
    peer_hello_to(s.edge[0], 1040, star_control[0], 3);
    peer_create(s.edge[0], "r:droid:third", 1062);
    star_settle(&s);
    assert_peer_said(s.edge[0], "1040:HELLO;");
    assert_peer_said(s.edge[1], "CREATE r:audio:third;");
    star_close(&s);
}

/* Only who has said HELLO: 20 bytes are what NuttX expects. */
static void hub_numbers_create_for_its_own(void **state)
{
    struct star s;
    struct wire_message m = {0};

    (void)state;
    star_nuttx(&s);
    peer_hello_to(s.edge[0], 1040, star_control[0], 1);
    star_settle(&s);
    for (unsigned i = 0; i < 2; i++)
        (void)peer_said(s.edge[i]);
    rpr_link_down(&s.edge[1]->wire->link, "lost");
    star_settle(&s);
    (void)peer_said(s.edge[0]);
    peer_up(s.edge[1], RPR_DIALECT_NUTTX);
    star_settle(&s);
    (void)peer_said(s.edge[1]);
    peer_ack(s.edge[1], star_control[1], 1042);
    star_settle(&s);
    assert_true(wire_get(s.edge[0]->wire, &m, true));
    assert_int_equal(m.len, 24);
    assert_int_equal(get_le32(m.data + 20), 2);
    assert_true(wire_get(s.edge[1]->wire, &m, true));
    assert_int_equal(m.len, 20);
    star_close(&s);
}

/* An unknown command is ignored; one that is too short ends that control endpoint and nothing else. */
static void hub_survives_odd_messages(void **state)
{
    struct star s;
    const uint8_t unknown[ROUTER_BYTES] = {99};

    (void)state;
    star_nuttx(&s);
    wire_put(s.edge[0]->wire, 1040, peer_addr(s.edge[0], star_control[0]), unknown, sizeof unknown);
    peer_router(s.edge[0], 1040, star_control[0], (struct router_message){.cmd = ROUTER_CREATE});
    peer_router(s.edge[0], 1040, star_control[0], (struct router_message){.cmd = ROUTER_SUSPEND});
    star_settle(&s); /* of an edge that is not ours, SUSPEND means nothing */
    assert_peer_said(s.edge[0], "");
    assert_peer_said(s.edge[1], "");
    wire_put(s.edge[0]->wire, 1040, peer_addr(s.edge[0], star_control[0]), unknown, 3);
    star_settle(&s);
    assert_peer_said(s.edge[0], "DESTROY router:droid;");
    assert_peer_said(s.edge[1], "1041:DESTROY;");
    assert_int_equal(rpr_device_state(device_of(s.ap, "audio")), RPR_DEVICE_UP);
    peer_down(s.edge[0]);
    peer_up(s.edge[0], RPR_DIALECT_NUTTX);
    star_settle(&s);
    assert_peer_said(s.edge[0], "CREATE router:droid;");
    peer_ack(s.edge[0], star_control[0], 1044);
    star_settle(&s);
    assert_peer_said(s.edge[0], "1044:CREATE;");
    assert_peer_said(s.edge[1], "1041:CREATE;");
    star_close(&s);
}

/* A name that only begins like that of the other CPU is not its: "cp" and "cp2" (H-21). */
static void field_4_1_names_are_matched_whole(void **state)
{
    struct net net;
    struct rpr_hub *hub;
    struct rpr_node *ap;
    struct peer *p[3];
    static const char *const cpu[3] = {"cp", "cp2", "x"};

    (void)state;
    net_init(&net);
    ap = net_node(&net, "ap");
    assert_int_equal(rpr_hub_open(ap, &hub), 0);
    assert_int_equal(rpr_hub_pair_add(hub, &(struct rpr_pair_config){0}), 0);
    for (unsigned i = 0; i < 3; i++) {
        p[i] = peer_new(&net, ap, cpu[i]);
        peer_up(p[i], RPR_DIALECT_NUTTX);
    }
    (void)net_settle(&net);
    for (unsigned i = 0; i < 3; i++) {
        (void)peer_said(p[i]);
        for (unsigned j = 0; j < 3; j++) {
            char name[ROUTER_NAME_BYTES];

            (void)router_control_name(name, cpu[j]);
            if (j != i)
                peer_ack(p[i], name, 1040 + j);
        }
    }
    (void)net_settle(&net);
    for (unsigned i = 0; i < 3; i++)
        (void)peer_said(p[i]);
    peer_create(p[2], "r:cp2:svc", 1050);
    peer_create(p[2], "r:cp:svc2", 1051);
    peer_create(p[2], "r:cp", 1052);    /* an ordinary name of the link */
    peer_create(p[2], "r:cp3:s", 1053); /* of nobody we join */
    (void)net_settle(&net);
    assert_peer_said(p[0], "CREATE r:x:svc2;");
    assert_peer_said(p[1], "CREATE r:x:svc;");
    assert_int_equal(n_routes(ap), 2);
    rpr_hub_close(hub);
    assert_net_closed(&net);
    for (unsigned i = 0; i < 3; i++)
        peer_free(p[i]);
}

/* ---- the edge --------------------------------------------------------------------------------- */

struct lone {
    struct net net;
    struct rpr_node *audio;
    struct rpr_edge *edge;
    struct peer *hub;
};

static void lone_init(struct lone *l)
{
    memset(l, 0, sizeof *l);
    net_init(&l->net);
    l->audio = net_node(&l->net, "audio");
    assert_int_equal(rpr_edge_open(l->audio, &l->edge), 0);
    l->hub = peer_new(&l->net, l->audio, "ap");
}

static void lone_announced(struct lone *l)
{
    peer_up(l->hub, RPR_DIALECT_NUTTX);
    peer_create(l->hub, "router:droid", 1024);
    (void)net_settle(&l->net);
    assert_peer_said(l->hub, "ACK router:droid;");
}

static void hub_creates(struct lone *l, uint32_t tx_len, uint32_t rx_len)
{
    peer_router(l->hub, 1024, "router:droid",
                (struct router_message){
                    .cmd = ROUTER_CREATE, .tx_len = tx_len, .rx_len = rx_len, .cpuname = "audio"});
    (void)net_settle(&l->net);
}

static void hub_commands(struct lone *l, enum router_cmd cmd)
{
    peer_router(l->hub, 1024, "router:droid", (struct router_message){.cmd = cmd});
    (void)net_settle(&l->net);
}

static void lone_created(struct lone *l)
{
    lone_init(l);
    lone_announced(l);
    hub_creates(l, 400, 300);
    assert_peer_said(l->hub, "1024:HELLO;");
}

static void lone_close(struct lone *l)
{
    rpr_edge_close(l->edge);
    assert_net_closed(&l->net);
    peer_free(l->hub);
}

static void edge_speaks_the_vectors(void **state)
{
    static const uint8_t hello[ROUTER_BYTES] = {5, 0, 0, 0, 'R', 'P', 'R', '1', 1,
                                                0, 0, 0, 1, 0,   0,   0,   1};
    struct lone l;
    struct ept ping;
    struct rpr_device_info info;
    uint32_t control, svc;
    uint8_t garbage[ROUTER_BYTES];

    (void)state;
    lone_init(&l);
    ping = (struct ept)EPT(&l.net.w, "ping");
    peer_up_as(l.hub,
               (struct peer_config){.dialect = RPR_DIALECT_NUTTX, .tx_len = 2008, .rx_len = 2008});
    put_ns_bytes(l.hub, vector_r1);
    (void)net_settle(&l.net);
    control = assert_ns_bytes(l.hub, vector_r2);
    wire_put(l.hub->wire, 1024, control, vector_r3, sizeof vector_r3);
    (void)net_settle(&l.net);
    assert_bytes(l.hub, control, 1024, hello, sizeof hello);
    assert_peer_said(l.hub, "");
    rpr_device_info(device_of(l.audio, "droid"), &info);
    assert_int_equal(info.kind, RPR_DEVICE_ROUTED);
    assert_int_equal(info.state, RPR_DEVICE_UP);
    assert_int_equal(info.tx_len, 1520);
    assert_int_equal(info.rx_len, 2008);
    assert_string_equal(info.via, "ap");

    ept_open(&ping, device_of(l.audio, "droid"), "rpmsg-ping");
    (void)net_settle(&l.net);
    svc = assert_ns_bytes(l.hub, vector_r8);
    put_ns_bytes(l.hub, vector_r11);
    (void)net_settle(&l.net);
    assert_events(&l.net.w, "ping:bound 1029;");
    assert_int_equal(ept_send(&ping, "hi"), 0);
    assert_bytes(l.hub, svc, 1029, vector_r13 + 16, 2); /* our own address, as WIRE 8 has it */
    wire_text(l.hub->wire, 4242, svc, "yes");
    (void)net_settle(&l.net);
    assert_events(&l.net.w, "ping:rx yes;");

    memset(garbage, 0xa5, sizeof garbage); /* what NuttX leaves behind the command */
    put_le32(garbage, ROUTER_SUSPEND);
    wire_put(l.hub->wire, 1024, control, garbage, sizeof garbage);
    (void)net_settle(&l.net);
    assert_int_equal(rpr_device_state(device_of(l.audio, "droid")), RPR_DEVICE_SUSPENDED);
    put_le32(garbage, ROUTER_RESUME);
    wire_put(l.hub->wire, 1024, control, garbage, sizeof garbage);
    (void)net_settle(&l.net);
    assert_int_equal(rpr_device_state(device_of(l.audio, "droid")), RPR_DEVICE_UP);
    assert_events(&l.net.w, "");
    put_le32(garbage, ROUTER_DESTROY);
    wire_put(l.hub->wire, 1024, control, garbage, sizeof garbage);
    (void)net_settle(&l.net);
    assert_int_equal(rpr_device_state(device_of(l.audio, "droid")), RPR_DEVICE_DOWN);
    assert_events(&l.net.w, "ping:unbound lost;");
    lone_close(&l);
}

/* HELLO: once for each CREATE, and before anything about routes. */
static void edge_says_hello_first_and_once(void **state)
{
    struct lone l;
    struct ept e;

    (void)state;
    lone_created(&l);
    e = (struct ept)EPT(&l.net.w, "e");
    ept_open(&e, device_of(l.audio, "droid"), "svc");
    (void)net_settle(&l.net);
    assert_peer_said(l.hub, "CREATE r:droid:svc;");
    hub_commands(&l, ROUTER_DESTROY);
    assert_peer_said(l.hub, "");
    hub_creates(&l, 400, 300);
    assert_peer_said(l.hub, "1024:HELLO;CREATE r:droid:svc;");
    net_pass(&l.net, S(20));
    assert_peer_said(l.hub, "");
    lone_close(&l);
}

/* CREATEs are counted, and a number says that one was missed: what it began has ended meanwhile. */
static void edge_says_which_create_it_answers(void **state)
{
    static const uint32_t numbers[] = {0, 0, 7, 7, 9, 0};
    static const uint32_t answers[] = {1, 2, 7, 7, 9, 10};
    struct lone l;
    struct ept e;

    (void)state;
    lone_init(&l);
    peer_up_as(l.hub,
               (struct peer_config){.dialect = RPR_DIALECT_NUTTX, .tx_len = 2008, .rx_len = 2008});
    put_ns_bytes(l.hub, vector_r1);
    (void)net_settle(&l.net);
    (void)peer_said(l.hub);
    e = (struct ept)EPT(&l.net.w, "e");
    for (unsigned i = 0; i < 6; i++) {
        struct wire_message m = {0};

        peer_router(l.hub, 1024, "router:droid",
                    (struct router_message){.cmd = ROUTER_CREATE,
                                            .tx_len = 100,
                                            .rx_len = 100,
                                            .cpuname = "audio",
                                            .session = numbers[i]});
        (void)net_settle(&l.net);
        assert_true(wire_get(l.hub->wire, &m, true));
        assert_int_equal(m.len, 20);
        assert_int_equal(get_le32(m.data), ROUTER_HELLO);
        assert_int_equal(get_le32(m.data + 16), answers[i]);
        if (i == 0)
            ept_open(&e, device_of(l.audio, "droid"), "svc");
        (void)net_settle(&l.net);
        /* announced again: the device was down in between */
        assert_peer_said(l.hub, i == 0 || i == 2 || i == 4 ? "CREATE r:droid:svc;" : "");
    }
    lone_close(&l);
}

/* The same where the link takes nothing at that moment. */
static void hello_waits_for_a_buffer(void **state)
{
    struct lone l;
    struct ept e, other;
    struct wire_message m;

    (void)state;
    lone_init(&l);
    e = (struct ept)EPT(&l.net.w, "e");
    other = (struct ept)EPT(&l.net.w, "other");
    lone_announced(&l);
    ept_open(&other, device_of(l.audio, "ap"), "other");
    (void)net_settle(&l.net);
    assert_peer_said(l.hub, "CREATE other;");
    peer_ack(l.hub, "other", 1099);
    (void)net_settle(&l.net);
    l.hub->wire->n_free = 0; /* all in use */
    hub_creates(&l, 400, 300);
    assert_null(rpr_device_find(l.audio, "droid"));
    l.hub->wire->free[l.hub->wire->n_free++] = 7;
    l.hub->wire->free[l.hub->wire->n_free++] = 8;
    net_pass(&l.net, MS(10));
    ept_open(&e, device_of(l.audio, "droid"), "svc");
    (void)net_settle(&l.net);
    assert_true(wire_get(l.hub->wire, &m, true));
    assert_int_equal(get_le32(m.data), ROUTER_HELLO);
    net_pass(&l.net, MS(10));
    assert_peer_said(l.hub, "CREATE r:droid:svc;");
    lone_close(&l);
}

static bool show_announcement(void *ctx, const char *name, uint32_t addr)
{
    struct world *w = ctx;

    note(w, "%s from %u;", name, (unsigned)addr);
    return true;
}

static void assert_announced(struct lone *l, const char *device, const char *expected)
{
    rpr_device_announcements(device_of(l->audio, device), show_announcement, &l->net.w);
    assert_events(&l->net.w, expected);
}

/* The hub goes on after CREATE: it cannot know that HELLO waits, nor need it be one that cares. */
static void announced_while_hello_waits(void **state)
{
    struct lone l;
    struct ept e;

    (void)state;
    lone_init(&l);
    e = (struct ept)EPT(&l.net.w, "e");
    lone_announced(&l);
    l.hub->wire->n_free = 0; /* all in use */
    hub_creates(&l, 400, 300);
    peer_create(l.hub, "r:droid:svc", 1100);
    peer_create(l.hub, "r:droid:gone", 1101);
    peer_create(l.hub, "r:other:svc", 1102);
    peer_destroy(l.hub, "r:droid:gone", 1101);
    (void)net_settle(&l.net);
    for (uint32_t i = 0; i < 8; i++)
        l.hub->wire->free[l.hub->wire->n_free++] = i;
    net_pass(&l.net, MS(10));
    assert_peer_said(l.hub, "1024:HELLO;");
    assert_announced(&l, "droid", "svc from 1100;");
    assert_announced(&l, "ap", "r:other:svc from 1102;");
    ept_open(&e, device_of(l.audio, "droid"), "svc");
    (void)net_settle(&l.net);
    assert_events(&l.net.w, "e:bound 1100;");
    assert_peer_said(l.hub, "ACK r:droid:svc;");

    hub_commands(&l, ROUTER_DESTROY); /* once more, with somebody who waits for it */
    assert_events(&l.net.w, "e:unbound lost;");
    l.hub->wire->n_free = 0;
    hub_creates(&l, 400, 300);
    peer_create(l.hub, "r:droid:svc", 1103);
    (void)net_settle(&l.net);
    assert_events(&l.net.w, "");
    for (uint32_t i = 0; i < 8; i++)
        l.hub->wire->free[l.hub->wire->n_free++] = i;
    net_pass(&l.net, MS(10));
    assert_events(&l.net.w, "e:bound 1103;");
    assert_peer_said(l.hub, "1024:HELLO;ACK r:droid:svc;");
    lone_close(&l);
}

/* What was announced in a session that ended before its device was there is void. */
static void ended_while_hello_waits(void **state)
{
    struct lone l;

    (void)state;
    lone_init(&l);
    lone_announced(&l);
    l.hub->wire->n_free = 0; /* all in use */
    hub_creates(&l, 400, 300);
    peer_create(l.hub, "r:droid:svc", 1100);
    hub_commands(&l, ROUTER_DESTROY);
    assert_announced(&l, "ap", "");
    for (uint32_t i = 0; i < 8; i++)
        l.hub->wire->free[l.hub->wire->n_free++] = i;
    net_pass(&l.net, MS(10));
    hub_creates(&l, 400, 300);
    assert_peer_said(l.hub, "1024:HELLO;");
    assert_announced(&l, "droid", "");
    lone_close(&l);
}

/* A NuttX edge registers twice and asserts; ours takes the second CREATE as an update. */
static void field_4_6_second_create_is_an_update(void **state)
{
    struct lone l;
    struct ept e;
    struct rpr_device_info info;

    (void)state;
    lone_created(&l);
    e = (struct ept)EPT(&l.net.w, "e");
    ept_open(&e, device_of(l.audio, "droid"), "svc");
    (void)net_settle(&l.net);
    (void)peer_said(l.hub);
    peer_ack(l.hub, "r:droid:svc", 1070);
    (void)net_settle(&l.net);
    assert_events(&l.net.w, "e:bound 1070;");
    hub_creates(&l, 2, 300);
    rpr_device_info(device_of(l.audio, "droid"), &info);
    assert_int_equal(info.tx_len, 2);
    assert_int_equal(info.session, 1);
    assert_events(&l.net.w, "");
    assert_int_equal(ept_send(&e, "123"), -RPR_EMSGSIZE);
    assert_int_equal(ept_send(&e, "12"), 0);
    assert_peer_said(l.hub, "1024:HELLO;1070:12;");
    lone_close(&l);
}

/* DESTROY of what was never made, or is gone already. */
static void field_3_8_destroy_of_nobody_is_no_error(void **state)
{
    struct lone l;

    (void)state;
    lone_init(&l);
    lone_announced(&l);
    hub_commands(&l, ROUTER_DESTROY);
    assert_null(rpr_device_find(l.audio, "droid"));
    hub_creates(&l, 400, 300);
    assert_int_equal(rpr_device_state(device_of(l.audio, "droid")), RPR_DEVICE_UP);
    for (unsigned i = 0; i < 2; i++) {
        hub_commands(&l, ROUTER_DESTROY);
        assert_int_equal(rpr_device_state(device_of(l.audio, "droid")), RPR_DEVICE_DOWN);
    }
    hub_creates(&l, 400, 300);
    assert_int_equal(rpr_device_state(device_of(l.audio, "droid")), RPR_DEVICE_UP);
    assert_peer_said(l.hub, "1024:HELLO;1024:HELLO;"); /* and nothing is closed */
    lone_close(&l);
}

/* Too short: that control endpoint ends, with its device; the link stays, and the next one works. */
static void field_4_5_edge_closes_what_is_too_short(void **state)
{
    static const uint8_t create[ROUTER_BYTES] = {ROUTER_CREATE, 0, 0, 0, 100, 0, 0, 0, 100};
    static const uint8_t lengths[] = {0, 2, 4, ROUTER_BYTES - 1};
    struct lone l;

    (void)state;
    lone_created(&l);
    for (unsigned i = 0; i < sizeof lengths; i++) {
        wire_put(l.hub->wire, 1024 + i, peer_addr(l.hub, "router:droid"), create, lengths[i]);
        (void)net_settle(&l.net);
        assert_peer_said(l.hub, "DESTROY router:droid;");
        assert_int_equal(rpr_device_state(device_of(l.audio, "droid")), RPR_DEVICE_DOWN);
        assert_int_equal(rpr_device_state(device_of(l.audio, "ap")), RPR_DEVICE_UP);
        peer_create(l.hub, "router:droid", 1025 + i);
        (void)net_settle(&l.net);
        assert_peer_said(l.hub, "ACK router:droid;");
        wire_put(l.hub->wire, 1025 + i, peer_addr(l.hub, "router:droid"), create, sizeof create);
        (void)net_settle(&l.net);
        assert_int_equal(rpr_device_state(device_of(l.audio, "droid")), RPR_DEVICE_UP);
        (void)peer_said(l.hub);
    }
    lone_close(&l);
}

/* A NuttX edge asserts at SUSPEND and RESUME before CREATE, and takes any other command for CREATE. */
static void field_4_9_edge_asserts_nothing_of_a_hub(void **state)
{
    struct lone l;
    const uint8_t unknown[ROUTER_BYTES] = {0xee};

    (void)state;
    lone_init(&l);
    lone_announced(&l);
    hub_commands(&l, ROUTER_SUSPEND);
    hub_commands(&l, ROUTER_RESUME);
    wire_put(l.hub->wire, 1024, peer_addr(l.hub, "router:droid"), unknown, sizeof unknown);
    (void)net_settle(&l.net);
    assert_null(rpr_device_find(l.audio, "droid"));
    assert_peer_said(l.hub, "");
    hub_creates(&l, 400, 300);
    assert_int_equal(rpr_device_state(device_of(l.audio, "droid")), RPR_DEVICE_UP);
    lone_close(&l);
}

/* What has been seen (H-22), and what the link takes. */
static void field_4_10_sizes_are_clamped(void **state)
{
    struct lone l;
    struct ept e;
    struct rpr_device_info info;
    uint8_t data[497] = {0};

    (void)state;
    lone_init(&l);
    lone_announced(&l);
    hub_creates(&l, 0xFFFFF82E, 0);
    rpr_device_info(device_of(l.audio, "droid"), &info);
    assert_int_equal(info.tx_len, 496);
    assert_int_equal(info.rx_len, 496);
    e = (struct ept)EPT(&l.net.w, "e");
    ept_open(&e, device_of(l.audio, "droid"), "svc");
    (void)net_settle(&l.net);
    peer_ack(l.hub, "r:droid:svc", 1070);
    (void)net_settle(&l.net);
    assert_events(&l.net.w, "e:bound 1070;");
    assert_int_equal(rpr_send(e.h, data, 497, 0), -RPR_EMSGSIZE);
    assert_int_equal(rpr_send(e.h, data, 496, 0), 0);
    hub_creates(&l, 497, 1);
    rpr_device_info(device_of(l.audio, "droid"), &info);
    assert_int_equal(info.tx_len, 496);
    assert_int_equal(info.rx_len, 1);
    lone_close(&l);
}

/* A hub that has restarted without a word announces itself from another address. */
static void control_endpoint_from_a_new_address(void **state)
{
    struct lone l;
    struct ept e;

    (void)state;
    lone_created(&l);
    e = (struct ept)EPT(&l.net.w, "e");
    ept_open(&e, device_of(l.audio, "droid"), "svc");
    (void)net_settle(&l.net);
    (void)peer_said(l.hub);
    peer_ack(l.hub, "r:droid:svc", 1070);
    (void)net_settle(&l.net);
    assert_events(&l.net.w, "e:bound 1070;");
    peer_create(l.hub, "router:droid", 1100);
    (void)net_settle(&l.net);
    assert_events(&l.net.w, "e:unbound lost;"); /* all that belonged to the old one is gone */
    (void)peer_said(l.hub);
    peer_router(l.hub, 1100, "router:droid",
                (struct router_message){
                    .cmd = ROUTER_CREATE, .tx_len = 400, .rx_len = 400, .cpuname = "audio"});
    (void)net_settle(&l.net);
    assert_peer_said(l.hub, "1100:HELLO;CREATE r:droid:svc;");
    peer_destroy(l.hub, "router:droid", 1024); /* late: of the old one */
    (void)net_settle(&l.net);
    assert_int_equal(rpr_device_state(device_of(l.audio, "droid")), RPR_DEVICE_UP);
    peer_destroy(l.hub, "router:droid", 1100);
    (void)net_settle(&l.net);
    assert_int_equal(rpr_device_state(device_of(l.audio, "droid")), RPR_DEVICE_DOWN);
    lone_close(&l);
}

static void close_the_others(struct ept *e)
{
    struct ept *all = e->more;

    for (unsigned i = 0; i < 3; i++)
        if (&all[i] != e)
            (void)rpr_ept_close(all[i].h);
}

/* The hub goes, with routed endpoints that close each other when they hear it: NuttX walks on from a
 * freed one. By the end of the link, and by DESTROY of the control endpoint. */
static void walkthrough_b2_endpoints_close_each_other(void **state)
{
    static const char *const names[3] = {"a", "b", "c"};

    (void)state;
    for (unsigned how = 0; how < 3; how++) {
        struct lone l;
        struct ept e[3];

        lone_created(&l);
        for (unsigned i = 0; i < 3; i++) {
            e[i] = (struct ept)EPT(&l.net.w, names[i]);
            e[i].more = e;
            e[i].on_unbound = close_the_others;
            ept_open(&e[i], device_of(l.audio, "droid"), names[i]);
        }
        (void)net_settle(&l.net);
        (void)peer_said(l.hub);
        peer_ack(l.hub, "r:droid:a", 1071);
        peer_ack(l.hub, "r:droid:b", 1072);
        peer_ack(l.hub, "r:droid:c", 1073);
        (void)net_settle(&l.net);
        assert_events(&l.net.w, "a:bound 1071;b:bound 1072;c:bound 1073;");
        if (how == 0)
            peer_down(l.hub);
        else if (how == 1)
            peer_destroy(l.hub, "router:droid", 1024);
        else
            hub_commands(&l, ROUTER_DESTROY);
        (void)net_settle(&l.net);
        assert_events(&l.net.w, "a:unbound lost;b:closed;c:closed;");
        lone_close(&l);
        assert_events(&l.net.w, "a:closed;");
    }
}

/* More than 21 bytes cannot be carried: refused, not cut, and nothing is sent. */
static void field_4_2_too_long_a_name_is_refused(void **state)
{
    struct lone l;
    struct ept e;
    struct rpr_ept_config config = {.name = "a234567890123456789012", /* 22 */
                                    .addr = RPR_ADDR_ANY,
                                    .dest = RPR_ADDR_ANY};

    (void)state;
    lone_created(&l);
    e = (struct ept)EPT(&l.net.w, "e");
    assert_int_equal(ept_open_as(&e, device_of(l.audio, "droid"), config), -RPR_ENAMETOOLONG);
    (void)net_settle(&l.net);
    assert_peer_said(l.hub, "");
    config.name = "a23456789012345678901";
    assert_int_equal(ept_open_as(&e, device_of(l.audio, "droid"), config), 0);
    (void)net_settle(&l.net);
    assert_peer_said(l.hub, "CREATE r:droid:a23456789012345678901;");
    lone_close(&l);
}

/* To a NuttX hub an edge says HELLO and nothing else; one of ours hears of power. */
static void power_goes_only_to_a_hub_of_ours(void **state)
{
    struct lone l;

    (void)state;
    lone_created(&l);
    assert_int_equal(rpr_device_power(device_of(l.audio, "droid"), false), -RPR_ENOTSUP);
    assert_peer_said(l.hub, "");
    peer_hello(l.hub, 1024, "router:droid");
    (void)net_settle(&l.net);
    assert_int_equal(rpr_device_power(device_of(l.audio, "droid"), false), 0);
    assert_int_equal(rpr_device_power(device_of(l.audio, "droid"), true), 0);
    assert_peer_said(l.hub, "1024:SUSPEND;1024:RESUME;");
    l.hub->wire->n_free = 0;
    for (unsigned i = 0; i < 1000; i++)
        assert_int_equal(rpr_device_power(device_of(l.audio, "droid"), i & 1), 0);
    assert_int_equal(rpr_device_power(device_of(l.audio, "droid"), false), 0);
    l.hub->wire->free[l.hub->wire->n_free++] = 0;
    l.hub->wire->free[l.hub->wire->n_free++] = 1;
    net_pass(&l.net, MS(20));
    assert_peer_said(l.hub, "1024:SUSPEND;"); /* the last state wins */
    lone_close(&l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hub_speaks_the_vectors),
        cmocka_unit_test(hub_forwards_the_longest_name),
        cmocka_unit_test(field_3_7_power_is_told_to_who_is_ready),
        cmocka_unit_test(hub_says_hello_only_to_who_said_it),
        cmocka_unit_test(hub_says_hello_before_routes),
        cmocka_unit_test(data_before_the_other_end_is_told),
        cmocka_unit_test(hub_ignores_what_is_older_than_hello),
        cmocka_unit_test(power_ends_with_its_session),
        cmocka_unit_test(hub_knows_which_create_a_hello_answers),
        cmocka_unit_test(hub_numbers_create_for_its_own),
        cmocka_unit_test(hub_survives_odd_messages),
        cmocka_unit_test(field_4_1_names_are_matched_whole),
        cmocka_unit_test(edge_speaks_the_vectors),
        cmocka_unit_test(edge_says_hello_first_and_once),
        cmocka_unit_test(edge_says_which_create_it_answers),
        cmocka_unit_test(hello_waits_for_a_buffer),
        cmocka_unit_test(announced_while_hello_waits),
        cmocka_unit_test(ended_while_hello_waits),
        cmocka_unit_test(field_4_6_second_create_is_an_update),
        cmocka_unit_test(field_3_8_destroy_of_nobody_is_no_error),
        cmocka_unit_test(field_4_5_edge_closes_what_is_too_short),
        cmocka_unit_test(field_4_9_edge_asserts_nothing_of_a_hub),
        cmocka_unit_test(field_4_10_sizes_are_clamped),
        cmocka_unit_test(control_endpoint_from_a_new_address),
        cmocka_unit_test(walkthrough_b2_endpoints_close_each_other),
        cmocka_unit_test(field_4_2_too_long_a_name_is_refused),
        cmocka_unit_test(power_goes_only_to_a_hub_of_ours),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
