/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What NuttX nodes said to each other's services when they were recorded, said to ours: the log of every
 * edge is put together line by line, each series of rpmsg-test is held and found whole, and each ping is
 * answered with the bytes that the recorded node answered with.
 */
#define WIRE_BYTES 2048u /* RPMsg header and the 2008 bytes of a NuttX UART, or less */
#include "router_fixture.h"

#include <rpr/ping.h>
#include <rpr/syslog.h>
#include <rpr/test.h>

#include "replay/transcript.h"
#include "wire/ping.h"

#define RECORDINGS RPR_SOURCE "/tests/interop/recordings/"
#define PEER       1200u
#define BYTES      4096u

static const char *const files[] = {"full.rpc",
                                    "fullcrc.rpc",
                                    "poff.rpc",
                                    "recon.rpc",
                                    "nuttx/uart-direct.rpc",
                                    "nuttx/uart-direct-crc.rpc",
                                    "nuttx/uart-router.rpc",
                                    "nuttx/uart-router-crc.rpc",
                                    "nuttx/services-routed.rpc"};

/* A node of ours whose peer says what was recorded. */
struct stage {
    struct net net;
    struct rpr_node *node;
    struct peer *peer;
    char got[1 << 17], wanted[1 << 17]; /* lines */
    bool in_line;
};

struct message {
    enum view_side side;
    const uint8_t *payload;
    size_t len;
};

struct conversation {
    struct message *messages;
    size_t n;
};

/* ---- recordings ----------------------------------------------------------------------------------- */

/* Of the CPU at the other end of the link, or of the one behind it. */
static bool is_name_of(const char *name, const char *service, bool routed)
{
    const char *of_cpu = routed && strncmp(name, "r:", 2) == 0 ? strchr(name + 2, ':') : NULL;

    return strcmp(of_cpu != NULL ? of_cpu + 1 : routed ? "" : name, service) == 0;
}

/* What both sides of a link said to that service. */
static struct conversation conversation_of(const struct transcript *t, unsigned link,
                                           const char *service, bool routed)
{
    struct conversation c = {NULL, 0};
    struct view view = {.connected = false};

    for (size_t i = 0; i < t->n_events; i++) {
        const struct transcript_event *e = &t->events[i];
        struct view_message m;

        if (e->link != link || e->what == TRANSCRIPT_MARK)
            continue;
        if (e->what == TRANSCRIPT_CONTROL) {
            view_control(&view, e->side, e->control);
            continue;
        }
        if (!view_message_read(&view, e->side, e->body + RPR_FRAME_HEADER_BYTES,
                               e->n - RPR_FRAME_HEADER_BYTES, &m))
            continue;
        if ((m.kind == VIEW_data || m.kind == VIEW_ping_req || m.kind == VIEW_ping_rsp) &&
            is_name_of(m.service, service, routed)) {
            c.messages = realloc(c.messages, (c.n + 1) * sizeof *c.messages);
            assert_non_null(c.messages);
            c.messages[c.n++] = (struct message){e->side, m.payload, m.len};
        }
        view_message_seen(&view, e->side, &m);
    }
    view_free(&view);
    return c;
}

/* Calls `each` for each link's conversation; returns how many messages there were. */
static size_t every_conversation(const char *service, size_t (*each)(const struct conversation *c))
{
    size_t n = 0;

    for (unsigned i = 0; i < sizeof files / sizeof files[0]; i++) {
        struct recording recording;
        struct transcript transcript;
        char path[512], why[160];

        snprintf(path, sizeof path, RECORDINGS "%s", files[i]);
        if (!recording_read(&recording, path, why))
            fail_msg("%s", why);
        assert_true(transcript_make(&transcript, &recording));
        for (unsigned n_of = 0; n_of < 2 * recording.n_links; n_of++) {
            struct conversation c = conversation_of(&transcript, n_of / 2, service, n_of % 2);

            n += each(&c);
            free(c.messages);
        }
        transcript_free(&transcript);
        recording_free(&recording);
    }
    return n;
}

/* ---- the stage -------------------------------------------------------------------------------------- */

static struct stage *stage_open(void)
{
    struct stage *s = calloc(1, sizeof *s);

    net_init(&s->net);
    s->node = net_node_as(&s->net, (struct rpr_node_config){.name = "hub", .slot_bytes = BYTES});
    s->peer = peer_new(&s->net, s->node, "proxy");
    s->peer->wire->slot_size = WIRE_BYTES;
    return s;
}

static void stage_up(struct stage *s)
{
    peer_up_as(s->peer,
               (struct peer_config){.dialect = RPR_DIALECT_NUTTX, .tx_len = 2008, .rx_len = 2008});
    (void)net_settle(&s->net);
    (void)peer_said(s->peer);
}

static void put(struct stage *s, const char *service, const struct message *m)
{
    assert_true(m->len <= WIRE_BYTES);
    wire_put(s->peer->wire, PEER, peer_addr(s->peer, service), m->payload, (uint32_t)m->len);
    (void)net_settle(&s->net);
}

static void stage_close(struct stage *s)
{
    assert_net_closed(&s->net);
    peer_free(s->peer);
    free(s);
}

/* ---- syslog ---------------------------------------------------------------------------------------- */

static void add(char *to, size_t size, bool *in_line, const char *text, size_t len)
{
    size_t n = strlen(to);

    for (size_t i = 0; i < len; i++) {
        assert_true(n + 10 < size);
        if (!*in_line)
            n += (size_t)snprintf(to + n, size - n, "proxy: ");
        *in_line = text[i] != '\n';
        to[n++] = text[i];
        to[n] = '\0';
    }
}

