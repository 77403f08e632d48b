// SPDX-License-Identifier: GPL-2.0
/*
 * SMC-R version 2 as it should be spoken, by a client or a server with one link:
 * CLC over TCP, LLC and CDC over RDMA.  See hostile.h.
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <string.h>
#include "hostile.h"

#define ACCEPT		2
#define CONFIRM		3
#define DECLINE		4
#define ELEMENT		16384
#define UEID		"SMCV2-DEFAULT-UEID              "
#define FIRST_CONTACT	0x08
/* Where the parts of an Accept or Confirm begin. */
#define BODY		8
#define EID_AT		64
#define FCE_AT		104

static const unsigned char eyecatcher[4] = { 0xe2, 0xd4, 0xc3, 0xd9 };
struct group group = { .release = 1, .port = 30000 };

void put(unsigned char *to, uint64_t value, int bytes)
{
	while (bytes--) {
		to[bytes] = value;
		value >>= 8;
	}
}

uint64_t get(const unsigned char *from, int bytes)
{
	uint64_t value = 0;

	while (bytes--)
		value = value << 8 | *from++;
	return value;
}

/* ---- CLC ---- */

static void clc_ends(unsigned char *m, int type, size_t len, int low)
{
	memcpy(m, eyecatcher, 4);
	m[4] = type;
	put(m + 5, len, 2);
	m[7] = 0x20 | low;
	memcpy(m + len - 4, eyecatcher, 4);
}

static void own_gid(unsigned char *gid)
{
	memset(gid, 0, 16);
	put(gid + 10, 0xffff, 2);
	put(gid + 12, net_addr(), 4);
}

static void own_sender(unsigned char *to)
{
	put(to, 0x6666, 2);
	memcpy(to + 2, net_mac(), 5);
	to[7] = net_addr();
	own_gid(to + 8);
	memcpy(to + 24, net_mac(), 6);
}

/* Header, sender, SMC-D area, extension of version 2 with one UEID. */
static size_t clc_proposal(unsigned char *m)
{
	size_t len = 8 + 30 + 2 + 40 + 40 + 32 + 4;
	unsigned char *ext = m + 80;

	memset(m, 0, len);
	clc_ends(m, 1, len, 0x02);
	own_sender(m + BODY);
	put(m + 50, 28, 2);
	ext[0] = 1;
	ext[3] = group.release << 4;
	own_gid(ext + 8);
	if (group.release) {
		ext[24] = 255;
		ext[25] = 1;
	}
	memcpy(ext + 40, UEID, 32);
	return len;
}

void clc_own_part(struct conn *c, unsigned char *m)
{
	own_sender(m);
	put(m + 30, OUR_QPN, 3);
	put(m + 33, OUR_RKEY, 4);
	m[37] = c->index + 1;
	put(m + 38, 0x51000000 + c->index, 4);
	/* An element of 16 KiB, an MTU of 1024. */
	m[42] = 0x03;
	put(m + 44, OUR_BASE, 8);
	put(m + 53, OUR_PSN, 3);
}

static size_t clc_accept_confirm(struct conn *c, unsigned char *m, const unsigned char *peer)
{
	int type = group.server ? ACCEPT : CONFIRM;
	size_t len = FCE_AT + 4;

	if (!group.up)
		len += 36 + 16 + (group.server ? 0 : 20);
	memset(m, 0, len);
	clc_ends(m, type, len, group.up ? 0 : FIRST_CONTACT);
	clc_own_part(c, m + BODY);
	memcpy(m + EID_AT, UEID, 32);
	if (group.up)
		return len;
	m[FCE_AT] = 0x80;
	m[FCE_AT + 1] = 0x20 | group.release;
	memcpy(m + FCE_AT + 4, "hostile", 7);
	if (group.release) {
		m[FCE_AT + 36] = group.server ? 255 : peer[FCE_AT + 36];
		m[FCE_AT + 37] = group.server ? 1 : peer[FCE_AT + 37];
	}
	if (!group.server) {
		m[FCE_AT + 52] = 1;
		own_gid(m + FCE_AT + 56);
	}
	return len;
}

/* The next message, if it is of that type; what else comes is noted. */
static int clc_read(struct conn *c, int type, unsigned char *m)
{
	size_t len;

	if (!tcp_read(&c->tcp, m, 8, 20000))
		return -1;
	len = get(m + 5, 2);
	if (len < 8 || len > CLC_MAX || !tcp_read(&c->tcp, m + 8, len - 8, 5000))
		return -1;
	if (m[4] == DECLINE) {
		group.declined = 1;
		return -1;
	}
	return m[4] == type ? 0 : -1;
}

static void take_peer(struct conn *c, const unsigned char *m)
{
	const unsigned char *p = m + BODY;

	c->rkey = get(p + 33, 4);
	c->token = get(p + 38, 4);
	c->size = ELEMENT << (p[42] >> 4);
	c->ring = get(p + 44, 8) + (uint64_t)(p[37] - 1) * c->size;
	c->said.token = c->token;
	if (!group.up)
		qp_start(get(p + 30, 3), get(p + 53, 3));
}

