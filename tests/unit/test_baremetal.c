/* SPDX-License-Identifier: Apache-2.0 */
/* A node without an operating system, on a board that the test plays: its interrupts and its clock. */
#include "core_fixture.h"

#include "baremetal/baremetal.h"

/* ---- pools --------------------------------------------------------------------------------------- */

#define N_SMALL 3u
#define N_LARGE 2u

struct two_pools {
    _Alignas(BAREMETAL_ALIGN) uint8_t small[32 * N_SMALL];
    _Alignas(BAREMETAL_ALIGN) uint8_t large[64 * N_LARGE];
    struct baremetal_pool pool[2];
    struct baremetal_pools pools;
};

static void two_pools_init(struct two_pools *t)
{
    t->pool[0] = (struct baremetal_pool){.bytes = 32, .n = N_SMALL, .memory = t->small};
    t->pool[1] = (struct baremetal_pool){.bytes = 64, .n = N_LARGE, .memory = t->large};
    t->pools = (struct baremetal_pools){t->pool, 2};
    baremetal_pools_init(&t->pools);
}

static void smallest_that_fits_then_the_next(void **state)
{
    struct two_pools t;
    uint8_t *at[N_SMALL + N_LARGE];

    (void)state;
    two_pools_init(&t);
    for (unsigned i = 0; i < N_SMALL + N_LARGE; i++) {
        at[i] = baremetal_pools_take(&t.pools, 32);
        assert_non_null(at[i]);
        assert_int_equal((uintptr_t)at[i] % BAREMETAL_ALIGN, 0);
        assert_true(i < N_SMALL ? at[i] >= t.small && at[i] < t.small + sizeof t.small
                                : at[i] >= t.large && at[i] < t.large + sizeof t.large);
        memset(at[i], (int)i + 1, 32);
    }
    for (unsigned i = 0; i < N_SMALL + N_LARGE; i++)
        assert_true(at[i][0] == i + 1 && at[i][31] == i + 1); /* they do not overlap */
    assert_null(baremetal_pools_take(&t.pools, 32));
    assert_null(baremetal_pools_take(&t.pools, 33));
    assert_null(baremetal_pools_take(&t.pools, 65));
    assert_int_equal(t.pool[0].n_refused, 1);
    assert_int_equal(t.pool[1].n_refused, 2);
    for (unsigned i = 0; i < N_SMALL + N_LARGE; i++)
        baremetal_pools_give(&t.pools, at[i]);
    baremetal_pools_give(&t.pools, NULL);
    assert_int_equal(t.pool[0].n_used + t.pool[1].n_used, 0);
    assert_int_equal(t.pool[0].n_peak, N_SMALL);
    assert_int_equal(t.pool[1].n_peak, N_LARGE);
}

static void what_comes_back_is_zeroed_and_served_again(void **state)
{
    static const uint8_t zero[32];
    struct two_pools t;

    (void)state;
    two_pools_init(&t);
    for (unsigned i = 0; i < 100; i++) {
        uint8_t *at = baremetal_pools_take(&t.pools, 32);

        assert_memory_equal(at, zero, 32);
        memset(at, 0xff, 32);
        baremetal_pools_give(&t.pools, at);
    }
    assert_int_equal(t.pool[0].n_peak, 1);
}

/* ---- the board ----------------------------------------------------------------------------------- */

/* One interrupt, at the `at`-th call of the board. Its work is done by a task. */
static struct {
    struct baremetal bm;
    struct baremetal_task task;
    uint64_t now;
    unsigned n_calls, at;
    bool masked, pending, work;
    unsigned n_done, n_sleeps;
    uint64_t slept_until;
} board;

static void interrupt(void)
{
    board.pending = false;
    board.work = true;
    baremetal_wake(&board.bm);
}

static void board_called(void)
{
    if (++board.n_calls == board.at)
        board.pending = true;
    if (board.pending && !board.masked)
        interrupt();
}

static uint64_t now_ns(void)
{
    board_called();
    return board.now++;
}

static void mask(void)
{
    board_called();
    board.masked = true;
}

static void unmask(void)
{
    board.masked = false;
    board_called();
}

static void sleep_ns(uint64_t until_ns)
{
    assert_true(board.masked);
    board_called();
    if (board.pending)
        return;
    assert_false(board.work); /* or it would be slept through */
    board.n_sleeps++;
    board.slept_until = until_ns;
    if (until_ns != UINT64_MAX)
        board.now = until_ns;
}

static void do_work(struct baremetal_task *task)
{
    (void)task;
    board.n_done += board.work;
    board.work = false;
}

static const struct baremetal_board functions = {
    .now_ns = now_ns, .mask = mask, .unmask = unmask, .sleep = sleep_ns};

/* Room for a node of 16 slots with a link and some endpoints. */
#define POOLS(X) \
    X(64, 64)    \
    X(256, 64)   \
    X(1024, 32)  \
    X(8192, 8)   \
    X(65536, 2)  \
    X(262144, 1)
#define MEMORY(bytes, n)   static _Alignas(BAREMETAL_ALIGN) uint8_t pool_##bytes[(bytes) * (n)];
#define ENTRY(size, count) {.bytes = (size), .n = (count), .memory = pool_##size},

POOLS(MEMORY)
static struct baremetal_pool pool[] = {POOLS(ENTRY)};
static struct baremetal_pools pools = {pool, sizeof pool / sizeof pool[0]};

