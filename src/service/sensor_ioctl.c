/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Questions of rpmsg-sensor: a peer or a subscriber of this node asks whoever publishes a topic. A
 * publisher of this node answers at once; peers that publish are asked one after the other, as NuttX
 * does, each with a cookie that is a number of ours. Every question of a peer that wants an answer
 * gets one: NuttX waits for it without end.
 */
#include "service/sensor.h"

#define ANSWER_NS   UINT64_C(1000000000) /* WIRE 6.5: NuttX waits as long for the first publisher */
#define CALLS_MOST  64u
#define CALLS_PEER  16u /* of one peer */
#define NO_INTERVAL UINT32_MAX

enum call_state {
    CALL_ASK,   /* `asked` is to be sent it */
    CALL_WAIT,  /* for the answer of `asked` */
    CALL_DONE,  /* the asker, of this node, is to be told */
    CALL_ANSWER /* `asker` is to be sent the answer */
};

struct sensor_call {
    struct sensor_call *next;
    struct sensor_topic *topic; /* NULL: of none that exists */
    uint64_t id;
    enum call_state state;
    struct sensor_peer *asker, *asked;
    struct rpr_sensor_sub *sub; /* the asker, if it is of this node */
    void (*answered)(void *ctx, int32_t result, const void *arg, uint32_t len);
    void *ctx;
    uint64_t deadline_ns;
    uint32_t last_asked;                 /* id of the peer that was asked last */
    bool waited;                         /* for one that did not know us yet */
    bool done;                           /* one has done it */
    int32_t failed;                      /* one has not, and this is why; 0: none */
    uint64_t cookie, proxy;              /* of the asker */
    struct sensor_ioctl_message message; /* as asked; `arg` and `result` in the answer */
};

/* ---- the calls that are open ---------------------------------------------------------------------- */

static struct sensor_call *call_new(struct rpr_sensor *sensor, struct sensor_topic *topic)
{
    struct sensor_call *call;

    if (sensor->n_calls >= CALLS_MOST)
        return NULL;
    call = sensor_alloc(sensor, sizeof *call);
    if (!call)
        return NULL;
    call->topic = topic;
    call->id = ++sensor->last_call;
    call->next = sensor->calls;
    sensor->calls = call;
    sensor->n_calls++;
    return call;
}

static void call_free(struct rpr_sensor *sensor, struct sensor_call *call)
{
    struct sensor_call **at;

    for (at = &sensor->calls; *at != call; at = &(*at)->next)
        ;
    *at = call->next;
    sensor->n_calls--;
    if (call->asker)
        call->asker->n_calls--;
    sensor_free(sensor, call, sizeof *call);
}

/* A question of a peer, if there may be one more. */
static struct sensor_call *call_of_peer(struct sensor_peer *peer, struct sensor_topic *topic,
                                        const struct sensor_ioctl_message *message)
{
    struct sensor_call *call = peer->n_calls < CALLS_PEER ? call_new(peer->sensor, topic) : NULL;

    if (!call)
        return NULL;
    call->asker = peer;
    peer->n_calls++;
    call->message = *message;
    call->cookie = message->cookie;
    call->proxy = message->proxy;
    return call;
}

static int send_message(struct sensor_peer *peer, const struct sensor_ioctl_message *message)
{
    struct rpr_sensor *sensor = peer->sensor;
    size_t len = sensor_ioctl_encode(sensor->message, message);

    return rpr_send(peer->ept, sensor->message, len, 0);
}

/* ---- the way of a call ------------------------------------------------------------------------------ */

static void forget_flush(struct sensor_call *call)
{
    struct sensor_port *port;

    if (call->message.request != SENSOR_FLUSH || call->message.result >= 0)
        return;
    if (call->sub)
        call->sub->flushing = false;
    port = call->asker && call->topic ? port_find(call->topic, call->asker) : NULL;
    if (port)
        port->flushing = false;
}

static void call_finish(struct rpr_sensor *sensor, struct sensor_call *call)
{
    struct sensor_call told;

    call->message.result = call->failed ? call->failed : call->done ? 0 : SENSOR_ENOTTY;
    call->asked = NULL;
    forget_flush(call);
    if (call->asker) {
        call->state = CALL_ANSWER;
        if (call->cookie)
            peer_words(call->asker);
        else
            call_free(sensor, call);
        return;
    }
    told = *call;
    call_free(sensor, call);
    if (told.sub && told.answered)
        told.answered(told.ctx, told.message.result, told.message.arg, told.message.arglen);
}

/* Is there a publisher that is about to hear that we subscribe? */
static bool one_may_come(const struct sensor_call *call)
{
    for (const struct sensor_port *port = call->topic->ports; port; port = port->next)
        if (port->advertises && port->want && !port->proxy)
            return true;
    return false;
}

