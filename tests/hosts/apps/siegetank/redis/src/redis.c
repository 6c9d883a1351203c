/* A very small server of redis's protocol: AUTH, PING, SET, GET, KEYS PREFIX*, SHUTDOWN. */
#define _GNU_SOURCE
#include "store.h"

#include <arpa/inet.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#define CLIENTS 256
#define WORDS 8

static struct client { int fd, known; size_t length; char data[65536]; } clients[CLIENTS];
static const char *password;

static void say(int fd, const char *text)
{
    if (write(fd, text, strlen(text)) < 0)
        perror("write");
}

static void bulk(int fd, const char *text)
{
    char head[32];

    snprintf(head, sizeof head, "$%zu\r\n", strlen(text));
    say(fd, head);
    say(fd, text);
    say(fd, "\r\n");
}

static void keys(int fd, char *pattern)
{
    char head[32];
    const char *name;
    int count = 0;

    pattern[strcspn(pattern, "*")] = 0;
    while (store_name(count, pattern))
        count++;
    snprintf(head, sizeof head, "*%d\r\n", count);
    say(fd, head);
    for (int i = 0; (name = store_name(i, pattern)); i++)
        bulk(fd, name);
}

static void obey(struct client *client, char **words, int count)
{
    const char *verb = words[0], *value;

    if (!strcasecmp(verb, "AUTH") && count > 1) {
        client->known = password && !strcmp(words[count - 1], password);
        say(client->fd, client->known ? "+OK\r\n" : "-ERR invalid password\r\n");
    } else if (!client->known)
        say(client->fd, "-NOAUTH Authentication required.\r\n");
    else if (!strcasecmp(verb, "PING"))
        say(client->fd, "+PONG\r\n");
    else if (!strcasecmp(verb, "SET") && count > 2) {
        store_set(words[1], words[2]);
        say(client->fd, "+OK\r\n");
    } else if (!strcasecmp(verb, "GET") && count > 1) {
        value = store_get(words[1]);
        value ? bulk(client->fd, value) : say(client->fd, "$-1\r\n");
    } else if (!strcasecmp(verb, "KEYS") && count > 1)
        keys(client->fd, words[1]);
    else if (!strcasecmp(verb, "SHUTDOWN"))
        exit(0);
    else
        say(client->fd, "-ERR unknown command\r\n");
}

/* Obeys the first command of what a client has sent; 1 if there was a whole one, 0 if not yet, -1 for nonsense. */
static int take(struct client *client)
{
    char *words[WORDS], *at = client->data, *end = client->data + client->length, *line;
    long count, length;

    if (at == end || !(line = memchr(at, '\n', end - at)))
        return 0;
    count = strtol(at + 1, NULL, 10);
    if (*at != '*' || count < 1 || count > WORDS)
        return -1;
    at = line + 1;
    for (long i = 0; i < count; i++) {
        if (at >= end || !(line = memchr(at, '\n', end - at)))
            return 0;
        length = strtol(at + 1, NULL, 10);
        if (*at != '$' || length < 0 || length >= (long)sizeof client->data)
            return -1;
        words[i] = line + 1;
        at = words[i] + length + 2;
        if (at > end)
            return 0;
    }
    /* Only now, for until the command is whole it is read again. */
    at = memchr(client->data, '\n', client->length) + 1;
    for (long i = 0; i < count; i++) {
        length = strtol(at + 1, NULL, 10);
        words[i][length] = 0;
        at = words[i] + length + 2;
    }
    obey(client, words, (int)count);
    client->length = end - at;
    memmove(client->data, at, client->length);
    return 1;
}

static int hear(struct client *client)
{
    ssize_t got = read(client->fd, client->data + client->length, sizeof client->data - client->length - 1);
    int more;

    if (got <= 0)
        return -1;
    client->length += got;
    while ((more = take(client)) > 0)
        ;
    return more;
}

static void accept_client(int server)
{
    int fd = accept(server, NULL, NULL);

    for (int i = 0; fd >= 0 && i < CLIENTS; i++)
        if (clients[i].fd < 0) {
            clients[i].fd = fd;
            clients[i].length = 0;
            clients[i].known = !password;
            return;
        }
    if (fd >= 0)
        close(fd);
}

static int listen_on(int port, const char *bind_to)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    int server = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), yes = 1;

    /* As the real one: everywhere, unless it is told where. */
    address.sin_addr.s_addr = bind_to ? inet_addr(bind_to) : htonl(INADDR_ANY);
    setsockopt(server, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    if (server < 0 || bind(server, (struct sockaddr *)&address, sizeof address) || listen(server, 64)) {
        perror("listen");
        exit(1);
    }
    return server;
}

int main(int argc, char **argv)
{
    struct pollfd polled[CLIENTS + 1];
    const char *file = NULL, *bind_to = NULL;
    int port = 6379, keep = 0, server;

    for (int i = 1; i + 1 < argc; i += 2) {
        if (!strcmp(argv[i], "--port"))
            port = atoi(argv[i + 1]);
        else if (!strcmp(argv[i], "--requirepass"))
            password = argv[i + 1];
        else if (!strcmp(argv[i], "--bind"))
            bind_to = argv[i + 1];
        else if (!strcmp(argv[i], "--appendfilename"))
            file = argv[i + 1];
        else if (!strcmp(argv[i], "--appendonly"))
            keep = !strcmp(argv[i + 1], "yes");
        else if (!strcmp(argv[i], "--logfile") && !freopen(argv[i + 1], "a", stdout))
            return 1;
    }
    signal(SIGPIPE, SIG_IGN);
    server = listen_on(port, bind_to);
    if (file && keep)
        store_open(file);
    printf("%d listens on %d\n", (int)getpid(), port);
    fflush(stdout);
    for (int i = 0; i < CLIENTS; i++)
        clients[i].fd = -1;
    for (;;) {
        polled[CLIENTS] = (struct pollfd){.fd = server, .events = POLLIN};
        for (int i = 0; i < CLIENTS; i++)
            polled[i] = (struct pollfd){.fd = clients[i].fd, .events = POLLIN};
        if (poll(polled, CLIENTS + 1, -1) < 0)
            return 1;
        for (int i = 0; i < CLIENTS; i++)
            if (polled[i].fd >= 0 && polled[i].revents && hear(&clients[i]) < 0) {
                close(clients[i].fd);
                clients[i].fd = -1;
            }
        if (polled[CLIENTS].revents)
            accept_client(server);
    }
}
