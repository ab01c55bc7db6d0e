/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The messages of rpmsg-sensor: as NuttX's compiler lays its structs out, both ways, and whatever is
 * too short or does not end.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "wire/sensor.h"

/* NuttX drivers/sensors/sensor_rpmsg.c, typed again. */
struct nuttx_topic {
    uint32_t command, nbuffer;
    uint64_t cookie;
    uint32_t persist;
    char path[1];
};

struct nuttx_cell {
    uint64_t cookie;
    uint32_t nbuffer, len;
};

struct nuttx_ioctl {
    uint32_t command;
    int32_t result;
    uint64_t cookie, proxy;
    int32_t request;
    uint32_t arglen;
    union {
        uint64_t arg;
        char argbuf[1];
    } u;
};

struct nuttx_info {
    uint32_t version;
    float power, max_range, resolution;
    int32_t min_delay, max_delay;
    uint32_t fifo_reserved, fifo_max;
    char name[32], vendor[32];
};

_Static_assert(sizeof(struct nuttx_topic) == SENSOR_TOPIC_BYTES, "natural alignment");
_Static_assert(offsetof(struct nuttx_topic, path) == SENSOR_PATH_AT, "natural alignment");
_Static_assert(sizeof(struct nuttx_cell) == SENSOR_CELL_BYTES, "natural alignment");
_Static_assert(sizeof(struct nuttx_ioctl) == SENSOR_IOCTL_BYTES, "natural alignment");
_Static_assert(offsetof(struct nuttx_ioctl, u) == SENSOR_ARG_AT, "natural alignment");
_Static_assert(sizeof(struct nuttx_info) == SENSOR_INFO_BYTES, "natural alignment");

#define PATH "/dev/uorb/sensor_accel0"

static void topics_both_ways(void **state)
{
    struct nuttx_topic t = {SENSOR_SUBSCRIBE, 3, UINT64_C(0x7f0ef524f190), 1, ""};
    struct sensor_topic_message m = {.command = SENSOR_SUBSCRIBE,
                                     .nbuffer = 3,
                                     .cookie = UINT64_C(0x7f0ef524f190),
                                     .persist = 1,
                                     .path = PATH},
                                got;
    uint8_t bytes[64], expected[64] = {0};
    uint32_t command = 99;
    size_t len = SENSOR_TOPIC_BYTES + sizeof PATH;
    (void)state;

    memcpy(expected, &t, SENSOR_PATH_AT);
    memcpy(expected + SENSOR_PATH_AT, PATH, sizeof PATH);
    memset(bytes, 0xee, sizeof bytes);
    assert_int_equal(sensor_topic_bytes(PATH), len);
    assert_int_equal(sensor_topic_encode(bytes, &m), len);
    assert_memory_equal(bytes, expected, len);
    assert_int_equal(bytes[len], 0xee);
    memset(expected + SENSOR_PATH_AT + sizeof PATH, 0xaa, 4); /* NuttX sends what was there */
    assert_int_equal(sensor_check(&command, expected, len), SENSOR_OK);
    assert_int_equal(command, SENSOR_SUBSCRIBE);
    memset(&got, 0xee, sizeof got);
    assert_int_equal(sensor_topic_decode(&got, expected, len), SENSOR_OK);
    assert_int_equal(got.nbuffer, 3);
    assert_true(got.cookie == m.cookie);
    assert_int_equal(got.persist, 1);
    assert_string_equal(got.path, PATH);
}

static int path_result(const char *path, size_t len)
{
    struct sensor_topic_message m;
    uint8_t bytes[600] = {0};

    memcpy(bytes + SENSOR_PATH_AT, path, len);
    return sensor_topic_decode(&m, bytes, SENSOR_PATH_AT + len);
}

