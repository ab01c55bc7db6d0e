/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Addresses with generations (ARCHITECTURE 7): an address of a former endpoint, or of this one's
 * former incarnation, is never found again until its slot has been given out 16383 times.
 */
#include "core/core.h"

#define GENERATIONS 16383u /* 14 bits, never all ones */

static struct rpr_endpoint **predefined_at(const struct address_table *table, uint32_t addr)
{
    return table->predefined && addr < RPMSG_ADDR_DYNAMIC ? &table->predefined[addr] : NULL;
}

struct rpr_endpoint *address_find_special(const struct address_table *table, uint32_t addr)
{
    struct rpr_endpoint **at = predefined_at(table, addr);

    return at ? *at : NULL;
}

static int grow(struct rpr_node *node, struct address_table *table)
{
    uint32_t n = table->n_slots ? table->n_slots * 2 : 16;
    struct address_slot *slots;

    if (n > ADDRESS_MAX_SLOTS)
        n = ADDRESS_MAX_SLOTS;
    if (n == table->n_slots)
        return -RPR_ENOSPC;
    slots = node_alloc(node, n * sizeof *slots);
    if (!slots)
        return -RPR_ENOMEM;
    if (table->n_slots) {
        memcpy(slots, table->slots, table->n_slots * sizeof *slots);
        node_free(node, table->slots, table->n_slots * sizeof *slots);
    } else {
        table->seed = node->platform->random ? node->platform->random(node->platform->ctx) : 0;
    }
    for (uint32_t i = table->n_slots; i < n; i++) {
        slots[i].addr = (table->seed + i) % GENERATIONS << ADDRESS_SLOT_BITS;
        slots[i].next_free = i + 1;
    }
    table->first_free = table->n_slots;
    table->slots = slots;
    table->n_slots = n;
    return 0;
}

static int assign_predefined(struct rpr_node *node, struct address_table *table,
                             struct rpr_endpoint *e, uint32_t addr)
{
    if (!table->predefined) {
        table->predefined = node_alloc(node, RPMSG_ADDR_DYNAMIC * sizeof *table->predefined);
        if (!table->predefined)
            return -RPR_ENOMEM;
    }
    if (table->predefined[addr])
        return -RPR_EEXIST;
    table->predefined[addr] = e;
    return 0;
}

/* Gives `e` the wanted address (below 1024) or, for ANY, a dynamic one. */
int address_assign(struct rpr_node *node, struct address_table *table, struct rpr_endpoint *e,
                   uint32_t wanted, uint32_t *addr)
{
    struct address_slot *slot;
    uint32_t index, generation;
    int error;

    if (wanted != RPMSG_ADDR_ANY) {
        *addr = wanted;
        return assign_predefined(node, table, e, wanted);
    }
    if (table->first_free == table->n_slots) {
        error = grow(node, table);
        if (error)
            return error;
    }
    index = table->first_free;
    slot = &table->slots[index];
    table->first_free = slot->next_free;
    generation = ((slot->addr >> ADDRESS_SLOT_BITS) + !MUTANT(address_is_used_again)) % GENERATIONS;
    slot->addr = (generation << ADDRESS_SLOT_BITS) | (index + RPMSG_ADDR_DYNAMIC);
    slot->endpoint = e;
    *addr = slot->addr;
    return 0;
}

void address_free(struct address_table *table, uint32_t addr)
{
    struct rpr_endpoint **at = predefined_at(table, addr);
    uint32_t index = (addr & ADDRESS_SLOT_MASK) - RPMSG_ADDR_DYNAMIC;

    if (at) {
        *at = NULL;
        return;
    }
    RPR_ASSERT(index < table->n_slots && table->slots[index].endpoint);
    table->slots[index].endpoint = NULL;
    table->slots[index].addr &= ~ADDRESS_SLOT_MASK;
    table->slots[index].next_free = table->first_free;
    table->first_free = index;
}

void address_fini(struct rpr_node *node, struct address_table *table)
{
    node_free(node, table->slots, table->n_slots * sizeof *table->slots);
    node_free(node, table->predefined, RPMSG_ADDR_DYNAMIC * sizeof *table->predefined);
    memset(table, 0, sizeof *table);
}
