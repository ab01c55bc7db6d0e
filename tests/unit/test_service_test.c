/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Service rpmsg-test: what a scripted peer may make it hold, and for how long; and two of ours with
 * each other, directly and through a hub. With it the scope of services: where they are, and what a
 * second look at it opens and closes.
 */
#include "router_fixture.h"

#include <rpr/test.h>

#include "wire/test.h"

#define PEER 1300u

struct tester {
    struct net net;
    struct rpr_node *node;
    struct rpr_test *test;
    struct peer *droid;
    struct rpr_test_result result;
    unsigned n_done;
};

static void tester_init(struct tester *t)
{
    memset(t, 0, sizeof *t);
    net_init(&t->net);
    t->node = net_node(&t->net, "ap");
    t->droid = peer_new(&t->net, t->node, "droid");
    assert_int_equal(rpr_test_open(t->node, NULL, &t->test), 0);
    peer_up(t->droid, RPR_DIALECT_NUTTX);
    (void)net_settle(&t->net);
    assert_peer_said(t->droid, "CREATE rpmsg-test;");
    peer_ack(t->droid, "rpmsg-test", PEER);
    (void)net_settle(&t->net);
}

static void tester_close(struct tester *t)
{
    if (t->test)
        rpr_test_close(t->test);
    assert_net_closed(&t->net);
    peer_free(t->droid);
}

static struct rpr_test_counters counted(struct tester *t)
{
    struct rpr_test_counters counters;

    rpr_test_counters(t->test, &counters);
    return counters;
}

static uint32_t n_held(struct tester *t)
{
    struct rpr_ept_info info;
    rpr_ept_t ept = rpr_ept_next(device_of(t->node, "droid"), (rpr_ept_t){0});

    assert_int_equal(rpr_ept_info(ept, &info), 0);
    return info.n_held;
}

static void put(struct tester *t, uint16_t type, uint16_t value, uint32_t said, uint32_t len,
                uint8_t data)
{
    uint8_t bytes[256];
    struct test_message message = {.type = type, .value = value, .len = said};

    test_encode(bytes, &message);
    memset(bytes + TEST_PREFIX_BYTES, data, len);
    wire_put(t->droid->wire, PEER, peer_addr(t->droid, "rpmsg-test"), bytes,
             TEST_PREFIX_BYTES + len);
    (void)net_settle(&t->net);
}

static void good(struct tester *t, uint16_t value)
{
    put(t, TEST_HOLD_RX, value, 40, 40, TEST_FILL);
}

static void a_series_is_held_until_its_end(void **state)
{
    struct tester t;

    (void)state;
    tester_init(&t);
    for (unsigned i = 0; i < 7; i++)
        good(&t, TEST_MORE);
    net_pass(&t.net, MS(50));
    assert_int_equal(n_held(&t), 7);
    good(&t, TEST_END);
    assert_int_equal(n_held(&t), 8);
    net_pass(&t.net, MS(RPR_TEST_VERIFY_MS) - 1);
    assert_int_equal(n_held(&t), 8);
    net_pass(&t.net, 2);
    assert_int_equal(n_held(&t), 0);
    assert_int_equal(counted(&t).held, 8);
    assert_int_equal(counted(&t).series, 1);
    assert_int_equal(counted(&t).cut + counted(&t).bad_data + counted(&t).malformed, 0);
    tester_close(&t);
}

/* A peer cannot keep the buffers of a link: neither by never coming to an end nor by going on. */
static void a_series_without_end_is_given_back(void **state)
{
    struct tester t;

    (void)state;
    tester_init(&t);
    good(&t, TEST_MORE);
    net_pass(&t.net, MS(RPR_TEST_HOLD_MS) / 2);
    good(&t, TEST_MORE);
    net_pass(&t.net, MS(RPR_TEST_HOLD_MS) / 2 + 1);
    assert_int_equal(n_held(&t), 0);
    assert_int_equal(counted(&t).cut, 1);
    for (unsigned i = 0; i < RPR_TEST_HOLD_MAX + 5; i++) {
        good(&t, TEST_MORE);
        assert_true(n_held(&t) <= RPR_TEST_HOLD_MAX);
    }
    assert_int_equal(counted(&t).not_held, 5);
    good(&t, TEST_MORE);
    peer_down(t.droid); /* and it goes in the middle of one */
    (void)net_settle(&t.net);
    assert_int_equal(n_held(&t), 0);
    tester_close(&t);
}

static void wrong_messages_are_not_held(void **state)
{
    struct tester t;

    (void)state;
    tester_init(&t);
    put(&t, TEST_HOLD_RX, 2, 40, 40, TEST_FILL); /* what a later version may say */
    put(&t, 2, TEST_MORE, 40, 40, TEST_FILL);
    put(&t, 0, 0, 0, 0, 0);
    assert_int_equal(n_held(&t), 0);
    assert_int_equal(counted(&t).unknown, 3);
    put(&t, TEST_HOLD_RX, TEST_END, 40, 40, 0x54); /* wrong data are told of once a second */
    put(&t, TEST_HOLD_RX, TEST_END, 40, 40, 0x54);
    assert_int_equal(counted(&t).bad_data, 2);
    assert_string_equal(t.net.w.log, "droid: rpmsg-test: wrong data\n");
    assert_peer_said(t.droid, "");
    tester_close(&t);
}

