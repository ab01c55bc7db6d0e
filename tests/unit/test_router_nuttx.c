/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A hub between two edges that have the habits of NuttX (WIRE 5.3, 5.6): each test is one thing
 * that is known to go wrong there. Names say which hazard of WIRE 8 it is.
 */
#include "router_fixture.h"

#define AUDIO (s.edge[0])
#define DROID (s.edge[1])

/* audio has announced "svc" from 1100, droid has answered from 1200: joined. */
static void star_joined(struct star *s)
{
    star_nuttx(s);
    peer_create(s->edge[0], "r:droid:svc", 1100);
    star_settle(s);
    assert_peer_said(s->edge[1], "CREATE r:audio:svc;");
    peer_ack(s->edge[1], "r:audio:svc", 1200);
    star_settle(s);
    assert_peer_said(s->edge[0], "ACK r:droid:svc;");
    assert_peer_said(s->edge[1], "");
    assert_int_equal(routes_of(s->ap, "svc", NULL).n_joined, 2);
}

/* Each end reaches the other at these addresses. */
static void assert_talk(struct star *s, unsigned audio_addr, unsigned droid_addr)
{
    char text[32];

    peer_send(s->edge[0], 1, "r:droid:svc", "ping");
    peer_send(s->edge[1], 2, "r:audio:svc", "pong");
    star_settle(s);
    snprintf(text, sizeof text, "%u:ping;", droid_addr);
    assert_peer_said(s->edge[1], text);
    snprintf(text, sizeof text, "%u:pong;", audio_addr);
    assert_peer_said(s->edge[0], text);
}

static uint64_t late_of(struct star *s, unsigned i)
{
    struct rpr_device_info info;

    rpr_device_info(device_of(s->ap, star_cpu[i]), &info);
    return info.counters.late;
}

static void assert_nothing_left(struct star *s)
{
    assert_int_equal(n_routes(s->ap), 0);
    star_pass_ms(s, 10000);
    assert_peer_said(s->edge[0], "");
    assert_peer_said(s->edge[1], "");
    assert_int_equal(n_routes(s->ap), 0);
    for (unsigned i = 0; i < 2; i++) {
        struct rpr_device_info info;

        rpr_device_info(device_of(s->ap, star_cpu[i]), &info);
        assert_int_equal(info.n_endpoints, 1); /* the control endpoint */
    }
}

static void client_closes(void **state)
{
    struct star s;

    (void)state;
    star_joined(&s);
    assert_talk(&s, 1100, 1200);
    peer_destroy(AUDIO, "r:droid:svc", 1100);
    star_settle(&s);
    assert_peer_said(AUDIO, ""); /* no echo */
    assert_peer_said(DROID, "DESTROY r:audio:svc;");
    assert_int_equal(n_routes(s.ap), 0);
    peer_destroy(DROID, "r:audio:svc", 1200); /* its answer, and once more */
    peer_destroy(DROID, "r:audio:svc", 1200);
    peer_destroy(AUDIO, "r:droid:svc", 1100);
    assert_nothing_left(&s);
    star_close(&s);
}

static void server_closes(void **state)
{
    struct star s;

    (void)state;
    star_joined(&s);
    peer_destroy(DROID, "r:audio:svc", 1200);
    star_settle(&s);
    assert_peer_said(AUDIO, "DESTROY r:droid:svc;");
    assert_peer_said(DROID, "");
    peer_destroy(AUDIO, "r:droid:svc", 1100); /* its client goes too */
    star_settle(&s);
    assert_peer_said(DROID, "DESTROY r:audio:svc;"); /* it may be answering still (H-29) */
    assert_nothing_left(&s);
    star_close(&s);
}

/* The client stays: droid is asked again, less and less often, while nobody lasts. */
static void server_closes_and_client_stays(void **state)
{
    struct star s;
    unsigned ms = 10;

    (void)state;
    star_joined(&s);
    for (unsigned i = 0; i < 8; i++) {
        peer_destroy(DROID, "r:audio:svc", 1200 + i);
        star_settle(&s);
        assert_peer_said(AUDIO, "DESTROY r:droid:svc;");
        star_pass_ms(&s, ms - 1);
        assert_peer_said(DROID, "");
        star_pass_ms(&s, 1);
        assert_peer_said(DROID, "CREATE r:audio:svc;");
        peer_ack(DROID, "r:audio:svc", 1201 + i);
        star_settle(&s);
        assert_peer_said(AUDIO, "ACK r:droid:svc;");
        ms *= 2;
    }
    assert_talk(&s, 1100, 1208);
    star_pass_ms(&s, 1000); /* that one lasts */
    peer_destroy(DROID, "r:audio:svc", 1208);
    star_pass_ms(&s, 10);
    assert_peer_said(DROID, "CREATE r:audio:svc;");
    star_close(&s);
}

