/* SPDX-License-Identifier: Apache-2.0 */
#include "posix/handshake.h"

#include <sys/epoll.h>
#include <unistd.h>

#include "base/check.h"
#include "posix/loop.h"

/* Stops waiting; the connection is the caller's. */
static int take(struct handshake *h)
{
    int fd = h->watch.fd;

    rpr_watch_stop(h->loop, &h->watch);
    rpr_timer_stop(rpr_loop_node(h->loop), &h->timeout);
    h->watch.fd = -1;
    return fd;
}

static void ready(struct rpr_watch *watch, uint32_t events)
{
    struct handshake *h = RPR_CONTAINER(watch, struct handshake, watch);
    struct packet packet;
    int got = packet_receive(watch->fd, &packet);

    (void)events;
    if (got < 0)
        return;
    h->done(h, take(h), got ? &packet : NULL, "it closed the connection");
}

static void timed_out(struct rpr_timer *timer, uint64_t now_ns)
{
    struct handshake *h = RPR_CONTAINER(timer, struct handshake, timeout);

    (void)now_ns;
    h->done(h, take(h), NULL, "it said nothing for 2 s");
}

void handshake_init(struct handshake *h, struct rpr_loop *loop,
                    void (*done)(struct handshake *, int, struct packet *, const char *))
{
    *h = (struct handshake){.loop = loop,
                            .watch = {.ready = ready, .fd = -1, .events = EPOLLIN},
                            .timeout = {.fire = timed_out},
                            .done = done};
}

bool handshake_busy(const struct handshake *h)
{
    return h->watch.fd >= 0;
}

int handshake_start(struct handshake *h, int fd, bool trusted)
{
    int error;

    h->watch.fd = fd;
    h->trusted = trusted;
    error = rpr_watch_start(h->loop, &h->watch);
    if (error) {
        h->watch.fd = -1;
        close(fd);
        return error;
    }
    rpr_timer_start(rpr_loop_node(h->loop), &h->timeout, loop_clock_ns() + HANDSHAKE_TIMEOUT_NS);
    return 0;
}

void handshake_cancel(struct handshake *h)
{
    if (handshake_busy(h))
        close(take(h));
}
