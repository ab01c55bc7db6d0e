/* SPDX-License-Identifier: Apache-2.0 */
/* The blocking client, against a daemon of the test's own: a control socket and one private link. */
#include "unit/posix_sides.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sys/socket.h>

#define N_FLOOD 3000u

enum answer { ANSWER_LINK, ANSWER_ERROR, ANSWER_NO_FD, ANSWER_TWO_FDS, ANSWER_NO_HELLO };
enum deed { DEED_ECHO, DEED_FLOOD_AND_CLOSE, DEED_FLOOD_AND_DIE, DEED_TWICE, DEED_COUNT };

/* The daemon: answers one client as told, on a thread of its own. */
struct daemon {
    pthread_t thread;
    struct rpr_unix_listener listener;
    enum answer answer;
    enum deed deed;
    const char *code; /* of ANSWER_ERROR, as JSON */
    struct side side;
    int control;
    char request[1024];
    uint32_t sent;
    _Atomic bool stop;
};

static struct daemon daemon_;

static void say(int fd, const char *line, const int *fds, size_t n_fds)
{
    char room[CMSG_SPACE(2 * sizeof(int))] = {0};
    struct iovec part = {(void *)(uintptr_t)line, strlen(line)};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};

    if (n_fds) {
        struct cmsghdr *head;

        message.msg_control = room;
        message.msg_controllen = CMSG_SPACE(n_fds * sizeof(int));
        head = CMSG_FIRSTHDR(&message);
        head->cmsg_level = SOL_SOCKET;
        head->cmsg_type = SCM_RIGHTS;
        head->cmsg_len = CMSG_LEN(n_fds * sizeof(int));
        memcpy(CMSG_DATA(head), fds, n_fds * sizeof(int));
    }
    (void)sendmsg(fd, &message, MSG_NOSIGNAL);
}

static void converse(struct daemon *d, int fds[2])
{
    ssize_t n;
    int client[2] = {fds[1], fds[1]};

    d->control = accept(d->listener.fd, NULL, NULL);
    if (d->answer == ANSWER_NO_HELLO) {
        say(d->control, "220 mail.example ESMTP\r\n", NULL, 0);
        return;
    }
    say(d->control, "{\"hello\":{\"vers", NULL, 0); /* in two pieces */
    say(d->control, "ion\":1}}\n", NULL, 0);
    n = read(d->control, d->request, sizeof(d->request) - 1);
    d->request[n > 0 ? n : 0] = '\0';
    say(d->control, "{\"id\":1,\"event\":{\"ok\":false}}\n", NULL, 0); /* not the answer */
    if (d->answer == ANSWER_ERROR) {
        char line[200];

        snprintf(line, sizeof(line),
                 "{\"id\":1,\"ok\":false,\"error\":{\"code\":%s,\"text\":%s}}\n", d->code,
                 "\"no device \\\"x\\\"\"");
        say(d->control, line, NULL, 0);
    } else {
        say(d->control, "{\"id\":1,\"ok\":true,\"result\":{}}\n", client,
            d->answer == ANSWER_NO_FD     ? 0
            : d->answer == ANSWER_TWO_FDS ? 2
                                          : 1);
    }
}

/* Two peers, one after the other, and the client reads late. */
static void come_twice(struct daemon *d)
{
    struct side *s = &d->side;

    for (uint32_t word = 0; word < 10; word++) {
        if (word == 5) {
            rpr_ept_close(s->ept);
            side_endpoint(s, "words");
        }
        while (!d->stop && (s->n_bound <= word / 5 || rpr_send(s->ept, &word, 4, 0) != 0))
            rpr_loop_turn(s->loop, 5);
    }
    while (!d->stop)
        rpr_loop_turn(s->loop, 5);
}

