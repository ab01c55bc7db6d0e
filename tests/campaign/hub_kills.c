/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One rpmsgd as the hub of some edges, which are killed (SIGKILL) and started again, one after the
 * other or several at once, bound or still connecting, under traffic between all of them. What must
 * hold:
 *
 *   - they find each other again, each time
 *   - in one binding all messages come from one binding of the peer and are for this one, in order,
 *     none missing; no binding is heard in two: nothing of a former life is delivered
 *   - the hub keeps its memory and its descriptors
 *
 * The edges are processes of this program: node, loop and link are those of the library, and each
 * has two endpoints for each of the others. "ball" answers each message. "flood" is sent as fast as
 * it goes, and not taken before some balls have come: so a kill meets messages in the rings, parked
 * in the hub, and kept in the edges.
 *
 * usage: hub_kills [--kills N] [--seed S]   needs rpmsgd in $RPR_BIN
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <rpr/posix.h>
#include <rpr/router.h>

#include "base/histogram.h"
#include "options.h"
#include "trial.h"

#define N_EDGES    4u
#define BALLS      4u   /* in the air, from each side */
#define FLOOD      100u /* in one binding */
#define PAUSE_NS   UINT64_C(1000000)
#define PATIENCE   20u /* balls before a flood is let in */
#define QUOTA      16u /* what the hub parks per route: little, so that its memory is soon at its most */
#define WAIT_MS    60000
#define GROWTH_KIB 512
#define PATH_BYTES 256u

/* AddressSanitizer keeps what is freed for a while. */
#ifdef __SANITIZE_ADDRESS__
#define CHECKED true
#else
#define CHECKED false
#endif

extern char **environ;

/* What the processes share. */
struct slot {
    _Atomic uint32_t life;    /* the parent's; the first is 1 */
    _Atomic uint32_t goal;    /* balls that the parent waits for */
    _Atomic uint32_t n_bound; /* peers */
    _Atomic uint32_t n_balls; /* in this life */
    _Atomic uint64_t n_messages;
    _Atomic uint64_t spawned_ns, bound_ns, all_bound_ns; /* first peer, all; 0: not yet */
};

struct shared {
    struct slot slot[N_EDGES];
    _Atomic bool failed;
    char wrong[PATH_BYTES];
};

static struct shared *shared;
static int news; /* eventfd: an edge has something to tell */

static uint64_t now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void tell(void)
{
    uint64_t one = 1;

    if (write(news, &one, sizeof one) != sizeof one)
        _exit(1);
}

/* ---- an edge ------------------------------------------------------------------------------------- */

struct message {
    uint32_t from, from_life, from_binding;
    uint32_t to_life, to_binding; /* 0: not known yet */
    uint32_t seq;
    uint8_t filling[40];
};

struct end {
    const char *service;
    unsigned peer;
    rpr_ept_t ept;
    bool opened, bound;
    uint32_t binding; /* of ours; each has a number */
    uint32_t sent, owed;
    uint32_t came, peer_life, peer_binding; /* 0: not heard in this binding */
};

static unsigned me;
static struct end ball[N_EDGES], flood[N_EDGES];
static struct rpr_node *node;

static void play_on(struct rpr_timer *timer, uint64_t at_ns);
static struct rpr_timer pause_timer = {.fire = play_on};

__attribute__((format(printf, 2, 3))) static void wrong(const struct end *e, const char *format,
                                                        ...)
{
    va_list arguments;
    int n;

    if (atomic_exchange(&shared->failed, true))
        return;
    n = snprintf(shared->wrong, sizeof shared->wrong, "e%u, %s of e%u: ", me, e->service, e->peer);
    va_start(arguments, format);
    vsnprintf(shared->wrong + n, sizeof shared->wrong - (size_t)n, format, arguments);
    va_end(arguments);
    tell();
}

static int send_next(struct end *e)
{
    struct message m = {.from = me,
                        .from_life = shared->slot[me].life,
                        .from_binding = e->binding,
                        .to_life = e->peer_life,
                        .to_binding = e->peer_binding,
                        .seq = e->sent};
    int error;

    memset(m.filling, (int)e->sent, sizeof m.filling);
    error = rpr_send(e->ept, &m, sizeof m, 0);
    e->sent += !error;
    return error;
}

static void pay(struct end *e)
{
    while (e->bound && e->owed && !send_next(e))
        e->owed--;
}

