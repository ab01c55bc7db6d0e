/* SPDX-License-Identifier: Apache-2.0 */
/* Our node in the place of the recorded one: its links, services and pings. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "play.h"
#include "wire/ping.h"

#define OWN_NAME     "hub"
#define PING_SERVICE "rpmsg-ping"
#define OURS         "rpr" /* announced by our nodes only */
#define LOOK_NS      UINT64_C(1000000)

/* ---- platform ------------------------------------------------------------------------------------ */

static void *take_memory(void *ctx, size_t bytes)
{
    (void)ctx;
    return calloc(1, bytes);
}

static void give_memory(void *ctx, void *memory, size_t bytes)
{
    (void)ctx;
    (void)bytes;
    free(memory);
}

static uint32_t draw(void *ctx)
{
    struct play *play = ctx;

    play->random = play->random * 1664525u + 1013904223u;
    return play->random;
}

static void wake(void *ctx)
{
    (void)ctx;
}

static void log_line(void *ctx, enum rpr_log_level level, const char *text)
{
    const struct play *play = ctx;

    if (play->verbose)
        printf("    %12.6f log %d: %s\n", (double)play->now / 1e9, (int)level, text);
}

/* ---- carrier: bytes go straight to the other side ------------------------------------------------ */

static void carrier_open(void *ctx)
{
    struct leg *leg = ctx;

    leg->wanted = true;
    rpr_serial_back(leg->link);
}

static void carrier_close(void *ctx)
{
    ((struct leg *)ctx)->wanted = false;
}

static size_t carrier_write(void *ctx, const uint8_t *bytes, size_t n)
{
    feed_output(ctx, bytes, n);
    return n;
}

static int32_t carrier_queued(void *ctx)
{
    (void)ctx;
    return -1;
}

static void carrier_nothing(void *ctx)
{
    (void)ctx;
}

/* ---- endpoints ------------------------------------------------------------------------------------- */

static struct rpr_device *device_of(struct leg *leg, const char *name, const char **service)
{
    static char routed[ROUTER_SERVICE_MAX + 1];
    char cpu[ROUTER_CPU_MAX + 1];

    if (leg->play->ours == VIEW_B && route_parse(name, cpu, routed)) {
        *service = routed;
        return rpr_device_find(leg->play->node, cpu);
    }
    *service = name;
    return leg->link->device;
}

static enum rpr_rx_result endpoint_rx(void *ctx, rpr_ept_t ept, const struct rpr_msg *msg)
{
    (void)ctx;
    (void)ept;
    (void)msg;
    return RPR_DONE;
}

/* One that only serves ends with its peer. */
static void server_unbound(void *ctx, rpr_ept_t ept, enum rpr_unbound_reason reason)
{
    (void)ctx;
    (void)reason;
    rpr_ept_close(ept);
}

static const struct rpr_ept_ops client_ops = {.rx = endpoint_rx};
static const struct rpr_ept_ops server_ops = {.rx = endpoint_rx, .unbound = server_unbound};

static struct play_endpoint *find_endpoint(struct leg *leg, const char *name)
{
    struct rpr_ept_info info;

    for (size_t i = 0; i < N_ENDPOINTS; i++) {
        struct play_endpoint *e = &leg->play->endpoint[i];

        if (e->open && rpr_ept_info(e->ept, &info) != 0)
            e->open = false; /* its routed device was removed */
        if (e->open && e->leg == leg && strcmp(e->name, name) == 0)
            return e;
    }
    return NULL;
}

bool node_open_endpoint(struct leg *leg, const char *name)
{
    struct play_endpoint *e = leg->play->endpoint;
    struct rpr_ept_config config = {.addr = RPR_ADDR_ANY, .dest = RPR_ADDR_ANY, .ops = &client_ops};
    struct rpr_device *device = device_of(leg, name, &config.name);

    if (!device)
        return false;
    if (find_endpoint(leg, name) || node_is_bound(leg, name))
        return true;
    while (e->open && e < leg->play->endpoint + N_ENDPOINTS - 1)
        e++;
    config.ctx = e;
    if (e->open || rpr_ept_open(device, &config, &e->ept) != 0)
        return false;
    e->open = true;
    e->leg = leg;
    snprintf(e->name, sizeof e->name, "%s", name);
    return true;
}

