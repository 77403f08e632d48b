/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the programs of the socket API suite share.
 *
 * Each case is run once for each way in which SMC may be between a client and a
 * server on this machine, and with TCP at both ends: what holds there shall hold
 * everywhere.  Each program has a network namespace of its own.
 *
 * API_LIMIT in the environment: seconds that a case may take, 25 without it.
 */
#ifndef API_H
#define API_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "kselftest_harness.h"

#ifndef IPPROTO_SMC
#define IPPROTO_SMC 256
#endif

/* Of AF_SMC, as the kernel's include/net/smc.h has it. */
#define SMCPROTO_SMC 0
#define SMCPROTO_SMC6 1

/* What a call has returned, or -errno. */
#define rc(call) ({ long __rc = (call); __rc < 0 ? -errno : __rc; })

/* Waits for something that must come; the limit of the case ends it if not. */
#define until(condition) do { \
	while (!(condition)) \
		usleep(1000); \
} while (0)

struct kind {
	int family;
	int protocol;
};

FIXTURE_VARIANT(api)
{
	struct kind client;
	struct kind server;
	/* Where the server is bound, and what the client connects to. */
	const char *at;
	const char *to;
	/* An address at which nobody answers. */
	const char *hole;
};

#define V4_ENDS .at = "127.0.0.1", .to = "127.0.0.1", .hole = "192.0.2.2"
#define V6_ENDS .at = "::1", .to = "::1", .hole = "2001:db8::2"

FIXTURE(api)
{
	int listener;
	struct sockaddr_storage to;
	socklen_t tolen;
	struct sockaddr_storage hole;
	/* Of PAIR(): the two ends of a connection. */
	int client;
	int conn;
};

FIXTURE_VARIANT_ADD(api, tcp)
{
	.client = { AF_INET, 0 }, .server = { AF_INET, 0 }, V4_ENDS,
};

FIXTURE_VARIANT_ADD(api, tcp6)
{
	.client = { AF_INET6, 0 }, .server = { AF_INET6, 0 }, V6_ENDS,
};

/* A listener for both versions, and a client of IPv4. */
FIXTURE_VARIANT_ADD(api, tcp_dual)
{
	.client = { AF_INET, 0 }, .server = { AF_INET6, 0 },
	.at = "::", .to = "127.0.0.1", .hole = "192.0.2.2",
};

/* A client of IPv6 that connects to an IPv4 address. */
FIXTURE_VARIANT_ADD(api, tcp_mapped)
{
	.client = { AF_INET6, 0 }, .server = { AF_INET, 0 },
	.at = "127.0.0.1", .to = "::ffff:127.0.0.1", .hole = "::ffff:192.0.2.2",
};

FIXTURE_VARIANT_ADD(api, smc)
{
	.client = { AF_SMC, SMCPROTO_SMC }, .server = { AF_SMC, SMCPROTO_SMC }, V4_ENDS,
};

FIXTURE_VARIANT_ADD(api, smc_client)
{
	.client = { AF_SMC, SMCPROTO_SMC }, .server = { AF_INET, 0 }, V4_ENDS,
};

FIXTURE_VARIANT_ADD(api, smc_server)
{
	.client = { AF_INET, 0 }, .server = { AF_SMC, SMCPROTO_SMC }, V4_ENDS,
};

FIXTURE_VARIANT_ADD(api, ipproto)
{
	.client = { AF_INET, IPPROTO_SMC }, .server = { AF_INET, IPPROTO_SMC }, V4_ENDS,
};

FIXTURE_VARIANT_ADD(api, smc6)
{
	.client = { AF_SMC, SMCPROTO_SMC6 }, .server = { AF_SMC, SMCPROTO_SMC6 }, V6_ENDS,
};

FIXTURE_VARIANT_ADD(api, ipproto6)
{
	.client = { AF_INET6, IPPROTO_SMC }, .server = { AF_INET6, IPPROTO_SMC }, V6_ENDS,
};

FIXTURE_VARIANT_ADD(api, smc_dual)
{
	.client = { AF_SMC, SMCPROTO_SMC }, .server = { AF_SMC, SMCPROTO_SMC6 },
	.at = "::", .to = "127.0.0.1", .hole = "192.0.2.2",
};

FIXTURE_VARIANT_ADD(api, ipproto_mapped)
{
	.client = { AF_INET6, IPPROTO_SMC }, .server = { AF_INET, IPPROTO_SMC },
	.at = "127.0.0.1", .to = "::ffff:127.0.0.1", .hole = "::ffff:192.0.2.2",
};

static inline bool is_v6(const char *text)
{
	return strchr(text, ':');
}

static inline bool is_smc(struct kind kind)
{
	return kind.family == AF_SMC || kind.protocol == IPPROTO_SMC;
}

