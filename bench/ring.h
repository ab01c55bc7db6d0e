/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The bare checked split ring: what any implementation that trusts nothing has to pay.
 *
 * One direction of a virtio split ring (descriptors, avail, used) whose driver sends. Every shared
 * index is read once and range-checked, every id must be outstanding, every descriptor must lie in
 * the region, every header length in its descriptor. What decides is private to its side. One
 * full fence per batch and direction stands between publishing and reading the other side's
 * suppress flag. There is no endpoint, no callback, no lock, no link: that is the point of it.
 */
#ifndef RPR_BENCH_RING_H
#define RPR_BENCH_RING_H

#include "common.h"

#include <stdalign.h>
#include <stdatomic.h>
#include <stdbool.h>

#define RING_SIZE       256u /* descriptors */
#define RING_MASK       (RING_SIZE - 1u)
#define RING_LINE       128         /* what one side writes is on lines of its own, in pairs */
#define RING_STRIDE     (33u * 64u) /* holds 16 + 2048; odd in lines, so sets are used evenly */
#define RING_HEADER     16u         /* RPMsg: src, dst, reserved, len, flags */
#define RING_F_SUPPRESS 1u          /* VRING_AVAIL_F_NO_INTERRUPT, VRING_USED_F_NO_NOTIFY */

struct ring_header {
    uint32_t src;
    uint32_t dst;
    uint32_t reserved;
    uint16_t len;
    uint16_t flags;
};

struct ring_desc {
    _Atomic uint64_t addr; /* offset from the start of the region */
    _Atomic uint32_t len;
    _Atomic uint16_t flags;
    _Atomic uint16_t next;
};

struct ring_used_elem {
    _Atomic uint32_t id;
    _Atomic uint32_t len;
};

/* The region, mapped by both sides. */
struct ring_shared {
    alignas(RING_LINE) struct ring_desc desc[RING_SIZE];
    alignas(RING_LINE) struct {
        _Atomic uint16_t flags;
        _Atomic uint16_t idx;
        _Atomic uint16_t ring[RING_SIZE];
    } avail; /* written by the driver */
    alignas(RING_LINE) struct {
        _Atomic uint16_t flags;
        _Atomic uint16_t idx;
        struct ring_used_elem ring[RING_SIZE];
    } used; /* written by the device */
    alignas(RING_LINE) uint8_t buffers[RING_SIZE][RING_STRIDE];
};

/* The driver's private state. Free ids are a stack: the buffer returned last is the hottest. */
struct ring_tx {
    struct ring_shared *shm;
    uint16_t avail_idx;
    uint16_t used_seen;
    uint16_t n_free;
    uint16_t free_ids[RING_SIZE];
    uint8_t outstanding[RING_SIZE];
};

/* The device's private state. */
struct ring_rx {
    struct ring_shared *shm;
    uint16_t avail_seen;
    uint16_t used_idx;
    uint8_t taken[RING_SIZE];
};

struct ring_message {
    const uint8_t *data;
    uint32_t len;
    uint16_t id;
};

#define RING_LOAD(p)     atomic_load_explicit((p), memory_order_relaxed)
#define RING_STORE(p, v) atomic_store_explicit((p), (v), memory_order_relaxed)

__attribute__((noreturn, cold, noinline, unused)) static void ring_broken(const char *what)
{
    bench_die("ring broken: %s", what);
}

static inline void ring_init(struct ring_tx *tx, struct ring_rx *rx, struct ring_shared *shm)
{
    memset(tx, 0, sizeof(*tx));
    memset(rx, 0, sizeof(*rx));
    tx->shm = shm;
    rx->shm = shm;
    for (unsigned i = 0; i < RING_SIZE; i++) {
        RING_STORE(&shm->desc[i].addr, (uint64_t)(shm->buffers[i] - (uint8_t *)shm));
        tx->free_ids[tx->n_free++] = (uint16_t)i;
    }
}

/* Only the driver calls this, once per batch: takes back what the device has returned. */
static inline void ring_reclaim(struct ring_tx *tx)
{
    /* pairs with the release in ring_return() */
    uint16_t idx = atomic_load_explicit(&tx->shm->used.idx, memory_order_acquire);
    uint16_t n = (uint16_t)(idx - tx->used_seen);

    if (n > RING_SIZE - tx->n_free)
        ring_broken("used index");
    for (; n > 0; n--) {
        uint32_t id = RING_LOAD(&tx->shm->used.ring[tx->used_seen & RING_MASK].id);

        if (id >= RING_SIZE || !tx->outstanding[id])
            ring_broken("used id");
        tx->outstanding[id] = 0;
        tx->free_ids[tx->n_free++] = (uint16_t)id;
        tx->used_seen++;
    }
}

