/* SPDX-License-Identifier: Apache-2.0 */
/* A link's life: up, lost, broken, taken down, unregistered, also from inside callbacks. */
#include "core_fixture.h"

struct bench {
    struct world world;
    struct rpr_node *node;
    struct wire *wire;
    struct rpr_device *device;
    struct ept x;
};

static void bench_init(struct bench *t, enum rpr_dialect dialect)
{
    memset(t, 0, sizeof *t);
    world_init(&t->world);
    t->node = world_node(&t->world, "me");
    t->wire = wire_new(&t->world, t->node, "peer");
    t->device = rpr_device_find(t->node, "peer");
    t->x = (struct ept)EPT(&t->world, "x");
    t->x.more = t;
    settle(&t->world, t->node);
    wire_up(t->wire, dialect, false, 8);
}

static void bench_fini(struct bench *t)
{
    rpr_node_close(t->node);
    assert_true(t->wire->gone);
    free(t->wire);
    assert_int_equal(t->world.n_live, 0);
}

static const char *reason(struct bench *t)
{
    static struct rpr_device_info info;

    rpr_device_info(t->device, &info);
    return info.reason;
}

/* ---- states and back-off -------------------------------------------------------------------- */

static void a_lost_link_waits_for_its_transport(void **state)
{
    struct bench t;

    (void)state;
    bench_init(&t, RPR_DIALECT_NUTTX);
    assert_int_equal(rpr_device_state(t.device), RPR_DEVICE_UP);
    rpr_link_down(&t.wire->link, "gone");
    assert_int_equal(rpr_device_state(t.device), RPR_DEVICE_CONNECTING);
    assert_string_equal(reason(&t), "gone");
    assert_int_equal(t.wire->n_open, 1);
    assert_int_equal(t.wire->n_close, 0);
    assert_int_equal(t.wire->n_destroyed_lives, 1);
    assert_int_equal(rpr_device_tx_len(t.device), 0);
    bench_fini(&t);
}

static void a_broken_link_comes_back_later_and_later(void **state)
{
    struct bench t;
    uint64_t wait = 100;

    (void)state;
    bench_init(&t, RPR_DIALECT_NUTTX);
    for (unsigned i = 0; i < 10; i++) {
        unsigned opens = t.wire->n_open;

        rpr_link_broken(&t.wire->link, "nonsense");
        assert_int_equal(rpr_device_state(t.device), RPR_DEVICE_BROKEN);
        assert_string_equal(reason(&t), "nonsense");
        assert_int_equal(t.wire->n_close, i + 1);
        pass(&t.world, t.node, MS(wait) - 1);
        assert_int_equal(t.wire->n_open, opens);
        pass(&t.world, t.node, 1);
        assert_int_equal(t.wire->n_open, opens + 1);
        assert_int_equal(rpr_device_state(t.device), RPR_DEVICE_CONNECTING);
        wire_up(t.wire, RPR_DIALECT_NUTTX, false, 8);
        wait = wait * 2 > 10000 ? 10000 : wait * 2;
    }
    assert_non_null(strstr(t.world.log, "link to peer broken: nonsense\n"));
    pass(&t.world, t.node, S(10)); /* up for long: forgiven */
    rpr_link_broken(&t.wire->link, "nonsense");
    pass(&t.world, t.node, MS(100));
    assert_int_equal(rpr_device_state(t.device), RPR_DEVICE_CONNECTING);
    bench_fini(&t);
}

static void up_skips_the_back_off(void **state)
{
    struct bench t;

    (void)state;
    bench_init(&t, RPR_DIALECT_NUTTX);
    for (unsigned i = 0; i < 3; i++) {
        rpr_link_broken(&t.wire->link, "nonsense");
        assert_int_equal(rpr_device_up(t.device), 0);
        assert_int_equal(t.wire->n_open, i + 2);
        assert_int_equal(rpr_device_up(t.device), 0); /* nothing more to do */
        assert_int_equal(t.wire->n_open, i + 2);
        wire_up(t.wire, RPR_DIALECT_NUTTX, false, 8);
    }
    bench_fini(&t);
}

static void down_holds_until_up(void **state)
{
    struct bench t;

    (void)state;
    bench_init(&t, RPR_DIALECT_NUTTX);
    assert_int_equal(rpr_device_down(t.device), 0);
    assert_int_equal(rpr_device_state(t.device), RPR_DEVICE_DOWN);
    assert_int_equal(t.wire->n_close, 1);
    assert_int_equal(rpr_device_down(t.device), 0);
    assert_int_equal(t.wire->n_close, 1);
    pass(&t.world, t.node, S(60));
    assert_int_equal(t.wire->n_open, 1);
    assert_int_equal(rpr_device_up(t.device), 0);
    assert_int_equal(t.wire->n_open, 2);
    bench_fini(&t);
}

