/* SPDX-License-Identifier: Apache-2.0 */
/* struct rpr_platform: calloc, getrandom, pthread mutexes, stderr. */
#include "posix/platform.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

static void *take_memory(void *ctx, size_t bytes)
{
    (void)ctx;
    return calloc(1, bytes);
}

static void give_memory(void *ctx, void *memory, size_t bytes)
{
    (void)ctx;
    (void)bytes;
    free(memory);
}

/* The kernel's pool may not be ready at boot: then 0, as on a platform without random numbers. */
static uint32_t random_bits(void *ctx)
{
    uint32_t bits = 0;

    (void)ctx;
    if (getrandom(&bits, sizeof(bits), GRND_NONBLOCK) != (ssize_t)sizeof(bits))
        bits = 0;
    return bits;
}

static void log_line(void *ctx, enum rpr_log_level level, const char *text)
{
    struct posix_platform *posix = ctx;

    if (posix->log)
        posix->log(posix->log_ctx, level, text);
    else if (level <= RPR_LOG_WARNING)
        fprintf(stderr, "%s\n", text);
}

static void wake(void *ctx)
{
    struct posix_platform *posix = ctx;

    posix->wake(posix->wake_ctx);
}

static void *new_lock(void *ctx)
{
    pthread_mutex_t *mutex = malloc(sizeof(*mutex));

    (void)ctx;
    if (mutex && pthread_mutex_init(mutex, NULL) != 0) {
        free(mutex);
        mutex = NULL;
    }
    return mutex;
}

static void free_lock(void *ctx, void *lock)
{
    (void)ctx;
    pthread_mutex_destroy(lock);
    free(lock);
}

static void take_lock(void *lock)
{
    pthread_mutex_lock(lock);
}

static bool try_lock(void *lock)
{
    return pthread_mutex_trylock(lock) == 0;
}

static void give_lock(void *lock)
{
    pthread_mutex_unlock(lock);
}

static bool on_owner(void *ctx)
{
    const struct posix_platform *posix = ctx;

    return pthread_equal(pthread_self(), posix->owner) != 0;
}

void posix_platform_init(struct posix_platform *posix)
{
    posix->owner = pthread_self();
    posix->platform = (struct rpr_platform){
        .ctx = posix,
        .alloc = take_memory,
        .free = give_memory,
        .random = random_bits,
        .log = log_line,
        .wake = wake,
        .lock_new = new_lock,
        .lock_free = free_lock,
        .lock = take_lock,
        .trylock = try_lock,
        .unlock = give_lock,
        .on_owner = on_owner,
    };
}
