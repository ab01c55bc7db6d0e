/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The words of rpmsg-sensor. What a peer says is written down in its ports; what it is to be told is
 * the difference between what a port should have been told and what it was.
 */
#include "service/sensor.h"

/* ---- words that are sent -------------------------------------------------------------------------- */

static int say(struct sensor_port *port, uint32_t command)
{
    struct rpr_sensor *sensor = port->peer->sensor;
    struct sensor_topic_message m = {.command = command,
                                     .nbuffer = port->topic->nbuffer,
                                     .cookie = port->topic->cookie,
                                     .persist = port->topic->persist};
    size_t len;

    text_copy(m.path, sizeof m.path, port->topic->path);
    len = sensor_topic_encode(sensor->message, &m);
    return rpr_send(port->peer->ept, sensor->message, len, 0);
}

static int say_number(struct sensor_port *port, int32_t request, uint64_t number)
{
    struct rpr_sensor *sensor = port->peer->sensor;
    struct sensor_ioctl_message *m = &sensor->ioctl;
    size_t len;

    memset(m, 0, SENSOR_IOCTL_BYTES);
    m->command = SENSOR_IOCTL;
    m->cookie = 0; /* no answer */
    m->proxy = port->advertiser;
    m->request = request;
    m->arglen = 0;
    m->number = number;
    len = sensor_ioctl_encode(sensor->message, m);
    return rpr_send(port->peer->ept, sensor->message, len, 0);
}

/* The word that is due next, or SENSOR_N_COMMANDS. What ends comes first. */
static uint32_t next_word(struct sensor_port *port)
{
    if (port->told_offer && !port->offer && !port->reads)
        return SENSOR_UNADVERTISE;
    if ((port->told_want || port->owes_unsubscribe) && !port->want)
        return SENSOR_UNSUBSCRIBE;
    if (port->owes_subscribe_ack && port->offer)
        return SENSOR_SUBSCRIBE_ACK;
    if (port->offer && (!port->told_offer || port->tell))
        return SENSOR_ADVERTISE;
    if (port->want && (!port->told_want || port->ask))
        return SENSOR_SUBSCRIBE;
    if (port->owes_advertise_ack && port->want)
        return SENSOR_ADVERTISE_ACK;
    if (port->proxy && (port->told_rate.interval_us != port->want_rate.interval_us ||
                        port->told_rate.latency_us != port->want_rate.latency_us ||
                        port->told_rate.nonwakeup != port->want_rate.nonwakeup))
        return SENSOR_IOCTL;
    return SENSOR_N_COMMANDS;
}

/* One of the three that differ; the others follow. */
static int say_rate(struct sensor_port *port)
{
    struct sensor_rate rate = port->told_rate;
    const struct sensor_rate *want = &port->want_rate;
    int error;

    if (rate.interval_us != want->interval_us) {
        rate.interval_us = want->interval_us;
        error = say_number(port, SENSOR_SET_INTERVAL, want->interval_us);
    } else if (rate.latency_us != want->latency_us) {
        rate.latency_us = want->latency_us;
        error = say_number(port, SENSOR_BATCH, want->latency_us);
    } else {
        rate.nonwakeup = want->nonwakeup;
        error = say_number(port, SENSOR_SET_NONWAKEUP, want->nonwakeup);
    }
    if (error != -RPR_EAGAIN)
        port->told_rate = rate;
    return error;
}

static void told(struct sensor_port *port, bool *what)
{
    if (!*what)
        lost_said(port);
    *what = true;
}

/* It is said: what was to be told has been. */
static void said(struct sensor_port *port, uint32_t word)
{
    switch (word) {
    case SENSOR_UNADVERTISE:
        port->told_offer = false;
        break;
    case SENSOR_UNSUBSCRIBE:
        port->told_want = port->owes_unsubscribe = port->proxy = false;
        port->told_rate = (struct sensor_rate){.interval_us = 0};
        lost_doubt(port);
        lost_ended(port->peer->sensor, port->topic->cookie, port->topic->path);
        break;
    case SENSOR_SUBSCRIBE_ACK:
        port->owes_subscribe_ack = false;
        told(port, &port->told_offer);
        break;
    case SENSOR_ADVERTISE:
        port->tell = false;
        told(port, &port->told_offer);
        break;
    case SENSOR_SUBSCRIBE:
        port->ask = port->owes_unsubscribe = false;
        told(port, &port->told_want);
        break;
    case SENSOR_ADVERTISE_ACK:
        port->owes_advertise_ack = false;
        port->proxy = true;
        calls_go_on(port->topic);
        break;
    default:
        break;
    }
}

