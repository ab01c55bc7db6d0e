/* SPDX-License-Identifier: Apache-2.0 */
/* The serial link: two nodes over a simulated wire, and one node with the test as its peer. */
#include "core_fixture.h"
#include "serial_line.h"
#include "serial_vectors.h"

struct two {
    struct world world;
    struct serial_line line;
    struct rpr_node *node[2];
    struct rpr_device *device[2];
};

static void start_node(struct two *t, unsigned i, struct rpr_serial_config config)
{
    static const char *const names[] = {"a", "b"};

    t->node[i] = world_node(&t->world, names[i]);
    assert_int_equal(line_join(&t->line, i, t->node[i], names[!i], config), 0);
    t->device[i] = rpr_device_find(t->node[i], names[!i]);
}

static void two_init(struct two *t, struct rpr_serial_config config)
{
    memset(t, 0, sizeof *t);
    world_init(&t->world);
    line_init(&t->line);
    start_node(t, 0, config);
    start_node(t, 1, config);
}

/* One node; end 1 is the test's. */
static void one_init(struct two *t, struct rpr_serial_config config)
{
    memset(t, 0, sizeof *t);
    world_init(&t->world);
    line_init(&t->line);
    start_node(t, 0, config);
}

static void two_fini(struct two *t)
{
    for (unsigned i = 0; i < 2; i++)
        if (t->node[i])
            rpr_node_close(t->node[i]);
    assert_int_equal(t->world.n_live, 0);
    for (unsigned i = 0; i < 2; i++)
        assert_int_equal(t->line.end[i].n_destroys, t->node[i] != NULL);
}

/* Both nodes and the wire, until nothing moves; returns when something is due. */
static uint64_t settle_two(struct two *t)
{
    for (unsigned round = 0; round < 100000; round++) {
        uint64_t next = RPR_POLL_IDLE;
        bool idle = true;

        for (unsigned i = 0; i < 2; i++) {
            uint64_t due;

            if (!t->node[i])
                continue;
            due = rpr_node_poll(t->node[i], t->world.now, 0);
            idle &= due > t->world.now && rpr_node_arm(t->node[i]);
            next = due < next ? due : next;
        }
        for (unsigned i = 0; i < 2; i++)
            idle &= !line_move(&t->line, i);
        if (idle)
            return next;
    }
    fail_msg("the nodes never come to rest");
    return 0;
}

static void pass_two(struct two *t, uint64_t ns)
{
    uint64_t end = t->world.now + ns;

    for (unsigned i = 0; i < 1000000; i++) {
        uint64_t next = settle_two(t);

        if (next > end)
            break;
        t->world.now = next;
    }
    t->world.now = end;
    (void)settle_two(t);
}

static struct rpr_serial_info info_of(struct two *t, unsigned i)
{
    struct rpr_serial_info info;

    assert_true(rpr_serial_info(t->line.end[i].link, &info));
    return info;
}

static const char *heard(struct two *t)
{
    static char text[4096];

    return line_heard(&t->line, 0, text, sizeof text);
}

/* The test says bytes, written as hex. */
static void say(struct two *t, const char *hex)
{
    uint8_t bytes[512];
    size_t n = 0;
    unsigned byte;

    for (; *hex; hex += *hex == ' ' ? 1 : 2)
        if (*hex != ' ' && sscanf(hex, "%2x", &byte) == 1)
            bytes[n++] = (uint8_t)byte;
    line_say(&t->line, 1, bytes, n);
    (void)settle_two(t);
}

static void say_frame(struct two *t, uint32_t src, uint32_t dst, const void *data, uint16_t len,
                      bool crc)
{
    uint8_t body[4096], wire[8200];
    struct rpr_frame_encoder e;

    header_put(body + 8, src, dst, len);
    memcpy(body + 24, data, len);
    rpr_frame_seal(body, 24u + len, crc);
    rpr_frame_begin(&e, body, 24u + len);
    line_say(&t->line, 1, wire, rpr_frame_encode(&e, wire, sizeof wire));
    (void)settle_two(t);
}

static void say_ns(struct two *t, const char *name, uint32_t addr, uint32_t flags)
{
    struct ns_message message = {.addr = addr, .flags = flags};
    uint8_t payload[RPMSG_NS_BYTES];

    snprintf(message.name, sizeof message.name, "%s", name);
    ns_encode(payload, &message);
    say_frame(t, addr, RPMSG_ADDR_NS, payload, sizeof payload, false);
}

/* One that does not stop its peer by credit: what the wire does is seen. */
static void ept_open_unlimited(struct ept *e, struct rpr_device *d)
{
    assert_int_equal(ept_open_as(e, d,
                                 (struct rpr_ept_config){.name = "svc",
                                                         .addr = RPR_ADDR_ANY,
                                                         .dest = RPR_ADDR_ANY,
                                                         .quota = 4,
                                                         .flags = RPR_EPT_NO_LIMIT}),
                     0);
}

#define forget_events(t) ((t)->world.events[0] = '\0')

/* ---- two of ours ------------------------------------------------------------------------------- */

