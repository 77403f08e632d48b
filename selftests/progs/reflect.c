// SPDX-License-Identifier: GPL-2.0
/*
 * Sends back whatever comes, over SMC, and tells how each connection has ended.
 *
 *   reflect listen PORT
 *   reflect connect ADDR PORT N      N connections at once
 *
 * Prints a line for each connection: the peer's address, the bytes, and "closed"
 * or the name of the error.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include "prog.h"

static void serve(int fd, struct in_addr peer)
{
	static char buf[65536];
	const char *end = "closed";
	long long bytes = 0;
	ssize_t n;

	while ((n = read(fd, buf, sizeof(buf))) > 0) {
		bytes += n;
		n = write(fd, buf, n);
		if (n < 0)
			break;
	}
	if (n < 0)
		end = strerrorname_np(errno);
	printf("%s %lld %s\n", inet_ntoa(peer), bytes, end);
	fflush(stdout);
	close(fd);
	_exit(0);
}

static int smc_socket(void)
{
	int fd = socket(AF_SMC, SOCK_STREAM, 0);

	if (fd < 0)
		die("socket");
	return fd;
}

int main(int argc, char **argv)
{
	int listening = argc == 3 && !strcmp(argv[1], "listen"), i;
	struct sockaddr_in a = { .sin_family = AF_INET };

	if (!listening && (argc != 5 || strcmp(argv[1], "connect") ||
			   inet_pton(AF_INET, argv[2], &a.sin_addr) != 1)) {
		fprintf(stderr, "usage: reflect listen PORT | connect ADDR PORT N\n");
		return 2;
	}
	a.sin_port = htons(atoi(argv[listening ? 2 : 3]));
	signal(SIGPIPE, SIG_IGN);
	if (listening) {
		int fd = smc_socket(), one = 1;

		signal(SIGCHLD, SIG_IGN);
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
		if (bind(fd, (void *)&a, sizeof(a)) || listen(fd, 128))
			die("listen");
		for (;;) {
			struct sockaddr_in from;
			socklen_t len = sizeof(from);
			int conn = accept(fd, (void *)&from, &len);

			if (conn < 0)
				die("accept");
			if (!fork())
				serve(conn, from.sin_addr);
			close(conn);
		}
	}
	for (i = 0; i < atoi(argv[4]); i++) {
		if (!fork()) {
			int fd = smc_socket();

			if (connect(fd, (void *)&a, sizeof(a))) {
				printf("%s 0 %s\n", argv[2], strerrorname_np(errno));
				fflush(stdout);
				_exit(1);
			}
			serve(fd, a.sin_addr);
		}
	}
	while (wait(NULL) > 0)
		;
	return 0;
}
