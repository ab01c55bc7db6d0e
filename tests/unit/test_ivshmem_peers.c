/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The link with a resource table against peers of other kinds, each played by hand with the habits
 * that WIRE tells of them. The bytes they write are written out here, not made by our encoders.
 */
#include "ivshmem_pair.h"

#define BASE UINT64_C(0x10400000) /* where the master has the memory */

/* ---- rings by hand ---------------------------------------------------------------------------- */

struct ring {
    uint32_t num, desc, avail, used;
    uint16_t avail_index, used_index; /* free-running: entries written, or read */
};

struct bench {
    struct board board;
    struct side side; /* ours */
    struct ring ring[2];
    uint32_t buffers[2], size[2];
    uint64_t now;
    uint32_t own_seq; /* the hand's word */
    bool hand_drives;
    bool silent; /* never says that it returned buffers */
};

static uint64_t round_up(uint64_t n, uint64_t to)
{
    return (n + to - 1) / to * to;
}

/* The address of `used` is aligned, not its distance. */
static void ring_at(struct ring *r, uint32_t at, uint32_t num, uint32_t align)
{
    *r = (struct ring){.num = num, .desc = at, .avail = at + 16 * num};
    r->used = (uint32_t)round_up(r->avail + 6 + 2 * num, align);
}

static uint16_t get16(struct bench *t, uint32_t at)
{
    return get_le16(t->board.memory + at);
}

static void put16(struct bench *t, uint32_t at, uint16_t value)
{
    put_le16(t->board.memory + at, value);
}

static uint32_t get(struct bench *t, uint32_t at)
{
    return board_get(&t->board, at);
}

static void put(struct bench *t, uint32_t at, uint32_t value)
{
    board_put(&t->board, at, value);
}

static void put64(struct bench *t, uint32_t at, uint64_t value)
{
    put_le64(t->board.memory + at, value);
}

static void notify(struct bench *t)
{
    put(t, t->own_seq, get(t, t->own_seq) + 1);
}

static void put_desc(struct bench *t, unsigned i, uint32_t id, uint16_t flags)
{
    uint32_t at = t->ring[i].desc + 16 * id;

    put64(t, at, BASE + t->buffers[i] + id * t->size[i]);
    put(t, at + 8, t->size[i]);
    put16(t, at + 12, flags);
}

/* As OpenAMP's: rings zeroed, ring 0 filled, callbacks of the own tx ring disabled. */
static void drive(struct bench *t)
{
    for (unsigned i = 0; i < 2; i++) {
        struct ring *r = &t->ring[i];

        memset(t->board.memory + r->desc, 0, r->used + 4 + 8 * r->num - r->desc);
        for (uint32_t id = 0; i == 0 && id < r->num; id++) {
            put_desc(t, i, id, 2);
            put16(t, r->avail + 4 + 2 * id, (uint16_t)id);
        }
    }
    t->ring[0].avail_index = (uint16_t)t->ring[0].num;
    put16(t, t->ring[0].avail + 2, t->ring[0].avail_index);
    put16(t, t->ring[1].avail, 1);
}

/* The buffer in which a message of the hand's goes, and then its publication. */
static uint8_t *next_buffer(struct bench *t, uint32_t *id)
{
    struct ring *r = &t->ring[t->hand_drives];

    if (!t->hand_drives) {
        assert_true(get16(t, r->avail + 2) != r->used_index);
        *id = get16(t, r->avail + 4 + 2 * (r->used_index % r->num));
        return t->board.memory + (get_le64(t->board.memory + r->desc + 16 * *id) - BASE);
    }
    if (r->avail_index < r->num) { /* the first round: none has been back yet */
        *id = r->avail_index;
        put_desc(t, 1, *id, 0);
    } else {
        assert_true(get16(t, r->used + 2) != r->used_index);
        *id = get(t, r->used + 4 + 8 * (r->used_index % r->num));
        r->used_index++;
    }
    return t->board.memory + t->buffers[1] + *id * t->size[1];
}

static void give(struct bench *t, uint32_t id)
{
    struct ring *r = &t->ring[t->hand_drives];

    if (t->hand_drives) {
        put16(t, r->avail + 4 + 2 * (r->avail_index % r->num), (uint16_t)id);
        put16(t, r->avail + 2, ++r->avail_index);
    } else {
        uint32_t at = r->used + 4 + 8 * (r->used_index % r->num);

        put(t, at, id);
        put(t, at + 4, get(t, r->desc + 16 * id + 8));
        put16(t, r->used + 2, ++r->used_index);
    }
    notify(t);
}

static void say(struct bench *t, uint32_t src, uint32_t dst, const void *data, size_t len)
{
    uint32_t id;
    uint8_t *at = next_buffer(t, &id);

    header_put(at, src, dst, (uint16_t)len);
    memcpy(at + 16, data, len);
    give(t, id);
}

static void say_text(struct bench *t, uint32_t src, uint32_t dst, const char *text)
{
    say(t, src, dst, text, strlen(text));
}

static void say_ns(struct bench *t, const char *name, uint32_t addr, uint32_t flags)
{
    uint8_t payload[40];

    memset(payload, 0xa5, sizeof payload); /* OpenAMP: what was on the stack */
    memcpy(payload, name, strlen(name) + 1);
    put_le32(payload + 32, addr);
    put_le32(payload + 36, flags);
    say(t, addr, 53, payload, sizeof payload);
}

/* The next message of ours, or NULL; the buffer goes back with its full length. */
static const uint8_t *hear(struct bench *t)
{
    struct ring *r = &t->ring[!t->hand_drives];
    const uint8_t *at;
    uint32_t id, len;

    if (t->hand_drives) {
        if (get16(t, r->used + 2) == r->used_index)
            return NULL;
        id = get(t, r->used + 4 + 8 * (r->used_index % r->num));
        assert_int_equal(get(t, r->used + 8 + 8 * (r->used_index % r->num)), t->size[0]);
        r->used_index++;
        at = t->board.memory + t->buffers[0] + id * t->size[0];
        put16(t, r->avail + 4 + 2 * (r->avail_index % r->num), (uint16_t)id);
        put16(t, r->avail + 2, ++r->avail_index);
    } else {
        if (get16(t, r->avail + 2) == r->avail_index)
            return NULL;
        id = get16(t, r->avail + 4 + 2 * (r->avail_index++ % r->num));
        len = get(t, r->desc + 16 * id + 8);
        at = t->board.memory +
             (get_le64(t->board.memory + r->desc + 16 * id) - get_le64(t->board.memory));
        put(t, r->used + 4 + 8 * (r->used_index % r->num), id);
        put(t, r->used + 8 + 8 * (r->used_index % r->num), len);
        put16(t, r->used + 2, ++r->used_index);
    }
    if (!t->silent)
        notify(t);
    return at;
}

