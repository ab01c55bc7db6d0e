/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Life of an endpoint.
 *
 *   open -> announced -> bound -> unbound or announced again -> closing -> closed -> freed
 *
 * Close has two steps. First nobody can find it any more: not by address, not by name, not by
 * handle (the generation moves on), and senders on other threads see `sendable` go under the
 * link's lock, so each finished before or gets -ESTALE. Then it is drained: when no callback of it
 * runs and no message of it is held, `closed` gives the context back to the caller. The object
 * itself stays until its DESTROY has left, and its memory is only ever used for endpoints again:
 * a stale handle always points at an endpoint's generation.
 */
#include "core/core.h"

#include "base/text.h"

#define AGAIN_FIRST_MS  10u
#define AGAIN_LAST_MS   5000u
#define LASTING_BIND_NS UINT64_C(1000000000)
#define NO_ADDRESS_NS   UINT64_C(1000000000) /* until there may be memory for one */
#define REPEAT_FIRST_MS 200u /* links that lose messages; doubling for as long as nobody answers */
#define REPEAT_LAST_MS  3600000u

/* ---- names --------------------------------------------------------------------------------- */

static uint32_t name_hash(const struct rpr_device *device, const char *name)
{
    uint32_t hash = 2166136261u ^ device->id; /* FNV-1a */

    while (*name)
        hash = (hash ^ (uint8_t)*name++) * 16777619u;
    return hash ^ (hash >> 15);
}

static int names_reserve(struct rpr_node *node)
{
    uint32_t size = node->names ? node->names_mask + 1 : 0;
    uint32_t bigger = size ? size * 2 : 64;
    struct rpr_endpoint **names;

    if (node->n_names < size)
        return 0;
    names = node_alloc(node, bigger * sizeof *names);
    if (!names)
        return -RPR_ENOMEM;
    for (uint32_t i = 0; i < size; i++) {
        struct rpr_endpoint *e = node->names[i];

        while (e) {
            struct rpr_endpoint *next = e->next_name;
            uint32_t at = name_hash(e->device, e->name) & (bigger - 1);

            e->next_name = names[at];
            names[at] = e;
            e = next;
        }
    }
    node_free(node, node->names, size * sizeof *names);
    node->names = names;
    node->names_mask = bigger - 1;
    return 0;
}

static void names_add(struct rpr_endpoint *e)
{
    struct rpr_node *node = e->device->node;
    uint32_t at = name_hash(e->device, e->name) & node->names_mask;

    e->next_name = node->names[at];
    node->names[at] = e;
    node->n_names++;
}

static void names_remove(struct rpr_endpoint *e)
{
    struct rpr_node *node = e->device->node;
    struct rpr_endpoint **at = &node->names[name_hash(e->device, e->name) & node->names_mask];

    while (*at != e)
        at = &(*at)->next_name;
    *at = e->next_name;
    node->n_names--;
}

static struct rpr_endpoint *by_name(struct rpr_device *device, const char *name, uint32_t dest,
                                    bool ending)
{
    struct rpr_node *node = device->node;
    struct rpr_endpoint *e;

    if (!node->names)
        return NULL;
    for (e = node->names[name_hash(device, name) & node->names_mask]; e; e = e->next_name)
        if (e->device == device && e->dest == dest && e->addr != RPMSG_ADDR_ANY &&
            !text_differs(e->name, name) &&
            (dest != RPMSG_ADDR_ANY || (e->wants_peer && e->ending == ending)) &&
            !(e->flags & RPR_EPT_NO_NS))
            return e;
    return NULL;
}

/* The endpoint of that name bound to `dest`; for ANY: one that waits for a peer. */
struct rpr_endpoint *endpoint_by_name(struct rpr_device *device, const char *name, uint32_t dest)
{
    return by_name(device, name, dest, false);
}

/* Of any kind, those with a name service of their own included. */
struct rpr_endpoint *endpoint_bound_to(struct rpr_device *device, const char *name, uint32_t dest)
{
    struct rpr_node *node = device->node;
    struct rpr_endpoint *e =
        node->names ? node->names[name_hash(device, name) & node->names_mask] : NULL;

    while (e && (e->device != device || e->dest != dest || e->addr == RPMSG_ADDR_ANY ||
                 text_differs(e->name, name)))
        e = e->next_name;
    return e;
}

