/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the smallest node know of each other. */
#ifndef MINI_MINI_H
#define MINI_MINI_H

#include <rpr/mini.h>

#define RING_SMALL
#include "vring/start.h"

/* What depends on the role. */
struct mini_role {
    const char *(*look)(const struct ring *r, struct ring_buffer **buffer, uint32_t *size);
    void (*put)(struct ring *r, const struct ring_buffer *b);
    void (*start)(struct rpr_mini *m, const struct rpr_vring_session *s);
};

/* What is used most stands first: there an instruction of two bytes reaches it. */
struct rpr_mini {
    bool busy;        /* inside a turn, which ends with words and doorbells */
    uint16_t session; /* counts them */
    const struct mini_role *role;
    const struct rpr_mini_config *config;
    const char *wrong; /* the link is broken, and why */
    struct rpr_mini_ept *epts;
    struct rpr_mini_counters counters;
    uint32_t next_addr;
    struct ring rx, tx;
    struct ring_region region;
    struct ring_buffer buffers[];
} __attribute__((may_alias));

enum mini_word { MINI_NONE, MINI_CREATE, MINI_ACK, MINI_DESTROY };

enum mini_flags {
    MINI_WANTS = 1,   /* a peer: it was opened without */
    MINI_TOLD = 2,    /* the peer has heard of it, in this session */
    MINI_WAITING = 4, /* for a buffer to send */
    MINI_CLOSING = 8  /* unfindable */
};

int mini_open(struct rpr_mini **node, struct rpr_mini_memory *memory, size_t bytes,
              const struct rpr_mini_config *config, const struct mini_role *role);

/* Takes a message of `len` bytes, a word of the name service if `dst` says so. -RPR_EAGAIN or
 * -RPR_EMSGSIZE. */
int mini_put(struct rpr_mini *m, uint32_t src, uint32_t dst, const void *data, size_t len);

/* How many buffers there are to send with; the peer's nonsense breaks the link, and counts as none. */
uint32_t mini_n_free(struct rpr_mini *m);

#define TOO_LONG "a message's length is over its buffer"

void mini_break(struct rpr_mini *m, const char *wrong);

/* What was postponed while busy. */
void mini_turn(struct rpr_mini *m);

/* ---- endpoints -------------------------------------------------------------------------------- */

/* Says words, and tells who can send or is closed. */
void mini_tend(struct rpr_mini *m);

/* Does any endpoint need a buffer to send? */
bool mini_wants_tx(const struct rpr_mini *m);

/* A new session: nobody is bound. */
void mini_lose(struct rpr_mini *m);

/* A message to the name service, and one to an endpoint; `payload` is the peer's memory. */
void mini_hear(struct rpr_mini *m, const uint8_t *payload, uint32_t len);
enum rpr_rx_result mini_deliver(struct rpr_mini *m, uint32_t dst, const struct rpr_mini_msg *msg);

#endif
