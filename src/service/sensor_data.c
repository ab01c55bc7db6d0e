/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Samples of rpmsg-sensor: from who publishes to subscribers of this node at once, and into the
 * topic's queue; from there to each peer that subscribes, in messages as full as they get.
 */
#include "service/sensor.h"

#define RATE_NS UINT64_C(1000000000)

/* ---- which samples ------------------------------------------------------------------------------- */

/* Is it time for this sample? By its own time, on a grid, so that a publisher whose period is the
 * interval loses nothing by jitter. Where time went back the publisher is another. */
static bool pace_takes(struct sensor_pace *pace, uint32_t interval_us, const uint8_t *data,
                       uint32_t len)
{
    uint64_t tolerance = interval_us / 4u;
    uint64_t now, early;

    if (!interval_us || len < sizeof now)
        return true;
    now = get_le64(data);
    early = pace->next_us - now;
    if (pace->started && early > tolerance && early <= interval_us + tolerance)
        return false;
    if (pace->started && (early <= tolerance || now - pace->next_us < interval_us))
        pace->next_us += interval_us;
    else
        pace->next_us = now + interval_us;
    pace->started = true;
    return true;
}

/* ---- subscribers of this node ----------------------------------------------------------------------- */

static void sub_samples(struct rpr_sensor_sub *sub, const uint8_t *data, uint32_t len)
{
    uint32_t each = sub->sample_bytes ? sub->sample_bytes : len;

    if (len % each) {
        sub->odd++;
        return;
    }
    for (uint32_t at = 0; at < len && !sub->closed; at += each)
        if (pace_takes(&sub->pace, sub->rate.interval_us, data + at, each))
            sub->ops->sample(sub->ctx, data + at, each);
}

static void sub_flushed(struct rpr_sensor_sub *sub)
{
    if (sub->flushing && sub->ops->flushed) {
        sub->flushing = false;
        sub->ops->flushed(sub->ctx);
    }
}

/* Closed ones stay in the list until the work timer runs. */
static void to_subs(struct sensor_topic *topic, const void *data, uint32_t len)
{
    for (struct rpr_sensor_sub *sub = topic->subs; sub; sub = sub->next) {
        if (sub->closed)
            continue;
        if (len)
            sub_samples(sub, data, len);
        else
            sub_flushed(sub);
    }
}

/* ---- the queue ----------------------------------------------------------------------------------------- */

static void drop_oldest(struct sensor_topic *topic)
{
    struct sensor_queue *q = &topic->queue;
    uint64_t from = q->tail, at = q->tail;
    struct sensor_record record;

    if (!queue_read(q, &at, &record))
        return;
    for (struct sensor_port *port = topic->ports; port; port = port->next) {
        if (!port->reads || (port->at != from && port->at != at))
            continue;
        port->dropped += record.len && sensor_relays(record.origin, port->peer) &&
                         !MUTANT(lost_sample_is_not_counted);
        port->at = record.next;
        port->chosen = false;
    }
    q->tail = record.next;
    q->any &= q->tail <= q->last;
}

/* A larger ring with the same records; who reads is moved along. */
static void queue_move(struct sensor_topic *topic, uint8_t *bytes, uint32_t size)
{
    struct sensor_queue old = topic->queue;
    struct sensor_queue *q = &topic->queue;
    struct sensor_record record;
    uint64_t at = old.tail;

    /* Positions go on behind the old ones, so that none is moved twice. */
    *q = (struct sensor_queue){.bytes = bytes, .size = size, .longest = old.longest};
    q->head = q->tail = (old.head / size + 1) * size;
    for (uint64_t from = at; queue_read(&old, &at, &record); from = at = record.next) {
        uint64_t to = queue_add(q, record.origin, record.data, record.len);

        for (struct sensor_port *port = topic->ports; port; port = port->next)
            if (port->reads && (port->at == from || port->at == at))
                port->at = to;
    }
    for (struct sensor_port *port = topic->ports; port; port = port->next)
        if (port->reads && port->at <= old.head)
            port->at = q->head;
}

static int queue_resize(struct sensor_topic *topic, uint32_t size)
{
    struct rpr_sensor *sensor = topic->sensor;
    uint8_t *old = topic->queue.bytes, *bytes = sensor_alloc(sensor, size);
    uint32_t old_size = topic->queue.size;

    if (!bytes)
        return -RPR_ENOMEM;
    if (!old) {
        topic->queue.bytes = bytes;
        topic->queue.size = size;
        return 0;
    }
    queue_move(topic, bytes, size);
    sensor_free(sensor, old, old_size);
    return 0;
}

