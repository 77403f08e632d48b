// SPDX-License-Identifier: GPL-2.0
/* What is wrong with CLC messages, or does not come: see hostile.c. */
#define _GNU_SOURCE
#include <stdio.h>
#include <string.h>
#include "hostile_cases.h"

/* ---- the Proposal ---- */

static void p_eyecatcher(unsigned char *m, size_t *len)
{
	(void)len;
	m[0] ^= 1;
}

static void p_trailer(unsigned char *m, size_t *len)
{
	m[*len - 1] ^= 0x80;
}

static void p_type(unsigned char *m, size_t *len)
{
	(void)len;
	m[4] = 3;
}

static void p_version(unsigned char *m, size_t *len)
{
	(void)len;
	m[7] &= 0x0f;
}

static void p_short(unsigned char *m, size_t *len)
{
	(void)len;
	put(m + 5, 20, 2);
}

static void p_huge(unsigned char *m, size_t *len)
{
	(void)len;
	put(m + 5, 0xffff, 2);
}

/* More than all that there is, and that much comes. */
static void p_tail(unsigned char *m, size_t *len)
{
	memset(m + *len, 0, 100);
	*len += 100;
	put(m + 5, *len, 2);
	memcpy(m + *len - 4, m, 4);
}

static void p_ip_offset(unsigned char *m, size_t *len)
{
	(void)len;
	put(m + 38, 0xfff0, 2);
}

static void p_ext_offset(unsigned char *m, size_t *len)
{
	(void)len;
	put(m + 50, 0xffff, 2);
}

static void p_eids(unsigned char *m, size_t *len)
{
	(void)len;
	m[80] = 255;
}

/* SMC-D as well, whose extension is not there. */
static void p_smcd(unsigned char *m, size_t *len)
{
	(void)len;
	m[7] |= 0x0c;
	m[81] = 255;
	put(m + 86, 288, 2);
}

static void p_max_conns(unsigned char *m, size_t *len)
{
	(void)len;
	m[104] = 1;
}

static void p_max_links(unsigned char *m, size_t *len)
{
	(void)len;
	m[105] = 0;
}

static void p_gid(unsigned char *m, size_t *len)
{
	(void)len;
	memset(m + 88, 0xff, 16);
}

static void p_gid_many(unsigned char *m, size_t *len)
{
	(void)len;
	put(m + 100, 0xe0000001, 4);
}

/* The module's own. */
static void p_gid_own(unsigned char *m, size_t *len)
{
	(void)len;
	put(m + 100, net_peer(), 4);
}

/* ---- Accept and Confirm; what both have, at the same places ---- */

#define QPN	38
#define RKEY	41
#define INDEX	45
#define SIZES	50
#define ADDR	52
#define PSN	61
#define FCE	104

static void c_rkey(unsigned char *m, size_t *len)
{
	(void)len;
	put(m + RKEY, 0xdeadbeef, 4);
}

/* The ring's end is beyond that of the address space. */
static void c_addr(unsigned char *m, size_t *len)
{
	(void)len;
	put(m + ADDR, 0xfffffffffffff000ULL, 8);
}

static void c_addr_index(unsigned char *m, size_t *len)
{
	(void)len;
	m[INDEX] = 255;
	m[SIZES] |= 0xf0;
	put(m + ADDR, 0xffffffff00000000ULL, 8);
}

static void c_qpn(unsigned char *m, size_t *len)
{
	(void)len;
	put(m + QPN, 0xffffff, 3);
}

static void c_mtu_none(unsigned char *m, size_t *len)
{
	(void)len;
	m[SIZES] &= 0xf0;
}

/* Our own packets are no longer than the module's. */
static void c_mtu_beyond(unsigned char *m, size_t *len)
{
	(void)len;
	m[SIZES] |= 0x0f;
}

static void c_psn(unsigned char *m, size_t *len)
{
	(void)len;
	put(m + PSN, 0x800000, 3);
}

static void c_index_none(unsigned char *m, size_t *len)
{
	(void)len;
	m[INDEX] = 0;
}

/* An element far behind what there is: the ring is where it would be. */
static void c_index_last(unsigned char *m, size_t *len)
{
	(void)len;
	m[INDEX] = 255;
	put(m + ADDR, OUR_BASE - 254 * 16384, 8);
}

/* 512 MiB, of which the first bytes will do. */
static void c_size(unsigned char *m, size_t *len)
{
	(void)len;
	m[INDEX] = 1;
	m[SIZES] |= 0xf0;
}

static void c_version(unsigned char *m, size_t *len)
{
	(void)len;
	m[7] = (m[7] & 0x0f) | 0x30;
}

static void c_peer_id(unsigned char *m, size_t *len)
{
	(void)len;
	memset(m + 8, 0x77, 8);
}

static void c_gid(unsigned char *m, size_t *len)
{
	(void)len;
	memset(m + 16, 0xff, 16);
}

/* Multicast, to all. */
static void c_gid_many(unsigned char *m, size_t *len)
{
	(void)len;
	put(m + 28, 0xe0000001, 4);
}

