/* SPDX-License-Identifier: Apache-2.0 */
#include "board.h"

#include <string.h>

#include "clock.h"
#include "console.h"
#include "log.h"
#include "fdt.h"
#include "gic.h"
#include "pl011.h"

#define PSCI_SYSTEM_OFF UINT64_C(0x84000008) /* Arm DEN 0022, 5.1.9 */

/* ---- memory ---------------------------------------------------------------------------------- */

/* Enough for four links of the default sizes, 1024 shared slots of 2 KiB, and hundreds of endpoints;
 * `free` shows what of it was ever needed. */
#define POOLS(X)            \
    X(pool_64, 64, 512)     \
    X(pool_256, 256, 512)   \
    X(pool_1k, 1024, 256)   \
    X(pool_4k, 4096, 64)    \
    X(pool_16k, 16384, 32)  \
    X(pool_64k, 65536, 16)  \
    X(pool_256k, 262144, 8) \
    X(pool_big, 2359296, 1)

#define MEMORY(name, bytes, n) \
    static _Alignas(BAREMETAL_ALIGN) uint8_t name[BAREMETAL_POOL_BYTES(bytes, n)];
POOLS(MEMORY)

#define ENTRY(name, bytes, n) {bytes, n, name, NULL, 0, 0, 0, 0},
static struct baremetal_pool pools[] = {POOLS(ENTRY)};

struct baremetal_pools board_pools = {pools, sizeof pools / sizeof pools[0]};

/* ---- functions of the port ------------------------------------------------------------------- */

static void mask(void)
{
    __asm__ volatile("msr daifset, #2" ::: "memory");
}

static void unmask(void)
{
    __asm__ volatile("msr daifclr, #2" ::: "memory");
}

/* QEMU puts chance into the device tree, another one at each start: mixed with the time, so that a
 * reset, which does not make a new tree, has numbers of its own. */
static uint32_t random_bits(void)
{
    static uint64_t state;

    if (!state) {
        size_t len;
        const uint8_t *seed = fdt_property("chosen", "rng-seed", &len);

        for (size_t i = 0; seed && i < len; i++)
            state = state * 31 + seed[i];
    }
    state += clock_ns() | 1;
    state = (state ^ state >> 30) * UINT64_C(0xbf58476d1ce4e5b9); /* splitmix64 */
    state = (state ^ state >> 27) * UINT64_C(0x94d049bb133111eb);
    return (uint32_t)(state >> 32 ^ state);
}

const struct baremetal_board board = {.now_ns = clock_ns,
                                      .mask = mask,
                                      .unmask = unmask,
                                      .sleep = clock_sleep,
                                      .random = random_bits,
                                      .log = log_line};

/* ---- begin and end --------------------------------------------------------------------------- */

void board_init(void (*input)(void))
{
    gic_init();
    clock_init();
    pl011_init(input);
    unmask();
}

const char *board_arguments(void)
{
    return fdt_text("chosen", "bootargs");
}

/* By the call that the device tree names: who is above us depends on the machine's options. */
_Noreturn void board_power_off(void)
{
    register uint64_t x0 __asm__("x0") = PSCI_SYSTEM_OFF;

    mask();
    if (strcmp(fdt_text("psci", "method"), "smc") == 0)
        __asm__ volatile("smc #0" : "+r"(x0)::"memory");
    else
        __asm__ volatile("hvc #0" : "+r"(x0)::"memory");
    for (;;)
        __asm__ volatile("wfi");
}

_Noreturn void board_fault(uint64_t esr, uint64_t elr, uint64_t far)
{
    console_printf("\nfault: esr 0x%08lx elr 0x%lx far 0x%lx\n", (unsigned long)esr,
                   (unsigned long)elr, (unsigned long)far);
    board_power_off();
}

struct board_stack board_stack(void)
{
    extern const uint64_t stack_bottom[], stack_top[];
    uint32_t words = (uint32_t)(stack_top - stack_bottom), i = 0;

    while (i < words && stack_bottom[i] == UINT64_C(0x7374616b7374616b)) /* start.S: STACK_PAINT */
        i++;
    return (struct board_stack){words * 8, (words - i) * 8};
}
