/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The core's side of a link: its life, its share of each poll, senders that wait, doorbells.
 *
 * A link that has work, or that nobody asked the peer to ring for, is *active* and looked at in
 * each poll. rpr_node_arm() asks the peers of active links for doorbells and takes them off the
 * list; rpr_link_ready() (a doorbell) puts one back. So a hub's work does not grow with its idle
 * links.
 *
 * Whatever ends a session while the transport is inside `poll` waits for its return: the transport
 * never finds its session gone under its feet.
 */
#include "core/core.h"

#include "base/heap.h"
#include "base/text.h"

#define WAIT_FIRST_US  100u /* ARCHITECTURE 5 */
#define WAIT_LAST_US   5000u
#define RETRY_FIRST_MS 100u /* ARCHITECTURE 7 */
#define RETRY_LAST_MS  10000u
#define LASTING_NS     UINT64_C(10000000000) /* up for so long: the next break starts from 100 ms */

enum doom { DOOM_NONE, DOOM_LOST, DOOM_BROKEN, DOOM_DOWN, DOOM_REMOVED };

/* ---- active, touched ----------------------------------------------------------------------------- */

static void activate(struct rpr_link *link)
{
    if (link->active)
        return;
    link->active = true;
    link->next_active = link->node->active;
    link->node->active = link;
}

void rpr_link_ready(struct rpr_link *link)
{
    CHECK_OWNER(link->node);
    activate(link);
    if (link->armed) {
        link->armed = false;
        if (link->incarnation)
            link->ops->disarm(link);
    }
}

void rpr_link_polled(struct rpr_link *link, bool polled)
{
    link->polled = polled;
    if (polled)
        rpr_link_ready(link);
}

void link_touch(struct rpr_link *link)
{
    if (link->touched)
        return;
    link->touched = true;
    link->next_touched = link->node->touched;
    link->node->touched = link;
}

/* The one doorbell per batch. */
void link_flush_touched(struct rpr_node *node)
{
    while (node->touched) {
        struct rpr_link *link = node->touched;

        node->touched = link->next_touched;
        link->touched = false;
        if (!link->incarnation)
            continue;
        link_lock(link);
        link->ops->flush(link);
        link_unlock(link);
    }
}

/* ---- senders that wait ------------------------------------------------------------------------------ */

/* There is something to do besides messages; any thread, under the lock. */
void link_look_again(struct rpr_link *link)
{
    link_attention(link);
    if (link->lock)
        rpr_node_wake(link->node); /* the owner looks at all links */
    else
        rpr_link_ready(link);
}

void link_wait(struct rpr_link *link, struct rpr_endpoint *e)
{
    e->later = false;
    if (e->waiting)
        return;
    e->waiting = true;
    e->next_wait = NULL;
    if (!link->wait_head) {
        link->wait_head = link->wait_tail = e;
    } else if (e->flags & RPR_EPT_CONTROL) {
        e->next_wait = link->wait_head;
        link->wait_head = e;
    } else {
        link->wait_tail->next_wait = e;
        link->wait_tail = e;
    }
    link->n_waiting++;
    link_look_again(link);
}

/* The receiver said RPR_LATER. If it did so because there was no buffer, it waits for that already;
 * else nothing may ever ring for it, and it is asked again at each turn of the link, and by the
 * timer. */
void link_wait_later(struct rpr_link *link, struct rpr_endpoint *e)
{
    link_lock(link);
    if (!e->waiting) {
        link_wait(link, e);
        e->later = true;
    }
    link_unlock(link);
}

void link_unwait(struct rpr_link *link, struct rpr_endpoint *e)
{
    struct rpr_endpoint *before = NULL;
    struct rpr_endpoint *at;

    if (!e->waiting)
        return;
    for (at = link->wait_head; at != e; at = at->next_wait)
        before = at;
    if (before)
        before->next_wait = e->next_wait;
    else
        link->wait_head = e->next_wait;
    if (link->wait_tail == e)
        link->wait_tail = before;
    e->waiting = false;
    link->n_waiting--;
}

