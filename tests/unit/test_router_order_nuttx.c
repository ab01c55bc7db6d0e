/* SPDX-License-Identifier: Apache-2.0 */
/*
 * As test_router_order.c, with edges that do what NuttX does (WIRE 1.3, 5.3), message by message:
 * they know one of their endpoints by its name and the hub's address, take a DESTROY for any
 * endpoint of that name that waits, a stale ACK for a true one, and assert where NuttX asserts.
 */
#include "router_fixture.h"
#include "trial.h"

#define ENDPOINTS 8u

struct nx_ept {
    bool there;
    uint32_t addr, dest;
};

/* One edge. */
struct nx {
    struct peer *peer;
    unsigned i;
    bool
        server; /* of its service, for whoever announces; else its endpoint is made with dest ANY */
    bool survives; /* no unbind action: the endpoint stays when it hears DESTROY (H-23) */
    bool up;
    uint32_t control, control_dest; /* ANY: not there */
    bool device;
    bool wanted; /* dest ANY: there while the device is */
    struct nx_ept ept[ENDPOINTS];
    uint32_t next_addr;
    unsigned n_rx;
    uint32_t rx_addr;
};

struct field {
    struct star star;
    struct nx nx[2];
};

enum { WANT_0, WANT_1, LINK_0, LINK_1, NOTHING, N_EVENTS };
static const char *const event_names[] = {"ept0", "ept1", "link0", "link1", "-"};
static const char *const name_of[2] = {"r:droid:svc", "r:audio:svc"};

/* ---- an edge ---------------------------------------------------------------------------------- */

static struct nx_ept *open_ept(struct nx *x, uint32_t dest)
{
    struct nx_ept *e = x->ept;

    while (e->there)
        e++;
    assert_true(e < x->ept + ENDPOINTS);
    *e = (struct nx_ept){true, x->next_addr++, dest};
    if (dest == RPMSG_ADDR_ANY)
        peer_create(x->peer, name_of[x->i], e->addr);
    else
        peer_ack(x->peer, name_of[x->i], e->addr);
    return e;
}

static void close_ept(struct nx *x, struct nx_ept *e)
{
    e->there = false;
    peer_destroy(x->peer, name_of[x->i], e->addr);
}

static void set_device(struct nx *x, bool there)
{
    if (there)
        assert_false(x->device); /* registers the device a second time: asserts */
    x->device = there;
    for (unsigned k = 0; k < ENDPOINTS; k++)
        if (x->ept[k].there)
            close_ept(x, &x->ept[k]);
    if (there && x->wanted)
        (void)open_ept(x, RPMSG_ADDR_ANY);
}

static struct nx_ept *match(struct nx *x, uint32_t addr)
{
    for (unsigned k = 0; k < ENDPOINTS; k++)
        if (x->ept[k].there && (x->ept[k].dest == addr || x->ept[k].dest == RPMSG_ADDR_ANY))
            return &x->ept[k];
    return NULL;
}

static void on_service(struct nx *x, const struct ns_message *ns)
{
    struct nx_ept *e = match(x, ns->addr);

    if (ns->flags == NS_CREATE) {
        if (e && e->dest == RPMSG_ADDR_ANY) {
            e->dest = ns->addr;
            peer_ack(x->peer, name_of[x->i], e->addr);
        } else if (!e && x->server && x->device) {
            (void)open_ept(x, ns->addr);
        }
    } else if (ns->flags == NS_CREATE_ACK) {
        if (e)
            e->dest = ns->addr;
    } else if (e) {
        e->dest = RPMSG_ADDR_ANY;
        if (x->server && !x->survives)
            close_ept(x, e);
    }
}

static void on_control_ns(struct nx *x, const struct ns_message *ns)
{
    if (ns->flags == NS_CREATE && x->control == RPMSG_ADDR_ANY) {
        x->control = x->next_addr++;
        x->control_dest = ns->addr;
        peer_ack(x->peer, star_control[x->i], x->control);
    } else if (ns->flags == NS_DESTROY && x->control != RPMSG_ADDR_ANY) {
        set_device(x, false);
        peer_destroy(x->peer, star_control[x->i], x->control);
        x->control = RPMSG_ADDR_ANY;
    }
}

static void on_command(struct nx *x, const struct wire_message *m)
{
    assert_int_equal(m->len, ROUTER_BYTES);
    assert_in_range(get_le32(m->data), ROUTER_CREATE, ROUTER_RESUME);
    if (get_le32(m->data) == ROUTER_CREATE)
        set_device(x, true);
    else if (get_le32(m->data) == ROUTER_DESTROY)
        set_device(x, false);
    else
        assert_true(x->device); /* SUSPEND before CREATE asserts */
}

