// SPDX-License-Identifier: GPL-2.0
/*
 * What an application may do while its SYN is unanswered.
 *
 *   synout FAMILY PROTO ADDR PORT OTHER GO CASE...
 *
 * The test sees to it that no SYN to ADDR arrives until there is a file GO. Each CASE is
 * a process with a socket of its own, all of them at the same time: it does something
 * with the socket, says "out", waits for GO and then wants a connection that works, to
 * PORT or to OTHER, where a server sends back what it gets. What system calls have
 * answered is printed, line by line, in the order of the cases: the same for TCP and SMC.
 *
 *   timeout      SO_SNDTIMEO ends connect(), twice
 *   signal       a signal ends connect(); restart: it goes on by itself (SA_RESTART)
 *   queues       send(), recv(), poll(), ioctl() of a socket that does not wait
 *   writer       write() waits until there is a connection
 *   shutdown     shutdown() ends connect(), then connect() begins anew
 *   half         the same, of one direction
 *   other        the same, then connect() to OTHER
 *   unspec       connect() to no address, then as above; elsewhere: to OTHER
 *   thread       shutdown() while another thread waits in connect()
 *   expired      TCP gives up; connect() begins anew
 *   close        close(); kill: the process ends. There is no connection
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>
#include "prog.h"

/* Longer than a slow machine needs to be done with all system calls of a case. */
#define PATIENCE	60000

static const char *go_file, *doing;
static struct sockaddr_in to, other;
static int fd;

static const char *name_of(int error) { return error ? strerrorname_np(error) : "0"; }

static void said(const char *what, long rc)
{
	printf("%s: %s: %s %ld\n", doing, what, rc < 0 ? name_of(errno) : "0", rc < 0 ? -1 : rc);
	fflush(stdout);
}

static void out(void)
{
	static const char text[] = "out\n";

	if (write(STDERR_FILENO, text, sizeof(text) - 1) < 0)
		_exit(1);
}

static void wait_go(void)
{
	while (access(go_file, F_OK))
		usleep(20000);
}

static void do_connect(const char *what, const struct sockaddr_in *addr)
{
	said(what, connect(fd, (const void *)addr, sizeof(*addr)));
}

static void do_poll(int timeout)
{
	struct pollfd p = { .fd = fd, .events = POLLIN | POLLOUT | POLLRDHUP };
	int n = poll(&p, 1, timeout);

	printf("%s: poll: %d %#x\n", doing, n, n > 0 ? p.revents : 0);
	fflush(stdout);
}

static void so_error(void)
{
	int error;
	socklen_t len = sizeof(error);

	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len))
		die("SO_ERROR");
	printf("%s: SO_ERROR: %s\n", doing, name_of(error));
	fflush(stdout);
}

static void timeout_of(int option, int ms)
{
	struct timeval tv = { .tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000 };

	if (setsockopt(fd, SOL_SOCKET, option, &tv, sizeof(tv)))
		die("timeout");
}

static void nonblocking(int on) { fcntl(fd, F_SETFL, on ? O_NONBLOCK : 0); }

/* Bytes there and back, on the connection that there has to be now. */
static void works(const struct sockaddr_in *addr)
{
	struct sockaddr_in peer;
	socklen_t len = sizeof(peer);
	unsigned int last = 0;
	char buf[6] = "";

	do_poll(PATIENCE);
	so_error();
	if (getpeername(fd, (void *)&peer, &len))
		die("getpeername");
	if (peer.sin_port != addr->sin_port)
		said("another peer", ntohs(peer.sin_port));
	nonblocking(0);
	timeout_of(SO_RCVTIMEO, PATIENCE);
	said("send", send(fd, "hello", 5, MSG_NOSIGNAL));
	said("recv", recv(fd, buf, 5, MSG_WAITALL));
	not_clc(&last, buf, 5);
	printf("%s: %s\n", doing, buf);
	said("shutdown", shutdown(fd, SHUT_WR));
	said("end", recv(fd, buf, 5, 0));
}

/* The same for one that connect() is still about. */
static void goes_on(const struct sockaddr_in *addr)
{
	out();
	wait_go();
	works(addr);
}

static void begin_again(const struct sockaddr_in *addr)
{
	do_poll(0);
	so_error();
	do_connect("connect again", addr);
	goes_on(addr);
}

static void test_timeout(void)
{
	timeout_of(SO_SNDTIMEO, 300);
	do_connect("connect", &to);
	do_poll(0);
	do_connect("connect again", &to);
	goes_on(&to);
}

static void on_signal(int number) { (void)number; }
static void on_signal_out(int number) { (void)number; out(); }

static void alarm_soon(void (*handler)(int), int flags)
{
	struct sigaction action = { .sa_handler = handler, .sa_flags = flags };
	struct itimerval timer = { .it_value.tv_usec = 300000 };

	if (sigaction(SIGALRM, &action, NULL) || setitimer(ITIMER_REAL, &timer, NULL))
		die("alarm");
}

static void test_signal(void)
{
	alarm_soon(on_signal, 0);
	do_connect("connect", &to);
	do_poll(0);
	so_error();
	goes_on(&to);
}

static void test_restart(void)
{
	alarm_soon(on_signal_out, SA_RESTART);
	do_connect("connect", &to);
	works(&to);
}

