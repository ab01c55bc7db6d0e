/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What tests of the core share: a platform that counts, a link whose other end is the test itself
 * (struct wire), and endpoints that write down what happens to them.
 */
#ifndef CORE_FIXTURE_H
#define CORE_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <rpr/link.h>
#include <rpr/loop.h>

#include "base/check.h"
#include "wire/credit.h"
#include "wire/header.h"
#include "wire/ns.h"
#include "wire/word.h"

#define US(n) ((uint64_t)(n)*1000u)
#define MS(n) ((uint64_t)(n)*1000000u)
#define S(n)  ((uint64_t)(n)*1000000000u)

/* ---- platform ------------------------------------------------------------------------------- */

struct world {
    struct rpr_platform platform;
    unsigned n_allocs; /* ever */
    unsigned n_live;   /* blocks that were not given back */
    unsigned fail_in;  /* the n-th allocation from now fails; 0: none */
    unsigned n_wakes;
    uint32_t random;
    uint64_t now;
    char log[2048];       /* what the library logged, one line each */
    char events[1 << 16]; /* what endpoints and observers heard, "tag:what;" each */
};

static inline void *world_alloc(void *ctx, size_t bytes)
{
    struct world *w = ctx;

    if (w->fail_in && --w->fail_in == 0)
        return NULL;
    w->n_allocs++;
    w->n_live++;
    return calloc(1, bytes);
}

static inline void world_free(void *ctx, void *memory, size_t bytes)
{
    struct world *w = ctx;

    memset(memory, 0xdd, bytes); /* who uses it after this, or gives a wrong size, is found out */
    w->n_live--;
    free(memory);
}

static inline uint32_t world_random(void *ctx)
{
    return ((struct world *)ctx)->random;
}

static inline void world_wake(void *ctx)
{
    ((struct world *)ctx)->n_wakes++;
}

static inline void world_log(void *ctx, enum rpr_log_level level, const char *text)
{
    struct world *w = ctx;
    size_t n = strlen(w->log);

    (void)level;
    snprintf(w->log + n, sizeof w->log - n, "%s\n", text);
}

static inline void world_init(struct world *w)
{
    memset(w, 0, sizeof *w);
    w->now = S(1);
    w->platform = (struct rpr_platform){.ctx = w,
                                        .alloc = world_alloc,
                                        .free = world_free,
                                        .random = world_random,
                                        .log = world_log,
                                        .wake = world_wake};
}

static inline struct rpr_node *world_node(struct world *w, const char *name)
{
    struct rpr_node *node = NULL;

    assert_int_equal(
        rpr_node_open(
            &node, &(struct rpr_node_config){.name = name, .platform = &w->platform, .slots = 64}),
        0);
    return node;
}

static inline __attribute__((format(printf, 2, 3))) void note(struct world *w, const char *format,
                                                              ...)
{
    size_t n = strlen(w->events);
    va_list list;

    va_start(list, format);
    vsnprintf(w->events + n, sizeof w->events - n, format, list);
    va_end(list);
}

/* What has happened since the last time, compared with `text`. */
#define assert_events(w, text)                    \
    do {                                          \
        assert_string_equal((w)->events, (text)); \
        (w)->events[0] = '\0';                    \
    } while (0)

/* Polls as an owner does that sleeps when it may: until arm says there is nothing to do. */
static inline void settle(struct world *w, struct rpr_node *node)
{
    for (unsigned i = 0; i < 1000; i++) {
        bool more = rpr_node_poll(node, w->now, 0) == RPR_POLL_MORE;

        if (!more && rpr_node_arm(node))
            return;
    }
    fail_msg("the node never comes to rest");
}

/* Lets time pass, as an owner that wakes for deadlines only. */
static inline void pass(struct world *w, struct rpr_node *node, uint64_t ns)
{
    uint64_t end = w->now + ns;

    for (unsigned i = 0; i < 100000; i++) {
        uint64_t next = rpr_node_poll(node, w->now, 0);

        if (next == RPR_POLL_MORE || !rpr_node_arm(node))
            continue;
        if (next > end) {
            w->now = end;
            (void)rpr_node_poll(node, w->now, 0);
            return;
        }
        if (next > w->now)
            w->now = next;
    }
    fail_msg("time does not pass");
}

