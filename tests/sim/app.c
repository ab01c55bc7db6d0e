/* SPDX-License-Identifier: Apache-2.0 */
/* Applications: in their callbacks they do at random whatever the interface allows. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "scene.h"
#include "wire/credit.h"
#include "wire/header.h"
#include "wire/ns.h"
#include "wire/router.h"

const struct sim_wire *app_wire(const struct scene *scene, unsigned a, unsigned b)
{
    for (unsigned i = 0; i < scene->sim.n_wires; i++) {
        const struct sim_wire *w = &scene->sim.wire[i];

        if ((w->end[0].host->index == a && w->end[1].host->index == b) ||
            (w->end[0].host->index == b && w->end[1].host->index == a))
            return w;
    }
    return NULL;
}

/* Is that host a hub that both are joined to? */
bool app_is_between(const struct scene *scene, unsigned a, unsigned hub, unsigned b)
{
    return scene->host[hub].is_hub && app_wire(scene, a, hub) && app_wire(scene, hub, b) &&
           !scene->host[a].is_plain && !scene->host[b].is_plain && !scene->host[hub].is_plain;
}

/* Directly, or by a hub that both are joined to. */
bool app_reaches(const struct scene *scene, unsigned a, unsigned b)
{
    if (a == b || !scene->sim.host[a].node || !scene->sim.host[b].node)
        return false;
    if (app_wire(scene, a, b))
        return true;
    for (unsigned hub = 0; hub < scene->sim.n_hosts; hub++)
        if (app_is_between(scene, a, hub, b) && scene->sim.host[hub].node)
            return true;
    return false;
}

bool app_joined(const struct scene *scene, unsigned a, unsigned b)
{
    for (unsigned hub = 0; hub < scene->sim.n_hosts; hub++)
        if (app_is_between(scene, a, hub, b))
            return true;
    return app_wire(scene, a, b) != NULL;
}

/* Changes when a session on some way between them may have ended. */
uint32_t app_breaks(const struct scene *scene, unsigned a, unsigned b)
{
    uint32_t n = app_wire(scene, a, b) ? app_wire(scene, a, b)->n_breaks : 0;

    for (unsigned hub = 0; hub < scene->sim.n_hosts; hub++)
        if (app_is_between(scene, a, hub, b))
            n += app_wire(scene, a, hub)->n_breaks + app_wire(scene, hub, b)->n_breaks;
    return n;
}

static bool is_noisy(const struct sim_wire *wire)
{
    return wire && wire->config.kind == SIM_SERIAL && (wire->config.noise || !wire->config.flow);
}

bool app_noisy(const struct scene *scene, unsigned a, unsigned b)
{
    if (app_wire(scene, a, b))
        return is_noisy(app_wire(scene, a, b));
    for (unsigned hub = 0; hub < scene->sim.n_hosts; hub++)
        if (app_is_between(scene, a, hub, b) &&
            (is_noisy(app_wire(scene, a, hub)) || is_noisy(app_wire(scene, hub, b))))
            return true;
    return false;
}

/* The endpoint that is open there, or NULL. */
struct app_ept *app_find(struct scene *scene, unsigned host, unsigned peer, const char *name)
{
    for (uint32_t i = scene->n_epts; i-- > 0;) {
        struct app_ept *e = &scene->epts[i];

        if (e->open && e->host->index == host && e->peer == peer && strcmp(e->name, name) == 0)
            return e;
    }
    return NULL;
}

/* What is on that wire may be lost. */
void app_break(struct scene *scene, unsigned a, unsigned b)
{
    for (unsigned i = 0; i < scene->sim.n_wires; i++) {
        struct sim_wire *w = &scene->sim.wire[i];

        w->n_breaks += (w->end[0].host->index == a && w->end[1].host->index == b) ||
                       (w->end[0].host->index == b && w->end[1].host->index == a);
    }
}

/* Inside a callback, of a message on that very link perhaps. */
static void bounce(struct app_ept *e)
{
    struct scene *scene = e->scene;
    struct rpr_device *device = rpr_device_find(e->host->node, scene->sim.host[e->peer].name);

    if (!app_wire(scene, e->host->index, e->peer) || !sim_fails(&scene->sim, SIM_FAULT_DOWN))
        return;
    sim_trace(&scene->sim, "%s #%u takes %s down and up", e->host->name, (unsigned)e->id,
              rpr_device_name(device));
    app_break(scene, e->host->index, e->peer);
    for (uint32_t i = 0; i < scene->n_epts; i++)
        if (scene->epts[i].host == e->host && scene->epts[i].peer == e->peer)
            scene->epts[i].down = true;
    (void)rpr_device_down(device);
    (void)rpr_device_up(device);
}

