/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A socket whose segments are signed, with a key that both ends have: TCP-MD5 (RFC
 * 2385) or TCP-AO (RFC 5925).
 */
#ifndef KEYS_H
#define KEYS_H

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include "prog.h"

/* Not in the headers of each C library (include/uapi/linux/tcp.h). */
#define AO_ADD_KEY	38

struct ao_add {
	struct sockaddr_storage addr;
	char alg_name[64];
	int32_t ifindex;
	uint32_t flags;
	uint16_t reserved;
	uint8_t prefix, sndid, rcvid, maclen, keyflags, keylen;
	uint8_t key[80];
} __attribute__((aligned(8)));

static const char shared_key[] = "what both ends know";

/* @kind is "md5" or "ao"; @peer: whom it is for. */
static inline void set_key(int fd, const char *kind, struct in_addr peer)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_addr = peer };

	if (!strcmp(kind, "md5")) {
		struct tcp_md5sig sig = { .tcpm_keylen = sizeof(shared_key) };

		memcpy(&sig.tcpm_addr, &to, sizeof(to));
		memcpy(sig.tcpm_key, shared_key, sizeof(shared_key));
		if (setsockopt(fd, IPPROTO_TCP, TCP_MD5SIG, &sig, sizeof(sig)))
			die("TCP_MD5SIG");
	} else {
		struct ao_add add = {
			.alg_name = "hmac(sha1)", .sndid = 100, .rcvid = 100,
			.keylen = sizeof(shared_key), .prefix = 32,
		};

		memcpy(&add.addr, &to, sizeof(to));
		memcpy(add.key, shared_key, sizeof(shared_key));
		if (setsockopt(fd, IPPROTO_TCP, AO_ADD_KEY, &add, sizeof(add)))
			die("TCP_AO_ADD_KEY");
	}
}

#endif
