/* SPDX-License-Identifier: Apache-2.0 */
#include "scene.h"

#include <stdio.h>
#include <string.h>

#define N_ACTIONS   600u /* of the wild phase */
#define N_STEADY    300u /* sends while nothing may be allocated */
#define QUIET_STEPS 200000u
#define QUIET_NS    UINT64_C(60000000000) /* virtual time in which everything has settled */
#define STILL_NS    UINT64_C(10000000)    /* less than BLOCK_MS: nobody waits for such a timeout */
#define FLOODS      30u                   /* more than rings and quotas hold */
#define FLOOD_STEPS 50u
#define BLOCKED_NS  UINT64_C(2000000000)
#define IDLE_ENOUGH UINT64_C(15000000000) /* no step for so long: only slow retries remain */

/* ---- the stage ----------------------------------------------------------------------------------- */

/* Both ends behave as that kind does. Where nobody acknowledges, a host that is no hub is a plain one:
 * it knows nothing of routers. */
static enum rpr_dialect choose_dialect(struct scene *scene, struct app_host *a, struct app_host *b)
{
    static const enum rpr_dialect plain[] = {RPR_DIALECT_OPENAMP, RPR_DIALECT_LITE,
                                             RPR_DIALECT_LINUX};
    struct sim *sim = &scene->sim;
    struct app_host *leaf = !a->is_hub ? a : b;

    if (scene->lossless || sim_chance(sim, 40))
        return RPR_DIALECT_RPR;
    if (leaf->is_hub || sim_chance(sim, 60))
        return RPR_DIALECT_NUTTX;
    leaf->is_plain = true;
    return plain[sim_below(sim, 3)];
}

static const char *name_of(enum rpr_dialect dialect)
{
    static const char *const names[RPR_N_DIALECTS] = {
        [RPR_DIALECT_RPR] = "rpr",         [RPR_DIALECT_NUTTX] = "nuttx",
        [RPR_DIALECT_OPENAMP] = "openamp", [RPR_DIALECT_LINUX] = "linux",
        [RPR_DIALECT_LITE] = "rpmsg-lite",
    };

    return names[dialect];
}

static void add_wire(struct scene *scene, struct app_host *a, struct app_host *b)
{
    static const uint32_t payloads[] = {64, 128, 496};
    struct sim *sim = &scene->sim;
    struct sim_wire_config config = {
        .kind = sim_chance(sim, 50) ? SIM_LOOP : SIM_VRING,
        .buffers = 2u << sim_below(sim, 4),
        .payload = payloads[sim_below(sim, 3)],
        .dialect = choose_dialect(scene, a, b),
    };

    config.credit = scene->lossless || (config.dialect == RPR_DIALECT_RPR && sim_chance(sim, 50));
    sim_trace(sim, "%s - %s: %s, %u x %u, %s%s", a->host->name, b->host->name,
              config.kind == SIM_LOOP ? "loop" : "vring", (unsigned)config.buffers,
              (unsigned)config.payload, name_of(config.dialect), config.credit ? ", credit" : "");
    (void)sim_wire_add(sim, a->host, b->host, &config);
}

/* A tree: whoever is joined to two others is their hub. */
static unsigned plan(struct scene *scene, unsigned parent[SIM_HOSTS])
{
    struct sim *sim = &scene->sim;
    unsigned n = 3 + sim_below(sim, 3), n_wires[SIM_HOSTS] = {0};

    for (unsigned i = 1; i < n; i++) {
        parent[i] = sim_chance(sim, 70) ? 0 : sim_below(sim, i);
        n_wires[i]++;
        n_wires[parent[i]]++;
    }
    for (unsigned i = 0; i < n; i++) {
        struct app_host *host = &scene->host[i];

        host->scene = scene;
        host->host = sim_host_add(sim);
        host->is_hub = n_wires[i] > 1;
        snprintf(host->service_name, sizeof host->service_name, "c%u", i % SIM_HOSTS);
    }
    return n;
}

static void choose_the_mad(struct scene *scene, unsigned n)
{
    scene->mad = sim_chance(&scene->sim, 20) ? sim_below(&scene->sim, n) : NOBODY;
    if (scene->mad != NOBODY && scene->host[scene->mad].is_hub)
        scene->mad = NOBODY; /* of a hub, everything depends on it */
    if (scene->mad != NOBODY)
        sim_trace(&scene->sim, "n%u is mad", scene->mad);
}

static void build(struct scene *scene)
{
    struct sim *sim = &scene->sim;
    unsigned parent[SIM_HOSTS] = {0}, n;

    scene->lossless = sim_chance(sim, 50);
    n = plan(scene, parent);
    for (unsigned i = 1; i < n; i++) {
        struct app_host *a = &scene->host[i], *b = &scene->host[parent[i]];

        if (sim_chance(sim, 50))
            add_wire(scene, a, b);
        else
            add_wire(scene, b, a);
    }
    choose_the_mad(scene, n);
    for (unsigned i = 0; i < n; i++)
        app_host_start(&scene->host[i]);
}

/* ---- the wild phase --------------------------------------------------------------------------------- */

static struct app_ept *any_endpoint(struct scene *scene)
{
    struct app_ept *live[256];
    uint32_t n = 0;

