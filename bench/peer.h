/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A - hub - B over somebody else's messaging library, three processes on one CPU, the library's
 * defaults, receivers asleep when idle: the chain of routed.c in another's words. A program fills
 * in struct peer for its library; what is measured, and how, is the same for all of them.
 */
#ifndef RPR_BENCH_PEER_H
#define RPR_BENCH_PEER_H

#include "common.h"

#include <stdbool.h>

#define PEER_MAX_MESSAGE 2048u
/* Lengths that no measured message has. B repeats its hello until A, who may come later, answers. */
#define PEER_HELLO    1u
#define PEER_DONE     2u
#define PEER_HELLO_MS 20
#define PEER_PATIENCE 20000 /* ms: then a message was lost, and the figure with it */
#define PEER_PAYLOAD  64u
#define PEER_SHARE    8u /* warm-up: 1 / 8 of what is measured */

struct peer {
    const char *name;
    uint32_t n_trips;
    uint32_t n_oneway;

    /* In a process of its own, until it is killed. */
    void (*run_hub)(void);
    /* The caller becomes A or B of a hub that may still be starting. */
    void (*connect)(char self);
    void (*disconnect)(void);
    /* To the other one. Blocks while there is no room; nothing may be lost. */
    void (*send)(const void *data, size_t len);
    /* Length, or 0: nothing came in timeout_ms. */
    size_t (*receive)(void *data, size_t size, int timeout_ms);
};

/* For sockets and configuration; empty again at the end of every chain. */
static char peer_folder[] = "/tmp/rpr-bench-XXXXXX";

static inline void peer_path(char *path, size_t size, const char *scheme, const char *name)
{
    snprintf(path, size, "%s%s/%s", scheme, peer_folder, name);
}

static inline void peer_unlink(const char *name)
{
    char path[80];

    peer_path(path, sizeof(path), "", name);
    unlink(path);
}

/* The next message that is no hello. */
static inline size_t peer_receive(const struct peer *peer, void *data)
{
    size_t len;

    do
        len = peer->receive(data, PEER_MAX_MESSAGE, PEER_PATIENCE);
    while (len == PEER_HELLO);
    if (len == 0)
        bench_die("%s: a message was lost, or nobody answers", peer->name);
    return len;
}

/* ---- B ------------------------------------------------------------------------------------------- */

/* Says hello until the first message is there; returns its length. */
static inline size_t peer_greet(const struct peer *peer, void *data)
{
    size_t len = 0;

    for (int waited = 0; len == 0 && waited < PEER_PATIENCE; waited += PEER_HELLO_MS) {
        peer->send("", PEER_HELLO);
        len = peer->receive(data, PEER_MAX_MESSAGE, PEER_HELLO_MS);
    }
    if (len == 0)
        bench_die("%s: A never came", peer->name);
    return len;
}

/* Echoes n messages, or takes n messages and says so once. */
__attribute__((noreturn)) static inline void peer_run_b(const struct peer *peer, bool echo,
                                                        uint32_t n)
{
    uint8_t message[PEER_MAX_MESSAGE];
    size_t len;

    peer->connect('b');
    len = peer_greet(peer, message);
    for (uint32_t i = 1;; i++) {
        if (echo)
            peer->send(message, len);
        if (i == n)
            break;
        len = peer_receive(peer, message);
    }
    if (!echo)
        peer->send(message, PEER_DONE);
    peer_receive(peer, message); /* A has it: what is on its way is not cut off */
    peer->disconnect();
    _exit(0);
}

/* ---- A ------------------------------------------------------------------------------------------- */

struct peer_chain {
    pid_t hub, b;
};

static inline struct peer_chain peer_open(const struct peer *peer, bool echo, uint32_t n)
{
    struct peer_chain chain;
    uint8_t hello[PEER_MAX_MESSAGE];

    strcpy(peer_folder + strlen(peer_folder) - 6, "XXXXXX");
    if (!mkdtemp(peer_folder))
        bench_die("mkdtemp: %s", strerror(errno));
    chain.hub = bench_fork();
    if (chain.hub == 0) {
        peer->run_hub();
        _exit(1);
    }
    chain.b = bench_fork();
    if (chain.b == 0)
        peer_run_b(peer, echo, n);
    peer->connect('a');
    if (peer->receive(hello, sizeof(hello), PEER_PATIENCE) != PEER_HELLO)
        bench_die("%s: no hello from B", peer->name);
    return chain;
}

static inline void peer_close(const struct peer *peer, const struct peer_chain *chain)
{
    int status;

    peer->send("", PEER_DONE);
    bench_join(chain->b);
    peer->disconnect();
    kill(chain->hub, SIGKILL);
    waitpid(chain->hub, &status, 0);
    peer_unlink("a");
    peer_unlink("b");
    peer_unlink("hub");
    rmdir(peer_folder);
}

/* Nanoseconds of the last `n` of `warm + n` round trips. */
static inline uint64_t peer_ping(const struct peer *peer, uint32_t warm, uint32_t n)
{
    struct peer_chain chain = peer_open(peer, true, warm + n);
    uint8_t message[PEER_MAX_MESSAGE] = {0};
    uint64_t start = bench_now_ns();

    for (uint32_t i = 0; i < warm + n; i++) {
        if (i == warm)
            start = bench_now_ns();
        peer->send(message, PEER_PAYLOAD);
        peer_receive(peer, message);
    }
    start = bench_now_ns() - start;
    peer_close(peer, &chain);
    return start;
}

/* Nanoseconds from the first of `n` messages to the answer to the last one. */
static inline uint64_t peer_flood(const struct peer *peer, size_t len, uint32_t n)
{
    struct peer_chain chain = peer_open(peer, false, n);
    uint8_t message[PEER_MAX_MESSAGE] = {0};
    uint64_t start = bench_now_ns();

    for (uint32_t i = 0; i < n; i++)
        peer->send(message, len);
    peer_receive(peer, message);
    start = bench_now_ns() - start;
    peer_close(peer, &chain);
    return start;
}

/* Measures in a child, always: not every library lives on in a fork of a process that used it. */
static inline uint64_t peer_measure(const struct peer *peer, bool trips, size_t len, uint32_t n)
{
    uint64_t *took = bench_map_shared(sizeof(*took));
    uint64_t result;
    pid_t pid = bench_fork();

    if (pid == 0) {
        *took = trips ? peer_ping(peer, n / PEER_SHARE, n) : peer_flood(peer, len, n);
        _exit(0);
    }
    bench_join(pid);
    result = *took;
    munmap(took, sizeof(*took));
    return result;
}

static inline void peer_measure_rtt(const struct peer *peer)
{
    char name[64];

    snprintf(name, sizeof(name), "peer_%s_routed_rtt_1core", peer->name);
    bench_emit_per(name, peer_measure(peer, true, PEER_PAYLOAD, peer->n_trips), peer->n_trips);
}

static inline void peer_measure_oneway(const struct peer *peer, size_t len)
{
    char name[64];

    peer_measure(peer, false, len, peer->n_oneway / PEER_SHARE);
    snprintf(name, sizeof(name), "peer_%s_routed_oneway_%zu_1core", peer->name, len);
    bench_emit_per(name, peer_measure(peer, false, len, peer->n_oneway), peer->n_oneway);
}

static inline int peer_main(const struct peer *peer)
{
    bench_pin(0);
    peer_measure_rtt(peer);
    peer_measure_oneway(peer, 64);
    peer_measure_oneway(peer, 496);
    return 0;
}

#endif
