// SPDX-License-Identifier: GPL-2.0
/*
 * Connections between two hosts, for each of which one allocation fails, another one
 * each time.
 *
 *   nomem server PORT              echo server of SMC; obeys clients on PORT + 1 (TCP)
 *   nomem client ADDR PORT WHERE KIND
 *                                  one connection after the other; WHERE (here, there)
 *                                  the first allocation of KIND (failslab,
 *                                  fail_page_alloc) fails, the second, and so on until
 *                                  there are no more
 *
 * Only allocations count that the module has asked for, in whatever context. A connection
 * works, or fails with an error that says so, and soon: nothing waits for ever, no byte is
 * wrong, no stream ends early without an error. The next one, with all memory there is,
 * works. Prints how many failed at which call, and for the lack of which allocation first.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include "prog.h"

#define DEBUGFS		"/sys/kernel/debug/"
#define BYTES		1000
#define SECONDS		30
/* Connections within which an allocation comes that is soon to come. */
#define SOON		20
/* How often one has to be missing. */
#define AGAIN		3

/* What the client wants of a host: the nth allocation from here on fails; 0: none does. */
struct order {
	char kind[16];
	int32_t nth;
};

static void put(const char *kind, const char *file, unsigned long long value)
{
	char path[128], text[32];
	int fd, n;

	snprintf(path, sizeof(path), DEBUGFS "%s/%s", kind, file);
	fd = open(path, O_WRONLY);
	n = snprintf(text, sizeof(text), "%llu", value);
	if (fd < 0 || write(fd, text, n) != n)
		die(path);
	close(fd);
}

static int get(const char *kind, const char *file)
{
	char path[128], text[32] = "";
	int fd;

	snprintf(path, sizeof(path), DEBUGFS "%s/%s", kind, file);
	fd = open(path, O_RDONLY);
	if (fd < 0 || read(fd, text, sizeof(text) - 1) <= 0)
		die(path);
	close(fd);
	return atoi(text);
}

/* Where a function begins that the kernel has; of those behind it, with that beginning. */
static unsigned long long symbol(const char *name, unsigned long long behind)
{
	FILE *f = fopen("/proc/kallsyms", "r");
	unsigned long long at, found = 0;
	size_t len = strlen(name);
	char line[512], text[256];

	while (f && fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%llx %*c %255s", &at, text) != 2 || at <= behind)
			continue;
		if (!strncmp(text, name, len) && (behind || !text[len]) && (!found || at < found))
			found = at;
	}
	if (f)
		fclose(f);
	return found;
}

/* Allocations of the module, whoever runs it, but not those of who keeps a record of them. */
static void prepare(const char *kind)
{
	unsigned long long start = 0, size = 0, record = symbol("__create_object", 0);
	char line[256], name[64] = "";
	FILE *f = fopen("/proc/modules", "r");

	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "%63s %llu %*s %*s %*s %llx", name, &size, &start) == 3 &&
		    !strcmp(name, "smc_rs"))
			break;
	if (!f || strcmp(name, "smc_rs") || !start) {
		fprintf(stderr, "no module\n");
		exit(1);
	}
	fclose(f);
	put(kind, "probability", 0);
	put(kind, "verbose", 0);
	put(kind, "task-filter", 0);
	put(kind, "space", 0);
	put(kind, "ignore-gfp-wait", 0);
	if (!strcmp(kind, "fail_page_alloc")) {
		put(kind, "ignore-gfp-highmem", 0);
		put(kind, "min-order", 0);
	} else {
		put(kind, "cache-filter", 0);
	}
	put(kind, "require-start", start);
	put(kind, "require-end", start + size);
	put(kind, "reject-start", record);
	put(kind, "reject-end", record ? symbol("kmemleak_", record) : 0);
}

/*
 * The kernel counts the allocations that might fail, from its boot on, and lets those
 * fail whose number `interval` divides. With that beyond all that it has counted it is
 * the first of them. What has failed last so is known; if nothing has, since there were
 * fewer allocations, the next one comes later than it should.
 */
static unsigned long next_number(const char *kind, int nth)
{
	unsigned long number = 0;
	char path[64];
	FILE *f;

	snprintf(path, sizeof(path), "/run/nomem.%s", kind);
	f = fopen(path, "r");
	if (f && fscanf(f, "%lu", &number) != 1)
		die(path);
	if (f)
		fclose(f);
	number += nth;
	f = fopen(path, "w");
	if (!f || fprintf(f, "%lu", number) < 0 || fclose(f))
		die(path);
	return number;
}

