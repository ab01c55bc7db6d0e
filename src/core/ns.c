/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Name service (WIRE 1.3). Outgoing words are state, not a queue of messages: one pending word per
 * endpoint, sent as soon as the link has a buffer, ahead of new data of other endpoints. Incoming
 * announcements bind an endpoint that waits, or go to a service, or are kept for one that comes
 * later.
 */
#include "core/core.h"

#include "base/text.h"
#include "wire/router.h"

#define OWED_NS UINT64_C(1000000000) /* until there may be memory for what was announced */

/* The one table of how peers differ. */
static const struct dialect dialects[RPR_N_DIALECTS] = {
    [RPR_DIALECT_RPR] = {"rpr", .ack = true},
    [RPR_DIALECT_NUTTX] = {"nuttx", .ack = true},
    [RPR_DIALECT_NUTTX_OLD] = {"nuttx-old", .ack = true},
    [RPR_DIALECT_OPENAMP] = {"openamp", .answer_create = true, .latch = true},
    [RPR_DIALECT_LINUX] = {"linux", .latch = true},
    [RPR_DIALECT_LITE] = {"rpmsg-lite", .answer_create = true, .latch = true},
};

const struct dialect *dialect_of(const struct rpr_link *link)
{
    return &dialects[link->dialect];
}

/* ---- words to be sent ------------------------------------------------------------------------- */

static struct rpr_link *link_of(const struct rpr_endpoint *e)
{
    return atomic_load_explicit(&e->link, memory_order_relaxed);
}

void ns_word(struct rpr_endpoint *e, enum ns_word word)
{
    struct rpr_link *link = link_of(e);
    const struct dialect *dialect = dialect_of(link);

    if (word == NS_WORD_ACK && e->announced && MUTANT(create_is_answered_by_create))
        word = NS_WORD_CREATE;
    if (word == NS_WORD_ACK && !dialect->ack)
        word = dialect->answer_create ? NS_WORD_CREATE : NS_WORD_NONE;
    if (word == NS_WORD_NONE)
        return;
    if (!e->on_control || !MUTANT(first_word_wins))
        e->word = (uint8_t)word;
    if (e->on_control)
        return;
    e->on_control = true;
    e->next_control = NULL;
    if (link->control_tail)
        link->control_tail->next_control = e;
    else
        link->control_head = e;
    link->control_tail = e;
    atomic_fetch_add_explicit(&link->n_control, 1, memory_order_relaxed);
    link_attention(link);
    rpr_link_ready(link);
}

static void pop_control(struct rpr_link *link)
{
    struct rpr_endpoint *e = link->control_head;

    link->control_head = e->next_control;
    if (!link->control_head)
        link->control_tail = NULL;
    atomic_fetch_sub_explicit(&link->n_control, 1, memory_order_relaxed);
    e->on_control = false;
    e->word = NS_WORD_NONE;
}

void ns_forget(struct rpr_endpoint *e)
{
    struct rpr_link *link = link_of(e);
    struct rpr_endpoint *before = NULL;
    struct rpr_endpoint *at;

    if (!e->on_control)
        return;
    for (at = link->control_head; at != e; at = at->next_control)
        before = at;
    if (!before) {
        pop_control(link);
        return;
    }
    before->next_control = e->next_control;
    if (link->control_tail == e)
        link->control_tail = before;
    atomic_fetch_sub_explicit(&link->n_control, 1, memory_order_relaxed);
    e->on_control = false;
    e->word = NS_WORD_NONE;
}

/* The name on the wire: with the CPU in front on a routed device (WIRE 5.1). */
static void wire_name(const struct rpr_endpoint *e, char name[ROUTER_NAME_BYTES])
{
    if (e->closing ? e->was_routed : e->device->kind == RPR_DEVICE_ROUTED)
        (void)route_name(name, e->device->name, e->name); /* lengths were checked at open */
    else
        text_copy(name, ROUTER_NAME_BYTES, e->name);
}

/* The answer that binds a peer's endpoint waits until the peer has heard that the one it may be bound to
 * has ended, and data waits behind it: data may overtake words, and would be taken for that one's. */
