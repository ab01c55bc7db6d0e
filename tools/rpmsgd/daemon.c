/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon.h"

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#include "../common/text.h"
#include "attach.h"
#include "control.h"
#include "leave.h"
#include "serial.h"
#include "service.h"
#include "show.h"

/* How long the last messages of programs may take. */
#define STOP_MS 500

/* A serial link takes half a second at most to say that it ends. */
#define LINKS_MS 600

int64_t daemon_now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* ---- log ----------------------------------------------------------------------------------------- */

static bool wanted(const struct daemon *daemon, enum rpr_log_level level)
{
    return (unsigned)level <= (unsigned)RPR_LOG_WARNING + daemon->options->verbose;
}

static void log_text(void *ctx, enum rpr_log_level level, const char *text)
{
    const struct daemon *daemon = ctx;

    if (wanted(daemon, level))
        fprintf(stderr, "rpmsgd %s: %s\n", daemon->config.name, text);
}

void daemon_log(const struct daemon *daemon, enum rpr_log_level level, const char *format, ...)
{
    char text[CONFIG_ERROR_BYTES];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    log_text((void *)(uintptr_t)daemon, level, text);
}

/* ---- signals ------------------------------------------------------------------------------------- */

static void on_signal(struct rpr_watch *watch, uint32_t events)
{
    struct daemon *daemon = (struct daemon *)((char *)watch - offsetof(struct daemon, signals));
    struct signalfd_siginfo info;

    (void)events;
    while (read(watch->fd, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
        if (info.ssi_signo == SIGHUP)
            daemon->reload = true;
        else
            daemon->stop = true;
    }
}

static bool signals_open(struct daemon *daemon)
{
    static const int numbers[] = {SIGTERM, SIGINT, SIGHUP};
    sigset_t set;

    sigemptyset(&set);
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        /* A signal that is ignored, as under a shell's `&`, never reaches a signalfd. */
        signal(numbers[i], SIG_DFL);
        sigaddset(&set, numbers[i]);
    }
    signal(SIGPIPE, SIG_IGN);
    sigprocmask(SIG_BLOCK, &set, NULL);
    daemon->signals.fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
    daemon->signals.events = EPOLLIN;
    daemon->signals.ready = on_signal;
    return daemon->signals.fd >= 0 && rpr_watch_start(daemon->loop, &daemon->signals) == 0;
}

static void signals_close(struct daemon *daemon)
{
    if (daemon->signals.fd < 0)
        return;
    rpr_watch_stop(daemon->loop, &daemon->signals);
    close(daemon->signals.fd);
}

/* ---- links and routes ---------------------------------------------------------------------------- */

static bool link_open(struct daemon *daemon, size_t index, char error[CONFIG_ERROR_BYTES])
{
    const struct config_link *wanted_link = &daemon->config.links[index];
    struct daemon_link *link = &daemon->links[index];
    char why[RPR_ERROR_TEXT] = "";

    link->remote = text_dup(wanted_link->remote);
    int result =
        rpr_url_open(daemon->loop, wanted_link->remote, wanted_link->url, &link->link, why);
    if (result == 0)
        return true;
    link->link = NULL;
    snprintf(error, CONFIG_ERROR_BYTES, "%s: %s", wanted_link->where,
             why[0] != '\0' ? why : rpr_strerror(result));
    return false;
}

static int route_add(struct daemon *daemon, const struct config_route *route)
{
    struct rpr_pair_config pair = {
        .a = route->a,
        .b = route->b,
        .policy = route->policy,
        .quota = route->quota,
        .block_ms = route->block_ms,
        .services = (const char *const *)route->services,
    };
    int result = daemon->hub != NULL ? 0 : rpr_hub_open(daemon->node, &daemon->hub);

    return result == 0 ? rpr_hub_pair_add(daemon->hub, &pair) : result;
}

