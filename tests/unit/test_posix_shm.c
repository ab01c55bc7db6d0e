/* SPDX-License-Identifier: Apache-2.0 */
/* Links over shared memory at a path: finding each other, losing each other, saying why not. */
#include "unit/posix_sides.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "posix/packet.h"

#define LISTEN "?listen=1&buffers=16&size=256"

static struct side ap, audio;

static int send_word(struct side *s, uint32_t word)
{
    return rpr_send(s->ept, &word, sizeof(word), 0);
}

/* The first needs a credit that is on its way. */
static void send_words(struct side *s, struct side *to, uint32_t from, uint32_t n)
{
    for (uint32_t i = from; i < from + n; i++)
        UNTIL(s, to, send_word(s, i) == 0);
}

static void open_pair(void)
{
    side_open(&ap, "ap");
    side_link(&ap, "audio", side_url("l", LISTEN));
    side_open(&audio, "audio");
    side_link(&audio, "ap", side_url("l", ""));
}

static void close_pair(void)
{
    side_close(&audio);
    side_close(&ap);
}

static bool exists(const char *name)
{
    struct stat file;

    return lstat(side_path(name), &file) == 0;
}

static void both_ways(void **state)
{
    (void)state;
    open_pair();
    side_endpoint(&ap, "words");
    side_endpoint(&audio, "words");
    UNTIL(&ap, &audio, ap.n_bound == 1 && audio.n_bound == 1);
    assert_int_equal(rpr_device_tx_len(ap.device), 256);
    assert_int_equal(rpr_device_tx_len(audio.device), 256);
    send_words(&ap, &audio, 0, 10);
    send_words(&audio, &ap, 100, 10);
    UNTIL(&ap, &audio, ap.n_rx == 10 && audio.n_rx == 10);
    for (uint32_t i = 0; i < 10; i++) {
        assert_int_equal(audio.rx[i], i);
        assert_int_equal(ap.rx[i], 100 + i);
    }
    close_pair();
    assert_false(exists("l"));
    assert_false(exists("l.lock"));
    assert_false(exists("l.new"));
}

/* Both agreed on flow control: what one may send is bounded by what the other reads. */
static void credit_is_agreed(void **state)
{
    struct rpr_device_info info;

    (void)state;
    open_pair();
    UNTIL(&ap, &audio, side_up(&ap) && side_up(&audio));
    rpr_device_info(ap.device, &info);
    assert_true(info.credit);
    rpr_device_info(audio.device, &info);
    assert_true(info.credit);
    assert_string_equal(info.transport, "shm");
    close_pair();
}

/* The connector comes first and finds not even the directory. */
static void late_listener(void **state)
{
    (void)state;
    side_open(&audio, "audio");
    side_link(&audio, "ap", side_url("deep/er/l", ""));
    UNTIL(&audio, NULL, strstr(side_reason(&audio), "does not exist yet"));
    assert_int_equal(mkdir(side_path("deep"), 0755), 0);
    UNTIL(&audio, NULL, rpr_loop_turn(audio.loop, 0) == 0);
    assert_int_equal(mkdir(side_path("deep/er"), 0755), 0);
    side_open(&ap, "ap");
    side_link(&ap, "audio", side_url("deep/er/l", LISTEN));
    UNTIL(&ap, &audio, side_up(&ap) && side_up(&audio));
    close_pair();
}

/* Seconds from a listener's start until it was found by a connector whose timer is far away. */
static double found_after(void)
{
    double start = seconds();

    side_open(&audio, "audio");
    side_link(&audio, "ap", side_url("l", ""));
    UNTIL(&audio, NULL, seconds() - start > 1.4); /* retries at 10, 30, 70 ... 1270, 2270 ms */
    side_open(&ap, "ap");
    side_link(&ap, "audio", side_url("l", LISTEN));
    start = seconds();
    UNTIL(&ap, &audio, side_up(&ap) && side_up(&audio));
    start = seconds() - start;
    close_pair();
    return start;
}

/* Nothing but the directory tells of the listener before 0.8 s have passed; a busy machine may be as
 * late, though not each time. */
static void seen_at_once(void **state)
{
    unsigned tries = 20;

    (void)state;
    while (found_after() > 0.5)
        assert_true(--tries);
}

static void listener_restarts(void **state)
{
    (void)state;
    open_pair();
    side_endpoint(&audio, "words");
    for (unsigned i = 1; i <= 3; i++) {
        side_endpoint(&ap, "words");
        UNTIL(&ap, &audio, ap.n_bound == 1 && audio.n_bound == i);
        side_close(&ap);
        UNTIL(&audio, NULL, audio.n_lost == i);
        side_open(&ap, "ap");
        side_link(&ap, "audio", side_url("l", LISTEN));
    }
    close_pair();
}

static void connector_restarts(void **state)
{
    (void)state;
    open_pair();
    side_endpoint(&ap, "words");
    for (unsigned i = 1; i <= 3; i++) {
        side_endpoint(&audio, "words");
        UNTIL(&ap, &audio, audio.n_bound == 1 && ap.n_bound == i);
        side_close(&audio);
        side_open(&audio, "audio"); /* comes back before the other has heard that it went */
        side_link(&audio, "ap", side_url("l", ""));
    }
    UNTIL(&ap, &audio, side_up(&ap) && side_up(&audio));
    assert_int_equal(ap.n_log, 0);
    close_pair();
}