static void ends_meet_and_talk(void **state)
{
    struct two t;
    struct ept x = EPT(&t.world, "x"), y = EPT(&t.world, "y");
    struct rpr_device_info info;

    (void)state;
    two_init(&t, (struct rpr_serial_config){0});
    ept_open(&x, t.device[0], "svc");
    ept_open(&y, t.device[1], "svc");
    (void)settle_two(&t);
    assert_int_equal(ept_send(&x, "hello"), 0);
    assert_int_equal(ept_send(&y, "there"), 0);
    (void)settle_two(&t);
    assert_string_equal(t.world.events + strlen(t.world.events) - 22, "x:rx there;y:rx hello;");
    rpr_device_info(t.device[0], &info);
    assert_int_equal(info.state, RPR_DEVICE_UP);
    assert_string_equal(info.transport, "wire");
    assert_int_equal(info.tx_len, 2008);
    assert_true(info_of(&t, 0).ours && info_of(&t, 1).ours && info_of(&t, 0).crc);
    assert_string_equal(info_of(&t, 0).state, "connected");
    assert_int_equal(info_of(&t, 0).sessions + info_of(&t, 1).sessions, 2);
    two_fini(&t);
}

/* A wire that loses what is not read: never more on it than the window, between ours too. */
static void the_window_holds_on_a_wire_that_loses(void **state)
{
    (void)state;
    for (unsigned lossy = 0; lossy < 2; lossy++) {
        struct two t;
        struct ept x = EPT(&t.world, "x"), y = EPT(&t.world, "y");
        uint64_t before;
        unsigned sent = 0;

        two_init(&t, (struct rpr_serial_config){.window = 3, .lossy = lossy});
        ept_open(&x, t.device[0], "svc");
        ept_open_unlimited(&y, t.device[1]);
        pass_two(&t, MS(100));
        assert_true(info_of(&t, 0).ours);
        assert_int_equal(ept_send(&x, "awake"), 0);
        pass_two(&t, MS(1));
        assert_string_equal(info_of(&t, 0).wake, "awake");
        before = info_of(&t, 0).frames_tx;
        t.line.end[0].stopped = t.line.end[1].stopped = true;
        while (ept_send(&x, "m") == 0)
            sent++;
        pass_two(&t, MS(500));
        assert_int_equal(sent, 7); /* the last buffer is for control */
        assert_int_equal(info_of(&t, 0).frames_tx - before, lossy ? 2 : 7);
        t.line.end[0].stopped = t.line.end[1].stopped = false;
        pass_two(&t, MS(500));
        assert_int_equal(info_of(&t, 0).frames_tx - before, 7);
        assert_int_equal(y.n_rx, 8);
        two_fini(&t);
    }
}

/* ---- noise -------------------------------------------------------------------------------------- */

/* Sends while there is credit. */
static void stream(struct ept *e)
{
    unsigned *n = e->more;

    while (*n < 5000 && ept_send(e, "0123456789abcdef0123456789abcdef0123456789abcdef") == 0)
        ++*n;
}

static struct rpr_ept_info of_ept(struct ept *e)
{
    struct rpr_ept_info info;

    assert_int_equal(rpr_ept_info(e->h, &info), 0);
    return info;
}

/* Frames are lost all the time, names and credit with them. Nobody waits for ever, and what has
 * not come has been counted but for less than what may be under way. */
static void noise_never_stops_a_sender(void **state)
{
    (void)state;
    for (unsigned seed = 1; seed <= 20; seed++) {
        struct two t;
        struct ept x = EPT(&t.world, "x"), y = EPT(&t.world, "y");
        unsigned n[2] = {0};
        unsigned sessions = 0;

        two_init(&t, (struct rpr_serial_config){.crc = RPR_SERIAL_CRC_REQUIRE});
        pass_two(&t, MS(100));
        for (unsigned i = 0; i < 2; i++) {
            assert_true(info_of(&t, i).ours);
            t.line.end[i].noise.random = seed * 2 + i;
            noise_set(&t.line.end[i].noise, 1e-4);
        }
        x.more = &n[0];
        y.more = &n[1];
        x.on_writable = y.on_writable = x.on_bound = y.on_bound = stream;
        ept_open(&x, t.device[0], "svc");
        ept_open(&y, t.device[1], "svc");
        for (unsigned s = 0; s < 2000 && (n[0] < 5000 || n[1] < 5000); s++) {
            pass_two(&t, MS(100));
            forget_events(&t);
        }
        assert_int_equal(n[0], 5000);
        assert_int_equal(n[1], 5000);
        for (unsigned i = 0; i < 2; i++)
            sessions += (unsigned)info_of(&t, i).sessions;
        assert_true(x.n_rx > 4000 && y.n_rx > 4000);
        if (sessions == 2) {
            assert_in_range(n[0] - of_ept(&y).rx - of_ept(&y).dropped, 0, 4);
            assert_in_range(n[1] - of_ept(&x).rx - of_ept(&x).dropped, 0, 4);
            assert_true(of_ept(&x).dropped && of_ept(&y).dropped);
        }
        two_fini(&t);
    }
}

/* 1000 messages each way, of all lengths, in chunks of any size. */
static enum rpr_rx_result check_rx(struct ept *e, const struct rpr_msg *msg)
{
    uint32_t *next = e->more;
    const uint8_t *data = msg->data;

    e->world->events[0] = '\0';
    assert_int_equal(msg->len, 4 + (*next * 7) % 2005);
    assert_int_equal(get_le32(msg->data), *next);
    for (uint32_t i = 4; i < msg->len; i++)
        assert_int_equal(data[i], (uint8_t)(i * *next));
    ++*next;
    return RPR_DONE;
}

