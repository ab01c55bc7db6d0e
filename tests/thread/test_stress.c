/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Everything at once, with real threads: a hub and some edges, each a node whose owner runs a loop of
 * the posix platform on a thread of its own, joined by shm links with locks. Two edges are joined
 * directly besides. On each edge threads send on the endpoints of the node, in place and by copy, and post
 * commands that close one; meanwhile the owner closes and opens endpoints, takes links down
 * and up, and closes its node and opens it anew, as does the hub's. Made for ThreadSanitizer.
 *
 * Each message says which endpoint it is from, in which of its bindings, and which message of its
 * thread it is. What must hold:
 *
 *   - it comes to the endpoint of the same name on the node that it was sent to
 *   - in one binding all are from one binding of one endpoint; none is heard in two, and none
 *     of a former endpoint after one of a later
 *   - of each thread they come in order, once, and none is missing inside of a binding
 *   - whatever happened, all are bound to each other again, and traffic goes on
 *
 * Bounded by counts, not by time. RPR_STRESS: events of each owner (default 1000); RPR_SEED: choices of
 * a former run (its schedule is another).
 */
#include <pthread.h>
#include <sched.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <rpr/posix.h>
#include <rpr/router.h>

#include "base/check.h"
#include "trial.h"

#define N_EDGES    3u
#define N_SERVICES 2u
#define N_THREADS  2u               /* of each edge */
#define N_SENDERS  (N_THREADS + 1u) /* and the owner */
#define HELD_MAX   4u
#define QUOTA      32u
#define STALL_S    120 /* nothing at all has happened for so long */

struct message {
    uint32_t from, to, service, sender;
    uint32_t life;    /* of the endpoint: from open to close */
    uint32_t binding; /* 0: the sender cannot tell */
    uint32_t seq;     /* of what this sender sent on this endpoint in this life */
    uint8_t filling[36];
};

/* One service towards one peer. */
struct end {
    struct edge *edge;
    unsigned peer, service;

    /* for the senders, under the edge's mutex */
    rpr_ept_t ept;
    uint32_t life;
    uint32_t binding; /* odd while bound; never goes back */

    /* the owner's */
    bool open;
    uint32_t peer_life, peer_binding; /* of what was heard in this binding; 0: nothing */
    uint32_t last_life, last_binding; /* of all that was ever heard */
    uint32_t came[N_SENDERS];         /* in this life of the peer's endpoint */
    bool started[N_SENDERS];          /* in this binding */
    uint32_t n_came;                  /* in this binding */
};

struct sender {
    struct edge *edge;
    unsigned index;
    pthread_t thread;
    uint64_t random;
    uint32_t life[N_EDGES][N_SERVICES], seq[N_EDGES][N_SERVICES]; /* of what is counted */
    struct rpr_command command;
    struct end *victim;
    _Atomic bool posted;
    uint64_t n_sent, n_again, n_gone, n_cancelled, next_post;
};

struct edge {
    unsigned index;
    pthread_t owner;
    pthread_rwlock_t gate; /* held for reading while a thread may use the node */
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    uint64_t n_changes; /* something may be sent that could not: under the mutex */
    struct rpr_loop *loop;
    struct rpr_edge *edge; /* of the router */
    struct rpr_hub *hub;
    uint64_t random;
    struct end end[N_EDGES][N_SERVICES]; /* by peer; not its own */
    struct sender sender[N_SENDERS];     /* the last one is the owner */
    struct rpr_msg held[HELD_MAX];
    unsigned n_held;
    unsigned n_events;
    uint64_t n_received, wanted; /* to be received before the next event */
    _Atomic bool done;
    bool is_down;
};

static struct stage {
    struct edge edge[N_EDGES];
    struct edge hub; /* has no endpoints */
    char directory[64];
    unsigned n_events;
    uint64_t seed;
    _Atomic uint64_t progress;
    _Atomic unsigned n_through; /* owners after their last event */
    _Atomic unsigned n_done;    /* and whose endpoints have been bound again and heard since */
    _Atomic bool stop_sending, stop;
    _Atomic uint64_t n_received, n_nodes, n_downs, n_closes;
} stage;

__attribute__((noreturn, format(printf, 1, 2))) static void fail(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    printf("FAILED: ");
    vprintf(format, arguments);
    printf("\nRPR_STRESS=%u RPR_SEED=%llu makes the same choices\n", stage.n_events,
           (unsigned long long)stage.seed);
    va_end(arguments);
    fflush(stdout);
    _exit(1);
}

