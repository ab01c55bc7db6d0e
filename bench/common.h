/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What every benchmark program needs: a clock, pinning, child processes, shared pages, output.
 *
 * A program is one run: it measures each of its names once and prints `NAME VALUE` lines.
 * Repeating, interleaving, medians and targets are the business of bench/run.py.
 */
#ifndef RPR_BENCH_COMMON_H
#define RPR_BENCH_COMMON_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* "Cannot be measured on this machine"; the runner then lists the names as not run. */
#define BENCH_EXIT_SKIP 77

__attribute__((noreturn, cold, format(printf, 1, 2), unused)) static void bench_die(const char *fmt,
                                                                                    ...)
{
    va_list ap;

    va_start(ap, fmt);
    vfprintf(stderr, fmt, ap);
    va_end(ap);
    fputc('\n', stderr);
    exit(1);
}

static inline uint64_t bench_now_ns(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

/* The compiler must assume that what p points to is read and written here. */
static inline void bench_touch(void *p)
{
    __asm__ volatile("" : : "r"(p) : "memory");
}

/* Hides a length from the optimizer: a message's length is known only at run time. */
static inline size_t bench_opaque(size_t n)
{
    __asm__ volatile("" : "+r"(n));
    return n;
}

/*
 * Pins the caller, and what it forks later, to the nth CPU of those it was allowed when the
 * program started. The allowed set is read once, because pinning replaces it.
 */
static inline void bench_pin(int nth)
{
    static cpu_set_t allowed;
    static int known;
    cpu_set_t one;

    if (!known && sched_getaffinity(0, sizeof(allowed), &allowed) != 0)
        bench_die("sched_getaffinity: %s", strerror(errno));
    known = 1;
    for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
        if (!CPU_ISSET(cpu, &allowed) || nth-- > 0)
            continue;
        CPU_ZERO(&one);
        CPU_SET(cpu, &one);
        if (sched_setaffinity(0, sizeof(one), &one) != 0)
            bench_die("sched_setaffinity: %s", strerror(errno));
        return;
    }
    fprintf(stderr, "needs more processors than this process may use\n");
    exit(BENCH_EXIT_SKIP);
}

/* Forks; the child dies with its parent, so an interrupted run leaves nothing that spins. */
static inline pid_t bench_fork(void)
{
    pid_t parent = getpid();
    pid_t pid;

    fflush(NULL);
    pid = fork();
    if (pid < 0)
        bench_die("fork: %s", strerror(errno));
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() != parent)
            _exit(1);
    }
    return pid;
}

/* Waits for a child, which must end with status 0: a half that failed makes the figure void. */
static inline void bench_join(pid_t pid)
{
    int status;

    if (waitpid(pid, &status, 0) != pid || status != 0)
        bench_die("a child process failed");
}

/* Zeroed pages shared with later children, all present before the clock starts. */
static inline void *bench_map_shared(size_t n_bytes)
{
    void *p = mmap(NULL, n_bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE,
                   -1, 0);

    if (p == MAP_FAILED)
        bench_die("mmap: %s", strerror(errno));
    return p;
}

/* A doorbell that its listener blocks in. */
static inline int bench_bell_open(void)
{
    int fd = eventfd(0, 0);

    if (fd < 0)
        bench_die("eventfd: %s", strerror(errno));
    return fd;
}

static inline void bench_bell_ring(int fd)
{
    if (eventfd_write(fd, 1) != 0)
        bench_die("eventfd write: %s", strerror(errno));
}

static inline void bench_bell_await(int fd)
{
    eventfd_t count;

    if (eventfd_read(fd, &count) != 0)
        bench_die("eventfd read: %s", strerror(errno));
}

static inline void bench_emit(const char *name, double value)
{
    printf("%s %.3f\n", name, value);
}

/* Prints total_ns / n under name. */
static inline void bench_emit_per(const char *name, uint64_t total_ns, uint64_t n)
{
    bench_emit(name, (double)total_ns / (double)n);
}

#endif
