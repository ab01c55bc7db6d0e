/* SPDX-License-Identifier: Apache-2.0 */
/* Messages that are kept: RPR_LATER, quotas, overflow, a stopped link, holding what was kept. */
#include "core_fixture.h"

struct bench {
    struct world world;
    struct rpr_node *node;
    struct wire *wire;
    struct rpr_device *device;
    struct ept x;
    unsigned n_later; /* how often rx says RPR_LATER before it takes a message */
};

static void bench_init(struct bench *t, uint32_t slots, struct rpr_ept_config config)
{
    memset(t, 0, sizeof *t);
    world_init(&t->world);
    assert_int_equal(
        rpr_node_open(&t->node, &(struct rpr_node_config){.name = "me",
                                                          .platform = &t->world.platform,
                                                          .slots = slots,
                                                          .slot_bytes = 64}),
        0);
    t->wire = wire_new(&t->world, t->node, "peer");
    t->device = rpr_device_find(t->node, "peer");
    settle(&t->world, t->node);
    wire_up(t->wire, RPR_DIALECT_NUTTX, false, 8);
    t->x = (struct ept)EPT(&t->world, "x");
    t->x.more = t;
    config.name = "svc";
    config.addr = config.dest = RPR_ADDR_ANY;
    assert_int_equal(ept_open_as(&t->x, t->device, config), 0);
    ept_bind_to(&t->x, t->wire, t->node, "svc", 77);
}

static void bench_fini(struct bench *t)
{
    rpr_node_close(t->node);
    free(t->wire);
    assert_int_equal(t->world.n_live, 0);
}

static void arrive(struct bench *t, const char *texts)
{
    for (; *texts; texts++)
        wire_put(t->wire, 77, ept_addr(&t->x), texts, 1);
}

static struct rpr_ept_info info(struct bench *t)
{
    struct rpr_ept_info i;

    assert_int_equal(rpr_ept_info(t->x.h, &i), 0);
    return i;
}

static enum rpr_rx_result later_first(struct ept *e, const struct rpr_msg *msg)
{
    struct bench *t = e->more;

    (void)msg;
    if (!t->n_later)
        return RPR_DONE;
    t->n_later--;
    return RPR_LATER;
}

/* ---- when it is delivered again ------------------------------------------------------------- */

static void later_once_comes_again_by_itself(void **state)
{
    struct bench t;

    (void)state;
    bench_init(&t, 64, (struct rpr_ept_config){.quota = 4});
    t.x.on_rx = later_first;
    t.n_later = 1;
    arrive(&t, "abc");
    settle(&t.world, t.node);
    assert_events(&t.world, "x:rx a;x:rx a;x:rx b;x:rx c;");
    assert_int_equal(info(&t).n_kept, 0);
    assert_int_equal(info(&t).rx, 3);
    bench_fini(&t);
}

/* Nobody rings and the receiver has no better reason: it is asked again all the same, and the owner
 * may sleep in between. */
static void later_for_long_is_asked_again_and_again(void **state)
{
    struct bench t;

    (void)state;
    bench_init(&t, 64, (struct rpr_ept_config){.quota = 4});
    t.x.on_rx = later_first;
    t.n_later = 20;
    arrive(&t, "ab");
    pass(&t.world, t.node, MS(200));
    assert_int_equal(t.n_later, 0);
    assert_int_equal(info(&t).n_kept, 0);
    assert_int_equal(info(&t).rx, 2);
    assert_true(t.wire->n_polls < 100);
    bench_fini(&t);
}

static enum rpr_rx_result echo(struct ept *e, const struct rpr_msg *msg)
{
    int error = rpr_send(e->h, msg->data, msg->len, 0);

    return error == -RPR_EAGAIN ? RPR_LATER : RPR_DONE;
}

