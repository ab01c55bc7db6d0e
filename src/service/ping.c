/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rpmsg-ping (WIRE 6.1). Both ends open the endpoint; each answers the other's requests exactly
 * once and may send its own.
 *
 * Cookies: a NuttX requester puts a pointer there, we put run and number; what comes back is
 * matched against runs that exist, and anything else is counted as late, never followed.
 */
#include <rpr/ping.h>

#include "base/bytes.h"
#include "base/check.h"
#include "base/histogram.h"
#include "base/mutant.h"
#include "base/text.h"
#include "service/spread.h"
#include "wire/ping.h"

#define SERVICE            "rpmsg-ping"
#define KEPT_REQUESTS      64u /* that cannot be answered at once */
#define KEPT_RESERVE       4u
#define DEFAULT_TIMEOUT_MS 5000u
#define MAX_LENGTH         65536u

struct rpr_ping {
    struct rpr_node *node;
    struct spread spread;
    struct rpr_ping_counters counters;
    uint32_t last_id;
    uint32_t random;
    uint8_t data[MAX_LENGTH]; /* a request is built here */
};

/* The endpoint on one device. */
struct target {
    struct spread_target head;
    bool bound;
    struct rpr_ping_run *runs;
};

struct rpr_ping_run {
    struct rpr_ping_run *next;
    struct target *target;
    struct rpr_ping_config config;
    struct rpr_timer timer; /* next ping, or the end of waiting for an answer */
    struct histogram times;
    uint32_t id;
    uint32_t sent, lost, send_len;
    uint64_t began_ns; /* the present one: waiting for a buffer is part of its time */
    bool waiting;      /* for the answer to number `sent` */
    bool blocked;      /* the link takes nothing now */
    uint8_t fill;
};

/* Of a target whose service is still open. */
static struct rpr_ping *ping_of(const struct target *t)
{
    return RPR_CONTAINER(t->head.spread, struct rpr_ping, spread);
}

static const struct rpr_platform *platform_of(const struct rpr_ping *ping)
{
    return rpr_node_platform(ping->node);
}

/* ---- runs ------------------------------------------------------------------------------------------ */

static void unlink_run(struct rpr_ping_run *run)
{
    struct rpr_ping_run **at = &run->target->runs;

    while (*at != run)
        at = &(*at)->next;
    *at = run->next;
}

static void finish(struct rpr_ping_run *run, int error)
{
    struct rpr_ping *ping = ping_of(run->target);
    void (*done)(void *, const struct rpr_ping_result *) = run->config.done;
    void *ctx = run->config.ctx;
    const struct histogram *h = &run->times;
    struct rpr_ping_result result = {.error = error,
                                     .times = run->sent,
                                     .lost = run->lost,
                                     .buffer_len = rpr_device_tx_len(run->target->head.device),
                                     .send_len = run->send_len,
                                     .n_rtt = h->n,
                                     .min_ns = h->min,
                                     .avg_ns = h->n ? h->sum / h->n : 0,
                                     .max_ns = h->max,
                                     .p50_ns = histogram_at(h, 500),
                                     .p99_ns = histogram_at(h, 990),
                                     .p999_ns = histogram_at(h, 999)};

    rpr_timer_stop(ping->node, &run->timer);
    unlink_run(run);
    platform_of(ping)->free(platform_of(ping)->ctx, run, sizeof *run);
    done(ctx, &result);
}

static uint64_t cookie_of(const struct rpr_ping_run *run)
{
    return (uint64_t)run->id << 32 | run->sent;
}

static uint32_t draw(struct rpr_ping *ping, uint32_t below)
{
    ping->random = ping->random * 1664525u + 1013904223u;
    return (uint32_t)(((uint64_t)ping->random * below) >> 32);
}

static uint32_t next_length(struct rpr_ping_run *run)
{
    uint32_t most = rpr_device_tx_len(run->target->head.device);
    uint32_t len = run->config.length;

    if ((run->config.flags & RPR_PING_RANDOM) && len)
        len = draw(ping_of(run->target), len);
    if (len < RPR_PING_MIN_BYTES)
        len = RPR_PING_MIN_BYTES;
    if (len > most)
        len = most;
    return len < MAX_LENGTH ? len : MAX_LENGTH;
}

/* Is the sending what is timed? */
static bool times_send(const struct rpr_ping_run *run)
{
    return !(run->config.flags & RPR_PING_ACK) && run->config.clock_ns;
}

