/* SPDX-License-Identifier: Apache-2.0 */
#include "attach.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../common/text.h"
#include "command.h"
#include "control.h"
#include "daemon.h"
#include "service.h"
#include "session.h"

#define ATTACHMENTS_MAX 256u
#define LINK_PAYLOAD    2048u /* for a server when no link of the node says otherwise */

struct attachment {
    struct attachment *next;
    char name[16];
    struct rpr_link *link;
    struct rpr_device *device; /* of the link */
    struct rpr_client_route *route;
    const struct service_kind *kind; /* instead of a route: it is a peer of this service */
    struct rpr_device *remote;       /* the only one that it has to do with then, or NULL; kept */
    bool route_ended; /* the remote closed: the client has heard it, or will, in order */
    bool lost;        /* the remote is gone without a word: so goes the client's link */
    bool gone;        /* the client is gone; what it sent has been taken */
    bool closing;     /* the route is told to close */
    bool closed;      /* there is no route (any more) */
};

struct attachments {
    struct daemon *daemon;
    struct attachment *first;
    unsigned count;
    unsigned number; /* of the last one */
};

struct attachments *attach_new(struct daemon *daemon)
{
    struct attachments *attachments = need_memory(sizeof(*attachments));

    attachments->daemon = daemon;
    return attachments;
}

void attach_free(struct attachments *attachments)
{
    free(attachments);
}

/* ---- end ----------------------------------------------------------------------------------------- */

static void on_ended(void *ctx, bool lost)
{
    struct attachment *attachment = ctx;

    if (lost)
        attachment->lost = true;
    else
        attachment->route_ended = true;
}

static void on_link_ended(void *ctx, const char *reason)
{
    struct attachment *attachment = ctx;

    (void)reason;
    attachment->gone = true;
}

/* All that the client's link took has been given to the remote. */
static void on_route_closed(void *ctx)
{
    struct attachment *attachment = ctx;

    attachment->route = NULL;
    attachment->closed = true;
}

static void route_close(struct attachment *attachment)
{
    if (attachment->route != NULL && !attachment->closing) {
        attachment->closing = true;
        rpr_client_route_close(attachment->route);
    }
}

static void attachment_free(struct attachments *attachments, struct attachment **place)
{
    struct attachment *attachment = *place;

    *place = attachment->next;
    attachments->count--;
    rpr_link_unregister(attachment->link);
    if (attachment->remote != NULL)
        rpr_device_put(attachment->remote);
    free(attachment);
}

/* What has ended is ended in order: a client whose remote is lost sees its link go; a remote whose
 * client is gone hears a close after the last of its data; only then the link itself goes, for the
 * route may hold messages that came over it. */
void attach_reap(struct attachments *attachments)
{
    struct attachment **place = &attachments->first;

    while (*place != NULL) {
        struct attachment *attachment = *place;
        bool over = attachment->gone || attachment->lost;

        if (attachment->lost && !attachment->gone)
            (void)rpr_device_down(attachment->device);
        if (over || attachment->route_ended)
            route_close(attachment);
        if (over && attachment->closed)
            attachment_free(attachments, place);
        else
            place = &attachment->next;
    }
}

bool attach_settled(const struct attachments *attachments)
{
    for (const struct attachment *a = attachments->first; a != NULL; a = a->next)
        if (a->closing && !a->closed)
            return false;
    return true;
}

bool attach_end(struct attachments *attachments)
{
    for (struct attachment *a = attachments->first; a != NULL; a = a->next)
        a->lost = true;
    attach_reap(attachments);
    return attachments->first == NULL;
}

void attach_close(struct attachments *attachments)
{
    while (attachments->first != NULL)
        attachment_free(attachments, &attachments->first);
}

/* ---- begin --------------------------------------------------------------------------------------- */

/* The longest message of the private link: what the device takes, so that a client never sends
 * what would be dropped further on. */
static uint32_t payload_for(const struct daemon *daemon, const struct rpr_device *device)
{
    uint32_t payload = config_payload(&daemon->config);

    if (device != NULL)
        return rpr_device_tx_len(device);
    return payload != 0 ? payload : LINK_PAYLOAD;
}

/* Takes over `fd`. */
static struct attachment *attachment_new(struct daemon *daemon, int fd, bool trusted,
                                         uint32_t payload, char error[RPR_ERROR_TEXT])
{
    struct attachments *all = daemon->attachments;
    struct attachment *attachment = need_memory(sizeof(*attachment));

    snprintf(attachment->name, sizeof(attachment->name), "%c%u", ATTACH_NAME_PREFIX, ++all->number);
    struct rpr_shm_config config = {
        .remote = attachment->name,
        .fd = fd,
        .trusted = trusted,
        .payload = payload,
        .ended = on_link_ended,
        .ctx = attachment,
    };
    if (rpr_shm_serve_fd(daemon->loop, &config, &attachment->link, error) != 0) {
        free(attachment);
        return NULL;
    }
    attachment->device = rpr_device_find(daemon->node, attachment->name);
    attachment->next = all->first;
    all->first = attachment;
    all->count++;
    return attachment;
}

static int route_open(struct daemon *daemon, struct attachment *attachment, const char *service,
                      const char *device)
{
    struct rpr_client_config config = {
        .client = attachment->device,
        .service = service,
        .device = device,
        .ended = on_ended,
        .closed = on_route_closed,
        .ctx = attachment,
    };
    int result = rpr_client_route_open(daemon->node, &config, &attachment->route);

    attachment->closed = result != 0;
    return result;
}

