/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two smallest nodes, driver and device, over one region of this machine. Each in turn is put to the
 * test by the other: announcements both ways, 100 echoes, and what a peer must not do.
 */
#include <rpr/mini.h>

#include "semihosting.h"

#include "base/bytes.h"
#include "base/check.h"
#include "wire/header.h"
#include "wire/ns.h"

#define NUM     8u
#define PAYLOAD 64u
#define ECHOES  100u

struct side {
    struct rpr_mini *node;
    struct rpr_mini_memory memory[RPR_MINI_MEMORY(2 * NUM)];
    struct rpr_mini_config config;
    struct rpr_mini_ept out, in; /* announced by this side, and opened for the other's */
    unsigned n_bound, n_rx;
    uint32_t heard;
};

static struct side sides[2]; /* by enum rpr_vring_role */
static uint8_t region[4096] __attribute__((aligned(8)));
static const char *failed;

static void expect(bool condition, const char *what)
{
    if (!condition && !failed)
        failed = what;
}

static struct side *side_of(const struct rpr_mini *node)
{
    return &sides[sides[1].node == node];
}

/* ---- the application of both ------------------------------------------------------------------------ */

/* Who was asked answers; who asked keeps the answer. */
static enum rpr_rx_result on_rx(struct rpr_mini_ept *ept, const struct rpr_mini_msg *msg)
{
    struct side *s = side_of(ept->node);

    s->n_rx++;
    s->heard = msg->len == 4 ? get_le32(msg->data) : 0;
    if (ept == &s->in)
        expect(rpr_mini_send(ept, msg->data, msg->len) == 0, "an echo was not sent");
    return RPR_DONE;
}

static void on_bound(struct rpr_mini_ept *ept)
{
    side_of(ept->node)->n_bound++;
}

static void on_unbound(struct rpr_mini_ept *ept, enum rpr_unbound_reason reason)
{
    struct side *s = side_of(ept->node);

    (void)reason;
    s->n_bound--;
    if (ept == &s->in)
        rpr_mini_ept_close(ept);
}

static const struct rpr_mini_ops ops = {.rx = on_rx, .bound = on_bound, .unbound = on_unbound};

static void on_created(struct rpr_mini *node, const char *name, uint32_t addr)
{
    struct side *s = side_of(node);

    (void)name;
    s->in = (struct rpr_mini_ept){
        .name = sides[s == &sides[0]].out.name, .ops = &ops, .addr = RPR_ADDR_ANY, .dest = addr};
    expect(rpr_mini_ept_open(node, &s->in) == 0, "an announcement was not taken");
}

static void ring(void *ctx, bool to_tx_ring)
{
    (void)ctx;
    (void)to_tx_ring;
}

/* ---- the two nodes ------------------------------------------------------------------------------------ */

static void configure(enum rpr_vring_role role)
{
    struct rpr_vring_session *s = &sides[role].config.session;

    sides[role].config.created = on_created;
    s->role = role;
    s->base = region;
    s->base_da = 0x80000000u; /* as another core may see it */
    s->ring = ring;
    expect(rpr_vring_layout_local(&s->layout, NUM, PAYLOAD) == 0 &&
               s->layout.bytes <= sizeof region,
           "the region is too small");
}

static void run(void)
{
    for (unsigned i = 0; i < 16; i++) {
        (void)rpr_mini_poll(sides[0].node);
        (void)rpr_mini_poll(sides[1].node);
    }
}

static void begin(void)
{
    struct side *driver = &sides[RPR_VRING_DRIVER], *device = &sides[RPR_VRING_DEVICE];

    configure(RPR_VRING_DRIVER);
    configure(RPR_VRING_DEVICE);
    expect(!rpr_mini_open_driver(&driver->node, driver->memory, sizeof driver->memory,
                                 &driver->config),
           "the driver does not open");
    expect(!rpr_mini_open_device(&device->node, device->memory, sizeof device->memory,
                                 &device->config),
           "the device does not open");
}

static void begin_again(void)
{
    rpr_mini_restart(sides[RPR_VRING_DRIVER].node);
    rpr_mini_restart(sides[RPR_VRING_DEVICE].node);
    run();
    expect(sides[0].n_bound == 2 && sides[1].n_bound == 2, "not bound again after a restart");
}

