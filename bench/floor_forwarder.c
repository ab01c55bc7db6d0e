/* SPDX-License-Identifier: Apache-2.0 */
/* floor_forwarder_socketpair_1core: the forwarder over two stream socket pairs. */
#include "forwarder.h"

#include <sys/socket.h>

static void open_sockets(int pair[2])
{
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) != 0)
        bench_die("socketpair: %s", strerror(errno));
}

int main(void)
{
    return forwarder_run(open_sockets, "floor_forwarder_socketpair_1core");
}
