/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the hub does with messages for an edge that takes none: the four policies, quotas of routes
 * and of pairs, and that nobody else notices.
 */
#include "router_fixture.h"

#define AUDIO (s.edge[0])
#define DROID (s.edge[1])

/* ---- senders that know no credit ---------------------------------------------------------------- */

/* audio and droid joined by "svc"; droid takes nothing any more. */
static void star_stopped(struct star *s, struct rpr_pair_config config)
{
    star_init(s, config);
    star_up(s, RPR_DIALECT_NUTTX, RPR_DIALECT_NUTTX);
    peer_create(s->edge[0], "r:droid:svc", 1100);
    peer_create(s->edge[1], "r:audio:svc", 1200);
    star_settle(s);
    (void)peer_said(s->edge[0]);
    (void)peer_said(s->edge[1]);
    s->edge[1]->wire->n_free = 0;
}

static void send_numbers(struct star *s, const char *name, unsigned from, unsigned to)
{
    char text[16];

    for (unsigned i = from; i < to; i++) {
        snprintf(text, sizeof text, "%u", i);
        peer_send(s->edge[0], 1, name, text);
    }
    star_settle(s);
}

/* sent = forwarded + dropped + parked, as the hub shows it. */
static void assert_sum(struct star *s, const char *service, unsigned sent, unsigned parked,
                       unsigned dropped)
{
    struct route_count c = routes_of(s->ap, service, "audio");

    assert_int_equal(c.parked, parked);
    assert_int_equal(c.dropped, dropped);
    assert_int_equal(c.forwarded + c.dropped + c.parked, sent);
}

static void droid_goes_on(struct star *s)
{
    for (unsigned i = 0; i < 200; i++)
        s->edge[1]->wire->free[s->edge[1]->wire->n_free++] = i;
    star_pass_ms(s, 6);
}

static void drop_newest_keeps_the_first(void **state)
{
    struct star s;

    (void)state;
    star_stopped(&s, (struct rpr_pair_config){.quota = 6});
    assert_int_equal(routes_of(s.ap, "svc", "audio").policy, RPR_POLICY_DROP_NEWEST);
    send_numbers(&s, "r:droid:svc", 0, 10);
    assert_sum(&s, "svc", 10, 6, 4);
    droid_goes_on(&s);
    assert_peer_said(DROID, "1200:0;1200:1;1200:2;1200:3;1200:4;1200:5;");
    assert_sum(&s, "svc", 10, 0, 4);
    send_numbers(&s, "r:droid:svc", 10, 12);
    assert_peer_said(DROID, "1200:10;1200:11;");
    assert_sum(&s, "svc", 12, 0, 4);
    star_close(&s);
}

static void drop_oldest_keeps_the_last(void **state)
{
    struct star s;

    (void)state;
    star_stopped(&s, (struct rpr_pair_config){.policy = RPR_POLICY_DROP_OLDEST, .quota = 6});
    assert_int_equal(routes_of(s.ap, "svc", "audio").policy, RPR_POLICY_DROP_OLDEST);
    send_numbers(&s, "r:droid:svc", 0, 10);
    assert_sum(&s, "svc", 10, 6, 4);
    droid_goes_on(&s);
    assert_peer_said(DROID, "1200:4;1200:5;1200:6;1200:7;1200:8;1200:9;");
    assert_sum(&s, "svc", 10, 0, 4);
    star_close(&s);
}

/* Credit needs a sender that knows it. */
static void credit_towards_one_who_does_not_know_it(void **state)
{
    struct star s;

    (void)state;
    star_stopped(&s, (struct rpr_pair_config){.policy = RPR_POLICY_CREDIT, .quota = 2});
    assert_int_equal(routes_of(s.ap, "svc", "audio").policy, RPR_POLICY_DROP_NEWEST);
    send_numbers(&s, "r:droid:svc", 0, 3);
    assert_sum(&s, "svc", 3, 2, 1);
    star_close(&s);
}

