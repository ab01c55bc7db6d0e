/* SPDX-License-Identifier: Apache-2.0 */
/* Pieces of text. */
#ifndef FIRMWARE_WORDS_H
#define FIRMWARE_WORDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Ends `text` at its first `mark` and returns what follows it; NULL if there is none. */
char *words_cut(char *text, char mark);

/* A decimal number of 32 bits and nothing else. */
bool words_number(const char *text, uint32_t *value);

/* Splits at blanks, in place; returns how many words there are, at most `max` of them in `words`. */
unsigned words_split(char *text, char **words, unsigned max);

#endif
