/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The life of a link with a resource table: find the region, agree (handshake.c), be up, look at
 * the peer's words by a timer, notice its end, begin again.
 */
#include "vring/ivshmem.h"

#include "base/text.h"
#include "vring/chart.h"

#define MS UINT64_C(1000000)

#define LOOK_FIRST_NS \
    UINT64_C(20000)            /* while there is traffic; doubles up to the layout's period */
#define LOOK_LAST_NS  (1 * MS) /* after so long a silence: */
#define IDLE_NS       (1000 * MS)
#define WAIT_FIRST_NS (1 * MS) /* for the peer's next step; doubles up to */
#define WAIT_LAST_NS  (8 * MS)
#define MAP_FIRST_NS  (8 * MS) /* for the region; doubles up to */
#define MAP_LAST_NS   (128 * MS)
#define WARNED_NS     (10 * MS) /* a peer looks every millisecond */
#define CHECK_NS      (50 * MS) /* is the region still the same? */
#define MIN_BYTES     4096u
#define MAX_BYTES     (UINT64_C(1) << 30)
#define NAMES_ROOM    64u

/* ---- words any thread may use --------------------------------------------------------------------- */

/* Never to 0: a counter that falls to 0 says that its side started again. */
static void notify(struct mapping *m)
{
    bytes_word32 *word = (bytes_word32 *)(void *)m->own_seq;
    uint32_t next = BYTES_LE32(__atomic_load_n(word, __ATOMIC_RELAXED)) + 1;

    rpr_barrier_full();
    __atomic_store_n(word, BYTES_LE32(next ? next : 1), __ATOMIC_RELAXED);
    rpr_cache_clean(m->own_seq, 4);
}

/* Whoever was told something may answer soon. */
static void ring(void *ctx, bool to_tx_ring)
{
    struct mapping *m = ctx;
    struct ivshmem *iv = m->owner;

    (void)to_tx_ring;
    notify(m);
    if (iv->config.locked || iv->wait_ns <= LOOK_FIRST_NS || iv->now != m)
        return; /* the timer is the owner's */
    iv->wait_ns = LOOK_FIRST_NS;
    rpr_timer_start(iv->node, &iv->timer, iv->fired_ns + LOOK_FIRST_NS);
}

void ivshmem_notify(struct ivshmem *iv)
{
    notify(iv->now);
}

void ivshmem_log(struct ivshmem *iv, const char *what)
{
    char line[RPR_REASON_MAX + 64];
    struct text text = text_start(line, sizeof line);

    if (!iv->platform->log)
        return;
    text_add(&text, "link to ");
    text_add(&text, iv->remote);
    text_add(&text, ": ");
    text_add(&text, what);
    iv->platform->log(iv->platform->ctx, RPR_LOG_WARNING, line);
}

/* ---- the region ---------------------------------------------------------------------------------- */

static void forget_former(struct ivshmem *iv, const struct mapping *m)
{
    struct mapping **at = &iv->former;

    while (*at && *at != m)
        at = &(*at)->next;
    if (*at)
        *at = m->next;
}

static void put_mapping(struct mapping *m)
{
    struct ivshmem *iv = m->owner;

    if (--m->n_users)
        return;
    forget_former(iv, m);
    iv->config.port.unmap(iv->config.port.ctx, &m->memory);
    iv->platform->free(iv->platform->ctx, m, sizeof *m);
}

static void drop_mapping(struct ivshmem *iv)
{
    struct mapping *m = iv->now;

    iv->now = NULL;
    iv->base = NULL;
    if (!m)
        return;
    m->next = iv->former;
    iv->former = m;
    put_mapping(m);
}

/* Somebody may go on writing to buffers of a former session: from now on into memory of its own, or
 * the next session waits. */
