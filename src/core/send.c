/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sending: claim a buffer, fill it, commit it. Nothing here waits. On links opened single-threaded
 * there is no lock; on others the lock covers claim and commit, not the copy between them.
 */
#include "core/core.h"

#include "wire/word.h"

static inline bool control_waits(struct rpr_link *link)
{
    return atomic_load_explicit(&link->n_control, memory_order_relaxed) != 0 &&
           !MUTANT(data_overtakes_a_word);
}

/* Under the lock. More does not follow at once: what was sent with RPR_MORE must not wait for it, or
 * its buffers would never come back. */
static RPR_COLD int refused(struct rpr_link *link)
{
    if ((link->lock || !link->node->in_poll) && /* else it leaves at the end of the poll */
        !MUTANT(refused_send_keeps_what_was_sent))
        link->ops->flush(link);
    return -RPR_EAGAIN;
}

/* Under the lock. 0: one message may be written to *slot, to e->dest. */
static inline int claim(struct rpr_link *link, struct rpr_endpoint *e, uint32_t generation,
                        size_t len, struct rpr_slot *slot)
{
    bool control = e->flags & RPR_EPT_CONTROL;

    if (RPR_UNLIKELY(endpoint_generation(e) != generation))
        return -RPR_ESTALE;
    if (RPR_UNLIKELY(!e->sendable))
        return -RPR_ENOTCONN;
    if (RPR_UNLIKELY(len > e->tx_len))
        return -RPR_EMSGSIZE;
    if (RPR_UNLIKELY(!credit_left(e)) && !credit_extend(e)) {
        credit_wait(e, link);
        return refused(link);
    }
    if (RPR_UNLIKELY((control_waits(link) && !control) ||
                     link->ops->reserve(link, slot, control))) {
        link_wait(link, e);
        return refused(link);
    }
    if (RPR_UNLIKELY(slot->size < RPR_HEADER_BYTES + len)) { /* a device-side buffer can be short */
        link->ops->cancel(link, slot->id);
        return -RPR_EMSGSIZE;
    }
    return 0;
}

/* What has to leave before data does. Not needed on links with locks: there a thread that sends
 * cannot send name service words, and the next poll does. */
static inline void control_first(struct rpr_link *link)
{
    if (RPR_UNLIKELY(control_waits(link)))
        ns_flush(link);
}

static inline void counted(struct rpr_endpoint *e)
{
    e->tx_left--;
}

static inline void finish(struct rpr_link *link, unsigned flags)
{
    if (link->lock) {
        if (!(flags & RPR_MORE))
            link->ops->flush(link);
    } else if (link->node->in_poll) {
        link_touch(link);
    } else if (!(flags & RPR_MORE)) {
        link->ops->flush(link);
    }
}

/* Takes the lock of the link that the endpoint is on now; NULL: it is on none, or (*missed) the
 * owner found it taken. */
static struct rpr_link *enter(struct rpr_endpoint *e, bool *missed)
{
    *missed = false;
    for (;;) {
        struct rpr_link *link = atomic_load_explicit(&e->link, memory_order_acquire);

        if (!link)
            return NULL;
        if (!link->lock)
            return link;
        if (!node_on_owner(link->node)) {
            link_lock(link);
        } else if (!link_trylock(link)) {
            link_missed(link, e);
            *missed = true;
            return NULL;
        }
        if (link == atomic_load_explicit(&e->link, memory_order_relaxed))
            return link;
        link_unlock(link);
    }
}

static int not_on_link(rpr_ept_t ept, bool missed)
{
    if (missed)
        return -RPR_EAGAIN;
    return endpoint_generation(ept.endpoint) == ept.generation ? -RPR_ENOTCONN : -RPR_ESTALE;
}

static int reserve(rpr_ept_t ept, struct rpr_buf *buf, size_t len)
{
    struct rpr_endpoint *e = ept.endpoint;
    struct rpr_link *link;
    struct rpr_slot slot;
    bool missed;
    int error;

    if (RPR_UNLIKELY(!e))
        return -RPR_ESTALE;
    link = enter(e, &missed);
    if (!link)
        return not_on_link(ept, missed);
    if (!link->lock)
        control_first(link);
    error = claim(link, e, ept.generation, len, &slot);
    if (!error) {
        counted(e);
        link->incarnation->n_reserved++;
        buf->data = slot.msg + RPR_HEADER_BYTES;
        buf->size = slot.size - RPR_HEADER_BYTES;
        if (buf->size > e->tx_len)
            buf->size = e->tx_len;
        buf->id = slot.id;
        buf->dest = e->dest;
        buf->link = link;
        buf->incarnation = link->incarnation;
    }
    link_unlock(link);
    return error;
}