    for (uint32_t i = scene->n_epts; i-- > 0 && n < 256;)
        if (scene->epts[i].host->node && (scene->epts[i].open || scene->epts[i].n_held))
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
    else if (!scene->steady && what >= 92)
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
    struct rpr_device *device = rpr_device_find(
        host->host->node, scene->sim.host[sim_below(&scene->sim, scene->sim.n_hosts)].name);
    bool down = sim_chance(&scene->sim, 40);

    if (!device)
        return;
    sim_trace(&scene->sim, "%s takes %s %s", host->host->name, rpr_device_name(device),
              down ? "down" : "up");
    (void)(down ? rpr_device_down(device) : rpr_device_up(device));
}

/* As seen here; what it says is the last word to that peer. */
static void say_power(struct scene *scene, struct sim_host *host, struct rpr_device *device,
                      bool running)
{
    unsigned peer = (unsigned)(rpr_device_name(device)[1] - '0');
    int error = rpr_device_power(device, running);

    sim_trace(&scene->sim, "%s %s for %s: %d", host->name, running ? "wakes up" : "falls asleep",
              rpr_device_name(device), error);
    scene->asleep[host->index][peer] = !error && !running;
    sim_host_touched(host);
}

static void act_power(struct scene *scene, struct app_host *host)
{
    struct rpr_device *device = rpr_device_find(
        host->host->node, scene->sim.host[sim_below(&scene->sim, scene->sim.n_hosts)].name);

    if (device)
        say_power(scene, host->host, device, sim_chance(&scene->sim, 50));
}

/* A hub that is stopped in order tells its edges first, and does not wait for ever. */
static void act_stop(struct scene *scene, struct app_host *host)
{
    struct sim *sim = &scene->sim;

    if (!host->hub || (!host->stopping && sim_chance(sim, 50))) {
        app_host_stop(host, sim_chance(sim, 50));
        return;
    }
    host->stopping = true;
    sim_trace(sim, "%s stops its hub", host->host->name);
    if (rpr_hub_stop(host->hub) || sim_chance(sim, 30))
        app_host_stop(host, true);
}

static void act_wire(struct scene *scene)
{
    struct sim_wire *wire = &scene->sim.wire[sim_below(&scene->sim, scene->sim.n_wires)];

    sim_trace(&scene->sim, "%s - %s is %s", wire->end[0].host->name, wire->end[1].host->name,
              wire->cut ? "mended" : "cut");
    if (wire->cut)
        sim_wire_mend(wire);
    else
        sim_wire_cut(wire);
}

static void act(struct scene *scene)
{
    struct sim *sim = &scene->sim;
    struct app_host *host = &scene->host[sim_below(sim, sim->n_hosts)];
    uint32_t what = sim_below(sim, 100);

    if (what < 72) {
        act_on_endpoint(scene);
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
    else if (scene->mad != NOBODY && scene->host[scene->mad].host->node)
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

static void free_everything(struct scene *scene)
{
    struct sim *sim = &scene->sim;

    for (uint32_t i = 0; i < scene->n_epts; i++) {
        struct app_ept *e = &scene->epts[i];

        while (e->n_held)
            app_release(e);
        if (e->open)
            (void)rpr_ept_resume(e->handle);
        if (e->host->node)
            sim_host_touched(e->host);
    }
    for (unsigned i = 0; i < sim->n_wires; i++)
        if (sim->wire[i].cut)
            sim_wire_mend(&sim->wire[i]);
    for (unsigned i = 0; i < sim->n_hosts; i++)
        if (scene->host[i].stopping && sim->host[i].node)
            app_host_stop(&scene->host[i], true);
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

/* Until nothing is left to do; a livelock is a violation. */
static void settle(struct scene *scene)
{
    struct sim *sim = &scene->sim;
    uint64_t end = sim->now + QUIET_NS;

    for (unsigned i = 0; i < QUIET_STEPS && !sim->violation[0]; i++) {
        uint64_t next;

        if (sim_step(sim))
            continue;
        next = sim_deadline(sim);
        if (next == RPR_POLL_IDLE || next > sim->now + IDLE_ENOUGH)
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
    run_for(scene, scene->blocks ? BLOCKED_NS : STILL_NS);
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
            app_host_stop(&scene->host[i], true);
    for (unsigned i = 0; i < sim->n_wires; i++)
        sim_wire_close(&sim->wire[i]);
}

bool scene_run(struct scene *scene, uint64_t seed, bool verbose)
{
    struct sim *sim = &scene->sim;

    memset(scene, 0, sizeof *scene);
    sim_init(sim, seed);
    sim->verbose = verbose;
    build(scene);
    run_wild(scene, N_ACTIONS, act);
    if (!sim->violation[0])
        calm_down(scene);
    if (!sim->violation[0])
        probe(scene);
    if (!sim->violation[0])
        run_steady(scene);
    if (!sim->violation[0])
        calm_down(scene);
    if (!sim->violation[0])
        check_delivered(scene);
    if (!sim->violation[0])
        sleep_and_wake(scene);
    if (!sim->violation[0])
        stand_still(scene);
    scene->calm = true;
    finish(scene);
    if (!sim->violation[0])
        check_gone(scene);
    return !sim->violation[0];
}
