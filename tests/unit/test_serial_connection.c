/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The connection on virtual time, its peer being the test: which control bytes leave, and when
 * sessions begin and end. A script is what came and what is expected, in one line.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "serial/connection.h"

#define MS(n) ((uint64_t)(n)*1000000u)

struct bench {
    struct connection c;
    struct serial_counters count;
    uint64_t now, at;
    char heard[512]; /* bytes that left, and what happened */
    bool no_memory;
    bool close_at_end;
};

static void add(struct bench *b, const char *what)
{
    size_t n = strlen(b->heard);

    snprintf(b->heard + n, sizeof b->heard - n, "%s%s", n ? " " : "", what);
}

/* What waits to be written is written: in the order of events. */
static void write_out(struct bench *b)
{
    while (b->c.n_out) {
        char byte[4];

        snprintf(byte, sizeof byte, "%02x", b->c.out[0]);
        add(b, byte);
        connection_on_written(&b->c, 1, b->now);
    }
}

static void note(struct bench *b, const char *what)
{
    write_out(b);
    add(b, what);
}

static bool begin(void *ctx)
{
    struct bench *b = ctx;

    if (b->no_memory)
        return false;
    b->count.sessions++;
    note(b, "begin");
    return true;
}

static void end(void *ctx, const char *reason)
{
    struct bench *b = ctx;

    (void)reason;
    note(b, "end");
    if (b->close_at_end)
        connection_close(&b->c);
}

static void power(void *ctx, bool running)
{
    note(ctx, running ? "runs" : "sleeps");
}

static void closed(void *ctx)
{
    add(ctx, "closed");
}

static const struct connection_ops ops = {begin, end, power, closed};

static void bench_init(struct bench *b)
{
    memset(b, 0, sizeof *b);
    b->now = MS(1000);
    connection_init(&b->c, &ops, b, &b->count, 6, MS(5));
    connection_open(&b->c);
    connection_on_carrier(&b->c, b->now);
}

/* Nothing waits: what the link says at the end of each of its turns. */
static void settle(struct bench *b)
{
    for (unsigned i = 0; i < 3; i++) {
        write_out(b);
        connection_on_drained(&b->c, true, b->now);
    }
    write_out(b);
}

static void comes(struct bench *b, uint8_t byte)
{
    connection_on_input(&b->c, b->now);
    connection_on_next(&b->c, byte, b->now);
    if (byte == RPR_UART_START) {
        connection_on_start(&b->c);
    } else if (byte == RPR_UART_END) {
        connection_on_frame(&b->c, true, b->now);
    } else if ((byte & 0xf0u) == 0x70u && byte != RPR_UART_ESCAPE && byte > 0x73) {
        connection_on_control(&b->c, byte, false, b->now);
    }
    settle(b);
}

static void pass(struct bench *b, uint64_t ns)
{
    uint64_t until = b->now + ns;

    for (unsigned i = 0; i < 10000; i++) {
        uint64_t next = connection_deadline(&b->c);

        if (next > until) {
            b->now = until;
            connection_on_time(&b->c, b->now);
            settle(b);
            return;
        }
        assert_true(next >= b->now);
        b->now = next;
        connection_on_time(&b->c, b->now);
        settle(b);
    }
    fail_msg("time does not pass");
}

static void send_frames(struct bench *b, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        if (!connection_may_send(&b->c, b->at, true, b->now)) {
            note(b, "wait");
            break;
        }
        connection_on_sent(&b->c, b->at, b->now);
        b->at += 100;
        note(b, "frame");
    }
    settle(b);
}

/* "79" a byte comes; "+100" milliseconds pass; "*3" so many frames are to be sent. */
static void play(struct bench *b, const char *script)
{
    char text[256];

    snprintf(text, sizeof text, "%s", script);
    for (char *word = strtok(text, " "); word; word = strtok(NULL, " ")) {
        unsigned value = 0;

        if (word[0] == '+' && sscanf(word + 1, "%u", &value) == 1)
            pass(b, MS(value));
        else if (word[0] == '*' && sscanf(word + 1, "%u", &value) == 1)
            send_frames(b, value);
        else if (sscanf(word, "%x", &value) == 1)
            comes(b, (uint8_t)value);
        else
            fail_msg("script: %s", word);
    }
}

