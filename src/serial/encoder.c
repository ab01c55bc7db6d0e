/* SPDX-License-Identifier: Apache-2.0 */
/* Frames to bytes, in pieces as small as the wire takes them. */
#include <rpr/frame.h>

#include "serial/swar.h"

#define FLIP 0x20u /* an escaped byte is sent with this bit changed */

enum encoder_state { NOTHING, BEGUN, BODY, HALF_ESCAPED };

void rpr_frame_seal(uint8_t *body, uint32_t n, bool with_crc)
{
    put_le32(body, 0);                      /* crc, and cmd 0 */
    put_le32(body + 4, (n & 0xffff) << 16); /* avail 0, len */
    if (with_crc)
        put_le16(body, rpr_crc16(0, body + 2, n - 2));
}

void rpr_frame_begin(struct rpr_frame_encoder *e, const uint8_t *body, uint32_t n)
{
    e->at = body;
    e->end = body + n;
    e->state = BEGUN;
}

bool rpr_frame_encoded(const struct rpr_frame_encoder *e)
{
    return e->state == NOTHING;
}

/* Whole words, for as long as what one can become has room. */
static uint8_t *put_words(struct rpr_frame_encoder *e, uint8_t *to, const uint8_t *full)
{
    const uint8_t *at = e->at;

    while (e->end - at >= (ptrdiff_t)SWAR_BYTES && full - to >= (ptrdiff_t)SWAR_BYTES + 1) {
        uint64_t word = get_le64(at);
        uint64_t specials = swar_specials(word);
        unsigned n;

        put_le64(to, word);
        if (!specials) {
            to += SWAR_BYTES;
            at += SWAR_BYTES;
            continue;
        }
        n = swar_first(specials);
        to += n;
        at += n;
        to[0] = RPR_UART_ESCAPE;
        to[1] = *at++ ^ FLIP;
        to += 2;
    }
    e->at = at;
    return to;
}

/* One byte; of a special one possibly only the ESCAPE. `full` > `to`. */
static uint8_t *put_byte(struct rpr_frame_encoder *e, uint8_t *to)
{
    if (e->state == HALF_ESCAPED) {
        *to++ = *e->at++ ^ FLIP;
        e->state = BODY;
    } else if (swar_is_special(*e->at)) {
        *to++ = RPR_UART_ESCAPE;
        e->state = HALF_ESCAPED;
    } else {
        *to++ = *e->at++;
    }
    return to;
}

size_t rpr_frame_encode(struct rpr_frame_encoder *e, uint8_t *to, size_t room)
{
    uint8_t *const from = to;
    uint8_t *const full = to + room;

    if (e->state == NOTHING || !room)
        return 0;
    if (e->state == BEGUN) {
        *to++ = RPR_UART_START;
        e->state = BODY;
    }
    while (e->at < e->end && to < full) {
        if (e->state == BODY)
            to = put_words(e, to, full);
        if (e->at < e->end && to < full)
            to = put_byte(e, to);
    }
    if (e->at == e->end && to < full) {
        *to++ = RPR_UART_END;
        e->state = NOTHING;
    }
    return (size_t)(to - from);
}
