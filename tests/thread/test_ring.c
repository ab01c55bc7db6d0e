/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Both sides of the rings in one process, each node with an owner of its own, and other threads that
 * send on one of them: under ThreadSanitizer nothing may be touched by two threads that nothing
 * orders. What the barriers order it is told by <rpr/platform.h>.
 */
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <rpr/vring.h>

#include "thread_locks.h"

#define N_SENDERS  2u
#define N_MESSAGES 20000u
#define NUM        16u
#define PAYLOAD    112u
#define REPLY_EACH 16u

struct message {
    uint32_t sender, number;
    uint8_t filling[88];
};

struct side {
    struct rpr_platform platform;
    _Atomic(pthread_t) owner;
    struct rpr_node *node;
    struct rpr_link *link;
    rpr_ept_t ept;
    bool bound;
    uint32_t next[N_SENDERS]; /* number of the message to come */
    uint32_t n_replies;
    _Atomic uint32_t n_rx;
};

static struct side a, b; /* the threads send on a, to b */
static _Atomic bool stop;

/* ---- platform --------------------------------------------------------------------------------- */

static void *alloc(void *ctx, size_t bytes)
{
    (void)ctx;
    return calloc(1, bytes);
}

static void dealloc(void *ctx, void *memory, size_t bytes)
{
    (void)ctx;
    (void)bytes;
    free(memory);
}

static bool on_owner(void *ctx)
{
    return pthread_equal(((struct side *)ctx)->owner, pthread_self());
}

/* ---- nodes -------------------------------------------------------------------------------------- */

static enum rpr_rx_result on_rx(void *ctx, rpr_ept_t ept, const struct rpr_msg *msg)
{
    struct side *s = ctx;
    struct message message;

    if (s == &b) {
        assert_int_equal(msg->len, sizeof(message));
        memcpy(&message, msg->data, sizeof(message));
        assert_in_range(message.sender, 0, N_SENDERS - 1);
        assert_int_equal(message.number, s->next[message.sender]++);
        for (size_t i = 0; i < sizeof(message.filling); i++)
            assert_int_equal(message.filling[i], (uint8_t)message.number);
        if ((s->n_rx + 1) % REPLY_EACH == 0 && rpr_send(ept, "", 1, 0) == 0)
            s->n_replies++;
    }
    s->n_rx++;
    return RPR_DONE;
}

static void on_bound(void *ctx, rpr_ept_t ept, uint32_t dest)
{
    struct side *s = ctx;

    (void)dest;
    s->ept = ept;
    s->bound = true;
}

static const struct rpr_ept_ops ept_ops = {.rx = on_rx, .bound = on_bound};

static int bind(void *ctx, struct rpr_device *device, const char *name, uint32_t addr)
{
    struct rpr_ept_config config = {
        .name = name, .addr = RPR_ADDR_ANY, .dest = addr, .ops = &ept_ops, .ctx = ctx};
    rpr_ept_t ept;

    return rpr_ept_open(device, &config, &ept);
}

static const struct rpr_service_ops service_ops = {.bind = bind};

static void nothing(void *ctx)
{
    (void)ctx;
}

static void ring(void *ctx, bool to_tx_ring)
{
    (void)ctx;
    (void)to_tx_ring;
}

static void open_side(struct side *s, const char *name, const char *remote, bool locked)
{
    struct rpr_node_config config = {.name = name, .platform = &s->platform};
    struct rpr_vring_config link = {.remote = remote,
                                    .kind = "shm",
                                    .locked = locked,
                                    .port = {.open = nothing, .close = nothing}};

    memset(s, 0, sizeof(*s));
    s->owner = pthread_self();
    s->platform = (struct rpr_platform){.ctx = s,
                                        .alloc = alloc,
                                        .free = dealloc,
                                        .wake = nothing,
                                        .lock_new = new_lock,
                                        .lock_free = free_lock,
                                        .lock = take_lock,
                                        .trylock = try_lock,
                                        .unlock = give_lock,
                                        .on_owner = on_owner};
    assert_int_equal(rpr_node_open(&s->node, &config), 0);
    assert_int_equal(rpr_vring_open(s->node, &link, &s->link), 0);
}

