/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs a fuzzer without libFuzzer: every file of its corpus, then changed ones, always the same.
 *
 * usage: NAME CORPUS TIMES
 */
#include "fuzz.h"

#include <dirent.h>

#define MAX_FILES 256u
#define MAX_BYTES 4096u

struct file {
    size_t size;
    uint8_t data[MAX_BYTES];
};

static struct file files[MAX_FILES];
static unsigned n_files;
static uint64_t state = 88172645463325252u;

static uint32_t below(uint32_t n)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (uint32_t)(state >> 33) % n;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void load(const char *folder)
{
    char *names[MAX_FILES], path[4096];
    struct dirent *entry;
    unsigned n = 0;
    DIR *dir = opendir(folder);

    while (dir && (entry = readdir(dir)) && n < MAX_FILES)
        if (entry->d_name[0] != '.')
            names[n++] = strdup(entry->d_name);
    if (dir)
        closedir(dir);
    qsort(names, n, sizeof *names, by_name);
    for (unsigned i = 0; i < n; i++) {
        FILE *f;

        snprintf(path, sizeof path, "%s/%s", folder, names[i]);
        f = fopen(path, "rb");
        if (f) {
            files[n_files].size = fread(files[n_files].data, 1, MAX_BYTES, f);
            n_files++;
            fclose(f);
        }
        free(names[i]);
    }
}

/* A few bytes of one file are turned, copied, left out or taken from another. */
static void change(struct file *to, const struct file *other)
{
    uint32_t at, n;

    for (uint32_t i = 1 + below(4); i; i--) {
        if (!to->size)
            to->data[to->size++] = (uint8_t)below(256);
        at = below((uint32_t)to->size);
        switch (below(5)) {
        case 0:
            to->data[at] ^= (uint8_t)(1u << below(8));
            break;
        case 1:
            to->data[at] = (uint8_t)(0x70 + below(16));
            break;
        case 2:
            to->data[at] = (uint8_t)below(256);
            break;
        case 3: /* gone, to the end of some bytes */
            n = below((uint32_t)to->size - at);
            memmove(to->data + at, to->data + at + n, to->size - at - n);
            to->size -= n;
            break;
        default: /* a piece of another is put in */
            n = other->size ? below((uint32_t)other->size) : 0;
            if (to->size + n > MAX_BYTES)
                break;
            memmove(to->data + at + n, to->data + at, to->size - at);
            memcpy(to->data + at, other->data + below((uint32_t)(other->size - n) + 1), n);
            to->size += n;
            break;
        }
    }
}

int main(int argc, char **argv)
{
    static struct file file;
    unsigned long times;

    if (argc != 3)
        return 2;
    load(argv[1]);
    if (!n_files) {
        fprintf(stderr, "no corpus in %s\n", argv[1]);
        return 1;
    }
    for (unsigned i = 0; i < n_files; i++)
        LLVMFuzzerTestOneInput(files[i].data, files[i].size);
    times = strtoul(argv[2], NULL, 10);
    for (unsigned long i = 0; i < times; i++) {
        if (i % 8 == 0) /* else what was changed is changed further */
            file = files[below(n_files)];
        change(&file, &files[below(n_files)]);
        LLVMFuzzerTestOneInput(file.data, file.size);
    }
    printf("%u files, %lu changed ones\n", n_files, times);
    return 0;
}
