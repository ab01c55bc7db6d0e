/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Service rpmsg-syslog: the server against scripted clients, honest and not; and both ends ours through
 * a hub whose links break.
 */
#include "router_fixture.h"

#include <rpr/syslog.h>

#include "wire/syslog.h"

#define NAME RPR_SYSLOG_SERVICE
#define ONE  1200u
#define TWO  1201u
#define LIFE 77u

struct sink {
    char text[1 << 16]; /* "cpu: line\n"... */
    bool full;
    unsigned n_refused;
};

static bool take_lines(void *ctx, const char *cpu, const char *head, uint32_t head_len,
                       const char *text, uint32_t len)
{
    struct sink *sink = ctx;
    size_t n = strlen(sink->text);

    assert_true(len && text[len - 1] == '\n');
    if (sink->full) {
        sink->n_refused++;
        return false;
    }
    n += (size_t)snprintf(sink->text + n, sizeof sink->text - n, "%s: %.*s", cpu, (int)head_len,
                          head);
    for (uint32_t i = 0; i < len; i++) {
        if (i && text[i - 1] == '\n')
            n += (size_t)snprintf(sink->text + n, sizeof sink->text - n, "%s: ", cpu);
        assert_true(n + 2 < sizeof sink->text);
        sink->text[n++] = text[i];
        sink->text[n] = '\0';
    }
    return true;
}

/* What the sink has got since the last time. */
#define assert_got(sink, expected)                   \
    do {                                             \
        assert_string_equal((sink)->text, expected); \
        (sink)->text[0] = '\0';                      \
    } while (0)

struct server {
    struct net net;
    struct rpr_node *node;
    struct rpr_syslog_server *server;
    struct sink sink;
    struct peer *droid;
};

static void server_init(struct server *s, struct rpr_syslog_server_config config)
{
    memset(s, 0, sizeof *s);
    net_init(&s->net);
    s->node = net_node(&s->net, "ap");
    s->droid = peer_new(&s->net, s->node, "droid");
    config.lines = take_lines;
    config.ctx = &s->sink;
    assert_int_equal(rpr_syslog_server_open(s->node, &config, &s->server), 0);
    peer_up(s->droid, RPR_DIALECT_NUTTX);
    (void)net_settle(&s->net);
    assert_peer_said(s->droid, ""); /* it waits for clients */
}

static void server_close(struct server *s)
{
    if (s->server)
        rpr_syslog_server_close(s->server);
    assert_net_closed(&s->net);
    peer_free(s->droid);
}

static struct rpr_syslog_server_counters counted(struct server *s)
{
    struct rpr_syslog_server_counters counters;

    rpr_syslog_server_counters(s->server, &counters);
    return counters;
}

static void client_comes(struct server *s, uint32_t addr)
{
    peer_create(s->droid, NAME, addr);
    (void)net_settle(&s->net);
    assert_peer_said(s->droid, "ACK " NAME ";");
}

static void put(struct server *s, uint32_t from, const void *bytes, size_t len)
{
    wire_put(s->droid->wire, from, peer_addr(s->droid, NAME), bytes, (uint32_t)len);
    (void)net_settle(&s->net);
}

static void transfer_at(struct server *s, uint32_t from, uint32_t offset, const char *text)
{
    struct syslog_message m = {
        .kind = SYSLOG_TRANSFER, .offset = offset, .count = (uint32_t)strlen(text)};
    uint8_t bytes[512];
    size_t len = syslog_encode(bytes, &m);

    memcpy(bytes + len, text, m.count);
    put(s, from, bytes, len + m.count);
}

static void transfer(struct server *s, const char *text)
{
    transfer_at(s, ONE, 0, text);
}

static void say(struct server *s, uint32_t from, struct syslog_message m)
{
    uint8_t bytes[SYSLOG_MAX_HEADER];

    put(s, from, bytes, syslog_encode(bytes, &m));
}

static void hello(struct server *s, uint32_t from, uint32_t life, uint32_t offset)
{
    say(s, from,
        (struct syslog_message){
            .kind = SYSLOG_HELLO, .life = life, .offset = offset, .window = 400});
}

/* The next message of the server to the client at `to`. */
static struct syslog_message heard_by(struct server *s, uint32_t to)
{
    struct syslog_message m;
    struct wire_message raw;

