/* SPDX-License-Identifier: Apache-2.0 */
/* The control socket, from the client's side (docs/CONTROL.md). */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include <rpr/posix.h>

#include "../common/text.h"
#include "cli.h"

#define LINE_MAX_BYTES     65536u
#define CONTROL_PATH_BYTES sizeof(((struct sockaddr_un *)0)->sun_path)
#define ANSWER_MS          5000u /* a daemon that runs answers at once */
#define LOOK_AGAIN_MS      10u   /* for a daemon that is not there yet */

struct connection {
    const struct cli *cli;
    int fd;
    json_int_t last_id;
    size_t used;
    char text[LINE_MAX_BYTES + 1];
};

/* ---- which daemon -------------------------------------------------------------------------------- */

char *control_path(const struct cli *cli)
{
    char path[CONTROL_PATH_BYTES], error[RPR_ERROR_TEXT] = "";

    if (rpr_control_find(path, cli->control, cli->node, error) != 0)
        die(cli, cli->node != NULL ? STATUS_GONE : STATUS_USAGE, "%s", error);
    return text_dup(path);
}

/* Its descriptor, or -errno. */
static int connect_path(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && connect(fd, (const struct sockaddr *)&address, sizeof(address)) == 0)
        return fd;
    int code = errno;
    if (fd >= 0)
        close(fd);
    return -code;
}

/* A descriptor, or -1: no daemon is there (yet), `error` says where. What waiting cannot help exits,
 * and no daemon at all if nobody waits. */
static int try_connect(const struct cli *cli, bool waits, char error[RPR_ERROR_TEXT])
{
    char path[CONTROL_PATH_BYTES];
    int code = rpr_control_find(path, cli->control, cli->node, error);

    if (code == -RPR_ENOENT && (waits || cli->node != NULL))
        return -1;
    if (code != 0)
        die(cli, STATUS_USAGE, "%s", error);
    int fd = connect_path(path);
    if (fd >= 0)
        return fd;
    if (fd != -ENOENT && fd != -ECONNREFUSED)
        die(cli, fd == -EACCES ? STATUS_FAILED : STATUS_GONE, "%s: %s", path, strerror(-fd));
    snprintf(error, RPR_ERROR_TEXT, "no daemon at %s: %s", path, strerror(-fd));
    return -1;
}

/* ---- lines --------------------------------------------------------------------------------------- */

static _Noreturn void die_gone(const struct connection *connection)
{
    die(connection->cli, STATUS_GONE, "the daemon is gone");
}

static json_t *parse(const struct connection *connection, const char *line, size_t length)
{
    json_error_t error;
    json_t *value = json_loadb(line, length, 0, &error);

    if (!json_is_object(value))
        die(connection->cli, STATUS_FAILED, "the daemon's answer is not understood: %s",
            value == NULL ? error.text : "no object");
    return value;
}

static json_t *take_line(struct connection *connection)
{
    char *newline = memchr(connection->text, '\n', connection->used);

    if (newline == NULL)
        return NULL;
    json_t *line = parse(connection, connection->text, (size_t)(newline - connection->text));
    connection->used -= (size_t)(newline + 1 - connection->text);
    memmove(connection->text, newline + 1, connection->used);
    return line;
}

json_t *next_line(struct connection *connection, const volatile int *interrupted)
{
    for (;;) {
        json_t *line = take_line(connection);
        if (line != NULL)
            return line;
        if (connection->used == LINE_MAX_BYTES)
            die(connection->cli, STATUS_FAILED, "the daemon's answer is too long");
        if (interrupted != NULL && *interrupted)
            return NULL;
        ssize_t got = read(connection->fd, connection->text + connection->used,
                           LINE_MAX_BYTES - connection->used);
        if (got > 0)
            connection->used += (size_t)got;
        else if (got < 0 && errno == EAGAIN)
            die(connection->cli, STATUS_GONE, "the daemon does not answer");
        else if (got == 0 || errno != EINTR)
            die_gone(connection);
    }
}

static void write_all(struct connection *connection, const char *text, size_t length)
{
    while (length > 0) {
        ssize_t done = send(connection->fd, text, length, MSG_NOSIGNAL);
        if (done < 0 && errno == EINTR)
            continue;
        if (done < 0)
            die_gone(connection);
        text += done;
        length -= (size_t)done;
    }
}

