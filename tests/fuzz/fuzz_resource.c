/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes for a resource table: whatever is taken for one says nothing that is not in the memory,
 * and rings are where they were said to be, or nowhere.
 */
#include "fuzz.h"

#include "vring/chart.h"

#define MAX_BYTES 8192u

static void check_config(const struct resource_config *c)
{
    MUST(memchr(c->host, 0, sizeof c->host) && memchr(c->remote, 0, sizeof c->remote));
    MUST((c->revision == RESOURCE_REVISION_NONE) == (!c->host[0] && !c->remote[0]));
}

static void check_vdev(const struct resource_vdev *v, size_t size)
{
    MUST(v->at + RESOURCE_VDEV_BYTES + 2 * RESOURCE_VRING_BYTES <= size);
    for (unsigned i = 0; i < 2; i++) {
        const struct resource_vring *r = &v->vring[i];

        MUST(r->num >= 2 && r->num <= 32768 && !(r->num & (r->num - 1)));
        MUST(r->align >= 4 && r->align <= 65536 && !(r->align & (r->align - 1)));
    }
    check_config(&v->config);
}

static void check_ring(const struct rpr_vring_ring *r, uint64_t bytes)
{
    MUST(r->desc % 4 == 0 && r->desc + 16 * (uint64_t)r->num <= bytes);
    MUST(r->avail >= r->desc + 16 * r->num && r->avail + 4 + 2 * (uint64_t)r->num <= bytes);
    MUST(r->used >= r->avail + 4 + 2 * r->num && r->used + 4 + 8 * (uint64_t)r->num <= bytes);
}

static void check_places(const struct resource_table *t, const uint8_t *bytes, uint64_t size)
{
    struct rpr_vring_layout layout = {.ring = {{.size = 512}, {.size = 2048}}};

    if (!chart_place(&layout, t, 24, size))
        for (unsigned i = 0; i < 2; i++) {
            const struct rpr_vring_ring *r = &layout.ring[i];

            check_ring(r, size);
            MUST(r->stride >= r->size && r->buffers + (uint64_t)r->num * r->stride <= size);
        }
    if (!chart_find(&layout, &t->vdev, size)) {
        for (unsigned i = 0; i < 2; i++)
            check_ring(&layout.ring[i], size);
        if (size <= MAX_BYTES) {
            (void)chart_first_buffer(&layout, bytes);
            (void)chart_prefilled(&layout, bytes);
        }
    }
    if (!chart_row(&layout, &t->vdev, 224, size))
        MUST(layout.ring[1].buffers + (uint64_t)layout.ring[1].num * layout.ring[1].stride <= size);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct resource_table table;
    uint8_t *exact;

    if (size > MAX_BYTES)
        return 0;
    exact = malloc(size + !size);
    memcpy(exact, data, size);
    if (!resource_table_parse(&table, exact, size)) {
        check_vdev(&table.vdev, size);
        MUST(table.end <= size);
        check_places(&table, exact, size);
        check_places(&table, exact, 1 << 20);
        check_places(&table, exact, 1 << 30);
    }
    for (uint32_t at = 0; at <= 64; at += 4)
        if (!resource_vdev_parse(&table.vdev, exact, size, at))
            check_vdev(&table.vdev, size);
    free(exact);
    return 0;
}
