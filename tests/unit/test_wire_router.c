/* SPDX-License-Identifier: Apache-2.0 */
/* The router's message and names: vectors both ways, limits, and each refusal. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "base/bytes.h"
#include "wire/header.h"
#include "wire/router.h"
#include "wire_vectors.h"

/* ---- message ----------------------------------------------------------------------------------- */

struct row {
    const uint8_t *bytes;
    struct router_message message;
};

static const uint8_t hello[ROUTER_BYTES] = {
    0x05, 0, 0, 0, 'R', 'P', 'R', '1', 0x01, 0, 0, 0, 0x81, 0, 0, 0x80, 0, 0, 0, 0,
};

static const struct row rows[] = {
    {vector_r3, {.cmd = ROUTER_CREATE, .tx_len = 1520, .rx_len = 2008, .cpuname = "audio"}},
    {vector_r4, {.cmd = ROUTER_CREATE, .tx_len = 2008, .rx_len = 1520, .cpuname = "droid"}},
    {vector_r5, {.cmd = ROUTER_DESTROY}},
    {vector_r6, {.cmd = ROUTER_SUSPEND}},
    {vector_r7, {.cmd = ROUTER_RESUME}},
    {hello, {.cmd = ROUTER_HELLO, .version = 1, .caps = 0x80000081}},
};

#define N_ROWS (sizeof(rows) / sizeof(rows[0]))

static void assert_same(const struct router_message *got, const struct router_message *expected)
{
    assert_int_equal(got->cmd, expected->cmd);
    assert_int_equal(got->tx_len, expected->tx_len);
    assert_int_equal(got->rx_len, expected->rx_len);
    assert_string_equal(got->cpuname, expected->cpuname);
    assert_int_equal(got->version, expected->version);
    assert_int_equal(got->caps, expected->caps);
}

static void vectors_are_decoded(void **state)
{
    (void)state;
    for (size_t i = 0; i < N_ROWS; i++) {
        struct router_message message;
        memset(&message, 0xee, sizeof(message));
        assert_int_equal(router_decode(&message, rows[i].bytes, ROUTER_BYTES), ROUTER_OK);
        assert_same(&message, &rows[i].message);
    }
}

/* Surplus fields must not leak: those of another command are dropped. */
static void field_4_7_no_stack_bytes_on_the_wire(void **state)
{
    (void)state;
    for (size_t i = 0; i < N_ROWS; i++) {
        struct router_message message = rows[i].message;
        uint8_t bytes[ROUTER_LONG_BYTES + 1];
        if (message.cmd != ROUTER_CREATE) {
            message.tx_len = message.rx_len = 77;
            memcpy(message.cpuname, "stale", 6);
        }
        if (message.cmd != ROUTER_HELLO) {
            message.version = message.caps = 88;
        }
        memset(bytes, 0xee, sizeof(bytes));
        assert_int_equal(router_encode(bytes, &message), ROUTER_BYTES);
        assert_memory_equal(bytes, rows[i].bytes, ROUTER_BYTES);
        assert_int_equal(bytes[ROUTER_LONG_BYTES], 0xee);
    }
}

static void field_4_5_cpu_name_needs_no_terminator(void **state)
{
    struct router_message message;
    uint8_t bytes[ROUTER_LONG_BYTES], again[ROUTER_LONG_BYTES];
    (void)state;

    memcpy(bytes, vector_r3, ROUTER_BYTES);
    memcpy(bytes + 12, "eightcpu", 8);
    put_le32(bytes + 20, 0x01020304);
    for (size_t len = ROUTER_BYTES; len <= ROUTER_LONG_BYTES; len += 4) {
        assert_int_equal(router_decode(&message, bytes, len), ROUTER_OK);
        assert_string_equal(message.cpuname, "eightcpu");
        assert_int_equal(router_encode(again, &message), len);
        assert_memory_equal(again, bytes, len);
    }
}

/* To an edge of ours CREATE says which one it is; HELLO which one it answers. */
static void sessions_are_numbered(void **state)
{
    struct router_message create = {.cmd = ROUTER_CREATE, .tx_len = 1, .rx_len = 2, .session = 7};
    struct router_message greeting = {.cmd = ROUTER_HELLO, .version = 1, .session = 0x01020304};
    struct router_message message;
    uint8_t bytes[ROUTER_LONG_BYTES];
    (void)state;

    assert_int_equal(router_encode(bytes, &create), 24);
    assert_memory_equal(bytes + 20, "\x07\0\0\0", 4);
    assert_int_equal(router_decode(&message, bytes, 24), ROUTER_OK);
    assert_int_equal(message.session, 7);
    assert_int_equal(router_decode(&message, bytes, 23), ROUTER_OK);
    assert_int_equal(message.session, 0);
    assert_int_equal(router_encode(bytes, &greeting), 20);
    assert_memory_equal(bytes + 16, "\x04\x03\x02\x01", 4);
    assert_int_equal(router_decode(&message, bytes, 20), ROUTER_OK);
    assert_int_equal(message.session, 0x01020304);
}

