/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The server of rpmsg-syslog: text of any number of clients, given on line by line.
 *
 * A client of ours says HELLO with a number that stands for its life, and numbers its bytes. What was
 * taken of a life is remembered beyond its connections, so that it can be told in the next one.
 */
#include <rpr/syslog.h>

#include "base/bytes.h"
#include "base/check.h"
#include "base/mutant.h"
#include "base/text.h"
#include "service/spread.h"
#include "wire/syslog.h"

#define LINE_BYTES    2048u
#define MESSAGE_BYTES 2048u
#define CLIENTS       16u
#define LIVES         64u
#define KEPT_MESSAGES 64u /* while the sink takes none */
#define KEPT_RESERVE  4u
#define ACK_NS        UINT64_C(20000000) /* after text that has not been acknowledged */
#define RETRY_NS      UINT64_C(1000000000)

/* What has come of a life. */
struct life {
    uint32_t number;
    uint32_t received; /* all before it */
    uint64_t used;     /* 0: free; the smallest is reused first */
    unsigned n_clients;
};

/* A device with a client that broke the rules. */
struct exile {
    struct exile *next;
    struct rpr_device *device;
    struct breach breach;
    bool announced; /* a client of it has announced itself meanwhile, and is kept */
};

struct rpr_syslog_server {
    struct rpr_node *node;
    struct rpr_observer observer;
    struct rpr_timer again; /* who was refused may be taken now, or asked */
    struct exile *exiles;
    bool crowded;  /* a client was refused for want of room */
    bool offering; /* to those that are kept: they were counted when they came */
    struct rpr_syslog_server_config config;
    struct rpr_service *service;
    struct client *clients;
    struct rpr_syslog_server_counters counters;
    struct life lives[LIVES];
    uint64_t n_uses;
    uint32_t last_cookie;
    bool stopping;
    char *text; /* of the message that is dealt with, and room for a newline */
};

/* What is to be sent to a client as soon as there is a buffer. */
enum word {
    WORD_STATE = 1, /* SUSPEND or RESUME */
    WORD_ACK = 2,   /* or NEW */
    WORD_SYNC = 4,
    WORD_END = 8
};

struct client {
    struct client *next;
    struct rpr_syslog_server *server; /* NULL: the server is closed */
    struct rpr_device *device;
    rpr_ept_t ept;
    struct rpr_timer timer; /* an ACK is due */
    struct life *life;      /* NULL: it said no HELLO */
    bool is_new;            /* the life, to be told so */
    uint32_t acked, window;
    unsigned words;
    bool bound;     /* or was: its `unbound` will come */
    bool refused;   /* the sink takes none: messages are kept */
    bool suspended; /* it was told so */
    bool gone;      /* unbound, and has text that the sink has not taken */
    bool over;      /* nothing more is taken of it: it will send that again, or was told so */
    bool closing;
    uint64_t cookie;   /* of the SYNC that is to be sent back, or 0 */
    uint32_t progress; /* bytes that were dealt with of the message that comes again */
    uint32_t tail;
    uint32_t line_bytes;
    char line[]; /* the unfinished one */
};

static const struct rpr_platform *platform_of(const struct rpr_syslog_server *server)
{
    return rpr_node_platform(server->node);
}

/* ---- lives --------------------------------------------------------------------------------------------- */

static struct life *find_life(struct rpr_syslog_server *server, uint32_t number)
{
    for (unsigned i = 0; i < LIVES; i++)
        if (server->lives[i].used && server->lives[i].number == number)
            return &server->lives[i];
    return NULL;
}

/* The one that was not heard of for the longest time makes room; NULL: all are in use. */
static struct life *new_life(struct rpr_syslog_server *server, uint32_t number)
{
    struct life *best = NULL;

    for (unsigned i = 0; i < LIVES; i++) {
        struct life *l = &server->lives[i];

        if (!l->n_clients && (!best || l->used < best->used))
            best = l;
    }
    if (best) {
        memset(best, 0, sizeof *best);
        best->number = number;
    }
    return best;
}

static void leave_life(struct client *c)
{
    if (c->life)
        c->life->n_clients--;
    c->life = NULL;
}

/* ---- words --------------------------------------------------------------------------------------------- */

static bool send_word(struct client *c, const struct syslog_message *message)
{
    uint8_t bytes[SYSLOG_MAX_HEADER];
    size_t len = syslog_encode(bytes, message);

    return rpr_send(c->ept, bytes, len, 0) == 0;
}

