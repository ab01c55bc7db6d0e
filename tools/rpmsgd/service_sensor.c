/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rpmsg-sensor: the node's topics. Its peers are remote CPUs, and local programs on private links;
 * samples go between all but two remote CPUs. Off by default: what remote CPUs may read and write is
 * to be said.
 */
#include <rpr/sensor.h>

#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../common/text.h"
#include "attach.h"
#include "daemon.h"
#include "sensor.h"
#include "service.h"

#define TOPICS      256u
#define QUEUE_BYTES 1048576u /* memory is touched as it is used */
#define QUEUE_LEAST 4096u
#define QUEUE_MOST  67108864u
#define TOPICS_MOST 4096u
#define FOLDER      "/dev/uorb/"

struct sensor_service {
    struct daemon *daemon;
    struct rpr_sensor *sensor;
    char *read, *write; /* PATTERN+PATTERN...; NULL: every topic */
};

/* ---- keys ---------------------------------------------------------------------------------------------- */

static bool check_number(const char *value, uint32_t min, uint32_t max,
                         char why[CONFIG_ERROR_BYTES])
{
    uint32_t number;

    if (text_to_u32(value, min, max, &number))
        return true;
    snprintf(why, CONFIG_ERROR_BYTES, "a number from %u to %u", min, max);
    return false;
}

static bool check_queue(const char *value, char why[CONFIG_ERROR_BYTES])
{
    return check_number(value, QUEUE_LEAST, QUEUE_MOST, why);
}

static bool check_topics(const char *value, char why[CONFIG_ERROR_BYTES])
{
    return check_number(value, 1, TOPICS_MOST, why);
}

static uint32_t number_of(const struct config_service *service, const char *key, uint32_t otherwise)
{
    const char *value = service_value(service, key);

    return value != NULL ? (uint32_t)strtoul(value, NULL, 10) : otherwise;
}

static char *text_of(const struct config_service *service, const char *key)
{
    const char *value = service_value(service, key);

    return value != NULL ? text_dup(value) : NULL;
}

/* ---- rights --------------------------------------------------------------------------------------------- */

/* A pattern without a folder is one of the topics in /dev/uorb. */
static bool fits(const char *pattern, const char *path)
{
    if (pattern[0] != '/' && strncmp(path, FOLDER, strlen(FOLDER)) == 0)
        path += strlen(FOLDER);
    return fnmatch(pattern, path, 0) == 0;
}

static bool among(const char *patterns, const char *path)
{
    char *all, *at, *next;
    bool found = false;

    if (patterns == NULL)
        return true;
    all = text_dup(patterns);
    for (at = all; at != NULL && !found; at = next) {
        next = strchr(at, '+');
        if (next != NULL)
            *next++ = '\0';
        found = strcmp(at, "none") != 0 && fits(at, path);
    }
    free(all);
    return found;
}

/* Programs were let in by the control socket. */
static unsigned rights(void *ctx, const struct rpr_device *device, const char *path)
{
    const struct sensor_service *service = ctx;

    if (rpr_device_name(device)[0] == ATTACH_NAME_PREFIX)
        return RPR_SENSOR_READ | RPR_SENSOR_WRITE;
    return (among(service->read, path) ? RPR_SENSOR_READ : 0u) |
           (among(service->write, path) ? RPR_SENSOR_WRITE : 0u);
}

/* ---- life ------------------------------------------------------------------------------------------------ */

static bool is_program(void *ctx, const struct rpr_device *device)
{
    const struct sensor_service *service = ctx;

    return attach_is_peer(service->daemon->attachments, device, &service_sensor);
}

static const struct rpr_device *only(void *ctx, const struct rpr_device *program)
{
    const struct sensor_service *service = ctx;

    return attach_remote(service->daemon->attachments, program);
}

static void close_sensor(void *instance)
{
    struct sensor_service *service = instance;

    if (service->sensor != NULL)
        rpr_sensor_close(service->sensor);
    free(service->read);
    free(service->write);
    free(service);
}

static void *open_sensor(struct daemon *daemon, const struct config_service *said,
                         const struct rpr_service_scope *scope, char error[CONFIG_ERROR_BYTES])
{
    struct sensor_service *service = need_memory(sizeof(*service));
    uint32_t queue_bytes = number_of(said, "queue", QUEUE_BYTES);
    uint32_t topics = number_of(said, "topics", TOPICS);
    struct rpr_sensor_config config = {.topics = topics,
                                       .peer_topics = topics > 1 ? topics / 2 : 1,
                                       .queue_bytes = queue_bytes,
                                       .queue_most = queue_bytes,
                                       .is_program = is_program,
                                       .only = only,
                                       .rights = rights,
                                       .ctx = service};

    service->daemon = daemon;
    service->read = text_of(said, "read");
    service->write = text_of(said, "write");
    int result = rpr_sensor_open(daemon->node, scope, &config, &service->sensor);
    if (result == 0)
        return service;
    config_error(error, said->where, "%s", rpr_strerror(result));
    close_sensor(service);
    return NULL;
}

static void look(void *instance)
{
    rpr_sensor_look(((struct sensor_service *)instance)->sensor);
}

static bool closed(const void *instance, unsigned n, struct rpr_service_closed *info)
{
    return rpr_sensor_closed(((const struct sensor_service *)instance)->sensor, n, info);
}

static void stats(void *instance, json_t *object)
{
    const struct sensor_service *service = instance;
    struct rpr_sensor_peer_info one, all = {.rx = 0};

    for (unsigned n = 0; rpr_sensor_peer(service->sensor, n, &one); n++) {
        all.rx += one.rx;
        all.tx += one.tx;
        all.late += one.late;
        all.refused += one.refused;
        all.errors += one.errors;
    }
    service_stat(object, "sensor", "rx", all.rx);
    service_stat(object, "sensor", "tx", all.tx);
    service_stat(object, "sensor", "late", all.late);
    service_stat(object, "sensor", "refused", all.refused);
    service_stat(object, "sensor", "errors", all.errors);
}

struct rpr_sensor *sensor_of(const struct daemon *daemon)
{
    const struct sensor_service *service = service_instance(daemon, &service_sensor);

    return service != NULL ? service->sensor : NULL;
}

const struct service_kind service_sensor = {
    .name = "sensor",
    .endpoint = RPR_SENSOR_SERVICE,
    .programs = true,
    .keys = {{"read", NULL}, {"write", NULL}, {"queue", check_queue}, {"topics", check_topics}},
    .open = open_sensor,
    .look = look,
    .close = close_sensor,
    .closed = closed,
    .stats = stats,
};
