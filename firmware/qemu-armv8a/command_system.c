/* SPDX-License-Identifier: Apache-2.0 */
/* Commands about the machine: ps, free, uname, poweroff. */
#include "app.h"
#include "board.h"
#include "clock.h"
#include "console.h"
#include "uart_link.h"

/* ---- ps ------------------------------------------------------------------------------------------- */

static void print_task(unsigned id, const char *state, uint64_t busy_ns, uint64_t all_ns,
                       const struct board_stack *stack, const char *name)
{
    unsigned cpu = all_ns ? (unsigned)(busy_ns * 1000 / all_ns) : 0;
    unsigned filled = stack->used * 1000 / stack->bytes;

    console_printf("%5u %5u %5u   0 FIFO     Kthread   - %-8s           0000000000000000 %07u "
                   "%07u %3u.%u%% %3u.%u%% %s\n",
                   id, id, 0, state, (unsigned)stack->bytes, (unsigned)stack->used, filled / 10,
                   filled % 10, cpu / 10, cpu % 10, name);
}

/* NuttX's table, with its column CPU. All of them run on the one stack, one after the other. */
void command_ps(char **args, unsigned n)
{
    const struct baremetal *bm = &app.bm;
    struct board_stack stack = board_stack();
    uint64_t all_ns = clock_ns();
    unsigned id = 0;

    (void)args;
    (void)n;
    console_printf("  TID   PID  PPID PRI POLICY   TYPE    NPX STATE    EVENT     SIGMASK         "
                   "   STACK    USED FILLED    CPU COMMAND\n");
    print_task(id++, "Ready", bm->idle_ns, all_ns, &stack, "Idle_Task");
    print_task(id++, "Ready", bm->node_ns, all_ns, &stack, "rpmsg-owner");
    for (const struct baremetal_task *t = bm->tasks; t; t = t->next)
        print_task(id++, t == bm->running ? "Running" : "Ready", t->busy_ns, all_ns, &stack,
                   t->name);
}

/* ---- free ----------------------------------------------------------------------------------------- */

void command_free(char **args, unsigned n)
{
    (void)args;
    (void)n;
    console_printf("   BLOCK  BLOCKS    USED    PEAK REFUSED\n");
    for (unsigned i = 0; i < board_pools.n; i++) {
        const struct baremetal_pool *p = &board_pools.pool[i];

        console_printf("%8u %7u %7u %7u %7u\n", (unsigned)p->bytes, (unsigned)p->n,
                       (unsigned)p->n_used, (unsigned)p->n_peak, (unsigned)p->n_refused);
    }
}

/* ---- uname ---------------------------------------------------------------------------------------- */

void command_uname(char **args, unsigned n)
{
    (void)args;
    if (n)
        console_printf("rpmsg-router %s " RPR_VERSION " " RPR_BUILD " arm64 qemu-armv8a\n",
                       app.config.name);
    else
        console_printf("rpmsg-router\n");
}

/* ---- poweroff ------------------------------------------------------------------------------------- */

#define STOP_NS UINT64_C(1000000000) /* for peers that take nothing */
#define REST_NS UINT64_C(100000000)  /* NuttX acts on POWEROFF before what came just before it */

static uint64_t stop_at_ns, routes_ended_ns;
static bool links_told;

static bool all_down(void)
{
    struct rpr_device_info info;

    for (struct rpr_device *d = rpr_device_next(app.node, NULL); d;
         d = rpr_device_next(app.node, d)) {
        rpr_device_info(d, &info);
        if (info.kind == RPR_DEVICE_LINK && info.state != RPR_DEVICE_DOWN)
            return false;
    }
    return uart_links_closed();
}

/* Routes first, then links: so nobody behind us takes the end of a link for the end of a service. */
static void stop(struct baremetal_task *task)
{
    struct rpr_device *d;

    (void)task;
    if (clock_ns() >= stop_at_ns)
        board_power_off();
    baremetal_wake(&app.bm);
    if (app.hub && !routes_ended_ns) {
        if (rpr_hub_stop(app.hub))
            routes_ended_ns = clock_ns();
        return;
    }
    if (clock_ns() - routes_ended_ns < REST_NS)
        return;
    for (d = rpr_device_next(app.node, NULL); d && !links_told; d = rpr_device_next(app.node, d))
        (void)rpr_device_down(d);
    if (links_told && all_down())
        board_power_off();
    links_told = true;
}

void command_poweroff(char **args, unsigned n)
{
    static struct baremetal_task task = {.name = "poweroff", .run = stop};

    (void)args;
    (void)n;
    stop_at_ns = clock_ns() + STOP_NS;
    shell_job(NULL);
    baremetal_add(&app.bm, &task);
    baremetal_wake(&app.bm);
}
