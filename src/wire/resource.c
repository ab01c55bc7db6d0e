/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/resource.h"

#include <rpr/platform.h>

#include "base/bytes.h"
#include "base/text.h"

#define HEADER_BYTES 16u
#define MAX_ENTRIES  64u
#define NUM_MAX      32768u
#define ALIGN_MIN    4u
#define ALIGN_MAX    65536u
#define NAME_BYTES   32u /* of a carveout */

enum { TYPE_CARVEOUT = 0, TYPE_VDEV = 3 };

/* Of the configuration. */
enum { NAMES_OLD = 8, NAMES_NEW = 24, NAMES_END = 40 };

/* One read of the peer's memory: whatever happens there later, this is what it said. */
static bool copy(void *to, const uint8_t *bytes, uint64_t len, uint64_t at, uint32_t n)
{
    if (at > len || n > len - at)
        return false;
    rpr_cache_invalidate(bytes + at, n);
    memcpy(to, bytes + at, n);
    __asm__ volatile("" ::: "memory"); /* not read again */
    return true;
}

/* ---- configuration ---------------------------------------------------------------------------------- */

static bool is_name(const uint8_t *at)
{
    unsigned i;

    for (i = 0; i < RESOURCE_CPU_BYTES && at[i]; i++)
        if (at[i] <= ' ' || at[i] > '~')
            return false;
    return i > 0;
}

static bool is_zero(const uint8_t *at, unsigned n)
{
    while (n-- > 0)
        if (*at++)
            return false;
    return true;
}

static void take_name(char name[RESOURCE_CPU_BYTES + 1], const uint8_t *at)
{
    if (is_name(at))
        memcpy(name, at, RESOURCE_CPU_BYTES);
}

static void take_names(struct resource_config *c, const uint8_t *bytes)
{
    unsigned at = NAMES_NEW;

    c->revision = RESOURCE_REVISION_NEW;
    if (is_name(bytes + NAMES_OLD) && is_zero(bytes + NAMES_NEW, NAMES_END - NAMES_NEW)) {
        c->revision = RESOURCE_REVISION_OLD;
        at = NAMES_OLD;
    }
    take_name(c->host, bytes + at);
    take_name(c->remote, bytes + at + RESOURCE_CPU_BYTES);
    if (!c->host[0] && !c->remote[0])
        c->revision = RESOURCE_REVISION_NONE;
}

/* What lies beyond `n` bytes was not said (H-7). */
static void take_config(struct resource_config *c, const uint8_t bytes[RESOURCE_CONFIG_BYTES],
                        uint32_t n)
{
    *c = (struct resource_config){0};
    if (n >= NAMES_OLD) {
        c->h2r_bytes = get_le32(bytes);
        c->r2h_bytes = get_le32(bytes + 4);
    }
    if (n >= NAMES_END)
        take_names(c, bytes);
}

/* ---- device ------------------------------------------------------------------------------------------ */

static const char *take_vring(struct resource_vring *v, const uint8_t *at)
{
    v->da = get_le32(at);
    v->align = get_le32(at + 4);
    v->num = get_le32(at + 8);
    if (v->num < 2 || v->num > NUM_MAX || (v->num & (v->num - 1)))
        return "the table has a ring whose length is no power of two";
    if (v->align < ALIGN_MIN || v->align > ALIGN_MAX || (v->align & (v->align - 1)))
        return "the table has a ring with an impossible alignment";
    return NULL;
}

