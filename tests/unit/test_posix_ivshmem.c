/* SPDX-License-Identifier: Apache-2.0 */
/* Links over a file that both sides map: files that are not there, are others, or become shorter. */
#include "unit/posix_sides.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "posix/guard.h"
#include "posix/region.h"

static struct side ap, audio;

static const char *url(const char *keys)
{
    static char text[160];

    snprintf(text, sizeof(text), "ivshmem:%s/m?%s", side_dir, keys);
    return text;
}

static void open_ap(const char *keys)
{
    side_open(&ap, "ap");
    side_link(&ap, "audio", url(keys));
    side_endpoint(&ap, "words");
}

static void open_audio(const char *keys)
{
    side_open(&audio, "audio");
    side_link(&audio, "ap", url(keys));
    side_endpoint(&audio, "words");
}

static void close_both(void)
{
    side_close(&audio);
    side_close(&ap);
    unlink(side_path("m"));
}

static bool bound(void)
{
    struct rpr_ept_info a, b;

    return rpr_ept_info(ap.ept, &a) == 0 && rpr_ept_info(audio.ept, &b) == 0 &&
           a.state == RPR_EPT_BOUND && b.state == RPR_EPT_BOUND;
}

static off_t size_of(const char *name)
{
    struct stat file;

    return stat(side_path(name), &file) == 0 ? file.st_size : -1;
}

static void talk(uint32_t word)
{
    UNTIL(&ap, &audio, bound());
    ap.n_rx = audio.n_rx = 0;
    UNTIL(&ap, &audio, rpr_send(ap.ept, &word, sizeof(word), 0) == 0);
    UNTIL(&ap, &audio, rpr_send(audio.ept, &word, sizeof(word), 0) == 0);
    UNTIL(&ap, &audio, ap.n_rx == 1 && audio.n_rx == 1);
    assert_int_equal(ap.rx[0], word);
    assert_int_equal(audio.rx[0], word);
}

static const struct {
    const char *master, *slave;
    bool master_makes, slave_makes;
    off_t made;
} layouts[] = {
    {"role=master", "role=slave", false, true, 4 << 20},
    {"role=master&layout=lite", "role=slave&layout=lite", true, false, 4 << 20},
    {"role=master&layout=sim", "role=slave&layout=sim", true, true, 197072},
};

/* The right side makes the file, and the other waits for it. */
static void who_makes_the_file(void **state)
{
    (void)state;
    for (size_t i = 0; i < 3; i++)
        for (unsigned first = 0; first < 2; first++) {
            struct side *waits = first ? &audio : &ap;

            if (first)
                open_audio(layouts[i].slave);
            else
                open_ap(layouts[i].master);
            if (first ? layouts[i].slave_makes : layouts[i].master_makes) {
                UNTIL(waits, NULL, size_of("m") >= 0);
            } else {
                UNTIL(waits, NULL, strstr(side_reason(waits), "does not exist yet"));
                assert_int_equal(size_of("m"), -1);
            }
            if (first)
                open_ap(layouts[i].master);
            else
                open_audio(layouts[i].slave);
            talk(7);
            assert_int_equal(size_of("m"), layouts[i].made);
            close_both();
        }
}

/* A file that is there is taken as it is; an empty one is as none. */
static void files_that_are_there(void **state)
{
    char text[64];
    int fd;

    (void)state;
    fd = open(side_path("m"), O_CREAT | O_RDWR, 0600);
    assert_true(fd >= 0);
    open_ap("role=master");
    UNTIL(&ap, NULL, strstr(side_reason(&ap), "has 0 bytes, 4096 are needed"));
    assert_int_equal(size_of("m"), 0);
    open_audio("role=slave");
    talk(1);
    close_both();
    close(fd);

    fd = open(side_path("m"), O_CREAT | O_RDWR, 0600);
    assert_int_equal(ftruncate(fd, 100000), 0);
    open_audio("role=slave");
    snprintf(text, sizeof(text), "has 100000 bytes, 197072 are needed");
    UNTIL(&audio, NULL, strstr(side_reason(&audio), text));
    assert_int_equal(size_of("m"), 100000);
    assert_int_equal(ftruncate(fd, 1 << 20), 0); /* grown by who owns it */
    open_ap("role=master");
    talk(2);
    assert_int_equal(size_of("m"), 1 << 20);
    close_both();
    close(fd);

    assert_int_equal(mkdir(side_path("m"), 0755), 0);
    open_ap("role=master&layout=lite");
    UNTIL(&ap, NULL, strstr(side_reason(&ap), "Is a directory"));
    side_close(&ap);
    assert_int_equal(rmdir(side_path("m")), 0);
    assert_int_equal(mkfifo(side_path("m"), 0600), 0);
    open_ap("role=master&layout=lite");
    UNTIL(&ap, NULL, strstr(side_reason(&ap), "is no file"));
    side_close(&ap);
    unlink(side_path("m"));
}

