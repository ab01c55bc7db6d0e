/* SPDX-License-Identifier: Apache-2.0 */
/*
 * logger: text to the log of another CPU (rpmsg-syslog), as logger(1) does it to this one's.
 *
 * The text is in a ring until the server has it. Daemons, links and the server may come and go meanwhile:
 * it attaches again, and what the server has not got is sent then.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include <rpr/posix.h>
#include <rpr/syslog.h>

#include "../common/text.h"
#include "cli.h"

#define RING_BYTES    65536u /* lost at most when this program is killed, or its server */
#define INPUT_BYTES   65536u
#define MESSAGE_BYTES 65519u
#define DELAY_MS      100u
#define TEXT_WAIT_MS  5000u /* for a text of the command line */
#define TELL_MS       3000u /* of waiting, before somebody is told of it */
#define NS_PER_MS     UINT64_C(1000000)

/* Between two attempts to attach; twice as long each time. */
enum { AGAIN_MIN_MS = 20, AGAIN_MAX_MS = 1000 };

struct logger {
    struct cli *cli;
    const char *device;
    char *control;
    char prefix[128];
    uint32_t wait_ms; /* without anything taken by the server; NO_TIMEOUT: for ever */
    int input;        /* -1: all there is has been read */

    struct rpr_syslog_ring ring;
    struct rpr_client *client; /* NULL: not attached */
    bool bound;
    uint64_t again_ns; /* to attach */
    uint32_t again_ms;
    uint64_t moved_ns; /* the server took something */
    uint32_t pending;
    bool told; /* that it waits */
    char reason[RPR_ERROR_TEXT];

    bool stopped; /* by a signal: the line that was not read to its end is left out */

    size_t begin, end; /* of what has been read */
    char text[INPUT_BYTES];
    uint8_t memory[RING_BYTES];
    uint8_t message[MESSAGE_BYTES];
};

static uint64_t now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000u * NS_PER_MS + (uint64_t)now.tv_nsec;
}

/* ---- text ---------------------------------------------------------------------------------------------- */

/* A line with its prefix, if there is room for it in the ring. */
static bool put_line(struct logger *logger, const char *line, size_t len, bool begins)
{
    size_t prefix = begins ? strlen(logger->prefix) : 0;

    if (rpr_syslog_ring_room(&logger->ring) < prefix + len)
        return false;
    rpr_syslog_ring_write(&logger->ring, now_ns(), logger->prefix, (uint32_t)prefix);
    rpr_syslog_ring_write(&logger->ring, now_ns(), line, (uint32_t)len);
    return true;
}

/* Whole lines; the last one gets a newline. A line that does not fit into half a ring is cut there. */
static void fill_ring(struct logger *logger)
{
    while (logger->begin < logger->end) {
        char *line = logger->text + logger->begin;
        size_t most = logger->end - logger->begin;
        char *newline = memchr(line, '\n', most);
        size_t len = newline != NULL ? (size_t)(newline - line) : most;

        if (newline == NULL && len < RING_BYTES / 2 && logger->input >= 0)
            return; /* the rest of it is still to be read */
        if (newline == NULL && logger->stopped) {
            logger->begin = logger->end;
            return;
        }
        if (len > RING_BYTES / 2)
            newline = NULL, len = RING_BYTES / 2;
        if (rpr_syslog_ring_room(&logger->ring) < sizeof(logger->prefix) + len + 1)
            return;
        put_line(logger, line, len, true);
        put_line(logger, "\n", 1, false);
        logger->begin += len + (newline != NULL);
    }
}

static volatile int interrupted;

static void on_signal(int number)
{
    (void)number;
    interrupted = 1;
}

/* It ends in order, with what it has read; a second one ends it at once. */
static void catch_signals(void)
{
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = (int)SA_RESETHAND};

    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
}

static bool wants_input(const struct logger *logger)
{
    return logger->input >= 0 && logger->end - logger->begin < sizeof(logger->text);
}

static void read_input(struct logger *logger)
{
    memmove(logger->text, logger->text + logger->begin, logger->end - logger->begin);
    logger->end -= logger->begin;
    logger->begin = 0;
    ssize_t n = read(logger->input, logger->text + logger->end, sizeof(logger->text) - logger->end);
    if (n > 0)
        logger->end += (size_t)n;
    else if (n == 0)
        logger->input = -1;
    else if (errno != EINTR && errno != EAGAIN)
        die(logger->cli, STATUS_FAILED, "cannot read: %s", strerror(errno));
}

/* ---- the server ---------------------------------------------------------------------------------------- */

static void detach(struct logger *logger)
{
    rpr_syslog_ring_unbound(&logger->ring);
    if (logger->client != NULL)
        rpr_client_close(logger->client, 0);
    logger->client = NULL;
    logger->bound = false;
    logger->again_ns = now_ns() + logger->again_ms * NS_PER_MS;
    logger->again_ms = logger->again_ms * 2 < AGAIN_MAX_MS ? logger->again_ms * 2 : AGAIN_MAX_MS;
}

