/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Steady state allocates nothing (ARCHITECTURE 10, invariant 6): a million messages from edge to
 * edge through a hub, three processes over shm: links, and not one call of malloc, calloc, realloc,
 * free or mmap in any of them after the warm-up. The calls of this program, which all three are, go
 * through the counters below. Not under sanitizers, which have their own allocator.
 */
#include "../../bench/chain.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <sys/syscall.h>

#include <cmocka.h>

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)

#define N_WARM     65536u
#define N_MESSAGES 1000000u
#define N_CALLS    5

enum call { CALL_MALLOC, CALL_CALLOC, CALL_REALLOC, CALL_FREE, CALL_MMAP };

static struct counters {
    _Atomic bool counting;
    _Atomic uint64_t calls[N_CALLS];
} * counters; /* of all processes together */

static void count(enum call call)
{
    if (counters && counters->counting)
        counters->calls[call]++;
}

void *__libc_malloc(size_t bytes);
void *__libc_calloc(size_t n, size_t bytes);
void *__libc_realloc(void *memory, size_t bytes);
void __libc_free(void *memory);

void *malloc(size_t bytes)
{
    count(CALL_MALLOC);
    return __libc_malloc(bytes);
}

void *calloc(size_t n, size_t bytes)
{
    count(CALL_CALLOC);
    return __libc_calloc(n, bytes);
}

void *realloc(void *memory, size_t bytes)
{
    count(CALL_REALLOC);
    return __libc_realloc(memory, bytes);
}

void free(void *memory)
{
    count(CALL_FREE);
    __libc_free(memory);
}

void *mmap(void *addr, size_t length, int protection, int flags, int fd, off_t offset)
{
    count(CALL_MMAP);
    return (void *)syscall(SYS_mmap, addr, length, protection, flags, fd, offset);
}

static void expect_calls(uint64_t each)
{
    for (int call = 0; call < N_CALLS; call++)
        assert_int_equal(counters->calls[call], each);
}

static void the_counters_count(void **state)
{
    void *memory;

    (void)state;
    counters->counting = true;
    memory = realloc(malloc(16), 32);
    bench_touch(memory);
    free(memory);
    bench_touch(calloc(1, 16)); /* leaked: free() would count */
    bench_touch(mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    counters->counting = false;
    expect_calls(1);
    memset((void *)counters->calls, 0, sizeof(counters->calls));
}

static void a_million_routed_messages(void **state)
{
    struct chain c;

    (void)state;
    chain_open(&c, 0, false, N_WARM + N_MESSAGES);
    bench_send_all(&c.a, N_WARM, 64);
    counters->counting = true;
    bench_stream(&c.a, N_MESSAGES, 64);
    counters->counting = false;
    chain_close(&c);
    expect_calls(0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(the_counters_count),
                                       cmocka_unit_test(a_million_routed_messages)};
    int failed;

    counters = bench_map_shared(sizeof(*counters));
    chain_make_folder();
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    chain_remove_folder();
    return failed;
}

#else

static void under_a_sanitizer(void **state)
{
    (void)state;
    skip();
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(under_a_sanitizer)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}

#endif
