/* SPDX-License-Identifier: Apache-2.0 */
/* shm:PATH[?listen=1&buffers=N&size=N] */
#include "posix/session.h"
#include "posix/shm.h"
#include "posix/url.h"

struct shm_url {
    char path[RPR_UNIX_PATH_MAX + 1];
    uint32_t listen; /* 1: driver */
    uint32_t buffers, size;
};

static const struct url_key keys[] = {
    {"listen", offsetof(struct shm_url, listen), 0, 1, false, NULL, "listen takes 0 or 1"},
    {"buffers", offsetof(struct shm_url, buffers), 2, 32768, true, NULL,
     "buffers takes a power of two from 2 to 32768"},
    {"size", offsetof(struct shm_url, size), SESSION_MIN_PAYLOAD, 65519, false, NULL,
     "size takes 64 to 65519"},
};

static int parse(struct shm_url *u, const char *url, char error[RPR_ERROR_TEXT])
{
    struct rpr_vring_layout layout;
    int code = url_path(url, "needs the path of a socket", u->path, error);

    u->listen = 0;
    u->buffers = SHM_DEFAULT_BUFFERS;
    u->size = SHM_DEFAULT_PAYLOAD;
    if (!code)
        code = url_keys(url, keys, sizeof(keys) / sizeof(keys[0]), u, error);
    if (!code && rpr_vring_layout_local(&layout, u->buffers, u->size) != 0)
        code = url_wrong(error, url, "so many buffers of that size need more than 4 GiB");
    return code;
}

static int check(const char *url, char error[RPR_ERROR_TEXT])
{
    struct shm_url u;

    return parse(&u, url, error);
}

static uint32_t size(const char *url)
{
    char error[RPR_ERROR_TEXT];
    struct shm_url u;

    return parse(&u, url, error) ? 0 : u.size;
}

static int open_link(struct rpr_loop *loop, const char *remote, const char *url,
                     struct rpr_link **link, char error[RPR_ERROR_TEXT])
{
    struct shm_url u;
    int code = parse(&u, url, error);

    if (code)
        return code;
    if (u.listen)
        return shm_listen(loop, remote, u.path, u.buffers, u.size, link, error);
    return shm_connect(loop, remote, u.path, link, error);
}

const struct url_kind url_shm = {"shm", check, size, open_link};
