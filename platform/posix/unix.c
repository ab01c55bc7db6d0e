/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Unix sockets with a name. A listener appears at its path complete: bound and listening under a
 * temporary name first, then renamed. The lock file says whether whoever made the socket at the
 * path still lives, and makes the temporary name ours.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <rpr/posix.h>

#include "posix/unix.h"

#define BACKLOG     64
#define LOCK_TRIES  10
#define LOCK_SUFFIX ".lock"
#define TEMP_SUFFIX ".new"
#define LONG_PATH   (RPR_UNIX_PATH_MAX + sizeof(LOCK_SUFFIX))

static int complain(char error[RPR_ERROR_TEXT], const char *path, const char *what, int code)
{
    snprintf(error, RPR_ERROR_TEXT, "%s: %s", path, what);
    return code;
}

static int complain_errno(char error[RPR_ERROR_TEXT], const char *path)
{
    return complain(error, path, strerror(errno), errno == EADDRINUSE ? -RPR_EBUSY : -RPR_EIO);
}

static struct sockaddr_un address_of(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
    return address;
}

static int connect_with(const char *path, int type)
{
    struct sockaddr_un address = address_of(path);
    int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);
    int code;

    if (fd < 0)
        return -errno;
    if (connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0)
        return fd;
    code = errno;
    close(fd);
    return -code;
}

int unix_connect(const char *path, int type)
{
    return connect_with(path, type | SOCK_NONBLOCK);
}

int unix_connect_wait(const char *path, int type)
{
    return connect_with(path, type);
}

bool rpr_unix_same_user(int fd)
{
    struct ucred peer;
    socklen_t length = sizeof(peer);

    return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &length) == 0 && peer.uid == geteuid();
}

/* ---- lock -------------------------------------------------------------------------------------------- */

/* The lock must be that of the file which others will find: whoever unlinked it let go of it. */
static bool still_there(int fd, const char *path)
{
    struct stat open_file;
    struct stat named_file;

    return fstat(fd, &open_file) == 0 && stat(path, &named_file) == 0 &&
           open_file.st_dev == named_file.st_dev && open_file.st_ino == named_file.st_ino;
}

int unix_lock(const char *path, char error[RPR_ERROR_TEXT])
{
    char lock[LONG_PATH];
    int tries;

    snprintf(lock, sizeof(lock), "%s" LOCK_SUFFIX, path);
    for (tries = 0; tries < LOCK_TRIES; tries++) {
        int fd = open(lock, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);

        if (fd < 0)
            return complain_errno(error, lock);
        if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
            close(fd);
            return complain(error, path, "in use by another process", -RPR_EBUSY);
        }
        if (still_there(fd, lock))
            return fd;
        close(fd);
    }
    return complain(error, path, "in use by another process", -RPR_EBUSY);
}

void unix_unlock(int fd, const char *path)
{
    char lock[LONG_PATH];

    snprintf(lock, sizeof(lock), "%s" LOCK_SUFFIX, path);
    unlink(lock);
    close(fd);
}

/* ---- listen -------------------------------------------------------------------------------------------- */

/* May what is at `path` be replaced? Only a socket that nobody listens on. */
static int check_place(const char *path, int type, char error[RPR_ERROR_TEXT])
{
    struct stat file;
    int fd;

    if (lstat(path, &file) != 0)
        return errno == ENOENT ? 0 : complain_errno(error, path);
    if (!S_ISSOCK(file.st_mode))
        return complain(error, path, "exists and is no socket", -RPR_EEXIST);
    if (file.st_uid != geteuid())
        return complain(error, path, "exists and belongs to another user", -RPR_EEXIST);
    fd = unix_connect(path, type);
    if (fd == -ECONNREFUSED || fd == -ENOENT)
        return 0;
    if (fd >= 0)
        close(fd);
    return complain(error, path, "in use by another process", -RPR_EBUSY);
}

static int bind_and_listen(struct rpr_unix_listener *listener, char error[RPR_ERROR_TEXT])
{
    char temp[LONG_PATH];
    struct sockaddr_un address;
    struct stat file;

    snprintf(temp, sizeof(temp), "%s" TEMP_SUFFIX, listener->path);
    address = address_of(temp);
    unlink(temp);
    if (bind(listener->fd, (struct sockaddr *)&address, sizeof(address)) != 0)
        return complain_errno(error, listener->path);
    if (chmod(temp, 0660) != 0 || lstat(temp, &file) != 0 || listen(listener->fd, BACKLOG) != 0 ||
        rename(temp, listener->path) != 0) {
        int code = complain_errno(error, listener->path);

        unlink(temp);
        return code;
    }
    listener->dev = file.st_dev;
    listener->ino = file.st_ino;
    return 0;
}

int rpr_unix_listen(struct rpr_unix_listener *listener, const char *path, int type,
                    char error[RPR_ERROR_TEXT])
{
    int code;

    listener->fd = listener->lock_fd = -1;
    if (strlen(path) > RPR_UNIX_PATH_MAX)
        return complain(error, path, "a socket's path has at most 100 bytes", -RPR_ENAMETOOLONG);
    snprintf(listener->path, sizeof(listener->path), "%s", path);
    listener->lock_fd = unix_lock(path, error);
    if (listener->lock_fd < 0)
        return listener->lock_fd;
    code = check_place(path, type, error);
    if (!code) {
        listener->fd = socket(AF_UNIX, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        code = listener->fd < 0 ? complain_errno(error, path) : bind_and_listen(listener, error);
    }
    if (code) {
        if (listener->fd >= 0)
            close(listener->fd);
        unix_unlock(listener->lock_fd, path);
        listener->fd = listener->lock_fd = -1;
    }
    return code;
}

void rpr_unix_unlisten(struct rpr_unix_listener *listener)
{
    struct stat file;

    if (listener->fd < 0)
        return;
    if (lstat(listener->path, &file) == 0 && file.st_dev == listener->dev &&
        file.st_ino == listener->ino)
        unlink(listener->path);
    close(listener->fd);
    unix_unlock(listener->lock_fd, listener->path);
    listener->fd = listener->lock_fd = -1;
}
