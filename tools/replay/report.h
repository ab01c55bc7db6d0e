/* SPDX-License-Identifier: Apache-2.0 */
#ifndef REPLAY_REPORT_H
#define REPLAY_REPORT_H

#include <jansson.h>

#include "transcript.h"

/* What rpr-replay prints about a recording (INTERFACE 3). NULL: out of memory. */
json_t *report_make(const char *path, const struct recording *recording,
                    const struct transcript *transcript);

/* Its member of that name. */
json_int_t report_unaccounted(const json_t *report);

#endif
