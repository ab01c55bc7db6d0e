/* SPDX-License-Identifier: Apache-2.0 */
/* A client of rpmsg-syslog: a ring of text behind an endpoint on the device of the server's CPU. */
#include <rpr/syslog.h>

#include "base/bytes.h"
#include "base/check.h"
#include "base/text.h"

#define RING_BYTES UINT32_C(4096)
#define DELAY_MS   100u
#define RETRY_NS   UINT64_C(1000000000)

/* Two clients that found each other try again after this and a random time of as much. */
#define REOPEN_NS UINT64_C(50000000)

struct rpr_syslog_client {
    struct rpr_node *node;
    struct rpr_observer observer;
    struct rpr_timer timer; /* text has waited long enough, or there is an endpoint to be opened */
    struct rpr_syslog_ring ring;
    rpr_ept_t ept;
    bool open, closing; /* the endpoint */
    bool gone;          /* the client is closed: its memory goes with the endpoint */
    uint32_t random;
    char server[RPR_NAME_MAX + 1];
};

static const struct rpr_platform *platform_of(const struct rpr_syslog_client *c)
{
    return rpr_node_platform(c->node);
}

static void free_client(struct rpr_syslog_client *c)
{
    const struct rpr_platform *platform = platform_of(c);

    platform->free(platform->ctx, c->ring.memory, c->ring.size);
    platform->free(platform->ctx, c, sizeof *c);
}

/* ---- sending ------------------------------------------------------------------------------------------- */

/* False: not now. The link's buffer is written into at once: what the peer makes of it meanwhile is not
 * looked at again. */
static bool send_one(struct rpr_syslog_client *c, uint64_t now)
{
    struct rpr_buf buf;
    uint32_t most = rpr_device_tx_len(rpr_device_find(c->node, c->server));
    uint32_t len;

    if (!rpr_syslog_ring_next(&c->ring, now, NULL, most, false) || rpr_reserve(c->ept, &buf))
        return false;
    len = rpr_syslog_ring_next(&c->ring, now, buf.data, buf.size < most ? buf.size : most, false);
    if (!len) {
        rpr_cancel(c->ept, &buf);
        return false;
    }
    if (rpr_commit(c->ept, &buf, len, 0))
        return false;
    rpr_syslog_ring_sent(&c->ring, now);
    return true;
}

static void pump(struct rpr_syslog_client *c)
{
    uint64_t now = rpr_node_now(c->node);
    uint64_t due;

    if (!c->open || c->closing)
        return;
    while (send_one(c, now))
        ;
    due = rpr_syslog_ring_due(&c->ring);
    if (due > now) /* what was due and did not leave goes with `writable` */
        rpr_timer_start(c->node, &c->timer, due);
}

/* ---- the endpoint -------------------------------------------------------------------------------------- */

static enum rpr_rx_result on_rx(void *ctx, rpr_ept_t ept, const struct rpr_msg *msg)
{
    struct rpr_syslog_client *c = ctx;

    (void)ept;
    if (c->gone || c->closing)
        return RPR_DONE;
    if (!rpr_syslog_ring_receive(&c->ring, msg->data, msg->len)) {
        rpr_syslog_ring_unbound(&c->ring);
        c->closing = true;
        (void)rpr_ept_close(c->ept);
        return RPR_DONE;
    }
    pump(c);
    return RPR_DONE;
}

static void on_bound(void *ctx, rpr_ept_t ept, uint32_t dest)
{
    struct rpr_syslog_client *c = ctx;

    (void)ept;
    (void)dest;
    if (c->gone || c->closing)
        return;
    rpr_syslog_ring_bound(&c->ring, rpr_node_now(c->node));
    rpr_timer_start(c->node, &c->timer, rpr_node_now(c->node)); /* not inside the opening */
}

static void on_unbound(void *ctx, rpr_ept_t ept, enum rpr_unbound_reason reason)
{
    struct rpr_syslog_client *c = ctx;

    (void)ept;
    (void)reason;
    if (!c->gone)
        rpr_syslog_ring_unbound(&c->ring);
}

static void on_writable(void *ctx, rpr_ept_t ept)
{
    struct rpr_syslog_client *c = ctx;

    (void)ept;
    if (!c->gone)
        pump(c);
}