/* One that has no peer any more, but has not heard of it yet. */
struct rpr_endpoint *endpoint_ending_by_name(struct rpr_device *device, const char *name)
{
    return by_name(device, name, RPMSG_ADDR_ANY, true);
}

/* ---- the object's memory ------------------------------------------------------------------- */

/* The handles of now are stale. 0 is left out: see quick_generation. */
static void next_generation(struct rpr_endpoint *e)
{
    uint32_t next = endpoint_generation(e) + !MUTANT(handle_outlives_its_endpoint);

    atomic_store_explicit(&e->generation, next ? next : 1, memory_order_relaxed);
}

static struct rpr_endpoint *object_new(struct rpr_node *node)
{
    struct rpr_endpoint *e = node->free_endpoints;
    struct rpr_endpoint *next_all;

    if (!e) {
        e = node_alloc(node, sizeof *e);
        if (!e)
            return NULL;
        atomic_store_explicit(&e->generation, 1, memory_order_relaxed);
        e->next_all = node->all_endpoints;
        node->all_endpoints = e;
        return e;
    }
    node->free_endpoints = e->next_free;
    next_all = e->next_all;
    /* What stale handles may lead other threads to stays as object_put() left it. */
    memset(e, 0, offsetof(struct rpr_endpoint, link));
    memset((char *)e + offsetof(struct rpr_endpoint, tx_len), 0,
           sizeof *e - offsetof(struct rpr_endpoint, tx_len));
    e->next_all = next_all;
    return e;
}

static void object_put(struct rpr_endpoint *e)
{
    struct rpr_node *node = e->device->node;

    atomic_store_explicit(&e->link, NULL, memory_order_relaxed);
    e->next_free = node->free_endpoints;
    node->free_endpoints = e;
}

struct rpr_endpoint *endpoint_get(rpr_ept_t ept)
{
    if (!ept.endpoint || endpoint_generation(ept.endpoint) != ept.generation)
        return NULL;
    CHECK_OWNER(ept.endpoint->device->node);
    return ept.endpoint;
}

/* ---- callbacks ----------------------------------------------------------------------------- */

bool endpoint_enter(struct rpr_endpoint *e)
{
    if (e->closing)
        return false;
    e->n_calls++;
    return true;
}

void endpoint_leave(struct rpr_endpoint *e)
{
    e->n_calls--;
    if (RPR_UNLIKELY(e->closing))
        endpoint_finish(e);
}

static void tell_closed(struct rpr_endpoint *e)
{
    struct rpr_node *node = e->device->node;

    node_event(node, RPR_EVENT_EPT_CLOSED, e);
    if (e->ops->closed)
        e->ops->closed(e->ctx);
}

/* A callback of it runs, or somebody has a message of it. */
static bool is_in_use(const struct rpr_endpoint *e)
{
    return e->n_calls || (e->n_held && !MUTANT(closed_with_messages_held));
}

/* Nothing of the application is used any more. */
static void drained(struct rpr_endpoint *e)
{
    struct rpr_node *node = e->device->node;

    e->finishing = true; /* its DESTROY may leave, and its link end, while `closed` runs */
    e->device->counters.tx += endpoint_n_tx(e);
    e->device->counters.rx += endpoint_n_rx(e) - e->n_dropped;
    e->n_dropped = 0;
    credit_reset(e);
    if (e->shared)
        e->shared->used -= e->window - e->base_window;
    node->pool.n_shared += e->window - e->base_window;
    slots_unpromise(node, e->base_window);
    e->window = e->base_window = 0;
    tell_closed(e);
    e->finishing = false;
    e->closed_told = true;
}

/* Second step of the close, as far as it goes now. */
void endpoint_finish(struct rpr_endpoint *e)
{
    if (e->finishing || (is_in_use(e) && !e->device->node->closing))
        return;
    if (!e->closed_told)
        drained(e);
    if (!e->on_control) {
        struct rpr_device *d = e->device;

        object_put(e);
        d->n_endpoints--;
        if (d->dead)
            device_free(d);
    }
}

void endpoint_told(struct rpr_endpoint *e)
{
    if (!e->closing)
        return;
    atomic_store_explicit(&e->link, NULL, memory_order_relaxed); /* not needed any more */
    if (e->closed_told)
        endpoint_finish(e);
}

