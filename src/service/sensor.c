/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rpmsg-sensor (WIRE 6.5): the endpoints on all devices, and the work timer in which what follows
 * from the words that are exchanged on them is done.
 */
#include "service/sensor.h"

#include "wire/router.h"

#define TOPICS      128u
#define PEER_TOPICS 64u
#define TOPICS_MOST 65535u
#define QUEUE_BYTES 16384u
#define QUEUE_LEAST 256u
#define RETRY_NS    UINT64_C(1000000000)

_Static_assert(RPR_SENSOR_PATH_MAX == SENSOR_PATH_MAX && RPR_SENSOR_FLUSH == SENSOR_FLUSH &&
                   RPR_SENSOR_GET_INFO == SENSOR_GET_INFO &&
                   RPR_SENSOR_INFO_BYTES == SENSOR_INFO_BYTES,
               "the public names are those of the wire");

void *sensor_alloc(struct rpr_sensor *sensor, size_t bytes)
{
    const struct rpr_platform *platform = rpr_node_platform(sensor->node);

    return platform->alloc(platform->ctx, bytes);
}

void sensor_free(struct rpr_sensor *sensor, void *memory, size_t bytes)
{
    const struct rpr_platform *platform = rpr_node_platform(sensor->node);

    if (memory)
        platform->free(platform->ctx, memory, bytes);
}

/* ---- when ------------------------------------------------------------------------------------------ */

void sensor_work_at(struct rpr_sensor *sensor, uint64_t at_ns)
{
    uint64_t now = rpr_node_now(sensor->node);

    if (at_ns <= now)
        at_ns = sensor->working ? now + 1 : now; /* others have their turn */
    if (!sensor->work.active || at_ns < sensor->work.at_ns)
        rpr_timer_start(sensor->node, &sensor->work, at_ns);
}

void sensor_work_now(struct rpr_sensor *sensor)
{
    sensor_work_at(sensor, 0);
}

void peer_words(struct sensor_peer *peer)
{
    peer->words = true;
    if (peer->bound && !peer->blocked)
        sensor_work_now(peer->sensor);
}

static void peer_open_again(struct sensor_peer *peer);

/* ---- the work timer --------------------------------------------------------------------------------- */

/* Words before samples: a subscriber knows the topic before it gets the first. */
static void pump(struct sensor_peer *peer)
{
    peer->blocked = !peer_say(peer) || !peer_send_cells(peer);
    for (struct sensor_port *port = peer->ports; port; port = port->next_peer)
        if (port->reads && !port->offer && port_drained(port))
            topic_dirty(port->topic); /* what was published to the end has left */
}

static void pump_all(struct rpr_sensor *sensor, uint64_t now_ns)
{
    for (struct sensor_peer *peer = sensor->peers; peer; peer = peer->next)
        if (peer->bound && !peer->blocked && (peer->words || peer->due_ns <= now_ns))
            pump(peer);
}

static void plan(struct rpr_sensor *sensor, uint64_t next_ns)
{
    for (struct sensor_peer *peer = sensor->peers; peer; peer = peer->next)
        if (peer->bound && !peer->blocked && peer->due_ns < next_ns)
            next_ns = peer->due_ns;
    if (next_ns != UINT64_MAX)
        sensor_work_at(sensor, next_ns);
}

/* Those that broke the rules, and have waited for long enough. */
static void open_closed(struct rpr_sensor *sensor)
{
    for (struct sensor_peer *peer = sensor->peers; peer; peer = peer->next)
        if (peer->breach.reason)
            peer_open_again(peer);
}

