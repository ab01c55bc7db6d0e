/* SPDX-License-Identifier: Apache-2.0 */
/* The options of a campaign: how many of what, and the seed. */
#ifndef CAMPAIGN_OPTIONS_H
#define CAMPAIGN_OPTIONS_H

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool campaign_number(const char *text, uint64_t max, uint64_t *value)
{
    char *end;

    errno = 0;
    *value = strtoull(text, &end, 10);
    return *text >= '0' && *text <= '9' && !*end && !errno && *value <= max;
}

/* `what` is the option of the count, at least 1. Ends the program if anything else is given. */
static void campaign_options(int argc, char **argv, const char *what, uint32_t *count,
                             uint64_t *seed)
{
    for (int i = 1; i < argc; i += 2) {
        bool is_count = strcmp(argv[i], what) == 0;
        uint64_t value;

        if ((!is_count && strcmp(argv[i], "--seed") != 0) || i + 1 == argc ||
            !campaign_number(argv[i + 1], is_count ? UINT32_MAX : UINT64_MAX, &value) ||
            (is_count && !value)) {
            fprintf(stderr, "%s: %s: usage: %s [%s N] [--seed S]\n", argv[0], argv[i], argv[0],
                    what);
            exit(2);
        }
        if (is_count)
            *count = (uint32_t)value;
        else
            *seed = value;
    }
}

#endif
