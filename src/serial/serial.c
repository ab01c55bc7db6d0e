/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The link over a serial wire: what struct rpr_link_ops asks for, in terms of frames (rpr/frame.h),
 * buffers (queue.h) and the connection (connection.h).
 *
 * Everything happens in the node's poll, where the time is known: what carrier and senders say is
 * written down, and dealt with by a timer that is due at once (kick(), run()). There input comes
 * first: what is late to be read is not late to have come.
 *
 * A *session* is the memory of one connection. It stays until the core's incarnation of it is gone,
 * and, at an orderly end, until what was queued is written.
 */
#include <rpr/serial.h>

#include "base/bytes.h"
#include "base/text.h"
#include "serial/connection.h"
#include "serial/queue.h"
#include "wire/header.h"

#define DEFAULT_SIZE     2008u
#define DEFAULT_BUFFERS  8u
#define DEFAULT_WINDOW   6u
#define DEFAULT_RELAX_MS 5u
#define MAX_BUFFERS      1024u
#define MAX_WINDOW       1024u
#define MAX_RELAX_MS     60000u

/* NuttX before 2026-02 sends 16 bytes more than it does now (WIRE 4.2). */
#define MORE_BYTES 16u

#define INPUT_BYTES 4096u
#define STAGE_BYTES 4096u

struct session {
    struct rpr_incarnation incarnation;
    const struct rpr_platform *platform;
    unsigned n_refs; /* the incarnation's, and that of the connection */
    size_t bytes;
    bool up;            /* the core knows it */
    bool heard;         /* a frame has come whole */
    bool ended;         /* nothing is sent any more */
    uint32_t receiving; /* rx buffer that is decoded into, or QUEUE_NONE */
    struct queue tx, rx;
};

struct serial {
    struct rpr_link link;
    struct connection connection;
    struct serial_counters count;
    struct session *session; /* of the connection, or NULL */
    struct rpr_timer timer;
    const struct rpr_platform *platform;
    struct rpr_serial_carrier carrier;
    enum rpr_serial_crc crc;
    uint32_t size, buffers;

    /* what is to be looked at */
    bool kicked;
    bool carrier_there;         /* as it says now */
    bool lost;                  /* it went, and the connection does not know yet */
    bool blocked;               /* it takes nothing until it says so */
    bool refused;               /* it was told that input is full */
    bool want_writable;         /* the core waits for tx buffers */
    bool suspended;             /* the peer said so */
    struct rpr_command command; /* another thread has committed something: kick() */
    _Atomic bool posted;        /* the command is on its way */
    char lost_reason[RPR_REASON_MAX];

    /* receiving */
    struct rpr_frame_decoder decoder;

    bool peer_has_crc;
    uint32_t n_input;
    uint8_t input[INPUT_BYTES];

    /* sending */
    struct rpr_frame_encoder encoder;
    uint32_t sending;  /* tx buffer that is encoded from, or QUEUE_NONE */
    uint32_t from, to; /* of `stage`, what is not written yet */
    uint64_t staged;   /* bytes ever */
    uint8_t stage[STAGE_BYTES];

    uint8_t spare[]; /* for frames that come while there is no session */
};

static struct serial *serial_of(struct rpr_link *link)
{
    return RPR_CONTAINER(link, struct serial, link);
}

/* The one that the core knows; the connection may be further. */
static struct session *session_of(const struct rpr_link *link)
{
    return RPR_CONTAINER(link->incarnation, struct session, incarnation);
}

static uint32_t rx_bytes(const struct serial *s)
{
    return RPR_HEADER_BYTES + s->size + MORE_BYTES;
}

/* The link's next turn is as soon as can be. Owner. */
static void kick(struct serial *s)
{
    if (s->kicked)
        return;
    s->kicked = true;
    rpr_timer_start(s->link.node, &s->timer, rpr_node_now(s->link.node));
}

