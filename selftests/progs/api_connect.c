// SPDX-License-Identifier: GPL-2.0
/*
 * connect(2), and what a socket is before it and while it is under way.
 */
#include "api.h"

/* A port at which nobody listens, and that nobody else gets. */
#define REFUSING_PORT() ({ \
	int __bound = SERVER(0); \
	ASSERT_EQ(0, bind_to(__bound, variant->at, 0)); \
	port_at(__bound); \
})

TEST_F(api, blocking)
{
	int fd = CLIENT(0);

	EXPECT_EQ(0, CONNECT(fd));
	EXPECT_EQ(0, get_int(fd, SOL_SOCKET, SO_ERROR));
	EXPECT_EQ(-EISCONN, CONNECT(fd));
	EXPECT_EQ(port_of(&self->to), peer_port_at(fd));
	CARRIES(fd, ACCEPTED());
}

TEST_F(api, nonblocking)
{
	int fd = CLIENT(SOCK_NONBLOCK);

	EXPECT_EQ(-EINPROGRESS, CONNECT(fd));
	EXPECT_EQ(POLLOUT, poll_for(fd, POLLIN | POLLOUT));
	EXPECT_EQ(0, get_int(fd, SOL_SOCKET, SO_ERROR));
	EXPECT_EQ(0, CONNECT(fd));
	EXPECT_EQ(-EISCONN, CONNECT(fd));
	EXPECT_EQ(-EAGAIN, rc(recv(fd, &fd, 1, 0)));
	CARRIES(fd, ACCEPTED());
}

/* Without the second connect(2), as most programs do it. */
TEST_F(api, nonblocking_then_send)
{
	int fd = CLIENT(SOCK_NONBLOCK);

	EXPECT_EQ(-EINPROGRESS, CONNECT(fd));
	EXPECT_EQ(POLLOUT, poll_for(fd, POLLOUT));
	CARRIES(fd, ACCEPTED());
}

/* The connection is made whether the application looks at it or not. */
TEST_F(api, nonblocking_goes_on_alone)
{
	int fd = CLIENT(SOCK_NONBLOCK), conn;

	EXPECT_EQ(-EINPROGRESS, CONNECT(fd));
	conn = ACCEPTED();
	ASSERT_EQ(5, rc(send(conn, "hello", 5, 0)));
	EXPECT_EQ(POLLIN, poll_for(fd, POLLIN));
}

TEST_F(api, blocking_after_nonblocking)
{
	int fd = CLIENT(SOCK_NONBLOCK);

	EXPECT_EQ(-EINPROGRESS, CONNECT(fd));
	set_nonblock(fd, false);
	EXPECT_EQ(0, CONNECT(fd));
	EXPECT_EQ(-EISCONN, CONNECT(fd));
	CARRIES(fd, ACCEPTED());
}

TEST_F(api, nobody_answers)
{
	int fd = CLIENT(SOCK_NONBLOCK);
	char byte;

	EXPECT_EQ(POLLOUT | POLLHUP, poll_now(fd, POLLIN | POLLOUT));
	EXPECT_EQ(-EINPROGRESS, CONNECT_HOLE(fd));
	EXPECT_EQ(-EALREADY, CONNECT_HOLE(fd));
	EXPECT_EQ(-EALREADY, CONNECT(fd));
	EXPECT_EQ(0, poll_now(fd, POLLIN | POLLOUT | POLLRDHUP));
	EXPECT_EQ(0, get_int(fd, SOL_SOCKET, SO_ERROR));
	EXPECT_EQ(TCP_SYN_SENT, tcp_info(fd).tcpi_state);
	EXPECT_EQ(-EAGAIN, rc(send(fd, "x", 1, 0)));
	EXPECT_EQ(-EAGAIN, rc(recv(fd, &byte, 1, 0)));
	EXPECT_EQ(-ENOTCONN, peer_port_at(fd));
	EXPECT_LT(0, port_at(fd));
	EXPECT_EQ(-EINVAL, rc(listen(fd, 1)));
	EXPECT_EQ(-EINVAL, rc(accept(fd, NULL, NULL)));
}