/* Both close in the same moment, in either order of arrival. */
static void field_3_1_both_edges_destroy_at_once(void **state)
{
    struct star s;

    (void)state;
    star_joined(&s);
    peer_destroy(AUDIO, "r:droid:svc", 1100);
    peer_destroy(DROID, "r:audio:svc", 1200);
    star_settle(&s);
    (void)peer_said(AUDIO);
    (void)peer_said(DROID);
    assert_nothing_left(&s);
    star_close(&s);
    star_joined(&s);
    peer_destroy(DROID, "r:audio:svc", 1200);
    peer_destroy(AUDIO, "r:droid:svc", 1100);
    star_settle(&s);
    (void)peer_said(AUDIO);
    (void)peer_said(DROID);
    assert_nothing_left(&s);
    star_close(&s);
}

/* The link of audio ends while what the ends have said is on its way: in every order, with a look of
 * the hub after any of it. Each half goes once, and nothing is left. */
static void field_3_2_link_ends_while_its_peer_answers(void **state)
{
    enum { LINK_ENDS, AUDIO_CLOSES, DROID_CLOSES, DROID_ANSWERS, N_STEPS };

    (void)state;
    for (unsigned order = 0; order < 24 << N_STEPS; order++) {
        unsigned left[N_STEPS] = {LINK_ENDS, AUDIO_CLOSES, DROID_CLOSES, DROID_ANSWERS};
        unsigned rest = order >> N_STEPS;
        struct star s;

        star_joined(&s);
        for (unsigned n = N_STEPS; n > 0; n--) {
            unsigned step = left[rest % n];

            left[rest % n] = left[n - 1];
            rest /= n;
            if (step == LINK_ENDS)
                peer_down(AUDIO);
            else if (step == AUDIO_CLOSES)
                peer_destroy(AUDIO, "r:droid:svc", 1100);
            else if (step == DROID_CLOSES)
                peer_destroy(DROID, "r:audio:svc", 1200);
            else
                peer_ack(DROID, "r:audio:svc", 1201);
            if (order & 1u << (n - 1))
                star_settle(&s);
        }
        star_settle(&s);
        assert_int_equal(n_routes(s.ap), 0);
        peer_said(DROID);
        assert_non_null(strstr(DROID->text, "1041:DESTROY;"));
        star_pass_ms(&s, 10000);
        assert_peer_said(DROID, "");
        star_close(&s);
    }
}

/* Both announce (rpmsg-ping does): the two CREATEs and the two answers cross. */
static void field_3_1_one_destroy_ends_one_wish(void **state)
{
    struct star s;

    (void)state;
    star_nuttx(&s);
    peer_create(AUDIO, "r:droid:svc", 1100);
    star_settle(&s);
    assert_peer_said(DROID, "CREATE r:audio:svc;");
    peer_create(DROID, "r:audio:svc", 1200); /* said before that was heard */
    star_settle(&s);
    assert_peer_said(DROID, "ACK r:audio:svc;");
    assert_peer_said(AUDIO, "ACK r:droid:svc;");
    peer_ack(DROID, "r:audio:svc", 1200);
    peer_create(DROID, "r:audio:svc", 1200); /* duplicates */
    peer_create(AUDIO, "r:droid:svc", 1100);
    peer_ack(AUDIO, "r:droid:svc", 1100);
    peer_ack(AUDIO, "r:droid:svc", 1199); /* and one from nowhere */
    star_settle(&s);
    assert_peer_said(DROID, "");
    assert_peer_said(AUDIO, "");
    assert_talk(&s, 1100, 1200);
    assert_int_equal(n_routes(s.ap), 1);

    /* One closes: the other keeps its wish, and so does the hub. */
    peer_destroy(AUDIO, "r:droid:svc", 1100);
    star_settle(&s);
    assert_peer_said(DROID, "DESTROY r:audio:svc;");
    star_pass_ms(&s, 10);
    assert_peer_said(AUDIO, "CREATE r:droid:svc;");
    assert_peer_said(DROID, "");
    peer_create(AUDIO, "r:droid:svc", 1101);
    star_settle(&s);
    assert_peer_said(AUDIO, "ACK r:droid:svc;");
    assert_peer_said(DROID, "ACK r:audio:svc;");
    assert_talk(&s, 1101, 1200);
    star_close(&s);
}

