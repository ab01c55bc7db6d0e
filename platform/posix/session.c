/* SPDX-License-Identifier: Apache-2.0 */
#include "posix/session.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/check.h"
#include "posix/bell.h"
#include "posix/loop.h"
#include "posix/region.h"

#define MAX_BELLS 64u /* read per wake-up; the rest keeps the socket readable */

/* Descriptors of an OFFER, in this order; the last two only with HANDOVER_EVENTFDS. */
enum { FD_MEMORY, FD_RINGS_DRIVER, FD_RINGS_DEVICE, N_OFFERED };

struct session {
    struct session_config config;
    struct rpr_vring_layout layout;
    void *base;
    struct loop_peer peer;
    struct rpr_watch socket; /* the handover's */
    struct rpr_watch bell;   /* eventfd that rings us, or -1 */
    int peer_bell;           /* eventfd that rings the peer, or -1: the socket does */
};

/* ---- life ------------------------------------------------------------------------------------------ */

static void close_fd(int fd)
{
    if (fd >= 0)
        close(fd);
}

static void free_session(struct session *s)
{
    loop_peer_forget(s->config.loop, &s->peer); /* the last messages may have made it due again */
    if (s->base)
        region_unmap(s->base, s->layout.bytes);
    close_fd(s->socket.fd);
    close_fd(s->bell.fd);
    close_fd(s->peer_bell);
    free(s);
}

void session_mute(struct session *s)
{
    rpr_watch_stop(s->config.loop, &s->socket);
    rpr_watch_stop(s->config.loop, &s->bell);
}

void session_close(struct session *s)
{
    session_mute(s);
    loop_peer_forget(s->config.loop, &s->peer);
    shutdown(s->socket.fd, SHUT_RDWR); /* the descriptor stays: other threads may be ringing */
}

/* Nothing of the region is used any more, and nobody rings. */
static void detached(void *ctx)
{
    free_session(ctx);
}

uint32_t session_buffers(const struct session *s)
{
    return s->layout.ring[0].num;
}

bool session_peer_closed(const struct session *s)
{
    struct pollfd p = {.fd = s->socket.fd, .events = POLLRDHUP};

    return poll(&p, 1, 0) > 0 && (p.revents & (POLLRDHUP | POLLHUP | POLLERR));
}

/* ---- doorbells --------------------------------------------------------------------------------------- */

static void ring(void *ctx, bool to_tx_ring)
{
    struct session *s = ctx;

    (void)to_tx_ring;
    loop_peer_ring(s->config.loop, &s->peer);
}

static void heard(struct session *s)
{
    loop_peer_heard(s->config.loop, &s->peer);
    rpr_link_ready(s->config.link);
}

static void bell_rang(struct rpr_watch *watch, uint32_t events)
{
    (void)events;
    heard(RPR_CONTAINER(watch, struct session, bell));
}

static void end(struct session *s, enum session_end how, const char *reason)
{
    session_mute(s);
    s->config.ended(s->config.owner, how, reason);
}

/* A packet that is no bell ends the session. */
static void end_by_packet(struct session *s, struct packet *packet)
{
    char text[HANDOVER_TEXT_BYTES];

    if (packet->n_fds == 0 && handover_type(packet->bytes, packet->len) == HANDOVER_REFUSE) {
        handover_refuse_decode(text, packet->bytes);
        end(s, SESSION_GONE, text);
        return;
    }
    packet_close_fds(packet);
    end(s, SESSION_BROKEN, "an unexpected packet on the socket of the handover");
}

static void socket_ready(struct rpr_watch *watch, uint32_t events)
{
    struct session *s = RPR_CONTAINER(watch, struct session, socket);
    bool bells = s->peer_bell < 0;
    unsigned i;

    (void)events;
    for (i = 0; i < MAX_BELLS; i++) {
        struct packet packet;
        int got = packet_receive(watch->fd, &packet);

        if (got < 0)
            return;
        if (got == 0) {
            end(s, SESSION_GONE, "the peer is gone");
            return;
        }
        if (!bells || packet.len != HANDOVER_BELL_BYTES || packet.n_fds) {
            end_by_packet(s, &packet);
            return;
        }
        heard(s);
    }
}

