// SPDX-License-Identifier: GPL-2.0
/*
 * A peer that breaks the rules of SMC-R.
 *
 *   hostile DEVICE ADDR MAC PEER PEER_MAC PORT SCENARIO [server]
 *   hostile icrc          of a packet on stdin, from its IP header to the ICRC
 *   hostile list          the scenarios, and how each has to end
 *
 * Holds the other end of the connections of a program that sends back what it gets
 * ("reflect"): CLC over TCP, LLC and CDC over RDMA, all of it frames of its own.
 * ADDR must be nobody's, so that no kernel answers for it.  With "server" it is
 * PEER that connects, twice, to PORT.
 *
 * Two connections of one link group do some honest work, unless the handshake is
 * what is wrong.  Then something is done to the first, and it has to end so:
 *
 *   lives    nothing has happened: both go on
 *   conn     it ends, the other one goes on
 *   group    both end, and the link with them
 *   refused  the handshake fails
 *   plain    the connection is one of TCP
 *   any      lives or group: only who suffers from it is the sender's choice
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "hostile.h"
#include "hostile_cases.h"

static int has_ended(struct conn *c)
{
	return tcp_ended(&c->tcp) || c->heard.state & (CDC_CLOSED | CDC_ABORT);
}

static int ends(struct conn *c, int ms)
{
	return smc_until(ms, has_ended, c);
}

static int works(struct conn *c)
{
	return !smc_echo(c, 500) && !smc_echo(c, 1);
}

static int report(const char *what, int ok)
{
	if (!ok)
		printf("hostile: not so: %s\n", what);
	return ok;
}

static int has_fate(enum fate fate)
{
	struct conn *one = &group.conns[0], *two = &group.conns[1];

	switch (fate) {
	case LIVES:
		return report("the link works", link_works()) &&
		       report("the connection works", works(one)) &&
		       report("the other one works", works(two));
	case CONN:
		return report("the connection ends", ends(one, 10000)) &&
		       report("the other one works", works(two)) &&
		       report("the link works", link_works());
	case GROUP:
		return report("the connection ends", ends(one, 20000)) &&
		       report("the other one ends", ends(two, 10000)) &&
		       report("the link ends", !link_works());
	case ANY:
		if (ends(one, 2000))
			return has_fate(GROUP);
		return has_fate(LIVES);
	default:
		return 0;
	}
}

static int was_told(struct conn *c)
{
	return tcp_ended(&c->tcp) || group.declined || (c->tcp.in_len >= 8 && c->tcp.in[4] == 4);
}

int is_told(struct conn *c, int ms)
{
	return smc_until(ms, was_told, c);
}

/* Whether a handshake failed, and said so. */
static int is_refused(struct conn *c)
{
	return report("TCP works", c->tcp.established && c->tcp.smc) &&
	       report("the refusal is told", is_told(c, 15000));
}

static int run(const struct scenario *s)
{
	struct conn *one = &group.conns[0], *two = &group.conns[1];
	change proposal[2] = { 0 }, confirm[2] = { 0 };
	int failed;

	proposal[s->later] = s->proposal;
	confirm[s->later] = s->confirm;
	if (s->alone)
		return s->alone(one);
	if (smc_connect(one, proposal[0], confirm[0]))
		return s->fate == REFUSED && !s->later && is_refused(one);
	if (!report("bytes there and back", works(one)))
		return 0;
	failed = smc_connect(two, proposal[1], confirm[1]);
	if (s->fate == REFUSED)
		return is_refused(two) && report("the first works", works(one));
	if (!report("there is a second", !failed) ||
	    !report("bytes on the second", s->fate == GROUP || works(two)))
		return 0;
	if (s->attack)
		s->attack(one);
	return has_fate(s->fate);
}

static const char *const fates[] = { "lives", "conn", "group", "refused", "plain", "any" };
static const struct scenario *const sets[] = { cdc_scenarios, llc_scenarios, clc_scenarios };

static const struct scenario *find(const char *name)
{
	const struct scenario *s;
	int i;

	for (i = 0; i < 3; i++)
		for (s = sets[i]; s->name; s++)
			if (!strcmp(s->name, name))
				return s;
	return NULL;
}

static int list(void)
{
	const struct scenario *s;
	int i;

	for (i = 0; i < 3; i++)
		for (s = sets[i]; s->name; s++)
			printf("%s %s\n", s->name, fates[s->fate]);
	return 0;
}

/* Whether the ICRC of a captured packet is what it would be of ours. */
static int check_icrc(void)
{
	unsigned char packet[8192];
	size_t len = fread(packet, 1, sizeof(packet), stdin);
	const unsigned char *end = packet + len;

	if (len < 44 + 4)
		return 0;
	return roce_icrc(packet, len - 4) ==
	       (end[-4] | end[-3] << 8 | end[-2] << 16 | (uint32_t)end[-1] << 24);
}

int main(int argc, char **argv)
{
	const struct scenario *s;
	int ok;

	if (argc == 2 && !strcmp(argv[1], "icrc"))
		return !check_icrc();
	if (argc == 2 && !strcmp(argv[1], "list"))
		return list();
	if (argc != 8 && argc != 9) {
		fprintf(stderr, "usage: see the head of hostile.c\n");
		return 2;
	}
	s = find(argv[7]);
	if (!s) {
		fprintf(stderr, "no such scenario: %s\n", argv[7]);
		return 2;
	}
	group.server = argc == 9;
	group.port = atoi(argv[6]);
	group.release = !s->v20;
	net_open(argv[1], argv[2], argv[3], argv[4], argv[5]);
	ok = run(s);
	printf("%s: %s, states %#x %#x, NAK %#x\n", s->name,
	       ok ? fates[s->fate] : "not as it should", group.conns[0].heard.state,
	       group.conns[1].heard.state, qp.nak);
	smc_leave();
	return !ok;
}
