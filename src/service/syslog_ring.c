/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The text of a client of rpmsg-syslog, as a stream of bytes with three marks:
 *
 *        tail             sent             head
 *   ──────┼────────────────┼────────────────┼──────
 *         │ sent, the      │ to be sent     │
 *         │ server may not │                │
 *         │ have it        │                │
 *
 * A server that acknowledges moves the tail; on one that does not it follows `sent`. When a connection
 * has come to its end, nobody knows how much of what lies between tail and `sent` was taken, until the
 * server says so in the next one: then it is sent again from there. A server that knows nothing of this
 * client is another one than before. If the former had ended in order, it has said what it took. If not,
 * it was killed, and what it may have written must not be written twice: it is given up.
 */
#include <rpr/syslog.h>

#include "base/bytes.h"
#include "base/mutant.h"
#include "wire/syslog.h"

/* How long text waits for the answer to HELLO: short when nothing but acknowledgements is at stake. */
#define ANSWER_NS          UINT64_C(500000000)
#define ANSWER_AT_STAKE_NS UINT64_C(5000000000)

#define NS_PER_MS UINT64_C(1000000)

void rpr_syslog_ring_init(struct rpr_syslog_ring *ring, void *memory, uint32_t size, uint32_t life,
                          uint32_t delay_ms)
{
    memset(ring, 0, sizeof *ring);
    ring->memory = memory;
    ring->size = size;
    ring->life = life;
    ring->delay_ms = delay_ms;
}

uint32_t rpr_syslog_ring_room(const struct rpr_syslog_ring *ring)
{
    return ring->size - (ring->head - ring->tail);
}

uint32_t rpr_syslog_ring_pending(const struct rpr_syslog_ring *ring)
{
    return ring->head - ring->tail;
}

/* ---- writing ------------------------------------------------------------------------------------------- */

static uint8_t *at(const struct rpr_syslog_ring *ring, uint32_t position)
{
    return &ring->memory[position & (ring->size - 1)];
}

/* The oldest text that was not sent goes, to the end of a line, until `len` bytes find room. If part of
 * that line is with the server already, its newline stays: it must not be joined with the next one. */
static void drop_lines(struct rpr_syslog_ring *ring, uint32_t len)
{
    uint32_t from = ring->sent;
    uint32_t position = from;

    if (ring->mid_line)
        len++;
    while (ring->size - (ring->head - position) < len && position != ring->head) {
        while (position != ring->head && *at(ring, position) != '\n')
            position++;
        if (position != ring->head) {
            position++;
            ring->counters.dropped_lines++;
        }
    }
    if (ring->mid_line && position != from && *at(ring, position - 1) == '\n')
        position--;
    ring->counters.dropped += position - from;
    ring->sent = ring->tail = position;
}

static void make_room(struct rpr_syslog_ring *ring, uint32_t len)
{
    uint32_t room = rpr_syslog_ring_room(ring);
    uint32_t unsure = ring->sent - ring->tail;

    if (room >= len)
        return;
    if (unsure) {
        uint32_t given_up = len - room < unsure ? len - room : unsure;

        ring->tail += given_up;
        ring->counters.uncertain += given_up;
    }
    if (rpr_syslog_ring_room(ring) < len)
        drop_lines(ring, len);
}

static void copy_in(struct rpr_syslog_ring *ring, const uint8_t *text, uint32_t len)
{
    uint32_t first = ring->size - (ring->head & (ring->size - 1));

    if (first > len)
        first = len;
    memcpy(at(ring, ring->head), text, first);
    memcpy(ring->memory, text + first, len - first);
    ring->head += len;
}

void rpr_syslog_ring_write(struct rpr_syslog_ring *ring, uint64_t now_ns, const void *text,
                           uint32_t len)
{
    const uint8_t *from = text;

    ring->counters.written += len;
    if (len > ring->size - 1) { /* its end is worth as much as its beginning */
        ring->counters.dropped += len - (ring->size - 1);
        from += len - (ring->size - 1);
        len = ring->size - 1;
    }
    if (!len)
        return;
    make_room(ring, len);
    if (ring->head == ring->sent)
        ring->unsent_since_ns = now_ns;
    copy_in(ring, from, len);
}

/* ---- the server ---------------------------------------------------------------------------------------- */

void rpr_syslog_ring_bound(struct rpr_syslog_ring *ring, uint64_t now_ns)
{
    ring->server = RPR_SYSLOG_ASKED;
    ring->hello_due = true;
    ring->asked_ns = now_ns;
    ring->suspended = false;
    ring->echo_due = false;
}

