/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Wires between hosts. A loop wire is a cable of the library. A vring wire plays the part of the
 * platform: it makes the region of a connection, attaches both sides in their own time, and tells
 * each that the other is gone - always in the context of that side's owner.
 */
#include "sim/sim.h"

#include <stdlib.h>

#include "base/check.h"

enum over { NOT_OVER, OVER_CLOSED, OVER_CUT };

struct side {
    struct sim_region *region;
    struct sim_end *end;
};

/* Shared memory of one connection; freed with its last user. */
struct sim_region {
    struct sim_wire *wire;
    struct side side[2];
    bool driver_ready; /* rings are initialised: the device may attach */
    enum over over;
    unsigned n_refs;
    size_t bytes;
    struct rpr_vring_layout layout;
    _Alignas(16) uint8_t memory[];
};

static struct sim_end *other(struct sim_end *end)
{
    return &end->wire->end[!end->index];
}

/* ---- doorbells --------------------------------------------------------------------------------- */

void sim_wire_ring(struct sim_end *end)
{
    end->rung = true;
    end->host->woken = true;
}

static void ring_cable(void *ctx, enum rpr_cable_end index)
{
    sim_wire_ring(&((struct sim_wire *)ctx)->end[index]);
}

static void ring_vring(void *ctx, bool to_tx_ring)
{
    (void)to_tx_ring;
    sim_wire_ring(other(((struct side *)ctx)->end));
}

static void look_soon(struct sim_end *end)
{
    rpr_timer_start(end->host->node, &end->timer, rpr_node_now(end->host->node));
}

void sim_wire_bell(struct sim_end *end)
{
    end->rung = false;
    if (end->wire->config.kind == SIM_LOOP)
        rpr_cable_bell(end->wire->cable, (enum rpr_cable_end)end->index);
    else if (!end->link || !end->wanted)
        return;
    else if (!end->at || end->at->over)
        look_soon(end);
    else
        rpr_link_ready(end->link);
}

/* ---- connections over shared memory -------------------------------------------------------------- */

static void region_put(struct sim_region *region)
{
    const struct rpr_platform *platform = &region->wire->sim->platform;

    if (--region->n_refs == 0)
        platform->free(platform->ctx, region, region->bytes);
}

static void region_make(struct sim_wire *wire)
{
    const struct rpr_platform *platform = &wire->sim->platform;
    struct rpr_vring_layout layout;
    struct sim_region *region;
    size_t bytes;

    if (rpr_vring_layout_local(&layout, wire->config.buffers, wire->config.payload))
        abort();
    bytes = (sizeof *region + layout.bytes + 15u) & ~(size_t)15u;
    region = platform->alloc(platform->ctx, bytes);
    region->wire = wire;
    region->bytes = bytes;
    region->layout = layout;
    region->n_refs = 1;
    for (unsigned i = 0; i < 2; i++)
        region->side[i] = (struct side){region, &wire->end[i]};
    wire->region = region;
}

static void finish(struct sim_wire *wire, enum over over)
{
    struct sim_region *region = wire->region;

    if (!region)
        return;
    wire->region = NULL;
    region->over = over;
    region_put(region);
}

static void detached(void *ctx)
{
    region_put(((struct side *)ctx)->region);
}

static void attach(struct sim_end *end)
{
    const struct sim_wire_config *config = &end->wire->config;
    struct sim_region *region = end->wire->region;
    struct rpr_vring_session session = {.role = end->index ? RPR_VRING_DEVICE : RPR_VRING_DRIVER,
                                        .base = region->memory,
                                        .layout = region->layout,
                                        .dialect = config->dialect,
                                        .credit = config->credit,
                                        .ring = ring_vring,
                                        .detached = detached,
                                        .ctx = &region->side[end->index]};

    end->at = region;
    region->n_refs++;
    region->driver_ready = true; /* the driver is first; others run when it is done */
    if (rpr_vring_attach(end->link, &session))
        abort();
    sim_wire_ring(other(end));
    sim_wire_ring(end); /* the peer may have sent before we listened */
}

