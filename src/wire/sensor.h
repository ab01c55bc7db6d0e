/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The messages of service rpmsg-sensor (SPEC chapter 9): three shapes, in the natural alignment of
 * NuttX's structs (drivers/sensors/sensor_rpmsg.c).
 *
 * Cookies name a topic at one end: what a peer calls its own is opaque here (on NuttX a pointer) and
 * comes back to it as it was; what comes back to us is looked up, never followed.
 */
#ifndef WIRE_SENSOR_H
#define WIRE_SENSOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SENSOR_TOPIC_BYTES \
    24u /* command, nbuffer (u32), cookie @8 (u64), persist @16 (u32), 4 more */
#define SENSOR_PATH_AT    20u  /* path, with its NUL; the length sent is 24 + path + NUL */
#define SENSOR_PATH_MAX   127u /* ours; NuttX has none but its buffers */
#define SENSOR_DATA_BYTES 8u   /* PUBLISH: command, reserved (u32); then cells */
#define SENSOR_CELL_BYTES 16u  /* cookie (u64), nbuffer @8, len @12 (u32); then data, padded to 8 */
#define SENSOR_IOCTL_BYTES \
    40u /* command, result, cookie @8, proxy @16, request @24, arglen @28, arg @32 */
#define SENSOR_ARG_AT  32u  /* bytes, `arglen` of them; 0: one number (u64) */
#define SENSOR_ARG_MAX 512u /* ours; NuttX sends 256, 96, and what a driver makes up */

enum sensor_command {
    SENSOR_ADVERTISE = 0,
    SENSOR_ADVERTISE_ACK = 1,
    SENSOR_UNADVERTISE = 2,
    SENSOR_SUBSCRIBE = 3,
    SENSOR_SUBSCRIBE_ACK = 4,
    SENSOR_UNSUBSCRIBE = 5,
    SENSOR_PUBLISH = 6,
    SENSOR_IOCTL = 7,
    SENSOR_IOCTL_ACK = 8,
    SENSOR_N_COMMANDS
};

/* Requests of SENSOR_IOCTL that mean something here (NuttX include/nuttx/sensors/ioctl.h). */
enum sensor_request {
    SENSOR_SET_INTERVAL = 0x0a81,  /* number: us between samples, 0 or UINT32_MAX: any */
    SENSOR_BATCH = 0x0a82,         /* number: us that a sample may wait */
    SENSOR_GET_INFO = 0x0a9c,      /* SENSOR_INFO_BYTES */
    SENSOR_FLUSH = 0x0a9d,         /* an empty cell follows what was published before */
    SENSOR_SET_NONWAKEUP = 0x0aa9, /* number: not 0: nothing is sent while the subscriber sleeps */
    SENSOR_REQUEST_FIRST = 0x0a00, /* of all sensor requests */
    SENSOR_REQUEST_LAST = 0x0aff
};

#define SENSOR_INFO_BYTES      96u /* struct sensor_device_info_s */
#define SENSOR_INFO_NAME_BYTES 32u /* NUL included */

/* Results of SENSOR_IOCTL_ACK, NuttX's errno numbers negated. */
enum sensor_errno {
    SENSOR_ENOENT = -2,
    SENSOR_EAGAIN = -11,
    SENSOR_ENOMEM = -12,
    SENSOR_EBUSY = -16,
    SENSOR_EINVAL = -22,
    SENSOR_ENOTTY = -25,
    SENSOR_ETIMEDOUT = -110
};

enum sensor_result {
    SENSOR_OK = 0,
    SENSOR_BAD_LENGTH = -1,  /* shorter than its command needs */
    SENSOR_BAD_COMMAND = -2, /* none of enum sensor_command */
    SENSOR_BAD_PATH = -3,    /* no NUL, empty, or other than printable ASCII without blanks */
    SENSOR_LONG_PATH = -4,   /* good, but over SENSOR_PATH_MAX */
    SENSOR_BAD_CELL = -5,    /* longer than what is left of the message */
    SENSOR_LONG_ARG = -6     /* over SENSOR_ARG_MAX */
};

