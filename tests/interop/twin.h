/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Twins: what other RPMsg stacks do to shared memory, in as little code as shows it. A twin speaks
 * over bare split rings and shares no code with the library, so that a mistake is not made twice:
 *
 *   open-amp      plain, driver or device
 *   RPMsg-Lite    driver ("master") or device ("remote")
 *   Linux         virtio_rpmsg_bus, the driver
 *
 * The first two are held against recordings of the real ones (test_twin_recordings.c). All of them
 * note what their peer did that the real one would suffer from, or that SPEC forbids: the first
 * such thing is `wrong`. The applications on top do what users of these stacks do: they serve
 * "echo", answer with "hi" to be found, and take the address of whom they hear first.
 */
#ifndef RPR_TEST_TWIN_H
#define RPR_TEST_TWIN_H

#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

enum twin_kind { TWIN_OPENAMP, TWIN_LITE, TWIN_LINUX };

#define TWIN_ANY       UINT32_MAX
#define TWIN_NS        53u
#define TWIN_HEADER    16u
#define TWIN_END       32768u /* of a chain of free descriptors */
#define TWIN_MAX_NUM   64u
#define TWIN_MAX_EPTS  32u
#define TWIN_MAX_QUEUE 64u
#define TWIN_MAX_BYTES 2048u /* of a buffer */

#define TWIN_F_WRITE  2u
#define TWIN_F_SILENT 1u /* of avail: do not interrupt; of used: do not notify */

struct twin_ept {
    char name[33];
    uint32_t addr, dest;
    bool open, server, ending;
    uint64_t n_rx, n_bad; /* what is no echo: numbered messages, see twin_fill() */
    uint32_t next;
};

struct twin_ring {
    uint8_t *desc, *avail, *used;
    uint32_t num;
    uint16_t seen;                 /* of the index that the peer counts up */
    uint32_t head, n_free;         /* driver: chain of free descriptors */
    uint8_t *cookie[TWIN_MAX_NUM]; /* driver: the buffer behind each */
    uint8_t *pool;                 /* driver: buffers that were never used */
    uint32_t n_pool;
};

struct twin_queued {
    struct twin_ept *ept;
    uint32_t len;
    uint8_t data[TWIN_MAX_BYTES];
};

struct twin {
    enum twin_kind kind;
    bool driver;
    uint8_t *memory;
    uint32_t bytes;
    uint64_t da;   /* of the memory's first byte */
    uint32_t size; /* of a buffer: what a driver takes, what RPMsg-Lite was compiled for */
    struct twin_ring ring[2];
    unsigned n_rung[2];
    struct twin_ept epts[TWIN_MAX_EPTS];
    uint32_t next_addr; /* open-amp */
    struct twin_queued queue[TWIN_MAX_QUEUE];
    unsigned n_queued;
    unsigned n_unknown; /* messages to nobody */
    char wrong[160];
};

static inline __attribute__((format(printf, 2, 3))) void twin_wrong(struct twin *t,
                                                                    const char *format, ...)
{
    va_list list;

    if (t->wrong[0])
        return;
    va_start(list, format);
    vsnprintf(t->wrong, sizeof t->wrong, format, list);
    va_end(list);
}

/* ---- memory: an index is written last, and read before what it counts ------------------------------- */

static inline uint16_t twin_get16(const uint8_t *at)
{
    uint16_t value = *(const volatile uint16_t *)(const void *)at;

    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    return value;
}

static inline uint32_t twin_get32(const uint8_t *at)
{
    return *(const volatile uint32_t *)(const void *)at;
}

static inline void twin_put16(uint8_t *at, uint32_t value)
{
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    *(volatile uint16_t *)(void *)at = (uint16_t)value;
}

static inline void twin_put32(uint8_t *at, uint32_t value)
{
    *(volatile uint32_t *)(void *)at = value;
}

static inline uint8_t *twin_desc(const struct twin_ring *r, uint32_t id)
{
    return r->desc + 16 * id;
}

