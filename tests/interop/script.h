/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A fixed conversation with a peer over bare split rings, written down as text: what the peer
 * changed in memory at each step, byte by byte, and which ring it rang for. Run once against real
 * stacks it made the recordings; run against the twins it must give the same text.
 *
 * The rings are as WIRE 2.1 has them, 8 descriptors aligned to 8: ring 0 (device to driver) at 0,
 * ring 1 at 224, then 2 x 8 buffers of 512. A descriptor's address is SCRIPT_DA + offset.
 */
#ifndef RPR_TEST_SCRIPT_H
#define RPR_TEST_SCRIPT_H

#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#define SCRIPT_NUM     8u
#define SCRIPT_DA      0x40000000u
#define SCRIPT_RING    224u /* from ring 0 to ring 1, and from there to the buffers */
#define SCRIPT_AVAIL   (16u * SCRIPT_NUM)
#define SCRIPT_USED    152u
#define SCRIPT_BUFFERS (2u * SCRIPT_RING)
#define SCRIPT_SIZE    512u
#define SCRIPT_BYTES   (SCRIPT_BUFFERS + 2u * SCRIPT_NUM * SCRIPT_SIZE)
#define SCRIPT_ADDR    1030u /* of the script's endpoint; its others follow */
#define SCRIPT_NS      53u

/* Whom the script talks to. It serves "echo": endpoints of that name send back what they get. */
struct script_peer {
    void (*start)(void *ctx, uint8_t *memory, bool driver);
    void (*open)(void *ctx, const char *name);  /* announces it */
    void (*close)(void *ctx, const char *name); /* its newest endpoint of that name */
    void (*send)(void *ctx, const char *name, const void *data, uint16_t len);
    void (*turn)(void *ctx);                /* somebody rang: does all there is to do */
    unsigned (*rings)(void *ctx, int ring); /* how often it rang for that ring so far */
    void *ctx;
};

struct script {
    const struct script_peer *peer;
    bool peer_drives;
    FILE *out;
    uint8_t memory[SCRIPT_BYTES];
    uint8_t before[SCRIPT_BYTES];
    unsigned rung[2];
    uint16_t tx_seen, rx_seen; /* of the ring we send into, and of the other */
    uint16_t n_sent;           /* driver: descriptors of ring 1 that were used once */
};

/* ---- memory -------------------------------------------------------------------------------------- */

static inline uint16_t script_get16(const uint8_t *at)
{
    return (uint16_t)(at[0] | at[1] << 8);
}

static inline uint32_t script_get32(const uint8_t *at)
{
    return script_get16(at) | (uint32_t)script_get16(at + 2) << 16;
}

static inline void script_put16(uint8_t *at, uint32_t value)
{
    at[0] = (uint8_t)value;
    at[1] = (uint8_t)(value >> 8);
}

static inline void script_put32(uint8_t *at, uint32_t value)
{
    script_put16(at, value);
    script_put16(at + 2, value >> 16);
}

static inline uint8_t *script_desc(struct script *s, int ring, uint32_t id)
{
    return s->memory + (uint32_t)ring * SCRIPT_RING + 16 * id;
}

static inline uint8_t *script_avail(struct script *s, int ring)
{
    return s->memory + (uint32_t)ring * SCRIPT_RING + SCRIPT_AVAIL;
}

static inline uint8_t *script_used(struct script *s, int ring)
{
    return s->memory + (uint32_t)ring * SCRIPT_RING + SCRIPT_USED;
}

static inline uint8_t *script_buffer(struct script *s, int ring, uint32_t id)
{
    return s->memory + script_get32(script_desc(s, ring, id)) - SCRIPT_DA;
}

/* ---- writing down -------------------------------------------------------------------------------- */

/* Bytes behind the end of a name are whatever lay on a peer's stack. */
static inline bool script_is_rest_of_name(const struct script *s, uint32_t at)
{
    uint32_t in = (at - SCRIPT_BUFFERS) % SCRIPT_SIZE;
    const uint8_t *buffer = s->memory + at - in;

    return at >= SCRIPT_BUFFERS && in >= 16 && in < 48 && script_get32(buffer + 4) == SCRIPT_NS &&
           memchr(buffer + 16, 0, in - 16) != NULL;
}

static inline void script_step(struct script *s, const char *name)
{
    fprintf(s->out, "step %s\n", name);
    memcpy(s->before, s->memory, sizeof(s->before));
}

