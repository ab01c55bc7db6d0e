/* SPDX-License-Identifier: Apache-2.0 */
/* The running node: what every part of the daemon shares. One thread, the owner of the node. */
#ifndef RPMSGD_DAEMON_H
#define RPMSGD_DAEMON_H

#include <stdbool.h>
#include <stdint.h>

#include <rpr/posix.h>
#include <rpr/router.h>

#include "config.h"
#include "leave.h"

/* How often is looked at what tells of itself by no event. */
#define DAEMON_LOOK_MS 2

struct control;
struct attachments;
struct services;

struct daemon_link {
    char *remote;
    struct rpr_link *link; /* NULL: could not be opened at a reload */
    struct leave leave;
};

struct daemon {
    const struct options *options;
    struct config config;
    struct rpr_loop *loop;
    struct rpr_node *node;
    struct rpr_edge *edge;
    struct rpr_hub *hub;       /* NULL until the first route */
    struct daemon_link *links; /* in the order and number of config.links */
    struct services *services;
    struct control *control;
    struct attachments *attachments;
    struct rpr_observer observer;
    struct rpr_watch signals;
    struct rpr_timer leave_timer;
    bool stop, reload; /* asked for by a signal */
};

/* Opens everything that `config` says, which becomes the daemon's. False: `error` is one line,
 * and nothing is left behind. */
bool daemon_open(struct daemon *daemon, const struct options *options, struct config *config,
                 char error[CONFIG_ERROR_BYTES]);

/* Runs until a signal ends it. False: the loop cannot go on. */
bool daemon_run(struct daemon *daemon);

/* Ends routes first, then clients and links. */
void daemon_close(struct daemon *daemon);

/* A clock for limits on time that passes. */
int64_t daemon_now_ms(void);

/* One line on stderr, if the level is asked for. */
void daemon_log(const struct daemon *daemon, enum rpr_log_level level, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
