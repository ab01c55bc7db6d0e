/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Frames of NuttX's UART port (SPEC, "serial"): a decoder for a stream of bytes, and an encoder.
 * Pure: no clock, no I/O, no memory of its own. For the serial link, and for tools that read
 * recordings.
 */
#ifndef RPR_FRAME_H
#define RPR_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The bytes with a meaning. Those from 0x70 to 0x7f never stand for themselves. */
enum rpr_uart_byte {
    RPR_UART_END = 0x70, /* 0x71 to 0x73 are reserved: swallowed and counted */
    RPR_UART_STAYWAKEACK2 = 0x74,
    RPR_UART_STAYWAKE2 = 0x75,
    RPR_UART_POWEROFF = 0x76,
    RPR_UART_RELAXWAKE = 0x77,
    RPR_UART_STAYWAKEACK1 = 0x78,
    RPR_UART_STAYWAKE1 = 0x79,
    RPR_UART_RESUME = 0x7a,
    RPR_UART_SUSPEND = 0x7b,
    RPR_UART_ESCAPE = 0x7c,
    RPR_UART_CONNACK = 0x7d,
    RPR_UART_CONNREQ = 0x7e,
    RPR_UART_START = 0x7f
};

#define RPR_FRAME_HEADER_BYTES 8u     /* port header: u16 crc, cmd, avail, len (WIRE 4.1) */
#define RPR_FRAME_MIN          24u    /* port header and RPMsg header */
#define RPR_FRAME_MAX          65535u /* what len can say */

/* Bytes on the wire of a frame whose body has n bytes, at most. */
#define RPR_FRAME_WIRE_MAX(n) (2u * (n) + 2u)

/* ---- decoder -------------------------------------------------------------------------------- */

enum rpr_frame_event {
    RPR_FRAME_NONE,    /* all input is used up */
    RPR_FRAME_GOOD,    /* a whole frame with the right length and CRC: `n` bytes at `to` */
    RPR_FRAME_BAD,     /* a frame was lost: `error`; its first min(n, size) bytes are at `to` */
    RPR_FRAME_CONTROL, /* `control` came; does not disturb the frame that it is in */
    RPR_FRAME_FULL     /* a START is next, and there is no buffer: not consumed */
};

enum rpr_frame_error {
    RPR_FRAME_ERROR_NONE,
    RPR_FRAME_ERROR_LENGTH, /* not as long as it says, cut off, or an ESCAPE where none belongs */
    RPR_FRAME_ERROR_CRC
};

/* Each byte that was decoded is in one of the first four, or in `pending` of the decoder. */
#define RPR_FRAME_COUNTERS(X)                                              \
    X(good_bytes)    /* of good frames, START, escapes and END included */ \
    X(control_bytes) /* single bytes, wherever they were */                \
    X(bad_bytes)     /* of frames with an error */                         \
    X(stray)         /* bytes outside of any frame, and reserved ones */   \
    X(frames)        /* good frames */                                     \
    X(crc)           /* frames lost for a wrong CRC */                     \
    X(length)        /* frames lost for any other reason */

struct rpr_frame_counters {
#define RPR_COUNTER_FIELD(name) uint64_t name;
    RPR_FRAME_COUNTERS(RPR_COUNTER_FIELD)
#undef RPR_COUNTER_FIELD
};

/* Zeroed before first use. */
struct rpr_frame_decoder {
    uint8_t *to;   /* the caller's: where bodies go; it may be changed between frames. NULL: stop
                          * before the next START */
    uint32_t size; /* bytes at `to`; what a frame has beyond is not stored, and it is bad */
    bool
        crc_required; /* the caller's: a CRC of 0 counts only if that is the CRC (else it is "none") */
    uint32_t n;       /* bytes of the body so far, or of the one that was just reported */
    uint8_t control;  /* enum rpr_uart_byte */
    uint8_t error;    /* enum rpr_frame_error */
    bool inside;      /* private from here: between START and END */
    bool escaped;     /* ESCAPE was the last byte of the frame */
    bool broken;      /* an ESCAPE before a byte that needs none */
    uint64_t pending; /* wire bytes of the frame that is not complete */
    struct rpr_frame_counters counters;
};

/* Decodes from *at, which moves on, to the next event. Any chunking of the same bytes gives the same
 * events. CONNREQ, CONNACK and POWEROFF inside a frame end it: RPR_FRAME_BAD first, then they. */
enum rpr_frame_event rpr_frame_decode(struct rpr_frame_decoder *decoder, const uint8_t **at,
                                      const uint8_t *end);

/* Gives up the frame that is not complete, if any; it is counted as bad. */
void rpr_frame_abort(struct rpr_frame_decoder *decoder);

/* ---- encoder -------------------------------------------------------------------------------- */

/* CRC-16/ARC of `n` bytes, going on from `crc` (0 at first). */
uint16_t rpr_crc16(uint16_t crc, const uint8_t *data, size_t n);

/* Writes the port header in front of a body of `n` bytes, header included. */
void rpr_frame_seal(uint8_t *body, uint32_t n, bool with_crc);

struct rpr_frame_encoder {
    const uint8_t *at, *end; /* private: what is left of the body */
    uint8_t state;
};

/* `body` must stay until rpr_frame_encoded(). */
void rpr_frame_begin(struct rpr_frame_encoder *encoder, const uint8_t *body, uint32_t n);

/* Writes the next wire bytes of the frame, at most `room`; returns how many. */
size_t rpr_frame_encode(struct rpr_frame_encoder *encoder, uint8_t *to, size_t room);

/* Has the END been written (or was there no frame)? */
bool rpr_frame_encoded(const struct rpr_frame_encoder *encoder);

#ifdef __cplusplus
}
#endif
#endif
