/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `sensor`: topics, and what each peer has to do with them, in parts (docs/CONTROL.md). Samples do not
 * flow here: programs have private links.
 */
#include "sensor.h"

#include <rpr/sensor.h>

#include "attach.h"
#include "command.h"
#include "control.h"
#include "daemon.h"
#include "job.h"
#include "session.h"
#include "show.h"

/* Of a part: each entry is below 400 bytes. */
#define PART_ENTRIES 96u

enum stage { STAGE_TOPICS, STAGE_LINKS, STAGE_PEERS, STAGE_END };

struct listing {
    struct job job;
    enum stage stage;
    uint32_t cursor; /* of rpr_sensor_topic() */
    unsigned n;      /* of the next link of that topic, or peer */
};

static const char *kind_of(enum rpr_sensor_group group)
{
    return group == RPR_SENSOR_PROGRAM ? "program" : "remote";
}

/* ---- entries ------------------------------------------------------------------------------------------- */

static json_t *show_topic(const struct rpr_sensor_topic_info *t)
{
    return json_pack("{s:s,s:i,s:i,s:I,s:b,s:I,s:I,s:I,s:I,s:I,s:I,s:f}", "path", t->path,
                     "publishers", (int)t->publishers, "subscribers", (int)t->subscribers,
                     "nbuffer", (json_int_t)t->nbuffer, "persist", t->persist, "interval_us",
                     (json_int_t)t->interval_us, "latency_us", (json_int_t)t->latency_us, "samples",
                     (json_int_t)t->samples, "bytes", (json_int_t)t->bytes, "queue_bytes",
                     (json_int_t)t->queue_bytes, "queued", (json_int_t)t->queued_most, "rate_hz",
                     (double)t->rate_mhz / 1000.0);
}

static json_t *show_link(const char *path, const struct rpr_sensor_link_info *l)
{
    return json_pack("{s:s,s:o,s:s,s:b,s:b,s:b,s:I,s:I,s:I,s:I,s:I}", "topic", path, "device",
                     show_text(rpr_device_name(l->device)), "kind", kind_of(l->group), "publishes",
                     l->publishes, "subscribes", l->subscribes, "nonwakeup", l->nonwakeup,
                     "interval_us", (json_int_t)l->interval_us, "latency_us",
                     (json_int_t)l->latency_us, "rx", (json_int_t)l->rx, "tx", (json_int_t)l->tx,
                     "dropped", (json_int_t)l->dropped);
}

static json_t *show_peer(const struct rpr_sensor_peer_info *p)
{
    return json_pack("{s:o,s:s,s:b,s:s,s:I,s:I,s:I,s:I,s:I}", "device",
                     show_text(rpr_device_name(p->device)), "kind", kind_of(p->group), "bound",
                     p->bound, "reason", p->reason, "rx", (json_int_t)p->rx, "tx",
                     (json_int_t)p->tx, "late", (json_int_t)p->late, "refused",
                     (json_int_t)p->refused, "errors", (json_int_t)p->errors);
}

/* ---- a part ---------------------------------------------------------------------------------------------- */

static bool next_topic(struct listing *l, const struct rpr_sensor *sensor, json_t *part)
{
    struct rpr_sensor_topic_info info;

    if (!rpr_sensor_topic(sensor, &l->cursor, &info))
        return false;
    json_array_append_new(json_object_get(part, "topics"), show_topic(&info));
    return true;
}

static bool next_link(struct listing *l, const struct rpr_sensor *sensor, json_t *part)
{
    struct rpr_sensor_topic_info topic;
    struct rpr_sensor_link_info info;

    for (uint32_t here = l->cursor; rpr_sensor_topic(sensor, &here, &topic); l->cursor = here) {
        if (rpr_sensor_link(sensor, topic.path, l->n, &info)) {
            l->n++;
            json_array_append_new(json_object_get(part, "links"), show_link(topic.path, &info));
            return true;
        }
        l->n = 0;
    }
    return false;
}

static bool next_peer(struct listing *l, const struct rpr_sensor *sensor, json_t *part)
{
    struct rpr_sensor_peer_info info;

    if (!rpr_sensor_peer(sensor, l->n, &info))
        return false;
    l->n++;
    json_array_append_new(json_object_get(part, "peers"), show_peer(&info));
    return true;
}

static bool next_entry(struct listing *l, const struct rpr_sensor *sensor, json_t *part)
{
    switch (l->stage) {
    case STAGE_TOPICS:
        return next_topic(l, sensor, part);
    case STAGE_LINKS:
        return next_link(l, sensor, part);
    default:
        return next_peer(l, sensor, part);
    }
}

static void produce(struct job *job)
{
    struct listing *l = (struct listing *)job;
    const struct rpr_sensor *sensor = sensor_of(job_daemon(job));
    json_t *part = json_pack("{s:[],s:[],s:[]}", "topics", "links", "peers");

    for (unsigned room = PART_ENTRIES; l->stage != STAGE_END && room > 0 && sensor != NULL;) {
        if (next_entry(l, sensor, part)) {
            room--;
            continue;
        }
        l->stage++;
        l->cursor = 0;
        l->n = 0;
    }
    if (l->stage == STAGE_END || sensor == NULL)
        job_ok(job, part);
    else
        job_event(job, "part", json_pack("{s:o}", "part", part));
}

static void cancel(struct job *job)
{
    session_error(job->session, job->id, "cancelled", "cancelled");
    job_end(job);
}

static void fini(struct job *job)
{
    (void)job;
}

void sensor_command(struct session *session, json_t *id, json_t *args)
{
    static const struct job_ops ops = {.produce = produce, .cancel = cancel, .fini = fini};

    (void)args;
    if (sensor_of(control_daemon(session->control)) == NULL)
        session_error(session, id, "not-up",
                      "the service sensor is off on this node: rpmsgd --service sensor");
    else
        (void)job_start(session, id, &ops, sizeof(struct listing));
}
