/* SPDX-License-Identifier: Apache-2.0 */
/* Two edges and a hub of ours over serial lines with noise: routed traffic never stalls. */
#include "core_fixture.h"
#include "serial_line.h"

#include <rpr/router.h>

#define MESSAGES 2000u

/* Nodes a, hub, d; line 0 is a's, line 1 is d's; end 1 of each is the hub's. */
struct chain {
    struct world world;
    struct serial_line line[2];
    struct rpr_node *node[3];
    struct rpr_edge *edge[2];
    struct rpr_hub *hub;
};

static const char *const edge_names[] = {"a", "d"};

static void chain_init(struct chain *c)
{
    struct rpr_serial_config config = {.crc = RPR_SERIAL_CRC_REQUIRE};

    memset(c, 0, sizeof *c);
    world_init(&c->world);
    c->node[1] = world_node(&c->world, "hub");
    for (unsigned i = 0; i < 2; i++) {
        c->node[2 * i] = world_node(&c->world, edge_names[i]);
        line_init(&c->line[i]);
        assert_int_equal(line_join(&c->line[i], 0, c->node[2 * i], "hub", config), 0);
        assert_int_equal(line_join(&c->line[i], 1, c->node[1], edge_names[i], config), 0);
        assert_int_equal(rpr_edge_open(c->node[2 * i], &c->edge[i]), 0);
    }
    assert_int_equal(rpr_hub_open(c->node[1], &c->hub), 0);
    assert_int_equal(rpr_hub_pair_add(c->hub, &(struct rpr_pair_config){.a = "a", .b = "d"}), 0);
}

static void chain_fini(struct chain *c)
{
    rpr_hub_close(c->hub);
    for (unsigned i = 0; i < 2; i++)
        rpr_edge_close(c->edge[i]);
    for (unsigned i = 0; i < 3; i++)
        rpr_node_close(c->node[i]);
    assert_int_equal(c->world.n_live, 0);
}

static uint64_t turn(struct chain *c, bool *idle)
{
    uint64_t next = RPR_POLL_IDLE;

    *idle = true;
    for (unsigned i = 0; i < 3; i++) {
        uint64_t due = rpr_node_poll(c->node[i], c->world.now, 0);

        *idle &= due > c->world.now && rpr_node_arm(c->node[i]);
        next = due < next ? due : next;
    }
    for (unsigned i = 0; i < 4; i++)
        *idle &= !line_move(&c->line[i / 2], i % 2);
    return next;
}

static void pass_chain(struct chain *c, uint64_t ns)
{
    uint64_t end = c->world.now + ns;

    for (unsigned i = 0; i < 1000000; i++) {
        bool idle;
        uint64_t next = turn(c, &idle);

        if (!idle)
            continue;
        if (next > end) {
            c->world.now = end;
            return;
        }
        c->world.now = next;
    }
    fail_msg("time does not pass");
}

static void stream(struct ept *e)
{
    unsigned *n = e->more;

    while (*n < MESSAGES && ept_send(e, "0123456789abcdef0123456789abcdef0123456789abcdef") == 0)
        ++*n;
}

/* What has not come was lost on one of the two lines: the hub and the receiver count it. */
static unsigned dropped(struct chain *c, unsigned to)
{
    struct rpr_device_info here, there;

    rpr_device_info(rpr_device_find(c->node[2 * to], edge_names[!to]), &here);
    rpr_device_info(rpr_device_find(c->node[1], edge_names[!to]), &there);
    return (unsigned)(here.counters.dropped + there.counters.dropped);
}

static unsigned sessions(struct chain *c)
{
    struct rpr_serial_info info;
    unsigned n = 0;

    for (unsigned i = 0; i < 4; i++) {
        assert_true(rpr_serial_info(c->line[i / 2].end[i % 2].link, &info));
        n += (unsigned)info.sessions;
    }
    return n;
}

