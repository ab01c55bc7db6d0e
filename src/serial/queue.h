/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The buffers of one direction: some are free, some are ready, in order, and the rest is in
 * somebody's hands. A buffer is a port header and what comes after it.
 *
 * Tx queues of links with locks: under the link's lock.
 */
#ifndef SERIAL_QUEUE_H
#define SERIAL_QUEUE_H

#include <rpr/frame.h>

#include "base/check.h"

struct rpr_endpoint;

#define QUEUE_NONE UINT32_MAX

struct queue {
    uint8_t *memory;
    struct rpr_endpoint **holder; /* who holds which received buffer */
    uint32_t *len;                /* of the message in a ready one */
    uint16_t *free;               /* the last returned on top */
    uint16_t *ready;              /* a ring */
    uint32_t n, stride, n_free;
    uint32_t first, n_ready; /* of the ring */
    uint32_t put, taken;     /* ever, for `dump` */
};

/* Memory that queue_init() needs. `n` buffers of `size` bytes behind the port header. */
static inline uint32_t queue_stride(uint32_t size)
{
    return (RPR_FRAME_HEADER_BYTES + size + 7u) & ~7u;
}

static inline size_t queue_bytes(uint32_t n, uint32_t size)
{
    size_t arrays = n * (sizeof(struct rpr_endpoint *) + sizeof(uint32_t) + 2 * sizeof(uint16_t));

    return arrays + (size_t)n * queue_stride(size);
}

/* `memory` is aligned for pointers and zeroed; returns what is behind it, aligned alike. */
static inline uint8_t *queue_init(struct queue *q, uint8_t *memory, uint32_t n, uint32_t size)
{
    q->n = n;
    q->stride = queue_stride(size);
    q->memory = memory; /* first: a multiple of 8 bytes */
    q->holder = (struct rpr_endpoint **)(void *)(memory + (size_t)n * q->stride);
    q->len = (uint32_t *)(void *)(q->holder + n);
    q->free = (uint16_t *)(void *)(q->len + n);
    q->ready = q->free + n;
    q->n_free = q->first = q->n_ready = q->put = q->taken = 0;
    for (uint32_t id = n; id-- > 0;)
        q->free[q->n_free++] = (uint16_t)id;
    return memory + queue_bytes(n, size);
}

static inline uint8_t *queue_at(const struct queue *q, uint32_t id)
{
    return q->memory + (size_t)id * q->stride;
}

static inline uint32_t queue_get(struct queue *q)
{
    return q->n_free ? q->free[--q->n_free] : QUEUE_NONE;
}

static inline void queue_put(struct queue *q, uint32_t id)
{
    RPR_ASSERT(q->n_free < q->n);
    q->free[q->n_free++] = (uint16_t)id;
}

static inline void queue_push(struct queue *q, uint32_t id, uint32_t len)
{
    uint32_t at = q->first + q->n_ready++;

    RPR_ASSERT(q->n_ready <= q->n);
    q->len[id] = len;
    q->ready[at < q->n ? at : at - q->n] = (uint16_t)id;
    q->put++;
}

/* There is one ready. */
static inline uint32_t queue_first(const struct queue *q)
{
    return q->ready[q->first];
}

static inline uint32_t queue_pop(struct queue *q)
{
    uint32_t id = queue_first(q);

    q->first = q->first + 1 < q->n ? q->first + 1 : 0;
    q->n_ready--;
    q->taken++;
    return id;
}

/* For `dump`: free or ready? */
static inline bool queue_has(const struct queue *q, uint32_t id)
{
    for (uint32_t i = 0; i < q->n_free; i++)
        if (q->free[i] == id)
            return true;
    for (uint32_t i = 0; i < q->n_ready; i++)
        if (q->ready[(q->first + i) % q->n] == id)
            return true;
    return false;
}

#endif
