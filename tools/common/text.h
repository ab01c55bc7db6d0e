/* SPDX-License-Identifier: Apache-2.0 */
/* Small text helpers of the tools. Out of memory ends the program: a tool has nothing to fall back to. */
#ifndef TOOLS_COMMON_TEXT_H
#define TOOLS_COMMON_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Zeroed memory, never NULL. */
void *need_memory(size_t bytes);

/* `memory` with room for `count` items of `bytes` each, never NULL. */
void *need_array(void *memory, size_t count, size_t bytes);

/* A copy; the caller frees it. */
char *text_dup(const char *text);

/* A formatted text; the caller frees it. */
char *text_format(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* 1 to `max` bytes of [A-Za-z0-9_.-]: what a CPU may be called. */
bool text_is_cpu_name(const char *text, size_t max);

/* A decimal number of min..max and nothing else. */
bool text_to_u32(const char *text, uint32_t min, uint32_t max, uint32_t *value);

/* Seconds with up to three decimals, such as "0.5", as milliseconds: 0..86400000. */
bool text_to_ms(const char *text, uint32_t *ms);

#endif
