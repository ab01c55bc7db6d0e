/* SPDX-License-Identifier: Apache-2.0 */
/* Serial links: what `dump` shows of them, and what the end of the daemon waits for. */
#ifndef RPMSGD_SERIAL_H
#define RPMSGD_SERIAL_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct daemon;

/* State machine and counters of the link to `remote`; NULL: that is no serial link. */
json_t *serial_show(const struct daemon *daemon, const char *remote);

/* What went over the wire of that link so far, both ways, and whether the peer may not have read all
 * of it yet. False: that is no serial link. */
bool serial_traffic(const struct daemon *daemon, size_t index, uint64_t *n_bytes, bool *undrained);

/* Has the peer got all that was said to it, now that its link is down? So have those of other links. */
bool serial_is_closed(const struct daemon *daemon, size_t index);

#endif