/* NuttX sends what its stack held behind the command, and behind the name's terminator. */
static void bytes_that_are_not_meant_are_ignored(void **state)
{
    static const struct router_message empty;
    struct router_message message;
    uint8_t bytes[ROUTER_BYTES];
    (void)state;

    for (uint32_t cmd = ROUTER_DESTROY; cmd <= ROUTER_RESUME; cmd++) {
        memset(bytes, 0xa5, sizeof(bytes));
        put_le32(bytes, cmd);
        assert_int_equal(router_decode(&message, bytes, sizeof(bytes)), ROUTER_OK);
        struct router_message expected = empty;
        expected.cmd = cmd;
        assert_same(&message, &expected);
    }
    memcpy(bytes, vector_r3, sizeof(bytes));
    bytes[18] = 'x';
    bytes[19] = 'y';
    assert_int_equal(router_decode(&message, bytes, sizeof(bytes)), ROUTER_OK);
    assert_string_equal(message.cpuname, "audio");
}

static void each_command_has_its_shortest_length(void **state)
{
    struct router_message message;
    (void)state;

    for (size_t i = 0; i < N_ROWS; i++) {
        uint32_t cmd = rows[i].message.cmd;
        size_t needed = cmd == ROUTER_CREATE || cmd == ROUTER_HELLO ? 20 : 4;
        for (size_t len = 0; len < needed; len++) {
            uint8_t *bytes =
                malloc(len); /* no byte more: a sanitizer sees what is read behind it */
            memcpy(bytes, rows[i].bytes, len);
            assert_int_equal(router_decode(&message, bytes, len), ROUTER_BAD_LENGTH);
            free(bytes);
        }
        assert_int_equal(router_decode(&message, rows[i].bytes, needed), ROUTER_OK);
    }
}

static void longer_messages_are_taken(void **state)
{
    struct router_message message;
    uint8_t bytes[ROUTER_BYTES + 8] = {0};
    (void)state;

    memcpy(bytes, vector_r3, ROUTER_BYTES);
    assert_int_equal(router_decode(&message, bytes, sizeof(bytes)), ROUTER_OK);
    assert_same(&message, &rows[0].message);
}

static void unknown_commands_are_refused(void **state)
{
    static const uint32_t unknown[] = {0, 6, 0x101, 0x01000000, UINT32_MAX};
    struct router_message message;
    uint8_t bytes[ROUTER_BYTES];
    (void)state;

    memcpy(bytes, vector_r3, sizeof(bytes));
    for (size_t i = 0; i < sizeof(unknown) / sizeof(unknown[0]); i++) {
        put_le32(bytes, unknown[i]);
        assert_int_equal(router_decode(&message, bytes, sizeof(bytes)), ROUTER_BAD_CMD);
        assert_int_equal(router_decode(&message, bytes, 4), ROUTER_BAD_CMD);
    }
}

static void hello_of_another_maker_is_refused(void **state)
{
    struct router_message message;
    uint8_t bytes[ROUTER_BYTES];
    (void)state;

    for (size_t at = 4; at < 8; at++) {
        memcpy(bytes, hello, sizeof(bytes));
        bytes[at] ^= 1;
        assert_int_equal(router_decode(&message, bytes, sizeof(bytes)), ROUTER_BAD_MAGIC);
    }
}

/* ---- names ------------------------------------------------------------------------------------- */

#define SERVICE_21 "uuuuuuuuuuuuuuuuuuuuu"

static void cpu_names(void **state)
{
    static const char *const valid[] = {"a", "cpuname", "Z9", "a_b.c-d", "0"};
    static const char *const invalid[] = {"",     "cpuname8",    "a:b", "a b", "a/b", "a\n",
                                          "\x7f", "caf\xc3\xa9", "@",   "[",   "`",   "{"};
    (void)state;

    for (size_t i = 0; i < sizeof(valid) / sizeof(valid[0]); i++) {
        assert_true(cpu_name_valid(valid[i], ROUTER_CPU_MAX));
    }
    for (size_t i = 0; i < sizeof(invalid) / sizeof(invalid[0]); i++) {
        assert_false(cpu_name_valid(invalid[i], ROUTER_CPU_MAX));
    }
    assert_true(cpu_name_valid("cpuname8", 8));
    assert_true(cpu_name_valid("0123456789012345678901234567890", 31));
    assert_false(cpu_name_valid("01234567890123456789012345678901", 31));
}

