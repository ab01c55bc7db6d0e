/* SPDX-License-Identifier: Apache-2.0 */
/* A recording as the shipped decoder understands it: what was said, by whom and when. */
#ifndef REPLAY_TRANSCRIPT_H
#define REPLAY_TRANSCRIPT_H

#include <rpr/frame.h>

#include "recording.h"
#include "view.h"

enum transcript_what { TRANSCRIPT_CONTROL, TRANSCRIPT_FRAME, TRANSCRIPT_MARK };

struct transcript_event {
    uint64_t t_ns; /* its last byte */
    enum transcript_what what;
    uint8_t link;
    enum view_side side;
    uint8_t control;     /* enum rpr_uart_byte */
    const uint8_t *body; /* of a frame, from the port header on; or the text of a mark */
    uint32_t n;
};

/* One direction of one link. */
struct transcript_stream {
    struct rpr_frame_counters counters;
    uint64_t n_bytes;
    uint64_t n_control[16]; /* by the low half of the byte */
};

struct transcript {
    struct transcript_event *events; /* in order of time */
    size_t n_events;
    struct transcript_stream stream[RECORDING_LINKS][2];
};

/* The recording must outlive it. False: out of memory. */
bool transcript_make(struct transcript *transcript, const struct recording *recording);
void transcript_free(struct transcript *transcript);

/* Bytes of that stream that are no part of anything: 0, or the decoder is wrong. */
uint64_t transcript_unaccounted(const struct transcript_stream *stream);

#endif