/* What is said of one binding: true if the message belongs to ours. */
static bool belongs(struct end *e, const struct message *m)
{
    if (m->from != e->peer)
        wrong(e, "a message from e%u", m->from);
    else if (e->peer_life && (m->from_life != e->peer_life || m->from_binding != e->peer_binding))
        wrong(e, "life %u, binding %u in the binding of life %u, binding %u", m->from_life,
              m->from_binding, e->peer_life, e->peer_binding);
    else if (m->to_life && (m->to_life != shared->slot[me].life || m->to_binding != e->binding))
        wrong(e, "for life %u, binding %u; here is life %u, binding %u", m->to_life, m->to_binding,
              shared->slot[me].life, e->binding);
    else if (m->seq != e->came)
        wrong(e, "message %u instead of %u", m->seq, e->came);
    else if (m->filling[0] != (uint8_t)m->seq || m->filling[39] != (uint8_t)m->seq)
        wrong(e, "message %u has other contents", m->seq);
    else
        return true;
    return false;
}

/* A game that the parent does not wait for is played slowly. */
static void play_on(struct rpr_timer *timer, uint64_t at_ns)
{
    (void)timer;
    (void)at_ns;
    for (unsigned i = 0; i < N_EDGES; i++)
        pay(&ball[i]);
}

static void answer(struct end *e)
{
    e->owed++;
    if (shared->slot[me].n_balls < shared->slot[me].goal)
        pay(e);
    else if (!pause_timer.active)
        rpr_timer_start(node, &pause_timer, rpr_node_now(node) + PAUSE_NS);
}

static void count_ball(void)
{
    struct slot *s = &shared->slot[me];

    if (++s->n_balls == s->goal)
        tell();
    if (s->n_balls != PATIENCE)
        return;
    for (unsigned i = 0; i < N_EDGES; i++)
        if (flood[i].opened)
            (void)rpr_ept_resume(flood[i].ept);
}

static enum rpr_rx_result rx(void *ctx, rpr_ept_t ept, const struct rpr_msg *msg)
{
    struct end *e = ctx;
    struct message m;

    (void)ept;
    if (msg->len != sizeof m) {
        wrong(e, "%u bytes", msg->len);
        return RPR_DONE;
    }
    memcpy(&m, msg->data, sizeof m);
    if (e == &flood[e->peer] && shared->slot[me].n_balls < PATIENCE)
        return RPR_LATER;
    if (!belongs(e, &m))
        return RPR_DONE;
    e->peer_life = m.from_life;
    e->peer_binding = m.from_binding;
    e->came++;
    shared->slot[me].n_messages++;
    if (e == &ball[e->peer]) {
        answer(e);
        count_ball();
    }
    return RPR_DONE;
}

static void count_bound(bool up)
{
    struct slot *s = &shared->slot[me];
    uint32_t n = up ? ++s->n_bound : --s->n_bound;

    if (up && !s->bound_ns)
        s->bound_ns = now_ns();
    if (n == N_EDGES - 1 && !s->all_bound_ns)
        s->all_bound_ns = now_ns();
    tell();
}

static void on_bound(void *ctx, rpr_ept_t ept, uint32_t dest)
{
    struct end *e = ctx;

    (void)ept;
    (void)dest;
    if (e->bound)
        wrong(e, "bound twice");
    e->bound = true;
    e->binding++;
    e->sent = e->came = e->peer_life = e->peer_binding = 0;
    e->owed = e == &ball[e->peer] ? BALLS : e->peer > me ? FLOOD : 0;
    if (e == &ball[e->peer])
        count_bound(true);
    pay(e);
}

static void on_unbound(void *ctx, rpr_ept_t ept, enum rpr_unbound_reason reason)
{
    struct end *e = ctx;

    (void)ept;
    (void)reason;
    e->bound = false;
    if (e == &ball[e->peer])
        count_bound(false);
}

static void on_writable(void *ctx, rpr_ept_t ept)
{
    (void)ept;
    pay(ctx);
}

static const struct rpr_ept_ops ept_ops = {
    .rx = rx, .bound = on_bound, .unbound = on_unbound, .writable = on_writable};

static void open_end(struct rpr_device *device, struct end *e, unsigned peer, const char *service)
{
    struct rpr_ept_config config = {.name = service,
                                    .addr = RPR_ADDR_ANY,
                                    .dest = RPR_ADDR_ANY,
                                    .quota = QUOTA,
                                    .ops = &ept_ops,
                                    .ctx = e};
    int error;

    if (e->opened)
        return;
    e->peer = peer;
    e->service = service;
    e->opened = true;
    error = rpr_ept_open(device, &config, &e->ept);
    if (error)
        wrong(e, "open: %s", rpr_strerror(error));
}

