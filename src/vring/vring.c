/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The link over two split rings: what struct rpr_link_ops asks for, in terms of ring.h.
 *
 * The hot functions exist once per role, made from one inline body with the role as a constant.
 */
#include <rpr/vring.h>

#include "vring/ring.h"

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
    uint16_t *free_ids; /* tx buffers that are ours and not reserved; the last returned on top */
    uint32_t n_free;
    bool always_ring;
    bool driver;
    const char
        *wrong; /* what a sender found in the tx ring: the owner's next poll breaks the link */
    void (*ring)(void *ctx, bool to_tx_ring);
    void *ring_ctx;
    uint8_t *own_power, *own_cpu;
    const uint8_t *peer_power, *peer_cpu;
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

/* Takes back what the peer returned. False: the ring is not to be trusted any more. */
static inline bool reclaim(struct vring_link *v, bool driver)
{
    int n = ring_pending(&v->tx);

    if (RPR_LIKELY(n == 0))
        return !v->wrong;
    if (RPR_UNLIKELY(n < 0))
        v->wrong = BAD_INDEX;
    while (n-- > 0 && !v->wrong) {
        uint32_t id, size;

        v->wrong = ring_take(&v->tx, driver, &id, &size);
        if (RPR_LIKELY(!v->wrong))
            v->free_ids[v->n_free++] = (uint16_t)id;
    }
    return !v->wrong;
}

static inline int reserve(struct rpr_link *link, struct rpr_slot *slot, bool control, bool driver)
{
    struct vring_link *v = vring_of(link);
    const struct ring_buffer *b;
    uint32_t id;

    if (RPR_UNLIKELY(!reclaim(v, driver)) || RPR_UNLIKELY(v->n_free <= !control))
        return -RPR_EAGAIN;
    id = v->free_ids[--v->n_free];
    b = &v->tx.buffers[id];
    slot->msg = b->at;
    slot->size = b->size;
    slot->id = id;
    return 0;
}

static inline void commit(struct rpr_link *link, uint32_t id, uint32_t len, bool driver)
{
    struct vring_link *v = vring_of(link);

    rpr_cache_clean(v->tx.buffers[id].at, len);
    (void)len;
    ring_give(&v->tx, driver, id);
}

static void cancel(struct rpr_link *link, uint32_t id)
{
    struct vring_link *v = vring_of(link);

    v->free_ids[v->n_free++] = (uint16_t)id;
}

/* Publishes both directions with one full barrier, and rings at most once for each. */
static inline void ring_both(struct vring_link *v)
{
    bool tx = ring_publish(&v->tx);
    bool rx = ring_publish(&v->rx);

    if (!tx && !rx)
        return;
    rpr_barrier_full(); /* pairs with the one in arm() */
    if (tx && (ring_wanted(&v->tx) || v->always_ring))
        v->ring(v->ring_ctx, true);
    if (rx && (ring_wanted(&v->rx) || v->always_ring))
        v->ring(v->ring_ctx, false);
}

static void flush(struct rpr_link *link)
{
    ring_both(vring_of(link));
}

/* rpr_send(): everything from the free buffer to the doorbell in one piece. */
static inline int send(struct rpr_link *link, const void *data, size_t len, uint64_t header,
                       unsigned flags, struct rpr_endpoint *sender, bool driver)
{
    struct vring_link *v = vring_of(link);
    const struct ring_buffer *b;
    uint8_t *at;
    uint32_t id;

    if (RPR_UNLIKELY(!reclaim(v, driver)) || RPR_UNLIKELY(v->n_free <= !(flags & RPR_SEND_CONTROL)))
        return rpr_link_full(link, sender, flags, 0);
    id = v->free_ids[v->n_free - 1];
    b = &v->tx.buffers[id];
    at = b->at;
    if (RPR_UNLIKELY(b->size < RPR_HEADER_BYTES + len))
        return rpr_link_full(link, sender, flags, b->size);
    v->n_free--;
    put_le64(at, header);
    put_le64(at + 8, (uint64_t)len << 32); /* reserved, len, flags */
    memcpy(at + RPR_HEADER_BYTES, data, len);
    rpr_cache_clean(at, RPR_HEADER_BYTES + len);
    ring_give(&v->tx, driver, id);
    if (!(flags & RPR_MORE))
        ring_both(v);
    return 0;
}

