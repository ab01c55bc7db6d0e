/* SPDX-License-Identifier: Apache-2.0 */
/* ls, dump and stats: what there is. */
#include <stdio.h>
#include <string.h>

#include "cli.h"
#include "table.h"

static const char *const route_keys[] = {"from",   "to",        "service", "state", "policy",
                                         "parked", "forwarded", "dropped", NULL};

/* Prints nothing where there is nothing. */
static void print_array(json_t *array, const char *const *keys, int indent)
{
    struct table table = {0};
    size_t index;
    json_t *item;

    if (json_array_size(array) == 0)
        return;
    table_row(&table, keys, NULL);
    json_array_foreach(array, index, item)
    {
        table_row(&table, keys, item);
    }
    table_print(&table, indent);
}

static void print_routes(json_t *all)
{
    json_t *routes = json_object_get(all, "routes");

    if (json_array_size(routes) > 0)
        printf("\nroutes\n");
    print_array(routes, route_keys, 2);
}

/* Adds to a list of words joined by commas; what does not fit is left out. */
static void add_word(char *text, size_t size, const char *key, const char *value)
{
    size_t used = strlen(text);

    snprintf(text + used, size - used, "%s%s%s%s", used > 0 ? "," : "", key,
             key[0] != '\0' ? "=" : "", value);
}

/* Lists become one word, for a table. */
static void flatten_service(json_t *service)
{
    char on[512] = "", keys[512] = "";
    size_t i;
    json_t *item;
    const char *key;

    json_array_foreach(json_object_get(service, "on"), i, item)
    {
        add_word(on, sizeof(on), "", json_string_value(item));
    }
    if (on[0] != '\0')
        json_object_set_new(service, "on", json_string(on));
    json_object_foreach(json_object_get(service, "keys"), key, item)
    {
        add_word(keys, sizeof(keys), key, json_string_value(item));
    }
    json_object_set_new(service, "keys", json_string(keys));
}

/* Where a service has closed its endpoint, and why: one line each. */
static void print_closed(const json_t *services)
{
    static const char *const closed_keys[] = {"device", "name", "wait_ms", "reason", NULL};
    json_t *all = json_array();
    size_t i, j;
    json_t *service, *closed;

    json_array_foreach(services, i, service)
    {
        json_array_foreach(json_object_get(service, "closed"), j, closed)
        {
            json_object_set(closed, "name", json_object_get(service, "endpoint"));
            json_array_append(all, closed);
        }
    }
    if (json_array_size(all) > 0)
        printf("\nclosed, since the peer broke the rules\n");
    print_array(all, closed_keys, 2);
    json_decref(all);
}

/* What INTERFACE has for `ls` knows of none: they are asked for. */
static void print_services(struct connection *connection)
{
    static const char *const service_keys[] = {"name", "endpoint", "on", "keys", NULL};
    int status = STATUS_OK;
    json_t *answer = call(connection, "services", NULL, &status);
    json_t *services = json_object_get(answer, "services");
    size_t i;
    json_t *service;

    if (json_array_size(services) > 0)
        printf("\nservices\n");
    json_array_foreach(services, i, service)
    {
        flatten_service(service);
    }
    print_array(services, service_keys, 2);
    print_closed(services);
    json_decref(answer);
}

/* ---- ls ------------------------------------------------------------------------------------------ */

/* What a session says, as the device's own, for a table: its number stands for it. */
static void flatten(json_t *device)
{
    json_t *session = json_object_get(device, "session");

    json_object_set(device, "dialect", json_object_get(session, "dialect"));
    json_object_set(device, "session", json_object_get(session, "number"));
}

static void print_ls(struct connection *connection, json_t *all)
{
    static const char *const device_keys[] = {"name",    "kind",   "via",     "transport",
                                              "dialect", "state",  "session", "tx_len",
                                              "rx_len",  "reason", NULL};
    static const char *const endpoint_keys[] = {"device", "name", "addr", "dest", "state", NULL};
    json_t *devices = json_object_get(all, "devices");
    json_t *endpoints = json_array();
    size_t i, j;
    json_t *device, *endpoint;

    printf("node %s\n\ndevices\n", text_of(all, "node"));
    json_array_foreach(devices, i, device)
    {
        flatten(device);
    }
    print_array(devices, device_keys, 2);
    json_array_foreach(devices, i, device)
    {
        json_array_foreach(json_object_get(device, "endpoints"), j, endpoint)
        {
            json_object_set(endpoint, "device", json_object_get(device, "name"));
            json_array_append(endpoints, endpoint);
        }
    }
    if (json_array_size(endpoints) > 0)
        printf("\nendpoints\n");
    print_array(endpoints, endpoint_keys, 2);
    json_decref(endpoints);
    print_routes(all);
    print_services(connection);
}

