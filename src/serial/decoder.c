/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bytes to frames. The decoder looks for the bytes from 0x70 to 0x7f, eight bytes at a time; what is
 * between them is copied as it is.
 */
#include <rpr/frame.h>

#include "base/check.h"
#include "serial/swar.h"

#define FLIP 0x20u /* an escaped byte is sent with this bit changed */

/* Past what can be a length: a frame that never ends does not count for ever. */
static uint32_t saturated(uint32_t n)
{
    return n > RPR_FRAME_MAX ? RPR_FRAME_MAX + 1 : n;
}

static inline void put(struct rpr_frame_decoder *d, uint8_t byte)
{
    if (RPR_LIKELY(d->n < d->size))
        d->to[d->n] = byte;
    d->n = saturated(d->n + 1);
}

/* Copies whole words for as long as there is room for one, and the escapes between them. Stops at a
 * special byte that is no escape, before the last bytes of the input, or where room is short. */
static const uint8_t *take_words(struct rpr_frame_decoder *d, const uint8_t *p, const uint8_t *end)
{
    uint8_t *to = d->to + d->n;
    const uint8_t *full = d->to + d->size;

    while (end - p > (ptrdiff_t)SWAR_BYTES && full - to > (ptrdiff_t)SWAR_BYTES) {
        uint64_t word = get_le64(p);
        uint64_t specials = swar_specials(word);
        unsigned n;

        put_le64(to, word);
        if (!specials) {
            to += SWAR_BYTES;
            p += SWAR_BYTES;
            continue;
        }
        n = swar_first(specials);
        to += n;
        p += n;
        if (p[0] != RPR_UART_ESCAPE || (p[1] & 0xf0u) != 0x50u)
            break;
        *to++ = p[1] ^ FLIP;
        p += 2;
    }
    d->n = (uint32_t)(to - d->to);
    return p;
}

/* Takes what belongs to the body; stops at a byte from 0x70 to 0x7f that is no ESCAPE. */
static const uint8_t *take_body(struct rpr_frame_decoder *d, const uint8_t *p, const uint8_t *end)
{
    while (p < end) {
        if (!d->escaped && d->n < d->size) {
            p = take_words(d, p, end);
            if (p == end)
                break;
        }
        if (*p == RPR_UART_ESCAPE) {
            d->broken |= d->escaped;
            d->escaped = true;
        } else if (swar_is_special(*p)) {
            break;
        } else if (d->escaped) {
            d->broken |= (*p & 0xf0u) != 0x50u && !MUTANT(any_byte_may_be_escaped);
            d->escaped = false;
            put(d, *p ^ FLIP);
        } else {
            put(d, *p);
        }
        p++;
    }
    return p;
}

static const uint8_t *skip_strays(const uint8_t *p, const uint8_t *end)
{
    while (end - p >= (ptrdiff_t)SWAR_BYTES && !swar_specials(get_le64(p)))
        p += SWAR_BYTES;
    while (p < end && !swar_is_special(*p))
        p++;
    return p;
}

static enum rpr_frame_error check(const struct rpr_frame_decoder *d)
{
    uint16_t crc;

    if (d->broken || d->escaped || d->n < RPR_FRAME_MIN || d->n > d->size ||
        (get_le16(d->to + 6) != d->n && !MUTANT(frame_length_is_not_checked)))
        return RPR_FRAME_ERROR_LENGTH;
    crc = get_le16(d->to);
    if ((crc || d->crc_required) && !MUTANT(crc_is_not_checked) &&
        crc != rpr_crc16(0, d->to + 2, d->n - 2))
        return RPR_FRAME_ERROR_CRC;
    return RPR_FRAME_ERROR_NONE;
}

static enum rpr_frame_event finish(struct rpr_frame_decoder *d, enum rpr_frame_error error)
{
    d->error = (uint8_t)error;
    d->inside = false;
    if (!error) {
        d->counters.frames++;
        d->counters.good_bytes += d->pending;
    } else {
        d->counters.crc += error == RPR_FRAME_ERROR_CRC;
        d->counters.length += error == RPR_FRAME_ERROR_LENGTH;
        d->counters.bad_bytes += d->pending;
    }
    d->pending = 0;
    return error ? RPR_FRAME_BAD : RPR_FRAME_GOOD;
}

void rpr_frame_abort(struct rpr_frame_decoder *d)
{
    if (d->inside)
        finish(d, RPR_FRAME_ERROR_LENGTH);
}

static void begin(struct rpr_frame_decoder *d)
{
    d->inside = true;
    d->escaped = d->broken = false;
    d->n = 0;
    d->pending = 1;
}

static enum rpr_frame_event take_control(struct rpr_frame_decoder *d, uint8_t byte)
{
    d->control = byte;
    d->counters.control_bytes++;
    return RPR_FRAME_CONTROL;
}

/* A byte from 0x70 to 0x7f that is no ESCAPE of a frame. */
static enum rpr_frame_event take_special(struct rpr_frame_decoder *d, const uint8_t **at)
{
    uint8_t byte = **at;

    switch (byte) {
    case RPR_UART_START:
    case RPR_UART_CONNREQ:
    case RPR_UART_CONNACK:
    case RPR_UART_POWEROFF:
        if (d->inside)
            return finish(d, RPR_FRAME_ERROR_LENGTH);
        if (byte != RPR_UART_START)
            break;
        if (!d->to)
            return RPR_FRAME_FULL;
        ++*at;
        begin(d);
        return RPR_FRAME_NONE;
    case RPR_UART_END:
        if (!d->inside)
            goto stray;
        ++*at;
        d->pending++;
        return finish(d, check(d));
    case 0x71:
    case 0x72:
    case 0x73:
    case RPR_UART_ESCAPE: /* outside of frames only */
        goto stray;
    default:
        break;
    }
    ++*at;
    return take_control(d, byte);
stray:
    ++*at;
    d->counters.stray++;
    return RPR_FRAME_NONE;
}

enum rpr_frame_event rpr_frame_decode(struct rpr_frame_decoder *d, const uint8_t **at,
                                      const uint8_t *end)
{
    while (*at < end) {
        const uint8_t *from = *at;
        enum rpr_frame_event event;

        if (d->inside) {
            *at = take_body(d, from, end);
            d->pending += (uint64_t)(*at - from);
        } else {
            *at = skip_strays(from, end);
            d->counters.stray += (uint64_t)(*at - from);
        }
        if (*at == end)
            break;
        event = take_special(d, at);
        if (event != RPR_FRAME_NONE)
            return event;
    }
    return RPR_FRAME_NONE;
}
