/* SPDX-License-Identifier: Apache-2.0 */
/* Sends a line to SERVICE on DEVICE through the running rpmsgd, prints the answer.
 * Data flows over the program's own shared-memory link. usage: hello DEVICE SERVICE TEXT */
#include <stdio.h>
#include <string.h>

#include <rpr/posix.h>

int main(int argc, char **argv)
{
    char error[RPR_ERROR_TEXT], answer[2048];
    struct rpr_client *client;

    if (argc != 4 || rpr_client_open(&client, NULL, argv[1], argv[2], error) != 0)
        return fprintf(stderr, "%s\n", argc != 4 ? "hello DEVICE SERVICE TEXT" : error), 1;
    int result = rpr_client_wait(client, 5000);
    if (result == 0)
        result = rpr_client_send(client, argv[3], strlen(argv[3]), 5000);
    int length = result == 0 ? rpr_client_recv(client, answer, sizeof(answer), 5000) : result;
    if (length >= 0)
        printf("%.*s\n", length, answer);
    rpr_client_close(client, 1000);
    return length >= 0 ? 0 : (fprintf(stderr, "%s\n", rpr_strerror(length)), 1);
}