    assert_true(wire_get(s->droid->wire, &raw, true));
    assert_int_equal(raw.dst, to);
    assert_int_equal(syslog_decode(&m, raw.data, raw.len), SYSLOG_OK);
    return m;
}

static struct syslog_message heard(struct server *s)
{
    return heard_by(s, ONE);
}

static void assert_silence(struct server *s)
{
    struct wire_message raw;

    (void)net_settle(&s->net);
    assert_false(wire_get(s->droid->wire, &raw, true));
}

/* ---- lines -------------------------------------------------------------------------------------- */

static void lines_are_put_together(void **state)
{
    struct server s;

    (void)state;
    server_init(&s, (struct rpr_syslog_server_config){0});
    client_comes(&s, ONE);
    transfer(&s, "one\ntwo\nthr");
    assert_got(&s.sink, "droid: one\ndroid: two\n");
    transfer(&s, "e");
    transfer(&s, "");
    assert_got(&s.sink, "");
    transfer(&s, "e\n\nfour");
    assert_got(&s.sink, "droid: three\ndroid: \n");
    assert_int_equal(counted(&s).lines, 4);
    peer_destroy(s.droid, NAME, ONE); /* a board's last words */
    (void)net_settle(&s.net);
    assert_got(&s.sink, "droid: four\n");
    assert_int_equal(counted(&s).tails, 1);
    server_close(&s);
}

/* Of two clients, and of one that comes again: nobody's line goes on with another's. */
static void parts_of_different_lives_are_not_joined(void **state)
{
    struct server s;
    uint32_t one;

    (void)state;
    server_init(&s, (struct rpr_syslog_server_config){0});
    client_comes(&s, ONE);
    one = peer_addr(s.droid, NAME);
    transfer(&s, "left");
    client_comes(&s, TWO);
    transfer_at(&s, TWO, 0, "right");
    wire_put(s.droid->wire, ONE, one, "\0\0\0\0\0\0\0\0\3\0\0\0er\n", 15);
    (void)net_settle(&s.net);
    assert_got(&s.sink, "droid: lefter\n");
    peer_down(s.droid);
    (void)net_settle(&s.net);
    assert_got(&s.sink, "droid: right\n");
    peer_up(s.droid, RPR_DIALECT_NUTTX);
    client_comes(&s, ONE);
    transfer(&s, "s\n");
    assert_got(&s.sink, "droid: s\n");
    server_close(&s);
}

static void lines_without_end_are_bounded(void **state)
{
    struct server s;
    char text[301], expected[64];

    (void)state;
    server_init(&s, (struct rpr_syslog_server_config){.line_bytes = 40});
    client_comes(&s, ONE);
    memset(text, 'x', 300);
    text[300] = '\0';
    transfer(&s, "0123456789");
    transfer(&s, text);
    assert_int_equal(counted(&s).cut, 7);
    snprintf(expected, sizeof expected, "droid: 0123456789%.30s\ndroid: x", text);
    assert_memory_equal(s.sink.text, expected, strlen(expected));
    s.sink.text[0] = '\0';
    transfer(&s, "y\n"); /* 310 = 7 * 40 + 30 */
    snprintf(expected, sizeof expected, "droid: %.30sy\n", text);
    assert_got(&s.sink, expected);
    server_close(&s);
}

/* One lie, and the endpoint is closed, with the reason in the log; after a while the server asks for the
 * client, since NuttX's does not announce itself again. */
static void lie(struct server *s, const void *bytes, size_t len, const char *why)
{
    unsigned n = (unsigned)counted(s).malformed;
    struct rpr_service_closed closed;

    s->net.w.log[0] = '\0';
    client_comes(s, ONE);
    put(s, ONE, "\0\0\0\0\0\0\0\0\4\0\0\0last", 16);
    put(s, ONE, bytes, len);
    assert_int_equal(counted(s).malformed, n + 1);
    assert_peer_said(s->droid, "DESTROY " NAME ";");
    assert_non_null(strstr(s->net.w.log, why));
    assert_got(&s->sink, "droid: last\n");
    put(s, ONE, "\0\0\0\0\0\0\0\0\5\0\0\0late\n", 17);
    assert_got(&s->sink, "");
    assert_true(rpr_syslog_server_closed(s->server, 0, &closed));
    assert_non_null(strstr(s->net.w.log, closed.reason));
    net_pass(&s->net, closed.wait_ns - 1);
    assert_peer_said(s->droid, "");
    net_pass(&s->net, 1);
    assert_peer_said(s->droid, "CREATE " NAME ";");
    assert_false(rpr_syslog_server_closed(s->server, 0, &closed));
    peer_ack(s->droid, NAME, ONE);
    transfer(s, "honest\n");
    assert_got(&s->sink, "droid: honest\n");
    peer_destroy(s->droid, NAME, ONE);
    net_pass(&s->net, S(129)); /* forgiven */
    assert_peer_said(s->droid, "DESTROY " NAME ";");
}