/* All that was said: "CREATE name;", "ACK name;", "DESTROY name;", "dst text;". Names of ours that
 * stand in the way are left out. */
static const char *heard(struct bench *t)
{
    static const char *const words[] = {"CREATE", "DESTROY", "ACK"};
    static char text[4096];
    const uint8_t *m;
    size_t n = 0;

    text[0] = '\0';
    while ((m = hear(t))) {
        assert_int_equal(get_le32(m + 8), 0); /* H-1 */
        if (get_le32(m + 4) != 53)
            n += (size_t)snprintf(text + n, sizeof text - n, "%u %.*s;", get_le32(m + 4),
                                  get_le16(m + 12), (const char *)m + 16);
        else if (strcmp((const char *)m + 16, "rpr") != 0)
            n += (size_t)snprintf(text + n, sizeof text - n, "%s %s;", words[get_le32(m + 52)],
                                  (const char *)m + 16);
    }
    return text;
}

#define assert_heard(t, what) assert_string_equal(heard(t), (what))

/* ---- set-up -------------------------------------------------------------------------------------- */

static void run(struct bench *t, uint64_t ns)
{
    t->now = sides_pass(&t->side, NULL, t->now, ns);
}

static void bench_init(struct bench *t)
{
    memset(t, 0, sizeof *t);
    t->now = S(1);
    board_init(&t->board, BOARD_BYTES);
    t->board.there = true;
}

static void start(struct bench *t, enum rpr_ivshmem_layout layout, enum rpr_ivshmem_role role)
{
    struct rpr_ivshmem_config config = {.remote = "peer", .layout = layout, .role = role};

    side_start(&t->side, &t->board, "me", &config, t->now);
    t->hand_drives = role == RPR_IVSHMEM_SLAVE;
    t->own_seq = role == RPR_IVSHMEM_SLAVE ? 12 : 8;
}

static void bench_fini(struct bench *t)
{
    if (t->side.node)
        side_stop(&t->side);
    board_fini(&t->board);
}

static const char *reason(struct bench *t)
{
    static struct rpr_device_info info;

    info = side_info(&t->side);
    return info.reason;
}

static void assert_dialect(struct bench *t, const char *dialect)
{
    if (!side_up(&t->side))
        fail_msg("not up: %s", reason(t));
    assert_string_equal(side_info(&t->side).dialect, dialect);
}

/* ---- rptun: NuttX as the slave -------------------------------------------------------------------- */

static void put_vdev(struct bench *t, uint32_t at, uint32_t id, uint32_t features, uint32_t config,
                     uint8_t n_rings)
{
    put(t, at, 3);
    put(t, at + 4, id);
    put(t, at + 8, UINT32_MAX);
    put(t, at + 12, features);
    put(t, at + 20, config);
    t->board.memory[at + 25] = n_rings;
    for (uint32_t i = 0; i < n_rings; i++) {
        put(t, at + 28 + 20 * i, UINT32_MAX); /* the driver chooses */
        put(t, at + 32 + 20 * i, 8);
        put(t, at + 36 + 20 * i, 8);
        put(t, at + 40 + 20 * i, UINT32_MAX);
    }
}

static void put_carveout(struct bench *t, uint32_t at, uint32_t da, const char *name)
{
    put(t, at, 0);
    put(t, at + 4, da);
    put(t, at + 8, UINT32_MAX);
    put(t, at + 12, 65536);
    memcpy(t->board.memory + at + 24, name, strlen(name));
}

/* WIRE 3.3: what NuttX's slave writes, all of it. */
static void nuttx_slave_table(struct bench *t)
{
    static const uint32_t offsets[] = {40, 88, 65680, 65728, 131320, 131452};

    memset(t->board.memory, 0, t->board.bytes);
    put(t, 24, 1);
    put(t, 28, 6);
    for (unsigned i = 0; i < 6; i++)
        put(t, 40 + 4 * i, offsets[i]);
    put_vdev(t, 64, 4, 0, 0, 1);
    put_carveout(t, 112, 168, "vdev0buffer");
    put_vdev(t, 65704, 4, 0, 0, 1);
    put_carveout(t, 65752, 65808, "vdev1buffer");
    put_vdev(t, 131344, 7, 0x0f, 64, 2);
    put(t, 131412, 0x600);
    put(t, 131416, 0x600);
    memcpy(t->board.memory + 131412 + 24, "me", 2);
    memcpy(t->board.memory + 131412 + 32, "peer", 4);
    put_carveout(t, 131476, 131532, "vdev2buffer");
    put(t, 20, 197048);
}

static void ready(struct bench *t)
{
    put(t, 36, 1u << 16);
}

/* After our master has chosen. */
static void be_driven(struct bench *t)
{
    for (unsigned i = 0; i < 2; i++) {
        uint32_t vring = 131344 + 28 + 20 * i;

        ring_at(&t->ring[i], get(t, vring), get(t, vring + 8), get(t, vring + 4));
    }
    assert_true(t->board.memory[131368] & 4);
}

