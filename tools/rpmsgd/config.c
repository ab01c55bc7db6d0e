/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rpr/posix.h>

#include "../common/text.h"
#include "config_file.h"
#include "config_route.h"
#include "config_service.h"

/* ---- tables -------------------------------------------------------------------------------------- */

static struct config_link *link_find(const struct config *config, const char *remote)
{
    for (size_t i = 0; i < config->n_links; i++)
        if (strcmp(config->links[i].remote, remote) == 0)
            return &config->links[i];
    return NULL;
}

const struct config_link *config_link_find(const struct config *config, const char *remote)
{
    return link_find(config, remote);
}

struct config_link *config_link_add(struct config *config, const char *remote, const char *where)
{
    config->links = need_array(config->links, config->n_links + 1, sizeof(*config->links));
    struct config_link *link = &config->links[config->n_links++];
    *link = (struct config_link){.remote = text_dup(remote), .where = text_dup(where)};
    return link;
}

bool config_link_equal(const struct config_link *a, const struct config_link *b)
{
    return strcmp(a->remote, b->remote) == 0 && strcmp(a->url, b->url) == 0;
}

static void link_free(struct config_link *link)
{
    free(link->remote);
    free(link->url);
    free(link->where);
}

void config_free(struct config *config)
{
    for (size_t i = 0; i < config->n_links; i++)
        link_free(&config->links[i]);
    for (size_t i = 0; i < config->n_routes; i++)
        config_route_free(&config->routes[i]);
    for (size_t i = 0; i < config->n_services; i++)
        config_service_free(&config->services[i]);
    free(config->links);
    free(config->routes);
    free(config->services);
    free(config->name);
    free(config->name_where);
    free(config->control);
    memset(config, 0, sizeof(*config));
}

uint32_t config_payload(const struct config *config)
{
    uint32_t payload = 0;

    for (size_t i = 0; i < config->n_links; i++) {
        uint32_t size = rpr_url_size(config->links[i].url);
        if (size > payload)
            payload = size;
    }
    return payload;
}

/* ---- options over file --------------------------------------------------------------------------- */

void config_set_name(struct config *config, const char *name, const char *where)
{
    free(config->name);
    free(config->name_where);
    config->name = text_dup(name);
    config->name_where = text_dup(where);
}

bool config_error(char error[CONFIG_ERROR_BYTES], const char *where, const char *format, ...)
{
    va_list args;
    int used = snprintf(error, CONFIG_ERROR_BYTES, "%s: ", where);

    if (used > 0 && (size_t)used < CONFIG_ERROR_BYTES) {
        va_start(args, format);
        vsnprintf(error + used, CONFIG_ERROR_BYTES - (size_t)used, format, args);
        va_end(args);
    }
    return false;
}

static bool option_link(struct config *config, const char *text, char error[CONFIG_ERROR_BYTES])
{
    const char *equals = strchr(text, '=');
    int shown =
        equals != NULL ? (int)(equals - text) : -1; /* what is wrong with the URL repeats it */
    char *where = text_format("rpmsgd: --link %.*s", shown, text);
    bool ok = equals != NULL || config_error(error, where, "write it as REMOTE=URL");

    if (ok) {
        char *remote = strndup(text, (size_t)(equals - text));
        struct config_link *link = link_find(config, remote);
        if (link != NULL && strncmp(link->where, "rpmsgd:", 7) == 0)
            ok = config_error(error, where, "the link '%s' was given before", remote);
        else if (link == NULL)
            link = config_link_add(config, remote, where);
        if (ok) {
            free(link->url);
            free(link->where);
            link->url = text_dup(equals + 1);
            link->where = text_dup(where);
        }
        free(remote);
    }
    free(where);
    return ok;
}

