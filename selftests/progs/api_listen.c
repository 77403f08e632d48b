// SPDX-License-Identifier: GPL-2.0
/*
 * bind(2), listen(2) and accept(2).
 */
#include "api.h"
#include <sys/resource.h>

TEST_F(api, bind_conflict)
{
	int port = port_at(self->listener), fd = SERVER(0);

	EXPECT_EQ(-EADDRINUSE, bind_to(fd, variant->at, port));
	EXPECT_EQ(0, bind_to(fd, variant->at, 0));
	EXPECT_EQ(-EINVAL, bind_to(fd, variant->at, 0));
	EXPECT_LT(0, port_at(fd));
}

/* Two may be bound to an address, but not listen there. */
TEST_F(api, listen_conflict)
{
	int a = SERVER(0), b = SERVER(0);

	set_int(a, SOL_SOCKET, SO_REUSEADDR, 1);
	set_int(b, SOL_SOCKET, SO_REUSEADDR, 1);
	ASSERT_EQ(0, bind_to(a, variant->at, 0));
	ASSERT_EQ(0, bind_to(b, variant->at, port_at(a)));
	EXPECT_EQ(0, rc(listen(a, 1)));
	EXPECT_EQ(-EADDRINUSE, rc(listen(b, 1)));
	close(a);
	EXPECT_EQ(0, rc(listen(b, 1)));
	EXPECT_EQ(0, connect_to(CLIENT(0), variant->to, port_at(b)));
	EXPECT_LE(0, rc(accept(b, NULL, NULL)));
}

TEST_F(api, addresses_that_are_none)
{
	struct sockaddr_storage ss;
	int fd = CLIENT(0), server = SERVER(0);
	socklen_t len = make_address(&ss, variant->to, 1);

	EXPECT_EQ(-EINVAL, rc(bind(fd, as_sa(&ss), 3)));
	EXPECT_EQ(-EINVAL, rc(connect(fd, as_sa(&ss), 1)));
	EXPECT_EQ(-EINVAL, rc(connect(fd, as_sa(&ss), 3)));
	EXPECT_EQ(-EFAULT, rc(connect(fd, (void *)1, len)));
	EXPECT_EQ(-EINVAL, rc(connect(fd, as_sa(&ss), sizeof(ss) + 1)));
	ss.ss_family = AF_UNIX;
	EXPECT_EQ(-EAFNOSUPPORT, rc(bind(fd, as_sa(&ss), len)));
	EXPECT_EQ(-EAFNOSUPPORT, rc(connect(fd, as_sa(&ss), len)));
	EXPECT_EQ(-EADDRNOTAVAIL, bind_to(server, is_v6(variant->at) ? "2001:db8::99" : "192.0.2.99",
					  0));
	EXPECT_EQ(0, CONNECT(fd));
}

TEST_F(api, bound_client)
{
	struct sockaddr_storage ss;
	int fd = CLIENT(0), port, conn;
	socklen_t len = sizeof(ss);

	ASSERT_EQ(0, bind_to(fd, variant->to, 0));
	port = port_at(fd);
	EXPECT_LT(0, port);
	EXPECT_EQ(0, CONNECT(fd));
	EXPECT_EQ(port, port_at(fd));
	conn = rc(accept(self->listener, as_sa(&ss), &len));
	ASSERT_LE(0, conn);
	EXPECT_EQ(port, port_of(&ss));
}

