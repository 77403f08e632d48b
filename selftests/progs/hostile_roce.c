// SPDX-License-Identifier: GPL-2.0
/*
 * One reliable connected queue pair over RoCEv2, frame by frame: requests of
 * ours with their repetition, and answers to the peer's.  See hostile.h.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "hostile.h"

#define PORT		4791
#define ETH_LEN		14
#define IP_LEN		20
#define UDP_LEN		8
#define BTH_LEN		12
#define RETH_LEN	16
#define AETH_LEN	4
#define ICRC_LEN	4
#define MTU		1024
#define PSN_MASK	0xffffff

enum {
	SEND_FIRST, SEND_MIDDLE, SEND_LAST, SEND_LAST_IMM, SEND_ONLY, SEND_ONLY_IMM,
	WRITE_FIRST, WRITE_MIDDLE, WRITE_LAST, WRITE_LAST_IMM, WRITE_ONLY, WRITE_ONLY_IMM,
	READ, ACKNOWLEDGE = 0x11
};

struct packet {
	uint32_t psn;
	int len;
	unsigned char frame[ETH_LEN + IP_LEN + UDP_LEN + BTH_LEN + RETH_LEN + 4 + MTU + 8];
};

struct message {
	int len;
	unsigned char bytes[LONGEST];
};

#define SENT		256
#define INBOX		256

struct qp qp = { .rkey = OUR_RKEY, .base = OUR_BASE };

static struct packet sent[SENT];
static struct message inbox[INBOX], building;
static unsigned int in_first, in_count;
static uint64_t write_at;
static double last_sent;
static int backing_off;

static uint32_t crc(uint32_t c, const unsigned char *p, size_t len)
{
	while (len--) {
		int i;

		c ^= *p++;
		for (i = 0; i < 8; i++)
			c = c >> 1 ^ (c & 1 ? 0xedb88320 : 0);
	}
	return c;
}

/* Of a packet from its IP header on, without the ICRC: the IB specification, A17. */
uint32_t roce_icrc(const unsigned char *ip, size_t len)
{
	unsigned char head[8 + IP_LEN + UDP_LEN + BTH_LEN];

	memset(head, 0xff, 8);
	memcpy(head + 8, ip, sizeof(head) - 8);
	/* What changes on the way: TOS, TTL, both checksums, the congestion bits. */
	head[8 + 1] = 0xff;
	head[8 + 8] = 0xff;
	memset(head + 8 + 10, 0xff, 2);
	memset(head + 8 + IP_LEN + 6, 0xff, 2);
	head[8 + IP_LEN + UDP_LEN + 4] = 0xff;
	return ~crc(crc(~0u, head, sizeof(head)), ip + sizeof(head) - 8, len - (sizeof(head) - 8));
}

static int build(unsigned char *frame, int opcode, uint32_t psn, const void *ext, size_t ext_len,
		 const void *data, size_t len)
{
	unsigned char udp[UDP_LEN + BTH_LEN + RETH_LEN + 4 + MTU + 8] = { 0 };
	size_t pad = -len & 3, head = UDP_LEN + BTH_LEN + ext_len;
	size_t total = head + len + pad + ICRC_LEN;
	unsigned char *bth = udp + UDP_LEN;
	uint32_t icrc;
	int n;

	put(udp, 49152 + OUR_QPN % 1000, 2);
	put(udp + 2, PORT, 2);
	put(udp + 4, total, 2);
	bth[0] = opcode;
	bth[1] = 0x40 | pad << 4;
	put(bth + 2, 0xffff, 2);
	put(bth + 5, qp.peer_qpn, 3);
	bth[8] = opcode == ACKNOWLEDGE ? 0 : 0x80;
	put(bth + 9, psn, 3);
	memcpy(bth + BTH_LEN, ext, ext_len);
	memcpy(bth + BTH_LEN + ext_len, data, len);
	n = net_build_ip(frame, IPPROTO_UDP, udp, total);
	icrc = roce_icrc(frame + ETH_LEN, n - ETH_LEN - ICRC_LEN);
	/* Least significant byte first. */
	for (int i = 0; i < ICRC_LEN; i++)
		frame[n - ICRC_LEN + i] = icrc >> 8 * i;
	return n;
}

