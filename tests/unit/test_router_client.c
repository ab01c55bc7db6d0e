/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Client routes: a local program on a private link of node "audio" talks to a remote "droid"
 * through it. As `rpmsg cat` does, which names the remote, and as `rpmsg listen` does, which takes
 * whoever announces the service.
 */
#include "router_fixture.h"

#include <rpr/vring.h>

struct local {
    struct net net;
    struct rpr_node *audio, *program, *droid, *extra;
    struct rpr_cable *to_droid, *to_extra, *to_program;
    struct rpr_client_route *route;
    struct ept prog, far, far2;
    unsigned n_closed;
};

static void on_ended(void *ctx, bool lost)
{
    struct local *l = ctx;

    note(&l->net.w, "ended %s;", lost ? "lost" : "closed");
}

static void on_closed(void *ctx)
{
    struct local *l = ctx;

    note(&l->net.w, "route closed;");
    l->n_closed++;
    l->route = NULL;
}

static const struct rpr_cable_config wide = {.credit = true, .buffers = 64};

static void local_init(struct local *l)
{
    memset(l, 0, sizeof *l);
    net_init(&l->net);
    l->audio = net_node(&l->net, "audio");
    l->droid = net_node(&l->net, "droid");
    l->program = net_node(&l->net, "#1"); /* no CPU's name */
    l->to_droid = net_cable(&l->net, l->audio, l->droid, wide);
    l->to_program = net_cable(&l->net, l->audio, l->program, wide);
    l->prog = (struct ept)EPT(&l->net.w, "prog");
    l->far = (struct ept)EPT(&l->net.w, "far");
    l->far2 = (struct ept)EPT(&l->net.w, "far2");
    (void)net_settle(&l->net);
}

static int open_route(struct local *l, const char *device)
{
    return rpr_client_route_open(l->audio,
                                 &(struct rpr_client_config){.client = device_of(l->audio, "#1"),
                                                             .service = "svc",
                                                             .device = device,
                                                             .ended = on_ended,
                                                             .closed = on_closed,
                                                             .ctx = l},
                                 &l->route);
}

static void local_close(struct local *l)
{
    if (l->route) {
        rpr_client_route_close(l->route);
        net_pass(&l->net, MS(1));
    }
    assert_null(l->route);
    assert_int_equal(routes_of(l->audio, NULL, NULL).n, 0);
    net_close(&l->net);
    rpr_cable_close(l->to_droid);
    if (l->to_program)
        rpr_cable_close(l->to_program);
    if (l->to_extra)
        rpr_cable_close(l->to_extra);
    assert_int_equal(l->net.w.n_live, 0);
}

/* One more remote, "extra". */
static void add_extra(struct local *l)
{
    l->extra = net_node(&l->net, "extra");
    l->to_extra = net_cable(&l->net, l->audio, l->extra, wide);
    (void)net_settle(&l->net);
}

static void program_opens(struct local *l)
{
    ept_open(&l->prog, device_of(l->program, "audio"), "svc");
    (void)net_settle(&l->net);
}

static void far_opens(struct local *l)
{
    ept_open(&l->far, device_of(l->droid, "audio"), "svc");
    (void)net_settle(&l->net);
}

static void cat_joined(struct local *l)
{
    local_init(l);
    far_opens(l);
    assert_int_equal(open_route(l, "droid"), 0);
    program_opens(l);
    assert_non_null(strstr(l->net.w.events, "prog:bound"));
    assert_non_null(strstr(l->net.w.events, "far:bound"));
    l->net.w.events[0] = '\0';
}

static void listen_joined(struct local *l)
{
    local_init(l);
    assert_int_equal(open_route(l, NULL), 0);
    program_opens(l);
    assert_events(&l->net.w, "");
    far_opens(l);
    assert_non_null(strstr(l->net.w.events, "prog:bound"));
    assert_non_null(strstr(l->net.w.events, "far:bound"));
    l->net.w.events[0] = '\0';
}

/* ---- data, then the end ------------------------------------------------------------------------- */

static void cat_sends_and_closes(void **state)
{
    struct local l;
    struct rpr_device_info info;

    (void)state;
    cat_joined(&l);
    assert_int_equal(ept_send(&l.far, "hello"), 0);
    (void)net_settle(&l.net);
    assert_events(&l.net.w, "prog:rx hello;");
    assert_int_equal(ept_send(&l.prog, "a"), 0);
    assert_int_equal(ept_send(&l.prog, "b"), 0);
    assert_int_equal(rpr_ept_close(l.prog.h), 0);
    (void)net_settle(&l.net);
    assert_events(&l.net.w, "prog:closed;far:rx a;far:rx b;far:unbound closed;");
    rpr_device_info(device_of(l.program, "audio"), &info);
    assert_int_equal(info.n_announcements, 0); /* it is not looked for */
    rpr_client_route_close(l.route);
    rpr_client_route_close(l.route); /* twice does nothing more */
    assert_int_equal(l.n_closed, 0); /* not inside the call */
    (void)net_settle(&l.net);
    assert_events(&l.net.w, "route closed;");
    local_close(&l);
}