#define expect(b, script, what)                  \
    do {                                         \
        (b)->heard[0] = '\0';                    \
        play((b), (script));                     \
        assert_string_equal((b)->heard, (what)); \
    } while (0)

/* ---- connecting ------------------------------------------------------------------------------- */

static void staywake_until_it_is_answered(void **state)
{
    struct bench b;

    (void)state;
    bench_init(&b);
    expect(&b, "+0", "79");
    expect(&b, "+350", "79 79 79");
    expect(&b, "74 7c 00", ""); /* the wrong ACK */
    expect(&b, "78", "7e");
    expect(&b, "78", ""); /* nobody waits for that one */
    expect(&b, "7d", "begin");
}

static void the_peer_boots_first(void **state)
{
    struct bench b;

    (void)state;
    bench_init(&b);
    expect(&b, "79 79 79", "79 78 78 78");
    expect(&b, "78 7e 77", "7e 7d begin");
    expect(&b, "7d", "");
    expect(&b, "+30", "77"); /* its answer, to ours */
    assert_int_equal(b.count.peer_restarts, 0);
    assert_int_equal(b.c.unanswered, 0);
}

static void connected_by_the_peer_before_it_woke(void **state)
{
    struct bench b;

    (void)state;
    bench_init(&b);
    expect(&b, "75 7e", "79 74 7d begin");
    expect(&b, "*1", "wait");
    expect(&b, "78 *1", "frame");
    expect(&b, "+5", "77");
    assert_int_equal(b.count.connreqs, 0);
}

static void connreq_again_only_after_silence(void **state)
{
    struct bench b;

    (void)state;
    bench_init(&b);
    expect(&b, "78", "79 7e");
    expect(&b, "+999", "");
    expect(&b, "+1", "7e");
    expect(&b, "+1999", "");
    expect(&b, "+1", "7e");
    expect(&b, "+3999", "");
    expect(&b, "+1", "7e");
    expect(&b, "+4999", "");
    expect(&b, "+1 +5000", "7e 7e");
    expect(&b, "+4000 41 +4999", ""); /* something came, if only noise */
    expect(&b, "+1", "7e");
    assert_int_equal(b.count.connreqs, 7);
}

static void no_connreq_after_start(void **state)
{
    struct bench b;

    (void)state;
    bench_init(&b);
    expect(&b, "78 7f 41 70", "79 7e");
    expect(&b, "+9999", "");
    expect(&b, "+1", "7e"); /* it is in a session that we are not in */
    expect(&b, "7d", "begin");
    expect(&b, "+60000", "77");
    assert_int_equal(b.count.connreqs, 2);
}

static void no_connreq_after_connack_or_connreq(void **state)
{
    struct bench b;

    (void)state;
    bench_init(&b);
    expect(&b, "78 7d +60000", "79 7e begin 77");
    bench_init(&b);
    expect(&b, "7e 7f +250", "79 7d begin 79 79");
    pass(&b, MS(60000));
    assert_int_equal(b.count.connreqs, 0);
}

static void no_memory_for_a_session(void **state)
{
    struct bench b;

    (void)state;
    bench_init(&b);
    b.no_memory = true;
    expect(&b, "78 7e", "79 7e 77");
    b.no_memory = false;
    expect(&b, "+999", "");
    expect(&b, "+1 74 7d", "75 7e begin");
}

/* ---- half open -------------------------------------------------------------------------------- */

static void half_open_is_found_out_once(void **state)
{
    struct bench b;

    (void)state;
    bench_init(&b);
    expect(&b, "7e 78 *2", "79 7d begin frame frame");
    expect(&b, "+1999", "77");
    expect(&b, "+1", "end 75");
    expect(&b, "74 7d *1", "7e begin frame");
    expect(&b, "+9000", "77"); /* it has nothing to say: that may be */
    assert_int_equal(b.count.half_open, 1);
    assert_int_equal(b.count.connreqs, 1);
    expect(&b, "7e +20", "end 7d begin"); /* and once more without a START between */
    expect(&b, "*1 78 *1 +9000", "79 wait frame 77");
    assert_int_equal(b.count.half_open, 1);
}

