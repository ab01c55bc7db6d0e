/* SPDX-License-Identifier: Apache-2.0 */
/*
 * peer_nng_*: nng, two pair sockets over ipc:// with an nng_device() between them, all as it is by
 * default.
 */
#include <nng/nng.h>
#include <nng/protocol/pair0/pair.h>

#include "peer.h"

static nng_socket nsocket;

static void need(int error, const char *what)
{
    if (error != 0)
        bench_die("nng: %s: %s", what, nng_strerror(error));
}

static nng_socket open_half(const char *name)
{
    nng_socket half;
    char url[80];

    peer_path(url, sizeof(url), "ipc://", name);
    need(nng_pair0_open_raw(&half), "hub socket");
    need(nng_listen(half, url, NULL, 0), "listen");
    return half;
}

static void run_hub(void)
{
    nng_socket a = open_half("a");
    nng_socket b = open_half("b");

    need(nng_device(a, b), "device");
}

static void connect_to_hub(char self)
{
    char name[] = {self, '\0'};
    char url[80];

    peer_path(url, sizeof(url), "ipc://", name);
    need(nng_pair0_open(&nsocket), "socket");
    need(nng_dial(nsocket, url, NULL, NNG_FLAG_NONBLOCK), "dial");
}

static void disconnect(void)
{
    nng_close(nsocket);
}

static void send_to_other(const void *data, size_t len)
{
    nng_msg *msg;

    need(nng_msg_alloc(&msg, len), "message");
    memcpy(nng_msg_body(msg), data, len);
    need(nng_sendmsg(nsocket, msg, 0), "send");
}

static size_t receive(void *data, size_t size, int timeout_ms)
{
    static int timeout_set = -1;
    nng_msg *msg;
    size_t len;
    int error;

    if (timeout_ms != timeout_set)
        need(nng_socket_set_ms(nsocket, NNG_OPT_RECVTIMEO, timeout_ms), "timeout");
    timeout_set = timeout_ms;
    error = nng_recvmsg(nsocket, &msg, 0);
    if (error == NNG_ETIMEDOUT)
        return 0;
    need(error, "receive");
    len = nng_msg_len(msg);
    if (len > size)
        bench_die("nng: a message of %zu bytes", len);
    memcpy(data, nng_msg_body(msg), len);
    nng_msg_free(msg);
    return len;
}

int main(void)
{
    static const struct peer nng = {
        .name = "nng",
        .n_trips = 4096,
        .n_oneway = 32768,
        .run_hub = run_hub,
        .connect = connect_to_hub,
        .disconnect = disconnect,
        .send = send_to_other,
        .receive = receive,
    };

    return peer_main(&nng);
}
