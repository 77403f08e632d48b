// SPDX-License-Identifier: GPL-2.0
/*
 * The ends of a stream, readiness, and pipes.
 */
#include "api.h"
#include <sys/mman.h>
#include <sys/sendfile.h>

TEST_F(api, half_close)
{
	char buf[8];

	PAIR();
	ASSERT_EQ(5, rc(send(self->client, "bytes", 5, 0)));
	ASSERT_EQ(0, rc(shutdown(self->client, SHUT_WR)));
	EXPECT_EQ(5, rc(recv(self->conn, buf, 5, MSG_WAITALL)));
	EXPECT_EQ(0, rc(recv(self->conn, buf, 5, 0)));
	EXPECT_EQ(TCP_CLOSE_WAIT, tcp_info(self->conn).tcpi_state);
	/* The other way is as open as before. */
	CARRIES(self->conn, self->client);
	EXPECT_EQ(0, rc(shutdown(self->client, SHUT_WR)));
	ASSERT_EQ(0, rc(shutdown(self->conn, SHUT_WR)));
	EXPECT_EQ(0, rc(recv(self->client, buf, 5, 0)));
	EXPECT_EQ(-EINVAL, rc(shutdown(self->conn, 3)));
}

TEST_F(api, shutdown_rd)
{
	char byte;

	PAIR();
	ASSERT_EQ(0, rc(shutdown(self->conn, SHUT_RD)));
	EXPECT_EQ(0, rc(recv(self->conn, &byte, 1, 0)));
	EXPECT_EQ(POLLIN | POLLRDHUP, poll_now(self->conn, POLLIN | POLLRDHUP));
	CARRIES(self->conn, self->client);
	/* What comes all the same can be read. */
	ASSERT_EQ(1, rc(send(self->client, "x", 1, 0)));
	until(queued(self->conn, SIOCINQ) == 1);
	EXPECT_EQ(1, rc(recv(self->conn, &byte, 1, 0)));
	EXPECT_EQ(0, rc(recv(self->conn, &byte, 1, 0)));
}

TEST_F(api, shutdown_rdwr)
{
	char byte;

	PAIR();
	ASSERT_EQ(0, rc(shutdown(self->conn, SHUT_RDWR)));
	EXPECT_EQ(0, rc(recv(self->conn, &byte, 1, 0)));
	EXPECT_EQ(-EPIPE, rc(send(self->conn, "x", 1, MSG_NOSIGNAL)));
	EXPECT_EQ(0, rc(recv(self->client, &byte, 1, 0)));
	EXPECT_EQ(POLLHUP, poll_now(self->conn, 0));
	EXPECT_EQ(port_at(self->listener), port_at(self->conn));
}

TEST_F(api, shutdown_wakes_recv)
{
	struct job job = { .call = job_recv };

	PAIR();
	job.fd = self->client;
	job_start_asleep(&job);
	ASSERT_EQ(0, rc(shutdown(self->client, SHUT_RD)));
	EXPECT_EQ(0, job_end(&job));
}

TEST_F(api, peer_close_wakes_recv)
{
	struct job job = { .call = job_recv };

	PAIR();
	job.fd = self->client;
	job_start_asleep(&job);
	close(self->conn);
	EXPECT_EQ(0, job_end(&job));
	EXPECT_EQ(POLLIN | POLLOUT | POLLRDHUP,
		  poll_now(self->client, POLLIN | POLLOUT | POLLRDHUP));
	/* Nobody is there for this: reset. */
	ASSERT_EQ(1, rc(send(self->client, "x", 1, 0)));
	until(poll_now(self->client, 0) & POLLERR);
	EXPECT_EQ(EPIPE, get_int(self->client, SOL_SOCKET, SO_ERROR));
	EXPECT_EQ(-EPIPE, rc(send(self->client, "x", 1, MSG_NOSIGNAL)));
}

