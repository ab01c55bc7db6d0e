/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes, at any time, to a node on a serial line that has a service and sends: no crash, no
 * hang, bounded memory; and afterwards a peer that says CONNREQ is in step at once: its announcement
 * is heard and its first frame arrives.
 */
#include "fuzz.h"

#include "serial_line.h"

#include <rpr/rpr.h>

#include "wire/header.h"
#include "wire/ns.h"

#define MS(n) ((uint64_t)(n)*1000000u)

struct peer {
    struct rpr_platform platform;
    struct serial_line line;
    struct rpr_node *node;
    rpr_ept_t ept;
    uint64_t now;
    size_t live, n_live;
    unsigned n_rx;
    uint32_t dest;
    bool hold;
    struct rpr_msg held;
    bool holds;
};

static struct peer peer;

static void *get_memory(void *ctx, size_t bytes)
{
    (void)ctx;
    peer.live += bytes;
    peer.n_live++;
    MUST(peer.live < 4000000);
    return calloc(1, bytes);
}

static void put_memory(void *ctx, void *memory, size_t bytes)
{
    (void)ctx;
    peer.live -= bytes;
    peer.n_live--;
    free(memory);
}

static enum rpr_rx_result rx(void *ctx, rpr_ept_t ept, const struct rpr_msg *msg)
{
    uint8_t sum = 0;

    (void)ctx;
    for (uint32_t i = 0; i < msg->len; i++)
        sum = (uint8_t)(sum + ((const uint8_t *)msg->data)[i]);
    peer.n_rx++;
    (void)rpr_send(ept, &sum, 1, 0);
    if (!peer.hold || peer.holds)
        return sum & 1 ? RPR_LATER : RPR_DONE;
    peer.held = *msg;
    peer.holds = true;
    return RPR_HOLD;
}

static void bound(void *ctx, rpr_ept_t ept, uint32_t dest)
{
    (void)ctx;
    (void)ept;
    peer.dest = dest;
}

static const struct rpr_ept_ops ept_ops = {.rx = rx, .bound = bound};

static void put_back(void)
{
    if (peer.holds)
        rpr_release(&peer.held);
    peer.holds = false;
}

static uint64_t settle(void)
{
    for (unsigned i = 0;; i++) {
        uint64_t next = rpr_node_poll(peer.node, peer.now, 0);
        bool idle = next > peer.now && rpr_node_arm(peer.node);

        if (!line_move(&peer.line, 1) && idle)
            return next;
        MUST(i < 100000);
    }
}

static void pass(uint64_t ns)
{
    uint64_t end = peer.now + ns, next;

    while ((next = settle()) <= end)
        peer.now = next;
    peer.now = end;
    (void)settle();
}

static void say(const void *data, size_t len)
{
    line_say(&peer.line, 1, data, len);
    (void)settle();
}

static void say_frame(uint32_t src, uint32_t dst, const void *data, uint16_t len)
{
    uint8_t body[128], wire[RPR_FRAME_WIRE_MAX(128)];
    struct rpr_frame_encoder e;

    header_put(body + 8, src, dst, len);
    memcpy(body + 24, data, len);
    rpr_frame_seal(body, 24u + len, true);
    rpr_frame_begin(&e, body, 24u + len);
    say(wire, rpr_frame_encode(&e, wire, sizeof wire));
}

/* Reads what the node says, all of it. */
static void read_all(void)
{
    line_taken(&peer.line.end[0], peer.line.end[0].n);
}

static void start(void)
{
    memset(&peer, 0, sizeof peer);
    peer.platform = (struct rpr_platform){.alloc = get_memory, .free = put_memory};
    peer.now = MS(1000);
    line_init(&peer.line);
    MUST(rpr_node_open(&peer.node, &(struct rpr_node_config){.name = "a",
                                                             .platform = &peer.platform,
                                                             .slots = 8,
                                                             .slot_bytes = 256}) == 0);
    MUST(line_join(&peer.line, 0, peer.node, "b",
                   (struct rpr_serial_config){.size = 256, .buffers = 4}) == 0);
    MUST(rpr_ept_open(rpr_device_find(peer.node, "b"),
                      &(struct rpr_ept_config){.name = "svc",
                                               .addr = RPR_ADDR_ANY,
                                               .dest = RPR_ADDR_ANY,
                                               .quota = 4,
                                               .ops = &ept_ops},
                      &peer.ept) == 0);
}

/* 0xe0 and up are events, the rest are bytes of the peer. 0xff: the next one is a byte in any case. */
static void happen(struct input *input)
{
    struct rpr_device *device = rpr_device_find(peer.node, "b");
    uint8_t what = next_byte(input);

    switch (what) {
    case 0xe0:
        pass(MS(next_byte(input)));
        break;
    case 0xe1:
        pass(MS(50) * next_byte(input));
        break;
    case 0xe2:
        read_all();
        break;
    case 0xe3:
        line_cut(&peer.line);
        break;
    case 0xe4:
        line_mend(&peer.line);
        break;
    case 0xe5:
        (void)rpr_device_down(device);
        break;
    case 0xe6:
        (void)rpr_device_up(device);
        break;
    case 0xe7:
        (void)rpr_send(peer.ept, "0123456789pqrstuvwxyz", next_byte(input) % 21, 0);
        break;
    case 0xe8:
        peer.hold = !peer.hold;
        break;
    case 0xe9:
        put_back();
        break;
    case 0xea:
        peer.line.end[0].reads_queue = !peer.line.end[0].reads_queue;
        break;
    case 0xff:
        what = next_byte(input);
        say(&what, 1);
        break;
    default:
        say(&what, 1);
        break;
    }
}

static void peer_boots(void)
{
    struct ns_message message = {.name = "svc", .addr = 1500, .flags = NS_CREATE};
    struct rpr_ept_info info;
    uint8_t payload[RPMSG_NS_BYTES];
    unsigned n_rx;

    peer.hold = false;
    put_back();
    (void)rpr_device_up(rpr_device_find(peer.node, "b"));
    line_mend(&peer.line);
    pass(MS(700)); /* an end that had begun */
    read_all();
    say("\x79\x7e\x77", 3);
    read_all();
    pass(MS(20));
    ns_encode(payload, &message);
    say_frame(1500, RPMSG_ADDR_NS, payload, sizeof payload);
    MUST(rpr_ept_info(peer.ept, &info) == 0);
    MUST(info.state == RPR_EPT_BOUND && info.dest == 1500);
    n_rx = peer.n_rx;
    say_frame(1500, info.addr, "x", 1);
    MUST(peer.n_rx > n_rx);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input input = {data, data + size};

    start();
    while (input.at < input.end)
        happen(&input);
    peer_boots();
    rpr_node_close(peer.node);
    MUST(peer.n_live == 0);
    return 0;
}
