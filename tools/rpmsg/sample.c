/* SPDX-License-Identifier: Apache-2.0 */
#include "sample.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../common/text.h"

/* ---- bytes ------------------------------------------------------------------------------------------- */

static uint64_t get_bits(const uint8_t *at, unsigned bytes)
{
    uint64_t bits = 0;

    for (unsigned i = 0; i < bytes; i++)
        bits |= (uint64_t)at[i] << (8 * i);
    return bits;
}

static void put_bits(uint8_t *at, unsigned bytes, uint64_t bits)
{
    for (unsigned i = 0; i < bytes; i++)
        at[i] = (uint8_t)(bits >> (8 * i));
}

static int64_t extend(uint64_t bits, unsigned bytes)
{
    unsigned unused = 64 - 8 * bytes;

    return (int64_t)(bits << unused) >> unused;
}

static double get_float(uint64_t bits, unsigned bytes)
{
    uint32_t low = (uint32_t)bits;
    double wide;
    float narrow;

    memcpy(&wide, &bits, sizeof(wide));
    memcpy(&narrow, &low, sizeof(narrow));
    return bytes == sizeof(narrow) ? (double)narrow : wide;
}

static void put_float(uint8_t *at, unsigned bytes, double value)
{
    float narrow = (float)value;
    uint64_t bits = 0;

    memcpy(&bits, bytes == sizeof(narrow) ? (const void *)&narrow : (const void *)&value, bytes);
    put_bits(at, bytes, bits);
}

const struct field *sample_time_field(const struct layout *layout)
{
    for (unsigned i = 0; layout != NULL && i < layout->n_fields; i++) {
        const struct field *field = &layout->fields[i];
        if (strcmp(field->name, SAMPLE_TIME) == 0 && field->kind == VALUE_UNSIGNED &&
            field->bytes == 8 && field->count == 0)
            return field;
    }
    return NULL;
}

uint64_t sample_time(const struct field *field, const uint8_t *data)
{
    return get_bits(data + field->at, field->bytes);
}

/* ---- printing ------------------------------------------------------------------------------------------ */

static void print_hex(const uint8_t *data, size_t length)
{
    static const char digits[] = "0123456789abcdef";

    for (size_t i = 0; i < length; i++) {
        putchar_unlocked(digits[data[i] >> 4]);
        putchar_unlocked(digits[data[i] & 15]);
    }
}

/* Text of a peer: what is not printable is replaced, what would end a string or a column too. */
static void print_text(const char *text, size_t size, bool quoted)
{
    if (quoted)
        putchar_unlocked('"');
    for (size_t i = 0; i < size && text[i] != '\0'; i++) {
        unsigned char c = (unsigned char)text[i];
        bool plain = c >= ' ' && c <= '~' && c != '"' && c != '\\' && (quoted || c != ',');
        putchar_unlocked(plain ? c : '?');
    }
    if (quoted)
        putchar_unlocked('"');
}

static void print_value(const struct field *field, const uint8_t *at, enum sample_style style)
{
    uint64_t bits = get_bits(at, field->bytes <= 8 ? field->bytes : 8);
    double number;

    switch (field->kind) {
    case VALUE_UNSIGNED:
        printf("%" PRIu64, bits);
        break;
    case VALUE_SIGNED:
        printf("%" PRId64, extend(bits, field->bytes));
        break;
    case VALUE_BOOL:
        if (style == SAMPLE_JSON)
            fputs(bits ? "true" : "false", stdout);
        else
            putchar_unlocked(bits ? '1' : '0');
        break;
    case VALUE_FLOAT:
        number = get_float(bits, field->bytes);
        if (style == SAMPLE_JSON && !isfinite(number)) /* JSON has no word for it */
            fputs("null", stdout);
        else
            printf("%.*g", field->bytes == 4 ? 9 : 17, number);
        break;
    case VALUE_TEXT:
        print_text((const char *)at, field->bytes, style != SAMPLE_CSV);
        break;
    }
}

static void print_field(const struct field *field, const uint8_t *data, enum sample_style style)
{
    unsigned count = field_values(field);
    bool array = style == SAMPLE_JSON && field->count > 0;

    if (array)
        putchar_unlocked('[');
    for (unsigned i = 0; i < count; i++) {
        if (i > 0)
            putchar_unlocked(',');
        print_value(field, data + field->at + (size_t)i * field->bytes, style);
    }
    if (array)
        putchar_unlocked(']');
}

static void print_fields(const struct layout *layout, enum sample_style style, const uint8_t *data)
{
    for (unsigned i = 0; i < layout->n_fields; i++) {
        const struct field *field = &layout->fields[i];
        if (style == SAMPLE_JSON)
            printf(",\"%s\":", field->name);
        else if (style == SAMPLE_PLAIN)
            printf("%s%s=", i > 0 ? " " : "", field->name);
        else if (i > 0)
            putchar_unlocked(',');
        print_field(field, data, style);
    }
}

