// SPDX-License-Identifier: GPL-2.0
/*
 * What a connection of bytes has to do, one thing after the other, each on a
 * connection of its own.
 *
 *   flows server FAMILY PROTO PORT N      serves N connections at a time, then ends
 *   flows client FAMILY PROTO ADDR PORT TEST [ARG]
 *
 * TEST: pingpong SIZE   messages of SIZE bytes there and back
 *       bulk BYTES      both directions at once
 *       half BYTES      the client is done writing, then reads
 *       abort N, rabort N
 *                       the client, or the server, resets the connection with N
 *                       bytes on their way
 *       urgent, rurgent MSG_OOB from the client, from the server
 *       peek            MSG_PEEK, MSG_WAITALL, MSG_TRUNC, SO_RCVLOWAT
 *       splice BYTES    the server sends back by splice(2) what it gets
 *       relay BYTES     as splice, and tee(2) on the way
 *       sendfile BYTES  out of a file
 *       absent BYTES    out of and into memory that is not there yet, or never is
 *       kill            the client's process is killed
 *       poll BYTES      both ends never wait but in poll(2)
 *       options         ioctl(2), shutdown(2), errors
 *
 * FLOWS_C and FLOWS_C_HERE in the environment: one end, or this one, has the C module,
 * which does not do all of this.
 *
 * The exit status tells whether all was as it should be, at that end.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include "flows.h"

struct header {
	char test[16];
	uint64_t arg;
};

static void expect_end(int fd)
{
	char c;
	ssize_t n = recv(fd, &c, 1, 0);

	if (n)
		fail("instead of the end: %zd, %s", n, n < 0 ? strerror(errno) : "data");
}

static void wait_child(pid_t pid)
{
	int status;

	if (waitpid(pid, &status, 0) != pid || status)
		fail("the other direction failed");
}

static void pingpong(int fd, uint64_t size, int server)
{
	unsigned char *buf = malloc(size);
	int rounds = size > 100000 ? 3 : 20;

	for (int i = 0; i < rounds; i++) {
		if (!server) {
			fill(buf, i, size);
			write_all(fd, buf, size);
			memset(buf, 0, size);
		}
		read_all(fd, buf, size);
		check(buf, i, size);
		if (server)
			write_all(fd, buf, size);
	}
	free(buf);
}

static void bulk(int fd, uint64_t bytes)
{
	pid_t pid = fork();

	if (pid < 0)
		die("fork");
	if (!pid) {
		send_stream(fd, bytes);
		_exit(0);
	}
	recv_stream(fd, bytes);
	wait_child(pid);
}

static void half(int fd, uint64_t bytes, int server)
{
	if (server) {
		recv_stream(fd, bytes);
		expect_end(fd);
		expect_end(fd);
		send_stream(fd, bytes);
		return;
	}
	send_stream(fd, bytes);
	expect(!shutdown(fd, SHUT_WR));
	expect(send(fd, "x", 1, MSG_NOSIGNAL) == -1 && errno == EPIPE);
	recv_stream(fd, bytes);
	expect_end(fd);
}

/* Memory with the bytes of the stream from @pos on, of which nothing is mapped yet. */
static unsigned char *unread_file(uint64_t pos, size_t len)
{
	static unsigned char buf[65536];
	int fd = memfd_create("flows", 0);
	unsigned char *map;

	expect(fd >= 0 && !ftruncate(fd, len));
	for (size_t at = 0; at < len; at += sizeof(buf)) {
		size_t n = len - at < sizeof(buf) ? len - at : sizeof(buf);

		fill(buf, pos + at, n);
		expect(pwrite(fd, buf, n, at) == (ssize_t)n);
	}
	map = mmap(NULL, len, PROT_READ, MAP_SHARED, fd, 0);
	expect(map != MAP_FAILED);
	close(fd);
	return map;
}