/* ---- a link whose peer is the test ---------------------------------------------------------- */

#define WIRE_BUFFERS 512u
#ifndef WIRE_BYTES /* longest message of a wire, header included */
#define WIRE_BYTES 600u
#endif

struct wire_message {
    uint32_t src, dst;
    uint16_t len;
    uint8_t data[WIRE_BYTES];
};

struct wire_buffer {
    uint8_t bytes[WIRE_BYTES];
    uint32_t len;
};

struct wire_life {
    struct rpr_incarnation incarnation;
    struct wire *wire;
};

struct wire {
    struct rpr_link link;
    struct world *world;
    struct wire_buffer tx[WIRE_BUFFERS];
    uint32_t free[WIRE_BUFFERS], n_free;
    uint32_t out[WIRE_BUFFERS]; /* committed, in order */
    uint32_t n_out, n_flushed, n_read;
    struct wire_buffer rx[WIRE_BUFFERS];
    bool rx_held[WIRE_BUFFERS];
    uint32_t n_in, n_taken; /* free-running */
    uint32_t slot_size;     /* of every tx buffer, header included */
    unsigned n_open, n_close, n_destroyed_lives, n_flushes, n_polls;
    bool armed, want_writable, running, gone;
    bool lossy;   /* what wire_up() says */
    uint32_t tag; /* of the words that the node has said, where they are numbered */
    uint32_t tx_len;
};

static inline struct wire *wire_of(struct rpr_link *link)
{
    return RPR_CONTAINER(link, struct wire, link);
}

static inline void wire_op_open(struct rpr_link *link)
{
    wire_of(link)->n_open++;
}

static inline void wire_op_close(struct rpr_link *link)
{
    wire_of(link)->n_close++;
}

static inline int wire_op_reserve(struct rpr_link *link, struct rpr_slot *slot, bool control)
{
    struct wire *w = wire_of(link);

    if (w->n_free <= !control)
        return -RPR_EAGAIN;
    slot->id = w->free[--w->n_free];
    slot->msg = w->tx[slot->id].bytes;
    slot->size = w->slot_size;
    return 0;
}

static inline void wire_op_commit(struct rpr_link *link, uint32_t id, uint32_t len)
{
    struct wire *w = wire_of(link);

    assert_true(len <= w->slot_size);
    w->tx[id].len = len;
    w->out[w->n_out++ % WIRE_BUFFERS] = id;
}

static inline void wire_op_cancel(struct rpr_link *link, uint32_t id)
{
    struct wire *w = wire_of(link);

    w->free[w->n_free++] = id;
}

static inline void wire_op_flush(struct rpr_link *link)
{
    struct wire *w = wire_of(link);

    w->n_flushes += w->n_flushed != w->n_out;
    w->n_flushed = w->n_out;
}

static inline int wire_op_send(struct rpr_endpoint *sender, uint64_t header, const void *data,
                               size_t len, unsigned flags, struct rpr_link *link)
{
    struct rpr_slot slot;

    if (wire_op_reserve(link, &slot, false))
        return rpr_link_full(link, sender, 0);
    if (slot.size < RPMSG_HEADER_BYTES + len) {
        wire_op_cancel(link, slot.id);
        return rpr_link_full(link, sender, slot.size);
    }
    header_put(slot.msg, (uint32_t)header, (uint32_t)(header >> 32), (uint16_t)len);
    memcpy(slot.msg + RPMSG_HEADER_BYTES, data, len);
    wire_op_commit(link, slot.id, RPMSG_HEADER_BYTES + (uint32_t)len);
    if (!(flags & RPR_MORE))
        wire_op_flush(link);
    return 0;
}

static inline bool wire_op_writable(struct rpr_link *link)
{
    return wire_of(link)->n_free > 1;
}

