/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A peer that writes anything into shared memory at any moment. Two nodes talk over a vring link,
 * and someone else writes into their region: each field with each nasty value at each step of an
 * exchange; anything anywhere, from seeds; and from another thread, all the time. Both nodes are the
 * victims, one as driver, one as device. Whatever is written: nobody crashes, each link is up or
 * broken with a reason, the other link of the victim goes on, and the broken one comes back.
 *
 * test_vring_hostile SEED runs that seed of the random test only.
 */
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <unistd.h>

#include "vring_pair.h"

#define NUM     4u
#define PAYLOAD 64u

#if defined(__SANITIZE_THREAD__)
#define RACES_ARE_REPORTED 1 /* they are what this test is made of */
#else
#define RACES_ARE_REPORTED 0
#endif

struct scene {
    struct world world;
    struct rpr_node *victim[2], *friend;
    struct vring_pair pair;
    struct rpr_cable *cable; /* the first victim's other link */
    struct ept x[2], f[2];   /* over the region; over the cable */
    unsigned n_steps, n_broken;
};

/* ---- what is printed when it fails ---------------------------------------------------------- */

static char replay[200];

static void print_replay(void)
{
    ssize_t n = write(2, replay, strlen(replay));

    (void)n;
}

static void on_signal(int number)
{
    print_replay();
    signal(number, SIG_DFL);
    raise(number);
}

void __sanitizer_set_death_callback(void (*callback)(void)) __attribute__((weak));

static void catch_deaths(void)
{
    if (__sanitizer_set_death_callback)
        __sanitizer_set_death_callback(print_replay);
    signal(SIGILL, on_signal);
    signal(SIGABRT, on_signal);
}

/* ---- the scene ------------------------------------------------------------------------------ */

static enum rpr_rx_result answer(struct ept *e, const struct rpr_msg *msg)
{
    const volatile uint8_t *bytes = msg->data;

    e->world->events[0] = '\0';
    for (uint32_t i = 0; i < msg->len; i++)
        (void)bytes[i]; /* all of it is there */
    if (msg->len && *(const char *)msg->data == '?' && rpr_send(e->h, "!", 1, 0) == -RPR_EAGAIN)
        return RPR_LATER;
    if (msg->len > 1 && ((const char *)msg->data)[1] == 'h' && e->n_held < 2)
        return RPR_HOLD;
    return RPR_DONE;
}

static void poll_all(struct scene *s)
{
    for (unsigned i = 0; i < 2; i++) {
        (void)rpr_node_poll(s->victim[i], s->world.now, 0);
        (void)rpr_node_arm(s->victim[i]);
    }
    (void)rpr_node_poll(s->friend, s->world.now, 0);
    (void)rpr_node_arm(s->friend);
    s->world.now += US(50);
    s->world.events[0] = s->world.log[0] = '\0';
}

static void step(struct scene *s)
{
    s->n_steps++;
    for (unsigned i = 0; i < 2; i++) {
        struct ept *e = &s->x[i];

        (void)rpr_send(e->h, s->n_steps % 3 ? "?h and some more of it" : ".. and some more of it",
                       1 + s->n_steps % 22, s->n_steps % 4 ? 0 : RPR_MORE);
        if (e->n_held && s->n_steps % 2)
            rpr_release(&e->held[--e->n_held]);
    }
    poll_all(s);
}

static void tend(struct scene *s)
{
    pair_tend(&s->pair);
    poll_all(s);
}

static struct rpr_device *victims_device(struct scene *s, unsigned i)
{
    return rpr_device_find(s->victim[i], i ? "drv" : "dev");
}

static bool both_up(struct scene *s)
{
    return s->pair.region && rpr_device_state(victims_device(s, 0)) >= RPR_DEVICE_UP &&
           rpr_device_state(victims_device(s, 1)) >= RPR_DEVICE_UP &&
           rpr_device_state(victims_device(s, 0)) < RPR_DEVICE_BROKEN &&
           rpr_device_state(victims_device(s, 1)) < RPR_DEVICE_BROKEN;
}

