/* SPDX-License-Identifier: Apache-2.0 */
/* sensor ls: the daemon's topics. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../common/text.h"
#include "sensor.h"
#include "table.h"

struct tally { /* of one topic, over its peers */
    char *publishers, *subscribers;
    json_int_t sent, dropped;
};

static void add_name(char **names, const char *name)
{
    char *more =
        text_format("%s%s%s", *names != NULL ? *names : "", *names != NULL ? "," : "", name);

    free(*names);
    *names = more;
}

static struct tally tally_of(const json_t *result, const char *path)
{
    struct tally tally = {.publishers = NULL};
    size_t index;
    json_t *link;

    json_array_foreach(json_object_get(result, "links"), index, link)
    {
        if (strcmp(text_of(link, "topic"), path) != 0)
            continue;
        if (json_is_true(json_object_get(link, "publishes")))
            add_name(&tally.publishers, text_of(link, "device"));
        if (json_is_true(json_object_get(link, "subscribes")))
            add_name(&tally.subscribers, text_of(link, "device"));
        tally.sent += number_of(link, "tx");
        tally.dropped += number_of(link, "dropped");
    }
    return tally;
}

static void add_topic(struct table *table, const char *const *keys, const json_t *result,
                      const json_t *topic)
{
    const char *path = text_of(topic, "path");
    struct tally tally = tally_of(result, path);
    char rate[32];

    snprintf(rate, sizeof(rate), "%.1f", json_number_value(json_object_get(topic, "rate_hz")));
    json_t *row =
        json_pack("{s:s,s:s,s:s,s:s,s:I,s:I,s:I}", "topic", path, "publishers",
                  tally.publishers != NULL ? tally.publishers : "", "subscribers",
                  tally.subscribers != NULL ? tally.subscribers : "", "hz", rate, "samples",
                  number_of(topic, "samples"), "sent", tally.sent, "dropped", tally.dropped);
    table_row(table, keys, row);
    json_decref(row);
    free(tally.publishers);
    free(tally.subscribers);
}

static void print_topics(const json_t *result)
{
    static const char *const keys[] = {"topic",   "publishers", "subscribers", "hz",
                                       "samples", "sent",       "dropped",     NULL};
    struct table table = {.rows = NULL};
    size_t index;
    json_t *topic;

    table_row(&table, keys, NULL);
    json_array_foreach(json_object_get(result, "topics"), index, topic)
        add_topic(&table, keys, result, topic);
    table_print(&table, 0);
}

static void print_closed(const struct cli *cli, const json_t *result)
{
    size_t index;
    json_t *peer;

    json_array_foreach(json_object_get(result, "peers"), index,
                       peer) if (text_of(peer, "reason")[0] != '\0')
        complain(cli, "%s was closed: %s", text_of(peer, "device"), text_of(peer, "reason"));
}

int sensor_ls(struct cli *cli, int argc, char **argv)
{
    int status = STATUS_OK;

    while (next_option(cli, argc, argv, "") != -1)
        ;
    no_more_arguments(cli, argc, argv);
    struct connection *connection = connect_daemon(cli);
    json_t *result = call(connection, "sensor", NULL, &status);
    if (result != NULL && cli->json)
        print_json(result);
    if (result != NULL && !cli->json) {
        print_topics(result);
        print_closed(cli, result);
    }
    json_decref(result);
    disconnect(connection);
    flush_or_die(cli);
    return status;
}