static void lies_end_the_endpoint(void **state)
{
    static const uint8_t too_much[] = {0, 0, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 'a', '\n'};
    static const uint8_t negative[] = {0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 'a', '\n'};
    static const uint8_t unknown[16] = {4};
    static const uint8_t unasked[16] = {3, 0, 0, 0, 0, 0, 0, 0, 1};
    static const uint8_t suspend[8] = {1};
    static uint8_t too_long[300] = {0, 0, 0, 0, 0, 0, 0, 0, 250};
    struct server s;

    (void)state;
    server_init(&s, (struct rpr_syslog_server_config){.message_bytes = 200});
    lie(&s, too_much, sizeof too_much, "count");
    lie(&s, negative, sizeof negative, "count");
    lie(&s, unknown, sizeof unknown, "command");
    lie(&s, unasked, sizeof unasked, "not asked for");
    lie(&s, suspend, sizeof suspend, "not asked for");
    lie(&s, too_long, sizeof too_long, "longer");
    for (size_t n = 0; n < 12; n++)
        lie(&s, too_much, n, "length");
    client_comes(&s, ONE);
    hello(&s, ONE, LIFE, 0);
    assert_int_equal(heard(&s).kind, SYSLOG_NEW);
    hello(&s, ONE, LIFE + 1, 0); /* one is enough */
    assert_peer_said(s.droid, "DESTROY " NAME ";");
    server_close(&s);
}

/* It alone; but for a while no other is taken of that CPU. One that announces itself is taken then, and
 * nobody has to be asked. */
static void a_liar_ends_no_other(void **state)
{
    struct server s;
    uint32_t two;

    (void)state;
    server_init(&s, (struct rpr_syslog_server_config){0});
    client_comes(&s, TWO);
    two = peer_addr(s.droid, NAME);
    client_comes(&s, ONE);
    put(&s, ONE, "", 0);
    assert_peer_said(s.droid, "DESTROY " NAME ";");
    wire_put(s.droid->wire, TWO, two, "\0\0\0\0\0\0\0\0\3\0\0\0on\n", 15);
    (void)net_settle(&s.net);
    assert_got(&s.sink, "droid: on\n");
    peer_create(s.droid, NAME, 1202);
    peer_create(s.droid, NAME, 1203);
    net_pass(&s.net, S(1) - 1);
    assert_peer_said(s.droid, "");
    peer_destroy(s.droid, NAME, 1203); /* it did not wait */
    net_pass(&s.net, 1);
    assert_peer_said(s.droid, "ACK " NAME ";");
    transfer_at(&s, 1202, 0, "back\n");
    assert_got(&s.sink, "droid: back\n");
    assert_int_equal(counted(&s).refused, 0);
    server_close(&s);
}