static inline unsigned wire_op_poll(struct rpr_link *link, unsigned budget)
{
    struct wire *w = wire_of(link);
    unsigned n = 0;

    assert_non_null(link->incarnation); /* never without a session */
    w->n_polls++;
    for (; n < budget && w->n_taken != w->n_in; n++) {
        uint32_t id = w->n_taken % WIRE_BUFFERS;
        enum rpr_link_rx_result result;

        w->n_taken++;
        result = rpr_link_rx(link, w->rx[id].bytes, w->rx[id].len, id);
        if (result == RPR_LINK_RX_STOP) {
            w->n_taken--;
            break;
        }
        w->rx_held[id] = result == RPR_LINK_RX_HELD;
    }
    wire_op_flush(link);
    return n;
}

static inline void wire_op_release(struct rpr_link *link, uint32_t id)
{
    struct wire *w = wire_of(link);

    assert_true(w->rx_held[id]);
    w->rx_held[id] = false;
}

static inline bool wire_op_arm(struct rpr_link *link, bool want_writable)
{
    struct wire *w = wire_of(link);

    w->armed = true;
    w->want_writable = want_writable;
    return w->n_taken == w->n_in;
}

static inline void wire_op_disarm(struct rpr_link *link)
{
    wire_of(link)->armed = false;
}

static inline int wire_op_power(struct rpr_link *link, bool running)
{
    wire_of(link)->running = running;
    return 0;
}

static inline bool wire_op_queue(struct rpr_link *link, unsigned index, struct rpr_queue_info *info)
{
    (void)link;
    (void)info;
    return index < 2;
}

static inline bool wire_op_buffer(struct rpr_link *link, unsigned *cursor,
                                  struct rpr_buffer_info *info)
{
    (void)link;
    (void)cursor;
    (void)info;
    return false;
}

static inline void wire_op_destroy(struct rpr_link *link)
{
    wire_of(link)->gone = true;
}

static const struct rpr_link_ops wire_ops = {.strict = false,
                                             .open = wire_op_open,
                                             .close = wire_op_close,
                                             .reserve = wire_op_reserve,
                                             .send = wire_op_send,
                                             .commit = wire_op_commit,
                                             .cancel = wire_op_cancel,
                                             .flush = wire_op_flush,
                                             .writable = wire_op_writable,
                                             .poll = wire_op_poll,
                                             .release = wire_op_release,
                                             .arm = wire_op_arm,
                                             .disarm = wire_op_disarm,
                                             .power = wire_op_power,
                                             .queue_info = wire_op_queue,
                                             .buffer_info = wire_op_buffer,
                                             .destroy = wire_op_destroy};

static inline void wire_life_destroy(struct rpr_incarnation *incarnation)
{
    struct wire_life *life = RPR_CONTAINER(incarnation, struct wire_life, incarnation);

    life->wire->n_destroyed_lives++;
    free(life);
}

/* The memory is the test's: free() it after the node is closed. */
static inline struct wire *wire_new(struct world *world, struct rpr_node *node, const char *remote)
{
    struct wire *w = calloc(1, sizeof *w);

    w->world = world;
    w->running = true;
    w->slot_size = 496 + RPMSG_HEADER_BYTES;
    assert_int_equal(rpr_link_register(node, &w->link, &wire_ops, remote, "wire", false), 0);
    return w;
}

static inline void wire_up(struct wire *w, enum rpr_dialect dialect, bool credit,
                           uint32_t n_buffers)
{
    struct wire_life *life = calloc(1, sizeof *life);

    life->wire = w;
    life->incarnation.destroy = wire_life_destroy;
    w->n_free = 0;
    w->n_out = w->n_flushed = w->n_read = 0;
    w->n_in = w->n_taken = 0;
    memset(w->rx_held, 0, sizeof w->rx_held);
    for (uint32_t i = n_buffers; i-- > 0;)
        w->free[w->n_free++] = i;
    rpr_link_up(&w->link, &(struct rpr_session){.incarnation = &life->incarnation,
                                                .tx_len = w->slot_size - RPMSG_HEADER_BYTES,
                                                .rx_len = 496,
                                                .dialect = dialect,
                                                .credit = credit,
                                                .lossy = w->lossy});
}

