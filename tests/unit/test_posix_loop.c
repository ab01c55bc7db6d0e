/* SPDX-License-Identifier: Apache-2.0 */
/* The loop: watches, timers, waking from other threads and signal handlers, when it sleeps. */
#include "unit/posix_sides.h"

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>

#include "posix/bell.h"
#include "posix/loop.h"

static struct rpr_loop *loop;

static int open_loop(void **state)
{
    struct rpr_loop_config config = {.name = "ap", .locked = true};

    (void)state;
    return rpr_loop_open(&loop, &config);
}

static int close_loop(void **state)
{
    (void)state;
    rpr_loop_close(loop);
    return 0;
}

struct counted {
    struct rpr_watch watch;
    struct rpr_watch *stops; /* by the first event */
    unsigned n;
};

static void count(struct rpr_watch *watch, uint32_t events)
{
    struct counted *c = (struct counted *)watch;

    assert_true(events & EPOLLIN);
    c->n++;
    if (c->stops)
        rpr_watch_stop(loop, c->stops);
}

static void start(struct counted *c, uint64_t value, bool edge)
{
    *c = (struct counted){
        .watch = {.ready = count, .fd = eventfd(0, EFD_NONBLOCK), .events = EPOLLIN}};
    if (value)
        eventfd_write(c->watch.fd, value);
    assert_int_equal(
        edge ? rpr_watch_start_edge(loop, &c->watch) : rpr_watch_start(loop, &c->watch), 0);
}

static void stop(struct counted *c)
{
    rpr_watch_stop(loop, &c->watch);
    close(c->watch.fd);
}

static void turn_until(const unsigned *n, unsigned wanted)
{
    double end = seconds() + SIDE_TIMEOUT;

    while (*n < wanted && seconds() < end)
        assert_int_equal(rpr_loop_turn(loop, 100), 0);
    assert_int_equal(*n, wanted);
}

static void level_fires_again(void **state)
{
    struct counted c;

    (void)state;
    start(&c, 1, false);
    turn_until(&c.n, 3);
    stop(&c);
}

/* Each write is one event, nobody reads, and a counter that was not 0 before counts as one. */
static void edge_fires_once(void **state)
{
    struct counted c;

    (void)state;
    start(&c, 1, true);
    turn_until(&c.n, 1);
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(rpr_loop_turn(loop, 1), 0);
    assert_int_equal(c.n, 1);
    eventfd_write(c.watch.fd, 1);
    turn_until(&c.n, 2);
    stop(&c);
}

/* A full counter would make every later write fail and wake nobody. */
static void full_bell_still_rings(void **state)
{
    struct counted c;

    (void)state;
    start(&c, 0, true);
    for (unsigned i = 1; i <= 3; i++) {
        eventfd_write(c.watch.fd, UINT64_MAX - 1 - (i > 1)); /* 1 is in it from the last round */
        turn_until(&c.n, 2 * i - 1);
        bell_ring_eventfd(c.watch.fd);
        turn_until(&c.n, 2 * i);
    }
    stop(&c);
}

/* The first of two watches that are both ready stops the other, whose memory may then be gone. */
static void watch_stops_another(void **state)
{
    struct counted c[2];

    (void)state;
    start(&c[0], 1, true);
    start(&c[1], 1, true);
    c[0].stops = &c[1].watch;
    c[1].stops = &c[0].watch;
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(rpr_loop_turn(loop, 1), 0);
    assert_int_equal(c[0].n + c[1].n, 1);
    stop(&c[0]);
    stop(&c[1]);
}

static void watch_stops_itself(void **state)
{
    struct counted c;

    (void)state;
    start(&c, 1, false);
    c.stops = &c.watch;
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(rpr_loop_turn(loop, 1), 0);
    assert_int_equal(c.n, 1);
    stop(&c);
}

/* ---- timers --------------------------------------------------------------------------------------- */

static unsigned n_fired;

static void fired(struct rpr_timer *timer, uint64_t now_ns)
{
    (void)timer;
    (void)now_ns;
    n_fired++;
}

/* Started between two turns and due already: the turn that runs it must not sleep afterwards. */
static void due_timer_ends_the_turn(void **state)
{
    struct rpr_timer timer = {.fire = fired};

    (void)state;
    n_fired = 0;
    for (unsigned i = 1; i <= 10; i++) {
        rpr_timer_start(rpr_loop_node(loop), &timer, 0);
        while (n_fired < i)
            assert_int_equal(rpr_loop_turn(loop, -1), 0);
    }
}

