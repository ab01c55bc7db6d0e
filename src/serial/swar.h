/* SPDX-License-Identifier: Apache-2.0 */
/* Eight bytes at once: which of them are not data as they stand (0x70 to 0x7f)? */
#ifndef SERIAL_SWAR_H
#define SERIAL_SWAR_H

#include "base/bytes.h"

#define SWAR_BYTES  8u
#define SWAR_ALL(b) (UINT64_C(0x0101010101010101) * (b))

/* Of bytes in memory order, lowest first: not 0 if there is one; its lowest set bit is the highest of
 * the first one. (Higher bits may be set by the borrow of lower ones.) */
static inline uint64_t swar_specials(uint64_t word)
{
    uint64_t high = (word & SWAR_ALL(0xf0u)) ^ SWAR_ALL(0x70u); /* 0 where special */

    return (high - SWAR_ALL(1u)) & ~high & SWAR_ALL(0x80u);
}

/* Index of the first special byte; `specials` is not 0. */
static inline unsigned swar_first(uint64_t specials)
{
    return (unsigned)__builtin_ctzll(specials) / 8;
}

static inline int swar_is_special(uint8_t byte)
{
    return (byte & 0xf0u) == 0x70u;
}

#endif