static bool part_from_former(struct ivshmem *iv)
{
    const struct rpr_ivshmem_port *port = &iv->config.port;
    struct mapping *m = iv->former;

    for (; m; m = m->next) {
        m->parted = m->parted || (port->part && port->part(port->ctx, &m->memory));
        if (!m->parted)
            return false;
    }
    return true;
}

/* The session has ended, and nothing of it is used any more. */
static void detached(void *ctx)
{
    put_mapping(ctx);
}

static const char *get_mapping(struct ivshmem *iv)
{
    const struct handshake *h = iv->handshake;
    const struct rpr_ivshmem_port *port = &iv->config.port;
    struct rpr_ivshmem_memory memory;
    const char *wrong =
        port->map(port->ctx, h->makes_file, h->makes_file ? iv->fill : MIN_BYTES, &memory);
    struct mapping *m;

    if (wrong)
        return wrong;
    m = iv->platform->alloc(iv->platform->ctx, sizeof *m);
    if (!m) {
        port->unmap(port->ctx, &memory);
        return "out of memory";
    }
    m->memory = memory;
    if (m->memory.bytes > MAX_BYTES)
        m->memory.bytes = MAX_BYTES;
    m->owner = iv;
    m->n_users = 1;
    iv->now = m;
    iv->base = m->memory.base;
    iv->bytes = m->memory.bytes;
    m->own_seq = iv->base + (h->master ? WORD_SEQ_MASTER : WORD_SEQ_SLAVE);
    return NULL;
}

/* ---- phases -------------------------------------------------------------------------------------- */

static void next_look(struct ivshmem *iv, uint64_t wait_ns, uint64_t now_ns)
{
    iv->wait_ns = wait_ns;
    rpr_timer_start(iv->node, &iv->timer, now_ns + wait_ns);
}

static void look_later(struct ivshmem *iv, uint64_t now_ns, uint64_t last_ns)
{
    next_look(iv, iv->wait_ns * 2 > last_ns ? last_ns : iv->wait_ns * 2, now_ns);
}

/* Shown as the reason while there is no peer; the same is not said again. An upcall. */
static void say(struct ivshmem *iv, const char *reason)
{
    if (!text_differs(iv->said, reason))
        return;
    text_copy(iv->said, sizeof iv->said, reason);
    rpr_link_down(iv->link, reason);
}

static void enter_unmapped(struct ivshmem *iv, uint64_t now_ns)
{
    drop_mapping(iv);
    iv->phase = IVSHMEM_UNMAPPED;
    next_look(iv, MAP_FIRST_NS, now_ns);
}

static void enter_waiting(struct ivshmem *iv, uint64_t now_ns)
{
    const char *wrong = iv->handshake->build(iv);

    iv->phase = IVSHMEM_WAITING;
    next_look(iv, WAIT_FIRST_NS, now_ns);
    if (wrong)
        say(iv, wrong);
}

/* In the present mapping. */
static void begin(struct ivshmem *iv, uint64_t now_ns)
{
    iv->checked_ns = now_ns;
    if (!iv->handshake->begin(iv)) {
        enter_waiting(iv, now_ns);
        return;
    }
    iv->phase = IVSHMEM_WARNED;
    next_look(iv, WARNED_NS, now_ns);
}

static void on_unmapped(struct ivshmem *iv, uint64_t now_ns)
{
    const char *wrong =
        part_from_former(iv) ? get_mapping(iv) : "buffers of the former session are in use";

    if (!wrong) {
        begin(iv, now_ns);
        return;
    }
    look_later(iv, now_ns, MAP_LAST_NS);
    say(iv, wrong);
}

/* ---- up ------------------------------------------------------------------------------------------ */

static uint32_t peer_seq(const struct ivshmem *iv)
{
    return ivshmem_get(iv, iv->handshake->master ? WORD_SEQ_SLAVE : WORD_SEQ_MASTER);
}

