/* SPDX-License-Identifier: Apache-2.0 */
/* The handover's messages: bytes written out by hand, both ways, and each refusal. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/bytes.h"
#include "wire/handover.h"

/* features 1, "audio" wants "ap" */
static const uint8_t hello_bytes[HANDOVER_HELLO_BYTES] = {
    'R', 'P', 'R', 'H', 1,   0,   1,   0,   1,   0,          0,   0,
    0,   0,   0,   0,   'a', 'u', 'd', 'i', 'o', [48] = 'a', 'p',
};

static const struct handover_offer offer = {
    .features = 3,
    .num = 0x100,
    .payload = 0x800,
    .bytes = 0x01020304,
    .driver_power = 0x11,
    .device_power = 0x12,
    .driver_cpu = 0x13,
    .device_cpu = 0x14,
    .ring = {{0x21, 0x22, 0x23, 0x24, 0x25, 0x26, 0x27, 0x28},
             {0x31, 0x32, 0x33, 0x34, 0x35, 0x36, 0x37, 0x38}},
};

static const uint8_t offer_bytes[HANDOVER_OFFER_BYTES] = {
    'R',
    'P',
    'R',
    'H',
    1,
    0,
    2,
    0,
    3,
    0,
    0,
    0,
    0,
    1,
    0,
    0,
    0,
    8,
    0,
    0,
    4,
    3,
    2,
    1,
    0x11,
    0,
    0,
    0,
    0x12,
    0,
    0,
    0,
    0x13,
    0,
    0,
    0,
    0x14,
    [44] = 0,
    [48] = 0x21,
    [52] = 0x22,
    [56] = 0x23,
    [60] = 0x24,
    [64] = 0x25,
    [68] = 0x26,
    [72] = 0x27,
    [76] = 0x28,
    [80] = 0x31,
    [84] = 0x32,
    [88] = 0x33,
    [92] = 0x34,
    [96] = 0x35,
    [100] = 0x36,
    [104] = 0x37,
    [108] = 0x38,
};

static const uint8_t refuse_bytes[HANDOVER_REFUSE_BYTES] = {
    'R', 'P', 'R', 'H', 1, 0, 3, 0, 'n', 'o', '!',
};

static void hello_both_ways(void **state)
{
    struct handover_hello hello;
    uint8_t out[HANDOVER_HELLO_BYTES];

    (void)state;
    assert_int_equal(handover_type(hello_bytes, sizeof(hello_bytes)), HANDOVER_HELLO);
    assert_int_equal(handover_hello_decode(&hello, hello_bytes), HANDOVER_OK);
    assert_int_equal(hello.features, HANDOVER_CREDIT);
    assert_string_equal(hello.own, "audio");
    assert_string_equal(hello.expected, "ap");
    memset(out, 0xee, sizeof(out));
    handover_hello_encode(out, &hello);
    assert_memory_equal(out, hello_bytes, sizeof(out));
}

static void offer_both_ways(void **state)
{
    struct handover_offer read;
    uint8_t out[HANDOVER_OFFER_BYTES];

    (void)state;
    memset(out, 0xee, sizeof(out));
    handover_offer_encode(out, &offer);
    assert_memory_equal(out, offer_bytes, sizeof(out));
    assert_int_equal(handover_type(offer_bytes, sizeof(offer_bytes)), HANDOVER_OFFER);
    handover_offer_decode(&read, offer_bytes);
    assert_memory_equal(&read, &offer, sizeof(read));
}

static void refuse_both_ways(void **state)
{
    char text[HANDOVER_TEXT_BYTES];
    uint8_t out[HANDOVER_REFUSE_BYTES];

    (void)state;
    memset(out, 0xee, sizeof(out));
    handover_refuse_encode(out, "no!");
    assert_memory_equal(out, refuse_bytes, sizeof(out));
    assert_int_equal(handover_type(out, sizeof(out)), HANDOVER_REFUSE);
    handover_refuse_decode(text, out);
    assert_string_equal(text, "no!");
}