static void a_nuttx_slave(void **state)
{
    struct bench t;

    (void)state;
    bench_init(&t);
    start(&t, RPR_IVSHMEM_RPTUN, RPR_IVSHMEM_MASTER);
    run(&t, MS(50));
    assert_string_equal(reason(&t), "waits for the slave's table");
    nuttx_slave_table(&t);
    run(&t, MS(50));
    assert_int_equal(get(&t, 0), 0); /* not before READY */
    ready(&t);
    run(&t, MS(20));
    assert_int_equal(get(&t, 32), 0); /* both words are 0 while it parses */
    assert_int_equal(get(&t, 36), 0);
    assert_true(get_le64(t.board.memory) != 0);
    assert_true(get_le64(t.board.memory) + BOARD_BYTES < UINT32_MAX);
    assert_int_equal(t.board.memory[131368], 4); /* status, as NuttX leaves it */
    assert_int_equal(get(&t, 131344 + 16), 0x0f);
    assert_int_equal(t.board.memory[88], 0); /* the others are left alone */
    be_driven(&t);
    for (unsigned i = 0; i < 2; i++) /* in the device's pool */
        assert_true(t.ring[i].desc >= 131532 && t.ring[i].desc < 131532 + 65536);
    assert_dialect(&t, "nuttx");
    assert_int_equal(side_info(&t.side).tx_len, 1520);
    (void)heard(&t);
    t.ring[0].used_index = 0;
    ept_open(&t.side.x, side_device(&t.side), "svc");
    run(&t, MS(1));
    assert_heard(&t, "CREATE svc;");
    bench_fini(&t);
}

/* H-6: the names where they were until March 2026. */
static void a_nuttx_slave_of_before(void **state)
{
    struct bench t;

    (void)state;
    bench_init(&t);
    nuttx_slave_table(&t);
    memset(t.board.memory + 131412 + 8, 0, 56);
    memcpy(t.board.memory + 131412 + 8, "me", 2);
    memcpy(t.board.memory + 131412 + 16, "other", 5);
    ready(&t);
    start(&t, RPR_IVSHMEM_RPTUN, RPR_IVSHMEM_MASTER);
    run(&t, MS(50));
    assert_dialect(&t, "nuttx-old");
    assert_int_equal(side_info(&t.side).tx_len, 1520);
    assert_non_null(strstr(t.side.world.log, "calls it \"other\""));
    bench_fini(&t);
}

/* H-9: addresses of buffers may be offered; we need none. And nothing else that we do not know. */
static void only_known_features_are_accepted(void **state)
{
    struct bench t;

    (void)state;
    bench_init(&t);
    nuttx_slave_table(&t);
    put(&t, 131344 + 12, UINT32_MAX);
    ready(&t);
    start(&t, RPR_IVSHMEM_RPTUN, RPR_IVSHMEM_MASTER);
    run(&t, MS(50));
    assert_dialect(&t, "nuttx");
    assert_int_equal(get(&t, 131344 + 16), 0x0f);
    bench_fini(&t);
}

/* H-7: what is behind the end of the configuration was not said. */
static void a_short_configuration(void **state)
{
    struct bench t;

    (void)state;
    for (uint32_t length = 0; length <= 8; length += 8) {
        bench_init(&t);
        nuttx_slave_table(&t);
        put(&t, 131344 + 20, length);
        ready(&t);
        start(&t, RPR_IVSHMEM_RPTUN, RPR_IVSHMEM_MASTER);
        run(&t, MS(50));
        assert_dialect(&t, "nuttx");
        assert_int_equal(side_info(&t.side).tx_len, length ? 1520 : 496);
        bench_fini(&t);
    }
}

/* H-17: the slave starts again under a master at work; and a master that starts alone waits. */
static void a_nuttx_slave_that_restarts(void **state)
{
    struct bench t;

    (void)state;
    bench_init(&t);
    nuttx_slave_table(&t);
    ready(&t);
    start(&t, RPR_IVSHMEM_RPTUN, RPR_IVSHMEM_MASTER);
    run(&t, MS(50));
    for (unsigned i = 0; i < 3; i++) {
        assert_dialect(&t, "nuttx");
        nuttx_slave_table(&t);
        run(&t, MS(3));
        assert_false(side_up(&t.side));
        ready(&t);
        run(&t, MS(200));
    }
    assert_int_equal(side_info(&t.side).session, 4);
    side_kill(&t.side, &t.board);
    start(&t, RPR_IVSHMEM_RPTUN, RPR_IVSHMEM_MASTER);
    run(&t, S(5));
    assert_string_equal(reason(&t), "waits for the slave's table");
    bench_fini(&t);
}

/* ---- rptun: commands ---------------------------------------------------------------------------- */

/* H-16: NuttX answers every word, an ACK too. */
static void an_ack_is_never_answered(void **state)
{
    struct bench t;

    (void)state;
    bench_init(&t);
    nuttx_slave_table(&t);
    ready(&t);
    start(&t, RPR_IVSHMEM_RPTUN, RPR_IVSHMEM_MASTER);
    run(&t, MS(50));
    put(&t, 36, 0xffffu << 16);
    run(&t, MS(10));
    assert_int_equal(get(&t, 36), 0);
    assert_int_equal(get(&t, 32), 0);
    put(&t, 36, 77u << 16); /* unknown: answered, and that is all */
    run(&t, MS(10));
    assert_int_equal(get(&t, 36), 0);
    assert_int_equal(get(&t, 32), 0xffffu << 16);
    assert_dialect(&t, "nuttx");
    bench_fini(&t);
}

static void commands_end_the_session(void **state)
{
    static const char *const reasons[] = {
        [2] = "the peer panicked", [3] = "the peer asked for a reset", [4] = "the peer stopped"};

    (void)state;
    for (uint32_t command = 2; command <= 4; command++) {
        struct bench t;

        bench_init(&t);
        nuttx_slave_table(&t);
        ready(&t);
        start(&t, RPR_IVSHMEM_RPTUN, RPR_IVSHMEM_MASTER);
        run(&t, MS(50));
        t.side.world.events[0] = '\0';
        ept_open(&t.side.x, side_device(&t.side), "svc");
        put(&t, 36, command << 16 | 5);
        (void)rpr_node_poll(t.side.node, t.now + US(100), 0);
        assert_int_equal(get(&t, 36), 0);
        assert_int_equal(get(&t, 32), 0xffffu << 16);
        assert_string_equal(reason(&t), reasons[command]);
        bench_fini(&t);
    }
}

/* ---- rptun: a driver by hand ---------------------------------------------------------------------- */

