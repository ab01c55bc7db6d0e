/* SPDX-License-Identifier: Apache-2.0 */
/* Name service: who says what when, for every row of the table of dialects (WIRE 1.3). */
#include "core_fixture.h"

struct bench {
    struct world world;
    struct rpr_node *node;
    struct wire *wire;
    struct rpr_device *device;
    struct ept x, y, z;
    struct rpr_service *service;
    unsigned n_offered;
    int bind_error;
    bool silent; /* the service takes the announcement and opens nothing */
};

static void bench_init(struct bench *t, enum rpr_dialect dialect)
{
    memset(t, 0, sizeof *t);
    world_init(&t->world);
    t->node = world_node(&t->world, "me");
    t->wire = wire_new(&t->world, t->node, "peer");
    t->device = rpr_device_find(t->node, "peer");
    t->x = (struct ept)EPT(&t->world, "x");
    t->y = (struct ept)EPT(&t->world, "y");
    t->z = (struct ept)EPT(&t->world, "z");
    t->x.more = t->y.more = t;
    settle(&t->world, t->node);
    wire_up(t->wire, dialect, false, WIRE_BUFFERS);
}

static void bench_fini(struct bench *t)
{
    rpr_node_close(t->node);
    free(t->wire);
    assert_int_equal(t->world.n_live, 0);
}

static struct rpr_device_info info(struct bench *t)
{
    struct rpr_device_info i;

    rpr_device_info(t->device, &i);
    return i;
}

static enum rpr_ept_state state_of(struct ept *e)
{
    struct rpr_ept_info i;

    assert_int_equal(rpr_ept_info(e->h, &i), 0);
    return i.state;
}

static int serve(void *ctx, struct rpr_device *device, const char *name, uint32_t addr)
{
    struct bench *t = ctx;

    note(&t->world, "offered %s %u;", name, (unsigned)addr);
    t->n_offered++;
    if (t->bind_error || t->silent)
        return t->bind_error;
    return ept_open_as(&t->y, device,
                       (struct rpr_ept_config){.name = name, .addr = RPR_ADDR_ANY, .dest = addr});
}

static const struct rpr_service_ops serve_ops = {.bind = serve};

static void open_service(struct bench *t, const char *name)
{
    assert_int_equal(
        rpr_service_open(t->node,
                         &(struct rpr_service_config){.name = name, .ops = &serve_ops, .ctx = t},
                         &t->service),
        0);
}

static void event(struct bench *t, const char *name, uint32_t addr, uint32_t flags)
{
    wire_ns(t->wire, name, addr, flags);
    settle(&t->world, t->node);
}

/* ---- one table of tests for the table of dialects ------------------------------------------- */

struct row {
    enum rpr_dialect dialect;
    const char *name;
    const char *answer; /* of a waiting client to the peer's CREATE */
    const char *served; /* what a server says that a CREATE made */
    const char *end;    /* what a server says at its end */
    bool ack, latch;
};

static const struct row rows[] = {
    {RPR_DIALECT_RPR, "rpr", "ACK svc 1024;", "ACK svc 1024;", "DESTROY svc 1024;", true, false},
    {RPR_DIALECT_NUTTX, "nuttx", "ACK svc 1024;", "ACK svc 1024;", "DESTROY svc 1024;", true,
     false},
    {RPR_DIALECT_NUTTX_OLD, "nuttx-old", "ACK svc 1024;", "ACK svc 1024;", "DESTROY svc 1024;",
     true, false},
    {RPR_DIALECT_OPENAMP, "openamp", "CREATE svc 1024;", "CREATE svc 1024;", "DESTROY svc 1024;",
     false, true},
    {RPR_DIALECT_LINUX, "linux", "", "", "", false, true},
    {RPR_DIALECT_LITE, "rpmsg-lite", "CREATE svc 1024;", "CREATE svc 1024;", "DESTROY svc 1024;",
     false, true},
};

#define FOR_ROWS(r) \
    for (const struct row *r = rows; (r) < rows + sizeof rows / sizeof rows[0]; (r)++)

static void all_rows_are_here(void **state)
{
    (void)state;
    assert_int_equal(sizeof rows / sizeof rows[0], RPR_N_DIALECTS);
    FOR_ROWS(r)
    {
        struct bench t;

        bench_init(&t, r->dialect);
        assert_string_equal(info(&t).dialect, r->name);
        bench_fini(&t);
    }
}

static void field_3_4_create_is_answered_by_ack(void **state)
{
    (void)state;
    FOR_ROWS(r)
    {
        struct bench t;

        bench_init(&t, r->dialect);
        ept_open(&t.x, t.device, "svc");
        settle(&t.world, t.node);
        assert_said(t.wire, "CREATE svc 1024;");
        assert_int_equal(ept_send(&t.x, "."), -RPR_ENOTCONN);
        event(&t, "svc", 7, NS_CREATE);
        assert_events(&t.world, "x:bound 7;");
        assert_said(t.wire, r->answer);
        event(&t, "svc", 7, NS_CREATE); /* known: no second answer */
        assert_said(t.wire, "");
        assert_events(&t.world, "");
        assert_int_equal(ept_send(&t.x, "hi"), 0);
        assert_said(t.wire, "1024>7 hi;");
        bench_fini(&t);
    }
}