/* How large it should be: nbuffer of the longest samples, and any sample twice. */
static uint32_t queue_wish(const struct sensor_topic *topic, uint32_t len)
{
    const struct rpr_sensor_config *config = &topic->sensor->config;
    uint32_t longest = topic->queue.longest > len ? topic->queue.longest : len;
    uint64_t bytes = (uint64_t)queue_record_bytes(longest) * topic->nbuffer;

    if (bytes < 2u * (uint64_t)queue_record_bytes(longest))
        bytes = 2u * (uint64_t)queue_record_bytes(longest);
    if (bytes < config->queue_bytes)
        bytes = config->queue_bytes;
    return bytes < config->queue_most ? (uint32_t)bytes : config->queue_most;
}

/* A queue that takes a sample of that length. One that cannot grow serves on as it is. */
static int queue_ready(struct sensor_topic *topic, uint32_t len)
{
    struct sensor_queue *q = &topic->queue;
    uint32_t wish;
    int error = 0;

    if (len > topic->sensor->config.queue_most ||
        queue_record_bytes(len) > topic->sensor->config.queue_most / 2)
        return -RPR_EMSGSIZE;
    wish = queue_wish(topic, len);
    if (wish > q->size)
        error = queue_resize(topic, wish);
    return q->bytes && queue_record_bytes(len) <= q->size / 2 ? 0 : error;
}

void topic_nbuffer(struct sensor_topic *topic, uint32_t nbuffer)
{
    if (nbuffer > topic->nbuffer)
        topic->nbuffer = nbuffer;
}

/* ---- who reads it ------------------------------------------------------------------------------------- */

void port_start(struct sensor_port *port)
{
    const struct sensor_queue *q = &port->topic->queue;

    port->reads = true;
    port->pace.started = port->chosen = false;
    port->at = port->topic->persist && q->any ? q->last : q->head;
    if (port->at != q->head)
        port_pend(port);
}

static void unpend(struct sensor_port *port)
{
    struct sensor_peer *peer = port->peer;
    struct sensor_port *before = NULL, **at = &peer->pending;

    if (!port->pending)
        return;
    while (*at != port) {
        before = *at;
        at = &before->next_pending;
    }
    *at = port->next_pending;
    if (peer->last_pending == port)
        peer->last_pending = before;
    port->next_pending = NULL;
    port->pending = false;
    if (!peer->pending)
        peer->pending_bytes = 0;
}

void port_stop(struct sensor_port *port)
{
    unpend(port);
    port->reads = false;
}

static bool asleep(const struct sensor_port *port)
{
    return port->rate.nonwakeup && rpr_device_state(port->peer->device) == RPR_DEVICE_SUSPENDED;
}

void port_pend(struct sensor_port *port)
{
    struct sensor_peer *peer = port->peer;

    if (port->pending || !port->reads || asleep(port))
        return;
    if (peer->pending)
        peer->last_pending->next_pending = port;
    else
        peer->pending = port;
    peer->last_pending = port;
    port->pending = true;
}

/* Is nothing left that it should be sent? */
bool port_drained(struct sensor_port *port)
{
    const struct sensor_queue *q = &port->topic->queue;
    struct sensor_record record;

    while (q->bytes && queue_read(q, &port->at, &record)) {
        if (record.len ? sensor_relays(record.origin, port->peer) : port->flushing)
            return false;
        port->at = record.next;
    }
    return true;
}

/* When what is pending must leave: within the latency that was asked for, half of which is for the way
 * before if it was passed on; and at once when a message is full. */
static void port_due(struct sensor_port *port, uint32_t len, bool passed_on)
{
    struct sensor_peer *peer = port->peer;
    uint32_t wait_us = port->rate.latency_us >> passed_on;
    uint64_t at;

    port_pend(port);
    if (!port->pending)
        return;
    peer->pending_bytes += sensor_cell_bytes(len);
    if (!len || peer->pending_bytes + SENSOR_DATA_BYTES >= rpr_device_tx_len(peer->device))
        wait_us = 0;
    at = rpr_node_now(peer->sensor->node) + (uint64_t)wait_us * 1000u;
    if (at < peer->due_ns) {
        peer->due_ns = at;
        sensor_work_at(peer->sensor, at);
    }
}

static int to_queue(struct sensor_topic *topic, struct sensor_origin origin, const void *data,
                    uint32_t len)
{
    struct sensor_queue *q = &topic->queue;
    bool wanted = topic->persist && len;
    int error;

    for (struct sensor_port *port = topic->ports; port && !wanted; port = port->next)
        wanted = port->reads && sensor_relays(origin, port->peer);
    if (!wanted)
        return 0;
    error = queue_ready(topic, len);
    if (error) {
        for (struct sensor_port *port = topic->ports; port; port = port->next)
            port->dropped += port->reads && len && sensor_relays(origin, port->peer);
        return error;
    }
    while (queue_full(q, len))
        drop_oldest(topic);
    (void)queue_add(q, origin, data, len);
    for (struct sensor_port *port = topic->ports; port; port = port->next)
        if (port->reads && sensor_relays(origin, port->peer))
            port_due(port, len, origin.id != 0);
    return 0;
}

