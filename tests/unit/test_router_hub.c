/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The hub as a whole: pairs that come and go, its orderly end, what is parked when something ends,
 * power, and many edges.
 */
#include "router_fixture.h"

#define AUDIO (s.edge[0])
#define DROID (s.edge[1])

/* ---- configuration ---------------------------------------------------------------------------- */

static void pairs_are_checked(void **state)
{
    static const char *const empty[] = {"a", "", NULL};
    static const char *const too_long[] = {"1234567890123456789012", NULL};
    struct net net;
    struct rpr_hub *hub;

    (void)state;
    net_init(&net);
    assert_int_equal(rpr_hub_open(net_node(&net, "ap"), &hub), 0);
#define ADD(...) rpr_hub_pair_add(hub, &(struct rpr_pair_config){.block_ms = 0, __VA_ARGS__})
    assert_int_equal(ADD(.a = "audio", .b = "droid"), 0);
    assert_int_equal(ADD(.a = "audio", .b = "droid"), -RPR_EEXIST);
    assert_int_equal(ADD(.a = "droid", .b = "audio"), -RPR_EEXIST);
    assert_int_equal(ADD(.a = "audio", .b = "audio"), -RPR_EINVAL);
    assert_int_equal(ADD(.a = "audio", .b = NULL), -RPR_EINVAL);
    assert_int_equal(ADD(.a = "au dio", .b = "droid"), -RPR_EINVAL);
    assert_int_equal(ADD(.a = "audio", .b = "12345678"), -RPR_ENAMETOOLONG);
    assert_int_equal(ADD(.a = "a", .b = "b", .services = empty), -RPR_EINVAL);
    assert_int_equal(ADD(.a = "a", .b = "b", .services = too_long), -RPR_ENAMETOOLONG);
    assert_int_equal(ADD(.a = NULL, .b = NULL), 0);
    assert_int_equal(ADD(.a = NULL, .b = NULL), -RPR_EEXIST);
    assert_int_equal(ADD(.a = "a", .b = "1234567"), 0);
#undef ADD
    assert_int_equal(rpr_hub_pair_remove(hub, "a", "b"), -RPR_ENOENT);
    assert_int_equal(rpr_hub_pair_remove(hub, "droid", "audio"), 0);
    assert_int_equal(rpr_hub_pair_remove(hub, "droid", "audio"), -RPR_ENOENT);
    assert_int_equal(rpr_hub_pair_remove(hub, NULL, NULL), 0);
    assert_int_equal(rpr_hub_pair_remove(hub, NULL, NULL), -RPR_ENOENT);
    rpr_hub_close(hub);
    assert_net_closed(&net);
}

/* Answers all that wants an answer, from addresses that grow. */
static void answer_control(struct star *s, uint32_t base)
{
    for (unsigned i = 0; i < 2; i++)
        peer_ack(s->edge[i], star_control[i], base + i);
    star_settle(s);
}

/* A pair has the settings of its own name, or those of "every pair", never both. */
static void own_settings_replace_those_of_every_pair(void **state)
{
    static const char *const services[] = {"mine", NULL};
    struct star s;

    (void)state;
    memset(&s, 0, sizeof s);
    net_init(&s.net);
    s.ap = net_node(&s.net, "ap");
    assert_int_equal(rpr_hub_open(s.ap, &s.hub), 0);
    assert_int_equal(rpr_hub_pair_add(s.hub, &(struct rpr_pair_config){0}), 0);
    for (unsigned i = 0; i < 2; i++)
        s.edge[i] = peer_new(&s.net, s.ap, star_cpu[i]);
    star_up(&s, RPR_DIALECT_NUTTX, RPR_DIALECT_NUTTX);
    peer_create(AUDIO, "r:droid:any", 1100);
    star_settle(&s);
    assert_peer_said(DROID, "CREATE r:audio:any;");
    assert_int_equal(
        rpr_hub_pair_add(
            s.hub, &(struct rpr_pair_config){.a = "droid", .b = "audio", .services = services}),
        0);
    star_settle(&s);
    assert_peer_said(AUDIO, "1040:DESTROY;DESTROY router:droid;CREATE router:droid;");
    assert_peer_said(DROID, "1041:DESTROY;DESTROY router:audio;CREATE router:audio;");
    answer_control(&s, 1050);
    assert_peer_said(AUDIO, "1050:CREATE;");
    assert_peer_said(DROID, "1051:CREATE;");
    peer_create(AUDIO, "r:droid:any", 1101);
    peer_create(AUDIO, "r:droid:mine", 1102);
    star_settle(&s);
    assert_peer_said(DROID, "CREATE r:audio:mine;");
    assert_int_equal(n_routes(s.ap), 1);

    assert_int_equal(rpr_hub_pair_remove(s.hub, "audio", "droid"), 0);
    star_settle(&s); /* and back */
    assert_peer_said(AUDIO, "1050:DESTROY;DESTROY router:droid;CREATE router:droid;");
    assert_peer_said(DROID, "1051:DESTROY;DESTROY router:audio;CREATE router:audio;");
    answer_control(&s, 1060);
    (void)peer_said(DROID);
    peer_create(AUDIO, "r:droid:any", 1103);
    star_settle(&s);
    assert_peer_said(DROID, "CREATE r:audio:any;");
    star_close(&s);
}

