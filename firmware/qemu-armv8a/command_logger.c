/* SPDX-License-Identifier: Apache-2.0 */
/* The command logger: a line of the user into the log. */
#include <string.h>

#include "app.h"
#include "log.h"

void command_logger(char **args, unsigned n)
{
    char line[128] = "";

    for (unsigned i = 0; i < n; i++) { /* the shell's line is no longer than this one */
        strcat(line, args[i]);
        if (i + 1 < n)
            strcat(line, " ");
    }
    log_say("%s", line);
}
