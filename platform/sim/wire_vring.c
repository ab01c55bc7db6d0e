/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A link over shared memory that the platform hands over. The wire plays the part of the platform:
 * it makes the region of a connection, attaches both sides in their own time, and tells each that
 * the other is gone - always in the context of that side's owner.
 */
#include <stdlib.h>

#include "base/check.h"
#include "sim/sim.h"

#define RETRY_NS UINT64_C(20000000) /* after there was no memory */

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
    struct rpr_vring_layout layout;
    struct sim_memory memory;
};

/* ---- doorbells --------------------------------------------------------------------------------- */

/* That a buffer is back may never be heard of: who waits for one looks by itself (ARCHITECTURE 5). */
static void ring(void *ctx, bool to_tx_ring)
{
    struct sim_end *end = sim_wire_other(((struct side *)ctx)->end);
    struct sim *sim = end->wire->sim;

    if (!to_tx_ring && sim_fault(sim, SIM_FAULT_BELL_LOST, end->wire->config.lost))
        return;
    sim_wire_ring(end, to_tx_ring);
}

static void look_soon(struct sim_end *end)
{
    rpr_timer_start(end->host->node, &end->timer, rpr_node_now(end->host->node));
}

static void look(struct sim_end *end)
{
    if (!end->link || !end->wanted)
        return;
    if (!end->at || end->at->over)
        look_soon(end);
    else
        rpr_link_ready(end->link);
}

/* ---- connections ------------------------------------------------------------------------------------ */

static void region_put(struct sim_region *region)
{
    const struct rpr_platform *platform = &region->wire->sim->platform;

    if (--region->n_refs)
        return;
    sim_memory_fini(&region->memory);
    platform->free(platform->ctx, region, sizeof *region);
}

/* The words that only processes of one machine use have no cache operations. */
static void leave_out_words(struct rpr_vring_layout *layout)
{
    layout->driver_power = layout->device_power = 0;
    layout->driver_cpu = layout->device_cpu = 0;
}

static void region_make(struct sim_wire *wire)
{
    const struct rpr_platform *platform = &wire->sim->platform;
    struct sim_region *region = platform->alloc(platform->ctx, sizeof *region);

    if (rpr_vring_layout_local(&region->layout, wire->config.buffers, wire->config.payload))
        abort();
    if (wire->config.incoherent)
        leave_out_words(&region->layout);
    sim_memory_init(&region->memory, wire->sim, region->layout.bytes, wire->config.incoherent,
                    wire->config.incoherent);
    region->wire = wire;
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

/* Again later, if there is no memory, or the end of the former session waits. */
static void attach(struct sim_end *end)
{
    const struct sim_wire_config *config = &end->wire->config;
    struct sim_region *region = end->wire->region;
    struct rpr_vring_session session = {.role = end->index ? RPR_VRING_DEVICE : RPR_VRING_DRIVER,
                                        .base = region->memory.copy[end->index],
                                        .layout = region->layout,
                                        .dialect = config->dialect,
                                        .credit = config->credit,
                                        .ring = ring,
                                        .detached = detached,
                                        .ctx = &region->side[end->index]};
    int error;

    end->at = region;
    region->n_refs++;
    error = rpr_vring_attach(end->link, &session);
    if (error == -RPR_ENOMEM || error == -RPR_EBUSY) {
        end->at = NULL;
        region_put(region);
        rpr_timer_start(end->host->node, &end->timer, rpr_node_now(end->host->node) + RETRY_NS);
        return;
    }
    if (error)
        abort();
    region->driver_ready = true; /* the driver is first; others run when it is done */
    sim_wire_ring(sim_wire_other(end), false);
    sim_wire_ring(end, false); /* the peer may have sent before we listened */
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
    if (!end->wanted || end->at || wire->cut || !sim_wire_other(end)->wanted)
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
    sim_wire_ring(sim_wire_other(end), false);
}

static void port_close(void *ctx)
{
    struct sim_end *end = ctx;

    end->wanted = false;
    end->at = NULL;
    rpr_timer_stop(end->host->node, &end->timer);
    finish(end->wire, OVER_CLOSED);
    sim_wire_ring(sim_wire_other(end), false);
}

static void port_destroy(void *ctx)
{
    ((struct sim_end *)ctx)->link = NULL;
}

/* ---- the wire ------------------------------------------------------------------------------------------ */

static void init(struct sim_wire *wire)
{
    wire->end[0].timer.fire = wire->end[1].timer.fire = timer_fired;
}

static int join(struct sim_end *end)
{
    return rpr_vring_open(
        end->host->node,
        &(struct rpr_vring_config){
            .remote = sim_wire_other(end)->host->name,
            .kind = "vring",
            .port = {.open = port_open, .close = port_close, .destroy = port_destroy, .ctx = end}},
        &end->link);
}

static void tell_both(struct sim_wire *wire)
{
    sim_wire_ring(&wire->end[0], false);
    sim_wire_ring(&wire->end[1], false);
}

static void cut(struct sim_wire *wire)
{
    finish(wire, OVER_CUT);
    tell_both(wire);
}

/* The platform hears that a process died, as a socket tells. */
static void crash(struct sim_end *end, bool over)
{
    if (!over)
        sim_wire_cut(end->wire);
}

static void stir(struct sim_end *end)
{
    if (end->at)
        sim_memory_stir(&end->at->memory, end->index);
}

static void fini(struct sim_wire *wire)
{
    finish(wire, OVER_CUT);
}

const struct sim_wire_ops sim_wire_vring = {.init = init,
                                            .join = join,
                                            .look = look,
                                            .cut = cut,
                                            .mend = tell_both,
                                            .crash = crash,
                                            .stir = stir,
                                            .fini = fini};
