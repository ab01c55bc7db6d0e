/* SPDX-License-Identifier: Apache-2.0 */
/* What the orderly end of a link waits for before the link goes. */
#ifndef RPMSGD_QUIET_H
#define RPMSGD_QUIET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct daemon;

/* What was seen of one link. Zeroed before the first look. */
struct quiet {
    uint64_t traffic; /* both ways, up to since_ms, and not changed since */
    int64_t since_ms;
};

/* Has the peer of that link dealt with what it was sent, as far as it shows? A peer of our own kind
 * has; a NuttX peer hears the end of a link before the messages that came with it, and walks into
 * freed memory if it has routed devices then: what it must know before goes ahead, alone. Called
 * until it says yes, with the time in ms. */
bool peer_is_quiet(struct daemon *daemon, size_t index, struct quiet *quiet, int64_t now_ms);

#endif
