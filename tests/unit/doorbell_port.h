/* SPDX-License-Identifier: Apache-2.0 */
/* A port (RPR_PORT_HEADER) that tells the test of the barrier before a doorbell register. */
#ifndef DOORBELL_PORT_H
#define DOORBELL_PORT_H

#include <stdatomic.h>

void doorbell_barrier(void); /* the test's */

#define rpr_barrier_publish()           atomic_thread_fence(memory_order_release)
#define rpr_barrier_seen()              atomic_thread_fence(memory_order_acquire)
#define rpr_barrier_full()              atomic_thread_fence(memory_order_seq_cst)
#define rpr_barrier_doorbell()          doorbell_barrier()
#define rpr_cache_clean(at, bytes)      ((void)(at), (void)(bytes))
#define rpr_cache_invalidate(at, bytes) ((void)(at), (void)(bytes))

#endif