TEST_F(api, refused)
{
	int fd = CLIENT(0), port = REFUSING_PORT();

	EXPECT_EQ(-ECONNREFUSED, connect_to(fd, variant->to, port));
	EXPECT_EQ(0, get_int(fd, SOL_SOCKET, SO_ERROR));
	EXPECT_EQ(-ENOTCONN, peer_port_at(fd));
	EXPECT_EQ(-ECONNREFUSED, connect_to(fd, variant->to, port));
	EXPECT_EQ(0, CONNECT(fd));
	CARRIES(fd, ACCEPTED());
}

#define REFUSED (POLLIN | POLLOUT | POLLRDHUP | POLLERR | POLLHUP)

TEST_F(api, refused_nonblocking)
{
	int fd = CLIENT(SOCK_NONBLOCK), port = REFUSING_PORT();

	EXPECT_EQ(-EINPROGRESS, connect_to(fd, variant->to, port));
	until(poll_now(fd, REFUSED));
	EXPECT_EQ(REFUSED, poll_now(fd, REFUSED));
	EXPECT_EQ(ECONNREFUSED, get_int(fd, SOL_SOCKET, SO_ERROR));
	EXPECT_EQ(0, get_int(fd, SOL_SOCKET, SO_ERROR));
	/* The end of the attempt whose error is known already. */
	EXPECT_EQ(-ECONNABORTED, CONNECT(fd));
	EXPECT_EQ(-EINPROGRESS, CONNECT(fd));
	EXPECT_EQ(POLLOUT, poll_for(fd, REFUSED));
	CARRIES(fd, ACCEPTED());
}

TEST_F(api, refused_nonblocking_asked_by_connect)
{
	int fd = CLIENT(SOCK_NONBLOCK), port = REFUSING_PORT();

	EXPECT_EQ(-EINPROGRESS, connect_to(fd, variant->to, port));
	until(poll_now(fd, REFUSED) & POLLERR);
	EXPECT_EQ(-ECONNREFUSED, connect_to(fd, variant->to, port));
	set_nonblock(fd, false);
	EXPECT_EQ(0, CONNECT(fd));
	CARRIES(fd, ACCEPTED());
}

TEST_F(api, refused_nonblocking_asked_by_io)
{
	int fd = CLIENT(SOCK_NONBLOCK), port = REFUSING_PORT();
	char byte;

	EXPECT_EQ(-EINPROGRESS, connect_to(fd, variant->to, port));
	until(poll_now(fd, REFUSED) & POLLERR);
	EXPECT_EQ(-ECONNREFUSED, rc(recv(fd, &byte, 1, 0)));
	EXPECT_EQ(0, rc(recv(fd, &byte, 1, 0)));
	EXPECT_EQ(-EPIPE, rc(send(fd, "x", 1, MSG_NOSIGNAL)));
}

TEST_F(api, sndtimeo)
{
	int fd = CLIENT(0);

	ASSERT_EQ(0, set_time(fd, SO_SNDTIMEO, 50));
	EXPECT_EQ(-EINPROGRESS, CONNECT_HOLE(fd));
	EXPECT_EQ(-EALREADY, CONNECT_HOLE(fd));
	EXPECT_EQ(0, poll_now(fd, POLLIN | POLLOUT));
}

static void on_signal(int sig)
{
	(void)sig;
}

TEST_F(api, interrupted_then_completes)
{
	struct sigaction sa = { .sa_handler = on_signal };
	struct job job = { .call = job_connect, .fd = CLIENT(0), .to = &self->to };
	int i;

	sigaction(SIGUSR1, &sa, NULL);
	FILL_BACKLOG();
	job_start_asleep(&job);
	pthread_kill(job.thread, SIGUSR1);
	ASSERT_EQ(-EINTR, job_end(&job));
	set_nonblock(job.fd, true);
	EXPECT_EQ(-EALREADY, CONNECT(job.fd));
	set_nonblock(job.fd, false);
	for (i = 0; i < 2; i++)
		ACCEPTED();
	EXPECT_EQ(0, CONNECT(job.fd));
	EXPECT_EQ(-EISCONN, CONNECT(job.fd));
	CARRIES(job.fd, ACCEPTED());
}

