/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RPMSGD_SENSOR_H
#define RPMSGD_SENSOR_H

struct daemon;
struct rpr_sensor;

/* NULL: the service is off. */
struct rpr_sensor *sensor_of(const struct daemon *daemon);

#endif