/* Returns whether an allocation has failed since the last order. */
static int obey(const struct order *order)
{
	static char prepared[sizeof(order->kind)];
	int failed = get(order->kind, "times") == 0;

	put(order->kind, "probability", 0);
	if (strcmp(prepared, order->kind)) {
		prepare(order->kind);
		snprintf(prepared, sizeof(prepared), "%s", order->kind);
	}
	if (order->nth) {
		put(order->kind, "interval", next_number(order->kind, order->nth));
		put(order->kind, "times", 1);
		put(order->kind, "probability", 100);
	}
	return failed;
}

static void set_times(int fd)
{
	struct timeval tv = { .tv_sec = SECONDS };

	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv));
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
}

/* ---- server ---- */

static int listening(int family, int port)
{
	struct sockaddr_in sin = { .sin_family = AF_INET, .sin_port = htons(port) };
	int fd = socket(family, SOCK_STREAM, 0), one = 1;

	if (fd < 0)
		die("socket");
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(fd, (void *)&sin, sizeof(sin)) || listen(fd, 16))
		die("listen");
	return fd;
}

/* An end without an error says that all has been sent. */
static void serve(int conn)
{
	struct linger l = { .l_onoff = 1 };
	char buf[BYTES];
	ssize_t n;

	set_times(conn);
	while ((n = recv(conn, buf, sizeof(buf), 0)) > 0)
		if (send(conn, buf, n, MSG_NOSIGNAL) != n)
			break;
	if (n) {
		printf("the server: %s\n", strerror(errno));
		setsockopt(conn, SOL_SOCKET, SO_LINGER, &l, sizeof(l));
	}
	close(conn);
}

static void server(int port)
{
	int smc = listening(AF_SMC, port), control = listening(AF_INET, port + 1);

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (!fork()) {
		for (;;) {
			int conn = accept(smc, NULL, NULL);

			if (conn >= 0)
				serve(conn);
			else
				printf("accept: %s\n", strerror(errno));
		}
	}
	for (;;) {
		int conn = accept(control, NULL, NULL), one = 1;
		struct order order;
		char failed;

		if (conn < 0)
			die("accept");
		setsockopt(conn, SOL_TCP, TCP_NODELAY, &one, sizeof(one));
		while (recv(conn, &order, sizeof(order), MSG_WAITALL) == sizeof(order)) {
			failed = obey(&order);
			if (write(conn, &failed, 1) != 1)
				die("control");
		}
		close(conn);
	}
}

/* ---- client ---- */

/* Of calls, how many have failed, and for the lack of which allocation first. */
static struct { const char *call; int error; int count; int nth; } seen[64];
static int lacking;

static int failed(int fd, const char *call)
{
	int i;

	for (i = 0; i < 63 && seen[i].call; i++)
		if (!strcmp(seen[i].call, call) && seen[i].error == errno)
			break;
	if (!seen[i].count++)
		seen[i].nth = lacking;
	seen[i].call = call;
	seen[i].error = errno;
	if (fd >= 0)
		close(fd);
	return -1;
}

/*
 * Whether that is what one may be told. EAGAIN is that half a minute was too little, and
 * ETIMEDOUT that the other end has said nothing at all.
 */
static int may_be(int error)
{
	switch (error) {
	case ENOMEM:
	case ENOBUFS:
	case ENFILE:
	case ECONNRESET:
	case ECONNABORTED:
	case ECONNREFUSED:
	case EPIPE:
		return 1;
	}
	return 0;
}

