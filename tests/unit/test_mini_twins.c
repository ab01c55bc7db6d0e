/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The smallest node against the twins of open-amp, RPMsg-Lite and Linux (tests/interop/twin.h): found
 * by announcements of either side, thousands of numbered messages, endpoints that come and go, peers
 * that start anew. A twin tells what the real one would have suffered from.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include <rpr/mini.h>

#include "base/check.h"
#include "interop/twin.h"

#define NUM       8u
#define ALIGN     8u
#define SIZE      512u
#define MANY      5000u
#define LENGTH(n) (20u + (n) % 470u) /* of message n */
#define DA        UINT64_C(0x50000000)

enum place { RING_BYTES = 16 * NUM + 6 + 2 * NUM + 2 + 4 + 8 * NUM + 4, BUFFERS = 2 * RING_BYTES };

struct mine {
    struct rpr_mini_ept ept;
    bool open, bound;
    uint32_t next; /* message to come */
    uint32_t n_bad;
};

static struct talk {
    enum twin_kind kind;
    bool twin_drives;
    enum rpr_dialect dialect;
    uint8_t *memory;
    struct rpr_mini_memory node_memory[RPR_MINI_MEMORY(2 * NUM)];
    struct rpr_mini_config config;
    struct rpr_mini *node;
    unsigned n_rings, n_rings_seen, n_rung_seen;
    struct twin twin;
    struct mine echo, served;
} t;

/* ---- our side ------------------------------------------------------------------------------------ */

static struct mine *mine_of(struct rpr_mini_ept *ept)
{
    return RPR_CONTAINER(ept, struct mine, ept);
}

static void number(uint8_t *data, uint32_t n, uint32_t len)
{
    twin_put32(data, n);
    for (uint32_t i = 4; i < len; i++)
        data[i] = twin_fill(n, i);
}

static enum rpr_rx_result on_rx(struct rpr_mini_ept *ept, const struct rpr_mini_msg *msg)
{
    struct mine *m = mine_of(ept);
    uint8_t want[SIZE];

    if (msg->len == 2)
        return RPR_DONE; /* "hi" */
    number(want, m->next++, msg->len);
    m->n_bad += memcmp(want, msg->data, msg->len) != 0;
    return RPR_DONE;
}

static void on_bound(struct rpr_mini_ept *ept)
{
    mine_of(ept)->bound = true;
}

static void on_unbound(struct rpr_mini_ept *ept, enum rpr_unbound_reason reason)
{
    (void)reason;
    mine_of(ept)->bound = false;
    if (ept == &t.served.ept)
        rpr_mini_ept_close(ept);
}

static void on_closed(struct rpr_mini_ept *ept)
{
    mine_of(ept)->open = false;
}

static const struct rpr_mini_ops mine_ops = {
    .rx = on_rx, .bound = on_bound, .unbound = on_unbound, .closed = on_closed};

static void mine_open(struct mine *m, const char *name, uint32_t dest)
{
    *m = (struct mine){.open = true,
                       .ept = {.name = name, .ops = &mine_ops, .addr = RPR_ADDR_ANY, .dest = dest}};
    assert_int_equal(rpr_mini_ept_open(t.node, &m->ept), 0);
}

static void on_created(struct rpr_mini *node, const char *name, uint32_t addr)
{
    (void)node;
    if (strcmp(name, "served") == 0 && !t.served.open)
        mine_open(&t.served, "served", addr);
}

static void ring(void *ctx, bool to_tx_ring)
{
    (void)ctx;
    (void)to_tx_ring;
    t.n_rings++;
}

/* ---- the memory and who looks at it ---------------------------------------------------------------- */

static struct rpr_vring_layout layout_of(void)
{
    struct rpr_vring_layout layout = {.bytes = BUFFERS + 2 * NUM * SIZE};

    for (uint32_t i = 0; i < 2; i++) {
        struct rpr_vring_ring *r = &layout.ring[i];

        r->num = NUM;
        r->desc = i * RING_BYTES;
        r->avail = r->desc + 16 * NUM;
        r->used = (r->avail + 6 + 2 * NUM + ALIGN - 1) / ALIGN * ALIGN;
        r->driver_flag = r->avail;
        r->device_flag = r->used;
        r->size = SIZE;
        if (!t.twin_drives) {
            r->buffers = BUFFERS + i * NUM * SIZE;
            r->stride = SIZE;
        }
    }
    return layout;
}

static void start_twin(void)
{
    struct rpr_vring_layout layout = layout_of();
    struct twin_place place[2];

    for (uint32_t i = 0; i < 2; i++)
        place[i] = (struct twin_place){layout.ring[i].desc, layout.ring[i].avail,
                                       layout.ring[i].used, NUM};
    twin_start(&t.twin, t.kind, t.twin_drives, t.memory, layout.bytes, DA, place, BUFFERS, SIZE);
    t.n_rung_seen = 0;
}

static void start_mine(void)
{
    if (t.node)
        rpr_mini_restart(t.node);
    else
        assert_int_equal((t.twin_drives ? rpr_mini_open_device : rpr_mini_open_driver)(
                             &t.node, t.node_memory, sizeof t.node_memory, &t.config),
                         0);
}

/* A driver is there before its device, and a device finds what the driver has prepared. */
static void connect(void)
{
    memset(t.memory, 0, layout_of().bytes);
    if (t.twin_drives)
        start_twin();
    start_mine();
    if (!t.twin_drives)
        start_twin();
}

