/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rpmsg send and rpmsg recv: bytes that anybody can make again from their number and a seed, over a
 * service, each end with their count and CRC-32.
 *
 * The bytes: x = SEED, or 1 if that is 0; then for each four bytes x ^= x << 13, x ^= x >> 17,
 * x ^= x << 5 (32 bits), and x follows, little-endian.
 */
#include <string.h>

#include "app.h"
#include "base/bytes.h"
#include "console.h"
#include "crc32.h"
#include "words.h"

#define CHUNK 2048u /* at most in one message; a multiple of 4 */

/* One at a time: the shell waits for it. */
static struct {
    const char *verb; /* "sent", "received" */
    rpr_ept_t ept;
    struct rpr_service *service; /* recv */
    uint64_t count, left;
    uint32_t crc, x;
    uint8_t chunk[CHUNK]; /* send: what goes next */
    uint32_t n_chunk;
    bool broken; /* the peer went before the end */
} job;

/* ---- the end of both ------------------------------------------------------------------------------- */

static void ended(void *ctx)
{
    (void)ctx;
    job.ept = (rpr_ept_t){0};
    console_printf("%s %lu bytes crc32 %08x%s\n", job.verb, (unsigned long)job.count,
                   (unsigned)job.crc, job.broken ? ", not to the end" : "");
    shell_job_end();
}

/* `ended` follows, maybe from inside. */
static void end(bool broken)
{
    rpr_ept_t ept = job.ept;

    job.broken = broken;
    if (job.service) {
        rpr_service_close(job.service);
        job.service = NULL;
    }
    if (ept.endpoint)
        (void)rpr_ept_close(ept);
    else
        ended(NULL);
}

static void stop(void)
{
    end(true);
}

/* ---- send ------------------------------------------------------------------------------------------ */

static void fill_chunk(uint32_t room)
{
    if (room > CHUNK)
        room = CHUNK;
    if (room > job.left)
        room = (uint32_t)job.left;
    job.n_chunk = 0;
    while (job.n_chunk < (room & ~3u) || (job.n_chunk < room && room == job.left)) {
        job.x ^= job.x << 13;
        job.x ^= job.x >> 17;
        job.x ^= job.x << 5;
        put_le32(job.chunk + job.n_chunk, job.x);
        job.n_chunk += 4;
    }
    if (job.n_chunk > room)
        job.n_chunk = room;
}

static void pump(void *ctx, rpr_ept_t ept)
{
    struct rpr_ept_info info;
    int error = 0;

    (void)ctx;
    while (job.left && !error) {
        if (!job.n_chunk) {
            (void)rpr_ept_info(ept, &info);
            fill_chunk(rpr_device_tx_len(info.device));
        }
        error = rpr_send(ept, job.chunk, job.n_chunk, 0);
        if (error)
            continue;
        job.crc = crc32(job.crc, job.chunk, job.n_chunk);
        job.count += job.n_chunk;
        job.left -= job.n_chunk;
        job.n_chunk = 0;
    }
    if (error && error != -RPR_EAGAIN)
        console_printf("%s\n", rpr_strerror(error));
    if (!job.left || (error && error != -RPR_EAGAIN))
        end(job.left != 0);
}

static void send_bound(void *ctx, rpr_ept_t ept, uint32_t dest)
{
    (void)dest;
    pump(ctx, ept);
}

static void send_unbound(void *ctx, rpr_ept_t ept, enum rpr_unbound_reason reason)
{
    (void)ctx;
    (void)ept;
    (void)reason;
    end(true);
}

static enum rpr_rx_result ignore(void *ctx, rpr_ept_t ept, const struct rpr_msg *msg)
{
    (void)ctx;
    (void)ept;
    (void)msg;
    return RPR_DONE;
}

void command_send(char **args, unsigned n)
{
    static const struct rpr_ept_ops ops = {.rx = ignore,
                                           .bound = send_bound,
                                           .unbound = send_unbound,
                                           .writable = pump,
                                           .closed = ended};
    struct rpr_ept_config config = {
        .name = args[1], .addr = RPR_ADDR_ANY, .dest = RPR_ADDR_ANY, .ops = &ops};
    struct rpr_device *device = app_device(args[0]);
    uint32_t bytes, seed;
    int error;

    (void)n;
    if (!device)
        return;
    if (!words_number(args[2], &bytes) || !bytes || !words_number(args[3], &seed)) {
        console_printf("BYTES and SEED are numbers, BYTES not 0\n");
        return;
    }
    memset(&job, 0, sizeof job);
    job.verb = "sent";
    job.left = bytes;
    job.x = seed ? seed : 1;
    shell_job(stop);
    error = rpr_ept_open(device, &config, &job.ept);
    if (!error)
        return;
    console_printf("%s\n", rpr_strerror(error));
    shell_job_end();
}

/* ---- recv ------------------------------------------------------------------------------------------ */

static enum rpr_rx_result take(void *ctx, rpr_ept_t ept, const struct rpr_msg *msg)
{
    (void)ctx;
    (void)ept;
    job.crc = crc32(job.crc, msg->data, msg->len);
    job.count += msg->len;
    return RPR_DONE;
}

/* The peer's DESTROY comes after its data. */
static void take_unbound(void *ctx, rpr_ept_t ept, enum rpr_unbound_reason reason)
{
    (void)ctx;
    (void)ept;
    end(reason == RPR_UNBOUND_LOST);
}

/* The first one that announces the service; others wait in vain. */
static int serve(void *ctx, struct rpr_device *device, const char *name, uint32_t addr)
{
    static const struct rpr_ept_ops ops = {.rx = take, .unbound = take_unbound, .closed = ended};
    struct rpr_ept_config config = {.name = name, .addr = RPR_ADDR_ANY, .dest = addr, .ops = &ops};

    (void)ctx;
    return job.ept.endpoint ? -RPR_EBUSY : rpr_ept_open(device, &config, &job.ept);
}

void command_recv(char **args, unsigned n)
{
    static const struct rpr_service_ops ops = {.bind = serve};
    struct rpr_service_config config = {.name = args[0], .ops = &ops};
    int error;

    (void)n;
    memset(&job, 0, sizeof job);
    job.verb = "received";
    shell_job(stop);
    error = rpr_service_open(app.node, &config, &job.service);
    if (!error)
        return;
    console_printf("%s\n", rpr_strerror(error));
    shell_job_end();
}