/* What may happen while a liar waits. */
static void a_liar_waits(void **state)
{
    (void)state;
    for (unsigned how = 0; how < 6; how++) {
        struct server s;

        server_init(&s, (struct rpr_syslog_server_config){0});
        client_comes(&s, ONE);
        if (how == 5)
            s.net.w.fail_in = 1; /* no memory to remember it: it may come at once */
        put(&s, ONE, "", 0);
        assert_peer_said(s.droid, "DESTROY " NAME ";");
        switch (how) {
        case 0: /* it connects anew */
            peer_down(s.droid);
            (void)net_settle(&s.net);
            peer_up(s.droid, RPR_DIALECT_NUTTX);
            client_comes(&s, ONE);
            net_pass(&s.net, S(2));
            assert_peer_said(s.droid, "");
            break;
        case 1: /* it goes */
            peer_down(s.droid);
            net_pass(&s.net, S(2));
            peer_up(s.droid, RPR_DIALECT_NUTTX);
            client_comes(&s, ONE);
            break;
        case 2: /* for good */
            rpr_link_unregister(&s.droid->wire->link);
            net_pass(&s.net, S(2));
            break;
        case 3: /* the server ends */
            assert_true(rpr_syslog_server_stop(s.server));
            net_pass(&s.net, S(2));
            assert_peer_said(s.droid, "");
            break;
        case 4: /* while it is asked for */
            net_pass(&s.net, S(1));
            assert_peer_said(s.droid, "CREATE " NAME ";");
            assert_true(rpr_syslog_server_stop(s.server));
            (void)net_settle(&s.net);
            assert_peer_said(s.droid, "DESTROY " NAME ";");
            break;
        default:
            client_comes(&s, ONE);
            break;
        }
        server_close(&s);
    }
}

static void clients_are_bounded(void **state)
{
    struct server s;

    (void)state;
    server_init(&s, (struct rpr_syslog_server_config){.clients = 2});
    client_comes(&s, ONE);
    client_comes(&s, TWO);
    peer_create(s.droid, NAME, 1202);
    (void)net_settle(&s.net);
    assert_peer_said(s.droid, "");
    assert_int_equal(counted(&s).refused, 1);
    peer_create(s.droid, NAME, 1203);
    net_pass(&s.net, S(10));
    assert_peer_said(s.droid, "");
    assert_int_equal(counted(&s).refused, 2);
    peer_destroy(s.droid, NAME, ONE); /* one goes: who has waited for longest has its place */
    (void)net_settle(&s.net);
    assert_peer_said(s.droid, "DESTROY " NAME ";ACK " NAME ";");
    transfer_at(&s, 1202, 0, "at last\n");
    assert_got(&s.sink, "droid: at last\n");
    peer_destroy(s.droid, NAME, 1203); /* one that does not wait any more has none */
    peer_destroy(s.droid, NAME, TWO);
    net_pass(&s.net, S(10));
    assert_peer_said(s.droid, "DESTROY " NAME ";");
    assert_int_equal(counted(&s).refused, 2);
    server_close(&s);
}

/* No memory for a client: it has its place a second later. */
static void memory_for_a_client_comes_later(void **state)
{
    struct server s;

    (void)state;
    server_init(&s, (struct rpr_syslog_server_config){0});
    s.net.w.fail_in = 1;
    peer_create(s.droid, NAME, ONE);
    net_pass(&s.net, S(1) - 1);
    assert_peer_said(s.droid, "");
    assert_int_equal(counted(&s).refused, 1);
    net_pass(&s.net, 1);
    assert_peer_said(s.droid, "ACK " NAME ";");
    transfer(&s, "here\n");
    assert_got(&s.sink, "droid: here\n");
    server_close(&s);
}

/* ---- a sink that takes none ------------------------------------------------------------------------ */

static void a_full_sink_loses_nothing(void **state)
{
    struct server s;
    char line[16], expected[1024] = "";

    (void)state;
    server_init(&s, (struct rpr_syslog_server_config){0});
    client_comes(&s, ONE);
    s.sink.full = true;
    for (unsigned i = 0; i < 40; i++) {
        snprintf(line, sizeof line, "%u\n", i);
        transfer(&s, line);
        snprintf(expected + strlen(expected), sizeof expected - strlen(expected), "droid: %u\n", i);
    }
    assert_int_equal(heard(&s).kind, SYSLOG_SUSPEND); /* once */
    assert_silence(&s);
    net_pass(&s.net, S(1));
    assert_int_equal(s.sink.n_refused, 1); /* it is not asked again and again */
    rpr_syslog_server_resume(s.server);
    assert_int_equal(s.sink.n_refused, 2);
    assert_silence(&s);
    s.sink.full = false;
    rpr_syslog_server_resume(s.server);
    assert_got(&s.sink, expected);
    (void)net_settle(&s.net);
    assert_int_equal(heard(&s).kind, SYSLOG_RESUME);
    server_close(&s);
}

