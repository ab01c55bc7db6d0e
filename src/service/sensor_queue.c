/* SPDX-License-Identifier: Apache-2.0 */
#include "service/sensor_queue.h"

#include "base/bytes.h"

#define HEAD_BYTES 8u         /* len, origin */
#define NOTHING    UINT32_MAX /* as length: the rest of the ring is not used */

uint32_t queue_record_bytes(uint32_t len)
{
    return (HEAD_BYTES + len + 7) & ~UINT32_C(7);
}

static uint32_t place(const struct sensor_queue *q, uint64_t at)
{
    return (uint32_t)(at % q->size);
}

static uint32_t length_at(const struct sensor_queue *q, uint64_t at)
{
    uint32_t len;

    memcpy(&len, q->bytes + place(q, at), sizeof len);
    return len;
}

bool queue_read(const struct sensor_queue *q, uint64_t *at, struct sensor_record *record)
{
    if (*at == q->head)
        return false;
    if (length_at(q, *at) == NOTHING)
        *at += q->size - place(q, *at);
    if (*at == q->head)
        return false;
    record->len = length_at(q, *at);
    memcpy(&record->origin, q->bytes + place(q, *at) + sizeof record->len, sizeof record->origin);
    record->data = q->bytes + place(q, *at) + HEAD_BYTES;
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

uint64_t queue_add(struct sensor_queue *q, uint32_t origin, const void *data, uint32_t len)
{
    uint32_t bytes = queue_record_bytes(len);
    uint32_t nothing = NOTHING;
    uint64_t at;

    if (q->size - place(q, q->head) < bytes) {
        memcpy(q->bytes + place(q, q->head), &nothing, sizeof nothing);
        q->head += q->size - place(q, q->head);
    }
    at = q->head;
    memcpy(q->bytes + place(q, at), &len, sizeof len);
    memcpy(q->bytes + place(q, at) + sizeof len, &origin, sizeof origin);
    if (len) {
        memcpy(q->bytes + place(q, at) + HEAD_BYTES, data, len);
        q->last = at;
        q->any = true;
    }
    if (len > q->longest)
        q->longest = len;
    q->head += bytes;
    return at;
}