static bool routes_open(struct daemon *daemon, char error[CONFIG_ERROR_BYTES])
{
    for (size_t i = 0; i < daemon->config.n_routes; i++) {
        int result = route_add(daemon, &daemon->config.routes[i]);
        if (result != 0) {
            snprintf(error, CONFIG_ERROR_BYTES, "%s: %s", daemon->config.routes[i].where,
                     rpr_strerror(result));
            return false;
        }
    }
    return true;
}

static bool links_open(struct daemon *daemon, char error[CONFIG_ERROR_BYTES])
{
    daemon->links = need_memory((daemon->config.n_links + 1) * sizeof(*daemon->links));
    for (size_t i = 0; i < daemon->config.n_links; i++)
        if (!link_open(daemon, i, error))
            return false;
    return true;
}

static void links_free(struct daemon *daemon)
{
    for (size_t i = 0; daemon->links != NULL && i < daemon->config.n_links; i++)
        free(daemon->links[i].remote);
    free(daemon->links);
    daemon->links = NULL;
}

/* ---- turns ------------------------------------------------------------------------------------------ */

static bool turn(struct daemon *daemon, int timeout_ms)
{
    int result = rpr_loop_turn(daemon->loop, timeout_ms);

    if (result < 0)
        daemon_log(daemon, RPR_LOG_ERROR, "the event loop failed: %s", rpr_strerror(result));
    /* What callbacks asked for and must not do themselves: free what their caller still uses. */
    attach_reap(daemon->attachments);
    control_reap(daemon->control);
    return result >= 0;
}

/* ---- reload -------------------------------------------------------------------------------------- */

static bool same_link(const struct config *config, const struct config_link *link)
{
    const struct config_link *other = config_link_find(config, link->remote);

    return other != NULL && config_link_equal(other, link);
}

static bool same_route(const struct config *config, const struct config_route *route)
{
    const struct config_route *other = config_route_find(config, route->a, route->b);

    return other != NULL && config_route_equal(other, route);
}

static bool goes(const struct daemon *daemon, size_t index, const struct config *next)
{
    return daemon->links[index].link != NULL && !same_link(next, &daemon->config.links[index]);
}

/* What goes ends in order first. The daemon goes on meanwhile, with all it had. False: it is to end
 * itself, there is no need for another configuration. */
static bool leave_old(struct daemon *daemon, const struct config *next)
{
    for (size_t i = 0; i < daemon->config.n_links; i++)
        if (goes(daemon, i, next))
            leave_begin(daemon, i);
    while (!daemon->stop && !leave_look(daemon) && turn(daemon, DAEMON_LOOK_MS))
        ;
    return !daemon->stop;
}

/* Serial links have POWEROFF to say, and nothing of it arrives after their end. NULL: all. */
static bool are_closed(const struct daemon *daemon, const struct config *next)
{
    for (size_t i = 0; daemon->links != NULL && i < daemon->config.n_links; i++)
        if ((next == NULL || goes(daemon, i, next)) && !serial_is_closed(daemon, i))
            return false;
    return true;
}

static void close_links(struct daemon *daemon, const struct config *next)
{
    int64_t end = daemon_now_ms() + LINKS_MS;

    for (size_t i = 0; daemon->links != NULL && i < daemon->config.n_links; i++) {
        struct rpr_device *device = rpr_device_find(daemon->node, daemon->config.links[i].remote);

        if (device != NULL && daemon->links[i].link != NULL &&
            (next == NULL || goes(daemon, i, next)))
            (void)rpr_device_down(device);
    }
    while (!are_closed(daemon, next) && daemon_now_ms() < end && turn(daemon, DAEMON_LOOK_MS))
        ;
}

static void remove_old(struct daemon *daemon, const struct config *next)
{
    for (size_t i = 0; i < daemon->config.n_routes; i++) {
        const struct config_route *route = &daemon->config.routes[i];
        if (!same_route(next, route))
            rpr_hub_pair_remove(daemon->hub, route->a, route->b);
    }
    for (size_t i = 0; i < daemon->config.n_links; i++) {
        if (goes(daemon, i, next)) {
            rpr_link_unregister(daemon->links[i].link);
            daemon->links[i].link = NULL;
        }
    }
}

