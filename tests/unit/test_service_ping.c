/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Service rpmsg-ping against a scripted peer: what it answers (to NuttX each answer is a pointer
 * that is followed: exactly once, and as it was sent), and what its own runs make of answers that
 * are late, wrong, or never come.
 */
#include "router_fixture.h"

#include <rpr/ping.h>

#include "wire/ping.h"
#include "wire_vectors.h"

#define PEER 1200u

struct pinger {
    struct net net;
    struct rpr_node *node;
    struct rpr_ping *ping;
    struct peer *droid;
    struct rpr_ping_run *run, *other;
    struct rpr_ping_result result;
    unsigned n_done;
    void (*in_done)(struct pinger *p);
};

static void pinger_init(struct pinger *p)
{
    memset(p, 0, sizeof *p);
    net_init(&p->net);
    p->node = net_node(&p->net, "ap");
    p->droid = peer_new(&p->net, p->node, "droid");
    assert_int_equal(rpr_ping_open(p->node, NULL, &p->ping), 0);
    peer_up(p->droid, RPR_DIALECT_NUTTX);
    (void)net_settle(&p->net);
    assert_peer_said(p->droid, "CREATE rpmsg-ping;");
    peer_ack(p->droid, "rpmsg-ping", PEER);
    (void)net_settle(&p->net);
}

static void pinger_close(struct pinger *p)
{
    if (p->ping)
        rpr_ping_close(p->ping);
    assert_net_closed(&p->net);
    peer_free(p->droid);
}

static uint32_t own(struct pinger *p)
{
    return peer_addr(p->droid, "rpmsg-ping");
}

static void put(struct pinger *p, const void *bytes, size_t len)
{
    wire_put(p->droid->wire, PEER, own(p), bytes, len);
}

/* The next message of the node is exactly this. */
static void assert_bytes(struct pinger *p, const void *bytes, size_t len)
{
    struct wire_message m;

    assert_true(wire_get(p->droid->wire, &m, true));
    assert_int_equal(m.src, own(p));
    assert_int_equal(m.dst, PEER);
    assert_int_equal(m.len, len);
    assert_memory_equal(m.data, bytes, len);
}

static void assert_silence(struct pinger *p)
{
    struct wire_message m;

    (void)net_settle(&p->net);
    assert_false(wire_get(p->droid->wire, &m, true));
}

static struct rpr_ping_counters counted(struct pinger *p)
{
    struct rpr_ping_counters counters;

    rpr_ping_counters(p->ping, &counters);
    return counters;
}

/* ---- answers ---------------------------------------------------------------------------------- */

static void answers_as_the_vectors_say(void **state)
{
    struct pinger p;
    uint8_t expected[24];

    (void)state;
    pinger_init(&p);
    put(&p, vector_g1, sizeof vector_g1);
    (void)net_settle(&p.net);
    assert_bytes(&p, vector_g2, sizeof vector_g2);
    put(&p, vector_g3, sizeof vector_g3);
    (void)net_settle(&p.net);
    memcpy(expected, vector_g3, sizeof expected);
    put_le32(expected, PING_RESPONSE); /* all low bits cleared */
    assert_bytes(&p, expected, sizeof expected);
    put(&p, vector_g4, sizeof vector_g4); /* wants no answer */
    net_pass(&p.net, S(10));
    assert_silence(&p);
    pinger_close(&p);
}

/* The cookie is nobody's business, a length that was longer neither: what came counts. */
static void answers_what_came(void **state)
{
    struct pinger p;
    uint8_t request[40], expected[40];

    (void)state;
    pinger_init(&p);
    for (size_t i = 0; i < sizeof request; i++)
        request[i] = (uint8_t)(255 - i); /* data that CHECK would not like */
    put_le32(request, PING_ACK | PING_CHECK | PING_RANDOM);
    put_le32(request + 4, 60000);
    for (size_t len = PING_HEADER_BYTES; len <= sizeof request; len++) {
        put(&p, request, len);
        (void)net_settle(&p.net);
        memcpy(expected, request, len);
        put_le32(expected, PING_RESPONSE);
        put_le32(expected + 4, (uint32_t)len);
        assert_bytes(&p, expected, len);
    }
    assert_silence(&p);
    assert_int_equal(counted(&p).answered, 25);
    assert_int_equal(counted(&p).bad_data, 25); /* each lies about its length, if nothing else */
    pinger_close(&p);
}

