/* SPDX-License-Identifier: Apache-2.0 */
/*
 * usage: ring [SCENARIO]   only those whose name contains that, and with nothing left out
 *
 * The vring link as it is shipped (src/vring/vring.c and ring.h), run in every order that two sides
 * and their memory allow (memory.h): no message is lost, changed or read before it was written, and
 * nobody sleeps while there is something for him to do. Then once more for each barrier and each
 * cache operation, without it: each time something must go wrong.
 *
 * The two sides are coroutines. Whatever a side does between two loads of shared memory is nobody
 * else's business, so the scheduler chooses at each load, or sleep, who goes on, and what the load
 * sees. All that there is lives in one struct: a state is a copy of it, and is looked at once.
 * (States are told apart by 128 bits of hash.)
 *
 * This file is the core and the platform of the link: it implements what vring.c calls of them.
 */
#include <stdio.h>
#include <stdlib.h>
#include <ucontext.h>

#include "model/memory.h"
#include "vring/vring.c" /* as shipped, on this port */

#undef memcpy
#undef put_le16

#define STACK_BYTES 16384u
#define ARENA_BYTES 4096u
#define DEPTH_MAX   4096u
#define NUM         2u
#define PAYLOAD     16u
#define BUFFER      (RPR_HEADER_BYTES + PAYLOAD)

enum what { RUNS, LOADS, SLEEPS };

/* How a side sends. */
enum way {
    QUICKLY,    /* rpr_send() outside of a poll */
    BY_RESERVE, /* reserve, commit, flush: both buffers, as control messages may */
    IN_POLL,    /* answers and returned buffers leave with one flush */
    POWER       /* nothing but its power state */
};

struct scenario {
    const char *name;
    enum way way;
    uint8_t n_messages[2]; /* of the driver, of the device */
    bool coherent;
};

struct side {
    struct rpr_link *link;
    bool bell;
    uint8_t n_sent, n_received;
    uint8_t n_powers; /* changes of the other's power state that it has heard of */
    enum what what;
    size_t at, bytes; /* LOADS */
    ucontext_t context;
    _Alignas(16) uint8_t stack[STACK_BYTES];
};

static struct world {
    struct memory memory;
    struct side side[2];
    uint8_t arena[ARENA_BYTES] __attribute__((aligned(16)));
    uint32_t arena_used;
    const char *wrong;
} world;

static const struct scenario *scenario;
static struct rpr_vring_layout layout;
static ucontext_t scheduler;
static int running = -1; /* the side; -1: the scheduler */

/* ---- places that keep an order ---------------------------------------------------------------- */

#define N_PLACES 64u

static struct place {
    enum model_order order;
    const char *function;
} places[N_PLACES];
static unsigned n_places;
static unsigned without = N_PLACES; /* the one that is left out */

static unsigned place_of(enum model_order order, const char *function)
{
    unsigned i = 0;

    while (i < n_places && (places[i].order != order || strcmp(places[i].function, function) != 0))
        i++;
    if (i == n_places) {
        if (n_places == N_PLACES)
            abort();
        places[n_places++] = (struct place){order, function};
    }
    return i;
}

/* ---- coroutines ---------------------------------------------------------------------------------- */

static void yield(enum what what)
{
    struct side *s = &world.side[running];

    s->what = what;
    swapcontext(&s->context, &scheduler);
}

static void fail(const char *wrong)
{
    world.wrong = wrong;
    for (;;)
        yield(SLEEPS);
}

/* Lets a side run up to its next load or sleep. */
static void run(unsigned i)
{
    struct side *s = &world.side[i];

    running = (int)i;
    s->what = RUNS;
    swapcontext(&scheduler, &s->context);
    running = -1;
}

/* ---- what port.h calls ------------------------------------------------------------------------------ */