static void talk_open(const struct talk *who)
{
    t = (struct talk){.kind = who->kind, .twin_drives = who->twin_drives, .dialect = who->dialect};
    t.memory = aligned_alloc(64, (layout_of().bytes + 63) / 64 * 64);
    t.config = (struct rpr_mini_config){
        .session = {.role = t.twin_drives ? RPR_VRING_DEVICE : RPR_VRING_DRIVER,
                    .base = t.memory,
                    .base_da = DA,
                    .layout = layout_of(),
                    .always_ring = true,
                    .dialect = t.dialect,
                    .ring = ring},
        .created = on_created};
    connect();
}

static unsigned rung(void)
{
    return t.twin.n_rung[0] + t.twin.n_rung[1];
}

/* Each side looks if the other rang; if none did, a while passes, and both look all the same. */
static bool step(void)
{
    bool any = false;

    if (t.n_rings != t.n_rings_seen) {
        t.n_rings_seen = t.n_rings;
        twin_turn(&t.twin);
        any = true;
    }
    if (rung() != t.n_rung_seen || !any) {
        any |= rung() != t.n_rung_seen;
        t.n_rung_seen = rung();
        do
            assert_in_range(rpr_mini_poll(t.node), 0, NUM);
        while (!rpr_mini_arm(t.node));
    }
    if (!any)
        twin_flush(&t.twin);
    if (t.twin.wrong[0])
        fail_msg("%s", t.twin.wrong);
    return any;
}

static void rest(void)
{
    for (unsigned quiet = 0; quiet < 20;)
        quiet = step() ? 0 : quiet + 1;
}

/* MANY messages from us; theirs NULL: the twin sends them back, else it sends as many. */
static void exchange(struct mine *m, struct twin_ept *theirs)
{
    uint32_t sent = 0, twin_sent = 0;
    uint8_t data[SIZE];

    for (uint32_t turn = 0; m->next < MANY || (theirs && theirs->n_rx < MANY); turn++) {
        for (uint32_t burst = turn % 13; burst > 0 && sent < MANY; burst--, sent++) {
            number(data, sent, LENGTH(sent));
            if (rpr_mini_send(&m->ept, data, LENGTH(sent)))
                break;
        }
        for (uint32_t burst = turn % 7; theirs && burst > 0 && twin_sent < MANY; burst--) {
            number(data, twin_sent, LENGTH(twin_sent));
            if (!twin_send(&t.twin, theirs, data, LENGTH(twin_sent)))
                break;
            twin_sent++;
        }
        step();
        if (turn > 100 * MANY)
            fail_msg("%u of %u messages came", (unsigned)m->next, MANY);
    }
    assert_int_equal(m->n_bad, 0);
    if (theirs)
        assert_int_equal(theirs->n_bad, 0);
}

/* ---- what is said ------------------------------------------------------------------------------------- */

static void test_a_service_of_the_twin(void **state)
{
    talk_open(*state);
    mine_open(&t.echo, "echo", RPR_ADDR_ANY);
    rest();
    assert_true(t.echo.bound);
    exchange(&t.echo, NULL);
    rpr_mini_ept_close(&t.echo.ept);
    rest();
    assert_false(t.echo.open);
    assert_null(twin_find(&t.twin, "echo"));
    free(t.memory);
}

static void test_a_service_of_ours(void **state)
{
    struct twin_ept *theirs;

    talk_open(*state);
    rest();
    theirs = twin_open(&t.twin, "served");
    rest();
    assert_true(t.served.bound);
    assert_int_not_equal(theirs->dest, TWIN_ANY); /* our CREATE told it whom to talk to */
    exchange(&t.served, theirs);
    twin_close(&t.twin, theirs);
    rest();
    assert_false(t.served.open);
    free(t.memory);
}

/* More often than open-amp has addresses, and RPMsg-Lite takes the same ones again. */
static void test_endpoints_come_and_go(void **state)
{
    talk_open(*state);
    for (unsigned i = 0; i < 300; i++) {
        struct twin_ept *theirs = NULL;

        mine_open(&t.echo, "echo", RPR_ADDR_ANY);
        if (t.kind != TWIN_LINUX)
            theirs = twin_open(&t.twin, "served");
        rest();
        assert_true(t.echo.bound);
        assert_int_equal(t.served.bound, theirs != NULL);
        rpr_mini_ept_close(&t.echo.ept);
        if (theirs)
            twin_close(&t.twin, theirs);
        rest();
        assert_false(t.echo.open || t.served.open);
        assert_null(twin_find(&t.twin, "echo"));
    }
    free(t.memory);
}

static void test_the_twin_starts_anew(void **state)
{
    talk_open(*state);
    mine_open(&t.echo, "echo", RPR_ADDR_ANY);
    for (unsigned i = 0; i < 5; i++) {
        rest();
        assert_true(t.echo.bound);
        t.echo.next = 0;
        exchange(&t.echo, NULL);
        connect();
    }
    free(t.memory);
}

/* ---- who ------------------------------------------------------------------------------------------------ */

#define SUBJECTS 5u
#define TESTS    4u

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
        struct talk *talk = &talks[i / TESTS];
        CMUnitTestFunction function = list[i % TESTS].function;

        if (talk->kind == TWIN_LINUX && function == test_a_service_of_ours)
            continue; /* Linux announces nothing */
        snprintf(names[n], sizeof names[n], "%s: %s", who[i / TESTS], list[i % TESTS].what);
        tests[n] = (struct CMUnitTest){names[n], function, NULL, NULL, talk};
        n++;
    }
    return _cmocka_run_group_tests("mini_twins", tests, n, NULL, NULL);
}
