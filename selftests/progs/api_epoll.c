// SPDX-License-Identifier: GPL-2.0
/*
 * epoll(7), mostly of sockets that were registered before they became what they are.
 */
#include "api.h"
#include <sys/select.h>

#define EPOLL() ({ \
	int __ep = epoll_create1(0); \
	ASSERT_LE(0, __ep); \
	__ep; \
})

static int add(int ep, int fd, unsigned int events)
{
	struct epoll_event ev = { .events = events, .data.fd = fd };

	return rc(epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev));
}

static int mod(int ep, int fd, unsigned int events)
{
	struct epoll_event ev = { .events = events, .data.fd = fd };

	return rc(epoll_ctl(ep, EPOLL_CTL_MOD, fd, &ev));
}

/* The events of the one descriptor that is in there. */
static int events(int ep, int timeout)
{
	struct epoll_event ev = {};

	return epoll_wait(ep, &ev, 1, timeout) < 0 ? -errno : (int)ev.events;
}

TEST_F(api, level)
{
	int ep = EPOLL(), fd = CLIENT(SOCK_NONBLOCK), conn;

	ASSERT_EQ(0, add(ep, fd, EPOLLIN | EPOLLOUT | EPOLLRDHUP));
	EXPECT_EQ(EPOLLOUT | EPOLLHUP, events(ep, 0));
	EXPECT_EQ(-EINPROGRESS, CONNECT(fd));
	EXPECT_EQ(EPOLLOUT, events(ep, -1));
	EXPECT_EQ(-EEXIST, add(ep, fd, EPOLLIN));
	conn = ACCEPTED();
	EXPECT_EQ(EPOLLOUT, events(ep, 0));
	ASSERT_EQ(1, rc(send(conn, "x", 1, 0)));
	until(events(ep, -1) & EPOLLIN);
	EXPECT_EQ(EPOLLIN | EPOLLOUT, events(ep, 0));
	EXPECT_EQ(1, rc(recv(fd, &fd, 1, MSG_PEEK)));
	close(conn);
	until(events(ep, -1) & EPOLLRDHUP);
}

TEST_F(api, edge)
{
	int ep = EPOLL(), fd = CLIENT(SOCK_NONBLOCK), conn;
	char byte;

	ASSERT_EQ(0, add(ep, fd, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET));
	EXPECT_EQ(EPOLLOUT | EPOLLHUP, events(ep, 0));
	EXPECT_EQ(0, events(ep, 0));
	EXPECT_EQ(-EINPROGRESS, CONNECT(fd));
	EXPECT_EQ(EPOLLOUT, events(ep, -1));
	conn = ACCEPTED();
	ASSERT_EQ(1, rc(send(conn, "x", 1, 0)));
	until(events(ep, -1) & EPOLLIN);
	EXPECT_EQ(1, rc(recv(fd, &byte, 1, 0)));
	ASSERT_EQ(1, rc(send(conn, "y", 1, 0)));
	until(events(ep, -1) & EPOLLIN);
	ASSERT_EQ(0, rc(shutdown(conn, SHUT_WR)));
	until(events(ep, -1) & EPOLLRDHUP);
}

TEST_F(api, edge_blocking_connect)
{
	int ep = EPOLL(), fd = CLIENT(0);

	ASSERT_EQ(0, add(ep, fd, EPOLLIN | EPOLLOUT | EPOLLET));
	EXPECT_EQ(EPOLLOUT | EPOLLHUP, events(ep, 0));
	EXPECT_EQ(0, CONNECT(fd));
	EXPECT_EQ(EPOLLOUT, events(ep, -1));
	ASSERT_EQ(1, rc(send(ACCEPTED(), "x", 1, 0)));
	until(events(ep, -1) & EPOLLIN);
}

static long job_epoll(struct job *job)
{
	struct epoll_event ev = {};

	return epoll_wait(job->fd, &ev, 1, -1) < 0 ? -1 : (long)ev.events;
}

/* Sleeps through connect(2), and wakes when something comes. */
TEST_F(api, asleep_during_connect)
{
	int ep = EPOLL(), fd = CLIENT(0);
	struct job job = { .call = job_epoll, .fd = ep };

	ASSERT_EQ(0, add(ep, fd, EPOLLIN | EPOLLET));
	EXPECT_EQ(EPOLLHUP, events(ep, 0));
	job_start_asleep(&job);
	EXPECT_EQ(0, CONNECT(fd));
	ASSERT_EQ(1, rc(send(ACCEPTED(), "x", 1, 0)));
	EXPECT_EQ(EPOLLIN, job_end(&job));
}

/* poll(2) that sleeps before connect(2) in another thread has begun. */
static long job_poll(struct job *job)
{
	return poll_for(job->fd, job->flags);
}

