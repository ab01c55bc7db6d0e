/* SPDX-License-Identifier: Apache-2.0 */
/* What the parts of this firmware share: one node, its configuration, its services. */
#ifndef FIRMWARE_APP_H
#define FIRMWARE_APP_H

#include <rpr/router.h>
#include <rpr/ping.h>

#include "baremetal/baremetal.h"
#include "config.h"
#include "shell.h"

struct app {
    struct baremetal bm;
    struct config config;
    struct rpr_node *node;
    struct rpr_ping *ping;
    struct rpr_hub *hub; /* NULL: none */
};

extern struct app app;

/* The device that a user names: NAME or /dev/rpmsg/NAME. NULL, having said so: there is none. */
struct rpr_device *app_device(const char *text);

/* Of the link to that remote; NULL: it is none of ours (a routed device). */
const struct config_link *app_link(const char *remote);

/* Commands, one file each. */
void command_ps(char **args, unsigned n);
void command_free(char **args, unsigned n);
void command_uname(char **args, unsigned n);
void command_poweroff(char **args, unsigned n);
void command_ls(char **args, unsigned n);
void command_dump(char **args, unsigned n);
void command_ping(char **args, unsigned n);
void command_send(char **args, unsigned n);
void command_recv(char **args, unsigned n);
void command_logger(char **args, unsigned n);

#endif