void rpr_syslog_ring_unbound(struct rpr_syslog_ring *ring)
{
    ring->server = RPR_SYSLOG_NO_SERVER;
    ring->hello_due = false;
    ring->suspended = false;
    ring->echo_due = false;
}

static void send_again_from(struct rpr_syslog_ring *ring, uint32_t position)
{
    ring->counters.sent_again += ring->sent - position;
    ring->tail = ring->sent = position;
}

/* The server of before is not there, and this one has nothing of what was sent to it. */
static void other_server(struct rpr_syslog_ring *ring)
{
    if ((ring->ended && !MUTANT(end_in_order_is_forgotten)) ||
        MUTANT(killed_servers_text_is_sent_again)) {
        send_again_from(ring, ring->tail);
    } else {
        ring->counters.uncertain += ring->sent - ring->tail;
        ring->tail = ring->sent;
    }
    ring->ended = false;
}

static uint64_t answer_by(const struct rpr_syslog_ring *ring)
{
    return ring->asked_ns + (ring->sent != ring->tail ? ANSWER_AT_STAKE_NS : ANSWER_NS);
}

static void wait_no_longer(struct rpr_syslog_ring *ring)
{
    other_server(ring);
    ring->server = RPR_SYSLOG_PLAIN;
}

static void on_ack(struct rpr_syslog_ring *ring, uint32_t offset, bool is_end)
{
    bool was_asked = ring->server == RPR_SYSLOG_ASKED;

    if (offset - ring->tail > ring->sent - ring->tail) {
        /* Of what is kept no more, or never was sent: an answer that comes late says at least that there
         * will be more of them. */
        if (ring->server == RPR_SYSLOG_PLAIN && !is_end)
            ring->server = RPR_SYSLOG_ACKS;
        else
            ring->counters.ignored++;
        return;
    }
    if (was_asked && !MUTANT(rest_is_not_sent_again))
        send_again_from(ring, offset);
    else
        ring->tail = offset;
    ring->ended = is_end;
    ring->server = is_end ? RPR_SYSLOG_NO_SERVER : RPR_SYSLOG_ACKS; /* until it is unbound */
}

static void on_new(struct rpr_syslog_ring *ring)
{
    if (ring->server == RPR_SYSLOG_ASKED)
        other_server(ring);
    else if (ring->server != RPR_SYSLOG_PLAIN)
        ring->counters.ignored++;
    ring->server = RPR_SYSLOG_ACKS;
}

static void on_sync(struct rpr_syslog_ring *ring, const struct syslog_message *message)
{
    ring->echo_due = true;
    ring->echo_at = ring->head;
    ring->echo_life = message->life;
    ring->echo_cookie = message->cookie;
}

static bool take(struct rpr_syslog_ring *ring, const struct syslog_message *message)
{
    bool mine = message->life == ring->life;

    switch (message->kind) {
    case SYSLOG_TRANSFER:
    case SYSLOG_HELLO:
        return false;
    case SYSLOG_SUSPEND:
        ring->suspended = true;
        break;
    case SYSLOG_RESUME:
        ring->suspended = false;
        break;
    case SYSLOG_SYNC:
        on_sync(ring, message);
        break;
    case SYSLOG_ACK:
    case SYSLOG_END:
        if (mine)
            on_ack(ring, message->offset, message->kind == SYSLOG_END);
        else
            ring->counters.ignored++;
        break;
    case SYSLOG_NEW:
        if (mine)
            on_new(ring);
        else
            ring->counters.ignored++;
        break;
    }
    return true;
}

bool rpr_syslog_ring_receive(struct rpr_syslog_ring *ring, const void *data, uint32_t len)
{
    struct syslog_message message;
    uint8_t header[SYSLOG_MAX_HEADER] = {0};

    memcpy(header, data, len < sizeof header ? len : sizeof header);
    if (ring->server == RPR_SYSLOG_NO_SERVER || syslog_decode(&message, header, len)) {
        ring->counters.ignored++;
        return true;
    }
    return take(ring, &message);
}

/* ---- sending ------------------------------------------------------------------------------------------- */

static bool passed(uint32_t position, uint32_t mark)
{
    return (int32_t)(position - mark) >= 0;
}