void node_close_endpoint(struct leg *leg, const char *name)
{
    struct play_endpoint *e = find_endpoint(leg, name);
    const char *service;
    struct rpr_device *device = device_of(leg, name, &service);
    struct rpr_ept_info info;
    rpr_ept_t ept = {0};

    if (e) {
        e->open = false;
        (void)rpr_ept_close(e->ept);
        return;
    }
    while (device && (ept = rpr_ept_next(device, ept)).endpoint)
        if (rpr_ept_info(ept, &info) == 0 && strcmp(info.name, service) == 0) {
            (void)rpr_ept_close(ept);
            return;
        }
}

/* Called for announcements that no endpoint waits for. */
static bool match(void *ctx, struct rpr_device *device, const char *name)
{
    struct play *play = ctx;
    char routed[ROUTER_NAME_BYTES];
    struct rpr_device_info info;

    rpr_device_info(device, &info);
    for (unsigned i = play->first_leg; i < play->end_leg; i++) {
        struct leg *leg = &play->leg[i];

        if (leg->link->device == device)
            return cast_serves(play, i, name);
        if (info.kind == RPR_DEVICE_ROUTED && route_name(routed, info.name, name) == ROUTER_OK)
            return cast_serves(play, i, routed);
    }
    return false;
}

static int bind(void *ctx, struct rpr_device *device, const char *name, uint32_t addr)
{
    struct rpr_ept_config config = {
        .name = name, .addr = RPR_ADDR_ANY, .dest = addr, .ops = &server_ops, .ctx = ctx};
    rpr_ept_t ept;

    return rpr_ept_open(device, &config, &ept);
}

static const struct rpr_service_ops service_ops = {.match = match, .bind = bind};

/* ---- pings ------------------------------------------------------------------------------------------ */

static void ping_done(void *ctx, const struct rpr_ping_result *result)
{
    struct play_ping *p = ctx;

    p->answered = result->error == 0 && result->lost == 0 && p->wants;
}

bool node_ping(struct leg *leg, const struct todo *todo)
{
    struct play *play = leg->play;
    struct play_ping *p = &play->pings[play->n_pings];
    const char *service;
    struct rpr_ping_config config = {.times = 1,
                                     .length = todo->len,
                                     .flags = todo->flags & (RPR_PING_ACK | RPR_PING_CHECK),
                                     .done = ping_done,
                                     .ctx = p};
    struct rpr_ping_run *run;

    config.device = device_of(leg, todo->name, &service);
    if (!config.device || !play->ping || play->n_pings == N_PINGS)
        return false;
    *p = (struct play_ping){.play = play,
                            .leg = leg,
                            .len = todo->len,
                            .recorded = todo->cookie,
                            .wants = (todo->flags & PING_ACK) != 0};
    snprintf(p->name, sizeof p->name, "%s", todo->name);
    if (rpr_ping_start(play->ping, &config, &run) != 0)
        return false;
    play->n_pings++;
    return true;
}

/* ---- topics of sensors ------------------------------------------------------------------------------- */

static void take_sample(void *ctx, const void *data, uint32_t len)
{
    (void)ctx;
    (void)data;
    (void)len;
}

static const struct rpr_sensor_sub_ops sub_ops = {.sample = take_sample};

static struct play_topic *topic_of(struct play *play, const char *path)
{
    struct play_topic *t = play->topics;

    while (t < play->topics + N_TOPICS && t->path[0] && strcmp(t->path, path) != 0)
        t++;
    if (t == play->topics + N_TOPICS) {
        fprintf(stderr, "more than %u topics\n", N_TOPICS);
        exit(1);
    }
    snprintf(t->path, sizeof t->path, "%s", path);
    return t;
}

static void end_sub(struct play_topic *t)
{
    if (t->sub)
        rpr_sensor_unsubscribe(t->sub);
    t->sub = NULL;
}

static void end_pub(struct play_topic *t)
{
    if (t->pub)
        rpr_sensor_unadvertise(t->pub);
    t->pub = NULL;
}