static void release_all(struct scene *s)
{
    for (unsigned i = 0; i < 2; i++)
        while (s->x[i].n_held)
            rpr_release(&s->x[i].held[--s->x[i].n_held]);
}

/* Until both ends are bound to each other and have heard each other. */
static void talk(struct scene *s)
{
    release_all(s);
    for (unsigned i = 0; i < 2; i++) {
        unsigned seen = s->x[i].n_rx;

        for (unsigned n = 0; s->x[i].n_rx == seen; n++) {
            assert_true(n < 2000);
            s->world.now += MS(1);
            (void)rpr_send(s->x[!i].h, ".", 1, 0);
            tend(s);
        }
    }
}

static void scene_init(struct scene *s, bool credit)
{
    static const char *const names[] = {"drv", "dev"};

    memset(s, 0, sizeof *s);
    world_init(&s->world);
    for (unsigned i = 0; i < 2; i++)
        s->victim[i] = world_node(&s->world, names[i]);
    s->friend = world_node(&s->world, "fri");
    pair_init(&s->pair, NUM, PAYLOAD, s->victim[0], "dev", s->victim[1], "drv");
    s->pair.credit = credit;
    assert_int_equal(
        rpr_cable_open(&s->cable, &(struct rpr_cable_config){.platform = &s->world.platform}), 0);
    assert_int_equal(rpr_cable_join(s->cable, RPR_CABLE_A, s->victim[0], "fri"), 0);
    assert_int_equal(rpr_cable_join(s->cable, RPR_CABLE_B, s->friend, "drv"), 0);
    for (unsigned i = 0; i < 2; i++) {
        s->x[i] = (struct ept)EPT(&s->world, "x");
        s->f[i] = (struct ept)EPT(&s->world, "f");
        s->x[i].on_rx = s->f[i].on_rx = answer;
        ept_open(&s->x[i], victims_device(s, i), "svc");
    }
    ept_open(&s->f[0], rpr_device_find(s->victim[0], "fri"), "friend");
    ept_open(&s->f[1], rpr_device_find(s->friend, "drv"), "friend");
    talk(s);
}

static void scene_fini(struct scene *s)
{
    release_all(s);
    for (unsigned i = 0; i < 2; i++)
        rpr_node_close(s->victim[i]);
    rpr_node_close(s->friend);
    rpr_cable_close(s->cable);
    pair_fini(&s->pair);
    assert_int_equal(s->world.n_live, 0);
}

static void check_states(struct scene *s)
{
    for (unsigned i = 0; i < 2; i++) {
        struct rpr_device_info info;

        rpr_device_info(victims_device(s, i), &info);
        s->n_broken += info.state == RPR_DEVICE_BROKEN;
        if (info.state == RPR_DEVICE_BROKEN)
            assert_true(info.reason[0] != '\0');
        else
            assert_true(info.state == RPR_DEVICE_UP || info.state == RPR_DEVICE_SUSPENDED ||
                        info.state == RPR_DEVICE_CONNECTING);
    }
}

static void check_friend(struct scene *s)
{
    unsigned before = s->f[1].n_rx;

    assert_int_equal(rpr_send(s->f[0].h, "?", 1, 0), 0);
    for (unsigned i = 0; i < 4; i++)
        poll_all(s);
    assert_int_equal(s->f[1].n_rx, before + 1);
}

/* A new region, without the traces of what was written into the last one. */
static void recover(struct scene *s)
{
    s->world.now += S(11);
    for (unsigned i = 0; i < 4; i++)
        tend(s);
    if (both_up(s)) {
        assert_int_equal(rpr_device_down(victims_device(s, 0)), 0);
        tend(s);
        assert_int_equal(rpr_device_up(victims_device(s, 0)), 0);
    }
    for (unsigned n = 0; !both_up(s); n++) {
        assert_true(n < 100);
        s->world.now += MS(500);
        tend(s);
    }
    talk(s);
}

/* ---- each field, each value, each step ------------------------------------------------------ */

struct field {
    uint32_t at;
    uint8_t bytes;
};

#define MAX_FIELDS 400u

