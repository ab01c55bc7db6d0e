/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How a session begins: both sides of a ring made from where its parts are.
 */
#ifndef VRING_START_H
#define VRING_START_H

#include "vring/ring.h"

static const uint8_t always[2] __attribute__((aligned(2))); /* a flag word that says: ring */

static __attribute__((unused)) void ring_init(struct ring *r, const struct rpr_vring_session *c,
                                              bool driver, unsigned index,
                                              const struct ring_region *region)
{
    const struct rpr_vring_ring *l = &c->layout.ring[index];
    uint8_t *base = c->base;

    r->give = base + (driver ? l->avail : l->used);
    r->take = base + (driver ? l->used : l->avail);
    r->own_flag = base + (driver ? l->driver_flag : l->device_flag);
    r->peer_flag = c->always_ring ? always : base + (driver ? l->device_flag : l->driver_flag);
    r->desc = base + l->desc;
    r->mask = l->num - 1;
    r->given = r->published = r->taken = 0;
    r->outstanding = driver ? 0 : l->num;
    r->region = region;
}

/* The driver writes the descriptors once: address and size of a buffer never change. */
static __attribute__((unused)) void driver_start(struct ring *r, const struct rpr_vring_session *c,
                                                 unsigned index)
{
    const struct rpr_vring_ring *l = &c->layout.ring[index];
    uint8_t *base = c->base;

    memset(base + l->desc, 0, (size_t)RING_DESC_BYTES * l->num);
    memset(base + l->avail, 0, RING_AVAIL_BYTES(l->num) - 2);
    memset(base + l->used, 0, RING_USED_BYTES(l->num) - 2);
    for (uint32_t id = 0; id < l->num; id++) {
        uint8_t *d = base + l->desc + (size_t)RING_DESC_BYTES * id;
        uint32_t offset = l->buffers + id * l->stride;

        put_le64(d, c->base_da + offset);
        put_le32(d + 8, l->size);
        put_le16(d + 12, index == RING_TO_DRIVER ? RING_DESC_WRITE : 0);
        r->buffers[id] = (struct ring_buffer){
            .at = base + offset, .size = l->size, .id = (uint16_t)id, .ours = true};
    }
    rpr_cache_clean(base + l->desc, (size_t)RING_DESC_BYTES * l->num);
    rpr_cache_clean(base + l->avail, RING_AVAIL_BYTES(l->num) - 2);
    rpr_cache_clean(base + l->used,
                    RING_USED_BYTES(l->num) - 2); /* the device goes on from there */
}

/* A device goes on from the used index that it finds: some drivers fill it beforehand. */
static __attribute__((unused)) void device_start(struct ring *r)
{
    rpr_cache_invalidate(r->give, 4);
    r->given = r->published = ring_read16(r->give + 2);
    r->outstanding -= r->given;
    ring_first_descs(r);
}

#endif