void node_sensor(struct play *play, uint32_t command, const char *path)
{
    struct play_topic *t = topic_of(play, path);

    if (!play->sensor)
        return;
    if (command == SENSOR_SUBSCRIBE && !t->sub)
        (void)rpr_sensor_subscribe(
            play->sensor, &(struct rpr_sensor_sub_config){.path = path, .ops = &sub_ops}, &t->sub);
    else if (command == SENSOR_UNSUBSCRIBE)
        end_sub(t);
    else if (command == SENSOR_ADVERTISE && !t->pub)
        (void)rpr_sensor_advertise(play->sensor, &(struct rpr_sensor_pub_config){.path = path},
                                   &t->pub);
    else if (command == SENSOR_UNADVERTISE)
        end_pub(t);
}

bool node_sensor_word(const struct view_message *m, uint32_t *command)
{
    const char *colon = strrchr(m->service, ':');

    return m->kind == VIEW_data && strcmp(colon ? colon + 1 : m->service, SENSOR) == 0 &&
           sensor_check(command, m->payload, m->len) == SENSOR_OK;
}

/* ---- state ------------------------------------------------------------------------------------------ */

static void each_bound(struct rpr_device *device, const char *cpu,
                       void (*each)(void *ctx, const char *name), void *ctx)
{
    struct rpr_ept_info info;
    char name[ROUTER_NAME_BYTES];
    rpr_ept_t ept = {0};

    while ((ept = rpr_ept_next(device, ept)).endpoint) {
        if (rpr_ept_info(ept, &info) != 0 || info.state != RPR_EPT_BOUND ||
            strcmp(info.name, OURS) == 0)
            continue;
        if (!cpu)
            each(ctx, info.name);
        else if (route_name(name, cpu, info.name) == ROUTER_OK)
            each(ctx, name);
    }
}

void node_bound(struct leg *leg, void (*each)(void *ctx, const char *name), void *ctx)
{
    struct rpr_device *device = NULL;
    struct rpr_device_info info;

    each_bound(leg->link->device, NULL, each, ctx);
    while ((device = rpr_device_next(leg->play->node, device))) {
        rpr_device_info(device, &info);
        if (info.kind == RPR_DEVICE_ROUTED)
            each_bound(device, info.name, each, ctx);
    }
}

struct look_for {
    const char *name;
    bool found;
};

static void found(void *ctx, const char *name)
{
    struct look_for *look = ctx;

    look->found |= strcmp(look->name, name) == 0;
}

bool node_is_bound(struct leg *leg, const char *name)
{
    struct look_for look = {.name = name};

    node_bound(leg, found, &look);
    return look.found;
}

void node_device(struct leg *leg, const char *cpu, bool *up, bool *suspended)
{
    const struct view_device *told = view_device(&leg->actual, cpu);
    struct rpr_device *device;
    enum rpr_device_state state;

    if (leg->play->ours == VIEW_A) {
        *up = told && told->up;
        *suspended = told && told->suspended;
        return;
    }
    device = rpr_device_find(leg->play->node, cpu);
    state = device ? rpr_device_state(device) : RPR_DEVICE_DOWN;
    *up = state == RPR_DEVICE_UP || state == RPR_DEVICE_SUSPENDED;
    *suspended = state == RPR_DEVICE_SUSPENDED;
}

/* ---- life ------------------------------------------------------------------------------------------- */

static void must(int code, const char *what)
{
    if (code == 0)
        return;
    fprintf(stderr, "%s: %s\n", what, rpr_strerror(code));
    exit(1);
}

static void add_pair(void *ctx, unsigned link, const char *cpu)
{
    struct play *play = ctx;
    struct rpr_pair_config pair = {.a = play->leg[link].cpu, .b = cpu};

    if (!play->hub)
        must(rpr_hub_open(play->node, &play->hub), "hub");
    (void)rpr_hub_pair_add(play->hub, &pair); /* each pair is found twice */
}

static void open_parts(struct play *play)
{
    struct rpr_service_config service = {.ops = &service_ops, .ctx = play};

    must(rpr_service_open(play->node, &service, &play->service), "service");
    if (cast_announces(play, PING_SERVICE))
        must(rpr_ping_open(play->node, NULL, &play->ping), "ping");
    if (cast_announces(play, SENSOR))
        must(rpr_sensor_open(play->node, NULL, NULL, &play->sensor), "sensor");
    for (unsigned i = play->first_leg; i < play->end_leg; i++) {
        if (play->ours == VIEW_A)
            cast_routes(play, i, add_pair, play);
        else
            must(rpr_edge_open(play->node, &play->edge), "edge");
    }
}