static void listen_hears_all_and_then_the_end(void **state)
{
    struct local l;

    (void)state;
    listen_joined(&l);
    assert_int_equal(ept_send(&l.far, "a"), 0);
    assert_int_equal(ept_send(&l.far, "b"), 0);
    assert_int_equal(rpr_ept_close(l.far.h), 0);
    (void)net_settle(&l.net);
    assert_events(&l.net.w, "far:closed;prog:rx a;prog:rx b;ended closed;prog:unbound closed;");
    local_close(&l);
}

/* What another local program announces on its private link is not a remote's. */
static void programs_are_no_remotes(void **state)
{
    struct local l;

    (void)state;
    local_init(&l);
    l.extra = net_node(&l.net, "#2");
    l.to_extra = net_cable(&l.net, l.audio, l.extra, wide);
    assert_int_equal(open_route(&l, NULL), 0);
    program_opens(&l);
    ept_open(&l.far2, device_of(l.extra, "audio"), "svc");
    (void)net_settle(&l.net);
    assert_events(&l.net.w, "");
    far_opens(&l);
    assert_non_null(strstr(l.net.w.events, "far:bound"));
    local_close(&l);
}

static void on_ended_close(void *ctx, bool lost)
{
    struct local *l = ctx;

    on_ended(ctx, lost);
    rpr_client_route_close(l->route);
}

/* The route is closed where its end is heard, and the remote announces itself anew in the same
 * moment: that is for the next one who listens. */
static void closed_inside_ended(void **state)
{
    struct local l;
    struct peer *remote;

    (void)state;
    local_init(&l);
    remote = peer_new(&l.net, l.audio, "remote");
    peer_up(remote, RPR_DIALECT_NUTTX);
    assert_int_equal(
        rpr_client_route_open(l.audio,
                              &(struct rpr_client_config){.client = device_of(l.audio, "#1"),
                                                          .service = "svc",
                                                          .ended = on_ended_close,
                                                          .closed = on_closed,
                                                          .ctx = &l},
                              &l.route),
        0);
    program_opens(&l);
    peer_create(remote, "svc", 1200);
    (void)net_settle(&l.net);
    assert_peer_said(remote, "ACK svc;");
    peer_destroy(remote, "svc", 1200);
    peer_create(remote, "svc", 1201);
    net_pass(&l.net, MS(20));
    assert_int_equal(l.n_closed, 1);
    (void)peer_said(remote);
    assert_int_equal(open_route(&l, NULL), 0);
    (void)net_settle(&l.net);
    assert_peer_said(remote, "ACK svc;");
    local_close(&l);
    peer_free(remote);
}

/* A remote that announces itself from another address, and never said that the first one is gone. */
static void remote_from_a_changed_address(void **state)
{
    struct local l;
    struct peer *remote;

    (void)state;
    local_init(&l);
    remote = peer_new(&l.net, l.audio, "remote");
    peer_up(remote, RPR_DIALECT_NUTTX);
    assert_int_equal(open_route(&l, NULL), 0);
    program_opens(&l);
    peer_create(remote, "svc", 1200);
    (void)net_settle(&l.net);
    assert_peer_said(remote, "ACK svc;");
    peer_create(remote, "svc", 1201);
    net_pass(&l.net, MS(20));
    assert_non_null(strstr(l.net.w.events, "ended closed;"));
    assert_non_null(strstr(peer_said(remote), "ACK svc;"));
    assert_int_equal(ept_send(&l.prog, "x"), 0);
    (void)net_settle(&l.net);
    assert_peer_said(remote, "1201:x;");
    local_close(&l);
    peer_free(remote);
}

/* Route and program in any order: what is announced early is kept. */
static void program_was_there_first(void **state)
{
    struct local l;

    (void)state;
    local_init(&l);
    program_opens(&l);
    far_opens(&l);
    assert_events(&l.net.w, "");
    assert_int_equal(open_route(&l, "droid"), 0);
    (void)net_settle(&l.net);
    assert_non_null(strstr(l.net.w.events, "prog:bound"));
    assert_non_null(strstr(l.net.w.events, "far:bound"));
    local_close(&l);
    local_init(&l);
    program_opens(&l);
    far_opens(&l);
    assert_int_equal(open_route(&l, NULL), 0);
    (void)net_settle(&l.net);
    assert_non_null(strstr(l.net.w.events, "prog:bound"));
    assert_non_null(strstr(l.net.w.events, "far:bound"));
    local_close(&l);
}