/* Both have said CREATE before the hub has told either. */
static void both_announce_in_one_moment(void **state)
{
    struct star s;

    (void)state;
    star_nuttx(&s);
    peer_create(AUDIO, "r:droid:svc", 1100);
    peer_create(DROID, "r:audio:svc", 1200);
    star_settle(&s);
    (void)peer_said(AUDIO);
    (void)peer_said(DROID);
    assert_int_equal(routes_of(s.ap, "svc", NULL).n_joined, 2);
    assert_talk(&s, 1100, 1200);
    star_close(&s);
}

/* H-24: audio's client dies before droid has answered; a later server of droid's must not be bound
 * to it. */
static void field_4_11_client_dies_before_bind(void **state)
{
    struct star s;

    (void)state;
    star_nuttx(&s);
    peer_create(AUDIO, "r:droid:svc", 1100);
    star_settle(&s);
    assert_peer_said(DROID, "CREATE r:audio:svc;");
    peer_destroy(AUDIO, "r:droid:svc", 1100);
    star_settle(&s);
    assert_peer_said(DROID, "DESTROY r:audio:svc;");
    assert_int_equal(n_routes(s.ap), 0);
    peer_ack(DROID, "r:audio:svc", 1200); /* crossed with the DESTROY */
    peer_destroy(DROID, "r:audio:svc", 1200);
    assert_nothing_left(&s);
    peer_create(DROID, "r:audio:svc", 1201); /* a later server: it looks for a client now */
    star_settle(&s);
    assert_peer_said(DROID, "");
    assert_peer_said(AUDIO, "CREATE r:droid:svc;");
    star_close(&s);
}

/* CREATE has not even left for droid when the client dies. */
static void client_dies_before_droid_heard(void **state)
{
    struct star s;

    (void)state;
    star_nuttx(&s);
    DROID->wire->n_free = 0;
    peer_create(AUDIO, "r:droid:svc", 1100);
    star_settle(&s);
    peer_destroy(AUDIO, "r:droid:svc", 1100);
    star_settle(&s);
    for (unsigned i = 0; i < 4; i++)
        DROID->wire->free[DROID->wire->n_free++] = i;
    assert_nothing_left(&s);
    star_close(&s);
}

/* H-23: droid's server has no unbind action and lives on after DESTROY; with the same address it
 * answers the next client. */
static void field_4_11_server_survives_destroy(void **state)
{
    struct star s;

    (void)state;
    star_joined(&s);
    assert_talk(&s, 1100, 1200);
    for (unsigned i = 0; i < 3; i++) {
        peer_destroy(AUDIO, "r:droid:svc", 1100 + i);
        star_settle(&s);
        assert_peer_said(DROID, "DESTROY r:audio:svc;");
        peer_create(AUDIO, "r:droid:svc", 1101 + i);
        star_settle(&s);
        assert_peer_said(DROID, "CREATE r:audio:svc;");
        peer_ack(DROID, "r:audio:svc", 1200);
        star_settle(&s);
        assert_peer_said(AUDIO, "ACK r:droid:svc;");
        assert_talk(&s, 1101 + i, 1200);
    }
    assert_int_equal(n_routes(s.ap), 1);
    star_close(&s);
}

/* H-29: an ACK names no CREATE. The answer to the first one binds the second one's half to an
 * address that is destroyed next. */
static void h29_stale_ack(void **state)
{
    struct star s;

    (void)state;
    star_nuttx(&s);
    peer_create(AUDIO, "r:droid:svc", 1100);
    star_settle(&s);
    peer_destroy(AUDIO, "r:droid:svc", 1100);
    peer_create(AUDIO, "r:droid:svc", 1101);
    star_settle(&s);
    assert_peer_said(DROID, "CREATE r:audio:svc;DESTROY r:audio:svc;CREATE r:audio:svc;");
    peer_ack(DROID, "r:audio:svc", 1200); /* to the first CREATE */
    star_settle(&s);
    peer_destroy(DROID, "r:audio:svc", 1200); /* on the DESTROY */
    star_settle(&s);
    assert_peer_said(AUDIO, "ACK r:droid:svc;DESTROY r:droid:svc;");
    peer_ack(DROID, "r:audio:svc", 1201); /* to the second CREATE */
    star_settle(&s);
    assert_peer_said(AUDIO, "ACK r:droid:svc;");
    assert_peer_said(DROID, "");
    assert_talk(&s, 1101, 1201);
    star_close(&s);
}

/* The same the other way: our ACK to audio's first client is still on its way when that one is
 * replaced. The second one takes it for its own, and would keep it for ever: the half that the ACK
 * spoke of must be destroyed for it too. Who has sent us something has read the ACK. */
