/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A connection of which one packet is awaited: HELLO by the listener, OFFER or REFUSE by the
 * connector. Whoever says nothing for two seconds is given up.
 */
#ifndef POSIX_HANDSHAKE_H
#define POSIX_HANDSHAKE_H

#include <rpr/posix.h>

#include "posix/packet.h"

#define HANDSHAKE_TIMEOUT_NS UINT64_C(2000000000)

struct handshake {
    struct rpr_loop *loop;
    struct rpr_watch watch; /* watch.fd < 0: not in use */
    struct rpr_timer timeout;
    bool trusted; /* the peer is of the same user */

    /* Came: `packet` NULL if nothing will come any more, with the reason. The handshake is not in
     * use any more and the connection is the callee's. */
    void (*done)(struct handshake *handshake, int fd, struct packet *packet, const char *reason);
};

/* The memory is the caller's; once only. */
void handshake_init(struct handshake *handshake, struct rpr_loop *loop,
                    void (*done)(struct handshake *, int, struct packet *, const char *));

bool handshake_busy(const struct handshake *handshake);

/* Takes the connection over. 0, or a negative code and the connection is closed. */
int handshake_start(struct handshake *handshake, int fd, bool trusted);

/* Closes the connection, if there is one. `done` is not called. */
void handshake_cancel(struct handshake *handshake);

#endif