void sample_print(const struct layout *layout, enum sample_style style, const char *topic,
                  const uint8_t *data, uint32_t length)
{
    if (style == SAMPLE_JSON)
        printf("{\"topic\":\"%s\"", topic); /* a path: printable, checked for quotes before */
    if (layout != NULL) {
        print_fields(layout, style, data);
    } else {
        if (style == SAMPLE_JSON)
            printf(",\"hex\":\"");
        print_hex(data, length);
        if (style == SAMPLE_JSON)
            putchar_unlocked('"');
    }
    fputs(style == SAMPLE_JSON ? "}\n" : "\n", stdout);
}

void sample_print_header(const struct layout *layout)
{
    if (layout == NULL)
        printf("hex");
    for (unsigned i = 0; layout != NULL && i < layout->n_fields; i++) {
        const struct field *field = &layout->fields[i];
        for (unsigned n = 0; n < field_values(field); n++)
            if (field->count > 0)
                printf("%s%s[%u]", i + n > 0 ? "," : "", field->name, n);
            else
                printf("%s%s", i > 0 ? "," : "", field->name);
    }
    putchar('\n');
}

/* ---- reading: values ------------------------------------------------------------------------------------- */

static bool wrong(char error[LAYOUT_ERROR_BYTES], const struct field *field, const char *text)
{
    static const char *const what[] = {"an unsigned number", "a number", "a number", "0 or 1",
                                       "text"};
    unsigned bits = 8 * field->bytes;

    if (field->kind == VALUE_TEXT)
        snprintf(error, LAYOUT_ERROR_BYTES, "%s: '%.40s' is longer than %u bytes", field->name,
                 text, field->bytes);
    else
        snprintf(error, LAYOUT_ERROR_BYTES, "%s: '%.40s' is not %s%s", field->name, text,
                 what[field->kind],
                 field->kind > VALUE_SIGNED ? ""
                 : bits == 8                ? " of 8 bits"
                 : bits == 16               ? " of 16 bits"
                 : bits == 32               ? " of 32 bits"
                                            : " of 64 bits");
    return false;
}

static bool set_integer(const struct field *field, uint8_t *at, const char *text)
{
    char *end;
    bool negative = text[0] == '-';
    unsigned unused = 64 - 8 * field->bytes;

    errno = 0;
    if (field->kind == VALUE_SIGNED) {
        int64_t value = strtoll(text, &end, 0);
        if (errno != 0 || end == text || *end != '\0' ||
            extend((uint64_t)value, field->bytes) != value)
            return false;
        put_bits(at, field->bytes, (uint64_t)value);
        return true;
    }
    uint64_t value = strtoull(text, &end, 0);
    if (errno != 0 || end == text || *end != '\0' || negative || value > UINT64_MAX >> unused)
        return false;
    put_bits(at, field->bytes, value);
    return true;
}

static bool set_value(const struct field *field, uint8_t *at, const char *text)
{
    char *end;
    double number;

    switch (field->kind) {
    case VALUE_FLOAT:
        number = strtod(text, &end);
        if (end == text || *end != '\0')
            return false;
        put_float(at, field->bytes, number);
        return true;
    case VALUE_BOOL:
        at[0] = strcmp(text, "1") == 0 || strcmp(text, "true") == 0;
        return at[0] || strcmp(text, "0") == 0 || strcmp(text, "false") == 0;
    case VALUE_TEXT:
        if (strlen(text) > field->bytes)
            return false;
        memcpy(at, text, strlen(text));
        return true;
    default:
        return set_integer(field, at, text);
    }
}

/* ---- reading: hex ------------------------------------------------------------------------------------------ */

static int digit_of(char c)
{
    return isdigit((unsigned char)c)    ? c - '0'
           : isxdigit((unsigned char)c) ? tolower((unsigned char)c) - 'a' + 10
                                        : -1;
}

static bool read_hex(const char *line, uint8_t *data, uint32_t *length,
                     char error[LAYOUT_ERROR_BYTES])
{
    *length = 0;
    while (*line != '\0') {
        if (isspace((unsigned char)*line)) {
            line++;
            continue;
        }
        int high = digit_of(line[0]), low = high < 0 ? -1 : digit_of(line[1]);
        if (low < 0) {
            snprintf(error, LAYOUT_ERROR_BYTES,
                     "'%.8s': pairs of hex digits, or say the layout with --format", line);
            return false;
        }
        if (*length == LAYOUT_BYTES_MAX) {
            snprintf(error, LAYOUT_ERROR_BYTES, "more than %u bytes", LAYOUT_BYTES_MAX);
            return false;
        }
        data[(*length)++] = (uint8_t)(high << 4 | low);
        line += 2;
    }
    return true;
}

