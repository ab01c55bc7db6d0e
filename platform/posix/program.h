/* SPDX-License-Identifier: Apache-2.0 */
/* A program of a daemon: a node with one link, to the daemon, over a private handover. */
#ifndef POSIX_PROGRAM_H
#define POSIX_PROGRAM_H

#include <rpr/posix.h>

struct rpr_program {
    struct rpr_loop *loop;
    struct rpr_device *device; /* of the link, which stays registered when it is lost */
    struct rpr_link *link;
    int control; /* the connection to the daemon, or -1 */
    bool lost;
    char reason[RPR_REASON_MAX]; /* why */
    void (*on_lost)(void *ctx);  /* or NULL; inside a turn */
    void *ctx;
};

struct program_request {
    const char *control; /* as rpr_control_find() */
    const char *device;  /* or NULL */
    const char *service;
    bool own; /* the daemon's own service of that name */
};

/* Attaches, and waits until the link is up. `program` is zeroed, but for `on_lost` and `ctx`. What is
 * open after an error is closed by program_close(). Errors of attach(), -RPR_ETIMEDOUT, -RPR_ENOMEM. */
int program_open(struct rpr_program *program, const struct program_request *request,
                 char error[RPR_ERROR_TEXT]);
void program_close(struct rpr_program *program);

/* Has the daemon taken every message out of the ring? True when there is no ring any more. */
bool program_taken(struct rpr_program *program);

/* One turn of at most `step_ms` (-1: any). 0, -RPR_ETIMEDOUT after the turn that began behind the
 * deadline (CLOCK_MONOTONIC, UINT64_MAX: none), or what stops the loop. */
int program_turn(struct rpr_program *program, uint64_t deadline_ns, int step_ms);
uint64_t program_deadline(int timeout_ms); /* -1: none */

#endif