static int send_next(struct ept *e, uint32_t *n)
{
    uint8_t data[2008];
    uint32_t len = 4 + (*n * 7) % 2005;
    int error;

    put_le32(data, *n);
    for (uint32_t i = 4; i < len; i++)
        data[i] = (uint8_t)(i * *n);
    error = rpr_send(e->h, data, len, 0);
    *n += !error;
    return error;
}

static void all_lengths_both_ways(void **state)
{
    static const uint32_t rooms[] = {1, 7, 100, 4096};
    struct two t;

    (void)state;
    for (unsigned round = 0; round < 8; round++) {
        struct ept x = EPT(&t.world, "x"), y = EPT(&t.world, "y");
        uint32_t sent[2] = {0}, came[2] = {0};

        two_init(&t, (struct rpr_serial_config){.crc = (enum rpr_serial_crc)(round % 3)});
        t.line.random = round < 4 ? 0 : round;
        t.line.end[0].room = t.line.end[1].room = rooms[round % 4];
        ept_open(&x, t.device[0], "svc");
        ept_open(&y, t.device[1], "svc");
        x.on_rx = y.on_rx = check_rx;
        x.more = &came[0];
        y.more = &came[1];
        pass_two(&t, MS(10));
        while (sent[0] < 300 || sent[1] < 300) {
            while (sent[0] < 300 && send_next(&x, &sent[0]) == 0)
                ;
            while (sent[1] < 300 && send_next(&y, &sent[1]) == 0)
                ;
            (void)settle_two(&t);
            forget_events(&t);
        }
        assert_int_equal(came[0], 300);
        assert_int_equal(came[1], 300);
        two_fini(&t);
    }
}

static void a_cut_is_loss_and_a_mend_brings_all_back(void **state)
{
    struct two t;
    struct ept x = EPT(&t.world, "x"), y = EPT(&t.world, "y");

    (void)state;
    two_init(&t, (struct rpr_serial_config){0});
    ept_open(&x, t.device[0], "svc");
    ept_open(&y, t.device[1], "svc");
    pass_two(&t, MS(100));
    forget_events(&t);
    line_cut(&t.line);
    (void)settle_two(&t);
    assert_events(&t.world, "x:unbound lost;y:unbound lost;");
    assert_int_equal(rpr_device_state(t.device[0]), RPR_DEVICE_CONNECTING);
    assert_string_equal(info_of(&t, 0).state, "no carrier");
    assert_int_equal(ept_send(&x, "."), -RPR_ENOTCONN);
    pass_two(&t, S(100));
    assert_int_equal(t.line.end[0].n_opens, 1);
    line_mend(&t.line);
    pass_two(&t, MS(200));
    assert_int_equal(ept_send(&x, "again"), 0);
    pass_two(&t, MS(1));
    assert_non_null(strstr(t.world.events, "y:rx again;"));
    two_fini(&t);
}

/* One that reads nothing stops the other, and loses nothing. */
static void buffers_are_bounded(void **state)
{
    struct two t;
    struct ept x = EPT(&t.world, "x"), y = EPT(&t.world, "y");
    unsigned sent = 0;

    (void)state;
    two_init(&t, (struct rpr_serial_config){.buffers = 4});
    ept_open(&x, t.device[0], "svc");
    ept_open_unlimited(&y, t.device[1]);
    pass_two(&t, MS(100));
    forget_events(&t);
    y.result = RPR_HOLD;
    while (sent < 40) {
        if (ept_send(&x, "0123456789abcdef0123456789abcdef0123456789abcdef") == 0)
            sent++;
        (void)settle_two(&t);
        if (y.n_held == 4 && !rpr_ept_resume(x.h) && t.line.end[0].n == t.line.end[0].room)
            break;
        if (sent == 40)
            break;
    }
    assert_int_equal(y.n_held, 4);
    y.result = RPR_DONE;
    for (unsigned i = 0; i < 4; i++)
        rpr_release(&y.held[i]);
    (void)settle_two(&t);
    assert_int_equal(y.n_rx, sent);
    two_fini(&t);
}

/* Who found no buffer hears of the first that is free, and not by the timer that looks again. */
static void walkthrough_b5_writable_follows_at_once(void **state)
{
    struct two t;
    struct ept x = EPT(&t.world, "x"), y = EPT(&t.world, "y");

    (void)state;
    two_init(&t, (struct rpr_serial_config){.buffers = 4});
    ept_open(&x, t.device[0], "svc");
    ept_open_unlimited(&y, t.device[1]);
    pass_two(&t, MS(100));
    forget_events(&t);
    t.line.end[0].room = 0;
    while (ept_send(&x, "0123456789abcdef") == 0)
        ;
    assert_int_equal(ept_send(&x, "one more"), -RPR_EAGAIN);
    (void)settle_two(&t);
    assert_events(&t.world, "");
    t.line.end[0].room = 4096;
    rpr_serial_writable(t.line.end[0].link);
    (void)settle_two(&t); /* no time passes */
    assert_non_null(strstr(t.world.events, "x:writable;"));
    two_fini(&t);
}