static bool send_ack(struct client *c, enum syslog_kind kind)
{
    struct syslog_message message = {
        .kind = kind, .life = c->life->number, .offset = c->life->received};

    if (!send_word(c, &message))
        return false;
    c->acked = c->life->received;
    c->is_new = false;
    rpr_timer_stop(c->server->node, &c->timer);
    return true;
}

static bool send_due(struct client *c, enum word word)
{
    struct syslog_message message = {.kind = SYSLOG_SYNC, .cookie = c->cookie};

    switch (word) {
    case WORD_ACK:
        return !c->life || send_ack(c, c->is_new ? SYSLOG_NEW : SYSLOG_ACK);
    case WORD_END:
        if (c->life && !send_ack(c, SYSLOG_END))
            return false;
        c->over = !MUTANT(text_is_taken_after_the_end);
        return true;
    case WORD_STATE:
        message.kind = c->suspended ? SYSLOG_SUSPEND : SYSLOG_RESUME;
        break;
    case WORD_SYNC:
        break;
    }
    return send_word(c, &message);
}

/* What finds no buffer goes when the link is writable. */
static void send_words(struct client *c)
{
    static const enum word order[] = {WORD_STATE, WORD_ACK, WORD_SYNC, WORD_END};

    for (unsigned i = 0; i < sizeof order / sizeof order[0] && !c->closing; i++)
        if (c->words & order[i]) {
            if (!send_due(c, order[i]))
                return;
            c->words &= ~(unsigned)order[i];
        }
}

static void say(struct client *c, enum word word)
{
    c->words |= word;
    send_words(c);
}

static void ack_fired(struct rpr_timer *timer, uint64_t now_ns)
{
    (void)now_ns;
    say(RPR_CONTAINER(timer, struct client, timer), WORD_ACK);
}

/* ---- lines --------------------------------------------------------------------------------------------- */

static uint32_t count_lines(const char *text, uint32_t len)
{
    uint32_t n = 0;

    for (uint32_t i = 0; i < len; i++)
        n += text[i] == '\n';
    return n;
}

/* Gives on the unfinished line and `text` after it. */
static bool give(struct client *c, const char *text, uint32_t len)
{
    struct rpr_syslog_server *s = c->server;

    if (!s->config.lines(s->config.ctx, rpr_device_name(c->device), c->line, c->tail, text, len)) {
        c->refused = true;
        return false;
    }
    s->counters.lines += count_lines(text, len);
    c->tail = 0;
    return true;
}

/* The unfinished line becomes one. */
static bool give_tail(struct client *c)
{
    if (!c->tail)
        return true;
    if (!give(c, "\n", 1))
        return false;
    c->server->counters.tails++;
    return true;
}

static void keep(struct client *c, const char *text, uint32_t len)
{
    memcpy(c->line + c->tail, text, len);
    c->tail += len;
}

/* A line that is too long: as much as is allowed, as a line of its own. */
static bool give_part(struct client *c, char *text, uint32_t len)
{
    char after = text[len];
    bool given;

    text[len] = '\n';
    given = give(c, text, len + 1);
    text[len] = after;
    if (given)
        c->server->counters.cut++;
    return given;
}

static uint32_t last_line_end(const char *text, uint32_t len)
{
    while (len && text[len - 1] != '\n')
        len--;
    return len;
}

static uint32_t first_line_end(const char *text, uint32_t len)
{
    uint32_t n = 0;

    while (n < len && text[n] != '\n')
        n++;
    return n;
}

/* Gives on parts of the line that was begun, until the rest of it, `len` bytes of text, is not too much. */
static bool give_parts(struct client *c, char *text, uint32_t len)
{
    uint32_t end = c->progress + len;

    while (c->tail + (end - c->progress) > c->line_bytes) {
        uint32_t part = c->line_bytes - c->tail;

        if (!give_part(c, text + c->progress, part))
            return false;
        c->progress += part;
    }
    return true;
}

/* From `progress` on: the line that was begun, whole lines, the beginning of one. A line that came in one
 * message is given on as it is, however long. False: the sink takes no more now. */
