// SPDX-License-Identifier: GPL-2.0
/*
 * A connect(2) that does not wait, watched by edge-triggered epoll(7).
 *
 *   nonblock FAMILY PROTO ADDR PORT [again | bind=PORT | from=ADDR | dev=DEVICE | tos=N |
 *                                    mark=N | syncnt=N | md5 | ao]
 *
 * connect() must say EINPROGRESS.  Until the connection is there nothing may be seen
 * of it: no event, no error.  Then there is EPOLLOUT, and "hello" comes back as it
 * was sent.  With "again" connect() is called over and over meanwhile, and must say
 * EALREADY.  With "bind=" and "from=" it is from that port or address, with "dev=", "tos="
 * and "mark=" by that device, or with that type of service or mark, with "syncnt=" its SYN
 * is repeated so often at most, with "md5" and "ao" its segments are signed.  Prints how
 * long it took, in microseconds.
 *
 * ADDR is one of IPv4, or for PROTO 1 of AF_SMC one that is mapped into IPv6.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>
#include "keys.h"
#include "prog.h"

static void wrong(const char *what, long long value)
{
	fprintf(stderr, "%s: %lld\n", what, value);
	exit(1);
}

static int so_error(int fd)
{
	int error;
	socklen_t len = sizeof(error);

	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len))
		die("SO_ERROR");
	return error;
}

static void set_int(int fd, int level, int name, const char *value)
{
	int n = atoi(value);

	if (setsockopt(fd, level, name, &n, sizeof(n)))
		die("setsockopt");
}

static void prepare(int fd, char *how, struct in_addr peer)
{
	struct sockaddr_in from = { .sin_family = AF_INET };
	char *value = strchr(how, '=');

	if (value)
		*value++ = 0;
	if (!strcmp(how, "bind"))
		from.sin_port = htons(atoi(value));
	if (!strcmp(how, "from") && inet_pton(AF_INET, value, &from.sin_addr) != 1)
		die("address");
	if ((from.sin_port || from.sin_addr.s_addr) && bind(fd, (void *)&from, sizeof(from)))
		die("bind");
	if (!strcmp(how, "dev") &&
	    setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, value, strlen(value)))
		die("SO_BINDTODEVICE");
	if (!strcmp(how, "tos"))
		set_int(fd, IPPROTO_IP, IP_TOS, value);
	if (!strcmp(how, "mark"))
		set_int(fd, SOL_SOCKET, SO_MARK, value);
	if (!strcmp(how, "syncnt"))
		set_int(fd, IPPROTO_TCP, TCP_SYNCNT, value);
	if (!strcmp(how, "md5") || !strcmp(how, "ao"))
		set_key(fd, how, peer);
}

int main(int argc, char **argv)
{
	struct sockaddr_in to = { .sin_family = AF_INET };
	struct sockaddr_in6 mapped = { .sin6_family = AF_INET6 };
	struct sockaddr *addr = (void *)&to;
	socklen_t len = sizeof(to);
	struct epoll_event event = { .events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET };
	int again = argc == 6 && !strcmp(argv[5], "again");
	long long start, connected;
	char buf[6] = "";
	int fd, ep, n;

	if (argc < 5)
		return 2;
	if (inet_pton(AF_INET6, argv[3], &mapped.sin6_addr) == 1) {
		addr = (void *)&mapped;
		len = sizeof(mapped);
	} else if (inet_pton(AF_INET, argv[3], &to.sin_addr) != 1) {
		return 2;
	}
	to.sin_port = mapped.sin6_port = htons(atoi(argv[4]));
	fd = socket(atoi(argv[1]), SOCK_STREAM | SOCK_NONBLOCK, atoi(argv[2]));
	ep = epoll_create1(0);
	if (fd < 0 || ep < 0)
		die("socket");
	if (epoll_ctl(ep, EPOLL_CTL_ADD, fd, &event))
		die("epoll_ctl");
	/* Of a socket that is not connected. */
	epoll_wait(ep, &event, 1, 0);
	if (argc == 6)
		prepare(fd, argv[5], to.sin_addr);
	start = now_us();
	if (!connect(fd, addr, len) || errno != EINPROGRESS)
		wrong("connect", errno);
	do {
		n = 1;
		event.events = EPOLLOUT;
		if (again && !connect(fd, addr, len))
			break;
		if (again && errno == EISCONN)
			break;
		if (again && errno != EALREADY)
			wrong("connect again", errno);
		n = epoll_wait(ep, &event, 1, again ? 1 : 10000);
	} while (n == 0 && now_us() - start < 10000000);
	connected = now_us();
	if (n == 0)
		wrong("nothing happens", 0);
	if (event.events != EPOLLOUT)
		wrong("events", event.events);
	if (so_error(fd))
		wrong("SO_ERROR", so_error(fd));
	if (send(fd, "hello", 5, 0) != 5)
		die("send");
	fcntl(fd, F_SETFL, 0);
	if (recv(fd, buf, 5, MSG_WAITALL) != 5 || strcmp(buf, "hello"))
		die("recv");
	printf("connect %lld first %lld\n", connected - start, now_us() - start);
	return 0;
}
