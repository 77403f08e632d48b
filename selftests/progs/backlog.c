// SPDX-License-Identifier: GPL-2.0
/*
 * A listener that does what it is told, line by line of its input, and repeats the line
 * when that is done.
 *
 *   backlog FAMILY PROTO PORT
 *
 *     listen N    listen(2) with that backlog, also if it listens already
 *     accept N    N connections, one after the other, get back what they send until the
 *                 end, from a process of their own
 */
#define _GNU_SOURCE
#include <netinet/in.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "prog.h"

static void serve(int fd, int count)
{
	while (count--) {
		int conn = accept(fd, NULL, NULL);

		if (conn < 0)
			die("accept");
		echo(conn);
	}
	exit(0);
}

static void do_line(int fd, const char *line)
{
	int n;

	if (sscanf(line, "listen %d", &n) == 1) {
		if (listen(fd, n))
			die("listen");
	} else if (sscanf(line, "accept %d", &n) == 1) {
		switch (fork()) {
		case -1:
			die("fork");
			break;
		case 0:
			serve(fd, n);
		}
	} else {
		fprintf(stderr, "what is %s", line);
		exit(2);
	}
	printf("%s", line);
	fflush(stdout);
}

int main(int argc, char **argv)
{
	struct sockaddr_in at = { .sin_family = AF_INET };
	int fd, one = 1;
	char line[64];

	if (argc != 4) {
		fprintf(stderr, "usage: see the head of backlog.c\n");
		return 2;
	}
	at.sin_port = htons(atoi(argv[3]));
	fd = socket(atoi(argv[1]), SOCK_STREAM, atoi(argv[2]));
	if (fd < 0)
		die("socket");
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(fd, (void *)&at, sizeof(at)))
		die("bind");
	signal(SIGCHLD, SIG_IGN);
	while (fgets(line, sizeof(line), stdin))
		do_line(fd, line);
	return 0;
}
