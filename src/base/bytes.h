/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Integers in little-endian byte strings, at any alignment, on any CPU; and the one door to
 * memcpy(), memmove(), memset() and memcmp(), which is all of the C library that src/ uses.
 *
 * Each call compiles to one load or store where the CPU is little-endian and takes unaligned
 * addresses.
 */
#ifndef BASE_BYTES_H
#define BASE_BYTES_H

#include <stdint.h>
#include <string.h>

#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
#define BYTES_LE16(value) __builtin_bswap16(value)
#define BYTES_LE32(value) __builtin_bswap32(value)
#define BYTES_LE64(value) __builtin_bswap64(value)
#else
#define BYTES_LE16(value) (value)
#define BYTES_LE32(value) (value)
#define BYTES_LE64(value) (value)
#endif

static inline uint16_t get_le16(const void *at)
{
    uint16_t value;
    memcpy(&value, at, sizeof(value));
    return BYTES_LE16(value);
}

static inline uint32_t get_le32(const void *at)
{
    uint32_t value;
    memcpy(&value, at, sizeof(value));
    return BYTES_LE32(value);
}

static inline uint64_t get_le64(const void *at)
{
    uint64_t value;
    memcpy(&value, at, sizeof(value));
    return BYTES_LE64(value);
}

/* Memory that a peer may change at any moment: read exactly once, 4-byte aligned. */
static inline uint32_t get_once_le32(const void *at)
{
    return BYTES_LE32(*(const volatile uint32_t *)at);
}

static inline void put_le16(void *at, uint16_t value)
{
    value = BYTES_LE16(value);
    memcpy(at, &value, sizeof(value));
}

static inline void put_le32(void *at, uint32_t value)
{
    value = BYTES_LE32(value);
    memcpy(at, &value, sizeof(value));
}

static inline void put_le64(void *at, uint64_t value)
{
    value = BYTES_LE64(value);
    memcpy(at, &value, sizeof(value));
}

#endif