static void a_slow_reader_stops_the_sender(void **state)
{
    struct two t;
    struct ept x = EPT(&t.world, "x"), y = EPT(&t.world, "y");
    uint8_t data[2000] = {0};
    unsigned sent = 0;

    (void)state;
    two_init(&t, (struct rpr_serial_config){.buffers = 4});
    ept_open(&x, t.device[0], "svc");
    ept_open_unlimited(&y, t.device[1]);
    pass_two(&t, MS(100));
    forget_events(&t);
    y.result = RPR_HOLD;
    for (unsigned i = 0; i < 100; i++) {
        sent += rpr_send(x.h, data, sizeof data, 0) == 0;
        (void)settle_two(&t);
    }
    assert_in_range(sent, 8, 16); /* buffers of both, input, the wire */
    assert_null(strstr(t.world.events, "x:writable;"));
    assert_int_equal(rpr_send(x.h, data, sizeof data, 0), -RPR_EAGAIN);
    y.result = RPR_DONE;
    for (unsigned i = 0; i < 4; i++)
        rpr_release(&y.held[i]);
    (void)settle_two(&t);
    assert_int_equal(y.n_rx, sent);
    assert_non_null(strstr(t.world.events, "x:writable;"));
    assert_int_equal(info_of(&t, 1).bad_length + info_of(&t, 1).stray, 0);
    two_fini(&t);
}

static void power_is_told(void **state)
{
    struct two t;

    (void)state;
    two_init(&t, (struct rpr_serial_config){0});
    pass_two(&t, MS(100));
    assert_int_equal(rpr_device_power(t.device[0], false), 0);
    pass_two(&t, MS(20));
    assert_int_equal(rpr_device_state(t.device[1]), RPR_DEVICE_SUSPENDED);
    assert_true(info_of(&t, 1).suspended);
    assert_int_equal(rpr_device_power(t.device[0], true), 0);
    pass_two(&t, MS(20));
    assert_int_equal(rpr_device_state(t.device[1]), RPR_DEVICE_UP);
    two_fini(&t);
}

static void down_says_poweroff_after_what_was_queued(void **state)
{
    struct two t;
    struct ept x = EPT(&t.world, "x"), y = EPT(&t.world, "y");

    (void)state;
    two_init(&t, (struct rpr_serial_config){0});
    ept_open(&x, t.device[0], "svc");
    ept_open(&y, t.device[1], "svc");
    pass_two(&t, MS(100)); /* and asleep */
    forget_events(&t);
    assert_int_equal(ept_send(&x, "last words"), 0);
    assert_int_equal(rpr_device_down(t.device[0]), 0);
    pass_two(&t, MS(19));
    assert_events(&t.world, "x:unbound lost;y:rx last words;");
    assert_int_equal(t.line.end[0].n_closes, 1);
    pass_two(&t, MS(1));
    assert_events(&t.world, "y:unbound lost;");
    assert_int_equal(info_of(&t, 1).poweroffs, 1);
    assert_int_equal(info_of(&t, 0).tx_lost, 0);
    pass_two(&t, S(5));
    assert_int_equal(rpr_device_up(t.device[0]), 0);
    pass_two(&t, MS(200));
    assert_int_equal(ept_send(&x, "back"), 0);
    pass_two(&t, MS(1));
    assert_non_null(strstr(t.world.events, "y:rx back;"));
    two_fini(&t);
}

static void down_and_up_at_once(void **state)
{
    struct two t;
    struct ept x = EPT(&t.world, "x"), y = EPT(&t.world, "y");

    (void)state;
    two_init(&t, (struct rpr_serial_config){0});
    ept_open(&x, t.device[0], "svc");
    ept_open(&y, t.device[1], "svc");
    pass_two(&t, MS(100));
    for (unsigned i = 0; i < 10; i++) {
        assert_int_equal(rpr_device_down(t.device[i % 2]), 0);
        if (i % 3 == 0)
            (void)settle_two(&t);
        assert_int_equal(rpr_device_up(t.device[i % 2]), 0);
        if (i % 3 != 1)
            pass_two(&t, MS(i * 7));
    }
    pass_two(&t, S(3));
    forget_events(&t);
    assert_int_equal(ept_send(&x, "back"), 0);
    pass_two(&t, MS(1));
    assert_events(&t.world, "y:rx back;");
    two_fini(&t);
}

/* Of 40 frames some are written, some staged, some queued: each is counted, as one or the other. */
static void what_was_queued_is_counted(void **state)
{
    static const uint32_t rooms[] = {1, 10, 100, 300, 1000};

    (void)state;
    for (unsigned i = 0; i < 5; i++) {
        struct two t;
        struct ept x = EPT(&t.world, "x"), y = EPT(&t.world, "y");
        struct rpr_serial_info before, after;
        uint64_t sent = 0;

        two_init(&t, (struct rpr_serial_config){.buffers = 40});
        ept_open(&x, t.device[0], "svc");
        ept_open_unlimited(&y, t.device[1]);
        pass_two(&t, MS(100));
        before = info_of(&t, 0);
        t.line.end[0].stopped = true; /* what is on the wire when it is cut is lost to nobody */
        t.line.end[0].room = rooms[i];
        t.line.end[1].room = 4096;
        while (ept_send(&x, "what will become of me?") == 0)
            sent++;
        assert_in_range(sent, 39, 39);
        pass_two(&t, MS(1));
        t.line.end[1].n = 0;
        line_say(&t.line, 1, "\x78\x74", 2); /* whatever it asks for */
        (void)settle_two(&t);
        line_cut(&t.line);
        (void)settle_two(&t);
        after = info_of(&t, 0);
        assert_int_equal(after.frames_tx - before.frames_tx + after.tx_lost, sent);
        assert_in_range(after.tx_lost, 1, 39);
        two_fini(&t);
    }
}

/* ---- a peer that is not ours: bytes ------------------------------------------------------------------ */