TEST_F(api, names)
{
	int family = is_v6(variant->to) ? AF_INET6 : AF_INET;
	int server_family = is_v6(variant->at) ? AF_INET6 : AF_INET;
	struct sockaddr_storage a, b;
	socklen_t len = sizeof(a);

	PAIR();
	ASSERT_EQ(0, getsockname(self->client, as_sa(&a), &len));
	EXPECT_EQ(self->tolen, len);
	EXPECT_EQ(family, a.ss_family);
	len = sizeof(b);
	ASSERT_EQ(0, getpeername(self->client, as_sa(&b), &len));
	EXPECT_EQ(self->tolen, len);
	EXPECT_EQ(0, memcmp(&b, &self->to, len));
	len = sizeof(b);
	ASSERT_EQ(0, getpeername(self->conn, as_sa(&b), &len));
	EXPECT_EQ(server_family, b.ss_family);
	EXPECT_EQ(port_of(&a), port_of(&b));
	len = sizeof(b);
	ASSERT_EQ(0, getsockname(self->conn, as_sa(&b), &len));
	EXPECT_EQ(server_family, b.ss_family);
	EXPECT_EQ(port_of(&self->to), port_of(&b));
	/* A short buffer gets what fits, and hears of the rest. */
	memset(&b, 0xff, sizeof(b));
	len = 4;
	EXPECT_EQ(0, getsockname(self->client, as_sa(&b), &len));
	EXPECT_EQ(self->tolen, len);
	EXPECT_EQ(0, memcmp(&a, &b, 4));
	EXPECT_EQ(0xff, ((unsigned char *)&b)[4]);
	EXPECT_EQ(-EFAULT, rc(getsockname(self->client, (void *)1, &len)));
}

TEST_F(api, names_after_the_end)
{
	struct linger reset = { .l_onoff = 1, .l_linger = 0 };
	int port;

	PAIR();
	port = port_at(self->client);
	ASSERT_EQ(0, rc(setsockopt(self->conn, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset))));
	close(self->conn);
	until(poll_now(self->client, POLLIN) & POLLHUP);
	EXPECT_EQ(port, port_at(self->client));
	EXPECT_EQ(-ENOTCONN, peer_port_at(self->client));
}

TEST_F(api, accept_says_who)
{
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);
	int fd = CONNECTED(), conn;

	conn = rc(accept(self->listener, as_sa(&ss), &len));
	ASSERT_LE(0, conn);
	EXPECT_EQ(is_v6(variant->at) ? AF_INET6 : AF_INET, ss.ss_family);
	EXPECT_EQ(is_v6(variant->at) ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in),
		  len);
	EXPECT_EQ(port_at(fd), port_of(&ss));
	CARRIES(fd, conn);
	CARRIES(conn, fd);
}

TEST_F(api, accept4_flags)
{
	int conn;

	set_nonblock(self->listener, true);
	CONNECTED();
	CONNECTED();
	poll_for(self->listener, POLLIN);
	conn = ACCEPTED();
	EXPECT_EQ(0, fcntl(conn, F_GETFL) & O_NONBLOCK);
	EXPECT_EQ(0, fcntl(conn, F_GETFD));
	poll_for(self->listener, POLLIN);
	conn = rc(accept4(self->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC));
	ASSERT_LE(0, conn);
	EXPECT_EQ(O_NONBLOCK, fcntl(conn, F_GETFL) & O_NONBLOCK);
	EXPECT_EQ(FD_CLOEXEC, fcntl(conn, F_GETFD));
	EXPECT_EQ(-EAGAIN, rc(recv(conn, &conn, 1, 0)));
	EXPECT_EQ(-EINVAL, rc(accept4(self->listener, NULL, NULL, 1)));
}

TEST_F(api, accept_nonblocking)
{
	set_nonblock(self->listener, true);
	EXPECT_EQ(-EAGAIN, rc(accept(self->listener, NULL, NULL)));
	CONNECTED();
	EXPECT_EQ(POLLIN, poll_for(self->listener, POLLIN));
	ACCEPTED();
	EXPECT_EQ(-EAGAIN, rc(accept(self->listener, NULL, NULL)));
}

TEST_F(api, accept_timeout)
{
	ASSERT_EQ(0, set_time(self->listener, SO_RCVTIMEO, 50));
	EXPECT_EQ(-EAGAIN, rc(accept(self->listener, NULL, NULL)));
	CONNECTED();
	poll_for(self->listener, POLLIN);
	ACCEPTED();
	EXPECT_EQ(-EAGAIN, rc(accept(self->listener, NULL, NULL)));
}

TEST_F(api, accept_where_nobody_listens)
{
	int fd = SERVER(0);

	PAIR();
	EXPECT_EQ(-EINVAL, rc(accept(fd, NULL, NULL)));
	EXPECT_EQ(-EINVAL, rc(accept(self->client, NULL, NULL)));
	EXPECT_EQ(-EINVAL, rc(accept(self->conn, NULL, NULL)));
	EXPECT_EQ(-EINVAL, rc(listen(self->client, 1)));
	EXPECT_EQ(-EINVAL, rc(listen(self->conn, 1)));
	CARRIES(self->client, self->conn);
}

