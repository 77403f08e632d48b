// SPDX-License-Identifier: GPL-2.0
/*
 * What socket(2) answers.
 *
 *   sockets F T P [F T P ...]   one line each, "F T P ok" or "F T P ERRNO";
 *                               exit status 1 if any failed
 *   sockets matrix              every combination that could matter to AF_SMC
 *   sockets hold F T P          keeps one open until killed
 */
#define _GNU_SOURCE
#include <errno.h>
#include <limits.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static const char *result(int rc)
{
	return rc < 0 ? strerrorname_np(errno) : "ok";
}

static int try_one(int family, int type, int protocol)
{
	int fd = socket(family, type, protocol);

	printf("%d %d %d %s\n", family, type, protocol, result(fd));
	if (fd < 0)
		return 1;
	close(fd);
	return 0;
}

static void matrix(void)
{
	static const int full[] = { AF_INET, AF_INET6, AF_SMC };
	static const int flags[] = { 0, SOCK_NONBLOCK, SOCK_CLOEXEC,
				     SOCK_NONBLOCK | SOCK_CLOEXEC, 0x10 };
	static const int odd[] = { INT_MIN, -1, 1024, 65535, 65536, INT_MAX };
	size_t i, j;
	int type, protocol;

	for (i = 0; i < sizeof(full) / sizeof(*full); i++) {
		for (type = 0; type <= 11; type++) {
			for (protocol = 0; protocol <= 264; protocol++)
				try_one(full[i], type, protocol);
			for (j = 0; j < sizeof(odd) / sizeof(*odd); j++)
				try_one(full[i], type, odd[j]);
		}
		for (j = 0; j < sizeof(flags) / sizeof(*flags); j++) {
			try_one(full[i], SOCK_STREAM | flags[j], 0);
			try_one(full[i], SOCK_STREAM | flags[j], 1);
			try_one(full[i], SOCK_STREAM | flags[j], 256);
		}
	}
	for (i = 0; i <= 64; i++)
		for (protocol = 0; protocol <= 1; protocol++)
			try_one(i, SOCK_STREAM, protocol);
	try_one(-1, SOCK_STREAM, 0);
}

int main(int argc, char **argv)
{
	int failed = 0, i, fd;

	if (argc == 2 && !strcmp(argv[1], "matrix")) {
		matrix();
		return 0;
	}
	if (argc == 5 && !strcmp(argv[1], "hold")) {
		fd = socket(atoi(argv[2]), atoi(argv[3]), atoi(argv[4]));
		if (fd < 0) {
			perror("socket");
			return 1;
		}
		pause();
		return 0;
	}
	if (argc < 4 || argc % 3 != 1) {
		fprintf(stderr, "usage: sockets [hold] F T P ... | matrix\n");
		return 2;
	}
	for (i = 1; i < argc; i += 3)
		failed |= try_one(atoi(argv[i]), atoi(argv[i + 1]), atoi(argv[i + 2]));
	return failed;
}
