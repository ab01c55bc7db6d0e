/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A fuzzer is one file fuzz_NAME.c with the entry point of libFuzzer, and a folder corpus/NAME. It is
 * linked with libFuzzer (./dev fuzz), or with driver.c, which CTest runs.
 */
#ifndef FUZZ_H
#define FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What must hold; libFuzzer keeps the input that broke it. */
#define MUST(condition)                                                                    \
    do {                                                                                   \
        if (!(condition)) {                                                                \
            fprintf(stderr, "%s:%d: does not hold: %s\n", __FILE__, __LINE__, #condition); \
            abort();                                                                       \
        }                                                                                  \
    } while (0)

/* The input, read piece by piece; zeroes at its end. */
struct input {
    const uint8_t *at, *end;
};

static inline uint8_t next_byte(struct input *input)
{
    return input->at < input->end ? *input->at++ : 0;
}

#endif
