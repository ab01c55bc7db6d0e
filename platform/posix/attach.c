/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A client needs three things of JSON: to quote two names, to see whether an answer is ok, and to
 * show the text of one that is not. That much is here, so that the library needs no JSON library.
 */
#include "posix/attach.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "posix/unix.h"

#define LINE_BYTES     65536u /* longest line of a control socket */
#define REQUEST_BYTES  1024u
#define ANSWER_SECONDS 5
#define MAX_FDS        4u

/* ---- JSON ----------------------------------------------------------------------------------------- */

/* `text` as a JSON string. Returns the end; there is room for six bytes of each. */
static char *quote(char *to, const char *text)
{
    *to++ = '"';
    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;

        if (c < ' ' || c == '"' || c == '\\' || c == 0x7f)
            to += sprintf(to, "\\u%04x", c);
        else
            *to++ = (char)c;
    }
    *to++ = '"';
    *to = '\0';
    return to;
}

/* Behind a string that starts at `at` (its first quote), or the end of the line. */
static const char *skip_string(const char *at)
{
    for (at++; *at && *at != '"'; at++)
        if (*at == '\\' && at[1])
            at++;
    return *at ? at + 1 : at;
}

/* The value of the first member `key` that is `depth` objects deep, or NULL. */
static const char *find_member(const char *line, const char *key, int depth)
{
    size_t length = strlen(key);
    int at_depth = 0;

    while (*line) {
        if (*line == '"') {
            const char *name = line + 1;

            line = skip_string(line);
            while (*line == ' ')
                line++;
            if (*line == ':' && at_depth == depth && strncmp(name, key, length) == 0 &&
                name[length] == '"')
                return line + 1 + strspn(line + 1, " ");
        } else {
            at_depth += (*line == '{' || *line == '[') - (*line == '}' || *line == ']');
            line++;
        }
    }
    return NULL;
}

/* The text of a string, simply: escapes lose their backslash. */
static void copy_string(char *to, size_t bytes, const char *value)
{
    char *end = to + bytes - 1;

    if (value && *value == '"')
        for (value++; *value && *value != '"' && to < end; value++) {
            if (*value == '\\' && value[1])
                value++;
            *to++ = *value;
        }
    *to = '\0';
}

/* ---- conversation ------------------------------------------------------------------------------------ */

struct talk {
    int control;
    int fds[MAX_FDS];
    unsigned n_fds;
    int refused;       /* the daemon's answer: 0, or what it means to the caller */
    size_t used, line; /* bytes read; of them, the line that was given last */
    char bytes[LINE_BYTES];
};

/* Codes of docs/CONTROL.md that tell a program what to do; any other is -RPR_EIO. */
static const struct {
    const char *code;
    int error;
} refusals[] = {
    {"bad-request", -RPR_EINVAL},    {"busy", -RPR_EBUSY},       {"denied", -RPR_EPERM},
    {"exists", -RPR_EEXIST},         {"no-device", -RPR_ENOENT}, {"not-up", -RPR_ENOTCONN},
    {"not-supported", -RPR_ENOTSUP},
};

static int complain(char error[RPR_ERROR_TEXT], const char *path, const char *what)
{
    snprintf(error, RPR_ERROR_TEXT, "%.108s: %.120s", path, what);
    return -RPR_ENOTCONN;
}