/* ---- callbacks ---------------------------------------------------------------------------------- */

static enum rpr_rx_result on_rx(void *ctx, rpr_ept_t handle, const struct rpr_msg *msg)
{
    struct app_ept *e = ctx;
    struct scene *scene = e->scene;
    struct sim *sim = &scene->sim;

    (void)handle;
    check_alive(e, "rx");
    if (!scene->calm && !scene->steady && sim_chance(sim, 8)) {
        sim_trace(sim, "%s #%u later", e->host->name, (unsigned)e->id);
        e->later = true;
        return RPR_LATER;
    }
    if (!check_message(e, msg) || scene->calm)
        return RPR_DONE;
    if (sim_chance(sim, 20))
        app_send(e, 1);
    if (!scene->steady && sim_chance(sim, 2))
        app_close(e);
    if (!scene->steady && sim_chance(sim, 1))
        bounce(e);
    if (e->n_held < SCENE_HELD && sim_chance(sim, 10)) {
        e->held[e->n_held++] = *msg;
        return RPR_HOLD;
    }
    return RPR_DONE;
}

static void on_bound(void *ctx, rpr_ept_t handle, uint32_t dest)
{
    struct app_ept *e = ctx;

    (void)dest;
    check_alive(e, "bound");
    e->handle = handle; /* a server's: it is bound inside its open */
    check_bound(e);
    if (e->scene->calm)
        return;
    if (sim_chance(&e->scene->sim, 30))
        app_send(e, 1 + sim_below(&e->scene->sim, 3));
    if (sim_chance(&e->scene->sim, 3))
        app_close(e);
}

static void on_unbound(void *ctx, rpr_ept_t handle, enum rpr_unbound_reason reason)
{
    struct app_ept *e = ctx;

    (void)handle;
    check_alive(e, "unbound");
    check_unbound(e, reason);
    e->waits = false;
    if (e->server || (!e->scene->calm && sim_chance(&e->scene->sim, 10)))
        app_close(e);
}

static void on_writable(void *ctx, rpr_ept_t handle)
{
    struct app_ept *e = ctx;

    (void)handle;
    check_alive(e, "writable");
    sim_trace(&e->scene->sim, "%s #%u writable", e->host->name, (unsigned)e->id);
    e->waits = false;
    if (!e->scene->calm)
        app_send(e, 1 + sim_below(&e->scene->sim, 3));
}

static void on_closed(void *ctx)
{
    struct app_ept *e = ctx;

    check_alive(e, "closed");
    sim_trace(&e->scene->sim, "%s #%u closed", e->host->name, (unsigned)e->id);
    e->open = false; /* by the end of the node */
    e->closed = true;
    if (e->binding != NO_BINDING)
        e->scene->bindings[e->binding].over = true;
    e->binding = NO_BINDING;
}

static const struct rpr_ept_ops ops = {.rx = on_rx,
                                       .bound = on_bound,
                                       .unbound = on_unbound,
                                       .writable = on_writable,
                                       .closed = on_closed};

/* ---- endpoints ------------------------------------------------------------------------------------ */

/* An error that is due to an allocation which failed meanwhile. */
static bool was_refused(const struct scene *scene, int error, uint64_t before)
{
    return error == -RPR_ENOMEM && scene->sim.n_faults[SIM_FAULT_NO_MEMORY] != before;
}

static int open_endpoint(struct app_host *host, struct rpr_device *device, const char *name,
                         uint32_t dest)
{
    struct scene *scene = host->scene;
    struct sim *sim = &scene->sim;
    struct app_ept *e = &scene->epts[scene->n_epts];
    struct rpr_ept_config config = {.name = name,
                                    .addr = RPR_ADDR_ANY,
                                    .dest = dest,
                                    .quota = 1 + sim_below(sim, 8),
                                    .ops = &ops,
                                    .ctx = e};
    uint64_t refused = sim->n_faults[SIM_FAULT_NO_MEMORY];
    int error;

    if (scene->n_epts == SCENE_EPTS || scene->n_bindings + 64 > SCENE_BINDINGS)
        return -RPR_ENOSPC; /* the run is long enough */
    *e = (struct app_ept){.scene = scene,
                          .id = scene->n_epts++,
                          .host = host->host,
                          .peer = (unsigned)atoi(rpr_device_name(device) + 1),
                          .server = dest != RPR_ADDR_ANY,
                          .open = true,
                          .opened_at = sim->n_events,
                          .binding = NO_BINDING};
    snprintf(e->name, sizeof e->name, "%s", name);
    sim->n_life++;
    sim_trace(sim, "%s #%u opens %s on %s", host->host->name, (unsigned)e->id, name,
              rpr_device_name(device));
    {
        rpr_ept_t handle;

        error = rpr_ept_open(device, &config, &handle);
        e->handle = handle;
    }
    if (error) {
        sim_trace(sim, "%s #%u open: %d", host->host->name, (unsigned)e->id, error);
        e->open = false;
        e->closed = true;
        if (error != -RPR_ENOTCONN && !was_refused(scene, error, refused))
            sim_violated(sim, "open gave %d", error);
    }
    return error;
}