/* ---- LLC ---- */

/* The head of a message of 44 bytes. */
void llc(unsigned char *m, int type, int flags)
{
	memset(m, 0, LLC_LEN);
	m[0] = type;
	m[1] = LLC_LEN;
	m[3] = flags;
}

static void llc_confirm_link(int flags)
{
	unsigned char m[LLC_LEN];

	llc(m, LLC_CONFIRM_LINK, flags | 0x03);
	memcpy(m + 4, net_mac(), 6);
	own_gid(m + 10);
	put(m + 26, OUR_QPN, 3);
	m[29] = group.link;
	put(m + 30, 0x66, 4);
	m[34] = 1;
	m[35] = 255;
	qp_send(m, sizeof(m));
}

static void on_llc(unsigned char *m, int len)
{
	int response = m[3] & LLC_RESPONSE;

	if (m[0] == LLC_TEST_LINK) {
		group.tested += response;
		if (response)
			return;
		m[3] |= LLC_RESPONSE;
		qp_send(m, len);
	} else if (m[0] == LLC_DELETE_LINK && m[3] & LLC_DELETE_ALL) {
		group.deleted = 1;
	} else if (m[0] == LLC_DELETE_RKEY && !response) {
		m[3] |= LLC_RESPONSE;
		qp_send(m, len);
	} else if (m[0] == LLC_ADD_LINK && !response) {
		m[3] |= LLC_RESPONSE | 0x40;
		qp_send(m, LLC_LEN);
	} else {
		memcpy(group.llc, m, len);
		group.llc_len = len;
	}
}

/* ---- CDC ---- */

static void put_cursor(unsigned char *to, struct cursor c)
{
	put(to, 0, 2);
	put(to + 2, c.wrap, 2);
	put(to + 4, c.count, 4);
}

void cdc_emit(const struct cdc *m, unsigned char *bytes)
{
	memset(bytes, 0, CDC_LEN);
	bytes[0] = 0xfe;
	bytes[1] = CDC_LEN;
	put(bytes + 2, m->seq, 2);
	put(bytes + 4, m->token, 4);
	put_cursor(bytes + 8, m->prod);
	put_cursor(bytes + 16, m->cons);
	bytes[24] = m->flags;
	bytes[25] = m->state;
}

/* The message that would come next, if nothing had happened. */
struct cdc cdc_next(struct conn *c)
{
	struct cdc m = c->said;

	m.seq++;
	m.flags = 0;
	return m;
}

void cdc_send(struct conn *c, const struct cdc *m)
{
	unsigned char bytes[CDC_LEN];

	cdc_emit(m, bytes);
	qp_send(bytes, sizeof(bytes));
	c->said = *m;
}

static void on_cdc(const unsigned char *m)
{
	unsigned int i = get(m + 4, 4) - 0x51000000;
	struct conn *c;

	if (i > 1)
		return;
	c = &group.conns[i];
	c->heard.seq = get(m + 2, 2);
	c->heard.prod = (struct cursor){ get(m + 10, 2), get(m + 12, 4) };
	c->heard.cons = (struct cursor){ get(m + 18, 2), get(m + 20, 4) };
	c->heard.flags = m[24];
	c->heard.state |= m[25];
	c->heard_any++;
}

void smc_pump(int ms)
{
	unsigned char m[LONGEST];
	int len;

	net_until(ms, qp_waiting, NULL);
	while ((len = qp_next(m)) >= 0) {
		if (len >= CDC_LEN && m[0] == 0xfe)
			on_cdc(m);
		else if (len >= LLC_LEN)
			on_llc(m, len);
	}
}

int smc_until(int ms, int (*done)(struct conn *c), struct conn *c)
{
	double end = now() + ms / 1e3;

	while (!done(c) && now() < end)
		smc_pump(20);
	return done(c);
}

static int is_answered(struct conn *c)
{
	(void)c;
	return group.tested || group.deleted;
}

int link_works(void)
{
	unsigned char m[LLC_LEN];

	if (group.deleted || qp.nak)
		return 0;
	/* What comes of earlier tests. */
	qp_flush(2000);
	smc_pump(0);
	group.tested = 0;
	llc(m, LLC_TEST_LINK, 0);
	memcpy(m + 4, "0123456789abcdef", 16);
	qp_send(m, sizeof(m));
	return smc_until(3000, is_answered, NULL) && !group.deleted && !qp.nak;
}

static struct cursor advance(struct cursor at, size_t by, uint32_t size)
{
	at.count += by;
	if (at.count >= size) {
		at.count -= size;
		at.wrap++;
	}
	return at;
}

static int same(struct cursor a, struct cursor b)
{
	return a.wrap == b.wrap && a.count == b.count;
}

