/* SPDX-License-Identifier: Apache-2.0 */
/* Commands that show the node: rpmsg ls, rpmsg dump. */
#include <string.h>

#include <rpr/link.h>

#include "app.h"
#include "console.h"

/* ---- ls ------------------------------------------------------------------------------------------- */

static const char *const device_states[] = {"down", "connecting", "up", "suspended", "broken"};
static const char *const ept_states[] = {"announced", "bound", "unbound", "closing"};

static void list_endpoints(struct rpr_device *device)
{
    struct rpr_ept_info info;
    rpr_ept_t ept = {0};

    for (ept = rpr_ept_next(device, ept); ept.endpoint; ept = rpr_ept_next(device, ept)) {
        if (rpr_ept_info(ept, &info))
            continue;
        console_printf("  %-32s 0x%08x -> 0x%08x %s\n", info.name, (unsigned)info.addr,
                       (unsigned)info.dest, ept_states[info.state]);
    }
}

static void list_device(struct rpr_device *device)
{
    struct rpr_device_info info;

    rpr_device_info(device, &info);
    console_printf("%s: %s%s%s%s%s%s, session %u, tx %u, rx %u\n", info.name,
                   info.kind == RPR_DEVICE_ROUTED ? "via " : info.transport, info.via,
                   info.dialect[0] ? " " : "", info.dialect, " ", device_states[info.state],
                   (unsigned)info.session, (unsigned)info.tx_len, (unsigned)info.rx_len);
    if (*info.reason)
        console_printf("  reason: %s\n", info.reason);
    console_printf(" ");
#define PRINT_COUNTER(name) console_printf(" " #name " %lu", (unsigned long)info.counters.name);
    RPR_DEVICE_COUNTERS(PRINT_COUNTER)
#undef PRINT_COUNTER
    if (info.announcements_refused)
        console_printf(" announcements lost %lu", (unsigned long)info.announcements_refused);
    console_printf("\n");
    list_endpoints(device);
}

static bool list_route(void *ctx, const struct rpr_route_info *info)
{
    static const char *const states[] = {"waiting", "announced", "joined", "ending"};
    static const char *const policies[] = {"default", "credit", "drop-newest", "drop-oldest",
                                           "block"};

    (void)ctx;
    console_printf("route %s -> %s: %s %s %s, parked %u, forwarded %lu, dropped %lu%s%s\n",
                   info->from, info->to, info->service, states[info->state], policies[info->policy],
                   (unsigned)info->parked, (unsigned long)info->forwarded,
                   (unsigned long)info->dropped, *info->reason ? ": " : "", info->reason);
    return true;
}

void command_ls(char **args, unsigned n)
{
    struct rpr_device *device = NULL;

    (void)args;
    (void)n;
    while ((device = rpr_device_next(app.node, device)))
        list_device(device);
    rpr_routes(app.node, list_route, NULL);
}

/* ---- dump, in the shape of NuttX ------------------------------------------------------------------ */

static void dump_names(struct rpr_device *device, const char *indent)
{
    struct rpr_ept_info info;
    rpr_ept_t ept = {0};

    console_say("%sept NS", indent);
    for (ept = rpr_ept_next(device, ept); ept.endpoint; ept = rpr_ept_next(device, ept))
        if (rpr_ept_info(ept, &info) == 0)
            console_say("%sept %s", indent, info.name);
}

static bool find_queue(struct rpr_device *device, const char *name, struct rpr_queue_info *queue)
{
    for (unsigned i = 0; rpr_device_queue(device, i, queue); i++)
        if (strcmp(queue->name, name) == 0)
            return true;
    *queue = (struct rpr_queue_info){.name = name};
    return false;
}

/* What the peer returned is taken back when buffers are needed: here it is not to count as in use. */
static void reclaim(struct rpr_device *device)
{
    struct rpr_link *link = rpr_device_link(device);

    if (link && link->incarnation)
        (void)link->ops->writable(link);
}

static void dump_buffers(struct rpr_device *device, const char *queue, const char *indent)
{
    struct rpr_buffer_info buffer;
    unsigned cursor = 0;

    while (rpr_device_buffer(device, &cursor, &buffer))
        if (strcmp(buffer.queue, queue) == 0)
            console_say("%s%s buffer %u", indent, queue, (unsigned)buffer.id);
}

static void dump_ivshmem(struct rpr_device *device, const struct config_link *link)
{
    struct rpr_queue_info rx, tx;

    reclaim(device);
    find_queue(device, "rx", &rx);
    find_queue(device, "tx", &tx);
    console_say("Dump rpmsg info between cpu (master: %s)%s <==> %s:",
                link->ivshmem.role == RPR_IVSHMEM_MASTER ? "yes" : "no", app.config.name,
                link->remote);
    console_say("rpmsg vq RX:");
    console_say("rpmsg vq TX:");
    console_say("  rpmsg ept list:");
    dump_names(device, "    ");
    console_say("  rpmsg buffer list:");
    console_say("    RX buffer, total %u, pending %u", (unsigned)rx.size, (unsigned)rx.pending);
    dump_buffers(device, "rx", "      ");
    console_say("    TX buffer, total %u, pending %u", (unsigned)tx.size,
                (unsigned)(tx.size - tx.free));
    dump_buffers(device, "tx", "      ");
}

static void dump_port_queue(struct rpr_device *device, const char *name, const char *shown)
{
    struct rpr_queue_info queue;
    bool found = find_queue(device, name, &queue);
    uint32_t used = found && strcmp(name, "rx") == 0 ? queue.pending : queue.size - queue.free;

    console_say("rpmsg_port queue %s: {used: %u, avail: %u}", shown, (unsigned)used,
                (unsigned)(queue.size - used));
    console_say("rpmsg buffer list:");
    dump_buffers(device, name, "  ");
}

static void dump_uart(struct rpr_device *device)
{
    bool up = rpr_device_state(device) == RPR_DEVICE_UP;

    console_say("Remote: %s state: %d", rpr_device_name(device), up);
    dump_names(device, "");
    dump_port_queue(device, "rx", "RX");
    dump_port_queue(device, "tx", "TX");
}

static void dump_routed(struct rpr_device *device)
{
    struct rpr_device_info info;

    rpr_device_info(device, &info);
    console_say("Remote: %s state: %d via: %s", info.name, info.state == RPR_DEVICE_UP, info.via);
    dump_names(device, "");
}

static void dump(struct rpr_device *device)
{
    const struct config_link *link = app_link(rpr_device_name(device));

    if (!link)
        dump_routed(device);
    else if (link->kind == CONFIG_UART)
        dump_uart(device);
    else
        dump_ivshmem(device, link);
}

void command_dump(char **args, unsigned n)
{
    struct rpr_device *device = NULL;

    (void)n;
    if (strcmp(args[0], "all") != 0) {
        device = app_device(args[0]);
        if (device)
            dump(device);
        return;
    }
    while ((device = rpr_device_next(app.node, device)))
        dump(device);
}