static void tell_writable(struct rpr_endpoint *e, bool later)
{
    struct rpr_link *link;

    if (!endpoint_enter(e))
        return;
    if (!(e->flags & RPR_EPT_MANUAL))
        receive_resume(e);
    link = atomic_load_explicit(&e->link, memory_order_relaxed);
    if (link)
        link_go_on(link, e);
    if (!e->closing && !later && e->ops->writable)
        e->ops->writable(e->ctx, endpoint_handle(e));
    endpoint_leave(e);
}

void link_missed(struct rpr_link *link, struct rpr_endpoint *e)
{
    (void)link;
    if (e->missed)
        return;
    e->missed = true;
    e->n_calls++; /* the object stays until it has been told */
    e->next_missed = e->device->node->missed;
    e->device->node->missed = e;
    node_attention(e->device->node);
}

void link_missed_again(struct rpr_node *node)
{
    struct rpr_endpoint *e = node->missed;

    node->missed = NULL;
    while (e) {
        struct rpr_endpoint *next = e->next_missed;

        e->missed = false;
        tell_writable(e, false);
        endpoint_leave(e);
        e = next;
    }
}

static void wait_timer_fired(struct rpr_timer *timer, uint64_t now_ns)
{
    (void)now_ns;
    rpr_link_ready(RPR_CONTAINER(timer, struct rpr_link, wait_timer));
}

/* Some peers never ring when they return buffers (H-13): look again, less and less often. */
static void watch_used_ring(struct rpr_link *link)
{
    uint64_t us = link->wait_us;

    if (link->wait_timer.active || MUTANT(used_ring_is_not_watched))
        return;
    link->wait_us = us * 2 > WAIT_LAST_US ? WAIT_LAST_US : us * 2;
    rpr_timer_start(link->node, &link->wait_timer, link->node->now_ns + us * 1000u);
}

/* The first one that waits for a buffer: where words are numbered, and as many are on their way as may
 * be, control endpoints wait for the peer to hear them, and so does data that is behind words of the name
 * service, and behind an answer that waits. Under the lock. */
static __attribute__((noinline)) struct rpr_endpoint *look_for_waiter(const struct rpr_link *link)
{
    struct rpr_endpoint *e = link->wait_head;
    bool full = words_full(link), behind = ns_waits(link) && !MUTANT(data_overtakes_an_answer);

    while (e && !e->later && ((e->flags & RPR_EPT_CONTROL) ? full : behind))
        e = e->next_wait;
    return e;
}

static inline struct rpr_endpoint *first_waiter(const struct rpr_link *link)
{
    return link->wait_head ? look_for_waiter(link) : NULL;
}

/* Is there a buffer for it? Under the lock. Control may take the last. */
static bool has_room(struct rpr_link *link, const struct rpr_endpoint *e)
{
    struct rpr_slot slot;

    if (link->ops->writable(link))
        return true;
    if (!(e->flags & RPR_EPT_CONTROL) || link->ops->reserve(link, &slot, true))
        return false;
    link->ops->cancel(link, slot.id);
    return true;
}

/* Tells those who wait, as long as there is room for what they may send. Each once: one that fills
 * the link again waits for the next round. */
static void serve_waiters(struct rpr_link *link)
{
    uint32_t n = 1;

    for (uint32_t i = 0; i < n && link->incarnation; i++) {
        struct rpr_endpoint *e;
        bool later;

        if (!link_trylock(link))
            return;
        if (!i)
            n = link->n_waiting;
        e = first_waiter(link);
        if (e && !has_room(link, e))
            e = NULL;
        later = e && e->later;
        if (e)
            link_unwait(link, e);
        link_unlock(link);
        if (!e)
            return;
        if (!later)
            link->wait_us = WAIT_FIRST_US;
        tell_writable(e, later);
    }
}