/* An answer that cannot leave: in order, nothing lost, as buffers come back one at a time. */
static void echo_through_a_narrow_link(void **state)
{
    struct bench t;
    struct wire_message m;
    char got[16] = "";
    unsigned n = 0;

    (void)state;
    bench_init(&t, 64, (struct rpr_ept_config){.quota = 16});
    t.x.on_rx = echo;
    arrive(&t, "abcdefghijk");
    settle(&t.world, t.node);
    assert_int_equal(info(&t).n_kept, 11 - 7);
    assert_true(t.wire->want_writable);
    while (wire_get(t.wire, &m, false)) {
        got[n++] = (char)m.data[0];
        wire_back(t.wire, t.wire->out[t.wire->n_read - 1]);
        settle(&t.world, t.node);
    }
    assert_string_equal(got, "abcdefghijk");
    assert_int_equal(info(&t).n_kept, 0);
    bench_fini(&t);
}

/* Peers that never ring when they return buffers (H-13): found by the timer. */
static void walkthrough_b5_used_ring_is_watched_while_somebody_waits(void **state)
{
    struct bench t;
    uint64_t next, wait = US(100);

    (void)state;
    bench_init(&t, 64, (struct rpr_ept_config){.quota = 16});
    assert_true(rpr_node_poll(t.node, t.world.now, 0) == RPR_POLL_IDLE);
    while (ept_send(&t.x, "m") == 0)
        ;
    settle(&t.world, t.node);
    for (unsigned i = 0; i < 8; i++) {
        next = rpr_node_poll(t.node, t.world.now, 0);
        assert_int_equal(next, t.world.now + wait);
        assert_true(rpr_node_arm(t.node));
        t.world.now = next;
        wait = wait * 2 > MS(5) ? MS(5) : wait * 2;
        (void)rpr_node_poll(t.node, t.world.now, 0);
    }
    (void)wire_said(t.wire); /* takes and returns all, in silence */
    assert_events(&t.world, "");
    pass(&t.world, t.node, MS(5));
    assert_events(&t.world, "x:writable;");
    assert_true(rpr_node_poll(t.node, t.world.now, 0) == RPR_POLL_IDLE); /* no timer any more */
    bench_fini(&t);
}

static void manual_comes_again_when_asked_only(void **state)
{
    struct bench t;

    (void)state;
    bench_init(&t, 64, (struct rpr_ept_config){.quota = 4, .flags = RPR_EPT_MANUAL});
    t.x.result = RPR_LATER;
    arrive(&t, "abc");
    pass(&t.world, t.node, S(1));
    assert_events(&t.world, "x:rx a;");
    t.x.result = RPR_DONE;
    assert_int_equal(rpr_ept_resume(t.x.h), 0);
    assert_events(&t.world, "x:rx a;x:rx b;x:rx c;");
    bench_fini(&t);
}

/* ---- quotas --------------------------------------------------------------------------------- */

static void without_quota_later_drops(void **state)
{
    struct bench t;

    (void)state;
    bench_init(&t, 64, (struct rpr_ept_config){.quota = 0});
    t.x.result = RPR_LATER;
    arrive(&t, "ab");
    settle(&t.world, t.node);
    assert_int_equal(info(&t).n_kept, 0);
    assert_int_equal(info(&t).dropped, 2);
    bench_fini(&t);
}

static void newest_or_oldest_is_dropped(void **state)
{
    (void)state;
    for (int oldest = 0; oldest < 2; oldest++) {
        struct bench t;
        struct rpr_device_info d;

        bench_init(&t, 64,
                   (struct rpr_ept_config){.quota = 3,
                                           .flags = RPR_EPT_MANUAL,
                                           .overflow = oldest ? RPR_DROP_OLDEST : RPR_DROP_NEWEST});
        t.x.result = RPR_LATER;
        arrive(&t, "abcde");
        settle(&t.world, t.node);
        assert_int_equal(info(&t).n_kept, 3);
        assert_int_equal(info(&t).dropped, 2);
        t.x.result = RPR_DONE;
        t.world.events[0] = '\0';
        (void)rpr_ept_resume(t.x.h);
        assert_events(&t.world, oldest ? "x:rx c;x:rx d;x:rx e;" : "x:rx a;x:rx b;x:rx c;");
        rpr_device_info(t.device, &d);
        assert_int_equal(d.counters.dropped, 2);
        assert_int_equal(d.counters.parked, oldest ? 5 : 3);
        assert_int_equal(d.counters.rx, 3);
        bench_fini(&t);
    }
}