/* Connected as with a board that was there first; what our node announced is off the wire. */
static void one_connected(struct two *t, struct rpr_serial_config config)
{
    one_init(t, config);
    (void)settle_two(t);
    assert_string_equal(heard(t), "79");
    say(t, "78");
    assert_string_equal(heard(t), "7e");
    say(t, "7d");
    assert_string_equal(heard(t), "[64]"); /* that it is ours */
    say(t, "77");
    forget_events(t);
}

/* Answers all that asks whether it has drained. */
static void drain(struct two *t)
{
    const char *text;

    while (*(text = heard(t)))
        if (strstr(text, "75") || strstr(text, "79"))
            say(t, strstr(text, "75") ? "74" : "78");
    say(t, "77");
}

/* The board has no more to announce, and has shown it: it is asked when there is more to send than its
 * window takes. */
static void announced(struct two *t, struct ept *e)
{
    for (unsigned i = 0; i < 8; i++)
        assert_int_equal(ept_send(e, "to ask for"), 0);
    for (unsigned i = 0; i < 6; i++) {
        pass_two(t, MS(60));
        drain(t);
    }
}

static void a_board_connects(void **state)
{
    struct two t;
    struct ept x = EPT(&t.world, "x");

    (void)state;
    one_init(&t, (struct rpr_serial_config){0});
    ept_open(&x, t.device[0], "svc");
    (void)settle_two(&t);
    say(&t, "79 79");
    assert_string_equal(heard(&t), "79 78 78");
    say(&t, "78 7e 77");
    assert_string_equal(heard(&t), "7d [64] [64]"); /* our CONNREQ had not left yet */
    say_ns(&t, "svc", 1024, NS_CREATE);
    assert_events(&t.world, "x:bound 1024;");
    assert_string_equal(heard(&t), "[64]"); /* CREATE_ACK */
    say_frame(&t, 1024, ept_addr(&x), "hi", 2, false);
    assert_events(&t.world, "x:rx hi;");
    assert_false(info_of(&t, 0).crc);
    assert_false(info_of(&t, 0).ours);
    assert_int_equal(info_of(&t, 0).unanswered, 0);
    pass_two(&t, MS(30));
    assert_string_equal(heard(&t), "77");
    two_fini(&t);
}

/* It announces in one go, reads on and answers meanwhile, and keeps what it reads: only that it answered
 * and then said nothing of the name service for 50 ms is a sign that it has drained. */
static void walkthrough_b1_a_board_that_announces(void **state)
{
    struct two t;
    struct ept e[15];
    char name[8];

    (void)state;
    one_init(&t, (struct rpr_serial_config){0});
    for (unsigned i = 0; i < 15; i++) {
        e[i] = (struct ept)EPT(&t.world, "e");
        snprintf(name, sizeof name, "s%02u", i);
        ept_open(&e[i], t.device[0], name);
    }
    (void)settle_two(&t);
    say(&t, "79 79");
    (void)heard(&t);
    say(&t, "78 7e 77");
    assert_string_equal(heard(&t), "7d [64] [64] [64] [64] [64] [64]");
    for (unsigned i = 0; i < 10; i++) {
        pass_two(&t, MS(9));
        say(&t, "79 77");
        say_ns(&t, "other", 1030 + i, NS_CREATE);
        assert_string_equal(heard(&t), i ? "78" : "77 78");
    }
    pass_two(&t, MS(9));
    assert_string_equal(heard(&t), "");
    pass_two(&t, MS(1));
    assert_string_equal(heard(&t), "75"); /* by that byte it goes on announcing */
    say(&t, "74 77");
    say_ns(&t, "other", 1050, NS_CREATE);
    assert_string_equal(heard(&t), "");
    pass_two(&t, MS(10));
    assert_string_equal(heard(&t), "77 79");
    say(&t, "78 77");
    pass_two(&t, MS(49));
    assert_string_equal(heard(&t), "");
    pass_two(&t, MS(1)); /* now it must have */
    assert_string_equal(heard(&t), "[64] [64] [64] [64] [64] [64]");
    pass_two(&t, MS(10));
    assert_string_equal(heard(&t), "77 75");
    say(&t, "74");
    assert_string_equal(heard(&t), "");
    pass_two(&t, MS(50));
    assert_string_equal(heard(&t), "[64] [64] [64] [64]");
    two_fini(&t);
}

static void nothing_before_the_session_nothing_after(void **state)
{
    struct two t;
    struct ept x = EPT(&t.world, "x");
    uint32_t addr;

    (void)state;
    one_init(&t, (struct rpr_serial_config){0});
    ept_open(&x, t.device[0], "svc");
    addr = ept_addr(&x);
    say(&t, "78");
    say_ns(&t, "svc", 1024, NS_CREATE); /* of a session that is no more */
    say_frame(&t, 1024, addr, "old", 3, false);
    assert_events(&t.world, "");
    assert_int_equal(info_of(&t, 0).unconnected, 2);
    say(&t, "7f 00 00 00 7d"); /* half a frame, and then the answer */
    assert_int_equal(info_of(&t, 0).bad_length, 1);
    say_ns(&t, "svc", 1025, NS_CREATE);
    assert_events(&t.world, "x:bound 1025;");
    /* a frame, half a frame, and a new session: the first is delivered, to the old one */
    say_frame(&t, 1025, ept_addr(&x), "hi", 2, false);
    say(&t, "7f 00 00 00 7e");
    pass_two(&t, MS(20));
    assert_events(&t.world, "x:rx hi;x:unbound lost;");
    say(&t, "00 18 00 70"); /* the rest of it is nothing */
    assert_int_equal(info_of(&t, 0).stray, 4);
    two_fini(&t);
}