static int live(const struct sockaddr_in *to)
{
	char sent[BYTES], got[BYTES];
	int fd = socket(AF_SMC, SOCK_STREAM, 0), i;
	ssize_t n;

	if (fd < 0)
		return failed(fd, "socket");
	set_times(fd);
	if (connect(fd, (const void *)to, sizeof(*to)))
		return failed(fd, "connect");
	for (i = 0; i < BYTES; i++)
		sent[i] = i * 31 + (i >> 8);
	n = send(fd, sent, BYTES, MSG_NOSIGNAL);
	if (n < 0)
		return failed(fd, "send");
	errno = 0;
	if (n != BYTES)
		return failed(fd, "send less");
	n = recv(fd, got, BYTES, MSG_WAITALL);
	if (n < 0)
		return failed(fd, "recv");
	if (n != BYTES) {
		/* Behind what there was is the error. */
		n = recv(fd, got, BYTES, 0);
		if (n < 0)
			return failed(fd, "recv");
		errno = 0;
		return failed(fd, "end too early");
	}
	errno = 0;
	if (memcmp(sent, got, BYTES))
		return failed(fd, "other bytes");
	if (shutdown(fd, SHUT_WR))
		return failed(fd, "shutdown");
	n = recv(fd, got, 1, 0);
	if (n < 0)
		return failed(fd, "end");
	errno = 0;
	if (n)
		return failed(fd, "bytes behind the last");
	if (close(fd))
		return failed(-1, "close");
	return 0;
}

/* Where allocations fail; how it went. */
static struct sockaddr_in server_at;
static int control = -1;
static const char *kind;
static int tried, hit, worked, whole, slow, bad;

static int command(int nth)
{
	struct order order = { .nth = nth };
	char was;

	snprintf(order.kind, sizeof(order.kind), "%s", kind);
	if (control < 0)
		return obey(&order);
	if (write(control, &order, sizeof(order)) != sizeof(order) || read(control, &was, 1) != 1)
		die("control");
	return was;
}

/* A connection with the nth allocation failing, and one after it; whether that has failed. */
static int attempt(int nth)
{
	double start;
	int failed, broken;

	command(nth);
	lacking = nth;
	start = now();
	broken = live(&server_at);
	worked += !broken;
	slow += now() - start > 15;
	/* What belongs to the end of it may come later. */
	usleep(50000);
	failed = command(0);
	tried++;
	hit += failed;
	/* Most often the next one of these shows as well that nothing is stuck. */
	if (!broken && tried % 4)
		return failed;
	whole++;
	if (live(&server_at)) {
		printf("%d: what comes after it does not work\n", nth);
		bad = 1;
	}
	return failed;
}

/* From here on it is known again how many allocations there were. */
static int find(void)
{
	int i;

	for (i = 0; i < SOON; i++)
		if (attempt(1))
			return 1;
	printf("no allocation fails\n");
	return 0;
}

/*
 * Whether there are no more allocations than that. If it does not come, there may have
 * been fewer as the link group of the connection before had not gone yet.
 */
static int is_last(int nth)
{
	int i;

	for (i = 0; i < AGAIN && !bad; i++) {
		if (attempt(nth))
			return 0;
		sleep(1);
		bad |= !find();
		sleep(1);
	}
	return 1;
}

static int client(int there)
{
	int nth, i;

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (there) {
		struct sockaddr_in sin = server_at;
		int one = 1;

		sin.sin_port = htons(ntohs(sin.sin_port) + 1);
		control = socket(AF_INET, SOCK_STREAM, 0);
		if (control < 0 || connect(control, (void *)&sin, sizeof(sin)))
			die("control");
		setsockopt(control, SOL_TCP, TCP_NODELAY, &one, sizeof(one));
	}
	command(0);
	if (live(&server_at)) {
		printf("nothing works\n");
		return 1;
	}
	bad = !find();
	for (nth = 1; !bad && !is_last(nth); nth++)
		;
	printf("%d connections, %d of them met an allocation that failed, the %dth at most; %d have worked\n"
	       "%d with all memory\n", tried, hit, nth - 1, worked, whole);
	for (i = 0; seen[i].call; i++) {
		printf("%d: %s: %s (%d)\n", seen[i].count, seen[i].call,
		       seen[i].error ? strerror(seen[i].error) : "wrong", seen[i].nth);
		bad |= !may_be(seen[i].error);
	}
	if (slow)
		printf("%d took more than 15 s\n", slow);
	return bad || slow;
}

int main(int argc, char **argv)
{
	server_at.sin_family = AF_INET;
	if (argc == 3 && !strcmp(argv[1], "server"))
		server(atoi(argv[2]));
	if (argc == 6 && !strcmp(argv[1], "client") &&
	    inet_pton(AF_INET, argv[2], &server_at.sin_addr) == 1) {
		server_at.sin_port = htons(atoi(argv[3]));
		kind = argv[5];
		return client(!strcmp(argv[4], "there"));
	}
	fprintf(stderr, "usage: see the head of nomem.c\n");
	return 2;
}