void model_keep_order(enum model_order order, const char *function, const volatile void *at,
                      size_t bytes)
{
    struct memory *m = &world.memory;

    if (running < 0)
        return;
    if (order >= MODEL_CLEAN && m->coherent)
        return;
    if (place_of(order, function) == without)
        return;
    if (order == MODEL_FULL)
        yield(RUNS); /* the other side may see some of the stores before all are in memory */
    if (order == MODEL_CLEAN)
        memory_clean(m, (unsigned)running, memory_offset(m, at), bytes);
    else if (order == MODEL_INVALIDATE)
        memory_show_all(m, !!running, memory_offset(m, at), bytes);
    else
        memory_keep_order(m, (unsigned)running, order);
}

static bool never_changes(size_t at)
{
    for (unsigned i = 0; i < 2; i++)
        if (at - layout.ring[i].desc < RING_DESC_BYTES * NUM)
            return true;
    return false;
}

uint64_t model_load(const void *at, size_t bytes)
{
    struct memory *m = &world.memory;
    struct side *s = &world.side[running < 0 ? 0 : running];
    uint64_t value = 0;

    if (running < 0 || !memory_has(m, at)) {
        memcpy(&value, at, bytes);
        return value;
    }
    s->at = memory_offset(m, at);
    s->bytes = bytes;
    if (!never_changes(s->at))
        yield(LOADS);
    return memory_load(m, (unsigned)running, memory_offset(m, at), bytes);
}

void model_store(void *at, size_t bytes, uint64_t value)
{
    struct memory *m = &world.memory;

    if (running < 0 || !memory_has(m, at))
        memcpy(at, &value, bytes);
    else if (never_changes(memory_offset(m, at)) ||
             !memory_put(m, (unsigned)running, memory_offset(m, at), bytes, value))
        fail("a store where it does not belong");
}

void model_copy(void *to, const void *from, size_t bytes)
{
    uint8_t *t = to;
    const uint8_t *f = from;

    if (running < 0 || !memory_has(&world.memory, to)) {
        memmove(to, from, bytes);
        return;
    }
    for (size_t i = 0; i < bytes; i += 8) {
        size_t n = bytes - i < 8 ? bytes - i : 8;
        uint64_t value = 0;

        memcpy(&value, f + i, n);
        model_store(t + i, n, value);
    }
}

/* ---- what vring.c calls ------------------------------------------------------------------------------- */

static void *arena_alloc(void *ctx, size_t bytes)
{
    void *at = world.arena + world.arena_used;

    (void)ctx;
    world.arena_used += (uint32_t)(bytes + 15) & ~15u;
    if (world.arena_used > ARENA_BYTES)
        abort();
    return at;
}

static void arena_free(void *ctx, void *memory, size_t bytes)
{
    (void)ctx;
    (void)memory;
    (void)bytes;
}

static const struct rpr_platform platform = {.alloc = arena_alloc, .free = arena_free};

const struct rpr_platform *rpr_node_platform(const struct rpr_node *node)
{
    (void)node;
    return &platform;
}

int rpr_link_register(struct rpr_node *node, struct rpr_link *link, const struct rpr_link_ops *ops,
                      const char *remote, const char *kind, bool locked)
{
    (void)node;
    (void)remote;
    (void)locked;
    link->ops = ops;
    link->kind = kind;
    return 0;
}

void rpr_link_up(struct rpr_link *link, const struct rpr_session *session)
{
    link->incarnation = session->incarnation;
}

int rpr_vring_layout_check(const struct rpr_vring_layout *l, uint64_t bytes)
{
    (void)l;
    (void)bytes;
    return 0;
}

void rpr_link_down(struct rpr_link *link, const char *reason)
{
    (void)link;
    (void)reason;
}

void rpr_link_drain(struct rpr_link *link, unsigned limit)
{
    (void)link;
    (void)limit;
}

void rpr_link_broken(struct rpr_link *link, const char *reason)
{
    (void)link;
    fail(reason);
}

void rpr_link_power(struct rpr_link *link, bool up)
{
    (void)link;
    (void)up;
    world.side[running].n_powers++;
}