/* A message arrives, and rings if it was asked to. */
static inline void wire_put(struct wire *w, uint32_t src, uint32_t dst, const void *data,
                            size_t len)
{
    struct wire_buffer *b = &w->rx[w->n_in % WIRE_BUFFERS];

    assert_true(w->n_in - w->n_taken < WIRE_BUFFERS);
    header_put(b->bytes, src, dst, (uint16_t)len);
    memcpy(b->bytes + RPMSG_HEADER_BYTES, data, len);
    b->len = RPMSG_HEADER_BYTES + (uint32_t)len;
    w->n_in++;
    if (w->armed)
        rpr_link_ready(&w->link);
}

static inline void wire_text(struct wire *w, uint32_t src, uint32_t dst, const char *text)
{
    wire_put(w, src, dst, text, strlen(text));
}

static inline void wire_ns(struct wire *w, const char *name, uint32_t addr, uint32_t flags)
{
    struct ns_message message = {.addr = addr, .flags = flags};
    uint8_t payload[RPMSG_NS_BYTES];

    snprintf(message.name, sizeof message.name, "%s", name);
    ns_encode(payload, &message);
    wire_put(w, addr, RPMSG_ADDR_NS, payload, sizeof payload);
}

/* The next message that the node sent, whose buffer goes back if `back`; false: none. */
static inline bool wire_get(struct wire *w, struct wire_message *m, bool back)
{
    const struct wire_buffer *b;
    struct rpmsg_header h;
    uint32_t id;

    if (w->n_read == w->n_flushed)
        return false;
    id = w->out[w->n_read++ % WIRE_BUFFERS];
    b = &w->tx[id];
    h = header_get(b->bytes);
    m->src = h.src;
    m->dst = h.dst;
    m->len = h.len;
    assert_int_equal(b->len, RPMSG_HEADER_BYTES + h.len);
    assert_int_equal(get_le32(b->bytes + 8), 0); /* reserved */
    assert_int_equal(h.flags, 0);
    memcpy(m->data, b->bytes + RPMSG_HEADER_BYTES, h.len);
    if (back)
        w->free[w->n_free++] = id;
    return true;
}

/* Buffers come back to the sender; rings if it was asked to. */
static inline void wire_back(struct wire *w, uint32_t id)
{
    w->free[w->n_free++] = id;
    if (w->armed && w->want_writable)
        rpr_link_ready(&w->link);
}

/* The number and what is in it; "heard n;" if that is all. */
static inline size_t wire_open_word(struct wire *w, struct wire_message *m, char *text, size_t room)
{
    struct word_head head;

    if (m->len == WORD_HEARD_BYTES)
        return (size_t)snprintf(text, room, "heard %u;", (unsigned)(get_le32(m->data) & 0xffff));
    assert_true(m->len >= WORD_HEAD_BYTES);
    word_decode(&head, m->data);
    w->tag = head.number & WORD_TAG_MASK;
    m->src = head.src;
    m->dst = head.dst;
    m->len = (uint16_t)(m->len - WORD_HEAD_BYTES);
    memmove(m->data, m->data + WORD_HEAD_BYTES, m->len);
    return (size_t)snprintf(text, room, "#%u ", (unsigned)(head.number & 0xffff));
}

/* All that was sent as text: "CREATE name addr;", "ACK ..", "DESTROY ..", "src>dst data;",
 * "GRANT addr from limit;", "SENT addr from n;", "heard n;", and with "#n " in front of it a word that
 * is the n-th. Addresses of this node are shown without generation. */
