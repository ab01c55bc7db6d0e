/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Service rpmsg-sensor against scripted peers: the words as NuttX says and expects them, samples in
 * cells, questions, and what becomes of peers that are slow, asleep, or lie.
 */
#include "router_fixture.h"

#include <rpr/sensor.h>

#include "wire/sensor.h"

#define PEER  1200u /* the scripted peer's address */
#define ACCEL "/dev/uorb/sensor_accel0"
#define BARO  "/dev/uorb/sensor_baro0"
#define MINE  UINT64_C(0x7f0ef524f190) /* what the scripted peer calls its topic by: a pointer */

/* Three peers: two remote CPUs and a program, and a broker between them. */
struct bench {
    struct net net;
    struct rpr_node *node;
    struct rpr_sensor *sensor;
    struct peer *audio, *droid, *program;
    char text[1 << 16]; /* what show() wrote */
    uint64_t cookie;    /* in the last topic word of the node */
    uint64_t call;      /* cookie of the last question of the node */
    char heard[1 << 14];
    unsigned n_samples;
    const char *unwanted; /* device */
};

static bool is_program(void *ctx, const struct rpr_device *device)
{
    (void)ctx;
    return rpr_device_name(device)[0] == '@';
}

static bool wants(void *ctx, const struct rpr_device *device)
{
    const struct bench *b = ctx;

    return !b->unwanted || strcmp(rpr_device_name(device), b->unwanted) != 0;
}

static void come_up(struct bench *b, struct peer *p)
{
    if (!p)
        return;
    peer_up(p, RPR_DIALECT_NUTTX);
    (void)net_settle(&b->net);
    assert_peer_said(p, "CREATE rpmsg-sensor;");
    peer_ack(p, RPR_SENSOR_SERVICE, PEER);
    (void)net_settle(&b->net);
}

static void bench_open(struct bench *b, struct rpr_sensor_config config, unsigned n_peers)
{
    memset(b, 0, sizeof *b);
    net_init(&b->net);
    b->node = net_node(&b->net, "ap");
    config.is_program = is_program;
    assert_int_equal(rpr_sensor_open(b->node, &(struct rpr_service_scope){.wants = wants, .ctx = b},
                                     &config, &b->sensor),
                     0);
    b->audio = peer_new(&b->net, b->node, "audio");
    if (n_peers > 1)
        b->program = peer_new(&b->net, b->node, "@1");
    if (n_peers > 2)
        b->droid = peer_new(&b->net, b->node, "droid");
    come_up(b, b->audio);
    come_up(b, b->program);
    come_up(b, b->droid);
}

static void bench_close(struct bench *b)
{
    if (b->sensor)
        rpr_sensor_close(b->sensor);
    assert_net_closed(&b->net);
    peer_free(b->audio);
    if (b->program)
        peer_free(b->program);
    if (b->droid)
        peer_free(b->droid);
}

static void settle_all(struct bench *b)
{
    net_pass(&b->net, US(1));
}

/* ---- what the node says --------------------------------------------------------------------------- */

static const char *const words[] = {"ADV", "ADVACK", "UNADV", "SUB", "SUBACK", "UNSUB"};

static size_t show_cells(const struct wire_message *m, char *to, size_t room)
{
    struct sensor_cell cell;
    size_t at = SENSOR_DATA_BYTES, n = 0;
    int error;

    assert_int_equal(m->len % 8, 0);
    assert_int_equal(get_le32(m->data + 4), 0);
    n += (size_t)snprintf(to, room, "PUB");
    while (sensor_cell_next(&cell, &at, m->data, m->len, &error))
        n += (size_t)snprintf(to + n, room - n, " %llx/%u:%.*s", (unsigned long long)cell.cookie,
                              (unsigned)cell.nbuffer, (int)cell.len, (const char *)cell.data);
    assert_int_equal(error, SENSOR_OK);
    return n + (size_t)snprintf(to + n, room - n, ";");
}

static size_t show_one(struct bench *b, const struct wire_message *m, char *to, size_t room)
{
    struct sensor_topic_message t;
    struct sensor_ioctl_message q;
    uint32_t command;

    assert_int_equal(m->dst, PEER);
    assert_int_equal(sensor_check(&command, m->data, m->len), SENSOR_OK);
    if (command == SENSOR_PUBLISH)
        return show_cells(m, to, room);
    if (command < SENSOR_PUBLISH) {
        assert_int_equal(sensor_topic_decode(&t, m->data, m->len), SENSOR_OK);
        assert_int_equal(m->len, SENSOR_TOPIC_BYTES + strlen(t.path) + 1);
        b->cookie = t.cookie;
        return (size_t)snprintf(to, room, "%s %s%s;", words[command], strrchr(t.path, '/') + 1,
                                t.persist ? " persist" : "");
    }
    assert_int_equal(sensor_ioctl_decode(&q, m->data, m->len), SENSOR_OK);
    assert_int_equal(m->len, SENSOR_IOCTL_BYTES + q.arglen);
    if (command == SENSOR_IOCTL) {
        b->call = q.cookie;
        return (size_t)snprintf(to, room, "ASK %x of %llx %llu%s;", (unsigned)q.request,
                                (unsigned long long)q.proxy, (unsigned long long)q.number,
                                q.cookie ? " answer" : "");
    }
    return (size_t)snprintf(to, room, "ANSWER %llx %d;", (unsigned long long)q.cookie, q.result);
}

/* All that it said to one peer since the last time; buffers go back. */
static const char *show(struct bench *b, struct peer *p)
{
    struct wire_message m;
    size_t n = 0;

    settle_all(b);
    b->text[0] = '\0';
    while (wire_get(p->wire, &m, true)) {
        if (m.dst == RPMSG_ADDR_NS || m.dst == RPMSG_ADDR_CREDIT)
            continue;
        n += show_one(b, &m, b->text + n, sizeof b->text - n);
    }
    if (p->wire->armed && p->wire->want_writable)
        rpr_link_ready(&p->wire->link);
    return b->text;
}

#define assert_said_to(b, p, expected) assert_string_equal(show(b, p), expected)

/* ---- what a peer says ------------------------------------------------------------------------------ */

static void put(struct bench *b, struct peer *p, const void *bytes, size_t len)
{
    wire_put(p->wire, PEER, peer_addr(p, RPR_SENSOR_SERVICE), bytes, len);
    settle_all(b);
}

static void say_as(struct bench *b, struct peer *p, struct sensor_topic_message m, const char *path)
{
    uint8_t bytes[256];

    snprintf(m.path, sizeof m.path, "%s", path);
    put(b, p, bytes, sensor_topic_encode(bytes, &m));
}

static void say(struct bench *b, struct peer *p, uint32_t command, const char *path)
{
    say_as(b, p, (struct sensor_topic_message){.command = command, .nbuffer = 1, .cookie = MINE},
           path);
}

static void ask(struct bench *b, struct peer *p, int32_t request, uint64_t number, uint64_t cookie)
{
    struct sensor_ioctl_message m = {.command = SENSOR_IOCTL,
                                     .result = -6,
                                     .cookie = cookie,
                                     .proxy = b->cookie,
                                     .request = request,
                                     .number = number};
    uint8_t bytes[SENSOR_IOCTL_BYTES];

    put(b, p, bytes, sensor_ioctl_encode(bytes, &m));
}

static void publish(struct bench *b, struct peer *p, uint64_t cookie, const char *text)
{
    struct sensor_cell cell = {cookie, 1, (uint32_t)strlen(text), (const uint8_t *)text};
    uint8_t bytes[512];

    sensor_data_encode(bytes);
    put(b, p, bytes, SENSOR_DATA_BYTES + sensor_cell_encode(bytes + SENSOR_DATA_BYTES, &cell));
}

/* ---- publishers and subscribers of the node ------------------------------------------------------------ */

static void on_sample(void *ctx, const void *data, uint32_t len)
{
    struct bench *b = ctx;
    size_t n = strlen(b->heard);

    b->n_samples++;
    snprintf(b->heard + n, sizeof b->heard - n, "%.*s;", (int)len, (const char *)data);
}

static void on_flushed(void *ctx)
{
    struct bench *b = ctx;

    strcat(b->heard, "flushed;");
}

static void on_publishers(void *ctx, unsigned count)
{
    struct bench *b = ctx;
    size_t n = strlen(b->heard);

    snprintf(b->heard + n, sizeof b->heard - n, "publishers %u;", count);
}

static const struct rpr_device *only_of(void *ctx, const struct rpr_device *program)
{
    (void)program;
    return rpr_device_find(((struct bench *)ctx)->node, "audio");
}

static const struct rpr_sensor_sub_ops sub_ops = {
    .sample = on_sample, .flushed = on_flushed, .publishers = on_publishers};

static struct rpr_sensor_sub *subscribe(struct bench *b, struct rpr_sensor_sub_config config)
{
    struct rpr_sensor_sub *sub = NULL;

    config.ops = config.ops ? config.ops : &sub_ops;
    config.ctx = b;
    assert_int_equal(rpr_sensor_subscribe(b->sensor, &config, &sub), 0);
    settle_all(b);
    return sub;
}

static void on_wanted(void *ctx, unsigned n_subs, uint32_t interval_us, uint32_t latency_us)
{
    struct bench *b = ctx;
    size_t n = strlen(b->heard);

    snprintf(b->heard + n, sizeof b->heard - n, "wanted %u %u %u;", n_subs, (unsigned)interval_us,
             (unsigned)latency_us);
}

static const struct rpr_sensor_pub_ops pub_ops = {.wanted = on_wanted};

static struct rpr_sensor_pub *advertise(struct bench *b, struct rpr_sensor_pub_config config)
{
    struct rpr_sensor_pub *pub = NULL;

    config.ops = config.ops ? config.ops : &pub_ops;
    config.ctx = b;
    assert_int_equal(rpr_sensor_advertise(b->sensor, &config, &pub), 0);
    settle_all(b);
    return pub;
}

static void publish_text(struct rpr_sensor_pub *pub, const char *text)
{
    assert_int_equal(rpr_sensor_publish(pub, text, (uint32_t)strlen(text)), 0);
}

#define assert_heard(b, expected)                    \
    do {                                             \
        settle_all(b);                               \
        assert_string_equal((b)->heard, (expected)); \
        (b)->heard[0] = '\0';                        \
    } while (0)

static struct rpr_sensor_link_info link_info(struct bench *b, const char *path, const char *device)
{
    struct rpr_sensor_link_info info = {.device = NULL};

