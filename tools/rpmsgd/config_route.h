/* SPDX-License-Identifier: Apache-2.0 */
/* Routes of a configuration: `A:B` or `all`, with keys. Private to config*.c. */
#ifndef RPMSGD_CONFIG_ROUTE_H
#define RPMSGD_CONFIG_ROUTE_H

#include "config.h"

/* The route of a section or option named `pair`, new or (never for a file) the one it overrides.
 * NULL: `error` says why. */
struct config_route *config_route_add(struct config *config, const char *pair, const char *where,
                                      bool override, char error[CONFIG_ERROR_BYTES]);

/* One key of a route; `where` is the line or option that has it. */
bool config_route_set(struct config_route *route, const char *key, const char *value,
                      const char *where, char error[CONFIG_ERROR_BYTES]);

/* --route TEXT */
bool config_route_option(struct config *config, const char *text, char error[CONFIG_ERROR_BYTES]);

bool config_route_check(const struct config *config, const struct config_route *route,
                        char error[CONFIG_ERROR_BYTES]);
void config_route_free(struct config_route *route);

#endif
