/* SPDX-License-Identifier: Apache-2.0 */
/* Configuration space: PCI Express Base Specification 3.0, 7.5; PCI Local Bus 3.0, 6.2.5. */
#include "pci.h"

#include <stddef.h>

#include "fdt.h"
#include "mmio.h"
#include "mmu.h"

#define SLOTS        32u
#define SLOT_SHIFT   15u /* of ECAM's address: bus 27:20, slot 19:15, function 14:12 */
#define REG_ID       0x00u
#define REG_COMMAND  0x04u
#define REG_BAR      0x10u
#define COMMAND_ON   6u /* memory space, bus master */
#define BAR_IO       1u
#define BAR_64       4u
#define BAR_FLAGS    0xfu
#define NO_FUNCTION  0xffffffffu
#define REGISTERS_AT 0x10008000u /* in the 32-bit window, hw/arm/virt.c: VIRT_PCIE_MMIO */

static uintptr_t next_registers = REGISTERS_AT, next_memory = MMU_SHARED_START;

/* 0x4010000000, or 0x3f000000 with highmem=off: the first of the node's four cells is the high half. */
static uintptr_t ecam(void)
{
    size_t len;
    const uint8_t *reg = fdt_property("pcie", "reg", &len);
    uintptr_t at = 0;

    for (unsigned i = 0; reg && len >= 16 && i < 8; i++)
        at = at << 8 | reg[i];
    return at;
}

bool pci_find(uint16_t vendor, uint16_t device, unsigned index, struct pci_function *function)
{
    uintptr_t base = ecam();

    for (uint8_t slot = 0; base && slot < SLOTS; slot++) {
        uintptr_t config = base + ((uintptr_t)slot << SLOT_SHIFT);
        uint32_t id = mmio_read32(config + REG_ID);

        if (id == NO_FUNCTION || id != ((uint32_t)device << 16 | vendor) || index--)
            continue;
        *function = (struct pci_function){config, slot};
        return true;
    }
    return false;
}

static uint64_t bar_bytes(uintptr_t reg, bool *wide)
{
    uint32_t low, high = UINT32_MAX;

    mmio_write32(reg, UINT32_MAX);
    low = mmio_read32(reg);
    *wide = low & BAR_64;
    if (!low || low & BAR_IO)
        return 0;
    if (*wide) {
        mmio_write32(reg + 4, UINT32_MAX);
        high = mmio_read32(reg + 4);
    }
    return ~((uint64_t)high << 32 | (low & ~BAR_FLAGS)) + 1;
}

struct pci_bar pci_place(const struct pci_function *function, unsigned bar, bool memory)
{
    uintptr_t reg = function->config + REG_BAR + 4 * bar;
    uintptr_t *next = memory ? &next_memory : &next_registers;
    uintptr_t end = memory ? MMU_SHARED_END : MMU_SHARED_START, at;
    bool wide;
    uint64_t bytes = bar_bytes(reg, &wide);
    uint64_t align = memory && bytes < MMU_BLOCK ? MMU_BLOCK : bytes;

    if (!bytes)
        return (struct pci_bar){0, 0};
    at = (*next + align - 1) & ~(align - 1); /* natural alignment: sizes are powers of two */
    if (bytes > end - at)
        return (struct pci_bar){0, 0};
    *next = at + align;
    mmio_write32(reg, (uint32_t)at);
    if (wide)
        mmio_write32(reg + 4, 0);
    if (memory)
        mmu_map_shared(at, bytes);
    return (struct pci_bar){at, bytes};
}

void pci_enable(const struct pci_function *function)
{
    mmio_write16(function->config + REG_COMMAND, COMMAND_ON);
}
