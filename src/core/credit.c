/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Flow control per endpoint, between two nodes of ours that agreed on it (SPEC, "credit").
 *
 * Both ends count the messages of one direction since they were bound to each other. The sender
 * stops at its limit; the receiver raises the limit as it deals with messages, always by no more
 * than what it can keep if it has to (its window). A window starts at what was promised when the
 * endpoint was opened, and grows with use out of the node's shared slots.
 *
 * Towards a peer without credit the limit is moved on whenever it is reached: one code path.
 * An agreement may come after endpoints were bound (HELLO of an edge): then the receiver's first
 * grant begins it.
 *
 * On a link that loses messages a sender that waits for credit says from time to time how many it
 * has sent. What the receiver does not have by then is lost, since links keep the order: it is
 * counted, and credit given again. Both sides say totals, so that what they say may be lost too.
 */
#include "core/core.h"

#include "wire/credit.h"

#define UNLIMITED 0x40000000u

#define REPORT_FIRST_MS 20u /* without credit: twice the way there and back on most lines */
#define REPORT_LAST_MS  1280u

static uint32_t window_of(const struct rpr_endpoint *e)
{
    if (e->flags & RPR_EPT_NO_LIMIT)
        return UNLIMITED / 2;
    return e->quota ? e->window - (MUTANT(former_messages_are_granted_again) ? 0 : e->n_old)
                    : CREDIT_WINDOW;
}

/* How many more may be sent now, or dealt with before the next grant. */
static void set_tx_left(struct rpr_endpoint *e, uint32_t left)
{
    uint64_t n_tx = endpoint_n_tx(e);

    e->tx_left = left <= INT32_MAX ? (int32_t)left : 0; /* else the limit is behind us */
    e->tx_mark = n_tx + (uint64_t)(int64_t)e->tx_left;
}

static void set_rx_left(struct rpr_endpoint *e, uint32_t left)
{
    e->rx_mark = endpoint_n_rx(e) + left;
    e->rx_left = left;
}

void credit_reset(struct rpr_endpoint *e)
{
    e->tx_mark = e->rx_mark = e->rx_left = UNLIMITED;
    e->tx_left = UNLIMITED;
}

/* What the peer may send before it hears of the window must find room, beside messages of former
 * bindings that are still held. */
static void make_room(struct rpr_endpoint *e)
{
    struct rpr_node *node = e->device->node;
    uint32_t wanted = e->n_slots + CREDIT_FIRST;
    uint32_t more = wanted - e->window;

    if (!e->quota || wanted <= e->window)
        return;
    if (node->pool.n_shared >= more)
        node->pool.n_shared -= more;
    else if (slots_promise(node, more)) /* these are shared by all when it is unbound */
        return;
    e->window = wanted;
    if (e->shared)
        e->shared->used += more;
}

void credit_start(struct rpr_endpoint *e, struct rpr_link *link)
{
    bool credit = link->credit && !(e->flags & RPR_EPT_CONTROL);

    e->n_binds++;
    link_lock(link);
    e->tx_start = (uint32_t)endpoint_n_tx(e);
    set_tx_left(e, credit ? CREDIT_FIRST : UNLIMITED);
    e->tx_limited = credit;
    e->report_ms = 0;
    link_unlock(link);
    if (!link->lossy) /* else the peer may have been bound before us, and its answer was lost */
        e->rx_start = (uint32_t)endpoint_n_rx(e);
    set_rx_left(e, UNLIMITED);
    e->n_old = e->n_slots;
    if (credit) {
        make_room(e);
        credit_due(e);
    }
}

void credit_dealt(struct rpr_endpoint *e, uint32_t bind)
{
    if (bind == e->n_binds) {
        credit_consumed(e);
        return;
    }
    e->rx_mark++; /* counted, but the peer of today did not send it */
    e->rx_start++;
    if (e->n_old)
        e->n_old--;
    if (e->sendable)
        credit_due(e);
}

static void leave_grant_list(struct rpr_endpoint *e, struct rpr_link *link)
{
    struct rpr_endpoint **at = &link->grant_head;

    while (*at != e)
        at = &(*at)->next_grant;
    *at = e->next_grant;
    e->granting = false;
}

/* Gives grown slots back to all. */
static void shrink(struct rpr_endpoint *e)
{
    uint32_t grown = e->window - e->base_window;

    e->window = e->base_window;
    e->device->node->pool.n_shared += grown;
    if (e->shared)
        e->shared->used -= grown;
}

void credit_stop(struct rpr_endpoint *e)
{
    struct rpr_link *link = atomic_load_explicit(&e->link, memory_order_relaxed);

    if (e->granting)
        leave_grant_list(e, link);
    set_rx_left(e, UNLIMITED); /* what is dropped from now on is nobody's credit */
    e->rx_start = (uint32_t)endpoint_n_rx(e);
    if (e->n_slots <= e->base_window && e->window > e->base_window)
        shrink(e); /* else when it is unbound next time, or closed */
}

