/* SPDX-License-Identifier: Apache-2.0 */
/* Close in two steps, from everywhere; handles; held messages; reservations. */
#include "core_fixture.h"

struct bench {
    struct world world;
    struct rpr_node *node;
    struct wire *wire;
    struct rpr_device *device;
    struct ept x, y;
    struct rpr_observer observer;
    enum rpr_event_kind when;
};

static void bench_init(struct bench *t, bool credit)
{
    memset(t, 0, sizeof *t);
    world_init(&t->world);
    t->node = world_node(&t->world, "me");
    t->wire = wire_new(&t->world, t->node, "peer");
    t->device = rpr_device_find(t->node, "peer");
    t->x = (struct ept)EPT(&t->world, "x");
    t->y = (struct ept)EPT(&t->world, "y");
    t->x.more = t->y.more = t;
    settle(&t->world, t->node);
    wire_up(t->wire, RPR_DIALECT_NUTTX, credit, 16);
}

static void bench_fini(struct bench *t)
{
    rpr_node_close(t->node);
    free(t->wire);
    assert_int_equal(t->world.n_live, 0);
}

static void open_bound(struct bench *t)
{
    ept_open(&t->x, t->device, "svc");
    ept_bind_to(&t->x, t->wire, t->node, "svc", 77);
}

/* ---- close inside each callback ------------------------------------------------------------- */

static void close_me(struct ept *e)
{
    assert_int_equal(rpr_ept_close(e->h), 0);
    assert_int_equal(e->n_closed, 0); /* not before this callback has returned */
    assert_int_equal(rpr_ept_close(e->h), -RPR_ESTALE);
    assert_int_equal(rpr_send(e->h, "x", 1, 0), -RPR_ESTALE);
}

static enum rpr_rx_result close_me_rx(struct ept *e, const struct rpr_msg *msg)
{
    close_me(e);
    assert_memory_equal(msg->data, "go", 2);
    return RPR_DONE;
}

static void close_inside_rx(void **state)
{
    struct bench t;

    (void)state;
    bench_init(&t, false);
    open_bound(&t);
    t.x.on_rx = close_me_rx;
    wire_text(t.wire, 77, ept_addr(&t.x), "go");
    wire_text(t.wire, 77, ept_addr(&t.x), "too late");
    settle(&t.world, t.node);
    assert_events(&t.world, "x:rx go;x:closed;");
    assert_said(t.wire, "DESTROY svc 1024;");
    bench_fini(&t);
}

static void close_inside_bound(void **state)
{
    (void)state;
    for (int which = 0; which < 4; which++) {
        struct bench t;

        bench_init(&t, false);
        t.x.on_bound = close_me;
        if (which == 1) { /* by an announcement that was kept */
            wire_ns(t.wire, "svc", 77, NS_CREATE);
            settle(&t.world, t.node);
        }
        if (which == 2) { /* inside rpr_ept_open(), as a server */
            assert_int_equal(ept_open_as(&t.x, t.device,
                                         (struct rpr_ept_config){
                                             .name = "svc", .addr = RPR_ADDR_ANY, .dest = 77}),
                             0);
        } else if (which == 3) { /* inside rpr_ept_open(), without a name */
            assert_int_equal(
                ept_open_as(&t.x, t.device, (struct rpr_ept_config){.addr = 99, .dest = 77}), 0);
        } else {
            ept_open(&t.x, t.device, "svc");
            settle(&t.world, t.node);
            (void)wire_said(t.wire);
        }
        if (which == 0)
            wire_ns(t.wire, "svc", 77, NS_CREATE);
        settle(&t.world, t.node);
        assert_events(&t.world, "x:bound 77;x:closed;");
        assert_said(t.wire, which == 0 ? "DESTROY svc 1024;" : "");
        bench_fini(&t);
    }
}

/* The object of who closes itself in `bound` is taken at once by the next one: what was to be said
 * for the first must not be said for the second. */
static void open_another(struct ept *e)
{
    struct bench *t = e->more;

    ept_open(&t->y, t->device, "other");
}

