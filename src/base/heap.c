/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A node's children form a list through `sibling`; `prev` is the elder sibling, or the parent for
 * the first child. The root's `prev` and `sibling` are NULL.
 */
#include "base/heap.h"

static struct rpr_timer *meld(struct rpr_timer *a, struct rpr_timer *b)
{
    if (!a)
        return b;
    if (!b)
        return a;
    if (b->at_ns < a->at_ns) {
        struct rpr_timer *t = a;

        a = b;
        b = t;
    }
    b->prev = a;
    b->sibling = a->child;
    if (a->child)
        a->child->prev = b;
    a->child = b;
    a->sibling = NULL;
    a->prev = NULL;
    return a;
}

/* Two passes: pairs from the left, then all into one from the right. */
static struct rpr_timer *meld_children(struct rpr_timer *first)
{
    struct rpr_timer *pairs = NULL;
    struct rpr_timer *root = NULL;

    while (first) {
        struct rpr_timer *a = first;
        struct rpr_timer *b = a->sibling;

        first = b ? b->sibling : NULL;
        a->sibling = a->prev = NULL;
        if (b)
            b->sibling = b->prev = NULL;
        a = meld(a, b);
        a->sibling = pairs;
        pairs = a;
    }
    while (pairs) {
        struct rpr_timer *next = pairs->sibling;

        pairs->sibling = NULL;
        root = meld(root, pairs);
        pairs = next;
    }
    return root;
}

void heap_insert(struct rpr_timer **root, struct rpr_timer *timer)
{
    timer->child = timer->sibling = timer->prev = NULL;
    *root = meld(*root, timer);
}

void heap_remove(struct rpr_timer **root, struct rpr_timer *timer)
{
    struct rpr_timer *below = meld_children(timer->child);

    if (timer == *root) {
        *root = below;
        return;
    }
    if (timer->prev->child == timer)
        timer->prev->child = timer->sibling;
    else
        timer->prev->sibling = timer->sibling;
    if (timer->sibling)
        timer->sibling->prev = timer->prev;
    *root = meld(*root, below);
}
