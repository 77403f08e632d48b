// SPDX-License-Identifier: GPL-2.0
/*
 * Many short connections, several at a time.
 *
 *   swarm server FAMILY PROTO PORT AT_ONCE [BYTES]
 *                             so many processes send back what they read until the end;
 *                             with BYTES they end each connection themselves after these
 *   swarm client FAMILY PROTO ADDR PORT N AT_ONCE BYTES
 *                             N connections by AT_ONCE processes: BYTES there and back,
 *                             compared, and the end of the stream after them
 *
 * A client with no port left (EADDRNOTAVAIL) waits for one.  Prints how many
 * connections have worked, how often there was no port, and, for those that have not
 * worked, which call failed with what.  A call that takes longer than a minute has
 * failed.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include "prog.h"

#define MAX_BYTES	4096

/* Of all processes. */
static struct { unsigned int worked, no_port, failed; } *total;

static void serve(int fd, ssize_t bytes)
{
	static char buf[65536];

	for (;;) {
		int conn = accept(fd, NULL, NULL);
		ssize_t n, left = bytes;
		unsigned int last = 0;

		if (conn < 0)
			die("accept");
		while ((n = read(conn, buf, sizeof(buf))) > 0) {
			not_clc(&last, buf, n);
			/* Who has gone meanwhile gets no answer. */
			if (send(conn, buf, n, MSG_NOSIGNAL) != n)
				break;
			left -= n;
			if (!left)
				break;
		}
		if (n < 0)
			perror("read");
		close(conn);
	}
}

static int server(int family, int protocol, int port, int at_once, ssize_t bytes)
{
	int fd = socket(family, SOCK_STREAM, protocol), one = 1;
	struct sockaddr_in addr = { .sin_family = AF_INET, .sin_port = htons(port) };

	if (fd < 0)
		die("socket");
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(fd, (void *)&addr, sizeof(addr)) || listen(fd, 4096))
		die("listen");
	while (at_once--) {
		switch (fork()) {
		case -1:
			die("fork");
			break;
		case 0:
			serve(fd, bytes ? bytes : -1);
		}
	}
	/* One that ends has seen what must not be. */
	wait(NULL);
	return 1;
}

static int failed(int fd, const char *call)
{
	fprintf(stderr, "%s: %s\n", call, errno ? strerror(errno) : "too little");
	__atomic_fetch_add(&total->failed, 1, __ATOMIC_RELAXED);
	if (fd >= 0)
		close(fd);
	return -1;
}

static int connected(int family, int protocol, const struct sockaddr_in *to)
{
	struct timeval minute = { .tv_sec = 60 };

	for (;;) {
		int fd = socket(family, SOCK_STREAM, protocol);

		if (fd < 0)
			return failed(fd, "socket");
		setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &minute, sizeof(minute));
		setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &minute, sizeof(minute));
		if (!connect(fd, (const void *)to, sizeof(*to)))
			return fd;
		if (errno != EADDRNOTAVAIL)
			return failed(fd, "connect");
		__atomic_fetch_add(&total->no_port, 1, __ATOMIC_RELAXED);
		close(fd);
		usleep(50000);
	}
}

/* Other bytes on each connection: what comes back is nobody else's. */
static void talk(int family, int protocol, const struct sockaddr_in *to, unsigned int number,
		 size_t bytes)
{
	char sent[MAX_BYTES], got[MAX_BYTES];
	int fd = connected(family, protocol, to);
	ssize_t n;
	size_t i;

	if (fd < 0)
		return;
	for (i = 0; i < bytes; i++)
		sent[i] = (number * 2654435761u + i * 31) >> (i & 3) * 8 & 0x7f;
	errno = 0;
	if (send(fd, sent, bytes, MSG_NOSIGNAL) != (ssize_t)bytes) {
		failed(fd, "send");
		return;
	}
	n = recv(fd, got, bytes, MSG_WAITALL);
	if (n != (ssize_t)bytes || memcmp(sent, got, bytes)) {
		failed(fd, n == (ssize_t)bytes ? "other bytes" : "recv");
		return;
	}
	if (shutdown(fd, SHUT_WR)) {
		failed(fd, "shutdown");
		return;
	}
	n = recv(fd, got, 1, 0);
	if (n) {
		failed(fd, n < 0 ? "end" : "bytes behind the last");
		return;
	}
	close(fd);
	__atomic_fetch_add(&total->worked, 1, __ATOMIC_RELAXED);
}

static int client(int family, int protocol, const struct sockaddr_in *to, unsigned int n,
		  unsigned int at_once, size_t bytes)
{
	unsigned int i, k;

	for (i = 0; i < at_once; i++) {
		switch (fork()) {
		case -1:
			die("fork");
			break;
		case 0:
			for (k = i; k < n; k += at_once)
				talk(family, protocol, to, k, bytes);
			_exit(0);
		}
	}
	while (wait(NULL) > 0)
		;
	printf("%u connections have worked, %u have not; %u times there was no port\n",
	       total->worked, total->failed, total->no_port);
	return total->worked != n;
}

int main(int argc, char **argv)
{
	struct sockaddr_in to = { .sin_family = AF_INET };

	total = mmap(NULL, sizeof(*total), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (total == MAP_FAILED)
		die("mmap");
	if ((argc == 6 || argc == 7) && !strcmp(argv[1], "server"))
		return server(atoi(argv[2]), atoi(argv[3]), atoi(argv[4]), atoi(argv[5]),
			      argc == 7 ? atoi(argv[6]) : 0);
	if (argc == 9 && !strcmp(argv[1], "client") &&
	    inet_pton(AF_INET, argv[4], &to.sin_addr) == 1 &&
	    strtoul(argv[8], NULL, 0) <= MAX_BYTES) {
		to.sin_port = htons(atoi(argv[5]));
		return client(atoi(argv[2]), atoi(argv[3]), &to, atoi(argv[6]), atoi(argv[7]),
			      strtoul(argv[8], NULL, 0));
	}
	fprintf(stderr, "usage: see the head of swarm.c\n");
	return 2;
}
