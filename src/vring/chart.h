/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where the rings and buffers of a region are, from what its resource table says (WIRE 2.1, 3.3):
 * the driver chooses what the table leaves open, the device goes by what was chosen.
 */
#ifndef VRING_CHART_H
#define VRING_CHART_H

#include <rpr/vring.h>

#include "wire/resource.h"

/* One ring in memory, up to where the next may begin. */
uint32_t chart_ring_bytes(uint32_t num, uint32_t align);

/* Driver: places the rings, where the table does not, and the buffers in the table's pool, or behind
 * everything if it names none. `table_at`: where the table is in the region of `bytes`. The
 * buffers' sizes stand in the layout already. NULL, or why it cannot be. */
const char *chart_place(struct rpr_vring_layout *layout, const struct resource_table *table,
                        uint32_t table_at, uint64_t bytes);

/* Device: the rings are where the table says by now. NULL, or why not (yet). */
const char *chart_find(struct rpr_vring_layout *layout, const struct resource_vdev *vdev,
                       uint64_t bytes);

/* Both sides of layout "lite": rings from `at` on, one after the other, then the buffers. The sizes
 * stand in the layout already. NULL, or why it cannot be. */
const char *chart_row(struct rpr_vring_layout *layout, const struct resource_vdev *vdev,
                      uint32_t at, uint64_t bytes);

/* Device: the length of the next buffer to send in, as the driver's descriptor has it; 0: the driver
 * has given none yet. `region` is what `layout` was checked against. */
uint32_t chart_first_buffer(const struct rpr_vring_layout *layout, const uint8_t *region);

/* Has the driver given back buffers before it was given any? So does RPMsg-Lite's. */
bool chart_prefilled(const struct rpr_vring_layout *layout, const uint8_t *region);

#endif
