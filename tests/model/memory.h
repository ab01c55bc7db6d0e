/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory shared by two sides, each with a store buffer and a view of its own.
 *
 * A store waits in the writer's buffer; a load of the other side reads what it saw last there, or any
 * younger store, as it likes: stores become visible in any order, and loads read old values, unless
 * something forces them:
 *
 *   publish      what is stored before it is visible before what is stored after it: who has read
 *                one of the latter finds all of the former in memory
 *   full         all stores of the side are in memory; and like `seen`
 *   seen         what is in memory is what this side reads from now on
 *
 * That covers reordering of stores with stores, stores with later loads, and loads with loads. Loads
 * do not wait for later stores of the same side (no load buffering): there is no model of a CPU here
 * that would make a store visible before an older load has its value.
 *
 * Without coherent caches, `seen` and `full` show nothing: a side sees what the other one cleaned
 * and what is in memory, where it invalidates its own copy. A line may be written back or fetched at
 * any other time as well.
 *
 * Each byte has one writer, which is checked.
 */
#ifndef MODEL_MEMORY_H
#define MODEL_MEMORY_H

#include <stdbool.h>

#include "model/port.h"

#define MEMORY_BYTES  384u
#define MEMORY_STORES 32u /* that the other side has not seen yet */

struct memory_store {
    uint64_t value;
    uint16_t at;
    uint8_t bytes;
    bool in_memory, cleaned;
    uint32_t epoch; /* how many publish barriers came before */
};

struct memory_side {
    uint32_t epoch;
    uint32_t n_stores;
    struct memory_store stores[MEMORY_STORES]; /* oldest first */
    uint8_t view[MEMORY_BYTES];
};

struct memory {
    _Alignas(8) uint8_t base[MEMORY_BYTES]; /* as it was at the start; then its addresses only */
    uint8_t writer[MEMORY_BYTES];           /* side + 1; 0: nobody yet */
    struct memory_side side[2];
    bool coherent;
};

static inline bool memory_has(const struct memory *m, const volatile void *at)
{
    const volatile uint8_t *p = at;

    return p >= m->base && p < m->base + MEMORY_BYTES;
}

static inline size_t memory_offset(const struct memory *m, const volatile void *at)
{
    return (size_t)((const volatile uint8_t *)at - m->base);
}

static inline bool memory_overlap(const struct memory_store *s, size_t at, size_t bytes)
{
    return s->at < at + bytes && at < (size_t)s->at + s->bytes;
}

/* From here on `side` sees the i-th store of the other. */
static inline void memory_show(struct memory *m, unsigned side, uint32_t i)
{
    struct memory_side *from = &m->side[!side];
    struct memory_store s = from->stores[i];

    (memcpy)(m->side[side].view + s.at, &s.value, s.bytes);
    from->n_stores--;
    memmove(&from->stores[i], &from->stores[i + 1], (from->n_stores - i) * sizeof s);
    memset(&from->stores[from->n_stores], 0, sizeof s);
}

/* What is in memory, in that range, and cleaned if caches are not coherent. */
static inline void memory_show_all(struct memory *m, unsigned side, size_t at, size_t bytes)
{
    struct memory_side *from = &m->side[!side];

    for (uint32_t i = 0; i < from->n_stores;) {
        const struct memory_store *s = &from->stores[i];

        if (s->in_memory && (m->coherent || s->cleaned) && memory_overlap(s, at, bytes))
            memory_show(m, side, i);
        else
            i++;
    }
}

/* How many stores of the other side a load there may choose to see. */
static inline uint32_t memory_choices(const struct memory *m, unsigned side, size_t at,
                                      size_t bytes)
{
    const struct memory_side *from = &m->side[!side];
    uint32_t n = 0;

    for (uint32_t i = 0; i < from->n_stores; i++)
        n += memory_overlap(&from->stores[i], at, bytes);
    return n;
}

/* The side sees `n` of them: then all that was published before those is in memory. */
static inline void memory_choose(struct memory *m, unsigned side, size_t at, size_t bytes,
                                 uint32_t n)
{
    struct memory_side *from = &m->side[!side];
    uint32_t epoch = 0;

    for (uint32_t i = 0; n;) {
        if (!memory_overlap(&from->stores[i], at, bytes)) {
            i++;
            continue;
        }
        epoch = from->stores[i].epoch;
        memory_show(m, side, i);
        n--;
    }
    for (uint32_t i = 0; i < from->n_stores; i++)
        from->stores[i].in_memory |= from->stores[i].epoch < epoch;
}

static inline uint64_t memory_load(const struct memory *m, unsigned side, size_t at, size_t bytes)
{
    uint64_t value = 0;

    (memcpy)(&value, m->side[side].view + at, bytes);
    return value;
}

/* False: the other side has written there, or there are too many. */
static inline bool memory_put(struct memory *m, unsigned side, size_t at, size_t bytes,
                              uint64_t value)
{
    struct memory_side *own = &m->side[side];

    for (size_t i = at; i < at + bytes; i++) {
        if (m->writer[i] == 2 - side)
            return false;
        m->writer[i] = (uint8_t)(side + 1);
    }
    if (own->n_stores == MEMORY_STORES)
        return false;
    (memcpy)(own->view + at, &value, bytes);
    own->stores[own->n_stores++] = (struct memory_store){
        .value = value, .at = (uint16_t)at, .bytes = (uint8_t)bytes, .epoch = own->epoch};
    return true;
}

static inline void memory_clean(struct memory *m, unsigned side, size_t at, size_t bytes)
{
    struct memory_side *own = &m->side[side];

    for (uint32_t i = 0; i < own->n_stores; i++)
        own->stores[i].cleaned |= memory_overlap(&own->stores[i], at, bytes);
}

static inline void memory_keep_order(struct memory *m, unsigned side, enum model_order order)
{
    struct memory_side *own = &m->side[side];

    if (order == MODEL_PUBLISH || order == MODEL_FULL)
        own->epoch++;
    for (uint32_t i = 0; i < own->n_stores && order == MODEL_FULL; i++)
        own->stores[i].in_memory = true;
    if (m->coherent && (order == MODEL_SEEN || order == MODEL_FULL))
        memory_show_all(m, side, 0, MEMORY_BYTES);
}

#endif
