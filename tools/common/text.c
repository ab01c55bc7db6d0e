/* SPDX-License-Identifier: Apache-2.0 */
#include "text.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void *checked(void *memory)
{
    if (memory == NULL) {
        fputs("out of memory\n", stderr);
        exit(1);
    }
    return memory;
}

void *need_memory(size_t bytes)
{
    return checked(calloc(1, bytes > 0 ? bytes : 1));
}

void *need_array(void *memory, size_t count, size_t bytes)
{
    return checked(reallocarray(memory, count > 0 ? count : 1, bytes));
}

char *text_dup(const char *text)
{
    return checked(strdup(text));
}

char *text_format(const char *format, ...)
{
    va_list args;
    char *text = NULL;

    va_start(args, format);
    int length = vasprintf(&text, format, args);
    va_end(args);
    return checked(length < 0 ? NULL : text);
}

bool text_is_cpu_name(const char *text, size_t max)
{
    size_t length = strlen(text);

    if (length == 0 || length > max)
        return false;
    for (size_t i = 0; i < length; i++)
        if (!isalnum((unsigned char)text[i]) && strchr("_.-", text[i]) == NULL)
            return false;
    return true;
}

bool text_to_u32(const char *text, uint32_t min, uint32_t max, uint32_t *value)
{
    uint64_t number = 0;
    const char *c = text;

    for (; *c >= '0' && *c <= '9' && number <= UINT32_MAX; c++)
        number = number * 10 + (uint64_t)(*c - '0');
    if (c == text || *c != '\0' || number < min || number > max)
        return false;
    *value = (uint32_t)number;
    return true;
}

bool text_to_ms(const char *text, uint32_t *ms)
{
    char *end;

    if (!isdigit((unsigned char)text[0]) && text[0] != '.')
        return false;
    double seconds = strtod(text, &end);
    if (end == text || *end != '\0' || !(seconds >= 0) || seconds > 86400)
        return false;
    *ms = (uint32_t)(seconds * 1000 + 0.5);
    return true;
}
