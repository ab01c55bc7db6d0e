/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A peer that writes anything into the shared memory at any moment. What must happen: its own link
 * is broken with a reason that says what was wrong, or the message is counted as an error; nothing
 * is read or written outside the region (it has no slack: a sanitizer sees one byte), and the link
 * comes back.
 *
 * An honest node is the peer; its memory is then forged. Both roles of the victim.
 */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <rpr/vring.h>

#include "base/bytes.h"

#define NUM     8u
#define PAYLOAD 112u
#define SECOND  UINT64_C(1000000000)

struct node {
    struct rpr_node *node;
    struct rpr_link *link;
    struct rpr_device *device;
    rpr_ept_t ept;
    bool wants_session, bound, hold;
    struct rpr_msg held;
    unsigned n_rx;
};

static struct node victim, peer;
static struct rpr_vring_layout layout;
static enum rpr_vring_role role; /* of the victim */
static uint8_t *region;
static uint64_t now = 1;

/* ---- two nodes ------------------------------------------------------------------------------- */

static void *alloc(void *ctx, size_t bytes)
{
    (void)ctx;
    return calloc(1, bytes);
}

static void dealloc(void *ctx, void *memory, size_t bytes)
{
    (void)ctx;
    (void)bytes;
    free(memory);
}

static const struct rpr_platform platform = {.alloc = alloc, .free = dealloc};

static enum rpr_rx_result on_rx(void *ctx, rpr_ept_t ept, const struct rpr_msg *msg)
{
    struct node *n = ctx;
    unsigned sum = 0;

    (void)ept;
    for (uint32_t i = 0; i < msg->len; i++)
        sum += ((const uint8_t *)msg->data)[i]; /* all of it must be there */
    n->n_rx += 1 + (sum & 0);
    if (!n->hold)
        return RPR_DONE;
    n->hold = false;
    n->held = *msg;
    return RPR_HOLD;
}

static void on_bound(void *ctx, rpr_ept_t ept, uint32_t dest)
{
    struct node *n = ctx;

    (void)dest;
    n->ept = ept;
    n->bound = true;
}

static void on_unbound(void *ctx, rpr_ept_t ept, enum rpr_unbound_reason reason)
{
    struct node *n = ctx;

    (void)reason;
    n->bound = false;
    if (n == &victim)
        rpr_ept_close(ept);
}

static const struct rpr_ept_ops ept_ops = {.rx = on_rx, .bound = on_bound, .unbound = on_unbound};

static int bind(void *ctx, struct rpr_device *device, const char *name, uint32_t addr)
{
    struct rpr_ept_config config = {
        .name = name, .addr = RPR_ADDR_ANY, .dest = addr, .ops = &ept_ops, .ctx = ctx};
    rpr_ept_t ept;

    return rpr_ept_open(device, &config, &ept);
}

static const struct rpr_service_ops service_ops = {.bind = bind};

static void on_open(void *ctx)
{
    ((struct node *)ctx)->wants_session = true;
}

static void on_close(void *ctx)
{
    ((struct node *)ctx)->wants_session = false;
}

static void ring(void *ctx, bool to_tx_ring)
{
    (void)ctx;
    (void)to_tx_ring;
}

static void open_node(struct node *n, const char *name, const char *remote)
{
    struct rpr_node_config config = {.name = name, .platform = &platform};
    struct rpr_vring_config link = {
        .remote = remote, .kind = "shm", .port = {.open = on_open, .close = on_close, .ctx = n}};

    memset(n, 0, sizeof(*n));
    assert_int_equal(rpr_node_open(&n->node, &config), 0);
    assert_int_equal(rpr_vring_open(n->node, &link, &n->link), 0);
    n->device = rpr_device_find(n->node, remote);
}

static void attach(struct node *n, enum rpr_vring_role as)
{
    struct rpr_vring_session session = {
        .role = as, .base = region, .layout = layout, .ring = ring, .credit = true};

    assert_int_equal(rpr_vring_attach(n->link, &session), 0);
}

