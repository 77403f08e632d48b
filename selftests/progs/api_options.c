// SPDX-License-Identifier: GPL-2.0
/*
 * Socket options, in each state that a socket can be in.
 */
#include "api.h"
#include <linux/filter.h>
#include <linux/tls.h>
#include <net/if.h>

#ifndef SOL_SMC
#define SOL_SMC 286
#endif
#define SMC_LIMIT_HS 1
#ifndef SOL_TLS
#define SOL_TLS 282
#endif

struct option {
	const char *label;
	int level;
	int name;
	int set;
	/* What is had then. */
	int get;
	int flags;
};

/* A connection has it from the listener; another entry below changes it again. */
#define INHERITED 1
#define OVERRIDDEN 2

#define OPT(level, name, set, get, flags) { #name, level, name, set, get, flags }

static const struct option options[] = {
	OPT(SOL_SOCKET, SO_RCVBUF, 70000, 140000, INHERITED | OVERRIDDEN),
	OPT(SOL_SOCKET, SO_SNDBUF, 70000, 140000, INHERITED | OVERRIDDEN),
	OPT(SOL_SOCKET, SO_RCVBUFFORCE, 700000, -ENOPROTOOPT, 0),
	OPT(SOL_SOCKET, SO_SNDBUFFORCE, 700000, -ENOPROTOOPT, 0),
	OPT(SOL_SOCKET, SO_KEEPALIVE, 1, 1, INHERITED),
	OPT(SOL_SOCKET, SO_REUSEADDR, 1, 1, INHERITED),
	OPT(SOL_SOCKET, SO_PRIORITY, 5, 5, OVERRIDDEN),
	OPT(SOL_SOCKET, SO_MARK, 7, 7, INHERITED),
	OPT(SOL_SOCKET, SO_OOBINLINE, 1, 1, INHERITED),
	OPT(SOL_SOCKET, SO_DONTROUTE, 1, 1, OVERRIDDEN),
	OPT(SOL_SOCKET, SO_DONTROUTE, 0, 0, 0),
	OPT(SOL_SOCKET, SO_TIMESTAMP, 1, 1, INHERITED),
	OPT(SOL_SOCKET, SO_RCVLOWAT, 1, 1, INHERITED),
	OPT(SOL_SOCKET, SO_MAX_PACING_RATE, 1 << 30, 1 << 30, INHERITED),
	OPT(SOL_SOCKET, SO_NO_CHECK, 1, 1, INHERITED),
	OPT(SOL_TCP, TCP_NODELAY, 1, 1, INHERITED),
	OPT(SOL_TCP, TCP_CORK, 1, 1, OVERRIDDEN),
	OPT(SOL_TCP, TCP_CORK, 0, 0, 0),
	OPT(SOL_TCP, TCP_KEEPIDLE, 77, 77, INHERITED),
	OPT(SOL_TCP, TCP_KEEPINTVL, 11, 11, INHERITED),
	OPT(SOL_TCP, TCP_KEEPCNT, 5, 5, INHERITED),
	OPT(SOL_TCP, TCP_SYNCNT, 3, 3, 0),
	OPT(SOL_TCP, TCP_LINGER2, 9, 9, INHERITED),
	OPT(SOL_TCP, TCP_USER_TIMEOUT, 30000, 30000, INHERITED),
	OPT(SOL_TCP, TCP_THIN_LINEAR_TIMEOUTS, 1, 1, INHERITED),
	OPT(SOL_TCP, TCP_NOTSENT_LOWAT, 9999, 9999, INHERITED),
	OPT(SOL_TCP, TCP_SAVE_SYN, 1, 1, 0),
	OPT(SOL_TCP, TCP_INQ, 1, 1, INHERITED),
	OPT(SOL_IP, IP_TOS, 0x10, 0x10, 0),
	OPT(SOL_IP, IP_TTL, 33, 33, INHERITED),
	OPT(SOL_IP, IP_RECVERR, 1, 1, INHERITED),
	OPT(SOL_IP, IP_FREEBIND, 1, 1, INHERITED),
	OPT(SOL_IP, IP_BIND_ADDRESS_NO_PORT, 1, 1, INHERITED),
};

