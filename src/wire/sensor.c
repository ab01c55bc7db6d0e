/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/sensor.h"

#include "base/bytes.h"
#include "base/check.h"
#include "base/text.h"

#define NBUFFER_AT 4u
#define COOKIE_AT  8u
#define PERSIST_AT 16u

#define CELL_NBUFFER_AT 8u
#define CELL_LEN_AT     12u

#define RESULT_AT  4u
#define PROXY_AT   16u
#define REQUEST_AT 24u
#define ARGLEN_AT  28u

/* The least that each command needs. */
static const uint32_t least[SENSOR_N_COMMANDS] = {
    [SENSOR_ADVERTISE] = SENSOR_PATH_AT + 2,     [SENSOR_ADVERTISE_ACK] = SENSOR_PATH_AT + 2,
    [SENSOR_UNADVERTISE] = SENSOR_PATH_AT + 2,   [SENSOR_SUBSCRIBE] = SENSOR_PATH_AT + 2,
    [SENSOR_SUBSCRIBE_ACK] = SENSOR_PATH_AT + 2, [SENSOR_UNSUBSCRIBE] = SENSOR_PATH_AT + 2,
    [SENSOR_PUBLISH] = SENSOR_DATA_BYTES,        [SENSOR_IOCTL] = SENSOR_IOCTL_BYTES,
    [SENSOR_IOCTL_ACK] = SENSOR_IOCTL_BYTES,
};

int sensor_check(uint32_t *command, const void *payload, size_t len)
{
    if (len < sizeof *command)
        return SENSOR_BAD_LENGTH;
    *command = get_le32(payload);
    RPR_PRIVATE(*command);
    if (*command >= SENSOR_N_COMMANDS)
        return SENSOR_BAD_COMMAND;
    return len < least[*command] ? SENSOR_BAD_LENGTH : SENSOR_OK;
}

/* ---- topics ------------------------------------------------------------------------------------ */

static int check_path(const char *path, size_t room)
{
    for (size_t i = 0; i < room; i++) {
        if (!path[i])
            return i ? SENSOR_OK : SENSOR_BAD_PATH;
        if (path[i] <= ' ' || path[i] > '~')
            return SENSOR_BAD_PATH;
    }
    if (MUTANT(path_need_not_end))
        return SENSOR_OK;
    return room > SENSOR_PATH_MAX ? SENSOR_LONG_PATH : SENSOR_BAD_PATH;
}

int sensor_topic_decode(struct sensor_topic_message *m, const void *payload, size_t len)
{
    const uint8_t *bytes = payload;
    size_t room = len - SENSOR_PATH_AT;
    size_t n = room < sizeof m->path ? room : sizeof m->path;
    int error;

    m->command = get_le32(bytes);
    m->nbuffer = get_le32(bytes + NBUFFER_AT);
    m->cookie = get_le64(bytes + COOKIE_AT);
    m->persist = get_le32(bytes + PERSIST_AT);
    memcpy(m->path, bytes + SENSOR_PATH_AT, n);
    RPR_PRIVATE(*m);
    error = check_path(m->path, n);
    if (error)
        m->path[0] = '\0';
    return error;
}

size_t sensor_topic_bytes(const char *path)
{
    return SENSOR_TOPIC_BYTES + text_length(path, SENSOR_PATH_MAX) + 1;
}

size_t sensor_topic_encode(uint8_t *payload, const struct sensor_topic_message *m)
{
    size_t bytes = sensor_topic_bytes(m->path);

    memset(payload, 0, bytes);
    put_le32(payload, m->command);
    put_le32(payload + NBUFFER_AT, m->nbuffer);
    put_le64(payload + COOKIE_AT, m->cookie);
    put_le32(payload + PERSIST_AT, m->persist);
    memcpy(payload + SENSOR_PATH_AT, m->path, bytes - SENSOR_TOPIC_BYTES - 1);
    return bytes;
}

/* ---- samples ----------------------------------------------------------------------------------- */

bool sensor_cell_next(struct sensor_cell *cell, size_t *at, const void *payload, size_t len,
                      int *error)
{
    const uint8_t *bytes = payload;
    uint8_t head[SENSOR_CELL_BYTES];
    size_t begin = *at;

    *error = SENSOR_OK;
    if (begin >= len)
        return false;
    *error = SENSOR_BAD_CELL;
    if (len - begin < sizeof head)
        return false;
    memcpy(head, bytes + begin, sizeof head);
    RPR_PRIVATE(head);
    cell->cookie = get_le64(head);
    cell->nbuffer = get_le32(head + CELL_NBUFFER_AT);
    cell->len = get_le32(head + CELL_LEN_AT);
    cell->data = bytes + begin + sizeof head;
    if (cell->len > len - begin - sizeof head && !MUTANT(cell_length_is_believed))
        return false;
    *at = begin + sensor_cell_bytes(cell->len);
    *error = SENSOR_OK;
    return true;
}

