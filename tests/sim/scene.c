/* SPDX-License-Identifier: Apache-2.0 */
#include "scene.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define N_STEADY    300u /* sends while nothing may be allocated */
#define QUIET_STEPS 1000000u
#define QUIET_NS    UINT64_C(60000000000) /* virtual time in which everything has settled */
#define STILL_NS    UINT64_C(10000000)    /* less than BLOCK_MS: nobody waits for such a timeout */
#define FLOODS      30u                   /* more than rings and quotas hold */
#define FLOOD_STEPS 50u
#define BLOCKED_NS  UINT64_C(2000000000)
#define SLOW_NS     UINT64_C(3000000000)  /* the same where wires take their time */
#define IDLE_ENOUGH UINT64_C(15000000000) /* no step for so long: only slow retries remain */
#define REST_NS     UINT64_C(12000000000) /* longer than any retry: now only clocks move */
#define DOZE_NS     UINT64_C(20000000)    /* nothing moved for so long: clocks may be skipped ... */
#define SKIP_NS     UINT64_C(50000000)    /* ... by so much */
#define STALL_NS    UINT32_C(50000000)    /* at most */

#define NO(fault) (1u << SIM_FAULT_##fault)

const struct scene_kind scene_kinds[] = {
    {.name = "network",
     .text = "8 nodes: 2 hubs, each with edges of its own, and two edges of both",
     .build = stage_network,
     .n_actions = 800,
     .no_faults = NO(NO_MEMORY)},
    {.name = "small",
     .text = "3 to 5 nodes in a tree: every dialect, policy and ring size",
     .build = stage_tree,
     .n_actions = 600,
     .no_faults = NO(NO_MEMORY)},
    {.name = "poor",
     .text = "the network, with 20 % of all allocations failing",
     .build = stage_network,
     .n_actions = 800,
     .no_memory_percent = 20},
    {.name = "nth",
     .text = "one tree, seed N: allocation number N fails",
     .build = stage_tree,
     .n_actions = 400,
     .nth = true,
     .no_faults = ~NO(NO_MEMORY)},
    {.name = "caches",
     .text = "a tree in which no memory is coherent",
     .build = stage_caches,
     .n_actions = 300,
     .no_faults = ~NO(CACHE)},
    {0},
};

/* ---- the wild phase --------------------------------------------------------------------------------- */

static struct app_ept *any_endpoint(struct scene *scene)
{
    struct app_ept *live[256];
    uint32_t n = 0;

    for (uint32_t i = scene->n_epts; i-- > 0 && n < 256;)
        if (scene->epts[i].host->node &&
            (scene->epts[i].open || scene->epts[i].n_held || scene->epts[i].reserved))
            live[n++] = &scene->epts[i];
    return n ? live[sim_below(&scene->sim, n)] : NULL;
}

static void act_on_endpoint(struct scene *scene)
{
    struct app_ept *e = any_endpoint(scene);
    uint32_t what = sim_below(&scene->sim, 100);

    if (!e)
        return;
    if (what < 60)
        app_send(e, 1 + sim_below(&scene->sim, 4));
    else if (what < 80)
        app_release(e);
    else if (what < 88 && e->open)
        (void)rpr_ept_resume(e->handle);
    else if (what < 92 && e->reserved)
        app_commit(e);
    else if (what < 92)
        app_reserve(e);
    else if (!scene->steady)
        app_close(e);
    sim_host_touched(e->host);
}

static void act_open(struct scene *scene, struct app_host *host)
{
    struct sim *sim = &scene->sim;
    unsigned peer = sim_below(sim, sim->n_hosts);
    char name[8];

    if (sim_chance(sim, 40))
        snprintf(name, sizeof name, "%s", scene->host[peer].service_name);
    else
        snprintf(name, sizeof name, "s%u", (unsigned)(sim_below(sim, SCENE_NAMES) % 10));
    if (peer != host->host->index)
        app_open(host, peer, name);
}

