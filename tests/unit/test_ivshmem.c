/* SPDX-License-Identifier: Apache-2.0 */
/* Two nodes over memory with a resource table: all layouts, any order of starts and ends. */
#include "ivshmem_pair.h"

#define RUN MS(400) /* more than a broken link takes to come back */

static const char *const names[] = {"ap", "audio"}; /* master, slave */
static const char *const layouts[] = {"rptun", "lite", "sim"};

struct bench {
    struct board board;
    struct side side[2];
    enum rpr_ivshmem_layout layout;
    uint32_t num, payload; /* said by who makes the table */
    uint64_t now;
};

static void start(struct bench *t, unsigned i)
{
    enum rpr_ivshmem_role role = i ? RPR_IVSHMEM_SLAVE : RPR_IVSHMEM_MASTER;
    bool makes = rpr_ivshmem_makes_table(t->layout, role);
    struct rpr_ivshmem_config config = {.remote = names[!i],
                                        .layout = t->layout,
                                        .role = role,
                                        .num = makes ? t->num : 0,
                                        .payload = makes ? t->payload : 0};

    side_start(&t->side[i], &t->board, names[i], &config, t->now);
    ept_open(&t->side[i].x, side_device(&t->side[i]), "svc");
}

static void run(struct bench *t, uint64_t ns)
{
    t->now = sides_pass(&t->side[0], &t->side[1], t->now, ns);
}

static void bench_begin(struct bench *t, enum rpr_ivshmem_layout layout)
{
    memset(t, 0, sizeof *t);
    t->layout = layout;
    t->now = S(1);
    board_init(&t->board, BOARD_BYTES);
}

static void bench_init(struct bench *t, enum rpr_ivshmem_layout layout)
{
    bench_begin(t, layout);
    start(t, 0);
    start(t, 1);
    run(t, RUN);
    assert_true(side_up(&t->side[0]) && side_up(&t->side[1]));
    for (unsigned i = 0; i < 2; i++)
        t->side[i].world.events[0] = '\0';
}

static void bench_fini(struct bench *t)
{
    for (unsigned i = 0; i < 2; i++)
        if (t->side[i].node)
            side_stop(&t->side[i]);
    board_fini(&t->board);
}

/* Each sends, and the other hears just that. */
static void talk(struct bench *t, const char *what)
{
    for (unsigned i = 0; i < 2; i++) {
        char heard[64];

        t->side[!i].world.events[0] = '\0';
        if (ept_send(&t->side[i].x, what))
            fail_msg("%s, %s: cannot send \"%s\"", layouts[t->layout], names[i], what);
        run(t, MS(10));
        snprintf(heard, sizeof heard, "x:rx %s;", what);
        assert_events(&t->side[!i].world, heard);
    }
}

/* ---- up -------------------------------------------------------------------------------------- */

static void both_come_up_and_talk(void **state)
{
    (void)state;
    for (unsigned layout = 0; layout < 3; layout++) {
        struct bench t;

        bench_init(&t, layout);
        for (unsigned i = 0; i < 2; i++) {
            struct rpr_device_info info = side_info(&t.side[i]);

            assert_int_equal(info.tx_len, layout == RPR_IVSHMEM_LITE ? 2032 : 1520);
            assert_int_equal(info.rx_len, info.tx_len);
            assert_string_equal(info.transport, "ivshmem");
            assert_string_equal(info.dialect, "rpr");
            assert_true(info.credit);
            assert_string_equal(t.side[i].world.log, "");
        }
        for (unsigned i = 0; i < 1000; i++) {
            char text[16];

            snprintf(text, sizeof text, "%u", i);
            talk(&t, text);
        }
        bench_fini(&t);
    }
}

