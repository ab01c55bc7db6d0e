/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The ring of a syslog client: when text leaves and in which portions, what answers move, and what is
 * sent again, given up or dropped when servers and links come and go.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <rpr/syslog.h>

#include "base/bytes.h"
#include "wire/syslog.h"

#define MS(n) ((uint64_t)(n)*1000000u)
#define LIFE  0x1234u
#define SIZE  256u

struct test {
    struct rpr_syslog_ring ring;
    uint8_t memory[SIZE];
    uint64_t now;
    uint8_t message[512];
    char text[512]; /* of the last message */
    struct syslog_message last;
};

static struct test *begin(uint32_t delay_ms)
{
    struct test *t = calloc(1, sizeof *t);

    t->now = MS(1000);
    rpr_syslog_ring_init(&t->ring, t->memory, SIZE, LIFE, delay_ms);
    return t;
}

static void write_text(struct test *t, const char *text)
{
    rpr_syslog_ring_write(&t->ring, t->now, text, (uint32_t)strlen(text));
}

/* The next message, sent; false: none is due. */
static bool send_size(struct test *t, uint32_t size, bool flush)
{
    uint32_t len = rpr_syslog_ring_next(&t->ring, t->now, t->message, size, flush);

    if (!len)
        return false;
    assert_true(len <= size);
    assert_int_equal(syslog_decode(&t->last, t->message, len), SYSLOG_OK);
    memset(t->text, 0, sizeof t->text);
    if (t->last.kind == SYSLOG_TRANSFER)
        memcpy(t->text, t->message + SYSLOG_TEXT_AT, t->last.count);
    rpr_syslog_ring_sent(&t->ring, t->now);
    return true;
}

static bool send_now(struct test *t)
{
    return send_size(t, 200, true);
}

static void assert_sends(struct test *t, const char *text)
{
    assert_true(send_now(t));
    assert_int_equal(t->last.kind, SYSLOG_TRANSFER);
    assert_string_equal(t->text, text);
}

static void answer(struct test *t, enum syslog_kind kind, uint32_t offset)
{
    struct syslog_message m = {.kind = kind, .life = LIFE, .offset = offset, .cookie = 77};
    uint8_t bytes[SYSLOG_MAX_HEADER];
    size_t len = syslog_encode(bytes, &m);

    assert_true(rpr_syslog_ring_receive(&t->ring, bytes, (uint32_t)len));
}

static void bind_to(struct test *t)
{
    rpr_syslog_ring_bound(&t->ring, t->now);
    assert_true(send_now(t));
    assert_int_equal(t->last.kind, SYSLOG_HELLO);
    assert_int_equal(t->last.life, LIFE);
    assert_int_equal(t->last.window, SIZE);
    assert_int_equal(t->last.count, 0);
    assert_false(send_now(t)); /* nothing before the answer */
}

static void bind_to_ours(struct test *t)
{
    bind_to(t);
    answer(t, SYSLOG_NEW, t->last.offset);
    assert_int_equal(t->ring.server, RPR_SYSLOG_ACKS);
}

static void bind_to_plain(struct test *t)
{
    bind_to(t);
    assert_true(rpr_syslog_ring_due(&t->ring) > t->now);
    t->now = rpr_syslog_ring_due(&t->ring);
    (void)rpr_syslog_ring_next(&t->ring, t->now, NULL, 200, false);
    assert_int_equal(t->ring.server, RPR_SYSLOG_PLAIN);
}

/* ---- batches ------------------------------------------------------------------------------------ */

static void text_waits_for_more(void **state)
{
    struct test *t = begin(100);

    (void)state;
    bind_to_ours(t);
    write_text(t, "one\n");
    t->now += MS(60);
    write_text(t, "two\n");
    assert_int_equal(rpr_syslog_ring_due(&t->ring), MS(1100)); /* since the first */
    assert_false(send_size(t, 200, false));
    t->now += MS(40);
    assert_true(send_size(t, 200, false));
    assert_string_equal(t->text, "one\ntwo\n");
    assert_false(send_size(t, 200, false));
    assert_int_equal(rpr_syslog_ring_due(&t->ring), RPR_POLL_IDLE);
    free(t);
}

static void a_full_message_or_ring_does_not_wait(void **state)
{
    struct test *t = begin(0); /* no delay: never for the time's sake */
    char line[SIZE];

    (void)state;
    bind_to_ours(t);
    memset(line, 'x', sizeof line);
    line[99] = '\n';
    rpr_syslog_ring_write(&t->ring, t->now, line, 100);
    t->now += MS(100000);
    assert_false(send_size(t, 200, false));
    assert_true(send_size(t, 112, false)); /* as long as a message */
    assert_int_equal(t->last.count, 100);
    rpr_syslog_ring_write(&t->ring, t->now, line, 100);
    assert_false(send_size(t, 300, false));
    answer(t, SYSLOG_ACK, 100);
    rpr_syslog_ring_write(&t->ring, t->now, line, 100); /* 200 of 256 */
    assert_int_equal(rpr_syslog_ring_due(&t->ring), RPR_POLL_MORE);
    assert_true(send_size(t, 300, false));
    assert_int_equal(t->last.count, 200);
    free(t);
}