/* All that is due for one topic. False: the link is full. Another error, a link that is too narrow
 * for a word, changes nothing by trying again. */
static bool say_port(struct sensor_port *port)
{
    uint32_t word;

    while ((word = next_word(port)) != SENSOR_N_COMMANDS) {
        int error = word == SENSOR_IOCTL ? say_rate(port) : say(port, word);

        if (error == -RPR_EAGAIN)
            return false;
        port->peer->errors += error != 0;
        said(port, word);
        if (word == SENSOR_UNADVERTISE || word == SENSOR_UNSUBSCRIBE)
            topic_dirty(port->topic); /* it may be forgotten now */
    }
    return true;
}

bool peer_say(struct sensor_peer *peer)
{
    if (!peer->words)
        return true;
    for (struct sensor_port *port = peer->ports; port; port = port->next_peer)
        if (!say_port(port))
            return false;
    if (!peer_send_calls(peer))
        return false;
    peer->words = false;
    return true;
}

/* ---- words that are received ------------------------------------------------------------------------ */

/* What the peer says of a topic counts against what it may make known. */
static void count_said(struct sensor_port *port, bool advertises, bool subscribes)
{
    bool before = port->advertises || port->subscribes;

    port->advertises = advertises;
    port->subscribes = subscribes;
    port->peer->n_topics += (advertises || subscribes) - before;
    topic_dirty(port->topic);
}

/* The port that such a word makes, or NULL: there is no right to say it, or no room. */
static struct sensor_port *port_said(struct sensor_peer *peer, const struct sensor_topic_message *m,
                                     unsigned right)
{
    const struct rpr_sensor_config *config = &peer->sensor->config;
    struct sensor_topic *topic;
    struct sensor_port *port = NULL;
    bool room = peer->n_topics < config->peer_topics || MUTANT(peer_fills_the_table);

    if (config->rights && !(config->rights(config->ctx, peer->device, m->path) & right)) {
        peer->refused++;
        return NULL;
    }
    topic = topic_find(peer->sensor, m->path);
    if (topic)
        port = port_find(topic, peer);
    if (port && (port->advertises || port->subscribes || room))
        return port;
    if (room && !topic_get(peer->sensor, m->path, &topic))
        port = port_get(topic, peer);
    if (!port) {
        peer->refused++;
        if (topic)
            topic_dirty(topic); /* it may have been made for this */
    }
    return port;
}

static void hear_persist(struct sensor_topic *topic, const struct sensor_topic_message *m)
{
    topic->persist |= m->persist != 0;
    topic_nbuffer(topic, m->nbuffer);
}

static void on_advertise(struct sensor_peer *peer, const struct sensor_topic_message *m, bool ack)
{
    struct sensor_port *port = port_said(peer, m, RPR_SENSOR_WRITE);

    if (!port)
        return;
    port->advertiser = m->cookie;
    port->proxy |= ack; /* it knows us as subscriber, and nothing of how often */
    if (ack && MUTANT(former_subscription_counts))
        port->told_want = true;
    port->owes_unsubscribe |=
        ack && !port->told_want; /* to one that is over, unless there is another */
    port->told_rate = (struct sensor_rate){.interval_us = 0};
    port->owes_advertise_ack |= !ack;
    if (ack)
        lost_heard(port);
    else
        lost_doubt(port);
    if (ack)
        calls_go_on(port->topic);
    hear_persist(port->topic, m);
    count_said(port, true, port->subscribes);
}

static void on_subscribe(struct sensor_peer *peer, const struct sensor_topic_message *m, bool ack)
{
    struct sensor_port *port = port_said(peer, m, RPR_SENSOR_READ);

    if (!port)
        return;
    port->subscriber = m->cookie;
    port->owes_subscribe_ack |= !ack;
    count_said(port, port->advertises, true);
}