/* The node ends the route while the program is still there: the remote hears a close. */
static void closed_from_here(void **state)
{
    struct local l;

    (void)state;
    cat_joined(&l);
    assert_int_equal(ept_send(&l.prog, "a"), 0);
    (void)net_settle(&l.net);
    rpr_client_route_close(l.route);
    (void)net_settle(&l.net);
    assert_events(&l.net.w, "far:rx a;route closed;far:unbound closed;");
    rpr_link_unregister(rpr_cable_link(l.to_program, RPR_CABLE_A));
    (void)net_settle(&l.net);
    assert_events(&l.net.w, "prog:unbound lost;");
    local_close(&l);
}

/* ---- who may have which name --------------------------------------------------------------------- */

static void open_is_checked(void **state)
{
    struct local l;
    struct rpr_client_route *other = NULL;
    struct rpr_client_config config = {.service = "svc", .device = "nobody", .ended = on_ended};

    (void)state;
    cat_joined(&l);
    add_extra(&l);
    config.client = device_of(l.audio, "#1");
    config.ctx = &l;
    assert_int_equal(rpr_client_route_open(l.audio, &config, &other), -RPR_ENOENT);
    config.service = "";
    assert_int_equal(rpr_client_route_open(l.audio, &config, &other), -RPR_EINVAL);
    config.device = "droid";
    config.service = "12345678901234567890123456789012";
    assert_int_equal(rpr_client_route_open(l.audio, &config, &other), -RPR_ENAMETOOLONG);
    config.service = "svc";
    assert_int_equal(rpr_client_route_open(l.audio, &config, &other), -RPR_EEXIST);
    config.device = "extra"; /* the same service of another remote is another matter */
    assert_int_equal(rpr_client_route_open(l.audio, &config, &other), 0);
    rpr_client_route_close(other);
    (void)net_settle(&l.net);
    local_close(&l);
}

static void one_serves(void **state)
{
    struct local l;
    struct rpr_client_route *other = NULL;
    struct rpr_client_config config = {.service = "svc", .ended = on_ended};
    struct rpr_client_route *first;

    (void)state;
    listen_joined(&l);
    config.client = device_of(l.audio, "#1");
    config.ctx = &l;
    assert_int_equal(rpr_client_route_open(l.audio, &config, &other), -RPR_EEXIST);
    config.device = "droid"; /* the name is in use there */
    assert_int_equal(rpr_client_route_open(l.audio, &config, &other), -RPR_EEXIST);
    first = l.route;
    rpr_client_route_close(first);
    config.device = NULL; /* one that closes is no hindrance */
    assert_int_equal(rpr_client_route_open(l.audio, &config, &other), 0);
    (void)net_settle(&l.net);
    rpr_client_route_close(other);
    (void)net_settle(&l.net);
    local_close(&l);
}

/* A service that the node itself has an endpoint for is not taken from it. */
static void names_of_the_node_itself(void **state)
{
    struct local l;
    struct ept own;

    (void)state;
    local_init(&l);
    own = (struct ept)EPT(&l.net.w, "own");
    ept_open(&own, device_of(l.audio, "droid"), "svc");
    assert_int_equal(open_route(&l, "droid"), -RPR_ENOTSUP);
    assert_int_equal(open_route(&l, NULL), -RPR_ENOTSUP);
    l.route = NULL;
    local_close(&l);
}

/* A node that serves "svc" to whom announces it. */
struct server {
    struct world *world;
    struct ept ept[4];
    unsigned n;
};

static int bind_server(void *ctx, struct rpr_device *device, const char *name, uint32_t addr)
{
    static const char *const tags[] = {"served", "served2", "served3", "served4"};
    struct server *s = ctx;
    struct ept *e = &s->ept[s->n];

    assert_true(s->n < 4);
    *e = (struct ept)EPT(s->world, tags[s->n]);
    s->n++;
    return ept_open_as(
        e, device,
        (struct rpr_ept_config){.name = name, .addr = RPR_ADDR_ANY, .dest = addr, .quota = 4});
}

/* Each of two nodes serves a name, and has a client of the other's: a direct link takes both, and what
 * is said of one is not heard by the other, whichever came first. */
