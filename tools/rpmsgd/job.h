/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A command whose answer takes longer than one call: it waits, streams, or is written in pieces.
 * A job belongs to its session, is embedded first in its own struct, and is freed between turns.
 */
#ifndef RPMSGD_JOB_H
#define RPMSGD_JOB_H

#include <jansson.h>
#include <stdbool.h>

#include <rpr/rpr.h>

struct daemon;
struct session;
struct job;

struct job_ops {
    void (*event)(struct job *job, const struct rpr_event *event); /* NULL: not interested */
    void (*produce)(struct job *job); /* writes the next piece; NULL: writes when it likes */
    void (*cancel)(struct job *job);  /* the client asks to end it: answer, then job_end() */
    void (*fini)(struct job *job);    /* release everything but the job's memory */
};

struct job {
    const struct job_ops *ops;
    struct session *session;
    struct job *next;
    json_t *id;
    bool ended;
};

/* Zeroed memory of `bytes` that begins with a job, started on the session. NULL: too many, and the
 * client was told. */
void *job_start(struct session *session, json_t *id, const struct job_ops *ops, size_t bytes);

/* No more calls; freed later. */
void job_end(struct job *job);

/* Answers, then ends. `result` is taken over. */
void job_ok(struct job *job, json_t *result);

/* An event line: {"id", "event": kind} and what `more` has, which is taken over. */
void job_event(struct job *job, const char *kind, json_t *more);

struct daemon *job_daemon(const struct job *job);

#endif