/* "Every pair" forgets the names of links that are gone. */
static void every_pair_forgets(void **state)
{
    struct star s;
    unsigned n_live = 0;

    (void)state;
    memset(&s, 0, sizeof s);
    net_init(&s.net);
    s.ap = net_node(&s.net, "ap");
    assert_int_equal(rpr_hub_open(s.ap, &s.hub), 0);
    assert_int_equal(rpr_hub_pair_add(s.hub, &(struct rpr_pair_config){0}), 0);
    s.edge[0] = peer_new(&s.net, s.ap, "audio");
    peer_up(AUDIO, RPR_DIALECT_NUTTX);
    for (unsigned i = 0; i < 5; i++) {
        char name[8];

        snprintf(name, sizeof name, "x%u", i);
        s.edge[1] = peer_new(&s.net, s.ap, name);
        peer_up(DROID, RPR_DIALECT_NUTTX);
        star_settle(&s);
        assert_int_equal(peer_said(AUDIO)[0], 'C');
        rpr_link_unregister(&DROID->wire->link);
        star_settle(&s);
        (void)peer_said(AUDIO);
        peer_free(DROID);
        if (i == 1)
            n_live = s.net.w.n_live;
    }
    assert_int_equal(s.net.w.n_live, n_live);
    assert_true(rpr_hub_stop(s.hub)); /* and begins nothing at its end */
    s.edge[1] = peer_new(&s.net, s.ap, "last");
    peer_up(DROID, RPR_DIALECT_NUTTX);
    star_settle(&s);
    assert_peer_said(AUDIO, "");
    assert_peer_said(DROID, "");
    star_close(&s);
}

/* A pair for which there was no memory when its link came is made later. */
static void every_pair_has_no_memory(void **state)
{
    struct star s;
    unsigned n_of_a_link;

    (void)state;
    memset(&s, 0, sizeof s);
    net_init(&s.net);
    s.ap = net_node(&s.net, "ap");
    assert_int_equal(rpr_hub_open(s.ap, &s.hub), 0);
    assert_int_equal(rpr_hub_pair_add(s.hub, &(struct rpr_pair_config){0}), 0);
    s.net.w.n_allocs = 0;
    s.edge[0] = peer_new(&s.net, s.ap, star_cpu[0]);
    n_of_a_link = s.net.w.n_allocs;
    peer_up(AUDIO, RPR_DIALECT_NUTTX);
    star_settle(&s);
    assert_peer_said(AUDIO, "");
    s.net.w.fail_in = n_of_a_link + 1; /* the pair is what comes after that */
    s.edge[1] = peer_new(&s.net, s.ap, star_cpu[1]);
    assert_int_equal(s.net.w.fail_in, 0);
    peer_up(DROID, RPR_DIALECT_NUTTX);
    star_settle(&s);
    assert_peer_said(AUDIO, "");
    net_pass(&s.net, S(1));
    assert_peer_said(AUDIO, "CREATE router:droid;");
    assert_peer_said(DROID, "CREATE router:audio;");
    star_close(&s);
}

/* False: there were fewer allocations than that. */
static bool pair_without(unsigned nth)
{
    struct star s;
    bool failed;

    memset(&s, 0, sizeof s);
    net_init(&s.net);
    s.ap = net_node(&s.net, "ap");
    for (unsigned i = 0; i < 2; i++) {
        s.edge[i] = peer_new(&s.net, s.ap, star_cpu[i]);
        peer_up(s.edge[i], RPR_DIALECT_NUTTX);
    }
    assert_int_equal(rpr_hub_open(s.ap, &s.hub), 0);
    s.net.w.fail_in = nth;
    assert_int_equal(rpr_hub_pair_add(s.hub, &(struct rpr_pair_config){.a = "audio", .b = "droid"}),
                     0);
    star_settle(&s);
    failed = s.net.w.fail_in == 0;
    s.net.w.fail_in = 0;
    net_pass(&s.net, S(1));
    assert_peer_said(AUDIO, "CREATE router:droid;");
    assert_peer_said(DROID, "CREATE router:audio;");
    star_close(&s);
    return failed;
}

/* And so is a control endpoint, of which only the hub knows. The pair itself is the first allocation,
 * which the caller hears of. */
static void a_control_endpoint_has_no_memory(void **state)
{
    unsigned n = 2;

    (void)state;
    while (pair_without(n))
        n++;
    assert_true(n > 4);
}