static void an_ack_binds_where_it_is_known(void **state)
{
    (void)state;
    FOR_ROWS(r)
    {
        struct bench t;

        bench_init(&t, r->dialect);
        ept_open(&t.x, t.device, "svc");
        settle(&t.world, t.node);
        event(&t, "svc", 7, NS_CREATE_ACK);
        assert_events(&t.world, r->ack ? "x:bound 7;" : "");
        assert_int_equal(info(&t).counters.errors, r->ack ? 0 : 1);
        event(&t, "svc", 7, NS_CREATE_ACK);
        assert_events(&t.world, "");
        assert_said(t.wire, "CREATE svc 1024;");
        bench_fini(&t);
    }
}

static void a_server_answers_in_its_dialect(void **state)
{
    (void)state;
    FOR_ROWS(r)
    {
        struct bench t;

        bench_init(&t, r->dialect);
        open_service(&t, "svc");
        event(&t, "svc", 7, NS_CREATE);
        assert_events(&t.world, "offered svc 7;y:bound 7;");
        assert_said(t.wire, r->served);
        event(&t, "svc", 7, NS_CREATE);
        assert_said(t.wire, "");
        assert_int_equal(rpr_ept_close(t.y.h), 0);
        settle(&t.world, t.node);
        assert_said(t.wire, r->end);
        bench_fini(&t);
    }
}

static void who_writes_first_is_the_peer_where_nothing_else_says_it(void **state)
{
    (void)state;
    FOR_ROWS(r)
    {
        struct bench t;

        bench_init(&t, r->dialect);
        ept_open(&t.x, t.device, "svc");
        settle(&t.world, t.node);
        wire_text(t.wire, 9, ept_addr(&t.x), "hi");
        settle(&t.world, t.node);
        assert_events(&t.world, r->latch ? "x:bound 9;x:rx hi;" : "x:rx hi;");
        bench_fini(&t);
    }
}

static void field_3_6_destroy_unbinds(void **state)
{
    (void)state;
    FOR_ROWS(r)
    {
        struct bench t;

        bench_init(&t, r->dialect);
        ept_open(&t.x, t.device, "svc");
        settle(&t.world, t.node);
        event(&t, "svc", 7, NS_CREATE);
        (void)wire_said(t.wire);
        event(&t, "svc", 7, NS_DESTROY);
        assert_events(&t.world, "x:bound 7;x:unbound closed;");
        assert_int_equal(ept_send(&t.x, "."), -RPR_ENOTCONN);
        assert_said(t.wire, "");
        pass(&t.world, t.node, MS(10));
        assert_said(t.wire, "CREATE svc 1024;");
        event(&t, "svc", 8, NS_CREATE);
        assert_events(&t.world, "x:bound 8;");
        bench_fini(&t);
    }
}

/* ---- exactly whom a message means ----------------------------------------------------------- */

static void destroy_matches_name_and_address(void **state)
{
    struct bench t;

    (void)state;
    bench_init(&t, RPR_DIALECT_NUTTX);
    ept_open(&t.x, t.device, "svc");
    ept_open(&t.y, t.device, "other");
    settle(&t.world, t.node);
    (void)wire_said(t.wire);
    event(&t, "svc", 7, NS_DESTROY); /* H-3: nobody is bound to it */
    event(&t, "svc", RPR_ADDR_ANY - 1, NS_DESTROY);
    assert_events(&t.world, "");
    assert_int_equal(info(&t).counters.late, 2);
    event(&t, "svc", 7, NS_CREATE_ACK);
    event(&t, "other", 8, NS_CREATE_ACK);
    event(&t, "svc", 8, NS_DESTROY);
    event(&t, "other", 7, NS_DESTROY);
    event(&t, "nobody", 7, NS_DESTROY);
    assert_events(&t.world, "x:bound 7;y:bound 8;");
    assert_int_equal(info(&t).counters.late, 5);
    event(&t, "svc", 7, NS_DESTROY);
    assert_events(&t.world, "x:unbound closed;");
    event(&t, "svc", 7, NS_DESTROY);
    assert_events(&t.world, "");
    event(&t, "kept", 7, NS_CREATE);
    event(&t, "kept", 8, NS_CREATE);
    event(&t, "kept", 9, NS_DESTROY);
    assert_int_equal(info(&t).n_announcements, 2);
    event(&t, "kept", 8, NS_DESTROY);
    ept_open(&t.z, t.device, "kept");
    assert_events(&t.world, "z:bound 7;");
    bench_fini(&t);
}

/* H-29: an ACK for a CREATE that is no more binds to an address which is destroyed next. */
static void a_stale_ack_is_survived(void **state)
{
    struct bench t;

    (void)state;
    bench_init(&t, RPR_DIALECT_NUTTX);
    ept_open(&t.x, t.device, "svc");
    settle(&t.world, t.node);
    (void)wire_said(t.wire);
    event(&t, "svc", 7, NS_CREATE_ACK); /* stale */
    event(&t, "svc", 8, NS_CREATE);     /* the new one: bound elsewhere, so it is kept */
    assert_int_equal(info(&t).n_announcements, 1);
    event(&t, "svc", 7, NS_DESTROY);
    assert_events(&t.world, "x:bound 7;x:unbound closed;x:bound 8;");
    assert_said(t.wire, "ACK svc 1024;");
    assert_int_equal(info(&t).n_announcements, 0);
    pass(&t.world, t.node, S(6));
    assert_said(t.wire, "");
    bench_fini(&t);
}

