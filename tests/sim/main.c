/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rpr-sim: runs seeds. The first that violates an invariant, crashes or does not end stops all
 * others, is made small, and what replays it is printed.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "run.h"

static const char usage_text[] =
    "usage: rpr-sim [--scene NAME] [--seeds N] [--from S] [--jobs N] [--keep-going] [--no-shrink]\n"
    "       rpr-sim [--scene NAME] --seed S [--verbose] [--without FAULT,...]\n"
    "               [--without-wires N,...] [--only ACTIONS]\n"
    "       rpr-sim --leave-out-each [--scene NAME] [--seeds N]\n"
    "\n"
    "  --seeds N          so many, from 1 or --from; default 100\n"
    "  --jobs N           processes; default: as many as CPUs\n"
    "  --keep-going       count what fails, and go on\n"
    "  --no-shrink        do not look for the smallest run that fails\n"
    "  --seed S           this one; --verbose: with every event\n"
    "  --only ACTIONS     of the applications' actions only these: \"0-4,17\", or \"none\"\n"
    "  --leave-out-each   once without each cache operation of the library: is it seen?\n"
    "  --leave-out NAME   without that one\n";

static int help(void)
{
    fputs(usage_text, stdout);
    printf("\nscenes:\n");
    for (const struct scene_kind *k = scene_kinds; k->name; k++)
        printf("  %-8s %s\n", k->name, k->text);
    printf("\nfaults, for --without:\n");
    for (unsigned i = 0; i < SIM_N_FAULTS; i++)
        printf("  %-14s %s\n", sim_fault_name((enum sim_fault)i),
               sim_fault_text((enum sim_fault)i));
    return 0;
}

static int usage(const char *wrong, const char *what)
{
    fprintf(stderr, "rpr-sim: %s%s%s\n%s", wrong, what ? ": " : "", what ? what : "", usage_text);
    return 2;
}

/* ---- options ------------------------------------------------------------------------------------ */

struct command {
    struct run_options run;
    bool each;
};

static bool number(const char *text, uint64_t *value)
{
    char *end;

    errno = 0;
    *value = strtoull(text, &end, 0);
    return *text >= '0' && *text <= '9' && !*end && !errno;
}

static bool parse_scene(struct command *c, const char *text)
{
    const struct scene_kind *k = scene_kinds;

    while (k->name && strcmp(k->name, text) != 0)
        k++;
    c->run.scene.kind = k;
    return k->name != NULL;
}

static bool parse_seeds(struct command *c, const char *text)
{
    return number(text, &c->run.n_seeds) && c->run.n_seeds;
}

static bool parse_from(struct command *c, const char *text)
{
    return number(text, &c->run.scene.seed);
}

static bool parse_seed(struct command *c, const char *text)
{
    c->run.n_seeds = 1;
    c->run.n_jobs = 1;
    return number(text, &c->run.scene.seed);
}

static bool parse_jobs(struct command *c, const char *text)
{
    uint64_t n;

    if (!number(text, &n) || !n || n > RUN_JOBS)
        return false;
    c->run.n_jobs = (unsigned)n;
    return true;
}

/* Calls `take` for each part of "a,b,c". */
static bool parse_list(struct command *c, const char *text,
                       bool (*take)(struct command *c, const char *part))
{
    char part[32];

    for (;;) {
        size_t n = strcspn(text, ",");

        if (!n || n >= sizeof part)
            return false;
        memcpy(part, text, n);
        part[n] = '\0';
        if (!take(c, part))
            return false;
        if (!text[n])
            return true;
        text += n + 1;
    }
}

static bool take_fault(struct command *c, const char *part)
{
    for (unsigned i = 0; i < SIM_N_FAULTS; i++)
        if (strcmp(sim_fault_name((enum sim_fault)i), part) == 0) {
            c->run.scene.without |= 1u << i;
            return true;
        }
    return false;
}

static bool parse_without(struct command *c, const char *text)
{
    return parse_list(c, text, take_fault);
}

static bool take_wire(struct command *c, const char *part)
{
    uint64_t n;

    if (!number(part, &n) || n >= SIM_WIRES)
        return false;
    c->run.scene.without_wires |= 1u << n;
    return true;
}

static bool parse_without_wires(struct command *c, const char *text)
{
    return parse_list(c, text, take_wire);
}

static bool take_actions(struct command *c, const char *part)
{
    char first[32];
    const char *dash = strchr(part, '-');
    size_t n = dash ? (size_t)(dash - part) : strlen(part);
    uint64_t from, to;

    memcpy(first, part, n);
    first[n] = '\0';
    if (!number(first, &from) || !number(dash ? dash + 1 : first, &to) || to < from ||
        to >= SCENE_ACTIONS)
        return false;
    for (; from <= to; from++)
        c->run.scene.skipped[from / 8] &= (uint8_t) ~(1u << from % 8);
    return true;
}

static bool parse_only(struct command *c, const char *text)
{
    memset(c->run.scene.skipped, 0xff, sizeof c->run.scene.skipped);
    return strcmp(text, "none") == 0 || parse_list(c, text, take_actions);
}

static bool parse_leave_out(struct command *c, const char *text)
{
    c->run.scene.leave_out = text;
    return true;
}

static const struct option {
    const char *name;
    bool (*parse)(struct command *c, const char *text);
} options[] = {{"--scene", parse_scene},
               {"--seeds", parse_seeds},
               {"--from", parse_from},
               {"--seed", parse_seed},
               {"--jobs", parse_jobs},
               {"--without", parse_without},
               {"--without-wires", parse_without_wires},
               {"--only", parse_only},
               {"--leave-out", parse_leave_out}};

static bool parse_flag(struct command *c, const char *text)
{
    if (strcmp(text, "--verbose") == 0)
        c->run.scene.verbose = true;
    else if (strcmp(text, "--keep-going") == 0)
        c->run.keep_going = true;
    else if (strcmp(text, "--no-shrink") == 0)
        c->run.no_shrink = true;
    else if (strcmp(text, "--leave-out-each") == 0)
        c->each = true;
    else
        return false;
    return true;
}

static const struct option *find_option(const char *name)
{
    for (unsigned i = 0; i < sizeof options / sizeof options[0]; i++)
        if (strcmp(options[i].name, name) == 0)
            return &options[i];
    return NULL;
}

/* 0, or the status to exit with. */
static int parse(struct command *c, int argc, char **argv)
{
    long n_cpus = sysconf(_SC_NPROCESSORS_ONLN);

    memset(c, 0, sizeof *c);
    c->run.n_seeds = 100;
    c->run.scene.seed = 1;
    c->run.scene.kind = scene_kinds;
    c->run.n_jobs = n_cpus < 1 ? 1 : n_cpus > (long)RUN_JOBS ? RUN_JOBS : (unsigned)n_cpus;
    for (int i = 1; i < argc; i++) {
        const struct option *o = find_option(argv[i]);

        if (parse_flag(c, argv[i]))
            continue;
        if (!o)
            return usage("no such option", argv[i]);
        if (i + 1 == argc || !o->parse(c, argv[i + 1]))
            return usage("not a value of that option", argv[i]);
        i++;
    }
    return 0;
}

int main(int argc, char **argv)
{
    static struct command command;
    int error;

    if (argc == 2 && strcmp(argv[1], "--help") == 0)
        return help();
    error = parse(&command, argc, argv);
    if (error)
        return error;
    if (command.each)
        return !mutate_caches(&command.run);
    return !campaign_run(&command.run);
}
