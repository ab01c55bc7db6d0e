/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Numbered words: what the name service and the router say on a link that loses messages, between nodes
 * of ours, arrives once and in order.
 */
#include "core_fixture.h"

struct bench {
    struct world world;
    struct rpr_node *node;
    struct wire *wire;
    struct rpr_device *device;
    struct ept x;
};

static void bench_init(struct bench *t, enum rpr_dialect dialect)
{
    memset(t, 0, sizeof *t);
    world_init(&t->world);
    t->world.random = 0x1234;
    t->node = world_node(&t->world, "me");
    t->wire = wire_new(&t->world, t->node, "peer");
    t->wire->lossy = true;
    t->device = rpr_device_find(t->node, "peer");
    settle(&t->world, t->node);
    wire_up(t->wire, dialect, dialect == RPR_DIALECT_RPR, 64);
    t->x = (struct ept)EPT(&t->world, "x");
}

static void bench_fini(struct bench *t)
{
    rpr_node_close(t->node);
    free(t->wire);
    assert_int_equal(t->world.n_live, 0);
}

static struct rpr_device_counters counters(struct bench *t)
{
    struct rpr_device_info d;

    rpr_device_info(t->device, &d);
    return d.counters;
}

static const char *reason(struct bench *t)
{
    static struct rpr_device_info d;

    rpr_device_info(t->device, &d);
    return d.reason;
}

/* An endpoint that the router's are like. */
static void open_control(struct bench *t, struct ept *e, const char *name)
{
    assert_int_equal(ept_open_as(e, t->device,
                                 (struct rpr_ept_config){.name = name,
                                                         .addr = RPR_ADDR_ANY,
                                                         .dest = RPR_ADDR_ANY,
                                                         .flags = RPR_EPT_CONTROL}),
                     0);
    settle(&t->world, t->node);
}

static void hear(struct bench *t, uint32_t n)
{
    wire_heard(t->wire, n);
    settle(&t->world, t->node);
}

static void hear_ns(struct bench *t, uint32_t n, const char *name, uint32_t addr, uint32_t flags)
{
    wire_word_ns(t->wire, n, name, addr, flags);
    settle(&t->world, t->node);
}

/* ---- who says them ------------------------------------------------------------------------------ */

/* The word or the answer is lost: said again, less and less often. */
static void a_word_is_said_until_it_is_heard(void **state)
{
    struct bench t;

    (void)state;
    bench_init(&t, RPR_DIALECT_RPR);
    ept_open(&t.x, t.device, "svc");
    settle(&t.world, t.node);
    assert_said(t.wire, "#1 CREATE svc 1024;");
    for (uint64_t ms = 100; ms<30000; ms = ms * 2> 3200 ? ms + 3200 : ms * 2) {
        pass(&t.world, t.node, MS(ms > 3200 ? 3200 : ms) - 1);
        assert_said(t.wire, "");
        pass(&t.world, t.node, 1);
        assert_said(t.wire, "#1 CREATE svc 1024;");
    }
    hear(&t, 1);
    pass(&t.world, t.node, S(100));
    assert_said(t.wire, "");
    bench_fini(&t);
}

static void no_more_than_eight_are_on_their_way(void **state)
{
    struct bench t;
    struct ept e[12];
    char name[8];

    (void)state;
    bench_init(&t, RPR_DIALECT_RPR);
    for (unsigned i = 0; i < 12; i++) {
        e[i] = (struct ept)EPT(&t.world, "e");
        snprintf(name, sizeof name, "s%u", i);
        ept_open(&e[i], t.device, name);
    }
    settle(&t.world, t.node);
    assert_said(t.wire, "#1 CREATE s0 1024;#2 CREATE s1 1025;#3 CREATE s2 1026;#4 CREATE s3 1027;"
                        "#5 CREATE s4 1028;#6 CREATE s5 1029;#7 CREATE s6 1030;#8 CREATE s7 1031;");
    hear(&t, 3);
    assert_said(t.wire, "#9 CREATE s8 1032;#10 CREATE s9 1033;#11 CREATE s10 1034;");
    pass(&t.world, t.node, MS(100));
    assert_said(t.wire,
                "#4 CREATE s3 1027;#5 CREATE s4 1028;#6 CREATE s5 1029;#7 CREATE s6 1030;"
                "#8 CREATE s7 1031;#9 CREATE s8 1032;#10 CREATE s9 1033;#11 CREATE s10 1034;");
    hear(&t, 11);
    assert_said(t.wire, "#12 CREATE s11 1035;");
    hear(&t, 12);
    pass(&t.world, t.node, S(100));
    assert_said(t.wire, "");
    bench_fini(&t);
}

