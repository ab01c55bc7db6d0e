/* SPDX-License-Identifier: Apache-2.0 */
/* The invariants (ARCHITECTURE 10), held against every event. */
#include <string.h>

#include <rpr/link.h>

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

/* ---- invariant 1: no callback after `closed` ----------------------------------------------------------
 * Each endpoint of an application has memory of its own, which is never used again: a callback that
 * comes after the close, be it by a list that it was left on or by a message in flight, is seen
 * here. That memory of it is touched shows in what follows: what is freed is overwritten, and `./dev
 * test` runs a slice under AddressSanitizer too. */

void check_alive(struct app_ept *e, const char *what)
{
    if (e->closed)
        sim_violated(&e->scene->sim, "#%u: `%s` after `closed`", (unsigned)e->id, what);
}

/* What holds between two hosts holds unless one of them stands still, or is mad: that one may also claim at the hub
 * next to it that it leads to a CPU of another hub (the routed device that came first wins). */
static bool promised(const struct scene *scene, unsigned a, unsigned b)
{
    if (scene->sim.host[a].frozen || scene->sim.host[b].frozen)
        return false;
    if (scene->mad == NOBODY)
        return true;
    return a != scene->mad && b != scene->mad &&
           (app_joined(scene, a, b) ||
            (!app_wire(scene, a, scene->mad) && !app_wire(scene, b, scene->mad)));
}

static bool promised_to(const struct app_ept *e)
{
    return promised(e->scene, e->host->index, e->peer);
}

/* ---- invariant 2: in order, never twice, for nobody else, nothing missing --------------------------------
 * Each message names the binding that sent it and its number there; its contents follow from both.
 * So a message that is altered, repeated, late, out of order or for another endpoint is seen when it
 * comes, as is one that is missing: on links with credit always, anywhere else if nothing counted it
 * (the endpoint that dropped it, or a route, whose count ends with it when the sender does, or when
 * a wire breaks, which the sender may not know yet).
 * check_all_came() and check_delivered() see it where nothing came after. */

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

    if (!promised_to(e))
        return true;
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
    if (e->down)
        sim_violated(&scene->sim, "#%u: a message after its link was taken down", (unsigned)e->id);
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
    else if (seq > mine->next &&
             (scene->lossless ||
              (!theirs->over && theirs->breaks == app_breaks(scene, e->host->index, e->peer) &&
               !app_noisy(scene, e->host->index, e->peer) &&
               seq - mine->n_received > drops_towards(scene, e))))
        sim_violated(&scene->sim, "#%u: %u before %u/%u is missing", (unsigned)e->id,
                     (unsigned)(seq - mine->next), (unsigned)from, (unsigned)seq);
    mine->next = seq + 1;
    mine->n_received++;
    return true;
}

void check_bound(struct app_ept *e)
{
    struct scene *scene = e->scene;

    scene->sim.n_life++;
    sim_trace(&scene->sim, "%s #%u bound as %u", e->host->name, (unsigned)e->id,
              (unsigned)scene->n_bindings);
    if (e->binding != NO_BINDING || scene->n_bindings == SCENE_BINDINGS) {
        sim_violated(&scene->sim, "#%u: bound twice", (unsigned)e->id);
        return;
    }
    e->binding = scene->n_bindings++;
    e->down = false;
    scene->bindings[e->binding] =
        (struct binding){.ept = e->id,
                         .since = scene->sim.n_events,
                         .breaks = app_breaks(scene, e->host->index, e->peer),
                         .to = NO_BINDING,
                         .from = NO_BINDING};
}

/* A close is in band: who hears of it has everything that was sent before. */
static void check_all_came(struct app_ept *e)
{
    struct scene *scene = e->scene;
    const struct binding *mine = &scene->bindings[e->binding];
    const struct binding *theirs = &scene->bindings[mine->from];

    if (mine->from != NO_BINDING && scene->lossless && promised_to(e) &&
        mine->n_received < theirs->n_sent)
        sim_violated(&scene->sim, "#%u: the close came before the last %u messages of %u",
                     (unsigned)e->id, (unsigned)(theirs->n_sent - mine->n_received),
                     (unsigned)mine->from);
}

void check_unbound(struct app_ept *e, enum rpr_unbound_reason reason)
{
    if (reason == RPR_UNBOUND_CLOSED && e->binding != NO_BINDING)
        check_all_came(e);
    e->scene->sim.n_life++;
    sim_trace(&e->scene->sim, "%s #%u unbound, %s", e->host->name, (unsigned)e->id,
              reason == RPR_UNBOUND_LOST ? "lost" : "closed");
    if (e->binding == NO_BINDING)
        sim_violated(&e->scene->sim, "#%u: unbound without being bound", (unsigned)e->id);
    else
        e->scene->bindings[e->binding].over = true;
    e->binding = NO_BINDING;
}

