/* SPDX-License-Identifier: Apache-2.0 */
/* rpmsg ping: NuttX's, one device after the other. */
#include <string.h>

#include "app.h"
#include "clock.h"
#include "console.h"
#include "words.h"

#define SECOND UINT64_C(1000000000)

/* Devices are named, not pointed at: one may go while another is pinged. */
#define MAX_DEVICES 16u

static struct {
    char names[MAX_DEVICES][RPR_NAME_MAX + 1];
    unsigned n, next;
    struct rpr_ping_config config;
    struct rpr_ping_run *run;
} job;

static void print_time(const char *what, uint64_t ns)
{
    console_say("%s: %lu s, %lu ns", what, (unsigned long)(ns / SECOND),
                (unsigned long)(ns % SECOND));
}

static void print_result(const struct rpr_ping_result *result)
{
    uint64_t rate = result->avg_ns ? (uint64_t)result->send_len * 8 * SECOND / result->avg_ns : 0;

    console_say("ping times: %u", (unsigned)result->times);
    console_say("buffer_len: %u, send_len: %u", (unsigned)result->buffer_len,
                (unsigned)result->send_len);
    print_time("avg", result->avg_ns);
    print_time("min", result->min_ns);
    print_time("max", result->max_ns);
    console_say("rate: %lu.%06lu Mbits/sec", (unsigned long)(rate / 1000000),
                (unsigned long)(rate % 1000000));
    if (result->lost || result->error)
        console_say("lost: %u%s%s", (unsigned)result->lost, result->error ? ", " : "",
                    result->error ? rpr_strerror(result->error) : "");
}

static void start_next(void);

static void done(void *ctx, const struct rpr_ping_result *result)
{
    (void)ctx;
    job.run = NULL;
    print_result(result);
    if (result->error == -RPR_ESTALE)
        job.next = job.n;
    start_next();
}

static void start_next(void)
{
    while (job.next < job.n) {
        const char *name = job.names[job.next++];
        int error;

        job.config.device = rpr_device_find(app.node, name);
        error = job.config.device ? rpr_ping_start(app.ping, &job.config, &job.run) : -RPR_ENOENT;
        if (!error)
            return;
        console_printf("%s: %s\n", name, rpr_strerror(error));
    }
    shell_job_end();
}

static void stop(void)
{
    if (job.run)
        rpr_ping_stop(job.run);
}

static void add(struct rpr_device *device)
{
    if (job.n < MAX_DEVICES)
        strcpy(job.names[job.n++], rpr_device_name(device));
}

static void choose(const char *text)
{
    struct rpr_device *device = NULL;

    if (strcmp(text, "all") != 0) {
        device = app_device(text);
        if (device)
            add(device);
        return;
    }
    while ((device = rpr_device_next(app.node, device)))
        add(device);
}

void command_ping(char **args, unsigned n)
{
    uint32_t numbers[4] = {1, RPR_PING_MIN_BYTES, RPR_PING_ACK, 0};

    for (unsigned i = 1; i < n; i++) {
        if (words_number(args[i], &numbers[i - 1]))
            continue;
        console_printf("%s: no number\n", args[i]);
        return;
    }
    memset(&job, 0, sizeof job);
    job.config = (struct rpr_ping_config){.times = numbers[0],
                                          .length = numbers[1],
                                          .flags = numbers[2],
                                          .period_ms = numbers[3],
                                          .clock_ns = clock_ns,
                                          .done = done};
    choose(args[0]);
    shell_job(stop);
    start_next();
}
