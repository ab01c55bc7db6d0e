/* SPDX-License-Identifier: Apache-2.0 */
/* `stats`: one flat object of numbers, for scripts and monitoring. In parts, as list.c. */
#include <stdlib.h>
#include <string.h>

#include "../common/text.h"
#include "command.h"
#include "control.h"
#include "daemon.h"
#include "job.h"
#include "service.h"
#include "session.h"
#include "show.h"

#define DEVICES_PER_PART 64u

struct stats {
    struct job job;
    struct rpr_device **devices; /* NULL where one has gone */
    size_t n_devices, device;
};

struct totals {
    json_int_t routes, joined, parked, forwarded, dropped;
};

static void set(json_t *object, const char *scope, const char *name, json_int_t value)
{
    char *key = text_format("%s.%s", scope, name);

    json_object_set_new(object, key, json_integer(value));
    free(key);
}

static bool add_route(void *ctx, const struct rpr_route_info *info)
{
    struct totals *totals = ctx;

    totals->routes++;
    totals->joined += info->state == RPR_ROUTE_JOINED;
    totals->parked += info->parked;
    totals->forwarded += (json_int_t)info->forwarded;
    totals->dropped += (json_int_t)info->dropped;
    return true;
}

static void add_totals(json_t *object, const struct stats *stats)
{
    struct totals totals = {0};

    rpr_routes(job_daemon(&stats->job)->node, add_route, &totals);
    set(object, "node", "devices", (json_int_t)stats->n_devices);
    set(object, "routes", "directions", totals.routes);
    set(object, "routes", "joined", totals.joined);
    set(object, "routes", "parked", totals.parked);
    set(object, "routes", "forwarded", totals.forwarded);
    set(object, "routes", "dropped", totals.dropped);
}

static void add_device(json_t *object, const struct rpr_device *device)
{
    struct rpr_device_info info;

    rpr_device_info(device, &info);
    char *scope = text_format("device.%s", info.name);
    set(object, scope, "up", info.state == RPR_DEVICE_UP || info.state == RPR_DEVICE_SUSPENDED);
    set(object, scope, "session", info.session);
    set(object, scope, "endpoints", info.n_endpoints);
#define ADD(name) set(object, scope, #name, (json_int_t)info.counters.name);
    RPR_DEVICE_COUNTERS(ADD)
#undef ADD
    free(scope);
}

static void produce(struct job *job)
{
    struct stats *stats = (struct stats *)job;
    json_t *part = json_object();

    if (stats->device == 0) {
        add_totals(part, stats);
        services_stats(job_daemon(job), part);
    }
    for (unsigned i = 0; i < DEVICES_PER_PART && stats->device < stats->n_devices; i++) {
        const struct rpr_device *device = stats->devices[stats->device++];
        if (device != NULL)
            add_device(part, device);
    }
    if (stats->device == stats->n_devices)
        job_ok(job, part);
    else
        job_event(job, "part", json_pack("{s:o}", "part", part));
}

static void on_event(struct job *job, const struct rpr_event *event)
{
    struct stats *stats = (struct stats *)job;

    if (event->kind != RPR_EVENT_DEVICE_REMOVED)
        return;
    for (size_t i = 0; i < stats->n_devices; i++)
        if (stats->devices[i] == event->device)
            stats->devices[i] = NULL;
}

static void cancel(struct job *job)
{
    session_error(job->session, job->id, "cancelled", "cancelled");
    job_end(job);
}

static void fini(struct job *job)
{
    struct stats *stats = (struct stats *)job;

    for (size_t i = 0; i < stats->n_devices; i++)
        if (stats->devices[i] != NULL)
            rpr_device_put(stats->devices[i]);
    free(stats->devices);
}

void stats_command(struct session *session, json_t *id, json_t *args)
{
    static const struct job_ops ops = {
        .event = on_event, .produce = produce, .cancel = cancel, .fini = fini};
    struct rpr_node *node = control_daemon(session->control)->node;
    struct stats *stats = job_start(session, id, &ops, sizeof(*stats));

    (void)args;
    if (stats == NULL)
        return;
    for (struct rpr_device *device = rpr_device_next(node, NULL); device != NULL;
         device = rpr_device_next(node, device)) {
        if (!show_device(device))
            continue;
        stats->devices = need_array(stats->devices, stats->n_devices + 1, sizeof(*stats->devices));
        stats->devices[stats->n_devices++] = device;
        rpr_device_get(device);
    }
}
