/* SPDX-License-Identifier: Apache-2.0 */
#include "command.h"

#include <string.h>

#include "control.h"
#include "daemon.h"
#include "job.h"
#include "service.h"
#include "session.h"
#include "show.h"

/* ---- arguments ----------------------------------------------------------------------------------- */

bool command_option(struct session *session, json_t *id, json_t *args, const char *key,
                    const char **text)
{
    json_t *value = json_object_get(args, key);

    *text = json_string_value(value);
    if (value == NULL || json_is_null(value) || *text != NULL)
        return true;
    session_error(session, id, "bad-request", "args.%s must be a string", key);
    return false;
}

bool command_text(struct session *session, json_t *id, json_t *args, const char *key,
                  const char **text)
{
    if (!command_option(session, id, args, key, text))
        return false;
    if (*text != NULL && (*text)[0] != '\0')
        return true;
    session_error(session, id, "bad-request", "args.%s is missing", key);
    return false;
}

bool command_number(struct session *session, json_t *id, json_t *args, const char *key,
                    uint32_t min, uint32_t max, uint32_t *number)
{
    json_t *value = json_object_get(args, key);

    if (value == NULL || json_is_null(value))
        return true;
    json_int_t given = json_integer_value(value);
    if (json_is_integer(value) && given >= (json_int_t)min && given <= (json_int_t)max) {
        *number = (uint32_t)given;
        return true;
    }
    session_error(session, id, "bad-request", "args.%s must be a number from %u to %u", key, min,
                  max);
    return false;
}

struct rpr_device *command_device(struct session *session, json_t *id, json_t *args)
{
    struct rpr_device *device;
    const char *name;

    if (!command_text(session, id, args, "device", &name))
        return NULL;
    device = rpr_device_find(control_daemon(session->control)->node, name);
    if (device != NULL && show_device(device))
        return device;
    session_error(session, id, "no-device", "there is no device '%s'", name);
    return NULL;
}

/* ---- small commands ------------------------------------------------------------------------------ */

void command_answer(struct session *session, json_t *id, struct rpr_device *device, int result)
{
    struct rpr_device_info info;

    if (result == 0) {
        session_ok(session, id, json_object());
        return;
    }
    rpr_device_info(device, &info);
    if (result == -RPR_ENOTCONN)
        session_error(session, id, "not-up", "'%s' is not up%s%s", info.name,
                      info.reason[0] != '\0' ? ": " : "", info.reason);
    else if (result == -RPR_ENOTSUP)
        session_error(session, id, "not-supported", "the %s '%s' cannot do this",
                      info.kind == RPR_DEVICE_LINK ? "link" : "routed device", info.name);
    else
        session_error(session, id, "failed", "'%s': %s", info.name, rpr_strerror(result));
}

static void power(struct session *session, json_t *id, json_t *args, bool running)
{
    struct rpr_device *device = command_device(session, id, args);

    if (device != NULL)
        command_answer(session, id, device, rpr_device_power(device, running));
}

static void suspend_command(struct session *session, json_t *id, json_t *args)
{
    power(session, id, args, false);
}

static void resume_command(struct session *session, json_t *id, json_t *args)
{
    power(session, id, args, true);
}

static void services_command(struct session *session, json_t *id, json_t *args)
{
    (void)args;
    session_ok(session, id,
               json_pack("{s:o}", "services", services_show(control_daemon(session->control))));
}

static void cancel_command(struct session *session, json_t *id, json_t *args)
{
    json_t *wanted = json_object_get(args, "id");

    for (struct job *job = session->jobs; job != NULL; job = job->next)
        if (!job->ended && job->ops->cancel != NULL && json_equal(job->id, wanted)) {
            job->ops->cancel(job);
            session_ok(session, id, json_object());
            return;
        }
    session_error(session, id, "no-command", "no command with that id is running");
}

/* ---- dispatch ------------------------------------------------------------------------------------ */

static const struct {
    const char *name;
    command_fn *run;
    bool changes; /* for the daemon's own user and root only */
} commands[] = {
    {"ls", list_command, false},           {"dump", dump_command, false},
    {"stats", stats_command, false},       {"wait", wait_command, false},
    {"events", events_command, false},     {"cancel", cancel_command, false},
    {"services", services_command, false}, {"sensor", sensor_command, false},
    {"ping", ping_command, true},          {"test", test_command, true},
    {"attach", attach_command, true},      {"suspend", suspend_command, true},
    {"resume", resume_command, true},      {"up", up_command, true},
    {"down", down_command, true},
};

static void dispatch(struct session *session, json_t *id, const char *name, json_t *args)
{
    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
        if (strcmp(commands[i].name, name) != 0)
            continue;
        if (commands[i].changes && !session->may_change)
            session_error(session, id, "denied", "only the daemon's user and root may %s", name);
        else
            commands[i].run(session, id, args);
        return;
    }
    session_error(session, id, "unknown-command", "unknown command '%.64s'", name);
}

static void run_object(struct session *session, json_t *request)
{
    json_t *id = json_object_get(request, "id");
    json_t *command = json_object_get(request, "cmd");
    json_t *args = json_object_get(request, "args");
    bool good_id = id == NULL || json_is_integer(id) || json_is_string(id) || json_is_null(id);

    if (id == NULL || !good_id)
        id = json_null();
    if (!good_id)
        session_error(session, id, "bad-request", "id must be a number or a string");
    else if (!json_is_string(command))
        session_error(session, id, "bad-request", "cmd must be a string");
    else if (args != NULL && !json_is_null(args) && !json_is_object(args))
        session_error(session, id, "bad-request", "args must be an object");
    else
        dispatch(session, id, json_string_value(command), args);
}

void command_run(struct session *session, const char *line, size_t length)
{
    json_error_t error;
    json_t *request = json_loadb(line, length, JSON_REJECT_DUPLICATES, &error);

    if (request == NULL)
        session_error(session, json_null(), "bad-json", "%s", error.text);
    else if (!json_is_object(request))
        session_error(session, json_null(), "bad-request", "a request is an object");
    else
        run_object(session, request);
    json_decref(request);
}
