/* SPDX-License-Identifier: Apache-2.0 */
/* The name service message, decoded from and encoded to its 40 bytes. */
#include "wire/ns.h"

#include "base/bytes.h"
#include "base/check.h"
#include "wire/header.h"

#define ADDR_AT  32u
#define FLAGS_AT 36u

/* Copies a name up to its terminator or to the end of the field, and clears the rest. */
static void copy_name(char *to, const char *from)
{
    size_t n = 0;
    while (n < RPMSG_NS_NAME_BYTES && from[n] != '\0') {
        to[n] = from[n];
        n++;
    }
    memset(to + n, 0, RPMSG_NS_NAME_BYTES - n);
}

int ns_decode(struct ns_message *message, const uint8_t *payload, size_t len)
{
    if (len != RPMSG_NS_BYTES) {
        return NS_BAD_LENGTH;
    }
    copy_name(message->name, (const char *)payload);
    message->name[RPMSG_NS_NAME_BYTES] = '\0';
    message->addr = get_le32(payload + ADDR_AT);
    message->flags = get_le32(payload + FLAGS_AT);
    RPR_PRIVATE(*message); /* the payload may be a peer's memory */
    if (message->name[0] == '\0') {
        return NS_BAD_NAME;
    }
    if (message->addr == RPMSG_ADDR_ANY) {
        return NS_BAD_ADDR;
    }
    if (message->flags > NS_CREATE_ACK) {
        return NS_BAD_FLAGS;
    }
    return NS_OK;
}

void ns_put(uint8_t payload[RPMSG_NS_BYTES], const char *name, uint32_t addr, uint32_t flags)
{
    copy_name((char *)payload, name);
    put_le32(payload + ADDR_AT, addr);
    put_le32(payload + FLAGS_AT, flags);
}

void ns_encode(uint8_t payload[RPMSG_NS_BYTES], const struct ns_message *message)
{
    ns_put(payload, message->name, message->addr, message->flags);
}