static void a_service_and_a_program_of_one_name(void **state)
{
    static const struct rpr_service_ops ops = {.bind = bind_server};

    (void)state;
    for (unsigned first = 0; first < 2; first++) {
        struct local l;
        struct server here, there;
        struct rpr_service *services[2];

        local_init(&l);
        here = (struct server){.world = &l.net.w};
        there = here;
        assert_int_equal(
            rpr_service_open(l.audio,
                             &(struct rpr_service_config){.name = "svc", .ops = &ops, .ctx = &here},
                             &services[0]),
            0);
        assert_int_equal(
            rpr_service_open(
                l.droid, &(struct rpr_service_config){.name = "svc", .ops = &ops, .ctx = &there},
                &services[1]),
            0);
        if (first)
            far_opens(&l);
        assert_int_equal(open_route(&l, "droid"), 0);
        program_opens(&l);
        assert_int_equal(there.n, 1);
        if (!first)
            far_opens(&l);
        assert_int_equal(here.n, 1);
        l.net.w.events[0] = '\0';
        assert_int_equal(ept_send(&l.far, "in"), 0);
        assert_int_equal(ept_send(&l.prog, "out"), 0);
        (void)net_settle(&l.net);
        assert_non_null(strstr(l.net.w.events, "served:rx in;"));
        assert_non_null(strstr(l.net.w.events, "served:rx out;"));
        l.net.w.events[0] = '\0';
        assert_int_equal(rpr_ept_close(l.far.h), 0); /* it ends what it is bound to */
        (void)net_settle(&l.net);
        assert_events(&l.net.w, "far:closed;served:unbound closed;");
        assert_int_equal(ept_send(&l.prog, "on"), 0);
        assert_int_equal(rpr_ept_close(here.ept[0].h), 0);
        l.far = (struct ept)EPT(&l.net.w, "far");
        far_opens(&l); /* the next one finds the service, and not the program */
        assert_int_equal(here.n, 2);
        assert_non_null(strstr(l.net.w.events, "served:rx on;"));
        l.net.w.events[0] = '\0';
        assert_int_equal(rpr_ept_close(l.prog.h), 0);
        (void)net_settle(&l.net);
        assert_non_null(strstr(l.net.w.events, "served:unbound closed;"));
        assert_null(strstr(l.net.w.events, "served2:unbound"));
        rpr_service_close(services[0]);
        rpr_service_close(services[1]);
        (void)net_settle(&l.net);
        local_close(&l);
    }
}

/* Behind a hub there is one route for a name, and its ends are taken. */
static void one_route_behind_a_hub(void **state)
{
    static const struct rpr_service_ops ops = {.bind = bind_server};
    struct rpr_client_route *route = NULL;
    struct rpr_service *service;
    struct server here;
    struct ept far;
    struct fan f;

    (void)state;
    fan_init(&f, 2, (struct rpr_pair_config){0}, with_credit);
    here = (struct server){.world = &f.net.w};
    far = (struct ept)EPT(&f.net.w, "far");
    assert_int_equal(
        rpr_service_open(f.e[0],
                         &(struct rpr_service_config){.name = "svc", .ops = &ops, .ctx = &here},
                         &service),
        0);
    ept_open(&far, fan_device(&f, 1, 0), "svc");
    net_pass(&f.net, MS(20));
    assert_int_equal(here.n, 1);
    assert_int_equal(
        rpr_client_route_open(f.e[0],
                              &(struct rpr_client_config){.client = fan_device(&f, 0, 1),
                                                          .service = "svc",
                                                          .device = "e1",
                                                          .ended = on_ended},
                              &route),
        -RPR_ENOTSUP);
    fan_close(&f);
}

/* ---- one after the other --------------------------------------------------------------------------- */

/* The second remote waits; the route that goes on takes it when the first has gone. */
static void next_remote_is_taken_by_the_same_route(void **state)
{
    struct local l;

    (void)state;
    listen_joined(&l);
    add_extra(&l);
    ept_open(&l.far2, device_of(l.extra, "audio"), "svc");
    (void)net_settle(&l.net);
    assert_events(&l.net.w, "");
    assert_int_equal(ept_send(&l.far, "1"), 0);
    assert_int_equal(rpr_ept_close(l.far.h), 0);
    (void)net_settle(&l.net);
    net_pass(&l.net, MS(30)); /* the program announces again */
    assert_non_null(strstr(l.net.w.events, "prog:rx 1;"));
    assert_non_null(strstr(l.net.w.events, "prog:unbound closed;"));
    assert_non_null(strstr(l.net.w.events, "far2:bound"));
    assert_int_equal(ept_send(&l.far2, "2"), 0);
    (void)net_settle(&l.net);
    assert_non_null(strstr(l.net.w.events, "prog:rx 2;"));
    local_close(&l);
}

