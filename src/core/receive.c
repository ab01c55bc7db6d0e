/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Receiving: from the link's poll to the endpoint's callback, in the order of the ring. A message
 * that the callback cannot deal with now (RPR_LATER) is copied into a slot, so that the peer's
 * buffer goes back at once: returning buffers never depends on being able to send.
 */
#include "core/core.h"

/* ---- kept messages ------------------------------------------------------------------------------ */

static struct slot *slot_for(struct rpr_endpoint *e)
{
    struct rpr_node *node = e->device->node;

    if (e->n_slots < e->window)
        return slots_take(node);
    if (e->n_slots >= e->quota || (!node->pool.n_shared && !MUTANT(slots_are_lent_without_end)))
        return NULL;
    if (e->shared) {
        if (e->shared->used >= e->shared->limit)
            return NULL;
        e->shared->used++;
    }
    node->pool.n_shared--;
    e->n_borrowed++;
    return slots_take(node);
}

static void give_back(struct rpr_endpoint *e, struct slot *slot)
{
    struct rpr_node *node = e->device->node;

    slots_put(node, slot);
    e->n_slots--;
    if (e->n_borrowed) {
        e->n_borrowed--;
        node->pool.n_shared++;
        if (e->shared && !MUTANT(quota_does_not_come_back))
            e->shared->used--;
    }
    if (RPR_UNLIKELY(node->n_stopped))
        link_go_on_all(node);
}

static struct slot *take_first(struct rpr_endpoint *e)
{
    struct slot *slot = e->kept_first;

    e->kept_first = slot->next;
    if (!e->kept_first)
        e->kept_last = NULL;
    e->n_kept--;
    e->receptive = endpoint_is_receptive(e);
    return slot;
}

/* What is lost was dealt with as far as the sender's credit goes. */
static void dropped(struct rpr_endpoint *e)
{
    e->n_dropped += !MUTANT(drops_are_not_counted);
    e->device->counters.dropped += !MUTANT(drops_are_not_counted);
    credit_consumed(e);
}

static void drop_slot(struct rpr_endpoint *e, struct slot *slot)
{
    uint32_t bind = slot->bind;

    e->n_dropped++;
    e->device->counters.dropped++;
    give_back(e, slot);
    credit_dealt(e, bind);
}

void receive_drop_kept(struct rpr_endpoint *e)
{
    while (e->n_kept) {
        struct slot *slot = take_first(e);

        if (slot == e->redelivered) {
            e->redelivered = NULL; /* the callback that has it says what becomes of it */
            continue;
        }
        drop_slot(e, slot);
    }
}

static enum rpr_link_rx_result overflow(struct rpr_link *link, struct rpr_endpoint *e)
{
    if (e->overflow == RPR_STOP_LINK && e->quota) {
        link_stop(link, e);
        if (e->ops->stopped)
            e->ops->stopped(e->ctx, endpoint_handle(e));
        return RPR_LINK_RX_STOP;
    }
    dropped(e);
    return RPR_LINK_RX_DONE;
}

static enum rpr_link_rx_result keep(struct rpr_link *link, struct rpr_endpoint *e,
                                    const struct rpr_msg *msg)
{
    struct slot *slot;

    if (msg->len > e->device->node->pool.slot_bytes) {
        dropped(e);
        return RPR_LINK_RX_DONE;
    }
    slot = slot_for(e);
    if (!slot && e->overflow == RPR_DROP_OLDEST && e->n_kept && !e->redelivered) {
        drop_slot(e, take_first(e));
        slot = slot_for(e);
    }
    if (!slot)
        return overflow(link, e);
    slot->next = NULL;
    slot->len = msg->len;
    slot->src = msg->src;
    slot->bind = e->n_binds;
    memcpy(slot->data, msg->data, msg->len);
    if (MUTANT(keeping_a_message_allocates))
        node_free(e->device->node, node_alloc(e->device->node, msg->len), msg->len);
    if (MUTANT(kept_message_has_its_credit) && !(e->flags & RPR_EPT_MANUAL))
        credit_consumed(e);
    if (e->kept_last)
        e->kept_last->next = slot;
    else
        e->kept_first = slot;
    e->kept_last = slot;
    e->n_kept++;
    e->receptive = endpoint_is_receptive(e);
    e->n_slots++;
    e->device->counters.parked++;
    return RPR_LINK_RX_DONE;
}

/* The first kept message once more; false: not now. It stays where it is while the callback has it,
 * unless that drops all of them (close, unbind): then it is not on the list any more. A held one
 * lives on in its slot, which goes back at rpr_release(). */
