/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Makes a run that fails small: leaves out kinds of faults, actions and wires as long as it fails in
 * the same way. Each action follows from the seed and its own number, so what is left stays what it
 * was.
 */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "run.h"

#define SHRINK_S 90 /* wall clock */

struct shrink {
    struct scene_config best;
    struct run_result result; /* of it */
    time_t end;
    unsigned n_runs;
};

/* Whoever it happens to. */
static bool same_failure(const char *a, const char *b)
{
    for (;; a++, b++) {
        while ((*a >= '0' && *a <= '9') || *a == '#')
            a++;
        while ((*b >= '0' && *b <= '9') || *b == '#')
            b++;
        if (*a != *b)
            return false;
        if (!*a)
            return true;
    }
}

static void skip(struct scene_config *config, uint32_t action)
{
    config->skipped[action / 8] |= (uint8_t)(1u << action % 8);
}

/* Nothing comes after the action at which it fails. */
static void cut_off(struct shrink *s)
{
    for (uint32_t i = s->result.action; i < SCENE_ACTIONS; i++)
        skip(&s->best, i);
}

static bool try(struct shrink *s, const struct scene_config *config)
{
    struct run_result result;

    if (time(NULL) > s->end)
        return false;
    s->n_runs++;
    run_alone(config, false, &result);
    if (!result.failed || !same_failure(result.how, s->result.how))
        return false;
    s->best = *config;
    s->result = result;
    cut_off(s);
    return true;
}

static void drop_faults(struct shrink *s)
{
    for (unsigned i = 0; i < SIM_N_FAULTS; i++) {
        struct scene_config config = s->best;

        config.without |= 1u << i;
        if (s->result.faults >> i & 1)
            (void)try(s, &config);
    }
}

static void drop_wires(struct shrink *s)
{
    for (unsigned i = 0; i < s->result.n_wires; i++) {
        struct scene_config config = s->best;

        config.without_wires |= 1u << i;
        (void)try(s, &config);
    }
}

static uint32_t count(const struct scene_config *config)
{
    uint32_t n = 0;

    for (uint32_t i = 0; i < SCENE_ACTIONS; i++)
        n += !scene_skips(config, i);
    return n;
}

/* Those that are number `from` up to `to` of those that are left. */
static void leave_out(struct scene_config *config, uint32_t from, uint32_t to)
{
    uint32_t n = 0;

    for (uint32_t i = 0; i < SCENE_ACTIONS; i++) {
        if (scene_skips(config, i))
            continue;
        if (n >= from && n < to)
            skip(config, i);
        n++;
    }
}

/* Halves, quarters, and so on, from the end: what came last matters most. */
static void drop_actions(struct shrink *s)
{
    for (uint32_t part = count(&s->best); part; part /= 2) {
        uint32_t to = count(&s->best);

        while (to) {
            uint32_t from = to > part ? to - part : 0;
            struct scene_config config = s->best;

            leave_out(&config, from, to);
            (void)try(s, &config);
            to = from < count(&s->best) ? from : count(&s->best);
        }
    }
}

void shrink(const struct scene_config *config)
{
    struct shrink s = {.best = *config, .end = time(NULL) + SHRINK_S};
    uint32_t before;

    run_alone(config, false, &s.result);
    if (!s.result.failed) {
        printf("alone it does not fail: not shrunk\n");
        return;
    }
    cut_off(&s);
    before = count(&s.best);
    fprintf(stderr, "shrinking: \"%s\" ...\n", s.result.how);
    drop_faults(&s);
    drop_actions(&s);
    drop_wires(&s);
    drop_actions(&s);
    drop_faults(&s);
    s.best.verbose = false;
    run_alone(&s.best, true, &s.result);
    printf("shrunk in %u runs from %u actions to %u: %s\n", s.n_runs, before, count(&s.best),
           s.result.how);
    run_print_command(&s.best);
}
