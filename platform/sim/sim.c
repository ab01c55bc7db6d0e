/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/sim.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define START_NS UINT64_C(1000000000)

/* ---- randomness ------------------------------------------------------------------------------ */

/* splitmix64 */
static uint64_t next_random(uint64_t *state)
{
    uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);

    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

uint32_t sim_below(struct sim *sim, uint32_t n)
{
    return (uint32_t)(next_random(&sim->random[0]) >> 32) % n;
}

bool sim_chance(struct sim *sim, uint32_t percent)
{
    return sim_below(sim, 100) < percent;
}

/* ---- the trace --------------------------------------------------------------------------------- */

static void hash_text(struct sim *sim, const char *text)
{
    while (*text)
        sim->hash = (sim->hash ^ (uint8_t)*text++) * UINT64_C(1099511628211); /* FNV-1a */
}

void sim_trace(struct sim *sim, const char *format, ...)
{
    char *line = sim->line[sim->n_events % SIM_LINES];
    va_list list;
    int n;

    if (sim->violation[0])
        return; /* the last lines are those that led to it */
    sim->n_events++;
    n = snprintf(line, SIM_LINE_SIZE, "%12.6f ", (double)(sim->now - START_NS) / 1e6);

    va_start(list, format);
    vsnprintf(line + n, SIM_LINE_SIZE - (size_t)n, format, list);
    va_end(list);
    hash_text(sim, line);
    if (sim->verbose)
        printf("%s\n", line);
}

void sim_violated(struct sim *sim, const char *format, ...)
{
    char text[SIM_LINE_SIZE];
    va_list list;

    va_start(list, format);
    vsnprintf(text, sizeof text, format, list);
    va_end(list);
    if (!sim->violation[0])
        memcpy(sim->violation, text, sizeof text);
}

/* ---- the platform of all hosts ------------------------------------------------------------------ */

static void *count_alloc(struct sim *sim, size_t bytes)
{
    sim->n_allocs++;
    sim->live_blocks++;
    sim->live_bytes += bytes;
    return calloc(1, bytes);
}

static void count_free(struct sim *sim, void *memory, size_t bytes)
{
    if (!memory)
        return;
    memset(memory, 0xdd, bytes); /* who uses it after this, or gives a wrong size, is found out */
    sim->live_blocks--;
    sim->live_bytes -= bytes;
    free(memory);
}

static void *sim_alloc(void *ctx, size_t bytes)
{
    return count_alloc(ctx, bytes);
}

static void sim_free(void *ctx, void *memory, size_t bytes)
{
    count_free(ctx, memory, bytes);
}

static void *host_alloc(void *ctx, size_t bytes)
{
    return count_alloc(((struct sim_host *)ctx)->sim, bytes);
}

static void host_free(void *ctx, void *memory, size_t bytes)
{
    count_free(((struct sim_host *)ctx)->sim, memory, bytes);
}

static uint32_t host_random(void *ctx)
{
    return (uint32_t)next_random(&((struct sim_host *)ctx)->sim->random[1]);
}

static void host_wake(void *ctx)
{
    ((struct sim_host *)ctx)->woken = true;
}

static void host_log(void *ctx, enum rpr_log_level level, const char *text)
{
    struct sim_host *host = ctx;

    (void)level;
    sim_trace(host->sim, "%s log: %s", host->name, text);
}

void sim_init(struct sim *sim, uint64_t seed)
{
    memset(sim, 0, sizeof *sim);
    sim->seed = seed;
    sim->now = START_NS;
    sim->random[0] = seed;
    sim->random[1] = ~seed;
    sim->hash = UINT64_C(14695981039346656037);
    sim->platform = (struct rpr_platform){.ctx = sim, .alloc = sim_alloc, .free = sim_free};
}

/* ---- hosts ----------------------------------------------------------------------------------- */

struct sim_host *sim_host_add(struct sim *sim)
{
    struct sim_host *host = &sim->host[sim->n_hosts];

    host->sim = sim;
    host->index = sim->n_hosts++;
    snprintf(host->name, sizeof host->name, "n%u", host->index % SIM_HOSTS);
    host->platform = (struct rpr_platform){.ctx = host,
                                           .alloc = host_alloc,
                                           .free = host_free,
                                           .random = host_random,
                                           .log = host_log,
                                           .wake = host_wake};
    return host;
}

void sim_host_start(struct sim_host *host)
{
    struct sim *sim = host->sim;
    struct rpr_node_config config = {
        .name = host->name, .platform = &host->platform, .slot_bytes = 512, .slots = 64};

    sim_trace(sim, "%s starts", host->name);
    if (rpr_node_open(&host->node, &config))
        abort();
    (void)rpr_node_poll(host->node, sim->now, 1); /* it knows the time from here on */
    for (unsigned i = 0; i < sim->n_wires; i++)
        for (unsigned side = 0; side < 2; side++)
            if (sim->wire[i].end[side].host == host)
                sim_wire_join(&sim->wire[i].end[side]);
    sim_host_touched(host);
}

void sim_host_stop(struct sim_host *host)
{
    struct rpr_node *node = host->node;

    sim_trace(host->sim, "%s stops", host->name);
    rpr_node_close(node);
    host->node = NULL;
}

void sim_host_touched(struct sim_host *host)
{
    host->run = SIM_RUNNING;
}

bool sim_host_runnable(const struct sim_host *host)
{
    return host->node && !host->frozen &&
           (host->run != SIM_ASLEEP || host->woken || host->deadline <= host->sim->now);
}

static void hear_bells(struct sim_host *host)
{
    struct sim *sim = host->sim;

    for (unsigned i = 0; i < sim->n_wires; i++)
        for (unsigned side = 0; side < 2; side++) {
            struct sim_end *end = &sim->wire[i].end[side];

            if (end->host == host && end->rung)
                sim_wire_bell(end);
        }
    host->woken = false;
}

/* Others may act between the poll and the arm: that is where wake-ups are lost. */
void sim_host_step(struct sim_host *host)
{
    struct sim *sim = host->sim;

    sim->n_steps++;
    if (host->run == SIM_MAY_ARM && !host->woken) {
        bool asleep = rpr_node_arm(host->node);

        host->run = asleep ? SIM_ASLEEP : SIM_RUNNING;
        return;
    }
    host->run = SIM_RUNNING;
    if (host->woken)
        hear_bells(host);
    host->deadline = rpr_node_poll(host->node, sim->now, 1 + sim_below(sim, 8));
    if (host->deadline != RPR_POLL_MORE)
        host->run = SIM_MAY_ARM;
}

/* ---- the clock --------------------------------------------------------------------------------- */

bool sim_step(struct sim *sim)
{
    struct sim_host *ready[SIM_HOSTS];
    unsigned n = 0;

    for (unsigned i = 0; i < sim->n_hosts; i++)
        if (sim_host_runnable(&sim->host[i]))
            ready[n++] = &sim->host[i];
    if (!n)
        return false;
    sim_host_step(ready[sim_below(sim, n)]);
    return true;
}

uint64_t sim_deadline(const struct sim *sim)
{
    uint64_t earliest = RPR_POLL_IDLE;

    for (unsigned i = 0; i < sim->n_hosts; i++)
        if (sim->host[i].node && !sim->host[i].frozen && sim->host[i].deadline < earliest)
            earliest = sim->host[i].deadline;
    return earliest;
}
