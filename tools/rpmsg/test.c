/* SPDX-License-Identifier: Apache-2.0 */
/* test: fills all buffers towards a device, which holds them and gives them back (WIRE 6.3). */
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "cli.h"

struct test {
    struct cli *cli;
    uint32_t timeout_ms;
};

static int result_status(const struct test *test, const char *device, json_t *result)
{
    bool done = strcmp(text_of(result, "end"), "done") == 0;
    bool lost = strcmp(text_of(result, "end"), "lost") == 0;
    long long sent = number_of(result, "sent"), missing = number_of(result, "missing");

    if (test->cli->json) {
        print_json(result);
    } else if (done) {
        printf("%s: %lld messages of %lld bytes, all buffers back after %lld ms\n", device, sent,
               (long long)number_of(result, "length"),
               (long long)number_of(result, "back_ns") / 1000000);
    }
    flush_or_die(test->cli);
    if (done)
        return STATUS_OK;
    if (lost)
        complain(test->cli, "%s is gone", device);
    else if (sent == 0)
        complain(test->cli, "%s: there was no buffer", device);
    else
        complain(test->cli, "%s: %lld of %lld buffers did not come back", device, missing, sent);
    return STATUS_GONE;
}

static int test_one(void *ctx, struct connection *connection, const char *device)
{
    const struct test *test = ctx;
    int status = STATUS_OK;

    have_patience(connection, test->timeout_ms);
    json_t *result =
        call(connection, "test",
             json_pack("{s:s,s:I}", "device", device, "timeout_ms", (json_int_t)test->timeout_ms),
             &status);
    if (result != NULL)
        status = result_status(test, device, result);
    json_decref(result);
    return status;
}

int test_main(struct cli *cli, int argc, char **argv)
{
    struct test test = {.cli = cli, .timeout_ms = 5000};

    while (next_option(cli, argc, argv, "W:") != -1)
        test.timeout_ms = need_seconds(cli, optarg, "-W");
    const char *device = need_device(cli, argc, argv);
    no_more_arguments(cli, argc, argv);
    if (test.timeout_ms == 0)
        usage(cli, "-W 0: it takes time");
    struct connection *connection = connect_daemon(cli);
    int status = for_devices(cli, connection, device, NULL, test_one, &test);
    disconnect(connection);
    return status;
}
