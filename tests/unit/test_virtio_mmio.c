/* SPDX-License-Identifier: Apache-2.0 */
/* The queue of the firmware's virtio devices: what is in memory and what in registers, and when. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#define RPR_PORT_HEADER "unit/doorbell_port.h"
#include "../../firmware/qemu-armv8a/virtio_mmio.c" /* as shipped, on this port */

#define NOT_RUNG 0xffffffffu

static struct bench {
    uint32_t registers[0x100 / 4];
    _Alignas(VIRTIO_PAGE) uint8_t memory[VIRTIO_RING_BYTES];
    uint8_t buffers[VIRTIO_NUM * 64];
    struct virtio_mmio device;
    struct virtio_queue queue;
    uint16_t index_at_barrier; /* what the device would read in memory */
    uint32_t bell_at_barrier;
    unsigned n_barriers;
} bench;

static uint16_t published(void)
{
    return ring_read16(bench.queue.ring.give + 2);
}

void doorbell_barrier(void)
{
    bench.n_barriers++;
    bench.index_at_barrier = published();
    bench.bell_at_barrier = bench.registers[QUEUE_NOTIFY / 4];
}

static void start(void)
{
    memset(&bench, 0, sizeof bench);
    bench.device = (struct virtio_mmio){.base = (uintptr_t)bench.registers, .version = 2};
    bench.registers[QUEUE_NUM_MAX / 4] = VIRTIO_NUM;
    bench.registers[QUEUE_NOTIFY / 4] = NOT_RUNG;
    assert_true(
        virtio_queue_init(&bench.queue, &bench.device, 1, bench.memory, bench.buffers, 64, true));
}

static void give(unsigned n)
{
    for (unsigned id = 0; id < n; id++)
        virtio_queue_give(&bench.queue, &bench.queue.buffers[id], 64);
    virtio_queue_tell(&bench.queue);
}

/* The index is in memory, then there is a barrier, then the register is written: once for all. */
static void barrier_before_the_doorbell_register(void **state)
{
    (void)state;
    start();
    give(3);
    assert_int_equal(bench.n_barriers, 1);
    assert_int_equal(bench.index_at_barrier, 3);
    assert_int_equal(bench.bell_at_barrier, NOT_RUNG);
    assert_int_equal(bench.registers[QUEUE_NOTIFY / 4], 1);
    bench.registers[QUEUE_NOTIFY / 4] = NOT_RUNG;
    virtio_queue_tell(&bench.queue); /* nothing new */
    assert_int_equal(bench.registers[QUEUE_NOTIFY / 4], NOT_RUNG);
}

static void who_wants_no_doorbell_gets_none(void **state)
{
    (void)state;
    start();
    bench.memory[VIRTIO_PAGE] = RING_QUIET;
    give(2);
    assert_int_equal(published(), 2);
    assert_int_equal(bench.registers[QUEUE_NOTIFY / 4], NOT_RUNG);
}

static void where_it_is(void **state)
{
    (void)state;
    start();
    assert_int_equal(bench.registers[QUEUE_SEL / 4], 1);
    assert_int_equal(bench.registers[QUEUE_NUM / 4], VIRTIO_NUM);
    assert_int_equal(bench.registers[QUEUE_DESC / 4], (uint32_t)(uintptr_t)bench.memory);
    assert_int_equal(bench.registers[QUEUE_DESC / 4 + 1],
                     (uint32_t)((uint64_t)(uintptr_t)bench.memory >> 32));
    assert_int_equal(bench.registers[QUEUE_READY / 4], 1);
    bench.registers[QUEUE_NUM_MAX / 4] = VIRTIO_NUM - 1;
    assert_false(
        virtio_queue_init(&bench.queue, &bench.device, 1, bench.memory, bench.buffers, 64, true));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(barrier_before_the_doorbell_register),
        cmocka_unit_test(who_wants_no_doorbell_gets_none),
        cmocka_unit_test(where_it_is),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
