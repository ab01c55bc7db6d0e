/* SPDX-License-Identifier: Apache-2.0 */
/* listen: serves a service; what comes goes to stdout. */
#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <time.h>

#include "../common/text.h"
#include "stream.h"

struct listen {
    const struct cli *cli;
    const char *service;
    bool again, verbose;
    struct sink sink;
};

static int ended(const struct listen *listen, int result)
{
    if (listen->verbose)
        complain(listen->cli, "received %llu bytes in %llu messages",
                 (unsigned long long)listen->sink.bytes, (unsigned long long)listen->sink.messages);
    if (result == -RPR_ENOENT)
        return STATUS_OK;
    complain(listen->cli, "the link or device is lost after %llu bytes",
             (unsigned long long)listen->sink.bytes);
    return STATUS_GONE;
}

/* One peer, from its announcement to its end. */
static int serve(struct listen *listen, const char *control)
{
    struct rpr_client *client = stream_open(listen->cli, control, NULL, listen->service);
    int result = -RPR_ETIMEDOUT;

    while (result == -RPR_ETIMEDOUT)
        result = sink_receive(&listen->sink, client, -1);
    rpr_client_close(client, 0);
    return ended(listen, result);
}

int listen_main(struct cli *cli, int argc, char **argv)
{
    struct listen *listen = need_memory(sizeof(*listen));
    int option, status;

    listen->cli = cli;
    listen->sink.cli = cli;
    while ((option = next_option(cli, argc, argv, "kv")) != -1) {
        if (option == 'k')
            listen->again = true;
        else
            listen->verbose = true;
    }
    listen->service = need_service(cli, argc, argv);
    no_more_arguments(cli, argc, argv);
    char *control = control_path(cli);
    do
        status = serve(listen, control);
    while (listen->again);
    free(control);
    free(listen);
    return status;
}