/* With SA_RESTART connect(2) goes on by itself. */
TEST_F(api, restarted)
{
	struct sigaction sa = { .sa_handler = on_signal, .sa_flags = SA_RESTART };
	struct job job = { .call = job_connect, .fd = CLIENT(0), .to = &self->to };
	int i;

	sigaction(SIGUSR1, &sa, NULL);
	FILL_BACKLOG();
	job_start_asleep(&job);
	pthread_kill(job.thread, SIGUSR1);
	until(job_sleeps(&job));
	for (i = 0; i < 2; i++)
		ACCEPTED();
	EXPECT_EQ(0, job_end(&job));
	CARRIES(job.fd, ACCEPTED());
}

TEST_F(api, two_threads)
{
	struct job a = { .call = job_connect, .fd = CLIENT(0), .to = &self->to }, b = a;
	int i;

	FILL_BACKLOG();
	job_start_asleep(&a);
	job_start_asleep(&b);
	for (i = 0; i < 2; i++)
		ACCEPTED();
	/* Who comes second finds it connected, or is the one who says so. */
	a.result = job_end(&a);
	b.result = job_end(&b);
	EXPECT_TRUE(a.result == 0 || b.result == 0);
	EXPECT_TRUE(a.result == 0 || a.result == -EISCONN);
	EXPECT_TRUE(b.result == 0 || b.result == -EISCONN);
	CARRIES(a.fd, ACCEPTED());
}

/* Who sends or receives while connect(2) is under way waits for its end. */
TEST_F(api, send_and_recv_wait_for_it)
{
	struct job tx = { .call = job_send, .fd = CLIENT(0), .buf = "early", .len = 5 };
	struct job rx = { .call = job_recv, .fd = tx.fd, .len = 5, .flags = MSG_WAITALL };
	char buf[8] = "";
	int conn, i;

	FILL_BACKLOG();
	set_nonblock(tx.fd, true);
	EXPECT_EQ(-EINPROGRESS, CONNECT(tx.fd));
	EXPECT_EQ(-EAGAIN, rc(send(tx.fd, "x", 1, 0)));
	set_nonblock(tx.fd, false);
	job_start_asleep(&tx);
	job_start_asleep(&rx);
	for (i = 0; i < 2; i++)
		ACCEPTED();
	conn = ACCEPTED();
	EXPECT_EQ(5, rc(recv(conn, buf, 5, MSG_WAITALL)));
	EXPECT_STREQ("early", buf);
	EXPECT_EQ(5, job_end(&tx));
	ASSERT_EQ(5, rc(send(conn, "reply", 5, 0)));
	EXPECT_EQ(5, job_end(&rx));
	EXPECT_STREQ("reply", rx.buf);
}

TEST_F(api, times_out_in_send_and_recv)
{
	int fd = CLIENT(SOCK_NONBLOCK);
	char byte;

	EXPECT_EQ(-EINPROGRESS, CONNECT_HOLE(fd));
	set_nonblock(fd, false);
	ASSERT_EQ(0, set_time(fd, SO_SNDTIMEO, 50));
	ASSERT_EQ(0, set_time(fd, SO_RCVTIMEO, 50));
	EXPECT_EQ(-EAGAIN, rc(send(fd, "x", 1, 0)));
	EXPECT_EQ(-EAGAIN, rc(recv(fd, &byte, 1, 0)));
}

TEST_F(api, io_before_it)
{
	char byte = 'x';
	int fd = CLIENT(0);

	EXPECT_EQ(-EPIPE, rc(send(fd, &byte, 1, MSG_NOSIGNAL)));
	EXPECT_EQ(-ENOTCONN, rc(recv(fd, &byte, 1, 0)));
	EXPECT_EQ(-ENOTCONN, rc(read(fd, &byte, 1)));
	EXPECT_EQ(-EAGAIN, rc(recv(fd, &byte, 1, MSG_ERRQUEUE)));
	EXPECT_EQ(-ENOTCONN, peer_port_at(fd));
	EXPECT_EQ(0, port_at(fd));
	EXPECT_EQ(-EINVAL, rc(accept(fd, NULL, NULL)));
	EXPECT_EQ(0, queued(fd, SIOCOUTQ));
	EXPECT_EQ(0, queued(fd, SIOCINQ));
	EXPECT_EQ(TCP_CLOSE, tcp_info(fd).tcpi_state);
	EXPECT_EQ(0, CONNECT(fd));
	CARRIES(fd, ACCEPTED());
}