/* A quota smaller than what is reserved holds all the same. */
static void quota_of_one(void **state)
{
    struct star s;

    (void)state;
    star_stopped(&s, (struct rpr_pair_config){.policy = RPR_POLICY_DROP_OLDEST, .quota = 1});
    send_numbers(&s, "r:droid:svc", 0, 5);
    assert_sum(&s, "svc", 5, 1, 4);
    droid_goes_on(&s);
    assert_peer_said(DROID, "1200:4;");
    star_close(&s);
}

/* The pair's quota bounds its routes together, beyond the four slots that each has of its own. */
static void quota_of_the_pair(void **state)
{
    struct star s;

    (void)state;
    star_init(&s, (struct rpr_pair_config){.quota = 100, .pair_quota = 8});
    star_up(&s, RPR_DIALECT_NUTTX, RPR_DIALECT_NUTTX);
    for (unsigned i = 0; i < 2; i++) {
        peer_create(AUDIO, i ? "r:droid:b" : "r:droid:a", 1100 + i);
        peer_create(DROID, i ? "r:audio:b" : "r:audio:a", 1200 + i);
    }
    star_settle(&s);
    (void)peer_said(AUDIO);
    (void)peer_said(DROID);
    for (unsigned round = 0; round < 3; round++) {
        DROID->wire->n_free = 0;
        send_numbers(&s, "r:droid:a", 0, 50);
        send_numbers(&s, "r:droid:b", 0, 50);
        assert_sum(&s, "a", 50 * (round + 1), 12, 38 * (round + 1));
        assert_sum(&s, "b", 50 * (round + 1), 4, 46 * (round + 1));
        droid_goes_on(&s);
        assert_sum(&s, "a", 50 * (round + 1), 0, 38 * (round + 1));
        (void)peer_said(DROID);
    }
    peer_destroy(AUDIO, "r:droid:a", 1100); /* the other direction has its own */
    star_settle(&s);
    (void)peer_said(DROID);
    AUDIO->wire->n_free = 0;
    for (unsigned i = 0; i < 20; i++)
        peer_send(DROID, 1, "r:audio:b", "x");
    star_settle(&s);
    assert_int_equal(routes_of(s.ap, "b", "droid").parked, 12);
    star_close(&s);
}

/* What is parked is given back to the pair when its route ends. */
static void quota_comes_back_with_the_route(void **state)
{
    struct star s;

    (void)state;
    star_stopped(&s, (struct rpr_pair_config){.quota = 100, .pair_quota = 8});
    for (unsigned i = 0; i < 5; i++) {
        send_numbers(&s, "r:droid:svc", 0, 50);
        assert_int_equal(routes_of(s.ap, "svc", "audio").parked, 12);
        peer_destroy(DROID, "r:audio:svc", 1200 + i);
        star_settle(&s);
        assert_sum(&s, "svc", 50 * (i + 1), 0, 50 * (i + 1)); /* what was parked is lost with it */
        peer_create(DROID, "r:audio:svc", 1201 + i);
        star_settle(&s);
        (void)peer_said(AUDIO);
    }
    star_close(&s);
}

/* ---- block ---------------------------------------------------------------------------------------- */

static unsigned unread(struct peer *p)
{
    return p->wire->n_in - p->wire->n_taken;
}

/* The link of the sender is left unread, for block_ms and no longer; then it loses; and when all is
 * delivered it blocks again. */
