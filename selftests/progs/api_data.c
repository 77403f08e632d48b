// SPDX-License-Identifier: GPL-2.0
/*
 * send(2) and recv(2) with what they can be asked for.
 */
#include "api.h"
#include <linux/errqueue.h>
#include <linux/net_tstamp.h>
#include <sys/mman.h>

TEST_F(api, both_ways)
{
	char buf[8] = "";

	PAIR();
	CARRIES(self->client, self->conn);
	CARRIES(self->conn, self->client);
	EXPECT_EQ(3, rc(write(self->client, "abc", 3)));
	EXPECT_EQ(3, rc(read(self->conn, buf, sizeof(buf))));
	EXPECT_STREQ("abc", buf);
	EXPECT_EQ(-EAGAIN, rc(recv(self->client, buf, 1, MSG_DONTWAIT)));
	set_nonblock(self->client, true);
	EXPECT_EQ(-EAGAIN, rc(read(self->client, buf, 1)));
}

/* Of all bytes each comes once, and in order. */
struct flow {
	int fd;
	size_t len;
	size_t done;
};

static unsigned char byte_at(size_t i)
{
	return i * 31 + (i >> 8) * 7 + (i >> 16);
}

static void *flow_out(void *arg)
{
	struct flow *flow = arg;
	static __thread unsigned char buf[40000];
	size_t chunk, i;
	long n;

	while (flow->done < flow->len) {
		chunk = 1 + flow->done * 7 % sizeof(buf);
		for (i = 0; i < chunk; i++)
			buf[i] = byte_at(flow->done + i);
		if (chunk > flow->len - flow->done)
			chunk = flow->len - flow->done;
		n = send(flow->fd, buf, chunk, 0);
		if (n <= 0)
			break;
		flow->done += n;
	}
	return NULL;
}

static void *flow_in(void *arg)
{
	struct flow *flow = arg;
	static __thread unsigned char buf[30000];
	long n, i;

	while ((n = recv(flow->fd, buf, 1 + flow->done * 11 % sizeof(buf), 0)) > 0) {
		for (i = 0; i < n; i++)
			if (buf[i] != byte_at(flow->done + i))
				return NULL;
		flow->done += n;
	}
	return NULL;
}