    for (unsigned n = 0; rpr_sensor_link(b->sensor, path, n, &info); n++)
        if (!strcmp(rpr_device_name(info.device), device))
            return info;
    fail_msg("%s has nothing to do with %s", device, path);
    return info;
}

static struct rpr_sensor_peer_info peer_info(struct bench *b, const char *device)
{
    struct rpr_sensor_peer_info info = {.device = NULL};

    for (unsigned n = 0; rpr_sensor_peer(b->sensor, n, &info); n++)
        if (!strcmp(rpr_device_name(info.device), device))
            return info;
    fail_msg("no peer %s", device);
    return info;
}

static unsigned n_topics(struct bench *b)
{
    struct rpr_sensor_topic_info info;
    uint32_t cursor = 0;
    unsigned n = 0;

    while (rpr_sensor_topic(b->sensor, &cursor, &info))
        n++;
    return n;
}

static void on_answer(void *ctx, int32_t result, const void *arg, uint32_t len)
{
    struct bench *b = ctx;
    size_t n = strlen(b->heard);

    snprintf(b->heard + n, sizeof b->heard - n, "answer %d %.*s;", result, (int)len,
             (const char *)arg);
}

static int question(struct bench *b, struct rpr_sensor_sub *sub, uint32_t request, const char *arg)
{
    return rpr_sensor_ask(sub, &(struct rpr_sensor_question){.request = request,
                                                             .arg = arg,
                                                             .len = (uint32_t)strlen(arg),
                                                             .answered = on_answer,
                                                             .ctx = b});
}

/* ---- words -------------------------------------------------------------------------------------------- */

static void subscribes_as_nuttx_expects(void **state)
{
    struct bench b;
    struct rpr_sensor_sub *sub;
    char expected[80];
    uint64_t cookie;

    (void)state;
    bench_open(&b, (struct rpr_sensor_config){0}, 1);
    assert_said_to(&b, b.audio, "");
    sub = subscribe(
        &b, (struct rpr_sensor_sub_config){.path = ACCEL, .interval_us = 10000, .latency_us = 500});
    assert_said_to(&b, b.audio, "SUB sensor_accel0;");
    cookie = b.cookie;
    say(&b, b.audio, SENSOR_SUBSCRIBE_ACK, ACCEL);
    assert_heard(&b, "publishers 1;");
    snprintf(expected, sizeof expected, "ASK a81 of %llx 10000;ASK a82 of %llx 500;",
             (unsigned long long)MINE, (unsigned long long)MINE);
    assert_said_to(&b, b.audio, expected);
    publish(&b, b.audio, cookie, "one");
    assert_heard(&b, "one;");
    rpr_sensor_unsubscribe(sub);
    assert_said_to(&b, b.audio, "UNSUB sensor_accel0;");
    assert_true(b.cookie == cookie);
    publish(&b, b.audio, cookie, "late");
    assert_heard(&b, "");
    assert_int_equal(peer_info(&b, "audio").late, 1);
    say(&b, b.audio, SENSOR_UNADVERTISE, ACCEL);
    assert_int_equal(n_topics(&b), 0);
    bench_close(&b);
}

static void advertises_as_nuttx_expects(void **state)
{
    struct bench b;
    struct rpr_sensor_pub *pub;

    (void)state;
    bench_open(&b, (struct rpr_sensor_config){0}, 1);
    pub = advertise(&b, (struct rpr_sensor_pub_config){.path = ACCEL, .nbuffer = 3});
    assert_said_to(&b, b.audio, "ADV sensor_accel0;");
    publish_text(pub, "nobody"); /* has asked yet */
    say(&b, b.audio, SENSOR_ADVERTISE_ACK, ACCEL);
    assert_heard(&b, "wanted 1 0 0;");
    publish_text(pub, "one");
    publish_text(pub, "second");
    assert_said_to(&b, b.audio, "PUB 7f0ef524f190/3:one 7f0ef524f190/3:second;");
    say(&b, b.audio, SENSOR_UNSUBSCRIBE, ACCEL);
    assert_heard(&b, "wanted 0 0 0;");
    publish_text(pub, "nobody");
    say(&b, b.audio, SENSOR_SUBSCRIBE, ACCEL);
    assert_said_to(&b, b.audio, "SUBACK sensor_accel0;");
    publish_text(pub, "last");
    rpr_sensor_unadvertise(pub);
    assert_said_to(&b, b.audio, "PUB 7f0ef524f190/3:last;UNADV sensor_accel0;");
    say(&b, b.audio, SENSOR_UNSUBSCRIBE, ACCEL);
    assert_int_equal(n_topics(&b), 0);
    bench_close(&b);
}

/* A subscriber that came first is not answered, as NuttX does not, and is told later. */
static void subscriber_before_publisher(void **state)
{
    struct bench b;
    struct rpr_sensor_pub *pub;

    (void)state;
    bench_open(&b, (struct rpr_sensor_config){0}, 1);
    say(&b, b.audio, SENSOR_SUBSCRIBE, ACCEL);
    assert_said_to(&b, b.audio, "");
    pub = advertise(&b, (struct rpr_sensor_pub_config){.path = ACCEL});
    publish_text(pub, "first");
    assert_said_to(&b, b.audio, "ADV sensor_accel0;PUB 7f0ef524f190/1:first;");
    say(&b, b.audio, SENSOR_ADVERTISE_ACK, ACCEL);
    publish_text(pub, "second");
    assert_said_to(&b, b.audio, "PUB 7f0ef524f190/1:second;");
    bench_close(&b);
}

/* Words that came when there was nothing to say to them are not answered twice or too late. */
static void publisher_before_subscriber(void **state)
{
    struct bench b;
    struct rpr_sensor_sub *sub;

    (void)state;
    bench_open(&b, (struct rpr_sensor_config){0}, 1);
    say(&b, b.audio, SENSOR_ADVERTISE, ACCEL);
    assert_said_to(&b, b.audio, "");
    assert_int_equal(n_topics(&b), 1);
    sub = subscribe(&b, (struct rpr_sensor_sub_config){.path = ACCEL});
    assert_heard(&b, "publishers 1;");
    assert_said_to(&b, b.audio, "SUB sensor_accel0;");
    say(&b, b.audio, SENSOR_UNADVERTISE, ACCEL);
    assert_heard(&b, "publishers 0;");
    say(&b, b.audio, SENSOR_ADVERTISE, ACCEL);
    assert_said_to(&b, b.audio, "ADVACK sensor_accel0;");
    rpr_sensor_unsubscribe(sub);
    assert_said_to(&b, b.audio, "UNSUB sensor_accel0;");
    say(&b, b.audio, SENSOR_SUBSCRIBE_ACK, ACCEL); /* of before */
    assert_said_to(&b, b.audio, "UNSUB sensor_accel0;");
    bench_close(&b);
}

/* Everything is told to a peer that comes, and comes back. */
static void a_peer_that_comes_is_told(void **state)
{
    struct bench b;

    (void)state;
    bench_open(&b, (struct rpr_sensor_config){0}, 1);
    (void)advertise(&b, (struct rpr_sensor_pub_config){.path = BARO, .persist = true});
    (void)subscribe(&b, (struct rpr_sensor_sub_config){.path = ACCEL});
    for (unsigned i = 0; i < 3; i++) {
        const char *said = show(&b, b.audio);

        assert_non_null(strstr(said, "ADV sensor_baro0 persist;"));
        assert_non_null(strstr(said, "SUB sensor_accel0;"));
        assert_int_equal(strlen(said), strlen("ADV sensor_baro0 persist;SUB sensor_accel0;"));
        say(&b, b.audio, SENSOR_SUBSCRIBE, BARO);
        say(&b, b.audio, SENSOR_ADVERTISE, ACCEL);
        peer_down(b.audio);
        settle_all(&b);
        come_up(&b, b.audio);
    }
    bench_close(&b);
}

/* What a NuttX hub said to its edges (full.rpc, section 13), byte for byte, and what they answered:
 * nothing, for they published nothing. A publisher answers with the same message, but for command,
 * cookie and what was undefined at its end. */
static void recorded_words_of_nuttx(void **state)
{
    static const char subscribe[] = "\3\0\0\0\1\0\0\0\x68\xa5\x04\xf5\x0e\x7f\0\0\0\0\0\0"
                                    "/dev/uorb/sensor_accel0\0\0\0\0";
    uint8_t bytes[sizeof subscribe], expected[sizeof subscribe];
    struct wire_message m;
    struct bench b;

    (void)state;
    bench_open(&b, (struct rpr_sensor_config){0}, 1);
    memcpy(bytes, subscribe, sizeof bytes);
    assert_int_equal(sizeof bytes, 48);
    put(&b, b.audio, bytes, sizeof bytes);
    assert_said_to(&b, b.audio, "");
    bytes[0] = SENSOR_UNSUBSCRIBE;
    put(&b, b.audio, bytes, sizeof bytes);
    assert_said_to(&b, b.audio, "");
    assert_int_equal(n_topics(&b), 0);
    (void)advertise(&b, (struct rpr_sensor_pub_config){.path = ACCEL});
    assert_said_to(&b, b.audio, "ADV sensor_accel0;");
    put(&b, b.audio, subscribe, sizeof bytes);
    assert_true(wire_get(b.audio->wire, &m, true));
    memcpy(expected, subscribe, sizeof expected);
    expected[0] = SENSOR_SUBSCRIBE_ACK;
    put_le64(expected + 8, b.cookie);
    assert_int_equal(m.len, sizeof expected);
    assert_memory_equal(m.data, expected, sizeof expected);
    put(&b, b.audio, bytes, sizeof bytes);
    assert_said_to(&b, b.audio, "");
    bench_close(&b);
}

static void cookies_must_match(void **state)
{
    struct bench b;
    struct rpr_sensor_pub *pub;

    (void)state;
    bench_open(&b, (struct rpr_sensor_config){0}, 1);
    pub = advertise(&b, (struct rpr_sensor_pub_config){.path = ACCEL});
    say(&b, b.audio, SENSOR_SUBSCRIBE, ACCEL);
    say_as(&b, b.audio,
           (struct sensor_topic_message){.command = SENSOR_UNSUBSCRIBE, .cookie = MINE + 1}, ACCEL);
    assert_true(link_info(&b, ACCEL, "audio").subscribes);
    say_as(&b, b.audio,
           (struct sensor_topic_message){.command = SENSOR_UNADVERTISE, .cookie = MINE}, ACCEL);
    say_as(&b, b.audio,
           (struct sensor_topic_message){.command = SENSOR_UNSUBSCRIBE, .cookie = MINE}, BARO);
    assert_int_equal(peer_info(&b, "audio").late, 3);
    (void)show(&b, b.audio);
    say_as(&b, b.audio, (struct sensor_topic_message){.command = SENSOR_SUBSCRIBE, .cookie = 0xabc},
           ACCEL);
    publish_text(pub, "x"); /* to the one that is there now */
    assert_said_to(&b, b.audio, "SUBACK sensor_accel0;PUB abc/1:x;");
    bench_close(&b);
}

