/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The deadline of a loop, as a descriptor beside its others. Starting and stopping a timer of the
 * kernel costs as much as a system call, twice for each sleep if the sleep has a timeout. Most
 * deadlines move away before they come (silence after which a wire may sleep: with each message), so
 * this one is set when one comes nearer, stays when it moves away, and may ring once for nothing.
 * Owner only.
 */
#ifndef POSIX_ALARM_H
#define POSIX_ALARM_H

#include <stdbool.h>
#include <stdint.h>

#define ALARM_NEVER UINT64_MAX

struct alarm {
    int fd;         /* a timerfd, to be watched edge triggered and never read; -1: not open */
    uint64_t at_ns; /* CLOCK_MONOTONIC: rings then, or ALARM_NEVER */
};

/* False: there is no descriptor to be had (errno). */
bool alarm_open(struct alarm *alarm);
void alarm_close(struct alarm *alarm);

/* Rings at `at_ns` (CLOCK_MONOTONIC) or before; one that has passed rings at once. */
void alarm_set(struct alarm *alarm, uint64_t at_ns);

/* Its descriptor was readable. */
void alarm_rang(struct alarm *alarm);

#endif