TEST_F(api, a_lot_both_ways_at_once)
{
	struct flow flows[4];
	pthread_t threads[4];
	int i;

	PAIR();
	for (i = 0; i < 4; i++) {
		flows[i] = (struct flow){ i % 2 ? self->client : self->conn, 1 << 20, 0 };
		ASSERT_EQ(0, pthread_create(&threads[i], NULL, i < 2 ? flow_out : flow_in,
					    &flows[i]));
	}
	for (i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
	ASSERT_EQ(0, rc(shutdown(self->client, SHUT_WR)));
	ASSERT_EQ(0, rc(shutdown(self->conn, SHUT_WR)));
	for (i = 2; i < 4; i++)
		pthread_join(threads[i], NULL);
	for (i = 0; i < 4; i++)
		EXPECT_EQ(1 << 20, flows[i].done);
}

TEST_F(api, peek)
{
	char buf[8] = "";

	PAIR();
	ASSERT_EQ(5, rc(send(self->client, "hello", 5, 0)));
	EXPECT_EQ(5, rc(recv(self->conn, buf, 5, MSG_PEEK | MSG_WAITALL)));
	EXPECT_STREQ("hello", buf);
	EXPECT_EQ(2, rc(recv(self->conn, buf, 2, MSG_PEEK)));
	EXPECT_EQ(5, rc(recv(self->conn, buf, 8, 0)));
	EXPECT_EQ(-EAGAIN, rc(recv(self->conn, buf, 8, MSG_PEEK | MSG_DONTWAIT)));
}

TEST_F(api, peek_off)
{
	char buf[8] = "";

	PAIR();
	EXPECT_EQ(-1, get_int(self->conn, SOL_SOCKET, SO_PEEK_OFF));
	ASSERT_EQ(0, set_int(self->conn, SOL_SOCKET, SO_PEEK_OFF, 1));
	EXPECT_EQ(1, get_int(self->conn, SOL_SOCKET, SO_PEEK_OFF));
	ASSERT_EQ(5, rc(send(self->client, "hello", 5, 0)));
	until(queued(self->conn, SIOCINQ) == 5);
	EXPECT_EQ(2, rc(recv(self->conn, buf, 2, MSG_PEEK)));
	EXPECT_STREQ("el", buf);
	EXPECT_EQ(3, get_int(self->conn, SOL_SOCKET, SO_PEEK_OFF));
	EXPECT_EQ(2, rc(recv(self->conn, buf, 2, MSG_PEEK)));
	EXPECT_STREQ("lo", buf);
}

/* Set early it is there when the connection is. */
TEST_F(api, peek_off_before_connect)
{
	int fd = CLIENT(0);
	char buf[8] = "";

	ASSERT_EQ(0, set_int(fd, SOL_SOCKET, SO_PEEK_OFF, 1));
	ASSERT_EQ(0, CONNECT(fd));
	ASSERT_EQ(5, rc(send(ACCEPTED(), "hello", 5, 0)));
	until(queued(fd, SIOCINQ) == 5);
	EXPECT_EQ(4, rc(recv(fd, buf, 4, MSG_PEEK)));
	EXPECT_STREQ("ello", buf);
	EXPECT_EQ(5, rc(recv(fd, buf, 5, 0)));
}

/* TCP throws away what it is not to copy. */
TEST_F(api, trunc)
{
	char buf[8] = "";

	PAIR();
	ASSERT_EQ(5, rc(send(self->client, "hello", 5, 0)));
	until(queued(self->conn, SIOCINQ) == 5);
	EXPECT_EQ(3, rc(recv(self->conn, NULL, 3, MSG_TRUNC)));
	EXPECT_EQ(2, rc(recv(self->conn, buf, 8, 0)));
	EXPECT_STREQ("lo", buf);
}

TEST_F(api, waitall)
{
	struct job job = { .call = job_recv, .len = 10, .flags = MSG_WAITALL };
	char buf[16];

	PAIR();
	job.fd = self->conn;
	ASSERT_EQ(5, rc(send(self->client, "01234", 5, 0)));
	job_start_asleep(&job);
	ASSERT_EQ(5, rc(send(self->client, "56789", 5, 0)));
	EXPECT_EQ(10, job_end(&job));
	EXPECT_STREQ("0123456789", job.buf);
	/* The end of the stream ends it too. */
	ASSERT_EQ(3, rc(send(self->client, "end", 3, 0)));
	close(self->client);
	EXPECT_EQ(3, rc(recv(self->conn, buf, 10, MSG_WAITALL)));
	EXPECT_EQ(0, rc(recv(self->conn, buf, 10, MSG_WAITALL)));
}

TEST_F(api, vectors)
{
	char a[3], b[16] = "";
	struct iovec out[] = { { "one", 3 }, { NULL, 0 }, { "two", 3 } };
	struct iovec in[] = { { a, 3 }, { b, sizeof(b) } };
	struct msghdr msg = { .msg_iov = out, .msg_iovlen = 3 };

	PAIR();
	EXPECT_EQ(6, rc(sendmsg(self->client, &msg, 0)));
	EXPECT_EQ(6, rc(writev(self->client, out, 3)));
	until(queued(self->conn, SIOCINQ) == 12);
	msg = (struct msghdr){ .msg_iov = in, .msg_iovlen = 2, .msg_namelen = 99 };
	EXPECT_EQ(12, rc(recvmsg(self->conn, &msg, 0)));
	EXPECT_EQ(0, memcmp(a, "one", 3));
	EXPECT_EQ(0, memcmp(b, "twoonetwo", 9));
	EXPECT_EQ(0, msg.msg_flags);
}

TEST_F(api, many_messages)
{
	char bufs[2][4] = {};
	struct iovec out[] = { { "one", 3 }, { "two", 3 } };
	struct iovec in[] = { { bufs[0], 3 }, { bufs[1], 3 } };
	struct mmsghdr msgs[2] = {};
	int i;

	PAIR();
	for (i = 0; i < 2; i++)
		msgs[i].msg_hdr = (struct msghdr){ .msg_iov = &out[i], .msg_iovlen = 1 };
	EXPECT_EQ(2, rc(sendmmsg(self->client, msgs, 2, 0)));
	until(queued(self->conn, SIOCINQ) == 6);
	for (i = 0; i < 2; i++)
		msgs[i].msg_hdr = (struct msghdr){ .msg_iov = &in[i], .msg_iovlen = 1 };
	EXPECT_EQ(2, rc(recvmmsg(self->conn, msgs, 2, 0, NULL)));
	EXPECT_STREQ("one", bufs[0]);
	EXPECT_STREQ("two", bufs[1]);
}

TEST_F(api, odd_calls)
{
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);
	char byte;

	PAIR();
	EXPECT_EQ(0, rc(send(self->client, "", 0, 0)));
	EXPECT_EQ(-EAGAIN, rc(recv(self->conn, &byte, 0, MSG_DONTWAIT)));
	EXPECT_EQ(-EFAULT, rc(send(self->client, (void *)1, 1, 0)));
	/* A connection needs no address, and gives none. */
	EXPECT_EQ(1, rc(sendto(self->client, "x", 1, 0, as_sa(&self->hole), self->tolen)));
	EXPECT_EQ(1, rc(recvfrom(self->conn, &byte, 1, 0, as_sa(&ss), &len)));
	EXPECT_EQ(0, len);
	EXPECT_EQ(1, rc(send(self->client, "y", 1, MSG_EOR | MSG_CONFIRM | MSG_DONTROUTE)));
	EXPECT_EQ(1, rc(recv(self->conn, &byte, 1, 0)));
	ASSERT_EQ(1, rc(send(self->client, "z", 1, 0)));
	poll_for(self->conn, POLLIN);
	EXPECT_EQ(-EFAULT, rc(recv(self->conn, (void *)1, 1, 0)));
	EXPECT_EQ(-ESPIPE, rc(lseek(self->client, 0, SEEK_SET)));
	EXPECT_EQ(-ENOTTY, queued(self->client, 0x12345678));
}

