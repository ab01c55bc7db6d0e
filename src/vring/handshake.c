/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How master and slave find each other in a region, notice that the other started anew, and leave
 * (WIRE 3.3): three layouts, two roles. Where NuttX has no word for something, these use one that
 * it does not look at at that time, so that two sides of this project find each other again in any
 * order of starts.
 */
#include "vring/ivshmem.h"

#include "base/text.h"
#include "vring/chart.h"

#define FEATURES_RPTUN (RESOURCE_F_NS | RESOURCE_F_ACK | RESOURCE_F_BUFSZ | RESOURCE_F_CPUNAME)
#define FEATURES_LITE  (RESOURCE_F_NS | RESOURCE_F_ACK)

#define DEFAULT_BYTES 512u /* of a buffer, where no size is said */
#define MIN_BYTES     56u  /* header and name service message */

/* What is offered. */
#define MAX_NUM     1024u
#define MIN_PAYLOAD 64u

/* rptun and sim: entries by their offsets in the table, the pool by that in the region. They are where
 * NuttX has them, behind two devices that this side does not offer. */
enum { ENTRY_VDEV = 131320, ENTRY_CARVEOUT = 131452, POOL = 131532, POOL_BYTES = 65536 };
#define POOL_SLACK 4096u /* NuttX takes the buffers from a heap */

/* lite */
#define BASE_AGAIN 1u /* no address: the slave begins, or leaves */
enum { LITE_VDEV = 72, LITE_TABLE_BYTES = 208, LITE_RINGS = TABLE_LITE + LITE_TABLE_BYTES };

/* sim: words BOOT_* */
enum { BOOT_BOOT = 1, BOOT_OK = 2, BOOT_NEED_RESET = 4 };

#define RING_ALIGN 8u

#define READ_LOOKS 32u /* of 8 ms: so long a master may take from reading the table to its base */

/* ---- words ------------------------------------------------------------------------------------------ */

static uint64_t base_word(const struct ivshmem *iv)
{
    rpr_cache_invalidate(iv->base, 8);
    return get_once_le64(iv->base + WORD_BASE);
}

static void put_base(struct ivshmem *iv, uint64_t value)
{
    rpr_barrier_publish();
    *(volatile bytes_word64 *)(void *)(iv->base + WORD_BASE) = BYTES_LE64(value);
    rpr_cache_clean(iv->base, 8);
}

static uint32_t command_word(const struct ivshmem *iv, bool of_master)
{
    return iv->handshake->table_at + (of_master ? RESOURCE_CMD_MASTER : RESOURCE_CMD_SLAVE);
}

static uint8_t status(const struct ivshmem *iv)
{
    const uint8_t *at =
        iv->base + iv->handshake->table_at + iv->table.vdev.at + RESOURCE_VDEV_STATUS;

    rpr_cache_invalidate(at, 1);
    return *(const volatile uint8_t *)at;
}

static void put_status(struct ivshmem *iv, uint32_t vdev_at, uint8_t value)
{
    uint8_t *at = iv->base + iv->handshake->table_at + vdev_at + RESOURCE_VDEV_STATUS;

    rpr_barrier_publish();
    *(volatile uint8_t *)at = value;
    rpr_cache_clean(at, 1);
}

/* As NuttX's driver does it: each overwrites the one before. */
static void driver_ok(struct ivshmem *iv)
{
    put_status(iv, iv->table.vdev.at, RESOURCE_STATUS_DRIVER);
    put_status(iv, iv->table.vdev.at, RESOURCE_STATUS_FEATURES_OK);
    put_status(iv, iv->table.vdev.at, RESOURCE_STATUS_DRIVER_OK);
    ivshmem_notify(iv);
}

/* Page-aligned, and with the region below 4 GiB, for peers of 32 bits; another one in each life, so
 * that a peer that slept meanwhile notices. */
static void choose_base(struct ivshmem *iv)
{
    uint32_t chance = iv->platform->random ? iv->platform->random(iv->platform->ctx) : 0;

    iv->master = UINT64_C(0x40000000) + (uint64_t)(chance & 0x3fffu) * 0x10000u;
}

/* ---- sizes ------------------------------------------------------------------------------------------ */