/* ADVERTISE to UNSUBSCRIBE */
struct sensor_topic_message {
    uint32_t command;
    uint32_t nbuffer; /* samples that the sender keeps; never believed */
    uint64_t cookie;  /* of the sender's topic */
    uint32_t persist; /* not 0: the last sample stays valid */
    char path[SENSOR_PATH_MAX + 1];
};

/* One cell of PUBLISH. */
struct sensor_cell {
    uint64_t cookie; /* of the receiver's topic */
    uint32_t nbuffer;
    uint32_t len;        /* of data; 0: the flush is complete */
    const uint8_t *data; /* in the message */
};

struct sensor_ioctl_message {
    uint32_t command;
    int32_t result;
    uint64_t cookie; /* the asker's, 0: no answer is wanted */
    uint64_t proxy;  /* of the topic of who is asked */
    int32_t request;
    uint32_t arglen; /* 0: `number` */
    uint64_t number;
    uint8_t arg[SENSOR_ARG_MAX];
};

/* The validator: is a message of `len` bytes long enough for the command it begins with? Returns
 * SENSOR_OK and *command, SENSOR_BAD_LENGTH or SENSOR_BAD_COMMAND. */
int sensor_check(uint32_t *command, const void *payload, size_t len);

/* For messages that sensor_check() finds right. Everything is copied before it is looked at: the
 * payload may be memory of the peer. SENSOR_OK, or SENSOR_BAD_PATH, SENSOR_LONG_PATH. */
int sensor_topic_decode(struct sensor_topic_message *message, const void *payload, size_t len);

/* The same. SENSOR_OK; SENSOR_BAD_LENGTH: arglen does not fit in; SENSOR_LONG_ARG: all but `arg` is
 * set. */
int sensor_ioctl_decode(struct sensor_ioctl_message *message, const void *payload, size_t len);

/* The cell at *at (begin with SENSOR_DATA_BYTES) of a PUBLISH, and where the next one begins. True
 * while there was one; *error is then and at the end SENSOR_OK or SENSOR_BAD_CELL. */
bool sensor_cell_next(struct sensor_cell *cell, size_t *at, const void *payload, size_t len,
                      int *error);

/* Bytes of a topic message with that path; writes them, undefined ones as 0. */
size_t sensor_topic_bytes(const char *path);
size_t sensor_topic_encode(uint8_t *payload, const struct sensor_topic_message *message);

/* Bytes of an ioctl message with `arglen` bytes; writes them. */
size_t sensor_ioctl_bytes(uint32_t arglen);
size_t sensor_ioctl_encode(uint8_t *payload, const struct sensor_ioctl_message *message);

/* PUBLISH: its SENSOR_DATA_BYTES, and a cell, padded: returns the bytes it takes. */
void sensor_data_encode(uint8_t payload[SENSOR_DATA_BYTES]);
size_t sensor_cell_bytes(uint32_t len);
size_t sensor_cell_encode(uint8_t *at, const struct sensor_cell *cell);

/* The answer to SENSOR_GET_INFO. */
struct sensor_info {
    uint32_t version;
    uint32_t power_bits, max_range_bits, resolution_bits; /* mA, SI units, SI units: IEEE 754 */
    int32_t min_delay_us, max_delay_us;
    uint32_t fifo_reserved, fifo_max; /* samples */
    char name[SENSOR_INFO_NAME_BYTES];
    char vendor[SENSOR_INFO_NAME_BYTES];
};

void sensor_info_encode(uint8_t bytes[SENSOR_INFO_BYTES], const struct sensor_info *info);
void sensor_info_decode(struct sensor_info *info, const uint8_t bytes[SENSOR_INFO_BYTES]);

#endif