static void refuse(struct session *session, json_t *id, int result, const char *service,
                   const char *device)
{
    switch (result) {
    case -RPR_EEXIST:
        session_error(session, id, "exists", "the service '%s' is served by another program",
                      service);
        break;
    case -RPR_ENOTSUP:
        session_error(
            session, id, "not-supported",
            "this node has an endpoint of its own for '%s'%s%s, and there can be no other", service,
            device != NULL ? " with " : "", device != NULL ? device : "");
        break;
    case -RPR_ENAMETOOLONG:
        session_error(session, id, "bad-request",
                      "the service name '%s' is longer than %u bytes, or than the %u that can be "
                      "routed",
                      service, RPR_NAME_MAX, RPR_ROUTED_SERVICE_MAX);
        break;
    case -RPR_ENOENT:
        session_error(session, id, "no-device", "there is no device '%s'", device);
        break;
    default:
        session_error(session, id, "failed", "cannot attach: %s", rpr_strerror(result));
        break;
    }
}

/* ---- peers of services ------------------------------------------------------------------------------ */

static const struct attachment *find(const struct attachments *attachments,
                                     const struct rpr_device *device)
{
    const struct attachment *attachment = attachments->first;

    while (attachment != NULL && attachment->device != device)
        attachment = attachment->next;
    return attachment;
}

bool attach_is_peer(const struct attachments *attachments, const struct rpr_device *device,
                    const struct service_kind *kind)
{
    const struct attachment *attachment = find(attachments, device);

    return attachment != NULL && attachment->kind == kind && !attachment->gone;
}

const struct rpr_device *attach_remote(const struct attachments *attachments,
                                       const struct rpr_device *program)
{
    const struct attachment *attachment = find(attachments, program);

    return attachment != NULL ? attachment->remote : NULL;
}

/* The service finds the program by itself when it looks. */
static void peer_open(struct daemon *daemon, struct attachment *attachment,
                      const struct service_kind *kind, struct rpr_device *device)
{
    attachment->closed = true; /* there is no route */
    attachment->kind = kind;
    attachment->remote = device;
    if (device != NULL)
        rpr_device_get(device);
    kind->look(service_instance(daemon, kind));
}

/* The service on this node that programs can be peers of; NULL, and an error was sent. */
static const struct service_kind *own_service(struct session *session, json_t *id,
                                              const char *service)
{
    const struct service_kind *kind = service_kind_find(service);

    if (kind == NULL || !kind->programs)
        session_error(session, id, "bad-request", "'%s' is no service that programs take part in",
                      service);
    else if (service_instance(control_daemon(session->control), kind) == NULL)
        session_error(session, id, "not-up",
                      "the service %s is off on this node: rpmsgd --service %s", kind->name,
                      kind->name);
    else
        return kind;
    return NULL;
}

/* ---- the command ---------------------------------------------------------------------------------------- */

static void attach(struct session *session, json_t *id, const char *service,
                   const struct service_kind *own, struct rpr_device *device)
{
    struct daemon *daemon = control_daemon(session->control);
    const char *device_name = device != NULL ? rpr_device_name(device) : NULL;
    uint32_t payload = payload_for(daemon, own == NULL ? device : NULL);
    char error[RPR_ERROR_TEXT] = "";
    int ends[2];

    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) != 0) {
        session_error(session, id, "failed", "cannot make a socket: %s", strerror(errno));
        return;
    }
    bool trusted = rpr_unix_same_user(session->watch.fd);
    struct attachment *attachment = attachment_new(daemon, ends[0], trusted, payload, error);
    if (attachment == NULL) {
        close(ends[1]);
        session_error(session, id, "failed", "cannot attach: %s", error);
        return;
    }
    int result = 0;
    if (own != NULL)
        peer_open(daemon, attachment, own, device);
    else
        result = route_open(daemon, attachment, service, device_name);
    if (result != 0) {
        attachment->gone = true; /* the next reap ends it */
        close(ends[1]);
        refuse(session, id, result, service, device_name);
        return;
    }
    session_send_fd(session,
                    json_pack("{s:O,s:b,s:{s:s,s:s?}}", "id", id, "ok", 1, "result", "service",
                              service, "device", device_name),
                    ends[1]);
}

/* A device to attach to must be up: only then is it known how long its messages may be. */
static bool is_up(struct session *session, json_t *id, const struct rpr_device *device)
{
    struct rpr_device_info info;

    rpr_device_info(device, &info);
    if (info.tx_len > 0)
        return true;
    session_error(session, id, "not-up", "'%s' is not up%s%s", info.name,
                  info.reason[0] != '\0' ? ": " : "", info.reason);
    return false;
}

void attach_command(struct session *session, json_t *id, json_t *args)
{
    struct rpr_device *device = NULL;
    const struct service_kind *own = NULL;
    const char *service, *name;

    if (!command_text(session, id, args, "service", &service) ||
        !command_option(session, id, args, "device", &name))
        return;
    if (name != NULL) {
        device = command_device(session, id, args);
        if (device == NULL ||
            (!json_is_true(json_object_get(args, "own")) && !is_up(session, id, device)))
            return;
    }
    if (json_is_true(json_object_get(args, "own"))) {
        own = own_service(session, id, service);
        if (own == NULL)
            return;
    }
    if (control_daemon(session->control)->attachments->count >= ATTACHMENTS_MAX)
        session_error(session, id, "busy", "%u programs are attached", ATTACHMENTS_MAX);
    else
        attach(session, id, service, own, device);
}
