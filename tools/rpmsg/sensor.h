/* SPDX-License-Identifier: Apache-2.0 */
/* What all of `rpmsg sensor` share: the topic, its layout, this program as a peer of the daemon. */
#ifndef RPMSG_SENSOR_H
#define RPMSG_SENSOR_H

#include <rpr/posix.h>
#include <rpr/sensor.h>

#include "cli.h"
#include "layout.h"
#include "sample.h"

struct sensor_run {
    struct cli *cli;
    char topic[RPR_SENSOR_PATH_MAX + 1];
    const char *device; /* NULL: everyone */
    struct layout known;
    const struct layout *layout; /* NULL: hex */
    enum sample_style style;
    bool verbose;
    struct rpr_program *program;
    struct rpr_sensor *sensor;
};

/* TOPIC, and the layout that --format (NULL: not given) or its name says. Exits on wrong ones. */
void sensor_topic(struct sensor_run *run, int argc, char **argv, const char *format);

/* Attaches; exits if it cannot. SIGINT and SIGTERM end a turn and set sensor_stop from now on. */
void sensor_open(struct sensor_run *run);
void sensor_close(struct sensor_run *run);
extern volatile int sensor_stop;

/* One turn; exits with 3 if the daemon is gone. timeout_ms -1: any. */
void sensor_turn(struct sensor_run *run, int timeout_ms);

uint64_t sensor_now_us(void); /* CLOCK_MONOTONIC */
uint32_t sensor_seconds(const struct cli *cli, const char *text, const char *what); /* as us */

int sensor_ls(struct cli *cli, int argc, char **argv);
int sensor_sub(struct cli *cli, int argc, char **argv);
int sensor_pub(struct cli *cli, int argc, char **argv);
int sensor_info(struct cli *cli, int argc, char **argv);
int sensor_flush(struct cli *cli, int argc, char **argv);

#endif