/* ---- start ------------------------------------------------------------------------------------------ */

static struct session *new_session(const struct session_config *config)
{
    struct session *s = calloc(1, sizeof(*s));

    if (!s) {
        close(config->fd);
        return NULL;
    }
    s->config = *config;
    s->peer.link = config->link;
    s->socket = (struct rpr_watch){.ready = socket_ready, .fd = config->fd, .events = EPOLLIN};
    s->bell = (struct rpr_watch){.ready = bell_rang, .fd = -1, .events = EPOLLIN};
    s->peer_bell = -1;
    return s;
}

/* The link is up when this returns 0, unless somebody took it down at once: then *session is NULL.
 * Otherwise the session is freed. */
static int start(struct session **session, struct session *s, enum rpr_vring_role role, bool credit,
                 const char **reason)
{
    struct rpr_vring_session vring = {
        .role = role,
        .base = s->base,
        .layout = s->layout,
        .dialect = RPR_DIALECT_RPR,
        .credit = credit,
        .ring = ring,
        .detached = detached,
        .ctx = s,
    };
    int error = rpr_watch_start(s->config.loop, &s->socket);

    s->peer.ring = s->peer_bell < 0 ? bell_ring_socket : bell_ring_eventfd;
    s->peer.bell = s->peer_bell < 0 ? s->socket.fd : s->peer_bell;
    if (!error && s->bell.fd >= 0)
        error = rpr_watch_start_edge(s->config.loop, &s->bell);
    if (!error) {
        *session = s;
        error = rpr_vring_attach(s->config.link, &vring);
    }
    if (error) {
        *session = NULL;
        *reason = rpr_strerror(error);
        session_mute(s);
        free_session(s);
    } else if (*session) {
        s->peer.cpus = rpr_vring_cpus(s->config.link);
        heard(s); /* it may have sent before we listened */
    }
    return error;
}

/* ---- driver's side ------------------------------------------------------------------------------------- */

/* What a peer must be told of a layout; without features. */
static struct handover_offer describe(const struct rpr_vring_layout *l, uint32_t payload)
{
    struct handover_offer offer = {.num = l->ring[0].num,
                                   .payload = payload,
                                   .bytes = l->bytes,
                                   .driver_power = l->driver_power,
                                   .device_power = l->device_power,
                                   .driver_cpu = l->driver_cpu,
                                   .device_cpu = l->device_cpu};
    int i;

    for (i = 0; i < 2; i++) {
        const struct rpr_vring_ring *r = &l->ring[i];

        offer.ring[i] = (struct handover_ring){.desc = r->desc,
                                               .avail = r->avail,
                                               .used = r->used,
                                               .buffers = r->buffers,
                                               .stride = r->stride,
                                               .size = r->size,
                                               .driver_flag = r->driver_flag,
                                               .device_flag = r->device_flag};
    }
    return offer;
}

/* -1 stands for a doorbell where the socket is one. */
static int make_bells(struct session *s, bool eventfds)
{
    if (!eventfds)
        return 0;
    s->bell.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    s->peer_bell = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    return s->bell.fd < 0 || s->peer_bell < 0 ? -RPR_EIO : 0;
}

static int make_region(struct session *s, uint32_t num, uint32_t payload)
{
    int error = rpr_vring_layout_local(&s->layout, num, payload);
    int memory = error ? error : region_make(s->layout.bytes, &s->base);

    if (memory < 0)
        s->base = NULL;
    return memory;
}

static int send_offer(const struct session *s, int memory, uint32_t payload, uint32_t features)
{
    struct handover_offer offer = describe(&s->layout, payload);
    int fds[N_OFFERED] = {memory, s->bell.fd, s->peer_bell};
    uint8_t packet[HANDOVER_OFFER_BYTES];

    offer.features = features;
    handover_offer_encode(packet, &offer);
    return packet_send(s->socket.fd, packet, sizeof(packet), fds,
                       features & HANDOVER_EVENTFDS ? N_OFFERED : 1);
}

