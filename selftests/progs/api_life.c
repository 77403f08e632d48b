// SPDX-License-Identifier: GPL-2.0
/*
 * Sockets that are inherited, passed on, closed in the middle of something, and
 * in network namespaces of their own.
 */
#include "api.h"
#include <net/if.h>
#include <sys/prctl.h>
#include <sys/stat.h>

TEST_F(api, dup)
{
	int fd = CLIENT(0), other = dup(fd), conn;

	close(fd);
	ASSERT_EQ(0, CONNECT(other));
	fd = dup(other);
	conn = ACCEPTED();
	CARRIES(fd, conn);
	close(other);
	CARRIES(conn, fd);
	other = dup(fd);
	ASSERT_EQ(0, rc(shutdown(other, SHUT_WR)));
	EXPECT_EQ(0, rc(recv(conn, &conn, 1, 0)));
	EXPECT_EQ(-EPIPE, rc(send(fd, "x", 1, MSG_NOSIGNAL)));
}

/* The file stays what it is. */
TEST_F(api, same_file)
{
	int fd = CLIENT(SOCK_NONBLOCK | SOCK_CLOEXEC);
	struct stat before, after;

	ASSERT_EQ(0, fstat(fd, &before));
	EXPECT_TRUE(S_ISSOCK(before.st_mode));
	EXPECT_EQ(-EINPROGRESS, CONNECT(fd));
	poll_for(fd, POLLOUT);
	ASSERT_EQ(0, fstat(fd, &after));
	EXPECT_EQ(before.st_ino, after.st_ino);
	EXPECT_EQ(O_RDWR | O_NONBLOCK, fcntl(fd, F_GETFL));
	EXPECT_EQ(FD_CLOEXEC, fcntl(fd, F_GETFD));
	EXPECT_EQ(-EINVAL, rc(fsync(fd)));
	EXPECT_EQ(-EINVAL, rc(ftruncate(fd, 0)));
}

TEST_F(api, device_ioctls)
{
	struct ifreq ifr = { .ifr_name = "lo" };
	int fd = CLIENT(0);

	EXPECT_EQ(0, rc(ioctl(fd, SIOCGIFINDEX, &ifr)));
	EXPECT_EQ(1, ifr.ifr_ifindex);
	EXPECT_EQ(0, rc(ioctl(self->listener, SIOCGIFFLAGS, &ifr)));
	EXPECT_TRUE(ifr.ifr_flags & IFF_LOOPBACK);
	ASSERT_EQ(0, CONNECT(fd));
	EXPECT_EQ(0, rc(ioctl(fd, SIOCGIFFLAGS, &ifr)));
	EXPECT_EQ(-ENODEV, rc(ioctl(fd, SIOCGIFINDEX, &(struct ifreq){ .ifr_name = "nosuch" })));
}

/* Runs the rest of the block in a child. */
#define CHILD(pid) \
	for ((pid) = fork(), prctl(PR_SET_PDEATHSIG, (pid) ? 0 : SIGKILL); !(pid); _exit(0))

TEST_F(api, fork_and_use)
{
	int status = -1;
	pid_t pid;

	PAIR();
	CHILD(pid) {
		char byte;

		close(self->conn);
		if (send(self->client, "child", 5, 0) != 5 ||
		    recv(self->client, &byte, 1, 0) != 1 || byte != '!')
			_exit(1);
	}
	close(self->client);
	EXPECT_EQ(5, rc(recv(self->conn, (char [5]){}, 5, MSG_WAITALL)));
	ASSERT_EQ(1, rc(send(self->conn, "!", 1, 0)));
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
	EXPECT_EQ(0, rc(recv(self->conn, &status, 1, 0)));
}

