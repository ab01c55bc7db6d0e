/* SPDX-License-Identifier: Apache-2.0 */
/* The messages of service rpmsg-syslog, decoded from and encoded to their bytes. */
#include "wire/syslog.h"

#include "base/bytes.h"
#include "base/mutant.h"

#define RESULT_AT 4u
#define COUNT_AT  8u
#define COOKIE_AT 8u
#define MAGIC_AT  12u
#define LIFE_AT   16u
#define OFFSET_AT 20u
#define WINDOW_AT 24u

/* Commands of the wire. */
enum { TRANSFER, SUSPEND, RESUME, SYNC };

/* In memory "RPRH"; the cookie of an ACK has one of the others in its upper half. */
#define MAGIC_HELLO 0x48525052u
#define MAGIC_ACK   0x41525052u
#define MAGIC_NEW   0x4e525052u
#define MAGIC_END   0x45525052u

static int decode_transfer(struct syslog_message *message, const uint8_t *header, size_t len)
{
    if (len < SYSLOG_TEXT_AT)
        return SYSLOG_BAD_LENGTH;
    message->kind = SYSLOG_TRANSFER;
    message->offset = get_le32(header + RESULT_AT);
    message->count = get_le32(header + COUNT_AT);
    if (message->count > len - SYSLOG_TEXT_AT &&
        !MUTANT(count_of_text_is_believed)) /* negative, too */
        return SYSLOG_BAD_LENGTH;
    if (message->count || len != SYSLOG_HELLO_BYTES || get_le32(header + MAGIC_AT) != MAGIC_HELLO)
        return SYSLOG_OK;
    message->kind = SYSLOG_HELLO;
    message->life = get_le32(header + LIFE_AT);
    message->offset = get_le32(header + OFFSET_AT);
    message->window = get_le32(header + WINDOW_AT);
    return SYSLOG_OK;
}

static int decode_sync(struct syslog_message *message, const uint8_t *header, size_t len)
{
    uint32_t magic;

    if (len < SYSLOG_SYNC_BYTES)
        return SYSLOG_BAD_LENGTH;
    message->cookie = get_le64(header + COOKIE_AT);
    message->life = get_le32(header + RESULT_AT);
    message->offset = (uint32_t)message->cookie;
    magic = (uint32_t)(message->cookie >> 32);
    message->kind = magic == MAGIC_ACK   ? SYSLOG_ACK
                    : magic == MAGIC_NEW ? SYSLOG_NEW
                    : magic == MAGIC_END ? SYSLOG_END
                                         : SYSLOG_SYNC;
    return SYSLOG_OK;
}

int syslog_decode(struct syslog_message *message, const uint8_t *header, size_t len)
{
    memset(message, 0, sizeof *message);
    if (len < SYSLOG_STATE_BYTES)
        return SYSLOG_BAD_LENGTH;
    switch (get_le32(header)) {
    case TRANSFER:
        return decode_transfer(message, header, len);
    case SUSPEND:
        message->kind = SYSLOG_SUSPEND;
        return SYSLOG_OK;
    case RESUME:
        message->kind = SYSLOG_RESUME;
        return SYSLOG_OK;
    case SYNC:
        return decode_sync(message, header, len);
    default:
        return SYSLOG_BAD_COMMAND;
    }
}

static size_t encode_sync(uint8_t *header, uint32_t life, uint64_t cookie)
{
    put_le32(header, SYNC);
    put_le32(header + RESULT_AT, life);
    put_le64(header + COOKIE_AT, cookie);
    return SYSLOG_SYNC_BYTES;
}

static size_t encode_ack(uint8_t *header, const struct syslog_message *message, uint32_t magic)
{
    return encode_sync(header, message->life, (uint64_t)magic << 32 | message->offset);
}

static size_t encode_hello(uint8_t *header, const struct syslog_message *message)
{
    put_le32(header, TRANSFER);
    put_le32(header + RESULT_AT, 0);
    put_le32(header + COUNT_AT, 0);
    put_le32(header + MAGIC_AT, MAGIC_HELLO);
    put_le32(header + LIFE_AT, message->life);
    put_le32(header + OFFSET_AT, message->offset);
    put_le32(header + WINDOW_AT, message->window);
    return SYSLOG_HELLO_BYTES;
}

size_t syslog_encode(uint8_t header[SYSLOG_MAX_HEADER], const struct syslog_message *message)
{
    switch (message->kind) {
    case SYSLOG_TRANSFER:
        put_le32(header, TRANSFER);
        put_le32(header + RESULT_AT, message->offset);
        put_le32(header + COUNT_AT, message->count);
        return SYSLOG_TEXT_AT;
    case SYSLOG_SUSPEND:
    case SYSLOG_RESUME:
        put_le32(header, message->kind == SYSLOG_SUSPEND ? SUSPEND : RESUME);
        put_le32(header + RESULT_AT, 0);
        return SYSLOG_STATE_BYTES;
    case SYSLOG_HELLO:
        return encode_hello(header, message);
    case SYSLOG_ACK:
        return encode_ack(header, message, MAGIC_ACK);
    case SYSLOG_NEW:
        return encode_ack(header, message, MAGIC_NEW);
    case SYSLOG_END:
        return encode_ack(header, message, MAGIC_END);
    default:
        return encode_sync(header, message->life, message->cookie);
    }
}
