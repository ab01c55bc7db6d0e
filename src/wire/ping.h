/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The message of service rpmsg-ping (SPEC chapter 5).
 */
#ifndef WIRE_PING_H
#define WIRE_PING_H

#include <stddef.h>
#include <stdint.h>

#define PING_HEADER_BYTES 16u /* cmd @0, len @4 (u32 each), cookie @8 (u64); then data */
#define PING_MIN_BYTES    17u /* what is sent has at least one byte of data */

enum ping_cmd {
    PING_ACK = 0x01,       /* request: answer, please; all others are ignored */
    PING_CHECK = 0x02,     /* request: every data byte equals the first */
    PING_RANDOM = 0x04,    /* request: the length was drawn; nothing to the receiver */
    PING_KIND_MASK = 0xf0, /* these bits tell request from response */
    PING_REQUEST = 0x00,
    PING_RESPONSE = 0x20
};

struct ping_message {
    uint32_t cmd;    /* enum ping_cmd, ored */
    uint32_t len;    /* of the whole message, as its sender says: never trust it */
    uint64_t cookie; /* of the requester, opaque; meant only with PING_ACK and in a response */
};

enum ping_result {
    PING_OK = 0,
    PING_BAD_LENGTH = -1 /* shorter than PING_HEADER_BYTES */
};

/* Returns an enum ping_result. The data is the rest of the payload. */
int ping_decode(struct ping_message *message, const uint8_t *payload, size_t len);

/* Writes PING_HEADER_BYTES, and nothing of the data. */
void ping_encode(uint8_t payload[PING_HEADER_BYTES], const struct ping_message *message);

#endif