/* `said` bytes of data where there are 40, or just `said` bytes: the endpoint is closed, what is held
 * comes back, and a second later there is another. */
static void lie(struct tester *t, uint32_t said, bool is_short)
{
    static const uint8_t zeroes[TEST_PREFIX_BYTES];
    struct rpr_service_closed closed;
    uint64_t n = counted(t).malformed;

    good(t, TEST_MORE);
    good(t, TEST_MORE);
    t->net.w.log[0] = '\0';
    if (is_short)
        wire_put(t->droid->wire, PEER, peer_addr(t->droid, "rpmsg-test"), zeroes, said);
    else
        put(t, TEST_HOLD_RX, TEST_END, said, 40, TEST_FILL);
    (void)net_settle(&t->net);
    assert_int_equal(counted(t).malformed, n + 1);
    assert_peer_said(t->droid, "DESTROY rpmsg-test;");
    assert_true(rpr_test_closed(t->test, 0, &closed));
    assert_non_null(strstr(t->net.w.log, closed.reason));
    net_pass(&t->net, closed.wait_ns - 1);
    assert_peer_said(t->droid, "");
    net_pass(&t->net, 1);
    assert_peer_said(t->droid, "CREATE rpmsg-test;");
    peer_ack(t->droid, "rpmsg-test", PEER);
    (void)net_settle(&t->net);
    assert_int_equal(n_held(t), 0);
    good(t, TEST_MORE);
    good(t, TEST_END);
    net_pass(&t->net, S(129)); /* long enough to be forgiven */
    assert_int_equal(n_held(t), 0);
}

static void a_lie_ends_the_endpoint(void **state)
{
    static const uint32_t lengths[] = {0, 39, 41, 1000, UINT32_MAX - TEST_PREFIX_BYTES, UINT32_MAX};
    struct tester t;

    (void)state;
    tester_init(&t);
    for (unsigned i = 0; i < sizeof lengths / sizeof *lengths; i++)
        lie(&t, lengths[i], false);
    for (uint32_t len = 0; len < TEST_PREFIX_BYTES; len++)
        lie(&t, len, true);
    tester_close(&t);
}

/* ---- runs ------------------------------------------------------------------------------------- */

static void on_done(void *ctx, const struct rpr_test_result *result)
{
    struct tester *t = ctx;

    t->result = *result;
    t->n_done++;
}

static int start(struct tester *t, struct rpr_test *test, struct rpr_device *device)
{
    struct rpr_test_run *run;
    struct rpr_test_config config = {.device = device, .done = on_done, .ctx = t};

    return rpr_test_start(test, &config, &run);
}

/* To the letter what NuttX expects, which asserts on anything else. */
static void sends_what_nuttx_expects(void **state)
{
    struct tester t;
    struct wire_message m;
    unsigned n = 0;

    (void)state;
    tester_init(&t);
    assert_int_equal(start(&t, t.test, device_of(t.node, "droid")), 0);
    assert_int_equal(start(&t, t.test, device_of(t.node, "droid")), -RPR_EBUSY);
    (void)net_settle(&t.net);
    while (wire_get(t.droid->wire, &m, false)) {
        struct test_message message;

        assert_int_equal(m.len, 496); /* the whole buffer */
        assert_int_equal(test_decode(&message, m.data, m.len), TEST_OK);
        assert_int_equal(message.type, TEST_HOLD_RX);
        for (uint32_t i = TEST_PREFIX_BYTES; i < m.len; i++)
            assert_int_equal(m.data[i], TEST_FILL);
        n++;
        assert_int_equal(message.value,
                         t.droid->wire->n_read == t.droid->wire->n_flushed ? TEST_END : TEST_MORE);
    }
    assert_true(n > 1);
    net_pass(&t.net, S(1));
    assert_int_equal(t.n_done, 0); /* they are not back */
    net_pass(&t.net, S(5));
    assert_int_equal(t.n_done, 1);
    assert_int_equal(t.result.error, -RPR_ETIMEDOUT);
    assert_int_equal(t.result.sent, n);
    assert_true(t.result.missing > 0);
    tester_close(&t);
}

static void a_run_ends_with_its_peer(void **state)
{
    struct tester t;

    (void)state;
    tester_init(&t);
    assert_int_equal(start(&t, t.test, device_of(t.node, "droid")), 0);
    (void)net_settle(&t.net);
    peer_down(t.droid);
    (void)net_settle(&t.net);
    assert_int_equal(t.n_done, 1);
    assert_int_equal(t.result.error, -RPR_ENOTCONN);
    assert_int_equal(start(&t, t.test, device_of(t.node, "droid")), -RPR_ENOTCONN);
    peer_up(t.droid, RPR_DIALECT_NUTTX);
    (void)net_settle(&t.net);
    (void)peer_said(t.droid);
    peer_ack(t.droid, "rpmsg-test", PEER);
    (void)net_settle(&t.net);
    assert_int_equal(start(&t, t.test, device_of(t.node, "droid")), 0);
    rpr_test_close(t.test);
    t.test = NULL;
    assert_int_equal(t.n_done, 2);
    assert_int_equal(t.result.error, -RPR_ESTALE);
    tester_close(&t);
}

