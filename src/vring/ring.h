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

/* RING_SMALL: a byte of memory counts for more than an instruction. A device then remembers nothing
 * of a descriptor, and checks it each time. */
struct ring_buffer {
    uint8_t *at;
#ifndef RING_SMALL
    uint64_t desc[2]; /* device: the descriptor that `at` and `size` were made from */
#endif
    uint32_t size;
    uint16_t id;
    bool ours; /* this side owns it; private, whatever the rings say */
};

/* The memory that descriptors may point into. */
struct ring_region {
    uint64_t da; /* what a descriptor's address says for `base` */
    uint8_t *base;
    uint32_t bytes;
};

struct ring {
    uint8_t *give;        /* the half we write: flags, idx, entries */
    const uint8_t *take;  /* the half the peer writes */
    uint32_t mask;        /* num - 1 */
    uint32_t given;       /* free-running, entries written; the wire has the low 16 bits of it */
    uint32_t published;   /* free-running, what the peer has been told */
    uint32_t taken;       /* free-running, entries read */
    uint32_t outstanding; /* given - taken + outstanding: buffers that the peer has */
    struct ring_buffer *buffers;
    const uint8_t *desc;
    const struct ring_region *region;
    uint8_t *own_flag;        /* we say here: do not ring us */
    const uint8_t *peer_flag; /* the peer says here: do not ring me */
};

/* Shared words: read or written exactly once, never torn. 2 or 4 byte alignment is all that real
 * layouts give (H-10). */
static inline uint16_t ring_read16(const uint8_t *at)
{
    return BYTES_LE16(__atomic_load_n((const bytes_word16 *)(const void *)at, __ATOMIC_RELAXED));
}

static inline uint32_t ring_read32(const uint8_t *at)
{
    return BYTES_LE32(__atomic_load_n((const bytes_word32 *)(const void *)at, __ATOMIC_RELAXED));
}

static inline void ring_write16(uint8_t *at, uint16_t value)
{
    __atomic_store_n((bytes_word16 *)(void *)at, BYTES_LE16(value), __ATOMIC_RELAXED);
}

static inline void ring_write32(uint8_t *at, uint32_t value)
{
    __atomic_store_n((bytes_word32 *)(void *)at, BYTES_LE32(value), __ATOMIC_RELAXED);
}

/* How many buffers the peer has. */
static inline uint32_t ring_outstanding(const struct ring *r)
{
    return r->given - r->taken + r->outstanding;
}

/* How many entries the peer has published that we have not taken; more than the buffers it has:
 * -1. What they cover may be read after this. */
static inline int ring_pending(const struct ring *r)
{
    uint32_t n;

    if (!MUTANT(index_of_before_is_in_the_cache))
        rpr_cache_invalidate(r->take, 4);
    n = (uint16_t)(ring_read16(r->take + 2) - r->taken);
    if (RPR_UNLIKELY(n > ring_outstanding(r)) && !MUTANT(index_is_believed))
        return -1;
    if (!MUTANT(pending_has_no_barrier))
        rpr_barrier_seen();
    return (int)n;
}

/* A descriptor was checked, and: is this the one? */
#ifndef RING_SMALL
static inline void ring_remember(struct ring_buffer *b, uint64_t addr, uint64_t rest)
{
    b->desc[0] = addr;
    b->desc[1] = rest;
}

RPR_INLINE bool ring_remembers(const struct ring_buffer *b, uint64_t addr, uint64_t rest)
{
    return RPR_LIKELY(addr == b->desc[0]) && RPR_LIKELY(rest == b->desc[1]);
}
#else
#define ring_remember(b, addr, rest)  ((void)0)
#define ring_remembers(b, addr, rest) false
#endif

/* One text for all of them is a hundred bytes less. */
#ifndef RING_SMALL
#define RING_WRONG_DESC(text) text
#else
#define RING_WRONG_DESC(text) "a wrong descriptor"
#endif

/* What a device finds in a descriptor, {addr; len, flags << 32}. NULL: fine. */
static RPR_COLD const char *ring_check_desc(const struct ring_region *region, uint64_t addr,
                                            uint64_t rest, struct ring_buffer *b)
{
    uint64_t offset = addr - region->da;
    uint32_t len = (uint32_t)rest;

    if ((offset > region->bytes || len > region->bytes - offset) && !MUTANT(descriptor_is_believed))
        return RING_WRONG_DESC("a descriptor points outside the shared region");
    if (offset % 4 != 0)
        return RING_WRONG_DESC("a descriptor is not aligned");
    if (len < RPR_HEADER_BYTES)
        return RING_WRONG_DESC("a descriptor is too short for a header");
    if (rest >> 32 & (RING_DESC_NEXT | RING_DESC_INDIRECT) && !MUTANT(chained_descriptor_is_taken))
        return RING_WRONG_DESC("a chained descriptor");
    b->at = region->base + offset;
    b->size = len;
    ring_remember(b, addr, rest);
    return NULL;
}

