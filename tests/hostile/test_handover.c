/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A peer that wants to hurt during and after the handover: memory that it can shrink under us,
 * descriptors nobody asked for, doorbells that would make us wait, and packets of any kind.
 */
#include "unit/posix_sides.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "posix/packet.h"

#define BUFFERS 16u
#define PAYLOAD 256u
#define SEALS   (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL)

static struct side ap;

static unsigned n_ended;
static char end_reason[RPR_REASON_MAX];

static void note_end(void *ctx, const char *reason)
{
    (void)ctx;
    n_ended++;
    snprintf(end_reason, sizeof(end_reason), "%s", reason);
}

/* The honest side of a connection whose other end is returned: the hostile one. */
static int open_against(bool driver, bool trusted)
{
    struct rpr_shm_config config = {.remote = "evil",
                                    .trusted = trusted,
                                    .num = BUFFERS,
                                    .payload = PAYLOAD,
                                    .ended = note_end};
    char error[RPR_ERROR_TEXT];
    int fds[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, fds), 0);
    n_ended = 0;
    side_open(&ap, "ap");
    config.fd = fds[0];
    assert_int_equal(driver ? rpr_shm_serve_fd(ap.loop, &config, &ap.link, error)
                            : rpr_shm_join_fd(ap.loop, &config, &ap.link, error),
                     0);
    ap.device = rpr_device_find(rpr_loop_node(ap.loop), "evil");
    return fds[1];
}

static int count_fds(void)
{
    int n = 0;

    for (int fd = 0; fd < 256; fd++)
        n += fcntl(fd, F_GETFD) >= 0;
    return n;
}

/* ---- a hostile listener: wrong offers ----------------------------------------------------------- */

static struct handover_offer right_offer(uint32_t features)
{
    struct rpr_vring_layout l;
    struct handover_offer offer;

    assert_int_equal(rpr_vring_layout_local(&l, BUFFERS, PAYLOAD), 0);
    offer = (struct handover_offer){.features = features,
                                    .num = BUFFERS,
                                    .payload = PAYLOAD,
                                    .bytes = l.bytes,
                                    .driver_power = l.driver_power,
                                    .device_power = l.device_power,
                                    .driver_cpu = l.driver_cpu,
                                    .device_cpu = l.device_cpu};
    for (int i = 0; i < 2; i++)
        offer.ring[i] = (struct handover_ring){
            l.ring[i].desc,   l.ring[i].avail, l.ring[i].used,        l.ring[i].buffers,
            l.ring[i].stride, l.ring[i].size,  l.ring[i].driver_flag, l.ring[i].device_flag};
    return offer;
}

static int memory(uint32_t bytes, int seals)
{
    int fd = memfd_create("evil", MFD_ALLOW_SEALING);

    assert_int_equal(ftruncate(fd, bytes), 0);
    assert_int_equal(fcntl(fd, F_ADD_SEALS, seals), 0);
    return fd;
}

static void await_hello(int fd)
{
    struct packet packet = {.len = 0};

    UNTIL(&ap, NULL, packet_receive(fd, &packet) == 1);
    assert_int_equal(handover_type(packet.bytes, packet.len), HANDOVER_HELLO);
}

static void send_offer(int fd, const struct handover_offer *offer, const int *fds, unsigned n)
{
    uint8_t bytes[HANDOVER_OFFER_BYTES];

    handover_offer_encode(bytes, offer);
    assert_int_equal(packet_send(fd, bytes, sizeof(bytes), fds, n), 0);
}

/* One offer; the joining side must end with that reason, say so, and keep no descriptor. */
static void expect_rejected(const struct handover_offer *offer, const int *fds, unsigned n,
                            const char *reason)
{
    int before = count_fds();
    int fd = open_against(false, offer->features & HANDOVER_EVENTFDS);
    struct packet packet = {.len = 0};
    char text[HANDOVER_TEXT_BYTES];

    await_hello(fd);
    send_offer(fd, offer, fds, n);
    UNTIL(&ap, NULL, n_ended == 1 || side_up(&ap));
    assert_false(side_up(&ap));
    assert_string_equal(end_reason, reason);
    assert_int_equal(packet_receive(fd, &packet), 1);
    handover_refuse_decode(text, packet.bytes);
    assert_string_equal(text, reason);
    side_close(&ap);
    close(fd);
    assert_int_equal(count_fds(), before);
}