static void on_unadvertise(struct sensor_peer *peer, const struct sensor_topic_message *m)
{
    struct sensor_topic *topic = topic_find(peer->sensor, m->path);
    struct sensor_port *port = topic ? port_find(topic, peer) : NULL;

    if (!port || !port->advertises || port->advertiser != m->cookie) {
        peer->late++;
        return;
    }
    port->proxy = port->owes_advertise_ack = false;
    lost_doubt(port); /* who publishes next may not be heard */
    count_said(port, false, port->subscribes);
}

static void on_unsubscribe(struct sensor_peer *peer, const struct sensor_topic_message *m)
{
    struct sensor_topic *topic = topic_find(peer->sensor, m->path);
    struct sensor_port *port = topic ? port_find(topic, peer) : NULL;

    if (!port || !port->subscribes ||
        (port->subscriber != m->cookie && !MUTANT(any_cookie_ends_it))) {
        peer->late++;
        return;
    }
    port->owes_subscribe_ack = port->flushing = false;
    port->rate = (struct sensor_rate){.interval_us = 0};
    count_said(port, port->advertises, false);
}

static void on_topic_word(struct sensor_peer *peer, uint32_t command, const struct rpr_msg *msg)
{
    struct sensor_topic_message m;
    int error = sensor_topic_decode(&m, msg->data, msg->len);

    if (error == SENSOR_LONG_PATH) {
        peer->refused++;
        return;
    }
    if (error) {
        peer_break(peer, "a topic's path is malformed");
        return;
    }
    switch (command) {
    case SENSOR_ADVERTISE:
    case SENSOR_SUBSCRIBE_ACK:
        on_advertise(peer, &m, command == SENSOR_SUBSCRIBE_ACK);
        break;
    case SENSOR_SUBSCRIBE:
    case SENSOR_ADVERTISE_ACK:
        on_subscribe(peer, &m, command == SENSOR_ADVERTISE_ACK);
        break;
    case SENSOR_UNADVERTISE:
        on_unadvertise(peer, &m);
        break;
    default:
        on_unsubscribe(peer, &m);
        break;
    }
}

/* A cell for a topic that this peer knows us to want. */
static void on_cell(struct sensor_peer *peer, const struct sensor_cell *cell)
{
    struct sensor_topic *topic = topic_of_cookie(peer->sensor, cell->cookie);
    struct sensor_port *port = topic ? port_find(topic, peer) : NULL;

    if (!port || !port->told_want || !(port->rights & RPR_SENSOR_WRITE)) {
        peer->late++;
        if (!port || !port->told_want)
            lost_stray(peer, cell->cookie);
        return;
    }
    lost_heard(port);
    topic_nbuffer(topic, cell->nbuffer);
    if (cell->len) {
        port->rx++;
        peer->rx++;
    }
    (void)topic_sample(topic, peer, cell->data, cell->len);
}

static void on_publish(struct sensor_peer *peer, const struct rpr_msg *msg)
{
    struct sensor_cell cell;
    size_t at = SENSOR_DATA_BYTES;
    int error;

    while (peer->open && sensor_cell_next(&cell, &at, msg->data, msg->len, &error))
        on_cell(peer, &cell);
    if (peer->open && error)
        peer_break(peer, "a cell is longer than its message");
}

void peer_hear(struct sensor_peer *peer, const struct rpr_msg *msg)
{
    uint32_t command;
    int error = sensor_check(&command, msg->data, msg->len);

    if (error == SENSOR_BAD_COMMAND)
        peer->errors++; /* of a later version, perhaps */
    else if (error)
        peer_break(peer, "a message is shorter than its command needs");
    else if (command < SENSOR_PUBLISH)
        on_topic_word(peer, command, msg);
    else if (command == SENSOR_PUBLISH)
        on_publish(peer, msg);
    else if (command == SENSOR_IOCTL)
        ioctl_received(peer, msg->data, msg->len);
    else
        ioctl_answered(peer, msg->data, msg->len);
}
