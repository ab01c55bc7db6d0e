/* SPDX-License-Identifier: Apache-2.0 */
/* A cable of the library (rpr/loop.h). */
#include <stdlib.h>

#include "sim/sim.h"

static void ring(void *ctx, enum rpr_cable_end index)
{
    sim_wire_ring(&((struct sim_wire *)ctx)->end[index], false);
}

static void init(struct sim_wire *wire)
{
    const struct sim_wire_config *c = &wire->config;

    if (rpr_cable_open(&wire->cable, &(struct rpr_cable_config){.buffers = c->buffers,
                                                                .payload = c->payload,
                                                                .dialect = {c->dialect, c->dialect},
                                                                .credit = c->credit,
                                                                .platform = &wire->sim->platform,
                                                                .ring = ring,
                                                                .ctx = wire}))
        abort();
}

static int join(struct sim_end *end)
{
    return rpr_cable_join(end->wire->cable, (enum rpr_cable_end)end->index, end->host->node,
                          sim_wire_other(end)->host->name);
}

static void look(struct sim_end *end)
{
    rpr_cable_bell(end->wire->cable, (enum rpr_cable_end)end->index);
}

static void cut(struct sim_wire *wire)
{
    rpr_cable_cut(wire->cable);
}

static void mend(struct sim_wire *wire)
{
    rpr_cable_mend(wire->cable);
}

/* A cable has no end that is dead: whoever crashes, breaks it. */
static void crash(struct sim_end *end, bool over)
{
    if (!over)
        sim_wire_cut(end->wire);
}

static void fini(struct sim_wire *wire)
{
    rpr_cable_close(wire->cable);
}

const struct sim_wire_ops sim_wire_loop = {.init = init,
                                           .join = join,
                                           .look = look,
                                           .cut = cut,
                                           .mend = mend,
                                           .crash = crash,
                                           .fini = fini};
