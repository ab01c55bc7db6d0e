/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A node on a machine without an operating system: one stack, one main loop, which is the owner, and
 * interrupt handlers that do no more than to wake it. docs/PORTING.md goes through it step by step.
 */
#ifndef BAREMETAL_BAREMETAL_H
#define BAREMETAL_BAREMETAL_H

#include <stdatomic.h>

#include <rpr/rpr.h>

#include "baremetal/pool.h"

/* What a board supplies at run time. With the four barriers and two cache operations of
 * <rpr/platform.h> these are all functions of a port. */
struct baremetal_board {
    uint64_t (*now_ns)(void); /* monotonic */

    /* Interrupts off and on. They are on in the main loop, and off only from the last look at what
     * they may have changed up to the end of `sleep`. */
    void (*mask)(void);
    void (*unmask)(void);

    /* Called with interrupts masked: returns once one of them is pending, or at `until_ns`
     * (UINT64_MAX: no time); sooner does no harm. Where a CPU can only sleep unmasked, it must take
     * interrupts and go to sleep in one step. */
    void (*sleep)(uint64_t until_ns);

    uint32_t (*random)(void);                                /* struct rpr_platform; or NULL */
    void (*log)(enum rpr_log_level level, const char *text); /* one line; or NULL */
};

/* What the main loop runs besides the node: a device's driver, a shell. Memory of the caller's. */
struct baremetal_task {
    const char *name;
    void (*run)(struct baremetal_task *task); /* one turn; must not wait */
    uint64_t busy_ns;                         /* spent in there so far */
    struct baremetal_task *next;              /* private */
};

struct baremetal {
    struct rpr_platform platform; /* for rpr_node_open() */

    /* Private from here; may be read. */
    const struct baremetal_board *board;
    struct baremetal_pools *pools;
    struct baremetal_task *tasks; /* in the order in which they were added */
    const struct baremetal_task *running;
    atomic_bool woken;         /* something is to be done: no sleep */
    uint64_t node_ns, idle_ns; /* spent in the node, and asleep */
    uint64_t n_sleeps;
};

/* `bm->platform` can be used afterwards. The board and the pools must outlive it. */
void baremetal_init(struct baremetal *bm, const struct baremetal_board *board,
                    struct baremetal_pools *pools);

void baremetal_add(struct baremetal *bm, struct baremetal_task *task);

/* Any context: there is another turn before the next sleep. */
void baremetal_wake(struct baremetal *bm);

/* One turn: each task, the node, and sleep if none of them left anything to do. */
void baremetal_turn(struct baremetal *bm, struct rpr_node *node);

#endif
