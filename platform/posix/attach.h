/* SPDX-License-Identifier: Apache-2.0 */
/* The one thing that a client says on a control socket (docs/CONTROL.md): attach. */
#ifndef POSIX_ATTACH_H
#define POSIX_ATTACH_H

#include <rpr/posix.h>

struct attached {
    int control;  /* the connection to the daemon; to be kept open and closed */
    int fd;       /* the private link's SOCK_SEQPACKET socket */
    bool trusted; /* the daemon runs as the same user */
};

/* Connects, asks (`own`: for a service of the daemon's own) and waits for the answer, at most 5 s for each line. 0; -RPR_ENOTCONN: no daemon
 * answers there, or the device is not up; else what the daemon refuses with: -RPR_ENOENT (no such
 * device), -RPR_EEXIST (the service is served by another program), -RPR_ENOTSUP (by the node itself), -RPR_EPERM (not for this user),
 * -RPR_EINVAL (a name), -RPR_EBUSY, -RPR_EIO. One line in `error`: the daemon's own, if it spoke. */
int attach(struct attached *attached, const char *path, const char *device, const char *service,
           bool own, char error[RPR_ERROR_TEXT]);

#endif