/* To the next publisher, in the order of ids, so that none is asked twice. */
static void call_go_on(struct rpr_sensor *sensor, struct sensor_call *call)
{
    struct sensor_peer *to = NULL;

    for (struct sensor_port *port = call->topic->ports; port; port = port->next) {
        struct sensor_peer *peer = port->peer;

        if (port->proxy && peer->id > call->last_asked && (!to || peer->id < to->id) &&
            (!call->asker || sensor_relays(sensor_origin(peer), call->asker)))
            to = peer;
    }
    call->asked = to;
    if (!to && !call->waited && !call->last_asked && one_may_come(call)) {
        call->waited = true;
        call->state = CALL_WAIT;
        call->deadline_ns = rpr_node_now(sensor->node) + ANSWER_NS;
        sensor_work_at(sensor, call->deadline_ns);
        return;
    }
    if (!to || call->failed) {
        call_finish(sensor, call);
        return;
    }
    call->last_asked = to->id;
    call->state = CALL_ASK;
    call->deadline_ns = rpr_node_now(sensor->node) + ANSWER_NS;
    peer_words(to);
}

void calls_go_on(struct sensor_topic *topic)
{
    struct sensor_call *call = topic->sensor->calls;

    while (call) {
        struct sensor_call *next = call->next;

        if (call->topic == topic && call->state == CALL_WAIT && !call->asked)
            call_go_on(topic->sensor, call);
        call = next;
    }
}

static void call_result(struct rpr_sensor *sensor, struct sensor_call *call, int32_t result)
{
    if (result >= 0)
        call->done = true;
    else if (result != SENSOR_ENOTTY)
        call->failed = result;
    call_go_on(sensor, call);
}

static int ask(struct sensor_call *call)
{
    const struct sensor_port *port = port_find(call->topic, call->asked);
    struct sensor_ioctl_message *m = &call->message;

    m->command = SENSOR_IOCTL;
    m->result = 0;
    m->cookie = call->id;
    m->proxy = port ? port->advertiser : 0;
    return send_message(call->asked, m);
}

static int answer(struct sensor_call *call)
{
    struct sensor_ioctl_message *m = &call->message;

    m->command = SENSOR_IOCTL_ACK;
    m->cookie = call->cookie;
    m->proxy = call->proxy;
    return send_message(call->asker, m);
}

static bool for_peer(const struct sensor_call *call, const struct sensor_peer *peer)
{
    return (call->state == CALL_ASK && call->asked == peer) ||
           (call->state == CALL_ANSWER && call->asker == peer);
}

bool peer_send_calls(struct sensor_peer *peer)
{
    struct rpr_sensor *sensor = peer->sensor;
    struct sensor_call *call, *next;

    for (call = sensor->calls; call; call = next) {
        int error;

        next = call->next;
        if (!for_peer(call, peer))
            continue;
        error = call->state == CALL_ASK ? ask(call) : answer(call);
        if (error == -RPR_EAGAIN)
            return false;
        if (call->state == CALL_ASK)
            call->state = CALL_WAIT; /* one that cannot be sent ends by time */
        else
            call_free(sensor, call);
    }
    return true;
}

uint64_t calls_expire(struct rpr_sensor *sensor, uint64_t now_ns)
{
    struct sensor_call *call = sensor->calls;
    uint64_t next = UINT64_MAX;

    while (call) {
        if (call->state == CALL_ANSWER || call->deadline_ns > now_ns) {
            if (call->state != CALL_ANSWER && call->deadline_ns < next)
                next = call->deadline_ns;
            call = call->next;
            continue;
        }
        if (call->state == CALL_DONE)
            call_finish(sensor, call);
        else
            call_result(sensor, call, call->asked ? SENSOR_ETIMEDOUT : SENSOR_ENOTTY);
        call = sensor->calls; /* any of them may be gone */
    }
    return next;
}

/* ---- ends ------------------------------------------------------------------------------------------- */

void calls_drop_peer(struct sensor_peer *peer)
{
    struct rpr_sensor *sensor = peer->sensor;
    struct sensor_call *call = sensor->calls;

    while (call) {
        struct sensor_call *next = call->next;

        if (call->asker == peer) {
            call_free(sensor, call);
        } else if (call->asked == peer) {
            call->state = CALL_WAIT; /* it ends in the work timer, where others may be told */
            call->asked = NULL;
            call->deadline_ns = 0;
            sensor_work_now(sensor);
        }
        call = next;
    }
}