/* In the next poll: what it waits for happens behind the timers of this one. */
static void kick_later(struct serial *s)
{
    s->kicked = true;
    rpr_timer_start(s->link.node, &s->timer, rpr_node_now(s->link.node) + 1);
}

/* ---- locks: other threads reserve, commit and cancel ------------------------------------------- */

static void lock(struct serial *s)
{
    if (s->link.lock)
        s->platform->lock(s->link.lock);
}

static void unlock(struct serial *s)
{
    if (s->link.lock)
        s->platform->unlock(s->link.lock);
}

static void run_command(struct rpr_command *command)
{
    struct serial *s = RPR_CONTAINER(command, struct serial, command);

    /* Who posts it again writes into it: after it was read here. */
    atomic_store_explicit(&s->posted, false, memory_order_release);
    kick(s);
}

/* ---- sessions ----------------------------------------------------------------------------------- */

static void session_put(struct session *session)
{
    if (--session->n_refs == 0)
        session->platform->free(session->platform->ctx, session, session->bytes);
}

static void session_destroy(struct rpr_incarnation *incarnation)
{
    session_put(RPR_CONTAINER(incarnation, struct session, incarnation));
}

static struct session *session_new(const struct serial *s)
{
    uint32_t tx = RPR_HEADER_BYTES + s->size;
    size_t head = (sizeof(struct session) + 15u) & ~(size_t)15u;
    size_t bytes = head + queue_bytes(s->buffers, tx) + queue_bytes(s->buffers, rx_bytes(s));
    struct session *session = s->platform->alloc(s->platform->ctx, bytes);
    uint8_t *at;

    if (!session)
        return NULL;
    session->platform = s->platform;
    session->bytes = bytes;
    session->n_refs = 1;
    session->incarnation.destroy = session_destroy;
    at = queue_init(&session->tx, (uint8_t *)session + head, s->buffers, tx);
    queue_init(&session->rx, at, s->buffers, rx_bytes(s));
    session->receiving = QUEUE_NONE;
    return session;
}

/* Frames go where they belong, now that this has changed. */
static void aim_decoder(struct serial *s)
{
    struct session *session = s->session;

    if (!session || session->ended) {
        s->decoder.to = s->spare;
        s->decoder.size = RPR_FRAME_HEADER_BYTES + rx_bytes(s);
        return;
    }
    if (session->receiving == QUEUE_NONE)
        session->receiving = queue_get(&session->rx);
    s->decoder.to =
        session->receiving == QUEUE_NONE ? NULL : queue_at(&session->rx, session->receiving);
    s->decoder.size = session->rx.stride;
}

static void take_up(struct serial *s)
{
    struct session *session = s->session;

    if (!session || session->up || session->ended)
        return;
    /* The core is not done with the former one. */
    if (s->link.incarnation && !MUTANT(session_begins_inside_the_former)) {
        kick_later(s);
        return;
    }
    session->up = true;
    session->n_refs++;
    s->suspended = false;
    rpr_link_up(&s->link, &(struct rpr_session){.incarnation = &session->incarnation,
                                                .tx_len = s->size,
                                                .rx_len = s->size,
                                                .dialect = RPR_DIALECT_NUTTX,
                                                .lossy = true});
}

static bool begin(void *ctx)
{
    struct serial *s = ctx;
    struct session *session = session_new(s);

    if (!session)
        return false;
    s->count.sessions++;
    s->session = session;
    s->peer_has_crc = false;
    aim_decoder(s); /* no frame is half decoded: what began the session has cut it off */
    take_up(s);
    return true;
}

/* Frames whose END is in what was not written: no byte of a body is 0x70. */
static uint32_t staged_frames(const struct serial *s)
{
    uint32_t n = 0;

    for (uint32_t i = s->from; i < s->to; i++)
        n += s->stage[i] == RPR_UART_END;
    return n;
}

