/* SPDX-License-Identifier: Apache-2.0 */
/* Sends TEXT to SERVICE on DEVICE through the running rpmsgd and prints what comes back. The data
 * flows over this program's own shared memory. usage: hello DEVICE SERVICE TEXT */
#include <stdio.h>
#include <string.h>

#include <rpr/posix.h>

int main(int argc, char **argv)
{
    char error[RPR_ERROR_TEXT] = "usage: hello DEVICE SERVICE TEXT", answer[2048];
    struct rpr_client *client;

    if (argc != 4 || rpr_client_open(&client, NULL, argv[1], argv[2], error) != 0)
        return fprintf(stderr, "%s\n", error), 1;
    rpr_client_wait(client, 5000); /* what goes wrong here is what the next call says */
    rpr_client_send(client, argv[3], strlen(argv[3]), 5000);
    int length = rpr_client_recv(client, answer, sizeof(answer), 5000);
    printf("%.*s\n", length < 0 ? 0 : length, answer);
    rpr_client_close(client, 1000);
    return length < 0;
}