/* Links that come later, go for good, and come again, before the hub and after it. */
static void links_come_and_go(void **state)
{
    struct star s;

    (void)state;
    memset(&s, 0, sizeof s);
    net_init(&s.net);
    s.ap = net_node(&s.net, "ap");
    s.edge[0] = peer_new(&s.net, s.ap, "audio"); /* before there is a hub */
    peer_up(AUDIO, RPR_DIALECT_NUTTX);
    assert_int_equal(rpr_hub_open(s.ap, &s.hub), 0);
    assert_int_equal(rpr_hub_pair_add(s.hub, &(struct rpr_pair_config){.a = "audio", .b = "droid"}),
                     0);
    star_settle(&s);
    assert_peer_said(AUDIO, ""); /* nothing is offered that does not exist */
    for (unsigned i = 0; i < 3; i++) {
        s.edge[1] = peer_new(&s.net, s.ap, "droid");
        peer_up(DROID, RPR_DIALECT_NUTTX);
        star_settle(&s);
        assert_peer_said(AUDIO, "CREATE router:droid;");
        assert_peer_said(DROID, "CREATE router:audio;");
        answer_control(&s, 1050);
        assert_peer_said(AUDIO, "1050:CREATE;");
        assert_peer_said(DROID, "1051:CREATE;");
        peer_create(AUDIO, "r:droid:svc", 1100);
        peer_create(DROID, "r:audio:svc", 1200);
        star_settle(&s);
        (void)peer_said(AUDIO);
        assert_int_equal(n_routes(s.ap), 1);
        if (i == 2)
            break;
        rpr_link_unregister(&DROID->wire->link);
        star_settle(&s);
        assert_peer_said(AUDIO, "1050:DESTROY;DESTROY router:droid;");
        assert_int_equal(n_routes(s.ap), 0);
        peer_free(DROID);
    }
    star_close(&s);
}

/* ---- the orderly end -------------------------------------------------------------------------- */

static void stop_tells_all(void **state)
{
    struct star s;

    (void)state;
    star_nuttx(&s);
    peer_create(AUDIO, "r:droid:svc", 1100);
    peer_create(DROID, "r:audio:svc", 1200);
    star_settle(&s);
    (void)peer_said(AUDIO);
    (void)peer_said(DROID);
    DROID->wire->n_free = 0;
    assert_false(rpr_hub_stop(s.hub));
    assert_int_equal(n_routes(s.ap), 0);
    star_pass_ms(&s, 5);
    assert_false(rpr_hub_stop(s.hub));
    assert_peer_said(AUDIO, "1040:DESTROY;");
    for (unsigned i = 0; i < 2; i++)
        DROID->wire->free[DROID->wire->n_free++] = i;
    star_pass_ms(&s, 10);
    assert_true(rpr_hub_stop(s.hub));
    assert_peer_said(DROID, "1041:DESTROY;");
    peer_down(DROID); /* nothing begins anew */
    peer_up(DROID, RPR_DIALECT_NUTTX);
    star_settle(&s);
    (void)peer_said(DROID);
    peer_ack(DROID, "router:audio", 1050);
    star_settle(&s);
    assert_peer_said(AUDIO, "");
    assert_peer_said(DROID, "");
    star_close(&s);
}

static void walkthrough_b2_hub_closes_without_stop(void **state)
{
    struct star s;

    (void)state;
    star_nuttx(&s);
    peer_create(AUDIO, "r:droid:svc", 1100);
    peer_create(DROID, "r:audio:svc", 1200);
    star_settle(&s);
    (void)peer_said(AUDIO);
    (void)peer_said(DROID);
    rpr_hub_close(s.hub);
    assert_int_equal(n_routes(s.ap), 0);
    star_settle(&s);
    assert_peer_said(AUDIO, "1040:DESTROY;DESTROY router:droid;");
    assert_peer_said(DROID, "1041:DESTROY;DESTROY router:audio;");
    assert_int_equal(rpr_hub_open(s.ap, &s.hub), 0); /* and again */
    assert_int_equal(rpr_hub_pair_add(s.hub, &(struct rpr_pair_config){0}), 0);
    star_settle(&s);
    assert_peer_said(AUDIO, "CREATE router:droid;");
    star_close(&s);
}

/* ---- what is parked when something ends --------------------------------------------------------- */

static void star_parked(struct star *s, unsigned n)
{
    char text[16];

    star_nuttx(s);
    peer_create(s->edge[0], "r:droid:svc", 1100);
    peer_create(s->edge[1], "r:audio:svc", 1200);
    star_settle(s);
    (void)peer_said(s->edge[0]);
    (void)peer_said(s->edge[1]);
    s->edge[1]->wire->n_free = 0;
    for (unsigned i = 0; i < n; i++) {
        snprintf(text, sizeof text, "m%u", i);
        peer_send(s->edge[0], 1, "r:droid:svc", text);
    }
    star_settle(s);
    assert_int_equal(routes_of(s->ap, "svc", "audio").parked, n);
}

static void droid_takes(struct star *s, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        s->edge[1]->wire->free[s->edge[1]->wire->n_free++] = 100 + i;
    star_pass_ms(s, 6);
}

