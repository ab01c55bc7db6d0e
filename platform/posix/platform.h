/* SPDX-License-Identifier: Apache-2.0 */
/* What the library needs (rpr/platform.h), on Linux with pthreads. */
#ifndef POSIX_PLATFORM_H
#define POSIX_PLATFORM_H

#include <pthread.h>

#include <rpr/platform.h>

/* Embedded by who owns a node; `wake` is its own. */
struct posix_platform {
    struct rpr_platform platform;
    pthread_t owner;
    void (*wake)(void *ctx); /* any thread, any signal handler */
    void (*log)(void *ctx, enum rpr_log_level level, const char *text);
    void *wake_ctx, *log_ctx;
};

/* Fills in `platform`; the calling thread becomes the owner. `log` NULL: warnings and errors go to
 * stderr. */
void posix_platform_init(struct posix_platform *posix);

#endif
