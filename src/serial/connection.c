/* SPDX-License-Identifier: Apache-2.0 */
#include "serial/connection.h"

#include "base/bytes.h"
#include "base/check.h"
#include "serial/swar.h"

#define MS(n) ((uint64_t)(n)*1000000u)

#define WAKE_AGAIN_NS     MS(100) /* WIRE 4.4: the peer does the same */
#define DOUBT_NS          MS(20)
#define HALF_OPEN_NS      MS(2000)  /* H-31 */
#define DEAF_NS           MS(10000) /* it sends frames, and does not answer our CONNREQ */
#define ANSWERABLE_NS     MS(30000) /* a CONNREQ that nobody answered for so long was lost */
#define CLOSE_NS          MS(500)
#define POWEROFF_REST_NS  MS(1000) /* a peer that powers off may answer for another moment */
#define NO_MEMORY_REST_NS MS(1000)
#define BYE_REST_NS       MS(25) /* our own POWEROFF is believed only if nothing follows it */
#define OUTPUT_NS         MS(1) / 2
#define WORDS_PAUSE_NS    MS(10) /* NuttX announces as long as it has buffers */
#define WORDS_END_NS      MS(50) /* and had a byte to go on by */
#define PAUSE_NS          MS(2)
#define PAUSE_MOST_NS     MS(50)
#define HELD_NS           MS(200) /* it is awake for so long and sends nothing: its RELAXWAKE was lost */

static void start(struct connection *c, enum connection_timer timer, uint64_t at)
{
    c->timer[timer] = at;
}

static void stop(struct connection *c, enum connection_timer timer)
{
    c->timer[timer] = RPR_POLL_IDLE;
}

static void stop_all(struct connection *c)
{
    for (unsigned i = 0; i < N_TIMERS; i++)
        c->timer[i] = RPR_POLL_IDLE;
}

void connection_init(struct connection *c, const struct connection_ops *ops, void *ctx,
                     struct serial_counters *count, uint32_t window, uint64_t relax_ns)
{
    memset(c, 0, sizeof *c);
    c->ops = ops;
    c->ctx = ctx;
    c->count = count;
    c->window = window;
    c->relax_ns = relax_ns;
    stop_all(c);
}

static void finish(struct connection *c)
{
    stop_all(c);
    c->n_out = 0;
    c->doubted = c->power_byte = 0;
    c->state = CONNECTION_CLOSED;
    c->ops->closed(c->ctx);
}

/* ---- control bytes ----------------------------------------------------------------------------- */

/* Answers to STAYWAKE are one for each, as long as they are written; the rest of the room is for what
 * is said once. */
static void say(struct connection *c, uint8_t byte)
{
    bool answer = byte == RPR_UART_STAYWAKEACK1 || byte == RPR_UART_STAYWAKEACK2;

    if (c->n_out < sizeof c->out - (answer ? 16 : 0))
        c->out[c->n_out++] = byte;
}

void connection_on_written(struct connection *c, size_t n, uint64_t now)
{
    c->n_out -= (uint32_t)n;
    memmove(c->out, c->out + n, c->n_out);
    if (c->n_out || c->state != CONNECTION_SAID_BYE)
        return;
    c->rest_until_ns = now + BYE_REST_NS;
    finish(c);
}

/* ---- waking the peer --------------------------------------------------------------------------- */

static void stay_wake(struct connection *c, uint64_t now)
{
    say(c, c->second ? RPR_UART_STAYWAKE2 : RPR_UART_STAYWAKE1);
    c->count->staywakes++;
    c->woke_ns = now;
    c->wake = WAKE_WAKING;
    start(c, TIMER_WAKE, now + WAKE_AGAIN_NS);
}

static void relax(struct connection *c)
{
    stop(c, TIMER_RELAX);
    if (c->wake != WAKE_AWAKE)
        return;
    say(c, RPR_UART_RELAXWAKE);
    c->wake = WAKE_ASLEEP;
    c->second = !c->second && !MUTANT(every_wake_up_is_the_first);
}

static void drained(struct connection *c)
{
    if (!c->wary || MUTANT(announcing_peer_is_believed))
        c->undrained = c->n_starts = 0;
}

/* ---- a peer that answers -------------------------------------------------------------------------- */

/* A callback of NuttX that waits for a transmit buffer reads on, keeps what it reads, and answers STAYWAKE; and
 * for as long as there is something to read, the thread that would send does not run (B1). So an
 * answer proves that it has room for what it read, and no more. What each of our frames may owe it,
 * a frame, is counted; two windows of them are less than what NuttX has buffers for. When they are
 * used up, and not by what it sent, it has a while to itself: if it has anything to send, it says so. */
