/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Words of the name service and the router on links that lose messages, between two nodes of ours
 * (SPEC, "numbered words"). Each is numbered, kept until the peer says that it has it, and said again
 * if that takes too long. The receiver takes them in order: what it hears is what was said, or the
 * session ends. Data is not held up by it, and may overtake them.
 *
 * Few are on their way at a time, and whatever says words (ns.c, the router) keeps state, not queues:
 * what has to wait is the last state of each.
 */
#include "core/core.h"

#include "base/text.h"
#include "wire/word.h"

#define WINDOW          8u   /* words on their way */
#define REPEAT_FIRST_MS 100u /* doubling for as long as nothing new is known */
#define REPEAT_LAST_MS  3200u

struct word {
    uint32_t src, dst, len;
    uint8_t payload[WORD_PAYLOAD_BYTES];
};

struct words {
    struct rpr_link *link;
    uint32_t tag, peer_tag; /* of the session, where words are numbered; 0: not heard yet */
    uint32_t n_said;        /* words said, ever */
    uint32_t n_known;       /* that the peer has */
    uint32_t n_heard;       /* the peer's words that were taken */
    uint32_t repeated;      /* `n_known` when all others were said again at the peer's word */
    uint64_t repeat_ms;
    bool answer_due;
    struct rpr_timer timer;
    struct word word[WINDOW]; /* the n-th is at n % WINDOW */
};

/* ---- life --------------------------------------------------------------------------------------- */

static void timer_fired(struct rpr_timer *timer, uint64_t now_ns);

/* Another one than that of the session before, most likely. */
static uint32_t new_tag(const struct rpr_link *link)
{
    const struct rpr_platform *platform = link->node->platform;
    uint32_t random = platform->random ? platform->random(platform->ctx) : 0;

    random ^= (uint32_t)link->node->now_ns ^ (uint32_t)(link->node->now_ns >> 32);
    random = (random ^ random >> 16) << 16;
    return random ? random : WORD_TAG_MASK;
}

void words_start(struct rpr_link *link)
{
    struct words *w = link->words;

    if (!link->lossy)
        return;
    if (!w)
        w = node_alloc(link->node, sizeof *w);
    link->words = w;
    if (!w) {
        link_broken_soon(link, "out of memory");
        return;
    }
    *w = (struct words){
        .link = link, .tag = new_tag(link), .repeated = UINT32_MAX, .timer.fire = timer_fired};
}

void words_stop(struct rpr_link *link)
{
    if (link->words)
        rpr_timer_stop(link->node, &link->words->timer);
}

void words_free(struct rpr_link *link)
{
    if (link->words)
        node_free(link->node, link->words, sizeof *link->words);
    link->words = NULL;
}

/* ---- saying ------------------------------------------------------------------------------------- */

static uint32_t heard_number(const struct words *w)
{
    return w->peer_tag ? word_number(w->peer_tag, w->n_heard) : 0;
}

/* Under the lock. False: no buffer. */
static bool transmit(struct words *w, uint32_t number)
{
    struct rpr_link *link = w->link;
    const struct word *word = &w->word[number % WINDOW];
    struct word_head head = {heard_number(w), word_number(w->tag, number), word->src, word->dst};
    uint32_t len = WORD_HEAD_BYTES + word->len;
    struct rpr_slot slot;

    if (link->ops->reserve(link, &slot, true))
        return false;
    if (slot.size < RPMSG_HEADER_BYTES + len) {
        link->ops->cancel(link, slot.id);
        return false;
    }
    word_encode(slot.msg + RPMSG_HEADER_BYTES, &head);
    memcpy(slot.msg + RPMSG_HEADER_BYTES + WORD_HEAD_BYTES, word->payload, word->len);
    header_put(slot.msg, RPMSG_ADDR_WORD, RPMSG_ADDR_WORD, (uint16_t)len);
    link->ops->commit(link, slot.id, RPMSG_HEADER_BYTES + len);
    w->answer_due = false;
    link_touch(link);
    return true;
}

static void wait_for_answer(struct words *w, uint64_t ms)
{
    struct rpr_node *node = w->link->node;

    w->repeat_ms = ms > REPEAT_LAST_MS ? REPEAT_LAST_MS : ms;
    rpr_timer_start(node, &w->timer, node->now_ns + w->repeat_ms * UINT64_C(1000000));
}

bool rpr_link_numbered(const struct rpr_link *link)
{
    return link->words && link->lossy && link->dialect == RPR_DIALECT_RPR &&
           link->tx_len >= WORD_HEAD_BYTES + WORD_PAYLOAD_BYTES;
}

bool words_full(const struct rpr_link *link)
{
    return rpr_link_numbered(link) && link->words->n_said - link->words->n_known == WINDOW;
}

static bool is_end_of(const struct word *word, const char *name)
{
    struct ns_message message;

    return word->dst == RPMSG_ADDR_NS && ns_decode(&message, word->payload, word->len) == NS_OK &&
           message.flags == NS_DESTROY && !text_differs(message.name, name);
}

bool words_behind_end(const struct rpr_link *link, const char *name)
{
    const struct words *w = link->words;
    uint32_t n;

    for (n = w->n_known; n != w->n_said && !is_end_of(&w->word[(n + 1) % WINDOW], name); n++)
        ;
    return n != w->n_said;
}