/* ---- samples ---------------------------------------------------------------------------------------------- */

static void last_sample_stays_valid(void **state)
{
    struct bench b;
    struct rpr_sensor_pub *pub;

    (void)state;
    bench_open(&b, (struct rpr_sensor_config){0}, 1);
    pub = advertise(&b, (struct rpr_sensor_pub_config){.path = ACCEL, .persist = true});
    publish_text(pub, "old");
    publish_text(pub, "last");
    assert_said_to(&b, b.audio, "ADV sensor_accel0 persist;");
    say(&b, b.audio, SENSOR_ADVERTISE_ACK, ACCEL);
    assert_said_to(&b, b.audio, "PUB 7f0ef524f190/1:last;");
    say(&b, b.audio, SENSOR_UNSUBSCRIBE, ACCEL);
    rpr_sensor_unadvertise(pub);
    assert_said_to(&b, b.audio, "");
    say(&b, b.audio, SENSOR_SUBSCRIBE, ACCEL);
    assert_said_to(&b, b.audio, "SUBACK sensor_accel0 persist;PUB 7f0ef524f190/1:last;");
    bench_close(&b);
}

/* A queue that is full drops for who is slow, and nobody else. */
static void slow_peer_loses_alone(void **state)
{
    struct bench b;
    struct rpr_sensor_pub *pub;
    char text[32], *said;
    unsigned n_audio = 0;
    uint64_t lost;

    (void)state;
    bench_open(&b, (struct rpr_sensor_config){.queue_bytes = 1024, .queue_most = 1024}, 3);
    pub = advertise(&b, (struct rpr_sensor_pub_config){.path = ACCEL});
    say(&b, b.audio, SENSOR_SUBSCRIBE, ACCEL);
    say(&b, b.droid, SENSOR_SUBSCRIBE, ACCEL);
    (void)show(&b, b.audio);
    (void)show(&b, b.droid);
    b.droid->wire->n_free = 0;
    for (unsigned i = 0; i < 1000; i++) {
        snprintf(text, sizeof text, "%04u", i);
        publish_text(pub, text);
        said = (char *)show(&b, b.audio);
        snprintf(text, sizeof text, "PUB 7f0ef524f190/1:%04u;", i);
        assert_string_equal(said, text);
        n_audio++;
    }
    assert_int_equal(link_info(&b, ACCEL, "audio").tx, 1000);
    assert_int_equal(link_info(&b, ACCEL, "audio").dropped, 0);
    lost = link_info(&b, ACCEL, "droid").dropped;
    assert_int_equal(lost, 1000 - 1024 / 24);
    for (unsigned i = 0; i < 3; i++)
        b.droid->wire->free[b.droid->wire->n_free++] = i;
    net_pass(&b.net, MS(20));
    said = (char *)show(&b, b.droid);
    snprintf(text, sizeof text, ":%04u ",
             (unsigned)lost); /* the oldest that is left, and all since */
    assert_non_null(strstr(said, text));
    net_pass(&b.net, MS(20));
    (void)show(&b, b.droid);
    net_pass(&b.net, MS(20));
    (void)show(&b, b.droid);
    assert_int_equal(link_info(&b, ACCEL, "droid").tx + lost, 1000);
    bench_close(&b);
}

/* Samples of any lengths, through queues that wrap and grow: all of them, in order. */
static void queue_wraps_and_grows(void **state)
{
    struct bench b;
    struct rpr_sensor_pub *pub;
    unsigned sent = 0, seen = 0, random = 1;
    struct wire_message m;

    (void)state;
    bench_open(&b, (struct rpr_sensor_config){.queue_bytes = 256, .queue_most = 8192}, 1);
    pub = advertise(&b, (struct rpr_sensor_pub_config){.path = ACCEL});
    say(&b, b.audio, SENSOR_SUBSCRIBE, ACCEL);
    (void)show(&b, b.audio);
    for (unsigned round = 0; round < 500; round++) {
        struct rpr_sensor_topic_info info;
        uint32_t cursor = 0;

        for (unsigned i = 0; i < 3; i++) {
            uint8_t data[200];

            random = random * 1103515245u + 12345u;
            memset(data, (int)sent, sizeof data);
            put_le32(data, sent++);
            assert_int_equal(
                rpr_sensor_publish(pub, data, 4 + (random >> 16) % (round < 250 ? 20 : 60)), 0);
        }
        if (round == 100) /* while something is in it */
            say_as(&b, b.audio,
                   (struct sensor_topic_message){
                       .command = SENSOR_ADVERTISE, .nbuffer = 100, .cookie = MINE},
                   ACCEL);
        settle_all(&b);
        while (wire_get(b.audio->wire, &m, true)) {
            struct sensor_cell cell;
            size_t at = SENSOR_DATA_BYTES;
            int error;

            assert_int_equal(get_le32(m.data), SENSOR_PUBLISH);
            while (sensor_cell_next(&cell, &at, m.data, m.len, &error)) {
                assert_int_equal(get_le32(cell.data), seen);
                for (uint32_t i = 4; i < cell.len; i++)
                    assert_int_equal(cell.data[i], seen & 0xff);
                seen++;
            }
        }
        assert_true(rpr_sensor_topic(b.sensor, &cursor, &info));
        assert_true(info.queue_bytes >= (round <= 100 ? 256u : 2000u) && info.queue_bytes <= 8192);
    }
    assert_int_equal(seen, sent);
    assert_int_equal(link_info(&b, ACCEL, "audio").dropped, 0);
    bench_close(&b);
}

/* More than a message holds leaves at once, the rest when the interval lets it wait no longer. */
static void samples_are_batched(void **state)
{
    struct bench b;
    struct rpr_sensor_pub *pub;
    uint8_t sample[24] = {0};
    const char *said;

    (void)state;
    bench_open(&b, (struct rpr_sensor_config){0}, 1);
    pub = advertise(&b, (struct rpr_sensor_pub_config){.path = ACCEL});
    say(&b, b.audio, SENSOR_SUBSCRIBE, ACCEL);
    assert_said_to(&b, b.audio, "ADV sensor_accel0;SUBACK sensor_accel0;");
    ask(&b, b.audio, SENSOR_BATCH, 20000, 0);
    ask(&b, b.audio, SENSOR_SET_INTERVAL, 1000, 0x55);
    assert_said_to(&b, b.audio, "ANSWER 55 0;");
    assert_heard(&b, "wanted 1 0 0;wanted 1 0 20000;wanted 1 1000 20000;");
    for (unsigned i = 0; i < 12; i++) { /* 12 cells of 40 bytes, and 8: 488 of 496 */
        put_le64(sample, (i + 1) * 1000);
        assert_int_equal(rpr_sensor_publish(pub, sample, sizeof sample), 0);
        assert_said_to(&b, b.audio, "");
    }
    net_pass(&b.net, MS(19));
    assert_said_to(&b, b.audio, "");
    net_pass(&b.net, MS(2));
    said = show(&b, b.audio);
    assert_non_null(strstr(said, "PUB "));
    assert_null(strstr(strstr(said, "PUB ") + 1, "PUB"));
    assert_int_equal(link_info(&b, ACCEL, "audio").tx, 12);
    for (unsigned i = 12; i < 25; i++) {
        put_le64(sample, (i + 1) * 1000);
        assert_int_equal(rpr_sensor_publish(pub, sample, sizeof sample), 0);
    }
    assert_non_null(strstr(show(&b, b.audio), "PUB "));
    bench_close(&b);
}

/* By the samples' own time: what comes in bursts is thinned out like what comes evenly. */
static void interval_thins_out(void **state)
{
    struct bench b;
    struct rpr_sensor_pub *pub;
    struct rpr_sensor_sub *sub;
    uint8_t sample[16] = {0};

    (void)state;
    bench_open(&b, (struct rpr_sensor_config){0}, 1);
    pub = advertise(&b, (struct rpr_sensor_pub_config){.path = ACCEL});
    sub = subscribe(
        &b, (struct rpr_sensor_sub_config){.path = ACCEL, .sample_bytes = 16, .interval_us = 5000});
    say(&b, b.audio, SENSOR_SUBSCRIBE, ACCEL);
    (void)show(&b, b.audio);
    ask(&b, b.audio, SENSOR_SET_INTERVAL, 10000, 0);
    for (unsigned i = 0; i < 1000; i++) { /* one each ms, up to 100 us early or late */
        put_le64(sample, 1000000 + i * 1000 + i % 3 * 100 - 100);
        assert_int_equal(rpr_sensor_publish(pub, sample, sizeof sample), 0);
        if (i % 10 == 9)
            (void)show(&b, b.audio);
    }
    net_pass(&b.net, MS(20));
    assert_in_range(link_info(&b, ACCEL, "audio").tx, 100, 101);
    assert_int_equal(link_info(&b, ACCEL, "audio").dropped, 0);
    assert_in_range(b.n_samples, 200, 201);
    rpr_sensor_set_interval(sub, 0);
    b.n_samples = 0;
    for (unsigned i = 0; i < 10; i++)
        assert_int_equal(rpr_sensor_publish(pub, sample, sizeof sample), 0);
    assert_int_equal(b.n_samples, 10);
    bench_close(&b);
}

/* A peer whose buffers are shorter than it says gets what fits in them; the rest is counted, and never
 * tried for ever. */
static void buffers_shorter_than_said(void **state)
{
    struct bench b;
    struct rpr_sensor_pub *pub;
    uint8_t sample[200] = {0};

    (void)state;
    bench_open(&b, (struct rpr_sensor_config){0}, 1);
    pub = advertise(&b, (struct rpr_sensor_pub_config){.path = ACCEL});
    say(&b, b.audio, SENSOR_SUBSCRIBE, ACCEL);
    (void)show(&b, b.audio);
    b.audio->wire->slot_size = RPMSG_HEADER_BYTES + 100;
    assert_int_equal(rpr_sensor_publish(pub, sample, sizeof sample), 0);
    publish_text(pub, "short");
    assert_said_to(&b, b.audio, "PUB 7f0ef524f190/1:short;");
    b.audio->wire->slot_size = RPMSG_HEADER_BYTES + 4;
    publish_text(pub, "short");
    assert_said_to(&b, b.audio, "");
    assert_int_equal(link_info(&b, ACCEL, "audio").dropped, 1);
    bench_close(&b);
}

