/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pty:PATH, serial:PATH?baud=N&flow=rtscts, unix:PATH?listen=1, tcp:HOST:PORT?listen=1, and the keys
 * that all four have.
 */
#include <string.h>

#include "posix/stream.h"
#include "posix/url.h"

#define DEFAULT_BAUD 115200u

struct serial_url {
    char place[RPR_UNIX_PATH_MAX + 1];
    uint32_t baud, flow;     /* serial; flow: enum flow */
    uint32_t listen, expose; /* unix, tcp */
    struct serial_keys keys;
    struct stream_place stream; /* unix, tcp */
};

enum flow { FLOW_RTSCTS, FLOW_NONE };

static const char *const crc_words[] = {
    [RPR_SERIAL_CRC_AUTO] = "auto",
    [RPR_SERIAL_CRC_OFF] = "off",
    [RPR_SERIAL_CRC_REQUIRE] = "require",
    [RPR_SERIAL_CRC_REQUIRE + 1] = NULL,
};
static const char *const flow_words[] = {
    [FLOW_RTSCTS] = "rtscts", [FLOW_NONE] = "none", [FLOW_NONE + 1] = NULL};

#define AT(field) offsetof(struct serial_url, field)

static const struct url_key keys[] = {
    {"baud", AT(baud), 1, 4000000, false, NULL, "baud takes a standard speed up to 4000000"},
    {"flow", AT(flow), 0, 0, false, flow_words, "flow takes rtscts or none"},
#define OF_ALL (keys + 2) /* from here on */
    {"crc", AT(keys.crc), 0, 0, false, crc_words, "crc takes off, auto or require"},
    {"size", AT(keys.size), 1, RPR_SERIAL_SIZE_MAX, false, NULL, "size takes 1 to 65495"},
    {"buffers", AT(keys.buffers), 2, 1024, false, NULL, "buffers takes 2 to 1024"},
    {"window", AT(keys.window), 1, 1024, false, NULL, "window takes 1 to 1024"},
    {"relax", AT(keys.relax), 1, 60000, false, NULL, "relax takes 1 to 60000 (ms)"},
#define N_OF_ALL 5u
    {"listen", AT(listen), 0, 1, false, NULL, "listen takes 0 or 1"},
    {"expose", AT(expose), 0, 1, false, NULL, "expose takes 0 or 1"},
};

static void set_defaults(struct serial_url *u)
{
    *u = (struct serial_url){
        .baud = DEFAULT_BAUD,
        .flow = FLOW_RTSCTS,
        .keys = {.crc = RPR_SERIAL_CRC_AUTO, .size = 2008, .buffers = 8, .window = 6, .relax = 5}};
}

/* ---- pty: ---------------------------------------------------------------------------------------- */

static int parse_pty(struct serial_url *u, const char *url, char error[RPR_ERROR_TEXT])
{
    int code;

    set_defaults(u);
    code = url_path(url, "needs the path of the link to make", u->place, error);
    return code ? code : url_keys(url, OF_ALL, N_OF_ALL, u, error);
}

static int check_pty(const char *url, char error[RPR_ERROR_TEXT])
{
    struct serial_url u;

    return parse_pty(&u, url, error);
}

static uint32_t size_pty(const char *url)
{
    char error[RPR_ERROR_TEXT];
    struct serial_url u;

    return parse_pty(&u, url, error) ? 0 : u.keys.size;
}

static int open_pty(struct rpr_loop *loop, const char *remote, const char *url,
                    struct rpr_link **link, char error[RPR_ERROR_TEXT])
{
    struct serial_url u;
    int code = parse_pty(&u, url, error);

    return code ? code : pty_open(loop, remote, u.place, &u.keys, link, error);
}

const struct url_kind url_pty = {"pty", check_pty, size_pty, open_pty};

/* ---- serial: ------------------------------------------------------------------------------------- */

static int parse_tty(struct serial_url *u, const char *url, char error[RPR_ERROR_TEXT])
{
    int code;

    set_defaults(u);
    code = url_path(url, "needs the path of a terminal", u->place, error);
    if (!code)
        code = url_keys(url, keys, 2 + N_OF_ALL, u, error);
    if (!code && !tty_knows_baud(u->baud))
        code = url_wrong(error, url, keys[0].takes);
    return code;
}

static int check_tty(const char *url, char error[RPR_ERROR_TEXT])
{
    struct serial_url u;

    return parse_tty(&u, url, error);
}

static uint32_t size_tty(const char *url)
{
    char error[RPR_ERROR_TEXT];
    struct serial_url u;

    return parse_tty(&u, url, error) ? 0 : u.keys.size;
}

static int open_tty(struct rpr_loop *loop, const char *remote, const char *url,
                    struct rpr_link **link, char error[RPR_ERROR_TEXT])
{
    struct serial_url u;
    int code = parse_tty(&u, url, error);

    if (code)
        return code;
    return tty_open(loop, remote, u.place, u.baud, u.flow == FLOW_RTSCTS, &u.keys, link, error);
}

const struct url_kind url_serial = {"serial", check_tty, size_tty, open_tty};

/* ---- unix: and tcp: ------------------------------------------------------------------------------ */

static int parse_unix(struct serial_url *u, const char *url, char error[RPR_ERROR_TEXT])
{
    int code;

    set_defaults(u);
    code = url_path(url, "needs the path of a socket", u->place, error);
    memcpy(u->stream.text, u->place, sizeof(u->stream.text));
    return code ? code : url_keys(url, OF_ALL, N_OF_ALL + 1, u, error);
}

static int parse_tcp(struct serial_url *u, const char *url, char error[RPR_ERROR_TEXT])
{
    const char *wrong;
    int code;

    set_defaults(u);
    code = url_place(url, "needs HOST:PORT", u->place, error);
    if (!code)
        code = url_keys(url, OF_ALL, N_OF_ALL + 2, u, error);
    if (code)
        return code;
    wrong = stream_parse_tcp(&u->stream, u->place);
    if (!wrong && u->expose && !u->listen)
        wrong = "expose is for listen=1";
    if (!wrong && u->listen && !u->expose && !stream_is_loopback(&u->stream))
        wrong = "listens on loopback only, unless expose=1";
    return wrong ? url_wrong(error, url, wrong) : 0;
}

static int parse_stream(struct serial_url *u, const char *url, char error[RPR_ERROR_TEXT])
{
    return strncmp(url, "tcp:", 4) == 0 ? parse_tcp(u, url, error) : parse_unix(u, url, error);
}

static int check_stream(const char *url, char error[RPR_ERROR_TEXT])
{
    struct serial_url u;

    return parse_stream(&u, url, error);
}

static uint32_t size_stream(const char *url)
{
    char error[RPR_ERROR_TEXT];
    struct serial_url u;

    return parse_stream(&u, url, error) ? 0 : u.keys.size;
}

static int open_stream(struct rpr_loop *loop, const char *remote, const char *url,
                       struct rpr_link **link, char error[RPR_ERROR_TEXT])
{
    struct serial_url u;
    int code = parse_stream(&u, url, error);

    if (code)
        return code;
    if (u.listen)
        return stream_listen(loop, remote, &u.stream, &u.keys, link, error);
    return stream_connect(loop, remote, &u.stream, &u.keys, link, error);
}

const struct url_kind url_unix = {"unix", check_stream, size_stream, open_stream};
const struct url_kind url_tcp = {"tcp", check_stream, size_stream, open_stream};
