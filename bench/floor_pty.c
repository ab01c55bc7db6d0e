/* SPDX-License-Identifier: Apache-2.0 */
/*
 * floor_forwarder_pty_1core, floor_forwarder_pty_2core: the forwarder over two pseudo terminals; see
 * pty_name() for the difference.
 */
#include "forwarder.h"

#include <fcntl.h>
#include <termios.h>

#include "pty_name.h"

static void open_terminal(int pair[2])
{
    struct termios raw;

    pair[1] = posix_openpt(O_RDWR | O_NOCTTY);
    if (pair[1] < 0 || grantpt(pair[1]) != 0 || unlockpt(pair[1]) != 0)
        bench_die("posix_openpt: %s", strerror(errno));
    pair[0] = open(ptsname(pair[1]), O_RDWR | O_NOCTTY);
    if (pair[0] < 0 || tcgetattr(pair[0], &raw) != 0)
        bench_die("%s: %s", ptsname(pair[1]), strerror(errno));
    cfmakeraw(&raw);
    if (tcsetattr(pair[0], TCSANOW, &raw) != 0)
        bench_die("tcsetattr: %s", strerror(errno));
}

int main(int argc, char **argv)
{
    return forwarder_run(open_terminal, pty_name(argc, argv, "floor_forwarder_pty_1core",
                                                 "floor_forwarder_pty_2core"));
}
