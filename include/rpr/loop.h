/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The loop link: a cable between two nodes of one process and one thread, for tests and
 * simulation. It has what a real link has: bounded buffers in both directions, doorbells that are
 * asked for, messages in flight that are lost with the connection.
 */
#ifndef RPR_LOOP_H
#define RPR_LOOP_H

#include <rpr/link.h>

#ifdef __cplusplus
extern "C" {
#endif

struct rpr_cable;

enum rpr_cable_end { RPR_CABLE_A, RPR_CABLE_B };

struct rpr_cable_config {
    uint32_t buffers;            /* each way: a power of two, 2 to 32768; 0 = 16 */
    uint32_t payload;            /* longest message, 1 to 65519; 0 = 496 */
    enum rpr_dialect dialect[2]; /* what each end takes its peer for */
    bool credit;                 /* the ends have agreed on flow control */

    /* Memory of the cable and what is in flight; must outlive the cable. */
    const struct rpr_platform *platform;

    /* `end` has been rung: whoever runs its node calls rpr_cable_bell(), at once or later. NULL: it
     * happens at once, and the node is woken. */
    void (*ring)(void *ctx, enum rpr_cable_end end);
    void *ctx;
};

/* A cable with two free ends. -RPR_EINVAL: out of range; -RPR_ENOMEM. */
int rpr_cable_open(struct rpr_cable **cable, const struct rpr_cable_config *config);

/* Plugs an end into a node, as its link to `remote`. The link comes up in the first polls after
 * both ends are plugged in. It ends with the node, or by rpr_link_unregister(rpr_cable_link());
 * then the end is free again. -RPR_EBUSY: the end is not free; or errors of rpr_link_register(). */
int rpr_cable_join(struct rpr_cable *cable, enum rpr_cable_end end, struct rpr_node *node,
                   const char *remote);

struct rpr_link *rpr_cable_link(struct rpr_cable *cable, enum rpr_cable_end end); /* or NULL */

/* Link loss: what is in flight is lost, both ends hear of it when they are rung. */
void rpr_cable_cut(struct rpr_cable *cable);
void rpr_cable_mend(struct rpr_cable *cable);

/* The doorbell, in the context of the end's owner. */
void rpr_cable_bell(struct rpr_cable *cable, enum rpr_cable_end end);

/* Frees the cable, at once or when both ends are free. */
void rpr_cable_close(struct rpr_cable *cable);

#ifdef __cplusplus
}
#endif
#endif