/* What no waiting mends ends the program. */
static void attach(struct logger *logger)
{
    int result = rpr_client_open(&logger->client, logger->control, logger->device,
                                 RPR_SYSLOG_SERVICE, logger->reason);

    if (result == 0)
        return;
    logger->client = NULL;
    if (result == -RPR_EPERM || result == -RPR_EINVAL)
        die(logger->cli, STATUS_FAILED, "%s", logger->reason);
    if (result == -RPR_ENOTSUP)
        die(logger->cli, STATUS_GONE,
            "%s: %s logs into this node, and a hub has one route for that", logger->reason,
            logger->device);
    detach(logger);
}

/* The connection is over: again, soon. */
static void lost(struct logger *logger, int result)
{
    snprintf(logger->reason, sizeof(logger->reason), "%s: %s", logger->device,
             rpr_strerror(result));
    detach(logger);
}

static void bind(struct logger *logger)
{
    int result = rpr_client_wait(logger->client, 0);

    if (result == 0) {
        logger->bound = true;
        logger->told = false;
        logger->again_ms = AGAIN_MIN_MS;
        rpr_syslog_ring_bound(&logger->ring, now_ns());
    } else if (result != -RPR_ETIMEDOUT) {
        lost(logger, result);
    } else {
        snprintf(logger->reason, sizeof(logger->reason), "%s: nobody takes log lines there",
                 logger->device);
    }
}

/* Two that log into each other may find one another instead of the servers. */
static void leave_other_client(struct logger *logger)
{
    uint8_t random = 0;

    (void)!getrandom(&random, sizeof(random), GRND_NONBLOCK);
    logger->again_ms = 50 + random;
    detach(logger);
    logger->again_ms = AGAIN_MIN_MS;
}

static void receive(struct logger *logger)
{
    int n = 0;

    while (logger->bound && n >= 0) {
        n = rpr_client_recv(logger->client, logger->message, sizeof(logger->message), 0);
        if (n >= 0 && !rpr_syslog_ring_receive(&logger->ring, logger->message, (uint32_t)n))
            leave_other_client(logger);
    }
    if (n < 0 && n != -RPR_ETIMEDOUT)
        lost(logger, n);
}

static void send_text(struct logger *logger)
{
    bool flush = logger->input < 0;

    while (logger->bound) {
        uint32_t most = rpr_client_tx_len(logger->client);
        uint32_t len = rpr_syslog_ring_next(&logger->ring, now_ns(), logger->message,
                                            most < MESSAGE_BYTES ? most : MESSAGE_BYTES, flush);
        if (len == 0)
            return;
        int result = rpr_client_send(logger->client, logger->message, len, 0);
        if (result == -RPR_ETIMEDOUT)
            return;
        if (result == 0)
            rpr_syslog_ring_sent(&logger->ring, now_ns());
        else
            lost(logger, result);
    }
}

static void work(struct logger *logger)
{
    if (logger->client == NULL && now_ns() >= logger->again_ns)
        attach(logger);
    if (logger->client != NULL && !logger->bound)
        bind(logger);
    receive(logger);
    fill_ring(logger);
    send_text(logger);
}

/* ---- waiting ------------------------------------------------------------------------------------------- */

static int ms_until(uint64_t at_ns, uint64_t now)
{
    if (at_ns == RPR_POLL_IDLE)
        return -1;
    return at_ns <= now ? 0 : (int)((at_ns - now + NS_PER_MS - 1) / NS_PER_MS);
}

static int sooner(int a, int b)
{
    return a < 0 ? b : b < 0 || a < b ? a : b;
}

/* Who has been interrupted waits for a server that is there, and not for long. */
static int patience(struct logger *logger, uint64_t now)
{
    uint32_t wait_ms = logger->wait_ms;

    if (interrupted && !logger->bound)
        return 0;
    if (interrupted && wait_ms == NO_TIMEOUT)
        wait_ms = TEXT_WAIT_MS;
    return wait_ms == NO_TIMEOUT ? -1 : ms_until(logger->moved_ns + wait_ms * NS_PER_MS, now);
}

/* Text waits for a server that is not there, and nobody knows. */
static uint64_t tell_at(const struct logger *logger)
{
    if (logger->told || logger->bound || logger->pending == 0)
        return RPR_POLL_IDLE;
    return logger->moved_ns + TELL_MS * NS_PER_MS;
}

static void wait_for_work(struct logger *logger)
{
    uint64_t now = now_ns();
    struct pollfd fds[] = {
        {.fd = logger->client != NULL ? rpr_client_fd(logger->client) : -1, .events = POLLIN},
        {.fd = wants_input(logger) ? logger->input : -1, .events = POLLIN},
    };
    int timeout = logger->client == NULL ? ms_until(logger->again_ns, now) : -1;

    /* What is due and finds no buffer goes when there is one: the descriptor tells. */
    uint64_t due = rpr_syslog_ring_due(&logger->ring);
    if (due > now)
        timeout = sooner(timeout, ms_until(due, now));
    timeout = sooner(timeout, ms_until(tell_at(logger), now));
    poll(fds, 2, interrupted && logger->input >= 0 ? 0 : sooner(timeout, patience(logger, now)));
    if (interrupted && logger->input >= 0) {
        logger->stopped = true;
        logger->input = -1;
    } else if (fds[1].revents != 0) {
        read_input(logger);
    }
}

