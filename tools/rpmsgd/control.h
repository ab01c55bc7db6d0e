/* SPDX-License-Identifier: Apache-2.0 */
/* The control socket (docs/CONTROL.md): where it is, and who is connected. */
#ifndef RPMSGD_CONTROL_H
#define RPMSGD_CONTROL_H

#include <rpr/rpr.h>

#include "config.h"

struct daemon;
struct control;
struct session;

struct control *control_new(struct daemon *daemon);

/* Listens. Who connects is dealt with in the next turn of the loop, when the node is complete.
 * False: `error` says why. */
bool control_open(struct control *control, char error[CONFIG_ERROR_BYTES]);

/* Ends all connections, removes the socket. */
void control_close(struct control *control);
void control_free(struct control *control);

void control_event(struct control *control, const struct rpr_event *event);

/* Frees what ended since; between two turns of the loop only. */
void control_reap(struct control *control);

struct daemon *control_daemon(struct control *control);

#endif