/* What has not been written of a frame when its session ends does not reach the next one. */
static void walkthrough_b4_half_a_frame_of_the_former_life(void **state)
{
    struct two t;
    struct ept x = EPT(&t.world, "x");

    (void)state;
    one_connected(&t, (struct rpr_serial_config){0});
    ept_open(&x, t.device[0], "svc");
    say_ns(&t, "svc", 1024, NS_CREATE);
    drain(&t);
    t.line.end[0].room = 10;
    assert_int_equal(ept_send(&x, "tiny"), 0);
    (void)settle_two(&t);
    assert_int_equal(t.line.end[0].n, 10);
    say(&t, "7e");
    pass_two(&t, MS(30));
    assert_int_equal(t.line.end[0].n, 10);
    assert_string_equal(heard(&t), ""); /* nobody can make sense of the first half */
    t.line.end[0].room = 4096;
    (void)settle_two(&t);
    assert_int_equal(t.line.end[0].n, 2);
    assert_string_equal(heard(&t), "7d 79");
    assert_int_equal(info_of(&t, 0).tx_lost, 1);
    two_fini(&t);
}

static void walkthrough_b6_a_session_ends_and_begins_in_one_read(void **state)
{
    struct two t;
    struct ept x = EPT(&t.world, "x");

    (void)state;
    one_connected(&t, (struct rpr_serial_config){0});
    ept_open(&x, t.device[0], "svc");
    (void)heard(&t);
    t.line.end[1].stopped = true; /* all of this comes at once */
    say_ns(&t, "svc", 1024, NS_CREATE);
    say_frame(&t, 1024, ept_addr(&x), "old", 3, false);
    line_say(&t.line, 1, "\x7e\x75", 2);
    say_ns(&t, "svc", 1025, NS_CREATE);
    t.line.end[1].stopped = false;
    (void)settle_two(&t);
    assert_events(&t.world, "x:bound 1024;x:rx old;x:unbound lost;x:bound 1025;");
    two_fini(&t);
}

static enum rpr_rx_result down_up_and_connreq(struct ept *e, const struct rpr_msg *msg)
{
    struct two *t = e->more;
    struct rpr_device *device = t->device[0];

    (void)msg;
    assert_int_equal(rpr_device_down(device), 0);
    assert_int_equal(rpr_device_up(device), 0);
    assert_int_equal(rpr_serial_input(t->line.end[0].link, (const uint8_t *)"\x7e\x75", 2), 2);
    return RPR_DONE;
}

/* The next session is asked for while a callback of the former one runs that ends it. */
static void walkthrough_b6_connreq_inside_a_callback(void **state)
{
    struct two t;
    struct ept x = EPT(&t.world, "x");

    (void)state;
    one_connected(&t, (struct rpr_serial_config){0});
    ept_open(&x, t.device[0], "svc");
    x.on_rx = down_up_and_connreq;
    x.more = &t;
    say_ns(&t, "svc", 1024, NS_CREATE);
    say_frame(&t, 1024, ept_addr(&x), "go", 2, false);
    say_ns(&t, "svc", 1025, NS_CREATE); /* what B6 died of */
    assert_events(&t.world, "x:bound 1024;x:rx go;x:unbound lost;");
    pass_two(&t, MS(100));
    (void)heard(&t);
    say(&t, "78");
    assert_string_equal(heard(&t), "7e");
    say(&t, "7d");
    say_ns(&t, "svc", 1026, NS_CREATE);
    assert_events(&t.world, "x:bound 1026;");
    two_fini(&t);
}

static void crc_as_configured(void **state)
{
    struct two t;
    struct ept x = EPT(&t.world, "x");
    uint8_t wrong[sizeof vector_u3];

    (void)state;
    memcpy(wrong, vector_u3, sizeof wrong);
    wrong[1] ^= 1;
    one_connected(&t, (struct rpr_serial_config){0});
    line_say(&t.line, 1, wrong, sizeof wrong);
    (void)settle_two(&t);
    assert_int_equal(info_of(&t, 0).bad_crc, 1);
    assert_false(info_of(&t, 0).crc);
    line_say(&t.line, 1, vector_u3, sizeof vector_u3);
    (void)settle_two(&t);
    assert_int_equal(info_of(&t, 0).frames_rx, 1);
    assert_true(info_of(&t, 0).crc); /* it can */
    say(&t, "7e");
    pass_two(&t, MS(20));
    assert_false(info_of(&t, 0).crc); /* that was the former one */
    two_fini(&t);

    one_connected(&t, (struct rpr_serial_config){.crc = RPR_SERIAL_CRC_REQUIRE});
    assert_true(info_of(&t, 0).crc);
    line_say(&t.line, 1, vector_u2, sizeof vector_u2);
    (void)settle_two(&t);
    assert_int_equal(info_of(&t, 0).bad_crc, 1);
    line_say(&t.line, 1, vector_u3, sizeof vector_u3);
    (void)settle_two(&t);
    assert_int_equal(info_of(&t, 0).frames_rx, 1);
    two_fini(&t);

    one_connected(&t, (struct rpr_serial_config){.crc = RPR_SERIAL_CRC_OFF});
    line_say(&t.line, 1, wrong, sizeof wrong);
    line_say(&t.line, 1, vector_u3, sizeof vector_u3);
    (void)settle_two(&t);
    assert_int_equal(info_of(&t, 0).bad_crc, 1);
    assert_int_equal(info_of(&t, 0).frames_rx, 1);
    ept_open(&x, t.device[0], "svc");
    (void)settle_two(&t);
    assert_false(info_of(&t, 0).crc);
    two_fini(&t);
}

