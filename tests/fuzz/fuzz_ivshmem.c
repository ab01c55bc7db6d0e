/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two nodes over memory with a resource table, while somebody writes anything anywhere into it, in
 * any layout and at any moment: no crash, no hang, no step outside of the memory, bounded memory of
 * their own; no message that was not sent with that length; and once it is over and both have been
 * taken down and up, they talk.
 */
#include "fuzz.h"

#include <rpr/ivshmem.h>

#define BYTES  197072u
#define MS(n)  ((uint64_t)(n)*1000000u)
#define N_HELD 2u

struct end {
    struct rpr_platform platform;
    struct rpr_node *node;
    struct rpr_link *link;
    struct rpr_device *device;
    rpr_ept_t ept;
    struct rpr_msg held[N_HELD];
    unsigned n_held, n_rx;
    size_t live;
};

static struct end ends[2];
static uint8_t *memory;
static uint64_t now;

static void *get_memory(void *ctx, size_t bytes)
{
    struct end *e = ctx;

    e->live += bytes;
    MUST(e->live < 4000000);
    return calloc(1, bytes);
}

static void put_memory(void *ctx, void *block, size_t bytes)
{
    ((struct end *)ctx)->live -= bytes;
    free(block);
}

static const char *map(void *ctx, bool make, uint32_t bytes, struct rpr_ivshmem_memory *m)
{
    (void)ctx;
    (void)make;
    MUST(bytes <= BYTES);
    *m = (struct rpr_ivshmem_memory){.base = memory, .bytes = BYTES};
    return NULL;
}

static const char *lost(void *ctx, const struct rpr_ivshmem_memory *m, bool in_use)
{
    (void)ctx;
    (void)m;
    (void)in_use;
    return NULL;
}

static void unmap(void *ctx, const struct rpr_ivshmem_memory *m)
{
    (void)ctx;
    (void)m;
}

static void destroy(void *ctx)
{
    (void)ctx;
}

static enum rpr_rx_result rx(void *ctx, rpr_ept_t ept, const struct rpr_msg *msg)
{
    struct end *e = ctx;
    uint8_t sum = 0;

    MUST(msg->len <= BYTES);
    for (uint32_t i = 0; i < msg->len; i++)
        sum = (uint8_t)(sum + ((const volatile uint8_t *)msg->data)[i]);
    e->n_rx++;
    if (sum % 4 == 1 && e->n_held < N_HELD) {
        e->held[e->n_held++] = *msg;
        return RPR_HOLD;
    }
    if (sum % 4 == 2) {
        uint8_t answer = 3; /* which is not answered: it would never end */

        if (rpr_send(ept, &answer, 1, 0) == -RPR_EAGAIN)
            return RPR_LATER;
    }
    return RPR_DONE;
}

static void start(unsigned i, enum rpr_ivshmem_layout layout)
{
    static const struct rpr_ept_ops ops = {.rx = rx};
    struct end *e = &ends[i];
    struct rpr_ivshmem_config config = {.remote = i ? "a" : "b",
                                        .layout = layout,
                                        .role = (enum rpr_ivshmem_role)i,
                                        .port = {map, lost, NULL, unmap, destroy, e}};
    struct rpr_ept_config ept = {.name = "svc",
                                 .addr = RPR_ADDR_ANY,
                                 .dest = RPR_ADDR_ANY,
                                 .quota = 4,
                                 .ops = &ops,
                                 .ctx = e};

    memset(e, 0, sizeof *e);
    e->platform = (struct rpr_platform){.ctx = e, .alloc = get_memory, .free = put_memory};
    MUST(rpr_node_open(&e->node, &(struct rpr_node_config){.name = i ? "b" : "a",
                                                           .platform = &e->platform,
                                                           .slot_bytes = 2032,
                                                           .slots = 16}) == 0);
    MUST(rpr_ivshmem_open(e->node, &config, &e->link) == 0);
    e->device = rpr_device_find(e->node, config.remote);
    MUST(rpr_ept_open(e->device, &ept, &e->ept) == 0);
}

