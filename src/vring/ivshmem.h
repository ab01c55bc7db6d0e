/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A link with a resource table, as its two files see it: ivshmem.c has its life, handshake.c what
 * the two sides say to each other before and after.
 */
#ifndef VRING_IVSHMEM_H
#define VRING_IVSHMEM_H

#include <rpr/ivshmem.h>

#include "vring/ring.h"
#include "wire/resource.h"

/* Words of the header; the table follows (WIRE 3.3). */
enum {
    WORD_BASE = 0, /* 64 bits: the master's address of the region; 0: not ready */
    WORD_SEQ_SLAVE = 8,
    WORD_SEQ_MASTER = 12,
    WORD_TABLE_BYTES = 20, /* rptun */
    WORD_BOOT_SLAVE = 16,  /* sim */
    WORD_BOOT_MASTER = 20,
    TABLE_LITE = 16,
    TABLE_RPTUN = 24
};

/* One mapping of the region, as long as anybody uses it. */
struct mapping {
    struct rpr_ivshmem_memory memory;
    struct ivshmem *owner;
    uint8_t *own_seq;
    unsigned n_users; /* the link while it is the present one, and the session */
    bool parted;
    struct mapping *next; /* former ones that are in use */
};

enum ivshmem_phase {
    IVSHMEM_CLOSED,
    IVSHMEM_UNMAPPED, /* there is no region, or the former one is in use */
    IVSHMEM_WARNED,   /* who may be at work in there has been told, and gets a moment to leave */
    IVSHMEM_WAITING,  /* the table is made, or awaited */
    IVSHMEM_UP
};

enum ivshmem_end { IVSHMEM_GOES_ON, IVSHMEM_LEFT, IVSHMEM_RESTARTED };

struct handshake {
    /* Takes back what a former life of this side said. True: the peer may be at work in there. */
    bool (*begin)(struct ivshmem *iv);

    /* This side's part before the peer's. NULL, or why it cannot be. */
    const char *(*build)(struct ivshmem *iv);

    /* NULL: there is a peer, `table` and `layout` say how, `dialect` who. Else what is awaited. */
    const char *(*wait)(struct ivshmem *iv);

    /* The rings are in order. */
    void (*go)(struct ivshmem *iv);

    /* While up: is the peer still the one it was? LEFT: what it had sent may be read. */
    enum ivshmem_end (*look)(struct ivshmem *iv, const char **reason);

    void (*leave)(struct ivshmem *iv);
    uint32_t table_at;
    bool master;
    bool makes_file, makes_table;
    uint64_t poll_ns; /* as often as a peer of this kind looks (WIRE 3.3) */
};

struct ivshmem {
    struct rpr_node *node;
    struct rpr_link *link;
    const struct rpr_platform *platform;
    const struct handshake *handshake;
    struct rpr_ivshmem_config config;
    struct rpr_timer timer;
    enum ivshmem_phase phase;
    uint64_t wait_ns;    /* until the next look */
    uint64_t fired_ns;   /* the last look */
    uint64_t active_ns;  /* something new was seen */
    uint64_t checked_ns; /* the region was asked for */

    struct mapping *now;    /* the present one, or NULL */
    struct mapping *former; /* those whose sessions still have buffers */
    uint8_t *base;
    uint64_t bytes;
    uint32_t fill; /* bytes that this side uses, where it makes the table */

    uint64_t master;   /* WORD_BASE as it was agreed */
    uint32_t seq;      /* the peer's, as it was seen last */
    uint16_t index[2]; /* of the rings, written by the peer, alike */
    bool taken;        /* slave: the master's word was seen */
    uint32_t n_read;   /* rptun's slave: looks since its table was read, and no base came */
    struct resource_table table;
    struct rpr_vring_layout layout;
    enum rpr_dialect dialect;
    bool may_ack; /* CREATE_ACK is agreed, but the peer may have agreed blindly */
    char said[RPR_REASON_MAX];
    char remote[RPR_NAME_MAX + 1];
};

/* handshake.c */
const struct handshake *handshake_of(enum rpr_ivshmem_layout layout, enum rpr_ivshmem_role role);

/* ivshmem.c */
void ivshmem_notify(struct ivshmem *iv);
void ivshmem_log(struct ivshmem *iv, const char *text);

static inline uint32_t ivshmem_get(const struct ivshmem *iv, uint32_t at)
{
    rpr_cache_invalidate(iv->base + at, 4);
    return ring_read32(iv->base + at);
}

/* After everything that was written before. */
static inline void ivshmem_put(struct ivshmem *iv, uint32_t at, uint32_t value)
{
    rpr_barrier_publish();
    ring_write32(iv->base + at, value);
    rpr_cache_clean(iv->base + at, 4);
}

#endif
