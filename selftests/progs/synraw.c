// SPDX-License-Identifier: GPL-2.0
/*
 * The other end of a TCP handshake, made of raw packets, for what no TCP of Linux
 * would do.
 *
 *   synraw respond DEVICE ADDR PORT PEER PEER_MAC SECONDS WORD...
 *
 *   A host that answers the SYNs of PEER to ADDR:PORT, an address that the kernel
 *   here must not have.  Each connection is TCP's, and echoes; only the first gets an
 *   odd answer, made of these words:
 *
 *     smc     the SYN-ACK has the SMC option
 *     all     it acknowledges the payload of the SYN; half: half of it
 *     cross   it is a SYN and no SYN-ACK
 *     lose    the first SYN is not answered, which TCP then repeats: it was lost, or
 *             with "all" the answer was
 *     cookie=HEX   it has a Fast Open cookie
 *     end     when the handshake is over the connection is reset
 *
 *   Prints a line for each SYN and RST of the peer, and what was read of each
 *   connection that got as far: "of the SYN" if its payload had these bytes at that
 *   place, "clc" if a message of SMC's handshake has begun so far.
 *
 *   synraw ask DEVICE ADDR PORT PEER PEER_MAC DPORT WORD...
 *
 *   A client that sends a SYN from ADDR:PORT to PEER:DPORT and prints the answer: how
 *   much of the payload is acknowledged, whether it has the SMC option, the cookie.
 *   What else comes within a second is "data" with its length, "again" if it is not what
 *   comes next.
 *
 *     smc     the SYN has the SMC option
 *     ask     it asks for a cookie; cookie=HEX: it has this one
 *     data=HEX  its payload
 *     seq=N   its sequence number
 *     again   it is sent once more after the answer
 *     bare    the same, without cookie and payload: the answer was lost
 *     ack     the last answer and what follows is acknowledged
 *     late=SECONDS   it is not before then, and without what follows, which is "late" when
 *                    it has come once more
 *     quiet   no RST at the end
 *
 *   ADDR and PEER are of IPv4 or of IPv6.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <netinet/ether.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>
#include "prog.h"
#include "raw.h"

#define MAX_COOKIE	16
#define MAX_DATA	1400

struct options {
	int smc;
	int cookie_len;		/* -1: no option */
	unsigned char cookie[MAX_COOKIE];
};

struct segment {
	unsigned int seq, ack;
	unsigned short sport, dport;
	int syn, ackf, fin, rst;
	struct options opt;
	const unsigned char *data;
	unsigned int len;
};

static int fd;
static struct sockaddr_ll peer_ll;
static struct ends ends;

static size_t put_options(unsigned char *to, const struct segment *s)
{
	static const unsigned char options[] = SMC_SYN_OPTIONS;
	unsigned char *p = to;

	if (!s->syn)
		return 0;
	p = mempcpy(p, options, s->opt.smc ? sizeof(options) : SMC_SYN_PLAIN);
	if (s->opt.cookie_len >= 0) {
		*p++ = 34;
		*p++ = 2 + s->opt.cookie_len;
		p = mempcpy(p, s->opt.cookie, s->opt.cookie_len);
	}
	while ((p - to) & 3)
		*p++ = TCPOPT_NOP;
	return p - to;
}

static void transmit(const struct segment *s)
{
	unsigned char packet[2048] = {};
	struct tcphdr *tcp = (void *)(packet + ip_len(&ends));
	size_t len = sizeof(*tcp) + put_options((void *)(tcp + 1), s);

	tcp->doff = len / 4;
	if (s->len)
		memcpy((unsigned char *)tcp + len, s->data, s->len);
	len += s->len;
	put_ip(&ends, packet, len);
	tcp->source = htons(s->sport);
	tcp->dest = htons(s->dport);
	tcp->seq = htonl(s->seq);
	tcp->ack_seq = htonl(s->ack);
	tcp->syn = s->syn;
	tcp->ack = s->ackf;
	tcp->fin = s->fin;
	tcp->rst = s->rst;
	tcp->psh = s->len > 0;
	tcp->window = htons(64000);
	tcp->check = ends_checksum(&ends, tcp, len);
	if (sendto(fd, packet, ip_len(&ends) + len, 0, (void *)&peer_ll, sizeof(peer_ll)) < 0)
		die("sendto");
}

