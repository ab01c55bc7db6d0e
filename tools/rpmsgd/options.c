/* SPDX-License-Identifier: Apache-2.0 */
#include "options.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../common/text.h"

static const char help[] =
    "usage: rpmsgd [-c FILE] [--name NAME] [--link REMOTE=URL]... [--route A:B[,KEY=VALUE]...]...\n"
    "              [--service NAME[@DEV,...][:KEY=VALUE,...]]... [--control PATH] [--check] [-v]\n"
    "              [--version]\n"
    "\n"
    "Runs one RPMsg node: an edge always, a hub for the pairs of links that are given as routes.\n"
    "\n"
    "  -c, --config FILE      configuration file; options override it and add to it\n"
    "      --name NAME        this CPU's name, [A-Za-z0-9_.-], 1 to 31 bytes (7 if it is to be\n"
    "                         reached through a hub)\n"
    "      --link REMOTE=URL  a link to the CPU named REMOTE; repeat for more\n"
    "      --route A:B[,...]  forward between the links A and B; `all`: between every two links\n"
    "          policy=POLICY      credit, drop-newest, drop-oldest or block: what to do for an\n"
    "                             edge that takes nothing\n"
    "          services=S+S...    forward these services only\n"
    "          quota=N            messages kept per service and direction (default 256)\n"
    "          block_ms=N         with policy=block: for how long (default 100)\n"
    "      --service NAME[@DEV,...][:KEY=VALUE,...]   a service of this node, on the CPUs DEV, on\n"
    "                         all without @, on none with @none; ping and syslog are on unless "
    "told\n"
    "                         otherwise\n"
    "          ping               answers rpmsg-ping\n"
    "          test               takes part in rpmsg-test\n"
    "          syslog             writes the log lines of other CPUs: to=stdout or syslog\n"
    "                             (socket=/dev/log), or file=PATH\n"
    "      --control PATH     control socket; default $RPMSG_CONTROL, else\n"
    "                         $XDG_RUNTIME_DIR/rpmsg/NAME.sock, else /run/rpmsg/NAME.sock\n"
    "      --check            check options and file, open nothing; exit status 0 or 2\n"
    "  -v, --verbose          log what happens; twice: more\n"
    "      --version          print the version\n"
    "  -h, --help             print this\n"
    "\n"
    "Link URLs:\n"
    "  shm:PATH[?listen=1&buffers=256&size=2048]   shared memory with a local process; PATH is "
    "the\n"
    "                                              socket where they meet, one side listens\n"
    "  ivshmem:PATH?role=master|slave[&layout=rptun|lite|sim]   a file that another core has "
    "mapped\n"
    "  pty:PATH                                    a pseudo terminal made here, PATH leads to it\n"
    "  serial:PATH[?baud=115200&flow=rtscts|none]  a UART, waited for while it is missing\n"
    "  unix:PATH[?listen=1]                        a stream socket; tcp:ADDRESS:PORT the same, "
    "and\n"
    "                                              listens beyond loopback with expose=1\n"
    "    the last four also take crc=off|auto|require size=2008 buffers=8 window=6 relax=5 (ms)\n"
    "\n"
    "Configuration file:\n"
    "  [node]         name= control=\n"
    "  [link REMOTE]  url=\n"
    "  [route A:B]    policy= services= quota= block_ms=\n"
    "  [service NAME] on= (DEV,..., all or none) and the keys of the service\n"
    "\n"
    "SIGTERM ends it in order, SIGHUP reads the file again.\n"
    "Exit status: 0 ended in order, 1 failed while running, 2 wrong option, file or URL.\n";

enum {
    OPTION_NAME = 256,
    OPTION_LINK,
    OPTION_ROUTE,
    OPTION_CONTROL,
    OPTION_SERVICE,
    OPTION_CHECK,
    OPTION_VERSION
};

static const struct option long_options[] = {
    {"config", required_argument, NULL, 'c'},
    {"name", required_argument, NULL, OPTION_NAME},
    {"link", required_argument, NULL, OPTION_LINK},
    {"route", required_argument, NULL, OPTION_ROUTE},
    {"control", required_argument, NULL, OPTION_CONTROL},
    {"service", required_argument, NULL, OPTION_SERVICE},
    {"check", no_argument, NULL, OPTION_CHECK},
    {"verbose", no_argument, NULL, 'v'},
    {"version", no_argument, NULL, OPTION_VERSION},
    {"help", no_argument, NULL, 'h'},
    {NULL, 0, NULL, 0},
};

static enum options_result wrong(const char *what, const char *why)
{
    fprintf(stderr, "rpmsgd: %s: %s; rpmsgd --help lists the options\n", what, why);
    return OPTIONS_WRONG;
}

static void append(const char ***texts, size_t *count, const char *text)
{
    *texts = need_array(*texts, *count + 1, sizeof(**texts));
    (*texts)[(*count)++] = text;
}

static enum options_result take(struct options *options, int option, const char *argument)
{
    switch (option) {
    case 'c':
        options->file = optarg;
        break;
    case 'v':
        options->verbose++;
        break;
    case 'h':
        fputs(help, stdout);
        return OPTIONS_SHOWN;
    case OPTION_NAME:
        options->name = optarg;
        break;
    case OPTION_LINK:
        append(&options->links, &options->n_links, optarg);
        break;
    case OPTION_ROUTE:
        append(&options->routes, &options->n_routes, optarg);
        break;
    case OPTION_CONTROL:
        options->control = optarg;
        break;
    case OPTION_SERVICE:
        append(&options->services, &options->n_services, optarg);
        break;
    case OPTION_CHECK:
        options->check = true;
        break;
    case OPTION_VERSION:
        puts("rpmsgd " RPR_VERSION);
        return OPTIONS_SHOWN;
    case ':':
        return wrong(argument, "a value must follow");
    default:
        return wrong(argument, "not an option");
    }
    return OPTIONS_RUN;
}

enum options_result options_parse(struct options *options, int argc, char **argv)
{
    memset(options, 0, sizeof(*options));
    opterr = 0;
    for (;;) {
        int at = optind;
        int option = getopt_long(argc, argv, "+:c:vh", long_options, NULL);
        if (option == -1)
            break;
        enum options_result result = take(options, option, argv[at]);
        if (result != OPTIONS_RUN)
            return result;
    }
    if (optind < argc)
        return wrong(argv[optind], "not an option");
    return OPTIONS_RUN;
}

void options_free(struct options *options)
{
    free(options->links);
    free(options->routes);
    free(options->services);
}
