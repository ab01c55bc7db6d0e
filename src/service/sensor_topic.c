/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table of topics, and what follows from what all sides said: who is offered a topic, at whom
 * this node subscribes to it, and when it is forgotten.
 */
#include "service/sensor.h"

#define INDEX_BITS 16u

/* ---- the table --------------------------------------------------------------------------------------- */

bool path_valid(const char *path)
{
    size_t n = 0;

    for (; path[n]; n++)
        if (n == SENSOR_PATH_MAX || path[n] <= ' ' || path[n] > '~')
            return false;
    return n > 0;
}

struct sensor_topic *topic_find(const struct rpr_sensor *sensor, const char *path)
{
    for (uint32_t i = 0; i < sensor->config.topics; i++)
        if (sensor->topics[i] && !text_differs(sensor->topics[i]->path, path))
            return sensor->topics[i];
    return NULL;
}

struct sensor_topic *topic_of_cookie(const struct rpr_sensor *sensor, uint64_t cookie)
{
    uint32_t index = (uint32_t)cookie & ((1u << INDEX_BITS) - 1);
    struct sensor_topic *topic = index < sensor->config.topics ? sensor->topics[index] : NULL;

    return topic && (topic->cookie == cookie || MUTANT(cookie_finds_the_next_topic)) ? topic : NULL;
}

static int free_place(const struct rpr_sensor *sensor, uint32_t *place)
{
    for (*place = 0; *place < sensor->config.topics; ++*place)
        if (!sensor->topics[*place])
            return 0;
    return -RPR_ENOSPC;
}

int topic_get(struct rpr_sensor *sensor, const char *path, struct sensor_topic **result)
{
    struct sensor_topic *topic = topic_find(sensor, path);
    uint32_t place;
    int error;

    *result = topic;
    if (topic)
        return 0;
    error = free_place(sensor, &place);
    if (error)
        return error;
    topic = sensor_alloc(sensor, sizeof *topic);
    if (!topic)
        return -RPR_ENOMEM;
    topic->sensor = sensor;
    topic->nbuffer = 1;
    topic->window_ns = rpr_node_now(sensor->node);
    if (!++sensor->generation) /* no cookie is 0: that is none */
        ++sensor->generation;
    topic->cookie = (uint64_t)sensor->generation << INDEX_BITS | place;
    text_copy(topic->path, sizeof topic->path, path);
    sensor->topics[place] = topic;
    *result = topic;
    return 0;
}

void topic_free(struct sensor_topic *topic)
{
    struct rpr_sensor *sensor = topic->sensor;

    sensor->topics[topic->cookie & ((1u << INDEX_BITS) - 1)] = NULL;
    sensor_free(sensor, topic->queue.bytes, topic->queue.size);
    sensor_free(sensor, topic, sizeof *topic);
}

void topic_dirty(struct sensor_topic *topic)
{
    topic->dirty = true;
    sensor_work_now(topic->sensor);
}

/* ---- ports ------------------------------------------------------------------------------------------- */

struct sensor_port *port_find(const struct sensor_topic *topic, const struct sensor_peer *peer)
{
    struct sensor_port *port = topic->ports;

    while (port && port->peer != peer)
        port = port->next;
    return port;
}

struct sensor_port *port_get(struct sensor_topic *topic, struct sensor_peer *peer)
{
    const struct rpr_sensor_config *config = &topic->sensor->config;
    struct sensor_port *port = port_find(topic, peer);

    if (port)
        return port;
    port = sensor_alloc(topic->sensor, sizeof *port);
    if (!port)
        return NULL;
    port->topic = topic;
    port->peer = peer;
    port->rights = config->rights ? config->rights(config->ctx, peer->device, topic->path)
                                  : RPR_SENSOR_READ | RPR_SENSOR_WRITE;
    port->next = topic->ports;
    topic->ports = port;
    port->next_peer = peer->ports;
    peer->ports = port;
    return port;
}

static void port_free(struct sensor_port *port)
{
    struct sensor_port **at;

    port_stop(port);
    for (at = &port->topic->ports; *at != port; at = &(*at)->next)
        ;
    *at = port->next;
    for (at = &port->peer->ports; *at != port; at = &(*at)->next_peer)
        ;
    *at = port->next_peer;
    port->peer->n_topics -= port->advertises || port->subscribes;
    sensor_free(port->topic->sensor, port, sizeof *port);
}

void peer_drop_ports(struct sensor_peer *peer)
{
    while (peer->ports) {
        topic_dirty(peer->ports->topic);
        port_free(peer->ports);
    }
    peer->pending_bytes = 0;
    peer->due_ns = UINT64_MAX;
}