static uint16_t peer_index(const struct ivshmem *iv, unsigned i)
{
    const struct rpr_vring_ring *r = &iv->layout.ring[i];
    const uint8_t *at = iv->base + (iv->handshake->master ? r->used : r->avail) + 2;

    rpr_cache_invalidate(at, 2);
    return ring_read16(at);
}

/* Has the peer counted its word up, or moved an index without doing so? */
static bool anything_new(struct ivshmem *iv)
{
    uint32_t seq = peer_seq(iv);
    uint16_t index[2] = {peer_index(iv, 0), peer_index(iv, 1)};

    if (seq == iv->seq && index[0] == iv->index[0] && index[1] == iv->index[1])
        return false;
    iv->seq = seq;
    iv->index[0] = index[0];
    iv->index[1] = index[1];
    return true;
}

static int attach(struct ivshmem *iv)
{
    struct rpr_vring_session session = {
        .role = iv->handshake->master ? RPR_VRING_DRIVER : RPR_VRING_DEVICE,
        .base = iv->base,
        .base_da = iv->master,
        .layout = iv->layout,
        .always_ring = true, /* counting a word costs nothing, and some never ask for it (H-28) */
        .dialect = iv->dialect,
        .may_ack = iv->may_ack,
        .ring = ring,
        .detached = detached,
        .ctx = iv->now,
    };

    return rpr_vring_attach(iv->link, &session);
}

/* A CPU that calls itself otherwise than this side does, or looks for another one. */
static void compare_names(struct ivshmem *iv)
{
    const struct resource_config *c = &iv->table.vdev.config;
    const char *theirs = iv->handshake->master ? c->remote : c->host;
    char line[NAMES_ROOM], ours[RESOURCE_CPU_BYTES];
    struct text text = text_start(line, sizeof line);

    text_copy(ours, sizeof ours, iv->remote); /* that is all a table says of a name */
    if (iv->handshake->makes_table || !theirs[0] || !text_differs(theirs, ours))
        return;
    text_add(&text, "the peer's table calls it \"");
    text_add(&text, theirs);
    text_add(&text, "\"");
    ivshmem_log(iv, line);
}

/* Upcalls: the link may be closed, or gone, afterwards. */
static void enter_up(struct ivshmem *iv, uint64_t now_ns)
{
    int error;

    iv->phase = IVSHMEM_UP;
    iv->said[0] = '\0';
    iv->seq = peer_seq(iv) - 1; /* the first look is at everything */
    iv->checked_ns = iv->active_ns = now_ns;
    iv->now->n_users++;
    next_look(iv, LOOK_FIRST_NS, now_ns);
    compare_names(iv);
    error = attach(iv);
    if (error) {
        iv->now->n_users--;
        iv->phase = IVSHMEM_WAITING;
        next_look(iv, WAIT_LAST_NS, now_ns);
        say(iv, error == -RPR_ENOMEM ? "out of memory" : "the table has rings that cannot be");
    } else if (iv->phase == IVSHMEM_UP && iv->link->incarnation) {
        iv->handshake->go(iv);
    }
}

static void on_waiting(struct ivshmem *iv, uint64_t now_ns)
{
    const char *reason;

    if (iv->taken && iv->handshake->look(iv, &reason) != IVSHMEM_GOES_ON) {
        begin(iv, now_ns);
        return;
    }
    reason = iv->handshake->wait(iv);
    if (!reason) {
        enter_up(iv, now_ns);
        return;
    }
    look_later(iv, now_ns, WAIT_LAST_NS);
    say(iv, reason);
}

static void end_session(struct ivshmem *iv, enum ivshmem_end how, const char *reason,
                        uint64_t now_ns)
{
    if (how == IVSHMEM_LEFT) {
        rpr_link_drain(iv->link, iv->layout.ring[0].num + iv->layout.ring[1].num);
        if (iv->phase != IVSHMEM_UP)
            return; /* broken by what was found, or closed by who received it */
    }
    iv->phase = IVSHMEM_UNMAPPED;
    iv->wait_ns = MAP_FIRST_NS / 2;
    rpr_timer_start(iv->node, &iv->timer, now_ns); /* at once, if nothing is in the way */
    rpr_vring_detach(iv->link, reason, false);
    if (iv->phase == IVSHMEM_UNMAPPED)
        drop_mapping(iv);
}