static void get_options(struct options *opt, const unsigned char *p, const unsigned char *end)
{
	memset(opt, 0, sizeof(*opt));
	opt->cookie_len = -1;
	while ((p = tcp_option(p, end))) {
		if (p[1] == 6 && is_smc_option(p))
			opt->smc = 1;
		if (*p == 34 && p[1] - 2 <= MAX_COOKIE) {
			opt->cookie_len = p[1] - 2;
			memcpy(opt->cookie, p + 2, opt->cookie_len);
		}
		p += p[1];
	}
}

/* The next segment from the peer to us, within so many seconds. */
static int receive(struct segment *s, double until)
{
	static unsigned char packet[2048];
	struct tcphdr *tcp = (void *)(packet + ip_len(&ends));

	for (;;) {
		struct pollfd p = { .fd = fd, .events = POLLIN };
		double left = until - now();
		ssize_t n, len;

		if (left <= 0 || poll(&p, 1, left * 1000 + 1) <= 0)
			return 0;
		n = recv(fd, packet, sizeof(packet), MSG_DONTWAIT);
		len = get_ip(&ends, packet, n);
		if (len < (ssize_t)sizeof(*tcp) || len < tcp->doff * 4 || tcp->doff < 5)
			continue;
		*s = (struct segment){
			.seq = ntohl(tcp->seq), .ack = ntohl(tcp->ack_seq),
			.sport = ntohs(tcp->source), .dport = ntohs(tcp->dest),
			.syn = tcp->syn, .ackf = tcp->ack, .fin = tcp->fin, .rst = tcp->rst,
			.data = (unsigned char *)tcp + tcp->doff * 4,
			.len = len - tcp->doff * 4,
		};
		get_options(&s->opt, (void *)(tcp + 1), s->data);
		return 1;
	}
}

static void print_cookie(const struct options *opt)
{
	int i;

	if (opt->cookie_len < 0) {
		printf(" cookie=none");
		return;
	}
	printf(" cookie=");
	for (i = 0; i < opt->cookie_len; i++)
		printf("%02x", opt->cookie[i]);
}

static int unhex(const char *hex, unsigned char *to, int max)
{
	unsigned int byte;
	int n;

	for (n = 0; n < max && sscanf(hex + 2 * n, "%2x", &byte) == 1; n++)
		to[n] = byte;
	return n;
}

/* A connection of the peer's, by its port. */
struct conn {
	unsigned short port;
	unsigned int iss, snd, rcv, isn;
	int up, odd, clc;
	unsigned int last;
	/* The payload of its first SYN. */
	unsigned int syn_len;
	unsigned char syn_data[MAX_DATA];
};

struct answer {
	struct options opt;
	int all, half, cross, lose, end;
};

static struct conn conns[16];
static int n_conns;

static struct conn *find(unsigned short port)
{
	int i;

	for (i = 0; i < n_conns; i++)
		if (conns[i].port == port)
			return &conns[i];
	return NULL;
}

static void on_syn(const struct segment *in, unsigned short port, struct answer *answer)
{
	static const struct answer plain = { .opt.cookie_len = -1 };
	struct conn *c = find(in->sport);
	const struct answer *a = &plain;
	struct segment out = {};

	printf("syn payload=%u smc=%d", in->len, in->opt.smc);
	print_cookie(&in->opt);
	printf("\n");
	if (!c && n_conns < 16) {
		c = &conns[n_conns++];
		*c = (struct conn){ .port = in->sport, .iss = 1000000 * n_conns, .odd = n_conns == 1 };
		c->syn_len = in->len < MAX_DATA ? in->len : MAX_DATA;
		memcpy(c->syn_data, in->data, c->syn_len);
	}
	if (!c)
		return;
	if (c->odd)
		a = answer;
	c->isn = in->seq;
	if (a->lose && !c->rcv) {
		c->rcv = in->seq;
		return;
	}
	c->rcv = in->seq + 1 + (a->all ? c->syn_len : a->half ? c->syn_len / 2 : 0);
	c->snd = c->iss + 1;
	out.seq = c->iss;
	out.ack = a->cross ? 0 : c->rcv;
	out.syn = 1;
	out.ackf = !a->cross;
	out.sport = port;
	out.dport = in->sport;
	out.opt = a->opt;
	transmit(&out);
}

