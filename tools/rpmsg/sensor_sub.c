/* SPDX-License-Identifier: Apache-2.0 */
/* sensor sub: samples to stdout. Whoever reads slowly loses samples in the daemon, alone. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../common/text.h"
#include "sensor.h"

#define AGES_MAX 1000000u /* of the last samples; enough for percentiles */

struct sub {
    struct sensor_run run;
    struct rpr_sensor_sub *sub;
    uint32_t count; /* to be printed; 0: any number */
    uint64_t n;
    const struct field *time;
    uint32_t *ages; /* us, of the last AGES_MAX samples */
    bool published; /* somebody is or was there */
};

/* ---- samples ------------------------------------------------------------------------------------------- */

static bool enough(const struct sub *sub)
{
    return sensor_stop || (sub->count > 0 && sub->n >= sub->count);
}

static void note_age(struct sub *sub, const uint8_t *data)
{
    uint64_t now = sensor_now_us(), time = sample_time(sub->time, data);
    uint64_t age = now > time ? now - time : 0;

    sub->ages[sub->n % AGES_MAX] = age < UINT32_MAX ? (uint32_t)age : UINT32_MAX;
}

static void on_sample(void *ctx, const void *data, uint32_t len)
{
    struct sub *sub = ctx;

    if (enough(sub))
        return;
    if (sub->ages != NULL)
        note_age(sub, data);
    sample_print(sub->run.layout, sub->run.style, sub->run.topic, data, len);
    sub->n++;
}

static void on_publishers(void *ctx, unsigned count)
{
    struct sub *sub = ctx;

    sub->published |= count > 0;
}

static const struct rpr_sensor_sub_ops ops = {.sample = on_sample, .publishers = on_publishers};

/* ---- the end -------------------------------------------------------------------------------------------- */

static int by_age(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

    return x < y ? -1 : x > y;
}

static void say_ages(const struct sub *sub)
{
    size_t n = sub->n < AGES_MAX ? sub->n : AGES_MAX;

    if (sub->ages == NULL || n == 0)
        return;
    qsort(sub->ages, n, sizeof(*sub->ages), by_age);
    complain(sub->run.cli, "age in us: p50 %u, p99 %u, max %u", sub->ages[n / 2],
             sub->ages[n * 99 / 100], sub->ages[n - 1]);
}

static void say_end(const struct sub *sub)
{
    uint64_t odd = rpr_sensor_sub_odd(sub->sub);

    if (odd > 0)
        complain(
            sub->run.cli,
            "%llu messages were no samples of %zu bytes: is the layout another one? see --format",
            (unsigned long long)odd, sub->run.layout->bytes);
    if (!sub->run.verbose)
        return;
    complain(sub->run.cli, "%llu samples", (unsigned long long)sub->n);
    say_ages(sub);
}

/* ---- run ------------------------------------------------------------------------------------------------- */

static void wait_for_publisher(struct sub *sub, uint32_t timeout_us)
{
    uint64_t end = sensor_now_us() + timeout_us;

    while (!sub->published && sub->n == 0 && !sensor_stop) {
        uint64_t now = sensor_now_us();
        if (now >= end)
            die(sub->run.cli, STATUS_GONE, "nobody publishes %s", sub->run.topic);
        sensor_turn(&sub->run, (int)((end - now) / 1000u) + 1);
    }
}

static void subscribe(struct sub *sub, struct rpr_sensor_sub_config config)
{
    config.path = sub->run.topic;
    config.sample_bytes = sub->run.layout != NULL ? (uint32_t)sub->run.layout->bytes : 0;
    config.ops = &ops;
    config.ctx = sub;
    int result = rpr_sensor_subscribe(sub->run.sensor, &config, &sub->sub);
    if (result != 0)
        die(sub->run.cli, STATUS_FAILED, "%s: %s", sub->run.topic, rpr_strerror(result));
}

static void parse(struct sub *sub, int argc, char **argv, struct rpr_sensor_sub_config *config,
                  int64_t *timeout_us)
{
    struct cli *cli = sub->run.cli;
    const char *format = NULL;
    bool csv = false;
    int option;

    while ((option = next_option(cli, argc, argv, "n:i:l:t:vCD:F:")) != -1) {
        if (option == 'n')
            sub->count = need_number(cli, optarg, "-n", 1, UINT32_MAX);
        else if (option == 'i')
            config->interval_us = sensor_seconds(cli, optarg, "-i");
        else if (option == 'l')
            config->latency_us = sensor_seconds(cli, optarg, "-l");
        else if (option == 't')
            *timeout_us = (int64_t)need_seconds(cli, optarg, "-t") * 1000;
        else if (option == 'v')
            sub->run.verbose = true;
        else if (option == 'C')
            csv = true;
        else if (option == 'D')
            sub->run.device = optarg;
        else
            format = optarg;
    }
    if (csv && cli->json)
        usage(cli, "--csv and --json exclude each other");
    sub->run.style = csv ? SAMPLE_CSV : cli->json ? SAMPLE_JSON : SAMPLE_PLAIN;
    sensor_topic(&sub->run, argc, argv, format);
    if (sub->run.device != NULL && !text_is_cpu_name(sub->run.device, 31))
        usage(cli, "--device '%s': no device name", sub->run.device);
}

int sensor_sub(struct cli *cli, int argc, char **argv)
{
    struct rpr_sensor_sub_config config = {.path = NULL};
    struct sub sub = {.run = {.cli = cli}};
    int64_t timeout_us = -1;

    parse(&sub, argc, argv, &config, &timeout_us);
    sub.time = sample_time_field(sub.run.layout);
    if (sub.run.verbose && sub.time != NULL)
        sub.ages = need_array(NULL, AGES_MAX, sizeof(*sub.ages));
    sensor_open(&sub.run);
    if (sub.run.style == SAMPLE_CSV)
        sample_print_header(sub.run.layout);
    subscribe(&sub, config);
    if (timeout_us >= 0)
        wait_for_publisher(&sub, (uint32_t)timeout_us);
    while (!enough(&sub)) {
        sensor_turn(&sub.run, -1);
        flush_or_die(cli); /* once a turn: samples that came together are written together */
    }
    flush_or_die(cli);
    say_end(&sub);
    sensor_close(&sub.run);
    free(sub.ages);
    return STATUS_OK;
}