/* A message ends with a line if it can: whoever is killed cuts none. */
static void messages_are_whole_lines(void **state)
{
    struct test *t = begin(100);

    (void)state;
    bind_to_ours(t);
    write_text(t, "a line of twenty chr\nanother of twenty ch\nand a third of sixty characters, "
                  "which does not fit in\n");
    assert_true(send_size(t, 64, true));
    assert_string_equal(t->text, "a line of twenty chr\nanother of twenty ch\n");
    assert_true(send_size(t, 64, true)); /* nothing helps this one */
    assert_int_equal(t->last.count, 52);
    assert_true(send_size(t, 64, true));
    assert_string_equal(t->text, "in\n");
    write_text(t, "whole\nhal");
    assert_sends(t, "whole\n");
    write_text(t, "f\n");
    assert_sends(t, "half\n");
    assert_false(send_now(t));
    free(t);
}

/* ---- servers ------------------------------------------------------------------------------------ */

static void acknowledgements_make_room(void **state)
{
    struct test *t = begin(100);

    (void)state;
    bind_to_ours(t);
    write_text(t, "one\n");
    assert_sends(t, "one\n");
    assert_int_equal(t->last.offset, 0);
    write_text(t, "two\n");
    assert_sends(t, "two\n");
    assert_int_equal(t->last.offset, 4);
    assert_int_equal(rpr_syslog_ring_room(&t->ring), SIZE - 8);
    answer(t, SYSLOG_ACK, 4);
    assert_int_equal(rpr_syslog_ring_room(&t->ring), SIZE - 4);
    answer(t, SYSLOG_ACK, 3); /* back: a lie */
    answer(t, SYSLOG_ACK, 9); /* of what never was sent */
    assert_int_equal(t->ring.counters.ignored, 2);
    assert_int_equal(rpr_syslog_ring_pending(&t->ring), 4);
    answer(t, SYSLOG_ACK, 8);
    assert_int_equal(rpr_syslog_ring_pending(&t->ring), 0);
    free(t);
}

/* NuttX: what was sent is gone. */
static void a_plain_server_keeps_no_one_waiting(void **state)
{
    struct test *t = begin(100);

    (void)state;
    write_text(t, "early\n");
    bind_to_plain(t);
    assert_sends(t, "early\n");
    assert_int_equal(rpr_syslog_ring_pending(&t->ring), 0);
    answer(t, SYSLOG_NEW, 0); /* it is one of ours after all, and slow */
    assert_int_equal(t->ring.server, RPR_SYSLOG_ACKS);
    free(t);
}

/* The link broke, both live: the server says what it got. */
static void the_rest_is_sent_again(void **state)
{
    struct test *t = begin(100);

    (void)state;
    bind_to_ours(t);
    write_text(t, "one\ntwo\n");
    assert_sends(t, "one\ntwo\n");
    write_text(t, "three\n");
    assert_sends(t, "three\n");
    rpr_syslog_ring_unbound(&t->ring);
    write_text(t, "four\n");
    assert_false(send_now(t));
    bind_to(t);
    assert_int_equal(t->last.offset, 14);
    answer(t, SYSLOG_ACK, 8);
    assert_sends(t, "three\nfour\n");
    assert_int_equal(t->last.offset, 8);
    assert_int_equal(t->ring.counters.sent_again, 6);
    assert_int_equal(t->ring.counters.uncertain, 0);
    free(t);
}

/* It was killed: what it may have written is not sent again. */
static void a_killed_servers_text_is_given_up(void **state)
{
    struct test *t = begin(100);

    (void)state;
    bind_to_ours(t);
    write_text(t, "one\n");
    assert_sends(t, "one\n");
    rpr_syslog_ring_unbound(&t->ring);
    write_text(t, "two\n");
    bind_to(t);
    answer(t, SYSLOG_NEW, 0);
    assert_int_equal(t->ring.counters.uncertain, 4);
    assert_sends(t, "two\n");
    assert_int_equal(t->last.offset, 4);
    free(t);
}

