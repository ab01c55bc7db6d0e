/* SPDX-License-Identifier: Apache-2.0 */
/* The vring link as the wire has it (WIRE 2): rings, buffers, doorbells, layouts. */
#include "vring_pair.h"

#define NUM     8u
#define PAYLOAD 100u

struct bench {
    struct world world;
    struct rpr_node *node[2]; /* driver, device */
    struct vring_pair pair;
    struct ept x[2];
};

static void bench_start(struct bench *t)
{
    static const char *const names[] = {"drv", "dev"};

    memset(t, 0, sizeof *t);
    world_init(&t->world);
    for (unsigned i = 0; i < 2; i++)
        t->node[i] = world_node(&t->world, names[i]);
    pair_init(&t->pair, NUM, PAYLOAD, t->node[0], "dev", t->node[1], "drv");
    for (unsigned i = 0; i < 2; i++)
        t->x[i] = (struct ept)EPT(&t->world, i ? "dev" : "drv");
}

static struct rpr_device *device_of(struct bench *t, unsigned i)
{
    return rpr_device_find(t->node[i], i ? "drv" : "dev");
}

static void settle_both(struct bench *t)
{
    for (unsigned i = 0; i < 6; i++) {
        settle(&t->world, t->node[0]);
        settle(&t->world, t->node[1]);
    }
}

/* Connected, and endpoints without a name bound to each other. */
static void bench_init(struct bench *t)
{
    bench_start(t);
    pair_tend(&t->pair);
    for (unsigned i = 0; i < 2; i++)
        assert_int_equal(ept_open_as(&t->x[i], device_of(t, i),
                                     (struct rpr_ept_config){.addr = 100, .dest = 100}),
                         0);
    settle_both(t);
    t->world.events[0] = '\0';
    memset(t->pair.end[0].n_rings, 0, sizeof t->pair.end[0].n_rings);
    memset(t->pair.end[1].n_rings, 0, sizeof t->pair.end[1].n_rings);
}

static void bench_fini(struct bench *t)
{
    for (unsigned i = 0; i < 2; i++)
        rpr_node_close(t->node[i]);
    pair_fini(&t->pair);
    assert_int_equal(t->world.n_live, 0);
}

static uint8_t *at(struct bench *t, uint32_t offset)
{
    return t->pair.region + offset;
}

static const struct rpr_vring_ring *ring(const struct bench *t, unsigned i)
{
    return &t->pair.layout.ring[i];
}

/* ---- bytes in memory ------------------------------------------------------------------------ */

static void the_driver_prepares_the_rings(void **state)
{
    struct bench t;

    (void)state;
    bench_init(&t);
    for (unsigned i = 0; i < 2; i++) {
        const struct rpr_vring_ring *r = ring(&t, i);

        for (uint32_t id = 0; id < NUM; id++) {
            const uint8_t *d = at(&t, r->desc + 16 * id);

            assert_int_equal(get_le64(d), UINT64_C(0x123456000) + r->buffers + id * r->stride);
            assert_int_equal(get_le32(d + 8), PAYLOAD + 16);
            assert_int_equal(get_le16(d + 12), i == 0 ? 2 : 0); /* WRITE: the device fills it */
        }
        assert_int_equal(get_le16(at(&t, r->avail + 2)), i == 0 ? NUM : 0);
        assert_int_equal(get_le16(at(&t, r->used + 2)), 0);
    }
    bench_fini(&t);
}

static void a_message_as_it_lies_in_memory(void **state)
{
    (void)state;
    for (unsigned from = 0; from < 2; from++) {
        struct bench t;
        const struct rpr_vring_ring *r;
        const uint8_t *m;
        uint32_t id;

        bench_init(&t);
        r = ring(&t, from == 0 ? 1 : 0);
        assert_int_equal(ept_send(&t.x[from], "hello"), 0);
        if (from == 0) {
            assert_int_equal(get_le16(at(&t, r->avail + 2)), 1);
            id = get_le16(at(&t, r->avail + 4));
        } else {
            assert_int_equal(get_le16(at(&t, r->used + 2)), 1);
            id = get_le32(at(&t, r->used + 4));
            assert_int_equal(get_le32(at(&t, r->used + 8)), PAYLOAD + 16); /* H-11: all of it */
        }
        m = at(&t, r->buffers + id * r->stride);
        assert_int_equal(get_le32(m), 100);
        assert_int_equal(get_le32(m + 4), 100);
        assert_int_equal(get_le32(m + 8), 0);
        assert_int_equal(get_le16(m + 12), 5);
        assert_int_equal(get_le16(m + 14), 0);
        assert_memory_equal(m + 16, "hello", 5);
        settle_both(&t);
        assert_events(&t.world, from ? "drv:rx hello;" : "dev:rx hello;");
        if (from == 0) { /* returned, with its full length */
            assert_int_equal(get_le16(at(&t, r->used + 2)), 1);
            assert_int_equal(get_le32(at(&t, r->used + 4)), id);
            assert_int_equal(get_le32(at(&t, r->used + 8)), PAYLOAD + 16);
        } else {
            assert_int_equal(get_le16(at(&t, r->avail + 2)), NUM + 1);
            assert_int_equal(get_le16(at(&t, r->avail + 4 + 2 * (NUM % NUM))), id);
        }
        bench_fini(&t);
    }
}

