/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The memory of one session, mapped: a memfd that nobody can shrink, made here or passed by the
 * peer, or a file at a path, which anybody can.
 */
#ifndef POSIX_REGION_H
#define POSIX_REGION_H

#include <stdbool.h>
#include <stddef.h>

struct guard;

/* New, zero, sealed against shrinking, growing and further seals, and mapped. Returns its
 * descriptor, to be passed on and closed, or a negative code. */
int region_make(size_t bytes, void **base);

/* Maps memory that somebody else passed, if it is sealed and has just that size: NULL, or what is
 * wrong with it. The descriptor stays the caller's. */
const char *region_take(int fd, size_t bytes, void **base);

void region_unmap(void *base, size_t bytes);

/* ---- a file ----------------------------------------------------------------------------------------- */

struct region_file {
    void *base;
    size_t bytes;
    size_t most; /* that are mapped of a larger one */
    int fd;
    struct guard *guard;
};

/* Maps the file at `path`, at most `most` bytes of it. It must have `least`; where there is none, or
 * an empty one, and `make` is not 0, it gets that many. NULL, or one line that says why not, in
 * `text` perhaps. */
#define REGION_TEXT 160u
const char *region_file_map(struct region_file *file, const char *path, size_t least, size_t make,
                            size_t most, char text[REGION_TEXT]);
void region_file_unmap(struct region_file *file);

/* NULL, or why it is not the file at `path` any more; or not all of it, which does not matter to who has
 * it `in_use`. */
const char *region_file_lost(const struct region_file *file, const char *path, bool in_use);

/* What is written to it from now on is the process's own. */
bool region_file_part(const struct region_file *file);

#endif
