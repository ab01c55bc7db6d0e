/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Why this exists: rpmsg-ping and rpmsg-test each have to be wherever a peer may be. When a device
 * comes, is refused memory, is no longer wanted, has a peer that lies, or goes is the same for both,
 * and the last two of these are easy to get wrong; so it is here once, and they know of their peers
 * only what is said on the endpoint. rpmsg-syslog and rpmsg-sensor have more to remember of a peer
 * and walk their own lists; of this file they use the scope and the breach.
 *
 * Who owns what: the service owns the struct spread, inside its own; a spread owns its targets, and
 * each of them its endpoint. A target whose endpoint is open outlives the service until `closed`:
 * then `spread` is NULL in it, and nothing of the service is touched. Devices are only looked at: one
 * that is removed takes its closed targets along at once, the others with their `closed`. The retry
 * timer is the only one; it is due at the earliest moment at which some endpoint may be opened.
 */
#include "service/spread.h"

#include "base/check.h"
#include "base/mutant.h"
#include "base/text.h"
#include "wire/router.h"

#define SECOND          UINT64_C(1000000000)
#define RETRY_NS        SECOND
#define COMPLAIN_NS     SECOND
#define BREACH_LEAST_NS SECOND
#define BREACH_MOST_NS  (64 * SECOND) /* and how long one has to be honest */

bool scope_wants(const struct rpr_service_scope *scope, const struct rpr_device *device)
{
    if (!cpu_name_valid(rpr_device_name(device), RPR_NAME_MAX))
        return false;
    return !scope->wants || scope->wants(scope->ctx, device);
}

static void log_line(struct rpr_device *device, const char *service, const char *what,
                     uint64_t closed_ns)
{
    const struct rpr_platform *platform = rpr_node_platform(rpr_device_node(device));
    char line[192];
    struct text text = text_start(line, sizeof line);

    if (!platform->log)
        return;
    text_add(&text, rpr_device_name(device));
    text_add(&text, ": ");
    text_add(&text, service);
    text_add(&text, ": ");
    text_add(&text, what);
    if (closed_ns) {
        text_add(&text, "; its endpoint is closed for ");
        text_add_number(&text, closed_ns / SECOND);
        text_add(&text, " s");
    }
    platform->log(platform->ctx, RPR_LOG_WARNING, line);
}

/* ---- a peer that breaks the rules --------------------------------------------------------------------- */

static uint32_t session_of(struct rpr_device *device)
{
    struct rpr_device_info info;

    rpr_device_info(device, &info);
    return info.session;
}

void breach_begin(struct breach *breach, struct rpr_device *device, const char *service,
                  const char *reason)
{
    uint64_t now = rpr_node_now(rpr_device_node(device));
    bool again = breach->wait_ns && now < breach->until_ns + BREACH_MOST_NS;

    breach->wait_ns = again && !MUTANT(liar_is_never_tired) ? 2 * breach->wait_ns : BREACH_LEAST_NS;
    if (breach->wait_ns > BREACH_MOST_NS)
        breach->wait_ns = BREACH_MOST_NS;
    breach->until_ns = now + breach->wait_ns;
    breach->session = session_of(device);
    breach->reason = reason;
    log_line(device, service, reason, breach->wait_ns);
}

bool breach_over(struct breach *breach, struct rpr_device *device)
{
    if (breach->reason && rpr_node_now(rpr_device_node(device)) < breach->until_ns &&
        session_of(device) == breach->session && !MUTANT(liar_comes_back_at_once))
        return false;
    breach->reason = NULL;
    return true;
}

bool breach_show(const struct breach *breach, struct rpr_device *device,
                 struct rpr_service_closed *info)
{
    uint64_t now = rpr_node_now(rpr_device_node(device));

    if (!breach->reason)
        return false;
    *info =
        (struct rpr_service_closed){.device = device,
                                    .reason = breach->reason,
                                    .wait_ns = breach->until_ns > now ? breach->until_ns - now : 0};
    return true;
}

/* ---- targets -------------------------------------------------------------------------------------------- */

struct spread_target *spread_find(const struct spread *spread, const struct rpr_device *device)
{
    struct spread_target *t = spread->targets;

    while (t && t->device != device)
        t = t->next;
    return t;
}

static void unlink_target(struct spread_target *target)
{
    struct spread_target **at = &target->spread->targets;

    while (*at != target)
        at = &(*at)->next;
    *at = target->next;
    target->spread = NULL;
}

static void free_target(struct spread_target *target, size_t target_bytes)
{
    const struct rpr_platform *platform = rpr_node_platform(rpr_device_node(target->device));

    platform->free(platform->ctx, target, target_bytes);
}

/* No longer of the service: what it began with the target ends, and so does the endpoint. */
static void leave(struct spread_target *target)
{
    size_t target_bytes = target->spread->config->target_bytes;

    target->spread->config->leave(target, -RPR_ESTALE);
    unlink_target(target);
    if (!target->open)
        free_target(target, target_bytes);
    else if (!target->broken)
        (void)rpr_ept_close(target->ept);
}