static void indices_go_round(void **state)
{
    struct bench t;

    (void)state;
    bench_init(&t);
    for (unsigned i = 0; i < 70000; i++) { /* past 2^16 */
        assert_int_equal(ept_send(&t.x[0], "a"), 0);
        (void)rpr_node_poll(t.node[1], t.world.now, 0);
        assert_int_equal(ept_send(&t.x[1], "b"), 0);
        (void)rpr_node_poll(t.node[0], t.world.now, 0);
        t.world.events[0] = '\0';
    }
    assert_int_equal(t.x[0].n_rx, 70000);
    assert_int_equal(t.x[1].n_rx, 70000);
    bench_fini(&t);
}

/* ---- buffers -------------------------------------------------------------------------------- */

static void the_last_buffer_is_for_control(void **state)
{
    (void)state;
    for (unsigned from = 0; from < 2; from++) {
        struct bench t;
        struct ept c = EPT(&t.world, "c");
        unsigned n = 0;

        bench_init(&t);
        while (ept_send(&t.x[from], ".") == 0)
            n++;
        assert_int_equal(n, NUM - 1);
        assert_int_equal(ept_open_as(&c, device_of(&t, from),
                                     (struct rpr_ept_config){
                                         .addr = 101, .dest = 101, .flags = RPR_EPT_CONTROL}),
                         0);
        assert_int_equal(ept_send(&c, "!"), 0);
        assert_int_equal(ept_send(&c, "!"), -RPR_EAGAIN);
        t.world.events[0] = '\0';
        settle_both(&t);
        assert_non_null(strstr(t.world.events, "c:writable;"));
        assert_non_null(strstr(t.world.events, ":writable;"));
        assert_int_equal(t.x[!from].n_rx, NUM - 1);
        bench_fini(&t);
    }
}

/* Held buffers come back in any order, and the ring goes on without them. */
static void buffers_return_out_of_order(void **state)
{
    (void)state;
    for (unsigned from = 0; from < 2; from++) {
        struct bench t;
        struct ept *to;

        bench_init(&t);
        to = &t.x[!from];
        to->result = RPR_HOLD;
        assert_int_equal(ept_send(&t.x[from], "0"), 0);
        assert_int_equal(ept_send(&t.x[from], "1"), 0);
        assert_int_equal(ept_send(&t.x[from], "2"), 0);
        settle_both(&t);
        assert_int_equal(to->n_held, 3);
        to->result = RPR_DONE;
        for (unsigned i = 0; i < 50; i++) {
            assert_int_equal(ept_send(&t.x[from], "m"), 0);
            settle_both(&t);
        }
        rpr_release(&to->held[1]);
        rpr_release(&to->held[2]);
        settle_both(&t);
        assert_memory_equal(to->held[0].data, "0", 1);
        rpr_release(&to->held[0]);
        settle_both(&t);
        for (unsigned i = 0; i < NUM - 1; i++)
            assert_int_equal(ept_send(&t.x[from], "m"), 0);
        assert_int_equal(ept_send(&t.x[from], "m"), -RPR_EAGAIN);
        settle_both(&t);
        assert_int_equal(to->n_rx, 3 + 50 + NUM - 1);
        bench_fini(&t);
    }
}

static void too_long_is_refused_and_the_longest_is_taken(void **state)
{
    struct bench t;
    char text[PAYLOAD + 1];

    (void)state;
    bench_init(&t);
    memset(text, 'x', sizeof text);
    for (unsigned from = 0; from < 2; from++) {
        assert_int_equal(rpr_device_tx_len(device_of(&t, from)), PAYLOAD);
        assert_int_equal(rpr_send(t.x[from].h, text, PAYLOAD + 1, 0), -RPR_EMSGSIZE);
        for (uint32_t len = 0; len <= PAYLOAD; len++) {
            assert_int_equal(rpr_send(t.x[from].h, text, len, 0), 0);
            settle_both(&t);
        }
        assert_int_equal(t.x[!from].n_rx, PAYLOAD + 1);
    }
    bench_fini(&t);
}

