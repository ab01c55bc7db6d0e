/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The name service message: payload of a message to RPMSG_ADDR_NS (SPEC chapter 2).
 */
#ifndef WIRE_NS_H
#define WIRE_NS_H

#include <stddef.h>
#include <stdint.h>

#define RPMSG_NS_BYTES      40u /* name @0 (32 bytes), addr @32, flags @36 (u32 each) */
#define RPMSG_NS_NAME_BYTES 32u /* field on the wire; NuttX and OpenAMP use 31 of them and a NUL */

/* A value of ours must never be added: NuttX takes all but the first two for NS_CREATE_ACK, Linux
 * and plain OpenAMP look at bit 0 only. */
enum ns_flags {
    NS_CREATE = 0,
    NS_DESTROY = 1,
    NS_CREATE_ACK = 2 /* only to peers that know it (NuttX) */
};

struct ns_message {
    char name[RPMSG_NS_NAME_BYTES + 1]; /* terminated, and zero behind the terminator */
    uint32_t addr;                      /* of the endpoint that is announced */
    uint32_t flags;                     /* enum ns_flags */
};

enum ns_result {
    NS_OK = 0,
    NS_BAD_LENGTH = -1, /* not RPMSG_NS_BYTES */
    NS_BAD_NAME = -2,   /* empty */
    NS_BAD_ADDR = -3,   /* RPMSG_ADDR_ANY */
    NS_BAD_FLAGS = -4   /* none of enum ns_flags */
};

/* Returns an enum ns_result; `message` is complete with NS_OK only. A name that fills all 32 bytes
 * is taken as it is (RPMsg-Lite sends it); what stands behind a terminator is ignored. */
int ns_decode(struct ns_message *message, const uint8_t *payload, size_t len);

/* Writes all RPMSG_NS_BYTES, zero behind the name. `message` must hold what ns_decode() could return. */
void ns_encode(uint8_t payload[RPMSG_NS_BYTES], const struct ns_message *message);

/* The same of a name that is somewhere else, of at most RPMSG_NS_NAME_BYTES. */
void ns_put(uint8_t payload[RPMSG_NS_BYTES], const char *name, uint32_t addr, uint32_t flags);

#endif
