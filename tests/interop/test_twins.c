/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The library's vring link against the twins of other stacks, each in the roles it has: found by
 * announcements of either side, thousands of numbered messages each way, endpoints that come and
 * go, peers that start anew. A twin is looked at only when it was rung for, and rings as the real
 * one does; it tells what the real one would have suffered from.
 */
#include "core_fixture.h"

#include <rpr/vring.h>

#include "twin.h"

#define NUM       8u
#define ALIGN     8u
#define SIZE      512u
#define MANY      20000u
#define LENGTH(n) (20u + (n) % 470u) /* of message n */
#define DA        UINT64_C(0x50000000)

enum place { RING_BYTES = 16 * NUM + 6 + 2 * NUM + 2 + 4 + 8 * NUM + 4, BUFFERS = 2 * RING_BYTES };

struct mine {
    rpr_ept_t ept;
    bool open, bound;
    bool waits;    /* for `writable`, before it sends again */
    uint32_t next; /* message to come */
    uint32_t n_bad;
};

struct talk {
    enum twin_kind kind;
    bool twin_drives;
    enum rpr_dialect dialect;
    struct world world;
    struct rpr_node *node;
    struct rpr_service *service;
    struct rpr_link *link;
    uint8_t *memory;
    bool attached;
    unsigned n_rings, n_rings_seen, n_rung_seen;
    struct twin twin;
    struct mine svc, echo, served;
};

/* ---- our side ------------------------------------------------------------------------------------ */

static void number(uint8_t *data, uint32_t n, uint32_t len)
{
    twin_put32(data, n);
    for (uint32_t i = 4; i < len; i++)
        data[i] = twin_fill(n, i);
}

static enum rpr_rx_result on_rx(void *ctx, rpr_ept_t ept, const struct rpr_msg *msg)
{
    struct mine *m = ctx;
    uint8_t want[SIZE];

    (void)ept;
    if (msg->len == 2)
        return RPR_DONE; /* "hi" */
    number(want, m->next++, msg->len);
    m->n_bad += memcmp(want, msg->data, msg->len) != 0;
    return RPR_DONE;
}

static void on_bound(void *ctx, rpr_ept_t ept, uint32_t dest)
{
    struct mine *m = ctx;

    (void)dest;
    m->ept = ept;
    m->bound = true;
}

static void on_unbound(void *ctx, rpr_ept_t ept, enum rpr_unbound_reason reason)
{
    (void)ept;
    (void)reason;
    ((struct mine *)ctx)->bound = false;
}

static void on_writable(void *ctx, rpr_ept_t ept)
{
    (void)ept;
    ((struct mine *)ctx)->waits = false;
}

static const struct rpr_ept_ops mine_ops = {
    .rx = on_rx, .bound = on_bound, .unbound = on_unbound, .writable = on_writable};

static void mine_open(struct talk *t, struct mine *m, const char *name, uint32_t dest)
{
    struct rpr_ept_config config = {
        .name = name, .addr = RPR_ADDR_ANY, .dest = dest, .ops = &mine_ops, .ctx = m};

    memset(m, 0, sizeof *m);
    m->open = true;
    assert_int_equal(rpr_ept_open(rpr_device_find(t->node, "twin"), &config, &m->ept), 0);
}

static void mine_close(struct mine *m)
{
    assert_int_equal(rpr_ept_close(m->ept), 0);
    m->open = m->bound = false;
}

static int bind_served(void *ctx, struct rpr_device *device, const char *name, uint32_t addr)
{
    struct talk *t = ctx;

    (void)device;
    (void)name;
    if (t->served.open)
        rpr_ept_close(t->served.ept);
    mine_open(t, &t->served, "served", addr);
    return 0;
}

static const struct rpr_service_ops served_ops = {.bind = bind_served};

/* ---- the memory and who looks at it ---------------------------------------------------------------- */

static void nothing(void *ctx)
{
    (void)ctx;
}

static void ring(void *ctx, bool to_tx_ring)
{
    (void)to_tx_ring;
    ((struct talk *)ctx)->n_rings++;
}

