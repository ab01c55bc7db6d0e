/* SPDX-License-Identifier: Apache-2.0 */
/* The script: what the recorded side did, in order of time. */
#include "play.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "wire/header.h"
#include "wire/ping.h"

#define END_NS UINT64_C(1000000000) /* after the last event */

static bool is_hubs(const struct play *play, const char *name)
{
    char cpu[ROUTER_CPU_MAX + 1];
    char routed[ROUTER_SERVICE_MAX + 1];

    return router_control_parse(name, cpu) ||
           (play->ours == VIEW_A && route_parse(name, cpu, routed));
}

/* Is it of a service that our node really has? */
static bool is_services(const char *name)
{
    const char *colon = strrchr(name, ':');

    name = colon ? colon + 1 : name;
    return strcmp(name, "rpmsg-ping") == 0 || strcmp(name, SENSOR) == 0;
}

static struct todo *will_do(struct leg *leg, int what, const char *name)
{
    struct play *play = leg->play;
    struct todo *t = &play->todo[play->n_todo];

    if (play->n_todo == N_TODO) {
        fprintf(stderr, "too much to do at once\n");
        exit(1);
    }
    play->n_todo++;
    *t = (struct todo){.leg = leg, .until_ns = play->now + PATIENCE_NS};
    t->what = what;
    snprintf(t->name, sizeof t->name, "%s", name);
    return t;
}

/* ---- frames of the recorded side ------------------------------------------------------------------ */

static void do_ns(struct leg *leg, const struct view_message *m)
{
    const struct view_service *service = view_find(&leg->expected, m->ns.name);
    enum view_side ours = leg->play->ours;

    if (!leg->expected.connected || is_hubs(leg->play, m->ns.name) || is_services(m->ns.name))
        return; /* parts of our node do that */
    if (m->kind == VIEW_ns_create)
        will_do(leg, TODO_OPEN, m->ns.name);
    else if (m->kind == VIEW_ns_destroy && service && service->live[ours] &&
             service->addr[ours] == m->ns.addr)
        node_close_endpoint(leg, m->ns.name);
}

static void do_ping(struct leg *leg, const struct view_message *m)
{
    struct todo *t;

    if (is_hubs(leg->play, m->service))
        return; /* passed on */
    if (!(get_le32(m->payload) & PING_ACK) && leg->play->n_todo > N_TODO / 2)
        return; /* one of a flood, and nobody answers it */
    t = will_do(leg, TODO_PING, m->service);
    t->len = (uint32_t)m->len;
    t->flags = get_le32(m->payload);
    t->cookie = get_le64(m->payload + 8);
}

/* What the recorded side began and ended; the rest is our service's own business. */
static void do_sensor(struct leg *leg, const struct view_message *m)
{
    struct sensor_topic_message topic;
    uint32_t command;

    if (is_hubs(leg->play, m->service) || !node_sensor_word(m, &command))
        return;
    leg->expected_words[command]++;
    if (command < SENSOR_PUBLISH && sensor_topic_decode(&topic, m->payload, m->len) == SENSOR_OK)
        node_sensor(leg->play, command, topic.path);
}

static void own_frame(struct leg *leg, const struct transcript_event *e)
{
    struct view_message m;

    if (!view_message_read(&leg->expected, e->side, e->body + RPR_FRAME_HEADER_BYTES,
                           e->n - RPR_FRAME_HEADER_BYTES, &m))
        return;
    if (m.kind == VIEW_ns_create || m.kind == VIEW_ns_destroy)
        do_ns(leg, &m);
    else if (m.kind == VIEW_ping_req)
        do_ping(leg, &m);
    else if (m.kind == VIEW_data)
        do_sensor(leg, &m);
    view_message_seen(&leg->expected, e->side, &m);
}

/* ---- control bytes of the recorded side ------------------------------------------------------------- */

/* A CONNREQ from within a session: it was another process before. */
static void begin_anew(struct play *play, size_t event)
{
    node_stop(play);
    for (unsigned i = play->first_leg; i < play->end_leg; i++) {
        struct leg *leg = &play->leg[i];

        view_control(&leg->expected, play->ours, RPR_UART_POWEROFF);
        feed_forget(leg);
        leg->off = false;
        leg->life = event;
    }
    node_start(play);
}