TEST_F(api, linger_zero_resets)
{
	struct linger reset = { .l_onoff = 1, .l_linger = 0 }, got = {};
	struct job job = { .call = job_recv };
	socklen_t len = sizeof(got);

	PAIR();
	job.fd = self->client;
	job_start_asleep(&job);
	ASSERT_EQ(0, rc(setsockopt(self->conn, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset))));
	ASSERT_EQ(0, rc(getsockopt(self->conn, SOL_SOCKET, SO_LINGER, &got, &len)));
	EXPECT_EQ(0, memcmp(&reset, &got, sizeof(got)));
	close(self->conn);
	EXPECT_EQ(-ECONNRESET, job_end(&job));
	EXPECT_EQ(POLLERR | POLLHUP, poll_now(self->client, 0) | POLLERR);
	EXPECT_EQ(0, rc(recv(self->client, job.buf, 1, 0)));
	EXPECT_EQ(-EPIPE, rc(send(self->client, "x", 1, MSG_NOSIGNAL)));
}

TEST_F(api, linger_waits)
{
	struct linger linger = { .l_onoff = 1, .l_linger = 20 };
	char buf[8] = "";

	PAIR();
	ASSERT_EQ(0, rc(setsockopt(self->client, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger))));
	ASSERT_EQ(5, rc(send(self->client, "bytes", 5, 0)));
	close(self->client);
	EXPECT_EQ(5, rc(recv(self->conn, buf, 5, MSG_WAITALL)));
	EXPECT_EQ(0, rc(recv(self->conn, buf, 5, 0)));
}

/* What was not read when the socket was closed is told by a reset. */
TEST_F(api, close_with_unread)
{
	char byte;

	PAIR();
	ASSERT_EQ(1, rc(send(self->client, "x", 1, 0)));
	until(queued(self->conn, SIOCINQ) == 1);
	close(self->conn);
	EXPECT_EQ(-ECONNRESET, rc(recv(self->client, &byte, 1, 0)));
}

TEST_F(api, poll_of_a_connection)
{
	int all = POLLIN | POLLOUT | POLLPRI | POLLRDHUP;
	char buf[8];

	PAIR();
	EXPECT_EQ(POLLOUT, poll_now(self->client, all));
	EXPECT_EQ(POLLOUT, poll_now(self->conn, all));
	ASSERT_EQ(5, rc(send(self->client, "bytes", 5, 0)));
	EXPECT_EQ(POLLIN, poll_for(self->conn, POLLIN));
	EXPECT_EQ(5, rc(recv(self->conn, buf, 5, 0)));
	EXPECT_EQ(POLLOUT, poll_now(self->conn, all));
	ASSERT_EQ(0, rc(shutdown(self->client, SHUT_WR)));
	EXPECT_EQ(POLLIN | POLLRDHUP, poll_for(self->conn, POLLIN | POLLRDHUP));
	ASSERT_EQ(0, rc(shutdown(self->conn, SHUT_WR)));
	EXPECT_EQ(POLLIN | POLLRDHUP | POLLHUP, poll_now(self->conn, POLLIN | POLLRDHUP));
}

TEST_F(api, poll_for_room)
{
	static char buf[65536];
	long n;

	PAIR();
	set_nonblock(self->client, true);
	do {
		while (send(self->client, buf, sizeof(buf), 0) > 0)
			;
	} while (poll_now(self->client, POLLOUT));
	EXPECT_EQ(-EAGAIN, rc(send(self->client, buf, 1, 0)));
	set_nonblock(self->conn, true);
	while (!poll_now(self->client, POLLOUT)) {
		n = rc(recv(self->conn, buf, sizeof(buf), 0));
		ASSERT_TRUE(n > 0 || n == -EAGAIN);
	}
	EXPECT_LT(0, rc(send(self->client, buf, 1, 0)));
}

TEST_F(api, timeouts)
{
	static char buf[65536];
	struct timeval tv;
	socklen_t len = sizeof(tv);
	long n;

	PAIR();
	ASSERT_EQ(0, set_time(self->client, SO_RCVTIMEO, 100));
	ASSERT_EQ(0, set_time(self->client, SO_SNDTIMEO, 100));
	ASSERT_EQ(0, rc(getsockopt(self->client, SOL_SOCKET, SO_RCVTIMEO, &tv, &len)));
	EXPECT_EQ(100000, tv.tv_usec);
	EXPECT_EQ(-EAGAIN, rc(recv(self->client, buf, 1, 0)));
	do {
		n = rc(send(self->client, buf, sizeof(buf), 0));
	} while (n > 0);
	EXPECT_EQ(-EAGAIN, n);
}