/* A descriptor that reads as it did when it was checked is the one that was checked. */
RPR_INLINE const char *ring_read_desc(const struct ring *r, uint32_t id, struct ring_buffer *b)
{
    const uint8_t *d = r->desc + (size_t)id * RING_DESC_BYTES;
    uint64_t addr, rest;

    rpr_cache_invalidate(d, RING_DESC_BYTES);
    addr = get_once_le64(d);
    rest = get_once_le64(d + 8);
    if (ring_remembers(b, addr, rest))
        return NULL;
    return ring_check_desc(r->region, addr, rest, b);
}

/* Where a device's checking of descriptors starts from: as if all had been these harmless ones. */
static inline void ring_first_descs(struct ring *r)
{
    for (uint32_t id = 0; id <= r->mask; id++) {
        struct ring_buffer *b = &r->buffers[id];

        *b = (struct ring_buffer){
            .at = r->region->base, .size = RPR_HEADER_BYTES, .id = (uint16_t)id};
        ring_remember(b, r->region->da, RPR_HEADER_BYTES);
    }
}

/* Reads entry number `taken`, one of those that ring_pending() counted: the buffer in *buffer, the
 * bytes that the peer says are there in *size. NULL, or what was wrong. The entry is taken, and the
 * buffer ours, when the caller says so. */
RPR_INLINE const char *ring_look(const struct ring *r, bool driver, uint32_t taken,
                                 struct ring_buffer **buffer, uint32_t *size)
{
    const uint8_t *entry = r->take + 4 + (size_t)(taken & r->mask) * (driver ? 8 : 2);
    const char *wrong = NULL;
    struct ring_buffer *b;
    uint32_t id;

    rpr_cache_invalidate(entry, driver ? 8 : 2);
    id = driver ? get_once_le32(entry) : get_once_le16(entry);
    if (MUTANT(buffer_id_goes_round))
        id &= r->mask;
    if (RPR_UNLIKELY(id > r->mask))
        return "a buffer id out of range";
    b = &r->buffers[id];
    *buffer = b;
    if (RPR_UNLIKELY(b->ours) && !MUTANT(buffer_comes_back_twice))
        return "a buffer that was not outstanding";
    if (!driver) {
        wrong = ring_read_desc(r, id, b);
        *size = b->size;
        return wrong;
    }
    *size = get_once_le32(entry + 4);
    if (RPR_UNLIKELY(*size > b->size) && !MUTANT(used_length_is_believed))
        return "a length over the buffer";
    return NULL;
}

/* The entry that ring_look() found is dealt with, the buffer is ours. */
static inline void ring_take(struct ring *r, struct ring_buffer *b)
{
    b->ours = true;
    r->taken++;
}

/* Writes the next entry: the buffer goes to the peer, and ring_publish() tells it. A device always
 * says the full length: the peer takes it for the capacity (H-11). */
RPR_INLINE void ring_put(struct ring *r, bool driver, const struct ring_buffer *b)
{
    uint32_t given = r->given;
    uint8_t *entry = r->give + 4 + (size_t)(given & r->mask) * (driver ? 2 : 8);

    r->given = given + 1;
    if (driver) {
        put_le16(entry, b->id);
    } else {
        put_le32(entry + 4, b->size);
        put_le32(entry, b->id);
    }
    if (!MUTANT(entry_stays_in_the_cache))
        rpr_cache_clean(entry, driver ? 2 : 8);
}

/* Gives a buffer of ours. */
RPR_INLINE void ring_give(struct ring *r, bool driver, struct ring_buffer *b)
{
    RPR_ASSERT(b->ours);
    b->ours = false;
    ring_put(r, driver, b);
}

/* Gives back the buffer that ring_look() found, at once: it never became ours. */
RPR_INLINE void ring_return(struct ring *r, bool driver, const struct ring_buffer *b)
{
    r->taken++;
    ring_put(r, driver,
             MUTANT(returned_buffer_has_no_length) ? &(struct ring_buffer){.id = b->id} : b);
}

/* Has anything been given that the peer does not know of? */
static inline bool ring_unpublished(const struct ring *r)
{
    return r->published != r->given;
}

/* Tells the peer; after a full barrier it may have to be rung. */
static inline void ring_publish(struct ring *r)
{
    uint32_t given = r->given;

    r->published = given;
    if (!MUTANT(publish_has_no_barrier))
        rpr_barrier_publish();
    ring_write16(r->give + 2, (uint16_t)given);
    rpr_cache_clean(r->give + 2, 2);
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
