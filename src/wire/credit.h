/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The credit message: how much one endpoint lets another send. Payload of a message to
 * RPMSG_ADDR_CREDIT, between nodes of this project that agreed on it only (SPEC chapter 4). It is
 * one entry after the other, at least one; a tail shorter than an entry is an error.
 */
#ifndef WIRE_CREDIT_H
#define WIRE_CREDIT_H

#include <stdint.h>

#include "base/bytes.h"

#define CREDIT_ENTRY_BYTES 12u /* addr @0, from @4, limit @8 (u32 each) */

struct credit_entry {
    uint32_t addr;  /* endpoint that may send */
    uint32_t from;  /* endpoint that grants: what `addr` sends to */
    uint32_t limit; /* messages that `addr` may have sent since it was bound, modulo 2^32 */
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
