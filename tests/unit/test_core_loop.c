/* SPDX-License-Identifier: Apache-2.0 */
/* The loop link: two nodes of one thread joined by a cable. */
#include "core_fixture.h"

struct two {
    struct world world;
    struct rpr_node *a, *b;
    struct rpr_cable *cable;
    struct rpr_device *to_b, *to_a;
    unsigned rings[2];
    bool late_bells;
};

static void count_ring(void *ctx, enum rpr_cable_end end)
{
    ((struct two *)ctx)->rings[end]++;
}

static void two_init(struct two *t, struct rpr_cable_config config)
{
    memset(t, 0, sizeof *t);
    world_init(&t->world);
    config.platform = &t->world.platform;
    config.ctx = t;
    t->a = world_node(&t->world, "a");
    t->b = world_node(&t->world, "b");
    assert_int_equal(rpr_cable_open(&t->cable, &config), 0);
    assert_int_equal(rpr_cable_join(t->cable, RPR_CABLE_A, t->a, "b"), 0);
    assert_int_equal(rpr_cable_join(t->cable, RPR_CABLE_B, t->b, "a"), 0);
    t->to_b = rpr_device_find(t->a, "b");
    t->to_a = rpr_device_find(t->b, "a");
}

/* Polls both until nothing moves any more. */
static void settle_two(struct two *t)
{
    for (unsigned i = 0; i < 1000; i++) {
        bool idle = true;

        idle &= rpr_node_poll(t->a, t->world.now, 0) != RPR_POLL_MORE && rpr_node_arm(t->a);
        idle &= rpr_node_poll(t->b, t->world.now, 0) != RPR_POLL_MORE && rpr_node_arm(t->b);
        if (idle && rpr_node_poll(t->a, t->world.now, 0) != RPR_POLL_MORE && rpr_node_arm(t->a))
            return;
    }
    fail_msg("the nodes never come to rest");
}

static void two_fini(struct two *t)
{
    rpr_node_close(t->a);
    rpr_node_close(t->b);
    rpr_cable_close(t->cable);
    assert_int_equal(t->world.n_live, 0);
}

static void ends_meet_and_talk(void **state)
{
    struct two t;
    struct ept x = EPT(&t.world, "x"), y = EPT(&t.world, "y");
    struct rpr_device_info info;

    (void)state;
    two_init(&t, (struct rpr_cable_config){0});
    ept_open(&x, t.to_b, "svc");
    ept_open(&y, t.to_a, "svc");
    settle_two(&t);
    assert_events(&t.world, "y:bound 1024;x:bound 1024;");
    assert_int_equal(ept_send(&x, "hello"), 0);
    assert_int_equal(ept_send(&y, "there"), 0);
    settle_two(&t);
    assert_events(&t.world, "x:rx there;y:rx hello;");
    rpr_device_info(t.to_b, &info);
    assert_int_equal(info.state, RPR_DEVICE_UP);
    assert_string_equal(info.transport, "loop");
    assert_string_equal(info.dialect, "rpr");
    assert_int_equal(info.tx_len, 496);
    assert_int_equal(info.counters.tx, 1);
    assert_int_equal(info.counters.rx, 1);
    two_fini(&t);
    assert_events(&t.world, "x:unbound lost;x:closed;y:unbound lost;y:closed;");
}

static void buffers_are_bounded_and_writable_follows(void **state)
{
    struct two t;
    struct ept x = EPT(&t.world, "x"), y = EPT(&t.world, "y");
    unsigned sent = 0;

    (void)state;
    two_init(&t, (struct rpr_cable_config){.buffers = 4, .dialect = {RPR_DIALECT_NUTTX}});
    ept_open(&x, t.to_b, "svc");
    ept_open(&y, t.to_a, "svc");
    settle_two(&t);
    t.world.events[0] = '\0';
    while (ept_send(&x, ".") == 0)
        sent++;
    assert_int_equal(sent, 3); /* the last one is for control */
    assert_int_equal(ept_send(&x, "."), -RPR_EAGAIN);
    settle_two(&t);
    assert_events(&t.world, "y:rx .;y:rx .;y:rx .;x:writable;");
    two_fini(&t);
}