/* The region, looked at less often than the words in it. */
static const char *check(struct ivshmem *iv, uint64_t now_ns)
{
    if (now_ns - iv->checked_ns < CHECK_NS)
        return NULL;
    iv->checked_ns = now_ns;
    return iv->config.port.lost(iv->config.port.ctx, &iv->now->memory, iv->phase == IVSHMEM_UP);
}

static void on_up(struct ivshmem *iv, uint64_t now_ns)
{
    const char *reason;
    enum ivshmem_end how = iv->handshake->look(iv, &reason);

    if (how != IVSHMEM_GOES_ON) {
        end_session(iv, how, reason, now_ns);
    } else if (anything_new(iv)) {
        iv->active_ns = now_ns;
        next_look(iv, LOOK_FIRST_NS, now_ns);
        rpr_link_ready(iv->link);
    } else {
        look_later(iv, now_ns,
                   now_ns - iv->active_ns < IDLE_NS ? iv->handshake->poll_ns : LOOK_LAST_NS);
    }
}

static void fire(struct rpr_timer *timer, uint64_t now_ns)
{
    struct ivshmem *iv = RPR_CONTAINER(timer, struct ivshmem, timer);
    const char *reason = iv->now ? check(iv, now_ns) : NULL;

    iv->fired_ns = now_ns;
    if (reason && iv->phase == IVSHMEM_UP) {
        end_session(iv, IVSHMEM_RESTARTED, reason, now_ns);
        return;
    }
    if (reason) {
        enter_unmapped(iv, now_ns);
        say(iv, reason);
        return;
    }
    switch (iv->phase) {
    case IVSHMEM_UNMAPPED:
        on_unmapped(iv, now_ns);
        break;
    case IVSHMEM_WARNED:
        enter_waiting(iv, now_ns);
        break;
    case IVSHMEM_WAITING:
        on_waiting(iv, now_ns);
        break;
    case IVSHMEM_UP:
        on_up(iv, now_ns);
        break;
    case IVSHMEM_CLOSED:
        break;
    }
}

/* ---- port of the vring link ------------------------------------------------------------------------ */

/* The first step is the timer's: it may have to say why not. */
static void port_open(void *ctx)
{
    struct ivshmem *iv = ctx;

    iv->phase = IVSHMEM_UNMAPPED;
    iv->said[0] = '\0';
    iv->wait_ns = MAP_FIRST_NS / 2;
    rpr_timer_start(iv->node, &iv->timer, 0);
}

static void port_close(void *ctx)
{
    struct ivshmem *iv = ctx;

    rpr_timer_stop(iv->node, &iv->timer);
    if (iv->now && iv->phase > IVSHMEM_WARNED)
        iv->handshake->leave(iv);
    iv->phase = IVSHMEM_CLOSED;
    drop_mapping(iv);
}

/* The timer ends the session: it may be that this is asked in the middle of a drain. */
static bool port_ended(void *ctx)
{
    struct ivshmem *iv = ctx;
    const char *reason;

    if (iv->phase != IVSHMEM_UP || iv->handshake->look(iv, &reason) == IVSHMEM_GOES_ON)
        return false;
    rpr_timer_start(iv->node, &iv->timer, 0);
    return true;
}

static void port_destroy(void *ctx)
{
    struct ivshmem *iv = ctx;

    if (iv->config.port.destroy)
        iv->config.port.destroy(iv->config.port.ctx);
    iv->platform->free(iv->platform->ctx, iv, sizeof *iv);
}

/* ---- the peer is one of ours ----------------------------------------------------------------------- */

