/* SPDX-License-Identifier: Apache-2.0 */
/* The RPMsg header, and integers in byte strings at any alignment. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/bytes.h"
#include "wire/header.h"
#include "wire_vectors.h"

static void integers_are_little_endian_at_any_alignment(void **state)
{
    uint8_t bytes[16];
    (void)state;

    for (size_t at = 0; at < 8; at++) {
        static const uint8_t pattern[8] = {0x88, 0x77, 0x66, 0x55, 0x44, 0x33, 0x22, 0x11};
        memset(bytes, 0xee, sizeof(bytes));
        put_le64(bytes + at, UINT64_C(0x1122334455667788));
        assert_memory_equal(bytes + at, pattern, 8);
        assert_int_equal(bytes[at + 8], 0xee);
        assert_int_equal(get_le16(bytes + at), 0x7788);
        assert_int_equal(get_le32(bytes + at), 0x55667788);
        assert_true(get_le64(bytes + at) == UINT64_C(0x1122334455667788));
        put_le32(bytes + at, 0xa1b2c3d4);
        put_le16(bytes + at, 0xe5f6);
        assert_int_equal(get_le32(bytes + at), 0xa1b2e5f6);
        assert_int_equal(get_le32(bytes + at + 4), 0x11223344);
    }
}

static void header_is_read(void **state)
{
    (void)state;
    struct rpmsg_header header = header_get(vector_h1);
    assert_int_equal(header.src, 0x400);
    assert_int_equal(header.dst, 0x401);
    assert_int_equal(header.len, 5);
    assert_int_equal(header.flags, 0);

    header = header_get(vector_h2);
    assert_int_equal(header.src, 0x405);
    assert_int_equal(header.dst, RPMSG_ADDR_NS);
    assert_int_equal(header.len, 0);
}

static void stale_reserved_is_ignored(void **state)
{
    (void)state;
    struct rpmsg_header header = header_get(vector_h3);
    assert_int_equal(header.src, 1);
    assert_int_equal(header.dst, 0x401);
    assert_int_equal(header.len, 1);
    assert_int_equal(header.flags, 0);
}

static void flags_are_read_beside_len(void **state)
{
    uint8_t bytes[RPMSG_HEADER_BYTES] = {0};
    (void)state;

    put_le16(bytes + 12, 0xffff);
    put_le16(bytes + 14, 0x1234);
    struct rpmsg_header header = header_get(bytes);
    assert_int_equal(header.len, 0xffff);
    assert_int_equal(header.flags, 0x1234);
}

static void header_is_written_whole_and_nothing_behind_it(void **state)
{
    uint8_t bytes[RPMSG_HEADER_BYTES + 1];
    (void)state;

    memset(bytes, 0xee, sizeof(bytes));
    header_put(bytes, 0x400, 0x401, 5);
    assert_memory_equal(bytes, vector_h1, RPMSG_HEADER_BYTES);
    assert_int_equal(bytes[RPMSG_HEADER_BYTES], 0xee);

    header_put(bytes, 0x405, RPMSG_ADDR_NS, 0);
    assert_memory_equal(bytes, vector_h2, RPMSG_HEADER_BYTES);

    header_put(bytes, 1, 2, UINT16_MAX); /* the longest length leaves flags alone */
    assert_int_equal(get_le32(bytes + 12), 0x0000ffff);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(integers_are_little_endian_at_any_alignment),
        cmocka_unit_test(header_is_read),
        cmocka_unit_test(stale_reserved_is_ignored),
        cmocka_unit_test(flags_are_read_beside_len),
        cmocka_unit_test(header_is_written_whole_and_nothing_behind_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