static bool deal_with(struct client *c, char *text, uint32_t len)
{
    uint32_t end = last_line_end(text, len);

    if (c->progress > len) /* it was in the peer's memory, and is another one now */
        c->progress = len;
    if (end > c->progress) {
        if (c->tail && !give_parts(c, text, first_line_end(text + c->progress, len - c->progress)))
            return false;
        if (!give(c, text + c->progress, end - c->progress))
            return false;
        c->progress = end;
    }
    if (!give_parts(c, text, len - c->progress))
        return false;
    keep(c, text + c->progress, len - c->progress);
    return true;
}

/* ---- messages ------------------------------------------------------------------------------------------ */

static void close_client(struct client *c)
{
    if (c->closing)
        return;
    c->closing = true;
    rpr_timer_stop(c->server->node, &c->timer);
    (void)rpr_ept_close(c->ept);
}

/* ---- clients that break the rules ------------------------------------------------------------------ */

static struct exile *find_exile(const struct rpr_syslog_server *s, const struct rpr_device *device)
{
    struct exile *e = s->exiles;

    while (e && e->device != device)
        e = e->next;
    return e;
}

static struct exile *get_exile(struct rpr_syslog_server *s, struct rpr_device *device)
{
    struct exile *e = find_exile(s, device);

    if (e)
        return e;
    e = platform_of(s)->alloc(platform_of(s)->ctx, sizeof *e);
    if (!e)
        return NULL;
    e->device = device;
    e->next = s->exiles;
    s->exiles = e;
    return e;
}

static void free_exile(struct rpr_syslog_server *s, struct exile *e)
{
    struct exile **at = &s->exiles;

    while (*at != e)
        at = &(*at)->next;
    *at = e->next;
    platform_of(s)->free(platform_of(s)->ctx, e, sizeof *e);
}

static void again_at(struct rpr_syslog_server *s, uint64_t at_ns)
{
    if (!s->stopping && (!s->again.active || at_ns < s->again.at_ns))
        rpr_timer_start(s->node, &s->again, at_ns);
}

/* It sent what no client sends. Without memory for that, it may come again at once. */
static void end_liar(struct client *c, const char *what)
{
    struct exile *e = get_exile(c->server, c->device);
    struct breach once = {.reason = NULL};

    c->server->counters.malformed++;
    breach_begin(e ? &e->breach : &once, c->device, RPR_SYSLOG_SERVICE, what);
    if (e) {
        e->announced = false;
        again_at(c->server, e->breach.until_ns);
    }
    close_client(c);
}

/* ---- text ---------------------------------------------------------------------------------------------- */

static void received(struct client *c, const struct syslog_message *message)
{
    struct rpr_syslog_server *s = c->server;

    s->counters.bytes += message->count;
    if (!c->life)
        return;
    c->life->received = message->offset + message->count;
    if (c->life->received - c->acked >= c->window / 4)
        say(c, WORD_ACK);
    else if (!c->timer.active)
        rpr_timer_start(s->node, &c->timer, rpr_node_now(s->node) + ACK_NS);
}

/* A peer that has no credit is told to stop before what is kept runs over. */
static enum rpr_rx_result not_now(struct client *c)
{
    if (!c->suspended) {
        c->suspended = true;
        say(c, WORD_STATE);
    }
    return RPR_LATER;
}

static enum rpr_rx_result on_transfer(struct client *c, const struct syslog_message *message,
                                      const struct rpr_msg *msg)
{
    struct rpr_syslog_server *s = c->server;

    if (message->count > s->config.message_bytes) {
        end_liar(c, "a message is longer than any device's");
        return RPR_DONE;
    }
    /* The client has dropped what was between: that is not one line. */
    if (c->life && !c->progress && message->offset != c->life->received &&
        !MUTANT(gap_joins_lines) && !give_tail(c))
        return not_now(c);
    memcpy(s->text, (const uint8_t *)msg->data + SYSLOG_TEXT_AT, message->count);
    if (!deal_with(c, s->text, message->count))
        return not_now(c);
    c->progress = 0;
    received(c, message);
    return RPR_DONE;
}

/* It has another connection, on which it will send again what was not taken. */
static void leave_connections(struct rpr_syslog_server *s, const struct life *life)
{
    for (struct client *c = s->clients; c; c = c->next)
        if (c->life == life)
            c->over = !MUTANT(kept_text_comes_twice);
}

