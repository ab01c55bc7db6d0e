/* SPDX-License-Identifier: Apache-2.0 */
/* The owner's loop: budgets and turns, when it may sleep, timers, commands, events, power. */
#include "core_fixture.h"

struct bench {
    struct world world;
    struct rpr_node *node;
    struct wire *wire[2];
    struct ept x[2];
};

static void bench_init(struct bench *t)
{
    static const char *const names[] = {"one", "two"};

    memset(t, 0, sizeof *t);
    world_init(&t->world);
    t->node = world_node(&t->world, "me");
    for (unsigned i = 0; i < 2; i++) {
        t->wire[i] = wire_new(&t->world, t->node, names[i]);
        settle(&t->world, t->node);
        wire_up(t->wire[i], RPR_DIALECT_NUTTX, false, 64);
        t->x[i] = (struct ept)EPT(&t->world, i ? "y" : "x");
        t->x[i].more = t;
        assert_int_equal(ept_open_as(&t->x[i], rpr_device_find(t->node, names[i]),
                                     (struct rpr_ept_config){.addr = 100 + i, .dest = 7}),
                         0);
    }
    settle(&t->world, t->node);
    t->world.events[0] = '\0';
}

static void bench_fini(struct bench *t)
{
    rpr_node_close(t->node);
    free(t->wire[0]);
    free(t->wire[1]);
    assert_int_equal(t->world.n_live, 0);
}

static void arrive(struct bench *t, unsigned i, unsigned n)
{
    while (n--)
        wire_text(t->wire[i], 7, 100 + i, ".");
}

/* ---- turns ---------------------------------------------------------------------------------- */

static void each_link_has_its_budget_and_its_turn(void **state)
{
    struct bench t;

    (void)state;
    bench_init(&t);
    arrive(&t, 0, 100);
    arrive(&t, 1, 3);
    assert_true(rpr_node_poll(t.node, t.world.now, 10) == RPR_POLL_MORE);
    assert_int_equal(t.x[0].n_rx, 10);
    assert_int_equal(t.x[1].n_rx, 3); /* one that floods does not keep others waiting */
    arrive(&t, 1, 5);
    assert_true(rpr_node_poll(t.node, t.world.now, 10) == RPR_POLL_MORE);
    assert_int_equal(t.x[0].n_rx, 20);
    assert_int_equal(t.x[1].n_rx, 8);
    assert_true(rpr_node_poll(t.node, t.world.now, 0) == RPR_POLL_MORE);
    assert_int_equal(t.x[0].n_rx, 52); /* 0 is 32 */
    settle(&t.world, t.node);
    assert_int_equal(t.x[0].n_rx, 100);
    bench_fini(&t);
}

static void idle_links_are_not_looked_at(void **state)
{
    struct bench t;
    unsigned before;

    (void)state;
    bench_init(&t);
    settle(&t.world, t.node);
    assert_true(t.wire[0]->armed && t.wire[1]->armed);
    before = t.wire[1]->n_polls;
    for (unsigned i = 0; i < 10; i++) {
        arrive(&t, 0, 1);
        assert_false(t.wire[0]->armed); /* it rang: no more doorbells, we are looking */
        settle(&t.world, t.node);
        assert_true(t.wire[0]->armed);
    }
    assert_int_equal(t.x[0].n_rx, 10);
    assert_int_equal(t.wire[1]->n_polls, before);
    bench_fini(&t);
}

static void nobody_sleeps_over_what_came_meanwhile(void **state)
{
    struct bench t;

    (void)state;
    bench_init(&t);
    rpr_link_ready(&t.wire[0]->link);
    (void)rpr_node_poll(t.node, t.world.now, 0);
    t.wire[0]->armed = false;
    arrive(&t, 0, 1); /* between the poll and the arming, without a doorbell */
    assert_false(rpr_node_arm(t.node));
    (void)rpr_node_poll(t.node, t.world.now, 0);
    assert_int_equal(t.x[0].n_rx, 1);
    assert_true(rpr_node_arm(t.node));
    bench_fini(&t);
}

static enum rpr_rx_result pass_on(struct ept *e, const struct rpr_msg *msg)
{
    struct bench *t = e->more;
    unsigned other = e == &t->x[0];

    assert_int_equal(rpr_send(t->x[other].h, msg->data, msg->len, 0), 0);
    return RPR_DONE;
}

