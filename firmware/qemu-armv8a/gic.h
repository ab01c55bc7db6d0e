/* SPDX-License-Identifier: Apache-2.0 */
/* Interrupt controller: GICv3 with one CPU. */
#ifndef FIRMWARE_GIC_H
#define FIRMWARE_GIC_H

#include <stdint.h>

#define GIC_PPI(n) (16u + (n)) /* private to a CPU */
#define GIC_SPI(n) (32u + (n)) /* shared */

void gic_init(void);

/* `handler` is called for this interrupt, in interrupt context, from now on. */
void gic_enable(unsigned id, void (*handler)(void *ctx), void *ctx);

/* From start.S: deals with all interrupts that are pending. */
void gic_dispatch(void);

#endif
