/* SPDX-License-Identifier: Apache-2.0 */
#include "service.h"

#include <stdlib.h>
#include <string.h>

#include "../common/text.h"
#include "daemon.h"
#include "show.h"

/* A new service is a file service_NAME.c and a row here. */
static const struct service_kind *const kinds[] = {
    &service_ping,
    &service_test,
    &service_syslog,
    &service_sensor,
};

#define N_KINDS (sizeof(kinds) / sizeof(kinds[0]))

/* One kind in a running node. */
struct service {
    struct daemon *daemon;
    size_t index;
    void *instance; /* NULL: off */
};

struct services {
    struct service of[N_KINDS];
};

size_t service_n_kinds(void)
{
    return N_KINDS;
}

const struct service_kind *service_kind_at(size_t index)
{
    return kinds[index];
}

/* The configuration may change while the service runs: it is looked up each time. */
static bool wants(void *ctx, const struct rpr_device *device)
{
    const struct service *service = ctx;

    return config_service_wants(&service->daemon->config.services[service->index],
                                rpr_device_name(device));
}

static bool open_one(struct service *service, char error[CONFIG_ERROR_BYTES])
{
    const struct rpr_service_scope scope = {.wants = wants, .ctx = service};
    const struct config_service *config = &service->daemon->config.services[service->index];

    service->instance = kinds[service->index]->open(service->daemon, config, &scope, error);
    return service->instance != NULL;
}

bool services_open(struct daemon *daemon, char error[CONFIG_ERROR_BYTES])
{
    daemon->services = need_memory(sizeof(*daemon->services));
    for (size_t i = 0; i < N_KINDS; i++) {
        struct service *service = &daemon->services->of[i];
        *service = (struct service){.daemon = daemon, .index = i};
        if (daemon->config.services[i].is_on && !open_one(service, error))
            return false;
    }
    return true;
}

static void close_one(struct service *service)
{
    if (service->instance != NULL)
        kinds[service->index]->close(service->instance);
    service->instance = NULL;
}

static void open_or_log(struct service *service)
{
    char error[CONFIG_ERROR_BYTES] = "";

    if (!open_one(service, error))
        daemon_log(service->daemon, RPR_LOG_ERROR, "%s; the service is off", error);
}

static void change_keys(struct service *service, const struct config_service *config)
{
    const struct service_kind *kind = kinds[service->index];
    char error[CONFIG_ERROR_BYTES] = "";

    if (kind->reconfigure == NULL) {
        close_one(service);
        open_or_log(service);
    } else if (!kind->reconfigure(service->instance, config, error)) {
        daemon_log(service->daemon, RPR_LOG_ERROR, "%s; the service goes on as it was", error);
    }
}

void services_change(struct daemon *daemon, const struct config *before)
{
    for (size_t i = 0; i < N_KINDS; i++) {
        struct service *service = &daemon->services->of[i];
        const struct config_service *now = &daemon->config.services[i];

        if (!now->is_on) {
            close_one(service);
            continue;
        }
        if (service->instance == NULL) {
            open_or_log(service);
            continue;
        }
        if (!config_service_same_keys(now, &before->services[i]))
            change_keys(service, now);
        if (service->instance != NULL)
            kinds[i]->look(service->instance);
    }
}

void services_stop(struct daemon *daemon)
{
    for (size_t i = 0; daemon->services != NULL && i < N_KINDS; i++)
        if (daemon->services->of[i].instance != NULL && kinds[i]->stop != NULL)
            kinds[i]->stop(daemon->services->of[i].instance);
}

bool services_stopped(struct daemon *daemon)
{
    for (size_t i = 0; daemon->services != NULL && i < N_KINDS; i++)
        if (daemon->services->of[i].instance != NULL && kinds[i]->stop != NULL &&
            !kinds[i]->stopped(daemon->services->of[i].instance))
            return false;
    return true;
}

void services_close(struct daemon *daemon)
{
    for (size_t i = 0; daemon->services != NULL && i < N_KINDS; i++)
        close_one(&daemon->services->of[i]);
    free(daemon->services);
    daemon->services = NULL;
}

void *service_instance(const struct daemon *daemon, const struct service_kind *kind)
{
    for (size_t i = 0; daemon->services != NULL && i < N_KINDS; i++)
        if (kinds[i] == kind)
            return daemon->services->of[i].instance;
    return NULL;
}

bool service_closed_at(const struct daemon *daemon, const struct service_kind *kind,
                       const struct rpr_device *device, struct rpr_service_closed *closed)
{
    const void *instance = service_instance(daemon, kind);

    for (unsigned n = 0; instance != NULL && kind->closed(instance, n, closed); n++)
        if (closed->device == device)
            return true;
    return false;
}

const struct service_kind *service_kind_find(const char *endpoint)
{
    for (size_t i = 0; i < N_KINDS; i++)
        if (strcmp(kinds[i]->endpoint, endpoint) == 0)
            return kinds[i];
    return NULL;
}

/* ---- what is shown ----------------------------------------------------------------------------------- */

static json_t *show_devices(const struct config_service *config)
{
    if (config->devices == NULL)
        return json_string("all");
    json_t *devices = json_array();
    for (size_t i = 0; config->devices[i] != NULL; i++)
        json_array_append_new(devices, json_string(config->devices[i]));
    return devices;
}

static json_t *show_closed(const struct service_kind *kind, const void *instance)
{
    json_t *all = json_array();
    struct rpr_service_closed closed;

    for (unsigned n = 0; kind->closed(instance, n, &closed); n++)
        json_array_append_new(all, json_pack("{s:o,s:s,s:I}", "device",
                                             show_text(rpr_device_name(closed.device)), "reason",
                                             closed.reason, "wait_ms",
                                             (json_int_t)(closed.wait_ns / 1000000)));
    return all;
}

static json_t *show_one(const struct config_service *config, const void *instance)
{
    json_t *keys = json_object();

    for (size_t i = 0; i < SERVICE_KEYS_MAX && config->kind->keys[i].name != NULL; i++)
        if (config->values[i] != NULL)
            json_object_set_new(keys, config->kind->keys[i].name, json_string(config->values[i]));
    return json_pack("{s:s,s:s,s:o,s:o,s:o}", "name", config->kind->name, "endpoint",
                     config->kind->endpoint, "on", show_devices(config), "keys", keys, "closed",
                     show_closed(config->kind, instance));
}

json_t *services_show(const struct daemon *daemon)
{
    json_t *all = json_array();

    for (size_t i = 0; i < N_KINDS; i++)
        if (daemon->services->of[i].instance != NULL)
            json_array_append_new(
                all, show_one(&daemon->config.services[i], daemon->services->of[i].instance));
    return all;
}

void service_stat(json_t *object, const char *service, const char *counter, uint64_t value)
{
    char *name = text_format("service.%s.%s", service, counter);

    json_object_set_new(object, name, json_integer((json_int_t)value));
    free(name);
}

void services_stats(const struct daemon *daemon, json_t *object)
{
    for (size_t i = 0; i < N_KINDS; i++)
        if (daemon->services->of[i].instance != NULL && kinds[i]->stats != NULL)
            kinds[i]->stats(daemon->services->of[i].instance, object);
}