static void work_fired(struct rpr_timer *timer, uint64_t now_ns)
{
    struct rpr_sensor *sensor = RPR_CONTAINER(timer, struct rpr_sensor, work);
    uint64_t next, look;

    sensor->working = true;
    if (sensor->again && now_ns >= sensor->again_ns) {
        sensor->again = false;
        rpr_sensor_look(sensor);
        for (uint32_t i = 0; i < sensor->config.topics; i++)
            if (sensor->topics[i])
                sensor->topics[i]->dirty = true;
    }
    open_closed(sensor);
    next = calls_expire(sensor, now_ns);
    look = lost_look(sensor, now_ns);
    next = look < next ? look : next;
    topics_settle(sensor);
    pump_all(sensor, now_ns);
    plan(sensor, next);
    if (sensor->again)
        sensor_work_at(sensor, sensor->again_ns);
    sensor->working = false;
}

void sensor_try_again(struct rpr_sensor *sensor)
{
    if (sensor->again)
        return;
    sensor->again = true;
    sensor->again_ns = rpr_node_now(sensor->node) + RETRY_NS;
    sensor_work_at(sensor, sensor->again_ns);
}

/* ---- endpoints --------------------------------------------------------------------------------------- */

static enum rpr_rx_result on_rx(void *ctx, rpr_ept_t ept, const struct rpr_msg *msg)
{
    struct sensor_peer *peer = ctx;

    (void)ept;
    if (peer->sensor)
        peer_hear(peer, msg);
    return RPR_DONE;
}

void peer_break(struct sensor_peer *peer, const char *reason)
{
    peer->errors++;
    if (!peer->open || peer->breach.reason)
        return;
    breach_begin(&peer->breach, peer->device, RPR_SENSOR_SERVICE, reason);
    (void)rpr_ept_close(peer->ept);
}

static void on_bound(void *ctx, rpr_ept_t ept, uint32_t dest)
{
    struct sensor_peer *peer = ctx;

    (void)ept;
    (void)dest;
    if (!peer->sensor)
        return;
    peer->bound = true;
    peer->blocked = false;
    peer->due_ns = UINT64_MAX;
    for (uint32_t i = 0; i < peer->sensor->config.topics; i++)
        if (peer->sensor->topics[i])
            topic_dirty(peer->sensor->topics[i]);
}

static void lose(struct sensor_peer *peer)
{
    peer->bound = false;
    peer->words = false;
    calls_drop_peer(peer);
    peer_drop_ports(peer);
}

static void on_unbound(void *ctx, rpr_ept_t ept, enum rpr_unbound_reason reason)
{
    struct sensor_peer *peer = ctx;

    (void)ept;
    (void)reason;
    if (peer->sensor)
        lose(peer);
}

static void on_writable(void *ctx, rpr_ept_t ept)
{
    struct sensor_peer *peer = ctx;

    (void)ept;
    if (!peer->sensor)
        return;
    peer->blocked = false;
    peer->due_ns = 0;
    sensor_work_now(peer->sensor);
}

static struct sensor_peer *peer_of(const struct rpr_sensor *sensor, const struct rpr_device *device)
{
    struct sensor_peer *peer = sensor->peers;

    while (peer && (peer->gone || peer->device != device))
        peer = peer->next;
    return peer;
}

/* Peers came or went: who has to do with one only is told which that is now. */
static void find_only(struct rpr_sensor *sensor)
{
    for (struct sensor_peer *peer = sensor->peers; peer; peer = peer->next) {
        const struct sensor_peer *only = peer->only ? peer_of(sensor, peer->only) : NULL;

        peer->only_id = !peer->only ? 0 : only ? only->id : NOBODY;
    }
}

static void peer_free(struct sensor_peer *peer)
{
    struct rpr_sensor *sensor = peer->sensor;
    struct sensor_peer **at;

    for (at = &sensor->peers; *at != peer; at = &(*at)->next)
        ;
    *at = peer->next;
    find_only(sensor);
    sensor_free(sensor, peer, sizeof *peer);
}

static void on_closed(void *ctx)
{
    struct sensor_peer *peer = ctx;

    if (!peer->sensor) {
        const struct rpr_platform *platform = peer->platform;

        platform->free(platform->ctx, peer, sizeof *peer);
        return;
    }
    lose(peer);
    peer->open = false;
    if (peer->gone)
        peer_free(peer);
    else
        peer_open_again(peer);
}