bool ns_waits(const struct rpr_link *link)
{
    const struct rpr_endpoint *e = link->control_head;
    char name[ROUTER_NAME_BYTES];

    if (!e || words_full(link))
        return e != NULL;
    if (e->word != NS_WORD_ACK || !rpr_link_numbered(link) || MUTANT(answer_overtakes_an_end))
        return false;
    wire_name(e, name);
    return words_behind_end(link, name);
}

static bool send_word(struct rpr_link *link, struct rpr_endpoint *e, bool *narrow)
{
    static const uint32_t flags[] = {[NS_WORD_CREATE] = NS_CREATE,
                                     [NS_WORD_ACK] = NS_CREATE_ACK,
                                     [NS_WORD_DESTROY] = NS_DESTROY};
    struct ns_message message = {.addr = e->addr, .flags = flags[e->word]};
    uint8_t payload[RPMSG_NS_BYTES];
    struct rpr_slot slot;

    wire_name(e, message.name);
    ns_encode(payload, &message);
    if (rpr_link_numbered(link))
        return words_say(link, e->addr, RPMSG_ADDR_NS, payload, sizeof payload);
    if (link->ops->reserve(link, &slot, true))
        return false;
    *narrow = slot.size < RPMSG_HEADER_BYTES + RPMSG_NS_BYTES; /* the driver's word, for a device */
    if (*narrow) {
        link->ops->cancel(link, slot.id);
        return false;
    }
    header_put(slot.msg, e->addr, RPMSG_ADDR_NS, RPMSG_NS_BYTES);
    memcpy(slot.msg + RPMSG_HEADER_BYTES, payload, sizeof payload);
    link->ops->commit(link, slot.id, RPMSG_HEADER_BYTES + RPMSG_NS_BYTES);
    if (e->word == NS_WORD_DESTROY)
        words_keep(link, e->addr, RPMSG_ADDR_NS, payload, sizeof payload);
    return true;
}

void ns_flush(struct rpr_link *link)
{
    while (link->control_head && !link->doom && !ns_waits(link)) {
        struct rpr_endpoint *e = link->control_head;
        bool sent, narrow = false;

        if (!link_trylock(link))
            return;
        sent = send_word(link, e, &narrow);
        link_unlock(link);
        if (narrow)
            link_broken_soon(link, "a buffer is too short for the name service");
        if (!sent)
            return;
        link_touch(link);
        e->announced = e->word != NS_WORD_DESTROY;
        if (e->word == NS_WORD_CREATE)
            endpoint_asked(e);
        pop_control(link);
        endpoint_told(e);
    }
}

/* ---- announcements kept ----------------------------------------------------------------------- */

static struct announcement **find_announcement(struct rpr_device *d, const char *name,
                                               uint32_t addr)
{
    struct announcement **at = &d->announcements;

    while (*at &&
           ((addr != RPMSG_ADDR_ANY && (*at)->addr != addr) || text_differs((*at)->name, name)))
        at = &(*at)->next;
    return at;
}

static void owed_later(struct rpr_node *node)
{
    if (!node->owed_timer.active)
        rpr_timer_start(node, &node->owed_timer, node->now_ns + OWED_NS);
}

/* One that is spare if there is no memory; NULL: there is none of these either. */
static struct announcement *new_announcement(struct rpr_node *node)
{
    struct announcement *a = node_alloc(node, sizeof *a);

    if (a || !node->spare_first || MUTANT(announcement_without_memory_is_lost))
        return a;
    a = node->spare_first;
    node->spare_first = a->next;
    *a = (struct announcement){.spare = true};
    owed_later(node);
    return a;
}

static void free_announcement(struct rpr_node *node, struct announcement *a)
{
    if (!a->spare) {
        node_free(node, a, sizeof *a);
        return;
    }
    a->next = node->spare_first;
    node->spare_first = a;
}

static void remove_announcement(struct rpr_device *d, struct announcement **at)
{
    struct announcement *a = *at;

    *at = a->next;
    d->n_announcements--;
    free_announcement(d->node, a);
}

