/* SPDX-License-Identifier: Apache-2.0 */
/* PCI Express: finds functions of bus 0 and gives their BARs addresses: with -kernel nobody else
 * does. */
#ifndef FIRMWARE_PCI_H
#define FIRMWARE_PCI_H

#include <stdbool.h>
#include <stdint.h>

struct pci_function {
    uintptr_t config; /* its configuration space */
    uint8_t slot;
};

/* The `index`-th function with these ids, by slot. False: there are not so many. */
bool pci_find(uint16_t vendor, uint16_t device, unsigned index, struct pci_function *function);

struct pci_bar {
    uintptr_t at;
    uint64_t bytes; /* 0: the BAR is not there, or does not fit */
};

/* Chooses an address for a memory BAR: registers below MMU_SHARED_START, memory above, where it is
 * mapped as memory. */
struct pci_bar pci_place(const struct pci_function *function, unsigned bar, bool memory);

/* The function answers at its BARs and may master the bus. */
void pci_enable(const struct pci_function *function);

#endif
