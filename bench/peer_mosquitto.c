/* SPDX-License-Identifier: Apache-2.0 */
/*
 * peer_mosquitto_*: MQTT, two clients and a broker of their own on loopback, quality of service 0
 * (what is cheapest), TCP_NODELAY on both ends, and a broker that drops nothing for want of room.
 */
#include <stdbool.h>

#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include <mosquitto.h>

#include "peer.h"

#define BROKER "/usr/sbin/mosquitto" /* package mosquitto */

static struct mosquitto *client;
static char topic_self[2];
static char topic_other[2];
static int port;

/* What came, until somebody asks: one read may bring several messages. */
static struct {
    uint8_t data[PEER_MAX_MESSAGE];
    size_t len;
} inbox;

static void need(int error, const char *what)
{
    if (error != MOSQ_ERR_SUCCESS)
        bench_die("mosquitto: %s: %s", what, mosquitto_strerror(error));
}

/* ---- broker -------------------------------------------------------------------------------------- */

/* A port of loopback that nobody has: the broker cannot tell which one it chose by itself. */
static int free_port(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof(address);
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    if (fd < 0 || bind(fd, (struct sockaddr *)&address, size) != 0 ||
        getsockname(fd, (struct sockaddr *)&address, &size) != 0)
        bench_die("mosquitto: no free port: %s", strerror(errno));
    close(fd);
    return ntohs(address.sin_port);
}

static void run_hub(void)
{
    char path[80];
    FILE *file;

    peer_path(path, sizeof(path), "", "hub");
    file = fopen(path, "w");
    if (!file)
        bench_die("mosquitto: %s: %s", path, strerror(errno));
    fprintf(file,
            "listener %d 127.0.0.1\nallow_anonymous true\nlog_type error\n"
            "set_tcp_nodelay true\nmax_queued_messages 0\n",
            port);
    fclose(file);
    execl(BROKER, "mosquitto", "-c", path, NULL);
    bench_die("%s: %s", BROKER, strerror(errno));
}

/* ---- clients ------------------------------------------------------------------------------------- */

static void on_message(struct mosquitto *from, void *ctx, const struct mosquitto_message *message)
{
    (void)from;
    (void)ctx;
    inbox.len = (size_t)message->payloadlen;
    if (inbox.len > sizeof(inbox.data))
        bench_die("mosquitto: a message of %zu bytes", inbox.len);
    memcpy(inbox.data, message->payload, inbox.len);
}

/* Waits for the socket; true unless the time is over. */
static bool wait_for(short events, int timeout_ms)
{
    struct pollfd fd = {.fd = mosquitto_socket(client), .events = events};
    int got;

    if (mosquitto_want_write(client))
        fd.events |= POLLOUT;
    got = poll(&fd, 1, timeout_ms);
    if (got < 0)
        bench_die("mosquitto: poll: %s", strerror(errno));
    if (fd.revents & POLLOUT)
        need(mosquitto_loop_write(client, 1), "write");
    return got > 0;
}

static void subscribe(void)
{
    int answered;

    need(mosquitto_subscribe(client, NULL, topic_self, 0), "subscribe");
    /* The answers to CONNECT and SUBSCRIBE. Data before them would do as well. */
    for (answered = 0; answered < 2 && inbox.len == 0; answered++) {
        if (!wait_for(POLLIN, PEER_PATIENCE))
            bench_die("mosquitto: no answer from the broker");
        need(mosquitto_loop_read(client, 1), "read");
    }
}

static void connect_to_hub(char self)
{
    int error = MOSQ_ERR_ERRNO;

    topic_self[0] = self;
    topic_other[0] = self == 'a' ? 'b' : 'a';
    inbox.len = 0;
    mosquitto_lib_init();
    client = mosquitto_new(NULL, true, NULL);
    if (!client)
        bench_die("mosquitto: no client");
    mosquitto_message_callback_set(client, on_message);
    need(mosquitto_int_option(client, MOSQ_OPT_TCP_NODELAY, 1), "nodelay");
    for (int waited = 0; error != MOSQ_ERR_SUCCESS && waited < PEER_PATIENCE; waited += 10) {
        error = mosquitto_connect(client, "127.0.0.1", port, 600);
        if (error != MOSQ_ERR_SUCCESS)
            usleep(10000); /* the broker is not there yet, and nothing tells */
    }
    need(error, "connect");
    subscribe();
}

static void disconnect(void)
{
    while (mosquitto_want_write(client))
        wait_for(0, PEER_PATIENCE);
    mosquitto_disconnect(client);
    mosquitto_destroy(client);
    mosquitto_lib_cleanup();
}

static void send_to_other(const void *data, size_t len)
{
    need(mosquitto_publish(client, NULL, topic_other, (int)len, data, 0, false), "publish");
    while (mosquitto_want_write(client))
        if (!wait_for(0, PEER_PATIENCE))
            bench_die("mosquitto: the broker does not read");
}

static size_t receive(void *data, size_t size, int timeout_ms)
{
    size_t len;

    (void)size;
    /* Looks before it sleeps: what waits costs no poll. */
    need(mosquitto_loop_read(client, 1), "read");
    while (inbox.len == 0) {
        if (!wait_for(POLLIN, timeout_ms))
            return 0;
        need(mosquitto_loop_read(client, 1), "read");
    }
    len = inbox.len;
    memcpy(data, inbox.data, len);
    inbox.len = 0;
    return len;
}

int main(void)
{
    static const struct peer mosquitto = {
        .name = "mosquitto",
        .n_trips = 4096,
        .n_oneway = 32768,
        .run_hub = run_hub,
        .connect = connect_to_hub,
        .disconnect = disconnect,
        .send = send_to_other,
        .receive = receive,
    };

    if (access(BROKER, X_OK) != 0) {
        fprintf(stderr, "%s: %s\n", BROKER, strerror(errno));
        return BENCH_EXIT_SKIP;
    }
    port = free_port();
    return peer_main(&mosquitto);
}