static void control_names_are_built(void **state)
{
    char name[ROUTER_NAME_BYTES];
    (void)state;

    assert_int_equal(router_control_name(name, "droid"), ROUTER_OK);
    assert_string_equal(name, "router:droid");
    assert_int_equal(router_control_name(name, "cpuname"), ROUTER_OK);
    assert_string_equal(name, "router:cpuname");

    memcpy(name, "untouched", 10);
    assert_int_equal(router_control_name(name, ""), ROUTER_BAD_CPU);
    assert_int_equal(router_control_name(name, "cpuname8"), ROUTER_BAD_CPU);
    assert_int_equal(router_control_name(name, "a:b"), ROUTER_BAD_CPU);
    assert_string_equal(name, "untouched");
}

static void route_names_are_built(void **state)
{
    char name[ROUTER_NAME_BYTES];
    (void)state;

    assert_int_equal(route_name(name, "droid", "rpmsg-ping"), ROUTER_OK);
    assert_string_equal(name, "r:droid:rpmsg-ping");
    assert_int_equal(route_name(name, "cpuname", SERVICE_21), ROUTER_OK);
    assert_memory_equal(name, vector_r12, 32); /* the longest there is */
    assert_int_equal(route_name(name, "a", "s:svc:2"), ROUTER_OK);
    assert_string_equal(name, "r:a:s:svc:2");

    memcpy(name, "untouched", 10);
    assert_int_equal(route_name(name, "", "svc"), ROUTER_BAD_CPU);
    assert_int_equal(route_name(name, "cpuname8", "svc"), ROUTER_BAD_CPU);
    assert_int_equal(route_name(name, "droid", ""), ROUTER_BAD_SERVICE);
    assert_int_equal(route_name(name, "a", SERVICE_21 "u"), ROUTER_BAD_SERVICE);
    assert_string_equal(name, "untouched");
}

static void control_names_are_matched_whole(void **state)
{
    static const char *const other[] = {
        "",         "router",        "router:",    "router:cpuname8", "Router:droid",
        "r:droid",  "router:droid:", "router:a b", "xrouter:droid",   "router:droid:svc",
        "router::",
    };
    char cpu[ROUTER_CPU_MAX + 1] = "kept";
    (void)state;

    for (size_t i = 0; i < sizeof(other) / sizeof(other[0]); i++) {
        assert_false(router_control_parse(other[i], cpu));
    }
    assert_string_equal(cpu, "kept");
    assert_true(router_control_parse("router:droid", cpu));
    assert_string_equal(cpu, "droid");
    assert_true(router_control_parse("router:cpuname", cpu));
    assert_string_equal(cpu, "cpuname");
}

static void route_names_are_matched_whole(void **state)
{
    static const char *const other[] = {
        "",         "r",         "r:",      "r:droid",        "r:droid:",
        "r::svc",   "router:cp", "R:a:svc", "r:cpuname8:svc", "r:a b:svc",
        "xr:a:svc", "r:a",       "r:a:",    "a:svc",          "r:a:" SERVICE_21 "u",
    };
    char cpu[ROUTER_CPU_MAX + 1] = "kept";
    char service[ROUTER_SERVICE_MAX + 1] = "kept";
    (void)state;

    for (size_t i = 0; i < sizeof(other) / sizeof(other[0]); i++) {
        assert_false(route_parse(other[i], cpu, service));
    }
    assert_string_equal(cpu, "kept");
    assert_string_equal(service, "kept");

    assert_true(route_parse("r:cpuname:" SERVICE_21, cpu, service));
    assert_string_equal(cpu, "cpuname");
    assert_string_equal(service, SERVICE_21);
    assert_true(route_parse("r:cp2:svc", cpu, service)); /* never taken for "cp" (H-21) */
    assert_string_equal(cpu, "cp2");
    assert_string_equal(service, "svc");
    assert_true(route_parse("r:a:s:svc:2", cpu, service)); /* a service may hold ':' */
    assert_string_equal(cpu, "a");
    assert_string_equal(service, "s:svc:2");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(vectors_are_decoded),
        cmocka_unit_test(field_4_7_no_stack_bytes_on_the_wire),
        cmocka_unit_test(field_4_5_cpu_name_needs_no_terminator),
        cmocka_unit_test(sessions_are_numbered),
        cmocka_unit_test(bytes_that_are_not_meant_are_ignored),
        cmocka_unit_test(each_command_has_its_shortest_length),
        cmocka_unit_test(longer_messages_are_taken),
        cmocka_unit_test(unknown_commands_are_refused),
        cmocka_unit_test(hello_of_another_maker_is_refused),
        cmocka_unit_test(cpu_names),
        cmocka_unit_test(control_names_are_built),
        cmocka_unit_test(route_names_are_built),
        cmocka_unit_test(control_names_are_matched_whole),
        cmocka_unit_test(route_names_are_matched_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
