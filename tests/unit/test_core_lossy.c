/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A link that loses messages: whatever is lost, data or a word of the stack's own, is made up for, and
 * credit does not leak.
 */
#include "core_fixture.h"

struct bench {
    struct world world;
    struct rpr_node *node;
    struct wire *wire;
    struct rpr_device *device;
    struct ept x;
};

static void bench_init(struct bench *t, enum rpr_dialect dialect, bool credit, bool lossy)
{
    memset(t, 0, sizeof *t);
    world_init(&t->world);
    t->node = world_node(&t->world, "me");
    t->wire = wire_new(&t->world, t->node, "peer");
    t->wire->lossy = lossy;
    t->device = rpr_device_find(t->node, "peer");
    settle(&t->world, t->node);
    wire_up(t->wire, dialect, credit, 64);
    t->x = (struct ept)EPT(&t->world, "x");
}

/* With an endpoint that is bound to 77, and nothing left to be said. */
static void bound_init(struct bench *t, bool lossy)
{
    bench_init(t, RPR_DIALECT_RPR, true, lossy);
    ept_open(&t->x, t->device, "svc");
    ept_bind_to(&t->x, t->wire, t->node, "svc", 77);
    if (lossy)
        wire_heard(t->wire, 1);
    settle(&t->world, t->node);
}

static void bench_fini(struct bench *t)
{
    rpr_node_close(t->node);
    free(t->wire);
    assert_int_equal(t->world.n_live, 0);
}

static unsigned send_all(struct bench *t)
{
    unsigned n = 0;

    while (ept_send(&t->x, "m") == 0)
        n++;
    (void)wire_said(t->wire);
    return n;
}

static void arrive(struct bench *t, uint32_t from, unsigned n)
{
    while (n--)
        wire_put(t->wire, from, ept_addr(&t->x), "m", 1);
    settle(&t->world, t->node);
}

static void hear_sent(struct bench *t, uint32_t n)
{
    wire_sent(t->wire, ept_addr(&t->x), 77, n);
    settle(&t->world, t->node);
}

static struct rpr_ept_info info(struct bench *t)
{
    struct rpr_ept_info i;

    assert_int_equal(rpr_ept_info(t->x.h, &i), 0);
    return i;
}

static struct rpr_device_counters counters(struct bench *t)
{
    struct rpr_device_info d;

    rpr_device_info(t->device, &d);
    return d.counters;
}

/* ---- the sender ------------------------------------------------------------------------------- */

/* Data or the grant is lost, or the report itself: said again, less and less often, until it helps. */
static void without_credit_it_says_what_it_has_sent(void **state)
{
    struct bench t;
    uint64_t wait = MS(20);

    (void)state;
    bound_init(&t, true);
    assert_int_equal(send_all(&t), 4);
    pass(&t.world, t.node, MS(19));
    assert_said(t.wire, "");
    pass(&t.world, t.node, MS(1));
    assert_said(t.wire, "SENT 77 1024 4;");
    for (unsigned i = 0; i < 9; i++) {
        pass(&t.world, t.node, wait - 1);
        assert_said(t.wire, "");
        pass(&t.world, t.node, 1);
        assert_said(t.wire, "SENT 77 1024 4;");
        wait = wait * 2 > MS(1280) ? MS(1280) : wait * 2;
    }
    wire_grant(t.wire, ept_addr(&t.x), 77, 6);
    settle(&t.world, t.node);
    assert_events(&t.world, "x:writable;");
    assert_int_equal(send_all(&t), 2);
    pass(&t.world, t.node, MS(20)); /* patience is new */
    assert_said(t.wire, "SENT 77 1024 6;");
    wire_grant(t.wire, ept_addr(&t.x), 77, 16);
    settle(&t.world, t.node);
    pass(&t.world, t.node, S(10));
    assert_said(t.wire, "");
    bench_fini(&t);
}