/* What the master did between READY and DRIVER_OK. `at`: of the rings, at 4 mod 8 as NuttX's. */
static void nuttx_master(struct bench *t, uint32_t at, uint32_t features, uint8_t status)
{
    uint32_t rings = at;

    assert_int_equal(get(t, 36), 1u << 16);
    put(t, 36, 0);
    put64(t, 0, BASE);
    run(t, MS(20));
    assert_false(side_up(&t->side));
    for (unsigned i = 0; i < 2; i++) {
        ring_at(&t->ring[i], rings, 8, 8);
        put(t, 131344 + 28 + 20 * i, rings);
        rings += 224;
    }
    if (!t->size[0])
        t->size[0] = t->size[1] = 0x600;
    t->buffers[0] = (uint32_t)round_up(rings, 64);
    t->buffers[1] = t->buffers[0] + 8 * t->size[0];
    drive(t);
    put(t, 131344 + 16, features);
    t->board.memory[131368] = status;
    notify(t);
    run(t, MS(20));
}

static void bench_master(struct bench *t, uint32_t size, uint32_t features, uint8_t status)
{
    bench_init(t);
    start(t, RPR_IVSHMEM_RPTUN, RPR_IVSHMEM_SLAVE);
    run(t, MS(50));
    t->size[0] = t->size[1] = size;
    nuttx_master(t, 131532, features, status);
}

/* The table as a master finds it, whichever revision it is of. */
static void our_table(void **state)
{
    struct bench t;

    (void)state;
    bench_init(&t);
    start(&t, RPR_IVSHMEM_RPTUN, RPR_IVSHMEM_SLAVE);
    run(&t, MS(50));
    assert_string_equal(reason(&t), "waits for the master");
    assert_int_equal(get(&t, 20), 197048);
    assert_int_equal(get(&t, 24), 1);
    assert_int_equal(get(&t, 28), 2);
    assert_int_equal(get(&t, 40), 131320);
    assert_int_equal(get(&t, 44), 131452);
    assert_int_equal(get(&t, 131344), 3);
    assert_int_equal(get(&t, 131348), 7);
    assert_int_equal(get(&t, 131356), 0x0f);
    assert_int_equal(get(&t, 131364), 64); /* H-7 */
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(get(&t, 131372 + 20 * i), UINT32_MAX);
        assert_int_equal(get(&t, 131376 + 20 * i), 8);
        assert_int_equal(get(&t, 131380 + 20 * i), 8);
    }
    assert_int_equal(get(&t, 131412), 0x600);
    assert_int_equal(get(&t, 131416), 0x600);
    for (unsigned at = 8; at <= 24; at += 16) { /* H-6, H-8 */
        assert_string_equal((char *)t.board.memory + 131412 + at, "peer");
        assert_string_equal((char *)t.board.memory + 131412 + at + 8, "me");
    }
    assert_int_equal(get(&t, 131480), 131532);
    assert_int_equal(get(&t, 131488), 65536);
    assert_string_equal((char *)t.board.memory + 131500, "vdev0buffer");
    bench_fini(&t);
}

/* H-10: rings at 4 mod 8, `used` aligned as an address, and what would be avail_event of ring 0 lies
 * over the first descriptor of ring 1. */
static void misaligned_rings(void **state)
{
    struct bench t;

    (void)state;
    bench_master(&t, 0, 0x0f, 4);
    assert_true(side_up(&t.side));
    assert_int_equal(t.ring[0].used, 131532 + 156);
    assert_int_equal(t.ring[0].used + 4 + 64, t.ring[1].desc);
    (void)heard(&t);
    ept_open(&t.side.x, side_device(&t.side), "svc");
    run(&t, MS(1));
    assert_heard(&t, "CREATE svc;");
    say_ns(&t, "svc", 1024, 2);
    for (unsigned i = 0; i < 100; i++) {
        uint64_t first;

        run(&t, MS(1));
        first = get_le64(t.board.memory + t.ring[1].desc);
        assert_int_equal(first, BASE + t.buffers[1]);
        assert_int_equal(ept_send(&t.side.x, "m"), 0);
        run(&t, MS(1));
        assert_heard(&t, "1024 m;");
        say_text(&t, 1024, ept_addr(&t.side.x), "n");
    }
    run(&t, MS(1));
    assert_int_equal(t.side.x.n_rx, 100);
    bench_fini(&t);
}

/* H-11: NuttX takes used.len for the capacity of the buffer that it gets back. H-14: it gets them back
 * at once, even if nobody can take the message now. */
static void returned_buffers_have_their_full_length_and_come_at_once(void **state)
{
    struct bench t;

    (void)state;
    bench_master(&t, 0, 0x0f, 4);
    (void)heard(&t);
    ept_open(&t.side.x, side_device(&t.side), "svc");
    run(&t, MS(1));
    say_ns(&t, "svc", 1024, 2);
    run(&t, MS(1));
    t.side.x.result = RPR_LATER;
    for (unsigned i = 0; i < 40; i++) {
        struct ring *r = &t.ring[1];

        say_text(&t, 1024, ept_addr(&t.side.x), "m");
        run(&t, US(200));
        assert_int_equal(get16(&t, r->used + 2), r->avail_index); /* all are back */
        assert_int_equal(get(&t, r->used + 8 + 8 * ((r->avail_index - 1u) % 8)), 0x600);
    }
    bench_fini(&t);
}

/* H-12: a device knows a size when there is a descriptor, and is not up before; what goes over the
 * wire to others is never an error code. */
static void no_size_before_there_are_buffers(void **state)
{
    struct bench t;

    (void)state;
    bench_init(&t);
    start(&t, RPR_IVSHMEM_RPTUN, RPR_IVSHMEM_SLAVE);
    run(&t, MS(50));
    nuttx_master(&t, 131536, 0x0f, 0);
    put16(&t, t.ring[0].avail + 2, 0);
    t.board.memory[131368] = 4;
    run(&t, MS(50));
    assert_false(side_up(&t.side));
    assert_int_equal(side_info(&t.side).tx_len, 0);
    assert_string_equal(reason(&t), "the driver has not given any buffers yet");
    put16(&t, t.ring[0].avail + 2, 8);
    run(&t, MS(50));
    assert_int_equal(side_info(&t.side).tx_len, 1520);
    bench_fini(&t);
}