static uint32_t buffer_bytes(const struct rpr_ivshmem_config *c)
{
    uint32_t usual = c->layout == RPR_IVSHMEM_LITE ? RPR_IVSHMEM_PAYLOAD_BIG : RPR_IVSHMEM_PAYLOAD;

    return (c->payload ? c->payload : usual) + RPR_HEADER_BYTES;
}

static uint32_t n_buffers(const struct rpr_ivshmem_config *c)
{
    return c->num ? c->num : RPR_IVSHMEM_BUFFERS;
}

/* Rings and buffers. */
static uint32_t inner_bytes(const struct rpr_ivshmem_config *c)
{
    uint32_t stride = (buffer_bytes(c) + 7u) & ~7u;

    return 2 * (chart_ring_bytes(n_buffers(c), RING_ALIGN) + n_buffers(c) * stride);
}

static uint32_t pool_bytes(const struct rpr_ivshmem_config *c)
{
    uint32_t need = inner_bytes(c) + POOL_SLACK;

    return need > POOL_BYTES ? need : POOL_BYTES;
}

uint32_t rpr_ivshmem_bytes(const struct rpr_ivshmem_config *c)
{
    uint32_t n = n_buffers(c), bytes = buffer_bytes(c);

    if (n < 2 || n > MAX_NUM || (n & (n - 1)) || bytes < MIN_PAYLOAD + RPR_HEADER_BYTES ||
        bytes > UINT16_MAX)
        return 0;
    return c->layout == RPR_IVSHMEM_LITE ? LITE_RINGS + inner_bytes(c)
                                         : (POOL + pool_bytes(c) + 7u) & ~7u;
}

/* What the driver's buffers have: said by the table, if it is agreed that it says so. */
static const char *take_sizes(struct ivshmem *iv, bool said)
{
    const struct resource_config *c = &iv->table.vdev.config;
    uint32_t to_driver = said && c->r2h_bytes ? c->r2h_bytes : DEFAULT_BYTES;
    uint32_t to_device = said && c->h2r_bytes ? c->h2r_bytes : DEFAULT_BYTES;

    if (to_driver < MIN_BYTES || to_driver > UINT16_MAX || to_device < MIN_BYTES ||
        to_device > UINT16_MAX)
        return "the table says that buffers have an impossible size";
    iv->layout.ring[RING_TO_DRIVER].size = to_driver;
    iv->layout.ring[RING_TO_DEVICE].size = to_device;
    return NULL;
}

/* The descriptors are the truth: a driver that does not know the table's sizes takes its own. */
static const char *see_sizes(struct ivshmem *iv, bool said)
{
    uint32_t size = chart_first_buffer(&iv->layout, iv->base);
    const char *wrong = take_sizes(iv, said);

    if (wrong)
        return wrong;
    if (!size)
        return "the driver has not given any buffers yet";
    if (size < MIN_BYTES || size > UINT16_MAX)
        return "the driver's buffers have an impossible size";
    if (size == iv->layout.ring[RING_TO_DRIVER].size)
        return NULL;
    iv->layout.ring[RING_TO_DRIVER].size = size;
    iv->layout.ring[RING_TO_DEVICE].size = size;
    return NULL;
}

/* ---- who is the peer --------------------------------------------------------------------------------- */

/* The peer made the table: what it says there of itself is believed. */
static void known_by_table(struct ivshmem *iv)
{
    const struct resource_vdev *v = &iv->table.vdev;

    iv->may_ack = false;
    iv->dialect = RPR_DIALECT_OPENAMP;
    if (v->dfeatures & RESOURCE_F_ACK)
        iv->dialect =
            v->config.revision == RESOURCE_REVISION_OLD ? RPR_DIALECT_NUTTX_OLD : RPR_DIALECT_NUTTX;
}

/* This side made the table. Plain OpenAMP accepts all that it is offered, understood or not: it is
 * not taken for one that knows CREATE_ACK before it has sent one. */
static void known_by_answer(struct ivshmem *iv, uint32_t accepted)
{
    iv->may_ack = (accepted & RESOURCE_F_ACK) != 0;
    iv->dialect = RPR_DIALECT_OPENAMP;
}

static void known_by_driver(struct ivshmem *iv)
{
    const uint8_t linux_says = 0x0f; /* cumulative, where the others have one bit */

    if (chart_prefilled(&iv->layout, iv->base))
        iv->dialect = RPR_DIALECT_LITE;
    else if ((status(iv) & linux_says) == linux_says)
        iv->dialect = RPR_DIALECT_LINUX;
    else
        return;
    iv->may_ack = false;
}