void app_open(struct app_host *host, unsigned peer, const char *name)
{
    struct rpr_device *device = rpr_device_find(host->host->node, host->scene->sim.host[peer].name);

    if (device && !app_find(host->scene, host->host->index, peer, name))
        (void)open_endpoint(host, device, name, RPR_ADDR_ANY);
}

void app_close(struct app_ept *e)
{
    struct sim *sim = &e->scene->sim;

    if (!e->open || !e->handle.endpoint)
        return;
    sim->n_life++;
    sim_trace(sim, "%s #%u closes", e->host->name, (unsigned)e->id);
    e->open = false;
    if (e->binding != NO_BINDING)
        e->scene->bindings[e->binding].over = true;
    e->binding = NO_BINDING;
    if (rpr_ept_close(e->handle))
        sim_violated(sim, "#%u: close of an open endpoint failed", (unsigned)e->id);
    if (rpr_ept_resume(e->handle) != -RPR_ESTALE)
        sim_violated(sim, "#%u: its handle is not stale after the close", (unsigned)e->id);
}

/* By copy, or into a buffer of the link. */
static int send_one(struct app_ept *e, const uint8_t *data, uint32_t len, unsigned flags)
{
    struct rpr_buf buf;
    int error;

    if (sim_chance(&e->scene->sim, 60))
        return rpr_send(e->handle, data, len, flags);
    error = rpr_reserve(e->handle, &buf);
    if (error)
        return error;
    if (sim_chance(&e->scene->sim, 10)) {
        rpr_cancel(e->handle, &buf);
        return rpr_send(e->handle, data, len, flags);
    }
    memcpy(buf.data, data, len);
    return rpr_commit(e->handle, &buf, len, flags);
}

void app_send(struct app_ept *e, unsigned n)
{
    struct sim *sim = &e->scene->sim;
    struct rpr_device *device;

    if (!e->open || e->binding == NO_BINDING)
        return;
    device = rpr_device_find(e->host->node, sim->host[e->peer].name);
    while (n--) {
        struct binding *b = &e->scene->bindings[e->binding];
        uint8_t data[512];
        uint32_t longest = rpr_device_tx_len(device);
        uint32_t len;
        int error;

        if (longest < MESSAGE_MIN) {
            rpr_flush(device);
            return;
        }
        len = MESSAGE_MIN + sim_below(sim, (longest > 128 ? 128 : longest) - MESSAGE_MIN + 1);
        (void)message_fill(data, e->binding, b->n_sent, len);
        error = send_one(e, data, len, n ? RPR_MORE : 0);
        sim_trace(sim, "%s #%u sends %u/%u: %d", e->host->name, (unsigned)e->id,
                  (unsigned)e->binding, (unsigned)b->n_sent, error);
        if (!error) {
            b->n_sent++;
            continue;
        }
        if (error == -RPR_EAGAIN) {
            e->waits = true;
            return; /* which publishes what was sent before */
        }
        if (error != -RPR_ENOTCONN)
            sim_violated(sim, "#%u: send gave %d", (unsigned)e->id, error);
        rpr_flush(device);
        return;
    }
}

/* A buffer of the link that is filled and sent some time, whatever happens meanwhile. */
void app_reserve(struct app_ept *e)
{
    int error;

    if (!e->open || e->binding == NO_BINDING)
        return;
    error = rpr_reserve(e->handle, &e->buf);
    sim_trace(&e->scene->sim, "%s #%u reserves: %d", e->host->name, (unsigned)e->id, error);
    e->reserved = !error;
    if (error == -RPR_EAGAIN)
        e->waits = true;
    else if (error && error != -RPR_ENOTCONN)
        sim_violated(&e->scene->sim, "#%u: reserve gave %d", (unsigned)e->id, error);
}

