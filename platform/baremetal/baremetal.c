/* SPDX-License-Identifier: Apache-2.0 */
#include "baremetal/baremetal.h"

static void *take_memory(void *ctx, size_t bytes)
{
    return baremetal_pools_take(((struct baremetal *)ctx)->pools, bytes);
}

static void give_memory(void *ctx, void *memory, size_t bytes)
{
    (void)bytes;
    baremetal_pools_give(((struct baremetal *)ctx)->pools, memory);
}

static uint32_t random_bits(void *ctx)
{
    return ((struct baremetal *)ctx)->board->random();
}

static void log_line(void *ctx, enum rpr_log_level level, const char *text)
{
    ((struct baremetal *)ctx)->board->log(level, text);
}

static void wake(void *ctx)
{
    baremetal_wake(ctx);
}

void baremetal_init(struct baremetal *bm, const struct baremetal_board *board,
                    struct baremetal_pools *pools)
{
    baremetal_pools_init(pools);
    *bm = (struct baremetal){.board = board, .pools = pools};
    bm->platform = (struct rpr_platform){.ctx = bm,
                                         .alloc = take_memory,
                                         .free = give_memory,
                                         .random = board->random ? random_bits : NULL,
                                         .log = board->log ? log_line : NULL,
                                         .wake = wake};
}

void baremetal_add(struct baremetal *bm, struct baremetal_task *task)
{
    struct baremetal_task **end = &bm->tasks;

    while (*end)
        end = &(*end)->next;
    task->next = NULL;
    *end = task;
}

void baremetal_wake(struct baremetal *bm)
{
    atomic_store_explicit(&bm->woken, true, memory_order_release);
}

/* An interrupt before `mask` has set the flag, and one after it is pending, which ends the sleep at
 * once: none is slept through. */
static void sleep_until(struct baremetal *bm, uint64_t until_ns)
{
    uint64_t from = bm->board->now_ns();

    bm->board->mask();
    if (!atomic_load_explicit(&bm->woken, memory_order_acquire)) {
        bm->board->sleep(until_ns);
        bm->n_sleeps++;
    }
    bm->board->unmask();
    bm->idle_ns += bm->board->now_ns() - from;
}

void baremetal_turn(struct baremetal *bm, struct rpr_node *node)
{
    struct baremetal_task *task;
    uint64_t from = bm->board->now_ns(), to, next;

    /* Whoever sets it from here on has its work seen in the next turn, if not in this one. */
    atomic_store_explicit(&bm->woken, false, memory_order_relaxed);
    atomic_thread_fence(memory_order_seq_cst);
    for (task = bm->tasks; task; task = task->next) {
        bm->running = task;
        task->run(task);
        to = bm->board->now_ns();
        task->busy_ns += to - from;
        from = to;
    }
    bm->running = NULL;
    next = rpr_node_poll(node, from, 0);
    to = bm->board->now_ns();
    bm->node_ns += to - from;
    if (next > to && rpr_node_arm(node))
        sleep_until(bm, next);
}
