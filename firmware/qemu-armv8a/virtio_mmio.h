/* SPDX-License-Identifier: Apache-2.0 */
/* virtio over MMIO: the version of 2016 on (2) and the one before (1, QEMU's default). */
#ifndef FIRMWARE_VIRTIO_MMIO_H
#define FIRMWARE_VIRTIO_MMIO_H

#include <stdbool.h>
#include <stdint.h>

#include "vring/ring.h"

#define VIRTIO_NUM        16u /* buffers of each queue */
#define VIRTIO_PAGE       4096u
#define VIRTIO_RING_BYTES (2 * VIRTIO_PAGE) /* the used half begins on a page of its own */

struct virtio_mmio {
    uintptr_t base;
    unsigned interrupt; /* SPI */
    uint32_t version;
};

/* The device on virtio-mmio-bus.N. False: there is none with that id. */
bool virtio_mmio_find(struct virtio_mmio *device, unsigned bus, uint32_t id);

/* Resets it and agrees on those of the `wanted` features (bits 0 to 31) that it offers, which are
 * returned in *features. False: it does not want us. */
bool virtio_mmio_begin(struct virtio_mmio *device, uint32_t wanted, uint32_t *features);

/* The queues are ready. */
void virtio_mmio_go(struct virtio_mmio *device);

/* In interrupt context: the device has been heard. */
void virtio_mmio_acknowledge(struct virtio_mmio *device);

/* One queue, in the role of the driver; the ring engine is that of the library's links. */
struct virtio_queue {
    struct virtio_mmio *device;
    unsigned index;
    uint8_t *memory; /* of the rings: VIRTIO_RING_BYTES, aligned to VIRTIO_PAGE */
    struct ring ring;
    struct ring_region region;
    struct ring_buffer buffers[VIRTIO_NUM];
};

/* Between begin and go. `buffers`: VIRTIO_NUM of `bytes` each. All of them are ours at first.
 * `writes`: the device writes into them. False: the device has no such queue. */
bool virtio_queue_init(struct virtio_queue *queue, struct virtio_mmio *device, unsigned index,
                       uint8_t *memory, uint8_t *buffers, uint32_t bytes, bool writes);

/* The next buffer that came back, with what the device wrote in *len; NULL: none. */
struct ring_buffer *virtio_queue_take(struct virtio_queue *queue, uint32_t *len);

/* Gives a buffer of `len` bytes; virtio_queue_tell() after the last one. */
void virtio_queue_give(struct virtio_queue *queue, struct ring_buffer *buffer, uint32_t len);
void virtio_queue_tell(struct virtio_queue *queue);

/* Whether the device is to interrupt when it returns buffers. True: none are there, and it will. */
bool virtio_queue_listen(struct virtio_queue *queue, bool listen);

#endif