/* ---- one turn of a link ------------------------------------------------------------------------------- */

void link_stop(struct rpr_link *link, struct rpr_endpoint *e)
{
    link->node->n_stopped += !link->stopper;
    link->stopper = e;
    link_attention(link);
}

static void unstop(struct rpr_link *link)
{
    link->node->n_stopped -= link->stopper != NULL;
    link->stopper = NULL;
}

void link_go_on(struct rpr_link *link, struct rpr_endpoint *e)
{
    if (link->stopper != e)
        return;
    unstop(link);
    rpr_link_ready(link);
}

void link_go_on_all(struct rpr_node *node)
{
    struct rpr_link *link;

    for (link = node->links; link && node->n_stopped; link = link->next)
        if (link->stopper)
            link_go_on(link, link->stopper);
}

static void end_session(struct rpr_link *link);

static bool poll_messages(struct rpr_link *link, unsigned budget)
{
    unsigned n;

    link->node->polling = link;
    n = link->ops->poll(link, budget);
    link->node->polling = NULL;
    return n >= budget;
}

static void end_doomed(struct rpr_link *link)
{
    if (link->doom)
        end_session(link);
}

/* At most what a ring holds: a peer that goes on writing cannot keep us here. */
void rpr_link_drain(struct rpr_link *link, unsigned limit)
{
    CHECK_OWNER(link->node);
    if (!link->incarnation || link->node->polling)
        return;
    (void)poll_messages(link, limit); /* what callbacks ended waits for the next poll */
}

/* What is left after a link's turn waits for buffers, or is an endpoint that cannot take what it
 * kept: for these the timer runs. Under the lock, where senders on other threads add themselves; who
 * comes later wakes the node. */
static void settle_attention(struct rpr_link *link)
{
    bool pending;

    if (!link_trylock(link)) {
        link_attention(link);
        return;
    }
    pending = (link->control_head && !ns_waits(link)) || link->grant_head || first_waiter(link) ||
              (link->lossy && words_pending(link));
    if (!link->doom && (pending || link->stopper || !link->incarnation))
        atomic_store_explicit(&link->attention, ATTENTION_KNOWN, memory_order_relaxed);
    link_unlock(link);
    if (!link->incarnation)
        return;
    if (pending) {
        watch_used_ring(link);
    } else {
        link->wait_us = WAIT_FIRST_US;
        rpr_timer_stop(link->node, &link->wait_timer);
    }
}

/* The turn of a link that has more to do than messages, or cannot be polled. Finds out anew
 * whether it still needs attention. */
bool link_attend(struct rpr_link *link, unsigned budget)
{
    bool more = false;

    atomic_store_explicit(&link->attention, ATTENTION_NONE, memory_order_relaxed);
    end_doomed(link);
    if (link->incarnation && !link->stopper)
        more = poll_messages(link, budget);
    end_doomed(link);
    if (link->incarnation && link->control_head)
        ns_flush(link);
    if (link->incarnation)
        serve_waiters(link);
    if (link->incarnation && link->control_head)
        ns_flush(link); /* what callbacks had to say */
    if (link->incarnation && link->grant_head)
        credit_flush(link);
    if (link->incarnation && link->lossy) {
        credit_attend(link);
        words_answer(link);
    }
    settle_attention(link);
    return more && link->incarnation;
}

/* Nothing to do for this link until it rings? `*turn`: it must have its turn before anybody sleeps. */
static bool arm(struct rpr_link *link, bool *turn)
{
    uint8_t attention = atomic_load_explicit(&link->attention, memory_order_relaxed);
    bool armed = true;

    *turn = link->incarnation && (attention == ATTENTION_NEW || !link_trylock(link));
    if (*turn)
        return false;
    if (!link->incarnation)
        return true;
    if (!link->stopper)
        armed = link->ops->arm(link, attention == ATTENTION_KNOWN);
    link_unlock(link);
    return armed;
}