/* Both live on; no more turns than there can be reasons for. */
static void pass(uint64_t ns)
{
    uint64_t end = now + ns;

    for (unsigned n = 0; now < end; n++) {
        uint64_t next = end;

        MUST(n < 100000);
        for (unsigned i = 0; i < 2; i++) {
            uint64_t at = rpr_node_poll(ends[i].node, now, 8);

            if (at == RPR_POLL_MORE || !rpr_node_arm(ends[i].node))
                at = now;
            if (at < next)
                next = at;
        }
        if (next <= now)
            next = now + 1000; /* a turn takes its time */
        now = next;
    }
}

static void release(struct end *e)
{
    while (e->n_held)
        rpr_release(&e->held[--e->n_held]);
}

static void say(struct end *e, struct input *input)
{
    uint8_t text[64];
    uint8_t len = next_byte(input) % sizeof text;

    memset(text, next_byte(input), sizeof text);
    (void)rpr_send(e->ept, text, len, 0);
}

/* Where there is something to be believed. */
static const uint32_t places[][2] = {
    {0, 64},           {24, 232},         {88, 160},          {131344, 200},
    {224, 464},        {131536, 464},     {131532 + 448, 64}, {131536 + 448 + 1536, 64},
    {672, 64},         {17056, 64},       {0, BYTES - 8},     {131536 + 448 + 8 * 1536, 64},
    {131536 + 128, 8}, {131536 + 152, 8}, {352, 8},           {376, 8}};

static void scribble(struct input *input)
{
    static const uint32_t values[] = {0,      1,      7,          8,         9,          0xff,
                                      0x7fff, 0x8000, 0xffff,     0x10000,   UINT32_MAX, 4,
                                      16,     512,    0x80000000, 0x40000000};
    const uint32_t *place = places[next_byte(input) % 16];
    uint32_t offset = next_byte(input);
    uint8_t how = next_byte(input);
    uint32_t value = values[how % 16];
    unsigned n = 1u << (how >> 4) % 4;

    offset = place[0] + ((offset << 8 | next_byte(input)) % place[1]);
    if (how & 0x40)
        offset &= ~3u;
    if (n == 8)
        value = next_byte(input);
    memcpy(memory + offset, &value, n > 4 ? 1 : n);
}

static void step(struct input *input)
{
    uint8_t op = next_byte(input);
    struct end *e = &ends[op >> 7];

    switch (op % 8) {
    case 0:
        pass((uint64_t)1000 << op / 8 % 14);
        break;
    case 1:
        say(e, input);
        break;
    case 2:
        release(e);
        break;
    case 3:
        (void)(op & 8 ? rpr_device_down(e->device) : rpr_device_up(e->device));
        break;
    case 4:
        (void)rpr_node_poll(e->node, now, 1 + op / 8 % 4);
        break;
    default:
        scribble(input);
        break;
    }
}

static bool talk(void)
{
    bool both = true;

    for (unsigned i = 0; i < 2; i++) {
        unsigned before = ends[!i].n_rx;

        for (unsigned n = 0; n < 20 && ends[!i].n_rx == before; n++) {
            (void)rpr_send(ends[i].ept, "", 0, 0);
            pass(MS(1));
        }
        both = both && ends[!i].n_rx != before;
    }
    return both;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input input = {data, data + size};
    enum rpr_ivshmem_layout layout = (enum rpr_ivshmem_layout)(next_byte(&input) % 3);

    if (!memory && posix_memalign((void **)&memory, 4096, BYTES) != 0)
        abort();
    memset(memory, 0, BYTES);
    now = MS(1000);
    for (unsigned i = 0; i < 2; i++)
        start(i, layout);
    if (next_byte(&input) & 1)
        pass(MS(30));
    while (input.at < input.end)
        step(&input);
    for (unsigned i = 0; i < 2; i++) {
        release(&ends[i]);
        (void)rpr_device_down(ends[i].device);
    }
    memset(memory, 0, BYTES);
    for (unsigned i = 0; i < 2; i++)
        (void)rpr_device_up(ends[i].device);
    pass(MS(40));
    for (unsigned i = 0; i < 2; i++)
        MUST(rpr_device_state(ends[i].device) == RPR_DEVICE_UP);
    MUST(talk());
    for (unsigned i = 0; i < 2; i++) {
        rpr_node_close(ends[i].node);
        MUST(ends[i].live == 0);
    }
    return 0;
}
