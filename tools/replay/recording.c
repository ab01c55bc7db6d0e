/* SPDX-License-Identifier: Apache-2.0 */
#include "recording.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"

#define MAGIC       "RPCAP1\n"
#define HEAD_BYTES  12u /* of a record */
#define FIRST_BYTES 65536u
#define WHY_BYTES   160u

/* Everything the stream has; NULL: errno says why not. */
static uint8_t *read_all(FILE *file, size_t *n)
{
    size_t room = FIRST_BYTES;
    uint8_t *bytes = malloc(room);

    *n = 0;
    while (bytes) {
        size_t got = fread(bytes + *n, 1, room - *n, file);
        uint8_t *more;

        *n += got;
        if (got == 0)
            break;
        if (*n < room)
            continue;
        room *= 2;
        more = realloc(bytes, room);
        if (!more)
            free(bytes);
        bytes = more;
    }
    if (bytes && ferror(file)) {
        free(bytes);
        return NULL;
    }
    return bytes;
}

static uint8_t *read_file(const char *path, size_t *n)
{
    FILE *file = fopen(path, "rb");
    uint8_t *bytes;
    int error;

    if (!file)
        return NULL;
    bytes = read_all(file, n);
    error = errno;
    fclose(file);
    errno = error;
    return bytes;
}

/* ---- the two lines ------------------------------------------------------------------------------- */

/* The names, separated by blanks; the length of both lines, or 0. */
static size_t read_lines(struct recording *r, const uint8_t *bytes, size_t n)
{
    size_t at = sizeof(MAGIC) - 1;
    const uint8_t *end;

    if (n < at || memcmp(bytes, MAGIC, at) != 0)
        return 0;
    end = memchr(bytes + at, '\n', n - at);
    if (!end)
        return 0;
    while (bytes + at < end) {
        size_t length = 0;

        while (bytes + at + length < end && bytes[at + length] != ' ')
            length++;
        if (length >= RECORDING_NAME || (length && r->n_links == RECORDING_LINKS))
            return 0;
        if (length)
            memcpy(r->name[r->n_links++], bytes + at, length);
        at += length + (bytes + at + length < end);
    }
    return at + 1;
}

/* ---- records ------------------------------------------------------------------------------------- */

/* The records from `at` on; those that make no sense are counted as unread. NULL: only counts. */
static size_t read_records(struct recording *r, const uint8_t *at, const uint8_t *end,
                           struct recording_record *records)
{
    size_t n = 0;

    r->n_unread = 0;
    while (at < end) {
        size_t left = (size_t)(end - at);
        struct recording_record record = {.n = 0};

        if (left < HEAD_BYTES || left - HEAD_BYTES < get_le16(at + 10)) {
            r->n_unread += left;
            break;
        }
        record.t_ns = get_le64(at);
        record.link = at[8];
        record.dir = (enum recording_dir)at[9];
        record.n = get_le16(at + 10);
        record.bytes = at + HEAD_BYTES;
        at += HEAD_BYTES + record.n;
        if (record.dir > RECORDING_MARK ||
            (record.dir != RECORDING_MARK && record.link >= r->n_links)) {
            r->n_unread += HEAD_BYTES + record.n;
            continue;
        }
        if (records)
            records[n] = record;
        n++;
    }
    return n;
}

bool recording_read(struct recording *r, const char *path, char why[WHY_BYTES])
{
    size_t n;
    size_t head;

    memset(r, 0, sizeof(*r));
    r->file = read_file(path, &n);
    if (!r->file) {
        snprintf(why, WHY_BYTES, "%.100s: %s", path, strerror(errno));
        return false;
    }
    head = read_lines(r, r->file, n);
    if (!head) {
        snprintf(why, WHY_BYTES, "%.100s: is no recording (RPCAP1)", path);
        recording_free(r);
        return false;
    }
    r->n_records = read_records(r, r->file + head, r->file + n, NULL);
    r->records = calloc(r->n_records + 1, sizeof(*r->records));
    if (!r->records) {
        snprintf(why, WHY_BYTES, "%.100s: out of memory", path);
        recording_free(r);
        return false;
    }
    (void)read_records(r, r->file + head, r->file + n, r->records);
    return true;
}

void recording_free(struct recording *r)
{
    free(r->records);
    free(r->file);
    memset(r, 0, sizeof(*r));
}
