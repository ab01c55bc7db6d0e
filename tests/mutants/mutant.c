/* SPDX-License-Identifier: Apache-2.0 */
/* Which defect this process has (src/base/mutant.h): RPR_MUTANT, as it was at the start. */
#include "base/mutant.h"

#include <stdlib.h>
#include <string.h>

static const char *chosen;

static __attribute__((constructor)) void choose(void)
{
    chosen = getenv("RPR_MUTANT");
}

bool mutant_is(const char *name)
{
    return chosen && strcmp(chosen, name) == 0;
}