void calls_drop_topic(struct sensor_topic *topic)
{
    struct sensor_call *call, *next;

    for (call = topic->sensor->calls; call; call = next) {
        next = call->next;
        if (call->topic != topic)
            continue;
        call->topic = NULL;
        if (call->state == CALL_ANSWER)
            continue;
        call->failed = SENSOR_ENOENT;
        call_finish(topic->sensor, call);
    }
}

void calls_free(struct rpr_sensor *sensor)
{
    while (sensor->calls)
        call_free(sensor, sensor->calls);
}

void calls_drop_sub(struct rpr_sensor_sub *sub)
{
    struct sensor_call *call, *next;

    for (call = sub->topic->sensor->calls; call; call = next) {
        next = call->next;
        if (call->sub == sub)
            call->sub = NULL;
    }
}

/* ---- a peer asks ---------------------------------------------------------------------------------- */

static void answer_now(struct sensor_peer *peer, struct sensor_ioctl_message *m, int32_t result)
{
    struct sensor_call *call;

    if (!m->cookie)
        return;
    m->command = SENSOR_IOCTL_ACK;
    m->result = result;
    if (!peer->blocked && send_message(peer, m) != -RPR_EAGAIN)
        return;
    call = call_of_peer(peer, NULL, m);
    if (!call) {
        peer->refused++;
        return;
    }
    call->state = CALL_ANSWER;
    peer_words(peer);
}

static int32_t set_number(struct sensor_port *port, uint32_t request, uint64_t number)
{
    uint32_t us = number < NO_INTERVAL ? (uint32_t)number : 0;

    if (request == SENSOR_SET_INTERVAL)
        port->rate.interval_us = us;
    else if (request == SENSOR_BATCH)
        port->rate.latency_us = us;
    else if (request == SENSOR_SET_NONWAKEUP)
        port->rate.nonwakeup = number != 0;
    else
        return SENSOR_ENOTTY;
    port_pend(port);
    port->peer->due_ns = 0; /* what waits may be due at once */
    topic_dirty(port->topic);
    return 0;
}

static struct rpr_sensor_pub *publisher(const struct sensor_topic *topic)
{
    struct rpr_sensor_pub *pub = topic->pubs;

    while (pub && pub->closed)
        pub = pub->next;
    return pub;
}

/* One of this node. */
static int32_t ask_publisher(struct sensor_topic *topic, struct sensor_ioctl_message *m)
{
    struct rpr_sensor_pub *pub = publisher(topic);

    if (m->request == SENSOR_GET_INFO) {
        while (pub && (pub->closed || !pub->has_info))
            pub = pub->next;
        if (!pub)
            return SENSOR_ENOTTY;
        if (m->arglen < SENSOR_INFO_BYTES)
            return SENSOR_EINVAL;
        memcpy(m->arg, pub->info, SENSOR_INFO_BYTES);
        return 0;
    }
    if (m->request != SENSOR_FLUSH)
        return SENSOR_ENOTTY;
    if (pub->ops && pub->ops->flush)
        pub->ops->flush(pub->ctx);
    else
        (void)topic_sample(topic, NULL, NULL, 0);
    return 0;
}

static void pass_on(struct sensor_peer *peer, struct sensor_topic *topic,
                    struct sensor_ioctl_message *m)
{
    struct sensor_call *call = call_of_peer(peer, topic, m);

    if (!call) {
        answer_now(peer, m, SENSOR_EBUSY);
        return;
    }
    call_go_on(peer->sensor, call);
}

static bool is_number(uint32_t request)
{
    return request == SENSOR_SET_INTERVAL || request == SENSOR_BATCH ||
           request == SENSOR_SET_NONWAKEUP;
}

/* A question about a topic that there is, of a peer that may ask. A subscriber may say its interval
 * before its word arrives that it is one: NuttX does. */
static void ask_topic(struct sensor_peer *peer, struct sensor_topic *topic,
                      struct sensor_ioctl_message *m)
{
    struct sensor_port *port = port_find(topic, peer);

    if (!port || !(port->rights & RPR_SENSOR_READ)) {
        answer_now(peer, m, SENSOR_ENOENT);
    } else if (is_number((uint32_t)m->request)) {
        answer_now(peer, m, set_number(port, (uint32_t)m->request, m->number));
    } else {
        port->flushing |= m->request == SENSOR_FLUSH;
        if (publisher(topic))
            answer_now(peer, m, ask_publisher(topic, m));
        else
            pass_on(peer, topic, m);
    }
}