static void detached(void *ctx)
{
    ((struct talk *)ctx)->attached = false;
}

static uint32_t used_of(uint32_t desc)
{
    return (desc + 16 * NUM + 6 + 2 * NUM + ALIGN - 1) / ALIGN * ALIGN;
}

static struct rpr_vring_layout layout_of(const struct talk *t)
{
    struct rpr_vring_layout layout = {.bytes = BUFFERS + 2 * NUM * SIZE};

    for (uint32_t i = 0; i < 2; i++) {
        struct rpr_vring_ring *r = &layout.ring[i];

        r->num = NUM;
        r->desc = i * RING_BYTES;
        r->avail = r->desc + 16 * NUM;
        r->used = used_of(r->desc);
        r->driver_flag = r->avail;
        r->device_flag = r->used;
        r->size = SIZE;
        if (!t->twin_drives) {
            r->buffers = BUFFERS + i * NUM * SIZE;
            r->stride = SIZE;
        }
    }
    return layout;
}

static void start_twin(struct talk *t)
{
    struct rpr_vring_layout layout = layout_of(t);
    struct twin_place place[2];

    for (uint32_t i = 0; i < 2; i++)
        place[i] = (struct twin_place){layout.ring[i].desc, layout.ring[i].avail,
                                       layout.ring[i].used, NUM};
    twin_start(&t->twin, t->kind, t->twin_drives, t->memory, layout.bytes, DA, place, BUFFERS,
               SIZE);
    t->n_rung_seen = 0;
}

/* As the link over a file does it: always rings, and offers a CREATE_ACK to who would send one. */
static void attach(struct talk *t)
{
    struct rpr_vring_session session = {.role =
                                            t->twin_drives ? RPR_VRING_DEVICE : RPR_VRING_DRIVER,
                                        .base = t->memory,
                                        .base_da = DA,
                                        .layout = layout_of(t),
                                        .always_ring = true,
                                        .may_ack = t->kind == TWIN_OPENAMP,
                                        .dialect = t->dialect,
                                        .ring = ring,
                                        .detached = detached,
                                        .ctx = t};

    t->attached = true;
    assert_int_equal(rpr_vring_attach(t->link, &session), 0);
}

/* A driver is there before its device, and a device finds what the driver has prepared. */
static void connect(struct talk *t)
{
    memset(t->memory, 0, layout_of(t).bytes);
    if (t->twin_drives)
        start_twin(t);
    attach(t);
    if (!t->twin_drives)
        start_twin(t);
}

static void talk_open(struct talk *t)
{
    struct rpr_vring_config config = {
        .remote = "twin", .kind = "test", .port = {.open = nothing, .close = nothing, .ctx = t}};
    struct rpr_service_config service = {.name = "served", .ops = &served_ops, .ctx = t};

    *t = (struct talk){.kind = t->kind, .twin_drives = t->twin_drives, .dialect = t->dialect};
    world_init(&t->world);
    t->node = world_node(&t->world, "ours");
    t->memory = aligned_alloc(64, (layout_of(t).bytes + 63) / 64 * 64);
    assert_int_equal(rpr_service_open(t->node, &service, &t->service), 0);
    assert_int_equal(rpr_vring_open(t->node, &config, &t->link), 0);
    connect(t);
}

static void talk_close(struct talk *t)
{
    rpr_node_close(t->node);
    assert_false(t->attached);
    free(t->memory);
    assert_int_equal(t->world.n_live, 0);
}

static unsigned rung(const struct talk *t)
{
    return t->twin.n_rung[0] + t->twin.n_rung[1];
}

/* Each side looks if the other rang; if none did, a millisecond passes, after which a sender that
 * waits for buffers looks for them. True: somebody rang. */
static bool step(struct talk *t)
{
    bool any = false;

    settle(&t->world, t->node);
    if (t->n_rings != t->n_rings_seen) {
        t->n_rings_seen = t->n_rings;
        twin_turn(&t->twin);
        any = true;
    }
    if (rung(t) != t->n_rung_seen) {
        t->n_rung_seen = rung(t);
        rpr_link_ready(t->link);
        any = true;
    }
    if (!any) {
        pass(&t->world, t->node, MS(1));
        twin_flush(&t->twin);
    }
    if (t->twin.wrong[0])
        fail_msg("%s", t->twin.wrong);
    return any;
}

