/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the library needs from the machine it runs on.
 *
 * Compile time: four named barriers and two cache operations, below. A port overrides them by
 * compiling the library with -DRPR_PORT_HEADER='"my_port.h"', which must define all six.
 * Run time: struct rpr_platform, given to rpr_node_open().
 */
#ifndef RPR_PLATFORM_H
#define RPR_PLATFORM_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef RPR_PORT_HEADER
#include RPR_PORT_HEADER
#else
/* ThreadSanitizer does not see fences: it is told of the order that these two make. */
#if defined(__SANITIZE_THREAD__)
void __tsan_acquire(void *addr);
void __tsan_release(void *addr);
extern char rpr_barrier_word; /* of all rings together */
#define RPR_TSAN(what) __tsan_##what(&rpr_barrier_word)
#else
#define RPR_TSAN(what) ((void)0)
#endif

/* Between the last write of a message or ring entry and the write of the index that publishes it.
 * Pairs with rpr_barrier_seen() of the peer. */
static inline void rpr_barrier_publish(void)
{
    RPR_TSAN(release);
    atomic_thread_fence(memory_order_release);
}

/* Between reading an index and reading what it covers. Pairs with rpr_barrier_publish(). */
static inline void rpr_barrier_seen(void)
{
    atomic_thread_fence(memory_order_acquire);
    RPR_TSAN(acquire);
}

/* Between publishing an index and reading the peer's "do not ring" flag, and between clearing our
 * own flag and looking at the ring once more. The two uses pair with each other: without either
 * a wake-up is lost. */
static inline void rpr_barrier_full(void)
{
    atomic_thread_fence(memory_order_seq_cst);
}

/* Between publishing an index in memory and writing a device's doorbell register. */
static inline void rpr_barrier_doorbell(void)
{
    atomic_thread_fence(memory_order_release);
}

/* Make our writes to [addr, addr + bytes) visible to a peer that does not see our cache. */
static inline void rpr_cache_clean(const volatile void *addr, size_t bytes)
{
    (void)addr;
    (void)bytes;
}

/* Drop our cached copy of [addr, addr + bytes) before reading what the peer wrote there. */
static inline void rpr_cache_invalidate(const volatile void *addr, size_t bytes)
{
    (void)addr;
    (void)bytes;
}
#endif

enum rpr_log_level { RPR_LOG_ERROR, RPR_LOG_WARNING, RPR_LOG_INFO, RPR_LOG_DEBUG };

/* All functions but `wake` are called on the owner, unless stated. The struct must live as long as
 * the node. */
struct rpr_platform {
    void *ctx; /* first argument of every function */

    /* Zeroed memory for any type, or NULL: the caller of the API gets -RPR_ENOMEM. Used when
     * something is created (node, link, device, endpoint, route), never per message. */
    void *(*alloc)(void *ctx, size_t bytes);
    void (*free)(void *ctx, void *memory, size_t bytes);

    /* 32 random bits, to start address generations with. NULL: they start at 0, and a restarted
     * node may answer to addresses of its former life for a moment. */
    uint32_t (*random)(void *ctx);

    /* One line without newline. NULL: silent. */
    void (*log)(void *ctx, enum rpr_log_level level, const char *text);

    /* Ends the owner's sleep, or prevents its next one. Any thread, any interrupt; must not wait.
     * NULL only where nothing but the owner ever calls the library. */
    void (*wake)(void *ctx);

    /* Locks for links and commands used by several threads; all NULL on a platform with one thread
     * (links then have to be opened single-threaded). `trylock` true: taken. */
    void *(*lock_new)(void *ctx);
    void (*lock_free)(void *ctx, void *lock);
    void (*lock)(void *lock);
    bool (*trylock)(void *lock);
    void (*unlock)(void *lock);

    /* Is the caller the owner's thread? Any thread. NULL where there is only one. */
    bool (*on_owner)(void *ctx);
};

#endif
