/* SPDX-License-Identifier: Apache-2.0 */
/* The router's message, decoded from and encoded to its 20 bytes, and the router's names. */
#include "wire/router.h"

#include "base/bytes.h"
#include "base/check.h"
#include "base/text.h"

#define TX_LEN_AT         4u
#define RX_LEN_AT         8u
#define CPUNAME_AT        12u
#define CPUNAME_BYTES     8u
#define MAGIC_AT          4u
#define VERSION_AT        8u
#define CAPS_AT           12u
#define HELLO_SESSION_AT  16u
#define CREATE_SESSION_AT 20u

#define ROUTER_PREFIX_BYTES (sizeof(ROUTER_PREFIX) - 1)
#define ROUTE_PREFIX_BYTES  (sizeof(ROUTE_PREFIX) - 1)

/* ---- message ----------------------------------------------------------------------------------- */

/* Bytes of a command that a receiver may read, 0 for a command that does not exist. */
static size_t bytes_of(uint32_t cmd)
{
    switch (cmd) {
    case ROUTER_CREATE:
    case ROUTER_HELLO:
        return ROUTER_BYTES;
    case ROUTER_DESTROY:
    case ROUTER_SUSPEND:
    case ROUTER_RESUME:
        return ROUTER_SHORT_BYTES;
    default:
        return 0;
    }
}

static void decode_create(struct router_message *message, const uint8_t *payload, size_t len)
{
    message->tx_len = get_le32(payload + TX_LEN_AT);
    message->rx_len = get_le32(payload + RX_LEN_AT);
    const char *name = (const char *)payload + CPUNAME_AT;
    for (size_t i = 0;
         (i < CPUNAME_BYTES || MUTANT(cpu_name_is_believed_to_end)) && name[i] != '\0'; i++) {
        message->cpuname[i] = name[i];
    }
    if (len >= ROUTER_LONG_BYTES) {
        message->session = get_le32(payload + CREATE_SESSION_AT);
    }
}

static int decode_hello(struct router_message *message, const uint8_t *payload)
{
    if (get_le32(payload + MAGIC_AT) != ROUTER_HELLO_MAGIC) {
        return ROUTER_BAD_MAGIC;
    }
    message->version = get_le32(payload + VERSION_AT);
    message->caps = get_le32(payload + CAPS_AT);
    message->session = get_le32(payload + HELLO_SESSION_AT);
    return ROUTER_OK;
}

int router_decode(struct router_message *message, const uint8_t *received, size_t len)
{
    uint8_t payload[ROUTER_LONG_BYTES] = {0};

    memcpy(payload, received, len < sizeof(payload) ? len : sizeof(payload));
    memset(message, 0, sizeof(*message));
    if (len < ROUTER_SHORT_BYTES) {
        return ROUTER_BAD_LENGTH;
    }
    message->cmd = get_le32(payload);
    size_t needed = bytes_of(message->cmd);
    if (needed == 0) {
        return ROUTER_BAD_CMD;
    }
    if (len < needed && !MUTANT(short_router_message_is_read)) {
        return ROUTER_BAD_LENGTH;
    }
    if (message->cmd == ROUTER_HELLO) {
        return decode_hello(message, payload);
    }
    if (message->cmd == ROUTER_CREATE) {
        decode_create(message, payload, len);
    }
    return ROUTER_OK;
}

static void encode_create(uint8_t *payload, const struct router_message *message)
{
    put_le32(payload + TX_LEN_AT, message->tx_len);
    put_le32(payload + RX_LEN_AT, message->rx_len);
    for (size_t i = 0; i < CPUNAME_BYTES && message->cpuname[i] != '\0'; i++) {
        payload[CPUNAME_AT + i] = (uint8_t)message->cpuname[i];
    }
    put_le32(payload + CREATE_SESSION_AT, message->session);
}

static void encode_hello(uint8_t *payload, const struct router_message *message)
{
    put_le32(payload + MAGIC_AT, ROUTER_HELLO_MAGIC);
    put_le32(payload + VERSION_AT, message->version);
    put_le32(payload + CAPS_AT, message->caps);
    put_le32(payload + HELLO_SESSION_AT, message->session);
}

