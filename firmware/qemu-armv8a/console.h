/* SPDX-License-Identifier: Apache-2.0 */
/* Text on the console. */
#ifndef FIRMWARE_CONSOLE_H
#define FIRMWARE_CONSOLE_H

#include <rpr/platform.h>

void console_printf(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* One line, as NuttX's syslog prints it: "[ time] [ 0] [ LEVEL] [name] text". `name` must stay. */
void console_name(const char *name);
void console_log(enum rpr_log_level level, const char *text);

/* Around each such line: `hide` takes the line that is being typed away, `show` brings it back. */
void console_around(void (*hide)(void), void (*show)(void));

/* The same with the level under which NuttX prints what a user asked for. */
void console_say(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
