/* SPDX-License-Identifier: Apache-2.0 */
/* The console: a PL011. Output waits for room in the device; input comes by interrupt. */
#ifndef FIRMWARE_PL011_H
#define FIRMWARE_PL011_H

#include <stdbool.h>
#include <stddef.h>

/* `came` is called in interrupt context when there is input. */
void pl011_init(void (*came)(void));

void pl011_write(const char *text, size_t len);

/* The next character of the input, or -1. */
int pl011_read(void);

/* Has this character come? Then it and all before it are gone. */
bool pl011_skip_to(char c);

#endif