/* ---- sending ------------------------------------------------------------------------------------- */

static struct end *some_end(struct edge *edge, uint64_t *random)
{
    unsigned peer = draw(random, N_EDGES - 1);

    return &edge->end[peer + (peer >= edge->index)][draw(random, N_SERVICES)];
}

/* What a thread can know of an endpoint at one time. */
static rpr_ept_t look(struct end *e, uint32_t *life, uint32_t *binding)
{
    rpr_ept_t ept;

    pthread_mutex_lock(&e->edge->mutex);
    ept = e->ept;
    *life = e->life;
    *binding = e->binding;
    pthread_mutex_unlock(&e->edge->mutex);
    return ept;
}

static struct message make(struct sender *s, struct end *e, uint32_t life, uint32_t binding)
{
    uint32_t *of = &s->life[e->peer][e->service], *seq = &s->seq[e->peer][e->service];
    struct message m = {.from = e->edge->index,
                        .to = e->peer,
                        .service = e->service,
                        .sender = s->index,
                        .life = life,
                        .binding = binding};

    if (*of != life)
        *seq = 0;
    *of = life;
    m.seq = *seq + 1;
    memset(m.filling, (int)m.seq, sizeof m.filling);
    return m;
}

/* A buffer that is reserved while the endpoint stays bound is of that binding, and is committed in it
 * or not at all: the message can say which one. */
static int send_in_place(struct sender *s, struct end *e)
{
    uint32_t life, binding, life_after, binding_after;
    rpr_ept_t ept = look(e, &life, &binding);
    struct message m = make(s, e, life, binding);
    struct rpr_buf buf;
    int error = rpr_reserve(ept, &buf);

    if (error)
        return error;
    (void)look(e, &life_after, &binding_after);
    if (life != life_after || binding != binding_after || binding % 2 == 0 ||
        !draw(&s->random, 8)) {
        rpr_cancel(ept, &buf);
        s->n_cancelled++;
        return -RPR_EAGAIN;
    }
    if (!draw(&s->random, 4))
        sched_yield();
    memcpy(buf.data, &m, sizeof m);
    return rpr_commit(ept, &buf, sizeof m, draw(&s->random, 4) ? 0 : RPR_MORE);
}

static int send_copy(struct sender *s, struct end *e)
{
    uint32_t life, binding;
    rpr_ept_t ept = look(e, &life, &binding);
    struct message m = make(s, e, life, 0);

    return rpr_send(ept, &m, sizeof m, draw(&s->random, 4) ? 0 : RPR_MORE);
}

/* False: it was refused. */
static bool send_one(struct sender *s)
{
    struct end *e = some_end(s->edge, &s->random);
    int error = draw(&s->random, 2) ? send_in_place(s, e) : send_copy(s, e);

    if (!error)
        s->seq[e->peer][e->service]++;
    s->n_sent += !error;
    s->n_again += error == -RPR_EAGAIN;
    s->n_gone += error == -RPR_ENOTCONN || error == -RPR_ESTALE;
    if (error && error != -RPR_EAGAIN && error != -RPR_ENOTCONN && error != -RPR_ESTALE)
        fail("a send gives %s", rpr_strerror(error));
    return !error;
}

static void close_end(struct end *e);

static void run_posted(struct rpr_command *command)
{
    struct sender *s = RPR_CONTAINER(command, struct sender, command);

    close_end(s->victim);
    atomic_store(&s->posted, false);
}

/* After so many messages each: without a peer none is posted. */
static void post(struct sender *s)
{
    if (s->edge->done || s->n_sent < s->next_post || atomic_exchange(&s->posted, true))
        return;
    s->next_post = s->n_sent + 100 + draw(&s->random, 400);
    s->victim = some_end(s->edge, &s->random);
    s->command.run = run_posted;
    rpr_node_post(rpr_loop_node(s->edge->loop), &s->command);
}

static uint64_t n_changes(struct edge *edge)
{
    uint64_t n;

    pthread_mutex_lock(&edge->mutex);
    n = edge->n_changes;
    pthread_mutex_unlock(&edge->mutex);
    return n;
}

static void change(struct edge *edge)
{
    pthread_mutex_lock(&edge->mutex);
    edge->n_changes++;
    pthread_cond_broadcast(&edge->changed);
    pthread_mutex_unlock(&edge->mutex);
}