#define LABEL(option) TH_LOG("option %s", (option)->label)

#define SETS_AND_GETS(fd) do { \
	const struct option *__o; \
	for (__o = options; __o < options + ARRAY_SIZE(options); __o++) { \
		EXPECT_EQ(0, set_int(fd, __o->level, __o->name, __o->set)) \
			LABEL(__o); \
		EXPECT_EQ(__o->get, get_int(fd, __o->level, __o->name)) \
			LABEL(__o); \
	} \
} while (0)

TEST_F(api, set_and_get)
{
	int fd = CLIENT(0);

	SETS_AND_GETS(fd);
	ASSERT_EQ(0, CONNECT(fd));
	SETS_AND_GETS(fd);
	CARRIES(fd, ACCEPTED());
}

TEST_F(api, set_and_get_while_connecting)
{
	int fd = CLIENT(SOCK_NONBLOCK);

	ASSERT_EQ(-EINPROGRESS, CONNECT_HOLE(fd));
	SETS_AND_GETS(fd);
}

TEST_F(api, inherited)
{
	const struct option *o;
	int fd = SERVER(0), conn;

	for (o = options; o < options + ARRAY_SIZE(options); o++) {
		if (o->flags & INHERITED)
			ASSERT_EQ(0, set_int(fd, o->level, o->name, o->set)) LABEL(o);
	}
	ASSERT_EQ(0, set_time(fd, SO_RCVTIMEO, 7000));
	ASSERT_EQ(0, bind_to(fd, variant->at, 0));
	ASSERT_EQ(0, rc(listen(fd, 1)));
	ASSERT_EQ(0, connect_to(CLIENT(0), variant->to, port_at(fd)));
	conn = rc(accept(fd, NULL, NULL));
	ASSERT_LE(0, conn);
	for (o = options; o < options + ARRAY_SIZE(options); o++) {
		if (!(o->flags & INHERITED))
			continue;
		EXPECT_EQ(o->get, get_int(conn, o->level, o->name)) LABEL(o);
	}
	EXPECT_EQ(7, get_int(conn, SOL_SOCKET, SO_RCVTIMEO));
}

/* What is set before connect(2) is there after it. */
TEST_F(api, kept)
{
	const struct option *o;
	int fd = CLIENT(0);

	for (o = options; o < options + ARRAY_SIZE(options); o++)
		ASSERT_EQ(0, set_int(fd, o->level, o->name, o->set));
	ASSERT_EQ(0, CONNECT(fd));
	for (o = options; o < options + ARRAY_SIZE(options); o++) {
		if (o->flags & OVERRIDDEN)
			continue;
		EXPECT_EQ(o->get, get_int(fd, o->level, o->name)) LABEL(o);
	}
	CARRIES(fd, ACCEPTED());
}

TEST_F(api, what_it_is)
{
	PAIR();
	EXPECT_EQ(SOCK_STREAM, get_int(self->client, SOL_SOCKET, SO_TYPE));
	EXPECT_EQ(SOCK_STREAM, get_int(self->conn, SOL_SOCKET, SO_TYPE));
	EXPECT_EQ(1, get_int(self->listener, SOL_SOCKET, SO_ACCEPTCONN));
	EXPECT_EQ(0, get_int(self->conn, SOL_SOCKET, SO_ACCEPTCONN));
	EXPECT_EQ(0, get_int(self->client, SOL_SOCKET, SO_ACCEPTCONN));
	EXPECT_EQ(-ENOPROTOOPT, set_int(self->client, SOL_SOCKET, SO_TYPE, 1));
	EXPECT_EQ(-ENOPROTOOPT, set_int(self->client, SOL_SOCKET, SO_ERROR, 1));
	EXPECT_EQ(TCP_ESTABLISHED, tcp_info(self->client).tcpi_state);
	EXPECT_EQ(TCP_ESTABLISHED, tcp_info(self->conn).tcpi_state);
	EXPECT_EQ(TCP_LISTEN, tcp_info(self->listener).tcpi_state);
	EXPECT_EQ(tcp_info(self->client).tcpi_options, tcp_info(self->conn).tcpi_options);
	EXPECT_EQ(TCPI_OPT_TIMESTAMPS | TCPI_OPT_SACK | TCPI_OPT_WSCALE,
		  tcp_info(self->client).tcpi_options);
}

