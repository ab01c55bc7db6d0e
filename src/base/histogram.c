/* SPDX-License-Identifier: Apache-2.0 */
#include "base/histogram.h"

#define STEPS (1u << HISTOGRAM_STEP_BITS)

static unsigned top_bit(uint64_t value)
{
    unsigned bit = 0;

    while (value >>= 1)
        bit++;
    return bit;
}

static uint32_t bucket_of(uint64_t value)
{
    unsigned shift;

    if (value < STEPS)
        return (uint32_t)value;
    if (value >> HISTOGRAM_MAX_BITS)
        return HISTOGRAM_BUCKETS - 1;
    shift = top_bit(value) - HISTOGRAM_STEP_BITS;
    return (shift << HISTOGRAM_STEP_BITS) + (uint32_t)(value >> shift);
}

/* The largest value of a bucket. */
static uint64_t upper_end(uint32_t bucket)
{
    unsigned shift;

    if (bucket < 2 * STEPS)
        return bucket;
    shift = (bucket >> HISTOGRAM_STEP_BITS) - 1;
    return (((uint64_t)(bucket - (shift << HISTOGRAM_STEP_BITS)) + 1) << shift) - 1;
}

void histogram_add(struct histogram *h, uint64_t value)
{
    if (!h->n || value < h->min)
        h->min = value;
    if (value > h->max)
        h->max = value;
    h->n++;
    h->sum += value;
    h->bucket[bucket_of(value)]++;
}

uint64_t histogram_at(const struct histogram *h, unsigned per_mille)
{
    uint64_t wanted = (h->n * per_mille + 999) / 1000;
    uint64_t seen = 0;

    for (uint32_t i = 0; i < HISTOGRAM_BUCKETS; i++) {
        seen += h->bucket[i];
        if (seen && seen >= wanted) {
            uint64_t end = upper_end(i);

            return end < h->max && i < HISTOGRAM_BUCKETS - 1 ? end : h->max; /* the last is open */
        }
    }
    return h->max;
}