static unsigned list_fields(const struct rpr_vring_layout *l, struct field *fields)
{
    unsigned n = 0;

#define FIELD(offset, size)        \
    fields[n++] = (struct field)   \
    {                              \
        (uint32_t)(offset), (size) \
    }
    for (unsigned i = 0; i < 2; i++) {
        const struct rpr_vring_ring *r = &l->ring[i];

        FIELD(r->avail, 2);
        FIELD(r->avail + 2, 2);
        FIELD(r->used, 2);
        FIELD(r->used + 2, 2);
        FIELD(r->driver_flag, 2);
        FIELD(r->device_flag, 2);
        for (uint32_t id = 0; id < r->num; id++) {
            FIELD(r->avail + 4 + 2 * id, 2);
            FIELD(r->used + 4 + 8 * id, 4);
            FIELD(r->used + 8 + 8 * id, 4);
            FIELD(r->desc + 16 * id, 4);
            FIELD(r->desc + 16 * id + 4, 4);
            FIELD(r->desc + 16 * id + 8, 4);
            FIELD(r->desc + 16 * id + 12, 2);
            FIELD(r->desc + 16 * id + 14, 2);
            for (uint32_t word = 0; word < 4; word++)
                FIELD(r->buffers + id * r->stride + 4 * word, 4);
            FIELD(r->buffers + id * r->stride + 16, 4);      /* payload: a name, a grant */
            FIELD(r->buffers + id * r->stride + 16 + 36, 4); /* flags of the name service */
        }
    }
    FIELD(l->driver_power, 4);
    FIELD(l->device_power, 4);
    FIELD(l->driver_cpu, 4);
    FIELD(l->device_cpu, 4);
#undef FIELD
    assert_true(n <= MAX_FIELDS);
    return n;
}

static const uint32_t nasty[] = {
    0,      1,      3,          NUM,        NUM + 1,    53,         54,         0x7fff,
    0x8000, 0xffff, 0x7fffffff, 0x80000000, 0xfffffff0, 0xffffffff, 0x23456001, 0x23456000};

#define N_NASTY (sizeof nasty / sizeof nasty[0])

static void poke(struct scene *s, const struct field *f, uint32_t value)
{
    if (!s->pair.region)
        return;
    memcpy(s->pair.region + f->at, &value, f->bytes);
}

static uint32_t peek(struct scene *s, const struct field *f)
{
    uint32_t value = 0;

    if (s->pair.region)
        memcpy(&value, s->pair.region + f->at, f->bytes);
    return value;
}

static void one_write(struct scene *s, const struct field *f, uint32_t value, unsigned at_step)
{
    for (unsigned i = 0; i < 5; i++) {
        if (i == at_step)
            poke(s, f, value);
        step(s);
    }
    check_states(s);
}

static void every_field_every_value_every_step(void **state)
{
    static struct field fields[MAX_FIELDS];
    struct scene *s = malloc(sizeof *s);
    unsigned n, live;

    (void)state;
    scene_init(s, true);
    n = list_fields(&s->pair.layout, fields);
    live = s->world.n_live;
    for (unsigned f = 0; f < n; f++) {
        for (unsigned v = 0; v < N_NASTY + 3; v++) {
            unsigned at_step = (f + v) % 4;
            uint32_t now = peek(s, &fields[f]);
            uint32_t value = v < N_NASTY        ? nasty[v]
                             : v == N_NASTY     ? now + 1
                             : v == N_NASTY + 1 ? now - 1
                                                : now ^ 0x10;

            snprintf(replay, sizeof replay, "field %u (offset %u) := %#x at step %u\n", f,
                     (unsigned)fields[f].at, (unsigned)value, at_step);
            one_write(s, &fields[f], value, at_step);
            check_friend(s);
            recover(s);
            assert_true(s->world.n_live <= live + 4); /* nothing piles up */
        }
    }
    assert_true(s->n_broken > n); /* what cannot be has been noticed */
    scene_fini(s);
    free(s);
    replay[0] = '\0';
}