/* An ACK for one whose CREATE has not left is for a former one: it binds nothing, and the CREATE leaves. */
static void an_ack_before_its_create_is_stale(void **state)
{
    struct bench t;

    (void)state;
    bench_init(&t, RPR_DIALECT_NUTTX);
    t.wire->n_free = 0;
    ept_open(&t.x, t.device, "svc");
    event(&t, "svc", 7, NS_CREATE_ACK);
    assert_events(&t.world, "");
    assert_int_equal(info(&t).counters.late, 1);
    t.wire->free[t.wire->n_free++] = 1;
    t.wire->free[t.wire->n_free++] = 2;
    pass(&t.world, t.node, MS(10));
    assert_said(t.wire, "CREATE svc 1024;");
    event(&t, "svc", 8, NS_CREATE_ACK);
    assert_events(&t.world, "x:bound 8;");
    bench_fini(&t);
}

static void names_are_matched_whole(void **state)
{
    struct bench t;

    (void)state;
    bench_init(&t, RPR_DIALECT_NUTTX);
    ept_open(&t.x, t.device, "svc");
    event(&t, "svc2", 7, NS_CREATE);
    event(&t, "sv", 7, NS_CREATE);
    event(&t, "SVC", 7, NS_CREATE);
    assert_events(&t.world, "");
    assert_int_equal(info(&t).n_announcements, 3);
    bench_fini(&t);
}

static void two_endpoints_of_one_name(void **state)
{
    struct bench t;

    (void)state;
    bench_init(&t, RPR_DIALECT_NUTTX);
    ept_open(&t.x, t.device, "svc");
    ept_open(&t.y, t.device, "svc");
    settle(&t.world, t.node);
    assert_said(t.wire, "CREATE svc 1024;CREATE svc 1025;");
    event(&t, "svc", 7, NS_CREATE_ACK);
    event(&t, "svc", 8, NS_CREATE_ACK);
    assert_true(!!strstr(t.world.events, "x:bound") && !!strstr(t.world.events, "y:bound"));
    event(&t, "svc", 9, NS_CREATE_ACK); /* one too many */
    assert_int_equal(info(&t).counters.late, 1);
    bench_fini(&t);
}

static void nonsense_is_counted(void **state)
{
    struct bench t;
    uint8_t payload[64] = {'s', 'v', 'c'};

    (void)state;
    bench_init(&t, RPR_DIALECT_NUTTX);
    open_service(&t, "svc");
    for (size_t len = 0; len <= 64; len++)
        if (len != RPMSG_NS_BYTES)
            wire_put(t.wire, 7, RPMSG_ADDR_NS, payload, len);
    settle(&t.world, t.node);
    assert_int_equal(info(&t).counters.errors, 64);
    event(&t, "svc", 7, 3);
    event(&t, "svc", 7, UINT32_MAX);
    event(&t, "", 7, NS_CREATE);
    event(&t, "svc", RPR_ADDR_ANY, NS_CREATE);
    assert_int_equal(info(&t).counters.errors, 68);
    assert_events(&t.world, "");
    assert_int_equal(rpr_device_state(t.device), RPR_DEVICE_UP);
    memset(payload, 'n', 32); /* RPMsg-Lite: 32 characters, no NUL */
    put_le32(payload + 32, 5);
    put_le32(payload + 36, 0);
    wire_put(t.wire, 5, RPMSG_ADDR_NS, payload, RPMSG_NS_BYTES);
    settle(&t.world, t.node);
    assert_int_equal(info(&t).n_announcements, 1);
    bench_fini(&t);
}

/* ---- announcements that are kept ------------------------------------------------------------ */

static void a_late_service_hears_what_was_announced(void **state)
{
    struct bench t;

    (void)state;
    bench_init(&t, RPR_DIALECT_NUTTX);
    event(&t, "svc", 7, NS_CREATE);
    event(&t, "svc", 7, NS_CREATE);
    event(&t, "other", 8, NS_CREATE);
    assert_int_equal(info(&t).n_announcements, 2);
    assert_said(t.wire, "");
    open_service(&t, "svc");
    settle(&t.world, t.node);
    assert_events(&t.world, "offered svc 7;y:bound 7;");
    assert_said(t.wire, "ACK svc 1024;");
    assert_int_equal(info(&t).n_announcements, 1);
    bench_fini(&t);
}

static void a_late_endpoint_takes_the_oldest(void **state)
{
    struct bench t;

    (void)state;
    bench_init(&t, RPR_DIALECT_NUTTX);
    event(&t, "svc", 7, NS_CREATE);
    event(&t, "svc", 8, NS_CREATE);
    ept_open(&t.x, t.device, "svc");
    settle(&t.world, t.node);
    assert_events(&t.world, "x:bound 7;");
    assert_said(t.wire, "ACK svc 1024;");
    assert_int_equal(info(&t).n_announcements, 1);
    bench_fini(&t);
}

static void at_most_256_are_kept(void **state)
{
    struct bench t;
    char name[16];

    (void)state;
    bench_init(&t, RPR_DIALECT_NUTTX);
    for (unsigned i = 0; i < 300; i++) {
        snprintf(name, sizeof name, "svc%u", i);
        event(&t, name, 2000 + i, NS_CREATE);
    }
    assert_int_equal(info(&t).n_announcements, 256);
    assert_int_equal(info(&t).announcements_refused, 44);
    event(&t, "svc0", 2000, NS_DESTROY);
    assert_int_equal(info(&t).n_announcements, 255);
    event(&t, "svc299", 2299, NS_CREATE);
    assert_int_equal(info(&t).n_announcements, 256);
    rpr_link_down(&t.wire->link, "gone");
    assert_int_equal(info(&t).n_announcements, 0);
    bench_fini(&t);
}

