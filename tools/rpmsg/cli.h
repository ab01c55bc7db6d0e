/* SPDX-License-Identifier: Apache-2.0 */
/* What the commands of `rpmsg` share: options, the connection to a daemon, exit statuses. */
#ifndef RPMSG_CLI_H
#define RPMSG_CLI_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

/* INTERFACE 3. */
enum { STATUS_OK = 0, STATUS_FAILED = 1, STATUS_USAGE = 2, STATUS_GONE = 3 };

struct cli {
    const char *control, *node; /* -s, -n */
    bool json;
    const char *command; /* for messages */
};

/* One line "rpmsg COMMAND: text" on stderr. */
void complain(const struct cli *cli, const char *format, ...) __attribute__((format(printf, 2, 3)));
_Noreturn void die(const struct cli *cli, int status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* A wrong use of the command: exit 2. */
_Noreturn void usage(const struct cli *cli, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* ---- options of a command ------------------------------------------------------------------------ */

/* Like getopt() with `letters` ("t:k"), plus the long options --json and, where their letters are in
 * `letters`, --lines 'L', --csv 'C', --persist 'P', --device "D:" and --format "F:". An unknown one is
 * a usage error; --json is dealt with here. -1 at the end: optind is the first argument that is none. */
int next_option(struct cli *cli, int argc, char **argv, const char *letters);

/* The argument at optind, which moves on; a usage error if there is none. */
const char *need_argument(const struct cli *cli, int argc, char **argv, const char *what);
void no_more_arguments(const struct cli *cli, int argc, char **argv);

/* DEV: a name, /dev/rpmsg/NAME, or `all`. */
const char *need_device(const struct cli *cli, int argc, char **argv);

/* SERVICE: what the wire can carry; a routed device takes less, which its daemon knows. */
const char *need_service(const struct cli *cli, int argc, char **argv);

uint32_t need_number(const struct cli *cli, const char *text, const char *what, uint32_t min,
                     uint32_t max);
uint32_t need_seconds(const struct cli *cli, const char *text, const char *what); /* as ms */

/* ---- the daemon ---------------------------------------------------------------------------------- */

/* The control socket that the options or the environment name, or the only live one; the caller
 * frees it. None or several: exit 2 with the list. */
char *control_path(const struct cli *cli);

struct connection;

/* Exit 3 if nobody listens, or does not answer. */
struct connection *connect_daemon(const struct cli *cli);

#define NO_TIMEOUT UINT32_MAX

/* The same, but waits for a daemon that is not there yet. *timeout_ms (NO_TIMEOUT: for ever) is
 * less by what that took. */
struct connection *await_daemon(const struct cli *cli, uint32_t *timeout_ms);

/* Lines that follow may take `ms` (NO_TIMEOUT: any time) longer than the few seconds after which a
 * daemon that says nothing is given up, with exit 3. */
void have_patience(struct connection *connection, uint32_t ms);

void disconnect(struct connection *connection);

/* Sends a command; `args` is taken over. Returns its id. */
json_int_t send_command(struct connection *connection, const char *command, json_t *args);

/* The next line that belongs to a command. NULL: *interrupted was set by a signal handler.
 * Exit 3 if the daemon goes, or says nothing. */
json_t *next_line(struct connection *connection, const volatile int *interrupted);

/* Sends a command and waits for its result, parts put together. NULL: the reason was printed and
 * *status is the exit status. */
json_t *call(struct connection *connection, const char *command, json_t *args, int *status);

/* Prints the error of an answer; returns the exit status. */
int answer_status(const struct cli *cli, json_t *answer);

/* ---- output -------------------------------------------------------------------------------------- */

void print_json(const json_t *value);     /* one line */
void flush_or_die(const struct cli *cli); /* stdout took everything, else exit 1 */

const char *text_of(const json_t *object, const char *key);
json_int_t number_of(const json_t *object, const char *key);

/* Calls `run` for the device, or for all of the node's devices of that kind ("link", or NULL: any).
 * Returns the worst status. */
int for_devices(const struct cli *cli, struct connection *connection, const char *device,
                const char *kind,
                int (*run)(void *ctx, struct connection *connection, const char *device),
                void *ctx);

/* ---- commands ------------------------------------------------------------------------------------ */

typedef int command_fn(struct cli *cli, int argc, char **argv);
command_fn ls_main, dump_main, stats_main, wait_main, events_main, ping_main, cat_main, listen_main,
    suspend_main, resume_main, up_main, down_main, test_main, logger_main, sensor_main;

#endif
