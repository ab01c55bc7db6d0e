/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A peer that lies in the resource table, and one that takes its status back while we send. What
 * must happen: the link is not up, with a reason to read, or it is up with lengths that fit its
 * buffers; nothing is touched outside of the memory (it has no slack: a sanitizer sees one byte);
 * and with an honest table both talk again.
 */
#include "../ivshmem_pair.h"

#include "base/bytes.h"
#include "wire/resource.h"

#define RUN   MS(30)
#define AGAIN S(21) /* more than the longest back-off of a broken link */

enum { RSC_VDEV = 3, VDEV_CONFIG = RESOURCE_VDEV_BYTES + 2 * RESOURCE_VRING_BYTES };

static const char *const names[] = {"ap", "audio"}; /* master, slave */
static const char *const layouts[] = {"rptun", "lite", "sim"};

struct bench {
    struct board board;
    struct side side[2];
    unsigned layout;
    uint64_t now;
};

static void start(struct bench *t, unsigned i)
{
    struct rpr_ivshmem_config config = {.remote = names[!i],
                                        .layout = t->layout,
                                        .role = i ? RPR_IVSHMEM_SLAVE : RPR_IVSHMEM_MASTER};

    side_start(&t->side[i], &t->board, names[i], &config, t->now);
    ept_open(&t->side[i].x, side_device(&t->side[i]), "svc");
}

static void run(struct bench *t, uint64_t ns)
{
    t->now = sides_pass(&t->side[0], &t->side[1], t->now, ns);
}

static void run_until_up(struct bench *t)
{
    for (unsigned i = 0; i < 400 && !(side_up(&t->side[0]) && side_up(&t->side[1])); i++)
        run(t, AGAIN / 200);
    assert_true(side_up(&t->side[0]) && side_up(&t->side[1]));
    run(t, MS(50)); /* names and their answers */
}

static void bench_init(struct bench *t, unsigned layout)
{
    memset(t, 0, sizeof *t);
    t->layout = layout;
    t->now = S(1);
    board_init(&t->board, BOARD_BYTES);
}

static void bench_fini(struct bench *t)
{
    for (unsigned i = 0; i < 2; i++)
        if (t->side[i].node)
            side_stop(&t->side[i]);
    board_fini(&t->board);
}

static void talk(struct bench *t)
{
    for (unsigned i = 0; i < 2; i++) {
        t->side[!i].world.events[0] = '\0';
        assert_int_equal(ept_send(&t->side[i].x, "hello"), 0);
        run(t, MS(20));
        assert_events(&t->side[!i].world, "x:rx hello;");
    }
}

/* Offset of the device's entry, as somebody has written it; 0: nobody has. */
static uint32_t find_vdev(const struct bench *t)
{
    for (uint32_t at = 4; at + VDEV_CONFIG + RESOURCE_CONFIG_BYTES <= t->board.bytes; at += 4)
        if (board_get(&t->board, at) == RSC_VDEV &&
            board_get(&t->board, at + RESOURCE_VDEV_ID) == RESOURCE_ID_RPMSG)
            return at;
    return 0;
}

/* ---- lies in the table -------------------------------------------------------------------------- */

static const uint32_t nasty[] = {0,          1,          3,          7,           15,
                                 0x7fff,     0x8000,     0x10001,    BOARD_BYTES, BOARD_BYTES - 4,
                                 0x7fffffff, 0x80000000, 0xfffffff0, 0xffffffff};

/* The side that reads the table comes when it says that. */
static unsigned n_refused;