static bool options_apply(struct config *config, const struct options *options,
                          char error[CONFIG_ERROR_BYTES])
{
    if (options->name != NULL) {
        char *where = text_format("rpmsgd: --name %s", options->name);
        config_set_name(config, options->name, where);
        free(where);
    }
    if (options->control != NULL) {
        free(config->control);
        config->control = text_dup(options->control);
    }
    for (size_t i = 0; i < options->n_links; i++)
        if (!option_link(config, options->links[i], error))
            return false;
    for (size_t i = 0; i < options->n_routes; i++)
        if (!config_route_option(config, options->routes[i], error))
            return false;
    for (size_t i = 0; i < options->n_services; i++)
        if (!config_service_option(config, options->services[i], error))
            return false;
    return true;
}

/* ---- checks -------------------------------------------------------------------------------------- */

static bool check_name(const struct config *config, const struct options *options,
                       char error[CONFIG_ERROR_BYTES])
{
    if (config->name == NULL)
        return config_error(error, options->file != NULL ? options->file : "rpmsgd",
                            "this CPU has no name: give --name NAME%s",
                            options->file != NULL ? " or name= under [node]" : "");
    if (!text_is_cpu_name(config->name, RPR_NAME_MAX))
        return config_error(error, config->name_where,
                            "a CPU name is 1 to %u bytes of [A-Za-z0-9_.-]", RPR_NAME_MAX);
    if (strcmp(config->name, "all") == 0)
        return config_error(error, config->name_where, "no CPU can be called 'all'");
    return true;
}

static bool check_control(const struct config *config, char error[CONFIG_ERROR_BYTES])
{
    size_t length = config->control != NULL ? strlen(config->control) : 1;

    return (length >= 1 && length <= RPR_UNIX_PATH_MAX) ||
           config_error(error, "rpmsgd", "control socket '%s': a path of 1 to %u bytes",
                        config->control, RPR_UNIX_PATH_MAX);
}

/* Two links never meet their peers at one place. */
static bool same_place(const char *a, const char *b)
{
    size_t length = strcspn(a, "?");

    return length == strcspn(b, "?") && memcmp(a, b, length) == 0;
}

static bool check_place(const struct config *config, const struct config_link *link,
                        char error[CONFIG_ERROR_BYTES])
{
    for (const struct config_link *other = config->links; other != link; other++)
        if (same_place(other->url, link->url))
            return config_error(error, link->where, "%.*s: the link '%s' is there",
                                (int)strcspn(link->url, "?"), link->url, other->remote);
    return true;
}

static bool check_link(const struct config *config, const struct config_link *link,
                       char error[CONFIG_ERROR_BYTES])
{
    char why[RPR_ERROR_TEXT] = "";

    if (!text_is_cpu_name(link->remote, RPR_NAME_MAX))
        return config_error(error, link->where,
                            "'%s' is no CPU name: 1 to %u bytes of [A-Za-z0-9_.-]", link->remote,
                            RPR_NAME_MAX);
    if (strcmp(link->remote, config->name) == 0)
        return config_error(error, link->where, "'%s' is this CPU itself", link->remote);
    if (strcmp(link->remote, "all") == 0)
        return config_error(error, link->where, "no CPU can be called 'all'");
    if (link->url == NULL)
        return config_error(error, link->where, "the link has no url=");
    if (rpr_url_check(link->remote, link->url, why) != 0)
        return config_error(error, link->where, "%s", why);
    return check_place(config, link, error);
}

static bool check(const struct config *config, const struct options *options,
                  char error[CONFIG_ERROR_BYTES])
{
    if (!check_name(config, options, error) || !check_control(config, error))
        return false;
    for (size_t i = 0; i < config->n_links; i++)
        if (!check_link(config, &config->links[i], error))
            return false;
    for (size_t i = 0; i < config->n_routes; i++)
        if (!config_route_check(config, &config->routes[i], error))
            return false;
    for (size_t i = 0; i < config->n_services; i++)
        if (!config_service_check(config, &config->services[i], error))
            return false;
    return true;
}

bool config_load(struct config *config, const struct options *options,
                 char error[CONFIG_ERROR_BYTES])
{
    memset(config, 0, sizeof(*config));
    config_service_defaults(config);
    if ((options->file == NULL || config_file_read(config, options->file, error)) &&
        options_apply(config, options, error) && check(config, options, error))
        return true;
    config_free(config);
    return false;
}