/* Number and size are said by who makes the table, and the other takes them from there. */
static void the_table_says_number_and_size(void **state)
{
    static const struct {
        uint32_t num, payload;
    } rows[] = {{2, 64}, {4, 65}, {16, 496}, {8, 2000}, {16, 3000}};

    (void)state;
    for (unsigned layout = 0; layout < 3; layout++)
        for (size_t r = 0; r < sizeof rows / sizeof rows[0]; r++) {
            struct rpr_queue_info queue;
            struct bench t;
            uint8_t *text = malloc(rows[r].payload + 1);

            bench_begin(&t, layout);
            t.num = rows[r].num;
            t.payload = rows[r].payload;
            start(&t, 0);
            start(&t, 1);
            if (t.board.bytes < rpr_ivshmem_bytes(&t.side[0].config) ||
                t.board.bytes < rpr_ivshmem_bytes(&t.side[1].config)) {
                run(&t, RUN);
                assert_false(side_up(&t.side[0]) || side_up(&t.side[1]));
                bench_fini(&t);
                free(text);
                continue;
            }
            run(&t, RUN);
            memset(text, 'x', rows[r].payload + 1);
            for (unsigned i = 0; i < 2; i++) {
                assert_int_equal(side_info(&t.side[i]).tx_len, rows[r].payload);
                assert_true(rpr_device_queue(side_device(&t.side[i]), 0, &queue));
                assert_int_equal(queue.size, rows[r].num);
                assert_int_equal(rpr_send(t.side[i].x.h, text, rows[r].payload, 0), 0);
                run(&t, MS(5));
                assert_int_equal(t.side[!i].x.n_rx, 1);
                assert_int_equal(rpr_send(t.side[i].x.h, text, rows[r].payload + 1, 0),
                                 -RPR_EMSGSIZE);
            }
            bench_fini(&t);
            free(text);
        }
}

static void wrong_numbers_are_refused(void **state)
{
    static const struct {
        uint32_t num, payload;
    } rows[] = {{1, 0}, {3, 0}, {2048, 0}, {0, 63}, {0, 65520}, {0, UINT32_MAX}};
    struct rpr_link *link;
    struct world world;
    struct rpr_node *node;

    (void)state;
    world_init(&world);
    node = world_node(&world, "ap");
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct rpr_ivshmem_config config = {
            .remote = "audio", .num = rows[i].num, .payload = rows[i].payload};

        assert_int_equal(rpr_ivshmem_bytes(&config), 0);
        assert_int_equal(rpr_ivshmem_open(node, &config, &link), -RPR_EINVAL);
    }
    rpr_node_close(node);
    assert_int_equal(world.n_live, 0);
}

/* Whatever it is lacking for: the caller hears of it, still has what the port stands on, and may try again. */
static bool open_without(unsigned nth)
{
    struct rpr_ivshmem_config config = {.remote = "audio"};
    struct rpr_node *node;
    struct rpr_link *link;
    struct board board;
    struct world world;
    bool failed;

    board_init(&board, BOARD_BYTES);
    config.port = board_port(&board);
    world_init(&world);
    node = world_node(&world, "ap");
    world.fail_in = nth;
    failed = rpr_ivshmem_open(node, &config, &link) == -RPR_ENOMEM;
    assert_true(failed == !world.fail_in);
    world.fail_in = 0;
    settle(&world, node);
    assert_int_equal(board.n_destroyed, 0);
    if (failed)
        assert_int_equal(rpr_ivshmem_open(node, &config, &link), 0);
    pass(&world, node, S(1));
    rpr_node_close(node);
    assert_int_equal(board.n_destroyed, 1);
    assert_int_equal(world.n_live, 0);
    board_fini(&board);
    return failed;
}

static void no_memory_to_open(void **state)
{
    unsigned n = 1;

    (void)state;
    while (open_without(n))
        n++;
    assert_true(n > 3);
}

static void many_messages_at_once(void **state)
{
    (void)state;
    for (unsigned layout = 0; layout < 3; layout++) {
        struct bench t;
        unsigned sent[2] = {0, 0};

        bench_init(&t, layout);
        while (t.side[0].x.n_rx < 20000 || t.side[1].x.n_rx < 20000) {
            for (unsigned i = 0; i < 2; i++) {
                while (sent[i] < 20000 && ept_send(&t.side[i].x, "m") == 0)
                    sent[i]++;
                t.side[i].world.events[0] = '\0';
            }
            run(&t, US(100));
        }
        assert_int_equal(sent[0] + sent[1], 40000);
        bench_fini(&t);
    }
}

