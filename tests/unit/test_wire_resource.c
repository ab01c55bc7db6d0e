/* SPDX-License-Identifier: Apache-2.0 */
/* The resource table's codec by itself; whole tables of peers are in test_ivshmem_peers.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/bytes.h"
#include "wire/resource.h"

#define TABLE_BYTES 400u

/* Entries: an unknown one, a device of another kind, two carveouts, the RPMsg device. */
static void make_table(uint8_t *t, const char *first, const char *second)
{
    static const uint32_t offsets[] = {36, 84, 132, 188, 244};
    const struct resource_offer offer = {.dfeatures = 0x0f,
                                         .num = 8,
                                         .align = 8,
                                         .da = RESOURCE_ANY,
                                         .h2r_bytes = 1536,
                                         .r2h_bytes = 1024,
                                         .host = "ap",
                                         .remote = "audio-dsp"};

    memset(t, 0, TABLE_BYTES);
    put_le32(t, 1);
    put_le32(t + 4, 5);
    for (unsigned i = 0; i < 5; i++)
        put_le32(t + 16 + 4 * i, offsets[i]);
    put_le32(t + 36, 2); /* a trace */
    put_le32(t + 84, 3);
    put_le32(t + 88, 4); /* entropy */
    t[84 + 25] = 1;
    resource_carveout_encode(t + 132, 0x1000, 100, first);
    resource_carveout_encode(t + 188, 0x2000, 200, second);
    resource_device_encode(t + 244, &offer);
}

static void what_is_written_is_read(void **state)
{
    struct resource_table table;
    uint8_t t[TABLE_BYTES];

    (void)state;
    make_table(t, "one", "two");
    assert_null(resource_table_parse(&table, t, TABLE_BYTES));
    assert_int_equal(table.vdev.at, 244);
    assert_int_equal(table.vdev.dfeatures, 0x0f);
    assert_int_equal(table.vdev.status, 0);
    assert_false(table.vdev.slave_drives);
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(table.vdev.vring[i].da, RESOURCE_ANY);
        assert_int_equal(table.vdev.vring[i].num, 8);
        assert_int_equal(table.vdev.vring[i].align, 8);
    }
    assert_int_equal(table.vdev.config.h2r_bytes, 1536);
    assert_int_equal(table.vdev.config.r2h_bytes, 1024);
    assert_int_equal(table.vdev.config.revision, RESOURCE_REVISION_NEW);
    assert_string_equal(table.vdev.config.host, "ap");
    assert_string_equal(table.vdev.config.remote, "audio-d"); /* 7 of them, and an end */
    assert_int_equal(table.end, 244 + RESOURCE_DEVICE_BYTES);
}

/* The carveout with the device's name, wherever it is; else the one with its number. */
static void which_carveout(void **state)
{
    static const struct {
        const char *first, *second;
        uint32_t da;
    } rows[] = {{"one", "two", 0x2000},
                {"vdev1buffer", "two", 0x1000},
                {"vdev0buffer", "vdev1buffer", 0x2000},
                {"vdev0buffer", "x", 0x2000},
                {"vdev1buffer", "vdev1buffer", 0x1000},
                {"vdev1buffe", "vdev1vring0", 0x2000}};
    struct resource_table table;
    uint8_t t[TABLE_BYTES];

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        make_table(t, rows[i].first, rows[i].second);
        assert_null(resource_table_parse(&table, t, TABLE_BYTES));
        assert_int_equal(table.pool_da, rows[i].da);
        assert_int_equal(table.pool_len, rows[i].da / 0x1000 * 100);
    }
    make_table(t, "one", "two");
    put_le32(t + 188, 2); /* the second is none: there is no carveout of that number */
    assert_null(resource_table_parse(&table, t, TABLE_BYTES));
    assert_int_equal(table.pool_len, 0);
}

/* Cut anywhere it is refused, or says what it said before, and nothing behind the end is read. */
static void tables_that_are_cut(void **state)
{
    uint8_t t[TABLE_BYTES];

    (void)state;
    make_table(t, "one", "two");
    for (uint32_t n = 0; n <= TABLE_BYTES; n++) {
        uint8_t *exact = malloc(n + !n);
        struct resource_table table;

        memcpy(exact, t, n);
        assert_int_equal(resource_table_parse(&table, exact, n) == NULL,
                         n >= 244 + RESOURCE_DEVICE_BYTES);
        free(exact);
    }
}

/* H-6: the two revisions, and what is neither. */
static void revisions(void **state)
{
    static const struct {
        const char *at8, *at16, *at24, *at32;
        enum resource_revision revision;
        const char *host, *remote;
    } rows[] = {
        {"", "", "ap", "audio", RESOURCE_REVISION_NEW, "ap", "audio"},
        {"ap", "audio", "", "", RESOURCE_REVISION_OLD, "ap", "audio"},
        {"12345678", "87654321", "", "", RESOURCE_REVISION_OLD, "12345678", "87654321"},
        {"", "", "12345678", "87654321", RESOURCE_REVISION_NEW, "12345678", "87654321"},
        {"ap", "", "", "", RESOURCE_REVISION_OLD, "ap", ""},
        {"", "", "", "audio", RESOURCE_REVISION_NEW, "", "audio"},
        {"old", "older", "new", "newer", RESOURCE_REVISION_NEW, "new", "newer"},
        {"\x01\x02", "", "", "", RESOURCE_REVISION_NONE, "", ""}, /* an address */
        {"", "", "\x80", "a b", RESOURCE_REVISION_NONE, "", ""},
        {"", "", "", "", RESOURCE_REVISION_NONE, "", ""},
    };
    struct resource_vdev vdev;
    uint8_t t[TABLE_BYTES];
    uint8_t *config = t + 244 + 68;

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        make_table(t, "one", "two");
        memset(config + 8, 0, 56);
        memcpy(config + 8, rows[i].at8, strlen(rows[i].at8));
        memcpy(config + 16, rows[i].at16, strlen(rows[i].at16));
        memcpy(config + 24, rows[i].at24, strlen(rows[i].at24));
        memcpy(config + 32, rows[i].at32, strlen(rows[i].at32));
        assert_null(resource_vdev_parse(&vdev, t, TABLE_BYTES, 244));
        assert_int_equal(vdev.config.revision, rows[i].revision);
        assert_string_equal(vdev.config.host, rows[i].host);
        assert_string_equal(vdev.config.remote, rows[i].remote);
    }
}

/* H-7: a configuration of any length. */
static void short_configurations(void **state)
{
    uint8_t t[TABLE_BYTES];

    (void)state;
    for (uint32_t n = 0; n <= 80; n++) {
        struct resource_vdev vdev;

        make_table(t, "one", "two");
        put_le32(t + 244 + 20, n);
        assert_null(resource_vdev_parse(&vdev, t, TABLE_BYTES, 244));
        assert_int_equal(vdev.config.h2r_bytes, n >= 8 ? 1536 : 0);
        assert_int_equal(vdev.config.revision,
                         n >= 40 ? RESOURCE_REVISION_NEW : RESOURCE_REVISION_NONE);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_written_is_read), cmocka_unit_test(which_carveout),
        cmocka_unit_test(tables_that_are_cut),     cmocka_unit_test(revisions),
        cmocka_unit_test(short_configurations),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
