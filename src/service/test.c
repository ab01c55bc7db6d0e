/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rpmsg-test (WIRE 6.3). A NuttX peer asserts on wrong data: what is sent is exactly what it expects.
 *
 * It also overwrites what it holds. Here a received message is only read: whether it still is what
 * came shows as well that nobody else had the buffer meanwhile.
 */
#include <rpr/test.h>

#include "base/bytes.h"
#include "base/check.h"
#include "base/mutant.h"
#include "service/spread.h"
#include "wire/test.h"

#define SERVICE            "rpmsg-test"
#define DEFAULT_TIMEOUT_MS 5000u
#define LOOK_NS            UINT64_C(1000000)
#define MAX_BUFFERS        512u /* of one link: more are not used */

struct rpr_test {
    struct rpr_node *node;
    struct spread spread;
    struct rpr_test_counters counters;
};

struct target {
    struct spread_target head;
    bool bound;
    struct rpr_test_run *run; /* at most one */
    struct rpr_timer timer;   /* of the series that is held; `fire` is set by the first */
    uint32_t n_held;
    struct rpr_msg held[RPR_TEST_HOLD_MAX];
    bool ended; /* the last message of the series has come */
};

struct rpr_test_run {
    struct target *target;
    struct rpr_test_config config;
    struct rpr_timer timer;
    struct rpr_test_result result;
    bool sent;
    uint64_t began_ns, end_ns;
    struct rpr_buf bufs[MAX_BUFFERS];
};

/* Of a target whose service is still open. */
static struct rpr_test *test_of(const struct target *t)
{
    return RPR_CONTAINER(t->head.spread, struct rpr_test, spread);
}

static const struct rpr_platform *platform_of(const struct rpr_test *test)
{
    return rpr_node_platform(test->node);
}

static uint64_t ms(uint32_t n)
{
    return n * UINT64_C(1000000);
}

/* ---- what comes ---------------------------------------------------------------------------------------- */

static bool is_filled(const struct rpr_msg *msg)
{
    const uint8_t *data = msg->data;

    for (uint32_t i = TEST_PREFIX_BYTES; i < msg->len; i++)
        if (data[i] != TEST_FILL)
            return false;
    return true;
}

static void look_at_data(struct target *t, const struct rpr_msg *msg)
{
    if (is_filled(msg))
        return;
    test_of(t)->counters.bad_data++;
    spread_complain(&t->head, "wrong data");
}

/* `verify`: once more before they go. */
static void release(struct target *t, bool verify)
{
    for (uint32_t i = 0; i < t->n_held; i++) {
        if (verify)
            look_at_data(t, &t->held[i]);
        rpr_release(&t->held[i]);
    }
    t->n_held = 0;
}

static void series_over(struct rpr_timer *timer, uint64_t now_ns)
{
    struct target *t = RPR_CONTAINER(timer, struct target, timer);

    (void)now_ns;
    if (t->ended)
        test_of(t)->counters.series++;
    else
        test_of(t)->counters.cut++;
    t->ended = false;
    release(t, true);
}

static void series_goes_on(struct target *t, bool is_last)
{
    struct rpr_node *node = test_of(t)->node;
    uint64_t now = rpr_node_now(node);

    t->timer.fire = series_over;
    if (is_last) {
        t->ended = true;
        rpr_timer_start(node, &t->timer, now + ms(RPR_TEST_VERIFY_MS));
        return;
    }
    /* Since the first one: a peer that goes on and on gains nothing. */
    if (!t->timer.active && !MUTANT(series_is_held_for_ever))
        rpr_timer_start(node, &t->timer, now + ms(RPR_TEST_HOLD_MS));
}

static enum rpr_rx_result on_rx(void *ctx, rpr_ept_t ept, const struct rpr_msg *msg)
{
    struct target *t = ctx;
    struct test_message message;
    uint8_t prefix[TEST_PREFIX_BYTES] = {0};

    (void)ept;
    if (!t->head.spread)
        return RPR_DONE;
    memcpy(prefix, msg->data, msg->len < sizeof prefix ? msg->len : sizeof prefix);
    if (test_decode(&message, prefix, msg->len)) {
        test_of(t)->counters.malformed++;
        spread_break(&t->head, msg->len < sizeof prefix ? "a message is shorter than its header"
                                                        : "a message is not as long as it says");
        return RPR_DONE;
    }
    if (message.type != TEST_HOLD_RX || message.value > TEST_END) {
        test_of(t)->counters.unknown++; /* of a later version, perhaps */
        return RPR_DONE;
    }
    look_at_data(t, msg);
    series_goes_on(t, message.value == TEST_END);
    if (t->n_held == RPR_TEST_HOLD_MAX) {
        test_of(t)->counters.not_held++;
        return RPR_DONE;
    }
    t->held[t->n_held++] = *msg;
    test_of(t)->counters.held++;
    return RPR_HOLD;
}

/* ---- runs ------------------------------------------------------------------------------------------ */

static void finish(struct rpr_test_run *run, int error)
{
    struct rpr_test *test = test_of(run->target);
    struct rpr_test_result result = run->result;
    void (*done)(void *, const struct rpr_test_result *) = run->config.done;
    void *ctx = run->config.ctx;

    result.error = error;
    rpr_timer_stop(test->node, &run->timer);
    run->target->run = NULL;
    platform_of(test)->free(platform_of(test)->ctx, run, sizeof *run);
    done(ctx, &result);
}

/* As many buffers as there are, at most `most`. */
static uint32_t grab(struct rpr_test_run *run, uint32_t most)
{
    uint32_t n = 0;

    while (n < most && rpr_reserve(run->target->head.ept, &run->bufs[n]) == 0)
        n++;
    return n;
}

