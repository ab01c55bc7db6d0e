/* SPDX-License-Identifier: Apache-2.0 */
#include "posix/url.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#define KEY_SHOWN  64u /* bytes of what was given that an error repeats */
#define URL_SHOWN  120
#define WHAT_SHOWN 130
#define LIST_BYTES 128u
#define MAX_DIGITS 9u

static const struct url_kind *const kinds[] = {&url_shm,  &url_pty, &url_serial,
                                               &url_unix, &url_tcp, &url_ivshmem};

/* Known kinds that this version does not have. */
static const char *const later[] = {"spi", "ivshmem-server", "vhost-user"};

#define N_KINDS (sizeof(kinds) / sizeof(kinds[0]))
#define N_LATER (sizeof(later) / sizeof(later[0]))

int url_wrong(char error[RPR_ERROR_TEXT], const char *url, const char *what)
{
    snprintf(error, RPR_ERROR_TEXT, "%.*s: %.*s", URL_SHOWN, url, WHAT_SHOWN, what);
    return -RPR_EINVAL;
}

/* Adds a name to a list that is read by people. */
static void list(char text[LIST_BYTES], const char *name)
{
    size_t used = strlen(text);

    snprintf(text + used, LIST_BYTES - used, "%s%s", used ? ", " : "", name);
}

static bool equals(const char *text, size_t length, const char *word)
{
    return strlen(word) == length && memcmp(text, word, length) == 0;
}

/* ---- place ------------------------------------------------------------------------------------------- */

int url_place(const char *url, const char *needs, char place[RPR_UNIX_PATH_MAX + 1],
              char error[RPR_ERROR_TEXT])
{
    const char *at = strchr(url, ':') + 1;
    size_t length = strcspn(at, "?");

    if (length == 0)
        return url_wrong(error, url, needs);
    if (length > RPR_UNIX_PATH_MAX)
        return url_wrong(error, url, "a path has at most 100 bytes");
    memcpy(place, at, length);
    place[length] = '\0';
    return 0;
}

int url_path(const char *url, const char *needs, char path[RPR_UNIX_PATH_MAX + 1],
             char error[RPR_ERROR_TEXT])
{
    int code = url_place(url, needs, path, error);

    if (!code && path[strlen(path) - 1] == '/')
        code = url_wrong(error, url, needs);
    return code;
}

/* ---- keys -------------------------------------------------------------------------------------------- */

/* Digits only, and not too many. */
static bool number(const char *text, size_t length, uint32_t *value)
{
    size_t i;

    *value = 0;
    if (length < 1 || length > MAX_DIGITS)
        return false;
    for (i = 0; i < length; i++) {
        if (!isdigit((unsigned char)text[i]))
            return false;
        *value = *value * 10 + (uint32_t)(text[i] - '0');
    }
    return true;
}

static bool read_number(const struct url_key *key, const char *text, size_t length, uint32_t *value)
{
    return number(text, length, value) && *value >= key->min && *value <= key->max &&
           !(key->power_of_two && (*value & (*value - 1)));
}

static bool read_word(const struct url_key *key, const char *text, size_t length, uint32_t *value)
{
    for (*value = 0; key->words[*value]; ++*value)
        if (equals(text, length, key->words[*value]))
            return true;
    return false;
}

static int unknown_key(const char *url, const char *text, size_t length, const struct url_key *keys,
                       size_t n_keys, char error[RPR_ERROR_TEXT])
{
    char names[LIST_BYTES] = "";
    char what[KEY_SHOWN + LIST_BYTES + 32];
    size_t k;

    for (k = 0; k < n_keys; k++)
        list(names, keys[k].name);
    snprintf(what, sizeof(what), "unknown key \"%.*s\" (%s)",
             (int)(length < KEY_SHOWN ? length : KEY_SHOWN), text, names);
    return url_wrong(error, url, what);
}

struct reader {
    const char *url;
    const struct url_key *keys;
    size_t n_keys;
    char *into;
    unsigned given; /* a bit for each key that came */
};

