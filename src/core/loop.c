/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The loop link (rpr/loop.h). Both ends run on one thread, so there is nothing to synchronise; but
 * what one end does becomes visible to the other at flush only, as on a real link, and a doorbell
 * that was not asked for is not rung.
 *
 * A *session* is one connection. It is made by the end that finds both wanting one, and its memory
 * stays until both ends' incarnations of it are gone. What an end has to tell its node (up, down)
 * happens in a timer of that node: never inside a call of the other end.
 */
#include <rpr/loop.h>

#include "base/bytes.h"
#include "base/check.h"
#include "wire/header.h"

#define DEFAULT_BUFFERS 16u
#define DEFAULT_PAYLOAD 496u
#define MAX_BUFFERS     32768u
#define MAX_PAYLOAD     65519u
#define RETRY_NS        UINT64_C(1000000000) /* until there may be memory for a connection */

enum over { NOT_OVER, OVER_CLOSED, OVER_CUT };

/* Messages sent by one end. Indices of `queue` run freely. */
struct direction {
    uint8_t *memory;
    uint16_t *free; /* of the sender; the last returned on top */
    uint32_t n_free;
    uint16_t *queue; /* in order of commit */
    uint32_t committed, published, taken;
    uint16_t *back; /* dealt with, not yet returned to the sender */
    uint32_t n_back;
    uint32_t *len;
    struct rpr_endpoint **holder;
};

struct session;

struct side {
    struct rpr_incarnation incarnation;
    struct session *session;
    bool attached;
    bool suspended; /* said by this side */
};

struct session {
    struct rpr_cable *cable;
    struct side side[2];
    struct direction sent[2]; /* by each side */
    enum over over;
    unsigned n_refs; /* the cable's, and one for each incarnation */
    size_t bytes;
};

struct end {
    struct rpr_link link;
    struct rpr_cable *cable;
    enum rpr_cable_end index;
    struct session *session; /* of the incarnation that is up, or was last */
    struct rpr_timer timer;
    const struct rpr_platform *platform;
    bool wanted;           /* between open and close */
    bool bell_rx, bell_tx; /* ring us for messages, for returned buffers */
    bool peer_suspended;   /* as last told to the core */
};

struct rpr_cable {
    struct rpr_cable_config config;
    struct end *ends[2];
    struct session *session; /* the newest, or NULL */
    uint32_t stride;
    bool cut, closed;
};

static struct end *end_of(struct rpr_link *link)
{
    return RPR_CONTAINER(link, struct end, link);
}

static enum rpr_cable_end other(enum rpr_cable_end end)
{
    return end == RPR_CABLE_A ? RPR_CABLE_B : RPR_CABLE_A;
}

static struct direction *sent_by(const struct end *end)
{
    return &end->session->sent[end->index];
}

static struct direction *sent_to(const struct end *end)
{
    return &end->session->sent[other(end->index)];
}

/* ---- sessions ------------------------------------------------------------------------------- */

static void session_put(struct session *s)
{
    const struct rpr_platform *platform = s->cable->config.platform;

    if (--s->n_refs == 0)
        platform->free(platform->ctx, s, s->bytes);
}

static void side_destroy(struct rpr_incarnation *incarnation)
{
    session_put(RPR_CONTAINER(incarnation, struct side, incarnation)->session);
}

/* Carves the arrays of one direction out of `at`; the most aligned ones first. */
static uint8_t *direction_init(struct direction *d, uint8_t *at, uint32_t n, uint32_t stride)
{
    d->holder = (struct rpr_endpoint **)(void *)at;
    d->len = (uint32_t *)(void *)(d->holder + n);
    d->free = (uint16_t *)(d->len + n);
    d->queue = d->free + n;
    d->back = d->queue + n;
    d->memory = (uint8_t *)(d->holder + n) + n * (size_t)(4 + 3 * 2 + 2); /* a multiple of 4 */
    for (uint32_t id = n; id-- > 0;)
        d->free[d->n_free++] = (uint16_t)id;
    return d->memory + (size_t)n * stride;
}

static size_t direction_bytes(const struct rpr_cable *cable)
{
    return cable->config.buffers *
           (sizeof(struct rpr_endpoint *) + 4 + 3 * 2 + 2 + (size_t)cable->stride);
}

static struct session *session_new(struct rpr_cable *cable)
{
    const struct rpr_platform *platform = cable->config.platform;
    size_t bytes = sizeof(struct session) + 2 * direction_bytes(cable);
    struct session *s = platform->alloc(platform->ctx, bytes);
    uint8_t *at;