void ioctl_received(struct sensor_peer *peer, const void *data, uint32_t len)
{
    struct sensor_ioctl_message *m = &peer->sensor->ioctl;
    struct sensor_topic *topic;
    int error = sensor_ioctl_decode(m, data, len);

    if (error == SENSOR_LONG_ARG) {
        m->arglen = 0;
        m->number = 0;
        answer_now(peer, m, SENSOR_EINVAL);
        peer->refused++;
        return;
    }
    if (error) {
        peer_break(peer, "a question is shorter than its argument");
        return;
    }
    topic = topic_of_cookie(peer->sensor, m->proxy);
    if (!topic)
        peer->late++;
    if (!topic && MUTANT(unknown_topic_is_not_answered))
        return;
    if (!topic)
        answer_now(peer, m, SENSOR_ENOENT);
    else if (m->request < SENSOR_REQUEST_FIRST || m->request > SENSOR_REQUEST_LAST)
        answer_now(peer, m, SENSOR_ENOTTY);
    else
        ask_topic(peer, topic, m);
}

/* ---- a peer answers --------------------------------------------------------------------------------- */

void ioctl_answered(struct sensor_peer *peer, const void *data, uint32_t len)
{
    struct sensor_ioctl_message *m = &peer->sensor->ioctl;
    struct sensor_call *call = peer->sensor->calls;
    int error = sensor_ioctl_decode(m, data, len);

    if (error) {
        peer_break(peer, "an answer has a wrong length");
        return;
    }
    while (call && (call->state != CALL_WAIT || call->asked != peer || call->id != m->cookie))
        call = call->next;
    if (!call || m->arglen != call->message.arglen) {
        peer->late++;
        return;
    }
    if (m->result >= 0)
        memcpy(call->message.arg, m->arg, m->arglen);
    call_result(peer->sensor, call, m->result);
}

/* ---- a subscriber of this node asks ------------------------------------------------------------------- */

static struct sensor_call *call_of_sub(struct rpr_sensor_sub *sub,
                                       const struct rpr_sensor_question *q)
{
    struct sensor_call *call = call_new(sub->topic->sensor, sub->topic);

    if (!call)
        return NULL;
    call->sub = sub;
    call->answered = q->answered;
    call->ctx = q->ctx;
    call->message.request = (int32_t)q->request;
    call->message.arglen = q->len;
    call->message.number = q->len ? 0 : q->number;
    if (q->len && q->arg)
        memcpy(call->message.arg, q->arg, q->len);
    return call;
}

/* Told in the work timer, like any other. */
static void ask_here(struct sensor_call *call)
{
    int32_t result = ask_publisher(call->topic, &call->message);

    call->done = result >= 0;
    call->failed = result < 0 ? result : 0;
    call->state = CALL_DONE;
    call->deadline_ns = 0;
}

static bool has_proxy(const struct sensor_topic *topic)
{
    const struct sensor_port *port = topic->ports;

    while (port && !port->proxy)
        port = port->next;
    return port != NULL;
}

int rpr_sensor_ask(struct rpr_sensor_sub *sub, const struct rpr_sensor_question *q)
{
    struct sensor_topic *topic = sub->topic;
    struct sensor_call *call;

    if (q->len > SENSOR_ARG_MAX || q->request < SENSOR_REQUEST_FIRST ||
        q->request > SENSOR_REQUEST_LAST || !q->answered)
        return -RPR_EINVAL;
    if (!publisher(topic) && !has_proxy(topic))
        return -RPR_ENOTCONN;
    if (topic->sensor->n_calls >= CALLS_MOST)
        return -RPR_EBUSY;
    call = call_of_sub(sub, q);
    if (!call)
        return -RPR_ENOMEM;
    sub->flushing |= q->request == SENSOR_FLUSH;
    if (publisher(topic))
        ask_here(call);
    else
        call_go_on(topic->sensor, call);
    sensor_work_now(topic->sensor);
    return 0;
}

int rpr_sensor_info_read(struct rpr_sensor_info *info, const void *bytes, uint32_t len)
{
    struct sensor_info wire;

    if (len != SENSOR_INFO_BYTES)
        return -RPR_EMSGSIZE;
    sensor_info_decode(&wire, bytes);
    info->version = wire.version;
    memcpy(&info->power_ma, &wire.power_bits, sizeof info->power_ma);
    memcpy(&info->max_range, &wire.max_range_bits, sizeof info->max_range);
    memcpy(&info->resolution, &wire.resolution_bits, sizeof info->resolution);
    info->min_delay_us = wire.min_delay_us;
    info->max_delay_us = wire.max_delay_us;
    info->fifo_reserved = wire.fifo_reserved;
    info->fifo_max = wire.fifo_max;
    memcpy(info->name, wire.name, sizeof info->name);
    memcpy(info->vendor, wire.vendor, sizeof info->vendor);
    return 0;
}
