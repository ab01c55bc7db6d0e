/* SPDX-License-Identifier: Apache-2.0 */
/* Devices: names, states, and what happens to their endpoints when they come and go. */
#include "core/core.h"

#include "base/text.h"

#define ROUTED_MAX 256u /* names that hubs may make a node remember */

struct rpr_device *rpr_device_find(struct rpr_node *node, const char *name)
{
    struct rpr_device *d = node->devices;

    CHECK_OWNER(node);
    while (d && text_differs(d->name, name))
        d = d->next;
    return d;
}

struct rpr_device *rpr_device_next(struct rpr_node *node, struct rpr_device *previous)
{
    CHECK_OWNER(node);
    return previous ? previous->next : node->devices;
}

/* ---- add and remove ----------------------------------------------------------------------------- */

static void device_event(struct rpr_device *d, enum rpr_event_kind kind)
{
    struct rpr_event event = {.kind = kind,
                              .device = d,
                              .name = "",
                              .addr = RPR_ADDR_ANY,
                              .dest = RPR_ADDR_ANY,
                              .state = d->state,
                              .reason = d->reason};

    rpr_event_emit(d->node, &event);
}

/* Makes room among the routed devices that nobody needs. */
static bool evict_one(struct rpr_node *node)
{
    struct rpr_device *d;

    for (d = node->devices; d; d = d->next) {
        if (d->kind == RPR_DEVICE_ROUTED && !device_is_up(d) && !d->n_endpoints && !d->n_users) {
            device_remove(d);
            return true;
        }
    }
    return false;
}

static uint32_t count_routed(const struct rpr_node *node)
{
    const struct rpr_device *d;
    uint32_t n = 0;

    for (d = node->devices; d; d = d->next)
        n += d->kind == RPR_DEVICE_ROUTED;
    return n;
}

int device_add(struct rpr_node *node, const char *name, enum rpr_device_kind kind,
               struct rpr_device **device)
{
    struct rpr_device **end = &node->devices;
    struct rpr_device *d;

    if (kind == RPR_DEVICE_ROUTED && count_routed(node) >= ROUTED_MAX && !evict_one(node))
        return -RPR_ENOSPC;
    d = node_alloc(node, sizeof *d);
    if (!d)
        return -RPR_ENOMEM;
    d->node = node;
    d->kind = kind;
    d->id = ++node->next_device_id;
    text_copy(d->name, sizeof d->name, name);
    while (*end)
        end = &(*end)->next;
    *end = d;
    *device = d;
    device_event(d, RPR_EVENT_DEVICE_ADDED);
    return 0;
}

void device_becomes_link(struct rpr_device *d)
{
    d->kind = RPR_DEVICE_LINK;
    d->via = NULL;
    device_event(d, RPR_EVENT_DEVICE_ADDED);
}

void device_free(struct rpr_device *d)
{
    struct rpr_device **at = &d->node->dead;

    if (d->n_endpoints || d->n_users)
        return;
    while (*at != d)
        at = &(*at)->next_dead;
    *at = d->next_dead;
    address_fini(d->node, &d->addresses);
    node_free(d->node, d, sizeof *d);
}

static void forget_via(struct rpr_device *via)
{
    struct rpr_device *d;

    for (d = via->node->devices; d; d = d->next)
        if (d->via == via)
            d->via = NULL;
}

void device_remove(struct rpr_device *d)
{
    struct rpr_device **at = &d->node->devices;

    d->dead = true;
    d->n_users++; /* it stays while callbacks run */
    d->next_dead = d->node->dead;
    d->node->dead = d;
    while (d->first)
        (void)rpr_ept_abandon(endpoint_handle(d->first));
    ns_drop_announcements(d);
    forget_via(d);
    while (*at != d)
        at = &(*at)->next;
    *at = d->next;
    device_event(d, RPR_EVENT_DEVICE_REMOVED);
    d->link = NULL;
    rpr_device_put(d);
}

/* ---- states -------------------------------------------------------------------------------------- */

void device_set_state(struct rpr_device *d, enum rpr_device_state state, const char *reason)
{
    if (d->state == state && !text_differs(d->reason, reason))
        return;
    d->state = state;
    if (reason != d->reason)
        text_copy(d->reason, sizeof d->reason, reason);
    device_event(d, RPR_EVENT_DEVICE_STATE);
}