static void poll_both(unsigned times)
{
    for (; times > 0; times--) {
        now += SECOND / 1000;
        rpr_node_poll(peer.node, now, 0);
        rpr_node_poll(victim.node, now, 0);
    }
}

/* Fresh memory, both sides honest, an endpoint bound. The driver comes first: it makes the rings. */
static void connect_both(void)
{
    memset(region, 0, layout.bytes);
    if (role == RPR_VRING_DRIVER) {
        attach(&victim, RPR_VRING_DRIVER);
        attach(&peer, RPR_VRING_DEVICE);
    } else {
        attach(&peer, RPR_VRING_DRIVER);
        attach(&victim, RPR_VRING_DEVICE);
    }
    for (int i = 0; i < 4000 && !(victim.bound && peer.bound); i++)
        poll_both(1);
    assert_true(victim.bound && peer.bound);
    poll_both(4);
}

static void open_all(enum rpr_vring_role as)
{
    struct rpr_service_config service = {.name = "svc", .ops = &service_ops, .ctx = &victim};
    struct rpr_ept_config ept = {
        .name = "svc", .addr = RPR_ADDR_ANY, .dest = RPR_ADDR_ANY, .ops = &ept_ops, .ctx = &peer};
    struct rpr_service *opened;

    role = as;
    assert_int_equal(rpr_vring_layout_local(&layout, NUM, PAYLOAD), 0);
    region = aligned_alloc(128, layout.bytes);
    assert_non_null(region);
    open_node(&victim, "victim", "peer");
    open_node(&peer, "peer", "victim");
    assert_int_equal(rpr_service_open(victim.node, &service, &opened), 0);
    assert_int_equal(rpr_ept_open(peer.device, &ept, &peer.ept), 0);
    connect_both();
}

static void close_all(void)
{
    rpr_node_close(victim.node);
    rpr_node_close(peer.node);
    free(region);
}

/* ---- forging ----------------------------------------------------------------------------------- */

/* The ring on which the victim receives, and the one on which it sends. */
static const struct rpr_vring_ring *rx_ring(void)
{
    return &layout.ring[role == RPR_VRING_DEVICE ? 1 : 0];
}

static const struct rpr_vring_ring *tx_ring(void)
{
    return &layout.ring[role == RPR_VRING_DEVICE ? 0 : 1];
}

/* What the peer writes of it: avail for a driver, used for a device. */
static uint8_t *half(const struct rpr_vring_ring *r)
{
    return region + (role == RPR_VRING_DEVICE ? r->avail : r->used);
}

static uint16_t index_of(const struct rpr_vring_ring *r)
{
    return get_le16(half(r) + 2);
}

static uint8_t *last_entry(const struct rpr_vring_ring *r)
{
    uint32_t at = (index_of(r) - 1u) % NUM;

    return half(r) + 4 + at * (role == RPR_VRING_DEVICE ? 2u : 8u);
}

static void move_index(const struct rpr_vring_ring *r, int by)
{
    put_le16(half(r) + 2, (uint16_t)(index_of(r) + by));
}

static uint32_t last_id(void)
{
    return get_le16(last_entry(rx_ring()));
}

/* The descriptor that the peer, a driver, used last. */
static uint8_t *last_desc(void)
{
    return region + rx_ring()->desc + 16 * last_id();
}

/* Where its message is: the victim's rx buffers are the same ones in both roles. */
static uint8_t *last_message(void)
{
    return region + rx_ring()->buffers + last_id() * rx_ring()->stride;
}

/* The peer's message is there, and the victim has not looked yet. */
static void send_from_peer(void)
{
    uint8_t payload[PAYLOAD] = {1};

    assert_int_equal(rpr_send(peer.ept, payload, 32, 0), 0);
}

/* Whatever the victim does with its rings: it sends all it can, and polls. */
static void let_victim_work(void)
{
    uint8_t payload[PAYLOAD] = {2};

    for (unsigned i = 0; i < 4; i++) {
        for (unsigned k = 0; k < 4 * NUM && victim.bound; k++)
            if (rpr_send(victim.ept, payload, 48, 0) != 0)
                break;
        rpr_node_poll(victim.node, ++now, 0);
    }
}