static void test_queues(void)
{
	char buf[5];
	int n = 1;

	nonblocking(1);
	do_connect("connect", &to);
	do_connect("connect again", &to);
	said("send", send(fd, "early", 5, MSG_NOSIGNAL));
	said("recv", recv(fd, buf, 5, 0));
	said("SIOCOUTQ", ioctl(fd, SIOCOUTQ, &n));
	said("bytes", n);
	said("SIOCINQ", ioctl(fd, SIOCINQ, &n));
	said("bytes", n);
	do_poll(0);
	nonblocking(0);
	timeout_of(SO_SNDTIMEO, 300);
	timeout_of(SO_RCVTIMEO, 300);
	said("send that waits", send(fd, "early", 5, MSG_NOSIGNAL));
	said("recv that waits", recv(fd, buf, 5, 0));
	goes_on(&to);
}

static void test_writer(void)
{
	char buf[6] = "";

	nonblocking(1);
	do_connect("connect", &to);
	nonblocking(0);
	alarm_soon(on_signal_out, SA_RESTART);
	said("send", send(fd, "hello", 5, MSG_NOSIGNAL));
	said("recv", recv(fd, buf, 5, MSG_WAITALL));
	printf("%s: %s\n", doing, buf);
	works(&to);
}

static void shut(int how, const struct sockaddr_in *next)
{
	nonblocking(1);
	do_connect("connect", &to);
	said("shutdown", shutdown(fd, how));
	begin_again(next);
}

static void test_shutdown(void) { shut(SHUT_RDWR, &to); }
static void test_half(void) { shut(SHUT_WR, &to); }
static void test_other(void) { shut(SHUT_RDWR, &other); }

static void unspec(const struct sockaddr_in *next)
{
	const struct sockaddr_in none = { .sin_family = AF_UNSPEC };

	nonblocking(1);
	do_connect("connect", &to);
	do_connect("no address", &none);
	begin_again(next);
}

static void test_unspec(void) { unspec(&to); }
static void test_elsewhere(void) { unspec(&other); }

static void *shut_soon(void *arg)
{
	usleep(300000);
	shutdown(fd, SHUT_RDWR);
	return arg;
}

static void test_thread(void)
{
	pthread_t thread;

	if (pthread_create(&thread, NULL, shut_soon, NULL))
		die("pthread_create");
	do_connect("connect", &to);
	pthread_join(thread, NULL);
	nonblocking(1);
	begin_again(&to);
}

static void test_expired(void)
{
	int n = 1;

	if (setsockopt(fd, IPPROTO_TCP, TCP_SYNCNT, &n, sizeof(n)))
		die("TCP_SYNCNT");
	nonblocking(1);
	do_connect("connect", &to);
	do_poll(PATIENCE);
	so_error();
	n = 6;
	setsockopt(fd, IPPROTO_TCP, TCP_SYNCNT, &n, sizeof(n));
	/* TCP wants to tell first that it was in vain. */
	do_connect("connect again", &to);
	begin_again(&to);
}

static void test_close(void)
{
	nonblocking(1);
	do_connect("connect", &to);
	close(fd);
	out();
	wait_go();
}

static void test_kill(void)
{
	pid_t pid = fork();

	if (pid < 0)
		die("fork");
	if (!pid) {
		do_connect("connect", &to);
		_exit(0);
	}
	usleep(300000);
	close(fd);
	kill(pid, SIGKILL);
	said("killed", waitpid(pid, NULL, 0) == pid);
	out();
	wait_go();
}

static const struct {
	const char *name;
	void (*run)(void);
} cases[] = {
	{ "timeout", test_timeout }, { "signal", test_signal }, { "restart", test_restart },
	{ "queues", test_queues }, { "writer", test_writer }, { "shutdown", test_shutdown },
	{ "half", test_half }, { "other", test_other }, { "unspec", test_unspec },
	{ "elsewhere", test_elsewhere }, { "thread", test_thread }, { "expired", test_expired },
	{ "close", test_close }, { "kill", test_kill },
};

/* What the case says goes into a pipe, and is printed when it is over. */
static int start(int family, int protocol, const char *name)
{
	size_t i;
	int p[2];

	if (pipe(p))
		die("pipe");
	for (i = 0; i < sizeof(cases) / sizeof(*cases) && strcmp(name, cases[i].name); i++)
		;
	if (i == sizeof(cases) / sizeof(*cases)) {
		fprintf(stderr, "no such case: %s\n", name);
		exit(2);
	}
	switch (fork()) {
	case -1:
		die("fork");
		break;
	case 0:
		dup2(p[1], STDOUT_FILENO);
		close(p[0]);
		close(p[1]);
		doing = name;
		fd = socket(family, SOCK_STREAM, protocol);
		if (fd < 0)
			die("socket");
		cases[i].run();
		exit(0);
	}
	close(p[1]);
	return p[0];
}

int main(int argc, char **argv)
{
	int pipes[32], status, failed = 0, i;
	char buf[4096];
	ssize_t n;

	if (argc < 8 || argc > 7 + 32 || inet_pton(AF_INET, argv[3], &to.sin_addr) != 1) {
		fprintf(stderr, "usage: see the head of synout.c\n");
		return 2;
	}
	to.sin_family = AF_INET;
	to.sin_port = htons(atoi(argv[4]));
	other = to;
	other.sin_port = htons(atoi(argv[5]));
	go_file = argv[6];
	for (i = 7; i < argc; i++)
		pipes[i - 7] = start(atoi(argv[1]), atoi(argv[2]), argv[i]);
	for (i = 7; i < argc; i++)
		while ((n = read(pipes[i - 7], buf, sizeof(buf))) > 0)
			write_all(STDOUT_FILENO, buf, n);
	while (wait(&status) > 0)
		failed |= status;
	return !!failed;
}