int rpr_link_full(struct rpr_link *link, struct rpr_endpoint *sender, uint32_t size)
{
    (void)link;
    (void)sender;
    (void)size;
    return -RPR_EAGAIN;
}

/* Each message says which one it is, in all of its bytes. */
static uint64_t contents(unsigned from, unsigned number)
{
    return UINT64_C(0x0101010101010101) * (16 * (from + 1) + number);
}

enum rpr_link_rx_result rpr_link_rx(struct rpr_link *link, uint8_t *msg, uint32_t size, uint32_t id)
{
    struct side *s = &world.side[running];
    uint64_t expected = contents(!running, ++s->n_received);

    (void)link;
    (void)size;
    (void)id;
    if (model_load(msg + 12, 2) != PAYLOAD || model_load(msg + RPR_HEADER_BYTES, 8) != expected ||
        model_load(msg + RPR_HEADER_BYTES + 8, 8) != expected)
        fail("a message that is not what was sent");
    return RPR_LINK_RX_DONE;
}

/* ---- what the sides do ------------------------------------------------------------------------------------ */

static void on_ring(void *ctx, bool to_tx_ring)
{
    struct side *s = ctx;

    (void)to_tx_ring;
    world.side[s == &world.side[0]].bell = true;
}

static void nothing(void *ctx)
{
    (void)ctx;
}

static int send_one(struct side *s, unsigned me)
{
    uint64_t data[2];
    struct rpr_slot slot;

    data[0] = data[1] = contents(me, s->n_sent + 1u);
    if (scenario->way != BY_RESERVE)
        return s->link->ops->send(NULL, 0, data, PAYLOAD, scenario->way == IN_POLL ? RPR_MORE : 0,
                                  s->link);
    if (s->link->ops->reserve(s->link, &slot, true))
        return -RPR_EAGAIN;
    model_store(slot.msg + 12, 2, PAYLOAD);
    model_copy(slot.msg + RPR_HEADER_BYTES, data, PAYLOAD);
    s->link->ops->commit(s->link, slot.id, BUFFER);
    s->link->ops->flush(s->link);
    return 0;
}

/* As an owner's loop does: send what there is to send, poll, and sleep when there is nothing to do. */
static void live(unsigned me)
{
    struct side *s = &world.side[me];
    unsigned n = scenario->n_messages[me];
    bool in_poll = scenario->way == IN_POLL;

    if (scenario->way == POWER && n)
        (void)s->link->ops->power(s->link, false);
    for (;;) {
        bool wants = scenario->way != POWER && s->n_sent < n;

        s->link->touched = in_poll;
        while (wants && !send_one(s, me))
            wants = ++s->n_sent < n;
        (void)s->link->ops->poll(s->link, NUM);
        s->link->touched = false;
        if (in_poll)
            s->link->ops->flush(s->link);
        if (!s->link->ops->arm(s->link, wants))
            continue;
        while (!s->bell)
            yield(SLEEPS);
        s->bell = false;
        s->link->ops->disarm(s->link);
    }
}

static void enter_driver(void)
{
    live(0);
}

static void enter_device(void)
{
    live(1);
}

/* Nobody can go on: is that as it should be? */
static const char *wrong_end(void)
{
    for (unsigned i = 0; i < 2; i++) {
        const struct side *s = &world.side[i];

        if (scenario->way == POWER ? s->n_powers != scenario->n_messages[!i]
                                   : s->n_received != scenario->n_messages[!i])
            return "a side sleeps that has not seen everything";
    }
    return NULL;
}

/* ---- states ---------------------------------------------------------------------------------------------------- */