/* A lock file and a socket that a killed process left behind are no obstacle. */
static void stale_socket(void **state)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_SEQPACKET, 0);

    (void)state;
    snprintf(address.sun_path, sizeof(address.sun_path), "%s", side_path("l"));
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    close(fd);
    close(open(side_path("l.lock"), O_CREAT | O_RDWR, 0600));
    side_open(&audio, "audio");
    side_link(&audio, "ap", side_url("l", ""));
    UNTIL(&audio, NULL, strstr(side_reason(&audio), "nobody listens"));
    side_open(&ap, "ap");
    side_link(&ap, "audio", side_url("l", LISTEN));
    UNTIL(&ap, &audio, side_up(&ap) && side_up(&audio));
    close_pair();
}

static void expect_no_listener(const char *says, int code)
{
    char error[RPR_ERROR_TEXT] = "";
    struct rpr_link *link;
    struct side other;

    side_open(&other, "ap");
    assert_int_equal(rpr_url_open(other.loop, "audio", side_url("l", LISTEN), &link, error), code);
    if (!strstr(error, says))
        fail_msg("says \"%s\", not \"%s\"", error, says);
    side_close(&other);
}

static void place_is_taken(void **state)
{
    (void)state;
    side_open(&ap, "ap");
    side_link(&ap, "audio", side_url("l", LISTEN));
    expect_no_listener("in use by another process", -RPR_EBUSY);
    side_close(&ap);
    close(open(side_path("l"), O_CREAT | O_RDWR, 0600));
    expect_no_listener("exists and is no socket", -RPR_EEXIST);
    assert_true(exists("l"));
    assert_false(exists("l.lock"));
    unlink(side_path("l"));
}

static void name_mismatch(void **state)
{
    static const char text[] = "\"audio\" looks for \"hub\", but this is \"ap\"";

    (void)state;
    side_open(&ap, "ap");
    side_link(&ap, "audio", side_url("l", LISTEN));
    side_open(&audio, "audio");
    side_link(&audio, "hub", side_url("l", ""));
    UNTIL(&ap, &audio, !strcmp(side_reason(&audio), text) && !strcmp(side_reason(&ap), text));
    close_pair();
}

static void other_name(void **state)
{
    static const char text[] = "\"droid\" connects to \"ap\", which waits for \"audio\"";

    (void)state;
    side_open(&ap, "ap");
    side_link(&ap, "audio", side_url("l", LISTEN));
    side_open(&audio, "droid");
    side_link(&audio, "ap", side_url("l", ""));
    UNTIL(&ap, &audio,
          side_up(&ap) || (!strcmp(side_reason(&audio), text) && !strcmp(side_reason(&ap), text)));
    assert_false(side_up(&ap));
    close_pair();
}

/* The second claim of a name waits; the first is not disturbed, and when it ends the second is
 * taken. */
static void one_name_one_link(void **state)
{
    struct side second;

    (void)state;
    open_pair();
    UNTIL(&ap, &audio, side_up(&ap) && side_up(&audio));
    side_open(&second, "audio");
    side_link(&second, "ap", side_url("l", ""));
    UNTIL(&ap, &second, strstr(side_reason(&second), "is connected to \"ap\" already"));
    assert_true(side_up(&ap) && side_up(&audio));
    assert_non_null(strstr(ap.log, "refused a connection"));
    side_close(&audio);
    UNTIL(&ap, &second, side_up(&ap) && side_up(&second));
    side_close(&second);
    side_close(&ap);
}

/* The claim of the second is read before the end of the first is: it need not come again. */
static void takes_over_at_once(void **state)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct handover_hello hello = {.own = "audio", .expected = "ap"};
    struct packet packet = {.len = 0};
    uint8_t bytes[HANDOVER_HELLO_BYTES];
    int fd = socket(AF_UNIX, SOCK_SEQPACKET, 0);

    (void)state;
    open_pair();
    UNTIL(&ap, &audio, side_up(&ap) && side_up(&audio));
    snprintf(address.sun_path, sizeof(address.sun_path), "%s", side_path("l"));
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    for (int i = 0; i < 3; i++)
        assert_int_equal(rpr_loop_turn(ap.loop, 1), 0);
    handover_hello_encode(bytes, &hello);
    assert_int_equal(packet_send(fd, bytes, sizeof(bytes), NULL, 0), 0);
    side_close(&audio);
    UNTIL(&ap, NULL, packet_receive(fd, &packet) == 1);
    assert_int_equal(handover_type(packet.bytes, packet.len), HANDOVER_OFFER);
    packet_close_fds(&packet);
    close(fd);
    side_close(&ap);
}