static void who_is_given_credit_in_time_says_nothing(void **state)
{
    struct bench t;

    (void)state;
    bound_init(&t, true);
    for (uint32_t limit = 8; limit < 400; limit += 4) {
        assert_int_equal(send_all(&t), 4);
        settle(&t.world, t.node);
        wire_grant(t.wire, ept_addr(&t.x), 77, limit);
        pass(&t.world, t.node, MS(10));
        assert_said(t.wire, "");
    }
    bench_fini(&t);
}

static void a_link_that_loses_nothing_has_no_reports(void **state)
{
    struct bench t;

    (void)state;
    bound_init(&t, false);
    assert_int_equal(send_all(&t), 4);
    pass(&t.world, t.node, S(10));
    assert_said(t.wire, "");
    bench_fini(&t);
}

/* No buffer: later. A session that ends: never. */
static void a_report_waits_for_a_buffer(void **state)
{
    struct bench t;
    uint32_t n_free;

    (void)state;
    bound_init(&t, true);
    assert_int_equal(send_all(&t), 4);
    n_free = t.wire->n_free;
    t.wire->n_free = 0;
    pass(&t.world, t.node, MS(50));
    assert_said(t.wire, "");
    t.wire->n_free = n_free;
    pass(&t.world, t.node, MS(20));
    assert_said(t.wire, "SENT 77 1024 4;");
    rpr_link_down(&t.wire->link, "lost");
    pass(&t.world, t.node, S(10));
    assert_said(t.wire, "");
    bench_fini(&t);
}

/* One that is slow does not make another wait: each has its own patience. */
static void each_has_its_own_patience(void **state)
{
    struct bench t;
    struct ept y = EPT(&t.world, "y");

    (void)state;
    bound_init(&t, true);
    ept_open(&y, t.device, "other");
    ept_bind_to(&y, t.wire, t.node, "other", 78);
    wire_heard(t.wire, 2);
    assert_int_equal(send_all(&t), 4);
    pass(&t.world, t.node, S(5));
    (void)wire_said(t.wire);
    while (ept_send(&y, "m") == 0)
        ;
    (void)wire_said(t.wire);
    pass(&t.world, t.node, MS(20));
    assert_said(t.wire, "SENT 78 1025 4;");
    bench_fini(&t);
}

/* ---- the receiver ----------------------------------------------------------------------------- */

static void what_is_missing_is_counted_and_granted_again(void **state)
{
    struct bench t;

    (void)state;
    bound_init(&t, true);
    arrive(&t, 77, 1);
    (void)wire_said(t.wire);
    hear_sent(&t, 4);
    assert_said(t.wire, "GRANT 77 1024 8;");
    assert_int_equal(info(&t).rx, 1);
    assert_int_equal(info(&t).dropped, 3);
    assert_int_equal(counters(&t).dropped, 3);
    hear_sent(&t, 4); /* the grant was lost */
    assert_said(t.wire, "GRANT 77 1024 8;");
    assert_int_equal(info(&t).dropped, 3);
    hear_sent(&t, 8);
    assert_said(t.wire, "GRANT 77 1024 12;");
    assert_int_equal(info(&t).dropped, 7);
    assert_int_equal(info(&t).rx, 1);
    bench_fini(&t);
}

static void what_is_kept_or_held_is_not_missing(void **state)
{
    struct bench t;

    (void)state;
    bound_init(&t, true);
    t.x.result = RPR_LATER;
    arrive(&t, 77, 3);
    (void)wire_said(t.wire);
    hear_sent(&t, 4);
    assert_int_equal(info(&t).dropped, 1);
    assert_said(t.wire, "GRANT 77 1024 5;"); /* three slots are in use */
    t.x.result = RPR_HOLD;
    pass(&t.world, t.node, MS(10));
    assert_int_equal(t.x.n_held, 3);
    hear_sent(&t, 5);
    assert_int_equal(info(&t).dropped, 2);
    for (unsigned i = 0; i < 3; i++)
        rpr_release(&t.x.held[i]);
    settle(&t.world, t.node);
    (void)wire_said(t.wire);
    hear_sent(&t, 5);
    assert_int_equal(info(&t).dropped, 2);
    assert_int_equal(info(&t).rx, 3);
    bench_fini(&t);
}