static void closed_in_bound_and_opened_anew(void **state)
{
    struct bench t;

    (void)state;
    bench_init(&t, false);
    t.x.on_bound = close_me;
    t.x.on_closed = open_another;
    wire_ns(t.wire, "svc", 77, NS_CREATE);
    settle(&t.world, t.node);
    ept_open(&t.x, t.device, "svc");
    settle(&t.world, t.node);
    assert_said(t.wire, "CREATE other 1024;");
    bench_fini(&t);
}

static void close_inside_unbound(void **state)
{
    (void)state;
    for (int lost = 0; lost < 2; lost++) {
        struct bench t;

        bench_init(&t, false);
        open_bound(&t);
        t.x.on_unbound = close_me;
        if (lost)
            rpr_link_down(&t.wire->link, "gone");
        else
            wire_ns(t.wire, "svc", 77, NS_DESTROY);
        settle(&t.world, t.node);
        assert_events(&t.world, lost ? "x:unbound lost;x:closed;" : "x:unbound closed;x:closed;");
        pass(&t.world, t.node, S(10));
        assert_said(t.wire, lost ? "" : "DESTROY svc 1024;");
        bench_fini(&t);
    }
}

static void close_inside_writable(void **state)
{
    struct bench t;

    (void)state;
    bench_init(&t, false);
    open_bound(&t);
    t.x.on_writable = close_me;
    while (ept_send(&t.x, ".") == 0)
        ;
    (void)rpr_node_poll(t.node, t.world.now, 0);
    (void)wire_said(t.wire);
    pass(&t.world, t.node, MS(1));
    assert_events(&t.world, "x:writable;x:closed;");
    bench_fini(&t);
}

static enum rpr_rx_result close_x(struct ept *e, const struct rpr_msg *msg)
{
    struct bench *t = e->more;

    (void)msg;
    assert_int_equal(rpr_ept_close(t->x.h), 0);
    assert_int_equal(t->x.n_closed, 1); /* nothing of it runs: at once */
    return RPR_DONE;
}

static void close_another_inside_rx(void **state)
{
    struct bench t;

    (void)state;
    bench_init(&t, false);
    open_bound(&t);
    ept_open(&t.y, t.device, "y");
    ept_bind_to(&t.y, t.wire, t.node, "y", 78);
    t.y.on_rx = close_x;
    wire_text(t.wire, 77, ept_addr(&t.x), "1");
    wire_text(t.wire, 78, ept_addr(&t.y), "go");
    wire_text(t.wire, 77, ept_addr(&t.x), "2");
    settle(&t.world, t.node);
    assert_events(&t.world, "x:rx 1;y:rx go;x:closed;");
    bench_fini(&t);
}

/* ---- observers ------------------------------------------------------------------------------ */

static void close_first(void *ctx, const struct rpr_event *event)
{
    struct bench *t = ctx;
    rpr_ept_t none = {0};

    if (event->kind == t->when)
        (void)rpr_ept_close(rpr_ept_next(t->device, none));
}

static void close_by_an_observer_at_each_event(void **state)
{
    static const enum rpr_event_kind kinds[] = {RPR_EVENT_EPT_OPENED, RPR_EVENT_EPT_BOUND,
                                                RPR_EVENT_EPT_UNBOUND, RPR_EVENT_EPT_CLOSED};

    (void)state;
    for (unsigned i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        for (int server = 0; server < 2; server++) {
            struct bench t;

            bench_init(&t, false);
            t.when = kinds[i];
            t.observer.event = close_first;
            t.observer.ctx = &t;
            rpr_observer_add(t.node, &t.observer);
            (void)ept_open_as(&t.x, t.device,
                              (struct rpr_ept_config){.name = "svc",
                                                      .addr = RPR_ADDR_ANY,
                                                      .dest = server ? 77 : RPR_ADDR_ANY});
            settle(&t.world, t.node);
            wire_ns(t.wire, "svc", 77, NS_CREATE);
            settle(&t.world, t.node);
            wire_ns(t.wire, "svc", 77, NS_DESTROY);
            settle(&t.world, t.node);
            rpr_observer_remove(t.node, &t.observer);
            (void)rpr_ept_close(t.x.h);
            assert_int_equal(t.x.n_closed, 1);
            settle(&t.world, t.node);
            bench_fini(&t);
        }
    }
}

