/* SPDX-License-Identifier: Apache-2.0 */
#include "posix/alarm.h"

#include <sys/timerfd.h>
#include <unistd.h>

bool alarm_open(struct alarm *alarm)
{
    alarm->fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    alarm->at_ns = ALARM_NEVER;
    return alarm->fd >= 0;
}

void alarm_close(struct alarm *alarm)
{
    if (alarm->fd >= 0)
        close(alarm->fd);
    alarm->fd = -1;
}

void alarm_set(struct alarm *alarm, uint64_t at_ns)
{
    struct itimerspec when = {.it_value = {.tv_sec = (time_t)(at_ns / 1000000000u),
                                           .tv_nsec = (long)(at_ns % 1000000000u)}};

    if (at_ns >= alarm->at_ns)
        return;
    if (at_ns == 0)
        when.it_value.tv_nsec = 1; /* zero would mean never */
    if (timerfd_settime(alarm->fd, TFD_TIMER_ABSTIME, &when, NULL) == 0)
        alarm->at_ns = at_ns;
}

void alarm_rang(struct alarm *alarm)
{
    alarm->at_ns = ALARM_NEVER;
}