/* It is the same socket all its life. */
TEST_F(api, cookie)
{
	unsigned long long before = 0, after = 0;
	socklen_t len = sizeof(before);
	int fd = CLIENT(0);

	ASSERT_EQ(0, rc(getsockopt(fd, SOL_SOCKET, SO_COOKIE, &before, &len)));
	ASSERT_EQ(0, CONNECT(fd));
	ASSERT_EQ(0, rc(getsockopt(fd, SOL_SOCKET, SO_COOKIE, &after, &len)));
	EXPECT_NE(0, after);
	EXPECT_EQ(before, after);
}

TEST_F(api, no_such_option)
{
	int one = 1, fds[4], i;
	socklen_t len;

	PAIR();
	fds[0] = self->client;
	fds[1] = self->conn;
	fds[2] = self->listener;
	fds[3] = CLIENT(0);
	for (i = 0; i < 4; i++) {
		EXPECT_EQ(-ENOPROTOOPT, set_int(fds[i], SOL_TCP, 9999, 1));
		EXPECT_EQ(-ENOPROTOOPT, get_int(fds[i], SOL_TCP, 9999));
		EXPECT_EQ(-ENOPROTOOPT, set_int(fds[i], SOL_SOCKET, 9999, 1));
		EXPECT_EQ(-ENOPROTOOPT, get_int(fds[i], SOL_SOCKET, 9999));
		EXPECT_EQ(-ENOPROTOOPT, set_int(fds[i], 9999, 1, 1));
		EXPECT_EQ(-EINVAL, rc(setsockopt(fds[i], SOL_TCP, TCP_NODELAY, &one, 1)));
		EXPECT_EQ(-EFAULT, rc(setsockopt(fds[i], SOL_TCP, TCP_NODELAY, (void *)1, 4)));
		EXPECT_EQ(-EINVAL, rc(setsockopt(fds[i], SOL_TCP, TCP_NODELAY, &one, -1)));
		len = -1;
		EXPECT_EQ(-EINVAL, rc(getsockopt(fds[i], SOL_TCP, TCP_NODELAY, &one, &len)));
		len = sizeof(one);
		EXPECT_EQ(-EFAULT, rc(getsockopt(fds[i], SOL_TCP, TCP_NODELAY, (void *)8, &len)));
		EXPECT_EQ(-EINVAL, set_int(fds[i], SOL_TCP, TCP_KEEPIDLE, 0));
	}
}

TEST_F(api, smc_options)
{
	int fds[3] = { self->listener, CLIENT(0), SERVER(0) }, i;
	bool smc;

	for (i = 0; i < 3; i++) {
		smc = is_smc(i == 1 ? variant->client : variant->server);
		EXPECT_GT(0, set_int(fds[i], SOL_SMC, 99, 1));
		EXPECT_EQ(smc ? 0 : -ENOPROTOOPT, set_int(fds[i], SOL_SMC, SMC_LIMIT_HS, 1));
		if (!smc)
			continue;
		EXPECT_EQ(1, get_int(fds[i], SOL_SMC, SMC_LIMIT_HS));
		EXPECT_EQ(0, set_int(fds[i], SOL_SMC, SMC_LIMIT_HS, 0));
		EXPECT_EQ(0, get_int(fds[i], SOL_SMC, SMC_LIMIT_HS));
	}
	PAIR();
	CARRIES(self->client, self->conn);
}

TEST_F(api, bind_to_device)
{
	int fd = CLIENT(0);
	char name[IFNAMSIZ] = "";
	socklen_t len = sizeof(name);

	EXPECT_EQ(-ENODEV, rc(setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, "nosuch", 6)));
	EXPECT_EQ(0, rc(setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, "lo", 2)));
	EXPECT_EQ(0, rc(getsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, name, &len)));
	EXPECT_STREQ("lo", name);
	EXPECT_EQ(0, set_int(self->listener, SOL_SOCKET, SO_BINDTOIFINDEX, 1));
	EXPECT_EQ(0, CONNECT(fd));
	CARRIES(fd, ACCEPTED());
}