/* ---- tables ------------------------------------------------------------------------------------------ */

static const char *own_name(const struct ivshmem *iv)
{
    return rpr_node_name(iv->node);
}

static struct resource_offer offer(const struct ivshmem *iv, uint32_t da)
{
    bool lite = iv->config.layout == RPR_IVSHMEM_LITE;
    bool master = iv->handshake->master;

    return (struct resource_offer){.dfeatures = lite ? FEATURES_LITE : FEATURES_RPTUN,
                                   .gfeatures = 0,
                                   .num = n_buffers(&iv->config),
                                   .align = RING_ALIGN,
                                   .da = da,
                                   .h2r_bytes = buffer_bytes(&iv->config),
                                   .r2h_bytes = buffer_bytes(&iv->config),
                                   .host = master ? own_name(iv) : iv->remote,
                                   .remote = master ? iv->remote : own_name(iv)};
}

/* The rest of the region is left as it is; the header's words are the caller's. */
static void write_table(struct ivshmem *iv, uint32_t da, const char *pool_name)
{
    uint8_t *t = iv->base + TABLE_RPTUN;
    struct resource_offer o = offer(iv, da);

    memset(t, 0, iv->fill - TABLE_RPTUN);
    resource_device_encode(t + ENTRY_VDEV, &o);
    resource_carveout_encode(t + ENTRY_CARVEOUT, POOL, pool_bytes(&iv->config), pool_name);
    put_le32(t + 16, ENTRY_VDEV);
    put_le32(t + 20, ENTRY_CARVEOUT);
    put_le32(t + 4, 2);
    rpr_cache_clean(t, iv->fill - TABLE_RPTUN);
    ivshmem_put(iv, TABLE_RPTUN + RESOURCE_VERSION, 1);
}

static const char *read_table(struct ivshmem *iv)
{
    const char *wrong =
        resource_table_parse(&iv->table, iv->base + TABLE_RPTUN, iv->bytes - TABLE_RPTUN);

    if (!wrong && iv->table.vdev.slave_drives)
        return "the table makes the slave the driver, which is not in this version";
    return wrong;
}

/* The driver's part of the table: which features, where the rings are. */
static void write_choice(struct ivshmem *iv, uint32_t features)
{
    uint32_t vdev = TABLE_RPTUN + iv->table.vdev.at;

    for (unsigned i = 0; i < 2; i++)
        ivshmem_put(iv, vdev + RESOURCE_VDEV_BYTES + i * RESOURCE_VRING_BYTES,
                    iv->layout.ring[i].desc);
    ivshmem_put(iv, vdev + RESOURCE_VDEV_GFEATURES, features);
}

static const char *drive(struct ivshmem *iv)
{
    const struct resource_vdev *v = &iv->table.vdev;
    const char *wrong = take_sizes(iv, v->dfeatures & RESOURCE_F_BUFSZ);

    if (!wrong)
        wrong = chart_place(&iv->layout, &iv->table, TABLE_RPTUN, iv->bytes);
    if (wrong)
        return wrong;
    choose_base(iv);
    write_choice(iv, v->dfeatures & FEATURES_RPTUN);
    return NULL;
}

static const char *be_driven(struct ivshmem *iv)
{
    const char *wrong = read_table(iv);

    if (!wrong && !(iv->table.vdev.status & RESOURCE_STATUS_DRIVER_OK))
        return "waits for the master's driver";
    if (!wrong)
        wrong = chart_find(&iv->layout, &iv->table.vdev, iv->bytes);
    return wrong ? wrong : see_sizes(iv, iv->table.vdev.gfeatures & RESOURCE_F_BUFSZ);
}

