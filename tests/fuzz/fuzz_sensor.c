/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any words, cells, questions and answers, right, wrong and any bytes at all, from a remote CPU and a
 * program at once, to a node that publishes, subscribes and asks: no crash, no hang, bounded memory;
 * what the node says is well-formed; nobody is sent an answer that it did not ask for; and at the end
 * all memory is back.
 */
#include "fuzz.h"

#include <rpr/loop.h>
#include <rpr/sensor.h>

#include "base/bytes.h"
#include "wire/sensor.h"

#define MS(n)   ((uint64_t)(n)*1000000u)
#define COOKIES 8u

struct attacker {
    const char *name;
    struct rpr_node *node;
    struct rpr_cable *cable;
    rpr_ept_t ept;
    bool open;
    uint64_t seen[COOKIES];  /* of the victim's topics */
    uint64_t calls[COOKIES]; /* of its questions */
    unsigned n_seen, n_calls;
    uint64_t asked, answered;
};

static struct {
    struct rpr_platform platform;
    size_t live, n_live;
    uint64_t now;
    struct rpr_node *victim;
    struct rpr_sensor *sensor;
    struct rpr_sensor_pub *pub;
    struct rpr_sensor_sub *sub;
    struct attacker attacker[2];
    struct input input;
} f;

static const char *const paths[] = {"/dev/uorb/sensor_accel0", "/dev/uorb/sensor_baro0", "x",
                                    "/dev/uorb/a_path_that_is_long_enough_to_be_looked_at_twice"};

static void *get_memory(void *ctx, size_t bytes)
{
    (void)ctx;
    f.live += bytes;
    f.n_live++;
    MUST(f.live < 20000000);
    return calloc(1, bytes);
}

static void put_memory(void *ctx, void *memory, size_t bytes)
{
    (void)ctx;
    f.live -= bytes;
    f.n_live--;
    memset(memory, 0xdd, bytes);
    free(memory);
}

static void settle(void)
{
    bool idle = false;

    for (unsigned i = 0; !idle; i++) {
        MUST(i < 100000);
        idle = true;
        for (unsigned n = 0; n < 3; n++) {
            struct rpr_node *node = n < 2 ? f.attacker[n].node : f.victim;
            uint64_t next = rpr_node_poll(node, f.now, 0);

            idle &= next > f.now && rpr_node_arm(node);
        }
    }
}

static void pass(uint64_t ns)
{
    for (unsigned i = 0; i < 4; i++) {
        f.now += ns / 4 + 1;
        settle();
    }
}

/* ---- the attackers' ears ----------------------------------------------------------------------------- */

static void hear_cells(const struct rpr_msg *msg)
{
    struct sensor_cell cell;
    size_t at = SENSOR_DATA_BYTES;
    int error;

    while (sensor_cell_next(&cell, &at, msg->data, msg->len, &error))
        MUST(cell.len <= msg->len);
    MUST(error == SENSOR_OK && at == msg->len);
}

static void hear_question(struct attacker *a, uint32_t command, const struct rpr_msg *msg)
{
    static struct sensor_ioctl_message m;

    MUST(sensor_ioctl_decode(&m, msg->data, msg->len) == SENSOR_OK);
    MUST(msg->len == SENSOR_IOCTL_BYTES + m.arglen);
    if (command == SENSOR_IOCTL) {
        a->calls[a->n_calls++ % COOKIES] = m.cookie;
    } else {
        MUST(m.cookie != 0);
        a->answered++;
        MUST(a->answered <= a->asked);
    }
}

static enum rpr_rx_result rx(void *ctx, rpr_ept_t ept, const struct rpr_msg *msg)
{
    struct attacker *a = ctx;
    struct sensor_topic_message t;
    uint32_t command = 0;

    (void)ept;
    MUST(sensor_check(&command, msg->data, msg->len) == SENSOR_OK);
    if (command == SENSOR_PUBLISH) {
        hear_cells(msg);
    } else if (command < SENSOR_PUBLISH) {
        MUST(sensor_topic_decode(&t, msg->data, msg->len) == SENSOR_OK);
        MUST(msg->len == sensor_topic_bytes(t.path) && t.cookie != 0);
        a->seen[a->n_seen++ % COOKIES] = t.cookie;
    } else {
        hear_question(a, command, msg);
    }
    return RPR_DONE;
}

static const struct rpr_ept_ops ops = {.rx = rx};