static void act_service(struct app_host *host)
{
    if (!host->service) {
        app_service_open(host);
        return;
    }
    sim_trace(&host->scene->sim, "%s withdraws %s", host->host->name, host->service_name);
    rpr_service_close(host->service);
    host->service = NULL;
}

static void act_device(struct scene *scene, struct app_host *host)
{
    unsigned peer = sim_below(&scene->sim, scene->sim.n_hosts);
    struct rpr_device *device = rpr_device_find(host->host->node, scene->sim.host[peer].name);
    bool down = sim_chance(&scene->sim, 40);

    if (!device || (down && !sim_fails(&scene->sim, SIM_FAULT_DOWN)))
        return;
    sim_trace(&scene->sim, "%s takes %s %s", host->host->name, rpr_device_name(device),
              down ? "down" : "up");
    app_break(scene, host->host->index, peer);
    (void)(down ? rpr_device_down(device) : rpr_device_up(device));
}

/* As seen here; what it says is the last word to that peer. */
static void say_power(struct scene *scene, struct sim_host *host, struct rpr_device *device,
                      bool running)
{
    unsigned peer = (unsigned)(rpr_device_name(device)[1] - '0');
    struct rpr_device_info info;
    int error = rpr_device_power(device, running);

    sim_trace(&scene->sim, "%s %s for %s: %d", host->name, running ? "wakes up" : "falls asleep",
              rpr_device_name(device), error);
    rpr_device_info(device, &info);
    scene->asleep[host->index][peer] = !error && !running ? info.session + 1 : 0;
    sim_host_touched(host);
}

static void act_power(struct scene *scene, struct app_host *host)
{
    struct rpr_device *device = rpr_device_find(
        host->host->node, scene->sim.host[sim_below(&scene->sim, scene->sim.n_hosts)].name);

    bool running = sim_chance(&scene->sim, 50);

    if (device && (running || sim_fails(&scene->sim, SIM_FAULT_SLEEP)))
        say_power(scene, host->host, device, running);
}

/* A hub that is stopped in order tells its edges first, and does not wait for ever. */
static void act_stop(struct scene *scene, struct app_host *host)
{
    struct sim *sim = &scene->sim;

    if (!host->hub || (!host->stopping && sim_chance(sim, 50))) {
        if (sim_chance(sim, 50) && sim_fails(sim, SIM_FAULT_STOP))
            app_host_stop(host);
        else if (sim_fails(sim, SIM_FAULT_CRASH))
            app_host_crash(host);
        return;
    }
    if (!sim_fails(sim, SIM_FAULT_STOP))
        return;
    host->stopping = true;
    sim_trace(sim, "%s stops its hub", host->host->name);
    if (rpr_hub_stop(host->hub) || sim_chance(sim, 30))
        app_host_stop(host);
}

static void act_wire(struct scene *scene)
{
    struct sim_wire *wire;

    if (!scene->sim.n_wires)
        return;
    wire = &scene->sim.wire[sim_below(&scene->sim, scene->sim.n_wires)];
    if (!wire->cut && !sim_fails(&scene->sim, SIM_FAULT_CUT))
        return;
    sim_trace(&scene->sim, "%s - %s is %s", wire->end[0].host->name, wire->end[1].host->name,
              wire->cut ? "mended" : "cut");
    if (wire->cut)
        sim_wire_mend(wire);
    else
        sim_wire_cut(wire);
}

/* Its owner is kept from running: a long interrupt, a debugger, a scheduler. */
static void act_stall(struct sim_host *host)
{
    struct sim *sim = host->sim;
    uint64_t until = sim->now + sim_below(sim, STALL_NS);

    if (!sim_fails(sim, SIM_FAULT_STALL))
        return;
    sim_trace(sim, "%s stalls", host->name);
    host->stalled_until = until;
}