/* Whatever one link's messages cause on the other leaves before anybody sleeps, with one doorbell. */
static void what_is_sent_in_callbacks_leaves_at_the_end_of_the_poll(void **state)
{
    (void)state;
    for (unsigned from = 0; from < 2; from++) {
        struct bench t;
        struct ept late = EPT(&t.world, "l");

        bench_init(&t);
        t.x[from].on_rx = pass_on;
        t.wire[!from]->n_flushes = 0;
        arrive(&t, from, 5);
        (void)rpr_node_poll(t.node, t.world.now, 0);
        assert_int_equal(t.wire[!from]->n_flushed, 5);
        assert_int_equal(t.wire[!from]->n_flushes, 1);
        (void)wire_said(t.wire[!from]);
        settle(&t.world, t.node);
        ept_open(&late, rpr_device_find(t.node, from ? "one" : "two"), "late"); /* after the poll */
        settle(&t.world, t.node);
        assert_said(t.wire[!from], "CREATE late 1024;");
        bench_fini(&t);
    }
}

static enum rpr_rx_result open_on_the_other(struct ept *e, const struct rpr_msg *msg)
{
    struct bench *t = e->more;
    static struct ept late;

    (void)msg;
    late = (struct ept)EPT(&t->world, "l");
    ept_open(&late, rpr_device_find(t->node, e == &t->x[0] ? "two" : "one"), "late");
    return RPR_DONE;
}

static void words_for_a_link_whose_turn_is_over(void **state)
{
    (void)state;
    for (unsigned from = 0; from < 2; from++) {
        struct bench t;

        bench_init(&t);
        t.x[from].on_rx = open_on_the_other;
        rpr_link_ready(&t.wire[!from]->link); /* its turn is first, or last */
        arrive(&t, from, 1);
        settle(&t.world, t.node);
        assert_said(t.wire[!from], "CREATE late 1024;");
        bench_fini(&t);
    }
}

/* ---- any thread, any interrupt -------------------------------------------------------------- */

static void a_wake_looks_at_every_link(void **state)
{
    struct bench t;

    (void)state;
    bench_init(&t);
    t.wire[0]->armed = t.wire[1]->armed = false; /* doorbells get lost */
    arrive(&t, 0, 1);
    arrive(&t, 1, 1);
    (void)rpr_node_poll(t.node, t.world.now, 0);
    assert_int_equal(t.x[0].n_rx + t.x[1].n_rx, 0);
    rpr_node_wake(t.node);
    assert_int_equal(t.world.n_wakes, 1);
    assert_false(rpr_node_arm(t.node));
    (void)rpr_node_poll(t.node, t.world.now, 0);
    assert_int_equal(t.x[0].n_rx + t.x[1].n_rx, 2);
    bench_fini(&t);
}

struct job {
    struct rpr_command command;
    struct bench *bench;
    char tag;
    struct job *next;
};

static void run_job(struct rpr_command *command)
{
    struct job *job = RPR_CONTAINER(command, struct job, command);

    note(&job->bench->world, "%c", job->tag);
    if (job->next)
        rpr_node_post(job->bench->node, &job->next->command);
    memset(job, 0xdd, sizeof *job); /* it is the caller's again */
}

static void commands_run_in_order_inside_poll(void **state)
{
    struct bench t;
    struct job jobs[4];

    (void)state;
    bench_init(&t);
    for (unsigned i = 0; i < 4; i++)
        jobs[i] = (struct job){{run_job, NULL}, &t, (char)('a' + i), i == 0 ? &jobs[3] : NULL};
    for (unsigned i = 0; i < 3; i++)
        rpr_node_post(t.node, &jobs[i].command);
    assert_events(&t.world, "");
    assert_false(rpr_node_arm(t.node));
    assert_true(rpr_node_poll(t.node, t.world.now, 0) == RPR_POLL_MORE); /* one was posted inside */
    assert_events(&t.world, "abc");
    (void)rpr_node_poll(t.node, t.world.now, 0);
    assert_events(&t.world, "d");
    bench_fini(&t);
}

/* ---- timers --------------------------------------------------------------------------------- */

struct alarm {
    struct rpr_timer timer;
    struct bench *bench;
    char tag;
    uint64_t every;
    struct alarm *stops;
};

static void ring_alarm(struct rpr_timer *timer, uint64_t now_ns)
{
    struct alarm *a = RPR_CONTAINER(timer, struct alarm, timer);

    assert_int_equal(now_ns, a->bench->world.now);
    note(&a->bench->world, "%c", a->tag);
    if (a->every)
        rpr_timer_start(a->bench->node, timer, now_ns + a->every);
    if (a->stops)
        rpr_timer_stop(a->bench->node, &a->stops->timer);
}