/* The end of audio's endpoint reaches droid after all that audio had sent, however slowly. */
static void parked_goes_before_destroy(void **state)
{
    struct star s;

    (void)state;
    star_parked(&s, 3);
    peer_destroy(AUDIO, "r:droid:svc", 1100);
    star_settle(&s);
    assert_int_equal(routes_of(s.ap, "svc", "audio").parked, 3);
    assert_peer_said(DROID, "");
    peer_send(DROID, 1, "r:audio:svc", "to nobody");
    star_settle(&s);
    assert_peer_said(AUDIO, "");
    assert_int_equal(routes_of(s.ap, "svc", "droid").dropped, 1);
    droid_takes(&s, 2);
    assert_peer_said(DROID, "1200:m0;");
    star_pass_ms(&s, 6); /* peer_said() has given one back */
    assert_peer_said(DROID, "1200:m1;");
    star_pass_ms(&s, 6);
    assert_peer_said(DROID, "1200:m2;DESTROY r:audio:svc;");
    assert_peer_said(AUDIO, "");
    star_pass_ms(&s, 10);
    assert_peer_said(AUDIO, "CREATE r:droid:svc;"); /* droid had announced, and has not withdrawn */
    star_close(&s);
}

/* audio opens anew while its old messages are still parked: they are not for the new one's peer. */
static void parked_and_opened_anew(void **state)
{
    struct star s;

    (void)state;
    star_parked(&s, 2);
    peer_destroy(AUDIO, "r:droid:svc", 1100);
    peer_create(AUDIO, "r:droid:svc", 1101);
    star_settle(&s);
    assert_peer_said(AUDIO, "");
    droid_takes(&s, 5);
    assert_peer_said(DROID, "1200:m0;1200:m1;DESTROY r:audio:svc;ACK r:audio:svc;");
    assert_peer_said(AUDIO, "DESTROY r:droid:svc;ACK r:droid:svc;"); /* H-29: see must_hear() */
    peer_send(AUDIO, 1, "r:droid:svc", "new");
    star_settle(&s);
    assert_peer_said(DROID, "1200:new;");
    star_close(&s);
}

/* Both are gone: nobody waits for what is parked. */
static void parked_and_receiver_closes(void **state)
{
    struct star s;

    (void)state;
    star_parked(&s, 3);
    peer_destroy(AUDIO, "r:droid:svc", 1100);
    star_settle(&s);
    peer_destroy(DROID, "r:audio:svc", 1200);
    star_settle(&s);
    assert_int_equal(n_routes(s.ap), 0);
    droid_takes(&s, 5);
    assert_peer_said(DROID, "DESTROY r:audio:svc;"); /* it has never said that it heard our ACK */
    star_close(&s);
}

/* While it ends in order its link is lost: droid has heard ROUTER_DESTROY, and nothing of the old
 * session comes after that. */
static void parked_and_link_is_lost(void **state)
{
    struct star s;
    bool in_order = true;

    (void)state;
    do {
        in_order = !in_order;
        star_parked(&s, 3);
        if (in_order)
            peer_destroy(AUDIO, "r:droid:svc", 1100);
        star_settle(&s);
        peer_down(AUDIO);
        star_settle(&s);
        assert_int_equal(n_routes(s.ap), 0);
        droid_takes(&s, 8);
        assert_peer_said(DROID, "1041:DESTROY;");
        peer_up(AUDIO, RPR_DIALECT_NUTTX);
        star_settle(&s);
        peer_said(AUDIO);
        peer_ack(AUDIO, "router:droid", 1050);
        star_settle(&s);
        peer_create(AUDIO, "r:droid:svc", 1101);
        star_settle(&s);
        assert_peer_said(DROID, "1041:CREATE;CREATE r:audio:svc;");
        star_close(&s);
    } while (!in_order);
}

/* ---- observers may do anything -------------------------------------------------------------------- */

struct meddler {
    struct rpr_observer observer;
    struct star *s;
    enum rpr_event_kind kind;
    const char *name;
    unsigned skip;
    bool close; /* the hub, not only the pair */
};

static void meddle(void *ctx, const struct rpr_event *event)
{
    struct meddler *m = ctx;

    if (event->kind != m->kind || (m->name && strcmp(event->name, m->name) != 0) || !m->s->hub ||
        m->skip-- != 0)
        return;
    if (m->close) {
        rpr_hub_close(m->s->hub);
        m->s->hub = NULL;
    } else {
        assert_int_equal(rpr_hub_pair_remove(m->s->hub, "audio", "droid"), 0);
    }
}

static void a_life(struct star *s)
{
    peer_create(s->edge[0], "r:droid:svc", 1100);
    star_settle(s);
    (void)peer_said(s->edge[1]);
    peer_ack(s->edge[1], "r:audio:svc", 1200);
    star_settle(s);
    (void)peer_said(s->edge[0]);
    peer_destroy(s->edge[1], "r:audio:svc", 1200);
    star_pass_ms(s, 10);
    peer_create(s->edge[1], "r:audio:svc", 1201);
    star_settle(s);
    peer_down(s->edge[0]);
    star_settle(s);
}

