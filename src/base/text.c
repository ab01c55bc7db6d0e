/* SPDX-License-Identifier: Apache-2.0 */
#include "base/text.h"

struct text text_start(char *buffer, size_t bytes)
{
    struct text text = {buffer, buffer + bytes - 1};

    *buffer = '\0';
    return text;
}

void text_add(struct text *text, const char *more)
{
    while (*more && text->at < text->end)
        *text->at++ = *more++;
    *text->at = '\0';
}

void text_add_number(struct text *text, uint64_t number)
{
    char digits[21];
    char *at = digits + sizeof digits;

    *--at = '\0';
    do {
        *--at = (char)('0' + number % 10);
        number /= 10;
    } while (number);
    text_add(text, at);
}

size_t text_length(const char *s, size_t max)
{
    size_t n = 0;

    while (n < max && s[n])
        n++;
    return n;
}

void text_copy(char *to, size_t bytes, const char *from)
{
    struct text text = text_start(to, bytes);

    text_add(&text, from);
}

int text_differs(const char *a, const char *b)
{
    while (*a && *a == *b) {
        a++;
        b++;
    }
    return *a != *b;
}
