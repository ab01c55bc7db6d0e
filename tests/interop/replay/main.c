/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rpr-replay-node: plays each side of a recording with a node of ours (play.h).
 *
 * usage: rpr-replay-node [-v] [-a | -b] FILE...
 *   -a, -b   side A or side B only: the other does on purpose what a peer of ours does not
 *   -v       shows what is said
 * Exit status: 0 our node was where the recorded one was, 1 it was not, 2 usage or file.
 */
#include <stdio.h>
#include <unistd.h>

#include "play.h"

struct wanted {
    bool a, b, verbose;
};

static bool play_file(const struct recording *recording, const struct transcript *transcript,
                      const struct wanted *wanted)
{
    bool good = !wanted->a || play_run(recording, transcript, VIEW_A, 0, wanted->verbose);

    for (unsigned link = 0; wanted->b && link < recording->n_links; link++)
        good &= play_run(recording, transcript, VIEW_B, link, wanted->verbose);
    return good;
}

static int play_path(const char *path, const struct wanted *wanted)
{
    struct recording recording;
    struct transcript transcript;
    char why[160];
    bool good;

    if (!recording_read(&recording, path, why)) {
        fprintf(stderr, "rpr-replay-node: %s\n", why);
        return 2;
    }
    if (!transcript_make(&transcript, &recording)) {
        fprintf(stderr, "rpr-replay-node: out of memory\n");
        return 2;
    }
    printf("%s\n", path);
    good = play_file(&recording, &transcript, wanted);
    printf("%s: %s\n", good ? "PASS" : "FAIL", path);
    transcript_free(&transcript);
    recording_free(&recording);
    return good ? 0 : 1;
}

static int usage(void)
{
    fputs("usage: rpr-replay-node [-v] [-a | -b] FILE...\n", stderr);
    return 2;
}

int main(int argc, char **argv)
{
    struct wanted wanted = {.a = true, .b = true};
    int option;
    int worst = 0;

    while ((option = getopt(argc, argv, "vab")) != -1) {
        if (option == '?')
            return usage();
        wanted.verbose |= option == 'v';
        wanted.b &= option != 'a';
        wanted.a &= option != 'b';
    }
    if (optind == argc || !(wanted.a || wanted.b))
        return usage();
    for (; optind < argc; optind++) {
        int status = play_path(argv[optind], &wanted);

        worst = status > worst ? status : worst;
    }
    return worst;
}
