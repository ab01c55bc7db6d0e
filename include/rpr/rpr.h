/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The RPMsg stack: node, device, endpoint, service.
 *
 * A *node* is one CPU as RPMsg sees it. It has *devices*, each the channel to one named remote
 * CPU; on them *endpoints* exchange messages; a *service* is what the node offers to remotes that
 * announce its name.
 *
 * One thread per node, its *owner*, calls everything here and gets every callback, from inside
 * rpr_node_poll() or from inside the call it made itself. Exceptions are named: rpr_node_wake()
 * and rpr_node_post() may be called from anywhere, and rpr_send(), rpr_send_to(), rpr_reserve(),
 * rpr_commit() and rpr_cancel() from any thread on links that were opened with locks.
 * Nothing here ever waits. Steady state allocates nothing.
 *
 * Times are nanoseconds of any monotonic clock, given by the caller. Lengths are bytes.
 */
#ifndef RPR_RPR_H
#define RPR_RPR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <rpr/error.h>
#include <rpr/platform.h>

#ifdef __cplusplus
extern "C" {
#endif

#define RPR_NAME_MAX           31u /* service or CPU name without NUL (WIRE 1.3, 7) */
#define RPR_ROUTED_CPU_MAX     7u  /* CPU name that can be routed (WIRE 5.1) */
#define RPR_ROUTED_SERVICE_MAX 21u /* service name on a routed device (WIRE 5.1) */
#define RPR_ADDR_ANY           UINT32_MAX
#define RPR_ADDR_DYNAMIC       1024u /* first dynamic address (WIRE 1.2) */
#define RPR_HEADER_BYTES       16u   /* RPMsg header in front of each payload (WIRE 1.1) */

#define RPR_POLL_MORE UINT64_C(0) /* rpr_node_poll(): call again at once */
#define RPR_POLL_IDLE UINT64_MAX  /* rpr_node_poll(): nothing is due at any time */

struct rpr_node;
struct rpr_device;
struct rpr_link;
struct rpr_service;
struct rpr_endpoint;

/* Handle of an endpoint: cheap to copy, safe to keep. Once the endpoint was closed every call with
 * it gives -RPR_ESTALE. {0} is no endpoint. */
typedef struct rpr_ept {
    struct rpr_endpoint *endpoint;
    uint32_t generation;
} rpr_ept_t;

/* ---- node ---------------------------------------------------------------------------------- */

struct rpr_node_config {
    const char *name;                    /* this CPU, 1 to 31 bytes; copied */
    const struct rpr_platform *platform; /* must outlive the node */
    uint32_t slot_bytes; /* longest message that can be kept (parked or RPR_LATER), payload
                                          * bytes; 0 = 2048. Longer ones are dropped and counted instead */
    uint32_t slots;      /* slots shared by all endpoints beyond what each has reserved; 0 = 1024 */
};

/* Fails: -RPR_EINVAL (name, platform), -RPR_ENOMEM. */
int rpr_node_open(struct rpr_node **node, const struct rpr_node_config *config);

/* Closes everything that still exists, with `closed` upcalls, and frees the node. Not inside a
 * callback. Handles must not be used afterwards; no other thread may still send. */
void rpr_node_close(struct rpr_node *node);

const char *rpr_node_name(const struct rpr_node *node);
const struct rpr_platform *rpr_node_platform(const struct rpr_node *node);

/* Does the due work of all ready links, at most `budget` messages of each (0 = 32), then what is
 * pending: name service, credits, doorbells. Returns RPR_POLL_MORE, RPR_POLL_IDLE or the time of
 * the next deadline. */
uint64_t rpr_node_poll(struct rpr_node *node, uint64_t now_ns, unsigned budget);

/* Asks all peers for doorbells. True: nothing had come in the meantime, the owner may sleep until
 * a doorbell, a wake or the deadline. False: poll again. */
bool rpr_node_arm(struct rpr_node *node);

/* Any thread, any interrupt: makes the next poll look at every link, and ends the owner's sleep. */
void rpr_node_wake(struct rpr_node *node);

/* A call for the owner. The memory is the caller's and must last until `run` is called; it is the
 * caller's again inside `run`. */
struct rpr_command {
    void (*run)(struct rpr_command *command);
    struct rpr_command *next; /* private */
};

/* Any thread (not an interrupt). Commands run in order, inside rpr_node_poll(). */
void rpr_node_post(struct rpr_node *node, struct rpr_command *command);

uint64_t rpr_node_now(const struct rpr_node *node); /* `now_ns` of the poll that runs or ran last */

/* ---- timers of applications and parts of the stack ------------------------------------------- */

struct rpr_timer {
    void (*fire)(struct rpr_timer *timer, uint64_t now_ns);
    uint64_t at_ns;                           /* private from here */
    struct rpr_timer *child, *sibling, *prev; /* pairing heap */
    bool active;
};

/* (Re)starts the timer, whose `fire` must be set; the memory must stay until it fired or was
 * stopped. `fire` runs inside rpr_node_poll(). */
void rpr_timer_start(struct rpr_node *node, struct rpr_timer *timer, uint64_t at_ns);
void rpr_timer_stop(struct rpr_node *node, struct rpr_timer *timer);

/* ---- device --------------------------------------------------------------------------------- */

enum rpr_device_kind { RPR_DEVICE_LINK, RPR_DEVICE_ROUTED };

enum rpr_device_state {
    RPR_DEVICE_DOWN,       /* taken down by rpr_device_down(), or its hub is gone */
    RPR_DEVICE_CONNECTING, /* waits for the peer */
    RPR_DEVICE_UP,
    RPR_DEVICE_SUSPENDED, /* up; the peer said that it sleeps. Advice: traffic is not stopped */
    RPR_DEVICE_BROKEN     /* the peer broke the protocol (`reason`); comes back by itself */
};

/* Counters: one table, for the struct, for printing and for adding up. */
#define RPR_DEVICE_COUNTERS(X)                                                         \
    X(tx)      /* messages handed to the link */                                       \
    X(rx)      /* messages received and delivered */                                   \
    X(dropped) /* received, or to be forwarded, and lost, for any reason but `late` */ \
    X(parked)  /* kept for later at least once */                                      \
    X(late)    /* for an unknown or former endpoint */                                 \
    X(errors)  /* malformed name service or router messages, bad lengths, overlong messages */

struct rpr_device_counters {
#define RPR_COUNTER_FIELD(name) uint64_t name;
    RPR_DEVICE_COUNTERS(RPR_COUNTER_FIELD)
#undef RPR_COUNTER_FIELD
};

struct rpr_device_info {
    const char *name; /* the remote CPU; valid as long as the device */
    enum rpr_device_kind kind;
    enum rpr_device_state state;
    const char *via;       /* name of the hub's device, "" for a link */
    const char *transport; /* kind of link: "shm", "loop", ... that carries it */
    const char *dialect;   /* "rpr", "nuttx", "nuttx-old", "openamp", "linux", "rpmsg-lite" */
    bool acknowledges;     /* the peer answers CREATE with CREATE_ACK */
    const char *reason;    /* why it is not up; "" while it is */
    uint32_t session;      /* counts incarnations */
    uint32_t tx_len;       /* longest payload that can be sent, 0 while not up */
    uint32_t rx_len;       /* longest payload that can be received, 0 while not up */
    bool credit;           /* the peer takes part in flow control per endpoint */
    uint32_t n_endpoints;
    uint32_t n_announcements;       /* kept for a service that may come */
    uint64_t announcements_refused; /* more than 256 kept, or no memory for long */
    struct rpr_device_counters counters;
};

/* A device, once there, stays as long as the node; routed ones may be evicted when they are down
 * and have no endpoint and no user (rpr_device_get()). */
struct rpr_device *rpr_device_find(struct rpr_node *node, const char *name);
struct rpr_device *rpr_device_next(struct rpr_node *node,
                                   struct rpr_device *previous); /* NULL: first */
void rpr_device_get(struct rpr_device *device);                  /* keeps it from being evicted */
void rpr_device_put(struct rpr_device *device);
void rpr_device_info(const struct rpr_device *device, struct rpr_device_info *info);
const char *rpr_device_name(const struct rpr_device *device);
enum rpr_device_state rpr_device_state(const struct rpr_device *device);
struct rpr_node *rpr_device_node(const struct rpr_device *device);
struct rpr_link *rpr_device_link(
    const struct rpr_device *device);                   /* that carries it now, or NULL */
void *rpr_device_priv(const struct rpr_device *device); /* of the part that made a routed device */

/* Parts of the stack that other parts ask for: one pointer each. */
enum rpr_part { RPR_PART_ROUTES, RPR_PART_EDGE, RPR_PART_HUB, RPR_PART_PING, RPR_N_PARTS };
void *rpr_node_part(const struct rpr_node *node, enum rpr_part part);
void rpr_node_set_part(struct rpr_node *node, enum rpr_part part, void *pointer);

/* Longest payload that can be sent now; 0 while not up. */
uint32_t rpr_device_tx_len(const struct rpr_device *device);

/* Takes a link's device down (stays down, frees its carrier) or up again (skips any back-off).
 * -RPR_ENOTSUP for a routed one, -RPR_ENOENT for a removed one. */
int rpr_device_down(struct rpr_device *device);
int rpr_device_up(struct rpr_device *device);

/* Tells the peer that this CPU is about to sleep (false) or runs again (true). Last state wins.
 * -RPR_ENOTSUP: the link or hub cannot carry it, or the peer would not survive it (an edge of a hub
 * that is none of ours); -RPR_ENOTCONN: not up. */
int rpr_device_power(struct rpr_device *device, bool running);

/* The hub's word: this device's CPU is an edge of one more of its pairs (true), or of one less. Of a
 * peer that is none of ours rpr_device_power() then refuses to say that this CPU sleeps. */
void rpr_device_edge(struct rpr_device *device, bool edge);

/* ---- endpoint ------------------------------------------------------------------------------- */

/* A received message, valid inside `rx` only, unless held. To hold it, copy the struct and return
 * RPR_HOLD. */
struct rpr_msg {
    const void *data;
    uint32_t len;
    uint32_t src; /* sender's address; on routed devices the hub's. Never trust it */
    uint32_t id;  /* private from here */
    void *incarnation;
    struct rpr_endpoint *endpoint;
};

enum rpr_rx_result {
    RPR_DONE = 0, /* dealt with; the buffer goes back */
    RPR_HOLD = 1, /* the receiver keeps the buffer until rpr_release() */
    RPR_LATER =
        2, /* cannot deal with it now: keep it, in order, within `quota`, and deliver it again when
                    * this endpoint's link is writable or at rpr_ept_resume(). With credit, two
                    * endpoints that both ask and both answer by RPR_LATER wait for each other once
                    * their open questions fill the window (docs/CONCURRENCY.md): keep fewer open */
};

enum rpr_unbound_reason {
    RPR_UNBOUND_CLOSED, /* the peer closed its endpoint */
    RPR_UNBOUND_LOST    /* link, hub or remote CPU is gone */
};

/* What becomes of a message that must be kept when the quota is used up. */
enum rpr_overflow {
    RPR_DROP_NEWEST, /* and count */
    RPR_DROP_OLDEST, /* and count */
    RPR_STOP_LINK /* leave it unread: all of that link waits, until room or rpr_ept_overflow() changes it */
};

/* Limits what several endpoints together keep. The memory is the caller's and outlives them. */
struct rpr_quota {
    uint32_t limit; /* messages */
    uint32_t used;
};

/* Callbacks of an endpoint. All run on the owner; each but `rx` may be NULL. They may call anything, the
 * close of their own endpoint included. */
struct rpr_ept_ops {
    /* must be set */
    enum rpr_rx_result (*rx)(void *ctx, rpr_ept_t ept, const struct rpr_msg *msg);
    void (*bound)(void *ctx, rpr_ept_t ept, uint32_t dest);
    void (*unbound)(void *ctx, rpr_ept_t ept, enum rpr_unbound_reason reason);
    void (*writable)(void *ctx, rpr_ept_t ept); /* after a send gave -RPR_EAGAIN */
    void (*stopped)(void *ctx, rpr_ept_t ept);  /* RPR_STOP_LINK has stopped the link */
    void (*closed)(void *ctx);                  /* the last callback: `ctx` is the caller's again */
};

enum rpr_ept_flags {
    RPR_EPT_CONTROL =
        1u, /* state, not data: may take the last free buffer, goes first, has no credit */
    RPR_EPT_MANUAL = 2u, /* redeliver kept messages at rpr_ept_resume() only */
    RPR_EPT_NO_NS =
        4u, /* the opener deals with the name service itself (rpr_ept_bind()) and sends nothing
                            * at open, unless RPR_EPT_ANNOUNCE */
    RPR_EPT_ANNOUNCE = 8u, /* with RPR_EPT_NO_NS: send CREATE when opened */
    RPR_EPT_NO_LIMIT =
        16u, /* never stop the peer by credit: what cannot be kept goes by `overflow` */
    RPR_EPT_NO_POWER =
        32u /* while it is bound to a peer that is none of this project, rpr_device_power() is refused */
};

struct rpr_ept_config {
    const char *
        name; /* service name: 1 to 31 bytes, on a routed device 1 to 21; NULL: none, no name service */
    uint32_t addr; /* own address: RPR_ADDR_ANY = dynamic, else below 1024 */
    uint32_t dest; /* peer's address, if known (a server that answers an announcement);
                              * RPR_ADDR_ANY: announce, and be bound when the peer answers */
    uint32_t
        quota; /* messages kept for RPR_LATER; 0: RPR_LATER drops. The memory is reserved at open up to
                              * `reserve`, the rest comes from the node's shared slots */
    uint32_t reserve; /* 0 = all of quota */
    uint32_t flags;   /* enum rpr_ept_flags */
    enum rpr_overflow overflow;
    struct rpr_quota *shared; /* an additional limit on what is kept, or NULL */
    const struct rpr_ept_ops *ops;
    void *ctx;
};

/* Opens an endpoint. It stays over link losses and rebooting peers: it is then unbound, and
 * announces again. With `dest` known it is bound at once (`bound` runs inside the call) and ends
 * being wanted when the peer goes: it is unbound and waits to be closed.
 * Fails: -RPR_EINVAL, -RPR_ENAMETOOLONG (routed device: service over 21 bytes), -RPR_EEXIST
 * (address), -RPR_ENOMEM, -RPR_ENOENT (device removed), -RPR_ENOTCONN (dest given, device not
 * up). */
int rpr_ept_open(struct rpr_device *device, const struct rpr_ept_config *config, rpr_ept_t *ept);

/* Unfindable at once, then drained (callbacks returned, held messages back), then `closed`. If
 * nothing is outstanding `closed` runs inside the call. The peer hears it after everything that
 * was sent before. -RPR_ESTALE: closed already. */
int rpr_ept_close(rpr_ept_t ept);

/* The same, but the peer is not told: it knows, or is gone. */
int rpr_ept_abandon(rpr_ept_t ept);

enum rpr_ept_state { RPR_EPT_ANNOUNCED, RPR_EPT_BOUND, RPR_EPT_UNBOUND, RPR_EPT_CLOSING };

struct rpr_ept_info {
    const char *name; /* valid until close */
    struct rpr_device *device;
    uint32_t addr, dest;
    enum rpr_ept_state state;
    bool announces; /* opened with dest ANY: its name finds the peer, not the peer's announcement */
    uint32_t n_held, n_kept; /* messages held by the receiver; kept for RPR_LATER */
    uint64_t tx, rx, dropped;
};

int rpr_ept_info(rpr_ept_t ept, struct rpr_ept_info *info);
rpr_ept_t rpr_ept_next(struct rpr_device *device,
                       rpr_ept_t previous); /* {0}: first; {0} at the end */

/* Delivers kept messages again, until one is RPR_LATER once more. */
int rpr_ept_resume(rpr_ept_t ept);

/* Changes what happens when the quota is used up; a link stopped by this endpoint goes on. */
int rpr_ept_overflow(rpr_ept_t ept, enum rpr_overflow overflow);

/* For parts that do the name service of their endpoints (RPR_EPT_NO_NS): binds to `dest`, with
 * CREATE_ACK if `ack`; and back to announced, sending CREATE again if `announce`. -RPR_EPERM: no
 * `ack`, and our CREATE has not left yet: nobody can have answered it. */
int rpr_ept_bind(rpr_ept_t ept, uint32_t dest, bool ack);
int rpr_ept_unbind(rpr_ept_t ept, bool announce);

/* ---- sending: any thread, on links with locks ------------------------------------------------- */

#define RPR_MORE \
    1u /* more follows at once: the peer hears of it with the last one, which comes without
                     * this or is refused (-RPR_EAGAIN), or with rpr_flush() */

/* Takes a copy of the whole message or none of it.
 * -RPR_EAGAIN: no buffer or credit; `writable` follows. -RPR_EMSGSIZE: longer than
 * rpr_device_tx_len(). -RPR_ENOTCONN: not bound. -RPR_ESTALE: closed. */
int rpr_send(rpr_ept_t ept, const void *data, size_t len, unsigned flags);

/* The same to any address of the device, without credit: for answers to those who are not the
 * endpoint's peer. */
int rpr_send_to(rpr_ept_t ept, uint32_t dest, const void *data, size_t len, unsigned flags);

/* Zero copy: a buffer of the link to write into. It must be committed or cancelled. */
struct rpr_buf {
    void *data;
    uint32_t size; /* what fits */
    uint32_t id;   /* private from here */
    uint32_t dest;
    struct rpr_link *link;
    void *incarnation;
};

int rpr_reserve(rpr_ept_t ept, struct rpr_buf *buf); /* errors as rpr_send() */

/* Sends the first `len` bytes. The buffer is gone whatever the result. -RPR_ENOTCONN: link or peer
 * was lost since; -RPR_ESTALE: the endpoint was closed since; -RPR_EMSGSIZE: len > size. */
int rpr_commit(rpr_ept_t ept, struct rpr_buf *buf, size_t len, unsigned flags);
void rpr_cancel(rpr_ept_t ept, struct rpr_buf *buf);

/* Rings for what was sent with RPR_MORE. Owner: another thread sends its last one without RPR_MORE. */
void rpr_flush(struct rpr_device *device);

/* Gives a held message back. Owner only. Exactly once per RPR_HOLD. */
void rpr_release(struct rpr_msg *msg);

/* ---- service -------------------------------------------------------------------------------- */

/* Offers a service: `bind` is called for each announcement of a matching name that no endpoint
 * waits for, also for those that came before the service. */
struct rpr_service_ops {
    /* NULL: the name equals `name`. */
    bool (*match)(void *ctx, struct rpr_device *device, const char *name);

    /* Opens an endpoint of that name with `dest` = addr on the device and returns 0, or returns an
     * error: the next service is asked, and with none the announcement is kept. -RPR_ENOMEM: it is
     * asked again each second, until there is memory. */
    int (*bind)(void *ctx, struct rpr_device *device, const char *name, uint32_t addr);

    /* Takes over the whole name service of matching names: sees every CREATE (0), DESTROY (1) and
     * CREATE_ACK (2) but those of a peer that another endpoint of that name is bound to; `bind` is
     * not used. Returns 0 and nothing is kept, or -RPR_ENOMEM for a CREATE, which is then said again as
     * above. NULL: the normal way. */
    int (*ns)(void *ctx, struct rpr_device *device, const char *name, uint32_t addr,
              uint32_t flags);

    /* With `ns`: a CREATE is not for it where a service that binds has the same name. */
    bool yields;
};

struct rpr_service_config {
    const char *name; /* copied; NULL with `match` */
    const struct rpr_service_ops *ops;
    void *ctx;
};

int rpr_service_open(struct rpr_node *node, const struct rpr_service_config *config,
                     struct rpr_service **service);
void rpr_service_close(struct rpr_service *service); /* its endpoints stay */

/* Announcements kept on a device: calls `each` for every one until it returns false. */
void rpr_device_announcements(struct rpr_device *device,
                              bool (*each)(void *ctx, const char *name, uint32_t addr), void *ctx);

/* ---- events --------------------------------------------------------------------------------- */

enum rpr_event_kind {
    RPR_EVENT_DEVICE_ADDED,
    RPR_EVENT_DEVICE_STATE,   /* `state`, `reason` */
    RPR_EVENT_DEVICE_REMOVED, /* last chance to drop pointers to it */
    RPR_EVENT_EPT_OPENED,
    RPR_EVENT_EPT_BOUND,
    RPR_EVENT_EPT_UNBOUND,
    RPR_EVENT_EPT_CLOSED,
    RPR_EVENT_ROUTE,     /* `name` service, `state` text in `reason` */
    RPR_EVENT_POOL_EMPTY /* `name` tells which pool could not serve; counted there */
};

struct rpr_event {
    enum rpr_event_kind kind;
    struct rpr_device *device; /* may be NULL */
    struct rpr_device *peer;   /* of a route: the other device */
    const char *name;          /* service name, "" if none */
    uint32_t addr, dest;
    enum rpr_device_state state;
    const char *reason;
};

/* The memory is the caller's, until removed. Observers may call anything. */
struct rpr_observer {
    void (*event)(void *ctx, const struct rpr_event *event);
    void *ctx;
    struct rpr_observer *next; /* private */
};

void rpr_observer_add(struct rpr_node *node, struct rpr_observer *observer);
void rpr_observer_remove(struct rpr_node *node, struct rpr_observer *observer);
void rpr_event_emit(struct rpr_node *node,
                    const struct rpr_event *event); /* for parts of the stack */

#ifdef __cplusplus
}
#endif
#endif
