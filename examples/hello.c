/* SPDX-License-Identifier: Apache-2.0 */
/* Sends TEXT to SERVICE on DEVICE through the running rpmsgd and prints what comes back. The data
 * flows over this program's own shared memory. usage: hello DEVICE SERVICE TEXT */
#include <rpr/posix.h>
#include <stdio.h>
#include <string.h>

int main(int argc, char **argv)
{
    char text[2048] = "usage: hello DEVICE SERVICE TEXT";
    struct rpr_client *client;

    if (argc != 4 || rpr_client_open(&client, NULL, argv[1], argv[2], text) != 0)
        return fprintf(stderr, "%s\n", text), 1;
    int n = rpr_client_send(client, argv[3], strlen(argv[3]), 5000);
    if (n == 0)
        n = rpr_client_recv(client, text, sizeof(text), 5000);
    rpr_client_close(client, 0);
    if (n < 0)
        return fprintf(stderr, "%s on %s: %s\n", argv[2], argv[1], rpr_strerror(n)), 1;
    return printf("%.*s\n", n, text) < 0;
}