TEST_F(api, congestion)
{
	char name[16] = "", was[16] = "";
	socklen_t len = sizeof(was);
	int fd = CLIENT(0);

	ASSERT_EQ(0, rc(getsockopt(fd, SOL_TCP, TCP_CONGESTION, was, &len)));
	EXPECT_NE(0, was[0]);
	EXPECT_EQ(-ENOENT, rc(setsockopt(fd, SOL_TCP, TCP_CONGESTION, "nosuch", 6)));
	EXPECT_EQ(0, rc(setsockopt(fd, SOL_TCP, TCP_CONGESTION, "reno", 4)));
	ASSERT_EQ(0, rc(setsockopt(self->listener, SOL_TCP, TCP_CONGESTION, "reno", 4)));
	ASSERT_EQ(0, CONNECT(fd));
	len = sizeof(name);
	EXPECT_EQ(0, rc(getsockopt(fd, SOL_TCP, TCP_CONGESTION, name, &len)));
	EXPECT_STREQ("reno", name);
	len = sizeof(name);
	EXPECT_EQ(0, rc(getsockopt(ACCEPTED(), SOL_TCP, TCP_CONGESTION, name, &len)));
	EXPECT_STREQ("reno", name);
	EXPECT_EQ(0, rc(setsockopt(fd, SOL_TCP, TCP_CONGESTION, was, strlen(was))));
}

TEST_F(api, maxseg)
{
	int fd = CLIENT(0), conn, mss;

	EXPECT_EQ(-EINVAL, set_int(fd, SOL_TCP, TCP_MAXSEG, 1));
	EXPECT_EQ(0, set_int(fd, SOL_TCP, TCP_MAXSEG, 1000));
	EXPECT_EQ(1000, get_int(fd, SOL_TCP, TCP_MAXSEG));
	ASSERT_EQ(0, CONNECT(fd));
	conn = ACCEPTED();
	CARRIES(fd, conn);
	CARRIES(conn, fd);
	mss = get_int(fd, SOL_TCP, TCP_MAXSEG);
	/* Less the timestamps. */
	EXPECT_EQ(988, mss);
	EXPECT_EQ(988, get_int(conn, SOL_TCP, TCP_MAXSEG));
}

/* That nothing small is to be sent concerns the application's bytes. */
TEST_F(api, cork_before_connect)
{
	int fd = CLIENT(0), conn;

	ASSERT_EQ(0, set_int(fd, SOL_TCP, TCP_CORK, 1));
	ASSERT_EQ(0, set_int(self->listener, SOL_TCP, TCP_CORK, 1));
	ASSERT_EQ(0, CONNECT(fd));
	conn = ACCEPTED();
	ASSERT_EQ(3, rc(send(fd, "abc", 3, 0)));
	ASSERT_EQ(0, set_int(fd, SOL_TCP, TCP_CORK, 0));
	EXPECT_EQ(3, rc(recv(conn, (char [3]){}, 3, MSG_WAITALL)));
	ASSERT_EQ(0, set_int(conn, SOL_TCP, TCP_CORK, 0));
	CARRIES(conn, fd);
}

/* A connection without data is not for accept(2) yet. */
TEST_F(api, defer_accept)
{
	struct pollfd p = { .fd = self->listener, .events = POLLIN };
	int fd = CLIENT(0);

	ASSERT_EQ(0, set_int(self->listener, SOL_TCP, TCP_DEFER_ACCEPT, 7));
	EXPECT_LE(7, get_int(self->listener, SOL_TCP, TCP_DEFER_ACCEPT));
	ASSERT_EQ(0, CONNECT(fd));
	EXPECT_EQ(0, poll(&p, 1, 300));
	set_nonblock(self->listener, true);
	EXPECT_EQ(-EAGAIN, rc(accept(self->listener, NULL, NULL)));
	ASSERT_EQ(5, rc(send(fd, "bytes", 5, 0)));
	EXPECT_EQ(POLLIN, poll_for(self->listener, POLLIN));
	EXPECT_EQ(5, rc(recv(ACCEPTED(), (char [5]){}, 5, MSG_DONTWAIT)));
}

