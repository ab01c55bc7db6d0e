/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The link over two split rings: what struct rpr_link_ops asks for, in terms of ring.h.
 *
 * The hot functions exist once per role, made from one inline body with the role as a constant.
 */
#include <rpr/vring.h>

#include "vring/start.h"

#if defined(__SANITIZE_THREAD__)
char rpr_barrier_word;
#endif

/* One connection. Its arrays are private memory; the region it refers to is the platform's, which
 * hears by `detached` that nothing of it is used any more. */
struct session {
    struct rpr_incarnation incarnation;
    void (*detached)(void *ctx);
    void *ctx;
    const struct rpr_platform *platform;
    size_t bytes;
};

struct holder {
    struct rpr_endpoint *endpoint;
};

struct vring_link {
    struct rpr_link link;
    struct ring tx, rx;
    struct ring_region region;
    uint32_t
        poll_start; /* rx.taken, of the poll that runs: it lives here, not in a saved register */
    /* Tx buffers of ours, not reserved, from `free` up to `top`: the last returned first. Only
     * control may take the one below `spare`. */
    struct ring_buffer **top, **free, **spare;
    bool driver;
    bool locked;
    /* What a sender found in the tx ring: the owner breaks the link. */
    _Atomic(const char *) wrong;
    void (*ring)(void *ctx, bool to_tx_ring);
    void *ring_ctx;
    uint8_t *own_power;
    const uint8_t *peer_power;
    struct rpr_vring_cpus cpus;
    uint32_t peer_power_seen;
    struct holder *holders; /* who holds which rx buffer */
    struct rpr_vring_port port;
    const struct rpr_platform *platform;
};

static struct vring_link *vring_of(struct rpr_link *link)
{
    return RPR_CONTAINER(link, struct vring_link, link);
}

/* ---- sending --------------------------------------------------------------------------------------- */

#define BAD_INDEX "a ring index out of range"

/* Takes back what the peer returned. A ring with an entry that cannot be is not to be trusted any
 * more: no more is sent, and the owner's next poll breaks the link. */
RPR_INLINE void reclaim(struct vring_link *v, bool driver)
{
    const struct ring tx = v->tx; /* of which nothing changes here but `taken` */
    struct ring_buffer **top = v->top;
    uint32_t taken = tx.taken;
    int n = ring_pending(&tx);
    const char *wrong = n < 0 ? BAD_INDEX : NULL;

    for (; n > 0; n--) {
        uint32_t size;

        wrong = ring_look(&tx, driver, taken, top, &size);
        if (RPR_UNLIKELY(wrong != NULL))
            break;
        (*top++)->ours = true;
        taken++;
    }
    v->tx.taken = taken;
    v->top = top;
    if (RPR_UNLIKELY(wrong != NULL))
        atomic_store_explicit(&v->wrong, wrong, memory_order_relaxed);
}

/* After publishing, when the peer is at work already. Enough to be worth it, few enough that those in
 * use stay in the cache. */
#define RECLAIM_AT 16u

RPR_INLINE void reclaim_some(struct vring_link *v, bool driver)
{
    if (ring_outstanding(&v->tx) >= RECLAIM_AT)
        reclaim(v, driver);
}

static inline uint32_t n_free(const struct vring_link *v)
{
    return (uint32_t)(v->top - v->free);
}

/* Is there a buffer for data, or for `control`, which may take the last one? */
RPR_INLINE bool have_buffer(struct vring_link *v, bool control, bool driver)
{
    if (RPR_UNLIKELY(v->top <= v->spare))
        reclaim(v, driver);
    return RPR_LIKELY(v->top >
                      (control || MUTANT(data_takes_the_last_buffer) ? v->free : v->spare)) &&
           RPR_LIKELY(!atomic_load_explicit(&v->wrong, memory_order_relaxed));
}

RPR_INLINE int reserve(struct rpr_link *link, struct rpr_slot *slot, bool control, bool driver)
{
    struct vring_link *v = vring_of(link);
    const struct ring_buffer *b;

    if (RPR_UNLIKELY(!have_buffer(v, control, driver)))
        return -RPR_EAGAIN;
    b = *--v->top;
    slot->msg = b->at;
    slot->size = b->size;
    slot->id = b->id;
    return 0;
}