static inline uint8_t *twin_used(const struct twin_ring *r, uint32_t slot)
{
    return r->used + 4 + 8 * (slot % r->num);
}

static inline uint8_t *twin_avail(const struct twin_ring *r, uint32_t slot)
{
    return r->avail + 4 + 2 * (slot % r->num);
}

/* Where a descriptor of the peer points to, or NULL: it is one that no peer should see. */
static inline uint8_t *twin_at(struct twin *t, const struct twin_ring *r, uint32_t id)
{
    uint64_t addr = twin_get32(twin_desc(r, id)) | (uint64_t)twin_get32(twin_desc(r, id) + 4) << 32;
    uint32_t len = twin_get32(twin_desc(r, id) + 8);

    if (t->kind == TWIN_LITE && addr >> 32)
        twin_wrong(t, "an address of more than 32 bits, which RPMsg-Lite cuts");
    if (addr < t->da || len > t->bytes || addr - t->da > t->bytes - len) {
        twin_wrong(t, "descriptor %u is outside of the memory", id);
        return NULL;
    }
    if (t->kind == TWIN_LITE && len != t->size)
        twin_wrong(t, "a buffer of %u bytes; RPMsg-Lite was compiled for %u", len, t->size);
    return t->memory + (addr - t->da);
}

/* ---- doorbells ---------------------------------------------------------------------------------------- */

/* RPMsg-Lite looks at the flags of `used` in either role, and so never at a driver's wish. */
static inline void twin_kick(struct twin *t, int ring)
{
    const struct twin_ring *r = &t->ring[ring];
    bool by_used = t->driver || t->kind == TWIN_LITE;

    if (!(twin_get16(by_used ? r->used : r->avail) & TWIN_F_SILENT))
        t->n_rung[ring]++;
}

/* ---- driver: buffers ------------------------------------------------------------------------------------ */

/* open-amp, Linux: into the descriptor that was freed last. */
static inline void twin_add(struct twin *t, int ring, uint8_t *buffer, uint32_t len)
{
    struct twin_ring *r = &t->ring[ring];
    uint32_t id = r->head;
    uint64_t addr = t->da + (uint64_t)(buffer - t->memory);
    uint16_t to = twin_get16(r->avail + 2);

    r->head = twin_get16(twin_desc(r, id) + 14);
    r->n_free--;
    r->cookie[id] = buffer;
    twin_put32(twin_desc(r, id), (uint32_t)addr);
    twin_put32(twin_desc(r, id) + 4, (uint32_t)(addr >> 32));
    twin_put32(twin_desc(r, id) + 8, len);
    twin_put16(twin_desc(r, id) + 12, ring == 0 ? TWIN_F_WRITE : 0);
    twin_put16(twin_avail(r, to), id);
    twin_put16(r->avail + 2, to + 1u);
}

/* RPMsg-Lite: descriptors stay as they are, ids go around. */
static inline void twin_add_id(struct twin *t, int ring, uint32_t id)
{
    struct twin_ring *r = &t->ring[ring];
    uint16_t to = twin_get16(r->avail + 2);

    twin_put16(twin_avail(r, to), id);
    twin_put16(r->avail + 2, to + 1u);
}

/* The next entry of `used`: its id, or -1. `*len` is what the peer says. */
static inline int twin_next_used(struct twin *t, int ring, uint32_t *len)
{
    struct twin_ring *r = &t->ring[ring];
    uint16_t n = (uint16_t)(twin_get16(r->used + 2) - r->seen);
    uint32_t id;

    if (n == 0)
        return -1;
    if (n > r->num)
        twin_wrong(t, "used.idx of ring %d jumped by %u", ring, n);
    id = twin_get32(twin_used(r, r->seen));
    *len = twin_get32(twin_used(r, r->seen) + 4);
    r->seen++;
    if (id >= r->num) {
        twin_wrong(t, "used id %u in ring %d", id, ring);
        return -1;
    }
    if (t->kind != TWIN_LITE && !r->cookie[id])
        twin_wrong(t, "used id %u in ring %d, which the peer did not have", id, ring);
    return (int)id;
}

