/* SPDX-License-Identifier: Apache-2.0 */
/*
 * direct_*: two processes, each with its own node and loop on the real platform, joined by an shm:
 * link; everything as it is by default. `poll` and oneway: two CPUs that never sleep. `spin`: two
 * CPUs, and a loop that looks for a moment and then sleeps. `1core`: one CPU, and a loop that sleeps.
 */
#include "node.h"

#define N_TRIPS_POLL  131072u
#define N_TRIPS_SLEEP 32768u
#define N_ONEWAY      1048576u
#define PAYLOAD       64u

static char folder[] = "/tmp/rpr-bench-XXXXXX";
static char url[64];

static void make_folder(void)
{
    if (!mkdtemp(folder))
        bench_die("mkdtemp: %s", strerror(errno));
    snprintf(url, sizeof(url), "shm:%s/link", folder);
}

/* The one who answers: on CPU number `cpu` of those allowed. */
static pid_t fork_peer(int cpu, int idle_ms, bool echo, uint32_t wanted)
{
    struct bench_node n;
    pid_t pid = bench_fork();

    if (pid != 0)
        return pid;
    bench_pin(cpu);
    bench_node_open(&n, "b", idle_ms);
    n.echo = echo;
    n.wanted = wanted;
    bench_node_serve(&n);
    bench_node_link(&n, "a", url);
    bench_node_run(&n);
    _exit(0);
}

static void open_side(struct bench_node *n, int idle_ms)
{
    char listening[80];

    snprintf(listening, sizeof(listening), "%s?listen=1", url);
    bench_node_open(n, "a", idle_ms);
    bench_node_link(n, "b", listening);
    bench_node_bind(n, "b");
}

static void measure_rtt(const char *name, int peer_cpu, int idle_ms, uint32_t trips)
{
    pid_t peer = fork_peer(peer_cpu, idle_ms, true, 0);
    struct bench_node n;

    bench_pin(0);
    open_side(&n, idle_ms);
    bench_ping(&n, trips / 8, PAYLOAD);
    bench_emit_per(name, bench_ping(&n, trips, PAYLOAD), trips);
    bench_node_close(&n);
    bench_join(peer);
}

static void measure_oneway(const char *name, size_t len)
{
    pid_t peer = fork_peer(1, 0, false, N_ONEWAY);
    struct bench_node n;

    bench_pin(0);
    open_side(&n, 0);
    bench_emit_per(name, bench_stream(&n, N_ONEWAY, len), N_ONEWAY);
    bench_node_close(&n);
    bench_join(peer);
}

int main(void)
{
    make_folder();
    measure_rtt("direct_rtt_poll", 1, 0, N_TRIPS_POLL);
    measure_rtt("direct_rtt_spin", 1, -1, N_TRIPS_SLEEP);
    measure_rtt("direct_rtt_1core", 0, -1, N_TRIPS_SLEEP);
    measure_oneway("direct_oneway_64", 64);
    measure_oneway("direct_oneway_496", 496);
    measure_oneway("direct_oneway_2048", 2048);
    rmdir(folder);
    return 0;
}