/* The peer was sent a word, and has no more than before: it misses the first, once. */
static void what_is_missing_is_said_at_once(void **state)
{
    struct bench t;
    struct ept y = EPT(&t.world, "y");

    (void)state;
    bench_init(&t, RPR_DIALECT_RPR);
    ept_open(&t.x, t.device, "svc");
    ept_open(&y, t.device, "two");
    settle(&t.world, t.node);
    (void)wire_said(t.wire);
    hear(&t, 0);
    assert_said(t.wire, "#1 CREATE svc 1024;#2 CREATE two 1025;");
    hear(&t, 0);
    assert_said(t.wire, "");
    hear(&t, 1);
    hear(&t, 1);
    assert_said(t.wire, "#2 CREATE two 1025;");
    hear(&t, 2);
    pass(&t.world, t.node, S(100));
    assert_said(t.wire, "");
    bench_fini(&t);
}

static void nonsense_is_no_answer(void **state)
{
    struct bench t;

    (void)state;
    bench_init(&t, RPR_DIALECT_RPR);
    ept_open(&t.x, t.device, "svc");
    settle(&t.world, t.node);
    (void)wire_said(t.wire);
    hear(&t, 2);      /* was never said */
    hear(&t, 0x8001); /* nor this */
    t.wire->tag ^= 0x10000;
    hear(&t, 1); /* of another session */
    assert_said(t.wire, "");
    pass(&t.world, t.node, MS(100));
    assert_said(t.wire, "#1 CREATE svc 1024;");
    bench_fini(&t);
}

/* Numbers go on after 65,535. */
static void numbers_wrap(void **state)
{
    struct bench t;
    uint32_t n = 0;

    (void)state;
    bench_init(&t, RPR_DIALECT_RPR);
    open_control(&t, &t.x, "router:x");
    wire_ns(t.wire, "router:x", 77, NS_CREATE_ACK);
    settle(&t.world, t.node);
    (void)wire_said(t.wire);
    for (hear(&t, ++n); n < 0x10003; hear(&t, n)) {
        assert_int_equal(rpr_send(t.x.h, "m", 1, 0), 0);
        settle(&t.world, t.node);
        n++;
        if (n > 0xfffe && n < 0x10002) {
            char text[32];

            snprintf(text, sizeof text, "#%u 1024>77 m;", (unsigned)(n & 0xffff));
            assert_said(t.wire, text);
        } else {
            (void)wire_said(t.wire);
        }
        hear_ns(&t, n - 1, "nobody", 1 << 18, NS_DESTROY);
        (void)wire_said(t.wire);
    }
    assert_int_equal(counters(&t).late, 0x10002);
    bench_fini(&t);
}

/* Said again when there is a buffer. */
static void a_word_waits_for_a_buffer(void **state)
{
    struct bench t;
    uint32_t n_free;

    (void)state;
    bench_init(&t, RPR_DIALECT_RPR);
    n_free = t.wire->n_free;
    t.wire->n_free = 0;
    ept_open(&t.x, t.device, "svc");
    pass(&t.world, t.node, S(1));
    t.wire->n_free = n_free;
    pass(&t.world, t.node, MS(10));
    assert_said(t.wire, "#1 CREATE svc 1024;");
    t.wire->n_free = 0;
    pass(&t.world, t.node, MS(300)); /* 100, 200 */
    t.wire->n_free = n_free - 1;
    pass(&t.world, t.node, MS(400));
    assert_said(t.wire, "#1 CREATE svc 1024;");
    bench_fini(&t);
}

