/* SPDX-License-Identifier: Apache-2.0 */
/* Names and services of a recording's CPUs, as far as the recording tells. */
#include <stdio.h>
#include <string.h>

#include "play.h"

/* Calls `each` for the messages of a link among the events from..to, until it returns false; the view
 * is built on the way. */
static void walk(const struct play *play, unsigned link, size_t from, size_t to,
                 bool (*each)(void *ctx, const struct view *view, enum view_side side,
                              const struct view_message *message),
                 void *ctx)
{
    struct view view = {.connected = false};
    bool go_on = true;

    for (size_t i = from; go_on && i < to; i++) {
        const struct transcript_event *e = &play->transcript->events[i];
        struct view_message message;

        if (e->link != link || e->what == TRANSCRIPT_MARK)
            continue;
        if (e->what == TRANSCRIPT_CONTROL) {
            view_control(&view, e->side, e->control);
            continue;
        }
        if (!view_message_read(&view, e->side, e->body + RPR_FRAME_HEADER_BYTES,
                               e->n - RPR_FRAME_HEADER_BYTES, &message))
            continue;
        go_on = each(ctx, &view, e->side, &message);
        view_message_seen(&view, e->side, &message);
    }
    view_free(&view);
}

/* ---- names ------------------------------------------------------------------------------------------ */

/* A hub tells an edge its name. */
static bool find_told(void *ctx, const struct view *view, enum view_side side,
                      const struct view_message *m)
{
    char *cpu = ctx;

    (void)view;
    if (side != VIEW_A || m->kind != VIEW_router_create || !m->router.cpuname[0])
        return true;
    snprintf(cpu, RPR_NAME_MAX + 1, "%s", m->router.cpuname);
    return false;
}

struct offers {
    void (*each)(void *ctx, unsigned link, const char *cpu);
    void *ctx;
    unsigned link;
};

static bool find_offer(void *ctx, const struct view *view, enum view_side side,
                       const struct view_message *m)
{
    struct offers *offers = ctx;
    char cpu[ROUTER_CPU_MAX + 1];

    (void)view;
    if (side == VIEW_A && m->kind == VIEW_ns_create && router_control_parse(m->ns.name, cpu))
        offers->each(offers->ctx, offers->link, cpu);
    return true;
}

void cast_routes(const struct play *play, unsigned link,
                 void (*each)(void *ctx, unsigned link, const char *cpu), void *ctx)
{
    struct offers offers = {.each = each, .ctx = ctx, .link = link};

    walk(play, link, 0, play->transcript->n_events, find_offer, &offers);
}

/* Of two links, what the hub offers on one is the CPU of the other. */
static void name_other(void *ctx, unsigned link, const char *cpu)
{
    struct play *play = ctx;
    struct leg *other = &play->leg[1 - link];

    if (!other->cpu[0])
        snprintf(other->cpu, sizeof other->cpu, "%s", cpu);
}

void cast_names(struct play *play)
{
    size_t n = play->recording->n_links;

    for (unsigned i = 0; i < n; i++)
        walk(play, i, 0, play->transcript->n_events, find_told, play->leg[i].cpu);
    for (unsigned i = 0; n == 2 && i < n; i++)
        cast_routes(play, i, name_other, play);
    for (unsigned i = 0; i < n; i++)
        if (!play->leg[i].cpu[0])
            snprintf(play->leg[i].cpu, sizeof play->leg[i].cpu, "%.*s", (int)RPR_NAME_MAX,
                     play->recording->name[i]);
}

/* ---- services ---------------------------------------------------------------------------------------- */

struct question {
    const struct play *play;
    const char *name;
    bool yes;
};

/* The present process of the recorded side ends at its POWEROFF, or where it says CONNREQ although it
 * is connected: that is another one. */
static size_t life_end(const struct play *play, unsigned link)
{
    struct view view = {.connected = false};
    size_t i = play->leg[link].life;

    for (; i < play->transcript->n_events; i++) {
        const struct transcript_event *e = &play->transcript->events[i];

        if (e->link != link || e->what != TRANSCRIPT_CONTROL)
            continue;
        if (e->side == play->ours && i > play->leg[link].life &&
            (e->control == RPR_UART_POWEROFF || (e->control == RPR_UART_CONNREQ && view.connected)))
            break;
        view_control(&view, e->side, e->control);
    }
    return i;
}

/* An ACK without a CREATE before it in the same session. */
static bool serves(void *ctx, const struct view *view, enum view_side side,
                   const struct view_message *m)
{
    struct question *q = ctx;
    const struct view_service *service;

    if (side != q->play->ours || m->kind != VIEW_ns_ack || strcmp(m->ns.name, q->name) != 0)
        return true;
    service = view_find(view, q->name);
    q->yes = !service || !service->created[side];
    return !q->yes;
}

bool cast_serves(const struct play *play, unsigned link, const char *name)
{
    struct question q = {.play = play, .name = name};
    char cpu[ROUTER_CPU_MAX + 1];
    char routed[ROUTER_SERVICE_MAX + 1];

    if (router_control_parse(name, cpu) || (play->ours == VIEW_A && route_parse(name, cpu, routed)))
        return false; /* for the router's parts */
    walk(play, link, play->leg[link].life, life_end(play, link), serves, &q);
    return q.yes;
}

static bool announces(void *ctx, const struct view *view, enum view_side side,
                      const struct view_message *m)
{
    struct question *q = ctx;
    char cpu[ROUTER_CPU_MAX + 1];
    char service[ROUTER_SERVICE_MAX + 1];

    (void)view;
    if (side != q->play->ours || (m->kind != VIEW_ns_create && m->kind != VIEW_ns_ack))
        return true;
    q->yes =
        strcmp(m->ns.name, q->name) == 0 ||
        (side == VIEW_B && route_parse(m->ns.name, cpu, service) && strcmp(service, q->name) == 0);
    return !q->yes;
}

bool cast_announces(const struct play *play, const char *service)
{
    struct question q = {.play = play, .name = service};

    for (unsigned i = play->first_leg; !q.yes && i < play->end_leg; i++)
        walk(play, i, 0, play->transcript->n_events, announces, &q);
    return q.yes;
}