static void ear_open(struct attacker *a)
{
    struct rpr_ept_config config = {.name = RPR_SENSOR_SERVICE,
                                    .addr = RPR_ADDR_ANY,
                                    .dest = RPR_ADDR_ANY,
                                    .ops = &ops,
                                    .ctx = a};

    a->open = !rpr_ept_open(rpr_device_find(a->node, "victim"), &config, &a->ept);
}

/* ---- and their tongues ----------------------------------------------------------------------------------- */

static uint8_t byte(void)
{
    return next_byte(&f.input);
}

static void send_bytes(struct attacker *a, const uint8_t *bytes, size_t len)
{
    /* From memory that ends with the message, so that a byte read behind it is found out. */
    uint8_t *exact = malloc(len + !len);

    memcpy(exact, bytes, len);
    if (a->open)
        (void)rpr_send(a->ept, exact, len, 0);
    free(exact);
}

static uint64_t cookie(const struct attacker *a)
{
    uint8_t choice = byte();

    return choice < 0xf0 ? a->seen[choice % COOKIES] + (choice >> 3) / 24 : UINT64_MAX - choice;
}

static void say_topic(struct attacker *a, uint32_t command)
{
    struct sensor_topic_message m = {.command = command};
    uint8_t bytes[256], what = byte();

    m.cookie = what % 3;
    m.persist = (what >> 2) & 1;
    m.nbuffer = what & 8 ? UINT32_MAX : what >> 4;
    snprintf(m.path, sizeof m.path, "%s", paths[byte() % 4]);
    send_bytes(a, bytes, sensor_topic_encode(bytes, &m));
}

static void say_cells(struct attacker *a)
{
    static const uint8_t data[64];
    uint8_t bytes[496] = {0};
    size_t at = SENSOR_DATA_BYTES;
    unsigned n = byte() % 6, what;

    sensor_data_encode(bytes);
    while (n--) {
        struct sensor_cell cell = {.cookie = cookie(a), .nbuffer = byte() % 9u, .data = data};

        cell.len = byte() % 60;
        at += sensor_cell_encode(bytes + at, &cell);
    }
    what = byte();
    if (what & 0x80) /* the first says that it is longer */
        put_le32(bytes + SENSOR_DATA_BYTES + 12, what << (what & 3) * 8);
    at -= what & 3; /* sometimes without all of its end */
    send_bytes(a, bytes, at);
}

static void say_question(struct attacker *a, uint32_t command)
{
    static const int32_t requests[] = {
        SENSOR_SET_INTERVAL,  SENSOR_BATCH, SENSOR_GET_INFO, SENSOR_FLUSH,
        SENSOR_SET_NONWAKEUP, 0x0a86,       0x5401};
    static struct sensor_ioctl_message m;
    uint8_t bytes[SENSOR_IOCTL_BYTES + SENSOR_ARG_MAX], what = byte();

    m = (struct sensor_ioctl_message){.command = command, .request = requests[what % 7]};
    m.result = (int8_t)byte();
    m.cookie = command == SENSOR_IOCTL ? what >> 4 : a->calls[what % COOKIES];
    m.proxy = cookie(a);
    m.number = byte();
    m.arglen = what & 8 ? SENSOR_INFO_BYTES : 0;
    a->asked += command == SENSOR_IOCTL && m.cookie && a->open;
    send_bytes(a, bytes, sensor_ioctl_encode(bytes, &m));
}

static void say_anything(struct attacker *a)
{
    uint8_t bytes[256];
    size_t n = byte();

    for (size_t i = 0; i < n; i++)
        bytes[i] = byte();
    a->asked++; /* it may be a question */
    send_bytes(a, bytes, n);
}

/* ---- what the victim does ---------------------------------------------------------------------------------- */

static void on_sample(void *ctx, const void *data, uint32_t len)
{
    const uint8_t *bytes = data;
    unsigned sum = 0;

    (void)ctx;
    MUST(len > 0 && len <= 496);
    for (uint32_t i = 0; i < len; i++)
        sum += bytes[i];
    if (sum % 64 == 5 && f.sub) { /* callbacks may call anything */
        rpr_sensor_unsubscribe(f.sub);
        f.sub = NULL;
    } else if (sum % 64 == 6 && f.pub) {
        (void)rpr_sensor_publish(f.pub, "from a callback", 4);
    }
}

static void on_answer(void *ctx, int32_t result, const void *arg, uint32_t len)
{
    (void)ctx;
    (void)result;
    MUST(arg && len <= SENSOR_ARG_MAX);
}