static void on_data(struct conn *c, const struct segment *in)
{
	unsigned int at = in->seq - c->isn - 1;
	int of_syn = at < c->syn_len && in->len <= c->syn_len - at &&
		     !memcmp(in->data, c->syn_data + at, in->len);

	c->clc |= is_clc(&c->last, in->data, in->len);
	c->rcv += in->len;
	printf("read %u%s%s\n", in->len, of_syn ? " of the SYN" : "", c->clc ? " clc" : "");
}

static void on_segment(const struct segment *in, unsigned short port, const struct answer *answer)
{
	struct conn *c = find(in->sport);
	struct segment out = { .sport = port, .dport = in->sport, .ackf = 1 };

	if (in->rst) {
		printf("rst%s\n", c && c->odd ? "" : " of another connection");
		if (c)
			c->up = 0;
		return;
	}
	if (!c || !in->ackf)
		return;
	if (!c->up) {
		printf("up%s\n", c->odd ? "" : " without oddities");
		c->up = 1;
	}
	if (in->syn) {
		/* Ours has crossed one of the peer's, which wants an answer. */
		out.seq = c->snd;
		out.ack = c->rcv;
		transmit(&out);
		return;
	}
	if (in->len && in->seq == c->rcv)
		on_data(c, in);
	else if (in->len)
		printf("again %u\n", in->len);
	if (c->odd && answer->end) {
		out.rst = 1;
		out.seq = c->snd;
		out.ack = c->rcv;
		transmit(&out);
		return;
	}
	if (!in->len && !in->fin)
		return;
	out.seq = c->snd;
	out.ack = c->rcv += in->fin;
	out.fin = in->fin;
	out.len = in->len;
	out.data = in->data;
	c->snd += out.len + out.fin;
	transmit(&out);
}

static int respond(unsigned short port, double seconds, char **words)
{
	struct answer answer = { .opt.cookie_len = -1 };
	double end = now() + seconds;
	struct segment in;

	for (; *words; words++) {
		answer.opt.smc |= !strcmp(*words, "smc");
		answer.all |= !strcmp(*words, "all");
		answer.half |= !strcmp(*words, "half");
		answer.cross |= !strcmp(*words, "cross");
		answer.lose |= !strcmp(*words, "lose");
		answer.end |= !strcmp(*words, "end");
		if (!strncmp(*words, "cookie=", 7))
			answer.opt.cookie_len = unhex(*words + 7, answer.opt.cookie, MAX_COOKIE);
	}
	printf("ready\n");
	while (receive(&in, end)) {
		if (in.dport != port)
			continue;
		if (in.syn && !in.ackf)
			on_syn(&in, port, &answer);
		else
			on_segment(&in, port, &answer);
	}
	return 0;
}

/* What the client does when there is an answer to its SYN. */
struct asking {
	struct segment syn;
	int again, bare, ack, quiet;
	double late;
	/* What comes next of the peer's stream. */
	unsigned int next;
};

static void asking_words(struct asking *a, unsigned char *data, char **words)
{
	for (; *words; words++) {
		a->syn.opt.smc |= !strcmp(*words, "smc");
		a->again |= !strcmp(*words, "again");
		a->bare |= !strcmp(*words, "bare");
		a->ack |= !strcmp(*words, "ack");
		a->quiet |= !strcmp(*words, "quiet");
		if (!strcmp(*words, "ask"))
			a->syn.opt.cookie_len = 0;
		if (!strncmp(*words, "cookie=", 7))
			a->syn.opt.cookie_len = unhex(*words + 7, a->syn.opt.cookie, MAX_COOKIE);
		if (!strncmp(*words, "data=", 5))
			a->syn.len = unhex(*words + 5, data, MAX_DATA);
		if (!strncmp(*words, "seq=", 4))
			a->syn.seq = strtoul(*words + 4, NULL, 10);
		if (!strncmp(*words, "late=", 5))
			a->late = atof(*words + 5);
	}
}

static void acknowledge(const struct asking *a, unsigned int seq, int rst)
{
	struct segment out = { .seq = seq, .ack = a->next, .sport = a->syn.sport, .dport = a->syn.dport,
			       .ackf = !rst, .rst = rst, .opt.cookie_len = -1 };

	transmit(&out);
}