static inline uint8_t *twin_free_desc(struct twin_ring *r, uint32_t id)
{
    uint8_t *buffer = r->cookie[id];

    twin_put16(twin_desc(r, id) + 14, r->head);
    r->head = id;
    r->n_free++;
    r->cookie[id] = NULL;
    return buffer;
}

/* ---- sending -------------------------------------------------------------------------------------------- */

struct twin_slot {
    uint8_t *at;
    uint32_t id, size;
};

/* A buffer came back. open-amp takes its length for the room in it (H-11). */
static inline void twin_check_returned(struct twin *t, uint32_t id, uint32_t len)
{
    uint32_t had = twin_get32(twin_desc(&t->ring[1], id) + 8);

    if (t->kind != TWIN_LINUX && len != had)
        twin_wrong(t, "a buffer of %u bytes was returned with length %u (H-11)", had, len);
}

static inline bool twin_take_driving(struct twin *t, struct twin_slot *slot)
{
    struct twin_ring *r = &t->ring[1];
    uint32_t len = 0;
    int id;

    /* Linux takes new buffers first, the others those that came back. */
    if (t->kind == TWIN_LINUX && r->n_pool)
        id = -1;
    else
        id = twin_next_used(t, 1, &len);
    slot->size = t->size;
    if (id >= 0) {
        twin_check_returned(t, (uint32_t)id, len);
        slot->id = (uint32_t)id;
        slot->at =
            t->kind == TWIN_LITE ? twin_at(t, r, (uint32_t)id) : twin_free_desc(r, (uint32_t)id);
        return slot->at != NULL;
    }
    if (t->kind == TWIN_LITE || !r->n_pool)
        return false;
    slot->at = r->pool;
    r->pool += t->size;
    r->n_pool--;
    return true;
}

static inline bool twin_take_served(struct twin *t, struct twin_slot *slot)
{
    struct twin_ring *r = &t->ring[0];
    uint16_t n = (uint16_t)(twin_get16(r->avail + 2) - r->seen);

    if (n == 0)
        return false;
    if (n > r->num)
        twin_wrong(t, "avail.idx of ring 0 jumped by %u", n);
    slot->id = twin_get16(twin_avail(r, r->seen)) % r->num;
    r->seen++;
    slot->size = twin_get32(twin_desc(r, slot->id) + 8);
    slot->at = twin_at(t, r, slot->id);
    return slot->at != NULL;
}

/* Device: what it did with a buffer goes into `used`, with the whole length. */
static inline void twin_put_used(struct twin *t, int ring, uint32_t id)
{
    struct twin_ring *r = &t->ring[ring];
    uint16_t to = twin_get16(r->used + 2);

    twin_put32(twin_used(r, to), id);
    twin_put32(twin_used(r, to) + 4, twin_get32(twin_desc(r, id) + 8));
    twin_put16(r->used + 2, to + 1u);
}

static inline void twin_give(struct twin *t, const struct twin_slot *slot, uint32_t len)
{
    if (!t->driver)
        twin_put_used(t, 0, slot->id);
    else if (t->kind == TWIN_LITE)
        twin_add_id(t, 1, slot->id);
    else
        twin_add(t, 1, slot->at, t->kind == TWIN_LINUX ? TWIN_HEADER + len : t->size);
    twin_kick(t, t->driver ? 1 : 0);
}

