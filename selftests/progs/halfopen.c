// SPDX-License-Identifier: GPL-2.0
/*
 * Clients that offer SMC in their SYN and then say nothing.
 *
 *   halfopen DEVICE SOURCE SOURCE_MAC DEST DEST_MAC PORT N WINDOW
 *
 * Opens N TCP connections to DEST:PORT, at most WINDOW handshakes at a time,
 * from the addresses SOURCE, SOURCE + 1, ... which must be nobody's: the answers
 * are read from the device, so that the kernel knows nothing of them.  Prints
 * "established" with the number of those whose handshake went through and how
 * many SYN-ACKs had the SMC option, then reads on until each of them has got a
 * FIN or RST or for 60 seconds, and prints "ended" with their number.
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
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "prog.h"
#include "raw.h"

#define PORTS		20000	/* of each source address */
#define FIRST_PORT	20000

enum state { CLOSED, SYN_SENT, ESTABLISHED, ENDED };

struct frame {
	struct ether_header eth;
	struct iphdr ip;
	struct tcphdr tcp;
	unsigned char options[12];
} __attribute__((packed));

static int fd;
static struct frame model;
static unsigned int source;
static unsigned char *states;
static unsigned int *acks;
static int total, established, with_option, ended;

/* A SYN with the SMC option, or the ACK of a SYN-ACK without options. */
static void transmit(int i, int syn, unsigned int seq, unsigned int ack)
{
	struct frame f = model;
	size_t len = sizeof(f.tcp) + (syn ? sizeof(f.options) : 0);

	f.ip.saddr = htonl(source + i / PORTS);
	f.ip.tot_len = htons(sizeof(f.ip) + len);
	f.ip.check = checksum_fold(checksum_add(&f.ip, sizeof(f.ip), 0));
	f.tcp.source = htons(FIRST_PORT + i % PORTS);
	f.tcp.seq = htonl(seq);
	f.tcp.ack_seq = htonl(ack);
	f.tcp.doff = len / 4;
	f.tcp.syn = syn;
	f.tcp.ack = !syn;
	f.tcp.check = tcp_checksum(f.ip.saddr, f.ip.daddr, &f.tcp, len);
	if (send(fd, &f, sizeof(f.eth) + sizeof(f.ip) + len, 0) < 0 && errno != ENOBUFS)
		die("send");
}

static void receive(void)
{
	union {
		unsigned char bytes[2048];
		struct frame f;
	} u;
	ssize_t n = recv(fd, &u, sizeof(u), MSG_DONTWAIT);
	unsigned int host, port;
	struct tcphdr tcp;
	int i;

	if (n < (ssize_t)(sizeof(u.f) - sizeof(u.f.options)) || u.f.ip.protocol != IPPROTO_TCP ||
	    u.f.ip.ihl != 5 || u.f.ip.saddr != model.ip.daddr)
		return;
	tcp = u.f.tcp;
	if (tcp.source != model.tcp.dest || tcp.doff < 5)
		return;
	host = ntohl(u.f.ip.daddr) - source;
	port = ntohs(tcp.dest) - FIRST_PORT;
	i = host * PORTS + port;
	if (host > (unsigned int)total / PORTS || port >= PORTS || i >= total)
		return;
	if (tcp.syn && tcp.ack && states[i] != CLOSED) {
		if (states[i] == SYN_SENT) {
			states[i] = ESTABLISHED;
			acks[i] = ntohl(tcp.seq) + 1;
			established++;
			with_option += has_smc_option(u.f.options, tcp.doff * 4 - sizeof(tcp));
		}
		transmit(i, 0, ntohl(tcp.ack_seq), ntohl(tcp.seq) + 1);
	} else if ((tcp.fin || tcp.rst) && states[i] == ESTABLISHED) {
		states[i] = ENDED;
		ended++;
		if (tcp.fin)
			transmit(i, 0, ntohl(tcp.ack_seq), ntohl(tcp.seq) + 1);
	}
}

static void drain(int timeout)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	while (poll(&p, 1, timeout) > 0) {
		receive();
		timeout = 0;
	}
}

/* So many SYNs are unanswered at most; each is repeated after a second. */
static void open_all(int window)
{
	double last = now(), end = last + 120;
	int next = 0, first = 0, i;

	while (established < total && now() < end) {
		while (next < total && next - established < window) {
			states[next] = SYN_SENT;
			transmit(next++, 1, 1000, 0);
		}
		drain(100);
		while (first < next && states[first] >= ESTABLISHED)
			first++;
		if (now() - last < 1)
			continue;
		last = now();
		for (i = first; i < next; i++)
			if (states[i] == SYN_SENT)
				transmit(i, 1, 1000, 0);
	}
}

/*
 * A RST comes once, and may be lost: an ACK now and then finds out whether the
 * other end still knows the connection.
 */
static void wait_ended(void)
{
	double last = now(), end = last + 60;
	int i;

	while (ended < established && now() < end) {
		drain(100);
		if (now() - last < 2)
			continue;
		for (i = 0; i < total; i++) {
			if (states[i] != ESTABLISHED)
				continue;
			transmit(i, 0, 1001, acks[i]);
			drain(0);
		}
		last = now();
	}
}

int main(int argc, char **argv)
{
	static const unsigned char options[] = SMC_SYN_OPTIONS;
	struct sockaddr_ll ll = { .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_IP) };
	int size = 64 << 20;
	struct in_addr from;

	if (argc != 9 || inet_pton(AF_INET, argv[2], &from) != 1 ||
	    !ether_aton_r(argv[3], (void *)model.eth.ether_shost) ||
	    inet_pton(AF_INET, argv[4], &model.ip.daddr) != 1 ||
	    !ether_aton_r(argv[5], (void *)model.eth.ether_dhost)) {
		fprintf(stderr, "usage: halfopen DEVICE SOURCE SMAC DEST DMAC PORT N WINDOW\n");
		return 2;
	}
	source = ntohl(from.s_addr);
	total = atoi(argv[7]);
	states = calloc(total, sizeof(*states));
	acks = calloc(total, sizeof(*acks));
	if (!states || !acks)
		die("memory");
	model.eth.ether_type = htons(ETH_P_IP);
	model.ip.version = 4;
	model.ip.ihl = 5;
	model.ip.ttl = 64;
	model.ip.protocol = IPPROTO_TCP;
	model.tcp.dest = htons(atoi(argv[6]));
	model.tcp.window = htons(64000);
	memcpy(model.options, options, sizeof(options));

	fd = socket(AF_PACKET, SOCK_RAW, htons(ETH_P_IP));
	ll.sll_ifindex = if_nametoindex(argv[1]);
	if (fd < 0 || bind(fd, (struct sockaddr *)&ll, sizeof(ll)))
		die("packet socket");
	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)))
		die("SO_RCVBUFFORCE");

	open_all(atoi(argv[8]));
	printf("established %d with_option %d\n", established, with_option);
	fflush(stdout);
	wait_ended();
	printf("ended %d\n", ended);
	return ended == total ? 0 : 1;
}
