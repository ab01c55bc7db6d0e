/* SPDX-License-Identifier: Apache-2.0 */
/* Service rpmsg-ping (WIRE 6.1): round trips, and who answers them. */
#ifndef RPR_PING_H
#define RPR_PING_H

#include <rpr/service.h>

#ifdef __cplusplus
extern "C" {
#endif

struct rpr_ping;
struct rpr_ping_run;

/* Answers pings on the devices of `scope` (copied; NULL: on every one) and lets runs be started.
 * -RPR_ENOMEM. */
int rpr_ping_open(struct rpr_node *node, const struct rpr_service_scope *scope,
                  struct rpr_ping **ping);

/* Ends all runs (`done` with -RPR_ESTALE). */
void rpr_ping_close(struct rpr_ping *ping);

/* Asks the scope again: opens and closes where it says otherwise than before; nothing else is
 * disturbed. */
void rpr_ping_look(struct rpr_ping *ping);

/* Of all devices together; what is wrong with a message is also logged, at most once a second. */
#define RPR_PING_COUNTERS(X)                                                                       \
    X(answered)   /* requests */                                                                   \
    X(unanswered) /* requests that could not be: no way back that is wide enough */                \
    X(bad_data)   /* requests with RPR_PING_CHECK whose data bytes differ, or are not as many as \
                   * the message says; answered all the same */ \
    X(bad_answers) /* with other data or length than the request had */                            \
    X(late)        /* answers that nobody waits for (any more) */                                  \
    X(malformed)   /* messages that no peer sends: rpr_ping_closed() */

struct rpr_ping_counters {
#define RPR_PING_FIELD(name) uint64_t name;
    RPR_PING_COUNTERS(RPR_PING_FIELD)
#undef RPR_PING_FIELD
};

/* The n-th device (from 0) at which it is closed; false: there are not so many. */
bool rpr_ping_closed(const struct rpr_ping *ping, unsigned n, struct rpr_service_closed *info);

void rpr_ping_counters(const struct rpr_ping *ping, struct rpr_ping_counters *counters);

enum rpr_ping_flags { RPR_PING_ACK = 1, RPR_PING_CHECK = 2, RPR_PING_RANDOM = 4 };

#define RPR_PING_MIN_BYTES 17u

struct rpr_ping_result {
    int error; /* 0: ran to its end, pings may have been lost; -RPR_ENOTCONN: the peer went away;
                              * -RPR_ESTALE: stopped */
    uint32_t times;      /* tried */
    uint32_t lost;       /* of them not answered in time, or answered with wrong data; without ACK:
                              * for which there was no buffer in time */
    uint32_t buffer_len; /* longest payload that the device takes */
    uint32_t send_len;   /* of the last one sent */
    uint64_t n_rtt;      /* answered; without ACK: sent, if there is a clock. Their times: */
    uint64_t min_ns, avg_ns, max_ns, p50_ns, p99_ns, p999_ns;
};

struct rpr_ping_config {
    struct rpr_device *device;
    uint32_t times;      /* at least 1 */
    uint32_t length;     /* raised to RPR_PING_MIN_BYTES, cut to what the device takes */
    uint32_t flags;      /* enum rpr_ping_flags */
    uint32_t period_ms;  /* from the answer to the next ping; 0: at once */
    uint32_t timeout_ms; /* of each ping; 0 = 5000 */
    /* The clock that rpr_node_poll() is called with, read now: without ACK the time of a ping is that
     * of getting a buffer, filling it and sending it. NULL: such pings are not timed. */
    uint64_t (*clock_ns)(void);
    void (*done)(void *ctx, const struct rpr_ping_result *result); /* last call; the run is gone */
    void *ctx;
};

/* Starts a run; `done` comes later, from rpr_node_poll(). -RPR_EINVAL (times), -RPR_ENOTCONN: the
 * remote offers no ping now, -RPR_ENOMEM. */
int rpr_ping_start(struct rpr_ping *ping, const struct rpr_ping_config *config,
                   struct rpr_ping_run **run);

/* Ends a run early: `done` with what there is, and -RPR_ESTALE, inside the call. */
void rpr_ping_stop(struct rpr_ping_run *run);

#ifdef __cplusplus
}
#endif
#endif
