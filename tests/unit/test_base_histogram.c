/* SPDX-License-Identifier: Apache-2.0 */
/* The histogram: exact where it promises to be, within its step elsewhere. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/histogram.h"

static int by_value(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return x < y ? -1 : x > y;
}

static void empty_has_nothing(void **state)
{
    static struct histogram h;

    (void)state;
    assert_int_equal(histogram_at(&h, 500), 0);
    assert_int_equal(histogram_at(&h, 1000), 0);
}

static void one_value_is_every_percentile(void **state)
{
    static const uint64_t values[] = {
        0, 1, 31, 32, 33, 1000, 123456789, UINT64_C(1) << 39, UINT64_C(1) << 40, UINT64_MAX};

    (void)state;
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        static struct histogram h;

        memset(&h, 0, sizeof h);
        histogram_add(&h, values[i]);
        assert_int_equal(h.n, 1);
        assert_int_equal(h.min, values[i]);
        assert_int_equal(h.max, values[i]);
        assert_int_equal(histogram_at(&h, 0), values[i]);
        assert_int_equal(histogram_at(&h, 500), values[i]);
        assert_int_equal(histogram_at(&h, 1000), values[i]);
    }
}

/* Small values have a step each. */
static void small_values_are_exact(void **state)
{
    static struct histogram h;

    (void)state;
    memset(&h, 0, sizeof h);
    for (uint64_t v = 1; v <= 50; v++)
        histogram_add(&h, v);
    assert_int_equal(histogram_at(&h, 20), 1);
    assert_int_equal(histogram_at(&h, 500), 25);
    assert_int_equal(histogram_at(&h, 980), 49);
    assert_int_equal(histogram_at(&h, 981), 50);
    assert_int_equal(h.sum, 1275);
}

/* Against the values themselves, sorted: never below, and at most a step (1/32) above. */
static void percentiles_are_within_a_step(void **state)
{
    enum { N = 5000 };
    static const unsigned per_mille[] = {1, 10, 250, 500, 900, 990, 999, 1000};
    static struct histogram h;
    static uint64_t values[N];
    uint64_t random = 88172645463325252u;

    (void)state;
    for (unsigned scale = 0; scale < 40; scale += 3) {
        memset(&h, 0, sizeof h);
        for (unsigned i = 0; i < N; i++) {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            values[i] = random >> (63 - scale) >> (random & 3);
            histogram_add(&h, values[i]);
        }
        qsort(values, N, sizeof *values, by_value);
        for (size_t i = 0; i < sizeof per_mille / sizeof *per_mille; i++) {
            uint64_t exact = values[(N * per_mille[i] + 999) / 1000 - 1];
            uint64_t shown = histogram_at(&h, per_mille[i]);

            assert_true(shown >= exact);
            assert_true(shown <= exact + exact / 32);
        }
        assert_int_equal(h.min, values[0]);
        assert_int_equal(h.max, values[N - 1]);
        assert_int_equal(histogram_at(&h, 1000), h.max);
    }
}

/* What is over the top is in the last step; the maximum is kept as it was. */
static void over_the_top(void **state)
{
    static struct histogram h;

    (void)state;
    memset(&h, 0, sizeof h);
    for (unsigned i = 0; i < 99; i++)
        histogram_add(&h, 5);
    histogram_add(&h, UINT64_C(1) << 50);
    assert_int_equal(histogram_at(&h, 990), 5);
    assert_true(histogram_at(&h, 1000) == UINT64_C(1) << 50);
    assert_int_equal(h.max, UINT64_C(1) << 50);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(empty_has_nothing),      cmocka_unit_test(one_value_is_every_percentile),
        cmocka_unit_test(small_values_are_exact), cmocka_unit_test(percentiles_are_within_a_step),
        cmocka_unit_test(over_the_top),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