static void the_pair_goes_inside_any_event(void **state)
{
    static const enum rpr_event_kind kinds[] = {
        RPR_EVENT_DEVICE_STATE, RPR_EVENT_EPT_OPENED, RPR_EVENT_EPT_BOUND,
        RPR_EVENT_EPT_UNBOUND,  RPR_EVENT_EPT_CLOSED, RPR_EVENT_ROUTE,
    };

    (void)state;
    for (unsigned k = 0; k < sizeof kinds / sizeof *kinds; k++) {
        for (unsigned skip = 0; skip < 6; skip++) {
            for (unsigned close = 0; close < 2; close++) {
                struct star s;
                struct meddler m = {.observer = {.event = meddle, .ctx = &m},
                                    .s = &s,
                                    .kind = kinds[k],
                                    .skip = skip,
                                    .close = close};

                star_nuttx(&s);
                rpr_observer_add(s.ap, &m.observer);
                if (k % 2 == 0) { /* before the hub's own */
                    rpr_observer_remove(s.ap, &m.observer);
                    rpr_observer_add(s.ap, &m.observer);
                }
                a_life(&s);
                rpr_observer_remove(s.ap, &m.observer);
                star_close(&s);
            }
        }
    }
}

/* ---- nodes of ours ---------------------------------------------------------------------------------- */

/* The far end closes: closed. Its CPU, link or hub goes: lost. */
static void reasons_of_unbound(void **state)
{
    struct fan f;
    struct ept x, y;

    (void)state;
    fan_init(&f, 2, (struct rpr_pair_config){.a = "e0", .b = "e1"}, with_credit);
    x = (struct ept)EPT(&f.net.w, "x");
    y = (struct ept)EPT(&f.net.w, "y");
    ept_open(&x, fan_device(&f, 0, 1), "svc");
    (void)net_settle(&f.net);
    for (unsigned i = 0; i < 2; i++) {
        ept_open(&y, fan_device(&f, 1, 0), "svc");
        net_pass(&f.net, MS(30));
        assert_non_null(strstr(f.net.w.events, "x:bound"));
        assert_int_equal(ept_send(&y, "last"), 0);
        assert_int_equal(rpr_ept_close(y.h), 0);
        f.net.w.events[0] = '\0';
        net_pass(&f.net, MS(1));
        assert_events(&f.net.w, "x:rx last;x:unbound closed;");
        y.n_closed = 0;
    }
    ept_open(&y, fan_device(&f, 1, 0), "svc");
    net_pass(&f.net, MS(100));
    f.net.w.events[0] = '\0';
    rpr_cable_cut(f.cable[1]);
    net_pass(&f.net, MS(1));
    assert_events(&f.net.w, "x:unbound lost;y:unbound lost;");
    assert_int_equal(n_routes(f.ap), 0);
    assert_int_equal(rpr_device_state(fan_device(&f, 0, 1)), RPR_DEVICE_DOWN);
    rpr_cable_mend(f.cable[1]);
    net_pass(&f.net, MS(200));
    assert_non_null(strstr(f.net.w.events, "x:bound"));
    assert_non_null(strstr(f.net.w.events, "y:bound"));
    f.net.w.events[0] = '\0';
    assert_int_equal(rpr_hub_pair_remove(f.hub, "e0", "e1"), 0);
    net_pass(&f.net, MS(1));
    assert_events(&f.net.w, "x:unbound lost;y:unbound lost;");
    fan_close(&f);
}

/* An edge that says only by HELLO that it is one of ours takes part in credit all the same, for
 * routes too that were announced to it before. */
static void credit_is_agreed_by_hello(void **state)
{
    struct fan f;
    struct ept x, y;
    unsigned n = 0;

    (void)state;
    fan_init(&f, 2, (struct rpr_pair_config){.a = "e0", .b = "e1", .quota = 8},
             (struct rpr_cable_config){.credit = false, .buffers = 32});
    x = (struct ept)EPT(&f.net.w, "x");
    y = (struct ept)EPT(&f.net.w, "y");
    ept_open(&y, fan_device(&f, 1, 0), "svc");
    net_pass(&f.net, MS(1));
    ept_open(&x, fan_device(&f, 0, 1), "svc");
    net_pass(&f.net, MS(1));
    assert_int_equal(routes_of(f.ap, "svc", "e0").policy, RPR_POLICY_CREDIT);
    assert_int_equal(routes_of(f.ap, "svc", "e1").policy, RPR_POLICY_CREDIT);
    f.net.w.events[0] = '\0';
    for (unsigned i = 0; i < 1000; i++) { /* e1 does not run */
        if (ept_send(&x, "x") == 0)
            n++;
        (void)rpr_node_poll(f.e[0], f.net.w.now, 0);
        (void)rpr_node_poll(f.ap, f.net.w.now, 0);
    }
    assert_true(n < 64);
    assert_int_equal(ept_send(&x, "x"), -RPR_EAGAIN);
    net_pass(&f.net, MS(10));
    assert_int_equal(y.n_rx, n);
    assert_int_equal(routes_of(f.ap, "svc", NULL).dropped, 0);
    fan_close(&f);
}