/* Deals with one message from the hub. */
static bool step_edge(struct nx *x)
{
    struct wire_message m;
    struct ns_message ns;

    if (!x->up || !wire_get(x->peer->wire, &m, true))
        return false;
    if (m.dst == RPMSG_ADDR_NS) {
        assert_int_equal(ns_decode(&ns, m.data, m.len), NS_OK);
        if (strcmp(ns.name, name_of[x->i]) == 0) {
            on_service(x, &ns);
        } else {
            assert_string_equal(ns.name, star_control[x->i]);
            on_control_ns(x, &ns);
        }
    } else if (m.dst == x->control) {
        on_command(x, &m);
    } else {
        x->n_rx++;
        x->rx_addr = m.dst;
    }
    return true;
}

static void set_link(struct nx *x, bool up)
{
    x->up = up;
    if (up) {
        peer_up_as(x->peer, (struct peer_config){.dialect = RPR_DIALECT_NUTTX, .buffers = 64});
        return;
    }
    peer_down(x->peer);
    x->control = RPMSG_ADDR_ANY;
    x->device = false;
    memset(x->ept, 0, sizeof x->ept);
}

static struct nx_ept *first_ept(struct nx *x)
{
    for (unsigned k = 0; k < ENDPOINTS; k++)
        if (x->ept[k].there)
            return &x->ept[k];
    return NULL;
}

static void toggle(struct nx *x)
{
    struct nx_ept *e = first_ept(x);

    if (x->server) { /* its end is closed by itself; a server comes again when it is asked */
        if (e)
            close_ept(x, e);
        return;
    }
    x->wanted = !x->wanted;
    if (!x->wanted && e)
        close_ept(x, e);
    else if (x->wanted && x->device)
        (void)open_ept(x, RPMSG_ADDR_ANY);
}

/* ---- the field -------------------------------------------------------------------------------- */

static void do_event(struct field *f, unsigned event)
{
    if (event < LINK_0)
        toggle(&f->nx[event]);
    else if (event < NOTHING)
        set_link(&f->nx[event - LINK_0], !f->nx[event - LINK_0].up);
}

/* Until nothing moves at this moment; when the hub's next timer is due. */
static uint64_t settle_field(struct field *f)
{
    for (unsigned n = 0; n < 10000; n++) {
        uint64_t next = net_settle(&f->star.net);
        bool moved = false;

        for (unsigned i = 0; i < 2; i++)
            while (step_edge(&f->nx[i]))
                moved = true;
        if (!moved)
            return next;
    }
    fail_msg("the edges never come to rest");
    return 0;
}

static void pass_field(struct field *f, uint64_t ns)
{
    uint64_t end = f->star.net.w.now + ns;
    uint64_t next = settle_field(f);

    while (next <= end) {
        f->star.net.w.now = next;
        next = settle_field(f);
    }
    f->star.net.w.now = end;
    (void)settle_field(f);
}

static void run(struct field *f, unsigned who)
{
    if (who == RUN_ALL)
        (void)settle_field(f);
    else if (who == RUN_HUB)
        (void)net_settle(&f->star.net);
    else if (who != RUN_NONE)
        (void)step_edge(&f->nx[who - RUN_0]);
}

#define check(condition)                                                                     \
    do {                                                                                     \
        if (!(condition))                                                                    \
            fail_msg("%s: %s%s%s", #condition, describe(t, event_names),                     \
                     f->nx[1].server ? "served " : "", f->nx[1].survives ? "survives" : ""); \
    } while (0)

static void check_data(struct field *f, struct trial *t, unsigned i)
{
    struct nx *to = &f->nx[!i];
    unsigned n = to->n_rx;

    wire_text(f->nx[i].peer->wire, 7, first_ept(&f->nx[i])->dest, "x");
    (void)settle_field(f);
    check(to->n_rx == n + 1);
    check(to->rx_addr == first_ept(to)->addr);
}