static void h29_our_own_ack_is_stale(void **state)
{
    struct star s;

    (void)state;
    star_joined(&s); /* audio has not read the ACK */
    peer_destroy(AUDIO, "r:droid:svc", 1100);
    peer_create(AUDIO, "r:droid:svc", 1101);
    star_settle(&s);
    assert_peer_said(AUDIO, "DESTROY r:droid:svc;");
    assert_peer_said(DROID, "DESTROY r:audio:svc;CREATE r:audio:svc;");
    peer_destroy(DROID, "r:audio:svc", 1200);
    peer_ack(DROID, "r:audio:svc", 1201);
    star_settle(&s);
    assert_peer_said(AUDIO, "ACK r:droid:svc;");
    assert_talk(&s, 1101, 1201);
    peer_destroy(AUDIO, "r:droid:svc", 1101);
    star_settle(&s);
    assert_peer_said(AUDIO, "");
    star_close(&s);
}

/* CREATE and CREATE crossed: audio's client has bound itself by ours, and has sent something, before our
 * ACK to its own arrives. So what it sent does not prove that it has read the ACK: the next client
 * may take it, and must hear that it is void. */
static void h29_heard_by_create(void **state)
{
    struct star s;

    (void)state;
    star_nuttx(&s);
    peer_create(DROID, "r:audio:svc", 1200);
    star_settle(&s);
    assert_peer_said(AUDIO, "CREATE r:droid:svc;");
    peer_create(AUDIO, "r:droid:svc", 1100); /* said before that was heard */
    star_settle(&s);
    assert_peer_said(AUDIO, "ACK r:droid:svc;");
    assert_peer_said(DROID, "ACK r:audio:svc;");
    peer_ack(AUDIO, "r:droid:svc", 1100);
    peer_send(AUDIO, 1, "r:droid:svc", "ping");
    star_settle(&s);
    assert_peer_said(DROID, "1200:ping;");
    peer_create(AUDIO, "r:droid:svc", 1101);
    star_settle(&s);
    assert_peer_said(AUDIO, "DESTROY r:droid:svc;ACK r:droid:svc;");
    assert_peer_said(DROID, "DESTROY r:audio:svc;ACK r:audio:svc;");
    assert_talk(&s, 1101, 1200);
    star_close(&s);
}

/* An ACK for a half that was announced a moment ago, and whose CREATE has not left: it can only be
 * stale, and must not keep the CREATE from leaving. */
static void h29_ack_before_create_has_left(void **state)
{
    struct star s;

    (void)state;
    star_nuttx(&s);
    peer_create(AUDIO, "r:droid:svc", 1100);
    star_settle(&s);
    assert_peer_said(DROID, "CREATE r:audio:svc;");
    DROID->wire->n_free = 0;
    peer_destroy(AUDIO, "r:droid:svc", 1100);
    peer_create(AUDIO, "r:droid:svc", 1101);
    star_settle(&s);
    peer_ack(DROID, "r:audio:svc", 1200);
    star_settle(&s);
    assert_peer_said(AUDIO, "");
    for (unsigned i = 0; i < 9; i++)
        DROID->wire->free[DROID->wire->n_free++] = i;
    star_pass_ms(&s, 10);
    assert_peer_said(DROID, "DESTROY r:audio:svc;CREATE r:audio:svc;");
    peer_ack(DROID, "r:audio:svc", 1200); /* one that survives, H-23 */
    star_settle(&s);
    assert_peer_said(AUDIO, "ACK r:droid:svc;");
    assert_talk(&s, 1101, 1200);
    star_close(&s);
}

/* H-4: CREATE from another address, and no DESTROY of the former one. */
static void h4_create_from_a_changed_address(void **state)
{
    struct star s;

    (void)state;
    star_joined(&s);
    assert_talk(&s, 1100, 1200);
    peer_create(AUDIO, "r:droid:svc", 1101);
    star_settle(&s);
    assert_peer_said(AUDIO, "");
    assert_peer_said(DROID, "DESTROY r:audio:svc;CREATE r:audio:svc;");
    peer_destroy(DROID, "r:audio:svc", 1200);
    peer_ack(DROID, "r:audio:svc", 1201);
    star_settle(&s);
    assert_peer_said(AUDIO, "ACK r:droid:svc;");
    assert_talk(&s, 1101, 1201);
    peer_create(DROID, "r:audio:svc", 1202); /* and the server's side */
    star_settle(&s);
    assert_peer_said(AUDIO, "DESTROY r:droid:svc;ACK r:droid:svc;");
    assert_peer_said(DROID, "ACK r:audio:svc;");
    assert_talk(&s, 1101, 1202);
    assert_int_equal(n_routes(s.ap), 1);
    star_close(&s);
}

