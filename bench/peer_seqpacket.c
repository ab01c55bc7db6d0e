/* SPDX-License-Identifier: Apache-2.0 */
/*
 * peer_seqpacket_*: what a user would build without this project: A - forwarder - B over
 * AF_UNIX SOCK_SEQPACKET pairs with default buffers, three processes on one CPU. A and B block in
 * recv, the forwarder in epoll.
 */
#include "common.h"

#include <sys/epoll.h>
#include <sys/socket.h>

#define N_TRIPS     16384u
#define N_ONEWAY    98304u
#define MAX_MESSAGE 2048u

/* What B does with what arrives. */
enum role {
    ROLE_ECHO, /* every message goes back */
    ROLE_SINK, /* one answer after n messages, so that A can stop its clock */
};

static void send_all(int fd, const void *data, size_t len)
{
    if (send(fd, data, len, 0) != (ssize_t)len)
        bench_die("send: %s", strerror(errno));
}

static size_t receive(int fd, void *data, size_t size)
{
    ssize_t got = recv(fd, data, size, 0);

    if (got <= 0)
        bench_die("recv: %s", got < 0 ? strerror(errno) : "closed");
    return (size_t)got;
}

/* The other side of the message that waits at fd goes to `to`. */
static void watch(int epoll, int from, int to)
{
    struct epoll_event event = {.events = EPOLLIN, .data.u64 = (uint64_t)to << 32 | (uint32_t)from};

    if (epoll_ctl(epoll, EPOLL_CTL_ADD, from, &event) != 0)
        bench_die("epoll_ctl: %s", strerror(errno));
}

/*
 * Forwards what waits at `from`, up to a budget, and stops at the first empty look. False: closed.
 */
static int forward(int from, int to)
{
    uint8_t message[MAX_MESSAGE];

    for (int budget = 64; budget > 0; budget--) {
        ssize_t got = recv(from, message, sizeof(message), MSG_DONTWAIT);

        if (got < 0 && errno == EAGAIN)
            return 1;
        if (got < 0)
            bench_die("forwarder: recv: %s", strerror(errno));
        if (got == 0)
            return 0;
        send_all(to, message, (size_t)got);
    }
    return 1;
}

__attribute__((noreturn)) static void run_forwarder(int a, int b)
{
    int epoll = epoll_create1(0);
    struct epoll_event events[2];

    if (epoll < 0)
        bench_die("epoll_create1: %s", strerror(errno));
    watch(epoll, a, b);
    watch(epoll, b, a);
    for (;;) {
        int got = epoll_wait(epoll, events, 2, -1);

        if (got < 0)
            bench_die("epoll_wait: %s", strerror(errno));
        for (int i = 0; i < got; i++) {
            if (!forward((int)(uint32_t)events[i].data.u64, (int)(events[i].data.u64 >> 32)))
                _exit(0);
        }
    }
}

__attribute__((noreturn)) static void run_b(int fd, enum role role, uint32_t n)
{
    uint8_t message[MAX_MESSAGE];

    for (uint32_t i = 0; i < n; i++) {
        size_t len = receive(fd, message, sizeof(message));

        if (role == ROLE_ECHO)
            send_all(fd, message, len);
    }
    if (role == ROLE_SINK)
        send_all(fd, message, 1);
    _exit(0);
}

/* The chain A - forwarder - B; the caller is A. */
struct chain {
    int fd;
    pid_t forwarder;
    pid_t b;
};

static struct chain open_chain(enum role role, uint32_t n)
{
    struct chain chain;
    int left[2];
    int right[2];

    if (socketpair(AF_UNIX, SOCK_SEQPACKET, 0, left) != 0 ||
        socketpair(AF_UNIX, SOCK_SEQPACKET, 0, right) != 0)
        bench_die("socketpair: %s", strerror(errno));
    chain.forwarder = bench_fork();
    if (chain.forwarder == 0) {
        close(left[0]);
        close(right[1]);
        run_forwarder(left[1], right[0]);
    }
    chain.b = bench_fork();
    if (chain.b == 0) {
        close(left[0]);
        close(left[1]);
        close(right[0]);
        run_b(right[1], role, n);
    }
    close(left[1]);
    close(right[0]);
    close(right[1]);
    chain.fd = left[0];
    return chain;
}

static void close_chain(struct chain *chain)
{
    bench_join(chain->b);
    close(chain->fd);
    bench_join(chain->forwarder);
}

static uint64_t ping(int fd, uint32_t n)
{
    uint8_t message[64] = {0};
    uint64_t start = bench_now_ns();

    for (; n > 0; n--) {
        send_all(fd, message, sizeof(message));
        receive(fd, message, sizeof(message));
    }
    return bench_now_ns() - start;
}

static void measure_rtt(const char *name)
{
    struct chain chain = open_chain(ROLE_ECHO, N_TRIPS / 8 + N_TRIPS);

    ping(chain.fd, N_TRIPS / 8);
    bench_emit_per(name, ping(chain.fd, N_TRIPS), N_TRIPS);
    close_chain(&chain);
}

static uint64_t flood(size_t len, uint32_t n)
{
    struct chain chain = open_chain(ROLE_SINK, n);
    uint8_t message[MAX_MESSAGE] = {0};
    uint64_t start = bench_now_ns();
    uint64_t took;

    for (uint32_t i = 0; i < n; i++)
        send_all(chain.fd, message, len);
    receive(chain.fd, message, sizeof(message));
    took = bench_now_ns() - start;
    close_chain(&chain);
    return took;
}

static void measure_oneway(const char *name, size_t len)
{
    flood(len, N_ONEWAY / 8);
    bench_emit_per(name, flood(len, N_ONEWAY), N_ONEWAY);
}

int main(void)
{
    bench_pin(0);
    measure_rtt("peer_seqpacket_routed_rtt_1core");
    measure_oneway("peer_seqpacket_routed_oneway_64_1core", 64);
    measure_oneway("peer_seqpacket_routed_oneway_496_1core", 496);
    return 0;
}
