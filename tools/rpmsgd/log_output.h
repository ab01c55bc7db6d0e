/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where log lines go: standard output, a file, or a syslog daemon's socket (journald's, too). Used by one
 * thread at a time; only log_output_wait() waits.
 */
#ifndef RPMSGD_LOG_OUTPUT_H
#define RPMSGD_LOG_OUTPUT_H

#include <stdbool.h>
#include <stddef.h>

#include "config.h"

/* Of one write, in whole lines: as many as a pipe takes at once, so that no line is ever cut in it. */
#define LOG_CHUNK_MAX 4096u

enum log_output_kind { LOG_TO_STDOUT, LOG_TO_FILE, LOG_TO_SYSLOG };

struct log_output {
    enum log_output_kind kind;
    char *path; /* of the file or socket; NULL for standard output */
    int fd;     /* -1: the syslog daemon is not there (now) */
};

enum log_result {
    LOG_WRITTEN,
    LOG_WAIT, /* nothing, or less than all, could be written now: log_output_wait(), then the rest */
    LOG_RETRY, /* the same, but nobody will tell when: try again in a while; `why` says what it is */
    LOG_LOST   /* never: for the rest, too */
};

/* Takes over nothing. A file is made, or appended to: if its last line was cut, when a daemon was killed
 * as it wrote it, that line is taken away. False: `why`. */
bool log_output_open(struct log_output *output, enum log_output_kind kind, const char *path,
                     char why[CONFIG_ERROR_BYTES]);
void log_output_close(struct log_output *output);

/* Opens the file anew, by its name: somebody may have moved it. False, with `why`: it goes on with the old
 * one. Nothing to do for the other kinds. */
bool log_output_reopen(struct log_output *output, char why[CONFIG_ERROR_BYTES]);

/* How many bytes of `text`, which is whole lines, are to be given to log_output_write() in one go. */
size_t log_output_chunk(const struct log_output *output, const char *text, size_t len);

/* Writes a chunk, from *done on, which moves on. */
enum log_result log_output_write(struct log_output *output, const char *chunk, size_t len,
                                 size_t *done, char why[CONFIG_ERROR_BYTES]);

#endif
