/* SPDX-License-Identifier: Apache-2.0 */
#include "cli.h"

#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../common/text.h"

#define SERVICE_MAX 31u

/* ---- messages ------------------------------------------------------------------------------------ */

static void message(const struct cli *cli, const char *format, va_list args)
{
    char *text = NULL;

    if (vasprintf(&text, format, args) < 0)
        text = NULL;
    fprintf(stderr, "rpmsg%s%s: %s\n", cli->command != NULL ? " " : "",
            cli->command != NULL ? cli->command : "", text != NULL ? text : "out of memory");
    free(text);
}

void complain(const struct cli *cli, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    message(cli, format, args);
    va_end(args);
}

void die(const struct cli *cli, int status, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    message(cli, format, args);
    va_end(args);
    exit(status);
}

void usage(const struct cli *cli, const char *format, ...)
{
    va_list args;
    char *text = NULL;

    va_start(args, format);
    if (vasprintf(&text, format, args) < 0)
        text = NULL;
    va_end(args);
    complain(cli, "%s; see rpmsg%s%s --help", text != NULL ? text : "wrong use",
             cli->command != NULL ? " " : "", cli->command != NULL ? cli->command : "");
    exit(STATUS_USAGE);
}

/* ---- options ------------------------------------------------------------------------------------- */

int next_option(struct cli *cli, int argc, char **argv, const char *letters)
{
    static const struct option options[] = {
        {"json", no_argument, NULL, 'j'},
        {"lines", no_argument, NULL, 'L'},
        {"csv", no_argument, NULL, 'C'},
        {"persist", no_argument, NULL, 'P'},
        {"device", required_argument, NULL, 'D'},
        {"format", required_argument, NULL, 'F'},
        {NULL, 0, NULL, 0},
    };
    char *accepted = text_format(":%s", letters);
    int option;

    opterr = 0;
    while ((option = getopt_long(argc, argv, accepted, options, NULL)) == 'j')
        cli->json = true;
    free(accepted);
    if (option == ':')
        usage(cli, "-%c: a value must follow", optopt);
    if (option == '?' && optopt != 0)
        usage(cli, "-%c: not an option", optopt);
    if (option == '?' || (option > 0 && strchr(letters, option) == NULL))
        usage(cli, "%s: not an option", argv[optind - 1]);
    return option;
}

const char *need_argument(const struct cli *cli, int argc, char **argv, const char *what)
{
    if (optind >= argc)
        usage(cli, "%s is missing", what);
    return argv[optind++];
}

void no_more_arguments(const struct cli *cli, int argc, char **argv)
{
    if (optind < argc)
        usage(cli, "'%s' is too much", argv[optind]);
}

const char *need_device(const struct cli *cli, int argc, char **argv)
{
    static const char folder[] = "/dev/rpmsg/";
    const char *name = need_argument(cli, argc, argv, "DEV");

    if (strncmp(name, folder, strlen(folder)) == 0)
        name += strlen(folder);
    if (!text_is_cpu_name(name, 31))
        usage(cli, "'%s' is no device name", name);
    return name;
}

const char *need_service(const struct cli *cli, int argc, char **argv)
{
    const char *name = need_argument(cli, argc, argv, "SERVICE");

    if (name[0] == '\0' || strlen(name) > SERVICE_MAX)
        usage(cli, "'%s' is no service name: 1 to %u bytes", name, SERVICE_MAX);
    return name;
}

uint32_t need_number(const struct cli *cli, const char *text, const char *what, uint32_t min,
                     uint32_t max)
{
    uint32_t number;

    if (!text_to_u32(text, min, max, &number))
        usage(cli, "%s '%s': a number from %u to %u", what, text, min, max);
    return number;
}

uint32_t need_seconds(const struct cli *cli, const char *text, const char *what)
{
    uint32_t ms;

    if (!text_to_ms(text, &ms))
        usage(cli, "%s '%s': seconds, such as 2 or 0.5", what, text);
    return ms;
}

/* ---- output -------------------------------------------------------------------------------------- */

void print_json(const json_t *value)
{
    json_dumpf(value, stdout, JSON_COMPACT);
    putchar('\n');
}

void flush_or_die(const struct cli *cli)
{
    if (fflush(stdout) != 0 || ferror(stdout))
        die(cli, STATUS_FAILED, "stdout: %s", strerror(errno));
}

const char *text_of(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));

    return text != NULL ? text : "";
}

json_int_t number_of(const json_t *object, const char *key)
{
    return json_integer_value(json_object_get(object, key));
}

/* ---- devices ------------------------------------------------------------------------------------- */

static int worse(int a, int b)
{
    return a > b ? a : b;
}

int for_devices(const struct cli *cli, struct connection *connection, const char *device,
                const char *kind,
                int (*run)(void *ctx, struct connection *connection, const char *device), void *ctx)
{
    int status = STATUS_OK;
    size_t index, count = 0;
    json_t *one;

    if (strcmp(device, "all") != 0)
        return run(ctx, connection, device);
    json_t *all = call(connection, "ls", NULL, &status);
    if (all == NULL)
        return status;
    json_array_foreach(json_object_get(all, "devices"), index, one)
    {
        if (kind != NULL && strcmp(text_of(one, "kind"), kind) != 0)
            continue;
        count++;
        status = worse(status, run(ctx, connection, text_of(one, "name")));
    }
    json_decref(all);
    if (count == 0)
        die(cli, STATUS_GONE, "there is no device");
    return status;
}