static void rest(struct talk *t)
{
    for (unsigned quiet = 0; quiet < 20;)
        quiet = step(t) ? 0 : quiet + 1;
}

/* ---- what is said ------------------------------------------------------------------------------------- */

/* As many of ours as there is room for, up to a number that changes. */
static void send_some(struct mine *m, uint32_t *sent, uint32_t turn)
{
    uint8_t data[SIZE];

    for (uint32_t burst = turn % 13; burst > 0 && *sent < MANY && !m->waits; burst--) {
        number(data, *sent, LENGTH(*sent));
        m->waits = rpr_send(m->ept, data, LENGTH(*sent), 0) != 0;
        *sent += !m->waits;
    }
}

static void twin_send_some(struct talk *t, struct twin_ept *e, uint32_t *sent, uint32_t turn)
{
    uint8_t data[SIZE];

    for (uint32_t burst = turn % 7; burst > 0 && *sent < MANY; burst--) {
        number(data, *sent, LENGTH(*sent));
        if (!twin_send(&t->twin, e, data, LENGTH(*sent)))
            return;
        ++*sent;
    }
}

/* MANY messages from each to the other; theirs NULL: it sends back what it gets. */
static void exchange(struct talk *t, struct mine *m, struct twin_ept *theirs)
{
    uint32_t sent = 0, twin_sent = 0;

    for (uint32_t turn = 0; m->next < MANY || (theirs && theirs->n_rx < MANY); turn++) {
        send_some(m, &sent, turn);
        if (theirs)
            twin_send_some(t, theirs, &twin_sent, turn);
        step(t);
        if (turn > 100 * MANY)
            fail_msg("%u of %u messages came", m->next, MANY);
    }
    assert_int_equal(m->n_bad, 0);
    if (theirs)
        assert_int_equal(theirs->n_bad, 0);
}

/* Only we send: not each twin says when it has returned a buffer. */
static void tell(struct talk *t, struct mine *m, struct twin_ept *theirs)
{
    uint32_t sent = 0;

    for (uint32_t turn = 0; theirs->n_rx < MANY; turn++) {
        send_some(m, &sent, turn);
        step(t);
        if (turn > 100 * MANY)
            fail_msg("%u of %u messages came", (unsigned)theirs->n_rx, MANY);
    }
    assert_int_equal(theirs->n_bad, 0);
}

static void test_a_service_of_the_twin(void **state)
{
    struct talk *t = *state;

    talk_open(t);
    mine_open(t, &t->echo, "echo", RPR_ADDR_ANY);
    rest(t);
    assert_true(t->echo.bound);
    exchange(t, &t->echo, NULL);
    mine_close(&t->echo);
    rest(t);
    assert_null(twin_find(&t->twin, "echo"));
    talk_close(t);
}

static void test_a_name_of_both(void **state)
{
    struct talk *t = *state;
    struct twin_ept *theirs;

    talk_open(t);
    mine_open(t, &t->svc, "svc", RPR_ADDR_ANY);
    if (t->kind != TWIN_LINUX) /* which makes its own at our announcement */
        twin_open(&t->twin, "svc");
    rest(t);
    theirs = twin_find(&t->twin, "svc");
    assert_non_null(theirs);
    assert_true(t->svc.bound);
    exchange(t, &t->svc, theirs);
    talk_close(t);
}

static void test_only_we_send(void **state)
{
    struct talk *t = *state;
    struct twin_ept *theirs;

    talk_open(t);
    mine_open(t, &t->svc, "svc", RPR_ADDR_ANY);
    if (t->kind != TWIN_LINUX)
        twin_open(&t->twin, "svc");
    rest(t);
    theirs = twin_find(&t->twin, "svc");
    assert_non_null(theirs);
    tell(t, &t->svc, theirs);
    talk_close(t);
}

