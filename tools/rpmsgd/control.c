/* SPDX-License-Identifier: Apache-2.0 */
#include "control.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../common/text.h"
#include "daemon.h"
#include "session.h"

#define SESSIONS_MAX       2048u
#define ACCEPTS_PER_TURN   64
#define CONTROL_PATH_BYTES 108u

struct control {
    struct daemon *daemon;
    struct rpr_watch watch;
    struct rpr_unix_listener listener;
    int spare_fd; /* given up for a moment to refuse a connection when there are no descriptors */
    struct session *sessions;
    unsigned n_sessions;
};

struct control *control_new(struct daemon *daemon)
{
    struct control *control = need_memory(sizeof(*control));

    control->daemon = daemon;
    control->listener.fd = -1;
    control->spare_fd = -1;
    return control;
}

void control_free(struct control *control)
{
    free(control);
}

struct daemon *control_daemon(struct control *control)
{
    return control->daemon;
}

/* ---- connections --------------------------------------------------------------------------------- */

/* Out of descriptors: take the connection all the same, to end it; else it stays in the queue and
 * the loop never sleeps again. */
static void refuse_one(struct control *control)
{
    close(control->spare_fd);
    int fd = accept4(control->watch.fd, NULL, NULL, SOCK_CLOEXEC);
    if (fd >= 0)
        close(fd);
    control->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
}

static void add_session(struct control *control, int fd)
{
    struct session *session = control->n_sessions < SESSIONS_MAX ? session_open(control, fd) : NULL;

    if (session == NULL) {
        close(fd);
        return;
    }
    session->next = control->sessions;
    control->sessions = session;
    control->n_sessions++;
}

static void on_connection(struct rpr_watch *watch, uint32_t events)
{
    struct control *control = (struct control *)((char *)watch - offsetof(struct control, watch));

    (void)events;
    for (int i = 0; i < ACCEPTS_PER_TURN; i++) {
        int fd = accept4(watch->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0)
            add_session(control, fd);
        else if (errno == EMFILE || errno == ENFILE)
            refuse_one(control);
        else if (errno != ECONNABORTED && errno != EINTR)
            return;
    }
}

static void raise_descriptor_limit(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
}

bool control_open(struct control *control, char error[CONFIG_ERROR_BYTES])
{
    const struct config *config = &control->daemon->config;
    char path[CONTROL_PATH_BYTES], why[RPR_ERROR_TEXT] = "";

    raise_descriptor_limit();
    if (rpr_control_place(path, config->control, config->name, why) != 0)
        return config_error(error, "rpmsgd: control socket", "%s%s%s",
                            config->control != NULL ? config->control : "",
                            config->control != NULL ? ": " : "", why);
    if (rpr_unix_listen(&control->listener, path, SOCK_STREAM, why) != 0) {
        control->listener.fd = -1;
        return config_error(error, "rpmsgd: control socket", "%s", why);
    }
    control->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    control->watch =
        (struct rpr_watch){.ready = on_connection, .fd = control->listener.fd, .events = EPOLLIN};
    return rpr_watch_start(control->daemon->loop, &control->watch) == 0 ||
           config_error(error, "rpmsgd: control socket", "cannot be watched");
}

void control_close(struct control *control)
{
    if (control->listener.fd < 0)
        return;
    rpr_watch_stop(control->daemon->loop, &control->watch);
    rpr_unix_unlisten(&control->listener);
    control->listener.fd = -1;
    for (struct session *session = control->sessions; session != NULL; session = session->next)
        session_end(session);
    control_reap(control);
    close(control->spare_fd);
}

void control_event(struct control *control, const struct rpr_event *event)
{
    for (struct session *session = control->sessions; session != NULL; session = session->next)
        session_event(session, event);
}

void control_reap(struct control *control)
{
    struct session **place = &control->sessions;

    while (*place != NULL) {
        struct session *session = *place;
        session_reap(session);
        if (!session->ended) {
            place = &session->next;
            continue;
        }
        *place = session->next;
        control->n_sessions--;
        session_free(session);
    }
}
