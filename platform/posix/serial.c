/* SPDX-License-Identifier: Apache-2.0 */
#include "posix/serial.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/check.h"
#include "posix/loop.h"

#define RETRY_FIRST_MS 10u
#define RETRY_LAST_MS  1000u
#define LASTING_NS     UINT64_C(1000000000) /* who was here for so long is looked for at once */

static struct rpr_node *node_of(const struct serial_port *port)
{
    return rpr_loop_node(port->loop);
}

static bool attached(const struct serial_port *port)
{
    return port->watch.fd >= 0;
}

/* ---- when ---------------------------------------------------------------------------------------- */

void serial_look_soon(struct serial_port *port)
{
    port->retry_ms = RETRY_FIRST_MS;
    rpr_timer_start(node_of(port), &port->retry, loop_clock_ns());
}

void serial_look_later(struct serial_port *port)
{
    rpr_timer_start(node_of(port), &port->retry,
                    loop_clock_ns() + port->retry_ms * UINT64_C(1000000));
    port->retry_ms = port->retry_ms * 2 > RETRY_LAST_MS ? RETRY_LAST_MS : port->retry_ms * 2;
}

static void do_soon(struct serial_port *port)
{
    rpr_timer_start(node_of(port), &port->soon, loop_clock_ns());
}

static void retry_fired(struct rpr_timer *timer, uint64_t now_ns)
{
    struct serial_port *port = RPR_CONTAINER(timer, struct serial_port, retry);
    const char *wrong;

    (void)now_ns;
    if (!port->open || attached(port))
        return;
    serial_enter(port);
    wrong = port->way->look(port);
    if (wrong && !port->dead)
        serial_say(port, wrong);
    serial_leave(port);
}

/* ---- life ---------------------------------------------------------------------------------------- */

void serial_enter(struct serial_port *port)
{
    port->depth++;
}

void serial_leave(struct serial_port *port)
{
    if (--port->depth == 0 && port->dead)
        port->way->free(port);
}

void serial_say(struct serial_port *port, const char *reason)
{
    if (port->open && !attached(port))
        rpr_link_down(port->link, reason);
}

/* ---- the descriptor ------------------------------------------------------------------------------ */

/* Reads while the link takes what was read, writes while it waits for that. Not watched at all if
 * neither: a hang-up cannot be masked, and would be reported for ever. */
static void watch(struct serial_port *port)
{
    port->watch.events = (port->n ? 0u : (uint32_t)EPOLLIN) | (port->writing ? EPOLLOUT : 0u);
    if (!port->watch.events)
        rpr_watch_stop(port->loop, &port->watch);
    else if (rpr_watch_start(port->loop, &port->watch) != 0) {
        port->failed = true;
        do_soon(port);
    }
}

/* Makes no upcall. */
static void let_go(struct serial_port *port)
{
    int fd = port->watch.fd;

    if (fd < 0)
        return;
    rpr_watch_stop(port->loop, &port->watch);
    rpr_timer_stop(node_of(port), &port->soon);
    port->watch.fd = -1;
    port->way->drop(port, fd);
}

void serial_attach(struct serial_port *port, int fd)
{
    port->watch.fd = fd;
    port->at = port->n = 0;
    port->failed = port->writing = false;
    port->attached_ns = loop_clock_ns();
    watch(port);
    rpr_link_down(port->link, "the wire is there, waits for the peer");
    if (port->watch.fd == fd) /* whoever was told may have closed it */
        rpr_serial_back(port->link);
}

void serial_lost(struct serial_port *port, const char *reason)
{
    if (!attached(port))
        return;
    let_go(port);
    if (loop_clock_ns() - port->attached_ns >= LASTING_NS)
        serial_look_soon(port);
    else
        serial_look_later(port);
    rpr_serial_lost(port->link, reason);
}

/* ---- input --------------------------------------------------------------------------------------- */

/* What was read before: the link takes it, or stays busy. */
static void offer(struct serial_port *port)
{
    size_t taken = rpr_serial_input(port->link, port->input + port->at, port->n);

    if (!attached(port))
        return; /* what came has ended it */
    port->at += taken;
    port->n -= taken;
}

/* One read per wake-up: whoever never stops sending is one descriptor among others. */
static void read_bytes(struct serial_port *port)
{
    ssize_t n = read(port->watch.fd, port->input, sizeof(port->input));

    if (n > 0) {
        port->at = 0;
        port->n = (size_t)n;
        offer(port);
        if (attached(port) && port->n)
            watch(port); /* until `readable` */
    } else if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
        serial_lost(port, n == 0 || errno == EIO ? "the other end was closed" : strerror(errno));
    }
}

