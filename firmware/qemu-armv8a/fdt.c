/* SPDX-License-Identifier: Apache-2.0 */
#include "fdt.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define TREE  0x40000000u /* hw/arm/boot.c: where an ELF image finds it */
#define MAGIC 0xd00dfeedu

/* Words of the header, 5.2. */
enum { WORD_MAGIC, WORD_BYTES, WORD_STRUCT, WORD_STRINGS };

/* Tokens, 5.4.1. */
enum { BEGIN_NODE = 1, END_NODE = 2, PROP = 3, NOP = 4 };

static uint32_t word(const uint8_t *at)
{
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

static bool is_node(const char *name, const char *wanted)
{
    size_t n = strlen(wanted);

    return strncmp(name, wanted, n) == 0 && (name[n] == '\0' || name[n] == '@');
}

const void *fdt_property(const char *node, const char *property, size_t *len)
{
    const uint8_t *tree = (const uint8_t *)(uintptr_t)TREE;
    const uint8_t *at = tree + word(tree + 4 * WORD_STRUCT);
    const char *names = (const char *)tree + word(tree + 4 * WORD_STRINGS);
    unsigned depth = 0;
    bool inside = false;

    if (word(tree + 4 * WORD_MAGIC) != MAGIC)
        return NULL;
    for (;;) {
        uint32_t token = word(at), n;

        at += 4;
        switch (token) {
        case BEGIN_NODE:
            if (++depth == 2) /* the root is 1 */
                inside = is_node((const char *)at, node);
            at += (strlen((const char *)at) + 4) & ~(size_t)3;
            break;
        case END_NODE:
            if (depth-- == 2)
                inside = false;
            break;
        case PROP:
            n = word(at);
            if (inside && depth == 2 && strcmp(names + word(at + 4), property) == 0) {
                *len = n;
                return at + 8;
            }
            at += 8 + ((n + 3) & ~(uint32_t)3);
            break;
        case NOP:
            break;
        default: /* the end */
            return NULL;
        }
    }
}

const char *fdt_text(const char *node, const char *property)
{
    size_t len = 0;
    const char *text = fdt_property(node, property, &len);

    return text && len && text[len - 1] == '\0' ? text : "";
}
