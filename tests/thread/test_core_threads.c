/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Threads that send on a link with locks, while its owner polls, closes and opens endpoints, loses
 * the link and gets it back. Made for ThreadSanitizer.
 *
 * Both sides of the vring run on the owner's thread, the other side only under the lock of the link:
 * so what a sender publishes under that lock happens before it is read, also for ThreadSanitizer,
 * which sees no fences.
 */
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

#include "thread_locks.h"
#include "vring_pair.h"

#define N_THREADS 3u
#define N_EPTS    (N_THREADS + 1u) /* one each, and one for all */
#define NUM       16u

struct text {
    uint32_t ept, thread, life, seq;
};

struct sender {
    struct stage *stage;
    pthread_t thread;
    uint32_t index;
    uint64_t n_sent, n_again, n_stale, n_gone, n_cancelled;
};

struct stage {
    struct world world;
    struct rpr_node *a, *b;
    struct vring_pair pair;
    struct ept x[N_EPTS], y[N_EPTS];
    rpr_ept_t handles[N_EPTS]; /* under `mutex` */
    uint32_t lives[N_EPTS];
    uint32_t seen_life[N_EPTS][N_THREADS], seen_seq[N_EPTS][N_THREADS];
    uint64_t n_received, n_writable, n_posted, n_run;
    pthread_mutex_t mutex;
    pthread_t owner;
    _Atomic bool stop;
    _Atomic uint32_t n_wakes;
    struct sender sender[N_THREADS];
};

/* ---- platform ------------------------------------------------------------------------------- */

static bool on_owner(void *ctx)
{
    const struct stage *s = RPR_CONTAINER(ctx, struct stage, world);

    return pthread_equal(s->owner, pthread_self());
}

static void woken(void *ctx)
{
    struct stage *s = RPR_CONTAINER(ctx, struct stage, world);

    atomic_fetch_add(&s->n_wakes, 1);
}

/* ---- the senders ---------------------------------------------------------------------------- */

static rpr_ept_t handle(struct stage *s, uint32_t ept, uint32_t *life)
{
    rpr_ept_t h;

    pthread_mutex_lock(&s->mutex);
    h = s->handles[ept];
    *life = s->lives[ept];
    pthread_mutex_unlock(&s->mutex);
    return h;
}

static int send_in_place(struct sender *me, rpr_ept_t h, const struct text *text, bool cancel)
{
    struct rpr_buf buf;
    int error = rpr_reserve(h, &buf);

    if (error)
        return error;
    memset(buf.data, 'x', buf.size);
    if (cancel) {
        rpr_cancel(h, &buf);
        me->n_cancelled++;
        return 1;
    }
    sched_yield();
    memcpy(buf.data, text, sizeof *text);
    return rpr_commit(h, &buf, sizeof *text, 0);
}

static void count(struct sender *me, int error)
{
    me->n_sent += error == 0;
    me->n_again += error == -RPR_EAGAIN;
    me->n_stale += error == -RPR_ESTALE;
    me->n_gone += error == -RPR_ENOTCONN;
    if (error > 0)
        return;
    if (error && error != -RPR_EAGAIN && error != -RPR_ESTALE && error != -RPR_ENOTCONN)
        abort();
    if (error)
        sched_yield();
}

static void *send_all_the_time(void *argument)
{
    struct sender *me = argument;
    struct stage *s = me->stage;
    uint32_t seq = 0;

    for (uint32_t i = 0; !atomic_load_explicit(&s->stop, memory_order_relaxed); i++) {
        uint32_t ept = i % 3 ? me->index : N_THREADS;
        struct text text = {.ept = ept, .thread = me->index, .seq = ++seq};
        rpr_ept_t h = handle(s, ept, &text.life);

        if (i % 4 == 0)
            count(me, send_in_place(me, h, &text, i % 8 == 0));
        else if (i % 32 == 1)
            count(me, rpr_send_to(h, 5, "nobody", 6, 0));
        else
            count(me, rpr_send(h, &text, sizeof text, i % 5 ? 0 : RPR_MORE));
    }
    return NULL;
}

