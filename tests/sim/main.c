/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rpr-sim: runs seeds. The first that violates an invariant ends it, or, with --keep-going, is
 * counted; each says how to replay it. A seed that does not come to its end within WATCHDOG_S, or
 * that crashes, is told of as well, with the last events that led there.
 */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "scene.h"

#define TWICE 3u /* so many first seeds are run again: the same seed gives the same run */
#define WATCHDOG_S \
    60u            /* wall clock for one seed, which takes milliseconds; many under a sanitizer */
#define SPEAK_S 10 /* progress, where nobody watches */

struct options {
    uint64_t n_seeds, first;
    bool verbose, keep_going;
};

static int usage(void)
{
    fprintf(stderr,
            "usage: rpr-sim [--seeds N] [--from S] [--keep-going] | [--seed S] [--verbose]\n");
    return 2;
}

static bool number(const char *text, uint64_t *value)
{
    char *end;

    errno = 0;
    *value = strtoull(text, &end, 0);
    return *text >= '0' && *text <= '9' && !*end && !errno;
}

static bool parse_flag(struct options *options, const char *text)
{
    if (strcmp(text, "--verbose") == 0)
        options->verbose = true;
    else if (strcmp(text, "--keep-going") == 0)
        options->keep_going = true;
    else
        return false;
    return true;
}

static bool parse(struct options *options, int argc, char **argv)
{
    *options = (struct options){.n_seeds = 100, .first = 1};
    for (int i = 1; i < argc; i++) {
        const char *value = i + 1 < argc ? argv[i + 1] : "";

        if (parse_flag(options, argv[i]))
            continue;
        if (strcmp(argv[i], "--seeds") == 0) {
            if (!number(value, &options->n_seeds) || !options->n_seeds)
                return false;
        } else if (strcmp(argv[i], "--from") == 0 || strcmp(argv[i], "--seed") == 0) {
            if (!number(value, &options->first))
                return false;
            if (strcmp(argv[i], "--seed") == 0)
                options->n_seeds = 1;
        } else {
            return false;
        }
        i++;
    }
    return true;
}

/* ---- what went wrong ---------------------------------------------------------------------------- */

static void explain(const struct sim *sim)
{
    uint64_t n = sim->n_events < SIM_LINES ? sim->n_events : SIM_LINES;

    printf("the last events (ms, what):\n");
    for (uint64_t i = sim->n_events - n; i < sim->n_events; i++)
        printf("%s\n", sim->line[i % SIM_LINES]);
    printf("seed %" PRIu64 ": %s\nreplay: ./dev sim --seed %" PRIu64 "\n", sim->seed,
           sim->violation, sim->seed);
}

/* ---- the watchdog: signal handlers, so nothing but write() ---------------------------------------- */

static const struct scene *watched;
static struct sigaction former[NSIG]; /* the sanitizers have a say too */
static char obituary[96];             /* of the seed that runs, without what happened to it */

static void put(const char *text)
{
    ssize_t done = write(STDOUT_FILENO, text, strlen(text));

    (void)done;
}

/* Returns to what dies of it once more, with the former action. */
static void on_death(int signal)
{
    const struct sim *sim = &watched->sim;
    uint64_t n = sim->n_events < SIM_LINES ? sim->n_events : SIM_LINES;

    put("\nthe last events (ms, what):\n");
    for (uint64_t i = sim->n_events - n; i < sim->n_events; i++) {
        put(sim->line[i % SIM_LINES]);
        put("\n");
    }
    put(signal == SIGALRM ? "it hangs" : "it crashed");
    put(obituary);
    if (signal == SIGALRM)
        _exit(1);
    sigaction(signal, &former[signal], NULL);
}

static void watch_for_death(const struct scene *scene)
{
    static char stack[64 * 1024]; /* the usual one may be what has run out */
    static const int signals[] = {SIGALRM, SIGSEGV, SIGBUS, SIGABRT, SIGILL, SIGFPE};
    stack_t other = {.ss_sp = stack, .ss_size = sizeof stack};
    struct sigaction action = {.sa_handler = on_death, .sa_flags = SA_ONSTACK};

    watched = scene;
    sigaltstack(&other, NULL);
    for (unsigned i = 0; i < sizeof signals / sizeof signals[0]; i++)
        sigaction(signals[i], &action, &former[signals[i]]);
}

static void watch_seed(uint64_t seed)
{
    fflush(stdout);
    snprintf(obituary, sizeof obituary,
             ": seed %" PRIu64 "\nreplay: ./dev sim --seed %" PRIu64 "\n", seed, seed);
    alarm(WATCHDOG_S);
}

/* ---- the campaign ----------------------------------------------------------------------------------- */

static void progress(uint64_t done, uint64_t n_bad, const struct options *options)
{
    static time_t last;
    time_t now = time(NULL);
    bool live = isatty(STDERR_FILENO);

    if (!last)
        last = now;
    if (now - last < (live ? 1 : SPEAK_S))
        return;
    last = now;
    fprintf(stderr, "%s%" PRIu64 " of %" PRIu64 " seeds, %" PRIu64 " violations%s",
            live ? "\r" : "", done, options->n_seeds, n_bad,
            live && done < options->n_seeds ? "" : "\n");
}

static bool run(struct scene *scene, uint64_t seed, const struct options *options, bool twice)
{
    bool good = scene_run(scene, seed, options->verbose);
    uint64_t hash = scene->sim.hash;

    if (good && twice) {
        good = scene_run(scene, seed, false);
        if (good && scene->sim.hash != hash) {
            sim_violated(&scene->sim, "a second run went another way");
            good = false;
        }
    }
    return good;
}

static uint64_t run_all(struct scene *scene, const struct options *options)
{
    uint64_t n_events = 0, n_bad = 0, i;

    for (i = 0; i < options->n_seeds && (!n_bad || options->keep_going); i++) {
        watch_seed(options->first + i);
        if (!run(scene, options->first + i, options, i < TWICE)) {
            if (options->keep_going)
                printf("seed %" PRIu64 ": %s\n", scene->sim.seed, scene->sim.violation);
            else
                explain(&scene->sim);
            n_bad++;
        }
        n_events += scene->sim.n_events;
        progress(i + 1, n_bad, options);
    }
    printf("%" PRIu64 " seeds, %" PRIu64 " events, %" PRIu64 " violations\n", i, n_events, n_bad);
    return n_bad;
}

int main(int argc, char **argv)
{
    struct scene *scene = malloc(sizeof *scene);
    struct options options;
    uint64_t n_bad;

    if (!scene || !parse(&options, argc, argv)) {
        free(scene);
        return usage();
    }
    memset(scene, 0, sizeof *scene);
    watch_for_death(scene);
    n_bad = run_all(scene, &options);
    free(scene);
    return n_bad != 0;
}
