/* SPDX-License-Identifier: Apache-2.0 */
/* The messages of rpmsg-syslog: vectors both ways, our own additions, and what is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "base/bytes.h"
#include "wire/syslog.h"

/* WIRE's vectors L1 and L2. */
static const uint8_t hello_line[18] = {0, 0, 0, 0,   0,   0,   0,   0,   6,
                                       0, 0, 0, 'h', 'e', 'l', 'l', 'o', '\n'};
static const uint8_t sync_1234[16] = {3, 0, 0, 0, 0, 0, 0, 0, 0x34, 0x12, 0, 0, 0, 0, 0, 0};

static void vectors_both_ways(void **state)
{
    struct syslog_message m;
    uint8_t bytes[SYSLOG_MAX_HEADER];

    (void)state;
    assert_int_equal(syslog_decode(&m, hello_line, sizeof hello_line), SYSLOG_OK);
    assert_int_equal(m.kind, SYSLOG_TRANSFER);
    assert_int_equal(m.count, 6);
    assert_int_equal(m.offset, 0);
    assert_int_equal(syslog_encode(bytes, &m), SYSLOG_TEXT_AT);
    assert_memory_equal(bytes, hello_line, SYSLOG_TEXT_AT);

    assert_int_equal(syslog_decode(&m, sync_1234, sizeof sync_1234), SYSLOG_OK);
    assert_int_equal(m.kind, SYSLOG_SYNC);
    assert_true(m.cookie == 0x1234);
    assert_int_equal(syslog_encode(bytes, &m), SYSLOG_SYNC_BYTES);
    assert_memory_equal(bytes, sync_1234, sizeof sync_1234);
}

/* Every kind comes out as it went in, and at no shorter length. */
static void every_kind_comes_back(void **state)
{
    static const size_t lengths[] = {12, 8, 8, 16, 28, 16, 16, 16};

    (void)state;
    for (unsigned kind = SYSLOG_TRANSFER; kind <= SYSLOG_END; kind++) {
        struct syslog_message in = {.kind = kind,
                                    .offset = 0xfffffff0,
                                    .life = 0x89abcdef,
                                    .window = 4096,
                                    .cookie = UINT64_C(0x123456789abcdef0)};
        struct syslog_message out;
        uint8_t bytes[SYSLOG_MAX_HEADER] = {0};
        size_t len = syslog_encode(bytes, &in);

        assert_int_equal(len, lengths[kind]);
        assert_int_equal(syslog_decode(&out, bytes, len), SYSLOG_OK);
        assert_int_equal(out.kind, kind);
        if (kind != SYSLOG_TRANSFER && kind > SYSLOG_RESUME)
            assert_int_equal(out.life, in.life);
        if (kind == SYSLOG_SYNC)
            assert_true(out.cookie == in.cookie);
        else if (kind == SYSLOG_TRANSFER || kind >= SYSLOG_HELLO)
            assert_int_equal(out.offset, in.offset);
        if (kind == SYSLOG_HELLO) /* a byte less, and it is a TRANSFER of nothing */
            assert_true(syslog_decode(&out, bytes, len - 1) == SYSLOG_OK &&
                        out.kind == SYSLOG_TRANSFER && out.count == 0);
        else
            assert_int_equal(syslog_decode(&out, bytes, len - 1), SYSLOG_BAD_LENGTH);
    }
}

/* A NuttX server looks at command and count: nothing is to be written. */
static void hello_is_a_transfer_of_nothing(void **state)
{
    struct syslog_message m = {.kind = SYSLOG_HELLO, .life = 1, .offset = 2, .window = 3};
    uint8_t bytes[SYSLOG_MAX_HEADER];

    (void)state;
    assert_int_equal(syslog_encode(bytes, &m), 28);
    assert_int_equal(get_le32(bytes), 0);
    assert_int_equal(get_le32(bytes + 8), 0);
}

static void lies_are_refused(void **state)
{
    struct syslog_message m;
    uint8_t bytes[28];

    (void)state;
    for (size_t n = 0; n < 12; n++)
        assert_int_equal(syslog_decode(&m, hello_line, n), SYSLOG_BAD_LENGTH);
    assert_int_equal(syslog_decode(&m, hello_line, 17),
                     SYSLOG_BAD_LENGTH); /* one byte less than 6 */
    memset(bytes, 0, sizeof bytes);
    for (uint32_t count = 17; count; count *= 3) { /* up to what is negative as an i32 */
        put_le32(bytes + 8, count);
        assert_int_equal(syslog_decode(&m, bytes, sizeof bytes), SYSLOG_BAD_LENGTH);
        if (count > UINT32_MAX / 3)
            break;
    }
    put_le32(bytes + 8, UINT32_MAX);
    assert_int_equal(syslog_decode(&m, bytes, sizeof bytes), SYSLOG_BAD_LENGTH);
    put_le32(bytes, 4);
    assert_int_equal(syslog_decode(&m, bytes, sizeof bytes), SYSLOG_BAD_COMMAND);
    put_le32(bytes, UINT32_MAX);
    assert_int_equal(syslog_decode(&m, bytes, sizeof bytes), SYSLOG_BAD_COMMAND);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(vectors_both_ways),
        cmocka_unit_test(every_kind_comes_back),
        cmocka_unit_test(hello_is_a_transfer_of_nothing),
        cmocka_unit_test(lies_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