/* Moves what is known of an open link from the old table. */
static void take_link(struct daemon_link *to, struct daemon_link *links, size_t count,
                      const char *remote)
{
    for (size_t i = 0; i < count; i++)
        if (links[i].link != NULL && strcmp(links[i].remote, remote) == 0) {
            *to = links[i];
            links[i] = (struct daemon_link){.remote = NULL};
            return;
        }
}

static void add_new(struct daemon *daemon, const struct config *before)
{
    char error[CONFIG_ERROR_BYTES];

    for (size_t i = 0; i < daemon->config.n_links; i++)
        if (daemon->links[i].link == NULL && !link_open(daemon, i, error))
            daemon_log(daemon, RPR_LOG_ERROR, "%s", error);
    for (size_t i = 0; i < daemon->config.n_routes; i++) {
        const struct config_route *route = &daemon->config.routes[i];
        int result = same_route(before, route) ? 0 : route_add(daemon, route);
        if (result != 0)
            daemon_log(daemon, RPR_LOG_ERROR, "%s: %s", route->where, rpr_strerror(result));
    }
}

static void switch_config(struct daemon *daemon, struct config *next)
{
    struct config before = daemon->config;
    struct daemon_link *links = daemon->links;

    close_links(daemon, next);
    remove_old(daemon, next);
    daemon->config = *next;
    daemon->links = need_memory((next->n_links + 1) * sizeof(*daemon->links));
    for (size_t i = 0; i < next->n_links; i++)
        take_link(&daemon->links[i], links, before.n_links, next->links[i].remote);
    add_new(daemon, &before);
    services_change(daemon, &before);
    for (size_t i = 0; i < before.n_links; i++)
        free(links[i].remote);
    free(links);
    config_free(&before);
}

static bool same_control(const struct config *a, const struct config *b)
{
    return a->control == NULL || b->control == NULL ? a->control == b->control
                                                    : strcmp(a->control, b->control) == 0;
}

static void reload(struct daemon *daemon)
{
    char error[CONFIG_ERROR_BYTES];
    struct config next;

    if (!config_load(&next, daemon->options, error)) {
        daemon_log(daemon, RPR_LOG_ERROR, "%s; nothing was changed", error);
        return;
    }
    if (strcmp(next.name, daemon->config.name) != 0)
        daemon_log(daemon, RPR_LOG_WARNING, "a new name needs a restart");
    if (!same_control(&next, &daemon->config))
        daemon_log(daemon, RPR_LOG_WARNING, "a new control socket needs a restart");
    if (config_payload(&next) > config_payload(&daemon->config))
        daemon_log(daemon, RPR_LOG_WARNING,
                   "a larger size= needs a restart: until then longer messages are not kept");
    config_set_name(&next, daemon->config.name, daemon->config.name_where);
    if (!leave_old(daemon, &next)) {
        config_free(&next);
        return;
    }
    switch_config(daemon, &next);
    daemon_log(daemon, RPR_LOG_INFO, "configuration read again");
}

/* ---- life ---------------------------------------------------------------------------------------- */

static void on_event(void *ctx, const struct rpr_event *event)
{
    struct daemon *daemon = ctx;

    if (event->kind == RPR_EVENT_DEVICE_STATE && show_device(event->device))
        daemon_log(daemon, RPR_LOG_INFO, "%s: %s%s%s", rpr_device_name(event->device),
                   show_state(event->state), event->reason != NULL ? " " : "",
                   event->reason != NULL ? event->reason : "");
    control_event(daemon->control, event);
}

static bool fail(char error[CONFIG_ERROR_BYTES], const char *what, int result)
{
    snprintf(error, CONFIG_ERROR_BYTES, "rpmsgd: %s: %s", what, rpr_strerror(result));
    return false;
}