/* CHECK is looked at, with and without an answer; what is wrong is said once a second. */
static void check_is_evaluated(void **state)
{
    struct pinger p;
    uint8_t request[20];

    (void)state;
    pinger_init(&p);
    memset(request, 7, sizeof request);
    put_le32(request + 4, sizeof request);
    for (unsigned i = 0; i < 4; i++) {
        put_le32(request, PING_CHECK | (i & 1 ? PING_ACK : 0));
        request[18] = i & 2 ? 8 : 7;
        put(&p, request, sizeof request);
        (void)net_settle(&p.net);
        assert_int_equal(counted(&p).bad_data, i == 2 ? 1 : i == 3 ? 2 : 0);
        assert_int_equal(counted(&p).answered, (i + 1) / 2);
    }
    assert_string_equal(p.net.w.log, "droid: rpmsg-ping: receive data error at 2 of 4\n");
    net_pass(&p.net, S(1));
    put(&p, request, sizeof request);
    (void)net_settle(&p.net);
    assert_non_null(strstr(p.net.w.log, "\ndroid: "));
    put_le32(request, PING_ACK); /* without the bit it is nobody's business */
    put(&p, request, sizeof request);
    (void)net_settle(&p.net);
    assert_int_equal(counted(&p).bad_data, 3);
    pinger_close(&p);
}

static void odd_requests(void **state)
{
    struct pinger p;
    uint8_t request[32] = {0}, expected[17] = {0};

    (void)state;
    pinger_init(&p);
    put_le32(request, PING_RESPONSE); /* that nobody asked for */
    put(&p, request, sizeof request);
    put_le32(request, PING_RESPONSE | PING_ACK);
    put(&p, request, sizeof request);
    assert_silence(&p);
    memset(request + 8, 0x77, sizeof request - 8);
    put_le32(request, 0x50 | PING_ACK); /* a kind that does not exist: 17 bytes */
    put(&p, request, sizeof request);
    (void)net_settle(&p.net);
    memset(expected, 0x77, sizeof expected);
    put_le32(expected, PING_RESPONSE);
    put_le32(expected + 4, sizeof expected);
    assert_bytes(&p, expected, sizeof expected);
    put(&p, request, PING_HEADER_BYTES);
    (void)net_settle(&p.net);
    expected[16] = 0; /* nothing of what was in the buffer before */
    assert_bytes(&p, expected, sizeof expected);
    assert_silence(&p);
    assert_int_equal(counted(&p).malformed, 0);
    pinger_close(&p);
}

/* No buffer: every answer comes later, in order, once. */
static void answers_wait_for_buffers(void **state)
{
    struct pinger p;
    uint8_t request[20] = {PING_ACK}, expected[20] = {PING_RESPONSE};

    (void)state;
    pinger_init(&p);
    p.droid->wire->n_free = 0;
    put_le32(request + 4, sizeof request);
    for (unsigned i = 0; i < 50; i++) {
        put_le64(request + 8, 1000 + i);
        put(&p, request, sizeof request);
    }
    assert_silence(&p);
    for (unsigned i = 0; i < 3; i++)
        p.droid->wire->free[p.droid->wire->n_free++] = i;
    put_le32(expected + 4, sizeof expected);
    for (unsigned i = 0; i < 50; i++) {
        struct wire_message m;

        for (unsigned ms = 0; p.droid->wire->n_read == p.droid->wire->n_flushed && ms < 10; ms++)
            net_pass(&p.net, MS(1));
        assert_true(wire_get(p.droid->wire, &m, true));
        put_le64(expected + 8, 1000 + i);
        assert_int_equal(m.len, sizeof expected);
        assert_memory_equal(m.data, expected, sizeof expected);
    }
    net_pass(&p.net, S(1));
    assert_silence(&p);
    pinger_close(&p);
}

/* An answer that waits dies with the connection: who asked is gone. */
static void no_answer_into_the_next_life(void **state)
{
    struct pinger p;

    (void)state;
    pinger_init(&p);
    p.droid->wire->n_free = 0;
    put(&p, vector_g1, sizeof vector_g1);
    assert_silence(&p);
    peer_down(p.droid);
    (void)net_settle(&p.net);
    peer_up(p.droid, RPR_DIALECT_NUTTX);
    (void)net_settle(&p.net);
    assert_peer_said(p.droid, "CREATE rpmsg-ping;");
    peer_ack(p.droid, "rpmsg-ping", PEER);
    net_pass(&p.net, S(1));
    assert_silence(&p);
    pinger_close(&p);
}

/* A way back that is too narrow: no cut answer, no crash. */
static void longer_than_the_way_back(void **state)
{
    struct pinger p;
    struct wire_message m = {0};

    (void)state;
    pinger_init(&p);
    peer_down(p.droid);
    peer_up_as(p.droid, (struct peer_config){.dialect = RPR_DIALECT_NUTTX, .tx_len = 31});
    (void)net_settle(&p.net);
    (void)peer_said(p.droid);
    peer_ack(p.droid, "rpmsg-ping", PEER);
    put(&p, vector_g1, sizeof vector_g1); /* 32 */
    assert_silence(&p);
    put(&p, vector_g1, 31);
    (void)net_settle(&p.net);
    assert_true(wire_get(p.droid->wire, &m, true));
    assert_int_equal(m.len, 31);
    p.droid->wire->slot_size = RPMSG_HEADER_BYTES + 20; /* or a buffer that is */
    put(&p, vector_g1, 31);
    put(&p, vector_g1, 20);
    (void)net_settle(&p.net);
    assert_true(wire_get(p.droid->wire, &m, true));
    assert_int_equal(m.len, 20);
    pinger_close(&p);
}

