/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Noise on a serial line: two nodes, `crc=require`, and bits that are turned over by chance while
 * frames go from one to the other. What must hold:
 *
 *   - what arrives has the length and the content that was sent; what a CRC of 16 bits cannot see is
 *     seen here, and is at most 3 of 10^6 frames
 *   - of the few frames that are under way at a time, some are missing only if a counter moved
 *   - at most one session is ended by noise for 10^4 bit errors
 *   - the first frame after the noise stops arrives
 *
 * usage: serial_noise [--frames N] [--seed S]
 */
#include "serial_line.h"

#include <rpr/rpr.h>

#include "base/bytes.h"
#include "options.h"

#define MS(n)      ((uint64_t)(n)*1000000u)
#define ADDR       100u /* needs no name service */
#define BATCH      1000u
#define MAX_LENGTH 496u

struct run {
    struct rpr_platform platform;
    struct serial_line line;
    struct rpr_node *node[2];
    rpr_ept_t ept[2];
    uint64_t now;
    uint32_t length;
    uint32_t sent, arrived, changed, silent; /* frames; losses that no counter showed */
    uint32_t next;                           /* number that is to arrive next, as far as is known */
    uint32_t missing;                        /* frames so far */
    uint32_t suspect;                        /* of them, what no counter has shown yet */
    uint64_t losses;                         /* what the counters said when all was quiet last */
    bool wrong_length;
};

static void *get_memory(void *ctx, size_t bytes)
{
    (void)ctx;
    return calloc(1, bytes);
}

static void put_memory(void *ctx, void *memory, size_t bytes)
{
    (void)ctx;
    (void)bytes;
    free(memory);
}

/* ---- frames ----------------------------------------------------------------------------------- */

static void content(uint8_t *data, uint32_t number, uint32_t length)
{
    uint64_t random = number * UINT64_C(0x9e3779b97f4a7c15) + 1;

    put_le32(data, number);
    for (uint32_t i = 4; i < length; i++)
        data[i] = (uint8_t)(line_random(&random) >> 32);
}

static struct rpr_serial_info info_of(const struct run *r, unsigned i)
{
    struct rpr_serial_info info = {0};

    (void)rpr_serial_info(r->line.end[i].link, &info);
    return info;
}

static uint64_t losses(const struct run *r)
{
    uint64_t n = 0;

    for (unsigned i = 0; i < 2; i++) {
        struct rpr_serial_info s = info_of(r, i);
        struct rpr_device_info d;

        rpr_device_info(rpr_device_next(r->node[i], NULL), &d);
        n += s.bad_crc + s.bad_length + s.stray + s.noise + s.unconnected + s.rx_lost + s.tx_lost;
        n += d.counters.dropped + d.counters.late + d.counters.errors;
    }
    return n;
}

static enum rpr_rx_result rx(void *ctx, rpr_ept_t ept, const struct rpr_msg *msg)
{
    struct run *r = ctx;
    uint8_t expected[MAX_LENGTH];
    uint32_t number = msg->len >= 4 ? get_le32(msg->data) : 0;

    (void)ept;
    if (r->suspect && losses(r) == r->losses)
        r->silent += r->suspect;
    r->suspect = 0;
    r->arrived++;
    r->wrong_length |= msg->len != r->length;
    content(expected, number, r->length);
    if (msg->len != r->length || number < r->next || number >= r->sent ||
        memcmp(msg->data, expected, r->length) != 0)
        r->changed++; /* and its number says nothing */
    else
        r->next = number + 1;
    return RPR_DONE;
}

static const struct rpr_ept_ops ept_ops = {.rx = rx};

/* ---- the run ----------------------------------------------------------------------------------- */

static void start(struct run *r, uint32_t length, uint64_t seed)
{
    static const char *const names[] = {"a", "b"};

    memset(r, 0, sizeof *r);
    r->platform = (struct rpr_platform){.alloc = get_memory, .free = put_memory};
    r->length = length;
    r->now = MS(1000);
    line_init(&r->line);
    for (unsigned i = 0; i < 2; i++) {
        struct rpr_node_config config = {.name = names[i], .platform = &r->platform};

        r->line.end[i].noise.random = seed * 2 + i + 1;
        if (rpr_node_open(&r->node[i], &config) ||
            line_join(&r->line, i, r->node[i], names[!i],
                      (struct rpr_serial_config){.crc = RPR_SERIAL_CRC_REQUIRE}) ||
            rpr_ept_open(rpr_device_find(r->node[i], names[!i]),
                         &(struct rpr_ept_config){.addr = ADDR,
                                                  .dest = RPR_ADDR_ANY,
                                                  .flags = RPR_EPT_CONTROL,
                                                  .ops = &ept_ops,
                                                  .ctx = r},
                         &r->ept[i]))
            abort();
    }
}

/* Until nothing moves; then the time of what is due next. */
static uint64_t settle(struct run *r)
{
    for (;;) {
        uint64_t next = RPR_POLL_IDLE;
        bool idle = true;

        for (unsigned i = 0; i < 2; i++) {
            uint64_t due = rpr_node_poll(r->node[i], r->now, 0);

            idle &= due > r->now && rpr_node_arm(r->node[i]);
            next = due < next ? due : next;
        }
        for (unsigned i = 0; i < 2; i++)
            idle &= !line_move(&r->line, i);
        if (idle)
            return next;
    }
}

