/* SPDX-License-Identifier: Apache-2.0 */
#include "posix/region.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <rpr/error.h>

#include "base/mutant.h"
#include "posix/guard.h"

/* A shrunk file would be SIGBUS for who has it mapped. */
#define SEALS (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL)

static int map(int fd, size_t bytes, void **base)
{
    *base = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    return *base == MAP_FAILED ? -RPR_ENOMEM : 0;
}

int region_make(size_t bytes, void **base)
{
    int fd = memfd_create("rpmsg", MFD_CLOEXEC | MFD_ALLOW_SEALING);

    if (fd < 0)
        return -RPR_ENOMEM;
    if (ftruncate(fd, (off_t)bytes) != 0 || fcntl(fd, F_ADD_SEALS, SEALS) != 0 ||
        map(fd, bytes, base) != 0) {
        close(fd);
        return -RPR_ENOMEM;
    }
    return fd;
}

const char *region_take(int fd, size_t bytes, void **base)
{
    struct stat file;
    int seals = fcntl(fd, F_GET_SEALS);

    if (seals < 0)
        return "the memory it passed is no memfd";
    if ((seals & SEALS) != SEALS && !MUTANT(memory_may_shrink))
        return "the memory it passed is not sealed";
    if (fstat(fd, &file) != 0 || !S_ISREG(file.st_mode) ||
        ((uint64_t)file.st_size != bytes && !MUTANT(size_of_memory_is_believed)))
        return "the memory it passed has another size than it says";
    return map(fd, bytes, base) ? "the memory it passed cannot be mapped" : NULL;
}

void region_unmap(void *base, size_t bytes)
{
    munmap(base, bytes);
}

/* ---- a file ------------------------------------------------------------------------------------------ */

static const char *explain(int code)
{
    return code == ENOENT ? "does not exist yet" : strerror(code);
}

/* NULL: `*bytes` is what it has now. */
static const char *see_size(int fd, size_t least, size_t make, size_t *bytes,
                            char text[REGION_TEXT])
{
    struct stat file;

    if (fstat(fd, &file) != 0)
        return strerror(errno);
    if (!S_ISREG(file.st_mode))
        return "is no file";
    if (file.st_size == 0 && make) {
        if (ftruncate(fd, (off_t)make) != 0)
            return strerror(errno);
        file.st_size = (off_t)make;
    }
    *bytes = (size_t)file.st_size;
    if (*bytes >= least)
        return NULL;
    snprintf(text, REGION_TEXT, "has %zu bytes, %zu are needed", *bytes, least);
    return text;
}

static const char *map_file(struct region_file *f)
{
    if (f->bytes > f->most)
        f->bytes = f->most;
    if (map(f->fd, f->bytes, &f->base))
        return "cannot be mapped";
    f->guard = guard_start(f->base, f->bytes);
    if (f->guard)
        return NULL;
    region_unmap(f->base, f->bytes);
    return "out of memory";
}

const char *region_file_map(struct region_file *f, const char *path, size_t least, size_t make,
                            size_t most, char text[REGION_TEXT])
{
    char why[REGION_TEXT];
    const char *wrong;

    f->most = most;
    f->fd = open(path, O_RDWR | O_CLOEXEC | O_NONBLOCK | O_NOCTTY | (make ? O_CREAT : 0), 0660);
    wrong = f->fd < 0 ? explain(errno) : see_size(f->fd, least, make, &f->bytes, why);
    if (!wrong)
        wrong = map_file(f);
    if (!wrong)
        return NULL;
    if (f->fd >= 0)
        close(f->fd);
    snprintf(text, REGION_TEXT, "%.*s: %.50s", 100, path, wrong);
    return text;
}

void region_file_unmap(struct region_file *f)
{
    guard_stop(f->guard);
    region_unmap(f->base, f->bytes);
    close(f->fd);
}

const char *region_file_lost(const struct region_file *f, const char *path, bool in_use)
{
    struct stat now, then;

    if (guard_hit(f->guard))
        return "the file became shorter";
    if (stat(path, &now) != 0)
        return "the file was removed";
    if (fstat(f->fd, &then) != 0 || now.st_dev != then.st_dev || now.st_ino != then.st_ino)
        return "the file was replaced";
    if ((uint64_t)now.st_size < f->bytes)
        return "the file became shorter";
    if ((uint64_t)now.st_size > f->bytes && f->bytes < f->most && !in_use)
        return "the file became longer";
    return NULL;
}

bool region_file_part(const struct region_file *f)
{
    return mmap(f->base, f->bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_FIXED, f->fd, 0) !=
           MAP_FAILED;
}