static bool take_lines(void *ctx, const char *cpu, const char *head, uint32_t head_len,
                       const char *text, uint32_t len)
{
    struct stage *s = ctx;
    bool in_line = false;

    assert_string_equal(cpu, "proxy");
    add(s->got, sizeof s->got, &in_line, head, head_len);
    add(s->got, sizeof s->got, &in_line, text, len);
    assert_false(in_line);
    return true;
}

static size_t log_again(const struct conversation *c)
{
    struct stage *s = stage_open();
    struct rpr_syslog_server_config config = {.lines = take_lines, .ctx = s};
    struct rpr_syslog_server_counters counters;
    struct rpr_syslog_server *server;
    size_t n = 0;

    assert_int_equal(rpr_syslog_server_open(s->node, &config, &server), 0);
    stage_up(s);
    peer_create(s->peer, RPR_SYSLOG_SERVICE, PEER);
    (void)net_settle(&s->net);
    assert_peer_said(s->peer, "ACK rpmsg-syslog;");
    for (size_t i = 0; i < c->n; i++) {
        const struct message *m = &c->messages[i];

        assert_int_equal(m->side, c->messages[0].side); /* a NuttX server says nothing */
        add(s->wanted, sizeof s->wanted, &s->in_line, (const char *)m->payload + 12,
            get_le32(m->payload + 8));
        put(s, RPR_SYSLOG_SERVICE, m);
        n++;
    }
    peer_destroy(s->peer, RPR_SYSLOG_SERVICE, PEER);
    (void)net_settle(&s->net);
    if (s->in_line)
        add(s->wanted, sizeof s->wanted, &s->in_line, "\n", 1);
    assert_string_equal(s->got, s->wanted);
    rpr_syslog_server_counters(server, &counters);
    assert_int_equal(counters.malformed, 0);
    rpr_syslog_server_close(server);
    stage_close(s);
    return n;
}

static void recorded_logs(void **state)
{
    (void)state;
    assert_true(every_conversation(RPR_SYSLOG_SERVICE, log_again) > 10);
}

/* ---- test ------------------------------------------------------------------------------------------ */

static size_t hold_again(const struct conversation *c)
{
    struct stage *s = stage_open();
    struct rpr_test_counters counters;
    struct rpr_test *test;

    assert_int_equal(rpr_test_open(s->node, NULL, &test), 0);
    stage_up(s);
    peer_ack(s->peer, "rpmsg-test", PEER);
    (void)net_settle(&s->net);
    for (size_t i = 0; i < c->n; i++)
        put(s, "rpmsg-test", &c->messages[i]);
    net_pass(&s->net, S(1));
    rpr_test_counters(test, &counters);
    assert_int_equal(counters.held + counters.not_held, c->n);
    assert_int_equal(counters.bad_data + counters.unknown + counters.malformed + counters.cut, 0);
    assert_int_equal(counters.series > 0, c->n > 0);
    rpr_test_close(test);
    stage_close(s);
    return c->n;
}

static void recorded_tests(void **state)
{
    (void)state;
    assert_true(every_conversation("rpmsg-test", hold_again) > 40);
}

/* ---- ping ------------------------------------------------------------------------------------------ */

/* The answer to that request in the recording, or NULL. */
static const struct message *answer_to(const struct conversation *c, size_t request)
{
    const struct message *r = &c->messages[request];

    for (size_t i = request + 1; i < c->n; i++) {
        const struct message *m = &c->messages[i];

        if (m->side != r->side && m->len == r->len && get_le32(m->payload) == PING_RESPONSE &&
            get_le64(m->payload + 8) == get_le64(r->payload + 8))
            return m;
    }
    return NULL;
}

static size_t ping_again(const struct conversation *c)
{
    struct stage *s = stage_open();
    struct rpr_ping_counters counters;
    struct rpr_ping *ping;
    struct wire_message said;
    size_t n = 0;

    assert_int_equal(rpr_ping_open(s->node, NULL, &ping), 0);
    stage_up(s);
    peer_ack(s->peer, "rpmsg-ping", PEER);
    (void)net_settle(&s->net);
    for (size_t i = 0; i < c->n; i++) {
        const struct message *m = &c->messages[i], *answer = answer_to(c, i);

        if (m->len < PING_MIN_BYTES || (get_le32(m->payload) & PING_KIND_MASK) != PING_REQUEST)
            continue;
        put(s, "rpmsg-ping", m);
        if (!(get_le32(m->payload) & PING_ACK)) {
            assert_false(wire_get(s->peer->wire, &said, true));
            continue;
        }
        assert_true(wire_get(s->peer->wire, &said, true));
        assert_false(wire_get(s->peer->wire, &said, true));
        if (!answer)
            continue; /* whoever was asked was killed */
        assert_int_equal(said.len, answer->len);
        assert_memory_equal(said.data, answer->payload, answer->len);
        n++;
    }
    rpr_ping_counters(ping, &counters);
    assert_int_equal(counters.bad_data + counters.unanswered + counters.malformed, 0);
    rpr_ping_close(ping);
    stage_close(s);
    return n;
}

static void recorded_pings(void **state)
{
    (void)state;
    assert_true(every_conversation("rpmsg-ping", ping_again) > 20);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(recorded_logs),
        cmocka_unit_test(recorded_tests),
        cmocka_unit_test(recorded_pings),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
