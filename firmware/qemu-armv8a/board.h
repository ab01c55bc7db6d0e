/* SPDX-License-Identifier: Apache-2.0 */
/* The machine as a whole. */
#ifndef FIRMWARE_BOARD_H
#define FIRMWARE_BOARD_H

#include <stdint.h>

#include "baremetal/baremetal.h"

extern const struct baremetal_board board;
extern struct baremetal_pools board_pools;

/* Interrupts, clock, console. `input` is called in interrupt context when there is input on it. */
void board_init(void (*input)(void));

/* What the user said after -append; "" if nothing. */
const char *board_arguments(void);

_Noreturn void board_power_off(void);

/* From start.S: an exception that is none of ours. Says what it was, and ends the machine. */
_Noreturn void board_fault(uint64_t esr, uint64_t elr, uint64_t far);

struct board_stack {
    uint32_t bytes, used; /* used at most, ever */
};
struct board_stack board_stack(void);

#endif