/* A half that is announced before the edge has said HELLO. */
static void halves_older_than_hello_have_credit(void **state)
{
    struct star s;

    (void)state;
    star_nuttx(&s);
    peer_create(DROID, "r:audio:svc", 1200);
    star_settle(&s);
    assert_peer_said(AUDIO, "CREATE r:droid:svc;"); /* HELLO is still on its way */
    peer_hello(AUDIO, 1040, "router:droid");
    peer_ack(AUDIO, "r:droid:svc", 1100);
    star_settle(&s);
    assert_int_equal(routes_of(s.ap, "svc", "audio").policy, RPR_POLICY_CREDIT);
    assert_int_equal(routes_of(s.ap, "svc", "droid").policy, RPR_POLICY_DROP_NEWEST);
    {
        struct wire_message m; /* and is granted some, as much as can be parked and no more */
        bool granted = false;

        while (wire_get(AUDIO->wire, &m, true)) {
            struct credit_entry c;

            if (m.dst != RPMSG_ADDR_CREDIT)
                continue;
            credit_decode(&c, m.data);
            granted = c.addr == 1100;
            assert_true(c.limit <= 8);
        }
        assert_true(granted);
    }
    star_close(&s);
}

/* Whatever is said of sleep, the last word counts, on both sides at once. */
static void field_3_7_both_edges_change_at_once(void **state)
{
    struct fan f;
    struct rpr_device *to[2];

    (void)state;
    fan_init(&f, 2, (struct rpr_pair_config){.a = "e0", .b = "e1"},
             (struct rpr_cable_config){.credit = true, .buffers = 2});
    for (unsigned i = 0; i < 2; i++)
        to[i] = fan_device(&f, i, !i);
    for (unsigned last = 0; last < 4; last++) {
        for (unsigned n = 0; n < 1000; n++) {
            for (unsigned i = 0; i < 2; i++)
                assert_int_equal(rpr_device_power(to[i], n & 1), 0);
            if (n % 97 == 0)
                (void)rpr_node_poll(f.ap, f.net.w.now, 0);
        }
        for (unsigned i = 0; i < 2; i++)
            assert_int_equal(rpr_device_power(to[i], (last >> i) & 1), 0);
        net_pass(&f.net, MS(50));
        for (unsigned i = 0; i < 2; i++)
            assert_int_equal(rpr_device_state(to[!i]),
                             (last >> i) & 1 ? RPR_DEVICE_UP : RPR_DEVICE_SUSPENDED);
    }
    for (unsigned i = 0; i < 2; i++)
        assert_int_equal(rpr_device_power(to[i], false), 0);
    net_pass(&f.net, MS(5));
    rpr_cable_cut(f.cable[1]); /* who comes anew is awake until he says otherwise */
    net_pass(&f.net, MS(5));
    rpr_cable_mend(f.cable[1]);
    net_pass(&f.net, MS(50));
    for (unsigned i = 0; i < 2; i++)
        assert_int_equal(rpr_device_state(to[i]), RPR_DEVICE_UP);
    fan_close(&f);
}

/* The same by the power state of the links, with NuttX edges. */
static void field_4_8_last_power_state_wins(void **state)
{
    struct star s;
    char last[2][16];

    (void)state;
    star_nuttx(&s);
    for (unsigned final = 0; final < 4; final++) {
        for (unsigned n = 0; n < 1000; n++) {
            for (unsigned i = 0; i < 2; i++)
                rpr_link_power(&s.edge[i]->wire->link, n & 1);
        }
        assert_int_equal(AUDIO->wire->n_free, 0); /* more than the links take */
        for (unsigned i = 0; i < 2; i++)
            rpr_link_power(&s.edge[i]->wire->link, (final >> i) & 1);
        for (unsigned round = 0; round < 2; round++) {
            for (unsigned i = 0; i < 2; i++) {
                const char *said = peer_said(s.edge[!i]);
                size_t n = strlen(said);

                if (!n)
                    continue; /* it is as it was */
                while (n > 1 && said[n - 2] != ';')
                    n--;
                snprintf(last[i], sizeof last[i], "%s", strchr(said + n - 1, ':') + 1);
            }
            star_pass_ms(&s, 10);
        }
        for (unsigned i = 0; i < 2; i++) {
            assert_string_equal(last[i], (final >> i) & 1 ? "RESUME;" : "SUSPEND;");
        }
    }
    star_close(&s);
}

/* ---- several at once ------------------------------------------------------------------------------------ */

