/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What tests of the router share: several nodes on one clock (struct net), cables between them, and
 * a scripted edge or hub at the other end of a link (struct peer).
 */
#ifndef ROUTER_FIXTURE_H
#define ROUTER_FIXTURE_H

#include "core_fixture.h"

#include <rpr/router.h>

#include "wire/router.h"

#define ADDR_SHOWN 0x3ffffu /* of an address of ours, without its generation */

/* ---- nodes on one clock ----------------------------------------------------------------------- */

#define NET_NODES 72u

struct net {
    struct world w;
    struct rpr_node *node[NET_NODES];
    unsigned n;
};

static inline void net_init(struct net *net)
{
    memset(net, 0, sizeof *net);
    world_init(&net->w);
}

static inline struct rpr_node *net_node_as(struct net *net, struct rpr_node_config config)
{
    struct rpr_node *node = NULL;

    config.platform = &net->w.platform;
    assert_int_equal(rpr_node_open(&node, &config), 0);
    net->node[net->n++] = node;
    return node;
}

static inline struct rpr_node *net_node(struct net *net, const char *name)
{
    return net_node_as(net, (struct rpr_node_config){.name = name});
}

/* One round: every node as its owner runs it. True: all of them may sleep. */
static inline bool net_round(struct net *net, uint64_t *next)
{
    bool idle = true;

    *next = RPR_POLL_IDLE;
    for (unsigned i = 0; i < net->n; i++) {
        uint64_t due = rpr_node_poll(net->node[i], net->w.now, 0);

        idle &= due != RPR_POLL_MORE && rpr_node_arm(net->node[i]);
        if (due < *next)
            *next = due;
    }
    return idle;
}

/* Until no node has anything to do at this moment, and none was rung; returns when the next timer
 * is due. */
static inline uint64_t net_settle(struct net *net)
{
    uint64_t next;

    for (unsigned i = 0; i < 100000; i++) {
        unsigned n_wakes = net->w.n_wakes;

        if (net_round(net, &next) && next > net->w.now && net->w.n_wakes == n_wakes)
            return next;
    }
    fail_msg("the nodes never come to rest");
    return 0;
}

static inline void net_pass(struct net *net, uint64_t ns)
{
    uint64_t end = net->w.now + ns;

    for (;;) {
        uint64_t next = net_settle(net);

        if (next > end)
            break;
        net->w.now = next;
    }
    net->w.now = end;
    (void)net_settle(net);
}

static inline void net_close(struct net *net)
{
    for (unsigned i = 0; i < net->n; i++)
        rpr_node_close(net->node[i]);
    net->n = 0;
}

/* Every block was given back. */
#define assert_net_closed(net)                \
    do {                                      \
        net_close(net);                       \
        assert_int_equal((net)->w.n_live, 0); \
    } while (0)

static inline struct rpr_device *device_of(struct rpr_node *node, const char *name)
{
    struct rpr_device *d = rpr_device_find(node, name);

    assert_non_null(d);
    return d;
}

/* A cable between two nodes of ours, named after each other. */
static inline struct rpr_cable *net_cable(struct net *net, struct rpr_node *a, struct rpr_node *b,
                                          struct rpr_cable_config config)
{
    struct rpr_cable *cable = NULL;

    config.platform = &net->w.platform;
    assert_int_equal(rpr_cable_open(&cable, &config), 0);
    assert_int_equal(rpr_cable_join(cable, RPR_CABLE_A, a, rpr_node_name(b)), 0);
    assert_int_equal(rpr_cable_join(cable, RPR_CABLE_B, b, rpr_node_name(a)), 0);
    return cable;
}

/* ---- what is shown of routes ------------------------------------------------------------------- */

struct route_count {
    unsigned n; /* directions */
    unsigned n_joined;
    uint32_t parked;
    uint64_t forwarded, dropped;
    const char *service, *from; /* only these, or NULL: all */
    enum rpr_policy policy;     /* of the last one */
    char reason[96];
};

