/* SPDX-License-Identifier: Apache-2.0 */
/* A link over a file that both sides map: rpr/ivshmem.h on Linux. */
#ifndef POSIX_IVSHMEM_H
#define POSIX_IVSHMEM_H

#include <rpr/ivshmem.h>
#include <rpr/posix.h>

/* `config` has all but `remote`, `locked` and `port`. */
int ivshmem_open(struct rpr_loop *loop, const char *remote, const char *path,
                 const struct rpr_ivshmem_config *config, struct rpr_link **link,
                 char error[RPR_ERROR_TEXT]);

#endif