/* The node ends: nothing can come back any more that a close waits for. */
void endpoint_finish_all(struct rpr_node *node)
{
    struct rpr_endpoint *e;

    for (e = node->all_endpoints; e; e = e->next_all)
        if (e->closing && !e->closed_told)
            endpoint_finish(e);
}

/* ---- send part ----------------------------------------------------------------------------- */

/* All changes that senders see, under the lock of the link they use. */
void endpoint_set_send(struct rpr_endpoint *e, struct rpr_link *link, uint32_t dest, bool sendable)
{
    struct rpr_link *old = atomic_load_explicit(&e->link, memory_order_relaxed);
    struct rpr_link *locked = old ? old : link;
    struct rpr_link *quick = link;

    if (locked)
        link_lock(locked);
    if (old && (old != link || !sendable) && !MUTANT(closed_endpoint_still_waits))
        link_unwait(old, e);
    if (!sendable)
        e->wait_credit = false;
    e->dest = dest;
    e->receptive = endpoint_is_receptive(e);
    e->sendable = sendable;
    e->tx_len = e->device->tx_len;
    if (!sendable || !link || link->lock || (e->flags & RPR_EPT_CONTROL))
        quick = NULL;
    atomic_store_explicit(&e->quick, quick, memory_order_relaxed);
    atomic_store_explicit(&e->quick_generation, quick ? endpoint_generation(e) : 0,
                          memory_order_relaxed);
    atomic_store_explicit(&e->link, link, memory_order_release);
    if (locked)
        link_unlock(locked);
}

void endpoint_new_size(struct rpr_endpoint *e)
{
    endpoint_set_send(e, atomic_load_explicit(&e->link, memory_order_relaxed), e->dest,
                      e->sendable);
}

/* ---- bound and unbound --------------------------------------------------------------------- */

static bool may_do_ns(const struct rpr_endpoint *e)
{
    return e->name[0] && !(e->flags & RPR_EPT_NO_NS);
}

static void announce_again(struct rpr_timer *timer, uint64_t now_ns)
{
    struct rpr_endpoint *e = RPR_CONTAINER(timer, struct rpr_endpoint, again);

    (void)now_ns;
    if (e->closing || e->dest != RPMSG_ADDR_ANY)
        return;
    if (e->addr != RPMSG_ADDR_ANY)
        ns_word(e, NS_WORD_CREATE);
    else if (device_is_up(e->device))
        endpoint_device_up(e); /* there was no memory for an address */
}

void endpoint_ask_again(struct rpr_endpoint *e)
{
    struct rpr_node *node = e->device->node;

    if (!e->unanswered)
        return;
    if (!e->repeat_ms)
        e->repeat_ms = REPEAT_FIRST_MS;
    rpr_timer_start(node, &e->again, node->now_ns + e->repeat_ms * UINT64_C(1000000));
    e->repeat_ms = e->repeat_ms * 2 > REPEAT_LAST_MS ? REPEAT_LAST_MS : e->repeat_ms * 2;
}

/* It, or the answer, may be lost before both know what they are; after that words are numbered. Only
 * one of ours hears it twice: NuttX keeps each CREATE that has no taker yet, and would have two takers
 * then. */
void endpoint_asked(struct rpr_endpoint *e)
{
    struct rpr_link *link = atomic_load_explicit(&e->link, memory_order_relaxed);

    e->unanswered = e->dest == RPMSG_ADDR_ANY;
    if (link->like_ours && !rpr_link_numbered(link) && !MUTANT(lost_create_is_not_repeated))
        endpoint_ask_again(e);
}

static void answered(struct rpr_endpoint *e)
{
    e->unanswered = false;
    e->repeat_ms = 0;
    rpr_timer_stop(e->device->node, &e->again);
}

static void tell_bound(struct rpr_endpoint *e, uint32_t bind, uint32_t dest)
{
    struct rpr_node *node = e->device->node;

    e->told = bind;
    e->state = RPR_EPT_BOUND;
    e->bound_at_ns = node->now_ns;
    e->n_calls++;
    node_event(node, RPR_EVENT_EPT_BOUND, e);
    if (!e->closing && e->state == RPR_EPT_BOUND && e->told == bind) { /* as observers left it */
        e->bound_told = true;
        if (e->ops->bound)
            e->ops->bound(e->ctx, endpoint_handle(e), dest);
    }
    endpoint_leave(e);
}

