/* SPDX-License-Identifier: Apache-2.0 */
/* Pairs of a hub: private to pair.c (one pair) and hub.c (all of them). */
#ifndef ROUTER_PAIR_H
#define ROUTER_PAIR_H

#include "router/router.h"

/* What the edge on one side has been told, and is to be told, on its control endpoint. State, not
 * a queue: the last state wins, and leaves when the link takes it. */
struct pair_side {
    struct pair *pair;
    struct rpr_device *device; /* NULL: there is no such link yet */
    rpr_ept_t control;
    bool open, bound;
    bool lacks_control; /* there was no memory for it */
    bool leaving;       /* what is bound now is in no session any more: its link is about to end */
    bool ours;          /* it said HELLO since its link came up */
    bool hello_due; /* it is ours and has not answered the last CREATE: what it says about routes is
                     * old */
    bool unnumbered;        /* the last CREATE or DESTROY may be lost */
    bool answer_hello;      /* it said HELLO, and hears ours */
    bool sleeps;            /* it said so for this pair only */
    uint32_t session;       /* it is to be in; 0: none */
    uint32_t told;          /* it knows to be in */
    uint32_t n_creates;     /* said to what is bound now: HELLO tells which one it answers */
    bool told_sleeps;       /* what it knows of the other CPU */
    struct rpr_quota quota; /* of what comes from it for the other side */
    char cpu[ROUTER_CPU_MAX + 1];
};

struct pair {
    struct pair *next;
    struct rpr_hub *hub;
    struct rpr_node *node;
    struct pair_side side[2];
    struct route *routes; /* through `sibling` */
    uint32_t n_sessions;
    enum rpr_policy policy;
    uint32_t quota, block_ms;
    char (*services)[RPR_ROUTED_SERVICE_MAX + 1]; /* allow list, or NULL */
    uint32_t n_services;
    bool from_all; /* made by "every pair", not by name */
    bool dead;
    unsigned n_users; /* control endpoints and routes not closed yet, and calls that go on */
};

struct rpr_hub {
    struct rpr_node *node;
    struct pair *pairs;
    struct pair *all; /* settings for every pair without its own, or NULL */
    struct rpr_service *service;
    struct rpr_observer observer;
    struct rpr_timer
        retry; /* there was no memory for a control endpoint, or a pair of "every pair" */
    bool stopping;
};

struct pair *pair_new(struct rpr_hub *hub, const struct rpr_pair_config *config, const char *a,
                      const char *b);
struct pair *pair_like(const struct pair *settings, const char *a, const char *b);
void pair_free(struct pair *pair); /* now, or when its endpoints are closed */
void pair_place(struct pair *pair, unsigned i, struct rpr_device *device); /* NULL: it is gone */
void pair_update(struct pair *pair);
bool pair_takes_part(const struct pair_side *side); /* may be in a session, as far as it goes */
void pair_leave(struct pair *pair, unsigned i);     /* ends the session, as if side i were lost */
bool pair_lacks_control(const struct pair_side *side);
bool pair_open_control(struct pair *pair, unsigned i);
bool pair_side_settled(const struct pair_side *side); /* it knows all that it is to be told */
/* -RPR_ENOMEM: a CREATE has to be said again. */
int pair_ns(struct pair *pair, unsigned i, const char *service, uint32_t addr, uint32_t flags);

/* hub.c: what there was no memory for is made when there may be some. */
void hub_complete_later(struct rpr_hub *hub);

#endif
