/* SPDX-License-Identifier: Apache-2.0 */
/* Flow control per endpoint: limits, grants, windows, and that nothing is lost with RPR_LATER. */
#include "core_fixture.h"

struct bench {
    struct world world;
    struct rpr_node *node;
    struct wire *wire;
    struct rpr_device *device;
    struct ept x;
};

static void bench_init(struct bench *t, bool credit, struct rpr_ept_config config)
{
    memset(t, 0, sizeof *t);
    world_init(&t->world);
    t->node = world_node(&t->world, "me");
    t->wire = wire_new(&t->world, t->node, "peer");
    t->device = rpr_device_find(t->node, "peer");
    settle(&t->world, t->node);
    wire_up(t->wire, RPR_DIALECT_RPR, credit, 256);
    t->x = (struct ept)EPT(&t->world, "x");
    t->x.more = t;
    config.name = "svc";
    config.addr = config.dest = RPR_ADDR_ANY;
    assert_int_equal(ept_open_as(&t->x, t->device, config), 0);
}

/* `granted`: what the endpoint says first. */
static void bind(struct bench *t, const char *granted)
{
    settle(&t->world, t->node);
    (void)wire_said(t->wire);
    wire_ns(t->wire, "svc", 77, NS_CREATE_ACK);
    settle(&t->world, t->node);
    assert_string_equal(wire_said(t->wire), granted);
    t->world.events[0] = '\0';
}

static void bench_fini(struct bench *t)
{
    rpr_node_close(t->node);
    free(t->wire);
    assert_int_equal(t->world.n_live, 0);
}

static void arrive(struct bench *t, unsigned n)
{
    while (n--)
        wire_put(t->wire, 77, ept_addr(&t->x), "m", 1);
    settle(&t->world, t->node);
}

static unsigned send_all(struct bench *t)
{
    unsigned n = 0;
    int error;

    while ((error = ept_send(&t->x, "m")) == 0)
        n++;
    assert_int_equal(error, -RPR_EAGAIN);
    (void)wire_said(t->wire);
    return n;
}

static struct rpr_ept_info info(struct bench *t)
{
    struct rpr_ept_info i;

    assert_int_equal(rpr_ept_info(t->x.h, &i), 0);
    return i;
}

/* ---- the sender ----------------------------------------------------------------------------- */

static void four_before_the_first_grant_then_as_granted(void **state)
{
    struct bench t;

    (void)state;
    bench_init(&t, true, (struct rpr_ept_config){0});
    bind(&t, "GRANT 77 1024 256;");
    assert_int_equal(send_all(&t), 4);
    settle(&t.world, t.node);
    assert_events(&t.world, "");
    wire_grant(t.wire, ept_addr(&t.x), 77, 9);
    settle(&t.world, t.node);
    assert_events(&t.world, "x:writable;");
    assert_int_equal(send_all(&t), 5);
    wire_grant(t.wire, ept_addr(&t.x), 77, 9);              /* no news */
    wire_grant(t.wire, ept_addr(&t.x), 77, 3);              /* never backwards */
    wire_grant(t.wire, ept_addr(&t.x), 77, 9 + 0x40000000); /* nor that far ahead */
    settle(&t.world, t.node);
    assert_events(&t.world, "");
    assert_int_equal(ept_send(&t.x, "m"), -RPR_EAGAIN);
    bench_fini(&t);
}

static void nonsense_grants_are_counted(void **state)
{
    struct bench t;
    struct rpr_device_info d;
    uint8_t tail[CREDIT_ENTRY_BYTES + 5] = {0};

    (void)state;
    bench_init(&t, true, (struct rpr_ept_config){0});
    bind(&t, "GRANT 77 1024 256;");
    wire_grant(t.wire, ept_addr(&t.x), 78, 100); /* from somebody else */
    wire_grant(t.wire, ept_addr(&t.x) + 1, 77, 100);
    wire_put(t.wire, RPMSG_ADDR_CREDIT, RPMSG_ADDR_CREDIT, tail, 5);
    wire_put(t.wire, RPMSG_ADDR_CREDIT, RPMSG_ADDR_CREDIT, tail, sizeof tail);
    settle(&t.world, t.node);
    rpr_device_info(t.device, &d);
    assert_int_equal(d.counters.late, 3);
    assert_int_equal(d.counters.errors, 2);
    assert_int_equal(send_all(&t), 4);
    bench_fini(&t);
}