/* And a route that is opened after the first one was closed. */
static void next_remote_is_taken_by_the_next_route(void **state)
{
    struct local l;

    (void)state;
    listen_joined(&l);
    add_extra(&l);
    ept_open(&l.far2, device_of(l.extra, "audio"), "svc");
    assert_int_equal(rpr_ept_close(l.far.h), 0);
    rpr_ept_close(l.prog.h);
    rpr_client_route_close(l.route);
    net_pass(&l.net, MS(30));
    assert_non_null(strstr(l.net.w.events, "route closed;"));
    assert_null(strstr(l.net.w.events, "far2:bound"));
    l.prog.n_closed = 0;
    assert_int_equal(open_route(&l, NULL), 0);
    program_opens(&l);
    assert_non_null(strstr(l.net.w.events, "far2:bound"));
    local_close(&l);
}

/* A program that goes before it ever announced leaves no remote's announcement swallowed. */
static void program_never_announced(void **state)
{
    struct local l;

    (void)state;
    local_init(&l);
    assert_int_equal(open_route(&l, NULL), 0);
    far_opens(&l);
    rpr_client_route_close(l.route);
    (void)net_settle(&l.net);
    assert_events(&l.net.w, "route closed;");
    assert_int_equal(open_route(&l, NULL), 0);
    program_opens(&l);
    assert_non_null(strstr(l.net.w.events, "far:bound"));
    local_close(&l);
}

/* ---- what is on its way when something goes ----------------------------------------------------- */

/* The remote takes nothing while the program sends all it can and closes. */
static unsigned stalled_sends(struct local *l)
{
    unsigned n = 0;
    char text[16];

    for (unsigned i = 0; i < 500; i++) {
        snprintf(text, sizeof text, "%u", n);
        n += ept_send(&l->prog, text) == 0;
        (void)rpr_node_poll(l->program, l->net.w.now, 0);
        (void)rpr_node_poll(l->audio, l->net.w.now, 0);
    }
    assert_true(n >= 8);
    assert_true(routes_of(l->audio, "svc", "#1").parked > 0);
    return n;
}

static void assert_far_got(struct local *l, unsigned n)
{
    char *at = l->net.w.events;
    unsigned i = 0;

    for (; (at = strstr(at, "far:rx ")) != NULL; i++) {
        at += strlen("far:rx ");
        assert_int_equal(atoi(at), i);
    }
    assert_int_equal(i, n);
    assert_non_null(strstr(l->net.w.events, "far:unbound closed;"));
    assert_null(strstr(strstr(l->net.w.events, "far:unbound"), "far:rx"));
}

static void close_waits_for_what_was_taken(void **state)
{
    struct local l;
    unsigned n;

    (void)state;
    cat_joined(&l);
    n = stalled_sends(&l);
    rpr_client_route_close(l.route);
    (void)rpr_node_poll(l.audio, l.net.w.now, 0);
    assert_int_equal(l.n_closed, 0);
    assert_int_equal(routes_of(l.audio, "svc", NULL).n, 2);
    (void)net_settle(&l.net);
    net_pass(&l.net, MS(20));
    assert_int_equal(l.n_closed, 1);
    assert_far_got(&l, n);
    local_close(&l);
}

/* The program's link goes while its route closes, before and after the call. */
static void link_goes_while_it_closes(void **state)
{
    (void)state;
    for (unsigned order = 0; order < 3; order++) {
        struct local l;
        unsigned n;

        cat_joined(&l);
        n = stalled_sends(&l);
        if (order == 2)
            (void)rpr_ept_close(l.prog.h);
        (void)rpr_node_poll(l.program, l.net.w.now, 0);
        (void)rpr_node_poll(l.audio, l.net.w.now, 0);
        if (order != 1)
            rpr_client_route_close(l.route);
        rpr_link_down(rpr_cable_link(l.to_program, RPR_CABLE_A), "killed");
        (void)rpr_node_poll(l.audio, l.net.w.now, 0);
        if (order == 1)
            rpr_client_route_close(l.route);
        assert_int_equal(l.n_closed, 0);
        net_pass(&l.net, MS(20));
        assert_int_equal(l.n_closed, 1);
        assert_far_got(&l, n);
        local_close(&l);
    }
}

