// SPDX-License-Identifier: GPL-2.0
/*
 * Frames in and out of a network device, and a TCP that is good enough for a
 * handshake on a wire that loses nothing: see hostile.h.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <netinet/ether.h>
#include <netinet/ip.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include "hostile.h"
#include "raw.h"

#define ISN		1000
#define SEGMENT		1400

static const unsigned char smc_option[] = SMC_SYN_OPTIONS;

static int fd;
static struct ether_header eth;
static uint32_t addr, peer;
static struct tcp *all;

void net_open(const char *device, const char *own, const char *mac, const char *other,
	      const char *other_mac)
{
	struct sockaddr_ll ll = { .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_IP) };
	int size = 8 << 20;

	if (inet_pton(AF_INET, own, &addr) != 1 || inet_pton(AF_INET, other, &peer) != 1 ||
	    !ether_aton_r(mac, (void *)eth.ether_shost) ||
	    !ether_aton_r(other_mac, (void *)eth.ether_dhost)) {
		fprintf(stderr, "hostile: bad address\n");
		exit(2);
	}
	eth.ether_type = htons(ETH_P_IP);
	fd = socket(AF_PACKET, SOCK_RAW, htons(ETH_P_IP));
	ll.sll_ifindex = if_nametoindex(device);
	if (fd < 0 || bind(fd, (struct sockaddr *)&ll, sizeof(ll)))
		die("packet socket");
	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)))
		die("SO_RCVBUFFORCE");
}

uint32_t net_addr(void)
{
	return ntohl(addr);
}

uint32_t net_peer(void)
{
	return ntohl(peer);
}

const unsigned char *net_mac(void)
{
	return eth.ether_shost;
}

/* A frame to the peer; its length. */
int net_build_ip(unsigned char *frame, int protocol, const void *payload, size_t len)
{
	struct iphdr ip = {
		.version = 4, .ihl = 5, .ttl = 64, .protocol = protocol,
		.tot_len = htons(sizeof(ip) + len), .frag_off = htons(IP_DF),
		.saddr = addr, .daddr = peer,
	};

	ip.check = checksum_fold(checksum_add(&ip, sizeof(ip), 0));
	memcpy(frame, &eth, sizeof(eth));
	memcpy(frame + sizeof(eth), &ip, sizeof(ip));
	memcpy(frame + sizeof(eth) + sizeof(ip), payload, len);
	return sizeof(eth) + sizeof(ip) + len;
}

void net_send_frame(const unsigned char *frame, size_t len)
{
	if (send(fd, frame, len, 0) < 0 && errno != ENOBUFS)
		die("send");
}

void net_send_ip(int protocol, const void *payload, size_t len)
{
	unsigned char frame[2048];

	net_send_frame(frame, net_build_ip(frame, protocol, payload, len));
}

static void segment(struct tcp *t, int flags, uint32_t seq, const void *data, size_t len)
{
	unsigned char buf[sizeof(struct tcphdr) + sizeof(smc_option) + SEGMENT];
	size_t options = flags & TH_SYN ? sizeof(smc_option) : 0;
	size_t total = sizeof(struct tcphdr) + options + len;
	struct tcphdr h = {
		.source = htons(t->port), .dest = htons(t->peer_port), .seq = htonl(seq),
		.ack_seq = htonl(t->rcv_nxt), .window = htons(32000),
		.doff = (sizeof(h) + options) / 4,
	};

	h.th_flags = flags;
	memcpy(buf, &h, sizeof(h));
	memcpy(buf + sizeof(h), smc_option, options);
	memcpy(buf + sizeof(h) + options, data, len);
	((struct tcphdr *)buf)->check = tcp_checksum(addr, peer, buf, total);
	net_send_ip(IPPROTO_TCP, buf, total);
}

static void tcp_syn(struct tcp *t, const struct tcphdr *h, int option)
{
	t->rcv_nxt = ntohl(h->seq) + 1;
	t->smc = option;
	if (t->listening) {
		t->peer_port = ntohs(h->source);
		t->snd_una = ISN;
		t->snd_nxt = ISN + 1;
		segment(t, TH_SYN | TH_ACK, ISN, NULL, 0);
	} else if (h->ack) {
		t->snd_una = ntohl(h->ack_seq);
		t->established = 1;
		segment(t, TH_ACK, t->snd_nxt, NULL, 0);
	}
}

static void tcp_segment(struct tcp *t, const struct tcphdr *h, const unsigned char *data,
			size_t len)
{
	uint32_t seq = ntohl(h->seq);

	if (h->rst) {
		t->rst = 1;
		return;
	}
	if (h->ack && (int32_t)(ntohl(h->ack_seq) - t->snd_una) > 0) {
		t->snd_una = ntohl(h->ack_seq);
		t->established = 1;
	}
	if (!len && !h->fin)
		return;
	if (seq == t->rcv_nxt && len <= sizeof(t->in) - t->in_len) {
		memcpy(t->in + t->in_len, data, len);
		t->in_len += len;
		t->rcv_nxt += len + h->fin;
		t->fin |= h->fin;
	}
	segment(t, TH_ACK, t->snd_nxt, NULL, 0);
}

