/* SPDX-License-Identifier: Apache-2.0 */
/* The message of service rpmsg-test, decoded from and encoded to its prefix. */
#include "wire/test.h"

#include "base/bytes.h"

#define CMD_AT 16u
#define LEN_AT 20u

int test_decode(struct test_message *message, const uint8_t *prefix, size_t payload_len)
{
    uint32_t cmd;

    if (payload_len < TEST_PREFIX_BYTES)
        return TEST_BAD_LENGTH;
    cmd = get_le32(prefix + CMD_AT);
    message->type = (uint16_t)(cmd >> TEST_TYPE_SHIFT);
    message->value = (uint16_t)cmd;
    message->len = get_le32(prefix + LEN_AT);
    return message->len == payload_len - TEST_PREFIX_BYTES ? TEST_OK : TEST_BAD_LENGTH;
}

void test_encode(uint8_t prefix[TEST_PREFIX_BYTES], const struct test_message *message)
{
    memset(prefix, 0, CMD_AT);
    put_le32(prefix + CMD_AT, (uint32_t)message->type << TEST_TYPE_SHIFT | message->value);
    put_le32(prefix + LEN_AT, message->len);
}