/* Once a connection; the text before it has been dealt with: messages come in order. */
static void on_hello(struct client *c, const struct syslog_message *message)
{
    struct rpr_syslog_server *s = c->server;
    struct life *life = find_life(s, message->life);

    if (c->life) {
        end_liar(c, "a second HELLO");
        return;
    }
    c->is_new = !life;
    if (life)
        leave_connections(s, life);
    if (!life)
        life = new_life(s, message->life);
    if (!life)
        return; /* without an answer it goes on as one of the others */
    if (c->is_new)
        life->received = message->offset;
    life->used = ++s->n_uses;
    life->n_clients++;
    c->life = life;
    c->acked = life->received;
    c->window = message->window;
    say(c, WORD_ACK);
}

static void on_echo(struct client *c, const struct syslog_message *message)
{
    if (!c->cookie || message->kind != SYSLOG_SYNC || message->cookie != c->cookie) {
        end_liar(c, "an answer that was not asked for");
        return;
    }
    c->cookie = 0;
}

static enum rpr_rx_result on_rx(void *ctx, rpr_ept_t ept, const struct rpr_msg *msg)
{
    struct client *c = ctx;
    struct syslog_message message;
    uint8_t header[SYSLOG_MAX_HEADER] = {0};

    (void)ept;
    if (!c->server || c->closing || c->over)
        return RPR_DONE;
    if (c->refused)
        return RPR_LATER; /* behind the one that waits */
    memcpy(header, msg->data, msg->len < sizeof header ? msg->len : sizeof header);
    if (syslog_decode(&message, header, msg->len)) {
        end_liar(c, "a wrong length, count or command");
        return RPR_DONE;
    }
    switch (message.kind) {
    case SYSLOG_TRANSFER:
        return on_transfer(c, &message, msg);
    case SYSLOG_HELLO:
        on_hello(c, &message);
        return RPR_DONE;
    default:
        on_echo(c, &message);
        return RPR_DONE;
    }
}

/* ---- the endpoints of clients ---------------------------------------------------------------------------- */

/* It is unbound: when the sink has all of it, it goes. (A client of ours may come again meanwhile: then it
 * is `over`, and what is kept of it goes unread.) */
static void finish(struct client *c)
{
    struct rpr_ept_info info;

    if (rpr_ept_info(c->ept, &info) == 0 && info.n_kept)
        return;
    if (give_tail(c))
        close_client(c);
}

static void on_bound(void *ctx, rpr_ept_t ept, uint32_t dest)
{
    (void)ept;
    (void)dest;
    ((struct client *)ctx)->bound = true;
}

static void on_unbound(void *ctx, rpr_ept_t ept, enum rpr_unbound_reason reason)
{
    struct client *c = ctx;

    (void)ept;
    (void)reason;
    if (!c->server || c->closing)
        return;
    c->gone = true;
    c->words = 0;
    c->cookie = 0;
    finish(c);
}

static void on_writable(void *ctx, rpr_ept_t ept)
{
    struct client *c = ctx;

    (void)ept;
    if (c->server)
        send_words(c);
}

static void unlink_client(struct client *c)
{
    struct client **at = &c->server->clients;

    while (*at != c)
        at = &(*at)->next;
    *at = c->next;
}

/* Without the server what is unfinished has been dealt with. */
static void on_closed(void *ctx)
{
    struct client *c = ctx;
    const struct rpr_platform *platform = rpr_node_platform(rpr_device_node(c->device));

    if (c->server) {
        rpr_timer_stop(c->server->node, &c->timer);
        (void)give_tail(c);
        leave_life(c);
        unlink_client(c);
        if (c->server->crowded)
            again_at(c->server, rpr_node_now(c->server->node));
    }
    platform->free(platform->ctx, c, sizeof *c + c->line_bytes);
}

static const struct rpr_ept_ops ept_ops = {.rx = on_rx,
                                           .bound = on_bound,
                                           .unbound = on_unbound,
                                           .writable = on_writable,
                                           .closed = on_closed};

static unsigned clients_of(const struct rpr_syslog_server *server, const struct rpr_device *device)
{
    unsigned n = 0;

    for (const struct client *c = server->clients; c; c = c->next)
        n += c->device == device;
    return n;
}

