/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory without a heap: pools of blocks of one size each, sized when the firmware is built.
 *
 * A request is served from the pool with the smallest blocks that hold it; when that is empty, from
 * the next larger one that has a block. When there is none, the request is refused and counted in the
 * pool that it belongs to: what then happens is the library's answer to -RPR_ENOMEM (docs/PORTING.md).
 * Nothing is searched, split or joined, so nothing fragments, and each request takes about as long.
 */
#ifndef BAREMETAL_POOL_H
#define BAREMETAL_POOL_H

#include <stddef.h>
#include <stdint.h>

#define BAREMETAL_ALIGN 16u /* of each block: any type of C */

struct baremetal_block {
    struct baremetal_block *next;
};

struct baremetal_pool {
    size_t bytes;    /* of a block, a multiple of BAREMETAL_ALIGN */
    uint32_t n;      /* blocks */
    uint8_t *memory; /* BAREMETAL_POOL_BYTES(bytes, n), aligned to BAREMETAL_ALIGN */

    /* Private from here; may be read. */
    struct baremetal_block *free; /* came back */
    uint32_t n_fresh;             /* never used yet: the last ones of `memory` */
    uint32_t n_used, n_peak;      /* now, and at most so far */
    uint32_t n_refused;           /* requests of its size that no pool could serve */
};

#define BAREMETAL_POOL_BYTES(bytes, n) ((size_t)(bytes) * (n))

/* The pools of a firmware, smallest blocks first. */
struct baremetal_pools {
    struct baremetal_pool *pool;
    unsigned n;
};

/* All blocks are free. */
void baremetal_pools_init(struct baremetal_pools *pools);

/* Zeroed, or NULL. */
void *baremetal_pools_take(struct baremetal_pools *pools, size_t bytes);

/* What baremetal_pools_take() returned, or NULL. */
void baremetal_pools_give(struct baremetal_pools *pools, void *memory);

#endif
