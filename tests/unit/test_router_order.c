/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whatever order events come in, once it is quiet: ends that both exist are bound to each other,
 * all others know that they are not, and the hub holds nothing of what is gone.
 *
 * Every sequence of three events is tried from every state, with every choice of who runs in
 * between, and longer ones by chance. A failure prints the sequence.
 */
#include "router_fixture.h"
#include "trial.h"

/* ---- edges of ours ---------------------------------------------------------------------------- */

/* What can happen: each toggles. */
enum { OPEN_0, OPEN_1, LINK_0, LINK_1, NOTHING, N_EVENTS };
static const char *const event_names[] = {"ept0", "ept1", "link0", "link1", "-"};

struct end {
    struct ept ept;
    bool there, bound;
};

struct field {
    struct fan fan;
    struct end end[2];
    bool cut[2];
    bool served; /* e1 serves whoever announces */
    struct rpr_service *service;
    unsigned n_live;
};

static enum rpr_rx_result end_rx(struct ept *e, const struct rpr_msg *msg)
{
    (void)e;
    (void)msg;
    return RPR_DONE;
}

static void end_bound(struct ept *e)
{
    ((struct end *)e->more)->bound = true;
}

static void end_unbound(struct ept *e)
{
    struct end *end = e->more;

    end->bound = false;
    if (e->tag[0] == 's') { /* a server's end goes with its client */
        end->there = false;
        (void)rpr_ept_close(e->h);
    }
}

static void end_init(struct field *f, unsigned i, const char *tag)
{
    struct end *end = &f->end[i];

    memset(end, 0, sizeof *end);
    end->ept = (struct ept)EPT(&f->fan.net.w, tag);
    end->ept.more = end;
    end->ept.on_rx = end_rx;
    end->ept.on_bound = end_bound;
    end->ept.on_unbound = end_unbound;
}

static int serve(void *ctx, struct rpr_device *device, const char *name, uint32_t addr)
{
    struct field *f = ctx;

    if (f->end[1].there)
        return -RPR_EBUSY;
    end_init(f, 1, "s");
    f->end[1].there = true;
    if (ept_open_as(&f->end[1].ept, device,
                    (struct rpr_ept_config){.name = name, .addr = RPR_ADDR_ANY, .dest = addr}) == 0)
        return 0;
    f->end[1].there = false;
    return -RPR_ENOMEM;
}

static const struct rpr_service_ops serve_ops = {.bind = serve};

static void toggle(struct field *f, unsigned i)
{
    struct end *end = &f->end[i];

    if (end->there && i == 1 &&
        f->served) /* one that closes before its answer has left took nothing */
        (void)rpr_node_poll(f->fan.e[1], f->fan.net.w.now, 0);
    if (end->there) {
        end->there = end->bound = false;
        assert_int_equal(rpr_ept_close(end->ept.h), 0);
    } else if (!(i == 1 && f->served)) { /* a server comes by itself */
        end_init(f, i, i ? "1" : "0");
        end->there = true;
        ept_open(&end->ept, fan_device(&f->fan, i, !i), "svc");
    }
}

static void do_event(struct field *f, unsigned event)
{
    if (event < LINK_0) {
        toggle(f, event);
        return;
    }
    if (event == NOTHING)
        return;
    f->cut[event - LINK_0] = !f->cut[event - LINK_0];
    if (f->cut[event - LINK_0])
        rpr_cable_cut(f->fan.cable[event - LINK_0]);
    else
        rpr_cable_mend(f->fan.cable[event - LINK_0]);
}

static void run(struct field *f, unsigned who)
{
    struct rpr_node *nodes[] = {f->fan.ap, f->fan.e[0], f->fan.e[1]};

    if (who == RUN_ALL)
        (void)net_settle(&f->fan.net);
    else if (who != RUN_NONE)
        (void)rpr_node_poll(nodes[who - RUN_HUB], f->fan.net.w.now, 0);
}

static unsigned hub_endpoints(struct field *f)
{
    unsigned n = 0;

    for (unsigned i = 0; i < 2; i++) {
        struct rpr_device_info info;

        rpr_device_info(device_of(f->fan.ap, f->fan.name[i]), &info);
        n += info.n_endpoints;
    }
    return n;
}

