/* SPDX-License-Identifier: Apache-2.0 */
/* Publishers and subscribers of this node, and what is shown. */
#include "service/sensor.h"

static uint32_t bits_of(const float *number)
{
    uint32_t bits;

    memcpy(&bits, number, sizeof bits);
    return bits;
}

static void keep_info(struct rpr_sensor_pub *pub, const struct rpr_sensor_info *info)
{
    struct sensor_info wire = {.version = info->version,
                               .power_bits = bits_of(&info->power_ma),
                               .max_range_bits = bits_of(&info->max_range),
                               .resolution_bits = bits_of(&info->resolution),
                               .min_delay_us = info->min_delay_us,
                               .max_delay_us = info->max_delay_us,
                               .fifo_reserved = info->fifo_reserved,
                               .fifo_max = info->fifo_max};

    text_copy(wire.name, sizeof wire.name, info->name);
    text_copy(wire.vendor, sizeof wire.vendor, info->vendor);
    sensor_info_encode(pub->info, &wire);
    pub->has_info = true;
}

/* ---- publishers ---------------------------------------------------------------------------------------- */

int rpr_sensor_advertise(struct rpr_sensor *sensor, const struct rpr_sensor_pub_config *config,
                         struct rpr_sensor_pub **result)
{
    struct sensor_topic *topic;
    struct rpr_sensor_pub *pub;
    int error;

    if (!path_valid(config->path))
        return -RPR_EINVAL;
    error = topic_get(sensor, config->path, &topic);
    if (error)
        return error;
    topic_dirty(topic);
    pub = sensor_alloc(sensor, sizeof *pub);
    if (!pub)
        return -RPR_ENOMEM;
    pub->topic = topic;
    pub->ops = config->ops;
    pub->ctx = config->ctx;
    if (config->info)
        keep_info(pub, config->info);
    pub->next = topic->pubs;
    topic->pubs = pub;
    topic->persist |= config->persist;
    topic_nbuffer(topic, config->nbuffer);
    *result = pub;
    return 0;
}

void rpr_sensor_unadvertise(struct rpr_sensor_pub *pub)
{
    pub->closed = true;
    topic_dirty(pub->topic);
}

int rpr_sensor_publish(struct rpr_sensor_pub *pub, const void *data, uint32_t len)
{
    return len ? topic_sample(pub->topic, NULL, data, len) : -RPR_EINVAL;
}

void rpr_sensor_flushed(struct rpr_sensor_pub *pub)
{
    (void)topic_sample(pub->topic, NULL, NULL, 0);
}

static uint32_t backlog(const struct sensor_topic *topic)
{
    uint64_t most = 0;

    for (struct sensor_port *port = topic->ports; port; port = port->next)
        if (port->reads && !port_drained(port) && topic->queue.head - port->at > most)
            most = topic->queue.head - port->at;
    return (uint32_t)most;
}

uint32_t rpr_sensor_backlog(const struct rpr_sensor_pub *pub, uint32_t *queue_bytes)
{
    *queue_bytes = pub->topic->queue.size;
    return backlog(pub->topic);
}

/* ---- subscribers ------------------------------------------------------------------------------------- */

int rpr_sensor_subscribe(struct rpr_sensor *sensor, const struct rpr_sensor_sub_config *config,
                         struct rpr_sensor_sub **result)
{
    struct sensor_topic *topic;
    struct rpr_sensor_sub *sub;
    int error;

    if (!path_valid(config->path) || !config->ops || !config->ops->sample)
        return -RPR_EINVAL;
    error = topic_get(sensor, config->path, &topic);
    if (error)
        return error;
    topic_dirty(topic);
    sub = sensor_alloc(sensor, sizeof *sub);
    if (!sub)
        return -RPR_ENOMEM;
    sub->topic = topic;
    sub->ops = config->ops;
    sub->ctx = config->ctx;
    sub->sample_bytes = config->sample_bytes;
    sub->rate = (struct sensor_rate){.interval_us = config->interval_us,
                                     .latency_us = config->latency_us,
                                     .nonwakeup = config->nonwakeup};
    sub->next = topic->subs;
    topic->subs = sub;
    *result = sub;
    return 0;
}