/* False: no buffer. Longer than the buffer: open-amp cuts, the others do not send. */
static inline bool twin_send_to(struct twin *t, uint32_t src, uint32_t dst, const void *data,
                                uint32_t len)
{
    struct twin_slot slot = {0};

    if (!(t->driver ? twin_take_driving(t, &slot) : twin_take_served(t, &slot)))
        return false;
    if (TWIN_HEADER + len > slot.size) {
        twin_wrong(t, "a message of %u bytes in a buffer of %u", len, slot.size);
        len = slot.size - TWIN_HEADER;
    }
    twin_put32(slot.at, src);
    twin_put32(slot.at + 4, dst);
    if (t->kind != TWIN_LITE) /* which leaves what was there */
        twin_put32(slot.at + 8, 0);
    twin_put32(slot.at + 12, len); /* and flags 0 */
    memcpy(slot.at + TWIN_HEADER, data, len);
    twin_give(t, &slot, len);
    return true;
}

/* ---- endpoints ------------------------------------------------------------------------------------------- */

static inline struct twin_ept *twin_by_addr(struct twin *t, uint32_t addr)
{
    for (unsigned i = 0; i < TWIN_MAX_EPTS; i++)
        if (t->epts[i].open && t->epts[i].addr == addr)
            return &t->epts[i];
    return NULL;
}

/* By name alone. Of several the first in order of age, as in open-amp's list. */
static inline struct twin_ept *twin_find(struct twin *t, const char *name)
{
    for (unsigned i = 0; i < TWIN_MAX_EPTS; i++)
        if (t->epts[i].open && strncmp(t->epts[i].name, name, 32) == 0)
            return &t->epts[i];
    return NULL;
}

/* The one that an announcement is for. */
static inline struct twin_ept *twin_match(struct twin *t, const char *name, uint32_t dest)
{
    for (unsigned i = 0; i < TWIN_MAX_EPTS; i++) {
        struct twin_ept *e = &t->epts[i];

        if (e->open && strncmp(e->name, name, 32) == 0 && (e->dest == dest || e->dest == TWIN_ANY))
            return e;
    }
    return NULL;
}

/* open-amp: the next of 1024..1151 that is free, on from the last one; with none free the next one
 * all the same (H-2). The others: the lowest that is free. */
static inline uint32_t twin_new_addr(struct twin *t)
{
    uint32_t addr = t->kind == TWIN_LITE ? 1 : 1024;

    if (t->kind == TWIN_OPENAMP) {
        uint32_t i = 0;

        while (i < 128 && twin_by_addr(t, 1024 + (t->next_addr + i) % 128))
            i++;
        addr = 1024 + (t->next_addr + i) % 128;
        t->next_addr = addr - 1024 + 1;
        return addr;
    }
    while (twin_by_addr(t, addr))
        addr++;
    return addr;
}

static inline struct twin_ept *twin_new_ept(struct twin *t, const char *name, uint32_t dest)
{
    struct twin_ept *e = t->epts;

    while (e < t->epts + TWIN_MAX_EPTS && e->open)
        e++;
    if (e == t->epts + TWIN_MAX_EPTS) {
        twin_wrong(t, "more endpoints than the twin has");
        e = t->epts;
    }
    *e = (struct twin_ept){.open = true, .addr = twin_new_addr(t), .dest = dest};
    snprintf(e->name, sizeof e->name, "%.32s", name);
    return e;
}

static inline void twin_say(struct twin *t, const struct twin_ept *e, uint32_t flags)
{
    uint8_t word[40] = {0};

    memcpy(word, e->name, strlen(e->name));
    twin_put32(word + 32, e->addr);
    twin_put32(word + 36, flags);
    if (!twin_send_to(t, e->addr, TWIN_NS, word, sizeof word))
        twin_wrong(t, "no buffer for a word of the name service");
}

/* Linux announces only what has a fixed address, and so nothing here. */
static inline struct twin_ept *twin_open(struct twin *t, const char *name)
{
    struct twin_ept *e = twin_new_ept(t, name, TWIN_ANY);

    if (t->kind != TWIN_LINUX)
        twin_say(t, e, 0);
    return e;
}

static inline void twin_close(struct twin *t, struct twin_ept *e)
{
    if (t->kind != TWIN_LINUX)
        twin_say(t, e, 1);
    e->open = false;
}

