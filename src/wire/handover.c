/* SPDX-License-Identifier: Apache-2.0 */
/* The messages of the handover, decoded from and encoded to their bytes. */
#include "wire/handover.h"

#include "base/bytes.h"

#define HEAD_BYTES  8u
#define VERSION_AT  4u
#define TYPE_AT     6u
#define FEATURES_AT 8u
#define OWN_AT      16u
#define EXPECTED_AT 48u
#define OFFER_AT    12u /* num, payload, bytes, the four words */
#define RINGS_AT    48u
#define RING_BYTES  32u
#define TEXT_AT     8u

/* ---- head -------------------------------------------------------------------------------------- */

static size_t bytes_of(uint32_t type)
{
    switch (type) {
    case HANDOVER_HELLO:
        return HANDOVER_HELLO_BYTES;
    case HANDOVER_OFFER:
        return HANDOVER_OFFER_BYTES;
    case HANDOVER_REFUSE:
        return HANDOVER_REFUSE_BYTES;
    default:
        return 0;
    }
}

uint32_t handover_version(const uint8_t *packet, size_t len)
{
    return len < HEAD_BYTES ? 0 : get_le16(packet + VERSION_AT);
}

int handover_type(const uint8_t *packet, size_t len)
{
    uint32_t type;

    if (len < HEAD_BYTES)
        return HANDOVER_BAD_LENGTH;
    if (get_le32(packet) != HANDOVER_MAGIC)
        return HANDOVER_BAD_MAGIC;
    type = get_le16(packet + TYPE_AT);
    if (type != HANDOVER_REFUSE && handover_version(packet, len) != HANDOVER_VERSION)
        return HANDOVER_BAD_VERSION;
    if (!bytes_of(type))
        return HANDOVER_BAD_TYPE;
    return len == bytes_of(type) ? (int)type : HANDOVER_BAD_LENGTH;
}

static void put_head(uint8_t *packet, enum handover_type type)
{
    memset(packet, 0, bytes_of(type));
    put_le32(packet, HANDOVER_MAGIC);
    put_le16(packet + VERSION_AT, HANDOVER_VERSION);
    put_le16(packet + TYPE_AT, (uint16_t)type);
}

/* ---- texts -------------------------------------------------------------------------------------- */

static int printable(char c)
{
    return c >= ' ' && c <= '~';
}

/* Into a field that is zero already; the last byte stays zero. */
static void put_text(uint8_t *field, size_t bytes, const char *text)
{
    size_t n = 0;

    while (n < bytes - 1 && text[n])
        n++;
    memcpy(field, text, n);
}

static int get_name(char *name, const uint8_t *field)
{
    size_t n = 0;

    memcpy(name, field, HANDOVER_NAME_BYTES);
    while (n < HANDOVER_NAME_BYTES && name[n]) {
        if (!printable(name[n]))
            return HANDOVER_BAD_NAME;
        n++;
    }
    return n < HANDOVER_NAME_BYTES ? HANDOVER_OK : HANDOVER_BAD_NAME;
}

/* ---- HELLO --------------------------------------------------------------------------------------- */

int handover_hello_decode(struct handover_hello *hello, const uint8_t packet[HANDOVER_HELLO_BYTES])
{
    hello->features = get_le32(packet + FEATURES_AT);
    if (get_name(hello->own, packet + OWN_AT) || get_name(hello->expected, packet + EXPECTED_AT))
        return HANDOVER_BAD_NAME;
    return hello->own[0] ? HANDOVER_OK : HANDOVER_BAD_NAME;
}

void handover_hello_encode(uint8_t packet[HANDOVER_HELLO_BYTES], const struct handover_hello *hello)
{
    put_head(packet, HANDOVER_HELLO);
    put_le32(packet + FEATURES_AT, hello->features);
    put_text(packet + OWN_AT, HANDOVER_NAME_BYTES, hello->own);
    put_text(packet + EXPECTED_AT, HANDOVER_NAME_BYTES, hello->expected);
}

/* ---- OFFER --------------------------------------------------------------------------------------- */

void handover_offer_decode(struct handover_offer *offer, const uint8_t packet[HANDOVER_OFFER_BYTES])
{
    uint32_t *const fields[] = {&offer->num,          &offer->payload,      &offer->bytes,
                                &offer->driver_power, &offer->device_power, &offer->driver_cpu,
                                &offer->device_cpu};

    offer->features = get_le32(packet + FEATURES_AT);
    for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
        *fields[i] = get_le32(packet + OFFER_AT + 4 * i);
    for (size_t i = 0; i < 2; i++) {
        const uint8_t *at = packet + RINGS_AT + i * RING_BYTES;

        offer->ring[i] = (struct handover_ring){
            .desc = get_le32(at),
            .avail = get_le32(at + 4),
            .used = get_le32(at + 8),
            .buffers = get_le32(at + 12),
            .stride = get_le32(at + 16),
            .size = get_le32(at + 20),
            .driver_flag = get_le32(at + 24),
            .device_flag = get_le32(at + 28),
        };
    }
}

void handover_offer_encode(uint8_t packet[HANDOVER_OFFER_BYTES], const struct handover_offer *offer)
{
    const uint32_t fields[] = {offer->num,          offer->payload,      offer->bytes,
                               offer->driver_power, offer->device_power, offer->driver_cpu,
                               offer->device_cpu};

    put_head(packet, HANDOVER_OFFER);
    put_le32(packet + FEATURES_AT, offer->features);
    for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
        put_le32(packet + OFFER_AT + 4 * i, fields[i]);
    for (size_t i = 0; i < 2; i++) {
        const struct handover_ring *r = &offer->ring[i];
        const uint32_t words[] = {r->desc,   r->avail, r->used,        r->buffers,
                                  r->stride, r->size,  r->driver_flag, r->device_flag};

        for (size_t w = 0; w < sizeof(words) / sizeof(words[0]); w++)
            put_le32(packet + RINGS_AT + i * RING_BYTES + 4 * w, words[w]);
    }
}

/* ---- REFUSE -------------------------------------------------------------------------------------- */

void handover_refuse_decode(char text[HANDOVER_TEXT_BYTES],
                            const uint8_t packet[HANDOVER_REFUSE_BYTES])
{
    size_t n = 0;

    for (; n < HANDOVER_TEXT_BYTES - 1 && packet[TEXT_AT + n]; n++) {
        char c = (char)packet[TEXT_AT + n];

        text[n] = printable(c) ? c : '?';
    }
    text[n] = '\0';
}

void handover_refuse_encode(uint8_t packet[HANDOVER_REFUSE_BYTES], const char *text)
{
    put_head(packet, HANDOVER_REFUSE);
    put_text(packet + TEXT_AT, HANDOVER_TEXT_BYTES, text);
}
