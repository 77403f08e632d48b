// SPDX-License-Identifier: GPL-2.0
/*
 * The same calls by io_uring.
 */
#include "api.h"
#include <linux/io_uring.h>
#include <sys/mman.h>
#include <sys/syscall.h>

struct ring {
	int fd;
	struct io_uring_params params;
	char *rings;
	struct io_uring_sqe *sqes;
};

static bool ring_make(struct ring *r)
{
	memset(r, 0, sizeof(*r));
	r->fd = syscall(__NR_io_uring_setup, 16, &r->params);
	if (r->fd < 0)
		return false;
	r->rings = mmap(NULL, 1 << 16, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, r->fd,
			IORING_OFF_SQ_RING);
	r->sqes = mmap(NULL, 16 * sizeof(*r->sqes), PROT_READ | PROT_WRITE,
		       MAP_SHARED | MAP_POPULATE, r->fd, IORING_OFF_SQES);
	return r->rings != MAP_FAILED && (void *)r->sqes != MAP_FAILED;
}

#define RING(r) do { \
	if (!ring_make(r)) { \
		ASSERT_TRUE(errno == ENOSYS || errno == EPERM) \
			TH_LOG("io_uring: %s", strerror(errno)); \
		SKIP(return, "no io_uring"); \
	} \
} while (0)

static unsigned int *at(struct ring *r, unsigned int offset)
{
	return (unsigned int *)(r->rings + offset);
}

/* One more, to be submitted by the next ring_enter(). */
static struct io_uring_sqe *ring_add(struct ring *r, int op, int fd, int user)
{
	unsigned int tail = *at(r, r->params.sq_off.tail);
	unsigned int i = tail & *at(r, r->params.sq_off.ring_mask);
	struct io_uring_sqe *sqe = &r->sqes[i];

	memset(sqe, 0, sizeof(*sqe));
	sqe->opcode = op;
	sqe->fd = fd;
	sqe->user_data = user;
	at(r, r->params.sq_off.array)[i] = i;
	__atomic_store_n(at(r, r->params.sq_off.tail), tail + 1, __ATOMIC_RELEASE);
	return sqe;
}

static struct io_uring_sqe *ring_io(struct ring *r, int op, int fd, int user, const void *buf,
				    size_t len)
{
	struct io_uring_sqe *sqe = ring_add(r, op, fd, user);

	sqe->addr = (unsigned long)buf;
	sqe->len = len;
	return sqe;
}

static struct io_uring_sqe *ring_connect(struct ring *r, int fd, int user,
					 const struct sockaddr_storage *to, socklen_t len)
{
	struct io_uring_sqe *sqe = ring_add(r, IORING_OP_CONNECT, fd, user);

	sqe->addr = (unsigned long)to;
	sqe->off = len;
	return sqe;
}

static int ring_submit(struct ring *r)
{
	unsigned int n = *at(r, r->params.sq_off.tail) -
			 __atomic_load_n(at(r, r->params.sq_off.head), __ATOMIC_ACQUIRE);

	return rc(syscall(__NR_io_uring_enter, r->fd, n, 0, 0, NULL, 0));
}

struct completion {
	int user;
	int res;
	unsigned int flags;
};

static struct completion ring_next(struct ring *r)
{
	unsigned int head = *at(r, r->params.cq_off.head);
	struct io_uring_cqe *cqes = (void *)(r->rings + r->params.cq_off.cqes), *cqe;
	struct completion done;

	while (head == __atomic_load_n(at(r, r->params.cq_off.tail), __ATOMIC_ACQUIRE))
		syscall(__NR_io_uring_enter, r->fd, 0, 1, IORING_ENTER_GETEVENTS, NULL, 0);
	cqe = &cqes[head & *at(r, r->params.cq_off.ring_mask)];
	done = (struct completion){ cqe->user_data, cqe->res, cqe->flags };
	__atomic_store_n(at(r, r->params.cq_off.head), head + 1, __ATOMIC_RELEASE);
	return done;
}

/* What that many came to, each by its number. */
static void ring_collect(struct ring *r, int *results, int n)
{
	while (n--) {
		struct completion cqe = ring_next(r);

		results[cqe.user] = cqe.res;
	}
}