static uint64_t begin(const struct rpr_ping_run *run)
{
    return times_send(run) ? run->config.clock_ns() : rpr_node_now(ping_of(run->target)->node);
}

static int send_request(struct rpr_ping_run *run)
{
    struct rpr_ping *ping = ping_of(run->target);
    uint32_t len = next_length(run);
    struct ping_message message = {.cmd = run->config.flags, .len = len};
    int error;

    if (!run->blocked)
        run->began_ns = begin(run);
    run->sent++;
    message.cookie = cookie_of(run);
    run->fill = run->config.flags & RPR_PING_CHECK ? (uint8_t)(run->sent - 1) : 0;
    ping_encode(ping->data, &message);
    memset(ping->data + PING_HEADER_BYTES, run->fill, len - PING_HEADER_BYTES);
    run->send_len = len;
    error = rpr_send(run->target->head.ept, ping->data, len, 0);
    if (!error && times_send(run))
        histogram_add(&run->times, run->config.clock_ns() - run->began_ns);
    return error;
}

static uint64_t ms(uint32_t n)
{
    return n * UINT64_C(1000000);
}

static void wait_until(struct rpr_ping_run *run, uint64_t at_ns)
{
    rpr_timer_start(ping_of(run->target)->node, &run->timer, at_ns);
}

/* Sends the next one, or what is due instead. */
static void go_on(struct rpr_ping_run *run)
{
    uint64_t now = rpr_node_now(ping_of(run->target)->node);
    int error;

    if (run->sent == run->config.times) {
        finish(run, 0);
        return;
    }
    error = send_request(run);
    run->blocked = error == -RPR_EAGAIN;
    if (run->blocked) {
        run->sent--;
        if (!MUTANT(ping_waits_for_a_buffer_for_ever))
            wait_until(run, run->began_ns + ms(run->config.timeout_ms));
    } else if (error) {
        run->sent--;
        finish(run, error == -RPR_ESTALE ? -RPR_ENOTCONN : error);
    } else if (run->config.flags & RPR_PING_ACK) {
        run->waiting = true;
        wait_until(run, run->began_ns + ms(run->config.timeout_ms));
    } else {
        wait_until(run, now + ms(run->config.period_ms) + 1); /* one per poll: others have a turn */
    }
}

static void timer_fired(struct rpr_timer *timer, uint64_t now_ns)
{
    struct rpr_ping_run *run = RPR_CONTAINER(timer, struct rpr_ping_run, timer);

    (void)now_ns;
    if (run->blocked) { /* nothing was taken for so long: that one is lost */
        run->blocked = false;
        run->sent++;
        run->lost++;
    } else if (run->waiting) {
        run->waiting = false;
        run->lost++;
    }
    go_on(run);
}

static bool data_is_right(const struct rpr_ping_run *run, const uint8_t *payload, uint32_t len)
{
    if (len != run->send_len)
        return false;
    if (!(run->config.flags & RPR_PING_CHECK) || MUTANT(answer_is_not_compared))
        return true;
    for (uint32_t i = PING_HEADER_BYTES; i < len; i++)
        if (payload[i] != run->fill)
            return false;
    return true;
}

static void on_response(struct target *t, const struct ping_message *message,
                        const struct rpr_msg *msg)
{
    struct rpr_ping_run *run = t->runs;
    uint64_t now = rpr_node_now(ping_of(t)->node);

    while (run &&
           (!run->waiting || (cookie_of(run) != message->cookie && !MUTANT(late_answer_is_taken))))
        run = run->next;
    if (!run) {
        ping_of(t)->counters.late++;
        return; /* or never asked for */
    }
    run->waiting = false;
    if (data_is_right(run, msg->data, msg->len)) {
        histogram_add(&run->times, now - run->began_ns);
    } else {
        run->lost += !MUTANT(wrong_answer_is_not_shown);
        ping_of(t)->counters.bad_answers++;
    }
    if (run->config.period_ms && run->sent < run->config.times)
        wait_until(run, now + ms(run->config.period_ms));
    else
        go_on(run);
}

/* ---- requests ---------------------------------------------------------------------------------------- */

static void complain(struct target *t, uint32_t at, uint32_t n)
{
    char line[64];
    struct text text = text_start(line, sizeof line);

    text_add(&text, "receive data error at ");
    text_add_number(&text, at);
    text_add(&text, " of ");
    text_add_number(&text, n);
    spread_complain(&t->head, line);
}

