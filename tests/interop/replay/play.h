/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Plays one side of a recording with a node of ours, on virtual time. What the other side sent is
 * fed to it; what the recorded side did of its own accord (services it offered, pings it sent, when
 * it slept, powered off or began anew) our node does too. At each mark of the recording, and at its
 * end, our node must be where the recorded one was.
 *
 * Addresses and cookies are each node's own choice: those of our node stand in for the recorded
 * ones, by the names in the name service and by the order of the pings.
 *
 * Wake bytes are answered as NuttX answers them, not as recorded: they depend on who bundles which
 * frames.
 */
#ifndef INTEROP_PLAY_H
#define INTEROP_PLAY_H

#include <rpr/router.h>
#include <rpr/serial.h>
#include <rpr/ping.h>
#include <rpr/sensor.h>

#include "replay/transcript.h"
#include "wire/sensor.h"

#define PATIENCE_NS UINT64_C(200000000) /* for what a fed frame answers, and for a mark's state */
#define N_ENDPOINTS 256u
#define N_PINGS     65536u
#define N_TODO      256u
#define N_TOPICS    32u
#define SENSOR      RPR_SENSOR_SERVICE
#define NAME_BYTES  (RPMSG_NS_NAME_BYTES + 1u)

struct play;
struct leg;

/* What the recorded side did that our node has not done yet, because it cannot. */
struct todo {
    struct leg *leg;
    enum { TODO_OPEN, TODO_PING } what;
    uint64_t until_ns;
    char name[NAME_BYTES]; /* service, "r:" included */
    uint32_t len, flags;
    uint64_t cookie;
};

/* A ping of our node's own. */
struct play_ping {
    struct play *play;
    struct leg *leg;
    char name[NAME_BYTES];   /* service, "r:" included */
    uint32_t len;            /* several wait for room, and leave in an order of their own */
    uint64_t recorded, ours; /* cookies */
    uint8_t fill;            /* its data */
    bool wants, sent, fed, answered;
};

/* What our node has to do with a topic because the recorded one had. */
struct play_topic {
    char path[SENSOR_PATH_MAX + 1];
    struct rpr_sensor_pub *pub;
    struct rpr_sensor_sub *sub;
};

/* A client endpoint of our node: one that looks for its peer. */
struct play_endpoint {
    struct play *play;
    struct leg *leg;
    char name[NAME_BYTES];
    rpr_ept_t ept;
    bool open;
};

/* An event of the other side that is still to be fed. */
struct feed {
    const struct transcript_event *event;
    char name[NAME_BYTES]; /* service that a data frame is for, at the time */
    struct feed *next;
};

/* One link. */
struct leg {
    struct play *play;
    unsigned index; /* in the recording */
    struct rpr_link *link;
    bool wanted;
    bool alive;                 /* the other side has said something, and did not power off */
    bool asked;                 /* our node has sent a CONNREQ, and is not connected */
    bool off;                   /* the recorded side has powered off */
    size_t life;                /* event with which the recorded side\'s present process began */
    char cpu[RPR_NAME_MAX + 1]; /* of side B */
    struct view expected, actual;
    /* words of rpmsg-sensor, routed ones included */
    uint64_t expected_words[SENSOR_N_COMMANDS], actual_words[SENSOR_N_COMMANDS];
    struct rpr_frame_decoder decoder; /* of what our node writes */
    uint8_t body[RPR_FRAME_HEADER_BYTES + RPR_HEADER_BYTES + RPR_SERIAL_SIZE_MAX];
    uint8_t answer[64]; /* to its STAYWAKEs */
    size_t n_answer;
    struct feed *first, *last;
};

struct play {
    const struct recording *recording;
    const struct transcript *transcript;
    enum view_side ours, theirs;
    struct leg leg[RECORDING_LINKS];
    unsigned first_leg, end_leg; /* that our node has */
    uint64_t now;
    bool verbose;

    struct rpr_platform platform;
    uint32_t random;
    struct rpr_node *node;
    struct rpr_ping *ping;
    struct rpr_sensor *sensor;
    struct play_topic topics[N_TOPICS];
    struct rpr_edge *edge;
    struct rpr_hub *hub;
    struct rpr_service *service;

    struct play_endpoint endpoint[N_ENDPOINTS];
    struct play_ping pings[N_PINGS];
    size_t n_pings, first_unsent;
    struct todo todo[N_TODO];
    size_t n_todo;

    /* a mark that our node has not reached yet */
    const struct transcript_event *mark;
    char mark_text[64];
    uint64_t mark_until;
    unsigned n_marks, n_wrong, n_late;
};

/* Prints what is wrong; false if anything is. */
bool play_run(const struct recording *recording, const struct transcript *transcript,
              enum view_side ours, unsigned link, bool verbose);

/* ---- node.c: our node -------------------------------------------------------------------------- */

void node_start(struct play *play);
void node_stop(struct play *play);

/* Polls until nothing is to be done before `until`; what comes of it is answered and fed. */
void node_run(struct play *play, uint64_t until_ns);

bool node_open_endpoint(struct leg *leg, const char *name);
void node_close_endpoint(struct leg *leg, const char *name);
bool node_ping(struct leg *leg, const struct todo *todo);

/* Publishes or subscribes, begins or ends it; if it does already nothing happens. */
void node_sensor(struct play *play, uint32_t command, const char *path);

/* Is the service bound, as our node sees it? */
bool node_is_bound(struct leg *leg, const char *name);

/* Calls `each` for all that are. */
void node_bound(struct leg *leg, void (*each)(void *ctx, const char *name), void *ctx);

/* State of a routed device: of an edge as it sees it, of a hub as it has told. */
void node_device(struct leg *leg, const char *cpu, bool *up, bool *suspended);

/* Is the message one to rpmsg-sensor, and which? */
bool node_sensor_word(const struct view_message *message, uint32_t *command);

/* ---- cast.c: who is who --------------------------------------------------------------------------- */

void cast_names(struct play *play);

/* Does the recorded side serve this: answer who looks for it, without looking itself? */
bool cast_serves(const struct play *play, unsigned link, const char *name);
bool cast_announces(const struct play *play, const char *service); /* routed or not, at any time */

/* Calls `each` for the CPUs that the recorded hub offers to side B of a link. */
void cast_routes(const struct play *play, unsigned link,
                 void (*each)(void *ctx, unsigned link, const char *cpu), void *ctx);

/* ---- feed.c: the other side ------------------------------------------------------------------------ */

void feed_add(struct leg *leg, const struct transcript_event *event);
void feed_try(struct leg *leg);                                    /* feeds what can be */
void feed_forget(struct leg *leg);                                 /* of a link */
void feed_output(struct leg *leg, const uint8_t *bytes, size_t n); /* our node has written */

/* ---- verdict.c ----------------------------------------------------------------------------------------- */

void verdict_mark(struct play *play, const struct transcript_event *mark, const char *text);
void verdict_look(struct play *play, bool last_chance);

#endif
