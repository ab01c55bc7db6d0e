/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inside of rpmsg-sensor.
 *
 * A *port* is a topic at a peer: what the peer said about it, what the peer was told, and how far the
 * peer has been sent the topic's queue. What is to be told is derived from what all sides said
 * (settle()), and leaves when the link takes it (pump()): state, not queues. Both run in
 * the work timer only, and there alone things are freed: callbacks of applications find everything
 * in place, whatever they call.
 */
#ifndef SERVICE_SENSOR_H
#define SERVICE_SENSOR_H

#include <rpr/sensor.h>

#include "base/bytes.h"
#include "base/check.h"
#include "base/text.h"
#include "service/sensor_queue.h"
#include "service/spread.h"
#include "wire/sensor.h"

struct sensor_pace { /* one sample in an interval, by the samples' own time */
    uint64_t next_us;
    bool started;
};

struct sensor_rate { /* what a subscriber asks for; 0: all samples, at once */
    uint32_t interval_us, latency_us;
    bool nonwakeup;
};

struct sensor_topic {
    struct rpr_sensor *sensor;
    uint64_t cookie; /* generation and index: what peers call it by */
    struct sensor_port *ports;
    struct rpr_sensor_pub *pubs;
    struct rpr_sensor_sub *subs;
    struct sensor_queue queue;
    uint32_t nbuffer;
    bool persist;
    bool keep;  /* a persistent sample of this node or of a program: outlives who published it */
    bool dirty; /* to be settled */
    struct sensor_rate rate; /* told to publishers of this node last */
    unsigned n_wanting;      /* the same: subscribers */
    unsigned n_publishing;   /* told to subscribers of this node last */
    uint64_t samples, bytes;
    uint64_t window_ns, window_samples, rate_mhz;
    char path[SENSOR_PATH_MAX + 1];
};

struct sensor_port {
    struct sensor_port *next;      /* of the topic */
    struct sensor_port *next_peer; /* of the peer */
    struct sensor_port *next_pending;
    struct sensor_topic *topic;
    struct sensor_peer *peer;
    unsigned rights;

    /* said by the peer */
    bool advertises, subscribes;
    uint64_t advertiser, subscriber; /* cookies */
    struct sensor_rate rate;
    bool flushing;

    /* to be told, and told */
    bool offer, told_offer; /* ADVERTISE, or SUBSCRIBE_ACK */
    bool want, told_want;   /* SUBSCRIBE */
    bool owes_subscribe_ack, owes_advertise_ack, owes_unsubscribe;
    bool proxy; /* the peer knows us as subscriber: it can be asked */
    struct sensor_rate want_rate, told_rate;

    /* words that a wire may have lost (sensor_lost.c) */
    bool ask, tell;    /* SUBSCRIBE, ADVERTISE: to be said once more */
    uint64_t heard_ns; /* the peer showed that it knows us as subscriber; 0: it has not */
    uint64_t look_ns;  /* whether one is missing; 0: nothing was said */
    uint64_t patience_ns;

    /* what it is sent */
    bool reads, pending;
    bool chosen; /* what stands at `at` is to be sent, whatever else changes */
    uint64_t at; /* in the topic's queue */
    struct sensor_pace pace;
    uint64_t rx, tx, dropped;
};

#define NOBODY UINT32_MAX

struct sensor_peer {
    struct sensor_peer *next;
    struct rpr_sensor *sensor; /* NULL: the service is closed */
    const struct rpr_platform *platform;
    struct rpr_device *device;
    rpr_ept_t ept;
    enum rpr_sensor_group group;
    uint32_t id;                   /* from 1; 0 stands for this node */
    const struct rpr_device *only; /* that it has to do with; NULL: with all */
    uint32_t only_id;              /* of that peer; 0: all; NOBODY: it is not there */
    bool open, bound;
    bool gone; /* the device is */
    struct breach breach;
    struct sensor_port *ports;
    struct sensor_port *pending, *last_pending; /* with something to be sent */
    uint64_t pending_bytes;
    uint64_t due_ns; /* of what is pending */
    bool words;      /* something may have to be told */
    bool blocked;    /* the link takes nothing now */
    unsigned n_topics, n_calls;
    uint64_t rx, tx, late, refused, errors;
};

struct rpr_sensor_pub {
    struct rpr_sensor_pub *next;
    struct sensor_topic *topic;
    const struct rpr_sensor_pub_ops *ops;
    void *ctx;
    bool closed, has_info, told;
    uint8_t info[SENSOR_INFO_BYTES];
};

struct rpr_sensor_sub {
    struct rpr_sensor_sub *next;
    struct sensor_topic *topic;
    const struct rpr_sensor_sub_ops *ops;
    void *ctx;
    uint32_t sample_bytes;
    struct sensor_rate rate;
    bool closed, flushing, told;
    struct sensor_pace pace;
    uint64_t odd;
};

#define SENSOR_ENDED 16u

/* A subscription that is over, at whichever peer. */
struct sensor_ended {
    uint64_t cookie;
    uint64_t said_ns; /* UNSUBSCRIBE */
    char path[SENSOR_PATH_MAX + 1];
};

