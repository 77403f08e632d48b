// SPDX-License-Identifier: GPL-2.0
/*
 * Connections of several kinds that take turns.
 *
 *   turns ADDR ROUNDS FAMILY:PORT...
 *
 * In each round there is one connection of each kind, in an order drawn anew: to an
 * echo server at that port, 100 bytes there and back, closed by this end first. What
 * makes the machine slow for a while does so for all kinds. Prints a line for each of
 * them, in the order given: the median of the microseconds of its connect(2)s, and of
 * its connections, socket(2) and close(2) with them.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "prog.h"

#define MAX_KINDS	16
#define BYTES		100

struct kind {
	int family;
	struct sockaddr_in to;
	double *connects, *connections;
};

static void connection(const struct kind *kind, int round)
{
	static char out[BYTES] = "a request", in[BYTES];
	double start, begun, connected;
	size_t got = 0;
	ssize_t n;
	int fd;

	begun = now();
	fd = socket(kind->family, SOCK_STREAM, 0);
	if (fd < 0)
		die("socket");
	start = now();
	if (connect(fd, (const void *)&kind->to, sizeof(kind->to)))
		die("connect");
	connected = now();
	write_all(fd, out, BYTES);
	while (got < BYTES) {
		n = read(fd, in + got, BYTES - got);
		if (n <= 0)
			die("read");
		got += n;
	}
	if (memcmp(in, out, BYTES)) {
		fprintf(stderr, "other bytes came back\n");
		exit(1);
	}
	close(fd);
	kind->connects[round] = connected - start;
	kind->connections[round] = now() - begun;
}

static void shuffle(int *order, int n)
{
	while (n > 1) {
		int other = rand() % n--, was = order[n];

		order[n] = order[other];
		order[other] = was;
	}
}

static int compare(const void *a, const void *b)
{
	const double *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

static double median_us(double *values, int n)
{
	qsort(values, n, sizeof(*values), compare);
	return (values[(n - 1) / 2] + values[n / 2]) / 2 * 1e6;
}

static void parse(struct kind *kind, const char *word, struct in_addr addr, int rounds)
{
	int port;

	if (sscanf(word, "%d:%d", &kind->family, &port) != 2)
		die("FAMILY:PORT");
	kind->to.sin_family = AF_INET;
	kind->to.sin_addr = addr;
	kind->to.sin_port = htons(port);
	kind->connects = calloc(rounds, sizeof(double));
	kind->connections = calloc(rounds, sizeof(double));
	if (!kind->connects || !kind->connections)
		die("calloc");
}

int main(int argc, char **argv)
{
	int n = argc - 3, order[MAX_KINDS], rounds, round, i;
	static struct kind kinds[MAX_KINDS];
	struct in_addr addr;

	rounds = argc > 2 ? atoi(argv[2]) : 0;
	if (n < 1 || n > MAX_KINDS || rounds < 1 || inet_pton(AF_INET, argv[1], &addr) != 1) {
		fprintf(stderr, "usage: see the head of turns.c\n");
		return 2;
	}
	for (i = 0; i < n; i++) {
		parse(&kinds[i], argv[3 + i], addr, rounds);
		order[i] = i;
	}
	for (round = 0; round < rounds; round++) {
		shuffle(order, n);
		for (i = 0; i < n; i++)
			connection(&kinds[order[i]], round);
	}
	for (i = 0; i < n; i++)
		printf("%.1f %.1f\n", median_us(kinds[i].connects, rounds),
		       median_us(kinds[i].connections, rounds));
	return 0;
}