RPR_INLINE void commit(struct rpr_link *link, uint32_t id, uint32_t len, bool driver)
{
    struct vring_link *v = vring_of(link);

    if (!MUTANT(message_stays_in_the_cache))
        rpr_cache_clean(v->tx.buffers[id].at, len);
    (void)len;
    ring_give(&v->tx, driver, &v->tx.buffers[id]);
}

static void cancel(struct rpr_link *link, uint32_t id)
{
    struct vring_link *v = vring_of(link);

    *v->top++ = &v->tx.buffers[id];
}

static inline void ring_if_wanted(struct vring_link *v, const struct ring *r)
{
    if (ring_wanted(r) || MUTANT(rings_who_is_awake))
        v->ring(v->ring_ctx, r == &v->tx);
}

/* Messages have been committed, or buffers returned: at most one doorbell for all of them. */
RPR_INLINE void flush_one(struct vring_link *v, struct ring *r)
{
    ring_publish(r);
    if (!MUTANT(flush_has_no_full_barrier))
        rpr_barrier_full(); /* pairs with the one in arm() */
    ring_if_wanted(v, r);
}

/* The same for both with one barrier. */
static void flush_both(struct vring_link *v)
{
    ring_publish(&v->tx);
    ring_publish(&v->rx);
    if (!MUTANT(flush_of_both_has_no_full_barrier))
        rpr_barrier_full(); /* pairs with the one in arm() */
    ring_if_wanted(v, &v->tx);
    ring_if_wanted(v, &v->rx);
}

/* With locks, any thread comes here, and the rx ring is the owner's alone: see flush_returned(). */
RPR_INLINE void flush(struct rpr_link *link, bool driver)
{
    struct vring_link *v = vring_of(link);
    bool tx = ring_unpublished(&v->tx);
    bool rx = !v->locked && ring_unpublished(&v->rx);

    if (tx && rx)
        flush_both(v);
    else if (tx)
        flush_one(v, &v->tx);
    else if (rx)
        flush_one(v, &v->rx);
    if (tx)
        reclaim_some(v, driver);
}

/* A link that is touched is flushed in a moment, with one barrier for what was sent meanwhile too. */
RPR_INLINE void flush_returned(struct vring_link *v)
{
    if (RPR_LIKELY(!v->link.touched) || v->locked)
        flush_one(v, &v->rx);
}

/* rpr_send() in the usual case, where each instruction counts: a free buffer, and a length that
 * needs no call to be copied. All others take the way of reserve() and commit(). */
RPR_INLINE int send_any(struct rpr_endpoint *sender, uint64_t header, const void *data, size_t len,
                        struct rpr_link *link, bool driver)
{
    struct vring_link *v = vring_of(link);
    struct rpr_slot slot;

    if (RPR_UNLIKELY(reserve(link, &slot, false, driver)))
        return rpr_link_full(link, sender, 0);
    if (RPR_UNLIKELY(slot.size < RPR_HEADER_BYTES + len)) {
        v->top++;
        return rpr_link_full(link, sender, slot.size);
    }
    put_le64(slot.msg, header);
    if (!MUTANT(reserved_word_is_what_was_there))
        put_le32(slot.msg + 8, 0);          /* reserved */
    put_le32(slot.msg + 12, (uint32_t)len); /* and flags 0 */
    memcpy(slot.msg + RPR_HEADER_BYTES, data, len);
    commit(link, slot.id, RPR_HEADER_BYTES + (uint32_t)len, driver);
    return 0;
}

RPR_INLINE bool send_quick(uint64_t header, const void *data, size_t len, struct vring_link *v,
                           bool driver)
{
    struct ring_buffer **top = v->top;
    struct ring_buffer *b;
    uint8_t *at;

    if (RPR_UNLIKELY(top <= v->spare) ||
        RPR_UNLIKELY(len - BYTES_SHORT_MIN > BYTES_SHORT_MAX - BYTES_SHORT_MIN))
        return false;
    b = *--top;
    /* A driver made its buffers itself, of the size that the core knows as tx_len. */
    RPR_ASSERT(!driver || b->size >= RPR_HEADER_BYTES + len);
    if (!driver && RPR_UNLIKELY(b->size < RPR_HEADER_BYTES + len))
        return false;
    v->top = top;
    at = b->at;
    put_le64(at, header);
    put_le32(at + 8, 0);              /* reserved */
    put_le32(at + 12, (uint32_t)len); /* and flags 0 */
    bytes_copy_short(at + RPR_HEADER_BYTES, data, len);
    rpr_cache_clean(at, RPR_HEADER_BYTES + len);
    ring_give(&v->tx, driver, b);
    return true;
}