/* What another layout would look like; NULL: it is not known to be one. */
static const char *other_layout(const struct ivshmem *iv)
{
    bool lite = iv->config.layout == RPR_IVSHMEM_LITE;
    uint32_t word = ivshmem_get(iv, WORD_TABLE_BYTES);
    bool table = ivshmem_get(iv, TABLE_RPTUN + RESOURCE_VERSION) == 1;

    if (table && lite)
        return word > BOOT_NEED_RESET ? "the memory has layout rptun, not lite"
                                      : "the memory has layout sim, not lite";
    if (table && iv->config.layout == RPR_IVSHMEM_RPTUN && word && word <= BOOT_NEED_RESET)
        return "the memory has layout sim, not rptun";
    if (table && iv->config.layout == RPR_IVSHMEM_SIM && word > BOOT_NEED_RESET)
        return "the memory has layout rptun, not sim";
    if (!lite && !table &&
        ivshmem_get(iv, TABLE_LITE + LITE_VDEV + RESOURCE_VDEV_ID) == RESOURCE_ID_RPMSG)
        return "the memory has layout lite";
    if (!lite && !table &&
        ivshmem_get(iv, TABLE_RPTUN + LITE_VDEV + RESOURCE_VDEV_ID) == RESOURCE_ID_RPMSG)
        return "the memory has the layout of the simulator's rpmsg_virtio";
    return NULL;
}

/* ---- commands ---------------------------------------------------------------------------------------- */

/* rptun and sim. Every word is answered, but an ACK never: NuttX answers those too (H-16). */
static enum ivshmem_end obey(struct ivshmem *iv, const char **reason)
{
    uint32_t theirs = command_word(iv, !iv->handshake->master);
    uint32_t word = ivshmem_get(iv, theirs);
    uint32_t command = word >> 16;

    if (!word)
        return IVSHMEM_GOES_ON;
    ivshmem_put(iv, theirs, 0);
    if (command == RESOURCE_CMD_ACK)
        return IVSHMEM_GOES_ON;
    ivshmem_put(iv, command_word(iv, iv->handshake->master), RESOURCE_CMD_ACK << 16);
    ivshmem_notify(iv);
    *reason = command == RESOURCE_CMD_PANIC   ? "the peer panicked"
              : command == RESOURCE_CMD_RESET ? "the peer asked for a reset"
                                              : "the peer stopped";
    return command == RESOURCE_CMD_PANIC || command == RESOURCE_CMD_RESET ||
                   command == RESOURCE_CMD_STOP
               ? IVSHMEM_LEFT
               : IVSHMEM_GOES_ON;
}

/* lite: no ACK, and other numbers. */
static enum ivshmem_end obey_lite(struct ivshmem *iv, const char **reason)
{
    uint32_t theirs = command_word(iv, !iv->handshake->master);
    uint32_t word = ivshmem_get(iv, theirs);

    if (!word)
        return IVSHMEM_GOES_ON;
    ivshmem_put(iv, theirs, 0);
    if (word >> 16 != 1)
        return IVSHMEM_GOES_ON;
    *reason = "the peer panicked";
    return IVSHMEM_LEFT;
}

static enum ivshmem_end ended(enum ivshmem_end how, const char *text, const char **reason)
{
    *reason = text;
    return how;
}

/* Slave: is the driver at work? */
static enum ivshmem_end look_at_driver(struct ivshmem *iv, const char **reason)
{
    uint8_t now = status(iv);

    if (now & RESOURCE_STATUS_RESET)
        return ended(IVSHMEM_LEFT, "the master stopped", reason);
    if (!(now & RESOURCE_STATUS_DRIVER_OK))
        return ended(IVSHMEM_RESTARTED, "the master restarted", reason);
    return IVSHMEM_GOES_ON;
}

static const char *nothing_to_build(struct ivshmem *iv)
{
    (void)iv;
    return NULL;
}

static void nothing_to_say(struct ivshmem *iv)
{
    ivshmem_notify(iv);
}

/* ---- rptun: the slave makes the table ------------------------------------------------------------------ */

static bool rptun_master_begin(struct ivshmem *iv)
{
    bool before = base_word(iv) != 0 && !other_layout(iv);

    if (before)
        put_base(iv, 0); /* a slave of this project sees it, and makes the table anew */
    return before;
}

static const char *rptun_master_wait(struct ivshmem *iv)
{
    const char *wrong = other_layout(iv);

    if (wrong)
        return wrong;
    if (ivshmem_get(iv, command_word(iv, false)) >> 16 != RESOURCE_CMD_READY)
        return "waits for the slave's table";
    rpr_barrier_seen();
    wrong = read_table(iv);
    if (!wrong)
        wrong = drive(iv);
    if (wrong)
        return wrong;
    known_by_table(iv);
    ivshmem_put(iv, command_word(iv, false), 0); /* both words are 0 while the slave parses */
    return NULL;
}