/* Everything that was committed before the socket closed arrives before the link is down. */
static void drained_at_close(void **state)
{
    uint32_t n = 1;

    (void)state;
    open_pair();
    side_endpoint(&ap, "words");
    side_endpoint(&audio, "words");
    UNTIL(&ap, &audio, ap.n_bound == 1 && audio.n_bound == 1);
    send_words(&audio, &ap, 0, 1);
    UNTIL(&ap, &audio, ap.n_rx == 1);
    while (send_word(&audio, n) == 0) /* nobody reads meanwhile */
        n++;
    assert_true(n > 8);
    side_close(&audio);
    UNTIL(&ap, NULL, ap.n_closed + ap.n_lost == 1);
    assert_int_equal(ap.rx_before_lost, n);
    for (uint32_t i = 0; i < n; i++)
        assert_int_equal(ap.rx[i], i);
    side_close(&ap);
}

static void down_and_up(void **state)
{
    (void)state;
    open_pair();
    UNTIL(&ap, &audio, side_up(&ap) && side_up(&audio));
    assert_int_equal(rpr_device_down(ap.device), 0);
    UNTIL(&ap, &audio, !side_up(&audio));
    assert_false(exists("l"));
    assert_int_equal(rpr_device_up(ap.device), 0);
    UNTIL(&ap, &audio, side_up(&ap) && side_up(&audio));
    assert_int_equal(rpr_device_down(audio.device), 0);
    UNTIL(&ap, &audio, !side_up(&ap));
    assert_int_equal(rpr_device_up(audio.device), 0);
    UNTIL(&ap, &audio, side_up(&ap) && side_up(&audio));
    close_pair();
}

/* ---- over a descriptor ----------------------------------------------------------------------------- */

struct ended {
    struct side *side;
    unsigned n;
    char reason[RPR_REASON_MAX];
};

static void note_ended(void *ctx, const char *reason)
{
    struct ended *e = ctx;

    e->n++;
    snprintf(e->reason, sizeof(e->reason), "%s", reason);
    rpr_link_unregister(e->side->link);
    e->side->link = NULL;
}

static void open_fds(bool trusted, struct ended *ap_end, struct ended *audio_end)
{
    struct rpr_shm_config serve = {
        .remote = "client-1", .trusted = trusted, .num = 8, .payload = 100, .ended = note_ended};
    struct rpr_shm_config join = {.remote = "daemon", .trusted = trusted, .ended = note_ended};
    char error[RPR_ERROR_TEXT];
    int fds[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds), 0);
    *ap_end = (struct ended){.side = &ap};
    *audio_end = (struct ended){.side = &audio};
    serve.fd = fds[0];
    serve.ctx = ap_end;
    join.fd = fds[1];
    join.ctx = audio_end;
    side_open(&ap, "ap");
    side_open(&audio, "anything");
    assert_int_equal(rpr_shm_serve_fd(ap.loop, &serve, &ap.link, error), 0);
    assert_int_equal(rpr_shm_join_fd(audio.loop, &join, &audio.link, error), 0);
    ap.device = rpr_device_find(rpr_loop_node(ap.loop), "client-1");
    audio.device = rpr_device_find(rpr_loop_node(audio.loop), "daemon");
    side_endpoint(&ap, "words");
    side_endpoint(&audio, "words");
}

static void over_a_descriptor(bool trusted)
{
    struct ended ap_end;
    struct ended audio_end;

    open_fds(trusted, &ap_end, &audio_end);
    UNTIL(&ap, &audio, ap.n_bound == 1 && audio.n_bound == 1);
    assert_int_equal(rpr_device_tx_len(audio.device), 100);
    send_words(&audio, &ap, 0, 5);
    UNTIL(&ap, &audio, ap.n_rx == 5);
    assert_int_equal(send_word(&audio, 5), 0);
    side_close(&audio);
    UNTIL(&ap, NULL, ap_end.n == 1);
    assert_int_equal(ap.rx_before_lost, 6);
    assert_string_equal(ap_end.reason, "the peer is gone");
    assert_null(rpr_device_find(rpr_loop_node(ap.loop), "client-1"));
    side_close(&ap);
    assert_int_equal(ap_end.n, 1);
    assert_int_equal(audio_end.n, 0);
}

static void descriptor_trusted(void **state)
{
    (void)state;
    over_a_descriptor(true);
}

static void descriptor_untrusted(void **state)
{
    (void)state;
    over_a_descriptor(false);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_ways),          cmocka_unit_test(credit_is_agreed),
        cmocka_unit_test(late_listener),      cmocka_unit_test(seen_at_once),
        cmocka_unit_test(listener_restarts),  cmocka_unit_test(connector_restarts),
        cmocka_unit_test(stale_socket),       cmocka_unit_test(place_is_taken),
        cmocka_unit_test(name_mismatch),      cmocka_unit_test(other_name),
        cmocka_unit_test(one_name_one_link),  cmocka_unit_test(takes_over_at_once),
        cmocka_unit_test(drained_at_close),   cmocka_unit_test(down_and_up),
        cmocka_unit_test(descriptor_trusted), cmocka_unit_test(descriptor_untrusted),
    };

    return cmocka_run_group_tests(tests, side_dir_make, side_dir_remove);
}