/* H-13: buffers that return without a word, while somebody waits for one. */
static void silently_returned_buffers(void **state)
{
    struct bench t;
    unsigned n = 0;

    (void)state;
    bench_master(&t, 0, 0x0f, 4);
    t.silent = true;
    (void)heard(&t);
    ept_open(&t.side.x, side_device(&t.side), "svc");
    run(&t, MS(1));
    say_ns(&t, "svc", 1024, 2);
    run(&t, MS(1));
    (void)heard(&t);
    while (ept_send(&t.side.x, ".") == 0)
        n++;
    assert_int_equal(n, 7);
    run(&t, S(1));
    t.side.world.events[0] = '\0';
    (void)heard(&t);
    run(&t, MS(6));
    assert_events(&t.side.world, "x:writable;");
    bench_fini(&t);
}

/* H-15: nothing is sent to an endpoint whose end was announced, not even what was ready to go. */
static void nothing_is_sent_to_who_is_gone(void **state)
{
    struct bench t;

    (void)state;
    bench_master(&t, 0, 0x0f, 4);
    (void)heard(&t);
    ept_open(&t.side.x, side_device(&t.side), "svc");
    run(&t, MS(1));
    say_ns(&t, "svc", 1024, 2);
    run(&t, MS(1));
    (void)heard(&t);
    say_ns(&t, "svc", 1024, 1);
    run(&t, MS(1));
    assert_int_equal(ept_send(&t.side.x, "m"), -RPR_ENOTCONN);
    run(&t, MS(1));
    assert_null(strstr(heard(&t), "1024"));
    bench_fini(&t);
}

/* H-28: RPMsg-Lite's master suppresses all interrupts and wants them; it is known by ring 1, which it
 * hands over as used. */
static void an_rpmsg_lite_master(void **state)
{
    struct bench t;
    uint32_t seq;

    (void)state;
    bench_init(&t);
    start(&t, RPR_IVSHMEM_RPTUN, RPR_IVSHMEM_SLAVE);
    run(&t, MS(50));
    t.size[0] = t.size[1] = 512;
    nuttx_master(&t, 131536, 1, 0);
    for (uint32_t id = 0; id < 8; id++) {
        put_desc(&t, 1, id, 0);
        put(&t, t.ring[1].used + 4 + 8 * id, id);
        put(&t, t.ring[1].used + 8 + 8 * id, 512);
    }
    put16(&t, t.ring[1].used + 2, 8);
    put16(&t, t.ring[0].avail, 1);
    put16(&t, t.ring[1].avail, 1);
    t.board.memory[131368] = 4;
    run(&t, MS(50));
    assert_dialect(&t, "rpmsg-lite");
    assert_int_equal(side_info(&t.side).tx_len, 496);
    t.ring[1].avail_index = 0;
    for (uint32_t i = 0; i < 20; i++) {
        struct ring *r = &t.ring[1];
        uint32_t id = get(&t, r->used + 4 + 8 * (i % 8));
        uint8_t *at = t.board.memory + t.buffers[1] + id * 512;

        seq = get(&t, 8);
        header_put(at, 1, 1024, 0); /* for nobody: counted, and returned */
        put16(&t, r->avail + 4 + 2 * (i % 8), (uint16_t)id);
        put16(&t, r->avail + 2, (uint16_t)(i + 1));
        run(&t, MS(2));
        assert_int_equal(get16(&t, r->used + 2), 8 + i + 1);
        assert_true(get(&t, 8) != seq);
    }
    assert_int_equal(side_info(&t.side).counters.late, 20);
    seq = get(&t, 8);
    ept_open(&t.side.x, side_device(&t.side), "svc");
    run(&t, MS(1));
    assert_true(get(&t, 8) != seq);
    assert_non_null(strstr(heard(&t), "CREATE svc;"));
    bench_fini(&t);
}

/* ---- who never gets a CREATE_ACK ------------------------------------------------------------------ */

/* Plain OpenAMP's driver accepts all features it is offered. It becomes NuttX for us by its first
 * CREATE_ACK, and by nothing else. */
static void a_driver_that_accepts_anything(void **state)
{
    struct bench t;

    (void)state;
    bench_master(&t, 512, 0x0f, 4);
    assert_dialect(&t, "openamp");
    assert_int_equal(side_info(&t.side).tx_len, 496); /* it has its own size, not the table's */
    assert_int_equal(side_info(&t.side).rx_len, 496);
    (void)heard(&t);
    ept_open(&t.side.x, side_device(&t.side), "svc");
    run(&t, MS(1));
    assert_heard(&t, "CREATE svc;");
    say_ns(&t, "svc", 1024, 0);
    run(&t, MS(1));
    assert_heard(&t, "CREATE svc;");
    assert_int_equal(ept_send(&t.side.x, "m"), 0);
    run(&t, MS(1));
    assert_heard(&t, "1024 m;");
    assert_dialect(&t, "openamp");
    say_ns(&t, "nobody", 1025, 2);
    run(&t, MS(1));
    assert_dialect(&t, "nuttx");
    bench_fini(&t);
}

static void a_driver_without_ack(void **state)
{
    struct bench t;

    (void)state;
    bench_master(&t, 512, 0x01, 4);
    assert_dialect(&t, "openamp");
    say_ns(&t, "nobody", 1025, 2); /* a CREATE_ACK that was not agreed: counted */
    run(&t, MS(1));
    assert_dialect(&t, "openamp");
    assert_int_equal(side_info(&t.side).counters.errors, 1);
    bench_fini(&t);
}

/* Linux: cumulative status. A second announcement of a name would be a second channel: silence. */
static void a_linux_driver(void **state)
{
    struct bench t;

    (void)state;
    bench_master(&t, 512, 0x01, 0x0f);
    assert_dialect(&t, "linux");
    (void)heard(&t);
    ept_open(&t.side.x, side_device(&t.side), "svc");
    run(&t, MS(1));
    assert_heard(&t, "CREATE svc;");
    say_ns(&t, "svc", 1024, 0);
    run(&t, MS(1));
    assert_heard(&t, "");
    say_text(&t, 1030, ept_addr(&t.side.x), "m");
    run(&t, MS(1));
    assert_int_equal(t.side.x.n_rx, 1);
    bench_fini(&t);
}