static void on_signal(int sig)
{
	(void)sig;
}

TEST_F(api, accept_interrupted)
{
	struct sigaction sa = { .sa_handler = on_signal };
	struct job job = { .call = job_accept, .fd = self->listener };

	sigaction(SIGUSR1, &sa, NULL);
	job_start_asleep(&job);
	pthread_kill(job.thread, SIGUSR1);
	EXPECT_EQ(-EINTR, job_end(&job));
}

TEST_F(api, accept_by_four_threads)
{
	struct job jobs[4];
	int clients[4], i;

	for (i = 0; i < 4; i++) {
		jobs[i] = (struct job){ .call = job_accept, .fd = self->listener };
		job_start_asleep(&jobs[i]);
	}
	for (i = 0; i < 4; i++)
		clients[i] = CONNECTED();
	for (i = 0; i < 4; i++) {
		int conn = job_end(&jobs[i]);

		ASSERT_LE(0, conn);
		ASSERT_EQ(1, rc(send(conn, "x", 1, 0)));
	}
	for (i = 0; i < 4; i++)
		EXPECT_EQ(1, rc(recv(clients[i], &clients[i], 1, 0)));
}

TEST_F(api, poll_listener)
{
	int all = POLLIN | POLLOUT | POLLPRI | POLLRDHUP;

	EXPECT_EQ(0, poll_now(self->listener, all));
	CONNECTED();
	CONNECTED();
	EXPECT_EQ(POLLIN, poll_for(self->listener, all));
	ACCEPTED();
	EXPECT_EQ(POLLIN, poll_for(self->listener, all));
	ACCEPTED();
	EXPECT_EQ(0, poll_now(self->listener, all));
}

TEST_F(api, relisten)
{
	EXPECT_EQ(16, tcp_info(self->listener).tcpi_sacked);
	CONNECTED();
	EXPECT_EQ(0, rc(listen(self->listener, 7)));
	EXPECT_EQ(7, tcp_info(self->listener).tcpi_sacked);
	EXPECT_EQ(TCP_LISTEN, tcp_info(self->listener).tcpi_state);
	ACCEPTED();
	CONNECTED();
	ACCEPTED();
}

TEST_F(api, listen_binds)
{
	int fd = SERVER(0);

	EXPECT_EQ(0, rc(listen(fd, -1)));
	EXPECT_LT(0, port_at(fd));
	EXPECT_EQ(0, connect_to(CLIENT(0), variant->to, port_at(fd)));
	EXPECT_LE(0, rc(accept(fd, NULL, NULL)));
}

TEST_F(api, reuseport)
{
	int fds[2] = { SERVER(SOCK_NONBLOCK), SERVER(SOCK_NONBLOCK) }, got = 0, i;

	ASSERT_EQ(0, set_int(fds[0], SOL_SOCKET, SO_REUSEPORT, 1));
	ASSERT_EQ(0, set_int(fds[1], SOL_SOCKET, SO_REUSEPORT, 1));
	ASSERT_EQ(0, bind_to(fds[0], variant->at, 0));
	ASSERT_EQ(0, bind_to(fds[1], variant->at, port_at(fds[0])));
	ASSERT_EQ(0, rc(listen(fds[0], 16)));
	ASSERT_EQ(0, rc(listen(fds[1], 16)));
	for (i = 0; i < 12; i++)
		ASSERT_EQ(0, connect_to(CLIENT(0), variant->to, port_at(fds[0])));
	while (got < 12) {
		for (i = 0; i < 2; i++)
			got += accept(fds[i], NULL, NULL) >= 0;
	}
	EXPECT_EQ(-EAGAIN, rc(accept(fds[0], NULL, NULL)));
	EXPECT_EQ(-EAGAIN, rc(accept(fds[1], NULL, NULL)));
}