    if (!s)
        return NULL;
    s->cable = cable;
    s->bytes = bytes;
    s->n_refs = 1;
    at = (uint8_t *)(s + 1);
    for (unsigned i = 0; i < 2; i++) {
        s->side[i].session = s;
        s->side[i].incarnation.destroy = side_destroy;
        at = direction_init(&s->sent[i], at, cable->config.buffers, cable->stride);
    }
    return s;
}

/* ---- doorbells ------------------------------------------------------------------------------ */

static void ring(struct rpr_cable *cable, enum rpr_cable_end index)
{
    struct end *end = cable->ends[index];

    if (!end)
        return;
    if (cable->config.ring) {
        cable->config.ring(cable->config.ctx, index);
        return;
    }
    rpr_cable_bell(cable, index);
    rpr_node_wake(end->link.node);
}

static void ring_both(struct rpr_cable *cable)
{
    ring(cable, RPR_CABLE_A);
    ring(cable, RPR_CABLE_B);
}

/* The connection is over for both; each hears it from its own timer. */
static void finish_session(struct rpr_cable *cable, enum over over)
{
    struct session *s = cable->session;

    if (!s)
        return;
    s->over = over;
    cable->session = NULL;
    session_put(s);
}

/* ---- connecting ----------------------------------------------------------------------------- */

static bool may_connect(const struct rpr_cable *cable)
{
    const struct end *const *ends = (const struct end *const *)cable->ends;

    return !cable->cut && ends[0] && ends[0]->wanted && ends[1] && ends[1]->wanted;
}

static void attach(struct end *end)
{
    struct rpr_cable *cable = end->cable;
    struct session *s = cable->session;
    struct side *side = &s->side[end->index];

    s->n_refs++;
    side->attached = true;
    end->session = s;
    end->bell_rx = end->bell_tx = false; /* the core looks by itself until it arms */
    end->peer_suspended = false;
    rpr_link_up(&end->link, &(struct rpr_session){.incarnation = &side->incarnation,
                                                  .tx_len = cable->config.payload,
                                                  .rx_len = cable->config.payload,
                                                  .dialect = cable->config.dialect[end->index],
                                                  .credit = cable->config.credit});
}

static void end_old(struct end *end)
{
    if (end->session->over == OVER_CLOSED)
        rpr_link_drain(&end->link, end->cable->config.buffers);
    if (end->wanted && end->link.incarnation)
        rpr_link_down(&end->link,
                      end->session->over == OVER_CUT ? "the cable was cut" : "the peer went away");
}

static void timer_fired(struct rpr_timer *timer, uint64_t now_ns)
{
    struct end *end = RPR_CONTAINER(timer, struct end, timer);
    struct rpr_cable *cable = end->cable;

    if (end->link.incarnation && end->session->over)
        end_old(end);
    if (!end->wanted || end->link.incarnation || !may_connect(cable))
        return;
    if (!cable->session) {
        cable->session = session_new(cable);
        if (!cable->session) {
            rpr_timer_start(end->link.node, &end->timer, now_ns + RETRY_NS);
            return;
        }
        ring(cable, other(end->index));
    }
    if (!cable->session->side[end->index].attached)
        attach(end);
}

static void look_soon(struct end *end)
{
    rpr_timer_start(end->link.node, &end->timer, rpr_node_now(end->link.node));
}

void rpr_cable_bell(struct rpr_cable *cable, enum rpr_cable_end index)
{
    struct end *end = cable->ends[index];

    if (!end || !end->wanted)
        return;
    if (!end->link.incarnation || end->session->over)
        look_soon(end);
    else
        rpr_link_ready(&end->link);
}

/* ---- downcalls: sending --------------------------------------------------------------------- */

static int reserve(struct rpr_link *link, struct rpr_slot *slot, bool control)
{
    const struct end *end = end_of(link);
    struct direction *d = sent_by(end);

    if (d->n_free <= !control)
        return -RPR_EAGAIN;
    slot->id = d->free[--d->n_free];
    slot->msg = d->memory + (size_t)slot->id * end->cable->stride;
    slot->size = RPMSG_HEADER_BYTES + end->cable->config.payload;
    return 0;
}

static void commit(struct rpr_link *link, uint32_t id, uint32_t len)
{
    const struct end *end = end_of(link);
    struct direction *d = sent_by(end);

    d->len[id] = len;
    d->queue[d->committed++ % end->cable->config.buffers] = (uint16_t)id;
}

static void cancel(struct rpr_link *link, uint32_t id)
{
    struct direction *d = sent_by(end_of(link));

    d->free[d->n_free++] = (uint16_t)id;
}