const char *resource_vdev_parse(struct resource_vdev *v, const uint8_t *bytes, uint64_t len,
                                uint32_t at)
{
    uint8_t head[RESOURCE_VDEV_BYTES + 2 * RESOURCE_VRING_BYTES];
    uint8_t config[RESOURCE_CONFIG_BYTES] = {0};
    const char *wrong;
    uint32_t n;

    if (!copy(head, bytes, len, at, sizeof head))
        return "the table's RPMsg device ends outside of the memory";
    if (get_le32(head + RESOURCE_VDEV_ID) != RESOURCE_ID_RPMSG)
        return "the table's device is not of RPMsg";
    if (head[25] != 2)
        return "the table's RPMsg device has not two rings";
    v->at = at;
    v->dfeatures = get_le32(head + 12);
    v->gfeatures = get_le32(head + RESOURCE_VDEV_GFEATURES);
    v->status = head[RESOURCE_VDEV_STATUS];
    v->slave_drives = head[26] != 0;
    n = get_le32(head + 20);
    if (n > RESOURCE_CONFIG_BYTES)
        n = RESOURCE_CONFIG_BYTES;
    if (!copy(config, bytes, len, (uint64_t)at + sizeof head, n))
        return "the table's configuration ends outside of the memory";
    take_config(&v->config, config, n);
    wrong = take_vring(&v->vring[0], head + RESOURCE_VDEV_BYTES);
    return wrong ? wrong
                 : take_vring(&v->vring[1], head + RESOURCE_VDEV_BYTES + RESOURCE_VRING_BYTES);
}

/* ---- table ------------------------------------------------------------------------------------------- */

struct reader {
    struct resource_table *table;
    const uint8_t *bytes;
    uint64_t len;
    uint32_t n_vdevs, n_carveouts;
    uint32_t rpmsg; /* which of the devices, + 1; 0: not found yet */
    bool named;     /* the pool is the carveout with the device's name */
    uint32_t ordinal_da[MAX_ENTRIES], ordinal_len[MAX_ENTRIES];
    char names[MAX_ENTRIES]; /* N of "vdevNbuffer", or '\0' */
};

static void reach(struct resource_table *t, uint64_t end)
{
    if (end > t->end)
        t->end = (uint32_t)end;
}

static const char *read_vdev(struct reader *r, uint32_t at)
{
    uint8_t head[RESOURCE_VDEV_BYTES];
    uint64_t bytes;

    if (!copy(head, r->bytes, r->len, at, sizeof head))
        return "the table has a device outside of the memory";
    bytes = RESOURCE_VDEV_BYTES + (uint64_t)head[25] * RESOURCE_VRING_BYTES + get_le32(head + 20);
    if (bytes > r->len - at)
        return "the table has a device that ends outside of the memory";
    reach(r->table, at + bytes);
    r->n_vdevs++;
    if (r->rpmsg || get_le32(head + RESOURCE_VDEV_ID) != RESOURCE_ID_RPMSG)
        return NULL;
    r->rpmsg = r->n_vdevs;
    return resource_vdev_parse(&r->table->vdev, r->bytes, r->len, at);
}

/* "vdevNbuffer", as Linux wants it: N, or '\0'. */
static char vdev_of(const uint8_t name[NAME_BYTES])
{
    bool fits = memcmp(name, "vdev", 4) == 0 && memcmp(name + 5, "buffer", 7) == 0;

    return fits ? (char)name[4] : '\0';
}

static const char *read_carveout(struct reader *r, uint32_t at)
{
    uint8_t entry[RESOURCE_CARVEOUT_BYTES];
    uint32_t da, len;

    if (!copy(entry, r->bytes, r->len, at, sizeof entry))
        return "the table has a carveout outside of the memory";
    reach(r->table, (uint64_t)at + sizeof entry);
    da = get_le32(entry + 4);
    len = get_le32(entry + 12);
    r->names[r->n_carveouts] = vdev_of(entry + 24);
    r->ordinal_da[r->n_carveouts] = da;
    r->ordinal_len[r->n_carveouts] = len;
    r->n_carveouts++;
    return NULL;
}

static const char *read_entry(struct reader *r, uint32_t at)
{
    uint8_t type[4];

    if (at % 4 != 0 || !copy(type, r->bytes, r->len, at, sizeof type))
        return "the table has an entry outside of the memory";
    if (get_le32(type) == TYPE_VDEV)
        return read_vdev(r, at);
    if (get_le32(type) == TYPE_CARVEOUT)
        return read_carveout(r, at);
    return NULL; /* others mean nothing here */
}

