/* SPDX-License-Identifier: Apache-2.0 */
#include "log_writer.h"

#include <ctype.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "../common/text.h"

#define RETRY_MS 1000

/* The lines of one put. */
struct block {
    struct block *next;
    size_t len;
    char text[];
};

struct log_writer {
    struct rpr_loop *loop;
    const char *node;
    void (*room)(void *ctx);
    void *ctx;
    struct rpr_watch watch; /* an eventfd: the owner is to call `room` */
    int wake;               /* an eventfd: the thread is to look at what follows */
    pthread_t thread;

    pthread_mutex_t lock; /* of all below */
    struct block *first, **last;
    size_t bytes; /* of them, and of the one that is being written */
    bool refused, stop, reopen, change;
    struct log_output next; /* with `change` */
    uint64_t lost;

    /* The thread's own. */
    struct log_output output;
    bool broken; /* it can never be written to */
    bool told;   /* why it has to wait */
};

/* ---- the thread ---------------------------------------------------------------------------------------- */

static void ring(int fd)
{
    uint64_t one = 1;

    (void)!write(fd, &one, sizeof(one));
}

static void quiet(int fd)
{
    uint64_t n;

    (void)!read(fd, &n, sizeof(n));
}

static void complain(const struct log_writer *writer, const char *why, const char *what)
{
    fprintf(stderr, "rpmsgd %s: log: %s%s\n", writer->node, why, what);
}

/* What the owner has asked for. */
static void obey(struct log_writer *writer)
{
    char why[CONFIG_ERROR_BYTES] = "";

    pthread_mutex_lock(&writer->lock);
    if (writer->change) {
        log_output_close(&writer->output);
        writer->output = writer->next;
        writer->broken = writer->told = false;
    } else if (writer->reopen && !log_output_reopen(&writer->output, why)) {
        complain(writer, why, "; it goes on with the old one");
    }
    writer->change = writer->reopen = false;
    pthread_mutex_unlock(&writer->lock);
}

static bool must_stop(struct log_writer *writer)
{
    pthread_mutex_lock(&writer->lock);
    bool stop = writer->stop;
    pthread_mutex_unlock(&writer->lock);
    return stop;
}

/* Until the output may take more (fd -1: a while), or the owner wants something, which is done. */
static void wait_for(struct log_writer *writer, int fd, int timeout_ms)
{
    struct pollfd fds[] = {{.fd = writer->wake, .events = POLLIN}, {.fd = fd, .events = POLLOUT}};

    poll(fds, 2, timeout_ms);
    if (fds[0].revents != 0)
        quiet(writer->wake);
    obey(writer);
}

static void lose(struct log_writer *writer, const char *why)
{
    if (!writer->broken)
        complain(writer, why, "; lines are lost from now on");
    writer->broken = true;
}

/* False: it is to stop, and the output does not take it. */
static bool write_chunk(struct log_writer *writer, const char *chunk, size_t len)
{
    char why[CONFIG_ERROR_BYTES] = "";
    size_t done = 0;
    bool last = false;

    while (!writer->broken) {
        switch (log_output_write(&writer->output, chunk, len, &done, why)) {
        case LOG_WRITTEN:
            writer->told = false;
            return true;
        case LOG_WAIT:
            if (must_stop(writer) && (done == 0 || last))
                return false;
            last = must_stop(writer); /* a line that is half written gets a second more */
            wait_for(writer, writer->output.fd, last ? RETRY_MS : -1);
            break;
        case LOG_RETRY:
            if (!writer->told)
                complain(writer, why, "; tried again until it works, senders wait");
            writer->told = true;
            if (must_stop(writer))
                return false;
            wait_for(writer, -1, RETRY_MS);
            break;
        case LOG_LOST:
            lose(writer, why);
            break;
        }
    }
    pthread_mutex_lock(&writer->lock);
    for (size_t i = 0; i < len; i++)
        writer->lost += chunk[i] == '\n';
    pthread_mutex_unlock(&writer->lock);
    return true;
}

static bool write_block(struct log_writer *writer, const struct block *block)
{
    for (size_t at = 0; at < block->len;) {
        size_t len = log_output_chunk(&writer->output, block->text + at, block->len - at);
        if (!write_chunk(writer, block->text + at, len))
            return false;
        at += len;
    }
    return true;
}

static struct block *take(struct log_writer *writer)
{
    pthread_mutex_lock(&writer->lock);
    struct block *block = writer->first;
    if (block != NULL) {
        writer->first = block->next;
        if (writer->first == NULL)
            writer->last = &writer->first;
    }
    pthread_mutex_unlock(&writer->lock);
    return block;
}

static void done_with(struct log_writer *writer, struct block *block)
{
    pthread_mutex_lock(&writer->lock);
    writer->bytes -= block->len;
    bool tell = writer->refused && writer->bytes <= LOG_QUEUE_BYTES / 2;
    if (tell)
        writer->refused = false;
    pthread_mutex_unlock(&writer->lock);
    if (tell)
        ring(writer->watch.fd);
    free(block);
}

static void *run(void *ctx)
{
    struct log_writer *writer = ctx;

    for (;;) {
        struct block *block = take(writer);
        if (block != NULL) {
            obey(writer); /* what was asked for before this was put */
            bool written = write_block(writer, block);
            done_with(writer, block);
            if (!written)
                return NULL;
        } else if (must_stop(writer)) {
            return NULL;
        } else {
            wait_for(writer, -1, -1);
        }
    }
}