static void block_is_bounded(void **state)
{
    struct star s;
    char text[256] = "";

    (void)state;
    star_stopped(&s,
                 (struct rpr_pair_config){.policy = RPR_POLICY_BLOCK, .quota = 4, .block_ms = 50});
    for (unsigned round = 0; round < 3; round++) {
        DROID->wire->n_free = 0;
        send_numbers(&s, "r:droid:svc", 0, 10);
        assert_int_equal(unread(AUDIO), 6);
        star_pass_ms(&s, 49);
        assert_int_equal(unread(AUDIO), 6);
        assert_sum(&s, "svc", 10 * round + 4, 4, 6 * round);
        star_pass_ms(&s, 1);
        assert_int_equal(unread(AUDIO), 0);
        assert_sum(&s, "svc", 10 * (round + 1), 4, 6 * (round + 1));
        send_numbers(&s, "r:droid:svc", 10, 10); /* nothing waits now */
        droid_goes_on(&s);
        assert_peer_said(DROID, "1200:0;1200:1;1200:2;1200:3;");
    }
    DROID->wire->n_free = 0; /* within block_ms nothing is lost */
    send_numbers(&s, "r:droid:svc", 0, 10);
    star_pass_ms(&s, 40);
    droid_goes_on(&s);
    for (unsigned i = 0; i < 10; i++)
        snprintf(text + strlen(text), sizeof text - strlen(text), "1200:%u;", i);
    assert_peer_said(DROID, text);
    assert_int_equal(routes_of(s.ap, "svc", "audio").dropped, 18);
    star_pass_ms(&s, 100); /* the clock was stopped with it */
    DROID->wire->n_free = 0;
    send_numbers(&s, "r:droid:svc", 0, 5);
    assert_int_equal(unread(AUDIO), 1);
    star_close(&s);
}

/* A receiver that takes one now and then does not stretch it. */
static void block_is_bounded_for_slow_receivers(void **state)
{
    struct star s;

    (void)state;
    star_stopped(&s,
                 (struct rpr_pair_config){.policy = RPR_POLICY_BLOCK, .quota = 4, .block_ms = 50});
    DROID->wire->free[DROID->wire->n_free++] = 0; /* the last one: of no use for data */
    send_numbers(&s, "r:droid:svc", 0, 30);
    for (unsigned i = 0; i < 4; i++) {
        assert_true(unread(AUDIO) > 0);
        DROID->wire->free[DROID->wire->n_free++] = 1 + i;
        star_pass_ms(&s, 12);
    }
    star_pass_ms(&s, 2);
    assert_int_equal(unread(AUDIO), 0);
    assert_sum(&s, "svc", 30, 4, 22);
    star_close(&s);
}

/* A link that is blocked goes on when the receiver, the route or the pair goes. */
static void what_blocks_may_go(void **state)
{
    (void)state;
    for (unsigned how = 0; how < 4; how++) {
        struct star s;

        star_stopped(
            &s, (struct rpr_pair_config){.policy = RPR_POLICY_BLOCK, .quota = 4, .block_ms = 1000});
        send_numbers(&s, "r:droid:svc", 0, 10);
        assert_int_equal(unread(AUDIO), 6);
        if (how == 0)
            peer_destroy(DROID, "r:audio:svc", 1200);
        else if (how == 1)
            peer_down(DROID);
        else if (how == 2)
            assert_int_equal(rpr_hub_pair_remove(s.hub, "audio", "droid"), 0);
        else
            rpr_link_unregister(&DROID->wire->link);
        star_settle(&s);
        assert_int_equal(unread(AUDIO), 0);
        star_pass_ms(&s, 2000);
        star_close(&s);
    }
}

/* ---- senders of ours ------------------------------------------------------------------------------- */

static const struct rpr_cable_config cables = {.credit = true, .buffers = 32};

struct flow {
    struct ept from, to;
    unsigned n_sent;
    bool refused;
};

static void flow_open(struct fan *f, struct flow *x, unsigned from, unsigned to, const char *name)
{
    x->from = (struct ept)EPT(&f->net.w, "from");
    x->to = (struct ept)EPT(&f->net.w, "to");
    x->n_sent = 0;
    ept_open(&x->from, fan_device(f, from, to), name);
    assert_int_equal(
        ept_open_as(&x->to, fan_device(f, to, from),
                    (struct rpr_ept_config){
                        .name = name, .addr = RPR_ADDR_ANY, .dest = RPR_ADDR_ANY, .quota = 0}),
        0);
}

