// SPDX-License-Identifier: GPL-2.0
/*
 * TCP Fast Open: data in the SYN.
 */
#include "api.h"

/* TCPI_OPT_SYN_DATA: the SYN brought data, and it was taken. */
#define TOOK_SYN_DATA(fd) (tcp_info(fd).tcpi_options & TCPI_OPT_SYN_DATA)

/* No cookies: data in the first SYN is taken at once. */
#define FASTOPEN_LISTENER() do { \
	ASSERT_EQ(0, set_int(self->listener, SOL_TCP, TCP_FASTOPEN, 5)); \
	ASSERT_EQ(0, set_int(self->listener, SOL_TCP, TCP_FASTOPEN_NO_COOKIE, 1)); \
} while (0)

TEST_F(api, options)
{
	int fd = CLIENT(0);

	ASSERT_EQ(0, set_int(self->listener, SOL_TCP, TCP_FASTOPEN, 5));
	EXPECT_EQ(5, get_int(self->listener, SOL_TCP, TCP_FASTOPEN));
	EXPECT_EQ(0, set_int(fd, SOL_TCP, TCP_FASTOPEN_CONNECT, 1));
	EXPECT_EQ(1, get_int(fd, SOL_TCP, TCP_FASTOPEN_CONNECT));
	EXPECT_EQ(0, set_int(fd, SOL_TCP, TCP_FASTOPEN_NO_COOKIE, 1));
	EXPECT_EQ(1, get_int(fd, SOL_TCP, TCP_FASTOPEN_NO_COOKIE));
	PAIR();
	EXPECT_EQ(-EINVAL, set_int(self->client, SOL_TCP, TCP_FASTOPEN_CONNECT, 1));
	CARRIES(self->client, self->conn);
}

TEST_F(api, sendto)
{
	int fd = CLIENT(0), conn;
	char buf[8] = "";

	FASTOPEN_LISTENER();
	ASSERT_EQ(0, set_int(fd, SOL_TCP, TCP_FASTOPEN_NO_COOKIE, 1));
	EXPECT_EQ(5, rc(sendto(fd, "early", 5, MSG_FASTOPEN, as_sa(&self->to), self->tolen)));
	conn = ACCEPTED();
	EXPECT_EQ(5, rc(recv(conn, buf, 5, MSG_WAITALL)));
	EXPECT_STREQ("early", buf);
	CARRIES(conn, fd);
	EXPECT_TRUE(TOOK_SYN_DATA(fd));
	EXPECT_EQ(-EISCONN, rc(sendto(fd, "x", 1, MSG_FASTOPEN, as_sa(&self->to), self->tolen)));
}

/* To a listener that does not take it the data goes after the handshake. */
TEST_F(api, sendto_nobody_who_takes_it)
{
	int fd = CLIENT(0), conn;
	char buf[8] = "";

	ASSERT_EQ(0, set_int(fd, SOL_TCP, TCP_FASTOPEN_NO_COOKIE, 1));
	EXPECT_EQ(5, rc(sendto(fd, "early", 5, MSG_FASTOPEN, as_sa(&self->to), self->tolen)));
	conn = ACCEPTED();
	EXPECT_EQ(5, rc(recv(conn, buf, 5, MSG_WAITALL)));
	EXPECT_STREQ("early", buf);
	CARRIES(conn, fd);
	EXPECT_FALSE(TOOK_SYN_DATA(fd));
}

/* The first connection gets a cookie, the second one uses it. */
TEST_F(api, cookie)
{
	int fd, conn, i;
	char buf[8] = "";

	ASSERT_EQ(0, set_int(self->listener, SOL_TCP, TCP_FASTOPEN, 5));
	for (i = 0; i < 2; i++) {
		fd = CLIENT(0);
		EXPECT_EQ(5, rc(sendto(fd, "early", 5, MSG_FASTOPEN, as_sa(&self->to),
				       self->tolen)));
		conn = ACCEPTED();
		EXPECT_EQ(5, rc(recv(conn, buf, 5, MSG_WAITALL)));
		CARRIES(conn, fd);
	}
	EXPECT_TRUE(TOOK_SYN_DATA(fd));
}

TEST_F(api, sendto_nonblocking)
{
	int fd = CLIENT(SOCK_NONBLOCK), conn, sent;

	FASTOPEN_LISTENER();
	ASSERT_EQ(0, set_int(fd, SOL_TCP, TCP_FASTOPEN_NO_COOKIE, 1));
	sent = rc(sendto(fd, "early", 5, MSG_FASTOPEN, as_sa(&self->to), self->tolen));
	EXPECT_EQ(5, sent);
	conn = ACCEPTED();
	EXPECT_EQ(5, rc(recv(conn, (char [5]){}, 5, MSG_WAITALL)));
	EXPECT_EQ(POLLOUT, poll_for(fd, POLLOUT));
	EXPECT_TRUE(TOOK_SYN_DATA(fd));
}

TEST_F(api, sendto_refused)
{
	int fd = CLIENT(0), bound = SERVER(0);
	struct sockaddr_storage ss;

	ASSERT_EQ(0, bind_to(bound, variant->at, 0));
	make_address(&ss, variant->to, port_at(bound));
	EXPECT_EQ(-ECONNREFUSED, rc(sendto(fd, "x", 1, MSG_FASTOPEN, as_sa(&ss), self->tolen)));
	EXPECT_EQ(0, CONNECT(fd));
	CARRIES(fd, ACCEPTED());
}