/* CHECK: all data bytes are as the first, and as many as the message says. */
static void check(struct target *t, const struct ping_message *request, const struct rpr_msg *msg)
{
    const uint8_t *data = (const uint8_t *)msg->data + PING_HEADER_BYTES;
    uint32_t n = msg->len - PING_HEADER_BYTES;
    uint32_t i = 1;

    while (i < n && data[i] == data[0])
        i++;
    if ((i >= n && request->len == msg->len) || MUTANT(data_of_pings_is_not_looked_at))
        return;
    ping_of(t)->counters.bad_data++;
    complain(t, i < n ? i : n,
             request->len > PING_HEADER_BYTES ? request->len - PING_HEADER_BYTES : 0);
}

/* ---- the endpoint -------------------------------------------------------------------------------------- */

static enum rpr_rx_result unanswered(struct target *t)
{
    ping_of(t)->counters.unanswered++;
    return RPR_DONE;
}

/* The whole message back, as it came but for the command and the true length. */
static enum rpr_rx_result answer(struct target *t, const struct ping_message *request,
                                 const struct rpr_msg *msg)
{
    bool is_request = (request->cmd & PING_KIND_MASK) == PING_REQUEST;
    uint32_t len = is_request ? msg->len : PING_MIN_BYTES;
    struct ping_message response = {.cmd = PING_RESPONSE, .len = len, .cookie = request->cookie};
    struct rpr_buf buf;
    int error;

    if (len > rpr_device_tx_len(t->head.device))
        return unanswered(t); /* the way back is narrower */
    error = rpr_reserve(t->head.ept, &buf);
    if (error == -RPR_EAGAIN)
        return RPR_LATER;
    if (error)
        return unanswered(t);
    if (len > buf.size) {
        rpr_cancel(t->head.ept, &buf);
        return unanswered(t);
    }
    if (request->cmd & PING_CHECK)
        check(t, request, msg); /* once, although it may have been LATER before */
    ping_encode(buf.data, &response);
    memset((uint8_t *)buf.data + PING_HEADER_BYTES, 0, len - PING_HEADER_BYTES);
    if (msg->len > PING_HEADER_BYTES)
        memcpy((uint8_t *)buf.data + PING_HEADER_BYTES,
               (const uint8_t *)msg->data + PING_HEADER_BYTES, len - PING_HEADER_BYTES);
    if (rpr_commit(t->head.ept, &buf, len, 0))
        return unanswered(t);
    ping_of(t)->counters.answered++;
    return RPR_DONE;
}

/* What no peer sends that knows the protocol, of whatever age. (A request that says more than came
 * may have been cut on its way, by a stack that does that.) */
static const char *lie(const struct ping_message *message, uint32_t len)
{
    if (len < PING_HEADER_BYTES)
        return "a message is shorter than its header";
    if ((message->cmd & PING_KIND_MASK) == PING_REQUEST &&
        (message->len < len || message->len > (MUTANT(what_was_cut_is_a_lie) ? len : UINT16_MAX)))
        return "a request cannot be as long as it says";
    return NULL;
}

static enum rpr_rx_result on_rx(void *ctx, rpr_ept_t ept, const struct rpr_msg *msg)
{
    struct target *t = ctx;
    struct ping_message message = {.cmd = 0};
    uint8_t copy[PING_HEADER_BYTES] = {0};
    const char *what;

    (void)ept;
    if (!t->head.spread)
        return RPR_DONE;
    memcpy(copy, msg->data, msg->len < sizeof copy ? msg->len : sizeof copy);
    (void)ping_decode(&message, copy, sizeof copy);
    what = lie(&message, msg->len);
    if (what) {
        ping_of(t)->counters.malformed++;
        spread_break(&t->head, what);
        return RPR_DONE;
    }
    if ((message.cmd & PING_KIND_MASK) == PING_RESPONSE)
        on_response(t, &message, msg);
    else if (message.cmd & PING_ACK)
        return answer(t, &message, msg);
    else if (message.cmd & PING_CHECK)
        check(t, &message, msg);
    return RPR_DONE;
}

static void on_bound(void *ctx, rpr_ept_t ept, uint32_t dest)
{
    (void)ept;
    (void)dest;
    ((struct target *)ctx)->bound = true;
}

