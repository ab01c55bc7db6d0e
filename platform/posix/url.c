/* SPDX-License-Identifier: Apache-2.0 */
/* Link URLs : KIND:PLACE[?key=value&...]. */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include <rpr/posix.h>

#include "posix/shm.h"

#define KEY_SHOWN  64u /* bytes of what was given that an error repeats */
#define URL_SHOWN  120
#define WHAT_SHOWN 130

struct shm_url {
    char path[RPR_UNIX_PATH_MAX + 1];
    uint32_t listen; /* 1: driver */
    uint32_t buffers, size;
};

/* Known kinds that this version does not have. */
static const char *const later[] = {"pty",     "serial", "unix",           "tcp",
                                    "ivshmem", "spi",    "ivshmem-server", "vhost-user"};

static int wrong(char error[RPR_ERROR_TEXT], const char *url, const char *what)
{
    snprintf(error, RPR_ERROR_TEXT, "%.*s: %.*s", URL_SHOWN, url, WHAT_SHOWN, what);
    return -RPR_EINVAL;
}

/* ---- numbers and keys -------------------------------------------------------------------------------- */

/* Digits only, no more than fit in five bytes. */
static bool number(const char *text, size_t length, uint32_t *value)
{
    size_t i;

    *value = 0;
    for (i = 0; i < length; i++) {
        if (!isdigit((unsigned char)text[i]))
            return false;
        *value = *value * 10 + (uint32_t)(text[i] - '0');
    }
    return length >= 1 && length <= 5;
}

struct key {
    const char *name;
    uint32_t min, max;
    bool power_of_two;
    const char *takes;
};

static const struct key shm_keys[] = {
    {"listen", 0, 1, false, "listen takes 0 or 1"},
    {"buffers", 2, 32768, true, "buffers takes a power of two from 2 to 32768"},
    {"size", SESSION_MIN_PAYLOAD, 65519, false, "size takes 64 to 65519"},
};

#define N_SHM_KEYS (sizeof(shm_keys) / sizeof(shm_keys[0]))

static uint32_t *field(struct shm_url *u, size_t key)
{
    return key == 0 ? &u->listen : key == 1 ? &u->buffers : &u->size;
}

static size_t find_key(const char *text, size_t length)
{
    size_t k = 0;

    while (k < N_SHM_KEYS &&
           (strlen(shm_keys[k].name) != length || memcmp(shm_keys[k].name, text, length) != 0))
        k++;
    return k;
}

/* One key=value of `length` bytes. `given`: a bit for each key that came before. */
static int take_key(struct shm_url *u, const char *url, const char *text, size_t length,
                    unsigned *given, char error[RPR_ERROR_TEXT])
{
    char what[KEY_SHOWN + 64];
    const char *equals = memchr(text, '=', length);
    size_t name = equals ? (size_t)(equals - text) : length;
    size_t k = find_key(text, name);
    uint32_t value;

    if (k == N_SHM_KEYS) {
        snprintf(what, sizeof(what), "unknown key \"%.*s\" (listen, buffers, size)",
                 (int)(name < KEY_SHOWN ? name : KEY_SHOWN), text);
        return wrong(error, url, what);
    }
    if (*given & 1u << k) {
        snprintf(what, sizeof(what), "%s is given twice", shm_keys[k].name);
        return wrong(error, url, what);
    }
    *given |= 1u << k;
    if (!equals || !number(equals + 1, length - name - 1, &value) || value < shm_keys[k].min ||
        value > shm_keys[k].max || (shm_keys[k].power_of_two && (value & (value - 1))))
        return wrong(error, url, shm_keys[k].takes);
    *field(u, k) = value;
    return 0;
}

/* ---- shm: -------------------------------------------------------------------------------------------- */

static int parse_shm(struct shm_url *u, const char *url, char error[RPR_ERROR_TEXT])
{
    const char *path = strchr(url, ':') + 1;
    size_t length = strcspn(path, "?");
    const char *at = path + length;
    struct rpr_vring_layout layout;
    unsigned given = 0;

    *u = (struct shm_url){.buffers = SHM_DEFAULT_BUFFERS, .size = SHM_DEFAULT_PAYLOAD};
    if (length == 0 || path[length - 1] == '/')
        return wrong(error, url, "needs the path of a socket");
    if (length > RPR_UNIX_PATH_MAX)
        return wrong(error, url, "a socket's path has at most 100 bytes");
    memcpy(u->path, path, length);
    u->path[length] = '\0';
    while (*at) { /* at '?' or '&' */
        size_t n = strcspn(++at, "&");
        int code = take_key(u, url, at, n, &given, error);

        if (code)
            return code;
        at += n;
    }
    if (rpr_vring_layout_local(&layout, u->buffers, u->size) != 0)
        return wrong(error, url, "so many buffers of that size need more than 4 GiB");
    return 0;
}

static bool has_kind(const char *url, size_t length, const char *kind)
{
    return strlen(kind) == length && memcmp(url, kind, length) == 0;
}

static int parse(struct shm_url *u, const char *url, char error[RPR_ERROR_TEXT])
{
    size_t length = strcspn(url, ":");
    size_t i;

    if (url[length] != ':' || length == 0)
        return wrong(error, url, "is no link URL (KIND:PLACE, as shm:PATH)");
    if (has_kind(url, length, "shm"))
        return parse_shm(u, url, error);
    for (i = 0; i < sizeof(later) / sizeof(later[0]); i++)
        if (has_kind(url, length, later[i])) {
            (void)wrong(error, url, "not in this version");
            return -RPR_ENOTSUP;
        }
    return wrong(error, url, "unknown kind of link (shm)");
}

/* ---- names --------------------------------------------------------------------------------------------- */

static int check_name(const char *name, char error[RPR_ERROR_TEXT])
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                  "0123456789_.-";
    size_t length = strlen(name);

    if (length >= 1 && length <= RPR_NAME_MAX && strspn(name, allowed) == length)
        return 0;
    snprintf(error, RPR_ERROR_TEXT, "\"%.40s\": a CPU name has 1 to 31 bytes of A-Z a-z 0-9 _ . -",
             name);
    return -RPR_EINVAL;
}

int rpr_url_check(const char *remote, const char *url, char error[RPR_ERROR_TEXT])
{
    struct shm_url u;
    int code = check_name(remote, error);

    return code ? code : parse(&u, url, error);
}

uint32_t rpr_url_size(const char *url)
{
    char error[RPR_ERROR_TEXT];
    struct shm_url u;

    return parse(&u, url, error) ? 0 : u.size;
}

int rpr_url_open(struct rpr_loop *loop, const char *remote, const char *url, struct rpr_link **link,
                 char error[RPR_ERROR_TEXT])
{
    struct shm_url u;
    int code = check_name(remote, error);

    if (!code)
        code = parse(&u, url, error);
    if (code)
        return code;
    if (u.listen)
        return shm_listen(loop, remote, u.path, u.buffers, u.size, link, error);
    return shm_connect(loop, remote, u.path, link, error);
}
