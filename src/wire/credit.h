/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The credit messages, between nodes of this project that agreed on them only (SPEC chapter 4). To
 * RPMSG_ADDR_CREDIT: how much one endpoint lets another send. To RPMSG_ADDR_SENT: how much one has
 * sent to another, on links that lose messages. The payload is one entry after the other, at least
 * one; a tail shorter than an entry is an error.
 */
#ifndef WIRE_CREDIT_H
#define WIRE_CREDIT_H

#include <stdint.h>

#include "base/bytes.h"

#define CREDIT_ENTRY_BYTES 12u /* addr @0, from @4, limit @8 (u32 each) */

struct credit_entry {
    uint32_t addr;  /* endpoint of who receives this: it may send, or was sent to */
    uint32_t from;  /* endpoint of who sends this: it grants, or has sent */
    uint32_t limit; /* messages since the two were bound, modulo 2^32: that `addr` may have sent, or
                     * that `from` has sent */
};

/* Writes CREDIT_ENTRY_BYTES. */
static inline void credit_encode(uint8_t *at, const struct credit_entry *entry)
{
    put_le32(at, entry->addr);
    put_le32(at + 4, entry->from);
    put_le32(at + 8, entry->limit);
}

/* Reads CREDIT_ENTRY_BYTES; any bytes are an entry. */
static inline void credit_decode(struct credit_entry *entry, const uint8_t *at)
{
    entry->addr = get_le32(at);
    entry->from = get_le32(at + 4);
    entry->limit = get_le32(at + 8);
}

#endif
