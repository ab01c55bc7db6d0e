/* SPDX-License-Identifier: Apache-2.0 */
/* The other side of a link: its recorded frames, and how NuttX answers wake bytes. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "play.h"
#include "wire/header.h"
#include "wire/ping.h"

#define COOKIE_AT (RPR_FRAME_HEADER_BYTES + RPR_HEADER_BYTES + 8u)
#define DST_AT    (RPR_FRAME_HEADER_BYTES + 4u)

/* ---- what our node writes ------------------------------------------------------------------------- */

static void answer(struct leg *leg, uint8_t byte)
{
    if (leg->alive && leg->n_answer < sizeof leg->answer)
        leg->answer[leg->n_answer++] = byte;
}

static void see_control(struct leg *leg, uint8_t byte)
{
    if (byte == RPR_UART_STAYWAKE1)
        answer(leg, RPR_UART_STAYWAKEACK1);
    else if (byte == RPR_UART_STAYWAKE2)
        answer(leg, RPR_UART_STAYWAKEACK2);
    else if (byte == RPR_UART_CONNREQ)
        leg->asked = true;
    if (byte == RPR_UART_CONNACK)
        leg->asked = false;
    if (byte != RPR_UART_CONNREQ || !leg->actual.connected)
        view_control(&leg->actual, leg->play->ours, byte);
}

/* A request of our node's own: its cookie is what an answer must have. */
static void see_request(struct leg *leg, const struct view_message *m)
{
    struct play *play = leg->play;

    while (play->first_unsent < play->n_pings && play->pings[play->first_unsent].sent)
        play->first_unsent++;
    for (size_t i = play->first_unsent; i < play->n_pings; i++) {
        struct play_ping *p = &play->pings[i];

        if (p->leg != leg || p->sent || p->len != m->len || strcmp(p->name, m->service) != 0)
            continue;
        p->sent = true;
        p->ours = get_le64(m->payload + 8);
        p->fill = m->len > PING_HEADER_BYTES ? m->payload[PING_HEADER_BYTES] : 0;
        return;
    }
}

static void see_frame(struct leg *leg)
{
    struct play *play = leg->play;
    struct view_message m;
    uint32_t command;

    if (!view_message_read(&leg->actual, play->ours, leg->body + RPR_FRAME_HEADER_BYTES,
                           leg->decoder.n - RPR_FRAME_HEADER_BYTES, &m))
        return;
    view_message_seen(&leg->actual, play->ours, &m);
    if (m.kind == VIEW_ping_req)
        see_request(leg, &m);
    if (node_sensor_word(&m, &command) &&
        (play->ours == VIEW_B || strncmp(m.service, ROUTE_PREFIX, strlen(ROUTE_PREFIX)) != 0))
        leg->actual_words[command]++;
    if (play->verbose)
        printf("    %12.6f %s ours: %s %s len %zu\n", (double)play->now / 1e9,
               play->recording->name[leg->index], view_kind_name[m.kind],
               m.dst == RPMSG_ADDR_NS ? m.ns.name : m.service, m.len);
}

void feed_output(struct leg *leg, const uint8_t *bytes, size_t n)
{
    const uint8_t *end = bytes + n;
    enum rpr_frame_event what;

    leg->decoder.to = leg->body;
    leg->decoder.size = sizeof leg->body;
    while ((what = rpr_frame_decode(&leg->decoder, &bytes, end)) != RPR_FRAME_NONE) {
        if (what == RPR_FRAME_CONTROL)
            see_control(leg, leg->decoder.control);
        else if (what == RPR_FRAME_GOOD)
            see_frame(leg);
    }
}

/* ---- what it is fed ---------------------------------------------------------------------------------- */

void feed_add(struct leg *leg, const struct transcript_event *event)
{
    struct feed *f = calloc(1, sizeof *f);
    struct view_message m;

    if (!f)
        abort();
    f->event = event;
    if (event->what == TRANSCRIPT_FRAME &&
        view_message_read(&leg->expected, leg->play->theirs, event->body + RPR_FRAME_HEADER_BYTES,
                          event->n - RPR_FRAME_HEADER_BYTES, &m))
        snprintf(f->name, sizeof f->name, "%s", m.service);
    if (leg->last)
        leg->last->next = f;
    else
        leg->first = f;
    leg->last = f;
}

static void pop(struct leg *leg)
{
    struct feed *f = leg->first;

    leg->first = f->next;
    if (!leg->first)
        leg->last = NULL;
    free(f);
}

void feed_forget(struct leg *leg)
{
    while (leg->first)
        pop(leg);
}

/* The ping of our node's own that this answers, or NULL. */
static struct play_ping *answered(struct leg *leg, const struct view_message *m, const char *name)
{
    struct play *play = leg->play;

    for (size_t i = 0; i < play->n_pings; i++) {
        struct play_ping *p = &play->pings[i];

        if (p->leg == leg && !p->fed && p->wants && p->recorded == get_le64(m->payload + 8) &&
            strcmp(p->name, name) == 0)
            return p;
    }
    return NULL;
}

