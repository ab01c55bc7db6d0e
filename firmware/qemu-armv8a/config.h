/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What this machine is to be, from the text after QEMU's -append: words with blanks between.
 *
 *   name=NAME                     this CPU
 *   link=REMOTE=ivshmem:N[?role=master/slave&layout=rptun/lite&buffers=N&size=N]
 *                                 the N-th ivshmem device, by slot
 *   link=REMOTE=uart:N[.PORT][?crc=off/auto/require&size=N&buffers=N&window=N&relax=N]
 *                                 port (0: the console) of the virtio device on virtio-mmio-bus.N
 *   route=A:B, route=all          this machine is a hub
 *   syslog=REMOTE                 that CPU gets this one's log (none: nobody does); without the word
 *                                 the master of the first ivshmem link of which this is the slave
 */
#ifndef FIRMWARE_CONFIG_H
#define FIRMWARE_CONFIG_H

#include <rpr/ivshmem.h>
#include <rpr/serial.h>

#define CONFIG_LINKS  4u
#define CONFIG_ROUTES 4u

enum config_kind { CONFIG_IVSHMEM, CONFIG_UART };

struct config_link {
    char remote[RPR_NAME_MAX + 1];
    enum config_kind kind;
    uint32_t device, port;
    struct rpr_ivshmem_config ivshmem;
    struct rpr_serial_config serial;
};

struct config_route {
    char a[RPR_ROUTED_CPU_MAX + 1], b[RPR_ROUTED_CPU_MAX + 1]; /* both empty: all pairs */
};

struct config {
    char name[RPR_NAME_MAX + 1];
    struct config_link links[CONFIG_LINKS];
    struct config_route routes[CONFIG_ROUTES];
    unsigned n_links, n_routes;
    char syslog[RPR_NAME_MAX + 1]; /* empty: nobody */
};

/* Each word that cannot be understood is reported and left out. */
void config_parse(struct config *config, const char *text, void (*report)(const char *word));

#endif
