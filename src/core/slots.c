/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory for messages that are kept (RPR_LATER, parked by the hub). It grows only when something is
 * created, so that keeping a message never allocates. Slots are used last in, first out and a
 * slab's slots are touched one by one as they are needed: the memory in use is that of the busiest
 * moment, whatever was promised.
 */
#include "core/core.h"

#define SLAB_SLOTS 64u /* fewer are not worth an allocation */

struct slab {
    struct slab *next;
    size_t bytes;
    uint8_t *fresh; /* slots never used yet */
    uint32_t n_fresh;
};

static size_t slot_stride(const struct slot_pool *pool)
{
    return (sizeof(struct slot) + pool->slot_bytes + 15u) & ~(size_t)15u;
}

static int add_slab(struct rpr_node *node, uint32_t n)
{
    struct slot_pool *pool = &node->pool;
    size_t bytes = sizeof(struct slab) + 16u + n * slot_stride(pool);
    struct slab *slab = node_alloc(node, bytes);

    if (!slab)
        return -RPR_ENOMEM;
    slab->bytes = bytes;
    slab->fresh = (uint8_t *)(((uintptr_t)(slab + 1) + 15u) & ~(uintptr_t)15u);
    slab->n_fresh = n;
    slab->next = pool->slabs;
    pool->slabs = slab;
    pool->n_total += n;
    return 0;
}

int slots_init(struct rpr_node *node, uint32_t slot_bytes, uint32_t n_shared)
{
    node->pool.slot_bytes = slot_bytes;
    node->pool.n_shared = n_shared;
    node->pool.n_promised = n_shared;
    return add_slab(node, n_shared);
}

void slots_fini(struct rpr_node *node)
{
    while (node->pool.slabs) {
        struct slab *slab = node->pool.slabs;

        node->pool.slabs = slab->next;
        node_free(node, slab, slab->bytes);
    }
}

/* Makes sure that `n` more slots can be taken at any time. */
int slots_promise(struct rpr_node *node, uint32_t n)
{
    struct slot_pool *pool = &node->pool;
    uint32_t missing;

    if (n > UINT32_MAX / 2 - pool->n_promised)
        return -RPR_ENOMEM;
    if (pool->n_promised + n > pool->n_total) {
        missing = pool->n_promised + n - pool->n_total;
        if (add_slab(node, missing > SLAB_SLOTS ? missing : SLAB_SLOTS) &&
            (missing >= SLAB_SLOTS || add_slab(node, missing)))
            return -RPR_ENOMEM;
    }
    pool->n_promised += n;
    return 0;
}

/* The memory stays for the next one who asks. */
void slots_unpromise(struct rpr_node *node, uint32_t n)
{
    node->pool.n_promised -= n;
}

/* Only for those who were promised one, or took one off n_shared. */
struct slot *slots_take(struct rpr_node *node)
{
    struct slot_pool *pool = &node->pool;
    struct slot *slot = pool->free;
    struct slab *slab;

    if (slot) {
        pool->free = slot->next;
        return slot;
    }
    slab = pool->slabs;
    while (!slab->n_fresh)
        slab = slab->next;
    slot = (struct slot *)(void *)slab->fresh;
    slab->fresh += slot_stride(pool);
    slab->n_fresh--;
    return slot;
}

void slots_put(struct rpr_node *node, struct slot *slot)
{
    slot->next = node->pool.free;
    node->pool.free = slot;
}
