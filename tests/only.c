/* SPDX-License-Identifier: Apache-2.0 */
/* Part of every C test: with RPR_TEST=NAME in the environment only that test of the program runs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

static __attribute__((constructor)) void choose(void)
{
    cmocka_set_test_filter(getenv("RPR_TEST"));
}
