/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of the router call of each other. route: two joined endpoints, of a hub or of a
 * client; pair: two links of a hub that are joined; hub: all pairs; client: client routes; edge:
 * routed devices.
 */
#ifndef ROUTER_ROUTER_H
#define ROUTER_ROUTER_H

#include <rpr/link.h>
#include <rpr/router.h>

#include "base/bytes.h"
#include "base/check.h"
#include "base/text.h"
#include "wire/router.h"

#define ROUTER_NAME_MAX    RPR_NAME_MAX
#define ROUTE_WAITING_MAX  256u /* routes of one edge that are not joined (ARCHITECTURE 5) */
#define PEER_ADDRESSES_MAX 96u /* a NuttX or OpenAMP peer has 128, and hands out duplicates above */

static inline void *router_alloc(struct rpr_node *node, size_t bytes)
{
    const struct rpr_platform *platform = rpr_node_platform(node);

    return platform->alloc(platform->ctx, bytes);
}

static inline void router_free(struct rpr_node *node, void *memory, size_t bytes)
{
    const struct rpr_platform *platform = rpr_node_platform(node);

    platform->free(platform->ctx, memory, bytes);
}

static inline bool device_up(const struct rpr_device *device)
{
    enum rpr_device_state state = rpr_device_state(device);

    return state == RPR_DEVICE_UP || state == RPR_DEVICE_SUSPENDED;
}

/* ---- route: route.c ---------------------------------------------------------------------------- */

/* One end of a route. Our endpoint there is a *half*. */
struct route_side {
    struct route *route;
    struct rpr_device *device;      /* NULL: of a serving client, nobody has announced yet */
    char name[ROUTER_NAME_MAX + 1]; /* of the half, as the device sees it */
    uint32_t wish; /* address that the remote announced under that name; RPR_ADDR_ANY: it has not */
    rpr_ept_t half;
    bool open, bound;
    bool answered;               /* it is bound by our CREATE_ACK */
    bool announced;              /* it was announced by a CREATE of ours */
    bool ready;                  /* the device may be told about routes now */
    bool mute;                   /* nothing is ever announced to it */
    uint64_t forwarded, dropped; /* of what came from this side */
    bool too_long_logged;
    struct rpr_timer again; /* the half announces itself once more, or is opened at last */
    struct rpr_timer block; /* the link has been stopped for long enough */
    uint64_t again_ms, bound_at_ns;
    struct rpr_quota *quota; /* of the ordered pair, or NULL */
    const char *reason;      /* why there is no half, or NULL */
};

struct route_ops {
    /* The remote end of side `gone` is gone and what it had sent has been given to the other side.
     * The route may be freed inside (route_free()). */
    void (*ended)(struct route *route, unsigned gone, bool lost);

    /* The route and its halves are no more: nothing of them uses the owner's quotas. Or NULL. */
    void (*freed)(void *owner);
};

struct route {
    struct route *next;    /* of all routes of the node */
    struct route *sibling; /* the owner's list */
    struct rpr_node *node;
    const struct route_ops *ops;
    void *owner;
    struct route_side side[2];
    char service[ROUTER_NAME_MAX + 1];
    enum rpr_policy policy;
    uint32_t quota;
    uint32_t block_ms;
    bool keep_lost; /* deliver what came from a side that is lost before ending */
    bool ending, lost, dead;
    unsigned gone;    /* the side whose end is awaited */
    unsigned n_users; /* halves not closed yet, and calls of ours that go on */
    bool settling, again;
};

struct route_config {
    struct rpr_node *node;
    const struct route_ops *ops;
    void *owner;
    const char *service;
    uint32_t quota, block_ms;
    enum rpr_policy policy;
    bool keep_lost;
};

struct route *route_new(const struct route_config *config); /* NULL: no memory */
void route_place(struct route *route, unsigned i, struct rpr_device *device, const char *name,
                 struct rpr_quota *quota);
void route_free(struct route *route, bool inform); /* now, or when its halves are closed */
void route_settle(struct route *route);
void route_ready(struct route *route, unsigned i, bool ready);

/* What the name service of side i said. */
void route_create(struct route *route, unsigned i, uint32_t addr);
void route_ack(struct route *route, unsigned i, uint32_t addr);
void route_destroy(struct route *route, unsigned i, uint32_t addr);
void route_lost(struct route *route, unsigned i); /* link or remote CPU */
void route_withdraw(struct route *route,
                    unsigned i); /* as if side i had closed: after what it sent */
bool route_joined(const struct route *route);
bool route_idle(const struct route *route); /* nobody wishes it, nothing is left of it */
struct route *route_first(struct rpr_node *node);

#endif
