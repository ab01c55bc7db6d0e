/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The thread that writes log lines (tools/rpmsgd/log_writer.h) and the owner: every line once and in order
 * through a pipe that is read slowly, while outputs change under it; and an end that does not wait for it.
 */
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "rpmsgd/log_writer.h"

#define LINES 20000u

struct owner {
    struct rpr_loop *loop;
    struct log_writer *writer;
    bool room;
    unsigned n_refused;
    char dir[32], path[64];
};

static void on_room(void *ctx)
{
    ((struct owner *)ctx)->room = true;
}

static void owner_open(struct owner *o)
{
    struct rpr_loop_config config = {.name = "ap"};
    struct log_output output;
    char why[CONFIG_ERROR_BYTES];

    memset(o, 0, sizeof *o);
    strcpy(o->dir, "/tmp/rpr-log-XXXXXX");
    assert_non_null(mkdtemp(o->dir));
    snprintf(o->path, sizeof o->path, "%s/pipe", o->dir);
    assert_int_equal(mkfifo(o->path, 0600), 0);
    assert_int_equal(rpr_loop_open(&o->loop, &config), 0);
    assert_true(log_output_open(&output, LOG_TO_STDOUT, NULL, why));
    o->writer = log_writer_open(o->loop, "ap", &output, on_room, o);
    assert_non_null(o->writer);
}

static void owner_close(struct owner *o)
{
    log_writer_close(o->writer);
    rpr_loop_close(o->loop);
    unlink(o->path);
    rmdir(o->dir);
}

/* From the first line on it goes into the pipe. */
static void into_the_pipe(struct owner *o)
{
    struct log_output output;
    char why[CONFIG_ERROR_BYTES];

    if (!log_output_open(&output, LOG_TO_FILE, o->path, why))
        fail_msg("%s", why);
    log_writer_change(o->writer, &output);
}

static void *read_lines(void *ctx)
{
    FILE *pipe = fdopen(*(int *)ctx, "r");
    char line[128];
    unsigned n = 0, number;

    while (n < LINES && fgets(line, sizeof line, pipe) &&
           sscanf(line, "droid: line %u", &number) == 1 && number == n)
        n++;
    fclose(pipe); /* if that was not all, the writer finds nobody, and does not wait */
    return n == LINES ? ctx : NULL;
}

static void put_line(struct owner *o, unsigned number)
{
    char line[64];
    int n = snprintf(line, sizeof line, "line %u\r\n", number);

    while (!log_writer_put(o->writer, "droid", line, 3, line + 3, (size_t)n - 3)) {
        o->n_refused++;
        o->room = false;
        while (!o->room)
            assert_int_equal(rpr_loop_turn(o->loop, -1), 0);
    }
}

static void every_line_once(void **state)
{
    struct owner o;
    pthread_t reader;
    void *result;
    int fd;

    (void)state;
    owner_open(&o);
    fd = open(o.path, O_RDONLY | O_NONBLOCK);
    into_the_pipe(&o);
    fcntl(fd, F_SETFL, 0);
    for (unsigned i = 0; i < LINES; i++) {
        if (i == LINES / 10)
            assert_int_equal(pthread_create(&reader, NULL, read_lines, &fd), 0);
        if (i % 1000 == 0)
            log_writer_reopen(o.writer);
        put_line(&o, i);
    }
    assert_int_equal(pthread_join(reader, &result), 0);
    assert_non_null(result);
    while (!log_writer_is_idle(o.writer))
        (void)rpr_loop_turn(o.loop, 1);
    assert_int_equal(log_writer_lost(o.writer), 0);
    owner_close(&o);
}

/* Nobody reads: it is refused, and ends all the same. */
static void an_end_does_not_wait(void **state)
{
    struct owner o;
    char line[1000];
    int fd;

    (void)state;
    owner_open(&o);
    fd = open(o.path, O_RDONLY | O_NONBLOCK);
    into_the_pipe(&o);
    memset(line, 'x', sizeof line);
    line[sizeof line - 1] = '\n';
    while (log_writer_put(o.writer, "droid", NULL, 0, line, sizeof line))
        ;
    assert_false(log_writer_is_idle(o.writer));
    owner_close(&o);
    close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_line_once),
        cmocka_unit_test(an_end_does_not_wait),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
