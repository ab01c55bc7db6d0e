/* SPDX-License-Identifier: Apache-2.0 */
/* The node: one owner's poll, timers, commands from other threads, events. */
#include "core/core.h"

#include "base/heap.h"
#include "base/text.h"

#define DEFAULT_BUDGET     32u
#define DEFAULT_SLOT_BYTES 2048u
#define DEFAULT_SLOTS      1024u

const char *rpr_strerror(int error)
{
    switch (error < 0 ? -error : error) {
    case 0:
        return "no error";
    case RPR_EPERM:
        return "not permitted";
    case RPR_ENOENT:
        return "no such device, endpoint or service";
    case RPR_EIO:
        return "the carrier failed";
    case RPR_EAGAIN:
        return "no buffer or credit now";
    case RPR_ENOMEM:
        return "out of memory";
    case RPR_EBUSY:
        return "in use";
    case RPR_EEXIST:
        return "name or address is taken";
    case RPR_EINVAL:
        return "invalid parameter";
    case RPR_ENOSPC:
        return "table is full";
    case RPR_EDEADLK:
        return "would wait on the owner's thread";
    case RPR_ENAMETOOLONG:
        return "name too long";
    case RPR_EPROTO:
        return "the peer broke the protocol";
    case RPR_EMSGSIZE:
        return "message too long";
    case RPR_ENOTSUP:
        return "not supported by the link or peer";
    case RPR_ENOTCONN:
        return "not connected";
    case RPR_ETIMEDOUT:
        return "timed out";
    case RPR_ESTALE:
        return "closed before";
    default:
        return "unknown error";
    }
}

/* ---- small services --------------------------------------------------------------------------- */

void *node_alloc(struct rpr_node *node, size_t bytes)
{
    return node->platform->alloc(node->platform->ctx, bytes);
}

void node_free(struct rpr_node *node, void *memory, size_t bytes)
{
    if (memory)
        node->platform->free(node->platform->ctx, memory, bytes);
}

void node_log(struct rpr_node *node, enum rpr_log_level level, const char *text)
{
    if (node->platform->log)
        node->platform->log(node->platform->ctx, level, text);
}

bool node_on_owner(const struct rpr_node *node)
{
    return !node->platform->on_owner || node->platform->on_owner(node->platform->ctx);
}

void node_pool_empty(struct rpr_node *node, struct rpr_device *device, const char *which)
{
    struct rpr_event event = {.kind = RPR_EVENT_POOL_EMPTY,
                              .device = device,
                              .name = which,
                              .addr = RPR_ADDR_ANY,
                              .dest = RPR_ADDR_ANY,
                              .reason = ""};

    rpr_event_emit(node, &event);
}

const char *rpr_node_name(const struct rpr_node *node)
{
    return node->name;
}

const struct rpr_platform *rpr_node_platform(const struct rpr_node *node)
{
    return node->platform;
}

uint64_t rpr_node_now(const struct rpr_node *node)
{
    return node->now_ns;
}

void *rpr_node_part(const struct rpr_node *node, enum rpr_part part)
{
    return node->parts[part];
}

void rpr_node_set_part(struct rpr_node *node, enum rpr_part part, void *pointer)
{
    node->parts[part] = pointer;
}

/* ---- open and close --------------------------------------------------------------------------- */

int rpr_node_open(struct rpr_node **result, const struct rpr_node_config *config)
{
    const struct rpr_platform *platform = config->platform;
    size_t length = config->name ? text_length(config->name, RPR_NAME_MAX + 1) : 0;
    struct rpr_node *node;
    int error;

    if (!length || length > RPR_NAME_MAX || !platform || !platform->alloc || !platform->free)
        return -RPR_EINVAL;
    node = platform->alloc(platform->ctx, sizeof *node);
    if (!node)
        return -RPR_ENOMEM;
    node->platform = platform;
    node->commands_end = &node->commands;
    node->next_ns = RPR_POLL_IDLE;
    ns_init(node);
    text_copy(node->name, sizeof node->name, config->name);
    error = slots_init(node, config->slot_bytes ? config->slot_bytes : DEFAULT_SLOT_BYTES,
                       config->slots ? config->slots : DEFAULT_SLOTS);
    if (!error && platform->lock_new) {
        node->lock = platform->lock_new(platform->ctx);
        error = node->lock ? 0 : -RPR_ENOMEM;
    }
    if (error) {
        slots_fini(node);
        node_free(node, node, sizeof *node);
        return error;
    }
    *result = node;
    return 0;
}

