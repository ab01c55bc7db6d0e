/* SPDX-License-Identifier: Apache-2.0 */
/* What a configuration is made of: file, options over it, and what a reload compares. Errors are
 * for tests/e2e/test_config.py, which sees them as the user does. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "../../tools/rpmsgd/config.h"

static char path[] = "/tmp/rpr-config-XXXXXX";

static void load(struct config *config, const char *text, const struct options *more)
{
    struct options options = *more;
    char error[CONFIG_ERROR_BYTES] = "";
    FILE *file = fopen(path, "w");

    assert_non_null(file);
    fputs(text, file);
    fclose(file);
    options.file = path;
    if (!config_load(config, &options, error))
        fail_msg("%s", error);
}

static const char hub[] =
    "[node]\nname=ap\n[link a]\nurl=shm:/x/a?size=500\n[link b]\n"
    "url=shm:/x/b?size=700\n[route a:b]\npolicy=block\nquota=3\nservices=x+y\n";

static void a_file_says_all(void **state)
{
    struct config config;

    (void)state;
    load(&config, hub, &(struct options){0});
    assert_string_equal(config.name, "ap");
    assert_null(config.control);
    assert_int_equal(config.n_links, 2);
    assert_string_equal(config_link_find(&config, "b")->url, "shm:/x/b?size=700");
    assert_int_equal(config_payload(&config), 700);
    const struct config_route *route = config_route_find(&config, "b", "a");
    assert_non_null(route);
    assert_int_equal(route->policy, RPR_POLICY_BLOCK);
    assert_int_equal(route->quota, 3);
    assert_string_equal(route->services[0], "x");
    assert_string_equal(route->services[1], "y");
    assert_null(route->services[2]);
    config_free(&config);
}

static void options_override_and_add(void **state)
{
    const char *links[] = {"a=shm:/y/a", "c=shm:/y/c"};
    const char *routes[] = {"b:a,policy=credit", "all,quota=9"};
    struct options options = {
        .name = "other", .links = links, .n_links = 2, .routes = routes, .n_routes = 2};
    struct config config;

    (void)state;
    load(&config, hub, &options);
    assert_string_equal(config.name, "other");
    assert_int_equal(config.n_links, 3);
    assert_string_equal(config_link_find(&config, "a")->url, "shm:/y/a");
    assert_string_equal(config_link_find(&config, "b")->url, "shm:/x/b?size=700");
    assert_int_equal(config.n_routes, 2);
    const struct config_route *route = config_route_find(&config, "a", "b");
    assert_int_equal(route->policy, RPR_POLICY_CREDIT);
    assert_int_equal(route->quota, 0);
    assert_null(route->services);
    assert_int_equal(config_route_find(&config, NULL, NULL)->quota, 9);
    config_free(&config);
}

/* What a reload leaves alone must be equal, and what it must not is not. */
static void equality(void **state)
{
    static const char *const other[] = {
        "[route a:b]\npolicy=credit\nquota=3\nservices=x+y\n",
        "[route a:b]\npolicy=block\nquota=4\nservices=x+y\n",
        "[route a:b]\npolicy=block\nquota=3\nservices=x\n",
        "[route a:b]\npolicy=block\nquota=3\nservices=x+z\n",
        "[route a:b]\npolicy=block\nquota=3\n",
        "[route a:b]\npolicy=block\nquota=3\nservices=x+y\nblock_ms=5\n",
        "[route all]\npolicy=block\nquota=3\nservices=x+y\n",
    };
    struct config one, two;
    char text[512];

    (void)state;
    load(&one, hub, &(struct options){0});
    load(&two, hub, &(struct options){0});
    assert_true(config_route_equal(&one.routes[0], &two.routes[0]));
    assert_true(config_link_equal(&one.links[0], &two.links[0]));
    assert_false(config_link_equal(&one.links[0], &two.links[1]));
    config_free(&two);
    for (size_t i = 0; i < sizeof(other) / sizeof(other[0]); i++) {
        snprintf(text, sizeof(text), "%.*s%s", (int)(strstr(hub, "[route") - hub), hub, other[i]);
        load(&two, text, &(struct options){0});
        assert_false(config_route_equal(&one.routes[0], &two.routes[0]));
        config_free(&two);
    }
    load(&two,
         "[node]\nname=ap\n[link a]\nurl=shm:/x/a\n[link b]\nurl=shm:/x/b\n[route b:a]\n"
         "services=x+y\nquota=3\npolicy=block\n",
         &(struct options){0});
    assert_true(config_route_equal(&one.routes[0], &two.routes[0]));
    config_free(&two);
    config_free(&one);
}

/* Which services there are is for those who know them: this is about what is said of one. */
static void services_are_on_off_and_somewhere(void **state)
{
    const char *services[] = {"ping@a,c"};
    struct options options = {.services = services, .n_services = 1};
    struct config config;
    char text[512];

    (void)state;
    load(&config, hub, &(struct options){0});
    const struct config_service *ping = config_service_find(&config, "ping");
    assert_non_null(ping);
    assert_true(config_service_wants(ping, "a") && config_service_wants(ping, "unheard-of"));
    assert_null(config_service_find(&config, "frob"));
    config_free(&config);

    snprintf(text, sizeof(text), "%s[service ping]\non=b, c\n", hub);
    load(&config, text, &(struct options){0});
    ping = config_service_find(&config, "ping");
    assert_true(config_service_wants(ping, "b") && config_service_wants(ping, "c"));
    assert_false(config_service_wants(ping, "a"));
    config_free(&config);

    load(&config, text, &options); /* the option replaces what the file says */
    ping = config_service_find(&config, "ping");
    assert_true(config_service_wants(ping, "a") && config_service_wants(ping, "c"));
    assert_false(config_service_wants(ping, "b"));
    config_free(&config);

    services[0] = "ping@none";
    load(&config, text, &options);
    assert_false(config_service_wants(config_service_find(&config, "ping"), "a"));
    config_free(&config);

    services[0] = "ping"; /* naming it switches it on, everywhere */
    load(&config, text, &options);
    assert_true(config_service_wants(config_service_find(&config, "ping"), "a"));
    config_free(&config);
}

static int make_file(void **state)
{
    int fd = mkstemp(path);

    (void)state;
    return fd < 0 ? -1 : close(fd);
}

static int remove_file(void **state)
{
    (void)state;
    return unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_file_says_all),
        cmocka_unit_test(options_override_and_add),
        cmocka_unit_test(equality),
        cmocka_unit_test(services_are_on_off_and_somewhere),
    };

    return cmocka_run_group_tests(tests, make_file, remove_file);
}