/* The same for a reader; behind it there is nothing. */
static unsigned char *new_memory(size_t len, size_t nothing)
{
	size_t page = sysconf(_SC_PAGESIZE), there = (len + page - 1) / page * page;
	unsigned char *map = mmap(NULL, there + nothing, PROT_READ | PROT_WRITE,
				  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	expect(map != MAP_FAILED && !mprotect(map + there, nothing, PROT_NONE));
	return map + there - len;
}

/* What a call that ran into nothing has done; the rest is the same as ever. */
static size_t as_far_as(ssize_t n, size_t len)
{
	if (n < 0)
		expect(errno == EFAULT);
	expect(n <= (ssize_t)len);
	return n < 0 ? 0 : n;
}

static void absent(int fd, uint64_t bytes, int server)
{
	size_t page = sysconf(_SC_PAGESIZE), n;
	unsigned char *buf;

	for (int i = 0; i < 2; i++) {
		if (i != server) {
			write_all(fd, unread_file(0, bytes), bytes);
			buf = new_memory(page, page);
			fill(buf, bytes, page);
			n = as_far_as(send(fd, buf, 2 * page, MSG_NOSIGNAL), page);
			expect(send(fd, buf + page, 1, MSG_NOSIGNAL) == -1 && errno == EFAULT);
			write_all(fd, buf + n, page - n);
			fill(buf, bytes + page, page);
			write_all(fd, buf, page);
		} else {
			buf = new_memory(bytes, page);
			read_all(fd, buf, bytes);
			check(buf, 0, bytes);
			buf = new_memory(page, page);
			n = as_far_as(recv(fd, buf, 2 * page, MSG_WAITALL), page);
			read_all(fd, buf + n, page - n);
			check(buf, bytes, page);
			expect(recv(fd, buf + page, 1, 0) == -1 && errno == EFAULT);
			read_all(fd, buf, page);
			check(buf, bytes + page, page);
		}
	}
}

static void reset(int fd)
{
	struct linger l = { .l_onoff = 1, .l_linger = 0 };

	expect(!setsockopt(fd, SOL_SOCKET, SO_LINGER, &l, sizeof(l)));
	close(fd);
}

/* Data or not, then the reset, once. */
static void expect_reset(int fd)
{
	static char buf[65536];
	ssize_t n;

	/* SO_LINGER is nothing to the C module, and an abort an end of file. */
	if (getenv("FLOWS_C")) {
		while (recv(fd, buf, sizeof(buf), 0) > 0)
			;
		return;
	}

	while ((n = recv(fd, buf, sizeof(buf), 0)) > 0)
		;
	expect(n == -1 && (errno == ECONNRESET || errno == ECONNABORTED));
	expect(send(fd, "x", 1, MSG_NOSIGNAL) == -1 && (errno == EPIPE || errno == ECONNRESET));
}

static void aborts(int fd, uint64_t bytes, int aborter)
{
	char c = 0;

	if (!aborter) {
		write_all(fd, &c, 1);
		expect_reset(fd);
		return;
	}
	read_all(fd, &c, 1);
	send_stream(fd, bytes);
	reset(fd);
}

static void urgent(int fd, int reader)
{
	char buf[64];
	struct pollfd p = { .fd = fd, .events = POLLPRI };
	int mark = 0, before = 0;

	if (!reader) {
		read_all(fd, buf, 1);
		write_all(fd, "0123456789", 10);
		expect(send(fd, "abU", 3, MSG_OOB) == 3);
		write_all(fd, "xyz", 3);
		if (!getenv("FLOWS_C"))
			expect_end(fd);
		return;
	}
	expect(recv(fd, buf, 1, MSG_OOB) == -1);
	write_all(fd, "x", 1);
	expect(poll(&p, 1, 10000) == 1 && p.revents & POLLPRI);
	expect(recv(fd, buf, sizeof(buf), MSG_OOB) == 1 && buf[0] == 'U');
	/* The C module finds no mark; what is left unread would reset the connection. */
	if (getenv("FLOWS_C_HERE")) {
		while (recv(fd, buf, sizeof(buf), 0) > 0)
			;
		return;
	}
	/* A read stops at the mark. */
	while (!ioctl(fd, SIOCATMARK, &mark) && !mark) {
		ssize_t n = recv(fd, buf + before, sizeof(buf) - before, 0);

		expect(n > 0);
		before += n;
		expect(before <= 12);
	}
	expect(before == 12 && !memcmp(buf, "0123456789ab", 12));
	read_all(fd, buf, 3);
	expect(!memcmp(buf, "xyz", 3));
}

static void peek(int fd, int server)
{
	unsigned char buf[40000];
	struct pollfd p = { .fd = fd, .events = POLLIN };
	struct timeval tv = { .tv_usec = 200000 };
	int lowat = 5000;

	if (!server) {
		char c;

		fill(buf, 0, 40000);
		for (int i = 0; i < 40; i++) {
			write_all(fd, buf + 1000 * i, 1000);
			if (i % 10 == 9)
				usleep(100000);
		}
		/* Nothing more before the other end asks for it. */
		read_all(fd, &c, 1);
		write_all(fd, buf, 4000);
		read_all(fd, &c, 1);
		write_all(fd, buf + 4000, 1000);
		expect_end(fd);
		return;
	}
	expect(recv(fd, buf, 4, MSG_PEEK | MSG_WAITALL) == 4);
	check(buf, 0, 4);
	expect(recv(fd, buf, 30000, MSG_PEEK) > 0);
	check(buf, 0, 4);
	expect(recv(fd, buf, 10000, MSG_WAITALL) == 10000);
	check(buf, 0, 10000);
	expect(recv(fd, buf, 10, MSG_PEEK) == 10);
	check(buf, 10000, 10);
	expect(recv(fd, buf, 30000, MSG_WAITALL) == 30000);
	check(buf, 10000, 30000);
	expect(recv(fd, buf, 1, MSG_DONTWAIT) == -1 && errno == EAGAIN);
	expect(!setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv)));
	expect(recv(fd, buf, 1, 0) == -1 && errno == EAGAIN);
	tv.tv_usec = 0;
	expect(!setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv)));
	if (!setsockopt(fd, SOL_SOCKET, SO_RCVLOWAT, &lowat, sizeof(lowat)) &&
	    !getenv("FLOWS_C_HERE")) {
		write_all(fd, "x", 1);
		expect(poll(&p, 1, 500) == 0);
		write_all(fd, "x", 1);
		expect(poll(&p, 1, 5000) == 1);
	} else {
		write_all(fd, "xx", 2);
	}
	read_all(fd, buf, 5000);
	check(buf, 0, 5000);
}