static void a_start_says_that_it_is_connected(void **state)
{
    struct bench b;

    (void)state;
    bench_init(&b);
    expect(&b, "7e 78 *2 +1000 7f 00 70 +60000", "79 7d begin frame frame 77");
    assert_int_equal(b.count.connreqs, 0);
}

static void nothing_announced_nothing_missed(void **state)
{
    struct bench b;

    (void)state;
    bench_init(&b);
    expect(&b, "7e 78 +60000", "79 7d begin 77");
}

/* ---- what is believed --------------------------------------------------------------------------- */

static void connected(struct bench *b)
{
    bench_init(b);
    play(b, "78 7d 7f 00 70 +50");
    assert_int_equal(b->c.state, CONNECTION_CONNECTED);
    b->c.wary = false; /* it has announced itself */
    b->heard[0] = '\0';
}

static void connreq_while_connected(void **state)
{
    static const char *const noise[] = {"7e 41", "7e 7c", "7e 70", "7e 00", "7e f0"};
    static const char *const real[] = {"7e +20", "7e 7f", "7e 79", "7e 7e +20", "7e 77"};
    struct bench b;

    (void)state;
    for (unsigned i = 0; i < 5; i++) {
        connected(&b);
        expect(&b, noise[i], "");
        assert_int_equal(b.count.noise, 1);
        expect(&b, "+1000", "");
        connected(&b);
        expect(&b, real[i],
               i == 2   ? "end 7d begin 78"
               : i == 3 ? "end 7d begin end 7d begin"
                        : "end 7d begin");
        assert_int_equal(b.count.noise, 0);
    }
    connected(&b);
    expect(&b, "7e +19", "");
    expect(&b, "+1", "end 7d begin");
    assert_int_equal(b.count.connreqs_rx, 1);
    assert_int_equal(b.count.peer_restarts, 1);
}

static void a_new_peer_is_woken_anew(void **state)
{
    struct bench b;

    (void)state;
    connected(&b);
    expect(&b, "*1", "75 wait");
    expect(&b, "74 *1", "frame"); /* awake: and now it restarts */
    expect(&b, "7e 77", "end 7d begin");
    expect(&b, "*1", "75 wait");
    expect(&b, "74 *1", "frame");
}

static void connack_that_answers_nothing(void **state)
{
    struct bench b;

    (void)state;
    connected(&b);
    expect(&b, "7d 41", "");
    assert_int_equal(b.count.noise, 1);
    expect(&b, "7d 7f", "end 75");
    expect(&b, "74 7d", "7e begin");
    expect(&b, "+20", "77");
    assert_int_equal(b.count.peer_restarts, 1);
}

/* With each CONNACK the peer begins anew: what it said before is of a session that is over. */
static void one_connack_is_for_one_session(void **state)
{
    struct bench b;

    (void)state;
    bench_init(&b);
    expect(&b, "78 +1000", "79 7e 7e"); /* two are out, and it was late to read the first */
    expect(&b, "7d", "begin");
    expect(&b, "7d +20", "77 end 75");
    expect(&b, "74 7d", "7e begin");
    assert_int_equal(b.count.peer_restarts, 1);
    /* the peer's own connected us first: ours has crossed it */
    bench_init(&b);
    expect(&b, "78 7e 7d +20", "79 7e 7d begin 77");
    expect(&b, "7d +20", "end 75");
    /* but it spoke in between: it was connected before it read ours */
    bench_init(&b);
    expect(&b, "78 7e 7f 00 70 7d +20", "79 7e 7d begin 77 end 75");
}

/* We were connected, gave up, and have not asked again yet. */
static void a_connack_that_comes_too_late(void **state)
{
    struct bench b;

    (void)state;
    bench_init(&b);
    expect(&b, "78 7e *1 +2000", "79 7e 7d begin frame 77 end 75");
    expect(&b, "7d", "");
    expect(&b, "74 7d", "7e begin");
}

