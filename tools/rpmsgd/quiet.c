/* SPDX-License-Identifier: Apache-2.0 */
#include "quiet.h"

#include <string.h>

#include <rpr/link.h>

#include "daemon.h"
#include "serial.h"

/* A NuttX peer may have more to say after it seemed to be done: its threads look every 10 ms. */
#define QUIET_MS 50

/* Counts what went through the rings of a link, both ways. True: the peer has not taken all. */
static bool ring_traffic(struct rpr_device *device, uint64_t *n_messages)
{
    struct rpr_queue_info queue;
    bool pending = false;

    *n_messages = 0;
    for (unsigned i = 0; rpr_device_queue(device, i, &queue); i++) {
        *n_messages += queue.own_index + queue.peer_index;
        pending = pending || (strcmp(queue.name, "tx") == 0 && queue.pending > 0);
    }
    return pending;
}

/* Links between nodes of this project end in an order of their own. Who sleeps hears everything too. */
static bool is_foreign(const struct rpr_device *device)
{
    struct rpr_device_info info;

    rpr_device_info(device, &info);
    return (info.state == RPR_DEVICE_UP || info.state == RPR_DEVICE_SUSPENDED) &&
           strcmp(info.dialect, "rpr") != 0;
}

bool peer_is_quiet(struct daemon *daemon, size_t index, struct quiet *quiet, int64_t now_ms)
{
    struct rpr_device *device = rpr_device_find(daemon->node, daemon->links[index].remote);
    uint64_t n_messages, n_bytes = 0;
    bool undrained = false;

    if (device == NULL || !is_foreign(device))
        return true;
    bool pending = ring_traffic(device, &n_messages);
    (void)serial_traffic(daemon, index, &n_bytes, &undrained);
    if (n_messages + n_bytes != quiet->traffic || quiet->since_ms == 0) {
        quiet->traffic = n_messages + n_bytes;
        quiet->since_ms = now_ms;
    }
    return quiet->traffic == 0 || (!pending && !undrained && now_ms - quiet->since_ms >= QUIET_MS);
}