/* ---- reading: JSON ------------------------------------------------------------------------------------------ */

static bool set_json(const struct field *field, uint8_t *at, const json_t *value,
                     char error[LAYOUT_ERROR_BYTES])
{
    char *text;

    if (json_is_null(value) && field->kind == VALUE_FLOAT)
        text = text_dup("nan");
    else if (json_is_string(value))
        text = text_dup(json_string_value(value));
    else
        text = json_dumps(value, JSON_ENCODE_ANY | JSON_REAL_PRECISION(17) | JSON_COMPACT);
    bool ok = text != NULL && set_value(field, at, text);
    if (!ok)
        wrong(error, field, text != NULL ? text : "");
    free(text);
    return ok;
}

static bool set_json_field(const struct field *field, uint8_t *data, const json_t *value,
                           char error[LAYOUT_ERROR_BYTES])
{
    unsigned count = field_values(field);

    if (field->count == 0)
        return set_json(field, data + field->at, value, error);
    if (json_array_size(value) != count) {
        snprintf(error, LAYOUT_ERROR_BYTES, "%s: an array of %u", field->name, count);
        return false;
    }
    for (unsigned i = 0; i < count; i++)
        if (!set_json(field, data + field->at + (size_t)i * field->bytes, json_array_get(value, i),
                      error))
            return false;
    return true;
}

static const struct field *field_named(const struct layout *layout, const char *name)
{
    for (unsigned i = 0; i < layout->n_fields; i++)
        if (strcmp(layout->fields[i].name, name) == 0)
            return &layout->fields[i];
    return NULL;
}

static bool set_object(const struct layout *layout, const json_t *object, uint8_t *data,
                       bool *timed, char error[LAYOUT_ERROR_BYTES])
{
    const char *key;
    json_t *value;

    json_object_foreach((json_t *)(uintptr_t)object, key, value)
    {
        const struct field *field = field_named(layout, key);
        if (strcmp(key, "topic") == 0 && field == NULL)
            continue; /* what `sub --json` prints can be published */
        if (field == NULL) {
            snprintf(error, LAYOUT_ERROR_BYTES, "there is no field '%.40s'", key);
            return false;
        }
        if (!set_json_field(field, data, value, error))
            return false;
        *timed |= strcmp(key, SAMPLE_TIME) == 0;
    }
    return true;
}

static bool read_json(const struct sample_reader *reader, const char *line, uint8_t *data,
                      uint32_t *length, bool *timed, char error[LAYOUT_ERROR_BYTES])
{
    json_error_t where;
    json_t *object = json_loads(line, JSON_REJECT_DUPLICATES, &where);
    const char *hex = json_string_value(json_object_get(object, "hex"));
    bool ok;

    if (!json_is_object(object)) {
        snprintf(error, LAYOUT_ERROR_BYTES, "no JSON object: %.100s", where.text);
        ok = false;
    } else if (reader->layout != NULL) {
        ok = set_object(reader->layout, object, data, timed, error);
    } else if (hex != NULL) {
        ok = read_hex(hex, data, length, error);
    } else {
        snprintf(error, LAYOUT_ERROR_BYTES,
                 "the layout of this topic is not known: --format, or \"hex\" in the object");
        ok = false;
    }
    json_decref(object);
    return ok;
}

/* ---- reading: CSV --------------------------------------------------------------------------------------------- */

static unsigned n_values(const struct layout *layout)
{
    unsigned n = 0;

    for (unsigned i = 0; i < layout->n_fields; i++)
        n += field_values(&layout->fields[i]);
    return n;
}

/* The value number `n` of a sample. */
static const struct field *value_at(const struct layout *layout, unsigned n, size_t *at)
{
    const struct field *field = layout->fields;

    while (n >= field_values(field))
        n -= field_values(field++);
    *at = field->at + (size_t)n * field->bytes;
    return field;
}

/* NAME or NAME[N] as a value number. */
static bool column_number(const struct layout *layout, const char *title, unsigned *number)
{
    unsigned n = 0;

    for (unsigned i = 0; i < layout->n_fields; i++) {
        const struct field *field = &layout->fields[i];
        for (unsigned k = 0; k < field_values(field); k++, n++) {
            char name[LAYOUT_NAME_MAX + 16];
            snprintf(name, sizeof(name), field->count > 0 ? "%s[%u]" : "%s", field->name, k);
            if (strcmp(name, title) == 0) {
                *number = n;
                return true;
            }
        }
    }
    return false;
}

