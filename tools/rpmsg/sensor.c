/* SPDX-License-Identifier: Apache-2.0 */
/* sensor: topics of sensors. ls asks the daemon; the others are peers of it, on a link of their own. */
#include "sensor.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "../common/text.h"

#define FOLDER "/dev/uorb/"

volatile int sensor_stop;
static struct rpr_loop *loop_to_stop;

/* ---- what it is about ---------------------------------------------------------------------------------- */

static bool printable(const char *path)
{
    for (; *path != '\0'; path++)
        if (*path <= ' ' || *path > '~' || *path == '"' || *path == '\\')
            return false;
    return true;
}

void sensor_topic(struct sensor_run *run, int argc, char **argv, const char *format)
{
    const char *topic = need_argument(run->cli, argc, argv, "TOPIC");
    char error[LAYOUT_ERROR_BYTES];

    no_more_arguments(run->cli, argc, argv);
    int length =
        snprintf(run->topic, sizeof(run->topic), "%s%s", topic[0] == '/' ? "" : FOLDER, topic);
    if (topic[0] == '\0' || (size_t)length >= sizeof(run->topic) || !printable(topic))
        usage(run->cli, "'%s' is no topic: a path of at most %u printable characters", topic,
              RPR_SENSOR_PATH_MAX);
    if (format == NULL)
        format = layout_known(run->topic);
    if (format == NULL)
        return;
    if (!layout_parse(&run->known, format, error))
        usage(run->cli, "%s", error);
    run->layout = &run->known;
}

uint64_t sensor_now_us(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000u + (uint64_t)now.tv_nsec / 1000u;
}

uint32_t sensor_seconds(const struct cli *cli, const char *text, const char *what)
{
    char *end;
    double seconds = strtod(text, &end);

    if (end == text || *end != '\0' || !(seconds >= 0) || seconds > 3600)
        usage(cli, "%s '%s': seconds from 0 to 3600, such as 0.01", what, text);
    return (uint32_t)(seconds * 1e6 + 0.5);
}

/* ---- a peer of the daemon ------------------------------------------------------------------------------ */

static void on_signal(int number)
{
    (void)number;
    sensor_stop = 1;
    rpr_loop_stop(loop_to_stop);
}

void sensor_open(struct sensor_run *run)
{
    const struct sigaction action = {.sa_handler = on_signal};
    char error[RPR_ERROR_TEXT] = "";
    char *control = control_path(run->cli);
    int result = rpr_program_open(&run->program, control, RPR_SENSOR_SERVICE, run->device, error);

    free(control);
    if (result != 0)
        die(run->cli,
            result == -RPR_ENOTCONN || result == -RPR_ENOENT || result == -RPR_ETIMEDOUT
                ? STATUS_GONE
                : STATUS_FAILED,
            "%s", error[0] != '\0' ? error : rpr_strerror(result));
    loop_to_stop = rpr_program_loop(run->program);
    result = rpr_sensor_open(rpr_loop_node(loop_to_stop), NULL,
                             &(struct rpr_sensor_config){.queue_bytes = 1048576}, &run->sensor);
    if (result != 0)
        die(run->cli, STATUS_FAILED, "%s", rpr_strerror(result));
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
}

void sensor_close(struct sensor_run *run)
{
    signal(SIGINT, SIG_IGN);
    signal(SIGTERM, SIG_IGN);
    rpr_sensor_close(run->sensor);
    rpr_program_close(run->program);
}

void sensor_turn(struct sensor_run *run, int timeout_ms)
{
    int result = rpr_loop_turn(rpr_program_loop(run->program), timeout_ms);
    const char *lost = rpr_program_lost(run->program);

    if (result != 0)
        die(run->cli, STATUS_FAILED, "%s", rpr_strerror(result));
    if (lost == NULL)
        return;
    fflush(stdout);
    die(run->cli, STATUS_GONE, "the daemon is gone: %s", lost);
}

/* ---- which of them --------------------------------------------------------------------------------- */

int sensor_main(struct cli *cli, int argc, char **argv)
{
    static const struct {
        const char *name;
        command_fn *run;
    } verbs[] = {{"ls", sensor_ls},
                 {"sub", sensor_sub},
                 {"pub", sensor_pub},
                 {"info", sensor_info},
                 {"flush", sensor_flush}};

    if (argc < 2 || argv[1][0] == '-')
        usage(cli, "say what to do: ls, or sub, pub, info or flush TOPIC");
    for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++)
        if (strcmp(argv[1], verbs[i].name) == 0)
            return verbs[i].run(cli, argc - 1, argv + 1);
    usage(cli, "'%s': ls, or sub, pub, info or flush TOPIC", argv[1]);
}