/* A text that is longer than its field, or holds anything, cannot hurt who shows it. */
static void refuse_text_is_tamed(void **state)
{
    char text[HANDOVER_TEXT_BYTES];
    char longer[200];
    uint8_t out[HANDOVER_REFUSE_BYTES];

    (void)state;
    memset(longer, 'x', sizeof(longer) - 1);
    longer[sizeof(longer) - 1] = '\0';
    handover_refuse_encode(out, longer);
    handover_refuse_decode(text, out);
    assert_int_equal(strlen(text), HANDOVER_TEXT_BYTES - 1);
    memset(out + 8, 0x1b, HANDOVER_TEXT_BYTES);
    handover_refuse_decode(text, out);
    assert_int_equal(strlen(text), HANDOVER_TEXT_BYTES - 1);
    assert_int_equal(text[0], '?');
    assert_int_equal(text[HANDOVER_TEXT_BYTES - 2], '?');
}

/* One changed byte of a HELLO, or its length, and what it makes of it. */
static void heads_are_checked(void **state)
{
    static const struct {
        size_t at;
        uint8_t value;
        int result;
    } rows[] = {
        {0, 'X', HANDOVER_BAD_MAGIC}, {3, 'X', HANDOVER_BAD_MAGIC}, {4, 2, HANDOVER_BAD_VERSION},
        {5, 1, HANDOVER_BAD_VERSION}, {6, 0, HANDOVER_BAD_TYPE},    {6, 4, HANDOVER_BAD_TYPE},
        {6, 2, HANDOVER_BAD_LENGTH},  {7, 1, HANDOVER_BAD_TYPE},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        uint8_t bytes[HANDOVER_HELLO_BYTES];

        memcpy(bytes, hello_bytes, sizeof(bytes));
        bytes[rows[i].at] = rows[i].value;
        assert_int_equal(handover_type(bytes, sizeof(bytes)), rows[i].result);
    }
    for (size_t len = 0; len < sizeof(hello_bytes); len++)
        assert_int_equal(handover_type(hello_bytes, len), HANDOVER_BAD_LENGTH);
}

/* A listener of another version can still say no. */
static void refuse_has_no_version(void **state)
{
    uint8_t bytes[HANDOVER_REFUSE_BYTES];

    (void)state;
    memcpy(bytes, refuse_bytes, sizeof(bytes));
    bytes[4] = 7;
    assert_int_equal(handover_type(bytes, sizeof(bytes)), HANDOVER_REFUSE);
    assert_int_equal(handover_version(bytes, sizeof(bytes)), 7);
    assert_int_equal(handover_version(bytes, 7), 0);
}

static void names_are_checked(void **state)
{
    struct handover_hello hello;
    uint8_t bytes[HANDOVER_HELLO_BYTES];

    (void)state;
    memcpy(bytes, hello_bytes, sizeof(bytes));
    memset(bytes + 16, 'x', HANDOVER_NAME_BYTES); /* not terminated */
    assert_int_equal(handover_hello_decode(&hello, bytes), HANDOVER_BAD_NAME);
    bytes[47] = '\0';
    assert_int_equal(handover_hello_decode(&hello, bytes), HANDOVER_OK);
    bytes[20] = '\n';
    assert_int_equal(handover_hello_decode(&hello, bytes), HANDOVER_BAD_NAME);
    bytes[16] = '\0'; /* empty */
    assert_int_equal(handover_hello_decode(&hello, bytes), HANDOVER_BAD_NAME);
    bytes[16] = 'x';
    bytes[17] = '\0';
    memset(bytes + 48, 0, HANDOVER_NAME_BYTES); /* any */
    assert_int_equal(handover_hello_decode(&hello, bytes), HANDOVER_OK);
    memset(bytes + 48, 'x', HANDOVER_NAME_BYTES);
    assert_int_equal(handover_hello_decode(&hello, bytes), HANDOVER_BAD_NAME);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hello_both_ways),   cmocka_unit_test(offer_both_ways),
        cmocka_unit_test(refuse_both_ways),  cmocka_unit_test(refuse_text_is_tamed),
        cmocka_unit_test(heads_are_checked), cmocka_unit_test(refuse_has_no_version),
        cmocka_unit_test(names_are_checked),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