/* ---- what follows -------------------------------------------------------------------------------------- */

struct sensor_origin sensor_origin(const struct sensor_peer *from)
{
    if (!from)
        return (struct sensor_origin){.id = 0};
    return (struct sensor_origin){
        .id = from->id, .only_id = from->only_id, .remote = from->group == RPR_SENSOR_REMOTE};
}

bool sensor_relays(struct sensor_origin from, const struct sensor_peer *to)
{
    if (from.id == to->id && !MUTANT(samples_go_back))
        return false;
    if (from.remote && to->group == RPR_SENSOR_REMOTE && !MUTANT(remotes_hear_each_other))
        return false;
    return (!from.only_id || from.only_id == to->id) && (!to->only_id || to->only_id == from.id);
}

static unsigned n_pubs(const struct sensor_topic *topic)
{
    unsigned n = 0;

    for (const struct rpr_sensor_pub *pub = topic->pubs; pub; pub = pub->next)
        n += !pub->closed;
    return n;
}

static unsigned n_subs(const struct sensor_topic *topic)
{
    unsigned n = 0;

    for (const struct rpr_sensor_sub *sub = topic->subs; sub; sub = sub->next)
        n += !sub->closed;
    return n;
}

/* Publishers whose samples this peer (NULL: this node) gets. */
static unsigned publishers_for(const struct sensor_topic *topic, const struct sensor_peer *to)
{
    unsigned n = !to || sensor_relays(sensor_origin(NULL), to) ? n_pubs(topic) : 0;

    for (const struct sensor_port *port = topic->ports; port; port = port->next)
        n += port->advertises && (!to || sensor_relays(sensor_origin(port->peer), to));
    return n;
}

/* Subscribers who get the samples of this peer (NULL: this node). */
static unsigned subscribers_of(const struct sensor_topic *topic, const struct sensor_peer *from)
{
    struct sensor_origin origin = sensor_origin(from);
    unsigned n = n_subs(topic);

    for (const struct sensor_port *port = topic->ports; port; port = port->next)
        n += port->subscribes && sensor_relays(origin, port->peer);
    return n;
}

/* What satisfies everyone. */
static void rate_add(struct sensor_rate *all, bool *any, const struct sensor_rate *rate)
{
    if (!*any || rate->interval_us < all->interval_us)
        all->interval_us = rate->interval_us;
    if (!*any || rate->latency_us < all->latency_us)
        all->latency_us = rate->latency_us;
    all->nonwakeup = rate->nonwakeup && (!*any || all->nonwakeup);
    *any = true;
}

/* What all who get samples from `from` (NULL: this node) ask for. One who wants them all, interval 0,
 * is not slowed by others: those get fewer of them here. */
static struct sensor_rate asked_for(const struct sensor_topic *topic,
                                    const struct sensor_peer *from)
{
    struct sensor_rate all = {.interval_us = 0};
    bool any = false;

    for (const struct rpr_sensor_sub *sub = topic->subs; sub; sub = sub->next)
        if (!sub->closed)
            rate_add(&all, &any, &sub->rate);
    for (const struct sensor_port *port = topic->ports; port; port = port->next) {
        struct sensor_rate rate = port->rate;

        rate.latency_us >>= from != NULL; /* the other half passes here */
        if (port->subscribes && sensor_relays(sensor_origin(from), port->peer))
            rate_add(&all, &any, &rate);
    }
    return all;
}

/* Does anyone care for it but peers that were merely told of it? */
static bool alive(const struct sensor_topic *topic)
{
    const struct sensor_port *port = topic->ports;

    while (port && !port->advertises && !port->subscribes)
        port = port->next;
    return port || topic->pubs || topic->subs || topic->keep;
}

/* A sample that stays valid is offered like a publisher, to those who would have got it. */
static bool is_kept_for(const struct sensor_topic *topic, const struct sensor_peer *peer)
{
    struct sensor_record last;
    uint64_t at = topic->queue.last;

    return topic->persist && topic->queue.any && alive(topic) &&
           queue_read(&topic->queue, &at, &last) && sensor_relays(last.origin, peer);
}

static bool is_offered(const struct sensor_topic *topic, const struct sensor_peer *peer)
{
    return is_kept_for(topic, peer) || publishers_for(topic, peer) > 0;
}

/* Words are dealt with in the work timer, but samples may come before that: none of them is lost to
 * who is known to want them. */
void topic_start(struct sensor_topic *topic)
{
    for (struct sensor_port *port = topic->ports; port; port = port->next) {
        if (!port->subscribes || port->reads || !(port->rights & RPR_SENSOR_READ) ||
            !is_offered(topic, port->peer))
            continue;
        port->offer = true;
        port_start(port);
    }
}