static void flow_send(struct flow *x, unsigned most)
{
    for (x->refused = false; most-- && !x->refused;) {
        int error = ept_send(&x->from, "x");

        x->refused = error == -RPR_EAGAIN;
        x->n_sent += error == 0;
    }
}

/* Messages that e0 gets to e2 in 200 rounds of all nodes but `stopped`. */
static unsigned rate(struct fan *f, struct flow *good, struct flow *bad, int stopped)
{
    unsigned before = good->to.n_rx;
    uint64_t next;

    for (unsigned r = 0; r < 200; r++) {
        flow_send(good, 20);
        if (bad)
            flow_send(bad, 20);
        for (unsigned i = 0; i < f->net.n; i++) {
            if (stopped >= 0 && f->net.node[i] == f->e[stopped])
                continue;
            next = rpr_node_poll(f->net.node[i], f->net.w.now, 0);
            (void)next;
        }
        f->net.w.now += US(10);
        f->net.w.events[0] = '\0';
    }
    return good->to.n_rx - before;
}

/* e1 is stopped for ever, e0 goes on sending to it. What e0 sends to e2, and its name service, goes
 * on as if nothing were; with credit nothing is lost, else what is lost is counted. */
static void field_4_3_others_do_not_notice(void **state)
{
    static const enum rpr_policy policies[] = {RPR_POLICY_DEFAULT, RPR_POLICY_CREDIT,
                                               RPR_POLICY_DROP_NEWEST, RPR_POLICY_DROP_OLDEST};

    (void)state;
    for (unsigned p = 0; p < 4; p++) {
        struct fan f;
        struct flow good, bad;
        struct ept late[2];
        unsigned free_rate, stopped_rate, n_allocs;
        struct route_count c;

        fan_init(&f, 3, (struct rpr_pair_config){.policy = policies[p], .quota = 16}, cables);
        flow_open(&f, &good, 0, 2, "good");
        flow_open(&f, &bad, 0, 1, "bad");
        net_pass(&f.net, MS(20));
        free_rate = rate(&f, &good, NULL, -1);
        assert_true(free_rate > 1000);
        n_allocs = f.net.w.n_allocs;
        stopped_rate = rate(&f, &good, &bad, 1);
        stopped_rate = rate(&f, &good, &bad, 1);
        assert_int_equal(f.net.w.n_allocs, n_allocs); /* steady state allocates nothing */
        assert_true(stopped_rate * 10 >= free_rate * 9);
        assert_true(good.from.n_rx == 0 && routes_of(f.ap, "good", NULL).dropped == 0);
        for (unsigned i = 0; i < 2; i++)
            late[i] = (struct ept)EPT(&f.net.w, "late");
        ept_open(&late[0], fan_device(&f, 0, 2), "late");
        ept_open(&late[1], fan_device(&f, 2, 0), "late");
        (void)rate(&f, &good, &bad, 1);
        assert_int_equal(routes_of(f.ap, "late", NULL).n_joined, 2);
        c = routes_of(f.ap, "bad", "e0");
        assert_true(c.parked <= 16);
        if (p < 2) {
            assert_int_equal(c.policy, RPR_POLICY_CREDIT);
            assert_true(bad.refused);
            assert_int_equal(c.dropped, 0);
        } else {
            assert_int_equal(c.policy, policies[p]);
            assert_true(c.dropped > 0);
        }
        net_pass(&f.net, MS(50)); /* e1 runs again */
        c = routes_of(f.ap, "bad", "e0");
        assert_int_equal(c.parked, 0);
        assert_int_equal(c.forwarded + c.dropped, bad.n_sent);
        assert_int_equal(bad.to.n_rx, c.forwarded);
        if (p < 2)
            assert_int_equal(bad.to.n_rx, bad.n_sent);
        fan_close(&f);
    }
}

