/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The owner of a node: an epoll loop.
 *
 * One wake-up costs one epoll_wait(), one look at the clock, one rpr_node_poll() and one
 * rpr_node_arm(), however many links there are: a doorbell is an eventfd, registered edge triggered
 * and never read, and its event leads to its link.
 *
 * A turn sleeps only if the turn before it left nothing undone, nothing was begun since, and nothing
 * has come when all peers have been asked for doorbells. What a turn delivers, it delivers after its
 * sleep. So whoever waits for something outside of the loop sees it happen before the loop sleeps.
 */
#include "posix/loop.h"

#include <errno.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "base/bytes.h"
#include "core/core.h"
#include "posix/alarm.h"
#include "posix/bell.h"
#include "posix/platform.h"
#include "posix/slice.h"

#define N_EVENTS          64
#define N_HOT             4u
#define DEFAULT_SPIN_US   20u             /* ARCHITECTURE 4 */
#define LOOK_EVERY_NS     UINT64_C(20000) /* at descriptors, while there is no reason to sleep */
#define MAX_ROUNDS        64u             /* of loop_settle() */
#define LOOK_AT_CPU_TURNS 32u             /* the CPU is a hint, and rarely another */
#define BUDGET            128u   /* a few microseconds of one link; fewer doorbells than with 32 */
#define DEFAULT_SLOTS     16384u /* of 2 KiB, in memory only once they are used */

struct rpr_loop {
    struct posix_platform posix;
    struct rpr_node *node;
    int epoll;
    int wake_fd;
    struct rpr_watch wake_watch;
    struct alarm alarm;
    struct rpr_watch alarm_watch;
    _Atomic bool wake_pending; /* the eventfd was written and has not been seen */
    _Atomic bool stop;

    uint64_t now_ns;    /* read once per turn */
    uint64_t looked_ns; /* descriptors were looked at */
    uint64_t active_ns; /* something came */
    uint64_t spin_ns;
    bool more;     /* the last poll left work */
    bool spinning; /* not armed: nobody rings */
    bool locked;   /* struct rpr_loop_config */

    int cpu; /* that the hot peers are told */
    unsigned n_turns;
    struct loop_peer *hot[N_HOT];
    unsigned n_hot;
    struct slice slice;
    unsigned n_full; /* of the last turns: those that left work */

    bool in_turn;
    struct loop_peer *due; /* to be rung at its end */

    struct epoll_event events[N_EVENTS];
    int n_events, event_at; /* those from event_at on are still to be dispatched */
};

uint64_t loop_clock_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * UINT64_C(1000000000) + (uint64_t)t.tv_nsec;
}

/* ---- wake: any thread, any signal handler --------------------------------------------------------- */

void loop_wake(struct rpr_loop *loop)
{
    int before = errno; /* of the code that a signal handler interrupted */

    /* Pairs with wake_seen(): whoever finds the flag set has its work seen by the poll that follows
     * the exchange there. */
    if (!atomic_exchange_explicit(&loop->wake_pending, true, memory_order_acq_rel))
        bell_ring_eventfd(loop->wake_fd);
    errno = before;
}

static void wake_loop(void *ctx)
{
    loop_wake(ctx);
}

static void wake_seen(struct rpr_watch *watch, uint32_t events)
{
    struct rpr_loop *loop = RPR_CONTAINER(watch, struct rpr_loop, wake_watch);

    (void)events;
    atomic_exchange_explicit(&loop->wake_pending, loop->locked && MUTANT(wake_up_is_the_last),
                             memory_order_acq_rel);
}

void rpr_loop_stop(struct rpr_loop *loop)
{
    atomic_store_explicit(&loop->stop, true, memory_order_release);
    loop_wake(loop);
}

static void alarm_seen(struct rpr_watch *watch, uint32_t events)
{
    struct rpr_loop *loop = RPR_CONTAINER(watch, struct rpr_loop, alarm_watch);

    (void)events;
    alarm_rang(&loop->alarm);
}

/* ---- open and close --------------------------------------------------------------------------------- */

static void free_loop(struct rpr_loop *loop)
{
    alarm_close(&loop->alarm);
    if (loop->wake_fd >= 0)
        close(loop->wake_fd);
    if (loop->epoll >= 0)
        close(loop->epoll);
    free(loop);
}