/* ---- runs ------------------------------------------------------------------------------------- */

static void on_done(void *ctx, const struct rpr_ping_result *result)
{
    struct pinger *p = ctx;

    p->result = *result;
    p->n_done++;
    p->run = NULL;
    if (p->in_done)
        p->in_done(p);
}

static int start(struct pinger *p, struct rpr_ping_config config)
{
    config.device = device_of(p->node, "droid");
    config.done = on_done;
    config.ctx = p;
    return rpr_ping_start(p->ping, &config, &p->run);
}

/* The next request of the node. */
static void take_request(struct pinger *p, struct wire_message *m)
{
    (void)net_settle(&p->net);
    assert_true(wire_get(p->droid->wire, m, true));
    assert_int_equal(m->dst, PEER);
    assert_true(m->len >= RPR_PING_MIN_BYTES);
    assert_int_equal(get_le32(m->data + 4), m->len);
}

static void respond(struct pinger *p, const struct wire_message *request)
{
    uint8_t bytes[WIRE_BYTES];

    memcpy(bytes, request->data, request->len);
    put_le32(bytes, PING_RESPONSE);
    put(p, bytes, request->len);
    (void)net_settle(&p->net);
}

static void run_with_answers(void **state)
{
    struct pinger p;
    struct wire_message m;

    (void)state;
    pinger_init(&p);
    assert_int_equal(start(&p, (struct rpr_ping_config){.times = 100, .length = 64, .flags = 3}),
                     0);
    for (unsigned i = 0; i < 100; i++) { /* round trips of 1 to 100 ms */
        take_request(&p, &m);
        assert_int_equal(m.len, 64);
        assert_int_equal(get_le32(m.data), PING_ACK | PING_CHECK);
        for (unsigned k = PING_HEADER_BYTES; k < m.len; k++)
            assert_int_equal(m.data[k], (uint8_t)i);
        assert_silence(&p); /* one at a time */
        net_pass(&p.net, MS(i + 1));
        assert_int_equal(p.n_done, 0);
        respond(&p, &m);
    }
    assert_int_equal(p.n_done, 1);
    assert_int_equal(p.result.error, 0);
    assert_int_equal(p.result.times, 100);
    assert_int_equal(p.result.lost, 0);
    assert_int_equal(p.result.n_rtt, 100);
    assert_int_equal(p.result.buffer_len, 496);
    assert_int_equal(p.result.send_len, 64);
    assert_int_equal(p.result.min_ns, MS(1));
    assert_int_equal(p.result.max_ns, MS(100));
    assert_int_equal(p.result.avg_ns, MS(101) / 2);
    assert_in_range(p.result.p50_ns, MS(50), MS(50) + MS(50) / 32);
    assert_in_range(p.result.p99_ns, MS(99), MS(100));
    assert_int_equal(p.result.p999_ns, MS(100));
    assert_silence(&p);
    pinger_close(&p);
}

static void without_ack_nobody_waits(void **state)
{
    struct pinger p;
    struct wire_message m;

    (void)state;
    pinger_init(&p);
    assert_int_equal(start(&p, (struct rpr_ping_config){.times = 20, .length = 1}), 0);
    (void)rpr_node_poll(p.node, p.net.w.now, 0);
    assert_int_equal(p.droid->wire->n_out, p.droid->wire->n_read + 1); /* others have a turn */
    net_pass(&p.net, US(1));
    assert_int_equal(p.n_done, 1);
    assert_int_equal(p.result.times, 20);
    assert_int_equal(p.result.lost, 0);
    assert_int_equal(p.result.n_rtt, 0);
    assert_int_equal(p.result.avg_ns, 0);
    assert_int_equal(p.result.send_len, RPR_PING_MIN_BYTES);
    for (unsigned i = 0; i < 20; i++) {
        take_request(&p, &m);
        assert_int_equal(get_le32(m.data), 0);
        assert_int_equal(m.data[16], 0);
    }
    assert_silence(&p);
    pinger_close(&p);
}

static void lengths(void **state)
{
    static const struct {
        uint32_t wanted, sent;
    } rows[] = {{0, 17}, {17, 17}, {18, 18}, {496, 496}, {497, 496}, {UINT32_MAX, 496}};
    struct pinger p;
    struct wire_message m;
    unsigned seen[101] = {0}, different = 0;

    (void)state;
    pinger_init(&p);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        assert_int_equal(start(&p, (struct rpr_ping_config){.times = 1, .length = rows[i].wanted}),
                         0);
        take_request(&p, &m);
        assert_int_equal(m.len, rows[i].sent);
    }
    assert_int_equal(
        start(&p, (struct rpr_ping_config){.times = 200, .length = 100, .flags = RPR_PING_RANDOM}),
        0);
    for (unsigned i = 0; i < 200; i++) {
        net_pass(&p.net, 1);
        take_request(&p, &m);
        assert_int_equal(get_le32(m.data), PING_RANDOM);
        assert_in_range(m.len, 17, 100);
        different += !seen[m.len]++;
    }
    assert_true(different > 40);
    pinger_close(&p);
}