static void acknowledge(int syndrome, uint32_t psn)
{
	unsigned char frame[256], aeth[AETH_LEN];

	put(aeth, (uint32_t)syndrome << 24 | (qp.msn & PSN_MASK), 4);
	net_send_frame(frame, build(frame, ACKNOWLEDGE, psn, aeth, sizeof(aeth), NULL, 0));
}

static unsigned int unacked(void)
{
	return (qp.psn - qp.una) & PSN_MASK;
}

static void repeat(void)
{
	unsigned int i;

	for (i = 0; i < unacked(); i++) {
		struct packet *p = &sent[(qp.una + i) % SENT];

		net_send_frame(p->frame, p->len);
	}
	last_sent = now();
}

void roce_idle(void)
{
	if (!unacked() || qp.nak)
		return;
	if (now() - last_sent > (backing_off ? 0.02 : 0.5)) {
		backing_off = 0;
		repeat();
	}
}

static void acknowledged(uint32_t psn, int syndrome)
{
	uint32_t n = (psn - qp.una) & PSN_MASK;
	int kind = syndrome >> 5;

	if (n >= unacked())
		return;
	if (kind == 0) {
		qp.una = (psn + 1) & PSN_MASK;
	} else if (kind == 1) {
		/* Not ready: what came before has arrived. */
		qp.una = psn;
		backing_off = 1;
	} else if (syndrome == NAK_SEQUENCE) {
		qp.una = psn;
		repeat();
	} else {
		qp.nak = syndrome;
	}
}

static void append(const unsigned char *data, size_t len)
{
	if (building.len + len > LONGEST)
		len = LONGEST - building.len;
	memcpy(building.bytes + building.len, data, len);
	building.len += len;
}

static void deliver(void)
{
	if (in_count < INBOX)
		inbox[(in_first + in_count++) % INBOX] = building;
	building.len = 0;
	qp.msn++;
}

/* A request of the peer; a NAK, or NAK_NONE. */
static int request(int opcode, const unsigned char *p, size_t len)
{
	if (opcode == WRITE_FIRST || opcode == WRITE_ONLY) {
		uint64_t va = get(p, 8);
		uint32_t length = get(p + 12, 4);

		if (len < RETH_LEN)
			return NAK_INVALID;
		if (get(p + 8, 4) != qp.rkey || va < qp.base || length > OUR_SIZE ||
		    va - qp.base > OUR_SIZE - length)
			return NAK_ACCESS;
		write_at = va - qp.base;
		p += RETH_LEN;
		len -= RETH_LEN;
	}
	if (opcode >= WRITE_FIRST) {
		if (len > OUR_SIZE - write_at)
			return NAK_ACCESS;
		memcpy(qp.mem + write_at, p, len);
		write_at += len;
		qp.msn += opcode == WRITE_ONLY || opcode == WRITE_LAST;
		return NAK_NONE;
	}
	append(p, len);
	if (opcode == SEND_ONLY || opcode == SEND_LAST)
		deliver();
	return NAK_NONE;
}

void roce_input(const unsigned char *ip, size_t len)
{
	const unsigned char *bth = ip + IP_LEN + UDP_LEN, *p = bth + BTH_LEN;
	uint32_t psn, pad;
	int opcode, nak;

	if (len < IP_LEN + UDP_LEN + BTH_LEN + ICRC_LEN || get(ip + IP_LEN + 2, 2) != PORT ||
	    get(bth + 5, 3) != OUR_QPN || qp.deaf)
		return;
	opcode = bth[0];
	pad = bth[1] >> 4 & 3;
	psn = get(bth + 9, 3);
	len -= IP_LEN + UDP_LEN + BTH_LEN + ICRC_LEN;
	if (len < pad)
		return;
	len -= pad;
	if (opcode == ACKNOWLEDGE) {
		if (len >= AETH_LEN)
			acknowledged(psn, *p);
		return;
	}
	if (opcode > WRITE_ONLY)
		return;
	if (psn != qp.epsn) {
		/* Had it already, or missed one. */
		if (((psn - qp.epsn) & PSN_MASK) > PSN_MASK / 2)
			acknowledge(0x1f, (qp.epsn - 1) & PSN_MASK);
		else
			acknowledge(NAK_SEQUENCE, qp.epsn);
		return;
	}
	nak = request(opcode, p, len);
	if (nak) {
		acknowledge(nak, psn);
		return;
	}
	qp.epsn = (qp.epsn + 1) & PSN_MASK;
	acknowledge(0x1f, psn);
}