/* Set at any time: before connect(2) and after. */
TEST_F(api, rcvlowat)
{
	int fd = CLIENT(0), conn, i;
	char buf[16];

	ASSERT_EQ(0, set_int(fd, SOL_SOCKET, SO_RCVLOWAT, 4));
	EXPECT_EQ(4, get_int(fd, SOL_SOCKET, SO_RCVLOWAT));
	ASSERT_EQ(0, CONNECT(fd));
	conn = ACCEPTED();
	for (i = 4; i <= 6; i += 2) {
		struct job job = { .call = job_recv, .fd = fd };

		EXPECT_EQ(i, get_int(fd, SOL_SOCKET, SO_RCVLOWAT));
		job_start_asleep(&job);
		ASSERT_EQ(i - 1, rc(send(conn, "123456", i - 1, 0)));
		until(queued(fd, SIOCINQ) == i - 1);
		EXPECT_EQ(0, poll_now(fd, POLLIN));
		ASSERT_EQ(1, rc(send(conn, "x", 1, 0)));
		EXPECT_EQ(i, job_end(&job));
		ASSERT_EQ(i, rc(send(conn, "123456", i, 0)));
		EXPECT_EQ(POLLIN, poll_for(fd, POLLIN));
		EXPECT_EQ(i, rc(recv(fd, buf, sizeof(buf), 0)));
		ASSERT_EQ(0, set_int(fd, SOL_SOCKET, SO_RCVLOWAT, 6));
	}
}

TEST_F(api, rcvlowat_of_the_listener)
{
	char buf[8];

	ASSERT_EQ(0, set_int(self->listener, SOL_SOCKET, SO_RCVLOWAT, 3));
	PAIR();
	EXPECT_EQ(3, get_int(self->conn, SOL_SOCKET, SO_RCVLOWAT));
	ASSERT_EQ(2, rc(send(self->client, "ab", 2, 0)));
	until(queued(self->conn, SIOCINQ) == 2);
	EXPECT_EQ(0, poll_now(self->conn, POLLIN));
	ASSERT_EQ(1, rc(send(self->client, "c", 1, 0)));
	EXPECT_EQ(POLLIN, poll_for(self->conn, POLLIN));
	EXPECT_EQ(3, rc(recv(self->conn, buf, 8, 0)));
}

/* Written by a signal handler: to be read by SEEN(). */
static int band_seen, signals_seen;

#define SEEN(what) __atomic_load_n(&(what), __ATOMIC_SEQ_CST)

static void on_io(int sig, siginfo_t *info, void *context)
{
	(void)sig;
	(void)context;
	__atomic_add_fetch(&signals_seen, 1, __ATOMIC_SEQ_CST);
	__atomic_or_fetch(&band_seen, (int)info->si_band, __ATOMIC_SEQ_CST);
}

#define WANT_SIGNALS(fd) do { \
	struct sigaction sa = { .sa_sigaction = on_io, .sa_flags = SA_SIGINFO | SA_RESTART }; \
	sigaction(SIGRTMIN, &sa, NULL); \
	ASSERT_EQ(0, rc(fcntl(fd, F_SETOWN, getpid()))); \
	ASSERT_EQ(0, rc(fcntl(fd, F_SETSIG, SIGRTMIN))); \
	ASSERT_EQ(0, rc(fcntl(fd, F_SETFL, O_ASYNC))); \
} while (0)

TEST_F(api, signal_of_data)
{
	PAIR();
	WANT_SIGNALS(self->conn);
	EXPECT_EQ(getpid(), fcntl(self->conn, F_GETOWN));
	ASSERT_EQ(1, rc(send(self->client, "x", 1, 0)));
	until(SEEN(band_seen) & POLLIN);
	__atomic_store_n(&band_seen, 0, __ATOMIC_SEQ_CST);
	close(self->client);
	until(SEEN(band_seen) & (POLLHUP | POLLIN));
	EXPECT_LE(2, SEEN(signals_seen));
}