/* Who is not the peer is in nobody's count. */
static void messages_of_others_hide_no_loss(void **state)
{
    struct bench t;

    (void)state;
    bound_init(&t, true);
    arrive(&t, 99, 2);
    arrive(&t, 77, 1);
    (void)wire_said(t.wire);
    hear_sent(&t, 1);
    assert_said(t.wire, "GRANT 77 1024 5;");
    hear_sent(&t, 3);
    assert_said(t.wire, "GRANT 77 1024 7;");
    assert_int_equal(info(&t).dropped, 2);
    assert_int_equal(info(&t).rx, 3);
    bench_fini(&t);
}

static void nonsense_reports_change_nothing(void **state)
{
    struct bench t;
    uint64_t late;

    (void)state;
    bound_init(&t, true);
    late = counters(&t).late;
    hear_sent(&t, 0x40000000);
    hear_sent(&t, 0x80000000);
    assert_int_equal(counters(&t).errors, 2);
    assert_int_equal(counters(&t).dropped, 0);
    wire_sent(t.wire, ept_addr(&t.x), 78, 1);
    wire_sent(t.wire, ept_addr(&t.x) + 1, 77, 1);
    settle(&t.world, t.node);
    assert_int_equal(counters(&t).late - late, 2);
    (void)wire_said(t.wire);
    hear_sent(&t, 0);
    assert_said(t.wire, "GRANT 77 1024 4;");
    bench_fini(&t);
}

/* The peer was bound first and began to send, but its answer was lost. */
static void what_comes_before_the_answer_is_the_peers(void **state)
{
    struct bench t;

    (void)state;
    bench_init(&t, RPR_DIALECT_RPR, true, true);
    ept_open(&t.x, t.device, "svc");
    settle(&t.world, t.node);
    arrive(&t, 77, 2);
    assert_events(&t.world, "x:bound 77;x:rx m;x:rx m;"); /* never before it is bound */
    ept_bind_to(&t.x, t.wire, t.node, "svc", 77);
    hear_sent(&t, 4);
    assert_int_equal(info(&t).dropped, 2);
    bench_fini(&t);
}

/* ---- the agreement ----------------------------------------------------------------------------- */

/* It thinks that we agreed: what made us do so has been lost. */
static void a_grant_is_an_agreement(void **state)
{
    struct bench t;
    struct rpr_device_info d;

    (void)state;
    for (unsigned lossy = 0; lossy < 2; lossy++) {
        bench_init(&t, RPR_DIALECT_NUTTX, false, lossy);
        ept_open(&t.x, t.device, "svc");
        ept_bind_to(&t.x, t.wire, t.node, "svc", 77);
        wire_grant(t.wire, ept_addr(&t.x), 77, 3);
        settle(&t.world, t.node);
        assert_said(t.wire, lossy ? "GRANT 77 1024 4;" : "");
        assert_int_equal(send_all(&t), lossy ? 3 : 63);
        rpr_device_info(t.device, &d);
        assert_string_equal(d.dialect, lossy ? "rpr" : "nuttx");
        bench_fini(&t);
    }
}

/* ---- name service ------------------------------------------------------------------------------- */

/* NuttX keeps each of them for who may come: two would find two takers. */
static void nuttx_hears_it_once(void **state)
{
    struct bench t;

    (void)state;
    bench_init(&t, RPR_DIALECT_NUTTX, false, true);
    ept_open(&t.x, t.device, "svc");
    settle(&t.world, t.node);
    assert_said(t.wire, "CREATE svc 1024;");
    pass(&t.world, t.node, S(1000));
    assert_said(t.wire, "");
    rpr_link_ours(&t.wire->link); /* and the CREATE of before may have been lost */
    pass(&t.world, t.node, MS(200));
    assert_said(t.wire, "#1 CREATE svc 1024;");
    rpr_link_down(&t.wire->link, "lost");
    pass(&t.world, t.node, S(1000));
    assert_said(t.wire, "");
    bench_fini(&t);
}

