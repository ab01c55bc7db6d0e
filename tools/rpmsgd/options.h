/* SPDX-License-Identifier: Apache-2.0 */
/* The command line of rpmsgd (INTERFACE 2): texts as they were given; config.c says what they mean. */
#ifndef RPMSGD_OPTIONS_H
#define RPMSGD_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>

struct options {
    const char *file, *name, *control; /* NULL: not given */
    const char **links;                /* REMOTE=URL */
    size_t n_links;
    const char **routes; /* A:B[,key=value]... */
    size_t n_routes;
    const char **services; /* NAME[@DEV,...][:key=value,...] */
    size_t n_services;
    bool check;
    unsigned verbose;
};

enum options_result { OPTIONS_RUN, OPTIONS_SHOWN, OPTIONS_WRONG };

/* SHOWN: help or version was asked for and printed. WRONG: one line on stderr said why. The texts
 * are argv's own. */
enum options_result options_parse(struct options *options, int argc, char **argv);
void options_free(struct options *options);

#endif
