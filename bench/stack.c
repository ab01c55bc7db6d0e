/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stack_64, stack_64_batch32: a message of 64 bytes through the whole stack, public functions only:
 * rpr_send() on one of 64 endpoints in random order at one node, rpr_node_poll() at the other up to
 * the endpoint's callback. Two nodes in one thread over a shared-memory link in its local layout, so
 * that no cache line moves: what floor_ring_64 does is in it, the rest is the stack's own work.
 */
#include "local.h"

#define N_MESSAGES  4194304u
#define N_COUNTED   65536u /* under callgrind, where counts are exact and time is not */
#define N_ENDPOINTS 64u
#define N_ORDER     4096u /* the random order repeats after so many messages */
#define N_SENDER    256u /* messages between two polls of the sender, which hears of credits there */
#define BATCH       32u
#define BUDGET      32u
#define PAYLOAD     64u

static struct rpr_node *sender;
static struct rpr_node *receiver;
static rpr_ept_t order[N_ORDER];
static uint64_t n_received;
static struct local_end ends[2];
static uint64_t sum;

/* One message, one poll: until the sender has to hear of credits. */
static inline int send_one_by_one(const rpr_ept_t *ept, const void *payload, size_t len)
{
    int failed = 0;

    for (uint32_t i = 0; i < N_SENDER; i++) {
        failed |= rpr_send(*ept++, payload, len, 0);
        rpr_node_poll(receiver, 1, BUDGET);
    }
    return failed;
}

static inline int send_in_batches(const rpr_ept_t *ept, const void *payload, size_t len)
{
    int failed = 0;

    for (uint32_t i = 0; i < N_SENDER; i += BATCH) {
        for (uint32_t more = BATCH - 1; more > 0; more--)
            failed |= rpr_send(*ept++, payload, len, RPR_MORE);
        failed |= rpr_send(*ept++, payload, len, 0);
        rpr_node_poll(receiver, 1, BUDGET);
    }
    return failed;
}

/*
 * n messages. Its own function, not inlined: callgrind collects inside it only
 * (--toggle-collect=bench_loop).
 */
__attribute__((noinline)) static int bench_loop(uint32_t n, bool batches)
{
    uint8_t payload[PAYLOAD] = {0};
    size_t len = bench_opaque(sizeof(payload));
    int failed = 0;

    for (uint32_t sent = 0; sent < n; sent += N_SENDER) {
        const rpr_ept_t *ept = &order[sent % N_ORDER];

        bench_touch(payload);
        failed |= batches ? send_in_batches(ept, payload, len) : send_one_by_one(ept, payload, len);
        rpr_node_poll(sender, 1, BUDGET);
    }
    return failed;
}

static enum rpr_rx_result on_rx(void *ctx, rpr_ept_t ept, const struct rpr_msg *msg)
{
    uint64_t word;

    (void)ctx;
    (void)ept;
    memcpy(&word, msg->data, sizeof(word));
    sum += word;
    n_received++;
    return RPR_DONE;
}

static const struct rpr_ept_ops ept_ops = {.rx = on_rx};

/* ---- two nodes ----------------------------------------------------------------------------------- */

static bool match(void *ctx, struct rpr_device *device, const char *name)
{
    (void)ctx;
    (void)device;
    (void)name;
    return true;
}

static int bind(void *ctx, struct rpr_device *device, const char *name, uint32_t addr)
{
    struct rpr_ept_config config = {
        .name = name, .addr = RPR_ADDR_ANY, .dest = addr, .ops = &ept_ops};
    rpr_ept_t ept;

    (void)ctx;
    return rpr_ept_open(device, &config, &ept);
}

static const struct rpr_service_ops service_ops = {.match = match, .bind = bind};

static void poll_both(void)
{
    rpr_node_poll(sender, 1, 0);
    rpr_node_poll(receiver, 1, 0);
}

static rpr_ept_t *open_endpoints(uint32_t n)
{
    rpr_ept_t *epts = calloc(n, sizeof(*epts));

    for (uint32_t i = 0; i < n; i++) {
        char name[RPR_NAME_MAX + 1];
        struct rpr_ept_config config = {
            .name = name, .addr = RPR_ADDR_ANY, .dest = RPR_ADDR_ANY, .ops = &ept_ops};

        snprintf(name, sizeof(name), "e%u", i);
        if (!epts || rpr_ept_open(rpr_device_find(sender, "receiver"), &config, &epts[i]) != 0)
            bench_die("endpoint %u", i);
        poll_both();
    }
    for (uint32_t i = 0; i < n;)
        if (local_is_bound(epts[i]))
            i++;
        else
            poll_both();
    return epts;
}

static void set_up(uint32_t n_endpoints)
{
    struct rpr_service_config config = {.ops = &service_ops};
    struct rpr_service *service;
    uint32_t random = 1;
    rpr_ept_t *epts;

    sender = local_node("sender");
    receiver = local_node("receiver");
    local_join(sender, receiver, ends);
    if (rpr_service_open(receiver, &config, &service) != 0)
        bench_die("service");
    epts = open_endpoints(n_endpoints);
    for (uint32_t i = 0; i < N_ORDER; i++) {
        random = random * 1664525u + 1013904223u;
        order[i] = epts[(uint64_t)random * n_endpoints >> 32];
    }
    free(epts);
    for (int i = 0; i < 1000; i++)
        poll_both(); /* the first credits */
}

/* ---- measuring ----------------------------------------------------------------------------------- */

static void run(uint32_t n, bool batches)
{
    uint64_t before = n_received;

    if (bench_loop(n, batches) != 0 || n_received - before != n)
        bench_die("stack: a message was not taken or did not arrive");
}

static void measure(const char *name, bool batches)
{
    uint64_t start;

    run(N_MESSAGES / 8, batches);
    start = bench_now_ns();
    run(N_MESSAGES, batches);
    bench_emit_per(name, bench_now_ns() - start, N_MESSAGES);
}

/* --instructions NAME: runs the loop of that name once and prints how many messages it moved. */
static int count_instructions(const char *name)
{
    uint32_t n_endpoints = N_ENDPOINTS;
    const char *at = strstr(name, "_at_");

    if (at)
        n_endpoints = (uint32_t)strtoul(at + 4, NULL, 10);
    if (n_endpoints == 0)
        bench_die("stack: no such count: %s", name);
    set_up(n_endpoints);
    run(N_COUNTED, strstr(name, "_batch32_") != NULL);
    bench_emit(name, N_COUNTED);
    return 0;
}

int main(int argc, char **argv)
{
    bench_pin(0);
    if (argc == 3 && strcmp(argv[1], "--instructions") == 0)
        return count_instructions(argv[2]);
    set_up(N_ENDPOINTS);
    measure("stack_64", false);
    measure("stack_64_batch32", true);
    if (ends[0].n_rings + ends[1].n_rings != 0)
        bench_die("stack: a doorbell was rung though both sides poll");
    return 0;
}
