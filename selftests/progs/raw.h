/* SPDX-License-Identifier: GPL-2.0 */
/*
 * TCP segments made by hand: the Internet checksum, and the option by which both
 * ends of a connection say that they have SMC (RFC 7609, 3.1).
 */
#ifndef RAW_H
#define RAW_H

#include <arpa/inet.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <netinet/tcp.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/types.h>

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

/* This end and the peer: addresses of 4 bytes, or of 16. */
struct ends {
	unsigned char addr[16], peer[16];
	size_t size;
};

static inline size_t ip_len(const struct ends *e)
{
	return e->size == 16 ? sizeof(struct ip6_hdr) : sizeof(struct iphdr);
}

/* The header of IP for @len bytes of TCP, where all is zero. */
static inline void put_ip(const struct ends *e, void *packet, size_t len)
{
	struct ip6_hdr *ip6 = packet;
	struct iphdr *ip = packet;

	if (e->size == 16) {
		ip6->ip6_flow = htonl(6u << 28);
		ip6->ip6_plen = htons(len);
		ip6->ip6_nxt = IPPROTO_TCP;
		ip6->ip6_hlim = 64;
		memcpy(&ip6->ip6_src, e->addr, 16);
		memcpy(&ip6->ip6_dst, e->peer, 16);
		return;
	}
	ip->version = 4;
	ip->ihl = 5;
	ip->ttl = 64;
	ip->protocol = IPPROTO_TCP;
	memcpy(&ip->saddr, e->addr, 4);
	memcpy(&ip->daddr, e->peer, 4);
	ip->tot_len = htons(sizeof(*ip) + len);
	ip->check = checksum_fold(checksum_add(ip, sizeof(*ip), 0));
}

/* How many bytes of TCP there are in a packet of @n bytes from the peer; else 0. */
static inline ssize_t get_ip(const struct ends *e, const void *packet, ssize_t n)
{
	const struct ip6_hdr *ip6 = packet;
	const struct iphdr *ip = packet;
	ssize_t len = n - (ssize_t)ip_len(e), total;

	if (len < 0)
		return 0;
	if (e->size == 16) {
		if (ip6->ip6_nxt != IPPROTO_TCP || memcmp(&ip6->ip6_src, e->peer, 16) ||
		    memcmp(&ip6->ip6_dst, e->addr, 16))
			return 0;
		total = ntohs(ip6->ip6_plen);
	} else {
		if (ip->protocol != IPPROTO_TCP || ip->ihl != 5 ||
		    memcmp(&ip->saddr, e->peer, 4) || memcmp(&ip->daddr, e->addr, 4))
			return 0;
		total = ntohs(ip->tot_len) - (ssize_t)sizeof(*ip);
	}
	return total <= len ? total : 0;
}

static inline uint16_t ends_checksum(const struct ends *e, const void *segment, size_t len)
{
	uint32_t sum = checksum_add(e->addr, e->size, IPPROTO_TCP + len);

	return checksum_fold(checksum_add(segment, len, checksum_add(e->peer, e->size, sum)));
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
