/* SPDX-License-Identifier: GPL-2.0 */
/*
 * TCP segments made by hand: the Internet checksum, and the option by which both
 * ends of a connection say that they have SMC (RFC 7609, 3.1).
 */
#ifndef RAW_H
#define RAW_H

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define SMC_MAGIC	0xe2d4c3d9
#define SMC_KIND	254
/* The maximum segment size, and SMC. */
#define SMC_SYN_OPTIONS { \
	TCPOPT_MAXSEG, 4, 1460 >> 8, 1460 & 0xff, TCPOPT_NOP, TCPOPT_NOP, SMC_KIND, 6, \
	SMC_MAGIC >> 24, SMC_MAGIC >> 16 & 0xff, SMC_MAGIC >> 8 & 0xff, SMC_MAGIC & 0xff \
}
/* Of which the first are of TCP alone. */
#define SMC_SYN_PLAIN	4

/* Adds up 16-bit words, the last byte of an odd number as if a zero came behind it. */
static inline uint32_t checksum_add(const void *data, size_t len, uint32_t sum)
{
	const unsigned char *p = data;
	size_t i;

	for (i = 0; i < len; i++)
		sum += i & 1 ? p[i] : p[i] << 8;
	return sum;
}

static inline uint16_t checksum_fold(uint32_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return htons(~sum & 0xffff);
}

static inline uint16_t tcp_checksum(uint32_t source, uint32_t dest, const void *segment, size_t len)
{
	uint32_t sum = checksum_add(&source, 4, IPPROTO_TCP + len);

	return checksum_fold(checksum_add(segment, len, checksum_add(&dest, 4, sum)));
}

/* The next option from @p on, skipping those without a length; NULL at the end. */
static inline const unsigned char *tcp_option(const unsigned char *p, const unsigned char *end)
{
	while (p < end && *p == TCPOPT_NOP)
		p++;
	if (p + 1 >= end || *p == TCPOPT_EOL || p[1] < 2 || p + p[1] > end)
		return NULL;
	return p;
}

static inline int is_smc_option(const unsigned char *p)
{
	static const unsigned char options[] = SMC_SYN_OPTIONS;

	return !memcmp(p, options + sizeof(options) - 6, 6);
}

static inline int has_smc_option(const unsigned char *p, size_t len)
{
	const unsigned char *end = p + len;

	while ((p = tcp_option(p, end))) {
		if (p[1] == 6 && is_smc_option(p))
			return 1;
		p += p[1];
	}
	return 0;
}

#endif
