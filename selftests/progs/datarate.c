// SPDX-License-Identifier: GPL-2.0
/*
 * How fast data go over TCP or SMC.
 *
 *   datarate server FAMILY PORT
 *   datarate bulk FAMILY ADDR PORT CONNECTIONS SIZE MS
 *                                 messages of SIZE bytes for MS milliseconds by
 *                                 each connection, all from the same moment on;
 *                                 prints Mbit/s, of bytes that the server has
 *                                 read until it has read all
 *   datarate pingpong FAMILY ADDR PORT SIZE MS
 *                                 messages of SIZE bytes there and back, one
 *                                 after the other; prints microseconds, the mean
 *   datarate turns FAMILY ADDR PORT SIZE TURNS BESIDE
 *                                 SIZE bytes that the server reads when all are
 *                                 there, in one call, and a byte back, TURNS times;
 *                                 before each time a byte there and back on another
 *                                 connection, if BESIDE is not 0
 *   datarate idle FAMILY ADDR PORT CONNECTIONS SECONDS
 *                                 connections that have once said a byte; prints
 *                                 "idle" and closes them after SECONDS, or by
 *                                 SIGTERM: the C module tells its peer nothing of
 *                                 those of a program that is killed
 *
 * FAMILY is 2 or 43.  A client begins with eight bytes: what is wanted and the
 * size, in network byte order; the server of a bulk answers the end of the stream
 * with the number of bytes that it has read.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <endian.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>
#include "prog.h"

#define MOST	(1 << 20)

enum { BULK = 1, PINGPONG, IDLE, TURNS };

struct hello {
	uint32_t what;
	uint32_t size;
};

static int family, port;
static const char *address;
static size_t size;
static double seconds;

static void *buffer(void)
{
	void *buf = calloc(1, MOST);

	if (!buf)
		die("calloc");
	return buf;
}

/* Whether there was that much before the end of the stream. */
static int read_all(int fd, char *buf, size_t len)
{
	while (len) {
		ssize_t n = read(fd, buf, len);

		if (n < 0)
			die("read");
		if (n == 0)
			return 0;
		buf += n;
		len -= n;
	}
	return 1;
}

static void serve_bulk(int fd, char *buf)
{
	uint64_t total = 0;
	ssize_t n;

	while ((n = read(fd, buf, MOST)) > 0)
		total += n;
	if (n < 0)
		die("read");
	total = htobe64(total);
	write_all(fd, (char *)&total, sizeof(total));
}

static void serve_turns(int fd, char *buf, size_t len)
{
	int there;

	while (recv(fd, buf, 1, MSG_PEEK) == 1) {
		do {
			if (ioctl(fd, FIONREAD, &there))
				die("FIONREAD");
		} while (there < (int)len && !usleep(1000));
		if (!read_all(fd, buf, len))
			return;
		write_all(fd, buf, 1);
	}
}

static void *serve(void *arg)
{
	int fd = (intptr_t)arg, one = 1;
	char *buf = buffer();
	struct hello hello;

	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	if (read_all(fd, (char *)&hello, sizeof(hello))) {
		uint32_t len = ntohl(hello.size);

		if (ntohl(hello.what) == BULK)
			serve_bulk(fd, buf);
		else if (ntohl(hello.what) == TURNS && len <= MOST)
			serve_turns(fd, buf, len);
		else if (len <= MOST)
			while (read_all(fd, buf, len))
				write_all(fd, buf, len);
	}
	close(fd);
	free(buf);
	return NULL;
}

static _Noreturn void server(void)
{
	struct sockaddr_in sin = { .sin_family = AF_INET, .sin_port = htons(port) };
	int fd = socket(family, SOCK_STREAM, 0), one = 1;

	if (fd < 0)
		die("socket");
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(fd, (void *)&sin, sizeof(sin)) || listen(fd, 65535))
		die("listen");
	for (;;) {
		int conn = accept(fd, NULL, NULL);
		pthread_t thread;

		if (conn < 0)
			die("accept");
		if (pthread_create(&thread, NULL, serve, (void *)(intptr_t)conn))
			die("pthread_create");
		pthread_detach(thread);
	}
}

static int open_for(uint32_t what, size_t len)
{
	struct sockaddr_in sin = { .sin_family = AF_INET, .sin_port = htons(port) };
	struct hello hello = { htonl(what), htonl(len) };
	int fd = socket(family, SOCK_STREAM, 0), one = 1;

	if (fd < 0)
		die("socket");
	if (inet_pton(AF_INET, address, &sin.sin_addr) != 1)
		die("address");
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	if (connect(fd, (void *)&sin, sizeof(sin)))
		die("connect");
	write_all(fd, (char *)&hello, sizeof(hello));
	return fd;
}