/* Text that leaves now, of at most `most` bytes: whole lines, if there is the end of one. */
static uint32_t text_due(const struct rpr_syslog_ring *ring, uint64_t now_ns, uint32_t most,
                         bool flush)
{
    uint32_t unsent = ring->head - ring->sent;
    uint32_t n = unsent < most ? unsent : most;
    bool synced = ring->echo_due && !passed(ring->sent, ring->echo_at);

    if (!unsent || (ring->suspended && !synced))
        return 0;
    if (!flush && !synced && unsent < most && unsent <= ring->size - ring->size / 4 &&
        (!ring->delay_ms || now_ns < ring->unsent_since_ns + ring->delay_ms * NS_PER_MS))
        return 0;
    for (uint32_t end = n; end; end--)
        if (*at(ring, ring->sent + end - 1) == '\n' && !MUTANT(message_ends_within_a_line))
            return end;
    return n;
}

static void copy_out(const struct rpr_syslog_ring *ring, uint8_t *to, uint32_t len)
{
    uint32_t first = ring->size - (ring->sent & (ring->size - 1));

    if (first > len)
        first = len;
    memcpy(to, at(ring, ring->sent), first);
    memcpy(to + first, ring->memory, len - first);
}

static bool choose(struct rpr_syslog_ring *ring, uint64_t now_ns, uint32_t size, bool flush,
                   struct syslog_message *message)
{
    if (ring->server == RPR_SYSLOG_ASKED && !ring->hello_due && now_ns >= answer_by(ring))
        wait_no_longer(ring);
    if (ring->server == RPR_SYSLOG_NO_SERVER)
        return false;
    message->kind = SYSLOG_HELLO;
    message->life = ring->life;
    message->offset = ring->sent;
    message->window = ring->size;
    if (ring->hello_due)
        return true;
    if (ring->server == RPR_SYSLOG_ASKED)
        return false;
    message->kind = SYSLOG_TRANSFER;
    message->count = text_due(ring, now_ns, size - SYSLOG_TEXT_AT, flush);
    if (message->count)
        return true;
    message->kind = SYSLOG_SYNC;
    message->life = ring->echo_life;
    message->cookie = ring->echo_cookie;
    return ring->echo_due && passed(ring->sent, ring->echo_at);
}

uint32_t rpr_syslog_ring_next(struct rpr_syslog_ring *ring, uint64_t now_ns, void *buffer,
                              uint32_t size, bool flush)
{
    struct syslog_message message = {.kind = SYSLOG_SYNC};
    uint8_t header[SYSLOG_MAX_HEADER];
    uint32_t len;

    if (size < RPR_SYSLOG_MESSAGE_MIN || !choose(ring, now_ns, size, flush, &message))
        return 0;
    len = (uint32_t)syslog_encode(header, &message);
    ring->next_kind = (uint8_t)message.kind;
    ring->next_len = message.count;
    if (buffer) {
        memcpy(buffer, header, len);
        copy_out(ring, (uint8_t *)buffer + len, message.count);
    }
    return len + message.count;
}

void rpr_syslog_ring_sent(struct rpr_syslog_ring *ring, uint64_t now_ns)
{
    switch (ring->next_kind) {
    case SYSLOG_HELLO:
        ring->hello_due = false;
        ring->asked_ns = now_ns;
        break;
    case SYSLOG_SYNC:
        ring->echo_due = false;
        break;
    default:
        ring->sent += ring->next_len;
        ring->mid_line = *at(ring, ring->sent - 1) != '\n';
        ring->unsent_since_ns = now_ns;
        ring->counters.messages++;
        if (ring->server == RPR_SYSLOG_PLAIN)
            ring->tail = ring->sent;
        break;
    }
}

uint64_t rpr_syslog_ring_due(const struct rpr_syslog_ring *ring)
{
    if (ring->server == RPR_SYSLOG_NO_SERVER)
        return RPR_POLL_IDLE;
    if (ring->hello_due)
        return RPR_POLL_MORE;
    if (ring->server == RPR_SYSLOG_ASKED)
        return answer_by(ring);
    if (ring->echo_due)
        return RPR_POLL_MORE;
    if (ring->head == ring->sent || ring->suspended)
        return RPR_POLL_IDLE;
    if (ring->head - ring->sent > ring->size - ring->size / 4)
        return RPR_POLL_MORE;
    return ring->delay_ms ? ring->unsent_since_ns + ring->delay_ms * NS_PER_MS : RPR_POLL_IDLE;
}