static void connreqs_of_long_ago_allow_nothing(void **state)
{
    struct bench b;

    (void)state;
    bench_init(&b);
    expect(&b, "78 7e +31000", "79 7e 7d begin 77");
    expect(&b, "7d +20", "end 75");
}

static void poweroff(void **state)
{
    struct bench b;

    (void)state;
    connected(&b);
    expect(&b, "76 41 76 7f 76 79", "78");
    assert_int_equal(b.count.noise, 3);
    expect(&b, "76 +19", "");
    expect(&b, "+1", "end");
    expect(&b, "+999", "");
    expect(&b, "+1", "75"); /* it is called for, after a while */
    assert_int_equal(b.count.poweroffs, 1);
    expect(&b, "79 7e", "78 7d begin");
}

static void the_peer_is_back_before_the_rest_is_over(void **state)
{
    struct bench b;

    (void)state;
    connected(&b);
    expect(&b, "76 +20", "end");
    expect(&b, "79 7e *1", "78 7d begin 75 wait");
    expect(&b, "74 *1", "frame");
}

static void suspend_and_resume(void **state)
{
    struct bench b;

    (void)state;
    connected(&b);
    expect(&b, "7b 41", "");
    assert_int_equal(b.count.noise, 1);
    expect(&b, "7b +20", "sleeps");
    expect(&b, "7a 7f", "runs");
    connection_on_control(&b.c, RPR_UART_SUSPEND, true, b.now);
    connection_on_frame(&b.c, false, b.now);
    assert_int_equal(b.count.noise, 2);
    connection_on_control(&b.c, RPR_UART_SUSPEND, true, b.now);
    expect(&b, "", "");
    connection_on_frame(&b.c, true, b.now);
    assert_string_equal(b.heard, "sleeps");
    connection_power(&b.c, false);
    connection_power(&b.c, true);
    expect(&b, "+0", "7b 7a");
}

/* ---- sending ------------------------------------------------------------------------------------- */

static void one_wake_handshake_per_conversation(void **state)
{
    struct bench b;

    (void)state;
    connected(&b);
    expect(&b, "*1", "75 wait");
    expect(&b, "+250", "75 75");
    expect(&b, "78 *1", "wait"); /* the other pair's ACK is none */
    expect(&b, "74", "");
    expect(&b, "*1 +4 *1 +4 *1 +4", "frame frame frame");
    expect(&b, "7f 00 70 +4", ""); /* what comes is part of it */
    expect(&b, "+1", "77");
    expect(&b, "*1 78 *1 +5", "79 wait frame 77");
}

static void staywake_is_always_answered(void **state)
{
    struct bench b;

    (void)state;
    bench_init(&b);
    expect(&b, "79 75", "79 78 74");
    connected(&b);
    expect(&b, "79 75 79", "78 74 78");
    /* also if nothing can be written for long: as many as fit, and room for the rest */
    for (unsigned i = 0; i < 100; i++)
        connection_on_control(&b.c, RPR_UART_STAYWAKE1, false, b.now);
    assert_int_equal(b.c.n_out, 16);
}

static void walkthrough_b1_the_window_waits_for_a_sign(void **state)
{
    struct bench b;

    (void)state;
    connected(&b);
    expect(&b, "*1 74 *6", "75 wait frame frame frame frame frame frame");
    expect(&b, "*1", "77 79 wait");
    expect(&b, "77 *1", "wait"); /* asked already: only the answer counts */
    expect(&b, "78 *1", "frame");
    assert_int_equal(b.c.undrained, 1);
    expect(&b, "*4 77 *1", "frame frame frame frame frame");
    assert_int_equal(b.c.undrained, 1);
    assert_int_equal(b.count.waits, 1);
}

/* NuttX's receiving thread answers as long as there is something to read, though a callback on it waits
 * for a buffer, and the thread that would send does not run. */