struct two_observers {
    struct rpr_node *node;
    struct rpr_observer first, *second;
};

static void remove_second(void *ctx, const struct rpr_event *event)
{
    struct two_observers *t = ctx;

    (void)event;
    if (!t->second)
        return;
    rpr_observer_remove(t->node, t->second);
    free(t->second);
    t->second = NULL;
}

static void must_not_run(void *ctx, const struct rpr_event *event)
{
    (void)ctx;
    (void)event;
    fail_msg("called after its removal");
}

static void an_observer_removes_the_next_one(void **state)
{
    struct bench t;
    struct two_observers two;

    (void)state;
    bench_init(&t, false);
    two = (struct two_observers){.node = t.node, .first = {.event = remove_second, .ctx = &two}};
    two.second = calloc(1, sizeof *two.second);
    two.second->event = must_not_run;
    rpr_observer_add(t.node, &two.first);
    rpr_observer_add(t.node, two.second);
    ept_open(&t.x, t.device, "svc");
    rpr_observer_remove(t.node, &two.first);
    bench_fini(&t);
}

/* ---- drained: held messages, reservations, words -------------------------------------------- */

static void a_held_message_keeps_closed_waiting(void **state)
{
    struct bench t;

    (void)state;
    bench_init(&t, false);
    open_bound(&t);
    t.x.result = RPR_HOLD;
    wire_text(t.wire, 77, ept_addr(&t.x), "one");
    wire_text(t.wire, 77, ept_addr(&t.x), "two");
    settle(&t.world, t.node);
    assert_int_equal(rpr_ept_close(t.x.h), 0);
    assert_int_equal(t.x.n_closed, 0);
    rpr_release(&t.x.held[1]);
    assert_int_equal(t.x.n_closed, 0);
    assert_memory_equal(t.x.held[0].data, "one", 3);
    rpr_release(&t.x.held[0]);
    assert_int_equal(t.x.n_closed, 1);
    bench_fini(&t);
}

static void a_held_message_outlives_link_and_endpoint(void **state)
{
    struct bench t;

    (void)state;
    bench_init(&t, false);
    open_bound(&t);
    t.x.result = RPR_HOLD;
    wire_text(t.wire, 77, ept_addr(&t.x), "one");
    settle(&t.world, t.node);
    rpr_link_down(&t.wire->link, "gone");
    assert_int_equal(t.wire->n_destroyed_lives, 0);
    wire_up(t.wire, RPR_DIALECT_NUTTX, false, 8);
    rpr_link_unregister(&t.wire->link);
    settle(&t.world, t.node);
    assert_int_equal(t.wire->n_destroyed_lives, 1); /* the second one */
    assert_false(t.wire->gone);
    assert_int_equal(t.x.n_closed, 0);
    rpr_release(&t.x.held[0]);
    assert_int_equal(t.x.n_closed, 1);
    assert_int_equal(t.wire->n_destroyed_lives, 2);
    settle(&t.world, t.node);
    assert_true(t.wire->gone);
    bench_fini(&t);
}

static void a_reservation_outlives_everything(void **state)
{
    struct bench t;
    struct rpr_buf buf[4];

    (void)state;
    bench_init(&t, false);
    open_bound(&t);
    for (unsigned i = 0; i < 4; i++) {
        assert_int_equal(rpr_reserve(t.x.h, &buf[i]), 0);
        assert_int_equal(buf[i].size, 496);
        memset(buf[i].data, 'z', buf[i].size);
    }
    assert_int_equal(rpr_commit(t.x.h, &buf[3], 497, 0), -RPR_EMSGSIZE);
    rpr_link_down(&t.wire->link, "gone");
    assert_int_equal(t.wire->n_destroyed_lives, 0);
    memset(buf[0].data, 'y', buf[0].size);
    assert_int_equal(rpr_commit(t.x.h, &buf[0], 5, 0), -RPR_ENOTCONN);
    wire_up(t.wire, RPR_DIALECT_NUTTX, false, 8);
    rpr_cancel(t.x.h, &buf[1]);
    assert_int_equal(rpr_ept_close(t.x.h), 0);
    assert_int_equal(rpr_commit(t.x.h, &buf[2], 5, 0), -RPR_ESTALE);
    settle(&t.world, t.node);
    assert_int_equal(t.wire->n_destroyed_lives, 1);
    assert_int_equal(t.wire->n_free, 8);
    bench_fini(&t);
}