static inline void twin_later(struct twin *t, struct twin_ept *e, const void *data, uint32_t len)
{
    struct twin_queued *q = &t->queue[t->n_queued];

    if (t->n_queued == TWIN_MAX_QUEUE) {
        twin_wrong(t, "more to answer than the twin can keep");
        return;
    }
    q->ept = e;
    q->len = len;
    memcpy(q->data, data, len);
    t->n_queued++;
}

/* ---- name service ------------------------------------------------------------------------------------------ */

static inline void twin_serve(struct twin *t, const char *name, uint32_t dest)
{
    struct twin_ept *e;

    if (strcmp(name, "echo") != 0)
        return;
    e = twin_new_ept(t, name, dest);
    e->server = true;
    twin_later(t, e, "hi", 2);
}

/* open-amp and RPMsg-Lite's usual application: bit 0 means destroy, all else create. */
static inline void twin_on_word(struct twin *t, const char *name, uint32_t addr, uint32_t flags)
{
    struct twin_ept *e = twin_match(t, name, addr);

    if (flags & 1) {
        if (e)
            e->dest = TWIN_ANY;
        if (e && e->server)
            e->ending = true;
    } else if (e) {
        e->dest = addr;
    } else if (t->kind != TWIN_LITE || !twin_find(t, name)) {
        twin_serve(t, name, addr);
    }
}

/* Linux: every word that is no destroy makes a channel, and its driver speaks first. */
static inline void twin_on_word_linux(struct twin *t, const char *name, uint32_t addr,
                                      uint32_t flags)
{
    struct twin_ept *e = NULL;

    for (unsigned i = 0; i < TWIN_MAX_EPTS; i++)
        if (t->epts[i].open && t->epts[i].dest == addr && strncmp(t->epts[i].name, name, 32) == 0)
            e = &t->epts[i];
    if (flags & 1) {
        if (e)
            e->ending = true;
        else
            twin_wrong(t, "DESTROY of \"%s\" at %u, which was not announced", name, addr);
        return;
    }
    if (e) {
        twin_wrong(t, "\"%s\" at %u was announced twice", name, addr);
        return;
    }
    e = twin_new_ept(t, name, addr);
    e->server = strcmp(name, "echo") == 0;
    twin_later(t, e, "hi", 2);
}

static inline void twin_on_ns(struct twin *t, uint32_t src, const uint8_t *data, uint32_t len)
{
    char name[33] = {0};
    uint32_t flags;

    if (len != 40)
        return;
    memcpy(name, data, 32);
    flags = twin_get32(data + 36);
    if (strlen(name) == 32)
        twin_wrong(t, "a name without an end");
    if (flags > 1)
        twin_wrong(t, "flags %u for \"%s\": no CREATE_ACK for who does not know it", flags, name);
    if (src != twin_get32(data + 32))
        twin_wrong(t, "\"%s\" at %u was announced by %u", name, twin_get32(data + 32), src);
    (t->kind == TWIN_LINUX ? twin_on_word_linux : twin_on_word)(t, name, twin_get32(data + 32),
                                                                flags);
}

/* ---- receiving ----------------------------------------------------------------------------------------------- */

static inline uint8_t twin_fill(uint32_t number, uint32_t i)
{
    return (uint8_t)(number * 31 + i * 7 + (number >> 8));
}

static inline void twin_count(struct twin_ept *e, const uint8_t *data, uint32_t len)
{
    bool bad = len < 4 || twin_get32(data) != e->next;

    for (uint32_t i = 4; i < len && !bad; i++)
        bad = data[i] != twin_fill(e->next, i);
    e->next++;
    e->n_rx++;
    e->n_bad += bad;
}

