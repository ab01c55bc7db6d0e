/* SPDX-License-Identifier: Apache-2.0 */
/* What rpr-sim does with scenes: many of them on all CPUs, one of them made small, and what is told
 * of those that fail. */
#ifndef RUN_H
#define RUN_H

#include <sys/types.h>

#include "scene.h"

#define RUN_JOBS 64u

struct run_options {
    struct scene_config scene; /* of the first seed */
    uint64_t n_seeds;
    unsigned n_jobs;
    bool keep_going, no_shrink;
};

/* ---- one run (watch.c) ----------------------------------------------------------------------- */

/* What came of one run in a process of its own: of a crash or a hang only `how` is known. */
struct run_result {
    bool failed;
    char how[SIM_LINE_SIZE];
    uint32_t action;          /* when it failed */
    uint32_t faults, n_wires; /* bits: what was injected */
};

/* The scene that is run in this process: told of if it crashes, or takes too long. */
void watch_for_death(const struct scene *scene);
void watch_seed(const struct scene_config *config);

void run_explain(const struct sim *sim);
void run_print_command(const struct scene_config *config); /* what replays it */
void run_alone(const struct scene_config *config, bool explain, struct run_result *result);
void *run_share(size_t bytes); /* memory shared with children; zeroed */
struct scene *run_scene(void); /* memory for a scene */

/* ---- many, and small ones ----------------------------------------------------------------------- */

bool campaign_run(const struct run_options *options);  /* true: nothing was violated */
void shrink(const struct scene_config *config);        /* prints what it comes to */
bool mutate_caches(const struct run_options *options); /* true: each one was caught */

#endif
