/* SPDX-License-Identifier: Apache-2.0 */
/* Sequences of events with a choice of who runs after each, tried one by one or by chance. */
#ifndef TRIAL_H
#define TRIAL_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define STEPS_MAX 16u

/* Who runs after an event: nobody, the hub, an edge, or all until it is quiet. */
enum { RUN_NONE, RUN_HUB, RUN_0, RUN_1, RUN_ALL, N_RUNS };

struct step {
    unsigned event, run;
};

struct trial {
    struct step step[STEPS_MAX];
    unsigned n;
    char text[256];
};

static inline const char *describe(struct trial *t, const char *const events[])
{
    static const char *const runs[N_RUNS] = {"", "+hub", "+0", "+1", "+all"};
    size_t n = 0;

    t->text[0] = '\0';
    for (unsigned i = 0; i < t->n; i++)
        n += (size_t)snprintf(t->text + n, sizeof t->text - n, "%s%s ", events[t->step[i].event],
                              runs[t->step[i].run]);
    return t->text;
}

static inline uint32_t draw(uint64_t *random, uint32_t below)
{
    *random ^= *random << 13;
    *random ^= *random >> 7;
    *random ^= *random << 17;
    return (uint32_t)(*random >> 33) % below;
}

#endif