static bool owes_too_much(const struct connection *c)
{
    return !c->ours && c->owed >= 2 * c->window && !MUTANT(answer_inside_a_callback_is_believed);
}

/* The slower it was to answer, the longer. */
static void pause_begins(struct connection *c, uint64_t now)
{
    uint64_t slow = (c->answered_ns - c->woke_ns) / 2;

    start(c, TIMER_PAUSE,
          now + (c->holds ? HELD_NS : PAUSE_NS + (slow < PAUSE_MOST_NS ? slow : PAUSE_MOST_NS)));
}

static void pause_again(struct connection *c, uint64_t now)
{
    if (c->timer[TIMER_PAUSE] != RPR_POLL_IDLE)
        pause_begins(c, now);
}

static void pause_ends(struct connection *c)
{
    stop(c, TIMER_PAUSE);
    c->owed = 0;
}

static void on_staywake(struct connection *c, uint8_t answer, uint64_t now)
{
    say(c, answer);
    c->holds = true;
    pause_again(c, now);
}

static void on_relaxwake(struct connection *c, uint64_t now)
{
    c->holds = false;
    drained(c);
    pause_again(c, now);
}

/* ---- a peer that announces ----------------------------------------------------------------------- */

/* NuttX announces all its services in one go, on the thread that reads. When its transmit buffers are
 * used up that thread reads on, answers STAYWAKE, keeps what it reads, and goes on announcing after
 * any byte. So neither RELAXWAKE nor STAYWAKEACK nor silence proves that it has drained; but it has
 * if it answered STAYWAKE, and says no word for a while after it. Who has words to say is asked as
 * soon as it pauses, for that byte; else it is asked when there is something to send. */
static void wait_for_words(struct connection *c, uint64_t now)
{
    c->poked = false;
    start(c, TIMER_WORDS, now + WORDS_PAUSE_NS);
}

void connection_on_word(struct connection *c, uint64_t now)
{
    c->wary = !c->ours;
    if (c->wary)
        wait_for_words(c, now);
}

void connection_on_word_sent(struct connection *c)
{
    c->wary = !c->ours;
    c->poked = false;
}

static void trust(struct connection *c)
{
    stop(c, TIMER_WORDS);
    c->wary = c->poked = false;
    drained(c);
    pause_ends(c);
}

static void poke(struct connection *c, uint64_t now)
{
    if (!c->wary || !connection_is_up(c) || c->wake == WAKE_WAKING)
        return; /* on_awake() */
    if (c->poked) {
        trust(c);
    } else if (c->writing) {
        wait_for_words(c, now); /* it must not overtake what it is to follow */
    } else {
        relax(c);
        stay_wake(c, now);
    }
}

/* ---- connecting -------------------------------------------------------------------------------- */

/* 1, 2, 4, then 5 seconds. */
static uint64_t patience(const struct connection *c)
{
    static const uint8_t seconds[] = {1, 2, 4, 5};
    unsigned i = c->n_asked ? c->n_asked - 1u : 0;

    return MS(1000) * seconds[i < sizeof seconds ? i : sizeof seconds - 1];
}

static void ask(struct connection *c, uint64_t now)
{
    say(c, RPR_UART_CONNREQ);
    c->count->connreqs++;
    c->state = CONNECTION_ASKED;
    c->unanswered++;
    c->asked_ns = now;
    c->started = false;
    if (c->n_asked < UINT8_MAX)
        c->n_asked++;
    if (!MUTANT(connreq_is_said_once))
        start(c, TIMER_ASK, now + patience(c));
}

/* Nobody is connected; begin from the start, after a rest of `rest` ns. */
static void attempt(struct connection *c, uint64_t rest, uint64_t now)
{
    stop_all(c);
    c->state = CONNECTION_WAKING;
    c->n_asked = 0;
    relax(c); /* an answer from now on is one to what we say from now on */
    c->wake = WAKE_ASLEEP;
    if (rest)
        start(c, TIMER_WAKE, now + rest);
    else
        stay_wake(c, now);
}

/* A CONNREQ that comes too often tears a NuttX peer down, and can crash it. So only after silence,
 * and not at all once it sends frames: then it is connected. (If it goes on like that for long
 * without an answer, it is in a session that we are not in.) */
