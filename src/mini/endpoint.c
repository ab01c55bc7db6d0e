/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Endpoints of the smallest node, and the name service: what the core does in ns.c, endpoint.c and
 * receive.c, without what the smallest node does not have.
 */
#include "mini/mini.h"

#include "base/text.h"
#include "wire/header.h"
#include "wire/ns.h"

static struct rpr_mini_ept *by_addr(const struct rpr_mini *m, uint32_t addr)
{
    struct rpr_mini_ept *e = m->epts;

    while (e && (e->addr != addr || e->flags & MINI_CLOSING))
        e = e->next;
    return e;
}

/* With dest ANY: one that wants a peer. */
static struct rpr_mini_ept *by_name(const struct rpr_mini *m, const char *name, uint32_t dest)
{
    struct rpr_mini_ept *e = m->epts;

    while (e &&
           (e->dest != dest || (e->flags & MINI_CLOSING && !MUTANT(mini_finds_who_is_closed)) ||
            text_differs(e->name, name) || (dest == RPMSG_ADDR_ANY && !(e->flags & MINI_WANTS))))
        e = e->next;
    return e;
}

/* ---- words to be said ---------------------------------------------------------------------------- */

static bool acknowledges(const struct rpr_mini *m)
{
    return m->config->session.dialect <= RPR_DIALECT_NUTTX_OLD;
}

/* To who announced itself. Linux learns from data; the others from an announcement. */
static enum mini_word answer(const struct rpr_mini *m)
{
    if (acknowledges(m))
        return MINI_ACK;
    return m->config->session.dialect == RPR_DIALECT_LINUX ? MINI_NONE : MINI_CREATE;
}

/* Says the word of an endpoint. False: there is no buffer, or it would not be heard. */
static bool say(struct rpr_mini_ept *e)
{
    static const uint8_t flags[] = {
        [MINI_CREATE] = NS_CREATE, [MINI_ACK] = NS_CREATE_ACK, [MINI_DESTROY] = NS_DESTROY};
    uint8_t payload[RPMSG_NS_BYTES];
    int error;

    if (e->word == MINI_NONE)
        return true;
    ns_put(payload, e->name, e->addr, flags[e->word]);
    error = mini_put(e->node, e->addr, RPMSG_ADDR_NS, payload, sizeof payload);
    if (error == -RPR_EMSGSIZE)
        mini_break(e->node, TOO_LONG);
    if (error)
        return false;
    e->word = MINI_NONE;
    e->flags |= MINI_TOLD;
    return true;
}

/* Only here an endpoint leaves the list: callbacks may do what they like. */
void mini_tend(struct rpr_mini *m)
{
    struct rpr_mini_ept **at = &m->epts;

    while (*at) {
        struct rpr_mini_ept *e = *at;

        if (!say(e) && !m->wrong && !MUTANT(mini_end_is_not_said))
            return;
        if (e->flags & MINI_CLOSING) {
            *at = e->next;
            if (e->ops->closed)
                e->ops->closed(e);
            continue;
        }
        if (e->flags & MINI_WAITING && mini_n_free(m) > 1) {
            e->flags &= (uint8_t)~MINI_WAITING;
            if (e->ops->writable)
                e->ops->writable(e);
        }
        at = &e->next;
    }
}

bool mini_wants_tx(const struct rpr_mini *m)
{
    const struct rpr_mini_ept *e = m->epts;

    while (e && !e->word && !(e->flags & MINI_WAITING))
        e = e->next;
    return e;
}

/* ---- open and close -------------------------------------------------------------------------------- */

/* Each is used once: what was sent to a former endpoint reaches nobody. */
static uint32_t new_addr(struct rpr_mini *m)
{
    uint32_t addr = m->next_addr;

    if (addr + 1 <= RPMSG_ADDR_DYNAMIC) /* ANY, too */
        addr = RPMSG_ADDR_DYNAMIC;
    m->next_addr = addr + 1;
    return addr;
}

static void bind(struct rpr_mini_ept *e, uint32_t addr, enum mini_word word)
{
    e->dest = addr;
    if (word && e->name[0])
        e->word = (uint8_t)word;
    if (e->ops->bound)
        e->ops->bound(e);
}

static void unbind(struct rpr_mini_ept *e, enum rpr_unbound_reason reason)
{
    if (e->dest == RPMSG_ADDR_ANY)
        return;
    e->dest = RPMSG_ADDR_ANY;
    if (!(e->flags & MINI_CLOSING) && e->ops->unbound)
        e->ops->unbound(e, reason);
}