/* True if the endpoint may go on sending. */
bool credit_extend(struct rpr_endpoint *e)
{
    if (e->tx_limited)
        return false;
    set_tx_left(e, UNLIMITED);
    return true;
}

/* Doubles the window of an endpoint that uses it, as far as quota and shared slots go. */
static void grow(struct rpr_endpoint *e)
{
    struct slot_pool *pool = &e->device->node->pool;
    uint32_t more = e->window;

    if (more > e->quota - e->window)
        more = e->quota - e->window;
    if (more > pool->n_shared / 2)
        more = pool->n_shared / 2;
    if (e->shared && e->shared->used >= e->shared->limit)
        more = 0;
    else if (e->shared && more > e->shared->limit - e->shared->used)
        more = e->shared->limit - e->shared->used;
    pool->n_shared -= more;
    e->window += more;
    if (e->shared)
        e->shared->used += more;
}

static uint32_t dealt_with(const struct rpr_endpoint *e)
{
    return (uint32_t)endpoint_n_rx(e) - e->rx_start;
}

/* A grant is queued and leaves with the next flush of the link. */
static void grant(struct rpr_endpoint *e, struct rpr_link *link)
{
    set_rx_left(e, window_of(e) / 2 + (window_of(e) < 2));
    if (e->granting)
        return; /* the one that waits for a buffer will say what is true then */
    e->next_grant = link->grant_head;
    link->grant_head = e;
    e->granting = true;
    link_attention(link);
    rpr_link_ready(link);
}

/* The receiver's turn. */
void credit_due(struct rpr_endpoint *e)
{
    struct rpr_link *link = atomic_load_explicit(&e->link, memory_order_relaxed);

    if (!link || !link->credit || (e->flags & RPR_EPT_CONTROL)) {
        set_rx_left(e, UNLIMITED);
        return;
    }
    if (dealt_with(e) && e->window < e->quota && !(e->flags & RPR_EPT_NO_LIMIT))
        grow(e);
    grant(e, link);
}

/* One message for as many endpoints as fit. */
void credit_flush(struct rpr_link *link)
{
    struct rpr_slot slot;
    uint32_t len = 0, room;

    link_lock(link);
    if (link->ops->reserve(link, &slot, true)) {
        link_unlock(link);
        return; /* buffers are all in use: the next poll tries again */
    }
    room = slot.size - RPMSG_HEADER_BYTES;
    if (room < CREDIT_ENTRY_BYTES) {
        link->ops->cancel(link, slot.id);
        link_unlock(link);
        link_broken_soon(link, "a buffer is too short for flow control");
        return;
    }
    while (link->grant_head && len + CREDIT_ENTRY_BYTES <= room) {
        struct rpr_endpoint *e = link->grant_head;
        struct credit_entry entry = {e->dest, e->addr, dealt_with(e) + window_of(e)};

        link->grant_head = e->next_grant;
        e->granting = false;
        credit_encode(slot.msg + RPMSG_HEADER_BYTES + len, &entry);
        len += CREDIT_ENTRY_BYTES;
    }
    header_put(slot.msg, RPMSG_ADDR_CREDIT, RPMSG_ADDR_CREDIT, (uint16_t)len);
    link->ops->commit(link, slot.id, RPMSG_HEADER_BYTES + len);
    link_unlock(link);
    link_touch(link);
}

static void granted(struct rpr_link *link, const struct credit_entry *entry)
{
    struct rpr_endpoint *e = address_find(&link->device->addresses, entry->addr);
    uint32_t limit;
    bool tell;

    if (!e || (e->dest != entry->from && !MUTANT(grant_of_a_former_binding_counts))) {
        link->device->counters.late++; /* of a binding that has ended */
        return;
    }
    link_lock(link);
    /* The first grant begins the flow control of a binding that is older than the agreement on it.
     * Never backwards after that: a peer's nonsense costs only itself. */
    limit = e->tx_start + entry->limit;
    if (!e->tx_limited || limit - (uint32_t)e->tx_mark < UNLIMITED ||
        MUTANT(grant_may_go_backwards))
        set_tx_left(e, limit - (uint32_t)endpoint_n_tx(e));
    e->tx_limited = true;
    tell = e->wait_credit && credit_left(e);
    if (tell) {
        e->wait_credit = false;
        e->report_ms = 0;
    }
    link_unlock(link);
    if (tell && endpoint_enter(e)) {
        if (!(e->flags & RPR_EPT_MANUAL))
            receive_resume(e);
        if (e->ops->writable && !e->closing)
            e->ops->writable(e->ctx, endpoint_handle(e));
        endpoint_leave(e);
    }
}

/* ---- links that lose messages ------------------------------------------------------------------- */

