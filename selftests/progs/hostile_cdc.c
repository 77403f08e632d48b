// SPDX-License-Identifier: GPL-2.0
/*
 * What is wrong with CDC messages, and with the RDMA that they stand for: see
 * hostile.c.
 */
#define _GNU_SOURCE
#include <string.h>
#include "hostile_cases.h"

/* A message that is as if it had not been: only its number has been used. */
static void send_wrong(struct conn *c, const struct cdc *m)
{
	unsigned char bytes[CDC_LEN];

	cdc_emit(m, bytes);
	qp_send(bytes, sizeof(bytes));
	c->said.seq = m->seq;
	qp_flush(2000);
}

static void nothing(struct conn *c)
{
	(void)c;
}

/* ---- cursors ---- */

static void prod_at_size(struct conn *c)
{
	struct cdc m = cdc_next(c);

	m.prod.count = c->size;
	send_wrong(c, &m);
}

static void prod_far_beyond(struct conn *c)
{
	struct cdc m = cdc_next(c);

	m.prod.count = 0xffffffff;
	send_wrong(c, &m);
}

static void prod_wraps_much(struct conn *c)
{
	struct cdc m = cdc_next(c);

	m.prod.wrap += 5;
	send_wrong(c, &m);
}

/* A ring and a byte further than the module has read. */
static void prod_overrun(struct conn *c)
{
	struct cdc m = cdc_next(c);

	m.prod.wrap++;
	m.prod.count++;
	send_wrong(c, &m);
}

/* What repeats what is known says nothing. */
static void prod_back(struct conn *c)
{
	struct cdc m = cdc_next(c);

	m.prod.count -= 100;
	send_wrong(c, &m);
}

static void prod_back_a_wrap(struct conn *c)
{
	struct cdc m = cdc_next(c);

	m.prod.wrap -= 2;
	send_wrong(c, &m);
}

/* No byte more than it has sent. */
static void cons_ahead(struct conn *c)
{
	struct cdc m = cdc_next(c);

	m.cons.count++;
	send_wrong(c, &m);
}

static void cons_beyond(struct conn *c)
{
	struct cdc m = cdc_next(c);

	m.cons.count = 0x80000000;
	send_wrong(c, &m);
}

static void cons_wraps_much(struct conn *c)
{
	struct cdc m = cdc_next(c);

	m.cons.wrap = 0x8000;
	send_wrong(c, &m);
}

/* Of a message with both, the good half must not make up for the bad one. */
static void cons_ahead_with_data(struct conn *c)
{
	struct cdc m = cdc_next(c);

	m.prod.count += 10;
	m.cons.wrap++;
	send_wrong(c, &m);
}

/* ---- tokens, numbers, lengths ---- */

static void tokens(struct conn *c)
{
	static const uint32_t wrong[] = { 0, 0xffffffff, 0x80000000 };
	struct cdc m = cdc_next(c);
	size_t i;

	m.state = CDC_ABORT;
	for (i = 0; i < 3; i++) {
		m.token = wrong[i];
		send_wrong(c, &m);
	}
	/* The place of the other connection, in another life. */
	m.token = group.conns[1].token ^ 0x00010000;
	send_wrong(c, &m);
	/* Places that nobody has. */
	for (i = 0; i < 256; i++) {
		m.token = (c->token & ~0xffu) | i;
		if (m.token != c->token && m.token != group.conns[1].token)
			send_wrong(c, &m);
	}
}

static void number_again(struct conn *c)
{
	struct cdc m = cdc_next(c);

	m.seq = c->said.seq;
	send_wrong(c, &m);
}

/* Old messages are dropped, whatever they say. */
static void number_old(struct conn *c)
{
	uint16_t last = c->said.seq;
	struct cdc m = cdc_next(c);

	m.seq = last - 3;
	m.prod.count = 0xffffffff;
	m.state = CDC_ABORT;
	send_wrong(c, &m);
	c->said.seq = last;
}

static void number_far(struct conn *c)
{
	struct cdc m = cdc_next(c);

	m.seq += 0x7000;
	send_wrong(c, &m);
}

