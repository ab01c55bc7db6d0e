/* SPDX-License-Identifier: Apache-2.0 */
#include "report.h"

#include <stdio.h>
#include <stdlib.h>

static json_t *number(uint64_t value)
{
    return json_integer((json_int_t)value);
}

/* Peers choose names: what is not printable is replaced. */
static json_t *text(const char *name)
{
    char shown[RPMSG_NS_NAME_BYTES + 1];
    size_t i;

    for (i = 0; i < sizeof(shown) - 1 && name[i] != '\0'; i++)
        shown[i] = name[i] >= ' ' && name[i] <= '~' ? name[i] : '?';
    shown[i] = '\0';
    return json_string(shown);
}

/* A path may be no UTF-8, and JSON has nothing else. */
static json_t *file_name(const char *path)
{
    json_t *name = json_string(path);

    return name ? name : json_string("");
}

static json_t *control(const struct transcript_stream *stream)
{
    json_t *object = json_object();
    char byte[3];
    unsigned i;

    for (i = 0; i < 16; i++)
        if (stream->n_control[i]) {
            snprintf(byte, sizeof(byte), "%02x", 0x70 + i);
            json_object_set_new(object, byte, number(stream->n_control[i]));
        }
    return object;
}

static json_t *messages(const struct view *view, enum view_side side)
{
    json_t *object = json_object();
    unsigned kind;

    for (kind = 0; kind < VIEW_N_KINDS; kind++)
        json_object_set_new(object, view_kind_name[kind], number(view->n[side][kind]));
    return object;
}

/* To both sides the same: a service is bound when each knows the other's address. */
static json_t *bound(const struct view *view)
{
    json_t *names = json_array();
    size_t i;

    for (i = 0; i < view->n_services; i++)
        if (view_is_bound(view, &view->services[i]))
            json_array_append_new(names, text(view->services[i].name));
    return names;
}

static json_t *stream(const char *name, const struct transcript_stream *s, const struct view *view,
                      enum view_side side)
{
    const struct rpr_frame_counters *c = &s->counters;

    return json_pack("{s:o,s:s,s:o,s:o,s:{s:o,s:o,s:o},s:o,s:o}", "name", text(name), "dir",
                     side == VIEW_A ? "AB" : "BA", "frames", number(c->frames), "control",
                     control(s), "errors", "crc", number(c->crc), "length", number(c->length),
                     "stray", number(c->stray), "messages", messages(view, side), "bound",
                     bound(view));
}

static void see(struct view *views, const struct transcript *t)
{
    size_t i;

    for (i = 0; i < t->n_events; i++) {
        const struct transcript_event *e = &t->events[i];
        struct view_message message;

        if (e->what == TRANSCRIPT_CONTROL) {
            view_control(&views[e->link], e->side, e->control);
        } else if (e->what == TRANSCRIPT_FRAME) {
            view_message_read(&views[e->link], e->side, e->body + RPR_FRAME_HEADER_BYTES,
                              e->n - RPR_FRAME_HEADER_BYTES, &message);
            view_message_seen(&views[e->link], e->side, &message);
        }
    }
}

json_t *report_make(const char *path, const struct recording *recording, const struct transcript *t)
{
    struct view *views = calloc(RECORDING_LINKS, sizeof(*views));
    json_t *links = json_array();
    uint64_t bytes = recording->n_unread;
    uint64_t unaccounted = recording->n_unread;
    size_t link;
    unsigned side;

    if (!views || !links) {
        free(views);
        json_decref(links);
        return NULL;
    }
    see(views, t);
    for (link = 0; link < recording->n_links; link++) {
        for (side = 0; side < 2; side++) {
            const struct transcript_stream *s = &t->stream[link][side];

            bytes += s->n_bytes;
            unaccounted += transcript_unaccounted(s);
            json_array_append_new(links, stream(recording->name[link], s, &views[link], side));
        }
        view_free(&views[link]);
    }
    free(views);
    return json_pack("{s:o,s:o,s:o,s:o}", "file", file_name(path), "bytes", number(bytes),
                     "unaccounted", number(unaccounted), "links", links);
}

json_int_t report_unaccounted(const json_t *report)
{
    return json_integer_value(json_object_get(report, "unaccounted"));
}