static void rptun_master_go(struct ivshmem *iv)
{
    put_base(iv, iv->master);
    driver_ok(iv);
}

static enum ivshmem_end rptun_master_look(struct ivshmem *iv, const char **reason)
{
    if (base_word(iv) != iv->master ||
        ivshmem_get(iv, command_word(iv, false)) >> 16 == RESOURCE_CMD_READY)
        return ended(IVSHMEM_RESTARTED, "the slave restarted", reason); /* H-17 */
    if (ivshmem_get(iv, TABLE_RPTUN + RESOURCE_VERSION) != 1)
        return ended(IVSHMEM_LEFT, "the slave left", reason);
    return obey(iv, reason);
}

static void rptun_master_leave(struct ivshmem *iv)
{
    if (iv->phase == IVSHMEM_UP)
        put_status(iv, iv->table.vdev.at, RESOURCE_STATUS_RESET);
    put_base(iv, 0);
}

static bool rptun_slave_begin(struct ivshmem *iv)
{
    bool before = base_word(iv) != 0;

    iv->taken = false;
    if (before) {
        ivshmem_put(iv, command_word(iv, false), 0);
        put_base(iv, 0); /* a master of this project sees it, and writes no more */
    }
    return before;
}

static const char *rptun_slave_build(struct ivshmem *iv)
{
    const char *wrong;

    iv->n_read = 0;
    memset(iv->base, 0, TABLE_RPTUN);
    rpr_cache_clean(iv->base, TABLE_RPTUN);
    write_table(iv, RESOURCE_ANY, "vdev0buffer");
    ivshmem_put(iv, WORD_TABLE_BYTES, iv->fill - TABLE_RPTUN);
    wrong = read_table(iv);
    ivshmem_put(iv, command_word(iv, false), RESOURCE_CMD_READY << 16);
    return wrong;
}

/* A master has read the table, and nothing came of it: it has gone again, or crashed, between two
 * looks of this side. The next one waits for READY. One that is just slow takes the new table for a
 * slave that started again, and does so, too. */
static const char *rptun_offer_again(struct ivshmem *iv)
{
    const char *wrong = NULL;

    if (ivshmem_get(iv, command_word(iv, false)) >> 16 == RESOURCE_CMD_READY)
        iv->n_read = 0;
    else if (++iv->n_read == READ_LOOKS)
        wrong = rptun_slave_build(iv);
    return wrong ? wrong : "waits for the master";
}

static const char *rptun_slave_wait(struct ivshmem *iv)
{
    const char *wrong;

    if (!iv->taken && ivshmem_get(iv, TABLE_RPTUN + RESOURCE_VERSION) != 1) {
        wrong = rptun_slave_build(iv); /* wiped by the end of the peer's machine (H-33) */
        return wrong ? wrong : "waits for the master";
    }
    if (!iv->taken) {
        iv->master = base_word(iv);
        iv->taken = iv->master != 0;
    }
    if (!iv->taken)
        return rptun_offer_again(iv);
    wrong = be_driven(iv);
    if (wrong)
        return wrong;
    known_by_answer(iv, iv->table.vdev.gfeatures);
    known_by_driver(iv);
    return NULL;
}

static enum ivshmem_end rptun_slave_look(struct ivshmem *iv, const char **reason)
{
    uint8_t now = status(iv);

    if (now & RESOURCE_STATUS_RESET)
        return ended(IVSHMEM_LEFT, "the master stopped", reason);
    if (base_word(iv) != iv->master)
        return ended(IVSHMEM_RESTARTED, "the master restarted", reason);
    if (iv->phase == IVSHMEM_WAITING)
        return IVSHMEM_GOES_ON;
    if (!(now & RESOURCE_STATUS_DRIVER_OK))
        return ended(IVSHMEM_RESTARTED, "the master restarted", reason);
    return obey(iv, reason);
}

static void rptun_slave_leave(struct ivshmem *iv)
{
    ivshmem_put(iv, command_word(iv, false), 0);
    ivshmem_put(iv, TABLE_RPTUN + RESOURCE_VERSION, 0);
}

/* ---- lite: the master makes the table ------------------------------------------------------------------ */