static void ask_again(struct connection *c, uint64_t now)
{
    uint64_t from = c->heard_ns > c->asked_ns ? c->heard_ns : c->asked_ns;
    uint64_t due = c->started && !MUTANT(connreq_to_who_is_connected) ? c->asked_ns + DEAF_NS
                                                                      : from + patience(c);

    if (c->state != CONNECTION_ASKED)
        return;
    if (now < due)
        start(c, TIMER_ASK, due);
    else
        ask(c, now);
}

static void on_awake(struct connection *c, uint64_t now)
{
    c->wake = WAKE_AWAKE;
    stop(c, TIMER_WAKE);
    c->answered_ns = now;
    drained(c);
    if (owes_too_much(c))
        pause_begins(c, now);
    if (c->wary) {
        c->poked = true;
        start(c, TIMER_WORDS, now + WORDS_END_NS);
    }
    c->traffic_ns = now;
    if (c->state == CONNECTION_WAKING)
        ask(c, now);
}

/* One that has not left yet would be one too many. */
static void unask(struct connection *c)
{
    uint32_t n = 0;

    for (uint32_t i = 0; i < c->n_out; i++) {
        if (c->out[i] != RPR_UART_CONNREQ) {
            c->out[n++] = c->out[i];
        } else {
            c->count->connreqs--;
            c->unanswered -= c->unanswered != 0;
        }
    }
    c->n_out = n;
}

/* ---- sessions ---------------------------------------------------------------------------------- */

static void begin(struct connection *c, bool by_connreq, uint64_t now)
{
    uint32_t n_out;

    if (!MUTANT(connreq_outlives_its_answer))
        unask(c);
    n_out = c->n_out;
    stop(c, TIMER_ASK);
    stop(c, TIMER_HALF_OPEN);
    if (c->wake == WAKE_ASLEEP)
        stop(c, TIMER_WAKE);
    trust(c);
    c->by_connreq = by_connreq;
    c->confirmed = !by_connreq;
    c->started = c->announced = c->ours = false;
    c->power_byte = 0;
    c->n_asked = 0;
    c->traffic_ns = now;
    c->state = CONNECTION_CONNECTED;
    c->wary = true; /* it announces */
    if (by_connreq)
        say(c, RPR_UART_CONNACK);
    if (c->ops->begin(c->ctx))
        return; /* after which anything may be */
    c->n_out = n_out;
    attempt(c, NO_MEMORY_REST_NS, now);
}

/* The session is over; the state says what comes next when the operation is called, which may call
 * anything. */
static void end(struct connection *c, enum connection_state next, const char *reason)
{
    stop_all(c);
    c->doubted = 0;
    c->power_byte = 0;
    c->ours = c->wary = false;
    c->state = next;
    c->ops->end(c->ctx, reason);
}

static void end_and_attempt(struct connection *c, uint64_t rest, const char *reason, uint64_t now)
{
    end(c, CONNECTION_WAKING, reason);
    if (c->state == CONNECTION_WAKING)
        attempt(c, rest, now);
}

static void on_connreq(struct connection *c, uint64_t now)
{
    c->count->connreqs_rx++;
    if (c->state == CONNECTION_CLOSING) {
        finish(c);
        return;
    }
    if (c->state == CONNECTION_CONNECTED) {
        c->count->peer_restarts++;
        end(c, CONNECTION_WAKING, "the peer began anew");
        if (c->state != CONNECTION_WAKING)
            return;
        if (c->wake == WAKE_AWAKE && !MUTANT(new_peer_is_believed_awake))
            c->wake = WAKE_ASLEEP; /* who it is now was not woken */
        else if (c->wake == WAKE_WAKING)
            start(c, TIMER_WAKE, now + WAKE_AGAIN_NS);
    }
    begin(c, true, now);
}

/* With each CONNACK the peer begins a session. What it began before, between that and this one, we have
 * heard in ours: two of its sessions in one of ours would be bound to addresses that are no more. The
 * first one is of the same session as its CONNREQ, if ours crossed that. */
