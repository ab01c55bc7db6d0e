/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Link over a shared region in which a resource table says where the rings are, as NuttX, OpenAMP
 * and RPMsg-Lite have it between two cores (WIRE 3): rptun over ivshmem, rpmsg_virtio ("lite") over
 * ivshmem, and rptun of the NuttX simulator. Nobody rings: each side counts a word up, and the other
 * looks at it by a timer. The platform finds and maps the region, and the link does the rest.
 */
#ifndef RPR_IVSHMEM_H
#define RPR_IVSHMEM_H

#include <rpr/vring.h>

#ifdef __cplusplus
extern "C" {
#endif

enum rpr_ivshmem_layout { RPR_IVSHMEM_RPTUN, RPR_IVSHMEM_LITE, RPR_IVSHMEM_SIM };

/* The master is the driver: it owns all buffers. */
enum rpr_ivshmem_role { RPR_IVSHMEM_MASTER, RPR_IVSHMEM_SLAVE };

struct rpr_ivshmem_memory {
    void *base;     /* 8-byte aligned */
    uint64_t bytes; /* at most 1 GiB are used */
    void *handle;   /* the platform's own */
};

/* The platform's side of the link. Owner, all of it; no upcalls from inside. */
struct rpr_ivshmem_port {
    /* Where the region is, of at least `bytes`; called again and again while it says why not. The
     * mapping is this session's own. `make`: there may be none yet, and it is this side that makes
     * it. NULL, or one line that is shown as the reason. */
    const char *(*map)(void *ctx, bool make, uint32_t bytes, struct rpr_ivshmem_memory *memory);

    /* Looked at now and then: NULL, or why this mapping is not to be used any more. `in_use`: a
     * session goes on in it, which does not end because there is more memory now. */
    const char *(*lost)(void *ctx, const struct rpr_ivshmem_memory *memory, bool in_use);

    /* The session is over, but buffers of it are in use: what is written to them from now on must
     * not reach the peer. False: this cannot be had, and the next session waits. Or NULL. */
    bool (*part)(void *ctx, const struct rpr_ivshmem_memory *memory);

    void (*unmap)(void *ctx, const struct rpr_ivshmem_memory *memory);
    void (*destroy)(void *ctx); /* the link is gone for good */
    void *ctx;
};

#define RPR_IVSHMEM_BUFFERS     8u    /* what NuttX has */
#define RPR_IVSHMEM_PAYLOAD     1520u /* rptun, sim: 0x600 with the header */
#define RPR_IVSHMEM_PAYLOAD_BIG 2032u /* lite: 2048 with the header */

struct rpr_ivshmem_config {
    const char *remote; /* the peer's CPU name */
    enum rpr_ivshmem_layout layout;
    enum rpr_ivshmem_role role;
    uint32_t num;     /* buffers each way: a power of two from 2 to 1024; 0 = 8 */
    uint32_t payload; /* bytes of each, 64 to 65519; 0: what NuttX has */
    bool locked;      /* other threads will send */
    struct rpr_ivshmem_port port;
};

/* Which side makes the table is the layout's: it decides over `num` and `payload`, which the other
 * takes from there. True: this side. */
bool rpr_ivshmem_makes_table(enum rpr_ivshmem_layout layout, enum rpr_ivshmem_role role);

/* How many bytes of the region that side would use; 0: not so many, or not of that size. */
uint32_t rpr_ivshmem_bytes(const struct rpr_ivshmem_config *config);

/* Makes the link and its device in the node, and opens it. -RPR_EINVAL: num or payload; errors of
 * rpr_vring_open(). Unless it succeeds, `destroy` is not called. */
int rpr_ivshmem_open(struct rpr_node *node, const struct rpr_ivshmem_config *config,
                     struct rpr_link **link);

#ifdef __cplusplus
}
#endif
#endif
