/* SPDX-License-Identifier: Apache-2.0 */
/*
 * codec_encode_2008, codec_decode_2008: a frame of a serial link with the longest payload, CRC
 * included, that needs no escape; ..._text_2008: with English text, of which each byte from p to z
 * is escaped. codec_memcpy_2008 is one copy of the same payload, from and to the same places.
 */
#include "common.h"

#include <rpr/frame.h>

#define PAYLOAD 2008u
#define BODY    (RPR_FRAME_MIN + PAYLOAD)
#define ROUNDS  200000u

static const char text[] =
    "In the beginning of the work each core spoke to the one beside it, and to no other. Whoever "
    "wanted to be heard further away had to ask a neighbour to repeat what he said, word for word, "
    "and to wait until the answer had come back along the same path. Neighbours forgot, mixed up "
    "two questions, or stopped in the middle of a sentence because somebody else was talking; and "
    "when one of them fell asleep, those on either side of him went on waiting for ever. ";

static uint8_t body[BODY], back[BODY + 8], wire[RPR_FRAME_WIRE_MAX(BODY)];
static size_t n_wire;

static size_t encode(void)
{
    struct rpr_frame_encoder e;

    rpr_frame_seal(body, (uint32_t)bench_opaque(BODY), true);
    rpr_frame_begin(&e, body, BODY);
    return rpr_frame_encode(&e, wire, sizeof wire);
}

static uint64_t encode_all(uint32_t n)
{
    uint64_t start = bench_now_ns();

    for (uint32_t i = 0; i < n; i++) {
        n_wire = encode();
        bench_touch(wire);
    }
    return bench_now_ns() - start;
}

static uint64_t decode_all(uint32_t n)
{
    struct rpr_frame_decoder d = {.to = back, .size = sizeof back, .crc_required = true};
    uint64_t start = bench_now_ns();

    for (uint32_t i = 0; i < n; i++) {
        const uint8_t *at = wire;

        if (rpr_frame_decode(&d, &at, wire + n_wire) != RPR_FRAME_GOOD)
            bench_die("a frame came back damaged");
        bench_touch(back);
    }
    return bench_now_ns() - start;
}

static uint64_t copy_all(uint32_t n)
{
    size_t len = bench_opaque(PAYLOAD);
    uint64_t start = bench_now_ns();

    for (uint32_t i = 0; i < n; i++) {
        memcpy(back, body, len);
        bench_touch(back);
    }
    return bench_now_ns() - start;
}

static void measure(const char *encode_name, const char *decode_name)
{
    encode_all(ROUNDS / 8);
    bench_emit_per(encode_name, encode_all(ROUNDS), ROUNDS);
    decode_all(ROUNDS / 8);
    bench_emit_per(decode_name, decode_all(ROUNDS), ROUNDS);
    if (memcmp(back, body, BODY) != 0)
        bench_die("a frame came back changed");
}

int main(void)
{
    uint32_t random = 1;

    bench_pin(0);
    copy_all(ROUNDS / 8);
    bench_emit_per("codec_memcpy_2008", copy_all(ROUNDS), ROUNDS);
    for (uint32_t i = RPR_FRAME_MIN; i < BODY; i++) {
        random = random * 1664525u + 1013904223u;
        body[i] = (uint8_t)((random >> 16) % 0x70u);
    }
    measure("codec_encode_2008", "codec_decode_2008");
    for (uint32_t i = RPR_FRAME_MIN; i < BODY; i++)
        body[i] = (uint8_t)text[i % (sizeof text - 1)];
    measure("codec_encode_text_2008", "codec_decode_text_2008");
    return 0;
}