static void without_agreement_there_is_no_limit(void **state)
{
    struct bench t;

    (void)state;
    bench_init(&t, false, (struct rpr_ept_config){0});
    bind(&t, "");
    wire_grant(t.wire, ept_addr(&t.x), 77, 1);
    settle(&t.world, t.node);
    assert_int_equal(send_all(&t), 255); /* buffers */
    bench_fini(&t);
}

static void an_agreement_may_come_late(void **state)
{
    struct bench t;

    (void)state;
    bench_init(&t, false, (struct rpr_ept_config){0});
    bind(&t, "");
    for (unsigned i = 0; i < 10; i++)
        assert_int_equal(ept_send(&t.x, "m"), 0);
    arrive(&t, 3);
    (void)wire_said(t.wire);
    rpr_link_credit(&t.wire->link);
    settle(&t.world, t.node);
    assert_said(t.wire, "GRANT 77 1024 259;"); /* what came before counts */
    assert_int_equal(ept_send(&t.x, "m"), 0);  /* not limited before the peer's first word */
    wire_grant(t.wire, ept_addr(&t.x), 77, 13);
    settle(&t.world, t.node);
    assert_int_equal(send_all(&t), 2);
    bench_fini(&t);
}

/* A reservation that is given back gives its credit back, and who waits for credit hears it. */
static void cancel_gives_credit_back(void **state)
{
    struct bench t;
    struct rpr_buf buf[4];

    (void)state;
    bench_init(&t, true, (struct rpr_ept_config){0});
    bind(&t, "GRANT 77 1024 256;");
    for (unsigned i = 0; i < 4; i++)
        assert_int_equal(rpr_reserve(t.x.h, &buf[i]), 0);
    assert_int_equal(ept_send(&t.x, "m"), -RPR_EAGAIN);
    settle(&t.world, t.node);
    assert_events(&t.world, "");
    for (unsigned i = 0; i < 4; i++)
        rpr_cancel(t.x.h, &buf[i]);
    settle(&t.world, t.node);
    assert_events(&t.world, "x:writable;");
    assert_int_equal(send_all(&t), 4);
    bench_fini(&t);
}

static void a_new_binding_begins_anew(void **state)
{
    struct bench t;

    (void)state;
    bench_init(&t, true, (struct rpr_ept_config){0});
    bind(&t, "GRANT 77 1024 256;");
    wire_grant(t.wire, ept_addr(&t.x), 77, 100);
    arrive(&t, 7);
    assert_int_equal(send_all(&t), 100);
    wire_ns(t.wire, "svc", 77, NS_DESTROY);
    settle(&t.world, t.node);
    pass(&t.world, t.node, MS(10));
    (void)wire_said(t.wire);
    wire_ns(t.wire, "svc", 77, NS_CREATE_ACK);
    settle(&t.world, t.node);
    assert_said(t.wire, "GRANT 77 1024 256;");
    assert_int_equal(send_all(&t), 4);
    wire_grant(t.wire, ept_addr(&t.x), 77, 6);
    settle(&t.world, t.node);
    assert_int_equal(send_all(&t), 2);
    bench_fini(&t);
}

static void control_endpoints_have_none(void **state)
{
    struct bench t;

    (void)state;
    bench_init(&t, true, (struct rpr_ept_config){.flags = RPR_EPT_CONTROL});
    bind(&t, "");
    assert_int_equal(send_all(&t), 256); /* to the very last buffer */
    bench_fini(&t);
}

/* ---- the receiver --------------------------------------------------------------------------- */

static void half_a_window_is_granted_again(void **state)
{
    struct bench t;

    (void)state;
    bench_init(&t, true, (struct rpr_ept_config){0});
    bind(&t, "GRANT 77 1024 256;");
    arrive(&t, 127);
    assert_said(t.wire, "");
    arrive(&t, 1);
    assert_said(t.wire, "GRANT 77 1024 384;");
    arrive(&t, 128);
    assert_said(t.wire, "GRANT 77 1024 512;");
    bench_fini(&t);
}