static void a_reservation_of_a_closed_endpoint(void **state)
{
    struct bench t;
    struct rpr_buf buf[2];
    uint32_t n;

    (void)state;
    bench_init(&t, false);
    open_bound(&t);
    n = t.wire->n_free;
    assert_int_equal(rpr_reserve(t.x.h, &buf[0]), 0);
    assert_int_equal(rpr_reserve(t.x.h, &buf[1]), 0);
    assert_int_equal(rpr_ept_close(t.x.h), 0);
    assert_int_equal(t.x.n_closed, 1); /* the buffers are the link's business */
    ept_open(&t.y, t.device, "other"); /* takes the same object */
    assert_int_equal(rpr_commit(t.x.h, &buf[0], 5, 0), -RPR_ESTALE);
    rpr_cancel(t.x.h, &buf[1]);
    settle(&t.world, t.node);
    assert_said(t.wire, "DESTROY svc 1024;CREATE other 1024;");
    assert_int_equal(t.wire->n_free, n);
    bench_fini(&t);
}

/* Reserved towards one peer, which closes: the message is not for the next one. */
static void a_reservation_for_a_peer_that_is_gone(void **state)
{
    struct bench t;
    struct rpr_buf buf;

    (void)state;
    bench_init(&t, false);
    open_bound(&t);
    assert_int_equal(rpr_reserve(t.x.h, &buf), 0);
    wire_ns(t.wire, "svc", 77, NS_DESTROY);
    wire_ns(t.wire, "svc", 78, NS_CREATE);
    settle(&t.world, t.node);
    assert_events(&t.world, "x:unbound closed;x:bound 78;");
    assert_int_equal(rpr_commit(t.x.h, &buf, 3, 0), -RPR_ENOTCONN);
    assert_said(t.wire, "ACK svc 1024;");
    bench_fini(&t);
}

/* `closed` runs, and in it the link has a buffer for the DESTROY: the object is freed once. */
static void send_from_y(struct ept *e)
{
    struct bench *t = e->more;

    t->wire->n_free = 8;
    (void)ept_send(&t->y, "from y");
    (void)ept_send(&t->y, "again");
}

static void destroy_leaves_while_closed_runs(void **state)
{
    struct bench t;
    struct ept many[4];

    (void)state;
    bench_init(&t, false);
    open_bound(&t);
    ept_open(&t.y, t.device, "y");
    ept_bind_to(&t.y, t.wire, t.node, "y", 78);
    t.x.on_closed = send_from_y;
    t.wire->n_free = 0;
    assert_int_equal(rpr_ept_close(t.x.h), 0);
    settle(&t.world, t.node);
    assert_said(t.wire, "DESTROY svc 1024;1025>78 from y;1025>78 again;");
    for (unsigned i = 0; i < 4; i++) { /* no object is given out twice */
        many[i] = (struct ept)EPT(&t.world, "m");
        ept_open(&many[i], t.device, "m");
        for (unsigned j = 0; j < i; j++)
            assert_ptr_not_equal(many[i].h.endpoint, many[j].h.endpoint);
    }
    bench_fini(&t);
}

static void down_in_closed(struct ept *e)
{
    struct bench *t = e->more;

    assert_int_equal(rpr_device_down(t->device), 0);
}

