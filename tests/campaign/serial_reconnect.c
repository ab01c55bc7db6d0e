/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reconnections of two nodes over a serial line, under traffic both ways, in random order: the wire
 * is cut, a device goes down and up, a node is killed or ends in order and is started again, one of
 * them after the other or both, before the former event has come to rest or after. What must hold:
 *
 *   - the service is bound again, each time
 *   - in one session all messages come from one session of the peer, in order, none missing but at
 *     its end
 *   - nothing leaks: the same state takes the same memory
 *
 * usage: serial_reconnect [--times N] [--seed S]
 */
#include "serial_line.h"

#include <rpr/rpr.h>

#include "base/bytes.h"
#include "options.h"

#define MS(n)   ((uint64_t)(n)*1000000u)
#define N_KINDS 7u

struct side {
    struct campaign *campaign;
    unsigned index;
    rpr_ept_t ept;
    bool bound, heard;
    uint64_t token, peer_token; /* of our session, and of the peer's */
    uint32_t sent, came;
    struct rpr_node *node;
};

struct campaign {
    struct rpr_platform platform;
    struct serial_line line;
    struct side side[2];
    uint64_t now, random, seed;
    uint64_t n_messages, n_binds;
    size_t live;
    uint32_t n_live, times;
};

static struct campaign campaign;

__attribute__((noreturn)) static void fail(const char *what)
{
    printf("FAILED at %u: %s; serial_reconnect --times %u --seed %llu repeats it\n", campaign.times,
           what, campaign.times + 1, (unsigned long long)campaign.seed);
    exit(1);
}

static void *get_memory(void *ctx, size_t bytes)
{
    (void)ctx;
    campaign.live += bytes;
    campaign.n_live++;
    return calloc(1, bytes);
}

static void put_memory(void *ctx, void *memory, size_t bytes)
{
    (void)ctx;
    campaign.live -= bytes;
    campaign.n_live--;
    free(memory);
}

static uint32_t below(uint32_t n)
{
    return (uint32_t)(line_random(&campaign.random) >> 33) % n;
}

/* ---- traffic ------------------------------------------------------------------------------------ */

static void send_some(struct side *s)
{
    uint8_t data[600] = {0};

    put_le64(data, s->token);
    for (unsigned i = 0; i < 20 && s->bound; i++) {
        put_le32(data + 8, s->sent);
        if (rpr_send(s->ept, data, 12 + (s->sent * 37) % 588, 0))
            return;
        s->sent++;
    }
}

static enum rpr_rx_result rx(void *ctx, rpr_ept_t ept, const struct rpr_msg *msg)
{
    struct side *s = ctx;
    const uint8_t *data = msg->data;

    (void)ept;
    if (msg->len < 12)
        fail("a short message");
    if (!s->heard) {
        if (get_le64(data) == s->peer_token)
            fail("a message of a former session");
        s->peer_token = get_le64(data);
        s->heard = true;
        s->came = 0;
    }
    if (get_le64(data) != s->peer_token)
        fail("messages of two sessions in one");
    if (get_le32(data + 8) != s->came || msg->len != 12 + (s->came * 37) % 588)
        fail("a message is missing, or too many");
    s->came++;
    campaign.n_messages++;
    return RPR_DONE;
}

static void bound(void *ctx, rpr_ept_t ept, uint32_t dest)
{
    struct side *s = ctx;

    (void)ept;
    (void)dest;
    if (s->bound)
        fail("bound twice");
    s->bound = true;
    s->heard = false;
    s->token = line_random(&campaign.random);
    s->sent = 0;
    campaign.n_binds++;
}

static void unbound(void *ctx, rpr_ept_t ept, enum rpr_unbound_reason reason)
{
    (void)ept;
    (void)reason;
    ((struct side *)ctx)->bound = false;
}

static void writable(void *ctx, rpr_ept_t ept)
{
    (void)ept;
    send_some(ctx);
}

static const struct rpr_ept_ops ept_ops = {
    .rx = rx, .bound = bound, .unbound = unbound, .writable = writable};

/* ---- nodes ---------------------------------------------------------------------------------------- */

static void start(struct side *s)
{
    static const char *const names[] = {"a", "b"};
    unsigned i = s->index;

    s->bound = false;
    campaign.line.end[i].gone = false;
    campaign.line.end[i].full = false;
    if (rpr_node_open(&s->node, &(struct rpr_node_config){.name = names[i],
                                                          .platform = &campaign.platform,
                                                          .slots = 8,
                                                          .slot_bytes = 600}) ||
        line_join(&campaign.line, i, s->node, names[!i],
                  (struct rpr_serial_config){.size = 600, .buffers = 4}) ||
        rpr_ept_open(rpr_device_find(s->node, names[!i]),
                     &(struct rpr_ept_config){.name = "svc",
                                              .addr = RPR_ADDR_ANY,
                                              .dest = RPR_ADDR_ANY,
                                              .ops = &ept_ops,
                                              .ctx = s},
                     &s->ept))
        fail("no node");
}

