/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One port of a virtio console: port 0 (virtconsole), which loses what its other end does not read,
 * or another one (virtserialport), which waits. All but the interrupt is for the main loop.
 */
#ifndef FIRMWARE_VIRTIO_CONSOLE_H
#define FIRMWARE_VIRTIO_CONSOLE_H

#include <stddef.h>

#include "virtio_mmio.h"

#define VIRTIO_CONSOLE_RX_BYTES      1024u
#define VIRTIO_CONSOLE_TX_BYTES      2048u
#define VIRTIO_CONSOLE_CONTROL_BYTES 64u

/* Memory that the device reads and writes. */
struct virtio_console_memory {
    uint8_t rings[4][VIRTIO_RING_BYTES];
    uint8_t rx[VIRTIO_NUM * VIRTIO_CONSOLE_RX_BYTES];
    uint8_t tx[VIRTIO_NUM * VIRTIO_CONSOLE_TX_BYTES];
    uint8_t control_rx[VIRTIO_NUM * VIRTIO_CONSOLE_CONTROL_BYTES];
    uint8_t control_tx[VIRTIO_NUM * VIRTIO_CONSOLE_CONTROL_BYTES];
};

struct virtio_console {
    struct virtio_mmio device;
    struct virtio_queue rx, tx, control_rx, control_tx;
    unsigned port;
    bool connected;              /* the other end of the port is */
    struct ring_buffer *reading; /* what came: bytes `from` to `to` of it are left */
    uint32_t from, to;
    struct ring_buffer *writable[VIRTIO_NUM]; /* tx buffers that are free */
    unsigned n_writable;
};

/* `memory`: aligned to VIRTIO_PAGE, zeroed. `came` is called in interrupt context. False: there is no
 * such console, or it has no such port. */
bool virtio_console_open(struct virtio_console *console, unsigned bus, unsigned port,
                         struct virtio_console_memory *memory, void (*came)(void *ctx), void *ctx);

/* Deals with what the device says of the port: `connected` is up to date. */
void virtio_console_poll(struct virtio_console *console);

/* The next bytes that came and that were not taken, and how many; NULL: none. */
const uint8_t *virtio_console_look(struct virtio_console *console, uint32_t *len);
void virtio_console_take(struct virtio_console *console, uint32_t len);

/* Writes as much as there are buffers for. */
size_t virtio_console_write(struct virtio_console *console, const uint8_t *data, size_t len);

/* Is there a buffer to write into? If not, an interrupt comes when there is. */
bool virtio_console_room(struct virtio_console *console);

#endif
