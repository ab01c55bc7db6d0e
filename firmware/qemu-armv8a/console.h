/* SPDX-License-Identifier: Apache-2.0 */
/* Text on the console. */
#ifndef FIRMWARE_CONSOLE_H
#define FIRMWARE_CONSOLE_H

#include <rpr/platform.h>

void console_printf(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* One line, as NuttX's syslog prints it: "[ time] [ 0] [ LEVEL] [name] text". `name` must stay. */
void console_name(const char *name);
void console_log(enum rpr_log_level level, const char *text);

/* That line without its end into `to`; returns its length, at most `size` - 1. */
int console_format(char *to, size_t size, enum rpr_log_level level, const char *text);

/* Lines of other machines, as they are: `head` and `text` after it, with a newline at the end. */
void console_lines(const char *head, size_t head_len, const char *text, size_t len);

/* Around each such line: `hide` takes the line that is being typed away, `show` brings it back. */
void console_around(void (*hide)(void), void (*show)(void));

/* The same with the level under which NuttX prints what a user asked for. */
void console_say(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
