/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Nodes in one thread, joined by shared memory in its local layout, without a loop: for counting
 * what the stack itself does. A doorbell is a call.
 */
#ifndef RPR_BENCH_LOCAL_H
#define RPR_BENCH_LOCAL_H

#include "common.h"

#include <stdbool.h>

#include <rpr/vring.h>

#define LOCAL_SLOTS 16384u /* what a loop's node has by default */

static void *local_alloc(void *ctx, size_t bytes)
{
    (void)ctx;
    return calloc(1, bytes);
}

static void local_free(void *ctx, void *memory, size_t bytes)
{
    (void)ctx;
    (void)bytes;
    free(memory);
}

static const struct rpr_platform local_platform = {.alloc = local_alloc, .free = local_free};

static inline struct rpr_node *local_node(const char *name)
{
    struct rpr_node_config config = {
        .name = name, .platform = &local_platform, .slots = LOCAL_SLOTS};
    struct rpr_node *node;

    if (rpr_node_open(&node, &config) != 0)
        bench_die("node %s", name);
    return node;
}

/* One end of a link; its peer's is in the same array. */
struct local_end {
    struct rpr_link *link;
    struct local_end *peer;
    uint64_t n_rings; /* doorbells that this end rang */
};

static void local_nothing(void *ctx)
{
    (void)ctx;
}

static void local_ring(void *ctx, bool to_tx_ring)
{
    struct local_end *end = ctx;

    (void)to_tx_ring;
    end->n_rings++;
    rpr_link_ready(end->peer->link);
}

static inline void local_open(struct rpr_node *node, const char *remote, struct local_end *end)
{
    struct rpr_vring_config config = {
        .remote = remote, .kind = "shm", .port = {.open = local_nothing, .close = local_nothing}};

    if (rpr_vring_open(node, &config, &end->link) != 0)
        bench_die("link to %s", remote);
}

/* `ends` must stay: [0] is the driver at node a, [1] the device at node b. */
static inline void local_join(struct rpr_node *a, struct rpr_node *b, struct local_end ends[2])
{
    struct rpr_vring_session session = {.ring = local_ring, .credit = true};

    if (rpr_vring_layout_local(&session.layout, 256, 2048) != 0)
        bench_die("layout");
    session.base = bench_map_shared(session.layout.bytes);
    local_open(a, rpr_node_name(b), &ends[0]);
    local_open(b, rpr_node_name(a), &ends[1]);
    for (int i = 0; i < 2; i++) {
        session.role = i == 0 ? RPR_VRING_DRIVER : RPR_VRING_DEVICE;
        session.ctx = &ends[i];
        ends[i].peer = &ends[1 - i];
        ends[i].n_rings = 0;
        if (rpr_vring_attach(ends[i].link, &session) != 0)
            bench_die("session of %s and %s", rpr_node_name(a), rpr_node_name(b));
    }
}

static inline bool local_is_bound(rpr_ept_t ept)
{
    struct rpr_ept_info info;

    return rpr_ept_info(ept, &info) == 0 && info.state == RPR_EPT_BOUND;
}

#endif