static void act(struct scene *scene)
{
    struct sim *sim = &scene->sim;
    struct app_host *host = &scene->host[sim_below(sim, sim->n_hosts)];
    uint32_t what = sim_below(sim, 100);

    if (what < 71) {
        act_on_endpoint(scene);
        return;
    }
    if (what < 72) {
        act_stall(host->host);
        return;
    }
    if (what >= 97) {
        act_wire(scene);
        return;
    }
    if (!host->host->node) {
        app_host_start(host);
        return;
    }
    sim_host_touched(host->host);
    if (what < 88)
        act_open(scene, host);
    else if (what < 91)
        act_service(host);
    else if (what < 93)
        act_device(scene, host);
    else if (what < 95)
        act_power(scene, host);
    else if (host->stopping || sim_chance(sim, 40))
        act_stop(scene, host);
    else if (scene->mad != NOBODY && scene->host[scene->mad].host->node &&
             sim_fails(sim, SIM_FAULT_RAVE))
        app_rave(&scene->host[scene->mad]);
}

static void let_time_pass(struct sim *sim)
{
    uint64_t next = sim_deadline(sim);

    if (sim_chance(sim, 50))
        sim->now += sim_below(sim, 200000);
    else if (next != RPR_POLL_IDLE && next > sim->now && next - sim->now < IDLE_ENOUGH)
        sim->now = next;
}

static void run_wild(struct scene *scene, unsigned n, void (*action)(struct scene *scene))
{
    for (unsigned i = 0; i < n && !scene->sim.violation[0]; i++) {
        uint32_t number = scene->action++ % SCENE_ACTIONS;

        if (scene_skips(scene->config, number))
            continue;
        sim_branch(&scene->sim, 1 + number);
        action(scene);
        for (unsigned steps = sim_below(&scene->sim, 12); steps > 0; steps--)
            if (!sim_step(&scene->sim))
                let_time_pass(&scene->sim);
    }
}

/* ---- the quiet phase -------------------------------------------------------------------------------- */

static void for_devices(struct scene *scene,
                        void (*each)(struct scene *scene, struct sim_host *host,
                                     struct rpr_device *device))
{
    for (unsigned i = 0; i < scene->sim.n_hosts; i++) {
        struct rpr_node *node = scene->sim.host[i].node;
        struct rpr_device *d = node ? rpr_device_next(node, NULL) : NULL;

        for (; d; d = rpr_device_next(node, d))
            each(scene, &scene->sim.host[i], d);
    }
}

static void take_up(struct scene *scene, struct sim_host *host, struct rpr_device *device)
{
    (void)scene;
    (void)host;
    (void)rpr_device_up(device);
}

static void wake_up(struct scene *scene, struct sim_host *host, struct rpr_device *device)
{
    say_power(scene, host, device, true);
}

static void doze(struct scene *scene, struct sim_host *host, struct rpr_device *device)
{
    if (sim_chance(&scene->sim, 30))
        say_power(scene, host, device, false);
}

/* Everything is mended, but for memory whose other end is dead: on such a wire nothing says so, and
 * nobody could know. Of a serial wire the plug is pulled, which tells. */
static void mend(struct sim_wire *wire)
{
    bool alone = !wire->end[0].host->node || !wire->end[1].host->node;

    if (alone && (wire->config.kind == SIM_SERIAL || wire->config.kind == SIM_IVSHMEM))
        sim_wire_cut(wire);
    if (!alone || wire->config.kind != SIM_IVSHMEM)
        sim_wire_mend(wire);
}

static void free_everything(struct scene *scene)
{
    struct sim *sim = &scene->sim;

    for (uint32_t i = 0; i < scene->n_epts; i++) {
        struct app_ept *e = &scene->epts[i];

        while (e->n_held)
            app_release(e);
        if (e->reserved)
            app_commit(e);
        if (e->open)
            (void)rpr_ept_resume(e->handle);
        if (e->host->node)
            sim_host_touched(e->host);
    }
    for (unsigned i = 0; i < sim->n_hosts; i++) {
        if (scene->host[i].stopping && sim->host[i].node)
            app_host_stop(&scene->host[i]);
        sim->host[i].stalled_until = 0;
    }
    for (unsigned i = 0; i < sim->n_wires; i++)
        mend(&sim->wire[i]);
    for_devices(scene, take_up);
}