static void the_link_ends_while_closed_runs(void **state)
{
    struct bench t;
    struct ept many[4];

    (void)state;
    bench_init(&t, false);
    open_bound(&t);
    t.x.on_closed = down_in_closed;
    t.wire->n_free = 0;
    assert_int_equal(rpr_ept_close(t.x.h), 0);
    settle(&t.world, t.node);
    for (unsigned i = 0; i < 4; i++) {
        many[i] = (struct ept)EPT(&t.world, "m");
        ept_open(&many[i], t.device, "m");
        for (unsigned j = 0; j < i; j++)
            assert_ptr_not_equal(many[i].h.endpoint, many[j].h.endpoint);
    }
    bench_fini(&t);
}

static void take_down(struct ept *e)
{
    struct bench *t = e->more;

    assert_int_equal(rpr_device_down(t->device), 0);
}

/* The link ends inside `bound`, wherever that comes from. */
static void down_inside_bound(void **state)
{
    (void)state;
    for (int which = 0; which < 4; which++) {
        struct bench t;

        bench_init(&t, false);
        t.x.on_bound = take_down;
        if (which == 1) {
            wire_ns(t.wire, "svc", 77, NS_CREATE);
            settle(&t.world, t.node);
        }
        if (which == 3) {
            assert_int_equal(
                ept_open_as(&t.x, t.device, (struct rpr_ept_config){.addr = 99, .dest = 77}), 0);
        } else {
            assert_int_equal(
                ept_open_as(&t.x, t.device,
                            (struct rpr_ept_config){.name = "svc",
                                                    .addr = RPR_ADDR_ANY,
                                                    .dest = which == 2 ? 77 : RPR_ADDR_ANY}),
                0);
        }
        settle(&t.world, t.node);
        if (which == 0)
            wire_ns(t.wire, "svc", 77, NS_CREATE);
        settle(&t.world, t.node);
        assert_events(&t.world, "x:bound 77;x:unbound lost;");
        assert_int_equal(rpr_device_state(t.device), RPR_DEVICE_DOWN);
        bench_fini(&t);
    }
}

/* Who waits for a buffer and closes is not waited for: its memory is another endpoint's by then. */
static void a_waiter_closes_and_its_memory_is_used_again(void **state)
{
    struct bench t;
    struct ept z;

    (void)state;
    bench_init(&t, false);
    z = (struct ept)EPT(&t.world, "z");
    open_bound(&t);
    ept_open(&t.y, t.device, "other");
    ept_bind_to(&t.y, t.wire, t.node, "other", 78);
    t.wire->n_free = 1; /* for control only */
    assert_int_equal(ept_send(&t.x, "no"), -RPR_EAGAIN);
    assert_int_equal(ept_send(&t.y, "no"), -RPR_EAGAIN);
    assert_int_equal(rpr_ept_close(t.x.h), 0);
    settle(&t.world, t.node);
    assert_said(t.wire, "DESTROY svc 1024;"); /* and its buffer is back */
    t.wire->n_free = 0;
    ept_open(&z, t.device, "z");
    assert_ptr_equal(z.h.endpoint, t.x.h.endpoint);
    for (uint32_t id = 1; id < 4; id++)
        wire_back(t.wire, id);
    settle(&t.world, t.node);
    assert_events(&t.world, "x:closed;y:writable;");
    assert_said(t.wire, "CREATE z 1024;");
    bench_fini(&t);
}

/* ---- handles -------------------------------------------------------------------------------- */

static void stale_handles_are_refused_by_every_function(void **state)
{
    struct bench t;
    struct rpr_ept_info info;
    struct rpr_buf buf;
    rpr_ept_t stale[3] = {{0}};

    (void)state;
    bench_init(&t, false);
    open_bound(&t);
    stale[1] = t.x.h;
    assert_int_equal(rpr_ept_close(t.x.h), 0);
    settle(&t.world, t.node);
    ept_open(&t.y, t.device, "y"); /* the same object */
    stale[2] = t.y.h;
    stale[2].generation += 5;
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(rpr_ept_close(stale[i]), -RPR_ESTALE);
        assert_int_equal(rpr_ept_abandon(stale[i]), -RPR_ESTALE);
        assert_int_equal(rpr_ept_info(stale[i], &info), -RPR_ESTALE);
        assert_int_equal(rpr_ept_resume(stale[i]), -RPR_ESTALE);
        assert_int_equal(rpr_ept_overflow(stale[i], RPR_DROP_OLDEST), -RPR_ESTALE);
        assert_int_equal(rpr_ept_bind(stale[i], 5, true), -RPR_ESTALE);
        assert_int_equal(rpr_ept_unbind(stale[i], true), -RPR_ESTALE);
        assert_int_equal(rpr_send(stale[i], "x", 1, 0), -RPR_ESTALE);
        assert_int_equal(rpr_send_to(stale[i], 5, "x", 1, 0), -RPR_ESTALE);
        assert_int_equal(rpr_reserve(stale[i], &buf), -RPR_ESTALE);
    }
    assert_int_equal(rpr_ept_info(t.y.h, &info), 0);
    bench_fini(&t);
}