TEST_F(api, v6only)
{
	int fd = SERVER(0), client;

	if (!is_v6(variant->at)) {
		EXPECT_GT(0, set_int(fd, SOL_IPV6, IPV6_V6ONLY, 1));
		return;
	}
	ASSERT_EQ(0, set_int(fd, SOL_IPV6, IPV6_V6ONLY, 1));
	EXPECT_EQ(1, get_int(fd, SOL_IPV6, IPV6_V6ONLY));
	ASSERT_EQ(0, bind_to(fd, "::", 0));
	ASSERT_EQ(0, rc(listen(fd, 1)));
	client = socket(AF_INET, SOCK_STREAM, 0);
	EXPECT_EQ(-ECONNREFUSED, connect_to(client, "127.0.0.1", port_at(fd)));
	client = socket(AF_INET6, SOCK_STREAM, 0);
	EXPECT_EQ(0, connect_to(client, "::1", port_at(fd)));
	CARRIES(client, rc(accept(fd, NULL, NULL)));
}

/* A socket of IPv6 that has an IPv4 connection may become one of IPv4. */
TEST_F(api, addrform)
{
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);
	int was = get_int(self->listener, SOL_SOCKET, SO_ERROR);

	ASSERT_EQ(0, was);
	PAIR();
	if (strncmp(variant->to, "::ffff:", 7)) {
		EXPECT_GT(0, set_int(self->client, SOL_IPV6, IPV6_ADDRFORM, AF_INET));
	} else {
		EXPECT_EQ(0, set_int(self->client, SOL_IPV6, IPV6_ADDRFORM, AF_INET));
		EXPECT_EQ(0, rc(getsockname(self->client, as_sa(&ss), &len)));
		EXPECT_EQ(AF_INET, ss.ss_family);
	}
	CARRIES(self->client, self->conn);
}

TEST_F(api, filter)
{
	struct sock_filter all = { .code = BPF_RET | BPF_K, .k = -1 };
	struct sock_fprog prog = { .len = 1, .filter = &all };
	int fd = CLIENT(0), conn;

	ASSERT_EQ(0, rc(setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &prog, sizeof(prog))));
	ASSERT_EQ(0, CONNECT(fd));
	conn = ACCEPTED();
	CARRIES(conn, fd);
	EXPECT_EQ(0, set_int(fd, SOL_SOCKET, SO_DETACH_FILTER, 0));
	EXPECT_EQ(-ENOENT, set_int(fd, SOL_SOCKET, SO_DETACH_FILTER, 0));
	CARRIES(conn, fd);
}

TEST_F(api, md5)
{
	const char *from = is_v6(variant->at) && !is_v6(variant->to) ? "::ffff:127.0.0.1" :
			   is_v6(variant->at) ? variant->to : "127.0.0.1";
	struct tcp_md5sig sig = { .tcpm_keylen = 3, .tcpm_key = "key" };
	struct sockaddr_storage ss;
	int fd = CLIENT(0);

	make_address(&ss, variant->to, 0);
	memcpy(&sig.tcpm_addr, &ss, sizeof(ss));
	if (set_int(fd, SOL_TCP, TCP_MD5SIG, 0) == -ENOPROTOOPT)
		SKIP(return, "no TCP_MD5SIG");
	ASSERT_EQ(0, rc(setsockopt(fd, SOL_TCP, TCP_MD5SIG, &sig, sizeof(sig))));
	make_address(&ss, from, 0);
	memcpy(&sig.tcpm_addr, &ss, sizeof(ss));
	ASSERT_EQ(0, rc(setsockopt(self->listener, SOL_TCP, TCP_MD5SIG, &sig, sizeof(sig))));
	ASSERT_EQ(0, CONNECT(fd));
	CARRIES(fd, ACCEPTED());
}