static void timers_fire_in_order_and_poll_says_when(void **state)
{
    struct bench t;
    struct alarm a = {.timer = {.fire = ring_alarm}, .bench = &t, .tag = 'a'};
    struct alarm b = {.timer = {.fire = ring_alarm}, .bench = &t, .tag = 'b'};
    struct alarm c = {.timer = {.fire = ring_alarm}, .bench = &t, .tag = 'c'};

    (void)state;
    bench_init(&t);
    b.stops = &c;
    a.every = US(3);
    rpr_timer_start(t.node, &a.timer, t.world.now + US(2));
    rpr_timer_start(t.node, &b.timer, t.world.now + US(7));
    rpr_timer_start(t.node, &c.timer, t.world.now + US(7));
    rpr_timer_start(t.node, &c.timer, t.world.now + US(8));
    assert_int_equal(rpr_node_poll(t.node, t.world.now, 0), t.world.now + US(2));
    pass(&t.world, t.node, US(10));
    assert_events(&t.world, "aaba"); /* at 2, 5, 7 and 8 */
    rpr_timer_stop(t.node, &a.timer);
    rpr_timer_stop(t.node, &a.timer);
    assert_true(rpr_node_poll(t.node, t.world.now, 0) == RPR_POLL_IDLE);
    bench_fini(&t);
}

/* ---- what is told --------------------------------------------------------------------------- */

static void write_event(void *ctx, const struct rpr_event *event)
{
    struct world *w = ctx;

    note(w, "%d %s;", event->kind, event->device ? rpr_device_name(event->device) : "-");
}

static void devices_come_change_and_go(void **state)
{
    struct world w;
    struct rpr_node *node;
    struct wire *wire;
    struct rpr_observer observer = {.event = write_event, .ctx = &w};
    char expected[200];

    (void)state;
    world_init(&w);
    node = world_node(&w, "me");
    rpr_observer_add(node, &observer);
    wire = wire_new(&w, node, "peer");
    settle(&w, node);
    wire_up(wire, RPR_DIALECT_RPR, false, 8);
    rpr_link_power(&wire->link, false);
    rpr_link_power(&wire->link, false);
    assert_int_equal(rpr_device_state(rpr_device_find(node, "peer")), RPR_DEVICE_SUSPENDED);
    rpr_link_power(&wire->link, true);
    rpr_link_unregister(&wire->link);
    snprintf(expected, sizeof expected, "%d peer;%d peer;%d peer;%d peer;%d peer;%d peer;%d peer;",
             RPR_EVENT_DEVICE_ADDED, RPR_EVENT_DEVICE_STATE, RPR_EVENT_DEVICE_STATE,
             RPR_EVENT_DEVICE_STATE, RPR_EVENT_DEVICE_STATE, RPR_EVENT_DEVICE_STATE,
             RPR_EVENT_DEVICE_REMOVED);
    assert_events(&w, expected);
    rpr_observer_remove(node, &observer);
    rpr_node_close(node);
    free(wire);
    assert_int_equal(w.n_live, 0);
}

static void power_goes_to_the_link(void **state)
{
    struct bench t;
    struct rpr_device *d;

    (void)state;
    bench_init(&t);
    d = rpr_device_find(t.node, "one");
    assert_int_equal(rpr_device_power(d, false), 0);
    assert_false(t.wire[0]->running);
    assert_int_equal(rpr_device_power(d, true), 0);
    assert_true(t.wire[0]->running);
    rpr_link_down(&t.wire[0]->link, "gone");
    assert_int_equal(rpr_device_power(d, false), -RPR_ENOTCONN);
    bench_fini(&t);
}

static void errors_have_texts(void **state)
{
    (void)state;
    static const int codes[] = {0,
                                RPR_EPERM,
                                RPR_ENOENT,
                                RPR_EIO,
                                RPR_EAGAIN,
                                RPR_ENOMEM,
                                RPR_EBUSY,
                                RPR_EEXIST,
                                RPR_EINVAL,
                                RPR_ENOSPC,
                                RPR_EDEADLK,
                                RPR_ENAMETOOLONG,
                                RPR_EPROTO,
                                RPR_EMSGSIZE,
                                RPR_ENOTSUP,
                                RPR_ENOTCONN,
                                RPR_ETIMEDOUT,
                                RPR_ESTALE,
                                RPR_ESTALE + 1}; /* no code */

    for (unsigned i = 0; i < sizeof codes / sizeof *codes; i++) {
        assert_string_equal(rpr_strerror(-codes[i]), rpr_strerror(codes[i]));
        for (unsigned k = 0; k < i; k++) /* each has one of its own */
            assert_string_not_equal(rpr_strerror(codes[k]), rpr_strerror(codes[i]));
    }
    assert_string_equal(rpr_strerror(0), "no error");
    assert_string_equal(rpr_strerror(-9999), "unknown error");
}

#define ROUTED_MAX 256u /* names that hubs may make a node remember */

static int offer_cpu(struct bench *t, unsigned i, struct rpr_device **device)
{
    struct rpr_routed_config config = {
        .via = rpr_device_find(t->node, "one"), .tx_len = 100, .rx_len = 100};
    char name[8];

    snprintf(name, sizeof name, "n%u", i);
    config.name = name;
    return rpr_routed_up(t->node, &config, device);
}

