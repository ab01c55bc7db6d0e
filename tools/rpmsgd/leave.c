/* SPDX-License-Identifier: Apache-2.0 */
#include "leave.h"

#include <string.h>

#include "daemon.h"

/* INTERFACE 2: how long an edge may take to hear that its routes end. */
#define LEAVE_MS 500

static size_t n_links(const struct daemon *daemon)
{
    return daemon->links != NULL ? daemon->config.n_links : 0;
}

void leave_begin(struct daemon *daemon, size_t index)
{
    struct leave *leave = &daemon->links[index].leave;

    if (!leave->asked)
        *leave = (struct leave){.asked = true, .end_ms = daemon_now_ms() + LEAVE_MS};
}

static bool may_go(struct daemon *daemon, size_t index)
{
    struct daemon_link *link = &daemon->links[index];
    int64_t now_ms = daemon_now_ms();

    if (daemon->hub == NULL || link->link == NULL)
        return true;
    bool told = rpr_hub_leave(daemon->hub, rpr_device_find(daemon->node, link->remote));
    return now_ms >= link->leave.end_ms ||
           (told && peer_is_quiet(daemon, index, &link->leave.quiet, now_ms));
}

static void take_down(struct daemon *daemon, struct daemon_link *link)
{
    struct rpr_device *device = rpr_device_find(daemon->node, link->remote);
    bool up = link->leave.up;

    link->leave = (struct leave){.asked = false};
    (void)rpr_device_down(device);
    if (up)
        (void)rpr_device_up(device);
}

bool leave_look(struct daemon *daemon)
{
    bool all = true;

    for (size_t i = 0; i < n_links(daemon); i++) {
        struct daemon_link *link = &daemon->links[i];

        if (!link->leave.asked)
            continue;
        if (!may_go(daemon, i))
            all = false;
        else if (link->leave.down)
            take_down(daemon, link);
    }
    return all;
}

/* ---- one that is taken down ---------------------------------------------------------------------- */

static bool any_goes_down(const struct daemon *daemon)
{
    for (size_t i = 0; i < n_links(daemon); i++)
        if (daemon->links[i].leave.down)
            return true;
    return false;
}

static void look_again(struct rpr_timer *timer, uint64_t now_ns)
{
    struct daemon *daemon = (struct daemon *)((char *)timer - offsetof(struct daemon, leave_timer));

    (void)leave_look(daemon);
    if (any_goes_down(daemon))
        rpr_timer_start(daemon->node, timer, now_ns + DAEMON_LOOK_MS * UINT64_C(1000000));
}

static size_t index_of(const struct daemon *daemon, const struct rpr_device *device)
{
    size_t i = 0;

    while (i < n_links(daemon) && (daemon->links[i].link == NULL ||
                                   strcmp(daemon->links[i].remote, rpr_device_name(device)) != 0))
        i++;
    return i;
}

bool leave_can(const struct daemon *daemon, const struct rpr_device *device)
{
    return daemon->hub != NULL && index_of(daemon, device) < n_links(daemon);
}

void leave_down(struct daemon *daemon, const struct rpr_device *device)
{
    size_t i = index_of(daemon, device);

    leave_begin(daemon, i);
    daemon->links[i].leave.down = true;
    daemon->links[i].leave.up = false;
    daemon->leave_timer.fire = look_again;
    look_again(&daemon->leave_timer, rpr_node_now(daemon->node));
}

bool leave_up(struct daemon *daemon, const struct rpr_device *device)
{
    size_t i = index_of(daemon, device);

    if (i == n_links(daemon) || !daemon->links[i].leave.down)
        return false;
    daemon->links[i].leave.up = true;
    return true;
}

void leave_stop(struct daemon *daemon)
{
    rpr_timer_stop(daemon->node, &daemon->leave_timer);
}
