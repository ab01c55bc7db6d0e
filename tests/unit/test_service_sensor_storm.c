/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Many peers of rpmsg-sensor that come, go, publish and subscribe at random, over cables that break,
 * with few buffers and with credit or without: whenever it is quiet everyone knows who else is there,
 * a sample reaches exactly those who are to have it, once, and nobody remembers who is gone.
 *
 * usage: test_service_sensor_storm [FIRST_SEED [SEEDS]]
 */
#include "router_fixture.h"

#include <rpr/sensor.h>

#define EDGES   5u /* of the broker: two remote CPUs, three programs */
#define REMOTES 2u
#define NODES   (EDGES + 1u)
#define TOPICS  3u
#define BROKER  EDGES

struct user { /* of one topic at one node */
    struct storm *storm;
    unsigned node, topic;
    struct rpr_sensor_pub *pub;
    struct rpr_sensor_sub *sub;
    unsigned publishers;  /* as it was told */
    uint64_t last[NODES]; /* the newest number that came from each */
    unsigned n_now;       /* samples of this round */
};

struct storm {
    struct net net;
    struct rpr_node *node[NODES];
    struct rpr_sensor *sensor[NODES];
    struct rpr_cable *cable[EDGES];
    bool cut[EDGES];
    struct user user[NODES][TOPICS];
    uint64_t number; /* of the last sample */
    uint32_t random;
    unsigned seed, step;
};

static const char *const paths[TOPICS] = {"/dev/uorb/a0", "/dev/uorb/b0", "/dev/uorb/c0"};

static uint32_t draw(struct storm *s, uint32_t below)
{
    s->random = s->random * 1664525u + 1013904223u;
    return (uint32_t)(((uint64_t)s->random * below) >> 32);
}

