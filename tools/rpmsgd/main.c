/* SPDX-License-Identifier: Apache-2.0 */
/* rpmsgd: one RPMsg node as a process (INTERFACE 2). */
#include <stdio.h>
#include <stdlib.h>

#include "daemon.h"

enum { EXIT_FAILED = 1, EXIT_WRONG = 2 };

static int run(const struct options *options)
{
    static struct daemon daemon;
    char error[CONFIG_ERROR_BYTES];
    struct config config;

    if (!config_load(&config, options, error)) {
        fprintf(stderr, "%s\n", error);
        return EXIT_WRONG;
    }
    if (options->check) {
        config_free(&config);
        return EXIT_SUCCESS;
    }
    if (!daemon_open(&daemon, options, &config, error)) {
        fprintf(stderr, "%s\n", error);
        return EXIT_WRONG;
    }
    bool ok = daemon_run(&daemon);
    daemon_close(&daemon);
    return ok ? EXIT_SUCCESS : EXIT_FAILED;
}

int main(int argc, char **argv)
{
    struct options options;
    int status = EXIT_SUCCESS;

    switch (options_parse(&options, argc, argv)) {
    case OPTIONS_RUN:
        status = run(&options);
        break;
    case OPTIONS_SHOWN:
        break;
    case OPTIONS_WRONG:
        status = EXIT_WRONG;
        break;
    }
    options_free(&options);
    return status;
}