static bool redeliver(struct rpr_endpoint *e)
{
    struct slot *slot = e->kept_first;
    struct rpr_msg msg = {
        .data = slot->data, .len = slot->len, .src = slot->src, .id = slot->bind, .endpoint = e};
    enum rpr_rx_result result;
    bool on_list;

    e->redelivered = slot;
    result = e->ops->rx(e->ctx, endpoint_handle(e), &msg);
    on_list = e->redelivered == slot;
    e->redelivered = NULL;
    if (result == RPR_LATER && on_list)
        return false;
    if (on_list)
        (void)take_first(e);
    if (result == RPR_HOLD) {
        e->n_held++; /* and its slot is in use: the sender's credit comes with the release */
        return true;
    }
    give_back(e, slot);
    if (result == RPR_LATER) {
        e->n_dropped++;
        e->device->counters.dropped++;
    }
    credit_dealt(e, msg.id);
    return true;
}

/* A callback has taken its link down, inside a poll of it: the rest goes with the session. Not so what
 * somebody asks for by himself. */
static bool is_over(const struct rpr_endpoint *e)
{
    const struct rpr_link *link = atomic_load_explicit(&e->link, memory_order_relaxed);

    return link && link->doom && !(e->flags & RPR_EPT_MANUAL) &&
           !MUTANT(kept_messages_come_after_the_end);
}

/* Redelivers in order. */
void receive_resume(struct rpr_endpoint *e)
{
    struct rpr_link *link;

    if (!e->n_kept || e->resuming || !endpoint_enter(e))
        return;
    e->resuming = true;
    while (e->n_kept && !e->closing && !is_over(e)) {
        if (e->ending && e->kept_first->bind != e->told)
            endpoint_next_binding(e);
        else if (!redeliver(e))
            break;
    }
    if (!e->n_kept && e->ending && !e->closing)
        endpoint_next_binding(e);
    e->resuming = false;
    link = atomic_load_explicit(&e->link, memory_order_relaxed);
    if (e->n_kept && !(e->flags & RPR_EPT_MANUAL) && link)
        link_wait_later(link, e);
    endpoint_leave(e);
}

int rpr_ept_resume(rpr_ept_t ept)
{
    struct rpr_endpoint *e = endpoint_get(ept);
    struct rpr_link *link;

    if (!e)
        return -RPR_ESTALE;
    link = atomic_load_explicit(&e->link, memory_order_relaxed);
    receive_resume(e);
    if (link && endpoint_get(ept))
        link_go_on(link, e);
    return 0;
}

int rpr_ept_overflow(rpr_ept_t ept, enum rpr_overflow overflow)
{
    struct rpr_endpoint *e = endpoint_get(ept);
    struct rpr_link *link;

    if (!e)
        return -RPR_ESTALE;
    e->overflow = (uint8_t)overflow;
    link = atomic_load_explicit(&e->link, memory_order_relaxed);
    if (link)
        link_go_on(link, e);
    return 0;
}

/* ---- messages from a link ------------------------------------------------------------------------ */

static enum rpr_link_rx_result result_of(struct rpr_link *link, struct rpr_endpoint *e,
                                         const struct rpr_msg *msg, enum rpr_rx_result result)
{
    if (result == RPR_HOLD) {
        e->n_held++;
        ((struct rpr_incarnation *)msg->incarnation)->n_held++;
        link->holder = e;
        credit_consumed(e);
        return RPR_LINK_RX_HELD;
    }
    if (e->closing) {
        dropped(e);
        return RPR_LINK_RX_DONE;
    }
    if (!(e->flags & RPR_EPT_MANUAL))
        link_wait_later(link, e);
    return keep(link, e, msg);
}

/* The callback did something else than deal with the message. */
static __attribute__((noinline)) enum rpr_link_rx_result deliver_rest(struct rpr_msg msg,
                                                                      enum rpr_rx_result result)
{
    const struct rpr_incarnation *incarnation = msg.incarnation;
    struct rpr_endpoint *e = msg.endpoint;
    enum rpr_link_rx_result end = RPR_LINK_RX_DONE;

    if (result == RPR_DONE)
        credit_consumed(e);
    else
        end = result_of(incarnation->link, e, &msg, result);
    endpoint_leave(e);
    return end;
}

static __attribute__((noinline)) enum rpr_link_rx_result grant(struct rpr_endpoint *e)
{
    credit_due(e);
    return RPR_LINK_RX_DONE;
}

/* To the callback, on the path of each message: nothing but the message lives on across the call,
 * so that no register has to be saved. */
RPR_INLINE enum rpr_link_rx_result deliver(struct rpr_endpoint *e, const struct rpr_msg *msg)
{
    enum rpr_rx_result result;

    e->n_calls++;
    result = e->ops->rx(e->ctx, endpoint_handle(e), msg);
    e = msg->endpoint;
    if (RPR_UNLIKELY(((unsigned)result | e->closing) != RPR_DONE))
        return deliver_rest(*msg, result);
    e->n_calls--;
    if (RPR_UNLIKELY(--e->rx_left == 0))
        return grant(e);
    return RPR_LINK_RX_DONE;
}

