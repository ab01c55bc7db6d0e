/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A serial wire: bytes that take their time, in pieces as a UART hands them over, and noise.
 *
 * Noise damages one byte and then leaves so many in peace that no frame has two damaged ones: what a
 * CRC of 16 bits is sure to see. So a message with other contents than were sent is a violation, and
 * not bad luck.
 *
 * Without flow control, what comes while nobody reads is lost beyond what a UART's driver keeps.
 */
#include <stdlib.h>
#include <string.h>

#include "sim/sim.h"

#define LINE_BYTES  4096u /* that of a tty */
#define LINE_PIECES 1024u
#define PIECE_BYTES 64u   /* at most, unless there are too many */
#define KEPT_BYTES  1024u /* without flow control: of a receiver that does not read */
#define PEACE_BYTES \
    1400u /* between two damaged ones: more than a frame of 500 bytes, all escaped */

struct piece {
    uint64_t at; /* when it has come */
    uint32_t n;
};

/* One direction. */
struct sim_line {
    uint8_t data[LINE_BYTES];
    uint32_t n;
    struct piece pieces[LINE_PIECES];
    uint32_t n_pieces;
    uint64_t free_at; /* when the last byte has left */
    uint32_t peace;   /* bytes that still pass unharmed */
};

/* ---- the line --------------------------------------------------------------------------------------- */

static void line_clear(struct sim_line *line)
{
    line->n = line->n_pieces = 0;
    line->free_at = 0;
}

static void line_take(struct sim_line *line, uint32_t n)
{
    line->n -= n;
    memmove(line->data, line->data + n, line->n);
    while (line->n_pieces && (n || !line->pieces[0].n)) { /* an overrun leaves empty ones */
        uint32_t part = n < line->pieces[0].n ? n : line->pieces[0].n;

        n -= part;
        line->pieces[0].n -= part;
        if (line->pieces[0].n)
            break;
        line->n_pieces--;
        memmove(line->pieces, line->pieces + 1, line->n_pieces * sizeof line->pieces[0]);
    }
}

static uint32_t line_arrived(const struct sim_line *line, uint64_t now)
{
    uint32_t n = 0;

    for (uint32_t i = 0; i < line->n_pieces && line->pieces[i].at <= now; i++)
        n += line->pieces[i].n;
    return n;
}

/* Changes a byte, or loses it. Returns how many are left. */
static uint32_t damage(struct sim_end *to, uint8_t *data, uint32_t n)
{
    struct sim *sim = to->wire->sim;
    uint32_t at = sim_below(sim, n);
    bool lose = sim_chance(sim, 30);

    if (lose && sim_fails(sim, SIM_FAULT_BYTE_LOST)) {
        memmove(data + at, data + at + 1, n - at - 1);
        to->line->peace = PEACE_BYTES;
        return n - 1;
    }
    if (!lose && sim_fails(sim, SIM_FAULT_BYTE_WRONG)) {
        data[at] ^= (uint8_t)(1u + sim_below(sim, 255));
        to->line->peace = PEACE_BYTES;
    }
    return n;
}

static void put_piece(struct sim_end *to, const uint8_t *data, uint32_t n)
{
    const struct sim_wire_config *c = &to->wire->config;
    struct sim_line *line = to->line;
    struct sim *sim = to->wire->sim;
    struct piece *last = &line->pieces[line->n_pieces ? line->n_pieces - 1 : 0];

    line->free_at =
        (line->free_at > sim->now ? line->free_at : sim->now) + (uint64_t)n * c->byte_ns;
    memcpy(line->data + line->n, data, n);
    line->peace = line->peace > n ? line->peace - n : 0;
    if (!sim->quiet && !line->peace && sim_chance(sim, c->noise))
        n = damage(to, line->data + line->n, n);
    if (!n)
        return;
    line->n += n;
    if (line->n_pieces == LINE_PIECES) {
        last->n += n;
        last->at = line->free_at + c->delay_ns;
        return;
    }
    line->pieces[line->n_pieces++] = (struct piece){line->free_at + c->delay_ns, n};
}

/* ---- the carrier ---------------------------------------------------------------------------------------- */

static void look_for_first(struct sim_end *end)
{
    if (end->line->n_pieces && !end->refused)
        sim_wire_due(end, end->line->pieces[0].at);
}

static void carrier_open(void *ctx)
{
    struct sim_end *end = ctx;

    end->wanted = true;
    end->refused = false;
    if (!end->wire->cut && end->link)
        rpr_serial_back(end->link);
}

static void carrier_close(void *ctx)
{
    struct sim_end *end = ctx;

    end->wanted = false;
    end->refused = false;
    look_for_first(end);
}

static size_t carrier_write(void *ctx, const uint8_t *data, size_t len)
{
    struct sim_end *end = ctx, *to = sim_wire_other(end);
    struct sim *sim = end->wire->sim;
    uint32_t room = LINE_BYTES - to->line->n;
    size_t done = 0;

    if (end->dead || !to->link || !to->wanted)
        return len; /* nobody hears it */
    end->full = room < len;
    while (room && done < len) {
        uint32_t most = len - done < PIECE_BYTES ? (uint32_t)(len - done) : PIECE_BYTES;
        uint32_t n = 1 + sim_below(sim, most < room ? most : room);

        put_piece(to, data + done, n);
        done += n;
        room -= n;
    }
    look_for_first(to);
    return done;
}