/* H-3: a DESTROY of the former endpoint comes after the CREATE of the new one. */
static void field_4_11_late_destroy(void **state)
{
    struct star s;

    (void)state;
    star_joined(&s);
    assert_talk(&s, 1100, 1200);
    peer_destroy(AUDIO, "r:droid:svc", 1100);
    peer_create(AUDIO, "r:droid:svc", 1101);
    star_settle(&s);
    assert_peer_said(DROID, "DESTROY r:audio:svc;CREATE r:audio:svc;");
    peer_destroy(AUDIO, "r:droid:svc", 1100); /* the endpoint waits for its peer */
    star_settle(&s);
    assert_peer_said(DROID, "");
    peer_destroy(DROID, "r:audio:svc", 1200);
    peer_ack(DROID, "r:audio:svc", 1201);
    star_settle(&s);
    assert_peer_said(AUDIO, "ACK r:droid:svc;");
    peer_destroy(AUDIO, "r:droid:svc", 1100); /* and now it has one */
    peer_destroy(DROID, "r:audio:svc", 1200);
    star_settle(&s);
    assert_peer_said(AUDIO, "");
    assert_peer_said(DROID, "");
    assert_talk(&s, 1101, 1201);
    star_close(&s);
}

/* Data for a half that has just died is dropped and counted, not delivered to its successor. */
static void field_3_3_data_behind_a_destroy(void **state)
{
    struct star s;
    uint32_t old;

    (void)state;
    star_joined(&s);
    old = peer_addr(AUDIO, "r:droid:svc");
    peer_destroy(DROID, "r:audio:svc", 1200);
    star_settle(&s);
    assert_peer_said(AUDIO, "DESTROY r:droid:svc;");
    wire_text(AUDIO->wire, 1, old, "lost");
    star_pass_ms(&s, 10);
    assert_int_equal(late_of(&s, 0), 1);
    assert_peer_said(DROID, "CREATE r:audio:svc;");
    peer_ack(DROID, "r:audio:svc", 1201);
    star_settle(&s);
    wire_text(AUDIO->wire, 1, old, "lost");
    star_settle(&s);
    assert_peer_said(DROID, "");
    assert_int_equal(late_of(&s, 0), 2);
    assert_peer_said(AUDIO, "ACK r:droid:svc;");
    assert_int_not_equal(peer_addr(AUDIO, "r:droid:svc"), old);
    star_close(&s);
}

/* The link of audio is lost: droid hears ROUTER_DESTROY and not that each endpoint closed; what it
 * answers is late. The same again when the link is back. */
static void link_loss_and_return(void **state)
{
    struct star s;

    (void)state;
    star_joined(&s);
    for (unsigned i = 0; i < 3; i++) {
        uint32_t old = peer_addr(DROID, "r:audio:svc");

        peer_down(AUDIO);
        star_settle(&s);
        assert_peer_said(DROID, "1041:DESTROY;");
        assert_int_equal(n_routes(s.ap), 0);
        peer_destroy(DROID, "r:audio:svc", 1200 + i); /* twice, as NuttX does */
        peer_destroy(DROID, "r:audio:svc", 1200 + i);
        wire_text(DROID->wire, 9, old, "for nobody");
        star_settle(&s);
        assert_peer_said(DROID, "");
        peer_up(AUDIO, RPR_DIALECT_NUTTX);
        star_settle(&s);
        assert_peer_said(AUDIO, "CREATE router:droid;");
        peer_ack(AUDIO, "router:droid", 1050 + i);
        star_settle(&s);
        (void)peer_said(AUDIO);
        assert_peer_said(DROID, "1041:CREATE;");
        peer_create(DROID, "r:audio:svc", 1201 + i);
        peer_create(AUDIO, "r:droid:svc", 1101 + i);
        star_settle(&s);
        (void)peer_said(AUDIO);
        (void)peer_said(DROID);
        assert_talk(&s, 1101 + i, 1201 + i);
    }
    star_close(&s);
}

/* droid starts anew in the middle of a flood, with its old addresses in the hands of another service:
 * none of what audio goes on sending to the former half reaches it; the loss is heard at once. */
