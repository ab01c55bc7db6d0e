/* SPDX-License-Identifier: Apache-2.0 */
/* What a node is made of: the configuration file with the options laid over it, checked. */
#ifndef RPMSGD_CONFIG_H
#define RPMSGD_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <rpr/router.h>

#include "options.h"

#define CONFIG_ERROR_BYTES 1024u

struct config_link {
    char *remote, *url; /* url NULL: a section without one, an error unless an option gives it */
    char *where;        /* it was said, as an error begins: "FILE:LINE" or "rpmsgd: --link X=..." */
};

struct config_route {
    char *a, *b; /* NULL, NULL: every pair of links */
    enum rpr_policy policy;
    uint32_t quota, block_ms; /* 0: not given */
    char **services;          /* ends with NULL; or NULL: all */
    char *where;
};

struct service_kind;

/* One service; there is one of each kind, on or off. */
struct config_service {
    const struct service_kind *kind;
    bool is_on;
    bool given, on_given; /* in the file or an option; so was `on` */
    char **devices;       /* ends with NULL; or NULL: every one */
    char *values[8]; /* of the kind's keys, in their order (SERVICE_KEYS_MAX); NULL: not given */
    char *where;
};

struct config {
    char *name, *control; /* control NULL: the default path */
    char *name_where;
    struct config_link *links;
    size_t n_links;
    struct config_route *routes;
    size_t n_routes;
    struct config_service *services; /* one of each kind, in their order */
    size_t n_services;
};

/* Reads the file, if one is named, lays the options over it and checks all of it; opens nothing.
 * False: `error` is one line, and `config` is empty. */
bool config_load(struct config *config, const struct options *options,
                 char error[CONFIG_ERROR_BYTES]);
void config_free(struct config *config);

/* The largest payload that any link asks for. */
uint32_t config_payload(const struct config *config);

const struct config_link *config_link_find(const struct config *config, const char *remote);

/* In either order of the names. */
const struct config_route *config_route_find(const struct config *config, const char *a,
                                             const char *b);

const struct config_service *config_service_find(const struct config *config, const char *name);

/* Is the service to be on the device of that name? */
bool config_service_wants(const struct config_service *service, const char *device);
bool config_service_same_keys(const struct config_service *a, const struct config_service *b);

bool config_link_equal(const struct config_link *a, const struct config_link *b);
bool config_route_equal(const struct config_route *a, const struct config_route *b);

struct config_link *config_link_add(struct config *config, const char *remote, const char *where);
void config_set_name(struct config *config, const char *name, const char *where);

/* Formats "WHERE: ..." into `error`; always false. */
bool config_error(char error[CONFIG_ERROR_BYTES], const char *where, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
