/* SPDX-License-Identifier: Apache-2.0 */
/* The configuration file (INTERFACE 2). Private to config.c. */
#ifndef RPMSGD_CONFIG_FILE_H
#define RPMSGD_CONFIG_FILE_H

#include "config.h"

/* Adds what the file says. False: `error` is "FILE:LINE: text" of the first line that is wrong. */
bool config_file_read(struct config *config, const char *path, char error[CONFIG_ERROR_BYTES]);

#endif
