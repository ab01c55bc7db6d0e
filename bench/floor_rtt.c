/* SPDX-License-Identifier: Apache-2.0 */
/*
 * floor_rtt_poll: round trip of 64 bytes between two processes on two CPUs that poll, through two
 * bare checked rings, one per direction.
 * floor_rtt_eventfd_1core: round trip of two blocking eventfd reads between two processes on one
 * CPU: two wake-ups, no payload.
 */
#include "ring.h"

#define N_POLL    262144u
#define N_EVENTFD 65536u
#define PAYLOAD   64u

/* One process's view of the two rings. */
struct side {
    struct ring_tx tx;
    struct ring_rx rx;
};

static void side_send(struct side *side, const void *data, size_t len)
{
    ring_reclaim(&side->tx);
    if (!ring_put(&side->tx, 1025, data, len) || ring_publish(&side->tx))
        ring_broken("no buffer is free, or a poller wants doorbells");
}

/* Spins for one message and lends it; the caller gives it back. */
static struct ring_message side_receive(struct side *side)
{
    while (ring_pending(&side->rx) == 0)
        ;
    return ring_take(&side->rx);
}

static void side_release(struct side *side, uint16_t id)
{
    ring_give(&side->rx, id);
    if (ring_return(&side->rx))
        ring_broken("a poller wants doorbells");
}

/* Answers n messages. The answer leaves before the buffer goes back: it is what is waited for. */
static void echo(struct side *side, uint32_t n)
{
    for (; n > 0; n--) {
        struct ring_message message = side_receive(side);

        side_send(side, message.data, message.len);
        side_release(side, message.id);
    }
}

static uint64_t ping(struct side *side, uint32_t n)
{
    uint8_t payload[PAYLOAD] = {0};
    size_t len = bench_opaque(sizeof(payload));
    uint64_t start = bench_now_ns();
    uint64_t sum = 0;

    for (; n > 0; n--) {
        struct ring_message message;

        bench_touch(payload);
        side_send(side, payload, len);
        message = side_receive(side);
        sum += ring_read(&message);
        side_release(side, message.id);
    }
    bench_touch(&sum);
    return bench_now_ns() - start;
}

static void measure_poll(void)
{
    struct ring_shared *shm = bench_map_shared(2 * sizeof(*shm));
    struct side a;
    struct side b;
    pid_t child;

    ring_init(&a.tx, &b.rx, &shm[0]);
    ring_init(&b.tx, &a.rx, &shm[1]);
    for (int i = 0; i < 2; i++) {
        RING_STORE(&shm[i].avail.flags, RING_F_SUPPRESS);
        RING_STORE(&shm[i].used.flags, RING_F_SUPPRESS);
    }
    bench_pin(0);
    child = bench_fork();
    if (child == 0) {
        bench_pin(1);
        echo(&b, N_POLL / 8 + N_POLL);
        _exit(0);
    }
    ping(&a, N_POLL / 8);
    bench_emit_per("floor_rtt_poll", ping(&a, N_POLL), N_POLL);
    bench_join(child);
}

static uint64_t ping_eventfd(int there, int back, uint32_t n)
{
    uint64_t start = bench_now_ns();

    for (; n > 0; n--) {
        bench_bell_ring(there);
        bench_bell_await(back);
    }
    return bench_now_ns() - start;
}

static void measure_eventfd(void)
{
    int there = bench_bell_open();
    int back = bench_bell_open();
    pid_t child;

    bench_pin(0);
    child = bench_fork();
    if (child == 0) {
        for (uint32_t n = N_EVENTFD / 8 + N_EVENTFD; n > 0; n--) {
            bench_bell_await(there);
            bench_bell_ring(back);
        }
        _exit(0);
    }
    ping_eventfd(there, back, N_EVENTFD / 8);
    bench_emit_per("floor_rtt_eventfd_1core", ping_eventfd(there, back, N_EVENTFD), N_EVENTFD);
    bench_join(child);
}

int main(void)
{
    measure_poll();
    measure_eventfd();
    return 0;
}