int rpr_reserve(rpr_ept_t ept, struct rpr_buf *buf)
{
    return reserve(ept, buf, 0);
}

/* Ends a reservation, under the lock: false if its incarnation is over. */
static bool still_there(struct rpr_link *link, struct rpr_buf *buf)
{
    struct rpr_incarnation *incarnation = buf->incarnation;

    incarnation->n_reserved--;
    if (link->incarnation == incarnation || MUTANT(commits_into_a_former_session))
        return true;
    if (!incarnation->n_reserved)
        rpr_node_wake(link->node); /* the owner frees it */
    return false;
}

/* A reservation that was not used gives its buffer and its credit back, and somebody may wait for
 * either. Under the lock. */
static void unused(struct rpr_link *link, rpr_ept_t ept, const struct rpr_buf *buf)
{
    struct rpr_endpoint *e = ept.endpoint;

    link->ops->cancel(link, buf->id);
    if (endpoint_generation(e) == ept.generation &&
        atomic_load_explicit(&e->link, memory_order_relaxed) == link && /* whose lock we have */
        e->dest == buf->dest) {
        e->tx_left += !MUTANT(cancel_takes_the_credit);
        if (e->wait_credit && e->sendable) {
            e->wait_credit = false;
            link_wait(link, e);
            return;
        }
    }
    if (link->n_waiting)
        link_look_again(link);
}

int rpr_commit(rpr_ept_t ept, struct rpr_buf *buf, size_t len, unsigned flags)
{
    struct rpr_endpoint *e = ept.endpoint;
    struct rpr_link *link = buf->link;
    int error = 0;

    link_lock(link);
    if (!still_there(link, buf)) {
        link_unlock(link);
        return endpoint_generation(e) == ept.generation ? -RPR_ENOTCONN : -RPR_ESTALE;
    }
    if (endpoint_generation(e) != ept.generation)
        error = -RPR_ESTALE;
    else if (atomic_load_explicit(&e->link, memory_order_relaxed) != link || !e->sendable ||
             (e->dest != buf->dest && !MUTANT(reservation_outlives_its_peer)))
        error = -RPR_ENOTCONN;
    else if (len > buf->size)
        error = -RPR_EMSGSIZE;
    if (error) {
        unused(link, ept, buf);
    } else {
        header_put((uint8_t *)buf->data - RPR_HEADER_BYTES, e->addr, buf->dest, (uint16_t)len);
        link->ops->commit(link, buf->id, RPR_HEADER_BYTES + (uint32_t)len);
        finish(link, flags);
    }
    link_unlock(link);
    return error;
}

void rpr_cancel(rpr_ept_t ept, struct rpr_buf *buf)
{
    struct rpr_link *link = buf->link;

    link_lock(link);
    if (still_there(link, buf))
        unused(link, ept, buf);
    link_unlock(link);
}

/* What the router says where messages are lost. False: they are not, or not to this peer. */
static bool send_numbered(rpr_ept_t ept, const void *data, size_t len, unsigned flags, int *error)
{
    struct rpr_endpoint *e = ept.endpoint;
    bool missed, numbered;
    struct rpr_link *link = enter(e, &missed);

    if (!link) {
        *error = not_on_link(ept, missed);
        return true;
    }
    numbered = rpr_link_numbered(link);
    *error = 0;
    if (numbered && !link->lock)
        control_first(link);
    if (numbered && endpoint_generation(e) != ept.generation) {
        *error = -RPR_ESTALE;
    } else if (numbered && !e->sendable) {
        *error = -RPR_ENOTCONN;
    } else if (numbered && !words_say(link, e->addr, e->dest, data, (uint32_t)len)) {
        link_wait(link, e);
        *error = refused(link);
    } else if (numbered) {
        counted(e);
        finish(link, flags);
    }
    link_unlock(link);
    return numbered;
}

/* Control endpoints are the owner's. Other threads must not even look: their handle may be stale, and
 * the owner about to use the object again. */
static bool is_control(struct rpr_endpoint *e)
{
    struct rpr_link *link = atomic_load_explicit(&e->link, memory_order_acquire);

    return link && (!link->lock || node_on_owner(link->node)) && (e->flags & RPR_EPT_CONTROL);
}