bool rpr_node_arm(struct rpr_node *node)
{
    struct rpr_link **at = &node->active;
    bool idle = true;

    CHECK_OWNER(node);
    while (*at) {
        struct rpr_link *link = *at;
        bool turn;

        if (!arm(link, &turn) || link->polled) {
            idle = idle && link->polled && !turn;
            at = &link->next_active;
            continue;
        }
        link->armed = true;
        link->active = false;
        *at = link->next_active;
    }
    return idle && !node->touched && !atomic_load_explicit(&node->attention, memory_order_relaxed);
}

/* ---- incarnations --------------------------------------------------------------------------------------- */

static bool outstanding(struct rpr_link *link, const struct rpr_incarnation *i)
{
    bool some;

    if (link->node->burying)
        return false;
    link_lock(link);
    some = (i->n_reserved && !MUTANT(session_is_freed_under_a_reservation)) ||
           (i->n_held && !MUTANT(session_is_freed_under_a_hold));
    link_unlock(link);
    return some;
}

/* Frees the memory of ended connections that nothing is outstanding of. */
static void bury_incarnations(struct rpr_node *node)
{
    struct rpr_incarnation **at = &node->zombies;

    while (*at) {
        struct rpr_incarnation *i = *at;

        if (outstanding(i->link, i)) {
            at = &i->next;
            continue;
        }
        *at = i->next;
        i->link->n_zombies--;
        i->destroy(i);
    }
}

void link_released(struct rpr_link *link, struct rpr_incarnation *incarnation)
{
    if (link->incarnation == incarnation)
        link_touch(link);
    else
        bury_incarnations(link->node);
    if (link->removed)
        node_attention(link->node); /* it may be the last that its link waited for */
}

/* A link is only freed here, where none of its callers can be on the stack; one with locks only
 * with the node, because another thread may just be about to take them. */
void link_bury(struct rpr_node *node)
{
    struct rpr_link **grave = &node->graves;

    bury_incarnations(node);
    while (*grave) {
        struct rpr_link *link = *grave;

        if (link->n_zombies || link->active || link->touched || (link->lock && !node->burying)) {
            grave = &link->next;
            continue;
        }
        *grave = link->next;
        if (link->lock)
            node->platform->lock_free(node->platform->ctx, link->lock);
        words_free(link);
        link->ops->destroy(link);
    }
}

static void retire(struct rpr_link *link)
{
    struct rpr_incarnation *i = link->incarnation;

    link_lock(link);
    link->incarnation = NULL;
    link_unlock(link);
    if (!i)
        return;
    link_attention(link);
    i->next = link->node->zombies;
    link->node->zombies = i;
    node_attention(link->node);
    link->n_zombies++;
    bury_incarnations(link->node);
}

/* ---- up ---------------------------------------------------------------------------------------------------- */

void rpr_link_up(struct rpr_link *link, const struct rpr_session *session)
{
    struct rpr_incarnation *i = session->incarnation;

    CHECK_OWNER(link->node);
    RPR_ASSERT(!link->incarnation && link->opened);
    i->n_reserved = i->n_held = 0;
    i->link = link;
    link->tx_len = session->tx_len;
    link->rx_len = session->rx_len;
    link->dialect = session->dialect;
    link->credit = session->credit;
    link->may_ack = session->may_ack;
    link->lossy = session->lossy;
    link->like_ours = session->lossy && session->dialect == RPR_DIALECT_RPR;
    link->wait_us = WAIT_FIRST_US;
    link->up_at_ns = link->node->now_ns;
    link_lock(link);
    link->incarnation = i;
    link_unlock(link);
    link_attention(link);
    rpr_link_ready(link);
    words_start(link);
    device_take_up(link->device, link, session->tx_len, session->rx_len);
}

