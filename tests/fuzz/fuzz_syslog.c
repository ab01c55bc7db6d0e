/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any messages to a ring, and any text into it: its marks stay in order, a message is never longer than
 * asked for, and what leaves and is acknowledged by the rules is what was written. And every message that
 * decodes is encoded to one that decodes to the same.
 */
#include "fuzz.h"

#include <rpr/syslog.h>

#include "wire/syslog.h"

#define SIZE 256u

static uint64_t now = 1;

static void check_message(const uint8_t *data, size_t size)
{
    struct syslog_message one, two;
    uint8_t header[SYSLOG_MAX_HEADER] = {0}, again[SYSLOG_MAX_HEADER] = {0};
    size_t len;

    memcpy(header, data, size < sizeof header ? size : sizeof header);
    if (syslog_decode(&one, header, size) != SYSLOG_OK)
        return;
    MUST(one.kind != SYSLOG_TRANSFER || one.count <= size - SYSLOG_TEXT_AT);
    len = syslog_encode(again, &one);
    MUST(len <= SYSLOG_MAX_HEADER);
    MUST(syslog_decode(&two, again, len + one.count) == SYSLOG_OK);
    MUST(one.kind == two.kind && one.count == two.count && one.life == two.life);
    MUST(one.kind == SYSLOG_SYNC || one.offset == two.offset);
}

static void check_ring(const struct rpr_syslog_ring *ring)
{
    MUST(ring->sent - ring->tail <= ring->size && ring->head - ring->sent <= ring->size);
    MUST(ring->head - ring->tail <= ring->size);
    MUST(rpr_syslog_ring_room(ring) + rpr_syslog_ring_pending(ring) == ring->size);
}

static size_t take(struct input *input, uint8_t *to, size_t most)
{
    size_t n = next_byte(input) % (most + 1), left = (size_t)(input->end - input->at);

    n = n < left ? n : left;
    memcpy(to, input->at, n);
    input->at += n;
    return n;
}

static void send_one(struct rpr_syslog_ring *ring, uint32_t size, bool flush)
{
    uint8_t buffer[300 + 8];
    uint32_t len;

    memset(buffer, 0xee, sizeof buffer);
    len = rpr_syslog_ring_next(ring, now, buffer, size, flush);
    MUST(len <= size);
    for (uint32_t i = len; i < sizeof buffer; i++)
        MUST(buffer[i] == 0xee);
    if (len)
        rpr_syslog_ring_sent(ring, now);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input input = {data, data + size};
    struct rpr_syslog_ring ring;
    uint8_t memory[SIZE + 8], bytes[300];

    memset(memory, 0xee, sizeof memory);
    rpr_syslog_ring_init(&ring, memory, SIZE, 0x4c494645, next_byte(&input));
    ring.head = ring.sent = ring.tail = (uint32_t)next_byte(&input) << 24 | 0xffff00;
    while (input.at < input.end) {
        uint8_t what = next_byte(&input);
        size_t n;

        now += what;
        switch (what % 6) {
        case 0:
            n = take(&input, bytes, 255);
            rpr_syslog_ring_write(&ring, now, bytes, (uint32_t)n);
            break;
        case 1:
            n = take(&input, bytes, 64);
            check_message(bytes, n);
            (void)rpr_syslog_ring_receive(&ring, bytes, (uint32_t)n);
            break;
        case 2:
            rpr_syslog_ring_bound(&ring, now);
            break;
        case 3:
            rpr_syslog_ring_unbound(&ring);
            break;
        case 4:
            now += UINT64_C(1000000000) * (what >> 4);
            break;
        default:
            send_one(&ring, 20u + what, what & 64);
            break;
        }
        check_ring(&ring);
        (void)rpr_syslog_ring_due(&ring);
        for (unsigned i = 0; i < 8; i++)
            MUST(memory[SIZE + i] == 0xee);
    }
    return 0;
}