TEST_F(api, connection)
{
	int results[2] = { -1, -1 }, fd = CLIENT(0);
	char buf[8] = "";
	struct ring r;

	RING(&r);
	ring_add(&r, IORING_OP_ACCEPT, self->listener, 0);
	ASSERT_EQ(1, ring_submit(&r));
	ring_connect(&r, fd, 1, &self->to, self->tolen);
	ASSERT_EQ(1, ring_submit(&r));
	ring_collect(&r, results, 2);
	ASSERT_LE(0, results[0]);
	EXPECT_EQ(0, results[1]);
	self->conn = results[0];
	ring_io(&r, IORING_OP_RECV, self->conn, 0, buf, 5);
	ASSERT_EQ(1, ring_submit(&r));
	ring_io(&r, IORING_OP_SEND, fd, 1, "bytes", 5);
	ASSERT_EQ(1, ring_submit(&r));
	ring_collect(&r, results, 2);
	EXPECT_EQ(5, results[0]);
	EXPECT_EQ(5, results[1]);
	EXPECT_STREQ("bytes", buf);
	ring_io(&r, IORING_OP_WRITE, self->conn, 0, "reply", 5);
	ring_io(&r, IORING_OP_READ, fd, 1, buf, 5);
	ASSERT_EQ(2, ring_submit(&r));
	ring_collect(&r, results, 2);
	EXPECT_EQ(5, results[0]);
	EXPECT_EQ(5, results[1]);
	EXPECT_STREQ("reply", buf);
	ring_add(&r, IORING_OP_SHUTDOWN, fd, 0)->len = SHUT_WR;
	ring_add(&r, IORING_OP_CLOSE, self->listener, 1);
	ASSERT_EQ(2, ring_submit(&r));
	ring_collect(&r, results, 2);
	EXPECT_EQ(0, results[0]);
	EXPECT_EQ(0, results[1]);
	EXPECT_EQ(0, rc(recv(self->conn, buf, 1, 0)));
}

/* A chain: each begins when the one before is done. */
TEST_F(api, chain)
{
	int results[3] = { -1, -1, -1 }, fd = CLIENT(0), conn;
	char in[8] = "", buf[8] = "";
	struct ring r;

	RING(&r);
	ring_connect(&r, fd, 0, &self->to, self->tolen)->flags = IOSQE_IO_LINK;
	ring_io(&r, IORING_OP_SEND, fd, 1, "early", 5)->flags = IOSQE_IO_LINK;
	ring_io(&r, IORING_OP_RECV, fd, 2, in, 5);
	ASSERT_EQ(3, ring_submit(&r));
	conn = ACCEPTED();
	EXPECT_EQ(5, rc(recv(conn, buf, 5, MSG_WAITALL)));
	EXPECT_STREQ("early", buf);
	ASSERT_EQ(5, rc(send(conn, "reply", 5, 0)));
	ring_collect(&r, results, 3);
	EXPECT_EQ(0, results[0]);
	EXPECT_EQ(5, results[1]);
	EXPECT_EQ(5, results[2]);
	EXPECT_STREQ("reply", in);
}

/* In the hands of a thread of io_uring's. */
TEST_F(api, async)
{
	int results[2] = { -1, -1 }, fd = CLIENT(0);
	struct ring r;

	RING(&r);
	ring_add(&r, IORING_OP_ACCEPT, self->listener, 0)->flags = IOSQE_ASYNC;
	ring_connect(&r, fd, 1, &self->to, self->tolen)->flags = IOSQE_ASYNC;
	ASSERT_EQ(2, ring_submit(&r));
	ring_collect(&r, results, 2);
	EXPECT_EQ(0, results[1]);
	ASSERT_LE(0, results[0]);
	CARRIES(fd, results[0]);
}

TEST_F(api, stalled_connect)
{
	int result = -1, fd = CLIENT(0), i;
	struct ring r;

	RING(&r);
	FILL_BACKLOG();
	ring_connect(&r, fd, 0, &self->to, self->tolen);
	ASSERT_EQ(1, ring_submit(&r));
	for (i = 0; i < 2; i++)
		ACCEPTED();
	ring_collect(&r, &result, 1);
	EXPECT_EQ(0, result);
	CARRIES(fd, ACCEPTED());
}

