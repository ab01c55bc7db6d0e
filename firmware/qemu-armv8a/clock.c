/* SPDX-License-Identifier: Apache-2.0 */
/* Registers: Arm ARM DDI 0487, D13.8. The virtual timer needs nothing of a higher exception level. */
#include "clock.h"

#include "gic.h"

#define SECOND     UINT64_C(1000000000)
#define TIMER_PPI  11u         /* hw/arm/virt.h: ARCH_TIMER_VIRT_IRQ 27 */
#define CTL_ENABLE UINT64_C(1) /* CNTV_CTL_EL0 */

static uint64_t ticks_per_second;

static void set_control(uint64_t control)
{
    __asm__ volatile("msr cntv_ctl_el0, %0\n\tisb" ::"r"(control) : "memory");
}

/* The level stays until the timer is off or set anew. */
static void on_timer(void *ctx)
{
    (void)ctx;
    set_control(0);
}

void clock_init(void)
{
    __asm__ volatile("mrs %0, cntfrq_el0" : "=r"(ticks_per_second));
    set_control(0);
    gic_enable(GIC_PPI(TIMER_PPI), on_timer, 0);
}

uint64_t clock_ns(void)
{
    uint64_t ticks;

    /* Without the barrier the counter may be read earlier than what comes before. */
    __asm__ volatile("isb\n\tmrs %0, cntvct_el0" : "=r"(ticks)::"memory");
    return ticks / ticks_per_second * SECOND + ticks % ticks_per_second * SECOND / ticks_per_second;
}

/* Rounded up: not a moment too early, or the sleeper would find nothing to do, and sleep again. */
static uint64_t ticks_at(uint64_t ns)
{
    return ns / SECOND * ticks_per_second + (ns % SECOND * ticks_per_second + SECOND - 1) / SECOND;
}

void clock_sleep(uint64_t until_ns)
{
    if (until_ns != UINT64_MAX)
        __asm__ volatile("msr cntv_cval_el0, %0" ::"r"(ticks_at(until_ns)) : "memory");
    set_control(until_ns != UINT64_MAX ? CTL_ENABLE : 0);
    __asm__ volatile("dsb sy\n\twfi" ::: "memory");
}