static void too_long_to_be_kept_is_dropped(void **state)
{
    struct bench t;
    char text[65];

    (void)state;
    bench_init(&t, 64, (struct rpr_ept_config){.quota = 3, .flags = RPR_EPT_MANUAL});
    memset(text, 'z', sizeof text);
    t.x.result = RPR_LATER;
    wire_put(t.wire, 77, ept_addr(&t.x), text, 65);
    wire_put(t.wire, 77, ept_addr(&t.x), text, 64);
    settle(&t.world, t.node);
    assert_int_equal(info(&t).n_kept, 1);
    assert_int_equal(info(&t).dropped, 1);
    bench_fini(&t);
}

/* Beyond what is reserved it is first come, first served, and everything comes back. */
static void shared_slots_are_lent_and_come_back(void **state)
{
    struct bench t;
    struct ept y = EPT(&t.world, "y");
    struct rpr_quota both = {.limit = 5};

    (void)state;
    bench_init(&t, 6,
               (struct rpr_ept_config){
                   .quota = 8, .reserve = 2, .flags = RPR_EPT_MANUAL, .shared = &both});
    assert_int_equal(ept_open_as(&y, t.device,
                                 (struct rpr_ept_config){.addr = 500,
                                                         .dest = RPR_ADDR_ANY,
                                                         .quota = 8,
                                                         .reserve = 1,
                                                         .flags = RPR_EPT_MANUAL,
                                                         .shared = &both}),
                     0);
    t.x.result = y.result = RPR_LATER;
    arrive(&t, "abcde");
    settle(&t.world, t.node);
    assert_int_equal(info(&t).n_kept, 5);
    assert_int_equal(both.used, 3);
    for (unsigned i = 0; i < 5; i++)
        wire_put(t.wire, 9, 500, "y", 1);
    settle(&t.world, t.node);
    assert_int_equal(both.used, 5); /* y: its own one, and two more */
    t.x.result = RPR_DONE;
    (void)rpr_ept_resume(t.x.h);
    assert_int_equal(both.used, 2);
    assert_int_equal(rpr_ept_close(y.h), 0);
    assert_int_equal(both.used, 0);
    t.x.result = RPR_LATER;
    arrive(&t, "12345678");
    settle(&t.world, t.node);
    assert_int_equal(info(&t).n_kept, 2 + 5); /* all six shared ones are back; the limit is 5 */
    bench_fini(&t);
}

/* ---- a stopped link ------------------------------------------------------------------------- */

static void a_stopped_link_goes_on_by_itself(void **state)
{
    struct bench t;

    (void)state;
    bench_init(&t, 64, (struct rpr_ept_config){.quota = 2, .overflow = RPR_STOP_LINK});
    t.x.on_rx = later_first;
    t.n_later = 5;
    arrive(&t, "abcdefgh");
    pass(&t.world, t.node, MS(100));
    assert_int_equal(info(&t).rx, 8);
    assert_int_equal(info(&t).dropped, 0);
    bench_fini(&t);
}

static void a_stopped_link_goes_on_after_resume(void **state)
{
    struct bench t;

    (void)state;
    bench_init(
        &t, 64,
        (struct rpr_ept_config){.quota = 2, .overflow = RPR_STOP_LINK, .flags = RPR_EPT_MANUAL});
    t.x.result = RPR_LATER;
    arrive(&t, "abcde");
    settle(&t.world, t.node);
    assert_int_equal(info(&t).n_kept, 2);
    assert_int_equal(t.wire->n_in - t.wire->n_taken, 3);
    t.world.events[0] = '\0';
    t.x.result = RPR_DONE;
    assert_int_equal(rpr_ept_resume(t.x.h), 0);
    settle(&t.world, t.node);
    assert_events(&t.world, "x:rx a;x:rx b;x:rx c;x:rx d;x:rx e;");
    bench_fini(&t);
}