/* Nothing of the session is sent or received from here on. */
static void drop_session(struct serial *s)
{
    struct session *session = s->session;
    uint32_t staged = staged_frames(s);

    if (!session)
        return;
    s->session = NULL;
    s->count.frames_tx -= staged;
    lock(s);
    s->count.tx_lost += staged + !rpr_frame_encoded(&s->encoder) + session->tx.n_ready;
    s->encoder = (struct rpr_frame_encoder){0};
    session->ended = true;
    unlock(s);
    s->count.rx_lost += session->rx.n_ready;
    s->sending = QUEUE_NONE;
    if (!MUTANT(frame_outlives_its_session))
        s->from = s->to = 0;
    rpr_frame_abort(&s->decoder);
    aim_decoder(s);
    session_put(session);
}

/* What came whole before the end is delivered. */
static void end(void *ctx, const char *reason)
{
    struct serial *s = ctx;

    if (s->session->up && !MUTANT(what_came_before_the_end_is_lost))
        rpr_link_drain(&s->link, s->buffers);
    if (!s->session) /* somebody has closed the link meanwhile */
        return;
    if (s->session->up) {
        drop_session(s);
        rpr_link_down(&s->link, reason);
    } else {
        drop_session(s);
    }
}

static void closed(void *ctx)
{
    struct serial *s = ctx;

    drop_session(s);
    s->blocked = s->refused = false;
    s->carrier_there = s->lost = false;
    s->n_input = 0;
    s->carrier.close(s->carrier.ctx);
}

static void power_changed(void *ctx, bool running)
{
    struct serial *s = ctx;

    s->suspended = !running;
    if (s->session->up)
        rpr_link_power(&s->link, running);
}

static const struct connection_ops connection_ops = {
    .begin = begin, .end = end, .power = power_changed, .closed = closed};

/* ---- receiving ------------------------------------------------------------------------------------ */

static bool is_name_service(const uint8_t *body)
{
    return get_le32(body + RPR_FRAME_HEADER_BYTES + 4) == RPMSG_ADDR_NS;
}

/* A whole frame is where the decoder put it. */
static void take_frame(struct serial *s, uint64_t now)
{
    struct session *session = s->session;

    if (!session || session->ended || s->connection.state != CONNECTION_CONNECTED) {
        s->count.unconnected++;
        return;
    }
    s->count.frames_rx++;
    session->heard = true;
    if (is_name_service(s->decoder.to))
        connection_on_word(&s->connection, now);
    s->peer_has_crc |= get_le16(s->decoder.to) != 0;
    queue_push(&session->rx, session->receiving, s->decoder.n - RPR_FRAME_HEADER_BYTES);
    session->receiving = QUEUE_NONE;
    aim_decoder(s);
    if (session->up)
        rpr_link_ready(&s->link);
}

static void on_event(struct serial *s, enum rpr_frame_event event, uint64_t now)
{
    if (s->decoder.inside || event == RPR_FRAME_GOOD || event == RPR_FRAME_BAD)
        connection_on_start(&s->connection);
    if (event == RPR_FRAME_GOOD)
        take_frame(s, now);
    if (event == RPR_FRAME_GOOD || event == RPR_FRAME_BAD)
        connection_on_frame(&s->connection, event == RPR_FRAME_GOOD, now);
    else if (event == RPR_FRAME_CONTROL)
        connection_on_control(&s->connection, s->decoder.control, s->decoder.inside, now);
}

static void count_errors(struct serial *s)
{
    const struct rpr_frame_counters *c = &s->decoder.counters;
    bool noise =
        c->crc > s->count.bad_crc || c->length > s->count.bad_length || c->stray > s->count.stray;

    if (noise && s->session && s->session->up && !s->session->heard)
        rpr_link_unheard(&s->link);
    s->count.bad_crc = s->decoder.counters.crc;
    s->count.bad_length = s->decoder.counters.length;
    s->count.stray = s->decoder.counters.stray;
}