/* What only one of ours can have sent tells: its addresses. Until both know, it is said again. */
static void one_that_seems_to_be_ours_hears_it_again(void **state)
{
    struct bench t;

    (void)state;
    bench_init(&t, RPR_DIALECT_NUTTX, false, true);
    ept_open(&t.x, t.device, "svc");
    settle(&t.world, t.node);
    assert_said(t.wire, "CREATE svc 1024;");
    wire_ns(t.wire, "other", 1030, NS_CREATE);
    pass(&t.world, t.node, S(1000));
    assert_said(t.wire, "");
    wire_ns(t.wire, "other", 1u << 18 | 1030, NS_CREATE);
    for (uint64_t ms = 200; ms < 100000; ms *= 2) {
        pass(&t.world, t.node, MS(ms));
        assert_said(t.wire, "CREATE svc 1024;");
    }
    wire_ns(t.wire, "svc", 77, NS_CREATE_ACK);
    settle(&t.world, t.node);
    pass(&t.world, t.node, S(1000));
    assert_said(t.wire, "");
    bench_fini(&t);
}

/* Nothing has been heard but noise: who we are is said again for each of it, and nothing else is. */
static void one_that_was_not_heard_hears_who_we_are(void **state)
{
    struct bench t;

    (void)state;
    bench_init(&t, RPR_DIALECT_NUTTX, false, true);
    ept_open(&t.x, t.device, RPR_LINK_OURS);
    settle(&t.world, t.node);
    assert_said(t.wire, "CREATE rpr 1024;");
    for (uint64_t ms = 200; ms < 5000; ms *= 2) {
        rpr_link_unheard(&t.wire->link);
        rpr_link_unheard(&t.wire->link);
        pass(&t.world, t.node, MS(ms));
        assert_said(t.wire, "CREATE rpr 1024;");
        pass(&t.world, t.node, S(100));
        assert_said(t.wire, "");
    }
    bench_fini(&t);
}

static void a_lost_ack_is_given_again(void **state)
{
    struct bench t;

    (void)state;
    for (unsigned lossy = 0; lossy < 2; lossy++) {
        bench_init(&t, RPR_DIALECT_RPR, true, lossy);
        wire_ns(t.wire, "svc", 77, NS_CREATE);
        ept_open(&t.x, t.device, "svc");
        settle(&t.world, t.node);
        assert_non_null(strstr(wire_said(t.wire), "ACK svc 1024;"));
        wire_ns(t.wire, "svc", 77, NS_CREATE);
        settle(&t.world, t.node);
        assert_said(t.wire, lossy ? "#2 ACK svc 1024;" : "");
        if (lossy)
            wire_heard(t.wire, 2);
        pass(&t.world, t.node, S(1000));
        assert_said(t.wire, "");
        bench_fini(&t);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_credit_it_says_what_it_has_sent),
        cmocka_unit_test(who_is_given_credit_in_time_says_nothing),
        cmocka_unit_test(a_link_that_loses_nothing_has_no_reports),
        cmocka_unit_test(a_report_waits_for_a_buffer),
        cmocka_unit_test(each_has_its_own_patience),
        cmocka_unit_test(what_is_missing_is_counted_and_granted_again),
        cmocka_unit_test(what_is_kept_or_held_is_not_missing),
        cmocka_unit_test(messages_of_others_hide_no_loss),
        cmocka_unit_test(nonsense_reports_change_nothing),
        cmocka_unit_test(what_comes_before_the_answer_is_the_peers),
        cmocka_unit_test(a_grant_is_an_agreement),
        cmocka_unit_test(nuttx_hears_it_once),
        cmocka_unit_test(one_that_seems_to_be_ours_hears_it_again),
        cmocka_unit_test(one_that_was_not_heard_hears_who_we_are),
        cmocka_unit_test(a_lost_ack_is_given_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