/* The router's messages are words too, as many as there is room for; then it is told. */
static void control_endpoints_say_words(void **state)
{
    struct bench t;

    (void)state;
    bench_init(&t, RPR_DIALECT_RPR);
    open_control(&t, &t.x, "router:x");
    assert_said(t.wire, "#1 CREATE router:x 1024;");
    assert_int_equal(ept_send(&t.x, "early"), -RPR_ENOTCONN);
    hear_ns(&t, 1, "router:x", 77, NS_CREATE_ACK);
    assert_said(t.wire, "heard 1;");
    for (unsigned i = 0; i < 7; i++)
        assert_int_equal(ept_send(&t.x, "m"), 0);
    assert_int_equal(ept_send(&t.x, "n"), -RPR_EAGAIN);
    t.world.events[0] = '\0';
    settle(&t.world, t.node);
    (void)wire_said(t.wire);
    hear(&t, 8);
    assert_non_null(strstr(t.world.events, "x:writable;"));
    assert_int_equal(ept_send(&t.x, "n"), 0);
    settle(&t.world, t.node);
    assert_said(t.wire, "#9 1024>77 n;");
    wire_word(t.wire, 2, 77, ept_addr(&t.x), "hello", 5);
    t.world.events[0] = '\0';
    settle(&t.world, t.node);
    assert_events(&t.world, "x:rx hello;");
    bench_fini(&t);
}

static void try_again(struct ept *e)
{
    (void)ept_send(e, "more");
}

/* While the peer has not heard as many as may be on their way, the owner sleeps: there are buffers, but
 * not for a control endpoint, nor for data that is behind words of the name service. */
static void who_waits_for_words_sleeps(void **state)
{
    (void)state;
    for (unsigned control = 0; control < 2; control++) {
        struct bench t;
        struct ept others[9];
        char name[8];

        bench_init(&t, RPR_DIALECT_RPR);
        if (control)
            open_control(&t, &t.x, "svc");
        else
            ept_open(&t.x, t.device, "svc");
        settle(&t.world, t.node);
        (void)wire_said(t.wire);
        hear_ns(&t, 1, "svc", 77, NS_CREATE_ACK);
        hear(&t, 1);
        for (unsigned i = 0; i < 9 && !control; i++) {
            others[i] = (struct ept)EPT(&t.world, "e");
            snprintf(name, sizeof name, "s%u", i);
            ept_open(&others[i], t.device, name);
        }
        for (unsigned i = 0; i < 8 && control; i++)
            assert_int_equal(ept_send(&t.x, "m"), 0);
        settle(&t.world, t.node);
        (void)wire_said(t.wire);
        t.x.on_writable = try_again;
        assert_int_equal(ept_send(&t.x, "more"), -RPR_EAGAIN);
        t.world.events[0] = '\0';
        settle(&t.world, t.node);
        pass(&t.world, t.node, MS(50));
        assert_events(&t.world, ""); /* it is not told that it may write, in vain */
        assert_said(t.wire, "");
        hear(&t, 9);
        assert_non_null(strstr(wire_said(t.wire), "1024>77 more;"));
        bench_fini(&t);
    }
}

/* The peer may be bound to the one that ended, and data may overtake words: it would be taken for that
 * one's. Ends of other names hold nothing up. */
static void an_answer_waits_for_an_end(void **state)
{
    struct bench t;
    struct ept y, z;

    (void)state;
    bench_init(&t, RPR_DIALECT_RPR);
    y = (struct ept)EPT(&t.world, "y");
    z = (struct ept)EPT(&t.world, "z");
    ept_open(&t.x, t.device, "svc");
    settle(&t.world, t.node);
    assert_said(t.wire, "#1 CREATE svc 1024;");
    hear_ns(&t, 1, "svc", 77, NS_CREATE_ACK);
    hear(&t, 1);
    assert_int_equal(rpr_ept_close(t.x.h), 0);
    hear_ns(&t, 2, "svc", 78, NS_CREATE);
    hear_ns(&t, 3, "other", 79, NS_CREATE);
    assert_non_null(strstr(wire_said(t.wire), "#2 DESTROY svc 1024;"));
    ept_open(&z, t.device, "other");
    settle(&t.world, t.node);
    assert_non_null(strstr(wire_said(t.wire), "#3 ACK other "));
    t.world.events[0] = '\0';
    ept_open(&y, t.device, "svc");
    y.on_writable = try_again;
    assert_int_equal(ept_send(&y, "more"), -RPR_EAGAIN);
    pass(&t.world, t.node, MS(50));
    assert_events(&t.world, "y:bound 78;");
    assert_said(t.wire, "GRANT 78 1025 4;"); /* whose loss is made up for */
    hear(&t, 2);
    assert_non_null(strstr(t.world.events, "y:writable;"));
    assert_string_equal(wire_said(t.wire), "#4 ACK svc 1025;1025>78 more;");
    bench_fini(&t);
}

