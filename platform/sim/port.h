/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The port of the library in the simulator (RPR_PORT_HEADER): barriers as on this machine, where
 * everything runs on one thread, and cache operations that are heard of (sim/memory.h). Each place
 * that uses one is known by its function and can be left out.
 */
#ifndef SIM_PORT_H
#define SIM_PORT_H

#include <stdatomic.h>
#include <stddef.h>

enum sim_cache_op { SIM_CACHE_CLEAN, SIM_CACHE_INVALIDATE };

void sim_cache(enum sim_cache_op op, const char *function, unsigned line, const volatile void *at,
               size_t bytes);

#define rpr_cache_clean(at, bytes) sim_cache(SIM_CACHE_CLEAN, __func__, __LINE__, at, bytes)
#define rpr_cache_invalidate(at, bytes) \
    sim_cache(SIM_CACHE_INVALIDATE, __func__, __LINE__, at, bytes)

#define rpr_barrier_publish()  atomic_thread_fence(memory_order_release)
#define rpr_barrier_seen()     atomic_thread_fence(memory_order_acquire)
#define rpr_barrier_full()     atomic_thread_fence(memory_order_seq_cst)
#define rpr_barrier_doorbell() atomic_thread_fence(memory_order_release)

#endif