RPR_INLINE bool writable(struct rpr_link *link, bool driver)
{
    struct vring_link *v = vring_of(link);

    reclaim(v, driver);
    return have_buffer(v, false, driver);
}

/* ---- receiving -------------------------------------------------------------------------------------- */

static void see_power(struct vring_link *v)
{
    uint32_t now = ring_read32(v->peer_power);

    if (RPR_LIKELY(now == v->peer_power_seen))
        return;
    v->peer_power_seen = now;
    rpr_link_power(&v->link, now == 0);
}

/* The buffer is lent to who holds it. */
static RPR_COLD void hold(struct vring_link *v, struct ring_buffer *b)
{
    ring_take(&v->rx, b);
    v->holders[b->id].endpoint = v->link.holder;
}

/* A peer that begins anew wipes the rings before it says so: that is no fault of its. */
static RPR_COLD unsigned broken(struct vring_link *v, const char *wrong)
{
    if (!v->port.ended || !v->port.ended(v->port.ctx))
        rpr_link_broken(&v->link, wrong);
    return 0;
}

/* Nothing has come, or (n < 0) nonsense. What needs no message is looked at here only. */
static unsigned poll_nothing(struct vring_link *v, int n)
{
    const char *wrong = atomic_load_explicit(&v->wrong, memory_order_relaxed);

    if (RPR_UNLIKELY(n < 0) || RPR_UNLIKELY(wrong != NULL))
        return broken(v, wrong ? wrong : BAD_INDEX);
    if (v->peer_power)
        see_power(v);
    if (ring_unpublished(&v->rx))
        flush_returned(v);
    return 0;
}

RPR_INLINE unsigned poll(struct rpr_link *link, unsigned budget, bool driver)
{
    struct vring_link *v = vring_of(link);
    struct ring *rx = &v->rx;
    int n = ring_pending(rx);

    RPR_ASSERT(budget);
    if (RPR_UNLIKELY(n <= 0))
        return poll_nothing(v, n);
    if (n > (int)budget)
        n = (int)budget;
    v->poll_start = rx->taken;
    do {
        enum rpr_link_rx_result result;
        struct ring_buffer *b;
        uint32_t size;
        const char *wrong = ring_look(rx, driver, rx->taken, &b, &size);

        if (RPR_UNLIKELY(wrong != NULL))
            return broken(v, wrong);
        if (!MUTANT(message_of_before_is_in_the_cache))
            rpr_cache_invalidate(b->at, size);
        result = rpr_link_rx(link, b->at, size, b->id);
        if (RPR_LIKELY(result == RPR_LINK_RX_DONE))
            ring_return(rx, driver, b);
        else if (result == RPR_LINK_RX_HELD)
            hold(v, b);
        else
            break;
    } while (--n != 0);
    flush_returned(v);
    return rx->taken - v->poll_start;
}

RPR_INLINE void release(struct rpr_link *link, uint32_t id, bool driver)
{
    struct vring_link *v = vring_of(link);

    v->holders[id].endpoint = NULL;
    ring_give(&v->rx, driver, &v->rx.buffers[id]);
    if (v->locked)
        flush_one(v, &v->rx);
}

/* ---- doorbells ------------------------------------------------------------------------------------------ */

static void disarm(struct rpr_link *link)
{
    struct vring_link *v = vring_of(link);

    ring_set_quiet(&v->rx, true);
    ring_set_quiet(&v->tx, true);
}

static bool anything_came(struct vring_link *v, bool want_writable)
{
    if (v->peer_power && ring_read32(v->peer_power) != v->peer_power_seen)
        return true;
    return ring_pending(&v->rx) != 0 || (want_writable && ring_pending(&v->tx) != 0);
}

static bool arm(struct rpr_link *link, bool want_writable)
{
    struct vring_link *v = vring_of(link);

    ring_set_quiet(&v->rx, false);
    ring_set_quiet(&v->tx, !want_writable);
    if (!MUTANT(arm_has_no_full_barrier))
        rpr_barrier_full(); /* pairs with those in flush(): one of us sees the other */
    if (!anything_came(v, want_writable && !MUTANT(sleeps_without_a_last_look_for_buffers)))
        return true;
    disarm(link);
    return false;
}