/* `owed`: it is offered again. */
static void keep(struct rpr_device *d, const char *name, uint32_t addr, bool owed)
{
    struct announcement **at = find_announcement(d, name, addr);
    struct announcement *a = *at;

    if (!a) {
        a = d->n_announcements < ANNOUNCEMENTS_MAX || MUTANT(announcements_are_unbounded)
                ? new_announcement(d->node)
                : NULL;
        if (!a) {
            d->announcements_refused++;
            node_pool_empty(d->node, d, "announcements");
            return;
        }
        a->addr = addr;
        text_copy(a->name, sizeof a->name, name);
        *at = a; /* find_announcement() ended at the list's end */
        d->n_announcements++;
    }
    a->taken = false;
    if (owed && !MUTANT(announcement_without_memory_is_kept_for_ever))
        a->owed = true;
    if (a->owed)
        owed_later(d->node);
}

void ns_keep_announcement(struct rpr_device *d, const char *name, uint32_t addr)
{
    keep(d, name, addr, false);
}

/* Takes the oldest one of that name, if any. */
bool ns_take_announcement(struct rpr_device *d, const char *name, uint32_t *addr)
{
    struct announcement **at = find_announcement(d, name, RPMSG_ADDR_ANY);

    if (!*at)
        return false;
    *addr = (*at)->addr;
    remove_announcement(d, at);
    return true;
}

void ns_drop_announcements(struct rpr_device *d)
{
    while (d->announcements)
        remove_announcement(d, &d->announcements);
}

/* The oldest one that was kept on the hub's device for an endpoint of that CPU. */
static struct announcement **find_routed(struct rpr_device *via, const char *of)
{
    char cpu[ROUTER_CPU_MAX + 1], service[ROUTER_SERVICE_MAX + 1];
    struct announcement **at = &via->announcements;

    while (*at && (!route_parse((*at)->name, cpu, service) || text_differs(cpu, of)))
        at = &(*at)->next;
    return at;
}

void rpr_routed_forget(struct rpr_device *via, const char *cpu)
{
    struct announcement **at;

    CHECK_OWNER(via->node);
    while (*(at = find_routed(via, cpu)))
        remove_announcement(via, at);
}

void rpr_device_announcements(struct rpr_device *device,
                              bool (*each)(void *ctx, const char *name, uint32_t addr), void *ctx)
{
    struct announcement *a;

    CHECK_OWNER(device->node);
    for (a = device->announcements; a && each(ctx, a->name, a->addr); a = a->next)
        ;
}

/* ---- services ---------------------------------------------------------------------------------- */

static bool matches(struct rpr_service *s, struct rpr_device *d, const char *name)
{
    return s->ops->match ? s->ops->match(s->ctx, d, name) : !text_differs(s->name, name);
}

/* Who announces himself to a service of this node shall not find one of its programs instead. */
static bool yields(const struct rpr_service *s, struct rpr_device *d, const char *name)
{
    struct rpr_service *other =
        s->ops->yields && !MUTANT(program_is_asked_first) ? d->node->services : NULL;

    while (other && (other->ops->ns || !matches(other, d, name)))
        other = other->next;
    return other != NULL;
}

enum offered { OFFERED_REFUSED, OFFERED_NO_MEMORY, OFFERED_TAKEN };

static enum offered offer(struct rpr_service *s, struct rpr_device *d, const char *name,
                          uint32_t addr)
{
    int error;

    if (s->closed || !matches(s, d, name) || yields(s, d, name))
        return OFFERED_REFUSED;
    error = s->ops->ns ? s->ops->ns(s->ctx, d, name, addr, NS_CREATE)
                       : s->ops->bind(s->ctx, d, name, addr);
    if (error == -RPR_ENOMEM)
        return OFFERED_NO_MEMORY;
    return error ? OFFERED_REFUSED : OFFERED_TAKEN;
}

/* Callbacks may close any service: its memory stays until all walks are over. */
static void walk_begin(struct rpr_node *node)
{
    node->n_offering++;
}

static void walk_end(struct rpr_node *node)
{
    if (--node->n_offering)
        return;
    while (node->closed_services) {
        struct rpr_service *s = node->closed_services;

        node->closed_services = s->next_closed;
        node_free(node, s, sizeof *s);
    }
}

