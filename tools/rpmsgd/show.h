/* SPDX-License-Identifier: Apache-2.0 */
/* Everything of a node as JSON (INTERFACE 4). Peers choose names: what is not printable is replaced. */
#ifndef RPMSGD_SHOW_H
#define RPMSGD_SHOW_H

#include <jansson.h>
#include <stdbool.h>

#include <rpr/link.h>
#include <rpr/router.h>

json_t *show_text(const char *text);

/* False for the private links of clients: they are no devices of the node to anybody else. */
bool show_device(const struct rpr_device *device);

const char *show_state(enum rpr_device_state state);
const char *show_ept_state(enum rpr_ept_state state);
const char *show_route_state(enum rpr_route_state state);
const char *show_policy(enum rpr_policy policy);

/* A device without its endpoints. */
json_t *show_device_head(const struct rpr_device *device);

/* What `dump` adds to it: queues and kept announcements. */
void show_device_detail(struct rpr_device *device, json_t *object);

/* NULL: the endpoint is gone. */
json_t *show_endpoint(rpr_ept_t ept, bool detail);
json_t *show_buffer(const struct rpr_buffer_info *buffer, struct rpr_device *device);
json_t *show_route(const struct rpr_route_info *route, bool detail);

#endif
