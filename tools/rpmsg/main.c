/* SPDX-License-Identifier: Apache-2.0 */
/* rpmsg: looks at a node, and talks through it (INTERFACE 3). */
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "../common/text.h"
#include "cli.h"

static const struct {
    const char *name, *synopsis, *summary;
    command_fn *run;
    const char *help;
    bool prints; /* something of its own, JSON if asked */
} commands[] = {
    {"ls", "", "devices, endpoints and routes", ls_main, "", true},
    {"wait", "DEV [SERVICE] [-t SECONDS]", "until a device is up, or a service on it is bound",
     wait_main, "  -t SECONDS  give up then, with exit status 3 (default: never)\n", false},
    {"events", "", "changes of links, devices, endpoints and routes as they happen", events_main,
     "Runs until it is interrupted. The first line says that it watches.\n", true},
    {"ping", "DEV [TIMES LENGTH ACK PERIOD_MS]", "round trips to a device", ping_main,
     "  TIMES, -c COUNT      how many (default 10)\n"
     "  LENGTH, -s SIZE      bytes of a message, at least 17 (default 17)\n"
     "  ACK                  sum of 1: wait for the answer, 2: check the data, 4: random length\n"
     "                       (default 1; without 1 the times are those of sending)\n"
     "  PERIOD_MS, -i SECS   pause between two (default 0)\n"
     "  -W SECONDS           how long to wait for an answer (default 5)\n"
     "The time is taken in the daemon. Ctrl-C ends it and prints what was measured so far.\n"
     "Exit status: 0 all answered, 1 some were not, 3 none was or DEV is not up.\n",
     true},
    {"dump", "DEV", "everything about a device: endpoints, queues, buffers, routes", dump_main, "",
     true},
    {"cat", "DEV SERVICE [--lines] [-t SECONDS] [-w SECONDS] [-v]",
     "stdin to messages, messages to stdout", cat_main,
     "  --lines     one line a message, newline included\n"
     "  -t SECONDS  how long to wait for somebody to serve SERVICE (default: for ever)\n"
     "  -w SECONDS  after the end of stdin, go on reading for so long\n"
     "  -v          say at the end how much was sent and received\n"
     "At the end of stdin it waits until its link took everything, and closes.\n"
     "Exit status: 0 done, 3 the peer went before: stderr has the number of bytes taken.\n",
     false},
    {"listen", "SERVICE [-k] [-v]", "serve a service: messages to stdout", listen_main,
     "  -k  serve one peer after another, until interrupted\n"
     "  -v  say at the end how much was received\n"
     "Exit status: 0 the peer closed, all it sent is written; 3 link or device was lost.\n",
     false},
    {"logger", "DEV [-t TAG] [-i] [-W SECONDS] [-f FILE | TEXT...]",
     "lines to the log of another CPU", logger_main,
     "Without TEXT and FILE: each line of stdin.\n"
     "  -t TAG      before each line, as \"TAG: \"\n"
     "  -i          with the process id of the caller: \"TAG[PID]: \"\n"
     "  -W SECONDS  give up if nothing is taken for so long, with exit status 3\n"
     "              (default for TEXT 5, else never)\n"
     "Links and daemons may come and go meanwhile: it goes on with what has not arrived.\n"
     "Exit status: 0 the server has all of it, 1 some may be lost: the server was killed.\n",
     false},
    {"test", "DEV", "fill all buffers towards a device, which holds them and gives them back",
     test_main,
     "  -W SECONDS  how long they may take to come back (default 5)\n"
     "Both nodes need the service test: rpmsgd --service test.\n"
     "Exit status: 0 all came back, 3 not all did, or DEV does not take part.\n",
     true},
    {"sensor", "ls | sub TOPIC | pub TOPIC | info TOPIC | flush TOPIC",
     "topics of sensors (uORB): what there is, samples to stdout, from stdin", sensor_main,
     "  ls                     topics, who publishes and subscribes, rates, losses\n"
     "  sub TOPIC              prints samples until interrupted\n"
     "    -n COUNT             so many, then exit\n"
     "    -i SECONDS           at most one sample in that time\n"
     "    -l SECONDS           samples may come in batches, so much later\n"
     "    -t SECONDS           exit with status 3 if nobody publishes by then\n"
     "  pub TOPIC              publishes the lines of stdin: JSON objects, CSV, or hex digits\n"
     "    -r HZ                so many a second (default: as fast as they are taken)\n"
     "    -w                   wait for a subscriber first\n"
     "    --persist            the last sample stays valid for who subscribes later\n"
     "  info TOPIC             name, vendor, range and more, as who publishes it says\n"
     "  flush TOPIC            who publishes it is to send what he keeps; waits until it has come\n"
     "    -t SECONDS           how long both may take (default 5)\n"
     "  --device DEV           with that remote CPU only\n"
     "  --csv, --json          CSV with a header; one JSON object a line (pub: and nothing else)\n"
     "  --format 'TYPE NAME, NAME; ...'\n"
     "                         the struct of a sample, as in C: uint8_t to int64_t, float, double, "
     "bool,\n"
     "                         char NAME[N]; known: accel, gyro, mag, baro and others of NuttX's "
     "uorb.h\n"
     "  -v                     say at the end how many samples, and how old they were\n"
     "TOPIC is a path, or a name in /dev/uorb. Samples without a layout are printed as hex.\n"
     "The daemon needs the service sensor: rpmsgd --service sensor.\n"
     "Exit status: 0 done, 1 who publishes cannot tell, 3 the daemon is gone, nobody publishes\n"
     "or answers in time.\n",
     true},
    {"suspend", "DEV", "tell a device that this CPU goes to sleep", suspend_main, "", false},
    {"resume", "DEV", "tell a device that this CPU runs again", resume_main, "", false},
    {"down", "DEV", "take a link down", down_main, "", false},
    {"up", "DEV", "take a link up, without waiting for its back-off", up_main, "", false},
    {"stats", "", "counters, one a line", stats_main, "", true},
};