static void on_connack(struct connection *c, uint64_t now)
{
    bool answer = c->unanswered && now - c->asked_ns < ANSWERABLE_NS;

    c->count->connacks_rx++;
    c->unanswered = answer ? c->unanswered - 1 : 0;
    if (c->state == CONNECTION_ASKED ||
        (c->state == CONNECTION_WAKING && MUTANT(connack_begins_what_was_given_up))) {
        begin(c, false, now);
    } else if (c->state == CONNECTION_CONNECTED && answer &&
               ((!c->confirmed && !c->started) || MUTANT(any_answer_confirms))) {
        c->confirmed = true;
    } else if (c->state == CONNECTION_CONNECTED && !MUTANT(connack_of_nothing_is_ignored)) {
        c->count->peer_restarts++;
        end_and_attempt(c, 0,
                        answer ? "the peer answered more than once"
                               : "the peer began a session that we did not ask for",
                        now);
    }
}

static void on_poweroff(struct connection *c, uint64_t now)
{
    if (c->state == CONNECTION_CLOSING) {
        finish(c);
        return;
    }
    c->count->poweroffs++;
    end_and_attempt(c, POWEROFF_REST_NS, "the peer powered off", now);
}

/* ---- what to believe ---------------------------------------------------------------------------- */

static void believe(struct connection *c, uint64_t now)
{
    uint8_t byte = c->doubted;

    c->doubted = 0;
    stop(c, TIMER_DOUBT);
    switch (byte) {
    case RPR_UART_CONNREQ:
        on_connreq(c, now);
        break;
    case RPR_UART_CONNACK:
        on_connack(c, now);
        break;
    case RPR_UART_POWEROFF:
        on_poweroff(c, now);
        break;
    default:
        if (c->state == CONNECTION_CONNECTED)
            c->ops->power(c->ctx, byte == RPR_UART_RESUME);
        break;
    }
}

/* A byte of a frame that became one of these by noise has the rest of its frame behind it. */
void connection_on_next(struct connection *c, uint8_t byte, uint64_t now)
{
    if (!c->doubted)
        return;
    if ((c->doubted == RPR_UART_POWEROFF || !swar_is_special(byte) || byte == RPR_UART_ESCAPE ||
         byte == RPR_UART_END) &&
        !MUTANT(noise_is_believed)) {
        c->doubted = 0;
        c->count->noise++;
        stop(c, TIMER_DOUBT);
    } else {
        believe(c, now);
    }
}

static void doubt(struct connection *c, uint8_t byte, uint64_t now)
{
    c->doubted = byte;
    start(c, TIMER_DOUBT, now + DOUBT_NS);
}

/* Inside a frame only the frame can tell: with one byte turned into another, it is too short. */
static void on_power(struct connection *c, uint8_t byte, bool in_frame, uint64_t now)
{
    if (c->state != CONNECTION_CONNECTED)
        return;
    if (in_frame && !MUTANT(power_byte_of_noise_is_believed))
        c->power_byte = byte;
    else
        doubt(c, byte, now);
}

static void on_ack(struct connection *c, uint8_t byte, uint64_t now)
{
    uint8_t wanted = c->second ? RPR_UART_STAYWAKEACK2 : RPR_UART_STAYWAKEACK1;

    if (c->wake == WAKE_WAKING && (byte == wanted || MUTANT(any_answer_wakes)))
        on_awake(c, now);
}

void connection_on_control(struct connection *c, uint8_t byte, bool in_frame, uint64_t now)
{
    if (c->state == CONNECTION_CLOSED || c->state == CONNECTION_SAID_BYE)
        return;
    switch (byte) {
    case RPR_UART_STAYWAKE1:
        on_staywake(c, RPR_UART_STAYWAKEACK1, now);
        break;
    case RPR_UART_STAYWAKE2:
        on_staywake(c, RPR_UART_STAYWAKEACK2, now);
        break;
    case RPR_UART_STAYWAKEACK1:
    case RPR_UART_STAYWAKEACK2:
        on_ack(c, byte, now);
        break;
    case RPR_UART_RELAXWAKE:
        on_relaxwake(c, now);
        break;
    case RPR_UART_SUSPEND:
    case RPR_UART_RESUME:
        on_power(c, byte, in_frame, now);
        break;
    default: /* CONNREQ, CONNACK, POWEROFF */
        if (connection_is_up(c)) {
            doubt(c, byte, now);
        } else if (byte != RPR_UART_POWEROFF) {
            c->doubted = byte;
            believe(c, now);
        }
        break;
    }
}

void connection_on_input(struct connection *c, uint64_t now)
{
    c->heard_ns = now;
}

void connection_on_start(struct connection *c)
{
    c->started = true;
    c->half_open_done = false;
    stop(c, TIMER_HALF_OPEN);
}