static void put(struct words *w, uint32_t number, uint32_t src, uint32_t dst, const void *payload,
                uint32_t len)
{
    struct word *word = &w->word[number % WINDOW];

    RPR_ASSERT(len <= sizeof word->payload);
    *word = (struct word){.src = src, .dst = dst, .len = len};
    memcpy(word->payload, payload, len);
}

bool words_say(struct rpr_link *link, uint32_t src, uint32_t dst, const void *payload, uint32_t len)
{
    struct words *w = link->words;
    uint32_t number = w->n_said + 1;

    if (words_full(link))
        return false;
    put(w, number, src, dst, payload, len);
    if (!transmit(w, number))
        return false;
    w->n_said = number;
    if (!w->timer.active)
        wait_for_answer(w, REPEAT_FIRST_MS);
    return true;
}

void words_keep(struct rpr_link *link, uint32_t src, uint32_t dst, const void *payload,
                uint32_t len)
{
    struct words *w = link->words;

    if (w && w->n_said < WINDOW)
        put(w, ++w->n_said, src, dst, payload, len);
}

static void repeat(struct words *w)
{
    link_lock(w->link);
    for (uint32_t n = w->n_known; n != w->n_said && transmit(w, n + 1); n++)
        ;
    link_unlock(w->link);
}

void words_agreed(struct rpr_link *link)
{
    struct words *w = link->words;

    if (!w || w->n_said == w->n_known)
        return;
    repeat(w);
    wait_for_answer(w, REPEAT_FIRST_MS);
}

/* A word may be lost, or the answer; or the line is slow. */
static void timer_fired(struct rpr_timer *timer, uint64_t now_ns)
{
    struct words *w = RPR_CONTAINER(timer, struct words, timer);

    (void)now_ns;
    if (w->n_known == w->n_said)
        return;
    if (!MUTANT(lost_word_is_not_said_again))
        repeat(w);
    wait_for_answer(w, w->repeat_ms * 2);
}

void words_answer(struct rpr_link *link)
{
    struct words *w = link->words;
    struct rpr_slot slot;

    if (!w || !w->answer_due)
        return;
    link_lock(link);
    if (link->ops->reserve(link, &slot, true)) {
        link_unlock(link);
        return; /* with the next turn */
    }
    put_le32(slot.msg + RPMSG_HEADER_BYTES, heard_number(w));
    header_put(slot.msg, RPMSG_ADDR_WORD, RPMSG_ADDR_WORD, WORD_HEARD_BYTES);
    link->ops->commit(link, slot.id, RPMSG_HEADER_BYTES + WORD_HEARD_BYTES);
    w->answer_due = false;
    link_unlock(link);
    link_touch(link);
}

bool words_pending(const struct rpr_link *link)
{
    return link->words && link->words->answer_due;
}

/* ---- hearing ------------------------------------------------------------------------------------ */

static void attend(struct rpr_link *link)
{
    link_attention(link);
    rpr_link_ready(link);
}

/* What the peer has. `missing`: it was sent a word, and has no more than before; it takes them in
 * order, so the first of those on their way is lost. */
static void heard(struct words *w, uint32_t number, bool missing)
{
    uint32_t n_waiting = w->n_said - w->n_known;
    uint32_t n_new = (number - w->n_known) & ~WORD_TAG_MASK;

    if (number ? (number & WORD_TAG_MASK) != w->tag || n_new > n_waiting : w->n_known)
        return; /* it said so long ago, or it is nonsense */
    if (!number || !n_new) {
        if (missing && n_waiting && w->repeated != w->n_known) {
            w->repeated = w->n_known;
            repeat(w);
        }
        return;
    }
    w->n_known += n_new;
    attend(w->link); /* there is room for more */
    if (w->n_known == w->n_said)
        rpr_timer_stop(w->link->node, &w->timer);
    else
        wait_for_answer(w, REPEAT_FIRST_MS);
}

void words_receive(struct rpr_link *link, const struct rpr_msg *msg)
{
    struct words *w = link->words;
    uint8_t bytes[WORD_HEAD_BYTES];
    struct word_head head;
    struct rpr_msg word = *msg;

    if (msg->len == WORD_HEARD_BYTES) {
        memcpy(bytes, msg->data, WORD_HEARD_BYTES);
        heard(w, get_le32(bytes), true);
        return;
    }
    if (msg->len < WORD_HEAD_BYTES || msg->len > WORD_HEAD_BYTES + WORD_PAYLOAD_BYTES) {
        link->device->counters.errors++;
        return;
    }
    memcpy(bytes, msg->data, WORD_HEAD_BYTES);
    word_decode(&head, bytes);
    if (w->peer_tag && w->peer_tag != (head.number & WORD_TAG_MASK) &&
        !MUTANT(word_of_another_session_is_taken)) {
        rpr_link_broken(link, "the peer has begun a session that was not heard of");
        return;
    }
    w->peer_tag = head.number & WORD_TAG_MASK;
    w->answer_due = true;
    attend(link);
    heard(w, head.heard, false);
    if (head.number != word_number(w->peer_tag, w->n_heard + 1) && !MUTANT(word_is_taken_twice))
        return; /* said again, or one before it is missing */
    w->n_heard++;
    word.data = (const uint8_t *)msg->data + WORD_HEAD_BYTES;
    word.len = msg->len - WORD_HEAD_BYTES;
    word.src = head.src;
    receive_word(link, &word, head.dst);
}