/* The remote goes too: nobody is left to give anything to. */
static void remote_goes_while_it_closes(void **state)
{
    (void)state;
    for (unsigned lost = 0; lost < 2; lost++) {
        struct local l;

        cat_joined(&l);
        (void)stalled_sends(&l);
        rpr_client_route_close(l.route);
        (void)rpr_node_poll(l.audio, l.net.w.now, 0);
        assert_int_equal(l.n_closed, 0);
        if (lost)
            rpr_link_down(rpr_cable_link(l.to_droid, RPR_CABLE_A), "killed");
        else
            (void)rpr_ept_close(l.far.h);
        net_pass(&l.net, MS(20));
        assert_int_equal(l.n_closed, 1);
        local_close(&l);
    }
}

/* The remote sends, the program takes nothing, the remote's link is lost: the program is given all
 * that had come, and only then hears that it is over. */
static void ended_lost_comes_after_the_data(void **state)
{
    struct local l;
    unsigned n = 0, i = 0;
    char text[16];
    const char *at;

    (void)state;
    listen_joined(&l);
    for (unsigned k = 0; k < 500; k++) {
        snprintf(text, sizeof text, "%u", n);
        n += ept_send(&l.far, text) == 0;
        (void)rpr_node_poll(l.droid, l.net.w.now, 0);
        (void)rpr_node_poll(l.audio, l.net.w.now, 0);
    }
    assert_true(routes_of(l.audio, "svc", "droid").parked > 0);
    rpr_link_down(rpr_cable_link(l.to_droid, RPR_CABLE_A), "lost");
    (void)rpr_node_poll(l.audio, l.net.w.now, 0);
    assert_null(strstr(l.net.w.events, "ended"));
    for (unsigned k = 0; k < 100 && !strstr(l.net.w.events, "ended"); k++) {
        (void)rpr_node_poll(l.program, l.net.w.now, 0);
        (void)rpr_node_poll(l.audio, l.net.w.now, 0);
    }
    assert_non_null(strstr(l.net.w.events, "ended lost;"));
    assert_null(strstr(l.net.w.events, "prog:unbound")); /* it hears that by the end of its link */
    rpr_client_route_close(l.route);
    while (l.route)
        (void)rpr_node_poll(l.audio, l.net.w.now, 0);
    (void)rpr_node_poll(l.program, l.net.w.now, 0);
    (void)rpr_node_poll(l.program, l.net.w.now, 0);
    (void)rpr_node_poll(l.program, l.net.w.now, 0);
    for (at = l.net.w.events; (at = strstr(at, "prog:rx ")) != NULL; i++) {
        at += strlen("prog:rx ");
        assert_int_equal(atoi(at), i);
    }
    assert_int_equal(i, n);
    rpr_cable_cut(l.to_droid);
    local_close(&l);
}

/* ---- kill -9 ------------------------------------------------------------------------------------ */

static void ring_node(void *ctx, bool to_tx_ring)
{
    (void)to_tx_ring;
    rpr_node_wake(ctx);
}

static void port_nothing(void *ctx)
{
    (void)ctx;
}

/* Over shared memory what a killed program had sent is still there. */
static void killed_with_its_ring_full(void **state)
{
    struct local l;
    struct rpr_link *here, *there;
    struct rpr_vring_session session = {.ring = ring_node, .credit = true};
    struct rpr_vring_config config = {
        .remote = "#2", .kind = "shm", .port = {.open = port_nothing, .close = port_nothing}};
    unsigned n = 0;
    char text[16];

    (void)state;
    local_init(&l);
    assert_int_equal(rpr_vring_open(l.audio, &config, &here), 0);
    config.remote = "daemon";
    assert_int_equal(rpr_vring_open(l.program, &config, &there), 0);
    assert_int_equal(rpr_vring_layout_local(&session.layout, 64, 64), 0);
    session.base = calloc(1, session.layout.bytes);
    session.ctx = l.program;
    assert_int_equal(rpr_vring_attach(here, &session), 0);
    session.role = RPR_VRING_DEVICE;
    session.ctx = l.audio;
    assert_int_equal(rpr_vring_attach(there, &session), 0);
    far_opens(&l);
    assert_int_equal(
        rpr_client_route_open(l.audio,
                              &(struct rpr_client_config){.client = device_of(l.audio, "#2"),
                                                          .service = "svc",
                                                          .device = "droid",
                                                          .ended = on_ended,
                                                          .closed = on_closed,
                                                          .ctx = &l},
                              &l.route),
        0);
    ept_open(&l.prog, device_of(l.program, "daemon"), "svc");
    (void)net_settle(&l.net);
    l.net.w.events[0] = '\0';
    for (unsigned i = 0; i < 40; i++) { /* neither the node nor the remote runs */
        snprintf(text, sizeof text, "%u", n);
        n += ept_send(&l.prog, text) == 0;
    }
    assert_true(n >= 4);
    rpr_vring_detach(here, "killed", true);
    rpr_client_route_close(l.route);
    net_pass(&l.net, MS(20));
    assert_int_equal(l.n_closed, 1);
    assert_far_got(&l, n);
    rpr_link_unregister(here);
    rpr_link_unregister(there);
    (void)net_settle(&l.net);
    local_close(&l);
    free(session.base);
}

