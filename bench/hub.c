/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hub_instructions_at_N_edges: what a hub does for one message of 64 bytes that it forwards in a
 * batch of 32, with N edges on it. Every batch has another pair of edges, and the hub goes to rest
 * after each, so that idle links cost what they cost. Hub and edges are nodes of one thread;
 * only the hub's part is counted.
 */
#include "local.h"

#include <rpr/router.h>

#define N_COUNTED   65536u
#define N_WARM      16384u
#define N_GROW      512u
#define N_EDGES_MAX 64u
#define BATCH       32u
#define PAYLOAD     64u
#define MS          UINT64_C(1000000)

static struct rpr_node *hub;
static struct rpr_node *edge[N_EDGES_MAX];
static struct local_end ends[N_EDGES_MAX][2];
static rpr_ept_t route[N_EDGES_MAX / 2]; /* of edge 2i, to edge 2i + 1 */
static uint64_t now_ns = 1;
static uint64_t n_received;

/* Until there is nothing left to do and every peer has been asked to ring. */
static inline void turn(struct rpr_node *node)
{
    while (rpr_node_poll(node, now_ns, 0) == RPR_POLL_MORE || !rpr_node_arm(node))
        ;
}

/* The hub's turn. Its own function, not inlined: callgrind collects inside it only
 * (--toggle-collect=bench_loop). */
__attribute__((noinline)) static void bench_loop(void)
{
    turn(hub);
}

static enum rpr_rx_result on_rx(void *ctx, rpr_ept_t ept, const struct rpr_msg *msg)
{
    (void)ctx;
    (void)ept;
    n_received += msg->len == PAYLOAD;
    return RPR_DONE;
}

static const struct rpr_ept_ops ept_ops = {.rx = on_rx};

static int bind(void *ctx, struct rpr_device *device, const char *name, uint32_t addr)
{
    struct rpr_ept_config config = {
        .name = name, .addr = RPR_ADDR_ANY, .dest = addr, .ops = &ept_ops};
    rpr_ept_t ept;

    (void)ctx;
    return rpr_ept_open(device, &config, &ept);
}

static const struct rpr_service_ops service_ops = {.bind = bind};

/* ---- hub and edges -------------------------------------------------------------------------------- */

static void open_hub(void)
{
    struct rpr_pair_config all = {.a = NULL};
    struct rpr_hub *part;

    hub = local_node("hub");
    if (rpr_hub_open(hub, &part) != 0 || rpr_hub_pair_add(part, &all) != 0)
        bench_die("hub");
}

static void open_edge(uint32_t i)
{
    struct rpr_service_config config = {.name = "bench", .ops = &service_ops};
    struct rpr_service *service;
    struct rpr_edge *part;
    char name[8];

    snprintf(name, sizeof(name), "e%u", i);
    edge[i] = local_node(name);
    if (rpr_edge_open(edge[i], &part) != 0 || rpr_service_open(edge[i], &config, &service) != 0)
        bench_die("edge %s", name);
    local_join(hub, edge[i], ends[i]);
}

static void turn_all(uint32_t n_edges)
{
    now_ns += MS;
    turn(hub);
    for (uint32_t i = 0; i < n_edges; i++)
        turn(edge[i]);
}

static void open_route(uint32_t i, uint32_t n_edges)
{
    struct rpr_ept_config config = {
        .name = "bench", .addr = RPR_ADDR_ANY, .dest = RPR_ADDR_ANY, .ops = &ept_ops};
    const char *to = rpr_node_name(edge[2 * i + 1]);
    struct rpr_device *device;

    while (!(device = rpr_device_find(edge[2 * i], to)))
        turn_all(n_edges);
    if (rpr_ept_open(device, &config, &route[i]) != 0)
        bench_die("endpoint to %s", to);
    while (!local_is_bound(route[i]))
        turn_all(n_edges);
    /* A route's credit grows with use: until it is enough for a batch. */
    for (uint32_t sent = 0; sent < N_GROW; sent++)
        while (rpr_send(route[i], "", 1, 0) != 0)
            turn_all(n_edges);
    turn_all(n_edges);
}

/* ---- counting --------------------------------------------------------------------------------------- */

static void send_batch(uint32_t pair, void (*hub_turn)(void))
{
    uint8_t payload[PAYLOAD] = {0};

    for (uint32_t i = 1; i <= BATCH; i++)
        if (rpr_send(route[pair], payload, sizeof(payload), i < BATCH ? RPR_MORE : 0) != 0)
            bench_die("hub: a message was not taken");
    hub_turn();
    turn(edge[2 * pair + 1]); /* which grants credit, and the hub passes that on next time */
    turn(edge[2 * pair]);
}

static void warm_turn(void)
{
    turn(hub);
}

static void run(uint32_t n, uint32_t n_edges, void (*hub_turn)(void))
{
    uint64_t before = n_received;

    for (uint32_t sent = 0; sent < n; sent += BATCH)
        send_batch(sent / BATCH % (n_edges / 2), hub_turn);
    if (n_received - before != n)
        bench_die("hub: a message did not arrive");
}

int main(int argc, char **argv)
{
    uint32_t n_edges = 0;

    if (argc == 3 && strcmp(argv[1], "--instructions") == 0)
        sscanf(argv[2], "hub_instructions_at_%u_edges", &n_edges);
    if (n_edges < 2 || n_edges > N_EDGES_MAX || n_edges % 2 != 0)
        bench_die("usage: hub --instructions hub_instructions_at_N_edges");
    open_hub();
    for (uint32_t i = 0; i < n_edges; i++)
        open_edge(i);
    for (uint32_t i = 0; i < n_edges / 2; i++)
        open_route(i, n_edges);
    run(N_WARM, n_edges, warm_turn);
    run(N_COUNTED, n_edges, bench_loop);
    bench_emit(argv[2], N_COUNTED);
    return 0;
}