/* The right one, so that the others fail for the reason they name. */
static void right_offers_are_taken(void **state)
{
    (void)state;
    for (int trusted = 0; trusted < 2; trusted++) {
        struct handover_offer offer =
            right_offer(HANDOVER_CREDIT | (trusted ? HANDOVER_EVENTFDS : 0u));
        int fds[3] = {memory(offer.bytes, SEALS), eventfd(0, 0), eventfd(0, 0)};
        int fd = open_against(false, trusted);

        await_hello(fd);
        send_offer(fd, &offer, fds, trusted ? 3 : 1);
        UNTIL(&ap, NULL, side_up(&ap));
        close(fd);
        UNTIL(&ap, NULL, n_ended == 1);
        side_close(&ap);
        for (int i = 0; i < 3; i++)
            close(fds[i]);
    }
}

static void memory_that_can_shrink(void **state)
{
    static const int too_few[] = {0, F_SEAL_GROW | F_SEAL_SEAL, F_SEAL_SHRINK | F_SEAL_SEAL,
                                  F_SEAL_SHRINK | F_SEAL_GROW};
    struct handover_offer offer = right_offer(0);

    (void)state;
    for (size_t i = 0; i < sizeof(too_few) / sizeof(too_few[0]); i++) {
        int fd = memory(offer.bytes, too_few[i]);

        expect_rejected(&offer, &fd, 1, "the memory it passed is not sealed");
        close(fd);
    }
}

static void memory_of_another_size(void **state)
{
    struct handover_offer offer = right_offer(0);
    const uint32_t sizes[] = {0, 4096, offer.bytes - 1, offer.bytes + 1};

    (void)state;
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        int fd = memory(sizes[i], SEALS);

        expect_rejected(&offer, &fd, 1, "the memory it passed has another size than it says");
        close(fd);
    }
}

static void memory_of_another_kind(void **state)
{
    struct handover_offer offer = right_offer(0);
    int kinds[3] = {eventfd(0, 0), open("/dev/zero", O_RDWR), open("/proc/self/exe", O_RDONLY)};
    int read_only = memory(offer.bytes, SEALS | F_SEAL_WRITE);

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        expect_rejected(&offer, &kinds[i], 1, "the memory it passed is no memfd");
        close(kinds[i]);
    }
    expect_rejected(&offer, &read_only, 1, "the memory it passed cannot be mapped");
    close(read_only);
}

static void descriptors_nobody_asked_for(void **state)
{
    struct handover_offer plain = right_offer(0);
    struct handover_offer bells = right_offer(HANDOVER_EVENTFDS);
    int fds[8];

    (void)state;
    fds[0] = memory(plain.bytes, SEALS);
    for (size_t i = 1; i < 8; i++)
        fds[i] = eventfd(0, 0);
    for (unsigned n = 0; n <= PACKET_MAX_FDS; n++) {
        static const char reason[] = "the offer came with a wrong number of descriptors";

        if (n != 1)
            expect_rejected(&plain, fds, n, reason);
        if (n != 3)
            expect_rejected(&bells, fds, n, reason);
    }
    for (size_t i = 0; i < 8; i++)
        close(fds[i]);
}

static void bells_of_another_kind(void **state)
{
    struct handover_offer offer = right_offer(HANDOVER_EVENTFDS);
    int fds[3] = {memory(offer.bytes, SEALS), eventfd(0, 0), -1};
    int pipes[2];

    (void)state;
    assert_int_equal(pipe(pipes), 0);
    fds[2] = pipes[0];
    expect_rejected(&offer, fds, 3, "a doorbell it passed is no eventfd");
    fds[2] = fds[0];
    expect_rejected(&offer, fds, 3, "a doorbell it passed is no eventfd");
    fds[2] = fds[1];
    fds[1] = pipes[1];
    expect_rejected(&offer, fds, 3, "a doorbell it passed is no eventfd");
    close(fds[0]);
    close(fds[2]);
    close(pipes[0]);
    close(pipes[1]);
}

