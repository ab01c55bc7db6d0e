/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A thread that writes log lines, so that the owner of the node never waits for a disk, a pipe or a
 * syslog daemon. What it has not written yet is bounded: past that the owner is refused, and told when
 * there is room again.
 */
#ifndef RPMSGD_LOG_WRITER_H
#define RPMSGD_LOG_WRITER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <rpr/posix.h>

#include "log_output.h"

/* Bytes that wait to be written: what is lost at most when the daemon is killed, beside what is on its way
 * to it. A single message that is longer is taken if nothing else waits. */
#define LOG_QUEUE_BYTES 65536u

struct log_writer;

/* Takes over `output`. `room` is called by the owner some time after a put was refused. NULL: no thread or
 * no descriptor can be had; `output` is still the caller's. */
struct log_writer *log_writer_open(struct rpr_loop *loop, const char *node,
                                   struct log_output *output, void (*room)(void *ctx), void *ctx);

/* What still waits is lost (log_writer_is_idle() tells), unless it can be written at once. */
void log_writer_close(struct log_writer *writer);

/* Lines of one CPU, each to be written as "CPU: line". The last byte of `text` is a newline. False: no room
 * now. */
bool log_writer_put(struct log_writer *writer, const char *cpu, const char *head, size_t head_len,
                    const char *text, size_t len);

bool log_writer_is_idle(struct log_writer *writer);

/* Goes on with another output, which it takes over. */
void log_writer_change(struct log_writer *writer, struct log_output *output);

/* Opens the file by its name again. */
void log_writer_reopen(struct log_writer *writer);

/* Lines that could never be written: standard output is closed. */
uint64_t log_writer_lost(struct log_writer *writer);

#endif