/* A board is gone while the sink takes none: what it said is not. */
static void last_words_wait_for_the_sink(void **state)
{
    struct server s;

    (void)state;
    server_init(&s, (struct rpr_syslog_server_config){0});
    client_comes(&s, ONE);
    s.sink.full = true;
    transfer(&s, "one\ntw");
    transfer(&s, "o\nthree");
    peer_down(s.droid);
    net_pass(&s.net, S(1));
    s.sink.full = false;
    rpr_syslog_server_resume(s.server);
    assert_got(&s.sink, "droid: one\ndroid: two\ndroid: three\n");
    (void)net_settle(&s.net);
    assert_true(rpr_ept_next(device_of(s.node, "droid"), (rpr_ept_t){0}).endpoint == NULL);
    server_close(&s);
}

/* ---- clients that acknowledge ---------------------------------------------------------------------- */

static void what_came_is_told(void **state)
{
    struct server s;
    struct syslog_message m;
    char text[101];

    (void)state;
    server_init(&s, (struct rpr_syslog_server_config){0});
    client_comes(&s, ONE);
    hello(&s, ONE, LIFE, 1000);
    m = heard(&s);
    assert_int_equal(m.kind, SYSLOG_NEW);
    assert_int_equal(m.life, LIFE);
    transfer_at(&s, ONE, 1000, "one\n");
    assert_silence(&s);
    net_pass(&s.net, MS(30));
    m = heard(&s);
    assert_int_equal(m.kind, SYSLOG_ACK);
    assert_int_equal(m.offset, 1004);
    net_pass(&s.net, S(1));
    assert_silence(&s);
    memset(text, '\n', 100);
    text[100] = '\0';
    transfer_at(&s, ONE, 1004, text); /* a quarter of its window: at once */
    assert_int_equal(heard(&s).offset, 1104);
    transfer_at(&s, ONE, 1104, "two\n");
    peer_down(s.droid); /* before it is told */
    (void)net_settle(&s.net);
    peer_up(s.droid, RPR_DIALECT_NUTTX);
    (void)net_settle(&s.net);
    (void)peer_said(s.droid);
    client_comes(&s, ONE);
    hello(&s, ONE, LIFE, 1112);
    m = heard(&s);
    assert_int_equal(m.kind, SYSLOG_ACK);
    assert_int_equal(m.offset, 1108);
    server_close(&s);
}

/* What was kept for a sink that took none is not dealt with behind the client's back: it sends it again. */
static void what_was_kept_comes_once(void **state)
{
    struct server s;
    uint32_t first;

    (void)state;
    server_init(&s, (struct rpr_syslog_server_config){0});
    client_comes(&s, ONE);
    first = peer_addr(s.droid, NAME);
    hello(&s, ONE, LIFE, 0);
    (void)heard(&s);
    transfer_at(&s, ONE, 0, "one\n");
    s.sink.full = true;
    transfer_at(&s, ONE, 4, "two\n");
    assert_int_equal(heard(&s).kind, SYSLOG_SUSPEND);
    client_comes(&s, TWO); /* the same program, over another way; the old one seems to live */
    hello(&s, TWO, LIFE, 8);
    assert_int_equal(heard_by(&s, TWO).offset, 4);
    s.sink.full = false;
    rpr_syslog_server_resume(s.server);
    assert_got(&s.sink, "droid: one\n");
    transfer_at(&s, TWO, 4, "two\n");
    wire_put(s.droid->wire, ONE, first, "\0\0\0\0\4\0\0\0\4\0\0\0two\n", 16);
    (void)net_settle(&s.net);
    assert_got(&s.sink, "droid: two\n");
    server_close(&s);
}

/* A client that had to drop text does not go on with the line before the gap. */
static void a_gap_ends_a_line(void **state)
{
    struct server s;

    (void)state;
    server_init(&s, (struct rpr_syslog_server_config){0});
    client_comes(&s, ONE);
    hello(&s, ONE, LIFE, 0);
    transfer_at(&s, ONE, 0, "cut h");
    transfer_at(&s, ONE, 100, "next\n");
    assert_got(&s.sink, "droid: cut h\ndroid: next\n");
    server_close(&s);
}

/* ---- the end -------------------------------------------------------------------------------------- */