static void walkthrough_b3_late_answers_count_for_nothing(void **state)
{
    struct pinger p;
    struct wire_message first, second, third;

    (void)state;
    pinger_init(&p);
    assert_int_equal(start(&p,
                           (struct rpr_ping_config){
                               .times = 3, .length = 20, .flags = RPR_PING_ACK, .timeout_ms = 100}),
                     0);
    take_request(&p, &first);
    net_pass(&p.net, MS(99));
    assert_silence(&p);
    net_pass(&p.net, MS(1)); /* lost: the next one goes */
    take_request(&p, &second);
    assert_memory_not_equal(first.data + 8, second.data + 8, 8);
    respond(&p, &first); /* late: not taken for the second's */
    assert_silence(&p);
    net_pass(&p.net, MS(7));
    respond(&p, &second);
    respond(&p, &second); /* twice */
    take_request(&p, &third);
    respond(&p, &second);
    assert_int_equal(p.n_done, 0);
    net_pass(&p.net, MS(100));
    assert_int_equal(p.n_done, 1);
    assert_int_equal(p.result.times, 3);
    assert_int_equal(p.result.lost, 2);
    assert_int_equal(p.result.n_rtt, 1);
    assert_int_equal(p.result.max_ns, MS(7));
    respond(&p, &third); /* after the end */
    assert_silence(&p);
    pinger_close(&p);
}

/* Wrong length, wrong data: counted as lost, and the run goes on. */
static void wrong_answers(void **state)
{
    struct pinger p;
    struct wire_message m;
    uint8_t bytes[64];

    (void)state;
    pinger_init(&p);
    assert_int_equal(start(&p, (struct rpr_ping_config){.times = 4, .length = 40, .flags = 3}), 0);
    for (unsigned i = 0; i < 4; i++) {
        take_request(&p, &m);
        memcpy(bytes, m.data, m.len);
        put_le32(bytes, PING_RESPONSE);
        if (i == 1)
            bytes[39] ^= 1;
        put(&p, bytes, i == 2 ? 39 : i == 3 ? 16 : 40);
        (void)net_settle(&p.net);
    }
    assert_int_equal(p.n_done, 1);
    assert_int_equal(p.result.lost, 3);
    assert_int_equal(p.result.n_rtt, 1);
    assert_int_equal(start(&p, (struct rpr_ping_config){.times = 1, .length = 40, .flags = 1}), 0);
    take_request(&p, &m); /* without CHECK the data is not looked at */
    m.data[39] ^= 1;
    respond(&p, &m);
    assert_int_equal(p.result.lost, 0);
    pinger_close(&p);
}

static void period_is_from_answer_to_next(void **state)
{
    struct pinger p;
    struct wire_message m;

    (void)state;
    pinger_init(&p);
    assert_int_equal(
        start(&p, (struct rpr_ping_config){.times = 2, .flags = RPR_PING_ACK, .period_ms = 50}), 0);
    take_request(&p, &m);
    net_pass(&p.net, MS(20));
    respond(&p, &m);
    respond(&p, &m); /* twice */
    net_pass(&p.net, MS(49));
    assert_silence(&p);
    net_pass(&p.net, MS(1));
    take_request(&p, &m);
    respond(&p, &m);
    assert_int_equal(p.n_done, 1); /* not a period after the last one */
    assert_int_equal(p.result.n_rtt, 2);
    assert_int_equal(p.result.min_ns, 0);
    assert_int_equal(p.result.max_ns, MS(20));
    pinger_close(&p);
}

/* The link takes nothing: the ping waits, and the wait is part of its time, as NuttX counts it. */
static void requests_wait_for_buffers(void **state)
{
    struct pinger p;
    struct wire_message m;

    (void)state;
    pinger_init(&p);
    p.droid->wire->n_free = 0;
    assert_int_equal(
        start(&p, (struct rpr_ping_config){.times = 2, .flags = RPR_PING_ACK, .timeout_ms = 200}),
        0);
    net_pass(&p.net, MS(100));
    p.droid->wire->free[p.droid->wire->n_free++] = 0;
    p.droid->wire->free[p.droid->wire->n_free++] = 1;
    net_pass(&p.net, MS(10));
    take_request(&p, &m);
    respond(&p, &m);
    assert_int_equal(p.n_done, 0);
    p.droid->wire->n_free = 0;
    net_pass(&p.net, MS(10)); /* the second is out already, and never answered */
    net_pass(&p.net, MS(200));
    assert_int_equal(p.n_done, 1);
    assert_int_equal(p.result.times, 2);
    assert_int_equal(p.result.lost, 1);
    assert_int_equal(p.result.n_rtt, 1);
    assert_in_range(p.result.max_ns, MS(100), MS(111));
    pinger_close(&p);
}