/* A server that closed before it had answered left the announcement for the next service. */
static void offer_again(struct app_host *host)
{
    if (!host->service)
        return;
    rpr_service_close(host->service);
    app_service_open(host);
}

/* The next moment at which something is due; clocks that find nothing again and again are run less
 * often. */
static uint64_t next_moment(const struct scene *scene)
{
    const struct sim *sim = &scene->sim;
    uint64_t next = sim_deadline(sim);

    if (!scene->clocks || sim->now - sim->moved_at < DOZE_NS || sim_wire_busy(sim))
        return next;
    return next > sim->now + SKIP_NS ? next : sim->now + SKIP_NS;
}

/* Until nothing is left to do; a livelock is a violation. */
static void settle(struct scene *scene)
{
    struct sim *sim = &scene->sim;
    uint64_t end = sim->now + QUIET_NS;

    sim->moved_at = sim->now;
    for (unsigned i = 0; i < QUIET_STEPS && !sim->violation[0]; i++) {
        uint64_t next;

        if (sim_step(sim))
            continue;
        next = next_moment(scene);
        if (next == SIM_NEVER || next > sim->now + IDLE_ENOUGH ||
            sim->now - sim->moved_at > REST_NS)
            return;
        if (next > end)
            break;
        sim->now = next;
    }
    sim_violated(sim, "it never comes to rest");
}

/* With somebody for whom others wait there is no rest. */
static void run_for(struct scene *scene, uint64_t ns)
{
    struct sim *sim = &scene->sim;
    uint64_t end = sim->now + ns;

    for (unsigned i = 0; i < QUIET_STEPS && !sim->violation[0]; i++) {
        uint64_t next;

        if (sim_step(sim))
            continue;
        next = sim_deadline(sim);
        if (next > end)
            return;
        sim->now = next;
    }
    sim_violated(sim, "there is no end of work");
}

static void calm_down(struct scene *scene)
{
    scene->calm = true;
    scene->sim.quiet = true;
    scene->sim.no_memory_percent = 0; /* there is memory again */
    scene->sim.no_memory_at = 0;
    free_everything(scene);
    settle(scene);
    for (unsigned i = 0; i < scene->sim.n_hosts; i++) {
        offer_again(&scene->host[i]);
        sim_host_touched(&scene->sim.host[i]);
    }
    for_devices(scene, wake_up);
    settle(scene);
    if (!scene->sim.violation[0])
        check_quiet(scene);
}

/* Some say that they sleep, and all that they are awake again. */
static void sleep_and_wake(struct scene *scene)
{
    for_devices(scene, doze);
    settle(scene);
    check_power(scene);
    for_devices(scene, wake_up);
    settle(scene);
    check_power(scene);
}

/* Each end that is bound is heard by its peer. */
static void probe(struct scene *scene)
{
    for (uint32_t i = 0; i < scene->n_epts; i++)
        if (scene->epts[i].open) {
            app_send(&scene->epts[i], 1);
            sim_host_touched(scene->epts[i].host);
        }
    settle(scene);
    if (!scene->sim.violation[0])
        check_delivered(scene);
}

/* Everybody to that host, or everybody to all others. */
static void send_all(struct scene *scene, unsigned host, bool to_it)
{
    for (uint32_t i = scene->n_epts; i-- > 0;) {
        struct app_ept *e = &scene->epts[i];

        if (!e->open || e->host->frozen || (e->peer == host) != to_it)
            continue;
        app_send(e, 20);
        sim_host_touched(e->host);
    }
}

