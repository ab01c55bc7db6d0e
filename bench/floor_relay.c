/* SPDX-License-Identifier: Apache-2.0 */
/*
 * floor_relay_rtt_1core: A -> H -> B -> H -> A, three processes on one CPU, four wake-ups by
 * eventfds and no payload. A and B block in read; H sleeps in epoll, edge-triggered, and never
 * reads (each write is a new edge). No hub between two processes can do with less.
 */
#include "common.h"

#include <sys/epoll.h>

#define N_TRIPS 32768u
#define N_WARM  (N_TRIPS / 8)

/* An edge on fd rings the bell `to`. */
static void watch(int epoll, int fd, int to)
{
    struct epoll_event event = {.events = EPOLLIN | EPOLLET, .data.fd = to};

    if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) != 0)
        bench_die("epoll_ctl: %s", strerror(errno));
}

static void relay(int epoll, uint32_t n)
{
    struct epoll_event events[2];

    while (n > 0) {
        int got = epoll_wait(epoll, events, 2, -1);

        if (got < 0)
            bench_die("epoll_wait: %s", strerror(errno));
        for (int i = 0; i < got; i++, n--)
            bench_bell_ring(events[i].data.fd);
    }
}

static void answer(int bell, int back, uint32_t n)
{
    for (; n > 0; n--) {
        bench_bell_await(bell);
        bench_bell_ring(back);
    }
}

static uint64_t ping(int there, int bell, uint32_t n)
{
    uint64_t start = bench_now_ns();

    for (; n > 0; n--) {
        bench_bell_ring(there);
        bench_bell_await(bell);
    }
    return bench_now_ns() - start;
}

int main(void)
{
    int a_to_hub = bench_bell_open();
    int b_to_hub = bench_bell_open();
    int hub_to_a = bench_bell_open();
    int hub_to_b = bench_bell_open();
    int epoll = epoll_create1(0);
    pid_t hub;
    pid_t b;

    if (epoll < 0)
        bench_die("epoll_create1: %s", strerror(errno));
    watch(epoll, a_to_hub, hub_to_b);
    watch(epoll, b_to_hub, hub_to_a);
    bench_pin(0);
    hub = bench_fork();
    if (hub == 0) {
        relay(epoll, 2 * (N_WARM + N_TRIPS));
        _exit(0);
    }
    b = bench_fork();
    if (b == 0) {
        answer(hub_to_b, b_to_hub, N_WARM + N_TRIPS);
        _exit(0);
    }
    ping(a_to_hub, hub_to_a, N_WARM);
    bench_emit_per("floor_relay_rtt_1core", ping(a_to_hub, hub_to_a, N_TRIPS), N_TRIPS);
    bench_join(hub);
    bench_join(b);
    return 0;
}
