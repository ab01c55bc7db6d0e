/* SPDX-License-Identifier: Apache-2.0 */
/* Under which name a benchmark over pseudo terminals prints what it measured. */
#ifndef BENCH_PTY_NAME_H
#define BENCH_PTY_NAME_H

#include <string.h>

#include "common.h"

/*
 * A pseudo terminal hands its bytes to a worker of the kernel, which runs on any CPU: an idle one has
 * to be woken for it. Where the workers are kept on the first CPU too, all of it is on one core: that
 * is the caller's doing (run.py), who says so by `--gathered`.
 */
static inline const char *pty_name(int argc, char **argv, const char *gathered,
                                   const char *anywhere)
{
    return argc == 2 && strcmp(argv[1], "--gathered") == 0 ? gathered : anywhere;
}

#endif