static void a_service_that_refuses_leaves_it_to_the_next(void **state)
{
    struct bench t;
    struct rpr_service *first;

    (void)state;
    bench_init(&t, RPR_DIALECT_NUTTX);
    t.bind_error = -RPR_ENOMEM;
    open_service(&t, "svc");
    first = t.service;
    open_service(&t, "svc");
    event(&t, "svc", 7, NS_CREATE);
    assert_events(&t.world, "offered svc 7;offered svc 7;");
    assert_int_equal(info(&t).n_announcements, 1);
    t.bind_error = 0;
    rpr_service_close(first);
    rpr_service_close(t.service);
    open_service(&t, "svc");
    assert_events(&t.world, "offered svc 7;y:bound 7;");
    assert_int_equal(info(&t).n_announcements, 0);
    bench_fini(&t);
}

/* Kept, and said again: whoever takes it then is the only one. */
static void said_again_it_is_taken_once(void **state)
{
    struct bench t;

    (void)state;
    bench_init(&t, RPR_DIALECT_NUTTX);
    t.bind_error = -RPR_ENOMEM;
    open_service(&t, "svc");
    event(&t, "svc", 7, NS_CREATE);
    assert_int_equal(info(&t).n_announcements, 1);
    t.bind_error = 0;
    event(&t, "svc", 7, NS_CREATE);
    assert_events(&t.world, "offered svc 7;offered svc 7;y:bound 7;");
    assert_int_equal(info(&t).n_announcements, 0);
    bench_fini(&t);
}

/* An answer that never left is no answer, be it ACK or CREATE: the announcement is there for the
 * next one. */
static void closed_before_the_answer_left(void **state)
{
    (void)state;
    FOR_ROWS(r)
    {
        struct bench t;
        uint32_t n;

        if (!*r->answer)
            continue;
        bench_init(&t, r->dialect);
        event(&t, "svc", 7, NS_CREATE);
        n = t.wire->n_free;
        t.wire->n_free = 0; /* full */
        ept_open(&t.x, t.device, "svc");
        settle(&t.world, t.node);
        assert_int_equal(rpr_ept_close(t.x.h), 0);
        assert_events(&t.world, "x:bound 7;x:closed;");
        t.wire->n_free = n;
        pass(&t.world, t.node, MS(10));
        assert_said(t.wire, "");
        assert_int_equal(info(&t).n_announcements, 1);
        ept_open(&t.y, t.device, "svc");
        settle(&t.world, t.node);
        assert_said(t.wire, r->answer);
        bench_fini(&t);
    }
}

static void close_at_once(struct ept *e)
{
    assert_int_equal(rpr_ept_close(e->h), 0);
}

/* The same where it was offered because a service came: taken, given back, and there for the next. */
static void offered_and_closed_before_the_ack_left(void **state)
{
    struct bench t;

    (void)state;
    bench_init(&t, RPR_DIALECT_NUTTX);
    event(&t, "svc", 7, NS_CREATE);
    t.y.on_bound = close_at_once;
    open_service(&t, "svc");
    assert_events(&t.world, "offered svc 7;y:bound 7;y:closed;");
    assert_int_equal(info(&t).n_announcements, 1);
    rpr_service_close(t.service);
    t.y = (struct ept)EPT(&t.world, "y");
    open_service(&t, "svc");
    assert_events(&t.world, "offered svc 7;y:bound 7;");
    assert_int_equal(info(&t).n_announcements, 0);
    settle(&t.world, t.node);
    assert_said(t.wire, "ACK svc 1024;");
    bench_fini(&t);
}

/* Two names whose hashes on the first device of a node are the same in all 32 bits. */
static void names_of_one_hash(void **state)
{
    static const char first[] = "jgjgqm", second[] = "cfhfil";

    (void)state;
    for (unsigned closed = 0; closed < 2; closed++) {
        struct bench t;

        bench_init(&t, RPR_DIALECT_NUTTX);
        ept_open(&t.x, t.device, first);
        ept_open(&t.y, t.device, second);
        settle(&t.world, t.node);
        assert_said(t.wire, "CREATE jgjgqm 1024;CREATE cfhfil 1025;");
        event(&t, first, 7, NS_CREATE_ACK);
        event(&t, second, 7, NS_CREATE_ACK); /* of one address even */
        assert_events(&t.world, "x:bound 7;y:bound 7;");
        event(&t, closed ? first : second, 7, NS_DESTROY);
        assert_events(&t.world, closed ? "x:unbound closed;" : "y:unbound closed;");
        event(&t, closed ? first : second, 8, NS_CREATE);
        assert_events(&t.world, closed ? "x:bound 8;" : "y:bound 8;");
        assert_int_equal(rpr_ept_close(closed ? t.x.h : t.y.h), 0);
        event(&t, closed ? second : first, 7, NS_DESTROY); /* the other one is still found */
        assert_events(&t.world,
                      closed ? "x:closed;y:unbound closed;" : "y:closed;x:unbound closed;");
        assert_int_equal(info(&t).counters.late, 0);
        bench_fini(&t);
    }
}

/* ---- words are state, not a queue ----------------------------------------------------------- */

static void words_wait_for_a_buffer_and_collapse(void **state)
{
    struct bench t;
    uint32_t n;

    (void)state;
    bench_init(&t, RPR_DIALECT_NUTTX);
    n = t.wire->n_free;
    t.wire->n_free = 0;
    ept_open(&t.x, t.device, "a");
    ept_open(&t.y, t.device, "b");
    settle(&t.world, t.node);
    assert_int_equal(rpr_ept_close(t.y.h), 0); /* never announced: nothing to say */
    assert_events(&t.world, "y:closed;");
    event(&t, "a", 7, NS_CREATE); /* the ACK takes the place of the CREATE */
    assert_events(&t.world, "x:bound 7;");
    t.wire->n_free = n;
    pass(&t.world, t.node, MS(10));
    assert_said(t.wire, "ACK a 1024;");
    bench_fini(&t);
}

