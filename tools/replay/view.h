/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What somebody who sees both directions of one link knows: which services are bound, which routed
 * devices the edge has, how many messages of each kind there were. Sides are A (the hub, where
 * there is one) and B.
 */
#ifndef REPLAY_VIEW_H
#define REPLAY_VIEW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "wire/ns.h"
#include "wire/router.h"

enum view_side { VIEW_A, VIEW_B };

#define VIEW_KINDS(X) \
    X(ns_create)      \
    X(ns_ack)         \
    X(ns_destroy)     \
    X(router_create)  \
    X(router_destroy) \
    X(router_suspend) \
    X(router_resume)  \
    X(ping_req)       \
    X(ping_rsp)       \
    X(data)

enum view_kind {
#define VIEW_ENUM(name) VIEW_##name,
    VIEW_KINDS(VIEW_ENUM)
#undef VIEW_ENUM
        VIEW_N_KINDS
};

extern const char *const view_kind_name[VIEW_N_KINDS];

/* A service as both sides have announced it in this session. */
struct view_service {
    char name[RPMSG_NS_NAME_BYTES + 1];
    bool live[2];     /* this side has said CREATE or CREATE_ACK, and no DESTROY since */
    bool created[2];  /* with CREATE at least */
    uint32_t addr[2]; /* the last one it has said */
};

/* Who had an address last. Kept over sessions: late messages are told by it. */
struct view_address {
    enum view_side side;
    uint32_t addr;
    size_t service;
};

/* A routed device of side B. */
struct view_device {
    char cpu[ROUTER_CPU_MAX + 1];
    bool up, suspended;
    uint32_t session; /* counts its CREATEs */
};

struct view {
    bool connected;
    struct view_service *services;
    struct view_address *addresses;
    struct view_device *devices;
    size_t n_services, n_addresses, n_devices;
    uint64_t n[2][VIEW_N_KINDS];
};

/* One message: its RPMsg header, decoded, and what it is. */
struct view_message {
    enum view_kind kind;
    uint32_t src, dst;
    const uint8_t *payload;
    size_t len;
    const char *service;          /* it goes to, "" if nobody said; valid until the next message */
    struct ns_message ns;         /* of the kinds ns_... */
    struct router_message router; /* of the kinds router_... */
};

/* A control byte that `side` said (WIRE 4.3). */
void view_control(struct view *view, enum view_side side, uint8_t byte);

/* What `side` said, from the RPMsg header on; false: it is shorter than its header says. Changes
 * nothing: view_message_seen() does. */
bool view_message_read(const struct view *view, enum view_side side, const uint8_t *bytes, size_t n,
                       struct view_message *message);
void view_message_seen(struct view *view, enum view_side side, const struct view_message *message);

bool view_is_bound(const struct view *view, const struct view_service *service);
struct view_service *view_find(const struct view *view, const char *name);
struct view_device *view_device(const struct view *view, const char *cpu);

void view_free(struct view *view);

#endif
