/* SPDX-License-Identifier: Apache-2.0 */
/* The generic timer: time, and an interrupt at a given time. */
#ifndef FIRMWARE_CLOCK_H
#define FIRMWARE_CLOCK_H

#include <stdint.h>

void clock_init(void);

uint64_t clock_ns(void); /* since the machine was started */

/* Interrupts masked: sleeps until an interrupt is pending, or until that time. */
void clock_sleep(uint64_t until_ns);

#endif