static void a_stopped_link_goes_on_after_overflow_changes(void **state)
{
    struct bench t;

    (void)state;
    bench_init(
        &t, 64,
        (struct rpr_ept_config){.quota = 2, .overflow = RPR_STOP_LINK, .flags = RPR_EPT_MANUAL});
    t.x.result = RPR_LATER;
    arrive(&t, "abcde");
    settle(&t.world, t.node);
    assert_int_equal(rpr_ept_overflow(t.x.h, RPR_DROP_NEWEST), 0);
    settle(&t.world, t.node);
    assert_int_equal(info(&t).n_kept, 2);
    assert_int_equal(info(&t).dropped, 3);
    assert_int_equal(t.wire->n_in, t.wire->n_taken);
    bench_fini(&t);
}

static void a_stopped_link_goes_on_after_close(void **state)
{
    struct bench t;

    (void)state;
    bench_init(
        &t, 64,
        (struct rpr_ept_config){.quota = 2, .overflow = RPR_STOP_LINK, .flags = RPR_EPT_MANUAL});
    t.x.result = RPR_LATER;
    arrive(&t, "abcde");
    settle(&t.world, t.node);
    assert_int_equal(rpr_ept_close(t.x.h), 0);
    settle(&t.world, t.node);
    assert_int_equal(t.wire->n_in, t.wire->n_taken);
    bench_fini(&t);
}

/* What it waits for are slots that others have: it goes on when those come back. */
static void a_link_stopped_for_shared_slots_goes_on(void **state)
{
    struct bench t;
    struct ept y = EPT(&t.world, "y");

    (void)state;
    bench_init(&t, 3,
               (struct rpr_ept_config){
                   .quota = 8, .reserve = 1, .overflow = RPR_STOP_LINK, .flags = RPR_EPT_MANUAL});
    assert_int_equal(ept_open_as(&y, t.device,
                                 (struct rpr_ept_config){.addr = 500,
                                                         .dest = RPR_ADDR_ANY,
                                                         .quota = 8,
                                                         .reserve = 1,
                                                         .flags = RPR_EPT_MANUAL}),
                     0);
    t.x.result = y.result = RPR_LATER;
    for (unsigned i = 0; i < 4; i++)
        wire_put(t.wire, 9, 500, "y", 1);
    arrive(&t, "abcd");
    settle(&t.world, t.node);
    assert_int_equal(info(&t).n_kept, 1);
    assert_int_equal(t.wire->n_in - t.wire->n_taken, 3);
    y.result = RPR_DONE;
    (void)rpr_ept_resume(y.h);
    settle(&t.world, t.node);
    assert_int_equal(info(&t).n_kept, 4);
    assert_int_equal(t.wire->n_in, t.wire->n_taken);
    bench_fini(&t);
}

/* Stopped is only the receiving: what is to be sent goes out. */
static void a_stopped_link_still_sends(void **state)
{
    struct bench t;
    struct ept z = EPT(&t.world, "z");

    (void)state;
    bench_init(
        &t, 64,
        (struct rpr_ept_config){.quota = 1, .overflow = RPR_STOP_LINK, .flags = RPR_EPT_MANUAL});
    t.x.result = RPR_LATER;
    arrive(&t, "abc");
    settle(&t.world, t.node);
    ept_open(&z, t.device, "other");
    assert_int_equal(ept_send(&t.x, "hello"), -RPR_EAGAIN + RPR_EAGAIN);
    settle(&t.world, t.node);
    assert_string_equal(wire_said(t.wire), "CREATE other 1025;1024>77 hello;");
    bench_fini(&t);
}

/* ---- what was kept, held -------------------------------------------------------------------- */

