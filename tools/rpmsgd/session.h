/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One connection to the control socket. Never blocks: input is taken in small portions and only
 * while the answers to what came before are being read; output is bounded.
 */
#ifndef RPMSGD_SESSION_H
#define RPMSGD_SESSION_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include <rpr/posix.h>

struct control;
struct job;
struct output;

#define SESSION_LINE_MAX   65536u   /* INTERFACE 3: bytes of a line, either way, newline included */
#define SESSION_OUTPUT_MAX 1048576u /* more waits for a client that does not read: it is cut off */
#define SESSION_JOBS_MAX   64u

struct session {
    struct rpr_watch watch;
    struct control *control;
    struct session *next;
    bool may_change; /* same user as the daemon, or root; others may only look */
    bool ended;      /* freed by the next session_reap() */
    bool ending;     /* ends when its output is written */
    bool eof;        /* the client sends no more; it ends when its last job has ended */
    bool turn;       /* complete lines wait in `input` */
    char *input;
    size_t input_used, input_bytes;
    struct output *first, **last;
    size_t queued;
    struct job *jobs;
    unsigned n_jobs;
    struct job *producer; /* the job that writes a long answer piece by piece; it comes first */
};

/* Takes over `fd`. NULL: it is still the caller's. */
struct session *session_open(struct control *control, int fd);
void session_end(struct session *session);
void session_free(struct session *session);
void session_reap(struct session *session);

void session_event(struct session *session, const struct rpr_event *event);

/* Queues one line; takes over `line`. */
void session_send(struct session *session, json_t *line);

/* The same with a descriptor, which is closed here. */
void session_send_fd(struct session *session, json_t *line, int fd);

/* Answers; `id` is borrowed, `result` is taken over. */
void session_ok(struct session *session, json_t *id, json_t *result);
void session_error(struct session *session, json_t *id, const char *code, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

#endif
