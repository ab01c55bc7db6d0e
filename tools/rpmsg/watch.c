/* SPDX-License-Identifier: Apache-2.0 */
/* wait and events: what happens. */
#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "cli.h"

int wait_main(struct cli *cli, int argc, char **argv)
{
    uint32_t timeout_ms = NO_TIMEOUT;
    int status = STATUS_OK, option;

    while ((option = next_option(cli, argc, argv, "t:")) != -1)
        timeout_ms = need_seconds(cli, optarg, "-t");
    const char *device = need_device(cli, argc, argv);
    const char *service = optind < argc ? need_service(cli, argc, argv) : NULL;
    no_more_arguments(cli, argc, argv);
    struct connection *connection = await_daemon(cli, &timeout_ms);
    have_patience(connection, timeout_ms);
    json_t *args = json_pack("{s:s,s:s*}", "device", device, "service", service);
    if (timeout_ms != NO_TIMEOUT)
        json_object_set_new(args, "timeout_ms", json_integer(timeout_ms));
    json_t *result = call(connection, "wait", args, &status);
    json_decref(result);
    disconnect(connection);
    return status;
}

/* ---- events -------------------------------------------------------------------------------------- */

static void print_time(double time)
{
    time_t seconds = (time_t)time;
    struct tm parts;
    char text[16];

    localtime_r(&seconds, &parts);
    strftime(text, sizeof(text), "%H:%M:%S", &parts);
    printf("%s.%03d ", text, (int)((time - (double)seconds) * 1000));
}

static void print_event(json_t *line)
{
    static const char *const keys[] = {"device", "peer",  "name", "service", "addr",
                                       "dest",   "state", "node", "reason"};

    print_time(json_real_value(json_object_get(line, "time")));
    printf("%-17s", text_of(line, "event"));
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        const json_t *value = json_object_get(line, keys[i]);
        if (json_is_integer(value))
            printf(" %s %lld", keys[i], (long long)json_integer_value(value));
        else if (json_is_string(value) && json_string_length(value) > 0)
            printf(" %s %s", keys[i], json_string_value(value));
    }
    putchar('\n');
}

int events_main(struct cli *cli, int argc, char **argv)
{
    while (next_option(cli, argc, argv, "") != -1)
        ;
    no_more_arguments(cli, argc, argv);
    struct connection *connection = connect_daemon(cli);
    have_patience(connection, NO_TIMEOUT);
    send_command(connection, "events", NULL);
    for (;;) {
        json_t *line = next_line(connection, NULL);
        if (json_object_get(line, "ok") != NULL)
            return answer_status(cli, line);
        json_object_del(line, "id");
        if (cli->json)
            print_json(line);
        else
            print_event(line);
        json_decref(line);
        flush_or_die(cli);
    }
}
