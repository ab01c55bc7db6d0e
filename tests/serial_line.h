/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A simulated serial wire: two carriers, bytes on their way between them, noise that turns bits
 * over, and a clock. Either end is a serial link of a node, or the test itself.
 */
#ifndef SERIAL_LINE_H
#define SERIAL_LINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rpr/serial.h>

#define LINE_FIFO 8192u

struct noise {
    uint64_t random;
    uint64_t bit, byte; /* chance that it has an error, of 2^64 */
    uint64_t n_errors;  /* bits turned over */
};

struct line_end {
    struct serial_line *line;
    struct rpr_link *link; /* NULL: the test */
    struct noise noise;    /* on what it sends */
    uint32_t n;            /* bytes on their way from here, oldest first */
    uint32_t room;         /* how many may be; then the carrier takes no more */
    bool wanted, gone;
    bool stopped;     /* whoever reads at the other end does not */
    bool full;        /* the sender was told that there is no room */
    bool reads_queue; /* the carrier knows what is on its way */
    unsigned n_opens, n_closes, n_destroys, n_readables;
    uint64_t n_sent;
    uint8_t fifo[LINE_FIFO];
};

struct serial_line {
    struct line_end end[2];
    uint64_t random; /* of chunks; 0: all at once */
    bool up;
};

/* 64 bits, never 0 in `random`. */
static inline uint64_t line_random(uint64_t *random)
{
    *random ^= *random << 13;
    *random ^= *random >> 7;
    *random ^= *random << 17;
    return *random * UINT64_C(0x2545f4914f6cdd1d);
}

/* ---- noise ------------------------------------------------------------------------------------ */

/* A chance of 2^64 as a limit for random numbers. */
static inline uint64_t noise_limit(double chance)
{
    return (uint64_t)(chance * 18446744073709549568.0);
}

static inline void noise_set(struct noise *n, double rate)
{
    double clean = 1;

    for (unsigned i = 0; i < 8; i++)
        clean *= 1 - rate;
    n->bit = noise_limit(rate);
    n->byte = noise_limit(1 - clean);
}

/* Which bits of a byte that has at least one error. */
static inline uint8_t noise_bits(struct noise *n)
{
    uint8_t bits = 0;

    while (!bits)
        for (unsigned i = 0; i < 8; i++)
            bits |= (uint8_t)((line_random(&n->random) < n->bit) << i);
    n->n_errors += (unsigned)__builtin_popcount(bits);
    return bits;
}

static inline void noise_on(struct noise *n, uint8_t *data, size_t len)
{
    if (!n->byte)
        return;
    for (size_t i = 0; i < len; i++)
        if (line_random(&n->random) < n->byte)
            data[i] ^= noise_bits(n);
}

/* ---- carriers ----------------------------------------------------------------------------------- */

static inline void line_back(struct line_end *e)
{
    if (e->line->up && e->wanted && !e->gone && e->link)
        rpr_serial_back(e->link);
}

static inline void line_op_open(void *ctx)
{
    struct line_end *e = ctx;

    e->n_opens++;
    e->wanted = true;
    line_back(e);
}

static inline void line_op_close(void *ctx)
{
    struct line_end *e = ctx;

    e->n_closes++;
    e->wanted = false;
}

static inline size_t line_op_write(void *ctx, const uint8_t *data, size_t len)
{
    struct line_end *e = ctx;
    size_t n = e->room - e->n < len ? e->room - e->n : len;

    e->full = n < len;
    memcpy(e->fifo + e->n, data, n);
    noise_on(&e->noise, e->fifo + e->n, n);
    e->n += (uint32_t)n;
    e->n_sent += n;
    return n;
}

static inline int32_t line_op_queued(void *ctx)
{
    struct line_end *e = ctx;

    return e->reads_queue ? (int32_t)e->n : -1;
}

static inline void line_op_readable(void *ctx)
{
    ((struct line_end *)ctx)->n_readables++;
}

