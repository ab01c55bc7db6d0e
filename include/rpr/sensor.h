/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Service rpmsg-sensor (WIRE 6.5): the uORB topics of a node, spoken as NuttX's sensor_rpmsg does.
 *
 * A *topic* has a path ("/dev/uorb/sensor_accel0"), publishers and subscribers, here and at *peers*:
 * the nodes at the other ends of this node's rpmsg-sensor endpoints. Samples are bytes; uORB's begin
 * with their time in us (u64, little-endian).
 *
 * What is published reaches subscribers here at once, and each peer that subscribes through the
 * topic's queue, at that peer's own pace: one that does not keep up loses the oldest of what it has
 * not been sent, which is counted, and disturbs no other. One that keeps up loses nothing.
 *
 * Everything is called on the owner of the node, and so is every callback. Callbacks may call
 * anything but rpr_sensor_close(). Memory is taken when topics, publishers, subscribers and peers
 * come, never per sample.
 */
#ifndef RPR_SENSOR_H
#define RPR_SENSOR_H

#include <rpr/service.h>

#ifdef __cplusplus
extern "C" {
#endif

#define RPR_SENSOR_SERVICE  "rpmsg-sensor"
#define RPR_SENSOR_PATH_MAX 127u /* bytes without NUL; printable ASCII without blanks */

struct rpr_sensor;
struct rpr_sensor_pub;
struct rpr_sensor_sub;

/* ---- the topics of a node ----------------------------------------------------------------------- */

/* Whose samples go to whom: what comes from a program goes to all others, what comes from a remote
 * CPU goes to programs. (Two remote CPUs have the router.) A program can be for one remote CPU only. */
enum rpr_sensor_group {
    RPR_SENSOR_NONE,   /* no peer: not shown anywhere */
    RPR_SENSOR_REMOTE, /* a remote CPU */
    RPR_SENSOR_PROGRAM /* a local program on a private link */
};

/* What a peer may do with a topic. */
enum rpr_sensor_right {
    RPR_SENSOR_READ = 1, /* subscribe */
    RPR_SENSOR_WRITE = 2 /* publish */
};

struct rpr_sensor_config {
    uint32_t topics;      /* most that are known at a time, 1 to 65535; 0 = 128 */
    uint32_t peer_topics; /* most of them that one peer can make known; 0 = 64 */
    uint32_t
        queue_bytes;     /* of a topic that peers subscribe to, at first; 0 = 16384; at least 256 */
    uint32_t queue_most; /* the same, for publishers that ask for more; 0 = 4 * queue_bytes */
    /* Is that private link one of a program that takes part? NULL: none is. */
    bool (*is_program)(void *ctx, const struct rpr_device *device);
    /* The one remote CPU that this program has to do with, NULL: with everyone. The device must
     * stay as long as the program's. NULL: no program has. */
    const struct rpr_device *(*only)(void *ctx, const struct rpr_device *program);
    /* Sum of enum rpr_sensor_right. NULL: both. */
    unsigned (*rights)(void *ctx, const struct rpr_device *device, const char *path);
    void *ctx;
};

/* Opens the service on the devices of `scope` (NULL: every remote CPU), now and as they come.
 * `config` NULL: all defaults. -RPR_EINVAL, -RPR_ENOMEM. */
int rpr_sensor_open(struct rpr_node *node, const struct rpr_service_scope *scope,
                    const struct rpr_sensor_config *config, struct rpr_sensor **sensor);

/* The scope says something else of some device: asks it again. */
void rpr_sensor_look(struct rpr_sensor *sensor);

/* Ends all of it, publishers and subscribers included, without further callbacks. */
void rpr_sensor_close(struct rpr_sensor *sensor);

/* ---- publishers ----------------------------------------------------------------------------------- */

/* As NuttX's struct sensor_device_info_s. */
struct rpr_sensor_info {
    uint32_t version;
    float power_ma, max_range, resolution; /* SI units */
    int32_t min_delay_us, max_delay_us;    /* between samples */
    uint32_t fifo_reserved, fifo_max;      /* samples */
    char name[32], vendor[32];
};

struct rpr_sensor_pub_ops { /* each may be NULL */
    /* What all subscribers together ask for; also when the first comes and the last one goes.
     * interval_us 0: any; latency_us 0: at once. */
    void (*wanted)(void *ctx, unsigned subscribers, uint32_t interval_us, uint32_t latency_us);
    /* Publish what you keep, then call rpr_sensor_flushed(). NULL: nothing is ever kept. */
    void (*flush)(void *ctx);
};

struct rpr_sensor_pub_config {
    const char *path; /* copied */
    uint32_t nbuffer; /* samples that subscribers shall have room for; 0 = 1 */
    bool
        persist; /* the last sample stays valid: who subscribes gets it, even when this is closed */
    const struct rpr_sensor_info *info; /* copied; NULL: there is none to be asked for */
    const struct rpr_sensor_pub_ops *ops;
    void *ctx;
};

/* -RPR_EINVAL (path), -RPR_ENOSPC (topics), -RPR_ENOMEM. */
int rpr_sensor_advertise(struct rpr_sensor *sensor, const struct rpr_sensor_pub_config *config,
                         struct rpr_sensor_pub **pub);

/* What was published before leaves first. The handle is gone; no further callback. */
void rpr_sensor_unadvertise(struct rpr_sensor_pub *pub);

/* One sample, copied; at least one byte. -RPR_EINVAL: empty; -RPR_EMSGSIZE: longer than half of
 * queue_most; -RPR_ENOMEM: the queue; local subscribers have it in each case but the first. */
int rpr_sensor_publish(struct rpr_sensor_pub *pub, const void *data, uint32_t len);

void rpr_sensor_flushed(struct rpr_sensor_pub *pub);

/* Bytes of the queue that the slowest peer has not been sent yet, and the size of the queue: for
 * publishers that can wait. */
uint32_t rpr_sensor_backlog(const struct rpr_sensor_pub *pub, uint32_t *queue_bytes);

/* ---- subscribers ---------------------------------------------------------------------------------- */

struct rpr_sensor_sub_ops {
    /* A sample, lent. With sample_bytes 0: a cell as it came, which is one sample or several. */
    void (*sample)(void *ctx, const void *data, uint32_t len);
    void (*flushed)(void *ctx); /* what was kept before the flush has come; or NULL */
    void (*publishers)(void *ctx, unsigned count); /* here and at peers, when it changes; or NULL */
};

struct rpr_sensor_sub_config {
    const char *path; /* copied */
    uint32_t
        sample_bytes; /* of each; cells of another length are counted and not delivered. 0: any */
    uint32_t interval_us; /* at most one sample in that time, by the samples' own time; 0: all */
    uint32_t latency_us;  /* samples may be held back so long, to come in batches; 0: not */
    bool nonwakeup;       /* nothing is sent while this CPU sleeps */
    const struct rpr_sensor_sub_ops *ops;
    void *ctx;
};

/* -RPR_EINVAL (path, ops), -RPR_ENOSPC (topics), -RPR_ENOMEM. */
int rpr_sensor_subscribe(struct rpr_sensor *sensor, const struct rpr_sensor_sub_config *config,
                         struct rpr_sensor_sub **sub);
void rpr_sensor_unsubscribe(struct rpr_sensor_sub *sub);

void rpr_sensor_set_interval(struct rpr_sensor_sub *sub, uint32_t interval_us);
void rpr_sensor_set_latency(struct rpr_sensor_sub *sub, uint32_t latency_us);

#define RPR_SENSOR_GET_INFO \
    0x0a9cu /* len RPR_SENSOR_INFO_BYTES: the answer is for rpr_sensor_info_read() */
#define RPR_SENSOR_FLUSH      0x0a9du /* `flushed` follows if it is answered by 0 */
#define RPR_SENSOR_INFO_BYTES 96u

/* A question to the publishers, NuttX's SNIOC_... with its numbers. */
struct rpr_sensor_question {
    uint32_t request;
    uint64_t number; /* argument, if len is 0 */
    const void *arg; /* argument, copied; NULL: `len` zeroes */
    uint32_t len;    /* at most 512 */
    /* 0 and above: done, `arg` is what came back; else a negated errno number of NuttX, or
     * -RPR_ETIMEDOUT (1 s each). Later, once, unless the subscriber is closed. */
    void (*answered)(void *ctx, int32_t result, const void *arg, uint32_t len);
    void *ctx;
};

/* -RPR_ENOTCONN: nobody publishes; -RPR_EBUSY: too many questions are open; -RPR_EINVAL, -RPR_ENOMEM. */
int rpr_sensor_ask(struct rpr_sensor_sub *sub, const struct rpr_sensor_question *question);

/* -RPR_EMSGSIZE: other than RPR_SENSOR_INFO_BYTES. */
int rpr_sensor_info_read(struct rpr_sensor_info *info, const void *bytes, uint32_t len);

/* Samples that did not come because of their length. */
uint64_t rpr_sensor_sub_odd(const struct rpr_sensor_sub *sub);

/* ---- for display ------------------------------------------------------------------------------------ */

struct rpr_sensor_topic_info {
    const char *path; /* valid until the next call of rpr_node_poll() */
    uint32_t nbuffer;
    bool persist;
    unsigned publishers, subscribers;  /* of this node itself */
    uint32_t interval_us, latency_us;  /* what its subscribers ask for together */
    uint32_t queue_bytes, queued_most; /* size; what the slowest peer has not been sent */
    uint64_t samples, bytes;           /* cells published here or received */
    uint64_t rate_mhz;                 /* cells per 1000 s, over the last second or so */
};

/* The next topic after *cursor (0 at first), false at the end. */
bool rpr_sensor_topic(const struct rpr_sensor *sensor, uint32_t *cursor,
                      struct rpr_sensor_topic_info *info);

struct rpr_sensor_link_info { /* a topic and a peer */
    struct rpr_device *device;
    enum rpr_sensor_group group;
    bool publishes, subscribes; /* says the peer */
    uint32_t interval_us, latency_us;
    bool nonwakeup;
    uint64_t rx, tx, dropped; /* cells; dropped: not sent, because the peer was too slow for them */
};

/* The n-th peer (from 0) that publishes the topic or subscribes to it; false: there are not so many. */
bool rpr_sensor_link(const struct rpr_sensor *sensor, const char *path, unsigned n,
                     struct rpr_sensor_link_info *info);

struct rpr_sensor_peer_info {
    struct rpr_device *device;
    enum rpr_sensor_group group;
    bool bound;
    const char *reason; /* why its endpoint was closed; "" if it was not */
    uint64_t rx, tx;    /* cells */
    uint64_t late;      /* cells and answers for what is not there any more */
    uint64_t refused;   /* words for which there is no room or right */
    uint64_t errors;    /* malformed messages */
};

bool rpr_sensor_peer(const struct rpr_sensor *sensor, unsigned n,
                     struct rpr_sensor_peer_info *info);

/* The n-th device (from 0) at which it is closed; false: there are not so many. */
bool rpr_sensor_closed(const struct rpr_sensor *sensor, unsigned n,
                       struct rpr_service_closed *info);

#ifdef __cplusplus
}
#endif
#endif