void have_patience(struct connection *connection, uint32_t ms)
{
    struct timeval patience = {0};

    if (ms != NO_TIMEOUT) {
        ms = ms < UINT32_MAX - ANSWER_MS ? ms + ANSWER_MS : ms;
        patience.tv_sec = (time_t)(ms / 1000);
        patience.tv_usec = (suseconds_t)(ms % 1000) * 1000;
    }
    setsockopt(connection->fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
}

static struct connection *greet(const struct cli *cli, int fd)
{
    struct connection *connection = need_memory(sizeof(*connection));

    connection->cli = cli;
    connection->fd = fd;
    have_patience(connection, 0);
    json_t *line = next_line(connection, NULL);
    if (number_of(json_object_get(line, "hello"), "protocol") != 1)
        die(cli, STATUS_FAILED, "the daemon speaks another protocol than this version");
    json_decref(line);
    return connection;
}

struct connection *connect_daemon(const struct cli *cli)
{
    char error[RPR_ERROR_TEXT] = "";
    int fd = try_connect(cli, false, error);

    if (fd < 0)
        die(cli, STATUS_GONE, "%s", error);
    return greet(cli, fd);
}

struct connection *await_daemon(const struct cli *cli, uint32_t *timeout_ms)
{
    static const struct timespec pause = {.tv_nsec = LOOK_AGAIN_MS * 1000000};
    char error[RPR_ERROR_TEXT] = "";
    int fd = try_connect(cli, true, error);

    if (fd < 0 && *timeout_ms == NO_TIMEOUT)
        complain(cli, "%s; waiting for it", error);
    while (fd < 0) {
        if (*timeout_ms == 0)
            die(cli, STATUS_GONE, "%s", error);
        nanosleep(&pause, NULL);
        if (*timeout_ms != NO_TIMEOUT)
            *timeout_ms -= *timeout_ms < LOOK_AGAIN_MS ? *timeout_ms : LOOK_AGAIN_MS;
        fd = try_connect(cli, true, error);
    }
    return greet(cli, fd);
}

void disconnect(struct connection *connection)
{
    close(connection->fd);
    free(connection);
}

json_int_t send_command(struct connection *connection, const char *command, json_t *args)
{
    json_t *request =
        json_pack("{s:I,s:s,s:o*}", "id", ++connection->last_id, "cmd", command, "args", args);
    char *text = json_dumps(request, JSON_COMPACT);

    json_decref(request);
    if (text == NULL)
        die(connection->cli, STATUS_USAGE, "an argument is no UTF-8 text");
    write_all(connection, text, strlen(text));
    write_all(connection, "\n", 1);
    free(text);
    return connection->last_id;
}

/* ---- answers ------------------------------------------------------------------------------------- */

int answer_status(const struct cli *cli, json_t *answer)
{
    static const char *const gone[] = {"no-device", "not-up", "timeout", "lost"};
    const json_t *error = json_object_get(answer, "error");

    complain(cli, "%s", text_of(error, "text"));
    for (size_t i = 0; i < sizeof(gone) / sizeof(gone[0]); i++)
        if (strcmp(text_of(error, "code"), gone[i]) == 0)
            return STATUS_GONE;
    return STATUS_FAILED;
}

static void merge(json_t *into, json_t *part);

/* Appends; a device that a part goes on with is the last of the part before. */
static void merge_arrays(json_t *into, json_t *part)
{
    size_t index;
    json_t *item;

    json_array_foreach(part, index, item)
    {
        json_t *last = json_array_get(into, json_array_size(into) - 1);
        if (index == 0 && last != NULL && json_object_get(item, "endpoints") != NULL &&
            strcmp(text_of(last, "name"), text_of(item, "name")) == 0)
            merge(last, item);
        else
            json_array_append(into, item);
    }
}

static void merge(json_t *into, json_t *part)
{
    const char *key;
    json_t *value;

    json_object_foreach(part, key, value)
    {
        json_t *old = json_object_get(into, key);
        if (json_is_array(old) && json_is_array(value))
            merge_arrays(old, value);
        else
            json_object_set(into, key, value);
    }
}

json_t *call(struct connection *connection, const char *command, json_t *args, int *status)
{
    json_int_t id = send_command(connection, command, args);
    json_t *result = json_object();

    for (;;) {
        json_t *line = next_line(connection, NULL);
        if (number_of(line, "id") != id) {
            json_decref(line);
            continue;
        }
        if (json_is_string(json_object_get(line, "event"))) {
            merge(result, json_object_get(line, "part"));
            json_decref(line);
            continue;
        }
        if (json_is_true(json_object_get(line, "ok"))) {
            merge(result, json_object_get(line, "result"));
            json_decref(line);
            return result;
        }
        *status = answer_status(connection->cli, line);
        json_decref(line);
        json_decref(result);
        return NULL;
    }
}