/* It is sent only if the endpoint and its peer are still those that it was taken for. */
void app_commit(struct app_ept *e)
{
    struct sim *sim = &e->scene->sim;
    struct binding *b = e->binding == NO_BINDING ? NULL : &e->scene->bindings[e->binding];
    uint32_t len = e->buf.size < MESSAGE_MIN ? 0 : MESSAGE_MIN;
    int error;

    e->reserved = false;
    if (!len || sim_chance(sim, 20)) {
        rpr_cancel(e->handle, &e->buf);
        return;
    }
    (void)message_fill(e->buf.data, e->binding, b ? b->n_sent : 0, len);
    error = rpr_commit(e->handle, &e->buf, len, 0);
    sim_trace(sim, "%s #%u commits: %d", e->host->name, (unsigned)e->id, error);
    if (!error && b)
        b->n_sent++;
    else if (error != (e->open ? -RPR_ENOTCONN : -RPR_ESTALE))
        sim_violated(sim, "#%u: commit gave %d", (unsigned)e->id, error);
}

void app_release(struct app_ept *e)
{
    if (!e->n_held)
        return;
    sim_trace(&e->scene->sim, "%s #%u releases", e->host->name, (unsigned)e->id);
    e->n_held--;
    rpr_release(&e->held[e->n_held]);
}

/* ---- nonsense ------------------------------------------------------------------------------------------- */

/* Somewhere near an address that is known to exist there. */
static uint32_t some_address(struct sim *sim, uint32_t near)
{
    switch (sim_below(sim, 4)) {
    case 0:
        return near;
    case 1:
        return near + sim_below(sim, 9) - 4;
    default:
        return sim_below(sim, 1100);
    }
}

static uint32_t forge_ns(struct sim *sim, uint8_t *to, uint32_t near)
{
    struct ns_message message = {.addr = some_address(sim, near), .flags = sim_below(sim, 4)};
    unsigned n = sim_below(sim, SIM_HOSTS);

    switch (sim_below(sim, 4)) {
    case 0:
        snprintf(message.name, sizeof message.name, "router:n%u", n);
        break;
    case 1:
        snprintf(message.name, sizeof message.name, "s%u", sim_below(sim, 300));
        break;
    default:
        snprintf(message.name, sizeof message.name, "r:n%u:%c%u", n,
                 sim_chance(sim, 50) ? 's' : 'c',
                 sim_chance(sim, 90) ? sim_below(sim, SCENE_NAMES) : sim_below(sim, 300));
    }
    ns_encode(to, &message);
    return RPMSG_NS_BYTES;
}

static uint32_t forge_grant(struct sim *sim, uint8_t *to, uint32_t near)
{
    struct credit_entry entry = {some_address(sim, near), some_address(sim, near),
                                 sim_below(sim, UINT32_MAX)};

    credit_encode(to, &entry);
    return CREDIT_ENTRY_BYTES;
}

static uint32_t forge_command(struct sim *sim, uint8_t *to)
{
    struct router_message message = {.cmd = 1 + sim_below(sim, 5),
                                     .tx_len = sim_below(sim, 3) * 1000,
                                     .rx_len = sim_below(sim, UINT32_MAX),
                                     .version = 1,
                                     .caps = sim_below(sim, 4),
                                     .session = sim_below(sim, 4)};
    uint32_t len = (uint32_t)router_encode(to, &message);

    if (sim_chance(sim, 10))
        put_le32(to, sim_below(sim, 1000));
    return sim_chance(sim, 90) ? len : sim_below(sim, len);
}

/* Words, grants and commands that are well formed and untrue, to addresses that may exist. */
void app_rave(struct app_host *host)
{
    struct sim *sim = &host->scene->sim;
    struct rpr_device *device = rpr_device_next(host->host->node, NULL);
    unsigned skip = sim_below(sim, 6);
    rpr_ept_t ept = rpr_ept_next(device, (rpr_ept_t){0});
    struct rpr_ept_info info;
    uint8_t data[64];
    uint32_t len, dest;

    while (skip-- && rpr_ept_next(device, ept).endpoint)
        ept = rpr_ept_next(device, ept);
    if (!ept.endpoint || rpr_ept_info(ept, &info))
        return;
    switch (sim_below(sim, 4)) {
    case 0:
        len = forge_grant(sim, data, info.dest);
        dest = RPMSG_ADDR_CREDIT;
        break;
    case 1:
        len = forge_command(sim, data);
        dest = some_address(sim, info.dest);
        break;
    default:
        len = forge_ns(sim, data, info.dest);
        dest = RPMSG_ADDR_NS;
    }
    sim_trace(sim, "%s raves to %x: %d", host->host->name, (unsigned)dest,
              rpr_send_to(ept, dest, data, len, 0));
}