static void expect_broken(const char *reason)
{
    struct rpr_device_info info;

    let_victim_work();
    rpr_device_info(victim.device, &info);
    assert_int_equal(info.state, RPR_DEVICE_BROKEN);
    assert_non_null(strstr(info.reason, reason));
    assert_false(victim.bound);
}

static void expect_back(void)
{
    struct rpr_device_info info;

    rpr_vring_detach(peer.link, "gone", false);
    now += 20 * SECOND; /* the link's back-off */
    rpr_node_poll(victim.node, now, 0);
    rpr_node_poll(peer.node, now, 0);
    connect_both();
    rpr_device_info(victim.device, &info);
    assert_int_equal(info.state, RPR_DEVICE_UP);
}

struct lie {
    const char *name;
    void (*tell)(void);
    const char *reason;
    int only; /* role of the victim that can be told so, or -1 */
};

static void index_too_far(void)
{
    move_index(rx_ring(), (int)NUM + 1);
}

static void index_backwards(void)
{
    move_index(rx_ring(), -1);
    rpr_node_poll(victim.node, ++now, 0); /* takes nothing: as before the message */
    move_index(rx_ring(), -1);
}

static void tx_index_too_far(void)
{
    move_index(tx_ring(), (int)NUM + 1);
}

static void id_out_of_range(void)
{
    put_le16(last_entry(rx_ring()), NUM);
}

static void id_far_out_of_range(void)
{
    put_le16(last_entry(rx_ring()), 0xffff);
}

static void id_of_32_bits(void)
{
    put_le32(last_entry(rx_ring()), 0x80000000u);
}

/* The victim holds the message; the same buffer comes once more. */
static void id_that_is_held(void)
{
    uint16_t id = (uint16_t)last_id();

    victim.hold = true;
    rpr_node_poll(victim.node, ++now, 0);
    assert_non_null(victim.held.data);
    move_index(rx_ring(), 1);
    put_le16(last_entry(rx_ring()), id);
}

/* All that the victim sent comes back, and one of it twice. */
static void tx_id_twice(void)
{
    uint8_t payload[PAYLOAD] = {2};

    assert_int_equal(rpr_send(victim.ept, payload, 16, RPR_MORE), 0);
    assert_int_equal(rpr_send(victim.ept, payload, 16, 0), 0);
    rpr_node_poll(peer.node, ++now, 0);
    put_le16(last_entry(tx_ring()),
             get_le16(half(tx_ring()) + 4 +
                      (index_of(tx_ring()) - 2u) % NUM * (role == RPR_VRING_DEVICE ? 2u : 8u)));
}

static void desc_outside(void)
{
    put_le64(last_desc(), layout.bytes);
}

static void desc_over_the_end(void)
{
    put_le64(last_desc(), layout.bytes - 8);
    put_le32(last_desc() + 8, 16);
}

static void desc_before_the_start(void)
{
    put_le64(last_desc(), UINT64_MAX - 63);
}

static void desc_of_4_gib(void)
{
    put_le32(last_desc() + 8, UINT32_MAX);
}

static void desc_without_header(void)
{
    put_le32(last_desc() + 8, 15);
}

static void desc_not_aligned(void)
{
    put_le64(last_desc(), get_le64(last_desc()) + 2);
}

static void desc_chained(void)
{
    put_le16(last_desc() + 12, 1);
}

static void desc_indirect(void)
{
    put_le16(last_desc() + 12, 4);
}

static void length_over_the_buffer(void)
{
    put_le32(last_entry(rx_ring()) + 4, rx_ring()->size + 1);
}

static void message_over_what_came(void)
{
    if (role == RPR_VRING_DRIVER)
        put_le32(last_entry(rx_ring()) + 4, 16 + 31); /* the header says 32 */
    else
        put_le16(last_message() + 12, (uint16_t)(rx_ring()->size - 15));
}

static void message_of_64_kib(void)
{
    put_le16(last_message() + 12, 0xffff);
}

