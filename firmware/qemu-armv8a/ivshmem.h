/* SPDX-License-Identifier: Apache-2.0 */
/* QEMU's ivshmem-plain: memory shared with another machine, as a link. */
#ifndef FIRMWARE_IVSHMEM_H
#define FIRMWARE_IVSHMEM_H

#include <rpr/ivshmem.h>

/* A link over the `index`-th device, by slot; config->port is filled in here. Adds to the errors of
 * rpr_ivshmem_open(): -RPR_ENOENT (there is no such device), -RPR_ENOSPC (no room for so large a
 * region). */
int ivshmem_open(struct rpr_node *node, unsigned index, struct rpr_ivshmem_config *config);

#endif