static void move_all(int from, int to, size_t len)
{
	while (len) {
		ssize_t n = splice(from, NULL, to, NULL, len, SPLICE_F_MOVE | SPLICE_F_MORE);

		if (n <= 0)
			die("splice to the socket");
		len -= n;
	}
}

static void splices(int fd, uint64_t bytes, int server, int with_tee)
{
	int in[2], copy[2];
	static unsigned char buf[65536];
	uint64_t pos = 0;

	if (!server) {
		bulk(fd, bytes);
		expect(!shutdown(fd, SHUT_WR));
		expect_end(fd);
		return;
	}
	expect(!pipe(in) && !pipe(copy));
	for (;;) {
		ssize_t n = splice(fd, NULL, in[1], NULL, 50000, SPLICE_F_MOVE);

		if (n < 0)
			die("splice from the socket");
		if (!n)
			break;
		if (with_tee) {
			ssize_t m = tee(in[0], copy[1], n, 0);

			expect(m > 0);
			move_all(in[0], fd, n);
			/* The copy is there though the original has gone. */
			for (ssize_t k = 0; k < m; ) {
				ssize_t got = read(copy[0], buf, m - k);

				expect(got > 0);
				check(buf, pos + k, got);
				k += got;
			}
		} else {
			move_all(in[0], fd, n);
		}
		pos += n;
	}
	expect(pos == bytes);
}

static void sends_file(int fd, uint64_t bytes, int server)
{
	int file;
	off_t off = 0;
	static unsigned char buf[65536];

	if (server) {
		recv_stream(fd, bytes);
		expect_end(fd);
		return;
	}
	file = memfd_create("flows", 0);
	expect(file >= 0);
	for (uint64_t pos = 0; pos < bytes; ) {
		size_t n = bytes - pos < sizeof(buf) ? bytes - pos : sizeof(buf);

		fill(buf, pos, n);
		expect(write(file, buf, n) == (ssize_t)n);
		pos += n;
	}
	while ((uint64_t)off < bytes)
		expect(sendfile(fd, file, &off, bytes - off) > 0);
}