/* What changed since script_step(), in rows of up to 16 bytes. */
static inline void script_show(struct script *s)
{
    unsigned n;

    for (uint32_t at = 0; at < SCRIPT_BYTES;) {
        if (s->memory[at] == s->before[at] || script_is_rest_of_name(s, at)) {
            at++;
            continue;
        }
        fprintf(s->out, "%04x", at);
        for (n = 0; n < 16 && at < SCRIPT_BYTES && s->memory[at] != s->before[at]; n++, at++) {
            if (script_is_rest_of_name(s, at))
                break;
            fprintf(s->out, " %02x", s->memory[at]);
        }
        fprintf(s->out, "\n");
    }
    for (int ring = 0; ring < 2; ring++) {
        unsigned rung = s->peer->rings(s->peer->ctx, ring);

        if (rung != s->rung[ring])
            fprintf(s->out, "rang for ring %d: %u\n", ring, rung - s->rung[ring]);
        s->rung[ring] = rung;
    }
}

static inline void script_turn(struct script *s, const char *name)
{
    script_step(s, name);
    s->peer->turn(s->peer->ctx);
    script_show(s);
}

/* ---- our side of the rings ------------------------------------------------------------------------ */

static inline void script_write(uint8_t *at, uint32_t src, uint32_t dst, const void *data,
                                uint16_t len)
{
    script_put32(at, src);
    script_put32(at + 4, dst);
    script_put32(at + 8, 0);
    script_put16(at + 12, len);
    script_put16(at + 14, 0);
    memcpy(at + 16, data, len);
}

/* The script drives ring 1: each buffer in turn. */
static inline void script_send_driving(struct script *s, uint32_t src, uint32_t dst,
                                       const void *data, uint16_t len)
{
    uint8_t *avail = script_avail(s, 1);
    uint32_t id = s->n_sent % SCRIPT_NUM;
    uint8_t *desc = script_desc(s, 1, id);
    uint32_t at = SCRIPT_BUFFERS + (SCRIPT_NUM + id) * SCRIPT_SIZE;

    script_put32(desc, SCRIPT_DA + at);
    script_put32(desc + 8, SCRIPT_SIZE);
    script_write(s->memory + at, src, dst, data, len);
    script_put16(avail + 4 + 2 * (s->n_sent % SCRIPT_NUM), id);
    s->n_sent++;
    script_put16(avail + 2, s->n_sent);
}

/* The script is the device of ring 0: it takes the buffers as they come. */
static inline void script_send_served(struct script *s, uint32_t src, uint32_t dst,
                                      const void *data, uint16_t len)
{
    uint8_t *used = script_used(s, 0);
    uint32_t slot = s->tx_seen % SCRIPT_NUM;
    uint32_t id = script_get16(script_avail(s, 0) + 4 + 2 * slot);

    script_write(script_buffer(s, 0, id), src, dst, data, len);
    script_put32(used + 4 + 8 * slot, id);
    script_put32(used + 8 + 8 * slot, script_get32(script_desc(s, 0, id) + 8));
    s->tx_seen++;
    script_put16(used + 2, s->tx_seen);
}

static inline void script_send(struct script *s, uint32_t src, uint32_t dst, const void *data,
                               uint16_t len)
{
    (s->peer_drives ? script_send_served : script_send_driving)(s, src, dst, data, len);
}

/* A word of the name service. */
static inline void script_say(struct script *s, const char *name, uint32_t addr, uint32_t flags)
{
    uint8_t word[40] = {0};

    memcpy(word, name, strlen(name));
    script_put32(word + 32, addr);
    script_put32(word + 36, flags);
    script_send(s, addr, SCRIPT_NS, word, sizeof(word));
}

/* All that the peer sent is taken and the buffers go back; returns the last sender. */
static inline uint32_t script_collect(struct script *s)
{
    int ring = s->peer_drives ? 1 : 0;
    uint8_t *avail = script_avail(s, ring);
    uint8_t *used = script_used(s, ring);
    uint8_t *theirs = s->peer_drives ? avail : used;
    uint32_t src = 0;

    for (; s->rx_seen != script_get16(theirs + 2); s->rx_seen++) {
        uint32_t slot = s->rx_seen % SCRIPT_NUM;
        uint32_t id =
            s->peer_drives ? script_get16(avail + 4 + 2 * slot) : script_get32(used + 4 + 8 * slot);

        src = script_get32(script_buffer(s, ring, id));
        if (s->peer_drives) {
            uint32_t to = script_get16(used + 2);

            script_put32(used + 4 + 8 * (to % SCRIPT_NUM), id);
            script_put32(used + 8 + 8 * (to % SCRIPT_NUM),
                         script_get32(script_desc(s, ring, id) + 8));
            script_put16(used + 2, to + 1);
        } else {
            uint32_t to = script_get16(avail + 2);

            script_put16(avail + 4 + 2 * (to % SCRIPT_NUM), id);
            script_put16(avail + 2, to + 1);
        }
    }
    return src;
}