static void check_quiet(struct field *f, struct trial *t)
{
    bool both, any;

    for (unsigned i = 0; i < 2; i++)
        if (!f->nx[i].up)
            do_event(f, LINK_0 + i);
    pass_field(f, S(8));
    both = first_ept(&f->nx[0]) && first_ept(&f->nx[1]);
    any = first_ept(&f->nx[0]) || (first_ept(&f->nx[1]) && !f->nx[1].server);
    check(f->nx[0].device && f->nx[1].device);
    check(!f->nx[1].server || !f->nx[0].wanted || both);
    for (unsigned i = 0; i < 2; i++) {
        unsigned n_bound = 0;

        for (unsigned k = 0; k < ENDPOINTS; k++)
            n_bound += f->nx[i].ept[k].there && f->nx[i].ept[k].dest != RPMSG_ADDR_ANY;
        check(n_bound == both);
        check(!both || first_ept(&f->nx[i])->dest != RPMSG_ADDR_ANY);
    }
    if (both) {
        check_data(f, t, 0);
        check_data(f, t, 1);
    }
    check(n_routes(f->star.ap) == any);
    check(routes_of(f->star.ap, NULL, NULL).n_joined == (both ? 2 : 0));
    if (f->nx[0].wanted)
        toggle(&f->nx[0]);
    if (f->nx[1].wanted)
        toggle(&f->nx[1]);
    pass_field(f, S(8));
    for (unsigned k = 0; k < ENDPOINTS; k++)
        if (f->nx[1].ept[k].there)
            close_ept(&f->nx[1], &f->nx[1].ept[k]);
    pass_field(f, S(8));
    check(!first_ept(&f->nx[0]) && !first_ept(&f->nx[1]));
    check(n_routes(f->star.ap) == 0);
    for (unsigned i = 0; i < 2; i++) {
        struct rpr_device_info info;

        rpr_device_info(device_of(f->star.ap, star_cpu[i]), &info);
        check(info.n_endpoints == 1);
    }
}

enum { BOTH_ANNOUNCE, SERVER_DIES, SERVER_SURVIVES, N_KINDS };

static struct field *field_new(unsigned kind)
{
    struct field *f = calloc(1, sizeof *f);

    star_init(&f->star, (struct rpr_pair_config){0});
    for (unsigned i = 0; i < 2; i++) {
        f->nx[i] = (struct nx){.peer = f->star.edge[i], .i = i, .next_addr = 1100 + 1000000 * i};
        f->nx[i].control = RPMSG_ADDR_ANY;
        set_link(&f->nx[i], true);
    }
    f->nx[1].server = kind != BOTH_ANNOUNCE;
    f->nx[1].survives = kind == SERVER_SURVIVES;
    pass_field(f, MS(1));
    return f;
}

static void field_free(struct field *f)
{
    star_close(&f->star);
    free(f);
}

static void try(struct field *f, struct trial *t)
{
    for (unsigned i = 0; i < t->n; i++) {
        do_event(f, t->step[i].event);
        run(f, t->step[i].run);
    }
    check_quiet(f, t);
}

static void every_three_events(void **state)
{
    (void)state;
    for (unsigned kind = 0; kind < N_KINDS; kind++) {
        struct field *f = field_new(kind);

        for (unsigned start = 0; start < 4; start++) {
            for (unsigned k = 0; k < N_EVENTS * N_EVENTS * N_EVENTS * N_RUNS * N_RUNS * N_RUNS;
                 k++) {
                struct trial t = {.n = 0};
                unsigned code = k;

                if (start & 1)
                    t.step[t.n++] = (struct step){WANT_0, RUN_ALL};
                if (start & 2)
                    t.step[t.n++] = (struct step){WANT_1, RUN_ALL};
                for (unsigned i = 0; i < 3; i++) {
                    t.step[t.n].event = code % N_EVENTS;
                    code /= N_EVENTS;
                    t.step[t.n++].run = code % N_RUNS;
                    code /= N_RUNS;
                }
                try(f, &t);
            }
        }
        field_free(f);
    }
}

/* Longer ones of what can go wrong without the loss of a link: ends that come and go, or only one
 * of them, and nobody runs more than one turn. */
static void every_five_events_of_ends(void **state)
{
    static const unsigned events[2][2] = {{WANT_0, NOTHING}, {WANT_0, WANT_1}};

    (void)state;
    for (unsigned kind = 0; kind < N_KINDS; kind++) {
        struct field *f = field_new(kind);

        for (unsigned set = 0; set < 2; set++) {
            for (unsigned k = 0; k < 1u << 15; k++) {
                struct trial t = {.n = 5};

                for (unsigned i = 0; i < 5; i++) {
                    unsigned code = k >> (3 * i) & 7;

                    t.step[i] = (struct step){events[set][code & 1], code >> 1};
                }
                try(f, &t);
            }
        }
        field_free(f);
    }
}

static void many_events(void **state)
{
    uint64_t random = 0x9e3779b97f4a7c15u;

    (void)state;
    for (unsigned kind = 0; kind < N_KINDS; kind++) {
        struct field *f = field_new(kind);

        for (unsigned k = 0; k < 6000; k++) {
            struct trial t;

            t.n = 4 + draw(&random, STEPS_MAX - 4);
            for (unsigned i = 0; i < t.n; i++)
                t.step[i] = (struct step){draw(&random, N_EVENTS), draw(&random, N_RUNS)};
            try(f, &t);
        }
        field_free(f);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_three_events),
        cmocka_unit_test(every_five_events_of_ends),
        cmocka_unit_test(many_events),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