/* It has to say where to, and only a socket that is not connected yet may. */
TEST_F(api, sendto_nowhere)
{
	int fd = CLIENT(0);

	EXPECT_EQ(-EINVAL, rc(send(fd, "x", 1, MSG_FASTOPEN)));
	ASSERT_EQ(0, CONNECT(fd));
	CARRIES(fd, ACCEPTED());
}

/* connect(2) does nothing yet, the first write does. */
TEST_F(api, connect_is_put_off)
{
	int fd = CLIENT(0), conn;
	char buf[8] = "";

	FASTOPEN_LISTENER();
	ASSERT_EQ(0, set_int(fd, SOL_TCP, TCP_FASTOPEN_NO_COOKIE, 1));
	ASSERT_EQ(0, set_int(fd, SOL_TCP, TCP_FASTOPEN_CONNECT, 1));
	EXPECT_EQ(0, CONNECT(fd));
	EXPECT_EQ(POLLOUT, poll_now(fd, POLLOUT));
	EXPECT_EQ(TCP_SYN_SENT, tcp_info(fd).tcpi_state);
	set_nonblock(self->listener, true);
	EXPECT_EQ(-EAGAIN, rc(accept(self->listener, NULL, NULL)));
	set_nonblock(self->listener, false);
	EXPECT_EQ(5, rc(write(fd, "early", 5)));
	conn = ACCEPTED();
	EXPECT_EQ(5, rc(recv(conn, buf, 5, MSG_WAITALL)));
	EXPECT_STREQ("early", buf);
	CARRIES(conn, fd);
	EXPECT_TRUE(TOOK_SYN_DATA(fd));
}

/* What the application has set another listen(2) does not change. */
TEST_F(api, listen_again)
{
	EXPECT_EQ(0, get_int(self->listener, SOL_TCP, TCP_FASTOPEN));
	EXPECT_EQ(0, rc(listen(self->listener, 9)));
	EXPECT_EQ(0, get_int(self->listener, SOL_TCP, TCP_FASTOPEN));
	ASSERT_EQ(0, set_int(self->listener, SOL_TCP, TCP_FASTOPEN, 5));
	EXPECT_EQ(0, rc(listen(self->listener, 8)));
	EXPECT_EQ(5, get_int(self->listener, SOL_TCP, TCP_FASTOPEN));
}

/* Set on a listener later, or before listen(2). */
TEST_F(api, before_listen)
{
	int fd = CLIENT(0), server = SERVER(0), conn;
	struct sockaddr_storage ss;

	ASSERT_EQ(0, set_int(server, SOL_TCP, TCP_FASTOPEN, 5));
	ASSERT_EQ(0, set_int(server, SOL_TCP, TCP_FASTOPEN_NO_COOKIE, 1));
	ASSERT_EQ(0, bind_to(server, variant->at, 0));
	ASSERT_EQ(0, rc(listen(server, 5)));
	make_address(&ss, variant->to, port_at(server));
	ASSERT_EQ(0, set_int(fd, SOL_TCP, TCP_FASTOPEN_NO_COOKIE, 1));
	EXPECT_EQ(5, rc(sendto(fd, "early", 5, MSG_FASTOPEN, as_sa(&ss), self->tolen)));
	EXPECT_EQ(POLLIN, poll_for(server, POLLIN));
	conn = rc(accept(server, NULL, NULL));
	ASSERT_LE(0, conn);
	EXPECT_EQ(5, rc(recv(conn, (char [5]){}, 5, MSG_WAITALL)));
	CARRIES(conn, fd);
	EXPECT_TRUE(TOOK_SYN_DATA(fd));
}

/* A listener that takes it serves who does not use it as before. */
TEST_F(api, plain_client)
{
	FASTOPEN_LISTENER();
	PAIR();
	CARRIES(self->client, self->conn);
	CARRIES(self->conn, self->client);
}

/* One that comes by while a listener is switched loses nothing. */
TEST_F(api, switched_with_pending)
{
	int a = CONNECTED(), b, conn, i;

	FASTOPEN_LISTENER();
	b = CONNECTED();
	/* Which of them was ready first is not said. */
	for (i = 0; i < 2; i++) {
		conn = ACCEPTED();
		CARRIES(peer_port_at(conn) == port_at(a) ? a : b, conn);
	}
}

/* The key of a listener's cookies, by the application. */
TEST_F(api, key)
{
	static const unsigned char key[16] = "smc_rs selftest";
	unsigned char got[16] = "";
	socklen_t len = sizeof(got);
	char buf[8] = "";
	int fd, conn, i;

	ASSERT_EQ(0, rc(setsockopt(self->listener, SOL_TCP, TCP_FASTOPEN_KEY, key, sizeof(key))));
	ASSERT_EQ(0, rc(getsockopt(self->listener, SOL_TCP, TCP_FASTOPEN_KEY, got, &len)));
	EXPECT_EQ(sizeof(key), len);
	EXPECT_EQ(0, memcmp(key, got, sizeof(key)));
	EXPECT_EQ(-EINVAL, rc(setsockopt(self->listener, SOL_TCP, TCP_FASTOPEN_KEY, key, 3)));
	ASSERT_EQ(0, set_int(self->listener, SOL_TCP, TCP_FASTOPEN, 5));
	for (i = 0; i < 2; i++) {
		fd = CLIENT(0);
		EXPECT_EQ(5, rc(sendto(fd, "early", 5, MSG_FASTOPEN, as_sa(&self->to),
				       self->tolen)));
		conn = ACCEPTED();
		EXPECT_EQ(5, rc(recv(conn, buf, 5, MSG_WAITALL)));
		CARRIES(conn, fd);
	}
	EXPECT_TRUE(TOOK_SYN_DATA(fd));
}
