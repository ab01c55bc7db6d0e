/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A command that has a service of this node do something with one device, and is answered when that
 * is over: `ping`, `test`. How such a job begins, and why it may not, is the same for all.
 */
#ifndef RPMSGD_SERVICE_JOB_H
#define RPMSGD_SERVICE_JOB_H

#include "job.h"
#include "service.h"

struct service_job { /* first in the job's own struct */
    struct job job;
    const struct service_kind *kind;
    struct rpr_device *device; /* NULL: it was removed, or the job did not begin */
    json_t *name;              /* of the device, as it was at the start */
};

/* What runs as that kind, or NULL: it is off, and the client was told. */
void *service_job_instance(struct session *session, json_t *id, const struct service_kind *kind);

/* Zeroed memory of `bytes` that begins with such a job. NULL: the client was told. */
void *service_job_start(struct session *session, json_t *id, const struct service_kind *kind,
                        struct rpr_device *device, const struct job_ops *ops, size_t bytes);

/* What the service said to it: 0 and it has begun, else the client is told, and the job ends. `absent`
 * says what a device does not do that is up and has no such endpoint. */
void service_job_begun(struct service_job *job, int result, const char *absent);

/* For the job's own event and fini. */
void service_job_event(struct job *job, const struct rpr_event *event);
void service_job_fini(struct service_job *job);

#endif