/* Up to what older NuttX sends; longer ones are lost and counted. */
static void as_long_as_can_be(void **state)
{
    struct two t;
    struct ept x = EPT(&t.world, "x");
    uint8_t data[2100] = {0};

    (void)state;
    one_connected(&t, (struct rpr_serial_config){0});
    ept_open(&x, t.device[0], "svc");
    say_ns(&t, "svc", 1024, NS_CREATE);
    assert_int_equal(x.n_rx, 0);
    say_frame(&t, 1024, ept_addr(&x), data, 2008, false);
    say_frame(&t, 1024, ept_addr(&x), data, 2024, false);
    assert_int_equal(x.n_rx, 2);
    say_frame(&t, 1024, ept_addr(&x), data, 2025, false);
    assert_int_equal(x.n_rx, 2);
    assert_int_equal(info_of(&t, 0).bad_length, 1);
    assert_int_equal(rpr_send(x.h, data, 2009, 0), -RPR_EMSGSIZE);
    two_fini(&t);
}

static void walkthrough_b1_small_frames_wait_for_a_sign(void **state)
{
    struct two t;
    struct ept x = EPT(&t.world, "x");
    uint64_t waits;

    (void)state;
    one_connected(&t, (struct rpr_serial_config){.buffers = 32});
    ept_open(&x, t.device[0], "svc");
    say_ns(&t, "svc", 1024, NS_CREATE);
    announced(&t, &x);
    waits = info_of(&t, 0).waits;
    for (unsigned i = 0; i < 14; i++)
        assert_int_equal(ept_send(&x, "tiny"), 0);
    (void)settle_two(&t);
    assert_string_equal(heard(&t), "75");
    say(&t, "74");
    assert_string_equal(heard(&t), "[28] [28] [28] [28] 77 79");
    pass_two(&t, MS(150));
    assert_string_equal(heard(&t), "79");
    say(&t, "78");
    assert_string_equal(heard(&t),
                        "[28] 77 75"); /* with what was asked for before: twice the window */
    say(&t, "74");
    assert_string_equal(heard(&t), "");
    pass_two(&t, MS(100)); /* it was slow to answer */
    assert_string_equal(heard(&t), "[28] [28] [28] [28] 77 79");
    say(&t, "78");
    assert_string_equal(heard(&t), "[28] [28] [28] [28] 77 75");
    say(&t, "74");
    assert_string_equal(heard(&t), "[28]");
    say(&t, "77");
    assert_int_equal(info_of(&t, 0).undrained, 0);
    assert_int_equal(info_of(&t, 0).waits, waits + 4);
    two_fini(&t);
}

static void long_frames_wait_for_the_window(void **state)
{
    struct two t;
    struct ept x = EPT(&t.world, "x");
    uint8_t data[200] = {0};

    (void)state;
    one_connected(&t, (struct rpr_serial_config){.buffers = 32, .window = 3});
    ept_open(&x, t.device[0], "svc");
    say_ns(&t, "svc", 1024, NS_CREATE);
    announced(&t, &x);
    for (unsigned i = 0; i < 5; i++)
        assert_int_equal(rpr_send(x.h, data, sizeof data, 0), 0);
    (void)settle_two(&t);
    assert_string_equal(heard(&t), "79");
    say(&t, "78");
    assert_string_equal(heard(&t), "[224] [224] [224] 77 75");
    say(&t, "74");
    assert_string_equal(heard(&t),
                        "[224] 77 79"); /* with what was asked for before: twice the window */
    say(&t, "78");
    assert_string_equal(heard(&t), "");
    pass_two(&t, MS(2));
    assert_string_equal(heard(&t), "[224]");
    two_fini(&t);
}

/* A carrier that knows what is on its way never has more than 256 bytes of it. */
static void the_output_queue_stays_short(void **state)
{
    struct two t;
    struct ept x = EPT(&t.world, "x");
    uint8_t data[1000] = {0};
    unsigned turns = 0;
    uint64_t sent;

    (void)state;
    one_connected(&t, (struct rpr_serial_config){0});
    ept_open(&x, t.device[0], "svc");
    say_ns(&t, "svc", 1024, NS_CREATE);
    drain(&t);
    t.line.end[0].reads_queue = true;
    sent = info_of(&t, 0).frames_tx;
    assert_int_equal(rpr_send(x.h, data, sizeof data, 0), 0);
    assert_int_equal(rpr_send(x.h, data, sizeof data, 0), 0);
    for (; turns < 100 && info_of(&t, 0).frames_tx < sent + 2; turns++) {
        (void)settle_two(&t);
        assert_in_range(t.line.end[0].n, 1, 256);
        say(&t, "79"); /* is answered at once all the same */
        assert_int_equal(t.line.end[0].fifo[t.line.end[0].n - 1], 0x78);
        line_taken(&t.line.end[0], t.line.end[0].n);
        pass_two(&t, MS(1));
    }
    assert_in_range(turns, 7, 12);
    two_fini(&t);
}

