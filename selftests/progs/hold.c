// SPDX-License-Identifier: GPL-2.0
/*
 * Connections that are open, and nothing else.
 *
 *   hold ADDR PORT N     makes N connections to an echo server; each says a byte and
 *                        reads it back.  Prints "held" then, and waits to be ended.
 *
 * Sockets are AF_INET's; libpreload.so makes them others.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>
#include "prog.h"

int main(int argc, char **argv)
{
	struct sockaddr_in sin = { .sin_family = AF_INET };
	int n;

	if (argc != 4 || inet_pton(AF_INET, argv[1], &sin.sin_addr) != 1) {
		fprintf(stderr, "usage: see the head of hold.c\n");
		return 2;
	}
	sin.sin_port = htons(atoi(argv[2]));
	for (n = atoi(argv[3]); n > 0; n--) {
		int fd = socket(AF_INET, SOCK_STREAM, 0);
		char c;

		if (fd < 0)
			die("socket");
		if (connect(fd, (void *)&sin, sizeof(sin)))
			die("connect");
		write_all(fd, "x", 1);
		if (read(fd, &c, 1) != 1 || c != 'x')
			die("read");
	}
	printf("held\n");
	fflush(stdout);
	pause();
	return 0;
}