static void a_cut_is_loss_and_a_mend_brings_all_back(void **state)
{
    struct two t;
    struct ept x = EPT(&t.world, "x"), y = EPT(&t.world, "y");

    (void)state;
    two_init(&t, (struct rpr_cable_config){0});
    ept_open(&x, t.to_b, "svc");
    ept_open(&y, t.to_a, "svc");
    settle_two(&t);
    t.world.events[0] = '\0';
    assert_int_equal(ept_send(&x, "lost"), 0);
    rpr_cable_cut(t.cable);
    settle_two(&t);
    assert_events(&t.world, "x:unbound lost;y:unbound lost;");
    assert_int_equal(rpr_device_state(t.to_b), RPR_DEVICE_CONNECTING);
    assert_int_equal(ept_send(&x, "."), -RPR_ENOTCONN);
    rpr_cable_mend(t.cable);
    settle_two(&t);
    assert_int_equal(rpr_device_state(t.to_b), RPR_DEVICE_UP);
    assert_int_equal(ept_send(&x, "back"), 0);
    settle_two(&t);
    assert_non_null(strstr(t.world.events, "y:rx back;"));
    two_fini(&t);
}

/* Who goes down on purpose had published what it sent: that is delivered first. */
static void down_and_up_by_one_side(void **state)
{
    struct two t;
    struct ept x = EPT(&t.world, "x"), y = EPT(&t.world, "y");

    (void)state;
    two_init(&t, (struct rpr_cable_config){0});
    ept_open(&x, t.to_b, "svc");
    ept_open(&y, t.to_a, "svc");
    settle_two(&t);
    t.world.events[0] = '\0';
    assert_int_equal(ept_send(&x, "last"), 0);
    assert_int_equal(rpr_device_down(t.to_b), 0);
    assert_int_equal(rpr_device_state(t.to_b), RPR_DEVICE_DOWN);
    settle_two(&t);
    assert_events(&t.world, "x:unbound lost;y:rx last;y:unbound lost;");
    assert_int_equal(rpr_device_state(t.to_a), RPR_DEVICE_CONNECTING);
    assert_int_equal(rpr_device_up(t.to_b), 0);
    settle_two(&t);
    assert_int_equal(rpr_device_state(t.to_a), RPR_DEVICE_UP);
    assert_non_null(strstr(t.world.events, "x:bound"));
    assert_non_null(strstr(t.world.events, "y:bound"));
    two_fini(&t);
}

static void a_restarted_node_joins_again(void **state)
{
    struct two t;
    struct ept x = EPT(&t.world, "x"), y = EPT(&t.world, "y"), z = EPT(&t.world, "z");

    (void)state;
    two_init(&t, (struct rpr_cable_config){0});
    ept_open(&x, t.to_b, "svc");
    ept_open(&y, t.to_a, "svc");
    settle_two(&t);
    t.world.events[0] = '\0';
    rpr_node_close(t.b);
    assert_events(&t.world, "y:unbound lost;y:closed;");
    assert_null(rpr_cable_link(t.cable, RPR_CABLE_B));
    t.b = world_node(&t.world, "b");
    assert_int_equal(rpr_cable_join(t.cable, RPR_CABLE_B, t.b, "a"), 0);
    assert_int_equal(rpr_cable_join(t.cable, RPR_CABLE_B, t.b, "a"), -RPR_EBUSY);
    ept_open(&z, rpr_device_find(t.b, "a"), "svc");
    settle_two(&t);
    assert_events(&t.world, "x:unbound lost;z:bound 1024;x:bound 1024;");
    two_fini(&t);
}

/* A held message and a reservation outlive the connection and the other node. */
static void what_is_held_outlives_the_connection(void **state)
{
    struct two t;
    struct ept x = EPT(&t.world, "x"), y = EPT(&t.world, "y");
    struct rpr_buf buf;

    (void)state;
    two_init(&t, (struct rpr_cable_config){0});
    ept_open(&x, t.to_b, "svc");
    ept_open(&y, t.to_a, "svc");
    settle_two(&t);
    y.result = RPR_HOLD;
    assert_int_equal(ept_send(&x, "held"), 0);
    settle_two(&t);
    assert_int_equal(y.n_held, 1);
    assert_int_equal(rpr_reserve(y.h, &buf), 0);
    rpr_node_close(t.a);
    rpr_cable_cut(t.cable);
    (void)rpr_node_poll(t.b, t.world.now, 0);
    memset(buf.data, 7, buf.size);
    assert_int_equal(rpr_commit(y.h, &buf, 3, 0), -RPR_ENOTCONN);
    assert_memory_equal(y.held[0].data, "held", 4);
    rpr_release(&y.held[0]);
    rpr_node_close(t.b);
    rpr_cable_close(t.cable);
    assert_int_equal(t.world.n_live, 0);
}

