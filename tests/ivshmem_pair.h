/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory with a resource table, for tests of the link over it: the test plays the platform, and
 * perhaps the peer. The memory has exactly its size, so that a sanitizer sees any step past its end.
 */
#ifndef IVSHMEM_PAIR_H
#define IVSHMEM_PAIR_H

#include "core_fixture.h"

#include <rpr/ivshmem.h>

#define BOARD_BYTES 197072u
#define BOARD_ALIGN 4096u

/* The memory. Mappings of it are all at one address; those that are parted get a copy. */
struct board {
    uint8_t *memory;
    uint32_t bytes;
    bool there;
    bool cannot_part;
    const char *lost; /* what the platform says of it */
    unsigned n_mapped, n_parted, n_destroyed;
};

static inline const char *board_map(void *ctx, bool make, uint32_t bytes,
                                    struct rpr_ivshmem_memory *memory)
{
    struct board *b = ctx;

    if (b->lost)
        return b->lost;
    if (!b->there && !make)
        return "does not exist yet";
    if (bytes > b->bytes)
        return "is too small";
    b->there = true;
    b->n_mapped++;
    *memory = (struct rpr_ivshmem_memory){.base = b->memory, .bytes = b->bytes};
    return NULL;
}

static inline const char *board_lost(void *ctx, const struct rpr_ivshmem_memory *memory,
                                     bool in_use)
{
    (void)memory;
    (void)in_use;
    return ((struct board *)ctx)->lost;
}

static inline bool board_part(void *ctx, const struct rpr_ivshmem_memory *memory)
{
    struct board *b = ctx;

    (void)memory;
    b->n_parted++;
    return !b->cannot_part;
}

static inline void board_unmap(void *ctx, const struct rpr_ivshmem_memory *memory)
{
    struct board *b = ctx;

    assert_ptr_equal(memory->base, b->memory);
    b->n_mapped--;
}

static inline void board_destroy(void *ctx)
{
    ((struct board *)ctx)->n_destroyed++;
}

static inline void board_init(struct board *b, uint32_t bytes)
{
    memset(b, 0, sizeof *b);
    b->bytes = bytes;
    if (posix_memalign((void **)&b->memory, BOARD_ALIGN, bytes) != 0)
        abort();
    memset(b->memory, 0, bytes);
}

static inline void board_fini(struct board *b)
{
    assert_int_equal(b->n_mapped, 0);
    free(b->memory);
}

static inline struct rpr_ivshmem_port board_port(struct board *b)
{
    return (struct rpr_ivshmem_port){board_map,   board_lost,    board_part,
                                     board_unmap, board_destroy, b};
}

static inline uint32_t board_get(const struct board *b, uint32_t at)
{
    return get_le32(b->memory + at);
}

static inline void board_put(struct board *b, uint32_t at, uint32_t value)
{
    put_le32(b->memory + at, value);
}

/* ---- a side ----------------------------------------------------------------------------------- */

/* A node with one link over the memory. */
struct side {
    struct world world;
    struct rpr_node *node;
    struct rpr_link *link;
    struct ept x;
    struct rpr_ivshmem_config config;
};

static inline struct rpr_device *side_device(const struct side *s)
{
    return rpr_device_find(s->node, s->config.remote);
}

static inline struct rpr_device_info side_info(const struct side *s)
{
    struct rpr_device_info info;

    rpr_device_info(side_device(s), &info);
    return info;
}

static inline bool side_up(const struct side *s)
{
    return rpr_device_state(side_device(s)) == RPR_DEVICE_UP;
}

/* `name` and `remote` are of the CPUs. */
static inline void side_start(struct side *s, struct board *b, const char *name,
                              const struct rpr_ivshmem_config *config, uint64_t now)
{
    world_init(&s->world);
    s->world.now = now;
    s->world.random = (uint32_t)(now / 1000); /* another one in each life */
    s->config = *config;
    s->config.port = board_port(b);
    s->node = world_node(&s->world, name);
    assert_int_equal(rpr_ivshmem_open(s->node, &s->config, &s->link), 0);
    s->x = (struct ept)EPT(&s->world, "x");
}

static inline void side_stop(struct side *s)
{
    rpr_node_close(s->node);
    s->node = NULL;
    assert_int_equal(s->world.n_live, 0);
}

/* As kill -9: nothing that it says at its end is in the memory. */
static inline void side_kill(struct side *s, struct board *b)
{
    uint8_t *then = malloc(b->bytes);

    memcpy(then, b->memory, b->bytes);
    side_stop(s);
    memcpy(b->memory, then, b->bytes);
    free(then);
}

/* ---- time ------------------------------------------------------------------------------------- */

static inline uint64_t side_turn(struct side *s, uint64_t now)
{
    uint64_t next;

    if (!s || !s->node)
        return RPR_POLL_IDLE;
    s->world.now = now;
    next = rpr_node_poll(s->node, now, 0);
    return next == RPR_POLL_MORE || !rpr_node_arm(s->node) ? now : next;
}

/* Both sides (NULL: none) live through that time, each by its own timers. Returns the new time. */
static inline uint64_t sides_pass(struct side *a, struct side *b, uint64_t now, uint64_t ns)
{
    uint64_t end = now + ns;

    for (unsigned i = 0; i < 1000000; i++) {
        uint64_t next_a = side_turn(a, now);
        uint64_t next_b = side_turn(b, now);
        uint64_t next = next_a < next_b ? next_a : next_b;

        if (next > end)
            return end;
        if (next > now)
            now = next;
    }
    fail_msg("time does not pass");
    return now;
}

#endif