/* Nobody is told anything any more, whatever is open. */
static void closes_with_everything_open(void **state)
{
    struct bench b;
    struct rpr_sensor_sub *sub;

    (void)state;
    bench_open(&b, (struct rpr_sensor_config){0}, 3);
    sub = subscribe(&b, (struct rpr_sensor_sub_config){.path = ACCEL});
    say(&b, b.audio, SENSOR_ADVERTISE, ACCEL);
    (void)show(&b, b.audio);
    assert_heard(&b, "publishers 1;");
    assert_int_equal(question(&b, sub, RPR_SENSOR_FLUSH, ""), 0);
    assert_int_equal(question(&b, sub, 0x0a86, ""), 0);
    ask(&b, b.program, SENSOR_FLUSH, 0, 7);
    rpr_sensor_close(b.sensor);
    b.sensor = NULL;
    assert_heard(&b, "");
    bench_close(&b);
}

static void cells_of_several_samples(void **state)
{
    struct bench b;
    struct rpr_sensor_sub *sub;
    uint64_t cookie;

    (void)state;
    bench_open(&b, (struct rpr_sensor_config){0}, 1);
    sub = subscribe(&b, (struct rpr_sensor_sub_config){.path = ACCEL, .sample_bytes = 4});
    (void)show(&b, b.audio);
    cookie = b.cookie;
    publish(&b, b.audio, cookie, "aaaabbbbcccc");
    assert_heard(&b, "aaaa;bbbb;cccc;");
    publish(&b, b.audio, cookie, "aaaabb");
    assert_heard(&b, "");
    assert_int_equal(rpr_sensor_sub_odd(sub), 1);
    bench_close(&b);
}

static void asleep_and_awake(void **state)
{
    struct bench b;
    struct rpr_sensor_pub *pub;

    (void)state;
    bench_open(&b, (struct rpr_sensor_config){0}, 1);
    pub = advertise(&b, (struct rpr_sensor_pub_config){.path = ACCEL});
    say(&b, b.audio, SENSOR_SUBSCRIBE, ACCEL);
    (void)show(&b, b.audio);
    rpr_link_power(&b.audio->wire->link, false);
    publish_text(pub, "wakes");
    assert_said_to(&b, b.audio, "PUB 7f0ef524f190/1:wakes;");
    ask(&b, b.audio, SENSOR_SET_NONWAKEUP, 1, 0);
    publish_text(pub, "sleeps");
    net_pass(&b.net, S(1));
    assert_said_to(&b, b.audio, "");
    rpr_link_power(&b.audio->wire->link, true);
    assert_said_to(&b, b.audio, "PUB 7f0ef524f190/1:sleeps;");
    bench_close(&b);
}

/* ---- questions ---------------------------------------------------------------------------------------------- */

static void answers_questions(void **state)
{
    struct rpr_sensor_info info = {.version = 7, .max_range = 2.5f, .name = "bmi160"}, got;
    struct sensor_ioctl_message m = {.command = SENSOR_IOCTL,
                                     .cookie = 0x99,
                                     .request = SENSOR_GET_INFO,
                                     .arglen = SENSOR_INFO_BYTES};
    uint8_t bytes[SENSOR_IOCTL_BYTES + SENSOR_INFO_BYTES];
    struct wire_message answer;
    struct bench b;
    struct rpr_sensor_pub *pub;

    (void)state;
    bench_open(&b, (struct rpr_sensor_config){0}, 1);
    pub = advertise(&b, (struct rpr_sensor_pub_config){.path = ACCEL, .info = &info});
    say(&b, b.audio, SENSOR_SUBSCRIBE, ACCEL);
    (void)show(&b, b.audio);
    publish_text(pub, "kept");
    ask(&b, b.audio, SENSOR_FLUSH, 0, 0x77);
    assert_said_to(&b, b.audio, "PUB 7f0ef524f190/1:kept;ANSWER 77 0;PUB 7f0ef524f190/1:;");
    publish_text(pub, "more");
    assert_said_to(&b, b.audio, "PUB 7f0ef524f190/1:more;");
    m.proxy = b.cookie;
    put(&b, b.audio, bytes, sensor_ioctl_encode(bytes, &m));
    assert_true(wire_get(b.audio->wire, &answer, true));
    assert_int_equal(answer.len, sizeof bytes); /* as long as the question */
    assert_int_equal(sensor_ioctl_decode(&m, answer.data, answer.len), SENSOR_OK);
    assert_int_equal(m.result, 0);
    assert_int_equal(m.cookie, 0x99);
    assert_int_equal(m.proxy, b.cookie);
    assert_int_equal(rpr_sensor_info_read(&got, m.arg, m.arglen), 0);
    assert_int_equal(got.version, 7);
    assert_true(got.max_range > 2.4f && got.max_range < 2.6f);
    assert_string_equal(got.name, "bmi160");
    ask(&b, b.audio, SENSOR_GET_INFO, 0, 1); /* no room for it */
    ask(&b, b.audio, 0x0a86, 0, 2);          /* a self test */
    ask(&b, b.audio, 0x5401, 0, 3);          /* no request of sensors */
    b.cookie++;
    ask(&b, b.audio, SENSOR_FLUSH, 0, 4); /* NuttX would wait for ever */
    b.cookie = MINE;
    ask(&b, b.audio, SENSOR_FLUSH, 0, 0); /* wants no answer */
    assert_said_to(&b, b.audio, "ANSWER 1 -22;ANSWER 2 -25;ANSWER 3 -25;ANSWER 4 -2;");
    bench_close(&b);
}

static void reply(struct bench *b, struct peer *p, int32_t result, const char *arg)
{
    struct sensor_ioctl_message m = {.command = SENSOR_IOCTL_ACK,
                                     .result = result,
                                     .cookie = b->call,
                                     .proxy = MINE,
                                     .arglen = (uint32_t)strlen(arg)};
    uint8_t bytes[SENSOR_IOCTL_BYTES + 16];

    memcpy(m.arg, arg, strlen(arg));
    put(b, p, bytes, sensor_ioctl_encode(bytes, &m));
}

static void asks_questions(void **state)
{
    struct bench b;
    struct rpr_sensor_sub *sub;

    (void)state;
    bench_open(&b, (struct rpr_sensor_config){0}, 3);
    sub = subscribe(&b, (struct rpr_sensor_sub_config){.path = ACCEL});
    assert_int_equal(question(&b, sub, 0x0a86, ""), -RPR_ENOTCONN);
    say(&b, b.audio, SENSOR_SUBSCRIBE_ACK, ACCEL);
    say(&b, b.droid, SENSOR_SUBSCRIBE_ACK, ACCEL);
    (void)show(&b, b.audio);
    (void)show(&b, b.droid);
    b.heard[0] = '\0';
    assert_int_equal(question(&b, sub, 0x0a87, "calibrate"), 0);
    assert_said_to(&b, b.audio, "ASK a87 of 7f0ef524f190 0 answer;");
    reply(&b, b.droid, 0, "calibrate"); /* who was not asked */
    assert_heard(&b, "");
    reply(&b, b.audio, -25, "calibrate"); /* NuttX asks the next one then */
    reply(&b, b.audio, 0, "calibrate");   /* twice */
    assert_heard(&b, "");
    assert_said_to(&b, b.droid, "ASK a87 of 7f0ef524f190 0 answer;");
    reply(&b, b.droid, 3, "CALIBRATE");
    assert_heard(&b, "answer 0 CALIBRATE;");
    assert_int_equal(question(&b, sub, 0x0a86, ""), 0);
    (void)show(&b, b.audio);
    net_pass(&b.net, MS(1100)); /* no answer: that is one */
    assert_heard(&b, "answer -110 ;");
    assert_int_equal(question(&b, sub, RPR_SENSOR_FLUSH, ""), 0);
    (void)show(&b, b.audio);
    peer_down(b.audio); /* the next one is asked */
    (void)show(&b, b.droid);
    reply(&b, b.droid, 0, "");
    assert_heard(&b, "publishers 1;answer 0 ;");
    publish(&b, b.droid, b.cookie, "kept");
    publish(&b, b.droid, b.cookie, "");
    publish(&b, b.droid, b.cookie, "");
    bench_close(&b);
}

/* A publisher is known, and does not know yet that we subscribe: the question waits for that. */
static void a_question_waits_for_its_publisher(void **state)
{
    (void)state;
    for (unsigned comes = 0; comes < 2; comes++) {
        struct bench b;
        uint32_t n_free;

        bench_open(&b, (struct rpr_sensor_config){0}, 2);
        say(&b, b.program, SENSOR_SUBSCRIBE, ACCEL);
        (void)show(&b, b.audio);
        n_free = b.audio->wire->n_free;
        b.audio->wire->n_free = 0;
        say(&b, b.audio, SENSOR_ADVERTISE, ACCEL);
        assert_said_to(&b, b.program, "ADV sensor_accel0;");
        ask(&b, b.program, SENSOR_GET_INFO, 5, 77);
        net_pass(&b.net, MS(900));
        assert_said_to(&b, b.program, "");
        if (comes) {
            b.audio->wire->n_free = n_free;
            net_pass(&b.net, MS(50));
            assert_said_to(&b, b.audio, "ADVACK sensor_accel0;ASK a9c of 7f0ef524f190 5 answer;");
            reply(&b, b.audio, 0, "");
            assert_said_to(&b, b.program, "ANSWER 4d 0;");
        } else {
            net_pass(&b.net, MS(200));
            assert_said_to(&b, b.program, "ANSWER 4d -25;");
        }
        bench_close(&b);
    }
}

static void assert_closed_for(struct bench *b, const char *reason)
{
    struct rpr_service_closed closed;
    struct wire_message m;
    bool destroyed = false;

    settle_all(b);
    while (wire_get(b->audio->wire, &m, true))
        destroyed |= m.dst == RPMSG_ADDR_NS && get_le32(m.data + 36) == NS_DESTROY;
    assert_true(destroyed);
    assert_string_equal(peer_info(b, "audio").reason, reason);
    assert_false(peer_info(b, "audio").bound);
    assert_non_null(strstr(b->net.w.log, "audio: rpmsg-sensor: "));
    assert_non_null(strstr(b->net.w.log, reason));
    assert_true(rpr_sensor_closed(b->sensor, 0, &closed));
    assert_string_equal(closed.reason, reason);
    assert_false(rpr_sensor_closed(b->sensor, 1, &closed));
    b->net.w.log[0] = '\0';
    peer_down(b->audio);
    settle_all(b);
    come_up(b, b->audio); /* its next connection is as good as any */
    assert_string_equal(peer_info(b, "audio").reason, "");
}