static void look_at_the_clock(struct logger *logger)
{
    uint32_t pending = rpr_syslog_ring_pending(&logger->ring);
    uint64_t now = now_ns();

    if (pending != logger->pending || pending == 0)
        logger->moved_ns = now;
    logger->pending = pending;
    if (tell_at(logger) <= now) {
        complain(logger->cli, "%s (waiting)", logger->reason);
        logger->told = true;
    }
    if (pending > 0 && patience(logger, now) == 0)
        die(logger->cli, STATUS_GONE, "%s: %u bytes were not taken",
            logger->reason[0] != '\0' ? logger->reason : logger->device, pending);
}

static bool is_done(const struct logger *logger)
{
    return logger->input < 0 && logger->begin == logger->end &&
           rpr_syslog_ring_pending(&logger->ring) == 0;
}

static int run(struct logger *logger)
{
    logger->moved_ns = now_ns();
    for (;;) {
        work(logger);
        if (is_done(logger))
            break;
        look_at_the_clock(logger);
        wait_for_work(logger);
    }
    int result = logger->client != NULL ? rpr_client_close(logger->client, (int)TEXT_WAIT_MS) : 0;
    if (result != 0 && logger->ring.server == RPR_SYSLOG_PLAIN)
        die(logger->cli, STATUS_GONE, "%s: %s", logger->device, rpr_strerror(result));
    if (logger->ring.counters.uncertain == 0)
        return STATUS_OK;
    complain(logger->cli, "%llu bytes were with a server that ended: they may be lost",
             (unsigned long long)logger->ring.counters.uncertain);
    return STATUS_FAILED;
}

/* ---- command line -------------------------------------------------------------------------------------- */

static void set_prefix(struct logger *logger, const char *tag, bool with_pid)
{
    char pid[32] = "";

    if (tag == NULL && !with_pid)
        return;
    if (tag == NULL)
        tag = getenv("LOGNAME") != NULL ? getenv("LOGNAME") : "rpmsg";
    if (with_pid)
        snprintf(pid, sizeof(pid), "[%ld]", (long)getppid());
    int n = snprintf(logger->prefix, sizeof(logger->prefix), "%s%s: ", tag, pid);
    if (n >= (int)sizeof(logger->prefix) || strchr(tag, '\n') != NULL)
        usage(logger->cli, "-t: one line of at most %zu bytes", sizeof(logger->prefix) - 40);
}

static void open_input(struct logger *logger, const char *path)
{
    logger->input = STDIN_FILENO;
    if (path == NULL || strcmp(path, "-") == 0)
        return;
    logger->input = open(path, O_RDONLY | O_CLOEXEC);
    if (logger->input < 0)
        die(logger->cli, STATUS_FAILED, "%s: %s", path, strerror(errno));
}

/* The words of the command line, as one line. */
static void take_words(struct logger *logger, int argc, char **argv)
{
    for (; optind < argc; optind++) {
        int n = snprintf(logger->text + logger->end, sizeof(logger->text) - logger->end, "%s%s",
                         argv[optind], optind + 1 < argc ? " " : "");
        logger->end += (size_t)n;
        if (logger->end >= RING_BYTES / 2)
            usage(logger->cli, "the text is too long: give it on stdin");
    }
    logger->input = -1;
}

int logger_main(struct cli *cli, int argc, char **argv)
{
    struct logger *logger = need_memory(sizeof(*logger));
    const char *tag = NULL, *file = NULL;
    bool with_pid = false;
    uint32_t life = 0;
    int option;

    logger->cli = cli;
    logger->wait_ms = NO_TIMEOUT;
    logger->again_ms = AGAIN_MIN_MS;
    while ((option = next_option(cli, argc, argv, "t:if:W:")) != -1) {
        if (option == 't')
            tag = optarg;
        else if (option == 'i')
            with_pid = true;
        else if (option == 'f')
            file = optarg;
        else
            logger->wait_ms = need_seconds(cli, optarg, "-W");
    }
    logger->device = need_device(cli, argc, argv);
    if (strcmp(logger->device, "all") == 0)
        usage(cli, "name one device");
    set_prefix(logger, tag, with_pid);
    if (optind == argc) {
        open_input(logger, file);
    } else {
        if (file != NULL)
            usage(cli, "-f and TEXT exclude each other");
        if (logger->wait_ms == NO_TIMEOUT)
            logger->wait_ms = TEXT_WAIT_MS;
        take_words(logger, argc, argv);
    }
    if (getrandom(&life, sizeof(life), 0) != (ssize_t)sizeof(life))
        die(cli, STATUS_FAILED, "no random number: %s", strerror(errno));
    rpr_syslog_ring_init(&logger->ring, logger->memory, RING_BYTES, life, DELAY_MS);
    logger->control = control_path(cli);
    catch_signals();
    int status = run(logger);
    free(logger->control);
    free(logger);
    return status;
}
