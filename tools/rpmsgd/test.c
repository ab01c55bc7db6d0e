/* SPDX-License-Identifier: Apache-2.0 */
/* `test`: one series of rpmsg-test, run by the owner. */
#include <rpr/test.h>

#include "command.h"
#include "service_job.h"

enum { TIMEOUT_MAX_MS = 86400000 };

struct test {
    struct service_job own;
    struct rpr_test_run *run; /* NULL: over */
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
    job_ok(&test->own.job, json_pack("{s:O,s:I,s:I,s:I,s:I,s:s}", "device", test->own.name, "sent",
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
    service_job_fini(&test->own);
}

void test_command(struct session *session, json_t *id, json_t *args)
{
    static const struct job_ops ops = {.event = service_job_event, .cancel = cancel, .fini = fini};
    struct rpr_test_config config = {
        .device = command_device(session, id, args), .timeout_ms = 5000, .done = on_done};
    struct rpr_test *service;

    if (config.device == NULL ||
        !command_number(session, id, args, "timeout_ms", 1, TIMEOUT_MAX_MS, &config.timeout_ms))
        return;
    service = service_job_instance(session, id, &service_test);
    if (service == NULL)
        return;
    struct test *test =
        service_job_start(session, id, &service_test, config.device, &ops, sizeof(*test));
    if (test == NULL)
        return;
    config.ctx = test;
    service_job_begun(&test->own, rpr_test_start(service, &config, &test->run),
                      "does not take part in tests");
}