static void a_word_goes_before_data_and_may_take_the_last_buffer(void **state)
{
    struct bench t;

    (void)state;
    bench_init(&t, RPR_DIALECT_NUTTX);
    ept_open(&t.x, t.device, "svc");
    ept_bind_to(&t.x, t.wire, t.node, "svc", 7);
    t.wire->n_free = 3;
    assert_int_equal(ept_send(&t.x, "1"), 0);
    ept_open(&t.y, t.device, "late");
    assert_int_equal(ept_send(&t.x, "2"), -RPR_EAGAIN); /* one is left, after the word: none */
    settle(&t.world, t.node);
    assert_int_equal(t.wire->n_free, 1);
    assert_int_equal(rpr_ept_close(t.y.h), 0);
    assert_int_equal(ept_send(&t.x, "3"), -RPR_EAGAIN);
    settle(&t.world, t.node);
    assert_int_equal(t.wire->n_free, 0);
    assert_said(t.wire, "1024>7 1;CREATE late 1025;DESTROY late 1025;");
    pass(&t.world, t.node, MS(5));
    assert_non_null(strstr(t.world.events, "x:writable;"));
    bench_fini(&t);
}

/* A DESTROY leaves behind all data that was sent before. */
static void destroy_does_not_overtake_data(void **state)
{
    struct bench t;

    (void)state;
    bench_init(&t, RPR_DIALECT_NUTTX);
    ept_open(&t.x, t.device, "svc");
    ept_bind_to(&t.x, t.wire, t.node, "svc", 7);
    assert_int_equal(rpr_send(t.x.h, "1", 1, RPR_MORE), 0);
    assert_int_equal(rpr_send(t.x.h, "2", 1, RPR_MORE), 0);
    assert_int_equal(rpr_ept_close(t.x.h), 0);
    settle(&t.world, t.node);
    assert_said(t.wire, "1024>7 1;1024>7 2;DESTROY svc 1024;");
    bench_fini(&t);
}

/* ---- announcing again ----------------------------------------------------------------------- */

static void announcing_again_backs_off(void **state)
{
    struct bench t;
    uint64_t wait = 10;

    (void)state;
    bench_init(&t, RPR_DIALECT_NUTTX);
    ept_open(&t.x, t.device, "svc");
    settle(&t.world, t.node);
    for (unsigned i = 0; i < 12; i++) {
        assert_said(t.wire, "CREATE svc 1024;");
        event(&t, "svc", 7, NS_CREATE_ACK);
        event(&t, "svc", 7, NS_DESTROY);
        pass(&t.world, t.node, MS(wait) - 1);
        assert_said(t.wire, "");
        pass(&t.world, t.node, 1);
        wait = wait * 2 > 5000 ? 5000 : wait * 2;
    }
    assert_said(t.wire, "CREATE svc 1024;");
    event(&t, "svc", 7, NS_CREATE_ACK);
    pass(&t.world, t.node, S(1)); /* a bind that lasts: from the start */
    event(&t, "svc", 7, NS_DESTROY);
    pass(&t.world, t.node, MS(10));
    assert_said(t.wire, "CREATE svc 1024;");
    bench_fini(&t);
}

/* Many at once after one DESTROY each: each is announced again, none is lost. */
static void a_new_incarnation_announces_at_once_with_new_addresses(void **state)
{
    struct bench t;
    uint32_t before, after;

    (void)state;
    bench_init(&t, RPR_DIALECT_NUTTX);
    ept_open(&t.x, t.device, "svc");
    settle(&t.world, t.node);
    (void)wire_said(t.wire);
    event(&t, "svc", 7, NS_CREATE_ACK);
    event(&t, "svc", 7, NS_DESTROY);
    before = ept_addr(&t.x);
    rpr_link_down(&t.wire->link, "gone");
    assert_int_equal(ept_addr(&t.x), RPR_ADDR_ANY);
    wire_up(t.wire, RPR_DIALECT_NUTTX, false, 8);
    settle(&t.world, t.node);
    assert_said(t.wire, "CREATE svc 1024;");
    after = ept_addr(&t.x);
    assert_int_not_equal(before, after);
    wire_text(t.wire, 7, before, "late");
    settle(&t.world, t.node);
    assert_int_equal(info(&t).counters.late, 1);
    assert_null(strstr(t.world.events, "rx"));
    pass(&t.world, t.node, S(10));
    assert_said(t.wire, "");
    bench_fini(&t);
}

static void a_servers_end_is_not_announced_again(void **state)
{
    struct bench t;

    (void)state;
    bench_init(&t, RPR_DIALECT_NUTTX);
    open_service(&t, "svc");
    event(&t, "svc", 7, NS_CREATE);
    (void)wire_said(t.wire);
    event(&t, "svc", 7, NS_DESTROY);
    assert_events(&t.world, "offered svc 7;y:bound 7;y:unbound closed;");
    assert_int_equal(state_of(&t.y), RPR_EPT_UNBOUND);
    pass(&t.world, t.node, S(10));
    rpr_link_down(&t.wire->link, "gone");
    wire_up(t.wire, RPR_DIALECT_NUTTX, false, 8);
    settle(&t.world, t.node);
    assert_said(t.wire, "");
    t.silent = true;
    event(&t, "svc", 9, NS_CREATE); /* for a new server, not for the old one's remains */
    assert_int_equal(t.n_offered, 2);
    bench_fini(&t);
}

