/* SPDX-License-Identifier: Apache-2.0 */
/* Two nodes with loops in one process, joined over shared memory, for tests of platform/posix. */
#ifndef TESTS_POSIX_SIDES_H
#define TESTS_POSIX_SIDES_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

#include <rpr/posix.h>

#define SIDE_MAX_RX  4096u
#define SIDE_TIMEOUT 20.0 /* s: a test that waits for so long has failed */

struct side {
    struct rpr_loop *loop;
    struct rpr_link *link;
    struct rpr_device *device;
    rpr_ept_t ept;
    unsigned n_bound, n_closed, n_lost;
    unsigned n_rx;
    uint32_t rx[SIDE_MAX_RX]; /* the first word of each message */
    unsigned rx_before_lost;
    unsigned n_log;
    char log[RPR_ERROR_TEXT];
};

static inline double seconds(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static inline void side_log(void *ctx, enum rpr_log_level level, const char *text)
{
    struct side *s = ctx;

    (void)level;
    s->n_log++;
    snprintf(s->log, sizeof(s->log), "%s", text);
}

static inline void side_open(struct side *s, const char *name)
{
    struct rpr_loop_config config = {.name = name, .log = side_log, .log_ctx = s};

    memset(s, 0, sizeof(*s));
    assert_int_equal(rpr_loop_open(&s->loop, &config), 0);
}

static inline void side_link(struct side *s, const char *remote, const char *url)
{
    char error[RPR_ERROR_TEXT] = "";

    if (rpr_url_open(s->loop, remote, url, &s->link, error) != 0)
        fail_msg("%s", error);
    s->device = rpr_device_find(rpr_loop_node(s->loop), remote);
    assert_non_null(s->device);
}

static inline void side_close(struct side *s)
{
    rpr_loop_close(s->loop);
    s->loop = NULL;
}

static inline bool side_up(const struct side *s)
{
    return rpr_device_state(s->device) == RPR_DEVICE_UP;
}

static inline const char *side_reason(const struct side *s)
{
    static char reason[RPR_REASON_MAX];
    struct rpr_device_info info;

    rpr_device_info(s->device, &info);
    snprintf(reason, sizeof(reason), "%s", info.reason);
    return reason;
}

/* ---- an endpoint that writes down what happens ------------------------------------------------ */

static inline enum rpr_rx_result side_rx(void *ctx, rpr_ept_t ept, const struct rpr_msg *msg)
{
    struct side *s = ctx;

    (void)ept;
    if (s->n_rx < SIDE_MAX_RX)
        memcpy(&s->rx[s->n_rx], msg->data, sizeof(s->rx[0]));
    s->n_rx++;
    return RPR_DONE;
}

static inline void side_bound(void *ctx, rpr_ept_t ept, uint32_t dest)
{
    struct side *s = ctx;

    (void)ept;
    (void)dest;
    s->n_bound++;
}

static inline void side_unbound(void *ctx, rpr_ept_t ept, enum rpr_unbound_reason reason)
{
    struct side *s = ctx;

    (void)ept;
    s->rx_before_lost = s->n_rx;
    if (reason == RPR_UNBOUND_CLOSED)
        s->n_closed++;
    else
        s->n_lost++;
}

static inline void side_endpoint(struct side *s, const char *service)
{
    static const struct rpr_ept_ops ops = {
        .rx = side_rx, .bound = side_bound, .unbound = side_unbound};
    struct rpr_ept_config config = {.name = service,
                                    .addr = RPR_ADDR_ANY,
                                    .dest = RPR_ADDR_ANY,
                                    .quota = 64,
                                    .ops = &ops,
                                    .ctx = s};

    assert_int_equal(rpr_ept_open(s->device, &config, &s->ept), 0);
}

/* ---- turning both loops ------------------------------------------------------------------------- */

/* Turns loops (NULL: none) until `condition`; an expression that is looked at after each turn. */
#define UNTIL(a, b, condition)                              \
    do {                                                    \
        double until_end = seconds() + SIDE_TIMEOUT;        \
        while (!(condition)) {                              \
            if (seconds() > until_end)                      \
                fail_msg("waited in vain for " #condition); \
            sides_turn(a, b);                               \
        }                                                   \
    } while (0)

static inline void sides_turn(struct side *a, struct side *b)
{
    if (a && a->loop)
        assert_int_equal(rpr_loop_turn(a->loop, b && b->loop ? 0 : 10), 0);
    if (b && b->loop)
        assert_int_equal(rpr_loop_turn(b->loop, 0), 0);
}

/* ---- a directory of the test's own ------------------------------------------------------------- */

static char side_dir[64];

static inline const char *side_path(const char *name)
{
    static char path[100];

    snprintf(path, sizeof(path), "%s/%s", side_dir, name);
    return path;
}

static inline const char *side_url(const char *name, const char *keys)
{
    static char url[160];

    snprintf(url, sizeof(url), "shm:%s/%s%s", side_dir, name, keys);
    return url;
}

static inline int side_dir_make(void **state)
{
    (void)state;
    snprintf(side_dir, sizeof(side_dir), "/tmp/rpr-test-XXXXXX");
    return mkdtemp(side_dir) ? 0 : -1;
}

static inline int side_dir_remove(void **state)
{
    char command[100];

    (void)state;
    snprintf(command, sizeof(command), "rm -rf %s", side_dir);
    return system(command);
}

#endif