void rpr_sensor_unsubscribe(struct rpr_sensor_sub *sub)
{
    sub->closed = true;
    calls_drop_sub(sub);
    topic_dirty(sub->topic);
}

void rpr_sensor_set_interval(struct rpr_sensor_sub *sub, uint32_t interval_us)
{
    sub->rate.interval_us = interval_us;
    sub->pace.started = false;
    topic_dirty(sub->topic);
}

void rpr_sensor_set_latency(struct rpr_sensor_sub *sub, uint32_t latency_us)
{
    sub->rate.latency_us = latency_us;
    topic_dirty(sub->topic);
}

uint64_t rpr_sensor_sub_odd(const struct rpr_sensor_sub *sub)
{
    return sub->odd;
}

/* ---- for display ---------------------------------------------------------------------------------------- */

static void count_users(const struct sensor_topic *topic, struct rpr_sensor_topic_info *info)
{
    for (const struct rpr_sensor_pub *pub = topic->pubs; pub; pub = pub->next)
        info->publishers += !pub->closed;
    for (const struct rpr_sensor_sub *sub = topic->subs; sub; sub = sub->next)
        info->subscribers += !sub->closed;
}

bool rpr_sensor_topic(const struct rpr_sensor *sensor, uint32_t *cursor,
                      struct rpr_sensor_topic_info *info)
{
    const struct sensor_topic *topic = NULL;

    while (*cursor < sensor->config.topics && !topic)
        topic = sensor->topics[(*cursor)++];
    if (!topic)
        return false;
    *info = (struct rpr_sensor_topic_info){.path = topic->path,
                                           .nbuffer = topic->nbuffer,
                                           .persist = topic->persist,
                                           .interval_us = topic->rate.interval_us,
                                           .latency_us = topic->rate.latency_us,
                                           .queue_bytes = topic->queue.size,
                                           .queued_most = backlog(topic),
                                           .samples = topic->samples,
                                           .bytes = topic->bytes,
                                           .rate_mhz = topic_rate(topic)};
    count_users(topic, info);
    return true;
}

bool rpr_sensor_link(const struct rpr_sensor *sensor, const char *path, unsigned n,
                     struct rpr_sensor_link_info *info)
{
    const struct sensor_topic *topic = topic_find(sensor, path);
    const struct sensor_port *port = topic ? topic->ports : NULL;

    for (; port; port = port->next)
        if ((port->advertises || port->subscribes) && !n--)
            break;
    if (!port)
        return false;
    *info = (struct rpr_sensor_link_info){.device = port->peer->device,
                                          .group = port->peer->group,
                                          .publishes = port->advertises,
                                          .subscribes = port->subscribes,
                                          .interval_us = port->rate.interval_us,
                                          .latency_us = port->rate.latency_us,
                                          .nonwakeup = port->rate.nonwakeup,
                                          .rx = port->rx,
                                          .tx = port->tx,
                                          .dropped = port->dropped};
    return true;
}

bool rpr_sensor_peer(const struct rpr_sensor *sensor, unsigned n, struct rpr_sensor_peer_info *info)
{
    const struct sensor_peer *peer = sensor->peers;

    for (; peer; peer = peer->next)
        if (!peer->gone && !n--)
            break;
    if (!peer)
        return false;
    *info = (struct rpr_sensor_peer_info){.device = peer->device,
                                          .group = peer->group,
                                          .bound = peer->bound,
                                          .reason = peer->breach.reason ? peer->breach.reason : "",
                                          .rx = peer->rx,
                                          .tx = peer->tx,
                                          .late = peer->late,
                                          .refused = peer->refused,
                                          .errors = peer->errors};
    return true;
}

bool rpr_sensor_closed(const struct rpr_sensor *sensor, unsigned n, struct rpr_service_closed *info)
{
    for (const struct sensor_peer *peer = sensor->peers; peer; peer = peer->next)
        if (!peer->gone && breach_show(&peer->breach, peer->device, info) && !n--)
            return true;
    return false;
}