/* While it is `ending` the application still has messages of the former peer: it may send, and
 * hears of this one, after those. */
void endpoint_bind(struct rpr_endpoint *e, uint32_t dest)
{
    struct rpr_link *link = atomic_load_explicit(&e->link, memory_order_relaxed);

    answered(e);
    if (!e->ending)
        receive_drop_kept(e);
    credit_start(e, link);
    endpoint_set_send(e, link, dest, !e->ending);
    if (!e->ending)
        tell_bound(e, e->n_binds, dest);
}

static void schedule_again(struct rpr_endpoint *e)
{
    struct rpr_node *node = e->device->node;

    if (node->now_ns - e->bound_at_ns >= LASTING_BIND_NS || !e->again_ms)
        e->again_ms = AGAIN_FIRST_MS;
    rpr_timer_start(node, &e->again, node->now_ns + e->again_ms * UINT64_C(1000000));
    if (!MUTANT(announces_again_without_patience))
        e->again_ms = e->again_ms * 2 > AGAIN_LAST_MS ? AGAIN_LAST_MS : e->again_ms * 2;
}

/* Within a call of it. */
static void tell_unbound(struct rpr_endpoint *e, enum rpr_unbound_reason reason)
{
    bool told;

    e->state = e->wants_peer && may_do_ns(e) ? RPR_EPT_ANNOUNCED : RPR_EPT_UNBOUND;
    node_event(e->device->node, RPR_EVENT_EPT_UNBOUND, e);
    told = e->bound_told && !e->closing;
    e->bound_told = false;
    if (told && e->ops->unbound)
        e->ops->unbound(e->ctx, endpoint_handle(e), reason);
}

static void look_for_peer(struct rpr_endpoint *e)
{
    uint32_t other;

    if (!e->closing && e->state == RPR_EPT_ANNOUNCED && e->addr != RPMSG_ADDR_ANY &&
        e->dest == RPMSG_ADDR_ANY && ns_take_announcement(e->device, e->name, &other)) {
        ns_word(e, NS_WORD_ACK); /* first: `bound` may close, or end the link */
        endpoint_bind(e, other);
    }
}

/* The peer is gone: sends stop at once; the application hears it after what had come before. */
void endpoint_unbind(struct rpr_endpoint *e, enum rpr_unbound_reason reason)
{
    struct rpr_link *link = atomic_load_explicit(&e->link, memory_order_relaxed);
    bool stale = reason == RPR_UNBOUND_CLOSED && MUTANT(destination_outlives_its_destroy);

    if (e->dest == RPMSG_ADDR_ANY && !e->ending)
        return;
    credit_stop(e);
    endpoint_set_send(e, link, stale ? e->dest : RPMSG_ADDR_ANY, stale);
    if (reason == RPR_UNBOUND_CLOSED && e->n_kept && !(e->flags & RPR_EPT_NO_NS) &&
        !MUTANT(end_overtakes_what_was_kept)) {
        e->ending = true;
        if (link && !(e->flags & RPR_EPT_MANUAL))
            link_wait_later(link, e);
        return;
    }
    if (!(e->flags & RPR_EPT_MANUAL))
        receive_drop_kept(e);
    e->ending = false;
    if (reason == RPR_UNBOUND_CLOSED && e->wants_peer && may_do_ns(e))
        schedule_again(e);
    e->n_calls++;
    tell_unbound(e, reason);
    look_for_peer(e);
    endpoint_leave(e);
}

/* The former peer is told of at last; then comes who was bound meanwhile and left messages, be it
 * gone again or not, then who is bound now. Within a call of it. */
void endpoint_next_binding(struct rpr_endpoint *e)
{
    struct rpr_link *link = atomic_load_explicit(&e->link, memory_order_relaxed);
    const struct slot *first = e->kept_first;

    if (!first && e->dest == RPMSG_ADDR_ANY && e->wants_peer && may_do_ns(e))
        schedule_again(e);
    tell_unbound(e, RPR_UNBOUND_CLOSED);
    if (e->closing || !e->ending)
        return; /* or lost */
    first = e->kept_first;
    if (first && (e->dest == RPMSG_ADDR_ANY || first->bind != e->n_binds)) {
        tell_bound(e, first->bind, first->src);
        return;
    }
    e->ending = false;
    if (e->dest == RPMSG_ADDR_ANY) {
        look_for_peer(e);
        return;
    }
    rpr_timer_stop(e->device->node, &e->again);
    endpoint_set_send(e, link, e->dest, true);
    tell_bound(e, e->n_binds, e->dest);
}

