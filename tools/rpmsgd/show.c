/* SPDX-License-Identifier: Apache-2.0 */
#include "show.h"

#include <string.h>

#include "attach.h"

#define SHOWN_TEXT_MAX 160u

json_t *show_text(const char *text)
{
    char shown[SHOWN_TEXT_MAX];
    size_t i;

    for (i = 0; text[i] != '\0' && i < sizeof(shown) - 1; i++)
        shown[i] = text[i] >= ' ' && text[i] <= '~' ? text[i] : '?';
    shown[i] = '\0';
    return json_string(shown);
}

bool show_device(const struct rpr_device *device)
{
    return rpr_device_name(device)[0] != ATTACH_NAME_PREFIX;
}

const char *show_state(enum rpr_device_state state)
{
    static const char *const words[] = {
        [RPR_DEVICE_DOWN] = "down",     [RPR_DEVICE_CONNECTING] = "connecting",
        [RPR_DEVICE_UP] = "up",         [RPR_DEVICE_SUSPENDED] = "suspended",
        [RPR_DEVICE_BROKEN] = "broken",
    };

    return words[state];
}

const char *show_ept_state(enum rpr_ept_state state)
{
    static const char *const words[] = {
        [RPR_EPT_ANNOUNCED] = "announced",
        [RPR_EPT_BOUND] = "bound",
        [RPR_EPT_UNBOUND] = "unbound",
        [RPR_EPT_CLOSING] = "closing",
    };

    return words[state];
}

const char *show_route_state(enum rpr_route_state state)
{
    static const char *const words[] = {
        [RPR_ROUTE_WAITING] = "waiting",
        [RPR_ROUTE_ANNOUNCED] = "announced",
        [RPR_ROUTE_JOINED] = "joined",
        [RPR_ROUTE_ENDING] = "ending",
    };

    return words[state];
}

const char *show_policy(enum rpr_policy policy)
{
    static const char *const words[] = {
        [RPR_POLICY_DEFAULT] = "default",
        [RPR_POLICY_CREDIT] = "credit",
        [RPR_POLICY_DROP_NEWEST] = "drop-newest",
        [RPR_POLICY_DROP_OLDEST] = "drop-oldest",
        [RPR_POLICY_BLOCK] = "block",
    };

    return words[policy];
}

static json_t *number(uint64_t value)
{
    return json_integer((json_int_t)value);
}

static json_t *counters(const struct rpr_device_counters *from)
{
    json_t *object = json_object();

#define ADD(name) json_object_set_new(object, #name, number(from->name));
    RPR_DEVICE_COUNTERS(ADD)
#undef ADD
    return object;
}

/* What is known of the connection; of the peer only while there is one. */
static json_t *session_of(const struct rpr_device_info *info)
{
    bool up = info->state == RPR_DEVICE_UP || info->state == RPR_DEVICE_SUSPENDED;

    return json_pack("{s:I,s:o,s:b}", "number", (json_int_t)info->session, "dialect",
                     show_text(up ? info->dialect : ""), "credit", up && info->credit);
}

json_t *show_device_head(const struct rpr_device *device)
{
    struct rpr_device_info info;

    rpr_device_info(device, &info);
    return json_pack("{s:o,s:s,s:o,s:o,s:s,s:o,s:o,s:I,s:I,s:o,s:[]}", "name", show_text(info.name),
                     "kind", info.kind == RPR_DEVICE_LINK ? "link" : "routed", "via",
                     show_text(info.via), "transport", show_text(info.transport), "state",
                     show_state(info.state), "reason", show_text(info.reason), "session",
                     session_of(&info), "tx_len", (json_int_t)info.tx_len, "rx_len",
                     (json_int_t)info.rx_len, "counters", counters(&info.counters), "endpoints");
}

static json_t *queue(const struct rpr_queue_info *info)
{
    return json_pack("{s:o,s:I,s:I,s:I,s:I,s:I,s:I}", "name", show_text(info->name), "size",
                     (json_int_t)info->size, "free", (json_int_t)info->free, "pending",
                     (json_int_t)info->pending, "own_index", (json_int_t)info->own_index,
                     "peer_index", (json_int_t)info->peer_index, "flags", (json_int_t)info->flags);
}

static bool add_announcement(void *ctx, const char *name, uint32_t addr)
{
    json_array_append_new(
        ctx, json_pack("{s:o,s:I}", "name", show_text(name), "addr", (json_int_t)addr));
    return true;
}

void show_device_detail(struct rpr_device *device, json_t *object)
{
    struct rpr_queue_info info;
    struct rpr_device_info device_info;
    json_t *queues = json_array();
    json_t *announcements = json_array();

    for (unsigned i = 0; rpr_device_queue(device, i, &info); i++)
        json_array_append_new(queues, queue(&info));
    rpr_device_announcements(device, add_announcement, announcements);
    rpr_device_info(device, &device_info);
    json_object_set_new(object, "queues", queues);
    json_object_set_new(object, "buffers", json_array());
    json_object_set_new(object, "announcements", announcements);
    json_object_set_new(object, "announcements_refused", number(device_info.announcements_refused));
}

json_t *show_endpoint(rpr_ept_t ept, bool detail)
{
    struct rpr_ept_info info;

    if (rpr_ept_info(ept, &info) != 0)
        return NULL;
    json_t *object =
        json_pack("{s:o,s:I,s:I,s:s}", "name", show_text(info.name), "addr", (json_int_t)info.addr,
                  "dest", (json_int_t)info.dest, "state", show_ept_state(info.state));
    if (detail) {
        json_object_set_new(object, "held", number(info.n_held));
        json_object_set_new(object, "kept", number(info.n_kept));
        json_object_set_new(object, "tx", number(info.tx));
        json_object_set_new(object, "rx", number(info.rx));
        json_object_set_new(object, "dropped", number(info.dropped));
    }
    return object;
}

/* A buffer's holder is known by its address: the endpoint may have gone while we look. */
static const char *holder_name(const struct rpr_buffer_info *buffer, struct rpr_device *device)
{
    struct rpr_ept_info info;

    if (buffer->holder == NULL)
        return "";
    for (rpr_ept_t ept = rpr_ept_next(device, (rpr_ept_t){0}); ept.endpoint != NULL;
         ept = rpr_ept_next(device, ept))
        if (ept.endpoint == buffer->holder && rpr_ept_info(ept, &info) == 0)
            return info.name;
    return "(closed)";
}

json_t *show_buffer(const struct rpr_buffer_info *buffer, struct rpr_device *device)
{
    return json_pack("{s:o,s:I,s:o}", "queue", show_text(buffer->queue), "id",
                     (json_int_t)buffer->id, "holder", show_text(holder_name(buffer, device)));
}

json_t *show_route(const struct rpr_route_info *route, bool detail)
{
    json_t *object =
        json_pack("{s:o,s:o,s:o,s:s,s:s,s:I,s:I,s:I}", "from", show_text(route->from), "to",
                  show_text(route->to), "service", show_text(route->service), "state",
                  show_route_state(route->state), "policy", show_policy(route->policy), "parked",
                  (json_int_t)route->parked, "forwarded", (json_int_t)route->forwarded, "dropped",
                  (json_int_t)route->dropped);

    if (detail) {
        json_object_set_new(object, "client", json_boolean(route->client));
        json_object_set_new(object, "reason", show_text(route->reason));
    }
    return object;
}
