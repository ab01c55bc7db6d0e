/* SPDX-License-Identifier: Apache-2.0 */
#include "session.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../common/text.h"
#include "command.h"
#include "control.h"
#include "daemon.h"
#include "job.h"

#define READ_BYTES       16384u /* per turn */
#define LINES_PER_TURN   16
#define QUEUED_FOR_INPUT 65536u /* more to be read by the client: its commands wait */

/* Lines on their way out. The descriptor goes with the first byte. */
struct output {
    struct output *next;
    size_t length, sent;
    int fd;
    char text[];
};

static struct daemon *daemon_of(const struct session *session)
{
    return control_daemon(session->control);
}

/* ---- life ---------------------------------------------------------------------------------------- */

/* What the session waits for: input unless its answers pile up, and room to write if anything
 * waits to be written or done. */
static void watch_update(struct session *session)
{
    uint32_t events = 0;

    if (session->ended)
        return;
    if (session->queued < QUEUED_FOR_INPUT && session->producer == NULL && !session->turn &&
        !session->ending && !session->eof)
        events |= EPOLLIN;
    if (session->first != NULL || session->producer != NULL || session->turn || session->ending)
        events |= EPOLLOUT;
    if (events == session->watch.events)
        return;
    session->watch.events = events;
    if (rpr_watch_start(daemon_of(session)->loop, &session->watch) != 0)
        session_end(session);
}

void session_end(struct session *session)
{
    if (session->ended)
        return;
    session->ended = true;
    rpr_watch_stop(daemon_of(session)->loop, &session->watch);
    shutdown(session->watch.fd, SHUT_RDWR);
    for (struct job *job = session->jobs; job != NULL; job = job->next)
        job_end(job);
}

static void output_free(struct output *output)
{
    if (output->fd >= 0)
        close(output->fd);
    free(output);
}

void session_free(struct session *session)
{
    while (session->first != NULL) {
        struct output *output = session->first;
        session->first = output->next;
        output_free(output);
    }
    close(session->watch.fd);
    free(session->input);
    free(session);
}

static bool may_change(int fd)
{
    struct ucred peer;
    socklen_t length = sizeof(peer);

    return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &length) == 0 &&
           (peer.uid == geteuid() || peer.uid == 0);
}

static void hello(struct session *session)
{
    session_send(session, json_pack("{s:{s:s,s:s,s:i}}", "hello", "node",
                                    rpr_node_name(daemon_of(session)->node), "version", RPR_VERSION,
                                    "protocol", 1));
}

/* ---- output -------------------------------------------------------------------------------------- */

static ssize_t write_some(int socket_fd, const struct output *output)
{
    struct iovec part = {.iov_base = (void *)(uintptr_t)(output->text + output->sent),
                         .iov_len = output->length - output->sent};
    union {
        char bytes[CMSG_SPACE(sizeof(int))];
        struct cmsghdr align;
    } control;
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};

    if (output->fd >= 0 && output->sent == 0) {
        memset(&control, 0, sizeof(control));
        message.msg_control = control.bytes;
        message.msg_controllen = sizeof(control.bytes);
        struct cmsghdr *header = CMSG_FIRSTHDR(&message);
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN(sizeof(int));
        memcpy(CMSG_DATA(header), &output->fd, sizeof(int));
    }
    return sendmsg(socket_fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
}

static void flush_output(struct session *session)
{
    while (session->first != NULL && !session->ended) {
        struct output *output = session->first;
        ssize_t sent = write_some(session->watch.fd, output);
        if (sent < 0) {
            if (errno != EAGAIN && errno != EINTR)
                session_end(session);
            return;
        }
        output->sent += (size_t)sent;
        session->queued -= (size_t)sent;
        if (output->sent < output->length)
            return;
        session->first = output->next;
        if (session->first == NULL)
            session->last = &session->first;
        output_free(output);
    }
}

void session_send_fd(struct session *session, json_t *line, int fd)
{
    char *text = line == NULL ? NULL : json_dumps(line, JSON_COMPACT | JSON_ENSURE_ASCII);
    size_t length = text == NULL ? 0 : strlen(text) + 1;

    json_decref(line);
    if (session->ended || text == NULL || length > SESSION_LINE_MAX ||
        session->queued + length > SESSION_OUTPUT_MAX) {
        if (fd >= 0)
            close(fd);
        session_end(session);
    } else {
        struct output *output = need_memory(sizeof(*output) + length);
        memcpy(output->text, text, length - 1);
        output->text[length - 1] = '\n';
        output->length = length;
        output->fd = fd;
        *session->last = output;
        session->last = &output->next;
        session->queued += length;
        watch_update(session);
    }
    free(text);
}

void session_send(struct session *session, json_t *line)
{
    session_send_fd(session, line, -1);
}

void session_ok(struct session *session, json_t *id, json_t *result)
{
    session_send(session, json_pack("{s:O,s:b,s:o}", "id", id, "ok", 1, "result", result));
}

void session_error(struct session *session, json_t *id, const char *code, const char *format, ...)
{
    char text[512];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    for (char *c = text; *c != '\0'; c++)
        if (*c < ' ' || *c > '~')
            *c = '?';
    session_send(session, json_pack("{s:O,s:b,s:{s:s,s:s}}", "id", id, "ok", 0, "error", "code",
                                    code, "text", text));
}

/* ---- input --------------------------------------------------------------------------------------- */

