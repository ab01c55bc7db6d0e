/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two nodes over one shared region in this process, for tests of the vring link: the test plays the
 * platform. The region has exactly its size, so that a sanitizer sees any step past its end.
 */
#ifndef VRING_PAIR_H
#define VRING_PAIR_H

#include "core_fixture.h"

#include <rpr/vring.h>

struct vring_end {
    struct vring_pair *pair;
    struct rpr_link *link;
    bool wanted, attached;
    unsigned n_rings[2]; /* doorbells it rang: for rx, for tx */
};

struct pair_side {
    struct pair_region *region;
    struct vring_end *end;
};

/* The memory of one connection; freed when it is over and nobody uses it any more. */
struct pair_region {
    uint8_t *memory;
    struct pair_side side[2];
    unsigned n_users;
};

struct vring_pair {
    struct vring_end end[2]; /* driver, device */
    struct rpr_vring_layout layout;
    uint8_t *region; /* of the connection that is up, or NULL */
    struct pair_region *now;
    unsigned n_regions; /* in memory */
    enum rpr_dialect dialect;
    bool credit, always_ring;
    bool threads; /* the driver's link has locks, and doorbells come from any thread */
};

static inline void region_put(struct pair_region *r)
{
    if (--r->n_users)
        return;
    r->side[0].end->pair->n_regions--;
    free(r->memory);
    free(r);
}

static inline void pair_detached(void *ctx)
{
    region_put(((struct pair_side *)ctx)->region);
}

static inline void pair_ring(void *ctx, bool to_tx_ring)
{
    struct vring_end *end = ((struct pair_side *)ctx)->end;
    struct vring_end *other = &end->pair->end[end == &end->pair->end[0]];

    if (end->pair->threads)
        return; /* nobody sleeps in such a test */
    end->n_rings[to_tx_ring]++;
    if (other->attached)
        rpr_link_ready(other->link);
}

static inline void pair_open(void *ctx)
{
    ((struct vring_end *)ctx)->wanted = true;
}

/* The connection is over for both; the other side hears it in pair_tend(). */
static inline void pair_over(struct vring_pair *p)
{
    struct pair_region *r = p->now;

    p->now = NULL;
    p->region = NULL;
    if (r)
        region_put(r);
}

static inline void pair_close(void *ctx)
{
    struct vring_end *end = ctx;

    end->wanted = end->attached = false;
    pair_over(end->pair);
}

static inline int pair_attach(struct vring_pair *p, unsigned i)
{
    struct rpr_vring_session session = {.role = i ? RPR_VRING_DEVICE : RPR_VRING_DRIVER,
                                        .base = p->region,
                                        .base_da = UINT64_C(0x123456000),
                                        .layout = p->layout,
                                        .always_ring = p->always_ring,
                                        .dialect = p->dialect,
                                        .credit = p->credit,
                                        .ring = pair_ring,
                                        .detached = pair_detached,
                                        .ctx = &p->now->side[i]};
    struct pair_region *r = p->now;
    int error;

    r->n_users++;
    p->end[i].attached = true;
    error = rpr_vring_attach(p->end[i].link, &session);
    if (error) {
        region_put(r);
        p->end[i].attached = false;
    }
    return error;
}

static inline void pair_new_region(struct vring_pair *p)
{
    struct pair_region *r = calloc(1, sizeof *r);

    r->memory = aligned_alloc(64, p->layout.bytes); /* a multiple of 128 */
    memset(r->memory, 0, p->layout.bytes);
    r->n_users = 1;
    for (unsigned i = 0; i < 2; i++)
        r->side[i] = (struct pair_side){r, &p->end[i]};
    p->now = r;
    p->region = r->memory;
    p->n_regions++;
}

/* What a platform does in its loop: ends what is over, connects who wants to be. */
static inline void pair_tend(struct vring_pair *p)
{
    for (unsigned i = 0; i < 2; i++) {
        if (p->end[i].attached && !p->region) {
            p->end[i].attached = false;
            rpr_vring_detach(p->end[i].link, "the peer went away", true);
        }
    }
    if (p->region || !p->end[0].wanted || !p->end[1].wanted || p->end[0].link->incarnation ||
        p->end[1].link->incarnation)
        return;
    pair_new_region(p);
    assert_int_equal(pair_attach(p, 0), 0);
    if (p->region)
        assert_int_equal(pair_attach(p, 1), 0);
}

static inline void pair_init(struct vring_pair *p, uint32_t num, uint32_t payload,
                             struct rpr_node *driver, const char *device_name,
                             struct rpr_node *device, const char *driver_name)
{
    struct rpr_node *nodes[] = {driver, device};
    const char *remotes[] = {device_name, driver_name};

    p->dialect = RPR_DIALECT_RPR;
    assert_int_equal(rpr_vring_layout_local(&p->layout, num, payload), 0);
    for (unsigned i = 0; i < 2; i++) {
        struct rpr_vring_config config = {
            .remote = remotes[i],
            .kind = "test",
            .locked = p->threads && i == 0,
            .port = {.open = pair_open, .close = pair_close, .ctx = &p->end[i]}};

        p->end[i].pair = p;
        assert_int_equal(rpr_vring_open(nodes[i], &config, &p->end[i].link), 0);
    }
}

/* After the nodes are closed. */
static inline void pair_fini(struct vring_pair *p)
{
    pair_over(p);
    assert_int_equal(p->n_regions, 0);
}

#endif
