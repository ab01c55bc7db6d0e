/* SPDX-License-Identifier: Apache-2.0 */
/* unix: and tcp:, the same frames over a stream socket. */
#ifndef POSIX_STREAM_H
#define POSIX_STREAM_H

#include <netinet/in.h>

#include "posix/serial.h"

/* Where it is. */
struct stream_place {
    bool tcp;
    char text[RPR_UNIX_PATH_MAX + 1]; /* the path, or HOST:PORT: what is shown */
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    } address; /* tcp */
};

/* HOST:PORT, where HOST is an address, in brackets if it has colons, or "localhost"; NULL, or what
 * is wrong with it. */
const char *stream_parse_tcp(struct stream_place *place, const char *text);
bool stream_is_loopback(const struct stream_place *place);

socklen_t stream_address_bytes(const struct stream_place *place);

/* What a connected socket gets: no delay, and a notice within half a minute that the other is gone. */
void stream_set_up(struct serial_port *port, const struct stream_place *place, int fd);

/* One peer at a time: whoever comes while it lives is refused. */
int stream_listen(struct rpr_loop *loop, const char *remote, const struct stream_place *place,
                  const struct serial_keys *keys, struct rpr_link **link,
                  char error[RPR_ERROR_TEXT]);
int stream_connect(struct rpr_loop *loop, const char *remote, const struct stream_place *place,
                   const struct serial_keys *keys, struct rpr_link **link,
                   char error[RPR_ERROR_TEXT]);

#endif