static void on_flush(void *ctx)
{
    strcat(((struct bench *)ctx)->heard, "flush;");
}

/* A publisher that keeps samples says itself when they have left. */
static void publisher_with_a_fifo(void **state)
{
    static const struct rpr_sensor_pub_ops fifo_ops = {.flush = on_flush};
    struct bench b;
    struct rpr_sensor_pub *pub;
    struct rpr_sensor_sub *sub;
    uint32_t size;

    (void)state;
    bench_open(&b, (struct rpr_sensor_config){0}, 1);
    pub = advertise(&b, (struct rpr_sensor_pub_config){.path = ACCEL, .ops = &fifo_ops});
    sub = subscribe(&b, (struct rpr_sensor_sub_config){.path = ACCEL});
    say(&b, b.audio, SENSOR_SUBSCRIBE, ACCEL);
    (void)show(&b, b.audio);
    ask(&b, b.audio, SENSOR_FLUSH, 0, 1);
    assert_heard(&b, "publishers 1;flush;");
    assert_said_to(&b, b.audio, "ANSWER 1 0;");
    assert_int_equal(question(&b, sub, RPR_SENSOR_FLUSH, ""), 0);
    publish_text(pub, "kept");
    assert_true(rpr_sensor_backlog(pub, &size) > 0 && size > 0);
    rpr_sensor_flushed(pub);
    assert_heard(&b, "flush;kept;flushed;answer 0 ;");
    assert_said_to(&b, b.audio, "PUB 7f0ef524f190/1:kept 7f0ef524f190/1:;");
    assert_int_equal(rpr_sensor_backlog(pub, &size), 0);
    bench_close(&b);
}

/* What a subscriber of this node asks for is told to publishers, and again when it changes. */
static void wishes_are_told(void **state)
{
    struct bench b;
    struct rpr_sensor_sub *sub;

    (void)state;
    bench_open(&b, (struct rpr_sensor_config){0}, 1);
    sub = subscribe(&b, (struct rpr_sensor_sub_config){.path = ACCEL, .nonwakeup = true});
    say(&b, b.audio, SENSOR_ADVERTISE, ACCEL);
    assert_said_to(&b, b.audio,
                   "SUB sensor_accel0;ADVACK sensor_accel0;ASK aa9 of 7f0ef524f190 1;");
    rpr_sensor_set_interval(sub, 1000);
    rpr_sensor_set_latency(sub, 2000);
    assert_said_to(&b, b.audio, "ASK a81 of 7f0ef524f190 1000;ASK a82 of 7f0ef524f190 2000;");
    (void)subscribe(&b, (struct rpr_sensor_sub_config){.path = ACCEL});
    assert_said_to(&b, b.audio,
                   "ASK a81 of 7f0ef524f190 0;ASK a82 of 7f0ef524f190 0;"
                   "ASK aa9 of 7f0ef524f190 0;");
    bench_close(&b);
}

static void questions_are_bounded(void **state)
{
    static uint8_t bytes[SENSOR_IOCTL_BYTES + 600];
    struct sensor_ioctl_message m = {
        .command = SENSOR_IOCTL, .cookie = 0x33, .request = SENSOR_GET_INFO};
    struct bench b;
    struct rpr_sensor_sub *sub;
    unsigned n = 0;

    (void)state;
    bench_open(&b, (struct rpr_sensor_config){0}, 2);
    sub = subscribe(&b, (struct rpr_sensor_sub_config){.path = ACCEL});
    say(&b, b.audio, SENSOR_ADVERTISE, ACCEL);
    (void)show(&b, b.audio);
    m.proxy = b.cookie;
    (void)sensor_ioctl_encode(bytes, &m);
    put_le32(bytes + 28, 600); /* more than is taken */
    wire_put(b.audio->wire, PEER, peer_addr(b.audio, RPR_SENSOR_SERVICE), bytes, 480);
    assert_closed_for(&b, "a question is shorter than its argument");
    say(&b, b.audio, SENSOR_ADVERTISE, ACCEL);
    while (question(&b, sub, 0x0a86, "") == 0)
        n++;
    assert_int_equal(n, 64);
    assert_int_equal(question(&b, sub, 0x0a86, ""), -RPR_EBUSY);
    assert_int_equal(question(&b, sub, 1, ""), -RPR_EINVAL);
    say(&b, b.program, SENSOR_SUBSCRIBE, ACCEL);
    (void)show(&b, b.program);
    ask(&b, b.program, 0x0a86, 0, 9);
    assert_said_to(&b, b.program, "ANSWER 9 -16;");
    rpr_sensor_unsubscribe(sub); /* nobody is told of the 64 */
    b.heard[0] = '\0';
    net_pass(&b.net, S(2));
    assert_heard(&b, "");
    bench_close(&b);
}

/* Several topics of one peer share its messages, and none of them waits for another to run dry. */
static void topics_take_turns(void **state)
{
    struct bench b;
    struct rpr_sensor_pub *accel, *baro;
    char text[101];
    const char *said;

    (void)state;
    bench_open(&b, (struct rpr_sensor_config){0}, 1);
    accel = advertise(&b, (struct rpr_sensor_pub_config){.path = ACCEL});
    baro = advertise(&b, (struct rpr_sensor_pub_config){.path = BARO});
    say_as(&b, b.audio,
           (struct sensor_topic_message){.command = SENSOR_SUBSCRIBE, .cookie = 0xacce1}, ACCEL);
    say_as(&b, b.audio,
           (struct sensor_topic_message){.command = SENSOR_SUBSCRIBE, .cookie = 0xba50}, BARO);
    (void)show(&b, b.audio);
    publish_text(accel, "a");
    publish_text(baro, "b");
    assert_said_to(&b, b.audio, "PUB acce1/1:a ba50/1:b;");
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    for (unsigned i = 0; i < 30; i++)
        publish_text(accel, text);
    publish_text(baro, "soon");
    said = show(&b, b.audio);
    assert_non_null(strstr(said, "soon"));
    assert_true(strstr(said, "soon") < said + strlen(said) / 2); /* in the second message of many */
    assert_int_equal(link_info(&b, ACCEL, "audio").tx, 31);
    /* One of two topics that wait is given up. */
    b.audio->wire->n_free = 0;
    publish_text(accel, "a");
    publish_text(baro, "b");
    say_as(&b, b.audio,
           (struct sensor_topic_message){.command = SENSOR_UNSUBSCRIBE, .cookie = 0xba50}, BARO);
    for (unsigned i = 0; i < 3; i++)
        b.audio->wire->free[b.audio->wire->n_free++] = i;
    net_pass(&b.net, MS(20));
    assert_said_to(&b, b.audio, "PUB acce1/1:a;");
    bench_close(&b);
}

/* ---- between programs and remotes ---------------------------------------------------------------------- */

static void broker_passes_on(void **state)
{
    struct bench b;
    uint64_t cookie;

    (void)state;
    bench_open(&b, (struct rpr_sensor_config){0}, 3);
    say(&b, b.audio, SENSOR_ADVERTISE, ACCEL);
    assert_said_to(&b, b.audio, "");
    assert_said_to(&b, b.droid, ""); /* two remotes have the router */
    assert_said_to(&b, b.program, "ADV sensor_accel0;");
    say(&b, b.program, SENSOR_ADVERTISE_ACK, ACCEL);
    assert_said_to(&b, b.audio, "SUB sensor_accel0;");
    cookie = b.cookie;
    assert_said_to(&b, b.droid, "SUB sensor_accel0;");
    say(&b, b.audio, SENSOR_SUBSCRIBE_ACK, ACCEL);
    say(&b, b.droid, SENSOR_SUBSCRIBE, ACCEL);
    publish(&b, b.audio, cookie, "from audio");
    assert_said_to(&b, b.program, "SUB sensor_accel0;PUB 7f0ef524f190/1:from audio;");
    assert_said_to(&b, b.droid, "");
    say(&b, b.program, SENSOR_ADVERTISE, ACCEL);
    assert_said_to(&b, b.droid, "ADV sensor_accel0;");
    assert_said_to(&b, b.audio, "ADV sensor_accel0;");
    assert_said_to(&b, b.program, "ADVACK sensor_accel0;");
    publish(&b, b.program, cookie, "from program");
    assert_said_to(&b, b.program, "");
    assert_said_to(&b, b.audio, "");
    say(&b, b.audio, SENSOR_ADVERTISE_ACK, ACCEL);
    publish(&b, b.program, cookie, "again");
    assert_said_to(&b, b.audio, "PUB 7f0ef524f190/1:again;");
    assert_said_to(&b, b.droid, "PUB 7f0ef524f190/1:from program;PUB 7f0ef524f190/1:again;");
    ask(&b, b.program, SENSOR_SET_INTERVAL, 2000, 1);
    assert_said_to(&b, b.program, "ANSWER 1 0;");
    assert_said_to(&b, b.audio, "ASK a81 of 7f0ef524f190 2000;");
    bench_close(&b);
}

/* What a subscriber lets samples be late is the whole way's: half of it at each place that passes on. */
static void latency_is_that_of_the_whole_way(void **state)
{
    struct bench b;
    uint64_t cookie;

    (void)state;
    bench_open(&b, (struct rpr_sensor_config){0}, 2);
    say(&b, b.audio, SENSOR_ADVERTISE, ACCEL);
    (void)show(&b, b.program);
    say(&b, b.program, SENSOR_ADVERTISE_ACK, ACCEL);
    (void)show(&b, b.audio);
    cookie = b.cookie;
    say(&b, b.audio, SENSOR_SUBSCRIBE_ACK, ACCEL);
    ask(&b, b.program, SENSOR_BATCH, 20000, 0);
    assert_said_to(&b, b.audio, "ASK a82 of 7f0ef524f190 10000;");
    publish(&b, b.audio, cookie, "one");
    net_pass(&b.net, MS(9));
    assert_said_to(&b, b.program, "");
    net_pass(&b.net, MS(1));
    assert_said_to(&b, b.program, "PUB 7f0ef524f190/1:one;");
    bench_close(&b);
}

