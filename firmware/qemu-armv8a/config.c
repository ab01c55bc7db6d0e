/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include <string.h>

#include "words.h"

#define WORD 160u

struct choice {
    const char *word;
    uint32_t value;
};

static const struct choice roles[] = {
    {"master", RPR_IVSHMEM_MASTER}, {"slave", RPR_IVSHMEM_SLAVE}, {NULL, 0}};
static const struct choice layouts[] = {
    {"rptun", RPR_IVSHMEM_RPTUN}, {"lite", RPR_IVSHMEM_LITE}, {NULL, 0}};
static const struct choice crcs[] = {{"auto", RPR_SERIAL_CRC_AUTO},
                                     {"off", RPR_SERIAL_CRC_OFF},
                                     {"require", RPR_SERIAL_CRC_REQUIRE},
                                     {NULL, 0}};

static bool choose(const struct choice *choice, const char *word, uint32_t *value)
{
    while (choice->word && strcmp(choice->word, word) != 0)
        choice++;
    *value = choice->value;
    return choice->word;
}

/* One "key=value" of a link over memory. */
static bool set_ivshmem(struct rpr_ivshmem_config *c, const char *key, const char *value)
{
    uint32_t n;

    if (strcmp(key, "role") == 0 && choose(roles, value, &n))
        c->role = n;
    else if (strcmp(key, "layout") == 0 && choose(layouts, value, &n))
        c->layout = n;
    else if (strcmp(key, "buffers") == 0 && words_number(value, &n))
        c->num = n;
    else if (strcmp(key, "size") == 0 && words_number(value, &n))
        c->payload = n;
    else
        return false;
    return true;
}

static bool set_serial(struct rpr_serial_config *c, const char *key, const char *value)
{
    uint32_t n;

    if (strcmp(key, "crc") == 0 && choose(crcs, value, &n))
        c->crc = n;
    else if (strcmp(key, "size") == 0 && words_number(value, &n))
        c->size = n;
    else if (strcmp(key, "buffers") == 0 && words_number(value, &n))
        c->buffers = n;
    else if (strcmp(key, "window") == 0 && words_number(value, &n))
        c->window = n;
    else if (strcmp(key, "relax") == 0 && words_number(value, &n))
        c->relax_ms = n;
    else
        return false;
    return true;
}

static bool set_keys(struct config_link *link, char *keys)
{
    while (keys && *keys) {
        char *next = words_cut(keys, '&'), *value = words_cut(keys, '=');

        if (!value)
            return false;
        if (!(link->kind == CONFIG_UART ? set_serial(&link->serial, keys, value)
                                        : set_ivshmem(&link->ivshmem, keys, value)))
            return false;
        keys = next;
    }
    return true;
}

/* "REMOTE=ivshmem:N?..." or "REMOTE=uart:N.PORT?..." */
static bool add_link(struct config *config, char *text)
{
    struct config_link *link = &config->links[config->n_links];
    char *kind = words_cut(text, '='), *device = kind ? words_cut(kind, ':') : NULL;
    char *keys = device ? words_cut(device, '?') : NULL, *port;

    if (!device || config->n_links == CONFIG_LINKS || !*text || strlen(text) > RPR_NAME_MAX)
        return false;
    *link = (struct config_link){.kind = strcmp(kind, "uart") == 0 ? CONFIG_UART : CONFIG_IVSHMEM};
    strcpy(link->remote, text);
    port = words_cut(device, '.');
    if (link->kind == CONFIG_IVSHMEM && (strcmp(kind, "ivshmem") != 0 || port))
        return false;
    if (!words_number(device, &link->device) || (port && !words_number(port, &link->port)) ||
        !set_keys(link, keys))
        return false;
    link->ivshmem.remote = link->serial.remote = link->remote;
    config->n_links++;
    return true;
}

static bool add_route(struct config *config, char *text)
{
    struct config_route *route = &config->routes[config->n_routes];
    char *b = words_cut(text, ':');

    if (config->n_routes == CONFIG_ROUTES)
        return false;
    *route = (struct config_route){"", ""};
    if (b) {
        if (!*text || !*b || strlen(text) > RPR_ROUTED_CPU_MAX || strlen(b) > RPR_ROUTED_CPU_MAX)
            return false;
        strcpy(route->a, text);
        strcpy(route->b, b);
    } else if (strcmp(text, "all") != 0) {
        return false;
    }
    config->n_routes++;
    return true;
}

static bool set_name(struct config *config, const char *text)
{
    if (!*text || strlen(text) > RPR_NAME_MAX)
        return false;
    strcpy(config->name, text);
    return true;
}

static bool set_syslog(struct config *config, const char *text)
{
    if (!*text || strlen(text) > RPR_NAME_MAX)
        return false;
    strcpy(config->syslog, text);
    return true;
}

/* As a NuttX board that is the slave of another. */
static void choose_syslog(struct config *config)
{
    for (unsigned i = 0; i < config->n_links && !*config->syslog; i++)
        if (config->links[i].kind == CONFIG_IVSHMEM &&
            config->links[i].ivshmem.role == RPR_IVSHMEM_SLAVE)
            strcpy(config->syslog, config->links[i].remote);
    if (strcmp(config->syslog, "none") == 0)
        config->syslog[0] = '\0';
}

static bool take_word(struct config *config, char *word)
{
    char *value = words_cut(word, '=');

    if (!value)
        return false;
    if (strcmp(word, "name") == 0)
        return set_name(config, value);
    if (strcmp(word, "link") == 0)
        return add_link(config, value);
    if (strcmp(word, "syslog") == 0)
        return set_syslog(config, value);
    return strcmp(word, "route") == 0 && add_route(config, value);
}

void config_parse(struct config *config, const char *text, void (*report)(const char *word))
{
    *config = (struct config){.name = "node"};
    while (*(text += strspn(text, " "))) {
        size_t n = strcspn(text, " ");
        char word[WORD], shown[WORD];

        if (n >= sizeof word) {
            report("a word that is too long");
        } else {
            memcpy(word, text, n);
            word[n] = '\0';
            strcpy(shown, word);
            if (!take_word(config, word))
                report(shown);
        }
        text += n;
    }
    choose_syslog(config);
}