int rpr_mini_ept_open(struct rpr_mini *m, struct rpr_mini_ept *e)
{
    if (text_length(e->name, RPR_NAME_MAX + 1) > RPR_NAME_MAX)
        return -RPR_ENAMETOOLONG;
    if (e->addr == RPMSG_ADDR_ANY)
        e->addr = new_addr(m);
    else if (e->addr >= RPMSG_ADDR_DYNAMIC)
        return -RPR_EINVAL;
    else if (e->addr == RPMSG_ADDR_NS || by_addr(m, e->addr))
        return -RPR_EEXIST;
    e->node = m;
    e->word = MINI_NONE;
    e->flags = 0;
    e->next = m->epts;
    m->epts = e;
    if (e->dest != RPMSG_ADDR_ANY) {
        bind(e, e->dest, answer(m));
    } else {
        e->flags = MINI_WANTS;
        rpr_mini_announce(e);
    }
    mini_turn(m);
    return 0;
}

void rpr_mini_announce(struct rpr_mini_ept *e)
{
    if (e->dest == RPMSG_ADDR_ANY && !(e->flags & MINI_CLOSING) && e->name[0])
        e->word = MINI_CREATE;
    mini_turn(e->node);
}

void rpr_mini_ept_close(struct rpr_mini_ept *e)
{
    e->flags |= MINI_CLOSING;
    e->word = e->flags & MINI_TOLD && e->addr >= RPMSG_ADDR_DYNAMIC ? MINI_DESTROY : MINI_NONE;
    mini_turn(e->node);
}

void mini_lose(struct rpr_mini *m)
{
    for (struct rpr_mini_ept *e = m->epts; e; e = e->next) {
        e->flags &= (uint8_t)~MINI_TOLD;
        e->word = MINI_NONE;
        if (e->addr >= RPMSG_ADDR_DYNAMIC)
            e->addr = new_addr(m);
        unbind(e, RPR_UNBOUND_LOST);
        if (e->flags & MINI_WANTS)
            rpr_mini_announce(e);
    }
}

/* ---- messages ------------------------------------------------------------------------------------------ */

int rpr_mini_send(struct rpr_mini_ept *e, const void *data, size_t len)
{
    struct rpr_mini *m = e->node;
    int error = -RPR_EAGAIN;

    if (e->flags & MINI_CLOSING)
        return -RPR_ESTALE;
    if (e->dest == RPMSG_ADDR_ANY || m->wrong)
        return -RPR_ENOTCONN;
    if (MUTANT(mini_data_overtakes_its_answer) || say(e)) /* before its data */
        error = mini_put(m, e->addr, e->dest, data, len);
    if (error == -RPR_EAGAIN)
        e->flags |= MINI_WAITING;
    else
        mini_turn(m);
    return error;
}

/* CREATE, or the answer to ours, which must have left. */
static void on_found(struct rpr_mini *m, const struct ns_message *w)
{
    struct rpr_mini_ept *e = by_name(m, w->name, RPMSG_ADDR_ANY);
    bool created = w->flags == NS_CREATE;

    if (by_name(m, w->name, w->addr))
        return; /* bound to it already: no second ACK */
    if (e && created)
        bind(e, w->addr, answer(m));
    else if (e && (e->flags & MINI_TOLD || MUTANT(mini_believes_a_stale_ack)))
        bind(e, w->addr, MINI_NONE);
    else if (!created)
        m->counters.late++;
    else if (m->config->created)
        m->config->created(m, w->name, w->addr);
}

/* Ends what has this name *and* this address, and nothing else (H-3). */
static void on_destroy(struct rpr_mini *m, const struct ns_message *w)
{
    struct rpr_mini_ept *e = by_name(m, w->name, w->addr);

    if (MUTANT(mini_destroy_matches_any_address) && m->epts)
        e = m->epts;
    if (e)
        unbind(e, RPR_UNBOUND_CLOSED);
    else
        m->counters.late++;
}

void mini_hear(struct rpr_mini *m, const uint8_t *payload, uint32_t len)
{
    struct ns_message word;

    if (ns_decode(&word, payload, len) != NS_OK ||
        (word.flags == NS_CREATE_ACK && !acknowledges(m)))
        m->counters.errors++;
    else if (word.flags == NS_DESTROY)
        on_destroy(m, &word);
    else
        on_found(m, &word);
}

enum rpr_rx_result mini_deliver(struct rpr_mini *m, uint32_t dst, const struct rpr_mini_msg *msg)
{
    struct rpr_mini_ept *e = by_addr(m, dst);
    enum rpr_rx_result result;

    if (e && e->dest == RPMSG_ADDR_ANY && e->flags & MINI_WANTS && !acknowledges(m) &&
        msg->src != RPMSG_ADDR_ANY)
        bind(e, msg->src, MINI_NONE); /* WIRE 1.2: who writes first is the peer */
    if (!e || e->flags & MINI_CLOSING) {
        m->counters.late++;
        return RPR_DONE;
    }
    result = e->ops->rx(e, msg);
    if (result == RPR_LATER)
        m->counters.dropped++;
    return result;
}