/* Another one than the Proposal's, which no gateway leads to. */
static void c_gid_other(unsigned char *m, size_t *len)
{
	(void)len;
	put(m + 28, (net_peer() & 0xffffff00) | 77, 4);
}

static void c_eid(unsigned char *m, size_t *len)
{
	(void)len;
	memset(m + 64, 0xff, 32);
}

static void c_no_first(unsigned char *m, size_t *len)
{
	(void)len;
	m[7] &= ~0x08;
}

static void c_first_again(unsigned char *m, size_t *len)
{
	(void)len;
	m[7] |= 0x08;
}

static void c_first_cut(unsigned char *m, size_t *len)
{
	*len = FCE + 10 + 4;
	put(m + 5, *len, 2);
	memcpy(m + *len - 4, m, 4);
}

static void c_limits(unsigned char *m, size_t *len)
{
	(void)len;
	m[FCE + 36] ^= 0x11;
	m[FCE + 37] ^= 0x11;
}

static void c_gids(unsigned char *m, size_t *len)
{
	(void)len;
	m[FCE + 52] = 255;
}

static void c_short(unsigned char *m, size_t *len)
{
	(void)len;
	put(m + 5, 60, 2);
}

/* As long as it can be, and all of it comes. */
static void c_huge(unsigned char *m, size_t *len)
{
	put(m + 5, 0xffff, 2);
	memset(m + *len, 0xff, 0xffff - *len);
	*len = 0xffff;
}

static void c_type(unsigned char *m, size_t *len)
{
	(void)len;
	m[4] ^= 1;
}

static void c_garbage(unsigned char *m, size_t *len)
{
	memset(m + *len, 0xff, 1000);
	*len += 1000;
}

/* Before the module has read the Confirm. */
static void early(int bad)
{
	struct conn *c = &group.conns[1];
	struct cdc m = cdc_next(c);

	if (bad) {
		m.prod.count = 0x7fffffff;
		cdc_send(c, &m);
		qp_flush(2000);
	} else {
		qp_write(c->ring, c->rkey, "early", 5);
		qp_flush(2000);
	}
	smc_pump(100);
}

static void c_early(unsigned char *m, size_t *len)
{
	(void)m;
	(void)len;
	early(0);
}

static void c_early_bad(unsigned char *m, size_t *len)
{
	(void)m;
	(void)len;
	early(1);
}

/* ---- Decline, silence, farewells ---- */

static size_t decline(unsigned char *m)
{
	memset(m, 0, 28);
	put(m, 0xe2d4c3d9, 4);
	m[4] = 4;
	put(m + 5, 28, 2);
	m[7] = 0x10;
	put(m + 16, 0x03010000, 4);
	put(m + 24, 0xe2d4c3d9, 4);
	return 28;
}

/* Not the message that is due, but a Decline. */
static void c_decline(unsigned char *m, size_t *len)
{
	*len = decline(m);
}

static int tcp_echo(struct conn *c)
{
	char text[] = "as by TCP", back[sizeof(text)] = "";

	return !tcp_send(&c->tcp, text, sizeof(text)) &&
	       tcp_read(&c->tcp, back, sizeof(back), 5000) && !memcmp(text, back, sizeof(text));
}

static int decline_then_plain(struct conn *c)
{
	return smc_connect(c, NULL, c_decline) && tcp_echo(c);
}

static int later_decline(struct conn *c)
{
	struct conn *two = &group.conns[1];

	return !smc_connect(c, NULL, NULL) && !smc_echo(c, 100) &&
	       !smc_connect(two, NULL, c_decline) && tcp_echo(two) && !smc_echo(c, 100);
}

/* Who declines leaves nothing behind: the next connection has the same element. */
static int later_decline_again(struct conn *c)
{
	struct conn *two = &group.conns[1], *three = &group.conns[2];

	return !smc_connect(c, NULL, NULL) && !smc_connect(two, NULL, c_decline) &&
	       tcp_echo(two) && !smc_propose(three) && three->ring == two->ring &&
	       three->rkey == two->rkey;
}

static int silent(struct conn *c)
{
	return !tcp_connect(&c->tcp, 30000, group.port) && is_told(c, 15000);
}

static void p_half(unsigned char *m, size_t *len)
{
	(void)m;
	*len = 30;
}

static int silent_in_proposal(struct conn *c)
{
	return smc_connect(c, p_half, NULL) && is_told(c, 15000);
}

static void c_half(unsigned char *m, size_t *len)
{
	(void)m;
	*len = 50;
}

static void c_nothing(unsigned char *m, size_t *len)
{
	(void)m;
	*len = 0;
}

static int silent_in_confirm(struct conn *c)
{
	return smc_connect(c, NULL, c_half) && is_told(c, 15000);
}

static int silent_before_confirm(struct conn *c)
{
	return smc_connect(c, NULL, c_nothing) && is_told(c, 15000);
}

static void c_deaf(unsigned char *m, size_t *len)
{
	(void)m;
	(void)len;
	qp.deaf = 1;
}

static void c_unready(unsigned char *m, size_t *len)
{
	(void)m;
	(void)len;
	group.unready = 1;
}

