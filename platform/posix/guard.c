/* SPDX-License-Identifier: Apache-2.0 */
#include "posix/guard.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

/* Never freed, but used again: the handler walks the list at any moment. */
struct guard {
    _Atomic uintptr_t base; /* 0: not in use. Written last */
    _Atomic size_t bytes;
    atomic_bool hit;
    struct guard *next;
};

static _Atomic(struct guard *) guards;
static pthread_mutex_t mutex =
    PTHREAD_MUTEX_INITIALIZER; /* who starts and stops; not the handler */
static struct sigaction before;
static _Thread_local bool passing;
static uintptr_t page_mask;

/* ---- the signal -------------------------------------------------------------------------------------- */

static struct guard *find(uintptr_t at)
{
    struct guard *g = atomic_load(&guards);

    for (; g; g = g->next) {
        uintptr_t base = atomic_load(&g->base);

        if (base && at >= base && at - base < atomic_load(&g->bytes))
            return g;
    }
    return NULL;
}

/* From that page to the end: whoever looks further does not come here again. */
static bool replace(struct guard *g, uintptr_t at)
{
    uintptr_t page = at & page_mask;
    size_t bytes = atomic_load(&g->base) + atomic_load(&g->bytes) - page;
    void *to = (void *)page; /* NOLINT: an address from the kernel */

    return mmap(to, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1,
                0) != MAP_FAILED;
}

/* A handler that was installed over ours may have come here itself. */
static void pass_on(int number, siginfo_t *info, void *context)
{
    if (passing || (!(before.sa_flags & SA_SIGINFO) &&
                    (before.sa_handler == SIG_DFL || before.sa_handler == SIG_IGN))) {
        signal(number, SIG_DFL); /* it happens again at once */
        return;
    }
    passing = true;
    if (before.sa_flags & SA_SIGINFO)
        before.sa_sigaction(number, info, context);
    else
        before.sa_handler(number);
    passing = false;
}

static void on_signal(int number, siginfo_t *info, void *context)
{
    int error = errno;
    struct guard *g = info->si_code > 0 ? find((uintptr_t)info->si_addr) : NULL; /* the kernel's */

    if (g && replace(g, (uintptr_t)info->si_addr))
        atomic_store(&g->hit, true);
    else
        pass_on(number, info, context);
    errno = error;
}

/* Under the mutex. Again if somebody has put another one in its place. */
static bool install(void)
{
    struct sigaction action = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO | SA_NODEFER};
    struct sigaction now;

    if (sigaction(SIGBUS, NULL, &now) != 0)
        return false;
    if ((now.sa_flags & SA_SIGINFO) && now.sa_sigaction == on_signal)
        return true;
    page_mask = ~(uintptr_t)(sysconf(_SC_PAGESIZE) - 1);
    before = now;
    sigemptyset(&action.sa_mask);
    return sigaction(SIGBUS, &action, NULL) == 0;
}

/* ---- guards ------------------------------------------------------------------------------------------ */

/* Under the mutex. */
static struct guard *get(void)
{
    struct guard *g = atomic_load(&guards);

    while (g && atomic_load(&g->base))
        g = g->next;
    if (g)
        return g;
    g = calloc(1, sizeof(*g));
    if (!g)
        return NULL;
    g->next = atomic_load(&guards);
    atomic_store(&guards, g);
    return g;
}

struct guard *guard_start(void *base, size_t bytes)
{
    struct guard *g;

    pthread_mutex_lock(&mutex);
    g = install() ? get() : NULL;
    if (g) {
        atomic_store(&g->hit, false);
        atomic_store(&g->bytes, bytes);
        atomic_store(&g->base, (uintptr_t)base);
    }
    pthread_mutex_unlock(&mutex);
    return g;
}

void guard_stop(struct guard *g)
{
    pthread_mutex_lock(&mutex);
    atomic_store(&g->base, 0);
    pthread_mutex_unlock(&mutex);
}

bool guard_hit(const struct guard *g)
{
    return atomic_load(&g->hit);
}