/* ---- starts and ends --------------------------------------------------------------------------- */

enum event { KILL, STOP, DOWN_UP, N_EVENTS };

static const char *const event_names[] = {"kill", "stop", "down and up"};
static const uint64_t delays[] = {0, MS(1), MS(30)};

#define N_DELAYS (sizeof delays / sizeof delays[0])

/* Something is on its way that nobody may ever hear, and then that side ends and begins again. */
static void disturb(struct bench *t, unsigned side, enum event event, uint64_t delay)
{
    struct side *s = &t->side[side];

    for (unsigned i = 0; i < 2; i++)
        (void)ept_send(&t->side[i].x, "stale");
    if (event == DOWN_UP) {
        assert_int_equal(rpr_device_down(side_device(s)), 0);
        run(t, delay);
        assert_int_equal(rpr_device_up(side_device(s)), 0);
    } else {
        if (event == KILL)
            side_kill(s, &t->board);
        else
            side_stop(s);
        run(t, delay);
        start(t, side);
    }
    for (unsigned i = 0; i < 2; i++)
        t->side[i].world.events[0] = '\0';
}

static void check_again(struct bench *t, const char *what)
{
    uint64_t begin = t->now;

    while (!side_up(&t->side[0]) || !side_up(&t->side[1])) {
        if (t->now - begin > S(2))
            fail_msg("%s, %s: does not come up again: \"%s\", \"%s\"", layouts[t->layout], what,
                     side_info(&t->side[0]).reason, side_info(&t->side[1]).reason);
        run(t, MS(10));
    }
    run(t, RUN);
    talk(t, what);
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(t->board.n_mapped, 2);
        assert_string_equal(side_info(&t->side[i]).dialect, "rpr");
    }
}

/* Everything twice in a row, whoever was first. */
static void any_order_of_starts_and_ends(void **state)
{
    (void)state;
    for (unsigned n = 0; n < 3 * 2 * (2 * N_EVENTS * N_DELAYS) * (2 * N_EVENTS * N_DELAYS); n++) {
        unsigned rest = n, layout, first;
        struct bench t;

        layout = rest % 3, rest /= 3;
        first = rest % 2, rest /= 2;
        bench_begin(&t, layout);
        start(&t, first);
        run(&t, delays[rest % N_DELAYS]);
        start(&t, !first);
        check_again(&t, "first");
        for (unsigned i = 0; i < 2; i++) {
            unsigned side = rest % 2, event, delay;
            char what[48];

            rest /= 2;
            event = rest % N_EVENTS, rest /= N_EVENTS;
            delay = rest % N_DELAYS, rest /= N_DELAYS;
            snprintf(what, sizeof what, "%s: %s %u", names[side], event_names[event], delay);
            disturb(&t, side, event, delays[delay]);
            check_again(&t, what);
        }
        bench_fini(&t);
    }
}

/* The second ends while the first has not come back yet. */
static void both_end(void **state)
{
    (void)state;
    for (unsigned n = 0; n < 3 * 2 * 2 * 2 * 2; n++) {
        bool kill[2] = {n / 3 & 1, n / 6 & 1};
        unsigned end = n / 12 & 1, begin = n / 24 & 1;
        struct bench t;

        bench_init(&t, n % 3);
        for (unsigned i = 0; i < 2; i++) {
            struct side *s = &t.side[i ? !end : end];

            if (kill[i])
                side_kill(s, &t.board);
            else
                side_stop(s);
            run(&t, MS(3));
        }
        start(&t, begin);
        run(&t, MS(100));
        start(&t, !begin);
        check_again(&t, "both");
        bench_fini(&t);
    }
}

/* Before an orderly end, what was sent is heard. */
static void what_was_sent_before_an_end_is_heard(void **state)
{
    (void)state;
    for (unsigned n = 0; n < 6; n++) {
        struct bench t;
        unsigned end = n & 1;

        bench_init(&t, n / 2);
        assert_int_equal(ept_send(&t.side[end].x, "last words"), 0);
        side_stop(&t.side[end]);
        run(&t, MS(20));
        assert_non_null(strstr(t.side[!end].world.events, "x:rx last words;"));
        assert_non_null(strstr(t.side[!end].world.events, "x:unbound lost;"));
        assert_false(side_up(&t.side[!end]));
        bench_fini(&t);
    }
}

