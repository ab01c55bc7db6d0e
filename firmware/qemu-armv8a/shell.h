/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The shell on the console. A command that cannot be done at once goes on as a *job*: the prompt
 * comes back when it says so, and Ctrl-C asks it to stop.
 */
#ifndef FIRMWARE_SHELL_H
#define FIRMWARE_SHELL_H

#include "baremetal/baremetal.h"

struct shell_command {
    const char *words;                    /* "ps", or "rpmsg ls": how it is called */
    const char *usage;                    /* of what follows, "" if nothing */
    unsigned n_min, n_max;                /* arguments */
    void (*run)(char **args, unsigned n); /* NULL: prints all of them */
};

/* `commands` ends with {NULL}. Prints the first prompt. */
void shell_start(struct baremetal *bm, const char *name, const struct shell_command *commands);

/* Input has come; any context. */
void shell_input(void);

/* From a command: it goes on. `stop` asks for its end, which comes by shell_job_end(), maybe from
 * inside; NULL: it cannot be stopped. */
void shell_job(void (*stop)(void));
void shell_job_end(void);

#endif