void rpr_node_close(struct rpr_node *node)
{
    struct rpr_endpoint *e;

    CHECK_OWNER(node);
    RPR_ASSERT(!node->in_poll);
    link_end_all(node);
    while (node->devices)
        device_remove(node->devices);
    node->closing = true; /* what is held or reserved now can never come back */
    endpoint_finish_all(node);
    while (node->dead) {
        node->dead->n_users = 0;
        device_free(node->dead);
    }
    while (node->services)
        rpr_service_close(node->services);
    while (node->active) {
        node->active->active = false;
        node->active = node->active->next_active;
    }
    link_flush_touched(node);
    node->burying = true;
    link_bury(node);
    RPR_ASSERT(!node->graves && !node->zombies);
    while ((e = node->all_endpoints)) {
        node->all_endpoints = e->next_all;
        node_free(node, e, sizeof *e);
    }
    node_free(node, node->names, (node->names_mask + (size_t)1) * sizeof *node->names);
    slots_fini(node);
    if (node->lock)
        node->platform->lock_free(node->platform->ctx, node->lock);
    node_free(node, node, sizeof *node);
}

/* ---- wake and commands: any thread ----------------------------------------------------------------- */

void rpr_node_wake(struct rpr_node *node)
{
    atomic_store_explicit(&node->woken, true, memory_order_relaxed);
    node_attention(node);
    if (node->platform->wake)
        node->platform->wake(node->platform->ctx);
}

static void lock_commands(struct rpr_node *node)
{
    if (node->lock)
        node->platform->lock(node->lock);
}

static void unlock_commands(struct rpr_node *node)
{
    if (node->lock)
        node->platform->unlock(node->lock);
}

void rpr_node_post(struct rpr_node *node, struct rpr_command *command)
{
    command->next = NULL;
    lock_commands(node);
    *node->commands_end = command;
    node->commands_end = &command->next;
    unlock_commands(node);
    rpr_node_wake(node);
}

static void run_commands(struct rpr_node *node)
{
    struct rpr_command *command;

    lock_commands(node);
    command = node->commands;
    node->commands = NULL;
    node->commands_end = &node->commands;
    unlock_commands(node);
    while (command) {
        struct rpr_command *next = command->next;

        command->run(command);
        command = next;
    }
}

/* ---- timers --------------------------------------------------------------------------------------- */

void rpr_timer_start(struct rpr_node *node, struct rpr_timer *timer, uint64_t at_ns)
{
    CHECK_OWNER(node);
    if (timer->active)
        heap_remove(&node->timers, timer);
    timer->at_ns = at_ns;
    timer->active = true;
    heap_insert(&node->timers, timer);
    node->next_ns = node->timers->at_ns;
}

void rpr_timer_stop(struct rpr_node *node, struct rpr_timer *timer)
{
    CHECK_OWNER(node);
    if (!timer->active)
        return;
    timer->active = false;
    heap_remove(&node->timers, timer);
    node->next_ns = node->timers ? node->timers->at_ns : RPR_POLL_IDLE;
}

static void fire_due(struct rpr_node *node)
{
    while (node->timers && node->timers->at_ns <= node->now_ns) {
        struct rpr_timer *timer = node->timers;

        rpr_timer_stop(node, timer);
        timer->fire(timer, node->now_ns);
    }
}

/* ---- poll ------------------------------------------------------------------------------------------- */

static void make_all_ready(struct rpr_node *node)
{
    struct rpr_link *link;

    for (link = node->links; link; link = link->next)
        rpr_link_ready(link);
}

/* Links that have no session are not looked at. */
static void drop_idle(struct rpr_node *node)
{
    struct rpr_link **at = &node->active;

    while (*at) {
        struct rpr_link *link = *at;

        if (link->incarnation || link->doom) {
            at = &link->next_active;
        } else {
            link->active = false;
            *at = link->next_active;
        }
    }
}