static void wait_for_change(struct edge *edge, uint64_t from)
{
    pthread_mutex_lock(&edge->mutex);
    while (edge->n_changes == from && !stage.stop_sending)
        pthread_cond_wait(&edge->changed, &edge->mutex);
    pthread_mutex_unlock(&edge->mutex);
}

static void *send_all_the_time(void *argument)
{
    struct sender *s = argument;

    while (!stage.stop_sending) {
        uint64_t before = n_changes(s->edge);
        bool any = false;

        pthread_rwlock_rdlock(&s->edge->gate);
        for (unsigned i = 0; i < 16 && s->edge->loop; i++)
            any |= send_one(s);
        if (s->edge->loop)
            post(s);
        pthread_rwlock_unlock(&s->edge->gate);
        if (!any)
            wait_for_change(s->edge, before);
    }
    return NULL;
}

/* ---- endpoints: the owner -------------------------------------------------------------------------- */

static void note(struct end *e, bool bound)
{
    pthread_mutex_lock(&e->edge->mutex);
    e->binding += e->binding % 2 != bound;
    pthread_mutex_unlock(&e->edge->mutex);
}

static void on_bound(void *ctx, rpr_ept_t ept, uint32_t dest)
{
    struct end *e = ctx;

    (void)ept;
    (void)dest;
    if (e->binding % 2)
        fail("bound twice");
    e->peer_life = e->peer_binding = e->n_came = 0;
    memset(e->started, 0, sizeof e->started);
    note(e, true);
    change(e->edge);
}

static void on_writable(void *ctx, rpr_ept_t ept)
{
    (void)ept;
    change(((struct end *)ctx)->edge);
}

static void on_unbound(void *ctx, rpr_ept_t ept, enum rpr_unbound_reason reason)
{
    (void)ept;
    (void)reason;
    note(ctx, false);
}

static void on_closed(void *ctx)
{
    struct end *e = ctx;

    e->open = false;
    note(e, false);
    stage.n_closes++;
}

static void check_origin(struct end *e, const struct message *m)
{
    if (m->from != e->peer || m->to != e->edge->index || m->service != e->service ||
        m->sender >= N_SENDERS || m->filling[0] != (uint8_t)m->seq)
        fail("e%u, service %u of e%u: a message from e%u to e%u, service %u", e->edge->index,
             e->service, e->peer, m->from, m->to, m->service);
    if (e->peer_life ? m->life != e->peer_life : m->life < e->last_life)
        fail("e%u, service %u of e%u: a message of life %u in the binding of life %u (last %u)",
             e->edge->index, e->service, e->peer, m->life, e->peer_life, e->last_life);
    if (m->binding &&
        (e->peer_binding ? m->binding != e->peer_binding : m->binding <= e->last_binding))
        fail("e%u, service %u of e%u: a message of binding %u in that of binding %u (last %u)",
             e->edge->index, e->service, e->peer, m->binding, e->peer_binding, e->last_binding);
}

static void check_order(struct end *e, const struct message *m)
{
    uint32_t *came = &e->came[m->sender];
    bool started = e->started[m->sender];

    if (m->life != e->last_life)
        memset(e->came, 0, sizeof e->came);
    if (started ? m->seq != *came + 1 : m->seq <= *came)
        fail("e%u, service %u of e%u: message %u of thread %u after %u", e->edge->index, e->service,
             e->peer, m->seq, m->sender, *came);
    *came = m->seq;
    e->started[m->sender] = true;
    e->peer_life = e->last_life = m->life;
    if (m->binding)
        e->peer_binding = e->last_binding = m->binding;
}

static enum rpr_rx_result rx(void *ctx, rpr_ept_t ept, const struct rpr_msg *msg)
{
    struct end *e = ctx;
    struct edge *edge = e->edge;
    struct message m;

    (void)ept;
    if (msg->len != sizeof m)
        fail("%u bytes", msg->len);
    memcpy(&m, msg->data, sizeof m);
    check_origin(e, &m);
    if (!draw(&edge->random, 32))
        return RPR_LATER;
    check_order(e, &m);
    e->n_came++;
    edge->n_received++;
    stage.n_received++;
    stage.progress++;
    if (edge->n_held == HELD_MAX || draw(&edge->random, 32))
        return RPR_DONE;
    edge->held[edge->n_held++] = *msg;
    return RPR_HOLD;
}

static const struct rpr_ept_ops ept_ops = {.rx = rx,
                                           .bound = on_bound,
                                           .unbound = on_unbound,
                                           .writable = on_writable,
                                           .closed = on_closed};

