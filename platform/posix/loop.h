/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The loop as the files of this folder see it. Owner only, all of it.
 */
#ifndef POSIX_LOOP_H
#define POSIX_LOOP_H

#include <rpr/posix.h>
#include <rpr/vring.h>

/* The other end of one session over shared memory, as far as spinning goes. Zeroed before use. */
struct loop_peer {
    struct rpr_link *link;
    struct rpr_vring_cpus cpus;
    int cpu;           /* where it ran when it was heard of last, + 1; 0: not known */
    _Atomic bool rung; /* since it was heard of last: it will run soon. Any thread */
    bool hot;          /* among those the loop watches before it sleeps */

    void (*ring)(int fd); /* of bell.h */
    int bell;             /* its descriptor; the session's */
    bool due;             /* rung at the end of the turn */
    struct loop_peer *next_due;
};

/* The peer is there: it came up, or rang. The last few of them are told on which CPU this loop
 * runs, and are looked at before it sleeps; there are few, so that nothing grows with the number of
 * links. */
void loop_peer_heard(struct rpr_loop *loop, struct loop_peer *peer);

/* Rings its doorbell: at the end of the turn if it is in one, else now. Any thread if the loop is
 * locked. */
void loop_peer_ring(struct rpr_loop *loop, struct loop_peer *peer);

/* Before the session ends; rings what is due. */
void loop_peer_forget(struct rpr_loop *loop, struct loop_peer *peer);

/* Does what there is to do, asks for doorbells and sets the alarm, so that the loop's descriptor
 * becomes readable when there is more. False: there was too much to do. */
bool loop_settle(struct rpr_loop *loop);

/* Readable when a descriptor of the loop is. The loop's. */
int loop_fd(const struct rpr_loop *loop);

/* Makes loop_fd() readable until the next turn. Any thread. */
void loop_wake(struct rpr_loop *loop);

/* Do other threads send on its links? */
bool loop_locked(const struct rpr_loop *loop);

/* CLOCK_MONOTONIC. Any thread. */
uint64_t loop_clock_ns(void);

#endif
