/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The router's message on its control endpoints, and the names of control endpoints and of routed
 * services (SPEC chapter 3).
 */
#ifndef WIRE_ROUTER_H
#define WIRE_ROUTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ROUTER_BYTES       20u /* cmd @0, tx_len @4, rx_len @8 (u32 each), cpuname @12 (8 bytes) */
#define ROUTER_LONG_BYTES  24u /* the same with session @20 (u32): CREATE to an edge that is ours */
#define ROUTER_SHORT_BYTES 4u  /* all that may be read of DESTROY, SUSPEND and RESUME */
#define ROUTER_CPU_MAX     7u  /* bytes of a CPU name that can be routed */
#define ROUTER_SERVICE_MAX 21u /* bytes of a routed service's own name: 31 - "r:" - 7 - ":" */
#define ROUTER_NAME_BYTES  33u /* room for any name built here */

#define ROUTER_PREFIX "router:" /* control endpoint: router:<other edge> */
#define ROUTE_PREFIX  "r:"      /* routed service: r:<peer CPU>:<service> */

/* Hub to edge, but for HELLO. A NuttX edge takes any value but 2, 3 and 4 for CREATE: nothing may
 * be added that a hub sends to an edge which has not said HELLO. */
enum router_cmd {
    ROUTER_CREATE = 1,
    ROUTER_DESTROY = 2,
    ROUTER_SUSPEND = 3,
    ROUTER_RESUME = 4,
    ROUTER_HELLO = 5 /* ours, both ways: magic @4, version @8, caps @12, session @16 (u32 each) */
};

#define ROUTER_HELLO_MAGIC   UINT32_C(0x31525052) /* "RPR1" */
#define ROUTER_HELLO_VERSION 1u
#define ROUTER_CAP_CREDIT    UINT32_C(1) /* knows flow control per route (SPEC chapter 4) */

struct router_message {
    uint32_t cmd; /* enum router_cmd; only the fields of this command are meant */

    /* CREATE */
    uint32_t tx_len; /* longest payload the edge may send; a NuttX hub can send garbage (H-22) */
    uint32_t rx_len; /* longest payload the edge will be sent */
    char cpuname[9]; /* the receiving edge's own name, as the hub knows it; terminated */

    /* HELLO */
    uint32_t version;
    uint32_t caps;

    /* CREATE, HELLO: the how many-eth CREATE on this control endpoint; 0: it does not say */
    uint32_t session;
};

enum router_result {
    ROUTER_OK = 0,
    ROUTER_BAD_LENGTH = -1, /* shorter than its command needs */
    ROUTER_BAD_CMD = -2,    /* none of enum router_cmd */
    ROUTER_BAD_MAGIC = -3,  /* a HELLO that is not ours */
    ROUTER_BAD_CPU = -4,    /* CPU name empty, too long or with other characters */
    ROUTER_BAD_SERVICE = -5 /* service name empty or too long */
};

/* Each byte is read once: its sender may still write to the memory. Returns ROUTER_OK,
 * ROUTER_BAD_LENGTH, ROUTER_BAD_CMD or ROUTER_BAD_MAGIC. Fields of other commands are zero. Sizes are
 * as received: the caller clamps them. */
int router_decode(struct router_message *message, const uint8_t *received, size_t len);

/* Writes all ROUTER_LONG_BYTES; what the command does not use is zero. `cmd` must be a router_cmd.
 * Returns how many of them are to be sent: ROUTER_BYTES, or all for a CREATE with a session. */
size_t router_encode(uint8_t payload[ROUTER_LONG_BYTES], const struct router_message *message);

/* 1 to `max` bytes of [A-Za-z0-9_.-] */
bool cpu_name_valid(const char *name, size_t max);

/* "router:CPU". Returns ROUTER_OK or ROUTER_BAD_CPU, which leaves `out` alone. */
int router_control_name(char out[ROUTER_NAME_BYTES], const char *cpu);

/* "r:CPU:SERVICE". Returns ROUTER_OK, ROUTER_BAD_CPU or ROUTER_BAD_SERVICE; an error leaves `out`
 * alone. */
int route_name(char out[ROUTER_NAME_BYTES], const char *cpu, const char *service);

/* The CPU of a control endpoint's name; false if it is none, with `cpu` left alone. */
bool router_control_parse(const char *name, char cpu[ROUTER_CPU_MAX + 1]);

/* The CPU and the service of a routed service's name; false if it is none, with both left alone.
 * The CPU ends at the first ':' (so that "cp" never matches "cp2", H-21); the service may have more. */
bool route_parse(const char *name, char cpu[ROUTER_CPU_MAX + 1],
                 char service[ROUTER_SERVICE_MAX + 1]);

#endif