/* ---- invariant 3: once it is quiet ---------------------------------------------------------------------
 * Whatever came before: ends that both exist are bound, all others know that they are not, devices
 * are as the links under them, and neither routes nor announcements are left of endpoints that do
 * not exist. A word that was lost, bound the wrong one, or was acted on twice leaves one of these
 * wrong; a wake-up that was lost leaves everything as it was. */

static void check_device(struct scene *scene, unsigned a, unsigned b)
{
    struct rpr_node *node = scene->sim.host[a].node;
    struct rpr_device_info info;
    struct rpr_device *device;

    if (a == b || !node || !promised(scene, a, b))
        return;
    device = rpr_device_find(node, scene->sim.host[b].name);
    if (app_reaches(scene, a, b) == (device && rpr_device_state(device) == RPR_DEVICE_UP))
        return;
    if (device)
        rpr_device_info(device, &info);
    sim_violated(&scene->sim, "n%u: device n%u is not as it should be: %s", a, b,
                 !device          ? "not there"
                 : info.reason[0] ? info.reason
                                  : "it is up");
}

/* Who offers the service takes up every client; everywhere else two ends are needed. */
static void check_pairing(struct app_ept *e)
{
    struct scene *scene = e->scene;
    struct sim *sim = &scene->sim;
    bool reached = app_reaches(scene, e->host->index, e->peer);
    struct app_ept *other = reached ? app_find(scene, e->peer, e->host->index, e->name) : NULL;
    bool bound = e->binding != NO_BINDING;
    const struct sim_wire *wire = app_wire(scene, e->host->index, e->peer);

    if (!promised_to(e) || (wire && wire->config.dialect == RPR_DIALECT_LINUX))
        return; /* Linux says neither that it has bound nor that a server is gone */
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
    if (!promised(scene, from, to))
        return true;
    if (!a && !b)
        sim_violated(&scene->sim, "a route n%u to n%u %s of no endpoint", from, to, info->service);
    else if ((info->state == RPR_ROUTE_JOINED) != (a && b))
        sim_violated(&scene->sim, "a route n%u to n%u %s in the wrong state", from, to,
                     info->service);
    return true;
}

struct wish {
    const struct app_ept *of;
    bool found;
};

static bool find_wish(void *ctx, const struct rpr_route_info *info)
{
    struct wish *wish = ctx;
    unsigned from = (unsigned)(info->from[1] - '0'), to = (unsigned)(info->to[1] - '0');

    wish->found = from == wish->of->host->index && to == wish->of->peer &&
                  strcmp(info->service, wish->of->name) == 0;
    return !wish->found;
}

/* The hub by which an endpoint reaches its CPU knows what it looks for. */
static void check_wish(struct app_ept *e)
{
    struct scene *scene = e->scene;
    struct rpr_device *device = rpr_device_find(e->host->node, scene->sim.host[e->peer].name);
    struct rpr_device_info info;
    struct wish wish = {.of = e};
    unsigned hub;

    if (!device || !promised_to(e) || !app_reaches(scene, e->host->index, e->peer))
        return;
    rpr_device_info(device, &info);
    if (info.kind != RPR_DEVICE_ROUTED || !info.via[0])
        return;
    hub = (unsigned)(info.via[1] - '0');
    if (!scene->sim.host[hub].node || !promised(scene, e->host->index, hub) || scene->mad == hub)
        return;
    rpr_routes(scene->sim.host[hub].node, find_wish, &wish);
    if (!wish.found)
        sim_violated(&scene->sim, "n%u has no route for #%u", hub, (unsigned)e->id);
}

struct kept {
    struct scene *scene;
    unsigned a, b; /* on the device of `b` */
};

/* Nobody takes it: so it is of an endpoint that waits there, or of a hub where there is no router. */
static bool check_announcement(void *ctx, const char *name, uint32_t addr)
{
    const struct kept *kept = ctx;
    const struct app_ept *e = app_find(kept->scene, kept->b, kept->a, name);

    if (kept->scene->host[kept->a].is_plain && strncmp(name, "router:", 7) == 0)
        return true;
    if (!e || e->binding != NO_BINDING)
        sim_violated(&kept->scene->sim, "n%u keeps an announcement of n%u, %s from %x, of nobody",
                     kept->a, kept->b, name, (unsigned)addr);
    return true;
}