/* Many routes with credit share one pair's quota, and the hub's slots: nothing is lost. */
static void credit_of_many_routes_is_lossless(void **state)
{
    enum { ROUTES = 40 };
    static struct flow x[ROUTES];
    struct fan f;
    char name[16];
    unsigned n = 0, got = 0;

    (void)state;
    fan_init(&f, 2, (struct rpr_pair_config){.a = "e0", .b = "e1", .quota = 64, .pair_quota = 100},
             cables);
    for (unsigned i = 0; i < ROUTES; i++) {
        snprintf(name, sizeof name, "s%u", i);
        flow_open(&f, &x[i], 0, 1, name);
    }
    net_pass(&f.net, MS(50));
    for (unsigned r = 0; r < 100; r++) {
        for (unsigned i = 0; i < ROUTES; i++)
            flow_send(&x[i], 10);
        (void)rpr_node_poll(f.e[0], f.net.w.now, 0);
        (void)rpr_node_poll(f.ap, f.net.w.now, 0);
        if (r % 10 == 9)
            net_pass(&f.net, MS(1));
        f.net.w.events[0] = '\0';
    }
    net_pass(&f.net, MS(50));
    for (unsigned i = 0; i < ROUTES; i++) {
        n += x[i].n_sent;
        got += x[i].to.n_rx;
        assert_int_equal(x[i].n_sent, x[i].to.n_rx);
    }
    assert_true(n > 1000);
    assert_int_equal(n, got);
    assert_int_equal(routes_of(f.ap, NULL, NULL).dropped, 0);
    assert_int_equal(routes_of(f.ap, NULL, NULL).parked, 0);
    fan_close(&f);
}

/* A message that the next hop cannot take is dropped, counted, and said once. */
static void too_long_for_the_next_hop(void **state)
{
    struct star s;
    struct peer_config wide = {.dialect = RPR_DIALECT_NUTTX};
    struct peer_config narrow = {.dialect = RPR_DIALECT_NUTTX, .tx_len = 20};

    (void)state;
    star_init(&s, (struct rpr_pair_config){0});
    peer_up_as(AUDIO, wide);
    peer_up_as(DROID, narrow);
    star_settle(&s);
    (void)peer_said(AUDIO);
    (void)peer_said(DROID);
    peer_ack(AUDIO, "router:droid", 1040);
    peer_ack(DROID, "router:audio", 1041);
    star_settle(&s);
    peer_create(AUDIO, "r:droid:svc", 1100);
    star_settle(&s);
    (void)peer_said(AUDIO);
    (void)peer_said(DROID);
    s.net.w.log[0] = '\0';
    peer_create(DROID, "r:audio:svc", 1200);
    star_settle(&s);
    (void)peer_said(AUDIO);
    peer_send(AUDIO, 1, "r:droid:svc", "123456789012345678901");
    peer_send(AUDIO, 1, "r:droid:svc", "1234567890123456789012");
    star_settle(&s);
    assert_sum(&s, "svc", 2, 0, 2);
    assert_string_equal(s.net.w.log, "route svc: message of 21 bytes dropped, droid takes 20\n");
    star_close(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(drop_newest_keeps_the_first),
        cmocka_unit_test(drop_oldest_keeps_the_last),
        cmocka_unit_test(credit_towards_one_who_does_not_know_it),
        cmocka_unit_test(quota_of_one),
        cmocka_unit_test(quota_of_the_pair),
        cmocka_unit_test(quota_comes_back_with_the_route),
        cmocka_unit_test(block_is_bounded),
        cmocka_unit_test(block_is_bounded_for_slow_receivers),
        cmocka_unit_test(what_blocks_may_go),
        cmocka_unit_test(field_4_3_others_do_not_notice),
        cmocka_unit_test(credit_of_many_routes_is_lossless),
        cmocka_unit_test(too_long_for_the_next_hop),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