static void a_window_grows_with_use_out_of_the_shared_slots(void **state)
{
    struct bench t;

    (void)state;
    bench_init(&t, true, (struct rpr_ept_config){.quota = 40, .reserve = 4});
    bind(&t, "GRANT 77 1024 4;");
    arrive(&t, 2);
    assert_said(t.wire, "GRANT 77 1024 10;"); /* 2 dealt with, and 8 */
    arrive(&t, 4);
    assert_said(t.wire, "GRANT 77 1024 22;"); /* 6, and 16 */
    arrive(&t, 8);
    assert_said(t.wire, "GRANT 77 1024 46;"); /* 14, and 32 */
    arrive(&t, 16);
    assert_said(t.wire, "GRANT 77 1024 70;"); /* 30, and all of the 40 */
    t.x.result = RPR_LATER;
    arrive(&t, 40);
    assert_int_equal(info(&t).n_kept, 40); /* all that was granted finds room */
    assert_int_equal(info(&t).dropped, 0);
    bench_fini(&t);
}

/* However small the quota, what may come before the first grant is heard is kept. */
static void the_first_messages_find_room(void **state)
{
    (void)state;
    for (uint32_t quota = 1; quota < 6; quota++) {
        struct bench t;

        bench_init(&t, true, (struct rpr_ept_config){.quota = quota, .flags = RPR_EPT_MANUAL});
        bind(&t, quota > 4 ? "GRANT 77 1024 5;" : "GRANT 77 1024 4;");
        t.x.result = RPR_LATER;
        arrive(&t, quota > 4 ? 5 : 4);
        assert_int_equal(info(&t).dropped, 0);
        t.x.result = RPR_DONE;
        (void)rpr_ept_resume(t.x.h);
        settle(&t.world, t.node);
        assert_int_equal(info(&t).rx, quota > 4 ? 5 : 4);
        bench_fini(&t);
    }
}

static void what_is_kept_is_not_granted_again(void **state)
{
    struct bench t;

    (void)state;
    bench_init(&t, true, (struct rpr_ept_config){.quota = 8, .flags = RPR_EPT_MANUAL});
    bind(&t, "GRANT 77 1024 8;");
    t.x.result = RPR_LATER;
    arrive(&t, 8);
    assert_said(t.wire, "");
    t.x.result = RPR_DONE;
    (void)rpr_ept_resume(t.x.h);
    settle(&t.world, t.node);
    assert_said(t.wire, "GRANT 77 1024 16;");
    bench_fini(&t);
}

static enum rpr_rx_result take_down(struct ept *e, const struct rpr_msg *msg)
{
    (void)msg;
    assert_int_equal(rpr_device_down(((struct bench *)e->more)->device), 0);
    return RPR_DONE;
}

/* The grant is read inside a poll, where the end has to wait; what is kept does not come meanwhile. */
static void a_link_that_is_taken_down_delivers_nothing_that_was_kept(void **state)
{
    struct bench t;

    (void)state;
    bench_init(&t, true, (struct rpr_ept_config){.quota = 4});
    bind(&t, "GRANT 77 1024 4;");
    assert_int_equal(send_all(&t), 4);
    t.x.result = RPR_LATER;
    arrive(&t, 3);
    assert_int_equal(info(&t).n_kept, 3);
    t.world.events[0] = '\0';
    t.x.on_rx = take_down;
    wire_grant(t.wire, ept_addr(&t.x), 77, 8);
    settle(&t.world, t.node);
    assert_events(&t.world, "x:rx m;x:writable;x:unbound lost;");
    bench_fini(&t);
}

