/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Several CPUs on one virtual clock. Everything that happens follows from one 64-bit seed: time,
 * randomness, memory and doorbells are the simulator's, so a run can be repeated exactly.
 *
 * A *host* is one CPU with its owner's loop; a *wire* joins two hosts by a loop or vring link. A
 * host that sleeps is run again only by a doorbell it asked for, by a wake, or at its deadline: a
 * wake-up that is lost is never made up for.
 */
#ifndef SIM_H
#define SIM_H

#include <stdint.h>

#include <rpr/loop.h>
#include <rpr/vring.h>

#define SIM_HOSTS     8u
#define SIM_WIRES     8u
#define SIM_LINES     48u /* last lines of the trace that are kept */
#define SIM_LINE_SIZE 120u

enum sim_run { SIM_RUNNING, SIM_MAY_ARM, SIM_ASLEEP };

struct sim_host {
    struct sim *sim;
    unsigned index;
    char name[8];
    struct rpr_platform platform;
    struct rpr_node *node; /* NULL: crashed */
    enum sim_run run;
    bool woken;
    bool frozen; /* it is not run: its links take nothing */
    uint64_t deadline;
};

enum sim_wire_kind { SIM_LOOP, SIM_VRING };

struct sim_wire_config {
    enum sim_wire_kind kind;
    uint32_t buffers, payload; /* each way: a power of two; bytes */
    enum rpr_dialect dialect;
    bool credit;
};

struct sim_region;

/* One end of a wire; the fields below `rung` are used by vring wires only. End 0 is the driver. */
struct sim_end {
    struct sim_wire *wire;
    unsigned index;
    struct sim_host *host;
    bool rung; /* the doorbell is on its way */
    struct rpr_link *link;
    struct rpr_timer timer;
    bool wanted;
    struct sim_region *at; /* attached to, or NULL */
};

struct sim_wire {
    struct sim *sim;
    struct sim_wire_config config;
    struct sim_end end[2];
    struct rpr_cable *cable;   /* loop */
    struct sim_region *region; /* vring: of the connection that both may attach to, or NULL */
    bool cut;
};

struct sim {
    uint64_t seed, now;
    uint64_t random[2]; /* states: of decisions, and of the library */
    uint64_t hash;
    uint64_t n_events, n_steps;
    unsigned n_hosts, n_wires;
    struct sim_host host[SIM_HOSTS];
    struct sim_wire wire[SIM_WIRES];
    struct rpr_platform platform; /* of what belongs to no host */
    uint64_t n_allocs;            /* ever */
    uint64_t live_blocks, live_bytes;
    bool verbose;
    char line[SIM_LINES][SIM_LINE_SIZE];
    char violation[SIM_LINE_SIZE]; /* the first one, or "" */
};

void sim_init(struct sim *sim, uint64_t seed);

/* ---- decisions and the trace ---------------------------------------------------------------- */

uint32_t sim_below(struct sim *sim, uint32_t n); /* 0..n-1 */
bool sim_chance(struct sim *sim, uint32_t percent);

/* One event: becomes part of the hash of the run. */
void sim_trace(struct sim *sim, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The run has failed; only the first violation is kept. */
void sim_violated(struct sim *sim, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* ---- hosts ----------------------------------------------------------------------------------- */

struct sim_host *sim_host_add(struct sim *sim);

/* Opens the node, and joins it to all its wires. */
void sim_host_start(struct sim_host *host);
void sim_host_stop(struct sim_host *host); /* closes the node and all in it */

bool sim_host_runnable(const struct sim_host *host);
void sim_host_step(struct sim_host *host);    /* one turn of its loop */
void sim_host_touched(struct sim_host *host); /* its owner did something outside the loop */

/* ---- wires ------------------------------------------------------------------------------------ */

/* Before the hosts are started. */
struct sim_wire *sim_wire_add(struct sim *sim, struct sim_host *a, struct sim_host *b,
                              const struct sim_wire_config *config);
void sim_wire_join(struct sim_end *end);
void sim_wire_ring(struct sim_end *end);
void sim_wire_bell(struct sim_end *end); /* the doorbell arrives */
void sim_wire_cut(struct sim_wire *wire);
void sim_wire_mend(struct sim_wire *wire);
void sim_wire_close(struct sim_wire *wire); /* both hosts are stopped */

/* ---- the clock --------------------------------------------------------------------------------- */

/* Runs one host, chosen at random. False: all sleep, and nothing is due now. */
bool sim_step(struct sim *sim);

/* Earliest deadline of all hosts, or RPR_POLL_IDLE. */
uint64_t sim_deadline(const struct sim *sim);

#endif
