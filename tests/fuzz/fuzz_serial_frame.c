/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes into the decoder: the same events for any chunks, each byte accounted for, nothing
 * written past the buffer; and whatever it takes for a frame is one.
 */
#include "fuzz.h"

#include <rpr/frame.h>

#define SIZE 100u

struct heard {
    uint64_t hash;
    uint32_t n;
    struct rpr_frame_decoder decoder;
    uint8_t body[SIZE + 8];
};

static void mix(struct heard *h, const uint8_t *data, size_t n)
{
    for (size_t i = 0; i < n; i++)
        h->hash = (h->hash ^ data[i]) * UINT64_C(0x100000001b3);
}

/* A frame that is good is written again, and comes out the same. */
static void check_good(const struct rpr_frame_decoder *d)
{
    uint8_t wire[RPR_FRAME_WIRE_MAX(SIZE)], body[SIZE];
    struct rpr_frame_decoder again = {.to = body, .size = SIZE};
    struct rpr_frame_encoder e;
    const uint8_t *at = wire;
    size_t n;

    MUST(d->n >= RPR_FRAME_MIN && d->n <= SIZE);
    rpr_frame_begin(&e, d->to, d->n);
    n = rpr_frame_encode(&e, wire, sizeof wire);
    MUST(rpr_frame_encoded(&e));
    MUST(rpr_frame_decode(&again, &at, wire + n) == RPR_FRAME_GOOD);
    MUST(again.n == d->n && memcmp(body, d->to, d->n) == 0);
}

static void hear(struct heard *h, const uint8_t *data, size_t size)
{
    const uint8_t *at = data;
    enum rpr_frame_event event;

    while ((event = rpr_frame_decode(&h->decoder, &at, data + size)) != RPR_FRAME_NONE) {
        uint8_t what[] = {(uint8_t)event, h->decoder.control, h->decoder.error};

        MUST(event != RPR_FRAME_FULL);
        h->n++;
        mix(h, what, event == RPR_FRAME_CONTROL ? 2 : 1);
        if (event == RPR_FRAME_BAD)
            mix(h, what + 2, 1);
        if (event == RPR_FRAME_GOOD) {
            mix(h, h->body, h->decoder.n);
            check_good(&h->decoder);
        }
    }
    MUST(at == data + size);
}

static void init(struct heard *h)
{
    memset(h, 0, sizeof *h);
    memset(h->body + SIZE, 0xee, 8);
    h->decoder.to = h->body;
    h->decoder.size = SIZE;
}

static void check(const struct heard *h, size_t size)
{
    const struct rpr_frame_counters *c = &h->decoder.counters;

    MUST(c->good_bytes + c->control_bytes + c->bad_bytes + c->stray + h->decoder.pending == size);
    for (unsigned i = 0; i < 8; i++)
        MUST(h->body[SIZE + i] == 0xee);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct heard whole, chunks;
    struct input input = {data, data + size};
    uint8_t step = next_byte(&input);
    size_t n = (size_t)(input.end - input.at);

    init(&whole);
    hear(&whole, input.at, n);
    check(&whole, n);
    init(&chunks);
    for (size_t from = 0; from < n;) {
        size_t chunk = 1 + (step * (from + 1) * 7u) % (step % 40 + 1);

        chunk = chunk < n - from ? chunk : n - from;
        hear(&chunks, input.at + from, chunk);
        from += chunk;
    }
    check(&chunks, n);
    MUST(whole.n == chunks.n && whole.hash == chunks.hash);
    MUST(memcmp(&whole.decoder.counters, &chunks.decoder.counters, sizeof whole.decoder.counters) ==
         0);
    return 0;
}
