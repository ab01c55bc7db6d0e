/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Translation tables of EL1 for 39 bits of address, 4 KiB granule (Arm ARM DDI 0487, D5.3 and
 * D13.2). Level 1 has an entry per GiB, level 2 one per 2 MiB, level 3 one per 4 KiB.
 */
#include "mmu.h"

#include <stdbool.h>

#define ENTRIES 512u
#define GIB     UINT64_C(0x40000000)
#define RAM     GIB /* hw/arm/virt.c: VIRT_MEM */

/* Descriptors, D5.3.1 and D5.3.3. */
#define TABLE  UINT64_C(3)
#define BLOCK  UINT64_C(1)
#define PAGE   UINT64_C(3)
#define AF     (UINT64_C(1) << 10) /* accessed: no fault at the first access */
#define INNER  (UINT64_C(3) << 8)  /* inner shareable */
#define XN     (UINT64_C(3) << 53) /* UXN, PXN */
#define DEVICE (UINT64_C(0) << 2 | AF | XN)
#define NORMAL (UINT64_C(1) << 2 | AF | INNER)

/* MAIR_EL1: 0 is Device-nGnRE, 1 is normal, write-back, allocating, inner and outer. */
#define MAIR UINT64_C(0xff04)

/* TCR_EL1: T0SZ 25 (39 bits), walks cached and inner shareable, 4 KiB, no TTBR1, 40 bits out. */
#define TCR                                                                                        \
    (UINT64_C(25) | UINT64_C(1) << 8 | UINT64_C(1) << 10 | UINT64_C(3) << 12 | UINT64_C(1) << 23 | \
     UINT64_C(2) << 32)

#define SCTLR_M UINT64_C(1)
#define SCTLR_C (UINT64_C(1) << 2)
#define SCTLR_I (UINT64_C(1) << 12)

extern char stack_bottom[];

static uint64_t level1[ENTRIES] __attribute__((aligned(4096)));
static uint64_t first_gib[ENTRIES] __attribute__((aligned(4096)));
static uint64_t ram_gib[ENTRIES] __attribute__((aligned(4096)));
static uint64_t image[ENTRIES] __attribute__((aligned(4096)));

/* The 2 MiB in which the image begins, in pages: the one below the stack stays unmapped. */
static void map_image(uint64_t from)
{
    uint64_t guard = (uint64_t)(uintptr_t)stack_bottom - 4096;

    for (unsigned i = 0; i < ENTRIES; i++) {
        uint64_t at = from + i * UINT64_C(4096);

        image[i] = at == guard ? 0 : at | NORMAL | PAGE;
    }
}

static void fill_tables(void)
{
    uint64_t stack_block = ((uint64_t)(uintptr_t)stack_bottom - 4096) & ~(uint64_t)(MMU_BLOCK - 1);

    map_image(stack_block);
    for (unsigned i = 0; i < ENTRIES; i++) {
        uint64_t at = i * (uint64_t)MMU_BLOCK;
        bool shared = at >= MMU_SHARED_START && at < MMU_SHARED_END;

        first_gib[i] = shared ? 0 : at | DEVICE | BLOCK;
        ram_gib[i] = (RAM + at) | NORMAL | BLOCK;
    }
    ram_gib[(stack_block - RAM) / MMU_BLOCK] = (uint64_t)(uintptr_t)image | TABLE;
    for (unsigned i = 0; i < ENTRIES; i++)
        level1[i] = i * GIB | DEVICE | BLOCK;
    level1[0] = (uint64_t)(uintptr_t)first_gib | TABLE;
    level1[1] = (uint64_t)(uintptr_t)ram_gib | TABLE;
}

void mmu_on(void)
{
    uint64_t sctlr;

    fill_tables();
    __asm__ volatile("msr mair_el1, %1\n\t"
                     "msr tcr_el1, %2\n\t"
                     "msr ttbr0_el1, %3\n\t"
                     "dsb ish\n\t"
                     "tlbi vmalle1\n\t"
                     "ic iallu\n\t"
                     "dsb ish\n\t"
                     "isb\n\t"
                     "mrs %0, sctlr_el1"
                     : "=&r"(sctlr)
                     : "r"(MAIR), "r"(TCR), "r"(level1)
                     : "memory");
    sctlr |= SCTLR_M | SCTLR_C | SCTLR_I;
    __asm__ volatile("msr sctlr_el1, %0\n\tisb" ::"r"(sctlr) : "memory");
}

/* The entries were invalid: nothing of them is in a TLB (D5.10.1). */
void mmu_map_shared(uintptr_t from, size_t bytes)
{
    uint64_t at = from & ~(uint64_t)(MMU_BLOCK - 1);

    for (; at < from + bytes; at += MMU_BLOCK)
        first_gib[at / MMU_BLOCK] = at | NORMAL | XN | BLOCK;
    __asm__ volatile("dsb ish\n\tisb" ::: "memory");
}
