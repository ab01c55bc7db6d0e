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
    return (uint32_t)(next_random(&sim->random[SIM_DECISIONS]) >> 32) % n;
}

bool sim_chance(struct sim *sim, uint32_t percent)
{
    return sim_below(sim, 100) < percent;
}

void sim_branch(struct sim *sim, uint64_t what)
{
    uint64_t state = sim->seed;

    state = next_random(&state) + what;
    sim->random[SIM_DECISIONS] = next_random(&state);
}

/* ---- what goes wrong ---------------------------------------------------------------------------- */

static const char *const fault_names[SIM_N_FAULTS] = {
#define SIM_FAULT_NAME(id, name, text) name,
    SIM_FAULTS(SIM_FAULT_NAME)
#undef SIM_FAULT_NAME
};

static const char *const fault_texts[SIM_N_FAULTS] = {
#define SIM_FAULT_TEXT(id, name, text) text,
    SIM_FAULTS(SIM_FAULT_TEXT)
#undef SIM_FAULT_TEXT
};

const char *sim_fault_name(enum sim_fault fault)
{
    return fault_names[fault];
}

const char *sim_fault_text(enum sim_fault fault)
{
    return fault_texts[fault];
}

bool sim_fails(struct sim *sim, enum sim_fault fault)
{
    if (sim->without >> fault & 1)
        return false;
    sim->n_faults[fault]++;
    return true;
}

bool sim_fault(struct sim *sim, enum sim_fault fault, uint32_t percent)
{
    return percent && sim_chance(sim, percent) && sim_fails(sim, fault);
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
    sim->moved_at = sim->now;
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

static bool is_refused(struct sim *sim)
{
    if (++sim->n_host_allocs == sim->no_memory_at)
        return true;
    return sim->no_memory_percent &&
           next_random(&sim->random[SIM_MEMORY]) % 100 < sim->no_memory_percent;
}

static void *host_alloc(void *ctx, size_t bytes)
{
    struct sim *sim = ((struct sim_host *)ctx)->sim;

    if (is_refused(sim) && sim_fails(sim, SIM_FAULT_NO_MEMORY))
        return NULL;
    return count_alloc(sim, bytes);
}

static void host_free(void *ctx, void *memory, size_t bytes)
{
    count_free(((struct sim_host *)ctx)->sim, memory, bytes);
}

static uint32_t host_random(void *ctx)
{
    return (uint32_t)next_random(&((struct sim_host *)ctx)->sim->random[SIM_LIBRARY]);
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
    sim->moved_at = START_NS;
    sim->random[SIM_DECISIONS] = seed;
    sim->random[SIM_LIBRARY] = ~seed;
    sim->random[SIM_MEMORY] = seed ^ UINT64_C(0x5555555555555555);
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

static int join_wires(struct sim_host *host)
{
    struct sim *sim = host->sim;
    int error = 0;

    for (unsigned i = 0; i < sim->n_wires; i++)
        for (unsigned side = 0; side < 2 && !error; side++) {
            struct sim_end *end = &sim->wire[i].end[side];

            if (end->host != host)
                continue;
            end->due_at = SIM_NEVER;
            end->dead = false;
            end->wire->n_breaks++;
            error = end->wire->ops->join(end);
        }
    return error;
}

int sim_host_start(struct sim_host *host)
{
    struct sim *sim = host->sim;
    struct rpr_node_config config = {
        .name = host->name, .platform = &host->platform, .slot_bytes = 512, .slots = 64};
    int error;

    sim_trace(sim, "%s starts", host->name);
    sim->n_life++;
    host->due_at = SIM_NEVER;
    error = rpr_node_open(&host->node, &config);
    if (!error) {
        (void)rpr_node_poll(host->node, sim->now, 1); /* it knows the time from here on */
        error = join_wires(host);
        if (error)
            rpr_node_close(host->node);
    }
    if (error) {
        sim_trace(sim, "%s could not start: %d", host->name, error);
        host->node = NULL;
        return error;
    }
    sim_host_touched(host);
    return 0;
}

void sim_host_stop(struct sim_host *host)
{
    struct rpr_node *node = host->node;

    sim_trace(host->sim, "%s stops", host->name);
    host->sim->n_life++;
    rpr_node_close(node);
    host->node = NULL;
    host->stalled_until = 0;
}

static void tell_wires(struct sim_host *host, bool over)
{
    struct sim *sim = host->sim;

    for (unsigned i = 0; i < sim->n_wires; i++)
        for (unsigned side = 0; side < 2; side++) {
            struct sim_end *end = &sim->wire[i].end[side];

            if (end->host != host)
                continue;
            end->dead = true;
            if (end->wire->ops->crash)
                end->wire->ops->crash(end, over);
        }
}

void sim_host_crash(struct sim_host *host)
{
    sim_trace(host->sim, "%s crashes", host->name);
    tell_wires(host, false);
}

void sim_host_crashed(struct sim_host *host)
{
    tell_wires(host, true);
}

void sim_host_touched(struct sim_host *host)
{
    host->run = SIM_RUNNING;
}

bool sim_host_runnable(const struct sim_host *host)
{
    uint64_t now = host->sim->now;

    return host->node && !host->frozen && host->stalled_until <= now &&
           (host->run != SIM_ASLEEP || host->woken || host->due_at <= now || host->deadline <= now);
}

static void look_at_wires(struct sim_host *host)
{
    struct sim *sim = host->sim;
    uint64_t now = sim->now;

    for (unsigned i = 0; i < sim->n_wires; i++)
        for (unsigned side = 0; side < 2; side++) {
            struct sim_end *end = &sim->wire[i].end[side];

            if (end->host != host || end->due_at > now)
                continue;
            sim_wire_look(end);
        }
    host->due_at = SIM_NEVER;
    for (unsigned i = 0; i < sim->n_wires; i++)
        for (unsigned side = 0; side < 2; side++) {
            const struct sim_end *end = &sim->wire[i].end[side];

            if (end->host == host && end->due_at < host->due_at)
                host->due_at = end->due_at;
        }
}

#define STIR_PERCENT 2u

static void stir_caches(struct sim_host *host)
{
    struct sim *sim = host->sim;

    for (unsigned i = 0; i < sim->n_wires; i++)
        for (unsigned side = 0; side < 2; side++) {
            struct sim_end *end = &sim->wire[i].end[side];

            if (end->host != host || !end->wire->config.incoherent ||
                !sim_fault(sim, SIM_FAULT_CACHE, STIR_PERCENT))
                continue;
            sim_wire_stir(end);
        }
}

/* Others may act between the poll and the arm: that is where wake-ups are lost. */
void sim_host_step(struct sim_host *host)
{
    struct sim *sim = host->sim;

    sim->n_steps++;
    stir_caches(host);
    if (host->run == SIM_MAY_ARM && !host->woken && host->due_at > sim->now) {
        bool asleep = rpr_node_arm(host->node);

        host->run = asleep ? SIM_ASLEEP : SIM_RUNNING;
        return;
    }
    host->run = SIM_RUNNING;
    host->woken = false;
    if (host->due_at <= sim->now)
        look_at_wires(host);
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

static uint64_t smaller(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

uint64_t sim_deadline(const struct sim *sim)
{
    uint64_t earliest = SIM_NEVER;

    for (unsigned i = 0; i < sim->n_hosts; i++) {
        const struct sim_host *host = &sim->host[i];
        uint64_t at = smaller(host->deadline, host->due_at);

        if (!host->node || host->frozen)
            continue;
        if (host->stalled_until > sim->now)
            at = host->stalled_until;
        earliest = smaller(earliest, at);
    }
    return earliest;
}