static bool node_open(struct daemon *daemon, char error[CONFIG_ERROR_BYTES])
{
    struct rpr_loop_config config = {
        .name = daemon->config.name,
        .slot_bytes = config_payload(&daemon->config),
        .log = log_text,
        .log_ctx = daemon,
    };
    int result = rpr_loop_open(&daemon->loop, &config);

    if (result != 0)
        return fail(error, "cannot open the node", result);
    daemon->node = rpr_loop_node(daemon->loop);
    daemon->observer = (struct rpr_observer){.event = on_event, .ctx = daemon};
    rpr_observer_add(daemon->node, &daemon->observer);
    if (!signals_open(daemon))
        return fail(error, "cannot watch signals", -errno);
    result = rpr_edge_open(daemon->node, &daemon->edge);
    return result == 0 || fail(error, "cannot open the edge", result);
}

static bool parts_open(struct daemon *daemon, char error[CONFIG_ERROR_BYTES])
{
    daemon->control = control_new(daemon);
    daemon->attachments = attach_new(daemon);
    return node_open(daemon, error) && control_open(daemon->control, error) &&
           services_open(daemon, error) && routes_open(daemon, error) && links_open(daemon, error);
}

bool daemon_open(struct daemon *daemon, const struct options *options, struct config *config,
                 char error[CONFIG_ERROR_BYTES])
{
    *daemon = (struct daemon){.options = options, .config = *config, .signals.fd = -1};
    memset(config, 0, sizeof(*config));
    if (parts_open(daemon, error))
        return true;
    daemon_close(daemon);
    return false;
}

bool daemon_run(struct daemon *daemon)
{
    while (!daemon->stop) {
        if (!turn(daemon, -1))
            return false;
        if (daemon->reload) {
            daemon->reload = false;
            reload(daemon);
        }
    }
    return true;
}

/* Routes before links, of all at once. */
static void hub_close(struct daemon *daemon)
{
    if (daemon->hub == NULL)
        return;
    (void)rpr_hub_stop(daemon->hub);
    for (size_t i = 0; daemon->links != NULL && i < daemon->config.n_links; i++)
        leave_begin(daemon, i);
    while (!leave_look(daemon) && turn(daemon, DAEMON_LOOK_MS))
        ;
    leave_stop(daemon);
    rpr_hub_close(daemon->hub);
}

/* The remotes hear of a loss, not of closes: what programs were sending is not complete. */
static void links_close(struct daemon *daemon)
{
    close_links(daemon, NULL);
}

/* Programs that have ended get their last messages out; those that run lose their remotes. */
static void programs_close(struct daemon *daemon)
{
    int64_t end = daemon_now_ms() + STOP_MS;
    int64_t left = STOP_MS;

    while (!attach_settled(daemon->attachments) && left > 0 && turn(daemon, (int)left))
        left = end - daemon_now_ms();
    links_close(daemon);
    while (!attach_end(daemon->attachments) && left > 0 && turn(daemon, (int)left))
        left = end - daemon_now_ms();
    attach_close(daemon->attachments);
}

/* What peers sent to the node's services is dealt with while there still is a way to say so. */
static void services_end(struct daemon *daemon)
{
    int64_t end = daemon_now_ms() + STOP_MS;

    services_stop(daemon);
    while (!services_stopped(daemon) && daemon_now_ms() < end && turn(daemon, DAEMON_LOOK_MS))
        ;
}

void daemon_close(struct daemon *daemon)
{
    if (daemon->node != NULL) {
        services_end(daemon);
        hub_close(daemon);
        control_close(daemon->control);
        programs_close(daemon);
        rpr_observer_remove(daemon->node, &daemon->observer);
        if (daemon->edge != NULL)
            rpr_edge_close(daemon->edge);
        services_close(daemon);
        signals_close(daemon);
        rpr_loop_close(daemon->loop);
    }
    control_free(daemon->control);
    attach_free(daemon->attachments);
    links_free(daemon);
    config_free(&daemon->config);
}