static int32_t carrier_queued(void *ctx)
{
    return (int32_t)sim_wire_other(ctx)->line->n;
}

static void carrier_readable(void *ctx)
{
    struct sim_end *end = ctx;

    end->refused = false;
    look_for_first(end);
}

static void carrier_destroy(void *ctx)
{
    ((struct sim_end *)ctx)->link = NULL;
}

/* The sender has room again. */
static void let_write(struct sim_end *from)
{
    if (from->full)
        sim_wire_due(from, from->wire->sim->now);
}

/* ---- the wire --------------------------------------------------------------------------------------------- */

static void init(struct sim_wire *wire)
{
    const struct rpr_platform *platform = &wire->sim->platform;

    for (unsigned i = 0; i < 2; i++)
        wire->end[i].line = platform->alloc(platform->ctx, sizeof *wire->end[i].line);
}

static int join(struct sim_end *end)
{
    const struct sim_wire_config *c = &end->wire->config;

    line_clear(end->line); /* nobody has read it */
    end->gone = end->back = end->refused = end->full = false;
    let_write(sim_wire_other(end));
    return rpr_serial_open(
        end->host->node,
        &(struct rpr_serial_config){.remote = sim_wire_other(end)->host->name,
                                    .kind = "serial",
                                    .crc = c->noise ? RPR_SERIAL_CRC_REQUIRE : RPR_SERIAL_CRC_AUTO,
                                    .size = c->payload,
                                    .buffers = c->buffers,
                                    .lossy = !c->flow,
                                    .carrier = {.open = carrier_open,
                                                .close = carrier_close,
                                                .write = carrier_write,
                                                .queued = carrier_queued,
                                                .readable = carrier_readable,
                                                .destroy = carrier_destroy,
                                                .ctx = end}},
        &end->link);
}

/* Of what has come, the driver has kept the beginning. */
static void overrun(struct sim_end *end, uint64_t now)
{
    struct sim_line *line = end->line;
    uint32_t arrived = line_arrived(line, now);

    if (end->wire->config.flow || arrived <= KEPT_BYTES ||
        !sim_fails(end->wire->sim, SIM_FAULT_BYTE_LOST))
        return;
    memmove(line->data + KEPT_BYTES, line->data + arrived, line->n - arrived);
    line->n -= arrived - KEPT_BYTES;
    for (uint32_t i = 0, kept = 0; i < line->n_pieces && line->pieces[i].at <= now; i++) {
        struct piece *p = &line->pieces[i];

        p->n = p->n < KEPT_BYTES - kept ? p->n : KEPT_BYTES - kept;
        kept += p->n;
    }
}

static void deliver(struct sim_end *end)
{
    struct sim_line *line = end->line;
    uint64_t now = end->wire->sim->now;
    uint32_t n, taken;

    overrun(end, now);
    n = line_arrived(line, now);
    if (!end->link || !end->wanted) {
        line_take(line, n);
    } else if (n && !end->refused) {
        taken = (uint32_t)rpr_serial_input(end->link, line->data, n);
        end->refused = taken < n;
        line_take(line, taken);
    }
    let_write(sim_wire_other(end));
    look_for_first(end);
}

static void look(struct sim_end *end)
{
    if (end->gone && end->link)
        rpr_serial_lost(end->link, "the wire was cut");
    if (end->back && end->link && end->wanted && !end->wire->cut)
        rpr_serial_back(end->link);
    end->gone = end->back = false;
    if (end->full && sim_wire_other(end)->line->n < LINE_BYTES / 2) {
        end->full = false;
        if (end->link)
            rpr_serial_writable(end->link);
    }
    deliver(end);
}

static void cut(struct sim_wire *wire)
{
    for (unsigned i = 0; i < 2; i++) {
        struct sim_end *end = &wire->end[i];

        line_clear(end->line);
        end->gone = true;
        end->back = end->full = end->refused = false;
        sim_wire_due(end, wire->sim->now);
    }
}

static void mend(struct sim_wire *wire)
{
    for (unsigned i = 0; i < 2; i++) {
        wire->end[i].back = true;
        sim_wire_due(&wire->end[i], wire->sim->now);
    }
}

static void fini(struct sim_wire *wire)
{
    const struct rpr_platform *platform = &wire->sim->platform;

    for (unsigned i = 0; i < 2; i++)
        platform->free(platform->ctx, wire->end[i].line, sizeof *wire->end[i].line);
}

bool sim_wire_busy(const struct sim *sim)
{
    for (unsigned i = 0; i < sim->n_wires; i++)
        for (unsigned side = 0; side < 2; side++)
            if (sim->wire[i].config.kind == SIM_SERIAL && sim->wire[i].end[side].line->n)
                return true;
    return false;
}

const struct sim_wire_ops sim_wire_serial = {
    .init = init, .join = join, .look = look, .cut = cut, .mend = mend, .fini = fini};
