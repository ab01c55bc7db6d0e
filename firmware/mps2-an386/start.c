/* SPDX-License-Identifier: Apache-2.0 */
/* The vector table, and what has to be done before main(). */
#include "semihosting.h"

#include "base/bytes.h"

extern uint8_t data_start[], data_end[], bss_start[], bss_end[], stack_top[];
extern const uint8_t data_load[];

int main(void);
void reset(void);

void reset(void)
{
    memcpy(data_start, data_load, (size_t)(data_end - data_start));
    memset(bss_start, 0, (size_t)(bss_end - bss_start));
    semihosting_exit(main());
}

/* A fault, or an interrupt that nobody asked for. */
static void unexpected(void)
{
    semihosting_print("unexpected exception\n");
    semihosting_exit(2);
}

static const struct {
    const void *stack;
    void (*handler[15])(void);
} vectors __attribute__((section(".vectors"), used)) = {
    stack_top,
    {reset, unexpected, unexpected, unexpected, unexpected, unexpected, unexpected, unexpected,
     unexpected, unexpected, unexpected, unexpected, unexpected, unexpected, unexpected}};
