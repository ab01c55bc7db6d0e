/* SPDX-License-Identifier: Apache-2.0 */
/* Is our node where the recorded one was? */
#include <stdio.h>
#include <string.h>

#include "play.h"

struct compare {
    struct leg *leg;
    bool shown; /* differences are printed */
    unsigned n_wrong;
};

static const char *link_name(const struct leg *leg)
{
    return leg->play->recording->name[leg->index];
}

static void wrong(struct compare *c, const char *name, const char *what)
{
    c->n_wrong++;
    if (c->shown)
        printf("  %s: %s: %s\n", link_name(c->leg), name, what);
}

static void too_many(void *ctx, const char *name)
{
    struct compare *c = ctx;
    const struct view_service *service = view_find(&c->leg->expected, name);

    if (!service || !view_is_bound(&c->leg->expected, service))
        wrong(c, name, "bound, but not in the recording");
}

static void compare_services(struct compare *c)
{
    const struct view *expected = &c->leg->expected;

    for (size_t i = 0; i < expected->n_services; i++)
        if (view_is_bound(expected, &expected->services[i]) &&
            !node_is_bound(c->leg, expected->services[i].name))
            wrong(c, expected->services[i].name, "not bound, but bound in the recording");
    node_bound(c->leg, too_many, c);
}

static void compare_devices(struct compare *c)
{
    const struct view *expected = &c->leg->expected;

    for (size_t i = 0; i < expected->n_devices; i++) {
        const struct view_device *device = &expected->devices[i];
        bool up, suspended;

        node_device(c->leg, device->cpu, &up, &suspended);
        if (up != device->up)
            wrong(c, device->cpu, up ? "the routed device is up" : "the routed device is not up");
        else if (suspended != device->suspended)
            wrong(c, device->cpu, suspended ? "sleeps" : "does not sleep");
    }
}

/* Answers that our node gave or passed on, and those it got to its own pings. */
static void compare_pings(struct compare *c)
{
    struct play *play = c->leg->play;
    uint64_t given = c->leg->actual.n[play->ours][VIEW_ping_rsp];
    uint64_t expected = c->leg->expected.n[play->ours][VIEW_ping_rsp];
    char text[80];
    uint64_t n_own = 0, n_answered = 0;

    for (size_t i = 0; i < play->n_pings; i++) {
        n_own += play->pings[i].leg == c->leg && play->pings[i].fed;
        n_answered += play->pings[i].leg == c->leg && play->pings[i].answered;
    }
    if (given != expected) {
        snprintf(text, sizeof text, "%llu answered, %llu in the recording",
                 (unsigned long long)given, (unsigned long long)expected);
        wrong(c, "pings", text);
    }
    if (n_own != n_answered)
        wrong(c, "pings", "an answer to one of our own was not taken");
}

/* Ours asks who is silent once more. */
static bool may_be_repeated(unsigned command)
{
    return command == SENSOR_ADVERTISE || command == SENSOR_SUBSCRIBE;
}

/* What our service said, word by word. Samples and requests are the applications', which are not played,
 * and samples share messages as their queues have it. */
static void compare_sensors(struct compare *c)
{
    char text[80];

    for (unsigned i = 0; i < SENSOR_PUBLISH; i++) {
        uint64_t expected = c->leg->expected_words[i], actual = c->leg->actual_words[i];

        if (expected == actual || (may_be_repeated(i) && actual > expected && expected))
            continue;
        snprintf(text, sizeof text, "command %u: %llu said, %llu in the recording", i,
                 (unsigned long long)actual, (unsigned long long)expected);
        wrong(c, SENSOR, text);
    }
}

static unsigned compare(struct play *play, bool shown)
{
    unsigned n_wrong = 0;

    for (unsigned i = play->first_leg; i < play->end_leg; i++) {
        struct compare c = {.leg = &play->leg[i], .shown = shown};

        compare_services(&c);
        compare_devices(&c);
        compare_pings(&c);
        compare_sensors(&c);
        n_wrong += c.n_wrong;
    }
    return n_wrong;
}

void verdict_look(struct play *play, bool last_chance)
{
    unsigned n_wrong;

    if (!play->mark_text[0])
        return;
    n_wrong = compare(play, false);
    if (n_wrong && !last_chance && play->now < play->mark_until)
        return;
    if (n_wrong) {
        printf("  at %.3f s, \"%s\":\n", (double)play->mark->t_ns / 1e9, play->mark_text);
        (void)compare(play, true);
        play->n_wrong++;
    }
    play->mark = NULL;
    play->mark_text[0] = '\0';
}

/* What the recorded node had done at a mark, ours may do a moment later. */
void verdict_mark(struct play *play, const struct transcript_event *mark, const char *text)
{
    verdict_look(play, true);
    play->n_marks++;
    play->mark = mark;
    play->mark_until = play->now + PATIENCE_NS;
    snprintf(play->mark_text, sizeof play->mark_text, "%s", text);
}