TEST_F(api, poll_during_connect)
{
	struct job job = { .call = job_poll, .fd = CLIENT(SOCK_NONBLOCK), .flags = POLLOUT };
	int i;

	FILL_BACKLOG();
	EXPECT_EQ(-EINPROGRESS, CONNECT(job.fd));
	job_start_asleep(&job);
	for (i = 0; i < 2; i++)
		ACCEPTED();
	EXPECT_EQ(POLLOUT, job_end(&job));
	CARRIES(job.fd, ACCEPTED());
}

TEST_F(api, select_during_connect)
{
	int fd = CLIENT(SOCK_NONBLOCK);
	fd_set r, w, x;

	FD_ZERO(&r);
	FD_ZERO(&w);
	FD_ZERO(&x);
	FD_SET(fd, &r);
	FD_SET(fd, &w);
	FD_SET(fd, &x);
	EXPECT_EQ(-EINPROGRESS, CONNECT(fd));
	EXPECT_EQ(1, rc(select(fd + 1, &r, &w, &x, NULL)));
	EXPECT_FALSE(FD_ISSET(fd, &r));
	EXPECT_TRUE(FD_ISSET(fd, &w));
	EXPECT_FALSE(FD_ISSET(fd, &x));
}

TEST_F(api, refused)
{
	int ep = EPOLL(), fd = CLIENT(SOCK_NONBLOCK), bound = SERVER(0);

	ASSERT_EQ(0, bind_to(bound, variant->at, 0));
	ASSERT_EQ(0, add(ep, fd, EPOLLIN | EPOLLOUT | EPOLLET));
	EXPECT_EQ(EPOLLOUT | EPOLLHUP, events(ep, 0));
	EXPECT_EQ(-EINPROGRESS, connect_to(fd, variant->to, port_at(bound)));
	until(events(ep, -1) & EPOLLERR);
	EXPECT_EQ(ECONNREFUSED, get_int(fd, SOL_SOCKET, SO_ERROR));
	EXPECT_EQ(-ECONNABORTED, CONNECT(fd));
	EXPECT_EQ(-EINPROGRESS, CONNECT(fd));
	until(!(events(ep, -1) & EPOLLHUP));
	CARRIES(fd, ACCEPTED());
}

/* The registration outlives a connection. */
TEST_F(api, reconnect)
{
	struct sockaddr unspec = { .sa_family = AF_UNSPEC };
	int ep = EPOLL(), fd = CLIENT(0), conn, i;
	char byte;

	ASSERT_EQ(0, add(ep, fd, EPOLLIN));
	for (i = 0; i < 3; i++) {
		EXPECT_EQ(EPOLLHUP, events(ep, 0) & ~EPOLLERR);
		EXPECT_EQ(0, CONNECT(fd));
		EXPECT_EQ(0, events(ep, 0));
		conn = ACCEPTED();
		ASSERT_EQ(1, rc(send(conn, "x", 1, 0)));
		EXPECT_EQ(EPOLLIN, events(ep, -1));
		EXPECT_EQ(1, rc(recv(fd, &byte, 1, 0)));
		EXPECT_EQ(0, events(ep, 0));
		EXPECT_EQ(0, rc(connect(fd, &unspec, sizeof(unspec))));
		get_int(fd, SOL_SOCKET, SO_ERROR);
	}
	EXPECT_EQ(0, rc(epoll_ctl(ep, EPOLL_CTL_DEL, fd, NULL)));
	EXPECT_EQ(0, events(ep, 0));
}

/* Of a socket that listens only later. */
TEST_F(api, listener)
{
	int level = EPOLL(), edge = EPOLL(), fd = SERVER(SOCK_NONBLOCK), i;

	ASSERT_EQ(0, add(level, fd, EPOLLIN | EPOLLOUT));
	ASSERT_EQ(0, add(edge, fd, EPOLLIN | EPOLLOUT | EPOLLET));
	EXPECT_EQ(EPOLLOUT | EPOLLHUP, events(level, 0));
	EXPECT_EQ(EPOLLOUT | EPOLLHUP, events(edge, 0));
	ASSERT_EQ(0, bind_to(fd, variant->at, 0));
	ASSERT_EQ(0, rc(listen(fd, 4)));
	EXPECT_EQ(0, events(level, 0));
	EXPECT_EQ(0, events(edge, 0));
	for (i = 0; i < 3; i++) {
		ASSERT_EQ(0, connect_to(CLIENT(0), variant->to, port_at(fd)));
		EXPECT_EQ(EPOLLIN, events(edge, -1));
		EXPECT_EQ(EPOLLIN, events(level, -1));
		EXPECT_LE(0, rc(accept(fd, NULL, NULL)));
		EXPECT_EQ(0, events(level, 0));
	}
}