static uint32_t place_ring(unsigned i, uint32_t at)
{
    struct rpr_vring_ring *r = &layout.ring[i];

    r->num = NUM;
    r->desc = at;
    r->avail = r->driver_flag = r->desc + RING_DESC_BYTES * NUM;
    r->used = r->device_flag = (r->avail + RING_AVAIL_BYTES(NUM) + 3) & ~3u;
    r->buffers = (r->used + RING_USED_BYTES(NUM) + 7) & ~7u;
    r->size = r->stride = BUFFER;
    return r->buffers + BUFFER * NUM;
}

static void attach(unsigned i, enum rpr_vring_role role)
{
    static const struct rpr_vring_config config = {
        .remote = "peer", .kind = "model", .port = {.open = nothing, .close = nothing}};
    struct rpr_vring_session session = {.role = role,
                                        .base = world.memory.base,
                                        .layout = layout,
                                        .ring = on_ring,
                                        .ctx = &world.side[i]};

    if (rpr_vring_open(NULL, &config, &world.side[i].link))
        abort();
    world.side[i].link->opened = true;
    if (rpr_vring_attach(world.side[i].link, &session))
        abort();
}

/* The descriptors were written before the session, but the device has not read them yet. */
static void forget_descriptors(struct memory *m)
{
    for (unsigned i = 0; i < 2; i++)
        for (uint32_t at = layout.ring[i].desc; never_changes(at); at += 8) {
            if (!memory_put(m, 0, at, 8, memory_load(m, 0, at, 8)))
                abort();
            m->side[0].stores[m->side[0].n_stores - 1].in_memory = true;
            m->side[0].stores[m->side[0].n_stores - 1].cleaned = true;
            memset(m->side[1].view + at, 0xff, 8);
        }
}

static void first_state(void)
{
    void (*const enter[])(void) = {enter_driver, enter_device};
    uint32_t end;

    memset(&world, 0, sizeof world);
    memset(&layout, 0, sizeof layout);
    end = place_ring(RING_TO_DEVICE, place_ring(RING_TO_DRIVER, 0));
    layout.driver_power = end;
    layout.device_power = end + 4;
    layout.bytes = end + 8;
    if (layout.bytes > MEMORY_BYTES)
        abort();
    world.memory.coherent = scenario->coherent;
    attach(0, RPR_VRING_DRIVER);
    attach(1, RPR_VRING_DEVICE);
    for (unsigned i = 0; i < 2; i++)
        memcpy(world.memory.side[i].view, world.memory.base, MEMORY_BYTES);
    if (!scenario->coherent)
        forget_descriptors(&world.memory);
    for (unsigned i = 0; i < 2; i++) {
        struct side *s = &world.side[i];

        getcontext(&s->context);
        s->context.uc_stack.ss_sp = s->stack;
        s->context.uc_stack.ss_size = STACK_BYTES;
        makecontext(&s->context, enter[i], 0);
        run(i); /* up to its first load */
    }
}

#if defined(__x86_64__)
#define REGISTER_BYTES   sizeof(gregset_t)
#define STACK_POINTER(c) (c)->uc_mcontext.gregs[REG_RSP]
#else /* states that differ in what is not used any more are looked at twice */
#define REGISTER_BYTES   sizeof(mcontext_t)
#define STACK_POINTER(c) (c)->uc_stack.ss_sp
#endif

/* The part of a side's stack that is in use, from here up. */
static size_t stack_from(const struct side *s)
{
    return (size_t)((uintptr_t)STACK_POINTER(&s->context) - (uintptr_t)s->stack);
}

struct digest {
    uint64_t a, b;
};

static void digest_add(struct digest *d, const void *from, size_t bytes)
{
    const uint8_t *at = from;

    for (size_t i = 0; i < bytes; i += 8) {
        uint64_t word = 0;

        memcpy(&word, at + i, bytes - i < 8 ? bytes - i : 8);
        d->a = (d->a ^ word) * UINT64_C(0x9e3779b97f4a7c15);
        d->a ^= d->a >> 29;
        d->b = (d->b + word) * UINT64_C(0xd6e8feb86659fd93);
        d->b ^= d->b >> 32;
    }
}

