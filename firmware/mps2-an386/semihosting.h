/* SPDX-License-Identifier: Apache-2.0 */
/* What the machine's host does for it ("Semihosting for AArch32 and AArch64", Arm). */
#ifndef SEMIHOSTING_H
#define SEMIHOSTING_H

#include <stdint.h>

static inline void semihosting_call(uint32_t operation, const void *argument)
{
    register uint32_t r0 __asm__("r0") = operation;
    register const void *r1 __asm__("r1") = argument;

    __asm__ volatile("bkpt 0xab" : "+r"(r0) : "r"(r1) : "memory");
}

static inline void semihosting_print(const char *text)
{
    semihosting_call(0x04, text); /* SYS_WRITE0 */
}

_Noreturn static inline void semihosting_exit(int status)
{
    const uint32_t block[] = {0x20026, (uint32_t)status}; /* ADP_Stopped_ApplicationExit */

    for (;;)
        semihosting_call(0x20, block); /* SYS_EXIT_EXTENDED */
}

#endif