/* ---- remotes that come back ------------------------------------------------------------------------- */

/* cat waits for a server that is not there yet; the link goes and returns meanwhile. */
static void announced_again_after_a_loss(void **state)
{
    struct local l;

    (void)state;
    local_init(&l);
    assert_int_equal(open_route(&l, "droid"), 0);
    program_opens(&l);
    rpr_cable_cut(l.to_droid);
    net_pass(&l.net, MS(10));
    rpr_cable_mend(l.to_droid);
    net_pass(&l.net, MS(10));
    assert_events(&l.net.w, "");
    far_opens(&l);
    assert_non_null(strstr(l.net.w.events, "prog:bound"));
    assert_non_null(strstr(l.net.w.events, "far:bound"));
    local_close(&l);
}

/* The same in the moment in which it waits to announce itself once more. */
static void announced_again_after_a_loss_during_back_off(void **state)
{
    struct local l;

    (void)state;
    cat_joined(&l);
    assert_int_equal(rpr_ept_close(l.far.h), 0);
    (void)net_settle(&l.net);
    assert_non_null(strstr(l.net.w.events, "ended closed;"));
    rpr_cable_cut(l.to_droid); /* and does not close: it waits for another server */
    net_pass(&l.net, MS(100));
    rpr_cable_mend(l.to_droid);
    net_pass(&l.net, MS(100));
    l.net.w.events[0] = '\0';
    l.far.n_closed = 0;
    far_opens(&l);
    net_pass(&l.net, MS(20));
    assert_non_null(strstr(l.net.w.events, "far:bound"));
    assert_non_null(strstr(l.net.w.events, "prog:bound"));
    local_close(&l);
}

/* A remote that had announced itself is looked for, after its end and the loss of its link. */
static void looked_for_after_a_loss(void **state)
{
    struct local l;
    struct peer *remote;

    (void)state;
    local_init(&l);
    remote = peer_new(&l.net, l.audio, "remote");
    peer_up(remote, RPR_DIALECT_NUTTX);
    peer_create(remote, "svc", 1200);
    assert_int_equal(open_route(&l, "remote"), 0);
    program_opens(&l);
    assert_peer_said(remote, "ACK svc;");
    peer_destroy(remote, "svc", 1200);
    (void)net_settle(&l.net);
    peer_down(remote);
    net_pass(&l.net, MS(100));
    peer_up(remote, RPR_DIALECT_NUTTX);
    net_pass(&l.net, MS(100));
    assert_peer_said(remote, "CREATE svc;");
    local_close(&l);
    peer_free(remote);
}

/* A remote whose link is removed for good. */
static void remote_is_removed(void **state)
{
    struct local l;

    (void)state;
    cat_joined(&l);
    rpr_link_unregister(rpr_cable_link(l.to_droid, RPR_CABLE_A));
    (void)net_settle(&l.net);
    assert_non_null(strstr(l.net.w.events, "ended lost;"));
    add_extra(&l); /* another one of that service is not the one that was named */
    ept_open(&l.far2, device_of(l.extra, "audio"), "svc");
    (void)net_settle(&l.net);
    assert_null(strstr(l.net.w.events, "far2:bound"));
    local_close(&l);
}

/* Through a hub: the loss of the remote CPU is a loss, though the link to the hub is well. */
static void routed_remote_is_lost(void **state)
{
    struct local l;
    struct rpr_edge *edge;
    struct peer *hub;

    (void)state;
    local_init(&l);
    assert_int_equal(rpr_edge_open(l.audio, &edge), 0);
    hub = peer_new(&l.net, l.audio, "ap");
    peer_up(hub, RPR_DIALECT_NUTTX);
    peer_create(hub, "router:far", 1024);
    (void)net_settle(&l.net);
    (void)peer_said(hub);
    peer_router(hub, 1024, "router:far",
                (struct router_message){
                    .cmd = ROUTER_CREATE, .tx_len = 400, .rx_len = 400, .cpuname = "audio"});
    (void)net_settle(&l.net);
    assert_int_equal(open_route(&l, "far"), 0);
    program_opens(&l);
    assert_peer_said(hub, "1024:HELLO;CREATE r:far:svc;");
    peer_ack(hub, "r:far:svc", 1050);
    (void)net_settle(&l.net);
    assert_non_null(strstr(l.net.w.events, "prog:bound"));
    l.net.w.events[0] = '\0';
    assert_int_equal(ept_send(&l.prog, "x"), 0);
    (void)net_settle(&l.net);
    assert_peer_said(hub, "1050:x;");
    peer_send(hub, 9, "r:far:svc", "y");
    peer_router(hub, 1024, "router:far", (struct router_message){.cmd = ROUTER_DESTROY});
    (void)net_settle(&l.net);
    assert_non_null(strstr(l.net.w.events, "prog:rx y;"));
    assert_non_null(strstr(l.net.w.events, "ended lost;"));
    rpr_client_route_close(l.route);
    (void)net_settle(&l.net);
    assert_int_equal(l.n_closed, 1);
    rpr_edge_close(edge);
    local_close(&l);
    peer_free(hub);
}