/* ---- anything anywhere, from seeds ---------------------------------------------------------- */

static uint64_t random_state;

static uint32_t draw(uint32_t n)
{
    random_state = random_state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(random_state >> 33) % n;
}

static void random_write(struct scene *s, const struct field *fields, unsigned n)
{
    struct field f = fields[draw(n)];
    uint32_t value = draw(3) ? nasty[draw(N_NASTY)] : draw(0x7fffffff);

    if (!draw(4)) /* not a field at all */
        f = (struct field){draw(s->pair.layout.bytes - 4), 4};
    if (!draw(3))
        value = peek(s, &f) + draw(5) - 2;
    poke(s, &f, value);
}

static void random_world(uint64_t seed)
{
    static struct field fields[MAX_FIELDS];
    struct scene *s = malloc(sizeof *s);
    unsigned n;

    snprintf(replay, sizeof replay, "replay: test_vring_hostile %llu\n", (unsigned long long)seed);
    random_state = seed * UINT64_C(0x9e3779b97f4a7c15) + 1;
    scene_init(s, draw(2));
    n = list_fields(&s->pair.layout, fields);
    for (unsigned round = 0; round < 6; round++) {
        for (unsigned i = draw(60); i > 0; i--) {
            for (unsigned writes = draw(4); writes > 0; writes--)
                random_write(s, fields, n);
            step(s);
            if (!draw(10))
                tend(s);
        }
        check_states(s);
        check_friend(s);
        recover(s);
    }
    scene_fini(s);
    free(s);
    replay[0] = '\0';
}

static uint64_t only_seed;

static void anything_anywhere(void **state)
{
    (void)state;
    if (only_seed) {
        random_world(only_seed);
        return;
    }
    for (uint64_t seed = 1; seed <= 300; seed++)
        random_world(seed);
}

/* ---- in the middle of everything ------------------------------------------------------------ */

struct writer {
    struct scene *scene;
    uint8_t *region;
    const struct field *fields;
    unsigned n;
    _Atomic bool stop;
    uint64_t random;
};

static void *write_all_the_time(void *argument)
{
    struct writer *w = argument;

    while (!atomic_load(&w->stop)) {
        const struct field *f;

        w->random = w->random * UINT64_C(6364136223846793005) + 1;
        f = &w->fields[(uint32_t)(w->random >> 33) % w->n];
        if (f->bytes == 4)
            *(volatile uint32_t *)(void *)(w->region + f->at) = nasty[(w->random >> 20) % N_NASTY];
        else
            *(volatile uint16_t *)(void *)(w->region + f->at) =
                (uint16_t)nasty[(w->random >> 20) % N_NASTY];
    }
    return NULL;
}

/* Values change between any two looks at them. */
static void while_it_is_read(void **state)
{
    static struct field fields[MAX_FIELDS];
    struct scene *s;

    (void)state;
    if (RACES_ARE_REPORTED)
        skip();
    s = malloc(sizeof *s);
    scene_init(s, true);
    for (unsigned round = 0; round < 60; round++) {
        struct writer w = {.scene = s, .fields = fields, .random = round + 1};
        struct pair_region *held;
        pthread_t thread;

        w.n = list_fields(&s->pair.layout, fields);
        w.region = s->pair.region;
        held = s->pair.now; /* it stays in memory while it is written into */
        held->n_users++;
        assert_int_equal(pthread_create(&thread, NULL, write_all_the_time, &w), 0);
        for (unsigned i = 0; i < 150; i++)
            step(s);
        atomic_store(&w.stop, true);
        pthread_join(thread, NULL);
        region_put(held);
        check_states(s);
        check_friend(s);
        recover(s);
    }
    scene_fini(s);
    free(s);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_field_every_value_every_step),
        cmocka_unit_test(anything_anywhere),
        cmocka_unit_test(while_it_is_read),
    };

    catch_deaths();
    if (argc > 1) {
        only_seed = strtoull(argv[1], NULL, 0);
        if (only_seed)
            cmocka_set_test_filter("anything_anywhere");
        else
            cmocka_set_test_filter(argv[1]);
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
