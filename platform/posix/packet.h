/* SPDX-License-Identifier: Apache-2.0 */
/* One packet of a SOCK_SEQPACKET socket, with descriptors. Nothing here waits or raises SIGPIPE. */
#ifndef POSIX_PACKET_H
#define POSIX_PACKET_H

#include <stddef.h>
#include <stdint.h>

#include "wire/handover.h"

#define PACKET_MAX_FDS 4u /* one more than any message has: too many are seen */

struct packet {
    size_t len;
    unsigned n_fds;
    int fds[PACKET_MAX_FDS];               /* the receiver's: close them or take them over */
    uint8_t bytes[HANDOVER_MAX_BYTES + 1]; /* one more than any message has: too long is seen */
};

/* 0, -RPR_EAGAIN or -RPR_ENOTCONN. The caller keeps its descriptors. */
int packet_send(int fd, const void *bytes, size_t len, const int *fds, unsigned n_fds);

/* 1 with a packet, 0 at the end of the connection, -RPR_EAGAIN. Of more descriptors than the struct
 * has room for, the rest is closed by the kernel. */
int packet_receive(int fd, struct packet *packet);

void packet_close_fds(struct packet *packet);

#endif