static void take_fds(struct talk *t, struct msghdr *message)
{
    struct cmsghdr *head;

    for (head = CMSG_FIRSTHDR(message); head; head = CMSG_NXTHDR(message, head)) {
        size_t n = (head->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        int fds[MAX_FDS];
        size_t i;

        if (head->cmsg_level != SOL_SOCKET || head->cmsg_type != SCM_RIGHTS)
            continue;
        memcpy(fds, CMSG_DATA(head), n * sizeof(int));
        for (i = 0; i < n; i++)
            if (t->n_fds < MAX_FDS)
                t->fds[t->n_fds++] = fds[i];
            else
                close(fds[i]);
    }
}

/* NULL, or what went wrong. */
static const char *read_some(struct talk *t)
{
    union {
        char room[CMSG_SPACE(MAX_FDS * sizeof(int))];
        struct cmsghdr align;
    } control;
    struct iovec part = {.iov_base = t->bytes + t->used, .iov_len = LINE_BYTES - 1 - t->used};
    struct msghdr message = {.msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = control.room,
                             .msg_controllen = sizeof(control.room)};
    ssize_t n;

    if (part.iov_len == 0)
        return "the daemon sent an endless line";
    do
        n = recvmsg(t->control, &message, MSG_CMSG_CLOEXEC);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return errno == EAGAIN ? "the daemon does not answer" : strerror(errno);
    take_fds(t, &message);
    if (n == 0)
        return "the daemon closed the connection";
    t->used += (size_t)n;
    return NULL;
}

/* The next line, terminated, in `bytes`. */
static const char *next_line(struct talk *t)
{
    const char *wrong;
    char *end;

    memmove(t->bytes, t->bytes + t->line, t->used - t->line);
    t->used -= t->line;
    t->line = 0;
    while (!(end = memchr(t->bytes, '\n', t->used))) {
        wrong = read_some(t);
        if (wrong)
            return wrong;
    }
    *end = '\0';
    t->line = (size_t)(end + 1 - t->bytes);
    return NULL;
}

static const char *send_request(const struct talk *t, const char *device, const char *service,
                                bool own)
{
    char request[REQUEST_BYTES];
    char *at = stpcpy(request, "{\"id\":1,\"cmd\":\"attach\",\"args\":{\"service\":");

    at = quote(at, service);
    if (device)
        at = quote(stpcpy(at, ",\"device\":"), device);
    if (own)
        at = stpcpy(at, ",\"own\":true");
    at = stpcpy(at, "}}\n");
    return send(t->control, request, (size_t)(at - request), MSG_NOSIGNAL) == at - request
               ? NULL
               : "the daemon closed the connection";
}

static int meaning_of(const char *code)
{
    size_t i;

    for (i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++)
        if (strcmp(refusals[i].code, code) == 0)
            return refusals[i].error;
    return -RPR_EIO;
}

/* NULL: the last line says ok, and one descriptor came. */
static const char *judge(struct talk *t, char text[RPR_ERROR_TEXT])
{
    const char *ok = find_member(t->bytes, "ok", 1);
    char code[32];

    if (ok && strncmp(ok, "true", 4) == 0)
        return t->n_fds == 1 ? NULL : "the answer to attach came without its one descriptor";
    copy_string(code, sizeof(code), find_member(t->bytes, "code", 2));
    copy_string(text, RPR_ERROR_TEXT, find_member(t->bytes, "text", 2));
    t->refused = meaning_of(code);
    return text[0] ? text : "the daemon refuses to attach";
}

static const char *converse(struct talk *t, const char *device, const char *service, bool own,
                            char text[RPR_ERROR_TEXT])
{
    const char *wrong = next_line(t);

    if (!wrong && !strstr(t->bytes, "\"hello\"")) /* a member or an event */
        wrong = "this is no control socket of rpmsgd";
    if (!wrong)
        wrong = send_request(t, device, service, own);
    do {
        if (!wrong)
            wrong = next_line(t);
    } while (!wrong && !find_member(t->bytes, "ok", 1));
    return wrong ? wrong : judge(t, text);
}

int attach(struct attached *attached, const char *path, const char *device, const char *service,
           bool own, char error[RPR_ERROR_TEXT])
{
    struct timeval patience = {.tv_sec = ANSWER_SECONDS};
    struct talk talk = {.control = unix_connect_wait(path, SOCK_STREAM)};
    char text[RPR_ERROR_TEXT];
    const char *wrong;

    if (talk.control < 0)
        return complain(error, path, strerror(-talk.control));
    setsockopt(talk.control, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    setsockopt(talk.control, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
    wrong = converse(&talk, device, service, own, text);
    if (wrong) {
        while (talk.n_fds)
            close(talk.fds[--talk.n_fds]);
        close(talk.control);
        if (!talk.refused)
            return complain(error, path, wrong);
        snprintf(error, RPR_ERROR_TEXT, "%s", wrong);
        return talk.refused;
    }
    attached->control = talk.control;
    attached->fd = talk.fds[0];
    attached->trusted = rpr_unix_same_user(talk.control);
    return 0;
}
