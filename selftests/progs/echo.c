// SPDX-License-Identifier: GPL-2.0
/*
 * An echo server and its client, with edge-triggered epoll and sockets that
 * never block: an event that is missed is a connection that hangs.
 *
 *   epoll-echo server ADDR PORT
 *   epoll-echo client ADDR PORT N BYTES    N connections at the same time; once
 *                                          all are there, BYTES on each, there
 *                                          and back, compared; then the end of
 *                                          the stream, both ways
 *
 * Sockets are AF_INET's; libpreload.so makes them others.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>
#include "prog.h"

#define EVENTS (EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET)
/* Without any event for so long, one has been missed. */
#define STALL_MS 30000

struct conn {
	int fd;
	/* The server's: what it has read and not yet sent. */
	size_t off, len;
	char buf[8192];
	/* The client's. */
	int connected, done;
	size_t sent, got;
};

static struct sockaddr_in address(const char *addr, const char *port)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons(atoi(port)) };

	if (inet_pton(AF_INET, addr, &a.sin_addr) != 1)
		die("address");
	return a;
}

static void watch(int epoll, int fd, void *ptr)
{
	struct epoll_event ev = { .events = EVENTS, .data.ptr = ptr };

	if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &ev))
		die("epoll_ctl");
}

/* All that can be done without waiting; whether the connection is over. */
static int serve(struct conn *c)
{
	for (;;) {
		ssize_t n;

		while (c->off < c->len) {
			n = write(c->fd, c->buf + c->off, c->len - c->off);
			if (n < 0 && errno == EAGAIN)
				return 0;
			if (n < 0) {
				perror("write");
				return 1;
			}
			c->off += n;
		}
		n = read(c->fd, c->buf, sizeof(c->buf));
		if (n < 0 && errno == EAGAIN)
			return 0;
		if (n < 0)
			perror("read");
		if (n <= 0)
			return 1;
		c->off = 0;
		c->len = n;
	}
}

static void accept_all(int epoll, int fd)
{
	for (;;) {
		struct conn *c;
		int new = accept4(fd, NULL, NULL, SOCK_NONBLOCK);

		if (new < 0 && errno == EAGAIN)
			return;
		if (new < 0)
			die("accept");
		c = calloc(1, sizeof(*c));
		if (!c)
			die("calloc");
		c->fd = new;
		watch(epoll, new, c);
	}
}

static _Noreturn void server(const char *addr, const char *port)
{
	struct sockaddr_in a = address(addr, port);
	int epoll = epoll_create1(0), one = 1;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);

	if (epoll < 0 || fd < 0)
		die("socket");
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(fd, (void *)&a, sizeof(a)))
		die("bind");
	if (listen(fd, 1024))
		die("listen");
	watch(epoll, fd, NULL);
	for (;;) {
		struct epoll_event ev[64];
		int i, n = epoll_wait(epoll, ev, 64, -1);

		if (n < 0 && errno != EINTR)
			die("epoll_wait");
		for (i = 0; i < n; i++) {
			struct conn *c = ev[i].data.ptr;

			if (!c) {
				accept_all(epoll, fd);
			} else if (serve(c)) {
				close(c->fd);
				free(c);
			}
		}
	}
}

/* No two connections have the same bytes at the same place. */
static char byte_at(const struct conn *all, const struct conn *c, size_t i)
{
	return i * 31 + (i >> 8) + (c - all) * 7;
}

static void check_connected(struct conn *c)
{
	int error = 0;
	socklen_t len = sizeof(error);

	if (getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &error, &len))
		die("SO_ERROR");
	if (error) {
		errno = error;
		die("connect");
	}
	c->connected = 1;
}

static void send_some(const struct conn *all, struct conn *c, size_t bytes)
{
	char out[8192];
	size_t i, len;
	ssize_t n;

	while (c->sent < bytes) {
		len = bytes - c->sent < sizeof(out) ? bytes - c->sent : sizeof(out);
		for (i = 0; i < len; i++)
			out[i] = byte_at(all, c, c->sent + i);
		n = write(c->fd, out, len);
		if (n < 0 && errno == EAGAIN)
			return;
		if (n < 0)
			die("write");
		c->sent += n;
		if (c->sent == bytes && shutdown(c->fd, SHUT_WR))
			die("shutdown");
	}
}

static void receive_some(const struct conn *all, struct conn *c, size_t bytes)
{
	char in[8192];
	ssize_t i, n;

	while (!c->done) {
		n = read(c->fd, in, sizeof(in));
		if (n < 0 && errno == EAGAIN)
			return;
		if (n < 0)
			die("read");
		for (i = 0; i < n; i++) {
			if (in[i] == byte_at(all, c, c->got + i))
				continue;
			fprintf(stderr, "connection %td: byte %zu differs\n", c - all, c->got + i);
			exit(1);
		}
		c->got += n;
		if (n == 0 && c->got != bytes) {
			fprintf(stderr, "connection %td: end after %zu of %zu bytes\n", c - all,
				c->got, bytes);
			exit(1);
		}
		c->done = n == 0;
	}
}

static int client(const char *addr, const char *port, int count, size_t bytes)
{
	struct sockaddr_in a = address(addr, port);
	struct conn *all = calloc(count, sizeof(*all));
	int epoll = epoll_create1(0), connected = 0, done = 0, i;

	if (epoll < 0 || !all)
		die("epoll_create1");
	for (i = 0; i < count; i++) {
		struct conn *c = &all[i];

		c->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
		if (c->fd < 0)
			die("socket");
		if (!connect(c->fd, (void *)&a, sizeof(a)))
			c->connected = 1;
		else if (errno != EINPROGRESS)
			die("connect");
		connected += c->connected;
		watch(epoll, c->fd, c);
	}
	while (done < count) {
		struct epoll_event ev[64];
		int were = connected, n = epoll_wait(epoll, ev, 64, STALL_MS);

		if (n < 0 && errno != EINTR)
			die("epoll_wait");
		if (n == 0) {
			fprintf(stderr, "no event; %d connected, %d done\n", connected, done);
			exit(1);
		}
		for (i = 0; i < n; i++) {
			struct conn *c = ev[i].data.ptr;

			if (!c->connected && (ev[i].events & (EPOLLOUT | EPOLLERR | EPOLLHUP))) {
				check_connected(c);
				connected++;
			}
			if (were < count || c->done)
				continue;
			send_some(all, c, bytes);
			receive_some(all, c, bytes);
			done += c->done;
		}
		/* Their events have been, and are not repeated. */
		for (i = 0; were < count && connected == count && i < count; i++)
			send_some(all, &all[i], bytes);
	}
	for (i = 0; i < count; i++)
		close(all[i].fd);
	printf("%d connections of %zu bytes\n", count, bytes);
	return 0;
}

int main(int argc, char **argv)
{
	if (argc == 4 && !strcmp(argv[1], "server"))
		server(argv[2], argv[3]);
	if (argc == 6 && !strcmp(argv[1], "client"))
		return client(argv[2], argv[3], atoi(argv[4]), strtoull(argv[5], NULL, 0));
	fprintf(stderr, "usage: see the head of echo.c\n");
	return 2;
}