/* Sessions may begin and end with each byte. */
static void decode(struct serial *s, uint64_t now)
{
    const uint8_t *at = s->input;
    const uint8_t *end_of_input = s->input + s->n_input;
    enum rpr_frame_event event = RPR_FRAME_NONE;

    if (!s->n_input)
        return;
    connection_on_input(&s->connection, now);
    while (at < end_of_input && event != RPR_FRAME_FULL && s->n_input) {
        connection_on_next(&s->connection, *at, now);
        event = rpr_frame_decode(&s->decoder, &at, end_of_input);
        on_event(s, event, now);
    }
    count_errors(s);
    if (!s->n_input) /* closed meanwhile */
        return;
    s->n_input = (uint32_t)(end_of_input - at);
    memmove(s->input, at, s->n_input);
}

static void ask_for_more(struct serial *s)
{
    if (!s->refused || s->n_input == INPUT_BYTES)
        return;
    s->refused = false;
    s->carrier.readable(s->carrier.ctx);
}

size_t rpr_serial_input(struct rpr_link *link, const uint8_t *data, size_t len)
{
    struct serial *s = serial_of(link);
    size_t n = INPUT_BYTES - s->n_input;

    if (!s->carrier_there)
        return len; /* nobody is interested */
    if (s->lost)
        n = 0; /* first what came before the loss */
    if (n > len)
        n = len;
    memcpy(s->input + s->n_input, data, n);
    s->n_input += (uint32_t)n;
    s->count.bytes_rx += n;
    s->refused = n < len;
    kick(s);
    return n;
}

/* ---- sending --------------------------------------------------------------------------------------- */

static bool with_crc(const struct serial *s)
{
    if (s->crc == RPR_SERIAL_CRC_AUTO)
        return s->peer_has_crc || s->connection.ours;
    return s->crc == RPR_SERIAL_CRC_REQUIRE;
}

/* How much the carrier may be given: the peer reads up to CHUNK_BYTES at once, and what it has not
 * read delays the answers to what it says. */
static uint32_t carrier_room(struct serial *s, uint32_t wanted, uint64_t now)
{
    int32_t queued = s->connection.ours ? -1 : s->carrier.queued(s->carrier.ctx);

    if (queued < 0)
        return wanted;
    if (queued >= (int32_t)CHUNK_BYTES && !MUTANT(output_queue_is_filled)) {
        connection_wait_output(&s->connection, now);
        return 0;
    }
    return wanted < CHUNK_BYTES - (uint32_t)queued ? wanted : CHUNK_BYTES - (uint32_t)queued;
}

static size_t give(struct serial *s, const uint8_t *data, size_t len)
{
    size_t n = s->carrier.write(s->carrier.ctx, data, len);

    s->count.bytes_tx += n;
    s->blocked = n < len;
    return n;
}

/* Control bytes go first. False: the carrier takes no more. */
static bool write_control(struct serial *s, uint64_t now)
{
    struct connection *c = &s->connection;

    if (c->n_out)
        connection_on_written(c, give(s, c->out, c->n_out), now);
    return !s->blocked && s->carrier_there;
}

static bool write_stage(struct serial *s, uint64_t now)
{
    while (s->from < s->to) {
        uint32_t n = carrier_room(s, s->to - s->from, now);

        if (!n)
            return false;
        s->from += (uint32_t)give(s, s->stage + s->from, n);
        if (s->blocked)
            return false;
    }
    return true;
}

/* The frame has been encoded: its buffer is free. */
static void frame_encoded(struct serial *s)
{
    struct session *session = s->session;

    lock(s);
    queue_put(&session->tx, s->sending);
    unlock(s);
    s->sending = QUEUE_NONE;
    s->count.frames_tx++;
    if (s->want_writable && session->up && !MUTANT(waits_for_a_buffer_that_is_free))
        rpr_link_ready(&s->link);
}