static void walkthrough_b4_flood_into_the_next_life(void **state)
{
    struct star s;
    uint32_t old;

    (void)state;
    star_joined(&s);
    old = peer_addr(AUDIO, "r:droid:svc");
    for (unsigned i = 0; i < 100; i++)
        wire_text(AUDIO->wire, 1, old, "flood");
    peer_down(DROID);
    star_settle(&s);
    assert_peer_said(AUDIO, "1040:DESTROY;");
    peer_up(DROID, RPR_DIALECT_NUTTX);
    star_settle(&s);
    assert_peer_said(DROID, "CREATE router:audio;");
    peer_ack(DROID, "router:audio", 1041);
    star_settle(&s);
    assert_peer_said(AUDIO, "1040:CREATE;");
    assert_peer_said(DROID, "1041:CREATE;");
    peer_create(DROID, "r:audio:other", 1200);
    peer_create(AUDIO, "r:droid:other", 1101);
    star_settle(&s);
    assert_int_equal(routes_of(s.ap, "other", NULL).n_joined, 2);
    (void)peer_said(AUDIO);
    (void)peer_said(DROID);
    for (unsigned i = 0; i < 100; i++)
        wire_text(AUDIO->wire, 1, old, "flood");
    star_settle(&s);
    assert_peer_said(DROID, "");
    assert_int_equal(late_of(&s, 0), 200);
    peer_send(AUDIO, 1, "r:droid:other", "news");
    star_settle(&s);
    assert_peer_said(DROID, "1200:news;");
    star_close(&s);
}

/* Loss and return while droid takes nothing: it hears of the loss before it hears of the return. */
static void field_3_5_loss_is_told_before_return(void **state)
{
    struct star s;

    (void)state;
    star_joined(&s);
    DROID->wire->n_free = 0;
    peer_down(AUDIO);
    star_settle(&s);
    peer_up(AUDIO, RPR_DIALECT_NUTTX);
    star_settle(&s);
    (void)peer_said(AUDIO);
    peer_ack(AUDIO, "router:droid", 1050);
    star_settle(&s);
    assert_peer_said(AUDIO, "1050:CREATE;");
    peer_create(AUDIO, "r:droid:svc", 1101);
    star_settle(&s);
    for (unsigned i = 0; i < 200; i++)
        DROID->wire->free[DROID->wire->n_free++] = i;
    star_pass_ms(&s, 10);
    assert_peer_said(DROID, "1041:DESTROY;1041:CREATE;CREATE r:audio:svc;");
    star_close(&s);
}

/* The edge closes its control endpoint (its daemon ends, its link stays): as if it were lost. */
static void control_endpoint_is_closed(void **state)
{
    struct star s;

    (void)state;
    star_joined(&s);
    peer_destroy(AUDIO, "router:droid", 1040);
    star_settle(&s);
    assert_peer_said(DROID, "1041:DESTROY;");
    assert_int_equal(n_routes(s.ap), 0);
    star_pass_ms(&s, 10);
    assert_peer_said(AUDIO, "CREATE router:droid;"); /* is it there again? */
    peer_ack(AUDIO, "router:droid", 1051);
    star_settle(&s);
    assert_peer_said(AUDIO, "1051:CREATE;");
    assert_peer_said(DROID, "1041:CREATE;");
    star_close(&s);
}

/* ---- bounds ----------------------------------------------------------------------------------- */

static unsigned count(const char *text, const char *word)
{
    unsigned n = 0;

    for (; (text = strstr(text, word)); text++)
        n++;
    return n;
}

/* A NuttX peer hands out an address twice from the 129th endpoint on (H-2): we stop at 96, say why,
 * and go on when there is room again. */
static void addresses_of_a_nuttx_peer(void **state)
{
    struct star s;
    char name[32];

    (void)state;
    star_nuttx(&s);
    for (unsigned i = 0; i < 100; i++) {
        snprintf(name, sizeof name, "r:audio:s%u", i);
        peer_create(DROID, name, 2000 + i);
    }
    star_settle(&s);
    assert_int_equal(count(peer_said(AUDIO), "CREATE r:droid:s"), 96);
    assert_int_equal(n_routes(s.ap), 100);
    assert_string_equal(routes_of(s.ap, "s99", NULL).reason,
                        "96 of the peer's 128 addresses are in use");
    assert_int_equal(count(peer_said(DROID), ";"), 0);
    star_pass_ms(&s, 30000);
    assert_int_equal(count(peer_said(AUDIO), "CREATE"), 0);
    for (unsigned i = 0; i < 2; i++) {
        snprintf(name, sizeof name, "r:audio:s%u", i);
        peer_destroy(DROID, name, 2000 + i);
    }
    star_pass_ms(&s, 6000);
    peer_said(AUDIO);
    assert_int_equal(count(AUDIO->text, "DESTROY"), 2);
    assert_int_equal(count(AUDIO->text, "CREATE"), 2);
    star_close(&s);
}