/* A peer that does nothing wrong is never told that it broke anything. */
static void a_restart_is_no_break(void **state)
{
    (void)state;
    for (unsigned n = 0; n < 6; n++) {
        struct bench t;

        bench_init(&t, n / 2);
        disturb(&t, n & 1, KILL, MS(5));
        run(&t, RUN);
        assert_null(strstr(t.side[!(n & 1)].world.log, "broken"));
        bench_fini(&t);
    }
}

/* H-17: a slave that starts wipes the memory at once, as NuttX's does, under a master at work. */
static void a_wiped_region_is_a_restart(void **state)
{
    struct bench t;

    (void)state;
    for (unsigned sent = 0; sent < 6; sent++) {
        bench_init(&t, RPR_IVSHMEM_RPTUN);
        for (unsigned i = 0; i < sent; i++)
            talk(&t, "m");
        side_kill(&t.side[1], &t.board);
        memset(t.board.memory, 0, t.board.bytes);
        start(&t, 1);
        check_again(&t, "wiped");
        bench_fini(&t);
    }
}

/* H-33: the machine whose side has left ends after the other side has begun to wait again. */
static void a_region_wiped_while_waiting(void **state)
{
    (void)state;
    for (unsigned n = 0; n < 4; n++) {
        unsigned leaves = n & 1;
        struct bench t;

        bench_init(&t, n / 2 ? RPR_IVSHMEM_LITE : RPR_IVSHMEM_RPTUN);
        side_stop(&t.side[leaves]);
        run(&t, RUN);
        memset(t.board.memory, 0, t.board.bytes);
        run(&t, RUN);
        start(&t, leaves);
        check_again(&t, "wiped while waiting");
        bench_fini(&t);
    }
}

/* ---- memory of a former session ---------------------------------------------------------------- */

static void buffers_of_a_former_session(void **state)
{
    (void)state;
    for (unsigned n = 0; n < 6; n++) {
        bool cannot = n & 1;
        struct bench t;
        struct side *s;

        bench_init(&t, n / 2);
        t.board.cannot_part = cannot;
        s = &t.side[0];
        s->x.result = RPR_HOLD;
        assert_int_equal(ept_send(&t.side[1].x, "held"), 0);
        run(&t, MS(5));
        assert_int_equal(s->x.n_held, 1);
        s->x.result = RPR_DONE;
        disturb(&t, 1, KILL, 0);
        run(&t, RUN);
        assert_true(cannot ? t.board.n_parted > 1 : t.board.n_parted == 1);
        assert_int_equal(side_up(s), !cannot);
        if (cannot)
            assert_string_equal(side_info(s).reason, "buffers of the former session are in use");
        rpr_release(&s->x.held[0]);
        check_again(&t, "released");
        bench_fini(&t);
    }
}

static void lost_memory(void **state)
{
    (void)state;
    for (unsigned layout = 0; layout < 3; layout++) {
        struct bench t;

        bench_init(&t, layout);
        t.board.lost = "was eaten";
        run(&t, MS(60));
        assert_string_equal(side_info(&t.side[0]).reason, "was eaten");
        assert_non_null(strstr(t.side[0].world.events, "x:unbound lost;"));
        t.board.lost = NULL;
        check_again(&t, "found");
        bench_fini(&t);
    }
}

static void memory_that_comes_late_or_is_too_small(void **state)
{
    (void)state;
    for (unsigned layout = 0; layout < 3; layout++) {
        struct bench t;
        unsigned waits = layout == RPR_IVSHMEM_LITE ? 1 : 0;
        unsigned n_allocs;

        bench_begin(&t, layout);
        start(&t, waits);
        run(&t, S(1));
        n_allocs = t.side[waits].world.n_allocs;
        run(&t, S(4));
        assert_int_equal(t.side[waits].world.n_allocs, n_allocs); /* looks cost nothing */
        if (layout != RPR_IVSHMEM_SIM)                            /* where either makes it */
            assert_string_equal(side_info(&t.side[waits]).reason, "does not exist yet");
        start(&t, !waits);
        check_again(&t, "late");
        bench_fini(&t);

        bench_begin(&t, layout);
        t.board.bytes = 20000;
        start(&t, !waits);
        run(&t, RUN);
        assert_string_equal(side_info(&t.side[!waits]).reason, "is too small");
        bench_fini(&t);
    }
}

