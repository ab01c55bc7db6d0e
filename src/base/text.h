/* SPDX-License-Identifier: Apache-2.0 */
/* Building one readable line (a reason, a log line) without stdio. Always NUL-terminated; what does
 * not fit is cut. */
#ifndef BASE_TEXT_H
#define BASE_TEXT_H

#include <stddef.h>
#include <stdint.h>

struct text {
    char *at;
    char *end; /* the last byte, kept for NUL */
};

struct text text_start(char *buffer, size_t bytes);
void text_add(struct text *text, const char *more);
void text_add_number(struct text *text, uint64_t number);

/* Length of `s`, at most `max`. */
size_t text_length(const char *s, size_t max);

/* Copies at most `bytes` - 1 characters and NUL. */
void text_copy(char *to, size_t bytes, const char *from);

/* Not 0 if the two are not the same text. */
int text_differs(const char *a, const char *b);

#endif