/* Where one side of a route cannot have its half, the other side is not told that it has a peer. */
static void no_address_is_left_for_the_other_half(void **state)
{
    struct star s;
    char name[32];

    (void)state;
    star_nuttx(&s);
    for (unsigned i = 0; i < 96; i++) {
        snprintf(name, sizeof name, "r:audio:s%u", i);
        peer_create(DROID, name, 2000 + i);
    }
    star_settle(&s);
    assert_int_equal(count(peer_said(AUDIO), "CREATE r:droid:s"), 96);
    peer_create(AUDIO, "r:droid:more", 1100);
    star_settle(&s);
    peer_create(DROID, "r:audio:more", 1200);
    star_settle(&s);
    assert_int_equal(routes_of(s.ap, "more", NULL).n_joined, 0);
    (void)peer_said(AUDIO);
    peer_said(DROID);
    assert_int_equal(count(DROID->text, "ACK"), 0);
    assert_int_equal(count(AUDIO->text, "ACK"), 0);
    peer_ack(DROID, "r:audio:more", 1201); /* a second one there has answered the hub's CREATE: */
    peer_destroy(DROID, "r:audio:more", 1200); /* it is not the one that goes */
    peer_destroy(DROID, "r:audio:s5", 2005);
    star_pass_ms(&s, 6000);
    assert_int_equal(routes_of(s.ap, "more", NULL).n_joined, 2);
    assert_int_equal(count(peer_said(AUDIO), "ACK r:droid:more;"), 1);
    assert_int_equal(count(peer_said(DROID), "DESTROY"), 0);
    star_close(&s);
}

/* The same where the half that could be had is the new one: it is not kept. */
static void half_that_is_of_no_use_is_not_kept(void **state)
{
    struct star s;
    struct rpr_device_info info;
    char name[32];

    (void)state;
    star_nuttx(&s);
    for (unsigned i = 0; i < 96; i++) {
        snprintf(name, sizeof name, "r:droid:s%u", i);
        peer_create(AUDIO, name, 2000 + i);
    }
    star_settle(&s);
    assert_int_equal(count(peer_said(DROID), "CREATE r:audio:s"), 96);
    peer_create(AUDIO, "r:droid:more", 1100);
    star_settle(&s);
    peer_create(DROID, "r:audio:more", 1200);
    star_settle(&s);
    rpr_device_info(device_of(s.ap, "audio"), &info);
    assert_int_equal(info.n_endpoints, 1);
    peer_destroy(AUDIO, "r:droid:s5", 2005);
    star_pass_ms(&s, 6000);
    assert_int_equal(count(peer_said(AUDIO), "ACK r:droid:more;"), 1);
    assert_int_equal(count(peer_said(DROID), "ACK r:audio:more;"), 1);
    star_close(&s);
}

static void note_event(void *ctx, const struct rpr_event *event)
{
    struct world *w = ctx;

    if (event->kind == RPR_EVENT_ROUTE)
        note(w, "%s %s;", event->name, event->reason);
}

/* Announcements that nobody answers cannot exhaust memory: 256 per edge; those beyond are refused,
 * and that is said. */
static void field_4_4_waiting_routes_are_bounded(void **state)
{
    struct star s;
    struct rpr_observer observer = {.event = note_event};
    char name[32];

    (void)state;
    star_nuttx(&s);
    observer.ctx = &s.net.w;
    rpr_observer_add(s.ap, &observer);
    for (unsigned i = 0; i < 258; i++) {
        snprintf(name, sizeof name, "r:droid:s%u", i);
        peer_create(AUDIO, name, 2000 + i);
        if (i % 64 == 0)
            star_settle(&s);
    }
    star_settle(&s);
    assert_int_equal(n_routes(s.ap), 256);
    assert_events(&s.net.w, "s256 refused: 256 routes of this edge wait already;"
                            "s257 refused: 256 routes of this edge wait already;");
    for (unsigned i = 0; i < 96; i++) { /* those that are answered do not wait */
        snprintf(name, sizeof name, "r:audio:s%u", i);
        if (count(peer_said(DROID), "CREATE") || i)
            peer_ack(DROID, name, 3000 + i);
    }
    star_settle(&s);
    s.net.w.events[0] = '\0';
    peer_create(AUDIO, "r:droid:more", 5000);
    star_settle(&s);
    assert_events(&s.net.w, "");
    assert_int_equal(n_routes(s.ap), 257);
    rpr_observer_remove(s.ap, &observer);
    star_close(&s);
}

