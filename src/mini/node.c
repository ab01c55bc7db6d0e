/* SPDX-License-Identifier: Apache-2.0 */
/* The smallest node: its link. One way in, one way out, and the end of both when the peer errs. */
#include "mini/mini.h"

#include "wire/header.h"

_Static_assert(sizeof(struct rpr_mini) <= RPR_MINI_NODE_BYTES, "RPR_MINI_NODE_BYTES is too small");
_Static_assert(sizeof(struct ring_buffer) <= RPR_MINI_BUFFER_BYTES,
               "RPR_MINI_BUFFER_BYTES is too small");

#define BAD_INDEX "a ring index out of range"

void mini_break(struct rpr_mini *m, const char *wrong)
{
    m->wrong = wrong;
}

/* The buffer that was looked at goes to the peer: it never was ours. */
static void give_back(struct rpr_mini *m, struct ring *r, const struct ring_buffer *b)
{
    r->taken++;
    m->role->put(r, b);
}

/* ---- sending ------------------------------------------------------------------------------------ */

uint32_t mini_n_free(struct rpr_mini *m)
{
    int n = ring_pending(&m->tx);

    if (n < 0)
        mini_break(m, BAD_INDEX);
    return m->wrong ? 0 : (uint32_t)n;
}

int mini_put(struct rpr_mini *m, uint32_t src, uint32_t dst, const void *data, size_t len)
{
    struct ring_buffer *b;
    uint32_t size;

    if (mini_n_free(m) <=
        (dst != RPMSG_ADDR_NS &&
         !MUTANT(mini_data_takes_the_last_buffer))) /* data leaves the last one to words */
        return -RPR_EAGAIN;
    m->wrong = m->role->look(&m->tx, &b, &size);
    if (m->wrong)
        return -RPR_EAGAIN;
    if (len > b->size - RPMSG_HEADER_BYTES || len > UINT16_MAX)
        return -RPR_EMSGSIZE;
    header_put(b->at, src, dst, (uint16_t)len);
    memcpy(b->at + RPMSG_HEADER_BYTES, data, len);
    rpr_cache_clean(b->at, RPMSG_HEADER_BYTES + len);
    give_back(m, &m->tx, b);
    return 0;
}

/* The peer hears of what was put into the ring, once. */
static void flush(struct rpr_mini *m, struct ring *r)
{
    if (!ring_unpublished(r))
        return;
    ring_publish(r);
    if (!MUTANT(mini_rings_without_full_barrier))
        rpr_barrier_full(); /* pairs with the one in rpr_mini_arm() */
    if (ring_wanted(r))
        m->config->session.ring(m->config->session.ctx, r == &m->tx);
}

/* ---- receiving ---------------------------------------------------------------------------------- */

static const char *receive(struct rpr_mini *m)
{
    struct ring *rx = &m->rx;
    enum rpr_rx_result result = RPR_DONE;
    struct rpmsg_header h;
    struct rpr_mini_msg msg;
    struct ring_buffer *b;
    uint32_t size;
    const char *wrong = m->role->look(rx, &b, &size);

    if (wrong)
        return wrong;
    rpr_cache_invalidate(b->at, size);
    h = header_get(b->at);
    RPR_PRIVATE(h);
    if (size < RPMSG_HEADER_BYTES ||
        (h.len > size - RPMSG_HEADER_BYTES && !MUTANT(mini_believes_a_length)))
        return TOO_LONG;
    msg = (struct rpr_mini_msg){b->at + RPMSG_HEADER_BYTES, h.len, h.src, b->id, m->session};
    if (h.dst == RPMSG_ADDR_NS)
        mini_hear(m, msg.data, h.len);
    else
        result = mini_deliver(m, h.dst, &msg);
    if (result == RPR_HOLD && !MUTANT(mini_gives_back_what_is_held))
        ring_take(rx, b);
    else
        give_back(m, rx, b);
    return NULL;
}

void mini_turn(struct rpr_mini *m)
{
    if (m->busy)
        return;
    m->busy = true;
    mini_tend(m);
    m->busy = false;
    if (m->wrong)
        return;
    flush(m, &m->tx);
    flush(m, &m->rx);
}

static void quiet(struct rpr_mini *m, bool rx, bool tx)
{
    ring_set_quiet(&m->rx, rx);
    ring_set_quiet(&m->tx, tx);
}

int rpr_mini_poll(struct rpr_mini *m)
{
    int n, n_left;

    if (m->wrong)
        return -RPR_EPROTO;
    quiet(m, true, true);
    n = n_left = ring_pending(&m->rx);
    if (n < 0)
        mini_break(m, BAD_INDEX);
    m->busy = true;
    for (; n_left > 0 && !m->wrong; n_left--) {
        const char *wrong = receive(m);

        if (wrong)
            mini_break(m, wrong);
    }
    m->busy = false;
    mini_turn(m);
    return m->wrong ? -RPR_EPROTO : n;
}

void rpr_mini_release(struct rpr_mini *m, const struct rpr_mini_msg *msg)
{
    struct ring_buffer *b = &m->rx.buffers[msg->id];

    if ((msg->session != m->session && !MUTANT(mini_takes_back_of_a_former_session)) || !b->ours)
        return;
    b->ours = false;
    m->role->put(&m->rx, b);
    mini_turn(m);
}

bool rpr_mini_arm(struct rpr_mini *m)
{
    bool want = mini_wants_tx(m);

    if (m->wrong)
        return true;
    quiet(m, false, !want);
    if (!MUTANT(mini_arms_without_full_barrier))
        rpr_barrier_full(); /* pairs with the one in flush(): one of us sees the other */
    return ring_pending(&m->rx) == 0 && !(want && mini_n_free(m));
}

/* ---- life ---------------------------------------------------------------------------------------- */

void rpr_mini_restart(struct rpr_mini *m)
{
    const struct rpr_vring_session *s = &m->config->session;

    m->wrong = NULL;
    m->session++;
    m->role->start(m, s);
    quiet(m, true, true);
    m->busy = true;
    mini_lose(m);
    m->busy = false;
    mini_turn(m);
}

int mini_open(struct rpr_mini **node, struct rpr_mini_memory *memory, size_t bytes,
              const struct rpr_mini_config *config, const struct mini_role *role)
{
    const struct rpr_vring_session *s = &config->session;
    struct rpr_mini *m = (struct rpr_mini *)(void *)memory;
    uint32_t n_tx =
        s->layout.ring[s->role == RPR_VRING_DRIVER ? RING_TO_DEVICE : RING_TO_DRIVER].num;
    uint32_t n = s->layout.ring[0].num + s->layout.ring[1].num;

    if (bytes < sizeof *m || n > (bytes - sizeof *m) / sizeof *m->buffers)
        return -RPR_ENOMEM;
    memset(m, 0, sizeof *m);
    m->role = role;
    m->config = config;
    m->next_addr = config->first_addr;
    m->region = (struct ring_region){.base = s->base, .da = s->base_da, .bytes = s->layout.bytes};
    m->tx.buffers = m->buffers;
    m->rx.buffers = m->buffers + n_tx;
    *node = m;
    rpr_mini_restart(m);
    return 0;
}

const char *rpr_mini_reason(const struct rpr_mini *m)
{
    return m->wrong;
}

const struct rpr_mini_counters *rpr_mini_counters(const struct rpr_mini *m)
{
    return &m->counters;
}
