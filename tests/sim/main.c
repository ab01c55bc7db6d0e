/* SPDX-License-Identifier: Apache-2.0 */
/* rpr-sim: runs seeds; the first that violates an invariant ends it, and tells how to replay it. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "scene.h"

#define TWICE 3u /* so many first seeds are run again: the same seed gives the same run */

struct options {
    uint64_t n_seeds, first;
    bool verbose;
};

static int usage(void)
{
    fprintf(stderr, "usage: rpr-sim [--seeds N] [--seed S] [--verbose]\n");
    return 2;
}

static bool number(const char *text, uint64_t *value)
{
    char *end;

    errno = 0;
    *value = strtoull(text, &end, 0);
    return *text >= '0' && *text <= '9' && !*end && !errno;
}

static bool parse(struct options *options, int argc, char **argv)
{
    *options = (struct options){.n_seeds = 100, .first = 1};
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--verbose") == 0) {
            options->verbose = true;
        } else if (i + 1 < argc && strcmp(argv[i], "--seeds") == 0) {
            if (!number(argv[++i], &options->n_seeds) || !options->n_seeds)
                return false;
        } else if (i + 1 < argc && strcmp(argv[i], "--seed") == 0) {
            if (!number(argv[++i], &options->first))
                return false;
            options->n_seeds = 1;
        } else {
            return false;
        }
    }
    return true;
}

static void explain(const struct sim *sim)
{
    uint64_t n = sim->n_events < SIM_LINES ? sim->n_events : SIM_LINES;

    printf("the last events (ms, what):\n");
    for (uint64_t i = sim->n_events - n; i < sim->n_events; i++)
        printf("%s\n", sim->line[i % SIM_LINES]);
    printf("seed %" PRIu64 ": %s\nreplay: ./dev sim --seed %" PRIu64 "\n", sim->seed,
           sim->violation, sim->seed);
}

static void progress(uint64_t done, const struct options *options)
{
    static time_t start, last;
    time_t now = time(NULL);

    start = start ? start : now;
    if (now - start < 2 || now == last || !isatty(STDERR_FILENO))
        return;
    last = now;
    fprintf(stderr, "\r%" PRIu64 " of %" PRIu64 " seeds", done, options->n_seeds);
    if (done == options->n_seeds)
        fputc('\n', stderr);
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

int main(int argc, char **argv)
{
    struct scene *scene = malloc(sizeof *scene);
    struct options options;
    uint64_t n_events = 0, i;
    bool good = true;

    if (!scene || !parse(&options, argc, argv)) {
        free(scene);
        return usage();
    }
    for (i = 0; i < options.n_seeds && good; i++) {
        good = run(scene, options.first + i, &options, i < TWICE);
        n_events += scene->sim.n_events;
        progress(i + 1, &options);
    }
    if (!good)
        explain(&scene->sim);
    printf("%" PRIu64 " seeds, %" PRIu64 " events, %d violations\n", i, n_events, !good);
    free(scene);
    return !good;
}