static const struct rpr_sensor_sub_ops sub_ops = {.sample = on_sample};

static void toggle_sub(void)
{
    struct rpr_sensor_sub_config config = {.path = paths[byte() % 4],
                                           .interval_us = byte(),
                                           .latency_us = byte(),
                                           .sample_bytes = byte() % 5u,
                                           .ops = &sub_ops};

    if (f.sub)
        rpr_sensor_unsubscribe(f.sub);
    f.sub = NULL;
    if (byte() & 1 && rpr_sensor_subscribe(f.sensor, &config, &f.sub))
        f.sub = NULL;
}

static void toggle_pub(void)
{
    struct rpr_sensor_pub_config config = {
        .path = paths[byte() % 4], .persist = byte() & 1, .nbuffer = byte()};

    if (f.pub)
        rpr_sensor_unadvertise(f.pub);
    f.pub = NULL;
    if (byte() & 1 && rpr_sensor_advertise(f.sensor, &config, &f.pub))
        f.pub = NULL;
}

static void publish(void)
{
    uint8_t sample[64] = {byte(), byte()};
    uint32_t len = 1 + byte() % 64u;

    for (unsigned n = byte() % 32u; f.pub && n; n--)
        MUST(!rpr_sensor_publish(f.pub, sample, len));
}

static void question(void)
{
    struct rpr_sensor_question q = {.request = byte() & 1 ? RPR_SENSOR_FLUSH : 0x0a86,
                                    .answered = on_answer};

    q.len = byte() & 1 ? 256 : 0;
    if (f.sub)
        (void)rpr_sensor_ask(f.sub, &q);
}

static void reopen(struct attacker *a)
{
    if (a->open)
        (void)rpr_ept_close(a->ept);
    a->open = !a->open;
    if (a->open)
        ear_open(a);
}

static void step(uint8_t op)
{
    struct attacker *a = &f.attacker[op & 1];

    op = (op >> 1) % 18;
    if (op < 6)
        say_topic(a, op);
    else if (op == 6)
        say_cells(a);
    else if (op == 7 || op == 8)
        say_question(a, op);
    else if (op == 9)
        say_anything(a);
    else if (op == 10)
        toggle_sub();
    else if (op == 11)
        toggle_pub();
    else if (op == 12)
        publish();
    else if (op == 13)
        question();
    else if (op == 14)
        reopen(a);
    else if (op == 15)
        pass(MS(byte() * 10u));
    else
        settle();
}

/* ---- one life -------------------------------------------------------------------------------------------------- */

static bool is_program(void *ctx, const struct rpr_device *device)
{
    (void)ctx;
    return rpr_device_name(device)[0] == '@';
}

static void join(struct attacker *a, const char *name)
{
    struct rpr_node_config node = {.name = name, .platform = &f.platform, .slots = 16};
    struct rpr_cable_config cable = {.platform = &f.platform, .buffers = 8, .credit = true};

    memset(a, 0, sizeof *a);
    a->name = name;
    MUST(!rpr_node_open(&a->node, &node));
    MUST(!rpr_cable_open(&a->cable, &cable));
    MUST(!rpr_cable_join(a->cable, RPR_CABLE_A, a->node, "victim"));
    MUST(!rpr_cable_join(a->cable, RPR_CABLE_B, f.victim, name));
    ear_open(a);
}

static void begin(void)
{
    struct rpr_node_config node = {.name = "victim", .platform = &f.platform, .slots = 16};
    struct rpr_sensor_config config = {
        .topics = 6, .peer_topics = 3, .queue_bytes = 1024, .is_program = is_program};

    f.platform = (struct rpr_platform){.alloc = get_memory, .free = put_memory};
    f.now = MS(1000);
    f.pub = NULL;
    f.sub = NULL;
    MUST(!rpr_node_open(&f.victim, &node));
    MUST(!rpr_sensor_open(f.victim, NULL, &config, &f.sensor));
    join(&f.attacker[0], "audio");
    join(&f.attacker[1], "@1");
    settle();
}

static void end(void)
{
    pass(MS(5000));
    rpr_sensor_close(f.sensor);
    settle();
    rpr_node_close(f.victim);
    for (unsigned i = 0; i < 2; i++) {
        rpr_node_close(f.attacker[i].node);
        rpr_cable_close(f.attacker[i].cable);
    }
    MUST(!f.live && !f.n_live);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    begin();
    f.input = (struct input){data, data + size};
    while (f.input.at < f.input.end)
        step(byte());
    end();
    return 0;
}
