/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One side of one virtio split ring (WIRE 2, virtio 1.1 section 2.6), role as data.
 *
 * A side *gives* buffers to the peer through the ring it writes and *takes* those that the peer
 * gave through the ring the peer writes:
 *
 *            gives through          takes from
 *   driver   avail  {u16 id}        used   {u32 id, u32 len}
 *   device   used   {u32 id, len}   avail  {u16 id}, then the descriptor
 *
 * On the ring it sends on, a side takes empty buffers and gives full ones; on the other it takes
 * full ones and gives them back. All four cases are this one engine.
 *
 * The peer may write anything into shared memory at any moment. Each shared value is read once
 * and checked before use; what decides (who owns which buffer, where it is, own indices) is
 * private. The functions say what was wrong; a ring must not be used after that.
 */
#ifndef VRING_RING_H
#define VRING_RING_H

#include <rpr/vring.h>

#include "base/bytes.h"
#include "base/check.h"

#define RING_NUM_MAX          32768u
#define RING_DESC_BYTES       16u               /* u64 addr, u32 len, u16 flags, u16 next */
#define RING_AVAIL_BYTES(num) (6u + 2u * (num)) /* u16 flags, idx, ring[num], used_event */
#define RING_USED_BYTES(num)  (6u + 8u * (num)) /* u16 flags, idx, {u32, u32}[num], avail_event */
#define RING_DESC_NEXT        1u
#define RING_DESC_WRITE       2u
#define RING_DESC_INDIRECT    4u
#define RING_QUIET            1u /* flag word, bit 0: do not ring */

enum { RING_TO_DRIVER = 0, RING_TO_DEVICE = 1 };

struct ring_buffer {
    uint8_t *at;
    uint32_t size;
    bool ours; /* this side owns it; private, whatever the rings say */
};

struct ring {
    uint8_t *give;        /* the half we write: flags, idx, entries */
    const uint8_t *take;  /* the half the peer writes */
    uint32_t mask;        /* num - 1 */
    uint16_t given;       /* free-running, entries written */
    uint16_t published;   /* free-running, what the peer has been told */
    uint16_t taken;       /* free-running, entries read */
    uint16_t outstanding; /* given - taken + outstanding: buffers that the peer has */
    struct ring_buffer *buffers;
    const uint8_t *desc;
    uint8_t *region; /* for descriptors, device side */
    uint64_t region_da;
    uint64_t region_bytes;
    uint8_t *own_flag;        /* we say here: do not ring us */
    const uint8_t *peer_flag; /* the peer says here: do not ring me */
};

/* Shared words: read or written exactly once, never torn. 2 or 4 byte alignment is all that real
 * layouts give (H-10). */
static inline uint16_t ring_read16(const uint8_t *at)
{
    return BYTES_LE16(*(const volatile uint16_t *)(const volatile void *)at);
}

static inline uint32_t ring_read32(const uint8_t *at)
{
    return BYTES_LE32(*(const volatile uint32_t *)(const volatile void *)at);
}

static inline void ring_write16(uint8_t *at, uint16_t value)
{
    *(volatile uint16_t *)(volatile void *)at = BYTES_LE16(value);
}

static inline void ring_write32(uint8_t *at, uint32_t value)
{
    *(volatile uint32_t *)(volatile void *)at = BYTES_LE32(value);
}

/* How many buffers the peer has. */
static inline uint32_t ring_outstanding(const struct ring *r)
{
    return (uint16_t)(r->given - r->taken + r->outstanding);
}

/* How many entries the peer has published that we have not taken; more than the buffers it has:
 * -1. What they cover may be read after this. */
static inline int ring_pending(const struct ring *r)
{
    uint32_t n;

    rpr_cache_invalidate(r->take, 4);
    n = (uint16_t)(ring_read16(r->take + 2) - r->taken);
    if (RPR_UNLIKELY(n > ring_outstanding(r)))
        return -1;
    rpr_barrier_seen();
    return (int)n;
}

