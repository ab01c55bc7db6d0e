/* SPDX-License-Identifier: Apache-2.0 */
/*
 * floor_ring_64, floor_ring_64_batch32: a message of 64 bytes through the bare checked ring, sent,
 * received and its buffer taken back by one thread: no cache line moves, so this is the price
 * of the work itself.
 */
#include "ring.h"

#define N_MESSAGES 4194304u
#define N_COUNTED  65536u /* under callgrind, where counts are exact and time is not */
#define PAYLOAD    64u

static struct ring_tx tx;
static struct ring_rx rx;
static uint64_t n_doorbells;

/*
 * n messages in batches. Its own function, not inlined: callgrind collects inside it only
 * (--toggle-collect=bench_loop).
 */
__attribute__((noinline)) static uint64_t bench_loop(uint32_t n, uint32_t batch)
{
    uint8_t payload[PAYLOAD] = {0};
    size_t len = bench_opaque(sizeof(payload));
    uint64_t sum = 0;

    for (uint32_t sent = 0; sent < n; sent += batch) {
        ring_reclaim(&tx);
        for (uint32_t i = 0; i < batch; i++) {
            bench_touch(payload);
            if (!ring_put(&tx, 1025, payload, len))
                ring_broken("no buffer is free");
        }
        n_doorbells += ring_publish(&tx);
        for (uint16_t i = ring_pending(&rx); i > 0; i--) {
            struct ring_message message = ring_take(&rx);

            sum += ring_read(&message);
            ring_give(&rx, message.id);
        }
        n_doorbells += ring_return(&rx);
    }
    return sum;
}

static uint32_t batch_of(const char *name)
{
    if (strcmp(name, "floor_ring_64_instructions") == 0)
        return 1;
    if (strcmp(name, "floor_ring_64_batch32_instructions") == 0)
        return 32;
    bench_die("floor_ring: no such count: %s", name);
}

/* --instructions NAME: runs the loop of that name once and prints how many messages it moved. */
static int count_instructions(const char *name)
{
    uint32_t batch = batch_of(name);

    bench_loop(N_COUNTED, batch);
    bench_emit(name, N_COUNTED);
    return 0;
}

static void measure(const char *name, uint32_t batch)
{
    uint64_t start;
    uint64_t sum;

    bench_loop(N_MESSAGES / 8, batch);
    start = bench_now_ns();
    sum = bench_loop(N_MESSAGES, batch);
    bench_emit_per(name, bench_now_ns() - start, N_MESSAGES);
    bench_touch(&sum);
}

int main(int argc, char **argv)
{
    struct ring_shared *shm = bench_map_shared(sizeof(*shm));

    bench_pin(0);
    ring_init(&tx, &rx, shm);
    RING_STORE(&shm->avail.flags, RING_F_SUPPRESS);
    RING_STORE(&shm->used.flags, RING_F_SUPPRESS);
    if (argc == 3 && strcmp(argv[1], "--instructions") == 0)
        return count_instructions(argv[2]);
    measure("floor_ring_64", 1);
    measure("floor_ring_64_batch32", 32);
    if (n_doorbells != 0)
        bench_die("a doorbell was asked for though both sides suppress them");
    return 0;
}