TEST_F(api, shutdown_listener)
{
	struct job job = { .call = job_accept, .fd = self->listener };

	EXPECT_EQ(0, rc(shutdown(self->listener, SHUT_WR)));
	EXPECT_EQ(TCP_LISTEN, tcp_info(self->listener).tcpi_state);
	job_start_asleep(&job);
	EXPECT_EQ(0, rc(shutdown(self->listener, SHUT_RD)));
	EXPECT_EQ(-EINVAL, job_end(&job));
	EXPECT_EQ(-EINVAL, rc(accept(self->listener, NULL, NULL)));
	EXPECT_EQ(POLLOUT | POLLHUP, poll_now(self->listener, POLLIN | POLLOUT));
	EXPECT_EQ(-ECONNREFUSED, CONNECT(CLIENT(0)));
	EXPECT_EQ(0, rc(listen(self->listener, 16)));
	EXPECT_EQ(0, connect_to(CLIENT(0), variant->to, port_at(self->listener)));
	ACCEPTED();
}

/* Connections that nobody has accepted are reset. */
TEST_F(api, close_with_pending)
{
	int clients[3], i;

	for (i = 0; i < 3; i++)
		clients[i] = CONNECTED();
	poll_for(self->listener, POLLIN);
	until(tcp_info(self->listener).tcpi_unacked == 3);
	close(self->listener);
	for (i = 0; i < 3; i++)
		EXPECT_EQ(-ECONNRESET, rc(recv(clients[i], &clients[i], 1, 0)));
	EXPECT_EQ(-ECONNREFUSED, CONNECT(CLIENT(0)));
}

TEST_F(api, shutdown_with_pending)
{
	int fd = CONNECTED();

	poll_for(self->listener, POLLIN);
	EXPECT_EQ(0, rc(shutdown(self->listener, SHUT_RDWR)));
	EXPECT_EQ(-ECONNRESET, rc(recv(fd, &fd, 1, 0)));
}

/* What a client sent before it went is there, and so is how it went. */
TEST_F(api, client_gone_before_accept)
{
	struct linger reset = { .l_onoff = 1, .l_linger = 0 };
	int fd = CONNECTED(), conn;
	char buf[8] = "";

	ASSERT_EQ(5, rc(send(fd, "bytes", 5, 0)));
	close(fd);
	conn = ACCEPTED();
	EXPECT_EQ(5, rc(recv(conn, buf, 5, MSG_WAITALL)));
	EXPECT_STREQ("bytes", buf);
	EXPECT_EQ(0, rc(recv(conn, buf, 5, 0)));
	fd = CONNECTED();
	poll_for(self->listener, POLLIN);
	ASSERT_EQ(0, rc(setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset))));
	close(fd);
	conn = ACCEPTED();
	EXPECT_EQ(-ECONNRESET, rc(recv(conn, buf, 5, 0)));
}

/* Also of one that goes as soon as it has come. */
TEST_F(api, client_resets_at_once)
{
	struct linger reset = { .l_onoff = 1, .l_linger = 0 };
	int fd, i;

	for (i = 0; i < 10; i++) {
		fd = CONNECTED();
		ASSERT_EQ(0, rc(setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset))));
		close(fd);
		EXPECT_EQ(-ECONNRESET, rc(recv(ACCEPTED(), &fd, 1, 0)));
	}
}

TEST_F(api, more_clients_than_backlog)
{
	int clients[6], i;

	ASSERT_EQ(0, rc(listen(self->listener, 2)));
	for (i = 0; i < 6; i++) {
		clients[i] = CLIENT(SOCK_NONBLOCK);
		EXPECT_EQ(-EINPROGRESS, CONNECT(clients[i]));
	}
	for (i = 0; i < 6; i++)
		ASSERT_EQ(1, rc(send(ACCEPTED(), "x", 1, 0)));
	for (i = 0; i < 6; i++) {
		EXPECT_EQ(POLLIN, poll_for(clients[i], POLLIN));
		EXPECT_EQ(1, rc(recv(clients[i], &clients[i], 1, 0)));
	}
}

