/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any events into the connection: sessions begin and end by turns, nothing is due in the past, and
 * CONNREQ leaves only where it may.
 */
#include "fuzz.h"

#include "serial/connection.h"

#define MS(n) ((uint64_t)(n)*1000000u)

struct bench {
    struct connection c;
    struct serial_counters count;
    uint64_t now, at;
    bool up, closed, no_memory, close_at_end;
};

static bool begin(void *ctx)
{
    struct bench *b = ctx;

    MUST(!b->up && !b->closed);
    b->up = !b->no_memory;
    return b->up;
}

static void end(void *ctx, const char *reason)
{
    struct bench *b = ctx;

    MUST(b->up && reason);
    b->up = false;
    if (b->close_at_end)
        connection_close(&b->c);
}

static void power(void *ctx, bool running)
{
    (void)running;
    MUST(((struct bench *)ctx)->up);
}

static void closed(void *ctx)
{
    struct bench *b = ctx;

    MUST(!b->closed);
    b->closed = true;
    b->up = false;
}

static const struct connection_ops ops = {begin, end, power, closed};

/* What leaves: to who is connected no CONNREQ, which would tear him down. */
static void write_out(struct bench *b, size_t n)
{
    for (; n && b->c.n_out; n--) {
        if (b->c.out[0] == RPR_UART_CONNREQ)
            MUST(!b->up);
        connection_on_written(&b->c, 1, b->now);
    }
}

static void check(struct bench *b)
{
    MUST(b->c.n_out <= sizeof b->c.out);
    MUST(b->up == (connection_is_up(&b->c) || b->c.state == CONNECTION_SAID_BYE));
    MUST((b->c.state == CONNECTION_CLOSED) == b->closed);
}

static void pass(struct bench *b, uint64_t ns)
{
    uint64_t until = b->now + ns;

    for (unsigned i = 0; i < 100000; i++) {
        uint64_t next = connection_deadline(&b->c);

        if (next > b->now)
            b->now = next < until ? next : until;
        connection_on_time(&b->c, b->now);
        MUST(connection_deadline(&b->c) > b->now);
        if (b->now == until)
            return;
    }
    MUST(b->now == until); /* time passes */
}

static void comes(struct bench *b, uint8_t byte, bool in_frame)
{
    connection_on_input(&b->c, b->now);
    connection_on_next(&b->c, byte, b->now);
    if (byte == RPR_UART_START)
        connection_on_start(&b->c);
    else if (byte == RPR_UART_END)
        connection_on_frame(&b->c, in_frame, b->now);
    else if (byte > 0x73 && byte < 0x7f && byte != RPR_UART_ESCAPE)
        connection_on_control(&b->c, byte, in_frame, b->now);
}

static void open(struct bench *b)
{
    b->closed = b->close_at_end = false;
    connection_open(&b->c);
    connection_on_carrier(&b->c, b->now);
}

static void happen(struct bench *b, struct input *input)
{
    uint8_t what = next_byte(input);

    switch (what) {
    case 0:
        write_out(b, next_byte(input));
        break;
    case 1:
        pass(b, MS(next_byte(input)));
        break;
    case 2:
        pass(b, MS(100) * next_byte(input));
        break;
    case 3:
        if (connection_may_send(&b->c, b->at, next_byte(input) & 1, b->now)) {
            MUST(b->up);
            connection_on_sent(&b->c, b->at, b->now);
            b->at += next_byte(input);
        }
        break;
    case 4:
        connection_on_drained(&b->c, next_byte(input) & 1, b->now);
        break;
    case 5:
        connection_on_no_carrier(&b->c, "");
        break;
    case 6:
        connection_on_carrier(&b->c, b->now);
        break;
    case 7:
        if (!b->closed)
            connection_close(&b->c);
        break;
    case 8:
        if (b->closed)
            open(b);
        break;
    case 9:
        b->no_memory = !b->no_memory;
        break;
    case 10:
        b->close_at_end = !b->close_at_end;
        break;
    case 11:
        connection_power(&b->c, next_byte(input) & 1);
        break;
    case 12:
        connection_hurry(&b->c, b->now);
        break;
    case 13:
        comes(b, next_byte(input), true);
        break;
    case 14:
        if (b->up)
            connection_on_ours(&b->c);
        break;
    default:
        comes(b, what, false);
        break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct bench b;
    struct input input = {data, data + size};

    memset(&b, 0, sizeof b);
    b.now = MS(1000);
    connection_init(&b.c, &ops, &b, &b.count, 6, MS(5));
    open(&b);
    while (input.at < input.end) {
        happen(&b, &input);
        check(&b);
    }
    /* whatever was, a peer that boots now is connected to */
    b.no_memory = b.close_at_end = false;
    if (!b.closed)
        connection_close(&b.c);
    pass(&b, 0);
    write_out(&b, 100);
    pass(&b, MS(600));
    MUST(b.closed);
    open(&b);
    comes(&b, RPR_UART_CONNREQ, false);
    MUST(b.up);
    return 0;
}
