/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One link of a hub ends in order (rpr_hub_leave()): what its edge hears, and in which order, by an
 * edge that has the habits of NuttX (WIRE 5.3, H-32), and what the others hear.
 */
#include "router_fixture.h"

#define AUDIO (s.edge[0])
#define DROID (s.edge[1])

/* audio has announced "svc" from 1100, droid has answered from 1200: joined. */
static void join(struct star *s)
{
    peer_create(s->edge[0], "r:droid:svc", 1100);
    star_settle(s);
    assert_peer_said(s->edge[1], "CREATE r:audio:svc;");
    peer_ack(s->edge[1], "r:audio:svc", 1200);
    star_settle(s);
    assert_peer_said(s->edge[0], "ACK r:droid:svc;");
}

static void star_joined(struct star *s)
{
    star_nuttx(s);
    join(s);
}

static bool leaves(struct star *s, unsigned i)
{
    return rpr_hub_leave(s->hub, device_of(s->ap, star_cpu[i]));
}

static void take_down(struct star *s, unsigned i)
{
    assert_int_equal(rpr_device_down(device_of(s->ap, star_cpu[i])), 0);
    assert_int_equal(s->edge[i]->wire->n_close, 1);
    star_settle(s);
}

/* `rpmsg up`: the pair comes back, and carries. */
static void comes_back(struct star *s, unsigned i)
{
    uint32_t control = 1050 + i;
    char text[32];

    assert_int_equal(rpr_device_up(device_of(s->ap, star_cpu[i])), 0);
    peer_up(s->edge[i], RPR_DIALECT_NUTTX);
    star_settle(s);
    snprintf(text, sizeof text, "CREATE %s;", star_control[i]);
    assert_peer_said(s->edge[i], text);
    assert_peer_said(s->edge[!i], "");
    peer_ack(s->edge[i], star_control[i], control);
    star_settle(s);
    snprintf(text, sizeof text, "%u:CREATE;", (unsigned)control);
    assert_peer_said(s->edge[i], text);
    assert_string_equal(strchr(peer_said(s->edge[!i]), ':'), ":CREATE;");
    join(s);
    peer_send(s->edge[0], 1, "r:droid:svc", "ping");
    star_settle(s);
    assert_peer_said(s->edge[1], "1200:ping;");
}

/* It destroys its device's endpoints, and says so: nothing is said to that, nor at the end. */
static void edge_answers(void **state)
{
    for (unsigned i = 0; i < 2; i++) {
        struct star s;

        (void)state;
        star_joined(&s);
        assert_true(leaves(&s, i));
        assert_int_equal(n_routes(s.ap), 0);
        assert_peer_said(AUDIO, "1040:DESTROY;");
        assert_peer_said(DROID, "1041:DESTROY;");
        assert_int_equal(s.edge[i]->wire->n_close, 0);
        peer_destroy(AUDIO, "r:droid:svc", 1100);
        peer_destroy(DROID, "r:audio:svc", 1200);
        star_pass_ms(&s, 50);
        assert_true(leaves(&s, i));
        assert_peer_said(AUDIO, "");
        assert_peer_said(DROID, "");
        take_down(&s, i);
        assert_peer_said(AUDIO, "");
        assert_peer_said(DROID, "");
        comes_back(&s, i);
        star_close(&s);
    }
}

/* It has been told, whatever it makes of that; it hears that once, and no new session begins, not
 * even for an edge that goes on as if nothing had been. */
static void edge_does_not_answer(void **state)
{
    struct star s;

    (void)state;
    star_joined(&s);
    assert_true(leaves(&s, 0));
    assert_peer_said(AUDIO, "1040:DESTROY;");
    assert_peer_said(DROID, "1041:DESTROY;");
    peer_create(AUDIO, "r:droid:more", 1101);
    for (unsigned ms = 0; ms < 500; ms += 10) {
        star_pass_ms(&s, 10);
        assert_true(leaves(&s, 0));
    }
    assert_int_equal(n_routes(s.ap), 0);
    take_down(&s, 0);
    assert_peer_said(AUDIO, "");
    assert_peer_said(DROID, "");
    comes_back(&s, 0);
    star_close(&s);
}

/* What is parked for it is not for it any more: ROUTER_DESTROY is the next it hears. */
static void ring_is_full(void **state)
{
    struct star s;

    (void)state;
    star_joined(&s);
    AUDIO->wire->n_free = 0;
    peer_send(DROID, 1, "r:audio:svc", "parked");
    star_settle(&s);
    assert_int_equal(routes_of(s.ap, "svc", NULL).parked, 1);
    assert_false(leaves(&s, 0));
    assert_peer_said(DROID, "1041:DESTROY;");
    star_pass_ms(&s, 100);
    assert_false(leaves(&s, 0));
    for (unsigned i = 0; i < 8; i++)
        AUDIO->wire->free[AUDIO->wire->n_free++] = i;
    star_pass_ms(&s, 10);
    assert_true(leaves(&s, 0));
    assert_peer_said(AUDIO, "1040:DESTROY;");
    take_down(&s, 0);
    assert_peer_said(AUDIO, "");
    assert_peer_said(DROID, "");
    comes_back(&s, 0);
    star_close(&s);
}

/* Nobody waits for ever: the link goes as it would by itself. */
static void ring_stays_full(void **state)
{
    struct star s;

    (void)state;
    star_joined(&s);
    AUDIO->wire->n_free = 0;
    assert_false(leaves(&s, 0));
    star_pass_ms(&s, 500);
    assert_false(leaves(&s, 0));
    take_down(&s, 0);
    assert_true(leaves(&s, 0)); /* no pair of it is left to wait for */
    assert_peer_said(AUDIO, "");
    assert_peer_said(DROID, "1041:DESTROY;");
    comes_back(&s, 0);
    star_close(&s);
}