static int power(struct rpr_link *link, bool running)
{
    struct vring_link *v = vring_of(link);

    if (!v->own_power)
        return -RPR_ENOTSUP;
    ring_write32(v->own_power, running ? 0 : 1);
    if (!MUTANT(power_has_no_full_barrier))
        rpr_barrier_full();
    v->ring(v->ring_ctx, true);
    return 0;
}

struct rpr_vring_cpus rpr_vring_cpus(const struct rpr_link *link)
{
    return RPR_CONTAINER(link, const struct vring_link, link)->cpus;
}

/* ---- the two roles ---------------------------------------------------------------------------------------- */

#define ROLE_FUNCTIONS(role, driver)                                                       \
    static int role##_reserve(struct rpr_link *link, struct rpr_slot *slot, bool control)  \
    {                                                                                      \
        return reserve(link, slot, control, driver);                                       \
    }                                                                                      \
    static void role##_commit(struct rpr_link *link, uint32_t id, uint32_t len)            \
    {                                                                                      \
        commit(link, id, len, driver);                                                     \
    }                                                                                      \
    static __attribute__((noinline)) void role##_flush(struct rpr_link *link)              \
    {                                                                                      \
        flush(link, driver);                                                               \
    }                                                                                      \
    static __attribute__((noinline)) int role##_rung(struct vring_link *v)                 \
    {                                                                                      \
        ring_if_wanted(v, &v->tx);                                                         \
        reclaim_some(v, driver);                                                           \
        return 0;                                                                          \
    }                                                                                      \
    static __attribute__((noinline)) int role##_sent(struct rpr_link *link)                \
    {                                                                                      \
        struct vring_link *v = vring_of(link);                                             \
                                                                                           \
        ring_publish(&v->tx);                                                              \
        if (!MUTANT(send_has_no_full_barrier))                                             \
            rpr_barrier_full(); /* pairs with the one in arm() */                          \
        if (RPR_UNLIKELY(ring_wanted(&v->tx)))                                             \
            return role##_rung(v);                                                         \
        reclaim_some(v, driver);                                                           \
        return 0;                                                                          \
    }                                                                                      \
    static __attribute__((noinline)) int role##_send_any(                                  \
        struct rpr_endpoint *sender, uint64_t header, const void *data, size_t len,        \
        unsigned flags, struct rpr_link *link)                                             \
    {                                                                                      \
        int error = send_any(sender, header, data, len, link, driver);                     \
                                                                                           \
        return error || (flags & RPR_MORE) ? error : role##_sent(link);                    \
    }                                                                                      \
    static int role##_send(struct rpr_endpoint *sender, uint64_t header, const void *data, \
                           size_t len, unsigned flags, struct rpr_link *link)              \
    {                                                                                      \
        if (!send_quick(header, data, len, vring_of(link), driver))                        \
            return role##_send_any(sender, header, data, len, flags, link);                \
        return flags & RPR_MORE ? 0 : role##_sent(link);                                   \
    }                                                                                      \
    static bool role##_writable(struct rpr_link *link)                                     \
    {                                                                                      \
        return writable(link, driver);                                                     \
    }                                                                                      \
    static unsigned role##_poll(struct rpr_link *link, unsigned budget)                    \
    {                                                                                      \
        return poll(link, budget, driver);                                                 \
    }                                                                                      \
    static void role##_release(struct rpr_link *link, uint32_t id)                         \
    {                                                                                      \
        release(link, id, driver);                                                         \
    }

ROLE_FUNCTIONS(driver, true)
ROLE_FUNCTIONS(device, false)

/* ---- what is shown ------------------------------------------------------------------------------------------- */

static bool queue_info(struct rpr_link *link, unsigned index, struct rpr_queue_info *info)
{
    struct vring_link *v = vring_of(link);
    const struct ring *r = index ? &v->rx : &v->tx;
    int pending;

    if (index > 1)
        return false;
    pending = ring_pending(r);
    info->name = index ? "rx" : "tx";
    info->size = r->mask + 1;
    info->free = index ? ring_outstanding(r) : n_free(v);
    info->pending = index ? (uint32_t)(pending < 0 ? 0 : pending) : ring_outstanding(r);
    info->own_index = (uint16_t)r->given;
    info->peer_index = (uint16_t)r->taken;
    info->flags = ring_read16(r->peer_flag);
    return true;
}

static bool is_free(const struct vring_link *v, uint32_t id)
{
    for (struct ring_buffer **at = v->free; at < v->top; at++)
        if ((*at)->id == id)
            return true;
    return false;
}

