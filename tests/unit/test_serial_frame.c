/* SPDX-License-Identifier: Apache-2.0 */
/* Frames against bytes that were not made by the code under test; then against itself. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include <rpr/frame.h>

#include "base/bytes.h"
#include "serial_vectors.h"
#include "trial.h"

#define BODY_MAX 4096u
#define WIRE_MAX RPR_FRAME_WIRE_MAX(BODY_MAX)

/* ---- CRC ---------------------------------------------------------------------------------------- */

static uint16_t crc_bit_by_bit(uint16_t crc, const uint8_t *data, size_t n)
{
    for (; n; n--, data++) {
        crc ^= *data;
        for (unsigned i = 0; i < 8; i++)
            crc = (uint16_t)(crc & 1 ? (crc >> 1) ^ 0xa001 : crc >> 1);
    }
    return crc;
}

static void crc_of_known_inputs(void **state)
{
    (void)state;
    assert_int_equal(rpr_crc16(0, (const uint8_t *)"", 0), 0);
    assert_int_equal(rpr_crc16(0, (const uint8_t *)"123456789", 9), 0xbb3d);
    assert_int_equal(rpr_crc16(0, (const uint8_t *)"\0", 1), 0);
    assert_int_equal(rpr_crc16(0, (const uint8_t *)"\1", 1), 0xc0c1);
    assert_int_equal(rpr_crc16(0, (const uint8_t *)"\xff\xff", 2), 0xb001);
    assert_int_equal(rpr_crc16(0, (const uint8_t *)"\0\0\0\0\x08\0", 6), 0xc007);
    assert_int_equal(rpr_crc16(0, (const uint8_t *)"\x02\0\x07\0\x08\0", 6), 0x5607);
}

static void crc_in_any_pieces(void **state)
{
    uint64_t random = 7;
    uint8_t data[300];

    (void)state;
    for (unsigned round = 0; round < 2000; round++) {
        uint32_t n = draw(&random, sizeof data), cut = n ? draw(&random, n) : 0;
        uint16_t crc = (uint16_t)draw(&random, 65536);

        for (uint32_t i = 0; i < n; i++)
            data[i] = (uint8_t)draw(&random, 256);
        assert_int_equal(rpr_crc16(rpr_crc16(crc, data, cut), data + cut, n - cut),
                         crc_bit_by_bit(crc, data, n));
    }
}

/* ---- vectors -------------------------------------------------------------------------------------- */

struct vector {
    const char *name;
    const uint8_t *wire;
    size_t n_wire;
    uint8_t body[112];
    uint32_t n_body;
    bool crc;
};

#define WIRE(v) .name = #v, .wire = (v), .n_wire = sizeof(v)

/* Port header without CRC and len, and the RPMsg header, of a message of `len` bytes. */
static uint32_t message(uint8_t *body, uint32_t src, uint32_t dst, const uint8_t *data,
                        uint16_t len)
{
    memset(body, 0, 24);
    put_le32(body + 8, src);
    put_le32(body + 12, dst);
    put_le16(body + 20, len);
    memcpy(body + 24, data, len);
    return 24u + len;
}

static struct vector vectors[] = {{WIRE(vector_u2)},
                                  {WIRE(vector_u3), .crc = true},
                                  {WIRE(vector_u4)},
                                  {WIRE(vector_u5), .crc = true},
                                  {WIRE(vector_u6)},
                                  {WIRE(vector_u8)},
                                  {WIRE(vector_u9), .crc = true},
                                  {WIRE(vector_u10)}};

#define N_VECTORS (sizeof vectors / sizeof *vectors)

