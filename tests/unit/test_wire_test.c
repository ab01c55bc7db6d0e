/* SPDX-License-Identifier: Apache-2.0 */
/* The message of rpmsg-test: a recorded one both ways, and what is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "wire/test.h"

/* The beginning of a frame of 2008 bytes, as NuttX sent it; its scratch has what was in the buffer. */
static const uint8_t recorded[TEST_PREFIX_BYTES] = {'r', 'p', 'm',  's',  'g',  '-',  'r', 't',
                                                    'c', 0,   0x17, 0xf5, 0x0e, 0x7f, 0,   0,
                                                    0,   0,   1,    0,    0xc0, 0x07, 0,   0};

static void a_recorded_one(void **state)
{
    struct test_message m;
    uint8_t bytes[TEST_PREFIX_BYTES];

    (void)state;
    assert_int_equal(test_decode(&m, recorded, 2008), TEST_OK);
    assert_int_equal(m.type, TEST_HOLD_RX);
    assert_int_equal(m.value, TEST_MORE);
    assert_int_equal(m.len, 1984);
    memset(bytes, 0xee, sizeof bytes);
    test_encode(bytes, &m);
    for (unsigned i = 0; i < 16; i++)
        assert_int_equal(bytes[i], 0); /* nothing of ours leaks */
    assert_memory_equal(bytes + 16, recorded + 16, 8);
}

static void lengths_that_do_not_fit_are_refused(void **state)
{
    struct test_message m;

    (void)state;
    for (size_t n = 0; n < TEST_PREFIX_BYTES; n++)
        assert_int_equal(test_decode(&m, recorded, n), TEST_BAD_LENGTH);
    assert_int_equal(test_decode(&m, recorded, 2007), TEST_BAD_LENGTH);
    assert_int_equal(test_decode(&m, recorded, 2009), TEST_BAD_LENGTH);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_recorded_one),
        cmocka_unit_test(lengths_that_do_not_fit_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