/* ap is the hub of e0 and e1, and itself an edge of "bp", by which it reaches "far". */
static void hub_and_edge_at_once(void **state)
{
    struct net net;
    struct rpr_node *ap, *bp, *e0, *e1, *far;
    struct rpr_hub *hub_ap, *hub_bp;
    struct rpr_edge *edge[4];
    struct rpr_cable *cable[4];
    struct ept x0, x1, y0, y1;

    (void)state;
    net_init(&net);
    ap = net_node(&net, "ap");
    bp = net_node(&net, "bp");
    e0 = net_node(&net, "e0");
    e1 = net_node(&net, "e1");
    far = net_node(&net, "far");
    assert_int_equal(rpr_hub_open(ap, &hub_ap), 0);
    assert_int_equal(rpr_hub_open(bp, &hub_bp), 0);
    assert_int_equal(rpr_edge_open(ap, &edge[0]), 0);
    assert_int_equal(rpr_edge_open(e0, &edge[1]), 0);
    assert_int_equal(rpr_edge_open(e1, &edge[2]), 0);
    assert_int_equal(rpr_edge_open(far, &edge[3]), 0);
    assert_int_equal(rpr_hub_pair_add(hub_ap, &(struct rpr_pair_config){.a = "e0", .b = "e1"}), 0);
    assert_int_equal(rpr_hub_pair_add(hub_bp, &(struct rpr_pair_config){0}), 0);
    cable[0] = net_cable(&net, ap, e0, with_credit);
    cable[1] = net_cable(&net, ap, e1, with_credit);
    cable[2] = net_cable(&net, bp, ap, with_credit);
    cable[3] = net_cable(&net, bp, far, with_credit);
    net_pass(&net, MS(20));
    x0 = (struct ept)EPT(&net.w, "x0");
    x1 = (struct ept)EPT(&net.w, "x1");
    y0 = (struct ept)EPT(&net.w, "y0");
    y1 = (struct ept)EPT(&net.w, "y1");
    ept_open(&x0, device_of(e0, "e1"), "svc");
    ept_open(&x1, device_of(e1, "e0"), "svc");
    ept_open(&y0, device_of(ap, "far"), "svc");
    ept_open(&y1, device_of(far, "ap"), "svc");
    net_pass(&net, MS(20));
    net.w.events[0] = '\0';
    assert_int_equal(ept_send(&x0, "a"), 0);
    assert_int_equal(ept_send(&y0, "b"), 0);
    net_pass(&net, MS(1));
    assert_int_equal(ept_send(&x1, "c"), 0);
    assert_int_equal(ept_send(&y1, "d"), 0);
    net_pass(&net, MS(1));
    assert_int_equal(x0.n_rx + x1.n_rx + y0.n_rx + y1.n_rx, 4);
    assert_int_equal(x1.n_rx, 1);
    assert_int_equal(y0.n_rx, 1);
    assert_int_equal(n_routes(ap), 1);
    assert_int_equal(n_routes(bp), 1);
    rpr_hub_close(hub_ap);
    rpr_hub_close(hub_bp);
    for (unsigned i = 0; i < 4; i++)
        rpr_edge_close(edge[i]);
    net_close(&net);
    for (unsigned i = 0; i < 4; i++)
        rpr_cable_close(cable[i]);
    assert_int_equal(net.w.n_live, 0);
}

/* Every pair of 64 edges: one message each way between each two, none lost, and the hub's counters
 * say so. One edge goes: what belonged to it goes, and nothing else. */
static void field_4_12_every_pair_of_64_edges(void **state)
{
    static struct ept e[FAN_MAX][FAN_MAX];
    struct fan *f = calloc(1, sizeof *f);
    struct route_count c;
    unsigned long n = 0;

    (void)state;
    fan_init(f, FAN_MAX, (struct rpr_pair_config){0},
             (struct rpr_cable_config){.credit = true, .buffers = 256});
    for (unsigned i = 0; i < FAN_MAX; i++) {
        for (unsigned j = 0; j < FAN_MAX; j++) {
            if (i == j)
                continue;
            e[i][j] = (struct ept)EPT(&f->net.w, "e");
            ept_open(&e[i][j], fan_device(f, i, j), "svc");
        }
        f->net.w.events[0] = '\0';
    }
    net_pass(&f->net, MS(50));
    c = routes_of(f->ap, NULL, NULL);
    assert_int_equal(c.n, FAN_MAX * (FAN_MAX - 1));
    assert_int_equal(c.n_joined, c.n);
    f->net.w.events[0] = '\0';
    for (unsigned i = 0; i < FAN_MAX; i++)
        for (unsigned j = 0; j < FAN_MAX; j++)
            if (i != j)
                assert_int_equal(ept_send(&e[i][j], "x"), 0);
    net_pass(&f->net, MS(50));
    for (unsigned i = 0; i < FAN_MAX; i++)
        for (unsigned j = 0; j < FAN_MAX; j++)
            if (i != j) {
                assert_int_equal(e[i][j].n_rx, 1);
                n++;
            }
    c = routes_of(f->ap, NULL, NULL);
    assert_int_equal(c.forwarded, n);
    assert_int_equal(c.dropped + c.parked, 0);
    f->net.w.events[0] = '\0';
    rpr_cable_cut(f->cable[7]);
    net_pass(&f->net, MS(50));
    c = routes_of(f->ap, NULL, NULL);
    assert_int_equal(c.n, (FAN_MAX - 1) * (FAN_MAX - 2));
    assert_int_equal(c.n_joined, c.n);
    assert_int_equal(rpr_device_state(fan_device(f, 3, 7)), RPR_DEVICE_DOWN);
    assert_int_equal(rpr_device_state(fan_device(f, 3, 8)), RPR_DEVICE_UP);
    f->net.w.events[0] = '\0';
    rpr_cable_mend(f->cable[7]);
    net_pass(&f->net, S(6));
    assert_int_equal(routes_of(f->ap, NULL, NULL).n_joined, FAN_MAX * (FAN_MAX - 1));
    f->net.w.events[0] = '\0';
    fan_close(f);
    free(f);
}