static void tcp_input(const unsigned char *p, size_t len)
{
	struct tcphdr h;
	struct tcp *t;
	size_t head;

	if (len < sizeof(h))
		return;
	memcpy(&h, p, sizeof(h));
	head = h.doff * 4;
	if (head < sizeof(h) || head > len)
		return;
	for (t = all; t; t = t->next) {
		int same = t->peer_port == ntohs(h.source) || (t->listening && h.syn);

		if (t->port != ntohs(h.dest) || !same || (t->listening && t->established && h.syn))
			continue;
		if (h.syn)
			tcp_syn(t, &h, has_smc_option(p + sizeof(h), head - sizeof(h)));
		else
			tcp_segment(t, &h, p + head, len - head);
		return;
	}
}

static void net_input(void)
{
	unsigned char frame[65536];
	const unsigned char *ip = frame + sizeof(eth);
	ssize_t n = recv(fd, frame, sizeof(frame), MSG_DONTWAIT);
	struct iphdr h;
	size_t len;

	if (n < (ssize_t)(sizeof(eth) + sizeof(h)))
		return;
	memcpy(&h, ip, sizeof(h));
	len = ntohs(h.tot_len);
	if (h.daddr != addr || h.saddr != peer || h.ihl != 5 || len < sizeof(h) ||
	    len > n - sizeof(eth))
		return;
	if (h.protocol == IPPROTO_TCP)
		tcp_input(ip + sizeof(h), len - sizeof(h));
	else if (h.protocol == IPPROTO_UDP)
		roce_input(ip, len);
}

int net_until(int ms, int (*done)(void *arg), void *arg)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	double end = now() + ms / 1e3;

	for (;;) {
		if (done && done(arg))
			return 1;
		if (poll(&p, 1, 20) > 0) {
			net_input();
			continue;
		}
		roce_idle();
		if (now() >= end)
			return done && done(arg);
	}
}

static int is_up(void *t)
{
	return ((struct tcp *)t)->established || ((struct tcp *)t)->rst;
}

static void enter(struct tcp *t, uint16_t port, uint16_t peer_port)
{
	memset(t, 0, sizeof(*t));
	t->port = port;
	t->peer_port = peer_port;
	t->snd_una = ISN;
	t->snd_nxt = ISN + 1;
	t->next = all;
	all = t;
}

int tcp_connect(struct tcp *t, uint16_t port, uint16_t peer_port)
{
	int i;

	enter(t, port, peer_port);
	for (i = 0; i < 10; i++) {
		segment(t, TH_SYN, ISN, NULL, 0);
		if (net_until(1000, is_up, t))
			break;
	}
	return t->established && t->smc ? 0 : -1;
}

int tcp_accept(struct tcp *t, uint16_t port)
{
	enter(t, port, 0);
	t->listening = 1;
	net_until(20000, is_up, t);
	return t->established && t->smc ? 0 : -1;
}

static int is_acked(void *t)
{
	return ((struct tcp *)t)->snd_una == ((struct tcp *)t)->snd_nxt || ((struct tcp *)t)->rst;
}

int tcp_send(struct tcp *t, const void *data, size_t len)
{
	int i;

	while (len) {
		size_t n = len < SEGMENT ? len : SEGMENT;
		uint32_t seq = t->snd_nxt;

		t->snd_nxt += n;
		for (i = 0; i < 10 && !is_acked(t); i++) {
			segment(t, TH_ACK | TH_PUSH, seq, data, n);
			net_until(1000, is_acked, t);
		}
		if (t->snd_una != t->snd_nxt)
			return -1;
		data = (const char *)data + n;
		len -= n;
	}
	return 0;
}

struct wanted {
	struct tcp *t;
	size_t len;
};

static int is_there(void *arg)
{
	struct wanted *w = arg;

	return w->t->in_len >= w->len || w->t->rst || w->t->fin;
}

int tcp_read(struct tcp *t, void *data, size_t len, int ms)
{
	struct wanted w = { t, len };

	net_until(ms, is_there, &w);
	if (t->in_len < len)
		return 0;
	memcpy(data, t->in, len);
	t->in_len -= len;
	memmove(t->in, t->in + len, t->in_len);
	return len;
}

void tcp_fin(struct tcp *t)
{
	if (t->rst)
		return;
	segment(t, TH_ACK | TH_FIN, t->snd_nxt, NULL, 0);
	t->snd_nxt++;
	net_until(1000, is_acked, t);
}

void tcp_reset(struct tcp *t)
{
	if (!t->rst && t->established)
		segment(t, TH_RST | TH_ACK, t->snd_nxt, NULL, 0);
	t->rst = 1;
}
