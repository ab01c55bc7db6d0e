/* SPDX-License-Identifier: Apache-2.0 */
/* cat: stdin to messages, messages to stdout. */
#include <errno.h>
#include <getopt.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "../common/text.h"
#include "stream.h"

struct cat {
    const struct cli *cli;
    const char *device, *service;
    bool lines, verbose;
    int wait_ms;      /* for a peer; -1: for ever */
    uint32_t read_ms; /* go on reading after the end of stdin */
    struct rpr_client *client;
    struct sink sink;
    bool eof;
    uint64_t sent_bytes, sent_messages;
    size_t begin, end; /* of what was read and not sent, in `data` */
    char data[STREAM_BYTES];
};

static int64_t now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static _Noreturn void die_gone(const struct cat *cat, int result)
{
    die(cat->cli, STATUS_GONE, "%s %s; %llu bytes were taken", cat->device,
        result == -RPR_ENOENT ? "closed the service" : "is gone",
        (unsigned long long)cat->sent_bytes);
}

/* ---- stdin --------------------------------------------------------------------------------------- */

static bool stdin_has_more(void)
{
    struct pollfd in = {.fd = STDIN_FILENO, .events = POLLIN};

    return poll(&in, 1, 0) == 1;
}

/* Reads once; there is room. */
static void read_stdin(struct cat *cat)
{
    if (cat->begin > 0) {
        memmove(cat->data, cat->data + cat->begin, cat->end - cat->begin);
        cat->end -= cat->begin;
        cat->begin = 0;
    }
    ssize_t got = read(STDIN_FILENO, cat->data + cat->end, sizeof(cat->data) - cat->end);
    if (got == 0)
        cat->eof = true;
    else if (got > 0)
        cat->end += (size_t)got;
    else if (errno != EAGAIN && errno != EINTR)
        die(cat->cli, STATUS_FAILED, "stdin: %s; %llu bytes were taken", strerror(errno),
            (unsigned long long)cat->sent_bytes);
}

/* ---- messages ------------------------------------------------------------------------------------ */

/* Length of the next message, 0 if it is better to read more first: messages are as long as the
 * link takes while stdin has more, and never wait for a stdin that has not. */
static size_t next_message(const struct cat *cat)
{
    size_t room = rpr_client_tx_len(cat->client);
    size_t have = cat->end - cat->begin;

    if (cat->lines) {
        const char *newline = memchr(cat->data + cat->begin, '\n', have);
        size_t line = newline != NULL ? (size_t)(newline + 1 - cat->data) - cat->begin : have;
        if (newline == NULL && have < room && !cat->eof)
            return 0;
        return line < room ? line : room;
    }
    if (have >= room)
        return room;
    return cat->eof || !stdin_has_more() ? have : 0;
}

/* Sends what can be sent without waiting. True: the link takes no more now. */
static bool send_some(struct cat *cat)
{
    size_t length;

    while (cat->begin < cat->end && (length = next_message(cat)) > 0) {
        int result = rpr_client_send(cat->client, cat->data + cat->begin, length, 0);
        if (result == -RPR_ETIMEDOUT)
            return true;
        if (result == -RPR_EMSGSIZE)
            continue; /* the link came back with shorter messages */
        if (result != 0)
            die_gone(cat, result);
        cat->begin += length;
        cat->sent_bytes += length;
        cat->sent_messages++;
    }
    return false;
}

static void wait_for_work(const struct cat *cat)
{
    bool room = cat->end - cat->begin < sizeof(cat->data) && !cat->eof;
    struct pollfd fds[] = {
        {.fd = rpr_client_fd(cat->client), .events = POLLIN},
        {.fd = room ? STDIN_FILENO : -1, .events = POLLIN},
    };

    poll(fds, 2, -1);
}

static bool all_sent(const struct cat *cat)
{
    return cat->eof && cat->begin == cat->end;
}

/* True: the peer has closed. A program that reads on takes that for a good end if nothing was left to
 * be sent, and the end of stdin may be all that is. */
static bool receive_some(struct cat *cat)
{
    int result = sink_receive(&cat->sink, cat->client, 0);

    if (result == -RPR_ETIMEDOUT)
        return false;
    if (result == -RPR_ENOENT && cat->read_ms > 0 && !cat->eof && cat->begin == cat->end &&
        stdin_has_more())
        read_stdin(cat);
    if (result != -RPR_ENOENT || cat->read_ms == 0 || !all_sent(cat))
        die_gone(cat, result);
    return true;
}

/* True: the peer has closed when all was sent. */
static bool copy(struct cat *cat)
{
    while (!all_sent(cat)) {
        bool full = send_some(cat);
        if (receive_some(cat))
            return true;
        if (all_sent(cat))
            break;
        if (full || !stdin_has_more() || cat->eof)
            wait_for_work(cat);
        if (!cat->eof && cat->end - cat->begin < sizeof(cat->data) && stdin_has_more())
            read_stdin(cat);
    }
    return false;
}

/* -w: until the time is over or the peer closes, which is then as good an end: true. */
static bool read_on(struct cat *cat)
{
    int64_t end = now_ms() + cat->read_ms;
    int result = -RPR_ETIMEDOUT;

    for (int64_t left = cat->read_ms; left > 0 && result == -RPR_ETIMEDOUT; left = end - now_ms())
        result = sink_receive(&cat->sink, cat->client, (int)left);
    if (result != -RPR_ETIMEDOUT && result != -RPR_ENOENT)
        die_gone(cat, result);
    return result == -RPR_ENOENT;
}

static void finish(struct cat *cat, bool closed)
{
    if (!closed)
        closed = read_on(cat);
    int result = rpr_client_close(cat->client, -1);

    if (result != 0 && !closed)
        die_gone(cat, result);
}

static int run(struct cat *cat)
{
    char *control = control_path(cat->cli);

    cat->client = stream_open(cat->cli, control, cat->device, cat->service);
    free(control);
    int result = rpr_client_wait(cat->client, cat->wait_ms);
    if (result == -RPR_ETIMEDOUT)
        die(cat->cli, STATUS_GONE, "nobody serves '%s' on %s", cat->service, cat->device);
    if (result != 0)
        die_gone(cat, result);
    finish(cat, copy(cat));
    if (cat->verbose)
        complain(cat->cli, "sent %llu bytes in %llu messages, received %llu bytes in %llu messages",
                 (unsigned long long)cat->sent_bytes, (unsigned long long)cat->sent_messages,
                 (unsigned long long)cat->sink.bytes, (unsigned long long)cat->sink.messages);
    return STATUS_OK;
}

int cat_main(struct cli *cli, int argc, char **argv)
{
    struct cat *cat = need_memory(sizeof(*cat));
    int option;

    cat->cli = cli;
    cat->sink.cli = cli;
    cat->wait_ms = -1;
    while ((option = next_option(cli, argc, argv, "Lvt:w:")) != -1) {
        if (option == 'L')
            cat->lines = true;
        else if (option == 'v')
            cat->verbose = true;
        else if (option == 't')
            cat->wait_ms = (int)need_seconds(cli, optarg, "-t");
        else
            cat->read_ms = need_seconds(cli, optarg, "-w");
    }
    cat->device = need_device(cli, argc, argv);
    if (strcmp(cat->device, "all") == 0)
        usage(cli, "name one device");
    cat->service = need_service(cli, argc, argv);
    no_more_arguments(cli, argc, argv);
    int status = run(cat);
    free(cat);
    return status;
}
