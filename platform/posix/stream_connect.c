/* SPDX-License-Identifier: Apache-2.0 */
/*
 * unix: and tcp: without listen: connects, as soon as somebody listens and again and again. The
 * directory of a unix: socket is watched.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/check.h"
#include "posix/loop.h"
#include "posix/stream.h"
#include "posix/unix.h"

#define CONNECT_NS UINT64_C(5000000000) /* for an answer of tcp: */

struct connector {
    struct serial_port port;
    struct stream_place place;
    struct appear appear;     /* unix */
    struct rpr_watch pending; /* tcp, until the other answers; fd -1: none */
    char reason[RPR_REASON_MAX];
};

static struct connector *connector_of(struct serial_port *port)
{
    return RPR_CONTAINER(port, struct connector, port);
}

static const char *explain(int code)
{
    switch (code) {
    case ENOENT:
        return "does not exist yet";
    case ECONNREFUSED:
        return "nobody listens";
    case EAGAIN:
        return "the listener is busy";
    case EPROTOTYPE:
        return "is no socket of a serial link";
    default:
        return strerror(code);
    }
}

static const char *failed(struct connector *c, const char *what)
{
    serial_look_later(&c->port);
    snprintf(c->reason, sizeof(c->reason), "%s: %s", c->place.text, what);
    return c->reason;
}

static void attach(struct connector *c, int fd)
{
    stream_set_up(&c->port, &c->place, fd);
    serial_attach(&c->port, fd);
}

/* ---- unix ---------------------------------------------------------------------------------------- */

static const char *look_unix(struct serial_port *port)
{
    struct connector *c = connector_of(port);
    int fd = unix_connect(c->place.text, SOCK_STREAM);

    if (fd < 0)
        return failed(c, explain(-fd));
    attach(c, fd);
    return NULL;
}

static void appeared(struct appear *appear)
{
    struct connector *c = RPR_CONTAINER(appear, struct connector, appear);

    if (c->port.watch.fd < 0)
        serial_look_soon(&c->port);
}

static void open_unix(struct serial_port *port)
{
    struct connector *c = connector_of(port);

    appear_start(&c->appear, port->loop, c->place.text, appeared);
    serial_look_soon(port);
}

static void close_unix(struct serial_port *port)
{
    appear_stop(&connector_of(port)->appear);
}

/* ---- tcp ----------------------------------------------------------------------------------------- */

static void give_up(struct connector *c)
{
    if (c->pending.fd < 0)
        return;
    rpr_watch_stop(c->port.loop, &c->pending);
    close(c->pending.fd);
    c->pending.fd = -1;
}

static void answered(struct rpr_watch *watch, uint32_t events)
{
    struct connector *c = RPR_CONTAINER(watch, struct connector, pending);
    int fd = watch->fd;
    int code = 0;
    socklen_t length = sizeof(code);

    (void)events;
    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &code, &length) != 0)
        code = errno;
    serial_enter(&c->port);
    if (code) {
        give_up(c);
        serial_say(&c->port, failed(c, explain(code)));
    } else {
        rpr_watch_stop(c->port.loop, watch);
        watch->fd = -1;
        attach(c, fd);
    }
    serial_leave(&c->port);
}

static const char *begin(struct connector *c)
{
    int fd = socket(c->place.address.any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    if (fd < 0)
        return failed(c, strerror(errno));
    c->pending.fd = fd;
    if (connect(fd, &c->place.address.any, stream_address_bytes(&c->place)) != 0 &&
        errno != EINPROGRESS) {
        const char *why = explain(errno);

        close(fd);
        c->pending.fd = -1;
        return failed(c, why);
    }
    if (rpr_watch_start(c->port.loop, &c->pending) != 0) {
        give_up(c);
        return failed(c, "out of memory");
    }
    rpr_timer_start(rpr_loop_node(c->port.loop), &c->port.retry, loop_clock_ns() + CONNECT_NS);
    return NULL;
}

/* Called while one is pending: that one has had its time. */
static const char *look_tcp(struct serial_port *port)
{
    struct connector *c = connector_of(port);

    if (c->pending.fd < 0)
        return begin(c);
    give_up(c);
    return failed(c, "no answer");
}

static void open_tcp(struct serial_port *port)
{
    serial_look_soon(port);
}

static void close_tcp(struct serial_port *port)
{
    give_up(connector_of(port));
}

/* ---- life ---------------------------------------------------------------------------------------- */

static void drop(struct serial_port *port, int fd)
{
    (void)port;
    close(fd);
}

static void free_connector(struct serial_port *port)
{
    struct connector *c = connector_of(port);

    give_up(c);
    appear_stop(&c->appear);
    free(c);
}

static const struct serial_way unix_way = {"unix",     open_unix,      look_unix, drop,
                                           close_unix, free_connector, NULL};
static const struct serial_way tcp_way = {"tcp",     open_tcp,       look_tcp, drop,
                                          close_tcp, free_connector, NULL};

int stream_connect(struct rpr_loop *loop, const char *remote, const struct stream_place *place,
                   const struct serial_keys *keys, struct rpr_link **link,
                   char error[RPR_ERROR_TEXT])
{
    struct connector *c = calloc(1, sizeof(*c));
    int code;

    if (!c) {
        snprintf(error, RPR_ERROR_TEXT, "%s: out of memory", remote);
        return -RPR_ENOMEM;
    }
    c->port.loop = loop;
    c->place = *place;
    c->appear.watch.fd = -1;
    c->pending = (struct rpr_watch){.ready = answered, .fd = -1, .events = EPOLLOUT};
    code = serial_register(&c->port, loop, place->tcp ? &tcp_way : &unix_way, remote, keys, link,
                           error);
    if (code)
        free_connector(&c->port);
    return code;
}
