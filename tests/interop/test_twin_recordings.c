/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Each twin holds the conversation of script.h exactly as the stack it stands for did when it was
 * recorded: the same bytes in memory, the same doorbells, step by step.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "script.h"
#include "twin.h"

struct subject {
    enum twin_kind kind;
    bool driver;
    const char *recording;
    struct twin twin;
};

static void start(void *ctx, uint8_t *memory, bool driver)
{
    static const struct twin_place place[2] = {
        {0, SCRIPT_AVAIL, SCRIPT_USED, SCRIPT_NUM},
        {SCRIPT_RING, SCRIPT_RING + SCRIPT_AVAIL, SCRIPT_RING + SCRIPT_USED, SCRIPT_NUM}};
    struct subject *s = ctx;

    twin_start(&s->twin, s->kind, driver, memory, SCRIPT_BYTES, SCRIPT_DA, place, SCRIPT_BUFFERS,
               SCRIPT_SIZE);
}

static void open_it(void *ctx, const char *name)
{
    twin_open(&((struct subject *)ctx)->twin, name);
}

static void close_it(void *ctx, const char *name)
{
    struct twin *t = &((struct subject *)ctx)->twin;

    twin_close(t, twin_find(t, name));
}

static void send_it(void *ctx, const char *name, const void *data, uint16_t len)
{
    struct twin *t = &((struct subject *)ctx)->twin;

    assert_true(twin_send(t, twin_find(t, name), data, len));
}

static void turn(void *ctx)
{
    twin_turn(&((struct subject *)ctx)->twin);
}

static unsigned rings(void *ctx, int ring)
{
    return ((struct subject *)ctx)->twin.n_rung[ring];
}

/* The next line that is not a remark; "" at the end. */
static char *next_line(FILE *file, char line[256])
{
    do
        if (!fgets(line, 256, file))
            line[0] = '\0';
    while (line[0] == '#');
    return line;
}

static void compare(FILE *own, const char *recording)
{
    FILE *theirs = fopen(recording, "r");
    char want[256], got[256], step[256] = "nothing";

    if (!theirs)
        fail_msg("%s: cannot be read", recording);
    rewind(own);
    do {
        next_line(theirs, want);
        next_line(own, got);
        if (strcmp(want, got) != 0)
            fail_msg("%s: in %s: recorded %sthe twin has %s", recording, step, want, got);
        if (strncmp(want, "step", 4) == 0)
            strcpy(step, want);
    } while (want[0]);
    fclose(theirs);
}

static void test_twin_is_as_recorded(void **state)
{
    struct subject *s = *state;
    struct script_peer peer = {start, open_it, close_it, send_it, turn, rings, s};
    struct script *script = malloc(sizeof *script);
    FILE *own = tmpfile();

    assert_non_null(own);
    script_run(script, &peer, s->driver, own);
    compare(own, s->recording);
    fclose(own);
    free(script);
}

#define RECORDINGS RPR_SOURCE "/tests/interop/recordings/"

int main(void)
{
    static struct subject subjects[] = {
        {TWIN_OPENAMP, false, RECORDINGS "openamp/device.txt", {0}},
        {TWIN_OPENAMP, true, RECORDINGS "openamp/driver.txt", {0}},
        {TWIN_LITE, false, RECORDINGS "rpmsg-lite/device.txt", {0}},
        {TWIN_LITE, true, RECORDINGS "rpmsg-lite/driver.txt", {0}},
    };
    const struct CMUnitTest tests[] = {
        {"open-amp, device", test_twin_is_as_recorded, NULL, NULL, &subjects[0]},
        {"open-amp, driver", test_twin_is_as_recorded, NULL, NULL, &subjects[1]},
        {"RPMsg-Lite, device", test_twin_is_as_recorded, NULL, NULL, &subjects[2]},
        {"RPMsg-Lite, driver", test_twin_is_as_recorded, NULL, NULL, &subjects[3]},
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
