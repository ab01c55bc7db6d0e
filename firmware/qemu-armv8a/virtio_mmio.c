/* SPDX-License-Identifier: Apache-2.0 */
/* Virtual I/O Device 1.1: 4.2.2 (registers), 4.2.4 (legacy ones), 3.1.1 (start), 2.6 (rings). */
#include "virtio_mmio.h"

#include "mmio.h"

/* hw/arm/virt.c: VIRT_MMIO, 32 of them. */
#define BUS_AT    0x0a000000u
#define BUS_BYTES 0x200u
#define BUS_SPI   16u
#define N_BUSES   32u

enum {
    MAGIC = 0x000,
    VERSION = 0x004,
    DEVICE_ID = 0x008,
    DEVICE_FEATURES = 0x010,
    DEVICE_FEATURES_SEL = 0x014,
    DRIVER_FEATURES = 0x020,
    DRIVER_FEATURES_SEL = 0x024,
    GUEST_PAGE_SIZE = 0x028, /* legacy */
    QUEUE_SEL = 0x030,
    QUEUE_NUM_MAX = 0x034,
    QUEUE_NUM = 0x038,
    QUEUE_ALIGN = 0x03c, /* legacy */
    QUEUE_PFN = 0x040,   /* legacy */
    QUEUE_READY = 0x044,
    QUEUE_NOTIFY = 0x050,
    INTERRUPT_STATUS = 0x060,
    INTERRUPT_ACK = 0x064,
    STATUS = 0x070,
    QUEUE_DESC = 0x080,
    QUEUE_DRIVER = 0x090,
    QUEUE_DEVICE = 0x0a0
};

#define MAGIC_VALUE 0x74726976u /* "virt" */
#define LEGACY      1u

/* 2.1 */
enum { ACKNOWLEDGE = 1, DRIVER = 2, DRIVER_OK = 4, FEATURES_OK = 8 };

#define F_VERSION_1 1u /* bit 32: bit 0 of the second word */

static uint32_t get(const struct virtio_mmio *d, unsigned reg)
{
    return mmio_read32(d->base + reg);
}

static void put(const struct virtio_mmio *d, unsigned reg, uint32_t value)
{
    mmio_write32(d->base + reg, value);
}

static void put_address(const struct virtio_mmio *d, unsigned reg, const void *memory)
{
    put(d, reg, (uint32_t)(uintptr_t)memory);
    put(d, reg + 4, (uint32_t)((uint64_t)(uintptr_t)memory >> 32));
}

bool virtio_mmio_find(struct virtio_mmio *d, unsigned bus, uint32_t id)
{
    if (bus >= N_BUSES)
        return false;
    d->base = BUS_AT + bus * BUS_BYTES;
    d->interrupt = BUS_SPI + bus;
    d->version = get(d, VERSION);
    return get(d, MAGIC) == MAGIC_VALUE && get(d, DEVICE_ID) == id;
}

static uint32_t device_features(const struct virtio_mmio *d, uint32_t word)
{
    put(d, DEVICE_FEATURES_SEL, word);
    return get(d, DEVICE_FEATURES);
}

static void put_features(const struct virtio_mmio *d, uint32_t word, uint32_t features)
{
    put(d, DRIVER_FEATURES_SEL, word);
    put(d, DRIVER_FEATURES, features);
}

bool virtio_mmio_begin(struct virtio_mmio *d, uint32_t wanted, uint32_t *features)
{
    put(d, STATUS, 0);
    put(d, STATUS, ACKNOWLEDGE);
    put(d, STATUS, ACKNOWLEDGE | DRIVER);
    *features = device_features(d, 0) & wanted;
    put_features(d, 0, *features);
    if (d->version == LEGACY) {
        put(d, GUEST_PAGE_SIZE, VIRTIO_PAGE);
        return true;
    }
    if (!(device_features(d, 1) & F_VERSION_1))
        return false;
    put_features(d, 1, F_VERSION_1);
    put(d, STATUS, ACKNOWLEDGE | DRIVER | FEATURES_OK);
    return get(d, STATUS) & FEATURES_OK;
}

