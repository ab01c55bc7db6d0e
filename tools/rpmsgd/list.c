/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `ls` and `dump`. A node may have very many endpoints and routes, and the owner has messages to
 * carry: the answer is written a part at a time, the next one when the client has taken the last
 * (docs/CONTROL.md, "Answers in parts"). Handles of endpoints are taken when their device is
 * begun; one that closes before its turn is left out.
 */
#include <stdlib.h>
#include <string.h>

#include "../common/text.h"
#include "command.h"
#include "control.h"
#include "daemon.h"
#include "job.h"
#include "serial.h"
#include "session.h"
#include "show.h"

/* Of a part: each entry is below 400 bytes, so that a part stays well below a line's 64 KiB. */
#define PART_ENTRIES   96u
#define DEVICE_ENTRIES 4u /* what the head of a device counts for */

/* A route as it was when the answer began; texts are copied because their owner may go. */
struct route_copy {
    struct rpr_route_info info;
    char from[RPR_NAME_MAX + 1], to[RPR_NAME_MAX + 1], service[RPR_NAME_MAX + 1], reason[128];
};

enum stage { STAGE_HEAD, STAGE_ENDPOINTS, STAGE_BUFFERS };

struct list {
    struct job job;
    bool detail;
    char *only; /* one device's name, or NULL: all */
    struct rpr_device **devices;
    size_t n_devices, device;
    enum stage stage; /* of the current device */
    rpr_ept_t *epts;
    size_t n_epts, ept;
    unsigned buffer; /* cursor of rpr_device_buffer() */
    struct route_copy *routes;
    size_t n_routes, route, routes_room;
};

/* ---- what there is, taken at the start ------------------------------------------------------------ */

static void take_devices(struct list *list, struct rpr_node *node)
{
    for (struct rpr_device *device = rpr_device_next(node, NULL); device != NULL;
         device = rpr_device_next(node, device)) {
        if (!show_device(device) ||
            (list->only != NULL && strcmp(rpr_device_name(device), list->only) != 0))
            continue;
        list->devices = need_array(list->devices, list->n_devices + 1, sizeof(*list->devices));
        list->devices[list->n_devices++] = device;
        rpr_device_get(device);
    }
}

static void copy_text(char *to, size_t size, const char *text)
{
    size_t length = strlen(text);

    if (length >= size)
        length = size - 1;
    memcpy(to, text, length);
    to[length] = '\0';
}

static bool take_route(void *ctx, const struct rpr_route_info *info)
{
    struct list *list = ctx;

    if (list->only != NULL && strcmp(info->from, list->only) != 0 &&
        strcmp(info->to, list->only) != 0)
        return true;
    if (list->n_routes == list->routes_room) {
        list->routes_room = list->routes_room * 2 + 16;
        list->routes = need_array(list->routes, list->routes_room, sizeof(*list->routes));
    }
    struct route_copy *copy = &list->routes[list->n_routes++];
    copy->info = *info;
    copy_text(copy->from, sizeof(copy->from), info->from);
    copy_text(copy->to, sizeof(copy->to), info->to);
    copy_text(copy->service, sizeof(copy->service), info->service);
    copy_text(copy->reason, sizeof(copy->reason), info->reason);
    return true;
}

static void take_endpoints(struct list *list, struct rpr_device *device)
{
    size_t room = 0;

    list->n_epts = 0;
    list->ept = 0;
    for (rpr_ept_t ept = rpr_ept_next(device, (rpr_ept_t){0}); ept.endpoint != NULL;
         ept = rpr_ept_next(device, ept)) {
        if (list->n_epts == room) {
            room = room * 2 + 16;
            list->epts = need_array(list->epts, room, sizeof(*list->epts));
        }
        list->epts[list->n_epts++] = ept;
    }
}

/* ---- a part -------------------------------------------------------------------------------------- */

/* Returns what is left of `room` entries. */
static unsigned add_endpoints(struct list *list, json_t *object, unsigned room)
{
    json_t *endpoints = json_object_get(object, "endpoints");

    for (; list->ept < list->n_epts && room > 0; list->ept++) {
        json_t *endpoint = show_endpoint(list->epts[list->ept], list->detail);
        if (endpoint == NULL)
            continue;
        json_array_append_new(endpoints, endpoint);
        room--;
    }
    if (list->ept == list->n_epts)
        list->stage = STAGE_BUFFERS;
    return room;
}

static unsigned add_buffers(struct list *list, struct rpr_device *device, json_t *object,
                            unsigned room)
{
    struct rpr_buffer_info info;
    json_t *buffers = json_object_get(object, "buffers");

    for (; room > 0 && rpr_device_buffer(device, &list->buffer, &info); room--)
        json_array_append_new(buffers, show_buffer(&info, device));
    return room;
}

