/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Several CPUs on one virtual clock. Everything that happens follows from one 64-bit seed: time,
 * randomness, memory, doorbells, wires and all that goes wrong with them are the simulator's, so a
 * run can be repeated exactly.
 *
 * A *host* is one CPU with its owner's loop; a *wire* joins two hosts by a link of some kind. A host
 * that sleeps is run again only by what comes over its wires, by a wake, or at its deadline: a
 * wake-up that is lost is never made up for.
 */
#ifndef SIM_H
#define SIM_H

#include <stdint.h>

#include <rpr/ivshmem.h>
#include <rpr/loop.h>
#include <rpr/serial.h>
#include <rpr/vring.h>

#include "sim/memory.h"

#define SIM_HOSTS     8u
#define SIM_WIRES     12u
#define SIM_LINES     48u /* last lines of the trace that are kept */
#define SIM_LINE_SIZE 120u
#define SIM_NEVER     UINT64_MAX

/* ---- what goes wrong --------------------------------------------------------------------------- */

/* One table: names for the command line, and what is counted. */
#define SIM_FAULTS(X)                                                                   \
    X(CUT, "cuts", "wires cut, with what was on them")                                  \
    X(CRASH, "crashes", "hosts that died without a word")                               \
    X(STOP, "stops", "hosts that were powered off in order")                            \
    X(DOWN, "downs", "devices taken down by their owner")                               \
    X(SLEEP, "sleeps", "CPUs that said that they sleep")                                \
    X(STALL, "stalls", "hosts that were not run for a while")                           \
    X(BELL_LATE, "late-bells", "doorbells that came late, behind those of other wires") \
    X(BELL_TWICE, "double-bells", "doorbells that came twice")                          \
    X(BELL_LOST, "lost-bells", "doorbells that never came")                             \
    X(BYTE_WRONG, "wrong-bytes", "bytes of serial wires that were changed")             \
    X(BYTE_LOST, "lost-bytes", "bytes of serial wires that were lost")                  \
    X(CACHE, "caches", "caches that wrote back or fetched by themselves")               \
    X(NO_MEMORY, "no-memory", "allocations that failed")                                \
    X(RAVE, "raves", "well-formed nonsense sent by a mad host")

enum sim_fault {
#define SIM_FAULT_ID(id, name, text) SIM_FAULT_##id,
    SIM_FAULTS(SIM_FAULT_ID)
#undef SIM_FAULT_ID
        SIM_N_FAULTS
};

const char *sim_fault_name(enum sim_fault fault);
const char *sim_fault_text(enum sim_fault fault);

/* ---- hosts and wires ------------------------------------------------------------------------------ */

enum sim_run { SIM_RUNNING, SIM_MAY_ARM, SIM_ASLEEP };

struct sim_host {
    struct sim *sim;
    unsigned index;
    char name[8];
    struct rpr_platform platform;
    struct rpr_node *node; /* NULL: crashed */
    enum sim_run run;
    bool woken;
    bool frozen;            /* it is not run: its links take nothing */
    uint64_t stalled_until; /* it is not run before */
    uint64_t due_at;        /* something comes over one of its wires; SIM_NEVER */
    uint64_t deadline;
};

enum sim_wire_kind { SIM_LOOP, SIM_VRING, SIM_IVSHMEM, SIM_SERIAL, SIM_N_KINDS };

struct sim_wire_config {
    enum sim_wire_kind kind;
    uint32_t buffers, payload; /* each way: a power of two; bytes */
    enum rpr_dialect dialect;  /* loop, vring */
    bool credit;

    bool incoherent;                /* vring, ivshmem */
    uint32_t late, twice, lost;     /* loop, vring: doorbells, percent; loop loses none */
    enum rpr_ivshmem_layout layout; /* ivshmem */
    uint32_t byte_ns, delay_ns;     /* serial: time on the wire of a byte, of all */
    uint32_t noise;                 /* serial: percent of pieces with a damaged byte */
    bool flow; /* serial: who is not read stops the sender; else bytes are lost */
};

struct sim_region;
struct sim_line;

/* One end of a wire. End 0 is the driver, or master. */
struct sim_end {
    struct sim_wire *wire;
    unsigned index;
    struct sim_host *host;
    struct rpr_link *link;
    uint64_t due_at; /* its owner has to look, see sim_wire_look(); SIM_NEVER */
    bool dead;       /* its host crashes: nothing that it does now leaves it */
    bool wanted;     /* vring, serial: the link is open */

    struct rpr_timer timer; /* vring */
    struct sim_region *at;  /* vring: attached to, or NULL */

    struct sim_line *line;    /* serial: what is on its way to this end */
    bool gone, back, refused; /* serial: to be told, see wire_serial.c */
    bool full;                /* serial: it was told to wait with writing */
};

struct sim_wire {
    struct sim *sim;
    struct sim_wire_config config;
    const struct sim_wire_ops *ops;
    struct sim_end end[2];
    bool cut;
    uint32_t n_breaks; /* times that what is on it may have been lost: cuts, ends of hosts, ... */
    struct rpr_cable *cable;   /* loop */
    struct sim_region *region; /* vring: of the connection that both may attach to, or NULL */
    struct sim_memory memory;  /* ivshmem */
    uint8_t *snapshot;         /* ivshmem: memory as it was when a host began to crash */
};