static int make_vectors(void **state)
{
    uint8_t as[88], escapes[18];

    (void)state;
    memset(as, 0x41, sizeof as);
    for (unsigned i = 0; i < sizeof escapes; i++)
        escapes[i] = (uint8_t)(0x6f + i);
    memcpy(vectors[0].body, vector_u0, vectors[0].n_body = sizeof vector_u0);
    memcpy(vectors[1].body, vector_u1, vectors[1].n_body = sizeof vector_u1);
    vectors[2].n_body = message(vectors[2].body, 0x400, 0x401, escapes, sizeof escapes);
    vectors[3].n_body = message(vectors[3].body, 0x400, 0x401, escapes, sizeof escapes);
    vectors[4].n_body = message(vectors[4].body, 0x470, 0x47f, escapes, 0);
    vectors[5].n_body = message(vectors[5].body, 0x400, 0x401, as, sizeof as);
    vectors[6].n_body = message(vectors[6].body, 0x400, 0x401, (const uint8_t *)"\x9f\x20", 2);
    vectors[7].n_body = message(vectors[7].body, 0x400, 0x401, (const uint8_t *)"\xca\x57", 2);
    return 0;
}

static void vectors_encode(void **state)
{
    (void)state;
    for (unsigned i = 0; i < N_VECTORS; i++) {
        struct rpr_frame_encoder e;
        uint8_t wire[256];
        size_t n;

        rpr_frame_seal(vectors[i].body, vectors[i].n_body, vectors[i].crc);
        rpr_frame_begin(&e, vectors[i].body, vectors[i].n_body);
        n = rpr_frame_encode(&e, wire, sizeof wire);
        print_message("%s\n", vectors[i].name);
        assert_true(rpr_frame_encoded(&e));
        assert_int_equal(n, vectors[i].n_wire);
        assert_memory_equal(wire, vectors[i].wire, n);
    }
    assert_memory_equal(vectors[1].body, vector_u1, sizeof vector_u1);
    assert_int_equal(get_le16(vectors[3].body), 0x8e0d);
    assert_int_equal(get_le16(vectors[6].body), 0x767f);
}

static void vectors_decode(void **state)
{
    uint8_t body[256];

    (void)state;
    for (unsigned i = 0; i < N_VECTORS; i++) {
        struct rpr_frame_decoder d = {.to = body, .size = sizeof body};
        const uint8_t *at = vectors[i].wire, *end = at + vectors[i].n_wire;

        print_message("%s\n", vectors[i].name);
        assert_int_equal(rpr_frame_decode(&d, &at, end), RPR_FRAME_GOOD);
        assert_ptr_equal(at, end);
        assert_int_equal(d.n, vectors[i].n_body);
        assert_memory_equal(body + 2, vectors[i].body + 2, d.n - 2);
        assert_int_equal(d.counters.good_bytes, vectors[i].n_wire);
    }
}

/* Documentation's example of escapes; too short for a frame. */
static void an_escape_only_example(void **state)
{
    uint8_t body[16];
    struct rpr_frame_decoder d = {.to = body, .size = sizeof body};
    const uint8_t *at = vector_u7, *end = at + sizeof vector_u7;

    (void)state;
    assert_int_equal(rpr_frame_decode(&d, &at, end), RPR_FRAME_BAD);
    assert_int_equal(d.error, RPR_FRAME_ERROR_LENGTH);
    assert_int_equal(d.n, 5);
    assert_memory_equal(body, "\x01\x7f\x02\x70\x03", 5);
}

/* ---- what the decoder says of a text of hex digits ---------------------------------------------------- */

#define LEN24  "0000000000001800"
#define ZERO15 "000000000000000000000000000000"
#define SHORT  LEN24 "00" ZERO15 /* the body of an empty message */
#define OTHER  "0000000000001a0000000000000000000000000002000000aabb"

static size_t from_hex(const char *hex, uint8_t *to)
{
    size_t n = 0;
    unsigned byte;

    for (; *hex; hex += 2, n++) {
        assert_int_equal(sscanf(hex, "%2x", &byte), 1);
        to[n] = (uint8_t)byte;
    }
    return n;
}

static void note_event(char *text, size_t size, const struct rpr_frame_decoder *d,
                       enum rpr_frame_event event)
{
    size_t n = strlen(text);

