/* SPDX-License-Identifier: Apache-2.0 */
/* The invariants (ARCHITECTURE 10), held against every event. */
#include <string.h>

#include "scene.h"
#include "wire/header.h"

#define MAGIC 0x52504d53u

static uint8_t pattern(uint32_t seq, uint32_t at)
{
    return (uint8_t)(seq * 31 + at);
}

/* Which binding, which message of it, and contents that follow from both. */
uint32_t message_fill(uint8_t *to, uint32_t binding, uint32_t seq, uint32_t len)
{
    put_le32(to, MAGIC);
    put_le32(to + 4, binding);
    put_le32(to + 8, seq);
    for (uint32_t i = MESSAGE_MIN; i < len; i++)
        to[i] = pattern(seq, i);
    return len;
}

void check_alive(struct app_ept *e, const char *what)
{
    if (e->closed)
        sim_violated(&e->scene->sim, "#%u: `%s` after `closed`", (unsigned)e->id, what);
}

static bool contents_are_right(const struct scene *scene, const struct rpr_msg *msg)
{
    const uint8_t *data = msg->data;

    if (msg->len < MESSAGE_MIN || get_le32(data) != MAGIC ||
        get_le32(data + 4) >= scene->n_bindings)
        return false;
    for (uint32_t i = MESSAGE_MIN; i < msg->len; i++)
        if (data[i] != pattern(get_le32(data + 8), i))
            return false;
    return true;
}

/* Is `e` the endpoint that the sender was bound to when it sent? */
static bool is_meant(const struct app_ept *e, const struct binding *sent)
{
    const struct app_ept *from = &e->scene->epts[sent->ept];

    return from->host->index == e->peer && from->peer == e->host->index &&
           strcmp(from->name, e->name) == 0 && sent->since >= e->opened_at;
}

/* ---- what was sent has come, or was counted ---------------------------------------------------------- */

struct drops {
    const struct app_ept *to;
    uint64_t n;
};

static bool add_drops(void *ctx, const struct rpr_route_info *info)
{
    struct drops *d = ctx;

    if (strcmp(info->service, d->to->name) == 0 &&
        (unsigned)(info->to[1] - '0') == d->to->host->index)
        d->n += info->dropped;
    return true;
}

static uint64_t drops_towards(struct scene *scene, const struct app_ept *to)
{
    struct drops d = {.to = to};
    struct rpr_ept_info info;

    if (rpr_ept_info(to->handle, &info) == 0)
        d.n = info.dropped;
    for (unsigned i = 0; i < scene->sim.n_hosts; i++)
        if (scene->sim.host[i].node)
            rpr_routes(scene->sim.host[i].node, add_drops, &d);
    return d.n;
}

bool check_message(struct app_ept *e, const struct rpr_msg *msg)
{
    struct scene *scene = e->scene;
    struct binding *mine, *theirs;
    uint32_t from, seq;

    if (!contents_are_right(scene, msg)) {
        sim_violated(&scene->sim, "#%u: contents are not what was sent", (unsigned)e->id);
        return false;
    }
    from = get_le32((const uint8_t *)msg->data + 4);
    seq = get_le32((const uint8_t *)msg->data + 8);
    sim_trace(&scene->sim, "%s #%u gets %u/%u", e->host->name, (unsigned)e->id, (unsigned)from,
              (unsigned)seq);
    if (e->binding == NO_BINDING) {
        sim_violated(&scene->sim, "#%u: a message without being bound", (unsigned)e->id);
        return false;
    }
    mine = &scene->bindings[e->binding];
    theirs = &scene->bindings[from];
    if (!is_meant(e, theirs) || (mine->from != NO_BINDING && mine->from != from) ||
        (theirs->to != NO_BINDING && theirs->to != e->binding)) {
        sim_violated(&scene->sim, "#%u: %u/%u was for another endpoint", (unsigned)e->id,
                     (unsigned)from, (unsigned)seq);
        return false;
    }
    mine->from = from;
    theirs->to = e->binding;
    if (seq < mine->next)
        sim_violated(&scene->sim, "#%u: %u/%u twice or late", (unsigned)e->id, (unsigned)from,
                     (unsigned)seq);
    else if (seq > mine->next && scene->lossless &&
             seq - mine->n_received > drops_towards(scene, e))
        sim_violated(&scene->sim, "#%u: %u before %u/%u is missing", (unsigned)e->id,
                     (unsigned)(seq - mine->next), (unsigned)from, (unsigned)seq);
    mine->next = seq + 1;
    mine->n_received++;
    return true;
}

void check_bound(struct app_ept *e)
{
    struct scene *scene = e->scene;

    sim_trace(&scene->sim, "%s #%u bound as %u", e->host->name, (unsigned)e->id,
              (unsigned)scene->n_bindings);
    if (e->binding != NO_BINDING || scene->n_bindings == SCENE_BINDINGS) {
        sim_violated(&scene->sim, "#%u: bound twice", (unsigned)e->id);
        return;
    }
    e->binding = scene->n_bindings++;
    scene->bindings[e->binding] = (struct binding){
        .ept = e->id, .since = scene->sim.n_events, .to = NO_BINDING, .from = NO_BINDING};
}

