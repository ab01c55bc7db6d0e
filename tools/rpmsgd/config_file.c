/* SPDX-License-Identifier: Apache-2.0 */
/*
 * inih splits lines into sections, keys and values. It does not tell about sections without keys
 * (a route needs none), cuts long lines without a word, and goes on after an error; the reader
 * below it sees to these three.
 */
#include "config_file.h"

#include <errno.h>
#include <ini.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "../common/text.h"
#include "config_route.h"
#include "config_service.h"

/* inih keeps 49 bytes of a section's name. */
#define SECTION_MAX 48u

enum section { SECTION_NONE, SECTION_NODE, SECTION_LINK, SECTION_ROUTE, SECTION_SERVICE };

struct parse {
    struct config *config;
    const char *path;
    FILE *file;
    char *error;
    int line;
    bool failed;
    bool saw_node;
    enum section section;
    size_t index;                   /* of the section's link or route */
    struct config_service *service; /* of the section */
};

static bool fail(struct parse *parse, const char *text, const char *what)
{
    if (!parse->failed)
        snprintf(parse->error, CONFIG_ERROR_BYTES, "%s:%d: %s%s%s", parse->path, parse->line, text,
                 what[0] != '\0' ? " " : "", what);
    parse->failed = true;
    return false;
}

static char *where(const struct parse *parse)
{
    return text_format("%s:%d", parse->path, parse->line);
}

static bool begin_link(struct parse *parse, const char *remote)
{
    if (config_link_find(parse->config, remote) != NULL)
        return fail(parse, "a second section for the link", remote);
    char *at = where(parse);
    config_link_add(parse->config, remote, at);
    free(at);
    parse->section = SECTION_LINK;
    parse->index = parse->config->n_links - 1;
    return true;
}

static bool begin_route(struct parse *parse, const char *pair)
{
    char *at = where(parse);
    parse->failed = config_route_add(parse->config, pair, at, false, parse->error) == NULL;
    free(at);
    parse->section = SECTION_ROUTE;
    parse->index = parse->config->n_routes - 1;
    return !parse->failed;
}

static bool begin_service(struct parse *parse, const char *name)
{
    char *at = where(parse);
    parse->service = config_service_add(parse->config, name, at, false, parse->error);
    free(at);
    parse->failed = parse->service == NULL;
    parse->section = SECTION_SERVICE;
    return !parse->failed;
}

static bool begin_section(struct parse *parse, const char *name)
{
    parse->section = SECTION_NONE;
    if (strlen(name) > SECTION_MAX)
        return fail(parse, "the section's name is too long", "");
    if (strcmp(name, "node") == 0) {
        if (parse->saw_node)
            return fail(parse, "a second section [node]", "");
        parse->saw_node = true;
        parse->section = SECTION_NODE;
        return true;
    }
    if (strncmp(name, "link ", 5) == 0)
        return begin_link(parse, name + 5 + strspn(name + 5, " "));
    if (strncmp(name, "route ", 6) == 0)
        return begin_route(parse, name + 6 + strspn(name + 6, " "));
    if (strncmp(name, "service ", 8) == 0)
        return begin_service(parse, name + 8 + strspn(name + 8, " "));
    return fail(parse,
                "unknown section: use [node], [link REMOTE], [route A:B] or [service NAME], not",
                name);
}

/* Does the line open a section? Then its name is cut out of it. */
static char *section_of(char *line)
{
    static const char byte_order_mark[] = "\xEF\xBB\xBF";

    if (strncmp(line, byte_order_mark, 3) == 0)
        line += 3;
    line += strspn(line, " \t");
    char *end = strchr(line, ']');
    if (*line != '[' || end == NULL)
        return NULL;
    return strndup(line + 1, (size_t)(end - line - 1));
}

/* Called by inih for each line. */
static char *read_line(char *text, int size, void *user)
{
    struct parse *parse = user;

    if (parse->failed || fgets(text, size, parse->file) == NULL)
        return NULL;
    parse->line++;
    if (strchr(text, '\n') == NULL && !feof(parse->file)) {
        fail(parse, "the line is too long", "");
        return NULL;
    }
    char *name = section_of(text);
    if (name != NULL)
        begin_section(parse, name);
    free(name);
    return parse->failed ? NULL : text;
}

static bool take_node(struct parse *parse, const char *key, const char *value)
{
    bool is_name = strcmp(key, "name") == 0;

    if (!is_name && strcmp(key, "control") != 0)
        return fail(parse, "unknown key: [node] has name and control, not", key);
    if ((is_name ? parse->config->name : parse->config->control) != NULL)
        return fail(parse, "given before:", key);
    if (value[0] == '\0')
        return fail(parse, "no value for", key);
    if (is_name) {
        char *at = where(parse);
        config_set_name(parse->config, value, at);
        free(at);
    } else {
        parse->config->control = text_dup(value);
    }
    return true;
}

static bool take_link(struct parse *parse, const char *key, const char *value)
{
    struct config_link *link = &parse->config->links[parse->index];

    if (strcmp(key, "url") != 0)
        return fail(parse, "unknown key: a link has url, not", key);
    if (link->url != NULL)
        return fail(parse, "given before:", key);
    link->url = text_dup(value);
    free(link->where);
    link->where = where(parse);
    return true;
}

static bool take_route(struct parse *parse, const char *key, const char *value)
{
    char *at = where(parse);
    if (!config_route_set(&parse->config->routes[parse->index], key, value, at, parse->error))
        parse->failed = true;
    free(at);
    return !parse->failed;
}

static bool take_service(struct parse *parse, const char *key, const char *value)
{
    char *at = where(parse);
    if (!config_service_set(parse->service, key, value, at, parse->error))
        parse->failed = true;
    free(at);
    return !parse->failed;
}

/* Called by inih for each key. The section is the one that read_line() saw. */
static int take_key(void *user, const char *section, const char *key, const char *value)
{
    struct parse *parse = user;

    (void)section;
    if (parse->failed)
        return 0;
    switch (parse->section) {
    case SECTION_NODE:
        return take_node(parse, key, value);
    case SECTION_LINK:
        return take_link(parse, key, value);
    case SECTION_ROUTE:
        return take_route(parse, key, value);
    case SECTION_SERVICE:
        return take_service(parse, key, value);
    default:
        return fail(parse, "a key before the first section:", key);
    }
}

static bool fail_open(const char *path, const char *why, char error[CONFIG_ERROR_BYTES])
{
    snprintf(error, CONFIG_ERROR_BYTES, "%s: cannot read: %s", path, why);
    return false;
}

bool config_file_read(struct config *config, const char *path, char error[CONFIG_ERROR_BYTES])
{
    struct parse parse = {.config = config, .path = path, .error = error};
    struct stat status;

    parse.file = fopen(path, "re");
    if (parse.file == NULL)
        return fail_open(path, strerror(errno), error);
    if (fstat(fileno(parse.file), &status) == 0 && S_ISDIR(status.st_mode)) {
        fclose(parse.file);
        return fail_open(path, "it is a directory", error);
    }
    int line = ini_parse_stream(read_line, &parse, take_key, &parse);
    bool io_error = ferror(parse.file) != 0;
    fclose(parse.file);
    if (parse.failed)
        return false;
    if (io_error || line < 0)
        return fail_open(path, "input/output error", error);
    if (line > 0) {
        parse.line = line;
        return fail(&parse, "not a [section], key=value or comment", "");
    }
    return true;
}
