/* SPDX-License-Identifier: Apache-2.0 */
/* Services of a configuration: `NAME[@DEV,...][:key=value,...]`. Private to config*.c. */
#ifndef RPMSGD_CONFIG_SERVICE_H
#define RPMSGD_CONFIG_SERVICE_H

#include "config.h"

/* The table of all services, with what is on by default. */
void config_service_defaults(struct config *config);

/* The service of a section or option named `name`; an option replaces (`override`) what the file says
 * of it. NULL: `error` says why. */
struct config_service *config_service_add(struct config *config, const char *name,
                                          const char *where, bool override,
                                          char error[CONFIG_ERROR_BYTES]);

/* One key of a service, or `on`; `where` is the line or option that has it. */
bool config_service_set(struct config_service *service, const char *key, const char *value,
                        const char *where, char error[CONFIG_ERROR_BYTES]);

/* --service TEXT */
bool config_service_option(struct config *config, const char *text, char error[CONFIG_ERROR_BYTES]);

bool config_service_check(const struct config *config, const struct config_service *service,
                          char error[CONFIG_ERROR_BYTES]);
void config_service_free(struct config_service *service);

#endif