static void check_announcements(struct scene *scene, unsigned a, unsigned b)
{
    struct kept kept = {scene, a, b};
    const struct sim_wire *wire = app_wire(scene, a, b);
    struct rpr_node *node = scene->sim.host[a].node;
    struct rpr_device *device = node ? rpr_device_find(node, scene->sim.host[b].name) : NULL;

    if (device && promised(scene, a, b) && !(wire && wire->config.dialect == RPR_DIALECT_LINUX))
        rpr_device_announcements(device, check_announcement, &kept);
}

void check_quiet(struct scene *scene)
{
    for (unsigned a = 0; a < scene->sim.n_hosts; a++) {
        for (unsigned b = 0; b < scene->sim.n_hosts; b++) {
            check_device(scene, a, b);
            check_announcements(scene, a, b);
        }
        if (scene->sim.host[a].node)
            rpr_routes(scene->sim.host[a].node, check_route, scene);
    }
    for (uint32_t i = 0; i < scene->n_epts; i++)
        if (scene->epts[i].open) {
            check_pairing(&scene->epts[i]);
            check_wish(&scene->epts[i]);
        } else if (!scene->epts[i].closed)
            sim_violated(&scene->sim, "#%u: `closed` never came", (unsigned)i);
}

/* Does what `a` said to `b` hold? It ends with the session. */
static bool sleeps_for(const struct scene *scene, unsigned a, unsigned b)
{
    struct rpr_device *device =
        a == b ? NULL : rpr_device_find(scene->sim.host[a].node, scene->sim.host[b].name);
    struct rpr_device_info info;

    if (!device)
        return false;
    rpr_device_info(device, &info);
    return scene->asleep[a][b] == info.session + 1;
}

/* Said to a hub that both are joined to, it is for everybody there. */
static bool sleeps_for_a_hub(const struct scene *scene, unsigned a, unsigned b)
{
    for (unsigned hub = 0; hub < scene->sim.n_hosts; hub++)
        if (scene->sim.host[hub].node && app_is_between(scene, a, hub, b) &&
            sleeps_for(scene, a, hub))
            return true;
    return false;
}

/* The state of a device is what that CPU said last, on its link or for this one alone. */
void check_power(struct scene *scene)
{
    for (unsigned a = 0; a < scene->sim.n_hosts; a++)
        for (unsigned b = 0; b < scene->sim.n_hosts; b++) {
            const struct rpr_device *device;
            bool sleeps;

            if (!app_reaches(scene, a, b) || !promised(scene, a, b))
                continue;
            device = rpr_device_find(scene->sim.host[a].node, scene->sim.host[b].name);
            sleeps = sleeps_for(scene, b, a) ||
                     (!app_wire(scene, a, b) && sleeps_for_a_hub(scene, b, a));
            if (sleeps != (rpr_device_state(device) == RPR_DEVICE_SUSPENDED))
                sim_violated(&scene->sim, "n%u: n%u %s", a, b,
                             sleeps ? "sleeps and is not suspended" : "runs and is suspended");
        }
}

void check_delivered(struct scene *scene)
{
    for (uint32_t i = 0; i < scene->n_bindings; i++) {
        const struct binding *b = &scene->bindings[i];
        const struct app_ept *e = &scene->epts[b->ept];
        const struct app_ept *to;
        const struct binding *there;

        if (b->over || !promised_to(e))
            continue;
        to = app_find(scene, e->peer, e->host->index, e->name);
        if (!to || to->binding == NO_BINDING)
            continue; /* said by check_quiet() */
        there = &scene->bindings[to->binding];
        if (there->from != NO_BINDING && there->from != i)
            sim_violated(&scene->sim, "#%u hears another than its peer", (unsigned)to->id);
        else if (!app_noisy(scene, e->host->index, e->peer) &&
                 b->n_sent - there->n_received > (scene->lossless ? 0 : drops_towards(scene, to)))
            sim_violated(&scene->sim, "#%u: %u of %u messages are missing and were not counted",
                         (unsigned)to->id, (unsigned)(b->n_sent - there->n_received),
                         (unsigned)b->n_sent);
    }
}

/* The second half of invariant 3: no memory is held of what is no more. */
void check_gone(struct scene *scene)
{
    if (scene->sim.live_blocks || scene->sim.live_bytes)
        sim_violated(&scene->sim, "%u blocks of memory were not given back",
                     (unsigned)scene->sim.live_blocks);
}
