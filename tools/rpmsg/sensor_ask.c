/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sensor info, sensor flush: a question to whoever publishes a topic. To be heard, this program subscribes
 * meanwhile: to one sample a second, so that no sensor runs faster for it.
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../common/text.h"
#include "sensor.h"

#define INTERVAL_US 1000000u
#define WAIT_MS     5000u /* for a publisher and its answer */
#define RETRY_MS    20    /* one that is there may not know us yet */

/* Errors of NuttX that are answers. */
enum { NOBODY_THERE = -2, BUSY = -16, NOBODY_CAN = -25 };

struct question {
    struct sensor_run run;
    struct rpr_sensor_sub *sub;
    uint64_t began_us, end_us;
    bool asked, answered, flushed;
    int32_t result;
    struct rpr_sensor_info info;
    bool odd; /* the answer was no struct of that */
};

static void on_sample(void *ctx, const void *data, uint32_t len)
{
    (void)ctx;
    (void)data;
    (void)len;
}

static void on_flushed(void *ctx)
{
    ((struct question *)ctx)->flushed = true;
}

static const struct rpr_sensor_sub_ops ops = {.sample = on_sample, .flushed = on_flushed};

static void on_answer(void *ctx, int32_t result, const void *arg, uint32_t len)
{
    struct question *q = ctx;

    q->answered = true;
    q->result = result;
    if (result >= 0 && len > 0)
        q->odd = rpr_sensor_info_read(&q->info, arg, len) != 0;
}

/* ---- asking --------------------------------------------------------------------------------------------- */

static void subscribe(struct question *q)
{
    struct rpr_sensor_sub_config config = {
        .path = q->run.topic, .interval_us = INTERVAL_US, .ops = &ops, .ctx = q};
    int result = rpr_sensor_subscribe(q->run.sensor, &config, &q->sub);

    if (result != 0)
        die(q->run.cli, STATUS_FAILED, "%s: %s", q->run.topic, rpr_strerror(result));
}

static void ask(struct question *q, uint32_t request, uint32_t len)
{
    struct rpr_sensor_question question = {
        .request = request, .len = len, .answered = on_answer, .ctx = q};
    int result = rpr_sensor_ask(q->sub, &question);

    if (result != 0 && result != -RPR_ENOTCONN && result != -RPR_EBUSY)
        die(q->run.cli, STATUS_FAILED, "%s: %s", q->run.topic, rpr_strerror(result));
    q->asked = result == 0;
}

/* False: the time is over. */
static bool wait_more(struct question *q, int most_ms)
{
    uint64_t now = sensor_now_us();
    uint64_t left_ms = now < q->end_us ? (q->end_us - now) / 1000u + 1 : 0;

    if (left_ms == 0 || sensor_stop)
        return false;
    sensor_turn(&q->run, most_ms >= 0 && (uint64_t)most_ms < left_ms ? most_ms : (int)left_ms);
    return true;
}

static void wait_for_answer(struct question *q, uint32_t request, uint32_t len)
{
    while (!q->answered) {
        if (!q->asked)
            ask(q, request, len);
        if (!wait_more(q, q->asked ? -1 : RETRY_MS))
            die(q->run.cli, STATUS_GONE, q->asked ? "%s: no answer" : "nobody publishes %s",
                q->run.topic);
    }
}

static void need_success(const struct question *q)
{
    if (q->result >= 0 && !q->odd)
        return;
    if (q->result == -RPR_ETIMEDOUT || q->result == -110)
        die(q->run.cli, STATUS_GONE, "%s: who publishes it does not answer", q->run.topic);
    if (q->result == NOBODY_CAN)
        die(q->run.cli, STATUS_FAILED, "%s: who publishes it cannot tell", q->run.topic);
    if (q->result == NOBODY_THERE)
        die(q->run.cli, STATUS_GONE, "nobody publishes %s any more", q->run.topic);
    if (q->result == BUSY)
        die(q->run.cli, STATUS_FAILED, "%s: too many questions are open", q->run.topic);
    if (q->odd)
        die(q->run.cli, STATUS_FAILED, "%s: an answer of another version", q->run.topic);
    die(q->run.cli, STATUS_FAILED, "%s: error %d of NuttX", q->run.topic, -q->result);
}

/* ---- the commands --------------------------------------------------------------------------------------- */

static void open_question(struct question *q, struct cli *cli, int argc, char **argv)
{
    uint32_t wait_ms = WAIT_MS;
    int option;

    q->run.cli = cli;
    while ((option = next_option(cli, argc, argv, "t:D:")) != -1) {
        if (option == 't')
            wait_ms = need_seconds(cli, optarg, "-t");
        else
            q->run.device = optarg;
    }
    sensor_topic(&q->run, argc, argv, NULL);
    if (q->run.device != NULL && !text_is_cpu_name(q->run.device, 31))
        usage(cli, "--device '%s': no device name", q->run.device);
    sensor_open(&q->run);
    subscribe(q);
    q->began_us = sensor_now_us();
    q->end_us = q->began_us + (uint64_t)wait_ms * 1000u;
}

/* Of a field that need not end. */
static json_t *text_field(const char *text, size_t size)
{
    char clean[64];
    size_t n = 0;

    for (; n < size && n + 1 < sizeof(clean) && text[n] != '\0'; n++)
        clean[n] = text[n] >= ' ' && text[n] <= '~' ? text[n] : '?';
    clean[n] = '\0';
    return json_string(clean);
}

static json_t *show_info(const struct question *q)
{
    const struct rpr_sensor_info *i = &q->info;

    return json_pack(
        "{s:s,s:o,s:o,s:I,s:f,s:f,s:f,s:I,s:I,s:I,s:I}", "topic", q->run.topic, "name",
        text_field(i->name, sizeof(i->name)), "vendor", text_field(i->vendor, sizeof(i->vendor)),
        "version", (json_int_t)i->version, "power_ma", (double)i->power_ma, "max_range",
        (double)i->max_range, "resolution", (double)i->resolution, "min_delay_us",
        (json_int_t)i->min_delay_us, "max_delay_us", (json_int_t)i->max_delay_us, "fifo_reserved",
        (json_int_t)i->fifo_reserved, "fifo_max", (json_int_t)i->fifo_max);
}

static void print_info(json_t *info)
{
    const char *key;
    json_t *value;

    json_object_foreach(info, key, value)
    {
        if (json_is_string(value))
            printf("%s: %s\n", key, json_string_value(value));
        else if (json_is_integer(value))
            printf("%s: %lld\n", key, (long long)json_integer_value(value));
        else
            printf("%s: %g\n", key, json_number_value(value));
    }
}

int sensor_info(struct cli *cli, int argc, char **argv)
{
    struct question q = {.asked = false};

    open_question(&q, cli, argc, argv);
    wait_for_answer(&q, RPR_SENSOR_GET_INFO, RPR_SENSOR_INFO_BYTES);
    need_success(&q);
    json_t *info = show_info(&q);
    if (cli->json)
        print_json(info);
    else
        print_info(info);
    json_decref(info);
    flush_or_die(cli);
    sensor_close(&q.run);
    return STATUS_OK;
}

int sensor_flush(struct cli *cli, int argc, char **argv)
{
    struct question q = {.asked = false};

    open_question(&q, cli, argc, argv);
    wait_for_answer(&q, RPR_SENSOR_FLUSH, 0);
    need_success(&q);
    while (!q.flushed)
        if (!wait_more(&q, -1))
            die(cli, STATUS_GONE, "%s: it is asked for, and its end did not come", q.run.topic);
    sensor_close(&q.run);
    return STATUS_OK;
}