static void ready(struct rpr_watch *at, uint32_t events)
{
    struct serial_port *port = RPR_CONTAINER(at, struct serial_port, watch);

    serial_enter(port);
    if ((events & EPOLLOUT) && port->writing) {
        port->writing = false;
        rpr_serial_writable(port->link);
        if (attached(port) && !port->writing)
            watch(port);
    }
    if (attached(port) && !port->n && (events & ~(uint32_t)EPOLLOUT))
        read_bytes(port);
    else if (attached(port) && port->n && (events & (EPOLLHUP | EPOLLERR)))
        rpr_watch_stop(port->loop, at); /* seen again when what came has been taken */
    serial_leave(port);
}

static void soon_fired(struct rpr_timer *timer, uint64_t now_ns)
{
    struct serial_port *port = RPR_CONTAINER(timer, struct serial_port, soon);

    (void)now_ns;
    serial_enter(port);
    if (port->failed) {
        serial_lost(port, "the other end was closed");
    } else if (attached(port) && port->n) {
        offer(port);
        if (attached(port) && !port->n)
            watch(port);
    }
    serial_leave(port);
}

/* ---- what the link asks for ---------------------------------------------------------------------- */

static void carrier_open(void *ctx)
{
    struct serial_port *port = ctx;

    port->open = true;
    port->way->open(port);
}

static void carrier_close(void *ctx)
{
    struct serial_port *port = ctx;

    port->open = false;
    rpr_timer_stop(node_of(port), &port->retry);
    let_go(port);
    port->way->close(port);
}

static int32_t carrier_queued(void *ctx)
{
    struct serial_port *port = ctx;
    int queued;

    if (!attached(port))
        return port->way->left ? port->way->left(port) : -1;
    if (!port->outq || ioctl(port->watch.fd, port->outq, &queued) != 0)
        return -1;
    return queued;
}

static ssize_t write_some(const struct serial_port *port, const uint8_t *data, size_t len)
{
    if (port->socket)
        return send(port->watch.fd, data, len, MSG_NOSIGNAL | MSG_DONTWAIT);
    return write(port->watch.fd, data, len);
}

static size_t carrier_write(void *ctx, const uint8_t *data, size_t len)
{
    struct serial_port *port = ctx;
    ssize_t n;

    if (!attached(port) || port->failed)
        return 0;
    n = write_some(port, data, len);
    if (n < 0 && errno != EAGAIN && errno != EINTR) {
        port->failed = true;
        do_soon(port);
        return 0;
    }
    if (n < 0)
        n = 0;
    if ((size_t)n < len && !port->writing) {
        port->writing = true;
        watch(port);
    }
    return (size_t)n;
}

static void carrier_readable(void *ctx)
{
    do_soon(ctx);
}

static void carrier_destroy(void *ctx)
{
    struct serial_port *port = ctx;

    let_go(port);
    rpr_timer_stop(node_of(port), &port->retry);
    port->dead = true;
    if (port->depth == 0)
        port->way->free(port);
}

/* ---- register ------------------------------------------------------------------------------------ */

static int explain(const struct serial_port *port, int code, char error[RPR_ERROR_TEXT])
{
    const char *what = code == -RPR_EEXIST ? "there is a link of that name" : rpr_strerror(code);

    if (code)
        snprintf(error, RPR_ERROR_TEXT, "%s: %s", port->remote, what);
    return code;
}

int serial_register(struct serial_port *port, struct rpr_loop *loop, const struct serial_way *way,
                    const char *remote, const struct serial_keys *keys, struct rpr_link **link,
                    char error[RPR_ERROR_TEXT])
{
    struct rpr_serial_config config = {
        .remote = port->remote,
        .kind = way->kind,
        .locked = loop_locked(loop),
        .crc = (enum rpr_serial_crc)keys->crc,
        .size = keys->size,
        .buffers = keys->buffers,
        .window = keys->window,
        .relax_ms = keys->relax,
        .carrier = {.open = carrier_open,
                    .close = carrier_close,
                    .write = carrier_write,
                    .queued = carrier_queued,
                    .readable = carrier_readable,
                    .destroy = carrier_destroy,
                    .ctx = port},
    };
    int code;

    port->loop = loop;
    port->way = way;
    port->watch = (struct rpr_watch){.ready = ready, .fd = -1};
    port->retry.fire = retry_fired;
    port->soon.fire = soon_fired;
    port->retry_ms = RETRY_FIRST_MS;
    snprintf(port->remote, sizeof(port->remote), "%s", remote);
    code = rpr_serial_open(rpr_loop_node(loop), &config, &port->link);
    if (!code)
        *link = port->link;
    return explain(port, code, error);
}