/* The child accepts, and completes a connection that the parent has begun. */
TEST_F(api, fork_in_between)
{
	int fd = CLIENT(SOCK_NONBLOCK), status = -1;
	pid_t pid;

	EXPECT_EQ(-EINPROGRESS, CONNECT(fd));
	CHILD(pid) {
		int conn = accept(self->listener, NULL, NULL);
		char byte;

		if (conn < 0 || poll_for(fd, POLLOUT) != POLLOUT || CONNECT(fd) ||
		    send(fd, "x", 1, 0) != 1 || recv(conn, &byte, 1, 0) != 1)
			_exit(1);
	}
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
	EXPECT_EQ(-EISCONN, CONNECT(fd));
}

TEST_F(api, exec)
{
	int status = -1;
	pid_t pid;

	PAIR();
	CHILD(pid) {
		dup2(self->client, 1);
		execlp("echo", "echo", "hello", NULL);
		_exit(1);
	}
	close(self->client);
	EXPECT_EQ(6, rc(recv(self->conn, (char [6]){}, 6, MSG_WAITALL)));
	EXPECT_EQ(0, rc(recv(self->conn, &status, 1, 0)));
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
}

/* A process that is killed leaves nothing of its sockets. */
TEST_F(api, killed)
{
	int port = port_at(self->listener), fd, up[2];
	pid_t pid;

	set_int(self->listener, SOL_SOCKET, SO_REUSEADDR, 1);
	fd = CONNECTED();
	ASSERT_EQ(0, pipe(up));
	CHILD(pid) {
		int conn = accept(self->listener, NULL, NULL);

		connect(client_socket(variant, SOCK_NONBLOCK), as_sa(&self->hole), self->tolen);
		connect(client_socket(variant, 0), as_sa(&self->to), self->tolen);
		if (conn >= 0 && write(up[1], "", 1) == 1)
			pause();
	}
	ASSERT_EQ(1, read(up[0], (char [1]){}, 1));
	close(self->listener);
	kill(pid, SIGKILL);
	ASSERT_EQ(pid, waitpid(pid, NULL, 0));
	EXPECT_GE(0, rc(recv(fd, &fd, 1, 0)));
	EXPECT_EQ(-ECONNREFUSED, CONNECT(CLIENT(0)));
	fd = SERVER(0);
	set_int(fd, SOL_SOCKET, SO_REUSEADDR, 1);
	EXPECT_EQ(0, bind_to(fd, variant->at, port));
	EXPECT_EQ(0, rc(listen(fd, 1)));
}

static int pass(int to, int fd)
{
	char space[CMSG_SPACE(sizeof(int))] = {};
	struct iovec iov = { "", 1 };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = space,
			      .msg_controllen = sizeof(space) };
	struct cmsghdr *cmsg = CMSG_FIRSTHDR(&msg);

	*cmsg = (struct cmsghdr){ .cmsg_len = CMSG_LEN(sizeof(int)), .cmsg_level = SOL_SOCKET,
				  .cmsg_type = SCM_RIGHTS };
	memcpy(CMSG_DATA(cmsg), &fd, sizeof(fd));
	return rc(sendmsg(to, &msg, 0));
}

static int passed(int from)
{
	char space[CMSG_SPACE(sizeof(int))], byte;
	struct iovec iov = { &byte, 1 };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = space,
			      .msg_controllen = sizeof(space) };
	int fd = -1;

	if (recvmsg(from, &msg, 0) == 1 && CMSG_FIRSTHDR(&msg))
		memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&msg)), sizeof(fd));
	return fd;
}

TEST_F(api, passed_on)
{
	int fds[3] = { self->listener, CLIENT(SOCK_NONBLOCK), CLIENT(0) }, pair[2], i;

	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_DGRAM, 0, pair));
	EXPECT_EQ(-EINPROGRESS, CONNECT(fds[1]));
	/* On their way they have no other owner. */
	for (i = 0; i < 3; i++) {
		ASSERT_EQ(1, pass(pair[0], fds[i]));
		close(fds[i]);
	}
	self->listener = passed(pair[1]);
	self->client = passed(pair[1]);
	self->conn = ACCEPTED();
	EXPECT_EQ(POLLOUT, poll_for(self->client, POLLOUT));
	CARRIES(self->client, self->conn);
	self->client = passed(pair[1]);
	ASSERT_EQ(0, CONNECT(self->client));
	CARRIES(self->client, ACCEPTED());
}

