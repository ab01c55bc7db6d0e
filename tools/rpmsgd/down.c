/* SPDX-License-Identifier: Apache-2.0 */
/* `down` and `up`. `down` answers when the link is: its routes end before it does. */
#include <stdlib.h>
#include <string.h>

#include "../common/text.h"
#include "command.h"
#include "control.h"
#include "daemon.h"
#include "job.h"
#include "leave.h"
#include "session.h"

struct down {
    struct job job;
    char *device;
};

static void on_event(struct job *job, const struct rpr_event *event)
{
    const struct down *down = (struct down *)job;

    if (event->kind == RPR_EVENT_DEVICE_STATE && event->state == RPR_DEVICE_DOWN &&
        strcmp(rpr_device_name(event->device), down->device) == 0)
        job_ok(job, json_object());
}

static void fini(struct job *job)
{
    free(((struct down *)job)->device);
}

/* It cannot be cancelled: what the edge has been told stays told. */
static void down_in_order(struct session *session, json_t *id, struct rpr_device *device)
{
    static const struct job_ops ops = {.event = on_event, .fini = fini};
    struct down *down = job_start(session, id, &ops, sizeof(*down));

    if (down == NULL)
        return;
    down->device = text_dup(rpr_device_name(device));
    leave_down(control_daemon(session->control), device);
}

void down_command(struct session *session, json_t *id, json_t *args)
{
    struct daemon *daemon = control_daemon(session->control);
    struct rpr_device *device = command_device(session, id, args);

    if (device == NULL)
        return;
    if (rpr_device_state(device) != RPR_DEVICE_DOWN && leave_can(daemon, device))
        down_in_order(session, id, device);
    else
        command_answer(session, id, device, rpr_device_down(device));
}

void up_command(struct session *session, json_t *id, json_t *args)
{
    struct daemon *daemon = control_daemon(session->control);
    struct rpr_device *device = command_device(session, id, args);

    if (device == NULL)
        return;
    command_answer(session, id, device, leave_up(daemon, device) ? 0 : rpr_device_up(device));
}
