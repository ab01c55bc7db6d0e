/* SPDX-License-Identifier: Apache-2.0 */
#ifndef POSIX_UNIX_H
#define POSIX_UNIX_H

/* A connected, non-blocking socket, or a negative errno (-EAGAIN: the listener's queue is full). */
int unix_connect(const char *path, int type);

/* The same, blocking, for programs that have nothing else to do. */
int unix_connect_wait(const char *path, int type);

#endif
