/* SPDX-License-Identifier: Apache-2.0 */
/* `test`: one series of rpmsg-test, run by the owner. */
#include <rpr/test.h>

#include "command.h"
#include "control.h"
#include "daemon.h"
#include "job.h"
#include "service.h"
#include "session.h"
#include "show.h"

enum { TIMEOUT_MAX_MS = 86400000 };

struct test {
    struct job job;
    struct rpr_test_run *run; /* NULL: over */
    json_t *name;             /* of the device */
};

static const char *end_of(const struct rpr_test_result *result)
{
    switch (result->error) {
    case 0:
        return "done";
    case -RPR_ETIMEDOUT:
        return "timeout";
    case -RPR_ESTALE:
        return "stopped";
    default:
        return "lost";
    }
}

static void on_done(void *ctx, const struct rpr_test_result *result)
{
    struct test *test = ctx;

    test->run = NULL;
    job_ok(&test->job, json_pack("{s:O,s:I,s:I,s:I,s:I,s:s}", "device", test->name, "sent",
                                 (json_int_t)result->sent, "length", (json_int_t)result->length,
                                 "missing", (json_int_t)result->missing, "back_ns",
                                 (json_int_t)result->back_ns, "end", end_of(result)));
}

static void cancel(struct job *job)
{
    rpr_test_stop(((struct test *)job)->run);
}

static void fini(struct job *job)
{
    struct test *test = (struct test *)job;

    if (test->run != NULL)
        rpr_test_stop(test->run);
    json_decref(test->name);
}

static void refuse(struct session *session, json_t *id, const struct rpr_device *device, int result)
{
    struct rpr_device_info info;

    rpr_device_info(device, &info);
    if (result == -RPR_EBUSY)
        session_error(session, id, "busy", "'%s': a test is going on", info.name);
    else if (result != -RPR_ENOTCONN)
        session_error(session, id, "failed", "'%s': %s", info.name, rpr_strerror(result));
    else if (info.tx_len > 0)
        session_error(session, id, "not-up", "'%s' does not take part in tests", info.name);
    else
        session_error(session, id, "not-up", "'%s' is not up%s%s", info.name,
                      info.reason[0] != '\0' ? ": " : "", info.reason);
}

void test_command(struct session *session, json_t *id, json_t *args)
{
    static const struct job_ops ops = {.cancel = cancel, .fini = fini};
    struct rpr_test *service = service_instance(control_daemon(session->control), &service_test);
    struct rpr_test_config config = {
        .device = command_device(session, id, args), .timeout_ms = 5000, .done = on_done};

    if (config.device == NULL ||
        !command_number(session, id, args, "timeout_ms", 1, TIMEOUT_MAX_MS, &config.timeout_ms))
        return;
    if (service == NULL) {
        session_error(session, id, "not-up",
                      "the service test is off on this node: rpmsgd --service test");
        return;
    }
    struct test *test = job_start(session, id, &ops, sizeof(*test));
    if (test == NULL)
        return;
    test->name = show_text(rpr_device_name(config.device));
    config.ctx = test;
    int result = rpr_test_start(service, &config, &test->run);
    if (result == 0)
        return;
    refuse(session, id, config.device, result);
    job_end(&test->job);
}
