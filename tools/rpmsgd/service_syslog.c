/* SPDX-License-Identifier: Apache-2.0 */
/* Takes the log lines of other CPUs and writes them: each as "CPU: line". */
#include <stdlib.h>
#include <string.h>

#include <rpr/syslog.h>

#include "../common/text.h"
#include "daemon.h"
#include "log_writer.h"
#include "service.h"

#define SOCKET        "/dev/log"
#define LINE_BYTES    2048u  /* with the CPU's name it fits into a chunk */
#define MESSAGE_BYTES 65536u /* no link has longer ones */
#define CLIENTS       64u

struct syslog {
    struct rpr_syslog_server *server;
    struct log_writer *writer;
};

static bool take_lines(void *ctx, const char *cpu, const char *head, uint32_t head_len,
                       const char *text, uint32_t len)
{
    struct syslog *syslog = ctx;

    return log_writer_put(syslog->writer, cpu, head, head_len, text, len);
}

static void on_room(void *ctx)
{
    struct syslog *syslog = ctx;

    rpr_syslog_server_resume(syslog->server);
}

/* ---- keys ---------------------------------------------------------------------------------------------- */

static bool check_to(const char *value, char why[CONFIG_ERROR_BYTES])
{
    if (strcmp(value, "stdout") == 0 || strcmp(value, "syslog") == 0)
        return true;
    strcpy(why, "use stdout or syslog, or file=PATH instead");
    return false;
}

static bool to_syslog(const struct config_service *service)
{
    const char *to = service_value(service, "to");

    return to != NULL && strcmp(to, "syslog") == 0;
}

static bool check(const struct config_service *service, char error[CONFIG_ERROR_BYTES])
{
    if (service_value(service, "to") != NULL && service_value(service, "file") != NULL)
        return config_error(error, service->where, "file and to exclude each other");
    if (service_value(service, "socket") != NULL && !to_syslog(service))
        return config_error(error, service->where, "socket is for to=syslog only");
    return true;
}

static bool open_output(struct log_output *output, const struct config_service *service,
                        char error[CONFIG_ERROR_BYTES])
{
    const char *file = service_value(service, "file"), *at = service_value(service, "socket");
    char why[CONFIG_ERROR_BYTES] = "";
    enum log_output_kind kind = file != NULL         ? LOG_TO_FILE
                                : to_syslog(service) ? LOG_TO_SYSLOG
                                                     : LOG_TO_STDOUT;

    return log_output_open(output, kind,
                           kind == LOG_TO_FILE ? file
                           : at != NULL        ? at
                                               : SOCKET,
                           why) ||
           config_error(error, service->where, "%.900s", why);
}

/* ---- life ---------------------------------------------------------------------------------------------- */

static bool open_server(struct syslog *syslog, struct daemon *daemon,
                        const struct config_service *service, const struct rpr_service_scope *scope,
                        char error[CONFIG_ERROR_BYTES])
{
    struct rpr_syslog_server_config config = {.scope = *scope,
                                              .line_bytes = LINE_BYTES,
                                              .message_bytes = MESSAGE_BYTES,
                                              .clients = CLIENTS,
                                              .lines = take_lines,
                                              .ctx = syslog};
    struct log_output output;

    if (!open_output(&output, service, error))
        return false;
    syslog->writer =
        log_writer_open(daemon->loop, rpr_node_name(daemon->node), &output, on_room, syslog);
    if (syslog->writer == NULL) {
        log_output_close(&output);
        return config_error(error, service->where, "cannot start a thread");
    }
    int result = rpr_syslog_server_open(daemon->node, &config, &syslog->server);
    if (result == 0)
        return true;
    log_writer_close(syslog->writer);
    return config_error(error, service->where, "%s", rpr_strerror(result));
}

static void *open_syslog(struct daemon *daemon, const struct config_service *service,
                         const struct rpr_service_scope *scope, char error[CONFIG_ERROR_BYTES])
{
    struct syslog *syslog = need_memory(sizeof(*syslog));

    if (open_server(syslog, daemon, service, scope, error))
        return syslog;
    free(syslog);
    return NULL;
}

/* At every SIGHUP: whoever moved the file away expects a new one. */
static void look(void *instance)
{
    struct syslog *syslog = instance;

    log_writer_reopen(syslog->writer);
    rpr_syslog_server_look(syslog->server);
}

static bool reconfigure(void *instance, const struct config_service *service,
                        char error[CONFIG_ERROR_BYTES])
{
    struct syslog *syslog = instance;
    struct log_output output;

    if (!open_output(&output, service, error))
        return false;
    log_writer_change(syslog->writer, &output);
    return true;
}

static void stop(void *instance)
{
    (void)rpr_syslog_server_stop(((struct syslog *)instance)->server);
}

static bool stopped(void *instance)
{
    struct syslog *syslog = instance;

    return rpr_syslog_server_stop(syslog->server) && log_writer_is_idle(syslog->writer);
}

static void close_syslog(void *instance)
{
    struct syslog *syslog = instance;

    rpr_syslog_server_close(syslog->server);
    log_writer_close(syslog->writer);
    free(syslog);
}

static bool closed(const void *instance, unsigned n, struct rpr_service_closed *info)
{
    return rpr_syslog_server_closed(((const struct syslog *)instance)->server, n, info);
}

static void stats(void *instance, json_t *object)
{
    struct syslog *syslog = instance;
    struct rpr_syslog_server_counters counters;

    rpr_syslog_server_counters(syslog->server, &counters);
#define SHOW(name) service_stat(object, "syslog", #name, counters.name);
    RPR_SYSLOG_SERVER_COUNTERS(SHOW)
#undef SHOW
    service_stat(object, "syslog", "lost", log_writer_lost(syslog->writer));
}

const struct service_kind service_syslog = {
    .name = "syslog",
    .endpoint = RPR_SYSLOG_SERVICE,
    .by_default = true,
    .keys = {{"to", check_to}, {"file", NULL}, {"socket", NULL}},
    .check = check,
    .open = open_syslog,
    .look = look,
    .reconfigure = reconfigure,
    .stop = stop,
    .stopped = stopped,
    .close = close_syslog,
    .closed = closed,
    .stats = stats,
};