/* The kernel's timer stays where it is when a deadline moves away, and must move when one comes
 * nearer, or after it rang for nothing. */
static void deadlines_move_both_ways(void **state)
{
    struct rpr_timer timer = {.fire = fired};
    struct rpr_node *node = rpr_loop_node(loop);

    (void)state;
    n_fired = 0;
    rpr_timer_start(node, &timer, loop_clock_ns() + 2000000);
    assert_int_equal(rpr_loop_turn(loop, 1), 0);
    rpr_timer_start(node, &timer, loop_clock_ns() + 10000000);
    while (n_fired < 1)
        assert_int_equal(rpr_loop_turn(loop, -1), 0);
    rpr_timer_start(node, &timer, loop_clock_ns() + UINT64_C(3600000000000));
    assert_int_equal(rpr_loop_turn(loop, 1), 0);
    rpr_timer_start(node, &timer, loop_clock_ns() + 1000000);
    while (n_fired < 2)
        assert_int_equal(rpr_loop_turn(loop, -1), 0);
}

/* 100 us are not rounded to milliseconds: some are close, on the busiest machine. */
static void timers_are_fine_grained(void **state)
{
    struct rpr_timer timer = {.fire = fired};
    double best = 1;

    (void)state;
    n_fired = 0;
    for (unsigned i = 1; i <= 5000 && best >= 600e-6; i++) {
        double start_at = seconds();

        rpr_timer_start(rpr_loop_node(loop), &timer, (uint64_t)(start_at * 1e9) + 100000);
        while (n_fired < i)
            assert_int_equal(rpr_loop_turn(loop, -1), 0);
        if (seconds() - start_at < best)
            best = seconds() - start_at;
    }
    assert_true(best >= 95e-6 && best < 600e-6);
}

static void timeout_is_kept(void **state)
{
    double start_at = seconds();

    (void)state;
    while (seconds() - start_at < 0.05)
        assert_int_equal(rpr_loop_turn(loop, 50), 0);
}

/* ---- other threads ---------------------------------------------------------------------------------- */

struct command {
    struct rpr_command command;
    _Atomic unsigned n;
};

static void run(struct rpr_command *command)
{
    atomic_fetch_add(&((struct command *)command)->n, 1);
}

#define N_COMMANDS 2000u

static void *post(void *ctx)
{
    struct command *c = ctx;

    for (unsigned i = 0; i < N_COMMANDS; i++) {
        rpr_node_post(rpr_loop_node(loop), &c->command);
        while (atomic_load(&c->n) == i)
            sched_yield();
    }
    rpr_loop_stop(loop);
    return NULL;
}

/* A lost wake-up would hang here: each command finds the owner asleep, or about to be. */
static void posts_wake(void **state)
{
    struct command c = {.command = {.run = run}};
    pthread_t thread;

    (void)state;
    assert_int_equal(pthread_create(&thread, NULL, post, &c), 0);
    assert_int_equal(rpr_loop_run(loop), 0);
    pthread_join(thread, NULL);
    assert_int_equal(c.n, N_COMMANDS);
}

static bool is_woken(void)
{
    struct pollfd p = {.fd = loop_fd(loop), .events = POLLIN};

    return poll(&p, 1, 0) == 1;
}

/* A wake-up that comes after the one before was seen is a wake-up of its own. */
static void each_wake_up_is_one(void **state)
{
    (void)state;
    assert_true(loop_settle(loop));
    for (unsigned i = 0; i < 3; i++) {
        assert_false(is_woken());
        rpr_node_wake(rpr_loop_node(loop));
        rpr_node_wake(rpr_loop_node(loop));
        assert_true(is_woken());
        assert_true(loop_settle(loop));
    }
}

static void handle(int signal_number)
{
    (void)signal_number;
    rpr_loop_stop(loop);
}

static void *interrupt(void *owner)
{
    pthread_kill(*(pthread_t *)owner, SIGUSR1);
    return NULL;
}

