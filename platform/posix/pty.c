/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pty: makes a pseudo terminal, to which a symbolic link at PATH leads. Whoever opens it is the
 * carrier; when the last one closes it the carrier is gone. Both are seen on our end: it hangs up
 * while nobody has the other end open, and an inotify watch tells of an open.
 *
 * A lock file beside PATH says that the link there is ours: what a killed node left is replaced,
 * anything else is not.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#include "base/check.h"
#include "posix/loop.h"
#include "posix/serial.h"
#include "posix/unix.h"

#define TERMINALS   "/dev/pts/"
#define NAME_BYTES  64u
#define TEMP_SUFFIX ".new"
#define ARRIVAL_NS  UINT64_C(20000000) /* of what was written: the kernel passes it on later */

struct pty {
    struct serial_port port;
    int fd;                 /* our end, for the life of the link */
    int lock_fd;            /* of PATH */
    uint64_t dropped_ns;    /* when the link was done with it last */
    struct rpr_watch opens; /* inotify, or fd -1 */
    char name[NAME_BYTES];  /* of the other end */
    char path[RPR_UNIX_PATH_MAX + 1];
};

static struct pty *pty_of(struct serial_port *port)
{
    return RPR_CONTAINER(port, struct pty, port);
}

/* ---- the terminal -------------------------------------------------------------------------------- */

/* Bytes as they are: no echo, no lines, no signals. Settings of the other end are set on ours. */
static int make_raw(int fd)
{
    struct termios t;

    if (tcgetattr(fd, &t) != 0)
        return -1;
    cfmakeraw(&t);
    return tcsetattr(fd, TCSANOW, &t);
}

/* Bytes that nobody has read are not for whoever comes next. They wait at the other end; its last
 * close also makes ours hang up, until somebody opens it. */
static void forget_bytes(const struct pty *p)
{
    int other = open(p->name, O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);

    if (other < 0)
        return;
    tcflush(other, TCIOFLUSH);
    close(other);
}

static bool hung_up(const struct pty *p)
{
    struct pollfd look = {.fd = p->fd, .events = POLLIN};

    return poll(&look, 1, 0) > 0 && (look.revents & POLLHUP);
}

static int make_terminal(struct pty *p)
{
    p->fd = posix_openpt(O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
    if (p->fd < 0 || grantpt(p->fd) != 0 || unlockpt(p->fd) != 0 ||
        ptsname_r(p->fd, p->name, sizeof(p->name)) != 0 || make_raw(p->fd) != 0)
        return -1;
    forget_bytes(p); /* so that ours hangs up until somebody comes */
    return 0;
}

/* ---- its name ------------------------------------------------------------------------------------ */

static int complain(char error[RPR_ERROR_TEXT], const char *path, const char *what, int code)
{
    snprintf(error, RPR_ERROR_TEXT, "%s: %s", path, what);
    return code;
}

/* May what is at PATH be replaced? The lock is ours: a link to a terminal was made by a node that
 * is no more. */
static int check_place(const struct pty *p, char error[RPR_ERROR_TEXT])
{
    char target[sizeof(TERMINALS)] = "";
    struct stat file;

    if (lstat(p->path, &file) != 0)
        return errno == ENOENT ? 0 : complain(error, p->path, strerror(errno), -RPR_EIO);
    if (S_ISLNK(file.st_mode) && file.st_uid == geteuid() &&
        readlink(p->path, target, sizeof(target) - 1) == (ssize_t)sizeof(target) - 1 &&
        strcmp(target, TERMINALS) == 0)
        return 0;
    return complain(error, p->path, "exists and is no link that a pty: made", -RPR_EEXIST);
}

/* Appears complete: made under another name first. */
static int make_name(struct pty *p, char error[RPR_ERROR_TEXT])
{
    char temp[RPR_UNIX_PATH_MAX + sizeof(TEMP_SUFFIX)];
    int code = check_place(p, error);

    if (code)
        return code;
    snprintf(temp, sizeof(temp), "%s" TEMP_SUFFIX, p->path);
    unlink(temp);
    if (symlink(p->name, temp) == 0 && rename(temp, p->path) == 0)
        return 0;
    code = complain(error, p->path, strerror(errno), -RPR_EIO);
    unlink(temp);
    return code;
}

static void remove_name(const struct pty *p)
{
    char target[NAME_BYTES] = "";

    if (readlink(p->path, target, sizeof(target) - 1) > 0 && strcmp(target, p->name) == 0)
        unlink(p->path);
}

/* ---- who has it open ----------------------------------------------------------------------------- */

static const char *look(struct serial_port *port)
{
    struct pty *p = pty_of(port);

    if (hung_up(p)) {
        if (p->opens.fd < 0)
            serial_look_later(port);
        return "nobody has opened it";
    }
    serial_attach(port, p->fd);
    return NULL;
}

static void opened(struct rpr_watch *watch, uint32_t events)
{
    struct pty *p = RPR_CONTAINER(watch, struct pty, opens);
    char buffer[4096];

    (void)events;
    while (read(watch->fd, buffer, sizeof(buffer)) > 0)
        ;
    if (p->port.open && p->port.watch.fd < 0)
        serial_look_soon(&p->port);
}

static void watch_opens(struct pty *p)
{
    p->opens = (struct rpr_watch){
        .ready = opened, .fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC), .events = EPOLLIN};
    if (p->opens.fd < 0)
        return;
    if (inotify_add_watch(p->opens.fd, p->name, IN_OPEN) >= 0 &&
        rpr_watch_start(p->port.loop, &p->opens) == 0)
        return;
    close(p->opens.fd); /* looking from time to time has to do */
    p->opens.fd = -1;
}