/* Somebody of another user passes eventfds all the same: his, with flags of his. */
static void bells_that_were_not_asked_for(void **state)
{
    struct handover_offer offer = right_offer(HANDOVER_EVENTFDS);
    int fds[3] = {memory(offer.bytes, SEALS), eventfd(0, 0), eventfd(0, 0)};
    int fd = open_against(false, false);

    (void)state;
    await_hello(fd);
    send_offer(fd, &offer, fds, 3);
    UNTIL(&ap, NULL, n_ended == 1);
    assert_string_equal(end_reason, "it passed eventfds, which were not asked for");
    side_close(&ap);
    close(fd);
    for (int i = 0; i < 3; i++)
        close(fds[i]);
}

/* Each field of the layout moved by a little, and to where sums overflow. */
static void layouts_that_lie(void **state)
{
    const struct handover_offer right = right_offer(0);
    int fd = memory(right.bytes, SEALS);

    (void)state;
    for (size_t field = 1; field < sizeof(right) / sizeof(uint32_t); field++) {
        static const uint32_t changes[] = {1, 4, 0x80000000u, 0xfffffff0u};

        for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
            struct handover_offer offer = right;
            uint32_t word;

            memcpy(&word, (uint8_t *)&offer + field * 4, 4);
            word += changes[i];
            memcpy((uint8_t *)&offer + field * 4, &word, 4);
            expect_rejected(&offer, &fd, 1,
                            field == 1 || (field == 2 && i == 2)
                                ? "the offer has a number or size of buffers that cannot be"
                                : "the offer has an unknown layout");
        }
    }
    close(fd);
}

/* ---- any packet at any time ----------------------------------------------------------------------- */

static uint64_t random_state = 0x9e3779b97f4a7c15u;

static uint32_t any(uint32_t below)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return (uint32_t)(random_state >> 33) % below;
}

static size_t garbage(uint8_t bytes[200])
{
    size_t len = any(200);

    for (size_t i = 0; i < 200; i++)
        bytes[i] = (uint8_t)any(256);
    if (any(2)) { /* past the first checks */
        static const uint8_t head[] = {'R', 'P', 'R', 'H', 1, 0};

        memcpy(bytes, head, sizeof(head));
        bytes[6] = (uint8_t)any(5);
        bytes[7] = 0;
        if (any(2))
            len = bytes[6] == 1   ? HANDOVER_HELLO_BYTES
                  : bytes[6] == 2 ? HANDOVER_OFFER_BYTES
                                  : HANDOVER_REFUSE_BYTES;
    }
    return len;
}

/* Whatever comes first or later ends in a session or in a reason, and leaves nothing behind. */
static void garbage_on_the_socket(void **state)
{
    int before = count_fds();

    (void)state;
    for (unsigned round = 0; round < 300; round++) {
        int fd = open_against(round & 1, round & 2);
        int passed[2] = {eventfd(0, 0), eventfd(0, 0)};
        uint8_t bytes[200];

        for (unsigned i = 0; i < 4 && !n_ended; i++) {
            (void)packet_send(fd, bytes, garbage(bytes), passed, any(3));
            for (int turn = 0; turn < 3; turn++)
                assert_int_equal(rpr_loop_turn(ap.loop, 1), 0);
        }
        close(fd);
        close(passed[0]);
        close(passed[1]);
        UNTIL(&ap, NULL, n_ended == 1);
        side_close(&ap);
    }
    assert_int_equal(count_fds(), before);
}

/* ---- doorbells ------------------------------------------------------------------------------------------ */

static void say_hello(int fd, uint32_t features)
{
    struct handover_hello hello = {.features = features, .own = "evil"};
    uint8_t bytes[HANDOVER_HELLO_BYTES];

    handover_hello_encode(bytes, &hello);
    assert_int_equal(packet_send(fd, bytes, sizeof(bytes), NULL, 0), 0);
}

/* HELLO as a device, and the OFFER with its descriptors. */
static struct packet be_device(int fd, uint32_t features)
{
    struct packet packet = {.len = 0};