/* Whoever is in a call keeps the socket until it is over. */
TEST_F(api, closed_under_recv)
{
	struct job job = { .call = job_recv };

	PAIR();
	job.fd = self->client;
	job_start_asleep(&job);
	close(self->client);
	ASSERT_EQ(1, rc(send(self->conn, "x", 1, 0)));
	EXPECT_EQ(1, job_end(&job));
	EXPECT_GE(0, rc(recv(self->conn, &job, 1, 0)));
}

TEST_F(api, closed_under_accept)
{
	struct job job = { .call = job_accept, .fd = self->listener };
	int fd = CLIENT(0);

	job_start_asleep(&job);
	close(self->listener);
	EXPECT_EQ(0, CONNECT(fd));
	CARRIES(fd, job_end(&job));
	EXPECT_EQ(-ECONNREFUSED, CONNECT(CLIENT(0)));
}

TEST_F(api, closed_under_connect)
{
	struct job job = { .call = job_connect, .fd = CLIENT(0), .to = &self->to };
	int i;

	FILL_BACKLOG();
	job_start_asleep(&job);
	close(job.fd);
	for (i = 0; i < 2; i++)
		ACCEPTED();
	EXPECT_EQ(0, job_end(&job));
	EXPECT_EQ(0, rc(recv(ACCEPTED(), &job, 1, 0)));
}

/* Closed at every point of their way; who comes after them is served. */
TEST_F(api, closed_while_connecting)
{
	int fd, conn = -1, i;
	char byte = 0;

	fd = CLIENT(SOCK_NONBLOCK);
	EXPECT_EQ(-EINPROGRESS, CONNECT_HOLE(fd));
	close(fd);
	for (i = 0; i < 10; i++) {
		fd = CLIENT(SOCK_NONBLOCK);
		EXPECT_EQ(-EINPROGRESS, CONNECT(fd));
		if (i & 1)
			sched_yield();
		close(fd);
	}
	fd = CONNECTED();
	ASSERT_EQ(1, rc(send(fd, "!", 1, 0)));
	while (byte != '!') {
		conn = ACCEPTED();
		ASSERT_LE(recv(conn, &byte, 1, 0), 1);
	}
	ASSERT_EQ(1, rc(send(conn, "?", 1, 0)));
	EXPECT_EQ(1, rc(recv(fd, &byte, 1, 0)));
	EXPECT_EQ('?', byte);
}

TEST_F(api, many)
{
	int fds[100], i;

	ASSERT_EQ(0, rc(listen(self->listener, 200)));
	for (i = 0; i < 100; i++) {
		fds[i] = CONNECTED();
		ASSERT_EQ(sizeof(i), rc(send(fds[i], &i, sizeof(i), 0)));
	}
	for (i = 0; i < 100; i++) {
		int conn = ACCEPTED(), which;

		ASSERT_EQ(sizeof(int), rc(recv(conn, &which, sizeof(int), MSG_WAITALL)));
		ASSERT_EQ(sizeof(int), rc(send(conn, &which, sizeof(int), 0)));
	}
	for (i = 0; i < 100; i++) {
		int which = -1;

		ASSERT_EQ(sizeof(int), rc(recv(fds[i], &which, sizeof(int), MSG_WAITALL)));
		EXPECT_EQ(i, which);
	}
}

#define IN_NAMESPACE() do { \
	ASSERT_EQ(0, unshare(CLONE_NEWNET)); \
	ASSERT_TRUE(shell("ip link set lo up")); \
	self->listener = SERVER(0); \
	ASSERT_EQ(0, bind_to(self->listener, variant->at, 0)); \
	ASSERT_EQ(0, rc(listen(self->listener, 16))); \
	self->tolen = make_address(&self->to, variant->to, port_at(self->listener)); \
} while (0)