/* An echo of what we say of ourselves is no proof that the peer is of our kind. */
static void an_echo_is_not_one_of_ours(void **state)
{
    struct bench t;
    bool proved = false;

    (void)state;
    bench_master(&t, 512, 0x0f, 4);
    say_ns(&t, "rpr", 1024, 0);
    run(&t, MS(5));
    for (const uint8_t *m; (m = hear(&t));)
        if (get_le32(m + 4) == 1024) {
            proved = true;
            say(&t, 1024, get_le32(m), m + 16, get_le16(m + 12));
        }
    assert_true(proved);
    run(&t, MS(5));
    assert_dialect(&t, "openamp");
    assert_false(side_info(&t.side).credit);
    bench_fini(&t);
}

/* ---- drivers that go ------------------------------------------------------------------------------ */

static void a_driver_that_stops(void **state)
{
    static const struct {
        uint8_t status;
        uint64_t base;
        const char *reason;
    } rows[] = {{0x40, BASE, "the master stopped"},
                {0x00, BASE, "the master restarted"},
                {0x04, BASE + 4096, "the master restarted"},
                {0x04, 0, "the master restarted"}};

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct bench t;

        bench_master(&t, 0, 0x0f, 4);
        assert_true(side_up(&t.side));
        t.board.memory[131368] = rows[i].status;
        put64(&t, 0, rows[i].base);
        (void)rpr_node_poll(t.side.node, t.now + MS(1), 0);
        assert_string_equal(reason(&t), rows[i].reason);
        run(&t, MS(50));
        assert_string_equal(reason(&t), "waits for the master");
        assert_int_equal(get(&t, 36), 1u << 16); /* READY again, for its next life */
        assert_int_equal(get(&t, 131372), UINT32_MAX);
        bench_fini(&t);
    }
}

/* ---- tables of plain OpenAMP ---------------------------------------------------------------------- */

/* Rings at fixed addresses, no carveout, no configuration, a table of its own shape. */
static void a_plain_openamp_slave(void **state)
{
    struct bench t;

    (void)state;
    bench_init(&t);
    start(&t, RPR_IVSHMEM_RPTUN, RPR_IVSHMEM_MASTER);
    put(&t, 24, 1);
    put(&t, 28, 1);
    put(&t, 40, 20);
    put_vdev(&t, 44, 7, 1, 0, 2);
    put(&t, 44 + 28, 0x4000);
    put(&t, 44 + 28 + 4, 4096);
    put(&t, 44 + 28 + 8, 16);
    put(&t, 44 + 48, 0x8000);
    put(&t, 44 + 48 + 4, 4096);
    put(&t, 44 + 48 + 8, 32);
    ready(&t);
    run(&t, MS(50));
    assert_dialect(&t, "openamp");
    assert_int_equal(side_info(&t.side).tx_len, 496);
    assert_int_equal(get(&t, 44 + 16), 1);
    ring_at(&t.ring[0], 0x4000, 16, 4096);
    ring_at(&t.ring[1], 0x8000, 32, 4096);
    (void)heard(&t);
    ept_open(&t.side.x, side_device(&t.side), "svc");
    run(&t, MS(1));
    assert_heard(&t, "CREATE svc;");
    for (uint32_t id = 0; id < 16; id++) /* behind all that the table has */
        assert_true(get_le64(t.board.memory + 0x4000 + 16 * id) - get_le64(t.board.memory) >=
                    0x8000 + 4096 + 262);
    bench_fini(&t);
}

/* ---- what cannot be ------------------------------------------------------------------------------- */

