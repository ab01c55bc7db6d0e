/* SPDX-License-Identifier: Apache-2.0 */
#include "vring/chart.h"

#include "vring/ring.h"

#define BUFFER_ALIGN 8u

static uint64_t round_up(uint64_t n, uint32_t to)
{
    return (n + to - 1) / to * to;
}

uint32_t chart_ring_bytes(uint32_t num, uint32_t align)
{
    uint64_t used = round_up(RING_DESC_BYTES * (uint64_t)num + RING_AVAIL_BYTES(num), align);

    return (uint32_t)round_up(used + RING_USED_BYTES(num), align);
}

/* `used` is aligned as an address: the region lies at a multiple of a page on both sides (H-10). */
static void put_ring(struct rpr_vring_ring *r, const struct resource_vring *v, uint64_t da)
{
    r->num = v->num;
    r->desc = (uint32_t)da;
    r->avail = (uint32_t)(da + (uint64_t)RING_DESC_BYTES * v->num);
    r->used = (uint32_t)round_up(r->avail + (uint64_t)RING_AVAIL_BYTES(v->num), v->align);
    r->driver_flag = r->avail;
    r->device_flag = r->used;
}

static bool chosen(const struct resource_vring *v)
{
    return v->da != 0 && v->da != RESOURCE_ANY;
}

static bool fits(const struct resource_vring *v, uint64_t da, uint64_t bytes)
{
    /* What is behind the last entry of `used` is never touched. */
    return da % 4 == 0 && da + chart_ring_bytes(v->num, v->align) <= bytes + v->align;
}

/* ---- driver ----------------------------------------------------------------------------------------- */

static uint64_t most(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

/* The end of the pool from which rings and buffers are taken; `*at` is its start. */
static uint64_t find_pool(const struct resource_table *t, uint32_t table_at, uint64_t bytes,
                          uint64_t *at)
{
    const struct resource_vring *v = t->vdev.vring;
    unsigned i;

    if (t->pool_len && t->pool_da != RESOURCE_ANY) {
        *at = t->pool_da;
        return (uint64_t)t->pool_da + t->pool_len;
    }
    *at = (uint64_t)table_at + t->end;
    for (i = 0; i < 2; i++)
        if (chosen(&v[i]))
            *at = most(*at, v[i].da + (uint64_t)chart_ring_bytes(v[i].num, v[i].align));
    return bytes;
}

static void place_buffers(struct rpr_vring_ring *r, uint64_t *at)
{
    *at = round_up(*at, BUFFER_ALIGN);
    r->buffers = (uint32_t)*at;
    r->stride = (uint32_t)round_up(r->size, BUFFER_ALIGN);
    *at += (uint64_t)r->num * r->stride;
}

const char *chart_place(struct rpr_vring_layout *layout, const struct resource_table *t,
                        uint32_t table_at, uint64_t bytes)
{
    const struct resource_vring *v = t->vdev.vring;
    uint64_t at, end = find_pool(t, table_at, bytes, &at);
    unsigned i;

    if (end > bytes)
        return "the table's carveout is outside of the memory";
    for (i = 0; i < 2; i++) {
        uint32_t ring_bytes = chart_ring_bytes(v[i].num, v[i].align);
        uint64_t da = chosen(&v[i]) ? v[i].da : round_up(at, v[i].align);

        if (!fits(&v[i], da, bytes))
            return "the table has a ring outside of the memory";
        put_ring(&layout->ring[i], &v[i], da);
        if (da + ring_bytes > at && da < end)
            at = da + ring_bytes;
    }
    for (i = 0; i < 2; i++)
        place_buffers(&layout->ring[i], &at);
    if (at > end)
        return "the table's carveout is too small for the buffers";
    layout->bytes = (uint32_t)bytes;
    return rpr_vring_layout_check(layout, bytes) ? "the table has rings that cannot be" : NULL;
}

/* ---- device ----------------------------------------------------------------------------------------- */

const char *chart_find(struct rpr_vring_layout *layout, const struct resource_vdev *vdev,
                       uint64_t bytes)
{
    for (unsigned i = 0; i < 2; i++) {
        const struct resource_vring *v = &vdev->vring[i];

        if (!chosen(v))
            return "the driver has not said where its rings are";
        if (!fits(v, v->da, bytes))
            return "the driver's rings are outside of the memory";
        put_ring(&layout->ring[i], v, v->da);
    }
    layout->bytes = (uint32_t)bytes;
    return rpr_vring_layout_check(layout, bytes) ? "the driver's rings are outside of the memory"
                                                 : NULL;
}

/* Of an available or used ring. */
static uint16_t index_of(const uint8_t *half)
{
    rpr_cache_invalidate(half, 4);
    return ring_read16(half + 2);
}

uint32_t chart_first_buffer(const struct rpr_vring_layout *layout, const uint8_t *region)
{
    const struct rpr_vring_ring *r = &layout->ring[RING_TO_DRIVER];
    uint16_t used = index_of(region + r->used);
    const uint8_t *at = region + r->avail + 4 + 2 * (size_t)(used & (r->num - 1));
    uint32_t id;

    if (index_of(region + r->avail) == used)
        return 0;
    rpr_barrier_seen();
    rpr_cache_invalidate(at, 2);
    id = get_once_le16(at);
    if (id >= r->num)
        return 0;
    at = region + r->desc + RING_DESC_BYTES * (size_t)id + 8;
    rpr_cache_invalidate(at, 4);
    return get_once_le32(at);
}

bool chart_prefilled(const struct rpr_vring_layout *layout, const uint8_t *region)
{
    const struct rpr_vring_ring *r = &layout->ring[RING_TO_DEVICE];

    return (int16_t)(index_of(region + r->used) - index_of(region + r->avail)) > 0;
}

/* ---- lite ------------------------------------------------------------------------------------------- */

const char *chart_row(struct rpr_vring_layout *layout, const struct resource_vdev *vdev,
                      uint32_t at, uint64_t bytes)
{
    const struct resource_vring *v = vdev->vring;
    uint64_t next = round_up(at, v[0].align > v[1].align ? v[0].align : v[1].align);
    unsigned i;

    for (i = 0; i < 2; i++) {
        put_ring(&layout->ring[i], &v[i], next);
        next += chart_ring_bytes(v[i].num, v[i].align);
    }
    for (i = 0; i < 2; i++)
        place_buffers(&layout->ring[i], &next);
    if (next > bytes)
        return "the memory is too small for the buffers that the table says";
    layout->bytes = (uint32_t)bytes;
    return NULL;
}
