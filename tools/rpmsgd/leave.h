/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The orderly end of a link, whether it is taken down, removed, or ends with the daemon: its routes
 * end first, and the link may go when its peer has dealt with that, at the latest half a second
 * later. A NuttX edge survives that order only (H-32).
 */
#ifndef RPMSGD_LEAVE_H
#define RPMSGD_LEAVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <rpr/rpr.h>

#include "quiet.h"

struct daemon;

/* Of one link. Zeroed: it stays. */
struct leave {
    bool asked;
    bool down, up;  /* it is taken down then, and up again; else whoever asked ends it */
    int64_t end_ms; /* it may go then, whatever its peer does */
    struct quiet quiet;
};

/* The link of that index shall go. */
void leave_begin(struct daemon *daemon, size_t index);

/* True: every link that shall go may go now; those that are to be taken down are. Poll and call
 * again until then. */
bool leave_look(struct daemon *daemon);

/* Is that a link which something may have to go before? */
bool leave_can(const struct daemon *daemon, const struct rpr_device *device);

/* Takes such a link down in order: its DEVICE_STATE event, now or later, says that it is. */
void leave_down(struct daemon *daemon, const struct rpr_device *device);

/* Up again, right after it went down. False: it is not about to. */
bool leave_up(struct daemon *daemon, const struct rpr_device *device);

/* The daemon ends: whoever ends it looks. */
void leave_stop(struct daemon *daemon);

#endif