static struct digest digest_world(void)
{
    struct digest d = {1, 2};

    for (unsigned i = 0; i < 2; i++) {
        const struct memory_side *m = &world.memory.side[i];

        digest_add(&d, m, offsetof(struct memory_side, stores) + m->n_stores * sizeof *m->stores);
        digest_add(&d, m->view, layout.bytes);
    }
    digest_add(&d, world.arena, world.arena_used);
    for (unsigned i = 0; i < 2; i++) {
        const struct side *s = &world.side[i];
        size_t from = stack_from(s);

        digest_add(&d, s, offsetof(struct side, context));
        digest_add(&d, &s->context.uc_mcontext, REGISTER_BYTES);
        digest_add(&d, s->stack + from, STACK_BYTES - from);
    }
    if (!d.a && !d.b)
        d.a = 1;
    return d;
}

static struct seen {
    struct digest *table;
    size_t size, n;
} seen;

static void seen_reset(size_t size)
{
    free(seen.table);
    seen = (struct seen){calloc(size, sizeof *seen.table), size, 0};
    if (!seen.table)
        abort();
}

static bool seen_put(struct digest d)
{
    size_t i = d.a & (seen.size - 1);

    for (; seen.table[i].a || seen.table[i].b; i = (i + 1) & (seen.size - 1))
        if (seen.table[i].a == d.a && seen.table[i].b == d.b)
            return false;
    seen.table[i] = d;
    seen.n++;
    return true;
}

/* False: this state is known. */
static bool is_new(void)
{
    if (seen.n * 2 >= seen.size) {
        struct seen old = seen;

        seen.table = NULL;
        seen_reset(old.size * 2);
        for (size_t i = 0; i < old.size; i++)
            if (old.table[i].a || old.table[i].b)
                seen_put(old.table[i]);
        free(old.table);
    }
    return seen_put(digest_world());
}

struct copy {
    struct memory memory;
    struct side side[2]; /* without the unused part of the stacks */
    uint8_t arena[ARENA_BYTES];
};

static struct copy *copies[DEPTH_MAX];

static void save(unsigned depth)
{
    struct copy *c = copies[depth];

    if (!c)
        c = copies[depth] = malloc(sizeof *c);
    if (!c)
        abort();
    c->memory = world.memory;
    memcpy(c->arena, world.arena, world.arena_used);
    for (unsigned i = 0; i < 2; i++) {
        const struct side *s = &world.side[i];
        size_t from = stack_from(s);

        memcpy(&c->side[i], s, offsetof(struct side, stack));
        memcpy(c->side[i].stack + from, s->stack + from, STACK_BYTES - from);
    }
}

static void restore(unsigned depth)
{
    const struct copy *c = copies[depth];

    world.memory = c->memory;
    memcpy(world.arena, c->arena, world.arena_used);
    for (unsigned i = 0; i < 2; i++) {
        struct side *s = &world.side[i];
        size_t from;

        memcpy(s, &c->side[i], offsetof(struct side, stack));
        from = stack_from(s);
        memcpy(s->stack + from, c->side[i].stack + from, STACK_BYTES - from);
    }
}

/* ---- the search --------------------------------------------------------------------------------------------------- */

static struct step {
    uint8_t side, choice;
    uint16_t at;
} path[DEPTH_MAX];
static unsigned n_path;

static const char *explore(unsigned depth);

/* Side i goes on; its load sees `choice` more stores than before. */
static const char *step(unsigned depth, unsigned i, uint32_t choice)
{
    struct side *s = &world.side[i];
    const char *wrong;

    path[depth] = (struct step){(uint8_t)i, (uint8_t)choice, (uint16_t)s->at};
    n_path = depth + 1;
    if (s->what == LOADS)
        memory_choose(&world.memory, i, s->at, s->bytes, choice);
    run(i);
    wrong = world.wrong ? world.wrong : explore(depth + 1);
    if (!wrong)
        restore(depth);
    return wrong;
}