/* ---- the device comes and goes ----------------------------------------------------------------- */

static struct address_table *addresses_of(const struct rpr_endpoint *e)
{
    struct rpr_device *d = e->device;

    return d->kind == RPR_DEVICE_ROUTED ? &d->via->addresses : &d->addresses;
}

static void say_hello(struct rpr_endpoint *e)
{
    uint32_t other;

    if (e->fixed_dest != RPMSG_ADDR_ANY) {
        if (e->name[0])
            return; /* a server's end: its peer is gone with the incarnation */
        endpoint_bind(e, e->fixed_dest);
    } else if (e->flags & RPR_EPT_NO_NS) {
        if (e->flags & RPR_EPT_ANNOUNCE)
            ns_word(e, NS_WORD_CREATE);
    } else if (e->name[0]) {
        if (ns_take_announcement(e->device, e->name, &other)) {
            ns_word(e, NS_WORD_ACK);
            endpoint_bind(e, other);
        } else {
            ns_word(e, NS_WORD_CREATE);
        }
    }
}

void endpoint_device_up(struct rpr_endpoint *e)
{
    struct rpr_node *node = e->device->node;
    int error = address_assign(node, addresses_of(e), e, e->fixed_addr, &e->addr);

    if (error) {
        e->addr = RPMSG_ADDR_ANY;
        node_pool_empty(node, e->device, "addresses");
        if (error == -RPR_ENOMEM && !MUTANT(no_memory_for_an_address_is_for_ever))
            rpr_timer_start(node, &e->again, node->now_ns + NO_ADDRESS_NS);
        return;
    }
    e->again_ms = 0;
    endpoint_set_send(e, e->device->link, RPMSG_ADDR_ANY, false);
    if (e->state == RPR_EPT_UNBOUND && e->fixed_dest == RPMSG_ADDR_ANY)
        e->state = may_do_ns(e) ? RPR_EPT_ANNOUNCED : RPR_EPT_UNBOUND;
    say_hello(e);
}

void endpoint_device_down(struct rpr_endpoint *e)
{
    struct rpr_link *link = atomic_load_explicit(&e->link, memory_order_relaxed);
    uint32_t addr = e->addr;

    if (addr == RPMSG_ADDR_ANY)
        return;
    link_lock(link);
    e->addr = RPMSG_ADDR_ANY; /* senders put it into their messages: none after this */
    e->sendable = false;
    link_unlock(link);
    address_free(addresses_of(e), addr);
    answered(e);
    ns_forget(e); /* not before nobody can send: it holds data back */
    e->announced = false;
    endpoint_unbind(e, RPR_UNBOUND_LOST);
    link_go_on(link, e);
    endpoint_set_send(e, NULL, RPMSG_ADDR_ANY, false);
}

/* ---- open and close -------------------------------------------------------------------------- */

static int check_config(const struct rpr_device *d, const struct rpr_ept_config *c)
{
    size_t length = c->name ? text_length(c->name, RPR_NAME_MAX + 1) : 0;

    if (d->dead)
        return -RPR_ENOENT;
    if (!c->ops || !c->ops->rx || (c->name && !length))
        return -RPR_EINVAL;
    if (c->addr != RPR_ADDR_ANY && c->addr >= RPR_ADDR_DYNAMIC)
        return -RPR_EINVAL;
    if (c->addr == RPMSG_ADDR_NS || c->addr == RPMSG_ADDR_CREDIT || c->addr == RPMSG_ADDR_SENT)
        return -RPR_EEXIST;
    if (length > (d->kind == RPR_DEVICE_ROUTED ? RPR_ROUTED_SERVICE_MAX : RPR_NAME_MAX))
        return -RPR_ENAMETOOLONG;
    if (c->dest != RPR_ADDR_ANY && !device_is_up(d))
        return -RPR_ENOTCONN;
    return 0;
}

