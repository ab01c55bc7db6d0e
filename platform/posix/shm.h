/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A link over shared memory between two processes. What the three ways to find the peer share is
 * here; shm_listen.c, shm_connect.c and shm_fd.c are the ways. Owner only.
 */
#ifndef POSIX_SHM_H
#define POSIX_SHM_H

#include <rpr/posix.h>

#include "posix/packet.h"
#include "posix/session.h"

#define SHM_DEFAULT_BUFFERS 256u
#define SHM_DEFAULT_PAYLOAD 2048u

struct shm_link;

/* One way to find the peer. */
struct shm_way {
    void (*open)(struct shm_link *shm);                     /* begin to look; no upcall */
    void (*close)(struct shm_link *shm);                    /* stop looking */
    void (*lost)(struct shm_link *shm, const char *reason); /* there was a peer; no upcall */
    void (*free)(struct shm_link *shm);
};

/* Embedded by the way. */
struct shm_link {
    const struct shm_way *way;
    struct rpr_loop *loop;
    struct rpr_link *link;
    struct session *session; /* NULL: no peer */
    uint32_t num, payload;   /* driver's side */
    uint32_t n_refused;
    bool open;      /* the core wants a peer */
    bool dead;      /* the link is gone: freed by the last shm_leave() */
    unsigned depth; /* of shm_enter() */
    char remote[RPR_NAME_MAX + 1];
};

/* Registers the link, which calls `open`. After an error the object is the caller's to free. */
int shm_register(struct shm_link *shm, char error[RPR_ERROR_TEXT]);

/* Around whatever makes upcalls: what is in between finds the object, though perhaps dead. */
void shm_enter(struct shm_link *shm);
void shm_leave(struct shm_link *shm);

/* Shown as the reason, while there is no peer. Makes upcalls. */
void shm_say(struct shm_link *shm, const char *reason);

/* Driver's side: answers what came first on a connection, which is taken over, with OFFER or
 * REFUSE. `named`: both names must fit. False: refused, and said so. Makes upcalls. */
bool shm_answer(struct shm_link *shm, int fd, bool trusted, struct packet *packet, bool named);

/* Device's side: says HELLO. 0 or -RPR_ENOTCONN. */
int shm_hello(const struct shm_link *shm, int fd, bool trusted, const char *expected);

/* Device's side: takes the answer, and the connection. False: there is no session; said why. Makes
 * upcalls. */
bool shm_take_answer(struct shm_link *shm, int fd, bool trusted, struct packet *packet);

/* ---- the ways ------------------------------------------------------------------------------------ */

int shm_listen(struct rpr_loop *loop, const char *remote, const char *path, uint32_t num,
               uint32_t payload, struct rpr_link **link, char error[RPR_ERROR_TEXT]);
int shm_connect(struct rpr_loop *loop, const char *remote, const char *path, struct rpr_link **link,
                char error[RPR_ERROR_TEXT]);

#endif
