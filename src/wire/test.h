/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The message of service rpmsg-test (SPEC chapter 9.1): a prefix of 24 bytes, of which the first 16
 * are scratch of whoever has the buffer; then data.
 */
#ifndef WIRE_TEST_H
#define WIRE_TEST_H

#include <stddef.h>
#include <stdint.h>

#define TEST_PREFIX_BYTES 24u /* scratch[16], cmd @16, len @20 (u32 each) */
#define TEST_MIN_BYTES    25u
#define TEST_FILL         0x55u /* every byte of data, as it is sent */

enum test_cmd {
    TEST_TYPE_SHIFT = 16,
    TEST_HOLD_RX = 1, /* type: hold the buffer until the last of the series has come */
    TEST_MORE = 0,    /* values of it */
    TEST_END = 1
};

struct test_message {
    uint16_t type, value;
    uint32_t len; /* bytes of data, as the sender says: never trust it */
};

enum test_result {
    TEST_OK = 0,
    TEST_BAD_LENGTH = -1 /* shorter than the prefix, or another number of bytes than it says */
};

/* Returns an enum test_result. The data is the rest of the payload. */
int test_decode(struct test_message *message, const uint8_t *prefix, size_t payload_len);

void test_encode(uint8_t prefix[TEST_PREFIX_BYTES], const struct test_message *message);

#endif
