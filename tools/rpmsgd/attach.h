/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Local programs attached to the node: each has a private link, made from a socket pair of which it
 * holds the other end. A client route joins its endpoint to a device; or else it is one more peer of
 * a service of this node's own.
 */
#ifndef RPMSGD_ATTACH_H
#define RPMSGD_ATTACH_H

#include <stdbool.h>

struct daemon;
struct attachments;
struct rpr_device;
struct service_kind;

/* First byte of a private link's device name: no CPU can be called so. */
#define ATTACH_NAME_PREFIX '@'

struct attachments *attach_new(struct daemon *daemon);

/* False: what a program sent before it ended is still on its way. */
bool attach_settled(const struct attachments *attachments);

/* Ends all in order, as far as it goes now. True: none is left. Call again between two turns. */
bool attach_end(struct attachments *attachments);
void attach_close(struct attachments *attachments); /* ends the rest at once */
void attach_free(struct attachments *attachments);

/* Is that the private link of a program that is a peer of this service? */
bool attach_is_peer(const struct attachments *attachments, const struct rpr_device *device,
                    const struct service_kind *kind);

/* The remote CPU that this program named, or NULL. */
const struct rpr_device *attach_remote(const struct attachments *attachments,
                                       const struct rpr_device *program);

/* Ends what is to end; between two turns of the loop only. */
void attach_reap(struct attachments *attachments);

#endif
