/* SPDX-License-Identifier: Apache-2.0 */
/* Registers: Arm DDI 0183, 3.3. */
#include "pl011.h"

#include <stdatomic.h>
#include <stdint.h>

#include "gic.h"
#include "mmio.h"

#define BASE 0x09000000u /* hw/arm/virt.c: VIRT_UART */
#define SPI  1u

#define DR    0x000u
#define FR    0x018u
#define IBRD  0x024u
#define FBRD  0x028u
#define LCR_H 0x02cu
#define CR    0x030u
#define IMSC  0x038u
#define ICR   0x044u

#define FR_RXFE        (1u << 4)
#define FR_TXFF        (1u << 5)
#define LCR_8N1_FIFO   (3u << 5 | 1u << 4)
#define CR_ENABLE      (1u << 0 | 1u << 8 | 1u << 9) /* UARTEN, TXE, RXE */
#define INT_RX         (1u << 4)
#define INT_RX_TIMEOUT (1u << 6)
#define INT_ALL        0x7ffu

/* 24 MHz / (16 * 115200) = 13 + 1/64. */
#define DIVISOR  13u
#define FRACTION 1u

/* Written by the interrupt, read by the main loop; what does not fit is lost, as with any UART. */
#define ROOM 1024u
static char input[ROOM];
static _Atomic uint32_t n_put, n_got;
static void (*on_input)(void);

static void on_interrupt(void *ctx)
{
    (void)ctx;
    mmio_write32(BASE + ICR, INT_RX | INT_RX_TIMEOUT);
    while (!(mmio_read32(BASE + FR) & FR_RXFE)) {
        char c = (char)mmio_read32(BASE + DR);

        if (n_put - n_got < ROOM) {
            input[n_put % ROOM] = c;
            n_put++;
        }
    }
    on_input();
}

void pl011_init(void (*came)(void))
{
    on_input = came;
    mmio_write32(BASE + CR, 0);
    mmio_write32(BASE + ICR, INT_ALL);
    mmio_write32(BASE + IBRD, DIVISOR);
    mmio_write32(BASE + FBRD, FRACTION);
    mmio_write32(BASE + LCR_H, LCR_8N1_FIFO);
    mmio_write32(BASE + IMSC, INT_RX | INT_RX_TIMEOUT);
    mmio_write32(BASE + CR, CR_ENABLE);
    gic_enable(GIC_SPI(SPI), on_interrupt, 0);
}

void pl011_write(const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        while (mmio_read32(BASE + FR) & FR_TXFF)
            ;
        mmio_write32(BASE + DR, (uint8_t)text[i]);
    }
}

int pl011_read(void)
{
    int c;

    if (n_put == n_got)
        return -1;
    c = (uint8_t)input[n_got % ROOM];
    n_got++;
    return c;
}

bool pl011_skip_to(char c)
{
    for (uint32_t at = n_got; at != n_put; at++) {
        if (input[at % ROOM] != c)
            continue;
        n_got = at + 1;
        return true;
    }
    return false;
}