static void a_kept_message_can_be_held(void **state)
{
    struct bench t;

    (void)state;
    bench_init(&t, 64, (struct rpr_ept_config){.quota = 3, .flags = RPR_EPT_MANUAL});
    t.x.result = RPR_LATER;
    arrive(&t, "abc");
    settle(&t.world, t.node);
    t.x.result = RPR_HOLD;
    (void)rpr_ept_resume(t.x.h);
    assert_int_equal(t.x.n_held, 3);
    assert_int_equal(info(&t).n_held, 3);
    assert_int_equal(info(&t).n_kept, 0);
    assert_memory_equal(t.x.held[1].data, "b", 1);
    t.x.result = RPR_LATER;
    arrive(&t, "d"); /* the quota is used up by what is held */
    settle(&t.world, t.node);
    assert_int_equal(info(&t).n_held, 3 + 0);
    assert_int_equal(info(&t).dropped, 1);
    rpr_release(&t.x.held[1]);
    arrive(&t, "e");
    settle(&t.world, t.node);
    assert_int_equal(info(&t).n_kept, 1);
    rpr_release(&t.x.held[0]);
    rpr_release(&t.x.held[2]);
    bench_fini(&t);
}

static enum rpr_rx_result close_and_hold(struct ept *e, const struct rpr_msg *msg)
{
    (void)msg;
    assert_int_equal(rpr_ept_close(e->h), 0);
    return RPR_HOLD;
}

/* Delivered again, the endpoint is closed by its own callback and the message held: it must stay
 * what it is until it is released. */
static void a_kept_message_held_by_who_closes(void **state)
{
    struct bench t;
    struct ept y = EPT(&t.world, "y");

    (void)state;
    bench_init(&t, 64, (struct rpr_ept_config){.quota = 3, .flags = RPR_EPT_MANUAL});
    assert_int_equal(
        ept_open_as(&y, t.device,
                    (struct rpr_ept_config){
                        .addr = 500, .dest = RPR_ADDR_ANY, .quota = 8, .flags = RPR_EPT_MANUAL}),
        0);
    t.x.result = y.result = RPR_LATER;
    arrive(&t, "abc");
    settle(&t.world, t.node);
    t.x.on_rx = close_and_hold;
    (void)rpr_ept_resume(t.x.h);
    assert_int_equal(t.x.n_closed, 0);
    for (unsigned i = 0; i < 8; i++)
        wire_put(t.wire, 9, 500, "y", 1);
    settle(&t.world, t.node);
    assert_int_equal(t.x.n_held, 1);
    assert_memory_equal(t.x.held[0].data, "a", 1);
    rpr_release(&t.x.held[0]);
    assert_int_equal(t.x.n_closed, 1);
    bench_fini(&t);
}

static enum rpr_rx_result close_and_later(struct ept *e, const struct rpr_msg *msg)
{
    (void)msg;
    assert_int_equal(rpr_ept_close(e->h), 0);
    return RPR_LATER;
}

static void closed_and_later(void **state)
{
    (void)state;
    for (int kept = 0; kept < 2; kept++) {
        struct bench t;

        bench_init(&t, 64, (struct rpr_ept_config){.quota = 3, .flags = RPR_EPT_MANUAL});
        t.x.result = RPR_LATER;
        if (kept) {
            arrive(&t, "ab");
            settle(&t.world, t.node);
        }
        t.x.on_rx = close_and_later;
        if (kept)
            (void)rpr_ept_resume(t.x.h);
        else
            arrive(&t, "abc");
        settle(&t.world, t.node);
        assert_int_equal(t.x.n_closed, 1);
        bench_fini(&t);
    }
}

/* ---- the peer closes while something is kept ------------------------------------------------ */

static void what_came_before_destroy_is_delivered_first(void **state)
{
    struct bench t;

    (void)state;
    bench_init(&t, 64, (struct rpr_ept_config){.quota = 4});
    t.x.on_rx = later_first;
    t.n_later = 3;
    arrive(&t, "abc");
    wire_ns(t.wire, "svc", 77, NS_DESTROY);
    (void)rpr_node_poll(t.node, t.world.now, 0);
    assert_null(strstr(t.world.events, "unbound"));
    assert_int_equal(ept_send(&t.x, "."), -RPR_ENOTCONN);
    pass(&t.world, t.node, MS(5));
    assert_int_equal(t.n_later, 0);
    assert_non_null(strstr(t.world.events, "x:rx a;x:rx b;x:rx c;x:unbound closed;"));
    bench_fini(&t);
}

