/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How long this thread wants the CPU at a time.
 *
 * An owner with one peer and little to do at a time asks the kernel for brief slices (from 6.12 on;
 * older ones ignore it): rung on the CPU of the one that rings, it runs at once, answers, and is asleep
 * again before the other has returned from ringing, who then finds the answer without having slept. An
 * owner that serves several keeps the usual slice: it is those that interrupt it.
 */
#ifndef POSIX_SLICE_H
#define POSIX_SLICE_H

#include <stdbool.h>
#include <stdint.h>

/* Zeroed before use. Of the thread that calls. */
struct slice {
    bool brief;
    uint64_t old_ns; /* 0: it was not changed */
};

/* Brief ones from now on, or those from before. Nothing where the policy is not the usual one. */
void slice_be_brief(struct slice *slice, bool brief);

#endif
