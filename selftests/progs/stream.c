// SPDX-License-Identifier: GPL-2.0
/*
 * A server and a client of bytes over TCP or SMC.
 *
 *   stream server FAMILY PROTO PORT N [md5=PEER | ao=PEER]
 *                                          serves N connections: sends back what
 *                                          it reads until the end; with segments
 *                                          that are signed, with that host
 *   stream client FAMILY PROTO ADDR PORT N BYTES [HOLD]
 *                                          N connections one after the other,
 *                                          BYTES each there and back, compared;
 *                                          HOLD seconds open before the close;
 *                                          HOLD negative: -HOLD seconds, and
 *                                          the answer is left unread
 *
 *   stream fastopen FAMILY PROTO ADDR PORT    "hello" by MSG_FASTOPEN, and back;
 *                                          whether the SYN brought it
 *
 * FAMILY is 2, 10 or 43, PROTO as for socket(2), ADDR may have %DEVICE behind it.  Each connection of the client
 * prints how long connect(2) and the first answer took, in microseconds.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include "keys.h"
#include "prog.h"

static socklen_t address(struct sockaddr_storage *ss, const char *addr, int port, int v6)
{
	struct sockaddr_in *a4 = (void *)ss;

	memset(ss, 0, sizeof(*ss));
	if (v6) {
		struct sockaddr_in6 *a = (void *)ss;
		char bare[64], device[IF_NAMESIZE];

		a->sin6_family = AF_INET6;
		a->sin6_port = htons(port);
		if (addr && sscanf(addr, "%63[^%]%%%15s", bare, device) == 2) {
			a->sin6_scope_id = if_nametoindex(device);
			addr = bare;
		}
		if (addr && inet_pton(AF_INET6, addr, &a->sin6_addr) != 1)
			die("address");
		return sizeof(*a);
	}
	a4->sin_family = AF_INET;
	a4->sin_port = htons(port);
	if (addr && inet_pton(AF_INET, addr, &a4->sin_addr) != 1)
		die("address");
	return sizeof(*a4);
}

/* Whether such a socket takes IPv6 addresses. */
static int wants_v6(int family, int protocol)
{
	return family == AF_INET6 || (family == AF_SMC && protocol == 1);
}

/* "md5=PEER" or "ao=PEER". */
static void sign(int fd, char *how)
{
	char *peer = strchr(how, '=');
	struct in_addr addr;

	if (!peer)
		die("key");
	*peer++ = 0;
	if (inet_pton(AF_INET, peer, &addr) != 1)
		die("address");
	set_key(fd, how, addr);
}

static int server(int family, int protocol, int port, int count, char *key)
{
	int fd = socket(family, SOCK_STREAM, protocol), one = 1;
	struct sockaddr_storage ss;
	socklen_t len = address(&ss, NULL, port, wants_v6(family, protocol));

	if (fd < 0)
		die("socket");
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (key)
		sign(fd, key);
	if (bind(fd, (void *)&ss, len))
		die("bind");
	/* As many as net.core.somaxconn lets it. */
	if (listen(fd, 65535))
		die("listen");
	printf("listening\n");
	fflush(stdout);
	while (count--) {
		int conn = accept(fd, NULL, NULL);

		if (conn < 0)
			die("accept");
		echo(conn);
	}
	return 0;
}

/* Writes in a child, so that neither side's buffers can stall both. */
static void exchange(int fd, size_t bytes, long long *first)
{
	static char out[65536], in[65536];
	size_t got = 0, i;
	int status;
	pid_t pid;

	for (i = 0; i < sizeof(out); i++)
		out[i] = i * 31 + (i >> 8);
	pid = fork();
	if (pid < 0)
		die("fork");
	if (pid == 0) {
		size_t sent;

		for (sent = 0; sent < bytes; sent += i) {
			i = bytes - sent < sizeof(out) ? bytes - sent : sizeof(out);
			write_all(fd, out, i);
		}
		_exit(0);
	}
	while (got < bytes) {
		ssize_t n = read(fd, in, sizeof(in));

		if (n < 0)
			die("read");
		if (n == 0) {
			fprintf(stderr, "end of stream after %zu of %zu bytes\n", got, bytes);
			exit(1);
		}
		if (!got)
			*first = now_us();
		for (i = 0; i < (size_t)n; i++) {
			if (in[i] == out[(got + i) % sizeof(out)])
				continue;
			fprintf(stderr, "byte %zu differs\n", got + i);
			exit(1);
		}
		got += n;
	}
	if (waitpid(pid, &status, 0) != pid || status)
		exit(1);
}

static int client(int family, int protocol, const char *addr, int port, int count, size_t bytes,
		  int hold)
{
	struct sockaddr_storage ss;
	socklen_t len = address(&ss, addr, port, wants_v6(family, protocol));
	static const char zeros[65536];

	while (count--) {
		int fd = socket(family, SOCK_STREAM, protocol);
		long long start, connected, first = 0;

		if (fd < 0)
			die("socket");
		start = now_us();
		if (connect(fd, (void *)&ss, len))
			die("connect");
		connected = now_us();
		if (bytes && hold < 0)
			write_all(fd, zeros, bytes < sizeof(zeros) ? bytes : sizeof(zeros));
		else if (bytes)
			exchange(fd, bytes, &first);
		printf("connect %lld first %lld\n", connected - start,
		       first ? first - start : 0);
		fflush(stdout);
		if (hold)
			sleep(abs(hold));
		close(fd);
	}
	return 0;
}

/* The server has TCP_FASTOPEN, by the kernel's default (net.ipv4.tcp_fastopen). */
static int fastopen(int family, int protocol, const char *addr, int port)
{
	struct sockaddr_storage ss;
	socklen_t len = address(&ss, addr, port, wants_v6(family, protocol));
	struct tcp_info info = {};
	socklen_t infolen = sizeof(info);
	int fd = socket(family, SOCK_STREAM, protocol);
	char buf[6] = "";

	if (fd < 0)
		die("socket");
	if (sendto(fd, "hello", 5, MSG_FASTOPEN, (void *)&ss, len) != 5)
		die("sendto");
	if (recv(fd, buf, 5, MSG_WAITALL) != 5 || strcmp(buf, "hello"))
		die("recv");
	if (getsockopt(fd, SOL_TCP, TCP_INFO, &info, &infolen))
		die("TCP_INFO");
	printf("%s\n", info.tcpi_options & TCPI_OPT_SYN_DATA ? "in the SYN" : "after the handshake");
	close(fd);
	return 0;
}

int main(int argc, char **argv)
{
	if ((argc == 6 || argc == 7) && !strcmp(argv[1], "server"))
		return server(atoi(argv[2]), atoi(argv[3]), atoi(argv[4]), atoi(argv[5]),
			      argc == 7 ? argv[6] : NULL);
	if ((argc == 8 || argc == 9) && !strcmp(argv[1], "client"))
		return client(atoi(argv[2]), atoi(argv[3]), argv[4], atoi(argv[5]), atoi(argv[6]),
			      strtoull(argv[7], NULL, 0), argc == 9 ? atoi(argv[8]) : 0);
	if (argc == 6 && !strcmp(argv[1], "fastopen"))
		return fastopen(atoi(argv[2]), atoi(argv[3]), argv[4], atoi(argv[5]));
	fprintf(stderr, "usage: see the head of stream.c\n");
	return 2;
}
