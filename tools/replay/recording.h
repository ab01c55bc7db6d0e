/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A recording of serial links (RPCAP1): a line "RPCAP1", a line with the names of the links, then
 * records, little endian: u64 time in ns, u8 link, u8 direction, u16 n, n bytes.
 */
#ifndef REPLAY_RECORDING_H
#define REPLAY_RECORDING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RECORDING_LINKS 256u /* one byte says which */
#define RECORDING_NAME  32u

enum recording_dir { RECORDING_AB, RECORDING_BA, RECORDING_MARK };

struct recording_record {
    uint64_t t_ns;
    uint8_t link;
    enum recording_dir dir;
    uint16_t n;
    const uint8_t *bytes; /* of a mark: its text, not terminated */
};

struct recording {
    char name[RECORDING_LINKS][RECORDING_NAME];
    size_t n_links;
    struct recording_record *records;
    size_t n_records;
    size_t n_unread; /* bytes of a record that is cut off, or that names no link or direction */
    uint8_t *file;
};

/* False: `why` is one line. */
bool recording_read(struct recording *recording, const char *path, char why[160]);
void recording_free(struct recording *recording);

#endif
