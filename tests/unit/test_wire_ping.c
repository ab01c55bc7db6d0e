/* SPDX-License-Identifier: Apache-2.0 */
/* The message of rpmsg-ping: vectors both ways, and its one refusal. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/bytes.h"
#include "wire/ping.h"
#include "wire_vectors.h"

struct row {
    const uint8_t *bytes;
    size_t len;
    struct ping_message message;
};

static const struct row rows[] = {
    {vector_g1, sizeof(vector_g1), {PING_REQUEST | PING_ACK, 32, UINT64_C(0x1122334455667788)}},
    {vector_g2, sizeof(vector_g2), {PING_RESPONSE, 32, UINT64_C(0x1122334455667788)}},
    {vector_g3, sizeof(vector_g3), {PING_REQUEST | PING_ACK | PING_CHECK, 24, 0xdeadbeef}},
    {vector_g4, sizeof(vector_g4), {PING_REQUEST, PING_MIN_BYTES, 0}},
};

#define N_ROWS (sizeof(rows) / sizeof(rows[0]))

static void vectors_are_decoded(void **state)
{
    (void)state;
    for (size_t i = 0; i < N_ROWS; i++) {
        struct ping_message message;
        memset(&message, 0xee, sizeof(message));
        assert_int_equal(ping_decode(&message, rows[i].bytes, rows[i].len), PING_OK);
        assert_int_equal(message.cmd, rows[i].message.cmd);
        assert_int_equal(message.len, rows[i].len);
        assert_true(message.cookie == rows[i].message.cookie);
    }
}

static void vectors_are_encoded(void **state)
{
    (void)state;
    for (size_t i = 0; i < N_ROWS; i++) {
        uint8_t bytes[PING_HEADER_BYTES + 1];
        memset(bytes, 0xee, sizeof(bytes));
        ping_encode(bytes, &rows[i].message);
        assert_memory_equal(bytes, rows[i].bytes, PING_HEADER_BYTES);
        assert_int_equal(bytes[PING_HEADER_BYTES], 0xee);
    }
}

static void shorter_than_its_header_is_refused(void **state)
{
    struct ping_message message;
    (void)state;

    assert_int_equal(ping_decode(&message, vector_g1, 0), PING_BAD_LENGTH);
    assert_int_equal(ping_decode(&message, vector_g1, PING_HEADER_BYTES - 1), PING_BAD_LENGTH);
    assert_int_equal(ping_decode(&message, vector_g1, PING_HEADER_BYTES), PING_OK);
}

/* The length in the message is a peer's word: it is shown as it is, and bounds nothing here. */
static void stated_length_is_not_believed(void **state)
{
    struct ping_message message;
    uint8_t bytes[PING_MIN_BYTES];
    (void)state;

    memcpy(bytes, vector_g4, sizeof(bytes));
    put_le32(bytes + 4, UINT32_MAX);
    assert_int_equal(ping_decode(&message, bytes, sizeof(bytes)), PING_OK);
    assert_int_equal(message.len, UINT32_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(vectors_are_decoded),
        cmocka_unit_test(vectors_are_encoded),
        cmocka_unit_test(shorter_than_its_header_is_refused),
        cmocka_unit_test(stated_length_is_not_believed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