/* The rare cases: not bound yet, no receiver, or an address of the stack itself. */
static __attribute__((noinline)) enum rpr_link_rx_result special(struct rpr_link *link,
                                                                 struct rpr_endpoint *e,
                                                                 const struct rpr_msg *msg,
                                                                 uint32_t dst)
{
    if (e) {
        if (e->dest == RPMSG_ADDR_ANY && e->wants_peer &&
            (dialect_of(link)->latch || link->lossy) && /* its CREATE_ACK may have been lost */
            msg->src != RPMSG_ADDR_ANY && !(e->flags & RPR_EPT_NO_NS)) {
            rpr_ept_t ept = endpoint_handle(e);

            endpoint_bind(e, msg->src); /* WIRE 1.2: who writes first is the peer */
            if (!endpoint_get(ept))
                return RPR_LINK_RX_DONE;
        }
        if (e->ending && e->dest == RPMSG_ADDR_ANY &&
            !MUTANT(message_from_nobody_is_delivered)) { /* from nobody */
            link->device->counters.late++;
            return RPR_LINK_RX_DONE;
        }
        return e->n_kept ? keep(link, e, msg) /* behind those that came first */
                         : deliver(e, msg);
    }
    if (dst == RPMSG_ADDR_NS)
        ns_receive(link, msg->data, msg->len);
    else if (dst == RPMSG_ADDR_WORD && link->words && credit_agreed(link))
        words_receive(link, msg);
    else if ((dst == RPMSG_ADDR_CREDIT || dst == RPMSG_ADDR_SENT) && credit_agreed(link))
        credit_receive(link, dst, msg->data, msg->len);
    else
        link->device->counters.late += !MUTANT(late_messages_are_not_counted);
    return RPR_LINK_RX_DONE;
}

/* Of the name service, or for a control endpoint of the router. */
void receive_word(struct rpr_link *link, struct rpr_msg *msg, uint32_t dst)
{
    struct rpr_endpoint *e = address_find(&link->device->addresses, dst);

    msg->endpoint = e;
    if (e ? e->flags & RPR_EPT_CONTROL : dst == RPMSG_ADDR_NS)
        (void)special(link, e, msg, dst);
    else
        link->device->counters.late++;
}

static enum rpr_link_rx_result bad_length(struct rpr_link *link)
{
    link->device->counters.errors++;
    if (link->ops->strict)
        rpr_link_broken(link, "a message's length is over its buffer");
    return RPR_LINK_RX_DONE;
}

/* Any message; looks at it anew. */
static __attribute__((noinline)) enum rpr_link_rx_result receive_any(struct rpr_link *link,
                                                                     const uint8_t *msg,
                                                                     uint32_t size, uint32_t id)
{
    uint32_t len = get_once_le16(msg + 12);
    uint32_t dst = get_once_le32(msg + 4);
    struct rpr_endpoint *e = address_find(&link->device->addresses, dst);
    struct rpr_msg m = {.data = msg + RPR_HEADER_BYTES,
                        .len = len,
                        .src = get_once_le32(msg),
                        .id = id,
                        .incarnation = link->incarnation,
                        .endpoint = e};

    /* A callback ended the session: nothing more is delivered. */
    if (link->doom && !MUTANT(delivers_after_the_end))
        return RPR_LINK_RX_STOP;
    if (len + RPR_HEADER_BYTES > size && !MUTANT(message_length_is_believed))
        return bad_length(link);
    return special(link, e, &m, dst);
}

/* The usual message, for a bound endpoint that has none kept. */
enum rpr_link_rx_result rpr_link_rx(struct rpr_link *link, uint8_t *msg, uint32_t size, uint32_t id)
{
    uint32_t len = get_once_le16(msg + 12);
    const struct address_slot *slot =
        address_slot(&link->device->addresses, get_once_le32(msg + 4));
    struct rpr_endpoint *e;
    struct rpr_msg m;

    if (RPR_UNLIKELY(!slot) || RPR_UNLIKELY(len + RPR_HEADER_BYTES > size) ||
        RPR_UNLIKELY(link->doom))
        return receive_any(link, msg, size, id);
    e = slot->endpoint;
    if (RPR_UNLIKELY(!e->receptive))
        return receive_any(link, msg, size, id);
    m.data = msg + RPR_HEADER_BYTES;
    m.len = len;
    m.src = get_once_le32(msg);
    m.id = id;
    m.incarnation = link->incarnation;
    m.endpoint = e;
    return deliver(e, &m);
}

void rpr_release(struct rpr_msg *msg)
{
    struct rpr_endpoint *e = msg->endpoint;
    struct rpr_incarnation *incarnation = msg->incarnation;

    CHECK_OWNER(e->device->node);
    if (!incarnation) { /* it had been kept */
        give_back(e, RPR_CONTAINER((const uint8_t *)msg->data, struct slot, data));
        credit_dealt(e, msg->id);
    } else {
        struct rpr_link *link = incarnation->link;

        incarnation->n_held--;
        if (link->incarnation == incarnation)
            link->ops->release(link, msg->id);
        link_released(link, incarnation);
    }
    msg->data = NULL;
    if (--e->n_held == 0 && e->closing)
        endpoint_finish(e);
}
