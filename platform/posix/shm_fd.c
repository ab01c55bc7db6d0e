/* SPDX-License-Identifier: Apache-2.0 */
/* Either side over a descriptor that is connected already, and that the link ends with. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/check.h"
#include "posix/handshake.h"
#include "posix/loop.h"
#include "posix/shm.h"

struct fd_link {
    struct shm_link shm;
    struct rpr_shm_config config;
    struct handshake handshake;
    struct rpr_timer ended; /* tells it, from a place where the link may be unregistered */
    bool driver;
    bool told;
    char reason[RPR_REASON_MAX];
};

static struct fd_link *fd_link_of(struct shm_link *shm)
{
    return RPR_CONTAINER(shm, struct fd_link, shm);
}

/* ---- end --------------------------------------------------------------------------------------------- */

static void tell(struct rpr_timer *timer, uint64_t now_ns)
{
    struct fd_link *f = RPR_CONTAINER(timer, struct fd_link, ended);

    (void)now_ns;
    if (f->told || f->shm.link->removed)
        return;
    f->told = true;
    if (f->config.ended)
        f->config.ended(f->config.ctx, f->reason);
}

/* The first reason stays. */
static void will_end(struct fd_link *f, const char *reason)
{
    if (f->ended.active || f->told)
        return;
    snprintf(f->reason, sizeof(f->reason), "%s", reason);
    rpr_timer_start(rpr_loop_node(f->shm.loop), &f->ended, loop_clock_ns());
}

static void peer_lost(struct shm_link *shm, const char *reason)
{
    will_end(fd_link_of(shm), reason);
}

/* ---- handshake ---------------------------------------------------------------------------------------- */

static void came(struct handshake *handshake, int fd, struct packet *packet, const char *reason)
{
    struct fd_link *f = RPR_CONTAINER(handshake, struct fd_link, handshake);
    bool good = false;

    shm_enter(&f->shm);
    if (!packet) {
        close(fd);
        shm_say(&f->shm, reason);
    } else if (f->driver) {
        good = shm_answer(&f->shm, fd, handshake->trusted, packet, false);
    } else {
        good = shm_take_answer(&f->shm, fd, handshake->trusted, packet);
    }
    if (!good && !f->shm.dead)
        will_end(f, packet ? f->shm.link->reason : reason);
    shm_leave(&f->shm);
}

/* Once; whatever comes afterwards finds that the descriptor ended. */
static void open_fd(struct shm_link *shm)
{
    struct fd_link *f = fd_link_of(shm);
    int fd = f->config.fd;

    f->config.fd = -1;
    if (fd < 0) {
        will_end(f, "the descriptor has ended");
        return;
    }
    if (!f->driver && shm_hello(shm, fd, f->config.trusted, "") != 0) {
        close(fd);
        will_end(f, "the peer is gone");
    } else if (handshake_start(&f->handshake, fd, f->config.trusted) != 0) {
        will_end(f, "the descriptor cannot be watched");
    }
}

static void close_fd(struct shm_link *shm)
{
    struct fd_link *f = fd_link_of(shm);

    handshake_cancel(&f->handshake);
    will_end(f, shm->link->reason);
}

static void free_fd(struct shm_link *shm)
{
    struct fd_link *f = fd_link_of(shm);

    rpr_timer_stop(rpr_loop_node(shm->loop), &f->ended);
    free(f);
}

static const struct shm_way way = {open_fd, close_fd, peer_lost, free_fd};

static int open_either(struct rpr_loop *loop, const struct rpr_shm_config *config, bool driver,
                       struct rpr_link **link, char error[RPR_ERROR_TEXT])
{
    struct fd_link *f = calloc(1, sizeof(*f));
    int code;

    if (!f) {
        close(config->fd);
        snprintf(error, RPR_ERROR_TEXT, "%s: out of memory", config->remote);
        return -RPR_ENOMEM;
    }
    f->shm = (struct shm_link){.way = &way,
                               .loop = loop,
                               .num = config->num ? config->num : SHM_DEFAULT_BUFFERS,
                               .payload = config->payload ? config->payload : SHM_DEFAULT_PAYLOAD};
    snprintf(f->shm.remote, sizeof(f->shm.remote), "%s", config->remote);
    f->config = *config;
    f->config.remote = f->shm.remote;
    f->driver = driver;
    f->ended.fire = tell;
    handshake_init(&f->handshake, loop, came);
    code = shm_register(&f->shm, error);
    if (code) {
        close(config->fd);
        free(f);
        return code;
    }
    *link = f->shm.link;
    return 0;
}

int rpr_shm_serve_fd(struct rpr_loop *loop, const struct rpr_shm_config *config,
                     struct rpr_link **link, char error[RPR_ERROR_TEXT])
{
    return open_either(loop, config, true, link, error);
}

int rpr_shm_join_fd(struct rpr_loop *loop, const struct rpr_shm_config *config,
                    struct rpr_link **link, char error[RPR_ERROR_TEXT])
{
    return open_either(loop, config, false, link, error);
}