    say_hello(fd, features);
    UNTIL(&ap, NULL, packet_receive(fd, &packet) == 1);
    assert_int_equal(handover_type(packet.bytes, packet.len), HANDOVER_OFFER);
    return packet;
}

/* Power changes ring unconditionally: our way to make the honest side ring as often as we like. */
static void make_it_ring(unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        assert_int_equal(rpr_device_power(ap.device, i & 1), 0);
}

/* If a write waited, nothing would go on: SIGALRM ends the test then. */
static void untrusted_doorbell(void **state)
{
    int fd = open_against(true, false);
    struct packet offer = be_device(fd, HANDOVER_EVENTFDS);
    int small = 1;

    (void)state;
    assert_int_equal(offer.n_fds, 1); /* the memory: no description is shared but that */
    alarm(30);
    /* it never reads, and makes its ends and all it has as blocking and as small as it can */
    assert_int_equal(fcntl(fd, F_SETFL, 0), 0);
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small)), 0);
    make_it_ring(20000);
    for (int i = 0; i < 10; i++)
        assert_int_equal(rpr_loop_turn(ap.loop, 1), 0);
    assert_true(side_up(&ap));

    /* and fills the other direction: we read, and go on with everything else */
    assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
    for (unsigned round = 0; round < 50; round++) {
        while (send(fd, "x", 1, MSG_NOSIGNAL) == 1)
            ;
        assert_int_equal(errno, EAGAIN);
        assert_int_equal(rpr_loop_turn(ap.loop, 1), 0);
    }
    alarm(0);
    assert_true(side_up(&ap));
    packet_close_fds(&offer);
    close(fd);
    UNTIL(&ap, NULL, n_ended == 1);
    side_close(&ap);
}

/* The connecting side is no better off with descriptions that the listener made and kept: it has
 * none of them, and its socket's flags do not matter. */
static void untrusted_listener(void **state)
{
    struct handover_offer offer = right_offer(HANDOVER_CREDIT);
    int memory_fd = memory(offer.bytes, SEALS);
    int own = -1;
    int fd;

    (void)state;
    fd = open_against(false, false);
    await_hello(fd);
    send_offer(fd, &offer, &memory_fd, 1);
    UNTIL(&ap, NULL, side_up(&ap));
    for (own = 3; own < 64; own++) /* a copy of its end, as who made the pair could have */
        if (own != fd && fcntl(own, F_GETFL) >= 0 && (fcntl(own, F_GETFL) & O_NONBLOCK))
            assert_int_equal(fcntl(own, F_SETFL, fcntl(own, F_GETFL) & ~O_NONBLOCK), 0);
    alarm(30);
    make_it_ring(20000);
    for (int i = 0; i < 10; i++)
        assert_int_equal(rpr_loop_turn(ap.loop, 1), 0);
    alarm(0);
    assert_true(side_up(&ap));
    close(fd);
    close(memory_fd);
    UNTIL(&ap, NULL, n_ended == 1);
    side_close(&ap);
}

/* An eventfd of a trusted peer that is full wakes nobody any more, unless the one who rings empties
 * it. Both directions: it rings us, and we ring it. */
static void full_eventfds(void **state)
{
    int fd = open_against(true, true);
    struct packet offer = be_device(fd, HANDOVER_EVENTFDS);
    uint64_t value;

    (void)state;
    assert_int_equal(offer.n_fds, 3);
    UNTIL(&ap, NULL, side_up(&ap));
    while (read(offer.fds[2], &value, sizeof(value)) > 0)
        ;
    for (int i = 0; i < 3; i++) {
        value = UINT64_MAX - 1;
        assert_int_equal(write(offer.fds[2], &value, sizeof(value)), sizeof(value));
        make_it_ring(1);
        assert_int_equal(read(offer.fds[2], &value, sizeof(value)), sizeof(value));
        assert_int_equal(value, 1); /* what was there is gone, and this is the ring */
    }
    value = UINT64_MAX - 1;
    (void)!write(offer.fds[1], &value, sizeof(value)); /* its own ability to wake us */
    for (int i = 0; i < 5; i++)
        assert_int_equal(rpr_loop_turn(ap.loop, 1), 0);
    assert_true(side_up(&ap));
    packet_close_fds(&offer);
    close(fd);
    UNTIL(&ap, NULL, n_ended == 1);
    side_close(&ap);
}

