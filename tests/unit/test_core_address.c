/* SPDX-License-Identifier: Apache-2.0 */
/* Addresses with generations: given, found exactly, and never mistaken for former ones. */
#include "core_fixture.h"

#include "core/core.h"

struct table {
    struct world world;
    struct rpr_node *node;
    struct address_table addresses;
};

static void table_init(struct table *t, uint32_t random)
{
    memset(t, 0, sizeof *t);
    world_init(&t->world);
    t->world.random = random;
    t->node = world_node(&t->world, "me");
}

static void table_fini(struct table *t)
{
    address_fini(t->node, &t->addresses);
    rpr_node_close(t->node);
    assert_int_equal(t->world.n_live, 0);
}

/* Endpoints are compared, never looked into. */
static struct rpr_endpoint *some(uintptr_t n)
{
    static struct rpr_endpoint endpoints[64];

    return &endpoints[n % 64];
}

static uint32_t assign(struct table *t, uintptr_t n, uint32_t wanted)
{
    uint32_t addr = 0;

    assert_int_equal(address_assign(t->node, &t->addresses, some(n), wanted, &addr), 0);
    return addr;
}

static void dynamic_addresses_begin_at_1024(void **state)
{
    struct table t;

    (void)state;
    table_init(&t, 0);
    for (uint32_t i = 0; i < 40; i++) { /* the table grows in between */
        uint32_t addr = assign(&t, i, RPR_ADDR_ANY);

        assert_int_equal(addr & ADDRESS_SLOT_MASK, 1024 + i);
        assert_ptr_equal(address_find(&t.addresses, addr), some(i));
        assert_ptr_equal(address_find(&t.addresses, addr ^ (1u << 18)), NULL);
        assert_ptr_equal(address_find(&t.addresses, addr ^ (1u << 31)), NULL);
    }
    assert_null(address_find(&t.addresses, 1024 + 4000));
    assert_null(address_find(&t.addresses, RPR_ADDR_ANY));
    assert_null(address_find(&t.addresses, 0));
    table_fini(&t);
}

/* No address comes again before its slot was given out 16383 times, and none is ANY. */
static void generations_go_round(void **state)
{
    struct table t;
    uint32_t first, addr;

    (void)state;
    table_init(&t, 0xffffffff);
    first = assign(&t, 0, RPR_ADDR_ANY);
    addr = first;
    for (unsigned i = 1; i < 16383; i++) {
        uint32_t next;

        address_free(&t.addresses, addr);
        assert_null(address_find(&t.addresses, addr));
        next = assign(&t, i, RPR_ADDR_ANY);
        assert_int_not_equal(next, first);
        assert_int_not_equal(next >> 18, 0x3fff);
        assert_null(address_find(&t.addresses, addr)); /* the former one is late */
        addr = next;
    }
    address_free(&t.addresses, addr);
    assert_int_equal(assign(&t, 0, RPR_ADDR_ANY), first);
    table_fini(&t);
}

static void generations_begin_at_random(void **state)
{
    struct table a, b;

    (void)state;
    table_init(&a, 5);
    table_init(&b, 77);
    assert_int_not_equal(assign(&a, 0, RPR_ADDR_ANY), assign(&b, 0, RPR_ADDR_ANY));
    table_fini(&a);
    table_fini(&b);
}

static void predefined_addresses_are_apart(void **state)
{
    struct table t;
    uint32_t addr;

    (void)state;
    table_init(&t, 0);
    assert_int_equal(assign(&t, 1, 0), 0);
    assert_int_equal(assign(&t, 2, 1023), 1023);
    assert_int_equal(address_assign(t.node, &t.addresses, some(3), 1023, &addr), -RPR_EEXIST);
    assert_ptr_equal(address_find(&t.addresses, 0), some(1));
    assert_ptr_equal(address_find(&t.addresses, 1023), some(2));
    assert_null(address_find(&t.addresses, 1023 | 1u << 18)); /* all 32 bits count */
    assert_null(address_find(&t.addresses, 5));
    address_free(&t.addresses, 1023);
    assert_null(address_find(&t.addresses, 1023));
    assert_int_equal(assign(&t, 3, 1023), 1023);
    table_fini(&t);
}

static void no_memory_changes_nothing(void **state)
{
    struct table t;
    uint32_t addr, first;

    (void)state;
    table_init(&t, 0);
    t.world.fail_in = 1;
    assert_int_equal(address_assign(t.node, &t.addresses, some(0), RPR_ADDR_ANY, &addr),
                     -RPR_ENOMEM);
    t.world.fail_in = 1;
    assert_int_equal(address_assign(t.node, &t.addresses, some(0), 7, &addr), -RPR_ENOMEM);
    first = assign(&t, 0, RPR_ADDR_ANY);
    for (unsigned i = 1; i < 16; i++)
        (void)assign(&t, i, RPR_ADDR_ANY);
    t.world.fail_in = 1;
    assert_int_equal(address_assign(t.node, &t.addresses, some(0), RPR_ADDR_ANY, &addr),
                     -RPR_ENOMEM);
    assert_ptr_equal(address_find(&t.addresses, first), some(0));
    table_fini(&t);
}

static void a_full_table_says_so(void **state)
{
    struct table t;
    uint32_t addr, last = 0;
    int error = 0;

    (void)state;
    table_init(&t, 0);
    for (uint32_t n = 0; !error; n++) {
        error = address_assign(t.node, &t.addresses, some(n), RPR_ADDR_ANY, &addr);
        if (!error)
            last = addr;
        assert_true(n <= ADDRESS_MAX_SLOTS);
    }
    assert_int_equal(error, -RPR_ENOSPC);
    assert_int_equal(last & ADDRESS_SLOT_MASK, ADDRESS_SLOT_MASK);
    address_free(&t.addresses, last);
    assert_int_equal(assign(&t, 0, RPR_ADDR_ANY) & ADDRESS_SLOT_MASK, ADDRESS_SLOT_MASK);
    table_fini(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(dynamic_addresses_begin_at_1024),
        cmocka_unit_test(generations_go_round),
        cmocka_unit_test(generations_begin_at_random),
        cmocka_unit_test(predefined_addresses_are_apart),
        cmocka_unit_test(no_memory_changes_nothing),
        cmocka_unit_test(a_full_table_says_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
