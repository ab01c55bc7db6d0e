/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CRC-16/ARC (polynomial 0x8005 reflected, from 0, nothing added at the end), sixteen bytes a step:
 * of them only the first two have to wait for the CRC so far.
 *
 * The tables are made by the compiler. CRCs add up: that of a byte is the sum of those of its bits,
 * so each of the 16 tables is written down as eight numbers.
 */
#include <rpr/frame.h>

#include "base/bytes.h"

#define SLICES 16u

/* CRC of byte b, from those of its bits 0 to 7. */
#define SUM(b, b0, b1, b2, b3, b4, b5, b6, b7)                                                     \
    (uint16_t)(((b)&1u ? b0 : 0u) ^ ((b)&2u ? b1 : 0u) ^ ((b)&4u ? b2 : 0u) ^ ((b)&8u ? b3 : 0u) ^ \
               ((b)&16u ? b4 : 0u) ^ ((b)&32u ? b5 : 0u) ^ ((b)&64u ? b6 : 0u) ^                   \
               ((b)&128u ? b7 : 0u))
#define SUM4(b, ...)                                                             \
    SUM(b, __VA_ARGS__), SUM((b) + 1u, __VA_ARGS__), SUM((b) + 2u, __VA_ARGS__), \
        SUM((b) + 3u, __VA_ARGS__)
#define SUM16(b, ...)                                                               \
    SUM4(b, __VA_ARGS__), SUM4((b) + 4u, __VA_ARGS__), SUM4((b) + 8u, __VA_ARGS__), \
        SUM4((b) + 12u, __VA_ARGS__)
#define SUM64(b, ...)                                                                    \
    SUM16(b, __VA_ARGS__), SUM16((b) + 16u, __VA_ARGS__), SUM16((b) + 32u, __VA_ARGS__), \
        SUM16((b) + 48u, __VA_ARGS__)
#define TABLE(...)                                                                 \
    {                                                                              \
        SUM64(0u, __VA_ARGS__), SUM64(64u, __VA_ARGS__), SUM64(128u, __VA_ARGS__), \
            SUM64(192u, __VA_ARGS__)                                               \
    }

/* table[k][b]: of byte b with k zero bytes behind it. */
static const uint16_t table[SLICES][256] = {
    TABLE(0xc0c1u, 0xc181u, 0xc301u, 0xc601u, 0xcc01u, 0xd801u, 0xf001u, 0xa001u),
    TABLE(0x9001u, 0x6001u, 0xc002u, 0xc007u, 0xc00du, 0xc019u, 0xc031u, 0xc061u),
    TABLE(0xc051u, 0xc0a1u, 0xc141u, 0xc281u, 0xc501u, 0xca01u, 0xd401u, 0xe801u),
    TABLE(0xfc01u, 0xb801u, 0x3001u, 0x6002u, 0xc004u, 0xc00bu, 0xc015u, 0xc029u),
    TABLE(0xc03du, 0xc079u, 0xc0f1u, 0xc1e1u, 0xc3c1u, 0xc781u, 0xcf01u, 0xde01u),
    TABLE(0xd101u, 0xe201u, 0x8401u, 0x4801u, 0x9002u, 0x6007u, 0xc00eu, 0xc01fu),
    TABLE(0xc010u, 0xc023u, 0xc045u, 0xc089u, 0xc111u, 0xc221u, 0xc441u, 0xc881u),
    TABLE(0xccc1u, 0xd981u, 0xf301u, 0xa601u, 0x0c01u, 0x1802u, 0x3004u, 0x6008u),
    TABLE(0x900du, 0x6019u, 0xc032u, 0xc067u, 0xc0cdu, 0xc199u, 0xc331u, 0xc661u),
    TABLE(0xc551u, 0xcaa1u, 0xd541u, 0xea81u, 0x9501u, 0x6a01u, 0xd402u, 0xe807u),
    TABLE(0xfc04u, 0xb80bu, 0x3015u, 0x602au, 0xc054u, 0xc0abu, 0xc155u, 0xc2a9u),
    TABLE(0xc3fdu, 0xc7f9u, 0xcff1u, 0xdfe1u, 0xffc1u, 0xbf81u, 0x3f01u, 0x7e02u),
    TABLE(0x8102u, 0x4207u, 0x840eu, 0x481fu, 0x903eu, 0x607fu, 0xc0feu, 0xc1ffu),
    TABLE(0xc100u, 0xc203u, 0xc405u, 0xc809u, 0xd011u, 0xe021u, 0x8041u, 0x4081u),
    TABLE(0x00c1u, 0x0182u, 0x0304u, 0x0608u, 0x0c10u, 0x1820u, 0x3040u, 0x6080u),
    TABLE(0x90c1u, 0x6181u, 0xc302u, 0xc607u, 0xcc0du, 0xd819u, 0xf031u, 0xa061u),
};

static uint16_t step(uint16_t crc, const uint8_t *at)
{
    unsigned last = 0;

    for (unsigned i = 2; i < SLICES; i++)
        last ^= table[SLICES - 1 - i][at[i]];
    return (uint16_t)(last ^ table[SLICES - 1][at[0] ^ (crc & 0xffu)] ^
                      table[SLICES - 2][at[1] ^ (crc >> 8)]);
}

uint16_t rpr_crc16(uint16_t crc, const uint8_t *data, size_t n)
{
    for (; n >= SLICES; n -= SLICES, data += SLICES)
        crc = step(crc, data);
    for (; n; n--, data++)
        crc = (uint16_t)((crc >> 8) ^ table[0][(crc ^ *data) & 0xffu]);
    return crc;
}