static void join_sides(enum rpr_vring_role role_of_a, uint8_t **region)
{
    struct rpr_vring_session session = {.ring = ring, .credit = true};
    struct side *driver = role_of_a == RPR_VRING_DRIVER ? &a : &b;

    assert_int_equal(rpr_vring_layout_local(&session.layout, NUM, PAYLOAD), 0);
    session.base = *region = aligned_alloc(128, session.layout.bytes);
    memset(*region, 0, session.layout.bytes);
    session.role = RPR_VRING_DRIVER;
    assert_int_equal(rpr_vring_attach(driver->link, &session), 0);
    session.role = RPR_VRING_DEVICE;
    assert_int_equal(rpr_vring_attach(driver == &a ? b.link : a.link, &session), 0);
}

static void bind_sides(void)
{
    struct rpr_service_config service = {.name = "svc", .ops = &service_ops, .ctx = &b};
    struct rpr_ept_config ept = {
        .name = "svc", .addr = RPR_ADDR_ANY, .dest = RPR_ADDR_ANY, .ops = &ept_ops, .ctx = &a};
    struct rpr_service *opened;

    assert_int_equal(rpr_service_open(b.node, &service, &opened), 0);
    assert_int_equal(rpr_ept_open(rpr_device_find(a.node, "b"), &ept, &a.ept), 0);
    while (!a.bound || !b.bound) {
        rpr_node_poll(a.node, 1, 0);
        rpr_node_poll(b.node, 1, 0);
    }
}

/* ---- threads ------------------------------------------------------------------------------------- */

/* Polls, and asks for doorbells now and then, which looks at both rings too. */
static void *own(void *ctx)
{
    struct side *s = ctx;
    uint64_t now = 1;

    s->owner = pthread_self();
    while (!stop) {
        if (rpr_node_poll(s->node, now += 1000000, 0) != RPR_POLL_MORE && rpr_node_arm(s->node))
            rpr_link_ready(s->link);
        sched_yield();
    }
    return NULL;
}

static int send_one(const struct message *message)
{
    struct rpr_buf buf;
    int error;

    if (message->number % 2 == 0)
        return rpr_send(a.ept, message, sizeof(*message), message->number % 8 ? RPR_MORE : 0);
    error = rpr_reserve(a.ept, &buf);
    if (error)
        return error;
    if (message->number % 5 == 0) {
        rpr_cancel(a.ept, &buf);
        return rpr_send(a.ept, message, sizeof(*message), 0);
    }
    memcpy(buf.data, message, sizeof(*message));
    return rpr_commit(a.ept, &buf, sizeof(*message), 0);
}

static void *send_all(void *ctx)
{
    struct message message = {.sender = (uint32_t)(uintptr_t)ctx};

    while (message.number < N_MESSAGES) {
        int error;

        memset(message.filling, (int)message.number, sizeof(message.filling));
        error = send_one(&message);
        assert_true(error == 0 || error == -RPR_EAGAIN);
        if (error)
            sched_yield();
        else
            message.number++;
    }
    return NULL;
}

static void run(enum rpr_vring_role role_of_a)
{
    pthread_t owner_a, owner_b, sender[N_SENDERS];
    uint8_t *region;

    open_side(&a, "a", "b", true);
    open_side(&b, "b", "a", false);
    join_sides(role_of_a, &region);
    bind_sides();
    stop = false;
    assert_int_equal(pthread_create(&owner_a, NULL, own, &a), 0);
    assert_int_equal(pthread_create(&owner_b, NULL, own, &b), 0);
    for (uintptr_t i = 0; i < N_SENDERS; i++)
        assert_int_equal(pthread_create(&sender[i], NULL, send_all, (void *)i), 0);
    for (uint32_t i = 0; i < N_SENDERS; i++)
        pthread_join(sender[i], NULL);
    while (b.n_rx < N_SENDERS * N_MESSAGES)
        sched_yield();
    stop = true;
    pthread_join(owner_a, NULL);
    pthread_join(owner_b, NULL);
    a.owner = b.owner = pthread_self();
    assert_int_equal(b.n_rx, N_SENDERS * N_MESSAGES);
    rpr_node_poll(a.node, UINT64_C(1) << 62, 0);
    assert_true(a.n_rx > 0 && a.n_rx <= b.n_replies);
    rpr_node_close(a.node);
    rpr_node_close(b.node);
    free(region);
}

static void threads_send_as_driver(void **state)
{
    (void)state;
    run(RPR_VRING_DRIVER);
}

static void threads_send_as_device(void **state)
{
    (void)state;
    run(RPR_VRING_DEVICE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(threads_send_as_driver),
                                       cmocka_unit_test(threads_send_as_device)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