static bool anything_queued(struct serial *s)
{
    bool any;

    lock(s);
    any = s->session && s->session->tx.n_ready;
    unlock(s);
    return any;
}

static bool next_frame(struct serial *s, uint64_t now)
{
    struct session *session = s->session;
    uint8_t *body;
    uint32_t n;

    if (!anything_queued(s) || !connection_may_send(&s->connection, s->staged, !s->to, now))
        return false;
    lock(s);
    s->sending = queue_pop(&session->tx);
    unlock(s);
    body = queue_at(&session->tx, s->sending);
    n = RPR_FRAME_HEADER_BYTES + session->tx.len[s->sending];
    rpr_frame_seal(body, n, with_crc(s));
    rpr_frame_begin(&s->encoder, body, n);
    connection_on_sent(&s->connection, s->staged, now);
    if (is_name_service(body))
        connection_on_word_sent(&s->connection);
    return true;
}

/* Of frames, as many bytes as may go at once. Nothing is staged when it is called. False: there is
 * nothing to write. */
static bool fill_stage(struct serial *s, uint64_t now)
{
    uint32_t room = s->connection.ours ? STAGE_BYTES : CHUNK_BYTES;

    s->from = s->to = 0;
    while (!rpr_frame_encoded(&s->encoder) || next_frame(s, now)) {
        uint32_t n = (uint32_t)rpr_frame_encode(&s->encoder, s->stage + s->to, room - s->to);

        s->to += n;
        s->staged += n;
        if (!rpr_frame_encoded(&s->encoder))
            break;
        frame_encoded(s);
        if (s->to == room)
            break;
    }
    if (!s->to)
        connection_on_drained(&s->connection, !anything_queued(s), now);
    return s->to || s->connection.n_out;
}

static void pump(struct serial *s, uint64_t now)
{
    if (s->blocked || !s->carrier_there)
        return;
    while (write_control(s, now) && write_stage(s, now) && fill_stage(s, now))
        ;
}

/* ---- the turn --------------------------------------------------------------------------------------- */

static void see_carrier(struct serial *s, uint64_t now)
{
    if (s->lost) {
        s->lost = false;
        connection_on_no_carrier(&s->connection, s->lost_reason);
    }
    if (s->carrier_there)
        connection_on_carrier(&s->connection, now);
}

static void run(struct serial *s, uint64_t now)
{
    s->kicked = false;
    take_up(s);
    if (!s->lost)
        see_carrier(s, now);
    decode(s, now);
    see_carrier(s, now);
    connection_on_time(&s->connection, now);
    pump(s, now);
    ask_for_more(s);
}

static void set_timer(struct serial *s)
{
    uint64_t at = connection_deadline(&s->connection);

    if (s->kicked)
        return;
    if (at == RPR_POLL_IDLE)
        rpr_timer_stop(s->link.node, &s->timer);
    else if (!s->timer.active || s->timer.at_ns != at)
        rpr_timer_start(s->link.node, &s->timer, at);
}

static void timer_fired(struct rpr_timer *timer, uint64_t now_ns)
{
    struct serial *s = RPR_CONTAINER(timer, struct serial, timer);

    run(s, now_ns);
    set_timer(s);
}

/* ---- what the carrier says ---------------------------------------------------------------------------- */

void rpr_serial_back(struct rpr_link *link)
{
    struct serial *s = serial_of(link);

    if (s->connection.state == CONNECTION_CLOSED)
        return;
    s->carrier_there = true;
    s->blocked = false;
    kick(s);
}

void rpr_serial_lost(struct rpr_link *link, const char *reason)
{
    struct serial *s = serial_of(link);

    if (!s->carrier_there)
        return;
    s->carrier_there = false;
    s->lost = true;
    text_copy(s->lost_reason, sizeof s->lost_reason, reason);
    kick(s);
}

void rpr_serial_writable(struct rpr_link *link)
{
    struct serial *s = serial_of(link);

    s->blocked = false;
    kick(s);
}