static void open_leg(struct leg *leg)
{
    struct rpr_serial_config config = {.remote = leg->play->ours == VIEW_A ? leg->cpu : OWN_NAME,
                                       .kind = "recorded",
                                       .carrier = {.open = carrier_open,
                                                   .close = carrier_close,
                                                   .write = carrier_write,
                                                   .queued = carrier_queued,
                                                   .readable = carrier_nothing,
                                                   .destroy = carrier_nothing,
                                                   .ctx = leg}};

    leg->decoder = (struct rpr_frame_decoder){.to = leg->body};
    leg->asked = false;
    leg->n_answer = 0;
    view_control(&leg->actual, leg->play->ours, RPR_UART_POWEROFF);
    must(rpr_serial_open(leg->play->node, &config, &leg->link), "link");
}

void node_start(struct play *play)
{
    struct rpr_node_config config = {.name = OWN_NAME, .platform = &play->platform};

    play->platform = (struct rpr_platform){.ctx = play,
                                           .alloc = take_memory,
                                           .free = give_memory,
                                           .random = draw,
                                           .log = log_line,
                                           .wake = wake};
    if (play->ours == VIEW_B)
        config.name = play->leg[play->first_leg].cpu;
    must(rpr_node_open(&play->node, &config), "node");
    (void)rpr_node_poll(play->node, play->now, 0);
    open_parts(play);
    for (unsigned i = play->first_leg; i < play->end_leg; i++)
        open_leg(&play->leg[i]);
}

void node_stop(struct play *play)
{
    if (play->hub)
        rpr_hub_close(play->hub);
    if (play->edge)
        rpr_edge_close(play->edge);
    if (play->ping)
        rpr_ping_close(play->ping);
    if (play->sensor)
        rpr_sensor_close(play->sensor);
    rpr_node_close(play->node);
    play->node = NULL;
    play->ping = NULL;
    play->sensor = NULL;
    memset(play->topics, 0, sizeof play->topics);
    play->edge = NULL;
    play->hub = NULL;
    play->service = NULL;
    memset(play->endpoint, 0, sizeof play->endpoint);
    for (unsigned i = play->first_leg; i < play->end_leg; i++)
        play->leg[i].wanted = false;
}

static bool do_todo(struct play *play)
{
    bool some = false;

    for (size_t i = 0; i < play->n_todo;) {
        struct todo *t = &play->todo[i];
        bool done =
            t->what == TODO_OPEN ? node_open_endpoint(t->leg, t->name) : node_ping(t->leg, t);

        if (!done && play->now < t->until_ns) {
            i++;
            continue;
        }
        some |= done;
        play->n_late += !done;
        memmove(t, t + 1, (play->n_todo - i - 1) * sizeof *t);
        play->n_todo--;
    }
    return some;
}

/* Until nothing more happens at this moment; the next one at which something may. */
static uint64_t settle(struct play *play)
{
    uint64_t next;

    do {
        next = rpr_node_poll(play->node, play->now, 0);
        for (unsigned i = play->first_leg; i < play->end_leg; i++) {
            struct leg *leg = &play->leg[i];
            const struct feed *before = leg->first;
            size_t n_answer = leg->n_answer;

            feed_try(leg);
            if (n_answer || before != leg->first)
                next = RPR_POLL_MORE;
        }
        if (do_todo(play))
            next = RPR_POLL_MORE;
    } while (next == RPR_POLL_MORE || !rpr_node_arm(play->node));
    return next;
}

/* Whoever waits for something looks again each millisecond. */
static bool waits(const struct play *play)
{
    bool some = play->n_todo || play->mark;

    for (unsigned i = play->first_leg; i < play->end_leg; i++)
        some |= play->leg[i].first != NULL;
    return some;
}

void node_run(struct play *play, uint64_t until_ns)
{
    for (;;) {
        uint64_t next = settle(play);

        verdict_look(play, false);
        if (play->now >= until_ns)
            return;
        if (waits(play) && next > play->now + LOOK_NS)
            next = play->now + LOOK_NS;
        if (next <= play->now)
            next = play->now + 1;
        play->now = next < until_ns ? next : until_ns;
    }
}