static void flush(struct rpr_link *link)
{
    const struct end *end = end_of(link);
    const struct end *peer = end->cable->ends[other(end->index)];
    struct direction *tx = sent_by(end), *rx = sent_to(end);
    bool news = tx->published != tx->committed, room = rx->n_back != 0;

    tx->published = tx->committed;
    while (rx->n_back)
        rx->free[rx->n_free++] = rx->back[--rx->n_back];
    if (!peer || end->session->over)
        return;
    if ((news && peer->bell_rx) || (room && peer->bell_tx))
        ring(end->cable, peer->index);
}

static int send(struct rpr_endpoint *sender, uint64_t header, const void *data, size_t len,
                unsigned flags, struct rpr_link *link)
{
    struct rpr_slot slot;

    if (reserve(link, &slot, false))
        return rpr_link_full(link, sender, 0);
    if (len > slot.size - RPMSG_HEADER_BYTES) {
        cancel(link, slot.id);
        return rpr_link_full(link, sender, slot.size);
    }
    header_put(slot.msg, (uint32_t)header, (uint32_t)(header >> 32), (uint16_t)len);
    memcpy(slot.msg + RPMSG_HEADER_BYTES, data, len);
    commit(link, slot.id, RPMSG_HEADER_BYTES + (uint32_t)len);
    if (!(flags & RPR_MORE))
        flush(link);
    return 0;
}

static bool writable(struct rpr_link *link)
{
    return sent_by(end_of(link))->n_free > 1;
}

/* ---- downcalls: receiving ------------------------------------------------------------------- */

static void see_power(struct end *end)
{
    bool suspended = end->session->side[other(end->index)].suspended;

    if (suspended == end->peer_suspended)
        return;
    end->peer_suspended = suspended;
    rpr_link_power(&end->link, !suspended);
}

/* Messages that are published while it runs wait for the next turn. */
static unsigned poll(struct rpr_link *link, unsigned budget)
{
    struct end *end = end_of(link);
    struct direction *d = sent_to(end);
    uint32_t n = d->published - d->taken;
    unsigned done;

    see_power(end);
    for (done = 0; done < n && done < budget; done++) {
        uint16_t id = d->queue[d->taken % end->cable->config.buffers];
        enum rpr_link_rx_result result;

        d->taken++;
        result = rpr_link_rx(link, d->memory + (size_t)id * end->cable->stride, d->len[id], id);
        if (result == RPR_LINK_RX_STOP) {
            d->taken--;
            break;
        }
        if (result == RPR_LINK_RX_HELD)
            d->holder[id] = link->holder;
        else
            d->back[d->n_back++] = id;
    }
    flush(link);
    return done;
}

static void release(struct rpr_link *link, uint32_t id)
{
    struct direction *d = sent_to(end_of(link));

    d->holder[id] = NULL;
    d->back[d->n_back++] = (uint16_t)id;
}

/* ---- downcalls: doorbells, power, life ------------------------------------------------------ */

static bool arm(struct rpr_link *link, bool want_writable)
{
    struct end *end = end_of(link);
    const struct direction *d = sent_to(end);

    end->bell_rx = true;
    end->bell_tx = want_writable;
    return d->published == d->taken &&
           end->session->side[other(end->index)].suspended == end->peer_suspended;
}

static void disarm(struct rpr_link *link)
{
    struct end *end = end_of(link);

    end->bell_rx = end->bell_tx = false;
}

static int power(struct rpr_link *link, bool running)
{
    const struct end *end = end_of(link);

    end->session->side[end->index].suspended = !running;
    ring(end->cable, other(end->index));
    return 0;
}

static void link_open(struct rpr_link *link)
{
    struct end *end = end_of(link);

    end->wanted = true;
    look_soon(end);
    ring(end->cable, other(end->index));
}

static void link_close(struct rpr_link *link)
{
    struct end *end = end_of(link);

    end->wanted = false;
    rpr_timer_stop(link->node, &end->timer);
    if (end->cable->session) {
        finish_session(end->cable, OVER_CLOSED);
        ring(end->cable, other(end->index));
    }
}

static void free_if_unused(struct rpr_cable *cable)
{
    const struct rpr_platform *platform = cable->config.platform;

    if (cable->closed && !cable->ends[0] && !cable->ends[1])
        platform->free(platform->ctx, cable, sizeof *cable);
}

static void link_destroy(struct rpr_link *link)
{
    struct end *end = end_of(link);
    struct rpr_cable *cable = end->cable;

    cable->ends[end->index] = NULL;
    end->platform->free(end->platform->ctx, end, sizeof *end);
    free_if_unused(cable);
}

/* ---- downcalls: what is shown --------------------------------------------------------------- */

