/* SPDX-License-Identifier: Apache-2.0 */
/* rpr-replay: reads a recording of serial links with the shipped decoder (INTERFACE 3). */
#include <stdio.h>
#include <string.h>

#include "report.h"

enum { EXIT_DONE, EXIT_FAILED, EXIT_WRONG };

static const char help[] =
    "usage: rpr-replay FILE\n"
    "\n"
    "Reads a recording of serial links (RPCAP1) and prints as JSON what was said on them: frames,\n"
    "control bytes, errors, messages by kind, and the services that are bound at the end.\n"
    "\n"
    "  -h, --help      this text\n"
    "  -V, --version   version\n"
    "\n"
    "Exit status: 0 each byte is accounted for, 1 it is not, or the file cannot be read, 2 "
    "usage.\n";

static int replay(const char *path)
{
    struct recording recording;
    struct transcript transcript;
    json_t *report = NULL;
    char why[160];
    int status = EXIT_FAILED;

    if (!recording_read(&recording, path, why)) {
        fprintf(stderr, "rpr-replay: %s\n", why);
        return EXIT_FAILED;
    }
    if (transcript_make(&transcript, &recording)) {
        report = report_make(path, &recording, &transcript);
        transcript_free(&transcript);
    }
    if (!report)
        fprintf(stderr, "rpr-replay: out of memory\n");
    else if (json_dumpf(report, stdout, JSON_INDENT(2)) != 0 || printf("\n") < 0 || fflush(stdout))
        fprintf(stderr, "rpr-replay: cannot write the result\n");
    else if (report_unaccounted(report) == 0)
        status = EXIT_DONE;
    json_decref(report);
    recording_free(&recording);
    return status;
}

int main(int argc, char **argv)
{
    if (argc == 2 && (strcmp(argv[1], "-h") == 0 || strcmp(argv[1], "--help") == 0)) {
        fputs(help, stdout);
        return EXIT_DONE;
    }
    if (argc == 2 && (strcmp(argv[1], "-V") == 0 || strcmp(argv[1], "--version") == 0)) {
        printf("rpr-replay %s\n", RPR_VERSION);
        return EXIT_DONE;
    }
    if (argc != 2 || argv[1][0] == '-') {
        fputs("rpr-replay: give it one FILE; rpr-replay --help tells more\n", stderr);
        return EXIT_WRONG;
    }
    return replay(argv[1]);
}
