/* SPDX-License-Identifier: Apache-2.0 */
#include "posix/packet.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <rpr/error.h>

union control {
    char room[CMSG_SPACE(PACKET_MAX_FDS * sizeof(int))];
    struct cmsghdr align;
};

int packet_send(int fd, const void *bytes, size_t len, const int *fds, unsigned n_fds)
{
    union control control = {.room = {0}};
    struct iovec part = {.iov_base = (void *)(uintptr_t)bytes, .iov_len = len};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};

    if (n_fds) {
        struct cmsghdr *head;

        message.msg_control = control.room;
        message.msg_controllen = CMSG_SPACE(n_fds * sizeof(int));
        head = CMSG_FIRSTHDR(&message);
        head->cmsg_level = SOL_SOCKET;
        head->cmsg_type = SCM_RIGHTS;
        head->cmsg_len = CMSG_LEN(n_fds * sizeof(int));
        memcpy(CMSG_DATA(head), fds, n_fds * sizeof(int));
    }
    if (sendmsg(fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0)
        return 0;
    return errno == EAGAIN ? -RPR_EAGAIN : -RPR_ENOTCONN;
}

static void take_fds(struct packet *packet, struct msghdr *message)
{
    struct cmsghdr *head;

    for (head = CMSG_FIRSTHDR(message); head; head = CMSG_NXTHDR(message, head)) {
        size_t n = (head->cmsg_len - CMSG_LEN(0)) / sizeof(int);

        if (head->cmsg_level != SOL_SOCKET || head->cmsg_type != SCM_RIGHTS)
            continue;
        if (n > PACKET_MAX_FDS - packet->n_fds)
            n = PACKET_MAX_FDS - packet->n_fds; /* cannot be: the room is no larger */
        memcpy(packet->fds + packet->n_fds, CMSG_DATA(head), n * sizeof(int));
        packet->n_fds += (unsigned)n;
    }
}

int packet_receive(int fd, struct packet *packet)
{
    union control control;
    struct iovec part = {.iov_base = packet->bytes, .iov_len = sizeof(packet->bytes)};
    struct msghdr message = {.msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = control.room,
                             .msg_controllen = sizeof(control.room)};
    ssize_t n = recvmsg(fd, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);

    if (n < 0 && errno == ECONNRESET) /* it left something unread; its last words may be there */
        n = recvmsg(fd, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    packet->len = 0;
    packet->n_fds = 0;
    if (n < 0)
        return errno == EAGAIN || errno == EINTR ? -RPR_EAGAIN : 0;
    take_fds(packet, &message);
    packet->len = (size_t)n;
    if (n == 0)
        packet_close_fds(packet);
    return n > 0;
}

void packet_close_fds(struct packet *packet)
{
    while (packet->n_fds) {
        int fd = packet->fds[--packet->n_fds];

        if (fd >= 0)
            close(fd);
    }
}