static bool queue_info(struct rpr_link *link, unsigned index, struct rpr_queue_info *info)
{
    const struct end *end = end_of(link);
    const struct end *peer = end->cable->ends[other(end->index)];
    const struct direction *d = index ? sent_to(end) : sent_by(end);
    bool wants = peer && (index ? peer->bell_tx : peer->bell_rx);

    if (index > 1)
        return false;
    info->name = index ? "rx" : "tx";
    info->size = end->cable->config.buffers;
    info->free = d->n_free;
    info->pending = d->published - d->taken;
    info->own_index = index ? d->taken : d->committed;
    info->peer_index = index ? d->published : d->taken;
    info->flags = !wants;
    return true;
}

static bool is_free(const struct direction *d, uint32_t id)
{
    for (uint32_t i = 0; i < d->n_free; i++)
        if (d->free[i] == id)
            return true;
    return false;
}

static bool is_queued(const struct direction *d, uint32_t id, uint32_t n)
{
    for (uint32_t i = d->taken; i != d->committed; i++)
        if (d->queue[i % n] == id)
            return true;
    for (uint32_t i = 0; i < d->n_back; i++)
        if (d->back[i] == id)
            return true;
    return false;
}

/* The cursor counts through the buffers of rx, then those of tx. */
static bool buffer_info(struct rpr_link *link, unsigned *cursor, struct rpr_buffer_info *info)
{
    const struct end *end = end_of(link);
    const struct direction *tx = sent_by(end), *rx = sent_to(end);
    uint32_t n = end->cable->config.buffers;

    for (; *cursor < 2 * n; ++*cursor) {
        uint32_t id = *cursor % n;
        bool is_rx = *cursor < n;

        if (is_rx ? !rx->holder[id]
                  : is_free(tx, id) || is_queued(tx, id, n) || tx->holder[id] != NULL)
            continue;
        info->queue = is_rx ? "rx" : "tx";
        info->id = id;
        info->holder = is_rx ? rx->holder[id] : NULL;
        ++*cursor;
        return true;
    }
    return false;
}

static const struct rpr_link_ops loop_ops = {.strict = true,
                                             .open = link_open,
                                             .close = link_close,
                                             .reserve = reserve,
                                             .send = send,
                                             .commit = commit,
                                             .cancel = cancel,
                                             .flush = flush,
                                             .writable = writable,
                                             .poll = poll,
                                             .release = release,
                                             .arm = arm,
                                             .disarm = disarm,
                                             .power = power,
                                             .queue_info = queue_info,
                                             .buffer_info = buffer_info,
                                             .destroy = link_destroy};

/* ---- the cable ------------------------------------------------------------------------------ */

int rpr_cable_open(struct rpr_cable **result, const struct rpr_cable_config *config)
{
    const struct rpr_platform *platform = config->platform;
    struct rpr_cable *cable;

    if (!platform || config->buffers == 1 || config->buffers > MAX_BUFFERS ||
        (config->buffers & (config->buffers - 1)) || config->payload > MAX_PAYLOAD)
        return -RPR_EINVAL;
    cable = platform->alloc(platform->ctx, sizeof *cable);
    if (!cable)
        return -RPR_ENOMEM;
    cable->config = *config;
    if (!config->buffers)
        cable->config.buffers = DEFAULT_BUFFERS;
    if (!config->payload)
        cable->config.payload = DEFAULT_PAYLOAD;
    cable->stride = (RPMSG_HEADER_BYTES + cable->config.payload + 7u) & ~7u;
    *result = cable;
    return 0;
}

int rpr_cable_join(struct rpr_cable *cable, enum rpr_cable_end index, struct rpr_node *node,
                   const char *remote)
{
    const struct rpr_platform *platform = rpr_node_platform(node);
    struct end *end;
    int error;

    if (cable->ends[index])
        return -RPR_EBUSY;
    end = platform->alloc(platform->ctx, sizeof *end);
    if (!end)
        return -RPR_ENOMEM;
    end->cable = cable;
    end->index = index;
    end->platform = platform;
    end->timer.fire = timer_fired;
    cable->ends[index] = end; /* open() is called by the registration */
    error = rpr_link_register(node, &end->link, &loop_ops, remote, "loop", false);
    if (error) {
        cable->ends[index] = NULL;
        platform->free(platform->ctx, end, sizeof *end);
    }
    return error;
}

struct rpr_link *rpr_cable_link(struct rpr_cable *cable, enum rpr_cable_end index)
{
    return cable->ends[index] ? &cable->ends[index]->link : NULL;
}

void rpr_cable_cut(struct rpr_cable *cable)
{
    cable->cut = true;
    finish_session(cable, OVER_CUT);
    ring_both(cable);
}

void rpr_cable_mend(struct rpr_cable *cable)
{
    cable->cut = false;
    ring_both(cable);
}

void rpr_cable_close(struct rpr_cable *cable)
{
    cable->closed = true;
    finish_session(cable, OVER_CUT);
    free_if_unused(cable);
}