/* Nothing is ever taken: each ping is lost in its time, and the run ends. */
static void nothing_is_taken(void **state)
{
    struct pinger p;

    (void)state;
    pinger_init(&p);
    p.droid->wire->n_free = 0;
    assert_int_equal(
        start(&p, (struct rpr_ping_config){.times = 3, .flags = RPR_PING_ACK, .timeout_ms = 100}),
        0);
    net_pass(&p.net, MS(299));
    assert_int_equal(p.n_done, 0);
    net_pass(&p.net, MS(1));
    assert_int_equal(p.n_done, 1);
    assert_int_equal(p.result.times, 3);
    assert_int_equal(p.result.lost, 3);
    pinger_close(&p);
}

static uint64_t send_clock_ns; /* each look at it takes 250 ns */

static uint64_t read_send_clock(void)
{
    return send_clock_ns += 250;
}

/* Without ACK there is no round trip: the time is that of the send, a wait for a buffer included. */
static void sends_are_timed(void **state)
{
    struct rpr_ping_config config = {.times = 4, .length = 100, .clock_ns = read_send_clock};
    struct pinger p;
    struct wire_message m;

    (void)state;
    pinger_init(&p);
    send_clock_ns = p.net.w.now;
    assert_int_equal(start(&p, config), 0);
    net_pass(&p.net, MS(1));
    for (unsigned i = 0; i < 4; i++)
        take_request(&p, &m);
    assert_int_equal(p.n_done, 1);
    assert_int_equal(p.result.times, 4);
    assert_int_equal(p.result.n_rtt, 4);
    assert_int_equal(p.result.min_ns, 250);
    assert_int_equal(p.result.avg_ns, 250);
    assert_int_equal(p.result.max_ns, 250);

    p.droid->wire->n_free = 0;
    config.times = 1;
    send_clock_ns = p.net.w.now;
    assert_int_equal(start(&p, config), 0);
    net_pass(&p.net, MS(7));
    assert_int_equal(p.n_done, 1);
    send_clock_ns += MS(7);
    p.droid->wire->free[p.droid->wire->n_free++] = 0;
    p.droid->wire->free[p.droid->wire->n_free++] = 1;
    net_pass(&p.net, MS(10));
    take_request(&p, &m);
    assert_int_equal(p.n_done, 2);
    assert_int_equal(p.result.min_ns, MS(7) + 250);

    config.clock_ns = NULL; /* no clock: nothing is said rather than something wrong */
    assert_int_equal(start(&p, config), 0);
    net_pass(&p.net, MS(1));
    take_request(&p, &m);
    assert_int_equal(p.n_done, 3);
    assert_int_equal(p.result.n_rtt, 0);
    pinger_close(&p);
}

/* ---- runs that end early ------------------------------------------------------------------------ */

static void walkthrough_b3_ping_ends_with_its_peer(void **state)
{
    (void)state;
    for (unsigned how = 0; how < 4; how++) {
        struct pinger p;
        struct wire_message m;

        pinger_init(&p);
        if (how == 3)
            p.droid->wire->n_free = 0; /* while it waits for a buffer */
        assert_int_equal(
            start(&p, (struct rpr_ping_config){.times = 9, .length = 20, .flags = RPR_PING_ACK}),
            0);
        (void)net_settle(&p.net);
        if (how != 3)
            take_request(&p, &m);
        if (how == 0)
            peer_destroy(p.droid, "rpmsg-ping", PEER);
        else if (how == 1)
            rpr_link_unregister(&p.droid->wire->link);
        else
            peer_down(p.droid);
        (void)net_settle(&p.net);
        assert_int_equal(p.n_done, 1);
        assert_int_equal(p.result.error, -RPR_ENOTCONN);
        assert_int_equal(p.result.times, how != 3);
        if (how != 1)
            assert_int_equal(start(&p, (struct rpr_ping_config){.times = 1}), -RPR_ENOTCONN);
        net_pass(&p.net, S(10));
        assert_int_equal(p.n_done, 1);
        pinger_close(&p);
    }
}

static void start_is_checked(void **state)
{
    struct pinger p;
    struct rpr_ping_run *run;

    (void)state;
    pinger_init(&p);
    assert_int_equal(start(&p, (struct rpr_ping_config){.times = 0}), -RPR_EINVAL);
    assert_int_equal(
        rpr_ping_start(p.ping,
                       &(struct rpr_ping_config){.device = device_of(p.node, "droid"), .times = 1},
                       &run),
        -RPR_EINVAL);
    p.net.w.fail_in = 1;
    assert_int_equal(start(&p, (struct rpr_ping_config){.times = 1}), -RPR_ENOMEM);
    pinger_close(&p);
}

static void stop_other(struct pinger *p)
{
    p->in_done = NULL;
    rpr_ping_stop(p->other);
}

static void start_again(struct pinger *p)
{
    p->in_done = NULL;
    assert_int_equal(start(p, (struct rpr_ping_config){.times = 1, .length = 33}), 0);
}

