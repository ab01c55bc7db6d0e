/* SPDX-License-Identifier: Apache-2.0 */
#include "posix/ivshmem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "posix/loop.h"
#include "posix/region.h"

/* Of a file that is made here: what the usual QEMU set-up has, which takes no smaller one. Memory is
 * used as it is touched. The simulator gives the file the size of what is in it. */
#define MADE_BYTES ((size_t)4 << 20)
#define MOST_BYTES ((size_t)1 << 30)

struct file_link {
    enum rpr_ivshmem_layout layout;
    char path[RPR_UNIX_PATH_MAX + 1];
    char text[REGION_TEXT];
};

/* One mapping of it; the handle. */
struct file_map {
    struct region_file file;
};

static struct file_map *map_of(const struct rpr_ivshmem_memory *memory)
{
    return memory->handle;
}

static const char *map(void *ctx, bool make, uint32_t bytes, struct rpr_ivshmem_memory *memory)
{
    struct file_link *f = ctx;
    struct file_map *m = calloc(1, sizeof(*m));
    size_t made = bytes;
    const char *wrong;

    if (!m)
        return "out of memory";
    if (f->layout != RPR_IVSHMEM_SIM && made < MADE_BYTES)
        made = MADE_BYTES;
    wrong = region_file_map(&m->file, f->path, bytes, make ? made : 0, MOST_BYTES, f->text);
    if (wrong) {
        free(m);
        return wrong;
    }
    *memory =
        (struct rpr_ivshmem_memory){.base = m->file.base, .bytes = m->file.bytes, .handle = m};
    return NULL;
}

static const char *lost(void *ctx, const struct rpr_ivshmem_memory *memory, bool in_use)
{
    const struct file_link *f = ctx;

    return region_file_lost(&map_of(memory)->file, f->path, in_use);
}

static bool part(void *ctx, const struct rpr_ivshmem_memory *memory)
{
    (void)ctx;
    return region_file_part(&map_of(memory)->file);
}

static void unmap(void *ctx, const struct rpr_ivshmem_memory *memory)
{
    (void)ctx;
    region_file_unmap(&map_of(memory)->file);
    free(map_of(memory));
}

int ivshmem_open(struct rpr_loop *loop, const char *remote, const char *path,
                 const struct rpr_ivshmem_config *wanted, struct rpr_link **link,
                 char error[RPR_ERROR_TEXT])
{
    struct rpr_ivshmem_config config = *wanted;
    struct file_link *f = calloc(1, sizeof(*f));
    int code = -RPR_ENOMEM;

    if (f) {
        snprintf(f->path, sizeof(f->path), "%s", path);
        f->layout = config.layout;
        config.remote = remote;
        config.locked = loop_locked(loop);
        config.port = (struct rpr_ivshmem_port){map, lost, part, unmap, free, f};
        code = rpr_ivshmem_open(rpr_loop_node(loop), &config, link);
    }
    if (!code)
        return 0;
    free(f);
    if (code == -RPR_EEXIST)
        snprintf(error, RPR_ERROR_TEXT, "%s: there is a link of that name", remote);
    else
        snprintf(error, RPR_ERROR_TEXT, "%s: %s", remote, rpr_strerror(code));
    return code;
}