void rpr_link_credit(struct rpr_link *link)
{
    struct rpr_endpoint *e;
    struct rpr_device *d;

    if (link->lossy && link->dialect != RPR_DIALECT_RPR) {
        rpr_link_ours(link); /* what said so first is lost, or on its way */
        return;
    }
    if (link->credit)
        return;
    link->credit = true;
    for (d = link->node->devices; d; d = d->next)
        for (e = d->link == link && !MUTANT(late_agreement_grants_nothing) ? d->first : NULL; e;
             e = e->next)
            if (e->dest != RPMSG_ADDR_ANY && !(e->flags & RPR_EPT_CONTROL))
                credit_due(e);
}

static void report_fired(struct rpr_timer *timer, uint64_t now_ns)
{
    (void)now_ns;
    credit_report(RPR_CONTAINER(timer, struct rpr_link, report_timer));
}

/* What was said until now may be lost. Whoever speaks for himself (the router) is told. */
static void say_again(struct rpr_link *link, bool numbered)
{
    struct rpr_endpoint *e;
    struct rpr_device *d;

    for (d = link->node->devices; d; d = d->next) {
        for (e = d->link == link ? d->first : NULL; e; e = e->next) {
            endpoint_ask_again(e);
            if (numbered && (e->flags & RPR_EPT_CONTROL) && e->sendable) {
                link_lock(link);
                link_wait(link, e);
                link_unlock(link);
            }
        }
    }
}

void link_like_ours(struct rpr_link *link)
{
    if (link->like_ours)
        return;
    link->like_ours = true;
    say_again(link, false);
}

void rpr_link_unheard(struct rpr_link *link)
{
    struct rpr_endpoint *e = endpoint_by_name(link->device, RPR_LINK_OURS, RPR_ADDR_ANY);

    CHECK_OWNER(link->node);
    if (link->incarnation && link->lossy && e && !e->again.active)
        endpoint_ask_again(e);
}

void rpr_link_ours(struct rpr_link *link)
{
    CHECK_OWNER(link->node);
    if (!link->incarnation || link->dialect == RPR_DIALECT_RPR)
        return;
    link->dialect = RPR_DIALECT_RPR;
    link->may_ack = false;
    rpr_link_credit(link);
    if (!link->lossy)
        return;
    link->like_ours = true;
    words_agreed(link);
    say_again(link, true);
}

/* ---- down ---------------------------------------------------------------------------------------------------- */

static void forget_queues(struct rpr_link *link)
{
    struct rpr_endpoint *e;

    while ((e = link->control_head)) {
        ns_forget(e);
        endpoint_told(e);
    }
    link_lock(link);
    while (link->wait_head)
        link_unwait(link, link->wait_head);
    link_unlock(link);
    while ((e = link->grant_head)) {
        link->grant_head = e->next_grant;
        e->granting = false;
    }
}

static void open_carrier(struct rpr_link *link)
{
    link->opened = true;
    link->ops->open(link);
}

static void close_carrier(struct rpr_link *link)
{
    if (!link->opened)
        return;
    link->opened = false;
    link->ops->close(link);
}

static void retry_fired(struct rpr_timer *timer, uint64_t now_ns)
{
    struct rpr_link *link = RPR_CONTAINER(timer, struct rpr_link, retry_timer);

    (void)now_ns;
    if (!link->admin_up || link->opened)
        return;
    device_set_state(link->device, RPR_DEVICE_CONNECTING, link->reason);
    if (link->admin_up && !link->opened) /* as observers left it */
        open_carrier(link);
}

static void retry_later(struct rpr_link *link)
{
    struct rpr_node *node = link->node;

    if (!link->retry_ms || node->now_ns - link->up_at_ns >= LASTING_NS)
        link->retry_ms = RETRY_FIRST_MS;
    rpr_timer_start(node, &link->retry_timer, node->now_ns + link->retry_ms * UINT64_C(1000000));
    if (!MUTANT(broken_link_comes_back_without_patience))
        link->retry_ms = link->retry_ms * 2 > RETRY_LAST_MS ? RETRY_LAST_MS : link->retry_ms * 2;
}