static void append(struct rpr_device *d, struct rpr_endpoint *e)
{
    e->prev = d->last;
    if (d->last)
        d->last->next = e;
    else
        d->first = e;
    d->last = e;
    d->n_endpoints++;
}

static void take_off(struct rpr_endpoint *e)
{
    struct rpr_device *d = e->device;

    if (d->cursor == e && !MUTANT(walk_goes_on_from_who_was_closed))
        d->cursor = e->next;
    if (e->prev)
        e->prev->next = e->next;
    else
        d->first = e->next;
    if (e->next)
        e->next->prev = e->prev;
    else
        d->last = e->prev;
}

static void fill(struct rpr_endpoint *e, struct rpr_device *d, const struct rpr_ept_config *c)
{
    e->device = d;
    e->addr = RPMSG_ADDR_ANY;
    e->dest = RPMSG_ADDR_ANY;
    e->fixed_addr = c->addr;
    e->fixed_dest = c->dest;
    e->wants_peer = c->dest == RPR_ADDR_ANY;
    e->flags = (uint8_t)c->flags;
    e->overflow = (uint8_t)c->overflow;
    e->ops = c->ops;
    e->ctx = c->ctx;
    e->quota = c->quota;
    e->window = e->base_window = c->reserve && c->reserve < c->quota ? c->reserve : c->quota;
    e->shared = c->shared;
    e->again.fire = announce_again;
    e->state = RPR_EPT_UNBOUND;
    if (c->name)
        text_copy(e->name, sizeof e->name, c->name);
    credit_reset(e);
}

/* Makes the endpoint reachable on a device that is up: one that knows its peer is bound. */
static int start(struct rpr_endpoint *e)
{
    struct rpr_device *d = e->device;
    int error = address_assign(d->node, addresses_of(e), e, e->fixed_addr, &e->addr);

    if (error) {
        e->addr = RPMSG_ADDR_ANY;
        return error;
    }
    endpoint_set_send(e, d->link, RPMSG_ADDR_ANY, false);
    if (e->fixed_dest == RPMSG_ADDR_ANY) {
        say_hello(e);
        return 0;
    }
    if (may_do_ns(e))
        ns_word(e, NS_WORD_ACK);
    endpoint_bind(e, e->fixed_dest);
    return 0;
}

int rpr_ept_open(struct rpr_device *device, const struct rpr_ept_config *config, rpr_ept_t *ept)
{
    struct rpr_node *node = device->node;
    struct rpr_endpoint *e;
    int error;

    CHECK_OWNER(node);
    error = check_config(device, config);
    if (!error)
        error = names_reserve(node);
    if (error)
        return error;
    e = object_new(node);
    if (!e)
        return -RPR_ENOMEM;
    fill(e, device, config);
    error = slots_promise(node, e->base_window);
    if (error) {
        object_put(e);
        return error;
    }
    append(device, e);
    names_add(e);
    if (may_do_ns(e) && e->wants_peer)
        e->state = RPR_EPT_ANNOUNCED;
    *ept = endpoint_handle(e);
    e->n_calls++; /* observers and callbacks may close it again */
    node_event(node, RPR_EVENT_EPT_OPENED, e);
    error = device_is_up(device) && !e->closing && e->addr == RPMSG_ADDR_ANY ? start(e) : 0;
    e->n_calls--;
    if (e->closing) {
        endpoint_finish(e);
        return 0;
    }
    if (error) {
        names_remove(e);
        take_off(e);
        device->n_endpoints--;
        slots_unpromise(node, e->base_window);
        next_generation(e);
        object_put(e);
        *ept = (rpr_ept_t){0};
    }
    return error;
}

/* What the peer must be told of the end. An answer that never left leaves the announcement it was
 * for as if nobody had taken it. */
static void tell_end(struct rpr_endpoint *e, bool quiet)
{
    uint32_t dest = e->dest;
    bool unanswered = e->word != NS_WORD_NONE && !e->announced && dest != RPMSG_ADDR_ANY &&
                      !MUTANT(announcement_goes_with_who_did_not_answer);

    if (quiet || unanswered || !e->announced || e->addr < RPMSG_ADDR_DYNAMIC)
        ns_forget(e);
    else
        ns_word(e, NS_WORD_DESTROY);
    if (unanswered && may_do_ns(e))
        ns_keep_announcement(e->device, e->name, dest);
}

