/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A blocking client: a node with one link, to a daemon, and one endpoint on it, which the daemon
 * joins to the remote's.
 *
 * What comes while nobody receives is kept by the endpoint within its quota, in order; the quota
 * is what the daemon has credit for, so that not reading stops the sender and loses nothing. Kept
 * messages outlive the link.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/check.h"
#include "posix/loop.h"
#include "posix/program.h"

#define QUOTA         64u /* messages kept; memory is touched as it is used */
#define LOOK_TAKEN_MS 1   /* nobody rings for buffers that nobody waits for */

enum peer { PEER_NONE, PEER_BOUND, PEER_CLOSED, PEER_LOST };

struct rpr_client {
    struct rpr_program program;
    rpr_ept_t ept;
    enum peer peer;
    bool open;       /* the endpoint */
    bool close_due;  /* the peer closed, and nobody was told */
    bool refused;    /* a send finds no room, or the last one did */
    bool room;       /* there is room since, and nobody tried */
    uint64_t n_told; /* of what a call might wait for: bound, unbound, message kept */

    /* The call that receives now. */
    void *into; /* NULL: none */
    size_t into_size;
    int received; /* length or -RPR_EMSGSIZE */

    bool polled; /* rpr_client_fd() was asked for */
};

/* ---- the endpoint ------------------------------------------------------------------------------------ */

static enum rpr_rx_result on_rx(void *ctx, rpr_ept_t ept, const struct rpr_msg *msg)
{
    struct rpr_client *c = ctx;

    (void)ept;
    c->n_told++;
    if (!c->into || c->close_due) /* after a close it is of the next peer */
        return RPR_LATER;
    if (msg->len > c->into_size) {
        c->received = -RPR_EMSGSIZE;
        c->into = NULL;
        return RPR_LATER;
    }
    if (msg->len)
        memcpy(c->into, msg->data, msg->len);
    c->received = (int)msg->len;
    c->into = NULL;
    return RPR_DONE;
}

static void on_bound(void *ctx, rpr_ept_t ept, uint32_t dest)
{
    struct rpr_client *c = ctx;

    (void)ept;
    (void)dest;
    c->peer = PEER_BOUND;
    c->n_told++;
}

static void on_unbound(void *ctx, rpr_ept_t ept, enum rpr_unbound_reason reason)
{
    struct rpr_client *c = ctx;

    (void)ept;
    c->peer = reason == RPR_UNBOUND_CLOSED ? PEER_CLOSED : PEER_LOST;
    c->close_due = c->peer == PEER_CLOSED;
    c->n_told++;
}

/* Room may come while another call runs: the descriptor says so until the next send. */
static void on_writable(void *ctx, rpr_ept_t ept)
{
    struct rpr_client *c = ctx;

    (void)ept;
    c->room = c->refused;
}

static const struct rpr_ept_ops ept_ops = {
    .rx = on_rx, .bound = on_bound, .unbound = on_unbound, .writable = on_writable};

/* The link stays registered: its endpoint keeps what came before. */
static void on_lost(void *ctx)
{
    struct rpr_client *c = ctx;

    c->peer = PEER_LOST;
    c->n_told++;
}

/* ---- waiting ------------------------------------------------------------------------------------------- */

static bool has_kept(const struct rpr_client *c)
{
    struct rpr_ept_info info;

    return rpr_ept_info(c->ept, &info) == 0 && info.n_kept > 0;
}

/* Before each return to a program that polls the descriptor: from here on it becomes readable by
 * itself. */
static int leave(struct rpr_client *c, int result)
{
    uint64_t n_told = c->n_told;

    if (!c->polled)
        return result;
    if (!loop_settle(c->program.loop) || c->n_told != n_told || c->room || c->close_due ||
        has_kept(c) || c->peer == PEER_LOST)
        loop_wake(c->program.loop);
    return result;
}

/* ---- open ---------------------------------------------------------------------------------------------- */

static int complain(char error[RPR_ERROR_TEXT], int code, const char *what)
{
    snprintf(error, RPR_ERROR_TEXT, "%.200s", what);
    return code;
}

static int open_endpoint(struct rpr_client *c, const char *service, char error[RPR_ERROR_TEXT])
{
    struct rpr_ept_config config = {.name = service,
                                    .addr = RPR_ADDR_ANY,
                                    .dest = RPR_ADDR_ANY,
                                    .quota = QUOTA,
                                    .flags = RPR_EPT_MANUAL,
                                    .overflow = RPR_STOP_LINK,
                                    .ops = &ept_ops,
                                    .ctx = c};
    int code = rpr_ept_open(c->program.device, &config, &c->ept);

    c->open = code == 0;
    return code ? complain(error, code, rpr_strerror(code)) : 0;
}

static void free_client(struct rpr_client *c)
{
    program_close(&c->program);
    free(c);
}