static void count(struct sensor_topic *topic, uint32_t len)
{
    uint64_t now = rpr_node_now(topic->sensor->node);

    if (now - topic->window_ns >= RATE_NS) {
        topic->rate_mhz = topic_rate(topic);
        topic->window_ns = now;
        topic->window_samples = topic->samples;
    }
    topic->samples++;
    topic->bytes += len;
}

/* Of the window before while the present one is young. */
uint64_t topic_rate(const struct sensor_topic *topic)
{
    uint64_t passed_us = (rpr_node_now(topic->sensor->node) - topic->window_ns) / 1000u;

    if (passed_us < RATE_NS / 1000u)
        return topic->rate_mhz;
    return (topic->samples - topic->window_samples) * UINT64_C(1000000000) / passed_us;
}

int topic_sample(struct sensor_topic *topic, const struct sensor_peer *from, const void *data,
                 uint32_t len)
{
    if (topic->dirty && !MUTANT(first_sample_has_no_readers))
        topic_start(topic);
    if (len)
        count(topic, len);
    if (topic->persist && len && (!from || from->group == RPR_SENSOR_PROGRAM))
        topic->keep = true;
    to_subs(topic, data, len);
    return to_queue(topic, sensor_origin(from), data, len);
}

/* ---- to a peer ---------------------------------------------------------------------------------------- */

/* Is this one for the peer? What can never be sent is lost here. */
static bool chosen(struct sensor_port *port, const struct sensor_record *record, size_t size)
{
    if (!record->len)
        return port->flushing;
    if (!sensor_relays(record->origin, port->peer))
        return false;
    if (SENSOR_DATA_BYTES + sensor_cell_bytes(record->len) > size) {
        port->dropped++;
        return false;
    }
    return pace_takes(&port->pace, port->rate.interval_us, record->data, record->len);
}

/* The next sample that this peer is to be sent. It is chosen once, and stays until it is sent or
 * dropped. */
static bool next_sample(struct sensor_port *port, struct sensor_record *record, size_t size)
{
    const struct sensor_queue *q = &port->topic->queue;

    while (q->bytes && queue_read(q, &port->at, record)) {
        port->chosen = port->chosen || chosen(port, record, size);
        if (port->chosen)
            return true;
        port->at = record->next;
    }
    return false;
}

/* The port whose turn it is, and its next sample. NULL: nobody has one. */
static struct sensor_port *next_port(struct sensor_peer *peer, struct sensor_record *record,
                                     size_t size)
{
    while (peer->pending && (asleep(peer->pending) || !next_sample(peer->pending, record, size)))
        unpend(peer->pending);
    return peer->pending;
}

static size_t put_cell(struct sensor_port *port, uint8_t *to, const struct sensor_record *record)
{
    struct sensor_cell cell = {.cookie = port->subscriber,
                               .nbuffer = port->topic->nbuffer,
                               .len = record->len,
                               .data = record->data};

    if (record->len) {
        port->tx++;
        port->peer->tx++;
    } else {
        port->flushing = false;
    }
    port->chosen = false;
    port->at = record->next;
    return sensor_cell_encode(to, &cell);
}

/* The others have their turn first. */
static void rotate(struct sensor_peer *peer)
{
    struct sensor_port *port = peer->pending;

    if (!port || !port->next_pending)
        return;
    peer->pending = port->next_pending;
    port->next_pending = NULL;
    peer->last_pending->next_pending = port;
    peer->last_pending = port;
}

/* It never fits: the link's buffers are shorter than the device says. */
static void lose_sample(struct sensor_port *port, const struct sensor_record *record)
{
    port->dropped++;
    port->chosen = false;
    port->at = record->next;
}

/* A message as full as it gets. */
static size_t fill(struct sensor_peer *peer, uint8_t *to, size_t size)
{
    struct sensor_record record;
    struct sensor_port *port;
    size_t at = SENSOR_DATA_BYTES;

    sensor_data_encode(to);
    while ((port = next_port(peer, &record, size)) != NULL) {
        if (at == SENSOR_DATA_BYTES && at + sensor_cell_bytes(record.len) > size) {
            lose_sample(port, &record);
            continue;
        }
        if (at + sensor_cell_bytes(record.len) > size) {
            rotate(peer);
            break;
        }
        at += put_cell(port, to + at, &record);
    }
    return at;
}

bool peer_send_cells(struct sensor_peer *peer)
{
    struct sensor_record record;
    struct rpr_buf buf;
    size_t len;

    while (next_port(peer, &record, rpr_device_tx_len(peer->device))) {
        int error = rpr_reserve(peer->ept, &buf);

        if (error)
            return error != -RPR_EAGAIN;
        len = buf.size > SENSOR_DATA_BYTES ? fill(peer, buf.data, buf.size) : 0;
        if (len > SENSOR_DATA_BYTES)
            (void)rpr_commit(peer->ept, &buf, len, 0);
        else
            rpr_cancel(peer->ept, &buf);
        if (!len)
            break; /* a buffer for nothing */
    }
    peer->due_ns = UINT64_MAX;
    return true;
}