TEST_F(api, namespace)
{
	int outside = client_socket(variant, 0), was = port_at(self->listener);
	struct sockaddr_storage old = self->to;

	IN_NAMESPACE();
	PAIR();
	CARRIES(self->client, self->conn);
	/* A socket is where it was made. */
	if (was != port_at(self->listener)) {
		EXPECT_EQ(-ECONNREFUSED, rc(connect(CLIENT(0), as_sa(&old), self->tolen)));
		EXPECT_EQ(-ECONNREFUSED, CONNECT(outside));
	}
	EXPECT_EQ(0, rc(connect(outside, as_sa(&old), self->tolen)));
}

/* It ends with sockets in every state, by the end of its only process. */
TEST_F(api, namespace_ends)
{
	int status = -1;
	pid_t pid;

	CHILD(pid) {
		struct sockaddr_storage ss;
		int i, fd;

		alarm(20);
		if (unshare(CLONE_NEWNET) || !shell("ip link set lo up"))
			_exit(1);
		fd = server_socket(variant, 0);
		bind_to(fd, variant->at, 0);
		if (listen(fd, 1))
			_exit(1);
		make_address(&ss, variant->to, port_at(fd));
		for (i = 0; i < 5; i++)
			connect(client_socket(variant, i < 2 ? 0 : SOCK_NONBLOCK), as_sa(&ss),
				self->tolen);
		if (accept(fd, NULL, NULL) < 0)
			_exit(1);
	}
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
	PAIR();
	CARRIES(self->client, self->conn);
}

/* Nothing is left of it but a connection, and that works. */
TEST_F(api, namespace_in_a_socket)
{
	int pair[2];
	pid_t pid;

	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_DGRAM, 0, pair));
	CHILD(pid) {
		IN_NAMESPACE();
		PAIR();
		pass(pair[0], self->listener);
		pass(pair[0], self->client);
		pass(pair[0], self->conn);
		pass(pair[0], CLIENT(0));
	}
	ASSERT_EQ(pid, waitpid(pid, NULL, 0));
	self->listener = passed(pair[1]);
	self->client = passed(pair[1]);
	self->conn = passed(pair[1]);
	CARRIES(self->client, self->conn);
	CARRIES(self->conn, self->client);
	self->tolen = make_address(&self->to, variant->to, port_at(self->listener));
	self->client = passed(pair[1]);
	ASSERT_EQ(0, CONNECT(self->client));
	CARRIES(self->client, ACCEPTED());
}

/* The process whose socket it is, by ss(8): of all, in each state. */
TEST_F(api, seen_by_ss)
{
	char line[512], want[32];
	int with = 0, without = 0;
	FILE *f;

	IN_NAMESPACE();
	PAIR();
	CARRIES(self->client, self->conn);
	snprintf(want, sizeof(want), "pid=%d,", getpid());
	f = popen("PATH=$PATH:/sbin:/usr/sbin; ss -Htanp", "r");
	ASSERT_NE(NULL, f);
	while (fgets(line, sizeof(line), f)) {
		with += !!strstr(line, want);
		without += !strstr(line, want);
	}
	EXPECT_EQ(0, pclose(f));
	/* The listener, and two ends of a connection. */
	EXPECT_EQ(3, with);
	EXPECT_EQ(0, without);
}

static int storm_over;

struct storm {
	pthread_t victim;
	pthread_t thread;
	int sent;
};

#define SENT(storm) __atomic_load_n(&(storm).sent, __ATOMIC_SEQ_CST)

static void *storm_main(void *arg)
{
	struct storm *storm = arg;

	while (!__atomic_load_n(&storm_over, __ATOMIC_SEQ_CST)) {
		__atomic_add_fetch(&storm->sent, 1, __ATOMIC_SEQ_CST);
		pthread_kill(storm->victim, storm->sent & 1 ? SIGUSR1 : SIGUSR2);
		usleep(200);
	}
	return NULL;
}

