/* SPDX-License-Identifier: Apache-2.0 */
/* Many seeds, on several CPUs: workers take one after the other. What a seed does depends on nothing
 * but the seed. */
#include <inttypes.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "run.h"

#define TWICE   3u /* so many first seeds are run again: the same seed gives the same run */
#define SPEAK_S 10 /* progress, where nobody watches */
#define NONE    UINT64_MAX

struct worker {
    pid_t pid;
    uint64_t seed; /* that it runs, or NONE */
    uint64_t n_done, n_bad, n_events, n_steps, n_life, hash;
    uint64_t n_faults[SIM_N_FAULTS];
};

struct campaign {
    _Atomic uint64_t next;
    _Atomic bool stop;
    _Atomic uint64_t bad; /* the first one that was found, or NONE */
    struct worker worker[RUN_JOBS];
};

/* ---- a worker --------------------------------------------------------------------------------------- */

static bool run_seed(struct scene *scene, const struct scene_config *config, bool twice)
{
    bool good = scene_run(scene, config);
    uint64_t hash = scene->sim.hash;

    if (good && twice) {
        struct scene_config again = *config;

        again.verbose = false;
        good = scene_run(scene, &again);
        if (good && scene->sim.hash != hash) {
            sim_violated(&scene->sim, "a second run went another way");
            good = false;
        }
    }
    return good;
}

static void add_up(struct worker *w, const struct sim *sim)
{
    w->n_done++;
    w->n_events += sim->n_events;
    w->n_steps += sim->n_steps;
    w->n_life += sim->n_life;
    w->hash ^= sim->hash;
    for (unsigned i = 0; i < SIM_N_FAULTS; i++)
        w->n_faults[i] += sim->n_faults[i];
}

static void found(struct campaign *c, const struct run_options *o, uint64_t seed, const char *how)
{
    uint64_t none = NONE;

    printf("seed %" PRIu64 ": %s\n", seed, how);
    fflush(stdout);
    (void)atomic_compare_exchange_strong(&c->bad, &none, seed);
    if (!o->keep_going)
        atomic_store(&c->stop, true);
}

static void work(struct campaign *c, struct worker *w, const struct run_options *o)
{
    struct scene *scene = run_scene();
    struct scene_config config = o->scene;
    uint64_t i;

    watch_for_death(scene);
    while (!atomic_load(&c->stop) && (i = atomic_fetch_add(&c->next, 1)) < o->n_seeds) {
        config.seed = o->scene.seed + i;
        w->seed = config.seed;
        watch_seed(&config);
        if (!run_seed(scene, &config, i < TWICE)) {
            w->n_bad++;
            found(c, o, config.seed, scene->sim.violation);
        }
        w->seed = NONE;
        add_up(w, &scene->sim);
    }
    alarm(0);
    free(scene);
}

static void start(struct campaign *c, struct worker *w, const struct run_options *o)
{
    pid_t pid;

    fflush(stdout);
    w->seed = NONE;
    pid = fork();
    if (pid < 0) {
        perror("rpr-sim: fork");
        exit(2);
    }
    if (pid) { /* the worker sees this memory too */
        w->pid = pid;
        return;
    }
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    work(c, w, o);
    exit(0);
}

/* ---- all of them -------------------------------------------------------------------------------------- */

static struct worker total(const struct campaign *c)
{
    struct worker all = {0};

    for (unsigned i = 0; i < RUN_JOBS; i++) {
        const struct worker *w = &c->worker[i];

        all.n_done += w->n_done;
        all.n_bad += w->n_bad;
        all.n_events += w->n_events;
        all.n_steps += w->n_steps;
        all.n_life += w->n_life;
        all.hash ^= w->hash;
        for (unsigned f = 0; f < SIM_N_FAULTS; f++)
            all.n_faults[f] += w->n_faults[f];
    }
    return all;
}

static void progress(const struct campaign *c, const struct run_options *o, bool last)
{
    static time_t spoke;
    time_t now = time(NULL);
    bool live = isatty(STDERR_FILENO);
    struct worker all;

    if (!spoke)
        spoke = now;
    if (!last && now - spoke < (live ? 1 : SPEAK_S))
        return;
    if (last && !live)
        return;
    spoke = now;
    all = total(c);
    fprintf(stderr, "%s%" PRIu64 " of %" PRIu64 " seeds, %" PRIu64 " violations%s",
            live ? "\r" : "", all.n_done, o->n_seeds, all.n_bad, live && !last ? "" : "\n");
}

/* A worker has ended. One that died takes its seed along, and is replaced. */
static bool ended(struct campaign *c, struct worker *w, int status, const struct run_options *o)
{
    w->pid = 0;
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return true;
    w->n_bad++;
    w->n_done++;
    found(c, o, w->seed, WIFEXITED(status) && WEXITSTATUS(status) == 3 ? "it hangs" : "it crashed");
    if (atomic_load(&c->stop))
        return true;
    start(c, w, o);
    return false;
}