static void killed(int fd, int server)
{
	char buf[1000];
	ssize_t n;
	pid_t pid;

	if (server) {
		write_all(fd, "x", 1);
		while ((n = recv(fd, buf, sizeof(buf), 0)) > 0)
			;
		expect(n == 0 || errno == ECONNRESET || errno == ECONNABORTED);
		return;
	}
	read_all(fd, buf, 1);
	pid = fork();
	if (!pid)
		for (;;)
			write_all(fd, buf, sizeof(buf));
	close(fd);
	usleep(300000);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

static void polls(int fd, uint64_t bytes)
{
	static unsigned char in[30000], out[30000];
	uint64_t sent = 0, got = 0;
	size_t have = 0, at = 0;

	expect(!fcntl(fd, F_SETFL, O_NONBLOCK));
	while (sent < bytes || got < bytes) {
		struct pollfd p = { .fd = fd };
		ssize_t n;

		if (got < bytes)
			p.events |= POLLIN;
		if (sent < bytes)
			p.events |= POLLOUT;
		if (poll(&p, 1, 20000) != 1)
			fail("nothing for 20 s, %llu sent, %llu got",
			     (unsigned long long)sent, (unsigned long long)got);
		if (p.revents & POLLOUT) {
			if (at == have) {
				at = 0;
				have = piece(sent, bytes - sent, sizeof(out));
				fill(out, sent, have);
			}
			n = send(fd, out + at, have - at, MSG_NOSIGNAL);
			if (n > 0) {
				at += n;
				sent += n;
			} else if (errno != EAGAIN) {
				die("send");
			}
		}
		if (p.revents & POLLIN) {
			n = recv(fd, in, sizeof(in), 0);
			if (n > 0) {
				check(in, got, n);
				got += n;
			} else if (!n) {
				fail("end of stream");
			} else if (errno != EAGAIN) {
				die("recv");
			}
		} else if (p.revents & (POLLERR | POLLHUP)) {
			fail("revents %#x", p.revents);
		}
	}
	expect(!fcntl(fd, F_SETFL, 0));
}

/*
 * What is held back waits for its own 200 ms, and not for what is left of those of
 * something before that has left already.
 */
static void cork_again(int fd)
{
	struct timespec start, end;
	char c;

	expect(send(fd, "x", 1, MSG_MORE) == 1);
	write_all(fd, "y", 1);
	usleep(150000);
	clock_gettime(CLOCK_MONOTONIC, &start);
	expect(send(fd, "z", 1, MSG_MORE) == 1);
	read_all(fd, &c, 1);
	clock_gettime(CLOCK_MONOTONIC, &end);
	expect((end.tv_sec - start.tv_sec) * 1000 + (end.tv_nsec - start.tv_nsec) / 1000000 >= 190);
}

static void options(int fd, int server)
{
	struct pollfd p = { .fd = fd, .events = POLLIN | POLLOUT | POLLRDHUP };
	int n = -1, one = 1, zero = 0, err = -1;
	socklen_t len = sizeof(err);
	char buf[100];

	if (!server) {
		expect(!setsockopt(fd, SOL_TCP, TCP_CORK, &one, sizeof(one)));
		write_all(fd, "0123456789", 10);
		expect(!setsockopt(fd, SOL_TCP, TCP_CORK, &zero, sizeof(zero)));
		read_all(fd, buf, 1);
		expect(send(fd, "more", 4, MSG_MORE) == 4);
		write_all(fd, "last", 4);
		expect(poll(&p, 1, 1000) == 1 && p.revents == POLLOUT);
		read_all(fd, buf, 1);
		expect(!ioctl(fd, SIOCOUTQ, &n) && n >= 0);
		if (!getenv("FLOWS_C"))
			cork_again(fd);
		expect(!shutdown(fd, SHUT_WR));
		expect_end(fd);
		p.events |= POLLIN;
		expect(poll(&p, 1, 1000) == 1 && p.revents & POLLHUP && p.revents & POLLIN);
		expect(!getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &len) && !err);
		return;
	}
	read_all(fd, buf, 10);
	write_all(fd, "x", 1);
	p.events = POLLIN;
	expect(poll(&p, 1, 5000) == 1);
	usleep(100000);
	expect(!ioctl(fd, SIOCINQ, &n) && n == 8);
	read_all(fd, buf, 8);
	expect(!memcmp(buf, "morelast", 8));
	write_all(fd, "x", 1);
	if (!getenv("FLOWS_C")) {
		read_all(fd, buf, 3);
		write_all(fd, "x", 1);
	}
	p.events = POLLRDHUP;
	expect(poll(&p, 1, 5000) == 1 && p.revents & POLLRDHUP && !(p.revents & POLLHUP));
	expect_end(fd);
}