static inline bool writable(struct rpr_link *link, bool driver)
{
    struct vring_link *v = vring_of(link);

    return reclaim(v, driver) && v->n_free > 1;
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

static inline unsigned poll(struct rpr_link *link, unsigned budget, bool driver)
{
    struct vring_link *v = vring_of(link);
    struct ring *rx = &v->rx;
    int n = ring_pending(rx);
    unsigned done;

    if (v->peer_power)
        see_power(v);
    if (RPR_UNLIKELY(n < 0 || v->wrong)) {
        rpr_link_broken(link, n < 0 ? BAD_INDEX : v->wrong);
        return 0;
    }
    if ((unsigned)n < budget)
        budget = (unsigned)n;
    for (done = 0; done < budget; done++) {
        enum rpr_link_rx_result result;
        uint32_t id, size;
        const char *wrong = ring_take(rx, driver, &id, &size);

        if (RPR_UNLIKELY(wrong != NULL)) {
            rpr_link_broken(link, wrong);
            return 0;
        }
        rpr_cache_invalidate(rx->buffers[id].at, size);
        result = rpr_link_rx(link, rx->buffers[id].at, size, id);
        if (RPR_LIKELY(result == RPR_LINK_RX_DONE)) {
            ring_give(rx, driver, id);
        } else if (result == RPR_LINK_RX_HELD) {
            v->holders[id].endpoint = link->holder;
        } else {
            ring_untake(rx, id);
            break;
        }
    }
    ring_both(v);
    return done;
}

static inline void release(struct rpr_link *link, uint32_t id, bool driver)
{
    struct vring_link *v = vring_of(link);

    v->holders[id].endpoint = NULL;
    ring_give(&v->rx, driver, id);
}

/* ---- doorbells ------------------------------------------------------------------------------------------ */

static bool arm(struct rpr_link *link, bool want_writable)
{
    struct vring_link *v = vring_of(link);

    ring_set_quiet(&v->rx, false);
    ring_set_quiet(&v->tx, !want_writable);
    rpr_barrier_full(); /* pairs with the one in flush(): one of us sees the other */
    if (v->peer_power && ring_read32(v->peer_power) != v->peer_power_seen)
        return false;
    return ring_pending(&v->rx) == 0 && (!want_writable || ring_pending(&v->tx) == 0);
}

static void disarm(struct rpr_link *link)
{
    struct vring_link *v = vring_of(link);

    ring_set_quiet(&v->rx, true);
    ring_set_quiet(&v->tx, true);
}

static int power(struct rpr_link *link, bool running)
{
    struct vring_link *v = vring_of(link);

    if (!v->own_power)
        return -RPR_ENOTSUP;
    ring_write32(v->own_power, running ? 0 : 1);
    rpr_barrier_full();
    v->ring(v->ring_ctx, true);
    return 0;
}

int rpr_vring_peer_cpu(const struct rpr_link *link)
{
    const struct vring_link *v = RPR_CONTAINER(link, const struct vring_link, link);

    return v->link.incarnation && v->peer_cpu ? (int)ring_read32(v->peer_cpu) - 1 : -1;
}

void rpr_vring_own_cpu(struct rpr_link *link, int cpu)
{
    struct vring_link *v = vring_of(link);

    if (v->link.incarnation && v->own_cpu)
        ring_write32(v->own_cpu, (uint32_t)(cpu + 1));
}

/* ---- the two roles ---------------------------------------------------------------------------------------- */

#define ROLE_FUNCTIONS(role, driver)                                                             \
    static int role##_reserve(struct rpr_link *link, struct rpr_slot *slot, bool control)        \
    {                                                                                            \
        return reserve(link, slot, control, driver);                                             \
    }                                                                                            \
    static void role##_commit(struct rpr_link *link, uint32_t id, uint32_t len)                  \
    {                                                                                            \
        commit(link, id, len, driver);                                                           \
    }                                                                                            \
    static int role##_send(struct rpr_link *link, const void *data, size_t len, uint64_t header, \
                           unsigned flags, struct rpr_endpoint *sender)                          \
    {                                                                                            \
        return send(link, data, len, header, flags, sender, driver);                             \
    }                                                                                            \
    static bool role##_writable(struct rpr_link *link)                                           \
    {                                                                                            \
        return writable(link, driver);                                                           \
    }                                                                                            \
    static unsigned role##_poll(struct rpr_link *link, unsigned budget)                          \
    {                                                                                            \
        return poll(link, budget, driver);                                                       \
    }                                                                                            \
    static void role##_release(struct rpr_link *link, uint32_t id)                               \
    {                                                                                            \
        release(link, id, driver);                                                               \
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
    info->free = index ? ring_outstanding(r) : v->n_free;
    info->pending = index ? (uint32_t)(pending < 0 ? 0 : pending) : ring_outstanding(r);
    info->own_index = r->given;
    info->peer_index = r->taken;
    info->flags = ring_read16(r->peer_flag);
    return true;
}