static __attribute__((noinline)) int send_slowly(rpr_ept_t ept, const void *data, size_t len,
                                                 unsigned flags)
{
    struct rpr_buf buf;
    int error;

    if (len <= WORD_PAYLOAD_BYTES && is_control(ept.endpoint) &&
        send_numbered(ept, data, len, flags, &error))
        return error;
    error = reserve(ept, &buf, len);
    if (error)
        return error;
    memcpy(buf.data, data, len); /* with locks, the copy is made outside of them */
    return rpr_commit(ept, &buf, len, flags);
}

/* rpr_send() counts before it looks, which is the cheapest. */
static __attribute__((noinline)) int send_without_credit(rpr_ept_t ept, const void *data,
                                                         size_t len, unsigned flags)
{
    ept.endpoint->tx_left++;
    return send_slowly(ept, data, len, flags);
}

/* From a callback: the doorbell waits for the end of the poll. */
static __attribute__((noinline)) int send_in_poll(struct rpr_endpoint *e, uint64_t header,
                                                  const void *data, size_t len,
                                                  struct rpr_link *link)
{
    link_touch(link);
    return link->ops->send(e, header, data, len, RPR_MORE, link);
}

/* `quick` says that this endpoint is one for data, bound, on a link without locks: all that may still
 * be in the way is checked here, and everything else happens in the link. Leaf functions only, so that no
 * register has to be saved. */
int rpr_send(rpr_ept_t ept, const void *data, size_t len, unsigned flags)
{
    struct rpr_endpoint *e = ept.endpoint;
    struct rpr_link *link;
    uint64_t header;

    if (RPR_UNLIKELY(!e))
        return -RPR_ESTALE;
    link = atomic_load_explicit(&e->quick, memory_order_relaxed);
    if (RPR_UNLIKELY(atomic_load_explicit(&e->quick_generation, memory_order_relaxed) !=
                     ept.generation) ||
        RPR_UNLIKELY(len > e->tx_len) || RPR_UNLIKELY(link->control_head != NULL))
        return send_slowly(ept, data, len, flags);
    if (RPR_UNLIKELY(--e->tx_left < 0))
        return send_without_credit(ept, data, len, flags);
    header = (uint64_t)e->dest << 32 | e->addr;
    if (link->node->in_poll)
        return send_in_poll(e, header, data, len, link);
    return link->ops->send(e, header, data, len, flags, link);
}

int rpr_link_full(struct rpr_link *link, struct rpr_endpoint *sender, uint32_t size)
{
    sender->tx_left++;
    if (size)
        return -RPR_EMSGSIZE;
    link_wait(link, sender);
    return refused(link);
}

/* Not counted against the peer's credit, so not known to be taken by who gets it either. */
int rpr_send_to(rpr_ept_t ept, uint32_t dest, const void *data, size_t len, unsigned flags)
{
    struct rpr_endpoint *e = ept.endpoint;
    struct rpr_link *link;
    struct rpr_slot slot;
    bool missed;
    int error = 0;

    if (!e)
        return -RPR_ESTALE;
    if (dest == RPMSG_ADDR_ANY)
        return -RPR_EINVAL;
    link = enter(e, &missed);
    if (!link)
        return not_on_link(ept, missed);
    if (endpoint_generation(e) != ept.generation)
        error = -RPR_ESTALE;
    else if (e->addr == RPMSG_ADDR_ANY)
        error = -RPR_ENOTCONN;
    else if (len > e->tx_len)
        error = -RPR_EMSGSIZE;
    else if (link->ops->reserve(link, &slot, false))
        error = -RPR_EAGAIN;
    if (error == -RPR_EAGAIN) {
        link_wait(link, e);
        error = refused(link);
    } else if (!error && slot.size < RPR_HEADER_BYTES + len) {
        link->ops->cancel(link, slot.id);
        error = -RPR_EMSGSIZE;
    } else if (!error) {
        e->tx_mark++; /* counted, and not against credit */
        e->tx_start++;
        header_put(slot.msg, e->addr, dest, (uint16_t)len);
        memcpy(slot.msg + RPR_HEADER_BYTES, data, len);
        link->ops->commit(link, slot.id, RPR_HEADER_BYTES + (uint32_t)len);
        finish(link, flags);
    }
    link_unlock(link);
    return error;
}

void rpr_flush(struct rpr_device *device)
{
    struct rpr_link *link = device->link;

    if (!link)
        return;
    link_lock(link);
    if (link->incarnation)
        link->ops->flush(link);
    link_unlock(link);
}
