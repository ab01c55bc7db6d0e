/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The log of this machine and of others (rpmsg-syslog): what the console shows as a log line goes to the
 * server too, if there is one; lines of other machines are shown as they come.
 */
#ifndef FIRMWARE_LOG_H
#define FIRMWARE_LOG_H

#include <rpr/rpr.h>

/* `server`: the CPU that gets this one's log, or NULL. */
int log_open(struct rpr_node *node, const char *server);

/* A line of this machine: on the console, and to the server. */
void log_line(enum rpr_log_level level, const char *text);
void log_say(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
