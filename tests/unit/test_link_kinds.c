/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What holds for links of every kind: two nodes joined by a cable, by shared memory (each side once
 * the driver), or by a serial wire.
 */
#include "vring_pair.h"

#include "serial_line.h"

#define BUFFERS 8u
#define PAYLOAD 100u

struct joined {
    struct world w;
    struct rpr_node *node[2];
    struct rpr_device *to[2]; /* the other one, on each */
    struct ept x, y, z;       /* x on the first node; y and z on the second */
    struct rpr_cable *cable;
    struct vring_pair pair;
    struct serial_line line;
};

struct kind {
    const char *name;
    int (*join)(struct joined *j);
    void (*tend)(struct joined *j);
    void (*fini)(struct joined *j);
    bool connects_in_core; /* and not in what the test plays */
    bool credit;           /* two of ours agree on it by themselves */
};

/* ---- the kinds ------------------------------------------------------------------------------------ */

static int join_cable(struct joined *j)
{
    struct rpr_cable_config config = {.buffers = BUFFERS,
                                      .payload = PAYLOAD,
                                      .dialect = {RPR_DIALECT_NUTTX, RPR_DIALECT_NUTTX},
                                      .platform = &j->w.platform};
    int error = rpr_cable_open(&j->cable, &config);

    if (error)
        return error;
    error = rpr_cable_join(j->cable, RPR_CABLE_A, j->node[0], "b");
    return error ? error : rpr_cable_join(j->cable, RPR_CABLE_B, j->node[1], "a");
}

static void tend_nothing(struct joined *j)
{
    (void)j;
}

static void fini_cable(struct joined *j)
{
    if (j->cable)
        rpr_cable_close(j->cable);
}

static int join_vring(struct joined *j, unsigned driver)
{
    static const char *const names[] = {"a", "b"};

    memset(&j->pair, 0, sizeof j->pair);
    j->pair.dialect = RPR_DIALECT_NUTTX;
    if (rpr_vring_layout_local(&j->pair.layout, BUFFERS, PAYLOAD))
        return -RPR_EINVAL;
    for (unsigned i = 0; i < 2; i++) {
        struct vring_end *end = &j->pair.end[i];
        struct rpr_vring_config config = {
            .remote = names[i == driver ? 1 : 0],
            .kind = "test",
            .port = {.open = pair_open, .close = pair_close, .ctx = end}};
        int error;

        end->pair = &j->pair;
        config.remote = names[!(i ^ driver)];
        error = rpr_vring_open(j->node[i ^ driver], &config, &end->link);
        if (error)
            return error;
    }
    return 0;
}

static int join_driver(struct joined *j)
{
    return join_vring(j, 0);
}

static int join_device(struct joined *j)
{
    return join_vring(j, 1);
}

static void tend_vring(struct joined *j)
{
    pair_tend(&j->pair);
}

static void fini_vring(struct joined *j)
{
    pair_fini(&j->pair);
}

static int join_serial(struct joined *j)
{
    static const char *const names[] = {"b", "a"};
    int error = 0;

    line_init(&j->line);
    for (unsigned i = 0; i < 2 && !error; i++)
        error = line_join(
            &j->line, i, j->node[i], names[i],
            (struct rpr_serial_config){.size = PAYLOAD, .buffers = BUFFERS, .window = BUFFERS});
    return error;
}

static void tend_serial(struct joined *j)
{
    (void)line_move(&j->line, 0);
    (void)line_move(&j->line, 1);
}

static const struct kind kinds[] = {
    {"loop", join_cable, tend_nothing, fini_cable, true, false},
    {"vring, as driver", join_driver, tend_vring, fini_vring, false, false},
    {"vring, as device", join_device, tend_vring, fini_vring, false, false},
    {"serial", join_serial, tend_serial, tend_nothing, true, true},
};

#define N_KINDS (sizeof kinds / sizeof *kinds)

/* ---- two nodes ------------------------------------------------------------------------------------ */

/* For so long; everything that can happen does. */
static void go_on(struct joined *j, const struct kind *kind, uint64_t ns)
{
    for (uint64_t end = j->w.now + ns; j->w.now < end; j->w.now += US(200)) {
        for (unsigned i = 0; i < 2; i++) {
            (void)rpr_node_poll(j->node[i], j->w.now, 0);
            (void)rpr_node_arm(j->node[i]);
        }
        kind->tend(j);
    }
}