/* To one service after the other. */
static enum offered offer_to_all(struct rpr_device *d, const char *name, uint32_t addr)
{
    enum offered best = OFFERED_REFUSED;
    struct rpr_service *s;

    walk_begin(d->node);
    for (s = d->node->services; s && best != OFFERED_TAKEN; s = s->next) {
        enum offered offered = offer(s, d, name, addr);

        best = offered > best ? offered : best;
    }
    walk_end(d->node);
    return best;
}

/* One that is kept, to that service, or to all of them (NULL). True: it is not on the list any more. */
static bool offer_one(struct rpr_service *s, struct rpr_device *d, struct announcement *a)
{
    struct announcement kept, **at;
    enum offered offered;

    a->taken = true;
    a->now = false;
    a->owed = a->owed && s; /* by another one */
    kept = *a;              /* the callback may change the list */
    offered = s ? offer(s, d, kept.name, kept.addr) : offer_to_all(d, kept.name, kept.addr);
    at = find_announcement(d, kept.name, kept.addr);
    if (offered == OFFERED_NO_MEMORY && *at)
        keep(d, kept.name, kept.addr, true);
    if (offered != OFFERED_TAKEN)
        return false;
    if (*at && !(*at)->taken)
        return false; /* closed before it was answered: it is for the next service */
    if (*at)
        remove_announcement(d, at);
    return true;
}

static void offer_kept(struct rpr_service *s, struct rpr_device *d)
{
    uint32_t passed = 0;

    while (!s->closed) {
        struct announcement *a = d->announcements;

        for (uint32_t i = 0; a && i < passed; i++)
            a = a->next;
        if (!a)
            return;
        if (!offer_one(s, d, a))
            passed++;
    }
}

/* ---- announcements for which there was no memory ------------------------------------------------ */

/* Spare ones give their place to others, if there is memory for these. */
static void spare_again(struct rpr_node *node, struct rpr_device *d)
{
    struct announcement **at;

    for (at = &d->announcements; *at; at = &(*at)->next) {
        struct announcement *a = *at;
        struct announcement *other = a->spare ? node_alloc(node, sizeof *other) : NULL;

        if (other) {
            *other = *a;
            other->spare = false;
            *at = other;
            free_announcement(node, a);
        } else if (a->spare) {
            owed_later(node);
        }
        (*at)->now = (*at)->owed;
    }
}

static struct announcement *first_now(struct rpr_node *node, struct rpr_device **device)
{
    struct announcement *a;
    struct rpr_device *d;

    for (d = node->devices; d; d = d->next)
        for (a = d->announcements; a; a = a->next)
            if (a->now) {
                *device = d;
                return a;
            }
    return NULL;
}

/* Each turn looks anew: callbacks may do anything. Those that are owed once more wait for the next. */
static void owed_fired(struct rpr_timer *timer, uint64_t now_ns)
{
    struct rpr_node *node = RPR_CONTAINER(timer, struct rpr_node, owed_timer);
    struct announcement *a;
    struct rpr_device *d;

    (void)now_ns;
    for (d = node->devices; d; d = d->next)
        spare_again(node, d);
    while ((a = first_now(node, &d))) {
        rpr_device_get(d);
        (void)offer_one(NULL, d, a);
        rpr_device_put(d);
    }
}

void ns_init(struct rpr_node *node)
{
    node->owed_timer.fire = owed_fired;
    for (uint32_t i = 0; i < ANNOUNCEMENTS_SPARE; i++) {
        node->spare[i].spare = true;
        free_announcement(node, &node->spare[i]);
    }
}

int rpr_service_open(struct rpr_node *node, const struct rpr_service_config *config,
                     struct rpr_service **service)
{
    struct rpr_service **end = &node->services;
    struct rpr_service *s;
    struct rpr_device *d;

