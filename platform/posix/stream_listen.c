/* SPDX-License-Identifier: Apache-2.0 */
/*
 * unix: and tcp: with listen=1. One peer at a time: the wire has no names, so nobody can tell a
 * peer that came back from one that has no business here. The one that is there stays as long as it
 * lives; whoever else comes is told so at once, by a close.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/check.h"
#include "posix/stream.h"

#define BACKLOG 8

struct listener {
    struct serial_port port;
    struct stream_place place;
    struct rpr_unix_listener at; /* unix */
    struct rpr_watch comes;      /* of the listening socket; fd -1: none */
    uint32_t n_refused;
    char reason[RPR_REASON_MAX];
};

static struct listener *listener_of(struct serial_port *port)
{
    return RPR_CONTAINER(port, struct listener, port);
}

/* ---- listen -------------------------------------------------------------------------------------- */

static int listen_tcp(const struct stream_place *place)
{
    int fd = socket(place->address.any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    int one = 1;

    if (fd < 0)
        return -1;
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    if (bind(fd, &place->address.any, stream_address_bytes(place)) == 0 && listen(fd, BACKLOG) == 0)
        return fd;
    one = errno;
    close(fd);
    errno = one;
    return -1;
}

/* 0 if it listens. */
static int listen_now(struct listener *l, char error[RPR_ERROR_TEXT])
{
    int code;

    if (l->comes.fd >= 0)
        return 0;
    if (l->place.tcp) {
        l->comes.fd = listen_tcp(&l->place);
        if (l->comes.fd >= 0)
            return 0;
        snprintf(error, RPR_ERROR_TEXT, "%s: %s", l->place.text, strerror(errno));
        return errno == EADDRINUSE ? -RPR_EBUSY : -RPR_EIO;
    }
    code = rpr_unix_listen(&l->at, l->place.text, SOCK_STREAM, error);
    if (!code)
        l->comes.fd = l->at.fd;
    return code;
}

static void listen_no_more(struct listener *l)
{
    if (l->comes.fd < 0)
        return;
    rpr_watch_stop(l->port.loop, &l->comes);
    if (l->place.tcp)
        close(l->comes.fd);
    else
        rpr_unix_unlisten(&l->at);
    l->comes.fd = -1;
}

/* ---- accept -------------------------------------------------------------------------------------- */

/* Whether or not all that it sent has been read. */
static bool peer_lives(const struct listener *l)
{
    struct pollfd look = {.fd = l->port.watch.fd, .events = POLLRDHUP};

    return poll(&look, 1, 0) == 0;
}

/* The log gets the first and then fewer and fewer: whoever connects may do it in a loop. */
static void refuse(struct listener *l, int fd)
{
    const struct rpr_platform *platform = rpr_node_platform(rpr_loop_node(l->port.loop));
    char line[RPR_ERROR_TEXT];

    close(fd);
    l->n_refused++;
    if ((l->n_refused & (l->n_refused - 1)) != 0)
        return;
    snprintf(line, sizeof(line),
             "link to %s: refused a connection to %s: another is open (%u so far)", l->port.remote,
             l->place.text, l->n_refused);
    platform->log(platform->ctx, RPR_LOG_WARNING, line);
}

static void accept_one(struct listener *l, int fd)
{
    if (l->port.watch.fd >= 0 && !peer_lives(l))
        serial_lost(&l->port, "the other end was closed");
    if (l->port.dead || !l->port.open) {
        close(fd);
    } else if (l->port.watch.fd >= 0) {
        refuse(l, fd);
    } else {
        stream_set_up(&l->port, &l->place, fd);
        serial_attach(&l->port, fd);
    }
}

static void come(struct rpr_watch *watch, uint32_t events)
{
    struct listener *l = RPR_CONTAINER(watch, struct listener, comes);
    int fd;

    (void)events;
    serial_enter(&l->port);
    while (!l->port.dead && l->comes.fd >= 0) {
        fd = accept4(watch->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0) {
            accept_one(l, fd);
            continue;
        }
        if (errno == ECONNABORTED || errno == EINTR)
            continue;
        if (errno != EAGAIN) { /* out of descriptors: not at once again */
            rpr_watch_stop(l->port.loop, watch);
            serial_look_later(&l->port);
        }
        break;
    }
    serial_leave(&l->port);
}

static const char *look(struct serial_port *port)
{
    struct listener *l = listener_of(port);
    char error[RPR_ERROR_TEXT];

    if (listen_now(l, error) != 0) {
        serial_look_later(port);
        snprintf(l->reason, sizeof(l->reason), "%.*s", (int)sizeof(l->reason) - 1, error);
        return l->reason;
    }
    if (rpr_watch_start(port->loop, &l->comes) != 0)
        serial_look_later(port);
    return "waits for the peer";
}

/* ---- life ---------------------------------------------------------------------------------------- */

static void open_listener(struct serial_port *port)
{
    serial_look_soon(port);
}

static void drop(struct serial_port *port, int fd)
{
    (void)port;
    close(fd);
}

static void close_listener(struct serial_port *port)
{
    listen_no_more(listener_of(port));
}

static void free_listener(struct serial_port *port)
{
    struct listener *l = listener_of(port);

    listen_no_more(l);
    free(l);
}

static const struct serial_way unix_way = {"unix",         open_listener, look, drop,
                                           close_listener, free_listener, NULL};
static const struct serial_way tcp_way = {"tcp",          open_listener, look, drop,
                                          close_listener, free_listener, NULL};

int stream_listen(struct rpr_loop *loop, const char *remote, const struct stream_place *place,
                  const struct serial_keys *keys, struct rpr_link **link,
                  char error[RPR_ERROR_TEXT])
{
    struct listener *l = calloc(1, sizeof(*l));
    int code;

    if (!l) {
        snprintf(error, RPR_ERROR_TEXT, "%s: out of memory", remote);
        return -RPR_ENOMEM;
    }
    l->port.loop = loop;
    l->place = *place;
    l->at.fd = -1;
    l->comes = (struct rpr_watch){.ready = come, .fd = -1, .events = EPOLLIN};
    code = listen_now(l, error); /* here an error can be told; later it is a reason */
    if (!code)
        code = serial_register(&l->port, loop, place->tcp ? &tcp_way : &unix_way, remote, keys,
                               link, error);
    if (code)
        free_listener(&l->port);
    return code;
}