/* The cursor counts through the rx buffers, then the tx buffers. */
static bool buffer_info(struct rpr_link *link, unsigned *cursor, struct rpr_buffer_info *info)
{
    struct vring_link *v = vring_of(link);
    uint32_t n_rx = v->rx.mask + 1;

    for (; *cursor < n_rx + v->tx.mask + 1; ++*cursor) {
        uint32_t id = *cursor < n_rx ? *cursor : *cursor - n_rx;
        bool rx = *cursor < n_rx;

        if (rx ? !v->holders[id].endpoint : (!v->tx.buffers[id].ours || is_free(v, id)))
            continue;
        info->queue = rx ? "rx" : "tx";
        info->id = id;
        info->holder = rx ? v->holders[id].endpoint : NULL;
        ++*cursor;
        return true;
    }
    return false;
}

/* ---- life -------------------------------------------------------------------------------------------------------- */

static void link_open(struct rpr_link *link)
{
    struct vring_link *v = vring_of(link);

    v->port.open(v->port.ctx);
}

static void link_close(struct rpr_link *link)
{
    struct vring_link *v = vring_of(link);

    v->port.close(v->port.ctx);
}

static void link_destroy(struct rpr_link *link)
{
    struct vring_link *v = vring_of(link);
    const struct rpr_platform *platform = v->platform;

    if (v->port.destroy)
        v->port.destroy(v->port.ctx);
    platform->free(platform->ctx, v, sizeof *v);
}

#define OPS(role)                                                                     \
    {                                                                                 \
        .strict = true, .open = link_open, .close = link_close, .send = role##_send,  \
        .reserve = role##_reserve, .commit = role##_commit, .cancel = cancel,         \
        .flush = role##_flush, .writable = role##_writable, .poll = role##_poll,      \
        .release = role##_release, .arm = arm, .disarm = disarm, .power = power,      \
        .queue_info = queue_info, .buffer_info = buffer_info, .destroy = link_destroy \
    }

static const struct rpr_link_ops driver_ops = OPS(driver);
static const struct rpr_link_ops device_ops = OPS(device);

int rpr_vring_open(struct rpr_node *node, const struct rpr_vring_config *config,
                   struct rpr_link **link)
{
    const struct rpr_platform *platform = rpr_node_platform(node);
    struct vring_link *v = platform->alloc(platform->ctx, sizeof *v);
    int error;

    if (!v)
        return -RPR_ENOMEM;
    v->port = config->port;
    v->platform = platform;
    v->locked = config->locked;
    *link = &v->link; /* the port's open() may need it */
    error = rpr_link_register(node, &v->link, &driver_ops, config->remote, config->kind,
                              config->locked);
    if (error)
        platform->free(platform->ctx, v, sizeof *v);
    return error;
}

static void session_destroy(struct rpr_incarnation *incarnation)
{
    struct session *s = RPR_CONTAINER(incarnation, struct session, incarnation);
    const struct rpr_platform *platform = s->platform;

    if (s->detached)
        s->detached(s->ctx);
    platform->free(platform->ctx, s, s->bytes);
}

/* One allocation for the session and all private arrays of both rings. */
static struct session *session_new(struct vring_link *v, const struct rpr_vring_session *c)
{
    const struct rpr_vring_ring *rings = c->layout.ring;
    bool driver = c->role == RPR_VRING_DRIVER;
    uint32_t n_tx = rings[driver ? RING_TO_DEVICE : RING_TO_DRIVER].num;
    uint32_t n_rx = rings[driver ? RING_TO_DRIVER : RING_TO_DEVICE].num;
    size_t bytes = sizeof(struct session) + (n_tx + (size_t)n_rx) * sizeof(struct ring_buffer) +
                   n_rx * sizeof(struct holder) + n_tx * sizeof(struct ring_buffer *);
    struct session *s = v->platform->alloc(v->platform->ctx, bytes);

    if (!s)
        return NULL;
    s->bytes = bytes;
    s->platform = v->platform;
    s->incarnation.destroy = session_destroy;
    s->detached = c->detached;
    s->ctx = c->ctx;
    v->tx.buffers = (struct ring_buffer *)(void *)(s + 1);
    v->rx.buffers = v->tx.buffers + n_tx;
    v->holders = (struct holder *)(void *)(v->rx.buffers + n_rx);
    v->free = (struct ring_buffer **)(void *)(v->holders + n_rx);
    return s;
}

