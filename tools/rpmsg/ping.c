/* SPDX-License-Identifier: Apache-2.0 */
/* ping: round trips, measured in the daemon, in the words of NuttX (WIRE 6.1 and 6.2). */
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "cli.h"

enum {
    ACK = 1,
    CMD_MAX = 7,
    LENGTH_MIN = 17,
    LENGTH_MAX = 65519,
    TIMES_MAX = 100000000,
    PERIOD_MAX_MS = 86400000
};

struct ping {
    struct cli *cli;
    uint32_t times, length, cmd, period_ms, timeout_ms;
};

static volatile int interrupted;

static void on_interrupt(int number)
{
    (void)number;
    interrupted = 1;
}

/* Without SA_RESTART: the read that waits for the daemon ends. The second one ends the program. */
static void catch_interrupt(void)
{
    struct sigaction action = {.sa_handler = on_interrupt, .sa_flags = (int)SA_RESETHAND};

    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
}

/* ---- output -------------------------------------------------------------------------------------- */

static void print_time(const char *label, json_int_t ns)
{
    printf("%s: %lld s, %lld ns\n", label, (long long)(ns / 1000000000),
           (long long)(ns % 1000000000));
}

static void print_lost(const json_t *result)
{
    printf("lost: %lld of %lld\n", (long long)number_of(result, "lost"),
           (long long)number_of(result, "times"));
}

/* NuttX's lines. */
static void print_times(const json_t *result, const json_t *times)
{
    json_int_t avg = number_of(times, "avg");
    json_int_t rate = avg > 0 ? number_of(result, "length") * 8 * 1000000000 / avg : 0;

    print_time("avg", avg);
    print_time("min", number_of(times, "min"));
    print_time("max", number_of(times, "max"));
    printf("rate: %lld.%06lld Mbits/sec\n", (long long)(rate / 1000000),
           (long long)(rate % 1000000));
}

static void print_result(const json_t *result)
{
    const json_t *rtt = json_object_get(result, "rtt_ns");
    const json_t *times = json_is_object(rtt) ? rtt : json_object_get(result, "send_ns");

    printf("ping times: %lld\n", (long long)number_of(result, "times"));
    printf("buffer_len: %lld, send_len: %lld\n", (long long)number_of(result, "buffer_len"),
           (long long)number_of(result, "length"));
    if (json_is_object(times))
        print_times(result, times);
    if (json_is_integer(json_object_get(result, "lost")))
        print_lost(result);
    if (json_is_object(times))
        printf("p50: %lld ns, p99: %lld ns, p99.9: %lld ns\n", (long long)number_of(times, "p50"),
               (long long)number_of(times, "p99"), (long long)number_of(times, "p999"));
}

/* INTERFACE 4 has no more keys than these. */
static void print_result_json(json_t *result)
{
    json_object_del(result, "end");
    json_object_del(result, "send_ns");
    json_object_del(result, "unsent");
    print_json(result);
}

static int result_status(const struct ping *ping, const char *device, json_t *result)
{
    bool ack = json_is_integer(json_object_get(result, "lost"));
    bool gone = strcmp(text_of(result, "end"), "lost") == 0;
    json_int_t times = number_of(result, "times");
    json_int_t lost = number_of(result, ack ? "lost" : "unsent");

    if (ping->cli->json)
        print_result_json(result);
    else
        print_result(result);
    flush_or_die(ping->cli);
    if (gone) {
        complain(ping->cli, "%s is gone after %lld", device, (long long)times);
        return STATUS_GONE;
    }
    if (lost == 0)
        return STATUS_OK;
    complain(ping->cli, "%s: %lld of %lld %s", device, (long long)lost, (long long)times,
             ack ? "were not answered" : "could not be sent");
    return lost == times ? STATUS_GONE : STATUS_FAILED;
}

/* ---- one device ---------------------------------------------------------------------------------- */

/* The line that answers the command; at an interrupt the daemon is asked to end and answer. */
static json_t *wait_answer(struct connection *connection, json_int_t id)
{
    bool asked = false;

    have_patience(connection, NO_TIMEOUT);
    for (;;) {
        json_t *line = next_line(connection, asked ? NULL : &interrupted);
        if (line == NULL) {
            send_command(connection, "cancel", json_pack("{s:I}", "id", id));
            have_patience(connection, 0);
            asked = true;
            continue;
        }
        if (number_of(line, "id") == id)
            return line;
        json_decref(line);
    }
}

static int ping_one(void *ctx, struct connection *connection, const char *device)
{
    const struct ping *ping = ctx;
    int status;

    if (interrupted)
        return STATUS_OK;
    json_int_t id = send_command(
        connection, "ping",
        json_pack("{s:s,s:I,s:I,s:I,s:I,s:I}", "device", device, "times", (json_int_t)ping->times,
                  "length", (json_int_t)ping->length, "cmd", (json_int_t)ping->cmd, "period_ms",
                  (json_int_t)ping->period_ms, "timeout_ms", (json_int_t)ping->timeout_ms));
    json_t *answer = wait_answer(connection, id);
    if (json_is_true(json_object_get(answer, "ok")))
        status = result_status(ping, device, json_object_get(answer, "result"));
    else
        status = answer_status(ping->cli, answer);
    json_decref(answer);
    return status;
}

/* ---- command line -------------------------------------------------------------------------------- */

static void take_options(struct ping *ping, int argc, char **argv)
{
    int option;

    while ((option = next_option(ping->cli, argc, argv, "c:s:i:W:")) != -1) {
        if (option == 'c')
            ping->times = need_number(ping->cli, optarg, "-c", 1, TIMES_MAX);
        else if (option == 's')
            ping->length = need_number(ping->cli, optarg, "-s", 0, LENGTH_MAX);
        else if (option == 'i')
            ping->period_ms = need_seconds(ping->cli, optarg, "-i");
        else
            ping->timeout_ms = need_seconds(ping->cli, optarg, "-W");
    }
}

static void take_positions(struct ping *ping, int argc, char **argv)
{
    const struct {
        const char *name;
        uint32_t min, max, *value;
    } positions[] = {
        {"TIMES", 1, TIMES_MAX, &ping->times},
        {"LENGTH", 0, LENGTH_MAX, &ping->length},
        {"ACK", 0, CMD_MAX, &ping->cmd},
        {"PERIOD_MS", 0, PERIOD_MAX_MS, &ping->period_ms},
    };

    for (size_t i = 0; i < sizeof(positions) / sizeof(positions[0]) && optind < argc; i++)
        *positions[i].value = need_number(ping->cli, argv[optind++], positions[i].name,
                                          positions[i].min, positions[i].max);
}

int ping_main(struct cli *cli, int argc, char **argv)
{
    struct ping ping = {
        .cli = cli, .times = 10, .length = LENGTH_MIN, .cmd = ACK, .timeout_ms = 5000};

    take_options(&ping, argc, argv);
    const char *device = need_device(cli, argc, argv);
    take_positions(&ping, argc, argv);
    no_more_arguments(cli, argc, argv);
    if (ping.timeout_ms == 0)
        usage(cli, "-W 0: an answer takes time");
    struct connection *connection = connect_daemon(cli);
    catch_interrupt();
    int status = for_devices(cli, connection, device, NULL, ping_one, &ping);
    disconnect(connection);
    return status;
}