/* INTERFACE 3, "later". */
static const char *const later[] = {"top", "capture", "doctor"};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static void print_help(void)
{
    printf("usage: rpmsg [-s CONTROL | -n NODE] [--json] COMMAND\n\n");
    for (size_t i = 0; i < COUNT(commands); i++)
        printf("  %-8s %s\n", commands[i].name, commands[i].summary);
    printf("\n"
           "  -s CONTROL  control socket of the daemon\n"
           "  -n NODE     the daemon of that name\n"
           "  --json      print JSON\n"
           "  --version   print the version\n\n"
           "Without -s and -n: $RPMSG_CONTROL, else the only daemon that runs.\n"
           "DEV is a remote CPU's name, /dev/rpmsg/NAME, or all.\n"
           "rpmsg help COMMAND says more.\n"
           "Exit status: 0 done, 1 failed, 2 wrong use, 3 peer unreachable, gone or timed out.\n");
}

static void print_command_help(size_t index)
{
    printf("usage: rpmsg %s%s%s%s\n\n%s\n%s%s", commands[index].name,
           commands[index].synopsis[0] != '\0' ? " " : "", commands[index].synopsis,
           commands[index].prints ? " [--json]" : "", commands[index].summary,
           commands[index].help[0] != '\0' ? "\n" : "", commands[index].help);
}

static bool asks_for_help(int argc, char **argv)
{
    for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++)
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)
            return true;
    return false;
}

/* Its index. Exits if there is no such command. */
static size_t find_command(struct cli *cli, const char *name)
{
    for (size_t i = 0; i < COUNT(commands); i++)
        if (strcmp(commands[i].name, name) == 0)
            return i;
    for (size_t i = 0; i < COUNT(later); i++)
        if (strcmp(later[i], name) == 0) {
            cli->command = name;
            die(cli, STATUS_USAGE, "not in this version");
        }
    cli->command = NULL;
    usage(cli, "unknown command '%s'", name);
}

static int help_main(struct cli *cli, int argc, char **argv)
{
    if (argc > 2)
        usage(cli, "'%s' is too much", argv[2]);
    if (argc == 2)
        print_command_help(find_command(cli, argv[1]));
    else
        print_help();
    flush_or_die(cli);
    return STATUS_OK;
}

static int run(struct cli *cli, int argc, char **argv)
{
    if (strcmp(argv[0], "help") == 0)
        return help_main(cli, argc, argv);
    cli->command = argv[0];
    size_t index = find_command(cli, argv[0]);
    if (asks_for_help(argc, argv)) {
        print_command_help(index);
        return STATUS_OK;
    }
    optind = 0; /* glibc: begin anew */
    return commands[index].run(cli, argc, argv);
}

int main(int argc, char **argv)
{
    static const struct option options[] = {
        {"json", no_argument, NULL, 'j'},
        {"help", no_argument, NULL, 'h'},
        {"version", no_argument, NULL, 'V'},
        {NULL, 0, NULL, 0},
    };
    struct cli cli = {0};
    int option;

    signal(SIGPIPE, SIG_IGN);
    opterr = 0;
    while ((option = getopt_long(argc, argv, "+:s:n:h", options, NULL)) != -1) {
        switch (option) {
        case 's':
            cli.control = optarg;
            break;
        case 'n':
            cli.node = optarg;
            break;
        case 'j':
            cli.json = true;
            break;
        case 'h':
            print_help();
            return STATUS_OK;
        case 'V':
            puts("rpmsg " RPR_VERSION);
            return STATUS_OK;
        case ':':
            usage(&cli, "%s: a value must follow", argv[optind - 1]);
        default:
            usage(&cli, "%s: not an option", argv[optind - 1]);
        }
    }
    if (cli.control != NULL && cli.node != NULL)
        usage(&cli, "-s and -n exclude each other");
    if (cli.control != NULL && cli.control[0] == '\0')
        usage(&cli, "-s '': no path");
    if (cli.node != NULL && !text_is_cpu_name(cli.node, 31))
        usage(&cli, "-n '%s': no node name", cli.node);
    if (optind == argc)
        usage(&cli, "say what to do");
    return run(&cli, argc - optind, argv + optind);
}
