/* SPDX-License-Identifier: Apache-2.0 */
/* The smallest node as the driver: it makes the rings. */
#include "mini/mini.h"

static const char *look(const struct ring *r, struct ring_buffer **buffer, uint32_t *size)
{
    return ring_look(r, true, r->taken, buffer, size);
}

static void put(struct ring *r, const struct ring_buffer *b)
{
    ring_put(r, true, b);
}

/* Before its first entry in the used ring the device has, so to speak, returned all tx buffers: they
 * are written there, and read before the device can write over them. */
static void fill(struct ring *tx, uint8_t *used)
{
    tx->taken -= tx->mask + 1;
    for (uint32_t id = 0; id <= tx->mask; id++) {
        tx->buffers[id].ours = false;
        put_le32(used + 4 + 8 * id, id);
        put_le32(used + 8 + 8 * id, tx->buffers[id].size);
    }
}

static void start(struct rpr_mini *m, const struct rpr_vring_session *s)
{
    uint8_t *base = s->base;

    ring_init(&m->tx, s, true, RING_TO_DEVICE, &m->region);
    ring_init(&m->rx, s, true, RING_TO_DRIVER, &m->region);
    driver_start(&m->tx, s, RING_TO_DEVICE);
    driver_start(&m->rx, s, RING_TO_DRIVER);
    fill(&m->tx, base + s->layout.ring[RING_TO_DEVICE].used);
    for (uint32_t id = 0; id <= m->rx.mask; id++) {
        m->rx.buffers[id].ours = false;
        put(&m->rx, &m->rx.buffers[id]);
    }
}

static const struct mini_role driver = {look, put, start};

int rpr_mini_open_driver(struct rpr_mini **node, struct rpr_mini_memory *memory, size_t bytes,
                         const struct rpr_mini_config *config)
{
    const struct rpr_vring_ring *rings = config->session.layout.ring;

    if (config->session.role != RPR_VRING_DRIVER || !rings[0].stride || !rings[1].stride)
        return -RPR_EINVAL;
    return mini_open(node, memory, bytes, config, &driver);
}
