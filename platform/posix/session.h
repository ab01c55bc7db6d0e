/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One connection over shared memory: the region, the doorbells and the socket of its handover,
 * whose end tells that the peer is gone. All of it lives until the link says that nothing of the
 * region is used any more.
 */
#ifndef POSIX_SESSION_H
#define POSIX_SESSION_H

#include <rpr/posix.h>

#include "posix/packet.h"

#define SESSION_MIN_PAYLOAD 64u /* the longest message of the stack's own has 40 bytes */

struct session;

enum session_end {
    SESSION_GONE,   /* the peer closed the socket, or said why it goes */
    SESSION_BROKEN, /* the peer broke the protocol of the socket */
};

struct session_config {
    struct rpr_loop *loop;
    struct rpr_link *link;
    int fd;       /* the socket: the session's from now on, whatever the result */
    bool trusted; /* the peer is of the same user: eventfds as doorbells */

    /* The peer is gone or wrong; the session goes on existing, but hears nothing any more. */
    void (*ended)(void *owner, enum session_end end, const char *reason);
    void *owner;
};

/* Driver's side: makes everything, attaches, sends the OFFER. `peer_features` are those of the
 * HELLO. *session is set before the link comes up, and NULL again if it went down at once. 0, or a
 * negative code with a reason. */
int session_offer(struct session **session, const struct session_config *config,
                  uint32_t peer_features, uint32_t num, uint32_t payload, const char **reason);

/* Device's side: checks an OFFER with its descriptors, which are the session's from now on, and
 * attaches. -RPR_EPROTO: something was wrong with it. */
int session_accept(struct session **session, const struct session_config *config,
                   struct packet *offer, const char **reason);

uint32_t session_buffers(const struct session *session); /* each way */

bool session_peer_closed(const struct session *session); /* looks now */

void session_mute(struct session *session);  /* `ended` is not called any more */
void session_close(struct session *session); /* the peer hears it; freed when nothing is in use */

#endif