TEST_F_SIGNAL(api, write_before_it_is_sigpipe, SIGPIPE)
{
	int fd = CLIENT(0);

	ASSERT_LE(0, write(fd, "x", 1));
}

/* It is an error, but what was shut down stays so. */
TEST_F(api, shutdown_before_it)
{
	int fd = CLIENT(0), conn;
	char byte;

	EXPECT_EQ(-ENOTCONN, rc(shutdown(fd, SHUT_WR)));
	EXPECT_EQ(0, CONNECT(fd));
	conn = ACCEPTED();
	EXPECT_EQ(-EPIPE, rc(send(fd, &byte, 1, MSG_NOSIGNAL)));
	ASSERT_EQ(1, rc(send(conn, "x", 1, 0)));
	EXPECT_EQ(1, rc(recv(fd, &byte, 1, 0)));
}

TEST_F(api, shutdown_cancels_it)
{
	int fd = CLIENT(SOCK_NONBLOCK);

	EXPECT_EQ(-EINPROGRESS, CONNECT_HOLE(fd));
	EXPECT_EQ(0, rc(shutdown(fd, SHUT_RDWR)));
	EXPECT_EQ(ECONNRESET, get_int(fd, SOL_SOCKET, SO_ERROR));
	EXPECT_EQ(TCP_CLOSE, tcp_info(fd).tcpi_state);
	set_nonblock(fd, false);
	EXPECT_EQ(0, CONNECT(fd));
	CARRIES(fd, ACCEPTED());
}

TEST_F(api, disconnect_cancels_it)
{
	struct sockaddr unspec = { .sa_family = AF_UNSPEC };
	int fd = CLIENT(SOCK_NONBLOCK);

	EXPECT_EQ(-EINPROGRESS, CONNECT_HOLE(fd));
	EXPECT_EQ(0, rc(connect(fd, &unspec, sizeof(unspec))));
	EXPECT_EQ(ECONNRESET, get_int(fd, SOL_SOCKET, SO_ERROR));
	EXPECT_EQ(-EINPROGRESS, CONNECT(fd));
	EXPECT_EQ(POLLOUT, poll_for(fd, POLLOUT));
	CARRIES(fd, ACCEPTED());
}

TEST_F(api, disconnect_and_again)
{
	struct sockaddr unspec = { .sa_family = AF_UNSPEC };
	char byte;
	int i;

	PAIR();
	for (i = 0; i < 3; i++) {
		EXPECT_EQ(0, rc(connect(self->client, &unspec, sizeof(unspec))));
		EXPECT_EQ(ECONNRESET, get_int(self->client, SOL_SOCKET, SO_ERROR));
		EXPECT_EQ(-ENOTCONN, peer_port_at(self->client));
		EXPECT_EQ(-ENOTCONN, rc(recv(self->client, &byte, 1, 0)));
		EXPECT_EQ(-ECONNRESET, rc(recv(self->conn, &byte, 1, 0)));
		ASSERT_EQ(0, CONNECT(self->client));
		self->conn = ACCEPTED();
		CARRIES(self->client, self->conn);
		CARRIES(self->conn, self->client);
	}
}

/* Before a connection it is of no effect. */
TEST_F(api, disconnect_first)
{
	struct sockaddr unspec = { .sa_family = AF_UNSPEC };
	int fd = CLIENT(0);

	EXPECT_EQ(0, rc(connect(fd, &unspec, sizeof(unspec))));
	EXPECT_EQ(0, get_int(fd, SOL_SOCKET, SO_ERROR));
	EXPECT_EQ(0, CONNECT(fd));
	CARRIES(fd, ACCEPTED());
}