/* ---- the test ------------------------------------------------------------------------------------------- */

static void open_out(struct side *s, const char *name)
{
    s->out = (struct rpr_mini_ept){
        .name = name, .ops = &ops, .addr = RPR_ADDR_ANY, .dest = RPR_ADDR_ANY};
    expect(rpr_mini_ept_open(s->node, &s->out) == 0, "an endpoint does not open");
}

static void echo(struct side *asker, uint32_t number)
{
    uint8_t payload[4];

    put_le32(payload, number);
    expect(rpr_mini_send(&asker->out, payload, sizeof payload) == 0, "a message was not sent");
    run();
    expect(asker->heard == number, "an echo is missing or wrong");
}

/* What the peer, who is not who he seems, wrote last into the ring that the victim receives on. */
static uint8_t *last_message(const struct side *victim)
{
    bool driver = victim == &sides[RPR_VRING_DRIVER];
    const struct rpr_vring_ring *r = &victim->config.session.layout.ring[driver ? 0 : 1];
    const uint8_t *half = region + (driver ? r->used : r->avail);
    uint32_t at = (get_le16(half + 2) - 1u) % NUM;

    return region + r->buffers + get_le16(half + 4 + at * (driver ? 8 : 2)) * r->stride;
}

static void bad_ring(struct side *victim)
{
    bool driver = victim == &sides[RPR_VRING_DRIVER];
    const struct rpr_vring_ring *r = &victim->config.session.layout.ring[driver ? 0 : 1];
    uint8_t *index = region + (driver ? r->used : r->avail) + 2;

    put_le16(index, (uint16_t)(get_le16(index) + NUM + 1));
}

static void bad_length(struct side *victim)
{
    put_le16(last_message(victim) + 12, PAYLOAD + 1);
}

static void refuse(struct side *victim, struct side *peer, void (*forge)(struct side *victim),
                   const char *what)
{
    unsigned n_rx = victim->n_rx;

    expect(rpr_mini_send(&peer->out, "????", 4) == 0, "a message was not sent");
    forge(victim);
    expect(rpr_mini_poll(victim->node) == -RPR_EPROTO && rpr_mini_reason(victim->node), what);
    expect(victim->n_rx == n_rx, "a malformed message was delivered");
    begin_again();
    echo(peer, 4711);
}

/* Half a word of the name service: counted, and nothing else. */
static void bad_word(struct side *victim, struct side *peer)
{
    uint32_t errors = rpr_mini_counters(victim->node)->errors;

    expect(rpr_mini_send(&peer->out, "CREATE", 6) == 0, "a message was not sent");
    put_le32(last_message(victim) + 4, RPMSG_ADDR_NS);
    run();
    expect(rpr_mini_counters(victim->node)->errors == errors + 1, "a short word was not counted");
    echo(peer, 4712);
}

static void report(const char *what)
{
    semihosting_print(failed ? "FAILED: " : "ok: ");
    semihosting_print(what);
    semihosting_print(failed ? ": " : "\n");
    if (!failed)
        return;
    semihosting_print(failed);
    semihosting_print("\n");
    semihosting_exit(1);
}

static void test(struct side *victim, struct side *peer)
{
    for (uint32_t i = 1; i <= ECHOES; i++)
        echo(peer, i);
    report("100 echoes");
    refuse(victim, peer, bad_ring, "a malformed ring was not refused");
    report("malformed ring refused");
    refuse(victim, peer, bad_length, "a malformed length was not refused");
    bad_word(victim, peer);
    report("malformed length refused");
}

int main(void)
{
    struct side *driver = &sides[RPR_VRING_DRIVER], *device = &sides[RPR_VRING_DEVICE];

    begin();
    open_out(device, "from-device");
    open_out(driver, "from-driver");
    run();
    expect(driver->n_bound == 2 && device->n_bound == 2, "not bound");
    report("CREATE in and out");
    semihosting_print("device:\n");
    test(device, driver);
    semihosting_print("driver:\n");
    test(driver, device);
    semihosting_print("size-smoke: PASS\n");
    return 0;
}