/* Who accepts until there are none misses no connection. */
TEST_F(api, edge_accept_all)
{
	int ep = EPOLL(), got = 0, i;

	set_nonblock(self->listener, true);
	ASSERT_EQ(0, add(ep, self->listener, EPOLLIN | EPOLLET));
	for (i = 0; i < 10; i++)
		CONNECTED();
	while (got < 10) {
		EXPECT_EQ(EPOLLIN, events(ep, -1));
		while (accept(self->listener, NULL, NULL) >= 0)
			got++;
		EXPECT_EQ(EAGAIN, errno);
	}
}

struct waiter {
	pthread_t thread;
	int ep;
	int listener;
	int *left;
};

static void *accept_some(void *arg)
{
	struct waiter *w = arg;

	while (__atomic_load_n(w->left, __ATOMIC_SEQ_CST) > 0) {
		events(w->ep, 50);
		while (accept(w->listener, NULL, NULL) >= 0)
			__atomic_sub_fetch(w->left, 1, __ATOMIC_SEQ_CST);
	}
	return NULL;
}

TEST_F(api, exclusive)
{
	struct waiter waiters[2];
	int left = 12, i;

	set_nonblock(self->listener, true);
	for (i = 0; i < 2; i++) {
		waiters[i] = (struct waiter){ .ep = EPOLL(), .listener = self->listener,
					      .left = &left };
		ASSERT_EQ(0, add(waiters[i].ep, self->listener, EPOLLIN | EPOLLEXCLUSIVE));
		ASSERT_EQ(0, pthread_create(&waiters[i].thread, NULL, accept_some, &waiters[i]));
	}
	for (i = 0; i < 12; i++)
		CONNECTED();
	for (i = 0; i < 2; i++)
		pthread_join(waiters[i].thread, NULL);
	EXPECT_EQ(0, left);
}

/* Each of those that sleep is woken by one of as many connections. */
TEST_F(api, exclusive_wakes)
{
	struct job jobs[2];
	int i;

	for (i = 0; i < 2; i++) {
		jobs[i] = (struct job){ .call = job_epoll, .fd = EPOLL() };
		ASSERT_EQ(0, add(jobs[i].fd, self->listener, EPOLLIN | EPOLLEXCLUSIVE));
		job_start_asleep(&jobs[i]);
	}
	CONNECTED();
	CONNECTED();
	for (i = 0; i < 2; i++)
		EXPECT_EQ(EPOLLIN, job_end(&jobs[i]));
	ACCEPTED();
	ACCEPTED();
}

TEST_F(api, oneshot)
{
	int ep = EPOLL(), fd = CLIENT(SOCK_NONBLOCK), conn;

	ASSERT_EQ(0, add(ep, fd, EPOLLOUT | EPOLLONESHOT));
	EXPECT_EQ(EPOLLOUT | EPOLLHUP, events(ep, 0));
	EXPECT_EQ(-EINPROGRESS, CONNECT(fd));
	conn = ACCEPTED();
	EXPECT_EQ(0, events(ep, 0));
	ASSERT_EQ(0, mod(ep, fd, EPOLLOUT | EPOLLONESHOT));
	EXPECT_EQ(EPOLLOUT, events(ep, -1));
	ASSERT_EQ(0, mod(ep, fd, EPOLLIN | EPOLLONESHOT));
	EXPECT_EQ(0, events(ep, 0));
	ASSERT_EQ(1, rc(send(conn, "x", 1, 0)));
	EXPECT_EQ(EPOLLIN, events(ep, -1));
}

TEST_F(api, nested)
{
	int ep = EPOLL(), outer = EPOLL(), fd = CLIENT(0);

	ASSERT_EQ(0, add(ep, fd, EPOLLIN));
	ASSERT_EQ(0, add(outer, ep, EPOLLIN));
	EXPECT_EQ(EPOLLIN, events(outer, 0));
	ASSERT_EQ(0, CONNECT(fd));
	EXPECT_EQ(0, events(outer, 0));
	ASSERT_EQ(1, rc(send(ACCEPTED(), "x", 1, 0)));
	EXPECT_EQ(EPOLLIN, events(outer, -1));
}

/* Closed, a socket is gone from it. */
TEST_F(api, closed)
{
	int ep = EPOLL();

	PAIR();
	ASSERT_EQ(0, add(ep, self->client, EPOLLOUT));
	ASSERT_EQ(0, add(ep, self->listener, EPOLLOUT));
	EXPECT_EQ(EPOLLOUT, events(ep, 0));
	close(self->client);
	close(self->listener);
	EXPECT_EQ(0, events(ep, 0));
}