static inline const char *wire_said(struct wire *w)
{
    static char text[1 << 16];
    struct wire_message m;
    size_t n = 0;

    text[0] = '\0';
    while (wire_get(w, &m, true)) {
        size_t room;

        if (m.dst == RPMSG_ADDR_WORD) {
            n += wire_open_word(w, &m, text + n, sizeof text - n);
            if (m.dst == RPMSG_ADDR_WORD)
                continue; /* it was empty */
        }
        room = sizeof text - n;
        if (m.dst == RPMSG_ADDR_NS) {
            static const char *const words[] = {"CREATE", "DESTROY", "ACK"};
            struct ns_message ns;

            assert_int_equal(ns_decode(&ns, m.data, m.len), NS_OK);
            assert_int_equal(m.src, ns.addr);
            n += (size_t)snprintf(text + n, room, "%s %s %u;", words[ns.flags], ns.name,
                                  (unsigned)(ns.addr & 0x3ffffu));
        } else if (m.dst == RPMSG_ADDR_CREDIT || m.dst == RPMSG_ADDR_SENT) {
            const char *word = m.dst == RPMSG_ADDR_SENT ? "SENT" : "GRANT";

            assert_true(m.len > 0 && m.len % CREDIT_ENTRY_BYTES == 0);
            for (uint32_t at = 0; at < m.len; at += CREDIT_ENTRY_BYTES) {
                struct credit_entry c;

                credit_decode(&c, m.data + at);
                n += (size_t)snprintf(text + n, sizeof text - n, "%s %u %u %u;", word,
                                      (unsigned)c.addr, (unsigned)(c.from & 0x3ffffu),
                                      (unsigned)c.limit);
            }
        } else {
            n += (size_t)snprintf(text + n, room, "%u>%u %.*s;", (unsigned)(m.src & 0x3ffffu),
                                  (unsigned)m.dst, (int)m.len, (const char *)m.data);
        }
    }
    return text;
}

#define assert_said(w, text) assert_string_equal(wire_said(w), (text))

static inline void wire_grant(struct wire *w, uint32_t addr, uint32_t from, uint32_t limit)
{
    struct credit_entry entry = {addr, from, limit};
    uint8_t payload[CREDIT_ENTRY_BYTES];

    credit_encode(payload, &entry);
    wire_put(w, RPMSG_ADDR_CREDIT, RPMSG_ADDR_CREDIT, payload, sizeof payload);
}

static inline void wire_sent(struct wire *w, uint32_t addr, uint32_t from, uint32_t n)
{
    struct credit_entry entry = {addr, from, n};
    uint8_t payload[CREDIT_ENTRY_BYTES];

    credit_encode(payload, &entry);
    wire_put(w, RPMSG_ADDR_SENT, RPMSG_ADDR_SENT, payload, sizeof payload);
}

#define PEER_TAG 0xabcd0000u

/* The peer has the first `n` of the node's words. */
static inline void wire_heard(struct wire *w, uint32_t n)
{
    uint8_t payload[WORD_HEARD_BYTES];

    put_le32(payload, n ? word_number(w->tag, n) : 0);
    wire_put(w, RPMSG_ADDR_WORD, RPMSG_ADDR_WORD, payload, sizeof payload);
}

/* The peer's n-th word. */
static inline void wire_word(struct wire *w, uint32_t n, uint32_t src, uint32_t dst,
                             const void *data, size_t len)
{
    struct word_head head = {.number = word_number(PEER_TAG, n), .src = src, .dst = dst};
    uint8_t payload[WIRE_BYTES];

    word_encode(payload, &head);
    memcpy(payload + WORD_HEAD_BYTES, data, len);
    wire_put(w, RPMSG_ADDR_WORD, RPMSG_ADDR_WORD, payload, WORD_HEAD_BYTES + len);
}

static inline void wire_word_ns(struct wire *w, uint32_t n, const char *name, uint32_t addr,
                                uint32_t flags)
{
    struct ns_message message = {.addr = addr, .flags = flags};
    uint8_t payload[RPMSG_NS_BYTES];

    snprintf(message.name, sizeof message.name, "%s", name);
    ns_encode(payload, &message);
    wire_word(w, n, addr, RPMSG_ADDR_NS, payload, sizeof payload);
}

/* ---- endpoints ------------------------------------------------------------------------------ */

