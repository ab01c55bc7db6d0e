/* SPDX-License-Identifier: Apache-2.0 */
/* A port of a virtio console as the carrier of a serial link. */
#ifndef FIRMWARE_UART_LINK_H
#define FIRMWARE_UART_LINK_H

#include <rpr/serial.h>

#include "baremetal/baremetal.h"

/* A link over that port of the console on virtio-mmio-bus.N; config->carrier and kind are filled in
 * here. Adds to the errors of rpr_serial_open(): -RPR_ENOENT (no such console or port), -RPR_ENOSPC
 * (too many). */
int uart_link_open(struct baremetal *bm, struct rpr_node *node, unsigned bus, unsigned port,
                   struct rpr_serial_config *config);

/* Has each of them written its last byte? */
bool uart_links_closed(void);

#endif
