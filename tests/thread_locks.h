/* SPDX-License-Identifier: Apache-2.0 */
/* The locks of struct rpr_platform for tests with threads. */
#ifndef THREAD_LOCKS_H
#define THREAD_LOCKS_H

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>

static inline void *new_lock(void *ctx)
{
    pthread_mutex_t *mutex = malloc(sizeof *mutex);

    (void)ctx;
    pthread_mutex_init(mutex, NULL);
    return mutex;
}

static inline void free_lock(void *ctx, void *lock)
{
    (void)ctx;
    pthread_mutex_destroy(lock);
    free(lock);
}

static inline void take_lock(void *lock)
{
    pthread_mutex_lock(lock);
}

static inline bool try_lock(void *lock)
{
    return pthread_mutex_trylock(lock) == 0;
}

static inline void give_lock(void *lock)
{
    pthread_mutex_unlock(lock);
}

#endif