/* The link is never confirmed: nothing that comes over it is answered. */
static int silent_link(struct conn *c)
{
	return smc_connect(c, NULL, c_deaf) && is_told(c, 20000);
}

/* The application's first bytes are a Decline, where there may be none. */
static void late_decline(struct conn *c)
{
	unsigned char m[28];

	tcp_send(&c->tcp, m, decline(m));
}

static void tcp_garbage(struct conn *c)
{
	static const unsigned char m[20000];

	tcp_send(&c->tcp, m, sizeof(m));
}

static void tcp_goes(struct conn *c)
{
	tcp_reset(&c->tcp);
}

/* The module writes where it was told to. */
static void use_second(struct conn *c)
{
	(void)c;
	smc_echo(&group.conns[1], 100);
}

#define PROPOSAL(what, function) { .name = what, .fate = REFUSED, .proposal = function }
#define CONFIRM(what, end, function) { .name = what, .fate = end, .confirm = function }
#define LATER(what, end, function) \
	{ .name = what, .fate = end, .confirm = function, .later = 1 }
#define ALONE(what, end, function) { .name = what, .fate = end, .alone = function }

const struct scenario clc_scenarios[] = {
	PROPOSAL("proposal-eyecatcher", p_eyecatcher),
	PROPOSAL("proposal-trailer", p_trailer),
	PROPOSAL("proposal-type", p_type),
	PROPOSAL("proposal-version", p_version),
	PROPOSAL("proposal-short", p_short),
	PROPOSAL("proposal-huge", p_huge),
	PROPOSAL("proposal-tail", p_tail),
	PROPOSAL("proposal-ip-offset", p_ip_offset),
	PROPOSAL("proposal-extension-offset", p_ext_offset),
	PROPOSAL("proposal-eids", p_eids),
	PROPOSAL("proposal-smcd", p_smcd),
	PROPOSAL("proposal-max-conns", p_max_conns),
	PROPOSAL("proposal-max-links", p_max_links),
	PROPOSAL("proposal-gid", p_gid),
	PROPOSAL("proposal-gid-multicast", p_gid_many),
	PROPOSAL("proposal-gid-own", p_gid_own),
	CONFIRM("confirm-address", REFUSED, c_addr),
	CONFIRM("confirm-address-index", REFUSED, c_addr_index),
	CONFIRM("confirm-qpn", REFUSED, c_qpn),
	CONFIRM("confirm-mtu-none", REFUSED, c_mtu_none),
	CONFIRM("confirm-mtu-beyond", LIVES, c_mtu_beyond),
	CONFIRM("confirm-psn", REFUSED, c_psn),
	CONFIRM("confirm-index-none", REFUSED, c_index_none),
	CONFIRM("confirm-index-last", LIVES, c_index_last),
	CONFIRM("confirm-size", LIVES, c_size),
	CONFIRM("confirm-version", REFUSED, c_version),
	CONFIRM("confirm-peer-id", REFUSED, c_peer_id),
	CONFIRM("confirm-gid", REFUSED, c_gid),
	CONFIRM("confirm-gid-multicast", REFUSED, c_gid_many),
	CONFIRM("confirm-gid-other", REFUSED, c_gid_other),
	CONFIRM("confirm-eid", LIVES, c_eid),
	CONFIRM("confirm-no-first-contact", REFUSED, c_no_first),
	CONFIRM("confirm-first-contact-cut", REFUSED, c_first_cut),
	CONFIRM("confirm-limits", REFUSED, c_limits),
	CONFIRM("confirm-gids", LIVES, c_gids),
	CONFIRM("confirm-link-unheard", LIVES, c_unready),
	CONFIRM("confirm-short", REFUSED, c_short),
	CONFIRM("confirm-huge", LIVES, c_huge),
	CONFIRM("confirm-type", REFUSED, c_type),
	CONFIRM("confirm-garbage-behind", REFUSED, c_garbage),
	{ .name = "later-key", .fate = GROUP, .confirm = c_rkey, .later = 1, .attack = use_second },
	LATER("later-address", REFUSED, c_addr),
	LATER("later-qpn", REFUSED, c_qpn),
	LATER("later-first-contact", REFUSED, c_first_again),
	ALONE("later-decline", PLAIN, later_decline),
	ALONE("later-decline-again", PLAIN, later_decline_again),
	LATER("later-early-data", LIVES, c_early),
	LATER("later-early-cursor", REFUSED, c_early_bad),
	ALONE("decline-then-plain", PLAIN, decline_then_plain),
	ALONE("silent", REFUSED, silent),
	ALONE("silent-in-proposal", REFUSED, silent_in_proposal),
	ALONE("silent-before-confirm", REFUSED, silent_before_confirm),
	ALONE("silent-in-confirm", REFUSED, silent_in_confirm),
	ALONE("silent-link", REFUSED, silent_link),
	{ .name = "decline-late", .fate = LIVES, .attack = late_decline },
	{ .name = "tcp-garbage", .fate = LIVES, .attack = tcp_garbage },
	{ .name = "tcp-reset", .fate = CONN, .attack = tcp_goes },
	{ 0 }
};