/* The peer is sent samples from the moment on at which both sides want it, and to the last one that
 * was published while they did. */
static void settle_reading(struct sensor_port *port)
{
    if (port->subscribes && port->offer && !port->reads)
        port_start(port);
    else if (port->reads &&
             (!port->subscribes ||
              (!port->offer && (port_drained(port) || MUTANT(end_overtakes_samples)))))
        port_stop(port);
}

static void settle_port(struct sensor_port *port, bool offer, bool want)
{
    struct sensor_peer *peer = port->peer;

    port->offer = offer && (port->rights & RPR_SENSOR_READ);
    port->want = want && (port->rights & RPR_SENSOR_WRITE);
    port->owes_subscribe_ack &= port->offer; /* else it is advertised when there is something */
    port->owes_advertise_ack &= port->want;
    port->want_rate = asked_for(port->topic, peer);
    settle_reading(port);
    peer_words(peer);
}

static bool of_use(const struct sensor_port *port)
{
    return port->advertises || port->subscribes || port->offer || port->want || port->told_offer ||
           port->told_want || port->reads;
}

/* A program that ends shall leave its last sample behind, if that stays valid. */
static bool to_be_kept(const struct sensor_topic *topic, const struct sensor_port *port)
{
    return topic->persist && port && port->advertises && port->peer->group == RPR_SENSOR_PROGRAM;
}

static void settle_ports(struct sensor_topic *topic)
{
    for (struct sensor_peer *peer = topic->sensor->peers; peer; peer = peer->next) {
        struct sensor_port *port = port_find(topic, peer);
        bool offer = is_offered(topic, peer);
        bool want = subscribers_of(topic, peer) > 0 || to_be_kept(topic, port);

        if (!peer->bound)
            continue;
        if (!port && (offer || want)) {
            port = port_get(topic, peer);
            if (!port)
                sensor_try_again(topic->sensor);
        }
        if (port)
            settle_port(port, offer, want);
    }
    for (struct sensor_port *port = topic->ports, *next; port; port = next) {
        next = port->next;
        if (!of_use(port))
            port_free(port);
    }
}

static void tell_publishers(struct sensor_topic *topic)
{
    unsigned n = subscribers_of(topic, NULL);
    struct sensor_rate rate = asked_for(topic, NULL);
    bool news = n != topic->n_wanting || rate.interval_us != topic->rate.interval_us ||
                rate.latency_us != topic->rate.latency_us;

    topic->n_wanting = n;
    topic->rate = rate;
    for (struct rpr_sensor_pub *pub = topic->pubs; pub; pub = pub->next) {
        bool tell = !pub->closed && pub->ops && pub->ops->wanted && (news || (!pub->told && n));

        pub->told = true;
        if (tell)
            pub->ops->wanted(pub->ctx, n, rate.interval_us, rate.latency_us);
    }
}

static void tell_subscribers(struct sensor_topic *topic)
{
    unsigned n = publishers_for(topic, NULL);
    bool news = n != topic->n_publishing;

    topic->n_publishing = n;
    for (struct rpr_sensor_sub *sub = topic->subs; sub; sub = sub->next) {
        bool tell = !sub->closed && sub->ops->publishers && (news || (!sub->told && n));

        sub->told = true;
        if (tell)
            sub->ops->publishers(sub->ctx, n);
    }
}

static void reap(struct sensor_topic *topic)
{
    struct rpr_sensor *sensor = topic->sensor;

    for (struct rpr_sensor_pub **at = &topic->pubs; *at;) {
        struct rpr_sensor_pub *pub = *at;

        if (!pub->closed) {
            at = &pub->next;
            continue;
        }
        *at = pub->next;
        sensor_free(sensor, pub, sizeof *pub);
    }
    for (struct rpr_sensor_sub **at = &topic->subs; *at;) {
        struct rpr_sensor_sub *sub = *at;

        if (!sub->closed) {
            at = &sub->next;
            continue;
        }
        *at = sub->next;
        sensor_free(sensor, sub, sizeof *sub);
    }
}

static void settle(struct sensor_topic *topic)
{
    topic_start(topic); /* what is published from inside the next two reaches whom it should */
    topic->dirty = false;
    tell_publishers(topic);
    tell_subscribers(topic);
    reap(topic);
    settle_ports(topic);
    if (!topic->dirty && !topic->ports && !alive(topic)) {
        calls_drop_topic(topic);
        topic_free(topic);
    }
}

void topics_settle(struct rpr_sensor *sensor)
{
    for (uint32_t i = 0; i < sensor->config.topics; i++)
        if (sensor->topics[i] && sensor->topics[i]->dirty)
            settle(sensor->topics[i]);
}
