/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Words of rpmsg-sensor that a wire has lost. Nothing acknowledges most of them, and a lost one would
 * leave a subscriber without samples until the next connection. So who is silent is asked again: a
 * SUBSCRIBE is said once more while neither its answer nor a sample came, an ADVERTISE while the peer
 * subscribes to nothing; after a second, then twice as late each time, up to 64 s. To whoever has heard the first one the next
 * changes nothing: NuttX finds the stub or proxy of that cookie, and answers (WIRE 6.5). One that gets
 * samples after its UNSUBSCRIBE says that again.
 *
 * Links that lose nothing are not told apart: behind a hub there may be one that does.
 */
#include "service/sensor.h"

#define FIRST_NS UINT64_C(1000000000)
#define LONG_NS  (64 * FIRST_NS)

/* ---- subscriptions and offers --------------------------------------------------------------------- */

static void look_at(struct sensor_port *port, uint64_t at_ns)
{
    struct rpr_sensor *sensor = port->peer->sensor;

    port->look_ns = at_ns;
    if (at_ns < sensor->look_ns)
        sensor->look_ns = at_ns;
    sensor_work_at(sensor, at_ns);
}

static void look_soon(struct sensor_port *port)
{
    port->patience_ns = FIRST_NS;
    look_at(port, rpr_node_now(port->peer->sensor->node) + FIRST_NS);
}

/* Programs are on links of their own that lose nothing. */
void lost_said(struct sensor_port *port)
{
    if (port->peer->group == RPR_SENSOR_REMOTE)
        look_soon(port);
}

void lost_heard(struct sensor_port *port)
{
    port->heard_ns = rpr_node_now(port->peer->sensor->node);
}

void lost_doubt(struct sensor_port *port)
{
    port->heard_ns = 0;
    if (port->look_ns)
        look_soon(port);
}

/* What the peer seems not to have heard. */
static bool is_missing(struct sensor_port *port, uint64_t now_ns)
{
    bool heard = port->heard_ns && now_ns - port->heard_ns < LONG_NS;

    port->ask = port->want && port->told_want && !heard && !MUTANT(lost_subscription_is_for_ever);
    port->tell =
        port->offer && port->told_offer && !port->subscribes && !MUTANT(lost_offer_is_for_ever);
    return port->ask || port->tell;
}

static void look(struct sensor_port *port, uint64_t now_ns)
{
    if (!port->told_want && !port->told_offer) {
        port->look_ns = 0; /* until something is said */
    } else if (rpr_device_state(port->peer->device) == RPR_DEVICE_SUSPENDED ||
               !is_missing(port, now_ns)) {
        port->patience_ns = FIRST_NS;
        port->look_ns = now_ns + LONG_NS;
    } else {
        port->patience_ns = port->patience_ns < LONG_NS ? 2 * port->patience_ns : LONG_NS;
        port->look_ns = now_ns + port->patience_ns;
        peer_words(port->peer);
    }
}

uint64_t lost_look(struct rpr_sensor *sensor, uint64_t now_ns)
{
    uint64_t next = UINT64_MAX;

    if (now_ns < sensor->look_ns)
        return sensor->look_ns;
    for (struct sensor_peer *peer = sensor->peers; peer; peer = peer->next) {
        for (struct sensor_port *port = peer->ports; port; port = port->next_peer) {
            if (port->look_ns && port->look_ns <= now_ns)
                look(port, now_ns);
            if (port->look_ns && port->look_ns < next)
                next = port->look_ns;
        }
    }
    sensor->look_ns = next;
    return next;
}

/* ---- ends ------------------------------------------------------------------------------------------- */

void lost_ended(struct rpr_sensor *sensor, uint64_t cookie, const char *path)
{
    struct sensor_ended *e = &sensor->ended[sensor->n_ended++ % SENSOR_ENDED];

    e->cookie = cookie;
    e->said_ns = rpr_node_now(sensor->node);
    text_copy(e->path, sizeof e->path, path);
}

static struct sensor_ended *find_ended(struct rpr_sensor *sensor, uint64_t cookie)
{
    for (unsigned i = 0; i < SENSOR_ENDED; i++)
        if (sensor->ended[i].cookie == cookie)
            return &sensor->ended[i];
    return NULL;
}

/* At most once a second: what was on its way when it ended is no sign. */
void lost_stray(struct sensor_peer *peer, uint64_t cookie)
{
    struct rpr_sensor *sensor = peer->sensor;
    struct sensor_ended *e = cookie ? find_ended(sensor, cookie) : NULL;
    struct sensor_topic_message m = {.command = SENSOR_UNSUBSCRIBE, .cookie = cookie};
    uint64_t now = rpr_node_now(sensor->node);

    if (!e || now - e->said_ns < FIRST_NS || MUTANT(lost_end_is_for_ever))
        return;
    e->said_ns = now;
    text_copy(m.path, sizeof m.path, e->path);
    (void)rpr_send(peer->ept, sensor->message, sensor_topic_encode(sensor->message, &m), 0);
}
