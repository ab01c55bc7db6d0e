/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Link URLs: KIND:PLACE[?key=value&...]. A kind of link is one struct url_kind in a file of its own,
 * and one line of the table in url.c.
 */
#ifndef POSIX_URL_H
#define POSIX_URL_H

#include <rpr/posix.h>

struct url_kind {
    const char *name;

    /* Parses and checks; opens nothing. 0 or -RPR_EINVAL with one line in `error`. */
    int (*check)(const char *url, char error[RPR_ERROR_TEXT]);

    /* The largest payload that a checked URL asks for. */
    uint32_t (*size)(const char *url);

    int (*open)(struct rpr_loop *loop, const char *remote, const char *url, struct rpr_link **link,
                char error[RPR_ERROR_TEXT]);
};

/* One key=value: a number, or one of some words. */
struct url_key {
    const char *name;
    size_t offset; /* of the uint32_t that gets the value, in the struct a kind parses into */
    uint32_t min, max;
    bool power_of_two;
    const char *const *words; /* ends with NULL; the value is the index. NULL: a number */
    const char *takes;        /* said about any other value */
};

/* Reads all keys after the '?' into `into`, where those that are not given stay as they are. */
int url_keys(const char *url, const struct url_key *keys, size_t n_keys, void *into,
             char error[RPR_ERROR_TEXT]);

/* What is between "KIND:" and '?', as long as a socket's path at most. `needs` is said if it is
 * empty. */
int url_place(const char *url, const char *needs, char place[RPR_UNIX_PATH_MAX + 1],
              char error[RPR_ERROR_TEXT]);

/* The same for a path of a file: it may not end in '/'. */
int url_path(const char *url, const char *needs, char path[RPR_UNIX_PATH_MAX + 1],
             char error[RPR_ERROR_TEXT]);

/* "URL: what"; always -RPR_EINVAL. */
int url_wrong(char error[RPR_ERROR_TEXT], const char *url, const char *what);

/* ---- the kinds ------------------------------------------------------------------------------------ */

extern const struct url_kind url_shm;
extern const struct url_kind url_pty, url_serial, url_unix, url_tcp;
extern const struct url_kind url_ivshmem;

#endif
