/* SPDX-License-Identifier: Apache-2.0 */
/* A port (RPR_PORT_HEADER) on which the test may do something at the next full barrier. */
#ifndef BARRIER_PORT_H
#define BARRIER_PORT_H

#include <stdatomic.h>

void full_barrier(void); /* the test's */

#define rpr_barrier_publish()           atomic_thread_fence(memory_order_release)
#define rpr_barrier_seen()              atomic_thread_fence(memory_order_acquire)
#define rpr_barrier_full()              full_barrier()
#define rpr_barrier_doorbell()          atomic_thread_fence(memory_order_release)
#define rpr_cache_clean(at, bytes)      ((void)(at), (void)(bytes))
#define rpr_cache_invalidate(at, bytes) ((void)(at), (void)(bytes))

#endif