static void wait_for_all(struct campaign *c, const struct run_options *o, unsigned n)
{
    struct timespec pause = {0, 20000000};

    while (n) {
        bool any = false;

        for (unsigned i = 0; i < o->n_jobs; i++) {
            struct worker *w = &c->worker[i];
            int status;

            if (!w->pid || waitpid(w->pid, &status, WNOHANG) != w->pid)
                continue;
            any = true;
            n -= ended(c, w, status, o);
        }
        progress(c, o, !n);
        if (!any)
            nanosleep(&pause, NULL);
    }
}

static void tell(const struct worker *all, const struct run_options *o)
{
    printf("%" PRIu64 " seeds, %" PRIu64 " events, %" PRIu64 " life-cycle events, %" PRIu64
           " violations\n",
           all->n_done, all->n_events, all->n_life, all->n_bad);
    for (unsigned i = 0; i < SIM_N_FAULTS; i++)
        if (all->n_faults[i])
            printf("%12" PRIu64 "  %s\n", all->n_faults[i], sim_fault_text((enum sim_fault)i));
    if (o->n_seeds == 1)
        printf("hash of the run: %016" PRIx64 "\n", all->hash);
}

/* A fault that never happens is a defect of the scene; a hundred seeds are enough to see each. */
static bool all_faults_happened(const struct worker *all, const struct run_options *o)
{
    bool all_there = true;

    if (all->n_done < 100)
        return true;
    for (unsigned i = 0; i < SIM_N_FAULTS; i++) {
        if (all->n_faults[i] || (o->scene.without | o->scene.kind->no_faults) >> i & 1)
            continue;
        printf("never happened: %s\n", sim_fault_text((enum sim_fault)i));
        all_there = false;
    }
    return all_there;
}

bool campaign_run(const struct run_options *o)
{
    struct campaign *c = run_share(sizeof *c);
    struct scene_config config = o->scene;
    struct worker all;

    atomic_store(&c->bad, NONE);
    for (unsigned i = 0; i < o->n_jobs; i++)
        start(c, &c->worker[i], o);
    wait_for_all(c, o, o->n_jobs);
    all = total(c);
    config.seed = atomic_load(&c->bad);
    if (config.seed != NONE) {
        struct run_result result;

        config.verbose = false;
        if (!o->keep_going)
            run_alone(&config, true, &result);
        run_print_command(&config);
        if (!o->no_shrink)
            shrink(&config);
    }
    tell(&all, o);
    return !all.n_bad && all_faults_happened(&all, o);
}

/* ---- caches ----------------------------------------------------------------------------------------------- */

/* Those that something else makes up for, so that nothing is to be seen where they are missing. */
static const struct {
    const char *function, *why;
} covered[] = {
    {"notify:", "the indices are looked at, too"},
    {"peer_index:", "the peer's word is looked at, too"},
    {"status:", "the base says it, too"},
    {"chart_first_buffer:", "a driver of ours gives buffer 0 first"},
    {"rptun_slave_build:", "each word is written and cleaned once more"},
};

static const char *why_covered(const char *place)
{
    for (unsigned i = 0; i < sizeof covered / sizeof covered[0]; i++)
        if (strncmp(place, covered[i].function, strlen(covered[i].function)) == 0)
            return covered[i].why;
    return NULL;
}

/* Each cache operation of the library is left out in turn: some seed has to see it. */
bool mutate_caches(const struct run_options *o)
{
    struct scene *scene = run_scene();
    struct scene_config config = o->scene;
    unsigned n_caught = 0, n_covered = 0, n;
    const char *place;

    for (uint64_t i = 0; i < o->n_seeds; i++) { /* to know them all */
        config.seed = o->scene.seed + i;
        if (!scene_run(scene, &config))
            return printf("seed %" PRIu64 ": %s\n", config.seed, scene->sim.violation), false;
    }
    free(scene);
    for (n = 0; (place = sim_cache_place(n)); n++) {
        struct run_result result = {0};

        config.leave_out = place;
        for (uint64_t i = 0; i < o->n_seeds && !result.failed; i++) {
            config.seed = o->scene.seed + i;
            run_alone(&config, false, &result);
        }
        if (result.failed)
            printf("%-32s caught by seed %" PRIu64 ": %s\n", place, config.seed, result.how);
        else
            printf("%-32s %s\n", place, why_covered(place) ? why_covered(place) : "NOT CAUGHT");
        n_caught += result.failed;
        n_covered += !result.failed && why_covered(place);
    }
    printf("cache operations: %u left out, %u caught, %u covered by others\n", n, n_caught,
           n_covered);
    return n && n_caught + n_covered == n;
}