static inline socklen_t make_address(struct sockaddr_storage *ss, const char *text, int port)
{
	struct sockaddr_in6 *v6 = (void *)ss;
	struct sockaddr_in *v4 = (void *)ss;

	memset(ss, 0, sizeof(*ss));
	if (is_v6(text)) {
		v6->sin6_family = AF_INET6;
		v6->sin6_port = htons(port);
		inet_pton(AF_INET6, text, &v6->sin6_addr);
		return sizeof(*v6);
	}
	v4->sin_family = AF_INET;
	v4->sin_port = htons(port);
	inet_pton(AF_INET, text, &v4->sin_addr);
	return sizeof(*v4);
}

/* The port is at the same place in both kinds of address. */
static inline int port_of(const struct sockaddr_storage *ss)
{
	return ntohs(((const struct sockaddr_in *)ss)->sin_port);
}

static inline int port_at(int fd)
{
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);

	return getsockname(fd, (void *)&ss, &len) ? -errno : port_of(&ss);
}

static inline int peer_port_at(int fd)
{
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);

	return getpeername(fd, (void *)&ss, &len) ? -errno : port_of(&ss);
}

static inline int bind_to(int fd, const char *text, int port)
{
	struct sockaddr_storage ss;
	socklen_t len = make_address(&ss, text, port);

	return rc(bind(fd, (void *)&ss, len));
}

static inline int connect_to(int fd, const char *text, int port)
{
	struct sockaddr_storage ss;
	socklen_t len = make_address(&ss, text, port);

	return rc(connect(fd, (void *)&ss, len));
}

static inline int set_int(int fd, int level, int name, int value)
{
	return rc(setsockopt(fd, level, name, &value, sizeof(value)));
}

/* The value, or -errno. */
static inline int get_int(int fd, int level, int name)
{
	socklen_t len = sizeof(int);
	int value = 0;

	return getsockopt(fd, level, name, &value, &len) ? -errno : value;
}

static inline int set_time(int fd, int name, int ms)
{
	struct timeval tv = { .tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000 };

	return rc(setsockopt(fd, SOL_SOCKET, name, &tv, sizeof(tv)));
}

static inline void set_nonblock(int fd, bool on)
{
	int flags = fcntl(fd, F_GETFL);

	fcntl(fd, F_SETFL, on ? flags | O_NONBLOCK : flags & ~O_NONBLOCK);
}

/* What poll(2) says now, or once it says something of what is asked for. */
static inline int poll_now(int fd, int events)
{
	struct pollfd p = { .fd = fd, .events = events };

	return poll(&p, 1, 0) < 0 ? -errno : p.revents;
}

static inline int poll_for(int fd, int events)
{
	struct pollfd p = { .fd = fd, .events = events };

	return poll(&p, 1, -1) < 0 ? -errno : p.revents;
}

static inline int queued(int fd, unsigned long what)
{
	int n = 0;

	return ioctl(fd, what, &n) ? -errno : n;
}

/* TCP_INFO; of a listener, tcpi_unacked is how many wait, tcpi_sacked the backlog. */
static inline struct tcp_info tcp_info(int fd)
{
	struct tcp_info info = {};
	socklen_t len = sizeof(info);

	getsockopt(fd, SOL_TCP, TCP_INFO, &info, &len);
	return info;
}

static inline struct sockaddr *as_sa(const struct sockaddr_storage *ss)
{
	return (struct sockaddr *)ss;
}

/* A call in a thread of its own. */
struct job {
	long (*call)(struct job *job);
	int fd;
	char buf[64];
	size_t len;
	int flags;
	const struct sockaddr_storage *to;
	pthread_t thread;
	pid_t tid;
	long result;
};

static inline long job_recv(struct job *job)
{
	return recv(job->fd, job->buf, job->len ? job->len : sizeof(job->buf), job->flags);
}

static inline long job_send(struct job *job)
{
	return send(job->fd, job->buf, job->len, job->flags);
}

static inline long job_accept(struct job *job)
{
	return accept(job->fd, NULL, NULL);
}

static inline long job_connect(struct job *job)
{
	return connect(job->fd, as_sa(job->to), job->to->ss_family == AF_INET6 ?
		       sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in));
}

static inline void *job_main(void *arg)
{
	struct job *job = arg;

	__atomic_store_n(&job->tid, gettid(), __ATOMIC_RELEASE);
	job->result = rc(job->call(job));
	return NULL;
}

static inline void job_start(struct job *job)
{
	job->tid = 0;
	if (pthread_create(&job->thread, NULL, job_main, job))
		abort();
}