static inline void twin_dispatch(struct twin *t, uint8_t *message, uint32_t room)
{
    uint32_t src = twin_get32(message), dst = twin_get32(message + 4);
    uint32_t len = twin_get16(message + 12);
    struct twin_ept *e;

    if (TWIN_HEADER + len > room) {
        twin_wrong(t, "a message of %u bytes in %u", len, room);
        return;
    }
    if (twin_get16(message + 14) != 0)
        twin_wrong(t, "flags in a header");
    if (src == TWIN_ANY || dst == TWIN_ANY)
        twin_wrong(t, "a message from or to any address");
    if (dst == TWIN_NS) {
        twin_on_ns(t, src, message + TWIN_HEADER, len);
        return;
    }
    e = twin_by_addr(t, dst);
    if (!e) {
        t->n_unknown++;
        return;
    }
    if (e->dest == TWIN_ANY && t->kind != TWIN_LINUX)
        e->dest = src;
    if (e->server)
        twin_later(t, e, message + TWIN_HEADER, len);
    else
        twin_count(e, message + TWIN_HEADER, len);
}

/* open-amp keeps an index in each message that it has received. */
static inline void twin_mark(struct twin *t, uint8_t *message, uint32_t index)
{
    if (twin_get32(message + 8) != 0)
        twin_wrong(t, "reserved is not 0 (H-1)");
    if (t->kind == TWIN_OPENAMP)
        twin_put32(message + 8, index);
}

static inline bool twin_receive_driving(struct twin *t)
{
    struct twin_ring *r = &t->ring[0];
    uint32_t slot = r->seen % r->num, len = 0, size;
    int id = twin_next_used(t, 0, &len);
    uint8_t *message;

    if (id < 0)
        return false;
    size = twin_get32(twin_desc(r, (uint32_t)id) + 8);
    if (len < TWIN_HEADER || len > size)
        twin_wrong(t, "a message with used length %u in a buffer of %u", len, size);
    if (t->kind == TWIN_LITE) {
        message = twin_at(t, r, (uint32_t)id);
        if (!message)
            return false;
        twin_mark(t, message, slot);
        twin_dispatch(t, message, size);
        twin_add_id(t, 0, (uint32_t)id);
        return true;
    }
    message = r->cookie[id];
    if (!message)
        return false;
    message = twin_free_desc(r, (uint32_t)id);
    twin_mark(t, message, slot);
    twin_dispatch(t, message, t->kind == TWIN_LINUX ? len : size);
    twin_add(t, 0, message, size);
    if (t->kind == TWIN_OPENAMP)
        twin_kick(t, 0);
    return true;
}

static inline bool twin_receive_served(struct twin *t)
{
    struct twin_ring *r = &t->ring[1];
    uint16_t n = (uint16_t)(twin_get16(r->avail + 2) - r->seen);
    uint8_t *message;
    uint32_t id;

    if (n == 0)
        return false;
    if (n > r->num)
        twin_wrong(t, "avail.idx of ring 1 jumped by %u", n);
    id = twin_get16(twin_avail(r, r->seen)) % r->num;
    r->seen++;
    message = twin_at(t, r, id);
    if (!message)
        return false;
    twin_mark(t, message, id);
    twin_dispatch(t, message, twin_get32(twin_desc(r, id) + 8));
    twin_put_used(t, 1, id);
    if (t->kind == TWIN_OPENAMP)
        twin_kick(t, 1);
    return true;
}

/* What nobody may write without EVENT_IDX, which nobody offers (H-10). */
static inline void twin_check_events(struct twin *t)
{
    for (int i = 0; i < 2; i++) {
        const struct twin_ring *r = &t->ring[i];

        if (twin_get16(r->avail + 4 + 2 * r->num) != 0)
            twin_wrong(t, "used_event of ring %d was written", i);
        if (twin_get16(r->used + 4 + 8 * r->num) != 0)
            twin_wrong(t, "avail_event of ring %d was written (H-10)", i);
    }
}

