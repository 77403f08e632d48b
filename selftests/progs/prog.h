/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What most of these programs need.
 */
#ifndef PROG_H
#define PROG_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static inline void die(const char *what)
{
	perror(what);
	exit(1);
}

/* In seconds. */
static inline double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec + ts.tv_nsec / 1e9;
}

/* In microseconds, from any point in time. */
static inline long long now_us(void)
{
	return now() * 1e6;
}

/*
 * Whether there is a message of SMC's handshake in a stream, which begins with one of
 * these two words. @last has the last four bytes that were read of it before, at first 0.
 */
static inline int is_clc(unsigned int *last, const void *buf, size_t len)
{
	const unsigned char *p = buf;
	int found = 0;

	while (len--) {
		*last = *last << 8 | *p++;
		found |= *last == 0xe2d4c3d9 || *last == 0xe2d4c3c4;
	}
	return found;
}

/* What an application reads must have none. No program here sends such bytes. */
static inline void not_clc(unsigned int *last, const void *buf, size_t len)
{
	if (is_clc(last, buf, len)) {
		fprintf(stderr, "an application reads a message of SMC's handshake\n");
		exit(3);
	}
}

static inline void write_all(int fd, const char *buf, size_t len)
{
	while (len) {
		ssize_t n = write(fd, buf, len);

		if (n < 0)
			die("write");
		buf += n;
		len -= n;
	}
}

/* Sends back what comes until the end, and closes. */
static inline void echo(int conn)
{
	static char buf[65536];
	unsigned int last = 0;
	ssize_t n;

	while ((n = read(conn, buf, sizeof(buf))) > 0) {
		not_clc(&last, buf, n);
		write_all(conn, buf, n);
	}
	if (n < 0)
		die("read");
	close(conn);
}

#endif
