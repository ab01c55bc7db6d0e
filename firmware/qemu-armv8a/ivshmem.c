/* SPDX-License-Identifier: Apache-2.0 */
/* Ids and BARs: QEMU, docs/specs/ivshmem-spec.txt. */
#include "ivshmem.h"

#include "console.h"
#include "pci.h"

#define VENDOR        0x1af4u
#define DEVICE        0x1110u
#define BAR_REGISTERS 0u
#define BAR_MEMORY    2u
#define MAX_DEVICES   8u

static struct pci_bar memories[MAX_DEVICES];

/* The region is there as long as the machine runs. */
static const char *map(void *ctx, bool make, uint32_t bytes, struct rpr_ivshmem_memory *memory)
{
    const struct pci_bar *bar = ctx;

    (void)make;
    if (bar->bytes < bytes)
        return "the device's memory is too small";
    *memory = (struct rpr_ivshmem_memory){(void *)bar->at, bar->bytes, NULL};
    return NULL;
}

static const char *lost(void *ctx, const struct rpr_ivshmem_memory *memory, bool in_use)
{
    (void)ctx;
    (void)memory;
    (void)in_use;
    return NULL;
}

static void unmap(void *ctx, const struct rpr_ivshmem_memory *memory)
{
    (void)ctx;
    (void)memory;
}

static void destroy(void *ctx)
{
    (void)ctx;
}

int ivshmem_open(struct rpr_node *node, unsigned index, struct rpr_ivshmem_config *config)
{
    struct pci_function function;
    struct rpr_link *link;
    struct pci_bar registers;

    if (index >= MAX_DEVICES || !pci_find(VENDOR, DEVICE, index, &function))
        return -RPR_ENOENT;
    if (memories[index].bytes)
        return -RPR_EBUSY;
    registers = pci_place(&function, BAR_REGISTERS, false);
    memories[index] = pci_place(&function, BAR_MEMORY, true);
    if (!registers.bytes || !memories[index].bytes)
        return -RPR_ENOSPC;
    pci_enable(&function);
    console_printf("ivshmem %u: slot %u shmem addr=0x%lx size=%lu reg=0x%lx\n", index,
                   function.slot, (unsigned long)memories[index].at,
                   (unsigned long)memories[index].bytes, (unsigned long)registers.at);
    config->port = (struct rpr_ivshmem_port){
        .map = map, .lost = lost, .unmap = unmap, .destroy = destroy, .ctx = &memories[index]};
    return rpr_ivshmem_open(node, config, &link);
}
