// SPDX-License-Identifier: GPL-2.0
/*
 * Loads and unloads a module, many times:
 *
 *   reload FILE NAME TIMES    with an AF_SMC socket open now and then meanwhile,
 *                             and a line with the seconds of each part at the end
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "prog.h"

static void fail(int round, const char *what)
{
	fprintf(stderr, "round %d: %s: %s\n", round, what, strerror(errno));
	exit(1);
}

/* One of each kind, and that the module is not let go of meanwhile. */
static void use(int round, const char *name)
{
	static const int kinds[][2] = { { AF_SMC, 0 }, { AF_SMC, 1 }, { AF_INET, 256 },
					{ AF_INET6, 256 } };
	int i, fd;

	for (i = 0; i < 4; i++) {
		fd = socket(kinds[i][0], SOCK_STREAM, kinds[i][1]);
		if (fd < 0)
			fail(round, "socket");
		if (!syscall(SYS_delete_module, name, O_NONBLOCK) || errno != EWOULDBLOCK)
			fail(round, "unloaded under a socket");
		close(fd);
	}
}

int main(int argc, char **argv)
{
	double in = 0, out = 0, start, middle;
	int i, fd;

	if (argc != 4) {
		fprintf(stderr, "usage: reload FILE NAME TIMES\n");
		return 2;
	}
	for (i = 0; i < atoi(argv[3]); i++) {
		fd = open(argv[1], O_RDONLY | O_CLOEXEC);
		start = now();
		if (fd < 0 || syscall(SYS_finit_module, fd, "", 0))
			fail(i, "finit_module");
		close(fd);
		middle = now();
		if (i % 20 == 0)
			use(i, argv[2]);
		in += middle - start;
		middle = now();
		if (syscall(SYS_delete_module, argv[2], O_NONBLOCK))
			fail(i, "delete_module");
		out += now() - middle;
	}
	printf("in %.1f s, out %.1f s\n", in, out);
	return 0;
}