void check_unbound(struct app_ept *e, enum rpr_unbound_reason reason)
{
    sim_trace(&e->scene->sim, "%s #%u unbound, %s", e->host->name, (unsigned)e->id,
              reason == RPR_UNBOUND_LOST ? "lost" : "closed");
    if (e->binding == NO_BINDING)
        sim_violated(&e->scene->sim, "#%u: unbound without being bound", (unsigned)e->id);
    else
        e->scene->bindings[e->binding].over = true;
    e->binding = NO_BINDING;
}

/* ---- once it is quiet ----------------------------------------------------------------------------- */

static void check_device(struct scene *scene, unsigned a, unsigned b)
{
    struct rpr_node *node = scene->sim.host[a].node;
    struct rpr_device *device;

    if (a == b || !node)
        return;
    device = rpr_device_find(node, scene->sim.host[b].name);
    if (app_reaches(scene, a, b) != (device && rpr_device_state(device) == RPR_DEVICE_UP))
        sim_violated(&scene->sim, "n%u: device n%u is not as it should be", a, b);
}

/* Who offers the service takes up every client; everywhere else two ends are needed. */
static void check_pairing(struct app_ept *e)
{
    struct scene *scene = e->scene;
    struct sim *sim = &scene->sim;
    bool reached = app_reaches(scene, e->host->index, e->peer);
    struct app_ept *other = reached ? app_find(scene, e->peer, e->host->index, e->name) : NULL;
    bool bound = e->binding != NO_BINDING;

    if (bound && !other)
        sim_violated(sim, "#%u: bound to an end that does not exist", (unsigned)e->id);
    else if (!bound && other)
        sim_violated(sim, "#%u and #%u both exist and are not bound", (unsigned)e->id,
                     (unsigned)other->id);
    else if (!bound && reached && scene->host[e->peer].service &&
             strcmp(scene->host[e->peer].service_name, e->name) == 0)
        sim_violated(sim, "#%u: its service exists and is not bound", (unsigned)e->id);
    if (e->waits && bound)
        sim_violated(sim, "#%u: `writable` never came", (unsigned)e->id);
}

static bool check_route(void *ctx, const struct rpr_route_info *info)
{
    struct scene *scene = ctx;
    unsigned from = (unsigned)(info->from[1] - '0'), to = (unsigned)(info->to[1] - '0');
    bool a = app_find(scene, from, to, info->service) != NULL;
    bool b = app_find(scene, to, from, info->service) != NULL;

    sim_trace(&scene->sim, "route %s to %s %s: %d %s", info->from, info->to, info->service,
              (int)info->state, info->reason);
    if (!a && !b)
        sim_violated(&scene->sim, "a route n%u to n%u %s of no endpoint", from, to, info->service);
    else if ((info->state == RPR_ROUTE_JOINED) != (a && b))
        sim_violated(&scene->sim, "a route n%u to n%u %s in the wrong state", from, to,
                     info->service);
    return true;
}

void check_quiet(struct scene *scene)
{
    for (unsigned a = 0; a < scene->sim.n_hosts; a++) {
        for (unsigned b = 0; b < scene->sim.n_hosts; b++)
            check_device(scene, a, b);
        if (scene->sim.host[a].node)
            rpr_routes(scene->sim.host[a].node, check_route, scene);
    }
    for (uint32_t i = 0; i < scene->n_epts; i++)
        if (scene->epts[i].open)
            check_pairing(&scene->epts[i]);
        else if (!scene->epts[i].closed)
            sim_violated(&scene->sim, "#%u: `closed` never came", (unsigned)i);
}

void check_delivered(struct scene *scene)
{
    for (uint32_t i = 0; i < scene->n_bindings; i++) {
        const struct binding *b = &scene->bindings[i];
        const struct app_ept *e = &scene->epts[b->ept];
        const struct app_ept *to;
        const struct binding *there;

        if (b->over)
            continue;
        to = app_find(scene, e->peer, e->host->index, e->name);
        if (!to || to->binding == NO_BINDING)
            continue; /* said by check_quiet() */
        there = &scene->bindings[to->binding];
        if (there->from != NO_BINDING && there->from != i)
            sim_violated(&scene->sim, "#%u hears another than its peer", (unsigned)to->id);
        else if (b->n_sent - there->n_received > drops_towards(scene, to))
            sim_violated(&scene->sim, "#%u: %u of %u messages are missing and were not counted",
                         (unsigned)to->id, (unsigned)(b->n_sent - there->n_received),
                         (unsigned)b->n_sent);
    }
}

void check_gone(struct scene *scene)
{
    if (scene->sim.live_blocks || scene->sim.live_bytes)
        sim_violated(&scene->sim, "%u blocks of memory were not given back",
                     (unsigned)scene->sim.live_blocks);
}