static void look_again_at(struct spread *spread, uint64_t at_ns)
{
    if (!spread->retry.active || at_ns < spread->retry.at_ns)
        rpr_timer_start(spread->node, &spread->retry, at_ns);
}

static void try_later(struct spread *spread)
{
    look_again_at(spread, rpr_node_now(spread->node) + RETRY_NS);
}

bool spread_broken(const struct spread *spread, unsigned n, struct rpr_service_closed *info)
{
    for (const struct spread_target *t = spread->targets; t; t = t->next)
        if (breach_show(&t->breach, t->device, info) && !n--)
            return true;
    return false;
}

void spread_complain(const struct spread_target *target, const char *what)
{
    struct spread *spread = target->spread;
    uint64_t now = rpr_node_now(spread->node);

    if (now < spread->quiet_until_ns)
        return;
    spread->quiet_until_ns = now + COMPLAIN_NS;
    log_line(target->device, spread->config->service, what, 0);
}

/* ---- endpoints ------------------------------------------------------------------------------------------- */

static struct spread_target *add_target(struct spread *spread, struct rpr_device *device)
{
    const struct rpr_platform *platform = rpr_node_platform(spread->node);
    struct spread_target *t = platform->alloc(platform->ctx, spread->config->target_bytes);

    if (!t)
        return NULL;
    t->spread = spread;
    t->device = device;
    t->next = spread->targets;
    spread->targets = t;
    return t;
}

/* Now, or as soon as there may be one and it can be had. */
static void open_target(struct spread_target *t)
{
    struct spread *spread = t->spread;
    const struct spread_config *config = spread->config;
    struct rpr_ept_config ept = {.name = config->service,
                                 .addr = RPR_ADDR_ANY,
                                 .dest = RPR_ADDR_ANY,
                                 .quota = config->quota,
                                 .reserve = config->reserve,
                                 .ops = config->ops,
                                 .ctx = t};

    if (!breach_over(&t->breach, t->device)) {
        look_again_at(spread, t->breach.until_ns);
        return;
    }
    t->open = true;
    if (rpr_ept_open(t->device, &ept, &t->ept)) {
        t->open = false;
        try_later(spread);
    }
}

void spread_closed(struct spread_target *target, size_t target_bytes)
{
    struct spread *spread = target->spread;

    target->open = false;
    if (spread && !target->broken)
        spread->config->leave(target, -RPR_ENOTCONN);
    if (target->spread && target->broken && !target->gone) {
        target->broken = false;
        open_target(target);
        return;
    }
    if (target->spread)
        unlink_target(target);
    free_target(target, target_bytes);
}

void spread_break(struct spread_target *target, const char *reason)
{
    struct spread *spread = target->spread;

    if (MUTANT(liar_goes_on))
        return;
    breach_begin(&target->breach, target->device, spread->config->service, reason);
    target->broken = true;
    (void)rpr_ept_close(target->ept);
    spread->config->leave(target, -RPR_ENOTCONN);
}

static void look_at(struct spread *spread, struct rpr_device *device)
{
    struct spread_target *t = spread_find(spread, device);

    if (!scope_wants(&spread->scope, device)) {
        if (t)
            leave(t);
        return;
    }
    if (!t)
        t = add_target(spread, device);
    if (!t)
        try_later(spread);
    else if (!t->open)
        open_target(t);
}

void spread_look(struct spread *spread)
{
    struct rpr_device *d;

    for (d = rpr_device_next(spread->node, NULL); d; d = rpr_device_next(spread->node, d))
        look_at(spread, d);
}

static void retry_fired(struct rpr_timer *timer, uint64_t now_ns)
{
    (void)now_ns;
    spread_look(RPR_CONTAINER(timer, struct spread, retry));
}

/* Its endpoints were closed before this is told, or are about to be. */
static void on_removed(struct spread_target *t)
{
    t->gone = true;
    if (!t->open)
        leave(t);
}

static void on_event(void *ctx, const struct rpr_event *event)
{
    struct spread *spread = ctx;
    struct spread_target *t = event->device ? spread_find(spread, event->device) : NULL;

    if (event->kind == RPR_EVENT_DEVICE_ADDED)
        look_at(spread, event->device);
    else if (t && event->kind == RPR_EVENT_DEVICE_STATE && event->state == RPR_DEVICE_UP &&
             t->breach.reason)
        look_at(spread, event->device);
    else if (t && event->kind == RPR_EVENT_DEVICE_REMOVED)
        on_removed(t);
}

void spread_open(struct spread *spread, struct rpr_node *node, const struct spread_config *config,
                 const struct rpr_service_scope *scope)
{
    spread->node = node;
    spread->config = config;
    if (scope)
        spread->scope = *scope;
    spread->observer.event = on_event;
    spread->observer.ctx = spread;
    rpr_observer_add(node, &spread->observer);
    spread->retry.fire = retry_fired;
    spread_look(spread);
}

void spread_close(struct spread *spread)
{
    rpr_observer_remove(spread->node, &spread->observer);
    rpr_timer_stop(spread->node, &spread->retry);
    while (spread->targets)
        leave(spread->targets);
}