/* An endpoint whose peer has closed and which still has messages of it: to a hub its announcement
 * stands, and is answered for the next one. */
static void ending_init(struct bench *t, enum rpr_dialect dialect)
{
    bench_init(t, 64, (struct rpr_ept_config){.quota = 8, .flags = RPR_EPT_MANUAL});
    t->wire->link.dialect = dialect;
    t->x.result = RPR_LATER;
    arrive(t, "ab");
    wire_ns(t->wire, "svc", 77, NS_DESTROY);
    settle(&t->world, t->node);
    t->world.events[0] = '\0';
    t->x.result = RPR_DONE;
}

static void arrive_from(struct bench *t, uint32_t src, const char *texts)
{
    for (; *texts; texts++)
        wire_put(t->wire, src, ept_addr(&t->x), texts, 1);
    settle(&t->world, t->node);
}

static void the_next_peer_comes_after_what_was_kept(void **state)
{
    struct bench t;

    (void)state;
    ending_init(&t, RPR_DIALECT_NUTTX);
    wire_ns(t.wire, "svc", 78, NS_CREATE_ACK);
    arrive_from(&t, 78, "cd");
    assert_events(&t.world, "");
    assert_int_equal(ept_send(&t.x, "."), -RPR_ENOTCONN);
    assert_int_equal(info(&t).n_kept, 4);
    (void)rpr_ept_resume(t.x.h);
    assert_events(&t.world, "x:rx a;x:rx b;x:unbound closed;x:bound 78;x:rx c;x:rx d;");
    assert_int_equal(ept_send(&t.x, "."), 0);
    arrive_from(&t, 78, "e");
    assert_events(&t.world, "x:rx e;");
    pass(&t.world, t.node, S(1));
    assert_said(t.wire, "1024>78 .;"); /* it does not announce itself again */
    assert_int_equal(info(&t).dropped, 0);
    bench_fini(&t);
}

/* One that came, sent and left meanwhile is heard all the same; one that sent nothing is not. */
static void peers_come_and_go_behind_what_was_kept(void **state)
{
    struct bench t;

    (void)state;
    ending_init(&t, RPR_DIALECT_NUTTX);
    for (uint32_t peer = 78; peer < 81; peer++) {
        wire_ns(t.wire, "svc", peer, NS_CREATE_ACK);
        arrive_from(&t, peer, peer == 79 ? "" : "c");
        wire_ns(t.wire, "svc", peer, NS_DESTROY);
    }
    wire_ns(t.wire, "svc", 81, NS_CREATE_ACK);
    settle(&t.world, t.node);
    (void)rpr_ept_resume(t.x.h);
    assert_events(&t.world, "x:rx a;x:rx b;x:unbound closed;x:bound 78;x:rx c;x:unbound closed;"
                            "x:bound 80;x:rx c;x:unbound closed;x:bound 81;");
    assert_int_equal(ept_send(&t.x, "."), 0);
    assert_said(t.wire, "1024>81 .;");
    bench_fini(&t);
}

static void the_last_of_them_leaves_too(void **state)
{
    struct bench t;

    (void)state;
    ending_init(&t, RPR_DIALECT_NUTTX);
    wire_ns(t.wire, "svc", 78, NS_CREATE_ACK);
    arrive_from(&t, 78, "c");
    wire_ns(t.wire, "svc", 78, NS_DESTROY);
    arrive_from(&t, 78, "z"); /* from nobody */
    assert_int_equal(info(&t).n_kept, 3);
    (void)rpr_ept_resume(t.x.h);
    assert_events(&t.world, "x:rx a;x:rx b;x:unbound closed;x:bound 78;x:rx c;x:unbound closed;");
    assert_said(t.wire, "");
    pass(&t.world, t.node, MS(10));
    assert_said(t.wire, "CREATE svc 1024;");
    bench_fini(&t);
}