static enum rpr_device_state state_after(enum doom doom)
{
    if (doom == DOOM_BROKEN)
        return RPR_DEVICE_BROKEN;
    return doom == DOOM_LOST ? RPR_DEVICE_CONNECTING : RPR_DEVICE_DOWN;
}

static void bury_link(struct rpr_link *link)
{
    struct rpr_node *node = link->node;
    struct rpr_link **at = &node->links;

    while (*at != link)
        at = &(*at)->next;
    *at = link->next;
    device_remove(link->device);
    link->next = node->graves;
    node->graves = link;
    node_attention(node);
}

/* Tells all endpoints and observers. Callbacks may ask for more than was the matter: the most final
 * of it is what happens. */
static enum doom tell_end(struct rpr_link *link)
{
    enum doom doom;

    link->n_holds++;
    device_take_down(link->device, state_after(link->doom), link->reason);
    do {
        doom = link->doom;
        device_set_state(link->device, state_after(doom), link->reason);
    } while (link->doom != doom);
    link->n_holds--;
    link->doom = DOOM_NONE;
    return doom;
}

/* Everything that ends a session comes here, outside of `poll`. */
static void end_session(struct rpr_link *link)
{
    enum doom doom;

    unstop(link);
    doom = tell_end(link);
    unstop(link);
    rpr_timer_stop(link->node, &link->wait_timer);
    rpr_timer_stop(link->node, &link->retry_timer);
    rpr_timer_stop(link->node, &link->report_timer);
    words_stop(link);
    forget_queues(link);
    if (doom != DOOM_LOST)
        close_carrier(link);
    retire(link);
    if (doom == DOOM_REMOVED)
        bury_link(link);
    else if (link->hurry && !link->opened)
        rpr_timer_start(link->node, &link->retry_timer, link->node->now_ns);
    else if (doom == DOOM_BROKEN)
        retry_later(link);
    link->hurry = false;
}

void link_hold(struct rpr_link *link)
{
    link->n_holds++;
}

void link_unhold(struct rpr_link *link)
{
    if (--link->n_holds == 0 && link->doom && link->node->polling != link)
        end_session(link);
}

static void end_or_wait(struct rpr_link *link, enum doom doom, const char *reason)
{
    CHECK_OWNER(link->node);
    if (doom <= link->doom)
        return; /* something as final waits already */
    text_copy(link->reason, sizeof link->reason, reason);
    link->doom = (uint8_t)doom;
    if (link->node->polling == link && !MUTANT(session_ends_inside_its_poll)) {
        link_attention(link);
        rpr_link_ready(link);
        node_attention(link->node);
    } else if (!link->n_holds) {
        end_session(link);
    }
}

void rpr_link_down(struct rpr_link *link, const char *reason)
{
    if (link->opened)
        end_or_wait(link, DOOM_LOST, reason);
}

void rpr_link_broken(struct rpr_link *link, const char *reason)
{
    char line[RPR_REASON_MAX + 48];
    struct text text = text_start(line, sizeof line);

    if (!link->opened)
        return;
    text_add(&text, "link to ");
    text_add(&text, link->device->name);
    text_add(&text, " broken: ");
    text_add(&text, reason);
    node_log(link->node, RPR_LOG_WARNING, line);
    end_or_wait(link, DOOM_BROKEN, reason);
}

/* From inside a call that goes on with the link: it ends with the next poll. */
void link_broken_soon(struct rpr_link *link, const char *reason)
{
    link->n_holds++;
    rpr_link_broken(link, reason);
    link->n_holds--;
    link_attention(link);
    rpr_link_ready(link);
    node_attention(link->node);
}

