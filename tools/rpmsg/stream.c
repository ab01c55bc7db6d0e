/* SPDX-License-Identifier: Apache-2.0 */
#include "stream.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

void sink_flush(struct sink *sink)
{
    size_t done = 0;

    while (done < sink->used) {
        struct pollfd out = {.fd = STDOUT_FILENO, .events = POLLOUT};
        ssize_t written = write(STDOUT_FILENO, sink->data + done, sink->used - done);
        if (written >= 0)
            done += (size_t)written;
        else if (errno == EAGAIN)
            poll(&out, 1, -1);
        else if (errno != EINTR)
            die(sink->cli, STATUS_FAILED, "stdout: %s; %llu bytes were received", strerror(errno),
                (unsigned long long)sink->bytes);
    }
    sink->used = 0;
}

int sink_receive(struct sink *sink, struct rpr_client *client, int timeout_ms)
{
    for (;;) {
        if (sizeof(sink->data) - sink->used < STREAM_MESSAGE)
            sink_flush(sink);
        int length = rpr_client_recv(client, sink->data + sink->used, STREAM_MESSAGE, timeout_ms);
        if (length < 0) {
            sink_flush(sink);
            return length;
        }
        sink->used += (size_t)length;
        sink->bytes += (uint64_t)length;
        sink->messages++;
        timeout_ms = 0;
    }
}

struct rpr_client *stream_open(const struct cli *cli, const char *control, const char *device,
                               const char *service)
{
    char error[RPR_ERROR_TEXT] = "";
    struct rpr_client *client = NULL;
    int result = rpr_client_open(&client, control, device, service, error);

    bool gone = result == -RPR_ENOTCONN || result == -RPR_ENOENT || result == -RPR_ETIMEDOUT;

    if (result == 0)
        return client;
    die(cli, gone ? STATUS_GONE : STATUS_FAILED, "%s",
        error[0] != '\0' ? error : rpr_strerror(result));
}