/* The carveout of the device's name, else the one of its number (NuttX). */
static void choose_pool(struct reader *r)
{
    uint32_t index = r->rpmsg - 1, i;
    uint32_t chosen = index;

    for (i = 0; i < r->n_carveouts; i++)
        if (r->names[i] == (char)('0' + index)) {
            chosen = i;
            break;
        }
    if (chosen >= r->n_carveouts)
        return;
    r->table->pool_da = r->ordinal_da[chosen];
    r->table->pool_len = r->ordinal_len[chosen];
}

const char *resource_table_parse(struct resource_table *t, const uint8_t *bytes, uint64_t len)
{
    struct reader r = {.table = t, .bytes = bytes, .len = len > UINT32_MAX ? UINT32_MAX : len};
    uint8_t head[HEADER_BYTES], offset[4];
    const char *wrong = NULL;
    uint32_t n, i;

    *t = (struct resource_table){0};
    if (!copy(head, bytes, r.len, 0, sizeof head))
        return "the memory is too small for a table";
    n = get_le32(head + 4);
    if (get_le32(head + RESOURCE_VERSION) != 1)
        return "there is no resource table of version 1";
    if (n > MAX_ENTRIES)
        return "the table has too many entries";
    reach(t, HEADER_BYTES + 4 * n);
    for (i = 0; i < n && !wrong; i++) {
        if (!copy(offset, bytes, r.len, HEADER_BYTES + 4 * (uint64_t)i, sizeof offset))
            return "the table ends outside of the memory";
        wrong = read_entry(&r, get_le32(offset));
    }
    if (wrong)
        return wrong;
    if (!r.rpmsg)
        return "the table has no RPMsg device";
    choose_pool(&r);
    return NULL;
}

/* ---- writing ----------------------------------------------------------------------------------------- */

static void put_name(uint8_t *at, const char *name)
{
    memcpy(at, name, text_length(name, RESOURCE_CPU_BYTES - 1));
}

static void encode_vring(uint8_t *at, const struct resource_offer *o)
{
    put_le32(at, o->da);
    put_le32(at + 4, o->align);
    put_le32(at + 8, o->num);
    put_le32(at + 12, RESOURCE_ANY); /* notifyid */
    put_le32(at + 16, 0);
}

void resource_device_encode(uint8_t *at, const struct resource_offer *o)
{
    uint8_t *config = at + RESOURCE_VDEV_BYTES + 2 * RESOURCE_VRING_BYTES;

    memset(at, 0, RESOURCE_DEVICE_BYTES);
    put_le32(at, TYPE_VDEV);
    put_le32(at + RESOURCE_VDEV_ID, RESOURCE_ID_RPMSG);
    put_le32(at + 8, RESOURCE_ANY); /* notifyid */
    put_le32(at + 12, o->dfeatures);
    put_le32(at + RESOURCE_VDEV_GFEATURES, o->gfeatures);
    put_le32(at + 20, RESOURCE_CONFIG_BYTES);
    at[25] = 2;
    encode_vring(at + RESOURCE_VDEV_BYTES, o);
    encode_vring(at + RESOURCE_VDEV_BYTES + RESOURCE_VRING_BYTES, o);
    put_le32(config, o->h2r_bytes);
    put_le32(config + 4, o->r2h_bytes);
    put_name(config + NAMES_OLD, o->host);
    put_name(config + NAMES_OLD + RESOURCE_CPU_BYTES, o->remote);
    put_name(config + NAMES_NEW, o->host);
    put_name(config + NAMES_NEW + RESOURCE_CPU_BYTES, o->remote);
}

void resource_carveout_encode(uint8_t at[RESOURCE_CARVEOUT_BYTES], uint32_t da, uint32_t len,
                              const char *name)
{
    memset(at, 0, RESOURCE_CARVEOUT_BYTES);
    put_le32(at, TYPE_CARVEOUT);
    put_le32(at + 4, da);
    put_le32(at + 8, RESOURCE_ANY); /* pa */
    put_le32(at + 12, len);
    memcpy(at + 24, name, text_length(name, NAME_BYTES - 1));
}
