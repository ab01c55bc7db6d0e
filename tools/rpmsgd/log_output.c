/* SPDX-License-Identifier: Apache-2.0 */
#include "log_output.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#include "../common/text.h"

/* A cut line that is longer is none of ours. */
#define CUT_LINE_MAX 8192

/* ---- files --------------------------------------------------------------------------------------------- */

static bool fail(char why[CONFIG_ERROR_BYTES], const char *path, const char *what)
{
    snprintf(why, CONFIG_ERROR_BYTES, "%s: %s", path, what);
    return false;
}

/* Where the last whole line of the file ends, or -1: it does not within CUT_LINE_MAX bytes. */
static off_t last_line_end(int fd, off_t size)
{
    char text[CUT_LINE_MAX];
    off_t from = size > CUT_LINE_MAX ? size - CUT_LINE_MAX : 0;
    ssize_t n = pread(fd, text, sizeof(text), from);

    while (n > 0 && text[n - 1] != '\n')
        n--;
    return n > 0 || from == 0 ? from + n : -1;
}

static void take_away_cut_line(int fd, const char *path)
{
    struct stat status;

    if (fstat(fd, &status) != 0 || !S_ISREG(status.st_mode) || status.st_size == 0)
        return;
    off_t end = last_line_end(fd, status.st_size);
    if (end == status.st_size)
        return;
    if (end < 0) {
        (void)!write(fd, "\n", 1);
        return;
    }
    fprintf(stderr, "rpmsgd: %s: its last line was cut: %lld bytes are taken away\n", path,
            (long long)(status.st_size - end));
    (void)!ftruncate(fd, end);
}

/* Only a regular file can be read back; one that a pipe's reader has not opened is an error. */
static int open_file(const char *path)
{
    struct stat status;
    bool other = stat(path, &status) == 0 && !S_ISREG(status.st_mode);
    int flags =
        (other ? O_WRONLY : O_RDWR | O_CREAT) | O_APPEND | O_NONBLOCK | O_NOCTTY | O_CLOEXEC;

    return open(path, flags, 0640);
}

static int open_path(const char *path, char why[CONFIG_ERROR_BYTES])
{
    int fd = open_file(path);

    if (fd < 0)
        fail(why, path, errno == ENXIO ? "nobody reads it" : strerror(errno));
    else
        take_away_cut_line(fd, path);
    return fd;
}

bool log_output_reopen(struct log_output *output, char why[CONFIG_ERROR_BYTES])
{
    if (output->kind != LOG_TO_FILE)
        return true;
    int fd = open_path(output->path, why);
    if (fd < 0)
        return false;
    close(output->fd);
    output->fd = fd;
    return true;
}

/* ---- syslog -------------------------------------------------------------------------------------------- */

static bool fill_address(struct sockaddr_un *address, const char *path)
{
    if (strlen(path) >= sizeof(address->sun_path))
        return false;
    memset(address, 0, sizeof(*address));
    address->sun_family = AF_UNIX;
    strcpy(address->sun_path, path);
    return true;
}

static bool syslog_connect(struct log_output *output)
{
    struct sockaddr_un address;

    if (!fill_address(&address, output->path))
        return false;
    output->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (output->fd >= 0 &&
        connect(output->fd, (const struct sockaddr *)&address, sizeof(address)) == 0)
        return true;
    int error = errno;
    if (output->fd >= 0)
        close(output->fd);
    output->fd = -1;
    errno = error;
    return false;
}

/* What comes before a line, in the form of syslog(3), which journald takes, too. */
static size_t syslog_head(char *head, size_t size)
{
    char date[32];
    time_t now = time(NULL);
    struct tm tm;

    localtime_r(&now, &tm);
    strftime(date, sizeof(date), "%h %e %T", &tm);
    return (size_t)snprintf(head, size, "<%d>%s rpmsgd[%d]: ", LOG_DAEMON | LOG_INFO, date,
                            (int)getpid());
}

static enum log_result syslog_failed(struct log_output *output, char why[CONFIG_ERROR_BYTES])
{
    if (errno == EAGAIN || errno == EINTR)
        return LOG_WAIT;
    fail(why, output->path, strerror(errno));
    if (output->fd >= 0 && errno != ENOBUFS) {
        close(output->fd);
        output->fd = -1;
    }
    return LOG_RETRY;
}

static enum log_result syslog_write(struct log_output *output, const char *line, size_t len,
                                    size_t *done, char why[CONFIG_ERROR_BYTES])
{
    char head[96];
    struct iovec parts[] = {
        {.iov_base = head, .iov_len = syslog_head(head, sizeof(head))},
        {.iov_base = (void *)(uintptr_t)line, .iov_len = len - 1}, /* without its newline */
    };
    const struct msghdr message = {.msg_iov = parts, .msg_iovlen = 2};

    if (output->fd < 0 && !syslog_connect(output))
        return syslog_failed(output, why);
    if (sendmsg(output->fd, &message, MSG_NOSIGNAL) < 0)
        return syslog_failed(output, why);
    *done = len;
    return LOG_WRITTEN;
}

/* ---- all of them --------------------------------------------------------------------------------------- */

bool log_output_open(struct log_output *output, enum log_output_kind kind, const char *path,
                     char why[CONFIG_ERROR_BYTES])
{
    *output = (struct log_output){.kind = kind, .fd = -1};
    if (kind == LOG_TO_STDOUT) {
        output->fd = STDOUT_FILENO;
        return true;
    }
    if (kind == LOG_TO_FILE) {
        output->fd = open_path(path, why);
        if (output->fd < 0)
            return false;
    }
    output->path = text_dup(path);
    return true; /* the syslog daemon may come later */
}

void log_output_close(struct log_output *output)
{
    if (output->fd >= 0 && output->kind != LOG_TO_STDOUT)
        close(output->fd);
    free(output->path);
    *output = (struct log_output){.fd = -1};
}

size_t log_output_chunk(const struct log_output *output, const char *text, size_t len)
{
    size_t most = len < LOG_CHUNK_MAX ? len : LOG_CHUNK_MAX;
    const char *end =
        output->kind == LOG_TO_SYSLOG ? memchr(text, '\n', len) : memrchr(text, '\n', most);

    if (end == NULL) /* a line that is longer than a chunk */
        end = memchr(text, '\n', len);
    return (size_t)(end - text) + 1;
}

static enum log_result write_failed(const struct log_output *output, char why[CONFIG_ERROR_BYTES])
{
    if (errno == EAGAIN || errno == EINTR)
        return LOG_WAIT;
    fail(why, output->path != NULL ? output->path : "standard output", strerror(errno));
    return errno == EPIPE || errno == EBADF ? LOG_LOST : LOG_RETRY;
}

/* Standard output is shared with others, and stays a descriptor that blocks. A pipe that is ready takes a
 * whole chunk. */
static bool is_ready(int fd)
{
    struct pollfd out = {.fd = fd, .events = POLLOUT};

    return poll(&out, 1, 0) != 0;
}

enum log_result log_output_write(struct log_output *output, const char *chunk, size_t len,
                                 size_t *done, char why[CONFIG_ERROR_BYTES])
{
    if (output->kind == LOG_TO_SYSLOG)
        return syslog_write(output, chunk, len, done, why);
    if (output->kind == LOG_TO_STDOUT && !is_ready(output->fd))
        return LOG_WAIT;
    ssize_t n = write(output->fd, chunk + *done, len - *done);
    if (n < 0)
        return write_failed(output, why);
    *done += (size_t)n;
    return *done == len ? LOG_WRITTEN : LOG_WAIT;
}
