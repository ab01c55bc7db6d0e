/* SPDX-License-Identifier: Apache-2.0 */
/*
 * routed_rtt_pty_1core, routed_rtt_pty_2core: edge A - hub H - edge B over UART frames on two pseudo
 * terminals, each its own process on one CPU, asleep when idle; see pty_name() for the difference.
 */
#include "chain.h"
#include "pty_name.h"

#define N_TRIPS 16384u
#define PAYLOAD 64u

int main(int argc, char **argv)
{
    struct chain c;

    chain_make_folder_for("pty:%s", "serial:%s?flow=none");
    chain_open(&c, 0, true, 0);
    bench_ping(&c.a, N_TRIPS / 8, PAYLOAD);
    bench_emit_per(pty_name(argc, argv, "routed_rtt_pty_1core", "routed_rtt_pty_2core"),
                   bench_ping(&c.a, N_TRIPS, PAYLOAD), N_TRIPS);
    chain_close(&c);
    chain_remove_folder();
    return 0;
}