static void too_long(struct session *session)
{
    session_error(session, json_null(), "too-long", "a line has at most %u bytes",
                  SESSION_LINE_MAX);
    session->input_used = 0;
    session->turn = false;
    session->ending = true;
}

/* Executes what is complete, a few lines a turn; a long answer comes before the next command. */
static void take_lines(struct session *session)
{
    char *line = session->input;
    char *end = session->input + session->input_used;
    char *newline = NULL;

    for (int i = 0; i < LINES_PER_TURN && session->producer == NULL && !session->ended &&
                    !session->ending && session->queued < QUEUED_FOR_INPUT;
         i++) {
        newline = memchr(line, '\n', (size_t)(end - line));
        if (newline == NULL)
            break;
        if (newline - line >= SESSION_LINE_MAX) {
            too_long(session);
            return;
        }
        command_run(session, line, (size_t)(newline - line));
        line = newline + 1;
    }
    session->input_used = (size_t)(end - line);
    memmove(session->input, line, session->input_used);
    session->turn = memchr(session->input, '\n', session->input_used) != NULL;
    if (!session->turn && session->input_used >= SESSION_LINE_MAX)
        too_long(session);
}

/* No more commands. Who has only shut down its sending side still gets its answers. */
static void end_of_input(struct session *session, bool gone)
{
    session->eof = true;
    if (gone)
        session_end(session);
}

static void read_some(struct session *session, bool gone)
{
    size_t room = session->input_bytes - session->input_used;

    if (room < READ_BYTES) {
        session->input_bytes += READ_BYTES - room;
        session->input = need_array(session->input, session->input_bytes, 1);
    }
    ssize_t got =
        recv(session->watch.fd, session->input + session->input_used, READ_BYTES, MSG_DONTWAIT);
    if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR)) {
        end_of_input(session, gone || got < 0);
        return;
    }
    if (got > 0)
        session->input_used += (size_t)got;
    take_lines(session);
}

static bool is_finished(const struct session *session)
{
    if (session->first != NULL)
        return false;
    return session->ending ||
           (session->eof && session->n_jobs == 0 && !session->turn && session->producer == NULL);
}

/* One thing a turn: what is written goes first, then the long answer, then commands. */
static void step(struct session *session, uint32_t events)
{
    bool gone = (events & (EPOLLHUP | EPOLLERR)) != 0;

    if (session->producer != NULL) {
        if (session->first == NULL)
            session->producer->ops->produce(session->producer);
    } else if (session->turn) {
        take_lines(session);
    } else if (session->eof) {
        if (gone)
            session_end(session);
    } else if (gone || (events & EPOLLIN) != 0) {
        read_some(session, gone);
    }
}

static void on_ready(struct rpr_watch *watch, uint32_t events)
{
    struct session *session = (struct session *)((char *)watch - offsetof(struct session, watch));

    flush_output(session);
    if (!session->ended && !session->ending)
        step(session, events);
    flush_output(session);
    if (!session->ended && is_finished(session))
        session_end(session);
    watch_update(session);
}

struct session *session_open(struct control *control, int fd)
{
    struct session *session = calloc(1, sizeof(*session));

    if (session == NULL)
        return NULL;
    session->control = control;
    session->watch = (struct rpr_watch){.ready = on_ready, .fd = fd, .events = EPOLLIN};
    session->last = &session->first;
    session->may_change = may_change(fd);
    if (rpr_watch_start(daemon_of(session)->loop, &session->watch) != 0) {
        free(session);
        return NULL;
    }
    hello(session);
    return session;
}

/* ---- jobs ---------------------------------------------------------------------------------------- */

void session_event(struct session *session, const struct rpr_event *event)
{
    for (struct job *job = session->jobs; job != NULL; job = job->next)
        if (!job->ended && job->ops->event != NULL)
            job->ops->event(job, event);
}

void session_reap(struct session *session)
{
    struct job **place = &session->jobs;

    while (*place != NULL) {
        struct job *job = *place;
        if (!job->ended) {
            place = &job->next;
            continue;
        }
        *place = job->next;
        session->n_jobs--;
        json_decref(job->id);
        free(job);
    }
    if (!session->ended && is_finished(session))
        session_end(session);
}

void *job_start(struct session *session, json_t *id, const struct job_ops *ops, size_t bytes)
{
    if (session->n_jobs >= SESSION_JOBS_MAX) {
        session_error(session, id, "busy", "%u commands are running on this connection",
                      session->n_jobs);
        return NULL;
    }
    struct job *job = need_memory(bytes);
    job->ops = ops;
    job->session = session;
    job->id = json_incref(id);
    job->next = session->jobs;
    session->jobs = job;
    session->n_jobs++;
    if (ops->produce != NULL) {
        session->producer = job;
        watch_update(session);
    }
    return job;
}

void job_end(struct job *job)
{
    if (job->ended)
        return;
    job->ended = true;
    if (job->session->producer == job)
        job->session->producer = NULL;
    job->ops->fini(job);
}

void job_ok(struct job *job, json_t *result)
{
    if (!job->ended)
        session_ok(job->session, job->id, result);
    else
        json_decref(result);
    job_end(job);
}

void job_event(struct job *job, const char *kind, json_t *more)
{
    json_t *line = json_pack("{s:O,s:s}", "id", job->id, "event", kind);

    json_object_update(line, more);
    json_decref(more);
    session_send(job->session, line);
}

struct daemon *job_daemon(const struct job *job)
{
    return daemon_of(job->session);
}
