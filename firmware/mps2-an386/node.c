/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The application that the smallest nodes are weighed with: one link of 8+8 descriptors, an endpoint
 * that announces itself and one for who asks, both echo. It uses every function of rpr/mini.h, so that
 * nothing of it is left out of the sum.
 */
#include <rpr/mini.h>

#define NUM     8
#define SIZE    512
#define REGION  0x20200000u /* shared with the other core */
#define BUFFERS 1024        /* offset of the first */

#define RING(at, buffers_)                                                           \
    {                                                                                \
        .num = NUM, .desc = (at), .avail = (at) + 128, .used = (at) + 152,           \
        .driver_flag = (at) + 128, .device_flag = (at) + 152, .buffers = (buffers_), \
        .stride = SIZE, .size = SIZE                                                 \
    }

static void ring(void *ctx, bool to_tx_ring)
{
    (void)ctx;
    (void)to_tx_ring; /* there is no other core on this board */
}

static struct rpr_mini_msg held;
static bool holds;

/* What cannot be answered now is answered when there is a buffer. */
static enum rpr_rx_result on_rx(struct rpr_mini_ept *ept, const struct rpr_mini_msg *msg)
{
    if (rpr_mini_send(ept, msg->data, msg->len) != -RPR_EAGAIN || holds)
        return RPR_DONE;
    held = *msg;
    holds = true;
    return RPR_HOLD;
}

static void on_writable(struct rpr_mini_ept *ept)
{
    if (!holds)
        return;
    holds = false;
    (void)rpr_mini_send(ept, held.data, held.len);
    rpr_mini_release(ept->node, &held);
}

static void on_unbound(struct rpr_mini_ept *ept, enum rpr_unbound_reason reason)
{
    if (reason == RPR_UNBOUND_CLOSED)
        rpr_mini_announce(ept);
}

static void on_left(struct rpr_mini_ept *ept, enum rpr_unbound_reason reason)
{
    (void)reason;
    rpr_mini_ept_close(ept);
}

static bool is_open; /* the second endpoint */

static void on_closed(struct rpr_mini_ept *ept)
{
    (void)ept;
    is_open = false;
}

static const struct rpr_mini_ops first_ops = {
    .rx = on_rx, .unbound = on_unbound, .writable = on_writable};
static const struct rpr_mini_ops second_ops = {
    .rx = on_rx, .unbound = on_left, .writable = on_writable, .closed = on_closed};

/* The library's, though the application gives it. */
#define RPR_MEMORY __attribute__((section(".bss.rpr")))

static struct rpr_mini_memory memory[RPR_MINI_MEMORY(NUM + NUM)] RPR_MEMORY;
static struct rpr_mini_ept first RPR_MEMORY, second RPR_MEMORY;

static void on_created(struct rpr_mini *node, const char *name, uint32_t addr)
{
    (void)name;
    if (is_open)
        return;
    second = (struct rpr_mini_ept){
        .name = "echo", .ops = &second_ops, .addr = RPR_ADDR_ANY, .dest = addr};
    is_open = rpr_mini_ept_open(node, &second) == 0;
}

static const struct rpr_mini_config config = {
    .session = {.base = (void *)REGION,
                .base_da = REGION,
                .layout = {.ring = {RING(0, BUFFERS), RING(256, BUFFERS + NUM * SIZE)},
                           .bytes = BUFFERS + 2 * NUM * SIZE},
#ifdef NODE_IS_DRIVER
                .role = RPR_VRING_DRIVER,
#else
                .role = RPR_VRING_DEVICE,
#endif
                .dialect = RPR_DIALECT_NUTTX,
                .ring = ring},
    .created = on_created};

#ifdef NODE_IS_DRIVER
#define OPEN rpr_mini_open_driver
#else
#define OPEN rpr_mini_open_device
#endif

int main(void)
{
    struct rpr_mini *node;

    first = (struct rpr_mini_ept){
        .name = "status", .ops = &first_ops, .addr = RPR_ADDR_ANY, .dest = RPR_ADDR_ANY};
    if (OPEN(&node, memory, sizeof memory, &config) || rpr_mini_ept_open(node, &first))
        return 1;
    for (;;) {
        if (rpr_mini_poll(node) < 0 && rpr_mini_reason(node))
            rpr_mini_restart(node);
        if (rpr_mini_counters(node)->errors > 1000)
            rpr_mini_restart(node);
        if (rpr_mini_arm(node))
            __asm__ volatile("wfi");
    }
}
