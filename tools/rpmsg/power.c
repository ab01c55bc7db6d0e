/* SPDX-License-Identifier: Apache-2.0 */
/* suspend, resume, down and up: one command of the daemon for each device. */
#include <string.h>

#include "cli.h"

static int one(void *ctx, struct connection *connection, const char *device)
{
    int status = STATUS_OK;
    json_t *result = call(connection, ctx, json_pack("{s:s}", "device", device), &status);

    json_decref(result);
    return status;
}

static int run(struct cli *cli, int argc, char **argv, const char *command)
{
    char name[16];

    strcpy(name, command);
    while (next_option(cli, argc, argv, "") != -1)
        ;
    const char *device = need_device(cli, argc, argv);
    no_more_arguments(cli, argc, argv);
    struct connection *connection = connect_daemon(cli);
    int status = for_devices(cli, connection, device, "link", one, name);
    disconnect(connection);
    return status;
}

int suspend_main(struct cli *cli, int argc, char **argv)
{
    return run(cli, argc, argv, "suspend");
}

int resume_main(struct cli *cli, int argc, char **argv)
{
    return run(cli, argc, argv, "resume");
}

int up_main(struct cli *cli, int argc, char **argv)
{
    return run(cli, argc, argv, "up");
}

int down_main(struct cli *cli, int argc, char **argv)
{
    return run(cli, argc, argv, "down");
}
