/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Error codes. Every function that can fail returns 0 (or a count) on success and a negative code
 * on failure. The numbers are Linux's errno numbers, so that a host program may hand them to
 * strerror(); the library itself includes no OS header.
 */
#ifndef RPR_ERROR_H
#define RPR_ERROR_H

enum rpr_error {
    RPR_EPERM = 1,         /* not allowed in this state or by this configuration */
    RPR_ENOENT = 2,        /* no such device, endpoint or service */
    RPR_EIO = 5,           /* the carrier failed */
    RPR_EAGAIN = 11,       /* no buffer or no credit now: `writable` follows */
    RPR_ENOMEM = 12,       /* the platform's allocator or a static pool is empty */
    RPR_EBUSY = 16,        /* in use */
    RPR_EEXIST = 17,       /* the name or address is taken */
    RPR_EINVAL = 22,       /* a parameter is out of its documented range */
    RPR_ENOSPC = 28,       /* a bounded table is full */
    RPR_EDEADLK = 35,      /* would wait on the owner's own thread */
    RPR_ENAMETOOLONG = 36, /* name longer than the wire can carry */
    RPR_EPROTO = 71,       /* the peer broke the protocol */
    RPR_EMSGSIZE = 90,     /* longer than the link takes */
    RPR_ENOTSUP = 95,      /* the link or peer cannot do this */
    RPR_ENOTCONN = 107,    /* not bound to a peer (any more) */
    RPR_ETIMEDOUT = 110,
    RPR_ESTALE = 116 /* handle of something that was closed */
};

/* Text of an error code, positive or negative; never NULL. Any context. */
const char *rpr_strerror(int error);

#endif