    if (event == RPR_FRAME_GOOD)
        snprintf(text + n, size - n, "good %u;", d->n);
    else if (event == RPR_FRAME_BAD)
        snprintf(text + n, size - n, "%s;", d->error == RPR_FRAME_ERROR_CRC ? "crc" : "length");
    else if (event == RPR_FRAME_CONTROL)
        snprintf(text + n, size - n, "%02x;", d->control);
    else if (event == RPR_FRAME_FULL)
        snprintf(text + n, size - n, "full;");
}

/* All of it in chunks of `chunk` bytes. */
static void decode_text(struct rpr_frame_decoder *d, const uint8_t *wire, size_t n, size_t chunk,
                        char *text, size_t size)
{
    text[0] = '\0';
    for (size_t from = 0; from < n; from += chunk) {
        const uint8_t *at = wire + from, *end = wire + (from + chunk < n ? from + chunk : n);
        enum rpr_frame_event event;

        while ((event = rpr_frame_decode(d, &at, end)) != RPR_FRAME_NONE && event != RPR_FRAME_FULL)
            note_event(text, size, d, event);
        note_event(text, size, d, event);
    }
}

static void expect(const char *hex, const char *events)
{
    uint8_t wire[512], body[64];
    size_t n = from_hex(hex, wire);

    for (size_t chunk = 1; chunk <= n; chunk++) {
        struct rpr_frame_decoder d = {.to = body, .size = sizeof body};
        const struct rpr_frame_counters *c = &d.counters;
        char text[256];

        decode_text(&d, wire, n, chunk, text, sizeof text);
        assert_string_equal(text, events);
        assert_int_equal(c->good_bytes + c->control_bytes + c->bad_bytes + c->stray + d.pending, n);
    }
}

static void control_bytes_anywhere(void **state)
{
    (void)state;
    expect("79787a7b777475", "79;78;7a;7b;77;74;75;");
    expect("7f78" SHORT "70", "78;good 24;");
    expect("7f0079000000007b00180000" ZERO15 "70", "79;7b;good 24;");
    /* between ESCAPE and its byte */
    expect("7f" LEN24 "7c78775f" ZERO15 "70", "78;77;good 24;");
    expect("7f" SHORT "7970", "79;good 24;");
}

static void ends_of_frames_that_are_not_the_end(void **state)
{
    (void)state;
    expect("7f0011227f" SHORT "70", "length;good 24;"); /* START inside: a new frame */
    expect("7f00117e7f" SHORT "70", "length;7e;good 24;");
    expect("7f00117d227f" SHORT "70", "length;7d;good 24;");
    expect("7f001176", "length;76;");
    expect("7f0011227c7f" SHORT "70", "length;good 24;"); /* and after an ESCAPE */
    expect("7f7f7f" SHORT "70", "length;length;good 24;");
    expect("7f70", "length;");
}

static void wrong_frames(void **state)
{
    (void)state;
    expect("7f" SHORT "0070", "length;");
    expect("7f" LEN24 ZERO15 "70", "length;");
    expect("7f0000000000001700" ZERO15 "70", "length;"); /* no room for an RPMsg header */
    expect("7f" SHORT "7c70", "length;");                /* ends with an ESCAPE */
    expect("7f" LEN24 "7c41" ZERO15 "70", "length;");    /* an escape that is none */
    expect("7f" LEN24 "7c7c50" ZERO15 "70", "length;");
    expect("7f" LEN24 "71" ZERO15 "70", "length;"); /* a reserved byte is none of the body */
    expect("7f010000000000180000" ZERO15 "70", "crc;");
}

static void strays_are_counted(void **state)
{
    uint8_t wire[128], body[64];
    struct rpr_frame_decoder d = {.to = body, .size = sizeof body};
    size_t n = from_hex("00112233445566778899aabbccddeeff7c7071727300", wire);
    char text[64];

    (void)state;
    decode_text(&d, wire, n, n, text, sizeof text);
    assert_string_equal(text, "77;");
    assert_int_equal(d.counters.stray, n - 1);
    assert_int_equal(d.counters.control_bytes, 1);
}

