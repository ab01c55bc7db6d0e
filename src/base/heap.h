/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Timers as an intrusive pairing heap: start O(1), stop and next O(log n) amortised, no memory of
 * its own. Owner only.
 */
#ifndef BASE_HEAP_H
#define BASE_HEAP_H

#include <rpr/rpr.h>

void heap_insert(struct rpr_timer **root, struct rpr_timer *timer);
void heap_remove(struct rpr_timer **root, struct rpr_timer *timer);

#endif