static int open_client(struct rpr_syslog_server *s, struct rpr_device *device, const char *name,
                       uint32_t addr)
{
    uint32_t line_bytes = s->config.line_bytes;
    struct client *c = platform_of(s)->alloc(platform_of(s)->ctx, sizeof *c + line_bytes);
    struct rpr_ept_config config = {.name = name,
                                    .addr = RPR_ADDR_ANY,
                                    .dest = addr,
                                    .quota = KEPT_MESSAGES,
                                    .reserve = KEPT_RESERVE,
                                    .flags = RPR_EPT_MANUAL,
                                    .ops = &ept_ops,
                                    .ctx = c};
    int error;

    if (!c)
        return -RPR_ENOMEM;
    c->server = s;
    c->device = device;
    c->line_bytes = line_bytes;
    c->bound = addr != RPR_ADDR_ANY;
    c->timer.fire = ack_fired;
    c->next = s->clients;
    s->clients = c;
    error = rpr_ept_open(device, &config, &c->ept);
    if (error) {
        s->clients = c->next;
        platform_of(s)->free(platform_of(s)->ctx, c, sizeof *c + line_bytes);
    }
    return error;
}

/* Who is refused stays announced, and is asked for when there may be room. */
static int on_bind(void *ctx, struct rpr_device *device, const char *name, uint32_t addr)
{
    struct rpr_syslog_server *s = ctx;
    struct exile *e = find_exile(s, device);
    int error = -RPR_ENOSPC;

    if (!scope_wants(&s->config.scope, device))
        return -RPR_EPERM;
    if (e && !breach_over(&e->breach, device)) {
        e->announced = true;
        return -RPR_EPERM;
    }
    if (clients_of(s, device) < s->config.clients)
        error = open_client(s, device, name, addr);
    if (error == -RPR_ENOSPC)
        s->crowded = !MUTANT(who_found_no_room_is_forgotten);
    if (error && !s->offering)
        s->counters.refused++;
    return error;
}

static const struct rpr_service_ops service_ops = {.bind = on_bind};

/* ---- interface ------------------------------------------------------------------------------------------- */

static int offer(struct rpr_syslog_server *s)
{
    struct rpr_service_config config = {.name = RPR_SYSLOG_SERVICE, .ops = &service_ops, .ctx = s};

    return rpr_service_open(s->node, &config, &s->service);
}

/* Announcements that are kept are asked for by opening the service anew. */
static void offer_again(struct rpr_syslog_server *s)
{
    s->crowded = false;
    s->offering = true;
    if (s->service)
        rpr_service_close(s->service);
    s->service = NULL;
    if (offer(s))
        again_at(s, rpr_node_now(s->node) + RETRY_NS);
    s->offering = false;
}

/* A client of ours has announced itself again, NuttX's waits for us to do so. */
static void end_exile(struct rpr_syslog_server *s, struct exile *e)
{
    struct rpr_device_info info;

    rpr_device_info(e->device, &info);
    if (!breach_over(&e->breach, e->device))
        again_at(s, e->breach.until_ns);
    else if (!e->announced && info.session == e->breach.session && info.tx_len > 0 &&
             scope_wants(&s->config.scope, e->device) &&
             clients_of(s, e->device) < s->config.clients && !MUTANT(liar_is_not_asked_for))
        (void)open_client(s, e->device, RPR_SYSLOG_SERVICE, RPR_ADDR_ANY);
}

static void again_fired(struct rpr_timer *timer, uint64_t now_ns)
{
    struct rpr_syslog_server *s = RPR_CONTAINER(timer, struct rpr_syslog_server, again);

    (void)now_ns;
    for (struct exile *e = s->exiles; e; e = e->next)
        if (e->breach.reason)
            end_exile(s, e);
    offer_again(s);
}

static void on_event(void *ctx, const struct rpr_event *event)
{
    struct rpr_syslog_server *s = ctx;
    struct exile *e = event->device ? find_exile(s, event->device) : NULL;

    if (e && event->kind == RPR_EVENT_DEVICE_REMOVED)
        free_exile(s, e);
}

static void attend(struct rpr_syslog_server *s)
{
    s->again.fire = again_fired;
    s->observer.event = on_event;
    s->observer.ctx = s;
    rpr_observer_add(s->node, &s->observer);
}

static void free_server(struct rpr_syslog_server *s)
{
    const struct rpr_platform *platform = platform_of(s);

    if (s->text)
        platform->free(platform->ctx, s->text, s->config.message_bytes + 1);
    platform->free(platform->ctx, s, sizeof *s);
}

