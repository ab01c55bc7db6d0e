/* SPDX-License-Identifier: Apache-2.0 */
#include "posix/program.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "posix/attach.h"
#include "posix/loop.h"

#define MAX_MESSAGE   65519u /* of any link */
#define SLOTS         64u    /* messages kept; memory is touched as it is used */
#define LINK_UP_MS    5000
#define LOOK_TAKEN_MS 1 /* nobody rings for buffers that nobody waits for */
#define REMOTE        "daemon"

static int complain(char error[RPR_ERROR_TEXT], int code, const char *what)
{
    snprintf(error, RPR_ERROR_TEXT, "%.200s", what);
    return code;
}

/* ---- waiting ------------------------------------------------------------------------------------------- */

uint64_t program_deadline(int timeout_ms)
{
    return timeout_ms < 0 ? UINT64_MAX : loop_clock_ns() + (uint64_t)timeout_ms * UINT64_C(1000000);
}

int program_turn(struct rpr_program *p, uint64_t deadline_ns, int step_ms)
{
    uint64_t now = deadline_ns == UINT64_MAX ? 0 : loop_clock_ns();
    uint64_t left_ms = deadline_ns > now ? (deadline_ns - now + 999999u) / 1000000u : 0;
    int ms = deadline_ns == UINT64_MAX ? -1 : left_ms > 3600000u ? 3600000 : (int)left_ms;
    int error;

    if (step_ms >= 0 && (ms < 0 || ms > step_ms))
        ms = step_ms;
    error = rpr_loop_turn(p->loop, ms);
    return error ? error : deadline_ns <= now ? -RPR_ETIMEDOUT : 0;
}

bool program_taken(struct rpr_program *p)
{
    struct rpr_queue_info tx;

    if (!rpr_device_queue(p->device, 0, &tx))
        return true;
    (void)p->link->ops->writable(p->link); /* takes back what was returned */
    return rpr_device_queue(p->device, 0, &tx) && tx.pending == 0;
}

/* ---- open and close -------------------------------------------------------------------------------------- */

static int open_loop(struct rpr_program *p, char error[RPR_ERROR_TEXT])
{
    char name[RPR_NAME_MAX + 1];
    struct rpr_loop_config config = {.name = name, .slot_bytes = MAX_MESSAGE, .slots = SLOTS};
    int code;

    snprintf(name, sizeof(name), "client-%ld", (long)getpid());
    code = rpr_loop_open(&p->loop, &config);
    return code ? complain(error, code, rpr_strerror(code)) : 0;
}

static void on_ended(void *ctx, const char *reason)
{
    struct rpr_program *p = ctx;

    p->lost = true;
    snprintf(p->reason, sizeof(p->reason), "%s", reason);
    if (p->on_lost)
        p->on_lost(p->ctx);
}

static int open_link(struct rpr_program *p, const struct attached *attached,
                     char error[RPR_ERROR_TEXT])
{
    struct rpr_shm_config config = {.remote = REMOTE,
                                    .fd = attached->fd,
                                    .trusted = attached->trusted,
                                    .ended = on_ended,
                                    .ctx = p};
    uint64_t deadline = program_deadline(LINK_UP_MS);
    int code = rpr_shm_join_fd(p->loop, &config, &p->link, error);

    if (code)
        return code;
    p->device = rpr_device_find(rpr_loop_node(p->loop), REMOTE);
    while (rpr_device_state(p->device) != RPR_DEVICE_UP && !p->lost && !code)
        code = program_turn(p, deadline, -1);
    if (p->lost)
        return complain(error, -RPR_ENOTCONN, p->reason);
    return code ? complain(error, code, "the daemon does not make the link") : 0;
}

int program_open(struct rpr_program *p, const struct program_request *request,
                 char error[RPR_ERROR_TEXT])
{
    struct attached attached;
    char path[108];
    int code;

    p->control = -1;
    code = rpr_control_find(path, request->control, NULL, error);
    if (!code)
        code = attach(&attached, path, request->device, request->service, request->own, error);
    if (code)
        return code;
    p->control = attached.control;
    code = open_loop(p, error);
    if (code) {
        close(attached.fd);
        return code;
    }
    return open_link(p, &attached, error);
}

void program_close(struct rpr_program *p)
{
    rpr_loop_close(p->loop);
    if (p->control >= 0)
        close(p->control);
}

/* ---- interface ----------------------------------------------------------------------------------------------- */

int rpr_program_open(struct rpr_program **result, const char *control, const char *service,
                     const char *device, char error[RPR_ERROR_TEXT])
{
    struct rpr_program *p = calloc(1, sizeof(*p));
    struct program_request request = {
        .control = control, .service = service, .device = device, .own = true};
    int code;

    if (!p)
        return complain(error, -RPR_ENOMEM, "out of memory");
    p->control = -1;
    code = strlen(service) > RPR_NAME_MAX || (device && strlen(device) > RPR_NAME_MAX)
               ? complain(error, -RPR_EINVAL, "a service and a device have names of 1 to 31 bytes")
               : 0;
    if (!code)
        code = program_open(p, &request, error);
    if (code) {
        rpr_program_close(p);
        return code;
    }
    *result = p;
    return 0;
}

struct rpr_loop *rpr_program_loop(struct rpr_program *p)
{
    return p->loop;
}

const char *rpr_program_lost(const struct rpr_program *p)
{
    return p->lost ? p->reason : NULL;
}

int rpr_program_drain(struct rpr_program *p, int timeout_ms)
{
    uint64_t deadline = program_deadline(timeout_ms);
    int code = 0;

    for (;;) {
        if (p->lost)
            return -RPR_ENOTCONN;
        if (program_taken(p) || code)
            return code;
        code = program_turn(p, deadline, LOOK_TAKEN_MS);
    }
}

void rpr_program_close(struct rpr_program *p)
{
    program_close(p);
    free(p);
}
