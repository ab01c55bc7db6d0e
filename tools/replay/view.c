/* SPDX-License-Identifier: Apache-2.0 */
#include "view.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "wire/header.h"
#include "wire/ping.h"

#define PING_SERVICE "rpmsg-ping"
#define CONNREQ      0x7eu
#define CONNACK      0x7du
#define POWEROFF     0x76u

const char *const view_kind_name[VIEW_N_KINDS] = {
#define VIEW_TEXT(name) #name,
    VIEW_KINDS(VIEW_TEXT)
#undef VIEW_TEXT
};

/* Room for one more of an array that has `n`; whoever has no memory for a recording stops. */
static void *grown(void *array, size_t n, size_t size)
{
    void *more = n & (n - 1) ? array : realloc(array, (n ? 2 * n : 1) * size);

    if (!more) {
        fprintf(stderr, "out of memory\n");
        exit(1);
    }
    return more;
}

/* ---- tables -------------------------------------------------------------------------------------- */

struct view_service *view_find(const struct view *v, const char *name)
{
    size_t i;

    for (i = 0; i < v->n_services; i++)
        if (strcmp(v->services[i].name, name) == 0)
            return &v->services[i];
    return NULL;
}

static struct view_service *service_of(struct view *v, const char *name)
{
    struct view_service *service = view_find(v, name);

    if (service)
        return service;
    v->services = grown(v->services, v->n_services, sizeof(*v->services));
    service = &v->services[v->n_services++];
    memset(service, 0, sizeof(*service));
    snprintf(service->name, sizeof(service->name), "%s", name);
    return service;
}

static struct view_address *find_address(const struct view *v, enum view_side side, uint32_t addr)
{
    size_t i;

    for (i = 0; i < v->n_addresses; i++)
        if (v->addresses[i].side == side && v->addresses[i].addr == addr)
            return &v->addresses[i];
    return NULL;
}

static void own_address(struct view *v, enum view_side side, uint32_t addr, size_t service)
{
    struct view_address *address = find_address(v, side, addr);

    if (!address) {
        v->addresses = grown(v->addresses, v->n_addresses, sizeof(*v->addresses));
        address = &v->addresses[v->n_addresses++];
    }
    *address = (struct view_address){.side = side, .addr = addr, .service = service};
}

static const char *owner_of(const struct view *v, enum view_side side, uint32_t addr)
{
    const struct view_address *address = find_address(v, side, addr);

    return address ? v->services[address->service].name : "";
}

struct view_device *view_device(const struct view *v, const char *cpu)
{
    size_t i;

    for (i = 0; i < v->n_devices; i++)
        if (strcmp(v->devices[i].cpu, cpu) == 0)
            return &v->devices[i];
    return NULL;
}

static struct view_device *device_of(struct view *v, const char *cpu)
{
    struct view_device *device = view_device(v, cpu);

    if (device)
        return device;
    v->devices = grown(v->devices, v->n_devices, sizeof(*v->devices));
    device = &v->devices[v->n_devices++];
    memset(device, 0, sizeof(*device));
    snprintf(device->cpu, sizeof(device->cpu), "%s", cpu);
    return device;
}

void view_free(struct view *v)
{
    free(v->services);
    free(v->addresses);
    free(v->devices);
    memset(v, 0, sizeof(*v));
}

bool view_is_bound(const struct view *v, const struct view_service *service)
{
    return v->connected && service->live[VIEW_A] && service->live[VIEW_B];
}

/* ---- sessions ------------------------------------------------------------------------------------ */

static void end_session(struct view *v)
{
    size_t i;

    v->connected = false;
    for (i = 0; i < v->n_services; i++) {
        memset(v->services[i].live, 0, sizeof(v->services[i].live));
        memset(v->services[i].created, 0, sizeof(v->services[i].created));
    }
    for (i = 0; i < v->n_devices; i++)
        v->devices[i].up = v->devices[i].suspended = false;
}

/* A CONNREQ within a session is a peer that starts anew; a CONNACK within one answers nothing that
 * matters any more (both may have sent CONNREQ). */
void view_control(struct view *v, enum view_side side, uint8_t byte)
{
    (void)side;
    if (byte == POWEROFF || byte == CONNREQ)
        end_session(v);
    else if (byte == CONNACK)
        v->connected = true;
}

/* ---- messages ------------------------------------------------------------------------------------ */

static bool is_ping(const char *service)
{
    char cpu[ROUTER_CPU_MAX + 1];
    char routed[ROUTER_SERVICE_MAX + 1];

    if (route_parse(service, cpu, routed))
        return strcmp(routed, PING_SERVICE) == 0;
    return strcmp(service, PING_SERVICE) == 0;
}

