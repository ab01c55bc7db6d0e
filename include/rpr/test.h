/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Service rpmsg-test (WIRE 6.3): fills all buffers towards a peer, which holds every one until the
 * last has come, looks at them once more and gives them back. Shows that buffers can be held, and in
 * any number, and that none is lost or written meanwhile.
 *
 * A peer can make this end hold receive buffers of its link (never more than RPR_TEST_HOLD_MAX, nor
 * longer than RPR_TEST_HOLD_MS): offer the service to those only who may.
 */
#ifndef RPR_TEST_H
#define RPR_TEST_H

#include <rpr/service.h>

#ifdef __cplusplus
extern "C" {
#endif

#define RPR_TEST_HOLD_MAX \
    64u /* messages held of one peer; further ones are looked at and given back */
#define RPR_TEST_HOLD_MS   100u /* a series whose last message does not come is over then */
#define RPR_TEST_VERIFY_MS 10u  /* from the last message of a series to the second look */

struct rpr_test;
struct rpr_test_run;

/* Takes part on the devices of `scope` (copied; NULL: on every one). -RPR_ENOMEM. */
int rpr_test_open(struct rpr_node *node, const struct rpr_service_scope *scope,
                  struct rpr_test **test);

/* Ends all runs (`done` with -RPR_ESTALE) and gives back what is held. */
void rpr_test_close(struct rpr_test *test);

/* Asks the scope again. */
void rpr_test_look(struct rpr_test *test);

#define RPR_TEST_COUNTERS(X)                                                          \
    X(held)      /* messages */                                                       \
    X(not_held)  /* looked at, and given back: too many were held */                  \
    X(series)    /* that came to their end */                                         \
    X(cut)       /* whose end did not come */                                         \
    X(bad_data)  /* messages with other data, when they came or at the second look */ \
    X(unknown)   /* messages with a command of some other version */                  \
    X(malformed) /* messages of a wrong length: rpr_test_closed() */

struct rpr_test_counters {
#define RPR_TEST_FIELD(name) uint64_t name;
    RPR_TEST_COUNTERS(RPR_TEST_FIELD)
#undef RPR_TEST_FIELD
};

/* The n-th device (from 0) at which it is closed; false: there are not so many. */
bool rpr_test_closed(const struct rpr_test *test, unsigned n, struct rpr_service_closed *info);

void rpr_test_counters(const struct rpr_test *test, struct rpr_test_counters *counters);

struct rpr_test_result {
    int error;        /* 0: all buffers came back; -RPR_ETIMEDOUT: not all; -RPR_ENOTCONN: the peer
                      * went away; -RPR_ESTALE: stopped */
    uint32_t sent;    /* messages: as many as there were buffers for */
    uint32_t length;  /* of each, bytes */
    uint32_t missing; /* buffers that had not come back */
    uint64_t back_ns; /* from the first message until they had, in steps of a millisecond */
};

struct rpr_test_config {
    struct rpr_device *device;
    uint32_t timeout_ms; /* for the buffers to come back; 0 = 5000 */
    void (*done)(void *ctx, const struct rpr_test_result *result); /* last call; the run is gone */
    void *ctx;
};

/* Sends a series; `done` comes later, from rpr_node_poll(). -RPR_EINVAL (no done), -RPR_ENOTCONN:
 * the remote does not take part now, -RPR_EBUSY: a run to it is going on, -RPR_ENOMEM. */
int rpr_test_start(struct rpr_test *test, const struct rpr_test_config *config,
                   struct rpr_test_run **run);

/* Ends a run early: `done` with -RPR_ESTALE inside the call. */
void rpr_test_stop(struct rpr_test_run *run);

#ifdef __cplusplus
}
#endif
#endif