static void walkthrough_b1_an_answer_is_no_proof(void **state)
{
    struct bench b;

    (void)state;
    connected(&b);
    expect(&b, "*1 74 *6", "75 wait frame frame frame frame frame frame");
    expect(&b, "*1 78 *6", "77 79 wait frame frame frame frame frame frame");
    expect(&b, "*1", "77 75 wait");
    expect(&b, "74 *1 +1 *1", "wait wait");                     /* it has a while to itself, */
    expect(&b, "+1 *6", "frame frame frame frame frame frame"); /* and nothing to send */
    expect(&b, "*1 +4", "77 79 wait");
    expect(&b, "78 *6", "frame frame frame frame frame frame");
    expect(&b, "*1 +2", "77 75 wait");
    expect(&b, "74 +2 *1", "wait");            /* the slower it was, the longer */
    expect(&b, "79 *1 +2 *1", "78 wait wait"); /* and now it has */
    expect(&b, "7f 00 70 *1", "frame");
    expect(&b, "*1", "77 79 wait");
    expect(&b, "78 7f 00 70 7f 00 70 *1", "frame");
}

static void not_before_all_is_written(void **state)
{
    struct bench b;

    (void)state;
    connected(&b);
    play(&b, "*1 74 *6");
    assert_false(connection_may_send(&b.c, b.at, false, b.now));
    assert_int_equal(b.c.n_out, 0);
    assert_false(connection_may_send(&b.c, b.at, true, b.now));
    assert_int_equal(b.c.n_out, 2);
}

static void walkthrough_b1_four_starts_in_256_bytes(void **state)
{
    struct bench b;
    uint64_t at = 1000;

    (void)state;
    connected(&b);
    play(&b, "*1 74");
    for (unsigned i = 0; i < 4; i++, at += 63) {
        assert_true(connection_may_send(&b.c, at, true, b.now));
        connection_on_sent(&b.c, at, b.now);
    }
    assert_false(connection_may_send(&b.c, 1255, false, b.now));
    assert_true(connection_may_send(&b.c, 1256, false, b.now));
    connection_on_sent(&b.c, 1256, b.now);
    assert_false(connection_may_send(&b.c, 1256, false, b.now));
    assert_true(connection_may_send(&b.c, 1319, false, b.now));
}

static void one_of_ours_needs_no_window(void **state)
{
    struct bench b;

    (void)state;
    connected(&b);
    play(&b, "*1 74");
    connection_on_ours(&b.c);
    b.heard[0] = '\0';
    for (unsigned i = 0; i < 100; i++) {
        assert_true(connection_may_send(&b.c, 0, true, b.now));
        connection_on_sent(&b.c, 0, b.now);
    }
    expect(&b, "7e +20", "77 end 7d begin"); /* who comes next is not known yet */
    assert_false(b.c.ours);
}

static void no_relaxwake_inside_a_frame(void **state)
{
    struct bench b;

    (void)state;
    connected(&b);
    expect(&b, "*1 74", "75 wait");
    assert_true(connection_may_send(&b.c, 0, true, b.now));
    b.heard[0] = '\0';
    connection_on_sent(&b.c, 0, b.now);
    for (unsigned i = 0; i < 50; i++) { /* the carrier takes nothing */
        b.now += MS(1);
        connection_on_time(&b.c, b.now);
        assert_int_equal(b.c.n_out, 0);
    }
    expect(&b, "+0 +10", "77");
}

/* ---- ends ------------------------------------------------------------------------------------------ */

static void an_orderly_end(void **state)
{
    struct bench b;

    (void)state;
    connected(&b);
    connection_close(&b.c);
    expect(&b, "+0", "75");
    expect(&b, "74", "76 closed");
    expect(&b, "79 7e +1000", "");
    /* the same at once, while it is awake */
    connected(&b);
    play(&b, "*1 74");
    connection_close(&b.c);
    expect(&b, "+0", "76 closed");
}

static void the_end_of_a_peer_that_does_not_wake(void **state)
{
    struct bench b;

    (void)state;
    connected(&b);
    connection_close(&b.c);
    expect(&b, "+0 +499", "75 75 75 75 75");
    expect(&b, "+1", "76 closed");
    expect(&b, "+1000", "");
}

