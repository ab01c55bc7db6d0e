/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The connection over a serial wire (SPEC, "serial", chapter 3): who is there, who is awake, what
 * may be sent. It sees bytes that are not data, and events; it knows no clock, no buffer, no frame.
 * All timers of the link are in connection.c.
 *
 * What it wants sent waits in `out`, and goes before anything else. Sessions begin and end inside
 * of its calls, by the operations: whoever called it must look anew at what it had in hand.
 */
#ifndef SERIAL_CONNECTION_H
#define SERIAL_CONNECTION_H

#include <rpr/serial.h>

/* Named by what has happened. */
enum connection_state {
    CONNECTION_CLOSED,     /* nobody wants it */
    CONNECTION_NO_CARRIER, /* wanted, and the wire is not there */
    CONNECTION_WAKING,     /* the wire is there; the peer has not answered STAYWAKE yet */
    CONNECTION_ASKED,      /* CONNREQ was sent */
    CONNECTION_CONNECTED,
    CONNECTION_CLOSING, /* still connected, for what is queued and POWEROFF; no session any more */
    CONNECTION_SAID_BYE /* POWEROFF waits to be written */
};

/* May we send? Other than RELAXWAKE says, the peer's own sending has nothing to do with it. */
enum connection_wake { WAKE_ASLEEP, WAKE_WAKING, WAKE_AWAKE };

struct connection_ops {
    /* A session begins; false, before anything else was called: no memory, stay unconnected. */
    bool (*begin)(void *ctx);
    void (*end)(void *ctx, const char *reason);
    void (*power)(void *ctx, bool running);
    void (*closed)(void *ctx); /* after connection_close(), possibly inside of it */
};

enum connection_timer {
    TIMER_WAKE,      /* STAYWAKE again; or the first, after a rest */
    TIMER_ASK,       /* CONNREQ again */
    TIMER_DOUBT,     /* nothing followed a control byte */
    TIMER_RELAX,     /* silence */
    TIMER_HALF_OPEN, /* no START since we announced ourselves */
    TIMER_CLOSE,     /* waited long enough for what was queued */
    TIMER_OUTPUT,    /* look at the carrier's output queue again */
    TIMER_WORDS,     /* no word of the name service came: see poke() */
    TIMER_PAUSE,     /* it has had a while to say that it has something to send */
    N_TIMERS
};

struct serial_counters {
#define RPR_COUNTER_FIELD(name) uint64_t name;
    RPR_SERIAL_COUNTERS(RPR_COUNTER_FIELD)
#undef RPR_COUNTER_FIELD
};

/* Of NuttX's read: it takes up to 256 bytes, and parses all of them before it frees a buffer. */
#define CHUNK_BYTES  256u
#define CHUNK_STARTS 4u

struct connection {
    const struct connection_ops *ops;
    void *ctx;
    struct serial_counters *count;
    uint64_t relax_ns;
    uint32_t window;
    enum connection_state state;
    enum connection_wake wake;
    uint64_t timer[N_TIMERS]; /* when; RPR_POLL_IDLE: not running */

    /* connecting */
    bool second;            /* of the two pairs of STAYWAKE and its ACK, we use the second one */
    uint8_t n_asked;        /* CONNREQs since this attempt began: says how long to wait */
    bool started;           /* START came since the last CONNREQ, or in this session */
    uint32_t unanswered;    /* CONNREQs that a CONNACK may come for */
    uint64_t rest_until_ns; /* not before: a POWEROFF of ours is believed if nothing follows */
    uint64_t asked_ns;      /* when the last one was sent */
    uint64_t heard_ns;      /* when anything came last */
    bool by_connreq;        /* the session began with a CONNREQ of the peer */
    bool confirmed;         /* CONNACK has come in this session, or began it */
    bool half_open_done;    /* H-31: once, until a START comes */
    bool announced;         /* a frame of this session was written */

    /* believing */
    uint8_t doubted;    /* control byte that the next byte decides about; 0: none */
    uint8_t power_byte; /* SUSPEND or RESUME inside the frame that is not complete; 0: none */

    /* sending */
    bool ours;            /* the peer needs no window */
    bool lossy;           /* but the wire does; set after init */
    uint32_t undrained;   /* frames since the last sign that the peer drained */
    bool wary;            /* it may be announcing, and then what else is a sign is none */
    bool holds;           /* it said STAYWAKE, and not RELAXWAKE since */
    uint32_t owed;        /* frames since it was known to have drained, less those that it sent */
    uint64_t woke_ns;     /* our last STAYWAKE, and */
    uint64_t answered_ns; /* its last answer */
    bool poked;           /* it has answered STAYWAKE since the last word or frame */
    uint32_t n_starts;    /* of them, in start_at: where the last CHUNK_STARTS began */
    uint64_t start_at[CHUNK_STARTS];
    bool writing;        /* a frame has begun and is not written yet */
    uint64_t traffic_ns; /* last frame, either way */
    uint32_t n_out;
    uint8_t out[32]; /* control bytes to be written, oldest first */
};

void connection_init(struct connection *c, const struct connection_ops *ops, void *ctx,
                     struct serial_counters *count, uint32_t window, uint64_t relax_ns);

/* ---- what is wanted --------------------------------------------------------------------------- */

void connection_open(struct connection *c);

/* What is queued is sent, then POWEROFF, then ops.closed(): at most half a second from the next
 * connection_on_time() on. If there is no session: at once. */
void connection_close(struct connection *c);

/* There is no more time for that: POWEROFF now. */
void connection_hurry(struct connection *c, uint64_t now);

/* SUSPEND or RESUME; only while connected. */
void connection_power(struct connection *c, bool running);

/* ---- what happened ---------------------------------------------------------------------------- */

void connection_on_carrier(struct connection *c, uint64_t now);
void connection_on_no_carrier(struct connection *c, const char *reason);
void connection_on_input(struct connection *c, uint64_t now);

/* `byte` comes next: before it is decoded. */
void connection_on_next(struct connection *c, uint8_t byte, uint64_t now);
void connection_on_control(struct connection *c, uint8_t byte, bool in_frame, uint64_t now);
void connection_on_start(struct connection *c);
void connection_on_frame(struct connection *c, bool good, uint64_t now);
void connection_on_word(struct connection *c, uint64_t now); /* in a frame: of the name service */

/* The carrier has taken the first `n` bytes of `out`. */
void connection_on_written(struct connection *c, size_t n, uint64_t now);

/* Everything is written: all frames that had begun, and (`empty`) no other waits. */
void connection_on_drained(struct connection *c, bool empty, uint64_t now);

/* The peer says that it is a node of this project. */
void connection_on_ours(struct connection *c);

void connection_on_time(struct connection *c, uint64_t now);
uint64_t connection_deadline(const struct connection *c);

/* ---- sending ----------------------------------------------------------------------------------- */

/* There is a frame to send: may it begin now, at byte `at` of all that this link ever sends? If not,
 * it is seen to that it may in a while. `written`: no byte of former ones is still to be written. */
bool connection_may_send(struct connection *c, uint64_t at, bool written, uint64_t now);

/* It has begun. */
void connection_on_sent(struct connection *c, uint64_t at, uint64_t now);

/* It is of the name service. */
void connection_on_word_sent(struct connection *c);

/* Is there a session, or what is queued of one? */
bool connection_is_up(const struct connection *c);

/* Look again soon: the output queue of the carrier is full. */
void connection_wait_output(struct connection *c, uint64_t now);

const char *connection_state_name(const struct connection *c);
const char *connection_wake_name(const struct connection *c);

#endif
