/* SPDX-License-Identifier: Apache-2.0 */
/* `ping`: the service's own measurement, run by the owner, reported when it is over. */
#include <time.h>

#include <rpr/ping.h>

#include "command.h"
#include "control.h"
#include "daemon.h"
#include "job.h"
#include "service.h"
#include "session.h"
#include "show.h"

enum { CMD_MAX = 7, LENGTH_MAX = 65519, TIMES_MAX = 100000000, PERIOD_MAX_MS = 86400000 };

struct ping {
    struct job job;
    struct rpr_ping_run *run;  /* NULL: over */
    struct rpr_device *device; /* NULL: it was removed */
    json_t *name, *via;        /* of the device, as it was at the start */
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
        "{s:O,s:O,s:I,s:o,s:I,s:I,s:o,s:f,s:s}", "device", ping->name, "via", ping->via, "times",
        (json_int_t)result->times, "lost", ack ? json_integer(result->lost) : json_null(), "length",
        (json_int_t)result->send_len, "buffer_len", (json_int_t)result->buffer_len, "rtt_ns",
        ack ? times(result) : json_null(), "rate_mbps", rate_mbps(result), "end", end_of(result));

    if (!ack) {
        json_object_set_new(answer, "send_ns", times(result));
        json_object_set_new(answer, "unsent", json_integer(result->lost));
    }
    ping->run = NULL;
    job_ok(&ping->job, answer);
}

static void on_event(struct job *job, const struct rpr_event *event)
{
    struct ping *ping = (struct ping *)job;

    if (event->kind == RPR_EVENT_DEVICE_REMOVED && event->device == ping->device)
        ping->device = NULL;
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
    if (ping->device != NULL)
        rpr_device_put(ping->device);
    json_decref(ping->name);
    json_decref(ping->via);
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
    static const struct job_ops ops = {.event = on_event, .cancel = cancel, .fini = fini};
    struct rpr_ping_config config = {.times = 10,
                                     .length = RPR_PING_MIN_BYTES,
                                     .flags = RPR_PING_ACK,
                                     .timeout_ms = 5000,
                                     .clock_ns = clock_ns,
                                     .done = on_done};
    struct rpr_device_info info;

    config.device = command_device(session, id, args);
    if (config.device == NULL || !take_args(session, id, args, &config))
        return;
    struct rpr_ping *service = service_instance(control_daemon(session->control), &service_ping);
    if (service == NULL) {
        session_error(session, id, "not-up", "the service ping is off on this node");
        return;
    }
    struct ping *ping = job_start(session, id, &ops, sizeof(*ping));
    if (ping == NULL)
        return;
    rpr_device_info(config.device, &info);
    ping->name = show_text(info.name);
    ping->via = show_text(info.via);
    ping->flags = config.flags;
    config.ctx = ping;
    int result = rpr_ping_start(service, &config, &ping->run);
    if (result == 0) {
        ping->device = config.device;
        rpr_device_get(ping->device);
        return;
    }
    if (result != -RPR_ENOTCONN)
        session_error(session, id, "failed", "'%s': %s", info.name, rpr_strerror(result));
    else if (info.tx_len > 0)
        session_error(session, id, "not-up", "'%s' does not offer pings", info.name);
    else
        session_error(session, id, "not-up", "'%s' is not up%s%s", info.name,
                      info.reason[0] != '\0' ? ": " : "", info.reason);
    job_end(&ping->job);
}