static void on_synack(struct asking *a, const struct segment *in)
{
	struct segment bare = a->syn;

	printf("synack acked=%d smc=%d", (int)(in->ack - a->syn.seq - 1), in->opt.smc);
	print_cookie(&in->opt);
	printf("\n");
	bare.len = 0;
	bare.opt.cookie_len = -1;
	if (a->again-- > 0)
		transmit(&a->syn);
	else if (a->bare-- > 0)
		transmit(&bare);
	else if (a->ack)
		acknowledge(a, in->ack, 0);
}

static void on_answer_data(struct asking *a, const struct segment *in)
{
	printf("%s %u\n", in->seq == a->next ? "data" : "again", in->len);
	if (in->seq == a->next)
		a->next += in->len;
	if (a->ack && a->bare < 0)
		acknowledge(a, in->ack, 0);
}

static int is_answer(const struct asking *a, const struct segment *in)
{
	return in->sport == a->syn.dport && in->dport == a->syn.sport;
}

/* The stream has begun at `first`. */
static void answer_late(struct asking *a, unsigned int first, unsigned int seq)
{
	double end = now() + 5;
	struct segment in;

	a->next = first;
	acknowledge(a, seq, 0);
	while (receive(&in, end)) {
		if (!is_answer(a, &in) || (!in.rst && (!in.len || in.seq != first)))
			continue;
		if (in.rst)
			printf("rst\n");
		else
			printf("late %u\n", in.len);
		return;
	}
}

static int ask(unsigned short port, unsigned short dport, char **words)
{
	static unsigned char data[MAX_DATA];
	struct asking a = { .syn = { .seq = 5000, .sport = port, .dport = dport, .syn = 1,
				     .data = data, .opt.cookie_len = -1 } };
	double end = now() + 5;
	unsigned int first = 0, seq = 0;
	int answered = 0, ended = 0;
	struct segment in;

	asking_words(&a, data, words);
	transmit(&a.syn);
	while (receive(&in, end)) {
		if (!is_answer(&a, &in))
			continue;
		if (in.rst) {
			printf("rst\n");
			answered = ended = 1;
			break;
		}
		if (in.syn && in.ackf) {
			if (!answered) {
				a.next = first = in.seq + 1;
				end = now() + (a.late ? a.late : 1);
			}
			answered = 1;
			seq = in.ack;
			on_synack(&a, &in);
		} else if (in.len) {
			on_answer_data(&a, &in);
		}
	}
	if (a.late && answered && !ended)
		answer_late(&a, first, seq);
	if (!answered)
		printf("nothing\n");
	else if (!a.quiet)
		acknowledge(&a, seq, 1);
	return !answered;
}

int main(int argc, char **argv)
{
	struct ether_addr mac;
	int family;

	if (argc < 8)
		return 2;
	family = strchr(argv[3], ':') ? AF_INET6 : AF_INET;
	ends.size = family == AF_INET6 ? 16 : 4;
	if (inet_pton(family, argv[3], ends.addr) != 1 ||
	    inet_pton(family, argv[5], ends.peer) != 1 || !ether_aton_r(argv[6], &mac)) {
		fprintf(stderr, "usage: see the head of synraw.c\n");
		return 2;
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
	peer_ll.sll_protocol = htons(family == AF_INET6 ? ETH_P_IPV6 : ETH_P_IP);
	fd = socket(AF_PACKET, SOCK_DGRAM, peer_ll.sll_protocol);
	peer_ll.sll_family = AF_PACKET;
	peer_ll.sll_ifindex = if_nametoindex(argv[2]);
	peer_ll.sll_halen = ETH_ALEN;
	memcpy(peer_ll.sll_addr, &mac, ETH_ALEN);
	if (fd < 0 || bind(fd, (void *)&peer_ll, sizeof(peer_ll)))
		die("packet socket");
	if (!strcmp(argv[1], "respond"))
		return respond(atoi(argv[4]), atof(argv[7]), argv + 8);
	if (!strcmp(argv[1], "ask"))
		return ask(atoi(argv[4]), atoi(argv[7]), argv + 8);
	return 2;
}