/* The next column of *at, without blanks around it; NULL: there is none. */
static char *next_column(char **at)
{
    char *begin = *at, *end;

    if (begin == NULL)
        return NULL;
    end = strchr(begin, ',');
    *at = end != NULL ? end + 1 : NULL;
    if (end == NULL)
        end = begin + strlen(begin);
    while (begin < end && isspace((unsigned char)*begin))
        begin++;
    while (end > begin && isspace((unsigned char)end[-1]))
        end--;
    *end = '\0';
    return begin;
}

static bool read_titles(struct sample_reader *reader, char *line, char error[LAYOUT_ERROR_BYTES])
{
    char *at = line, *title;

    while ((title = next_column(&at)) != NULL) {
        if (reader->n_columns == sizeof(reader->columns) / sizeof(reader->columns[0]) ||
            !column_number(reader->layout, title, &reader->columns[reader->n_columns])) {
            snprintf(error, LAYOUT_ERROR_BYTES, "header: there is no field '%.40s'", title);
            return false;
        }
        reader->n_columns++;
    }
    return true;
}

static unsigned count_columns(const char *line)
{
    unsigned n = 1;

    for (; *line != '\0'; line++)
        n += *line == ',';
    return n;
}

/* Without a header: every value in order, or all but the time. */
static bool place_columns(const struct sample_reader *reader, unsigned given, bool *skip_time,
                          char error[LAYOUT_ERROR_BYTES])
{
    unsigned all = reader->n_columns > 0 ? reader->n_columns : n_values(reader->layout);

    *skip_time = reader->n_columns == 0 && given + 1 == all && sample_time_field(reader->layout);
    if (given == all || *skip_time)
        return true;
    snprintf(error, LAYOUT_ERROR_BYTES, "%u columns of %u", given, all);
    return false;
}

static bool read_csv(const struct sample_reader *reader, char *line, uint8_t *data, bool *timed,
                     char error[LAYOUT_ERROR_BYTES])
{
    const struct field *time = sample_time_field(reader->layout);
    unsigned next = 0;
    bool skip_time;
    char *at = line, *text;

    if (!place_columns(reader, count_columns(line), &skip_time, error))
        return false;
    while ((text = next_column(&at)) != NULL) {
        size_t place;
        unsigned number = reader->n_columns > 0 ? reader->columns[next] : next;
        const struct field *field = value_at(reader->layout, number, &place);
        if (skip_time && field == time)
            field = value_at(reader->layout, ++next, &place);
        if (!set_value(field, data + place, text))
            return wrong(error, field, text);
        *timed |= field == time;
        next++;
    }
    return true;
}

/* ---- reading: a line ------------------------------------------------------------------------------------------- */

static bool is_header(const struct sample_reader *reader, const char *line)
{
    return reader->layout != NULL && !reader->begun && reader->style != SAMPLE_JSON &&
           isalpha((unsigned char)line[0]) && strncmp(line, "nan", 3) != 0 &&
           strncmp(line, "inf", 3) != 0;
}

static bool read_values(const struct sample_reader *reader, char *line, uint64_t now_us,
                        uint8_t *data, uint32_t *length, char error[LAYOUT_ERROR_BYTES])
{
    const struct field *time = sample_time_field(reader->layout);
    bool timed = false, ok;

    if (reader->layout != NULL) {
        *length = (uint32_t)reader->layout->bytes;
        memset(data, 0, *length);
    }
    if ((line[0] == '{' || reader->style == SAMPLE_JSON) && reader->style != SAMPLE_CSV)
        ok = read_json(reader, line, data, length, &timed, error);
    else if (reader->layout != NULL)
        ok = read_csv(reader, line, data, &timed, error);
    else
        ok = read_hex(line, data, length, error);
    if (ok && time != NULL && !timed)
        put_bits(data + time->at, time->bytes, now_us);
    return ok;
}

enum sample_line sample_read(struct sample_reader *reader, const char *text, uint64_t now_us,
                             uint8_t *data, uint32_t *length, char error[LAYOUT_ERROR_BYTES])
{
    char *line = text_dup(text), *begin = line;
    enum sample_line result;

    while (isspace((unsigned char)*begin))
        begin++;
    if (begin[0] == '\0' || begin[0] == '#' ||
        (reader->layout == NULL && strcmp(begin, "hex") == 0)) {
        result = SAMPLE_NONE;
    } else if (is_header(reader, begin)) {
        result = read_titles(reader, begin, error) ? SAMPLE_NONE : SAMPLE_WRONG;
        reader->begun = true;
    } else {
        reader->begun = true;
        result =
            read_values(reader, begin, now_us, data, length, error) ? SAMPLE_READ : SAMPLE_WRONG;
    }
    free(line);
    return result;
}