/* The transport was told to close once: it is not told again. */
static void down_during_the_back_off_closes_no_second_time(void **state)
{
    struct bench t;

    (void)state;
    bench_init(&t, RPR_DIALECT_NUTTX);
    rpr_link_broken(&t.wire->link, "nonsense");
    assert_int_equal(t.wire->n_close, 1);
    assert_int_equal(rpr_device_down(t.device), 0);
    assert_int_equal(t.wire->n_close, 1);
    assert_int_equal(rpr_device_state(t.device), RPR_DEVICE_DOWN);
    pass(&t.world, t.node, S(20));
    assert_int_equal(t.wire->n_open, 1);
    rpr_link_unregister(&t.wire->link);
    assert_int_equal(t.wire->n_close, 1);
    bench_fini(&t);
}

/* ---- from inside callbacks ------------------------------------------------------------------ */

static enum rpr_rx_result down_and_up(struct ept *e, const struct rpr_msg *msg)
{
    struct bench *t = e->more;

    (void)msg;
    assert_int_equal(rpr_device_down(t->device), 0);
    assert_int_equal(rpr_device_up(t->device), 0);
    return RPR_DONE;
}

static void down_and_up_inside_rx(void **state)
{
    struct bench t;

    (void)state;
    bench_init(&t, RPR_DIALECT_NUTTX);
    ept_open(&t.x, t.device, "svc");
    t.x.on_rx = down_and_up;
    ept_bind_to(&t.x, t.wire, t.node, "svc", 77);
    wire_text(t.wire, 77, ept_addr(&t.x), "go");
    wire_text(t.wire, 77, ept_addr(&t.x), "after the end");
    settle(&t.world, t.node);
    assert_events(&t.world, "x:rx go;x:unbound lost;");
    assert_int_equal(t.wire->n_close, 1);
    assert_int_equal(t.wire->n_open, 2);
    wire_up(t.wire, RPR_DIALECT_NUTTX, false, 8);
    assert_int_equal(rpr_device_state(t.device), RPR_DEVICE_UP);
    bench_fini(&t);
}

static void take_down(struct ept *e)
{
    struct bench *t = e->more;

    assert_int_equal(rpr_device_down(t->device), 0);
}

static void down_inside_unbound_is_shown(void **state)
{
    struct bench t;

    (void)state;
    bench_init(&t, RPR_DIALECT_NUTTX);
    ept_open(&t.x, t.device, "svc");
    t.x.on_unbound = take_down;
    ept_bind_to(&t.x, t.wire, t.node, "svc", 77);
    rpr_link_down(&t.wire->link, "gone");
    assert_int_equal(rpr_device_state(t.device), RPR_DEVICE_DOWN);
    assert_string_equal(reason(&t), "taken down");
    assert_int_equal(t.wire->n_close, 1);
    assert_int_equal(rpr_device_up(t.device), 0);
    assert_int_equal(t.wire->n_open, 2);
    t.x.on_unbound = NULL;
    bench_fini(&t);
}

static void take_up(struct ept *e)
{
    struct bench *t = e->more;

    assert_int_equal(rpr_device_up(t->device), 0);
}

/* The transport goes on by itself after a loss: it must not be opened a second time. */
static void up_inside_unbound_of_a_loss_changes_nothing(void **state)
{
    struct bench t;

    (void)state;
    bench_init(&t, RPR_DIALECT_NUTTX);
    ept_open(&t.x, t.device, "svc");
    t.x.on_unbound = take_up;
    ept_bind_to(&t.x, t.wire, t.node, "svc", 77);
    rpr_link_down(&t.wire->link, "gone");
    pass(&t.world, t.node, S(1));
    assert_int_equal(t.wire->n_open, 1);
    bench_fini(&t);
}

static void remove_link(struct ept *e)
{
    struct bench *t = e->more;

    rpr_link_unregister(&t->wire->link);
}

static enum rpr_rx_result remove_link_rx(struct ept *e, const struct rpr_msg *msg)
{
    (void)msg;
    remove_link(e);
    return RPR_DONE;
}

static void a_link_unregistered_inside_any_callback(void **state)
{
    (void)state;
    for (unsigned which = 0; which < 5; which++) {
        struct bench t;

        bench_init(&t, RPR_DIALECT_NUTTX);
        if (which == 0)
            t.x.on_rx = remove_link_rx;
        if (which == 1)
            t.x.on_bound = remove_link;
        if (which == 2)
            t.x.on_unbound = remove_link;
        if (which == 3)
            t.x.on_writable = remove_link;
        if (which == 4)
            t.x.on_closed = remove_link;
        ept_open(&t.x, t.device, "svc");
        settle(&t.world, t.node);
        wire_ns(t.wire, "svc", 77, NS_CREATE);
        settle(&t.world, t.node);
        if (which != 1) {
            while (ept_send(&t.x, ".") == 0)
                ;
            wire_text(t.wire, 77, ept_addr(&t.x), "go");
            settle(&t.world, t.node);
            (void)wire_said(t.wire);
            if (which > 2)
                pass(&t.world, t.node, MS(10)); /* looks at the used ring */
            if (which == 2)
                rpr_link_down(&t.wire->link, "gone");
            if (which == 4)
                assert_int_equal(rpr_ept_close(t.x.h), 0);
        }
        settle(&t.world, t.node);
        assert_null(rpr_device_find(t.node, "peer"));
        assert_true(t.wire->gone);
        assert_int_equal(t.x.n_closed, 1);
        bench_fini(&t);
    }
}

