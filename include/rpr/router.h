/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The router (WIRE 5): an edge uses routed devices that a hub offers; a hub joins its links
 * pairwise. A node may be both. Client routes join a local program's link to a device.
 */
#ifndef RPR_ROUTER_H
#define RPR_ROUTER_H

#include <rpr/rpr.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- edge ------------------------------------------------------------------------------------ */

struct rpr_edge;

/* Takes up what hubs offer on any link: each becomes a routed device. */
int rpr_edge_open(struct rpr_node *node, struct rpr_edge **edge);
void rpr_edge_close(struct rpr_edge *edge);

/* What hubs offered and could not be taken up, because a link or another hub has that name. */
void rpr_edge_refused(struct rpr_node *node,
                      bool (*each)(void *ctx, const char *cpu, const char *hub), void *ctx);

/* ---- hub ------------------------------------------------------------------------------------- */

struct rpr_hub;

/* What to do with a message for an edge that takes none now and whose quota is used up. */
enum rpr_policy {
    RPR_POLICY_DEFAULT, /* credit where the sender takes part in it, else drop-newest */
    RPR_POLICY_CREDIT,  /* the sending endpoint is stopped before: lossless, nothing else waits */
    RPR_POLICY_DROP_NEWEST, /* counted */
    RPR_POLICY_DROP_OLDEST, /* counted */
    RPR_POLICY_BLOCK /* the sender's whole link is left unread for at most block_ms, then drop-newest */
};

struct rpr_pair_config {
    const char *a,
        *b; /* CPU names of two links, 1 to 7 bytes; NULL, NULL: every pair of links without
                                  * a configuration of its own */
    enum rpr_policy policy;
    uint32_t quota;              /* messages parked per route and direction; 0 = 256 */
    uint32_t pair_quota;         /* per ordered pair of links, beyond 4 that each route has of its
                                  * own; 0 = 1024 */
    uint32_t block_ms;           /* 0 = 100 */
    const char *const *services; /* allow list, ends with NULL; or NULL: all. Copied */
};

int rpr_hub_open(struct rpr_node *node, struct rpr_hub **hub);

/* Joins two links, now or as soon as they exist. -RPR_EEXIST: that pair is configured,
 * -RPR_ENAMETOOLONG, -RPR_EINVAL (names, a = b), -RPR_ENOMEM. */
int rpr_hub_pair_add(struct rpr_hub *hub, const struct rpr_pair_config *config);
int rpr_hub_pair_remove(struct rpr_hub *hub, const char *a, const char *b); /* -RPR_ENOENT */

/* Orderly end: tells all edges (ROUTER_DESTROY), ends all routes. Returns true when everything has
 * been handed to the links; poll and call again until then, or give up. */
bool rpr_hub_stop(struct rpr_hub *hub);

/* The same for the pairs of one link, before rpr_device_down() or rpr_link_unregister(): a NuttX edge
 * does not survive the end of its link with routed devices left. The other edges hear of a loss, as
 * when the link is lost. Returns true when this edge has been told everything, or is in no pair; poll
 * and call again until then. With the link's next life, or if the edge's control endpoint comes anew,
 * the pairs come back. */
bool rpr_hub_leave(struct rpr_hub *hub, const struct rpr_device *device);
void rpr_hub_close(struct rpr_hub *hub);

/* ---- client routes ----------------------------------------------------------------------------- */

struct rpr_client_route;

struct rpr_client_config {
    struct rpr_device *client; /* the local program's private link */
    const char *service;
    const char *
        device; /* remote CPU to announce the service to; NULL: serve whichever announces it first */
    uint32_t quota; /* 0 = 256 */
    void (*ended)(void *ctx,
                  bool lost); /* the remote end is gone and the client has been given all that
                                          * came: lost: link or device, else it was closed. The route can be
                                          * closed, or, if it serves, it waits for the next one */
    void (*closed)(
        void *ctx); /* rpr_client_route_close() is done: the client's link may be removed */
    void *ctx;
};

/* -RPR_EEXIST: that service is served by another client; -RPR_ENOTSUP: the node has an endpoint of that
 * name there, and can have no other (behind a hub; or it announces itself, too); -RPR_ENAMETOOLONG, -RPR_ENOENT (device), -RPR_ENOMEM. */
int rpr_client_route_open(struct rpr_node *node, const struct rpr_client_config *config,
                          struct rpr_client_route **route);

/* Ends it in order: what the client's link took before is given to the remote, which then hears a
 * close; `closed` comes when that is done, from rpr_node_poll(). The client's link may be down
 * already, but must not be unregistered before. */
void rpr_client_route_close(struct rpr_client_route *route);

/* ---- what is shown --------------------------------------------------------------------------- */

enum rpr_route_state { RPR_ROUTE_WAITING, RPR_ROUTE_ANNOUNCED, RPR_ROUTE_JOINED, RPR_ROUTE_ENDING };

/* One direction of a route. */
struct rpr_route_info {
    const char *from, *to; /* CPU names */
    const char *service;
    enum rpr_route_state state;
    enum rpr_policy policy; /* as it applies: never DEFAULT */
    bool client;
    uint32_t parked;
    uint64_t forwarded, dropped;
    const char *reason; /* why it is not joined, "" if it is */
};

/* All routes of the node, both directions each: calls `each` until it returns false. */
void rpr_routes(struct rpr_node *node, bool (*each)(void *ctx, const struct rpr_route_info *info),
                void *ctx);

#ifdef __cplusplus
}
#endif
#endif
