/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The messages by which two processes agree on shared memory, one SOCK_SEQPACKET packet each
 * (docs/SPEC-handover.md). The connector says HELLO, the listener answers OFFER or REFUSE;
 * afterwards either side may say REFUSE to end, and a side rings BELL where no eventfd does it.
 */
#ifndef WIRE_HANDOVER_H
#define WIRE_HANDOVER_H

#include <stddef.h>
#include <stdint.h>

/* All but BELL start with magic @0 (u32), version @4, type @6 (u16 each). */
#define HANDOVER_MAGIC   UINT32_C(0x48525052) /* "RPRH" */
#define HANDOVER_VERSION 1u

#define HANDOVER_HELLO_BYTES  80u
#define HANDOVER_OFFER_BYTES  112u
#define HANDOVER_REFUSE_BYTES 128u
#define HANDOVER_BELL_BYTES   1u /* of any value */
#define HANDOVER_MAX_BYTES    128u

#define HANDOVER_NAME_BYTES 32u  /* field on the wire, terminated */
#define HANDOVER_TEXT_BYTES 120u /* field on the wire, terminated */

enum handover_type { HANDOVER_HELLO = 1, HANDOVER_OFFER = 2, HANDOVER_REFUSE = 3 };

#define HANDOVER_CREDIT   UINT32_C(1) /* flow control per endpoint (SPEC chapter 4) */
#define HANDOVER_EVENTFDS UINT32_C(2) /* HELLO: would take eventfds. OFFER: they come with it */

enum handover_result {
    HANDOVER_OK = 0,
    HANDOVER_BAD_LENGTH = -1, /* not what its type needs, or too short to tell */
    HANDOVER_BAD_MAGIC = -2,
    HANDOVER_BAD_VERSION = -3, /* HELLO and OFFER only: REFUSE is the same for ever */
    HANDOVER_BAD_TYPE = -4,
    HANDOVER_BAD_NAME = -5 /* not terminated, own name empty, or not printable */
};

struct handover_hello {
    uint32_t features;
    char own[HANDOVER_NAME_BYTES];      /* CPU name of who connects */
    char expected[HANDOVER_NAME_BYTES]; /* CPU name it wants to find; "" = any */
};

/* One virtio split ring; offsets and sizes in bytes. */
struct handover_ring {
    uint32_t desc, avail, used;
    uint32_t buffers, stride, size; /* size: of a buffer, RPMsg header included */
    uint32_t driver_flag, device_flag;
};

struct handover_offer {
    uint32_t features;
    uint32_t num;     /* buffers each way */
    uint32_t payload; /* of a buffer */
    uint32_t bytes;   /* of the region */
    uint32_t driver_power, device_power, driver_cpu, device_cpu;
    struct handover_ring ring[2];
};

/* The type of a packet, or an enum handover_result. Looks at nothing but the head and, for types of
 * this version, the length. */
int handover_type(const uint8_t *packet, size_t len);

/* The version a packet says it is of, once it has a head. */
uint32_t handover_version(const uint8_t *packet, size_t len);

/* After handover_type() told the type. HANDOVER_OK or HANDOVER_BAD_NAME. */
int handover_hello_decode(struct handover_hello *hello, const uint8_t packet[HANDOVER_HELLO_BYTES]);
void handover_offer_decode(struct handover_offer *offer,
                           const uint8_t packet[HANDOVER_OFFER_BYTES]);

/* The text, terminated; what is not printable ASCII becomes '?'. */
void handover_refuse_decode(char text[HANDOVER_TEXT_BYTES],
                            const uint8_t packet[HANDOVER_REFUSE_BYTES]);

/* Longer names and texts are cut; what is not used is zero. */
void handover_hello_encode(uint8_t packet[HANDOVER_HELLO_BYTES],
                           const struct handover_hello *hello);
void handover_offer_encode(uint8_t packet[HANDOVER_OFFER_BYTES],
                           const struct handover_offer *offer);
void handover_refuse_encode(uint8_t packet[HANDOVER_REFUSE_BYTES], const char *text);

#endif
