/* SPDX-License-Identifier: Apache-2.0 */
/* Virtual I/O Device 1.1, 5.3. */
#include "virtio_console.h"

#include <string.h>

#include "gic.h"

#define ID          3u        /* 5.3.1 */
#define F_MULTIPORT (1u << 1) /* 5.3.3 */

/* 5.3.2: receiveq and transmitq of port 0, of the control messages, and of port 1 on. */
enum { QUEUE_CONTROL = 2, QUEUE_PORT_1 = 4 };

/* 5.3.6.2: u32 port, u16 event, u16 value. */
enum { CONTROL_EVENT = 4, CONTROL_VALUE = 6, CONTROL_BYTES = 8 };
enum { DEVICE_READY = 0, DEVICE_ADD = 1, PORT_READY = 3, PORT_OPEN = 6 };

/* ---- open ----------------------------------------------------------------------------------------- */

static void give_all(struct virtio_queue *q)
{
    for (unsigned i = 0; i < VIRTIO_NUM; i++)
        virtio_queue_give(q, &q->buffers[i], q->buffers[i].size);
}

static bool open_port(struct virtio_console *c, struct virtio_console_memory *m)
{
    unsigned first = c->port ? QUEUE_PORT_1 + 2 * (c->port - 1) : 0;

    if (!virtio_queue_init(&c->rx, &c->device, first, m->rings[0], m->rx, VIRTIO_CONSOLE_RX_BYTES,
                           true) ||
        !virtio_queue_init(&c->tx, &c->device, first + 1, m->rings[1], m->tx,
                           VIRTIO_CONSOLE_TX_BYTES, false))
        return false;
    give_all(&c->rx);
    virtio_queue_listen(&c->tx, false);
    for (unsigned i = 0; i < VIRTIO_NUM; i++)
        c->writable[c->n_writable++] = &c->tx.buffers[i];
    return true;
}

static bool open_control(struct virtio_console *c, struct virtio_console_memory *m)
{
    if (!virtio_queue_init(&c->control_rx, &c->device, QUEUE_CONTROL, m->rings[2], m->control_rx,
                           VIRTIO_CONSOLE_CONTROL_BYTES, true) ||
        !virtio_queue_init(&c->control_tx, &c->device, QUEUE_CONTROL + 1, m->rings[3],
                           m->control_tx, VIRTIO_CONSOLE_CONTROL_BYTES, false))
        return false;
    give_all(&c->control_rx);
    virtio_queue_listen(&c->control_tx, false);
    return true;
}

/* As many as there are buffers are on their way at most: there are few, and they come back at once. */
static void say(struct virtio_console *c, unsigned event)
{
    struct virtio_queue *q = &c->control_tx;
    uint32_t len;
    struct ring_buffer *b =
        q->ring.given < VIRTIO_NUM ? &q->buffers[q->ring.given] : virtio_queue_take(q, &len);

    if (!b)
        return;
    put_le32(b->at, event == DEVICE_READY ? 0 : c->port);
    put_le16(b->at + CONTROL_EVENT, (uint16_t)event);
    put_le16(b->at + CONTROL_VALUE, 1);
    virtio_queue_give(q, b, CONTROL_BYTES);
    virtio_queue_tell(q);
}

static struct interrupt {
    struct virtio_mmio *device;
    void (*came)(void *ctx);
    void *ctx;
} interrupts[32];

static void on_interrupt(void *ctx)
{
    struct interrupt *i = ctx;

    virtio_mmio_acknowledge(i->device);
    i->came(i->ctx);
}

bool virtio_console_open(struct virtio_console *c, unsigned bus, unsigned port,
                         struct virtio_console_memory *memory, void (*came)(void *ctx), void *ctx)
{
    uint32_t wanted = port ? F_MULTIPORT : 0, features;

    *c = (struct virtio_console){.port = port, .connected = !port};
    if (!virtio_mmio_find(&c->device, bus, ID) ||
        !virtio_mmio_begin(&c->device, wanted, &features) || features != wanted ||
        !open_port(c, memory) || (port && !open_control(c, memory)))
        return false;
    interrupts[bus] = (struct interrupt){&c->device, came, ctx};
    gic_enable(GIC_SPI(c->device.interrupt), on_interrupt, &interrupts[bus]);
    virtio_mmio_go(&c->device);
    virtio_queue_tell(&c->rx);
    if (port) {
        virtio_queue_tell(&c->control_rx);
        say(c, DEVICE_READY);
    }
    return true;
}

/* ---- control --------------------------------------------------------------------------------------- */

static void on_control(struct virtio_console *c, const uint8_t *at)
{
    if (get_le32(at) != c->port)
        return;
    switch (get_le16(at + CONTROL_EVENT)) {
    case DEVICE_ADD:
        say(c, PORT_READY);
        say(c, PORT_OPEN);
        break;
    case PORT_OPEN:
        c->connected = get_le16(at + CONTROL_VALUE) != 0;
        break;
    }
}

void virtio_console_poll(struct virtio_console *c)
{
    struct ring_buffer *b;
    uint32_t len;

    if (!c->port)
        return;
    while ((b = virtio_queue_take(&c->control_rx, &len))) {
        if (len >= CONTROL_BYTES)
            on_control(c, b->at);
        virtio_queue_give(&c->control_rx, b, b->size);
    }
    virtio_queue_tell(&c->control_rx);
}

/* ---- data ------------------------------------------------------------------------------------------ */

const uint8_t *virtio_console_look(struct virtio_console *c, uint32_t *len)
{
    if (!c->reading) {
        c->from = 0;
        c->reading = virtio_queue_take(&c->rx, &c->to);
    }
    if (!c->reading) {
        virtio_queue_tell(&c->rx); /* of all that were taken since: one notification */
        return NULL;
    }
    *len = c->to - c->from;
    return c->reading->at + c->from;
}

void virtio_console_take(struct virtio_console *c, uint32_t len)
{
    c->from += len;
    if (c->from < c->to)
        return;
    virtio_queue_give(&c->rx, c->reading, c->reading->size);
    c->reading = NULL;
}

static void reclaim(struct virtio_console *c)
{
    struct ring_buffer *b;
    uint32_t len;

    while ((b = virtio_queue_take(&c->tx, &len)))
        c->writable[c->n_writable++] = b;
}

size_t virtio_console_write(struct virtio_console *c, const uint8_t *data, size_t len)
{
    size_t done = 0;

    reclaim(c);
    while (done < len && c->n_writable) {
        struct ring_buffer *b = c->writable[--c->n_writable];
        uint32_t n = len - done < b->size ? (uint32_t)(len - done) : b->size;

        memcpy(b->at, data + done, n);
        virtio_queue_give(&c->tx, b, n);
        done += n;
    }
    virtio_queue_tell(&c->tx);
    return done;
}

bool virtio_console_room(struct virtio_console *c)
{
    reclaim(c);
    if (c->n_writable || !virtio_queue_listen(&c->tx, true)) {
        virtio_queue_listen(&c->tx, false);
        return true;
    }
    return false;
}