static void a_hub_cannot_make_a_node_remember_without_end(void **state)
{
    struct bench t;
    struct rpr_device *device[ROUTED_MAX], *more;
    struct ept used = EPT(&t.world, "used");

    (void)state;
    bench_init(&t);
    for (unsigned i = 0; i < ROUTED_MAX; i++)
        assert_int_equal(offer_cpu(&t, i, &device[i]), 0);
    assert_int_equal(offer_cpu(&t, ROUTED_MAX, &more), -RPR_ENOSPC);
    ept_open(&used, device[10], "svc");
    rpr_device_get(device[11]);
    rpr_routed_down(device[10], "gone");
    rpr_routed_down(device[11], "gone");
    assert_int_equal(offer_cpu(&t, ROUTED_MAX, &more), -RPR_ENOSPC); /* both are in use */
    rpr_routed_down(device[12], "gone");
    assert_int_equal(offer_cpu(&t, ROUTED_MAX, &more), 0); /* n12 is forgotten for it */
    assert_null(rpr_device_find(t.node, "n12"));
    assert_ptr_equal(rpr_device_find(t.node, "n10"), device[10]);
    assert_ptr_equal(rpr_device_find(t.node, "n11"), device[11]);
    assert_int_equal(offer_cpu(&t, 12, &more), -RPR_ENOSPC);
    rpr_device_put(device[11]);
    assert_int_equal(offer_cpu(&t, 12, &more), 0);
    assert_null(rpr_device_find(t.node, "n11"));
    assert_int_equal(rpr_device_down(more), -RPR_ENOTSUP); /* that is the hub's */
    bench_fini(&t);
}

/* Those that do the name service themselves. */
static void binding_by_hand_needs_a_device_that_is_up(void **state)
{
    struct bench t;
    struct ept e = EPT(&t.world, "e");

    (void)state;
    bench_init(&t);
    assert_int_equal(ept_open_as(&e, rpr_device_find(t.node, "one"),
                                 (struct rpr_ept_config){.name = "svc",
                                                         .addr = RPR_ADDR_ANY,
                                                         .dest = RPR_ADDR_ANY,
                                                         .flags = RPR_EPT_NO_NS}),
                     0);
    assert_int_equal(rpr_ept_bind(e.h, 77, true), 0);
    rpr_link_down(&t.wire[0]->link, "gone");
    assert_int_equal(rpr_ept_bind(e.h, 77, true), -RPR_ENOTCONN);
    assert_int_equal(rpr_ept_unbind(e.h, true), -RPR_ENOTCONN);
    assert_int_equal(rpr_ept_close(e.h), 0);
    assert_int_equal(rpr_ept_bind(e.h, 77, true), -RPR_ESTALE);
    assert_int_equal(rpr_ept_unbind(e.h, true), -RPR_ESTALE);
    bench_fini(&t);
}

static void nodes_are_checked(void **state)
{
    struct world w;
    struct rpr_node *node;

    (void)state;
    world_init(&w);
    assert_int_equal(rpr_node_open(&node, &(struct rpr_node_config){.platform = &w.platform}),
                     -RPR_EINVAL);
    assert_int_equal(
        rpr_node_open(&node, &(struct rpr_node_config){.name = "", .platform = &w.platform}),
        -RPR_EINVAL);
    assert_int_equal(rpr_node_open(&node, &(struct rpr_node_config){.name = "me"}), -RPR_EINVAL);
    assert_int_equal(
        rpr_node_open(&node, &(struct rpr_node_config){.name = "12345678901234567890123456789012",
                                                       .platform = &w.platform}),
        -RPR_EINVAL);
    for (unsigned i = 1; i <= 2; i++) {
        w.fail_in = i;
        assert_int_equal(
            rpr_node_open(&node, &(struct rpr_node_config){.name = "me", .platform = &w.platform}),
            -RPR_ENOMEM);
        assert_int_equal(w.n_live, 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_link_has_its_budget_and_its_turn),
        cmocka_unit_test(idle_links_are_not_looked_at),
        cmocka_unit_test(nobody_sleeps_over_what_came_meanwhile),
        cmocka_unit_test(what_is_sent_in_callbacks_leaves_at_the_end_of_the_poll),
        cmocka_unit_test(words_for_a_link_whose_turn_is_over),
        cmocka_unit_test(a_wake_looks_at_every_link),
        cmocka_unit_test(commands_run_in_order_inside_poll),
        cmocka_unit_test(timers_fire_in_order_and_poll_says_when),
        cmocka_unit_test(devices_come_change_and_go),
        cmocka_unit_test(power_goes_to_the_link),
        cmocka_unit_test(errors_have_texts),
        cmocka_unit_test(a_hub_cannot_make_a_node_remember_without_end),
        cmocka_unit_test(binding_by_hand_needs_a_device_that_is_up),
        cmocka_unit_test(nodes_are_checked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