static void paths_end_and_are_printable(void **state)
{
    char path[400];
    (void)state;

    assert_int_equal(path_result("a", 2), SENSOR_OK);
    assert_int_equal(path_result("a", 1), SENSOR_BAD_PATH); /* no NUL within the message */
    assert_int_equal(path_result("\0a", 3), SENSOR_BAD_PATH);
    assert_int_equal(path_result("a b", 4), SENSOR_BAD_PATH);
    assert_int_equal(path_result("a\x7f", 3), SENSOR_BAD_PATH);
    assert_int_equal(path_result("a\xc3\xa4", 4), SENSOR_BAD_PATH);
    memset(path, 'x', sizeof path);
    path[SENSOR_PATH_MAX] = '\0';
    assert_int_equal(path_result(path, SENSOR_PATH_MAX + 1), SENSOR_OK);
    path[SENSOR_PATH_MAX] = 'x';
    path[SENSOR_PATH_MAX + 1] = '\0';
    assert_int_equal(path_result(path, SENSOR_PATH_MAX + 2), SENSOR_LONG_PATH);
    assert_int_equal(path_result(path, SENSOR_PATH_MAX), SENSOR_BAD_PATH);
}

static void commands_need_their_bytes(void **state)
{
    static const size_t least[SENSOR_N_COMMANDS] = {22, 22, 22, 22, 22, 22, 8, 40, 40};
    uint8_t bytes[64] = {0};
    uint32_t command;
    (void)state;

    for (uint8_t c = 0; c < SENSOR_N_COMMANDS; c++)
        for (size_t len = 0; len < sizeof bytes; len++) {
            bytes[0] = c;
            assert_int_equal(sensor_check(&command, bytes, len),
                             len < least[c] ? SENSOR_BAD_LENGTH : SENSOR_OK);
        }
    bytes[0] = SENSOR_N_COMMANDS;
    assert_int_equal(sensor_check(&command, bytes, 4), SENSOR_BAD_COMMAND);
    bytes[3] = 0x80;
    assert_int_equal(sensor_check(&command, bytes, 64), SENSOR_BAD_COMMAND);
}

static void cells_both_ways(void **state)
{
    static const uint32_t lengths[] = {0, 1, 7, 8, 9, 24};
    uint8_t data[24], bytes[256];
    struct sensor_cell cell;
    size_t len = SENSOR_DATA_BYTES, at = SENSOR_DATA_BYTES;
    int error;
    (void)state;

    for (unsigned i = 0; i < sizeof data; i++)
        data[i] = (uint8_t)(i + 1);
    memset(bytes, 0xee, sizeof bytes);
    sensor_data_encode(bytes);
    for (unsigned i = 0; i < 6; i++) {
        struct sensor_cell c = {1000 + i, i, lengths[i], data};
        size_t n = sensor_cell_encode(bytes + len, &c);

        assert_int_equal(n, (16 + lengths[i] + 7) / 8 * 8);
        len += n;
        assert_int_equal(bytes[len], 0xee);
    }
    for (unsigned i = 0; i < 6; i++) {
        assert_true(sensor_cell_next(&cell, &at, bytes, len, &error));
        assert_int_equal(cell.cookie, 1000 + i);
        assert_int_equal(cell.nbuffer, i);
        assert_int_equal(cell.len, lengths[i]);
        assert_memory_equal(cell.data, data, cell.len);
    }
    assert_false(sensor_cell_next(&cell, &at, bytes, len, &error));
    assert_int_equal(error, SENSOR_OK);
}

/* The last cell of a message may lack its padding: NuttX does not look. */
static void cells_that_do_not_fit(void **state)
{
    uint8_t bytes[64] = {0};
    struct sensor_cell cell;
    int error;
    (void)state;

    for (size_t len = SENSOR_DATA_BYTES; len <= 40; len++)
        for (uint32_t said = 0; said < 40; said++) {
            size_t at = SENSOR_DATA_BYTES;
            bool fits = len >= 24 + said;

            bytes[SENSOR_DATA_BYTES + 12] = (uint8_t)said;
            assert_int_equal(sensor_cell_next(&cell, &at, bytes, len, &error), fits);
            assert_int_equal(error, fits || len == SENSOR_DATA_BYTES ? SENSOR_OK : SENSOR_BAD_CELL);
        }
    memset(bytes + SENSOR_DATA_BYTES + 12, 0xff, 4); /* 4 GiB, and what overflows with 16 and 7 */
    for (unsigned low = 0xe0; low <= 0xff; low++) {
        size_t at = SENSOR_DATA_BYTES;

        bytes[SENSOR_DATA_BYTES + 12] = (uint8_t)low;
        assert_false(sensor_cell_next(&cell, &at, bytes, sizeof bytes, &error));
        assert_int_equal(error, SENSOR_BAD_CELL);
    }
}

