/* SPDX-License-Identifier: Apache-2.0 */
#include "serial.h"

#include <string.h>

#include <rpr/serial.h>

#include "daemon.h"

static bool info_of(const struct daemon *daemon, size_t index, struct rpr_serial_info *info)
{
    const struct rpr_link *link = daemon->links[index].link;

    return link != NULL && rpr_serial_info(link, info);
}

static size_t n_links(const struct daemon *daemon)
{
    return daemon->links != NULL ? daemon->config.n_links : 0;
}

json_t *serial_show(const struct daemon *daemon, const char *remote)
{
    struct rpr_serial_info info;
    size_t i = 0;

    while (i < n_links(daemon) && strcmp(daemon->links[i].remote, remote) != 0)
        i++;
    if (i == n_links(daemon) || !info_of(daemon, i, &info))
        return NULL;
    json_t *object =
        json_pack("{s:s,s:s,s:b,s:b,s:b,s:I,s:I,s:I,s:I}", "state", info.state, "wake", info.wake,
                  "crc", info.crc, "ours", info.ours, "suspended", info.suspended, "window",
                  (json_int_t)info.window, "undrained", (json_int_t)info.undrained, "unanswered",
                  (json_int_t)info.unanswered, "queued", (json_int_t)info.queued);
#define ADD(name) json_object_set_new(object, #name, json_integer((json_int_t)info.name));
    RPR_SERIAL_COUNTERS(ADD)
#undef ADD
    return object;
}

bool serial_traffic(const struct daemon *daemon, size_t index, uint64_t *n_bytes, bool *undrained)
{
    struct rpr_serial_info info;

    if (!info_of(daemon, index, &info))
        return false;
    *n_bytes = info.bytes_rx + info.bytes_tx;
    *undrained = info.undrained > 0;
    return true;
}

bool serial_is_closed(const struct daemon *daemon, size_t index)
{
    struct rpr_serial_info info;

    return !info_of(daemon, index, &info) ||
           (strcmp(info.state, "closed") == 0 && info.queued <= 0);
}