static const struct rpr_ept_ops ops = {.rx = on_rx,
                                       .bound = on_bound,
                                       .unbound = on_unbound,
                                       .writable = on_writable,
                                       .closed = on_closed};

static bool peer_open(struct sensor_peer *peer)
{
    struct rpr_ept_config config = {.name = RPR_SENSOR_SERVICE,
                                    .addr = RPR_ADDR_ANY,
                                    .dest = RPR_ADDR_ANY,
                                    .ops = &ops,
                                    .ctx = peer};

    peer->open = true;
    if (rpr_ept_open(peer->device, &config, &peer->ept)) {
        peer->open = false;
        return false;
    }
    return true;
}

static void peer_open_again(struct sensor_peer *peer)
{
    if (peer->open || peer->gone)
        return;
    if (!breach_over(&peer->breach, peer->device))
        sensor_work_at(peer->sensor, peer->breach.until_ns);
    else if (!peer_open(peer))
        sensor_try_again(peer->sensor);
}

static enum rpr_sensor_group group_of(const struct rpr_sensor *sensor,
                                      const struct rpr_device *device)
{
    const struct rpr_sensor_config *config = &sensor->config;

    if (scope_wants(&sensor->scope, device))
        return RPR_SENSOR_REMOTE;
    if (!cpu_name_valid(rpr_device_name(device), RPR_NAME_MAX) && config->is_program &&
        config->is_program(config->ctx, device))
        return RPR_SENSOR_PROGRAM;
    return RPR_SENSOR_NONE;
}

static void add_peer(struct rpr_sensor *sensor, struct rpr_device *device,
                     enum rpr_sensor_group group)
{
    struct sensor_peer *peer = sensor_alloc(sensor, sizeof *peer);

    if (!peer) {
        sensor_try_again(sensor);
        return;
    }
    peer->sensor = sensor;
    peer->platform = rpr_node_platform(sensor->node);
    peer->device = device;
    peer->group = group;
    peer->id = ++sensor->last_peer_id & 0x7fffffffu;
    peer->due_ns = UINT64_MAX;
    if (group == RPR_SENSOR_PROGRAM && sensor->config.only)
        peer->only = sensor->config.only(sensor->config.ctx, device);
    peer->next = sensor->peers;
    sensor->peers = peer;
    find_only(sensor);
    if (!peer_open(peer)) {
        peer_free(peer);
        sensor_try_again(sensor);
    }
}

static void remove_peer(struct sensor_peer *peer)
{
    peer->gone = true;
    if (peer->open)
        (void)rpr_ept_close(peer->ept);
    else
        peer_free(peer);
}

static void look_at(struct rpr_sensor *sensor, struct rpr_device *device)
{
    enum rpr_sensor_group group = group_of(sensor, device);
    struct sensor_peer *peer = peer_of(sensor, device);

    if (group != RPR_SENSOR_NONE && !peer)
        add_peer(sensor, device, group);
    else if (group != RPR_SENSOR_NONE)
        peer_open_again(peer);
    else if (peer)
        remove_peer(peer);
}

void rpr_sensor_look(struct rpr_sensor *sensor)
{
    struct rpr_device *d;

    for (d = rpr_device_next(sensor->node, NULL); d; d = rpr_device_next(sensor->node, d))
        look_at(sensor, d);
}

/* Up again, or awake. */
static void on_device_state(struct sensor_peer *peer, enum rpr_device_state state)
{
    if (state != RPR_DEVICE_UP)
        return;
    peer_open_again(peer);
    for (struct sensor_port *port = peer->ports; port; port = port->next_peer)
        port_pend(port);
    if (peer->pending) {
        peer->due_ns = 0;
        sensor_work_now(peer->sensor);
    }
}