/* A kept message that is held still fills its slot: the sender may not send for it. */
static void a_kept_message_that_is_held_is_granted_at_its_release(void **state)
{
    struct bench t;

    (void)state;
    bench_init(&t, true, (struct rpr_ept_config){.quota = 4, .flags = RPR_EPT_MANUAL});
    bind(&t, "GRANT 77 1024 4;");
    t.x.result = RPR_LATER;
    arrive(&t, 4);
    t.x.result = RPR_HOLD;
    (void)rpr_ept_resume(t.x.h);
    settle(&t.world, t.node);
    assert_int_equal(t.x.n_held, 4);
    assert_said(t.wire, "");
    rpr_release(&t.x.held[0]);
    rpr_release(&t.x.held[1]);
    settle(&t.world, t.node);
    assert_said(t.wire, "GRANT 77 1024 6;");
    t.x.result = RPR_LATER;
    arrive(&t, 2);
    assert_int_equal(info(&t).dropped, 0);
    rpr_release(&t.x.held[2]);
    rpr_release(&t.x.held[3]);
    bench_fini(&t);
}

/* Held over a new binding: the new peer finds its four places all the same, and is not given credit
 * for what the old one had sent. */
static void held_over_a_new_binding(void **state)
{
    struct bench t;

    (void)state;
    bench_init(&t, true, (struct rpr_ept_config){.quota = 4, .flags = RPR_EPT_MANUAL});
    bind(&t, "GRANT 77 1024 4;");
    t.x.result = RPR_LATER;
    arrive(&t, 4);
    t.x.result = RPR_HOLD;
    (void)rpr_ept_resume(t.x.h);
    wire_ns(t.wire, "svc", 77, NS_DESTROY);
    wire_ns(t.wire, "svc", 78, NS_CREATE);
    settle(&t.world, t.node);
    assert_string_equal(wire_said(t.wire), "ACK svc 1024;GRANT 78 1024 4;");
    t.x.result = RPR_LATER;
    arrive(&t, 4);
    assert_int_equal(info(&t).n_kept, 4);
    assert_int_equal(info(&t).dropped, 0);
    t.x.result = RPR_DONE;
    for (unsigned i = 0; i < 4; i++)
        rpr_release(&t.x.held[i]);
    settle(&t.world, t.node);
    assert_said(t.wire, "GRANT 78 1024 8;"); /* a bigger window: none is taken up any more */
    bench_fini(&t);
}

/* The peer closed, its messages are still kept, and the next peer is bound already: that one finds its
 * four places too, and what it grants counts although nobody may send yet. */
static void bound_behind_what_is_kept(void **state)
{
    struct bench t;

    (void)state;
    bench_init(&t, true, (struct rpr_ept_config){.quota = 4, .flags = RPR_EPT_MANUAL});
    bind(&t, "GRANT 77 1024 4;");
    t.x.result = RPR_LATER;
    arrive(&t, 4);
    wire_ns(t.wire, "svc", 77, NS_DESTROY);
    wire_ns(t.wire, "svc", 78, NS_CREATE_ACK);
    settle(&t.world, t.node);
    assert_said(t.wire, "GRANT 78 1024 4;");
    wire_grant(t.wire, ept_addr(&t.x), 78, 9);
    arrive(&t, 4);
    assert_int_equal(info(&t).n_kept, 8);
    assert_int_equal(info(&t).dropped, 0);
    t.x.result = RPR_DONE;
    (void)rpr_ept_resume(t.x.h);
    settle(&t.world, t.node);
    assert_said(t.wire, "GRANT 78 1024 12;"); /* of a window of 8, all of it free again */
    assert_int_equal(send_all(&t), 9);
    bench_fini(&t);
}

/* ---- grants are many and buffers few -------------------------------------------------------- */

static void grants_wait_for_a_buffer_and_share_it(void **state)
{
    struct bench t;
    struct ept more[5];
    uint32_t n;

    (void)state;
    bench_init(&t, true, (struct rpr_ept_config){0});
    settle(&t.world, t.node);
    for (unsigned i = 0; i < 5; i++) {
        more[i] = (struct ept)EPT(&t.world, "m");
        ept_open(&more[i], t.device, "more");
    }
    settle(&t.world, t.node);
    (void)wire_said(t.wire);
    n = t.wire->n_free;
    t.wire->n_free = 0;
    wire_ns(t.wire, "svc", 77, NS_CREATE_ACK);
    for (uint32_t i = 0; i < 5; i++)
        wire_ns(t.wire, "more", 80 + i, NS_CREATE_ACK);
    settle(&t.world, t.node);
    t.wire->n_free = n;
    t.wire->n_flushes = 0;
    pass(&t.world, t.node, MS(5));
    assert_int_equal(t.wire->n_out - t.wire->n_read, 1); /* one message for all six */
    assert_non_null(strstr(wire_said(t.wire), "GRANT 77 1024 256;"));
    bench_fini(&t);
}