/* Unregistered, and its device asked to come up again by who hears of it. */
static void up_inside_the_end_of_a_removed_link(void **state)
{
    struct bench t;

    (void)state;
    bench_init(&t, RPR_DIALECT_NUTTX);
    ept_open(&t.x, t.device, "svc");
    t.x.on_unbound = take_up;
    ept_bind_to(&t.x, t.wire, t.node, "svc", 77);
    rpr_link_unregister(&t.wire->link);
    (void)rpr_node_poll(t.node, t.world.now, 0);
    assert_true(t.wire->gone);
    memset(&t.wire->link, 0xdd, sizeof t.wire->link); /* its memory is somebody else's now */
    pass(&t.world, t.node, S(1));
    bench_fini(&t);
}

/* ---- who outlives whom ---------------------------------------------------------------------- */

static void a_stale_handle_of_a_removed_link(void **state)
{
    struct bench t;
    struct rpr_buf buf;
    rpr_ept_t h;

    (void)state;
    bench_init(&t, RPR_DIALECT_NUTTX);
    ept_open(&t.x, t.device, "svc");
    ept_bind_to(&t.x, t.wire, t.node, "svc", 77);
    h = t.x.h;
    assert_int_equal(rpr_ept_close(h), 0);
    rpr_link_unregister(&t.wire->link);
    (void)rpr_node_poll(t.node, t.world.now, 0);
    assert_true(t.wire->gone);
    memset(&t.wire->link, 0xdd, sizeof t.wire->link);
    assert_int_equal(rpr_send(h, "x", 1, 0), -RPR_ESTALE);
    assert_int_equal(rpr_send_to(h, 5, "x", 1, 0), -RPR_ESTALE);
    assert_int_equal(rpr_reserve(h, &buf), -RPR_ESTALE);
    assert_int_equal(rpr_ept_close(h), -RPR_ESTALE);
    bench_fini(&t);
}

static void a_removed_device_that_is_kept(void **state)
{
    struct bench t;
    struct rpr_device_info info;
    rpr_ept_t h;

    (void)state;
    bench_init(&t, RPR_DIALECT_NUTTX);
    rpr_device_get(t.device);
    rpr_link_unregister(&t.wire->link);
    rpr_device_info(t.device, &info);
    assert_string_equal(info.name, "peer");
    assert_int_equal(rpr_device_up(t.device), -RPR_ENOENT);
    assert_int_equal(rpr_device_down(t.device), -RPR_ENOENT);
    assert_int_equal(rpr_device_power(t.device, false), -RPR_ENOTCONN);
    assert_int_equal(rpr_ept_open(t.device,
                                  &(struct rpr_ept_config){.name = "svc",
                                                           .addr = RPR_ADDR_ANY,
                                                           .dest = RPR_ADDR_ANY,
                                                           .ops = &ept_ops,
                                                           .ctx = &t.x},
                                  &h),
                     -RPR_ENOENT);
    rpr_flush(t.device);
    assert_null(rpr_device_link(t.device));
    rpr_device_put(t.device);
    bench_fini(&t);
}

static void open_again(struct ept *e)
{
    struct bench *t = e->more;
    struct ept *next = &t->x;

    e->n_closed = 0;
    if (!ept_open_as(
            next, t->device,
            (struct rpr_ept_config){.name = "svc", .addr = RPR_ADDR_ANY, .dest = RPR_ADDR_ANY}))
        note(&t->world, "opened;");
}

/* Who opens a new endpoint in `closed` cannot keep a device that is being removed. */
static void removal_ends_though_endpoints_are_opened_again(void **state)
{
    struct bench t;

    (void)state;
    bench_init(&t, RPR_DIALECT_NUTTX);
    t.x.on_closed = open_again;
    ept_open(&t.x, t.device, "svc");
    rpr_link_unregister(&t.wire->link);
    assert_null(rpr_device_find(t.node, "peer"));
    bench_fini(&t);
}

