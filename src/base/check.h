/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Assertions for our own invariants, never for anything that a peer, a user or the allocator
 * decides. They are part of debug builds (RPR_DEBUG); a port may say what a failure does.
 */
#ifndef BASE_CHECK_H
#define BASE_CHECK_H

#include "base/mutant.h"

#ifdef RPR_DEBUG
#ifndef RPR_ASSERT_FAILED
#define RPR_ASSERT_FAILED() __builtin_trap()
#endif
#define RPR_ASSERT(condition) ((condition) ? (void)0 : RPR_ASSERT_FAILED())
#else
#define RPR_ASSERT(condition) ((void)0)
#endif

/* For the few functions whose constant arguments make the code that is wanted. (Where coverage is
 * measured, a branch is one, and not one for each place where it is inlined.) */
#ifdef RPR_COVERAGE
#define RPR_INLINE static inline
#else
#define RPR_INLINE static inline __attribute__((always_inline))
#endif

/* For what the usual way does not need: it would cost saved registers there. */
#define RPR_COLD __attribute__((noinline, cold))

#define RPR_LIKELY(condition)   __builtin_expect(!!(condition), 1)
#define RPR_UNLIKELY(condition) __builtin_expect(!!(condition), 0)

/* The local `object`, copied from peer memory, is read from its own memory from here on: the
 * compiler may not go back to where it came from. */
#define RPR_PRIVATE(object) __asm__ volatile("" : "+m"(object))

/* The object of `type` whose `member` is at `pointer`. */
#define RPR_CONTAINER(pointer, type, member) ((type *)((char *)(pointer)-offsetof(type, member)))

#endif