static void open_end(struct rpr_device *device, struct end *e)
{
    char name[8];
    rpr_ept_t ept;
    struct rpr_ept_config config = {.name = name,
                                    .addr = RPR_ADDR_ANY,
                                    .dest = RPR_ADDR_ANY,
                                    .quota = QUOTA,
                                    .ops = &ept_ops,
                                    .ctx = e};
    int error;

    snprintf(name, sizeof name, "s%u", e->service);
    pthread_mutex_lock(&e->edge->mutex);
    e->life++;
    pthread_mutex_unlock(&e->edge->mutex);
    error = rpr_ept_open(device, &config, &ept);
    if (error)
        fail("open: %s", rpr_strerror(error));
    pthread_mutex_lock(&e->edge->mutex);
    e->ept = ept;
    pthread_mutex_unlock(&e->edge->mutex);
    e->open = true;
}

static void close_end(struct end *e)
{
    if (e->open)
        (void)rpr_ept_close(e->ept); /* -RPR_ESTALE: it waits for what is held */
}

/* Opens what is not open and whose device there is. */
static void open_all(struct edge *edge)
{
    for (unsigned peer = 0; peer < N_EDGES; peer++) {
        char name[8];
        struct rpr_device *device;

        if (peer == edge->index)
            continue;
        snprintf(name, sizeof name, "e%u", peer);
        device = rpr_device_find(rpr_loop_node(edge->loop), name);
        for (unsigned i = 0; i < N_SERVICES && device; i++)
            if (!edge->end[peer][i].open)
                open_end(device, &edge->end[peer][i]);
    }
}

static void release_all(struct edge *edge)
{
    while (edge->n_held)
        rpr_release(&edge->held[--edge->n_held]);
}

static bool all_talk(struct edge *edge)
{
    for (unsigned peer = 0; peer < N_EDGES; peer++)
        for (unsigned i = 0; i < N_SERVICES && peer != edge->index; i++)
            if (!edge->end[peer][i].n_came || edge->end[peer][i].binding % 2 == 0)
                return false;
    return true;
}

/* ---- nodes ------------------------------------------------------------------------------------------- */

static void open_link(struct edge *edge, const char *remote, const char *socket, bool listen)
{
    char url[128], error[RPR_ERROR_TEXT];
    struct rpr_link *link;

    snprintf(url, sizeof url, "shm:%s/%s%s", stage.directory, socket,
             listen ? "?listen=1&buffers=16&size=128" : "");
    if (rpr_url_open(edge->loop, remote, url, &link, error))
        fail("%s: %s", url, error);
}

static void open_hub(struct edge *hub)
{
    if (rpr_hub_open(rpr_loop_node(hub->loop), &hub->hub))
        fail("no hub");
    for (unsigned i = 1; i < N_EDGES; i++) /* e1 and e2 are joined directly */
        if (rpr_hub_pair_add(hub->hub,
                             &(struct rpr_pair_config){.a = "e0", .b = i == 1 ? "e1" : "e2"}))
            fail("no pair");
    open_link(hub, "e0", "h0", true);
    open_link(hub, "e1", "h1", true);
    open_link(hub, "e2", "h2", true);
}

static void open_edge(struct edge *edge)
{
    static const char *const sockets[N_EDGES] = {"h0", "h1", "h2"};

    if (rpr_edge_open(rpr_loop_node(edge->loop), &edge->edge))
        fail("no edge");
    open_link(edge, "ap", sockets[edge->index], false);
    if (edge->index == 1)
        open_link(edge, "e2", "direct", true);
    if (edge->index == 2)
        open_link(edge, "e1", "direct", false);
}

static void quiet(void *ctx, enum rpr_log_level level, const char *text)
{
    (void)ctx;
    (void)level;
    (void)text;
}

static void open_node(struct edge *edge)
{
    static const char *const names[] = {"e0", "e1", "e2", "ap"};
    struct rpr_loop_config config = {.name = names[edge->index],
                                     .slots = 256,
                                     .slot_bytes = 128,
                                     .locked = true,
                                     .spin_us = UINT32_MAX,
                                     .log = quiet};

    if (rpr_loop_open(&edge->loop, &config))
        fail("no loop");
    if (edge == &stage.hub)
        open_hub(edge);
    else
        open_edge(edge);
    edge->is_down = false;
    stage.n_nodes++;
}