struct ept {
    struct world *world;
    const char *tag;
    rpr_ept_t h;
    enum rpr_rx_result result; /* of rx */
    struct rpr_msg held[64];
    unsigned n_held, n_rx, n_closed;
    enum rpr_rx_result (*on_rx)(struct ept *ept, const struct rpr_msg *msg); /* overrides result */
    void (*on_bound)(struct ept *ept);
    void (*on_unbound)(struct ept *ept);
    void (*on_writable)(struct ept *ept);
    void (*on_closed)(struct ept *ept);
    void *more; /* the test's */
};

static inline enum rpr_rx_result ept_rx(void *ctx, rpr_ept_t h, const struct rpr_msg *msg)
{
    struct ept *e = ctx;
    enum rpr_rx_result result = e->result;

    (void)h;
    assert_false(e->n_closed);
    e->n_rx++;
    note(e->world, "%s:rx %.*s;", e->tag, (int)msg->len, (const char *)msg->data);
    if (e->on_rx)
        result = e->on_rx(e, msg);
    if (result == RPR_HOLD)
        e->held[e->n_held++] = *msg;
    return result;
}

static inline void ept_bound(void *ctx, rpr_ept_t h, uint32_t dest)
{
    struct ept *e = ctx;

    assert_false(e->n_closed);
    if (!e->h.endpoint)
        e->h = h; /* inside rpr_ept_open() */
    note(e->world, "%s:bound %u;", e->tag, (unsigned)(dest & 0x3ffffu));
    if (e->on_bound)
        e->on_bound(e);
}

static inline void ept_unbound(void *ctx, rpr_ept_t h, enum rpr_unbound_reason reason)
{
    struct ept *e = ctx;

    (void)h;
    assert_false(e->n_closed);
    note(e->world, "%s:unbound %s;", e->tag, reason == RPR_UNBOUND_LOST ? "lost" : "closed");
    if (e->on_unbound)
        e->on_unbound(e);
}

static inline void ept_writable(void *ctx, rpr_ept_t h)
{
    struct ept *e = ctx;

    (void)h;
    assert_false(e->n_closed);
    note(e->world, "%s:writable;", e->tag);
    if (e->on_writable)
        e->on_writable(e);
}

static inline void ept_closed(void *ctx)
{
    struct ept *e = ctx;

    assert_false(e->n_closed);
    e->n_closed++;
    note(e->world, "%s:closed;", e->tag);
    if (e->on_closed)
        e->on_closed(e);
}

static const struct rpr_ept_ops ept_ops = {.rx = ept_rx,
                                           .bound = ept_bound,
                                           .unbound = ept_unbound,
                                           .writable = ept_writable,
                                           .closed = ept_closed};

#define EPT(world_, tag_)                \
    {                                    \
        .world = (world_), .tag = (tag_) \
    }

/* Opens with the configuration given, `ops` and `ctx` filled in. */
static inline int ept_open_as(struct ept *e, struct rpr_device *d, struct rpr_ept_config config)
{
    rpr_ept_t h = {0};
    int error;

    config.ops = &ept_ops;
    config.ctx = e;
    error = rpr_ept_open(d, &config, &h);
    e->h = h;
    return error;
}

static inline void ept_open(struct ept *e, struct rpr_device *d, const char *name)
{
    assert_int_equal(
        ept_open_as(e, d,
                    (struct rpr_ept_config){
                        .name = name, .addr = RPR_ADDR_ANY, .dest = RPR_ADDR_ANY, .quota = 4}),
        0);
}

static inline int ept_send(struct ept *e, const char *text)
{
    return rpr_send(e->h, text, strlen(text), 0);
}

static inline uint32_t ept_addr(struct ept *e)
{
    struct rpr_ept_info info;

    assert_int_equal(rpr_ept_info(e->h, &info), 0);
    return info.addr;
}

/* Announced by the endpoint and acknowledged by the test, at `peer`; nothing is left to be said. */
static inline void ept_bind_to(struct ept *e, struct wire *w, struct rpr_node *node,
                               const char *name, uint32_t peer)
{
    settle(w->world, node);
    (void)wire_said(w);
    wire_ns(w, name, peer, NS_CREATE_ACK);
    settle(w->world, node);
    (void)wire_said(w);
    e->world->events[0] = '\0';
}

#endif
