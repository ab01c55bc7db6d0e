/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Link over a stream of bytes with NuttX's UART frames (SPEC, "serial"). The platform moves bytes:
 * it is the *carrier* (a tty, a pseudo terminal, a socket); the link does the rest: frames, the
 * connection, keeping a NuttX peer from choking.
 *
 * All calls, both ways, are on the owner.
 */
#ifndef RPR_SERIAL_H
#define RPR_SERIAL_H

#include <rpr/frame.h>
#include <rpr/link.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The platform's side. None of these functions may call back into the link, but for `open`, which
 * may call rpr_serial_back(). */
struct rpr_serial_carrier {
    /* The wire is wanted from here on: rpr_serial_back() as soon as it is there, rpr_serial_lost() when
     * it goes; and it is waited for and taken up again by the carrier itself. */
    void (*open)(void *ctx);

    /* The wire is not wanted any more: everything was written, POWEROFF included, or half a second was
     * not enough for that. No other call but `open` and `destroy` follows. */
    void (*close)(void *ctx);

    /* Takes as many of `len` bytes as go without waiting. Fewer: rpr_serial_writable() when more
     * may go. A failure is not told here: take none, and call rpr_serial_lost() soon. */
    size_t (*write)(void *ctx, const uint8_t *data, size_t len);

    /* Bytes that were written and that the peer does not have yet (TIOCOUTQ, SIOCOUTQ); negative:
     * nobody knows. */
    int32_t (*queued)(void *ctx);

    /* After rpr_serial_input() took less than it was given: it would take more now. */
    void (*readable)(void *ctx);

    void (*destroy)(void *ctx); /* the link is gone for good; closes what is open */
    void *ctx;
};

enum rpr_serial_crc {
    RPR_SERIAL_CRC_AUTO,   /* send a CRC once the peer sent one or turns out to be one of ours */
    RPR_SERIAL_CRC_OFF,    /* send none; what comes is checked all the same */
    RPR_SERIAL_CRC_REQUIRE /* send it always, take no frame without */
};

#define RPR_SERIAL_SIZE_MAX 65495u /* with the 16 bytes that older peers send more */

struct rpr_serial_config {
    const char *remote; /* the peer's CPU name; it is not told on the wire */
    const char *kind;   /* shown as transport: "pty", "serial", "unix", "tcp"; outlives the link */
    bool locked;        /* other threads will send */
    enum rpr_serial_crc crc;
    uint32_t size;    /* longest payload, 1 to RPR_SERIAL_SIZE_MAX; 0 = 2008 */
    uint32_t buffers; /* each way, 2 to 1024; 0 = 8 */
    uint32_t
        window; /* frames that a peer which is not ours gets before it has shown that it drained,
                        * 1 to 1024; 0 = 6: NuttX hangs when more come than it has buffers (8 or 10) */
    bool lossy; /* the wire loses what the peer does not read in time, and does not say so
                        * (virtconsole): the window holds for a peer of ours, too */
    uint32_t relax_ms; /* the peer may sleep after so much silence, 1 to 60000; 0 = 5 */
    struct rpr_serial_carrier carrier;
};

/* Makes the link and its device in the node, and opens it. -RPR_EINVAL: out of range, -RPR_ENOMEM, or
 * errors of rpr_link_register(); carrier.destroy() is not called then. */
int rpr_serial_open(struct rpr_node *node, const struct rpr_serial_config *config,
                    struct rpr_link **link); /* *link is set before carrier.open() is called */

/* ---- what the carrier says ------------------------------------------------------------------- */

/* The wire is there (again); nothing of what was written before is on it. */
void rpr_serial_back(struct rpr_link *link);

/* The wire is gone: the session ends, what was queued is lost and counted. Nothing if it was not
 * there. */
void rpr_serial_lost(struct rpr_link *link, const char *reason);

/* Bytes that came, in any chunks. Returns how many were taken: fewer when all receive buffers are in
 * use; offer the rest again, and read no more, once carrier.readable() was called. */
size_t rpr_serial_input(struct rpr_link *link, const uint8_t *data, size_t len);

void rpr_serial_writable(struct rpr_link *link);

/* ---- for `dump` ------------------------------------------------------------------------------- */

#define RPR_SERIAL_COUNTERS(X)                                                             \
    X(frames_tx)                                                                           \
    X(frames_rx)                                                                           \
    X(bytes_tx)                                                                            \
    X(bytes_rx)                                                                            \
    X(bad_crc)       /* frames lost: wrong CRC, or none where it is required */            \
    X(bad_length)    /* frames lost: anything else about them */                           \
    X(stray)         /* bytes outside of any frame, and reserved ones */                   \
    X(noise)         /* control bytes that were not believed */                            \
    X(unconnected)   /* good frames that came while there was no session */                \
    X(rx_lost)       /* received, and not delivered when the session ended */              \
    X(tx_lost)       /* queued, and not written when the session ended */                  \
    X(staywakes)     /* sent, repetitions included */                                      \
    X(connreqs)      /* sent */                                                            \
    X(connreqs_rx)   /* believed */                                                        \
    X(connacks_rx)   /* believed */                                                        \
    X(sessions)      /* begun */                                                           \
    X(peer_restarts) /* sessions ended by a CONNREQ, or by a CONNACK to nothing of ours */ \
    X(poweroffs)     /* sessions ended by a POWEROFF */                                    \
    X(half_open)     /* sessions ended because the peer was not in them (H-31) */          \
    X(waits)         /* times that frames waited for the peer to drain */

struct rpr_serial_info {
    const char *state;   /* "closed", "no carrier", "waking", "asked", "connected", "closing" */
    const char *wake;    /* "asleep", "waking", "awake": may we send? */
    bool crc;            /* we send CRCs */
    bool ours;           /* the peer is a node of this project: no window */
    bool suspended;      /* the peer said so */
    uint32_t window;     /* of the configuration */
    uint32_t undrained;  /* frames since the peer was last seen to have drained */
    uint32_t unanswered; /* CONNREQs of ours that a CONNACK may still come for */
    int32_t queued;      /* carrier.queued() now */
#define RPR_COUNTER_FIELD(name) uint64_t name;
    RPR_SERIAL_COUNTERS(RPR_COUNTER_FIELD)
#undef RPR_COUNTER_FIELD
};

/* False: the link is not a serial one. */
bool rpr_serial_info(const struct rpr_link *link, struct rpr_serial_info *info);

#ifdef __cplusplus
}
#endif
#endif
