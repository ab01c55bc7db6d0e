/* SPDX-License-Identifier: Apache-2.0 */
/* Standard input and output of cat and listen: pipes, files and terminals, blocking or not. */
#ifndef RPMSG_STREAM_H
#define RPMSG_STREAM_H

#include <rpr/posix.h>

#include "cli.h"

#define STREAM_BYTES   262144u
#define STREAM_MESSAGE 65536u /* no message is longer */

/* Messages on their way to stdout: collected, so that a write carries many. */
struct sink {
    const struct cli *cli;
    size_t used;
    uint64_t bytes, messages;
    char data[STREAM_BYTES];
};

/* Writes what was collected; waits for a reader that is slow. Exit 1 if there is none. */
void sink_flush(struct sink *sink);

/* Takes what has come and writes it. Returns what ended it: -RPR_ETIMEDOUT if nothing more has come
 * within `timeout_ms`, else as rpr_client_recv(). */
int sink_receive(struct sink *sink, struct rpr_client *client, int timeout_ms);

/* Opens the client or exits: 3 if the device or daemon is not there, 1 if the daemon refuses. */
struct rpr_client *stream_open(const struct cli *cli, const char *control, const char *device,
                               const char *service);

#endif
