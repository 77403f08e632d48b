/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The stream of bytes that flows.c sends and checks, each byte known by its place, and
 * how a program of it fails.
 */
#ifndef FLOWS_H
#define FLOWS_H

#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/types.h>

static const char *doing = "start";

static void __attribute__((format(printf, 1, 2), noreturn)) fail(const char *format, ...)
{
	va_list args;

	fprintf(stderr, "%s: ", doing);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fprintf(stderr, "\n");
	exit(1);
}

static void __attribute__((noreturn)) die(const char *what) { fail("%s: %s", what, strerror(errno)); }

#define expect(cond) do { if (!(cond)) fail("line %d: not so: %s (errno %s)", __LINE__, #cond, strerror(errno)); } while (0)

static unsigned char byte_at(uint64_t pos) { return (pos * 2654435761u) >> 24; }

static void fill(unsigned char *buf, uint64_t pos, size_t len)
{
	for (size_t i = 0; i < len; i++)
		buf[i] = byte_at(pos + i);
}

static void check(const unsigned char *buf, uint64_t pos, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (buf[i] != byte_at(pos + i))
			fail("byte %llu is wrong", (unsigned long long)(pos + i));
}

static void write_all(int fd, const void *buf, size_t len)
{
	while (len) {
		ssize_t n = send(fd, buf, len, MSG_NOSIGNAL);

		if (n < 0)
			die("send");
		buf = (const char *)buf + n;
		len -= n;
	}
}

static void read_all(int fd, void *buf, size_t len)
{
	while (len) {
		ssize_t n = recv(fd, buf, len, 0);

		if (n < 0)
			die("recv");
		if (!n)
			fail("end of stream, %zu bytes missing", len);
		buf = (char *)buf + n;
		len -= n;
	}
}

/* Pieces of changing sizes. */
static size_t piece(uint64_t pos, uint64_t left, size_t most)
{
	size_t n = 1 + (pos * 7919 + 12345) % most;

	return n < left ? n : left;
}

static void send_stream(int fd, uint64_t bytes)
{
	static unsigned char buf[200000];

	for (uint64_t pos = 0; pos < bytes; ) {
		size_t n = piece(pos, bytes - pos, sizeof(buf));

		fill(buf, pos, n);
		write_all(fd, buf, n);
		pos += n;
	}
}

static void recv_stream(int fd, uint64_t bytes)
{
	static unsigned char buf[150000];

	for (uint64_t pos = 0; pos < bytes; ) {
		ssize_t n = recv(fd, buf, piece(pos, bytes - pos, sizeof(buf)), 0);

		if (n < 0)
			die("recv");
		if (!n)
			fail("end of stream after %llu bytes", (unsigned long long)pos);
		check(buf, pos, n);
		pos += n;
	}
}

#endif