/* ---- without a name, below 1024, with a name service of one's own --------------------------- */

static void fixed_addresses_say_nothing(void **state)
{
    struct bench t;

    (void)state;
    bench_init(&t, RPR_DIALECT_NUTTX);
    assert_int_equal(ept_open_as(&t.x, t.device, (struct rpr_ept_config){.addr = 100, .dest = 100}),
                     0);
    assert_events(&t.world, "x:bound 100;");
    assert_int_equal(ept_send(&t.x, "hi"), 0);
    assert_int_equal(ept_open_as(&t.y, t.device, (struct rpr_ept_config){.addr = 100, .dest = 5}),
                     -RPR_EEXIST);
    assert_int_equal(
        ept_open_as(&t.y, t.device,
                    (struct rpr_ept_config){.name = "low", .addr = 101, .dest = RPR_ADDR_ANY}),
        0);
    settle(&t.world, t.node);
    assert_said(t.wire, "100>100 hi;CREATE low 101;");
    assert_int_equal(rpr_ept_close(t.x.h), 0);
    assert_int_equal(rpr_ept_close(t.y.h), 0);
    settle(&t.world, t.node);
    assert_said(t.wire, ""); /* no DESTROY below 1024 (WIRE 1.3) */
    bench_fini(&t);
}

static void reserved_addresses_and_bad_configurations(void **state)
{
    struct bench t;
    static const struct {
        struct rpr_ept_config config;
        int error;
    } bad[] = {
        {{.addr = RPMSG_ADDR_NS, .dest = RPR_ADDR_ANY}, -RPR_EEXIST},
        {{.addr = RPMSG_ADDR_CREDIT, .dest = RPR_ADDR_ANY}, -RPR_EEXIST},
        {{.addr = 1024, .dest = RPR_ADDR_ANY}, -RPR_EINVAL},
        {{.addr = RPR_ADDR_ANY - 1, .dest = RPR_ADDR_ANY}, -RPR_EINVAL},
        {{.name = "", .addr = RPR_ADDR_ANY, .dest = RPR_ADDR_ANY}, -RPR_EINVAL},
        {{.name = "12345678901234567890123456789012", .addr = RPR_ADDR_ANY, .dest = RPR_ADDR_ANY},
         -RPR_ENAMETOOLONG},
        {{.name = "x", .addr = RPR_ADDR_ANY, .dest = RPR_ADDR_ANY, .quota = UINT32_MAX},
         -RPR_ENOMEM},
    };

    (void)state;
    bench_init(&t, RPR_DIALECT_NUTTX);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_int_equal(ept_open_as(&t.x, t.device, bad[i].config), bad[i].error);
        assert_null(t.x.h.endpoint);
    }
    rpr_link_down(&t.wire->link, "gone");
    assert_int_equal(
        ept_open_as(&t.x, t.device,
                    (struct rpr_ept_config){.name = "svc", .addr = RPR_ADDR_ANY, .dest = 7}),
        -RPR_ENOTCONN);
    bench_fini(&t);
}

/* Two of one fixed address, opened while the link was down: the second has no address, and the
 * peer that announces its name must not find it. */
static void an_endpoint_without_an_address_is_not_found(void **state)
{
    struct bench t;

    (void)state;
    bench_init(&t, RPR_DIALECT_NUTTX);
    rpr_link_down(&t.wire->link, "gone");
    assert_int_equal(
        ept_open_as(&t.x, t.device,
                    (struct rpr_ept_config){.name = "a", .addr = 100, .dest = RPR_ADDR_ANY}),
        0);
    assert_int_equal(
        ept_open_as(&t.y, t.device,
                    (struct rpr_ept_config){.name = "b", .addr = 100, .dest = RPR_ADDR_ANY}),
        0);
    wire_up(t.wire, RPR_DIALECT_NUTTX, false, 8);
    event(&t, "b", 7, NS_CREATE);
    event(&t, "b", 8, NS_CREATE_ACK);
    assert_events(&t.world, "");
    assert_said(t.wire, "CREATE a 100;");
    assert_int_equal(rpr_ept_close(t.y.h), 0);
    bench_fini(&t);
}

static void own_name_service(void **state)
{
    struct bench t;

    (void)state;
    bench_init(&t, RPR_DIALECT_NUTTX);
    assert_int_equal(ept_open_as(&t.x, t.device,
                                 (struct rpr_ept_config){.name = "svc",
                                                         .addr = RPR_ADDR_ANY,
                                                         .dest = RPR_ADDR_ANY,
                                                         .flags = RPR_EPT_NO_NS}),
                     0);
    assert_int_equal(
        ept_open_as(&t.y, t.device,
                    (struct rpr_ept_config){.name = "ann",
                                            .addr = RPR_ADDR_ANY,
                                            .dest = RPR_ADDR_ANY,
                                            .flags = RPR_EPT_NO_NS | RPR_EPT_ANNOUNCE}),
        0);
    event(&t, "svc", 7, NS_CREATE);
    assert_said(t.wire, "CREATE ann 1025;");
    assert_events(&t.world, "");
    assert_int_equal(rpr_ept_bind(t.x.h, 7, true), 0);
    assert_int_equal(rpr_ept_bind(t.y.h, 8, false), 0);
    settle(&t.world, t.node);
    assert_events(&t.world, "x:bound 7;y:bound 8;");
    assert_said(t.wire, "ACK svc 1024;");
    assert_int_equal(rpr_ept_unbind(t.x.h, true), 0);
    settle(&t.world, t.node);
    assert_said(t.wire, "CREATE svc 1024;");
    assert_int_equal(rpr_ept_abandon(t.y.h), 0);
    settle(&t.world, t.node);
    assert_said(t.wire, "");
    bench_fini(&t);
}

