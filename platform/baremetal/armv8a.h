/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Port of the library to 64-bit Arm: the six operations of <rpr/platform.h>, for a build with
 * -DRPR_PORT_HEADER='"baremetal/armv8a.h"'.
 *
 * What cores share is mapped normal, write-back, inner shareable, so the cores' caches are coherent
 * and there is nothing to clean or to invalidate. Barriers are inner shareable (Arm ARM DDI 0487,
 * B2.3.7): that is the domain of all cores under one operating system or hypervisor.
 */
#ifndef BAREMETAL_ARMV8A_H
#define BAREMETAL_ARMV8A_H

#include <stddef.h>

/* Earlier loads and stores before later stores: there is no DMB for exactly that, and one for stores
 * only would let a read of a buffer be late, and see what the peer writes into it next. */
static inline void rpr_barrier_publish(void)
{
    __asm__ volatile("dmb ish" ::: "memory");
}

/* Earlier loads before later loads and stores. */
static inline void rpr_barrier_seen(void)
{
    __asm__ volatile("dmb ishld" ::: "memory");
}

/* A store before a later load, too. Store-release and load-acquire do not do that where one CPU is
 * emulated by another kind (QEMU: thousands of failures per million). */
static inline void rpr_barrier_full(void)
{
    __asm__ volatile("dmb ish" ::: "memory");
}

/* Normal memory before a device's register: the observer is outside of the cores' domain. */
static inline void rpr_barrier_doorbell(void)
{
    __asm__ volatile("dmb oshst" ::: "memory");
}

static inline void rpr_cache_clean(const volatile void *addr, size_t bytes)
{
    (void)addr;
    (void)bytes;
}

static inline void rpr_cache_invalidate(const volatile void *addr, size_t bytes)
{
    (void)addr;
    (void)bytes;
}

#endif