static void it_ends_in_order(void **state)
{
    struct server s;
    struct syslog_message m;

    (void)state;
    server_init(&s, (struct rpr_syslog_server_config){0});
    client_comes(&s, ONE);
    hello(&s, ONE, LIFE, 0);
    (void)heard(&s);
    transfer_at(&s, ONE, 0, "one\n");
    s.droid->wire->n_free = 0;
    assert_false(rpr_syslog_server_stop(s.server)); /* there is no buffer to say so */
    transfer_at(&s, ONE, 4, "two\n");               /* still taken, and told */
    for (unsigned i = 0; i < 4; i++)
        s.droid->wire->free[s.droid->wire->n_free++] = i;
    net_pass(&s.net, MS(10));
    m = heard(&s);
    assert_int_equal(m.kind, SYSLOG_END);
    assert_int_equal(m.offset, 8);
    transfer_at(&s, ONE, 8, "three\n"); /* not any more */
    assert_true(rpr_syslog_server_stop(s.server));
    assert_got(&s.sink, "droid: one\ndroid: two\n");
    (void)net_settle(&s.net);
    assert_peer_said(s.droid, "DESTROY " NAME ";");
    peer_create(s.droid, NAME, TWO);
    (void)net_settle(&s.net);
    assert_peer_said(s.droid, ""); /* nobody is taken on */
    server_close(&s);
}

/* NuttX: it is asked for what it has, which comes before its answer. */
static void plain_clients_are_asked_first(void **state)
{
    struct server s;
    struct syslog_message m;

    (void)state;
    server_init(&s, (struct rpr_syslog_server_config){0});
    client_comes(&s, ONE);
    assert_false(rpr_syslog_server_stop(s.server));
    (void)net_settle(&s.net);
    m = heard(&s);
    assert_int_equal(m.kind, SYSLOG_SYNC);
    transfer(&s, "pending\n");
    assert_false(rpr_syslog_server_stop(s.server));
    say(&s, ONE, m);
    assert_true(rpr_syslog_server_stop(s.server));
    assert_got(&s.sink, "droid: pending\n");
    server_close(&s);
}

/* ---- scope ----------------------------------------------------------------------------------------- */

static bool wanted;

static bool wants(void *ctx, const struct rpr_device *device)
{
    (void)ctx;
    (void)device;
    return wanted;
}

static void it_is_where_it_shall_be(void **state)
{
    struct server s;

    (void)state;
    wanted = false;
    server_init(&s, (struct rpr_syslog_server_config){.scope = {.wants = wants}});
    peer_create(s.droid, NAME, ONE);
    (void)net_settle(&s.net);
    assert_peer_said(s.droid, "");
    wanted = true;
    rpr_syslog_server_look(s.server);
    (void)net_settle(&s.net);
    assert_peer_said(s.droid, "ACK " NAME ";");
    transfer(&s, "one\ntwo");
    rpr_syslog_server_look(s.server); /* disturbs nobody */
    transfer(&s, "\n");
    wanted = false;
    rpr_syslog_server_look(s.server);
    (void)net_settle(&s.net);
    assert_peer_said(s.droid, "DESTROY " NAME ";");
    assert_got(&s.sink, "droid: one\ndroid: two\n");
    server_close(&s);
}

/* ---- both ends ours --------------------------------------------------------------------------------- */

struct pair {
    struct fan f;
    struct sink sink;
    struct rpr_syslog_server *server;
    struct rpr_syslog_client *client;
};

static void open_server(struct pair *p)
{
    struct rpr_syslog_server_config config = {.lines = take_lines, .ctx = &p->sink};

    assert_int_equal(rpr_syslog_server_open(p->f.e[1], &config, &p->server), 0);
}

static struct pair *pair_open(uint32_t ring_bytes)
{
    struct pair *p = calloc(1, sizeof *p);
    struct rpr_syslog_client_config config = {
        .server = "e1", .ring_bytes = ring_bytes, .delay_ms = UINT32_MAX};

    fan_init(&p->f, 2, (struct rpr_pair_config){0}, with_credit);
    p->f.net.w.random = 4711;
    open_server(p);
    assert_int_equal(rpr_syslog_client_open(p->f.e[0], &config, &p->client), 0);
    net_pass(&p->f.net, MS(50));
    return p;
}

static void pair_close(struct pair *p)
{
    rpr_syslog_client_close(p->client);
    if (p->server)
        rpr_syslog_server_close(p->server);
    fan_close(&p->f);
    free(p);
}