static void longer_than_the_buffer(void **state)
{
    uint8_t wire[256], body[40];
    struct rpr_frame_decoder d = {.to = body, .size = 32};
    size_t n;
    char text[64];

    (void)state;
    memset(body, 0xee, sizeof body);
    memset(wire, 1, sizeof wire);
    wire[0] = RPR_UART_START;
    wire[200] = RPR_UART_END;
    n = 201 + from_hex("7f" SHORT "70", wire + 201);
    decode_text(&d, wire, n, n, text, sizeof text);
    assert_string_equal(text, "length;good 24;");
    for (unsigned i = 32; i < sizeof body; i++)
        assert_int_equal(body[i], 0xee);
}

static void a_frame_without_end_is_bounded(void **state)
{
    uint8_t wire[1000], body[64];
    struct rpr_frame_decoder d = {.to = body, .size = sizeof body};
    char text[64];

    (void)state;
    memset(wire, 2, sizeof wire);
    wire[0] = RPR_UART_START;
    decode_text(&d, wire, sizeof wire, sizeof wire, text, sizeof text);
    wire[0] = 2;
    for (unsigned i = 0; i < 100; i++)
        decode_text(&d, wire, sizeof wire, sizeof wire, text, sizeof text);
    assert_int_equal(d.n, RPR_FRAME_MAX + 1);
    assert_int_equal(d.pending, 101000);
    d.inside = true;
    rpr_frame_abort(&d);
    assert_int_equal(d.counters.bad_bytes, 101000);
    rpr_frame_abort(&d); /* there is none any more */
    assert_int_equal(d.counters.length, 1);
}

static void no_buffer_stops_before_the_frame(void **state)
{
    uint8_t wire[256], body[64];
    struct rpr_frame_decoder d = {.to = body, .size = sizeof body};
    size_t n = from_hex("7f" SHORT "7079787f" OTHER "70", wire);
    const uint8_t *at = wire, *end = wire + n;

    (void)state;
    assert_int_equal(rpr_frame_decode(&d, &at, end), RPR_FRAME_GOOD);
    d.to = NULL;
    assert_int_equal(rpr_frame_decode(&d, &at, end), RPR_FRAME_CONTROL);
    assert_int_equal(rpr_frame_decode(&d, &at, end), RPR_FRAME_CONTROL);
    assert_int_equal(rpr_frame_decode(&d, &at, end), RPR_FRAME_FULL);
    assert_int_equal(rpr_frame_decode(&d, &at, end), RPR_FRAME_FULL);
    d.to = body;
    assert_int_equal(rpr_frame_decode(&d, &at, end), RPR_FRAME_GOOD);
    assert_int_equal(d.n, 26);
}

static void no_crc_is_taken_unless_one_is_required(void **state)
{
    uint8_t body[256];
    struct rpr_frame_decoder d = {.to = body, .size = sizeof body, .crc_required = true};
    char text[64];

    (void)state;
    decode_text(&d, vector_u2, sizeof vector_u2, 7, text, sizeof text);
    assert_string_equal(text, "crc;");
    decode_text(&d, vector_u3, sizeof vector_u3, 7, text, sizeof text);
    assert_string_equal(text, "good 64;");
    decode_text(&d, vector_u10, sizeof vector_u10, 7, text, sizeof text); /* its CRC is 0 */
    assert_string_equal(text, "good 26;");
}

/* ---- both ways -------------------------------------------------------------------------------------- */