int ls_main(struct cli *cli, int argc, char **argv)
{
    int status = STATUS_OK;

    while (next_option(cli, argc, argv, "") != -1)
        ;
    no_more_arguments(cli, argc, argv);
    struct connection *connection = connect_daemon(cli);
    json_t *all = call(connection, "ls", NULL, &status);
    if (all != NULL && cli->json)
        print_json(all);
    else if (all != NULL)
        print_ls(connection, all);
    json_decref(all);
    disconnect(connection);
    flush_or_die(cli);
    return status;
}

/* ---- dump ---------------------------------------------------------------------------------------- */

static void print_counters(const json_t *counters)
{
    const char *key;
    json_t *value;

    printf("  counters:");
    json_object_foreach((json_t *)(uintptr_t)counters, key, value)
    {
        printf(" %s %lld", key, (long long)json_integer_value(value));
    }
    putchar('\n');
}

/* The state machine of a serial link, and what it has counted. */
static void print_serial(const json_t *serial)
{
    const char *key;
    json_t *value;

    if (serial == NULL)
        return;
    printf("  serial:");
    json_object_foreach((json_t *)(uintptr_t)serial, key, value)
    {
        if (json_is_string(value))
            printf(" %s %s", key, json_string_value(value));
        else if (json_is_boolean(value))
            printf(" %s %s", key, json_is_true(value) ? "yes" : "no");
        else
            printf(" %s %lld", key, (long long)json_integer_value(value));
    }
    putchar('\n');
}

static void print_device(const char *node, json_t *device)
{
    static const char *const queue_keys[] = {"name",      "size",       "free",  "pending",
                                             "own_index", "peer_index", "flags", NULL};
    static const char *const endpoint_keys[] = {"name", "addr", "dest", "state",   "held",
                                                "kept", "tx",   "rx",   "dropped", NULL};
    static const char *const buffer_keys[] = {"queue", "id", "holder", NULL};
    static const char *const announcement_keys[] = {"name", "addr", NULL};
    const char *via = text_of(device, "via");
    const char *reason = text_of(device, "reason");

    flatten(device);
    printf("Local: %s Remote: %s\n", node, text_of(device, "name"));
    printf("  %s%s%s over %s (%s), %s%s%s, session %lld, tx_len %lld, rx_len %lld\n",
           text_of(device, "kind"), via[0] != '\0' ? " via " : "", via,
           text_of(device, "transport"), text_of(device, "dialect"), text_of(device, "state"),
           reason[0] != '\0' ? ": " : "", reason, (long long)number_of(device, "session"),
           (long long)number_of(device, "tx_len"), (long long)number_of(device, "rx_len"));
    print_counters(json_object_get(device, "counters"));
    print_serial(json_object_get(device, "serial"));
    printf("  queues\n");
    print_array(json_object_get(device, "queues"), queue_keys, 4);
    printf("  endpoints\n");
    print_array(json_object_get(device, "endpoints"), endpoint_keys, 4);
    printf("  buffers in use\n");
    print_array(json_object_get(device, "buffers"), buffer_keys, 4);
    printf("  announcements kept (%lld refused)\n",
           (long long)number_of(device, "announcements_refused"));
    print_array(json_object_get(device, "announcements"), announcement_keys, 4);
}

static void print_dump(json_t *all)
{
    size_t index;
    json_t *device;

    json_array_foreach(json_object_get(all, "devices"), index, device)
    {
        print_device(text_of(all, "node"), device);
    }
    print_routes(all);
}

int dump_main(struct cli *cli, int argc, char **argv)
{
    int status = STATUS_OK;

    while (next_option(cli, argc, argv, "") != -1)
        ;
    const char *name = need_device(cli, argc, argv);
    no_more_arguments(cli, argc, argv);
    struct connection *connection = connect_daemon(cli);
    json_t *args = strcmp(name, "all") != 0 ? json_pack("{s:s}", "device", name) : NULL;
    json_t *all = call(connection, "dump", args, &status);
    if (all != NULL && cli->json)
        print_json(all);
    else if (all != NULL)
        print_dump(all);
    json_decref(all);
    disconnect(connection);
    flush_or_die(cli);
    return status;
}

/* ---- stats --------------------------------------------------------------------------------------- */

static void print_stats(json_t *all)
{
    const char *key;
    json_t *value;

    json_object_foreach(all, key, value)
    {
        printf("%s %lld\n", key, (long long)json_integer_value(value));
    }
}

int stats_main(struct cli *cli, int argc, char **argv)
{
    int status = STATUS_OK;

    while (next_option(cli, argc, argv, "") != -1)
        ;
    no_more_arguments(cli, argc, argv);
    struct connection *connection = connect_daemon(cli);
    json_t *all = call(connection, "stats", NULL, &status);
    if (all != NULL && cli->json)
        print_json(all);
    else if (all != NULL)
        print_stats(all);
    json_decref(all);
    disconnect(connection);
    flush_or_die(cli);
    return status;
}
