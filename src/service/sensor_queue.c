/* SPDX-License-Identifier: Apache-2.0 */
#include "service/sensor_queue.h"

#include "base/bytes.h"

#define NOTHING UINT32_MAX /* as length: the rest of the ring is not used */

struct head {
    uint32_t len;
    struct sensor_origin origin;
};

_Static_assert(sizeof(struct head) == 16, "records begin at multiples of 8");

uint32_t queue_record_bytes(uint32_t len)
{
    return ((uint32_t)sizeof(struct head) + len + 7) & ~UINT32_C(7);
}

static uint32_t place(const struct sensor_queue *q, uint64_t at)
{
    return (uint32_t)(at % q->size);
}

/* At the end of the ring there may be room for no more than this. */
static uint32_t length_at(const struct sensor_queue *q, uint64_t at)
{
    uint32_t len;

    memcpy(&len, q->bytes + place(q, at), sizeof len);
    return len;
}

bool queue_read(const struct sensor_queue *q, uint64_t *at, struct sensor_record *record)
{
    struct head head;

    if (*at == q->head)
        return false;
    if (length_at(q, *at) == NOTHING)
        *at += q->size - place(q, *at);
    if (*at == q->head)
        return false;
    memcpy(&head, q->bytes + place(q, *at), sizeof head);
    record->len = head.len;
    record->origin = head.origin;
    record->data = q->bytes + place(q, *at) + sizeof head;
    record->next = *at + queue_record_bytes(record->len);
    return true;
}

/* With what is left unused at the end of the ring. */
static uint32_t needed(const struct sensor_queue *q, uint32_t len)
{
    uint32_t bytes = queue_record_bytes(len);
    uint32_t left = q->size - place(q, q->head);

    return left < bytes ? left + bytes : bytes;
}

bool queue_full(const struct sensor_queue *q, uint32_t len)
{
    return q->head - q->tail + needed(q, len) > q->size;
}

uint64_t queue_add(struct sensor_queue *q, struct sensor_origin origin, const void *data,
                   uint32_t len)
{
    struct head head = {.len = len, .origin = origin};
    uint32_t bytes = queue_record_bytes(len);
    uint32_t nothing = NOTHING;
    uint64_t at;

    if (q->size - place(q, q->head) < bytes) {
        memcpy(q->bytes + place(q, q->head), &nothing, sizeof nothing);
        q->head += q->size - place(q, q->head);
    }
    at = q->head;
    memcpy(q->bytes + place(q, at), &head, sizeof head);
    if (len) {
        memcpy(q->bytes + place(q, at) + sizeof head, data, len);
        q->last = at;
        q->any = true;
    }
    if (len > q->longest)
        q->longest = len;
    q->head += bytes;
    return at;
}
