/* SPDX-License-Identifier: Apache-2.0 */
/* Building lines without stdio: always terminated, never past the end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "base/text.h"

static void lines_are_built(void **state)
{
    char line[64];
    struct text text = text_start(line, sizeof line);

    (void)state;
    assert_string_equal(line, "");
    text_add(&text, "took ");
    text_add_number(&text, 0);
    text_add(&text, " of ");
    text_add_number(&text, UINT64_MAX);
    assert_string_equal(line, "took 0 of 18446744073709551615");
}

static void what_does_not_fit_is_cut(void **state)
{
    char line[8];

    (void)state;
    for (size_t bytes = 1; bytes <= sizeof line; bytes++) {
        struct text text;

        memset(line, '#', sizeof line);
        text = text_start(line, bytes);
        text_add(&text, "abc");
        text_add_number(&text, 12345);
        text_add(&text, "x");
        assert_memory_equal(line, "abc12345", bytes - 1);
        assert_int_equal(line[bytes - 1], '\0');
        for (size_t i = bytes; i < sizeof line; i++)
            assert_int_equal(line[i], '#');
    }
}

static void copies_and_comparisons(void **state)
{
    char to[4];

    (void)state;
    text_copy(to, sizeof to, "ab");
    assert_string_equal(to, "ab");
    text_copy(to, sizeof to, "abcdef");
    assert_string_equal(to, "abc");
    assert_int_equal(text_length("abc", 10), 3);
    assert_int_equal(text_length("abc", 2), 2);
    assert_int_equal(text_length("", 2), 0);
    assert_false(text_differs("", ""));
    assert_false(text_differs("cp", "cp"));
    assert_true(text_differs("cp", "cp2"));
    assert_true(text_differs("cp2", "cp"));
    assert_true(text_differs("cp", ""));
    assert_true(text_differs("cp", "cP"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_are_built),
        cmocka_unit_test(what_does_not_fit_is_cut),
        cmocka_unit_test(copies_and_comparisons),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