static void the_end_of_a_carrier_that_takes_nothing(void **state)
{
    struct bench b;

    (void)state;
    connected(&b);
    connection_close(&b.c);
    for (unsigned i = 0; i < 600; i++, b.now += MS(1))
        connection_on_time(&b.c, b.now);
    assert_string_equal(b.heard, "closed");
}

static void ends_that_cross(void **state)
{
    static const char *const what[] = {"7e +20", "76 +20"};
    struct bench b;

    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        connected(&b);
        connection_close(&b.c);
        b.heard[0] = '\0';
        play(&b, what[i]);
        assert_string_equal(b.heard, "75 closed");
    }
    connected(&b);
    connection_close(&b.c);
    connection_on_no_carrier(&b.c, "gone");
    assert_string_equal(b.heard, "closed");
}

static void a_doubt_ends_with_the_link(void **state)
{
    struct bench b;

    (void)state;
    connected(&b);
    play(&b, "7e");
    connection_close(&b.c);
    connection_hurry(&b.c, b.now); /* POWEROFF waits to be written */
    connection_on_next(&b.c, RPR_UART_START, b.now);
    assert_string_equal(b.heard, "");
    connected(&b);
    play(&b, "*1 74 7e");
    connection_close(&b.c);
    connection_on_drained(&b.c, true, b.now);
    connection_on_written(&b.c, b.c.n_out, b.now);
    b.heard[0] = '\0';
    connection_on_next(&b.c, RPR_UART_START, b.now);
    assert_string_equal(b.heard, "");
    connected(&b);
    play(&b, "7e");
    connection_close(&b.c);
    connection_close(&b.c); /* and no more patience */
    connection_on_next(&b.c, RPR_UART_START, b.now);
    assert_string_equal(b.heard, "closed");
}

static void close_without_a_session(void **state)
{
    struct bench b;

    (void)state;
    bench_init(&b);
    connection_close(&b.c);
    expect(&b, "+1000", "");
    bench_init(&b);
    play(&b, "78");
    connection_close(&b.c);
    assert_string_equal(b.heard, "79 7e closed");
}

static void opened_again_after_poweroff(void **state)
{
    struct bench b;

    (void)state;
    connected(&b);
    play(&b, "*1 74");
    connection_close(&b.c);
    expect(&b, "+0", "76 closed");
    connection_open(&b.c);
    connection_on_carrier(&b.c, b.now);
    expect(&b, "+24", ""); /* a byte behind it would make it noise */
    expect(&b, "+1", "79");
}

static void the_carrier_comes_and_goes(void **state)
{
    struct bench b;

    (void)state;
    connected(&b);
    play(&b, "*3");
    b.heard[0] = '\0';
    connection_on_no_carrier(&b.c, "unplugged");
    assert_string_equal(b.heard, "end");
    expect(&b, "+10000", "");
    connection_on_carrier(&b.c, b.now);
    expect(&b, "+0 78 7d", "79 7e begin");
    bench_init(&b);
    play(&b, "78");
    connection_on_no_carrier(&b.c, "unplugged");
    expect(&b, "+10000", "");
}

/* ---- in every order ----------------------------------------------------------------------------------- */

/* Whoever hears that a session has ended may close the link. */
static void closed_by_who_hears_of_the_end(void **state)
{
    static const char *const ends[] = {"7e +20", "7d +20", "76 +20"};
    struct bench b;

    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        connected(&b);
        b.close_at_end = true;
        expect(&b, ends[i], "end closed");
        expect(&b, "+10000 79 7e", "");
    }
}

/* All sequences of up to five events: the calls of begin and end alternate, nothing waits for ever
 * that should not, and in the end a fresh peer connects. */
enum { N_EVENTS = 12, DEPTH = 5 };

