/* SPDX-License-Identifier: Apache-2.0 */
/* Timers in a pairing heap, against a plain array that does the same. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "base/heap.h"

#define N 64u

static uint64_t state_of_random = 1;

static uint32_t draw(uint32_t n)
{
    state_of_random = state_of_random * UINT64_C(6364136223846793005) + 1;
    return (uint32_t)(state_of_random >> 33) % n;
}

static struct rpr_timer timers[N];
static bool inside[N];
static struct rpr_timer *root;

static uint64_t earliest(void)
{
    uint64_t at = UINT64_MAX;

    for (unsigned i = 0; i < N; i++)
        if (inside[i] && timers[i].at_ns < at)
            at = timers[i].at_ns;
    return at;
}

static void reset(void)
{
    memset(timers, 0, sizeof timers);
    memset(inside, 0, sizeof inside);
    root = NULL;
}

static void the_first_is_always_the_earliest(void **state)
{
    (void)state;
    reset();
    for (unsigned i = 0; i < 20000; i++) {
        unsigned which = draw(N);

        if (inside[which]) {
            heap_remove(&root, &timers[which]);
        } else {
            timers[which].at_ns = draw(50); /* many at the same time */
            heap_insert(&root, &timers[which]);
        }
        inside[which] = !inside[which];
        if (root)
            assert_int_equal(root->at_ns, earliest());
        else
            assert_true(earliest() == UINT64_MAX);
    }
}

static void what_is_taken_out_in_order_is_sorted(void **state)
{
    uint64_t last = 0;

    (void)state;
    reset();
    for (unsigned i = 0; i < N; i++) {
        timers[i].at_ns = draw(1000);
        heap_insert(&root, &timers[i]);
    }
    for (unsigned i = 0; i < N; i++) {
        struct rpr_timer *first = root;

        assert_true(first->at_ns >= last);
        last = first->at_ns;
        heap_remove(&root, first);
    }
    assert_null(root);
}

static void one_alone(void **state)
{
    (void)state;
    reset();
    heap_insert(&root, &timers[0]);
    assert_ptr_equal(root, &timers[0]);
    heap_remove(&root, &timers[0]);
    assert_null(root);
    heap_insert(&root, &timers[0]);
    assert_ptr_equal(root, &timers[0]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_is_always_the_earliest),
        cmocka_unit_test(what_is_taken_out_in_order_is_sorted),
        cmocka_unit_test(one_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
