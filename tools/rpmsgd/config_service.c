/* SPDX-License-Identifier: Apache-2.0 */
#include "config_service.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../common/text.h"
#include "service.h"

void config_service_defaults(struct config *config)
{
    config->n_services = service_n_kinds();
    config->services = need_memory(config->n_services * sizeof(*config->services));
    for (size_t i = 0; i < config->n_services; i++) {
        struct config_service *service = &config->services[i];
        service->kind = service_kind_at(i);
        service->is_on = service->kind->by_default;
        service->where = text_format("rpmsgd: service %s", service->kind->name);
    }
}

static void devices_free(char **devices)
{
    for (size_t i = 0; devices != NULL && devices[i] != NULL; i++)
        free(devices[i]);
    free(devices);
}

static void values_free(struct config_service *service)
{
    for (size_t i = 0; i < SERVICE_KEYS_MAX; i++) {
        free(service->values[i]);
        service->values[i] = NULL;
    }
}

void config_service_free(struct config_service *service)
{
    devices_free(service->devices);
    values_free(service);
    free(service->where);
}

/* ---- what is said of one --------------------------------------------------------------------------- */

/* Names in a buffer, for an error. */
static const char *names_of_kinds(char *text, size_t size)
{
    size_t used = 0;

    for (size_t i = 0; i < service_n_kinds(); i++)
        used += (size_t)snprintf(text + used, size - used, "%s%s", i > 0 ? ", " : "",
                                 service_kind_at(i)->name);
    return text;
}

static struct config_service *service_find(const struct config *config, const char *name)
{
    for (size_t i = 0; i < config->n_services; i++)
        if (strcmp(config->services[i].kind->name, name) == 0)
            return &config->services[i];
    return NULL;
}

const struct config_service *config_service_find(const struct config *config, const char *name)
{
    return service_find(config, name);
}

/* Naming a service switches it on, everywhere unless `on` says where. */
static void begin(struct config_service *service, const char *where)
{
    devices_free(service->devices);
    service->devices = NULL;
    values_free(service);
    free(service->where);
    service->where = text_dup(where);
    service->is_on = true;
    service->given = true;
    service->on_given = false;
}

struct config_service *config_service_add(struct config *config, const char *name,
                                          const char *where, bool override,
                                          char error[CONFIG_ERROR_BYTES])
{
    struct config_service *service = service_find(config, name);
    char names[256];

    if (service == NULL) {
        config_error(error, where, "there is no service '%s': use %s", name,
                     names_of_kinds(names, sizeof(names)));
        return NULL;
    }
    if (service->given && (!override || strncmp(service->where, "rpmsgd:", 7) == 0)) {
        config_error(error, where, "the service '%s' was given before", name);
        return NULL;
    }
    begin(service, where);
    return service;
}

static bool add_device(struct config_service *service, char *name, const char *where,
                       char error[CONFIG_ERROR_BYTES])
{
    size_t count = 0;

    if (!text_is_cpu_name(name, RPR_NAME_MAX))
        return config_error(error, where, "'%s' is no CPU name: 1 to %u bytes of [A-Za-z0-9_.-]",
                            name, RPR_NAME_MAX);
    for (; service->devices != NULL && service->devices[count] != NULL; count++)
        if (strcmp(service->devices[count], name) == 0)
            return config_error(error, where, "'%s' is there twice", name);
    service->devices = need_array(service->devices, count + 2, sizeof(*service->devices));
    service->devices[count] = text_dup(name);
    service->devices[count + 1] = NULL;
    return true;
}

/* DEV,DEV... or all or none */
static bool set_on(struct config_service *service, const char *value, const char *where,
                   char error[CONFIG_ERROR_BYTES])
{
    char *names = text_dup(value);
    char *rest = names;
    bool ok = true;

    if (service->on_given)
        ok = config_error(error, where, "on was given before");
    service->on_given = true;
    service->is_on = strcmp(value, "none") != 0;
    if (service->is_on && strcmp(value, "all") != 0)
        while (ok && rest != NULL) {
            char *name = strsep(&rest, ",");
            name += strspn(name, " ");
            name[strcspn(name, " ")] = '\0';
            if (strcmp(name, "all") == 0 || strcmp(name, "none") == 0)
                ok = config_error(error, where, "'%s' stands alone, with no device", name);
            else
                ok = add_device(service, name, where, error);
        }
    free(names);
    return ok;
}

