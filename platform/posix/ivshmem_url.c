/* SPDX-License-Identifier: Apache-2.0 */
/* ivshmem:PATH?role=master|slave[&layout=rptun|lite|sim&buffers=N&size=N] */
#include "posix/ivshmem.h"
#include "posix/url.h"

#define NOT_GIVEN UINT32_MAX

struct ivshmem_url {
    char path[RPR_UNIX_PATH_MAX + 1];
    uint32_t role, layout;
    uint32_t buffers, size; /* 0: not given */
};

static const char *const roles[] = {"master", "slave", NULL};
static const char *const layouts[] = {"rptun", "lite", "sim", NULL};

static const struct url_key keys[] = {
    {"role", offsetof(struct ivshmem_url, role), 0, 0, false, roles, "role takes master or slave"},
    {"layout", offsetof(struct ivshmem_url, layout), 0, 0, false, layouts,
     "layout takes rptun, lite or sim"},
    {"buffers", offsetof(struct ivshmem_url, buffers), 2, 1024, true, NULL,
     "buffers takes a power of two from 2 to 1024"},
    {"size", offsetof(struct ivshmem_url, size), 64, 65519, false, NULL, "size takes 64 to 65519"},
};

static struct rpr_ivshmem_config config_of(const struct ivshmem_url *u)
{
    return (struct rpr_ivshmem_config){.layout = (enum rpr_ivshmem_layout)u->layout,
                                       .role = (enum rpr_ivshmem_role)u->role,
                                       .num = u->buffers,
                                       .payload = u->size};
}

static int check_keys(const struct ivshmem_url *u, const char *url, char error[RPR_ERROR_TEXT])
{
    struct rpr_ivshmem_config config;

    if (u->role == NOT_GIVEN)
        return url_wrong(error, url, "needs role=master or role=slave");
    config = config_of(u);
    if (u->buffers && !rpr_ivshmem_makes_table(config.layout, config.role))
        return url_wrong(error, url,
                         config.role == RPR_IVSHMEM_MASTER
                             ? "buffers is for the slave to say in this layout"
                             : "buffers is for the master to say in this layout");
    return 0;
}

static int parse(struct ivshmem_url *u, const char *url, char error[RPR_ERROR_TEXT])
{
    int code = url_path(url, "needs the path of a file", u->path, error);

    u->role = NOT_GIVEN;
    u->layout = RPR_IVSHMEM_RPTUN;
    u->buffers = u->size = 0;
    if (!code)
        code = url_keys(url, keys, sizeof(keys) / sizeof(keys[0]), u, error);
    return code ? code : check_keys(u, url, error);
}

static int check(const char *url, char error[RPR_ERROR_TEXT])
{
    struct ivshmem_url u;

    return parse(&u, url, error);
}

static uint32_t size(const char *url)
{
    char error[RPR_ERROR_TEXT];
    struct ivshmem_url u;

    if (parse(&u, url, error))
        return 0;
    if (u.size)
        return u.size;
    return u.layout == RPR_IVSHMEM_LITE ? RPR_IVSHMEM_PAYLOAD_BIG : RPR_IVSHMEM_PAYLOAD;
}

static int open_link(struct rpr_loop *loop, const char *remote, const char *url,
                     struct rpr_link **link, char error[RPR_ERROR_TEXT])
{
    struct rpr_ivshmem_config config;
    struct ivshmem_url u;
    int code = parse(&u, url, error);

    if (code)
        return code;
    config = config_of(&u);
    return ivshmem_open(loop, remote, u.path, &config, link, error);
}

const struct url_kind url_ivshmem = {"ivshmem", check, size, open_link};
