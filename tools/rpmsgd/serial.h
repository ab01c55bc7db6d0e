/* SPDX-License-Identifier: Apache-2.0 */
/* Serial links: what `dump` shows of them, and what the end of the daemon waits for. */
#ifndef RPMSGD_SERIAL_H
#define RPMSGD_SERIAL_H

#include <jansson.h>
#include <stdbool.h>

struct daemon;

/* State machine and counters of the link to `remote`; NULL: that is no serial link. */
json_t *serial_show(const struct daemon *daemon, const char *remote);

/* Has every peer on a wire dealt with what was sent, as far as it shows? A NuttX peer hears a
 * POWEROFF before the frames that came with it: what it must know before goes ahead, alone. Called
 * until it says yes, with the time in ms. */
bool serial_is_quiet(struct daemon *daemon, int64_t now_ms);

/* Has every peer got all that was said to it, now that its link is down? */
bool serial_is_closed(const struct daemon *daemon);

#endif