/* ---- the owner ----------------------------------------------------------------------------------------- */

static void on_room(struct rpr_watch *watch, uint32_t events)
{
    struct log_writer *writer =
        (struct log_writer *)((char *)watch - offsetof(struct log_writer, watch));

    (void)events;
    quiet(watch->fd);
    writer->room(writer->ctx);
}

/* Signals are for the owner. */
static bool start_thread(struct log_writer *writer)
{
    sigset_t all, before;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    bool ok = pthread_create(&writer->thread, NULL, run, writer) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return ok;
}

static void free_writer(struct log_writer *writer)
{
    if (writer->wake >= 0)
        close(writer->wake);
    if (writer->watch.fd >= 0)
        close(writer->watch.fd);
    pthread_mutex_destroy(&writer->lock);
    free(writer);
}

struct log_writer *log_writer_open(struct rpr_loop *loop, const char *node,
                                   struct log_output *output, void (*room)(void *ctx), void *ctx)
{
    struct log_writer *writer = need_memory(sizeof(*writer));

    writer->loop = loop;
    writer->node = node;
    writer->room = room;
    writer->ctx = ctx;
    writer->last = &writer->first;
    writer->output = *output;
    writer->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    writer->watch = (struct rpr_watch){
        .ready = on_room, .fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), .events = EPOLLIN};
    pthread_mutex_init(&writer->lock, NULL);
    if (writer->wake >= 0 && writer->watch.fd >= 0 && rpr_watch_start(loop, &writer->watch) == 0) {
        if (start_thread(writer))
            return writer;
        rpr_watch_stop(loop, &writer->watch);
    }
    free_writer(writer);
    return NULL;
}

void log_writer_close(struct log_writer *writer)
{
    pthread_mutex_lock(&writer->lock);
    writer->stop = true;
    pthread_mutex_unlock(&writer->lock);
    ring(writer->wake);
    pthread_join(writer->thread, NULL);
    rpr_watch_stop(writer->loop, &writer->watch);
    obey(writer); /* an output that it was not given yet is closed here, too */
    log_output_close(&writer->output);
    for (struct block *block = take(writer); block != NULL; block = take(writer))
        free(block);
    free_writer(writer);
}

bool log_writer_is_idle(struct log_writer *writer)
{
    pthread_mutex_lock(&writer->lock);
    bool idle = writer->bytes == 0;
    pthread_mutex_unlock(&writer->lock);
    return idle;
}

uint64_t log_writer_lost(struct log_writer *writer)
{
    pthread_mutex_lock(&writer->lock);
    uint64_t lost = writer->lost;
    pthread_mutex_unlock(&writer->lock);
    return lost;
}

void log_writer_change(struct log_writer *writer, struct log_output *output)
{
    pthread_mutex_lock(&writer->lock);
    if (writer->change)
        log_output_close(&writer->next);
    writer->next = *output;
    writer->change = true;
    pthread_mutex_unlock(&writer->lock);
    ring(writer->wake);
}

void log_writer_reopen(struct log_writer *writer)
{
    pthread_mutex_lock(&writer->lock);
    writer->reopen = true;
    pthread_mutex_unlock(&writer->lock);
    ring(writer->wake);
}

/* ---- lines --------------------------------------------------------------------------------------------- */

/* Peers choose the text: nothing of it controls a terminal, or looks like another line. */
static char printable(char c)
{
    return c == '\t' || (unsigned char)c >= 0x80 || isprint((unsigned char)c) ? c : '?';
}

struct form {
    const char *cpu;
    char *to;
    size_t cpu_len;
    bool in_line;
};

static void add(struct form *form, const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (!form->in_line) {
            memcpy(form->to, form->cpu, form->cpu_len);
            form->to += form->cpu_len;
            *form->to++ = ':';
            *form->to++ = ' ';
            form->in_line = true;
        }
        if (text[i] == '\r' && i + 1 < len && text[i + 1] == '\n')
            continue;
        form->in_line = text[i] != '\n';
        *form->to++ = form->in_line ? printable(text[i]) : '\n';
    }
}

static size_t count_lines(const char *text, size_t len)
{
    size_t n = 0;

    for (size_t i = 0; i < len; i++)
        n += text[i] == '\n';
    return n;
}

static struct block *make_block(const char *cpu, const char *head, size_t head_len,
                                const char *text, size_t len)
{
    struct form form = {.cpu = cpu, .cpu_len = strlen(cpu)};
    size_t most = head_len + len + (count_lines(text, len) + 1) * (form.cpu_len + 2);
    struct block *block = need_memory(sizeof(*block) + most);

    form.to = block->text;
    add(&form, head, head_len);
    add(&form, text, len);
    block->len = (size_t)(form.to - block->text);
    return block;
}

bool log_writer_put(struct log_writer *writer, const char *cpu, const char *head, size_t head_len,
                    const char *text, size_t len)
{
    pthread_mutex_lock(&writer->lock);
    bool room = writer->bytes == 0 || writer->bytes + head_len + len <= LOG_QUEUE_BYTES;
    writer->refused |= !room;
    pthread_mutex_unlock(&writer->lock);
    if (!room)
        return false;

    struct block *block = make_block(cpu, head, head_len, text, len);
    pthread_mutex_lock(&writer->lock);
    bool was_empty = writer->first == NULL;
    *writer->last = block;
    writer->last = &block->next;
    writer->bytes += block->len;
    pthread_mutex_unlock(&writer->lock);
    if (was_empty)
        ring(writer->wake);
    return true;
}