static void all_links_down(struct rpr_node *node)
{
    struct rpr_device *device;

    for (device = rpr_device_next(node, NULL); device; device = rpr_device_next(node, device))
        (void)rpr_device_down(device); /* -RPR_ENOTSUP: a routed one */
}

/* In order, or as if it were killed: then nobody is told but by the sockets. */
static void close_node(struct edge *edge)
{
    if (draw(&edge->random, 2))
        all_links_down(rpr_loop_node(edge->loop));
    release_all(edge);
    if (edge->hub)
        rpr_hub_close(edge->hub);
    if (edge->edge)
        rpr_edge_close(edge->edge);
    rpr_loop_close(edge->loop);
    edge->loop = NULL;
    for (unsigned i = 0; i < N_EDGES; i++) /* handles and commands went with the node */
        for (unsigned k = 0; k < N_SERVICES; k++)
            edge->end[i][k].ept = (rpr_ept_t){0};
    for (unsigned i = 0; i < N_THREADS; i++)
        edge->sender[i].posted = false;
}

static void restart_node(struct edge *edge)
{
    pthread_rwlock_wrlock(&edge->gate);
    close_node(edge);
    open_node(edge);
    pthread_rwlock_unlock(&edge->gate);
}

/* Any link: down at this event, up at the next. */
static void turn_link(struct edge *edge, bool up)
{
    struct rpr_node *node = rpr_loop_node(edge->loop);
    unsigned skip = draw(&edge->random, 3);
    struct rpr_device *device;

    for (device = rpr_device_next(node, NULL); device; device = rpr_device_next(node, device)) {
        struct rpr_device_info info;

        rpr_device_info(device, &info);
        if (info.kind != RPR_DEVICE_LINK || (!up && skip-- > 0))
            continue;
        (void)(up ? rpr_device_up(device) : rpr_device_down(device));
        stage.n_downs += !up;
        if (!up)
            break;
    }
    edge->is_down = !up;
}

/* ---- events -------------------------------------------------------------------------------------------- */

static void happen(struct edge *edge)
{
    unsigned kind = draw(&edge->random, 8);

    edge->n_events++;
    if (edge->is_down)
        turn_link(edge, true);
    else if (kind == 0)
        restart_node(edge);
    else if (kind < 3)
        turn_link(edge, false);
    else if (edge != &stage.hub)
        for (unsigned i = 0; i < kind - 2; i++)
            close_end(some_end(edge, &edge->random));
}

/* When is the next one? After some traffic, or, now and then or where there is none, at once. */
static bool is_time(struct edge *edge)
{
    if (edge == &stage.hub)
        return stage.n_received >= edge->wanted || edge->is_down;
    return edge->n_received >= edge->wanted || (edge->is_down && !draw(&edge->random, 16));
}

static void wait_for_more(struct edge *edge)
{
    uint64_t some = draw(&edge->random, 4) ? draw(&edge->random, 400) : 0;

    edge->wanted = edge == &stage.hub ? stage.n_received + 4 * some : edge->n_received + some;
}

static void settle(struct edge *edge)
{
    if (edge->done || edge->n_events < stage.n_events)
        return;
    if (edge->is_down)
        turn_link(edge, true);
    edge->done = true;
    stage.n_through++;
}

/* An owner's life. */
static void *own(void *argument)
{
    struct edge *edge = argument;
    bool counted = false;

    pthread_rwlock_wrlock(&edge->gate);
    open_node(edge);
    pthread_rwlock_unlock(&edge->gate);
    wait_for_more(edge);
    while (!stage.stop) {
        if (rpr_loop_turn(edge->loop, 1))
            fail("the loop ends");
        if (!draw(&edge->random, 4))
            release_all(edge);
        if (edge != &stage.hub) {
            open_all(edge);
            for (unsigned i = 0; i < 4 && !stage.stop_sending; i++)
                (void)send_one(&edge->sender[N_THREADS]);
        }
        if (!edge->done && is_time(edge)) {
            happen(edge);
            wait_for_more(edge);
        }
        settle(edge);
        if (!counted && stage.n_through == N_EDGES + 1 && (edge == &stage.hub || all_talk(edge))) {
            counted = true;
            stage.n_done++;
        }
    }
    close_node(edge);
    return NULL;
}

/* ---- all of it ------------------------------------------------------------------------------------------- */