static void questions_both_ways(void **state)
{
    struct nuttx_ioctl n = {.command = SENSOR_IOCTL,
                            .result = -6,
                            .cookie = UINT64_C(0x1122334455667788),
                            .proxy = 77,
                            .request = SENSOR_SET_INTERVAL,
                            .u.arg = 10000};
    struct sensor_ioctl_message m, back;
    uint8_t bytes[SENSOR_IOCTL_BYTES + SENSOR_ARG_MAX + 8];
    (void)state;

    assert_int_equal(sensor_ioctl_decode(&m, &n, sizeof n), SENSOR_OK);
    assert_int_equal(m.result, -6);
    assert_true(m.cookie == n.cookie && m.proxy == 77 && m.number == 10000 && m.arglen == 0);
    assert_int_equal(m.request, SENSOR_SET_INTERVAL);
    assert_int_equal(sensor_ioctl_encode(bytes, &m), SENSOR_IOCTL_BYTES);
    assert_memory_equal(bytes, &n, sizeof n);
    for (uint32_t len = 1; len <= SENSOR_ARG_MAX; len += 37) {
        size_t n_bytes;

        m.arglen = len;
        memset(m.arg, (int)len, len);
        memset(bytes, 0xee, sizeof bytes);
        n_bytes = sensor_ioctl_encode(bytes, &m);
        assert_int_equal(n_bytes, SENSOR_IOCTL_BYTES + len);
        assert_int_equal(bytes[n_bytes], 0xee);
        assert_int_equal(sensor_ioctl_decode(&back, bytes, n_bytes), SENSOR_OK);
        assert_memory_equal(back.arg, m.arg, len);
        assert_int_equal(sensor_ioctl_decode(&back, bytes, SENSOR_ARG_AT + len), SENSOR_OK);
        if (SENSOR_ARG_AT + len > SENSOR_IOCTL_BYTES)
            assert_int_equal(sensor_ioctl_decode(&back, bytes, SENSOR_ARG_AT + len - 1),
                             SENSOR_BAD_LENGTH);
    }
}

static void arguments_are_bounded(void **state)
{
    uint8_t bytes[2048] = {SENSOR_IOCTL};
    struct sensor_ioctl_message m;
    (void)state;

    bytes[28] = (SENSOR_ARG_MAX + 1) & 0xff;
    bytes[29] = (SENSOR_ARG_MAX + 1) >> 8;
    assert_int_equal(sensor_ioctl_decode(&m, bytes, sizeof bytes), SENSOR_LONG_ARG);
    assert_int_equal(m.arglen, SENSOR_ARG_MAX + 1);
    memset(bytes + 28, 0xff, 4);
    assert_int_equal(sensor_ioctl_decode(&m, bytes, sizeof bytes), SENSOR_BAD_LENGTH);
}

static void info_both_ways(void **state)
{
    struct nuttx_info n = {1, 0.5f, 39.2f, 0.001f, 2500, 100000, 10, 1024, "bmi160", "Bosch"};
    struct sensor_info info, back;
    uint8_t bytes[SENSOR_INFO_BYTES];
    float range;
    (void)state;

    memcpy(bytes, &n, sizeof bytes);
    sensor_info_decode(&info, bytes);
    memcpy(&range, &info.max_range_bits, sizeof range);
    assert_true(range > 39.1f && range < 39.3f);
    assert_int_equal(info.min_delay_us, 2500);
    assert_int_equal(info.fifo_max, 1024);
    assert_string_equal(info.name, "bmi160");
    assert_string_equal(info.vendor, "Bosch");
    sensor_info_encode(bytes, &info);
    assert_memory_equal(bytes, &n, sizeof bytes);
    memset(bytes + 32, 'x', 64); /* no NUL */
    sensor_info_decode(&back, bytes);
    assert_int_equal(strlen(back.name), 31);
    assert_int_equal(strlen(back.vendor), 31);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(topics_both_ways),          cmocka_unit_test(paths_end_and_are_printable),
        cmocka_unit_test(commands_need_their_bytes), cmocka_unit_test(cells_both_ways),
        cmocka_unit_test(cells_that_do_not_fit),     cmocka_unit_test(questions_both_ways),
        cmocka_unit_test(arguments_are_bounded),     cmocka_unit_test(info_both_ways),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
