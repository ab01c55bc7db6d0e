/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any messages from a peer to the services of a node, and any name service around them: nothing crashes or
 * hangs, a request for a ping is answered at most once, what the server of the log gives on are whole lines
 * within bounds, and all memory comes back. A lie that arrives ends its endpoint, with a reason, and nothing
 * else does; the endpoint comes back.
 */
#include "fuzz.h"

#include <rpr/loop.h>
#include <rpr/ping.h>
#include <rpr/syslog.h>
#include <rpr/test.h>

#include "base/bytes.h"
#include "wire/ping.h"
#include "wire/test.h"

#define MS UINT64_C(1000000)

static long n_blocks;

static void *take_memory(void *ctx, size_t bytes)
{
    (void)ctx;
    n_blocks++;
    return calloc(1, bytes);
}

static void give_memory(void *ctx, void *memory, size_t bytes)
{
    (void)ctx;
    (void)bytes;
    n_blocks--;
    free(memory);
}

static const struct rpr_platform platform = {.alloc = take_memory, .free = give_memory};

struct game {
    struct rpr_node *node, *peer;
    struct rpr_cable *cable;
    struct rpr_device *device; /* of the node, at the peer */
    rpr_ept_t ept[3];
    bool open[3];
    struct rpr_ping *ping;
    struct rpr_test *test;
    struct rpr_syslog_server *server;
    struct rpr_syslog_client *client;
    bool full;
    uint64_t now;
    unsigned asked, answered;
    unsigned lies[3]; /* that were sent */
};

static const char *const names[] = {"rpmsg-ping", "rpmsg-test", "rpmsg-syslog"};

static enum rpr_rx_result on_rx(void *ctx, rpr_ept_t ept, const struct rpr_msg *msg)
{
    struct game *g = ctx;

    if (memcmp(&ept, &g->ept[0], sizeof ept) == 0 && msg->len >= PING_MIN_BYTES)
        g->answered++;
    return RPR_DONE;
}

static bool take_lines(void *ctx, const char *cpu, const char *head, uint32_t head_len,
                       const char *text, uint32_t len)
{
    struct game *g = ctx;

    MUST(cpu[0] == 'p');
    MUST(len && text[len - 1] == '\n');
    MUST(head_len <= 64);
    for (uint32_t i = 0; i < head_len; i++)
        MUST(head[i] != '\n');
    return !g->full;
}

static const struct rpr_ept_ops ops = {.rx = on_rx};

static void open_ept(struct game *g, unsigned i)
{
    struct rpr_ept_config config = {
        .name = names[i], .addr = RPR_ADDR_ANY, .dest = RPR_ADDR_ANY, .ops = &ops, .ctx = g};

    if (!g->open[i])
        g->open[i] = rpr_ept_open(g->device, &config, &g->ept[i]) == 0;
}

static void close_ept(struct game *g, unsigned i)
{
    if (g->open[i])
        (void)rpr_ept_close(g->ept[i]);
    g->open[i] = false;
}

static void turn(struct game *g, uint64_t ns)
{
    g->now += ns;
    for (unsigned i = 0; i < 40; i++) {
        (void)rpr_node_poll(g->node, g->now, 0);
        (void)rpr_node_poll(g->peer, g->now, 0);
    }
}

static void begin(struct game *g)
{
    struct rpr_node_config node = {.name = "node", .platform = &platform, .slots = 64};
    struct rpr_node_config peer = {.name = "peer", .platform = &platform, .slots = 64};
    struct rpr_cable_config cable = {.platform = &platform, .buffers = 8, .payload = 200};
    struct rpr_syslog_server_config server = {
        .line_bytes = 64, .message_bytes = 150, .clients = 2, .lines = take_lines, .ctx = g};
    struct rpr_syslog_client_config client = {.server = "peer", .ring_bytes = 256, .delay_ms = 1};

    memset(g, 0, sizeof *g);
    MUST(!rpr_node_open(&g->node, &node) && !rpr_node_open(&g->peer, &peer));
    MUST(!rpr_ping_open(g->node, NULL, &g->ping) && !rpr_test_open(g->node, NULL, &g->test));
    MUST(!rpr_syslog_server_open(g->node, &server, &g->server));
    MUST(!rpr_syslog_client_open(g->node, &client, &g->client));
    MUST(!rpr_cable_open(&g->cable, &cable));
    MUST(!rpr_cable_join(g->cable, RPR_CABLE_A, g->node, "peer"));
    MUST(!rpr_cable_join(g->cable, RPR_CABLE_B, g->peer, "node"));
    g->device = rpr_device_find(g->peer, "node");
    for (unsigned i = 0; i < 3; i++)
        open_ept(g, i);
    turn(g, MS);
}

