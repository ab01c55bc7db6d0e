/* SPDX-License-Identifier: Apache-2.0 */
/* The name service message: vectors both ways, and each refusal. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/bytes.h"
#include "wire/header.h"
#include "wire/ns.h"
#include "wire_vectors.h"

struct row {
    const uint8_t *bytes;
    const char *name;
    uint32_t addr;
    uint32_t flags;
};

static const struct row rows[] = {
    {vector_ns1, "rpmsg-ping", 1024, NS_CREATE},
    {vector_ns2, "rpmsg-ping", 1031, NS_CREATE_ACK},
    {vector_ns3, "rpmsg-ping", 1024, NS_DESTROY},
    {vector_ns4 + RPMSG_HEADER_BYTES, "rpmsg-ping", 1024, NS_CREATE},
    {vector_ns5, "abcdefghijklmnopqrstuvwxyz01234", 1025, NS_CREATE},
    {vector_ns6, "abcdefghijklmnopqrstuvwxyz012345", 1025, NS_CREATE}, /* no terminator */
    {vector_r1, "router:droid", 1024, NS_CREATE},
    {vector_r2, "router:droid", 1027, NS_CREATE_ACK},
    {vector_r8, "r:droid:rpmsg-ping", 1028, NS_CREATE},
    {vector_r9, "r:audio:rpmsg-ping", 1026, NS_CREATE},
    {vector_r10, "r:audio:rpmsg-ping", 1031, NS_CREATE_ACK},
    {vector_r11, "r:droid:rpmsg-ping", 1029, NS_CREATE_ACK},
    {vector_r12, "r:cpuname:uuuuuuuuuuuuuuuuuuuuu", 1030, NS_CREATE},
};

#define N_ROWS (sizeof(rows) / sizeof(rows[0]))

static void vectors_are_decoded(void **state)
{
    (void)state;
    for (size_t i = 0; i < N_ROWS; i++) {
        struct ns_message message;
        memset(&message, 0xee, sizeof(message));
        assert_int_equal(ns_decode(&message, rows[i].bytes, RPMSG_NS_BYTES), NS_OK);
        assert_string_equal(message.name, rows[i].name);
        assert_int_equal(message.addr, rows[i].addr);
        assert_int_equal(message.flags, rows[i].flags);
    }
}

static void vectors_are_encoded(void **state)
{
    (void)state;
    for (size_t i = 0; i < N_ROWS; i++) {
        struct ns_message message = {.addr = rows[i].addr, .flags = rows[i].flags};
        uint8_t bytes[RPMSG_NS_BYTES + 1];
        memcpy(message.name, rows[i].name, strlen(rows[i].name) + 1);
        memset(bytes, 0xee, sizeof(bytes));
        ns_encode(bytes, &message);
        assert_memory_equal(bytes, rows[i].bytes, RPMSG_NS_BYTES);
        assert_int_equal(bytes[RPMSG_NS_BYTES], 0xee);
    }
}

/* NuttX and OpenAMP send what their stack held behind the terminator. */
static void bytes_behind_the_name_are_ignored(void **state)
{
    uint8_t bytes[RPMSG_NS_BYTES];
    struct ns_message message;
    static const char zero[RPMSG_NS_NAME_BYTES + 1];
    (void)state;

    memcpy(bytes, vector_ns1, sizeof(bytes));
    memset(bytes + 11, 0xa5, RPMSG_NS_NAME_BYTES - 11);
    memset(&message, 0xee, sizeof(message));
    assert_int_equal(ns_decode(&message, bytes, sizeof(bytes)), NS_OK);
    assert_string_equal(message.name, "rpmsg-ping");
    assert_memory_equal(message.name + 10, zero, sizeof(message.name) - 10);
}

static void other_lengths_are_refused(void **state)
{
    uint8_t bytes[RPMSG_NS_BYTES + 1] = {0};
    struct ns_message message;
    (void)state;

    memcpy(bytes, vector_ns1, RPMSG_NS_BYTES);
    assert_int_equal(ns_decode(&message, bytes, 0), NS_BAD_LENGTH);
    assert_int_equal(ns_decode(&message, bytes, RPMSG_NS_BYTES - 1), NS_BAD_LENGTH);
    assert_int_equal(ns_decode(&message, bytes, RPMSG_NS_BYTES + 1), NS_BAD_LENGTH);
}

static void empty_name_is_refused(void **state)
{
    uint8_t bytes[RPMSG_NS_BYTES];
    struct ns_message message;
    (void)state;

    memcpy(bytes, vector_ns1, sizeof(bytes));
    bytes[0] = 0;
    assert_int_equal(ns_decode(&message, bytes, sizeof(bytes)), NS_BAD_NAME);
}

static void address_any_is_refused(void **state)
{
    uint8_t bytes[RPMSG_NS_BYTES];
    struct ns_message message;
    (void)state;

    memcpy(bytes, vector_ns1, sizeof(bytes));
    put_le32(bytes + 32, RPMSG_ADDR_ANY);
    assert_int_equal(ns_decode(&message, bytes, sizeof(bytes)), NS_BAD_ADDR);
}

static void unknown_flags_are_refused(void **state)
{
    static const uint32_t unknown[] = {3, 4, 0x100, 0x10000, UINT32_C(0x80000000), UINT32_MAX};
    uint8_t bytes[RPMSG_NS_BYTES];
    struct ns_message message;
    (void)state;

    memcpy(bytes, vector_ns1, sizeof(bytes));
    for (size_t i = 0; i < sizeof(unknown) / sizeof(unknown[0]); i++) {
        put_le32(bytes + 36, unknown[i]);
        assert_int_equal(ns_decode(&message, bytes, sizeof(bytes)), NS_BAD_FLAGS);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(vectors_are_decoded),
        cmocka_unit_test(vectors_are_encoded),
        cmocka_unit_test(bytes_behind_the_name_are_ignored),
        cmocka_unit_test(other_lengths_are_refused),
        cmocka_unit_test(empty_name_is_refused),
        cmocka_unit_test(address_any_is_refused),
        cmocka_unit_test(unknown_flags_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