/* ---- with flow control ---------------------------------------------------------------------- */

static enum rpr_rx_result close_at_last(struct ept *e, const struct rpr_msg *msg)
{
    (void)msg;
    if (e->n_rx == 128)
        assert_int_equal(rpr_ept_close(e->h), 0);
    return RPR_DONE;
}

/* Closed inside the very message at which credit is due: nothing of it may stay on a list. */
static void closed_when_credit_is_due(void **state)
{
    (void)state;
    for (unsigned offset = 0; offset < 3; offset++) {
        struct bench t;
        struct ept z = EPT(&t.world, "z");

        bench_init(&t, true);
        assert_int_equal(
            ept_open_as(&t.x, t.device,
                        (struct rpr_ept_config){.name = "svc", .addr = RPR_ADDR_ANY, .dest = 77}),
            0);
        settle(&t.world, t.node);
        t.x.on_rx = close_at_last;
        t.x.n_rx = offset;
        for (unsigned i = 0; i < 128; i++)
            wire_text(t.wire, 77, ept_addr(&t.x), "m");
        settle(&t.world, t.node);
        assert_int_equal(t.x.n_closed, 1);
        ept_open(&t.y, t.device, "y"); /* takes the same object */
        ept_open(&z, t.device, "z");
        settle(&t.world, t.node);
        (void)wire_said(t.wire);
        wire_ns(t.wire, "y", 78, NS_CREATE_ACK);
        wire_ns(t.wire, "z", 79, NS_CREATE_ACK);
        settle(&t.world, t.node);
        assert_string_equal(wire_said(t.wire), "GRANT 79 1025 4;GRANT 78 1024 4;");
        bench_fini(&t);
    }
}

/* The same with messages that were kept and are dropped by the close. */
static void closed_with_messages_kept_when_credit_is_due(void **state)
{
    struct bench t;

    (void)state;
    bench_init(&t, true);
    assert_int_equal(ept_open_as(&t.x, t.device,
                                 (struct rpr_ept_config){.name = "svc",
                                                         .addr = RPR_ADDR_ANY,
                                                         .dest = 77,
                                                         .quota = 8,
                                                         .flags = RPR_EPT_MANUAL}),
                     0);
    settle(&t.world, t.node);
    (void)wire_said(t.wire);
    t.x.result = RPR_LATER;
    for (unsigned i = 0; i < 8; i++)
        wire_text(t.wire, 77, ept_addr(&t.x), "m");
    settle(&t.world, t.node);
    assert_int_equal(rpr_ept_close(t.x.h), 0);
    assert_int_equal(t.x.n_closed, 1);
    ept_open(&t.y, t.device, "y");
    settle(&t.world, t.node);
    assert_string_equal(wire_said(t.wire), "DESTROY svc 1024;CREATE y 1024;");
    bench_fini(&t);
}

/* ---- a thread that sends meanwhile -------------------------------------------------------------- */

/* The owner is about to take the lock of the link: just then another thread sends. */
static struct thread {
    struct ept *sender; /* NULL: it does nothing */
    bool runs;
    unsigned n_tries;
    int first_error;
} thread;

static void *new_lock(void *ctx)
{
    return ctx; /* any */
}

static void free_lock(void *ctx, void *lock)
{
    (void)ctx;
    (void)lock;
}