static void tables_that_cannot_be(void **state)
{
    static const struct {
        uint32_t at, value;
        const char *reason;
    } rows[] = {
        {24, 2, "there is no resource table of version 1"},
        {28, 65, "the table has too many entries"},
        {28, 4, "the table has no RPMsg device"},
        {56, 131322, "the table has an entry outside of the memory"},
        {56, 197040, "the table has a carveout outside of the memory"},
        {56, UINT32_MAX - 3, "the table has an entry outside of the memory"},
        {131364, 65000, NULL},
        {131364, 65700, "the table has a device that ends outside of the memory"},
        {131364, UINT32_MAX, "the table has a device that ends outside of the memory"},
        {131368, 0x00000100, "the table's RPMsg device has not two rings"},
        {131368, 0x0000ff00, "the table's RPMsg device has not two rings"},
        {131368, 0x00010200, "the table makes the slave the driver, which is not in this version"},
        {131372, 197000, "the table has a ring outside of the memory"},
        {131372, 131533, "the table has a ring outside of the memory"},
        {131376, 3, "the table has a ring with an impossible alignment"},
        {131376, 0, "the table has a ring with an impossible alignment"},
        {131380, 0, "the table has a ring whose length is no power of two"},
        {131380, 9, "the table has a ring whose length is no power of two"},
        {131380, 65536, "the table has a ring whose length is no power of two"},
        {131400, 0x8000, "the table has a ring outside of the memory"},
        {131412, 55, "the table says that buffers have an impossible size"},
        {131416, 0x10000, "the table says that buffers have an impossible size"},
        {131412, 0xffff, "the table's carveout is too small for the buffers"},
        {131480, 131600, "the table's carveout is outside of the memory"},
        {131480, 0xfffffffe, "the table's carveout is outside of the memory"},
        {131488, 1000, "the table's carveout is too small for the buffers"},
        {131488, 0xffffffff, "the table's carveout is outside of the memory"},
        {20, 2, "the memory has layout sim, not rptun"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct bench t;

        bench_init(&t);
        nuttx_slave_table(&t);
        put(&t, rows[i].at, rows[i].value);
        ready(&t);
        start(&t, RPR_IVSHMEM_RPTUN, RPR_IVSHMEM_MASTER);
        run(&t, MS(100));
        if (rows[i].reason ? side_up(&t.side) || strcmp(reason(&t), rows[i].reason) != 0
                           : !side_up(&t.side))
            fail_msg("%u: \"%s\", not \"%s\"", rows[i].at, reason(&t), rows[i].reason);
        if (rows[i].reason) {
            assert_int_equal(get_le64(t.board.memory), 0); /* the slave is not let go on */
            nuttx_slave_table(&t);
            ready(&t);
            run(&t, MS(100));
            assert_dialect(&t, "nuttx");
        }
        bench_fini(&t);
    }
}

static void drivers_that_cannot_be(void **state)
{
    static const struct {
        uint32_t at, value;
        const char *reason;
    } rows[] = {
        {131372, 0, "the driver has not said where its rings are"},
        {131392, UINT32_MAX, "the driver has not said where its rings are"},
        {131372, 197000, "the driver's rings are outside of the memory"},
        {131392, 0xfffffff0, "the driver's rings are outside of the memory"},
        {131372, 131538, "the driver's rings are outside of the memory"},
        {131536 + 8, 55, "the driver's buffers have an impossible size"},
        {131536 + 8, 0x10000, "the driver's buffers have an impossible size"},
        {131536 + 8, 0, "the driver has not given any buffers yet"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct bench t;

        bench_init(&t);
        start(&t, RPR_IVSHMEM_RPTUN, RPR_IVSHMEM_SLAVE);
        run(&t, MS(50));
        nuttx_master(&t, 131536, 0x0f, 0);
        put(&t, rows[i].at, rows[i].value);
        t.board.memory[131368] = 4;
        run(&t, MS(100));
        if (side_up(&t.side) || strcmp(reason(&t), rows[i].reason) != 0)
            fail_msg("%zu: \"%s\", not \"%s\"", i, reason(&t), rows[i].reason);
        bench_fini(&t);
    }
}

/* Each maker's memory under each other layout: a reason, nothing written, never up. */
static void another_layout(void **state)
{
    static const char *const words[] = {"rptun", "lite", "sim"};

    (void)state;
    for (unsigned made = 0; made < 3; made++)
        for (unsigned taken = 0; taken < 3; taken++) {
            enum rpr_ivshmem_role maker = rpr_ivshmem_makes_table(made, RPR_IVSHMEM_MASTER)
                                              ? RPR_IVSHMEM_MASTER
                                              : RPR_IVSHMEM_SLAVE;
            enum rpr_ivshmem_role taker = rpr_ivshmem_makes_table(taken, RPR_IVSHMEM_MASTER)
                                              ? RPR_IVSHMEM_SLAVE
                                              : RPR_IVSHMEM_MASTER;
            uint8_t *before;
            struct bench t;

            if (made == taken)
                continue;
            bench_init(&t);
            start(&t, made, maker);
            run(&t, MS(50));
            side_kill(&t.side, &t.board);
            before = malloc(t.board.bytes);
            memcpy(before, t.board.memory, t.board.bytes);
            start(&t, taken, taker);
            run(&t, S(1));
            if (!strstr(reason(&t), "the memory has layout") || !strstr(reason(&t), words[made]))
                fail_msg("%s as %s: \"%s\"", words[made], words[taken], reason(&t));
            assert_memory_equal(before, t.board.memory, t.board.bytes);
            free(before);
            bench_fini(&t);
        }
}

/* ---- lite ------------------------------------------------------------------------------------------ */

/* WIRE 3.3: what NuttX's master writes. */
static void nuttx_lite_master(struct bench *t)
{
    uint32_t rings = 224;

    memset(t->board.memory, 0, t->board.bytes);
    put(t, 88 + 4, 7);
    put(t, 88 + 12, 3);
    put(t, 88 + 20, 64);
    t->board.memory[88 + 25] = 2;
    for (unsigned i = 0; i < 2; i++) {
        put(t, 116 + 20 * i + 4, 8);
        put(t, 116 + 20 * i + 8, 8);
        ring_at(&t->ring[i], rings, 8, 8);
        rings += 224;
    }
    put(t, 156, 2048);
    put(t, 160, 2048);
    t->size[0] = t->size[1] = 2048;
    t->buffers[0] = 672;
    t->buffers[1] = 17056;
    put64(t, 0, BASE);
}

static void a_nuttx_lite_master(void **state)
{
    struct bench t;

    (void)state;
    bench_init(&t);
    start(&t, RPR_IVSHMEM_LITE, RPR_IVSHMEM_SLAVE);
    run(&t, MS(50));
    assert_string_equal(reason(&t), "waits for the master");
    nuttx_lite_master(&t);
    run(&t, MS(20));
    assert_int_equal(get_le64(t.board.memory), 0); /* taken */
    assert_string_equal(reason(&t), "waits for the master's driver");
    drive(&t);
    t.board.memory[112] = 4;
    run(&t, MS(20));
    assert_dialect(&t, "nuttx");
    assert_int_equal(side_info(&t.side).tx_len, 2032);
    (void)heard(&t);
    ept_open(&t.side.x, side_device(&t.side), "svc");
    say_ns(&t, "svc", 1024, 0);
    run(&t, MS(2));
    assert_heard(&t, "ACK svc;");
    put(&t, 24, 1u << 16); /* PANIC has another number here, and no ACK */
    t.side.world.events[0] = '\0';
    (void)rpr_node_poll(t.side.node, t.now + MS(1), 0);
    assert_string_equal(reason(&t), "the peer panicked");
    assert_int_equal(get(&t, 24), 0);
    assert_int_equal(get(&t, 28), 0);
    bench_fini(&t);
}

static void our_lite_table(void **state)
{
    struct bench t;

    (void)state;
    bench_init(&t);
    start(&t, RPR_IVSHMEM_LITE, RPR_IVSHMEM_MASTER);
    run(&t, MS(50));
    assert_string_equal(reason(&t), "waits for the slave");
    assert_int_equal(get(&t, 92), 7);
    assert_int_equal(get(&t, 100), 3);
    assert_int_equal(t.board.memory[112], 0);
    assert_int_equal(t.board.memory[113], 2);
    assert_int_equal(get(&t, 120), 8);
    assert_int_equal(get(&t, 124), 8);
    assert_int_equal(get(&t, 156), 2048);
    assert_int_equal(get(&t, 160), 2048);
    assert_true(get_le64(t.board.memory) != 0);
    ring_at(&t.ring[0], 224, 8, 8);
    ring_at(&t.ring[1], 448, 8, 8);
    put64(&t, 0, 0); /* the slave takes it */
    run(&t, MS(20));
    assert_int_equal(t.board.memory[112], 4);
    assert_dialect(&t, "openamp"); /* nothing is known of it */
    for (uint32_t id = 0; id < 8; id++)
        assert_int_equal(get_le64(t.board.memory + 224 + 16 * id) - get_le64(t.board.memory + 224),
                         2048 * id);
    bench_fini(&t);
}

/* ---- sim: NuttX's simulator ------------------------------------------------------------------------ */

static void sim_table(struct bench *t)
{
    uint64_t base = get_le64(t->board.memory);
    uint32_t words[4] = {get(t, 8), get(t, 12), get(t, 16), get(t, 20)};

    nuttx_slave_table(t);
    put64(t, 0, base);
    for (unsigned i = 0; i < 4; i++)
        put(t, 8 + 4 * i, words[i]);
    for (unsigned i = 0; i < 2; i++)
        put(t, 131372 + 20 * i, 0);
    memset(t->board.memory + 131500, 0, 32);
    memcpy(t->board.memory + 131500, "rpmsg0_shm", 10);
    memcpy(t->board.memory + 131412 + 24, "peer\0\0\0\0me\0\0", 12);
}

static void a_simulator_as_master(void **state)
{
    struct bench t;

    (void)state;
    bench_init(&t);
    start(&t, RPR_IVSHMEM_SIM, RPR_IVSHMEM_SLAVE);
    run(&t, MS(50));
    assert_int_equal(get(&t, 16), 1); /* BOOT */
    for (unsigned i = 0; i < 3; i++) {
        uint32_t rings = 131532;

        sim_table(&t);
        put64(&t, 0, BASE);
        if (get(&t, 16) & 2)
            put(&t, 16, 4); /* it was up before: NEED_RESET */
        put(&t, 20, 1);
        run(&t, MS(50));
        assert_int_equal(get(&t, 16), 1);
        put(&t, 20, 2);
        run(&t, MS(20));
        assert_int_equal(get(&t, 16), 2);
        assert_false(side_up(&t.side));
        for (unsigned k = 0; k < 2; k++) {
            ring_at(&t.ring[k], rings, 8, 8);
            put(&t, 131372 + 20 * k, rings);
            rings += 224;
        }
        t.size[0] = t.size[1] = 0x600;
        t.buffers[0] = (uint32_t)round_up(rings, 64);
        t.buffers[1] = t.buffers[0] + 8 * 0x600;
        drive(&t);
        put(&t, 131344 + 16, 0x0f);
        t.board.memory[131368] = 4;
        run(&t, MS(20));
        assert_dialect(&t, "nuttx");
        assert_int_equal(side_info(&t.side).session, i + 1);
        assert_string_equal(t.side.world.log, "");
    }
    put(&t, 32, 4u << 16); /* it stops, and removes the file */
    run(&t, MS(2));
    assert_false(side_up(&t.side));
    side_stop(&t.side);
    assert_int_equal(get(&t, 16), 0);
    bench_fini(&t);
}

static void a_simulator_as_slave(void **state)
{
    struct bench t;

    (void)state;
    bench_init(&t);
    start(&t, RPR_IVSHMEM_SIM, RPR_IVSHMEM_MASTER);
    run(&t, MS(50));
    assert_string_equal(reason(&t), "waits for the slave");
    assert_int_equal(get(&t, 20), 1);
    for (unsigned i = 0; i < 3; i++) {
        if (get(&t, 16) & 2)
            put(&t, 20, 4); /* it starts again, and says so */
        put(&t, 16, 1);
        run(&t, MS(100));
        assert_int_equal(get(&t, 20), 2);
        put(&t, 16, 2);
        run(&t, MS(20));
        be_driven(&t);
        if (!side_up(&t.side))
            fail_msg("%u: %s", i, reason(&t));
        assert_int_equal(side_info(&t.side).session, i + 1);
        assert_string_equal((char *)t.board.memory + 131436, "me");
        assert_string_equal((char *)t.board.memory + 131500, "rpmsg0_shm");
    }
    side_stop(&t.side);
    assert_int_equal(get(&t, 16), 4); /* NEED_RESET: it waits for our next life */
    assert_int_equal(get(&t, 20), 0);
    bench_fini(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_nuttx_slave),
        cmocka_unit_test(a_nuttx_slave_of_before),
        cmocka_unit_test(only_known_features_are_accepted),
        cmocka_unit_test(a_short_configuration),
        cmocka_unit_test(a_nuttx_slave_that_restarts),
        cmocka_unit_test(an_ack_is_never_answered),
        cmocka_unit_test(commands_end_the_session),
        cmocka_unit_test(our_table),
        cmocka_unit_test(misaligned_rings),
        cmocka_unit_test(returned_buffers_have_their_full_length_and_come_at_once),
        cmocka_unit_test(no_size_before_there_are_buffers),
        cmocka_unit_test(silently_returned_buffers),
        cmocka_unit_test(nothing_is_sent_to_who_is_gone),
        cmocka_unit_test(an_rpmsg_lite_master),
        cmocka_unit_test(a_driver_that_accepts_anything),
        cmocka_unit_test(a_driver_without_ack),
        cmocka_unit_test(a_linux_driver),
        cmocka_unit_test(an_echo_is_not_one_of_ours),
        cmocka_unit_test(a_driver_that_stops),
        cmocka_unit_test(a_plain_openamp_slave),
        cmocka_unit_test(tables_that_cannot_be),
        cmocka_unit_test(drivers_that_cannot_be),
        cmocka_unit_test(another_layout),
        cmocka_unit_test(a_nuttx_lite_master),
        cmocka_unit_test(our_lite_table),
        cmocka_unit_test(a_simulator_as_master),
        cmocka_unit_test(a_simulator_as_slave),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