static void do_deed(struct daemon *d)
{
    struct side *s = &d->side;
    uint32_t word = 0;

    while (!d->stop && rpr_loop_turn(s->loop, 5) == 0) {
        if (d->deed == DEED_ECHO) {
            while (d->sent < s->n_rx && rpr_send(s->ept, &s->rx[d->sent], 4, 0) == 0)
                d->sent++;
        } else if (d->deed != DEED_COUNT && s->n_bound) {
            while (word < N_FLOOD && rpr_send(s->ept, &word, sizeof(word), 0) == 0)
                d->sent = ++word;
            if (word == N_FLOOD)
                break;
        }
        if (s->n_lost)
            return;
    }
    if (d->deed == DEED_FLOOD_AND_CLOSE) {
        rpr_ept_close(s->ept);
        while (!d->stop && rpr_loop_turn(s->loop, 5) == 0)
            ;
    }
}

static void *run_daemon(void *ctx)
{
    struct daemon *d = ctx;
    struct rpr_shm_config config = {.remote = "client", .trusted = true, .num = 16, .payload = 256};
    char error[RPR_ERROR_TEXT];
    int fds[2];

    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) != 0)
        return NULL;
    converse(d, fds);
    close(fds[1]);
    if (d->answer != ANSWER_LINK) {
        close(fds[0]);
        return NULL;
    }
    side_open(&d->side, "ap");
    config.fd = fds[0];
    if (rpr_shm_serve_fd(d->side.loop, &config, &d->side.link, error) == 0) {
        d->side.device = rpr_device_find(rpr_loop_node(d->side.loop), "client");
        side_endpoint(&d->side, "words");
        if (d->deed == DEED_TWICE)
            come_twice(d);
        else
            do_deed(d);
    }
    side_close(&d->side);
    return NULL;
}

static void start_daemon(enum answer answer, enum deed deed)
{
    const char *code = daemon_.code;
    char error[RPR_ERROR_TEXT];

    memset(&daemon_, 0, sizeof(daemon_));
    daemon_.code = code;
    daemon_.answer = answer;
    daemon_.deed = deed;
    daemon_.control = -1;
    assert_int_equal(rpr_unix_listen(&daemon_.listener, side_path("ap.sock"), SOCK_STREAM, error),
                     0);
    /* accept() waits */
    assert_int_equal(fcntl(daemon_.listener.fd, F_SETFL, 0), 0);
    assert_int_equal(pthread_create(&daemon_.thread, NULL, run_daemon, &daemon_), 0);
}

static void stop_daemon(void)
{
    daemon_.stop = true;
    pthread_join(daemon_.thread, NULL);
    close(daemon_.control);
    rpr_unix_unlisten(&daemon_.listener);
}

static struct rpr_client *attach_client(void)
{
    char error[RPR_ERROR_TEXT] = "";
    struct rpr_client *client = NULL;

    if (rpr_client_open(&client, side_path("ap.sock"), "droid", "words", error) != 0)
        fail_msg("%s", error);
    assert_int_equal(rpr_client_wait(client, 10000), 0);
    return client;
}

static void refused(enum answer answer, int with, const char *says)
{
    char error[RPR_ERROR_TEXT] = "";
    struct rpr_client *client;

    start_daemon(answer, DEED_ECHO);
    assert_int_equal(rpr_client_open(&client, side_path("ap.sock"), "x\"y", "words", error), with);
    if (!strstr(error, says))
        fail_msg("says \"%s\", not \"%s\"", error, says);
    stop_daemon();
}

static void refusals(void **state)
{
    static const struct {
        const char *code;
        int error;
    } codes[] = {
        {"\"exists\"", -RPR_EEXIST},
        {"\"bad-request\"", -RPR_EINVAL},
        {"\"no-device\"", -RPR_ENOENT},
        {"\"denied\"", -RPR_EPERM},
        {"\"busy\"", -RPR_EBUSY},
        {"\"not-up\"", -RPR_ENOTCONN},
        {"\"failed\"", -RPR_EIO},
        {"\"a code that is longer than any there is\"", -RPR_EIO},
        {"2", -RPR_EIO},
    };
    char error[RPR_ERROR_TEXT] = "";
    struct rpr_client *client;

    (void)state;
    for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
        daemon_.code = codes[i].code;
        refused(ANSWER_ERROR, codes[i].error, "no device \"x\"");
    }
    assert_string_equal(daemon_.request, "{\"id\":1,\"cmd\":\"attach\",\"args\":{\"service\":"
                                         "\"words\",\"device\":\"x\\u0022y\"}}\n");
    refused(ANSWER_NO_FD, -RPR_ENOTCONN, "without its one descriptor");
    refused(ANSWER_TWO_FDS, -RPR_ENOTCONN, "without its one descriptor");
    refused(ANSWER_NO_HELLO, -RPR_ENOTCONN, "no control socket of rpmsgd");
    assert_int_equal(rpr_client_open(&client, side_path("none.sock"), NULL, "words", error),
                     -RPR_ENOTCONN);
    assert_non_null(strstr(error, "No such file"));
}