static int open_descriptors(struct rpr_loop *loop)
{
    int error;

    loop->epoll = epoll_create1(EPOLL_CLOEXEC);
    loop->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (!alarm_open(&loop->alarm) || loop->epoll < 0 || loop->wake_fd < 0)
        return -RPR_EIO;
    loop->wake_watch =
        (struct rpr_watch){.ready = wake_seen, .fd = loop->wake_fd, .events = EPOLLIN};
    loop->alarm_watch =
        (struct rpr_watch){.ready = alarm_seen, .fd = loop->alarm.fd, .events = EPOLLIN};
    error = rpr_watch_start_edge(loop, &loop->wake_watch);
    return error ? error : rpr_watch_start_edge(loop, &loop->alarm_watch);
}

int rpr_loop_open(struct rpr_loop **result, const struct rpr_loop_config *config)
{
    struct rpr_loop *loop = calloc(1, sizeof(*loop));
    uint32_t spin_us = config->spin_us ? config->spin_us : DEFAULT_SPIN_US;
    struct rpr_node_config node = {.name = config->name,
                                   .slot_bytes = config->slot_bytes,
                                   .slots = config->slots ? config->slots : DEFAULT_SLOTS};
    int error;

    if (!loop)
        return -RPR_ENOMEM;
    loop->cpu = sched_getcpu();
    loop->locked = config->locked;
    loop->spin_ns = spin_us == UINT32_MAX ? 0 : spin_us * UINT64_C(1000);
    posix_platform_init(&loop->posix);
    loop->posix.wake = wake_loop;
    loop->posix.wake_ctx = loop;
    loop->posix.log = config->log;
    loop->posix.log_ctx = config->log_ctx;
    error = open_descriptors(loop);
    if (!error) {
        node.platform = &loop->posix.platform;
        error = rpr_node_open(&loop->node, &node);
    }
    if (error) {
        free_loop(loop);
        return error;
    }
    *result = loop;
    return 0;
}

void rpr_loop_close(struct rpr_loop *loop)
{
    if (!loop)
        return;
    rpr_node_close(loop->node);
    slice_be_brief(&loop->slice, false);
    free_loop(loop);
}

struct rpr_node *rpr_loop_node(struct rpr_loop *loop)
{
    return loop->node;
}

int loop_fd(const struct rpr_loop *loop)
{
    return loop->epoll;
}

bool loop_locked(const struct rpr_loop *loop)
{
    return loop->locked;
}

/* ---- watches ------------------------------------------------------------------------------------------ */

static int start(struct rpr_loop *loop, struct rpr_watch *watch, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.ptr = watch};
    int what = watch->active ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;

    if (epoll_ctl(loop->epoll, what, watch->fd, &event) != 0)
        return errno == ENOMEM || errno == ENOSPC ? -RPR_ENOMEM : -RPR_EINVAL;
    watch->active = true;
    return 0;
}

int rpr_watch_start(struct rpr_loop *loop, struct rpr_watch *watch)
{
    return start(loop, watch, watch->events);
}

int rpr_watch_start_edge(struct rpr_loop *loop, struct rpr_watch *watch)
{
    return start(loop, watch, watch->events | EPOLLET);
}

void rpr_watch_stop(struct rpr_loop *loop, struct rpr_watch *watch)
{
    int i;

    if (!watch->active)
        return;
    watch->active = false;
    epoll_ctl(loop->epoll, EPOLL_CTL_DEL, watch->fd, NULL);
    for (i = loop->event_at; i < loop->n_events; i++)
        if (loop->events[i].data.ptr == watch)
            loop->events[i].data.ptr = NULL;
}

static void dispatch(struct rpr_loop *loop)
{
    for (loop->event_at = 0; loop->event_at < loop->n_events;) {
        struct epoll_event *event = &loop->events[loop->event_at++];
        struct rpr_watch *watch = event->data.ptr;

        if (watch)
            watch->ready(watch, event->events);
    }
    loop->n_events = 0;
}

