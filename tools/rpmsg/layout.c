/* SPDX-License-Identifier: Apache-2.0 */
#include "layout.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- topics that are known ----------------------------------------------------------------------- */

/* Source: Apache NuttX, include/nuttx/uorb.h (commit 4ebc8a7291d), struct sensor_NAME, where
 * sensor_data_t is float, as without CONFIG_SENSORS_USE_B16. Topics are called sensor_NAME and a
 * number. */
static const struct {
    const char *name, *format;
} known[] = {
    {"accel", "uint64_t timestamp; float x, y, z, temperature"},
    {"linear_accel", "uint64_t timestamp; float x, y, z, temperature"},
    {"accel_uncal", "uint64_t timestamp; float x, y, z, x_bias, y_bias, z_bias, temperature"},
    {"gyro", "uint64_t timestamp; float x, y, z, temperature"},
    {"gyro_uncal", "uint64_t timestamp; float x, y, z, x_bias, y_bias, z_bias, temperature"},
    {"mag", "uint64_t timestamp; float x, y, z, temperature; int32_t status"},
    {"mag_uncal",
     "uint64_t timestamp; float x, y, z, x_bias, y_bias, z_bias, temperature; int32_t status"},
    {"baro", "uint64_t timestamp; float pressure, temperature"},
    {"orientation", "uint64_t timestamp; float x, y, z"},
    {"rotation", "uint64_t timestamp; float x, y, z, w, status"},
    {"step_counter", "uint64_t timestamp; uint32_t steps, cadence"},
    {"light", "uint64_t timestamp; float light, ir"},
    {"humi", "uint64_t timestamp; float humidity"},
    {"temp", "uint64_t timestamp; float temperature"},
    {"ambient_temp", "uint64_t timestamp; float temperature"},
    {"prox", "uint64_t timestamp; float proximity"},
    {"rgb", "uint64_t timestamp; float r, g, b"},
    {"hall", "uint64_t timestamp; int32_t hall"},
    {"hrate", "uint64_t timestamp; float bpm"},
    {"co2", "uint64_t timestamp; float co2"},
};

const char *layout_known(const char *path)
{
    static const char prefix[] = "sensor_";
    const char *slash = strrchr(path, '/');
    const char *name = slash != NULL ? slash + 1 : path;

    if (strncmp(name, prefix, strlen(prefix)) != 0)
        return NULL;
    name += strlen(prefix);
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        size_t length = strlen(known[i].name);
        const char *number = name + length;
        if (strncmp(known[i].name, name, length) == 0 &&
            strspn(number, "0123456789") == strlen(number))
            return known[i].format;
    }
    return NULL;
}

/* ---- formats ------------------------------------------------------------------------------------- */

static const struct {
    const char *name;
    enum value_kind kind;
    unsigned bytes;
} types[] = {
    {"uint8_t", VALUE_UNSIGNED, 1},  {"u8", VALUE_UNSIGNED, 1},
    {"uint16_t", VALUE_UNSIGNED, 2}, {"u16", VALUE_UNSIGNED, 2},
    {"uint32_t", VALUE_UNSIGNED, 4}, {"u32", VALUE_UNSIGNED, 4},
    {"uint64_t", VALUE_UNSIGNED, 8}, {"u64", VALUE_UNSIGNED, 8},
    {"int8_t", VALUE_SIGNED, 1},     {"i8", VALUE_SIGNED, 1},
    {"int16_t", VALUE_SIGNED, 2},    {"i16", VALUE_SIGNED, 2},
    {"int32_t", VALUE_SIGNED, 4},    {"i32", VALUE_SIGNED, 4},
    {"int64_t", VALUE_SIGNED, 8},    {"i64", VALUE_SIGNED, 8},
    {"float", VALUE_FLOAT, 4},       {"f32", VALUE_FLOAT, 4},
    {"double", VALUE_FLOAT, 8},      {"f64", VALUE_FLOAT, 8},
    {"bool", VALUE_BOOL, 1},         {"char", VALUE_TEXT, 1},
};

#define N_TYPES (sizeof(types) / sizeof(types[0]))

struct parser {
    struct layout *layout;
    const char *format, *at;
    char *error;
    size_t align; /* of the whole */
};

static bool fail(struct parser *p, const char *format, ...) __attribute__((format(printf, 2, 3)));

static bool fail(struct parser *p, const char *format, ...)
{
    va_list args;
    int used = snprintf(p->error, LAYOUT_ERROR_BYTES,
                        "format, at character %zu: ", (size_t)(p->at - p->format) + 1);

    va_start(args, format);
    vsnprintf(p->error + used, LAYOUT_ERROR_BYTES - (size_t)used, format, args);
    va_end(args);
    return false;
}