static const struct lie lies[] = {
    {"index too far", index_too_far, "index out of range", -1},
    {"index backwards", index_backwards, "index out of range", -1},
    {"tx index too far", tx_index_too_far, "index out of range", -1},
    {"id out of range", id_out_of_range, "id out of range", -1},
    {"id far out of range", id_far_out_of_range, "id out of range", -1},
    {"id of 32 bits", id_of_32_bits, "id out of range", RPR_VRING_DRIVER},
    {"id that is held", id_that_is_held, "not outstanding", -1},
    {"tx id twice", tx_id_twice, "not outstanding", -1},
    {"descriptor outside", desc_outside, "outside the shared region", RPR_VRING_DEVICE},
    {"descriptor over the end", desc_over_the_end, "outside the shared region", RPR_VRING_DEVICE},
    {"descriptor before the start", desc_before_the_start, "outside the shared region",
     RPR_VRING_DEVICE},
    {"descriptor of 4 GiB", desc_of_4_gib, "outside the shared region", RPR_VRING_DEVICE},
    {"descriptor without header", desc_without_header, "too short", RPR_VRING_DEVICE},
    {"descriptor not aligned", desc_not_aligned, "not aligned", RPR_VRING_DEVICE},
    {"descriptor chained", desc_chained, "chained", RPR_VRING_DEVICE},
    {"descriptor indirect", desc_indirect, "chained", RPR_VRING_DEVICE},
    {"length over the buffer", length_over_the_buffer, "length over the buffer", RPR_VRING_DRIVER},
    {"message over what came", message_over_what_came, "over its buffer", -1},
    {"message of 64 KiB", message_of_64_kib, "over its buffer", -1},
};

/* Each lie in a session of its own, behind honest messages through the same buffers: what was
 * checked once must be looked at again. */
static void tell_all(enum rpr_vring_role as)
{
    open_all(as);
    for (size_t i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
        if (lies[i].only >= 0 && lies[i].only != (int)as)
            continue;
        print_message("%s\n", lies[i].name);
        for (unsigned k = 0; k < 3 * NUM; k++) {
            send_from_peer();
            poll_both(1);
        }
        memset(&victim.held, 0, sizeof(victim.held));
        send_from_peer();
        lies[i].tell();
        expect_broken(lies[i].reason);
        if (victim.held.data)
            rpr_release(&victim.held);
        expect_back();
    }
    close_all();
}

static void lies_to_a_device(void **state)
{
    (void)state;
    tell_all(RPR_VRING_DEVICE);
}

static void lies_to_a_driver(void **state)
{
    (void)state;
    tell_all(RPR_VRING_DRIVER);
}

/* ---- lies that must change nothing -------------------------------------------------------------- */

/* What the victim has written: its own half of a ring. */
static uint8_t *own_half(const struct rpr_vring_ring *r)
{
    return region + (role == RPR_VRING_DEVICE ? r->used : r->avail);
}

static void expect_received(unsigned before)
{
    rpr_node_poll(victim.node, ++now, 0);
    assert_int_equal(victim.n_rx, before + 1);
}

static uint64_t n_errors(void)
{
    struct rpr_device_info info;

    rpr_device_info(victim.device, &info);
    return info.counters.errors;
}

/* Its indices are private: the next publication says what they are. */
static void own_indices_overwritten(void)
{
    const struct rpr_vring_ring *rings[] = {rx_ring(), tx_ring()};
    uint16_t were[2];
    unsigned before = victim.n_rx;
    uint8_t payload[PAYLOAD] = {2};

    for (unsigned i = 0; i < 2; i++) {
        were[i] = get_le16(own_half(rings[i]) + 2);
        put_le16(own_half(rings[i]) + 2, 0x5555);
    }
    expect_received(before);
    assert_int_equal(rpr_send(victim.ept, payload, 16, 0), 0);
    for (unsigned i = 0; i < 2; i++)
        assert_int_equal(get_le16(own_half(rings[i]) + 2), (uint16_t)(were[i] + 1));
}

