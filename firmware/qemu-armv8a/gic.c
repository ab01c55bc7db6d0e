/* SPDX-License-Identifier: Apache-2.0 */
/* Registers: Arm IHI 0069, 12.8 (distributor), 12.10 (redistributor), 12.2 (CPU interface). */
#include "gic.h"

#include <stddef.h>

#include "mmio.h"

/* hw/arm/virt.c: VIRT_GIC_DIST, VIRT_GIC_REDIST; the second 64 KiB of a redistributor are for
 * interrupts private to its CPU. */
#define DISTRIBUTOR   0x08000000u
#define REDISTRIBUTOR 0x080a0000u
#define PRIVATE       (REDISTRIBUTOR + 0x10000u)

#define GICD_CTLR       0x0000u
#define GICR_WAKER      0x0014u
#define IGROUPR         0x0080u /* both, 1 bit each */
#define ISENABLER       0x0100u
#define IPRIORITYR      0x0400u /* 8 bits each */
#define GICD_IROUTER    0x6000u /* 64 bits each; 0: the CPU with affinity 0.0.0.0 */
#define CTLR_RWP        (1u << 31)
#define CTLR_ARE        (1u << 4)
#define CTLR_GROUP1     (1u << 1)
#define WAKER_SLEEP     (1u << 1)
#define WAKER_CHILDREN  (1u << 2)
#define PRIORITY        0x80u
#define SPURIOUS        1020u /* and above: there is none */
#define MAX_ID          96u
#define FIRST_SHARED_ID 32u

static struct {
    void (*call)(void *ctx);
    void *ctx;
} handlers[MAX_ID];

void gic_init(void)
{
    mmio_write32(DISTRIBUTOR + GICD_CTLR, CTLR_ARE | CTLR_GROUP1);
    while (mmio_read32(DISTRIBUTOR + GICD_CTLR) & CTLR_RWP)
        ;
    mmio_write32(REDISTRIBUTOR + GICR_WAKER,
                 mmio_read32(REDISTRIBUTOR + GICR_WAKER) & ~WAKER_SLEEP);
    while (mmio_read32(REDISTRIBUTOR + GICR_WAKER) & WAKER_CHILDREN)
        ;
    __asm__ volatile("msr S3_0_C12_C12_5, %0\n\t" /* ICC_SRE_EL1: system registers */
                     "isb\n\t"
                     "msr S3_0_C4_C6_0, %1\n\t"   /* ICC_PMR_EL1: any priority */
                     "msr S3_0_C12_C12_7, %0\n\t" /* ICC_IGRPEN1_EL1 */
                     "isb" ::"r"(UINT64_C(1)),
                     "r"(UINT64_C(0xff)));
}

void gic_enable(unsigned id, void (*handler)(void *ctx), void *ctx)
{
    uintptr_t base = id < FIRST_SHARED_ID ? PRIVATE : DISTRIBUTOR;
    uintptr_t group = base + IGROUPR + id / 32 * 4;

    handlers[id].ctx = ctx;
    handlers[id].call = handler;
    mmio_write32(group, mmio_read32(group) | 1u << id % 32);
    mmio_write8(base + IPRIORITYR + id, PRIORITY);
    if (id >= FIRST_SHARED_ID)
        mmio_write64(DISTRIBUTOR + GICD_IROUTER + 8u * id, 0);
    mmio_write32(base + ISENABLER + id / 32 * 4, 1u << id % 32);
}

void gic_dispatch(void)
{
    for (;;) {
        uint64_t id;

        __asm__ volatile("mrs %0, S3_0_C12_C12_0\n\tdsb sy" : "=r"(id)::"memory"); /* ICC_IAR1 */
        if (id >= SPURIOUS)
            return;
        if (id < MAX_ID && handlers[id].call)
            handlers[id].call(handlers[id].ctx);
        __asm__ volatile("msr S3_0_C12_C12_1, %0\n\tisb" ::"r"(id) : "memory"); /* ICC_EOIR1 */
    }
}