/* The backlog counts what waits for accept(2), and nothing else. */
TEST_F(api, backlog_counts)
{
	int i;

	for (i = 0; i < 5; i++)
		CONNECTED();
	until(tcp_info(self->listener).tcpi_unacked == 5);
	for (i = 0; i < 5; i++)
		ACCEPTED();
	EXPECT_EQ(0, tcp_info(self->listener).tcpi_unacked);
	/* A hundred times the backlog, one after the other. */
	ASSERT_EQ(0, rc(listen(self->listener, 1)));
	for (i = 0; i < 100; i++) {
		PAIR();
		close(self->client);
		close(self->conn);
	}
	EXPECT_EQ(0, tcp_info(self->listener).tcpi_unacked);
}

TEST_F(api, dup_of_a_listener)
{
	int fd = dup(self->listener);

	close(self->listener);
	self->listener = fd;
	PAIR();
	CARRIES(self->client, self->conn);
}

/* Without a descriptor for it a connection stays in the queue. */
TEST_F(api, accept_without_descriptor)
{
	struct rlimit limit, was;
	int fd = CONNECTED(), conn;

	poll_for(self->listener, POLLIN);
	ASSERT_EQ(0, getrlimit(RLIMIT_NOFILE, &was));
	limit = (struct rlimit){ .rlim_cur = fd + 1, .rlim_max = was.rlim_max };
	ASSERT_EQ(0, setrlimit(RLIMIT_NOFILE, &limit));
	EXPECT_EQ(-EMFILE, rc(accept(self->listener, NULL, NULL)));
	ASSERT_EQ(0, setrlimit(RLIMIT_NOFILE, &was));
	EXPECT_EQ(POLLIN, poll_for(self->listener, POLLIN));
	conn = ACCEPTED();
	CARRIES(fd, conn);
	CARRIES(conn, fd);
}

/* The address goes to memory that is not there: the connection is lost, as TCP's is. */
TEST_F(api, accept_address_fault)
{
	socklen_t len = sizeof(struct sockaddr_storage);
	int fd = CONNECTED();
	char byte;

	EXPECT_EQ(-EFAULT, rc(accept(self->listener, (void *)8, &len)));
	EXPECT_EQ(0, rc(recv(fd, &byte, 1, 0)));
	PAIR();
	CARRIES(self->client, self->conn);
}

static long job_greet_all(struct job *job)
{
	long conn;

	while ((conn = accept(job->fd, NULL, NULL)) >= 0)
		if (send(conn, "x", 1, MSG_NOSIGNAL) != 1 && errno != ECONNRESET && errno != EPIPE)
			return -1;
	return -1;
}

/* A queue that is full drops who comes; who waits gets in once there is room. */
TEST_F(api, pressure)
{
	struct job job = { .call = job_greet_all, .fd = self->listener };
	int clients[12], i;

	ASSERT_EQ(0, rc(listen(self->listener, 4)));
	for (i = 0; i < 12; i++) {
		clients[i] = CLIENT(SOCK_NONBLOCK);
		ASSERT_EQ(-EINPROGRESS, CONNECT(clients[i]));
	}
	/* Every other one does not wait for it. */
	for (i = 1; i < 12; i += 2)
		close(clients[i]);
	job_start(&job);
	for (i = 0; i < 12; i += 2) {
		EXPECT_EQ(POLLIN, poll_for(clients[i], POLLIN));
		EXPECT_EQ(1, rc(recv(clients[i], &clients[i], 1, 0)));
	}
	ASSERT_EQ(0, rc(shutdown(self->listener, SHUT_RD)));
	EXPECT_EQ(-EINVAL, job_end(&job));
}

/* As under a flood of SYNs: nothing is kept of a client until its ACK. */
TEST_F(api, cookies)
{
	ASSERT_EQ(0, unshare(CLONE_NEWNET));
	if (!shell("ip link set lo up && echo 2 > /proc/sys/net/ipv4/tcp_syncookies"))
		SKIP(return, "no SYN cookies");
	self->listener = SERVER(0);
	ASSERT_EQ(0, bind_to(self->listener, variant->at, 0));
	ASSERT_EQ(0, rc(listen(self->listener, 16)));
	self->tolen = make_address(&self->to, variant->to, port_at(self->listener));
	PAIR();
	CARRIES(self->client, self->conn);
	CARRIES(self->conn, self->client);
}
