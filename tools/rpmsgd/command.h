/* SPDX-License-Identifier: Apache-2.0 */
/* The commands of the control socket, one line each in a table. */
#ifndef RPMSGD_COMMAND_H
#define RPMSGD_COMMAND_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

#include <rpr/rpr.h>

struct session;

/* Runs one line (no newline); whatever it contains is answered. */
void command_run(struct session *session, const char *line, size_t length);

/* For the commands: an argument. False: the client was told what is wrong. */
bool command_text(struct session *session, json_t *id, json_t *args, const char *key,
                  const char **text); /* must be there */
bool command_option(struct session *session, json_t *id, json_t *args, const char *key,
                    const char **text); /* may be absent: NULL */
bool command_number(struct session *session, json_t *id, json_t *args, const char *key,
                    uint32_t min, uint32_t max, uint32_t *number); /* absent: unchanged */

/* The device that `args` names, or NULL: the client was told. */
struct rpr_device *command_device(struct session *session, json_t *id, json_t *args);

/* Answers with what a call that concerns the device came to. */
void command_answer(struct session *session, json_t *id, struct rpr_device *device, int result);

/* Commands that have a file of their own. All borrow their arguments. */
typedef void command_fn(struct session *session, json_t *id, json_t *args);
command_fn list_command;   /* ls */
command_fn dump_command;   /* dump */
command_fn stats_command;  /* stats */
command_fn wait_command;   /* wait */
command_fn events_command; /* events */
command_fn ping_command;   /* ping */
command_fn test_command;   /* test */
command_fn sensor_command; /* sensor */
command_fn attach_command; /* attach */
command_fn down_command;   /* down */
command_fn up_command;     /* up */

#endif