/* ---- the owner ------------------------------------------------------------------------------ */

static enum rpr_rx_result check(struct ept *e, const struct rpr_msg *msg)
{
    struct stage *s = e->more;
    struct text text;
    uint32_t *life, *seq;

    e->world->events[0] = '\0';
    assert_int_equal(msg->len, sizeof text);
    memcpy(&text, msg->data, sizeof text);
    assert_true(text.ept < N_EPTS && text.thread < N_THREADS);
    assert_ptr_equal(e, &s->y[text.ept]);
    life = &s->seen_life[text.ept][text.thread];
    seq = &s->seen_seq[text.ept][text.thread];
    assert_true(text.life >= *life);
    assert_true(text.seq > *seq); /* in order, and once */
    *life = text.life;
    *seq = text.seq;
    s->n_received++;
    return RPR_DONE;
}

static void was_writable(struct ept *e)
{
    struct stage *s = e->more;

    e->world->events[0] = '\0';
    s->n_writable++;
}

static void open_one(struct stage *s, uint32_t i)
{
    static const char *const names[N_EPTS] = {"zero", "one", "two", "all"};
    rpr_ept_t h;

    s->x[i].n_closed = 0;
    ept_open(&s->x[i], rpr_device_find(s->a, "b"), names[i]);
    h = s->x[i].h;
    pthread_mutex_lock(&s->mutex);
    s->handles[i] = h;
    s->lives[i]++;
    pthread_mutex_unlock(&s->mutex);
}

struct posted {
    struct rpr_command command;
    struct stage *stage;
};

static void run_posted(struct rpr_command *command)
{
    struct posted *posted = RPR_CONTAINER(command, struct posted, command);

    assert_true(on_owner(&posted->stage->world));
    posted->stage->n_run++;
    free(posted);
}

static void post(struct stage *s)
{
    struct posted *posted = calloc(1, sizeof *posted);

    posted->stage = s;
    posted->command.run = run_posted;
    rpr_node_post(s->a, &posted->command);
}

static void *post_some(void *argument)
{
    struct stage *s = argument;

    for (unsigned i = 0; i < 100; i++) {
        post(s);
        sched_yield();
    }
    return NULL;
}

static void turn(struct stage *s)
{
    struct rpr_link *link = s->pair.end[0].link;

    (void)rpr_node_poll(s->a, s->world.now, 0);
    (void)rpr_node_arm(s->a);
    rpr_link_ready(link); /* as if it had been rung */
    take_lock(link->lock);
    (void)rpr_node_poll(s->b, s->world.now, 0);
    give_lock(link->lock);
    s->world.now += US(100);
    if (s->world.now % MS(1) == 0)
        sched_yield(); /* the others need the CPU and the lock too */
    s->world.events[0] = '\0';
}

/* Connects anew: the other side is touched under the lock only. */
static void tend(struct stage *s)
{
    struct rpr_link *link = s->pair.end[0].link;

    for (unsigned i = 0; i < 2; i++) {
        if (!s->pair.end[i].attached || s->pair.region)
            continue;
        s->pair.end[i].attached = false;
        if (i)
            take_lock(link->lock);
        rpr_vring_detach(s->pair.end[i].link, "gone", false);
        if (i)
            give_lock(link->lock);
    }
    if (s->pair.region || s->pair.end[0].link->incarnation || s->pair.end[1].link->incarnation)
        return;
    pair_new_region(&s->pair);
    assert_int_equal(pair_attach(&s->pair, 0), 0);
    take_lock(link->lock);
    assert_int_equal(pair_attach(&s->pair, 1), 0);
    give_lock(link->lock);
}

