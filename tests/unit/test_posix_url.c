/* SPDX-License-Identifier: Apache-2.0 */
/* Link URLs: what is taken, and what is said about the rest. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include <rpr/posix.h>

static void good_urls(void **state)
{
    static const struct {
        const char *url;
        uint32_t size;
    } rows[] = {
        {"shm:/run/a", 2048},
        {"shm:a", 2048},
        {"shm:/run/a?listen=1", 2048},
        {"shm:/run/a?listen=0&size=64", 64},
        {"shm:/run/a?size=65519&buffers=2", 65519},
        {"shm:/run/a?listen=1&buffers=32768&size=496", 496},
        {"shm:/run/a:b", 2048},
        {"pty:/run/p", 2008},
        {"pty:p?crc=off&size=496&buffers=10&window=8&relax=50", 496},
        {"serial:/dev/ttyUSB0", 2008},
        {"serial:/dev/ttyS0?baud=921600&flow=none&crc=require", 2008},
        {"serial:/dev/ttyS0?flow=rtscts&size=65495", 65495},
        {"unix:/run/s", 2008},
        {"unix:/run/s?listen=1&crc=auto", 2008},
        {"tcp:localhost:5000", 2008},
        {"tcp:192.168.1.5:5000?size=1", 1},
        {"tcp:[fe80::1]:65535", 2008},
        {"tcp:127.0.0.1:1?listen=1", 2008},
        {"tcp:localhost:1?listen=1", 2008},
        {"tcp:[::1]:5000?listen=1", 2008},
        {"tcp:0.0.0.0:5000?listen=1&expose=1", 2008},
        {"ivshmem:/dev/shm/x?role=master", 1520},
        {"ivshmem:x?layout=rptun&role=slave", 1520},
        {"ivshmem:x?role=slave&layout=sim", 1520},
        {"ivshmem:x?role=master&layout=lite", 2032},
        {"ivshmem:x?role=slave&buffers=1024&size=65519", 65519},
        {"ivshmem:x?role=master&layout=sim&buffers=2&size=64", 64},
    };
    char error[RPR_ERROR_TEXT];

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        assert_int_equal(rpr_url_check("audio", rows[i].url, error), 0);
        assert_int_equal(rpr_url_size(rows[i].url), rows[i].size);
    }
}

static void bad_urls(void **state)
{
    static const struct {
        const char *url;
        int code;
        const char *says;
    } rows[] = {
        {"", -RPR_EINVAL, "is no link URL"},
        {"/run/a", -RPR_EINVAL, "is no link URL"},
        {":/run/a", -RPR_EINVAL, "is no link URL"},
        {"shm", -RPR_EINVAL, "is no link URL"},
        {"shm:", -RPR_EINVAL, "needs the path"},
        {"shm:?listen=1", -RPR_EINVAL, "needs the path"},
        {"shm:/run/", -RPR_EINVAL, "needs the path"},
        {"shmem:/run/a", -RPR_EINVAL, "unknown kind"},
        {"SHM:/run/a", -RPR_EINVAL, "unknown kind"},
        {"shm:/a?", -RPR_EINVAL, "unknown key \"\""},
        {"shm:/a?listen", -RPR_EINVAL, "listen takes"},
        {"shm:/a?listen=", -RPR_EINVAL, "listen takes"},
        {"shm:/a?listen=2", -RPR_EINVAL, "listen takes"},
        {"shm:/a?listen=yes", -RPR_EINVAL, "listen takes"},
        {"shm:/a?listen=1&listen=1", -RPR_EINVAL, "listen is given twice"},
        {"shm:/a?listen=1&", -RPR_EINVAL, "unknown key \"\""},
        {"shm:/a?crc=auto", -RPR_EINVAL, "unknown key \"crc\""},
        {"shm:/a?buffers=1", -RPR_EINVAL, "buffers takes"},
        {"shm:/a?buffers=0", -RPR_EINVAL, "buffers takes"},
        {"shm:/a?buffers=255", -RPR_EINVAL, "buffers takes"},
        {"shm:/a?buffers=65536", -RPR_EINVAL, "buffers takes"},
        {"shm:/a?buffers=4294967298", -RPR_EINVAL, "buffers takes"},
        {"shm:/a?buffers=-2", -RPR_EINVAL, "buffers takes"},
        {"shm:/a?buffers= 2", -RPR_EINVAL, "buffers takes"},
        {"shm:/a?buffers=0x10", -RPR_EINVAL, "buffers takes"},
        {"shm:/a?size=63", -RPR_EINVAL, "size takes"},
        {"shm:/a?size=65520", -RPR_EINVAL, "size takes"},
        {"shm:/a?buffers=32768&size=65519", -RPR_EINVAL, "4 GiB"},
        {"pty:", -RPR_EINVAL, "needs the path"},
        {"pty:/run/", -RPR_EINVAL, "needs the path"},
        {"pty:/p?baud=9600", -RPR_EINVAL,
         "unknown key \"baud\" (crc, size, buffers, window, relax)"},
        {"pty:/p?listen=1", -RPR_EINVAL, "unknown key"},
        {"pty:/p?crc=on", -RPR_EINVAL, "crc takes"},
        {"pty:/p?crc=", -RPR_EINVAL, "crc takes"},
        {"pty:/p?crc=offf", -RPR_EINVAL, "crc takes"},
        {"pty:/p?size=0", -RPR_EINVAL, "size takes"},
        {"pty:/p?size=65496", -RPR_EINVAL, "size takes"},
        {"pty:/p?buffers=1", -RPR_EINVAL, "buffers takes"},
        {"pty:/p?window=0", -RPR_EINVAL, "window takes"},
        {"pty:/p?relax=0", -RPR_EINVAL, "relax takes"},
        {"pty:/p?relax=60001", -RPR_EINVAL, "relax takes"},
        {"pty:/p?relax=5&relax=5", -RPR_EINVAL, "relax is given twice"},
        {"serial:", -RPR_EINVAL, "needs the path"},
        {"serial:/dev/ttyS0?baud=115201", -RPR_EINVAL, "baud takes"},
        {"serial:/dev/ttyS0?baud=0", -RPR_EINVAL, "baud takes"},
        {"serial:/dev/ttyS0?flow=xonxoff", -RPR_EINVAL, "flow takes"},
        {"serial:/dev/ttyS0?listen=1", -RPR_EINVAL, "unknown key"},
        {"unix:", -RPR_EINVAL, "needs the path"},
        {"unix:/s?expose=1", -RPR_EINVAL, "unknown key"},
        {"unix:/s?listen=2", -RPR_EINVAL, "listen takes"},
        {"tcp:", -RPR_EINVAL, "needs HOST:PORT"},
        {"tcp:localhost", -RPR_EINVAL, "needs HOST:PORT"},
        {"tcp::5000", -RPR_EINVAL, "HOST is"},
        {"tcp:localhost:", -RPR_EINVAL, "needs HOST:PORT"},
        {"tcp:localhost:0", -RPR_EINVAL, "needs HOST:PORT"},
        {"tcp:localhost:65536", -RPR_EINVAL, "needs HOST:PORT"},
        {"tcp:localhost:5000x", -RPR_EINVAL, "needs HOST:PORT"},
        {"tcp:localhost:+5000", -RPR_EINVAL, "needs HOST:PORT"},
        {"tcp:::1:5000", -RPR_EINVAL, "brackets"},
        {"tcp:[::1:5000", -RPR_EINVAL, "brackets"},
        {"tcp:[::g]:5000", -RPR_EINVAL, "HOST is"},
        {"tcp:1.2.3:5000", -RPR_EINVAL, "HOST is"},
        {"tcp:0.0.0.0:5000?listen=1", -RPR_EINVAL, "loopback"},
        {"tcp:[::]:5000?listen=1", -RPR_EINVAL, "loopback"},
        {"tcp:10.0.0.1:5000?listen=1&expose=0", -RPR_EINVAL, "loopback"},
        {"tcp:10.0.0.1:5000?expose=1", -RPR_EINVAL, "expose is for"},
        {"ivshmem:", -RPR_EINVAL, "needs the path of a file"},
        {"ivshmem:/dev/shm/?role=master", -RPR_EINVAL, "needs the path of a file"},
        {"ivshmem:/dev/shm/x", -RPR_EINVAL, "needs role=master or role=slave"},
        {"ivshmem:/dev/shm/x?layout=lite", -RPR_EINVAL, "needs role=master or role=slave"},
        {"ivshmem:/dev/shm/x?role=", -RPR_EINVAL, "role takes master or slave"},
        {"ivshmem:/dev/shm/x?role=Master", -RPR_EINVAL, "role takes master or slave"},
        {"ivshmem:/dev/shm/x?role=slave&role=slave", -RPR_EINVAL, "role is given twice"},
        {"ivshmem:/dev/shm/x?role=slave&layout=bmp", -RPR_EINVAL,
         "layout takes rptun, lite or sim"},
        {"ivshmem:/dev/shm/x?role=slave&size=63", -RPR_EINVAL, "size takes 64 to 65519"},
        {"ivshmem:/dev/shm/x?role=slave&buffers=12", -RPR_EINVAL, "buffers takes a power of two"},
        {"ivshmem:/dev/shm/x?role=slave&buffers=2048", -RPR_EINVAL, "from 2 to 1024"},
        {"ivshmem:/dev/shm/x?role=master&buffers=8", -RPR_EINVAL, "for the slave to say"},
        {"ivshmem:/dev/shm/x?role=slave&layout=lite&buffers=8", -RPR_EINVAL,
         "for the master to say"},
        {"ivshmem:/dev/shm/x?role=slave&listen=1", -RPR_EINVAL,
         "unknown key \"listen\" (role, layout, buffers, size)"},
        {"spi:/dev/spi0", -RPR_ENOTSUP, "not in this version"},
    };
    char error[RPR_ERROR_TEXT];

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        memset(error, 0, sizeof(error));
        assert_int_equal(rpr_url_check("audio", rows[i].url, error), rows[i].code);
        if (!strstr(error, rows[i].says) || strchr(error, '\n'))
            fail_msg("%s: says \"%s\", not \"%s\"", rows[i].url, error, rows[i].says);
        assert_int_equal(rpr_url_size(rows[i].url), 0);
    }
}

static void long_paths(void **state)
{
    char url[200] = "shm:/";
    char error[RPR_ERROR_TEXT];

    (void)state;
    memset(url + 5, 'x', RPR_UNIX_PATH_MAX - 1);
    assert_int_equal(rpr_url_check("audio", url, error), 0);
    url[strlen(url)] = 'x';
    assert_int_equal(rpr_url_check("audio", url, error), -RPR_EINVAL);
    assert_non_null(strstr(error, "at most 100 bytes"));
}

static void names(void **state)
{
    static const char *const bad[] = {"",    "au dio",   "audio/",
                                      "a:b", "\xc3\xa4", "abcdefghijklmnopqrstuvwxyz012345"};
    char error[RPR_ERROR_TEXT];

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_int_equal(rpr_url_check(bad[i], "shm:/a", error), -RPR_EINVAL);
        assert_non_null(strstr(error, "CPU name"));
    }
    assert_int_equal(rpr_url_check("abcdefghijklmnopqrstuvwxyz01234", "shm:/a", error), 0);
    assert_int_equal(rpr_url_check("A_z.0-9", "shm:/a", error), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_urls),
        cmocka_unit_test(bad_urls),
        cmocka_unit_test(long_paths),
        cmocka_unit_test(names),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
