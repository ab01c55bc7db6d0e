/* SPDX-License-Identifier: Apache-2.0 */
/*
 * peer_zmq_*: ZeroMQ, DEALER - ROUTER - DEALER over ipc://. The hub routes by the first frame,
 * which names the receiver. ROUTER_MANDATORY is set, because a ROUTER drops by default what its
 * receiver has no room for; all else is as it is by default.
 */
#include <zmq.h>

#include "peer.h"

static void *context;
static void *zsocket;
static char other[2];

static void need(bool good, const char *what)
{
    if (!good)
        bench_die("zmq: %s: %s", what, zmq_strerror(errno));
}

static void open_socket(int type)
{
    context = zmq_ctx_new();
    need(context, "context");
    zsocket = zmq_socket(context, type);
    need(zsocket, "socket");
}

/* Takes sender, receiver, payload; passes on receiver, payload. */
static void forward(void)
{
    zmq_msg_t frame[3];

    for (int i = 0; i < 3; i++) {
        zmq_msg_init(&frame[i]);
        need(zmq_msg_recv(&frame[i], zsocket, 0) >= 0, "hub receive");
    }
    /* EHOSTUNREACH: a hello to somebody who is not there yet. */
    if (zmq_msg_send(&frame[1], zsocket, ZMQ_SNDMORE) >= 0)
        need(zmq_msg_send(&frame[2], zsocket, 0) >= 0, "hub send");
    else
        need(errno == EHOSTUNREACH, "hub send");
    for (int i = 0; i < 3; i++)
        zmq_msg_close(&frame[i]);
}

static void run_hub(void)
{
    char url[80];
    int mandatory = 1;

    open_socket(ZMQ_ROUTER);
    peer_path(url, sizeof(url), "ipc://", "hub");
    need(zmq_setsockopt(zsocket, ZMQ_ROUTER_MANDATORY, &mandatory, sizeof(mandatory)) == 0,
         "mandatory");
    need(zmq_bind(zsocket, url) == 0, "bind");
    for (;;)
        forward();
}

static void connect_to_hub(char self)
{
    char url[80];

    open_socket(ZMQ_DEALER);
    peer_path(url, sizeof(url), "ipc://", "hub");
    need(zmq_setsockopt(zsocket, ZMQ_ROUTING_ID, &self, 1) == 0, "routing id");
    need(zmq_connect(zsocket, url) == 0, "connect");
    other[0] = self == 'a' ? 'b' : 'a';
}

static void disconnect(void)
{
    zmq_close(zsocket);
    zmq_ctx_term(context);
}

static void send_to_other(const void *data, size_t len)
{
    need(zmq_send(zsocket, other, 1, ZMQ_SNDMORE) == 1, "send");
    need(zmq_send(zsocket, data, len, 0) == (int)len, "send");
}

static size_t receive(void *data, size_t size, int timeout_ms)
{
    static int timeout_set = -1;
    int got;

    if (timeout_ms != timeout_set)
        need(zmq_setsockopt(zsocket, ZMQ_RCVTIMEO, &timeout_ms, sizeof(timeout_ms)) == 0,
             "timeout");
    timeout_set = timeout_ms;
    got = zmq_recv(zsocket, data, size, 0);
    if (got < 0 && errno == EAGAIN)
        return 0;
    need(got >= 0, "receive");
    return (size_t)got;
}

int main(void)
{
    static const struct peer zmq = {
        .name = "zmq",
        .n_trips = 8192,
        .n_oneway = 131072,
        .run_hub = run_hub,
        .connect = connect_to_hub,
        .disconnect = disconnect,
        .send = send_to_other,
        .receive = receive,
    };

    return peer_main(&zmq);
}
