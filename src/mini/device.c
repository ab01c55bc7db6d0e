/* SPDX-License-Identifier: Apache-2.0 */
/* The smallest node as the device. */
#include "mini/mini.h"

static const char *look(const struct ring *r, struct ring_buffer **buffer, uint32_t *size)
{
    return ring_look(r, false, r->taken, buffer, size);
}

static void put(struct ring *r, const struct ring_buffer *b)
{
    ring_put(r, false, b);
}

static void start(struct rpr_mini *m, const struct rpr_vring_session *s)
{
    ring_init(&m->tx, s, false, RING_TO_DRIVER, &m->region);
    ring_init(&m->rx, s, false, RING_TO_DEVICE, &m->region);
    device_start(&m->tx);
    device_start(&m->rx);
}

static const struct mini_role device = {look, put, start};

int rpr_mini_open_device(struct rpr_mini **node, struct rpr_mini_memory *memory, size_t bytes,
                         const struct rpr_mini_config *config)
{
    if (config->session.role != RPR_VRING_DEVICE)
        return -RPR_EINVAL;
    return mini_open(node, memory, bytes, config, &device);
}
