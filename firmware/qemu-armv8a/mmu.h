/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FIRMWARE_MMU_H
#define FIRMWARE_MMU_H

#include <stddef.h>
#include <stdint.h>

/* Maps RAM normal write-back and everything else as devices, one to one, and turns MMU and caches
 * on. Called from start.S with nothing but a stack. */
void mmu_on(void);

/* Maps memory behind a PCI bar as what it is: normal, write-back, inner shareable, as the RAM of
 * both sides. Within MMU_SHARED_START .. MMU_SHARED_END; whole blocks of MMU_BLOCK. */
#define MMU_BLOCK        0x200000u
#define MMU_SHARED_START 0x10400000u
#define MMU_SHARED_END   0x3e000000u
void mmu_map_shared(uintptr_t start, size_t bytes);

#endif