/* A link whose messages are too short for a grant cannot have flow control: it must not send empty
 * messages for ever. */
static void a_link_too_narrow_for_grants(void **state)
{
    struct bench t;

    (void)state;
    memset(&t, 0, sizeof t);
    world_init(&t.world);
    t.node = world_node(&t.world, "me");
    t.wire = wire_new(&t.world, t.node, "peer");
    t.device = rpr_device_find(t.node, "peer");
    t.x = (struct ept)EPT(&t.world, "x");
    settle(&t.world, t.node);
    t.wire->slot_size = RPMSG_HEADER_BYTES + CREDIT_ENTRY_BYTES - 1;
    wire_up(t.wire, RPR_DIALECT_RPR, true, 8);
    assert_int_equal(
        ept_open_as(&t.x, t.device, (struct rpr_ept_config){.name = "svc", .addr = 99, .dest = 77}),
        0);
    pass(&t.world, t.node, S(2));
    assert_int_equal(t.wire->n_out, 0);
    assert_int_equal(rpr_device_state(t.device), RPR_DEVICE_CONNECTING); /* after it was broken */
    assert_non_null(strstr(t.world.log, "too short for flow control"));
    bench_fini(&t);
}

/* The same for the name service. What a device-side link may send is its driver's word. */
static void a_link_too_narrow_for_names(void **state)
{
    struct bench t;

    (void)state;
    memset(&t, 0, sizeof t);
    world_init(&t.world);
    t.node = world_node(&t.world, "me");
    t.wire = wire_new(&t.world, t.node, "peer");
    t.device = rpr_device_find(t.node, "peer");
    t.x = (struct ept)EPT(&t.world, "x");
    settle(&t.world, t.node);
    wire_up(t.wire, RPR_DIALECT_RPR, true, 8);
    t.wire->slot_size = RPMSG_HEADER_BYTES + RPMSG_NS_BYTES - 1;
    ept_open(&t.x, t.device, "svc");
    settle(&t.world, t.node);
    assert_int_equal(rpr_device_state(t.device), RPR_DEVICE_BROKEN);
    assert_int_equal(t.wire->n_out, 0);
    t.wire->slot_size = 512;
    pass(&t.world, t.node, MS(100));
    wire_up(t.wire, RPR_DIALECT_RPR, true, 8);
    settle(&t.world, t.node);
    assert_said(t.wire, "CREATE svc 1024;");
    bench_fini(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(four_before_the_first_grant_then_as_granted),
        cmocka_unit_test(nonsense_grants_are_counted),
        cmocka_unit_test(without_agreement_there_is_no_limit),
        cmocka_unit_test(an_agreement_may_come_late),
        cmocka_unit_test(cancel_gives_credit_back),
        cmocka_unit_test(a_new_binding_begins_anew),
        cmocka_unit_test(control_endpoints_have_none),
        cmocka_unit_test(half_a_window_is_granted_again),
        cmocka_unit_test(a_window_grows_with_use_out_of_the_shared_slots),
        cmocka_unit_test(the_first_messages_find_room),
        cmocka_unit_test(what_is_kept_is_not_granted_again),
        cmocka_unit_test(a_link_that_is_taken_down_delivers_nothing_that_was_kept),
        cmocka_unit_test(a_kept_message_that_is_held_is_granted_at_its_release),
        cmocka_unit_test(held_over_a_new_binding),
        cmocka_unit_test(bound_behind_what_is_kept),
        cmocka_unit_test(grants_wait_for_a_buffer_and_share_it),
        cmocka_unit_test(a_link_too_narrow_for_grants),
        cmocka_unit_test(a_link_too_narrow_for_names),
        cmocka_unit_test(a_link_too_narrow_for_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
