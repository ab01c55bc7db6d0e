/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The queue of a topic: records in one ring of bytes, oldest first. It knows no readers: each keeps a
 * position of its own, and who drops the oldest moves those on that stood there.
 */
#ifndef SERVICE_SENSOR_QUEUE_H
#define SERVICE_SENSOR_QUEUE_H

#include <stdbool.h>
#include <stdint.h>

struct sensor_queue {
    uint8_t *bytes;      /* NULL: none yet */
    uint32_t size;       /* a multiple of 8 */
    uint32_t longest;    /* data of a record, ever */
    uint64_t head, tail; /* positions: bytes since the beginning */
    uint64_t last;       /* of the newest record that is not empty */
    bool any;            /* there is one */
};

struct sensor_origin { /* where a record comes from */
    uint32_t id;       /* of a peer; 0: this node */
    uint32_t only_id;  /* whom it is for; 0: all */
    bool remote;       /* a remote CPU */
};

struct sensor_record {
    struct sensor_origin origin;
    uint32_t len;
    const uint8_t *data;
    uint64_t next; /* position behind it */
};

/* Bytes that a record takes. */
uint32_t queue_record_bytes(uint32_t len);

/* The record at *at, or false: that is the head. A place where nothing is, *at is moved from. */
bool queue_read(const struct sensor_queue *queue, uint64_t *at, struct sensor_record *record);

/* Would a record of that length need the oldest to go first? It must be at most half of the queue. */
bool queue_full(const struct sensor_queue *queue, uint32_t len);

/* Adds a record for which there is room: its position. */
uint64_t queue_add(struct sensor_queue *queue, struct sensor_origin origin, const void *data,
                   uint32_t len);

#endif
