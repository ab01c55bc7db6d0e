/* SPDX-License-Identifier: Apache-2.0 */
/*
 * routed_*: edge A - hub H - edge B, three processes, each with its own node and loop on the real
 * platform, shm: links, everything as it is by default. `1core`: all on one CPU, asleep when idle.
 * `2core`: the hub on a CPU of its own.
 */
#include "node.h"

#define N_TRIPS  32768u
#define N_ONEWAY 524288u
#define PAYLOAD  64u

static char folder[] = "/tmp/rpr-bench-XXXXXX";
static char url[2][64];

static void make_folder(void)
{
    if (!mkdtemp(folder))
        bench_die("mkdtemp: %s", strerror(errno));
    for (int i = 0; i < 2; i++)
        snprintf(url[i], sizeof(url[i]), "shm:%s/%c", folder, "ab"[i]);
}

static void open_edge(struct bench_node *n, const char *name, const char *to_hub)
{
    struct rpr_edge *edge;

    bench_node_open(n, name, -1);
    bench_need(rpr_edge_open(n->node, &edge), "edge");
    bench_node_link(n, "hub", to_hub);
}

/* The hub runs until it is killed. */
static pid_t fork_hub(int cpu)
{
    struct rpr_pair_config all = {.a = NULL};
    struct bench_node n;
    struct rpr_hub *hub;
    char listening[80];
    pid_t pid = bench_fork();

    if (pid != 0)
        return pid;
    bench_pin(cpu);
    bench_node_open(&n, "hub", -1);
    bench_need(rpr_hub_open(n.node, &hub), "hub");
    bench_need(rpr_hub_pair_add(hub, &all), "pair");
    for (int i = 0; i < 2; i++) {
        snprintf(listening, sizeof(listening), "%s?listen=1", url[i]);
        bench_node_link(&n, i ? "b" : "a", listening);
    }
    for (;;)
        bench_turn(&n);
}

static pid_t fork_b(bool echo, uint32_t wanted)
{
    struct bench_node n;
    pid_t pid = bench_fork();

    if (pid != 0)
        return pid;
    bench_pin(0);
    open_edge(&n, "b", url[1]);
    n.echo = echo;
    n.wanted = wanted;
    bench_node_serve(&n);
    bench_node_run(&n);
    _exit(0);
}

struct chain {
    struct bench_node a;
    pid_t hub, b;
};

static void open_chain(struct chain *c, int hub_cpu, bool echo, uint32_t wanted)
{
    bench_pin(0);
    c->hub = fork_hub(hub_cpu);
    c->b = fork_b(echo, wanted);
    open_edge(&c->a, "a", url[0]);
    bench_node_bind(&c->a, "b");
}

static void close_chain(struct chain *c)
{
    int status;

    bench_node_close(&c->a);
    bench_join(c->b);
    kill(c->hub, SIGKILL);
    waitpid(c->hub, &status, 0);
}

static void measure_rtt(const char *name, int hub_cpu)
{
    struct chain c;

    open_chain(&c, hub_cpu, true, 0);
    bench_ping(&c.a, N_TRIPS / 8, PAYLOAD);
    bench_emit_per(name, bench_ping(&c.a, N_TRIPS, PAYLOAD), N_TRIPS);
    close_chain(&c);
}

static void measure_oneway(const char *name, size_t len)
{
    struct chain c;

    open_chain(&c, 0, false, N_ONEWAY);
    bench_emit_per(name, bench_stream(&c.a, N_ONEWAY, len), N_ONEWAY);
    close_chain(&c);
}

int main(void)
{
    make_folder();
    measure_rtt("routed_rtt_1core", 0);
    measure_rtt("routed_rtt_2core", 1);
    measure_oneway("routed_oneway_64_1core", 64);
    measure_oneway("routed_oneway_496_1core", 496);
    measure_oneway("routed_oneway_2048_1core", 2048);
    for (int i = 0; i < 2; i++) {
        unlink(url[i] + strlen("shm:")); /* the hub was killed and left them */
        strcat(url[i], ".lock");
        unlink(url[i] + strlen("shm:"));
    }
    rmdir(folder);
    return 0;
}
