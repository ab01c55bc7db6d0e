/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sensor pub: lines of stdin are samples. Without a rate it goes as fast as the daemon takes them:
 * at most half of the queue waits, so nothing is lost on this side.
 */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "../common/text.h"
#include "sensor.h"

#define LINE_BYTES 65536u
#define BURST      256u /* samples before the loop has a turn */

struct pub {
    struct sensor_run run;
    struct rpr_sensor_pub *pub;
    bool persist, wait;
    double hz; /* 0: as fast as they are taken */
    unsigned n_subscribers;

    struct rpr_watch input;
    bool pollable; /* a file is not: it is read when it is needed */
    bool eof;
    size_t used;
    uint64_t line_number, n;
    struct sample_reader reader;

    struct rpr_timer timer;
    uint64_t began_us;
    uint8_t data[LAYOUT_BYTES_MAX]; /* the next sample */
    uint32_t length;                /* 0: none was read yet */
    char text[LINE_BYTES + 1];
};

/* ---- stdin ------------------------------------------------------------------------------------------------ */

static void read_some(struct pub *pub)
{
    ssize_t got = read(STDIN_FILENO, pub->text + pub->used, LINE_BYTES - pub->used);

    if (got > 0)
        pub->used += (size_t)got;
    else if (got == 0)
        pub->eof = true;
    else if (errno != EAGAIN && errno != EINTR)
        die(pub->run.cli, STATUS_FAILED, "stdin: %s", strerror(errno));
}

static void on_input(struct rpr_watch *watch, uint32_t events)
{
    struct pub *pub = (struct pub *)((char *)watch - offsetof(struct pub, input));

    (void)events;
    rpr_watch_stop(rpr_program_loop(pub->run.program), watch);
    read_some(pub);
}

/* More is to be read: at once from a file, else when there is some. */
static void want_input(struct pub *pub)
{
    if (pub->eof)
        return;
    if (pub->used == LINE_BYTES)
        die(pub->run.cli, STATUS_FAILED, "line %llu is longer than %u bytes",
            (unsigned long long)pub->line_number + 1, LINE_BYTES);
    if (pub->pollable && !pub->input.active)
        pub->pollable = rpr_watch_start(rpr_program_loop(pub->run.program), &pub->input) == 0;
    if (!pub->pollable)
        read_some(pub);
}

/* The next line, without its end, in *line; false: none is complete. */
static bool next_line_of(struct pub *pub, size_t *begin, char **line)
{
    char *end = memchr(pub->text + *begin, '\n', pub->used - *begin);

    if (end == NULL && pub->eof && *begin < pub->used)
        end = pub->text + pub->used++; /* the last one may lack it; there is room for one more */
    if (end == NULL)
        return false;
    *end = '\0';
    *line = pub->text + *begin;
    *begin = (size_t)(end + 1 - pub->text);
    pub->line_number++;
    return true;
}

static bool parse_line(struct pub *pub, const char *line)
{
    char error[LAYOUT_ERROR_BYTES];
    enum sample_line result =
        sample_read(&pub->reader, line, sensor_now_us(), pub->data, &pub->length, error);

    if (result == SAMPLE_READ && pub->length == 0)
        die(pub->run.cli, STATUS_FAILED, "line %llu: no bytes",
            (unsigned long long)pub->line_number);
    if (result == SAMPLE_WRONG)
        die(pub->run.cli, STATUS_FAILED, "line %llu: %s; %llu samples were published",
            (unsigned long long)pub->line_number, error, (unsigned long long)pub->n);
    return result == SAMPLE_READ;
}

/* Reads the next sample into pub->data. False: not yet, or never more. */
static bool have_sample(struct pub *pub)
{
    size_t begin = 0;
    bool found = pub->length > 0;
    char *line;

    while (!found && next_line_of(pub, &begin, &line))
        found = parse_line(pub, line);
    pub->used -= begin < pub->used ? begin : pub->used;
    memmove(pub->text, pub->text + begin, pub->used);
    if (!found)
        pub->length = 0;
    return found;
}

/* ---- when ---------------------------------------------------------------------------------------------- */

static bool has_room(const struct pub *pub)
{
    uint32_t size, waits = rpr_sensor_backlog(pub->pub, &size);

    return pub->hz > 0 || waits <= size / 2;
}

static uint64_t due_us(const struct pub *pub)
{
    return pub->hz > 0 ? pub->began_us + (uint64_t)((double)pub->n * 1e6 / pub->hz) : 0;
}

static void timer_fired(struct rpr_timer *timer, uint64_t now_ns)
{
    (void)timer; /* the turn ends: that is all */
    (void)now_ns;
}

static void publish(struct pub *pub)
{
    int result = rpr_sensor_publish(pub->pub, pub->data, pub->length);

    if (result != 0)
        die(pub->run.cli, STATUS_FAILED, "line %llu: %s", (unsigned long long)pub->line_number,
            rpr_strerror(result));
    pub->length = 0;
    pub->n++;
}

