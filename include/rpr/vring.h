/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Link over shared memory: virtio split rings (WIRE 2), driver or device side. The platform finds
 * and maps the memory, agrees with the peer where the rings are, and attaches a session; the link
 * does the rest and trusts nothing in that memory.
 */
#ifndef RPR_VRING_H
#define RPR_VRING_H

#include <rpr/link.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The driver owns all buffers, and sends through ring 1; the device sends through ring 0. */
enum rpr_vring_role { RPR_VRING_DRIVER, RPR_VRING_DEVICE };

/* Where everything is; offsets in bytes from the start of the shared region. */
struct rpr_vring_ring {
    uint32_t num;         /* descriptors: a power of two, 2 to 32768 */
    uint32_t desc;        /* 16 * num bytes */
    uint32_t avail;       /* 6 + 2 * num bytes */
    uint32_t used;        /* 6 + 8 * num bytes */
    uint32_t buffers;     /* driver only: first buffer */
    uint32_t stride;      /* driver only: from one buffer to the next; 0: the other side knows */
    uint32_t size;        /* bytes of a buffer, RPMsg header included */
    uint32_t driver_flag; /* u16, bit 0: "do not ring the driver for this ring"; normally = avail */
    uint32_t device_flag; /* u16, bit 0: "do not ring the device for this ring"; normally = used */
};

struct rpr_vring_layout {
    struct rpr_vring_ring ring[2];
    uint32_t bytes; /* of the whole region */
    uint32_t driver_power,
        device_power; /* local layout: u32, 0 = running, 1 = suspended; 0 = none */
    uint32_t driver_cpu,
        device_cpu; /* local layout: u32, CPU its owner runs on + 1, 0 = asleep; 0 = none */
};

/* Our own layout for two processes of one machine: `num` buffers each way of `payload` bytes; all
 * written lines apart from each other (SPEC, "local layout"). Returns 0 or -RPR_EINVAL: num no
 * power of two or out of 2..32768, payload out of 1..65519, or region over 4 GiB. */
int rpr_vring_layout_local(struct rpr_vring_layout *layout, uint32_t num, uint32_t payload);

/* Do all parts lie within `bytes`, aligned (desc and buffers 4, avail 2, used 4) and apart? 0 or
 * -RPR_EINVAL. For layouts that come from somewhere else. */
int rpr_vring_layout_check(const struct rpr_vring_layout *layout, uint64_t bytes);

struct rpr_vring_session {
    enum rpr_vring_role role; /* a driver initialises the rings; a device goes on from the used
                               * indices it finds (WIRE 2.2) */
    void *base;               /* the region, mapped here, 4-byte aligned; lives until `detached` */
    uint64_t base_da;         /* what a descriptor's address says for offset 0 */
    struct rpr_vring_layout layout;
    bool always_ring; /* the peer's suppression flags mean nothing (H-28) */
    enum rpr_dialect dialect;
    bool credit;
    bool may_ack; /* struct rpr_session */
    void (*ring)(void *ctx,
                 bool to_tx_ring); /* the doorbell. Any thread that sends. Must not wait */
    void (*detached)(void *ctx);   /* owner: nothing of the region is used any more */
    void *ctx;
};

/* The platform's side of the link. */
struct rpr_vring_port {
    void (*open)(void *ctx);    /* start connecting; rpr_vring_attach() when there is a peer */
    void (*close)(void *ctx);   /* stop; the session's region stays mapped until `detached` */
    void (*destroy)(void *ctx); /* the link is gone for good */
    void *ctx;
    bool (*ended)(void *ctx); /* or NULL. Owner, in a poll: what is found in the rings is wrong. Has
                                 the peer begun anew? True: the port ends the session itself, soon */
};

struct rpr_vring_config {
    const char *remote; /* the peer's CPU name */
    const char *kind;   /* shown as transport: "shm", "ivshmem" */
    bool locked;        /* other threads will send */
    struct rpr_vring_port port;
};

/* Makes the link and its device in the node, and opens it. Errors of rpr_link_register(). */
int rpr_vring_open(struct rpr_node *node, const struct rpr_vring_config *config,
                   struct rpr_link **link); /* *link is set before port.open() is called */

/* There is a peer. 0: the link is up (or was broken by what was found: it says so by `close`).
 * -RPR_EINVAL: the layout is not usable, -RPR_ENOMEM, -RPR_EBUSY: attached already; then nothing
 * is kept and `detached` is not called. */
int rpr_vring_attach(struct rpr_link *link, const struct rpr_vring_session *session);

/* The peer is gone. Messages that it had published are delivered first if `drain`. */
void rpr_vring_detach(struct rpr_link *link, const char *reason, bool drain);

/* The words in which the owners of both sides say on which CPU they run: CPU + 1, or 0 for asleep or
 * unknown; 4 bytes, little-endian. NULL where the layout has none. */
struct rpr_vring_cpus {
    uint8_t *own;
    const uint8_t *peer;
};

/* Those of the session that is attached; in its region. */
struct rpr_vring_cpus rpr_vring_cpus(const struct rpr_link *link);

#ifdef __cplusplus
}
#endif
#endif
