/* SPDX-License-Identifier: Apache-2.0 */
/* `events`: what changes in the node, a line each, until the client cancels or goes. */
#include <time.h>

#include "command.h"
#include "daemon.h"
#include "job.h"
#include "session.h"
#include "show.h"

static const char *const kinds[] = {
    [RPR_EVENT_DEVICE_ADDED] = "device-added",     [RPR_EVENT_DEVICE_STATE] = "device-state",
    [RPR_EVENT_DEVICE_REMOVED] = "device-removed", [RPR_EVENT_EPT_OPENED] = "endpoint-opened",
    [RPR_EVENT_EPT_BOUND] = "endpoint-bound",      [RPR_EVENT_EPT_UNBOUND] = "endpoint-unbound",
    [RPR_EVENT_EPT_CLOSED] = "endpoint-closed",    [RPR_EVENT_ROUTE] = "route",
    [RPR_EVENT_POOL_EMPTY] = "pool-empty",
};

static void set(json_t *object, const char *key, json_t *value)
{
    json_object_set_new(object, key, value);
}

static json_t *new_line(void)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    return json_pack("{s:f}", "time", (double)now.tv_sec + (double)now.tv_nsec / 1e9);
}

static json_t *describe(const struct rpr_event *event)
{
    json_t *line = new_line();

    if (event->device != NULL)
        set(line, "device", show_text(rpr_device_name(event->device)));
    switch (event->kind) {
    case RPR_EVENT_DEVICE_ADDED:
    case RPR_EVENT_DEVICE_REMOVED:
        break;
    case RPR_EVENT_DEVICE_STATE:
        set(line, "state", json_string(show_state(event->state)));
        set(line, "reason", show_text(event->reason != NULL ? event->reason : ""));
        break;
    case RPR_EVENT_ROUTE:
        if (event->peer != NULL)
            set(line, "peer", show_text(rpr_device_name(event->peer)));
        set(line, "service", show_text(event->name));
        set(line, "state", show_text(event->reason != NULL ? event->reason : ""));
        break;
    case RPR_EVENT_POOL_EMPTY:
        set(line, "name", show_text(event->name));
        break;
    default:
        set(line, "name", show_text(event->name));
        set(line, "addr", json_integer(event->addr));
        set(line, "dest", json_integer(event->dest));
        if (event->kind == RPR_EVENT_EPT_UNBOUND && event->reason != NULL)
            set(line, "reason", show_text(event->reason));
        break;
    }
    return line;
}

static void on_event(struct job *job, const struct rpr_event *event)
{
    bool hidden = event->device != NULL && !show_device(event->device);

    if (!hidden || event->kind == RPR_EVENT_ROUTE)
        job_event(job, kinds[event->kind], describe(event));
}

static void cancel(struct job *job)
{
    job_ok(job, json_object());
}

static void fini(struct job *job)
{
    (void)job;
}

void events_command(struct session *session, json_t *id, json_t *args)
{
    static const struct job_ops ops = {.event = on_event, .cancel = cancel, .fini = fini};
    struct job *job = job_start(session, id, &ops, sizeof(*job));

    (void)args;
    if (job == NULL)
        return;
    json_t *line = new_line();
    set(line, "node", json_string(rpr_node_name(job_daemon(job)->node)));
    job_event(job, "start", line);
}