/* Lets the watches see what came; if nothing did, waits for it, or comes back at once. */
static int look(struct rpr_loop *loop, bool wait)
{
    int n = epoll_wait(loop->epoll, loop->events, N_EVENTS, wait ? -1 : 0);

    if (n < 0)
        return errno == EINTR ? 0 : -RPR_EIO;
    loop->n_events = n;
    dispatch(loop);
    return 0;
}

/* ---- peers that run on another CPU ---------------------------------------------------------------------- */

static inline void tell_peer(struct loop_peer *peer, int cpu)
{
    if (peer->cpus.own)
        put_le32(peer->cpus.own, (uint32_t)(cpu + 1));
}

static inline int told_by(const struct loop_peer *peer)
{
    return peer->cpus.peer ? (int)get_once_le32(peer->cpus.peer) - 1 : -1;
}

static inline void tell_cpu(struct rpr_loop *loop, int cpu)
{
    unsigned i;

    for (i = 0; i < loop->n_hot; i++)
        tell_peer(loop->hot[i], cpu);
}

static void look_at_cpu(struct rpr_loop *loop)
{
    int cpu = sched_getcpu();

    if (cpu == loop->cpu)
        return;
    loop->cpu = cpu;
    tell_cpu(loop, cpu);
}

static void cool(struct rpr_loop *loop, unsigned index)
{
    loop->hot[index]->hot = false;
    for (loop->n_hot--; index < loop->n_hot; index++)
        loop->hot[index] = loop->hot[index + 1];
}

void loop_peer_heard(struct rpr_loop *loop, struct loop_peer *peer)
{
    int cpu = told_by(peer);

    if (RPR_UNLIKELY(!peer->hot)) {
        if (loop->n_hot == N_HOT) {
            tell_peer(loop->hot[0], -1);
            cool(loop, 0);
        }
        loop->hot[loop->n_hot++] = peer;
        peer->hot = true;
    }
    if (cpu >= 0)
        peer->cpu = cpu + 1;
    atomic_store_explicit(&peer->rung, false, memory_order_relaxed);
    tell_peer(peer, loop->cpu);
}

static void ring(struct loop_peer *peer)
{
    atomic_store_explicit(&peer->rung, true, memory_order_relaxed);
    peer->ring(peer->bell);
}

/* A system call is best made from a place that few calls lead to: the kernel leaves the processor's
 * predictions of our returns in ruins. */
void loop_peer_ring(struct rpr_loop *loop, struct loop_peer *peer)
{
    if (loop->locked || !loop->in_turn) {
        ring(peer);
    } else if (!peer->due) {
        peer->due = true;
        peer->next_due = loop->due;
        loop->due = peer;
    }
}

static void ring_if_due(struct rpr_loop *loop, struct loop_peer *peer)
{
    struct loop_peer **at = &loop->due;

    if (!peer->due)
        return;
    while (*at != peer)
        at = &(*at)->next_due;
    *at = peer->next_due;
    peer->due = false;
    ring(peer);
}

void loop_peer_forget(struct rpr_loop *loop, struct loop_peer *peer)
{
    unsigned i;

    ring_if_due(loop, peer);
    for (i = 0; i < loop->n_hot; i++)
        if (loop->hot[i] == peer) {
            tell_peer(peer, -1);
            cool(loop, i);
        }
}

/* The CPU on which a peer runs, or will in a moment because it was rung; -1: it sleeps. */
static inline int cpu_of(struct loop_peer *peer)
{
    int cpu;

    if (!peer->link->active)
        return -1; /* it would ring */
    cpu = told_by(peer);
    if (cpu >= 0)
        peer->cpu = cpu + 1;
    else if (atomic_load_explicit(&peer->rung, memory_order_relaxed))
        cpu = peer->cpu - 1;
    return cpu;
}

static inline bool peer_runs_elsewhere(struct rpr_loop *loop)
{
    unsigned i;

    for (i = 0; i < loop->n_hot; i++) {
        int cpu = cpu_of(loop->hot[i]);

        if (cpu >= 0 && cpu != loop->cpu)
            return true;
    }
    return false;
}

/* ---- a turn ------------------------------------------------------------------------------------------------ */

static uint64_t next_deadline(const struct rpr_loop *loop)
{
    return loop->node->timers ? loop->node->timers->at_ns : RPR_POLL_IDLE;
}

