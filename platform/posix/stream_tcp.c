/* SPDX-License-Identifier: Apache-2.0 */
/* Addresses of tcp:, and what its sockets are set to. */
#include <arpa/inet.h>
#include <ctype.h>
#include <linux/sockios.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "posix/stream.h"

#define NOTSENT_BYTES 256   /* writable when the kernel has fewer that it has not sent */
#define IDLE_S        10    /* after so much silence the other is asked whether it lives, */
#define PROBE_S       3     /* so often, */
#define N_PROBES      4     /* and so many times */
#define UNACKED_MS    22000 /* the same for what was sent and not taken */

static bool parse_port(const char *text, uint16_t *port)
{
    char *end;
    unsigned long value = strtoul(text, &end, 10);

    *port = (uint16_t)value;
    return isdigit((unsigned char)*text) && *end == '\0' && value >= 1 && value <= UINT16_MAX;
}

static bool parse_host(struct stream_place *place, const char *host, uint16_t port)
{
    if (inet_pton(AF_INET6, host, &place->address.v6.sin6_addr) == 1) {
        place->address.v6.sin6_family = AF_INET6;
        place->address.v6.sin6_port = htons(port);
        return true;
    }
    if (strcmp(host, "localhost") == 0)
        host = "127.0.0.1";
    place->address.v4.sin_family = AF_INET;
    place->address.v4.sin_port = htons(port);
    return inet_pton(AF_INET, host, &place->address.v4.sin_addr) == 1;
}

const char *stream_parse_tcp(struct stream_place *place, const char *text)
{
    char host[sizeof(place->text)];
    const char *colon = strrchr(text, ':');
    size_t length = colon ? (size_t)(colon - text) : 0;
    uint16_t port;

    memset(place, 0, sizeof(*place));
    place->tcp = true;
    snprintf(place->text, sizeof(place->text), "%s", text);
    if (!colon || !parse_port(colon + 1, &port))
        return "needs HOST:PORT, with a port from 1 to 65535";
    if (length >= 2 && text[0] == '[' && text[length - 1] == ']') {
        text++;
        length -= 2;
    } else if (memchr(text, ':', length)) {
        return "an address with colons goes in brackets";
    }
    memcpy(host, text, length);
    host[length] = '\0';
    if (!parse_host(place, host, port))
        return "HOST is an IPv4 or IPv6 address, or localhost";
    return NULL;
}

bool stream_is_loopback(const struct stream_place *place)
{
    if (place->address.any.sa_family == AF_INET6)
        return IN6_IS_ADDR_LOOPBACK(&place->address.v6.sin6_addr);
    return ntohl(place->address.v4.sin_addr.s_addr) >> 24 == 127;
}

socklen_t stream_address_bytes(const struct stream_place *place)
{
    return place->address.any.sa_family == AF_INET6 ? sizeof(place->address.v6)
                                                    : sizeof(place->address.v4);
}

static void set_option(int fd, int level, int option, int value)
{
    (void)setsockopt(fd, level, option, &value, sizeof(value));
}

void stream_set_up(struct serial_port *port, const struct stream_place *place, int fd)
{
    port->socket = true;
    if (!place->tcp)
        return; /* the kernel tells memory here, not bytes */
    port->outq = SIOCOUTQNSD;
    set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1);
    set_option(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, NOTSENT_BYTES);
    set_option(fd, IPPROTO_TCP, TCP_KEEPIDLE, IDLE_S);
    set_option(fd, IPPROTO_TCP, TCP_KEEPINTVL, PROBE_S);
    set_option(fd, IPPROTO_TCP, TCP_KEEPCNT, N_PROBES);
    set_option(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, UNACKED_MS);
    set_option(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
}