void rpr_link_power(struct rpr_link *link, bool running)
{
    struct rpr_device *d = link->device;

    CHECK_OWNER(link->node);
    if (device_is_up(d))
        device_set_state(d, running ? RPR_DEVICE_UP : RPR_DEVICE_SUSPENDED,
                         running ? "" : "the peer sleeps");
}

int rpr_device_down(struct rpr_device *device)
{
    struct rpr_link *link = device->link;

    CHECK_OWNER(device->node);
    if (device->kind != RPR_DEVICE_LINK)
        return -RPR_ENOTSUP;
    if (!link)
        return -RPR_ENOENT;
    link->hurry = false;
    if (link->admin_up) {
        link->admin_up = false;
        end_or_wait(link, DOOM_DOWN, "taken down");
    }
    return 0;
}

int rpr_device_up(struct rpr_device *device)
{
    struct rpr_link *link = device->link;

    CHECK_OWNER(device->node);
    if (device->kind != RPR_DEVICE_LINK)
        return -RPR_ENOTSUP;
    if (!link)
        return -RPR_ENOENT;
    link->admin_up = true;
    link->retry_ms = 0;
    if (link->n_holds || link->doom) { /* the end goes on or waits: right after it */
        link->hurry = true;
        return 0;
    }
    if (link->opened)
        return 0;
    text_copy(link->reason, sizeof link->reason, "waits for the peer");
    rpr_timer_stop(device->node, &link->retry_timer);
    retry_fired(&link->retry_timer, device->node->now_ns);
    return 0;
}

/* ---- register ---------------------------------------------------------------------------------------------------- */

static int take_device(struct rpr_node *node, struct rpr_link *link, const char *remote)
{
    struct rpr_device *d = rpr_device_find(node, remote);

    if (!d)
        return device_add(node, remote, RPR_DEVICE_LINK, &link->device);
    if (d->kind == RPR_DEVICE_LINK)
        return -RPR_EEXIST;
    rpr_routed_down(d, "a link has this name");
    link->device = d;
    d->link = link;
    device_becomes_link(d);
    return 0;
}

int rpr_link_register(struct rpr_node *node, struct rpr_link *link, const struct rpr_link_ops *ops,
                      const char *remote, const char *kind, bool locked)
{
    size_t length = text_length(remote, RPR_NAME_MAX + 1);
    const struct rpr_platform *platform = node->platform;
    int error;

    CHECK_OWNER(node);
    if (!length || length > RPR_NAME_MAX || (locked && !platform->lock_new))
        return -RPR_EINVAL;
    memset(link, 0, sizeof *link);
    link->ops = ops;
    link->kind = kind;
    link->node = node;
    link->wait_timer.fire = wait_timer_fired;
    link->retry_timer.fire = retry_fired;
    link->report_timer.fire = report_fired;
    link->admin_up = true;
    link_attention(link); /* as long as there is no session, a poll must not go into it */
    if (locked) {
        link->lock = platform->lock_new(platform->ctx);
        if (!link->lock)
            return -RPR_ENOMEM;
    }
    error = take_device(node, link, remote);
    if (error) {
        if (link->lock)
            platform->lock_free(platform->ctx, link->lock);
        return error;
    }
    link->device->link = link;
    link->next = node->links;
    node->links = link;
    text_copy(link->reason, sizeof link->reason, "waits for the peer");
    retry_fired(&link->retry_timer, node->now_ns);
    return 0;
}

void rpr_link_unregister(struct rpr_link *link)
{
    CHECK_OWNER(link->node);
    if (link->removed)
        return;
    link->removed = true;
    end_or_wait(link, DOOM_REMOVED, "removed");
}

void link_end_all(struct rpr_node *node)
{
    struct rpr_link *link;

    while ((link = node->links)) {
        rpr_link_unregister(link);
        end_doomed(link); /* the end had waited for the next poll */
    }
}