static void take_lock(void *lock)
{
    int error;

    (void)lock;
    if (!thread.sender || thread.runs)
        return;
    thread.runs = true;
    error = rpr_send(thread.sender->h, "data", 4, 0);
    thread.runs = false;
    assert_int_not_equal(error, 0);
    if (!thread.n_tries++)
        thread.first_error = error;
}

static bool try_lock(void *lock)
{
    (void)lock;
    return true;
}

static void give_lock(void *lock)
{
    (void)lock;
}

static bool on_owner(void *ctx)
{
    (void)ctx;
    return !thread.runs;
}

/* Bound, and the ACK has not left. */
static void open_locked(struct bench *t)
{
    memset(t, 0, sizeof *t);
    memset(&thread, 0, sizeof thread);
    world_init(&t->world);
    t->world.platform.lock_new = new_lock;
    t->world.platform.lock_free = free_lock;
    t->world.platform.lock = take_lock;
    t->world.platform.trylock = try_lock;
    t->world.platform.unlock = give_lock;
    t->world.platform.on_owner = on_owner;
    t->node = world_node(&t->world, "me");
    t->wire = calloc(1, sizeof *t->wire);
    t->wire->world = &t->world;
    t->wire->slot_size = 496 + RPMSG_HEADER_BYTES;
    assert_int_equal(rpr_link_register(t->node, &t->wire->link, &wire_ops, "peer", "wire", true),
                     0);
    t->x = (struct ept)EPT(&t->world, "x");
    settle(&t->world, t->node);
    wire_up(t->wire, RPR_DIALECT_NUTTX, false, 16);
    wire_ns(t->wire, "svc", 77, NS_CREATE);
    settle(&t->world, t->node);
    ept_open(&t->x, rpr_device_find(t->node, "peer"), "svc");
    assert_events(&t->world, "x:bound 77;");
    assert_said(t->wire, "");
    thread.sender = &t->x;
}

static void data_does_not_leave_when_its_answer_is_forgotten(void **state)
{
    struct bench t;

    (void)state;
    open_locked(&t);
    assert_int_equal(rpr_ept_close(t.x.h), 0);
    assert_true(thread.n_tries > 1);
    assert_int_equal(thread.first_error, -RPR_EAGAIN); /* the ACK has to leave first */
    thread.sender = NULL;
    settle(&t.world, t.node);
    assert_said(t.wire, "");
    bench_fini(&t);

    open_locked(&t);
    rpr_link_down(&t.wire->link, "gone");
    assert_true(thread.n_tries > 1);
    assert_int_equal(thread.first_error, -RPR_EAGAIN);
    thread.sender = NULL;
    assert_said(t.wire, "");
    bench_fini(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(close_inside_rx),
        cmocka_unit_test(close_inside_bound),
        cmocka_unit_test(closed_in_bound_and_opened_anew),
        cmocka_unit_test(close_inside_unbound),
        cmocka_unit_test(close_inside_writable),
        cmocka_unit_test(close_another_inside_rx),
        cmocka_unit_test(close_by_an_observer_at_each_event),
        cmocka_unit_test(an_observer_removes_the_next_one),
        cmocka_unit_test(a_held_message_keeps_closed_waiting),
        cmocka_unit_test(a_held_message_outlives_link_and_endpoint),
        cmocka_unit_test(a_reservation_outlives_everything),
        cmocka_unit_test(a_reservation_of_a_closed_endpoint),
        cmocka_unit_test(a_reservation_for_a_peer_that_is_gone),
        cmocka_unit_test(destroy_leaves_while_closed_runs),
        cmocka_unit_test(the_link_ends_while_closed_runs),
        cmocka_unit_test(down_inside_bound),
        cmocka_unit_test(a_waiter_closes_and_its_memory_is_used_again),
        cmocka_unit_test(stale_handles_are_refused_by_every_function),
        cmocka_unit_test(closed_when_credit_is_due),
        cmocka_unit_test(closed_with_messages_kept_when_credit_is_due),
        cmocka_unit_test(data_does_not_leave_when_its_answer_is_forgotten),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
