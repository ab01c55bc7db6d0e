/* SPDX-License-Identifier: Apache-2.0 */
#include "shell.h"

#include <string.h>

#include "console.h"
#include "pl011.h"
#include "words.h"

#define LINE      128u
#define MAX_WORDS 10u

enum { CTRL_C = 3, BACKSPACE = 8, CTRL_U = 21, DELETE = 127 };

static struct {
    struct baremetal *bm;
    struct baremetal_task task;
    const char *name;
    const struct shell_command *commands;
    char line[LINE];
    unsigned n;
    bool cr;       /* the last character: a line feed after it is part of it */
    bool prompted; /* there is a prompt, and what was typed after it */
    bool busy;     /* a job runs */
    void (*stop)(void);
} shell;

static void prompt(void)
{
    console_printf("%s> ", shell.name);
    shell.prompted = true;
}

/* ECMA-48: to the line's start, and erase it. */
static void hide(void)
{
    if (shell.prompted)
        console_printf("\r\x1b[K");
}

static void show(void)
{
    if (shell.prompted)
        console_printf("%s> %.*s", shell.name, (int)shell.n, shell.line);
}

void shell_job(void (*stop)(void))
{
    shell.busy = true;
    shell.stop = stop;
}

void shell_job_end(void)
{
    shell.busy = false;
    prompt();
    baremetal_wake(shell.bm); /* what was typed meanwhile */
}

static unsigned n_words(const char *text)
{
    unsigned n = 1;

    for (; *text; text++)
        n += *text == ' ';
    return n;
}

/* Do the first words of the line call this command? */
static bool is_called(const struct shell_command *c, char **words, unsigned n)
{
    const char *at = c->words;

    for (unsigned i = 0; i < n && *at; i++) {
        size_t len = strcspn(at, " ");

        if (strlen(words[i]) != len || strncmp(at, words[i], len) != 0)
            return false;
        at += len;
        if (!*at)
            return true;
        at++;
    }
    return false;
}

static void help(void)
{
    for (const struct shell_command *c = shell.commands; c->words; c++)
        console_printf("  %s%s%s\n", c->words, *c->usage ? " " : "", c->usage);
}

static void run_line(void)
{
    char *words[MAX_WORDS];
    unsigned n = words_split(shell.line, words, MAX_WORDS), own;

    if (!n || n > MAX_WORDS) {
        if (n)
            console_printf("too many words\n");
        return;
    }
    for (const struct shell_command *c = shell.commands; c->words; c++) {
        if (!is_called(c, words, n))
            continue;
        own = n_words(c->words);
        if (n - own < c->n_min || n - own > c->n_max)
            console_printf("usage: %s %s\n", c->words, c->usage);
        else if (c->run)
            c->run(words + own, n - own);
        else
            help();
        return;
    }
    console_printf("%s: command not found; try help\n", words[0]);
}

static void end_line(void)
{
    console_printf("\n");
    shell.prompted = false;
    shell.line[shell.n] = '\0';
    shell.n = 0;
    run_line();
    if (!shell.busy)
        prompt();
}

static void rub_out(void)
{
    if (!shell.n)
        return;
    shell.n--;
    console_printf("\b \b");
}

static void take(int c)
{
    bool after_cr = shell.cr;

    shell.cr = c == '\r';
    if (c == '\r' || (c == '\n' && !after_cr)) {
        end_line();
    } else if (c == CTRL_C) {
        shell.n = 0;
        console_printf("^C\n");
        prompt();
    } else if (c == BACKSPACE || c == DELETE) {
        rub_out();
    } else if (c == CTRL_U) {
        while (shell.n)
            rub_out();
    } else if (c >= ' ' && shell.n < LINE - 1) {
        shell.line[shell.n++] = (char)c;
        pl011_write((const char[]){(char)c}, 1);
    }
}

/* While a job runs, what is typed waits in the console's buffer, up to a Ctrl-C. */
static void run(struct baremetal_task *task)
{
    int c;

    (void)task;
    while (!shell.busy && (c = pl011_read()) >= 0)
        take(c);
    if (shell.busy && shell.stop && pl011_skip_to(CTRL_C)) {
        console_printf("^C\n");
        shell.stop();
    }
}

void shell_input(void)
{
    baremetal_wake(shell.bm);
}

void shell_start(struct baremetal *bm, const char *name, const struct shell_command *commands)
{
    shell.bm = bm;
    shell.name = name;
    shell.commands = commands;
    shell.task = (struct baremetal_task){.name = "shell", .run = run};
    baremetal_add(bm, &shell.task);
    console_around(hide, show);
    prompt();
}