static inline bool count_route(void *ctx, const struct rpr_route_info *info)
{
    struct route_count *c = ctx;

    if ((c->service && strcmp(info->service, c->service) != 0) ||
        (c->from && strcmp(info->from, c->from) != 0))
        return true;
    c->n++;
    c->n_joined += info->state == RPR_ROUTE_JOINED;
    c->parked += info->parked;
    c->forwarded += info->forwarded;
    c->dropped += info->dropped;
    c->policy = info->policy;
    snprintf(c->reason, sizeof c->reason, "%s", info->reason);
    return true;
}

static inline struct route_count routes_of(struct rpr_node *node, const char *service,
                                           const char *from)
{
    struct route_count c = {.service = service, .from = from};

    rpr_routes(node, count_route, &c);
    return c;
}

static inline unsigned n_routes(struct rpr_node *node)
{
    return routes_of(node, NULL, NULL).n / 2;
}

/* ---- the test as an edge or a hub ----------------------------------------------------------------- */

#define PEER_NAMES 600u

struct peer {
    struct wire *wire;
    struct {
        char name[RPMSG_NS_NAME_BYTES + 1];
        uint32_t addr;
    } seen[PEER_NAMES]; /* what the node announced or acknowledged last, by name */
    unsigned n_seen;
    char text[1 << 14];
};

static inline struct peer *peer_new(struct net *net, struct rpr_node *node, const char *remote)
{
    struct peer *p = calloc(1, sizeof *p);

    p->wire = wire_new(&net->w, node, remote);
    return p;
}

static inline void peer_free(struct peer *p)
{
    free(p->wire);
    free(p);
}

struct peer_config {
    enum rpr_dialect dialect;
    uint32_t buffers;        /* 0 = 256 */
    uint32_t tx_len, rx_len; /* as the node sees it; 0 = 496 */
    bool credit;
};

/* As wire_up(), with any sizes. */
static inline void peer_up_as(struct peer *p, struct peer_config config)
{
    struct wire *w = p->wire;
    struct wire_life *life = calloc(1, sizeof *life);

    life->wire = w;
    life->incarnation.destroy = wire_life_destroy;
    w->n_free = 0;
    w->n_out = w->n_flushed = w->n_read = 0;
    w->n_in = w->n_taken = 0;
    memset(w->rx_held, 0, sizeof w->rx_held);
    for (uint32_t i = config.buffers ? config.buffers : 256; i-- > 0;)
        w->free[w->n_free++] = i;
    p->n_seen = 0;
    rpr_link_up(&w->link, &(struct rpr_session){.incarnation = &life->incarnation,
                                                .tx_len = config.tx_len ? config.tx_len : 496,
                                                .rx_len = config.rx_len ? config.rx_len : 496,
                                                .dialect = config.dialect,
                                                .credit = config.credit});
}

static inline void peer_up(struct peer *p, enum rpr_dialect dialect)
{
    peer_up_as(p, (struct peer_config){.dialect = dialect});
}

static inline void peer_down(struct peer *p)
{
    rpr_link_down(&p->wire->link, "test");
}

static inline void peer_learn(struct peer *p, const char *name, uint32_t addr)
{
    unsigned i = 0;

    while (i < p->n_seen && strcmp(p->seen[i].name, name) != 0)
        i++;
    assert_true(i < PEER_NAMES);
    if (i == p->n_seen)
        snprintf(p->seen[p->n_seen++].name, sizeof p->seen[i].name, "%s", name);
    p->seen[i].addr = addr;
}

/* The node's address behind a name. */
static inline uint32_t peer_addr(const struct peer *p, const char *name)
{
    for (unsigned i = 0; i < p->n_seen; i++)
        if (strcmp(p->seen[i].name, name) == 0)
            return p->seen[i].addr;
    fail_msg("%s was never announced", name);
    return 0;
}