static void open_pty(struct serial_port *port)
{
    serial_look_soon(port);
}

static void drop_pty(struct serial_port *port, int fd)
{
    (void)fd;
    pty_of(port)->dropped_ns = loop_clock_ns();
    if (hung_up(pty_of(port)))
        forget_bytes(pty_of(port));
}

/* What the other end has not read is lost when ours is closed. Only the other end can tell. */
static int32_t left(struct serial_port *port)
{
    const struct pty *p = pty_of(port);
    int other = hung_up(p) ? -1 : open(p->name, O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
    int n = 0;

    if (other < 0)
        return 0;
    if (ioctl(other, FIONREAD, &n) != 0)
        n = 0;
    close(other);
    if (n == 0 && loop_clock_ns() - p->dropped_ns < ARRIVAL_NS)
        n = 1; /* perhaps: what is on its way is not counted */
    return n;
}

static void close_pty(struct serial_port *port)
{
    (void)port;
}

/* ---- life ---------------------------------------------------------------------------------------- */

static void free_pty(struct serial_port *port)
{
    struct pty *p = pty_of(port);

    if (p->opens.fd >= 0) {
        rpr_watch_stop(port->loop, &p->opens);
        close(p->opens.fd);
    }
    if (p->lock_fd >= 0) {
        remove_name(p);
        unix_unlock(p->lock_fd, p->path);
    }
    if (p->fd >= 0)
        close(p->fd);
    free(p);
}

static const struct serial_way way = {"pty", open_pty, look, drop_pty, close_pty, free_pty, left};

static int prepare(struct pty *p, char error[RPR_ERROR_TEXT])
{
    p->lock_fd = unix_lock(p->path, error);
    if (p->lock_fd < 0)
        return p->lock_fd;
    if (make_terminal(p) != 0)
        return complain(error, p->path, strerror(errno), -RPR_EIO);
    watch_opens(p);
    return make_name(p, error);
}

int pty_open(struct rpr_loop *loop, const char *remote, const char *path,
             const struct serial_keys *keys, struct rpr_link **link, char error[RPR_ERROR_TEXT])
{
    struct pty *p = calloc(1, sizeof(*p));
    int code;

    if (!p)
        return complain(error, remote, "out of memory", -RPR_ENOMEM);
    p->port.loop = loop;
    p->fd = p->lock_fd = p->opens.fd = -1;
    snprintf(p->path, sizeof(p->path), "%s", path);
    code = prepare(p, error);
    if (!code)
        code = serial_register(&p->port, loop, &way, remote, keys, link, error);
    if (code)
        free_pty(&p->port);
    return code;
}