/* It ended in order and said what it took: the rest is for the next one, whoever that is. */
static void an_orderly_end_loses_nothing(void **state)
{
    for (unsigned plain = 0; plain < 2; plain++) {
        struct test *t = begin(100);

        (void)state;
        bind_to_ours(t);
        write_text(t, "one\n");
        assert_sends(t, "one\n");
        write_text(t, "two\n");
        assert_sends(t, "two\n");
        answer(t, SYSLOG_END, 4);
        write_text(t, "three\n");
        assert_false(send_now(t)); /* it would not be taken */
        rpr_syslog_ring_unbound(&t->ring);
        if (plain) {
            bind_to_plain(t);
        } else {
            bind_to(t); /* and this one dies before it says a word */
            rpr_syslog_ring_unbound(&t->ring);
            bind_to_ours(t);
        }
        assert_sends(t, "two\nthree\n");
        assert_int_equal(t->last.offset, 4);
        assert_int_equal(t->ring.counters.uncertain, 0);
        free(t);
    }
}

static void suspended_keeps_all(void **state)
{
    struct test *t = begin(100);

    (void)state;
    bind_to_ours(t);
    answer(t, SYSLOG_SUSPEND, 0);
    for (unsigned i = 0; i < 20; i++)
        write_text(t, "0123456789\n");
    t->now += MS(100000);
    assert_false(send_now(t));
    assert_int_equal(rpr_syslog_ring_due(&t->ring), RPR_POLL_IDLE);
    answer(t, SYSLOG_RESUME, 0);
    assert_true(send_size(t, 200, false));
    assert_int_equal(t->last.count, 187);
    assert_true(send_size(t, 200, true));
    assert_int_equal(t->last.count, 33);
    assert_int_equal(t->ring.counters.dropped, 0);
    answer(t, SYSLOG_SUSPEND, 0);
    rpr_syslog_ring_unbound(&t->ring); /* it was the other's state */
    bind_to(t);
    answer(t, SYSLOG_ACK, 220);
    write_text(t, "x\n");
    assert_sends(t, "x\n");
    free(t);
}

/* All that there was before the request, then the same 16 bytes. */
static void sync_flushes_first(void **state)
{
    struct test *t = begin(100);
    uint8_t sync[16] = {3, 0, 0, 0, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0, 0, 0};

    (void)state;
    bind_to_plain(t);
    write_text(t, "a\nb");
    answer(t, SYSLOG_SUSPEND, 0);
    assert_true(rpr_syslog_ring_receive(&t->ring, sync, sizeof sync));
    write_text(t, "c");
    assert_true(send_size(t, 200, false));
    assert_string_equal(t->text, "a\n");
    assert_true(send_size(t, 200, false));
    assert_string_equal(t->text, "bc");
    assert_true(send_size(t, 200, false));
    assert_memory_equal(t->message, sync, sizeof sync);
    assert_false(send_size(t, 200, false));
    free(t);
}

static void another_client_is_no_server(void **state)
{
    struct test *t = begin(100);
    static const uint8_t transfer[13] = {0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 'x'};
    static const uint8_t nonsense[16] = {9};

    (void)state;
    bind_to(t);
    assert_false(rpr_syslog_ring_receive(&t->ring, transfer, sizeof transfer));
    assert_true(rpr_syslog_ring_receive(&t->ring, nonsense, sizeof nonsense));
    assert_true(rpr_syslog_ring_receive(&t->ring, nonsense, 0));
    answer(t, SYSLOG_RESUME, 0);
    assert_int_equal(t->ring.counters.ignored, 2);
    t->ring.life++; /* an answer to somebody else */
    answer(t, SYSLOG_ACK, 0);
    answer(t, SYSLOG_NEW, 0);
    answer(t, SYSLOG_END, 0);
    assert_int_equal(t->ring.server, RPR_SYSLOG_ASKED);
    assert_int_equal(t->ring.counters.ignored, 5);
    free(t);
}

/* ---- overflow ----------------------------------------------------------------------------------- */

static void the_oldest_lines_are_dropped_when_full(void **state)
{
    struct test *t = begin(100);
    char line[32];

    (void)state;
    for (unsigned i = 0; i < 64; i++) { /* 256 bytes are 16 lines of 16 */
        snprintf(line, sizeof line, "line number %03u\n", i);
        write_text(t, line);
        assert_int_equal(t->ring.counters.dropped_lines, i < 16 ? 0 : i - 15);
    }
    assert_int_equal(t->ring.counters.dropped, 48 * 16);
    bind_to_ours(t);
    for (unsigned i = 48; i < 64; i++) {
        snprintf(line, sizeof line, "line number %03u\n", i);
        assert_true(send_size(t, 64, true)); /* three a message, and one */
        for (const char *at = t->text; *at; at += 16) {
            snprintf(line, sizeof line, "line number %03u\n", i);
            assert_memory_equal(at, line, 16);
            i += at[16] != '\0';
        }
    }
    assert_false(send_now(t));
    free(t);
}