/* ---- downcalls: sending --------------------------------------------------------------------------------- */

static int reserve(struct rpr_link *link, struct rpr_slot *slot, bool control)
{
    struct queue *q = &session_of(link)->tx;

    if (q->n_free <= !control)
        return -RPR_EAGAIN;
    slot->id = queue_get(q);
    slot->msg = queue_at(q, slot->id) + RPR_FRAME_HEADER_BYTES;
    slot->size = RPR_HEADER_BYTES + serial_of(link)->size;
    return 0;
}

/* A session that has ended since, and that the core still knows, takes frames and loses them. */
static void commit(struct rpr_link *link, uint32_t id, uint32_t len)
{
    struct session *session = session_of(link);

    if (session->ended) {
        serial_of(link)->count.tx_lost++;
        queue_put(&session->tx, id);
    } else {
        queue_push(&session->tx, id, len);
    }
}

static void cancel(struct rpr_link *link, uint32_t id)
{
    queue_put(&session_of(link)->tx, id);
}

static void flush(struct rpr_link *link)
{
    struct serial *s = serial_of(link);

    if (!session_of(link)->tx.n_ready)
        return;
    if (!link->lock)
        kick(s);
    else if (!atomic_exchange_explicit(&s->posted, true, memory_order_acquire))
        rpr_node_post(link->node, &s->command);
}

static int send(struct rpr_endpoint *sender, uint64_t header, const void *data, size_t len,
                unsigned flags, struct rpr_link *link)
{
    struct rpr_slot slot;

    if (reserve(link, &slot, false))
        return rpr_link_full(link, sender, 0);
    if (len > slot.size - RPR_HEADER_BYTES) {
        cancel(link, slot.id);
        return rpr_link_full(link, sender, slot.size);
    }
    header_put(slot.msg, (uint32_t)header, (uint32_t)(header >> 32), (uint16_t)len);
    memcpy(slot.msg + RPR_HEADER_BYTES, data, len);
    commit(link, slot.id, RPR_HEADER_BYTES + (uint32_t)len);
    if (!(flags & RPR_MORE))
        flush(link);
    return 0;
}

static bool writable(struct rpr_link *link)
{
    return session_of(link)->tx.n_free > 1;
}

/* ---- downcalls: receiving -------------------------------------------------------------------------------- */

/* The decoder may wait for this buffer. */
static void buffer_back(struct serial *s, struct session *session, uint32_t id)
{
    queue_put(&session->rx, id);
    if (session != s->session || session->receiving != QUEUE_NONE || MUTANT(reading_does_not_go_on))
        return;
    aim_decoder(s);
    kick(s);
}

static unsigned poll(struct rpr_link *link, unsigned budget)
{
    struct serial *s = serial_of(link);
    struct session *session = session_of(link);
    struct queue *q = &session->rx;
    uint32_t n = q->n_ready < budget ? q->n_ready : budget;
    unsigned done;

    for (done = 0; done < n; done++) {
        uint32_t id = queue_first(q);
        enum rpr_link_rx_result result =
            rpr_link_rx(link, queue_at(q, id) + RPR_FRAME_HEADER_BYTES, q->len[id], id);

        if (result == RPR_LINK_RX_STOP)
            break;
        queue_pop(q);
        if (result == RPR_LINK_RX_HELD)
            q->holder[id] = link->holder;
        else
            buffer_back(s, session, id);
    }
    return done;
}

static void release(struct rpr_link *link, uint32_t id)
{
    struct session *session = session_of(link);

    session->rx.holder[id] = NULL;
    buffer_back(serial_of(link), session, id);
}

/* ---- downcalls: doorbells, power, life -------------------------------------------------------------------- */

static bool arm(struct rpr_link *link, bool want_writable)
{
    struct serial *s = serial_of(link);
    const struct session *session = session_of(link);

    s->want_writable = want_writable;
    return !session->rx.n_ready && !(want_writable && session->tx.n_free > 1);
}