static void give_up(struct rpr_test_run *run, uint32_t n)
{
    while (n)
        rpr_cancel(run->target->head.ept, &run->bufs[--n]);
}

static uint32_t fill(struct rpr_buf *buf, uint32_t most, bool is_last)
{
    uint32_t len = buf->size < most ? buf->size : most;
    struct test_message message = {.type = TEST_HOLD_RX,
                                   .value = is_last ? TEST_END : TEST_MORE,
                                   .len = len - TEST_PREFIX_BYTES};

    test_encode(buf->data, &message);
    memset((uint8_t *)buf->data + TEST_PREFIX_BYTES, TEST_FILL, message.len);
    return len;
}

static void send_all(struct rpr_test_run *run)
{
    struct target *t = run->target;
    uint32_t most = rpr_device_tx_len(t->head.device);
    uint32_t n = most < TEST_MIN_BYTES ? 0 : grab(run, MAX_BUFFERS);

    for (uint32_t i = 0; i < n; i++) {
        run->result.length = fill(&run->bufs[i], most, i + 1 == n);
        if (rpr_commit(t->head.ept, &run->bufs[i], run->result.length, 0) == 0)
            run->result.sent++;
    }
    run->sent = n > 0;
}

/* All are back when as many can be had again. */
static void look_for_buffers(struct rpr_test_run *run, uint64_t now_ns)
{
    uint32_t n = grab(run, run->result.sent);

    give_up(run, n);
    run->result.missing = run->result.sent - n;
    run->result.back_ns = now_ns - run->began_ns;
}

static void timer_fired(struct rpr_timer *timer, uint64_t now_ns)
{
    struct rpr_test_run *run = RPR_CONTAINER(timer, struct rpr_test_run, timer);

    if (!run->sent)
        send_all(run);
    else
        look_for_buffers(run, now_ns);
    if (run->sent && run->result.back_ns && !run->result.missing)
        finish(run, 0);
    else if (now_ns >= run->end_ns)
        finish(run, -RPR_ETIMEDOUT);
    else
        rpr_timer_start(test_of(run->target)->node, timer, now_ns + LOOK_NS);
}

/* ---- the endpoint -------------------------------------------------------------------------------------- */

static void on_bound(void *ctx, rpr_ept_t ept, uint32_t dest)
{
    (void)ept;
    (void)dest;
    ((struct target *)ctx)->bound = true;
}

/* The series dies with who sent it. */
static void forget(struct target *t, int error)
{
    t->bound = false;
    if (t->timer.active)
        rpr_timer_stop(test_of(t)->node, &t->timer);
    t->ended = false;
    release(t, false);
    if (t->run)
        finish(t->run, error);
}

static void on_unbound(void *ctx, rpr_ept_t ept, enum rpr_unbound_reason reason)
{
    (void)ept;
    (void)reason;
    forget(ctx, -RPR_ENOTCONN);
}

static void on_closed(void *ctx)
{
    struct target *t = ctx;

    spread_closed(&t->head, sizeof *t);
}

static void leave(struct spread_target *head, int error)
{
    forget(RPR_CONTAINER(head, struct target, head), error);
}

static const struct rpr_ept_ops ops = {
    .rx = on_rx, .bound = on_bound, .unbound = on_unbound, .closed = on_closed};

static const struct spread_config spread_config = {
    .service = SERVICE, .target_bytes = sizeof(struct target), .ops = &ops, .leave = leave};

/* ---- interface ------------------------------------------------------------------------------------------------- */

int rpr_test_open(struct rpr_node *node, const struct rpr_service_scope *scope,
                  struct rpr_test **result)
{
    const struct rpr_platform *platform = rpr_node_platform(node);
    struct rpr_test *test = platform->alloc(platform->ctx, sizeof *test);

    if (!test)
        return -RPR_ENOMEM;
    test->node = node;
    spread_open(&test->spread, node, &spread_config, scope);
    *result = test;
    return 0;
}

void rpr_test_close(struct rpr_test *test)
{
    const struct rpr_platform *platform = platform_of(test);

    spread_close(&test->spread);
    platform->free(platform->ctx, test, sizeof *test);
}

void rpr_test_look(struct rpr_test *test)
{
    spread_look(&test->spread);
}

void rpr_test_counters(const struct rpr_test *test, struct rpr_test_counters *counters)
{
    *counters = test->counters;
}

bool rpr_test_closed(const struct rpr_test *test, unsigned n, struct rpr_service_closed *info)
{
    return spread_broken(&test->spread, n, info);
}

int rpr_test_start(struct rpr_test *test, const struct rpr_test_config *config,
                   struct rpr_test_run **result)
{
    struct spread_target *head = spread_find(&test->spread, config->device);
    struct target *t = head ? RPR_CONTAINER(head, struct target, head) : NULL;
    struct rpr_test_run *run;

    if (!config->done)
        return -RPR_EINVAL;
    if (!t || !t->bound)
        return -RPR_ENOTCONN;
    if (t->run)
        return -RPR_EBUSY;
    run = platform_of(test)->alloc(platform_of(test)->ctx, sizeof *run);
    if (!run)
        return -RPR_ENOMEM;
    run->target = t;
    run->config = *config;
    run->timer.fire = timer_fired;
    run->began_ns = rpr_node_now(test->node);
    run->end_ns = run->began_ns + ms(config->timeout_ms ? config->timeout_ms : DEFAULT_TIMEOUT_MS);
    t->run = run;
    rpr_timer_start(test->node, &run->timer, run->began_ns); /* first thing in the next poll */
    *result = run;
    return 0;
}

void rpr_test_stop(struct rpr_test_run *run)
{
    finish(run, -RPR_ESTALE);
}
