/* SPDX-License-Identifier: Apache-2.0 */
/* What the end of the daemon waits for before links go. */
#ifndef RPMSGD_QUIET_H
#define RPMSGD_QUIET_H

#include <stdbool.h>
#include <stdint.h>

struct daemon;

/* Has every peer of another kind dealt with what it was sent, as far as it shows? A NuttX peer hears
 * the end of a link before the messages that came with it, and walks into freed memory if it has
 * routed devices then: what it must know before goes ahead, alone. Called until it says yes, with
 * the time in ms. */
bool peers_are_quiet(struct daemon *daemon, int64_t now_ms);

#endif