/* What polls rarely have to do besides. */
static __attribute__((noinline)) void attend(struct rpr_node *node)
{
    if (!MUTANT(attention_is_cleared_late))
        atomic_store_explicit(&node->attention, false, memory_order_relaxed);
    atomic_thread_fence(memory_order_seq_cst); /* pairs with node_attention() of other threads */
    if (atomic_exchange_explicit(&node->woken, false, memory_order_relaxed))
        make_all_ready(node);
    run_commands(node);
    if (MUTANT(attention_is_cleared_late))
        atomic_store_explicit(&node->attention, false, memory_order_relaxed);
    if (node->missed)
        link_missed_again(node);
    drop_idle(node);
    link_bury(node);
}

/* One turn of each active link. Links may become active while we go: they are put in front and have
 * their turn next time. What is not just messages is dealt with out of line (link_attend()): this is
 * the path of each poll. */
static inline uint64_t poll_links(struct rpr_node *node, unsigned budget)
{
    struct rpr_link *link;

    for (link = node->active; link; link = link->next_active) {
        if (RPR_UNLIKELY(atomic_load_explicit(&link->attention, memory_order_relaxed))) {
            if (link_attend(link, budget))
                node->unfinished = true;
        } else {
            node->polling = link;
            if (link->ops->poll(link, MUTANT(turn_has_no_end) ? 1u << 20 : budget) >= budget)
                node->unfinished = true;
        }
    }
    node->polling = NULL;
    if (node->touched)
        link_flush_touched(node);
    node->in_poll = false;
    if (node->unfinished || atomic_load_explicit(&node->attention, memory_order_relaxed))
        return RPR_POLL_MORE;
    return node->next_ns;
}

static __attribute__((noinline)) uint64_t poll_more(struct rpr_node *node, unsigned budget)
{
    if (atomic_load_explicit(&node->attention, memory_order_relaxed))
        attend(node);
    fire_due(node);
    return poll_links(node, budget);
}

uint64_t rpr_node_poll(struct rpr_node *node, uint64_t now_ns, unsigned budget)
{
    CHECK_OWNER(node);
    RPR_ASSERT(!node->in_poll);
    node->now_ns = now_ns;
    node->in_poll = true;
    node->unfinished = false;
    if (RPR_UNLIKELY(atomic_load_explicit(&node->attention, memory_order_relaxed)) ||
        RPR_UNLIKELY(node->next_ns <= now_ns) || RPR_UNLIKELY(!budget))
        return poll_more(node, budget ? budget : DEFAULT_BUDGET);
    return poll_links(node, budget);
}

/* ---- events --------------------------------------------------------------------------------------------- */

/* Stands on the observer that is told next, which may be removed meanwhile. Walks are nested: what
 * an observer does makes more events. */
struct observer_walk {
    struct rpr_observer *next;
    struct observer_walk *outer;
};

void rpr_observer_add(struct rpr_node *node, struct rpr_observer *observer)
{
    struct rpr_observer **end = &node->observers;

    CHECK_OWNER(node);
    while (*end)
        end = &(*end)->next;
    observer->next = NULL;
    *end = observer;
}

void rpr_observer_remove(struct rpr_node *node, struct rpr_observer *observer)
{
    struct rpr_observer **at = &node->observers;
    struct observer_walk *walk;

    CHECK_OWNER(node);
    while (*at && *at != observer)
        at = &(*at)->next;
    if (!*at)
        return;
    *at = observer->next;
    for (walk = node->walks; walk; walk = walk->outer)
        if (walk->next == observer && !MUTANT(removed_observer_is_told))
            walk->next = observer->next;
}

void rpr_event_emit(struct rpr_node *node, const struct rpr_event *event)
{
    struct observer_walk walk = {node->observers, node->walks};
    struct rpr_observer *o;

    node->walks = &walk;
    while ((o = walk.next)) {
        walk.next = o->next;
        o->event(o->ctx, event);
    }
    node->walks = walk.outer;
}

void node_event(struct rpr_node *node, enum rpr_event_kind kind, struct rpr_endpoint *e)
{
    struct rpr_event event = {.kind = kind,
                              .device = e->device,
                              .name = e->name,
                              .addr = e->addr,
                              .dest = e->dest,
                              .state = e->device->state,
                              .reason = ""};

    if (node->observers)
        rpr_event_emit(node, &event);
}