/* So is who owns which buffer: entries are written, and never looked at again. */
static void own_entries_overwritten(void)
{
    const uint32_t bytes = role == RPR_VRING_DEVICE ? 8 : 2;
    unsigned before = victim.n_rx;
    uint8_t *entries = own_half(rx_ring()) + 4;
    uint8_t were[NUM * 8u];
    uint32_t last;

    rpr_node_poll(peer.node, ++now, 0); /* it has seen all up to here */
    memcpy(were, entries, (size_t)NUM * bytes);
    memset(entries, 0xee, (size_t)NUM * bytes);
    expect_received(before);
    last = (get_le16(own_half(rx_ring()) + 2) - 1u) % NUM;
    for (uint32_t i = 0; i < NUM; i++)
        if (i != last) /* for the peer's sake */
            memcpy(entries + i * bytes, were + i * bytes, bytes);
}

/* Other stacks chain free descriptors through it. */
static void next_of_descriptors(void)
{
    unsigned before = victim.n_rx;

    for (unsigned ring = 0; ring < 2; ring++)
        for (uint32_t i = 0; i < NUM; i++)
            put_le16(region + layout.ring[ring].desc + 16 * i + 14, 0xbeef);
    expect_received(before);
}

/* A driver knows where its buffers are; a device checks what it reads, and an honest one comes back. */
static void descriptors_under_a_driver(void)
{
    unsigned before = victim.n_rx;
    uint8_t were[16 * NUM];
    uint8_t *desc = region + rx_ring()->desc;

    memcpy(were, desc, sizeof were);
    memset(desc, 0xee, sizeof were);
    expect_received(before);
    memcpy(desc, were, sizeof were);
}

/* Other stacks keep index and hold count there (H-1). */
static void reserved_word_of_the_header(void)
{
    uint8_t *message = last_message();
    struct rpr_queue_info queue;

    victim.hold = true;
    put_le32(message + 8, UINT32_MAX);
    rpr_node_poll(victim.node, ++now, 0);
    assert_non_null(victim.held.data);
    put_le32(message + 8, 0x00010001);
    rpr_release(&victim.held);
    memset(&victim.held, 0, sizeof(victim.held));
    rpr_node_poll(victim.node, ++now, 0);
    assert_true(rpr_device_queue(victim.device, 1, &queue));
    assert_int_equal(queue.free, NUM); /* none leaks */
}

static void header_changes_while_it_is_lent(void)
{
    uint8_t *message = last_message();

    victim.hold = true;
    rpr_node_poll(victim.node, ++now, 0);
    assert_non_null(victim.held.data);
    memset(message, 0xee, 16);
    assert_int_equal(victim.held.len, 32);
    rpr_release(&victim.held);
    memset(&victim.held, 0, sizeof(victim.held));
}

/* Makes a name service message of the one that waits. */
static uint8_t *make_ns(uint16_t len, uint32_t addr, uint32_t flags)
{
    uint8_t *message = last_message();

    put_le32(message, addr);
    put_le32(message + 4, 53);
    put_le16(message + 12, len);
    memset(message + 16, 'A', 32);
    put_le32(message + 16 + 32, addr);
    put_le32(message + 16 + 36, flags);
    return message;
}

static void unterminated_name(void)
{
    struct rpr_device_info info;

    (void)make_ns(40, 5000, 0);
    rpr_node_poll(victim.node, ++now, 0);
    rpr_device_info(victim.device, &info);
    assert_int_equal(info.n_announcements, 1); /* RPMsg-Lite's names of 32 have no end (WIRE 1.3) */
    send_from_peer();
    (void)make_ns(40, 5000, 1);
    rpr_node_poll(victim.node, ++now, 0);
    rpr_device_info(victim.device, &info);
    assert_int_equal(info.n_announcements, 0);
}

static void count_as_error(void)
{
    uint64_t before = n_errors();

    rpr_node_poll(victim.node, ++now, 0);
    assert_int_equal(n_errors(), before + 1);
}

static void name_service_of_39(void)
{
    (void)make_ns(39, 5000, 0);
    count_as_error();
}

static void name_service_of_41(void)
{
    (void)make_ns(41, 5000, 0);
    count_as_error();
}