static void run(int fd, const char *test, uint64_t arg, int server)
{
	doing = test;
	if (!strcmp(test, "pingpong"))
		pingpong(fd, arg, server);
	else if (!strcmp(test, "bulk"))
		bulk(fd, arg);
	else if (!strcmp(test, "half"))
		half(fd, arg, server);
	else if (!strcmp(test, "abort"))
		aborts(fd, arg, !server);
	else if (!strcmp(test, "rabort"))
		aborts(fd, arg, server);
	else if (!strcmp(test, "urgent"))
		urgent(fd, server);
	else if (!strcmp(test, "rurgent"))
		urgent(fd, !server);
	else if (!strcmp(test, "peek"))
		peek(fd, server);
	else if (!strcmp(test, "splice"))
		splices(fd, arg, server, 0);
	else if (!strcmp(test, "relay"))
		splices(fd, arg, server, 1);
	else if (!strcmp(test, "absent"))
		absent(fd, arg, server);
	else if (!strcmp(test, "sendfile"))
		sends_file(fd, arg, server);
	else if (!strcmp(test, "kill"))
		killed(fd, server);
	else if (!strcmp(test, "poll"))
		polls(fd, arg);
	else if (!strcmp(test, "options"))
		options(fd, server);
	else
		fail("no such test");
	close(fd);
}

static socklen_t address(struct sockaddr_storage *ss, const char *addr, int port)
{
	struct sockaddr_in *a = (void *)ss;

	memset(ss, 0, sizeof(*ss));
	a->sin_family = AF_INET;
	a->sin_port = htons(port);
	if (addr && inet_pton(AF_INET, addr, &a->sin_addr) != 1)
		fail("no address: %s", addr);
	return sizeof(*a);
}

static int server(int family, int protocol, int port, int count)
{
	int fd = socket(family, SOCK_STREAM, protocol), one = 1, status, bad = 0;
	struct sockaddr_storage ss;
	socklen_t len = address(&ss, NULL, port);

	if (fd < 0)
		die("socket");
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(fd, (void *)&ss, len) || listen(fd, 128))
		die("listen");
	for (int i = 0; i < count; i++) {
		int conn = accept(fd, NULL, NULL);
		struct header h;

		if (conn < 0)
			die("accept");
		if (!fork()) {
			close(fd);
			doing = "header";
			read_all(conn, &h, sizeof(h));
			run(conn, h.test, h.arg, 1);
			exit(0);
		}
		close(conn);
	}
	while (count--)
		bad |= wait(&status) < 0 || status;
	return bad;
}

int main(int argc, char **argv)
{
	struct header h = { .arg = argc > 7 ? strtoull(argv[7], NULL, 0) : 0 };
	struct sockaddr_storage ss;
	socklen_t len;
	int fd;

	if (argc == 6 && !strcmp(argv[1], "server"))
		return server(atoi(argv[2]), atoi(argv[3]), atoi(argv[4]), atoi(argv[5]));
	if ((argc != 7 && argc != 8) || strcmp(argv[1], "client")) {
		fprintf(stderr, "usage: see the head of flows.c\n");
		return 2;
	}
	snprintf(h.test, sizeof(h.test), "%s", argv[6]);
	len = address(&ss, argv[4], atoi(argv[5]));
	fd = socket(atoi(argv[2]), SOCK_STREAM, atoi(argv[3]));
	if (fd < 0)
		die("socket");
	if (connect(fd, (void *)&ss, len))
		die("connect");
	write_all(fd, &h, sizeof(h));
	run(fd, argv[6], h.arg, 0);
	return 0;
}
