/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Edge A - hub H - edge B: three processes, over shm: or pty: links, everything as it is by
 * default. The caller is A.
 */
#ifndef RPR_BENCH_CHAIN_H
#define RPR_BENCH_CHAIN_H

#include "node.h"

static char chain_folder[] = "/tmp/rpr-bench-XXXXXX";
static char chain_path[2][64];      /* the file of each link */
static char chain_hub_url[2][192];  /* as the hub opens it */
static char chain_edge_url[2][192]; /* as the edge opens it */

/* `hub` and `edge` are formats of URLs with a place for the path. */
static inline void chain_make_folder_for(const char *hub, const char *edge)
{
    if (!mkdtemp(chain_folder))
        bench_die("mkdtemp: %s", strerror(errno));
    for (int i = 0; i < 2; i++) {
        snprintf(chain_path[i], sizeof(chain_path[i]), "%s/%c", chain_folder, "ab"[i]);
        snprintf(chain_hub_url[i], sizeof(chain_hub_url[i]), hub, chain_path[i]);
        snprintf(chain_edge_url[i], sizeof(chain_edge_url[i]), edge, chain_path[i]);
    }
}

static inline void chain_make_folder(void)
{
    chain_make_folder_for("shm:%s?listen=1", "shm:%s");
}

static inline void chain_open_edge(struct bench_node *n, const char *name, const char *to_hub)
{
    struct rpr_edge *edge;

    bench_node_open(n, name, -1);
    bench_need(rpr_edge_open(n->node, &edge), "edge");
    bench_node_link(n, "hub", to_hub);
}

/* The hub runs until it is killed. */
static inline pid_t chain_fork_hub(int cpu)
{
    struct rpr_pair_config all = {.a = NULL};
    struct bench_node n;
    struct rpr_hub *hub;
    pid_t pid = bench_fork();

    if (pid != 0)
        return pid;
    bench_pin(cpu);
    bench_node_open(&n, "hub", -1);
    bench_need(rpr_hub_open(n.node, &hub), "hub");
    bench_need(rpr_hub_pair_add(hub, &all), "pair");
    for (int i = 0; i < 2; i++)
        bench_node_link(&n, i ? "b" : "a", chain_hub_url[i]);
    for (;;)
        bench_turn(&n);
}

static inline pid_t chain_fork_b(bool echo, uint32_t wanted)
{
    struct bench_node n;
    pid_t pid = bench_fork();

    if (pid != 0)
        return pid;
    bench_pin(0);
    chain_open_edge(&n, "b", chain_edge_url[1]);
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

static inline void chain_open(struct chain *c, int hub_cpu, bool echo, uint32_t wanted)
{
    bench_pin(0);
    c->hub = chain_fork_hub(hub_cpu);
    c->b = chain_fork_b(echo, wanted);
    chain_open_edge(&c->a, "a", chain_edge_url[0]);
    bench_node_bind(&c->a, "b");
}

static inline void chain_close(struct chain *c)
{
    int status;

    bench_node_close(&c->a);
    bench_join(c->b);
    kill(c->hub, SIGKILL);
    waitpid(c->hub, &status, 0);
}

/* The hub was killed and left its files. */
static inline void chain_remove_folder(void)
{
    for (int i = 0; i < 2; i++) {
        char lock[192];

        snprintf(lock, sizeof(lock), "%s.lock", chain_path[i]);
        unlink(lock);
        unlink(chain_path[i]);
    }
    rmdir(chain_folder);
}

#endif