static bool is_free(const struct vring_link *v, uint32_t id)
{
    for (uint32_t i = 0; i < v->n_free; i++)
        if (v->free_ids[i] == id)
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

#define OPS(role)                                                                                \
    {                                                                                            \
        .strict = true, .open = link_open, .close = link_close, .send = role##_send,             \
        .reserve = role##_reserve, .commit = role##_commit, .cancel = cancel, .flush = flush,    \
        .writable = role##_writable, .poll = role##_poll, .release = role##_release, .arm = arm, \
        .disarm = disarm, .power = power, .queue_info = queue_info, .buffer_info = buffer_info,  \
        .destroy = link_destroy                                                                  \
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
                   n_rx * sizeof(struct holder) + n_tx * sizeof(uint16_t);
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
    v->free_ids = (uint16_t *)(void *)(v->holders + n_rx);
    return s;
}

static void ring_init(struct ring *r, const struct rpr_vring_session *c, unsigned index)
{
    const struct rpr_vring_ring *l = &c->layout.ring[index];
    bool driver = c->role == RPR_VRING_DRIVER;
    uint8_t *base = c->base;

    r->give = base + (driver ? l->avail : l->used);
    r->take = base + (driver ? l->used : l->avail);
    r->own_flag = base + (driver ? l->driver_flag : l->device_flag);
    r->peer_flag = base + (driver ? l->device_flag : l->driver_flag);
    r->desc = base + l->desc;
    r->mask = l->num - 1;
    r->given = r->published = r->taken = 0;
    r->outstanding = driver ? 0 : (uint16_t)l->num;
    r->region = base;
    r->region_da = c->base_da;
    r->region_bytes = c->layout.bytes;
}

/* The driver writes the descriptors once: address and size of a buffer never change. */
static void driver_start(struct ring *r, const struct rpr_vring_session *c, unsigned index)
{
    const struct rpr_vring_ring *l = &c->layout.ring[index];
    uint8_t *base = c->base;

    memset(base + l->desc, 0, (size_t)RING_DESC_BYTES * l->num);
    memset(base + l->avail, 0, RING_AVAIL_BYTES(l->num) - 2);
    memset(base + l->used, 0, RING_USED_BYTES(l->num) - 2);
    for (uint32_t id = 0; id < l->num; id++) {
        uint8_t *d = base + l->desc + (size_t)RING_DESC_BYTES * id;
        uint32_t offset = l->buffers + id * l->stride;

        put_le64(d, c->base_da + offset);
        put_le32(d + 8, l->size);
        put_le16(d + 12, index == RING_TO_DRIVER ? RING_DESC_WRITE : 0);
        r->buffers[id] = (struct ring_buffer){base + offset, l->size, true};
    }
    rpr_cache_clean(base + l->desc, (size_t)RING_DESC_BYTES * l->num);
}

/* A device goes on from the used index that it finds: some drivers fill it beforehand. */
static void device_start(struct ring *r)
{
    rpr_cache_invalidate(r->give, 4);
    r->given = r->published = ring_read16(r->give + 2);
    r->outstanding = (uint16_t)(r->outstanding - r->given);
}

static void start_rings(struct vring_link *v, const struct rpr_vring_session *c)
{
    unsigned tx = v->driver ? RING_TO_DEVICE : RING_TO_DRIVER;
    unsigned rx = v->driver ? RING_TO_DRIVER : RING_TO_DEVICE;

    ring_init(&v->tx, c, tx);
    ring_init(&v->rx, c, rx);
    v->n_free = 0;
    if (!v->driver) {
        device_start(&v->tx);
        device_start(&v->rx);
    } else {
        driver_start(&v->tx, c, tx);
        driver_start(&v->rx, c, rx);
        for (uint32_t id = c->layout.ring[tx].num; id-- > 0;)
            v->free_ids[v->n_free++] = (uint16_t)id;
        for (uint32_t id = 0; id <= v->rx.mask; id++)
            ring_give(&v->rx, true, id);
        (void)ring_publish(&v->rx);
    }
    ring_set_quiet(&v->rx, false);
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
    v->own_cpu = own_cpu ? base + own_cpu : NULL;
    v->peer_cpu = peer_cpu ? base + peer_cpu : NULL;
    v->peer_power_seen = 0;
}

/* What a device can send is what the driver's buffers hold: it sees the first one's size. */
static uint32_t tx_payload(const struct vring_link *v, const struct rpr_vring_session *c)
{
    uint32_t size = c->layout.ring[v->driver ? RING_TO_DEVICE : RING_TO_DRIVER].size;

    return size - RPR_HEADER_BYTES;
}

int rpr_vring_attach(struct rpr_link *link, const struct rpr_vring_session *c)
{
    struct vring_link *v = vring_of(link);
    struct session *s;

    if (link->incarnation || link->removed)
        return -RPR_EBUSY;
    if (rpr_vring_layout_check(&c->layout, c->layout.bytes) || !c->layout.ring[0].size ||
        !c->layout.ring[1].size || ((uintptr_t)c->base & 3u))
        return -RPR_EINVAL;
    s = session_new(v, c);
    if (!s)
        return -RPR_ENOMEM;
    v->driver = c->role == RPR_VRING_DRIVER;
    v->always_ring = c->always_ring;
    v->ring = c->ring;
    v->ring_ctx = c->ctx;
    v->wrong = NULL;
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
                    .credit = c->credit});
    return 0;
}

void rpr_vring_detach(struct rpr_link *link, const char *reason, bool drain)
{
    struct vring_link *v = vring_of(link);

    if (drain)
        rpr_link_drain(link, v->rx.mask + 1);
    rpr_link_down(link, reason);
}