int session_offer(struct session **session, const struct session_config *config,
                  uint32_t peer_features, uint32_t num, uint32_t payload, const char **reason)
{
    struct session *s = new_session(config);
    uint32_t features = HANDOVER_CREDIT;
    int memory;
    int error;

    *session = NULL;
    *reason = "out of memory";
    if (!s)
        return -RPR_ENOMEM;
    if (config->trusted || MUTANT(stranger_shares_a_doorbell))
        features |= peer_features & HANDOVER_EVENTFDS;
    memory = make_region(s, num, payload);
    error = memory < 0 ? memory : make_bells(s, features & HANDOVER_EVENTFDS);
    if (error) {
        *reason = rpr_strerror(error);
        free_session(s);
        close_fd(memory);
        return error;
    }
    /* The rings are in order before the peer sees them. */
    error = start(session, s, RPR_VRING_DRIVER, peer_features & HANDOVER_CREDIT, reason);
    if (!error && *session && send_offer(s, memory, payload, features) != 0)
        end(s, SESSION_GONE, "the peer is gone");
    close(memory);
    return error;
}

/* ---- device's side -------------------------------------------------------------------------------------- */

/* NULL, or what is wrong with the fields of an offer. Version 1 knows one layout for each number
 * and size. */
static const char *check_layout(struct session *s, const struct handover_offer *offer)
{
    struct handover_offer right;

    if (offer->payload < SESSION_MIN_PAYLOAD ||
        rpr_vring_layout_local(&s->layout, offer->num, offer->payload) != 0)
        return "the offer has a number or size of buffers that cannot be";
    right = describe(&s->layout, offer->payload);
    right.features = offer->features;
    return memcmp(&right, offer, sizeof(right)) == 0 || MUTANT(any_layout_is_taken)
               ? NULL
               : "the offer has an unknown layout";
}

/* NULL, or what is wrong with the descriptors; those that are good are the session's. */
static const char *take_fds(struct session *s, struct packet *packet, bool eventfds)
{
    const char *wrong;

    if (packet->n_fds != (eventfds ? N_OFFERED : 1u) &&
        !(packet->n_fds && MUTANT(any_descriptor_is_taken)))
        return "the offer came with a wrong number of descriptors";
    if (eventfds && (!s->config.trusted || !bell_is_eventfd(packet->fds[FD_RINGS_DEVICE]) ||
                     !bell_is_eventfd(packet->fds[FD_RINGS_DRIVER])))
        return s->config.trusted ? "a doorbell it passed is no eventfd"
                                 : "it passed eventfds, which were not asked for";
    wrong = region_take(packet->fds[FD_MEMORY], s->layout.bytes, &s->base);
    if (wrong) {
        s->base = NULL;
        return wrong;
    }
    if (eventfds) {
        s->bell.fd = packet->fds[FD_RINGS_DEVICE];
        s->peer_bell = packet->fds[FD_RINGS_DRIVER];
        packet->n_fds = 1; /* the memory's, mapped by now */
    }
    return NULL;
}

/* So that the other end can say why, too. */
static void refuse(int fd, const char *reason)
{
    uint8_t packet[HANDOVER_REFUSE_BYTES];

    handover_refuse_encode(packet, reason);
    (void)packet_send(fd, packet, sizeof(packet), NULL, 0);
}

int session_accept(struct session **session, const struct session_config *config,
                   struct packet *packet, const char **reason)
{
    struct session *s = new_session(config);
    struct handover_offer offer;
    const char *wrong;

    *session = NULL;
    *reason = "out of memory";
    if (!s) {
        packet_close_fds(packet);
        return -RPR_ENOMEM;
    }
    handover_offer_decode(&offer, packet->bytes);
    wrong = check_layout(s, &offer);
    if (!wrong)
        wrong = take_fds(s, packet, offer.features & HANDOVER_EVENTFDS);
    if (!MUTANT(refused_descriptors_stay_open))
        packet_close_fds(packet);
    if (wrong) {
        *reason = wrong;
        refuse(s->socket.fd, wrong);
        free_session(s);
        return -RPR_EPROTO;
    }
    return start(session, s, RPR_VRING_DEVICE, offer.features & HANDOVER_CREDIT, reason);
}