    CHECK_OWNER(node);
    if (!config->ops || (!config->name && !config->ops->match) ||
        (!config->ops->bind && !config->ops->ns))
        return -RPR_EINVAL;
    if (config->name && text_length(config->name, RPR_NAME_MAX + 1) > RPR_NAME_MAX)
        return -RPR_ENAMETOOLONG;
    s = node_alloc(node, sizeof *s);
    if (!s)
        return -RPR_ENOMEM;
    s->node = node;
    s->ops = config->ops;
    s->ctx = config->ctx;
    if (config->name)
        text_copy(s->name, sizeof s->name, config->name);
    while (*end)
        end = &(*end)->next;
    *end = s;
    *service = s;
    walk_begin(node);
    for (d = node->devices; d; d = d->next)
        if (device_is_up(d))
            offer_kept(s, d);
    walk_end(node);
    return 0;
}

void rpr_service_close(struct rpr_service *service)
{
    struct rpr_service **at = &service->node->services;

    CHECK_OWNER(service->node);
    while (*at != service)
        at = &(*at)->next;
    *at = service->next; /* its own `next` stays, for walks that stand on it */
    service->closed = true;
    service->next_closed = service->node->closed_services;
    service->node->closed_services = service;
    walk_begin(service->node);
    walk_end(service->node);
}

/* ---- incoming ------------------------------------------------------------------------------------ */

static void on_create(struct rpr_device *d, const char *name, uint32_t addr)
{
    struct rpr_endpoint *e = endpoint_by_name(d, name, addr);
    struct announcement **kept = find_announcement(d, name, addr);
    enum offered offered;

    if (e)
        return; /* bound to it already: no second ACK */
    if (*kept)  /* said again: whoever takes it now takes it for good */
        remove_announcement(d, kept);
    e = endpoint_by_name(d, name, RPMSG_ADDR_ANY);
    if (e) {
        ns_word(e, NS_WORD_ACK);
        endpoint_bind(e, addr);
        return;
    }
    offered = offer_to_all(d, name, addr);
    if (offered != OFFERED_TAKEN && device_is_up(d) &&
        !(MUTANT(second_announcement_is_lost) && d->announcements))
        keep(d, name, addr, offered == OFFERED_NO_MEMORY);
}

static void on_ack(struct rpr_device *d, const char *name, uint32_t addr)
{
    struct rpr_endpoint *e = endpoint_by_name(d, name, addr);

    if (e)
        return;
    e = endpoint_by_name(d, name, RPMSG_ADDR_ANY);
    if (!e)
        e = endpoint_ending_by_name(d, name); /* to a hub its announcement stands */
    /* Else it answers a former endpoint: this one's CREATE has not left. */
    if (!e || (!e->announced && !MUTANT(stale_ack_is_believed))) {
        d->counters.late++;
        return;
    }
    if (e->word == NS_WORD_CREATE)
        ns_forget(e);
    endpoint_bind(e, addr);
}

/* Ends what has this name *and* this address, and nothing else (H-3). */
static void on_destroy(struct rpr_device *d, const char *name, uint32_t addr)
{
    uint32_t kept_addr = MUTANT(destroy_matches_any_address) ? RPMSG_ADDR_ANY : addr;
    struct announcement **kept = find_announcement(d, name, kept_addr);
    struct rpr_endpoint *e = endpoint_by_name(d, name, addr);

    if (!*kept && !e)
        d->counters.late++;
    if (*kept)
        remove_announcement(d, kept);
    if (e)
        endpoint_unbind(e, RPR_UNBOUND_CLOSED);
}

/* What it has no memory for is offered to it again. */
static void take_over(struct rpr_service *s, struct rpr_device *d, const char *name,
                      const struct ns_message *message)
{
    struct announcement **kept = find_announcement(d, name, message->addr);
    int error;

    if (*kept && message->flags != NS_CREATE_ACK)
        remove_announcement(d, kept); /* it is over, or said again */
    error = s->ops->ns(s->ctx, d, name, message->addr, message->flags);
    if (error == -RPR_ENOMEM && message->flags == NS_CREATE && device_is_up(d))
        keep(d, name, message->addr, true);
}

/* Then its words are for that endpoint, whoever else has the name. */
static bool is_bound_to(struct rpr_device *d, const char *name, uint32_t addr)
{
    return addr != RPMSG_ADDR_ANY && endpoint_by_name(d, name, addr) &&
           !MUTANT(words_are_told_by_the_name_alone);
}

