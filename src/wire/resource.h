/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Resource table of remoteproc (WIRE 3.1): what a firmware tells the host of its virtio devices, and
 * the 64 bytes of configuration that NuttX puts behind one (WIRE 1.5). Pure.
 *
 * The bytes are a peer's, and may change while they are read: each part is copied once, and the
 * copy is what is checked and returned.
 */
#ifndef WIRE_RESOURCE_H
#define WIRE_RESOURCE_H

#include <stdbool.h>
#include <stdint.h>

#define RESOURCE_ANY UINT32_MAX /* an address that the driver chooses */

#define RESOURCE_ID_RPMSG 7u

/* Features of an RPMsg device (WIRE 1.4). */
#define RESOURCE_F_NS      1u
#define RESOURCE_F_ACK     2u
#define RESOURCE_F_BUFSZ   4u
#define RESOURCE_F_CPUNAME 8u

/* Its status, one byte that is written by the driver. */
#define RESOURCE_STATUS_DRIVER      0x02u
#define RESOURCE_STATUS_DRIVER_OK   0x04u
#define RESOURCE_STATUS_FEATURES_OK 0x08u
#define RESOURCE_STATUS_RESET       0x40u

/* Commands of rptun, in the table's two reserved words: command << 16 | value. */
#define RESOURCE_CMD_READY 1u
#define RESOURCE_CMD_PANIC 2u
#define RESOURCE_CMD_RESET 3u
#define RESOURCE_CMD_STOP  4u
#define RESOURCE_CMD_ACK   0xffffu

/* Offsets within the table and its parts. */
#define RESOURCE_VERSION        0u
#define RESOURCE_CMD_MASTER     8u
#define RESOURCE_CMD_SLAVE      12u
#define RESOURCE_VDEV_ID        4u
#define RESOURCE_VDEV_GFEATURES 16u
#define RESOURCE_VDEV_STATUS    24u
#define RESOURCE_VDEV_BYTES     28u
#define RESOURCE_VRING_BYTES    20u
#define RESOURCE_CARVEOUT_BYTES 56u
#define RESOURCE_CONFIG_BYTES   64u

#define RESOURCE_CPU_BYTES 8u /* a CPU's name; 8 characters need no terminator */

/* Which of NuttX's two revisions a configuration has (H-6): until March 2026 the names were where
 * the addresses are now. */
enum resource_revision {
    RESOURCE_REVISION_NONE, /* it names no CPU */
    RESOURCE_REVISION_OLD,
    RESOURCE_REVISION_NEW
};

struct resource_config {
    uint32_t h2r_bytes, r2h_bytes; /* of a buffer, header included; 0: not said */
    enum resource_revision revision;
    char host[RESOURCE_CPU_BYTES + 1], remote[RESOURCE_CPU_BYTES + 1];
};

struct resource_vring {
    uint32_t da, align, num; /* as checked: align a power of two from 4, num one from 2 to 32768 */
};

/* An RPMsg device. */
struct resource_vdev {
    uint32_t at; /* where in the table */
    uint32_t dfeatures, gfeatures;
    uint8_t status;
    bool slave_drives; /* NuttX: the slave is the driver, not the master */
    struct resource_vring vring[2];
    struct resource_config config;
};

struct resource_table {
    struct resource_vdev vdev;  /* the first one of RPMsg */
    uint32_t pool_da, pool_len; /* memory for its rings and buffers; len 0: none is named */
    uint32_t end;               /* behind everything that the table consists of */
};

/* Reads a table of at most `len` bytes. NULL, or what is wrong with it. */
const char *resource_table_parse(struct resource_table *table, const uint8_t *bytes, uint64_t len);

/* Reads the device at `at`, which needs no table around it. NULL, or what is wrong with it. */
const char *resource_vdev_parse(struct resource_vdev *vdev, const uint8_t *bytes, uint64_t len,
                                uint32_t at);

/* What a table of one device says. */
struct resource_offer {
    uint32_t dfeatures, gfeatures;
    uint32_t num, align;           /* of both rings */
    uint32_t da;                   /* of both rings: 0 or RESOURCE_ANY, the driver chooses */
    uint32_t h2r_bytes, r2h_bytes; /* of a buffer */
    const char *host, *remote;     /* the CPUs' names: cut to 7 bytes */
};

/* Writes device, rings and configuration: 28 + 2 x 20 + 64 bytes. The names are where either
 * revision looks for them: the places of the newer are reserved in the older, and those of the
 * older hold addresses in the newer, which are not offered. */
#define RESOURCE_DEVICE_BYTES 132u
void resource_device_encode(uint8_t *at, const struct resource_offer *offer);

void resource_carveout_encode(uint8_t at[RESOURCE_CARVEOUT_BYTES], uint32_t da, uint32_t len,
                              const char *name);

#endif