/* At the end of a node everything comes back and everybody hears it, whatever was outstanding. */
static void node_close_with_everything_outstanding(void **state)
{
    struct bench t;
    struct rpr_buf buf;

    (void)state;
    bench_init(&t, RPR_DIALECT_NUTTX);
    ept_open(&t.x, t.device, "svc");
    ept_bind_to(&t.x, t.wire, t.node, "svc", 77);
    t.x.result = RPR_HOLD;
    wire_text(t.wire, 77, ept_addr(&t.x), "a");
    settle(&t.world, t.node);
    assert_int_equal(rpr_reserve(t.x.h, &buf), 0);
    rpr_device_get(t.device);
    t.world.events[0] = '\0';
    rpr_node_close(t.node);
    assert_events(&t.world, "x:unbound lost;x:closed;");
    assert_true(t.wire->gone);
    assert_int_equal(t.wire->n_destroyed_lives, 1);
    free(t.wire);
    assert_int_equal(t.world.n_live, 0);
}

static void release_all(struct ept *e)
{
    while (e->n_held)
        rpr_release(&e->held[--e->n_held]);
}

static void what_is_held_is_released_in_closed_at_node_close(void **state)
{
    struct bench t;

    (void)state;
    bench_init(&t, RPR_DIALECT_NUTTX);
    t.x.on_closed = release_all;
    ept_open(&t.x, t.device, "svc");
    ept_bind_to(&t.x, t.wire, t.node, "svc", 77);
    t.x.result = RPR_HOLD;
    wire_text(t.wire, 77, ept_addr(&t.x), "a");
    wire_text(t.wire, 77, ept_addr(&t.x), "b");
    settle(&t.world, t.node);
    assert_int_equal(t.x.n_held, 2);
    bench_fini(&t);
    assert_int_equal(t.x.n_closed, 1);
}

/* ---- readiness without a session ------------------------------------------------------------ */

static void doorbells_before_the_link_is_up(void **state)
{
    struct world world;
    struct rpr_node *node;
    struct wire *wire;

    (void)state;
    world_init(&world);
    node = world_node(&world, "me");
    wire = wire_new(&world, node, "peer");
    rpr_link_ready(&wire->link);
    settle(&world, node);
    rpr_link_polled(&wire->link, true);
    (void)rpr_node_poll(node, world.now, 0);
    assert_int_equal(wire->n_polls, 0);
    wire_up(wire, RPR_DIALECT_NUTTX, false, 8);
    (void)rpr_node_poll(node, world.now, 0);
    (void)rpr_node_arm(node);
    (void)rpr_node_poll(node, world.now, 0);
    assert_true(wire->n_polls >= 2);
    rpr_node_close(node);
    free(wire);
    assert_int_equal(world.n_live, 0);
}

static void names_are_checked(void **state)
{
    struct bench t;
    struct wire *other = calloc(1, sizeof *other);

    (void)state;
    bench_init(&t, RPR_DIALECT_NUTTX);
    assert_int_equal(rpr_link_register(t.node, &other->link, &wire_ops, "", "wire", false),
                     -RPR_EINVAL);
    assert_int_equal(rpr_link_register(t.node, &other->link, &wire_ops,
                                       "12345678901234567890123456789012", "wire", false),
                     -RPR_EINVAL);
    assert_int_equal(rpr_link_register(t.node, &other->link, &wire_ops, "peer", "wire", false),
                     -RPR_EEXIST);
    assert_int_equal(rpr_link_register(t.node, &other->link, &wire_ops, "other", "wire", true),
                     -RPR_EINVAL); /* locks, on a platform that has none */
    for (unsigned i = 1; i < 2; i++) {
        t.world.fail_in = i;
        assert_int_equal(rpr_link_register(t.node, &other->link, &wire_ops, "other", "wire", false),
                         -RPR_ENOMEM);
    }
    free(other);
    bench_fini(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_lost_link_waits_for_its_transport),
        cmocka_unit_test(a_broken_link_comes_back_later_and_later),
        cmocka_unit_test(up_skips_the_back_off),
        cmocka_unit_test(down_holds_until_up),
        cmocka_unit_test(down_during_the_back_off_closes_no_second_time),
        cmocka_unit_test(down_and_up_inside_rx),
        cmocka_unit_test(down_inside_unbound_is_shown),
        cmocka_unit_test(up_inside_unbound_of_a_loss_changes_nothing),
        cmocka_unit_test(a_link_unregistered_inside_any_callback),
        cmocka_unit_test(up_inside_the_end_of_a_removed_link),
        cmocka_unit_test(a_stale_handle_of_a_removed_link),
        cmocka_unit_test(a_removed_device_that_is_kept),
        cmocka_unit_test(removal_ends_though_endpoints_are_opened_again),
        cmocka_unit_test(node_close_with_everything_outstanding),
        cmocka_unit_test(what_is_held_is_released_in_closed_at_node_close),
        cmocka_unit_test(doorbells_before_the_link_is_up),
        cmocka_unit_test(names_are_checked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