static void echo(void **state)
{
    struct rpr_client *client;
    uint32_t word;

    (void)state;
    start_daemon(ANSWER_LINK, DEED_ECHO);
    client = attach_client();
    assert_int_equal(rpr_client_tx_len(client), 256);
    for (uint32_t i = 0; i < 500; i++) {
        assert_int_equal(rpr_client_send(client, &i, sizeof(i), 10000), 0);
        assert_int_equal(rpr_client_recv(client, &word, sizeof(word), 10000), 4);
        assert_int_equal(word, i);
    }
    assert_int_equal(rpr_client_recv(client, &word, sizeof(word), 0), -RPR_ETIMEDOUT);
    assert_int_equal(rpr_client_send(client, daemon_.request, 257, 0), -RPR_EMSGSIZE);
    assert_int_equal(rpr_client_close(client, 10000), 0);
    stop_daemon();
}

/* More than any queue holds, to a client that reads late: nothing is lost, and the end is told
 * after the last message. */
static void flood(enum deed deed, int end)
{
    struct rpr_client *client;
    uint32_t word = 0;
    uint8_t byte;

    start_daemon(ANSWER_LINK, deed);
    client = attach_client();
    assert_int_equal(rpr_client_wait(client, 0), 0);
    assert_int_equal(rpr_client_recv(client, &byte, 1, 10000), -RPR_EMSGSIZE);
    for (uint32_t i = 0; i < N_FLOOD; i++) {
        int n = rpr_client_recv(client, &word, sizeof(word), 10000);

        if (n != 4 || word != i)
            fail_msg("message %u: result %d, word %u", i, n, word);
    }
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(rpr_client_recv(client, &word, sizeof(word), 10000), end);
    assert_int_equal(rpr_client_send(client, &word, sizeof(word), 10000), -RPR_ENOTCONN);
    assert_int_equal(rpr_client_close(client, 10000), -RPR_ENOTCONN);
    stop_daemon();
}

static void all_is_read_before_the_close(void **state)
{
    (void)state;
    flood(DEED_FLOOD_AND_CLOSE, -RPR_ENOENT);
}

static void all_is_read_before_the_loss(void **state)
{
    (void)state;
    flood(DEED_FLOOD_AND_DIE, -RPR_ENOTCONN);
}

/* The end of the first peer is told between its messages and those of the second. */
static void one_peer_after_the_other(void **state)
{
    struct rpr_client *client;
    uint32_t word;

    (void)state;
    start_daemon(ANSWER_LINK, DEED_TWICE);
    client = attach_client();
    for (uint32_t i = 0; i < 10; i++) {
        if (i == 5) {
            for (int n = 0; n < 20; n++) { /* lets the second one's messages come, if they will */
                (void)rpr_client_fd(client);
                poll(NULL, 0, 2);
            }
            assert_int_equal(rpr_client_recv(client, &word, sizeof(word), 10000), -RPR_ENOENT);
            assert_int_equal(rpr_client_wait(client, 10000), 0);
        }
        assert_int_equal(rpr_client_recv(client, &word, sizeof(word), 10000), 4);
        assert_int_equal(word, i);
    }
    rpr_client_close(client, 0);
    stop_daemon();
}