/* The first time that a routed device is up. */
static void event(void *ctx, const struct rpr_event *ev)
{
    unsigned peer;
    char rest;

    (void)ctx;
    if (ev->kind != RPR_EVENT_DEVICE_STATE || ev->state != RPR_DEVICE_UP ||
        sscanf(rpr_device_name(ev->device), "e%u%c", &peer, &rest) != 1)
        return;
    open_end(ev->device, &ball[peer], peer, "ball");
    open_end(ev->device, &flood[peer], peer, "flood");
}

/* hub_kills edge INDEX SHARED NEWS PARENT DIRECTORY; lives until it is killed. */
static int edge_main(char **argv)
{
    struct rpr_observer observer = {.event = event};
    struct rpr_loop_config config = {.slots = 64 * QUOTA, .slot_bytes = 64, .spin_us = UINT32_MAX};
    char name[16], url[PATH_BYTES], error[RPR_ERROR_TEXT];
    struct rpr_edge *edge;
    struct rpr_loop *loop;
    struct rpr_link *link;

    me = (unsigned)atoi(argv[2]);
    news = atoi(argv[4]);
    shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED, atoi(argv[3]), 0);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (shared == MAP_FAILED || getppid() != atoi(argv[5]))
        return 1;
    snprintf(name, sizeof name, "e%u", me);
    snprintf(url, sizeof url, "shm:%s/%s", argv[6], name);
    config.name = name;
    if (rpr_loop_open(&loop, &config))
        return 1;
    node = rpr_loop_node(loop);
    if (rpr_edge_open(node, &edge) || rpr_url_open(loop, "ap", url, &link, error))
        return 1;
    rpr_observer_add(node, &observer);
    while (!rpr_loop_turn(loop, -1))
        ;
    return 1;
}

/* ---- the parent ------------------------------------------------------------------------------------ */

struct sizes {
    long kib, descriptors;
};

static struct campaign {
    char directory[PATH_BYTES], program[PATH_BYTES], daemon[PATH_BYTES];
    char shared_fd[16], news_fd[16], parent[16];
    uint64_t random, seed;
    uint32_t kills, n_kills;
    pid_t hub, edge[N_EDGES];
    struct sizes first;
    struct histogram bound, all_bound;
} c;

static volatile sig_atomic_t interrupted;

static void interrupt(int number)
{
    interrupted = number;
}

static void end_process(pid_t *pid, int signal_number, int *status)
{
    if (*pid <= 0)
        return;
    kill(*pid, signal_number);
    while (waitpid(*pid, status, 0) < 0 && errno == EINTR)
        ;
    *pid = 0;
}

static void show_log(void)
{
    char path[PATH_BYTES + 16], line[512];
    FILE *file;

    snprintf(path, sizeof path, "%s/log", c.directory);
    file = fopen(path, "r");
    while (file && fgets(line, sizeof line, file))
        fprintf(stderr, "  rpmsgd: %s", line);
    if (file)
        fclose(file);
}

static void remove_directory(void)
{
    DIR *directory = opendir(c.directory);
    const struct dirent *entry;

    while (directory && (entry = readdir(directory)))
        if (entry->d_name[0] != '.' ||
            entry->d_name[1] > '.') /* temporary names begin with a dot */
            (void)unlinkat(dirfd(directory), entry->d_name, 0);
    if (directory)
        closedir(directory);
    if (rmdir(c.directory))
        perror(c.directory);
}

static void clean_up(void)
{
    int status;

    for (unsigned i = 0; i < N_EDGES; i++)
        end_process(&c.edge[i], SIGKILL, &status);
    end_process(&c.hub, SIGKILL, &status);
    remove_directory();
}

__attribute__((noreturn, format(printf, 1, 2))) static void fail(const char *format, ...)
{
    va_list arguments;

    fprintf(stderr, "FAILED after %u kills: ", c.n_kills);
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fprintf(stderr, "\n");
    for (unsigned i = 0; i < N_EDGES; i++)
        fprintf(stderr, "  e%u: life %u, %u bound, %u balls\n", i, shared->slot[i].life,
                shared->slot[i].n_bound, shared->slot[i].n_balls);
    show_log();
    fprintf(stderr, "the same choices again: hub_kills --kills %u --seed %llu\n", c.kills,
            (unsigned long long)c.seed);
    clean_up();
    exit(1);
}