/* What the server has a part of does not become one line with what comes after the gap. */
static void a_gap_does_not_join_lines(void **state)
{
    struct test *t = begin(100);
    char joined[2048] = "";

    (void)state;
    bind_to_plain(t);
    write_text(t, "the beginning of a line that is too long for a message, and so goes in parts\n");
    assert_true(send_size(t, 64, true));
    strcat(joined, t->text);
    for (unsigned i = 0; i < 20; i++)
        write_text(t, "0123456789abcde\n");
    assert_true(t->ring.counters.dropped > 0);
    while (send_now(t))
        strcat(joined, t->text);
    assert_non_null(
        strstr(joined, "the beginning of a line that is too long for a messa\n0123456789abcde\n"));
    free(t);
}

static void what_was_sent_is_given_up_before_what_was_not(void **state)
{
    struct test *t = begin(100);

    (void)state;
    bind_to_ours(t);
    for (unsigned i = 0; i < 8; i++)
        write_text(t, "0123456789abcde\n");
    assert_true(send_now(t));
    for (unsigned i = 0; i < 10; i++)
        write_text(t, "0123456789ABCDE\n");
    assert_int_equal(t->ring.counters.dropped, 0);
    assert_int_equal(t->ring.counters.uncertain, 32);
    assert_int_equal(rpr_syslog_ring_room(&t->ring), 0);
    free(t);
}

static void more_than_the_ring_leaves_its_end(void **state)
{
    struct test *t = begin(100);
    char text[700];

    (void)state;
    for (unsigned i = 0; i < sizeof text; i++)
        text[i] = (char)('a' + i % 26);
    rpr_syslog_ring_write(&t->ring, t->now, text, sizeof text);
    assert_int_equal(t->ring.counters.dropped, 701 - SIZE);
    rpr_syslog_ring_write(&t->ring, t->now, text, 0);
    bind_to_plain(t);
    assert_true(send_size(t, 300, true));
    assert_int_equal(t->last.count, SIZE - 1);
    assert_memory_equal(t->text, text + 701 - SIZE, SIZE - 1);
    free(t);
}

/* Marks that pass 2^32, any mixture of calls: what arrives is what was written. */
static void a_long_life(void **state)
{
    struct test *t = begin(100);
    uint32_t got = 0, wrote = 0, random = 1;

    (void)state;
    t->ring.head = t->ring.sent = t->ring.tail = UINT32_MAX - 5000;
    bind_to(t);
    answer(t, SYSLOG_NEW, t->last.offset);
    uint32_t told = t->ring.sent;
    for (unsigned i = 0; i < 200000; i++) {
        uint8_t bytes[100];
        uint32_t n;

        random = random * 1664525u + 1013904223u;
        n = (random >> 16) % sizeof bytes;
        if (random >> 31 && n <= rpr_syslog_ring_room(&t->ring)) {
            for (uint32_t k = 0; k < n; k++)
                bytes[k] = (uint8_t)(wrote + k) % 50 ? (uint8_t)(wrote + k) : '\n';
            rpr_syslog_ring_write(&t->ring, t->now, bytes, n);
            wrote += n;
        } else if (random >> 30 & 1) {
            if (send_size(t, 64 + n, true)) {
                assert_int_equal(t->last.offset, told);
                for (uint32_t k = 0; k < t->last.count; k++, got++)
                    assert_int_equal(t->message[SYSLOG_TEXT_AT + k],
                                     (uint8_t)got % 50 ? (uint8_t)got : '\n');
                told += t->last.count;
            }
        } else if (random >> 29 & 1) {
            answer(t, SYSLOG_ACK, told);
        } else {
            rpr_syslog_ring_unbound(&t->ring);
            bind_to(t);
            answer(t, SYSLOG_ACK, told);
        }
    }
    assert_true(got > 1000000);
    assert_int_equal(t->ring.counters.dropped + t->ring.counters.ignored, 0);
    free(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_waits_for_more),
        cmocka_unit_test(a_full_message_or_ring_does_not_wait),
        cmocka_unit_test(messages_are_whole_lines),
        cmocka_unit_test(acknowledgements_make_room),
        cmocka_unit_test(a_plain_server_keeps_no_one_waiting),
        cmocka_unit_test(the_rest_is_sent_again),
        cmocka_unit_test(a_killed_servers_text_is_given_up),
        cmocka_unit_test(an_orderly_end_loses_nothing),
        cmocka_unit_test(suspended_keeps_all),
        cmocka_unit_test(sync_flushes_first),
        cmocka_unit_test(another_client_is_no_server),
        cmocka_unit_test(the_oldest_lines_are_dropped_when_full),
        cmocka_unit_test(a_gap_does_not_join_lines),
        cmocka_unit_test(what_was_sent_is_given_up_before_what_was_not),
        cmocka_unit_test(more_than_the_ring_leaves_its_end),
        cmocka_unit_test(a_long_life),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