/* The ring of the other edge is full: that is no reason to wait. */
static void far_ring_is_full(void **state)
{
    struct star s;

    (void)state;
    star_joined(&s);
    DROID->wire->n_free = 0;
    assert_true(leaves(&s, 0));
    assert_peer_said(AUDIO, "1040:DESTROY;");
    take_down(&s, 0);
    for (unsigned i = 0; i < 64; i++)
        DROID->wire->free[DROID->wire->n_free++] = i;
    star_pass_ms(&s, 10);
    assert_peer_said(DROID, "1041:DESTROY;");
    comes_back(&s, 0);
    star_close(&s);
}

/* The edge's daemon ends and comes again meanwhile: there is something to end once more. */
static void control_endpoint_comes_anew(void **state)
{
    struct star s;

    (void)state;
    star_joined(&s);
    assert_true(leaves(&s, 0));
    (void)peer_said(AUDIO);
    (void)peer_said(DROID);
    peer_destroy(AUDIO, "router:droid", 1040);
    star_pass_ms(&s, 10);
    assert_peer_said(AUDIO, "CREATE router:droid;");
    peer_ack(AUDIO, "router:droid", 1060);
    star_settle(&s);
    assert_peer_said(AUDIO, "1060:CREATE;");
    assert_true(leaves(&s, 0));
    assert_peer_said(AUDIO, "1060:DESTROY;");
    assert_peer_said(DROID, "1041:CREATE;1041:DESTROY;");
    take_down(&s, 0);
    assert_peer_said(AUDIO, "");
    comes_back(&s, 0);
    star_close(&s);
}

/* Of three edges one leaves, for good: the pair of the others goes on. */
static void others_stay(void **state)
{
    struct star s;
    struct peer *third;

    (void)state;
    star_init(&s, (struct rpr_pair_config){0});
    assert_int_equal(rpr_hub_pair_add(s.hub, &(struct rpr_pair_config){0}), 0);
    third = peer_new(&s.net, s.ap, "third");
    assert_true(rpr_hub_leave(s.hub, device_of(s.ap, "third"))); /* it never came */
    peer_up(AUDIO, RPR_DIALECT_NUTTX);
    peer_up(DROID, RPR_DIALECT_NUTTX);
    peer_up(third, RPR_DIALECT_NUTTX);
    star_settle(&s);
    (void)peer_said(AUDIO);
    (void)peer_said(DROID);
    assert_non_null(strstr(peer_said(third), "CREATE router:audio;"));
    for (unsigned i = 0; i < 2; i++) {
        peer_ack(s.edge[i], star_control[i], 1040 + i);
        peer_ack(s.edge[i], "router:third", 1042 + i);
    }
    peer_ack(third, "router:audio", 1050);
    peer_ack(third, "router:droid", 1051);
    star_settle(&s);
    (void)peer_said(AUDIO);
    (void)peer_said(DROID);
    (void)peer_said(third);
    join(&s);
    assert_true(rpr_hub_leave(s.hub, device_of(s.ap, "third")));
    assert_peer_said(AUDIO, "1042:DESTROY;");
    assert_peer_said(DROID, "1043:DESTROY;");
    assert_string_equal(strchr(peer_said(third), ':') + 1, "DESTROY;1050:DESTROY;");
    rpr_link_unregister(&third->wire->link);
    star_settle(&s);
    assert_peer_said(third, "");
    assert_peer_said(AUDIO, "DESTROY router:third;");
    assert_peer_said(DROID, "DESTROY router:third;");
    peer_send(AUDIO, 1, "r:droid:svc", "on");
    star_settle(&s);
    assert_peer_said(DROID, "1200:on;");
    star_close(&s);
    peer_free(third);
}

/* ---- observers may do anything ------------------------------------------------------------------- */

struct meddler {
    struct rpr_observer observer;
    struct star *s;
    unsigned skip;
    bool done;
};

static void meddle(void *ctx, const struct rpr_event *event)
{
    struct meddler *m = ctx;

    (void)event;
    if (m->done || m->skip-- != 0)
        return;
    m->done = true;
    assert_int_equal(rpr_hub_pair_remove(m->s->hub, "audio", "droid"), 0);
}

static void pair_goes_while_it_is_left(void **state)
{
    struct meddler m = {.observer = {.event = meddle, .ctx = &m}};
    unsigned skip = 0;

    (void)state;
    do {
        struct star s;

        star_joined(&s);
        m.s = &s;
        m.skip = skip++;
        m.done = false;
        rpr_observer_add(s.ap, &m.observer);
        assert_true(leaves(&s, 0));
        rpr_observer_remove(s.ap, &m.observer);
        assert_int_equal(strncmp(peer_said(AUDIO), "1040:DESTROY;", 13), 0);
        take_down(&s, 0);
        star_close(&s);
    } while (m.done);
    assert_true(skip > 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(edge_answers),     cmocka_unit_test(edge_does_not_answer),
        cmocka_unit_test(ring_is_full),     cmocka_unit_test(ring_stays_full),
        cmocka_unit_test(far_ring_is_full), cmocka_unit_test(control_endpoint_comes_anew),
        cmocka_unit_test(others_stay),      cmocka_unit_test(pair_goes_while_it_is_left),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