static void test_a_service_of_ours(void **state)
{
    struct talk *t = *state;
    struct twin_ept *theirs;

    talk_open(t);
    rest(t);
    theirs = twin_open(&t->twin, "served");
    rest(t);
    assert_true(t->served.bound);
    assert_int_not_equal(theirs->dest, TWIN_ANY); /* our CREATE told it whom to talk to */
    exchange(t, &t->served, theirs);
    twin_close(&t->twin, theirs);
    rest(t);
    assert_false(t->served.bound);
    talk_close(t);
}

/* More often than open-amp has addresses, and RPMsg-Lite takes the same ones again. */
static void test_endpoints_come_and_go(void **state)
{
    struct talk *t = *state;

    talk_open(t);
    for (unsigned i = 0; i < 300; i++) {
        struct twin_ept *theirs = NULL;

        mine_open(t, &t->echo, "echo", RPR_ADDR_ANY);
        if (t->kind != TWIN_LINUX)
            theirs = twin_open(&t->twin, "served");
        rest(t);
        assert_true(t->echo.bound);
        assert_int_equal(t->served.bound, theirs != NULL);
        mine_close(&t->echo);
        if (theirs)
            twin_close(&t->twin, theirs);
        rest(t);
        assert_null(twin_find(&t->twin, "echo"));
    }
    talk_close(t);
}

static void test_the_twin_starts_anew(void **state)
{
    struct talk *t = *state;

    talk_open(t);
    mine_open(t, &t->echo, "echo", RPR_ADDR_ANY);
    for (unsigned i = 0; i < 5; i++) {
        rest(t);
        assert_true(t->echo.bound);
        t->echo.next = 0;
        exchange(t, &t->echo, NULL);
        rpr_vring_detach(t->link, "the peer restarted", false);
        settle(&t->world, t->node);
        assert_false(t->attached);
        assert_false(t->echo.bound);
        connect(t);
    }
    talk_close(t);
}

/* ---- who ------------------------------------------------------------------------------------------------ */

#define SUBJECTS 5u
#define TESTS    6u

static struct talk talks[SUBJECTS] = {
    {.kind = TWIN_OPENAMP, .twin_drives = false, .dialect = RPR_DIALECT_OPENAMP},
    {.kind = TWIN_OPENAMP, .twin_drives = true, .dialect = RPR_DIALECT_OPENAMP},
    {.kind = TWIN_LITE, .twin_drives = false, .dialect = RPR_DIALECT_LITE},
    {.kind = TWIN_LITE, .twin_drives = true, .dialect = RPR_DIALECT_LITE},
    {.kind = TWIN_LINUX, .twin_drives = true, .dialect = RPR_DIALECT_LINUX},
};
static const char *const who[SUBJECTS] = {"open-amp device", "open-amp driver", "RPMsg-Lite device",
                                          "RPMsg-Lite driver", "Linux driver"};
static const struct {
    const char *what;
    CMUnitTestFunction function;
} list[TESTS] = {
    {"a service of the twin", test_a_service_of_the_twin},
    {"a name of both", test_a_name_of_both},
    {"only we send", test_only_we_send},
    {"a service of ours", test_a_service_of_ours},
    {"endpoints come and go", test_endpoints_come_and_go},
    {"the twin starts anew", test_the_twin_starts_anew},
};

int main(void)
{
    static struct CMUnitTest tests[SUBJECTS * TESTS];
    static char names[SUBJECTS * TESTS][64];
    size_t n = 0;

    for (unsigned i = 0; i < SUBJECTS * TESTS; i++) {
        struct talk *t = &talks[i / TESTS];
        CMUnitTestFunction function = list[i % TESTS].function;

        if (t->kind == TWIN_LINUX && function == test_a_service_of_ours)
            continue; /* Linux announces nothing */
        snprintf(names[n], sizeof names[n], "%s: %s", who[i / TESTS], list[i % TESTS].what);
        tests[n] = (struct CMUnitTest){names[n], function, NULL, NULL, t};
        n++;
    }
    return _cmocka_run_group_tests("twins", tests, n, NULL, NULL);
}