void connection_on_frame(struct connection *c, bool good, uint64_t now)
{
    uint8_t power = c->power_byte;

    c->power_byte = 0;
    c->traffic_ns = now;
    c->owed -= good && c->owed;
    pause_again(c, now);
    if (!power)
        return;
    if (good && c->state == CONNECTION_CONNECTED)
        c->ops->power(c->ctx, power == RPR_UART_RESUME);
    else
        c->count->noise++;
}

void connection_on_ours(struct connection *c)
{
    c->ours = true;
    trust(c);
}

/* ---- sending ------------------------------------------------------------------------------------ */

bool connection_is_up(const struct connection *c)
{
    return c->state == CONNECTION_CONNECTED || c->state == CONNECTION_CLOSING;
}

/* NuttX hangs for good if more frames come than it has buffers, or too many at once; and some wires
 * lose what is not read in time. */
static bool has_room(const struct connection *c, uint64_t at)
{
    if (c->ours && !c->lossy)
        return true;
    if ((c->undrained >= c->window || owes_too_much(c)) && !MUTANT(window_is_ignored))
        return false;
    return c->ours || MUTANT(starts_come_as_they_may) || c->n_starts < CHUNK_STARTS ||
           at - c->start_at[c->n_starts % CHUNK_STARTS] >= CHUNK_BYTES;
}

bool connection_may_send(struct connection *c, uint64_t at, bool written, uint64_t now)
{
    if (!connection_is_up(c) || c->wake == WAKE_WAKING)
        return false;
    if (c->wary && !has_room(c, at)) {
        if (c->timer[TIMER_WORDS] == RPR_POLL_IDLE)
            wait_for_words(c, now);
        return false; /* poke() asks */
    }
    if (c->wake == WAKE_AWAKE) {
        if (has_room(c, at)) {
            stop(c, TIMER_PAUSE);
            return true;
        }
        if (owes_too_much(c) && c->timer[TIMER_PAUSE] != RPR_POLL_IDLE)
            return false;
        if (!written && !MUTANT(wake_up_overtakes_what_is_written))
            return false; /* what asks the peer whether it drained must not overtake what it has to */
        c->count->waits++;
        relax(c);
    }
    stay_wake(c, now);
    return false;
}

void connection_on_sent(struct connection *c, uint64_t at, uint64_t now)
{
    c->start_at[c->n_starts++ % CHUNK_STARTS] = at;
    c->undrained++;
    c->owed++;
    c->poked = false;
    stop(c, TIMER_WORDS);
    c->traffic_ns = now;
    c->writing = true;
}

static void watch_half_open(struct connection *c, uint64_t now)
{
    c->announced = true;
    if (c->by_connreq && !c->started && !c->half_open_done &&
        !MUTANT(half_open_session_is_not_found_out))
        start(c, TIMER_HALF_OPEN, now + HALF_OPEN_NS);
}

static void bye(struct connection *c)
{
    say(c, RPR_UART_POWEROFF);
    c->doubted = 0;
    c->state = CONNECTION_SAID_BYE;
}

/* All is written that was to be: next is POWEROFF, to a peer that is awake. */
static void say_bye(struct connection *c, uint64_t now)
{
    if (c->wake == WAKE_ASLEEP)
        stay_wake(c, now);
    if (c->wake == WAKE_AWAKE)
        bye(c);
}

void connection_on_drained(struct connection *c, bool empty, uint64_t now)
{
    c->writing = false;
    if (c->state == CONNECTION_CONNECTED && !c->announced && c->undrained)
        watch_half_open(c, now);
    if (!empty)
        return;
    if (c->state == CONNECTION_CLOSING)
        say_bye(c, now);
    else if (c->state == CONNECTION_CONNECTED && c->wake == WAKE_AWAKE &&
             c->timer[TIMER_RELAX] == RPR_POLL_IDLE)
        start(c, TIMER_RELAX, c->traffic_ns + c->relax_ns);
}

void connection_wait_output(struct connection *c, uint64_t now)
{
    start(c, TIMER_OUTPUT, now + OUTPUT_NS);
}

void connection_power(struct connection *c, bool running)
{
    if (c->state == CONNECTION_CONNECTED)
        say(c, running ? RPR_UART_RESUME : RPR_UART_SUSPEND);
}

/* ---- what is wanted ------------------------------------------------------------------------------ */

static void forget(struct connection *c)
{
    c->n_out = 0;
    c->doubted = c->power_byte = 0;
    c->unanswered = 0;
    c->wake = WAKE_ASLEEP;
    c->second = c->half_open_done = c->started = c->holds = false;
    c->owed = 0;
}

