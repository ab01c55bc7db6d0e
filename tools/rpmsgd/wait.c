/* SPDX-License-Identifier: Apache-2.0 */
/* `wait`: answers when a device is up, or a service on it is bound. */
#include <stdlib.h>
#include <string.h>

#include "../common/text.h"
#include "command.h"
#include "control.h"
#include "daemon.h"
#include "job.h"
#include "session.h"
#include "show.h"

#define TIMEOUT_MAX_MS 86400000u

struct wait {
    struct job job;
    char *device;  /* "all": every device, at least one */
    char *service; /* NULL: just the device */
    struct rpr_timer timer;
};

static bool service_is_bound(struct rpr_device *device, const char *service)
{
    struct rpr_ept_info info;

    for (rpr_ept_t ept = rpr_ept_next(device, (rpr_ept_t){0}); ept.endpoint != NULL;
         ept = rpr_ept_next(device, ept))
        if (rpr_ept_info(ept, &info) == 0 && info.state == RPR_EPT_BOUND &&
            strcmp(info.name, service) == 0)
            return true;
    return false;
}

static bool is_ready(const struct wait *wait, struct rpr_device *device)
{
    enum rpr_device_state state = rpr_device_state(device);

    return (state == RPR_DEVICE_UP || state == RPR_DEVICE_SUSPENDED) &&
           (wait->service == NULL || service_is_bound(device, wait->service));
}

static bool all_ready(const struct wait *wait, struct rpr_node *node)
{
    bool any = false;

    for (struct rpr_device *device = rpr_device_next(node, NULL); device != NULL;
         device = rpr_device_next(node, device)) {
        if (!show_device(device))
            continue;
        if (!is_ready(wait, device))
            return false;
        any = true;
    }
    return any;
}

static void look(struct wait *wait)
{
    struct rpr_node *node = job_daemon(&wait->job)->node;
    bool ready;

    if (strcmp(wait->device, "all") == 0) {
        ready = all_ready(wait, node);
    } else {
        struct rpr_device *device = rpr_device_find(node, wait->device);
        ready = device != NULL && show_device(device) && is_ready(wait, device);
    }
    if (ready)
        job_ok(&wait->job, json_object());
}

static void on_event(struct job *job, const struct rpr_event *event)
{
    struct wait *wait = (struct wait *)job;

    if (event->kind == RPR_EVENT_DEVICE_STATE)
        look(wait);
    else if (event->kind == RPR_EVENT_EPT_BOUND && wait->service != NULL &&
             strcmp(event->name, wait->service) == 0)
        look(wait);
}

static void on_timeout(struct rpr_timer *timer, uint64_t now_ns)
{
    struct wait *wait = (struct wait *)((char *)timer - offsetof(struct wait, timer));
    struct job *job = &wait->job;
    const struct rpr_device *device = rpr_device_find(job_daemon(job)->node, wait->device);
    struct rpr_device_info info;

    (void)now_ns;
    if (device == NULL) {
        session_error(job->session, job->id, "timeout", "'%s' did not appear", wait->device);
    } else {
        rpr_device_info(device, &info);
        session_error(job->session, job->id, "timeout", "'%s' is %s%s%s%s", wait->device,
                      show_state(info.state), info.reason[0] != '\0' ? ": " : "", info.reason,
                      wait->service != NULL ? ", the service is not bound" : "");
    }
    job_end(job);
}

static void cancel(struct job *job)
{
    session_error(job->session, job->id, "cancelled", "cancelled");
    job_end(job);
}

static void fini(struct job *job)
{
    struct wait *wait = (struct wait *)job;

    rpr_timer_stop(job_daemon(job)->node, &wait->timer);
    free(wait->device);
    free(wait->service);
}

void wait_command(struct session *session, json_t *id, json_t *args)
{
    static const struct job_ops ops = {.event = on_event, .cancel = cancel, .fini = fini};
    struct rpr_node *node = control_daemon(session->control)->node;
    uint32_t timeout_ms = UINT32_MAX;
    const char *device, *service;

    if (!command_text(session, id, args, "device", &device) ||
        !command_option(session, id, args, "service", &service) ||
        !command_number(session, id, args, "timeout_ms", 0, TIMEOUT_MAX_MS, &timeout_ms))
        return;
    struct wait *wait = job_start(session, id, &ops, sizeof(*wait));
    if (wait == NULL)
        return;
    wait->device = text_dup(device);
    wait->service = service != NULL ? text_dup(service) : NULL;
    wait->timer.fire = on_timeout;
    if (timeout_ms != UINT32_MAX)
        rpr_timer_start(node, &wait->timer,
                        rpr_node_now(node) + (uint64_t)timeout_ms * UINT64_C(1000000));
    look(wait);
}