static inline bool job_sleeps(struct job *job)
{
	char path[64], line[256] = "", *paren;
	pid_t tid = __atomic_load_n(&job->tid, __ATOMIC_ACQUIRE);
	FILE *f;

	if (!tid)
		return false;
	snprintf(path, sizeof(path), "/proc/self/task/%d/stat", tid);
	f = fopen(path, "r");
	if (!f)
		return true;
	if (!fgets(line, sizeof(line), f))
		line[0] = 0;
	fclose(f);
	paren = strrchr(line, ')');
	return paren && paren[2] == 'S';
}

/* Until it waits in its call (or that is over). */
static inline void job_start_asleep(struct job *job)
{
	job_start(job);
	until(job_sleeps(job));
}

static inline long job_end(struct job *job)
{
	pthread_join(job->thread, NULL);
	return job->result;
}

static inline int client_socket(const FIXTURE_VARIANT(api) *variant, int flags)
{
	return socket(variant->client.family, SOCK_STREAM | flags, variant->client.protocol);
}

static inline int server_socket(const FIXTURE_VARIANT(api) *variant, int flags)
{
	return socket(variant->server.family, SOCK_STREAM | flags, variant->server.protocol);
}

/* These want the parameters of a case; they end it if they fail. */
#define CLIENT(flags) ({ \
	int __fd = client_socket(variant, flags); \
	ASSERT_LE(0, __fd); \
	__fd; \
})

#define SERVER(flags) ({ \
	int __fd = server_socket(variant, flags); \
	ASSERT_LE(0, __fd); \
	__fd; \
})

#define CONNECT(fd) rc(connect(fd, as_sa(&self->to), self->tolen))
#define CONNECT_HOLE(fd) rc(connect(fd, as_sa(&self->hole), self->tolen))

/* A client that is connected; a connection that the server has accepted. */
#define CONNECTED() ({ \
	int __client = CLIENT(0); \
	ASSERT_EQ(0, CONNECT(__client)); \
	__client; \
})

#define ACCEPTED() ({ \
	int __conn = rc(accept(self->listener, NULL, NULL)); \
	ASSERT_LE(0, __conn); \
	__conn; \
})

#define PAIR() do { \
	self->client = CONNECTED(); \
	self->conn = ACCEPTED(); \
} while (0)

/* Bytes get from one socket to the other. */
#define CARRIES(from, to) do { \
	char __buf[8] = ""; \
	ASSERT_EQ(5, rc(send(from, "bytes", 5, 0))); \
	ASSERT_EQ(5, rc(recv(to, __buf, 5, MSG_WAITALL))); \
	ASSERT_STREQ("bytes", __buf); \
} while (0)

/*
 * Has no room for one more connection: SYNs are dropped until there is.  By clients
 * of TCP: one that is in a handshake of SMC takes no room while it is.
 */
#define FILL_BACKLOG() do { \
	int __i, __fd; \
	ASSERT_EQ(0, rc(listen(self->listener, 1))); \
	for (__i = 0; __i < 2; __i++) { \
		__fd = socket(self->to.ss_family, SOCK_STREAM, 0); \
		ASSERT_LE(0, __fd); \
		ASSERT_EQ(0, CONNECT(__fd)); \
	} \
	until(tcp_info(self->listener).tcpi_unacked == 2); \
} while (0)

FIXTURE_SETUP(api)
{
	const char *limit = getenv("API_LIMIT");

	alarm(limit ? atoi(limit) : 25);
	self->client = -1;
	self->conn = -1;
	self->listener = SERVER(0);
	ASSERT_EQ(0, bind_to(self->listener, variant->at, 0));
	ASSERT_EQ(0, rc(listen(self->listener, 16)));
	self->tolen = make_address(&self->to, variant->to, port_at(self->listener));
	make_address(&self->hole, variant->hole, 9);
}

/* The sockets end with the process of the case. */
FIXTURE_TEARDOWN(api)
{
}

/* By ip, tc and the like. */
static inline bool shell(const char *command)
{
	char line[512];

	snprintf(line, sizeof(line), "PATH=$PATH:/sbin:/usr/sbin; %s", command);
	return system(line) == 0;
}

/* A network of its own: loopback, and a device that swallows everything. */
static inline bool own_network(void)
{
	return !unshare(CLONE_NEWNET) && shell("ip link set lo up") &&
	       shell("ip tuntap add hole mode tun && ip link set hole up") &&
	       shell("ip addr add 192.0.2.1/24 dev hole") &&
	       shell("ip addr add 2001:db8::1/64 dev hole nodad") &&
	       shell("echo 3 > /proc/sys/net/ipv4/tcp_fastopen") &&
	       /* A client whose ACK of a cookie is dropped waits for ever. */
	       shell("echo 0 > /proc/sys/net/ipv4/tcp_syncookies");
}

int main(int argc, char **argv)
{
	if (!own_network()) {
		fprintf(stderr, "no network namespace\n");
		return KSFT_FAIL;
	}
	return test_harness_run(argc, argv);
}

#endif