TEST_F(api, tls)
{
	char name[16] = "";
	socklen_t len = sizeof(name);
	int fd = CLIENT(0);
	long done;

	done = rc(setsockopt(fd, SOL_TCP, TCP_ULP, "tls", 3));
	if (done == -ENOENT || done == -ENOPROTOOPT)
		SKIP(return, "no kernel TLS");
	EXPECT_EQ(-ENOTCONN, done);
	ASSERT_EQ(0, CONNECT(fd));
	EXPECT_EQ(0, rc(setsockopt(fd, SOL_TCP, TCP_ULP, "tls", 3)));
	EXPECT_EQ(0, rc(getsockopt(fd, SOL_TCP, TCP_ULP, name, &len)));
	EXPECT_STREQ("tls", name);
	EXPECT_EQ(-EEXIST, rc(setsockopt(fd, SOL_TCP, TCP_ULP, "tls", 3)));
	/* Without keys it changes nothing. */
	CARRIES(fd, ACCEPTED());
}

/* Keys at both ends: what is sent is what comes, by way of the cipher. */
TEST_F(api, tls_with_keys)
{
	struct tls12_crypto_info_aes_gcm_128 keys = {
		.info = { .version = TLS_1_3_VERSION, .cipher_type = TLS_CIPHER_AES_GCM_128 },
		.key = "0123456789abcde", .salt = "abc", .iv = "1234567",
	};
	char buf[8] = "";
	int from_to[2];
	long done;
	int i;

	PAIR();
	for (i = 0; i < 2; i++) {
		from_to[0] = i ? self->conn : self->client;
		from_to[1] = i ? self->client : self->conn;
		done = i ? 0 : rc(setsockopt(from_to[0], SOL_TCP, TCP_ULP, "tls", 3));
		if (done == -ENOENT || done == -ENOPROTOOPT)
			SKIP(return, "no kernel TLS");
		ASSERT_EQ(0, done);
		if (!i)
			ASSERT_EQ(0, rc(setsockopt(from_to[1], SOL_TCP, TCP_ULP, "tls", 3)));
		ASSERT_EQ(0, rc(setsockopt(from_to[0], SOL_TLS, TLS_TX, &keys, sizeof(keys))));
		ASSERT_EQ(0, rc(setsockopt(from_to[1], SOL_TLS, TLS_RX, &keys, sizeof(keys))));
		ASSERT_EQ(5, rc(send(from_to[0], "bytes", 5, 0)));
		ASSERT_EQ(5, rc(recv(from_to[1], buf, 5, MSG_WAITALL)));
		EXPECT_STREQ("bytes", buf);
	}
}

TEST_F(api, incoming_cpu)
{
	int fd = CLIENT(0);

	EXPECT_EQ(-1, get_int(fd, SOL_SOCKET, SO_INCOMING_CPU));
	EXPECT_EQ(0, set_int(self->listener, SOL_SOCKET, SO_INCOMING_CPU, 1));
	EXPECT_EQ(1, get_int(self->listener, SOL_SOCKET, SO_INCOMING_CPU));
	PAIR();
	CARRIES(self->client, self->conn);
	EXPECT_LE(0, get_int(self->conn, SOL_SOCKET, SO_INCOMING_CPU));
}

/* More than net.core.rmem_max and wmem_max allow, by those who may. */
TEST_F(api, forced_buffers)
{
	int most = 0, fd = CLIENT(0);
	FILE *f = fopen("/proc/sys/net/core/rmem_max", "r");

	ASSERT_NE(NULL, f);
	ASSERT_EQ(1, fscanf(f, "%d", &most));
	fclose(f);
	ASSERT_EQ(0, set_int(fd, SOL_SOCKET, SO_RCVBUF, most * 2));
	EXPECT_EQ(most * 2, get_int(fd, SOL_SOCKET, SO_RCVBUF));
	ASSERT_EQ(0, set_int(fd, SOL_SOCKET, SO_RCVBUFFORCE, most * 2));
	EXPECT_EQ(most * 4, get_int(fd, SOL_SOCKET, SO_RCVBUF));
	ASSERT_EQ(0, set_int(fd, SOL_SOCKET, SO_SNDBUFFORCE, most * 2));
	ASSERT_EQ(0, CONNECT(fd));
	EXPECT_EQ(most * 4, get_int(fd, SOL_SOCKET, SO_RCVBUF));
	EXPECT_EQ(most * 4, get_int(fd, SOL_SOCKET, SO_SNDBUF));
	CARRIES(fd, ACCEPTED());
}