/* From the state the world is in; afterwards it is in any. What went wrong, or NULL. */
static const char *explore(unsigned depth)
{
    bool end = true;

    if (!is_new())
        return NULL;
    if (depth == DEPTH_MAX)
        return "the search is not deep enough";
    save(depth);
    for (unsigned i = 0; i < 2; i++) {
        const struct side *s = &world.side[i];
        uint32_t n = 0;

        if (s->what == SLEEPS && !s->bell)
            continue;
        end = false;
        if (s->what == LOADS)
            n = memory_choices(&world.memory, i, s->at, s->bytes);
        for (uint32_t choice = 0; choice <= n; choice++) {
            const char *wrong = step(depth, i, choice);

            if (wrong)
                return wrong;
        }
    }
    return end ? wrong_end() : NULL;
}

static const char *explore_all(const struct scenario *s)
{
    scenario = s;
    seen_reset(1u << 16);
    first_state();
    return explore(0);
}

/* ---- all of it --------------------------------------------------------------------------------------------------------- */

static const struct scenario scenarios[] = {
    {"power", POWER, {1, 1}, true},
    {"both ways, quickly", QUICKLY, {1, 1}, true},
    {"one way, quickly", QUICKLY, {2, 0}, true},
    {"the other way, quickly", QUICKLY, {0, 2}, true},
    {"both ways, in a poll", IN_POLL, {2, 1}, true},
    {"one way, all buffers", BY_RESERVE, {3, 0}, true},
    {"the other way, all buffers", BY_RESERVE, {0, 3}, true},
    {"one way, quickly, no coherence", QUICKLY, {2, 0}, false},
    {"the other way, quickly, no coherence", QUICKLY, {0, 2}, false},
    {"one way, all buffers, no coherence", BY_RESERVE, {3, 0}, false},
    {"the other way, all buffers, no coherence", BY_RESERVE, {0, 3}, false},
};

#define N_SCENARIOS (sizeof scenarios / sizeof *scenarios)

static void print_path(const char *wrong)
{
    printf("  %s, after:\n", wrong);
    for (unsigned i = 0; i < n_path; i++)
        printf("    %s, loads from %u, sees %u more\n", path[i].side ? "device" : "driver",
               path[i].at, path[i].choice);
}

static bool as_shipped(const char *part_of_name)
{
    bool good = true;

    for (unsigned i = 0; i < N_SCENARIOS; i++) {
        const char *wrong;

        if (!strstr(scenarios[i].name, part_of_name))
            continue;
        wrong = explore_all(&scenarios[i]);
        printf("%-42s %8zu states %s\n", scenarios[i].name, seen.n, wrong ? "FAILED" : "ok");
        fflush(stdout);
        if (wrong)
            print_path(wrong);
        good = good && !wrong;
    }
    return good;
}

static bool without_each(void)
{
    static const char *const names[] = {"publish", "seen", "full", "clean", "invalidate"};
    unsigned n = n_places, n_caught = 0;

    for (without = 0; without < n; without++) {
        const char *wrong = NULL;
        unsigned i;

        for (i = 0; i < N_SCENARIOS && !wrong; i++)
            if (scenarios[i].coherent == (places[without].order < MODEL_CLEAN))
                wrong = explore_all(&scenarios[i]);
        printf("without %s in %s: %s\n", names[places[without].order], places[without].function,
               wrong ? wrong : "NOT CAUGHT");
        fflush(stdout);
        n_caught += wrong != NULL;
    }
    without = N_PLACES;
    printf("barriers and cache operations: %u caught of %u\n", n_caught, n);
    return n && n_caught == n;
}

int main(int argc, char **argv)
{
    bool good = as_shipped(argc > 1 ? argv[1] : "");

    if (argc < 2)
        good = without_each() && good;
    return good ? EXIT_SUCCESS : EXIT_FAILURE;
}
