/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The header in front of every RPMsg message, and the addresses with a meaning of their own
 * (SPEC chapter 1).
 */
#ifndef WIRE_HEADER_H
#define WIRE_HEADER_H

#include <stdint.h>

#include "base/bytes.h"
#include "base/mutant.h"

/* src @0, dst @4, reserved @8 (u32 each), len @12, flags @14 (u16 each), then len bytes of payload */
#define RPMSG_HEADER_BYTES 16u

#define RPMSG_ADDR_NS      53u        /* name service */
#define RPMSG_ADDR_CREDIT  54u        /* flow control between nodes of this project, once agreed */
#define RPMSG_ADDR_SENT    55u        /* the same, the other way: how much was sent */
#define RPMSG_ADDR_WORD    56u        /* numbered words, on links that lose messages */
#define RPMSG_ADDR_DYNAMIC 1024u      /* first dynamic address; below are predefined services */
#define RPMSG_ADDR_ANY     UINT32_MAX /* "not known yet"; never a destination on the wire */

struct rpmsg_header {
    uint32_t src;
    uint32_t dst;
    uint16_t len; /* payload bytes the sender says it sent: check against what the link received */
    uint16_t flags;
};

/* Reads RPMSG_HEADER_BYTES. `reserved` is left out: peers send and leave anything in it. */
static inline struct rpmsg_header header_get(const uint8_t *at)
{
    return (struct rpmsg_header){
        .src = get_le32(at),
        .dst = get_le32(at + 4),
        .len = get_le16(at + 12),
        .flags = get_le16(at + 14),
    };
}

/* Writes RPMSG_HEADER_BYTES. `reserved` must be 0: a NuttX port peer counts on in it, and would
 * never give the buffer back (H-1). */
static inline void header_put(uint8_t *at, uint32_t src, uint32_t dst, uint16_t len)
{
    put_le32(at, src);
    put_le32(at + 4, dst);
    if (!MUTANT(reserved_word_is_what_was_there))
        put_le32(at + 8, 0);
    put_le32(at + 12, len); /* and flags 0 */
}

#endif