void virtio_mmio_go(struct virtio_mmio *d)
{
    uint32_t status = get(d, STATUS);

    put(d, STATUS, status | DRIVER_OK);
}

void virtio_mmio_acknowledge(struct virtio_mmio *d)
{
    put(d, INTERRUPT_ACK, get(d, INTERRUPT_STATUS));
}

/* ---- queues -------------------------------------------------------------------------------------- */

static void tell_where(const struct virtio_queue *q)
{
    const struct virtio_mmio *d = q->device;

    if (d->version == LEGACY) {
        put(d, QUEUE_ALIGN, VIRTIO_PAGE);
        put(d, QUEUE_PFN, (uint32_t)((uintptr_t)q->memory / VIRTIO_PAGE));
        return;
    }
    put_address(d, QUEUE_DESC, q->ring.desc);
    put_address(d, QUEUE_DRIVER, q->ring.give);
    put_address(d, QUEUE_DEVICE, q->ring.take);
    put(d, QUEUE_READY, 1);
}

bool virtio_queue_init(struct virtio_queue *q, struct virtio_mmio *d, unsigned index,
                       uint8_t *memory, uint8_t *buffers, uint32_t bytes, bool writes)
{
    uint8_t *avail = memory + VIRTIO_NUM * RING_DESC_BYTES, *used = memory + VIRTIO_PAGE;

    put(d, QUEUE_SEL, index);
    if (get(d, QUEUE_NUM_MAX) < VIRTIO_NUM)
        return false;
    put(d, QUEUE_NUM, VIRTIO_NUM);
    *q = (struct virtio_queue){.device = d, .index = index, .memory = memory};
    q->ring = (struct ring){.give = avail,
                            .take = used,
                            .mask = VIRTIO_NUM - 1,
                            .buffers = q->buffers,
                            .desc = memory,
                            .region = &q->region,
                            .own_flag = avail,
                            .peer_flag = used};
    for (uint16_t id = 0; id < VIRTIO_NUM; id++) {
        uint8_t *desc = memory + id * RING_DESC_BYTES;

        q->buffers[id] =
            (struct ring_buffer){.at = buffers + id * bytes, .size = bytes, .id = id, .ours = true};
        put_le64(desc, (uint64_t)(uintptr_t)q->buffers[id].at);
        put_le64(desc + 8, (writes ? (uint64_t)RING_DESC_WRITE << 32 : 0) | bytes);
    }
    tell_where(q);
    return true;
}

/* The device is the machine itself: what it writes is not doubted, but a ring that is wrong gives
 * nothing any more. */
struct ring_buffer *virtio_queue_take(struct virtio_queue *q, uint32_t *len)
{
    struct ring_buffer *buffer;

    if (ring_pending(&q->ring) <= 0 || ring_look(&q->ring, true, q->ring.taken, &buffer, len))
        return NULL;
    ring_take(&q->ring, buffer);
    return buffer;
}

void virtio_queue_give(struct virtio_queue *q, struct ring_buffer *buffer, uint32_t len)
{
    put_le32(q->memory + buffer->id * RING_DESC_BYTES + 8, len);
    ring_give(&q->ring, true, buffer);
}

void virtio_queue_tell(struct virtio_queue *q)
{
    if (!ring_unpublished(&q->ring))
        return;
    ring_publish(&q->ring);
    rpr_barrier_full();
    if (!ring_wanted(&q->ring))
        return;
    if (!MUTANT(doorbell_has_no_barrier))
        rpr_barrier_doorbell();
    put(q->device, QUEUE_NOTIFY, q->index);
}

bool virtio_queue_listen(struct virtio_queue *q, bool listen)
{
    ring_set_quiet(&q->ring, !listen);
    rpr_barrier_full();
    return listen && ring_pending(&q->ring) == 0;
}