/* ---- both sides flood ------------------------------------------------------------------------------------- */

#define FLOOD 3000u

struct flood {
    struct ept ept;
    unsigned n_sent, n_asked, n_answered;
    bool in_order;
};

/* Asks answer, or are put off until an answer can be sent; answers are counted. */
static enum rpr_rx_result on_flood(struct ept *e, const struct rpr_msg *msg)
{
    struct flood *f = e->more;
    char text[16];
    int error;

    e->world->events[0] = '\0';
    memcpy(text, msg->data, msg->len);
    text[msg->len] = '\0';
    if (text[0] == 'a') {
        f->in_order &= (unsigned)atoi(text + 1) == f->n_answered;
        f->n_answered++;
        return RPR_DONE;
    }
    f->in_order &= (unsigned)atoi(text + 1) == f->n_asked;
    text[0] = 'a';
    error = rpr_send(e->h, text, strlen(text), 0);
    if (error == -RPR_EAGAIN)
        return RPR_LATER;
    assert_int_equal(error, 0);
    f->n_asked++;
    return RPR_DONE;
}

static void ask(struct flood *f)
{
    char text[16];

    f->ept.world->events[0] = '\0';
    while (f->n_sent < FLOOD) {
        snprintf(text, sizeof text, "q%u", f->n_sent);
        if (rpr_send(f->ept.h, text, strlen(text), 0) != 0)
            return;
        f->n_sent++;
    }
}

static void on_flood_writable(struct ept *e)
{
    ask(e->more);
}

/* Two buffers each way on both links, both ends ask and answer as fast as they can. */
static void flood_from_both_sides(void **state)
{
    struct fan f;
    struct flood x[2];

    (void)state;
    fan_init(&f, 2, (struct rpr_pair_config){.a = "e0", .b = "e1"},
             (struct rpr_cable_config){.credit = true, .buffers = 2});
    for (unsigned i = 0; i < 2; i++) {
        x[i] = (struct flood){.ept = EPT(&f.net.w, i ? "y" : "x"), .in_order = true};
        x[i].ept.more = &x[i];
        x[i].ept.on_rx = on_flood;
        x[i].ept.on_writable = on_flood_writable;
        ept_open(&x[i].ept, fan_device(&f, i, !i), "svc");
    }
    net_pass(&f.net, MS(20));
    for (unsigned i = 0; i < 2; i++)
        ask(&x[i]);
    for (unsigned i = 0; i < 400 && (x[0].n_answered < FLOOD || x[1].n_answered < FLOOD); i++)
        net_pass(&f.net, MS(10));
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(x[i].n_sent, FLOOD);
        assert_int_equal(x[i].n_asked, FLOOD);
        assert_int_equal(x[i].n_answered, FLOOD);
        assert_true(x[i].in_order);
    }
    assert_int_equal(routes_of(f.ap, "svc", NULL).forwarded, 4 * FLOOD);
    assert_int_equal(routes_of(f.ap, "svc", NULL).dropped, 0);
    fan_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pairs_are_checked),
        cmocka_unit_test(own_settings_replace_those_of_every_pair),
        cmocka_unit_test(every_pair_forgets),
        cmocka_unit_test(every_pair_has_no_memory),
        cmocka_unit_test(a_control_endpoint_has_no_memory),
        cmocka_unit_test(links_come_and_go),
        cmocka_unit_test(stop_tells_all),
        cmocka_unit_test(walkthrough_b2_hub_closes_without_stop),
        cmocka_unit_test(parked_goes_before_destroy),
        cmocka_unit_test(parked_and_opened_anew),
        cmocka_unit_test(parked_and_receiver_closes),
        cmocka_unit_test(parked_and_link_is_lost),
        cmocka_unit_test(the_pair_goes_inside_any_event),
        cmocka_unit_test(reasons_of_unbound),
        cmocka_unit_test(credit_is_agreed_by_hello),
        cmocka_unit_test(halves_older_than_hello_have_credit),
        cmocka_unit_test(field_3_7_both_edges_change_at_once),
        cmocka_unit_test(field_4_8_last_power_state_wins),
        cmocka_unit_test(hub_and_edge_at_once),
        cmocka_unit_test(field_4_12_every_pair_of_64_edges),
        cmocka_unit_test(flood_from_both_sides),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