static void happen(struct bench *b, unsigned event)
{
    static const char *const plays[] = {"78", "74", "79",  "7e", "7d",
                                        "76", "77", "+20", "*7", "7f 00 70"};

    if (event < 10) {
        play(b, plays[event]);
    } else if (event == 10) {
        connection_on_no_carrier(&b->c, "gone");
        connection_on_carrier(&b->c, b->now);
        settle(b);
    } else {
        connection_close(&b->c);
        pass(b, 0);
        pass(b, MS(600));
        assert_int_equal(b->c.state, CONNECTION_CLOSED);
        connection_open(&b->c);
        connection_on_carrier(&b->c, b->now);
        pass(b, MS(25));
    }
}

static void check_history(const char *heard)
{
    bool up = false;

    for (const char *at = heard; *at; at++) {
        if (strncmp(at, "begin", 5) == 0) {
            assert_false(up);
            up = true;
        } else if (strncmp(at, "end", 3) == 0) {
            assert_true(up);
            up = false;
        } else if (strncmp(at, "closed", 6) == 0) {
            up = false;
        }
    }
}

static void every_order_of_events(void **state)
{
    unsigned n = 1;

    (void)state;
    for (unsigned i = 0; i < DEPTH; i++)
        n *= N_EVENTS;
    for (unsigned code = 0; code < n; code++) {
        struct bench b;

        bench_init(&b);
        for (unsigned i = 0, rest = code; i < DEPTH; i++, rest /= N_EVENTS) {
            happen(&b, rest % N_EVENTS);
            assert_int_equal(b.c.n_out, 0);
        }
        check_history(b.heard);
        /* a peer that boots now is connected to, and may be sent to */
        b.heard[0] = '\0';
        play(&b, "+20 79 7e +20");
        assert_int_equal(b.c.state, CONNECTION_CONNECTED);
        play(&b, "*1 78 74 *1");
        assert_int_equal(b.c.undrained, 1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(staywake_until_it_is_answered),
        cmocka_unit_test(the_peer_boots_first),
        cmocka_unit_test(connected_by_the_peer_before_it_woke),
        cmocka_unit_test(connreq_again_only_after_silence),
        cmocka_unit_test(no_connreq_after_start),
        cmocka_unit_test(no_connreq_after_connack_or_connreq),
        cmocka_unit_test(no_memory_for_a_session),
        cmocka_unit_test(half_open_is_found_out_once),
        cmocka_unit_test(a_start_says_that_it_is_connected),
        cmocka_unit_test(nothing_announced_nothing_missed),
        cmocka_unit_test(connreq_while_connected),
        cmocka_unit_test(a_new_peer_is_woken_anew),
        cmocka_unit_test(connack_that_answers_nothing),
        cmocka_unit_test(one_connack_is_for_one_session),
        cmocka_unit_test(a_connack_that_comes_too_late),
        cmocka_unit_test(connreqs_of_long_ago_allow_nothing),
        cmocka_unit_test(poweroff),
        cmocka_unit_test(the_peer_is_back_before_the_rest_is_over),
        cmocka_unit_test(suspend_and_resume),
        cmocka_unit_test(one_wake_handshake_per_conversation),
        cmocka_unit_test(staywake_is_always_answered),
        cmocka_unit_test(walkthrough_b1_the_window_waits_for_a_sign),
        cmocka_unit_test(walkthrough_b1_an_answer_is_no_proof),
        cmocka_unit_test(not_before_all_is_written),
        cmocka_unit_test(walkthrough_b1_four_starts_in_256_bytes),
        cmocka_unit_test(one_of_ours_needs_no_window),
        cmocka_unit_test(no_relaxwake_inside_a_frame),
        cmocka_unit_test(an_orderly_end),
        cmocka_unit_test(the_end_of_a_peer_that_does_not_wake),
        cmocka_unit_test(the_end_of_a_carrier_that_takes_nothing),
        cmocka_unit_test(ends_that_cross),
        cmocka_unit_test(a_doubt_ends_with_the_link),
        cmocka_unit_test(close_without_a_session),
        cmocka_unit_test(opened_again_after_poweroff),
        cmocka_unit_test(the_carrier_comes_and_goes),
        cmocka_unit_test(closed_by_who_hears_of_the_end),
        cmocka_unit_test(every_order_of_events),
    };

    return cmocka_run_group_tests_name("serial_connection", tests, NULL, NULL);
}