#define check(condition)                                                                           \
    do {                                                                                           \
        if (!(condition))                                                                          \
            fail_msg("%s: %s%s", #condition, describe(t, event_names), f->served ? "served" : ""); \
    } while (0)

static void check_quiet(struct field *f, struct trial *t)
{
    bool both;

    for (unsigned i = 0; i < 2; i++)
        if (f->cut[i])
            do_event(f, LINK_0 + i);
    net_pass(&f->fan.net, S(8));
    both = f->end[0].there && f->end[1].there;
    check(!f->served || f->end[0].there == f->end[1].there);
    for (unsigned i = 0; i < 2; i++) {
        unsigned n = f->end[i].ept.n_rx;

        check(f->end[i].bound == both);
        if (!f->end[!i].there)
            continue;
        check(ept_send(&f->end[!i].ept, "x") == (both ? 0 : -RPR_ENOTCONN));
        (void)net_settle(&f->fan.net);
        check(!both || f->end[i].ept.n_rx == n + 1);
    }
    check(n_routes(f->fan.ap) == (f->end[0].there || f->end[1].there));
    check(routes_of(f->fan.ap, NULL, NULL).n_joined == (both ? 2 : 0));
    for (unsigned i = 0; i < 2; i++)
        if (f->end[i].there)
            toggle(f, i);
    net_pass(&f->fan.net, S(8));
    check(!f->end[0].there && !f->end[1].there);
    check(n_routes(f->fan.ap) == 0);
    check(hub_endpoints(f) == 2); /* the control endpoints */
    f->fan.net.w.events[0] = '\0';
}

static void field_init(struct field *f, bool served)
{
    memset(f, 0, sizeof *f);
    fan_init(&f->fan, 2, (struct rpr_pair_config){.a = "e0", .b = "e1"},
             (struct rpr_cable_config){.credit = true, .buffers = 8});
    f->served = served;
    if (served)
        assert_int_equal(rpr_service_open(f->fan.e[1],
                                          &(struct rpr_service_config){
                                              .name = "svc", .ops = &serve_ops, .ctx = f},
                                          &f->service),
                         0);
}

static void try(struct field *f, struct trial *t)
{
    for (unsigned i = 0; i < t->n; i++) {
        do_event(f, t->step[i].event);
        run(f, t->step[i].run);
    }
    check_quiet(f, t);
}

/* From each state of the two ends. */
static void every_three_events(void **state)
{
    (void)state;
    for (unsigned served = 0; served < 2; served++) {
        struct field *f = calloc(1, sizeof *f);
        struct trial t = {.n = 5};
        unsigned n_live = 0;

        field_init(f, served);
        for (unsigned start = 0; start < 4; start++) {
            for (unsigned k = 0; k < N_EVENTS * N_EVENTS * N_EVENTS * N_RUNS * N_RUNS * N_RUNS;
                 k++) {
                unsigned code = k;

                t.n = 0;
                if (start & 1)
                    t.step[t.n++] = (struct step){OPEN_0, RUN_ALL};
                if (start & 2)
                    t.step[t.n++] = (struct step){OPEN_1, RUN_ALL};
                for (unsigned i = 0; i < 3; i++) {
                    t.step[t.n].event = code % N_EVENTS;
                    code /= N_EVENTS;
                    t.step[t.n++].run = code % N_RUNS;
                    code /= N_RUNS;
                }
                try(f, &t);
            }
            if (start == 1) /* tables have grown to what they need */
                n_live = f->fan.net.w.n_live;
        }
        assert_in_range(f->fan.net.w.n_live, n_live, n_live + 8);
        fan_close(&f->fan);
        free(f);
    }
}

/* Longer ones of what can go wrong without the loss of a link: ends that come and go, or only one
 * of them, and nobody runs more than one turn. */
static void every_five_events_of_ends(void **state)
{
    static const unsigned events[2][2] = {{OPEN_0, NOTHING}, {OPEN_0, OPEN_1}};

    (void)state;
    for (unsigned served = 0; served < 2; served++) {
        struct field *f = calloc(1, sizeof *f);

        field_init(f, served);

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
        fan_close(&f->fan);
        free(f);
    }
}

static void many_events(void **state)
{
    uint64_t random = 0x9e3779b97f4a7c15u;

    (void)state;
    for (unsigned served = 0; served < 2; served++) {
        struct field *f = calloc(1, sizeof *f);
        struct trial t;

        field_init(f, served);
        for (unsigned k = 0; k < 6000; k++) {
            t.n = 4 + draw(&random, STEPS_MAX - 4);
            for (unsigned i = 0; i < t.n; i++)
                t.step[i] = (struct step){draw(&random, N_EVENTS), draw(&random, N_RUNS)};
            try(f, &t);
        }
        fan_close(&f->fan);
        free(f);
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
