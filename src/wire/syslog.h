/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The messages of service rpmsg-syslog (SPEC chapter 9.2). A client has text, a server takes it.
 *
 * HELLO and the three kinds of ACK are this project's own: to a NuttX server a HELLO is a TRANSFER of
 * nothing, and an ACK, which looks like a SYNC, goes to those only who said HELLO.
 */
#ifndef WIRE_SYSLOG_H
#define WIRE_SYSLOG_H

#include <stddef.h>
#include <stdint.h>

#define SYSLOG_TEXT_AT     12u /* of a TRANSFER */
#define SYSLOG_HELLO_BYTES 28u
#define SYSLOG_SYNC_BYTES  16u
#define SYSLOG_STATE_BYTES 8u  /* SUSPEND, RESUME */
#define SYSLOG_MAX_HEADER  28u /* no header is longer */

enum syslog_kind {
    SYSLOG_TRANSFER, /* client: `offset`, `count` bytes of text at SYSLOG_TEXT_AT */
    SYSLOG_SUSPEND,  /* server: send no text until RESUME */
    SYSLOG_RESUME,
    SYSLOG_SYNC,  /* server: send all you have, then these bytes back; `cookie` */
    SYSLOG_HELLO, /* client: `life`, `offset` of what comes next, `window` */
    SYSLOG_ACK,   /* server: has all of that life's text before `offset` */
    SYSLOG_NEW,   /* server: knows nothing of that life */
    SYSLOG_END    /* server: as ACK, and takes no more: it ends */
};

struct syslog_message {
    enum syslog_kind kind;
    uint32_t count;  /* bytes of text, within the message */
    uint32_t offset; /* in the client's stream of bytes, modulo 2^32; of a NuttX client: anything */
    uint32_t life;   /* of the client */
    uint32_t window; /* bytes that the client keeps until they are acknowledged */
    uint64_t cookie;
};

enum syslog_result {
    SYSLOG_OK = 0,
    SYSLOG_BAD_LENGTH = -1, /* too short for what it is, or less text than it says */
    SYSLOG_BAD_COMMAND = -2
};

/* `header` has the first SYSLOG_MAX_HEADER bytes of the payload, or all if it has less; `len` are all.
 * Returns an enum syslog_result. */
int syslog_decode(struct syslog_message *message, const uint8_t *header, size_t len);

/* Writes the message, of a TRANSFER only what is before the text; returns the bytes. */
size_t syslog_encode(uint8_t header[SYSLOG_MAX_HEADER], const struct syslog_message *message);

#endif
