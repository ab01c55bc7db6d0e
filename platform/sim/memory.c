/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sim/sim.h"

/* A port has no context: what is not coherent is found by its address. One thread, one run. */
static struct sim_memory *incoherent;

static struct place {
    enum sim_cache_op op;
    const char *function;
    unsigned line;
    char name[64];
} places[SIM_PLACES];
static unsigned n_places;
static const char *left_out;

/* ---- places ------------------------------------------------------------------------------------- */

static const struct place *place_of(enum sim_cache_op op, const char *function, unsigned line)
{
    struct place *p = places;

    while (p < places + n_places &&
           (p->op != op || p->line != line || strcmp(p->function, function) != 0))
        p++;
    if (p == places + n_places) {
        if (n_places == SIM_PLACES)
            abort();
        n_places++;
        p->op = op;
        p->function = function;
        p->line = line;
        snprintf(p->name, sizeof p->name, "%s:%u:%s", function, line,
                 op == SIM_CACHE_CLEAN ? "clean" : "invalidate");
    }
    return p;
}

void sim_cache_leave_out(const char *place)
{
    left_out = place;
}

const char *sim_cache_place(unsigned index)
{
    return index < n_places ? places[index].name : NULL;
}

/* ---- life ----------------------------------------------------------------------------------------- */

static uint8_t *allocate(struct sim *sim, size_t bytes)
{
    return sim->platform.alloc(sim->platform.ctx, bytes);
}

static void give_back(struct sim *sim, uint8_t *memory, size_t bytes)
{
    sim->platform.free(sim->platform.ctx, memory, bytes);
}

static void leave_old_bytes(struct sim *sim, uint8_t *to, size_t bytes)
{
    uint32_t word = sim_below(sim, UINT32_MAX);

    for (size_t i = 0; i < bytes; i++) {
        word = word * 1664525u + 1013904223u;
        to[i] = (uint8_t)(word >> 24);
    }
}

void sim_memory_init(struct sim_memory *memory, struct sim *sim, size_t bytes, bool not_coherent,
                     bool stale)
{
    *memory = (struct sim_memory){.sim = sim, .bytes = bytes};
    memory->main = allocate(sim, bytes);
    if (stale)
        leave_old_bytes(sim, memory->main, bytes);
    for (unsigned i = 0; i < 2; i++) {
        if (!not_coherent) {
            memory->copy[i] = memory->main;
            continue;
        }
        memory->copy[i] = allocate(sim, bytes);
        memory->synced[i] = allocate(sim, bytes);
        if (stale)
            leave_old_bytes(sim, memory->copy[i], bytes);
        memcpy(memory->synced[i], memory->copy[i], bytes);
    }
    if (!not_coherent)
        return;
    memory->next = incoherent;
    incoherent = memory;
}

void sim_memory_fini(struct sim_memory *memory)
{
    struct sim_memory **at = &incoherent;

    if (memory->synced[0]) {
        while (*at != memory)
            at = &(*at)->next;
        *at = memory->next;
        for (unsigned i = 0; i < 2; i++) {
            give_back(memory->sim, memory->copy[i], memory->bytes);
            give_back(memory->sim, memory->synced[i], memory->bytes);
        }
    }
    give_back(memory->sim, memory->main, memory->bytes);
    memory->main = NULL;
}

/* ---- what moves bytes --------------------------------------------------------------------------------- */

static void write_back(struct sim_memory *m, unsigned end, size_t at, size_t bytes)
{
    memcpy(m->main + at, m->copy[end] + at, bytes);
    memcpy(m->synced[end] + at, m->copy[end] + at, bytes);
}

static void fetch(struct sim_memory *m, unsigned end, size_t at, size_t bytes)
{
    memcpy(m->copy[end] + at, m->main + at, bytes);
    memcpy(m->synced[end] + at, m->main + at, bytes);
}

void sim_memory_stir(struct sim_memory *m, unsigned end)
{
    size_t from = sim_below(m->sim, (uint32_t)m->bytes);
    size_t to = from + 1 + sim_below(m->sim, (uint32_t)(m->bytes - from));

    if (!m->synced[end])
        return;
    for (size_t i = from; i < to; i++) {
        if (m->copy[end][i] != m->synced[end][i])
            write_back(m, end, i, 1);
        else
            fetch(m, end, i, 1);
    }
}

void sim_memory_reset(struct sim_memory *m, unsigned end)
{
    if (m->synced[end])
        fetch(m, end, 0, m->bytes);
}

void sim_cache(enum sim_cache_op op, const char *function, unsigned line, const volatile void *at,
               size_t bytes)
{
    const volatile uint8_t *first = at;
    const struct place *p;

    for (struct sim_memory *m = incoherent; m; m = m->next) {
        for (unsigned end = 0; end < 2; end++) {
            if (first < m->copy[end] || first >= m->copy[end] + m->bytes)
                continue;
            if (bytes > m->bytes - (size_t)(first - m->copy[end]))
                abort(); /* past the end of the region */
            p = place_of(op, function, line);
            if (left_out && strcmp(p->name, left_out) == 0)
                return;
            if (op == SIM_CACHE_CLEAN)
                write_back(m, end, (size_t)(first - m->copy[end]), bytes);
            else
                fetch(m, end, (size_t)(first - m->copy[end]), bytes);
            return;
        }
    }
}