/* Only the driver calls this: fills the next buffer. Not visible before ring_publish(). */
static inline bool ring_put(struct ring_tx *tx, uint32_t dst, const void *data, size_t len)
{
    struct ring_header header = {.src = 1024, .dst = dst, .len = (uint16_t)len};
    uint16_t id;
    uint8_t *buffer;

    if (tx->n_free == 0 || len > RING_STRIDE - RING_HEADER)
        return false;
    id = tx->free_ids[--tx->n_free];
    buffer = tx->shm->buffers[id];
    memcpy(buffer, &header, RING_HEADER);
    memcpy(buffer + RING_HEADER, data, len);
    RING_STORE(&tx->shm->desc[id].len, (uint32_t)len + RING_HEADER);
    RING_STORE(&tx->shm->avail.ring[tx->avail_idx & RING_MASK], id);
    tx->outstanding[id] = 1;
    tx->avail_idx++;
    return true;
}

/* Only the driver calls this. True: the device wants a doorbell. */
static inline bool ring_publish(struct ring_tx *tx)
{
    /* pairs with the acquire in ring_pending() */
    atomic_store_explicit(&tx->shm->avail.idx, tx->avail_idx, memory_order_release);
    /* pairs with the fence of a device between clearing its flag and looking once more */
    atomic_thread_fence(memory_order_seq_cst);
    return !(RING_LOAD(&tx->shm->used.flags) & RING_F_SUPPRESS);
}

/* Only the device calls this: how many messages wait. */
static inline uint16_t ring_pending(const struct ring_rx *rx)
{
    /* pairs with the release in ring_publish() */
    uint16_t idx = atomic_load_explicit(&rx->shm->avail.idx, memory_order_acquire);
    uint16_t n = (uint16_t)(idx - rx->avail_seen);

    if (n > RING_SIZE)
        ring_broken("avail index");
    return n;
}

/* Only the device calls this, at most ring_pending() times: lends the next message. */
static inline struct ring_message ring_take(struct ring_rx *rx)
{
    struct ring_shared *shm = rx->shm;
    uint16_t id = RING_LOAD(&shm->avail.ring[rx->avail_seen & RING_MASK]);
    struct ring_header header;
    uint64_t addr;
    uint32_t len;

    if (id >= RING_SIZE || rx->taken[id])
        ring_broken("avail id");
    addr = RING_LOAD(&shm->desc[id].addr);
    len = RING_LOAD(&shm->desc[id].len);
    if (len < RING_HEADER || len > sizeof(*shm) || addr > sizeof(*shm) - len)
        ring_broken("descriptor outside the region");
    memcpy(&header, (const uint8_t *)shm + addr, RING_HEADER);
    bench_touch(&header); /* checked and used is this copy, never the shared header again */
    if (header.len > len - RING_HEADER)
        ring_broken("header length");
    rx->taken[id] = 1;
    rx->avail_seen++;
    return (struct ring_message){(const uint8_t *)shm + addr + RING_HEADER, header.len, id};
}

/* Only the device calls this: gives the buffer back. Not visible before ring_return(). */
static inline void ring_give(struct ring_rx *rx, uint16_t id)
{
    struct ring_used_elem *elem = &rx->shm->used.ring[rx->used_idx & RING_MASK];

    RING_STORE(&elem->id, id);
    RING_STORE(&elem->len, 0);
    rx->taken[id] = 0;
    rx->used_idx++;
}

/* Only the device calls this. True: the driver wants to hear of returned buffers. */
static inline bool ring_return(struct ring_rx *rx)
{
    /* pairs with the acquire in ring_reclaim() */
    atomic_store_explicit(&rx->shm->used.idx, rx->used_idx, memory_order_release);
    /* pairs with the fence of a driver between clearing its flag and looking once more */
    atomic_thread_fence(memory_order_seq_cst);
    return !(RING_LOAD(&rx->shm->avail.flags) & RING_F_SUPPRESS);
}

/* Reads the payload as a receiver would at the least: its first eight bytes. */
static inline uint64_t ring_read(const struct ring_message *message)
{
    uint64_t word = 0;

    if (message->len >= sizeof(word))
        memcpy(&word, message->data, sizeof(word));
    return word;
}

#endif
