/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Service rpmsg-syslog (WIRE 6.4): the log of one CPU, read on another. Three parts:
 *
 * - struct rpr_syslog_ring: the text that a client has and the server has not. It knows what to send
 *   and what answers mean, and nothing of endpoints: for programs that have their own way to send.
 * - rpr_syslog_client: such a ring behind an endpoint.
 * - rpr_syslog_server: takes the text of any number of clients, line by line.
 *
 * Between a client and a server of ours no text is lost or doubled as long as both live, whatever
 * happens between them (docs/DESIGN.md). If the server is killed, what was sent and not acknowledged
 * is given up: never more than the ring.
 */
#ifndef RPR_SYSLOG_H
#define RPR_SYSLOG_H

#include <rpr/service.h>

#ifdef __cplusplus
extern "C" {
#endif

#define RPR_SYSLOG_SERVICE     "rpmsg-syslog"
#define RPR_SYSLOG_RING_MIN    256u /* bytes of a ring */
#define RPR_SYSLOG_RING_MAX    (1u << 24)
#define RPR_SYSLOG_MESSAGE_MIN 64u /* longest message of a link on which text can travel */

/* ---- the text that a client has ------------------------------------------------------------------- */

#define RPR_SYSLOG_RING_COUNTERS(X)                                                    \
    X(written) /* bytes that came */                                                   \
    X(dropped) /* of them, lost because the ring was full: the oldest whole lines */   \
    X(dropped_lines)                                                                   \
    X(uncertain)  /* bytes sent to a server that ended without a word: nobody knows */ \
    X(sent_again) /* bytes that the server had not got */                              \
    X(messages)   /* with text, sent */                                                \
    X(ignored)    /* messages of the server that were malformed or made no sense */

struct rpr_syslog_ring_counters {
#define RPR_SYSLOG_FIELD(name) uint64_t name;
    RPR_SYSLOG_RING_COUNTERS(RPR_SYSLOG_FIELD)
#undef RPR_SYSLOG_FIELD
};

enum rpr_syslog_server_kind {
    RPR_SYSLOG_NO_SERVER, /* not bound */
    RPR_SYSLOG_ASKED,     /* bound: said HELLO, waits for the answer; no text leaves meanwhile */
    RPR_SYSLOG_PLAIN,     /* did not answer: what was sent is forgotten */
    RPR_SYSLOG_ACKS       /* acknowledges */
};

/* Fields are private but `counters`. */
struct rpr_syslog_ring {
    uint8_t *memory;
    uint32_t size;
    uint32_t head, sent, tail; /* free-running: written to, sent to, kept from */
    uint32_t life;
    uint32_t delay_ms;
    enum rpr_syslog_server_kind server;
    bool hello_due, suspended;
    bool mid_line;     /* what was sent last was no newline */
    uint32_t next_len; /* bytes of text in what rpr_syslog_ring_next() returned last */
    uint8_t next_kind; /* and what it was */
    bool ended; /* the last server ended in order: what it had not got goes to the next one */
    bool echo_due;
    uint32_t echo_at; /* all before it is sent first */
    uint32_t echo_life;
    uint64_t echo_cookie;
    uint64_t asked_ns, unsent_since_ns;
    struct rpr_syslog_ring_counters counters;
};

/* `memory` of `size` bytes, a power of two from RPR_SYSLOG_RING_MIN, is the caller's and lasts as long.
 * `life` tells this run from all former ones: random. `delay_ms` is how long text may wait for more
 * before it is sent; 0: until three quarters of the ring are full, or a message. */
void rpr_syslog_ring_init(struct rpr_syslog_ring *ring, void *memory, uint32_t size, uint32_t life,
                          uint32_t delay_ms);

/* Takes all of it. What finds no room drops the oldest lines. */
void rpr_syslog_ring_write(struct rpr_syslog_ring *ring, uint64_t now_ns, const void *text,
                           uint32_t len);

/* Bytes that can be written without dropping anything, or giving up what may have to be sent again. */
uint32_t rpr_syslog_ring_room(const struct rpr_syslog_ring *ring);

/* Bytes that the server has not got for sure. */
uint32_t rpr_syslog_ring_pending(const struct rpr_syslog_ring *ring);

void rpr_syslog_ring_bound(struct rpr_syslog_ring *ring, uint64_t now_ns);
void rpr_syslog_ring_unbound(struct rpr_syslog_ring *ring);

/* The next message into `buffer` of `size` bytes (at least RPR_SYSLOG_MESSAGE_MIN), or with NULL only
 * its length; 0: none is due. Once it is sent, and only then: rpr_syslog_ring_sent(). `flush`: without
 * waiting for more. */
uint32_t rpr_syslog_ring_next(struct rpr_syslog_ring *ring, uint64_t now_ns, void *buffer,
                              uint32_t size, bool flush);
void rpr_syslog_ring_sent(struct rpr_syslog_ring *ring, uint64_t now_ns);

/* When rpr_syslog_ring_next() may have something, unless a write, a message or `bound` comes before. */
uint64_t rpr_syslog_ring_due(const struct rpr_syslog_ring *ring);

/* A message of the peer. False: it is no server, but a client as this: close, and try again after a
 * random time, or the two will wait for each other. */
bool rpr_syslog_ring_receive(struct rpr_syslog_ring *ring, const void *data, uint32_t len);

/* ---- client ------------------------------------------------------------------------------------------ */

struct rpr_syslog_client;

struct rpr_syslog_client_config {
    const char *server;  /* CPU, whose device may come later; copied */
    uint32_t ring_bytes; /* power of two; 0 = 4096 */
    uint32_t delay_ms;   /* UINT32_MAX: 100, as NuttX; 0: only full messages, or a ring 75 % full */
};

/* -RPR_EINVAL, -RPR_ENOMEM. */
int rpr_syslog_client_open(struct rpr_node *node, const struct rpr_syslog_client_config *config,
                           struct rpr_syslog_client **client);
void rpr_syslog_client_close(struct rpr_syslog_client *client);

/* Owner. Text, lines or parts of them. It leaves in batches, from rpr_node_poll(); nothing waits. */
void rpr_syslog_client_write(struct rpr_syslog_client *client, const void *text, uint32_t len);

const struct rpr_syslog_ring *rpr_syslog_client_ring(const struct rpr_syslog_client *client);

/* ---- server ------------------------------------------------------------------------------------------- */

struct rpr_syslog_server;

#define RPR_SYSLOG_SERVER_COUNTERS(X)                                                                  \
    X(lines)     /* given to the sink */                                                               \
    X(bytes)     /* of text that came */                                                               \
    X(cut)       /* lines longer than line_bytes: given in parts, each as a line */                    \
    X(tails)     /* unfinished lines of clients that went: given as lines */                           \
    X(malformed) /* messages with a wrong length, count, command or cookie: they end their endpoint */ \
    X(refused) /* clients: too many, or no memory */

struct rpr_syslog_server_counters {
#define RPR_SYSLOG_FIELD(name) uint64_t name;
    RPR_SYSLOG_SERVER_COUNTERS(RPR_SYSLOG_FIELD)
#undef RPR_SYSLOG_FIELD
};

struct rpr_syslog_server_config {
    struct rpr_service_scope scope;
    uint32_t line_bytes;    /* longest line that is put together from parts; 0 = 2048 */
    uint32_t message_bytes; /* longest message of any device; longer ones are malformed. 0 = 2048 */
    uint32_t clients;       /* of one device; further ones wait until one goes. 0 = 16 */

    /* Whole lines of one CPU: `head` (may be empty) and `text` right after it; the last byte is a
     * newline. Valid inside the call. True: taken, all of it. False: not now; the same comes again after
     * rpr_syslog_server_resume(), and meanwhile what the client sends is kept, and it is stopped. */
    bool (*lines)(void *ctx, const char *cpu, const char *head, uint32_t head_len, const char *text,
                  uint32_t len);
    void *ctx;
};

/* -RPR_EINVAL (no lines), -RPR_ENOMEM. */
int rpr_syslog_server_open(struct rpr_node *node, const struct rpr_syslog_server_config *config,
                           struct rpr_syslog_server **server);

/* Unfinished lines are given to the sink; what it does not take now is lost. */
void rpr_syslog_server_close(struct rpr_syslog_server *server);

/* Asks the scope again. */
void rpr_syslog_server_look(struct rpr_syslog_server *server);

/* The sink takes again. Owner. */
void rpr_syslog_server_resume(struct rpr_syslog_server *server);

/* Begins to end in order: asks all clients for what they have (SYNC), or tells them what has come and
 * what has not (END), and lets them go. True: done; poll and call again until then, or give up. */
bool rpr_syslog_server_stop(struct rpr_syslog_server *server);

/* The n-th device (from 0) of which no client is taken, since one broke the rules; false: there are not
 * so many. When that is over, who announced itself meanwhile is taken, and else the server announces
 * itself: a client of NuttX waits for that. */
bool rpr_syslog_server_closed(const struct rpr_syslog_server *server, unsigned n,
                              struct rpr_service_closed *info);

void rpr_syslog_server_counters(const struct rpr_syslog_server *server,
                                struct rpr_syslog_server_counters *counters);

#ifdef __cplusplus
}
#endif
#endif
