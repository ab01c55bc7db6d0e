/* SPDX-License-Identifier: Apache-2.0 */
#include "scene.h"

#include <stdio.h>
#include <string.h>

#define N_ACTIONS   600u /* of the wild phase */
#define N_STEADY    300u /* sends while nothing may be allocated */
#define QUIET_STEPS 200000u
#define QUIET_NS    UINT64_C(60000000000) /* virtual time in which everything has settled */
#define IDLE_ENOUGH UINT64_C(15000000000) /* no step for so long: only slow retries remain */

/* ---- the stage ----------------------------------------------------------------------------------- */

static void add_wire(struct scene *scene, struct sim_host *a, struct sim_host *b)
{
    static const uint32_t payloads[] = {64, 128, 496};
    struct sim *sim = &scene->sim;
    struct sim_wire_config config = {
        .kind = sim_chance(sim, 50) ? SIM_LOOP : SIM_VRING,
        .buffers = 2u << sim_below(sim, 4),
        .payload = payloads[sim_below(sim, 3)],
        .dialect = scene->lossless || sim_chance(sim, 50) ? RPR_DIALECT_RPR : RPR_DIALECT_NUTTX,
    };

    config.credit = scene->lossless || (config.dialect == RPR_DIALECT_RPR && sim_chance(sim, 50));
    sim_trace(sim, "%s - %s: %s, %u x %u, %s%s", a->name, b->name,
              config.kind == SIM_LOOP ? "loop" : "vring", (unsigned)config.buffers,
              (unsigned)config.payload, config.dialect == RPR_DIALECT_RPR ? "rpr" : "nuttx",
              config.credit ? ", credit" : "");
    (void)sim_wire_add(sim, a, b, &config);
}

/* A tree: whoever is joined to two others is their hub. */
static void build(struct scene *scene)
{
    struct sim *sim = &scene->sim;
    unsigned n = 3 + sim_below(sim, 3), n_wires[SIM_HOSTS] = {0};

    scene->lossless = sim_chance(sim, 50);
    for (unsigned i = 0; i < n; i++) {
        struct app_host *host = &scene->host[i];

        host->scene = scene;
        host->host = sim_host_add(sim);
        snprintf(host->service_name, sizeof host->service_name, "c%u", i % SIM_HOSTS);
        if (i) {
            unsigned parent = sim_chance(sim, 70) ? 0 : sim_below(sim, i);

            if (sim_chance(sim, 50))
                add_wire(scene, host->host, &sim->host[parent]);
            else
                add_wire(scene, &sim->host[parent], host->host);
            n_wires[i]++;
            n_wires[parent]++;
        }
    }
    for (unsigned i = 0; i < n; i++) {
        scene->host[i].is_hub = n_wires[i] > 1;
        app_host_start(&scene->host[i]);
    }
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
    else if (what < 92)
        act_service(host);
    else if (what < 95)
        act_device(scene, host);
    else if (sim_chance(sim, 40))
        app_host_stop(host, sim_chance(sim, 50));
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
        for (struct rpr_device *d = sim->host[i].node ? rpr_device_next(sim->host[i].node, NULL)
                                                      : NULL;
             d; d = rpr_device_next(sim->host[i].node, d))
            (void)rpr_device_up(d);
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

static void calm_down(struct scene *scene)
{
    scene->calm = true;
    free_everything(scene);
    settle(scene);
    for (unsigned i = 0; i < scene->sim.n_hosts; i++) {
        offer_again(&scene->host[i]);
        sim_host_touched(&scene->sim.host[i]);
    }
    settle(scene);
    if (!scene->sim.violation[0])
        check_quiet(scene);
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
    scene->calm = true;
    finish(scene);
    if (!sim->violation[0])
        check_gone(scene);
    return !sim->violation[0];
}