/* Lets so much time pass. */
static void pass(struct run *r, uint64_t ns)
{
    uint64_t end = r->now + ns, next;

    while ((next = settle(r)) <= end)
        r->now = next;
    r->now = end;
}

static bool send_one(struct run *r)
{
    uint8_t data[MAX_LENGTH];

    content(data, r->sent, r->length);
    if (rpr_send_to(r->ept[0], ADDR, data, r->length, 0))
        return false;
    r->sent++;
    return true;
}

static bool connected(const struct run *r)
{
    return strcmp(info_of(r, 0).state, "connected") == 0 &&
           strcmp(info_of(r, 1).state, "connected") == 0;
}

static uint32_t queued(const struct run *r)
{
    struct rpr_queue_info info;

    return rpr_device_queue(rpr_device_next(r->node[0], NULL), 0, &info) ? info.pending : 0;
}

/* Everything that was sent has arrived, or is lost; then some counter says so. (Of a frame whose END
 * was lost, when the next one begins.) */
static void account(struct run *r)
{
    uint64_t now;

    while (settle(r) <= r->now || queued(r))
        pass(r, MS(1));
    now = losses(r);
    r->suspect = now == r->losses ? r->suspect + r->sent - r->arrived - r->missing : 0;
    r->missing = r->sent - r->arrived;
    r->losses = now;
}

/* Sends until number `upto`; waits where nothing goes. */
static void send_upto(struct run *r, uint32_t upto)
{
    while (r->sent < upto) {
        if (!send_one(r) || r->sent == upto)
            account(r);
        while (r->sent < upto && !queued(r) &&
               !rpr_device_tx_len(rpr_device_next(r->node[0], NULL)))
            pass(r, MS(1));
    }
}

static void noise(struct run *r, double rate)
{
    noise_set(&r->line.end[0].noise, rate);
    noise_set(&r->line.end[1].noise, rate);
}

/* The noise stops: whatever it began comes to its end, and the next frame arrives. */
static bool first_after_noise(struct run *r)
{
    uint32_t arrived;

    noise(r, 0);
    pass(r, MS(200));
    for (unsigned i = 0; i < 300 && !connected(r); i++)
        pass(r, MS(100));
    arrived = r->arrived;
    send_upto(r, r->sent + 1);
    pass(r, MS(200));
    return r->arrived == arrived + 1;
}

static void stop(struct run *r)
{
    rpr_node_close(r->node[0]);
    rpr_node_close(r->node[1]);
}

/* ---- what came out ------------------------------------------------------------------------------ */

static double power(double x, uint64_t n)
{
    double result = 1;

    for (; n; n >>= 1, x *= x)
        if (n & 1)
            result *= x;
    return result;
}

static bool campaign(uint32_t length, double rate, uint32_t frames, uint64_t seed)
{
    static struct run run;
    struct run *r = &run;
    uint64_t bits, errors = 0, ended = 0, sent_bytes;
    unsigned deaf = 0;
    bool held;
    double hit;

    start(r, length, seed);
    pass(r, MS(500));
    if (!connected(r))
        abort();
    sent_bytes = r->line.end[0].n_sent;
    r->losses = losses(r);
    while (r->sent < frames) {
        noise(r, rate);
        send_upto(r, r->sent + BATCH < frames ? r->sent + BATCH : frames);
        deaf += !first_after_noise(r);
    }
    bits = 8 * (r->line.end[0].n_sent - sent_bytes) / r->sent;
    for (unsigned i = 0; i < 2; i++) {
        struct rpr_serial_info s = info_of(r, i);

        errors += r->line.end[i].noise.n_errors;
        ended += s.peer_restarts + s.poweroffs + s.half_open;
    }
    /* Both ends count: one that was ended by noise, and the other that follows. */
    held = !r->wrong_length &&
           r->changed * UINT64_C(1000000) <= 3 * (uint64_t)frames + 3000000 / 2 && !r->silent &&
           ended * 10000 <= errors + 10000 && !deaf;
    hit = 1 - power(1 - rate, bits);
    printf("%4u B  %.0e  %8u sent %8u arrived  %8llu bit errors %4llu sessions ended  "
           "%2u changed (CRC theory: at most %.2g)  %u missing silently  %u deaf  %s\n",
           length, rate, r->sent, r->arrived, (unsigned long long)errors, (unsigned long long)ended,
           r->changed, hit * r->sent / 65536, r->silent, deaf, held ? "held" : "NOT HELD");
    fflush(stdout);
    stop(r);
    return held;
}

int main(int argc, char **argv)
{
    static const double rates[] = {1e-6, 1e-5, 1e-4, 1e-3};
    uint32_t frames = 1000000;
    uint64_t seed = 1;
    bool held = true;

    campaign_options(argc, argv, "--frames", &frames, &seed);
    printf("seed %llu: serial_noise --frames %u --seed %llu repeats it\n", (unsigned long long)seed,
           frames, (unsigned long long)seed);
    for (unsigned i = 0; i < 4; i++)
        held &= campaign(64, rates[i], frames, seed);
    for (unsigned i = 0; i < 3; i++)
        held &= campaign(496, rates[i], frames, seed);
    return !held;
}
