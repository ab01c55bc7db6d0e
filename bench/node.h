/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A process of a benchmark that runs one node: its loop on the real platform with the defaults, and
 * one endpoint of the service "bench", which echoes, counts, or drives the measurement.
 */
#ifndef RPR_BENCH_NODE_H
#define RPR_BENCH_NODE_H

#include "common.h"

#include <stdbool.h>

#include <rpr/posix.h>
#include <rpr/router.h>

#define BENCH_SERVICE "bench"
#define BENCH_BATCH   32u /* messages per doorbell of a sender that has more */

struct bench_node {
    struct rpr_loop *loop;
    struct rpr_node *node;
    int idle_ms; /* of a turn with nothing to do: -1 sleeps, 0 polls */
    rpr_ept_t ept;
    struct rpr_device *device;
    bool bound;
    bool writable;
    bool echo;       /* each message goes back */
    uint64_t n_rx;   /* messages received */
    uint64_t wanted; /* not 0: one byte goes back when n_rx reaches it */
    uint64_t sum;    /* of their first words: a receiver reads what it gets */
};

/* The library says no: the figure would be void. */
static inline void bench_need(int result, const char *what)
{
    if (result < 0)
        bench_die("%s: %s", what, rpr_strerror(result));
}

static inline void bench_turn(struct bench_node *n)
{
    bench_need(rpr_loop_turn(n->loop, n->idle_ms), "turn");
}

static enum rpr_rx_result bench_on_rx(void *ctx, rpr_ept_t ept, const struct rpr_msg *msg)
{
    struct bench_node *n = ctx;
    uint64_t word = 0;

    if (msg->len >= sizeof(word))
        memcpy(&word, msg->data, sizeof(word));
    n->sum += word;
    n->n_rx++;
    if (n->echo)
        bench_need(rpr_send(ept, msg->data, msg->len, 0), "echo");
    else if (n->n_rx == n->wanted)
        bench_need(rpr_send(ept, "", 1, 0), "answer");
    return RPR_DONE;
}

static void bench_on_bound(void *ctx, rpr_ept_t ept, uint32_t dest)
{
    struct bench_node *n = ctx;

    (void)dest;
    n->ept = ept;
    n->bound = true;
}

static void bench_on_unbound(void *ctx, rpr_ept_t ept, enum rpr_unbound_reason reason)
{
    struct bench_node *n = ctx;

    (void)reason;
    n->bound = false;
    rpr_ept_close(ept);
}

static void bench_on_writable(void *ctx, rpr_ept_t ept)
{
    struct bench_node *n = ctx;

    (void)ept;
    n->writable = true;
}

static const struct rpr_ept_ops bench_ops = {.rx = bench_on_rx,
                                             .bound = bench_on_bound,
                                             .unbound = bench_on_unbound,
                                             .writable = bench_on_writable};

static int bench_on_announced(void *ctx, struct rpr_device *device, const char *name, uint32_t addr)
{
    struct rpr_ept_config config = {
        .name = name, .addr = RPR_ADDR_ANY, .dest = addr, .ops = &bench_ops, .ctx = ctx};
    rpr_ept_t ept;

    return rpr_ept_open(device, &config, &ept);
}

static const struct rpr_service_ops bench_service_ops = {.bind = bench_on_announced};

static inline void bench_node_open(struct bench_node *n, const char *name, int idle_ms)
{
    struct rpr_loop_config config = {.name = name};

    memset(n, 0, sizeof(*n));
    n->idle_ms = idle_ms;
    bench_need(rpr_loop_open(&n->loop, &config), "loop");
    n->node = rpr_loop_node(n->loop);
}

static inline void bench_node_link(struct bench_node *n, const char *remote, const char *url)
{
    struct rpr_link *link;
    char error[RPR_ERROR_TEXT];

    if (rpr_url_open(n->loop, remote, url, &link, error) != 0)
        bench_die("%s", error);
}

static inline void bench_node_serve(struct bench_node *n)
{
    struct rpr_service_config config = {.name = BENCH_SERVICE, .ops = &bench_service_ops, .ctx = n};
    struct rpr_service *service;

    bench_need(rpr_service_open(n->node, &config, &service), "service");
}

/* Waits for the remote CPU, be it linked or routed, and for its service. */
static inline void bench_node_bind(struct bench_node *n, const char *remote)
{
    struct rpr_ept_config config = {.name = BENCH_SERVICE,
                                    .addr = RPR_ADDR_ANY,
                                    .dest = RPR_ADDR_ANY,
                                    .ops = &bench_ops,
                                    .ctx = n};
    rpr_ept_t ept;

    while (!(n->device = rpr_device_find(n->node, remote)))
        bench_turn(n);
    bench_need(rpr_ept_open(n->device, &config, &ept), "endpoint");
    while (!n->bound)
        bench_turn(n);
}

/* Runs until the peer has come and gone again. */
static inline void bench_node_run(struct bench_node *n)
{
    while (!n->bound)
        bench_turn(n);
    while (n->bound)
        bench_turn(n);
}

static inline void bench_node_close(struct bench_node *n)
{
    rpr_loop_close(n->loop);
}

/* Nanoseconds of `trips` round trips. */
static inline uint64_t bench_ping(struct bench_node *n, uint32_t trips, size_t len)
{
    uint8_t message[2048] = {0};
    uint64_t start = bench_now_ns();

    for (; trips > 0; trips--) {
        uint64_t before = n->n_rx;

        bench_touch(message);
        bench_need(rpr_send(n->ept, message, len, 0), "send");
        while (n->n_rx == before)
            bench_turn(n);
    }
    return bench_now_ns() - start;
}

static inline void bench_wait_writable(struct bench_node *n)
{
    rpr_flush(n->device);
    n->writable = false;
    while (!n->writable)
        bench_turn(n);
}

static inline void bench_send_all(struct bench_node *n, uint32_t count, size_t len)
{
    uint8_t message[2048] = {0};

    for (uint32_t i = 1; i <= count;) {
        bool last = i % BENCH_BATCH == 0 || i == count;
        int result;

        bench_touch(message);
        result = rpr_send(n->ept, message, len, last ? 0 : RPR_MORE);
        if (result == -RPR_EAGAIN) {
            bench_wait_writable(n);
            continue;
        }
        bench_need(result, "send");
        i++;
        if (last && n->idle_ms == 0)
            bench_turn(n); /* credit that came: before it is missed */
    }
}

/* Nanoseconds from the first of `count` messages to the answer to the last one. */
static inline uint64_t bench_stream(struct bench_node *n, uint32_t count, size_t len)
{
    uint64_t before = n->n_rx;
    uint64_t start = bench_now_ns();

    bench_send_all(n, count, len);
    while (n->n_rx == before)
        bench_turn(n);
    return bench_now_ns() - start;
}

#endif