static void write_line(struct pair *p, unsigned number)
{
    char line[64];
    int n = snprintf(line, sizeof line, "line %u\n", number);

    rpr_syslog_client_write(p->client, line, (uint32_t)n);
}

static void assert_lines(struct pair *p, unsigned from, unsigned to)
{
    char expected[1 << 15];
    size_t n = 0;

    for (unsigned i = from; i < to; i++)
        n += (size_t)snprintf(expected + n, sizeof expected - n, "e0: line %u\n", i);
    assert_got(&p->sink, expected);
}

static void lines_through_a_hub(void **state)
{
    struct pair *p = pair_open(0);

    (void)state;
    for (unsigned i = 0; i < 1000; i++) {
        write_line(p, i);
        net_pass(&p->f.net, MS(3));
    }
    net_pass(&p->f.net, S(1));
    assert_lines(p, 0, 1000);
    assert_true(rpr_syslog_client_ring(p->client)->counters.messages < 100); /* batches */
    assert_int_equal(rpr_syslog_ring_pending(rpr_syslog_client_ring(p->client)), 0);
    pair_close(p);
}

/* Either link breaks at any moment: every line arrives once. */
static void links_that_break_lose_nothing(void **state)
{
    for (unsigned seed = 1; seed <= 40; seed++) {
        struct pair *p = pair_open(0);
        uint32_t random = seed;

        (void)state;
        for (unsigned i = 0; i < 400; i++) {
            random = random * 1664525u + 1013904223u;
            write_line(p, i);
            net_pass(&p->f.net, US((random >> 16) % 4000));
            if (i % 23 == seed % 23) {
                rpr_cable_cut(p->f.cable[random >> 31]);
                net_pass(&p->f.net, US((random >> 8) % 3000));
                rpr_cable_mend(p->f.cable[random >> 31]);
            }
        }
        net_pass(&p->f.net, S(10));
        assert_lines(p, 0, 400);
        assert_int_equal(rpr_syslog_client_ring(p->client)->counters.uncertain, 0);
        pair_close(p);
    }
}

/* The server ends in order, at any moment, and another comes: once. */
static void servers_that_end_in_order_lose_nothing(void **state)
{
    for (unsigned seed = 1; seed <= 20; seed++) {
        struct pair *p = pair_open(0);
        uint32_t random = seed;

        (void)state;
        for (unsigned i = 0; i < 300; i++) {
            random = random * 1664525u + 1013904223u;
            write_line(p, i);
            net_pass(&p->f.net, US((random >> 16) % 4000));
            if (i % 37 == seed) {
                while (!rpr_syslog_server_stop(p->server))
                    net_pass(&p->f.net, US(100));
                rpr_syslog_server_close(p->server);
                net_pass(&p->f.net, US((random >> 8) % 5000));
                open_server(p);
            }
        }
        net_pass(&p->f.net, S(10));
        assert_lines(p, 0, 300);
        pair_close(p);
    }
}

/* It is killed: no line twice, and missing are at most as many as were on their way. */
static void killed_servers_double_nothing(void **state)
{
    struct pair *p = pair_open(1024);
    unsigned next = 0, got = 0;

    (void)state;
    for (unsigned i = 0; i < 300; i++) {
        write_line(p, i);
        net_pass(&p->f.net, MS(8));
        p->sink.full = i % 50 > 30; /* what it has and has not written goes with it */
        if (i % 50 == 49) {
            rpr_cable_cut(p->f.cable[1]); /* nothing it says is heard any more */
            rpr_syslog_server_close(p->server);
            net_pass(&p->f.net, MS(5));
            rpr_cable_mend(p->f.cable[1]);
            open_server(p);
        }
    }
    p->sink.full = false;
    net_pass(&p->f.net, S(10));
    for (char *line = p->sink.text; *line; line = strchr(line, '\n') + 1) {
        unsigned number;

        assert_int_equal(sscanf(line, "e0: line %u\n", &number), 1);
        assert_true(number >= next);
        next = number + 1;
        got++;
    }
    assert_true(got < 300); /* it was not for nothing */
    assert_true((300 - got) * 10 <= 6 * 1024);
    assert_true(rpr_syslog_client_ring(p->client)->counters.uncertain > 0);
    pair_close(p);
}