/* ---- doorbells ------------------------------------------------------------------------------ */

static unsigned rings(struct bench *t, unsigned from)
{
    unsigned n = t->pair.end[from].n_rings[0] + t->pair.end[from].n_rings[1];

    t->pair.end[from].n_rings[0] = t->pair.end[from].n_rings[1] = 0;
    return n;
}

static void one_doorbell_for_a_batch_and_none_for_who_is_awake(void **state)
{
    (void)state;
    for (unsigned from = 0; from < 2; from++) {
        struct bench t;

        bench_init(&t);
        for (unsigned i = 0; i < 4; i++)
            assert_int_equal(rpr_send(t.x[from].h, "m", 1, RPR_MORE), 0);
        assert_int_equal(rings(&t, from), 0);
        rpr_flush(device_of(&t, from));
        assert_int_equal(rings(&t, from), 1); /* that woke it */
        assert_int_equal(ept_send(&t.x[from], "m"), 0);
        assert_int_equal(rings(&t, from), 0);
        (void)rpr_node_poll(t.node[!from], t.world.now, 0);
        assert_int_equal(t.x[!from].n_rx, 5);
        assert_int_equal(rings(&t, !from), 0); /* nobody waits for the buffers */
        assert_true(rpr_node_arm(t.node[!from]));
        assert_int_equal(ept_send(&t.x[from], "m"), 0);
        assert_int_equal(rings(&t, from), 1);
        bench_fini(&t);
    }
}

static void returned_buffers_ring_for_who_waits(void **state)
{
    (void)state;
    for (unsigned from = 0; from < 2; from++) {
        struct bench t;

        bench_init(&t);
        while (ept_send(&t.x[from], ".") == 0)
            ;
        settle(&t.world, t.node[from]); /* sleeps, and wants to hear of buffers */
        (void)rings(&t, from);
        settle(&t.world, t.node[!from]);
        assert_int_equal(rings(&t, !from), 1);
        settle(&t.world, t.node[from]);
        assert_non_null(strstr(t.world.events, ":writable;"));
        bench_fini(&t);
    }
}

/* H-28: a peer that suppresses all interrupts and wants them all the same. */
static void some_are_always_rung(void **state)
{
    struct bench t;

    (void)state;
    bench_start(&t);
    t.pair.always_ring = true;
    pair_tend(&t.pair);
    assert_int_equal(
        ept_open_as(&t.x[1], device_of(&t, 1), (struct rpr_ept_config){.addr = 100, .dest = 100}),
        0);
    (void)rings(&t, 1);
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(ept_send(&t.x[1], "m"), 0); /* the driver is awake */
    assert_int_equal(rings(&t, 1), 3);
    bench_fini(&t);
}

/* ---- starting ------------------------------------------------------------------------------- */

/* RPMsg-Lite's master hands its ring 1 over as used (WIRE 2.2): a device goes on from there. */
static void a_device_goes_on_from_the_used_index_it_finds(void **state)
{
    struct bench t;
    const struct rpr_vring_ring *r;

    (void)state;
    bench_start(&t);
    pair_new_region(&t.pair);
    r = ring(&t, 1);
    for (uint32_t id = 0; id < NUM; id++) { /* the master's part, by hand */
        put_le64(at(&t, r->desc + 16 * id), UINT64_C(0x123456000) + r->buffers + id * r->stride);
        put_le32(at(&t, r->desc + 16 * id + 8), PAYLOAD + 16);
        put_le32(at(&t, r->used + 4 + 8 * id), id);
        put_le32(at(&t, r->used + 8 + 8 * id), PAYLOAD + 16);
    }
    put_le16(at(&t, r->used + 2), NUM);
    assert_int_equal(pair_attach(&t.pair, 1), 0);
    assert_int_equal(
        ept_open_as(&t.x[1], device_of(&t, 1), (struct rpr_ept_config){.addr = 100, .dest = 100}),
        0);
    header_put(at(&t, r->buffers + 3 * r->stride), 100, 100, 2);
    memcpy(at(&t, r->buffers + 3 * r->stride + 16), "hi", 2);
    put_le16(at(&t, r->avail + 4), 3);
    put_le16(at(&t, r->avail + 2), 1);
    t.world.events[0] = '\0';
    (void)rpr_node_poll(t.node[1], t.world.now, 0);
    assert_events(&t.world, "dev:rx hi;");
    assert_int_equal(get_le16(at(&t, r->used + 2)), NUM + 1);
    assert_int_equal(get_le32(at(&t, r->used + 4)), 3);
    bench_fini(&t);
}