static void close_all(struct pinger *p)
{
    struct rpr_ping *ping = p->ping;

    p->in_done = NULL;
    p->ping = NULL;
    rpr_ping_close(ping);
}

/* `done` of one run stops the other, starts one more, or closes the service, however it came to
 * be called. */
static void done_may_do_anything(void **state)
{
    static void (*const acts[])(struct pinger *) = {stop_other, start_again, close_all};

    (void)state;
    for (unsigned act = 0; act < 3; act++) {
        for (unsigned how = 0; how < 4; how++) {
            struct pinger p;
            struct wire_message m;

            pinger_init(&p);
            assert_int_equal(start(&p, (struct rpr_ping_config){.times = 5,
                                                                .length = 20,
                                                                .flags = RPR_PING_ACK,
                                                                .timeout_ms = 1000}),
                             0);
            p.other = p.run;
            (void)net_settle(&p.net);
            (void)wire_get(p.droid->wire, &m, true);
            if (how == 3)
                p.droid->wire->n_free = 0;
            assert_int_equal(start(&p, (struct rpr_ping_config){.times = 1,
                                                                .length = 21,
                                                                .flags = RPR_PING_ACK,
                                                                .timeout_ms = 100}),
                             0);
            (void)net_settle(&p.net);
            p.in_done = acts[act];
            if (how == 0) { /* by its answer */
                assert_true(wire_get(p.droid->wire, &m, true));
                respond(&p, &m);
            } else if (how == 1) { /* by a stop */
                rpr_ping_stop(p.run);
            } else { /* by its timeout, sent or not */
                net_pass(&p.net, MS(100));
            }
            assert_null(p.in_done);
            assert_true(p.n_done == 2 || (act == 1 && p.n_done == 1));
            net_pass(&p.net, S(1));
            pinger_close(&p);
        }
    }
}

static void again_and_again(struct pinger *p)
{
    (void)start(p, (struct rpr_ping_config){.times = 1, .flags = RPR_PING_ACK});
}

/* Somebody who always starts another run does not keep the service from closing. */
static void close_ends_it(void **state)
{
    struct pinger p;
    struct rpr_ping *ping;

    (void)state;
    pinger_init(&p);
    again_and_again(&p);
    p.in_done = again_and_again;
    ping = p.ping;
    rpr_ping_close(ping);
    p.ping = NULL;
    assert_int_equal(p.n_done, 1);
    assert_int_equal(p.result.error, -RPR_ESTALE);
    assert_int_equal(p.result.times, 0);
    pinger_close(&p);
    pinger_init(&p); /* nor the device from going */
    again_and_again(&p);
    p.in_done = again_and_again;
    rpr_link_unregister(&p.droid->wire->link);
    (void)net_settle(&p.net);
    assert_int_equal(p.n_done, 1);
    pinger_close(&p);
}

/* Runs of two callers do not take each other's answers. */
static void two_runs_at_once(void **state)
{
    struct pinger p;
    struct wire_message a, b;

    (void)state;
    pinger_init(&p);
    for (unsigned i = 0; i < 2; i++)
        assert_int_equal(
            start(&p, (struct rpr_ping_config){.times = 1, .length = 20, .flags = RPR_PING_ACK}),
            0);
    take_request(&p, &a);
    take_request(&p, &b);
    net_pass(&p.net, MS(3));
    respond(&p, &b);
    assert_int_equal(p.n_done, 1);
    respond(&p, &b);
    assert_int_equal(p.n_done, 1);
    net_pass(&p.net, MS(3));
    respond(&p, &a);
    assert_int_equal(p.n_done, 2);
    assert_int_equal(p.result.max_ns, MS(6));
    pinger_close(&p);
}

/* ---- lies --------------------------------------------------------------------------------------- */

/* Announced again within 1 ms of that time, and not before. */
static void assert_comes_back_after(struct pinger *p, uint64_t ns)
{
    assert_peer_said(p->droid, "DESTROY rpmsg-ping;");
    net_pass(&p->net, ns - MS(1));
    assert_peer_said(p->droid, "");
    net_pass(&p->net, MS(2));
    assert_peer_said(p->droid, "CREATE rpmsg-ping;");
    peer_ack(p->droid, "rpmsg-ping", PEER);
    (void)net_settle(&p->net);
}

static void lie(struct pinger *p, const void *bytes, size_t len)
{
    put(p, bytes, len);
    (void)net_settle(&p->net);
}

