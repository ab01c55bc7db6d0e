/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The smallest node: one link over two split rings, a few endpoints, and nothing else. For cores
 * that count bytes: it takes no allocator, no clock and no platform, and a message passes through it
 * in the same bytes and with the same checks as through a node of rpr.h. What it leaves out: keeping
 * messages, flow control per endpoint, routes, services, other threads, coming back by itself.
 *
 * One context calls everything here and gets every callback, from inside the call it made. Nothing
 * waits, nothing is allocated: the memory of node and endpoints is the caller's.
 */
#ifndef RPR_MINI_H
#define RPR_MINI_H

#include <rpr/vring.h>

#ifdef __cplusplus
extern "C" {
#endif

struct rpr_mini_ept;

/* Memory for a node whose two rings have `n_buffers` descriptors together:
 *     static struct rpr_mini_memory memory[RPR_MINI_MEMORY(8 + 8)]; */
struct rpr_mini_memory {
    uint64_t word;
} __attribute__((may_alias));

#define RPR_MINI_NODE_BYTES   (sizeof(void *) * 22 + 64)
#define RPR_MINI_BUFFER_BYTES (sizeof(void *) + 8)
#define RPR_MINI_MEMORY(n_buffers) \
    ((RPR_MINI_NODE_BYTES + RPR_MINI_BUFFER_BYTES * (n_buffers) + 7) / 8)

struct rpr_mini; /* at the start of that memory */

struct rpr_mini_config {
    /* Role, memory, layout and doorbell, as for the link of a large node; of `dialect` what says
     * whether the peer acknowledges and how it learns addresses. `credit` and `may_ack` must be
     * false; `detached` is not called. Must outlive the node; constant, so that it need not take RAM. */
    struct rpr_vring_session session;
    /* The peer announced a name that no endpoint waits for: rpr_mini_ept_open() with `dest` = addr
     * is the answer. The name is valid inside the call only. NULL: ignored. */
    void (*created)(struct rpr_mini *node, const char *name, uint32_t addr);
    uint32_t first_addr; /* of dynamic addresses, at least 1024, or 0: 1024. A random one keeps a
                          * restarted node from answering to its former addresses */
};

struct rpr_mini_counters {
    uint32_t late;    /* messages and words for an unknown or former endpoint */
    uint32_t errors;  /* malformed name service messages */
    uint32_t dropped; /* messages for which `rx` said RPR_LATER */
};

/* Makes a node in `memory` and begins its session. -RPR_EINVAL: the layout is not sound, or has the
 * other role; -RPR_ENOMEM: more descriptors than the memory is for. Only what is linked takes
 * flash: a device needs no driver. */
int rpr_mini_open_device(struct rpr_mini **node, struct rpr_mini_memory *memory, size_t bytes,
                         const struct rpr_mini_config *config);
int rpr_mini_open_driver(struct rpr_mini **node, struct rpr_mini_memory *memory, size_t bytes,
                         const struct rpr_mini_config *config);

/* Begins a new session, after the peer has restarted or the link was broken: endpoints hear
 * `unbound`, get new addresses and announce themselves. Held messages are gone. When, and how often,
 * is the caller's to decide. Not inside a callback. */
void rpr_mini_restart(struct rpr_mini *node);

/* Delivers what has come, at most once around the ring, and says what is pending. Returns how many
 * messages there were; -RPR_EPROTO: the peer broke the link, rpr_mini_reason() says how, and nothing
 * is read or sent any more until rpr_mini_restart(). Not inside a callback. */
int rpr_mini_poll(struct rpr_mini *node);

/* Asks for doorbells. True: nothing had come in the meantime, the caller may sleep until one. While
 * an endpoint waits for `writable`, it should look again after a few milliseconds whatever happens:
 * some peers do not ring when they return buffers. */
bool rpr_mini_arm(struct rpr_mini *node);

const char *rpr_mini_reason(const struct rpr_mini *node); /* NULL: not broken */
const struct rpr_mini_counters *rpr_mini_counters(const struct rpr_mini *node);

/* A received message, valid inside `rx` only, unless held: then until rpr_mini_release() or the next
 * session. To hold it, copy the struct and return RPR_HOLD. */
struct rpr_mini_msg {
    const void *data; /* the peer may change it at any time */
    uint32_t len;
    uint32_t src; /* sender's address. Never trust it */
    uint16_t id;  /* private from here */
    uint16_t session;
};

/* Each but `rx` may be NULL. They may call anything that does not say otherwise. */
struct rpr_mini_ops {
    /* RPR_LATER: dropped and counted, there is nowhere to keep it. */
    enum rpr_rx_result (*rx)(struct rpr_mini_ept *ept, const struct rpr_mini_msg *msg);
    void (*bound)(struct rpr_mini_ept *ept);
    /* It can be found by the peer's next announcement; rpr_mini_announce() looks for one that does
     * not announce itself. An endpoint opened with `dest` waits to be closed. */
    void (*unbound)(struct rpr_mini_ept *ept, enum rpr_unbound_reason reason);
    void (*writable)(struct rpr_mini_ept *ept); /* after a send gave -RPR_EAGAIN */
    void (*closed)(struct rpr_mini_ept *ept);   /* the last one: the memory is the caller's again */
};

/* An endpoint. The memory is the caller's, from open until `closed`; its context is whatever the
 * caller puts around it. */
struct rpr_mini_ept {
    const char *name; /* 1 to 31 bytes, must last; "": no name service */
    const struct rpr_mini_ops *ops;
    uint32_t addr;         /* RPR_ADDR_ANY: dynamic, written by open; else below 1024 */
    uint32_t dest;         /* the peer's, RPR_ADDR_ANY while there is none; set for open as for
                    * struct rpr_ept_config */
    struct rpr_mini *node; /* private from here */
    struct rpr_mini_ept *next;
    uint8_t word, flags;
};

/* Opens it; announces it, or acknowledges if `dest` is known: then it is bound at once.
 * -RPR_ENAMETOOLONG; -RPR_EEXIST: the address is taken; -RPR_EINVAL: it is not below 1024. */
int rpr_mini_ept_open(struct rpr_mini *node, struct rpr_mini_ept *ept);

/* Unfindable at once; `closed` follows when the peer has been told, if it has to be: inside the call,
 * or inside a later poll. Held messages may still be released. */
void rpr_mini_ept_close(struct rpr_mini_ept *ept);

/* Announces an endpoint again that is not bound. */
void rpr_mini_announce(struct rpr_mini_ept *ept);

/* Takes a copy of the whole message or none of it. -RPR_EAGAIN: no buffer, `writable` follows;
 * -RPR_EMSGSIZE: longer than the peer's buffers; -RPR_ENOTCONN: not bound, or broken; -RPR_ESTALE:
 * closing. */
int rpr_mini_send(struct rpr_mini_ept *ept, const void *data, size_t len);

/* Gives a held message back. Nothing happens if it is of a former session, or was given back. */
void rpr_mini_release(struct rpr_mini *node, const struct rpr_mini_msg *msg);

#ifdef __cplusplus
}
#endif
#endif