static const char *lite_table(struct ivshmem *iv)
{
    const char *wrong = resource_vdev_parse(&iv->table.vdev, iv->base + TABLE_LITE,
                                            iv->bytes - TABLE_LITE, LITE_VDEV);

    if (!wrong)
        wrong = take_sizes(iv, true); /* it says them without saying that it does */
    return wrong ? wrong : chart_row(&iv->layout, &iv->table.vdev, LITE_RINGS, iv->bytes);
}

static bool lite_master_begin(struct ivshmem *iv)
{
    bool before = ivshmem_get(iv, TABLE_LITE + LITE_VDEV + RESOURCE_VDEV_ID) == RESOURCE_ID_RPMSG;

    put_base(iv, 0);
    if (before)
        put_status(iv, LITE_VDEV, 0);
    return before;
}

static const char *lite_master_build(struct ivshmem *iv)
{
    struct resource_offer o = offer(iv, 0);
    const char *wrong;

    memset(iv->base, 0, iv->fill);
    resource_device_encode(iv->base + TABLE_LITE + LITE_VDEV, &o);
    rpr_cache_clean(iv->base, iv->fill);
    wrong = lite_table(iv);
    choose_base(iv);
    put_base(iv, iv->master);
    return wrong;
}

static const char *lite_master_wait(struct ivshmem *iv)
{
    uint64_t base = base_word(iv);

    if (base == BASE_AGAIN) /* written over ours, which was not there yet when the slave looked */
        put_base(iv, iv->master);
    if (base != 0)
        return "waits for the slave";
    if (ivshmem_get(iv, TABLE_LITE + LITE_VDEV + RESOURCE_VDEV_ID) != RESOURCE_ID_RPMSG) {
        const char *wrong = lite_master_build(iv); /* the peer's machine ended: H-33 */

        return wrong ? wrong : "waits for the slave";
    }
    known_by_answer(iv, FEATURES_LITE);
    return NULL;
}

static void lite_master_go(struct ivshmem *iv)
{
    ivshmem_put(iv, TABLE_LITE + LITE_VDEV + RESOURCE_VDEV_GFEATURES, FEATURES_LITE);
    driver_ok(iv);
}

static enum ivshmem_end lite_master_look(struct ivshmem *iv, const char **reason)
{
    uint32_t seq = ivshmem_get(iv, WORD_SEQ_SLAVE);
    uint64_t base = base_word(iv);

    if (base == BASE_AGAIN)
        return ended(IVSHMEM_LEFT, "the slave left", reason);
    if (base != 0 || !(status(iv) & RESOURCE_STATUS_DRIVER_OK))
        return ended(IVSHMEM_RESTARTED, "somebody else is master of this memory", reason);
    if (seq == 0 && iv->seq != 0 && iv->seq < UINT32_MAX / 2)
        return ended(IVSHMEM_LEFT, "the slave left", reason);
    return obey_lite(iv, reason);
}

static void lite_master_leave(struct ivshmem *iv)
{
    put_status(iv, LITE_VDEV, RESOURCE_STATUS_RESET);
    put_base(iv, 0);
}

/* A master of this project offers again: at once when it sees the word in the base, which is of nobody
 * while it is up; the counter that falls to 0 may never have been seen at another value. */
static void ask_for_offer(struct ivshmem *iv)
{
    ivshmem_put(iv, WORD_SEQ_SLAVE, 0);
    if (ivshmem_get(iv, TABLE_LITE + LITE_VDEV + RESOURCE_VDEV_ID) == RESOURCE_ID_RPMSG &&
        base_word(iv) == 0)
        put_base(iv, BASE_AGAIN);
}

static bool lite_slave_begin(struct ivshmem *iv)
{
    iv->taken = false;
    if (!other_layout(iv))
        ask_for_offer(iv);
    return false;
}

static const char *lite_slave_wait(struct ivshmem *iv)
{
    const char *wrong = other_layout(iv);
    uint64_t base = base_word(iv);

    if (wrong)
        return wrong;
    if (base && base != BASE_AGAIN) {
        iv->master = base;
        iv->taken = true;
        put_base(iv, 0);
    }
    if (!iv->taken)
        return "waits for the master";
    wrong = lite_table(iv);
    if (!wrong && !(iv->table.vdev.status & RESOURCE_STATUS_DRIVER_OK))
        return "waits for the master's driver";
    if (!wrong)
        wrong = see_sizes(iv, true);
    if (wrong)
        return wrong;
    known_by_table(iv);
    known_by_driver(iv);
    return NULL;
}