static void joined_init(struct joined *j, const struct kind *kind)
{
    memset(j, 0, sizeof *j);
    world_init(&j->w);
    j->node[0] = world_node(&j->w, "a");
    j->node[1] = world_node(&j->w, "b");
    assert_int_equal(kind->join(j), 0);
    j->to[0] = rpr_device_find(j->node[0], "b");
    j->to[1] = rpr_device_find(j->node[1], "a");
    j->x = (struct ept)EPT(&j->w, "x");
    j->y = (struct ept)EPT(&j->w, "y");
    j->z = (struct ept)EPT(&j->w, "z");
}

/* x and y are bound to each other. */
static void joined_talk(struct joined *j, const struct kind *kind)
{
    joined_init(j, kind);
    ept_open(&j->x, j->to[0], "svc");
    ept_open(&j->y, j->to[1], "svc");
    go_on(j, kind, MS(300));
    assert_non_null(strstr(j->w.events, "x:bound"));
    assert_non_null(strstr(j->w.events, "y:bound"));
    j->w.events[0] = '\0';
}

static void joined_fini(struct joined *j, const struct kind *kind)
{
    rpr_node_close(j->node[0]);
    rpr_node_close(j->node[1]);
    kind->fini(j);
    assert_int_equal(j->w.n_live, 0);
}

static void for_each_kind(void (*test)(struct joined *j, const struct kind *kind))
{
    static struct joined j;

    for (unsigned i = 0; i < N_KINDS; i++) {
        print_message("    %s\n", kinds[i].name);
        test(&j, &kinds[i]);
    }
}

/* ---- what is shown -------------------------------------------------------------------------------- */

/* How many buffers of that queue are listed, all with that holder. */
static unsigned count_buffers(struct rpr_device *device, const char *queue,
                              const struct rpr_endpoint *holder)
{
    struct rpr_buffer_info info;
    unsigned cursor = 0, n = 0;

    while (rpr_device_buffer(device, &cursor, &info)) {
        if (strcmp(info.queue, queue) != 0)
            continue;
        assert_ptr_equal(info.holder, holder);
        n++;
    }
    return n;
}

static struct rpr_queue_info queue_of(struct rpr_device *device, unsigned index)
{
    struct rpr_queue_info info = {0};

    assert_true(rpr_device_queue(device, index, &info));
    assert_string_equal(info.name, index ? "rx" : "tx");
    assert_int_equal(info.size, BUFFERS);
    return info;
}

static void check_shown(struct joined *j, const struct kind *kind)
{
    struct rpr_queue_info info;
    struct rpr_buf buf;
    uint32_t n_free;

    joined_talk(j, kind);
    j->y.result = RPR_HOLD;
    n_free = queue_of(j->to[0], 0).free;
    assert_int_equal(count_buffers(j->to[0], "tx", NULL), 0);

    /* one reserved, two held by the receiver */
    assert_int_equal(rpr_reserve(j->x.h, &buf), 0);
    assert_int_equal(count_buffers(j->to[0], "tx", NULL), 1);
    assert_in_range(queue_of(j->to[0], 0).free, n_free - 1, BUFFERS - 1);
    assert_int_equal(ept_send(&j->x, "one"), 0);
    assert_int_equal(ept_send(&j->x, "two"), 0);
    go_on(j, kind, MS(200));
    assert_events(&j->w, "y:rx one;y:rx two;");
    assert_int_equal(count_buffers(j->to[0], "tx", NULL), 1);
    assert_int_equal(count_buffers(j->to[1], "rx", j->y.h.endpoint), 2);
    assert_int_equal(queue_of(j->to[1], 1).pending, 0);

    rpr_release(&j->y.held[0]);
    assert_int_equal(count_buffers(j->to[1], "rx", j->y.h.endpoint), 1);
    rpr_release(&j->y.held[1]);
    assert_int_equal(count_buffers(j->to[1], "rx", NULL), 0);
    rpr_cancel(j->x.h, &buf);
    go_on(j, kind, MS(200));
    assert_int_equal(count_buffers(j->to[0], "tx", NULL), 0);
    assert_false(rpr_device_queue(j->to[0], 2, &info));

    /* without a session there is nothing to show */
    assert_int_equal(rpr_device_down(j->to[0]), 0);
    assert_false(rpr_device_queue(j->to[0], 0, &info));
    assert_int_equal(count_buffers(j->to[0], "tx", NULL), 0);
    joined_fini(j, kind);
}

