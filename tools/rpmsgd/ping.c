/* SPDX-License-Identifier: Apache-2.0 */
/* `ping`: the service's own measurement, run by the owner, reported when it is over. */
#include <time.h>

#include <rpr/ping.h>

#include "command.h"
#include "service_job.h"
#include "show.h"

enum { CMD_MAX = 7, LENGTH_MAX = 65519, TIMES_MAX = 100000000, PERIOD_MAX_MS = 86400000 };

struct ping {
    struct service_job own;
    struct rpr_ping_run *run; /* NULL: over */
    json_t *via;              /* of the device, as it was at the start */
    uint32_t flags;
};

/* Of the owner's loop. */
static uint64_t clock_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * UINT64_C(1000000000) + (uint64_t)now.tv_nsec;
}

/* NULL of JSON where nothing was measured. */
static json_t *times(const struct rpr_ping_result *result)
{
    if (result->n_rtt == 0)
        return json_null();
    return json_pack("{s:I,s:I,s:I,s:I,s:I,s:I}", "min", (json_int_t)result->min_ns, "avg",
                     (json_int_t)result->avg_ns, "p50", (json_int_t)result->p50_ns, "p99",
                     (json_int_t)result->p99_ns, "p999", (json_int_t)result->p999_ns, "max",
                     (json_int_t)result->max_ns);
}

/* Of one direction's bytes over the average, as NuttX counts it (WIRE 6.1). */
static double rate_mbps(const struct rpr_ping_result *result)
{
    return result->avg_ns == 0 ? 0.0 : (double)result->send_len * 8 * 1000 / (double)result->avg_ns;
}

static const char *end_of(const struct rpr_ping_result *result)
{
    if (result->error == 0)
        return "done";
    return result->error == -RPR_ESTALE ? "stopped" : "lost";
}

static void on_done(void *ctx, const struct rpr_ping_result *result)
{
    struct ping *ping = ctx;
    bool ack = (ping->flags & RPR_PING_ACK) != 0;

    json_t *answer = json_pack(
        "{s:O,s:O,s:I,s:o,s:I,s:I,s:o,s:f,s:s}", "device", ping->own.name, "via", ping->via,
        "times", (json_int_t)result->times, "lost", ack ? json_integer(result->lost) : json_null(),
        "length", (json_int_t)result->send_len, "buffer_len", (json_int_t)result->buffer_len,
        "rtt_ns", ack ? times(result) : json_null(), "rate_mbps", rate_mbps(result), "end",
        end_of(result));

    if (!ack) {
        json_object_set_new(answer, "send_ns", times(result));
        json_object_set_new(answer, "unsent", json_integer(result->lost));
    }
    ping->run = NULL;
    job_ok(&ping->own.job, answer);
}

static void cancel(struct job *job)
{
    struct ping *ping = (struct ping *)job;

    rpr_ping_stop(ping->run); /* reports what was measured so far */
}

static void fini(struct job *job)
{
    struct ping *ping = (struct ping *)job;

    if (ping->run != NULL)
        rpr_ping_stop(ping->run);
    json_decref(ping->via);
    service_job_fini(&ping->own);
}

static bool take_args(struct session *session, json_t *id, json_t *args,
                      struct rpr_ping_config *config)
{
    return command_number(session, id, args, "times", 1, TIMES_MAX, &config->times) &&
           command_number(session, id, args, "length", 0, LENGTH_MAX, &config->length) &&
           command_number(session, id, args, "cmd", 0, CMD_MAX, &config->flags) &&
           command_number(session, id, args, "period_ms", 0, PERIOD_MAX_MS, &config->period_ms) &&
           command_number(session, id, args, "timeout_ms", 1, PERIOD_MAX_MS, &config->timeout_ms);
}

void ping_command(struct session *session, json_t *id, json_t *args)
{
    static const struct job_ops ops = {.event = service_job_event, .cancel = cancel, .fini = fini};
    struct rpr_ping_config config = {.times = 10,
                                     .length = RPR_PING_MIN_BYTES,
                                     .flags = RPR_PING_ACK,
                                     .timeout_ms = 5000,
                                     .clock_ns = clock_ns,
                                     .done = on_done};
    struct rpr_device_info info;
    struct rpr_ping *service;

    config.device = command_device(session, id, args);
    if (config.device == NULL || !take_args(session, id, args, &config))
        return;
    service = service_job_instance(session, id, &service_ping);
    if (service == NULL)
        return;
    struct ping *ping =
        service_job_start(session, id, &service_ping, config.device, &ops, sizeof(*ping));
    if (ping == NULL)
        return;
    rpr_device_info(config.device, &info);
    ping->via = show_text(info.via);
    ping->flags = config.flags;
    config.ctx = ping;
    service_job_begun(&ping->own, rpr_ping_start(service, &config, &ping->run),
                      "does not offer pings");
}
