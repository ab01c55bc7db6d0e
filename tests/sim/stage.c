/* SPDX-License-Identifier: Apache-2.0 */
/* The stage: which hosts there are, and what joins them. */
#include <stdio.h>

#include "scene.h"

static const char *name_of(enum rpr_dialect dialect)
{
    static const char *const names[RPR_N_DIALECTS] = {
        [RPR_DIALECT_RPR] = "rpr",         [RPR_DIALECT_NUTTX] = "nuttx",
        [RPR_DIALECT_OPENAMP] = "openamp", [RPR_DIALECT_LINUX] = "linux",
        [RPR_DIALECT_LITE] = "rpmsg-lite",
    };

    return names[dialect];
}

/* ---- one wire --------------------------------------------------------------------------------- */

static enum sim_wire_kind choose_kind(struct sim *sim)
{
    uint32_t what = sim_below(sim, 100);

    return what < 25 ? SIM_LOOP : what < 60 ? SIM_VRING : what < 78 ? SIM_IVSHMEM : SIM_SERIAL;
}

/* As an 8 to 1 Mbaud UART, or as a pseudo terminal. */
static void choose_line(struct sim *sim, struct sim_wire_config *c)
{
    static const uint32_t byte_ns[] = {0, 1250, 10000};

    c->byte_ns = byte_ns[sim_below(sim, 3)];
    c->delay_ns = sim_below(sim, 200000);
    c->noise = sim_chance(sim, 50) ? 1 + sim_below(sim, 4) : 0;
    c->flow = sim_chance(sim, 70);
    c->buffers = sim_chance(sim, 30) ? 2 : 8;
}

static void choose_bells(struct sim *sim, struct sim_wire_config *c)
{
    c->late = sim_chance(sim, 50) ? 30 : 0;
    c->twice = sim_chance(sim, 30) ? 20 : 0;
    c->lost = sim_chance(sim, 30) ? 30 : 0;
}

static void add_wire(struct scene *scene, struct app_host *a, struct app_host *b,
                     enum sim_wire_kind kind, enum rpr_dialect dialect)
{
    static const uint32_t payloads[] = {64, 128, 496};
    struct sim *sim = &scene->sim;
    unsigned number = scene->n_wires_seen++;
    struct sim_wire_config c = {.kind = kind,
                                .buffers = 2u << sim_below(sim, 4),
                                .payload = payloads[sim_below(sim, 3)],
                                .dialect = dialect};
    bool turned = sim_chance(sim, 50);

    c.credit = scene->lossless || (dialect == RPR_DIALECT_RPR && sim_chance(sim, 50));
    c.incoherent =
        (sim_chance(sim, 40) || scene->incoherent) && (kind == SIM_VRING || kind == SIM_IVSHMEM);
    c.layout = (enum rpr_ivshmem_layout)sim_below(sim, 3);
    choose_bells(sim, &c);
    if (kind == SIM_SERIAL)
        choose_line(sim, &c);
    if (scene->config->without_wires >> number & 1)
        return;
    scene->clocks |= kind == SIM_IVSHMEM;
    scene->slow |= kind == SIM_SERIAL || kind == SIM_IVSHMEM || c.late || c.lost;
    (void)sim_wire_add(sim, turned ? b->host : a->host, turned ? a->host : b->host, &c);
    sim_trace(sim, "wire %u: %s - %s: %s%s, %u x %u, %s%s", number, a->host->name, b->host->name,
              sim_wire_name(&sim->wire[sim->n_wires - 1]), c.incoherent ? ", not coherent" : "",
              (unsigned)c.buffers, (unsigned)c.payload, name_of(dialect),
              c.credit ? ", credit" : "");
    if (kind == SIM_IVSHMEM)
        sim_trace(sim, "wire %u: layout %d", number, (int)c.layout);
    if (kind == SIM_SERIAL)
        sim_trace(sim, "wire %u: %u ns a byte, noise %u, %s", number, (unsigned)c.byte_ns,
                  (unsigned)c.noise, c.flow ? "flow control" : "none");
}

static void add_host(struct scene *scene, bool is_hub)
{
    struct sim_host *host = sim_host_add(&scene->sim);
    struct app_host *app = &scene->host[host->index];

    app->scene = scene;
    app->host = host;
    app->is_hub = is_hub;
    snprintf(app->service_name, sizeof app->service_name, "c%u", host->index % SIM_HOSTS);
}