/* Invariant 4: one host is not run any more, so that its links take nothing, and everybody sends as
 * much as is taken. All others hear each other all the same, and come to know who is new: whoever
 * waited for the one that does not move, with a buffer, a slot or a whole link, is seen here. */
static void stand_still(struct scene *scene)
{
    struct sim *sim = &scene->sim;
    struct app_host *still = &scene->host[sim_below(sim, sim->n_hosts)];
    unsigned from = sim_below(sim, sim->n_hosts), to = sim_below(sim, sim->n_hosts);

    if (still->is_hub)
        return;
    sim_trace(sim, "%s stands still", still->host->name);
    still->host->frozen = true;
    for (unsigned i = 0; i < FLOODS && !sim->violation[0]; i++) {
        send_all(scene, still->host->index, true);
        for (unsigned steps = FLOOD_STEPS; steps > 0 && sim_step(sim); steps--)
            ;
    }
    send_all(scene, still->host->index, false);
    if (from != to && !sim->host[from].frozen && !sim->host[to].frozen &&
        app_reaches(scene, from, to)) {
        app_open(&scene->host[from], to, "new");
        app_open(&scene->host[to], from, "new");
        sim_host_touched(&sim->host[from]);
        sim_host_touched(&sim->host[to]);
    }
    run_for(scene, scene->slow ? SLOW_NS : scene->blocks ? BLOCKED_NS : STILL_NS);
    if (!sim->violation[0]) {
        check_quiet(scene);
        check_delivered(scene);
    }
    still->host->frozen = false;
    settle(scene);
    if (!sim->violation[0])
        check_delivered(scene);
}

/* Invariant 6. */
static void run_steady(struct scene *scene)
{
    struct sim *sim = &scene->sim;
    uint64_t n_allocs = sim->n_allocs;

    scene->calm = false;
    scene->steady = true;
    run_wild(scene, N_STEADY, act_on_endpoint);
    if (sim->n_allocs != n_allocs)
        sim_violated(sim, "sending and receiving allocated %u times",
                     (unsigned)(sim->n_allocs - n_allocs));
}

static void finish(struct scene *scene)
{
    struct sim *sim = &scene->sim;

    for (unsigned i = 0; i < sim->n_hosts; i++)
        if (sim->host[i].node)
            app_host_stop(&scene->host[i]);
    for (unsigned i = 0; i < sim->n_wires; i++)
        sim_wire_close(&sim->wire[i]);
}

static void (*const phases[])(struct scene *scene) = {
    calm_down, probe, run_steady, calm_down, check_delivered, sleep_and_wake, stand_still, NULL};

static void build(struct scene *scene)
{
    const struct scene_kind *kind = scene->config->kind;

    kind->build(scene);
    if (kind->no_memory_percent || kind->nth)
        scene->lossless = false;
    scene->sim.no_memory_percent = kind->no_memory_percent;
    if (kind->nth)
        scene->sim.no_memory_at = scene->config->seed;
    for (unsigned i = 0; i < scene->sim.n_hosts; i++)
        app_host_start(&scene->host[i]);
}

/* Each phase begins where the seed says, whatever was left out of the one before. */
static void play(struct scene *scene)
{
    struct sim *sim = &scene->sim;
    uint64_t branch = UINT64_C(1) << 32;

    build(scene);
    run_wild(scene, scene->config->kind->n_actions, act);
    for (unsigned i = 0; phases[i] && !sim->violation[0]; i++) {
        sim_branch(sim, branch++);
        phases[i](scene);
    }
    scene->calm = true;
    finish(scene);
}

bool scene_run(struct scene *scene, const struct scene_config *config)
{
    struct sim *sim = &scene->sim;

    memset(scene, 0, sizeof *scene);
    scene->config = config;
    sim_init(sim, config->kind->nth ? 1 : config->seed);
    sim->verbose = config->verbose;
    sim->without = config->without;
    sim_cache_leave_out(config->leave_out);
    play(scene);
    if (!sim->violation[0])
        check_gone(scene);
    return !sim->violation[0];
}