static void lengths(struct conn *c)
{
	struct cdc m = cdc_next(c);
	unsigned char bytes[4000] = { 0 };
	size_t i;

	m.state = CDC_ABORT;
	cdc_emit(&m, bytes);
	for (i = 1; i < 26; i++)
		qp_send(bytes, i);
	for (i = 0; i < 256; i += 15) {
		bytes[1] = i == CDC_LEN ? 0 : i;
		qp_send(bytes, CDC_LEN);
	}
	m.state = 0;
	cdc_emit(&m, bytes);
	qp_send(bytes, sizeof(bytes));
	c->said.seq = m.seq;
	qp_flush(2000);
}

/* ---- flags ---- */

static void all_states(struct conn *c)
{
	struct cdc m = cdc_next(c);

	m.state = 0xff;
	send_wrong(c, &m);
}

static void reserved_flags(struct conn *c)
{
	struct cdc m = cdc_next(c);

	m.state = 0x1f;
	m.flags = 0x07;
	send_wrong(c, &m);
}

/* It cannot open again what it has closed. */
static void closed_and_not(struct conn *c)
{
	struct cdc m = cdc_next(c);

	m.state = CDC_DONE | CDC_CLOSED;
	send_wrong(c, &m);
	m.seq++;
	m.state = 0;
	m.prod.count += 20;
	send_wrong(c, &m);
	m.seq++;
	m.state = CDC_ABORT;
	send_wrong(c, &m);
}

static void validates_known(struct conn *c)
{
	struct cdc m = cdc_next(c);
	uint16_t last = c->said.seq;

	m.seq = last;
	m.flags = CDC_FAILOVER;
	m.prod.count = 0xffffffff;
	m.state = CDC_ABORT;
	send_wrong(c, &m);
	c->said.seq = last;
}

/* It knows of a message that never came. */
static void validates_unknown(struct conn *c)
{
	struct cdc m = cdc_next(c);

	m.seq += 100;
	m.flags = CDC_FAILOVER;
	send_wrong(c, &m);
}

static void urgent_nothing(struct conn *c)
{
	struct cdc m = cdc_next(c);
	int i;

	for (i = 0; i < 20; i++) {
		m.flags = i & 1 ? CDC_URG_PRESENT : CDC_URG_PENDING;
		send_wrong(c, &m);
		m.seq++;
	}
	m.flags = CDC_URG_PRESENT | CDC_URG_PENDING;
	send_wrong(c, &m);
	m.seq++;
	m.flags = CDC_BLOCKED;
	send_wrong(c, &m);
}

static void urgent_beyond(struct conn *c)
{
	struct cdc m = cdc_next(c);

	m.flags = CDC_URG_PRESENT | CDC_URG_PENDING;
	m.prod.count = c->size;
	send_wrong(c, &m);
}

/* ---- many of them ---- */

/* Each wants an answer, and says nothing. */
static void flood(struct conn *c)
{
	unsigned char bytes[CDC_LEN];
	struct cdc m = cdc_next(c);
	int i;

	m.flags = CDC_UPDATE;
	for (i = 0; i < 1000; i++) {
		cdc_emit(&m, bytes);
		qp_send(bytes, sizeof(bytes));
		m.seq++;
		if (i % 100 == 0)
			smc_pump(1);
	}
	c->said.seq = m.seq - 1;
	qp_flush(20000);
}

/* ---- RDMA ---- */

static const unsigned char bytes[4096];

static void write_all_of_it(struct conn *c)
{
	size_t at;

	for (at = c->said.prod.count + 100; at + sizeof(bytes) <= c->size; at += sizeof(bytes))
		qp_write(c->ring + at, c->rkey, bytes, sizeof(bytes));
	qp_flush(5000);
}

static void write_wrong_key(struct conn *c)
{
	qp_write(c->ring, c->rkey ^ 0x100, bytes, 100);
	qp_flush(5000);
}