/* What a device finds in a descriptor. NULL: fine. */
static inline const char *ring_read_desc(struct ring *r, uint32_t id, struct ring_buffer *b)
{
    const uint8_t *d = r->desc + (size_t)id * RING_DESC_BYTES;
    uint64_t addr, offset;
    uint32_t len, flags;

    rpr_cache_invalidate(d, RING_DESC_BYTES);
    addr = ring_read32(d) | (uint64_t)ring_read32(d + 4) << 32;
    len = ring_read32(d + 8);
    flags = ring_read16(d + 12);
    offset = addr - r->region_da;
    if (RPR_UNLIKELY(offset > r->region_bytes || len > r->region_bytes - offset))
        return "a descriptor points outside the shared region";
    if (RPR_UNLIKELY(len < RPR_HEADER_BYTES))
        return "a descriptor is too short for a header";
    if (RPR_UNLIKELY(flags & (RING_DESC_NEXT | RING_DESC_INDIRECT)))
        return "a chained descriptor";
    b->at = r->region + offset;
    b->size = len;
    return NULL;
}

/* Takes the next entry, of those that ring_pending() counted: its id in *id, the bytes it says are
 * there in *size. NULL, or what was wrong. */
static inline const char *ring_take(struct ring *r, bool driver, uint32_t *id, uint32_t *size)
{
    uint32_t taken = r->taken;
    const uint8_t *entry = r->take + 4 + (size_t)(taken & r->mask) * (driver ? 8 : 2);
    struct ring_buffer *b;
    uint32_t i;

    rpr_cache_invalidate(entry, driver ? 8 : 2);
    i = driver ? ring_read32(entry) : ring_read16(entry);
    if (RPR_UNLIKELY(i > r->mask))
        return "a buffer id out of range";
    b = &r->buffers[i];
    if (RPR_UNLIKELY(b->ours))
        return "a buffer that was not outstanding";
    if (driver) {
        *size = ring_read32(entry + 4);
        if (RPR_UNLIKELY(*size > b->size))
            return "a length over the buffer";
    } else {
        const char *wrong = ring_read_desc(r, i, b);

        if (RPR_UNLIKELY(wrong != NULL))
            return wrong;
        *size = b->size;
    }
    b->ours = true;
    r->taken = (uint16_t)(taken + 1);
    *id = i;
    return NULL;
}

/* Takes back the last entry, as if it had never been looked at. */
static inline void ring_untake(struct ring *r, uint32_t id)
{
    r->buffers[id].ours = false;
    r->taken--;
}

/* Gives buffer `id`, which is ours, to the peer; ring_publish() tells it. A device always says the
 * full length: the peer takes it for the capacity (H-11). */
static inline void ring_give(struct ring *r, bool driver, uint32_t id)
{
    uint32_t given = r->given;
    uint8_t *entry = r->give + 4 + (size_t)(given & r->mask) * (driver ? 2 : 8);
    struct ring_buffer *b = &r->buffers[id];

    RPR_ASSERT(b->ours);
    b->ours = false;
    r->given = (uint16_t)(given + 1);
    if (driver) {
        ring_write16(entry, (uint16_t)id);
    } else {
        ring_write32(entry + 4, b->size);
        ring_write32(entry, id);
    }
    rpr_cache_clean(entry, driver ? 2 : 8);
}

/* True if the peer has something new, after which it may have to be rung. */
static inline bool ring_publish(struct ring *r)
{
    uint16_t given = r->given;

    if (r->published == given)
        return false;
    r->published = given;
    rpr_barrier_publish();
    ring_write16(r->give + 2, given);
    rpr_cache_clean(r->give + 2, 2);
    return true;
}

/* After ring_publish() and a full barrier: does the peer want to be rung? */
static inline bool ring_wanted(const struct ring *r)
{
    rpr_cache_invalidate(r->peer_flag, 2);
    return !(ring_read16(r->peer_flag) & RING_QUIET);
}

/* Says whether we want to be rung. A full barrier must follow before looking at the ring. */
static inline void ring_set_quiet(struct ring *r, bool quiet)
{
    ring_write16(r->own_flag, quiet ? RING_QUIET : 0);
    rpr_cache_clean(r->own_flag, 2);
}

#endif