static struct rpr_node *board_init(void)
{
    struct rpr_node *node = NULL;
    struct rpr_node_config config = {.name = "a", .platform = &board.bm.platform, .slots = 16};

    memset(&board, 0, sizeof board);
    baremetal_init(&board.bm, &functions, &pools);
    board.task = (struct baremetal_task){.name = "work", .run = do_work};
    baremetal_add(&board.bm, &board.task);
    assert_int_equal(rpr_node_open(&node, &config), 0);
    return node;
}

static void board_fini(struct rpr_node *node)
{
    rpr_node_close(node);
    for (unsigned i = 0; i < pools.n; i++)
        assert_int_equal(pool[i].n_used, 0);
}

/* Wherever the interrupt comes, its work is done, and nobody slept before. */
static void no_interrupt_is_slept_through(void **state)
{
    (void)state;
    for (unsigned at = 1; at < 40; at++) {
        struct rpr_node *node = board_init();

        board.at = at;
        for (unsigned turn = 0; turn < 20 && !board.n_done; turn++)
            baremetal_turn(&board.bm, node);
        assert_int_equal(board.n_done, 1);
        board_fini(node);
    }
}

static void fired(struct rpr_timer *timer, uint64_t now)
{
    timer->at_ns = 0;
    assert_true(now >= MS(5));
}

static void sleeps_until_the_next_deadline_or_for_ever(void **state)
{
    struct rpr_node *node = board_init();
    struct rpr_timer timer = {.fire = fired};

    (void)state;
    rpr_timer_start(node, &timer, MS(5));
    baremetal_turn(&board.bm, node);
    assert_int_equal(board.n_sleeps, 1);
    assert_int_equal(board.slept_until, MS(5));
    while (timer.at_ns)
        baremetal_turn(&board.bm, node);
    while (board.n_sleeps < 2)
        baremetal_turn(&board.bm, node);
    assert_true(board.slept_until == UINT64_MAX);
    assert_true(board.bm.idle_ns >= MS(4));
    rpr_node_wake(node);
    baremetal_turn(&board.bm, node);
    board_fini(node);
}

/* ---- a node in pools ------------------------------------------------------------------------------ */

static unsigned n_empty;

static void on_event(void *ctx, const struct rpr_event *event)
{
    (void)ctx;
    n_empty += event->kind == RPR_EVENT_POOL_EMPTY;
}

static void settle_both(struct rpr_node *a, struct world *w, struct rpr_node *b)
{
    for (unsigned i = 0; i < 50; i++) {
        baremetal_turn(&board.bm, a);
        settle(w, b);
    }
}

/* A peer that announces more than there is memory for: what is lost is counted, shown and told, and
 * everything else goes on. */
static void announcements_without_memory_are_counted_and_told(void **state)
{
    struct rpr_observer observer = {.event = on_event};
    struct rpr_node *a = board_init(), *b;
    struct world world;
    struct rpr_cable *cable;
    struct ept x = EPT(&world, "x"), y = EPT(&world, "y"), other[12];
    static const char *const names[] = {"one",   "two",   "three", "four", "five",   "six",
                                        "seven", "eight", "nine",  "ten",  "eleven", "twelve"};
    struct rpr_device_info info;
    struct rpr_device *to_b, *to_a;
    struct {
        void *next;
    } *taken = NULL;

    (void)state;
    world_init(&world);
    b = world_node(&world, "b");
    assert_int_equal(
        rpr_cable_open(&cable, &(struct rpr_cable_config){.platform = &world.platform}), 0);
    assert_int_equal(rpr_cable_join(cable, RPR_CABLE_A, a, "b"), 0);
    assert_int_equal(rpr_cable_join(cable, RPR_CABLE_B, b, "a"), 0);
    to_b = rpr_device_find(a, "b");
    to_a = rpr_device_find(b, "a");
    n_empty = 0;
    rpr_observer_add(a, &observer);
    ept_open(&x, to_b, "svc");
    ept_open(&y, to_a, "svc");
    settle_both(a, &world, b);
    for (void *block; (block = baremetal_pools_take(&pools, sizeof *taken)); taken = block)
        memcpy(block, &taken, sizeof taken);
    for (unsigned i = 0; i < 12; i++) {
        other[i] = (struct ept)EPT(&world, "o");
        ept_open(&other[i], to_a, names[i]);
    }
    settle_both(a, &world, b);
    rpr_device_info(to_b, &info);
    assert_int_equal(info.n_announcements, 8); /* for so many the node has the memory */
    assert_int_equal(info.announcements_refused, 4);
    assert_int_equal(n_empty, 4);
    assert_int_equal(info.state, RPR_DEVICE_UP);
    assert_int_equal(ept_send(&y, "still"), 0);
    settle_both(a, &world, b);
    assert_int_equal(x.n_rx, 1);
    while (taken) {
        void *next = taken->next;

        baremetal_pools_give(&pools, taken);
        taken = next;
    }
    rpr_node_close(b);
    board_fini(a);
    rpr_cable_close(cable);
    assert_int_equal(world.n_live, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(smallest_that_fits_then_the_next),
        cmocka_unit_test(what_comes_back_is_zeroed_and_served_again),
        cmocka_unit_test(no_interrupt_is_slept_through),
        cmocka_unit_test(sleeps_until_the_next_deadline_or_for_ever),
        cmocka_unit_test(announcements_without_memory_are_counted_and_told),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