static inline size_t peer_show(struct peer *p, const struct wire_message *m, char *to, size_t room)
{
    static const char *const words[] = {"CREATE", "DESTROY", "ACK"};
    static const char *const commands[] = {"", "CREATE", "DESTROY", "SUSPEND", "RESUME", "HELLO"};
    struct router_message r;
    struct ns_message ns;

    if (m->dst == RPMSG_ADDR_NS) {
        assert_int_equal(ns_decode(&ns, m->data, m->len), NS_OK);
        assert_int_equal(m->src, ns.addr);
        if (ns.flags != NS_DESTROY)
            peer_learn(p, ns.name, ns.addr);
        return (size_t)snprintf(to, room, "%s %s;", words[ns.flags], ns.name);
    }
    if ((m->len == ROUTER_BYTES || m->len == ROUTER_LONG_BYTES) &&
        router_decode(&r, m->data, m->len) == ROUTER_OK)
        return (size_t)snprintf(to, room, "%u:%s;", (unsigned)(m->dst & ADDR_SHOWN),
                                commands[r.cmd]);
    if (m->dst == RPMSG_ADDR_CREDIT)
        return 0;
    return (size_t)snprintf(to, room, "%u:%.*s;", (unsigned)(m->dst & ADDR_SHOWN), (int)m->len,
                            (const char *)m->data);
}

/* All that the node has sent: "CREATE name;", "ACK name;", "DESTROY name;" and, with the address it
 * went to, "dst:CREATE;" of the router's messages and "dst:data;". Grants are left out. */
static inline const char *peer_said(struct peer *p)
{
    struct wire_message m;
    size_t n = 0;

    p->text[0] = '\0';
    while (wire_get(p->wire, &m, true)) {
        n += peer_show(p, &m, p->text + n, sizeof p->text - n);
        assert_true(n < sizeof p->text);
    }
    if (p->wire->armed && p->wire->want_writable)
        rpr_link_ready(&p->wire->link); /* the buffers are back */
    return p->text;
}

#define assert_peer_said(p, expected) assert_string_equal(peer_said(p), (expected))

static inline void peer_create(struct peer *p, const char *name, uint32_t addr)
{
    wire_ns(p->wire, name, addr, NS_CREATE);
}

static inline void peer_ack(struct peer *p, const char *name, uint32_t addr)
{
    wire_ns(p->wire, name, addr, NS_CREATE_ACK);
}

static inline void peer_destroy(struct peer *p, const char *name, uint32_t addr)
{
    wire_ns(p->wire, name, addr, NS_DESTROY);
}

/* A message to the node's endpoint of that name. */
static inline void peer_send(struct peer *p, uint32_t src, const char *name, const char *text)
{
    wire_text(p->wire, src, peer_addr(p, name), text);
}

static inline void peer_router(struct peer *p, uint32_t src, const char *name,
                               struct router_message message)
{
    uint8_t bytes[ROUTER_LONG_BYTES];
    size_t len = router_encode(bytes, &message);

    wire_put(p->wire, src, peer_addr(p, name), bytes, len);
}

/* In answer to the hub's `session`-th CREATE; 0: it does not say. */
static inline void peer_hello_to(struct peer *p, uint32_t src, const char *name, uint32_t session)
{
    peer_router(p, src, name,
                (struct router_message){.cmd = ROUTER_HELLO,
                                        .version = ROUTER_HELLO_VERSION,
                                        .caps = ROUTER_CAP_CREDIT,
                                        .session = session});
}

static inline void peer_hello(struct peer *p, uint32_t src, const char *name)
{
    peer_hello_to(p, src, name, 0);
}

/* ---- a hub between two scripted edges -------------------------------------------------------------- */

/* Hub "ap" with edges "audio" (0) and "droid" (1), each an instance of struct peer. */
struct star {
    struct net net;
    struct rpr_node *ap;
    struct rpr_hub *hub;
    struct peer *edge[2];
};

static const char *const star_cpu[2] = {"audio", "droid"};
static const char *const star_control[2] = {"router:droid", "router:audio"};