/* ---- words and time ---------------------------------------------------------------------------- */

static void each_notify_counts_and_never_to_zero(void **state)
{
    (void)state;
    for (unsigned n = 0; n < 6; n++) {
        uint32_t word = n & 1 ? 8 : 12;
        struct bench t;
        uint32_t before;

        bench_init(&t, n / 2);
        before = board_get(&t.board, word);
        assert_int_equal(ept_send(&t.side[n & 1].x, "m"), 0);
        assert_int_equal(board_get(&t.board, word), before + 1);
        run(&t, MS(20));
        board_put(&t.board, word, UINT32_MAX);
        run(&t, MS(20));
        assert_int_equal(ept_send(&t.side[n & 1].x, "m"), 0);
        assert_int_equal(board_get(&t.board, word), 1);
        run(&t, MS(20));
        assert_true(side_up(&t.side[0]) && side_up(&t.side[1]));
        assert_int_equal(t.side[!(n & 1)].x.n_rx, 2);
        bench_fini(&t);
    }
}

/* The peer's word alone is enough, and an index alone is, too. */
static void either_a_word_or_an_index_wakes(void **state)
{
    (void)state;
    for (unsigned n = 0; n < 6; n++) {
        uint32_t word = n & 1 ? 8 : 12;
        struct bench t;
        uint32_t before;

        bench_init(&t, n / 2);
        run(&t, S(3));
        before = board_get(&t.board, word);
        assert_int_equal(ept_send(&t.side[n & 1].x, "m"), 0);
        board_put(&t.board, word, before); /* forgotten */
        run(&t, MS(2));
        assert_int_equal(t.side[!(n & 1)].x.n_rx, 1);
        bench_fini(&t);
    }
}

static void looks_often_while_there_is_traffic_and_rarely_else(void **state)
{
    (void)state;
    for (unsigned layout = 0; layout < 3; layout++) {
        struct bench t;
        uint64_t next;

        bench_init(&t, layout);
        talk(&t, "m");
        assert_int_equal(ept_send(&t.side[0].x, "m"), 0);
        next = side_turn(&t.side[0], t.now); /* an answer may come soon */
        assert_true(next - t.now <= US(40));
        run(&t, MS(100));
        next = side_turn(&t.side[0], t.now);
        assert_true(next - t.now <= (layout == RPR_IVSHMEM_RPTUN ? US(100) : MS(1)));
        run(&t, S(2));
        next = side_turn(&t.side[0], t.now);
        assert_int_equal(side_turn(&t.side[0], next) - next, MS(1));
        bench_fini(&t);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_come_up_and_talk),
        cmocka_unit_test(the_table_says_number_and_size),
        cmocka_unit_test(wrong_numbers_are_refused),
        cmocka_unit_test(no_memory_to_open),
        cmocka_unit_test(many_messages_at_once),
        cmocka_unit_test(any_order_of_starts_and_ends),
        cmocka_unit_test(both_end),
        cmocka_unit_test(what_was_sent_before_an_end_is_heard),
        cmocka_unit_test(a_restart_is_no_break),
        cmocka_unit_test(a_wiped_region_is_a_restart),
        cmocka_unit_test(a_region_wiped_while_waiting),
        cmocka_unit_test(buffers_of_a_former_session),
        cmocka_unit_test(lost_memory),
        cmocka_unit_test(memory_that_comes_late_or_is_too_small),
        cmocka_unit_test(each_notify_counts_and_never_to_zero),
        cmocka_unit_test(either_a_word_or_an_index_wakes),
        cmocka_unit_test(looks_often_while_there_is_traffic_and_rarely_else),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
