/* SPDX-License-Identifier: Apache-2.0 */
/*
 * floor_memcpy_64, _496, _2048: one copy from a buffer of one ring to a buffer of another, as a hub
 * makes it. It goes round both sets of 256 buffers, so that it is not all one hot line.
 */
#include "common.h"

#define N_BUFFERS 256u
#define STRIDE    (33u * 64u) /* of a buffer that takes 2048 bytes behind a header of 16 */
#define HEADER    16u

static uint8_t *from;
static uint8_t *to;

static uint64_t copy(size_t len, uint32_t n)
{
    uint64_t start = bench_now_ns();

    for (uint32_t i = 0; i < n; i++) {
        size_t offset = (size_t)(i % N_BUFFERS) * STRIDE + HEADER;

        memcpy(to + offset, from + offset, len);
        bench_touch(to + offset);
    }
    return bench_now_ns() - start;
}

static void measure(const char *name, size_t len, uint32_t n)
{
    len = bench_opaque(len);
    copy(len, n / 8);
    bench_emit_per(name, copy(len, n), n);
}

int main(void)
{
    from = bench_map_shared((size_t)N_BUFFERS * STRIDE);
    to = bench_map_shared((size_t)N_BUFFERS * STRIDE);
    bench_pin(0);
    measure("floor_memcpy_64", 64, 4194304);
    measure("floor_memcpy_496", 496, 4194304);
    measure("floor_memcpy_2048", 2048, 1048576);
    return 0;
}
