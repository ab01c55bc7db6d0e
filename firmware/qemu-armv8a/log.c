/* SPDX-License-Identifier: Apache-2.0 */
#include "log.h"

#include <stdarg.h>
#include <stdio.h>

#include <rpr/syslog.h>

#include "console.h"

#define LINE 256u

static struct rpr_syslog_client *client;
static bool writing; /* what the library has to say about that is for the console alone */

static bool show_lines(void *ctx, const char *cpu, const char *head, uint32_t head_len,
                       const char *text, uint32_t len)
{
    (void)ctx;
    (void)cpu; /* NuttX's lines and ours say who speaks */
    console_lines(head, head_len, text, len);
    return true;
}

int log_open(struct rpr_node *node, const char *server)
{
    static struct rpr_syslog_server *lines;
    struct rpr_syslog_server_config here = {.line_bytes = 256, .lines = show_lines};
    struct rpr_syslog_client_config there = {.server = server, .delay_ms = UINT32_MAX};
    int error = rpr_syslog_server_open(node, &here, &lines);

    return error || !server ? error : rpr_syslog_client_open(node, &there, &client);
}

void log_line(enum rpr_log_level level, const char *text)
{
    char line[LINE];
    int n = console_format(line, sizeof line - 1, level, text);

    console_log(level, text);
    if (!client || writing)
        return;
    line[n++] = '\n';
    writing = true;
    rpr_syslog_client_write(client, line, (uint32_t)n);
    writing = false;
}

void log_say(const char *format, ...)
{
    char text[LINE];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    log_line(RPR_LOG_INFO, text);
}