static void read_lie(struct bench *t, unsigned reader, uint32_t at, uint32_t value)
{
    struct rpr_device_info info;
    uint32_t was;

    start(t, !reader);
    run(t, RUN);
    was = board_get(&t->board, at);
    board_put(&t->board, at, value);
    start(t, reader);
    run(t, RUN);
    info = side_info(&t->side[reader]);
    if (info.state == RPR_DEVICE_UP) {
        assert_true(info.tx_len > 0 && info.tx_len <= 65519);
        assert_true(info.rx_len > 0 && info.rx_len <= 65519);
        (void)ept_send(&t->side[reader].x, "into the dark");
        run(t, RUN);
    } else {
        assert_int_not_equal(info.reason[0], '\0');
        n_refused++;
    }
    /* It is put right by its maker, who begins anew. */
    side_kill(&t->side[!reader], &t->board);
    board_put(&t->board, at, was);
    start(t, !reader);
    run_until_up(t);
    talk(t);
    side_stop(&t->side[reader]);
    side_stop(&t->side[!reader]);
    memset(t->board.memory, 0, t->board.bytes);
    t->board.there = false;
}

static void every_word_of_the_table(void **state)
{
    (void)state;
    for (unsigned layout = 0; layout < 3; layout++) {
        struct bench t;
        unsigned reader;
        uint32_t vdev;

        n_refused = 0;
        bench_init(&t, layout);
        reader = rpr_ivshmem_makes_table(layout, RPR_IVSHMEM_MASTER) ? 1 : 0;
        start(&t, !reader);
        run(&t, RUN);
        vdev = find_vdev(&t);
        assert_int_not_equal(vdev, 0);
        side_stop(&t.side[!reader]);
        memset(t.board.memory, 0, t.board.bytes);
        /* Of the header what is in front; of the configuration lengths and addresses. */
        for (uint32_t at = vdev - 16; at < vdev + VDEV_CONFIG + 24; at += 4)
            for (unsigned v = 0; v < sizeof nasty / sizeof nasty[0]; v++) {
                print_message("%s: word %d of the device is %#x\n", layouts[layout],
                              (int)(at - vdev) / 4, (unsigned)nasty[v]);
                read_lie(&t, reader, at, nasty[v]);
            }
        print_message("%s: %u lies were refused\n", layouts[layout], n_refused);
        assert_true(n_refused > 100);
        bench_fini(&t);
    }
}

/* ---- a status that is taken back ------------------------------------------------------------------ */

/* One buffer of ours is reserved and one of the peer's is held when the status falls to zero. */
static void status_cleared_under_a_sender(void **state)
{
    (void)state;
    for (unsigned layout = 0; layout < 3; layout++)
        for (unsigned victim = 0; victim < 2; victim++) {
            struct bench t;
            struct rpr_buf buf;
            struct side *s = &t.side[victim];
            uint32_t vdev;

            bench_init(&t, layout);
            start(&t, 0);
            start(&t, 1);
            run_until_up(&t);
            talk(&t);
            vdev = find_vdev(&t);
            s->x.result = RPR_HOLD;
            assert_int_equal(ept_send(&t.side[!victim].x, "held"), 0);
            run(&t, MS(20));
            s->x.result = RPR_DONE;
            assert_int_equal(rpr_reserve(s->x.h, &buf), 0);
            side_kill(&t.side[!victim], &t.board);
            board_put(&t.board, vdev + RESOURCE_VDEV_STATUS,
                      board_get(&t.board, vdev + RESOURCE_VDEV_STATUS) & 0xffffff00);
            run(&t, MS(50));
            memset(buf.data, 'x', buf.size); /* ours until it is given back */
            start(&t, !victim);
            print_message("%s, %s: %s\n", layouts[layout], names[victim], side_info(s).reason);
            if (!side_up(s))
                assert_int_equal(rpr_commit(s->x.h, &buf, 16, 0), -RPR_ENOTCONN);
            else
                rpr_cancel(s->x.h, &buf); /* rptun and sim: who makes the table does not ask it */
            rpr_release(&s->x.held[0]);
            t.side[!victim].world.events[0] = '\0';
            run_until_up(&t);
            run(&t, MS(50));
            assert_null(strstr(t.side[!victim].world.events, "rx"));
            talk(&t);
            bench_fini(&t);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_word_of_the_table),
        cmocka_unit_test(status_cleared_under_a_sender),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