void sensor_data_encode(uint8_t payload[SENSOR_DATA_BYTES])
{
    put_le32(payload, SENSOR_PUBLISH);
    put_le32(payload + 4, 0);
}

size_t sensor_cell_bytes(uint32_t len)
{
    return (SENSOR_CELL_BYTES + (size_t)len + 7) & ~(size_t)7;
}

size_t sensor_cell_encode(uint8_t *at, const struct sensor_cell *cell)
{
    size_t bytes = sensor_cell_bytes(cell->len);
    size_t end = SENSOR_CELL_BYTES + cell->len;

    put_le64(at, cell->cookie);
    put_le32(at + CELL_NBUFFER_AT, cell->nbuffer);
    put_le32(at + CELL_LEN_AT, cell->len);
    if (cell->len)
        memcpy(at + SENSOR_CELL_BYTES, cell->data, cell->len);
    memset(at + end, 0, bytes - end);
    return bytes;
}

/* ---- ioctl ------------------------------------------------------------------------------------- */

int sensor_ioctl_decode(struct sensor_ioctl_message *m, const void *payload, size_t len)
{
    const uint8_t *bytes = payload;

    m->command = get_le32(bytes);
    m->result = (int32_t)get_le32(bytes + RESULT_AT);
    m->cookie = get_le64(bytes + COOKIE_AT);
    m->proxy = get_le64(bytes + PROXY_AT);
    m->request = (int32_t)get_le32(bytes + REQUEST_AT);
    m->arglen = get_le32(bytes + ARGLEN_AT);
    RPR_PRIVATE(*m);
    m->number = m->arglen ? 0 : get_le64(bytes + SENSOR_ARG_AT);
    if (m->arglen > len - SENSOR_ARG_AT && !MUTANT(argument_length_is_believed))
        return SENSOR_BAD_LENGTH;
    if (m->arglen > sizeof m->arg)
        return SENSOR_LONG_ARG;
    if (m->arglen)
        memcpy(m->arg, bytes + SENSOR_ARG_AT, m->arglen);
    return SENSOR_OK;
}

size_t sensor_ioctl_bytes(uint32_t arglen)
{
    return SENSOR_IOCTL_BYTES + (size_t)arglen;
}

size_t sensor_ioctl_encode(uint8_t *payload, const struct sensor_ioctl_message *m)
{
    size_t bytes = sensor_ioctl_bytes(m->arglen);

    memset(payload, 0, bytes);
    put_le32(payload, m->command);
    put_le32(payload + RESULT_AT, (uint32_t)m->result);
    put_le64(payload + COOKIE_AT, m->cookie);
    put_le64(payload + PROXY_AT, m->proxy);
    put_le32(payload + REQUEST_AT, (uint32_t)m->request);
    put_le32(payload + ARGLEN_AT, m->arglen);
    if (m->arglen)
        memcpy(payload + SENSOR_ARG_AT, m->arg, m->arglen);
    else
        put_le64(payload + SENSOR_ARG_AT, m->number);
    return bytes;
}

#define INFO_NAME_AT 32u

void sensor_info_encode(uint8_t bytes[SENSOR_INFO_BYTES], const struct sensor_info *info)
{
    const uint32_t words[] = {info->version,
                              info->power_bits,
                              info->max_range_bits,
                              info->resolution_bits,
                              (uint32_t)info->min_delay_us,
                              (uint32_t)info->max_delay_us,
                              info->fifo_reserved,
                              info->fifo_max};

    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        put_le32(bytes + 4 * i, words[i]);
    memset(bytes + INFO_NAME_AT, 0, SENSOR_INFO_BYTES - INFO_NAME_AT);
    text_copy((char *)bytes + INFO_NAME_AT, SENSOR_INFO_NAME_BYTES, info->name);
    text_copy((char *)bytes + INFO_NAME_AT + SENSOR_INFO_NAME_BYTES, SENSOR_INFO_NAME_BYTES,
              info->vendor);
}

void sensor_info_decode(struct sensor_info *info, const uint8_t bytes[SENSOR_INFO_BYTES])
{
    info->version = get_le32(bytes);
    info->power_bits = get_le32(bytes + 4);
    info->max_range_bits = get_le32(bytes + 8);
    info->resolution_bits = get_le32(bytes + 12);
    info->min_delay_us = (int32_t)get_le32(bytes + 16);
    info->max_delay_us = (int32_t)get_le32(bytes + 20);
    info->fifo_reserved = get_le32(bytes + 24);
    info->fifo_max = get_le32(bytes + 28);
    memcpy(info->name, bytes + INFO_NAME_AT, SENSOR_INFO_NAME_BYTES);
    memcpy(info->vendor, bytes + INFO_NAME_AT + SENSOR_INFO_NAME_BYTES, SENSOR_INFO_NAME_BYTES);
    info->name[SENSOR_INFO_NAME_BYTES - 1] = info->vendor[SENSOR_INFO_NAME_BYTES - 1] = '\0';
}