/* The simulator's server removes the file when it stops, and makes another one. */
static void a_file_that_is_replaced(void **state)
{
    (void)state;
    for (size_t i = 0; i < 3; i++) {
        open_ap(layouts[i].master);
        open_audio(layouts[i].slave);
        talk(1);
        unlink(side_path("m"));
        UNTIL(&ap, &audio, ap.n_lost >= 1 && audio.n_lost >= 1);
        talk(2);
        assert_true(size_of("m") > 0);
        close_both();
    }
}

/* Nobody crashes; the link is lost, and comes back with the memory. */
static void a_file_that_becomes_shorter(void **state)
{
    (void)state;
    for (size_t i = 0; i < 3; i++) {
        open_ap(layouts[i].master);
        open_audio(layouts[i].slave);
        talk(1);
        assert_int_equal(truncate(side_path("m"), 0), 0);
        UNTIL(&ap, &audio, ap.n_lost >= 1 && audio.n_lost >= 1);
        talk(2);
        close_both();
    }
}

/* Who waits in a short one sees it grow, and what its master puts there. */
static void a_file_that_becomes_longer(void **state)
{
    int fd = open(side_path("m"), O_CREAT | O_RDWR, 0600);

    (void)state;
    assert_true(fd >= 0);
    assert_int_equal(ftruncate(fd, 4096), 0);
    open_audio(layouts[1].slave);
    UNTIL(&audio, NULL, strstr(side_reason(&audio), "waits for the master"));
    assert_int_equal(ftruncate(fd, 1 << 20), 0);
    open_ap(layouts[1].master);
    talk(1);
    assert_int_equal(ftruncate(fd, 2 << 20), 0); /* and who talks goes on */
    for (double end = seconds() + 0.5; seconds() < end;)
        sides_turn(&ap, &audio);
    assert_int_equal(ap.n_lost + audio.n_lost, 0);
    talk(2);
    close_both();
    close(fd);
}

/* ---- the guard by itself ----------------------------------------------------------------------- */

static void guarded_memory_that_goes_away(void **state)
{
    char text[REGION_TEXT];
    struct region_file file, other;

    (void)state;
    assert_null(region_file_map(&file, side_path("g"), 1, 65536, 1 << 20, text));
    assert_null(region_file_map(&other, side_path("h"), 1, 65536, 1 << 20, text));
    memset(file.base, 'x', 65536);
    memset(other.base, 'y', 65536);
    assert_null(region_file_lost(&file, side_path("g"), true));
    assert_int_equal(truncate(side_path("g"), 4096), 0);
    assert_int_equal(((volatile char *)file.base)[4095], 'x');
    assert_false(guard_hit(file.guard));
    assert_int_equal(((volatile char *)file.base)[65535], 0);
    assert_true(guard_hit(file.guard));
    ((volatile char *)file.base)[4096] = 'z';
    assert_string_equal(region_file_lost(&file, side_path("g"), true), "the file became shorter");
    assert_false(guard_hit(other.guard));
    assert_int_equal(((volatile char *)other.base)[65535], 'y');
    region_file_unmap(&file);
    region_file_unmap(&other);
    assert_null(region_file_map(&file, side_path("g"), 1, 0, 1 << 20, text));
    assert_false(guard_hit(file.guard)); /* a guard that is used again knows nothing of before */
    region_file_unmap(&file);
}

static void parted_memory_is_its_own(void **state)
{
    char text[REGION_TEXT];
    struct region_file file, again;

    (void)state;
    assert_null(region_file_map(&file, side_path("p"), 1, 65536, 1 << 20, text));
    ((volatile char *)file.base)[0] = 'a';
    assert_true(region_file_part(&file));
    assert_null(region_file_map(&again, side_path("p"), 1, 65536, 1 << 20, text));
    ((volatile char *)file.base)[0] = 'b';
    assert_int_equal(((volatile char *)again.base)[0], 'a');
    region_file_unmap(&file);
    region_file_unmap(&again);
}

static sig_atomic_t n_passed;

static void on_bus(int number)
{
    (void)number;
    n_passed++;
}

/* What has nothing to do with guarded memory goes where it went before. */
static void other_signals_go_on(void **state)
{
    char text[REGION_TEXT];
    struct region_file file;

    (void)state;
    signal(SIGBUS, on_bus);
    assert_null(region_file_map(&file, side_path("s"), 1, 4096, 1 << 20, text));
    raise(SIGBUS);
    assert_int_equal(n_passed, 1);
    region_file_unmap(&file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(other_signals_go_on),
        cmocka_unit_test(guarded_memory_that_goes_away),
        cmocka_unit_test(parted_memory_is_its_own),
        cmocka_unit_test(who_makes_the_file),
        cmocka_unit_test(files_that_are_there),
        cmocka_unit_test(a_file_that_is_replaced),
        cmocka_unit_test(a_file_that_becomes_shorter),
        cmocka_unit_test(a_file_that_becomes_longer),
    };

    return cmocka_run_group_tests(tests, side_dir_make, side_dir_remove);
}
