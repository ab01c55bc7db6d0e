/* SPDX-License-Identifier: Apache-2.0 */
#include "baremetal/pool.h"

#include "base/bytes.h"
#include "base/check.h"

void baremetal_pools_init(struct baremetal_pools *pools)
{
    for (unsigned i = 0; i < pools->n; i++) {
        struct baremetal_pool *p = &pools->pool[i];

        RPR_ASSERT(p->bytes % BAREMETAL_ALIGN == 0 && (!i || p[-1].bytes < p->bytes));
        p->free = NULL;
        p->n_fresh = p->n;
        p->n_used = p->n_peak = p->n_refused = 0;
    }
}

static void *take_block(struct baremetal_pool *p)
{
    struct baremetal_block *block = p->free;

    if (block)
        p->free = block->next;
    else if (p->n_fresh)
        block = (void *)(p->memory + p->bytes * (p->n - p->n_fresh--));
    else
        return NULL;
    if (++p->n_used > p->n_peak)
        p->n_peak = p->n_used;
    return block;
}

void *baremetal_pools_take(struct baremetal_pools *pools, size_t bytes)
{
    struct baremetal_pool *fits = NULL;

    for (unsigned i = 0; i < pools->n; i++) {
        struct baremetal_pool *p = &pools->pool[i];
        void *block;

        if (p->bytes < bytes)
            continue;
        if (!fits)
            fits = p;
        block = take_block(p);
        if (block)
            return memset(block, 0, bytes);
    }
    if (fits)
        fits->n_refused++;
    else if (pools->n)
        pools->pool[pools->n - 1].n_refused++;
    return NULL;
}

static struct baremetal_pool *pool_of(const struct baremetal_pools *pools, const void *memory)
{
    uintptr_t at = (uintptr_t)memory;

    for (unsigned i = 0; i < pools->n; i++) {
        struct baremetal_pool *p = &pools->pool[i];
        uintptr_t start = (uintptr_t)p->memory;

        if (at >= start && at - start < BAREMETAL_POOL_BYTES(p->bytes, p->n))
            return p;
    }
    return NULL;
}

void baremetal_pools_give(struct baremetal_pools *pools, void *memory)
{
    struct baremetal_pool *p = memory ? pool_of(pools, memory) : NULL;
    struct baremetal_block *block = memory;

    RPR_ASSERT(p || !memory);
    if (!p)
        return;
    block->next = p->free;
    p->free = block;
    p->n_used--;
}
