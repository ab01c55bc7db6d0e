/* SPDX-License-Identifier: Apache-2.0 */
/* A side that comes and goes between two looks of the other leaves nobody waiting. */
#include "ivshmem_pair.h"

struct pair {
    struct board board;
    struct side master, slave;
    uint64_t now;
};

static void setup(struct pair *p, enum rpr_ivshmem_layout layout)
{
    memset(p, 0, sizeof *p);
    board_init(&p->board, BOARD_BYTES);
    p->now = MS(1000);
    p->master.config.layout = p->slave.config.layout = layout;
}

static void start(struct pair *p, struct side *s)
{
    bool master = s == &p->master;
    struct rpr_ivshmem_config config = {.remote = master ? "slave" : "master",
                                        .layout = s->config.layout,
                                        .role = master ? RPR_IVSHMEM_MASTER : RPR_IVSHMEM_SLAVE};

    side_start(s, &p->board, master ? "master" : "slave", &config, p->now);
}

static void teardown(struct pair *p)
{
    side_stop(&p->slave);
    side_stop(&p->master);
    board_fini(&p->board);
}

static void lite_slave_comes_and_goes(void **state)
{
    struct pair p;

    (void)state;
    setup(&p, RPR_IVSHMEM_LITE);
    start(&p, &p.master);
    p.now = sides_pass(&p.master, NULL, p.now, MS(50)); /* offers */
    start(&p, &p.slave);
    p.now = sides_pass(NULL, &p.slave, p.now, MS(50));  /* takes the offer */
    p.now = sides_pass(&p.master, NULL, p.now, MS(10)); /* is up: the slave has not counted yet */
    assert_true(side_up(&p.master));
    p.now = sides_pass(NULL, &p.slave, p.now, MS(20));
    assert_true(side_up(&p.slave));
    assert_int_equal(rpr_device_down(side_device(&p.slave)), 0);
    assert_int_equal(rpr_device_up(side_device(&p.slave)), 0);
    p.now = sides_pass(&p.master, &p.slave, p.now, MS(1000));
    assert_true(side_up(&p.master) && side_up(&p.slave));
    teardown(&p);
}

static void rptun_master_comes_and_goes(void **state)
{
    struct pair p;

    (void)state;
    setup(&p, RPR_IVSHMEM_RPTUN);
    start(&p, &p.slave);
    p.now = sides_pass(NULL, &p.slave, p.now, MS(50)); /* READY */
    start(&p, &p.master);
    p.now = sides_pass(&p.master, NULL, p.now, MS(50)); /* has read the table, and is up */
    assert_true(side_up(&p.master));
    side_stop(&p.master);
    start(&p, &p.master);
    p.now = sides_pass(&p.master, &p.slave, p.now, MS(2000));
    assert_true(side_up(&p.master) && side_up(&p.slave));
    teardown(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(lite_slave_comes_and_goes),
                                       cmocka_unit_test(rptun_master_comes_and_goes)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