/* Asked for before connect(2). */
TEST_F(api, signal_of_connection)
{
	int fd = CLIENT(0);

	WANT_SIGNALS(fd);
	set_nonblock(fd, true);
	EXPECT_EQ(-EINPROGRESS, CONNECT(fd));
	/* One that comes too early is followed by another. */
	do {
		until(SEEN(band_seen) & POLLOUT);
		__atomic_store_n(&band_seen, 0, __ATOMIC_SEQ_CST);
	} while (poll_now(fd, POLLOUT) != POLLOUT);
	ASSERT_EQ(1, rc(send(ACCEPTED(), "x", 1, 0)));
	until(SEEN(band_seen) & POLLIN);
}

TEST_F(api, signal_of_listener)
{
	WANT_SIGNALS(self->listener);
	CONNECTED();
	until(SEEN(band_seen) & POLLIN);
	poll_for(self->listener, POLLIN);
	ACCEPTED();
}

TEST_F(api, oob_signal)
{
	PAIR();
	WANT_SIGNALS(self->conn);
	ASSERT_EQ(0, rc(fcntl(self->conn, F_SETSIG, 0)));
	signal(SIGURG, SIG_IGN);
	sigaction(SIGURG, &(struct sigaction){ .sa_sigaction = on_io, .sa_flags = SA_SIGINFO },
		  NULL);
	__atomic_store_n(&signals_seen, 0, __ATOMIC_SEQ_CST);
	signal(SIGIO, SIG_IGN);
	ASSERT_EQ(1, rc(send(self->client, "!", 1, MSG_OOB)));
	until(SEEN(signals_seen));
}

TEST_F(api, send_file)
{
	int file = memfd_create("file", 0);
	char buf[8] = "";
	off_t at = 1;

	ASSERT_EQ(6, rc(write(file, "abcdef", 6)));
	PAIR();
	EXPECT_EQ(4, rc(sendfile(self->client, file, &at, 4)));
	EXPECT_EQ(5, at);
	EXPECT_EQ(4, rc(recv(self->conn, buf, 4, MSG_WAITALL)));
	EXPECT_STREQ("bcde", buf);
	EXPECT_EQ(-EINVAL, rc(sendfile(self->conn, self->client, NULL, 1)));
}

TEST_F(api, splice_and_tee)
{
	char buf[8] = "";
	int a[2], b[2];

	ASSERT_EQ(0, pipe(a));
	ASSERT_EQ(0, pipe(b));
	PAIR();
	ASSERT_EQ(5, write(a[1], "bytes", 5));
	EXPECT_EQ(5, rc(splice(a[0], NULL, self->client, NULL, 5, 0)));
	EXPECT_EQ(5, rc(splice(self->conn, NULL, b[1], NULL, 5, 0)));
	EXPECT_EQ(5, rc(tee(b[0], a[1], 5, 0)));
	EXPECT_EQ(5, rc(splice(b[0], NULL, self->conn, NULL, 5, SPLICE_F_MORE)));
	EXPECT_EQ(5, read(a[0], buf, 8));
	EXPECT_STREQ("bytes", buf);
	EXPECT_EQ(5, rc(recv(self->client, buf, 5, MSG_WAITALL)));
	set_nonblock(self->conn, true);
	EXPECT_EQ(-EAGAIN, rc(splice(self->conn, NULL, b[1], NULL, 5, 0)));
	set_nonblock(self->conn, false);
	close(self->client);
	EXPECT_EQ(0, rc(splice(self->conn, NULL, b[1], NULL, 5, 0)));
}

/* In states that allow none. */
TEST_F(api, splice_unconnected)
{
	int fd = CLIENT(SOCK_NONBLOCK), p[2];

	ASSERT_EQ(0, pipe(p));
	ASSERT_EQ(1, write(p[1], "x", 1));
	EXPECT_EQ(-ENOTCONN, rc(splice(fd, NULL, p[1], NULL, 1, 0)));
	EXPECT_EQ(-EINPROGRESS, CONNECT_HOLE(fd));
	EXPECT_EQ(-EAGAIN, rc(splice(fd, NULL, p[1], NULL, 1, 0)));
	EXPECT_EQ(-EAGAIN, rc(splice(p[0], NULL, fd, NULL, 1, SPLICE_F_NONBLOCK)));
}