static void write_before(struct conn *c)
{
	qp_write(c->ring - (1 << 20), c->rkey, bytes, 100);
	qp_flush(5000);
}

static void write_behind(struct conn *c)
{
	qp_write(c->ring + (16 << 20), c->rkey, bytes, 100);
	qp_flush(5000);
}

static void write_far(struct conn *c)
{
	qp_write(0xffffffffffffff00ULL, c->rkey, bytes, 1000);
	qp_flush(5000);
}

/* A message without one: it would tell of what stood in the receive buffer. */
static void write_immediate(struct conn *c)
{
	qp_write_imm(c->ring + c->size - sizeof(bytes), c->rkey, bytes, sizeof(bytes), 0xfe2c0001);
	qp_flush(5000);
}

static void send_immediate(struct conn *c)
{
	struct cdc m = cdc_next(c);
	unsigned char cdc[CDC_LEN];

	cdc_emit(&m, cdc);
	qp_send_imm(cdc, sizeof(cdc), 0xffffffff);
	c->said.seq = m.seq;
	qp_flush(5000);
}

static void read_the_ring(struct conn *c)
{
	qp_read(c->ring, c->rkey, 1000);
	qp_flush(5000);
}

const struct scenario cdc_scenarios[] = {
	{ .name = "honest", .fate = LIVES, .attack = nothing },
	{ .name = "honest-v2.0", .fate = LIVES, .attack = nothing, .v20 = 1 },
	{ .name = "producer-at-size", .fate = CONN, .attack = prod_at_size },
	{ .name = "producer-far-beyond", .fate = CONN, .attack = prod_far_beyond },
	{ .name = "producer-wraps-much", .fate = CONN, .attack = prod_wraps_much },
	{ .name = "producer-overrun", .fate = CONN, .attack = prod_overrun },
	{ .name = "producer-back", .fate = LIVES, .attack = prod_back },
	{ .name = "producer-back-wraps", .fate = CONN, .attack = prod_back_a_wrap },
	{ .name = "consumer-ahead", .fate = CONN, .attack = cons_ahead },
	{ .name = "consumer-beyond", .fate = CONN, .attack = cons_beyond },
	{ .name = "consumer-wraps-much", .fate = CONN, .attack = cons_wraps_much },
	{ .name = "consumer-ahead-with-data", .fate = CONN, .attack = cons_ahead_with_data },
	{ .name = "tokens", .fate = LIVES, .attack = tokens },
	{ .name = "number-again", .fate = LIVES, .attack = number_again },
	{ .name = "number-old", .fate = LIVES, .attack = number_old },
	{ .name = "number-far", .fate = LIVES, .attack = number_far },
	{ .name = "cdc-lengths", .fate = LIVES, .attack = lengths },
	{ .name = "all-states", .fate = CONN, .attack = all_states },
	{ .name = "reserved-flags", .fate = LIVES, .attack = reserved_flags },
	{ .name = "closed-and-not", .fate = CONN, .attack = closed_and_not },
	{ .name = "validates-known", .fate = LIVES, .attack = validates_known },
	{ .name = "validates-unknown", .fate = CONN, .attack = validates_unknown },
	{ .name = "urgent-nothing", .fate = LIVES, .attack = urgent_nothing },
	{ .name = "urgent-beyond", .fate = CONN, .attack = urgent_beyond },
	{ .name = "cdc-flood", .fate = ANY, .attack = flood },
	{ .name = "write-without-message", .fate = LIVES, .attack = write_all_of_it },
	{ .name = "write-wrong-key", .fate = GROUP, .attack = write_wrong_key },
	{ .name = "write-before-ring", .fate = GROUP, .attack = write_before },
	{ .name = "write-behind-ring", .fate = GROUP, .attack = write_behind },
	{ .name = "write-far", .fate = GROUP, .attack = write_far },
	{ .name = "write-immediate", .fate = GROUP, .attack = write_immediate },
	{ .name = "send-immediate", .fate = LIVES, .attack = send_immediate },
	{ .name = "read-ring", .fate = GROUP, .attack = read_the_ring },
	{ 0 }
};