/* Nobody else is sent numbers: NuttX would not know what they are. */
static void others_hear_no_numbers(void **state)
{
    struct bench t;

    (void)state;
    bench_init(&t, RPR_DIALECT_NUTTX);
    open_control(&t, &t.x, "router:x");
    wire_ns(t.wire, "router:x", 77, NS_CREATE_ACK);
    settle(&t.world, t.node);
    assert_int_equal(ept_send(&t.x, "m"), 0);
    settle(&t.world, t.node);
    assert_said(t.wire, "CREATE router:x 1024;1024>77 m;");
    pass(&t.world, t.node, S(100));
    assert_said(t.wire, "");
    bench_fini(&t);
}

/* ---- who hears them ------------------------------------------------------------------------------- */

static void words_are_taken_once_and_in_order(void **state)
{
    struct bench t;

    (void)state;
    bench_init(&t, RPR_DIALECT_RPR);
    ept_open(&t.x, t.device, "svc");
    settle(&t.world, t.node);
    (void)wire_said(t.wire);
    hear_ns(&t, 2, "svc", 78, NS_CREATE_ACK); /* the first is missing */
    assert_said(t.wire, "heard 0;");
    assert_events(&t.world, "");
    hear_ns(&t, 1, "svc", 77, NS_CREATE_ACK);
    assert_non_null(strstr(wire_said(t.wire), "heard 1;"));
    assert_events(&t.world, "x:bound 77;");
    hear_ns(&t, 2, "svc", 77, NS_DESTROY);
    hear_ns(&t, 1, "svc", 77, NS_CREATE_ACK); /* once more: it was heard */
    assert_events(&t.world, "x:unbound closed;");
    assert_non_null(strstr(wire_said(t.wire), "heard 2;heard 2;"));
    bench_fini(&t);
}

/* It may be the first thing that tells who the peer is. */
static void a_word_is_an_agreement(void **state)
{
    struct bench t;
    struct rpr_device_info d;

    (void)state;
    bench_init(&t, RPR_DIALECT_NUTTX);
    hear_ns(&t, 1, "svc", 1u << 18 | 1077, NS_CREATE);
    assert_said(t.wire, "heard 1;");
    rpr_device_info(t.device, &d);
    assert_string_equal(d.dialect, "rpr");
    bench_fini(&t);
}

/* Ends are said before both know; the peer hears them for sure after that. */
static void an_end_of_before_the_agreement_is_said_again(void **state)
{
    struct bench t;

    (void)state;
    bench_init(&t, RPR_DIALECT_NUTTX);
    ept_open(&t.x, t.device, "svc");
    settle(&t.world, t.node);
    rpr_ept_close(t.x.h);
    settle(&t.world, t.node);
    assert_said(t.wire, "CREATE svc 1024;DESTROY svc 1024;");
    rpr_link_ours(&t.wire->link);
    settle(&t.world, t.node);
    assert_said(t.wire, "#1 DESTROY svc 1024;");
    pass(&t.world, t.node, MS(100));
    assert_said(t.wire, "#1 DESTROY svc 1024;");
    hear(&t, 1);
    pass(&t.world, t.node, S(100));
    assert_said(t.wire, "");
    bench_fini(&t);
}

static void odd_words_are_counted(void **state)
{
    struct bench t;
    uint8_t long_one[100] = {0};

    (void)state;
    bench_init(&t, RPR_DIALECT_RPR);
    ept_open(&t.x, t.device, "svc");
    settle(&t.world, t.node);
    wire_put(t.wire, RPMSG_ADDR_WORD, RPMSG_ADDR_WORD, long_one, 0);
    wire_put(t.wire, RPMSG_ADDR_WORD, RPMSG_ADDR_WORD, long_one, 15);
    wire_put(t.wire, RPMSG_ADDR_WORD, RPMSG_ADDR_WORD, long_one, 57);
    settle(&t.world, t.node);
    assert_int_equal(counters(&t).errors, 3);
    wire_word(t.wire, 1, 1, ept_addr(&t.x), "data", 4); /* not to be numbered */
    wire_word(t.wire, 2, 1, RPMSG_ADDR_WORD, "word", 4);
    wire_word(t.wire, 3, 1, RPMSG_ADDR_CREDIT, "cred", 4);
    wire_word(t.wire, 4, 1, 99999, "none", 4);
    wire_word(t.wire, 5, 1, RPMSG_ADDR_NS, "short", 5);
    settle(&t.world, t.node);
    assert_int_equal(counters(&t).late, 4);
    assert_int_equal(counters(&t).errors, 4);
    assert_events(&t.world, "");
    bench_fini(&t);
}