static void field_4_12_services_that_are_allowed(void **state)
{
    static const char *const services[] = {"one", "two", NULL};
    struct star s;
    struct rpr_observer observer = {.event = note_event};

    (void)state;
    star_init(&s, (struct rpr_pair_config){.services = services});
    star_up(&s, RPR_DIALECT_NUTTX, RPR_DIALECT_NUTTX);
    observer.ctx = &s.net.w;
    rpr_observer_add(s.ap, &observer);
    peer_create(AUDIO, "r:droid:one", 1100);
    peer_create(AUDIO, "r:droid:on", 1101);
    peer_create(AUDIO, "r:droid:one1", 1102);
    peer_create(DROID, "r:audio:two", 1103);
    star_settle(&s);
    assert_peer_said(AUDIO, "CREATE r:droid:two;");
    assert_peer_said(DROID, "CREATE r:audio:one;");
    assert_events(&s.net.w, "on refused: not in the route's services;"
                            "one1 refused: not in the route's services;");
    assert_int_equal(n_routes(s.ap), 2);
    rpr_observer_remove(s.ap, &observer);
    star_close(&s);
}

/* Such an edge takes the word for a message at NULL; who is no edge, or of ours, may hear it. */
static void b8_power_is_not_said_to_edges(void **state)
{
    struct star s;
    struct rpr_device *audio;

    (void)state;
    star_nuttx(&s);
    audio = device_of(s.ap, "audio");
    assert_int_equal(rpr_device_power(audio, false), -RPR_ENOTSUP);
    assert_int_equal(rpr_device_power(audio, true), -RPR_ENOTSUP);
    peer_down(AUDIO);
    star_settle(&s);
    peer_up(AUDIO, RPR_DIALECT_NUTTX);
    star_settle(&s);
    assert_int_equal(rpr_device_power(audio, false),
                     -RPR_ENOTSUP); /* it could not be woken again */
    assert_int_equal(rpr_device_power(audio, true), 0);
    (void)peer_said(AUDIO);
    peer_ack(AUDIO, star_control[0], 1042);
    star_settle(&s);
    assert_int_equal(rpr_device_power(audio, true), -RPR_ENOTSUP);
    assert_int_equal(rpr_hub_pair_remove(s.hub, "audio", "droid"), 0);
    star_settle(&s);
    assert_int_equal(rpr_device_power(audio, false), 0); /* no edge any more */
    assert_false(AUDIO->wire->running);
    assert_int_equal(rpr_device_power(audio, true), 0);
    star_close(&s);
    star_init(&s, (struct rpr_pair_config){0});
    star_up(&s, RPR_DIALECT_RPR, RPR_DIALECT_RPR);
    assert_int_equal(rpr_device_power(device_of(s.ap, "audio"), false), 0);
    star_close(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(client_closes),
        cmocka_unit_test(server_closes),
        cmocka_unit_test(server_closes_and_client_stays),
        cmocka_unit_test(field_3_1_both_edges_destroy_at_once),
        cmocka_unit_test(field_3_1_one_destroy_ends_one_wish),
        cmocka_unit_test(field_3_2_link_ends_while_its_peer_answers),
        cmocka_unit_test(both_announce_in_one_moment),
        cmocka_unit_test(field_4_11_client_dies_before_bind),
        cmocka_unit_test(client_dies_before_droid_heard),
        cmocka_unit_test(field_4_11_server_survives_destroy),
        cmocka_unit_test(h29_stale_ack),
        cmocka_unit_test(h29_our_own_ack_is_stale),
        cmocka_unit_test(h29_heard_by_create),
        cmocka_unit_test(h29_ack_before_create_has_left),
        cmocka_unit_test(h4_create_from_a_changed_address),
        cmocka_unit_test(field_4_11_late_destroy),
        cmocka_unit_test(field_3_3_data_behind_a_destroy),
        cmocka_unit_test(link_loss_and_return),
        cmocka_unit_test(walkthrough_b4_flood_into_the_next_life),
        cmocka_unit_test(field_3_5_loss_is_told_before_return),
        cmocka_unit_test(control_endpoint_is_closed),
        cmocka_unit_test(addresses_of_a_nuttx_peer),
        cmocka_unit_test(no_address_is_left_for_the_other_half),
        cmocka_unit_test(half_that_is_of_no_use_is_not_kept),
        cmocka_unit_test(field_4_4_waiting_routes_are_bounded),
        cmocka_unit_test(field_4_12_services_that_are_allowed),
        cmocka_unit_test(b8_power_is_not_said_to_edges),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
