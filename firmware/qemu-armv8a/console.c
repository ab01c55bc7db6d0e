/* SPDX-License-Identifier: Apache-2.0 */
#include "console.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "clock.h"
#include "pl011.h"

#define LINE 200u /* what is longer is cut */

static const char *node_name = "?";
static void (*hide_typed)(void), (*show_typed)(void);

void console_name(const char *name)
{
    node_name = name;
}

static void write_formatted(const char *format, va_list args)
{
    char line[LINE];
    int n = vsnprintf(line, sizeof line, format, args);

    for (char *at = line, *end; n > 0 && *at; at = end) {
        end = at + strcspn(at, "\n");
        pl011_write(at, (size_t)(end - at));
        if (*end) {
            pl011_write("\r\n", 2);
            end++;
        }
    }
}

void console_printf(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    write_formatted(format, args);
    va_end(args);
}

void console_around(void (*hide)(void), void (*show)(void))
{
    hide_typed = hide;
    show_typed = show;
}

static void begin_line(const char *level)
{
    uint64_t us = clock_ns() / 1000;

    if (hide_typed)
        hide_typed();
    console_printf("[%5u.%06u] [ 0] [%6s] [%s] ", (unsigned)(us / 1000000),
                   (unsigned)(us % 1000000), level, node_name);
}

static void end_line(void)
{
    pl011_write("\r\n", 2);
    if (show_typed)
        show_typed();
}

void console_log(enum rpr_log_level level, const char *text)
{
    static const char *const levels[] = {"ERROR", "WARN", "INFO", "DEBUG"};

    begin_line(levels[level]);
    console_printf("%s", text);
    end_line();
}

void console_say(const char *format, ...)
{
    va_list args;

    begin_line("EMERG");
    va_start(args, format);
    write_formatted(format, args);
    va_end(args);
    end_line();
}