/* Two that log into each other over a direct link may find one another first. */
static void two_clients_find_their_servers(void **state)
{
    struct net net;
    struct rpr_node *node[2];
    struct rpr_cable *cable;
    struct rpr_syslog_client *client[2];
    struct rpr_syslog_server *server[2];
    static struct sink sink[2];

    (void)state;
    net_init(&net);
    node[0] = net_node(&net, "a");
    node[1] = net_node(&net, "b");
    for (unsigned i = 0; i < 2; i++) {
        struct rpr_syslog_server_config s = {.lines = take_lines, .ctx = &sink[i]};
        struct rpr_syslog_client_config c = {.server = i ? "a" : "b", .delay_ms = 10};

        net.w.random = 1 + i * 0x40000000u;
        assert_int_equal(rpr_syslog_server_open(node[i], &s, &server[i]), 0);
        assert_int_equal(rpr_syslog_client_open(node[i], &c, &client[i]), 0);
        rpr_syslog_client_write(client[i], "hello\n", 6);
    }
    cable = net_cable(&net, node[0], node[1], with_credit);
    net_pass(&net, S(20));
    assert_got(&sink[0], "b: hello\n");
    assert_got(&sink[1], "a: hello\n");
    for (unsigned i = 0; i < 2; i++) {
        rpr_syslog_client_close(client[i]);
        rpr_syslog_server_close(server[i]);
    }
    net_close(&net);
    rpr_cable_close(cable);
    assert_int_equal(net.w.n_live, 0);
}

static void wrong_configurations(void **state)
{
    static const struct rpr_syslog_client_config wrong[] = {
        {.server = NULL},
        {.server = ""},
        {.server = "x", .ring_bytes = 100},
        {.server = "x", .ring_bytes = 128},
        {.server = "x", .ring_bytes = 1u << 25},
        {.server = "a name that is longer than any CPU's"},
    };
    struct net net;
    struct rpr_node *node;
    struct rpr_syslog_client *client;
    struct rpr_syslog_server *server;

    (void)state;
    net_init(&net);
    node = net_node(&net, "ap");
    for (unsigned i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        assert_int_equal(rpr_syslog_client_open(node, &wrong[i], &client), -RPR_EINVAL);
    assert_int_equal(rpr_syslog_server_open(node, &(struct rpr_syslog_server_config){0}, &server),
                     -RPR_EINVAL);
    for (unsigned i = 1; i <= 3; i++) {
        struct rpr_syslog_server_config config = {.lines = take_lines};

        net.w.fail_in = i;
        assert_int_equal(rpr_syslog_server_open(node, &config, &server), -RPR_ENOMEM);
        if (i <= 2) {
            net.w.fail_in = i;
            assert_int_equal(rpr_syslog_client_open(
                                 node, &(struct rpr_syslog_client_config){.server = "x"}, &client),
                             -RPR_ENOMEM);
        }
    }
    assert_net_closed(&net);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_are_put_together),
        cmocka_unit_test(parts_of_different_lives_are_not_joined),
        cmocka_unit_test(lines_without_end_are_bounded),
        cmocka_unit_test(lies_end_the_endpoint),
        cmocka_unit_test(a_liar_ends_no_other),
        cmocka_unit_test(a_liar_waits),
        cmocka_unit_test(clients_are_bounded),
        cmocka_unit_test(memory_for_a_client_comes_later),
        cmocka_unit_test(a_full_sink_loses_nothing),
        cmocka_unit_test(last_words_wait_for_the_sink),
        cmocka_unit_test(what_came_is_told),
        cmocka_unit_test(what_was_kept_comes_once),
        cmocka_unit_test(a_gap_ends_a_line),
        cmocka_unit_test(it_ends_in_order),
        cmocka_unit_test(plain_clients_are_asked_first),
        cmocka_unit_test(it_is_where_it_shall_be),
        cmocka_unit_test(lines_through_a_hub),
        cmocka_unit_test(links_that_break_lose_nothing),
        cmocka_unit_test(servers_that_end_in_order_lose_nothing),
        cmocka_unit_test(killed_servers_double_nothing),
        cmocka_unit_test(two_clients_find_their_servers),
        cmocka_unit_test(wrong_configurations),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