static int open_client(struct rpr_client *c, const char *control, const char *device,
                       const char *service, char error[RPR_ERROR_TEXT])
{
    struct program_request request = {.control = control, .device = device, .service = service};
    int code;

    if (!service || strlen(service) > RPR_NAME_MAX || !service[0] ||
        (device && strlen(device) > RPR_NAME_MAX))
        return complain(error, -RPR_EINVAL, "a service and a device have names of 1 to 31 bytes");
    c->program.on_lost = on_lost;
    c->program.ctx = c;
    code = program_open(&c->program, &request, error);
    return code ? code : open_endpoint(c, service, error);
}

int rpr_client_open(struct rpr_client **client, const char *control, const char *device,
                    const char *service, char error[RPR_ERROR_TEXT])
{
    struct rpr_client *c = calloc(1, sizeof(*c));
    int code;

    if (!c)
        return complain(error, -RPR_ENOMEM, "out of memory");
    c->program.control = -1;
    code = open_client(c, control, device, service, error);
    if (code) {
        free_client(c);
        return code;
    }
    *client = c;
    return 0;
}

/* ---- calls ---------------------------------------------------------------------------------------------- */

static int wait_for_peer(struct rpr_client *c, uint64_t deadline_ns)
{
    int code = 0;

    /* One that came and went within a turn was there: what it sent is to be read. */
    while (c->peer != PEER_BOUND && c->peer != PEER_LOST && !c->close_due && !code)
        code = program_turn(&c->program, deadline_ns, -1);
    if (c->peer == PEER_BOUND || c->close_due)
        return 0;
    return c->peer == PEER_LOST ? -RPR_ENOTCONN : code;
}

int rpr_client_wait(struct rpr_client *c, int timeout_ms)
{
    return leave(c, wait_for_peer(c, program_deadline(timeout_ms)));
}

uint32_t rpr_client_tx_len(const struct rpr_client *c)
{
    return c->peer == PEER_BOUND ? rpr_device_tx_len(c->program.device) : 0;
}

static int send_until(struct rpr_client *c, const void *data, size_t len, uint64_t deadline_ns)
{
    int code = 0;

    while (!code) {
        if (c->peer == PEER_CLOSED || c->peer == PEER_LOST)
            return -RPR_ENOTCONN;
        if (c->peer == PEER_BOUND) {
            int sent = rpr_send(c->ept, data, len, 0);

            if (sent != -RPR_EAGAIN)
                return sent;
        }
        code = program_turn(&c->program, deadline_ns, -1);
    }
    return code;
}

int rpr_client_send(struct rpr_client *c, const void *data, size_t len, int timeout_ms)
{
    int result;

    c->refused = true; /* room may come in the very turn after which this gives up */
    c->room = false;
    result = send_until(c, data, len, program_deadline(timeout_ms));
    if (result != -RPR_ETIMEDOUT)
        c->refused = c->room = false;
    return leave(c, result);
}

/* True: the call has its result. */
static bool take_kept(struct rpr_client *c)
{
    if (c->into)
        (void)rpr_ept_resume(c->ept);
    return !c->into;
}

/* True: the call ends with *result. What came before was read before. */
static bool peer_is_gone(struct rpr_client *c, int *result)
{
    if (c->close_due || c->peer == PEER_CLOSED) {
        c->close_due = false;
        *result = -RPR_ENOENT;
        return true;
    }
    *result = -RPR_ENOTCONN;
    return c->peer == PEER_LOST;
}

static int receive_until(struct rpr_client *c, uint64_t deadline_ns)
{
    int code = 0;
    int result;

    for (;;) {
        if (take_kept(c))
            return c->received;
        if (peer_is_gone(c, &result))
            return result;
        if (code)
            return code;
        code = program_turn(&c->program, deadline_ns, -1);
    }
}

int rpr_client_recv(struct rpr_client *c, void *data, size_t size, int timeout_ms)
{
    static char nothing;
    int result;

    c->into = size ? data : &nothing;
    c->into_size = size;
    result = receive_until(c, program_deadline(timeout_ms));
    c->into = NULL;
    return leave(c, result);
}

/* ---- for programs with a poll loop ------------------------------------------------------------------- */

int rpr_client_fd(struct rpr_client *c)
{
    c->polled = true;
    return leave(c, loop_fd(c->program.loop));
}

/* ---- close ---------------------------------------------------------------------------------------------- */

static int wait_until_taken(struct rpr_client *c, uint64_t deadline_ns)
{
    int code = 0;

    for (;;) {
        if (c->peer == PEER_CLOSED || c->peer == PEER_LOST)
            return -RPR_ENOTCONN;
        if (c->peer == PEER_NONE || program_taken(&c->program) || code)
            return code;
        code = program_turn(&c->program, deadline_ns, LOOK_TAKEN_MS);
    }
}

int rpr_client_close(struct rpr_client *c, int timeout_ms)
{
    int result = wait_until_taken(c, program_deadline(timeout_ms));

    (void)rpr_ept_close(c->ept);
    (void)rpr_loop_turn(c->program.loop, 0); /* the word that says so leaves */
    free_client(c);
    return result;
}