static void nonsense_is_not_attached(void **state)
{
    struct bench t;
    struct rpr_vring_layout good;
    struct rpr_vring_layout bad[10];

    (void)state;
    bench_start(&t);
    good = t.pair.layout;
    for (unsigned i = 0; i < 10; i++)
        bad[i] = good;
    bad[0].ring[0].num = 6;
    bad[1].ring[1].num = 1;
    bad[2].ring[0].desc = good.bytes - 16;
    bad[3].ring[1].used = good.ring[1].desc;
    bad[4].ring[0].avail += 1;
    bad[5].ring[1].size = 16;
    bad[6].ring[0].size = 0;
    bad[7].ring[1].stride = 0; /* a driver must know where its buffers are */
    bad[8].ring[0].buffers = good.bytes - 128;
    bad[9].driver_power = good.bytes;
    pair_new_region(&t.pair);
    for (unsigned i = 0; i < 10; i++) {
        t.pair.layout = bad[i];
        assert_int_equal(pair_attach(&t.pair, 0), -RPR_EINVAL);
        assert_false(t.pair.end[0].attached);
    }
    t.pair.layout = good;
    t.world.fail_in = 1;
    assert_int_equal(pair_attach(&t.pair, 0), -RPR_ENOMEM);
    assert_int_equal(pair_attach(&t.pair, 0), 0);
    bench_fini(&t);
}

static void local_layouts(void **state)
{
    static const uint32_t nums[] = {2, 4, 256, 32768}, payloads[] = {1, 48, 2048, 65519};
    struct rpr_vring_layout l;

    (void)state;
    for (unsigned n = 0; n < 4; n++) {
        for (unsigned p = 0; p < 4; p++) {
            int error = rpr_vring_layout_local(&l, nums[n], payloads[p]);

            if (nums[n] == 32768 && payloads[p] == 65519) {
                assert_int_equal(error, -RPR_EINVAL); /* over 4 GiB */
                continue;
            }
            assert_int_equal(error, 0);
            assert_int_equal(rpr_vring_layout_check(&l, l.bytes), 0);
            assert_int_equal(rpr_vring_layout_check(&l, l.bytes - 1), -RPR_EINVAL);
            for (unsigned i = 0; i < 2; i++) {
                assert_int_equal(l.ring[i].avail % 128, 0);
                assert_int_equal(l.ring[i].used % 128, 0);
                assert_int_equal(l.ring[i].stride / 64 % 2, 1);
                assert_true(l.ring[i].stride >= payloads[p] + 16);
            }
        }
    }
    assert_int_equal(rpr_vring_layout_local(&l, 0, 64), -RPR_EINVAL);
    assert_int_equal(rpr_vring_layout_local(&l, 1, 64), -RPR_EINVAL);
    assert_int_equal(rpr_vring_layout_local(&l, 3, 64), -RPR_EINVAL);
    assert_int_equal(rpr_vring_layout_local(&l, 65536, 64), -RPR_EINVAL);
    assert_int_equal(rpr_vring_layout_local(&l, 16, 0), -RPR_EINVAL);
    assert_int_equal(rpr_vring_layout_local(&l, 16, 65520), -RPR_EINVAL);
}

/* ---- the words beside the rings ------------------------------------------------------------- */

static void power_and_cpu_words(void **state)
{
    struct bench t;

    (void)state;
    bench_init(&t);
    for (unsigned from = 0; from < 2; from++) {
        assert_int_equal(rpr_device_power(device_of(&t, from), false), 0);
        settle_both(&t);
        assert_int_equal(rpr_device_state(device_of(&t, !from)), RPR_DEVICE_SUSPENDED);
        assert_int_equal(ept_send(&t.x[!from], "m"), 0); /* advice only */
        assert_int_equal(rpr_device_power(device_of(&t, from), true), 0);
        settle_both(&t);
        assert_int_equal(rpr_device_state(device_of(&t, !from)), RPR_DEVICE_UP);
        put_le32(rpr_vring_cpus(t.pair.end[from].link).own, 4);
        assert_int_equal(get_once_le32(rpr_vring_cpus(t.pair.end[!from].link).peer), 4);
        put_le32(rpr_vring_cpus(t.pair.end[from].link).own, 0);
        assert_int_equal(get_once_le32(rpr_vring_cpus(t.pair.end[!from].link).peer), 0);
    }
    bench_fini(&t);
}

