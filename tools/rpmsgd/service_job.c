/* SPDX-License-Identifier: Apache-2.0 */
#include "service_job.h"

#include "control.h"
#include "daemon.h"
#include "session.h"
#include "show.h"

void *service_job_instance(struct session *session, json_t *id, const struct service_kind *kind)
{
    void *instance = service_instance(control_daemon(session->control), kind);

    if (instance == NULL)
        session_error(session, id, "not-up",
                      "the service %s is off on this node: rpmsgd --service %s", kind->name,
                      kind->name);
    return instance;
}

void *service_job_start(struct session *session, json_t *id, const struct service_kind *kind,
                        struct rpr_device *device, const struct job_ops *ops, size_t bytes)
{
    struct service_job *job = job_start(session, id, ops, bytes);

    if (job == NULL)
        return NULL;
    job->kind = kind;
    job->device = device;
    job->name = show_text(rpr_device_name(device));
    rpr_device_get(device);
    return job;
}

/* Nobody is bound there. */
static void say_why(struct service_job *job, const char *absent)
{
    struct session *session = job->job.session;
    struct rpr_service_closed closed;
    struct rpr_device_info info;

    rpr_device_info(job->device, &info);
    if (service_closed_at(job_daemon(&job->job), job->kind, job->device, &closed))
        session_error(session, job->job.id, "not-up", "%s of '%s' is closed for %.1f s: %s",
                      job->kind->endpoint, info.name, (double)closed.wait_ns / 1e9, closed.reason);
    else if (info.tx_len > 0)
        session_error(session, job->job.id, "not-up", "'%s' %s", info.name, absent);
    else
        session_error(session, job->job.id, "not-up", "'%s' is not up%s%s", info.name,
                      info.reason[0] != '\0' ? ": " : "", info.reason);
}

void service_job_begun(struct service_job *job, int result, const char *absent)
{
    const char *name = rpr_device_name(job->device);

    if (result == 0)
        return;
    if (result == -RPR_ENOTCONN)
        say_why(job, absent);
    else if (result == -RPR_EBUSY)
        session_error(job->job.session, job->job.id, "busy", "'%s': a %s is going on", name,
                      job->kind->name);
    else
        session_error(job->job.session, job->job.id, "failed", "'%s': %s", name,
                      rpr_strerror(result));
    job_end(&job->job);
}

void service_job_event(struct job *job, const struct rpr_event *event)
{
    struct service_job *own = (struct service_job *)job;

    if (event->kind != RPR_EVENT_DEVICE_REMOVED || event->device != own->device)
        return;
    rpr_device_put(own->device);
    own->device = NULL;
}

void service_job_fini(struct service_job *job)
{
    if (job->device != NULL)
        rpr_device_put(job->device);
    json_decref(job->name);
}