/* ---- services ---------------------------------------------------------------------------------------- */

static int on_announcement(void *ctx, struct rpr_device *device, const char *name, uint32_t addr)
{
    return open_endpoint(ctx, device, name, addr);
}

static const struct rpr_service_ops service_ops = {.bind = on_announcement};

void app_service_open(struct app_host *host)
{
    struct rpr_service_config config = {
        .name = host->service_name, .ops = &service_ops, .ctx = host};

    struct sim *sim = &host->scene->sim;
    uint64_t refused = sim->n_faults[SIM_FAULT_NO_MEMORY];
    int error = rpr_service_open(host->host->node, &config, &host->service);

    sim_trace(sim, "%s offers %s: %d", host->host->name, host->service_name, error);
    if (!error)
        return;
    host->service = NULL;
    if (!was_refused(host->scene, error, refused))
        sim_violated(sim, "a service gave %d", error);
}

/* ---- hosts ------------------------------------------------------------------------------------------- */

static struct rpr_pair_config pair_config(struct scene *scene)
{
    static const enum rpr_policy policies[] = {RPR_POLICY_DEFAULT, RPR_POLICY_CREDIT,
                                               RPR_POLICY_DROP_NEWEST, RPR_POLICY_DROP_OLDEST,
                                               RPR_POLICY_BLOCK};
    struct sim *sim = &scene->sim;
    struct rpr_pair_config config = {.policy = policies[sim_below(sim, scene->lossless ? 2 : 5)],
                                     .block_ms = BLOCK_MS + sim_below(sim, 20)};

    if (config.policy == RPR_POLICY_BLOCK)
        scene->blocks = true;
    else
        config.block_ms = 3600000; /* who waits all the same is seen */
    if (sim_chance(sim, 50))
        config.quota = 1 + sim_below(sim, 16);
    if (sim_chance(sim, 50))
        config.pair_quota = 1 + sim_below(sim, 16);
    sim_trace(sim, "policy %d, quota %u, %u of the pair", (int)config.policy,
              (unsigned)config.quota, (unsigned)config.pair_quota);
    return config;
}

static int start_router(struct app_host *host, const struct rpr_pair_config *config)
{
    int error = host->is_plain ? 0 : rpr_edge_open(host->host->node, &host->edge);

    if (!error && host->is_hub)
        error = rpr_hub_open(host->host->node, &host->hub);
    if (!error && host->is_hub)
        error = rpr_hub_pair_add(host->hub, config);
    return error;
}

/* Without memory it is not there. */
void app_host_start(struct app_host *host)
{
    struct rpr_pair_config config = pair_config(host->scene);
    struct sim *sim = &host->scene->sim;
    uint64_t refused = sim->n_faults[SIM_FAULT_NO_MEMORY];
    uint32_t percent = sim->no_memory_percent;
    int error;

    if (percent && sim_chance(sim, 70))
        sim->no_memory_percent = 0; /* else hardly any would ever start */
    error = sim_host_start(host->host);
    host->stopping = false;
    host->edge = NULL;
    host->hub = NULL;
    if (!error) {
        error = start_router(host, &config);
        if (error)
            app_host_stop(host);
    }
    sim->no_memory_percent = percent;
    if (error && !was_refused(host->scene, error, refused))
        sim_violated(sim, "%s: start gave %d", host->host->name, error);
}

void app_host_stop(struct app_host *host)
{
    struct scene *scene = host->scene;

    if (host->hub)
        rpr_hub_close(host->hub);
    if (host->edge)
        rpr_edge_close(host->edge);
    sim_host_stop(host->host);
    host->hub = NULL;
    host->edge = NULL;
    host->service = NULL;
    for (uint32_t i = 0; i < scene->n_epts; i++) {
        struct app_ept *e = &scene->epts[i];

        if (e->host != host->host)
            continue;
        if (!e->closed)
            sim_violated(&scene->sim, "#%u: not closed by the end of its node", (unsigned)i);
        e->n_held = 0;
        e->reserved = false;
    }
}

/* Whatever it would still say is lost. */
void app_host_crash(struct app_host *host)
{
    sim_host_crash(host->host);
    app_host_stop(host);
    sim_host_crashed(host->host);
}