/* Nothing in the region tells a peer of this project from others. Each announces a service, and says
 * on it which side it is: an echo of what this side said is no proof. */
#define OURS_BYTES   12u
#define OURS_MAGIC   0x31525052u /* "RPR1" */
#define OURS_VERSION 1u

static uint32_t side_of(bool master)
{
    return master ? 1 : 2;
}

static enum rpr_rx_result ours_rx(void *ctx, rpr_ept_t ept, const struct rpr_msg *msg)
{
    struct ivshmem *iv = ctx;
    uint8_t said[OURS_BYTES];

    (void)ept;
    if (msg->len < OURS_BYTES)
        return RPR_DONE;
    memcpy(said, msg->data, OURS_BYTES);
    RPR_PRIVATE(said);
    if (get_le32(said) == OURS_MAGIC && get_le32(said + 4) == OURS_VERSION &&
        get_le32(said + 8) == side_of(!iv->handshake->master))
        rpr_link_ours(iv->link);
    return RPR_DONE;
}

static void say_ours(void *ctx, rpr_ept_t ept)
{
    struct ivshmem *iv = ctx;
    uint8_t say[OURS_BYTES];

    put_le32(say, OURS_MAGIC);
    put_le32(say + 4, OURS_VERSION);
    put_le32(say + 8, side_of(iv->handshake->master));
    (void)rpr_send(ept, say, sizeof say, 0); /* no buffer: `writable` follows */
}

static void ours_bound(void *ctx, rpr_ept_t ept, uint32_t dest)
{
    (void)dest;
    say_ours(ctx, ept);
}

static int open_ours(struct ivshmem *iv)
{
    static const struct rpr_ept_ops ops = {
        .rx = ours_rx, .bound = ours_bound, .writable = say_ours};
    struct rpr_ept_config config = {.name = RPR_LINK_OURS,
                                    .addr = RPR_ADDR_ANY,
                                    .dest = RPR_ADDR_ANY,
                                    .flags = RPR_EPT_CONTROL,
                                    .ops = &ops,
                                    .ctx = iv};
    rpr_ept_t ept;

    return rpr_ept_open(rpr_device_find(iv->node, iv->remote), &config, &ept);
}

/* ---- open ---------------------------------------------------------------------------------------- */

bool rpr_ivshmem_makes_table(enum rpr_ivshmem_layout layout, enum rpr_ivshmem_role role)
{
    return handshake_of(layout, role)->makes_table;
}

int rpr_ivshmem_open(struct rpr_node *node, const struct rpr_ivshmem_config *config,
                     struct rpr_link **link)
{
    const struct rpr_platform *platform = rpr_node_platform(node);
    struct rpr_vring_config vring = {
        .remote = config->remote,
        .kind = "ivshmem",
        .locked = config->locked,
        .port = {port_open, port_close, port_destroy, NULL, port_ended}};
    uint32_t fill = rpr_ivshmem_bytes(config);
    struct ivshmem *iv;
    int error;

    if (!fill)
        return -RPR_EINVAL;
    iv = platform->alloc(platform->ctx, sizeof *iv);
    if (!iv)
        return -RPR_ENOMEM;
    iv->node = node;
    iv->platform = platform;
    iv->config = *config;
    iv->handshake = handshake_of(config->layout, config->role);
    iv->fill = fill;
    iv->timer.fire = fire;
    text_copy(iv->remote, sizeof iv->remote, config->remote);
    iv->config.remote = iv->remote;
    vring.remote = iv->remote;
    vring.port.ctx = iv;
    error = rpr_vring_open(node, &vring, &iv->link);
    if (error) {
        platform->free(platform->ctx, iv, sizeof *iv);
        return error;
    }
    *link = iv->link;
    error = open_ours(iv);
    if (error) {
        iv->config.port.destroy = NULL; /* stays the caller's */
        rpr_link_unregister(iv->link);
    }
    return error;
}