static void timer_fired(struct rpr_timer *timer, uint64_t now_ns)
{
    struct sim_end *end = RPR_CONTAINER(timer, struct sim_end, timer);
    struct sim_wire *wire = end->wire;
    struct sim_region *region = end->at;

    (void)now_ns;
    if (region && region->over) {
        end->at = NULL;
        rpr_vring_detach(end->link, region->over == OVER_CUT ? "the wire was cut" : "the peer left",
                         region->over == OVER_CLOSED);
    }
    if (!end->wanted || end->at || wire->cut || !other(end)->wanted)
        return;
    if (end->index == 0 && !wire->region)
        region_make(wire);
    if (wire->region && (end->index == 0) != wire->region->driver_ready)
        attach(end);
}

static void port_open(void *ctx)
{
    struct sim_end *end = ctx;

    end->wanted = true;
    look_soon(end);
    sim_wire_ring(other(end));
}

static void port_close(void *ctx)
{
    struct sim_end *end = ctx;

    end->wanted = false;
    end->at = NULL;
    rpr_timer_stop(end->host->node, &end->timer);
    finish(end->wire, OVER_CLOSED);
    sim_wire_ring(other(end));
}

static void port_destroy(void *ctx)
{
    ((struct sim_end *)ctx)->link = NULL;
}

/* ---- wires ------------------------------------------------------------------------------------ */

struct sim_wire *sim_wire_add(struct sim *sim, struct sim_host *a, struct sim_host *b,
                              const struct sim_wire_config *config)
{
    struct sim_wire *wire = &sim->wire[sim->n_wires++];
    struct sim_host *host[2] = {a, b};

    wire->sim = sim;
    wire->config = *config;
    for (unsigned i = 0; i < 2; i++) {
        wire->end[i].wire = wire;
        wire->end[i].index = i;
        wire->end[i].host = host[i];
        wire->end[i].timer.fire = timer_fired;
    }
    if (config->kind == SIM_LOOP &&
        rpr_cable_open(&wire->cable,
                       &(struct rpr_cable_config){.buffers = config->buffers,
                                                  .payload = config->payload,
                                                  .dialect = {config->dialect, config->dialect},
                                                  .credit = config->credit,
                                                  .platform = &sim->platform,
                                                  .ring = ring_cable,
                                                  .ctx = wire}))
        abort();
    return wire;
}

void sim_wire_join(struct sim_end *end)
{
    const char *remote = other(end)->host->name;
    struct rpr_node *node = end->host->node;
    int error;

    end->rung = false;
    if (end->wire->config.kind == SIM_LOOP)
        error = rpr_cable_join(end->wire->cable, (enum rpr_cable_end)end->index, node, remote);
    else
        error = rpr_vring_open(node,
                               &(struct rpr_vring_config){.remote = remote,
                                                          .kind = "vring",
                                                          .port = {.open = port_open,
                                                                   .close = port_close,
                                                                   .destroy = port_destroy,
                                                                   .ctx = end}},
                               &end->link);
    if (error)
        abort();
}

void sim_wire_cut(struct sim_wire *wire)
{
    wire->cut = true;
    if (wire->config.kind == SIM_LOOP) {
        rpr_cable_cut(wire->cable);
        return;
    }
    finish(wire, OVER_CUT);
    sim_wire_ring(&wire->end[0]);
    sim_wire_ring(&wire->end[1]);
}

void sim_wire_mend(struct sim_wire *wire)
{
    wire->cut = false;
    if (wire->config.kind == SIM_LOOP) {
        rpr_cable_mend(wire->cable);
        return;
    }
    sim_wire_ring(&wire->end[0]);
    sim_wire_ring(&wire->end[1]);
}

void sim_wire_close(struct sim_wire *wire)
{
    if (wire->config.kind == SIM_LOOP)
        rpr_cable_close(wire->cable);
    else
        finish(wire, OVER_CUT);
}