/* ---- the listener at a path --------------------------------------------------------------------------- */

static int connect_to(const char *name)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0);

    snprintf(address.sun_path, sizeof(address.sun_path), "%s", side_path(name));
    if (connect(fd, (struct sockaddr *)&address, sizeof(address)) != 0) {
        close(fd);
        return -1;
    }
    return fd;
}

/* A crowd that connects and says nothing delays the honest one by no more than its two seconds,
 * and costs a bounded number of descriptors. */
static void silent_crowd(void **state)
{
    struct side audio;
    double start;
    int crowd[40];
    int before;

    (void)state;
    side_open(&ap, "ap");
    side_link(&ap, "audio", side_url("l", "?listen=1"));
    side_open(&audio, "audio");
    before = count_fds();
    for (int i = 0; i < 40; i++) {
        crowd[i] = connect_to("l");
        assert_true(crowd[i] >= 0);
    }
    for (int i = 0; i < 5; i++)
        assert_int_equal(rpr_loop_turn(ap.loop, 1), 0);
    assert_true(count_fds() - before <= 40 + 8);
    start = seconds();
    for (int i = 8; i < 40; i++)
        close(crowd[i]); /* those who wait in the queue go: the first eight stay silent */
    side_link(&audio, "ap", side_url("l", ""));
    UNTIL(&ap, &audio, side_up(&ap) && side_up(&audio));
    assert_true(seconds() - start < 10);
    for (int i = 0; i < 8; i++)
        close(crowd[i]);
    side_close(&audio);
    side_close(&ap);
}

/* Garbage at the path is refused, said, counted - and the live link goes on. */
static void garbage_at_the_path(void **state)
{
    struct side audio;
    unsigned n_refused = 0;

    (void)state;
    side_open(&ap, "ap");
    side_link(&ap, "audio", side_url("l", "?listen=1"));
    side_open(&audio, "audio");
    side_link(&audio, "ap", side_url("l", ""));
    UNTIL(&ap, &audio, side_up(&ap) && side_up(&audio));
    for (unsigned i = 0; i < 100; i++) {
        struct packet packet = {.len = 0};
        uint8_t bytes[200];
        int fd = connect_to("l");
        size_t len;

        assert_true(fd >= 0);
        do
            len = garbage(bytes);
        while (len == 0 || handover_type(bytes, len) == HANDOVER_HELLO);
        assert_int_equal(packet_send(fd, bytes, len, NULL, 0), 0);
        UNTIL(&ap, &audio, packet_receive(fd, &packet) == 1);
        n_refused += handover_type(packet.bytes, packet.len) == HANDOVER_REFUSE;
        close(fd);
    }
    assert_int_equal(n_refused, 100);
    assert_true(ap.n_log >= 5 &&
                ap.n_log <= 8); /* at 1, 2, 4 ... 64: a flood does not fill a log */
    assert_true(side_up(&ap) && side_up(&audio));
    side_close(&audio);
    side_close(&ap);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(right_offers_are_taken),
        cmocka_unit_test(memory_that_can_shrink),
        cmocka_unit_test(memory_of_another_size),
        cmocka_unit_test(memory_of_another_kind),
        cmocka_unit_test(descriptors_nobody_asked_for),
        cmocka_unit_test(bells_of_another_kind),
        cmocka_unit_test(bells_that_were_not_asked_for),
        cmocka_unit_test(layouts_that_lie),
        cmocka_unit_test(garbage_on_the_socket),
        cmocka_unit_test(untrusted_doorbell),
        cmocka_unit_test(untrusted_listener),
        cmocka_unit_test(full_eventfds),
        cmocka_unit_test(silent_crowd),
        cmocka_unit_test(garbage_at_the_path),
    };

    return cmocka_run_group_tests(tests, side_dir_make, side_dir_remove);
}