/* Until it is so; edges say when something has changed, the hub does not. */
static void wait_until(bool (*is_so)(unsigned), unsigned i, const char *what)
{
    uint64_t end = now_ns() + WAIT_MS * UINT64_C(1000000);
    struct pollfd changed = {.fd = news, .events = POLLIN};
    uint64_t n;
    int status;

    while (!is_so(i)) {
        if (shared->failed)
            fail("%s", shared->wrong);
        if (interrupted) {
            clean_up();
            signal((int)interrupted, SIG_DFL);
            raise((int)interrupted);
        }
        if (waitpid(c.hub, &status, WNOHANG) == c.hub) {
            c.hub = 0;
            fail("the hub has ended");
        }
        if (now_ns() > end)
            fail("waited %u s for %s of e%u", WAIT_MS / 1000, what, i);
        if (poll(&changed, 1, 10) > 0 && read(news, &n, sizeof n) < 0 && errno != EAGAIN)
            fail("eventfd: %s", strerror(errno));
    }
}

static bool has_played(unsigned i)
{
    return shared->slot[i].n_balls >= shared->slot[i].goal;
}

static bool all_bound(unsigned i)
{
    (void)i;
    for (unsigned k = 0; k < N_EDGES; k++)
        if (shared->slot[k].n_bound != N_EDGES - 1)
            return false;
    return true;
}

static void start_edge(unsigned i)
{
    struct slot *s = &shared->slot[i];
    char index[16];
    char *argv[] = {c.program, "edge", index, c.shared_fd, c.news_fd, c.parent, c.directory, NULL};
    int error;

    snprintf(index, sizeof index, "%u", i);
    s->life++;
    s->n_bound = s->n_balls = 0;
    s->bound_ns = s->all_bound_ns = 0;
    s->goal = 1 + draw(&c.random, 100);
    s->spawned_ns = now_ns();
    error = posix_spawn(&c.edge[i], c.program, NULL, NULL, argv, environ);
    if (error)
        fail("cannot start an edge: %s", strerror(error));
}

static void kill_edge(unsigned i)
{
    struct slot *s = &shared->slot[i];
    int status;

    if (draw(&c.random, 4))
        wait_until(has_played, i, "traffic");
    end_process(&c.edge[i], SIGKILL, &status);
    if (!WIFSIGNALED(status))
        fail("e%u ended by itself", i);
    if (s->bound_ns)
        histogram_add(&c.bound, s->bound_ns - s->spawned_ns);
    if (s->all_bound_ns)
        histogram_add(&c.all_bound, s->all_bound_ns - s->spawned_ns);
    c.n_kills++;
}

static void start_hub(void)
{
    char path[PATH_BYTES + 16], arguments[N_EDGES][2 * PATH_BYTES], route[32];
    char *argv[10 + 2 * N_EDGES] = {c.daemon, "--name", "ap", "--control", path, "--route", route};
    unsigned n = 7;

    snprintf(path, sizeof path, "%s/ap", c.directory);
    snprintf(route, sizeof route, "all,quota=%u", QUOTA);
    for (unsigned i = 0; i < N_EDGES; i++) {
        snprintf(arguments[i], sizeof arguments[i], "e%u=shm:%s/e%u?listen=1&buffers=16&size=64", i,
                 c.directory, i);
        argv[n++] = "--link";
        argv[n++] = arguments[i];
    }
    c.hub = fork();
    if (c.hub < 0)
        fail("fork: %s", strerror(errno));
    if (c.hub == 0) {
        char log[PATH_BYTES + 16];
        int fd;

        snprintf(log, sizeof log, "%s/log", c.directory);
        fd = open(log, O_WRONLY | O_CREAT | O_TRUNC, 0600);
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        dup2(fd, STDOUT_FILENO);
        dup2(fd, STDERR_FILENO);
        execv(c.daemon, argv);
        perror(c.daemon);
        _exit(127);
    }
}

/* ---- what the hub takes ------------------------------------------------------------------------------ */

static long count_descriptors(void)
{
    char path[64];
    DIR *directory;
    long n = -2; /* . and .. */

    snprintf(path, sizeof path, "/proc/%d/fd", (int)c.hub);
    directory = opendir(path);
    if (!directory)
        fail("%s: %s", path, strerror(errno));
    while (readdir(directory))
        n++;
    closedir(directory);
    return n;
}