TEST_F(api, disconnect_listener)
{
	struct sockaddr unspec = { .sa_family = AF_UNSPEC };
	struct sockaddr_storage other;
	int fd = CLIENT(0), listener;
	socklen_t len;

	EXPECT_EQ(0, rc(connect(self->listener, &unspec, sizeof(unspec))));
	EXPECT_EQ(-EINVAL, rc(accept(self->listener, NULL, NULL)));
	EXPECT_EQ(-ECONNREFUSED, CONNECT(fd));
	/* It may become a client. */
	listener = socket(is_v6(variant->at) ? AF_INET6 : AF_INET, SOCK_STREAM, 0);
	ASSERT_EQ(0, bind_to(listener, variant->at, 0));
	ASSERT_EQ(0, rc(listen(listener, 1)));
	len = make_address(&other, strcmp(variant->at, "::") ? variant->at : "::1",
			   port_at(listener));
	EXPECT_EQ(0, rc(connect(self->listener, as_sa(&other), len)));
	CARRIES(self->listener, rc(accept(listener, NULL, NULL)));
}

TEST_F(api, listener_may_not)
{
	char byte;

	EXPECT_EQ(-EISCONN, CONNECT(self->listener));
	EXPECT_EQ(-EPIPE, rc(send(self->listener, "x", 1, MSG_NOSIGNAL)));
	EXPECT_EQ(-ENOTCONN, rc(recv(self->listener, &byte, 1, 0)));
	EXPECT_EQ(-ENOTCONN, peer_port_at(self->listener));
	EXPECT_EQ(-EINVAL, queued(self->listener, SIOCINQ));
	EXPECT_EQ(-EINVAL, queued(self->listener, SIOCOUTQ));
}

/* A socket that connects to itself is TCP's simultaneous open. */
TEST_F(api, to_itself)
{
	int fd = CLIENT(0), port;

	ASSERT_EQ(0, bind_to(fd, variant->to, 0));
	port = port_at(fd);
	EXPECT_EQ(0, connect_to(fd, variant->to, port));
	EXPECT_EQ(port, peer_port_at(fd));
	CARRIES(fd, fd);
	EXPECT_EQ(0, rc(shutdown(fd, SHUT_WR)));
	EXPECT_EQ(0, rc(recv(fd, &port, 1, 0)));
}

TEST_F(api, to_itself_nonblocking)
{
	int fd = CLIENT(SOCK_NONBLOCK), port;

	ASSERT_EQ(0, bind_to(fd, variant->to, 0));
	port = port_at(fd);
	EXPECT_EQ(-EINPROGRESS, connect_to(fd, variant->to, port));
	EXPECT_EQ(POLLOUT, poll_for(fd, POLLOUT));
	EXPECT_EQ(0, get_int(fd, SOL_SOCKET, SO_ERROR));
	set_nonblock(fd, false);
	CARRIES(fd, fd);
}

/* Two sockets whose SYNs meet on the way. */
TEST_F(api, simultaneous_open)
{
	int a, b, port_a, port_b, tries, error = ECONNREFUSED;

	ASSERT_EQ(0, unshare(CLONE_NEWNET));
	ASSERT_TRUE(shell("ip link set lo up && tc qdisc add dev lo root netem delay 300ms"));
	/* One SYN was there before the other left, if this machine is slow. */
	for (tries = 0; error == ECONNREFUSED && tries < 10; tries++) {
		a = CLIENT(SOCK_NONBLOCK);
		b = SERVER(SOCK_NONBLOCK);
		ASSERT_EQ(0, bind_to(a, variant->to, 0));
		ASSERT_EQ(0, bind_to(b, variant->at, 0));
		port_a = port_at(a);
		port_b = port_at(b);
		ASSERT_EQ(-EINPROGRESS, connect_to(a, variant->to, port_b));
		ASSERT_EQ(-EINPROGRESS, connect_to(b, !strcmp(variant->at, "::") ?
						   "::ffff:127.0.0.1" : variant->at, port_a));
		poll_for(a, POLLOUT);
		error = get_int(a, SOL_SOCKET, SO_ERROR);
		poll_for(b, POLLOUT);
	}
	ASSERT_EQ(0, error);
	set_nonblock(a, false);
	set_nonblock(b, false);
	CARRIES(a, b);
	CARRIES(b, a);
}
