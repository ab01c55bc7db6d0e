/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Between the core and whatever carries messages: a transport is one struct of downcalls
 * (struct rpr_link_ops) and a handful of upcalls (rpr_link_*()). This header is for authors of
 * transports; applications do not need it.
 *
 * Life: the transport embeds struct rpr_link in its own object and registers it. The core calls
 * `open`; the transport connects in its own way and time and says rpr_link_up(); when the
 * connection is lost it says rpr_link_down() and goes on trying by itself. What stays of one
 * connection is an *incarnation*: its memory lives until the last reservation and held buffer of
 * it is back.
 *
 * Calls: everything on the owner, except that `reserve`, `commit`, `cancel` and `flush` may come
 * from any thread; the core then holds the link's lock around each of them.
 */
#ifndef RPR_LINK_H
#define RPR_LINK_H

#include <rpr/rpr.h>

#ifdef __cplusplus
extern "C" {
#endif

/* How the peer of a link behaves where peers differ (WIRE 1.3): rows of one table in the core. */
enum rpr_dialect {
    RPR_DIALECT_RPR,       /* our own: acknowledges, flow control where agreed */
    RPR_DIALECT_NUTTX,     /* acknowledges with CREATE_ACK */
    RPR_DIALECT_NUTTX_OLD, /* the same, with CPU names where they were before March 2026 (H-6) */
    RPR_DIALECT_OPENAMP,   /* no ACK: a server answers with its own CREATE; latches the sender */
    RPR_DIALECT_LINUX, /* no ACK; a second CREATE makes a second channel: stay silent, learn from data */
    RPR_DIALECT_LITE, /* RPMsg-Lite: as OpenAMP, does not latch */
    RPR_N_DIALECTS
};

/* A transmit buffer: room for the RPMsg header (16 bytes) and payload. */
struct rpr_slot {
    uint8_t *msg;  /* where the header goes; at least 4-byte aligned */
    uint32_t size; /* header and payload */
    uint32_t id;
};

/* What `poll` does with a message after rpr_link_rx(). */
enum rpr_link_rx_result {
    RPR_LINK_RX_DONE, /* the buffer goes back to the peer */
    RPR_LINK_RX_HELD, /* keep it until `release` */
    RPR_LINK_RX_STOP  /* leave it where it is, it comes first next time; stop polling */
};

/* Memory of one connection. `destroy` is called on the owner when the link is down and nothing of
 * it is outstanding any more. */
struct rpr_incarnation {
    void (*destroy)(struct rpr_incarnation *incarnation);
    uint32_t n_reserved; /* private: under the link's lock */
    uint32_t n_held;     /* private: owner */
    struct rpr_incarnation *next;
    struct rpr_link *link;
};

struct rpr_queue_info {
    const char *name;    /* "tx", "rx" */
    uint32_t size;       /* buffers */
    uint32_t free;       /* tx: can be reserved now; rx: with the peer */
    uint32_t pending;    /* tx: the peer has not taken them; rx: came, not delivered yet */
    uint32_t own_index;  /* free-running index of what we gave */
    uint32_t peer_index; /* free-running index of what we took */
    uint32_t flags;      /* suppression word of the peer */
};

struct rpr_buffer_info {
    const char *queue;
    uint32_t id;
    struct rpr_endpoint *holder; /* or NULL: reserved by a sender */
};

struct rpr_link_ops {
    bool strict; /* a message longer than what was received breaks the link (shared memory);
                       * else it is only counted (a wire makes errors) */

    /* Start connecting / stop and forget the session; neither makes an upcall before it returns,
     * except that `open` may call rpr_link_up(). After `close` the session's memory is the
     * incarnation's. */
    void (*open)(struct rpr_link *link);
    void (*close)(struct rpr_link *link);

    /* A free transmit buffer: 0 or -RPR_EAGAIN. The last free one is for `control` only. */
    int (*reserve)(struct rpr_link *link, struct rpr_slot *slot, bool control);

    /* Reserve, fill with a copy, commit and, unless RPR_MORE, flush, in one: the path of
     * rpr_send() of data, where each instruction counts. `header` is the first half of the RPMsg header,
     * src | dst << 32; `sender` is for rpr_link_full(), whose result is returned where there is
     * no buffer. The order is that of rpr_send(): what it was given stays in its registers. */
    int (*send)(struct rpr_endpoint *sender, uint64_t header, const void *data, size_t len,
                unsigned flags, struct rpr_link *link);
    void (*commit)(struct rpr_link *link, uint32_t id, uint32_t len); /* queue it; see flush */
    void (*cancel)(struct rpr_link *link, uint32_t id);
    void (*flush)(struct rpr_link *link); /* publish what was committed; one doorbell if needed */

    /* True if a data buffer could be reserved now; also takes back what the peer returned. */
    bool (*writable)(struct rpr_link *link);

    /* Delivers at most `budget` messages through rpr_link_rx(), returns how many, and flushes:
     * buffers that go back and answers that were committed leave with one doorbell. */
    unsigned (*poll)(struct rpr_link *link, unsigned budget);
    void (*release)(struct rpr_link *link, uint32_t id); /* a held buffer goes back */

    /* Ask the peer for doorbells (for returned transmit buffers too if `want_writable`), then look
     * again: true if there is nothing to do. Not armed any more if false. */
    bool (*arm)(struct rpr_link *link, bool want_writable);
    void (*disarm)(struct rpr_link *link); /* no doorbells: we are looking anyway */

    int (*power)(struct rpr_link *link, bool running); /* rpr_device_power() */

    /* For `dump`: the index-th queue or buffer in use; false: there are no more. */
    bool (*queue_info)(struct rpr_link *link, unsigned index, struct rpr_queue_info *info);
    bool (*buffer_info)(struct rpr_link *link, unsigned *cursor, struct rpr_buffer_info *info);

    /* The node is closed or the link unregistered: free the object that embeds the link. */
    void (*destroy)(struct rpr_link *link);
};

#define RPR_REASON_MAX 120u

/* Embedded by the transport. Fields are the core's; a transport reads `incarnation`, `node` and
 * `now` only through the functions below. */
struct rpr_link {
    const struct rpr_link_ops *ops; /* a transport may change it while not up */
    const char *kind;
    struct rpr_incarnation *incarnation; /* NULL while not up */
    void *lock;                          /* NULL: opened single-threaded */
    struct rpr_device *device;
    struct rpr_node *node;
    struct rpr_endpoint *control_head, *control_tail;   /* name service words to be sent */
    struct rpr_endpoint *grant_head;                    /* endpoints with credit to be granted */
    struct rpr_endpoint *wait_head, *wait_tail;         /* senders to be told `writable` */
    struct rpr_link *next_active, *next_touched, *next; /* lists of the node */
    struct rpr_timer wait_timer; /* looks at the used ring while there are waiters */
    struct rpr_timer retry_timer;
    uint64_t wait_us, retry_ms, up_at_ns;
    uint32_t n_zombies; /* former incarnations with buffers outstanding */
    uint32_t state;     /* enum rpr_device_state */
    uint32_t tx_len, rx_len;
    enum rpr_dialect dialect;
    _Atomic uint32_t n_control;  /* endpoints on control_head: data waits behind them */
    _Atomic uint8_t attention;   /* a poll has more to do here than messages */
    struct rpr_endpoint *holder; /* set by rpr_link_rx() when it returns RPR_LINK_RX_HELD */
    bool credit;                 /* flow control per endpoint agreed with this peer */
    bool may_ack, lossy;         /* struct rpr_session */
    bool peer_suspended;
    bool active, armed, polled;
    bool touched;       /* `flush` follows at the end of this poll; a transport may read it */
    uint32_t n_waiting; /* senders on wait_head */
    uint32_t n_holds;   /* while endpoints are being told: the session does not end */
    bool opened;        /* `open` was called after the last `close` */
    bool hurry;         /* rpr_device_up() during the end: no back-off */
    bool removed;       /* unregistered */
    bool admin_up;      /* wanted up; false after rpr_device_down() */
    uint8_t doom;       /* what waits for the end of `poll` */
    struct rpr_endpoint *stopper; /* the endpoint that stopped the link (RPR_STOP_LINK), or NULL */
    char reason[RPR_REASON_MAX];
    struct rpr_timer report_timer; /* lossy: senders without credit say what they have sent */
    bool starving;                 /* there is a new one of them; under the lock */
    bool like_ours;                /* lossy: the peer may be one of ours, and not have heard it */
    struct words *words;           /* lossy: see rpr_link_numbered() */
};

/* Adds the link and the device named `remote` to the node and opens it. `kind` ("shm", "loop") is
 * what is shown as its transport and must outlive it. `locked`: other threads
 * will send on it (needs the platform's locks). The device of that name may be a routed one: the
 * link takes its place. Fails: -RPR_EINVAL (name), -RPR_EEXIST (a link to that name),
 * -RPR_ENOMEM. */
int rpr_link_register(struct rpr_node *node, struct rpr_link *link, const struct rpr_link_ops *ops,
                      const char *remote, const char *kind, bool locked);

/* Ends the link and removes its device; `destroy` follows in a later rpr_node_poll(), when the last
 * buffer is back. A link with locks stays until the node is closed: another thread may be on its
 * way into it. */
void rpr_link_unregister(struct rpr_link *link);

struct rpr_session {
    struct rpr_incarnation *incarnation;
    uint32_t tx_len, rx_len; /* longest payloads, 1..65519 */
    enum rpr_dialect dialect;
    bool credit;  /* both ends are ours and agreed on flow control (SPEC) */
    bool may_ack; /* with its first CREATE_ACK the peer becomes one of RPR_DIALECT_NUTTX */
    bool lossy;   /* messages can be lost while it lasts: what was lost is made up for */
};

/* ---- upcalls, owner only -------------------------------------------------------------------- */

void rpr_link_up(struct rpr_link *link, const struct rpr_session *session);

/* The connection is lost or was never made; the transport goes on trying. `reason` is shown. */
void rpr_link_down(struct rpr_link *link, const char *reason);

/* Delivers what has come, at most `limit` messages: before the end of a session whose peer is gone
 * but whose memory is intact. Not inside `poll`. */
void rpr_link_drain(struct rpr_link *link, unsigned limit);

/* The peer broke the protocol: the core closes the link and opens it again after 100 ms doubling
 * to 10 s. May be called from inside `poll`, which must then return without touching the
 * session. */
void rpr_link_broken(struct rpr_link *link, const char *reason);

/* One received message: `msg` points at its RPMsg header in peer memory, `size` is what the
 * transport received (header included). */
enum rpr_link_rx_result rpr_link_rx(struct rpr_link *link, uint8_t *msg, uint32_t size,
                                    uint32_t id);

/* From `send`: there is no buffer (size 0), or the one there is takes `size` bytes only and was not
 * used. Returns what `send` has to return. */
int rpr_link_full(struct rpr_link *link, struct rpr_endpoint *sender, uint32_t size);

/* There may be something to do (a doorbell): the next poll looks at the link. */
void rpr_link_ready(struct rpr_link *link);

void rpr_link_power(struct rpr_link *link, bool running); /* the peer's power state */

/* While `polled`, the link is looked at in every poll, with no doorbell needed (memory of others
 * that is watched by a timer). */
void rpr_link_polled(struct rpr_link *link, bool polled);

/* Another session's worth of the extension HELLO (ARCHITECTURE 6): flow control is agreed with
 * the peer although the session did not say so. */
void rpr_link_credit(struct rpr_link *link);

/* The peer turned out to be a node of this project, although the session did not say so: it
 * said so on the service RPR_LINK_OURS (SPEC), which they announce where it is not known otherwise.
 * On a lossy link what it sent before it was heard may have been lost. */
#define RPR_LINK_OURS "rpr"
void rpr_link_ours(struct rpr_link *link);

/* On a lossy link something came that cannot be read, and nothing else in this session: that we are
 * of this project may not have been heard, and is said again. */
void rpr_link_unheard(struct rpr_link *link);

/* Do words of the name service and messages of endpoints with RPR_EPT_CONTROL reach the peer even if
 * the link loses some (SPEC, "numbered words")? Where no message is ever lost: false. */
bool rpr_link_numbered(const struct rpr_link *link);

/* ---- routed devices (made by the router's edge) ------------------------------------------------ */

struct rpr_routed_config {
    const char *name;                       /* remote CPU, 1 to 7 bytes */
    struct rpr_device *via;                 /* device of the hub; a link */
    uint32_t tx_len, rx_len;                /* from the hub; clamped to 1..what the link takes */
    int (*power)(void *priv, bool running); /* rpr_device_power(), or NULL */
    void *priv;
};

/* Makes or updates (same name, same hub) the routed device and takes it up. What the hub announced
 * on it before is heard now.
 * -RPR_EEXIST: a link or another hub has that name; the reason is shown by the caller. */
int rpr_routed_up(struct rpr_node *node, const struct rpr_routed_config *config,
                  struct rpr_device **device);
void rpr_routed_down(struct rpr_device *device, const char *reason);
void rpr_routed_power(struct rpr_device *device, bool running);

/* The hub `via` does not offer `cpu` any more, and no device was made of it: what it announced there
 * meanwhile is void. */
void rpr_routed_forget(struct rpr_device *via, const char *cpu);

/* For `dump`. */
bool rpr_device_queue(struct rpr_device *device, unsigned index, struct rpr_queue_info *info);
bool rpr_device_buffer(struct rpr_device *device, unsigned *cursor, struct rpr_buffer_info *info);

#ifdef __cplusplus
}
#endif
#endif