static void disarm(struct rpr_link *link)
{
    serial_of(link)->want_writable = false;
}

static int power(struct rpr_link *link, bool running)
{
    struct serial *s = serial_of(link);

    connection_power(&s->connection, running);
    kick(s);
    return 0;
}

static void link_open(struct rpr_link *link)
{
    struct serial *s = serial_of(link);

    if (s->connection.state != CONNECTION_CLOSED) /* the end is not over yet: cut it short */
        connection_on_no_carrier(&s->connection, "");
    connection_open(&s->connection);
    s->carrier.open(s->carrier.ctx);
}

/* What is queued is still sent: see connection_close(). */
static void link_close(struct rpr_link *link)
{
    struct serial *s = serial_of(link);

    connection_close(&s->connection);
    kick(s);
}

static void link_destroy(struct rpr_link *link)
{
    struct serial *s = serial_of(link);

    link->lock = NULL; /* it is gone, as are all who could come */
    rpr_timer_stop(link->node, &s->timer);
    connection_hurry(&s->connection, rpr_node_now(link->node));
    if (!s->blocked && s->carrier_there)
        (void)write_control(s, rpr_node_now(link->node));
    drop_session(s);
    if (s->carrier.destroy)
        s->carrier.destroy(s->carrier.ctx);
    s->platform->free(s->platform->ctx, s, sizeof *s + RPR_FRAME_HEADER_BYTES + rx_bytes(s));
}

/* ---- downcalls: what is shown ------------------------------------------------------------------------------ */

static bool queue_info(struct rpr_link *link, unsigned index, struct rpr_queue_info *info)
{
    const struct session *session = session_of(link);
    const struct queue *q = index ? &session->rx : &session->tx;

    if (index > 1)
        return false;
    info->name = index ? "rx" : "tx";
    info->size = q->n;
    info->free = q->n_free;
    info->pending = q->n_ready;
    info->own_index = index ? q->taken : q->put;
    info->peer_index = index ? q->put : q->taken;
    info->flags = 0;
    return true;
}

/* The cursor counts through the rx buffers, then the tx buffers. */
static bool buffer_info(struct rpr_link *link, unsigned *cursor, struct rpr_buffer_info *info)
{
    const struct serial *s = serial_of(link);
    const struct session *session = session_of(link);

    for (; *cursor < 2 * s->buffers; ++*cursor) {
        uint32_t id = *cursor % s->buffers;
        bool rx = *cursor < s->buffers;

        if (rx ? !session->rx.holder[id] : queue_has(&session->tx, id) || id == s->sending)
            continue;
        info->queue = rx ? "rx" : "tx";
        info->id = id;
        info->holder = rx ? session->rx.holder[id] : NULL;
        ++*cursor;
        return true;
    }
    return false;
}

static const struct rpr_link_ops serial_ops = {.strict = false,
                                               .open = link_open,
                                               .close = link_close,
                                               .reserve = reserve,
                                               .send = send,
                                               .commit = commit,
                                               .cancel = cancel,
                                               .flush = flush,
                                               .writable = writable,
                                               .poll = poll,
                                               .release = release,
                                               .arm = arm,
                                               .disarm = disarm,
                                               .power = power,
                                               .queue_info = queue_info,
                                               .buffer_info = buffer_info,
                                               .destroy = link_destroy};

bool rpr_serial_info(const struct rpr_link *link, struct rpr_serial_info *info)
{
    const struct serial *s = RPR_CONTAINER(link, const struct serial, link);
    const struct connection *c = &s->connection;

    if (link->ops != &serial_ops)
        return false;
    info->state = connection_state_name(c);
    info->wake = connection_wake_name(c);
    info->crc = with_crc(s);
    info->ours = c->ours;
    info->suspended = s->suspended;
    info->window = c->window;
    info->undrained = c->undrained;
    info->unanswered = c->unanswered;
    /* Of a link that has ended: what its peer has not read. */
    info->queued =
        s->carrier_there || c->state == CONNECTION_CLOSED ? s->carrier.queued(s->carrier.ctx) : -1;
#define RPR_COUNTER_FIELD(name) info->name = s->count.name;
    RPR_SERIAL_COUNTERS(RPR_COUNTER_FIELD)
#undef RPR_COUNTER_FIELD
    return true;
}