static bool set_value(struct config_service *service, size_t index, const char *value,
                      const char *where, char error[CONFIG_ERROR_BYTES])
{
    const struct service_key *key = &service->kind->keys[index];
    char why[CONFIG_ERROR_BYTES] = "";

    if (service->values[index] != NULL)
        return config_error(error, where, "%s was given before", key->name);
    if (value[0] == '\0')
        return config_error(error, where, "no value for %s", key->name);
    if (key->check != NULL && !key->check(value, why))
        return config_error(error, where, "%s '%s': %s", key->name, value, why);
    service->values[index] = text_dup(value);
    return true;
}

static bool unknown_key(const struct config_service *service, const char *key, const char *where,
                        char error[CONFIG_ERROR_BYTES])
{
    char keys[256] = "on";
    size_t used = 2;

    for (size_t i = 0; i < SERVICE_KEYS_MAX && service->kind->keys[i].name != NULL; i++)
        used +=
            (size_t)snprintf(keys + used, sizeof(keys) - used, ", %s", service->kind->keys[i].name);
    return config_error(error, where, "unknown key '%s': the service %s has %s", key,
                        service->kind->name, keys);
}

bool config_service_set(struct config_service *service, const char *key, const char *value,
                        const char *where, char error[CONFIG_ERROR_BYTES])
{
    if (strcmp(key, "on") == 0)
        return set_on(service, value, where, error);
    for (size_t i = 0; i < SERVICE_KEYS_MAX && service->kind->keys[i].name != NULL; i++)
        if (strcmp(service->kind->keys[i].name, key) == 0)
            return set_value(service, i, value, where, error);
    return unknown_key(service, key, where, error);
}

const char *service_value(const struct config_service *service, const char *key)
{
    for (size_t i = 0; i < SERVICE_KEYS_MAX && service->kind->keys[i].name != NULL; i++)
        if (strcmp(service->kind->keys[i].name, key) == 0)
            return service->values[i];
    return NULL;
}

/* ---- option ------------------------------------------------------------------------------------------ */

static bool option_values(struct config_service *service, char *rest, const char *where,
                          char error[CONFIG_ERROR_BYTES])
{
    while (rest != NULL) {
        char *word = strsep(&rest, ",");
        char *equals = strchr(word, '=');
        if (equals == NULL)
            return config_error(error, where, "'%s': write it as key=value", word);
        *equals = '\0';
        if (strcmp(word, "on") == 0)
            return config_error(error, where, "write the devices as %s@DEV,...",
                                service->kind->name);
        if (!config_service_set(service, word, equals + 1, where, error))
            return false;
    }
    return true;
}

bool config_service_option(struct config *config, const char *text, char error[CONFIG_ERROR_BYTES])
{
    char *where = text_format("rpmsgd: --service %s", text);
    char *values = text_dup(text);
    char *name = strsep(&values, ":");
    char *devices = name;

    strsep(&devices, "@");
    struct config_service *service = config_service_add(config, name, where, true, error);
    bool ok = service != NULL &&
              (devices == NULL || config_service_set(service, "on", devices, where, error)) &&
              option_values(service, values, where, error);
    free(name);
    free(where);
    return ok;
}

/* ---- all of it --------------------------------------------------------------------------------------- */

bool config_service_check(const struct config *config, const struct config_service *service,
                          char error[CONFIG_ERROR_BYTES])
{
    for (size_t i = 0; service->devices != NULL && service->devices[i] != NULL; i++)
        if (strcmp(service->devices[i], config->name) == 0)
            return config_error(error, service->where, "'%s' is this CPU itself", config->name);
    if (!service->is_on)
        for (size_t i = 0; i < SERVICE_KEYS_MAX; i++)
            if (service->values[i] != NULL)
                return config_error(error, service->where, "%s: the service is off (on=none)",
                                    service->kind->keys[i].name);
    return !service->is_on || service->kind->check == NULL || service->kind->check(service, error);
}

bool config_service_wants(const struct config_service *service, const char *device)
{
    if (!service->is_on || service->devices == NULL)
        return service->is_on;
    for (size_t i = 0; service->devices[i] != NULL; i++)
        if (strcmp(service->devices[i], device) == 0)
            return true;
    return false;
}

static bool same_text(const char *a, const char *b)
{
    return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

bool config_service_same_keys(const struct config_service *a, const struct config_service *b)
{
    for (size_t i = 0; i < SERVICE_KEYS_MAX; i++)
        if (!same_text(a->values[i], b->values[i]))
            return false;
    return true;
}