static void stage_init(struct stage *s, bool credit)
{
    static const char *const names[N_EPTS] = {"zero", "one", "two", "all"};

    memset(s, 0, sizeof *s);
    world_init(&s->world);
    s->owner = pthread_self();
    pthread_mutex_init(&s->mutex, NULL);
    s->world.platform.lock_new = new_lock;
    s->world.platform.lock_free = free_lock;
    s->world.platform.lock = take_lock;
    s->world.platform.trylock = try_lock;
    s->world.platform.unlock = give_lock;
    s->world.platform.on_owner = on_owner;
    s->world.platform.wake = woken;
    s->a = world_node(&s->world, "a");
    s->b = world_node(&s->world, "b");
    s->pair.threads = true;
    pair_init(&s->pair, NUM, 128, s->a, "b", s->b, "a");
    s->pair.credit = credit;
    for (uint32_t i = 0; i < N_EPTS; i++) {
        s->x[i] = (struct ept)EPT(&s->world, "x");
        s->y[i] = (struct ept)EPT(&s->world, "y");
        s->x[i].more = s->y[i].more = s;
        s->x[i].on_writable = was_writable;
        s->y[i].on_rx = check;
        ept_open(&s->y[i], rpr_device_find(s->b, "a"), names[i]);
        open_one(s, i);
    }
    tend(s);
    for (unsigned i = 0; i < 20; i++)
        turn(s);
}

static void start(struct stage *s)
{
    for (uint32_t i = 0; i < N_THREADS; i++) {
        s->sender[i].stage = s;
        s->sender[i].index = i;
        assert_int_equal(
            pthread_create(&s->sender[i].thread, NULL, send_all_the_time, &s->sender[i]), 0);
    }
}

static void stage_fini(struct stage *s)
{
    atomic_store(&s->stop, true);
    for (uint32_t i = 0; i < N_THREADS; i++)
        pthread_join(s->sender[i].thread, NULL);
    for (unsigned i = 0; i < 50; i++)
        turn(s);
    rpr_node_close(s->a);
    rpr_node_close(s->b);
    pair_fini(&s->pair);
    pthread_mutex_destroy(&s->mutex);
    assert_int_equal(s->world.n_live, 0);
}

static uint64_t sum(const struct stage *s, size_t offset)
{
    uint64_t total = 0;

    for (uint32_t i = 0; i < N_THREADS; i++)
        total += *(const uint64_t *)(const void *)((const char *)&s->sender[i] + offset);
    return total;
}

#define SUM(s, field) sum(s, offsetof(struct sender, field))

static void many_threads_send(void **state)
{
    (void)state;
    for (int credit = 0; credit < 2; credit++) {
        struct stage *s = malloc(sizeof *s);

        stage_init(s, credit);
        start(s);
        while (s->n_received < 5000 || !s->n_writable) /* if it never ends, something is lost */
            turn(s);
        stage_fini(s);
        /* those to nobody are counted as sent, and only those are not received */
        assert_true(SUM(s, n_sent) >= s->n_received);
        assert_true(SUM(s, n_sent) - s->n_received <= SUM(s, n_sent) / 8);
        free(s);
    }
}

static void endpoints_are_closed_under_them(void **state)
{
    struct stage *s = malloc(sizeof *s);

    (void)state;
    stage_init(s, true);
    start(s);
    for (unsigned i = 0; i < 6000 || s->n_received < 1000; i++) {
        turn(s);
        if (i % 37 == 0) {
            uint32_t which = i / 37 % N_EPTS;

            assert_int_equal(rpr_ept_close(s->x[which].h), 0);
            for (unsigned n = 0; !s->x[which].n_closed; n++) {
                assert_true(n < 1000);
                turn(s);
            }
            open_one(s, which);
        }
    }
    stage_fini(s);
    free(s);
}

static void the_link_is_lost_under_them(void **state)
{
    struct stage *s = malloc(sizeof *s);
    pthread_t poster;

    (void)state;
    stage_init(s, false);
    start(s);
    assert_int_equal(pthread_create(&poster, NULL, post_some, s), 0);
    for (unsigned i = 0; i < 6000 || s->n_received < 1000; i++) {
        turn(s);
        if (i % 101 == 0)
            pair_over(&s->pair);
        tend(s);
    }
    pthread_join(poster, NULL);
    stage_fini(s);
    assert_int_equal(s->n_run, 100);
    free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(many_threads_send),
        cmocka_unit_test(endpoints_are_closed_under_them),
        cmocka_unit_test(the_link_is_lost_under_them),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