/* Noise can end a session for one side alone. The numbers tell, or the service by which we know each
 * other. */
static void a_session_that_was_not_heard_of_is_begun_anew(void **state)
{
    struct bench t;
    struct word_head head = {.number = word_number(0x77770000, 1)};
    uint8_t bytes[WORD_HEAD_BYTES];

    (void)state;
    for (unsigned by_name = 0; by_name < 2; by_name++) {
        bench_init(&t, RPR_DIALECT_RPR);
        ept_open(&t.x, t.device, RPR_LINK_OURS);
        hear_ns(&t, 1, RPR_LINK_OURS, 77, NS_CREATE);
        assert_string_equal(reason(&t), "");
        if (by_name) {
            wire_ns(t.wire, RPR_LINK_OURS, 77, NS_CREATE);
            settle(&t.world, t.node);
            assert_string_equal(reason(&t), "");
            wire_ns(t.wire, RPR_LINK_OURS, 78, NS_CREATE);
        } else {
            word_encode(bytes, &head);
            wire_put(t.wire, RPMSG_ADDR_WORD, RPMSG_ADDR_WORD, bytes, sizeof bytes);
        }
        settle(&t.world, t.node);
        assert_int_equal(rpr_device_state(t.device), RPR_DEVICE_BROKEN);
        assert_string_equal(reason(&t), "the peer has begun a session that was not heard of");
        bench_fini(&t);
    }
}

static void each_session_has_numbers_of_its_own(void **state)
{
    struct bench t;
    uint32_t tag;

    (void)state;
    bench_init(&t, RPR_DIALECT_RPR);
    ept_open(&t.x, t.device, "svc");
    settle(&t.world, t.node);
    assert_said(t.wire, "#1 CREATE svc 1024;");
    tag = t.wire->tag;
    rpr_link_down(&t.wire->link, "lost");
    pass(&t.world, t.node, S(100));
    assert_said(t.wire, "");
    wire_up(t.wire, RPR_DIALECT_RPR, true, 64);
    settle(&t.world, t.node);
    assert_said(t.wire, "#1 CREATE svc 1024;");
    assert_int_not_equal(tag, t.wire->tag);
    bench_fini(&t);
}

static void no_memory(void **state)
{
    struct bench t;

    (void)state;
    bench_init(&t, RPR_DIALECT_NUTTX);
    bench_fini(&t);
    memset(&t, 0, sizeof t);
    world_init(&t.world);
    t.node = world_node(&t.world, "me");
    t.wire = wire_new(&t.world, t.node, "peer");
    t.wire->lossy = true;
    t.device = rpr_device_find(t.node, "peer");
    settle(&t.world, t.node);
    t.world.fail_in = 1;
    wire_up(t.wire, RPR_DIALECT_RPR, true, 64);
    settle(&t.world, t.node);
    assert_int_equal(rpr_device_state(t.device), RPR_DEVICE_BROKEN);
    assert_string_equal(reason(&t), "out of memory");
    bench_fini(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_word_is_said_until_it_is_heard),
        cmocka_unit_test(no_more_than_eight_are_on_their_way),
        cmocka_unit_test(what_is_missing_is_said_at_once),
        cmocka_unit_test(nonsense_is_no_answer),
        cmocka_unit_test(numbers_wrap),
        cmocka_unit_test(a_word_waits_for_a_buffer),
        cmocka_unit_test(control_endpoints_say_words),
        cmocka_unit_test(who_waits_for_words_sleeps),
        cmocka_unit_test(an_answer_waits_for_an_end),
        cmocka_unit_test(others_hear_no_numbers),
        cmocka_unit_test(words_are_taken_once_and_in_order),
        cmocka_unit_test(a_word_is_an_agreement),
        cmocka_unit_test(an_end_of_before_the_agreement_is_said_again),
        cmocka_unit_test(odd_words_are_counted),
        cmocka_unit_test(a_session_that_was_not_heard_of_is_begun_anew),
        cmocka_unit_test(each_session_has_numbers_of_its_own),
        cmocka_unit_test(no_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
