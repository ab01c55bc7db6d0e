/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where the parts of a shared region are: our own local layout, and the check of any layout that
 * comes from elsewhere.
 */
#include <rpr/vring.h>

#include "vring/ring.h"

/* Two lines: adjacent-line prefetch pulls pairs of them between cores. */
#define LINE        128u
#define BUFFER_LINE 64u

#define MAX_PAYLOAD 65519u /* the header's length field, and 16 of buffer on top */

static uint64_t round_up(uint64_t n, uint64_t to)
{
    return (n + to - 1) / to * to;
}

/* An odd number of cache lines: buffers used in turn do not all fall into the same cache sets. */
static uint32_t stride_of(uint32_t size)
{
    uint32_t lines = (size + BUFFER_LINE - 1) / BUFFER_LINE;

    return (lines | 1u) * BUFFER_LINE;
}

int rpr_vring_layout_local(struct rpr_vring_layout *layout, uint32_t num, uint32_t payload)
{
    uint64_t at = 2 * LINE; /* one line for what each side says about itself */

    if (num < 2 || num > RING_NUM_MAX || (num & (num - 1)) || !payload || payload > MAX_PAYLOAD)
        return -RPR_EINVAL;
    *layout = (struct rpr_vring_layout){
        .driver_cpu = 4, .driver_power = 8, .device_cpu = LINE + 4, .device_power = LINE + 8};
    for (unsigned i = 0; i < 2; i++) {
        struct rpr_vring_ring *r = &layout->ring[i];

        r->num = num;
        r->size = payload + RPR_HEADER_BYTES;
        r->stride = stride_of(r->size);
        /* the ring on which a side receives has its flag first, the one it sends on second */
        r->driver_flag = i == RING_TO_DRIVER ? 0 : 2;
        r->device_flag = LINE + (i == RING_TO_DRIVER ? 2u : 0u);
        r->desc = (uint32_t)at;
        at = round_up(at + (uint64_t)RING_DESC_BYTES * num, LINE);
        r->avail = (uint32_t)at;
        at = round_up(at + RING_AVAIL_BYTES(num), LINE);
        r->used = (uint32_t)at;
        at = round_up(at + RING_USED_BYTES(num), LINE);
    }
    for (unsigned i = 0; i < 2; i++) {
        layout->ring[i].buffers = (uint32_t)at;
        at = round_up(at + (uint64_t)num * layout->ring[i].stride, LINE);
        if (at > UINT32_MAX)
            return -RPR_EINVAL;
    }
    layout->bytes = (uint32_t)at;
    return 0;
}

static bool inside(uint64_t at, uint64_t length, uint64_t bytes, uint32_t align)
{
    return at % align == 0 && at + length <= bytes;
}

static bool apart(uint64_t a, uint64_t a_bytes, uint64_t b, uint64_t b_bytes)
{
    return a + a_bytes <= b || b + b_bytes <= a;
}

static bool ring_is_sound(const struct rpr_vring_ring *r, uint64_t bytes)
{
    uint64_t desc = (uint64_t)RING_DESC_BYTES * r->num;
    /* avail_event is left out: it is never touched, and real layouts let it overlap (H-10) */
    uint64_t avail = RING_AVAIL_BYTES(r->num) - 2;
    uint64_t used = RING_USED_BYTES(r->num) - 2;

    return r->num >= 2 && r->num <= RING_NUM_MAX && !(r->num & (r->num - 1)) &&
           inside(r->desc, desc, bytes, 4) && inside(r->avail, avail, bytes, 2) &&
           inside(r->used, used, bytes, 4) && apart(r->desc, desc, r->avail, avail) &&
           apart(r->desc, desc, r->used, used) && apart(r->avail, avail, r->used, used) &&
           inside(r->driver_flag, 2, bytes, 2) && inside(r->device_flag, 2, bytes, 2);
}

static bool buffers_are_sound(const struct rpr_vring_ring *r, uint64_t bytes)
{
    return r->size > RPR_HEADER_BYTES && r->size <= r->stride && r->stride % 4 == 0 &&
           inside(r->buffers, (uint64_t)r->num * r->stride, bytes, 4);
}

int rpr_vring_layout_check(const struct rpr_vring_layout *l, uint64_t bytes)
{
    const uint32_t words[] = {l->driver_power, l->device_power, l->driver_cpu, l->device_cpu};

    for (unsigned i = 0; i < 2; i++) {
        if (!ring_is_sound(&l->ring[i], bytes))
            return -RPR_EINVAL;
        if (l->ring[i].stride && !buffers_are_sound(&l->ring[i], bytes))
            return -RPR_EINVAL;
    }
    for (unsigned i = 0; i < 4; i++)
        if (!inside(words[i], 4, bytes, 4))
            return -RPR_EINVAL;
    return l->bytes <= bytes ? 0 : -RPR_EINVAL;
}