/* A name that a routed device cannot carry. */
static void too_long_for_a_routed_remote(void **state)
{
    struct local l;
    struct rpr_edge *edge;
    struct peer *hub;
    struct rpr_client_config config = {.service = "1234567890123456789012", .device = "far"};

    (void)state;
    local_init(&l);
    assert_int_equal(rpr_edge_open(l.audio, &edge), 0);
    hub = peer_new(&l.net, l.audio, "ap");
    peer_up(hub, RPR_DIALECT_NUTTX);
    peer_create(hub, "router:far", 1024);
    (void)net_settle(&l.net);
    (void)peer_said(hub);
    peer_router(hub, 1024, "router:far",
                (struct router_message){
                    .cmd = ROUTER_CREATE, .tx_len = 400, .rx_len = 400, .cpuname = "audio"});
    (void)net_settle(&l.net);
    config.client = device_of(l.audio, "#1");
    assert_int_equal(rpr_client_route_open(l.audio, &config, &l.route), -RPR_ENAMETOOLONG);
    l.route = NULL;
    rpr_edge_close(edge);
    local_close(&l);
    peer_free(hub);
}

/* ---- peers that do not acknowledge ------------------------------------------------------------------- */

/* Linux says nothing to an announcement: the route learns its peer from the first message, and that
 * message is not lost. */
static void linux_remote_speaks_first(void **state)
{
    struct local l;
    struct peer *linux_;

    (void)state;
    local_init(&l);
    linux_ = peer_new(&l.net, l.audio, "linux");
    peer_up(linux_, RPR_DIALECT_LINUX);
    assert_int_equal(open_route(&l, "linux"), 0);
    program_opens(&l);
    assert_peer_said(linux_, "CREATE svc;");
    assert_events(&l.net.w, "");
    peer_send(linux_, 1030, "svc", "hello");
    (void)net_settle(&l.net);
    assert_non_null(strstr(l.net.w.events, "prog:bound"));
    assert_non_null(strstr(l.net.w.events, "prog:rx hello;"));
    assert_int_equal(ept_send(&l.prog, "back"), 0);
    (void)net_settle(&l.net);
    assert_peer_said(linux_, "1030:back;");
    local_close(&l);
    peer_free(linux_);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cat_sends_and_closes),
        cmocka_unit_test(listen_hears_all_and_then_the_end),
        cmocka_unit_test(programs_are_no_remotes),
        cmocka_unit_test(closed_inside_ended),
        cmocka_unit_test(remote_from_a_changed_address),
        cmocka_unit_test(program_was_there_first),
        cmocka_unit_test(closed_from_here),
        cmocka_unit_test(open_is_checked),
        cmocka_unit_test(one_serves),
        cmocka_unit_test(names_of_the_node_itself),
        cmocka_unit_test(a_service_and_a_program_of_one_name),
        cmocka_unit_test(one_route_behind_a_hub),
        cmocka_unit_test(next_remote_is_taken_by_the_same_route),
        cmocka_unit_test(next_remote_is_taken_by_the_next_route),
        cmocka_unit_test(program_never_announced),
        cmocka_unit_test(close_waits_for_what_was_taken),
        cmocka_unit_test(link_goes_while_it_closes),
        cmocka_unit_test(remote_goes_while_it_closes),
        cmocka_unit_test(ended_lost_comes_after_the_data),
        cmocka_unit_test(killed_with_its_ring_full),
        cmocka_unit_test(announced_again_after_a_loss),
        cmocka_unit_test(announced_again_after_a_loss_during_back_off),
        cmocka_unit_test(looked_for_after_a_loss),
        cmocka_unit_test(remote_is_removed),
        cmocka_unit_test(routed_remote_is_lost),
        cmocka_unit_test(too_long_for_a_routed_remote),
        cmocka_unit_test(linux_remote_speaks_first),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