/* Calls `each` for every endpoint of the device; callbacks may open and close any. A walk that
 * begins inside another one ends it: the device's state has changed again. */
static void for_endpoints(struct rpr_device *d, void (*each)(struct rpr_endpoint *e))
{
    struct rpr_endpoint *e = d->first;

    while (e) {
        d->cursor = e->next;
        e->n_calls++; /* it stays while we stand on it */
        each(e);
        endpoint_leave(e);
        e = d->cursor;
    }
}

static void start_one(struct rpr_endpoint *e)
{
    if (e->addr == RPMSG_ADDR_ANY && !e->closing)
        endpoint_device_up(e);
}

void device_take_up(struct rpr_device *d, struct rpr_link *link, uint32_t tx_len, uint32_t rx_len)
{
    d->link = link;
    d->tx_len = tx_len;
    d->rx_len = rx_len;
    d->session++;
    device_set_state(d, RPR_DEVICE_UP, "");
    if (device_is_up(d))
        for_endpoints(d, start_one);
}

/* A device with a dead link under it takes those that it carries with it, first. */
void device_take_down(struct rpr_device *d, enum rpr_device_state state, const char *reason)
{
    struct rpr_device *r;
    bool was_up = device_is_up(d);

    if (d->kind == RPR_DEVICE_LINK)
        for (r = d->node->devices; r; r = r->next)
            if (r->via == d && device_is_up(r))
                rpr_routed_down(r, "the link to its hub is down");
    d->tx_len = d->rx_len = 0;
    if (was_up)
        ns_drop_announcements(d);
    device_set_state(d, state, reason);
    if (was_up)
        for_endpoints(d, endpoint_device_down);
    if (d->kind == RPR_DEVICE_ROUTED)
        d->link = NULL;
}

/* ---- routed devices -------------------------------------------------------------------------------- */

struct rpr_device *device_routed_by_name(struct rpr_device *via, const char *cpu)
{
    struct rpr_device *d;

    for (d = via->node->devices; d; d = d->next)
        if (d->via == via && device_is_up(d) && !text_differs(d->name, cpu))
            return d;
    return NULL;
}

static uint32_t clamp(uint32_t wanted, uint32_t most)
{
    return wanted && (wanted < most || MUTANT(sizes_are_believed)) ? wanted : most;
}

int rpr_routed_up(struct rpr_node *node, const struct rpr_routed_config *config,
                  struct rpr_device **device)
{
    struct rpr_link *link = config->via->link;
    struct rpr_device *d = rpr_device_find(node, config->name);
    uint32_t tx_len = clamp(config->tx_len, link->tx_len);
    uint32_t rx_len = clamp(config->rx_len, link->rx_len);
    int error;

    if (d && (d->kind == RPR_DEVICE_LINK ||
              (device_is_up(d) && d->via != config->via && !MUTANT(name_is_taken_over))))
        return -RPR_EEXIST;
    if (!d) {
        error = device_add(node, config->name, RPR_DEVICE_ROUTED, &d);
        if (error)
            return error;
    }
    *device = d;
    d->power = config->power;
    d->priv = config->priv;
    d->via = config->via;
    if (device_is_up(d) && !MUTANT(second_create_makes_it_anew)) {
        d->tx_len = tx_len; /* a second CREATE is an update */
        d->rx_len = rx_len;
        for_endpoints(d, endpoint_new_size);
        return 0;
    }
    device_take_up(d, link, tx_len, rx_len);
    ns_hand_over(d);
    return 0;
}

void rpr_routed_down(struct rpr_device *device, const char *reason)
{
    struct rpr_link *link = device->link;

    CHECK_OWNER(device->node);
    if (device->kind != RPR_DEVICE_ROUTED || !device_is_up(device))
        return;
    link_hold(link);
    device_take_down(device, RPR_DEVICE_DOWN, reason);
    link_unhold(link);
}

void rpr_routed_power(struct rpr_device *device, bool running)
{
    if (device->kind == RPR_DEVICE_ROUTED && device_is_up(device))
        device_set_state(device, running ? RPR_DEVICE_UP : RPR_DEVICE_SUSPENDED,
                         running ? "" : "the remote CPU sleeps");
}