static void queues_and_holders_are_shown(void **state)
{
    (void)state;
    for_each_kind(check_shown);
}

/* ---- what is too long ------------------------------------------------------------------------------ */

static void check_too_long(struct joined *j, const struct kind *kind)
{
    static const char text[2 * PAYLOAD];
    uint32_t max, n_free;

    joined_talk(j, kind);
    max = rpr_device_tx_len(j->to[0]);
    n_free = queue_of(j->to[0], 0).free;
    assert_in_range(max, PAYLOAD, sizeof text - 1);
    assert_int_equal(rpr_send(j->x.h, text, max + 1, 0), -RPR_EMSGSIZE);
    assert_int_equal(rpr_send_to(j->x.h, 1024, text, max + 1, 0), -RPR_EMSGSIZE);
    assert_int_equal(queue_of(j->to[0], 0).free, n_free);
    assert_int_equal(rpr_send(j->x.h, text, max, 0), 0);
    go_on(j, kind, MS(200));
    assert_int_equal(j->y.n_rx, 1);
    joined_fini(j, kind);
}

static void too_long_is_refused_and_takes_no_buffer(void **state)
{
    (void)state;
    for_each_kind(check_too_long);
}

/* ---- what was to be followed by more ----------------------------------------------------------------- */

static void check_more(struct joined *j, const struct kind *kind)
{
    unsigned n = 0;

    joined_talk(j, kind);
    while (rpr_send(j->x.h, ".", 1, RPR_MORE) == 0)
        n++;
    assert_in_range(n, 1, BUFFERS);
    j->w.events[0] = '\0';
    go_on(j, kind, MS(300));
    assert_int_equal(j->y.n_rx, n);
    assert_non_null(strstr(j->w.events, "x:writable;"));
    joined_fini(j, kind);
}

static void who_is_refused_has_sent_what_he_sent(void **state)
{
    (void)state;
    for_each_kind(check_more);
}

/* ---- a link that is stopped ------------------------------------------------------------------------- */

static void open_stopping(struct joined *j)
{
    struct rpr_ept_config config = {.name = "stop",
                                    .addr = RPR_ADDR_ANY,
                                    .dest = RPR_ADDR_ANY,
                                    .quota = 1,
                                    .overflow = RPR_STOP_LINK,
                                    .flags = RPR_EPT_MANUAL,
                                    .ops = &ept_ops,
                                    .ctx = &j->z};

    assert_int_equal(rpr_ept_open(j->to[1], &config, &j->z.h), 0);
    j->z.result = RPR_LATER;
}

static void check_stopped(struct joined *j, const struct kind *kind)
{
    struct ept sender = EPT(&j->w, "s");

    if (kind->credit)
        return; /* senders stop before */
    joined_talk(j, kind);
    open_stopping(j);
    ept_open(&sender, j->to[0], "stop");
    go_on(j, kind, MS(300));
    j->w.events[0] = '\0';
    assert_int_equal(ept_send(&sender, "1"), 0);
    assert_int_equal(ept_send(&sender, "2"), 0);
    assert_int_equal(ept_send(&j->x, "behind"), 0);
    go_on(j, kind, MS(300));
    assert_events(&j->w, "z:rx 1;"); /* 2 is left unread, and all behind it */
    j->z.result = RPR_DONE;
    assert_int_equal(rpr_ept_resume(j->z.h), 0);
    go_on(j, kind, MS(300));
    assert_events(&j->w, "z:rx 1;z:rx 2;y:rx behind;");
    joined_fini(j, kind);
}

static void a_stopped_link_loses_nothing(void **state)
{
    (void)state;
    for_each_kind(check_stopped);
}

/* ---- the end, in a callback -------------------------------------------------------------------------- */

static enum rpr_rx_result take_down(struct ept *e, const struct rpr_msg *msg)
{
    const struct joined *j = e->more;

    (void)msg;
    e->on_rx = NULL;
    assert_int_equal(rpr_device_down(j->to[1]), 0);
    return RPR_DONE;
}