TEST_F(api, more)
{
	char buf[8] = "";

	PAIR();
	ASSERT_EQ(0, set_int(self->client, SOL_TCP, TCP_NODELAY, 1));
	EXPECT_EQ(2, rc(send(self->client, "by", 2, MSG_MORE)));
	EXPECT_EQ(2, queued(self->client, SIOCOUTQNSD));
	EXPECT_EQ(3, rc(send(self->client, "tes", 3, 0)));
	EXPECT_EQ(5, rc(recv(self->conn, buf, 5, MSG_WAITALL)));
	EXPECT_STREQ("bytes", buf);
}

TEST_F(api, pipe_error)
{
	char byte;

	PAIR();
	ASSERT_EQ(0, rc(shutdown(self->client, SHUT_WR)));
	EXPECT_EQ(-EPIPE, rc(send(self->client, "x", 1, MSG_NOSIGNAL)));
	EXPECT_EQ(0, rc(recv(self->conn, &byte, 1, 0)));
	signal(SIGPIPE, SIG_IGN);
	EXPECT_EQ(-EPIPE, rc(write(self->client, "x", 1)));
	close(self->conn);
}

TEST_F_SIGNAL(api, pipe_signal, SIGPIPE)
{
	PAIR();
	ASSERT_EQ(0, rc(shutdown(self->client, SHUT_WR)));
	ASSERT_LE(0, write(self->client, "x", 1));
}

TEST_F(api, oob)
{
	char byte = 0;

	PAIR();
	EXPECT_EQ(-EINVAL, rc(recv(self->conn, &byte, 1, MSG_OOB)));
	ASSERT_EQ(2, rc(send(self->client, "ab", 2, 0)));
	ASSERT_EQ(1, rc(send(self->client, "!", 1, MSG_OOB)));
	ASSERT_EQ(2, rc(send(self->client, "cd", 2, 0)));
	EXPECT_EQ(POLLPRI, poll_for(self->conn, POLLPRI));
	/* Without the urgent byte, which is not in the stream. */
	until(queued(self->conn, SIOCINQ) > 0 && queued(self->client, SIOCOUTQ) == 0);
	EXPECT_EQ(0, queued(self->conn, SIOCATMARK));
	EXPECT_EQ(1, rc(recv(self->conn, &byte, 1, MSG_OOB)));
	EXPECT_EQ('!', byte);
	EXPECT_EQ(-EINVAL, rc(recv(self->conn, &byte, 1, MSG_OOB)));
	/* Reading stops at the mark. */
	EXPECT_EQ(2, rc(recv(self->conn, (char [4]){}, 4, 0)));
	EXPECT_EQ(1, queued(self->conn, SIOCATMARK));
	EXPECT_EQ(2, rc(recv(self->conn, (char [4]){}, 4, 0)));
	EXPECT_EQ(0, queued(self->conn, SIOCATMARK));
}