static enum ivshmem_end lite_slave_look(struct ivshmem *iv, const char **reason)
{
    if (iv->phase == IVSHMEM_WAITING)
        return IVSHMEM_GOES_ON;
    if (base_word(iv) != 0)
        return ended(IVSHMEM_RESTARTED, "the master restarted", reason);
    if (look_at_driver(iv, reason) != IVSHMEM_GOES_ON)
        return IVSHMEM_LEFT;
    return obey_lite(iv, reason);
}

static void lite_slave_leave(struct ivshmem *iv)
{
    ask_for_offer(iv);
}

/* ---- sim: the master makes the table, and each tells the other to start again --------------------------- */

/* Whoever has been up is told to start again. */
static void need_reset(struct ivshmem *iv, uint32_t word)
{
    if (ivshmem_get(iv, word) & BOOT_OK)
        ivshmem_put(iv, word, BOOT_NEED_RESET);
}

static bool sim_master_begin(struct ivshmem *iv)
{
    bool before = (ivshmem_get(iv, WORD_BOOT_MASTER) | ivshmem_get(iv, WORD_BOOT_SLAVE)) & BOOT_OK;

    ivshmem_put(iv, WORD_BOOT_MASTER, 0);
    need_reset(iv, WORD_BOOT_SLAVE);
    return before;
}

static const char *sim_master_build(struct ivshmem *iv)
{
    const char *wrong;

    write_table(iv, 0, "rpmsg0_shm");
    wrong = read_table(iv);
    if (!wrong)
        wrong = drive(iv);
    put_base(iv, iv->master);
    need_reset(iv, WORD_BOOT_SLAVE);
    ivshmem_put(iv, WORD_BOOT_MASTER, BOOT_BOOT);
    return wrong;
}

static const char *sim_master_wait(struct ivshmem *iv)
{
    if (ivshmem_get(iv, WORD_BOOT_MASTER) != BOOT_BOOT)
        ivshmem_put(iv, WORD_BOOT_MASTER, BOOT_BOOT);
    if (!(ivshmem_get(iv, WORD_BOOT_SLAVE) & BOOT_BOOT))
        return "waits for the slave";
    known_by_answer(iv, FEATURES_RPTUN);
    return NULL;
}

static void sim_master_go(struct ivshmem *iv)
{
    ivshmem_put(iv, WORD_BOOT_MASTER, BOOT_OK);
    driver_ok(iv);
}

static enum ivshmem_end sim_master_look(struct ivshmem *iv, const char **reason)
{
    uint32_t boot = ivshmem_get(iv, WORD_BOOT_MASTER);

    if (boot & BOOT_NEED_RESET)
        return ended(IVSHMEM_LEFT, "the slave restarted", reason);
    if (!(boot & BOOT_OK) || base_word(iv) != iv->master)
        return ended(IVSHMEM_RESTARTED, "somebody else is master of this memory", reason);
    return obey(iv, reason);
}

static void sim_master_leave(struct ivshmem *iv)
{
    if (iv->phase == IVSHMEM_UP)
        put_status(iv, iv->table.vdev.at, RESOURCE_STATUS_RESET);
    ivshmem_put(iv, WORD_BOOT_MASTER, 0);
    need_reset(iv, WORD_BOOT_SLAVE);
}

static bool sim_slave_begin(struct ivshmem *iv)
{
    iv->taken = false;
    if (other_layout(iv))
        return false;
    need_reset(iv, WORD_BOOT_MASTER);
    ivshmem_put(iv, WORD_BOOT_SLAVE, BOOT_BOOT);
    return false;
}

static const char *sim_slave_wait(struct ivshmem *iv)
{
    const char *wrong = other_layout(iv);

    if (wrong)
        return wrong;
    if (!iv->taken && !(ivshmem_get(iv, WORD_BOOT_SLAVE) & (BOOT_BOOT | BOOT_OK)))
        ivshmem_put(iv, WORD_BOOT_SLAVE, BOOT_BOOT);
    if (ivshmem_get(iv, WORD_BOOT_MASTER) & BOOT_OK && !iv->taken) {
        iv->taken = true;
        ivshmem_put(iv, WORD_BOOT_SLAVE, BOOT_OK);
        iv->master = base_word(iv);
    }
    if (!iv->taken)
        return "waits for the master";
    if (!iv->master)
        return "the master does not say its address of the memory";
    wrong = be_driven(iv);
    if (wrong)
        return wrong;
    known_by_table(iv);
    known_by_driver(iv);
    return NULL;
}

