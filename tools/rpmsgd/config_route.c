/* SPDX-License-Identifier: Apache-2.0 */
#include "config_route.h"

#include <stdlib.h>
#include <string.h>

#include "../common/text.h"

#define QUOTA_MAX    65536u
#define BLOCK_MS_MAX 60000u

static const struct {
    const char *word;
    enum rpr_policy policy;
} policies[] = {
    {"credit", RPR_POLICY_CREDIT},
    {"drop-newest", RPR_POLICY_DROP_NEWEST},
    {"drop-oldest", RPR_POLICY_DROP_OLDEST},
    {"block", RPR_POLICY_BLOCK},
};

static bool same_text(const char *a, const char *b)
{
    return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

static bool is_pair(const struct config_route *route, const char *a, const char *b)
{
    return (same_text(route->a, a) && same_text(route->b, b)) ||
           (same_text(route->a, b) && same_text(route->b, a));
}

static struct config_route *route_find(const struct config *config, const char *a, const char *b)
{
    for (size_t i = 0; i < config->n_routes; i++)
        if (is_pair(&config->routes[i], a, b))
            return &config->routes[i];
    return NULL;
}

const struct config_route *config_route_find(const struct config *config, const char *a,
                                             const char *b)
{
    return route_find(config, a, b);
}

static bool same_services(char **a, char **b)
{
    if (a == NULL || b == NULL)
        return a == b;
    for (; *a != NULL && *b != NULL; a++, b++)
        if (strcmp(*a, *b) != 0)
            return false;
    return *a == *b;
}

bool config_route_equal(const struct config_route *a, const struct config_route *b)
{
    return is_pair(a, b->a, b->b) && a->policy == b->policy && a->quota == b->quota &&
           a->block_ms == b->block_ms && same_services(a->services, b->services);
}

static void services_free(char **services)
{
    for (size_t i = 0; services != NULL && services[i] != NULL; i++)
        free(services[i]);
    free(services);
}

void config_route_free(struct config_route *route)
{
    free(route->a);
    free(route->b);
    free(route->where);
    services_free(route->services);
}

/* A new route takes over `a` and `b`. */
static struct config_route *append(struct config *config, char *a, char *b, const char *where)
{
    config->routes = need_array(config->routes, config->n_routes + 1, sizeof(*config->routes));
    struct config_route *route = &config->routes[config->n_routes++];
    *route = (struct config_route){.a = a, .b = b, .where = text_dup(where)};
    return route;
}

/* An option replaces what the file says of the same pair. */
static void reset(struct config_route *route, const char *where)
{
    struct config_route fresh = {.a = route->a, .b = route->b, .where = text_dup(where)};

    route->a = NULL;
    route->b = NULL;
    config_route_free(route);
    *route = fresh;
}

struct config_route *config_route_add(struct config *config, const char *pair, const char *where,
                                      bool override, char error[CONFIG_ERROR_BYTES])
{
    const char *colon = strchr(pair, ':');
    bool all = strcmp(pair, "all") == 0;

    if (!all && colon == NULL) {
        config_error(error, where, "write the route as A:B, or all");
        return NULL;
    }
    char *a = all ? NULL : strndup(pair, (size_t)(colon - pair));
    char *b = all ? NULL : text_dup(colon + 1);
    struct config_route *route = route_find(config, a, b);
    if (route == NULL)
        return append(config, a, b, where);
    free(a);
    free(b);
    if (!override || strncmp(route->where, "rpmsgd:", 7) == 0) {
        config_error(error, where, "the route %s was given before", pair);
        return NULL;
    }
    reset(route, where);
    return route;
}

static bool set_policy(struct config_route *route, const char *value, const char *where,
                       char error[CONFIG_ERROR_BYTES])
{
    for (size_t i = 0; i < sizeof(policies) / sizeof(policies[0]); i++)
        if (strcmp(policies[i].word, value) == 0) {
            route->policy = policies[i].policy;
            return true;
        }
    return config_error(error, where, "policy '%s': use credit, drop-newest, drop-oldest or block",
                        value);
}

static bool set_services(struct config_route *route, const char *value, const char *where,
                         char error[CONFIG_ERROR_BYTES])
{
    size_t count = 0;

    for (const char *name = value;; name++) {
        size_t length = strcspn(name, "+");
        if (length == 0 || length > RPR_ROUTED_SERVICE_MAX)
            return config_error(error, where, "services '%s': names of 1 to %u bytes, joined by +",
                                value, RPR_ROUTED_SERVICE_MAX);
        route->services = need_array(route->services, count + 2, sizeof(*route->services));
        route->services[count++] = strndup(name, length);
        route->services[count] = NULL;
        name += length;
        if (*name == '\0')
            return true;
    }
}

static bool set_number(uint32_t *number, const char *key, const char *value, uint32_t max,
                       const char *where, char error[CONFIG_ERROR_BYTES])
{
    return text_to_u32(value, 1, max, number) ||
           config_error(error, where, "%s '%s': a number from 1 to %u", key, value, max);
}

bool config_route_set(struct config_route *route, const char *key, const char *value,
                      const char *where, char error[CONFIG_ERROR_BYTES])
{
    bool again = (strcmp(key, "policy") == 0 && route->policy != RPR_POLICY_DEFAULT) ||
                 (strcmp(key, "services") == 0 && route->services != NULL) ||
                 (strcmp(key, "quota") == 0 && route->quota != 0) ||
                 (strcmp(key, "block_ms") == 0 && route->block_ms != 0);

    if (again)
        return config_error(error, where, "%s was given before", key);
    if (strcmp(key, "policy") == 0)
        return set_policy(route, value, where, error);
    if (strcmp(key, "services") == 0)
        return set_services(route, value, where, error);
    if (strcmp(key, "quota") == 0)
        return set_number(&route->quota, key, value, QUOTA_MAX, where, error);
    if (strcmp(key, "block_ms") == 0)
        return set_number(&route->block_ms, key, value, BLOCK_MS_MAX, where, error);
    return config_error(error, where,
                        "unknown key '%s': a route has policy, services, quota and block_ms", key);
}

static bool set_word(struct config_route *route, char *word, const char *where,
                     char error[CONFIG_ERROR_BYTES])
{
    char *equals = strchr(word, '=');

    if (equals == NULL)
        return config_error(error, where, "'%s': write it as key=value", word);
    *equals = '\0';
    return config_route_set(route, word, equals + 1, where, error);
}

bool config_route_option(struct config *config, const char *text, char error[CONFIG_ERROR_BYTES])
{
    char *where = text_format("rpmsgd: --route %s", text);
    char *words = text_dup(text);
    char *rest = words;
    struct config_route *route = config_route_add(config, strsep(&rest, ","), where, true, error);
    bool ok = route != NULL;

    while (ok && rest != NULL)
        ok = set_word(route, strsep(&rest, ","), where, error);
    free(words);
    free(where);
    return ok;
}

static bool check_end(const struct config *config, const struct config_route *route,
                      const char *name, char error[CONFIG_ERROR_BYTES])
{
    if (!text_is_cpu_name(name, RPR_ROUTED_CPU_MAX))
        return config_error(error, route->where,
                            "'%s' cannot be routed: a routed CPU has a name of 1 to %u bytes of "
                            "[A-Za-z0-9_.-]",
                            name, RPR_ROUTED_CPU_MAX);
    if (config_link_find(config, name) == NULL)
        return config_error(error, route->where, "there is no link to '%s'", name);
    return true;
}

bool config_route_check(const struct config *config, const struct config_route *route,
                        char error[CONFIG_ERROR_BYTES])
{
    if (route->block_ms != 0 && route->policy != RPR_POLICY_BLOCK)
        return config_error(error, route->where, "block_ms is for policy=block only");
    if (route->a == NULL)
        return true;
    if (!check_end(config, route, route->a, error) || !check_end(config, route, route->b, error))
        return false;
    if (strcmp(route->a, route->b) == 0)
        return config_error(error, route->where, "a route has two different ends");
    return true;
}
