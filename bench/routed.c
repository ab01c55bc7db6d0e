/* SPDX-License-Identifier: Apache-2.0 */
/*
 * routed_*: edge A - hub H - edge B, three processes, each with its own node and loop on the real
 * platform, shm: links, everything as it is by default. `1core`: all on one CPU, asleep when idle.
 * `2core`: the hub on a CPU of its own.
 */
#include "chain.h"

#define N_TRIPS  32768u
#define N_ONEWAY 524288u
#define PAYLOAD  64u

static void measure_rtt(const char *name, int hub_cpu)
{
    struct chain c;

    chain_open(&c, hub_cpu, true, 0);
    bench_ping(&c.a, N_TRIPS / 8, PAYLOAD);
    bench_emit_per(name, bench_ping(&c.a, N_TRIPS, PAYLOAD), N_TRIPS);
    chain_close(&c);
}

static void measure_oneway(const char *name, size_t len)
{
    struct chain c;

    chain_open(&c, 0, false, N_ONEWAY);
    bench_emit_per(name, bench_stream(&c.a, N_ONEWAY, len), N_ONEWAY);
    chain_close(&c);
}

int main(void)
{
    chain_make_folder();
    measure_rtt("routed_rtt_1core", 0);
    measure_rtt("routed_rtt_2core", 1);
    measure_oneway("routed_oneway_64_1core", 64);
    measure_oneway("routed_oneway_496_1core", 496);
    measure_oneway("routed_oneway_2048_1core", 2048);
    chain_remove_folder();
    return 0;
}