void qp_start(uint32_t peer_qpn, uint32_t peer_psn)
{
	qp.peer_qpn = peer_qpn;
	qp.epsn = peer_psn;
	qp.psn = OUR_PSN;
	qp.una = OUR_PSN;
}

static int has_room(void *arg)
{
	(void)arg;
	return unacked() < SENT - 8 || qp.nak;
}

static int is_flushed(void *arg)
{
	(void)arg;
	return !unacked() || qp.nak;
}

static void post(int opcode, const void *ext, size_t ext_len, const void *data, size_t len)
{
	struct packet *p = &sent[qp.psn % SENT];

	/* A queue pair that has failed, or leads nowhere, sends nothing. */
	if (!qp.nak && !net_until(5000, has_room, NULL))
		qp.nak = NAK_SILENCE;
	if (qp.nak)
		return;
	p->psn = qp.psn;
	p->len = build(p->frame, opcode, qp.psn, ext, ext_len, data, len);
	net_send_frame(p->frame, p->len);
	qp.psn = (qp.psn + 1) & PSN_MASK;
	last_sent = now();
}

/* In as many packets as it takes; @last: with immediate data. */
static void post_all(int first, const unsigned char *reth, const unsigned char *imm,
		     const unsigned char *data, size_t len)
{
	size_t at = 0;

	do {
		size_t n = len - at < MTU ? len - at : MTU;
		int begins = at == 0, ends = at + n == len;
		unsigned char ext[RETH_LEN + 4];
		size_t ext_len = 0;
		int opcode = first + 1;

		if (reth && begins) {
			memcpy(ext, reth, RETH_LEN);
			ext_len = RETH_LEN;
		}
		if (imm && ends) {
			memcpy(ext + ext_len, imm, 4);
			ext_len += 4;
		}
		if (begins && ends)
			opcode = first + (imm ? 5 : 4);
		else if (begins)
			opcode = first;
		else if (ends)
			opcode = first + (imm ? 3 : 2);
		post(opcode, ext, ext_len, data + at, n);
		at += n;
	} while (at < len);
}

void qp_send(const void *data, size_t len)
{
	post_all(SEND_FIRST, NULL, NULL, data, len);
}

void qp_send_imm(const void *data, size_t len, uint32_t imm)
{
	unsigned char bytes[4];

	put(bytes, imm, 4);
	post_all(SEND_FIRST, NULL, bytes, data, len);
}

static void reth(unsigned char *to, uint64_t addr, uint32_t rkey, uint32_t len)
{
	put(to, addr, 8);
	put(to + 8, rkey, 4);
	put(to + 12, len, 4);
}

void qp_write(uint64_t addr, uint32_t rkey, const void *data, size_t len)
{
	unsigned char bytes[RETH_LEN];

	reth(bytes, addr, rkey, len);
	post_all(WRITE_FIRST, bytes, NULL, data, len);
}

void qp_write_imm(uint64_t addr, uint32_t rkey, const void *data, size_t len, uint32_t imm)
{
	unsigned char bytes[RETH_LEN], value[4];

	reth(bytes, addr, rkey, len);
	put(value, imm, 4);
	post_all(WRITE_FIRST, bytes, value, data, len);
}

void qp_read(uint64_t addr, uint32_t rkey, uint32_t len)
{
	unsigned char bytes[RETH_LEN];

	reth(bytes, addr, rkey, len);
	post(READ, bytes, sizeof(bytes), NULL, 0);
}

int qp_flush(int ms)
{
	net_until(ms, is_flushed, NULL);
	if (qp.nak)
		return qp.nak;
	return unacked() ? -1 : 0;
}

int qp_waiting(void *unused)
{
	(void)unused;
	return in_count > 0;
}

int qp_next(unsigned char *message)
{
	struct message *m = &inbox[in_first];

	if (!in_count)
		return -1;
	memcpy(message, m->bytes, m->len);
	in_first = (in_first + 1) % INBOX;
	in_count--;
	return m->len;
}
