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

static int format_prefix(char *to, size_t size, const char *level)
{
    uint64_t us = clock_ns() / 1000;

    return snprintf(to, size, "[%5u.%06u] [ 0] [%6s] [%s] ", (unsigned)(us / 1000000),
                    (unsigned)(us % 1000000), level, node_name);
}

static void begin_line(const char *level)
{
    char prefix[96];

    if (hide_typed)
        hide_typed();
    format_prefix(prefix, sizeof prefix, level);
    console_printf("%s", prefix);
}

static void end_line(void)
{
    pl011_write("\r\n", 2);
    if (show_typed)
        show_typed();
}

static const char *const levels[] = {"ERROR", "WARN", "INFO", "DEBUG"};

int console_format(char *to, size_t size, enum rpr_log_level level, const char *text)
{
    int n = format_prefix(to, size, levels[level]);

    n += snprintf(to + n, size - (size_t)n, "%s", text);
    return n < (int)size ? n : (int)size - 1;
}

/* A peer does not control the terminal. */
static void write_shown(const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        bool shown = text[i] == '\t' || (unsigned char)text[i] >= ' ';

        if (text[i] == '\n')
            pl011_write("\r\n", 2);
        else if (text[i] != '\r')
            pl011_write(shown && text[i] != 0x7f ? &text[i] : "?", 1);
    }
}

void console_lines(const char *head, size_t head_len, const char *text, size_t len)
{
    if (hide_typed)
        hide_typed();
    write_shown(head, head_len);
    write_shown(text, len);
    if (show_typed)
        show_typed();
}

void console_log(enum rpr_log_level level, const char *text)
{
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