static void own_control(struct leg *leg, const struct transcript_event *e)
{
    struct rpr_device *device = leg->link->device;

    if (leg->off && e->control != RPR_UART_POWEROFF) {
        leg->off = false;
        leg->life = (size_t)(e - leg->play->transcript->events);
        (void)rpr_device_up(device);
    }
    switch (e->control) {
    case RPR_UART_CONNREQ:
        if (leg->expected.connected)
            begin_anew(leg->play, (size_t)(e - leg->play->transcript->events));
        break;
    case RPR_UART_SUSPEND:
    case RPR_UART_RESUME:
        (void)rpr_device_power(device, e->control == RPR_UART_RESUME);
        break;
    case RPR_UART_POWEROFF:
        leg->off = true;
        (void)rpr_device_down(device);
        break;
    default:
        break;
    }
    view_control(&leg->expected, e->side, e->control);
}

/* ---- the other side ----------------------------------------------------------------------------------- */

static void their_event(struct leg *leg, const struct transcript_event *e)
{
    struct view_message m;

    leg->alive = !(e->what == TRANSCRIPT_CONTROL && e->control == RPR_UART_POWEROFF);
    if (e->what == TRANSCRIPT_CONTROL) {
        view_control(&leg->expected, e->side, e->control);
        if (e->control != RPR_UART_STAYWAKEACK1 && e->control != RPR_UART_STAYWAKEACK2)
            feed_add(leg, e);
        return;
    }
    feed_add(leg, e);
    if (view_message_read(&leg->expected, e->side, e->body + RPR_FRAME_HEADER_BYTES,
                          e->n - RPR_FRAME_HEADER_BYTES, &m))
        view_message_seen(&leg->expected, e->side, &m);
}

/* ---- the whole ------------------------------------------------------------------------------------------ */

static void do_event(struct play *play, const struct transcript_event *e)
{
    struct leg *leg = &play->leg[e->link];
    char text[64];

    if (e->what == TRANSCRIPT_MARK) {
        snprintf(text, sizeof text, "%.*s", (int)(e->n < 60 ? e->n : 60), (const char *)e->body);
        verdict_mark(play, e, text);
        if (play->verbose)
            printf("---- %s\n", text);
        return;
    }
    if (e->link < play->first_leg || e->link >= play->end_leg)
        return;
    if (e->side == play->theirs)
        their_event(leg, e);
    else if (e->what == TRANSCRIPT_FRAME)
        own_frame(leg, e);
    else
        own_control(leg, e);
}

static void play_all(struct play *play)
{
    const struct transcript *t = play->transcript;

    for (size_t i = 0; i < t->n_events; i++) {
        node_run(play, t->events[i].t_ns);
        do_event(play, &t->events[i]);
    }
    node_run(play, play->now + END_NS);
    if (t->n_events)
        verdict_mark(play, &t->events[t->n_events - 1], "the end");
    verdict_look(play, true);
}

bool play_run(const struct recording *recording, const struct transcript *transcript,
              enum view_side ours, unsigned link, bool verbose)
{
    struct play *play = calloc(1, sizeof *play);
    bool good;

    if (!play)
        abort();
    play->recording = recording;
    play->transcript = transcript;
    play->ours = ours;
    play->theirs = ours == VIEW_A ? VIEW_B : VIEW_A;
    play->first_leg = ours == VIEW_A ? 0 : link;
    play->end_leg = ours == VIEW_A ? (unsigned)recording->n_links : link + 1;
    play->verbose = verbose;
    play->now = transcript->n_events ? transcript->events[0].t_ns : 1;
    for (unsigned i = 0; i < recording->n_links; i++) {
        play->leg[i].play = play;
        play->leg[i].index = i;
    }
    cast_names(play);
    node_start(play);
    play_all(play);
    node_stop(play);
    good = play->n_wrong == 0;
    printf("%s: as %s%s: %u marks, %zu pings of its own%s\n", good ? "equal" : "DIFFERENT",
           ours == VIEW_A ? "side A of all links" : "side B of ",
           ours == VIEW_A ? "" : recording->name[link], play->n_marks, play->n_pings,
           play->n_late ? ", some frames came before what they answer" : "");
    for (unsigned i = 0; i < recording->n_links; i++) {
        feed_forget(&play->leg[i]);
        view_free(&play->leg[i].expected);
        view_free(&play->leg[i].actual);
    }
    free(play);
    return good;
}
