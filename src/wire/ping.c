/* SPDX-License-Identifier: Apache-2.0 */
/* The message of service rpmsg-ping, decoded from and encoded to its 16 bytes of header. */
#include "wire/ping.h"

#include "base/bytes.h"

#define LEN_AT    4u
#define COOKIE_AT 8u

int ping_decode(struct ping_message *message, const uint8_t *payload, size_t len)
{
    if (len < PING_HEADER_BYTES) {
        return PING_BAD_LENGTH;
    }
    message->cmd = get_le32(payload);
    message->len = get_le32(payload + LEN_AT);
    message->cookie = get_le64(payload + COOKIE_AT);
    return PING_OK;
}

void ping_encode(uint8_t payload[PING_HEADER_BYTES], const struct ping_message *message)
{
    put_le32(payload, message->cmd);
    put_le32(payload + LEN_AT, message->len);
    put_le64(payload + COOKIE_AT, message->cookie);
}
