/* SPDX-License-Identifier: Apache-2.0 */
/* The memory of one session: a memfd that nobody can shrink, mapped. */
#ifndef POSIX_REGION_H
#define POSIX_REGION_H

#include <stddef.h>

/* New, zero, sealed against shrinking, growing and further seals, and mapped. Returns its
 * descriptor, to be passed on and closed, or a negative code. */
int region_make(size_t bytes, void **base);

/* Maps memory that somebody else passed, if it is sealed and has just that size: NULL, or what is
 * wrong with it. The descriptor stays the caller's. */
const char *region_take(int fd, size_t bytes, void **base);

void region_unmap(void *base, size_t bytes);

#endif