/* Answers leave in order, as far as there are buffers. */
static inline bool twin_flush(struct twin *t)
{
    unsigned n = 0;

    for (; n < t->n_queued; n++) {
        const struct twin_queued *q = &t->queue[n];

        if (q->ept->open && !twin_send_to(t, q->ept->addr, q->ept->dest, q->data, q->len))
            break;
    }
    t->n_queued -= n;
    memmove(t->queue, t->queue + n, t->n_queued * sizeof t->queue[0]);
    return n > 0;
}

/* Somebody rang, or the twin polls: all there is to do. True: there was something. */
static inline bool twin_turn(struct twin *t)
{
    bool any = false, batch = false;

    while (t->n_queued < TWIN_MAX_QUEUE / 2 &&
           (t->driver ? twin_receive_driving(t) : twin_receive_served(t)))
        batch = true;
    if (batch && t->kind == TWIN_LINUX)
        twin_kick(t, 0); /* once a batch */
    any = twin_flush(t) || batch;
    for (unsigned i = 0; i < TWIN_MAX_EPTS; i++)
        if (t->epts[i].open && t->epts[i].ending)
            twin_close(t, &t->epts[i]);
    twin_check_events(t);
    return any;
}

/* False: nobody is known to send to, or there is no buffer. */
static inline bool twin_send(struct twin *t, struct twin_ept *e, const void *data, uint32_t len)
{
    return e->dest != TWIN_ANY && twin_send_to(t, e->addr, e->dest, data, len);
}

/* ---- start --------------------------------------------------------------------------------------------------- */

struct twin_place {
    uint32_t desc, avail, used, num;
};

static inline void twin_start_driver(struct twin *t, uint32_t buffers)
{
    uint8_t *at = t->memory + buffers;

    for (int i = 0; i < 2; i++) {
        struct twin_ring *r = &t->ring[i];

        for (uint32_t id = 0; id < r->num; id++)
            twin_put16(twin_desc(r, id) + 14, id + 1 < r->num ? id + 1 : TWIN_END);
        r->n_free = r->num;
        if (t->kind == TWIN_LITE || i == 1)
            twin_put16(r->avail, TWIN_F_SILENT);
    }
    for (uint32_t id = 0; id < t->ring[0].num; id++, at += t->size)
        twin_add(t, 0, at, t->size);
    t->ring[1].pool = at;
    t->ring[1].n_pool = t->ring[1].num;
}

/* RPMsg-Lite: as if the buffers it sends in had been used once already. */
static inline void twin_prefill(struct twin *t)
{
    struct twin_ring *r = &t->ring[1];
    uint64_t addr = t->da + (uint64_t)(r->pool - t->memory);

    for (uint32_t id = 0; id < r->num; id++) {
        twin_put32(twin_desc(r, id), (uint32_t)(addr + id * t->size));
        twin_put32(twin_desc(r, id) + 8, t->size);
        twin_put16(twin_desc(r, id) + 12, TWIN_F_WRITE); /* in this ring too */
        twin_put_used(t, 1, id);
    }
    r->n_pool = 0;
}

/* `buffers`: where a driver's buffers begin, `size` of one. The rings are all zero. */
static inline void twin_start(struct twin *t, enum twin_kind kind, bool driver, uint8_t *memory,
                              uint32_t bytes, uint64_t da, const struct twin_place place[2],
                              uint32_t buffers, uint32_t size)
{
    *t = (struct twin){.kind = kind, .driver = driver, .memory = memory, .bytes = bytes};
    t->da = da;
    t->size = size;
    for (int i = 0; i < 2; i++) {
        t->ring[i].desc = memory + place[i].desc;
        t->ring[i].avail = memory + place[i].avail;
        t->ring[i].used = memory + place[i].used;
        t->ring[i].num = place[i].num;
    }
    if (driver)
        twin_start_driver(t, buffers);
    if (driver && kind == TWIN_LITE)
        twin_prefill(t);
    if (driver && kind != TWIN_OPENAMP)
        twin_kick(t, 0);
    if (!driver && kind == TWIN_OPENAMP)
        twin_put16(t->ring[0].used, TWIN_F_SILENT);
}

#endif