/* Doorbells are rung when asked for and at no other time, once per batch. */
static void bells_are_rung_when_asked_for(void **state)
{
    struct two t;
    struct ept x = EPT(&t.world, "x"), y = EPT(&t.world, "y");

    (void)state;
    two_init(&t, (struct rpr_cable_config){.ring = count_ring});
    ept_open(&x, t.to_b, "svc");
    ept_open(&y, t.to_a, "svc");
    for (unsigned i = 0; i < 20; i++) {
        rpr_cable_bell(t.cable, RPR_CABLE_A);
        rpr_cable_bell(t.cable, RPR_CABLE_B);
        settle_two(&t);
    }
    assert_events(&t.world, "y:bound 1024;x:bound 1024;");
    t.rings[0] = t.rings[1] = 0;
    for (unsigned i = 0; i < 5; i++)
        assert_int_equal(rpr_send(x.h, "m", 1, RPR_MORE), 0);
    assert_int_equal(t.rings[RPR_CABLE_B], 0);
    rpr_flush(t.to_b);
    assert_int_equal(t.rings[RPR_CABLE_B], 1);
    assert_int_equal(ept_send(&x, "n"), 0); /* still asleep: again */
    assert_int_equal(t.rings[RPR_CABLE_B], 2);
    rpr_cable_bell(t.cable, RPR_CABLE_B);
    assert_int_equal(ept_send(&x, "n"), 0); /* awake */
    assert_int_equal(t.rings[RPR_CABLE_B], 2);
    (void)rpr_node_poll(t.b, t.world.now, 0);
    assert_int_equal(t.rings[RPR_CABLE_A], 0); /* nobody waits for the buffers */
    assert_int_equal(y.n_rx, 7);
    two_fini(&t);
}

static void power_is_told(void **state)
{
    struct two t;

    (void)state;
    two_init(&t, (struct rpr_cable_config){0});
    settle_two(&t);
    assert_int_equal(rpr_device_power(t.to_b, false), 0);
    settle_two(&t);
    assert_int_equal(rpr_device_state(t.to_a), RPR_DEVICE_SUSPENDED);
    assert_int_equal(rpr_device_power(t.to_b, true), 0);
    assert_int_equal(rpr_device_power(t.to_b, false), 0);
    assert_int_equal(rpr_device_power(t.to_b, true), 0);
    settle_two(&t);
    assert_int_equal(rpr_device_state(t.to_a), RPR_DEVICE_UP);
    two_fini(&t);
}

static void nonsense_is_refused(void **state)
{
    struct world w;
    struct rpr_cable *cable;

    (void)state;
    world_init(&w);
    assert_int_equal(rpr_cable_open(&cable, &(struct rpr_cable_config){.platform = NULL}),
                     -RPR_EINVAL);
    assert_int_equal(
        rpr_cable_open(&cable, &(struct rpr_cable_config){.platform = &w.platform, .buffers = 3}),
        -RPR_EINVAL);
    assert_int_equal(rpr_cable_open(&cable, &(struct rpr_cable_config){.platform = &w.platform,
                                                                       .payload = 65520}),
                     -RPR_EINVAL);
    w.fail_in = 1;
    assert_int_equal(rpr_cable_open(&cable, &(struct rpr_cable_config){.platform = &w.platform}),
                     -RPR_ENOMEM);
    assert_int_equal(w.n_live, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ends_meet_and_talk),
        cmocka_unit_test(buffers_are_bounded_and_writable_follows),
        cmocka_unit_test(a_cut_is_loss_and_a_mend_brings_all_back),
        cmocka_unit_test(down_and_up_by_one_side),
        cmocka_unit_test(a_restarted_node_joins_again),
        cmocka_unit_test(what_is_held_outlives_the_connection),
        cmocka_unit_test(bells_are_rung_when_asked_for),
        cmocka_unit_test(power_is_told),
        cmocka_unit_test(nonsense_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
