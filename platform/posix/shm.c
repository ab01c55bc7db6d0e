/* SPDX-License-Identifier: Apache-2.0 */
#include "base/mutant.h"
#include "posix/shm.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "posix/loop.h"

static const char *own_name(const struct shm_link *shm)
{
    return rpr_node_name(rpr_loop_node(shm->loop));
}

/* ---- life ---------------------------------------------------------------------------------------- */

void shm_enter(struct shm_link *shm)
{
    shm->depth++;
}

void shm_leave(struct shm_link *shm)
{
    if (--shm->depth == 0 && shm->dead)
        shm->way->free(shm);
}

static void port_open(void *ctx)
{
    struct shm_link *shm = ctx;

    shm->open = true;
    shm->way->open(shm);
}

static void port_close(void *ctx)
{
    struct shm_link *shm = ctx;
    struct session *session = shm->session;

    shm->open = false;
    shm->session = NULL;
    if (session)
        session_close(session);
    shm->way->close(shm);
}

static void port_destroy(void *ctx)
{
    struct shm_link *shm = ctx;

    shm->dead = true;
    if (shm->depth == 0)
        shm->way->free(shm);
}

int shm_register(struct shm_link *shm, char error[RPR_ERROR_TEXT])
{
    struct rpr_vring_config config = {
        .remote = shm->remote,
        .kind = "shm",
        .locked = loop_locked(shm->loop),
        .port = {port_open, port_close, port_destroy, shm, NULL},
    };
    int code = rpr_vring_open(rpr_loop_node(shm->loop), &config, &shm->link);

    if (code == -RPR_EEXIST)
        snprintf(error, RPR_ERROR_TEXT, "%s: there is a link of that name", shm->remote);
    else if (code)
        snprintf(error, RPR_ERROR_TEXT, "%s: %s", shm->remote, rpr_strerror(code));
    return code;
}

void shm_say(struct shm_link *shm, const char *reason)
{
    if (shm->open && !shm->session)
        rpr_link_down(shm->link, reason);
}

/* ---- the end of a session --------------------------------------------------------------------------- */

/* What the peer had published is delivered before the link goes down. */
static void peer_gone(struct shm_link *shm, const char *reason)
{
    struct session *session = shm->session;

    session_mute(session);
    rpr_link_drain(shm->link, session_buffers(session));
    if (shm->dead || shm->session != session)
        return; /* it was broken by what was found, or closed by who received it */
    shm->session = NULL;
    session_close(session);
    shm->way->lost(shm, reason);
    rpr_vring_detach(shm->link, reason, false);
}

static void session_ended(void *owner, enum session_end how, const char *reason)
{
    struct shm_link *shm = owner;

    shm_enter(shm);
    if (how == SESSION_BROKEN)
        rpr_link_broken(shm->link, reason);
    else
        peer_gone(shm, reason);
    shm_leave(shm);
}

static struct session_config session_config(struct shm_link *shm, int fd, bool trusted)
{
    return (struct session_config){.loop = shm->loop,
                                   .link = shm->link,
                                   .fd = fd,
                                   .trusted = trusted,
                                   .ended = session_ended,
                                   .owner = shm};
}

/* ---- driver's side ----------------------------------------------------------------------------------- */

/* The log gets the first and then fewer and fewer: whoever connects may do it in a loop. */
static void note_refused(struct shm_link *shm, const char *text)
{
    const struct rpr_platform *platform = rpr_node_platform(rpr_loop_node(shm->loop));
    char line[RPR_ERROR_TEXT];

    shm->n_refused++;
    if ((shm->n_refused & (shm->n_refused - 1)) == 0) {
        snprintf(line, sizeof(line), "link to %s: refused a connection: %s (%u so far)",
                 shm->remote, text, shm->n_refused);
        platform->log(platform->ctx, RPR_LOG_WARNING, line);
    }
    shm_say(shm, text);
}

static bool refuse(struct shm_link *shm, int fd, const char *text)
{
    uint8_t packet[HANDOVER_REFUSE_BYTES];

    handover_refuse_encode(packet, text);
    (void)packet_send(fd, packet, sizeof(packet), NULL, 0);
    close(fd);
    note_refused(shm, text);
    return false;
}

/* Writes what is wrong with a first packet; false: nothing is. */
static bool wrong_hello(struct handover_hello *hello, const struct packet *packet,
                        char text[HANDOVER_TEXT_BYTES])
{
    int type = handover_type(packet->bytes, packet->len);
    const char *wrong = NULL;

    if (type == HANDOVER_BAD_VERSION) {
        snprintf(text, HANDOVER_TEXT_BYTES, "handover of version %u, here it is version %u",
                 handover_version(packet->bytes, packet->len), HANDOVER_VERSION);
        return true;
    }
    if (type != HANDOVER_HELLO)
        wrong = "this is no HELLO of a shared-memory link";
    else if (packet->n_fds)
        wrong = "a HELLO comes without descriptors";
    else if (handover_hello_decode(hello, packet->bytes) != HANDOVER_OK)
        wrong = "a name in the HELLO is empty or malformed";
    if (wrong)
        snprintf(text, HANDOVER_TEXT_BYTES, "%s", wrong);
    return wrong != NULL;
}

