/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Device's side at a path: connects to whoever listens there, as soon as somebody does. The
 * directory is watched; looking again after a while is for what no directory tells, such as a
 * listener that has another peer now.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/check.h"
#include "posix/appear.h"
#include "posix/handshake.h"
#include "posix/loop.h"
#include "posix/shm.h"
#include "posix/unix.h"

#define RETRY_FIRST_MS 10u
#define RETRY_LAST_MS  1000u

struct connector {
    struct shm_link shm;
    struct appear appear;
    struct handshake handshake;
    struct rpr_timer retry;
    uint64_t retry_ms;
    bool again; /* somebody appeared during the handshake */
    char path[RPR_UNIX_PATH_MAX + 1];
};

static struct connector *connector_of(struct shm_link *shm)
{
    return RPR_CONTAINER(shm, struct connector, shm);
}

/* ---- when ------------------------------------------------------------------------------------------ */

static void retry_at(struct connector *c, uint64_t at_ns)
{
    rpr_timer_start(rpr_loop_node(c->shm.loop), &c->retry, at_ns);
}

static void retry_now(struct connector *c)
{
    c->retry_ms = RETRY_FIRST_MS;
    c->again = false;
    retry_at(c, loop_clock_ns());
}

static void retry_later(struct connector *c)
{
    if (c->again) {
        retry_now(c);
        return;
    }
    retry_at(c, loop_clock_ns() + c->retry_ms * UINT64_C(1000000));
    c->retry_ms = c->retry_ms * 2 > RETRY_LAST_MS ? RETRY_LAST_MS : c->retry_ms * 2;
}

/* ---- connect ------------------------------------------------------------------------------------------ */

static const char *explain(int code)
{
    switch (code) {
    case -ENOENT:
        return "does not exist yet";
    case -ECONNREFUSED:
        return "nobody listens";
    case -EAGAIN:
        return "the listener is busy";
    case -EPROTOTYPE:
        return "is no socket of a shared-memory link";
    default:
        return strerror(-code);
    }
}

static void say_path(struct connector *c, const char *what)
{
    char text[RPR_REASON_MAX];

    snprintf(text, sizeof(text), "%s: %s", c->path, what);
    shm_say(&c->shm, text);
}

/* NULL: HELLO is said and the answer awaited. */
static const char *connect_and_greet(struct connector *c)
{
    int fd = unix_connect(c->path, SOCK_SEQPACKET);
    bool trusted;

    if (fd < 0)
        return explain(fd);
    trusted = rpr_unix_same_user(fd);
    if (shm_hello(&c->shm, fd, trusted, c->shm.remote) != 0) {
        close(fd);
        return "the listener went away";
    }
    return handshake_start(&c->handshake, fd, trusted) ? "out of memory" : NULL;
}

static void look(struct connector *c)
{
    const char *wrong;

    if (!c->shm.open || c->shm.session)
        return;
    if (handshake_busy(&c->handshake)) {
        c->again = true;
        return;
    }
    c->again = false;
    wrong = connect_and_greet(c);
    if (wrong) {
        retry_later(c);
        say_path(c, wrong);
    }
}

static void retry_fired(struct rpr_timer *timer, uint64_t now_ns)
{
    (void)now_ns;
    look(RPR_CONTAINER(timer, struct connector, retry));
}

static void appeared(struct appear *appear)
{
    struct connector *c = RPR_CONTAINER(appear, struct connector, appear);

    c->retry_ms = RETRY_FIRST_MS;
    look(c);
}

static void answered(struct handshake *handshake, int fd, struct packet *packet, const char *reason)
{
    struct connector *c = RPR_CONTAINER(handshake, struct connector, handshake);

    shm_enter(&c->shm);
    retry_later(c); /* does nothing if there is a session then */
    if (!packet) {
        close(fd);
        say_path(c, reason);
    } else if (shm_take_answer(&c->shm, fd, handshake->trusted, packet)) {
        c->retry_ms = RETRY_FIRST_MS;
    }
    shm_leave(&c->shm);
}

/* ---- open and close ----------------------------------------------------------------------------------- */

static void open_connector(struct shm_link *shm)
{
    struct connector *c = connector_of(shm);

    appear_start(&c->appear, shm->loop, c->path, appeared);
    retry_now(c); /* not here: it may have to say why not */
}

static void close_connector(struct shm_link *shm)
{
    struct connector *c = connector_of(shm);

    appear_stop(&c->appear);
    handshake_cancel(&c->handshake);
    rpr_timer_stop(rpr_loop_node(shm->loop), &c->retry);
}

static void peer_lost(struct shm_link *shm, const char *reason)
{
    (void)reason;
    retry_now(connector_of(shm));
}

static void free_connector(struct shm_link *shm)
{
    free(connector_of(shm));
}

static const struct shm_way way = {open_connector, close_connector, peer_lost, free_connector};

int shm_connect(struct rpr_loop *loop, const char *remote, const char *path, struct rpr_link **link,
                char error[RPR_ERROR_TEXT])
{
    struct connector *c = calloc(1, sizeof(*c));
    int code;

    if (!c) {
        snprintf(error, RPR_ERROR_TEXT, "%s: out of memory", remote);
        return -RPR_ENOMEM;
    }
    c->shm = (struct shm_link){.way = &way, .loop = loop};
    snprintf(c->shm.remote, sizeof(c->shm.remote), "%s", remote);
    snprintf(c->path, sizeof(c->path), "%s", path);
    c->appear.watch.fd = -1;
    c->retry.fire = retry_fired;
    handshake_init(&c->handshake, loop, answered);
    code = shm_register(&c->shm, error);
    if (code) {
        free(c);
        return code;
    }
    *link = c->shm.link;
    return 0;
}