/* Killed: nothing more is said, and the other end of the wire is not told. */
static void stop(struct side *s, bool kill)
{
    struct line_end *e = &campaign.line.end[s->index];
    uint32_t room = e->room;

    if (kill)
        e->room = e->n;
    rpr_node_close(s->node);
    e->room = room;
    s->node = NULL;
}

static bool step(bool move)
{
    bool idle = true;

    for (unsigned i = 0; i < 2; i++) {
        struct side *s = &campaign.side[i];

        if (!s->node)
            continue;
        send_some(s);
        idle &= rpr_node_poll(s->node, campaign.now, 0) > campaign.now && rpr_node_arm(s->node);
    }
    for (unsigned i = 0; i < 2 && move; i++)
        idle &= !line_move(&campaign.line, i);
    return idle;
}

/* Traffic never ends: so many steps, with 100 us for each. */
static void go_on(uint32_t steps)
{
    for (uint32_t i = 0; i < steps; i++) {
        (void)step(true);
        campaign.now += MS(1) / 10;
    }
}

/* ---- events ----------------------------------------------------------------------------------------- */

static void happen(unsigned kind)
{
    struct side *s = &campaign.side[below(2)];
    struct rpr_device *device = s->node ? rpr_device_next(s->node, NULL) : NULL;

    switch (kind) {
    case 0:
        line_cut(&campaign.line);
        go_on(below(5));
        line_mend(&campaign.line);
        break;
    case 1:
    case 2:
        (void)rpr_device_down(device);
        go_on(kind == 1 ? 0 : below(300));
        (void)rpr_device_up(device);
        break;
    case 3:
    case 4:
        stop(s, kind == 3);
        go_on(below(3) ? 0 : below(1500));
        start(s);
        break;
    case 5: /* both at once */
        stop(&campaign.side[0], true);
        stop(&campaign.side[1], below(2));
        start(&campaign.side[below(2)]);
        go_on(below(50));
        for (unsigned i = 0; i < 2; i++)
            if (!campaign.side[i].node)
                start(&campaign.side[i]);
        break;
    default: /* the wire keeps what is on it, and nobody reads for a while */
        campaign.line.end[0].stopped = campaign.line.end[1].stopped = true;
        go_on(below(300));
        campaign.line.end[0].stopped = campaign.line.end[1].stopped = false;
        break;
    }
}

/* Both bound to each other: each hears the present session of the other. */
static bool joined(void)
{
    const struct side *a = &campaign.side[0], *b = &campaign.side[1];

    return a->bound && b->bound && a->heard && b->heard && a->peer_token == b->token &&
           b->peer_token == a->token;
}

static void reconnect(size_t *memory)
{
    uint64_t until;
    uint32_t n = 1 + below(3);

    campaign.line.random = below(2) ? line_random(&campaign.random) | 1 : 0;
    for (uint32_t i = 0; i < n; i++) {
        happen(below(i ? N_KINDS : N_KINDS - 1));
        go_on(below(3) ? below(30) : below(1000));
    }
    until = campaign.now + MS(40000);
    while (!joined()) {
        go_on(10);
        if (campaign.now > until)
            fail("not bound again after 40 s");
    }
    go_on(50);
    if (!joined())
        fail("bound, and lost again");
    if (campaign.times == 100)
        *memory = campaign.live;
    if (campaign.times > 100 && campaign.live > *memory)
        fail("memory leaks");
}

int main(int argc, char **argv)
{
    uint32_t times = 10000;
    size_t memory = 0;

    campaign.seed = 1;
    campaign_options(argc, argv, "--times", &times, &campaign.seed);
    campaign.random = campaign.seed * UINT64_C(0x9e3779b97f4a7c15) | 1;
    campaign.platform = (struct rpr_platform){.alloc = get_memory, .free = put_memory};
    campaign.now = MS(1000);
    line_init(&campaign.line);
    for (unsigned i = 0; i < 2; i++) {
        campaign.side[i].campaign = &campaign;
        campaign.side[i].index = i;
        start(&campaign.side[i]);
    }
    for (; campaign.times < times; campaign.times++)
        reconnect(&memory);
    stop(&campaign.side[0], false);
    stop(&campaign.side[1], false);
    if (campaign.n_live)
        fail("memory leaks");
    printf("seed %llu: %u reconnections, %llu binds, %llu messages, %.0f s of virtual time, %zu "
           "bytes\n",
           (unsigned long long)campaign.seed, times, (unsigned long long)campaign.n_binds,
           (unsigned long long)campaign.n_messages, (double)campaign.now / 1e9, memory);
    return 0;
}