static bool wrong_names(const struct shm_link *shm, const struct handover_hello *hello,
                        char text[HANDOVER_TEXT_BYTES])
{
    if (hello->expected[0] && strcmp(hello->expected, own_name(shm)) != 0) {
        snprintf(text, HANDOVER_TEXT_BYTES, "\"%s\" looks for \"%s\", but this is \"%s\"",
                 hello->own, hello->expected, own_name(shm));
        return true;
    }
    if (strcmp(hello->own, shm->remote) != 0 && !MUTANT(any_peer_is_taken)) {
        snprintf(text, HANDOVER_TEXT_BYTES, "\"%s\" connects to \"%s\", which waits for \"%s\"",
                 hello->own, own_name(shm), shm->remote);
        return true;
    }
    return false;
}

/* One name is one live link. The former peer's end may not have been heard of yet. */
static bool has_peer(struct shm_link *shm)
{
    if (shm->session && (session_peer_closed(shm->session) || MUTANT(newcomer_takes_the_place)))
        peer_gone(shm, "the peer is gone");
    return !shm->dead && shm->session;
}

static bool answer(struct shm_link *shm, int fd, bool trusted, const struct packet *packet,
                   bool named)
{
    struct session_config config = session_config(shm, fd, trusted);
    struct handover_hello hello;
    char text[HANDOVER_TEXT_BYTES];
    const char *reason;

    if (wrong_hello(&hello, packet, text) || (named && wrong_names(shm, &hello, text)))
        return refuse(shm, fd, text);
    if (has_peer(shm)) {
        snprintf(text, sizeof(text), "\"%s\" is connected to \"%s\" already", hello.own,
                 own_name(shm));
        return refuse(shm, fd, text);
    }
    if (shm->dead || !shm->open) {
        close(fd);
        return false;
    }
    if (session_offer(&shm->session, &config, hello.features, shm->num, shm->payload, &reason)) {
        shm_say(shm, reason);
        return false;
    }
    return true;
}

bool shm_answer(struct shm_link *shm, int fd, bool trusted, struct packet *packet, bool named)
{
    bool good;

    shm_enter(shm);
    good = answer(shm, fd, trusted, packet, named);
    packet_close_fds(packet);
    shm_leave(shm);
    return good;
}

/* ---- device's side ------------------------------------------------------------------------------------ */

int shm_hello(const struct shm_link *shm, int fd, bool trusted, const char *expected)
{
    struct handover_hello hello = {.features =
                                       HANDOVER_CREDIT | (trusted ? HANDOVER_EVENTFDS : 0u)};
    uint8_t packet[HANDOVER_HELLO_BYTES];

    snprintf(hello.own, sizeof(hello.own), "%s", own_name(shm));
    snprintf(hello.expected, sizeof(hello.expected), "%s", expected);
    handover_hello_encode(packet, &hello);
    return packet_send(fd, packet, sizeof(packet), NULL, 0) ? -RPR_ENOTCONN : 0;
}

static bool take_offer(struct shm_link *shm, int fd, bool trusted, struct packet *packet)
{
    struct session_config config = session_config(shm, fd, trusted);
    const char *reason;
    int error = session_accept(&shm->session, &config, packet, &reason);

    if (error == -RPR_EPROTO)
        rpr_link_broken(shm->link, reason);
    else if (error)
        shm_say(shm, reason);
    return !error;
}

static bool take_refusal(struct shm_link *shm, int fd, struct packet *packet, int type)
{
    char text[HANDOVER_TEXT_BYTES];

    packet_close_fds(packet);
    close(fd);
    if (type == HANDOVER_REFUSE) {
        handover_refuse_decode(text, packet->bytes);
        shm_say(shm, text);
    } else {
        rpr_link_broken(shm->link, "the answer to the HELLO is no OFFER");
    }
    return false;
}

bool shm_take_answer(struct shm_link *shm, int fd, bool trusted, struct packet *packet)
{
    int type = handover_type(packet->bytes, packet->len);
    bool good;

    shm_enter(shm);
    if (type == HANDOVER_OFFER)
        good = take_offer(shm, fd, trusted, packet);
    else
        good = take_refusal(shm, fd, packet, type);
    shm_leave(shm);
    return good;
}