static void name_service_flags(void)
{
    (void)make_ns(40, 5000, 3);
    count_as_error();
}

static void destroy_of_nobody(void)
{
    (void)make_ns(40, 0xfffffffe, 1);
    rpr_node_poll(victim.node, ++now, 0);
}

/* The address of a former endpoint, or of none: counted, delivered to nobody. */
static void to_nobody(void)
{
    static const uint32_t nobody[] = {0, 52, 1023, 0x12345, 0x7fffffff, UINT32_MAX};
    struct rpr_device_info info;
    unsigned before = victim.n_rx;
    uint64_t late;

    rpr_device_info(victim.device, &info);
    late = info.counters.late;
    for (size_t i = 0; i < sizeof nobody / sizeof nobody[0]; i++) {
        if (i)
            send_from_peer();
        put_le32(last_message() + 4, nobody[i]);
        rpr_node_poll(victim.node, ++now, 0);
    }
    rpr_device_info(victim.device, &info);
    assert_int_equal(victim.n_rx, before);
    assert_int_equal(info.counters.late, late + sizeof nobody / sizeof nobody[0]);
}

static void no_payload(void)
{
    unsigned before = victim.n_rx;

    put_le16(last_message() + 12, 0);
    expect_received(before);
}

static const struct lie harmless[] = {
    {"own indices overwritten", own_indices_overwritten, "", -1},
    {"own entries overwritten", own_entries_overwritten, "", -1},
    {"next of descriptors", next_of_descriptors, "", -1},
    {"descriptors under a driver", descriptors_under_a_driver, "", RPR_VRING_DRIVER},
    {"reserved word of the header", reserved_word_of_the_header, "", -1},
    {"header changes while it is lent", header_changes_while_it_is_lent, "", -1},
    {"unterminated name", unterminated_name, "", -1},
    {"name service of 39 bytes", name_service_of_39, "", -1},
    {"name service of 41 bytes", name_service_of_41, "", -1},
    {"name service flags", name_service_flags, "", -1},
    {"DESTROY of nobody", destroy_of_nobody, "", -1},
    {"to nobody", to_nobody, "", -1},
    {"no payload", no_payload, "", -1},
};

static void honest_traffic(void)
{
    for (unsigned k = 0; k < 3 * NUM; k++) {
        unsigned before = victim.n_rx;

        send_from_peer();
        poll_both(1);
        assert_int_equal(victim.n_rx, before + 1);
    }
}

/* The link stays, and goes on with honest messages. */
static void tell_harmless(enum rpr_vring_role as)
{
    open_all(as);
    for (size_t i = 0; i < sizeof(harmless) / sizeof(harmless[0]); i++) {
        if (harmless[i].only >= 0 && harmless[i].only != (int)as)
            continue;
        print_message("%s\n", harmless[i].name);
        honest_traffic();
        send_from_peer();
        harmless[i].tell();
        assert_int_equal(rpr_device_state(victim.device), RPR_DEVICE_UP);
        honest_traffic();
    }
    close_all();
}

static void harmless_to_a_device(void **state)
{
    (void)state;
    tell_harmless(RPR_VRING_DEVICE);
}

static void harmless_to_a_driver(void **state)
{
    (void)state;
    tell_harmless(RPR_VRING_DRIVER);
}

/* ---- anything, anywhere --------------------------------------------------------------------------- */

static uint32_t random_state;

static uint32_t next_random(void)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 17;
    random_state ^= random_state << 5;
    return random_state;
}

/* Mostly where it matters: in front of the buffers; mostly values that are nearly right. */
static void scribble_once(void)
{
    uint32_t fence = layout.ring[0].buffers;
    uint32_t at = next_random() % (next_random() % 4 ? fence : layout.bytes);
    uint32_t choice = next_random() % 4;

    if (choice == 0)
        region[at] = (uint8_t)next_random();
    else if (choice == 1)
        region[at] ^= (uint8_t)(1u << next_random() % 8);
    else if (choice == 2)
        region[at] = (uint8_t)(region[at] + 1);
    else
        memset(region + at, (int)next_random(), layout.bytes - at < 8 ? layout.bytes - at : 8);
}