static int see_ns(void *ctx, struct rpr_device *device, const char *name, uint32_t addr,
                  uint32_t flags)
{
    struct bench *t = ctx;

    (void)device;
    note(&t->world, "ns %s %u %u;", name, (unsigned)addr, (unsigned)flags);
    return t->bind_error;
}

static bool starts_with_r(void *ctx, struct rpr_device *device, const char *name)
{
    (void)ctx;
    (void)device;
    return name[0] == 'r';
}

static void a_service_can_take_over_the_name_service(void **state)
{
    static const struct rpr_service_ops ops = {.match = starts_with_r, .ns = see_ns};
    struct bench t;

    (void)state;
    bench_init(&t, RPR_DIALECT_NUTTX);
    event(&t, "router:me", 5, NS_CREATE); /* before it */
    assert_int_equal(
        rpr_service_open(t.node, &(struct rpr_service_config){.ops = &ops, .ctx = &t}, &t.service),
        0);
    assert_int_equal(info(&t).n_announcements, 0);
    event(&t, "r:a:b", 6, NS_CREATE);
    event(&t, "r:a:b", 7, NS_CREATE_ACK);
    event(&t, "r:a:b", 6, NS_DESTROY);
    event(&t, "other", 6, NS_CREATE);
    assert_events(&t.world, "ns router:me 5 0;ns r:a:b 6 0;ns r:a:b 7 2;ns r:a:b 6 1;");
    bench_fini(&t);
}

/* ---- without memory ------------------------------------------------------------------------- */

static void *no_memory(void *ctx, size_t bytes)
{
    (void)ctx;
    (void)bytes;
    return NULL;
}

/* A service that had none to take what was announced is asked again each second; a service that
 * refuses for another reason is not. */
static void a_service_without_memory_is_asked_again(void **state)
{
    struct bench t;

    (void)state;
    bench_init(&t, RPR_DIALECT_NUTTX);
    open_service(&t, "svc");
    t.bind_error = -RPR_EBUSY;
    event(&t, "svc", 6, NS_CREATE);
    t.bind_error = -RPR_ENOMEM;
    event(&t, "svc", 7, NS_CREATE);
    event(&t, "svc", 8, NS_CREATE);
    assert_events(&t.world, "offered svc 6;offered svc 7;offered svc 8;");
    assert_int_equal(info(&t).n_announcements, 3);
    pass(&t.world, t.node, S(1));
    assert_events(&t.world, "offered svc 7;offered svc 8;");
    event(&t, "svc", 8, NS_DESTROY);
    t.bind_error = 0;
    pass(&t.world, t.node, S(1));
    assert_events(&t.world, "offered svc 7;y:bound 7;");
    assert_int_equal(info(&t).n_announcements, 1);
    pass(&t.world, t.node, S(5));
    assert_events(&t.world, "");
    bench_fini(&t);
}

/* That another service is opened meanwhile, and does not want it, changes nothing. */
static void who_is_owed_an_announcement_hears_it_whoever_else_is_asked(void **state)
{
    struct bench t;
    struct rpr_service *first;

    (void)state;
    bench_init(&t, RPR_DIALECT_NUTTX);
    open_service(&t, "svc");
    first = t.service;
    t.bind_error = -RPR_ENOMEM;
    event(&t, "svc", 7, NS_CREATE);
    open_service(&t, "other");
    assert_events(&t.world, "offered svc 7;");
    t.bind_error = 0;
    pass(&t.world, t.node, S(1));
    assert_events(&t.world, "offered svc 7;y:bound 7;");
    assert_int_equal(info(&t).n_announcements, 0);
    rpr_service_close(first);
    bench_fini(&t);
}

/* Opened when there is no memory for what was announced before. */
static void a_late_service_without_memory_is_asked_again(void **state)
{
    struct bench t;

    (void)state;
    bench_init(&t, RPR_DIALECT_NUTTX);
    event(&t, "svc", 7, NS_CREATE);
    t.bind_error = -RPR_ENOMEM;
    open_service(&t, "svc");
    t.bind_error = 0;
    pass(&t.world, t.node, S(1));
    assert_events(&t.world, "offered svc 7;offered svc 7;y:bound 7;");
    bench_fini(&t);
}

static void who_took_over_the_name_service_hears_it_again(void **state)
{
    static const struct rpr_service_ops ops = {.match = starts_with_r, .ns = see_ns};
    struct bench t;

    (void)state;
    bench_init(&t, RPR_DIALECT_NUTTX);
    assert_int_equal(
        rpr_service_open(t.node, &(struct rpr_service_config){.ops = &ops, .ctx = &t}, &t.service),
        0);
    t.bind_error = -RPR_ENOMEM;
    event(&t, "r:a:b", 6, NS_CREATE);
    event(&t, "r:a:c", 7, NS_CREATE);
    event(&t, "r:a:d", 8, NS_CREATE);
    event(&t, "r:a:c", 7, NS_DESTROY);
    event(&t, "r:a:d", 8, NS_CREATE_ACK);
    t.bind_error = 0;
    event(&t, "r:a:d", 8, NS_CREATE);
    assert_events(&t.world, "ns r:a:b 6 0;ns r:a:c 7 0;ns r:a:d 8 0;ns r:a:c 7 1;ns r:a:d 8 2;"
                            "ns r:a:d 8 0;");
    assert_int_equal(info(&t).n_announcements, 1);
    pass(&t.world, t.node, S(1));
    assert_events(&t.world, "ns r:a:b 6 0;");
    assert_int_equal(info(&t).n_announcements, 0);
    pass(&t.world, t.node, S(5));
    assert_events(&t.world, "");
    bench_fini(&t);
}