/* Bodies with few, many and only special bytes, of every length; in pieces of any size both ways. */
static void any_body_any_pieces(void **state)
{
    static uint8_t body[BODY_MAX], wire[WIRE_MAX + 1], back[BODY_MAX + 8];
    uint64_t random = 11;

    (void)state;
    for (unsigned round = 0; round < 3000; round++) {
        uint32_t n = RPR_FRAME_MIN + draw(&random, round % 10 ? 100 : BODY_MAX - RPR_FRAME_MIN);
        uint32_t kind = draw(&random, 4), room = 1 + draw(&random, 40);
        struct rpr_frame_decoder d = {.to = back, .size = n};
        struct rpr_frame_encoder e;
        size_t n_wire = 0, at_wire = 0;
        enum rpr_frame_event event = RPR_FRAME_NONE;

        for (uint32_t i = 8; i < n; i++)
            body[i] = (uint8_t)(kind == 0   ? 0x70 + draw(&random, 16)
                                : kind == 1 ? draw(&random, 0x70)
                                            : draw(&random, 256));
        rpr_frame_seal(body, n, kind != 3);
        rpr_frame_begin(&e, body, n);
        while (!rpr_frame_encoded(&e)) {
            size_t more = rpr_frame_encode(&e, wire + n_wire, kind == 1 ? WIRE_MAX - n_wire : room);

            assert_in_range(more, 1, kind == 1 ? WIRE_MAX : room);
            n_wire += more;
        }
        assert_true(n_wire <= RPR_FRAME_WIRE_MAX(n));
        memset(back, 0xee, sizeof back);
        while (event == RPR_FRAME_NONE && at_wire < n_wire) {
            const uint8_t *at = wire + at_wire;
            size_t chunk = 1 + draw(&random, kind == 2 ? (uint32_t)n_wire : 20);

            chunk = chunk < n_wire - at_wire ? chunk : n_wire - at_wire;
            event = rpr_frame_decode(&d, &at, at + chunk);
            at_wire = (size_t)(at - wire);
        }
        assert_int_equal(event, RPR_FRAME_GOOD);
        assert_int_equal(at_wire, n_wire);
        assert_int_equal(d.n, n);
        assert_memory_equal(back, body, n);
        for (uint32_t i = n; i < n + 8; i++)
            assert_int_equal(back[i], 0xee);
    }
}

/* Any bytes: the events do not depend on the chunks, and each byte is accounted for. */
static void any_bytes_any_chunks(void **state)
{
    static char text[2][1 << 16];
    uint8_t wire[2000], body[64];
    uint64_t random = 13;

    (void)state;
    for (unsigned round = 0; round < 300; round++) {
        struct rpr_frame_decoder d[2] = {{.to = body, .size = sizeof body},
                                         {.to = body, .size = sizeof body}};

        for (unsigned i = 0; i < sizeof wire; i++)
            wire[i] = (uint8_t)(draw(&random, 3) ? 0x70 + draw(&random, 16) : draw(&random, 256));
        decode_text(&d[0], wire, sizeof wire, sizeof wire, text[0], sizeof text[0]);
        decode_text(&d[1], wire, sizeof wire, 1 + draw(&random, 30), text[1], sizeof text[1]);
        assert_string_equal(text[0], text[1]);
        assert_memory_equal(&d[0].counters, &d[1].counters, sizeof d[0].counters);
        assert_int_equal(d[0].counters.good_bytes + d[0].counters.control_bytes +
                             d[0].counters.bad_bytes + d[0].counters.stray + d[0].pending,
                         sizeof wire);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(crc_of_known_inputs),
        cmocka_unit_test(crc_in_any_pieces),
        cmocka_unit_test(vectors_encode),
        cmocka_unit_test(vectors_decode),
        cmocka_unit_test(an_escape_only_example),
        cmocka_unit_test(control_bytes_anywhere),
        cmocka_unit_test(ends_of_frames_that_are_not_the_end),
        cmocka_unit_test(wrong_frames),
        cmocka_unit_test(strays_are_counted),
        cmocka_unit_test(longer_than_the_buffer),
        cmocka_unit_test(a_frame_without_end_is_bounded),
        cmocka_unit_test(no_buffer_stops_before_the_frame),
        cmocka_unit_test(no_crc_is_taken_unless_one_is_required),
        cmocka_unit_test(any_body_any_pieces),
        cmocka_unit_test(any_bytes_any_chunks),
    };

    return cmocka_run_group_tests_name("serial_frame", tests, make_vectors, NULL);
}
