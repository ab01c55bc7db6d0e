/* SPDX-License-Identifier: Apache-2.0 */
/* Driver's side at a path: waits there for whoever has the name of the link. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/check.h"
#include "posix/handshake.h"
#include "posix/loop.h"
#include "posix/shm.h"

#define MAX_SILENT 8u                   /* connections that have said nothing yet */
#define RETRY_NS   UINT64_C(1000000000) /* to listen, or to accept when out of descriptors */

struct listener;

struct greeting {
    struct handshake handshake;
    struct listener *listener;
};

struct listener {
    struct shm_link shm;
    struct rpr_unix_listener at;
    struct rpr_watch watch;
    struct rpr_timer retry;
    struct greeting greetings[MAX_SILENT];
    char path[RPR_UNIX_PATH_MAX + 1];
};

static struct listener *listener_of(struct shm_link *shm)
{
    return RPR_CONTAINER(shm, struct listener, shm);
}

static void retry_later(struct listener *l)
{
    rpr_timer_start(rpr_loop_node(l->shm.loop), &l->retry, loop_clock_ns() + RETRY_NS);
}

/* ---- accept ---------------------------------------------------------------------------------------- */

static void greeted(struct handshake *handshake, int fd, struct packet *packet, const char *reason)
{
    struct listener *l = RPR_CONTAINER(handshake, struct greeting, handshake)->listener;
    char text[HANDOVER_TEXT_BYTES];

    (void)rpr_watch_start(l->shm.loop, &l->watch); /* there is room again */
    if (packet) {
        (void)shm_answer(&l->shm, fd, handshake->trusted, packet, true);
        return;
    }
    close(fd);
    snprintf(text, sizeof(text), "somebody connected, but %s", reason);
    shm_say(&l->shm, text);
}

static struct greeting *free_greeting(struct listener *l)
{
    unsigned i;

    for (i = 0; i < MAX_SILENT; i++)
        if (!handshake_busy(&l->greetings[i].handshake))
            return &l->greetings[i];
    return NULL;
}

/* Whoever comes while all places are taken waits in the kernel's queue. */
static void come(struct rpr_watch *watch, uint32_t events)
{
    struct listener *l = RPR_CONTAINER(watch, struct listener, watch);
    struct greeting *greeting;
    int fd;

    (void)events;
    while ((greeting = free_greeting(l))) {
        fd = accept4(watch->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0)
            (void)handshake_start(&greeting->handshake, fd, rpr_unix_same_user(fd));
        else if (errno == EAGAIN)
            return;
        else if (errno != ECONNABORTED && errno != EINTR)
            break;
    }
    rpr_watch_stop(l->shm.loop, watch);
    if (greeting)
        retry_later(l);
}

/* ---- open and close ----------------------------------------------------------------------------------- */

static int listen_now(struct listener *l, char error[RPR_ERROR_TEXT])
{
    return l->at.fd >= 0 ? 0 : rpr_unix_listen(&l->at, l->path, SOCK_SEQPACKET, error);
}

static void watch_now(struct listener *l)
{
    l->watch.fd = l->at.fd;
    if (rpr_watch_start(l->shm.loop, &l->watch) != 0)
        retry_later(l);
}

static void try_again(struct rpr_timer *timer, uint64_t now_ns)
{
    struct listener *l = RPR_CONTAINER(timer, struct listener, retry);
    char error[RPR_ERROR_TEXT];

    (void)now_ns;
    if (listen_now(l, error) == 0) {
        watch_now(l);
        return;
    }
    retry_later(l);
    shm_say(&l->shm, error);
}

static void open_listener(struct shm_link *shm)
{
    struct listener *l = listener_of(shm);
    char error[RPR_ERROR_TEXT];

    if (listen_now(l, error) == 0)
        watch_now(l);
    else
        rpr_timer_start(rpr_loop_node(shm->loop), &l->retry, loop_clock_ns()); /* may say why */
}

static void close_listener(struct shm_link *shm)
{
    struct listener *l = listener_of(shm);
    unsigned i;

    rpr_timer_stop(rpr_loop_node(shm->loop), &l->retry);
    for (i = 0; i < MAX_SILENT; i++)
        handshake_cancel(&l->greetings[i].handshake);
    rpr_watch_stop(shm->loop, &l->watch);
    rpr_unix_unlisten(&l->at);
}

static void peer_lost(struct shm_link *shm, const char *reason)
{
    (void)shm;
    (void)reason;
}

static void free_listener(struct shm_link *shm)
{
    free(listener_of(shm));
}

static const struct shm_way way = {open_listener, close_listener, peer_lost, free_listener};

int shm_listen(struct rpr_loop *loop, const char *remote, const char *path, uint32_t num,
               uint32_t payload, struct rpr_link **link, char error[RPR_ERROR_TEXT])
{
    struct listener *l = calloc(1, sizeof(*l));
    unsigned i;
    int code;

    if (!l) {
        snprintf(error, RPR_ERROR_TEXT, "%s: out of memory", remote);
        return -RPR_ENOMEM;
    }
    l->shm = (struct shm_link){.way = &way, .loop = loop, .num = num, .payload = payload};
    snprintf(l->shm.remote, sizeof(l->shm.remote), "%s", remote);
    snprintf(l->path, sizeof(l->path), "%s", path);
    l->at.fd = -1;
    l->watch = (struct rpr_watch){.ready = come, .events = EPOLLIN};
    l->retry.fire = try_again;
    for (i = 0; i < MAX_SILENT; i++) {
        handshake_init(&l->greetings[i].handshake, loop, greeted);
        l->greetings[i].listener = l;
    }
    code = listen_now(l, error); /* here an error can be told; later it is a reason */
    if (!code)
        code = shm_register(&l->shm, error);
    if (code) {
        rpr_unix_unlisten(&l->at);
        free(l);
        return code;
    }
    *link = l->shm.link;
    return 0;
}
