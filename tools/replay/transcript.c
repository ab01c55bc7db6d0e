/* SPDX-License-Identifier: Apache-2.0 */
#include "transcript.h"

#include <stdlib.h>
#include <string.h>

struct maker {
    struct transcript *transcript;
    size_t room; /* for events */
    struct rpr_frame_decoder decoder[RECORDING_LINKS][2];
    uint8_t *body[RECORDING_LINKS][2];
};

/* Longer than anybody waits for anything; a damaged recording may have times of any kind. */
#define LONGEST_PAUSE_NS UINT64_C(600000000000)

static uint64_t sane_time(const struct transcript *t, uint64_t t_ns)
{
    uint64_t last = t->n_events ? t->events[t->n_events - 1].t_ns : t_ns & (UINT64_MAX >> 2);

    if (t_ns < last)
        return last;
    return t_ns - last > LONGEST_PAUSE_NS ? last + LONGEST_PAUSE_NS : t_ns;
}

static bool add(struct maker *m, const struct transcript_event *event)
{
    struct transcript *t = m->transcript;

    if (t->n_events == m->room) {
        size_t room = m->room ? 2 * m->room : 1024;
        struct transcript_event *more = realloc(t->events, room * sizeof(*more));

        if (!more)
            return false;
        t->events = more;
        m->room = room;
    }
    t->events[t->n_events] = *event;
    t->events[t->n_events].t_ns = sane_time(t, event->t_ns);
    t->n_events++;
    return true;
}

static bool add_frame(struct maker *m, struct transcript_event *event,
                      const struct rpr_frame_decoder *decoder)
{
    uint8_t *copy = malloc(decoder->n);

    if (!copy)
        return false;
    memcpy(copy, decoder->to, decoder->n);
    event->what = TRANSCRIPT_FRAME;
    event->body = copy;
    event->n = decoder->n;
    if (add(m, event))
        return true;
    free(copy);
    return false;
}

static bool add_bytes(struct maker *m, const struct recording_record *record)
{
    enum view_side side = record->dir == RECORDING_AB ? VIEW_A : VIEW_B;
    struct rpr_frame_decoder *decoder = &m->decoder[record->link][side];
    struct transcript_stream *stream = &m->transcript->stream[record->link][side];
    const uint8_t *at = record->bytes;
    const uint8_t *end = at + record->n;
    struct transcript_event event = {.t_ns = record->t_ns, .link = record->link, .side = side};
    enum rpr_frame_event what;
    bool good = true;

    if (!m->body[record->link][side]) {
        m->body[record->link][side] = malloc(RPR_FRAME_MAX);
        if (!m->body[record->link][side])
            return false;
        decoder->to = m->body[record->link][side];
        decoder->size = RPR_FRAME_MAX;
    }
    stream->n_bytes += record->n;
    while (good && (what = rpr_frame_decode(decoder, &at, end)) != RPR_FRAME_NONE) {
        if (what == RPR_FRAME_GOOD)
            good = add_frame(m, &event, decoder);
        if (what != RPR_FRAME_CONTROL)
            continue;
        stream->n_control[decoder->control & 15u]++;
        event.what = TRANSCRIPT_CONTROL;
        event.control = decoder->control;
        good = add(m, &event);
    }
    return good;
}

static bool add_mark(struct maker *m, const struct recording_record *record)
{
    return add(m, &(struct transcript_event){.t_ns = record->t_ns,
                                             .what = TRANSCRIPT_MARK,
                                             .link = record->link,
                                             .body = record->bytes,
                                             .n = record->n});
}

/* A frame that never ended is lost like any other that was cut off. */
static void finish(struct maker *m)
{
    size_t link;
    unsigned side;

    for (link = 0; link < RECORDING_LINKS; link++)
        for (side = 0; side < 2; side++) {
            rpr_frame_abort(&m->decoder[link][side]);
            m->transcript->stream[link][side].counters = m->decoder[link][side].counters;
            free(m->body[link][side]);
        }
}

bool transcript_make(struct transcript *transcript, const struct recording *recording)
{
    struct maker *m = calloc(1, sizeof(*m));
    bool good = m != NULL;
    size_t i;

    memset(transcript, 0, sizeof(*transcript));
    if (!m)
        return false;
    m->transcript = transcript;
    for (i = 0; good && i < recording->n_records; i++) {
        const struct recording_record *record = &recording->records[i];

        good = record->dir == RECORDING_MARK ? add_mark(m, record) : add_bytes(m, record);
    }
    finish(m);
    free(m);
    if (!good)
        transcript_free(transcript);
    return good;
}

void transcript_free(struct transcript *t)
{
    size_t i;

    for (i = 0; i < t->n_events; i++)
        if (t->events[i].what == TRANSCRIPT_FRAME)
            free((void *)(uintptr_t)t->events[i].body);
    free(t->events);
    memset(t, 0, sizeof(*t));
}

uint64_t transcript_unaccounted(const struct transcript_stream *s)
{
    const struct rpr_frame_counters *c = &s->counters;

    return s->n_bytes - c->good_bytes - c->control_bytes - c->bad_bytes - c->stray;
}
