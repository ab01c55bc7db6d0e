/* SPDX-License-Identifier: Apache-2.0 */
/* Samples as text: name=value, CSV, JSON lines or hex digits, both ways. */
#ifndef RPMSG_SAMPLE_H
#define RPMSG_SAMPLE_H

#include <stdbool.h>
#include <stdint.h>

#include "layout.h"

#define SAMPLE_TIME "timestamp" /* us, of any monotonic clock: set when it is not given */

enum sample_style { SAMPLE_PLAIN, SAMPLE_CSV, SAMPLE_JSON };

/* One line on stdout. `layout` NULL: hex. `topic` is shown in JSON. */
void sample_print(const struct layout *layout, enum sample_style style, const char *topic,
                  const uint8_t *data, uint32_t length);
void sample_print_header(const struct layout *layout); /* of CSV */

/* The field SAMPLE_TIME, or NULL. */
const struct field *sample_time_field(const struct layout *layout);
uint64_t sample_time(const struct field *field, const uint8_t *data);

/* ---- lines that are read --------------------------------------------------------------------------- */

struct sample_reader {
    const struct layout *layout; /* NULL: hex digits */
    unsigned
        columns[LAYOUT_FIELDS_MAX * 4u]; /* of CSV: value numbers, in the order of its header */
    unsigned n_columns;                  /* 0: no header was read */
    enum sample_style style;             /* SAMPLE_PLAIN: each line says itself what it is */
    bool begun;                          /* the first line was read */
};

enum sample_line { SAMPLE_WRONG = -1, SAMPLE_NONE, SAMPLE_READ };

/* One line into `data` (LAYOUT_BYTES_MAX): SAMPLE_READ with *length; SAMPLE_NONE: an empty line, a
 * comment (#), a header. SAMPLE_WRONG: `error` says why. `now_us` is the time if none is given. */
enum sample_line sample_read(struct sample_reader *reader, const char *line, uint64_t now_us,
                             uint8_t *data, uint32_t *length, char error[LAYOUT_ERROR_BYTES]);

#endif