static void prepare(struct edge *edge, unsigned index)
{
    pthread_rwlockattr_t attributes;

    edge->index = index;
    edge->random = (stage.seed + index) * 2 + 1;
    pthread_rwlockattr_init(&attributes);
    pthread_rwlockattr_setkind_np(&attributes, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
    pthread_rwlock_init(&edge->gate, &attributes);
    pthread_rwlockattr_destroy(&attributes);
    pthread_mutex_init(&edge->mutex, NULL);
    pthread_cond_init(&edge->changed, NULL);
    for (unsigned i = 0; i < N_EDGES; i++)
        for (unsigned k = 0; k < N_SERVICES; k++)
            edge->end[i][k] = (struct end){.edge = edge, .peer = i, .service = k};
    for (unsigned i = 0; i < N_SENDERS; i++) {
        edge->sender[i].edge = edge;
        edge->sender[i].index = i;
        edge->sender[i].random = (stage.seed + 100 * index + 10 * i) * 2 + 1;
    }
}

static void start(struct edge *edge)
{
    if (pthread_create(&edge->owner, NULL, own, edge))
        fail("no thread");
    for (unsigned i = 0; i < N_THREADS && edge != &stage.hub; i++)
        if (pthread_create(&edge->sender[i].thread, NULL, send_all_the_time, &edge->sender[i]))
            fail("no thread");
}

static void stop(void)
{
    stage.stop_sending = true;
    for (unsigned i = 0; i < N_EDGES; i++)
        change(&stage.edge[i]);
    for (unsigned i = 0; i < N_EDGES; i++)
        for (unsigned k = 0; k < N_THREADS; k++)
            pthread_join(stage.edge[i].sender[k].thread, NULL);
    stage.stop = true;
    for (unsigned i = 0; i < N_EDGES; i++)
        pthread_join(stage.edge[i].owner, NULL);
    pthread_join(stage.hub.owner, NULL);
}

static void wait_until_done(void)
{
    uint64_t last = 0;
    unsigned idle = 0;

    while (stage.n_done < N_EDGES + 1) {
        struct timespec pause = {.tv_nsec = 10000000};

        nanosleep(&pause, NULL);
        idle = stage.progress == last ? idle + 1 : 0;
        last = stage.progress;
        if (idle > STALL_S * 100)
            fail("nothing comes any more: %u owners are through", stage.n_done);
    }
}

static void report(void)
{
    uint64_t sent = 0, again = 0, gone = 0, cancelled = 0;

    for (unsigned i = 0; i < N_EDGES; i++)
        for (unsigned k = 0; k < N_SENDERS; k++) {
            const struct sender *s = &stage.edge[i].sender[k];

            sent += s->n_sent;
            again += s->n_again;
            gone += s->n_gone;
            cancelled += s->n_cancelled;
        }
    printf(
        "%llu sent, %llu received, %llu refused for now, %llu without a peer, %llu cancelled; %llu "
        "nodes, %llu links down, %llu endpoints closed\n",
        (unsigned long long)sent, (unsigned long long)stage.n_received, (unsigned long long)again,
        (unsigned long long)gone, (unsigned long long)cancelled, (unsigned long long)stage.n_nodes,
        (unsigned long long)stage.n_downs, (unsigned long long)stage.n_closes);
    if (sent < stage.n_received || !gone || !again)
        fail("more received than sent, or nothing happened");
}

static uint64_t number(const char *name, uint64_t otherwise)
{
    const char *text = getenv(name);

    return text ? strtoull(text, NULL, 10) : otherwise;
}

int main(void)
{
    struct timespec t;

    clock_gettime(CLOCK_REALTIME, &t);
    stage.seed = number("RPR_SEED", (uint64_t)t.tv_nsec);
    stage.n_events = (unsigned)number("RPR_STRESS", 1000);
    snprintf(stage.directory, sizeof stage.directory, "/tmp/stress-XXXXXX");
    if (!mkdtemp(stage.directory))
        fail("no directory");
    printf("RPR_STRESS=%u RPR_SEED=%llu\n", stage.n_events, (unsigned long long)stage.seed);
    fflush(stdout);
    prepare(&stage.hub, N_EDGES);
    for (unsigned i = 0; i < N_EDGES; i++)
        prepare(&stage.edge[i], i);
    start(&stage.hub);
    for (unsigned i = 0; i < N_EDGES; i++)
        start(&stage.edge[i]);
    wait_until_done();
    stop();
    report();
    if (rmdir(stage.directory))
        fail("something is left in %s", stage.directory);
    return 0;
}