TEST_F(api, refused)
{
	int result = 0, fd = CLIENT(0), bound = SERVER(0);
	struct sockaddr_storage ss;
	struct ring r;

	RING(&r);
	ASSERT_EQ(0, bind_to(bound, variant->at, 0));
	make_address(&ss, variant->to, port_at(bound));
	ring_connect(&r, fd, 0, &ss, self->tolen);
	ASSERT_EQ(1, ring_submit(&r));
	ring_collect(&r, &result, 1);
	EXPECT_EQ(-ECONNREFUSED, result);
	/* It has asked for the error by SO_ERROR, or not: see connect(2). */
	result = CONNECT(fd);
	EXPECT_TRUE(result == 0 || result == -ECONNABORTED);
	if (result)
		EXPECT_EQ(0, CONNECT(fd));
	CARRIES(fd, ACCEPTED());
}

TEST_F(api, accept_many)
{
	int clients[4], i;
	struct ring r;

	RING(&r);
	ring_add(&r, IORING_OP_ACCEPT, self->listener, 0)->ioprio = IORING_ACCEPT_MULTISHOT;
	ASSERT_EQ(1, ring_submit(&r));
	for (i = 0; i < 4; i++)
		clients[i] = CONNECTED();
	for (i = 0; i < 4; i++) {
		struct completion cqe = ring_next(&r);

		ASSERT_LE(0, cqe.res);
		EXPECT_TRUE(cqe.flags & IORING_CQE_F_MORE);
		ASSERT_EQ(1, rc(send(cqe.res, "x", 1, 0)));
	}
	for (i = 0; i < 4; i++)
		EXPECT_EQ(1, rc(recv(clients[i], &clients[i], 1, 0)));
}

TEST_F(api, poll)
{
	int result = -1, fd = CLIENT(SOCK_NONBLOCK), i;
	struct ring r;

	RING(&r);
	FILL_BACKLOG();
	EXPECT_EQ(-EINPROGRESS, CONNECT(fd));
	ring_add(&r, IORING_OP_POLL_ADD, fd, 0)->poll32_events = POLLOUT;
	ASSERT_EQ(1, ring_submit(&r));
	for (i = 0; i < 2; i++)
		ACCEPTED();
	ring_collect(&r, &result, 1);
	EXPECT_EQ(POLLOUT, result);
	CARRIES(fd, ACCEPTED());
}

TEST_F(api, cancel)
{
	int results[2] = { 0, -1 };
	struct ring r;

	RING(&r);
	ring_add(&r, IORING_OP_ACCEPT, self->listener, 0);
	ASSERT_EQ(1, ring_submit(&r));
	ring_add(&r, IORING_OP_ASYNC_CANCEL, -1, 1)->addr = 0;
	ASSERT_EQ(1, ring_submit(&r));
	ring_collect(&r, results, 2);
	EXPECT_EQ(-ECANCELED, results[0]);
	EXPECT_EQ(0, results[1]);
	PAIR();
	CARRIES(self->client, self->conn);
}

/* A connect(2) that nobody answers, given up. */
TEST_F(api, cancel_connect)
{
	int results[2] = { 0, -1 }, fd = CLIENT(0);
	struct ring r;

	RING(&r);
	ring_connect(&r, fd, 0, &self->hole, self->tolen);
	ASSERT_EQ(1, ring_submit(&r));
	ring_add(&r, IORING_OP_ASYNC_CANCEL, -1, 1)->addr = 0;
	ASSERT_EQ(1, ring_submit(&r));
	ring_collect(&r, results, 2);
	EXPECT_EQ(-ECANCELED, results[0]);
	EXPECT_EQ(0, results[1]);
	EXPECT_EQ(TCP_SYN_SENT, tcp_info(fd).tcpi_state);
}

TEST_F(api, send_without_copy)
{
	static char page[4096];
	struct completion cqe;
	struct ring r;

	RING(&r);
	PAIR();
	ring_io(&r, IORING_OP_SEND_ZC, self->client, 0, page, sizeof(page));
	ASSERT_EQ(1, ring_submit(&r));
	EXPECT_EQ(sizeof(page), rc(recv(self->conn, page, sizeof(page), MSG_WAITALL)));
	cqe = ring_next(&r);
	EXPECT_EQ(4096, cqe.res);
	EXPECT_TRUE(cqe.flags & IORING_CQE_F_MORE);
	cqe = ring_next(&r);
	EXPECT_TRUE(cqe.flags & IORING_CQE_F_NOTIF);
}