/* The link goes, or the endpoint, with a peer that it has not heard of yet. */
static void the_next_peer_is_lost_unheard(void **state)
{
    struct bench t;

    (void)state;
    ending_init(&t, RPR_DIALECT_NUTTX);
    wire_ns(t.wire, "svc", 78, NS_CREATE_ACK);
    arrive_from(&t, 78, "c");
    rpr_link_down(&t.wire->link, "gone");
    assert_events(&t.world, "x:unbound lost;");
    (void)rpr_ept_resume(t.x.h); /* who asks for it by himself loses nothing that has come */
    assert_events(&t.world, "x:rx a;x:rx b;x:rx c;");
    bench_fini(&t);
    ending_init(&t, RPR_DIALECT_NUTTX);
    wire_ns(t.wire, "svc", 78, NS_CREATE_ACK);
    arrive_from(&t, 78, "c");
    assert_int_equal(rpr_ept_close(t.x.h), 0);
    assert_events(&t.world, "x:closed;");
    settle(&t.world, t.node);
    assert_said(t.wire, "DESTROY svc 1024;"); /* that peer believes to be bound */
    bench_fini(&t);
}

/* Where nobody acknowledges, the first message is the answer. */
static void the_next_peer_writes_first(void **state)
{
    struct bench t;

    (void)state;
    ending_init(&t, RPR_DIALECT_LINUX);
    arrive_from(&t, 78, "cd");
    assert_events(&t.world, "");
    (void)rpr_ept_resume(t.x.h);
    assert_events(&t.world, "x:rx a;x:rx b;x:unbound closed;x:bound 78;x:rx c;x:rx d;");
    bench_fini(&t);
}

static void what_is_kept_is_lost_with_the_link(void **state)
{
    struct bench t;

    (void)state;
    bench_init(&t, 64, (struct rpr_ept_config){.quota = 4});
    t.x.result = RPR_LATER;
    arrive(&t, "abc");
    settle(&t.world, t.node);
    t.world.events[0] = '\0';
    rpr_link_down(&t.wire->link, "gone");
    assert_events(&t.world, "x:unbound lost;");
    assert_int_equal(info(&t).n_kept, 0);
    assert_int_equal(info(&t).dropped, 3);
    bench_fini(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(later_once_comes_again_by_itself),
        cmocka_unit_test(later_for_long_is_asked_again_and_again),
        cmocka_unit_test(echo_through_a_narrow_link),
        cmocka_unit_test(walkthrough_b5_used_ring_is_watched_while_somebody_waits),
        cmocka_unit_test(manual_comes_again_when_asked_only),
        cmocka_unit_test(without_quota_later_drops),
        cmocka_unit_test(newest_or_oldest_is_dropped),
        cmocka_unit_test(too_long_to_be_kept_is_dropped),
        cmocka_unit_test(shared_slots_are_lent_and_come_back),
        cmocka_unit_test(a_stopped_link_goes_on_by_itself),
        cmocka_unit_test(a_stopped_link_goes_on_after_resume),
        cmocka_unit_test(a_stopped_link_goes_on_after_overflow_changes),
        cmocka_unit_test(a_stopped_link_goes_on_after_close),
        cmocka_unit_test(a_link_stopped_for_shared_slots_goes_on),
        cmocka_unit_test(a_stopped_link_still_sends),
        cmocka_unit_test(a_kept_message_can_be_held),
        cmocka_unit_test(a_kept_message_held_by_who_closes),
        cmocka_unit_test(closed_and_later),
        cmocka_unit_test(what_came_before_destroy_is_delivered_first),
        cmocka_unit_test(the_next_peer_comes_after_what_was_kept),
        cmocka_unit_test(peers_come_and_go_behind_what_was_kept),
        cmocka_unit_test(the_last_of_them_leaves_too),
        cmocka_unit_test(the_next_peer_is_lost_unheard),
        cmocka_unit_test(the_next_peer_writes_first),
        cmocka_unit_test(what_is_kept_is_lost_with_the_link),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