static void broker_passes_questions_on(void **state)
{
    struct bench b;
    uint64_t cookie;

    (void)state;
    bench_open(&b, (struct rpr_sensor_config){0}, 3);
    say(&b, b.audio, SENSOR_ADVERTISE, ACCEL);
    (void)show(&b, b.program);
    say(&b, b.program, SENSOR_ADVERTISE_ACK, ACCEL);
    (void)show(&b, b.audio);
    cookie = b.cookie;
    say(&b, b.audio, SENSOR_SUBSCRIBE_ACK, ACCEL);
    ask(&b, b.program, SENSOR_FLUSH, 0, 0xf1);
    assert_said_to(&b, b.program, "");
    assert_said_to(&b, b.audio, "ASK a9d of 7f0ef524f190 0 answer;");
    reply(&b, b.audio, 0, "");
    assert_said_to(&b, b.program, "ANSWER f1 0;");
    publish(&b, b.audio, cookie, "kept");
    publish(&b, b.audio, cookie, "");
    publish(&b, b.audio, cookie, "");
    assert_said_to(&b, b.program, "PUB 7f0ef524f190/1:kept;PUB 7f0ef524f190/1:;");
    ask(&b, b.program, SENSOR_FLUSH, 0, 0xf2);
    (void)show(&b, b.audio);
    peer_down(b.audio);
    assert_said_to(&b, b.program, "UNADV sensor_accel0;ANSWER f2 -25;");
    ask(&b, b.program, SENSOR_FLUSH, 0, 0xf3); /* nobody there */
    assert_said_to(&b, b.program, "ANSWER f3 -25;");
    bench_close(&b);
}

/* A program that is for one remote CPU hears and tells that one alone. */
/* A publisher's word and its first sample come at once: nothing is lost to who waited for it. */
static void first_sample_is_not_lost(void **state)
{
    struct bench b;
    struct rpr_sensor_pub *pub = NULL;
    struct sensor_topic_message m = {.command = SENSOR_ADVERTISE, .cookie = MINE, .path = ACCEL};
    struct sensor_cell cell = {.nbuffer = 1, .len = 5, .data = (const uint8_t *)"first"};
    uint8_t bytes[128];

    (void)state;
    bench_open(&b, (struct rpr_sensor_config){0}, 2);
    say(&b, b.program, SENSOR_SUBSCRIBE, ACCEL);
    assert_said_to(&b, b.audio, "SUB sensor_accel0;");
    cell.cookie = b.cookie;
    wire_put(b.audio->wire, PEER, peer_addr(b.audio, RPR_SENSOR_SERVICE), bytes,
             sensor_topic_encode(bytes, &m));
    sensor_data_encode(bytes);
    put(&b, b.audio, bytes, 8 + sensor_cell_encode(bytes + 8, &cell));
    assert_said_to(&b, b.program, "ADV sensor_accel0;PUB 7f0ef524f190/1:first;");
    say(&b, b.audio, SENSOR_SUBSCRIBE, BARO);
    assert_int_equal(
        rpr_sensor_advertise(b.sensor, &(struct rpr_sensor_pub_config){.path = BARO}, &pub), 0);
    publish_text(pub, "here");
    assert_said_to(&b, b.audio, "ADVACK sensor_accel0;ADV sensor_baro0;PUB 7f0ef524f190/1:here;");
    bench_close(&b);
}

/* The broker takes what is to stay valid from a program before anyone asks for it, and has it when the
 * program is gone. Remote CPUs keep theirs themselves. */
static void broker_keeps_what_stays_valid(void **state)
{
    struct bench b;

    (void)state;
    bench_open(&b, (struct rpr_sensor_config){0}, 2);
    say_as(&b, b.audio,
           (struct sensor_topic_message){.command = SENSOR_ADVERTISE, .cookie = MINE, .persist = 1},
           BARO);
    assert_said_to(&b, b.audio, "");
    say_as(&b, b.program,
           (struct sensor_topic_message){.command = SENSOR_ADVERTISE, .cookie = MINE, .persist = 1},
           ACCEL);
    assert_said_to(
        &b, b.program,
        "ADV sensor_baro0 persist;SUB sensor_accel0 persist;ADVACK sensor_accel0 persist;");
    publish(&b, b.program, b.cookie, "last");
    peer_down(b.program);
    assert_said_to(&b, b.audio, "ADV sensor_accel0 persist;");
    say(&b, b.audio, SENSOR_ADVERTISE_ACK, ACCEL);
    assert_said_to(&b, b.audio, "PUB 7f0ef524f190/1:last;");
    bench_close(&b);
}

/* A sample that stays valid is not offered to who it came from, nor to who would not have got it. */
static void valid_sample_is_not_offered_back(void **state)
{
    struct sensor_topic_message m = {.command = SENSOR_ADVERTISE, .cookie = MINE, .persist = 1};
    struct bench b;

    (void)state;
    bench_open(&b, (struct rpr_sensor_config){0}, 3);
    (void)subscribe(&b, (struct rpr_sensor_sub_config){.path = ACCEL});
    (void)show(&b, b.droid);
    (void)show(&b, b.program);
    say_as(&b, b.audio, m, ACCEL);
    assert_said_to(&b, b.audio, "SUB sensor_accel0;ADVACK sensor_accel0 persist;");
    publish(&b, b.audio, b.cookie, "valid");
    m.command = SENSOR_UNADVERTISE;
    say_as(&b, b.audio, m, ACCEL);
    assert_said_to(&b, b.audio, "");
    assert_said_to(&b, b.droid, "");
    say(&b, b.program, SENSOR_SUBSCRIBE, ACCEL);
    assert_said_to(
        &b, b.program,
        "ADV sensor_accel0 persist;SUBACK sensor_accel0 persist;PUB 7f0ef524f190/1:valid;");
    bench_close(&b);
}

static void program_for_one_remote(void **state)
{
    struct bench b;
    struct rpr_sensor_pub *pub;

    (void)state;
    memset(&b, 0, sizeof b); /* the context of only_of() */
    bench_open(&b, (struct rpr_sensor_config){.only = only_of, .ctx = &b}, 3);
    pub = advertise(&b, (struct rpr_sensor_pub_config){.path = ACCEL});
    say(&b, b.droid, SENSOR_ADVERTISE, ACCEL);
    say(&b, b.program, SENSOR_SUBSCRIBE, ACCEL);
    publish_text(pub, "of this node");
    assert_said_to(&b, b.program, "");
    say(&b, b.audio, SENSOR_ADVERTISE, ACCEL);
    assert_said_to(&b, b.audio, "ADV sensor_accel0;SUB sensor_accel0;ADVACK sensor_accel0;");
    assert_said_to(&b, b.program, "ADV sensor_accel0;");
    publish(&b, b.audio, b.cookie, "of audio");
    publish(&b, b.droid, b.cookie, "of droid");
    assert_said_to(&b, b.program, "PUB 7f0ef524f190/1:of audio;");
    say(&b, b.program, SENSOR_ADVERTISE, BARO);
    assert_said_to(&b, b.audio, "ADV sensor_baro0;");
    assert_said_to(&b, b.droid, "ADV sensor_accel0;");
    peer_down(b.audio);
    assert_said_to(&b, b.program, "UNADV sensor_accel0;");
    bench_close(&b);
}

static unsigned rights_of(void *ctx, const struct rpr_device *device, const char *path)
{
    (void)ctx;
    if (rpr_device_name(device)[0] == '@')
        return RPR_SENSOR_READ | RPR_SENSOR_WRITE;
    return strcmp(path, ACCEL) == 0 ? RPR_SENSOR_READ : RPR_SENSOR_WRITE;
}

static void rights_are_kept(void **state)
{
    struct bench b;

    (void)state;
    bench_open(&b, (struct rpr_sensor_config){.rights = rights_of}, 2);
    say(&b, b.audio, SENSOR_ADVERTISE, ACCEL);
    say(&b, b.audio, SENSOR_SUBSCRIBE, BARO);
    assert_int_equal(peer_info(&b, "audio").refused, 2);
    assert_int_equal(n_topics(&b), 0);
    say(&b, b.program, SENSOR_ADVERTISE, ACCEL);
    say(&b, b.program, SENSOR_ADVERTISE, BARO);
    say(&b, b.program, SENSOR_SUBSCRIBE, ACCEL);
    say(&b, b.program, SENSOR_SUBSCRIBE, BARO);
    assert_said_to(&b, b.audio, "ADV sensor_accel0;SUB sensor_baro0;");
    say(&b, b.audio, SENSOR_SUBSCRIBE_ACK, BARO);
    (void)show(&b, b.program);
    publish(&b, b.audio, b.cookie, "baro");
    assert_said_to(&b, b.program, "PUB 7f0ef524f190/1:baro;");
    bench_close(&b);
}

/* The scope changes: an endpoint goes, its topics with it, and comes back; no other is disturbed. */
static void scope_is_looked_at_again(void **state)
{
    struct bench b;

    (void)state;
    bench_open(&b, (struct rpr_sensor_config){0}, 3);
    (void)subscribe(&b, (struct rpr_sensor_sub_config){.path = ACCEL});
    (void)show(&b, b.droid);
    say(&b, b.audio, SENSOR_ADVERTISE, BARO);
    say(&b, b.droid, SENSOR_SUBSCRIBE_ACK, ACCEL);
    assert_int_equal(n_topics(&b), 2);
    b.unwanted = "audio";
    rpr_sensor_look(b.sensor);
    settle_all(&b);
    assert_int_equal(n_topics(&b), 1);
    publish(&b, b.droid, b.cookie, "still");
    assert_heard(&b, "publishers 1;still;");
    b.unwanted = NULL;
    rpr_sensor_look(b.sensor);
    settle_all(&b);
    (void)peer_said(b.audio);
    peer_ack(b.audio, RPR_SENSOR_SERVICE, PEER);
    assert_said_to(&b, b.audio, "SUB sensor_accel0;");
    bench_close(&b);
}

/* ---- words that did not arrive ------------------------------------------------------------------------------ */

/* The answer to a subscription that is over comes before the next one could be said: that is said all
 * the same, and at once. */