static void start_rings(struct vring_link *v, const struct rpr_vring_session *c)
{
    unsigned tx = v->driver ? RING_TO_DEVICE : RING_TO_DRIVER;
    unsigned rx = v->driver ? RING_TO_DRIVER : RING_TO_DEVICE;

    v->region = (struct ring_region){.base = c->base, .da = c->base_da, .bytes = c->layout.bytes};
    ring_init(&v->tx, c, v->driver, tx, &v->region);
    ring_init(&v->rx, c, v->driver, rx, &v->region);
    v->top = v->free;
    v->spare = v->free + 1;
    if (!v->driver) {
        device_start(&v->tx);
        device_start(&v->rx);
    } else {
        driver_start(&v->tx, c, tx);
        driver_start(&v->rx, c, rx);
        for (uint32_t id = c->layout.ring[tx].num; id-- > 0;)
            *v->top++ = &v->tx.buffers[id];
        for (uint32_t id = 0; id <= v->rx.mask; id++)
            ring_give(&v->rx, true, &v->rx.buffers[id]);
        ring_publish(&v->rx);
    }
    ring_set_quiet(&v->rx, true); /* we look anyway, until arm() */
    ring_set_quiet(&v->tx, true);
}

static void start_words(struct vring_link *v, const struct rpr_vring_session *c)
{
    const struct rpr_vring_layout *l = &c->layout;
    uint32_t own_power = v->driver ? l->driver_power : l->device_power;
    uint32_t peer_power = v->driver ? l->device_power : l->driver_power;
    uint32_t own_cpu = v->driver ? l->driver_cpu : l->device_cpu;
    uint32_t peer_cpu = v->driver ? l->device_cpu : l->driver_cpu;
    uint8_t *base = c->base;

    v->own_power = own_power ? base + own_power : NULL;
    v->peer_power = peer_power ? base + peer_power : NULL;
    v->cpus.own = own_cpu ? base + own_cpu : NULL;
    v->cpus.peer = peer_cpu ? base + peer_cpu : NULL;
    v->peer_power_seen = 0;
}

/* What a device can send is what the driver's buffers hold: it sees the first one's size. */
static uint32_t tx_payload(const struct vring_link *v, const struct rpr_vring_session *c)
{
    uint32_t size = c->layout.ring[v->driver ? RING_TO_DEVICE : RING_TO_DRIVER].size;

    return size - RPR_HEADER_BYTES;
}

/* A payload of at least one byte, and a length that the header can say. A driver makes the buffers:
 * it must know where. */
static bool size_is_sound(const struct rpr_vring_ring *r, enum rpr_vring_role role)
{
    return r->size > RPR_HEADER_BYTES && r->size <= UINT16_MAX &&
           (role == RPR_VRING_DEVICE || r->stride);
}

int rpr_vring_attach(struct rpr_link *link, const struct rpr_vring_session *c)
{
    struct vring_link *v = vring_of(link);
    struct session *s;

    if (link->incarnation || link->removed)
        return -RPR_EBUSY;
    if (rpr_vring_layout_check(&c->layout, c->layout.bytes) || ((uintptr_t)c->base & 3u) ||
        !size_is_sound(&c->layout.ring[0], c->role) || !size_is_sound(&c->layout.ring[1], c->role))
        return -RPR_EINVAL;
    s = session_new(v, c);
    if (!s)
        return -RPR_ENOMEM;
    v->driver = c->role == RPR_VRING_DRIVER;
    v->ring = c->ring;
    v->ring_ctx = c->ctx;
    atomic_store_explicit(&v->wrong, NULL, memory_order_relaxed);
    start_rings(v, c);
    start_words(v, c);
    link->ops = v->driver ? &driver_ops : &device_ops;
    rpr_link_up(link,
                &(struct rpr_session){
                    .incarnation = &s->incarnation,
                    .tx_len = tx_payload(v, c),
                    .rx_len = c->layout.ring[v->driver ? RING_TO_DRIVER : RING_TO_DEVICE].size -
                              RPR_HEADER_BYTES,
                    .dialect = c->dialect,
                    .credit = c->credit,
                    .may_ack = c->may_ack});
    return 0;
}

void rpr_vring_detach(struct rpr_link *link, const char *reason, bool drain)
{
    struct vring_link *v = vring_of(link);

    if (drain && !MUTANT(ring_is_not_drained_at_the_end))
        rpr_link_drain(link, v->rx.mask + 1);
    rpr_link_down(link, reason);
}
