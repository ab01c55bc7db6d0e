/* SPDX-License-Identifier: Apache-2.0 */
/* The credit message: its bytes, both ways. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "wire/credit.h"

/* 1031 may send to 1024 up to its message 260; 0xfffffffe to 53 up to 0x80000001 */
static const uint8_t two_entries[2 * CREDIT_ENTRY_BYTES] = {
    0x07, 0x04, 0x00, 0x00, 0x00, 0x04, 0x00, 0x00, 0x04, 0x01, 0x00, 0x00,
    0xfe, 0xff, 0xff, 0xff, 0x35, 0x00, 0x00, 0x00, 0x01, 0x00, 0x00, 0x80,
};

static const struct credit_entry entries[2] = {
    {.addr = 1031, .from = 1024, .limit = 260},
    {.addr = 0xfffffffe, .from = 53, .limit = 0x80000001},
};

static void entries_are_encoded_one_after_the_other(void **state)
{
    uint8_t bytes[sizeof(two_entries) + 1];
    (void)state;

    memset(bytes, 0xee, sizeof(bytes));
    credit_encode(bytes, &entries[0]);
    assert_int_equal(bytes[CREDIT_ENTRY_BYTES], 0xee);
    credit_encode(bytes + CREDIT_ENTRY_BYTES, &entries[1]);
    assert_memory_equal(bytes, two_entries, sizeof(two_entries));
    assert_int_equal(bytes[sizeof(two_entries)], 0xee);
}

static void entries_are_decoded(void **state)
{
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct credit_entry entry;
        memset(&entry, 0xee, sizeof(entry));
        credit_decode(&entry, two_entries + i * CREDIT_ENTRY_BYTES);
        assert_int_equal(entry.addr, entries[i].addr);
        assert_int_equal(entry.from, entries[i].from);
        assert_int_equal(entry.limit, entries[i].limit);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(entries_are_encoded_one_after_the_other),
        cmocka_unit_test(entries_are_decoded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
