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

/* Memory that a peer may change at any moment: read exactly once, aligned to its size or, 64 bits,
 * to 4 bytes only (real layouts put rings at 4 mod 8): there a CPU that cannot do it in one load does
 * it in two, so that a value may be torn, but never read twice. */
typedef uint16_t bytes_word16 __attribute__((may_alias));
typedef uint32_t bytes_word32 __attribute__((may_alias));
typedef uint64_t bytes_word64 __attribute__((aligned(4), may_alias));

/* From here on the value is what was read, whatever is there by now. (A volatile read says the same,
 * but costs an instruction for its address.) */
#define BYTES_READ(value) __asm__ volatile("" : "+r"(value))

/* As 32 bits, which is what the CPU has it in. */
static inline uint32_t get_once_le16(const void *at)
{
    uint32_t value = BYTES_LE16(*(const bytes_word16 *)at);

    BYTES_READ(value);
    return value;
}

static inline uint32_t get_once_le32(const void *at)
{
    uint32_t value = *(const bytes_word32 *)at;

    BYTES_READ(value);
    return BYTES_LE32(value);
}

static inline uint64_t get_once_le64(const void *at)
{
    uint64_t value = *(const bytes_word64 *)at;

    BYTES_READ(value);
    return BYTES_LE64(value);
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

/* memcpy() that makes no call, for the lengths most messages have: who calls nothing has no
 * registers to save. The first and the last part overlap in the middle. */
#define BYTES_SHORT_MIN 16u
#define BYTES_SHORT_MAX 64u

static inline void bytes_copy_short(uint8_t *to, const uint8_t *from, size_t len)
{
    memcpy(to, from, 16);
    if (__builtin_expect(len > 32, 1)) {
        memcpy(to + 16, from + 16, 16);
        memcpy(to + len - 32, from + len - 32, 16);
    }
    memcpy(to + len - 16, from + len - 16, 16);
}

#endif