static void on_storm(int sig)
{
	(void)sig;
}

/* A call of a socket that may be interrupted, until it is not. */
#define DESPITE(call) ({ \
	long __n; \
	do { \
		__n = rc(call); \
	} while (__n == -EINTR); \
	__n; \
})

/* One signal restarts what it interrupts, the other does not. */
TEST_F(api, signal_storm)
{
	struct sigaction restart = { .sa_handler = on_storm, .sa_flags = SA_RESTART };
	struct sigaction interrupt = { .sa_handler = on_storm };
	struct storm storm = { .victim = pthread_self() };
	struct pollfd p = { .events = POLLOUT };
	char buf[2000];
	int i, conn;
	long done;

	sigaction(SIGUSR1, &interrupt, NULL);
	sigaction(SIGUSR2, &restart, NULL);
	ASSERT_EQ(0, pthread_create(&storm.thread, NULL, storm_main, &storm));
	for (i = 0; i < 30 || SENT(storm) < 100; i++) {
		p.fd = CLIENT(0);
		done = CONNECT(p.fd);
		/* Interrupted, it goes on: then poll(2) tells the end, or it is over. */
		if (done == -EINTR) {
			while (poll(&p, 1, -1) < 0)
				ASSERT_EQ(EINTR, errno);
			done = get_int(p.fd, SOL_SOCKET, SO_ERROR);
		}
		ASSERT_EQ(0, done);
		conn = DESPITE(accept(self->listener, NULL, NULL));
		ASSERT_LE(0, conn);
		ASSERT_EQ(sizeof(buf), DESPITE(send(p.fd, buf, sizeof(buf), 0)));
		for (done = 0; done < (long)sizeof(buf); ) {
			long n = DESPITE(recv(conn, buf, sizeof(buf), 0));

			ASSERT_LT(0, n);
			done += n;
		}
		close(i & 1 ? p.fd : conn);
		EXPECT_EQ(0, DESPITE(recv(i & 1 ? conn : p.fd, buf, 1, 0)));
		close(i & 1 ? conn : p.fd);
	}
	__atomic_store_n(&storm_over, 1, __ATOMIC_SEQ_CST);
	pthread_join(storm.thread, NULL);
}

#define SPOILED 400

struct spoiler {
	pthread_t thread;
	/* The one that is being spoilt, and whether that is done. */
	int fds[SPOILED];
	int turn, done;
};

#define SEEN(x) __atomic_load_n(&(x), __ATOMIC_SEQ_CST)
#define SHOW(x, value) __atomic_store_n(&(x), value, __ATOMIC_SEQ_CST)

/* At once, unless the other thread has no CPU of its own for that. */
static void meet(const int *at, int i)
{
	int spins;

	for (spins = 1; SEEN(*at) <= i; spins++)
		if (spins % 10000 == 0)
			sched_yield();
}

static void *spoiler_main(void *arg)
{
	struct spoiler *s = arg;
	volatile int spin;
	int i;

	for (i = 0; i < SPOILED; i++) {
		meet(&s->turn, i);
		for (spin = 0; spin < i % 20 * 500; spin++)
			;
		set_int(s->fds[i], SOL_TCP, TCP_FASTOPEN_CONNECT, 1);
		SHOW(s->done, i + 1);
	}
	return NULL;
}

/* An option that makes a socket one of TCP, just when it begins to be something. */
TEST_F(api, option_while_it_begins)
{
	struct spoiler spoiler = {};
	int i, fd, done;

	for (i = 0; i < SPOILED; i++)
		spoiler.fds[i] = i & 1 ? SERVER(0) : CLIENT(SOCK_NONBLOCK);
	ASSERT_EQ(0, pthread_create(&spoiler.thread, NULL, spoiler_main, &spoiler));
	for (i = 0; i < SPOILED; i++) {
		fd = spoiler.fds[i];
		SHOW(spoiler.turn, i + 1);
		done = i & 1 ? rc(listen(fd, 4)) : (CONNECT_HOLE(fd), 0);
		EXPECT_EQ(0, done);
		meet(&spoiler.done, i);
		if (i % 8 == 1) {
			self->tolen = make_address(&self->to, variant->to, port_at(fd));
			self->client = CONNECTED();
			CARRIES(self->client, rc(accept(fd, NULL, NULL)));
			close(self->client);
		}
		close(fd);
	}
	pthread_join(spoiler.thread, NULL);
}