enum next { NEXT_GO_ON, NEXT_WAIT, NEXT_END };

/* What is due, and there is room for. */
static enum next publish_due(struct pub *pub)
{
    for (unsigned i = 0; i < BURST && has_room(pub); i++) {
        if (!have_sample(pub)) {
            if (pub->eof)
                return NEXT_END;
            want_input(pub);
            if (pub->pollable)
                return NEXT_WAIT;
            continue;
        }
        if (pub->began_us == 0)
            pub->began_us = sensor_now_us();
        if (due_us(pub) > sensor_now_us()) {
            rpr_timer_start(rpr_loop_node(rpr_program_loop(pub->run.program)), &pub->timer,
                            due_us(pub) * 1000u);
            return NEXT_WAIT;
        }
        publish(pub);
    }
    return has_room(pub) ? NEXT_GO_ON : NEXT_WAIT;
}

/* ---- run ----------------------------------------------------------------------------------------------- */

static void on_wanted(void *ctx, unsigned n, uint32_t interval_us, uint32_t latency_us)
{
    (void)interval_us;
    (void)latency_us;
    ((struct pub *)ctx)->n_subscribers = n;
}

static const struct rpr_sensor_pub_ops ops = {.wanted = on_wanted};

static void advertise(struct pub *pub)
{
    struct rpr_sensor_pub_config config = {
        .path = pub->run.topic, .persist = pub->persist, .ops = &ops, .ctx = pub};
    int result = rpr_sensor_advertise(pub->run.sensor, &config, &pub->pub);

    if (result != 0)
        die(pub->run.cli, STATUS_FAILED, "%s: %s", pub->run.topic, rpr_strerror(result));
    sensor_turn(&pub->run, 0); /* those who wait for it are found */
}

/* All of it is in the daemon, which passes it on before it says that this publisher is gone. */
static void finish(struct pub *pub)
{
    uint32_t size;

    while (rpr_sensor_backlog(pub->pub, &size) > 0 && !sensor_stop)
        sensor_turn(&pub->run, -1);
    rpr_sensor_unadvertise(pub->pub);
    sensor_turn(&pub->run, 0);
    if (rpr_program_drain(pub->run.program, 5000) != 0)
        die(pub->run.cli, STATUS_GONE, "the daemon does not take the last samples");
}

static void parse(struct pub *pub, int argc, char **argv)
{
    struct cli *cli = pub->run.cli;
    const char *format = NULL;
    char *end;
    int option;

    while ((option = next_option(cli, argc, argv, "r:wvPCD:F:")) != -1) {
        if (option == 'r') {
            pub->hz = strtod(optarg, &end);
            if (end == optarg || *end != '\0' || !(pub->hz >= 0.001) || pub->hz > 1e6)
                usage(cli, "-r '%s': samples a second, from 0.001 to 1000000", optarg);
        } else if (option == 'w') {
            pub->wait = true;
        } else if (option == 'v') {
            pub->run.verbose = true;
        } else if (option == 'P') {
            pub->persist = pub->wait = true; /* the daemon itself takes it */
        } else if (option == 'D') {
            pub->run.device = optarg;
        } else if (option == 'C') {
            pub->reader.style = SAMPLE_CSV;
        } else {
            format = optarg;
        }
    }
    if (pub->reader.style == SAMPLE_CSV && cli->json)
        usage(cli, "--csv and --json exclude each other");
    if (cli->json)
        pub->reader.style = SAMPLE_JSON;
    sensor_topic(&pub->run, argc, argv, format);
    if (pub->run.device != NULL && !text_is_cpu_name(pub->run.device, 31))
        usage(cli, "--device '%s': no device name", pub->run.device);
}

int sensor_pub(struct cli *cli, int argc, char **argv)
{
    struct pub *pub = need_memory(sizeof(*pub));
    enum next next;

    pub->run.cli = cli;
    pub->input = (struct rpr_watch){.ready = on_input, .fd = STDIN_FILENO, .events = EPOLLIN};
    pub->pollable = true;
    pub->timer.fire = timer_fired;
    parse(pub, argc, argv);
    pub->reader.layout = pub->run.layout;
    sensor_open(&pub->run);
    advertise(pub);
    while (pub->wait && pub->n_subscribers == 0 && !sensor_stop)
        sensor_turn(&pub->run, -1);
    while (!sensor_stop && (next = publish_due(pub)) != NEXT_END)
        sensor_turn(&pub->run, next == NEXT_WAIT ? -1 : 0);
    finish(pub);
    if (pub->run.verbose)
        complain(cli, "%llu samples", (unsigned long long)pub->n);
    sensor_close(&pub->run);
    free(pub);
    return STATUS_OK;
}
