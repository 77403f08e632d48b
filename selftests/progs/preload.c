// SPDX-License-Identifier: GPL-2.0
/*
 * Programs that know TCP only get SMC sockets: LD_PRELOAD=libpreload.so
 *
 * socket(AF_INET, SOCK_STREAM, 0 or IPPROTO_TCP) becomes socket(AF_SMC, .., 0),
 * and that of AF_INET6 socket(AF_SMC, .., 1); SOCK_NONBLOCK and SOCK_CLOEXEC
 * stay.  Every other socket is made as it was asked for.
 *
 * smc_run of smc-tools does the same: it puts libsmc-preload.so into LD_PRELOAD,
 * whose socket() maps the same calls.  (Beyond that it sets buffer sizes, from
 * its options -r and -t.)  An installation with smc-tools needs nothing of this.
 */
#define _GNU_SOURCE
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

/* include/linux/net.h: the rest of the type are flags. */
#define TYPE_MASK 0xf

/* include/net/smc.h */
#define SMCPROTO_SMC 0
#define SMCPROTO_SMC6 1

int socket(int domain, int type, int protocol)
{
	int is_tcp = (type & TYPE_MASK) == SOCK_STREAM &&
		     (protocol == 0 || protocol == IPPROTO_TCP);

	if (is_tcp && domain == AF_INET)
		return syscall(SYS_socket, AF_SMC, type, SMCPROTO_SMC);
	if (is_tcp && domain == AF_INET6)
		return syscall(SYS_socket, AF_SMC, type, SMCPROTO_SMC6);
	return syscall(SYS_socket, domain, type, protocol);
}