void connection_open(struct connection *c)
{
    forget(c);
    c->state = CONNECTION_NO_CARRIER;
}

void connection_close(struct connection *c)
{
    if (c->state == CONNECTION_CONNECTED)
        c->state = CONNECTION_CLOSING;
    else
        finish(c);
}

void connection_on_carrier(struct connection *c, uint64_t now)
{
    if (c->state != CONNECTION_NO_CARRIER)
        return;
    forget(c);
    attempt(c, c->rest_until_ns > now ? c->rest_until_ns - now : 0, now);
}

void connection_on_no_carrier(struct connection *c, const char *reason)
{
    bool connected = c->state == CONNECTION_CONNECTED;

    if (c->state == CONNECTION_CLOSED)
        return;
    forget(c);
    if (c->state == CONNECTION_CLOSING || c->state == CONNECTION_SAID_BYE) {
        finish(c);
        return;
    }
    stop_all(c);
    c->state = CONNECTION_NO_CARRIER;
    if (connected)
        c->ops->end(c->ctx, reason);
}

/* ---- time ----------------------------------------------------------------------------------------- */

static void half_open(struct connection *c, uint64_t now)
{
    if (c->state != CONNECTION_CONNECTED)
        return;
    c->half_open_done = true;
    c->count->half_open++;
    end(c, CONNECTION_WAKING, "the peer does not know that it is connected");
    if (c->state != CONNECTION_WAKING)
        return;
    if (c->wake == WAKE_AWAKE)
        ask(c, now);
    else
        attempt(c, 0, now);
}

static void silence(struct connection *c, uint64_t now)
{
    if (c->state != CONNECTION_CONNECTED || c->wake != WAKE_AWAKE)
        return;
    if (c->writing)
        start(c, TIMER_RELAX, now + c->relax_ns);
    else if (now < c->traffic_ns + c->relax_ns)
        start(c, TIMER_RELAX, c->traffic_ns + c->relax_ns);
    else
        relax(c);
}

/* Who does not take in time what was queued for him hears POWEROFF at least, if it can be written. */
static void close_late(struct connection *c, uint64_t now)
{
    if (c->state == CONNECTION_SAID_BYE) {
        finish(c);
        return;
    }
    stop(c, TIMER_WAKE);
    c->n_out = 0;
    bye(c);
    start(c, TIMER_CLOSE, now + BYE_REST_NS);
}

void connection_hurry(struct connection *c, uint64_t now)
{
    if (c->state == CONNECTION_CLOSING)
        close_late(c, now);
}

static void fire(struct connection *c, enum connection_timer timer, uint64_t now)
{
    switch (timer) {
    case TIMER_WAKE:
        stay_wake(c, now);
        break;
    case TIMER_ASK:
        ask_again(c, now);
        break;
    case TIMER_DOUBT:
        if (c->doubted)
            believe(c, now);
        break;
    case TIMER_RELAX:
        silence(c, now);
        break;
    case TIMER_HALF_OPEN:
        half_open(c, now);
        break;
    case TIMER_WORDS:
        poke(c, now);
        break;
    case TIMER_PAUSE:
        pause_ends(c);
        break;
    case TIMER_CLOSE:
        close_late(c, now);
        break;
    default: /* TIMER_OUTPUT: the link looks at its output after each call */
        break;
    }
}

void connection_on_time(struct connection *c, uint64_t now)
{
    if (c->state == CONNECTION_CLOSING && c->timer[TIMER_CLOSE] == RPR_POLL_IDLE)
        start(c, TIMER_CLOSE, now + CLOSE_NS);
    for (unsigned i = 0; i < N_TIMERS; i++) {
        if (c->timer[i] > now)
            continue;
        stop(c, (enum connection_timer)i);
        fire(c, (enum connection_timer)i, now);
    }
}

uint64_t connection_deadline(const struct connection *c)
{
    uint64_t first = RPR_POLL_IDLE;

    for (unsigned i = 0; i < N_TIMERS; i++)
        if (c->timer[i] < first)
            first = c->timer[i];
    return first;
}

const char *connection_state_name(const struct connection *c)
{
    static const char *const names[] = {"closed",    "no carrier", "waking", "asked",
                                        "connected", "closing",    "closing"};

    return names[c->state];
}

const char *connection_wake_name(const struct connection *c)
{
    static const char *const names[] = {"asleep", "waking", "awake"};

    return names[c->wake];
}
