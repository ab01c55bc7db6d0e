/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One run: hosts that are joined somehow, hubs where links meet, and applications on them that do
 * anything the interface allows; and what has to hold all the time.
 */
#ifndef SCENE_H
#define SCENE_H

#include <rpr/router.h>

#include "sim/sim.h"

#define SCENE_EPTS     4096u /* opened in one run */
#define SCENE_BINDINGS 16384u
#define SCENE_NAMES    3u /* symmetric services */
#define SCENE_HELD     3u
#define NO_BINDING     UINT32_MAX
#define BLOCK_MS       20u /* at least, where a hub does */
#define NOBODY         SIM_HOSTS
#define SCENE_ACTIONS  4096u /* at most, in one run */

struct scene;

/* A kind of scene: `--scene NAME`. */
struct scene_kind {
    const char *name, *text;
    void (*build)(struct scene *scene);
    uint32_t n_actions;         /* of the wild phase */
    uint32_t no_memory_percent; /* allocations that fail meanwhile */
    bool nth;                   /* the same run for all seeds, but allocation number `seed` fails */
    uint32_t no_faults;         /* bits by enum sim_fault: these do not belong to it */
};

extern const struct scene_kind scene_kinds[]; /* ends with name NULL */

/* What is run, and what is left out of it: decisions about what stays are the same. */
struct scene_config {
    const struct scene_kind *kind;
    uint64_t seed;
    uint32_t without;       /* bits by enum sim_fault */
    uint32_t without_wires; /* bits by number of the wire */
    uint8_t skipped[SCENE_ACTIONS / 8];
    const char *leave_out; /* sim_cache_leave_out() */
    bool verbose;
};

/* One time that an endpoint was bound. */
struct binding {
    uint32_t ept;
    uint64_t since;      /* event number */
    uint32_t breaks;     /* app_breaks() at that time */
    uint32_t n_sent;     /* messages taken by rpr_send() */
    uint32_t next;       /* sequence number that is expected next */
    uint32_t n_received; /* differs from `next` by what is missing */
    uint32_t to, from;   /* the binding at the other end, as messages showed it */
    bool over;
};

/* An endpoint of an application; never used again after its end, so late callbacks are seen. */
struct app_ept {
    struct scene *scene;
    uint32_t id;
    struct sim_host *host;
    unsigned peer; /* host index */
    char name[8];
    rpr_ept_t handle;
    bool server;        /* opened by a service */
    bool open;          /* not closed by its application yet */
    bool closed;        /* `closed` was called */
    uint64_t opened_at; /* event number */
    uint32_t binding;   /* now, or NO_BINDING */
    bool waits;         /* -RPR_EAGAIN, and no `writable` yet */
    bool later;         /* it has answered RPR_LATER since it was resumed last */
    struct rpr_msg held[SCENE_HELD];
    unsigned n_held;
    struct rpr_buf buf; /* taken and not sent yet */
    bool reserved;
    bool down; /* its link was taken down, by a callback: nothing of that session comes any more */
};

/* What an application host offers: "cN", where N is the host. */
struct app_host {
    struct scene *scene;
    struct sim_host *host;
    struct rpr_edge *edge;
    struct rpr_hub *hub;
    struct rpr_service *service;
    bool is_hub;
    bool is_plain; /* its system has no router: neither hub nor edge */
    bool stopping; /* its hub is being stopped in order */
    char service_name[8];
};

struct scene {
    struct sim sim;
    const struct scene_config *config;
    uint32_t action;       /* that runs, or ran last */
    unsigned n_wires_seen; /* those that are left out, too */
    struct app_host host[SIM_HOSTS];
    bool lossless; /* credit everywhere: nothing may be missing */
    bool blocks;   /* a hub may stop a whole link for others' sake */
    unsigned mad;  /* a host that says anything, or NOBODY: its peers are promised nothing */
    /* The first has told the second so, on its device; in which session of that, plus 1. */
    uint32_t asleep[SIM_HOSTS][SIM_HOSTS];
    bool calm;       /* applications only take what comes */
    bool steady;     /* they send, but open and close nothing */
    bool incoherent; /* all shared memory is */
    bool clocks;     /* some link looks by a timer: there is always a next deadline */
    bool slow;       /* some wire takes its time */
    uint32_t n_epts, n_bindings;
    struct app_ept epts[SCENE_EPTS];
    struct binding bindings[SCENE_BINDINGS];
};

/* ---- applications (app.c) -------------------------------------------------------------------- */

bool app_reaches(const struct scene *scene, unsigned a, unsigned b);
const struct sim_wire *app_wire(const struct scene *scene, unsigned a, unsigned b); /* or NULL */
bool app_is_between(const struct scene *scene, unsigned a, unsigned hub, unsigned b);
bool app_joined(const struct scene *scene, unsigned a, unsigned b); /* if all were up */
uint32_t app_breaks(const struct scene *scene, unsigned a, unsigned b);
bool app_noisy(const struct scene *scene, unsigned a, unsigned b); /* some way between them is */
void app_host_start(struct app_host *host);
void app_host_stop(struct app_host *host);
void app_host_crash(struct app_host *host);
void app_open(struct app_host *host, unsigned peer, const char *name);
void app_close(struct app_ept *e);
void app_send(struct app_ept *e, unsigned n);
void app_break(struct scene *scene, unsigned a, unsigned b);
void app_reserve(struct app_ept *e);
void app_commit(struct app_ept *e);
void app_release(struct app_ept *e);
void app_rave(struct app_host *host);         /* sends nonsense */
void app_service_open(struct app_host *host); /* host->service stays NULL if it cannot be */
struct app_ept *app_find(struct scene *scene, unsigned host, unsigned peer, const char *name);

/* ---- what must hold (check.c) ------------------------------------------------------------------- */

void check_alive(struct app_ept *e, const char *what);
bool check_message(struct app_ept *e, const struct rpr_msg *msg);
void check_bound(struct app_ept *e);
void check_unbound(struct app_ept *e, enum rpr_unbound_reason reason);
void check_quiet(struct scene *scene);
void check_power(struct scene *scene);
void check_delivered(struct scene *scene);
void check_gone(struct scene *scene);

/* The message that the binding sends next; returns its length. */
uint32_t message_fill(uint8_t *to, uint32_t binding, uint32_t seq, uint32_t len);

/* ---- the stage (stage.c) ------------------------------------------------------------------------- */

void stage_tree(struct scene *scene);
void stage_network(struct scene *scene);
void stage_caches(struct scene *scene);

/* ---- the run (scene.c) --------------------------------------------------------------------------- */

#define MESSAGE_MIN 12u

/* True: nothing was violated. The scene tells what happened. */
bool scene_run(struct scene *scene, const struct scene_config *config);

static inline bool scene_skips(const struct scene_config *config, uint32_t action)
{
    return config->skipped[action / 8] >> action % 8 & 1;
}

#endif