static void skip_blanks(struct parser *p)
{
    while (isspace((unsigned char)*p->at))
        p->at++;
}

/* Letters, digits and _; its length, 0: none is there. */
static size_t word(struct parser *p, const char **begin)
{
    skip_blanks(p);
    *begin = p->at;
    if (!isalpha((unsigned char)*p->at) && *p->at != '_')
        return 0;
    while (isalnum((unsigned char)*p->at) || *p->at == '_')
        p->at++;
    return (size_t)(p->at - *begin);
}

static bool parse_type(struct parser *p, size_t *type)
{
    const char *begin;
    size_t length = word(p, &begin);

    for (*type = 0; *type < N_TYPES; ++*type)
        if (strlen(types[*type].name) == length && strncmp(types[*type].name, begin, length) == 0)
            return true;
    p->at = begin;
    if (length == 0)
        return fail(p, "a type must follow, such as float");
    return fail(p,
                "'%.*s' is no type: uint8_t to uint64_t, int8_t to int64_t, float, double, bool, "
                "char",
                (int)length, begin);
}

static bool parse_count(struct parser *p, unsigned *count)
{
    char *end;

    *count = 0;
    skip_blanks(p);
    if (*p->at != '[')
        return true;
    p->at++;
    unsigned long number = isdigit((unsigned char)*p->at) ? strtoul(p->at, &end, 10) : 0;
    if (number == 0 || number > LAYOUT_BYTES_MAX || *end != ']')
        return fail(p, "a number from 1 to %u and ] must follow [", LAYOUT_BYTES_MAX);
    *count = (unsigned)number;
    p->at = end + 1;
    return true;
}

static bool name_is_new(struct parser *p, const char *begin, size_t length)
{
    for (unsigned i = 0; i < p->layout->n_fields; i++) {
        const char *name = p->layout->fields[i].name;
        if (strlen(name) == length && strncmp(name, begin, length) == 0) {
            p->at = begin;
            return fail(p, "there is a field '%s' already", name);
        }
    }
    return true;
}

static void place(struct parser *p, struct field *field)
{
    struct layout *layout = p->layout;
    size_t align = field->kind == VALUE_TEXT ? 1 : field->bytes;

    layout->bytes = (layout->bytes + align - 1) / align * align;
    field->at = layout->bytes;
    layout->bytes += (size_t)field->bytes * field_values(field);
    if (align > p->align)
        p->align = align;
}

static bool parse_field(struct parser *p, size_t type)
{
    struct field *field = &p->layout->fields[p->layout->n_fields];
    const char *begin;
    size_t length = word(p, &begin);

    if (length == 0)
        return fail(p, "a name must follow");
    if (length > LAYOUT_NAME_MAX)
        return fail(p, "'%.*s' is longer than %u", (int)length, begin, LAYOUT_NAME_MAX);
    if (p->layout->n_fields == LAYOUT_FIELDS_MAX)
        return fail(p, "more than %u fields", LAYOUT_FIELDS_MAX);
    if (!name_is_new(p, begin, length))
        return false;
    *field = (struct field){.kind = types[type].kind, .bytes = types[type].bytes};
    memcpy(field->name, begin, length);
    if (!parse_count(p, &field->count))
        return false;
    if (field->kind == VALUE_TEXT) {
        field->bytes = field->count > 0 ? field->count : 1;
        field->count = 0;
    }
    place(p, field);
    p->layout->n_fields++;
    return p->layout->bytes <= LAYOUT_BYTES_MAX || fail(p, "more than %u bytes", LAYOUT_BYTES_MAX);
}

static bool parse_declaration(struct parser *p)
{
    size_t type;

    if (!parse_type(p, &type))
        return false;
    for (;;) {
        if (!parse_field(p, type))
            return false;
        skip_blanks(p);
        if (*p->at != ',')
            break;
        p->at++;
    }
    if (*p->at != ';' && *p->at != '\0')
        return fail(p, "'%c': , or ; must follow a name", *p->at);
    if (*p->at == ';')
        p->at++;
    skip_blanks(p);
    return true;
}

bool layout_parse(struct layout *layout, const char *format, char error[LAYOUT_ERROR_BYTES])
{
    struct parser parser = {
        .layout = layout, .format = format, .at = format, .error = error, .align = 1};

    memset(layout, 0, sizeof(*layout));
    do {
        if (!parse_declaration(&parser))
            return false;
    } while (*parser.at != '\0');
    layout->bytes = (layout->bytes + parser.align - 1) / parser.align * parser.align;
    return true;
}

unsigned field_values(const struct field *field)
{
    return field->count > 0 ? field->count : 1;
}
