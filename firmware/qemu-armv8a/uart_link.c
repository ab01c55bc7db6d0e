/* SPDX-License-Identifier: Apache-2.0 */
#include "uart_link.h"

#include <stdio.h>

#include "virtio_console.h"

#define MAX_LINKS 4u

struct uart_link {
    struct baremetal *bm;
    struct rpr_link *link;
    struct baremetal_task task;
    struct virtio_console console;
    bool wanted;  /* between open and close */
    bool there;   /* rpr_serial_back() was said */
    bool refused; /* the link took less than there was, up to `readable` */
    bool waiting; /* to write more */
    char name[RPR_NAME_MAX + 12];
};

static struct uart_link links[MAX_LINKS];
static struct virtio_console_memory memories[MAX_LINKS] __attribute__((aligned(VIRTIO_PAGE)));
static unsigned n_links;

/* ---- carrier -------------------------------------------------------------------------------------- */

static void carrier_open(void *ctx)
{
    struct uart_link *u = ctx;

    u->wanted = true;
    baremetal_wake(u->bm); /* the task looks whether it is there */
}

static void carrier_close(void *ctx)
{
    struct uart_link *u = ctx;

    u->wanted = u->there = u->refused = u->waiting = false;
}

static size_t carrier_write(void *ctx, const uint8_t *data, size_t len)
{
    struct uart_link *u = ctx;
    size_t n = virtio_console_write(&u->console, data, len);

    if (n < len) {
        u->waiting = true;
        baremetal_wake(u->bm);
    }
    return n;
}

/* What QEMU has taken may be anywhere up to the peer's memory. */
static int32_t carrier_queued(void *ctx)
{
    (void)ctx;
    return -1;
}

static void carrier_readable(void *ctx)
{
    struct uart_link *u = ctx;

    u->refused = false;
    baremetal_wake(u->bm);
}

static void carrier_destroy(void *ctx)
{
    carrier_close(ctx);
}

/* ---- the main loop's part ------------------------------------------------------------------------- */

/* Tells the link about a port that came or went. */
static void look_at_port(struct uart_link *u)
{
    virtio_console_poll(&u->console);
    if (!u->wanted || u->console.connected == u->there)
        return;
    u->there = u->console.connected;
    if (u->there)
        rpr_serial_back(u->link);
    else
        rpr_serial_lost(u->link, "the port's other end is closed");
}

/* What comes while the wire is not wanted is nobody's. */
static void read_all(struct uart_link *u)
{
    const uint8_t *data;
    uint32_t len;

    while (!u->refused && (data = virtio_console_look(&u->console, &len))) {
        uint32_t n = u->there ? (uint32_t)rpr_serial_input(u->link, data, len) : len;

        u->refused = n < len;
        virtio_console_take(&u->console, n);
    }
}

static void run(struct baremetal_task *task)
{
    struct uart_link *u = RPR_CONTAINER(task, struct uart_link, task);

    look_at_port(u);
    read_all(u);
    if (u->waiting && virtio_console_room(&u->console)) {
        u->waiting = false;
        rpr_serial_writable(u->link);
    }
}

static void came(void *ctx)
{
    baremetal_wake(ctx);
}

int uart_link_open(struct baremetal *bm, struct rpr_node *node, unsigned bus, unsigned port,
                   struct rpr_serial_config *config)
{
    struct uart_link *u = &links[n_links];
    int error;

    if (n_links == MAX_LINKS)
        return -RPR_ENOSPC;
    if (!virtio_console_open(&u->console, bus, port, &memories[n_links], came, bm))
        return -RPR_ENOENT;
    u->bm = bm;
    config->kind = "uart";
    config->lossy = !port;
    config->carrier = (struct rpr_serial_carrier){.open = carrier_open,
                                                  .close = carrier_close,
                                                  .write = carrier_write,
                                                  .queued = carrier_queued,
                                                  .readable = carrier_readable,
                                                  .destroy = carrier_destroy,
                                                  .ctx = u};
    error = rpr_serial_open(node, config, &u->link);
    if (error)
        return error;
    n_links++;
    snprintf(u->name, sizeof u->name, "rpmsg-uart %s", config->remote);
    u->task = (struct baremetal_task){.name = u->name, .run = run};
    baremetal_add(bm, &u->task);
    return 0;
}

bool uart_links_closed(void)
{
    for (unsigned i = 0; i < n_links; i++)
        if (links[i].wanted)
            return false;
    return true;
}