static void on_closed(void *ctx)
{
    struct rpr_syslog_client *c = ctx;
    uint64_t wait = RETRY_NS;

    if (c->gone) {
        free_client(c);
        return;
    }
    rpr_syslog_ring_unbound(&c->ring);
    if (c->closing) {
        c->random = c->random * 1664525u + 1013904223u;
        wait = REOPEN_NS + ((REOPEN_NS * (c->random >> 16)) >> 16);
    }
    c->open = c->closing = false;
    rpr_timer_start(c->node, &c->timer, rpr_node_now(c->node) + wait);
}

static const struct rpr_ept_ops ops = {.rx = on_rx,
                                       .bound = on_bound,
                                       .unbound = on_unbound,
                                       .writable = on_writable,
                                       .closed = on_closed};

static void open_endpoint(struct rpr_syslog_client *c)
{
    struct rpr_ept_config config = {.name = RPR_SYSLOG_SERVICE,
                                    .addr = RPR_ADDR_ANY,
                                    .dest = RPR_ADDR_ANY,
                                    .ops = &ops,
                                    .ctx = c};
    struct rpr_device *device = rpr_device_find(c->node, c->server);

    if (c->open || !device)
        return;
    c->open = true;
    if (rpr_ept_open(device, &config, &c->ept)) {
        c->open = false;
        rpr_timer_start(c->node, &c->timer, rpr_node_now(c->node) + RETRY_NS);
    }
}

static void timer_fired(struct rpr_timer *timer, uint64_t now_ns)
{
    struct rpr_syslog_client *c = RPR_CONTAINER(timer, struct rpr_syslog_client, timer);

    (void)now_ns;
    open_endpoint(c);
    pump(c);
}

static void on_event(void *ctx, const struct rpr_event *event)
{
    struct rpr_syslog_client *c = ctx;

    if (event->kind == RPR_EVENT_DEVICE_ADDED &&
        !text_differs(rpr_device_name(event->device), c->server))
        open_endpoint(c);
}

/* ---- interface ------------------------------------------------------------------------------------------ */

static bool is_valid(const struct rpr_syslog_client_config *config)
{
    uint32_t size = config->ring_bytes;
    size_t name = config->server ? text_length(config->server, RPR_NAME_MAX + 1) : 0;

    return name && name <= RPR_NAME_MAX && (size & (size - 1)) == 0 &&
           (!size || size >= RPR_SYSLOG_RING_MIN) && size <= RPR_SYSLOG_RING_MAX;
}

int rpr_syslog_client_open(struct rpr_node *node, const struct rpr_syslog_client_config *config,
                           struct rpr_syslog_client **result)
{
    const struct rpr_platform *platform = rpr_node_platform(node);
    uint32_t size = config->ring_bytes ? config->ring_bytes : RING_BYTES;
    struct rpr_syslog_client *c;
    void *memory;

    if (!is_valid(config))
        return -RPR_EINVAL;
    c = platform->alloc(platform->ctx, sizeof *c);
    memory = c ? platform->alloc(platform->ctx, size) : NULL;
    if (!memory) {
        if (c)
            platform->free(platform->ctx, c, sizeof *c);
        return -RPR_ENOMEM;
    }
    c->node = node;
    c->random = platform->random ? platform->random(platform->ctx) : (uint32_t)rpr_node_now(node);
    text_copy(c->server, sizeof c->server, config->server);
    rpr_syslog_ring_init(&c->ring, memory, size, c->random,
                         config->delay_ms == UINT32_MAX ? DELAY_MS : config->delay_ms);
    c->timer.fire = timer_fired;
    c->observer.event = on_event;
    c->observer.ctx = c;
    rpr_observer_add(node, &c->observer);
    open_endpoint(c);
    *result = c;
    return 0;
}

void rpr_syslog_client_close(struct rpr_syslog_client *c)
{
    rpr_observer_remove(c->node, &c->observer);
    rpr_timer_stop(c->node, &c->timer);
    c->gone = true;
    if (!c->open)
        free_client(c);
    else if (!c->closing)
        (void)rpr_ept_close(c->ept);
}

void rpr_syslog_client_write(struct rpr_syslog_client *c, const void *text, uint32_t len)
{
    rpr_syslog_ring_write(&c->ring, rpr_node_now(c->node), text, len);
    if (c->ring.server != RPR_SYSLOG_NO_SERVER)
        pump(c);
}

const struct rpr_syslog_ring *rpr_syslog_client_ring(const struct rpr_syslog_client *c)
{
    return &c->ring;
}