static pthread_barrier_t opened;

/* The bytes that the server has read. */
static void *bulk(void *arg)
{
	uint64_t *read = arg, total;
	char *buf = buffer();
	int fd = open_for(BULK, size);
	double start;

	pthread_barrier_wait(&opened);
	start = now();
	while (now() - start < seconds)
		write_all(fd, buf, size);
	if (shutdown(fd, SHUT_WR))
		die("shutdown");
	if (!read_all(fd, (char *)&total, sizeof(total))) {
		fprintf(stderr, "the server does not say how much it has read\n");
		exit(1);
	}
	*read = be64toh(total);
	close(fd);
	free(buf);
	return NULL;
}

static int bulks(int connections)
{
	pthread_t threads[connections];
	uint64_t bytes[connections], sum = 0;
	double start;
	int i;

	/* What is sent at a time is counted at a time: who connects first waits. */
	pthread_barrier_init(&opened, NULL, connections + 1);
	for (i = 0; i < connections; i++)
		if (pthread_create(&threads[i], NULL, bulk, &bytes[i]))
			die("pthread_create");
	pthread_barrier_wait(&opened);
	start = now();
	for (i = 0; i < connections; i++) {
		pthread_join(threads[i], NULL);
		sum += bytes[i];
	}
	printf("%.2f\n", sum * 8 / 1e6 / (now() - start));
	return 0;
}

static int pingpong(void)
{
	char *buf = buffer();
	double start = 0;
	long n = 0;
	int fd = open_for(PINGPONG, size);

	/* Not the first ones: what is made once is made then. */
	for (n = -10; n < 1 || now() - start < seconds; n++) {
		if (n == 0)
			start = now();
		write_all(fd, buf, size);
		if (!read_all(fd, buf, size)) {
			fprintf(stderr, "end of stream\n");
			return 1;
		}
	}
	printf("%.1f\n", (now() - start) * 1e6 / n);
	close(fd);
	return 0;
}

static void turn(int fd, char *buf, size_t len)
{
	write_all(fd, buf, len);
	if (!read_all(fd, buf, 1)) {
		fprintf(stderr, "end of stream\n");
		exit(1);
	}
}

static int turns(int count, int beside)
{
	int fd = open_for(TURNS, size), other = open_for(PINGPONG, 1);
	char *buf = buffer();

	/* For a second a link knows of who else has sent. */
	turn(other, buf, 1);
	turn(fd, buf, size);
	usleep(1500000);
	while (count-- > 0) {
		if (beside)
			turn(other, buf, 1);
		turn(fd, buf, size);
	}
	close(other);
	close(fd);
	return 0;
}

static void wake(int signal)
{
	(void)signal;
}

static int idle(int connections)
{
	int fds[connections], i;
	char c;

	for (i = 0; i < connections; i++) {
		fds[i] = open_for(PINGPONG, 1);
		write_all(fds[i], "x", 1);
		if (!read_all(fds[i], &c, 1))
			return 1;
	}
	signal(SIGTERM, wake);
	printf("idle\n");
	fflush(stdout);
	usleep(seconds * 1e6);
	for (i = 0; i < connections; i++)
		close(fds[i]);
	return 0;
}

int main(int argc, char **argv)
{
	if (argc == 4 && !strcmp(argv[1], "server")) {
		family = atoi(argv[2]);
		port = atoi(argv[3]);
		server();
	}
	if (argc >= 7) {
		family = atoi(argv[2]);
		address = argv[3];
		port = atoi(argv[4]);
	}
	if (argc == 8 && !strcmp(argv[1], "bulk")) {
		size = strtoul(argv[6], NULL, 0);
		seconds = atoi(argv[7]) / 1e3;
		if (size && size <= MOST && atoi(argv[5]) > 0)
			return bulks(atoi(argv[5]));
	}
	if (argc == 7 && !strcmp(argv[1], "pingpong")) {
		size = strtoul(argv[5], NULL, 0);
		seconds = atoi(argv[6]) / 1e3;
		if (size && size <= MOST)
			return pingpong();
	}
	if (argc == 8 && !strcmp(argv[1], "turns")) {
		size = strtoul(argv[5], NULL, 0);
		if (size && size <= MOST)
			return turns(atoi(argv[6]), atoi(argv[7]));
	}
	if (argc == 7 && !strcmp(argv[1], "idle") && atoi(argv[5]) > 0) {
		seconds = atoi(argv[6]);
		return idle(atoi(argv[5]));
	}
	fprintf(stderr, "usage: see the head of datarate.c\n");
	return 2;
}
