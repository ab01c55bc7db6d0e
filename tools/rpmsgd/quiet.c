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

/* Links between nodes of this project end in an order of their own. */
static bool is_foreign(const struct rpr_device *device)
{
    struct rpr_device_info info;

    rpr_device_info(device, &info);
    return info.state == RPR_DEVICE_UP && strcmp(info.dialect, "rpr") != 0;
}

bool peers_are_quiet(struct daemon *daemon, int64_t now_ms)
{
    uint64_t n_all = 0;
    bool busy = false;

    for (size_t i = 0; daemon->links != NULL && i < daemon->config.n_links; i++) {
        struct rpr_device *device = rpr_device_find(daemon->node, daemon->links[i].remote);
        uint64_t n_messages, n_bytes = 0;
        bool undrained = false;

        if (device == NULL || !is_foreign(device))
            continue;
        busy = ring_traffic(device, &n_messages) || busy;
        (void)serial_traffic(daemon, i, &n_bytes, &undrained);
        busy = busy || undrained;
        n_all += n_messages + n_bytes;
    }
    if (n_all != daemon->traffic || daemon->quiet_ms == 0) {
        daemon->traffic = n_all;
        daemon->quiet_ms = now_ms;
    }
    return n_all == 0 || (!busy && now_ms - daemon->quiet_ms >= QUIET_MS);
}