static inline void script_prefill(struct script *s)
{
    uint8_t *avail = script_avail(s, 0);

    for (uint32_t id = 0; id < SCRIPT_NUM; id++) {
        uint8_t *desc = script_desc(s, 0, id);

        script_put32(desc, SCRIPT_DA + SCRIPT_BUFFERS + id * SCRIPT_SIZE);
        script_put32(desc + 8, SCRIPT_SIZE);
        script_put16(desc + 12, 2);
        script_put16(avail + 4 + 2 * id, id);
    }
    script_put16(avail + 2, SCRIPT_NUM);
}

/* ---- the conversation ------------------------------------------------------------------------------ */

static inline void script_start(struct script *s)
{
    if (!s->peer_drives)
        script_prefill(s);
    script_step(s, "start");
    s->peer->start(s->peer->ctx, s->memory, s->peer_drives);
    script_show(s);
    script_turn(s, "first look");
}

/* The peer announces, is found, and talked to. */
static inline void script_client(struct script *s)
{
    uint32_t dst;

    script_step(s, "announce \"svc\"");
    s->peer->open(s->peer->ctx, "svc");
    script_show(s);
    dst = script_collect(s);
    script_send(s, SCRIPT_ADDR, dst, "first", 5);
    script_turn(s, "first message to \"svc\"");
    script_step(s, "\"svc\" sends 3");
    for (uint16_t i = 1; i <= 3; i++)
        s->peer->send(s->peer->ctx, "svc", "abcdefgh", (uint16_t)(2 * i));
    script_show(s);
    script_collect(s);
    script_step(s, "close \"svc\"");
    s->peer->close(s->peer->ctx, "svc");
    script_show(s);
    script_collect(s);
    script_send(s, SCRIPT_ADDR, dst, "late", 4);
    script_turn(s, "message to the closed \"svc\"");
}

/* The script announces, the peer serves. */
static inline void script_server(struct script *s)
{
    uint32_t dst;

    script_say(s, "echo", SCRIPT_ADDR + 1, 0);
    script_turn(s, "CREATE of \"echo\"");
    dst = script_collect(s);
    for (int i = 0; i < 3; i++)
        script_send(s, SCRIPT_ADDR + 1, dst, "batch of three", 14);
    script_turn(s, "three messages to \"echo\"");
    script_collect(s);
    script_say(s, "echo", SCRIPT_ADDR + 1, 0);
    script_turn(s, "the same CREATE again");
    script_collect(s);
    script_say(s, "echo", SCRIPT_ADDR + 1, 1);
    script_turn(s, "DESTROY of \"echo\"");
    script_collect(s);
}

static inline void script_oddities(struct script *s)
{
    script_send(s, SCRIPT_ADDR, 99, "nobody", 6);
    script_turn(s, "message to nobody");
    script_send(s, SCRIPT_ADDR, SCRIPT_NS, "short", 5);
    script_turn(s, "word of the name service that is too short");
    script_say(s, "other", SCRIPT_ADDR + 2, 0);
    script_turn(s, "CREATE of what nobody serves");
    script_say(s, "echo", SCRIPT_ADDR + 3, 2);
    script_turn(s, "CREATE_ACK");
    script_collect(s);
}

/* Not rung for: the flags of both rings say so, as a driver or a device does. */
static inline void script_hushed(struct script *s)
{
    for (int ring = 0; ring < 2; ring++) {
        uint8_t *flags = s->peer_drives ? script_used(s, ring) : script_avail(s, ring);

        script_put16(flags, 1);
    }
    script_step(s, "announce \"hush\", not to be rung for");
    s->peer->open(s->peer->ctx, "hush");
    script_show(s);
    script_collect(s);
    script_send(s, SCRIPT_ADDR, 99, "nobody", 6);
    script_turn(s, "message to nobody, not to be rung for");
}

static inline void script_run(struct script *s, const struct script_peer *peer, bool peer_drives,
                              FILE *out)
{
    memset(s, 0, sizeof(*s));
    s->peer = peer;
    s->peer_drives = peer_drives;
    s->out = out;
    script_start(s);
    script_client(s);
    script_server(s);
    script_oddities(s);
    script_hushed(s);
}

#endif