static void an_answer_to_a_former_subscription(void **state)
{
    struct bench b;
    uint32_t n_free;

    (void)state;
    bench_open(&b, (struct rpr_sensor_config){0}, 1);
    rpr_sensor_unsubscribe(subscribe(&b, (struct rpr_sensor_sub_config){.path = ACCEL}));
    assert_said_to(&b, b.audio, "SUB sensor_accel0;UNSUB sensor_accel0;");
    n_free = b.audio->wire->n_free;
    b.audio->wire->n_free = 0;
    (void)subscribe(&b, (struct rpr_sensor_sub_config){.path = ACCEL});
    say(&b, b.audio, SENSOR_SUBSCRIBE_ACK, ACCEL);
    b.audio->wire->n_free = n_free;
    net_pass(&b.net, MS(50));
    assert_said_to(&b, b.audio, "SUB sensor_accel0;");
    bench_close(&b);
}

/* Says `word` once after each of 1, 2, 4 ... 64 and 64 s, and nothing between. */
static void assert_asks_less_and_less(struct bench *b, const char *word)
{
    uint64_t due = b->net.w.now;
    unsigned wait = 1;

    for (unsigned i = 0; i < 9; i++) {
        due += S(wait);
        net_pass(&b->net, due - US(20) - b->net.w.now);
        assert_said_to(b, b->audio, "");
        net_pass(&b->net, due + US(20) - b->net.w.now);
        assert_said_to(b, b->audio, word);
        wait = wait < 64 ? 2 * wait : 64;
    }
}

static void assert_asks_within(struct bench *b, unsigned seconds, const char *word)
{
    const char *said = "";

    for (unsigned i = 0; i <= seconds && !said[0]; i++) {
        net_pass(&b->net, S(1));
        said = show(b, b->audio);
    }
    assert_string_equal(said, word);
}

static void a_lost_subscription_is_said_again(void **state)
{
    struct bench b;
    struct rpr_sensor_sub *sub;
    uint64_t cookie;

    (void)state;
    bench_open(&b, (struct rpr_sensor_config){0}, 1);
    sub = subscribe(&b, (struct rpr_sensor_sub_config){.path = ACCEL, .interval_us = 5});
    assert_said_to(&b, b.audio, "SUB sensor_accel0;");
    assert_asks_less_and_less(&b, "SUB sensor_accel0;");
    cookie = b.cookie;
    say(&b, b.audio, SENSOR_SUBSCRIBE_ACK, ACCEL);
    assert_said_to(&b, b.audio, "ASK a81 of 7f0ef524f190 5;");
    net_pass(&b.net, S(63)); /* it has shown that it knows */
    assert_said_to(&b, b.audio, "");
    for (unsigned i = 0; i < 20; i++) { /* and shows it with each sample */
        publish(&b, b.audio, cookie, "12345678");
        net_pass(&b.net, S(20));
        assert_said_to(&b, b.audio, "");
    }
    /* Silence may be its loss: an answer changes nothing. */
    assert_asks_within(&b, 128, "SUB sensor_accel0;");
    say(&b, b.audio, SENSOR_SUBSCRIBE_ACK, ACCEL);
    assert_said_to(&b, b.audio, "ASK a81 of 7f0ef524f190 5;");
    say(&b, b.audio, SENSOR_UNADVERTISE, ACCEL);
    net_pass(&b.net, S(1) + 1); /* the next publisher's word may be lost */
    assert_said_to(&b, b.audio, "SUB sensor_accel0;");
    say(&b, b.audio, SENSOR_ADVERTISE, ACCEL);
    assert_said_to(&b, b.audio, "ADVACK sensor_accel0;ASK a81 of 7f0ef524f190 5;");
    net_pass(&b.net, S(1) + 1); /* or our answer to it */
    assert_said_to(&b, b.audio, "SUB sensor_accel0;");
    rpr_sensor_unsubscribe(sub);
    assert_said_to(&b, b.audio, "UNSUB sensor_accel0;");
    net_pass(&b.net, S(300));
    assert_said_to(&b, b.audio, "");
    bench_close(&b);
}

static void a_lost_offer_is_said_again(void **state)
{
    struct bench b;
    struct rpr_sensor_pub *pub;

    (void)state;
    bench_open(&b, (struct rpr_sensor_config){0}, 1);
    pub = advertise(&b, (struct rpr_sensor_pub_config){.path = BARO});
    assert_said_to(&b, b.audio, "ADV sensor_baro0;");
    assert_asks_less_and_less(&b, "ADV sensor_baro0;");
    say(&b, b.audio, SENSOR_ADVERTISE_ACK, BARO);
    net_pass(&b.net, S(300));
    assert_said_to(&b, b.audio, "");
    say(&b, b.audio, SENSOR_UNSUBSCRIBE, BARO);
    assert_asks_within(&b, 64, "ADV sensor_baro0;"); /* who subscribes next may not be heard */
    rpr_sensor_unadvertise(pub);
    assert_said_to(&b, b.audio, "UNADV sensor_baro0;");
    net_pass(&b.net, S(300));
    assert_said_to(&b, b.audio, "");
    bench_close(&b);
}

static void a_lost_end_is_said_again(void **state)
{
    struct bench b;
    struct rpr_sensor_sub *sub;
    uint64_t cookie;

    (void)state;
    bench_open(&b, (struct rpr_sensor_config){0}, 1);
    sub = subscribe(&b, (struct rpr_sensor_sub_config){.path = ACCEL});
    (void)show(&b, b.audio);
    cookie = b.cookie;
    say(&b, b.audio, SENSOR_SUBSCRIBE_ACK, ACCEL);
    rpr_sensor_unsubscribe(sub);
    assert_said_to(&b, b.audio, "UNSUB sensor_accel0;");
    for (unsigned gone = 0; gone < 2; gone++) {   /* the topic, too */
        publish(&b, b.audio, cookie, "12345678"); /* that was on its way */
        assert_said_to(&b, b.audio, "");
        net_pass(&b.net, S(1));
        publish(&b, b.audio, cookie, "12345678");
        publish(&b, b.audio, cookie, "12345678");
        assert_said_to(&b, b.audio, "UNSUB sensor_accel0;");
        assert_int_equal(b.cookie, cookie);
        say(&b, b.audio, SENSOR_UNADVERTISE, ACCEL);
        settle_all(&b);
    }
    assert_int_equal(n_topics(&b), 0);
    publish(&b, b.audio, cookie + 1, "12345678"); /* whatever that is */
    assert_said_to(&b, b.audio, "");
    bench_close(&b);
}

/* Whoever sleeps is not woken for that, and a program's link loses nothing. */
static void who_is_not_asked_again(void **state)
{
    struct bench b;

    (void)state;
    bench_open(&b, (struct rpr_sensor_config){0}, 2);
    (void)subscribe(&b, (struct rpr_sensor_sub_config){.path = ACCEL});
    assert_said_to(&b, b.audio, "SUB sensor_accel0;");
    assert_said_to(&b, b.program, "SUB sensor_accel0;");
    rpr_link_power(&b.audio->wire->link, false);
    net_pass(&b.net, S(300));
    assert_said_to(&b, b.audio, "");
    assert_said_to(&b, b.program, "");
    rpr_link_power(&b.audio->wire->link, true);
    net_pass(&b.net, S(70));
    assert_non_null(strstr(show(&b, b.audio), "SUB sensor_accel0;"));
    bench_close(&b);
}

/* ---- peers that lie ----------------------------------------------------------------------------------------- */

static void liars_lose_their_endpoint(void **state)
{
    struct bench b;
    uint8_t bytes[64] = {SENSOR_SUBSCRIBE};
    struct sensor_ioctl_message question = {.command = SENSOR_IOCTL, .arglen = 8};

    (void)state;
    bench_open(&b, (struct rpr_sensor_config){0}, 2);
    put(&b, b.audio, bytes, 21);
    assert_closed_for(&b, "a message is shorter than its command needs");
    memset(bytes + SENSOR_PATH_AT, 'x', 44);
    put(&b, b.audio, bytes, 64);
    assert_closed_for(&b, "a topic's path is malformed");
    memset(bytes, 0, sizeof bytes);
    bytes[0] = SENSOR_PUBLISH;
    put(&b, b.audio, bytes, 8);
    put(&b, b.audio, bytes, 24);
    put_le32(bytes + 20, 41); /* of 40 */
    put(&b, b.audio, bytes, 64);
    assert_closed_for(&b, "a cell is longer than its message");
    (void)sensor_ioctl_encode(bytes, &question);
    put_le32(bytes + 28, 1000);
    put(&b, b.audio, bytes, 64);
    assert_closed_for(&b, "a question is shorter than its argument");
    put_le32(bytes, SENSOR_IOCTL_ACK);
    put(&b, b.audio, bytes, 64);
    assert_closed_for(&b, "an answer has a wrong length");
    put_le32(bytes, 9); /* of a later version */
    put(&b, b.audio, bytes, 64);
    assert_true(peer_info(&b, "audio").bound);
    assert_int_equal(peer_info(&b, "audio").errors, 6);
    bench_close(&b);
}

/* Without another connection it comes back in time, and all is told anew. */
static void a_liar_comes_back(void **state)
{
    struct bench b;
    struct rpr_service_closed closed;

    (void)state;
    bench_open(&b, (struct rpr_sensor_config){0}, 3);
    (void)subscribe(&b, (struct rpr_sensor_sub_config){.path = ACCEL});
    (void)show(&b, b.droid);
    for (unsigned wait = 1; wait < 9; wait *= 2) {
        (void)show(&b, b.audio);
        put(&b, b.audio, "", 0);
        settle_all(&b);
        (void)peer_said(b.audio);
        assert_true(rpr_sensor_closed(b.sensor, 0, &closed));
        assert_in_range(closed.wait_ns, S(wait) - MS(1), S(wait));
        net_pass(&b.net, closed.wait_ns - 1);
        assert_peer_said(b.audio, "");
        net_pass(&b.net, 1);
        assert_peer_said(b.audio, "CREATE rpmsg-sensor;");
        assert_string_equal(peer_info(&b, "audio").reason, "");
        peer_ack(b.audio, RPR_SENSOR_SERVICE, PEER);
        assert_said_to(&b, b.audio, "SUB sensor_accel0;");
    }
    put(&b, b.audio, "", 0);
    settle_all(&b);
    rpr_link_unregister(&b.audio->wire->link); /* nor is it waited for when it goes */
    net_pass(&b.net, S(99));
    publish(&b, b.droid, b.cookie, "still");
    bench_close(&b);
}