/* Has our node said what this refers to? */
static bool is_due(struct leg *leg, const struct feed *f)
{
    enum view_side ours = leg->play->ours;
    char cpu[ROUTER_CPU_MAX + 1];
    char routed[ROUTER_SERVICE_MAX + 1];
    const struct view_service *service;
    const struct view_device *device;
    const struct play_ping *ping;
    struct view_message m;

    if (f->event->what == TRANSCRIPT_CONTROL)
        return f->event->control != RPR_UART_CONNACK || leg->asked || leg->actual.connected;
    if (!view_message_read(&leg->actual, leg->play->theirs, f->event->body + RPR_FRAME_HEADER_BYTES,
                           f->event->n - RPR_FRAME_HEADER_BYTES, &m))
        return true;
    if (m.dst != RPMSG_ADDR_NS) {
        service = view_find(&leg->actual, f->name);
        ping = m.len >= PING_HEADER_BYTES ? answered(leg, &m, f->name) : NULL;
        return service && service->live[ours] && (!ping || ping->sent);
    }
    if (m.kind == VIEW_data || m.kind == VIEW_ns_destroy)
        return true;
    if (ours == VIEW_A && route_parse(m.ns.name, cpu, routed)) {
        device = view_device(&leg->actual, cpu);
        if (!device || !device->up)
            return false;
    }
    service = view_find(&leg->actual, m.ns.name);
    return m.kind == VIEW_ns_create || (service && service->live[ours]);
}

/* Our node's addresses, cookies and data of pings for the recorded ones: an answer echoes them. */
static void translate(struct leg *leg, const struct feed *f, uint8_t *body)
{
    const struct view_service *service = view_find(&leg->actual, f->name);
    struct view_message m;
    struct play_ping *ping;

    if (get_le32(body + DST_AT) == RPMSG_ADDR_NS)
        return;
    if (service && service->addr[leg->play->ours])
        put_le32(body + DST_AT, service->addr[leg->play->ours]);
    if (!view_message_read(&leg->actual, leg->play->theirs, body + RPR_FRAME_HEADER_BYTES,
                           f->event->n - RPR_FRAME_HEADER_BYTES, &m) ||
        m.kind != VIEW_ping_rsp)
        return;
    ping = answered(leg, &m, f->name);
    if (!ping)
        return;
    ping->fed = true;
    put_le32(body + COOKIE_AT, (uint32_t)ping->ours);
    put_le32(body + COOKIE_AT + 4, (uint32_t)(ping->ours >> 32));
    memset(body + COOKIE_AT + 8, ping->fill, m.len - PING_HEADER_BYTES);
}

static void give(struct leg *leg, const uint8_t *bytes, size_t n)
{
    while (n && leg->wanted) {
        size_t taken = rpr_serial_input(leg->link, bytes, n);

        bytes += taken;
        n -= taken;
        if (!taken) { /* it has to look at what it has first */
            rpr_node_poll(leg->play->node, leg->play->now, 0);
        }
    }
}

static void give_frame(struct leg *leg, const struct feed *f)
{
    struct rpr_frame_encoder encoder;
    struct view_message m;
    uint8_t *body = malloc(f->event->n);
    uint8_t wire[1024];

    if (!body)
        abort();
    memcpy(body, f->event->body, f->event->n);
    translate(leg, f, body);
    if (view_message_read(&leg->actual, leg->play->theirs, body + RPR_FRAME_HEADER_BYTES,
                          f->event->n - RPR_FRAME_HEADER_BYTES, &m)) {
        view_message_seen(&leg->actual, leg->play->theirs, &m);
        if (leg->play->verbose)
            printf("    %12.6f %s fed:  %s %s len %zu\n", (double)leg->play->now / 1e9,
                   leg->play->recording->name[leg->index], view_kind_name[m.kind],
                   m.dst == RPMSG_ADDR_NS ? m.ns.name : m.service, m.len);
    }
    rpr_frame_seal(body, f->event->n, get_le16(body) != 0);
    rpr_frame_begin(&encoder, body, f->event->n);
    while (!rpr_frame_encoded(&encoder))
        give(leg, wire, rpr_frame_encode(&encoder, wire, sizeof wire));
    free(body);
}

static void give_control(struct leg *leg, uint8_t byte)
{
    view_control(&leg->actual, leg->play->theirs, byte);
    if (byte == RPR_UART_CONNACK || byte == RPR_UART_CONNREQ)
        leg->asked = false;
    if (byte == RPR_UART_CONNREQ)
        leg->actual.connected = false; /* until our node has answered */
    give(leg, &byte, 1);
}

void feed_try(struct leg *leg)
{
    give(leg, leg->answer, leg->n_answer);
    leg->n_answer = 0;
    while (leg->first) {
        struct feed *f = leg->first;

        if (!is_due(leg, f)) {
            if (leg->play->now < f->event->t_ns + PATIENCE_NS)
                return;
            leg->play->n_late++;
        }
        if (f->event->what == TRANSCRIPT_CONTROL)
            give_control(leg, f->event->control);
        else
            give_frame(leg, f);
        pop(leg);
        rpr_node_poll(leg->play->node, leg->play->now, 0);
    }
}
