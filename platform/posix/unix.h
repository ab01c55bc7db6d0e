/* SPDX-License-Identifier: Apache-2.0 */
#ifndef POSIX_UNIX_H
#define POSIX_UNIX_H

#include <rpr/posix.h>

/* A connected, non-blocking socket, or a negative errno (-EAGAIN: the listener's queue is full). */
int unix_connect(const char *path, int type);

/* The same, blocking, for programs that have nothing else to do. */
int unix_connect_wait(const char *path, int type);

/* A lock file beside `path`, which is of RPR_UNIX_PATH_MAX bytes at most: whoever has it may replace
 * what another life of ours left there. A descriptor, or -RPR_EBUSY or -RPR_EIO with one line in
 * `error`. */
int unix_lock(const char *path, char error[RPR_ERROR_TEXT]);
void unix_unlock(int fd, const char *path); /* removes the file */

#endif