static void check_down_inside(struct joined *j, const struct kind *kind)
{
    joined_talk(j, kind);
    j->y.more = j;
    j->y.on_rx = take_down;
    for (unsigned i = 0; i < 4; i++)
        assert_int_equal(ept_send(&j->x, "."), 0);
    go_on(j, kind, MS(300));
    assert_int_equal(j->y.n_rx, 1); /* nothing comes of a session that is over */
    assert_int_equal(rpr_device_state(j->to[1]), RPR_DEVICE_DOWN);
    assert_int_equal(rpr_device_state(j->to[0]), RPR_DEVICE_CONNECTING);
    j->w.events[0] = '\0';
    assert_int_equal(rpr_device_up(j->to[1]), 0);
    go_on(j, kind, S(3));
    assert_non_null(strstr(j->w.events, "x:bound"));
    assert_int_equal(ept_send(&j->x, "again"), 0);
    go_on(j, kind, MS(300));
    assert_int_equal(j->y.n_rx, 2);
    joined_fini(j, kind);
}

static void taken_down_by_who_receives(void **state)
{
    (void)state;
    for_each_kind(check_down_inside);
}

/* ---- power -------------------------------------------------------------------------------------------- */

static void check_power(struct joined *j, const struct kind *kind)
{
    joined_init(j, kind);
    assert_int_equal(rpr_device_power(j->to[0], false), -RPR_ENOTCONN);
    go_on(j, kind, MS(300));
    assert_int_equal(rpr_device_power(j->to[0], false), 0);
    go_on(j, kind, MS(300));
    assert_int_equal(rpr_device_state(j->to[1]), RPR_DEVICE_SUSPENDED);
    assert_int_equal(rpr_device_power(j->to[0], true), 0);
    go_on(j, kind, MS(300));
    assert_int_equal(rpr_device_state(j->to[1]), RPR_DEVICE_UP);
    joined_fini(j, kind);
}

static void the_peer_is_told_of_sleep(void **state)
{
    (void)state;
    for_each_kind(check_power);
}

/* ---- memory ---------------------------------------------------------------------------------------------- */

/* Opens it all with the n-th allocation failing; false: there were fewer. */
static bool open_without(struct joined *j, const struct kind *kind, unsigned n)
{
    int error;

    memset(j, 0, sizeof *j);
    world_init(&j->w);
    j->node[0] = world_node(&j->w, "a");
    j->node[1] = world_node(&j->w, "b");
    j->w.fail_in = n;
    error = kind->join(j);
    n = j->w.fail_in;
    j->w.fail_in = 0;
    assert_int_equal(error, n ? 0 : -RPR_ENOMEM);
    joined_fini(j, kind);
    return !n;
}

static void check_open_memory(struct joined *j, const struct kind *kind)
{
    unsigned n = 1;

    while (open_without(j, kind, n))
        n++;
    assert_true(n > 2);
}

static void no_memory_to_open(void **state)
{
    (void)state;
    for_each_kind(check_open_memory);
}

/* Whatever allocation fails while the sides connect and talk: it is made up for. */
static bool connect_without(struct joined *j, const struct kind *kind, unsigned n)
{
    joined_init(j, kind);
    ept_open(&j->x, j->to[0], "svc");
    ept_open(&j->y, j->to[1], "svc");
    j->w.fail_in = n;
    go_on(j, kind, MS(300));
    n = j->w.fail_in;
    j->w.fail_in = 0;
    go_on(j, kind, S(5));
    assert_int_equal(rpr_device_state(j->to[0]), RPR_DEVICE_UP);
    assert_int_equal(rpr_device_state(j->to[1]), RPR_DEVICE_UP);
    assert_int_equal(ept_send(&j->x, "here"), 0);
    go_on(j, kind, MS(300));
    assert_int_equal(j->y.n_rx, 1);
    joined_fini(j, kind);
    return !n;
}

static void check_connect_memory(struct joined *j, const struct kind *kind)
{
    unsigned n = 1;

    if (!kind->connects_in_core)
        return;
    while (connect_without(j, kind, n))
        n++;
    assert_true(n > 1);
}

static void no_memory_to_connect(void **state)
{
    (void)state;
    for_each_kind(check_connect_memory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(queues_and_holders_are_shown),
        cmocka_unit_test(too_long_is_refused_and_takes_no_buffer),
        cmocka_unit_test(who_is_refused_has_sent_what_he_sent),
        cmocka_unit_test(a_stopped_link_loses_nothing),
        cmocka_unit_test(taken_down_by_who_receives),
        cmocka_unit_test(the_peer_is_told_of_sleep),
        cmocka_unit_test(no_memory_to_open),
        cmocka_unit_test(no_memory_to_connect),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