void rpr_device_edge(struct rpr_device *device, bool edge)
{
    CHECK_OWNER(device->node);
    device->n_pairs += edge ? 1 : -1;
}

/* Who is asleep must be woken, so an edge is not even told to sleep before it is bound as one. */
static bool peer_dies_of_power(const struct rpr_device *device, bool running)
{
    const struct rpr_endpoint *e = device->first;

    if (device->link->dialect == RPR_DIALECT_RPR)
        return false;
    while (e && !(e->state == RPR_EPT_BOUND && (e->flags & RPR_EPT_NO_POWER)))
        e = e->next;
    return e || (device->n_pairs && !running);
}

int rpr_device_power(struct rpr_device *device, bool running)
{
    struct rpr_link *link = device->link;

    CHECK_OWNER(device->node);
    if (!device_is_up(device))
        return -RPR_ENOTCONN;
    if (device->kind == RPR_DEVICE_ROUTED)
        return device->power ? device->power(device->priv, running) : -RPR_ENOTSUP;
    if (peer_dies_of_power(device, running) && !MUTANT(power_is_said_to_nuttx_edges))
        return -RPR_ENOTSUP;
    return link->ops->power ? link->ops->power(link, running) : -RPR_ENOTSUP;
}

/* ---- what is shown ------------------------------------------------------------------------------------ */

void rpr_device_get(struct rpr_device *device)
{
    device->n_users++;
}

void rpr_device_put(struct rpr_device *device)
{
    device->n_users--;
    if (device->dead)
        device_free(device);
}

void rpr_device_info(const struct rpr_device *d, struct rpr_device_info *info)
{
    const struct rpr_device *base = d->kind == RPR_DEVICE_ROUTED ? d->via : d;
    const struct rpr_endpoint *e;

    CHECK_OWNER(d->node);
    memset(info, 0, sizeof *info);
    info->name = d->name;
    info->kind = d->kind;
    info->state = d->state;
    info->via = d->via ? d->via->name : "";
    info->transport = base && base->link ? base->link->kind : "";
    info->dialect = base && base->link ? dialect_of(base->link)->name : "";
    info->acknowledges = base && base->link && dialect_of(base->link)->ack;
    info->credit = base && base->link && base->link->credit;
    info->reason = d->reason;
    info->session = d->session;
    info->tx_len = d->tx_len;
    info->rx_len = d->rx_len;
    info->n_endpoints = d->n_endpoints;
    info->n_announcements = d->n_announcements;
    info->announcements_refused = d->announcements_refused;
    info->counters = d->counters; /* of endpoints that are no more, and those that are: */
    if (d->link)
        link_lock(d->link);
    for (e = d->first; e; e = e->next) {
        info->counters.tx += endpoint_n_tx(e);
        info->counters.rx += endpoint_n_rx(e) - e->n_dropped;
    }
    if (d->link)
        link_unlock(d->link);
}

const char *rpr_device_name(const struct rpr_device *device)
{
    return device->name;
}

enum rpr_device_state rpr_device_state(const struct rpr_device *device)
{
    return device->state;
}

struct rpr_node *rpr_device_node(const struct rpr_device *device)
{
    return device->node;
}

struct rpr_link *rpr_device_link(const struct rpr_device *device)
{
    return device_is_up(device) ? device->link : NULL;
}

void *rpr_device_priv(const struct rpr_device *device)
{
    return device->priv;
}

uint32_t rpr_device_tx_len(const struct rpr_device *device)
{
    return device->tx_len;
}

bool rpr_device_queue(struct rpr_device *device, unsigned index, struct rpr_queue_info *info)
{
    struct rpr_link *link = device->link;
    bool there;

    CHECK_OWNER(device->node);
    if (device->kind != RPR_DEVICE_LINK || !link || !link->incarnation)
        return false;
    link_lock(link);
    there = link->ops->queue_info(link, index, info);
    link_unlock(link);
    return there;
}

bool rpr_device_buffer(struct rpr_device *device, unsigned *cursor, struct rpr_buffer_info *info)
{
    struct rpr_link *link = device->link;
    bool there;

    CHECK_OWNER(device->node);
    if (device->kind != RPR_DEVICE_LINK || !link || !link->incarnation)
        return false;
    link_lock(link);
    there = link->ops->buffer_info(link, cursor, info);
    link_unlock(link);
    return there;
}