static void routes_never_stall(void **state)
{
    unsigned n_whole = 0;

    (void)state;
    for (unsigned seed = 1; seed <= 10; seed++) {
        struct chain c;
        struct ept e[2] = {EPT(&c.world, "x"), EPT(&c.world, "y")};
        unsigned n[2] = {0};

        chain_init(&c);
        pass_chain(&c, MS(500));
        for (unsigned i = 0; i < 2; i++) {
            struct rpr_device *d = rpr_device_find(c.node[2 * i], edge_names[!i]);

            assert_non_null(d);
            e[i].more = &n[i];
            e[i].on_writable = e[i].on_bound = stream;
            for (unsigned j = 0; j < 2; j++) {
                c.line[i].end[j].noise.random = seed * 4 + i * 2 + j;
                noise_set(&c.line[i].end[j].noise, 1e-4);
            }
            ept_open(&e[i], d, "svc");
        }
        for (unsigned s = 0; s < 3000 && (n[0] < MESSAGES || n[1] < MESSAGES); s++) {
            pass_chain(&c, MS(100));
            c.world.events[0] = '\0';
        }
        assert_int_equal(n[0], MESSAGES);
        assert_int_equal(n[1], MESSAGES);
        pass_chain(&c, S(5)); /* what the hub has parked */
        if (sessions(&c) == 4) {
            n_whole++;
            for (unsigned i = 0; i < 2; i++) {
                assert_in_range(n[!i] - e[i].n_rx - dropped(&c, i), 0, 32); /* not told yet */
                assert_true(dropped(&c, i) > 0);
            }
        }
        chain_fini(&c);
    }
    assert_true(n_whole > 0);
}

/* ---- words: of the router, of the name service ----------------------------------------------------- */

#define HEALED S(120) /* of virtual time, at most, until what was said is known */

/* Noise on both lines; every few frames one is lost. */
static void disturb(struct chain *c, unsigned seed, double rate)
{
    for (unsigned i = 0; i < 4; i++) {
        struct noise *noise = &c->line[i / 2].end[i % 2].noise;

        noise->random = seed * 4 + i + 1;
        noise_set(noise, rate);
    }
}

static struct rpr_device *routed(struct chain *c, unsigned edge)
{
    return rpr_device_find(c->node[2 * edge], edge_names[!edge]);
}

static bool up(struct chain *c, unsigned edge)
{
    struct rpr_device *d = routed(c, edge);

    return d && (rpr_device_state(d) == RPR_DEVICE_UP ||
                 rpr_device_state(d) == RPR_DEVICE_SUSPENDED); /* noise may be a SUSPEND */
}

static bool bound(struct ept *e)
{
    struct rpr_ept_info info;

    return e->h.endpoint && rpr_ept_info(e->h, &info) == 0 && info.dest != RPR_ADDR_ANY;
}

/* An edge sees the other, and its endpoint has a peer or none. */
static void becomes(struct chain *c, struct ept *e, unsigned edge, bool is_bound, unsigned seed,
                    const char *what)
{
    uint64_t end = c->world.now + HEALED;

    while (!up(c, edge) || bound(e) != is_bound) {
        if (c->world.now >= end)
            fail_msg("seed %u: %s: %s, %s is %s, its endpoint %s", seed, what, edge_names[edge],
                     edge_names[!edge], up(c, edge) ? "up" : "down",
                     bound(e) ? "bound" : "not bound");
        pass_chain(c, MS(20));
        c->world.events[0] = '\0';
    }
}

static void both_bound(struct chain *c, struct ept *e, unsigned seed, const char *what)
{
    for (unsigned i = 0; i < 2; i++)
        becomes(c, &e[i], i, true, seed, what);
}

/* Sessions end by noise as well: what is wanted must come true between two of these. */
static void words_are_made_up_for(void **state)
{
    (void)state;
    for (unsigned seed = 1; seed <= 100; seed++) {
        struct chain c;
        struct ept e[2] = {EPT(&c.world, "x"), EPT(&c.world, "y")};

        chain_init(&c);
        disturb(&c, seed, seed % 2 ? 1e-3 : 4e-4);
        for (unsigned i = 0; i < 2; i++)
            becomes(&c, &e[i], i, false, seed, "start");
        for (unsigned i = 0; i < 2; i++)
            ept_open(&e[i], routed(&c, i), "svc");
        both_bound(&c, e, seed, "open");
        for (unsigned round = 0; round < 4; round++) {
            unsigned i = round % 2;
            struct rpr_device *link = rpr_device_find(c.node[2 * i], "hub");

            rpr_ept_close(e[i].h);
            memset(&e[i].h, 0, sizeof e[i].h);
            becomes(&c, &e[!i], !i, false, seed, "the peer closes");
            e[i].n_closed = 0;
            ept_open(&e[i], routed(&c, i), "svc");
            both_bound(&c, e, seed, "the peer opens again");
            assert_int_equal(rpr_device_down(link), 0);
            pass_chain(&c, S(1)); /* the hub does not know, if POWEROFF is lost */
            c.world.events[0] = '\0';
            assert_int_equal(rpr_device_up(link), 0);
            both_bound(&c, e, seed, "it comes up");
        }
        chain_fini(&c);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(routes_never_stall),
                                       cmocka_unit_test(words_are_made_up_for)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