/* Eight are kept without memory for them; with the first second in which there is some, the place is
 * free for the next eight. */
static void some_announcements_need_no_memory(void **state)
{
    struct bench t;
    char name[16];

    (void)state;
    bench_init(&t, RPR_DIALECT_NUTTX);
    for (unsigned round = 0; round < 3; round++) {
        t.world.platform.alloc = no_memory;
        for (unsigned i = 0; i < 9; i++) {
            snprintf(name, sizeof name, "svc%u-%u", round, i);
            event(&t, name, 2000 + i, NS_CREATE);
        }
        pass(&t.world, t.node, S(3));
        assert_int_equal(info(&t).n_announcements, 8 * (round + 1));
        assert_int_equal(info(&t).announcements_refused, round + 1);
        t.world.platform.alloc = world_alloc;
        pass(&t.world, t.node, S(1));
    }
    t.world.platform.alloc = no_memory;
    event(&t, "one", 1999, NS_CREATE);
    event(&t, "one", 1999, NS_DESTROY);
    t.world.platform.alloc = world_alloc;
    assert_int_equal(rpr_node_poll(t.node, t.world.now + S(1), 0), RPR_POLL_IDLE);
    open_service(&t, "svc1-3");
    assert_events(&t.world, "offered svc1-3 2003;y:bound 2003;");
    assert_int_equal(info(&t).n_announcements, 23);
    bench_fini(&t);
}

static int close_service(void *ctx, struct rpr_device *device, const char *name, uint32_t addr)
{
    struct bench *t = ctx;

    (void)device;
    (void)name;
    (void)addr;
    if (t->service)
        rpr_service_close(t->service);
    t->service = NULL;
    return -RPR_EBUSY;
}

/* A service closed by the callback of another one, or its own, while announcements are offered. */
static void services_closed_inside_bind(void **state)
{
    static const struct rpr_service_ops ops = {.bind = close_service};

    (void)state;
    for (int kept = 0; kept < 2; kept++) {
        for (int own = 0; own < 2; own++) {
            struct bench t;
            struct rpr_service *s;

            bench_init(&t, RPR_DIALECT_NUTTX);
            if (kept)
                event(&t, "svc", 7, NS_CREATE);
            if (kept && !own) {
                bench_fini(&t);
                continue;
            }
            assert_int_equal(
                rpr_service_open(
                    t.node, &(struct rpr_service_config){.name = "svc", .ops = &ops, .ctx = &t},
                    &s),
                0);
            if (own)
                t.service = s;
            else
                open_service(&t, "svc");
            event(&t, "svc", 7, NS_CREATE);
            event(&t, "svc", 8, NS_CREATE);
            bench_fini(&t);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_rows_are_here),
        cmocka_unit_test(field_3_4_create_is_answered_by_ack),
        cmocka_unit_test(an_ack_binds_where_it_is_known),
        cmocka_unit_test(a_server_answers_in_its_dialect),
        cmocka_unit_test(who_writes_first_is_the_peer_where_nothing_else_says_it),
        cmocka_unit_test(field_3_6_destroy_unbinds),
        cmocka_unit_test(destroy_matches_name_and_address),
        cmocka_unit_test(a_stale_ack_is_survived),
        cmocka_unit_test(an_ack_before_its_create_is_stale),
        cmocka_unit_test(names_are_matched_whole),
        cmocka_unit_test(two_endpoints_of_one_name),
        cmocka_unit_test(nonsense_is_counted),
        cmocka_unit_test(a_late_service_hears_what_was_announced),
        cmocka_unit_test(a_late_endpoint_takes_the_oldest),
        cmocka_unit_test(at_most_256_are_kept),
        cmocka_unit_test(a_service_that_refuses_leaves_it_to_the_next),
        cmocka_unit_test(said_again_it_is_taken_once),
        cmocka_unit_test(closed_before_the_answer_left),
        cmocka_unit_test(offered_and_closed_before_the_ack_left),
        cmocka_unit_test(names_of_one_hash),
        cmocka_unit_test(words_wait_for_a_buffer_and_collapse),
        cmocka_unit_test(a_word_goes_before_data_and_may_take_the_last_buffer),
        cmocka_unit_test(destroy_does_not_overtake_data),
        cmocka_unit_test(announcing_again_backs_off),
        cmocka_unit_test(a_new_incarnation_announces_at_once_with_new_addresses),
        cmocka_unit_test(a_servers_end_is_not_announced_again),
        cmocka_unit_test(fixed_addresses_say_nothing),
        cmocka_unit_test(reserved_addresses_and_bad_configurations),
        cmocka_unit_test(an_endpoint_without_an_address_is_not_found),
        cmocka_unit_test(own_name_service),
        cmocka_unit_test(a_service_can_take_over_the_name_service),
        cmocka_unit_test(a_service_without_memory_is_asked_again),
        cmocka_unit_test(who_is_owed_an_announcement_hears_it_whoever_else_is_asked),
        cmocka_unit_test(a_late_service_without_memory_is_asked_again),
        cmocka_unit_test(who_took_over_the_name_service_hears_it_again),
        cmocka_unit_test(some_announcements_need_no_memory),
        cmocka_unit_test(services_closed_inside_bind),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
