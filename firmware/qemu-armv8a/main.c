/* SPDX-License-Identifier: Apache-2.0 */
#include "app.h"

#include <string.h>

#include <rpr/sensor.h>

#include "board.h"
#include "console.h"
#include "ivshmem.h"
#include "log.h"
#include "uart_link.h"

#define DEVICE_PREFIX "/dev/rpmsg/"

struct app app;

static const struct shell_command commands[] = {
    {"help", "", 0, 0, NULL},
    {"ps", "", 0, 0, command_ps},
    {"free", "", 0, 0, command_free},
    {"uname", "-a", 0, 1, command_uname},
    {"rpmsg ls", "", 0, 0, command_ls},
    {"rpmsg dump", "DEV|all", 1, 1, command_dump},
    {"rpmsg ping", "DEV|all TIMES LENGTH ACK PERIOD_MS", 1, 5, command_ping},
    {"rpmsg send", "DEV SERVICE BYTES SEED", 4, 4, command_send},
    {"rpmsg recv", "SERVICE", 1, 1, command_recv},
    {"logger", "TEXT...", 1, 9, command_logger},
    {"poweroff", "", 0, 0, command_poweroff},
    {NULL, NULL, 0, 0, NULL}};

/* ---- shared with the commands ------------------------------------------------------------------ */

struct rpr_device *app_device(const char *text)
{
    size_t n = sizeof DEVICE_PREFIX - 1;
    struct rpr_device *device =
        rpr_device_find(app.node, strncmp(text, DEVICE_PREFIX, n) == 0 ? text + n : text);

    if (!device)
        console_printf("%s: no such device\n", text);
    return device;
}

const struct config_link *app_link(const char *remote)
{
    for (unsigned i = 0; i < app.config.n_links; i++)
        if (strcmp(app.config.links[i].remote, remote) == 0)
            return &app.config.links[i];
    return NULL;
}

/* ---- what there is to be seen ------------------------------------------------------------------- */

static void on_event(void *ctx, const struct rpr_event *event)
{
    static const char *const states[] = {"down", "connecting", "up", "suspended", "broken"};

    (void)ctx;
    if (event->kind == RPR_EVENT_POOL_EMPTY)
        log_say("pool empty: %s", event->name);
    else if (event->kind == RPR_EVENT_DEVICE_STATE && event->state != RPR_DEVICE_CONNECTING)
        log_say("%s: %s%s%s", rpr_device_name(event->device), states[event->state],
                *event->reason ? ": " : "", event->reason);
}

/* ---- start -------------------------------------------------------------------------------------- */

static void bad_word(const char *word)
{
    console_printf("-append: cannot use '%s'\n", word);
}

/* What is not there is said and left out: the shell comes up in any case. */
static void check(int error, const char *what)
{
    if (error)
        console_printf("%s: %s\n", what, rpr_strerror(error));
}

static void open_links(void)
{
    for (unsigned i = 0; i < app.config.n_links; i++) {
        struct config_link *link = &app.config.links[i];

        check(link->kind == CONFIG_UART
                  ? uart_link_open(&app.bm, app.node, link->device, link->port, &link->serial)
                  : ivshmem_open(app.node, link->device, &link->ivshmem),
              link->remote);
    }
}

static void open_routes(void)
{
    if (!app.config.n_routes)
        return;
    check(rpr_hub_open(app.node, &app.hub), "hub");
    for (unsigned i = 0; app.hub && i < app.config.n_routes; i++) {
        const struct config_route *route = &app.config.routes[i];
        struct rpr_pair_config pair = {.a = *route->a ? route->a : NULL,
                                       .b = *route->b ? route->b : NULL};

        check(rpr_hub_pair_add(app.hub, &pair), "route");
    }
}

static bool open_node(void)
{
    static struct rpr_observer observer = {.event = on_event};
    struct rpr_node_config config = {.name = app.config.name, .platform = &app.bm.platform};
    struct rpr_edge *edge;
    struct rpr_sensor *sensor;
    int error = rpr_node_open(&app.node, &config);

    check(error, app.config.name);
    if (error)
        return false;
    rpr_observer_add(app.node, &observer);
    check(rpr_sensor_open(app.node, NULL, NULL, &sensor), RPR_SENSOR_SERVICE);
    check(rpr_ping_open(app.node, NULL, &app.ping), "rpmsg-ping");
    check(log_open(app.node, *app.config.syslog ? app.config.syslog : NULL), "rpmsg-syslog");
    check(rpr_edge_open(app.node, &edge), "edge");
    open_routes();
    open_links();
    return true;
}

int main(void)
{
    baremetal_init(&app.bm, &board, &board_pools);
    board_init(shell_input);
    console_printf("\nrpmsg-router " RPR_VERSION "\n");
    config_parse(&app.config, board_arguments(), bad_word);
    console_name(app.config.name);
    if (!open_node())
        board_power_off();
    shell_start(&app.bm, app.config.name, commands);
    for (;;)
        baremetal_turn(&app.bm, app.node);
}