static inline void line_op_destroy(void *ctx)
{
    struct line_end *e = ctx;

    e->n_destroys++;
    e->link = NULL;
}

static inline struct rpr_serial_carrier line_carrier(struct line_end *e)
{
    return (struct rpr_serial_carrier){.open = line_op_open,
                                       .close = line_op_close,
                                       .write = line_op_write,
                                       .queued = line_op_queued,
                                       .readable = line_op_readable,
                                       .destroy = line_op_destroy,
                                       .ctx = e};
}

static inline void line_init(struct serial_line *w)
{
    memset(w, 0, sizeof *w);
    w->up = true;
    for (unsigned i = 0; i < 2; i++) {
        w->end[i].line = w;
        w->end[i].room = 4096; /* that of a tty */
        w->end[i].noise.random = 88172645463325252u + i;
    }
}

/* An end of the wire as a link of `node`. */
static inline int line_join(struct serial_line *w, unsigned i, struct rpr_node *node,
                            const char *remote, struct rpr_serial_config config)
{
    config.remote = remote;
    config.kind = "wire";
    config.carrier = line_carrier(&w->end[i]);
    return rpr_serial_open(node, &config, &w->end[i].link);
}

/* The wire breaks for both, with what is on it, and is mended. */
static inline void line_cut(struct serial_line *w)
{
    w->up = false;
    for (unsigned i = 0; i < 2; i++) {
        w->end[i].n = 0;
        w->end[i].full = false;
        if (w->end[i].link)
            rpr_serial_lost(w->end[i].link, "the wire is cut");
    }
}

static inline void line_mend(struct serial_line *w)
{
    w->up = true;
    line_back(&w->end[0]);
    line_back(&w->end[1]);
}

/* The first `n` bytes from `from` are read. */
static inline void line_taken(struct line_end *from, uint32_t n)
{
    from->n -= n;
    memmove(from->fifo, from->fifo + n, from->n);
    if (n && from->full && from->link) {
        from->full = false;
        rpr_serial_writable(from->link);
    }
}

/* Some of what is on its way from end `i` arrives. False: nothing could. */
static inline bool line_move(struct serial_line *w, unsigned i)
{
    struct line_end *from = &w->end[i], *to = &w->end[!i];
    uint32_t n = from->n;

    if (!n || !to->link || from->stopped)
        return false;
    if (w->random)
        n = 1 + (uint32_t)(line_random(&w->random) % n);
    n = (uint32_t)rpr_serial_input(to->link, from->fifo, n);
    line_taken(from, n);
    return n != 0;
}

/* ---- the test as a peer --------------------------------------------------------------------------- */

/* Bytes that the test sends as end `i`. */
static inline void line_say(struct serial_line *w, unsigned i, const void *data, size_t len)
{
    (void)line_op_write(&w->end[i], data, len);
}

/* What end `i` has sent, as text: "79 78 [24]" with frames as their lengths. Taken off the wire. */
static inline const char *line_heard(struct serial_line *w, unsigned i, char *text, size_t size)
{
    struct line_end *e = &w->end[i];
    struct rpr_frame_decoder d;
    const uint8_t *at = e->fifo, *end = at + e->n;
    static uint8_t body[4096];
    size_t n = 0;

    memset(&d, 0, sizeof d);
    d.to = body;
    d.size = sizeof body;
    text[0] = '\0';
    for (;;) {
        enum rpr_frame_event event = rpr_frame_decode(&d, &at, end);
        const char *blank = n ? " " : "";

        if (event == RPR_FRAME_NONE)
            break;
        if (event == RPR_FRAME_CONTROL)
            n += (size_t)snprintf(text + n, size - n, "%s%02x", blank, d.control);
        else
            n += (size_t)snprintf(text + n, size - n, "%s%s%u%s", blank,
                                  event == RPR_FRAME_GOOD ? "[" : "!", d.n,
                                  event == RPR_FRAME_GOOD ? "]" : "!");
    }
    line_taken(e, e->n);
    return text;
}

#endif