void credit_wait(struct rpr_endpoint *e, struct rpr_link *link)
{
    if (link->lossy && !e->wait_credit && !link->starving) {
        link->starving = true;
        link_look_again(link);
    }
    e->wait_credit = true;
}

static void report_soon(struct rpr_link *link, uint64_t at_ns)
{
    if (!link->report_timer.active || link->report_timer.at_ns > at_ns)
        rpr_timer_start(link->node, &link->report_timer, at_ns);
}

/* Who has just run out of credit is most likely given more before it is time to report. */
void credit_attend(struct rpr_link *link)
{
    bool starving;

    link_lock(link);
    starving = link->starving;
    link->starving = false;
    link_unlock(link);
    if (starving)
        report_soon(link, link->node->now_ns + REPORT_FIRST_MS * UINT64_C(1000000));
}

/* Under the lock, so that what is counted is in front of it on the link. False: no buffer. */
static bool say_sent(struct rpr_link *link, const struct rpr_endpoint *e)
{
    struct credit_entry entry = {e->dest, e->addr, (uint32_t)endpoint_n_tx(e) - e->tx_start};
    struct rpr_slot slot;

    if (link->ops->reserve(link, &slot, true))
        return false;
    if (slot.size < RPMSG_HEADER_BYTES + CREDIT_ENTRY_BYTES) {
        link->ops->cancel(link, slot.id);
        return false;
    }
    credit_encode(slot.msg + RPMSG_HEADER_BYTES, &entry);
    header_put(slot.msg, RPMSG_ADDR_SENT, RPMSG_ADDR_SENT, CREDIT_ENTRY_BYTES);
    link->ops->commit(link, slot.id, RPMSG_HEADER_BYTES + CREDIT_ENTRY_BYTES);
    return true;
}

/* If it still waits, and it is time: less and less often, because the receiver may just be slow.
 * Returns when it is time again. */
static uint64_t report(struct rpr_link *link, struct rpr_endpoint *e)
{
    uint64_t now = link->node->now_ns;
    uint64_t next = now + REPORT_FIRST_MS * UINT64_C(1000000);
    bool waits;

    link_lock(link);
    waits = e->sendable && e->wait_credit && !credit_left(e);
    if (waits && e->report_ms && e->report_ns > now) {
        next = e->report_ns;
    } else if (waits && say_sent(link, e)) {
        e->report_ms = e->report_ms ? e->report_ms * 2 : REPORT_FIRST_MS;
        if (e->report_ms > REPORT_LAST_MS)
            e->report_ms = REPORT_LAST_MS;
        next = e->report_ns = now + e->report_ms * UINT64_C(1000000);
        link_touch(link);
    }
    link_unlock(link);
    return waits ? next : RPR_POLL_IDLE;
}

void credit_report(struct rpr_link *link)
{
    const struct rpr_device *d;
    struct rpr_endpoint *e;

    if (!link->incarnation)
        return;
    for (d = link->node->devices; d; d = d->next) {
        for (e = d->link == link ? d->first : NULL; e; e = e->next) {
            uint64_t next = report(link, e);

            if (next != RPR_POLL_IDLE)
                report_soon(link, next);
        }
    }
}

/* What the peer had sent to `addr` when it said so has come, or never will. More than it sent: what
 * others sent to the endpoint is not in the peer's count. */
static void heard_sent(struct rpr_link *link, const struct credit_entry *entry)
{
    struct rpr_endpoint *e = address_find(&link->device->addresses, entry->addr);
    uint32_t missing;

    if (!e || e->dest != entry->from || (e->flags & RPR_EPT_CONTROL)) {
        link->device->counters.late++;
        return;
    }
    missing = entry->limit - (dealt_with(e) + e->n_slots - e->n_old);
    if (missing < UNLIMITED && !MUTANT(lost_message_takes_its_credit)) {
        e->n_dropped += missing;
        e->device->counters.dropped += missing;
        e->rx_mark += missing;
    } else if (0u - missing < UNLIMITED) {
        e->rx_start -= missing;
    } else {
        link->device->counters.errors++;
    }
    grant(e, link);
}

/* It would not send these if we had not agreed: on a link that loses messages its part of the
 * agreement may be what was lost. */
bool credit_agreed(struct rpr_link *link)
{
    if (link->lossy)
        rpr_link_ours(link);
    return link->credit;
}

void credit_receive(struct rpr_link *link, uint32_t dst, const uint8_t *payload, uint32_t len)
{
    struct credit_entry entry;

    if (len % CREDIT_ENTRY_BYTES)
        link->device->counters.errors++;
    for (; len >= CREDIT_ENTRY_BYTES; len -= CREDIT_ENTRY_BYTES) {
        credit_decode(&entry, payload);
        payload += CREDIT_ENTRY_BYTES;
        if (dst == RPMSG_ADDR_SENT)
            heard_sent(link, &entry);
        else
            granted(link, &entry);
    }
}
