/* SPDX-License-Identifier: Apache-2.0 */
#include "posix/region.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <rpr/error.h>

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
    if ((seals & SEALS) != SEALS)
        return "the memory it passed is not sealed";
    if (fstat(fd, &file) != 0 || !S_ISREG(file.st_mode) || (uint64_t)file.st_size != bytes)
        return "the memory it passed has another size than it says";
    return map(fd, bytes, base) ? "the memory it passed cannot be mapped" : NULL;
}

void region_unmap(void *base, size_t bytes)
{
    munmap(base, bytes);
}