/* ---- a tree ------------------------------------------------------------------------------------ */

/* Both ends behave as that kind does. Where nobody acknowledges, a host that is no hub is a plain
 * one: it knows nothing of routers. */
static enum rpr_dialect choose_dialect(struct scene *scene, struct app_host *a, struct app_host *b,
                                       bool may_be_plain)
{
    static const enum rpr_dialect plain[] = {RPR_DIALECT_OPENAMP, RPR_DIALECT_LITE,
                                             RPR_DIALECT_LINUX};
    struct sim *sim = &scene->sim;
    struct app_host *leaf = !a->is_hub ? a : b;

    if (scene->lossless || sim_chance(sim, 40))
        return RPR_DIALECT_RPR;
    if (leaf->is_hub || !may_be_plain || sim_chance(sim, 60))
        return RPR_DIALECT_NUTTX;
    leaf->is_plain = true;
    return plain[sim_below(sim, 3)];
}

static void join(struct scene *scene, struct app_host *a, struct app_host *b, bool may_be_plain)
{
    enum sim_wire_kind kind = choose_kind(&scene->sim);
    enum rpr_dialect dialect = choose_dialect(scene, a, b, may_be_plain);

    if (scene->lossless || (dialect != RPR_DIALECT_RPR && dialect != RPR_DIALECT_NUTTX))
        kind = kind == SIM_LOOP || kind == SIM_SERIAL ? SIM_LOOP : SIM_VRING;
    if (kind == SIM_IVSHMEM || kind == SIM_SERIAL)
        dialect = RPR_DIALECT_NUTTX; /* until they know each other */
    add_wire(scene, a, b, kind, dialect);
}

static void choose_the_mad(struct scene *scene, unsigned percent, unsigned n)
{
    scene->mad = sim_chance(&scene->sim, percent) ? sim_below(&scene->sim, n) : NOBODY;
    if (scene->mad != NOBODY && scene->host[scene->mad].is_hub)
        scene->mad = NOBODY; /* of a hub, everything depends on it */
    if (scene->mad != NOBODY)
        sim_trace(&scene->sim, "n%u is mad", scene->mad);
}

/* Whoever is joined to two others is their hub. */
static unsigned add_tree(struct scene *scene, unsigned parent[SIM_HOSTS])
{
    struct sim *sim = &scene->sim;
    unsigned n = 3 + sim_below(sim, 3), n_wires[SIM_HOSTS] = {0};

    for (unsigned i = 1; i < n; i++) {
        parent[i] = sim_chance(sim, 70) ? 0 : sim_below(sim, i);
        n_wires[i]++;
        n_wires[parent[i]]++;
    }
    for (unsigned i = 0; i < n; i++)
        add_host(scene, n_wires[i] > 1);
    return n;
}

void stage_tree(struct scene *scene)
{
    unsigned parent[SIM_HOSTS] = {0}, n;

    scene->lossless = sim_chance(&scene->sim, 40);
    n = add_tree(scene, parent);
    for (unsigned i = 1; i < n; i++)
        join(scene, &scene->host[i], &scene->host[parent[i]], true);
    choose_the_mad(scene, 20, n);
}

void stage_caches(struct scene *scene)
{
    unsigned parent[SIM_HOSTS] = {0}, n = add_tree(scene, parent);

    scene->mad = NOBODY;
    scene->incoherent = true;
    for (unsigned i = 1; i < n; i++)
        add_wire(scene, &scene->host[i], &scene->host[parent[i]],
                 sim_chance(&scene->sim, 60) ? SIM_VRING : SIM_IVSHMEM, RPR_DIALECT_NUTTX);
}

/* ---- a network ----------------------------------------------------------------------------------- */

/* n0 and n1 are hubs; n2 and n3 are edges of the first, n4 and n5 of the second, n6 and n7 of both. */
void stage_network(struct scene *scene)
{
    static const uint8_t joined[][2] = {{2, 0}, {3, 0}, {4, 1}, {5, 1},
                                        {6, 0}, {6, 1}, {7, 0}, {7, 1}};
    struct sim *sim = &scene->sim;

    scene->lossless = sim_chance(sim, 25);
    for (unsigned i = 0; i < 8; i++)
        add_host(scene, i < 2);
    for (unsigned i = 0; i < sizeof joined / sizeof joined[0]; i++)
        join(scene, &scene->host[joined[i][0]], &scene->host[joined[i][1]], false);
    choose_the_mad(scene, 15, 6);
}