static void stops_from_a_signal_handler(void **state)
{
    struct sigaction action = {.sa_handler = handle};
    pthread_t owner = pthread_self();
    pthread_t thread;

    (void)state;
    sigaction(SIGUSR1, &action, NULL);
    for (unsigned i = 0; i < 50; i++) {
        assert_int_equal(pthread_create(&thread, NULL, interrupt, &owner), 0);
        assert_int_equal(rpr_loop_run(loop), 0);
        pthread_join(thread, NULL);
    }
}

/* ---- sleep ---------------------------------------------------------------------------------------- */

static double cpu_seconds(void)
{
    struct rusage usage;

    getrusage(RUSAGE_THREAD, &usage);
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

/* Two linked nodes with nothing to say cost nothing. */
static void idle_costs_nothing(void **state)
{
    struct side a, b;
    double start_at, used;

    (void)state;
    side_open(&a, "ap");
    side_link(&a, "audio", side_url("l", "?listen=1"));
    side_open(&b, "audio");
    side_link(&b, "ap", side_url("l", ""));
    UNTIL(&a, &b, side_up(&a) && side_up(&b));
    start_at = seconds();
    used = cpu_seconds();
    while (seconds() - start_at < 0.3) {
        assert_int_equal(rpr_loop_turn(a.loop, 50), 0);
        assert_int_equal(rpr_loop_turn(b.loop, 50), 0);
    }
    assert_true(cpu_seconds() - used < 0.03);
    side_close(&b);
    side_close(&a);
}

/* Both sleep after each message, so that each message needs its doorbell. */
#define N_PINGS 5000u

static void *echo(void *unused)
{
    struct side b;

    (void)unused;
    side_open(&b, "audio");
    side_link(&b, "ap", side_url("l", ""));
    side_endpoint(&b, "words");
    while (b.n_rx < N_PINGS) {
        unsigned before = b.n_rx;

        if (rpr_loop_turn(b.loop, -1) != 0)
            break;
        while (before < b.n_rx && rpr_send(b.ept, &before, sizeof(before), 0) == 0)
            before++;
    }
    while (b.n_closed + b.n_lost == 0 && rpr_loop_turn(b.loop, -1) == 0)
        ;
    side_close(&b);
    return NULL;
}

static void doorbells_wake(void **state)
{
    struct side a;
    pthread_t thread;

    (void)state;
    side_open(&a, "ap");
    side_link(&a, "audio", side_url("l", "?listen=1"));
    side_endpoint(&a, "words");
    assert_int_equal(pthread_create(&thread, NULL, echo, NULL), 0);
    while (!a.n_bound)
        assert_int_equal(rpr_loop_turn(a.loop, -1), 0);
    for (uint32_t i = 0; i < N_PINGS; i++) {
        while (rpr_send(a.ept, &i, sizeof(i), 0) != 0)
            assert_int_equal(rpr_loop_turn(a.loop, 1), 0);
        while (a.n_rx <= i)
            assert_int_equal(rpr_loop_turn(a.loop, -1), 0);
    }
    side_close(&a);
    pthread_join(thread, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(level_fires_again, open_loop, close_loop),
        cmocka_unit_test_setup_teardown(edge_fires_once, open_loop, close_loop),
        cmocka_unit_test_setup_teardown(full_bell_still_rings, open_loop, close_loop),
        cmocka_unit_test_setup_teardown(watch_stops_another, open_loop, close_loop),
        cmocka_unit_test_setup_teardown(watch_stops_itself, open_loop, close_loop),
        cmocka_unit_test_setup_teardown(due_timer_ends_the_turn, open_loop, close_loop),
        cmocka_unit_test_setup_teardown(deadlines_move_both_ways, open_loop, close_loop),
        cmocka_unit_test_setup_teardown(timers_are_fine_grained, open_loop, close_loop),
        cmocka_unit_test_setup_teardown(timeout_is_kept, open_loop, close_loop),
        cmocka_unit_test_setup_teardown(posts_wake, open_loop, close_loop),
        cmocka_unit_test_setup_teardown(each_wake_up_is_one, open_loop, close_loop),
        cmocka_unit_test_setup_teardown(stops_from_a_signal_handler, open_loop, close_loop),
        cmocka_unit_test(idle_costs_nothing),
        cmocka_unit_test(doorbells_wake),
    };

    return cmocka_run_group_tests(tests, side_dir_make, side_dir_remove);
}
