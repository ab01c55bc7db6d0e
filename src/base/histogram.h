/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Log-linear histogram of nanoseconds: 32 steps per power of two (3 % wide), from 0 to 2^40. Fixed
 * memory, no allocation. Owner only.
 */
#ifndef BASE_HISTOGRAM_H
#define BASE_HISTOGRAM_H

#include <stdint.h>

#define HISTOGRAM_STEP_BITS 5u
#define HISTOGRAM_MAX_BITS  40u
#define HISTOGRAM_BUCKETS   ((HISTOGRAM_MAX_BITS - HISTOGRAM_STEP_BITS + 1u) << HISTOGRAM_STEP_BITS)

struct histogram {
    uint64_t n, sum, min, max;
    uint32_t bucket[HISTOGRAM_BUCKETS];
};

void histogram_add(struct histogram *h, uint64_t value);

/* The value that `per_mille` of 1000 values do not exceed: the upper end of its step, at most the
 * maximum. 0 without values. */
uint64_t histogram_at(const struct histogram *h, unsigned per_mille);

#endif