static inline void star_init(struct star *s, struct rpr_pair_config config)
{
    memset(s, 0, sizeof *s);
    net_init(&s->net);
    s->ap = net_node(&s->net, "ap");
    assert_int_equal(rpr_hub_open(s->ap, &s->hub), 0);
    config.a = star_cpu[0];
    config.b = star_cpu[1];
    assert_int_equal(rpr_hub_pair_add(s->hub, &config), 0);
    for (unsigned i = 0; i < 2; i++)
        s->edge[i] = peer_new(&s->net, s->ap, star_cpu[i]);
}

static inline void star_settle(struct star *s)
{
    (void)net_settle(&s->net);
}

static inline void star_pass_ms(struct star *s, unsigned ms)
{
    net_pass(&s->net, MS(ms));
}

/* Both links up, control endpoints acknowledged from 1040 and 1041, CREATE heard. */
static inline void star_up(struct star *s, enum rpr_dialect audio, enum rpr_dialect droid)
{
    peer_up(s->edge[0], audio);
    peer_up(s->edge[1], droid);
    star_settle(s);
    for (unsigned i = 0; i < 2; i++)
        (void)peer_said(s->edge[i]);
    peer_ack(s->edge[0], star_control[0], 1040);
    peer_ack(s->edge[1], star_control[1], 1041);
    star_settle(s);
    assert_peer_said(s->edge[0], "1040:CREATE;");
    assert_peer_said(s->edge[1], "1041:CREATE;");
}

static inline void star_nuttx(struct star *s)
{
    star_init(s, (struct rpr_pair_config){0});
    star_up(s, RPR_DIALECT_NUTTX, RPR_DIALECT_NUTTX);
}

static inline void star_close(struct star *s)
{
    if (s->hub)
        rpr_hub_close(s->hub);
    assert_net_closed(&s->net);
    for (unsigned i = 0; i < 2; i++)
        peer_free(s->edge[i]);
}

/* ---- nodes of ours around a hub ---------------------------------------------------------------- */

/* Hub "ap" and edges e0, e1 ... of ours, each on a cable. */
#define FAN_MAX 64u

struct fan {
    struct net net;
    unsigned n;
    struct rpr_node *ap, *e[FAN_MAX];
    struct rpr_hub *hub;
    struct rpr_edge *edge[FAN_MAX];
    struct rpr_cable *cable[FAN_MAX];
    char name[FAN_MAX][8];
};

static inline void fan_init(struct fan *f, unsigned n, struct rpr_pair_config pair,
                            struct rpr_cable_config cable)
{
    memset(f, 0, sizeof *f);
    net_init(&f->net);
    f->n = n;
    f->ap = net_node(&f->net, "ap");
    assert_int_equal(rpr_hub_open(f->ap, &f->hub), 0);
    assert_int_equal(rpr_hub_pair_add(f->hub, &pair), 0);
    for (unsigned i = 0; i < n; i++) {
        snprintf(f->name[i], sizeof f->name[i], "e%u", i % FAN_MAX);
        f->e[i] = net_node_as(&f->net, (struct rpr_node_config){.name = f->name[i], .slots = 64});
        assert_int_equal(rpr_edge_open(f->e[i], &f->edge[i]), 0);
        f->cable[i] = net_cable(&f->net, f->ap, f->e[i], cable);
    }
    net_pass(&f->net, MS(20));
}

static inline struct rpr_device *fan_device(struct fan *f, unsigned from, unsigned to)
{
    return device_of(f->e[from], f->name[to]);
}

static inline void fan_close(struct fan *f)
{
    rpr_hub_close(f->hub);
    for (unsigned i = 0; i < f->n; i++)
        rpr_edge_close(f->edge[i]);
    net_close(&f->net);
    for (unsigned i = 0; i < f->n; i++)
        rpr_cable_close(f->cable[i]);
    assert_int_equal(f->net.w.n_live, 0);
}

static const struct rpr_cable_config with_credit = {.credit = true};

#endif