static enum ivshmem_end sim_slave_look(struct ivshmem *iv, const char **reason)
{
    if (ivshmem_get(iv, WORD_BOOT_SLAVE) & BOOT_NEED_RESET)
        return ended(IVSHMEM_LEFT, "the master restarted", reason);
    if (base_word(iv) != iv->master)
        return ended(IVSHMEM_RESTARTED, "the master restarted", reason);
    if (iv->phase == IVSHMEM_WAITING)
        return IVSHMEM_GOES_ON;
    if (look_at_driver(iv, reason) != IVSHMEM_GOES_ON)
        return IVSHMEM_LEFT;
    return obey(iv, reason);
}

static void sim_slave_leave(struct ivshmem *iv)
{
    ivshmem_put(iv, WORD_BOOT_SLAVE, 0);
    need_reset(iv, WORD_BOOT_MASTER);
}

/* ---- the six of them --------------------------------------------------------------------------------- */

static const struct handshake handshakes[][2] = {
    [RPR_IVSHMEM_RPTUN] = {[RPR_IVSHMEM_MASTER] = {.begin = rptun_master_begin,
                                                   .build = nothing_to_build,
                                                   .wait = rptun_master_wait,
                                                   .go = rptun_master_go,
                                                   .look = rptun_master_look,
                                                   .leave = rptun_master_leave,
                                                   .table_at = TABLE_RPTUN,
                                                   .master = true,
                                                   .poll_ns = 100000},
                           [RPR_IVSHMEM_SLAVE] = {.begin = rptun_slave_begin,
                                                  .build = rptun_slave_build,
                                                  .wait = rptun_slave_wait,
                                                  .go = nothing_to_say,
                                                  .look = rptun_slave_look,
                                                  .leave = rptun_slave_leave,
                                                  .table_at = TABLE_RPTUN,
                                                  .makes_file = true,
                                                  .makes_table = true,
                                                  .poll_ns = 100000}},
    [RPR_IVSHMEM_LITE] = {[RPR_IVSHMEM_MASTER] = {.begin = lite_master_begin,
                                                  .build = lite_master_build,
                                                  .wait = lite_master_wait,
                                                  .go = lite_master_go,
                                                  .look = lite_master_look,
                                                  .leave = lite_master_leave,
                                                  .table_at = TABLE_LITE,
                                                  .master = true,
                                                  .makes_file = true,
                                                  .makes_table = true,
                                                  .poll_ns = 1000000},
                          [RPR_IVSHMEM_SLAVE] = {.begin = lite_slave_begin,
                                                 .build = nothing_to_build,
                                                 .wait = lite_slave_wait,
                                                 .go = nothing_to_say,
                                                 .look = lite_slave_look,
                                                 .leave = lite_slave_leave,
                                                 .table_at = TABLE_LITE,
                                                 .poll_ns = 1000000}},
    [RPR_IVSHMEM_SIM] = {[RPR_IVSHMEM_MASTER] = {.begin = sim_master_begin,
                                                 .build = sim_master_build,
                                                 .wait = sim_master_wait,
                                                 .go = sim_master_go,
                                                 .look = sim_master_look,
                                                 .leave = sim_master_leave,
                                                 .table_at = TABLE_RPTUN,
                                                 .master = true,
                                                 .makes_file = true,
                                                 .makes_table = true,
                                                 .poll_ns = 1000000},
                         [RPR_IVSHMEM_SLAVE] = {.begin = sim_slave_begin,
                                                .build = nothing_to_build,
                                                .wait = sim_slave_wait,
                                                .go = nothing_to_say,
                                                .look = sim_slave_look,
                                                .leave = sim_slave_leave,
                                                .table_at = TABLE_RPTUN,
                                                .makes_file = true,
                                                .poll_ns = 1000000}},
};

const struct handshake *handshake_of(enum rpr_ivshmem_layout layout, enum rpr_ivshmem_role role)
{
    return &handshakes[layout][role];
}