/* ---- the peer is one of ours -------------------------------------------------------------------------------- */

static enum rpr_rx_result ours_rx(void *ctx, rpr_ept_t ept, const struct rpr_msg *msg)
{
    (void)ctx;
    (void)ept;
    (void)msg;
    return RPR_DONE;
}

static void ours_bound(void *ctx, rpr_ept_t ept, uint32_t dest)
{
    struct serial *s = ctx;

    (void)ept;
    (void)dest;
    connection_on_ours(&s->connection);
    rpr_link_ours(&s->link);
    kick(s);
}

static const struct rpr_ept_ops ours_ops = {.rx = ours_rx, .bound = ours_bound};

/* ---- open ------------------------------------------------------------------------------------------------------ */

static uint32_t or_default(uint32_t value, uint32_t otherwise)
{
    return value ? value : otherwise;
}

static bool is_sound(const struct rpr_serial_config *c)
{
    return c->size <= RPR_SERIAL_SIZE_MAX && c->buffers != 1 && c->buffers <= MAX_BUFFERS &&
           c->window <= MAX_WINDOW && c->relax_ms <= MAX_RELAX_MS;
}

static int say_who_we_are(struct serial *s, const char *remote)
{
    rpr_ept_t ept;

    return rpr_ept_open(rpr_device_find(s->link.node, remote),
                        &(struct rpr_ept_config){.name = RPR_LINK_OURS,
                                                 .addr = RPR_ADDR_ANY,
                                                 .dest = RPR_ADDR_ANY,
                                                 .flags = RPR_EPT_CONTROL,
                                                 .ops = &ours_ops,
                                                 .ctx = s},
                        &ept);
}

int rpr_serial_open(struct rpr_node *node, const struct rpr_serial_config *config,
                    struct rpr_link **link)
{
    const struct rpr_platform *platform = rpr_node_platform(node);
    uint32_t size = or_default(config->size, DEFAULT_SIZE);
    size_t bytes =
        sizeof(struct serial) + RPR_FRAME_HEADER_BYTES + RPR_HEADER_BYTES + size + MORE_BYTES;
    struct serial *s;
    int error;

    if (!is_sound(config))
        return -RPR_EINVAL;
    s = platform->alloc(platform->ctx, bytes);
    if (!s)
        return -RPR_ENOMEM;
    s->platform = platform;
    s->carrier = config->carrier;
    s->crc = config->crc;
    s->size = size;
    s->buffers = or_default(config->buffers, DEFAULT_BUFFERS);
    s->timer.fire = timer_fired;
    s->command.run = run_command;
    s->sending = QUEUE_NONE;
    s->decoder.crc_required = config->crc == RPR_SERIAL_CRC_REQUIRE;
    connection_init(&s->connection, &connection_ops, s, &s->count,
                    or_default(config->window, DEFAULT_WINDOW),
                    or_default(config->relax_ms, DEFAULT_RELAX_MS) * UINT64_C(1000000));
    s->connection.lossy = config->lossy;
    aim_decoder(s);
    *link = &s->link; /* the carrier's open() may need it */
    error = rpr_link_register(node, &s->link, &serial_ops, config->remote, config->kind,
                              config->locked);
    if (error) {
        platform->free(platform->ctx, s, bytes);
        return error;
    }
    error = say_who_we_are(s, config->remote);
    if (error) {
        s->carrier.destroy = NULL; /* stays the caller's */
        rpr_link_unregister(&s->link);
    }
    return error;
}
