/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A -> F -> B -> F -> A over two streams, three processes on one CPU, 64 bytes. A and B block in
 * read; F sleeps in epoll and copies what it reads from one to the other. The least that a router
 * over two byte streams can do.
 */
#ifndef BENCH_FORWARDER_H
#define BENCH_FORWARDER_H

#include "common.h"

#include <sys/epoll.h>

#define N_TRIPS 16384u
#define N_WARM  (N_TRIPS / 8)
#define PAYLOAD 64u

/* Both ends of a stream: [0] is the edge's, [1] the forwarder's. */
typedef void forwarder_open(int pair[2]);

static void put(int fd, const uint8_t *bytes, size_t n)
{
    if (write(fd, bytes, n) != (ssize_t)n)
        bench_die("write: %s", strerror(errno));
}

static void get(int fd, uint8_t bytes[PAYLOAD])
{
    if (read(fd, bytes, PAYLOAD) != (ssize_t)PAYLOAD)
        bench_die("read: %s", strerror(errno));
}

static void watch(int epoll, int fd, int to)
{
    struct epoll_event event = {.events = EPOLLIN, .data.u64 = (uint64_t)fd << 32 | (unsigned)to};

    if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) != 0)
        bench_die("epoll_ctl: %s", strerror(errno));
}

static void forward(int epoll, uint32_t n)
{
    struct epoll_event events[2];
    uint8_t bytes[4096];

    while (n > 0) {
        int got = epoll_wait(epoll, events, 2, -1);

        if (got < 0)
            bench_die("epoll_wait: %s", strerror(errno));
        for (int i = 0; i < got; i++, n--) {
            ssize_t len = read((int)(events[i].data.u64 >> 32), bytes, sizeof(bytes));

            if (len <= 0)
                bench_die("read: %s", strerror(errno));
            put((int)(uint32_t)events[i].data.u64, bytes, (size_t)len);
        }
    }
}

static void answer(int fd, uint32_t n)
{
    uint8_t bytes[PAYLOAD];

    for (; n > 0; n--) {
        get(fd, bytes);
        put(fd, bytes, PAYLOAD);
    }
}

static uint64_t ping(int fd, uint32_t n)
{
    uint8_t bytes[PAYLOAD] = {0};
    uint64_t start = bench_now_ns();

    for (; n > 0; n--) {
        put(fd, bytes, PAYLOAD);
        get(fd, bytes);
    }
    return bench_now_ns() - start;
}

static int forwarder_run(forwarder_open *open_pair, const char *name)
{
    int a[2];
    int b[2];
    int epoll = epoll_create1(0);
    pid_t forwarder;
    pid_t peer;

    if (epoll < 0)
        bench_die("epoll_create1: %s", strerror(errno));
    open_pair(a);
    open_pair(b);
    watch(epoll, a[1], b[1]);
    watch(epoll, b[1], a[1]);
    bench_pin(0);
    forwarder = bench_fork();
    if (forwarder == 0) {
        forward(epoll, 2 * (N_WARM + N_TRIPS));
        _exit(0);
    }
    peer = bench_fork();
    if (peer == 0) {
        answer(b[0], N_WARM + N_TRIPS);
        _exit(0);
    }
    ping(a[0], N_WARM);
    bench_emit_per(name, ping(a[0], N_TRIPS), N_TRIPS);
    bench_join(forwarder);
    bench_join(peer);
    return 0;
}

#endif
