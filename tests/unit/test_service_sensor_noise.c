/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Service rpmsg-sensor over a serial line that loses every few frames: whatever was lost while topics
 * and subscribers came, in the end every subscriber has samples, and nobody else gets them.
 */
#include "core_fixture.h"
#include "serial_line.h"

#include <rpr/sensor.h>

#define TOPICS 6u

struct topic {
    char path[32];
    struct rpr_sensor_pub *pub;
    struct rpr_sensor_sub *sub;
    unsigned n_samples;
};

/* Nodes 0 and 1; even topics are published by node 0, odd ones by node 1. */
struct pair {
    struct world world;
    struct serial_line line;
    struct rpr_node *node[2];
    struct rpr_sensor *sensor[2];
    struct topic topic[TOPICS];
};

static const char *const names[] = {"a", "b"};

static void pair_init(struct pair *p)
{
    struct rpr_serial_config config = {.crc = RPR_SERIAL_CRC_REQUIRE};

    memset(p, 0, sizeof *p);
    world_init(&p->world);
    line_init(&p->line);
    for (unsigned i = 0; i < 2; i++) {
        p->node[i] = world_node(&p->world, names[i]);
        assert_int_equal(line_join(&p->line, i, p->node[i], names[!i], config), 0);
        assert_int_equal(rpr_sensor_open(p->node[i], NULL, NULL, &p->sensor[i]), 0);
    }
}

static void pair_fini(struct pair *p)
{
    for (unsigned i = 0; i < 2; i++)
        rpr_sensor_close(p->sensor[i]);
    for (unsigned i = 0; i < 2; i++)
        rpr_node_close(p->node[i]);
    assert_int_equal(p->world.n_live, 0);
}

static uint64_t turn(struct pair *p, bool *idle)
{
    uint64_t next = RPR_POLL_IDLE;

    *idle = true;
    for (unsigned i = 0; i < 2; i++) {
        uint64_t due = rpr_node_poll(p->node[i], p->world.now, 0);

        *idle &= due > p->world.now && rpr_node_arm(p->node[i]);
        next = due < next ? due : next;
    }
    for (unsigned i = 0; i < 2; i++)
        *idle &= !line_move(&p->line, i);
    return next;
}

static void pass_pair(struct pair *p, uint64_t ns)
{
    uint64_t end = p->world.now + ns;

    for (unsigned i = 0; i < 1000000; i++) {
        bool idle;
        uint64_t next = turn(p, &idle);

        if (!idle)
            continue;
        if (next > end) {
            p->world.now = end;
            return;
        }
        p->world.now = next;
    }
    fail_msg("time does not pass");
}

static void disturb(struct pair *p, unsigned seed, double rate)
{
    for (unsigned i = 0; i < 2; i++) {
        p->line.end[i].noise.random = seed * 2 + i + 1;
        noise_set(&p->line.end[i].noise, rate);
    }
}

static void on_sample(void *ctx, const void *data, uint32_t len)
{
    struct topic *t = ctx;

    (void)data;
    assert_int_equal(len, 16);
    t->n_samples++;
}

static const struct rpr_sensor_sub_ops sub_ops = {.sample = on_sample};

static void publish_all(struct pair *p)
{
    uint8_t sample[16] = {0};

    put_le64(sample, p->world.now / 1000);
    for (unsigned i = 0; i < TOPICS; i++)
        if (p->topic[i].pub)
            assert_int_equal(rpr_sensor_publish(p->topic[i].pub, sample, sizeof sample), 0);
}

static void toggle(struct pair *p, unsigned i, uint64_t random)
{
    struct topic *t = &p->topic[i];
    struct rpr_sensor_pub_config pub = {.path = t->path};
    struct rpr_sensor_sub_config sub = {.path = t->path, .ops = &sub_ops, .ctx = t};

    if ((random & 1) && t->pub) {
        rpr_sensor_unadvertise(t->pub);
        t->pub = NULL;
    } else if (random & 1) {
        assert_int_equal(rpr_sensor_advertise(p->sensor[i & 1], &pub, &t->pub), 0);
    } else if (t->sub) {
        rpr_sensor_unsubscribe(t->sub);
        t->sub = NULL;
    } else {
        assert_int_equal(rpr_sensor_subscribe(p->sensor[!(i & 1)], &sub, &t->sub), 0);
    }
}

/* Samples that a node is sent, and those of them that it does not want. */
static uint64_t n_late(struct pair *p, unsigned node)
{
    struct rpr_sensor_peer_info info;

    assert_true(rpr_sensor_peer(p->sensor[node], 0, &info));
    return info.late;
}

static void in_the_end_all_have_what_they_want(void **state)
{
    (void)state;
    for (unsigned seed = 1; seed <= 20; seed++) {
        struct pair p;
        uint64_t random = seed, late[2];

        pair_init(&p);
        for (unsigned i = 0; i < TOPICS; i++)
            snprintf(p.topic[i].path, sizeof p.topic[i].path, "/dev/uorb/topic%u", i);
        pass_pair(&p, S(1));
        disturb(&p, seed, 4e-4);
        for (unsigned i = 0; i < 60; i++) {
            uint64_t r = line_random(&random);

            toggle(&p, (unsigned)(r >> 33) % TOPICS, r >> 7);
            publish_all(&p);
            pass_pair(&p, MS(200));
        }
        for (unsigned i = 0; i < TOPICS; i++) {
            if (!p.topic[i].pub)
                toggle(&p, i, 1);
            if (!p.topic[i].sub && i % 3)
                toggle(&p, i, 0);
        }
        pass_pair(&p, S(1));
        disturb(&p, seed, 0);
        for (unsigned i = 0; i < 140; i++) {
            publish_all(&p);
            pass_pair(&p, S(1));
        }
        for (unsigned i = 0; i < TOPICS; i++)
            p.topic[i].n_samples = 0;
        for (unsigned i = 0; i < 2; i++)
            late[i] = n_late(&p, i);
        for (unsigned i = 0; i < 5; i++) {
            publish_all(&p);
            pass_pair(&p, S(1));
        }
        for (unsigned i = 0; i < TOPICS; i++)
            if (p.topic[i].n_samples != (p.topic[i].sub ? 5u : 0u))
                fail_msg("seed %u: topic %u: %u samples of %u", seed, i, p.topic[i].n_samples,
                         p.topic[i].sub ? 5u : 0u);
        for (unsigned i = 0; i < 2; i++)
            assert_int_equal(n_late(&p, i), late[i]);
        pair_fini(&p);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(in_the_end_all_have_what_they_want),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
