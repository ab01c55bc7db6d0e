/* SPDX-License-Identifier: Apache-2.0 */
/* The text helpers that the tools share. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "../../tools/common/text.h"

static void numbers_are_decimal_and_bounded(void **state)
{
    static const char *const wrong[] = {"",   "x",   "1x",         " 1",
                                        "1 ", "-1",  "+1",         "0x1",
                                        "99", "1.0", "4294967296", "99999999999999999999"};
    uint32_t value = 7;

    (void)state;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        assert_false(text_to_u32(wrong[i], 0, 98, &value));
        assert_int_equal(value, 7);
    }
    assert_true(text_to_u32("98", 0, 98, &value));
    assert_int_equal(value, 98);
    assert_false(text_to_u32("4", 5, 98, &value));
    assert_true(text_to_u32("4294967295", 0, UINT32_MAX, &value));
    assert_int_equal(value, UINT32_MAX);
}

static void seconds_become_milliseconds(void **state)
{
    static const char *const wrong[] = {"", "x", "-1", "1s", "nan", "inf", "86401", ".", " 1"};
    uint32_t ms = 0;

    (void)state;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        assert_false(text_to_ms(wrong[i], &ms));
    assert_true(text_to_ms("0.25", &ms));
    assert_int_equal(ms, 250);
    assert_true(text_to_ms(".5", &ms));
    assert_int_equal(ms, 500);
    assert_true(text_to_ms("86400", &ms));
    assert_int_equal(ms, 86400000);
}

static void cpu_names(void **state)
{
    static const char *const wrong[] = {"",    "a b",      "a:b",      "a/b",
                                        "a\n", "\xc3\xa4", "12345678", "@1"};

    (void)state;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        assert_false(text_is_cpu_name(wrong[i], 7));
    assert_true(text_is_cpu_name("aZ09_.-", 7));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_are_decimal_and_bounded),
        cmocka_unit_test(seconds_become_milliseconds),
        cmocka_unit_test(cpu_names),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
