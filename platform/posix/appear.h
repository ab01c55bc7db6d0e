/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tells within milliseconds when a file appears at a path: watches its directory, or the deepest
 * part of the path that exists. Where that cannot be watched it stays silent: callers also look
 * from time to time.
 */
#ifndef POSIX_APPEAR_H
#define POSIX_APPEAR_H

#include <rpr/posix.h>

struct appear {
    struct rpr_loop *loop;
    struct rpr_watch watch; /* an inotify descriptor, or -1 */
    int wd;                 /* its one watch, or -1 */
    size_t length;          /* of the part of the path that is watched */
    char path[RPR_UNIX_PATH_MAX + 1];
    void (*seen)(struct appear *appear); /* look now; may stop it */
};

/* `path` has at most RPR_UNIX_PATH_MAX bytes. */
void appear_start(struct appear *appear, struct rpr_loop *loop, const char *path,
                  void (*seen)(struct appear *appear));
void appear_stop(struct appear *appear);

#endif