static void add_detail(const struct list *list, struct rpr_device *device, json_t *object)
{
    json_t *serial = serial_show(job_daemon(&list->job), rpr_device_name(device));

    show_device_detail(device, object);
    if (serial != NULL)
        json_object_set_new(object, "serial", serial);
}

static json_t *begin_device(struct list *list, struct rpr_device *device)
{
    json_t *object;

    if (list->stage == STAGE_HEAD) {
        object = show_device_head(device);
        if (list->detail)
            add_detail(list, device, object);
        take_endpoints(list, device);
        list->buffer = 0;
        list->stage = STAGE_ENDPOINTS;
        return object;
    }
    object = json_pack("{s:o,s:[]}", "name", show_text(rpr_device_name(device)), "endpoints");
    if (list->detail)
        json_object_set_new(object, "buffers", json_array());
    return object;
}

static unsigned add_device(struct list *list, json_t *part, unsigned room)
{
    struct rpr_device *device = list->devices[list->device];
    bool done = true;

    room = room > DEVICE_ENTRIES ? room - DEVICE_ENTRIES : 0;
    if (device != NULL) {
        json_t *object = begin_device(list, device);
        json_array_append_new(json_object_get(part, "devices"), object);
        if (list->stage == STAGE_ENDPOINTS)
            room = add_endpoints(list, object, room);
        if (list->stage == STAGE_BUFFERS && list->detail)
            room = add_buffers(list, device, object, room);
        done = list->stage == STAGE_BUFFERS && (!list->detail || room > 0);
    }
    if (done) {
        list->device++;
        list->stage = STAGE_HEAD;
    }
    return room;
}

static unsigned add_routes(struct list *list, json_t *part, unsigned room)
{
    json_t *routes = json_object_get(part, "routes");

    for (; list->route < list->n_routes && room > 0; list->route++, room--) {
        struct route_copy *copy = &list->routes[list->route];
        copy->info.from = copy->from;
        copy->info.to = copy->to;
        copy->info.service = copy->service;
        copy->info.reason = copy->reason;
        json_array_append_new(routes, show_route(&copy->info, list->detail));
    }
    return room;
}

static void produce(struct job *job)
{
    struct list *list = (struct list *)job;
    unsigned room = PART_ENTRIES;
    json_t *part = json_pack("{s:s,s:[],s:[]}", "node", rpr_node_name(job_daemon(job)->node),
                             "devices", "routes");

    while (list->device < list->n_devices && room > 0)
        room = add_device(list, part, room);
    if (list->device == list->n_devices)
        room = add_routes(list, part, room);
    if (list->device == list->n_devices && list->route == list->n_routes)
        job_ok(job, part);
    else
        job_event(job, "part", json_pack("{s:o}", "part", part));
}

/* ---- life ---------------------------------------------------------------------------------------- */

static void on_event(struct job *job, const struct rpr_event *event)
{
    struct list *list = (struct list *)job;

    if (event->kind != RPR_EVENT_DEVICE_REMOVED)
        return;
    for (size_t i = 0; i < list->n_devices; i++)
        if (list->devices[i] == event->device)
            list->devices[i] = NULL;
}

static void cancel(struct job *job)
{
    session_error(job->session, job->id, "cancelled", "cancelled");
    job_end(job);
}

static void fini(struct job *job)
{
    struct list *list = (struct list *)job;

    for (size_t i = 0; i < list->n_devices; i++)
        if (list->devices[i] != NULL)
            rpr_device_put(list->devices[i]);
    free(list->devices);
    free(list->epts);
    free(list->routes);
    free(list->only);
}

static void start(struct session *session, json_t *id, json_t *args, bool detail)
{
    static const struct job_ops ops = {
        .event = on_event, .produce = produce, .cancel = cancel, .fini = fini};
    struct rpr_node *node = control_daemon(session->control)->node;
    const char *only;

    if (!command_option(session, id, args, "device", &only))
        return;
    if (only != NULL && command_device(session, id, args) == NULL)
        return;
    struct list *list = job_start(session, id, &ops, sizeof(*list));
    if (list == NULL)
        return;
    list->detail = detail;
    list->only = only != NULL ? text_dup(only) : NULL;
    take_devices(list, node);
    rpr_routes(node, take_route, list);
}

void list_command(struct session *session, json_t *id, json_t *args)
{
    start(session, id, args, false);
}

void dump_command(struct session *session, json_t *id, json_t *args)
{
    start(session, id, args, true);
}
