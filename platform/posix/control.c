/* SPDX-License-Identifier: Apache-2.0 */
/* Where control sockets are, and which of them somebody listens on. */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <rpr/posix.h>

#include "posix/unix.h"

#define SYSTEM_DIR "/run/rpmsg"
#define SUFFIX     ".sock"
#define PATH_BYTES 108u

static int complain(char error[RPR_ERROR_TEXT], int code, const char *what)
{
    snprintf(error, RPR_ERROR_TEXT, "%s", what);
    return code;
}

static int too_long(char error[RPR_ERROR_TEXT])
{
    return complain(error, -RPR_ENAMETOOLONG, "the control socket's path is longer than 100 bytes");
}

/* The two directories, the user's first; an empty one there is none of. */
static void directories(char dirs[2][PATH_BYTES])
{
    const char *runtime = getenv("XDG_RUNTIME_DIR");

    dirs[0][0] = '\0';
    if (runtime && runtime[0] == '/' && strlen(runtime) < PATH_BYTES - sizeof("/rpmsg"))
        snprintf(dirs[0], PATH_BYTES, "%.*s/rpmsg", (int)(PATH_BYTES - sizeof("/rpmsg")), runtime);
    snprintf(dirs[1], PATH_BYTES, SYSTEM_DIR);
}

/* False: too long. */
static bool join(char path[PATH_BYTES], const char *dir, const char *name, const char *suffix)
{
    size_t length = strlen(dir) + 1 + strlen(name) + strlen(suffix);

    if (length > RPR_UNIX_PATH_MAX)
        return false;
    (void)stpcpy(stpcpy(stpcpy(stpcpy(path, dir), "/"), name), suffix);
    return true;
}

static int copy_path(char path[PATH_BYTES], const char *from, char error[RPR_ERROR_TEXT])
{
    if (strlen(from) > RPR_UNIX_PATH_MAX)
        return too_long(error);
    (void)stpcpy(path, from);
    return 0;
}

static bool is_live(const char *path)
{
    int fd = unix_connect(path, SOCK_STREAM);

    if (fd >= 0)
        close(fd);
    return fd >= 0 || fd == -EAGAIN || fd == -EACCES;
}

/* ---- find ---------------------------------------------------------------------------------------- */

struct found {
    char *path; /* of the first */
    char list[RPR_ERROR_TEXT - 80];
    unsigned n;
};

static void note(struct found *found, const char *path)
{
    size_t used = strlen(found->list);

    if (found->n++ == 0)
        (void)stpcpy(found->path, path);
    snprintf(found->list + used, sizeof(found->list) - used, "%s%s", used ? ", " : "", path);
}

static void search(struct found *found, const char *dir)
{
    DIR *d = dir[0] ? opendir(dir) : NULL;
    struct dirent *entry;

    while (d && (entry = readdir(d))) {
        size_t length = strlen(entry->d_name);
        char path[PATH_BYTES];

        if (length > strlen(SUFFIX) &&
            strcmp(entry->d_name + length - strlen(SUFFIX), SUFFIX) == 0 &&
            join(path, dir, entry->d_name, "") && is_live(path))
            note(found, path);
    }
    if (d)
        closedir(d);
}

static int find_node(char path[PATH_BYTES], char dirs[2][PATH_BYTES], const char *node,
                     char error[RPR_ERROR_TEXT])
{
    int i;

    for (i = 0; i < 2; i++)
        if (dirs[i][0] && join(path, dirs[i], node, SUFFIX) && is_live(path))
            return 0;
    snprintf(error, RPR_ERROR_TEXT, "no daemon of node %.40s is running (%.80s%s%s)", node, dirs[0],
             dirs[0][0] ? ", " : "", dirs[1]);
    return -RPR_ENOENT;
}

static int find_only(char path[PATH_BYTES], char dirs[2][PATH_BYTES], char error[RPR_ERROR_TEXT])
{
    struct found found = {.path = path};
    int i;

    for (i = 0; i < 2; i++)
        if (i == 0 || strcmp(dirs[0], dirs[1]) != 0)
            search(&found, dirs[i]);
    if (found.n == 1)
        return 0;
    if (found.n > 1) {
        snprintf(error, RPR_ERROR_TEXT, "several daemons are running, name one: %s", found.list);
        return -RPR_EINVAL;
    }
    snprintf(error, RPR_ERROR_TEXT, "no daemon is running (no live socket in %.80s%s%s)", dirs[0],
             dirs[0][0] ? " or " : "", dirs[1]);
    return -RPR_ENOENT;
}

int rpr_control_find(char path[108], const char *control, const char *node,
                     char error[RPR_ERROR_TEXT])
{
    const char *variable = getenv("RPMSG_CONTROL");
    char dirs[2][PATH_BYTES];

    directories(dirs);
    if (control)
        return copy_path(path, control, error);
    if (node)
        return find_node(path, dirs, node, error);
    if (variable && variable[0])
        return copy_path(path, variable, error);
    return find_only(path, dirs, error);
}

/* ---- place --------------------------------------------------------------------------------------- */

int rpr_control_place(char path[108], const char *control, const char *name,
                      char error[RPR_ERROR_TEXT])
{
    const char *variable = getenv("RPMSG_CONTROL");
    char dirs[2][PATH_BYTES];
    const char *dir;

    if (control)
        return copy_path(path, control, error);
    if (variable && variable[0])
        return copy_path(path, variable, error);
    directories(dirs);
    dir = dirs[0][0] ? dirs[0] : dirs[1];
    if (!join(path, dir, name, SUFFIX))
        return too_long(error);
    if (mkdir(dir, 0755) != 0 && errno != EEXIST) {
        snprintf(error, RPR_ERROR_TEXT, "%s: %s", dir, strerror(errno));
        return -RPR_EIO;
    }
    return 0;
}
