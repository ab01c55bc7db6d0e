/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Doorbells between two processes.
 *
 * Of the same user: an eventfd each way, watched edge triggered and never read. A peer may write it
 * up to its limit, whereupon nobody's write would wake anybody: who finds it full reads it once and
 * writes again.
 * Of another user: one byte over the handover's socket. Two ends of a socket are two open file
 * descriptions and MSG_DONTWAIT belongs to the call: whatever the peer does to its end or to the
 * flags of a description it kept a copy of, ringing never waits. A full socket has a wake-up on
 * its way.
 */
#ifndef POSIX_BELL_H
#define POSIX_BELL_H

#include <stdbool.h>

/* Any thread, any signal handler that keeps errno. */
void bell_ring_eventfd(int fd);
void bell_ring_socket(int fd);

/* Is it an eventfd, and nothing else that a peer might pass? Makes it non-blocking. */
bool bell_is_eventfd(int fd);

#endif