/* Everything that was accepted arrives although the client closes at once. */
static void close_waits(void **state)
{
    struct rpr_client *client;

    (void)state;
    start_daemon(ANSWER_LINK, DEED_COUNT);
    client = attach_client();
    for (uint32_t i = 0; i < 1000; i++)
        assert_int_equal(rpr_client_send(client, &i, sizeof(i), 10000), 0);
    assert_int_equal(rpr_client_close(client, 10000), 0);
    stop_daemon();
    assert_int_equal(daemon_.side.n_rx, 1000);
    for (uint32_t i = 0; i < 1000; i++)
        assert_int_equal(daemon_.side.rx[i], i);
}

/* A program with a poll loop of its own sleeps in poll() and nowhere else. */
static void descriptor_to_poll(void **state)
{
    struct rpr_client *client;
    struct pollfd p = {.events = POLLIN};
    uint32_t word = 0;
    uint32_t n = 0;
    unsigned n_polls = 0;

    (void)state;
    start_daemon(ANSWER_LINK, DEED_FLOOD_AND_DIE);
    client = attach_client();
    p.fd = rpr_client_fd(client);
    assert_int_equal(rpr_client_fd(client), p.fd);
    for (;;) {
        int got;

        assert_int_equal(poll(&p, 1, 10000), 1);
        n_polls++;
        while ((got = rpr_client_recv(client, &word, sizeof(word), 0)) >= 0)
            assert_int_equal(word, n++);
        if (got == -RPR_ENOTCONN)
            break;
        assert_int_equal(got, -RPR_ETIMEDOUT);
    }
    assert_int_equal(n, N_FLOOD);
    assert_true(n_polls < 10 * N_FLOOD);
    rpr_client_close(client, 0);
    stop_daemon();
}

/* ---- finding the daemon ----------------------------------------------------------------------------- */

static void finding(void **state)
{
    struct rpr_unix_listener one, two;
    char path[108], expected[108], error[RPR_ERROR_TEXT];

    (void)state;
    setenv("XDG_RUNTIME_DIR", side_dir, 1);
    unsetenv("RPMSG_CONTROL");
    assert_int_equal(rpr_control_place(path, NULL, "ap", error), 0);
    snprintf(expected, sizeof(expected), "%s", side_path("rpmsg/ap.sock"));
    assert_string_equal(path, expected);
    assert_int_equal(rpr_unix_listen(&one, path, SOCK_STREAM, error), 0);
    assert_int_equal(rpr_control_find(path, NULL, "ap", error), 0);
    assert_string_equal(path, expected);
    assert_int_equal(rpr_control_find(path, NULL, "droid", error), -RPR_ENOENT);
    assert_non_null(strstr(error, "no daemon of node droid"));

    /* the only live one of several */
    assert_int_equal(rpr_unix_listen(&two, side_path("rpmsg/b.sock"), SOCK_STREAM, error), 0);
    assert_int_equal(rpr_control_find(path, NULL, NULL, error), -RPR_EINVAL);
    assert_non_null(strstr(error, "several daemons"));
    assert_non_null(strstr(error, "b.sock"));
    close(two.fd); /* as if killed: the file stays */
    assert_int_equal(rpr_control_find(path, NULL, NULL, error), 0);
    assert_string_equal(path, expected);

    setenv("RPMSG_CONTROL", "/else/where", 1);
    assert_int_equal(rpr_control_find(path, NULL, NULL, error), 0);
    assert_string_equal(path, "/else/where");
    assert_int_equal(rpr_control_find(path, "/given", NULL, error), 0);
    assert_string_equal(path, "/given");
    unsetenv("RPMSG_CONTROL");
    close(two.lock_fd);
    rpr_unix_unlisten(&one);
    assert_int_equal(rpr_control_find(path, NULL, NULL, error), -RPR_ENOENT);
    assert_non_null(strstr(error, "no daemon is running"));
    unsetenv("XDG_RUNTIME_DIR");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refusals),
        cmocka_unit_test(echo),
        cmocka_unit_test(all_is_read_before_the_close),
        cmocka_unit_test(all_is_read_before_the_loss),
        cmocka_unit_test(one_peer_after_the_other),
        cmocka_unit_test(close_waits),
        cmocka_unit_test(descriptor_to_poll),
        cmocka_unit_test(finding),
    };

    return cmocka_run_group_tests(tests, side_dir_make, side_dir_remove);
}
