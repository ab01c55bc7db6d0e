/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory that the two ends of a wire share. Where caches are coherent, both work in one piece of it.
 * Where they are not, each end works in a copy of its own, which stands for its cache: what it writes
 * reaches the other only by a clean, and what it reads is old unless it invalidates. Nothing but
 * these operations moves a byte, except that a cache may write back or fetch anything by itself at
 * any time (sim_memory_stir()).
 *
 * Bytes, not lines: that two writers share a line is a mistake of a layout, and not seen here.
 */
#ifndef SIM_MEMORY_H
#define SIM_MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sim/port.h"

struct sim;

struct sim_memory {
    struct sim *sim;
    size_t bytes;
    uint8_t *main;           /* what is in memory */
    uint8_t *copy[2];        /* what each end sees; `main` where caches are coherent */
    uint8_t *synced[2];      /* of a copy, as it was when it and memory met last; else NULL */
    struct sim_memory *next; /* of all that are not coherent, to be found by address */
};

/* Zeroed. With `stale`, memory and caches hold what some former life of them has left. */
void sim_memory_init(struct sim_memory *memory, struct sim *sim, size_t bytes, bool incoherent,
                     bool stale);
void sim_memory_fini(struct sim_memory *memory);

/* The cache of that end writes back what is dirty and fetches the rest, here and there. */
void sim_memory_stir(struct sim_memory *memory, unsigned end);

/* That end's CPU is reset: what was in its cache only is lost. */
void sim_memory_reset(struct sim_memory *memory, unsigned end);

/* ---- for mutations ------------------------------------------------------------------------------ */

#define SIM_PLACES 48u

/* "function:line:clean" or "function:line:invalidate": the operation is left out there. NULL: none. */
void sim_cache_leave_out(const char *place);

/* The places that have been reached, by index; NULL: there are no more. */
const char *sim_cache_place(unsigned index);

#endif
