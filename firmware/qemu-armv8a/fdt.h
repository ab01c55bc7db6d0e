/* SPDX-License-Identifier: Apache-2.0 */
/* The device tree that QEMU leaves in memory (Devicetree Specification 0.4, chapter 5). */
#ifndef FIRMWARE_FDT_H
#define FIRMWARE_FDT_H

#include <stddef.h>

/* The value of a property of a node one level below the root, whose name is `node` or begins with it
 * and '@'; its length in *len. NULL: there is none, or no device tree. */
const void *fdt_property(const char *node, const char *property, size_t *len);

/* The same as text; "" if there is none or it is no text. */
const char *fdt_text(const char *node, const char *property);

#endif