/* Also now and then when it is not: a lie that only costs credit stops the traffic for good. */
static void bring_back_if_broken(void)
{
    if (rpr_device_state(victim.device) == RPR_DEVICE_UP &&
        rpr_device_state(peer.device) == RPR_DEVICE_UP && next_random() % 256 != 0)
        return;
    do {
        rpr_vring_detach(victim.link, "again", false);
        rpr_vring_detach(peer.link, "again", false);
        now += 20 * SECOND;
        poll_both(1);
    } while (!victim.wants_session || !peer.wants_session);
    memset(region, 0, layout.bytes);
    attach(role == RPR_VRING_DRIVER ? &victim : &peer, RPR_VRING_DRIVER);
    attach(role == RPR_VRING_DRIVER ? &peer : &victim, RPR_VRING_DEVICE);
}

static void traffic(void)
{
    uint8_t payload[PAYLOAD] = {3};

    if (peer.bound)
        rpr_send(peer.ept, payload, next_random() % (PAYLOAD + 1), next_random() & RPR_MORE);
    if (victim.bound)
        rpr_send(victim.ept, payload, next_random() % (PAYLOAD + 1), next_random() & RPR_MORE);
    if (!victim.held.data)
        victim.hold = next_random() % 8 == 0;
    else if (next_random() % 4 == 0)
        rpr_release(&victim.held);
    poll_both(1);
}

static void anything(enum rpr_vring_role as, uint32_t seed)
{
    print_message("seed %u\n", seed);
    random_state = seed;
    open_all(as);
    for (unsigned i = 0; i < 20000; i++) {
        traffic();
        if (next_random() % 32 == 0)
            scribble_once();
        bring_back_if_broken();
    }
    assert_true(victim.n_rx > 1000 && peer.n_rx > 1000); /* or nothing was tried */
    if (victim.held.data)
        rpr_release(&victim.held);
    close_all();
}

static void anything_written_between_polls(void **state)
{
    (void)state;
    for (uint32_t seed = 1; seed <= 10; seed++)
        anything(seed % 2 ? RPR_VRING_DEVICE : RPR_VRING_DRIVER, seed);
}

/* ---- at any moment ---------------------------------------------------------------------------------- */

static _Atomic bool scribbling;

/* Flips what the victim checks and then uses, as fast as it can: ids, descriptors, lengths. */
__attribute__((no_sanitize("thread"))) static void *scribbler(void *ctx)
{
    volatile uint8_t *memory = ctx;
    uint32_t fence = layout.ring[0].buffers;
    uint32_t random = 7;

    while (scribbling) {
        random = random * 1664525u + 1013904223u;
        if (random >> 28)
            memory[layout.ring[random >> 8 & 1].buffers +
                   (random >> 12) % NUM * layout.ring[0].stride + 12] ^= (uint8_t)random;
        else
            memory[(random >> 8) % fence] = (uint8_t)(random >> 4);
    }
    return NULL;
}

static void anything_written_at_any_moment(void **state)
{
    pthread_t thread;

    (void)state;
#ifdef __SANITIZE_THREAD__
    skip(); /* races are the point */
#endif
    random_state = 5;
    for (int as = 0; as < 2; as++) {
        open_all(as ? RPR_VRING_DRIVER : RPR_VRING_DEVICE);
        scribbling = true;
        assert_int_equal(pthread_create(&thread, NULL, scribbler, region), 0);
        for (unsigned i = 0; i < 50000; i++) {
            traffic();
            bring_back_if_broken();
        }
        scribbling = false;
        pthread_join(thread, NULL);
        if (victim.held.data)
            rpr_release(&victim.held);
        close_all();
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(lies_to_a_device),
                                       cmocka_unit_test(lies_to_a_driver),
                                       cmocka_unit_test(harmless_to_a_device),
                                       cmocka_unit_test(harmless_to_a_driver),
                                       cmocka_unit_test(anything_written_between_polls),
                                       cmocka_unit_test(anything_written_at_any_moment)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