TEST_F(api, oob_inline)
{
	char buf[4] = "";

	ASSERT_EQ(0, set_int(self->listener, SOL_SOCKET, SO_OOBINLINE, 1));
	PAIR();
	ASSERT_EQ(1, rc(send(self->client, "a", 1, 0)));
	ASSERT_EQ(1, rc(send(self->client, "!", 1, MSG_OOB)));
	EXPECT_EQ(POLLPRI, poll_for(self->conn, POLLPRI));
	EXPECT_EQ(-EINVAL, rc(recv(self->conn, buf, 1, MSG_OOB)));
	EXPECT_EQ(1, rc(recv(self->conn, buf, 1, 0)));
	until(queued(self->conn, SIOCATMARK) == 1);
	EXPECT_EQ(1, rc(recv(self->conn, buf + 1, 1, 0)));
	EXPECT_STREQ("a!", buf);
}

TEST_F(api, queues)
{
	static char buf[4096];

	PAIR();
	EXPECT_EQ(0, queued(self->conn, SIOCINQ));
	ASSERT_EQ(5, rc(send(self->client, "bytes", 5, 0)));
	until(queued(self->conn, SIOCINQ) == 5);
	until(queued(self->client, SIOCOUTQ) == 0);
	EXPECT_EQ(0, queued(self->client, SIOCOUTQNSD));
	EXPECT_EQ(2, rc(recv(self->conn, buf, 2, 0)));
	EXPECT_EQ(3, queued(self->conn, SIOCINQ));
	/* What the other end has no room for stays here. */
	while (send(self->client, buf, sizeof(buf), MSG_DONTWAIT) > 0)
		;
	EXPECT_LT(0, queued(self->client, SIOCOUTQ));
	EXPECT_LT(0, queued(self->client, SIOCOUTQNSD));
}

/* The first control message of that kind that comes with a byte. */
static long control(int fd, int flags, int level, int type, void *value, size_t len)
{
	char space[512], byte;
	struct iovec iov = { &byte, 1 };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = space,
			      .msg_controllen = sizeof(space) };
	struct cmsghdr *cmsg;

	if (recvmsg(fd, &msg, flags) < 0)
		return -errno;
	for (cmsg = CMSG_FIRSTHDR(&msg); cmsg; cmsg = CMSG_NXTHDR(&msg, cmsg)) {
		if (cmsg->cmsg_level != level || cmsg->cmsg_type != type)
			continue;
		memcpy(value, CMSG_DATA(cmsg), len);
		return 1;
	}
	return 0;
}

TEST_F(api, timestamps)
{
	struct timeval tv = {};
	long got;

	ASSERT_EQ(0, set_int(self->listener, SOL_SOCKET, SO_TIMESTAMP, 1));
	PAIR();
	/* The kernel's stamps are switched on a little later. */
	do {
		ASSERT_EQ(1, rc(send(self->client, "x", 1, 0)));
		got = control(self->conn, 0, SOL_SOCKET, SCM_TIMESTAMP, &tv, sizeof(tv));
	} while (got == 0);
	EXPECT_EQ(1, got);
	EXPECT_LT(0, tv.tv_sec);
}

