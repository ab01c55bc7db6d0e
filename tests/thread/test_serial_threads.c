/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Threads that send on a serial link with locks, while its owner polls, cuts the wire and mends it.
 * Made for ThreadSanitizer.
 */
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

#include "core_fixture.h"
#include "serial_line.h"
#include "thread_locks.h"

#define N_THREADS 3u
#define WANTED    3000u

struct text {
    uint32_t thread, seq;
};

struct sender {
    struct stage *stage;
    pthread_t thread;
    uint32_t index;
    uint64_t n_sent, n_again, n_gone, n_cancelled;
};

struct stage {
    struct world world;
    struct serial_line line;
    struct rpr_node *node[2];
    struct ept x, y;
    rpr_ept_t handle;
    uint32_t seen[N_THREADS];
    uint64_t n_received;
    pthread_t owner;
    _Atomic bool stop;
    _Atomic uint32_t n_wakes;
    struct sender sender[N_THREADS];
};

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

static int send_in_place(struct sender *me, const struct text *text, bool cancel)
{
    struct rpr_buf buf;
    int error = rpr_reserve(me->stage->handle, &buf);

    if (error)
        return error;
    if (cancel) {
        rpr_cancel(me->stage->handle, &buf);
        me->n_cancelled++;
        return -RPR_EAGAIN;
    }
    sched_yield();
    memcpy(buf.data, text, sizeof *text);
    return rpr_commit(me->stage->handle, &buf, sizeof *text, 0);
}

static void *send_all_the_time(void *argument)
{
    struct sender *me = argument;
    struct text text = {.thread = me->index};

    for (uint32_t i = 0; !atomic_load_explicit(&me->stage->stop, memory_order_relaxed); i++) {
        int error;

        text.seq++;
        error = i % 4 ? rpr_send(me->stage->handle, &text, sizeof text, 0)
                      : send_in_place(me, &text, i % 8 == 0);
        me->n_sent += !error;
        me->n_again += error == -RPR_EAGAIN;
        me->n_gone += error == -RPR_ENOTCONN;
        if (error && error != -RPR_EAGAIN && error != -RPR_ENOTCONN)
            abort();
        if (error)
            sched_yield();
    }
    return NULL;
}

static enum rpr_rx_result check(struct ept *e, const struct rpr_msg *msg)
{
    struct stage *s = e->more;
    struct text text;

    assert_int_equal(msg->len, sizeof text);
    memcpy(&text, msg->data, sizeof text);
    assert_true(text.thread < N_THREADS);
    assert_true(text.seq > s->seen[text.thread]); /* in order, and once */
    s->seen[text.thread] = text.seq;
    s->n_received++;
    return RPR_DONE;
}

static void turn(struct stage *s)
{
    for (unsigned i = 0; i < 2; i++) {
        (void)rpr_node_poll(s->node[i], s->world.now, 0);
        (void)rpr_node_arm(s->node[i]);
        (void)line_move(&s->line, i);
    }
    s->world.now += US(100);
    if (s->world.now % MS(1) == 0)
        sched_yield();
    s->world.events[0] = '\0';
}

static void senders_while_the_wire_comes_and_goes(void **state)
{
    static struct stage stage;
    struct stage *s = &stage;
    uint64_t sent = 0;

    (void)state;
    world_init(&s->world);
    line_init(&s->line);
    s->owner = pthread_self();
    s->world.platform.lock_new = new_lock;
    s->world.platform.lock_free = free_lock;
    s->world.platform.lock = take_lock;
    s->world.platform.trylock = try_lock;
    s->world.platform.unlock = give_lock;
    s->world.platform.on_owner = on_owner;
    s->world.platform.wake = woken;
    s->node[0] = world_node(&s->world, "a");
    s->node[1] = world_node(&s->world, "b");
    assert_int_equal(
        line_join(&s->line, 0, s->node[0], "b", (struct rpr_serial_config){.locked = true}), 0);
    assert_int_equal(line_join(&s->line, 1, s->node[1], "a", (struct rpr_serial_config){0}), 0);
    s->x = (struct ept)EPT(&s->world, "x");
    s->y = (struct ept)EPT(&s->world, "y");
    s->y.more = s;
    s->y.on_rx = check;
    ept_open(&s->x, rpr_device_find(s->node[0], "b"), "svc");
    ept_open(&s->y, rpr_device_find(s->node[1], "a"), "svc");
    s->handle = s->x.h;
    for (unsigned i = 0; i < 20; i++)
        turn(s);
    for (uint32_t i = 0; i < N_THREADS; i++) {
        s->sender[i].stage = s;
        s->sender[i].index = i;
        assert_int_equal(
            pthread_create(&s->sender[i].thread, NULL, send_all_the_time, &s->sender[i]), 0);
    }
    for (unsigned i = 0; s->n_received < WANTED; i++) {
        turn(s);
        if (i % 2000 == 1999)
            line_cut(&s->line);
        if (i % 2000 == 99)
            line_mend(&s->line);
    }
    atomic_store(&s->stop, true);
    for (uint32_t i = 0; i < N_THREADS; i++) {
        pthread_join(s->sender[i].thread, NULL);
        sent += s->sender[i].n_sent;
    }
    line_mend(&s->line);
    for (unsigned i = 0; i < 50; i++)
        turn(s);
    assert_true(sent >= s->n_received);
    assert_true(atomic_load(&s->n_wakes) > 0);
    rpr_node_close(s->node[0]);
    rpr_node_close(s->node[1]);
    assert_int_equal(s->world.n_live, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(senders_while_the_wire_comes_and_goes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