static void a_lie_ends_the_endpoint(void **state)
{
    static const uint8_t bytes[40] = {PING_ACK};
    struct pinger p;

    (void)state;
    for (uint32_t i = 0; i < PING_HEADER_BYTES + 3; i++) {
        const uint32_t lengths[] = {39, 65536, UINT32_MAX}; /* as it says of 40 bytes */
        struct rpr_service_closed closed;
        uint8_t request[40];
        bool is_short = i < PING_HEADER_BYTES;

        pinger_init(&p);
        memcpy(request, bytes, sizeof request);
        put_le32(request + 4, is_short ? i : lengths[i - PING_HEADER_BYTES]);
        put(&p, vector_g1, sizeof vector_g1); /* what came before is answered */
        lie(&p, request, is_short ? i : sizeof request);
        assert_bytes(&p, vector_g2, sizeof vector_g2);
        assert_int_equal(counted(&p).malformed, 1);
        assert_string_equal(p.net.w.log,
                            is_short ? "droid: rpmsg-ping: a message is shorter than its header; "
                                       "its endpoint is closed for 1 s\n"
                                     : "droid: rpmsg-ping: a request cannot be as long as it "
                                       "says; its endpoint is closed for 1 s\n");
        assert_true(rpr_ping_closed(p.ping, 0, &closed));
        assert_ptr_equal(closed.device, device_of(p.node, "droid"));
        assert_non_null(strstr(p.net.w.log, closed.reason));
        assert_int_equal(closed.wait_ns, S(1));
        assert_false(rpr_ping_closed(p.ping, 1, &closed));
        assert_comes_back_after(&p, S(1));
        assert_false(rpr_ping_closed(p.ping, 0, &closed));
        put(&p, vector_g1, sizeof vector_g1);
        (void)net_settle(&p.net);
        assert_bytes(&p, vector_g2, sizeof vector_g2);
        pinger_close(&p);
    }
}

/* Who lies again has to wait for longer, up to a minute and a bit; a connection or a time without a
 * lie, and he is as good as any. */
static void a_liar_gets_tired(void **state)
{
    struct pinger p;
    struct rpr_service_closed closed;
    unsigned wait = 1;

    (void)state;
    pinger_init(&p);
    for (unsigned i = 0; i < 9; i++) {
        lie(&p, "", 0);
        assert_comes_back_after(&p, S(wait));
        wait = wait < 64 ? 2 * wait : 64;
    }
    lie(&p, "", 0);
    (void)net_settle(&p.net);
    peer_down(p.droid);
    (void)net_settle(&p.net);
    net_pass(&p.net, S(1));
    assert_true(rpr_ping_closed(p.ping, 0, &closed)); /* that was no connection */
    assert_int_equal(closed.wait_ns, S(63));
    peer_up(p.droid, RPR_DIALECT_NUTTX);
    (void)net_settle(&p.net);
    assert_peer_said(p.droid, "CREATE rpmsg-ping;");
    peer_ack(p.droid, "rpmsg-ping", PEER);
    (void)net_settle(&p.net);
    net_pass(&p.net, S(128));
    lie(&p, "", 0);
    assert_comes_back_after(&p, S(1));
    lie(&p, "", 0);
    assert_peer_said(p.droid, "DESTROY rpmsg-ping;");
    net_pass(&p.net, S(1)); /* it waits when the device goes, or the service */
    pinger_close(&p);
    pinger_init(&p);
    lie(&p, "", 0);
    rpr_link_unregister(&p.droid->wire->link);
    net_pass(&p.net, S(5));
    pinger_close(&p);
}

/* A run ends as if the peer went, and its `done` may close everything. */
static void a_lie_ends_the_run(void **state)
{
    struct pinger p;
    struct wire_message m;

    (void)state;
    for (unsigned act = 0; act < 2; act++) {
        pinger_init(&p);
        assert_int_equal(
            start(&p, (struct rpr_ping_config){.times = 9, .length = 20, .flags = RPR_PING_ACK}),
            0);
        take_request(&p, &m);
        p.in_done = act ? close_all : NULL;
        lie(&p, "", 0);
        assert_int_equal(p.n_done, 1);
        assert_int_equal(p.result.error, -RPR_ENOTCONN);
        if (!act)
            assert_int_equal(start(&p, (struct rpr_ping_config){.times = 1}), -RPR_ENOTCONN);
        pinger_close(&p);
    }
}

/* What some peer sends that means no harm: requests and answers of older NuttX and of a driver for Linux,
 * whose commands are numbers from 1 to 5; requests that were cut on their way; answers that nobody waits
 * for; commands of later versions. */
static void nothing_honest_ends_it(void **state)
{
    static const struct {
        uint32_t cmd, says, len;
    } rows[] = {{1, 16, 16},    {2, 17, 17},          {3, 40, 40},    {4, 40, 40},
                {5, 33, 16},    {0, 17, 17},          {7, 40, 40},    {1, 400, 40},
                {3, 65535, 17}, {0x20, 0, 16},        {0x20, 99, 40}, {0x21, 17, 17},
                {0x23, 0, 40},  {0x20, 1u << 31, 40}, {0x10, 0, 40},  {0x40, 0, 16},
                {0x51, 99, 40}, {0xffffff00, 40, 40}};
    struct pinger p;
    struct wire_message m;

    (void)state;
    pinger_init(&p);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        uint8_t bytes[40] = {0};

        put_le32(bytes, rows[i].cmd);
        put_le32(bytes + 4, rows[i].says);
        memset(bytes + 8, 0xee, sizeof bytes - 8);
        put(&p, bytes, rows[i].len);
        (void)net_settle(&p.net);
        while (wire_get(p.droid->wire, &m, true))
            assert_int_equal(m.dst, PEER);
    }
    assert_int_equal(counted(&p).malformed, 0);
    pinger_close(&p);
}

