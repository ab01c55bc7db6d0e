/* SPDX-License-Identifier: Apache-2.0 */
#include "posix/appear.h"

#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "base/check.h"

#define COMES    (IN_CREATE | IN_MOVED_TO)
#define GOES     (IN_DELETE_SELF | IN_MOVE_SELF)
#define MAX_READ 16u /* buffers per wake-up; the rest keeps the descriptor readable */

/* Length of the directory in the first `length` bytes of the path; 0: the current one. */
static size_t parent(const char *path, size_t length)
{
    while (length && path[length - 1] == '/')
        length--;
    while (length && path[length - 1] != '/')
        length--;
    return length;
}

static int watch_part(const struct appear *a, size_t length)
{
    char dir[RPR_UNIX_PATH_MAX + 1] = ".";

    if (length) {
        memcpy(dir, a->path, length);
        dir[length] = '\0';
    }
    return inotify_add_watch(a->watch.fd, dir, COMES | GOES | IN_ONLYDIR);
}

/* The deepest directory of the path that there is. */
static void aim_once(struct appear *a)
{
    int old = a->wd;

    a->length = strlen(a->path);
    do {
        a->length = parent(a->path, a->length);
        a->wd = watch_part(a, a->length);
    } while (a->wd < 0 && a->length);
    if (old >= 0 && old != a->wd)
        inotify_rm_watch(a->watch.fd, old);
}

/* A directory that was made between the failed attempt to watch it and the watch of its parent
 * told nobody: aim until two attempts agree. */
static void aim(struct appear *a)
{
    size_t before;

    do {
        before = a->length;
        aim_once(a);
    } while (a->length > before);
}

/* Is that the next part of the path below the directory that is watched? */
static bool concerns(const struct appear *a, const struct inotify_event *event)
{
    const char *next = a->path + a->length;
    size_t length = strcspn(next, "/");

    if (event->wd != a->wd && !(event->mask & IN_Q_OVERFLOW))
        return false; /* of a directory that was watched before */
    if (event->mask & (GOES | IN_IGNORED | IN_UNMOUNT | IN_Q_OVERFLOW))
        return true;
    return event->len && strlen(event->name) == length && memcmp(event->name, next, length) == 0;
}

static bool read_events(struct appear *a)
{
    union {
        struct inotify_event align;
        char bytes[4096];
    } buffer;
    bool some = false;
    unsigned i;

    for (i = 0; i < MAX_READ; i++) {
        ssize_t n = read(a->watch.fd, buffer.bytes, sizeof(buffer.bytes));
        char *at = buffer.bytes;

        if (n <= 0)
            return some;
        while (at < buffer.bytes + n) {
            const struct inotify_event *event = (const struct inotify_event *)(void *)at;

            some |= concerns(a, event);
            if (event->wd == a->wd && (event->mask & IN_IGNORED))
                a->wd = -1;
            at += sizeof(*event) + event->len;
        }
    }
    return some;
}

static void ready(struct rpr_watch *watch, uint32_t events)
{
    struct appear *a = RPR_CONTAINER(watch, struct appear, watch);

    (void)events;
    if (!read_events(a))
        return;
    a->length = 0;
    aim(a);
    a->seen(a);
}

void appear_start(struct appear *a, struct rpr_loop *loop, const char *path,
                  void (*seen)(struct appear *appear))
{
    *a = (struct appear){.loop = loop, .wd = -1, .seen = seen};
    snprintf(a->path, sizeof(a->path), "%s", path);
    a->watch = (struct rpr_watch){
        .ready = ready, .fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC), .events = EPOLLIN};
    if (a->watch.fd < 0)
        return;
    if (rpr_watch_start(loop, &a->watch) != 0) {
        close(a->watch.fd);
        a->watch.fd = -1;
        return;
    }
    aim(a);
}

void appear_stop(struct appear *a)
{
    if (a->watch.fd < 0)
        return;
    rpr_watch_stop(a->loop, &a->watch);
    close(a->watch.fd);
    a->watch.fd = -1;
}