static bool intercepted(struct rpr_device *d, const char *name, const struct ns_message *message)
{
    struct rpr_service *s;

    for (s = d->node->services; s; s = s->next) {
        if (s->ops->ns && matches(s, d, name)) {
            if (message->flags == NS_CREATE && yields(s, d, name))
                return false;
            take_over(s, d, name, message);
            return true;
        }
    }
    return false;
}

/* Who looks for one that is bound to him has not heard it: the answer is lost. */
static void answer_again(struct rpr_device *d, const char *name, uint32_t addr)
{
    struct rpr_endpoint *e = endpoint_bound_to(d, name, addr);

    if (e && e->word == NS_WORD_NONE)
        ns_word(e, NS_WORD_ACK);
}

/* Who announces this service from another address has begun anew: noise has hidden it. */
static bool begun_anew(struct rpr_device *d, const char *name, uint32_t addr)
{
    struct rpr_endpoint *e;

    if (!d->link || d != d->link->device || !rpr_link_numbered(d->link) ||
        text_differs(name, RPR_LINK_OURS))
        return false;
    for (e = d->first; e && text_differs(e->name, RPR_LINK_OURS); e = e->next)
        ;
    return e && e->dest != RPMSG_ADDR_ANY && e->dest != addr;
}

/* What was said of an endpoint of this device. */
static void dispatch(struct rpr_device *d, const char *name, const struct ns_message *message)
{
    if (message->flags == NS_CREATE && d->link && d->link->lossy &&
        d->link->dialect == RPR_DIALECT_RPR)
        answer_again(d, name, message->addr);
    if (message->flags == NS_CREATE && begun_anew(d, name, message->addr)) {
        rpr_link_broken(d->link, "the peer has begun a session that was not heard of");
        return;
    }
    if (!is_bound_to(d, name, message->addr) && intercepted(d, name, message))
        return;
    if (message->flags == NS_CREATE)
        on_create(d, name, message->addr);
    else if (message->flags == NS_CREATE_ACK)
        on_ack(d, name, message->addr);
    else
        on_destroy(d, name, message->addr);
}

void ns_hand_over(struct rpr_device *d)
{
    uint32_t session = d->session;
    struct announcement **at;

    /* Callbacks may do anything: this session may end, and even the next one have begun. */
    while (device_is_up(d) && d->via && d->session == session &&
           *(at = find_routed(d->via, d->name))) {
        struct ns_message message = {.addr = (*at)->addr, .flags = NS_CREATE};
        char cpu[ROUTER_CPU_MAX + 1], service[ROUTER_SERVICE_MAX + 1];

        (void)route_parse((*at)->name, cpu, service);
        remove_announcement(d->via, at);
        dispatch(d, service, &message);
    }
}

/* Of one that may know CREATE_ACK or may have agreed to it blindly, the first one tells. */
static bool acknowledges(struct rpr_link *link)
{
    if (link->may_ack)
        link->dialect = RPR_DIALECT_NUTTX;
    link->may_ack = false;
    return dialect_of(link)->ack;
}

void ns_receive(struct rpr_link *link, const uint8_t *payload, uint32_t len)
{
    struct rpr_device *d = link->device;
    struct rpr_device *routed = NULL;
    char cpu[ROUTER_CPU_MAX + 1], service[ROUTER_SERVICE_MAX + 1];
    uint8_t copy[RPMSG_NS_BYTES];
    struct ns_message message;
    const char *name = message.name;

    if (MUTANT(ns_length_is_believed))
        len = RPMSG_NS_BYTES;
    if (len == RPMSG_NS_BYTES)
        memcpy(copy, payload, RPMSG_NS_BYTES);
    if (len != RPMSG_NS_BYTES || ns_decode(&message, copy, len) != NS_OK ||
        (message.flags == NS_CREATE_ACK && !acknowledges(link))) {
        d->counters.errors++;
        return;
    }
    if (link->lossy && message.addr > ADDRESS_SLOT_MASK && message.addr != RPMSG_ADDR_ANY)
        link_like_ours(link);
    if (route_parse(name, cpu, service))
        routed = device_routed_by_name(d, cpu);
    if (routed) {
        d = routed;
        name = service;
    }
    dispatch(d, name, &message);
}