/* `done` may ask for another run: there is none to be had any more. */
static void end_runs(struct target *t, int error)
{
    t->bound = false;
    while (t->runs)
        finish(t->runs, error);
}

static void on_unbound(void *ctx, rpr_ept_t ept, enum rpr_unbound_reason reason)
{
    struct target *t = ctx;

    (void)ept;
    (void)reason;
    if (!MUTANT(ping_outlives_its_peer))
        end_runs(t, -RPR_ENOTCONN);
}

static struct rpr_ping_run *first_blocked(struct target *t)
{
    struct rpr_ping_run *run = t->runs;

    while (run && !run->blocked)
        run = run->next;
    return run;
}

/* Any run may be gone after `done` of another: looked for anew each time. */
static void on_writable(void *ctx, rpr_ept_t ept)
{
    struct target *t = ctx;
    struct rpr_ping_run *run;

    (void)ept;
    while ((run = first_blocked(t))) {
        uint32_t id = run->id;

        go_on(run);
        run = first_blocked(t);
        if (run && run->id == id)
            return; /* the link is full again */
    }
}

static void on_closed(void *ctx)
{
    struct target *t = ctx;

    spread_closed(&t->head, sizeof *t);
}

static void leave(struct spread_target *head, int error)
{
    end_runs(RPR_CONTAINER(head, struct target, head), error);
}

static const struct rpr_ept_ops ops = {.rx = on_rx,
                                       .bound = on_bound,
                                       .unbound = on_unbound,
                                       .writable = on_writable,
                                       .closed = on_closed};

static const struct spread_config spread_config = {.service = SERVICE,
                                                   .target_bytes = sizeof(struct target),
                                                   .quota = KEPT_REQUESTS,
                                                   .reserve = KEPT_RESERVE,
                                                   .ops = &ops,
                                                   .leave = leave};

/* ---- interface ------------------------------------------------------------------------------------------------- */

int rpr_ping_open(struct rpr_node *node, const struct rpr_service_scope *scope,
                  struct rpr_ping **result)
{
    const struct rpr_platform *platform = rpr_node_platform(node);
    struct rpr_ping *ping = platform->alloc(platform->ctx, sizeof *ping);

    if (!ping)
        return -RPR_ENOMEM;
    ping->node = node;
    ping->random = platform->random ? platform->random(platform->ctx) : 1;
    ping->last_id = ping->random;
    spread_open(&ping->spread, node, &spread_config, scope);
    *result = ping;
    return 0;
}

void rpr_ping_close(struct rpr_ping *ping)
{
    const struct rpr_platform *platform = platform_of(ping);

    spread_close(&ping->spread);
    platform->free(platform->ctx, ping, sizeof *ping);
}

void rpr_ping_look(struct rpr_ping *ping)
{
    spread_look(&ping->spread);
}

void rpr_ping_counters(const struct rpr_ping *ping, struct rpr_ping_counters *counters)
{
    *counters = ping->counters;
}

bool rpr_ping_closed(const struct rpr_ping *ping, unsigned n, struct rpr_service_closed *info)
{
    return spread_broken(&ping->spread, n, info);
}

int rpr_ping_start(struct rpr_ping *ping, const struct rpr_ping_config *config,
                   struct rpr_ping_run **result)
{
    struct spread_target *head = spread_find(&ping->spread, config->device);
    struct target *t = head ? RPR_CONTAINER(head, struct target, head) : NULL;
    struct rpr_ping_run *run;

    if (!config->times || !config->done)
        return -RPR_EINVAL;
    if (!t || !t->bound)
        return -RPR_ENOTCONN;
    run = platform_of(ping)->alloc(platform_of(ping)->ctx, sizeof *run);
    if (!run)
        return -RPR_ENOMEM;
    run->target = t;
    run->config = *config;
    run->config.flags &= RPR_PING_ACK | RPR_PING_CHECK | RPR_PING_RANDOM;
    if (!run->config.timeout_ms)
        run->config.timeout_ms = DEFAULT_TIMEOUT_MS;
    run->id = ++ping->last_id;
    run->timer.fire = timer_fired;
    run->next = t->runs;
    t->runs = run;
    wait_until(run, rpr_node_now(ping->node)); /* first thing in the next poll */
    *result = run;
    return 0;
}

void rpr_ping_stop(struct rpr_ping_run *run)
{
    finish(run, -RPR_ESTALE);
}