static void end(struct game *g)
{
    rpr_syslog_client_close(g->client);
    rpr_syslog_server_close(g->server);
    rpr_test_close(g->test);
    rpr_ping_close(g->ping);
    rpr_node_close(g->node);
    rpr_node_close(g->peer);
    rpr_cable_close(g->cable);
    MUST(n_blocks == 0);
}

/* By the words of the specification: what no peer says. (An answer of the log that was not asked for is
 * a lie only there, and a second HELLO: of syslog no more is known here than that one may be.) */
static bool is_lie(unsigned i, const uint8_t *bytes, size_t n)
{
    if (i == 0)
        return n < PING_HEADER_BYTES || (!(bytes[0] & 0xf0) && (get_le32(bytes + 4) < n ||
                                                                get_le32(bytes + 4) > UINT16_MAX));
    if (i == 1)
        return n < TEST_PREFIX_BYTES || get_le32(bytes + 20) != n - TEST_PREFIX_BYTES;
    return true;
}

static unsigned malformed(struct game *g, unsigned i)
{
    struct rpr_ping_counters ping;
    struct rpr_test_counters test;
    struct rpr_syslog_server_counters server;

    rpr_ping_counters(g->ping, &ping);
    rpr_test_counters(g->test, &test);
    rpr_syslog_server_counters(g->server, &server);
    return (unsigned)(i == 0 ? ping.malformed : i == 1 ? test.malformed : server.malformed);
}

static bool closed(struct game *g, unsigned i)
{
    struct rpr_service_closed info;
    bool is = i == 0   ? rpr_ping_closed(g->ping, 0, &info)
              : i == 1 ? rpr_test_closed(g->test, 0, &info)
                       : rpr_syslog_server_closed(g->server, 0, &info);

    MUST(!is || (info.reason[0] && info.wait_ns <= 64000 * MS));
    return is;
}

static bool is_bound(struct game *g, unsigned i)
{
    struct rpr_ept_info info;

    return g->open[i] && rpr_ept_info(g->ept[i], &info) == 0 && info.state == RPR_EPT_BOUND;
}

/* One message, and nothing else on the way: it ends the endpoint if and only if it is a lie. (That of the
 * log is bound to the node's own client next.) */
static void send_alone(struct game *g, unsigned i, const uint8_t *bytes, size_t n)
{
    unsigned before = malformed(g, i);

    if (!is_bound(g, i) || closed(g, i) || rpr_send(g->ept[i], bytes, n, 0) != 0)
        return;
    g->asked += i == 0;
    g->lies[i] += is_lie(i, bytes, n);
    turn(g, 0);
    if (malformed(g, i) != before)
        MUST(is_lie(i, bytes, n) && closed(g, i) && (i == 2 || !is_bound(g, i)));
    else if (i < 2 && !closed(g, i))
        MUST(!is_lie(i, bytes, n));
}

static void send_bytes(struct game *g, unsigned i, struct input *input, bool alone)
{
    uint8_t bytes[200];
    size_t n = next_byte(input) % (sizeof bytes + 1), left = (size_t)(input->end - input->at);

    n = n < left ? n : left;
    memcpy(bytes, input->at, n);
    input->at += n;
    if (alone) {
        turn(g, 0);
        send_alone(g, i, bytes, n);
    } else if (rpr_send(g->ept[i], bytes, n, 0) == 0) {
        g->asked += i == 0;
        g->lies[i] += is_lie(i, bytes, n);
    }
}

/* Nobody lies any more: all is as at first. */
static void come_to_rest(struct game *g)
{
    turn(g, MS * 200);
    for (unsigned i = 0; i < 3; i++)
        open_ept(g, i);
    for (unsigned n = 0; n < 3; n++)
        turn(g, MS * 65000);
    for (unsigned i = 0; i < 3; i++) {
        MUST(!closed(g, i) && malformed(g, i) <= g->lies[i]);
        MUST(i == 2 || is_bound(g, i));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct game g;
    struct input input = {data, data + size};

    begin(&g);
    while (input.at < input.end) {
        uint8_t what = next_byte(&input);

        switch (what >> 4) {
        case 0:
            close_ept(&g, what % 3);
            break;
        case 1:
            open_ept(&g, what % 3);
            break;
        case 2:
            turn(&g, MS * (what & 15) * 10);
            break;
        case 3:
            g.full = what & 1;
            rpr_syslog_server_resume(g.server);
            break;
        case 4:
            rpr_syslog_client_write(g.client, data, (uint32_t)size & 127);
            break;
        case 5:
            rpr_cable_cut(g.cable);
            turn(&g, 1);
            rpr_cable_mend(g.cable);
            break;
        case 6:
            rpr_syslog_server_look(g.server);
            break;
        default:
            send_bytes(&g, what % 3, &input, what & 32);
            if (what & 16)
                turn(&g, what & 64 ? MS : 0);
            break;
        }
    }
    come_to_rest(&g);
    MUST(g.answered <= g.asked);
    end(&g);
    return 0;
}