static void noise_is_no_session(void **state)
{
    struct two t;
    struct rpr_serial_info info;

    (void)state;
    one_connected(&t, (struct rpr_serial_config){0});
    say(&t, "7f 00 01 7e 02 03 70 7d 40 76 40 76 7b 40 7a 40");
    pass_two(&t, MS(100));
    info = info_of(&t, 0);
    assert_string_equal(info.state, "connected");
    assert_int_equal(info.sessions, 1);
    assert_int_equal(info.noise, 6);
    assert_int_equal(info.bad_length, 1);
    assert_int_equal(info.stray, 7);
    two_fini(&t);
}

static void half_open(void **state)
{
    struct two t;

    (void)state;
    one_init(&t, (struct rpr_serial_config){0});
    say(&t, "78 7e");
    pass_two(&t, MS(1999));
    assert_string_equal(heard(&t), "79 7d [64] 77");
    assert_string_equal(info_of(&t, 0).state, "connected");
    pass_two(&t, MS(1));
    assert_string_equal(heard(&t), "75");
    assert_string_equal(info_of(&t, 0).state, "waking");
    say(&t, "74");
    say(&t, "7d");
    assert_string_equal(heard(&t), "7e [64]"); /* announced once more */
    assert_int_equal(info_of(&t, 0).half_open, 1);
    two_fini(&t);
}

static void node_close_says_poweroff(void **state)
{
    struct two t;

    (void)state;
    one_connected(&t, (struct rpr_serial_config){0});
    rpr_node_close(t.node[0]);
    t.node[0] = NULL;
    assert_string_equal(heard(&t), "76");
    assert_int_equal(t.line.end[0].n_destroys, 1);
    assert_int_equal(t.world.n_live, 0);
}

static void no_memory(void **state)
{
    struct two t;

    (void)state;
    for (unsigned i = 1; i < 40; i++) {
        struct rpr_serial_config config = {0};
        int error;

        memset(&t, 0, sizeof t);
        world_init(&t.world);
        line_init(&t.line);
        t.node[0] = world_node(&t.world, "a");
        t.world.fail_in = i;
        error = line_join(&t.line, 0, t.node[0], "b", config);
        if (error)
            assert_int_equal(error, -RPR_ENOMEM);
        t.line.end[0].link = error ? NULL : t.line.end[0].link;
        for (unsigned j = 0; j < 4 && strcmp(error ? "" : info_of(&t, 0).state, "connected"); j++) {
            say(&t, "78");
            say(&t, "74");
            say(&t, "7d");
            pass_two(&t, S(2));
        }
        if (!error)
            assert_string_equal(info_of(&t, 0).state, "connected");
        t.world.fail_in = 0;
        rpr_node_close(t.node[0]);
        assert_int_equal(t.world.n_live, 0);
        assert_int_equal(t.line.end[0].n_destroys, !error);
    }
}

static void out_of_range(void **state)
{
    static const struct rpr_serial_config configs[] = {
        {.size = RPR_SERIAL_SIZE_MAX + 1},
        {.buffers = 1},
        {.buffers = 1025},
        {.window = 1025},
        {.relax_ms = 60001u},
    };
    struct two t;

    (void)state;
    memset(&t, 0, sizeof t);
    world_init(&t.world);
    line_init(&t.line);
    t.node[0] = world_node(&t.world, "a");
    for (unsigned i = 0; i < sizeof configs / sizeof *configs; i++)
        assert_int_equal(line_join(&t.line, 0, t.node[0], "b", configs[i]), -RPR_EINVAL);
    assert_int_equal(line_join(&t.line, 0, t.node[0], "", configs[0]), -RPR_EINVAL);
    rpr_node_close(t.node[0]);
    assert_int_equal(t.world.n_live, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ends_meet_and_talk),
        cmocka_unit_test(the_window_holds_on_a_wire_that_loses),
        cmocka_unit_test(noise_never_stops_a_sender),
        cmocka_unit_test(all_lengths_both_ways),
        cmocka_unit_test(a_cut_is_loss_and_a_mend_brings_all_back),
        cmocka_unit_test(buffers_are_bounded),
        cmocka_unit_test(walkthrough_b5_writable_follows_at_once),
        cmocka_unit_test(a_slow_reader_stops_the_sender),
        cmocka_unit_test(power_is_told),
        cmocka_unit_test(down_says_poweroff_after_what_was_queued),
        cmocka_unit_test(down_and_up_at_once),
        cmocka_unit_test(what_was_queued_is_counted),
        cmocka_unit_test(a_board_connects),
        cmocka_unit_test(walkthrough_b1_a_board_that_announces),
        cmocka_unit_test(nothing_before_the_session_nothing_after),
        cmocka_unit_test(walkthrough_b4_half_a_frame_of_the_former_life),
        cmocka_unit_test(walkthrough_b6_a_session_ends_and_begins_in_one_read),
        cmocka_unit_test(walkthrough_b6_connreq_inside_a_callback),
        cmocka_unit_test(crc_as_configured),
        cmocka_unit_test(as_long_as_can_be),
        cmocka_unit_test(walkthrough_b1_small_frames_wait_for_a_sign),
        cmocka_unit_test(long_frames_wait_for_the_window),
        cmocka_unit_test(the_output_queue_stays_short),
        cmocka_unit_test(noise_is_no_session),
        cmocka_unit_test(half_open),
        cmocka_unit_test(node_close_says_poweroff),
        cmocka_unit_test(no_memory),
        cmocka_unit_test(out_of_range),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
