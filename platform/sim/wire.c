/* SPDX-License-Identifier: Apache-2.0 */
/* What wires of all kinds have in common: when an end has to look, and doorbells that go wrong. */
#include "sim/sim.h"

/* A platform whose doorbells may be lost looks by itself as often as this. */
#define WATCH_NS  UINT64_C(10000000)
#define LATE_NS   UINT32_C(2000000) /* at most */
#define DOUBLE_NS UINT32_C(500000)

static const struct sim_wire_ops *const kinds[SIM_N_KINDS] = {[SIM_LOOP] = &sim_wire_loop,
                                                              [SIM_VRING] = &sim_wire_vring,
                                                              [SIM_IVSHMEM] = &sim_wire_ivshmem,
                                                              [SIM_SERIAL] = &sim_wire_serial};

const char *sim_wire_name(const struct sim_wire *wire)
{
    static const char *const names[SIM_N_KINDS] = {"loop", "vring", "ivshmem", "serial"};

    return names[wire->config.kind];
}

struct sim_wire *sim_wire_add(struct sim *sim, struct sim_host *a, struct sim_host *b,
                              const struct sim_wire_config *config)
{
    struct sim_wire *wire = &sim->wire[sim->n_wires++];
    struct sim_host *host[2] = {a, b};

    wire->sim = sim;
    wire->config = *config;
    wire->ops = kinds[config->kind];
    for (unsigned i = 0; i < 2; i++) {
        wire->end[i].wire = wire;
        wire->end[i].index = i;
        wire->end[i].host = host[i];
        wire->end[i].due_at = SIM_NEVER;
    }
    wire->ops->init(wire);
    return wire;
}

void sim_wire_due(struct sim_end *end, uint64_t at)
{
    if (at < end->due_at)
        end->due_at = at;
    if (at < end->host->due_at)
        end->host->due_at = at;
}

/* At most one doorbell is on its way to an end: they coalesce, as interrupts do. */
void sim_wire_ring(struct sim_end *end, bool may_be_lost)
{
    const struct sim_wire_config *config = &end->wire->config;
    struct sim *sim = end->wire->sim;
    uint64_t at = sim->now;

    sim->moved_at = sim->now;
    if (may_be_lost && sim_fault(sim, SIM_FAULT_BELL_LOST, config->lost))
        at += WATCH_NS;
    else if (sim_fault(sim, SIM_FAULT_BELL_LATE, config->late))
        at += sim_below(sim, LATE_NS);
    sim_wire_due(end, at);
}

static void look(struct sim_end *end)
{
    struct sim *sim = end->wire->sim;

    end->wire->ops->look(end);
    if (sim_fault(sim, SIM_FAULT_BELL_TWICE, end->wire->config.twice))
        sim_wire_due(end, sim->now + sim_below(sim, DOUBLE_NS));
}

void sim_wire_look(struct sim_end *end)
{
    end->due_at = SIM_NEVER;
    look(end);
}

void sim_wire_cut(struct sim_wire *wire)
{
    if (wire->cut)
        return;
    wire->cut = true;
    wire->n_breaks++;
    wire->sim->n_life++;
    wire->ops->cut(wire);
}

void sim_wire_mend(struct sim_wire *wire)
{
    if (!wire->cut)
        return;
    wire->cut = false;
    wire->sim->n_life++;
    wire->ops->mend(wire);
}

void sim_wire_close(struct sim_wire *wire)
{
    wire->ops->fini(wire);
}

void sim_wire_stir(struct sim_end *end)
{
    if (end->wire->ops->stir)
        end->wire->ops->stir(end);
}
