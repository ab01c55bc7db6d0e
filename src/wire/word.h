/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Numbered words, between nodes of this project on links that lose messages (SPEC chapter 4): one
 * message of the name service or of the router in each message to RPMSG_ADDR_WORD, or none.
 */
#ifndef WIRE_WORD_H
#define WIRE_WORD_H

#include <stdint.h>

#include "base/bytes.h"

#define WORD_HEARD_BYTES   4u /* heard @0 (u32): all of a message that has no word */
#define WORD_HEAD_BYTES    16u /* heard @0, number @4, src @8, dst @12 (u32 each), then the payload */
#define WORD_PAYLOAD_BYTES 40u /* the longest: a name service message */

struct word_head {
    uint32_t heard;    /* number of the last word that the sender of this has taken; 0: none */
    uint32_t number;   /* of this word */
    uint32_t src, dst; /* of the message that it is */
};

/* A number: the sender's tag of the session, never 0, and in the low 16 bits how many words it has
 * said, this one included, modulo 2^16. */
#define WORD_TAG_MASK UINT32_C(0xffff0000)

static inline uint32_t word_number(uint32_t tag, uint32_t n)
{
    return tag | (n & ~WORD_TAG_MASK);
}

/* Writes WORD_HEAD_BYTES. */
static inline void word_encode(uint8_t *at, const struct word_head *head)
{
    put_le32(at, head->heard);
    put_le32(at + 4, head->number);
    put_le32(at + 8, head->src);
    put_le32(at + 12, head->dst);
}

/* Reads WORD_HEAD_BYTES; any bytes are a head. */
static inline void word_decode(struct word_head *head, const uint8_t *at)
{
    head->heard = get_le32(at);
    head->number = get_le32(at + 4);
    head->src = get_le32(at + 8);
    head->dst = get_le32(at + 12);
}

#endif