static void on_event(void *ctx, const struct rpr_event *event)
{
    struct rpr_sensor *sensor = ctx;
    struct sensor_peer *peer = event->device ? peer_of(sensor, event->device) : NULL;

    if (event->kind == RPR_EVENT_DEVICE_ADDED)
        look_at(sensor, event->device);
    else if (peer && event->kind == RPR_EVENT_DEVICE_STATE)
        on_device_state(peer, event->state);
    else if (peer && event->kind == RPR_EVENT_DEVICE_REMOVED && peer->open)
        peer->gone = true;
    else if (peer && event->kind == RPR_EVENT_DEVICE_REMOVED)
        peer_free(peer);
}

/* ---- open and close ------------------------------------------------------------------------------------ */

static int check_config(struct rpr_sensor_config *c)
{
    c->topics = c->topics ? c->topics : TOPICS;
    c->peer_topics = c->peer_topics ? c->peer_topics : PEER_TOPICS;
    c->queue_bytes = (c->queue_bytes ? c->queue_bytes : QUEUE_BYTES) & ~7u;
    c->queue_most = (c->queue_most ? c->queue_most : 4 * c->queue_bytes) & ~7u;
    return c->topics <= TOPICS_MOST && c->queue_bytes >= QUEUE_LEAST &&
                   c->queue_most >= c->queue_bytes && c->queue_most < UINT32_MAX / 2
               ? 0
               : -RPR_EINVAL;
}

int rpr_sensor_open(struct rpr_node *node, const struct rpr_service_scope *scope,
                    const struct rpr_sensor_config *config, struct rpr_sensor **result)
{
    const struct rpr_platform *platform = rpr_node_platform(node);
    struct rpr_sensor_config c = {.topics = 0};
    struct rpr_sensor *sensor;
    int error;

    if (config)
        c = *config;
    error = check_config(&c);
    if (error)
        return error;
    sensor = platform->alloc(platform->ctx, sizeof *sensor);
    if (!sensor)
        return -RPR_ENOMEM;
    sensor->node = node;
    sensor->config = c;
    if (scope)
        sensor->scope = *scope;
    sensor->topics = sensor_alloc(sensor, c.topics * sizeof *sensor->topics);
    if (!sensor->topics) {
        sensor_free(sensor, sensor, sizeof *sensor);
        return -RPR_ENOMEM;
    }
    sensor->generation = platform->random ? platform->random(platform->ctx) : 0;
    sensor->last_call = (uint64_t)sensor->generation << 32;
    sensor->look_ns = UINT64_MAX;
    sensor->work.fire = work_fired;
    sensor->observer.event = on_event;
    sensor->observer.ctx = sensor;
    rpr_observer_add(node, &sensor->observer);
    rpr_sensor_look(sensor);
    *result = sensor;
    return 0;
}

static void free_users(struct sensor_topic *topic)
{
    struct rpr_sensor *sensor = topic->sensor;

    while (topic->pubs) {
        struct rpr_sensor_pub *pub = topic->pubs;

        topic->pubs = pub->next;
        sensor_free(sensor, pub, sizeof *pub);
    }
    while (topic->subs) {
        struct rpr_sensor_sub *sub = topic->subs;

        topic->subs = sub->next;
        sensor_free(sensor, sub, sizeof *sub);
    }
}

void rpr_sensor_close(struct rpr_sensor *sensor)
{
    rpr_observer_remove(sensor->node, &sensor->observer);
    while (sensor->peers) {
        struct sensor_peer *peer = sensor->peers;

        lose(peer);
        sensor->peers = peer->next;
        peer->sensor = NULL;
        if (peer->open)
            (void)rpr_ept_close(peer->ept);
        else
            sensor_free(sensor, peer, sizeof *peer);
    }
    rpr_timer_stop(sensor->node, &sensor->work);
    calls_free(sensor);
    for (uint32_t i = 0; i < sensor->config.topics; i++) {
        struct sensor_topic *topic = sensor->topics[i];

        if (!topic)
            continue;
        free_users(topic);
        topic_free(topic);
    }
    sensor_free(sensor, sensor->topics, sensor->config.topics * sizeof *sensor->topics);
    sensor_free(sensor, sensor, sizeof *sensor);
}