/* ---- devices -------------------------------------------------------------------------------------- */

/* Every remote CPU has it, whenever it comes; a local program's private link has not. */
static void on_every_device(void **state)
{
    struct pinger p;
    struct peer *late, *private;

    (void)state;
    pinger_init(&p);
    late = peer_new(&p.net, p.node, "late");
    private = peer_new(&p.net, p.node, "#1");
    peer_up(late, RPR_DIALECT_NUTTX);
    peer_up(private, RPR_DIALECT_RPR);
    (void)net_settle(&p.net);
    assert_peer_said(late, "CREATE rpmsg-ping;");
    assert_peer_said(private, "");
    rpr_ping_close(p.ping);
    (void)net_settle(&p.net);
    assert_peer_said(late, "DESTROY rpmsg-ping;");
    assert_peer_said(p.droid, "DESTROY rpmsg-ping;");
    assert_int_equal(rpr_ping_open(p.node, NULL, &p.ping), 0);
    (void)net_settle(&p.net);
    assert_peer_said(late, "CREATE rpmsg-ping;");
    pinger_close(&p);
    peer_free(late);
    peer_free(private);
}

/* Memory was short when a device came. */
static void device_without_memory(void **state)
{
    struct pinger p;
    struct peer *late;

    (void)state;
    pinger_init(&p);
    p.net.w.fail_in = 2; /* the device itself is the first */
    late = peer_new(&p.net, p.node, "late");
    assert_int_equal(p.net.w.fail_in, 0);
    peer_up(late, RPR_DIALECT_NUTTX);
    (void)net_settle(&p.net);
    assert_peer_said(late, "");
    net_pass(&p.net, S(1));
    assert_peer_said(late, "CREATE rpmsg-ping;");
    pinger_close(&p);
    peer_free(late);
}

/* Two nodes of ours through a hub. */
static void through_a_hub(void **state)
{
    struct fan f;
    struct rpr_ping *ping[2];
    struct pinger p;

    (void)state;
    memset(&p, 0, sizeof p);
    fan_init(&f, 2, (struct rpr_pair_config){0}, with_credit);
    for (unsigned i = 0; i < 2; i++)
        assert_int_equal(rpr_ping_open(f.e[i], NULL, &ping[i]), 0);
    net_pass(&f.net, MS(20));
    for (unsigned i = 0; i < 2; i++)
        assert_int_equal(rpr_ping_start(ping[i],
                                        &(struct rpr_ping_config){.device = fan_device(&f, i, !i),
                                                                  .times = 500,
                                                                  .length = 200,
                                                                  .flags = 7,
                                                                  .done = on_done,
                                                                  .ctx = &p},
                                        &p.run),
                         0);
    net_pass(&f.net, MS(20));
    assert_int_equal(p.n_done, 2);
    assert_int_equal(p.result.times, 500);
    assert_int_equal(p.result.lost, 0);
    assert_int_equal(routes_of(f.ap, "rpmsg-ping", NULL).forwarded, 2000);
    for (unsigned i = 0; i < 2; i++)
        rpr_ping_close(ping[i]);
    fan_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers_as_the_vectors_say),
        cmocka_unit_test(answers_what_came),
        cmocka_unit_test(check_is_evaluated),
        cmocka_unit_test(odd_requests),
        cmocka_unit_test(answers_wait_for_buffers),
        cmocka_unit_test(no_answer_into_the_next_life),
        cmocka_unit_test(longer_than_the_way_back),
        cmocka_unit_test(run_with_answers),
        cmocka_unit_test(without_ack_nobody_waits),
        cmocka_unit_test(lengths),
        cmocka_unit_test(walkthrough_b3_late_answers_count_for_nothing),
        cmocka_unit_test(wrong_answers),
        cmocka_unit_test(period_is_from_answer_to_next),
        cmocka_unit_test(requests_wait_for_buffers),
        cmocka_unit_test(nothing_is_taken),
        cmocka_unit_test(sends_are_timed),
        cmocka_unit_test(walkthrough_b3_ping_ends_with_its_peer),
        cmocka_unit_test(start_is_checked),
        cmocka_unit_test(done_may_do_anything),
        cmocka_unit_test(close_ends_it),
        cmocka_unit_test(two_runs_at_once),
        cmocka_unit_test(a_lie_ends_the_endpoint),
        cmocka_unit_test(a_liar_gets_tired),
        cmocka_unit_test(a_lie_ends_the_run),
        cmocka_unit_test(nothing_honest_ends_it),
        cmocka_unit_test(on_every_device),
        cmocka_unit_test(device_without_memory),
        cmocka_unit_test(through_a_hub),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