static enum view_kind ping_kind(const struct view_message *m)
{
    struct ping_message ping;

    if (ping_decode(&ping, m->payload, m->len) != PING_OK)
        return VIEW_data;
    return (ping.cmd & PING_KIND_MASK) == PING_RESPONSE ? VIEW_ping_rsp : VIEW_ping_req;
}

/* Only A, the hub, says these. */
static enum view_kind router_kind(struct view_message *m)
{
    static const enum view_kind kinds[] = {
        [ROUTER_CREATE] = VIEW_router_create,
        [ROUTER_DESTROY] = VIEW_router_destroy,
        [ROUTER_SUSPEND] = VIEW_router_suspend,
        [ROUTER_RESUME] = VIEW_router_resume,
    };

    if (router_decode(&m->router, m->payload, m->len) != ROUTER_OK || m->router.cmd > ROUTER_RESUME)
        return VIEW_data;
    return kinds[m->router.cmd];
}

static enum view_kind kind_of(struct view_message *m)
{
    static const enum view_kind kinds[] = {
        [NS_CREATE] = VIEW_ns_create,
        [NS_DESTROY] = VIEW_ns_destroy,
        [NS_CREATE_ACK] = VIEW_ns_ack,
    };
    char cpu[ROUTER_CPU_MAX + 1];

    if (m->dst == RPMSG_ADDR_NS)
        return ns_decode(&m->ns, m->payload, m->len) == NS_OK ? kinds[m->ns.flags] : VIEW_data;
    if (is_ping(m->service))
        return ping_kind(m);
    if (router_control_parse(m->service, cpu))
        return router_kind(m);
    return VIEW_data;
}

bool view_message_read(const struct view *v, enum view_side side, const uint8_t *bytes, size_t n,
                       struct view_message *m)
{
    struct rpmsg_header header;

    memset(m, 0, sizeof(*m));
    m->kind = VIEW_data;
    m->service = "";
    if (n < RPMSG_HEADER_BYTES)
        return false;
    header = header_get(bytes);
    if (header.len > n - RPMSG_HEADER_BYTES)
        return false;
    m->src = header.src;
    m->dst = header.dst;
    m->payload = bytes + RPMSG_HEADER_BYTES;
    m->len = header.len;
    m->service = owner_of(v, side == VIEW_A ? VIEW_B : VIEW_A, m->dst);
    m->kind = kind_of(m);
    return true;
}

static void see_ns(struct view *v, enum view_side side, const struct ns_message *ns)
{
    struct view_service *service = service_of(v, ns->name);

    if (ns->flags == NS_DESTROY) {
        /* One for a former address ends nothing. */
        if (service->addr[side] == ns->addr)
            service->live[side] = service->created[side] = false;
        return;
    }
    own_address(v, side, ns->addr, (size_t)(service - v->services));
    service->addr[side] = ns->addr;
    service->live[side] = true;
    if (ns->flags == NS_CREATE)
        service->created[side] = true;
}

/* The services of a device that ends go with it on side B: A may say so once more, or not. */
static void end_device(struct view *v, struct view_device *device)
{
    char cpu[ROUTER_CPU_MAX + 1];
    char service[ROUTER_SERVICE_MAX + 1];
    size_t i;

    device->up = device->suspended = false;
    for (i = 0; i < v->n_services; i++) {
        struct view_service *s = &v->services[i];

        if (route_parse(s->name, cpu, service) && strcmp(cpu, device->cpu) == 0) {
            memset(s->live, 0, sizeof(s->live));
            memset(s->created, 0, sizeof(s->created));
        }
    }
}

static void see_router(struct view *v, const struct view_message *m)
{
    char cpu[ROUTER_CPU_MAX + 1];
    struct view_device *device;

    (void)router_control_parse(m->service, cpu);
    device = device_of(v, cpu);
    if (m->kind == VIEW_router_destroy) {
        end_device(v, device);
        return;
    }
    if (m->kind == VIEW_router_create) {
        device->suspended = false;
        device->up = true;
        device->session++;
    } else {
        device->suspended = m->kind == VIEW_router_suspend;
    }
}

void view_message_seen(struct view *v, enum view_side side, const struct view_message *m)
{
    v->n[side][m->kind]++;
    if (!v->connected)
        return;
    if (m->dst == RPMSG_ADDR_NS && m->kind != VIEW_data)
        see_ns(v, side, &m->ns);
    else if (m->kind >= VIEW_router_create && m->kind <= VIEW_router_resume)
        see_router(v, m);
}