struct rpr_sensor {
    struct rpr_node *node;
    struct rpr_service_scope scope;
    struct rpr_sensor_config config;
    struct rpr_observer observer;
    struct rpr_timer work;
    struct sensor_peer *peers;
    struct sensor_topic **topics; /* config.topics places */
    uint32_t generation;          /* of the last one made */
    uint32_t last_peer_id;
    struct sensor_call *calls;
    uint32_t n_calls;
    uint64_t last_call;
    bool working;      /* inside the work timer */
    bool again;        /* something could not be had: try after a while, */
    uint64_t again_ns; /* then */
    uint64_t look_ns;  /* the earliest of the ports, or before it */
    struct sensor_ended ended[SENSOR_ENDED];
    unsigned n_ended;
    struct sensor_ioctl_message ioctl; /* what is decoded or sent now */
    uint8_t message[SENSOR_IOCTL_BYTES + SENSOR_ARG_MAX];
};

/* ---- sensor.c: peers, and when ---------------------------------------------------------------------- */

void *sensor_alloc(struct rpr_sensor *sensor, size_t bytes);
void sensor_free(struct rpr_sensor *sensor, void *memory, size_t bytes);
void sensor_work_at(struct rpr_sensor *sensor, uint64_t at_ns);
void sensor_work_now(struct rpr_sensor *sensor);
void sensor_try_again(struct rpr_sensor *sensor); /* there was no memory */
void peer_words(struct sensor_peer *peer);        /* it is to be told something */
void peer_break(struct sensor_peer *peer, const char *reason);

/* ---- sensor_word.c -------------------------------------------------------------------------------- */

void peer_hear(struct sensor_peer *peer, const struct rpr_msg *msg);
bool peer_say(struct sensor_peer *peer); /* false: the link is full */

/* ---- sensor_lost.c: words that did not arrive ------------------------------------------------------ */

void lost_said(struct sensor_port *port);  /* SUBSCRIBE or ADVERTISE, the first time */
void lost_heard(struct sensor_port *port); /* it knows us as subscriber */
void lost_doubt(struct sensor_port *port); /* it may know nothing of that any more */
void lost_ended(struct rpr_sensor *sensor, uint64_t cookie, const char *path);
void lost_stray(struct sensor_peer *peer, uint64_t cookie); /* a cell for who does not want it */
uint64_t lost_look(struct rpr_sensor *sensor, uint64_t now_ns); /* when to come again */

/* ---- sensor_topic.c: the table, and what follows from it ----------------------------------------- */

struct sensor_topic *topic_find(const struct rpr_sensor *sensor, const char *path);
struct sensor_topic *topic_of_cookie(const struct rpr_sensor *sensor, uint64_t cookie);
int topic_get(struct rpr_sensor *sensor, const char *path, struct sensor_topic **topic);
bool path_valid(const char *path);
void topic_dirty(struct sensor_topic *topic);
void topic_start(struct sensor_topic *topic);
void topics_settle(struct rpr_sensor *sensor);
void topic_free(struct sensor_topic *topic);
struct sensor_port *port_find(const struct sensor_topic *topic, const struct sensor_peer *peer);
struct sensor_port *port_get(struct sensor_topic *topic, struct sensor_peer *peer);
void peer_drop_ports(struct sensor_peer *peer);
struct sensor_origin sensor_origin(const struct sensor_peer *from); /* NULL: this node */
bool sensor_relays(struct sensor_origin from, const struct sensor_peer *to);

/* ---- sensor_data.c: samples ------------------------------------------------------------------------ */

/* A cell of `from` (NULL: of this node). 0 or why it could not be queued. */
int topic_sample(struct sensor_topic *topic, const struct sensor_peer *from, const void *data,
                 uint32_t len);
uint64_t topic_rate(const struct sensor_topic *topic); /* cells per 1000 s */
void topic_nbuffer(struct sensor_topic *topic, uint32_t nbuffer);
void port_start(struct sensor_port *port); /* from now on it is sent what comes */
void port_stop(struct sensor_port *port);
bool port_drained(struct sensor_port *port);
void port_pend(struct sensor_port *port);
bool peer_send_cells(struct sensor_peer *peer); /* false: the link is full */

/* ---- sensor_ioctl.c: questions --------------------------------------------------------------------- */

void ioctl_received(struct sensor_peer *peer, const void *data, uint32_t len);
void ioctl_answered(struct sensor_peer *peer, const void *data, uint32_t len);
bool peer_send_calls(struct sensor_peer *peer); /* false: the link is full */
void calls_go_on(struct sensor_topic *topic);   /* a publisher can be asked */
void calls_drop_peer(struct sensor_peer *peer);
void calls_drop_topic(struct sensor_topic *topic);
void calls_drop_sub(struct rpr_sensor_sub *sub);
void calls_free(struct rpr_sensor *sensor);                        /* nobody is told */
uint64_t calls_expire(struct rpr_sensor *sensor, uint64_t now_ns); /* when to come again */

#endif
