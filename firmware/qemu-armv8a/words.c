/* SPDX-License-Identifier: Apache-2.0 */
#include "words.h"

#include <string.h>

char *words_cut(char *text, char mark)
{
    char *at = strchr(text, mark);

    if (!at)
        return NULL;
    *at = '\0';
    return at + 1;
}

bool words_number(const char *text, uint32_t *value)
{
    uint64_t n = 0;

    if (!*text)
        return false;
    for (; *text; text++) {
        if (*text < '0' || *text > '9')
            return false;
        n = n * 10 + (uint64_t)(*text - '0');
        if (n > UINT32_MAX)
            return false;
    }
    *value = (uint32_t)n;
    return true;
}

unsigned words_split(char *text, char **words, unsigned max)
{
    unsigned n = 0;

    while (*(text += strspn(text, " \t"))) {
        if (n < max)
            words[n] = text;
        n++;
        text += strcspn(text, " \t");
        if (*text)
            *text++ = '\0';
    }
    return n;
}