#define HOLDS(s, condition)                                                                 \
    do {                                                                                    \
        if (!(condition))                                                                   \
            fail_msg("seed %u, step %u: does not hold: %s (again: argument %u)", (s)->seed, \
                     (s)->step, #condition, (s)->seed);                                     \
    } while (0)

/* ---- users ------------------------------------------------------------------------------------------- */

struct sample {
    uint64_t time; /* uORB's */
    uint32_t from, pad;
    uint64_t number;
};

static void on_sample(void *ctx, const void *data, uint32_t len)
{
    struct user *u = ctx;
    struct sample sample;

    assert_int_equal(len, sizeof sample);
    memcpy(&sample, data, sizeof sample);
    HOLDS(u->storm, u->sub != NULL && sample.from < NODES);
    HOLDS(u->storm, sample.number > u->last[sample.from]); /* in order, and never twice */
    u->last[sample.from] = sample.number;
    u->n_now++;
}

static void on_publishers(void *ctx, unsigned n)
{
    ((struct user *)ctx)->publishers = n;
}

static const struct rpr_sensor_sub_ops sub_ops = {.sample = on_sample, .publishers = on_publishers};

static void toggle_sub(struct user *u)
{
    struct rpr_sensor_sub_config config = {
        .path = paths[u->topic], .sample_bytes = sizeof(struct sample), .ops = &sub_ops, .ctx = u};

    if (u->sub) {
        rpr_sensor_unsubscribe(u->sub);
        u->sub = NULL;
        return;
    }
    u->publishers = 0;
    assert_int_equal(rpr_sensor_subscribe(u->storm->sensor[u->node], &config, &u->sub), 0);
}

static void toggle_pub(struct user *u)
{
    struct rpr_sensor_pub_config config = {.path = paths[u->topic], .nbuffer = 2};

    if (u->pub) {
        rpr_sensor_unadvertise(u->pub);
        u->pub = NULL;
        return;
    }
    assert_int_equal(rpr_sensor_advertise(u->storm->sensor[u->node], &config, &u->pub), 0);
}

static void publish(struct user *u)
{
    struct storm *s = u->storm;
    struct sample sample = {.time = s->net.w.now / 1000u, .from = u->node, .number = ++s->number};

    if (u->pub)
        assert_int_equal(rpr_sensor_publish(u->pub, &sample, sizeof sample), 0);
}

/* ---- cables ---------------------------------------------------------------------------------------------- */

static void toggle_cable(struct storm *s, unsigned i)
{
    if (s->cut[i])
        rpr_cable_mend(s->cable[i]);
    else
        rpr_cable_cut(s->cable[i]);
    s->cut[i] = !s->cut[i];
}

/* ---- what must hold ---------------------------------------------------------------------------------------- */

/* Does the subscriber's node get what is published at the other? */
static bool reaches(const struct storm *s, unsigned from, unsigned to)
{
    if (from == to)
        return true;
    if ((from < EDGES && s->cut[from]) || (to < EDGES && s->cut[to]))
        return false;
    return from == BROKER || to == BROKER || from >= REMOTES || to >= REMOTES;
}

static unsigned n_reaching(const struct storm *s, unsigned to, unsigned topic)
{
    unsigned n = 0;

    for (unsigned from = 0; from < NODES; from++)
        n += s->user[from][topic].pub && reaches(s, from, to);
    return n;
}

/* An edge knows its own publishers, and the broker as one for all others. */
static unsigned n_known(const struct storm *s, unsigned at, unsigned topic)
{
    unsigned own = s->user[at][topic].pub != NULL;

    if (at == BROKER)
        return n_reaching(s, at, topic);
    return own + (n_reaching(s, at, topic) > own);
}

static void check_topic(struct storm *s, unsigned topic)
{
    for (unsigned n = 0; n < NODES; n++) {
        struct user *u = &s->user[n][topic];

        u->n_now = 0;
        if (u->sub)
            HOLDS(s, u->publishers == n_known(s, n, topic));
    }
    for (unsigned n = 0; n < NODES; n++)
        publish(&s->user[n][topic]);
    net_pass(&s->net, MS(50));
    for (unsigned n = 0; n < NODES; n++)
        if (s->user[n][topic].sub)
            HOLDS(s, s->user[n][topic].n_now == n_reaching(s, n, topic));
}

/* Every topic that a node knows is one that somebody there or at a peer uses. */
static void check_memory(struct storm *s)
{
    for (unsigned n = 0; n < NODES; n++) {
        struct rpr_sensor_topic_info info;
        uint32_t cursor = 0;
        unsigned count = 0, used = 0;

        while (rpr_sensor_topic(s->sensor[n], &cursor, &info))
            count++;
        for (unsigned t = 0; t < TOPICS; t++) {
            bool any = false;

            for (unsigned other = 0; other < NODES; other++)
                any |= (s->user[other][t].pub || s->user[other][t].sub) &&
                       (reaches(s, other, n) || reaches(s, n, other));
            used += any;
        }
        HOLDS(s, count <= used);
    }
}

static void check(struct storm *s)
{
    net_pass(&s->net, S(15)); /* links come back, too */
    for (unsigned t = 0; t < TOPICS; t++)
        check_topic(s, t);
    check_memory(s);
}

/* ---- the storm ------------------------------------------------------------------------------------------------ */

static void step(struct storm *s)
{
    struct user *u = &s->user[draw(s, NODES)][draw(s, TOPICS)];
    uint32_t what = draw(s, 100);

    s->step++;
    if (what < 20)
        toggle_sub(u);
    else if (what < 35)
        toggle_pub(u);
    else if (what < 80)
        publish(u);
    else if (what < 85)
        toggle_cable(s, draw(s, EDGES));
    else if (what < 95)
        net_pass(&s->net, draw(s, 2000) * 1000u);
    else
        (void)rpr_node_poll(s->node[draw(s, NODES)], s->net.w.now, 1);
}

static bool is_program(void *ctx, const struct rpr_device *device)
{
    (void)ctx;
    return rpr_device_name(device)[0] == '@';
}

static void storm_open(struct storm *s, unsigned seed)
{
    static const char *const names[NODES] = {"audio", "droid", "@1", "@2", "@3", "ap"};
    struct rpr_sensor_config config = {.queue_bytes = 1024, .is_program = is_program};

    memset(s, 0, sizeof *s);
    s->seed = seed;
    s->random = seed * 2654435761u + 1u;
    net_init(&s->net);
    s->net.w.random = seed;
    for (unsigned n = NODES; n-- > 0;) {
        /* A program sees the broker as a remote CPU. */
        s->node[n] = net_node_as(&s->net, (struct rpr_node_config){.name = names[n], .slots = 16});
        assert_int_equal(rpr_sensor_open(s->node[n], NULL, &config, &s->sensor[n]), 0);
        for (unsigned t = 0; t < TOPICS; t++)
            s->user[n][t] = (struct user){.storm = s, .node = n, .topic = t};
    }
    for (unsigned i = 0; i < EDGES; i++)
        s->cable[i] = net_cable(&s->net, s->node[BROKER], s->node[i],
                                (struct rpr_cable_config){.buffers = draw(s, 2) ? 4 : 16,
                                                          .payload = draw(s, 2) ? 200 : 496,
                                                          .credit = draw(s, 2)});
}

static void storm_close(struct storm *s)
{
    for (unsigned n = 0; n < NODES; n++)
        rpr_sensor_close(s->sensor[n]);
    net_close(&s->net);
    for (unsigned i = 0; i < EDGES; i++)
        rpr_cable_close(s->cable[i]);
    assert_int_equal(s->net.w.n_live, 0);
}

static unsigned first_seed = 1, n_seeds = 400;

static void quiet_after_the_storm(void **state)
{
    static struct storm s;

    (void)state;
    for (unsigned seed = first_seed; seed < first_seed + n_seeds; seed++) {
        storm_open(&s, seed);
        for (unsigned round = 0; round < 6; round++) {
            for (unsigned i = draw(&s, 80); i; i--)
                step(&s);
            check(&s);
        }
        storm_close(&s);
    }
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(quiet_after_the_storm)};

    if (argc > 1) {
        first_seed = (unsigned)strtoul(argv[1], NULL, 10);
        n_seeds = argc > 2 ? (unsigned)strtoul(argv[2], NULL, 10) : 1;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
