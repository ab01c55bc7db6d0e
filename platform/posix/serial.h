/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The carrier of a serial link: a descriptor that comes and goes. What pty:, serial:, unix: and
 * tcp: share is here; pty.c, tty.c, stream_listen.c and stream_connect.c are the ways to come by a
 * descriptor. Owner only, nothing waits.
 */
#ifndef POSIX_SERIAL_H
#define POSIX_SERIAL_H

#include <rpr/posix.h>
#include <rpr/serial.h>

#include "posix/appear.h"

struct serial_port;

/* One way to find the other end. None of these makes an upcall of the link. */
struct serial_way {
    const char *kind; /* shown as transport */

    /* The link wants a carrier: begin to look. Usually serial_look_soon(). */
    void (*open)(struct serial_port *port);

    /* Look now: serial_attach() if there is a descriptor. NULL, or why there is none: it is shown.
     * Unless something will tell when there is one it asks for serial_look_later(). Never called
     * with a descriptor attached. */
    const char *(*look)(struct serial_port *port);

    /* The descriptor is at its end; closes it. */
    void (*drop)(struct serial_port *port, int fd);

    void (*close)(struct serial_port *port); /* stop looking */
    void (*free)(struct serial_port *port);

    /* Bytes written before `drop` that would not reach the other end if the process ended now;
     * NULL: there never are. */
    int32_t (*left)(struct serial_port *port);
};

#define SERIAL_READ_BYTES 4096u

/* Embedded by the way. */
struct serial_port {
    const struct serial_way *way;
    struct rpr_loop *loop;
    struct rpr_link *link;
    struct rpr_watch watch; /* of the descriptor; fd -1: there is none */
    unsigned long outq;     /* ioctl that tells what the kernel has not sent yet, or 0 */
    bool socket;            /* the descriptor is one */
    struct rpr_timer retry; /* looks */
    struct rpr_timer soon;  /* does what must not be done inside a call of the link */
    uint64_t retry_ms;      /* of the next serial_look_later() */
    uint64_t attached_ns;   /* when the descriptor came */
    bool open;              /* the link wants a carrier */
    bool failed;            /* a write said that the descriptor is at its end */
    bool writing;           /* rpr_serial_writable() is waited for */
    bool dead;              /* freed by the last serial_leave() */
    unsigned depth;         /* of serial_enter() */
    size_t at, n;           /* what the link has not taken of `input` */
    char remote[RPR_NAME_MAX + 1];
    uint8_t input[SERIAL_READ_BYTES];
};

/* What all four kinds of URL take (INTERFACE 2). */
struct serial_keys {
    uint32_t crc; /* enum rpr_serial_crc */
    uint32_t size, buffers, window, relax;
};

/* Makes the link, which calls `open`. After an error the object is the caller's to free. */
int serial_register(struct serial_port *port, struct rpr_loop *loop, const struct serial_way *way,
                    const char *remote, const struct serial_keys *keys, struct rpr_link **link,
                    char error[RPR_ERROR_TEXT]);

/* There is a carrier: `fd`, non-blocking, the port's from here on. Makes upcalls. */
void serial_attach(struct serial_port *port, int fd);

/* It is gone: `drop` is called. Looks again at once. Makes upcalls. */
void serial_lost(struct serial_port *port, const char *reason);

/* Why there is no carrier. Makes upcalls. */
void serial_say(struct serial_port *port, const char *reason);

void serial_look_soon(struct serial_port *port);  /* from the next turn of the loop */
void serial_look_later(struct serial_port *port); /* with a delay that grows with each call */

/* Around whatever makes upcalls: what is in between finds the object, though perhaps dead. */
void serial_enter(struct serial_port *port);
void serial_leave(struct serial_port *port);

/* ---- the ways ------------------------------------------------------------------------------------ */

int pty_open(struct rpr_loop *loop, const char *remote, const char *path,
             const struct serial_keys *keys, struct rpr_link **link, char error[RPR_ERROR_TEXT]);

int tty_open(struct rpr_loop *loop, const char *remote, const char *path, uint32_t baud,
             bool rtscts, const struct serial_keys *keys, struct rpr_link **link,
             char error[RPR_ERROR_TEXT]);
bool tty_knows_baud(uint32_t baud);

#endif