static void nobody_fills_the_table(void **state)
{
    struct bench b;
    char path[64];

    (void)state;
    bench_open(&b, (struct rpr_sensor_config){.topics = 8, .peer_topics = 4}, 3);
    for (unsigned i = 0; i < 100; i++) {
        snprintf(path, sizeof path, "/dev/uorb/lie%u", i);
        say(&b, b.audio, i % 2 ? SENSOR_ADVERTISE : SENSOR_SUBSCRIBE_ACK, path);
        say(&b, b.audio, i % 2 ? SENSOR_SUBSCRIBE : SENSOR_ADVERTISE_ACK, path);
        say_as(
            &b, b.audio,
            (struct sensor_topic_message){
                .command = SENSOR_ADVERTISE, .nbuffer = UINT32_MAX, .persist = 1, .cookie = MINE},
            path);
    }
    assert_int_equal(n_topics(&b), 4);
    assert_int_equal(peer_info(&b, "audio").refused, 96 * 3);
    (void)subscribe(&b, (struct rpr_sensor_sub_config){.path = ACCEL});
    for (unsigned i = 0; i < 100; i++) {
        snprintf(path, sizeof path, "/dev/uorb/more%u", i);
        say(&b, b.droid, SENSOR_ADVERTISE, path);
    }
    assert_int_equal(n_topics(&b), 8);
    peer_down(b.audio);
    settle_all(&b);
    assert_int_equal(n_topics(&b), 4);
    bench_close(&b);
}

/* A cookie that was right once finds nobody: not the topic that has its place now. */
static void stale_cookies_find_nobody(void **state)
{
    struct bench b;
    struct rpr_sensor_sub *sub;
    uint64_t stale;

    (void)state;
    bench_open(&b, (struct rpr_sensor_config){.topics = 1}, 1);
    sub = subscribe(&b, (struct rpr_sensor_sub_config){.path = ACCEL});
    (void)show(&b, b.audio);
    stale = b.cookie;
    rpr_sensor_unsubscribe(sub);
    (void)show(&b, b.audio);
    (void)subscribe(&b, (struct rpr_sensor_sub_config){.path = BARO});
    (void)show(&b, b.audio);
    assert_true(b.cookie != stale);
    publish(&b, b.audio, stale, "stale");
    publish(&b, b.audio, 0, "none");
    publish(&b, b.audio, UINT64_MAX, "none");
    assert_heard(&b, "");
    assert_int_equal(peer_info(&b, "audio").late, 3);
    publish(&b, b.audio, b.cookie, "right");
    assert_heard(&b, "right;");
    bench_close(&b);
}

/* More questions than anyone asks, with nothing taken from the link: memory is bounded, and every
 * answer there was room for comes. */
static void floods_of_questions(void **state)
{
    struct bench b;
    const char *said;
    unsigned n = 0;

    (void)state;
    bench_open(&b, (struct rpr_sensor_config){0}, 1);
    (void)advertise(&b, (struct rpr_sensor_pub_config){.path = ACCEL});
    (void)show(&b, b.audio);
    b.audio->wire->n_free = 0;
    for (unsigned i = 0; i < 200; i++)
        ask(&b, b.audio, SENSOR_FLUSH, 0, 0x1000 + i);
    assert_int_equal(peer_info(&b, "audio").refused, 200 - 16);
    for (unsigned i = 0; i < 40; i++)
        b.audio->wire->free[b.audio->wire->n_free++] = i;
    net_pass(&b.net, MS(20));
    for (said = show(&b, b.audio); (said = strstr(said, "ANSWER")); said++)
        n++;
    assert_int_equal(n, 16);
    bench_close(&b);
}

/* ---- memory ------------------------------------------------------------------------------------------------- */

static void a_life(struct bench *b)
{
    struct rpr_sensor_pub *pub = NULL;
    struct rpr_sensor_sub *sub = NULL;

    (void)rpr_sensor_advertise(
        b->sensor, &(struct rpr_sensor_pub_config){.path = ACCEL, .ops = &pub_ops, .ctx = b}, &pub);
    (void)rpr_sensor_subscribe(
        b->sensor, &(struct rpr_sensor_sub_config){.path = ACCEL, .ops = &sub_ops, .ctx = b}, &sub);
    settle_all(b);
    say(b, b->audio, SENSOR_SUBSCRIBE, ACCEL);
    say(b, b->audio, SENSOR_ADVERTISE, BARO);
    say(b, b->program, SENSOR_SUBSCRIBE, BARO);
    if (pub)
        (void)rpr_sensor_publish(pub, "sample", 6);
    if (sub)
        (void)question(b, sub, RPR_SENSOR_FLUSH, "");
    ask(b, b->program, 0x0a86, 0, 5);
    net_pass(&b->net, S(3));
    if (sub)
        rpr_sensor_unsubscribe(sub);
    if (pub)
        rpr_sensor_unadvertise(pub);
}

/* With any one allocation refused nothing breaks, and everything is given back; whatever peers were
 * to be told they are told a second later. */
static void every_allocation_can_fail(void **state)
{
    struct bench b;
    unsigned n, i;

    (void)state;
    bench_open(&b, (struct rpr_sensor_config){0}, 2);
    n = b.net.w.n_allocs;
    a_life(&b);
    n = b.net.w.n_allocs - n;
    bench_close(&b);
    assert_true(n > 8);
    for (i = 1; i <= n; i++) {
        bench_open(&b, (struct rpr_sensor_config){0}, 2);
        b.net.w.fail_in = i;
        a_life(&b);
        bench_close(&b);
    }
}

static void steady_state_allocates_nothing(void **state)
{
    struct bench b;
    struct rpr_sensor_pub *pub;
    unsigned n;

    (void)state;
    bench_open(&b, (struct rpr_sensor_config){0}, 2);
    pub = advertise(&b, (struct rpr_sensor_pub_config){.path = ACCEL});
    (void)subscribe(&b, (struct rpr_sensor_sub_config){.path = ACCEL});
    say(&b, b.audio, SENSOR_SUBSCRIBE, ACCEL);
    say(&b, b.program, SENSOR_SUBSCRIBE, ACCEL);
    publish_text(pub, "first");
    (void)show(&b, b.audio);
    (void)show(&b, b.program);
    n = b.net.w.n_allocs;
    for (unsigned i = 0; i < 10000; i++) {
        publish_text(pub, "next");
        (void)show(&b, b.audio);
        (void)show(&b, b.program);
        b.heard[0] = '\0';
    }
    assert_int_equal(b.net.w.n_allocs, n);
    bench_close(&b);
}

static void bad_arguments(void **state)
{
    struct bench b;
    struct rpr_sensor *sensor;
    struct rpr_sensor_pub *pub;
    struct rpr_sensor_sub *sub;
    char path[SENSOR_PATH_MAX + 2];

    (void)state;
    bench_open(&b, (struct rpr_sensor_config){.topics = 1}, 1);
    memset(path, 'x', sizeof path);
    path[sizeof path - 1] = '\0';
    assert_int_equal(
        rpr_sensor_open(b.node, NULL, &(struct rpr_sensor_config){.topics = 65536}, &sensor),
        -RPR_EINVAL);
    assert_int_equal(
        rpr_sensor_open(b.node, NULL, &(struct rpr_sensor_config){.queue_bytes = 100}, &sensor),
        -RPR_EINVAL);
    assert_int_equal(
        rpr_sensor_advertise(b.sensor, &(struct rpr_sensor_pub_config){.path = ""}, &pub),
        -RPR_EINVAL);
    assert_int_equal(
        rpr_sensor_advertise(b.sensor, &(struct rpr_sensor_pub_config){.path = path}, &pub),
        -RPR_EINVAL);
    assert_int_equal(
        rpr_sensor_subscribe(b.sensor, &(struct rpr_sensor_sub_config){.path = "a b"}, &sub),
        -RPR_EINVAL);
    path[SENSOR_PATH_MAX] = '\0';
    pub = advertise(&b, (struct rpr_sensor_pub_config){.path = path});
    assert_int_equal(rpr_sensor_publish(pub, "", 0), -RPR_EINVAL);
    assert_int_equal(
        rpr_sensor_subscribe(b.sensor,
                             &(struct rpr_sensor_sub_config){.path = ACCEL, .ops = &sub_ops}, &sub),
        -RPR_ENOSPC);
    bench_close(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(subscribes_as_nuttx_expects),
        cmocka_unit_test(advertises_as_nuttx_expects),
        cmocka_unit_test(subscriber_before_publisher),
        cmocka_unit_test(publisher_before_subscriber),
        cmocka_unit_test(a_peer_that_comes_is_told),
        cmocka_unit_test(recorded_words_of_nuttx),
        cmocka_unit_test(cookies_must_match),
        cmocka_unit_test(last_sample_stays_valid),
        cmocka_unit_test(slow_peer_loses_alone),
        cmocka_unit_test(queue_wraps_and_grows),
        cmocka_unit_test(samples_are_batched),
        cmocka_unit_test(interval_thins_out),
        cmocka_unit_test(buffers_shorter_than_said),
        cmocka_unit_test(closes_with_everything_open),
        cmocka_unit_test(cells_of_several_samples),
        cmocka_unit_test(asleep_and_awake),
        cmocka_unit_test(answers_questions),
        cmocka_unit_test(asks_questions),
        cmocka_unit_test(publisher_with_a_fifo),
        cmocka_unit_test(wishes_are_told),
        cmocka_unit_test(questions_are_bounded),
        cmocka_unit_test(topics_take_turns),
        cmocka_unit_test(broker_passes_on),
        cmocka_unit_test(latency_is_that_of_the_whole_way),
        cmocka_unit_test(broker_passes_questions_on),
        cmocka_unit_test(first_sample_is_not_lost),
        cmocka_unit_test(broker_keeps_what_stays_valid),
        cmocka_unit_test(valid_sample_is_not_offered_back),
        cmocka_unit_test(program_for_one_remote),
        cmocka_unit_test(rights_are_kept),
        cmocka_unit_test(scope_is_looked_at_again),
        cmocka_unit_test(a_question_waits_for_its_publisher),
        cmocka_unit_test(an_answer_to_a_former_subscription),
        cmocka_unit_test(a_lost_subscription_is_said_again),
        cmocka_unit_test(a_lost_offer_is_said_again),
        cmocka_unit_test(a_lost_end_is_said_again),
        cmocka_unit_test(who_is_not_asked_again),
        cmocka_unit_test(liars_lose_their_endpoint),
        cmocka_unit_test(a_liar_comes_back),
        cmocka_unit_test(nobody_fills_the_table),
        cmocka_unit_test(stale_cookies_find_nobody),
        cmocka_unit_test(floods_of_questions),
        cmocka_unit_test(every_allocation_can_fail),
        cmocka_unit_test(steady_state_allocates_nothing),
        cmocka_unit_test(bad_arguments),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
