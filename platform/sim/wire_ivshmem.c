/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory with a resource table, at which both ends look by timers (rpr/ivshmem.h). It outlives
 * everybody. A host that crashes leaves it as it was; a cut takes it away from both.
 */
#include <stdlib.h>
#include <string.h>

#include "sim/sim.h"

static struct rpr_ivshmem_config config_of(const struct sim_end *end)
{
    const struct sim_wire_config *c = &end->wire->config;

    return (struct rpr_ivshmem_config){.layout = c->layout,
                                       .role = end->index ? RPR_IVSHMEM_SLAVE : RPR_IVSHMEM_MASTER,
                                       .num = c->buffers,
                                       .payload = c->payload};
}

static const char *map(void *ctx, bool make, uint32_t bytes, struct rpr_ivshmem_memory *memory)
{
    struct sim_end *end = ctx;

    (void)make;
    if (end->wire->cut)
        return "is not there";
    if (bytes > end->wire->memory.bytes)
        return "is too small";
    *memory = (struct rpr_ivshmem_memory){.base = end->wire->memory.copy[end->index],
                                          .bytes = end->wire->memory.bytes};
    return NULL;
}

static const char *lost(void *ctx, const struct rpr_ivshmem_memory *memory, bool in_use)
{
    (void)memory;
    (void)in_use;
    return ((struct sim_end *)ctx)->wire->cut ? "was taken away" : NULL;
}

static void unmap(void *ctx, const struct rpr_ivshmem_memory *memory)
{
    (void)ctx;
    (void)memory;
}

static void destroy(void *ctx)
{
    ((struct sim_end *)ctx)->link = NULL;
}

static void init(struct sim_wire *wire)
{
    struct rpr_ivshmem_config c = config_of(&wire->end[0]);
    uint32_t bytes = rpr_ivshmem_bytes(&c);

    if (!bytes)
        abort();
    sim_memory_init(&wire->memory, wire->sim, (bytes + 4095u) & ~4095u, wire->config.incoherent,
                    false);
}

static int join(struct sim_end *end)
{
    struct rpr_ivshmem_config c = config_of(end);

    c.remote = sim_wire_other(end)->host->name;
    c.port = (struct rpr_ivshmem_port){
        .map = map, .lost = lost, .unmap = unmap, .destroy = destroy, .ctx = end};
    return rpr_ivshmem_open(end->host->node, &c, &end->link);
}

static void look(struct sim_end *end)
{
    (void)end;
}

static void nothing(struct sim_wire *wire)
{
    (void)wire;
}

/* What a node says at its end does not get into the memory. */
static void crash(struct sim_end *end, bool over)
{
    struct sim_memory *m = &end->wire->memory;
    struct sim *sim = end->wire->sim;

    if (!over) {
        end->wire->snapshot = sim->platform.alloc(sim->platform.ctx, m->bytes);
        memcpy(end->wire->snapshot, m->main, m->bytes);
        return;
    }
    memcpy(m->main, end->wire->snapshot, m->bytes);
    sim->platform.free(sim->platform.ctx, end->wire->snapshot, m->bytes);
    end->wire->snapshot = NULL;
    sim_memory_reset(m, end->index);
}

static void stir(struct sim_end *end)
{
    sim_memory_stir(&end->wire->memory, end->index);
}

static void fini(struct sim_wire *wire)
{
    sim_memory_fini(&wire->memory);
}

const struct sim_wire_ops sim_wire_ivshmem = {.init = init,
                                              .join = join,
                                              .look = look,
                                              .cut = nothing,
                                              .mend = nothing,
                                              .crash = crash,
                                              .stir = stir,
                                              .fini = fini};
