/* SPDX-License-Identifier: Apache-2.0 */
/*
 * serial: a terminal device, taken for ourselves alone. It may be missing, or disappear (a USB
 * adapter): its directory is watched.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include "base/check.h"
#include "posix/loop.h"
#include "posix/serial.h"

#define LOOK_NS   UINT64_C(2000000) /* at what is on its way */
#define LAST_LOOK 250u

struct tty {
    struct serial_port port;
    struct appear appear;
    struct termios before; /* as it was found */
    int going;             /* descriptor whose last bytes are on their way, or -1 */
    struct rpr_timer gone;
    unsigned n_looks; /* at it */
    uint32_t baud;
    bool rtscts;
    char path[RPR_UNIX_PATH_MAX + 1];
    char reason[RPR_REASON_MAX];
};

static struct tty *tty_of(struct serial_port *port)
{
    return RPR_CONTAINER(port, struct tty, port);
}

/* ---- settings ------------------------------------------------------------------------------------ */

static const struct {
    uint32_t baud;
    speed_t speed;
} speeds[] = {
    {1200, B1200},       {2400, B2400},       {4800, B4800},       {9600, B9600},
    {19200, B19200},     {38400, B38400},     {57600, B57600},     {115200, B115200},
    {230400, B230400},   {460800, B460800},   {500000, B500000},   {576000, B576000},
    {921600, B921600},   {1000000, B1000000}, {1152000, B1152000}, {1500000, B1500000},
    {2000000, B2000000}, {2500000, B2500000}, {3000000, B3000000}, {3500000, B3500000},
    {4000000, B4000000},
};

#define N_SPEEDS (sizeof(speeds) / sizeof(speeds[0]))

static size_t find_speed(uint32_t baud)
{
    size_t i = 0;

    while (i < N_SPEEDS && speeds[i].baud != baud)
        i++;
    return i;
}

bool tty_knows_baud(uint32_t baud)
{
    return find_speed(baud) < N_SPEEDS;
}

/* 8N1, bytes as they are, modem lines ignored but for the flow control that was asked for. */
static int set_up(struct tty *t, int fd)
{
    struct termios now = t->before;
    speed_t speed = speeds[find_speed(t->baud)].speed;

    cfmakeraw(&now);
    now.c_cflag &= ~(tcflag_t)(CSTOPB | CRTSCTS | HUPCL);
    now.c_cflag |= CLOCAL | CREAD | (t->rtscts ? CRTSCTS : 0);
    now.c_cc[VMIN] = 1; /* nothing there is EAGAIN, and not 0 bytes */
    now.c_cc[VTIME] = 0;
    if (cfsetispeed(&now, speed) != 0 || cfsetospeed(&now, speed) != 0 ||
        tcsetattr(fd, TCSANOW, &now) != 0)
        return -1;
    return tcflush(fd, TCIOFLUSH); /* what came while nobody was here */
}

/* ---- the end ------------------------------------------------------------------------------------- */

/* A device that is there still is left as it was found. Its output queue is empty, or nobody takes
 * it: closing must not wait for that. */
static void close_now(struct tty *t)
{
    if (t->going < 0)
        return;
    rpr_timer_stop(rpr_loop_node(t->port.loop), &t->gone);
    tcflush(t->going, TCOFLUSH);
    tcsetattr(t->going, TCSANOW, &t->before);
    ioctl(t->going, TIOCNXCL);
    close(t->going);
    t->going = -1;
}

static int32_t left(struct serial_port *port)
{
    int n;

    if (tty_of(port)->going < 0 || ioctl(tty_of(port)->going, TIOCOUTQ, &n) != 0)
        return 0;
    return n;
}

static void gone(struct rpr_timer *timer, uint64_t now_ns)
{
    struct tty *t = RPR_CONTAINER(timer, struct tty, gone);

    if (left(&t->port) > 0 && ++t->n_looks < LAST_LOOK)
        rpr_timer_start(rpr_loop_node(t->port.loop), timer, now_ns + LOOK_NS);
    else
        close_now(t);
}

/* The last byte said may be POWEROFF. */
static void drop_tty(struct serial_port *port, int fd)
{
    struct tty *t = tty_of(port);

    t->going = fd;
    t->n_looks = port->open ? LAST_LOOK : 0;
    gone(&t->gone, loop_clock_ns());
}

/* ---- open ---------------------------------------------------------------------------------------- */

static const char *why_not(int code)
{
    if (code == ENOENT)
        return "does not exist yet";
    return code == EBUSY ? "is in use by another process" : strerror(code);
}

/* The lock keeps out programs that ask for it, TIOCEXCL those that do not. */
static const char *take(struct tty *t, int fd)
{
    if (!isatty(fd))
        return "is no terminal";
    if (flock(fd, LOCK_EX | LOCK_NB) != 0)
        return "is in use by another process";
    if (tcgetattr(fd, &t->before) != 0)
        return strerror(errno);
    if (ioctl(fd, TIOCEXCL) != 0 || set_up(t, fd) != 0)
        return strerror(errno);
    return NULL;
}

static const char *look(struct serial_port *port)
{
    struct tty *t = tty_of(port);
    const char *wrong;
    int fd;

    close_now(t);
    fd = open(t->path, O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
    wrong = fd < 0 ? why_not(errno) : take(t, fd);
    if (!wrong) {
        serial_attach(port, fd);
        return NULL;
    }
    if (fd >= 0)
        close(fd);
    serial_look_later(port); /* no directory tells that it is free, or that it may be opened now */
    snprintf(t->reason, sizeof(t->reason), "%s: %s", t->path, wrong);
    return t->reason;
}

static void appeared(struct appear *appear)
{
    struct tty *t = RPR_CONTAINER(appear, struct tty, appear);

    if (t->port.watch.fd < 0)
        serial_look_soon(&t->port);
}

static void open_tty(struct serial_port *port)
{
    struct tty *t = tty_of(port);

    appear_start(&t->appear, port->loop, t->path, appeared);
    serial_look_soon(port);
}

static void close_tty(struct serial_port *port)
{
    appear_stop(&tty_of(port)->appear);
}

static void free_tty(struct serial_port *port)
{
    close_now(tty_of(port));
    free(tty_of(port));
}

static const struct serial_way way = {"serial",  open_tty, look, drop_tty,
                                      close_tty, free_tty, left};

int tty_open(struct rpr_loop *loop, const char *remote, const char *path, uint32_t baud,
             bool rtscts, const struct serial_keys *keys, struct rpr_link **link,
             char error[RPR_ERROR_TEXT])
{
    struct tty *t = calloc(1, sizeof(*t));
    int code;

    if (!t) {
        snprintf(error, RPR_ERROR_TEXT, "%s: out of memory", remote);
        return -RPR_ENOMEM;
    }
    t->baud = baud;
    t->rtscts = rtscts;
    t->going = t->appear.watch.fd = -1;
    t->gone.fire = gone;
    t->port.loop = loop;
    t->port.outq = TIOCOUTQ;
    snprintf(t->path, sizeof(t->path), "%s", path);
    code = serial_register(&t->port, loop, &way, remote, keys, link, error);
    if (code)
        free(t);
    return code;
}