static int end(rpr_ept_t ept, bool quiet)
{
    struct rpr_endpoint *e = endpoint_get(ept);
    struct rpr_link *link;

    if (!e)
        return -RPR_ESTALE;
    link = atomic_load_explicit(&e->link, memory_order_relaxed);
    rpr_timer_stop(e->device->node, &e->again);
    e->closing = true;
    e->was_routed = e->device->kind == RPR_DEVICE_ROUTED;
    e->state = RPR_EPT_CLOSING;
    names_remove(e);
    take_off(e);
    if (link)
        link_lock(link);
    next_generation(e);
    if (link)
        link_unlock(link);
    if (e->addr !=
        RPMSG_ADDR_ANY) { /* once nobody can send: a word that is forgotten holds data back */
        address_free(addresses_of(e), e->addr);
        tell_end(e, quiet);
    }
    credit_stop(e);
    endpoint_set_send(e, e->on_control ? link : NULL, e->dest, false);
    if (link)
        link_go_on(link, e);
    receive_drop_kept(e);
    if (e->n_calls && MUTANT(closed_inside_a_callback))
        drained(e);
    endpoint_finish(e);
    return 0;
}

int rpr_ept_close(rpr_ept_t ept)
{
    return end(ept, false);
}

int rpr_ept_abandon(rpr_ept_t ept)
{
    return end(ept, true);
}

/* ---- for parts with a name service of their own ----------------------------------------------- */

int rpr_ept_bind(rpr_ept_t ept, uint32_t dest, bool ack)
{
    struct rpr_endpoint *e = endpoint_get(ept);

    if (!e)
        return -RPR_ESTALE;
    if (e->addr == RPMSG_ADDR_ANY)
        return -RPR_ENOTCONN;
    if (!ack && !e->announced && !MUTANT(stale_ack_is_believed))
        return -RPR_EPERM;
    if (ack)
        ns_word(e, NS_WORD_ACK);
    else if (e->word == NS_WORD_CREATE)
        ns_forget(e); /* the answer to a former one has come */
    endpoint_bind(e, dest);
    return 0;
}

int rpr_ept_unbind(rpr_ept_t ept, bool announce)
{
    struct rpr_endpoint *e = endpoint_get(ept);
    struct rpr_link *link;

    if (!e)
        return -RPR_ESTALE;
    if (e->addr == RPMSG_ADDR_ANY)
        return -RPR_ENOTCONN;
    link = atomic_load_explicit(&e->link, memory_order_relaxed);
    answered(e);
    credit_stop(e);
    endpoint_set_send(e, link, RPMSG_ADDR_ANY, false);
    e->state = RPR_EPT_ANNOUNCED;
    e->bound_told = false;
    if (announce)
        ns_word(e, NS_WORD_CREATE);
    return 0;
}

/* ---- what is shown ----------------------------------------------------------------------------- */

int rpr_ept_info(rpr_ept_t ept, struct rpr_ept_info *info)
{
    struct rpr_endpoint *e = endpoint_get(ept);
    struct rpr_link *link;

    if (!e)
        return -RPR_ESTALE;
    link = atomic_load_explicit(&e->link, memory_order_relaxed);
    info->name = e->name;
    info->device = e->device;
    info->addr = e->addr;
    info->dest = e->dest;
    info->state = (enum rpr_ept_state)e->state;
    info->announces = e->wants_peer;
    info->n_held = e->n_held;
    info->n_kept = e->n_kept;
    if (link)
        link_lock(link);
    info->tx = endpoint_n_tx(e);
    if (link)
        link_unlock(link);
    info->rx = endpoint_n_rx(e) - e->n_dropped;
    info->dropped = e->n_dropped;
    return 0;
}

rpr_ept_t rpr_ept_next(struct rpr_device *device, rpr_ept_t previous)
{
    struct rpr_endpoint *e = previous.endpoint ? endpoint_get(previous) : NULL;

    CHECK_OWNER(device->node);
    if (previous.endpoint && !e)
        return (rpr_ept_t){0};
    e = e ? e->next : device->first;
    return e ? endpoint_handle(e) : (rpr_ept_t){0};
}