struct chaos {
	const FIXTURE_VARIANT(api) *variant;
	FIXTURE_DATA(api) *self;
	unsigned int seed;
	pthread_t thread;
	int *fds;
};

#define CHAOS_SOCKETS 6

/* Any call on any of some sockets that other threads have as well. */
static void chaos_step(struct chaos *c)
{
	int *slot = &c->fds[rand_r(&c->seed) % CHAOS_SOCKETS], fd, new;
	struct sockaddr unspec = { .sa_family = AF_UNSPEC };
	struct linger linger = { rand_r(&c->seed) & 1, 0 };
	char buf[300];

	fd = __atomic_load_n(slot, __ATOMIC_SEQ_CST);
	switch (rand_r(&c->seed) % 16) {
	case 0:
	case 1:
		connect(fd, as_sa(&c->self->to), c->self->tolen);
		break;
	case 2:
		connect(fd, &unspec, sizeof(unspec));
		break;
	case 3:
		shutdown(fd, rand_r(&c->seed) % 3);
		break;
	case 4:
		connect(fd, as_sa(&c->self->hole), c->self->tolen);
		break;
	case 5:
		set_int(fd, SOL_TCP, rand_r(&c->seed) & 1 ? TCP_NODELAY : TCP_FASTOPEN_CONNECT, 1);
		break;
	case 6:
		listen(fd, 2);
		break;
	case 7:
		setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
		break;
	case 8:
	case 9:
		new = accept4(rand_r(&c->seed) & 1 ? fd : c->self->listener, NULL, NULL,
			      SOCK_NONBLOCK);
		if (new >= 0) {
			send(new, buf, rand_r(&c->seed) % sizeof(buf), MSG_NOSIGNAL);
			close(new);
		}
		break;
	case 10:
		send(fd, buf, rand_r(&c->seed) % sizeof(buf), MSG_NOSIGNAL);
		break;
	case 11:
		recv(fd, buf, sizeof(buf), 0);
		break;
	case 12:
		poll_now(fd, POLLIN | POLLOUT);
		queued(fd, SIOCINQ);
		break;
	default:
		new = client_socket(c->variant, SOCK_NONBLOCK);
		close(__atomic_exchange_n(slot, new, __ATOMIC_SEQ_CST));
	}
}

static void *chaos_main(void *arg)
{
	int i;

	for (i = 0; i < 400; i++)
		chaos_step(arg);
	return NULL;
}

/* Whatever they do to each other, who comes after them is served. */
TEST_F(api, anything_at_any_time)
{
	struct chaos chaos[4];
	int fds[CHAOS_SOCKETS], i;

	set_nonblock(self->listener, true);
	for (i = 0; i < CHAOS_SOCKETS; i++)
		fds[i] = CLIENT(SOCK_NONBLOCK);
	for (i = 0; i < 4; i++) {
		chaos[i] = (struct chaos){ variant, self, i + 1, 0, fds };
		ASSERT_EQ(0, pthread_create(&chaos[i].thread, NULL, chaos_main, &chaos[i]));
	}
	for (i = 0; i < 4; i++)
		pthread_join(chaos[i].thread, NULL);
	close(self->listener);
	self->listener = SERVER(0);
	ASSERT_EQ(0, bind_to(self->listener, variant->at, 0));
	ASSERT_EQ(0, rc(listen(self->listener, 4)));
	self->tolen = make_address(&self->to, variant->to, port_at(self->listener));
	PAIR();
	CARRIES(self->client, self->conn);
}