/* One key=value of `length` bytes. */
static int take_key(struct reader *r, const char *text, size_t length, char error[RPR_ERROR_TEXT])
{
    const char *sign = memchr(text, '=', length);
    size_t name = sign ? (size_t)(sign - text) : length;
    size_t value_length = sign ? length - name - 1 : 0;
    const struct url_key *key;
    char what[KEY_SHOWN];
    uint32_t value;
    size_t k = 0;
    bool good;

    while (k < r->n_keys && !equals(text, name, r->keys[k].name))
        k++;
    if (k == r->n_keys)
        return unknown_key(r->url, text, name, r->keys, r->n_keys, error);
    key = &r->keys[k];
    if (r->given & 1u << k) {
        snprintf(what, sizeof(what), "%s is given twice", key->name);
        return url_wrong(error, r->url, what);
    }
    r->given |= 1u << k;
    good = sign && (key->words ? read_word(key, sign + 1, value_length, &value)
                               : read_number(key, sign + 1, value_length, &value));
    if (!good)
        return url_wrong(error, r->url, key->takes);
    memcpy(r->into + key->offset, &value, sizeof(value));
    return 0;
}

int url_keys(const char *url, const struct url_key *keys, size_t n_keys, void *into,
             char error[RPR_ERROR_TEXT])
{
    struct reader r = {.url = url, .keys = keys, .n_keys = n_keys, .into = into};
    const char *at = url + strcspn(url, "?");

    while (*at) { /* at '?' or '&' */
        size_t length = strcspn(++at, "&");
        int code = take_key(&r, at, length, error);

        if (code)
            return code;
        at += length;
    }
    return 0;
}

/* ---- kinds ------------------------------------------------------------------------------------------- */

static int unknown_kind(const char *url, size_t length, char error[RPR_ERROR_TEXT])
{
    char names[LIST_BYTES] = "";
    char what[LIST_BYTES + 32];
    size_t i;

    for (i = 0; i < N_LATER; i++)
        if (equals(url, length, later[i])) {
            (void)url_wrong(error, url, "not in this version");
            return -RPR_ENOTSUP;
        }
    for (i = 0; i < N_KINDS; i++)
        list(names, kinds[i]->name);
    snprintf(what, sizeof(what), "unknown kind of link (%s)", names);
    return url_wrong(error, url, what);
}

/* NULL: `*code` says why. */
static const struct url_kind *find_kind(const char *url, int *code, char error[RPR_ERROR_TEXT])
{
    size_t length = strcspn(url, ":");
    size_t i;

    if (url[length] != ':' || length == 0) {
        *code = url_wrong(error, url, "is no link URL (KIND:PLACE, as shm:PATH)");
        return NULL;
    }
    for (i = 0; i < N_KINDS; i++)
        if (equals(url, length, kinds[i]->name)) {
            *code = 0;
            return kinds[i];
        }
    *code = unknown_kind(url, length, error);
    return NULL;
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

/* ---- public -------------------------------------------------------------------------------------------- */

int rpr_url_check(const char *remote, const char *url, char error[RPR_ERROR_TEXT])
{
    int code = check_name(remote, error);
    const struct url_kind *kind = code ? NULL : find_kind(url, &code, error);

    return kind ? kind->check(url, error) : code;
}

uint32_t rpr_url_size(const char *url)
{
    char error[RPR_ERROR_TEXT];
    int code;
    const struct url_kind *kind = find_kind(url, &code, error);

    return kind && kind->check(url, error) == 0 ? kind->size(url) : 0;
}

int rpr_url_open(struct rpr_loop *loop, const char *remote, const char *url, struct rpr_link **link,
                 char error[RPR_ERROR_TEXT])
{
    int code = check_name(remote, error);
    const struct url_kind *kind = code ? NULL : find_kind(url, &code, error);

    return kind ? kind->open(loop, remote, url, link, error) : code;
}
