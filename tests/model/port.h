/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A port (RPR_PORT_HEADER) on which nothing is what it seems: barriers, cache operations and all
 * accesses to shared memory go to a model of a machine that reorders whatever it may (memory.h). The
 * ring code is compiled as it is shipped; only the names of what it stands on mean something else.
 */
#ifndef MODEL_PORT_H
#define MODEL_PORT_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/bytes.h" /* as it is, before its names are taken over */

/* What keeps an order. Each place that uses one can be taken out: it is known by its function. */
enum model_order { MODEL_PUBLISH, MODEL_SEEN, MODEL_FULL, MODEL_CLEAN, MODEL_INVALIDATE };

void model_keep_order(enum model_order order, const char *function, const volatile void *at,
                      size_t bytes);
uint64_t model_load(const void *at, size_t bytes);
void model_store(void *at, size_t bytes, uint64_t value);
void model_copy(void *to, const void *from, size_t bytes);

#define rpr_barrier_publish()           model_keep_order(MODEL_PUBLISH, __func__, NULL, 0)
#define rpr_barrier_seen()              model_keep_order(MODEL_SEEN, __func__, NULL, 0)
#define rpr_barrier_full()              model_keep_order(MODEL_FULL, __func__, NULL, 0)
#define rpr_barrier_doorbell()          ((void)0) /* no registers here */
#define rpr_cache_clean(at, bytes)      model_keep_order(MODEL_CLEAN, __func__, at, bytes)
#define rpr_cache_invalidate(at, bytes) model_keep_order(MODEL_INVALIDATE, __func__, at, bytes)

#define __atomic_load_n(at, order)         ((__typeof__(*(at)))model_load(at, sizeof(*(at))))
#define __atomic_store_n(at, value, order) model_store(at, sizeof(*(at)), value)

#define get_once_le16(at)                 ((uint32_t)model_load(at, 2))
#define get_once_le32(at)                 ((uint32_t)model_load(at, 4))
#define get_once_le64(at)                 model_load(at, 8)
#define put_le16(at, value)               model_store(at, 2, value)
#define put_le32(at, value)               model_store(at, 4, value)
#define put_le64(at, value)               model_store(at, 8, value)
#define memcpy(to, from, bytes)           model_copy(to, from, bytes)
#define bytes_copy_short(to, from, bytes) model_copy(to, from, bytes)

#endif