/* A lie in the middle of a run of ours, and while buffers are held. */
static void a_lie_ends_the_run(void **state)
{
    struct tester t;

    (void)state;
    tester_init(&t);
    good(&t, TEST_MORE);
    assert_int_equal(start(&t, t.test, device_of(t.node, "droid")), 0);
    (void)net_settle(&t.net);
    put(&t, TEST_HOLD_RX, TEST_END, 1, 40, TEST_FILL);
    assert_int_equal(t.n_done, 1);
    assert_int_equal(t.result.error, -RPR_ENOTCONN);
    assert_int_equal(start(&t, t.test, device_of(t.node, "droid")), -RPR_ENOTCONN);
    tester_close(&t);
}

static void two_of_ours(void **state)
{
    struct tester t;
    struct fan f;
    struct rpr_test *test[2];

    (void)state;
    memset(&t, 0, sizeof t);
    fan_init(&f, 2, (struct rpr_pair_config){0}, with_credit);
    for (unsigned i = 0; i < 2; i++)
        assert_int_equal(rpr_test_open(f.e[i], NULL, &test[i]), 0);
    net_pass(&f.net, MS(100));
    assert_int_equal(start(&t, test[0], fan_device(&f, 0, 1)), 0);
    net_pass(&f.net, S(1));
    assert_int_equal(t.n_done, 1);
    assert_int_equal(t.result.error, 0);
    assert_true(t.result.sent > 1);
    for (unsigned i = 0; i < 2; i++) {
        struct rpr_test_counters counters;

        rpr_test_counters(test[i], &counters);
        assert_int_equal(counters.held, i == 1 ? t.result.sent : 0);
        assert_int_equal(counters.series, i);
        assert_int_equal(counters.bad_data + counters.malformed + counters.cut, 0);
        rpr_test_close(test[i]);
    }
    fan_close(&f);
}

/* ---- scope -------------------------------------------------------------------------------------- */

static const char *wanted;

static bool wants(void *ctx, const struct rpr_device *device)
{
    (void)ctx;
    return strstr(wanted, rpr_device_name(device)) != NULL;
}

static void a_second_look_touches_what_differs(void **state)
{
    struct rpr_service_scope scope = {.wants = wants};
    struct net net;
    struct rpr_node *node;
    struct peer *one, *two, *three;
    struct rpr_test *test;

    (void)state;
    net_init(&net);
    node = net_node(&net, "ap");
    one = peer_new(&net, node, "one");
    two = peer_new(&net, node, "two");
    wanted = "one two";
    assert_int_equal(rpr_test_open(node, &scope, &test), 0);
    three = peer_new(&net, node, "three"); /* one that comes later is asked for, too */
    peer_up(one, RPR_DIALECT_NUTTX);
    peer_up(two, RPR_DIALECT_NUTTX);
    peer_up(three, RPR_DIALECT_NUTTX);
    (void)net_settle(&net);
    assert_peer_said(one, "CREATE rpmsg-test;");
    assert_peer_said(two, "CREATE rpmsg-test;");
    assert_peer_said(three, "");
    wanted = "two three";
    rpr_test_look(test);
    (void)net_settle(&net);
    assert_peer_said(one, "DESTROY rpmsg-test;");
    assert_peer_said(two, "");
    assert_peer_said(three, "CREATE rpmsg-test;");
    rpr_test_close(test);
    assert_net_closed(&net);
    peer_free(one);
    peer_free(two);
    peer_free(three);
}

/* No memory for an endpoint: it comes a second later. */
static void memory_comes_later(void **state)
{
    struct net net;
    struct rpr_node *node;
    struct peer *one;
    struct rpr_test *test;

    (void)state;
    net_init(&net);
    node = net_node(&net, "ap");
    one = peer_new(&net, node, "one");
    peer_up(one, RPR_DIALECT_NUTTX);
    (void)net_settle(&net);
    net.w.fail_in = 2; /* the service's own comes first */
    assert_int_equal(rpr_test_open(node, NULL, &test), 0);
    (void)net_settle(&net);
    assert_peer_said(one, "");
    net_pass(&net, S(1) + 1);
    assert_peer_said(one, "CREATE rpmsg-test;");
    rpr_test_close(test);
    assert_net_closed(&net);
    peer_free(one);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_series_is_held_until_its_end),
        cmocka_unit_test(a_series_without_end_is_given_back),
        cmocka_unit_test(wrong_messages_are_not_held),
        cmocka_unit_test(a_lie_ends_the_endpoint),
        cmocka_unit_test(sends_what_nuttx_expects),
        cmocka_unit_test(a_run_ends_with_its_peer),
        cmocka_unit_test(a_lie_ends_the_run),
        cmocka_unit_test(two_of_ours),
        cmocka_unit_test(a_second_look_touches_what_differs),
        cmocka_unit_test(memory_comes_later),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