/* What differs between kinds. `look` and `join` are on the owner of the end. */
struct sim_wire_ops {
    void (*init)(struct sim_wire *wire);
    int (*join)(struct sim_end *end);
    void (*look)(struct sim_end *end); /* what is due has come */
    void (*cut)(struct sim_wire *wire);
    void (*mend)(struct sim_wire *wire);
    void (*crash)(struct sim_end *end, bool over); /* before and after the node ends; or NULL */
    void (*stir)(struct sim_end *end);             /* its cache, by itself; or NULL */
    void (*fini)(struct sim_wire *wire);
};

extern const struct sim_wire_ops sim_wire_loop, sim_wire_vring, sim_wire_ivshmem, sim_wire_serial;

/* Streams of random numbers. */
enum sim_stream { SIM_DECISIONS, SIM_LIBRARY, SIM_MEMORY, SIM_N_STREAMS };

struct sim {
    uint64_t seed, now;
    uint64_t random[SIM_N_STREAMS];
    uint64_t hash;
    uint64_t n_events, n_steps;
    uint64_t moved_at; /* when anything but a clock moved last */
    unsigned n_hosts, n_wires;
    struct sim_host host[SIM_HOSTS];
    struct sim_wire wire[SIM_WIRES];
    struct rpr_platform platform; /* of what belongs to no host */
    uint64_t n_allocs;            /* ever */
    uint64_t n_host_allocs;       /* of them, those that may fail */
    uint64_t live_blocks, live_bytes;
    uint32_t no_memory_percent; /* so many allocations fail */
    uint64_t no_memory_at;      /* this one fails, counted from 1; 0: none */
    bool quiet;                 /* wires make no noise */
    uint32_t without;           /* bits by enum sim_fault: these do not happen */
    uint64_t n_faults[SIM_N_FAULTS];
    uint64_t n_life; /* things that began or ended: hosts, connections, endpoints, bindings */
    bool verbose;
    char line[SIM_LINES][SIM_LINE_SIZE];
    char violation[SIM_LINE_SIZE]; /* the first one, or "" */
};

void sim_init(struct sim *sim, uint64_t seed);

/* ---- decisions and the trace ---------------------------------------------------------------- */

uint32_t sim_below(struct sim *sim, uint32_t n); /* 0..n-1 */
bool sim_chance(struct sim *sim, uint32_t percent);

/* Decisions from here on follow from the seed and `what` alone. */
void sim_branch(struct sim *sim, uint64_t what);

/* Shall this go wrong now? Counted if so. What is left out (`without`) leaves all other decisions as
 * they are. */
bool sim_fault(struct sim *sim, enum sim_fault fault, uint32_t percent);

/* The same, decided by the caller: false if it is left out. */
bool sim_fails(struct sim *sim, enum sim_fault fault);

/* One event: becomes part of the hash of the run. */
void sim_trace(struct sim *sim, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The run has failed; only the first violation is kept. */
void sim_violated(struct sim *sim, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* ---- hosts ----------------------------------------------------------------------------------- */

struct sim_host *sim_host_add(struct sim *sim);

/* Opens the node, and joins it to all its wires. -RPR_ENOMEM: it is not there. */
int sim_host_start(struct sim_host *host);
void sim_host_stop(struct sim_host *host); /* closes the node and all in it */

/* Between these two the host may say anything, and nobody hears it. Call sim_host_stop() there. */
void sim_host_crash(struct sim_host *host);
void sim_host_crashed(struct sim_host *host);

bool sim_host_runnable(const struct sim_host *host);
void sim_host_step(struct sim_host *host);    /* one turn of its loop */
void sim_host_touched(struct sim_host *host); /* its owner did something outside the loop */

/* ---- wires ------------------------------------------------------------------------------------ */

/* Before the hosts are started. */
struct sim_wire *sim_wire_add(struct sim *sim, struct sim_host *a, struct sim_host *b,
                              const struct sim_wire_config *config);
void sim_wire_cut(struct sim_wire *wire);
void sim_wire_mend(struct sim_wire *wire);
void sim_wire_close(struct sim_wire *wire);             /* both hosts are stopped */
const char *sim_wire_name(const struct sim_wire *wire); /* its kind */
static inline struct sim_end *sim_wire_other(struct sim_end *end)
{
    return &end->wire->end[!end->index];
}

void sim_wire_look(struct sim_end *end); /* what is due has come */

/* For the kinds: that end's owner has to look, at that time. */
void sim_wire_due(struct sim_end *end, uint64_t at);

/* A doorbell of a wire that delays, repeats or (if `may_be_lost`) loses them. */
void sim_wire_ring(struct sim_end *end, bool may_be_lost);

/* The cache of that end does something by itself. */
void sim_wire_stir(struct sim_end *end);

/* Bytes are on their way. */
bool sim_wire_busy(const struct sim *sim);

/* ---- the clock --------------------------------------------------------------------------------- */

/* Runs one host, chosen at random. False: all sleep, and nothing is due now. */
bool sim_step(struct sim *sim);

/* When something is due next, or SIM_NEVER. */
uint64_t sim_deadline(const struct sim *sim);

#endif