/* One set before connect(2), which is to count the application's bytes only. */
TEST_F(api, tx_timestamps)
{
	int flags = SOF_TIMESTAMPING_TX_ACK | SOF_TIMESTAMPING_SOFTWARE |
		    SOF_TIMESTAMPING_OPT_TSONLY;
	struct sock_extended_err err = {};
	bool v6 = variant->client.family == AF_INET6 || is_v6(variant->to);
	int fd = CLIENT(0), conn;

	ASSERT_EQ(0, set_int(fd, SOL_SOCKET, SO_TIMESTAMPING, flags));
	ASSERT_EQ(0, CONNECT(fd));
	conn = ACCEPTED();
	/* They count from what is not acknowledged, and a handshake may have said something. */
	until(queued(fd, SIOCOUTQ) == 0);
	flags |= SOF_TIMESTAMPING_OPT_ID;
	ASSERT_EQ(0, set_int(fd, SOL_SOCKET, SO_TIMESTAMPING, flags));
	EXPECT_EQ(-EAGAIN, rc(recv(fd, &err, 1, MSG_ERRQUEUE)));
	ASSERT_EQ(5, rc(send(fd, "bytes", 5, 0)));
	poll_for(fd, POLLERR);
	EXPECT_EQ(1, control(fd, MSG_ERRQUEUE, v6 ? SOL_IPV6 : SOL_IP,
			     v6 ? IPV6_RECVERR : IP_RECVERR, &err, sizeof(err)));
	EXPECT_EQ(SO_EE_ORIGIN_TIMESTAMPING, err.ee_origin);
	EXPECT_EQ(4, err.ee_data);
	EXPECT_EQ(5, rc(recv(conn, (char [5]){}, 5, MSG_WAITALL)));
}

TEST_F(api, inq_message)
{
	int left = -1;

	PAIR();
	ASSERT_EQ(0, set_int(self->conn, SOL_TCP, TCP_INQ, 1));
	ASSERT_EQ(5, rc(send(self->client, "bytes", 5, 0)));
	until(queued(self->conn, SIOCINQ) == 5);
	EXPECT_EQ(1, control(self->conn, 0, SOL_TCP, TCP_CM_INQ, &left, sizeof(left)));
	EXPECT_EQ(4, left);
}

TEST_F(api, zerocopy)
{
	struct sock_extended_err err = {};
	bool v6 = variant->client.family == AF_INET6 || is_v6(variant->to);
	static char page[8192];
	int fd = CLIENT(0), conn, i;

	ASSERT_EQ(0, set_int(fd, SOL_SOCKET, SO_ZEROCOPY, 1));
	ASSERT_EQ(0, CONNECT(fd));
	conn = ACCEPTED();
	for (i = 0; i < 2; i++) {
		ASSERT_EQ(sizeof(page), rc(send(fd, page, sizeof(page), MSG_ZEROCOPY)));
		ASSERT_EQ(sizeof(page), rc(recv(conn, page, sizeof(page), MSG_WAITALL)));
		poll_for(fd, POLLERR);
		EXPECT_EQ(1, control(fd, MSG_ERRQUEUE, v6 ? SOL_IPV6 : SOL_IP,
				     v6 ? IPV6_RECVERR : IP_RECVERR, &err, sizeof(err)));
		EXPECT_EQ(SO_EE_ORIGIN_ZEROCOPY, err.ee_origin);
		/* It is the i-th since the socket was made. */
		EXPECT_EQ(i, err.ee_info);
		EXPECT_EQ(i, err.ee_data);
	}
}

TEST_F(api, zerocopy_receive)
{
	struct tcp_zerocopy_receive zc = {};
	socklen_t len = sizeof(zc);
	char buf[8] = "";
	void *map;

	PAIR();
	map = mmap(NULL, 1 << 16, PROT_READ, MAP_SHARED, self->conn, 0);
	ASSERT_NE(MAP_FAILED, map);
	ASSERT_EQ(5, rc(send(self->client, "bytes", 5, 0)));
	until(queued(self->conn, SIOCINQ) == 5);
	zc.address = (unsigned long)map;
	zc.length = 1 << 16;
	EXPECT_EQ(0, rc(getsockopt(self->conn, SOL_TCP, TCP_ZEROCOPY_RECEIVE, &zc, &len)));
	/* Less than a page has to be read. */
	EXPECT_EQ(0, zc.length);
	EXPECT_EQ(5, zc.recv_skip_hint);
	EXPECT_EQ(5, rc(recv(self->conn, buf, 5, 0)));
	EXPECT_STREQ("bytes", buf);
}
