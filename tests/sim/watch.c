/* SPDX-License-Identifier: Apache-2.0 */
/* One run: what is told of it when it fails, crashes or does not end. */
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "run.h"

#define WATCHDOG_S \
    60u /* wall clock for one seed, which takes milliseconds; many under a sanitizer */

void *run_share(size_t bytes)
{
    void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    if (memory == MAP_FAILED) {
        perror("rpr-sim: mmap");
        exit(2);
    }
    return memory;
}

struct scene *run_scene(void)
{
    struct scene *scene = calloc(1, sizeof *scene);

    if (!scene) {
        perror("rpr-sim: calloc");
        exit(2);
    }
    return scene;
}

/* ---- what replays it ------------------------------------------------------------------------------- */

/* As "0-4,17"; nothing where all of them are there. */
static size_t print_kept(char *to, size_t size, const struct scene_config *config)
{
    size_t n = 0;

    for (uint32_t i = 0; i < SCENE_ACTIONS; i++) {
        uint32_t first = i;

        if (scene_skips(config, i))
            continue;
        while (i + 1 < SCENE_ACTIONS && !scene_skips(config, i + 1))
            i++;
        if (n + 16 > size)
            break;
        n += (size_t)snprintf(to + n, size - n, first == i ? "%s%u" : "%s%u-%u", n ? "," : "",
                              first, i);
    }
    return n;
}

static size_t print_faults(char *to, size_t size, const struct scene_config *config)
{
    size_t n = 0;

    for (unsigned i = 0; i < SIM_N_FAULTS; i++)
        if (config->without >> i & 1)
            n += (size_t)snprintf(to + n, size - n, "%s%s", n ? "," : "",
                                  sim_fault_name((enum sim_fault)i));
    return n;
}

static size_t print_wires(char *to, size_t size, const struct scene_config *config)
{
    size_t n = 0;

    for (unsigned i = 0; i < SIM_WIRES; i++)
        if (config->without_wires >> i & 1)
            n += (size_t)snprintf(to + n, size - n, "%s%u", n ? "," : "", i);
    return n;
}

static void format_command(char *to, size_t size, const struct scene_config *config)
{
    char list[4096];
    size_t n = (size_t)snprintf(to, size, "./dev sim --scene %s --seed %" PRIu64,
                                config->kind->name, config->seed);

    if (config->without) {
        print_faults(list, sizeof list, config);
        n += (size_t)snprintf(to + n, size - n, " --without %s", list);
    }
    if (config->without_wires) {
        print_wires(list, sizeof list, config);
        n += (size_t)snprintf(to + n, size - n, " --without-wires %s", list);
    }
    list[0] = '\0';
    if (print_kept(list, sizeof list, config) && strcmp(list, "0-4095") != 0)
        n += (size_t)snprintf(to + n, size - n, " --only %s", list);
    else if (!list[0])
        n += (size_t)snprintf(to + n, size - n, " --only none");
    if (config->leave_out)
        snprintf(to + n, size - n, " --leave-out %s", config->leave_out);
}

void run_print_command(const struct scene_config *config)
{
    char command[8192];

    format_command(command, sizeof command, config);
    printf("replay: %s\n", command);
}

void run_explain(const struct sim *sim)
{
    uint64_t n = sim->n_events < SIM_LINES ? sim->n_events : SIM_LINES;

    printf("the last events (ms, what):\n");
    for (uint64_t i = sim->n_events - n; i < sim->n_events; i++)
        printf("%s\n", sim->line[i % SIM_LINES]);
}

/* ---- the watchdog: signal handlers, so nothing but write() ---------------------------------------- */

static const struct scene *watched;
static struct sigaction former[NSIG]; /* the sanitizers have a say too */
static char obituary[8300];           /* of the run, without what happened to it */

static void put(const char *text)
{
    ssize_t done = write(STDOUT_FILENO, text, strlen(text));

    (void)done;
}

/* Returns to what dies of it once more, with the former action. */
static void on_death(int signal)
{
    const struct sim *sim = &watched->sim;
    uint64_t n = sim->n_events < SIM_LINES ? sim->n_events : SIM_LINES;

    put("\nthe last events (ms, what):\n");
    for (uint64_t i = sim->n_events - n; i < sim->n_events; i++) {
        put(sim->line[i % SIM_LINES]);
        put("\n");
    }
    put(signal == SIGALRM ? "it hangs" : "it crashed");
    put(obituary);
    if (signal == SIGALRM)
        _exit(3);
    sigaction(signal, &former[signal], NULL);
}

void watch_for_death(const struct scene *scene)
{
    static char stack[64 * 1024]; /* the usual one may be what has run out */
    static const int signals[] = {SIGALRM, SIGSEGV, SIGBUS, SIGABRT, SIGILL, SIGFPE};
    stack_t other = {.ss_sp = stack, .ss_size = sizeof stack};
    struct sigaction action = {.sa_handler = on_death, .sa_flags = SA_ONSTACK};

    watched = scene;
    sigaltstack(&other, NULL);
    for (unsigned i = 0; i < sizeof signals / sizeof signals[0]; i++)
        sigaction(signals[i], &action, &former[signals[i]]);
}

void watch_seed(const struct scene_config *config)
{
    size_t n =
        (size_t)snprintf(obituary, sizeof obituary, ": seed %" PRIu64 "\nreplay: ", config->seed);

    fflush(stdout);
    format_command(obituary + n, sizeof obituary - n - 1, config);
    n = strlen(obituary);
    memcpy(obituary + n, "\n", 2);
    alarm(WATCHDOG_S);
}

/* ---- in a process of its own ------------------------------------------------------------------------ */

static void be_quiet(void)
{
    if (!freopen("/dev/null", "w", stdout) || !freopen("/dev/null", "w", stderr))
        _exit(2);
}

static void run_child(const struct scene_config *config, bool explain, struct run_result *result)
{
    struct scene *scene = run_scene();

    if (!explain)
        be_quiet();
    watch_for_death(scene);
    watch_seed(config);
    if (!scene_run(scene, config)) {
        result->failed = true;
        snprintf(result->how, sizeof result->how, "%s", scene->sim.violation);
        if (explain) {
            run_explain(&scene->sim);
            printf("seed %" PRIu64 ": %s\n", config->seed, result->how);
        }
    }
    result->action = scene->action;
    result->n_wires = scene->n_wires_seen;
    for (unsigned i = 0; i < SIM_N_FAULTS; i++)
        result->faults |= (scene->sim.n_faults[i] != 0) << i;
    free(scene);
    fflush(stdout);
}

void run_alone(const struct scene_config *config, bool explain, struct run_result *result)
{
    static struct run_result *shared;
    int status = 0;
    pid_t pid;

    if (!shared)
        shared = run_share(sizeof *shared);
    memset(shared, 0, sizeof *shared);
    fflush(stdout);
    pid = fork();
    if (pid == 0) {
        run_child(config, explain, shared);
        _exit(0);
    }
    if (pid < 0 || waitpid(pid, &status, 0) != pid) {
        perror("rpr-sim: fork");
        exit(2);
    }
    *result = *shared;
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return;
    result->failed = true;
    result->action = SCENE_ACTIONS;
    snprintf(result->how, sizeof result->how, "%s",
             WIFEXITED(status) && WEXITSTATUS(status) == 3 ? "it hangs" : "it crashes");
}