static int sleep_at_most(struct rpr_loop *loop, int timeout_ms)
{
    uint64_t deadline = next_deadline(loop);

    if (timeout_ms >= 0) {
        uint64_t end = loop_clock_ns() + (uint64_t)timeout_ms * 1000000u;

        if (end < deadline)
            deadline = end;
    }
    alarm_set(&loop->alarm, deadline);
    return look(loop, true);
}

/* Whoever streams to us had better fill its ring before we run. */
static void look_at_slice(struct rpr_loop *loop)
{
    slice_be_brief(&loop->slice, loop->n_hot == 1 && loop->n_full == 0);
    loop->n_full = 0;
}

static void read_clocks(struct rpr_loop *loop)
{
    bool now_and_then = ++loop->n_turns % LOOK_AT_CPU_TURNS == 0;

    loop->now_ns = loop_clock_ns();
    if (loop->spinning || now_and_then)
        look_at_cpu(loop);
    if (now_and_then)
        look_at_slice(loop);
}

/* While spinning, a round that delivers at most one message tells whether any came at all. */
static void poll_node(struct rpr_loop *loop)
{
    uint64_t next;

    if (loop->spinning) {
        next = rpr_node_poll(loop->node, loop->now_ns, 1);
        loop->more = next == RPR_POLL_MORE;
        if (!loop->more)
            return;
    }
    loop->active_ns = loop->now_ns;
    next = rpr_node_poll(loop->node, loop->now_ns, BUDGET);
    loop->more = next == RPR_POLL_MORE;
    loop->n_full += loop->more;
}

/* Is there nothing to do? Then looks on for a while, or asks for doorbells. What the last poll began
 * may be due already. */
static inline bool may_sleep(struct rpr_loop *loop)
{
    if (loop->more || next_deadline(loop) <= loop->now_ns)
        return false;
    if (loop->spin_ns && loop->now_ns - loop->active_ns < loop->spin_ns &&
        peer_runs_elsewhere(loop)) {
        loop->spinning = true;
        return false;
    }
    loop->spinning = false;
    tell_cpu(loop, -1);
    if (rpr_node_arm(loop->node))
        return true;
    tell_cpu(loop, loop->cpu);
    return false;
}

/* Before doorbells are asked for: a peer that takes over this CPU and answers at once need not ring. */
static inline void ring_due(struct rpr_loop *loop)
{
    struct loop_peer *peer;

    loop->in_turn = false;
    while ((peer = loop->due)) {
        loop->due = peer->next_due;
        peer->due = false;
        ring(peer);
    }
}

/* Inlined, with all it calls here, into both of its callers: see loop_peer_ring(). */
static inline __attribute__((always_inline)) int turn(struct rpr_loop *loop, int timeout_ms)
{
    int error = 0;

    loop->in_turn = true;
    if (timeout_ms != 0 && may_sleep(loop)) {
        error = sleep_at_most(loop, timeout_ms);
        read_clocks(loop);
        loop->looked_ns = loop->now_ns;
    } else {
        read_clocks(loop);
        if (loop->now_ns - loop->looked_ns >= LOOK_EVERY_NS) {
            loop->looked_ns = loop->now_ns;
            error = look(loop, false);
        }
    }
    poll_node(loop);
    ring_due(loop);
    return error;
}

__attribute__((flatten)) int rpr_loop_turn(struct rpr_loop *loop, int timeout_ms)
{
    return turn(loop, timeout_ms);
}

__attribute__((flatten)) int rpr_loop_run(struct rpr_loop *loop)
{
    int error = 0;

    while (!error && !atomic_load_explicit(&loop->stop, memory_order_acquire))
        error = turn(loop, -1);
    atomic_store_explicit(&loop->stop, false, memory_order_relaxed);
    return error;
}

bool loop_settle(struct rpr_loop *loop)
{
    unsigned round;

    loop->spinning = false;
    for (round = 0; round < MAX_ROUNDS; round++) {
        if (look(loop, false))
            return false;
        read_clocks(loop);
        poll_node(loop);
        if (loop->more)
            continue;
        tell_cpu(loop, -1);
        if (rpr_node_arm(loop->node) && loop->n_events == 0) {
            alarm_set(&loop->alarm, next_deadline(loop));
            return true;
        }
    }
    return false;
}
