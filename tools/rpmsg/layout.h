/* SPDX-License-Identifier: Apache-2.0 */
/* What the bytes of a sample mean: a struct as a C compiler lays it out, little-endian. */
#ifndef RPMSG_LAYOUT_H
#define RPMSG_LAYOUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LAYOUT_FIELDS_MAX  64u
#define LAYOUT_NAME_MAX    31u
#define LAYOUT_BYTES_MAX   4096u
#define LAYOUT_ERROR_BYTES 256u

enum value_kind { VALUE_UNSIGNED, VALUE_SIGNED, VALUE_FLOAT, VALUE_BOOL, VALUE_TEXT };

struct field {
    char name[LAYOUT_NAME_MAX + 1];
    enum value_kind kind;
    unsigned bytes; /* of one value; of VALUE_TEXT: all of them */
    unsigned count; /* values: NAME[count]; 0: one, without brackets */
    size_t at;
};

struct layout {
    struct field fields[LAYOUT_FIELDS_MAX];
    unsigned n_fields;
    size_t bytes; /* with the padding at the end */
};

/* "uint64_t timestamp; float x, y, z; char name[8]". False: `error` is one line. */
bool layout_parse(struct layout *layout, const char *format, char error[LAYOUT_ERROR_BYTES]);

/* The format of a topic of NuttX ("/dev/uorb/sensor_accel0"), or NULL. */
const char *layout_known(const char *path);

/* Values of a field; 1 for VALUE_TEXT. */
unsigned field_values(const struct field *field);

#endif