int rpr_syslog_server_open(struct rpr_node *node, const struct rpr_syslog_server_config *config,
                           struct rpr_syslog_server **result)
{
    const struct rpr_platform *platform = rpr_node_platform(node);
    struct rpr_syslog_server *s;
    int error;

    if (!config->lines)
        return -RPR_EINVAL;
    s = platform->alloc(platform->ctx, sizeof *s);
    if (!s)
        return -RPR_ENOMEM;
    s->node = node;
    s->config = *config;
    if (!s->config.line_bytes)
        s->config.line_bytes = LINE_BYTES;
    if (!s->config.message_bytes)
        s->config.message_bytes = MESSAGE_BYTES;
    if (!s->config.clients)
        s->config.clients = CLIENTS;
    attend(s);
    s->text = platform->alloc(platform->ctx, s->config.message_bytes + 1);
    error = s->text ? offer(s) : -RPR_ENOMEM;
    if (error) {
        rpr_observer_remove(node, &s->observer);
        rpr_timer_stop(node, &s->again);
        free_server(s);
        return error;
    }
    *result = s;
    return 0;
}

void rpr_syslog_server_close(struct rpr_syslog_server *s)
{
    rpr_observer_remove(s->node, &s->observer);
    rpr_timer_stop(s->node, &s->again);
    while (s->exiles)
        free_exile(s, s->exiles);
    if (s->service)
        rpr_service_close(s->service);
    while (s->clients) {
        struct client *c = s->clients;

        (void)give_tail(c);
        rpr_timer_stop(s->node, &c->timer);
        s->clients = c->next;
        c->server = NULL;
        if (!c->closing)
            (void)rpr_ept_close(c->ept);
    }
    free_server(s);
}

void rpr_syslog_server_look(struct rpr_syslog_server *s)
{
    struct client *next;

    for (struct client *c = s->clients; c; c = next) {
        next = c->next;
        if (!scope_wants(&s->config.scope, c->device))
            close_client(c);
    }
    if (!s->stopping)
        offer_again(s);
}

static void resume_client(struct client *c)
{
    rpr_ept_t ept = c->ept;
    struct rpr_ept_info info;

    c->refused = false;
    (void)rpr_ept_resume(ept);
    if (rpr_ept_info(ept, &info) || c->refused || c->closing)
        return; /* stale: what was kept was a lie, and `c` is gone */
    if (c->gone) {
        finish(c);
    } else if (c->suspended) {
        c->suspended = false;
        say(c, WORD_STATE);
    }
}

void rpr_syslog_server_resume(struct rpr_syslog_server *s)
{
    struct client *next;

    for (struct client *c = s->clients; c; c = next) {
        next = c->next;
        if (c->refused)
            resume_client(c);
    }
}

static void begin_to_stop(struct rpr_syslog_server *s)
{
    struct client *next;

    s->stopping = true;
    rpr_timer_stop(s->node, &s->again);
    if (s->service)
        rpr_service_close(s->service);
    s->service = NULL;
    for (struct client *c = s->clients; c; c = next) {
        next = c->next;
        if (c->gone || c->closing)
            continue;
        if (!c->bound) {
            close_client(c);
        } else if (c->life) {
            say(c, WORD_END);
        } else {
            c->cookie = (uint64_t)++s->last_cookie;
            say(c, WORD_SYNC);
        }
    }
}

/* Nothing more is to be said to it, and all that it was asked for has come. */
static bool may_go(const struct client *c)
{
    return !c->words && !c->refused && (c->life || !c->cookie);
}

bool rpr_syslog_server_stop(struct rpr_syslog_server *s)
{
    struct client *next;

    if (!s->stopping)
        begin_to_stop(s);
    for (struct client *c = s->clients; c; c = next) {
        next = c->next;
        if (!c->gone && !c->closing && may_go(c)) {
            (void)give_tail(c);
            close_client(c);
        }
    }
    return !s->clients;
}

bool rpr_syslog_server_closed(const struct rpr_syslog_server *s, unsigned n,
                              struct rpr_service_closed *info)
{
    for (const struct exile *e = s->exiles; e; e = e->next)
        if (breach_show(&e->breach, e->device, info) && !n--)
            return true;
    return false;
}

void rpr_syslog_server_counters(const struct rpr_syslog_server *s,
                                struct rpr_syslog_server_counters *counters)
{
    *counters = s->counters;
}