static long resident_kib(void)
{
    char path[64], line[128];
    long kib = 0;
    FILE *file;

    snprintf(path, sizeof path, "/proc/%d/smaps_rollup", (int)c.hub);
    file = fopen(path, "r");
    while (file && fgets(line, sizeof line, file))
        if (sscanf(line, "Rss: %ld", &kib) == 1)
            break;
    if (file)
        fclose(file);
    return kib;
}

static bool descriptors_back(unsigned i)
{
    (void)i;
    return count_descriptors() == c.first.descriptors;
}

static void measure(uint64_t began_ns)
{
    struct sizes s;
    uint64_t messages = 0;

    wait_until(all_bound, 0, "all bindings");
    if (c.first.kib)
        wait_until(descriptors_back, 0, "the hub's descriptors");
    s = (struct sizes){resident_kib(), count_descriptors()};
    if (!c.first.kib)
        c.first = s;
    for (unsigned i = 0; i < N_EDGES; i++)
        messages += shared->slot[i].n_messages;
    printf("%7u kills, %4.0f a second, %llu messages; hub: %ld KiB, %ld descriptors; from exec to "
           "bound "
           "%.1f ms, at most %.1f; to all peers %.1f ms\n",
           c.n_kills, c.n_kills / ((double)(now_ns() - began_ns) / 1e9),
           (unsigned long long)messages, s.kib, s.descriptors,
           (double)histogram_at(&c.bound, 500) / 1e6, (double)c.bound.max / 1e6,
           (double)histogram_at(&c.all_bound, 500) / 1e6);
    fflush(stdout);
    if (!CHECKED && s.kib > c.first.kib + GROWTH_KIB)
        fail("the hub grows: from %ld KiB to %ld KiB", c.first.kib, s.kib);
}

/* ---- all of it ------------------------------------------------------------------------------------------ */

static void set_up(void)
{
    const char *bin = getenv("RPR_BIN"), *temporary = getenv("TMPDIR");
    int fd = memfd_create("hub_kills", 0);

    if (!bin || fd < 0 || ftruncate(fd, sizeof *shared) < 0) {
        fprintf(stderr, "hub_kills: %s\n", bin ? strerror(errno) : "RPR_BIN is not set");
        exit(2);
    }
    shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    news = eventfd(0, EFD_NONBLOCK);
    snprintf(c.shared_fd, sizeof c.shared_fd, "%d", fd);
    snprintf(c.news_fd, sizeof c.news_fd, "%d", news);
    snprintf(c.parent, sizeof c.parent, "%d", (int)getpid());
    snprintf(c.daemon, sizeof c.daemon, "%s/rpmsgd", bin);
    snprintf(c.directory, sizeof c.directory, "%s/hub_kills-XXXXXX",
             temporary ? temporary : "/tmp");
    if (shared == MAP_FAILED || news < 0 || !mkdtemp(c.directory) ||
        readlink("/proc/self/exe", c.program, sizeof c.program - 1) < 0) {
        perror("hub_kills");
        exit(2);
    }
    signal(SIGINT, interrupt);
    signal(SIGTERM, interrupt);
}

static void run(void)
{
    uint32_t interval = c.kills >= 10000 ? 1000 : (c.kills + 9) / 10;
    uint64_t began_ns;
    int status = 0;

    start_hub();
    for (unsigned i = 0; i < N_EDGES; i++)
        start_edge(i);
    wait_until(all_bound, 0, "all bindings");
    began_ns = now_ns();
    while (c.n_kills < c.kills) {
        unsigned i = draw(&c.random, N_EDGES);

        kill_edge(i);
        start_edge(i);
        if (c.n_kills % interval == 0 || c.n_kills == c.kills)
            measure(began_ns);
    }
    end_process(&c.hub, SIGTERM, &status);
    if (!WIFEXITED(status) || WEXITSTATUS(status))
        fail("the hub ended with %d", status);
    printf("%u kills: nothing stale, nothing lost; hub from %ld KiB\n", c.n_kills, c.first.kib);
    clean_up();
}

int main(int argc, char **argv)
{
    if (argc == 7 && strcmp(argv[1], "edge") == 0)
        return edge_main(argv);
    c.kills = 1000;
    c.seed = now_ns();
    campaign_options(argc, argv, "--kills", &c.kills, &c.seed);
    c.random = c.seed | 1;
    printf("hub_kills --kills %u --seed %llu\n", c.kills, (unsigned long long)c.seed);
    fflush(stdout);
    set_up();
    run();
    return 0;
}
