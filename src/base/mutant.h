/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Defects on purpose, to see that the tests notice them.
 *
 * MUTANT(name) stands at the place where somebody might go wrong, and says how. It is true if RPR_MUTANT
 * in the environment is that name, in the build `mutants`; in every other build it is the constant
 * 0, and nothing of it is left. tests/HAZARDS.md has a row for each; `./dev mutate` tries them all.
 */
#ifndef BASE_MUTANT_H
#define BASE_MUTANT_H

#ifdef RPR_MUTANTS
#include <stdbool.h>

bool mutant_is(const char *name); /* tests/mutants/mutant.c */
#define MUTANT(name) mutant_is(#name)
#else
#define MUTANT(name) 0
#endif

#endif
