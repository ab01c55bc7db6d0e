/* SPDX-License-Identifier: Apache-2.0 */
#include "posix/bell.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/mutant.h"

void bell_ring_eventfd(int fd)
{
    uint64_t one = 1;

    if (write(fd, &one, sizeof(one)) < 0 && errno == EAGAIN && !MUTANT(full_doorbell_is_silent)) {
        uint64_t full;

        if (read(fd, &full, sizeof(full)) >= 0 || errno == EAGAIN)
            (void)!write(fd, &one, sizeof(one)); /* again EAGAIN: the peer just rings itself */
    }
}

void bell_ring_socket(int fd)
{
    (void)!send(fd, "", 1, MSG_DONTWAIT | MSG_NOSIGNAL);
}

bool bell_is_eventfd(int fd)
{
    static const char kind[] = "anon_inode:[eventfd]";
    char path[32];
    char target[sizeof(kind)];
    ssize_t n;
    int flags;

    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    n = readlink(path, target, sizeof(target));
    if (n != (ssize_t)(sizeof(kind) - 1) || memcmp(target, kind, sizeof(kind) - 1) != 0)
        return false;
    flags = fcntl(fd, F_GETFL);
    return flags >= 0 && fcntl(fd, F_SETFL, flags | O_NONBLOCK) == 0;
}