size_t router_encode(uint8_t payload[ROUTER_LONG_BYTES], const struct router_message *message)
{
    if (!MUTANT(stack_bytes_on_the_wire))
        memset(payload, 0, ROUTER_LONG_BYTES);
    put_le32(payload, message->cmd);
    if (message->cmd == ROUTER_CREATE) {
        encode_create(payload, message);
    } else if (message->cmd == ROUTER_HELLO) {
        encode_hello(payload, message);
    }
    return message->cmd == ROUTER_CREATE && message->session ? ROUTER_LONG_BYTES : ROUTER_BYTES;
}

/* ---- names ------------------------------------------------------------------------------------- */

static bool in_cpu_name(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '.' || c == '-';
}

/* How many bytes from `at` on may stand in a CPU name; at most `max`. */
static size_t cpu_span(const char *at, size_t max)
{
    size_t n = 0;
    while (n < max && in_cpu_name(at[n])) {
        n++;
    }
    return n;
}

static bool has_prefix(const char *name, const char *prefix)
{
    while (*prefix != '\0' && *name == *prefix) {
        name++;
        prefix++;
    }
    return *prefix == '\0';
}

bool cpu_name_valid(const char *name, size_t max)
{
    size_t n = cpu_span(name, max);
    return n >= 1 && name[n] == '\0';
}

/* 1 to ROUTER_SERVICE_MAX bytes of anything */
static bool service_name_valid(const char *name)
{
    size_t n = text_length(name, ROUTER_SERVICE_MAX);
    return n >= 1 && (name[n] == '\0' || MUTANT(long_service_name_is_cut));
}

int router_control_name(char out[ROUTER_NAME_BYTES], const char *cpu)
{
    if (!cpu_name_valid(cpu, ROUTER_CPU_MAX)) {
        return ROUTER_BAD_CPU;
    }
    struct text text = text_start(out, ROUTER_NAME_BYTES);
    text_add(&text, ROUTER_PREFIX);
    text_add(&text, cpu);
    return ROUTER_OK;
}

int route_name(char out[ROUTER_NAME_BYTES], const char *cpu, const char *service)
{
    if (!cpu_name_valid(cpu, ROUTER_CPU_MAX)) {
        return ROUTER_BAD_CPU;
    }
    if (!service_name_valid(service)) {
        return ROUTER_BAD_SERVICE;
    }
    struct text text = text_start(out, ROUTER_NAME_BYTES);
    text_add(&text, ROUTE_PREFIX);
    text_add(&text, cpu);
    text_add(&text, ":");
    text_add(&text, service);
    return ROUTER_OK;
}

bool router_control_parse(const char *name, char cpu[ROUTER_CPU_MAX + 1])
{
    if (!has_prefix(name, ROUTER_PREFIX)) {
        return false;
    }
    const char *at = name + ROUTER_PREFIX_BYTES;
    if (!cpu_name_valid(at, ROUTER_CPU_MAX)) {
        return false;
    }
    text_copy(cpu, ROUTER_CPU_MAX + 1, at);
    return true;
}

bool route_parse(const char *name, char cpu[ROUTER_CPU_MAX + 1],
                 char service[ROUTER_SERVICE_MAX + 1])
{
    if (!has_prefix(name, ROUTE_PREFIX)) {
        return false;
    }
    const char *cpu_at = name + ROUTE_PREFIX_BYTES;
    size_t cpu_bytes = cpu_span(cpu_at, ROUTER_CPU_MAX);
    if (cpu_bytes < 1 || cpu_at[cpu_bytes] != ':') {
        return false;
    }
    const char *service_at = cpu_at + cpu_bytes + 1;
    if (!service_name_valid(service_at)) {
        return false;
    }
    memcpy(cpu, cpu_at, cpu_bytes);
    cpu[cpu_bytes] = '\0';
    text_copy(service, ROUTER_SERVICE_MAX + 1, service_at);
    return true;
}
