/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The objects of the core and what its files call of each other. Everything here belongs to the
 * owner, unless a field says otherwise.
 *
 * Files: node (poll, timers, commands, events), link (a carrier's life, waiters, doorbells), device
 * (names and states), endpoint (open, close, bind), send, receive, ns (name service), credit (flow
 * control), slots (kept messages), address (addresses with generations).
 */
#ifndef CORE_CORE_H
#define CORE_CORE_H

#include <rpr/link.h>

#include "base/bytes.h"
#include "base/check.h"
#include "wire/header.h"
#include "wire/ns.h"

/* ---- addresses: address.c -------------------------------------------------------------------- */

/* ARCHITECTURE 7: slot (low 18 bits) + 1024, generation of the slot above. */
#define ADDRESS_SLOT_BITS 18u
#define ADDRESS_SLOT_MASK ((1u << ADDRESS_SLOT_BITS) - 1u)
#define ADDRESS_MAX_SLOTS ((1u << ADDRESS_SLOT_BITS) - RPMSG_ADDR_DYNAMIC)

struct address_slot {
    struct rpr_endpoint *endpoint; /* NULL: free */
    uint32_t addr;                 /* while free: its generation only, which is nobody's address */
    uint32_t next_free;
};

struct address_table {
    struct address_slot *slots;
    uint32_t n_slots;
    uint32_t first_free;              /* n_slots: none */
    uint32_t seed;                    /* generation that new slots start with */
    struct rpr_endpoint **predefined; /* RPMSG_ADDR_DYNAMIC pointers, or NULL: none opened yet */
};

int address_assign(struct rpr_node *node, struct address_table *table, struct rpr_endpoint *e,
                   uint32_t wanted, uint32_t *addr);
void address_free(struct address_table *table, uint32_t addr);
struct rpr_endpoint *address_find_special(const struct address_table *table, uint32_t addr);
void address_fini(struct rpr_node *node, struct address_table *table);

/* The slot with exactly that dynamic address, in use; NULL: none. The hot path: one lookup, all 32
 * bits. */
static inline struct address_slot *address_slot(const struct address_table *table, uint32_t addr)
{
    uint32_t index = (addr & ADDRESS_SLOT_MASK) - RPMSG_ADDR_DYNAMIC;

    return RPR_LIKELY(index < table->n_slots) &&
                   (RPR_LIKELY(table->slots[index].addr == addr) ||
                    (MUTANT(address_is_found_by_its_slot) && table->slots[index].endpoint))
               ? &table->slots[index]
               : NULL;
}

/* The endpoint with exactly that address, or NULL. */
static inline struct rpr_endpoint *address_find(const struct address_table *table, uint32_t addr)
{
    const struct address_slot *slot = address_slot(table, addr);

    return slot ? slot->endpoint : address_find_special(table, addr);
}

/* ---- kept messages: slots.c -------------------------------------------------------------------- */

struct slot {
    struct slot *next;
    uint32_t len, src;
    uint32_t bind; /* n_binds of the endpoint when it came */
    _Alignas(8) uint8_t data[];
};

/* Slots promised to endpoints (`reserved`) plus the shared ones are always in memory. */
struct slot_pool {
    struct slot *free;
    struct slab *slabs;
    uint32_t slot_bytes; /* payload capacity */
    uint32_t n_total;
    uint32_t n_promised; /* to endpoints, and the shared ones */
    uint32_t n_shared;   /* shared by all, not in use and not lent */
};

int slots_init(struct rpr_node *node, uint32_t slot_bytes, uint32_t n_shared);
void slots_fini(struct rpr_node *node);
int slots_promise(struct rpr_node *node, uint32_t n); /* 0 or -RPR_ENOMEM */
void slots_unpromise(struct rpr_node *node, uint32_t n);
struct slot *slots_take(struct rpr_node *node);
void slots_put(struct rpr_node *node, struct slot *slot);

/* ---- endpoint ------------------------------------------------------------------------------------ */

enum ns_word { NS_WORD_NONE, NS_WORD_CREATE, NS_WORD_ACK, NS_WORD_DESTROY };

struct rpr_endpoint {
    /* Receive part. */
    uint32_t addr; /* RPMSG_ADDR_ANY while the device is not up */
    uint32_t dest; /* RPMSG_ADDR_ANY: not bound. Written under the lock of `link` */
    uint8_t state; /* enum rpr_ept_state */
    uint8_t flags; /* enum rpr_ept_flags */
    uint8_t overflow;
    uint8_t word; /* enum ns_word: what the peer must still be told */
    const struct rpr_ept_ops *ops;
    void *ctx;
    struct rpr_device *device;
    uint64_t rx_mark;  /* how many messages are dealt with when credit is granted next */
    uint32_t rx_left;  /* messages until then, not 0; see endpoint_n_rx() */
    uint32_t rx_start; /* endpoint_n_rx() when it was bound */
    uint32_t n_binds;  /* tells held messages of this binding from older ones */
    uint32_t n_old;    /* slots in use by those older ones */
    uint32_t told;     /* the binding that the application knows of */
    uint32_t n_calls;  /* callbacks that run now */
    uint32_t n_kept;   /* messages in kept_first.. */
    bool receptive;    /* bound, and nothing kept that comes first */

    /* Send part: written by the owner under the lock of `link`, read by senders under it. */
    _Atomic(struct rpr_link *) link; /* NULL: not up */
    _Atomic(struct rpr_link *)
        quick; /* `link`, for data, if it has no lock and the endpoint is bound */
    _Atomic uint32_t
        quick_generation;        /* `generation`, if `quick` is set; else 0, which no handle has */
    _Atomic uint32_t generation; /* of the handle; moves on at close. Read without a lock too */
    uint32_t tx_len;             /* longest payload */
    uint64_t tx_mark;            /* how many messages may have been sent */
    int32_t tx_left;             /* messages until then; see endpoint_n_tx() */
    uint32_t tx_start;           /* endpoint_n_tx() when it was bound */
    bool sendable;               /* bound, not closing */
    bool tx_limited;             /* tx_mark is the peer's word */
    bool waiting;                /* on link->wait_head */
    bool wait_credit;
    bool later; /* waits only to have what it kept delivered again */

    /* Rest. */
    bool wants_peer; /* opened with dest ANY: announce again when unbound */
    bool announced;  /* the peer was told our address in this incarnation */
    bool closing, closed_told;
    bool finishing;  /* `closed` runs */
    bool was_routed; /* when it was closed: how its DESTROY is written */
    bool bound_told; /* `bound` ran, `unbound` has not yet */
    bool ending;     /* the peer closed; told after what was kept before has been delivered. It may
                      * have another peer by then, whose messages are kept behind */
    bool granting;   /* on link->grant_head */
    bool on_control;
    uint32_t n_held;
    uint32_t quota, window; /* slots: upper limit, promised now (window >= promise at open) */
    uint32_t base_window;   /* promised at open */
    uint32_t n_slots;       /* in use: kept messages, and held ones that had been kept */
    uint32_t n_borrowed;    /* shared slots in use beyond the window */
    bool resuming;
    bool missed; /* on node->missed */
    struct rpr_endpoint *next_missed;
    struct rpr_quota *shared;
    struct slot *kept_first, *kept_last;
    struct slot *redelivered; /* the first kept one, while the callback has it */
    struct rpr_endpoint *next_control, *next_wait, *next_grant;
    struct rpr_endpoint *next, *prev;          /* on the device, in order of opening */
    struct rpr_endpoint *next_name;            /* hash chain */
    struct rpr_endpoint *next_all, *next_free; /* memory: type-stable until the node is closed */
    struct rpr_timer again;                    /* announce again */
    uint64_t again_ms, bound_at_ns;
    uint64_t n_dropped;
    uint32_t fixed_addr; /* below 1024, or ANY */
    uint32_t fixed_dest;
    char name[RPR_NAME_MAX + 1];
    bool unanswered;    /* its CREATE has left, and nothing has come of it */
    uint32_t repeat_ms; /* until it is said again; 0: not said yet */
    uint32_t report_ms; /* lossy links: between two reports of what was sent; 0: none yet */
    uint64_t report_ns; /* when the next is due */
};

/* Messages dealt with, and sent: counted down to what happens next, which is the cheapest. */
static inline uint64_t endpoint_n_rx(const struct rpr_endpoint *e)
{
    return e->rx_mark - e->rx_left;
}

static inline uint64_t endpoint_n_tx(const struct rpr_endpoint *e)
{
    return e->tx_mark - (uint64_t)(int64_t)e->tx_left;
}

static inline bool endpoint_is_receptive(const struct rpr_endpoint *e)
{
    bool overtake = MUTANT(kept_messages_are_overtaken) && !(e->flags & RPR_EPT_MANUAL);

    return e->dest != RPMSG_ADDR_ANY && (!e->n_kept || overtake);
}

static inline uint32_t endpoint_generation(const struct rpr_endpoint *e)
{
    return atomic_load_explicit(&e->generation, memory_order_relaxed);
}

static inline rpr_ept_t endpoint_handle(struct rpr_endpoint *e)
{
    return (rpr_ept_t){e, endpoint_generation(e)};
}

struct rpr_endpoint *endpoint_get(rpr_ept_t ept); /* NULL: stale */
bool endpoint_enter(struct rpr_endpoint *e);      /* before a callback; false: closed */
void endpoint_leave(struct rpr_endpoint *e);      /* after it: finishes a close */
void endpoint_bind(struct rpr_endpoint *e, uint32_t dest);
void endpoint_unbind(struct rpr_endpoint *e, enum rpr_unbound_reason reason);
void endpoint_next_binding(struct rpr_endpoint *e); /* `ending`, and all of `told` is delivered */
void endpoint_device_up(struct rpr_endpoint *e);
void endpoint_device_down(struct rpr_endpoint *e);
void endpoint_told(struct rpr_endpoint *e); /* its name service word has left, or is void */
void endpoint_finish(struct rpr_endpoint *e);
void endpoint_finish_all(struct rpr_node *node); /* at the end of the node */
struct rpr_endpoint *endpoint_by_name(struct rpr_device *device, const char *name, uint32_t dest);
struct rpr_endpoint *endpoint_bound_to(struct rpr_device *device, const char *name, uint32_t dest);
struct rpr_endpoint *endpoint_ending_by_name(struct rpr_device *device, const char *name);
void endpoint_new_size(struct rpr_endpoint *e);  /* of its device's messages */
void endpoint_asked(struct rpr_endpoint *e);     /* its CREATE has left */
void endpoint_ask_again(struct rpr_endpoint *e); /* later, if it is not answered */
void endpoint_set_send(struct rpr_endpoint *e, struct rpr_link *link, uint32_t dest, bool sendable);

/* ---- device ---------------------------------------------------------------------------------------- */

#define ANNOUNCEMENTS_MAX 256u /* kept per device (ARCHITECTURE 5) */

struct announcement {
    struct announcement *next;
    uint32_t addr;
    bool taken; /* while it is offered: it goes if it is, and is not given up meanwhile */
    bool owed;  /* who would take it had no memory to do so: offered again */
    bool now;   /* it is among those that are offered again in this turn */
    bool spare; /* one of the node's spare ones */
    char name[RPMSG_NS_NAME_BYTES + 1];
};

/* A node has some announcements to keep what comes while there is no memory: they are free again as
 * soon as there is. */
#define ANNOUNCEMENTS_SPARE 8u

struct rpr_device {
    struct address_table addresses; /* a link's device: of all endpoints the link carries */
    struct rpr_device_counters counters;
    struct rpr_node *node;
    struct rpr_link *link; /* that carries it; NULL: routed and down */
    struct rpr_device *via;
    enum rpr_device_kind kind;
    enum rpr_device_state state;
    uint32_t tx_len, rx_len;
    uint32_t session;
    uint32_t id;      /* for hashing */
    uint32_t n_pairs; /* of a hub here, that it is an edge of: rpr_device_edge() */
    struct rpr_endpoint *first, *last;
    struct rpr_endpoint *cursor; /* next one of the walk that goes on now */
    uint32_t n_endpoints;
    struct announcement *announcements, *last_announcement;
    uint32_t n_announcements;
    uint64_t announcements_refused;
    uint32_t n_users; /* rpr_device_get() */
    bool dead;        /* removed from the node; freed with its last endpoint and user */
    struct rpr_device *next_dead;
    int (*power)(void *priv, bool running);
    void *priv;
    struct rpr_device *next;
    char name[RPR_NAME_MAX + 1];
    char reason[RPR_REASON_MAX];
};

static inline bool device_is_up(const struct rpr_device *d)
{
    return d->state == RPR_DEVICE_UP || d->state == RPR_DEVICE_SUSPENDED;
}

int device_add(struct rpr_node *node, const char *name, enum rpr_device_kind kind,
               struct rpr_device **device);
void device_remove(struct rpr_device *device);
void device_becomes_link(struct rpr_device *device); /* a link took a routed device's name */
void device_free(struct rpr_device *device);         /* if nothing uses it any more */
void device_set_state(struct rpr_device *device, enum rpr_device_state state, const char *reason);
void device_take_up(struct rpr_device *device, struct rpr_link *link, uint32_t tx_len,
                    uint32_t rx_len);
void device_take_down(struct rpr_device *device, enum rpr_device_state state, const char *reason);
struct rpr_device *device_routed_by_name(struct rpr_device *via, const char *cpu);

/* ---- name service: ns.c ------------------------------------------------------------------------------ */

/* How peers differ in the name service (WIRE 1.3). */
struct dialect {
    const char *name;
    bool ack;           /* knows CREATE_ACK: answer a CREATE with it */
    bool answer_create; /* no ACK: answer a CREATE with our own CREATE */
    bool latch;         /* our endpoint learns its peer from the first message */
};

const struct dialect *dialect_of(const struct rpr_link *link);

struct rpr_service {
    struct rpr_service *next, *next_closed;
    bool closed;
    struct rpr_node *node;
    const struct rpr_service_ops *ops;
    void *ctx;
    char name[RPR_NAME_MAX + 1];
};

void ns_receive(struct rpr_link *link, const uint8_t *payload, uint32_t len);
void ns_word(struct rpr_endpoint *e, enum ns_word word); /* queues it; replaces an older one */
void ns_forget(struct rpr_endpoint *e);                  /* takes it off the queue unsent */
void ns_flush(struct rpr_link *link);                    /* sends what the link takes */
bool ns_waits(const struct rpr_link *link); /* for the peer to hear words: nothing can be sent */
bool ns_take_announcement(struct rpr_device *device, const char *name, uint32_t *addr);
void ns_keep_announcement(struct rpr_device *device, const char *name, uint32_t addr);
void ns_drop_announcements(struct rpr_device *device);
void ns_hand_over(struct rpr_device *routed); /* what its hub's device kept for it */
void ns_init(struct rpr_node *node);

/* ---- credit: credit.c -------------------------------------------------------------------------------- */

#define CREDIT_FIRST  4u   /* messages that may be sent before the first grant (SPEC) */
#define CREDIT_WINDOW 256u /* of an endpoint that keeps nothing: its receiver is always ready */

void credit_reset(struct rpr_endpoint *e); /* nothing was sent nor received */
void credit_start(struct rpr_endpoint *e, struct rpr_link *link); /* at bind */
void credit_stop(struct rpr_endpoint *e);                         /* at unbind */
bool credit_extend(struct rpr_endpoint *e); /* tx_left is 0: may it go on? Under the lock */
void credit_wait(struct rpr_endpoint *e, struct rpr_link *link); /* it may not. Under the lock */
void credit_due(struct rpr_endpoint *e);                         /* rx_left is 0 */
void credit_dealt(struct rpr_endpoint *e, uint32_t bind); /* with a kept message of that binding */
void credit_flush(struct rpr_link *link);
bool credit_agreed(struct rpr_link *link); /* with who sent us a message of these */
void credit_receive(struct rpr_link *link, uint32_t dst, const uint8_t *payload, uint32_t len);

/* Links that lose messages: credit_attend() after credit_wait(), the rest is the timer's. */
void credit_attend(struct rpr_link *link);
void credit_report(struct rpr_link *link);

/* May one more message be sent without credit_extend()? Under the lock. */
static inline bool credit_left(const struct rpr_endpoint *e)
{
    return e->tx_left > 0;
}

static inline void credit_consumed(struct rpr_endpoint *e)
{
    if (RPR_UNLIKELY(--e->rx_left == 0))
        credit_due(e);
}

/* ---- words of the name service and the router on links that lose messages: words.c ------------------ */

void words_start(struct rpr_link *link); /* of a session */
void words_stop(struct rpr_link *link);
void words_free(struct rpr_link *link);
/* False: not now. On a link that is rpr_link_numbered(), under its lock. */
bool words_say(struct rpr_link *link, uint32_t src, uint32_t dst, const void *payload,
               uint32_t len);
/* It was said without a number, before it was known that the peer is one of ours: words_agreed() says
 * it again. For what does not matter to whoever hears it twice. */
void words_keep(struct rpr_link *link, uint32_t src, uint32_t dst, const void *payload,
                uint32_t len);
void words_agreed(struct rpr_link *link);
bool words_full(const struct rpr_link *link); /* until the peer has heard more */
/* Where words are numbered: has the peer not heard yet that an endpoint of this name ended? */
bool words_behind_end(const struct rpr_link *link, const char *name);
void words_answer(struct rpr_link *link); /* if the peer waits for it */
bool words_pending(const struct rpr_link *link);
void words_receive(struct rpr_link *link, const struct rpr_msg *msg);

/* ---- kept messages: receive.c ------------------------------------------------------------------------ */

void receive_drop_kept(struct rpr_endpoint *e);
void receive_resume(struct rpr_endpoint *e);
void receive_word(struct rpr_link *link, struct rpr_msg *msg, uint32_t dst); /* a numbered one */

/* ---- link: link.c ---------------------------------------------------------------------------------------- */

/* Locks held for a few instructions only; none on links opened single-threaded. The owner never
 * waits for one in the data path: link_trylock(). */
static inline void link_lock(struct rpr_link *link);
static inline void link_unlock(struct rpr_link *link);

static inline bool link_trylock(struct rpr_link *link);

void link_look_again(struct rpr_link *link);                         /* under the lock */
void link_wait(struct rpr_link *link, struct rpr_endpoint *e);       /* under the lock */
void link_unwait(struct rpr_link *link, struct rpr_endpoint *e);     /* under the lock */
void link_wait_later(struct rpr_link *link, struct rpr_endpoint *e); /* takes the lock */
void link_missed(struct rpr_link *link,
                 struct rpr_endpoint *e);      /* the owner found the lock taken */
void link_missed_again(struct rpr_node *node); /* tells those `writable` */
void link_like_ours(struct rpr_link *link);    /* the peer said something that only ours do */
void link_touch(struct rpr_link *link);        /* flush it at the end of this poll */
void link_flush_touched(struct rpr_node *node);
bool link_attend(struct rpr_link *link, unsigned budget); /* true: more is there */
bool link_poll(struct rpr_link *link, unsigned budget);   /* messages only; true: more is there */
void link_stop(struct rpr_link *link, struct rpr_endpoint *e); /* leave its messages unread */
void link_go_on(struct rpr_link *link, struct rpr_endpoint *e);
void link_go_on_all(struct rpr_node *node); /* slots came back: those that are stopped try again */
void link_released(struct rpr_link *link, struct rpr_incarnation *incarnation);
void link_bury(struct rpr_node *node); /* frees what nothing uses any more; no callback runs */
void link_broken_soon(struct rpr_link *link, const char *reason);
void link_hold(struct rpr_link *link); /* its session does not end before link_unhold() */
void link_unhold(struct rpr_link *link);
void link_end_all(struct rpr_node *node); /* at the end of the node */

/* ---- node: node.c ------------------------------------------------------------------------------------------ */

struct rpr_node {
    const struct rpr_platform *platform;
    uint64_t now_ns;
    struct rpr_link *polling; /* the link whose `poll` runs: its end waits for the return */
    bool in_poll;             /* rpr_node_poll() runs: doorbells wait for its end */
    bool unfinished;          /* a link has more than its turn of this poll could do */
    bool closing;             /* held messages and callbacks are not waited for any more */
    bool burying;             /* nor is the memory of connections */
    struct rpr_link *active;  /* looked at in each poll */
    struct rpr_link *touched; /* to be flushed at the end of this poll */
    struct rpr_link *links;
    uint32_t n_stopped;          /* links that an endpoint stopped (RPR_STOP_LINK) */
    struct rpr_endpoint *missed; /* to be told `writable`: the owner did not get a lock */
    struct rpr_timer *timers;
    uint64_t next_ns; /* when the first timer is due; RPR_POLL_IDLE: there is none */
    struct rpr_device *devices;
    struct rpr_device *dead; /* removed, still in use */
    struct rpr_service *services, *closed_services;
    uint32_t n_offering; /* walks over services go on: the closed ones stay in memory */
    struct rpr_observer *observers;
    struct observer_walk *walks;     /* rpr_event_emit() that go on */
    struct rpr_incarnation *zombies; /* of links that are down, with buffers outstanding */
    struct rpr_link *graves;         /* unregistered, with buffers outstanding */
    struct slot_pool pool;
    struct rpr_endpoint *all_endpoints, *free_endpoints;
    struct rpr_endpoint **names; /* hash table of endpoints by device and name */
    uint32_t n_names, names_mask;
    uint32_t next_device_id;
    void *lock; /* of `commands`; NULL: one thread */
    struct rpr_command *commands, **commands_end;
    _Atomic bool woken;     /* any thread, interrupts */
    _Atomic bool attention; /* a poll has more to do than links and timers; any thread */
    void *parts[RPR_N_PARTS];
    char name[RPR_NAME_MAX + 1];
    struct announcement spare[ANNOUNCEMENTS_SPARE];
    struct announcement *spare_first; /* those that are not in use */
    struct rpr_timer owed_timer;      /* there was no memory for what was announced */
};

void *node_alloc(struct rpr_node *node, size_t bytes);
void node_free(struct rpr_node *node, void *memory, size_t bytes);
void node_log(struct rpr_node *node, enum rpr_log_level level, const char *text);
void node_pool_empty(struct rpr_node *node, struct rpr_device *device, const char *which);
void node_event(struct rpr_node *node, enum rpr_event_kind kind, struct rpr_endpoint *e);
bool node_on_owner(const struct rpr_node *node);

/* Why a poll has more to do at a link than messages. */
enum attention {
    ATTENTION_NONE,
    ATTENTION_NEW,  /* since the link's last turn: nobody sleeps before the next */
    ATTENTION_KNOWN /* the last turn could not do it: waits for buffers, or for an end to a stop */
};

static inline void link_attention(struct rpr_link *link)
{
    atomic_store_explicit(&link->attention, ATTENTION_NEW, memory_order_relaxed);
}

static inline void node_attention(struct rpr_node *node)
{
    atomic_store_explicit(&node->attention, true, memory_order_release);
}

/* In debug builds everything that is the owner's checks that it is on it. */
#define CHECK_OWNER(node) RPR_ASSERT(node_on_owner(node))

static inline void link_lock(struct rpr_link *link)
{
    if (RPR_UNLIKELY(link->lock != NULL))
        link->node->platform->lock(link->lock);
}

static inline bool link_trylock(struct rpr_link *link)
{
    return RPR_LIKELY(link->lock == NULL) || link->node->platform->trylock(link->lock);
}

static inline void link_unlock(struct rpr_link *link)
{
    if (RPR_UNLIKELY(link->lock != NULL))
        link->node->platform->unlock(link->lock);
}

#endif