/* ---- what is shown -------------------------------------------------------------------------- */

static void queues_and_buffers_are_shown(void **state)
{
    struct bench t;
    struct rpr_queue_info q;
    struct rpr_buffer_info b;
    struct rpr_buf buf;
    unsigned cursor = 0;

    (void)state;
    bench_init(&t);
    t.x[1].result = RPR_HOLD;
    assert_int_equal(ept_send(&t.x[0], "m"), 0);
    settle_both(&t);
    assert_int_equal(rpr_reserve(t.x[1].h, &buf), 0);
    assert_true(rpr_device_queue(device_of(&t, 1), 0, &q));
    assert_string_equal(q.name, "tx");
    assert_int_equal(q.size, NUM);
    assert_int_equal(q.free, NUM - 1);
    assert_true(rpr_device_queue(device_of(&t, 1), 1, &q));
    assert_string_equal(q.name, "rx");
    assert_int_equal(q.free, NUM - 1);
    assert_false(rpr_device_queue(device_of(&t, 1), 2, &q));
    assert_true(rpr_device_buffer(device_of(&t, 1), &cursor, &b));
    assert_string_equal(b.queue, "rx");
    assert_ptr_equal(b.holder, t.x[1].h.endpoint);
    assert_true(rpr_device_buffer(device_of(&t, 1), &cursor, &b));
    assert_string_equal(b.queue, "tx");
    assert_null(b.holder);
    assert_false(rpr_device_buffer(device_of(&t, 1), &cursor, &b));
    rpr_cancel(t.x[1].h, &buf);
    rpr_release(&t.x[1].held[0]);
    bench_fini(&t);
}

/* ---- the end -------------------------------------------------------------------------------- */

static void what_was_published_is_delivered_before_the_end(void **state)
{
    struct bench t;

    (void)state;
    bench_init(&t);
    for (unsigned i = 0; i < 5; i++)
        assert_int_equal(ept_send(&t.x[0], "m"), 0);
    rpr_node_close(t.node[0]);
    pair_tend(&t.pair);
    assert_int_equal(t.x[1].n_rx, 5);
    assert_non_null(strstr(t.world.events, "dev:unbound lost;"));
    assert_int_equal(rpr_device_state(device_of(&t, 1)), RPR_DEVICE_CONNECTING);
    t.node[0] = world_node(&t.world, "drv");
    bench_fini(&t);
}

static enum rpr_rx_result take_down(struct ept *e, const struct rpr_msg *msg)
{
    (void)msg;
    assert_int_equal(rpr_device_down(e->more), 0);
    return RPR_DONE;
}

/* The session and its memory are there until the poll that delivers has returned. */
static void the_link_ends_inside_rx(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        struct bench t;

        bench_init(&t);
        t.x[i].on_rx = take_down;
        t.x[i].more = device_of(&t, i);
        for (unsigned n = 0; n < 5; n++)
            assert_int_equal(ept_send(&t.x[!i], "m"), 0);
        settle_both(&t);
        assert_int_equal(t.x[i].n_rx, 1);
        assert_int_equal(rpr_device_state(device_of(&t, i)), RPR_DEVICE_DOWN);
        pair_tend(&t.pair);
        assert_int_equal(rpr_device_state(device_of(&t, !i)), RPR_DEVICE_CONNECTING);
        bench_fini(&t);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_driver_prepares_the_rings),
        cmocka_unit_test(a_message_as_it_lies_in_memory),
        cmocka_unit_test(indices_go_round),
        cmocka_unit_test(the_last_buffer_is_for_control),
        cmocka_unit_test(buffers_return_out_of_order),
        cmocka_unit_test(too_long_is_refused_and_the_longest_is_taken),
        cmocka_unit_test(one_doorbell_for_a_batch_and_none_for_who_is_awake),
        cmocka_unit_test(returned_buffers_ring_for_who_waits),
        cmocka_unit_test(some_are_always_rung),
        cmocka_unit_test(a_device_goes_on_from_the_used_index_it_finds),
        cmocka_unit_test(nonsense_is_not_attached),
        cmocka_unit_test(local_layouts),
        cmocka_unit_test(power_and_cpu_words),
        cmocka_unit_test(queues_and_buffers_are_shown),
        cmocka_unit_test(what_was_published_is_delivered_before_the_end),
        cmocka_unit_test(the_link_ends_inside_rx),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
