/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The library on Linux: an event loop that owns one node, links by URL, the handover of shared
 * memory between local processes, and a blocking client for programs that talk through a daemon.
 */
#ifndef RPR_POSIX_H
#define RPR_POSIX_H

#include <rpr/link.h>
#include <rpr/vring.h>

#ifdef __cplusplus
extern "C" {
#endif

#define RPR_ERROR_TEXT 256u

/* ---- loop: the owner of one node ---------------------------------------------------------------- */

struct rpr_loop;

struct rpr_loop_config {
    const char *name;    /* of the node */
    uint32_t slot_bytes; /* struct rpr_node_config */
    uint32_t slots; /* the same; 0 = 16384: full credit for 64 busy routes. Memory is taken as they
                          * are used */
    bool locked;    /* other threads will send: links get locks */
    uint32_t spin_us; /* look for so long before sleeping while a peer runs on another CPU;
                          * 0 = 20, UINT32_MAX = never */
    void (*log)(void *ctx, enum rpr_log_level level,
                const char *text); /* NULL: stderr from WARNING up */
    void *log_ctx;
};

/* Opens a node with its loop on the calling thread, which becomes the owner. 0 or negative code. */
int rpr_loop_open(struct rpr_loop **loop, const struct rpr_loop_config *config);
void rpr_loop_close(struct rpr_loop *loop); /* the node too */
struct rpr_node *rpr_loop_node(struct rpr_loop *loop);

/* One turn: polls the node and the watched descriptors, and sleeps at most `timeout_ms` (-1: as
 * long as nothing is due; 0: not at all) if there was nothing to do. A turn in which something was
 * done does not sleep, so that `while (!done) rpr_loop_turn(loop, -1)` is right. With 0 it is made
 * for polling: most turns cost no system call. Owner. 0, or negative: the loop cannot go on. */
int rpr_loop_turn(struct rpr_loop *loop, int timeout_ms);

/* Turns until rpr_loop_stop(), which any thread or signal handler may call. */
int rpr_loop_run(struct rpr_loop *loop);
void rpr_loop_stop(struct rpr_loop *loop);

/* A descriptor watched by the loop, level triggered; `events` and `ready`'s argument are EPOLLIN,
 * EPOLLOUT, ... The memory is the caller's, zeroed before first use. `ready` may stop any watch and
 * free its memory, its own included. */
struct rpr_watch {
    void (*ready)(struct rpr_watch *watch, uint32_t events);
    int fd;
    uint32_t events;
    bool active; /* private */
};
int rpr_watch_start(struct rpr_loop *loop, struct rpr_watch *watch); /* or changes `events` */
void rpr_watch_stop(struct rpr_loop *loop,
                    struct rpr_watch *watch); /* before the descriptor is closed */
/* The same edge triggered and never read: an eventfd doorbell: each write is a new edge. */
int rpr_watch_start_edge(struct rpr_loop *loop, struct rpr_watch *watch);

/* ---- links by URL (INTERFACE 2) ------------------------------------------------------------------- */

/* Parses and checks; opens nothing. 0, or -RPR_EINVAL / -RPR_ENOTSUP ("not in this version") with
 * one line in `error`. */
int rpr_url_check(const char *remote, const char *url, char error[RPR_ERROR_TEXT]);

/* Opens the link; it connects and reconnects by itself. 0 or negative with one line in `error`. */
int rpr_url_open(struct rpr_loop *loop, const char *remote, const char *url, struct rpr_link **link,
                 char error[RPR_ERROR_TEXT]);

/* The largest payload the URL asks for (its `size`), after rpr_url_check() succeeded. */
uint32_t rpr_url_size(const char *url);

/* ---- shared memory over a connected descriptor ------------------------------------------------------ */

/* A link whose handover runs over a SOCK_SEQPACKET descriptor that is connected already: the
 * private link of a client. It ends with the descriptor and does not come back. */
struct rpr_shm_config {
    const char *remote; /* the peer's name here; what the peer calls itself is not compared */
    int fd;             /* the link's from the call on, whatever the result */
    bool trusted;     /* the peer runs as the same user (SO_PEERCRED of the connection by which the
                         * descriptor came: a socketpair itself tells nothing): eventfds as doorbells */
    uint32_t num;     /* driver's side: buffers each way, 0 = 256 */
    uint32_t payload; /* driver's side: bytes of each, 0 = 2048 */

    /* The descriptor ended, what came before has been delivered and the link is down: now or later
     * it is to be unregistered (rpr_link_unregister()). Owner, once, never from inside a call. */
    void (*ended)(void *ctx, const char *reason);
    void *ctx;
};

/* Driver's side: waits for the HELLO of the other (2 s) and makes the memory. */
int rpr_shm_serve_fd(struct rpr_loop *loop, const struct rpr_shm_config *config,
                     struct rpr_link **link, char error[RPR_ERROR_TEXT]);

/* Device's side: says HELLO and takes what it is offered. */
int rpr_shm_join_fd(struct rpr_loop *loop, const struct rpr_shm_config *config,
                    struct rpr_link **link, char error[RPR_ERROR_TEXT]);

/* ---- Unix sockets with a name ----------------------------------------------------------------------- */

#define RPR_UNIX_PATH_MAX 100u /* bytes: room for ".lock" within sun_path */

/* A listening socket at `path`: bound under a temporary name, renamed, guarded by a lock file. */
struct rpr_unix_listener {
    int fd; /* non-blocking; -1 when closed */
    int lock_fd;
    uint64_t dev, ino; /* of the socket's file */
    char path[RPR_UNIX_PATH_MAX + 1];
};

/* `type` SOCK_STREAM or SOCK_SEQPACKET; mode 0660. Replaces a stale socket of ours; anything else
 * at `path` is an error: -RPR_EBUSY (in use), -RPR_EEXIST (no socket, or not ours),
 * -RPR_ENAMETOOLONG, -RPR_EIO, with one line in `error`. */
int rpr_unix_listen(struct rpr_unix_listener *listener, const char *path, int type,
                    char error[RPR_ERROR_TEXT]);
void rpr_unix_unlisten(struct rpr_unix_listener *listener); /* removes what it made */

/* Does the other end of this connected socket run as the same user? (SO_PEERCRED) */
bool rpr_unix_same_user(int fd);

/* ---- control sockets -------------------------------------------------------------------------------- */

/* Where `rpmsg` and programs find a daemon: `control` if given, else NODE.sock in the two
 * directories if `node` is given, else $RPMSG_CONTROL, else the only live socket in
 * $XDG_RUNTIME_DIR/rpmsg and /run/rpmsg. 0, or with one line in `error`: -RPR_ENOENT (none is
 * running), -RPR_EINVAL (several are: the list), -RPR_ENAMETOOLONG. */
int rpr_control_find(char path[108], const char *control, const char *node,
                     char error[RPR_ERROR_TEXT]);

/* Where the daemon of node `name` puts its socket: `control` if given, else $RPMSG_CONTROL, else
 * NAME.sock in $XDG_RUNTIME_DIR/rpmsg if that variable is set, else in /run/rpmsg. Makes the
 * directory (0755). 0 or negative with one line in `error`. */
int rpr_control_place(char path[108], const char *control, const char *name,
                      char error[RPR_ERROR_TEXT]);

/* ---- client: a program that talks through a daemon ---------------------------------------------------- */

struct rpr_client;

/* Attaches to the daemon at `control` (NULL: as `rpmsg` finds it) for `service` on `device` (NULL:
 * serve whichever remote announces it). Runs a node of its own, inside the calls below; its data
 * flows over its own private link. One thread. 0 or negative with one line in `error`:
 * -RPR_ENOTCONN: no daemon answers, or the device is not up; -RPR_ENOENT: no such device, or no
 * daemon is found; -RPR_EEXIST: another program serves it; -RPR_ENOTSUP: the node itself has it there,
 * and there can be no other; -RPR_EINVAL (a name), -RPR_EPERM (not
 * for this user), -RPR_EBUSY (too many programs), -RPR_EIO, -RPR_ENOMEM, -RPR_ETIMEDOUT. */
int rpr_client_open(struct rpr_client **client, const char *control, const char *device,
                    const char *service, char error[RPR_ERROR_TEXT]);

/* Waits until there is a peer. -RPR_ETIMEDOUT; -RPR_ENOTCONN: daemon gone. timeout_ms -1: for ever. */
int rpr_client_wait(struct rpr_client *client, int timeout_ms);

/* Sends one message; waits for a peer and for room. Returns 0; -RPR_ETIMEDOUT: nothing was taken;
 * -RPR_EMSGSIZE; -RPR_ENOTCONN: the peer or the daemon is gone. */
int rpr_client_send(struct rpr_client *client, const void *data, size_t len, int timeout_ms);

/* Longest message, once there is a peer. */
uint32_t rpr_client_tx_len(const struct rpr_client *client);

/* Next message: its length; 0 bytes is a message. -RPR_EMSGSIZE: it is longer than `size`, and waits
 * for a call with more room.
 * -RPR_ENOENT: the peer closed and all was read; -RPR_ENOTCONN: link, device or daemon lost, what
 * had come was read before; -RPR_ETIMEDOUT. */
int rpr_client_recv(struct rpr_client *client, void *data, size_t size, int timeout_ms);

/* For programs with a poll loop of their own: readable when a call above may make progress. */
int rpr_client_fd(struct rpr_client *client);

/* Waits until everything sent was taken by the node (at most timeout_ms), then closes. The peer
 * hears a close after the last message. Returns 0, or what a send would have. Frees in any case. */
int rpr_client_close(struct rpr_client *client, int timeout_ms);

/* ---- program: one more peer of a service of the daemon's node ----------------------------------------- */

/* A node of the program's own with one device, over a private link to the daemon, on which the
 * program opens the same service (<rpr/sensor.h>) and so is one more peer of the daemon's. One
 * thread, the owner. */
struct rpr_program;

/* `service` as on the wire ("rpmsg-sensor"); `device`: the program is for that remote CPU only, or
 * NULL. Errors as rpr_client_open(); -RPR_ENOTCONN also: the daemon has no such service. */
int rpr_program_open(struct rpr_program **program, const char *control, const char *service,
                     const char *device, char error[RPR_ERROR_TEXT]);
struct rpr_loop *rpr_program_loop(struct rpr_program *program);  /* to be turned by the caller */
const char *rpr_program_lost(const struct rpr_program *program); /* why the link is gone, or NULL */

/* Turns until the daemon took everything that was sent. 0, -RPR_ENOTCONN, -RPR_ETIMEDOUT. */
int rpr_program_drain(struct rpr_program *program, int timeout_ms);

/* Close what was opened on its node before. */
void rpr_program_close(struct rpr_program *program);

#ifdef __cplusplus
}
#endif
#endif
