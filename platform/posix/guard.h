/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory that is a file which others may shorten: a look at what is not there any more would be
 * SIGBUS. For guarded memory the process goes on: zeroes take the place of what went away, and the
 * guard tells.
 *
 * The handler is the process's, and is installed with each guard unless it is there; SIGBUS for
 * anything else goes where it went before. Any thread.
 */
#ifndef POSIX_GUARD_H
#define POSIX_GUARD_H

#include <stdbool.h>
#include <stddef.h>

struct guard;

/* NULL: out of memory. */
struct guard *guard_start(void *base, size_t bytes);
void guard_stop(struct guard *guard); /* before the memory is unmapped */

/* Has any of it gone away? */
bool guard_hit(const struct guard *guard);

#endif