/* Writes into the module's ring, and says so. */
void ring_write(struct conn *c, const void *data, size_t len)
{
	struct cdc m = cdc_next(c);
	size_t first = c->size - m.prod.count;

	if (first > len)
		first = len;
	qp_write(c->ring + m.prod.count, c->rkey, data, first);
	if (first < len)
		qp_write(c->ring, c->rkey, (const char *)data + first, len - first);
	m.prod = advance(m.prod, len, c->size);
	cdc_send(c, &m);
}

/* Where the module's producer has to get to. */
static struct cursor awaited;

static int has_echoed(struct conn *c)
{
	return same(c->heard.prod, awaited) || tcp_ended(&c->tcp) || qp.nak ||
	       c->heard.state & CDC_ABORT;
}

int smc_echo(struct conn *c, size_t len)
{
	unsigned char data[4096], *ring = qp.mem + c->index * ELEMENT;
	struct cursor from = c->said.cons;
	size_t i;

	for (i = 0; i < len; i++)
		data[i] = i * 7 + c->said.seq;
	awaited = advance(from, len, ELEMENT);
	ring_write(c, data, len);
	smc_until(10000, has_echoed, c);
	if (!same(c->heard.prod, awaited))
		return -1;
	for (i = 0; i < len; i++)
		if (ring[(from.count + i) % ELEMENT] != data[i])
			return -1;
	c->said.cons = awaited;
	return 0;
}

/* ---- the handshake ---- */

static int send_changed(struct conn *c, unsigned char *m, size_t len, change change)
{
	if (change)
		change(m, &len);
	return tcp_send(&c->tcp, m, len);
}

static int link_heard(struct conn *c)
{
	return group.llc_len || tcp_ended(&c->tcp) || c->tcp.in_len || qp.nak;
}

/* First contact: the link is confirmed, by the server's request. */
static int confirm_link(struct conn *c)
{
	group.llc_len = 0;
	if (group.server) {
		group.link = 1;
		llc_confirm_link(0);
	}
	smc_until(15000, link_heard, c);
	if (group.unready && !group.server && !qp.nak) {
		group.llc_len = 0;
		smc_until(15000, link_heard, c);
	}
	if (!group.llc_len || group.llc[0] != LLC_CONFIRM_LINK) {
		/* It may have said why not. */
		unsigned char m[CLC_MAX];

		if (c->tcp.in_len)
			clc_read(c, DECLINE, m);
		return -1;
	}
	if (!group.server) {
		group.link = group.llc[29];
		llc_confirm_link(LLC_RESPONSE);
	}
	group.up = !qp_flush(5000);
	return group.up ? 0 : -1;
}

int smc_propose(struct conn *c)
{
	unsigned char m[CLC_MAX];
	size_t len = clc_proposal(m);

	c->index = c - group.conns;
	if (tcp_connect(&c->tcp, 30000 + c->index, group.port) || tcp_send(&c->tcp, m, len) ||
	    clc_read(c, ACCEPT, m))
		return -1;
	take_peer(c, m);
	return !!(m[7] & FIRST_CONTACT);
}

int smc_connect(struct conn *c, change proposal, change confirm)
{
	unsigned char m[CLC_MAX], own[CLC_MAX + 65536];
	size_t len;

	c->index = c - group.conns;
	if (group.server) {
		if (tcp_accept(&c->tcp, group.port) || clc_read(c, 1, m))
			return -1;
		len = clc_accept_confirm(c, own, m);
		if (send_changed(c, own, len, confirm) || clc_read(c, CONFIRM, m))
			return -1;
		take_peer(c, m);
	} else {
		len = clc_proposal(own);
		if (tcp_connect(&c->tcp, 30000 + c->index, group.port) ||
		    send_changed(c, own, len, proposal) || clc_read(c, ACCEPT, m))
			return -1;
		take_peer(c, m);
		len = clc_accept_confirm(c, own, m);
		if (send_changed(c, own, len, confirm))
			return -1;
	}
	return group.up ? 0 : confirm_link(c);
}

static int has_closed(struct conn *c)
{
	return c->heard.state & (CDC_CLOSED | CDC_ABORT) || tcp_ended(&c->tcp);
}

static int is_deleted(struct conn *c)
{
	(void)c;
	/* A server answers, a client just goes. */
	return group.deleted || group.server;
}

void smc_leave(void)
{
	unsigned char m[LLC_LEN];
	int n;

	for (n = 0; n < 2; n++) {
		struct conn *c = &group.conns[n];
		struct cdc bye = cdc_next(c);

		if (!c->tcp.established)
			continue;
		if (c->heard_any && !tcp_ended(&c->tcp) && !qp.nak && !group.deleted) {
			bye.state = CDC_CLOSED;
			cdc_send(c, &bye);
			smc_until(5000, has_closed, c);
			tcp_fin(&c->tcp);
		}
		tcp_reset(&c->tcp);
	}
	if (!group.up || qp.nak || group.deleted)
		return;
	llc(m, LLC_DELETE_LINK, LLC_DELETE_ALL);
	m[4] = group.link;
	put(m + 5, 0x00030000, 4);
	qp_send(m, sizeof(m));
	qp_flush(3000);
	smc_until(3000, is_deleted, NULL);
}
